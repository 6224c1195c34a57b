//! How many replicas a metric asks for.
//!
//! Follows `pkg/controller/podautoscaler/replica_calculator.go` and `metrics/utilization.go`. Ratios
//! and the counts made of them are floating point upstream and here; the floats stay in this file.
//! Amounts are thousandths (milli-cores, milli-bytes, thousandths of a metric).

use std::time::Duration;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{ConditionStatus, Phase};

/// How far a ratio may be from 1 without any change of the replicas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerances {
    /// Below 1.
    pub down: f64,
    /// Above 1.
    pub up: f64,
}

impl Default for Tolerances {
    /// `--horizontal-pod-autoscaler-tolerance=0.1`.
    fn default() -> Self {
        Self { down: 0.1, up: 0.1 }
    }
}

impl Tolerances {
    fn hold(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

/// How long pods are given before their CPU usage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`.
    pub cpu_initialization: Duration,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`.
    pub initial_readiness: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            cpu_initialization: Duration::from_mins(5),
            initial_readiness: Duration::from_secs(30),
        }
    }
}

/// A pod as the calculation sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Its name.
    pub name: Str,
    /// Its phase.
    pub phase: Phase,
    /// Whether its deletion has been asked for.
    pub deleting: bool,
    /// When the node agent took it on.
    pub started: Option<SimTime>,
    /// Its condition Ready, and since when it stands so.
    pub ready: Option<(ConditionStatus, SimTime)>,
    /// What was measured of it.
    pub sample: Option<Sample>,
}

/// One measurement of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The value in thousandths.
    pub value: i64,
    /// When it was taken.
    pub at: SimTime,
    /// The time it is an average of.
    pub window: Duration,
}

/// What a metric asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// How many replicas.
    pub replicas: i32,
    /// What was measured, as the status shows it: thousandths.
    pub usage: i64,
    /// In per cent of what the pods request, where that is what counts.
    pub utilization: Option<i32>,
}

/// What is known when replicas are calculated.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The replicas of the target's scale (`spec`, or `status` for averages of one value).
    pub current: i32,
    /// The tolerances.
    pub tolerances: Tolerances,
    /// The delays.
    pub delays: Delays,
    /// All pods that the target's selector selects.
    pub pods: &'a [Measured],
    /// Now.
    pub now: SimTime,
}

/// What counts against the measurements.
enum Against<'a> {
    /// That much for each pod.
    Target(i64),
    /// That many per cent of what the pods request.
    Utilization { target: i32, requests: &'a [i64] },
}

const NO_PODS: &str = "no pods returned by selector while calculating replica count";
const NO_METRICS: &str = "did not receive metrics for targeted pods (pods might be unready)";

/// The replicas that bring the utilization of a resource to its target (`GetResourceReplicas`).
/// `requests` answers what a pod requests, in thousandths.
///
/// # Errors
/// As upstream words it: no pods, no metrics, a pod without requests.
pub fn for_utilization(
    given: Given<'_>,
    is_cpu: bool,
    target: i32,
    requests: impl Fn(usize) -> Result<i64, String>,
) -> Result<Proposal, String> {
    let mut counted = Counted::of(given, is_cpu)?;
    let requests: Vec<i64> = (0..given.pods.len()).map(requests).collect::<Result<_, _>>()?;
    let against = Against::Utilization { target, requests: &requests };
    counted.propose(given, &against)
}

/// The replicas that bring the average of the pods' values to its target
/// (`GetRawResourceReplicas`, `GetMetricReplicas`).
///
/// # Errors
/// As upstream words it: no pods, no metrics.
pub fn for_average(given: Given<'_>, is_cpu: bool, target: i64) -> Result<Proposal, String> {
    Counted::of(given, is_cpu)?.propose(given, &Against::Target(target))
}

/// The replicas that bring one value to its target (`GetObjectMetricReplicas`,
/// `GetExternalMetricReplicas`).
///
/// # Errors
/// As upstream words it: no pods.
pub fn for_value(given: Given<'_>, usage: i64, target: i64) -> Result<Proposal, String> {
    let ratio = float(usage) / float(target);
    let proposal = |replicas| Ok(Proposal { replicas, usage, utilization: None });
    if given.current == 0 {
        return proposal(to_i32(ratio.ceil()));
    }
    if given.tolerances.hold(ratio) {
        return proposal(given.current);
    }
    if given.pods.is_empty() {
        return Err(format!("unable to calculate ready pods: {NO_PODS}"));
    }
    let is_ready = |p: &&Measured| {
        p.phase == Phase::Running && p.ready.is_some_and(|(s, _)| s == ConditionStatus::True)
    };
    let ready = given.pods.iter().filter(is_ready).count();
    proposal(capped(ratio * count(ready)))
}

/// The replicas among which one value is spread so that each gets its target
/// (`GetObjectPerPodMetricReplicas`, `GetExternalPerPodMetricReplicas`).
pub fn for_value_per_pod(given: Given<'_>, usage: i64, target: i64) -> Proposal {
    let current = f64::from(given.current);
    let mut replicas = given.current;
    if !given.tolerances.hold(float(usage) / (float(target) * current)) {
        replicas = capped(float(usage) / float(target));
    }
    let average = if usage == i64::MAX { usage } else { to_i64((float(usage) / current).ceil()) };
    Proposal { replicas, usage: average, utilization: None }
}

/// The pods by what is known of them (`groupPods`).
struct Counted {
    ready: usize,
    unready: Vec<usize>,
    missing: Vec<usize>,
    /// The values that count, by pod.
    values: Vec<(usize, i64)>,
}

impl Counted {
    fn of(given: Given<'_>, is_cpu: bool) -> Result<Self, String> {
        if given.pods.is_empty() {
            return Err(NO_PODS.to_owned());
        }
        let (mut unready, mut missing) = (Vec::new(), Vec::new());
        let mut values = Vec::new();
        for (i, pod) in given.pods.iter().enumerate() {
            if pod.deleting || pod.phase == Phase::Failed {
                continue;
            }
            match pod.sample {
                _ if pod.phase == Phase::Pending => unready.push(i),
                None => missing.push(i),
                Some(sample) if is_cpu && starts(pod, sample, given) => unready.push(i),
                Some(sample) => values.push((i, sample.value)),
            }
        }
        if values.is_empty() {
            return Err(NO_METRICS.to_owned());
        }
        Ok(Self { ready: values.len(), unready, missing, values })
    }

    fn propose(&mut self, given: Given<'_>, against: &Against<'_>) -> Result<Proposal, String> {
        let (ratio, measured) = against.ratio(&self.values)?;
        let proposal = |replicas| Ok(Proposal { replicas, ..measured });
        let up_with_unready = !self.unready.is_empty() && ratio > 1.0;
        if !up_with_unready && self.missing.is_empty() {
            if given.tolerances.hold(ratio) {
                return proposal(given.current);
            }
            return proposal(to_i32((ratio * count(self.ready)).ceil()));
        }
        // Pods that nothing is known of count as what would speak against the change.
        for pod in &self.missing {
            if ratio < 1.0 {
                self.values.push((*pod, against.at_most(*pod)));
            } else if ratio > 1.0 {
                self.values.push((*pod, 0));
            }
        }
        if up_with_unready {
            self.values.extend(self.unready.iter().map(|pod| (*pod, 0)));
        }
        let (new, _) = against.ratio(&self.values)?;
        if given.tolerances.hold(new) || ratio < 1.0 && new > 1.0 || ratio > 1.0 && new < 1.0 {
            return proposal(given.current);
        }
        let replicas = to_i32((new * count(self.values.len())).ceil());
        if new < 1.0 && replicas > given.current || new > 1.0 && replicas < given.current {
            return proposal(given.current);
        }
        proposal(replicas)
    }
}

impl Against<'_> {
    /// The ratio of what is measured to what is wanted, and what is measured
    /// (`GetResourceUtilizationRatio`, `GetMetricUsageRatio`).
    fn ratio(&self, values: &[(usize, i64)]) -> Result<(f64, Proposal), String> {
        let total: i64 = values.iter().fold(0, |sum, (_, v)| sum.wrapping_add(*v));
        let usage = total / i64::try_from(values.len()).unwrap_or(i64::MAX).max(1);
        match self {
            Self::Target(target) => {
                let measured = Proposal { replicas: 0, usage, utilization: None };
                Ok((float(usage) / float(*target), measured))
            }
            Self::Utilization { target, requests } => {
                let asked: i64 =
                    values.iter().fold(0, |sum, (pod, _)| sum.wrapping_add(requests[*pod]));
                if asked == 0 {
                    return Err("no metrics returned matched known pods".to_owned());
                }
                let percent = total.wrapping_mul(100).wrapping_div(asked);
                let percent = i32::try_from(percent).unwrap_or(i32::MAX);
                let measured = Proposal { replicas: 0, usage, utilization: Some(percent) };
                Ok((f64::from(percent) / f64::from(*target), measured))
            }
        }
    }

    /// What a pod without a measurement counts as when fewer replicas would do.
    fn at_most(&self, pod: usize) -> i64 {
        match self {
            Self::Target(target) => *target,
            Self::Utilization { target, requests } => {
                requests[pod].wrapping_mul(i64::from((*target).max(100))) / 100
            }
        }
    }
}

/// Whether a pod is still starting, so that its CPU usage does not count.
fn starts(pod: &Measured, sample: Sample, given: Given<'_>) -> bool {
    let (Some((status, since)), Some(started)) = (pod.ready, pod.started) else { return true };
    let unready = status == ConditionStatus::False;
    if started + given.delays.cpu_initialization > given.now {
        return unready || sample.at < since + sample.window;
    }
    unready && started + given.delays.initial_readiness > since
}

/// Thousandths as a ratio.
pub fn ratio(milli: i64) -> f64 {
    float(milli) / 1000.0
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "as upstream: float64(value)")]
const fn float(value: i64) -> f64 {
    value as f64
}

/// As Go converts on amd64: what does not fit becomes the least integer.
#[expect(clippy::cast_possible_truncation, reason = "as upstream: int32(value)")]
fn to_i32(value: f64) -> i32 {
    let fits = value > -2_147_483_649.0 && value < 2_147_483_648.0;
    if fits { value as i32 } else { i32::MIN }
}

#[expect(clippy::cast_possible_truncation, reason = "as upstream: int64(value)")]
fn to_i64(value: f64) -> i64 {
    let fits = value >= -9_223_372_036_854_775_808.0 && value < 9_223_372_036_854_775_808.0;
    if fits { value as i64 } else { i64::MIN }
}

fn capped(value: f64) -> i32 {
    if value > f64::from(i32::MAX) { i32::MAX } else { to_i32(value.ceil()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SimTime = SimTime::from_secs(10_000);

    fn pod(value: Option<i64>) -> Measured {
        let since = SimTime::from_secs(1_000);
        let window = Duration::from_secs(15);
        Measured {
            name: "p".into(),
            phase: Phase::Running,
            deleting: false,
            started: Some(since),
            ready: Some((ConditionStatus::True, since)),
            sample: value.map(|value| Sample { value, at: NOW, window }),
        }
    }

    fn given(current: i32, pods: &[Measured]) -> Given<'_> {
        let (tolerances, delays) = Default::default();
        Given { current, tolerances, delays, pods, now: NOW }
    }

    #[test]
    fn replicas_follow_the_ratio_beyond_the_tolerance() {
        let check = |values: &[i64], replicas: i32| {
            let pods: Vec<Measured> = values.iter().map(|v| pod(Some(*v))).collect();
            let current = i32::try_from(pods.len()).unwrap();
            let got = for_utilization(given(current, &pods), true, 50, |_| Ok(1000)).unwrap();
            assert_eq!(got.replicas, replicas, "{values:?}");
        };
        check(&[500, 500], 2);
        check(&[540, 550], 2);
        check(&[560, 560], 3);
        check(&[1000, 1000], 4);
        check(&[200, 200], 1);
    }

    #[test]
    fn a_missing_pod_speaks_against_the_change() {
        let up = [pod(Some(1000)), pod(None)];
        assert_eq!(for_average(given(2, &up), true, 500).unwrap().replicas, 2);
        let down = [pod(Some(100)), pod(Some(100)), pod(None)];
        let got = for_utilization(given(3, &down), true, 50, |_| Ok(1000)).unwrap();
        assert_eq!(got.replicas, 3);
    }

    #[test]
    fn a_starting_pod_does_not_count_as_used() {
        let mut new = pod(Some(1000));
        new.started = Some(NOW - Duration::from_secs(60));
        new.ready = Some((ConditionStatus::False, NOW - Duration::from_secs(60)));
        let got = for_average(given(2, &[pod(Some(2000)), new]), true, 500).unwrap();
        assert_eq!((got.replicas, got.usage), (4, 2000));
    }
}

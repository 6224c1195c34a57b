//! How fast pods are scheduled, in virtual time: a fold over facts that samples as the suite's throughput
//! collector does (test/integration/scheduler_perf/util.go, `throughputCollector`).
//!
//! Once a second it is looked at how many pods have got their node. The first look that sees any only begins the
//! count; a second in which none did is counted with the next in which some did, at the rate of both. The rates
//! are reported: floats, which are nowhere in time or order.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Measure, Op};
use crate::base::time::SimTime;
use crate::model::{Object, Pod};
use crate::trace::{Fact, FactKind};

/// How often is looked.
const INTERVAL: Duration = Duration::from_secs(1);

/// The fold.
#[derive(Debug)]
pub struct Throughput {
    name: String,
    /// For each op in turn, what begins with it, and whether something ends with it.
    ops: Vec<(&'static str, Option<Measure>, bool)>,
    /// How many ops have begun.
    begun: usize,
    open: Option<Open>,
    measured: Vec<Measured>,
    failed: Option<String>,
}

/// What is being measured.
#[derive(Debug)]
struct Open {
    measure: Measure,
    began: SimTime,
    next: SimTime,
    scheduled: u64,
    first: Option<SimTime>,
    last: Option<SimTime>,
    /// Pods and time of the last look that counted.
    before: Option<(u64, SimTime)>,
    skipped: usize,
    samples: Vec<f64>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What it is called.
    pub name: String,
    /// How many pods were scheduled meanwhile.
    pub pods: u64,
    /// From the begin of the measurement to the last of them.
    pub length: Duration,
    /// Pods a second in each of the looks, in ascending order.
    pub samples: Vec<f64>,
}

impl Throughput {
    /// Of a workload and its ops.
    pub fn new<'o>(name: &str, ops: impl Iterator<Item = &'o Op>) -> Self {
        let ops = ops.map(|op| (op.opcode(), op.begins(), op.ends())).collect();
        let name = name.to_owned();
        Self { name, ops, begun: 0, open: None, measured: Vec::new(), failed: None }
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        if let Some(open) = &mut self.open {
            open.look(fact.at);
        }
        match &fact.kind {
            FactKind::StepBegun { action, .. } => {
                let Some((opcode, begins, _)) = self.ops.get(self.begun) else { return };
                if opcode == action {
                    self.begun += 1;
                    if let Some(measure) = begins.clone() {
                        self.open = Some(Open::new(measure, fact.at));
                    }
                }
            }
            FactKind::Step(done) => {
                let current = self.begun.checked_sub(1).and_then(|i| self.ops.get(i));
                if current.is_some_and(|(opcode, ..)| *opcode == done.action) {
                    if done.exit_code != 0 {
                        self.failed.get_or_insert(done.stderr.trim_end().to_owned());
                    }
                    if current.is_some_and(|(_, _, ends)| *ends) {
                        self.measured.extend(self.open.take().map(Open::end));
                    }
                }
            }
            FactKind::Object { object: Object::Pod(pod), old, .. } => {
                let before = match old {
                    Some(Object::Pod(old)) => old.node.is_some(),
                    _ => false,
                };
                if let Some(open) = &mut self.open
                    && pod.node.is_some()
                    && !before
                    && open.measure.counts(pod)
                {
                    open.scheduled += 1;
                    open.first.get_or_insert(fact.at);
                    open.last = Some(fact.at);
                }
            }
            _ => {}
        }
    }

    /// Why an op failed, if one did.
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// What was measured, for people.
    pub fn told(&self) -> String {
        let mut text = format!("scheduler-perf {}\n", self.name);
        for one in &self.measured {
            let length = crate::report::timeline::duration(one.length);
            text.push_str(&format!("  {}: {} pods scheduled in {length}", one.name, one.pods));
            match one.data() {
                None => text
                    .push_str("; too short for SchedulingThroughput, which takes some seconds\n"),
                Some(data) => {
                    let cells = data.iter().map(|(name, rate)| format!("{name} {rate:.1}"));
                    let cells = cells.collect::<Vec<_>>().join(", ");
                    text.push_str(&format!(
                        "\n    SchedulingThroughput, pods/s of virtual time: {cells}\n"
                    ));
                }
            }
        }
        if let Some(why) = &self.failed {
            text.push_str(&format!("  failed: {}\n", why.strip_prefix("error: ").unwrap_or(why)));
        } else if self.measured.is_empty() {
            text.push_str("  nothing was measured\n");
        }
        text
    }

    /// What was measured, in the form of the suite's own results.
    pub fn json(&self) -> Value {
        let item = |one: &Measured| {
            let labels = json!({"Metric": "SchedulingThroughput", "Name": format!("{}/{}", self.name, one.name)});
            let data: serde_json::Map<String, Value> = one
                .data()
                .into_iter()
                .flatten()
                .map(|(name, rate)| (name.to_owned(), rate.into()))
                .collect();
            json!({"data": data, "unit": "pods/s", "labels": labels})
        };
        json!({"version": "v1", "dataItems": self.measured.iter().map(item).collect::<Vec<_>>()})
    }
}

impl Measured {
    /// The mean, and quantiles as the suite takes them: `None` without samples.
    fn data(&self) -> Option<[(&'static str, f64); 5]> {
        let at = |percent: usize| {
            let place = (self.samples.len() * percent).div_ceil(100).saturating_sub(1);
            self.samples.get(place).copied()
        };
        let sum: f64 = self.samples.iter().sum();
        let count = f64::from(u32::try_from(self.samples.len()).ok()?);
        Some([
            ("Average", sum / count),
            ("Perc50", at(50)?),
            ("Perc90", at(90)?),
            ("Perc95", at(95)?),
            ("Perc99", at(99)?),
        ])
    }
}

impl Open {
    fn new(measure: Measure, now: SimTime) -> Self {
        Self {
            measure,
            began: now,
            next: now + INTERVAL,
            scheduled: 0,
            first: None,
            last: None,
            before: None,
            skipped: 0,
            samples: Vec::new(),
        }
    }

    /// Looks as often as is due before `now`.
    fn look(&mut self, now: SimTime) {
        while self.next < now {
            let at = self.next;
            self.next = at + INTERVAL;
            let Some((pods, since)) = self.before else {
                self.before = (self.scheduled > 0).then_some((self.scheduled, at));
                continue;
            };
            let more = self.scheduled - pods;
            if more == 0 {
                self.skipped += 1;
                continue;
            }
            let more = f64::from(u32::try_from(more).unwrap_or(u32::MAX));
            let rate = more / at.since(since).as_secs_f64();
            self.samples.extend(std::iter::repeat_n(rate, self.skipped + 1));
            (self.before, self.skipped) = (Some((self.scheduled, at)), 0);
        }
    }

    fn end(mut self) -> Measured {
        self.samples.sort_by(f64::total_cmp);
        let length = self.last.map_or(Duration::ZERO, |last| last.since(self.began));
        Measured { name: self.measure.name, pods: self.scheduled, length, samples: self.samples }
    }
}

impl Measure {
    fn counts(&self, pod: &Pod) -> bool {
        self.namespaces.iter().any(|n| pod.meta.namespace == *n.as_str()) && has(pod, &self.labels)
    }
}

/// Whether a pod has all these labels.
pub(in crate::scenario) fn has(pod: &Pod, labels: &BTreeMap<String, String>) -> bool {
    labels.iter().all(|(key, value)| {
        pod.meta.labels.iter().any(|(k, v)| *k == key.as_str() && *v == value.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(at: &[u64]) -> Measured {
        let measure = Measure { name: "m".into(), namespaces: vec![], labels: BTreeMap::new() };
        let start = SimTime::from_secs(100);
        let mut open = Open::new(measure, start);
        for millis in at {
            let now = start + Duration::from_millis(*millis);
            open.look(now);
            open.scheduled += 1;
            open.last = Some(now);
        }
        open.look(start + Duration::from_secs(60));
        open.end()
    }

    #[test]
    fn the_first_look_only_begins_and_empty_seconds_share_the_rate_of_the_next() {
        // Looks: 1 s two pods, 2 s one more, 3 s and 4 s none, 5 s three more.
        let one = measured(&[100, 200, 1500, 4100, 4200, 4300]);
        assert_eq!(one.samples, [1.0, 1.0, 1.0, 1.0]);
        assert_eq!((one.pods, one.length), (6, Duration::from_millis(4300)));
        let data = measured(&[100, 1100, 2100, 2200, 3100, 3200, 3300]).data().unwrap();
        assert_eq!(data.map(|(_, rate)| format!("{rate:.1}")), ["2.0", "2.0", "3.0", "3.0", "3.0"]);
    }

    #[test]
    fn what_is_over_within_a_second_has_no_rate() {
        assert_eq!(measured(&[100, 200]).data(), None);
        assert_eq!(measured(&[]).data(), None);
    }
}

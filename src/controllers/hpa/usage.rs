//! What the metrics APIs would answer, read off load profiles.
//!
//! Follows `pkg/controller/podautoscaler/metrics/client.go` for the errors, and [`super::load`] for
//! the values.

use std::cell::Cell;
use std::sync::Arc;

use super::load::{Profile, SCRAPE, last_scrape, scrape_from};
use super::replicas::{Measured, Sample};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{ConditionStatus, ContainerState, Labels, Meta, Pod, conditions};

/// What begins the annotations that carry profiles.
const PREFIX: &str = "wavetank.dev/load.";

/// The pods of one autoscaler, and what is stated of their load.
#[derive(Debug)]
pub(super) struct Usage<'a> {
    /// The autoscaler's metadata.
    hpa: &'a Meta,
    /// All pods that the target's selector selects.
    pub(super) pods: &'a [Arc<Pod>],
    pub(super) now: SimTime,
    /// How many pods share what is stated for all of them: the ready ones, or all while none is.
    sharing: i64,
    any_ready: bool,
    /// When any of the answers may next differ.
    changes: Cell<Option<SimTime>>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// A resource, of one container or of whole pods.
    Resource { name: &'a str, container: Option<&'a str> },
    /// A metric of that name.
    Metric(&'a str),
}

impl<'a> Usage<'a> {
    pub(super) fn new(hpa: &'a Meta, pods: &'a [Arc<Pod>], now: SimTime) -> Self {
        let serving = pods.iter().filter(|p| p.is_ready() && p.is_active()).count();
        let running = pods.iter().filter(|p| p.is_active()).count();
        let any_ready = serving > 0;
        let sharing = if any_ready { serving } else { running };
        let sharing = i64::try_from(sharing).unwrap_or(i64::MAX).max(1);
        Self { hpa, pods, now, sharing, any_ready, changes: Cell::new(None) }
    }

    /// When any of the answers so far may next differ without news.
    pub(super) fn changes(&self) -> Option<SimTime> {
        self.changes.get()
    }

    /// The pods with their samples (`GetResourceMetric`, `GetRawMetric`).
    pub(super) fn measured(&self, asked: Asked<'_>) -> Result<Vec<Measured>, String> {
        if !self.is_stated(asked) {
            return Err(asked.unknown());
        }
        self.pods.iter().map(|pod| self.of_pod(pod, asked)).collect()
    }

    /// One value that is not a pod's (`GetObjectMetric`, `GetExternalMetric`).
    pub(super) fn value(&self, metric: &str, unknown: &str) -> Result<i64, String> {
        let profile = read(&self.hpa.annotations, &format!("metric.{metric}"))?;
        let profile = profile.ok_or_else(|| unknown.to_owned())?;
        let began = self.hpa.created;
        let at = last_scrape(self.now);
        self.notice(&profile, began, at);
        Ok(profile.at(at.since(began)))
    }

    fn is_stated(&self, asked: Asked<'_>) -> bool {
        let key = format!("{PREFIX}{}", asked.key());
        let carries = |labels: &Labels| labels.iter().any(|(k, _)| k.starts_with(key.as_str()));
        carries(&self.hpa.annotations) || self.pods.iter().any(|p| carries(&p.meta.annotations))
    }

    /// The pods without samples.
    pub(super) fn unmeasured(&self) -> Vec<Measured> {
        self.pods.iter().map(|pod| without_sample(pod)).collect()
    }

    fn of_pod(&self, pod: &Pod, asked: Asked<'_>) -> Result<Measured, String> {
        let mut measured = without_sample(pod);
        let ready = measured.ready;
        let Some(from) = sampled_from(pod) else { return Ok(measured) };
        self.notice_time(from);
        if let Some((_, since)) = ready.filter(|(s, _)| *s == ConditionStatus::True) {
            self.notice_time(scrape_from(since + SCRAPE));
        }
        if let Some(started) = measured.started {
            self.notice_time(started + super::replicas::Delays::default().cpu_initialization);
        }
        let at = last_scrape(self.now);
        if from <= at
            && let Some(value) = self.value_of(pod, asked, at)?
        {
            measured.sample = Some(Sample { value, at, window: SCRAPE });
        }
        Ok(measured)
    }

    /// What a pod or one of its containers uses.
    fn value_of(&self, pod: &Pod, asked: Asked<'_>, at: SimTime) -> Result<Option<i64>, String> {
        let Asked::Resource { name, container } = asked else {
            return self.stated(pod, &asked.key(), at);
        };
        let of_container = |c: &str| self.stated(pod, &format!("{name}.{c}"), at);
        let whole = self.stated(pod, name, at)?;
        let count = i64::try_from(pod.spec.containers.len()).unwrap_or(1).max(1);
        match container {
            Some(c) => Ok(of_container(c)?.or(whole.map(|v| v / count))),
            None if whole.is_some() => Ok(whole),
            None => {
                let mut sum = None;
                for c in &pod.spec.containers {
                    if let Some(value) = of_container(&c.name)? {
                        sum = Some(sum.unwrap_or(0_i64).saturating_add(value));
                    }
                }
                Ok(sum)
            }
        }
    }

    /// The value that the autoscaler states, or else the pod.
    fn stated(&self, pod: &Pod, key: &str, at: SimTime) -> Result<Option<i64>, String> {
        for meta in [self.hpa, &pod.meta] {
            let Some(profile) = read(&meta.annotations, key)? else { continue };
            self.notice(&profile, meta.created, at);
            let value = profile.at(at.since(meta.created));
            return Ok(Some(match profile.total {
                false => value,
                true if self.any_ready && !(pod.is_ready() && pod.is_active()) => 0,
                true => value / self.sharing,
            }));
        }
        Ok(None)
    }

    fn notice(&self, profile: &Profile, began: SimTime, at: SimTime) {
        if let Some(after) = profile.changes_after(at.since(began)) {
            self.notice_time(scrape_from(began + after));
        }
    }

    fn notice_time(&self, at: SimTime) {
        if at > self.now && self.changes.get().is_none_or(|c| at < c) {
            self.changes.set(Some(at));
        }
    }
}

impl Asked<'_> {
    fn key(self) -> String {
        match self {
            Self::Resource { name, .. } => name.to_owned(),
            Self::Metric(name) => format!("metric.{name}"),
        }
    }

    /// What a cluster without the metrics API answers.
    fn unknown(self) -> String {
        match self {
            Self::Resource { .. } => {
                "unable to fetch metrics from resource metrics API: the server \
                could not find the requested resource (get pods.metrics.k8s.io)"
                    .to_owned()
            }
            Self::Metric(_) => NO_CUSTOM_METRICS.to_owned(),
        }
    }
}

/// What a container uses, as its pod states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The container.
    pub container: Str,
    /// CPU in thousandths of a core.
    pub cpu: i64,
    /// Memory in bytes.
    pub memory: i64,
}

/// Whether an object states the use of CPU or memory.
pub fn states_load(meta: &Meta) -> bool {
    let of = |key: &str| {
        key.strip_prefix(PREFIX).is_some_and(|k| k.starts_with("cpu") || k.starts_with("memory"))
    };
    meta.annotations.iter().any(|(key, _)| of(key))
}

/// What the containers of a pod used at the last scrape; `None` where it has no sample yet. `peers` are the
/// pods of its workload, which share what is stated for all of them.
///
/// # Errors
/// A profile that cannot be read.
pub fn used(pod: &Pod, peers: &[Arc<Pod>], now: SimTime) -> Result<Option<Vec<Used>>, String> {
    let at = last_scrape(now);
    if !states_load(&pod.meta) || sampled_from(pod).is_none_or(|from| from > at) {
        return Ok(None);
    }
    let nobody = Meta::default();
    let usage = Usage::new(&nobody, peers, now);
    let mut all = Vec::new();
    for container in &pod.spec.containers {
        let of = |name| {
            let asked = Asked::Resource { name, container: Some(&container.name) };
            usage.value_of(pod, asked, at).map(Option::unwrap_or_default)
        };
        let (cpu, memory) = (of("cpu")?, of("memory")? / 1000);
        all.push(Used { container: container.name.clone(), cpu, memory });
    }
    Ok(Some(all))
}

/// What a cluster without the custom metrics API answers.
pub(super) const NO_CUSTOM_METRICS: &str = "unable to fetch metrics from custom metrics API: \
    no custom metrics API (custom.metrics.k8s.io) registered";

/// What a cluster without the external metrics API answers.
pub(super) fn no_external_metrics(metric: &str) -> String {
    format!(
        "unable to fetch metrics from external metrics API: the server could not find the requested \
         resource (get {metric}.external.metrics.k8s.io)"
    )
}

fn without_sample(pod: &Pod) -> Measured {
    Measured {
        name: pod.meta.name.clone(),
        phase: pod.status.phase,
        deleting: pod.meta.is_terminating(),
        started: pod.status.start_time,
        ready: pod.status.condition(conditions::READY).map(|c| (c.status, c.since)),
        sample: None,
    }
}

fn read(annotations: &Labels, key: &str) -> Result<Option<Profile>, String> {
    let key = format!("{PREFIX}{key}");
    let Some(text) = annotations.get(&key) else { return Ok(None) };
    Profile::parse(text).map(Some).map_err(|e| format!("annotation {key}: {e}"))
}

/// From when on a pod has samples: the second one after its last container started.
fn sampled_from(pod: &Pod) -> Option<SimTime> {
    let started = |c: &crate::model::ContainerStatus| match &c.state {
        ContainerState::Running { started_at } => Some(*started_at),
        ContainerState::Waiting { .. } | ContainerState::Terminated(_) => None,
    };
    let all: Option<Vec<SimTime>> = pod.status.containers.iter().map(started).collect();
    let last = all?.into_iter().max()?;
    Some(scrape_from(last) + SCRAPE)
}

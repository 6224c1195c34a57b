//! One look at an autoscaler: what becomes of its target and of its status.
//!
//! Follows `pkg/controller/podautoscaler/horizontal.go`, `reconcileAutoscaler`. Nothing here asks the
//! API server: the answer is a value.

use std::sync::Arc;

use super::Hpa;
use super::behavior::{Bounds, History, normalize};
use super::metrics::{self, Failure, Replicas};
use super::usage::Usage;
use crate::base::time::SimTime;
use crate::model::wire::autoscaling::{
    HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerStatus, MetricStatus,
};
use crate::model::{Key, Pod, Ref, wire_time};
use crate::trace::EventType;

/// The scale of a target, as its subresource has it.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    pub(super) target: Ref,
    pub(super) replicas: Replicas,
    /// The selector as text, for messages.
    pub(super) selector: String,
}

/// What is known when an autoscaler is looked at.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) hpa: &'a Hpa,
    pub(super) scale: Result<Scale, String>,
    /// All pods that the target's selector selects.
    pub(super) pods: Vec<Arc<Pod>>,
    /// The autoscalers that select any of these pods.
    pub(super) selecting: Vec<Key>,
    pub(super) now: SimTime,
}

/// An event: its type, reason and text.
pub(super) type Said = (EventType, &'static str, String);

/// What becomes of the autoscaler.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) status: HorizontalPodAutoscalerStatus,
    /// Events that are said at once.
    pub(super) events: Vec<Said>,
    /// The target is to be scaled; the status then follows from how that goes.
    pub(super) rescale: Option<Rescale>,
    /// Events that are said after the status was written.
    pub(super) after: Vec<Said>,
    /// Whether it failed.
    pub(super) failed: bool,
    /// What the metrics asked for, where they were looked at.
    pub(super) recommended: Option<i32>,
    /// When the metrics may next differ without news.
    pub(super) changes: Option<SimTime>,
}

/// A change of the target's scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rescale {
    pub(super) target: Ref,
    pub(super) from: i32,
    pub(super) to: i32,
    pub(super) why: String,
}

/// Looks at an autoscaler.
pub(super) fn plan(scene: &Scene<'_>, history: &mut History) -> Plan {
    let mut look = Look::new(scene);
    let scale = match &scene.scale {
        Ok(scale) => scale,
        Err(error) => {
            look.say(EventType::Warning, "FailedGetScale", error.clone());
            let text =
                format!("the HPA controller was unable to get the target's current scale: {error}");
            look.condition("AbleToScale", false, "FailedGetScale", &text);
            return look.failed();
        }
    };
    let text = "the HPA controller was able to get the target's current scale";
    look.condition("AbleToScale", true, "SucceededGetScale", text);
    let current = scale.replicas.spec;
    if history.recommendations.is_empty() {
        history.recommendations.push((scene.now, current));
    }
    let spec = &scene.hpa.body.spec;
    let bounds = Bounds { min: spec.min_replicas.unwrap_or(1), max: spec.max_replicas, current };
    look.plan.status.current_replicas = Some(current);
    let (desired, why) = if current == 0 {
        let text = "scaling is disabled since the replica count of the target is zero";
        look.condition("ScalingActive", false, "ScalingDisabled", text);
        (0, String::new())
    } else if current > bounds.max {
        (bounds.max, "Current number of replicas above Spec.MaxReplicas".to_owned())
    } else if current < bounds.min {
        (bounds.min, "Current number of replicas below Spec.MinReplicas".to_owned())
    } else {
        match look.by_metrics(scale, bounds, history) {
            Ok(found) => found,
            Err(error) => {
                look.plan.after.push((EventType::Warning, "FailedComputeMetricsReplicas", error));
                return look.failed();
            }
        }
    };
    look.plan.status.desired_replicas = desired;
    if desired != current {
        let target = scale.target.clone();
        look.plan.rescale = Some(Rescale { target, from: current, to: desired, why });
    }
    look.plan
}

struct Look<'a> {
    scene: &'a Scene<'a>,
    plan: Plan,
}

impl<'a> Look<'a> {
    fn new(scene: &'a Scene<'a>) -> Self {
        let mut status = scene.hpa.body.status.clone().unwrap_or_default();
        if scene.scale.is_ok() {
            status.current_metrics = None;
        }
        let plan = Plan {
            status,
            events: Vec::new(),
            rescale: None,
            after: Vec::new(),
            failed: false,
            recommended: None,
            changes: None,
        };
        Self { scene, plan }
    }

    fn failed(mut self) -> Plan {
        self.plan.failed = true;
        self.plan
    }

    fn say(&mut self, event_type: EventType, reason: &'static str, text: String) {
        self.plan.events.push((event_type, reason, text));
    }

    fn condition(&mut self, kind: &str, holds: bool, reason: &str, message: &str) {
        set_condition(&mut self.plan.status, kind, holds, reason, message, self.scene.now);
    }

    /// What the metrics ask for, within what is allowed: the replicas, and why they change.
    fn by_metrics(
        &mut self,
        scale: &Scale,
        bounds: Bounds,
        history: &mut History,
    ) -> Result<(i32, String), String> {
        let (recommended, metric) = self.recommend(scale)?;
        self.plan.recommended = Some(recommended);
        let why = match recommended.max(0) {
            r if r > bounds.current => format!("{metric} above target"),
            r if r < bounds.current => "All metrics below target".to_owned(),
            _ => String::new(),
        };
        let behavior = self.scene.hpa.body.spec.behavior.as_ref();
        let normal = normalize(behavior, history, bounds, recommended.max(0), self.scene.now);
        self.condition("AbleToScale", true, normal.able.0, &normal.able.1);
        let (limits, reason, message) = &normal.limited;
        self.condition("ScalingLimited", *limits, reason, message);
        Ok((normal.replicas, why))
    }

    /// The most that any metric asks for, and which (`computeReplicasForMetrics`).
    fn recommend(&mut self, scale: &Scale) -> Result<(i32, String), String> {
        self.check_selector(scale)?;
        let scene = self.scene;
        let usage = Usage::new(&scene.hpa.meta, &scene.pods, scene.now);
        let spec = &scene.hpa.body.spec;
        let specs = spec.metrics.as_deref().unwrap_or_default();
        let tolerances = metrics::tolerances(spec.behavior.as_ref());
        let (mut most, mut statuses) = (None::<(i32, String)>, Vec::new());
        let (mut first, mut invalid): (Option<Failure>, usize) = (None, 0);
        for metric in specs {
            let namespace = &scene.hpa.meta.namespace;
            match metrics::ask(metric, scale.replicas, namespace, tolerances, &usage) {
                Ok(asks) => {
                    statuses.push(asks.status);
                    if most.as_ref().is_none_or(|(r, _)| *r == 0 || asks.replicas > *r) {
                        most = Some((asks.replicas, asks.name));
                    }
                }
                Err(failure) => {
                    statuses.push(MetricStatus::default());
                    let event = (EventType::Warning, failure.reason, failure.event.clone());
                    self.plan.events.push(event);
                    invalid += 1;
                    first.get_or_insert(failure);
                }
            }
        }
        self.plan.changes = usage.changes();
        self.plan.status.current_metrics = Some(statuses).filter(|s| !s.is_empty());
        let current = scale.replicas.spec;
        let error = first.as_ref().map(|f| {
            let all = specs.len();
            format!("invalid metrics ({invalid} invalid out of {all}), first error is: {}", f.error)
        });
        match (most, first, error) {
            (Some((replicas, name)), None, _) => self.active(replicas, name),
            (Some((replicas, name)), Some(_), Some(_)) if replicas >= current => {
                self.plan.failed = true;
                self.active(replicas, name)
            }
            (_, Some(failure), Some(error)) => {
                let text =
                    format!("the HPA was unable to compute the replica count: {}", failure.event);
                self.condition("ScalingActive", false, failure.reason, &text);
                Err(error)
            }
            _ => Err("invalid metrics (0 invalid out of 0)".to_owned()),
        }
    }

    fn active(&mut self, replicas: i32, name: String) -> Result<(i32, String), String> {
        let text =
            format!("the HPA was able to successfully calculate a replica count from {name}");
        self.condition("ScalingActive", true, "ValidMetricFound", &text);
        Ok((replicas, name))
    }

    /// `validateAndParseSelector`.
    fn check_selector(&mut self, scale: &Scale) -> Result<(), String> {
        if scale.selector.is_empty() {
            let error = "selector is required";
            self.say(EventType::Warning, "SelectorRequired", error.to_owned());
            let text = "the HPA target's scale is missing a selector";
            self.condition("ScalingActive", false, "InvalidSelector", text);
            return Err(error.to_owned());
        }
        if self.scene.selecting.len() > 1 {
            let keys =
                self.scene.selecting.iter().map(|k| format!("{{{} {}}}", k.name, k.namespace));
            let error = format!(
                "pods by selector {} are controlled by multiple HPAs: [{}]",
                scale.selector,
                keys.collect::<Vec<_>>().join(" ")
            );
            self.say(EventType::Warning, "AmbiguousSelector", error.clone());
            self.condition("ScalingActive", false, "AmbiguousSelector", &error);
            return Err(error);
        }
        Ok(())
    }
}

impl Plan {
    /// The target has been scaled, or could not be.
    pub(super) fn rescaled(&mut self, rescale: &Rescale, error: Option<&str>, now: SimTime) {
        let Rescale { to, why, .. } = rescale;
        match error {
            None => {
                let text =
                    format!("the HPA controller was able to update the target scale to {to}");
                set_condition(
                    &mut self.status,
                    "AbleToScale",
                    true,
                    "SucceededRescale",
                    &text,
                    now,
                );
                self.status.last_scale_time = Some(wire_time(now));
                let conditions = self.status.conditions.get_or_insert_default();
                conditions.retain(|c| c.type_ != "ScaledToZero");
                let text = format!("New size: {to}; reason: {why}");
                self.events.push((EventType::Normal, "SuccessfulRescale", text));
            }
            Some(error) => {
                let text =
                    format!("the HPA controller was unable to update the target scale: {error}");
                set_condition(
                    &mut self.status,
                    "AbleToScale",
                    false,
                    "FailedUpdateScale",
                    &text,
                    now,
                );
                let text = format!("New size: {to}; reason: {why}; error: {error}");
                self.events.push((EventType::Warning, "FailedRescale", text));
                self.failed = true;
            }
        }
    }

    /// What the autoscaler waits for, where it cannot scale.
    pub(super) fn waits_for(&self) -> Option<String> {
        let conditions = self.status.conditions.iter().flatten();
        let mut held = conditions.filter(|c| c.status == "False" && c.type_ != "ScalingLimited");
        held.next().map(|c| format!("metrics: {}", c.message.as_deref().unwrap_or_default()))
    }
}

/// `setConditionInList`.
fn set_condition(
    status: &mut HorizontalPodAutoscalerStatus,
    kind: &str,
    holds: bool,
    reason: &str,
    message: &str,
    now: SimTime,
) {
    let holds = if holds { "True" } else { "False" };
    let conditions = status.conditions.get_or_insert_default();
    let i = conditions.iter().position(|c| c.type_ == kind).unwrap_or_else(|| {
        let type_ = kind.to_owned();
        conditions.push(HorizontalPodAutoscalerCondition { type_, ..Default::default() });
        conditions.len() - 1
    });
    let condition = &mut conditions[i];
    if condition.status != holds {
        condition.last_transition_time = Some(wire_time(now));
    }
    holds.clone_into(&mut condition.status);
    condition.reason = Some(reason.to_owned());
    condition.message = Some(message.to_owned());
}

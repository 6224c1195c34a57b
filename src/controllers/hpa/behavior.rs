//! How fast and how soon a target may be scaled.
//!
//! Follows `pkg/controller/podautoscaler/horizontal.go`: `normalizeDesiredReplicas` and
//! `normalizeDesiredReplicasWithBehaviors` with what they call. An autoscaler's [`History`] is what
//! the controller keeps in memory: recommendations before stabilization, and its own scale events.
//! Percentages are floating point upstream and here; the floats stay in this file.

use std::time::Duration;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::wire::autoscaling::{HPAScalingRules, HorizontalPodAutoscalerBehavior};

/// `--horizontal-pod-autoscaler-downscale-stabilization`.
pub const DOWNSCALE_STABILIZATION: Duration = Duration::from_mins(5);

/// What the controller remembers of one autoscaler.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct History {
    /// Recommendations before stabilization, and when they were made.
    pub recommendations: Vec<(SimTime, i32)>,
    /// How many replicas were added, and when.
    pub ups: Vec<ScaleEvent>,
    /// How many replicas were taken away, and when.
    pub downs: Vec<ScaleEvent>,
}

/// One change of a target's scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleEvent {
    /// When.
    pub at: SimTime,
    /// By how many replicas.
    pub change: i32,
    /// Whether no policy looks at it any more.
    pub outdated: bool,
}

/// The bounds within which a target is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// `minReplicas`, defaulted.
    pub min: i32,
    /// `maxReplicas`.
    pub max: i32,
    /// The replicas of the target's scale.
    pub current: i32,
}

/// What becomes of a recommendation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalized {
    /// The replicas that are asked for in the end.
    pub replicas: i32,
    /// Condition `AbleToScale`, which is true: reason and message.
    pub able: (&'static str, Str),
    /// Condition `ScalingLimited`: whether it holds, reason and message.
    pub limited: (bool, &'static str, Str),
}

/// Stabilizes and limits a recommendation, and remembers it.
pub fn normalize(
    behavior: Option<&HorizontalPodAutoscalerBehavior>,
    history: &mut History,
    bounds: Bounds,
    desired: i32,
    now: SimTime,
) -> Normalized {
    let Some(behavior) = behavior else { return without_behavior(history, bounds, desired, now) };
    let (up, down) = (Rules::up(behavior), Rules::down(behavior));
    let stabilized = history.stabilize(&up, &down, bounds.current, desired, now);
    let able = if stabilized == desired {
        READY
    } else if desired >= bounds.current {
        UP_STABILIZED
    } else {
        DOWN_STABILIZED
    };
    let (replicas, reason, message) = match stabilized {
        s if s > bounds.current => {
            let limit = up.up_limit(bounds.current, history, now).max(bounds.current);
            let (most, (reason, message)) =
                if bounds.max > limit { (limit, UP_LIMIT) } else { (bounds.max, TOO_MANY) };
            if s > most { (most, reason, message) } else { within(s) }
        }
        s if s < bounds.current => {
            let limit = down.down_limit(bounds.current, history, now).min(bounds.current);
            let (least, (reason, message)) =
                if bounds.min < limit { (limit, DOWN_LIMIT) } else { (bounds.min, TOO_FEW) };
            if s < least { (least, reason, message) } else { within(s) }
        }
        s => within(s),
    };
    normalized(replicas, able, (replicas != stabilized, reason, message))
}

type Text = (&'static str, &'static str);

const READY: Text = ("ReadyForNewScale", "recommended size matches current size");
const UP_STABILIZED: Text = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);
const DOWN_STABILIZED: Text = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);
const UP_LIMIT: Text =
    ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
const DOWN_LIMIT: Text = (
    "ScaleDownLimit",
    "the desired replica count is decreasing faster than the maximum scale rate",
);
const TOO_MANY: Text =
    ("TooManyReplicas", "the desired replica count is more than the maximum replica count");
const TOO_FEW: Text =
    ("TooFewReplicas", "the desired replica count is less than the minimum replica count");

const fn within(replicas: i32) -> (i32, &'static str, &'static str) {
    (replicas, "DesiredWithinRange", "the desired count is within the acceptable range")
}

fn normalized(
    replicas: i32,
    able: Text,
    limited: (bool, &'static str, &'static str),
) -> Normalized {
    let (limits, reason, message) = limited;
    Normalized {
        replicas,
        able: (able.0, Str::new_static(able.1)),
        limited: (limits, reason, Str::new_static(message)),
    }
}

/// `normalizeDesiredReplicas`, `convertDesiredReplicasWithRules`.
fn without_behavior(
    history: &mut History,
    bounds: Bounds,
    desired: i32,
    now: SimTime,
) -> Normalized {
    let cutoff = now - DOWNSCALE_STABILIZATION;
    let recent = history.recommendations.iter().filter(|(at, _)| *at >= cutoff);
    let stabilized = recent.map(|(_, r)| *r).fold(desired, i32::max);
    history.recommend(|at| at < cutoff, desired, now);
    let able = if stabilized == desired { READY } else { DOWN_STABILIZED };
    let limit = bounds.current.saturating_mul(2).max(4);
    let (most, (reason, message)) =
        if bounds.max > limit { (limit, UP_LIMIT) } else { (bounds.max, TOO_MANY) };
    let (replicas, reason, message) = if stabilized < bounds.min {
        (bounds.min, TOO_FEW.0, TOO_FEW.1)
    } else if stabilized > most {
        (most, reason, message)
    } else {
        within(stabilized)
    };
    normalized(replicas, able, (replicas != stabilized, reason, message))
}

impl History {
    /// Brings a recommendation within the least and the most of the recent ones
    /// (`stabilizeRecommendationWithBehaviors`).
    fn stabilize(
        &mut self,
        up: &Rules<'_>,
        down: &Rules<'_>,
        current: i32,
        desired: i32,
        now: SimTime,
    ) -> i32 {
        let (up_from, down_from) = (now - up.window, now - down.window);
        let since = |from: SimTime| {
            self.recommendations.iter().filter(move |(at, _)| *at > from).map(|(_, r)| *r)
        };
        let least = since(up_from).fold(desired, i32::min);
        let most = since(down_from).fold(desired, i32::max);
        self.recommend(|at| at < up_from && at < down_from, desired, now);
        current.max(least).min(most)
    }

    /// Remembers a recommendation, in the place of the last one that is too old.
    fn recommend(&mut self, is_old: impl Fn(SimTime) -> bool, desired: i32, now: SimTime) {
        match self.recommendations.iter().rposition(|(at, _)| is_old(*at)) {
            Some(i) => self.recommendations[i] = (now, desired),
            None => self.recommendations.push((now, desired)),
        }
    }

    /// Remembers that the target was scaled (`storeScaleEvent`).
    pub fn scaled(
        &mut self,
        behavior: Option<&HorizontalPodAutoscalerBehavior>,
        from: i32,
        to: i32,
        now: SimTime,
    ) {
        let Some(behavior) = behavior else { return };
        let (events, rules) = if to > from {
            (&mut self.ups, Rules::up(behavior))
        } else {
            (&mut self.downs, Rules::down(behavior))
        };
        let cutoff = now - rules.longest_period();
        for event in events.iter_mut().filter(|e| e.at < cutoff) {
            event.outdated = true;
        }
        let new = ScaleEvent { at: now, change: to.abs_diff(from).cast_signed(), outdated: false };
        match events.iter().rposition(|e| e.outdated) {
            Some(i) => events[i] = new,
            None => events.push(new),
        }
    }
}

/// The rules of one direction.
struct Rules<'a> {
    window: Duration,
    select: &'a str,
    policies: Vec<(bool, i32, Duration)>,
}

impl<'a> Rules<'a> {
    fn up(behavior: &'a HorizontalPodAutoscalerBehavior) -> Self {
        Self::of(behavior.scale_up.as_ref(), Duration::ZERO)
    }

    fn down(behavior: &'a HorizontalPodAutoscalerBehavior) -> Self {
        Self::of(behavior.scale_down.as_ref(), DOWNSCALE_STABILIZATION)
    }

    /// Compiles rules that have been defaulted; the window of scaling down has no default of the API's.
    fn of(rules: Option<&'a HPAScalingRules>, window: Duration) -> Self {
        let seconds = |n: i32| Duration::from_secs(u64::try_from(n).unwrap_or(0));
        let policies = rules.and_then(|r| r.policies.as_deref()).unwrap_or_default();
        Self {
            window: rules.and_then(|r| r.stabilization_window_seconds).map_or(window, seconds),
            select: rules.and_then(|r| r.select_policy.as_deref()).unwrap_or("Max"),
            policies: policies
                .iter()
                .map(|p| (p.type_ == "Percent", p.value, seconds(p.period_seconds)))
                .collect(),
        }
    }

    fn longest_period(&self) -> Duration {
        self.policies.iter().map(|(.., period)| *period).max().unwrap_or_default()
    }

    /// Replicas that the target had when each policy's period began.
    fn starts<'b>(
        &'b self,
        current: i32,
        history: &'b History,
        now: SimTime,
    ) -> impl Iterator<Item = (bool, i32, i32)> + 'b {
        self.policies.iter().map(move |(percent, value, period)| {
            let change = |events: &[ScaleEvent]| {
                let recent = events.iter().filter(|e| e.at > now - *period);
                recent.fold(0_i32, |sum, e| sum.wrapping_add(e.change))
            };
            let start =
                current.wrapping_sub(change(&history.ups)).wrapping_add(change(&history.downs));
            (*percent, *value, start)
        })
    }

    /// `calculateScaleUpLimitWithScalingRules`.
    fn up_limit(&self, current: i32, history: &History, now: SimTime) -> i32 {
        let proposed = self.starts(current, history, now).map(|(percent, value, start)| {
            if percent {
                whole((f64::from(start) * (1.0 + f64::from(value) / 100.0)).ceil())
            } else {
                start.wrapping_add(value)
            }
        });
        match self.select {
            "Disabled" => current,
            "Min" => proposed.min().unwrap_or(i32::MAX),
            _ => proposed.max().unwrap_or(i32::MIN),
        }
    }

    /// `calculateScaleDownLimitWithBehaviors`.
    fn down_limit(&self, current: i32, history: &History, now: SimTime) -> i32 {
        let proposed = self.starts(current, history, now).map(|(percent, value, start)| {
            if percent {
                whole(f64::from(start) * (1.0 - f64::from(value) / 100.0))
            } else {
                start.wrapping_sub(value)
            }
        });
        match self.select {
            "Disabled" => current,
            "Min" => proposed.max().unwrap_or(i32::MIN),
            _ => proposed.min().unwrap_or(i32::MAX),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "as upstream: int32(value)")]
fn whole(value: f64) -> i32 {
    let fits = value > -2_147_483_649.0 && value < 2_147_483_648.0;
    if fits { value as i32 } else { i32::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_down_waits_for_the_highest_recommendation_to_age() {
        let bounds = Bounds { min: 1, max: 10, current: 5 };
        let mut history = History::default();
        let start = SimTime::from_secs(10_000);
        assert_eq!(normalize(None, &mut history, bounds, 5, start).replicas, 5);
        let soon = start + Duration::from_mins(4);
        let held = normalize(None, &mut history, bounds, 2, soon);
        assert_eq!((held.replicas, held.able.0), (5, "ScaleDownStabilized"));
        let later = start + Duration::from_secs(301);
        assert_eq!(normalize(None, &mut history, bounds, 2, later).replicas, 2);
    }

    #[test]
    fn without_behavior_replicas_at_most_double() {
        let bounds = Bounds { min: 1, max: 100, current: 5 };
        let got = normalize(None, &mut History::default(), bounds, 50, SimTime::from_secs(10_000));
        assert_eq!((got.replicas, got.limited.1), (10, "ScaleUpLimit"));
    }
}

//! Events as counts per object, type, reason and message, and how two traces' counts compare.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::reduce::{Context, node_names};
use super::text::compiled;
use super::trace_file::{EventLine, TraceFile};

/// What tells one kind of event from another. The order of the fields is the order of reports.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventKey {
    /// The object without its number.
    pub(super) who: String,
    pub(super) event_type: String,
    pub(super) reason: String,
    /// The message without anything random.
    pub(super) message: String,
    /// The container it speaks of, as a field path.
    pub(super) field: String,
}

impl EventKey {
    /// Whether two events differ in their text alone.
    pub(super) fn same_but_for_text(&self, other: &Self) -> bool {
        self.who == other.who
            && self.event_type == other.event_type
            && self.reason == other.reason
            && self.field == other.field
    }
}

/// Events of the machine under the recorder, or of its slowness; never judged.
static IGNORED_MESSAGES: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        "(?i)failed to sync (configmap|secret) cache|object \"[^\"]*\" not registered|",
        "the object has been modified|optimistic lock|PLEG|context deadline exceeded .*API",
    ))
});

/// Reasons of events of nodes that are never judged: they tell of the kubelet's start.
const IGNORED_OF_NODES: [&str; 13] = [
    "CgroupV1",
    "CIDRAssignmentFailed",
    "CIDRNotAvailable",
    "Starting",
    "InvalidDiskCapacity",
    "NodeAllocatableEnforced",
    "Rebooted",
    "NodeHasNoDiskPressure",
    "NodeHasSufficientMemory",
    "NodeHasSufficientPID",
    "NodeHasDiskPressure",
    "ImageGCFailed",
    "NodePasswordValidationComplete",
];

/// Events that repeat at the rhythm of a retry or a sync: their number is only roughly determined.
const REPEATING: [&str; 24] = [
    "BackOff",
    "Unhealthy",
    "FailedScheduling",
    "FailedMount",
    "FailedCreate",
    "JobAlreadyActive",
    "Pulling",
    "Failed",
    "FailedPreStopHook",
    "ProbeWarning",
    "FailedPostStartHook",
    "MissSchedule",
    "ErrImageNeverPull",
    "InspectFailed",
    "MultiplePodDisruptionBudgets",
    "NoPods",
    "Killing",
    "FailedCreatePodSandBox",
    "FailedBinding",
    "WaitForFirstConsumer",
    "NodeNotReady",
    "UnexpectedJob",
    "ReplicaSetCreateError",
    "WaitForPodScheduled",
];

/// Events that may be missed altogether: a race or the spam filter decides whether they appear.
const BY_CHANCE: [&str; 11] = [
    "Killing",
    "FailedMount",
    "NodeNotReady",
    "MultiplePodDisruptionBudgets",
    "NoPods",
    "BackOff",
    "FailedKillPod",
    "WaitForPodScheduled",
    "WaitForFirstConsumer",
    "FailedPreStopHook",
    "ProbeWarning",
];

/// Whether an event of this reason may be missed altogether.
pub(super) fn is_by_chance(reason: &str) -> bool {
    BY_CHANCE.contains(&reason)
}

/// Whether two counts of an event are near enough: a fifth for most, three fifths for those that
/// repeat at the rhythm of a retry, any for those that repeat for every pass over a node's pods.
pub(super) fn counts_agree(key: &EventKey, real: u64, simulated: u64) -> bool {
    let most = real.max(simulated);
    let off = real.abs_diff(simulated).saturating_mul(5);
    if key.who.starts_with("Node ") {
        true
    } else if REPEATING.contains(&key.reason.as_str()) {
        off <= most.saturating_mul(3).max(15)
    } else {
        off <= real.max(5)
    }
}

/// The names of the pods with a volume that could not be mounted at first.
pub(super) fn mounts_failed(file: &TraceFile) -> BTreeSet<&str> {
    let failed = |e: &&EventLine| {
        matches!(e.reason.as_str(), "FailedMount" | "FailedAttachVolume")
            && !IGNORED_MESSAGES.is_match(&e.message)
    };
    file.events.iter().filter(failed).map(|e| e.name.as_str()).collect()
}

/// Counts the events of a trace.
pub(super) fn counts(cx: &Context<'_>) -> BTreeMap<EventKey, u64> {
    let mut known = node_names(cx.file);
    let brings = |action: &str| matches!(action, "add-node" | "start-node");
    known.extend(cx.file.steps.iter().filter(|s| brings(&s.action)).map(|s| s.arg.as_str()));
    let mut series: BTreeMap<(&str, &str, EventKey), u64> = BTreeMap::new();
    let mut total = BTreeMap::new();
    for event in &cx.file.events {
        let of_node = event.kind == "Node";
        // Left over from what ran on the recorder's cluster before.
        let stray = of_node && !known.is_empty() && !known.contains(event.name.as_str());
        let ignored = of_node && IGNORED_OF_NODES.contains(&event.reason.as_str())
            || IGNORED_MESSAGES.is_match(&event.message);
        if stray || ignored {
            continue;
        }
        let key = key(cx, event);
        let before = series.get(&(event.kind.as_str(), event.name.as_str(), key.clone()));
        let added = match (event.continues, before) {
            (true, Some(&before)) => event.count.saturating_sub(before),
            (true, None) => 1,
            (false, _) => event.count,
        };
        let sum = total.entry(key.clone()).or_insert(0_u64);
        *sum = sum.saturating_add(added);
        series.insert((&event.kind, &event.name, key), event.count);
    }
    total
}

fn key(cx: &Context<'_>, event: &EventLine) -> EventKey {
    let message = if event.kind == "Pod" {
        cx.ids.names.text_without_nodes(&event.message)
    } else {
        cx.text(&event.message)
    };
    let field = event.field_path.strip_prefix("spec.").unwrap_or(&event.field_path);
    EventKey {
        who: who(cx, event),
        event_type: event.event_type.clone(),
        reason: event.reason.clone(),
        message,
        field: field.to_owned(),
    }
}

/// The object of an event as it is known by then, without its number.
fn who(cx: &Context<'_>, event: &EventLine) -> String {
    let lives = cx.ids.named(&event.kind, &event.name);
    let by_then = |life: &&usize| cx.file.lives[**life].born <= event.t + 1.0;
    let Some(&life) = lives.iter().rfind(by_then) else {
        return format!("{} {}", event.kind, cx.text(&event.name));
    };
    let who = cx.ids.get(life);
    match who.key.rsplit_once('#') {
        _ if event.kind == "Pod" => who.group.clone(),
        Some((name, n)) if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => {
            name.to_owned()
        }
        _ => who.key.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::Identities;
    use super::*;

    fn counted(lines: &[String]) -> Vec<(String, u64)> {
        let file = TraceFile::from_lines(lines);
        let ids = Identities::of(&file);
        let (stopped, mounts_failed) = (BTreeSet::new(), mounts_failed(&file));
        let cx = Context { file: &file, ids: &ids, end: 60.0, stopped, mounts_failed };
        counts(&cx)
            .into_iter()
            .map(|(k, n)| (format!("{} {} {}", k.who, k.reason, k.message), n))
            .collect()
    }

    fn event(verb: &str, reason: &str, message: &str, count: u64) -> String {
        serde_json::json!({"t": 1, "type": "EVENT", "verb": verb, "reason": reason,
            "message": message, "object": {"kind": "Pod", "name": "p"}, "count": count})
        .to_string()
    }

    #[test]
    fn a_growing_count_is_not_counted_twice() {
        let got = counted(&[
            event("ADDED", "BackOff", "on node-1", 1),
            event("MODIFIED", "BackOff", "on node-1", 4),
            event("ADDED", "BackOff", "on node-2", 2),
        ]);
        assert_eq!(got, [("Pod p BackOff on NODE".to_owned(), 6)]);
    }

    #[test]
    fn the_recorders_own_slowness_is_not_judged() {
        let got = counted(&[event("ADDED", "FailedMount", "failed to sync configmap cache", 1)]);
        assert!(got.is_empty());
    }

    #[test]
    fn counts_agree_within_bounds_that_depend_on_the_reason() {
        let key = |who: &str, reason: &str| EventKey {
            who: who.to_owned(),
            event_type: String::new(),
            reason: reason.to_owned(),
            message: String::new(),
            field: String::new(),
        };
        let check = |who: &str, reason: &str, real: u64, simulated: u64, agree: bool| {
            assert_eq!(counts_agree(&key(who, reason), real, simulated), agree, "{reason} {real}");
        };
        check("Pod p", "Started", 1, 2, true);
        check("Pod p", "Started", 1, 3, false);
        check("Pod p", "Started", 15, 18, true);
        check("Pod p", "Started", 15, 19, false);
        check("Pod p", "BackOff", 10, 4, true);
        check("Pod p", "BackOff", 10, 3, false);
        check("Node node-1", "Started", 1, 50, true);
    }
}

//! The numbers of a budget: what is expected, wanted, healthy and allowed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::api::kinds;
use crate::base::time::SimTime;
use crate::controllers::scaled::scaled;
use crate::controllers::view::View;
use crate::model::wire::IntOrString;
use crate::model::{
    Deployment, Key, Kind, OwnerRef, Pod, ReplicaSet, ReplicationController, StatefulSet, Uid,
    Whole, sim_time, wire, wire_time,
};

/// A stored budget.
pub(super) type Budget = Whole<wire::policy::PodDisruptionBudget>;
type Status = wire::policy::PodDisruptionBudgetStatus;

/// How long a granted eviction may take to show (`DeletionTimeout`).
const DELETION_TIMEOUT: Duration = Duration::from_secs(120);
/// The condition of a budget.
const ALLOWED: &str = "DisruptionAllowed";

/// What a sync counts.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) healthy: i32,
    pub(super) desired: i32,
    pub(super) expected: i32,
    /// Pods whose eviction was granted and has not shown yet.
    pub(super) disrupted: BTreeMap<String, wire::meta::Time>,
    /// Whether there are pods that nobody manages.
    pub(super) unmanaged: bool,
    /// Pods whose eviction was granted long ago.
    pub(super) not_deleted: Vec<Arc<Pod>>,
    /// When the first of the granted evictions is overdue.
    pub(super) recheck: Option<SimTime>,
}

/// The scale that an owner wants, by its uid; `None` for an owner that is not there.
pub(super) type Scale = Result<Option<(Uid, i32)>, String>;

/// Counts (`getExpectedPodCount`, `buildDisruptedPodMap`, `countHealthyPods`).
pub(super) fn numbers(
    budget: &Budget,
    pods: &[&Arc<Pod>],
    scale: &dyn Fn(&OwnerRef) -> Scale,
    now: SimTime,
) -> Result<Numbers, String> {
    let spec = budget.body.spec.as_ref();
    let most = spec.and_then(|s| s.max_unavailable.as_ref());
    let least = spec.and_then(|s| s.min_available.as_ref());
    let (mut expected, mut desired, mut unmanaged) = (0, 0, false);
    if let Some(most) = most {
        (expected, unmanaged) = expected_scale(pods, scale)?;
        desired = (expected - scaled(most, expected, true).map_err(|e| e.to_string())?).max(0);
    } else if let Some(IntOrString::Int(least)) = least {
        (desired, expected) = (*least, i32::try_from(pods.len()).unwrap_or(i32::MAX));
    } else if let Some(least) = least {
        (expected, unmanaged) = expected_scale(pods, scale)?;
        desired = scaled(least, expected, true).map_err(|e| e.to_string())?;
    }
    let mut out = Numbers {
        healthy: 0,
        desired,
        expected,
        disrupted: BTreeMap::new(),
        unmanaged,
        not_deleted: Vec::new(),
        recheck: None,
    };
    let granted = budget.body.status.as_ref().and_then(|s| s.disrupted_pods.as_ref());
    for pod in pods.iter().filter(|p| !p.meta.is_terminating()) {
        let since = granted.and_then(|g| g.get(pod.meta.name.as_str()));
        if let Some(since) = since {
            let due = sim_time(since) + DELETION_TIMEOUT;
            if due < now {
                out.not_deleted.push(Arc::clone(pod));
            } else {
                out.recheck = Some(out.recheck.map_or(due, |at| at.min(due)));
                out.disrupted.insert(pod.meta.name.to_string(), since.clone());
            }
            if due > now {
                continue;
            }
        }
        out.healthy += i32::from(pod.is_ready());
    }
    Ok(out)
}

/// The sum of what the pods' owners want, and whether there are pods without one (`getExpectedScale`).
fn expected_scale(
    pods: &[&Arc<Pod>],
    scale: &dyn Fn(&OwnerRef) -> Scale,
) -> Result<(i32, bool), String> {
    let mut of_owners: BTreeMap<Uid, i32> = BTreeMap::new();
    let mut unmanaged = false;
    for pod in pods {
        let Some(owner) = pod.meta.controller() else {
            unmanaged = true;
            continue;
        };
        if of_owners.contains_key(&owner.uid) {
            continue;
        }
        let Some((uid, replicas)) = scale(owner)? else {
            return Err(format!("found no controllers for pod {:?}", pod.meta.name.as_str()));
        };
        of_owners.insert(uid, replicas);
    }
    Ok((of_owners.values().fold(0, |sum, n| sum.saturating_add(*n)), unmanaged))
}

/// The scale of a pod's owner: a ReplicaSet's Deployment counts for it; of other kinds those that have
/// the subresource (`finders`).
pub(super) fn scale_of(owner: &OwnerRef, budget: &Key, view: &View) -> Scale {
    let key = Key { namespace: budget.namespace.clone(), name: owner.name.clone() };
    let group = kinds::split(&owner.api_version).0;
    let mine =
        |uid: Uid, replicas: Option<i32>| (uid == owner.uid).then(|| (uid, replicas.unwrap_or(1)));
    match (owner.kind.as_str(), group) {
        ("ReplicationController", "") => {
            let found = view.typed::<ReplicationController>(Kind::ReplicationController, &key);
            Ok(found.and_then(|rc| mine(rc.meta.uid, rc.spec.wire.replicas)))
        }
        ("StatefulSet", "apps") => {
            let found = view.typed::<StatefulSet>(Kind::StatefulSet, &key);
            Ok(found.and_then(|set| mine(set.meta.uid, set.spec.wire.replicas)))
        }
        ("Deployment", "apps") => {
            let found = view.typed::<Deployment>(Kind::Deployment, &key);
            Ok(found.and_then(|d| mine(d.meta.uid, d.spec.wire.replicas)))
        }
        ("ReplicaSet", "apps") => {
            let Some(set) = view.typed::<ReplicaSet>(Kind::ReplicaSet, &key) else {
                return Ok(None);
            };
            let above = set.meta.controller_of_kind(Kind::Deployment).and_then(|d| {
                let key = Key { namespace: key.namespace.clone(), name: d.name.clone() };
                let found = view.typed::<Deployment>(Kind::Deployment, &key)?;
                (found.meta.uid == d.uid).then_some(found)
            });
            Ok(match above.filter(|_| set.meta.uid == owner.uid) {
                Some(d) => Some((d.meta.uid, d.spec.wire.replicas.unwrap_or(1))),
                None => mine(set.meta.uid, set.spec.wire.replicas),
            })
        }
        (kind, group) => Err(match kinds::in_group(group, kind) {
            Some(info) => format!("{} does not implement the scale subresource", info.resource()),
            None => {
                let version = kinds::split(&owner.api_version).1;
                let of = if group.is_empty() {
                    version.to_owned()
                } else {
                    format!("{group}/{version}")
                };
                format!("no matches for kind {kind:?} in version {of:?}")
            }
        }),
    }
}

/// The budget with its new status; `None` where nothing changes (`updatePdbStatus`).
pub(super) fn status(budget: &Budget, numbers: &Numbers, now: SimTime) -> Option<Budget> {
    let old = budget.body.status.clone().unwrap_or_default();
    let spare = numbers.healthy.saturating_sub(numbers.desired);
    let allowed = if numbers.expected <= 0 { 0 } else { spare.max(0) };
    let generation = i64::try_from(budget.meta.generation).unwrap_or(i64::MAX);
    let mut new = Status {
        current_healthy: Some(numbers.healthy),
        desired_healthy: Some(numbers.desired),
        expected_pods: Some(numbers.expected),
        disruptions_allowed: Some(allowed),
        disrupted_pods: (!numbers.disrupted.is_empty()).then(|| numbers.disrupted.clone()),
        observed_generation: Some(generation),
        conditions: old.conditions.clone(),
    };
    let (status, reason) =
        if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    set_condition(&mut new, status, reason, "", now);
    let up_to_date = old
        .conditions
        .iter()
        .flatten()
        .any(|c| c.type_ == ALLOWED && c.status == status && c.reason == reason);
    if up_to_date {
        // The condition alone, should its message differ, is no reason to write.
        let same = Status { conditions: old.conditions.clone(), ..new.clone() };
        let unset = |s: &Status| s.disrupted_pods.as_ref().is_none_or(BTreeMap::is_empty);
        if same == old
            || (unset(&same)
                && unset(&old)
                && Status { disrupted_pods: None, ..old.clone() } == same)
        {
            return None;
        }
    }
    Some(with(budget, new))
}

/// The budget with the status of a sync that failed: nothing is allowed (`failSafe`).
pub(super) fn failed(budget: &Budget, why: &str, now: SimTime) -> Budget {
    let mut new = budget.body.status.clone().unwrap_or_default();
    new.disruptions_allowed = Some(0);
    set_condition(&mut new, "False", "SyncFailed", why, now);
    with(budget, new)
}

fn with(budget: &Budget, status: Status) -> Budget {
    let mut new = budget.clone();
    Arc::make_mut(&mut new.body).status = Some(status);
    new
}

/// `meta.SetStatusCondition`.
fn set_condition(status: &mut Status, holds: &str, reason: &str, message: &str, now: SimTime) {
    let mut condition = wire::meta::Condition {
        type_: ALLOWED.to_owned(),
        status: holds.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: status.observed_generation,
        last_transition_time: wire_time(now),
    };
    let all = status.conditions.get_or_insert_default();
    match all.iter_mut().find(|c| c.type_ == ALLOWED) {
        Some(old) => {
            if old.status == holds {
                condition.last_transition_time = old.last_transition_time.clone();
            }
            *old = condition;
        }
        None => all.push(condition),
    }
}

/// A budget's selector as Go prints it.
pub(super) fn shown_selector(budget: &Budget) -> String {
    let Some(selector) = budget.body.spec.as_ref().and_then(|s| s.selector.as_ref()) else {
        return "nil".to_owned();
    };
    let labels: String = selector
        .match_labels
        .iter()
        .flatten()
        .map(|(key, value)| format!("{key}: {value},"))
        .collect();
    let expressions: String = selector
        .match_expressions
        .iter()
        .flatten()
        .map(|e| {
            let values = e.values.clone().unwrap_or_default().join(" ");
            let (key, operator) = (&e.key, &e.operator);
            format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},")
        })
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},\
         MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}

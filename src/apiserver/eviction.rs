//! Evictions: deletions of pods that disruption budgets may refuse.
//!
//! Follows `pkg/registry/core/pod/storage/eviction.go`. Upstream tries again for some seconds when a
//! budget changes under its hands; one request is carried out at a time here, so none ever does.

use std::sync::Arc;

use super::{ApiServer, Handling};
use crate::model::{
    ConditionStatus, Key, Kind, Object, Phase, Pod, PodCondition, Ref, Selector, Whole, conditions,
    wire, wire_time,
};
use crate::store::{ApiError, DeleteOptions, ErrorReason, Reply};

type Budget = Whole<wire::policy::PodDisruptionBudget>;

/// More unconfirmed evictions than this a budget does not bear (`MaxDisruptedPodSize`).
const MAX_DISRUPTED: usize = 2000;
/// What a refused caller reads.
const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// Whether the version of the pod that was judged must still be the one that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Granted {
    /// It is counted as a disruption, or no budget cares.
    Counted,
    /// It was not ready and its budget can spare it as it is.
    Unready,
}

impl ApiServer {
    /// Evicts a pod (`EvictionREST.Create`).
    pub(super) fn evict(
        &mut self,
        key: &Key,
        options: &DeleteOptions,
        h: &mut Handling<'_>,
    ) -> Reply {
        let target = Ref { kind: Kind::Pod, key: key.clone() };
        let Object::Pod(pod) = self.stored(&target)? else {
            return Err(ApiError::not_found(Kind::Pod, &key.name));
        };
        // Such a pod disrupts nothing any more.
        let spared = matches!(pod.status.phase, Phase::Succeeded | Phase::Failed | Phase::Pending)
            || pod.meta.is_terminating();
        if !spared {
            self.ask_budgets(&pod, h)?;
        }
        self.announce(&pod, options, h)?;
        let options = DeleteOptions { resource_version: None, ..options.clone() };
        self.delete(&target, &options, h)
    }

    /// Asks the pod's budget and counts the disruption.
    fn ask_budgets(&mut self, pod: &Pod, h: &mut Handling<'_>) -> Result<Granted, Box<ApiError>> {
        let budgets: Vec<Arc<Budget>> = self
            .store
            .list(Kind::PodDisruptionBudget)
            .filter_map(|o| <&Arc<Budget>>::try_from(o).ok())
            .filter(|b| b.meta.namespace == pod.meta.namespace && selects(b, pod))
            .cloned()
            .collect();
        let [budget] = budgets.as_slice() else {
            if budgets.is_empty() {
                return Ok(Granted::Counted);
            }
            let text = "This pod has more than one PodDisruptionBudget, which the eviction \
                        subresource does not support.";
            return Err(ApiError::new(ErrorReason::InternalError, text));
        };
        let status = budget.body.status.clone().unwrap_or_default();
        let policy =
            budget.body.spec.as_ref().and_then(|s| s.unhealthy_pod_eviction_policy.as_deref());
        if !pod.is_ready() {
            let (wanted, have) =
                (status.desired_healthy.unwrap_or(0), status.current_healthy.unwrap_or(0));
            let healthy = wanted > 0 && have >= wanted;
            if policy == Some("AlwaysAllow") || healthy {
                return Ok(Granted::Unready);
            }
        }
        let counted = check_and_decrement(budget, pod, h)?;
        self.commit(counted.into(), h);
        Ok(Granted::Counted)
    }

    /// Notes on the pod what is about to happen to it (`addConditionAndDeletePod`).
    fn announce(
        &mut self,
        pod: &Arc<Pod>,
        options: &DeleteOptions,
        h: &mut Handling<'_>,
    ) -> Result<(), Box<ApiError>> {
        let conflict = |what: &str, wanted: String, stored: String, became: &str| {
            let text = format!(
                "Operation cannot be fulfilled on Pod {:?}: the {what} in the precondition ({wanted}) \
                 does not match the {what} in record ({stored}). The object might have been {became}",
                pod.meta.name.as_str()
            );
            Err(ApiError::new(ErrorReason::Conflict, text))
        };
        let meta = &pod.meta;
        if let Some(uid) = options.uid.filter(|uid| *uid != meta.uid) {
            return conflict(
                "UID",
                uid.to_string(),
                meta.uid.to_string(),
                "deleted and then recreated",
            );
        }
        if let Some(version) = options.resource_version.filter(|v| *v != meta.resource_version) {
            let stored = meta.resource_version.to_string();
            return conflict("ResourceVersion", version.to_string(), stored, "modified");
        }
        let mut new = Pod::clone(pod);
        new.status.conditions = new.status.with_condition(PodCondition {
            kind: conditions::DISRUPTION_TARGET.into(),
            status: ConditionStatus::True,
            reason: "EvictionByEvictionAPI".into(),
            message: "Eviction API: evicting".into(),
            since: h.now.trunc_secs(),
            observed_generation: 0,
        });
        if new.status != pod.status {
            self.commit(new.into(), h);
        }
        Ok(())
    }
}

fn selects(budget: &Budget, pod: &Pod) -> bool {
    let selector = budget.body.spec.as_ref().and_then(|s| s.selector.as_ref());
    Selector::compile(selector).is_ok_and(|s| s.matches(&pod.meta.labels))
}

/// The budget with one disruption less to give (`checkAndDecrement`).
fn check_and_decrement(
    budget: &Budget,
    pod: &Pod,
    h: &Handling<'_>,
) -> Result<Budget, Box<ApiError>> {
    let name = budget.meta.name.as_str();
    let mut new = budget.clone();
    let body = Arc::make_mut(&mut new.body);
    let status = body.status.get_or_insert_default();
    let observed = u64::try_from(status.observed_generation.unwrap_or(0)).unwrap_or(0);
    if observed < budget.meta.generation {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(too_many(why, 10));
    }
    let forbidden = |why: &str| {
        let text = format!("poddisruptionbudget.policy {name:?} is forbidden: {why}");
        Err(ApiError::new(ErrorReason::Forbidden, text))
    };
    let allowed = status.disruptions_allowed.unwrap_or(0);
    if allowed < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    if status.disrupted_pods.as_ref().is_some_and(|pods| pods.len() > MAX_DISRUPTED) {
        return forbidden(
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        );
    }
    if allowed == 0 {
        return Err(too_many(why_none(name, status), 0));
    }
    status.disruptions_allowed = Some(allowed - 1);
    if allowed == 1
        && let Some(condition) = status
            .conditions
            .get_or_insert_default()
            .iter_mut()
            .find(|c| c.type_ == "DisruptionAllowed")
    {
        if condition.status != "False" {
            condition.last_transition_time = wire_time(h.now);
        }
        condition.status = "False".to_owned();
        condition.reason = "InsufficientPods".to_owned();
        condition.message.clear();
        condition.observed_generation = status.observed_generation;
    }
    let granted = status.disrupted_pods.get_or_insert_default();
    granted.insert(pod.meta.name.to_string(), wire_time(h.now));
    Ok(new)
}

/// Why a budget has nothing to give.
fn why_none(name: &str, status: &wire::policy::PodDisruptionBudgetStatus) -> String {
    let (wanted, have) = (status.desired_healthy.unwrap_or(0), status.current_healthy.unwrap_or(0));
    let condition =
        status.conditions.iter().flatten().find(|c| {
            c.type_ == "DisruptionAllowed" && c.status == "False" && !c.message.is_empty()
        });
    match condition {
        Some(c) if c.reason == "SyncFailed" => format!(
            "The disruption budget {name} does not allow evicting pods currently because it failed \
             sync: {}",
            c.message
        ),
        _ if have <= wanted => format!(
            "The disruption budget {name} needs {wanted} healthy pods and has {have} currently"
        ),
        Some(c) => format!(
            "The disruption budget {name} does not allow evicting pods currently ({}): {}",
            c.reason, c.message
        ),
        None => format!("The disruption budget {name} does not allow evicting pods currently"),
    }
}

/// 429, with its cause (`createTooManyRequestsError`).
fn too_many(why: String, retry_after: u32) -> Box<ApiError> {
    let mut error = ApiError::new(ErrorReason::TooManyRequests, REFUSED);
    error.causes.push(("DisruptionBudget".to_owned(), why));
    error.retry_after = retry_after;
    error
}

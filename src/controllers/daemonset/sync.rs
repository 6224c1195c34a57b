//! A DaemonSet's sync up to its status, as a script.
//!
//! Follows `pkg/controller/daemon/daemon_controller.go`: `updateDaemonSet`, `manage`, `syncNodes`.

use std::sync::Arc;

use super::plan::{self, ByNode, Candidate, Failures, HASH_LABEL, Plan, Situation};
use super::revisions::{self, Stored};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::pod_control::{self, Claim};
use crate::controllers::script::{Aside, Halt, Script};
use crate::model::{DaemonSet, Kind, Labels, Object, OwnerRef, Phase, Pod, PodTemplate};
use crate::store::{ApiError, DeleteOptions, Reply, Request};
use crate::trace::EventType;

/// The most pods created, and deleted, in one round (`BurstReplicas`).
const BURST_REPLICAS: usize = 250;

/// What a sync begins with.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The set.
    pub set: Arc<DaemonSet>,
    /// Its pod template with the daemon tolerations.
    pub template: PodTemplate,
    /// Every node.
    pub nodes: Arc<[Candidate]>,
    /// Pods that are its own, and those of nobody.
    pub pods: Vec<Arc<Pod>>,
    /// Revisions that are its own, and those of nobody.
    pub revisions: Vec<Stored>,
    /// Failures of pods by node.
    pub failures: Failures,
    /// Whether everything that was asked for has been heard of.
    pub satisfied: bool,
}

/// What a sync has come to before its status is written.
#[derive(Clone, Debug)]
pub struct Managed {
    /// The hash of the wanted revision.
    pub hash: Str,
    /// Whether the set was acted upon: then its generation is observed.
    pub acted: bool,
    /// What failed.
    pub error: Option<Box<ApiError>>,
    /// When a failed pod may be replaced.
    pub again_at: Option<SimTime>,
}

/// One sync up to its status.
///
/// # Errors
/// It waits for answers, or the revisions could not be made.
pub(super) fn sync(inputs: &Inputs, script: &mut Script<'_>) -> Result<Managed, Halt> {
    let set = &inputs.set;
    let (current, old) = revisions::construct(set, &inputs.revisions, &inputs.pods, script)?;
    let hash = current.meta.labels.get(HASH_LABEL).cloned().unwrap_or_default();
    let mut managed = Managed { hash, acted: inputs.satisfied, error: None, again_at: None };
    if !inputs.satisfied {
        return Ok(managed);
    }
    match act(inputs, &old, &mut managed, script) {
        Err(Halt::Refused(error)) => managed.error = Some(error),
        other => other?,
    }
    Ok(managed)
}

/// `updateDaemonSet`.
fn act(
    inputs: &Inputs,
    old: &[Stored],
    managed: &mut Managed,
    script: &mut Script<'_>,
) -> Result<(), Halt> {
    let pods = claim(inputs, script)?;
    let by_node = ByNode::of(&pods);
    let hash = managed.hash.clone();
    let at = Situation {
        set: &inputs.set,
        nodes: &inputs.nodes,
        pods: &by_node,
        hash: &hash,
        now: script.now(),
    };
    let plan = at.manage(&inputs.failures);
    managed.again_at = plan.again_at;
    tell_of_ended(&inputs.set, &plan, script);
    let asked = sync_nodes(inputs, &hash, &plan, script)?;
    // What has just been asked for is not heard of yet: the update waits for it.
    if !asked && plan::is_rolling(&inputs.set) {
        let plan = at.roll().map_err(|e| Halt::failed(e.to_string()))?;
        sync_nodes(inputs, &hash, &plan, script)?;
    }
    revisions::clean_up(&inputs.set, old, &pods, script)
}

/// `getDaemonPods`.
fn claim(inputs: &Inputs, script: &mut Script<'_>) -> Result<Vec<Arc<Pod>>, Halt> {
    let set = &inputs.set;
    let (mut own, mut refused) = (Vec::with_capacity(inputs.pods.len()), None);
    for pod in &inputs.pods {
        let claim = pod_control::claim(&set.meta, &set.spec.selector, &pod.meta);
        let request = pod_control::claim_request(claim, Kind::DaemonSet, &set.meta, pod, None);
        match request.map(|r| script.ask_done(r)).transpose()? {
            None if claim == Claim::Owned => own.push(pod.clone()),
            Some(Ok(())) if claim == Claim::Adopt => own.push(pod.clone()),
            Some(Err(e)) if !pod_control::claim_is_settled(claim, &e) => refused = Some(e),
            None | Some(_) => {}
        }
    }
    refused.map_or(Ok(own), |e| Err(e.into()))
}

/// Events about pods that have ended and are replaced.
fn tell_of_ended(set: &Arc<DaemonSet>, plan: &Plan, script: &mut Script<'_>) {
    let object = Object::DaemonSet(set.clone());
    for (pod, node) in &plan.ended {
        let (namespace, name) = (&pod.meta.namespace, &pod.meta.name);
        if pod.status.phase == Phase::Failed {
            script.aside(Aside::FailedAgain(node.clone()));
            let text = format!(
                "Found failed daemon pod {namespace}/{name} on node {node}, will try to kill it"
            );
            script.event(&object, EventType::Warning, "FailedDaemonPod", text);
        } else {
            let text = format!(
                "Found succeeded daemon pod {namespace}/{name} on node {node}, will try to delete it"
            );
            script.event(&object, EventType::Normal, "SucceededDaemonPod", text);
        }
    }
}

/// Makes and deletes pods; answers whether there were any (`syncNodes`).
fn sync_nodes(
    inputs: &Inputs,
    hash: &Str,
    plan: &Plan,
    script: &mut Script<'_>,
) -> Result<bool, Halt> {
    let create = &plan.create[..plan.create.len().min(BURST_REPLICAS)];
    let delete = &plan.delete[..plan.delete.len().min(BURST_REPLICAS)];
    if create.is_empty() && delete.is_empty() {
        return Ok(false);
    }
    script.aside(Aside::ExpectCreations(u32::try_from(create.len()).unwrap_or(u32::MAX)));
    script.aside(Aside::ExpectDeletions(delete.iter().map(|p| p.meta.uid).collect()));
    let object = Object::DaemonSet(inputs.set.clone());
    let failure = create_pods(inputs, hash, create, &object, script)?;
    let mut failures: Vec<Box<ApiError>> = failure.into_iter().collect();
    let requests = delete.iter().map(|pod| {
        let options = DeleteOptions::default();
        Request::Delete { target: pod_control::reference(pod), options }
    });
    let replies = script.ask_all(requests.collect())?;
    for (pod, reply) in delete.iter().zip(replies) {
        match reply {
            Ok(_) => {
                let text = format!("Deleted pod: {}", pod.meta.name);
                script.event(&object, EventType::Normal, "SuccessfulDelete", text);
            }
            Err(error) => {
                script.aside(Aside::DeletionFailed(pod.meta.uid));
                if !error.is_not_found() {
                    let text = format!("Error deleting: {error}");
                    script.event(&object, EventType::Warning, "FailedDelete", text);
                    let why = format!("unable to delete pods: {error}");
                    failures.push(ApiError::new(error.reason, why));
                }
            }
        }
    }
    failures.into_iter().next().map_or(Ok(true), |error| Err(error.into()))
}

/// Makes pods in batches of 1, 2, 4 …, until one fails; answers the first failure.
fn create_pods(
    inputs: &Inputs,
    hash: &Str,
    nodes: &[Str],
    object: &Object,
    script: &mut Script<'_>,
) -> Result<Option<Box<ApiError>>, Halt> {
    let (mut left, mut batch) = (nodes, 1);
    while !left.is_empty() {
        let (now, later) = left.split_at(batch.min(left.len()));
        let requests = now.iter().map(|node| creation(inputs, hash, node)).collect();
        let replies = script.ask_all(requests)?;
        let failure = tell_of_created(object, replies, script);
        if failure.is_some() {
            let skipped = u32::try_from(later.len()).unwrap_or(u32::MAX);
            script.aside(Aside::CreationsFailed(skipped));
            return Ok(failure);
        }
        (left, batch) = (later, batch * 2);
    }
    Ok(None)
}

fn tell_of_created(
    object: &Object,
    replies: &[Reply],
    script: &mut Script<'_>,
) -> Option<Box<ApiError>> {
    let mut failure = None;
    for reply in replies {
        match reply {
            Ok(Some(pod)) => {
                let text = format!("Created pod: {}", pod.meta().name);
                script.event(object, EventType::Normal, "SuccessfulCreate", text);
            }
            Ok(None) => {}
            Err(error) if error.is_namespace_terminating() => {}
            Err(error) => {
                let text = format!("Error creating: {error}");
                script.event(object, EventType::Warning, "FailedCreate", text);
                script.aside(Aside::CreationsFailed(1));
                failure.get_or_insert_with(|| error.clone());
            }
        }
    }
    failure
}

/// A pod for one node (`CreatePodTemplate`, `ReplaceDaemonSetPodNodeNameNodeAffinity`).
fn creation(inputs: &Inputs, hash: &Str, node: &Str) -> Request {
    let set = &inputs.set;
    let owner = OwnerRef::controller_of(Kind::DaemonSet, &set.meta);
    let mut pod = pod_control::from_template(&inputs.template, &set.meta.namespace, owner);
    pod.meta.labels = labels(set, &pod.meta.labels, hash);
    pod.made_for = Some(node.clone());
    Request::Create(pod.into())
}

fn labels(set: &DaemonSet, labels: &Labels, hash: &Str) -> Labels {
    let mut labels = labels.clone();
    if let Some(generation) = plan::generation(set) {
        labels = labels.with(plan::GENERATION_LABEL, smol_str::format_smolstr!("{generation}"));
    }
    if hash.is_empty() { labels } else { labels.with(HASH_LABEL, hash.clone()) }
}

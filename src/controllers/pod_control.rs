//! What the controllers that make pods share: a pod from a template, who claims which pod, which pods
//! go first.
//!
//! Follows `pkg/controller/controller_utils.go` (`GetPodFromTemplate`, `ActivePods`) and
//! `pkg/controller/controller_ref_manager.go` (`ClaimObject`). The requests and events around them are
//! each controller's own.

use std::cmp::{Ordering, Reverse};

use crate::base::Str;
use crate::model::{
    Kind, Meta, OwnerRef, Phase, Pod, PodStatus, PodTemplate, Ref, Selector, Uid, finalizers,
};
use crate::store::{ApiError, ErrorReason, MetaChange, Request};

/// A new pod of `template`, managed by `owner`, with the usual name prefix
/// (`pkg/controller/controller_utils.go`, `GetPodFromTemplate`).
pub fn from_template(template: &PodTemplate, namespace: &Str, owner: OwnerRef) -> Pod {
    Pod {
        meta: Meta {
            namespace: namespace.clone(),
            generate_name: prefix(&owner.name),
            labels: template.labels.clone(),
            annotations: template.annotations.clone(),
            finalizers: template.finalizers.iter().cloned().collect(),
            owners: owner.into(),
            ..Meta::default()
        },
        spec: template.spec.clone(),
        node: template.node.clone(),
        identity: None,
        made_for: None,
        status: PodStatus::default(),
    }
}

/// The prefix of the names of a controller's pods: its name and a dash, or without the dash where the
/// name is too long for one (`pkg/controller/controller_utils.go`, `getPodsPrefix`).
pub fn prefix(controller: &str) -> Str {
    /// `validation.DNS1123SubdomainMaxLength`, which pod names obey.
    const LONGEST: usize = 253;
    if controller.len() < LONGEST {
        smol_str::format_smolstr!("{controller}-")
    } else {
        controller.into()
    }
}

/// How a controller and an object that it might manage stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the controller's.
    Owned,
    /// It is nobody's, and the controller wants it.
    Adopt,
    /// It is the controller's, which no longer selects it.
    Release,
    /// It is no concern of the controller.
    Ignore,
}

/// What `owner`, selecting by `selector`, does about `object`
/// (`pkg/controller/controller_ref_manager.go`, `ClaimObject`).
pub fn claim(owner: &Meta, selector: &Selector, object: &Meta) -> Claim {
    let selected = || selector.matches(&object.labels);
    match object.controller() {
        Some(of) if of.uid != owner.uid => Claim::Ignore,
        Some(_) if selected() => Claim::Owned,
        _ if owner.is_terminating() => Claim::Ignore,
        Some(_) => Claim::Release,
        None => {
            let wanted =
                object.namespace == owner.namespace && !object.is_terminating() && selected();
            if wanted { Claim::Adopt } else { Claim::Ignore }
        }
    }
}

/// The request by which `owner` adopts or releases a pod; `finalizer` is put on and taken off with the
/// owner. `None` where nothing is to be asked.
pub fn claim_request(
    claim: Claim,
    kind: Kind,
    owner: &Meta,
    pod: &Pod,
    finalizer: Option<&'static str>,
) -> Option<Request> {
    if matches!(claim, Claim::Owned | Claim::Ignore) {
        return None;
    }
    let target = (reference(pod), pod.meta.uid);
    claim_request_for(claim, kind, owner, target, finalizer)
}

/// The request by which `owner` adopts or releases an object, given by its reference and uid; see
/// [`claim_request`].
pub fn claim_request_for(
    claim: Claim,
    kind: Kind,
    owner: &Meta,
    (target, uid): (Ref, Uid),
    finalizer: Option<&'static str>,
) -> Option<Request> {
    let finalizer = finalizer.map(Str::new_static);
    let mut changes = Vec::with_capacity(2);
    match claim {
        Claim::Owned | Claim::Ignore => return None,
        Claim::Adopt => {
            changes.push(MetaChange::AddOwner(OwnerRef::controller_of(kind, owner).into()));
            changes.extend(finalizer.map(MetaChange::AddFinalizer));
        }
        Claim::Release => {
            changes.push(MetaChange::RemoveOwner(owner.uid));
            changes.extend(finalizer.map(MetaChange::RemoveFinalizer));
        }
    }
    Some(Request::PatchMeta { target, uid, changes })
}

/// Whether a refused adoption or release is as good as done: the object is gone, or it was not ours
/// (`ReleasePod`; `ClaimObject`).
pub fn claim_is_settled(claim: Claim, error: &ApiError) -> bool {
    error.is_not_found() || claim == Claim::Release && error.reason == ErrorReason::Invalid
}

/// The pod by kind, namespace and name.
pub fn reference(pod: &Pod) -> Ref {
    Ref { kind: Kind::Pod, key: pod.meta.key() }
}

/// Whether the pod is being deleted and has not ended yet
/// (`pkg/controller/controller_utils.go`, `IsPodTerminating`).
pub fn is_terminating(pod: &Pod) -> bool {
    !pod.is_terminal() && pod.meta.is_terminating()
}

/// Whether the Job controller still has to count the pod.
pub fn is_job_tracked(pod: &Pod) -> bool {
    pod.meta.has_finalizer(finalizers::JOB_TRACKING)
}

/// Which of two pods is rather deleted, the lesser first: unassigned, pending, not ready, ready for a
/// shorter time, restarted more often, younger
/// (`pkg/controller/controller_utils.go`, `ActivePods.Less`).
pub fn by_activity(a: &Pod, b: &Pod) -> Ordering {
    // Ready times are compared only where both are ready.
    let ready_for = |p: &Pod| Reverse(p.ready_since().map(crate::base::time::SimTime::trunc_secs));
    (a.node.is_some().cmp(&b.node.is_some()))
        .then_with(|| phase_rank(a.status.phase).cmp(&phase_rank(b.status.phase)))
        .then_with(|| a.is_ready().cmp(&b.is_ready()))
        .then_with(|| ready_for(a).cmp(&ready_for(b)))
        .then_with(|| max_restarts(b).cmp(&max_restarts(a)))
        .then_with(|| b.meta.created.trunc_secs().cmp(&a.meta.created.trunc_secs()))
}

/// The place of a phase in the order of deletion (`podPhaseToOrdinal`).
pub fn phase_rank(phase: Phase) -> u8 {
    match phase {
        Phase::Pending | Phase::Succeeded | Phase::Failed => 0,
        Phase::Unknown => 1,
        Phase::Running => 2,
    }
}

/// The most restarts of a main container and of a sidecar
/// (`pkg/controller/controller_utils.go`, `maxContainerRestarts`).
pub fn max_restarts(pod: &Pod) -> (u32, u32) {
    let main = pod.status.containers.iter().map(|c| c.restart_count).max().unwrap_or(0);
    let sidecar =
        |name: &str| pod.spec.init_containers.iter().any(|c| c.name == name && c.is_sidecar());
    let sidecars = pod
        .status
        .init_containers
        .iter()
        .filter(|c| sidecar(&c.name))
        .map(|c| c.restart_count)
        .max()
        .unwrap_or(0);
    (main, sidecars)
}

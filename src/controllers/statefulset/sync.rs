//! A StatefulSet's sync, as a script.
//!
//! Follows `pkg/controller/statefulset/stateful_set.go` (`sync`), `stateful_set_control.go`
//! (`updateStatefulSet`) and `stateful_pod_control.go`. Pods are made in the order of their ordinals,
//! each once its predecessors are available, and taken away in the reverse order; with the policy
//! `Parallel` all at once. A sync does one thing and waits for news of it. What is last, the write of the
//! status and the deletion of old revisions, is part of how the script ends: nothing more depends on the
//! answers than whether the sync has failed.
//!
//! Left out: the feature gate MaxUnavailableStatefulSet, which is off by default.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::identity::{self, Claim, in_range, ordinal, revision_of};
use super::revisions::{self, Alike, Revisions, Stored};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::controller::{Done, Retry};
use crate::controllers::history;
use crate::controllers::pod_control::{self, Claim as Claiming};
use crate::controllers::script::{Halt, Script};
use crate::model::wire::apps::StatefulSetStatus;
use crate::model::{Kind, Object, Phase, Pod, PodTemplate, Ref, StatefulSet};
use crate::store::{ApiError, Request};
use crate::trace::Waiting;

/// The most pods made side by side (`MaxBatchSize`).
const BATCH_MAX: usize = 500;

/// What a sync begins with.
#[derive(Clone, Debug)]
pub(super) struct Inputs {
    /// The set.
    pub set: Arc<StatefulSet>,
    /// Pods that are its own, and those of nobody.
    pub pods: Vec<Candidate>,
    /// Revisions that are its own or nobody's and that it selects.
    pub revisions: Vec<Stored>,
    /// Which of them hold the set's template.
    pub(super) alike: Arc<Alike>,
    /// Claims of its pods, by name.
    pub claims: BTreeMap<Str, Arc<Claim>>,
}

/// A pod that may be a member, and what does not change while a sync runs.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// The pod.
    pub pod: Arc<Pod>,
    /// What the set does about it.
    claim: Claiming,
    ordinal: i64,
    fit: Fit,
}

impl Candidate {
    pub(super) fn of(set: &StatefulSet, pod: &Arc<Pod>) -> Self {
        let named = identity::parent_and_ordinal(&pod.meta.name);
        let (parent, ordinal) = named;
        let claim = match pod_control::claim(&set.meta, &set.spec.selector, &pod.meta) {
            claim if parent == set.meta.name => claim,
            // A pod whose name is not that of a member is let go, or left alone.
            Claiming::Owned if !set.meta.is_terminating() => Claiming::Release,
            Claiming::Release => Claiming::Release,
            Claiming::Owned | Claiming::Adopt | Claiming::Ignore => Claiming::Ignore,
        };
        let fit = Fit {
            identity: identity::identity_matches(set, pod, named),
            storage: identity::storage_matches(set, pod, ordinal),
        };
        Self { pod: pod.clone(), claim, ordinal, fit }
    }
}

/// What of a pod is as its ordinal asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fit {
    /// Its names and labels.
    pub(super) identity: bool,
    /// Its volumes.
    pub(super) storage: bool,
}

/// The end of a sync.
#[derive(Debug)]
pub(super) struct End {
    /// The set whose status is written then. If that is refused, the sync fails once the rest is done.
    pub(super) write: Option<StatefulSet>,
    /// What is deleted then, one after the other, until something is refused.
    pub(super) deletions: Vec<Request>,
    /// How it ends otherwise.
    pub(super) done: Result<Done, Box<ApiError>>,
}

/// A pod that is wanted: one that is there, or one that is to be made.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    ordinal: i64,
    created: bool,
    fit: Fit,
    /// One that is to be made is thought out when it is asked for: mostly another comes first.
    pod: OnceCell<Arc<Pod>>,
}

/// Whether the sync may go on to the next pod.
type GoOn = bool;

/// How a round over pods has ended.
enum Round {
    /// All were looked at.
    All,
    /// One of them is to be waited for.
    Early,
    /// Something was refused.
    Failed(Box<ApiError>),
}

/// One sync and what it has found out so far.
#[derive(Debug)]
pub(super) struct Sync<'a> {
    pub(super) set: &'a StatefulSet,
    pub(super) object: Object,
    pub(super) revisions: &'a Revisions,
    pub(super) claims: &'a BTreeMap<Str, Arc<Claim>>,
    /// The template of the current revision, where a pod was wanted of it.
    old_template: OnceCell<PodTemplate>,
    /// One pod after the other.
    ordered: bool,
    pub(super) now: SimTime,
}

/// What the pods have come to.
struct Progress {
    /// The status to be written.
    status: StatefulSetStatus,
    /// What failed.
    failure: Option<Box<ApiError>>,
    /// What the set waits for.
    waits_for: Option<Str>,
}

/// One sync.
///
/// # Errors
/// It waits for answers, or the API server refused something.
pub(super) fn sync(inputs: &Inputs, script: &mut Script<'_>) -> Result<End, Halt> {
    let set = &inputs.set;
    let mut kept = inputs.revisions.clone();
    revisions::adopt(set, &mut kept, script)?;
    let pods = claim_pods(set, &inputs.pods, script)?;
    let now = script.now();
    kept.sort_by_cached_key(revisions::order);
    let live_pods: Vec<&str> = pods.iter().map(|p| revision_of(&p.pod)).collect();
    let revisions = match revisions::get(set, &kept, &inputs.alike, script) {
        Err(Halt::Refused(error)) => {
            let deletions = revisions::truncate(set, &kept, |name| live_pods.contains(&name));
            return Ok(End { write: None, deletions, done: Err(error) });
        }
        other => other?,
    };
    let this = Sync {
        set,
        object: Object::StatefulSet(set.clone()),
        revisions: &revisions,
        claims: &inputs.claims,
        old_template: OnceCell::new(),
        ordered: set.spec.wire.pod_management_policy.as_deref() != Some("Parallel"),
        now,
    };
    let Progress { mut status, failure, waits_for } = this.update(&pods, script)?;
    let write = this.with_status(&mut status);
    let live = |name: &str| {
        name == revisions.current.meta.name
            || name == revisions.update.meta.name
            || live_pods.contains(&name)
    };
    let deletions = revisions::truncate(set, &kept, live);
    if let Some(error) = failure {
        return Ok(End { write, deletions, done: Err(error) });
    }
    let waiting =
        waits_for.map(|on| Waiting { object: this.object.reference(), uid: set.meta.uid, on });
    let retry = this.next_check(&status, &pods).map_or(Retry::OnNews, Retry::At);
    Ok(End { write, deletions, done: Ok(Done { retry, waiting }) })
}

/// `getPodsForStatefulSet`.
fn claim_pods<'a>(
    set: &StatefulSet,
    candidates: &'a [Candidate],
    script: &mut Script<'_>,
) -> Result<Vec<&'a Candidate>, Halt> {
    let (mut own, mut refused) = (Vec::with_capacity(candidates.len()), None);
    for candidate in candidates {
        let Candidate { pod, claim, .. } = candidate;
        let claim = *claim;
        let request = pod_control::claim_request(claim, Kind::StatefulSet, &set.meta, pod, None);
        match request.map(|r| script.ask_done(r)).transpose()? {
            None if claim == Claiming::Owned => own.push(candidate),
            Some(Ok(())) if claim == Claiming::Adopt => own.push(candidate),
            Some(Err(e)) if !pod_control::claim_is_settled(claim, &e) => refused = Some(e),
            None | Some(_) => {}
        }
    }
    refused.map_or(Ok(own), |e| Err(e.into()))
}

impl Sync<'_> {
    /// `updateStatefulSet`.
    fn update(&self, pods: &[&Candidate], script: &mut Script<'_>) -> Result<Progress, Halt> {
        let (replicas, condemned) = self.partition(pods);
        let mut waits_for = None;
        if self.set.meta.is_terminating() {
            let status = self.count(pods.iter().map(|p| &p.pod));
            return Ok(Progress { status, failure: None, waits_for });
        }
        let ended = self.bring_about(&replicas, &condemned, &mut waits_for, script)?;
        let there = replicas.iter().filter(|r| r.created).map(|r| self.pod(r));
        let mut status = self.count(there.chain(&condemned));
        let failure = match ended {
            Round::All => self.roll(&replicas, &mut status, &mut waits_for, script)?.err(),
            Round::Early => None,
            Round::Failed(error) => Some(error),
        };
        Ok(Progress { status, failure, waits_for })
    }

    /// Makes the pods that are wanted and takes away those that are not.
    fn bring_about(
        &self,
        replicas: &[Replica],
        condemned: &[Arc<Pod>],
        waits_for: &mut Option<Str>,
        script: &mut Script<'_>,
    ) -> Result<Round, Halt> {
        let end = self.for_all(replicas.len(), script, |i, script| {
            self.process(&replicas[i], waits_for, script)
        })?;
        let Round::All = end else { return Ok(end) };
        for pod in condemned {
            if let Err(error) = self.own_claims(pod, self.claims_of(pod), script)? {
                return Ok(Round::Failed(error));
            }
        }
        let first_unavailable = self.first_unavailable(replicas, condemned);
        self.for_all(condemned.len(), script, |i, script| {
            self.condemn(&condemned[i], first_unavailable.as_ref(), waits_for, script)
        })
    }

    /// The wanted pods in the order of their ordinals, and those that are to go, the last first.
    fn partition(&self, pods: &[&Candidate]) -> (Vec<Replica>, Vec<Arc<Pod>>) {
        let start = identity::start_ordinal(self.set);
        let wanted = start..start + identity::wanted(self.set);
        let new = |ordinal| {
            let fit = Fit::default();
            Replica { ordinal, created: false, fit, pod: OnceCell::new() }
        };
        let mut replicas: Vec<Replica> = wanted.map(new).collect();
        let mut condemned = Vec::new();
        for Candidate { pod, ordinal, fit, .. } in pods.iter().copied() {
            let (ordinal, fit) = (*ordinal, *fit);
            let place = usize::try_from(ordinal - start).ok();
            if let Some(replica) = place.and_then(|place| replicas.get_mut(place)) {
                *replica = Replica { ordinal, created: true, fit, pod: pod.clone().into() };
            } else if ordinal >= 0 {
                condemned.push(pod.clone());
            }
        }
        condemned.sort_by_key(|p| std::cmp::Reverse(ordinal(p)));
        (replicas, condemned)
    }

    /// The pod of a replica.
    pub(super) fn pod<'r>(&self, replica: &'r Replica) -> &'r Arc<Pod> {
        replica.pod.get_or_init(|| self.new_pod(replica.ordinal))
    }

    /// `newVersionedStatefulSetPod`.
    fn new_pod(&self, ordinal: i64) -> Arc<Pod> {
        let (set, revisions) = (self.set, self.revisions);
        let strategy = set.spec.wire.update_strategy.as_ref();
        let rolling = strategy.and_then(|s| s.rolling_update.as_ref());
        let keeps = match (is_rolling(set), rolling) {
            (true, None) => i64::from(set.status.current_replicas.unwrap_or(0)),
            (_, Some(rolling)) => i64::from(rolling.partition.unwrap_or(0)),
            (false, None) => 0,
        };
        let (template, revision) = if ordinal < identity::start_ordinal(set) + keeps
            && revisions.current.meta.name != revisions.update.meta.name
        {
            let of_revision = || history::template(&revisions.current);
            let template = self
                .old_template
                .get_or_init(|| of_revision().unwrap_or_else(|| set.spec.template.clone()));
            (template, &revisions.current.meta.name)
        } else {
            (&set.spec.template, &revisions.update.meta.name)
        };
        Arc::new(identity::new_pod(set, template, ordinal, revision))
    }

    /// Does something for each pod, one after the other or in growing batches (`runForAll`).
    fn for_all(
        &self,
        count: usize,
        script: &mut Script<'_>,
        mut each: impl FnMut(usize, &mut Script<'_>) -> Result<GoOn, Halt>,
    ) -> Result<Round, Halt> {
        if !self.ordered {
            let each = |i: usize, script: &mut Script<'_>| each(i, script).map(|_| ());
            let (_, failure) = script.slow_start(count, BATCH_MAX, each)?;
            return Ok(failure.map_or(Round::All, Round::Failed));
        }
        for i in 0..count {
            match each(i, script) {
                Ok(true) => {}
                Ok(false) => return Ok(Round::Early),
                Err(Halt::Refused(error)) => return Ok(Round::Failed(error)),
                Err(ask @ Halt::Ask(_)) => return Err(ask),
            }
        }
        Ok(Round::All)
    }

    /// Brings a wanted pod about (`processReplica`).
    fn process(
        &self,
        replica: &Replica,
        waits_for: &mut Option<Str>,
        script: &mut Script<'_>,
    ) -> Result<GoOn, Halt> {
        use smol_str::format_smolstr as text;
        if !replica.created {
            return self.make(replica, waits_for, script);
        }
        let pod = self.pod(replica);
        let name = &pod.meta.name;
        if pod.is_terminal() {
            if !pod.meta.is_terminating() {
                self.delete(pod, script)??;
            }
            waits_for.get_or_insert_with(|| text!("{name} to be gone: it has ended"));
            return Ok(false);
        }
        let mut claims = self.claims_of(pod);
        if pod.status.phase == Phase::Pending {
            let made = self.create_claims(pod, script)??;
            claims = self.own_claims_or_say(pod, made, script)?;
        }
        if self.ordered
            && let Some(on) = self.holds_up(pod)
        {
            waits_for.get_or_insert(on);
            return Ok(false);
        }
        self.correct(pod, replica.fit, claims, script)?;
        Ok(true)
    }

    /// Why the next pod has to wait for this one, if it has.
    fn holds_up(&self, pod: &Pod) -> Option<Str> {
        use smol_str::format_smolstr as text;
        let name = &pod.meta.name;
        if pod.meta.is_terminating() {
            return Some(text!("{name} to be gone"));
        }
        if pod.status.phase != Phase::Running || !pod.is_ready() {
            return Some(text!("{name} to be running and ready"));
        }
        let seconds = min_ready_seconds(self.set);
        (!self.is_available(pod)).then(|| text!("{name} to stay ready for {seconds} s"))
    }

    /// Makes a pod that is not there.
    fn make(
        &self,
        replica: &Replica,
        waits_for: &mut Option<Str>,
        script: &mut Script<'_>,
    ) -> Result<GoOn, Halt> {
        use smol_str::format_smolstr as text;
        let name = || identity::pod_name(self.set, replica.ordinal);
        if self.has_stale_claim(replica) {
            waits_for.get_or_insert_with(|| text!("claims of an earlier {} to be gone", name()));
            return Ok(false);
        }
        self.create(replica, script)??;
        waits_for.get_or_insert_with(|| text!("{} to be ready", name()));
        Ok(!self.ordered)
    }

    /// Takes a pod away that is beyond the wanted ones (`processCondemned`).
    fn condemn(
        &self,
        pod: &Arc<Pod>,
        first_unavailable: Option<&Str>,
        waits_for: &mut Option<Str>,
        script: &mut Script<'_>,
    ) -> Result<GoOn, Halt> {
        use smol_str::format_smolstr as text;
        let name = &pod.meta.name;
        if pod.meta.is_terminating() {
            waits_for.get_or_insert(text!("{name} to be gone"));
            return Ok(!self.ordered);
        }
        if self.ordered && !self.is_available(pod) && first_unavailable != Some(name) {
            let first = first_unavailable.unwrap_or(name);
            waits_for.get_or_insert(text!("{first} to be ready before {name} is taken away"));
            return Ok(false);
        }
        self.delete(pod, script)??;
        waits_for.get_or_insert(text!("{name} to be gone"));
        Ok(false)
    }

    /// Deletes the last pod that is not at the wanted revision, once all after it are available.
    fn roll(
        &self,
        replicas: &[Replica],
        status: &mut StatefulSetStatus,
        waits_for: &mut Option<Str>,
        script: &mut Script<'_>,
    ) -> Result<Result<(), Box<ApiError>>, Halt> {
        use smol_str::format_smolstr as text;
        let strategy = self.set.spec.wire.update_strategy.as_ref();
        if strategy.is_some_and(|s| s.type_.as_deref() == Some("OnDelete")) {
            return Ok(Ok(()));
        }
        let partition = strategy.and_then(|s| s.rolling_update.as_ref()?.partition).unwrap_or(0);
        // Places in the list are compared with the partition, though that is an ordinal.
        let least = usize::try_from(partition).unwrap_or(0);
        for replica in replicas.iter().skip(least).rev() {
            let pod = self.pod(replica);
            let outdated = revision_of(pod) != self.revisions.update.meta.name;
            if outdated && !pod.meta.is_terminating() {
                if let Err(error) = self.delete(pod, script)? {
                    return Ok(Err(error));
                }
                status.current_replicas = status.current_replicas.map(|n| n - 1);
                waits_for.get_or_insert(text!("{} to be gone, for its update", pod.meta.name));
                return Ok(Ok(()));
            }
            if !replica.created || self.is_unavailable(pod) {
                waits_for.get_or_insert(text!("{} to be available", pod.meta.name));
                return Ok(Ok(()));
            }
        }
        Ok(Ok(()))
    }

    fn first_unavailable(&self, replicas: &[Replica], condemned: &[Arc<Pod>]) -> Option<Str> {
        let of_replicas = replicas.iter().find(|r| !r.created || self.is_unavailable(self.pod(r)));
        let of_condemned = || condemned.iter().rev().find(|p| self.is_unavailable(p));
        of_replicas.map(|r| self.pod(r)).or_else(of_condemned).map(|pod| pod.meta.name.clone())
    }

    pub(super) fn is_available(&self, pod: &Pod) -> bool {
        pod.is_available(min_ready_seconds(self.set), self.now)
    }

    fn is_unavailable(&self, pod: &Pod) -> bool {
        !self.is_available(pod) || pod.meta.is_terminating()
    }
}

/// Whether outdated pods are replaced by the controller.
pub(super) fn is_rolling(set: &StatefulSet) -> bool {
    let strategy = set.spec.wire.update_strategy.as_ref().and_then(|s| s.type_.as_deref());
    strategy.unwrap_or("RollingUpdate") == "RollingUpdate"
}

/// `minReadySeconds` of a set.
pub(super) fn min_ready_seconds(set: &StatefulSet) -> u32 {
    set.spec.wire.min_ready_seconds.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// The claims that a sync may look at: those of the wanted pods and of the pods that are there.
pub(super) fn claim_references(set: &StatefulSet, pods: &[Candidate]) -> Vec<Ref> {
    let templates = identity::claim_templates(set);
    if templates.is_empty() {
        return Vec::new();
    }
    let start = identity::start_ordinal(set);
    let wanted = start..start + identity::wanted(set);
    let others = pods.iter().map(|p| p.ordinal).filter(|o| *o >= 0 && !in_range(set, *o));
    let ordinals: Vec<i64> = wanted.chain(others).collect();
    let names =
        ordinals.iter().flat_map(|o| templates.iter().map(|t| identity::claim_name(set, t, *o)));
    names
        .map(|name| Ref::new(Kind::PersistentVolumeClaim, set.meta.namespace.clone(), name))
        .collect()
}

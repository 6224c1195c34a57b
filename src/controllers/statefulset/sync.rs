//! A StatefulSet's sync, as a script.
//!
//! Follows `pkg/controller/statefulset/stateful_set.go` (`sync`), `stateful_set_control.go`
//! (`updateStatefulSet`) and `stateful_pod_control.go`. Pods are made in the order of their ordinals,
//! each once its predecessors are available, and taken away in the reverse order; with the policy
//! `Parallel` all at once. A sync does one thing and waits for news of it.
//!
//! Left out: the feature gate MaxUnavailableStatefulSet, which is off by default. A write of the status
//! that conflicts is repeated at once on the newest version, where upstream waits 10 ms.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::identity::{self, Claim, in_range, ordinal, revision_of};
use super::retention::{self, Owners};
use super::revisions::{self, Revisions, Stored};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::controller::{Done, Retry};
use crate::controllers::history;
use crate::controllers::pod_control;
use crate::controllers::script::{Halt, Script};
use crate::model::wire::apps::StatefulSetStatus;
use crate::model::{Kind, Object, Phase, Pod, PodTemplate, Ref, StatefulSet};
use crate::store::{ApiError, DeleteOptions, ErrorReason, Request};
use crate::trace::{EventType, Waiting};

/// The most pods made side by side (`MaxBatchSize`).
const BATCH_MAX: usize = 500;

/// What a sync begins with.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The set.
    pub set: Arc<StatefulSet>,
    /// Pods that are its own, and those of nobody.
    pub pods: Vec<Arc<Pod>>,
    /// Revisions that are its own or nobody's and that it selects.
    pub revisions: Vec<Stored>,
    /// Claims of its pods, by name.
    pub claims: BTreeMap<Str, Arc<Claim>>,
}

/// A pod that is wanted: one that is there, or one that is to be made.
#[derive(Clone, Debug)]
struct Replica {
    pod: Arc<Pod>,
    created: bool,
}

/// Whether the sync may go on to the next pod.
type GoOn = bool;

struct Sync<'a> {
    set: &'a StatefulSet,
    object: Object,
    revisions: &'a Revisions,
    claims: &'a BTreeMap<Str, Arc<Claim>>,
    /// One pod after the other.
    ordered: bool,
    now: SimTime,
}

/// One sync.
///
/// # Errors
/// It waits for answers, or the API server refused something.
pub fn sync(inputs: &Inputs, script: &mut Script<'_>) -> Result<Done, Halt> {
    let set = &inputs.set;
    let mut kept = inputs.revisions.clone();
    revisions::adopt(set, &mut kept, script)?;
    let pods = claim_pods(set, &inputs.pods, script)?;
    let now = script.now();
    kept.sort_by_key(revisions::order);
    let live_pods: Vec<&str> = pods.iter().map(|p| revision_of(p)).collect();
    let revisions = match revisions::get(set, &kept, script) {
        Err(Halt::Refused(error)) => {
            revisions::truncate(set, &kept, |name| live_pods.contains(&name), script)?;
            return Err(error.into());
        }
        other => other?,
    };
    let this = Sync {
        set,
        object: Object::StatefulSet(set.clone()),
        revisions: &revisions,
        claims: &inputs.claims,
        ordered: set.spec.wire.pod_management_policy.as_deref() != Some("Parallel"),
        now,
    };
    let (mut status, mut failure, waits_for) = this.update(&pods, script)?;
    if let Err(error) = this.write_status(&mut status, script)? {
        failure = failure.or(Some(error));
    }
    let live = |name: &str| {
        name == revisions.current.meta.name
            || name == revisions.update.meta.name
            || live_pods.contains(&name)
    };
    revisions::truncate(set, &kept, live, script)?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    let waiting =
        waits_for.map(|on| Waiting { object: this.object.reference(), uid: set.meta.uid, on });
    let retry = this.next_check(&status, &pods).map_or(Retry::OnNews, Retry::At);
    Ok(Done { retry, waiting })
}

/// `getPodsForStatefulSet`.
fn claim_pods(
    set: &StatefulSet,
    candidates: &[Arc<Pod>],
    script: &mut Script<'_>,
) -> Result<Vec<Arc<Pod>>, Halt> {
    let (mut own, mut refused) = (Vec::with_capacity(candidates.len()), None);
    for pod in candidates {
        let claim = match pod_control::claim(&set.meta, &set.spec.selector, &pod.meta) {
            claim if identity::parent_and_ordinal(&pod.meta.name).0 == set.meta.name => claim,
            // A pod whose name is not that of a member is let go, or left alone.
            pod_control::Claim::Owned if !set.meta.is_terminating() => pod_control::Claim::Release,
            pod_control::Claim::Release => pod_control::Claim::Release,
            pod_control::Claim::Owned | pod_control::Claim::Adopt | pod_control::Claim::Ignore => {
                pod_control::Claim::Ignore
            }
        };
        let request = pod_control::claim_request(claim, Kind::StatefulSet, &set.meta, pod, None);
        match request.map(|r| script.ask_done(r)).transpose()? {
            None if claim == pod_control::Claim::Owned => own.push(pod.clone()),
            Some(Ok(())) if claim == pod_control::Claim::Adopt => own.push(pod.clone()),
            Some(Err(e)) if !pod_control::claim_is_settled(claim, &e) => refused = Some(e),
            None | Some(_) => {}
        }
    }
    refused.map_or(Ok(own), |e| Err(e.into()))
}

impl Sync<'_> {
    /// `updateStatefulSet`: the status to be written, what failed, and what is waited for.
    fn update(
        &self,
        pods: &[Arc<Pod>],
        script: &mut Script<'_>,
    ) -> Result<(StatefulSetStatus, Option<Box<ApiError>>, Option<Str>), Halt> {
        let (replicas, condemned) = self.partition(pods);
        let all = || replicas.iter().filter(|r| r.created).map(|r| &r.pod).chain(&condemned);
        if self.set.meta.is_terminating() {
            return Ok((self.count(pods.iter()), None, None));
        }
        let mut waits_for = None;
        let ended = self.for_all(replicas.len(), script, |i, script| {
            self.process(&replicas[i], &mut waits_for, script)
        })?;
        let (false, None) = ended else { return Ok((self.count(all()), ended.1, waits_for)) };
        let first_unavailable = self.first_unavailable(&replicas, &condemned);
        for pod in &condemned {
            if let Err(error) = self.own_claims(pod, self.claims_of(pod), script)? {
                return Ok((self.count(all()), Some(error), None));
            }
        }
        let ended = self.for_all(condemned.len(), script, |i, script| {
            self.condemn(&condemned[i], first_unavailable.as_ref(), &mut waits_for, script)
        })?;
        let mut status = self.count(all());
        let (false, None) = ended else { return Ok((status, ended.1, waits_for)) };
        let failure = self.roll(&replicas, &mut status, &mut waits_for, script)?.err();
        Ok((status, failure, waits_for))
    }

    /// The wanted pods in the order of their ordinals, and those that are to go, the last first.
    fn partition(&self, pods: &[Arc<Pod>]) -> (Vec<Replica>, Vec<Arc<Pod>>) {
        let start = identity::start_ordinal(self.set);
        let mut there: BTreeMap<i64, Arc<Pod>> = BTreeMap::new();
        let mut condemned = Vec::new();
        for pod in pods {
            let ordinal = ordinal(pod);
            if in_range(self.set, ordinal) {
                there.insert(ordinal, pod.clone());
            } else if ordinal >= 0 {
                condemned.push(pod.clone());
            }
        }
        condemned.sort_by_key(|p| std::cmp::Reverse(ordinal(p)));
        let wanted = start..start + identity::wanted(self.set);
        let mut old_template = None;
        let replicas = wanted.map(|ordinal| match there.remove(&ordinal) {
            Some(pod) => Replica { pod, created: true },
            None => Replica { pod: self.new_pod(ordinal, &mut old_template), created: false },
        });
        (replicas.collect(), condemned)
    }

    /// `newVersionedStatefulSetPod`.
    fn new_pod(&self, ordinal: i64, old_template: &mut Option<PodTemplate>) -> Arc<Pod> {
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
            let template = old_template
                .get_or_insert_with(|| of_revision().unwrap_or_else(|| set.spec.template.clone()));
            (&*template, &revisions.current.meta.name)
        } else {
            (&set.spec.template, &revisions.update.meta.name)
        };
        Arc::new(identity::new_pod(set, template, ordinal, revision))
    }

    /// Does something for each pod, one after the other or in growing batches; answers whether the
    /// sync is over and what failed (`runForAll`).
    fn for_all(
        &self,
        count: usize,
        script: &mut Script<'_>,
        mut each: impl FnMut(usize, &mut Script<'_>) -> Result<GoOn, Halt>,
    ) -> Result<(bool, Option<Box<ApiError>>), Halt> {
        if !self.ordered {
            let each = |i: usize, script: &mut Script<'_>| each(i, script).map(|_| ());
            let (_, failure) = script.slow_start(count, BATCH_MAX, each)?;
            return Ok((failure.is_some(), failure));
        }
        for i in 0..count {
            match each(i, script) {
                Ok(true) => {}
                Ok(false) => return Ok((true, None)),
                Err(Halt::Refused(error)) => return Ok((true, Some(error))),
                Err(ask @ Halt::Ask(_)) => return Err(ask),
            }
        }
        Ok((false, None))
    }

    /// Brings a wanted pod about (`processReplica`).
    fn process(
        &self,
        replica: &Replica,
        waits_for: &mut Option<Str>,
        script: &mut Script<'_>,
    ) -> Result<GoOn, Halt> {
        use smol_str::format_smolstr as text;
        let pod = &replica.pod;
        let name = &pod.meta.name;
        let mut waits = |on: Str| {
            waits_for.get_or_insert(on);
            Ok(!self.ordered)
        };
        if pod.is_terminal() {
            if !pod.meta.is_terminating() {
                self.delete(pod, script)??;
            }
            waits_for.get_or_insert(text!("{name} to be gone: it has ended"));
            return Ok(false);
        }
        if !replica.created {
            if self.has_stale_claim(pod) {
                waits_for.get_or_insert(text!("claims of an earlier {name} to be gone"));
                return Ok(false);
            }
            self.create(pod, script)??;
            return waits(text!("{name} to be ready"));
        }
        let mut claims = self.claims_of(pod);
        if pod.status.phase == Phase::Pending {
            let made = self.create_claims(pod, script)??;
            claims = self.own_claims_or_say(pod, made, script)?;
        }
        if self.ordered {
            if pod.meta.is_terminating() {
                return waits(text!("{name} to be gone"));
            }
            if pod.status.phase != Phase::Running || !pod.is_ready() {
                return waits(text!("{name} to be running and ready"));
            }
            if !self.is_available(pod) {
                let seconds = min_ready_seconds(self.set);
                return waits(text!("{name} to stay ready for {seconds} s"));
            }
        }
        self.correct(pod, claims, script)?;
        Ok(true)
    }

    /// Makes an existing pod conform to its identity, storage and claims (`UpdateStatefulPod`).
    fn correct(
        &self,
        pod: &Arc<Pod>,
        mut claims: Vec<Arc<Claim>>,
        script: &mut Script<'_>,
    ) -> Result<(), Halt> {
        let owners = Owners { set: self.set, pod };
        let storage_matches = identity::storage_matches(self.set, pod);
        if identity::identity_matches(self.set, pod)
            && storage_matches
            && claims.iter().all(|c| owners.up_to_date(&c.meta))
        {
            return Ok(());
        }
        if !storage_matches {
            match self.create_claims(pod, script)? {
                Ok(made) => claims = made,
                Err(error) => {
                    self.pod_event("Update", pod, Some(&error), script);
                    return Err(error.into());
                }
            }
        }
        self.own_claims_or_say(pod, claims, script)?;
        let mut next = identity::corrected(self.set, pod);
        let mut reply = script.ask_done(Request::Update(next.clone().into()))?;
        if matches!(&reply, Err(error) if error.is_conflict()) {
            next.meta.resource_version = 0;
            reply = script.ask_done(Request::Update(next.into()))?;
        }
        self.pod_event("Update", pod, reply.as_ref().err().map(AsRef::as_ref), script);
        Ok(reply?)
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
        for Replica { pod, created } in replicas.iter().skip(least).rev() {
            let outdated = revision_of(pod) != self.revisions.update.meta.name;
            if outdated && !pod.meta.is_terminating() {
                if let Err(error) = self.delete(pod, script)? {
                    return Ok(Err(error));
                }
                status.current_replicas = status.current_replicas.map(|n| n - 1);
                waits_for.get_or_insert(text!("{} to be gone, for its update", pod.meta.name));
                return Ok(Ok(()));
            }
            if !created || self.is_unavailable(pod) {
                waits_for.get_or_insert(text!("{} to be available", pod.meta.name));
                return Ok(Ok(()));
            }
        }
        Ok(Ok(()))
    }

    /// `CreateStatefulPod`.
    fn create(
        &self,
        pod: &Arc<Pod>,
        script: &mut Script<'_>,
    ) -> Result<Result<(), Box<ApiError>>, Halt> {
        let claims = match self.create_claims(pod, script)? {
            Ok(claims) => claims,
            Err(error) => {
                self.pod_event("Create", pod, Some(&error), script);
                return Ok(Err(error));
            }
        };
        let reply = script.ask(Request::Create(Object::Pod(pod.clone())))?;
        if matches!(&reply, Err(e) if e.reason == ErrorReason::AlreadyExists) {
            return Ok(reply.map(drop));
        }
        self.own_claims_or_say(pod, claims, script)?;
        self.pod_event("Create", pod, reply.as_ref().err().map(AsRef::as_ref), script);
        Ok(reply.map(drop))
    }

    /// `DeleteStatefulPod`.
    fn delete(
        &self,
        pod: &Arc<Pod>,
        script: &mut Script<'_>,
    ) -> Result<Result<(), Box<ApiError>>, Halt> {
        let options = DeleteOptions::default();
        let target = pod_control::reference(pod);
        let reply = match script.ask_done(Request::Delete { target, options })? {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        };
        self.pod_event("Delete", pod, reply.as_ref().err().map(AsRef::as_ref), script);
        Ok(reply)
    }

    /// The claims of a pod that are there.
    fn claims_of(&self, pod: &Pod) -> Vec<Arc<Claim>> {
        identity::claim_templates(self.set)
            .iter()
            .filter_map(|t| self.claims.get(&identity::claim_name(self.set, t, ordinal(pod))))
            .cloned()
            .collect()
    }

    /// Makes the claims of a pod that are missing, and answers all of them
    /// (`createPersistentVolumeClaims`).
    fn create_claims(
        &self,
        pod: &Arc<Pod>,
        script: &mut Script<'_>,
    ) -> Result<Result<Vec<Arc<Claim>>, Box<ApiError>>, Halt> {
        let (mut all, mut failure) = (Vec::new(), None);
        if identity::claim_templates(self.set).is_empty() {
            return Ok(Ok(all));
        }
        for claim in identity::claims(self.set, ordinal(pod)) {
            let name = claim.meta.name.clone();
            if let Some(there) = self.claims.get(&name) {
                if there.meta.is_terminating() {
                    let text = format!("pvc {name} is being deleted");
                    failure.get_or_insert(ApiError::new(ErrorReason::InternalError, text));
                }
                all.push(there.clone());
                continue;
            }
            let reply = script.ask(Request::Create(claim.into()))?;
            let taken = matches!(&reply, Err(e) if e.reason == ErrorReason::AlreadyExists);
            if !taken {
                self.claim_event(pod, &name, reply.as_ref().err().map(AsRef::as_ref), script);
            }
            match reply {
                Ok(Object::PersistentVolumeClaim(claim)) => all.push(claim),
                Ok(_) => {}
                Err(error) => {
                    let text = format!("failed to create PVC {name}: {error}");
                    failure.get_or_insert(ApiError::new(error.reason, text));
                }
            }
        }
        Ok(failure.map_or(Ok(all), Err))
    }

    /// Gives claims the owners that the retention policy wants; answers the claims
    /// (`UpdatePodClaimForRetentionPolicy`).
    fn own_claims(
        &self,
        pod: &Arc<Pod>,
        mut claims: Vec<Arc<Claim>>,
        script: &mut Script<'_>,
    ) -> Result<Result<Vec<Arc<Claim>>, Box<ApiError>>, Halt> {
        let owners = Owners { set: self.set, pod };
        for claim in claims.iter_mut().filter(|c| !owners.up_to_date(&c.meta)) {
            let name = &claim.meta.name;
            if owners.has_unexpected_controller(&claim.meta) {
                let text = format!(
                    "PersistentVolumeClaim {name} has a conflicting OwnerReference that acts as a \
                     manging controller, the retention policy is ignored for this claim"
                );
                script.event(&self.object, EventType::Warning, "ConflictingController", text);
            }
            let mut next = Claim::clone(claim);
            next.meta.owners = owners.corrected(&claim.meta);
            match script.ask(Request::Update(next.into()))? {
                Ok(Object::PersistentVolumeClaim(next)) => *claim = next,
                Ok(_) => {}
                Err(error) => {
                    let text = format!(
                        "could not update claim {name} for delete policy ownerRefs: {error}"
                    );
                    return Ok(Err(ApiError::new(error.reason, text)));
                }
            }
        }
        Ok(Ok(claims))
    }

    /// The same; a failure is recorded as one of updating the pod.
    fn own_claims_or_say(
        &self,
        pod: &Arc<Pod>,
        claims: Vec<Arc<Claim>>,
        script: &mut Script<'_>,
    ) -> Result<Vec<Arc<Claim>>, Halt> {
        let owned = self.own_claims(pod, claims, script)?;
        if let Err(error) = &owned {
            self.pod_event("Update", pod, Some(error), script);
        }
        Ok(owned?)
    }

    /// Whether a claim of the pod still belongs to an earlier pod of its name (`PodClaimIsStale`).
    fn has_stale_claim(&self, pod: &Pod) -> bool {
        retention::policy(self.set).delete_with_pod
            && identity::claim_templates(self.set).iter().any(|t| {
                let name = identity::claim_name(self.set, t, ordinal(pod));
                self.claims
                    .get(&name)
                    .is_some_and(|c| retention::is_stale(&c.meta, &pod.meta, Kind::Pod))
            })
    }

    /// `recordPodEvent`.
    fn pod_event(&self, verb: &str, pod: &Pod, error: Option<&ApiError>, script: &mut Script<'_>) {
        let what = format!("{verb} Pod {} in StatefulSet {}", pod.meta.name, self.set.meta.name);
        self.outcome_event(verb, what, " successful", error, script);
    }

    /// `recordClaimEvent`.
    fn claim_event(
        &self,
        pod: &Pod,
        claim: &str,
        error: Option<&ApiError>,
        script: &mut Script<'_>,
    ) {
        let (pod, set) = (&pod.meta.name, &self.set.meta.name);
        let of = if error.is_some() { "for " } else { "" };
        let what = format!("Create Claim {claim} {of}Pod {pod} in StatefulSet {set}");
        self.outcome_event("Create", what, " success", error, script);
    }

    fn outcome_event(
        &self,
        verb: &str,
        what: String,
        success: &str,
        error: Option<&ApiError>,
        script: &mut Script<'_>,
    ) {
        match error {
            None => {
                let reason = format!("Successful{verb}");
                script.event(&self.object, EventType::Normal, &reason, what + success);
            }
            Some(error) => {
                let text = format!("{what} failed error: {error}");
                script.event(&self.object, EventType::Warning, &format!("Failed{verb}"), text);
            }
        }
    }

    /// The status that shows these pods (`updateStatus`).
    fn count<'p>(&self, pods: impl Iterator<Item = &'p Arc<Pod>>) -> StatefulSetStatus {
        let (mut replicas, mut ready, mut available, mut current, mut updated) = (0, 0, 0, 0, 0);
        for pod in pods {
            replicas += 1;
            let is_ready = pod.status.phase == Phase::Running && pod.is_ready();
            ready += i32::from(is_ready);
            available += i32::from(is_ready && self.is_available(pod));
            if !pod.meta.is_terminating() {
                current += i32::from(revision_of(pod) == self.revisions.current.meta.name);
                updated += i32::from(revision_of(pod) == self.revisions.update.meta.name);
            }
        }
        StatefulSetStatus {
            observed_generation: Some(i64::try_from(self.set.meta.generation).unwrap_or(i64::MAX)),
            replicas,
            ready_replicas: Some(ready),
            available_replicas: Some(available),
            current_replicas: Some(current),
            updated_replicas: Some(updated),
            current_revision: Some(self.revisions.current.meta.name.to_string()),
            update_revision: Some(self.revisions.update.meta.name.to_string()),
            collision_count: Some(self.revisions.collisions),
            conditions: None,
        }
    }

    /// `updateStatefulSetStatus`.
    fn write_status(
        &self,
        status: &mut StatefulSetStatus,
        script: &mut Script<'_>,
    ) -> Result<Result<(), Box<ApiError>>, Halt> {
        let wanted = Some(self.set.spec.wire.replicas.unwrap_or(1));
        if is_rolling(self.set)
            && status.updated_replicas == wanted
            && status.ready_replicas == wanted
            && Some(status.replicas) == wanted
        {
            status.current_replicas = status.updated_replicas;
            status.current_revision.clone_from(&status.update_revision);
        }
        if !is_inconsistent(&self.set.status, status) {
            return Ok(Ok(()));
        }
        let mut set = self.set.clone();
        set.status = status.clone();
        let reply = match script.ask_done(Request::UpdateStatus(set.clone().into()))? {
            Err(error) if error.is_conflict() => {
                set.meta.resource_version = 0;
                script.ask_done(Request::UpdateStatus(set.into()))?
            }
            other => other,
        };
        Ok(reply)
    }

    /// When a ready pod will be available, while some are not.
    fn next_check(&self, status: &StatefulSetStatus, pods: &[Arc<Pod>]) -> Option<SimTime> {
        let min = Duration::from_secs(min_ready_seconds(self.set).into());
        if min.is_zero() || status.ready_replicas == status.available_replicas {
            return None;
        }
        let due = pods.iter().filter_map(|p| p.ready_since()).map(|t| t.trunc_secs() + min);
        Some(due.filter(|t| *t > self.now).min().unwrap_or(self.now + min))
    }

    fn first_unavailable(&self, replicas: &[Replica], condemned: &[Arc<Pod>]) -> Option<Str> {
        let of_replicas = replicas.iter().find(|r| !r.created || self.is_unavailable(&r.pod));
        let of_condemned = || condemned.iter().rev().find(|p| self.is_unavailable(p));
        of_replicas.map(|r| &r.pod).or_else(of_condemned).map(|pod| pod.meta.name.clone())
    }

    fn is_available(&self, pod: &Pod) -> bool {
        pod.is_available(min_ready_seconds(self.set), self.now)
    }

    fn is_unavailable(&self, pod: &Pod) -> bool {
        !self.is_available(pod) || pod.meta.is_terminating()
    }
}

/// `inconsistentStatus`.
fn is_inconsistent(old: &StatefulSetStatus, new: &StatefulSetStatus) -> bool {
    let number = |n: Option<i32>| n.unwrap_or(0);
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    new.observed_generation.unwrap_or(0) > old.observed_generation.unwrap_or(0)
        || new.replicas != old.replicas
        || number(new.current_replicas) != number(old.current_replicas)
        || number(new.ready_replicas) != number(old.ready_replicas)
        || number(new.updated_replicas) != number(old.updated_replicas)
        || text(&new.current_revision) != text(&old.current_revision)
        || number(new.available_replicas) != number(old.available_replicas)
        || text(&new.update_revision) != text(&old.update_revision)
}

fn is_rolling(set: &StatefulSet) -> bool {
    let strategy = set.spec.wire.update_strategy.as_ref().and_then(|s| s.type_.as_deref());
    strategy.unwrap_or("RollingUpdate") == "RollingUpdate"
}

/// `minReadySeconds` of a set.
pub(super) fn min_ready_seconds(set: &StatefulSet) -> u32 {
    set.spec.wire.min_ready_seconds.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// The claims that a sync may look at: those of the wanted pods and of the pods that are there.
pub(super) fn claim_references(set: &StatefulSet, pods: &[Arc<Pod>]) -> Vec<Ref> {
    let start = identity::start_ordinal(set);
    let wanted = start..start + identity::wanted(set);
    let others = pods.iter().map(|p| ordinal(p)).filter(|o| *o >= 0 && !in_range(set, *o));
    let ordinals: Vec<i64> = wanted.chain(others).collect();
    let templates = identity::claim_templates(set);
    let names =
        ordinals.iter().flat_map(|o| templates.iter().map(|t| identity::claim_name(set, t, *o)));
    names
        .map(|name| Ref::new(Kind::PersistentVolumeClaim, set.meta.namespace.clone(), name))
        .collect()
}

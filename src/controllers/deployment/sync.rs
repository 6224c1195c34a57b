//! A Deployment's sync, as a script.
//!
//! Follows `pkg/controller/deployment/deployment_controller.go` (`syncDeployment`) and `sync.go`. As
//! upstream, a status that is written in the middle leaves the Deployment in hand at its old version,
//! so that a second write in the same sync conflicts and the sync is tried again.

use std::sync::{Arc, OnceLock};

use super::numbers::{self, Set, active, max_surge, size, wanted};
use super::status::{self, condition, conditions, deadline, reasons};
use super::{annotations, replica_set_name, rollback, rollout};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::controller::{Done, Retry};
use crate::controllers::hash;
use crate::controllers::pod_control::{self, Claim};
use crate::controllers::script::{Halt, Script};
use crate::model::{
    Deployment, Kind, Labels, Meta, Object, OwnerRef, PodTemplate, Ref, ReplicaSet, RevisionData,
    Selector, Uid, Workload, wire,
};
use crate::store::{ApiError, DeleteOptions, ErrorReason, Request};
use crate::trace::{EventType, Waiting};

/// The label by which the ReplicaSets of one Deployment differ.
pub const HASH_LABEL: &str = "pod-template-hash";

/// What a sync begins with.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The Deployment.
    pub deployment: Arc<Deployment>,
    /// ReplicaSets that are its own, and those of nobody.
    pub sets: Vec<Set>,
    /// ReplicaSets with pods that have not ended; looked up for the strategy Recreate alone.
    pub with_pods: Vec<Uid>,
    /// The hash of the template, once it was asked for: it is dear, and the sync is begun anew after each
    /// answer.
    pub hash: OnceLock<TemplateHash>,
}

/// The hash of a template, with what it was made of.
#[derive(Clone, Debug)]
pub struct TemplateHash {
    of: Arc<Workload<wire::apps::DeploymentSpec>>,
    collisions: Option<i32>,
    text: Str,
}

/// The Deployment in hand and what is asked and said about it.
#[derive(Debug)]
pub(super) struct Rollout<'a, 's> {
    /// The Deployment, changed as the sync goes on.
    pub d: Deployment,
    /// The Deployment as it was read: what events are about.
    pub object: Object,
    pub hash: &'a OnceLock<TemplateHash>,
    pub script: &'a mut Script<'s>,
}

/// One sync.
///
/// # Errors
/// It waits for answers, or the API server refused something.
pub fn sync(inputs: &Inputs, script: &mut Script<'_>) -> Result<Done, Halt> {
    let d = Deployment::clone(&inputs.deployment);
    let object = Object::Deployment(inputs.deployment.clone());
    let mut at = Rollout { d, object, hash: &inputs.hash, script };
    if at.d.spec.wire.selector == wire::meta::LabelSelector::default() {
        return at.refuse_to_select_all();
    }
    let mut sets = at.claim(&inputs.sets)?;
    // The oldest first: upstream sorts the list in its first look for the new ReplicaSet.
    sets.sort_by_key(numbers::creation_key);
    if at.d.meta.is_terminating() {
        let (new, old) = at.new_and_old(&sets, false)?;
        return at.write_status(new.as_ref(), &old);
    }
    at.check_paused()?;
    if at.d.spec.wire.paused == Some(true) {
        return at.resize(&sets);
    }
    if let Some(revision) = rollback::wanted(&at.d.meta.annotations) {
        return at.roll_back(&sets, revision);
    }
    if at.is_scaling_event(&sets)? {
        return at.resize(&sets);
    }
    match numbers::strategy(&at.d) {
        "Recreate" => at.recreate(&sets, &inputs.with_pods),
        "RollingUpdate" => at.roll(&sets),
        other => Err(Halt::failed(format!("unexpected deployment strategy type: {other}"))),
    }
}

impl Rollout<'_, '_> {
    pub(super) fn now(&self) -> SimTime {
        self.script.now()
    }

    pub(super) fn event(&mut self, event_type: EventType, reason: &str, text: impl Into<Str>) {
        self.script.event(&self.object, event_type, reason, text);
    }

    /// Writes the status (and, as the API has it, the annotations) of the Deployment in hand.
    fn put_status(&mut self) -> Result<Result<Object, Box<ApiError>>, Halt> {
        let d = &self.d;
        self.script.ask_for(|| Request::UpdateStatus(d.clone().into()))
    }

    fn refuse_to_select_all(&mut self) -> Result<Done, Halt> {
        let text = "This deployment is selecting all pods. A non-empty selector is required.";
        self.event(EventType::Warning, "SelectingAll", text);
        let generation = i64::try_from(self.d.meta.generation).unwrap_or(i64::MAX);
        if self.d.status.observed_generation.unwrap_or(0) < generation {
            self.d.status.observed_generation = Some(generation);
            // Whether that succeeds does not matter.
            let _written = self.put_status()?;
        }
        Ok(Done::default())
    }

    /// `getReplicaSetsForDeployment`.
    fn claim(&mut self, candidates: &[Set]) -> Result<Vec<Set>, Halt> {
        let mut own = Vec::with_capacity(candidates.len());
        let mut refused = None;
        for set in candidates {
            let claim = pod_control::claim(&self.d.meta, &self.d.spec.selector, &set.meta);
            let target = Ref { kind: Kind::ReplicaSet, key: set.meta.key() };
            let request = pod_control::claim_request_for(
                claim,
                Kind::Deployment,
                &self.d.meta,
                (target, set.meta.uid),
                None,
            );
            match request.map(|r| self.script.ask_done(r)).transpose()? {
                None if claim == Claim::Owned => own.push(set.clone()),
                Some(Ok(())) if claim == Claim::Adopt => own.push(set.clone()),
                Some(Err(e)) if !pod_control::claim_is_settled(claim, &e) => refused = Some(e),
                None | Some(_) => {}
            }
        }
        refused.map_or(Ok(own), |e| Err(e.into()))
    }

    /// `checkPausedConditions`.
    fn check_paused(&mut self) -> Result<(), Halt> {
        let current = status::get(&self.d.status, conditions::PROGRESSING);
        let reason = current.and_then(|c| c.reason.as_deref());
        if deadline(&self.d).is_none() || reason == Some(reasons::PROGRESS_DEADLINE_EXCEEDED) {
            return Ok(());
        }
        let shown = reason == Some(reasons::DEPLOYMENT_PAUSED);
        let (reason, text) = match (self.d.spec.wire.paused == Some(true), shown) {
            (true, false) => (reasons::DEPLOYMENT_PAUSED, "Deployment is paused"),
            (false, true) => (reasons::DEPLOYMENT_RESUMED, "Deployment is resumed"),
            (true, true) | (false, false) => return Ok(()),
        };
        let now = self.now();
        let new = condition(conditions::PROGRESSING, "Unknown", reason, text.into(), now);
        status::set(&mut self.d.status, new);
        self.put_status()??;
        Ok(())
    }

    /// The ReplicaSet with the Deployment's template and the others
    /// (`getAllReplicaSetsAndSyncRevision`).
    pub(super) fn new_and_old(
        &mut self,
        sets: &[Set],
        create: bool,
    ) -> Result<(Option<Set>, Vec<Set>), Halt> {
        let found = sets.iter().find(|s| same_template(&s.spec.template, &self.d.spec.template));
        let found = found.cloned();
        let old: Vec<Set> = sets
            .iter()
            .filter(|s| found.as_ref().is_none_or(|f| f.meta.uid != s.meta.uid))
            .cloned()
            .collect();
        let revision = annotations::max_revision(old.iter().map(|s| &s.meta.annotations)) + 1;
        let new = match found {
            Some(set) => Some(self.keep_up(&set, revision)?),
            None if create => Some(self.create_set(&old, revision)?),
            None => None,
        };
        Ok((new, old))
    }

    /// Brings the annotations of the new ReplicaSet and the Deployment's revision up to date.
    fn keep_up(&mut self, set: &Set, revision: i64) -> Result<Set, Halt> {
        let wanted =
            annotations::of_new_set(&self.d.meta.annotations, &set.meta.annotations, revision);
        let min_ready = |n: Option<i32>| n.unwrap_or(0);
        let other_wait = min_ready(set.spec.wire.min_ready_seconds)
            != min_ready(self.d.spec.wire.min_ready_seconds);
        if wanted != set.meta.annotations || other_wait {
            let mut set = ReplicaSet::clone(set);
            set.meta.annotations = wanted;
            if other_wait {
                let spec = Arc::make_mut(&mut set.spec);
                spec.wire.min_ready_seconds = self.d.spec.wire.min_ready_seconds;
            }
            let object = self.script.ask(Request::Update(set.into()))??;
            return replica_set(&object);
        }
        let shown = set.meta.annotations.get(annotations::REVISION).cloned().unwrap_or_default();
        let mut changed = self.set_revision(shown);
        let judged = status::get(&self.d.status, conditions::PROGRESSING).is_some();
        if deadline(&self.d).is_some() && !judged {
            let text = format!("Found new replica set \"{}\"", set.meta.name);
            let (reason, now) = (reasons::FOUND_NEW_REPLICA_SET, self.now());
            let new = condition(conditions::PROGRESSING, "True", reason, text, now);
            status::set(&mut self.d.status, new);
            changed = true;
        }
        if changed {
            self.put_status()??;
        }
        Ok(set.clone())
    }

    /// Whether the Deployment's revision had to be changed (`SetDeploymentRevision`).
    fn set_revision(&mut self, revision: Str) -> bool {
        let all = &mut self.d.meta.annotations;
        let shown = all.get(annotations::REVISION).cloned().unwrap_or_default();
        let changed = shown != revision;
        if changed {
            *all = all.with(annotations::REVISION, revision);
        }
        changed
    }

    fn template_hash(&self) -> Str {
        let (of, collisions) = (Arc::clone(&self.d.spec), self.d.status.collision_count);
        let make = || hash::template_hash(&self.d.spec.wire.template, collisions);
        let known = self.hash.get_or_init(|| TemplateHash { of, collisions, text: make() });
        if Arc::ptr_eq(&known.of, &self.d.spec) && known.collisions == collisions {
            return known.text.clone();
        }
        make()
    }

    /// Creates the new ReplicaSet.
    fn create_set(&mut self, old: &[Set], revision: i64) -> Result<Set, Halt> {
        let hash = self.template_hash();
        let mut new = new_set(&self.d, &hash)?;
        let size = numbers::new_size(&self.d, old, 0).map_err(|e| Halt::failed(e.to_string()))?;
        Arc::make_mut(&mut new.spec).wire.replicas = Some(size);
        let own = annotations::of_new_set(&self.d.meta.annotations, &Labels::default(), revision);
        let most = wanted(&self.d).wrapping_add(max_surge(&self.d));
        new.meta.annotations = annotations::with_sizes(&own, wanted(&self.d), most);

        let name = new.meta.name.clone();
        let (set, is_new) = match self.script.ask(Request::Create(new.into()))? {
            Ok(object) => (replica_set(&object)?, true),
            Err(error) => (self.take_existing(&name, error)?, false),
        };
        if is_new && size > 0 {
            let text = format!("Scaled up replica set {name} from 0 to {size}");
            self.event(EventType::Normal, "ScalingReplicaSet", text);
        }
        let mut changed = self.set_revision(smol_str::format_smolstr!("{revision}"));
        if is_new && deadline(&self.d).is_some() {
            let text = format!("Created new replica set \"{name}\"");
            let (reason, now) = (reasons::NEW_REPLICA_SET_CREATED, self.now());
            let new = condition(conditions::PROGRESSING, "True", reason, text, now);
            status::set(&mut self.d.status, new);
            changed = true;
        }
        if changed {
            self.put_status()??;
        }
        Ok(set)
    }

    /// The new ReplicaSet could not be created: it may be there already, or its name may be taken.
    fn take_existing(&mut self, name: &Str, error: Box<ApiError>) -> Result<Set, Halt> {
        if error.is_namespace_terminating() {
            return Err(error.into());
        }
        if error.reason != ErrorReason::AlreadyExists {
            let text = format!("Failed to create new replica set \"{name}\": {error}");
            let reason = reasons::REPLICA_SET_CREATE_ERROR;
            if deadline(&self.d).is_some() {
                let now = self.now();
                let new = condition(conditions::PROGRESSING, "False", reason, text.clone(), now);
                status::set(&mut self.d.status, new);
                let _written = self.put_status()?;
            }
            self.event(EventType::Warning, reason, text);
            return Err(error.into());
        }
        let target = Ref::new(Kind::ReplicaSet, self.d.meta.namespace.clone(), name.clone());
        let existing = replica_set(&self.script.ask(Request::Get(target))??)?;
        let ours = existing.meta.controller().is_some_and(|o| o.uid == self.d.meta.uid);
        if ours && same_template(&existing.spec.template, &self.d.spec.template) {
            return Ok(existing);
        }
        // Another template has the same hash: the next attempt hashes the count as well.
        let count = self.d.status.collision_count.unwrap_or(0);
        self.d.status.collision_count = Some(count.saturating_add(1));
        let _written = self.put_status()?;
        Err(error.into())
    }

    /// Whether the Deployment's size has changed since its ReplicaSets were sized (`isScalingEvent`).
    fn is_scaling_event(&mut self, sets: &[Set]) -> Result<bool, Halt> {
        let (new, old) = self.new_and_old(sets, false)?;
        let all: Vec<Set> = old.into_iter().chain(new).collect();
        Ok(active(&all).iter().any(|set| {
            annotations::number(&set.meta.annotations, annotations::DESIRED_REPLICAS)
                .is_some_and(|n| n != wanted(&self.d))
        }))
    }

    /// Follows a change of size, and whatever happens while it is paused (`sync`).
    fn resize(&mut self, sets: &[Set]) -> Result<Done, Halt> {
        let (new, mut old) = self.new_and_old(sets, false)?;
        old.reverse();
        rollout::scale(self, new.as_ref(), &old)?;
        let rolls_back = rollback::wanted(&self.d.meta.annotations).is_some();
        if self.d.spec.wire.paused == Some(true) && !rolls_back {
            self.clean_up(&old)?;
        }
        self.write_status(new.as_ref(), &old)
    }

    /// Gives a ReplicaSet another size; answers whether that was needed, and the ReplicaSet
    /// (`scaleReplicaSet`).
    pub(super) fn scale_set(
        &mut self,
        set: &Set,
        new: i32,
        even_alike: bool,
    ) -> Result<(bool, Set), Halt> {
        let old = size(set);
        if !even_alike && old == new {
            return Ok((false, set.clone()));
        }
        let most = wanted(&self.d).wrapping_add(max_surge(&self.d));
        let sized = annotations::with_sizes(&set.meta.annotations, wanted(&self.d), most);
        if old == new && sized == set.meta.annotations {
            return Ok((false, set.clone()));
        }
        let mut next = ReplicaSet::clone(set);
        Arc::make_mut(&mut next.spec).wire.replicas = Some(new);
        next.meta.annotations = sized;
        let next = replica_set(&self.script.ask(Request::Update(next.into()))??)?;
        if old != new {
            let direction = if old < new { "up" } else { "down" };
            let name = &set.meta.name;
            let text = format!("Scaled {direction} replica set {name} from {old} to {new}");
            self.event(EventType::Normal, "ScalingReplicaSet", text);
        }
        Ok((old != new, next))
    }

    /// Deletes the oldest empty ReplicaSets beyond the history limit (`cleanupDeployment`).
    pub(super) fn clean_up(&mut self, old: &[Set]) -> Result<(), Halt> {
        for set in superfluous(&self.d, old) {
            let target = Ref { kind: Kind::ReplicaSet, key: set.meta.key() };
            let options = DeleteOptions::default();
            let reply = self.script.ask_done(Request::Delete { target, options })?;
            if let Err(error) = reply
                && !error.is_not_found()
            {
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// `syncDeploymentStatus`.
    pub(super) fn write_status(&mut self, new: Option<&Set>, old: &[Set]) -> Result<Done, Halt> {
        let status = status::calculate(&self.d, new, old, self.now());
        if status::normal(&status) != status::normal(&self.d.status) {
            self.d.status = status;
            self.put_status()??;
        }
        Ok(Done { retry: Retry::OnNews, waiting: self.waiting(new) })
    }

    /// `syncRolloutStatus`.
    pub(super) fn write_rollout_status(
        &mut self,
        new: Option<&Set>,
        old: &[Set],
    ) -> Result<Done, Halt> {
        let status = status::calculate_rollout(&self.d, new, old, self.now());
        if status::normal(&status) == status::normal(&self.d.status) {
            let next = status::next_check(&self.d, &status, self.now());
            let retry = next.map_or(Retry::OnNews, Retry::At);
            return Ok(Done { retry, waiting: self.waiting(new) });
        }
        self.d.status = status;
        self.put_status()??;
        Ok(Done { retry: Retry::OnNews, waiting: self.waiting(new) })
    }

    /// What the rollout waits for; `None` once it is complete.
    fn waiting(&self, new: Option<&Set>) -> Option<Waiting> {
        use smol_str::format_smolstr as text;
        let (d, status) = (&self.d, &self.d.status);
        if status::is_complete(d, status) {
            return None;
        }
        let n = |n: Option<i32>| n.unwrap_or(0);
        let (all, updated) = (n(status.replicas), n(status.updated_replicas));
        let (available, wanted) = (n(status.available_replicas), wanted(d));
        let on = match new {
            _ if d.spec.wire.paused == Some(true) => text!("being resumed: it is paused"),
            None => text!("pods of the old template to end"),
            Some(set) if updated < wanted => {
                text!("pods of {}: {updated} of {wanted} are there", set.meta.name)
            }
            Some(_) if all > updated => text!("{} pods of the old template to end", all - updated),
            Some(set) => {
                text!("pods of {} to be available: {available} of {wanted} are", set.meta.name)
            }
        };
        Some(Waiting { object: self.object.reference(), uid: d.meta.uid, on })
    }
}

/// The old ReplicaSets that the history limit leaves no room for.
pub(super) fn superfluous(d: &Deployment, old: &[Set]) -> Vec<Set> {
    let limit = d.spec.wire.revision_history_limit.filter(|n| *n != i32::MAX);
    let Some(limit) = limit else { return Vec::new() };
    let mut alive: Vec<Set> = old.iter().filter(|s| !s.meta.is_terminating()).cloned().collect();
    let beyond = alive.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    if beyond == 0 {
        return Vec::new();
    }
    // The oldest revision first; where one is no number, or they are equal, the oldest set.
    alive.sort_by(|a, b| {
        let revision = |s: &Set| annotations::revision(&s.meta.annotations);
        let by_revision = match (revision(a), revision(b)) {
            (Some(x), Some(y)) => x.cmp(&y),
            _ => std::cmp::Ordering::Equal,
        };
        by_revision.then_with(|| numbers::creation_key(a).cmp(&numbers::creation_key(b)))
    });
    let observed = |s: &Set| u64::try_from(s.status.observed_generation.unwrap_or(0)).unwrap_or(0);
    let empty =
        |s: &Set| s.status.replicas == 0 && size(s) == 0 && s.meta.generation <= observed(s);
    alive.into_iter().take(beyond).filter(empty).collect()
}

/// Whether two templates are alike but for the hash label (`EqualIgnoreHash`).
pub(super) fn same_template(a: &PodTemplate, b: &PodTemplate) -> bool {
    a.labels.without(HASH_LABEL) == b.labels.without(HASH_LABEL)
        && a.annotations == b.annotations
        && a.finalizers == b.finalizers
        && a.node == b.node
        && a.spec.digest == b.spec.digest
        && a.spec.wire == b.spec.wire
}

/// A ReplicaSet for the Deployment's template, without annotations and size.
fn new_set(d: &Deployment, hash: &Str) -> Result<ReplicaSet, Halt> {
    let labels = d.spec.template.labels.with(HASH_LABEL, hash.clone());
    let (key, value) = (HASH_LABEL.to_owned(), hash.to_string());
    let mut selector = d.spec.wire.selector.clone();
    selector.match_labels.get_or_insert_default().insert(key.clone(), value.clone());
    let mut template = d.spec.wire.template.clone();
    let meta = template.metadata.get_or_insert_default();
    meta.labels.get_or_insert_default().insert(key, value);
    Ok(ReplicaSet {
        meta: Meta {
            name: replica_set_name(&d.meta.name, hash),
            namespace: d.meta.namespace.clone(),
            labels: labels.clone(),
            owners: OwnerRef::controller_of(Kind::Deployment, &d.meta).into(),
            ..Meta::default()
        },
        spec: Arc::new(Workload {
            template: PodTemplate { labels, ..d.spec.template.clone() },
            selector: Selector::compile(Some(&selector))
                .map_err(|e| Halt::failed(e.to_string()))?,
            wire: wire::apps::ReplicaSetSpec {
                replicas: None,
                min_ready_seconds: d.spec.wire.min_ready_seconds,
                selector,
                template: Some(template),
            },
            revision: RevisionData::default(),
        }),
        status: wire::apps::ReplicaSetStatus::default(),
    })
}

/// The ReplicaSet that the API server has answered with.
fn replica_set(object: &Object) -> Result<Set, Halt> {
    <&Set>::try_from(object).cloned().map_err(|()| Halt::failed("the answer is no ReplicaSet"))
}

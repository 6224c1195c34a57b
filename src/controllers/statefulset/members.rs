//! What is asked and said about one pod of a set: the pod, its claims, the events.
//!
//! Follows `pkg/controller/statefulset/stateful_pod_control.go`.

use std::sync::Arc;

use super::identity::{self, Claim, ordinal};
use super::retention::{self, Owners};
use super::sync::{Fit, Replica, Sync};
use crate::controllers::pod_control;
use crate::controllers::script::{Aside, Halt, Script};
use crate::model::{Kind, Object, Pod};
use crate::store::{ApiError, DeleteOptions, ErrorReason, Request};
use crate::trace::{EventType, Regarding};

fn error_of<T>(reply: &Result<T, Box<ApiError>>) -> Option<&ApiError> {
    reply.as_ref().err().map(AsRef::as_ref)
}

impl Sync<'_> {
    /// Creates the pod of a replica (`CreateStatefulPod`).
    pub(super) fn create(
        &self,
        replica: &Replica,
        script: &mut Script<'_>,
    ) -> Result<Result<(), Box<ApiError>>, Halt> {
        let mut claims = Vec::new();
        if !identity::claim_templates(self.set).is_empty() {
            let pod = self.pod(replica);
            match self.create_claims(pod, script)? {
                Ok(made) => claims = made,
                Err(error) => {
                    self.pod_event("Create", pod, Some(&error), script);
                    return Ok(Err(error));
                }
            }
        }
        let new = || Request::Create(Object::Pod(self.pod(replica).clone()));
        let reply = script.ask_done_for(new)?;
        if matches!(&reply, Err(e) if e.reason == ErrorReason::AlreadyExists) {
            return Ok(reply);
        }
        if !claims.is_empty() {
            self.own_claims_or_say(self.pod(replica), claims, script)?;
        }
        let what = || self.what("Create", &self.pod(replica).meta.name);
        self.outcome_event("Create", what, " successful", error_of(&reply), script);
        Ok(reply)
    }

    /// `DeleteStatefulPod`.
    pub(super) fn delete(
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
        self.pod_event("Delete", pod, error_of(&reply), script);
        Ok(reply)
    }

    /// The claims of a pod that are there.
    pub(super) fn claims_of(&self, pod: &Pod) -> Vec<Arc<Claim>> {
        identity::claim_templates(self.set)
            .iter()
            .filter_map(|t| self.claims.get(&identity::claim_name(self.set, t, ordinal(pod))))
            .cloned()
            .collect()
    }

    /// Makes the claims of a pod that are missing, and answers all of them
    /// (`createPersistentVolumeClaims`).
    pub(super) fn create_claims(
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
                self.claim_event(pod, &name, error_of(&reply), script);
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
    pub(super) fn own_claims(
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
    pub(super) fn own_claims_or_say(
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
    pub(super) fn has_stale_claim(&self, replica: &Replica) -> bool {
        retention::policy(self.set).delete_with_pod
            && identity::claim_templates(self.set).iter().any(|t| {
                let pod = self.pod(replica);
                let name = identity::claim_name(self.set, t, ordinal(pod));
                self.claims
                    .get(&name)
                    .is_some_and(|c| retention::is_stale(&c.meta, &pod.meta, Kind::Pod))
            })
    }

    /// `recordPodEvent`.
    pub(super) fn pod_event(
        &self,
        verb: &str,
        pod: &Pod,
        error: Option<&ApiError>,
        script: &mut Script<'_>,
    ) {
        let what = || self.what(verb, &pod.meta.name);
        self.outcome_event(verb, what, " successful", error, script);
    }

    /// What was done to a pod.
    fn what(&self, verb: &str, pod: &str) -> String {
        format!("{verb} Pod {pod} in StatefulSet {}", self.set.meta.name)
    }

    /// `recordClaimEvent`.
    pub(super) fn claim_event(
        &self,
        pod: &Pod,
        claim: &str,
        error: Option<&ApiError>,
        script: &mut Script<'_>,
    ) {
        let (pod, set) = (&pod.meta.name, &self.set.meta.name);
        let of = if error.is_some() { "for " } else { "" };
        let what = || format!("Create Claim {claim} {of}Pod {pod} in StatefulSet {set}");
        self.outcome_event("Create", what, " success", error, script);
    }

    pub(super) fn outcome_event(
        &self,
        verb: &str,
        what: impl FnOnce() -> String,
        success: &str,
        error: Option<&ApiError>,
        script: &mut Script<'_>,
    ) {
        script.aside_of(|| {
            let (event_type, reason, message) = match error {
                None => (EventType::Normal, format!("Successful{verb}"), what() + success),
                Some(error) => {
                    let text = format!("{} failed error: {error}", what());
                    (EventType::Warning, format!("Failed{verb}"), text)
                }
            };
            Aside::Event {
                regarding: Regarding::object(&self.object),
                event_type,
                reason: reason.into(),
                message: message.into(),
            }
        });
    }

    /// Makes an existing pod conform to its identity, storage and claims (`UpdateStatefulPod`).
    pub(super) fn correct(
        &self,
        pod: &Arc<Pod>,
        fit: Fit,
        mut claims: Vec<Arc<Claim>>,
        script: &mut Script<'_>,
    ) -> Result<(), Halt> {
        let owners = Owners { set: self.set, pod };
        if fit.identity && fit.storage && claims.iter().all(|c| owners.up_to_date(&c.meta)) {
            return Ok(());
        }
        if !fit.storage {
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
        self.pod_event("Update", pod, error_of(&reply), script);
        Ok(reply?)
    }
}

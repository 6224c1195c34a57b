//! Rolling back by the annotation that stands for the old field `spec.rollbackTo`.
//!
//! Follows `pkg/controller/deployment/rollback.go`. `kubectl rollout undo` does not go this way: it
//! patches the template itself.

use std::sync::Arc;

use super::annotations::{self, ROLLBACK_TO};
use super::numbers::Set;
use super::sync::{HASH_LABEL, Rollout, same_template};
use crate::controllers::controller::Done;
use crate::controllers::script::Halt;
use crate::model::Labels;
use crate::store::Request;
use crate::trace::EventType;

const NOT_FOUND: &str = "DeploymentRollbackRevisionNotFound";
const UNCHANGED: &str = "DeploymentRollbackTemplateUnchanged";
const DONE: &str = "DeploymentRollback";

/// The revision that these annotations ask to roll back to; 0 means the last one.
pub(super) fn wanted(annotations: &Labels) -> Option<i64> {
    annotations.get(ROLLBACK_TO)?.parse().ok()
}

impl Rollout<'_, '_> {
    /// `rollback`.
    pub(super) fn roll_back(&mut self, sets: &[Set], revision: i64) -> Result<Done, Halt> {
        let (new, old) = self.new_and_old(sets, true)?;
        let all: Vec<Set> = old.into_iter().chain(new).collect();
        let own = |s: &Set| annotations::revision(&s.meta.annotations);
        let revision = match revision {
            0 => annotations::last_revision(all.iter().map(|s| &s.meta.annotations)),
            other => other,
        };
        if revision == 0 {
            self.event(EventType::Warning, NOT_FOUND, "Unable to find last revision.");
            return self.clear_rollback();
        }
        let Some(set) = all.iter().find(|s| own(s) == Some(revision)) else {
            let text = "Unable to find the revision to rollback to.";
            self.event(EventType::Warning, NOT_FOUND, text);
            return self.clear_rollback();
        };
        let name = self.d.meta.name.clone();
        if same_template(&set.spec.template, &self.d.spec.template) {
            let text = format!(
                "The rollback revision contains the same template as current deployment \"{name}\""
            );
            self.event(EventType::Warning, UNCHANGED, text);
            return self.clear_rollback();
        }
        self.take_template(set);
        let done = self.clear_rollback()?;
        let text = format!("Rolled back deployment \"{name}\" to revision {revision}");
        self.event(EventType::Normal, DONE, text);
        Ok(done)
    }

    /// Takes a ReplicaSet's template and annotations (`SetFromReplicaSetTemplate`,
    /// `SetDeploymentAnnotationsTo`).
    fn take_template(&mut self, set: &Set) {
        let spec = Arc::make_mut(&mut self.d.spec);
        spec.template = set.spec.template.clone();
        spec.template.labels = spec.template.labels.without(HASH_LABEL);
        spec.wire.template = set.spec.wire.template.clone().unwrap_or_default();
        if let Some(labels) = spec.wire.template.metadata.as_mut().and_then(|m| m.labels.as_mut()) {
            labels.remove(HASH_LABEL);
        }
        let kept = self.d.meta.annotations.iter().filter(|(k, _)| annotations::is_skipped(k));
        let taken = set.meta.annotations.iter().filter(|(k, _)| !annotations::is_skipped(k));
        self.d.meta.annotations = kept.chain(taken).cloned().collect();
    }

    /// `updateDeploymentAndClearRollbackTo`.
    fn clear_rollback(&mut self) -> Result<Done, Halt> {
        self.d.meta.annotations = self.d.meta.annotations.without(ROLLBACK_TO);
        self.script.ask(Request::Update(self.d.clone().into()))??;
        Ok(Done::default())
    }
}

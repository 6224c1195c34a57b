//! Updates of whole objects, statuses and metadata.

use super::delete::is_held;
use super::wire::invalid;
use super::{ApiServer, Handling, job_status, parts};
use crate::model::{Meta, Object, Ref, Uid};
use crate::store::{ApiError, MetaChange, Reply};

impl ApiServer {
    /// Replaces metadata and spec; the status stays (`Store.Update`).
    pub(super) fn update(&mut self, mut object: Object, h: &mut Handling<'_>) -> Reply {
        let old = self.current(&object)?;
        parts::take_status(&mut object, &old);
        keep_server_fields(object.meta_mut(), old.meta());
        parts::count_templates(&mut object, &old);
        if object == old {
            return Ok(Some(old));
        }
        let kind = object.kind();
        if parts::counts_generations(kind) && !parts::same_spec(&object, &old) {
            object.meta_mut().generation += 1;
        }
        self.admit_update(&object, &old, h)?;
        self.admit_resize(&object, &old)?;
        if let Object::Service(service) = &object {
            self.release_addresses(&old);
            self.allocate_addresses(service)?;
        }
        Ok(Some(self.commit_or_finish(object, h)))
    }

    /// Replaces the status; the rest stays.
    pub(super) fn update_status(&mut self, object: &Object, h: &mut Handling<'_>) -> Reply {
        let old = self.current(object)?;
        let mut new = old.clone();
        parts::take_status(&mut new, object);
        if let Object::Deployment(d) = object {
            // The Deployment controller writes the rollout's revision with the status
            // (`pkg/registry/apps/deployment/strategy.go`, `deploymentStatusStrategy`).
            new.meta_mut().annotations = d.meta.annotations.clone();
        }
        if new == old {
            return Ok(Some(old));
        }
        if let (Object::Job(new), Object::Job(old)) = (&new, &old) {
            let errors = job_status::check(new, old);
            if !errors.is_empty() {
                return Err(invalid(&object.reference(), &errors));
            }
        }
        Ok(Some(self.commit(new, h)))
    }

    /// What admission asks of a changed object, before it is stored.
    fn admit_update(
        &mut self,
        new: &Object,
        old: &Object,
        h: &mut Handling<'_>,
    ) -> Result<(), Box<ApiError>> {
        if old.meta().is_terminating() {
            return Ok(());
        }
        match new {
            Object::PersistentVolumeClaim(claim) => self.check_claim_limits(claim)?,
            Object::PriorityClass(class) => self.admit_priority_class(class)?,
            _ => {}
        }
        let charges = self.quota_charges(new, Some(old), h.now)?;
        self.charge(charges, h);
        Ok(())
    }

    /// Changes metadata alone.
    pub(super) fn patch_meta(
        &mut self,
        target: &Ref,
        uid: Uid,
        changes: Vec<MetaChange>,
        h: &mut Handling<'_>,
    ) -> Reply {
        let old = self.stored(target)?;
        check_uid(&old, uid)?;
        let mut new = old.clone();
        for change in changes {
            apply(new.meta_mut(), change);
        }
        if new.meta() == old.meta() {
            return Ok(Some(old));
        }
        Ok(Some(self.commit_or_finish(new, h)))
    }

    /// Stores a version, or removes the object when this was the last thing its deletion waited for
    /// (`Store.deleteWithoutFinalizers`).
    pub(super) fn commit_or_finish(&mut self, object: Object, h: &mut Handling<'_>) -> Object {
        let requested = object.meta().deletion.is_some_and(|d| d.grace.is_zero());
        let due = requested && !is_held(&object);
        if due { self.remove(object, h) } else { self.commit(object, h) }
    }

    /// The stored version of an object that is to be replaced, if it is the one the writer has seen.
    fn current(&self, object: &Object) -> Result<Object, Box<ApiError>> {
        let old = self.stored(&object.reference())?;
        let (new, meta) = (object.meta(), old.meta());
        if new.uid != Uid::default() {
            check_uid(&old, new.uid)?;
        }
        if new.resource_version != 0 && new.resource_version != meta.resource_version {
            return Err(ApiError::conflict(object.kind(), &meta.name));
        }
        Ok(old)
    }
}

/// Refuses when the object has been replaced by another of its name.
pub(super) fn check_uid(stored: &Object, uid: Uid) -> Result<(), Box<ApiError>> {
    if stored.meta().uid == uid {
        return Ok(());
    }
    let mut error = ApiError::conflict(stored.kind(), &stored.meta().name);
    let cut = error.message.find(": ").unwrap_or(error.message.len());
    error.message.truncate(cut);
    let text = format!(
        ": Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
        stored.meta().uid
    );
    error.message.push_str(&text);
    Err(error)
}

/// What a writer cannot change.
pub(super) fn keep_server_fields(new: &mut Meta, old: &Meta) {
    new.uid = old.uid;
    new.created = old.created;
    new.deletion = old.deletion;
    new.generation = old.generation;
    new.resource_version = old.resource_version;
    new.generate_name = old.generate_name.clone();
    if new.is_terminating() {
        // Once deletion is requested no finalizer can be added.
        new.finalizers.retain(|f| old.has_finalizer(f));
    }
}

fn apply(meta: &mut Meta, change: MetaChange) {
    match change {
        MetaChange::Label(key, Some(value)) => meta.labels = meta.labels.with(key, value),
        MetaChange::Label(key, None) => meta.labels = meta.labels.without(&key),
        MetaChange::Annotation(key, Some(value)) => {
            meta.annotations = meta.annotations.with(key, value);
        }
        MetaChange::Annotation(key, None) => meta.annotations = meta.annotations.without(&key),
        MetaChange::AddOwner(owner) => {
            meta.owners.edit(|owners| match owners.iter_mut().find(|o| o.uid == owner.uid) {
                Some(old) => *old = *owner,
                None => owners.push(*owner),
            })
        }
        MetaChange::RemoveOwner(uid) => meta.owners.retain(|o| o.uid != uid),
        MetaChange::BlockOwnerDeletion(uid, block) => meta.owners.edit(|owners| {
            for owner in owners.iter_mut().filter(|o| o.uid == uid) {
                owner.block_owner_deletion = block;
            }
        }),
        MetaChange::AddFinalizer(finalizer) => {
            if !meta.has_finalizer(&finalizer) && !meta.is_terminating() {
                meta.finalizers.push(finalizer);
            }
        }
        MetaChange::RemoveFinalizer(finalizer) => meta.finalizers.retain(|f| *f != finalizer),
    }
}

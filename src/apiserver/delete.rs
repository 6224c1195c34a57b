//! Deletion: grace, finalizers, propagation.

use std::time::Duration;

use super::update::check_uid;
use super::{ApiServer, Handling};
use crate::model::{Deletion, Key, Kind, Object, Pod, Ref, finalizers};
use crate::store::{ApiError, DeleteOptions, ErrorReason, Propagation, Reply};

impl ApiServer {
    /// Asks for deletion, as `Store.Delete`: at once where nothing stands in the way, else by a
    /// deletion timestamp.
    pub(super) fn delete(
        &mut self,
        target: &Ref,
        options: &DeleteOptions,
        h: &mut Handling<'_>,
    ) -> Reply {
        let old = self.stored(target)?;
        check_preconditions(&old, options)?;
        let mut new = old.clone();
        let grace = grace_of(&new, options);
        mark(&mut new, grace, h);
        propagate(&mut new, options);
        let meta = new.meta();
        let waits =
            !meta.finalizers.is_empty() || meta.deletion.is_some_and(|d| !d.grace.is_zero());
        if waits {
            if new.meta() == old.meta() {
                return Ok(Some(old));
            }
            return Ok(Some(self.commit(new, h)));
        }
        Ok(Some(self.remove(new, h)))
    }

    /// Evicts a pod: a deletion that disruption budgets may refuse
    /// (`pkg/registry/core/pod/storage/eviction.go`).
    pub(super) fn evict(
        &mut self,
        pod: &Key,
        options: &DeleteOptions,
        h: &mut Handling<'_>,
    ) -> Reply {
        let target = Ref { kind: Kind::Pod, key: pod.clone() };
        self.delete(&target, options, h)
    }
}

fn check_preconditions(old: &Object, options: &DeleteOptions) -> Result<(), Box<ApiError>> {
    if let Some(uid) = options.uid {
        check_uid(old, uid)?;
    }
    let meta = old.meta();
    if let Some(wanted) = options.resource_version
        && wanted != meta.resource_version
    {
        let text = format!(
            "Operation cannot be fulfilled on {} {:?}: the ResourceVersion in the precondition \
             ({wanted}) does not match the ResourceVersion in record ({}). The object might have \
             been modified",
            old.kind().plural(),
            meta.name,
            meta.resource_version,
        );
        return Err(ApiError::new(ErrorReason::Conflict, text));
    }
    Ok(())
}

/// How long the object may take: only pods are given time (`podStrategy.CheckGracefulDelete`).
fn grace_of(object: &Object, options: &DeleteOptions) -> Duration {
    let Object::Pod(pod) = object else { return Duration::ZERO };
    let pod: &Pod = pod;
    if pod.node.is_none() || pod.status.phase.is_terminal() {
        return Duration::ZERO;
    }
    options.grace.unwrap_or(pod.spec.grace)
}

/// Sets the deletion, or shortens one that is under way (`rest.BeforeDelete`).
fn mark(object: &mut Object, grace: Duration, h: &Handling<'_>) {
    let meta = object.meta_mut();
    match meta.deletion {
        None => {
            meta.deletion = Some(Deletion { at: h.now.trunc_secs() + grace, grace });
            if meta.generation > 0 {
                meta.generation += 1;
            }
        }
        Some(old) if grace < old.grace => {
            let requested = old.at - old.grace;
            meta.deletion = Some(Deletion { at: requested + grace, grace });
            if meta.generation > 0 {
                meta.generation += 1;
            }
        }
        Some(_) => {}
    }
}

/// Sets the finalizers of the propagation that is asked for (`deletionFinalizersForGarbageCollection`).
fn propagate(object: &mut Object, options: &DeleteOptions) {
    let meta = object.meta();
    let asked = options.propagation.unwrap_or_else(|| {
        if meta.has_finalizer(finalizers::ORPHAN) {
            Propagation::Orphan
        } else if meta.has_finalizer(finalizers::FOREGROUND) {
            Propagation::Foreground
        } else {
            default_propagation(object.kind())
        }
    });
    let wanted = match asked {
        Propagation::Orphan => Some(finalizers::ORPHAN),
        Propagation::Foreground => Some(finalizers::FOREGROUND),
        Propagation::Background => None,
    };
    let meta = object.meta_mut();
    meta.finalizers.retain(|f| {
        !matches!(f.as_str(), finalizers::ORPHAN | finalizers::FOREGROUND)
            || Some(f.as_str()) == wanted
    });
    if let Some(wanted) = wanted
        && !meta.has_finalizer(wanted)
    {
        meta.finalizers.push(wanted.into());
    }
}

/// What a raw deletion does where nothing is asked (the strategies' `DefaultGarbageCollectionPolicy`).
const fn default_propagation(kind: Kind) -> Propagation {
    match kind {
        Kind::Job | Kind::ReplicationController => Propagation::Orphan,
        _ => Propagation::Background,
    }
}

//! Deletion: grace, finalizers, propagation.

use std::sync::Arc;
use std::time::Duration;

use super::update::check_uid;
use super::{ApiServer, Handling};
use crate::model::{Deletion, Kind, Object, Pod, Ref, finalizers};
use crate::store::{ApiError, DeleteOptions, ErrorReason, Propagation, Reply};

/// The namespaces that cannot be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

impl ApiServer {
    /// Asks for the deletion of all objects of a kind in a namespace (`Store.DeleteCollection`).
    pub(super) fn delete_collection(
        &mut self,
        kind: Kind,
        namespace: &str,
        options: &DeleteOptions,
        h: &mut Handling<'_>,
    ) -> Reply {
        let all = self.store.list(kind).filter(|o| o.meta().namespace == namespace);
        let all: Vec<Ref> = all.map(Object::reference).collect();
        for target in all {
            match self.delete(&target, options, h) {
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Asks for deletion, as `Store.Delete`: at once where nothing stands in the way, else by a
    /// deletion timestamp.
    pub(super) fn delete(
        &mut self,
        target: &Ref,
        options: &DeleteOptions,
        h: &mut Handling<'_>,
    ) -> Reply {
        let old = self.stored(target)?;
        check_mortal(target)?;
        check_preconditions(&old, options)?;
        let mut new = old.clone();
        let grace = grace_of(&new, options);
        mark(&mut new, grace, h);
        propagate(&mut new, options);
        if let Object::Namespace(namespace) = &mut new {
            let body = Arc::make_mut(&mut Arc::make_mut(namespace).body);
            body.status.get_or_insert_default().phase = Some("Terminating".to_owned());
        }
        let waits = is_held(&new) || new.meta().deletion.is_some_and(|d| !d.grace.is_zero());
        if waits {
            if new.meta() == old.meta() {
                return Ok(Some(old));
            }
            return Ok(Some(self.commit(new, h)));
        }
        Ok(Some(self.remove(new, h)))
    }
}

/// Whether something has to be done before the object may go: its finalizers, a namespace's in its
/// spec too.
pub(super) fn is_held(object: &Object) -> bool {
    let in_spec = match object {
        Object::Namespace(n) => n.body.spec.as_ref().and_then(|s| s.finalizers.as_ref()),
        _ => None,
    };
    !object.meta().finalizers.is_empty() || in_spec.is_some_and(|f| !f.is_empty())
}

/// As the admission plugin NamespaceLifecycle: some namespaces stay.
fn check_mortal(target: &Ref) -> Result<(), Box<ApiError>> {
    let name = target.key.name.as_str();
    if target.kind == Kind::Namespace && IMMORTAL.contains(&name) {
        return Err(ApiError::forbidden(target.kind, name, "this namespace may not be deleted"));
    }
    Ok(())
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

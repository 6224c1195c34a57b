//! Creation.

use super::{ApiServer, Handling, parts};
use crate::base::digest::digest_of;
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::model::{Key, Kind, Object, Uid};
use crate::store::{ApiError, ErrorReason, Reply};

/// The longest prefix a generated name keeps (`k8s.io/apiserver/pkg/storage/names`).
const MAX_GENERATED_PREFIX: usize = 58;
/// How often a generated name that is taken is drawn anew (`maxNameGenerationCreateAttempts`).
const NAME_ATTEMPTS: u64 = 8;

impl ApiServer {
    /// Stores a new object: names it, stamps it, admits it (`Store.Create`).
    pub(super) fn create(&mut self, mut object: Object, h: &mut Handling<'_>) -> Reply {
        let kind = object.kind();
        if kind.namespaced() {
            if object.meta().namespace.is_empty() && kind != Kind::Inert {
                object.meta_mut().namespace = Str::new_static("default");
            }
            // Inert kinds may be cluster-wide.
            if !object.meta().namespace.is_empty() {
                self.check_namespace(&object)?;
            }
        }
        if object.meta().name.is_empty() {
            self.generate_name(&mut object, h);
        }
        let key = object.key();
        let uid = self.new_uid(kind, &key, h.now);
        let meta = object.meta_mut();
        meta.created = h.now.trunc_secs();
        meta.deletion = None;
        meta.generation = u64::from(parts::counts_generations(kind));
        meta.uid = uid;
        self.prepare(&mut object)?;
        let charges = self.quota_charges(&object, None, h.now)?;
        if self.store.get(kind, &key).is_some() {
            return Err(ApiError::already_exists(kind, &object.meta().name));
        }
        self.charge(charges, h);
        Ok(Some(self.commit(object, h)))
    }

    /// What strategies and admission plugins do to a new object.
    fn prepare(&mut self, object: &mut Object) -> Result<(), Box<ApiError>> {
        match object {
            Object::Pod(pod) => self.admit_pod(pod),
            Object::Service(service) => self.allocate_addresses(service),
            Object::PersistentVolumeClaim(claim) => {
                self.admit_claim(claim);
                self.check_claim_limits(claim)
            }
            Object::PersistentVolume(volume) => {
                Self::admit_volume(volume);
                Ok(())
            }
            Object::Job(job) => {
                super::admission::generate_job_selector(job);
                Ok(())
            }
            Object::PriorityClass(class) => self.admit_priority_class(class),
            Object::Namespace(namespace) => {
                super::admission::activate_namespace(namespace);
                Ok(())
            }
            Object::Inert(inert) if inert.kind == "CustomResourceDefinition" => {
                super::admission::establish_definition(inert);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The uid of an object that is created now.
    pub(super) fn new_uid(&self, kind: Kind, key: &Key, now: SimTime) -> Uid {
        let of = format!("{kind}/{key}");
        Uid::from_random(self.rng.numbered_stream("uid", &of, now.as_nanos()).wide())
    }

    /// What completes a generated name. It follows from the instant, not from what was made before, and so
    /// those of one instant are told apart by their number.
    pub(super) fn name_suffix(
        &mut self,
        kind: Kind,
        namespace: &Str,
        prefix: &str,
        now: SimTime,
    ) -> String {
        let of = format!("{kind}/{namespace}/{prefix}");
        let first = self.drawn.next(now, digest_of(0, of.as_bytes()));
        let mut suffix = String::new();
        for attempt in 0..NAME_ATTEMPTS {
            let number = *first + attempt;
            let n = now.as_nanos().wrapping_add(number.rotate_right(8));
            suffix = self.rng.numbered_stream("generated-name", &of, n).suffix(5);
            let name = format!("{prefix}{suffix}").into();
            if self.store.get(kind, &Key { namespace: namespace.clone(), name }).is_none() {
                *first = number + 1;
                break;
            }
        }
        suffix
    }

    fn generate_name(&mut self, object: &mut Object, h: &Handling<'_>) {
        let kind = object.kind();
        let prefix = object.meta().generate_name.clone();
        let prefix = &prefix[..floor_char(&prefix, MAX_GENERATED_PREFIX)];
        let namespace = object.meta().namespace.clone();
        let suffix = self.name_suffix(kind, &namespace, prefix, h.now);
        object.meta_mut().name = format!("{prefix}{suffix}").into();
    }

    /// As the admission plugin NamespaceLifecycle: the namespace must exist and not be going away.
    fn check_namespace(&self, object: &Object) -> Result<(), Box<ApiError>> {
        let name = &object.meta().namespace;
        let key = Key::new("", name.clone());
        match self.store.get(Kind::Namespace, &key) {
            None => {
                Err(ApiError::new(ErrorReason::NotFound, format!("namespaces {name:?} not found")))
            }
            Some(ns) if ns.meta().is_terminating() => {
                let why = format!(
                    "unable to create new content in namespace {name} because it is being terminated"
                );
                Err(ApiError::forbidden(object.kind(), &object.meta().name, &why))
            }
            Some(_) => Ok(()),
        }
    }
}

/// How many names of a prefix were generated at one instant: a controller asks for dozens at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Drawn {
    at: SimTime,
    /// By a digest of kind, namespace and prefix.
    of_prefix: Map<u64, u64>,
}

impl Drawn {
    /// The number of the next one.
    fn next(&mut self, now: SimTime, prefix: u64) -> &mut u64 {
        if self.at != now {
            self.at = now;
            self.of_prefix.clear();
        }
        self.of_prefix.entry(prefix).or_default()
    }
}

/// The longest length up to `max` at which `text` can be cut.
fn floor_char(text: &str, max: usize) -> usize {
    (0..=max.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::api::convert;
    use crate::api::typed::Typed;
    use crate::base::rng::Rng;
    use crate::engine::{Call, ComponentId, Token};
    use crate::store::Request;
    use crate::trace::{FactId, Facts};

    #[test]
    fn any_number_of_names_are_generated_at_one_instant() {
        let mut api = ApiServer::new(Rng::new(1));
        let mut create = |manifest| {
            let object = convert::from_wire(Typed::decode(&manifest).unwrap()).unwrap();
            let (from, token, cause) = (ComponentId::World, Token(0), FactId::NONE);
            let call = Call { from, token, cause, request: Request::Create(object) };
            let made = api.handle(call, SimTime::from_secs(1_000), &mut Facts::default());
            made.expect("the name is free").expect("the object is answered").meta().name.clone()
        };
        create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"namespace": "default", "generateName": "map-"}});
        let names: BTreeSet<Str> = (0..300).map(|_| create(map.clone())).collect();
        assert_eq!(names.len(), 300);
    }
}

//! The way of a write through the API server's own code: decode, default, prepare, validate, settle.
//!
//! After `staging/src/k8s.io/apiserver/pkg/registry/{generic/registry/store.go,rest/create.go,rest/update.go}` and
//! the strategies of `pkg/registry`. Admission plugins, storage and conflicts are not here.

use serde_json::Value;

use super::defaults;
use super::defaults::create::{self, System};
use super::defaults::service::{self, Allocator};
use super::defaults::{service_update, update};
use super::fields;
use super::schema::{self, DecodeError, Struct};
use super::validate::{self, Errors, Path, Policy};
use super::warnings;

/// Why a write is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The kind is not in the table of shapes.
    UnknownKind,
    /// A value of a wrong type.
    Decode(DecodeError),
    /// Field errors, in order.
    Invalid(Errors),
    /// A request that makes no sense.
    BadRequest(String),
    /// Something else failed.
    Internal(String),
}

/// The Go shape of a document's kind.
pub fn struct_of(json: &Value) -> Option<&'static Struct> {
    schema::kind(json["apiVersion"].as_str()?, json["kind"].as_str()?)
}

/// What a write leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The object as it is stored, in JSON.
    pub object: Value,
    /// What the server warns of.
    pub warnings: Vec<String>,
}

/// Makes of a manifest the object that is stored.
///
/// # Errors
/// Whatever makes the API server refuse it.
pub fn create(
    json: &Value,
    system: System<'_>,
    allocator: &mut impl Allocator,
    policy: Policy,
) -> Result<Stored, Refusal> {
    let (of, mut object, warnings) = begin(json, system, allocator, policy)?;
    create::canonicalise(of.key, &mut object);
    create::normalise(of.key, &mut object);
    Ok(Stored { object: schema::encode(of, &object), warnings })
}

/// The warnings about a manifest that would be stored, without the object.
///
/// # Errors
/// Whatever makes the API server refuse it.
pub fn examine(
    json: &Value,
    system: System<'_>,
    allocator: &mut impl Allocator,
) -> Result<Vec<String>, Refusal> {
    begin(json, system, allocator, Policy::default()).map(|(.., warnings)| warnings)
}

/// The way of a create request until it is known that the object is valid.
fn begin(
    json: &Value,
    system: System<'_>,
    allocator: &mut impl Allocator,
    policy: Policy,
) -> Result<(&'static Struct, Value, Vec<String>), Refusal> {
    let of = struct_of(json).ok_or(Refusal::UnknownKind)?;
    let mut object = decode(of, json)?;
    let namespace = if of.is_namespaced() { system.namespace } else { "" };
    create::system_metadata(&mut object, System { namespace, ..system });
    if of.key == "core/v1.Service"
        && let Some(fields) = object.as_object_mut()
    {
        service::begin_create(fields, allocator)?;
    }
    let mut warnings = warnings::on_request(of, &object);
    create::prepare(of.key, &mut object, system.now);
    let errors = validate::create(of, &object, policy);
    if !errors.is_empty() {
        return Err(Refusal::Invalid(errors));
    }
    warnings.append(&mut warnings::on_create(of, &object));
    Ok((of, object, warnings))
}

/// Checks an object that admission has changed, as one that is to be created.
///
/// # Errors
/// The field errors.
pub fn check(json: &Value) -> Result<(), Refusal> {
    let of = struct_of(json).ok_or(Refusal::UnknownKind)?;
    let errors = validate::create(of, &decode(of, json)?, Policy::default());
    if errors.is_empty() { Ok(()) } else { Err(Refusal::Invalid(errors)) }
}

/// Makes of a document that is to take the place of `old`, as it is stored, the object that is stored
/// then. The document has the resource version that it is based on.
///
/// # Errors
/// Whatever makes the API server refuse it.
pub fn update(
    json: &Value,
    old: &Value,
    allocator: &mut impl Allocator,
    policy: Policy,
) -> Result<Stored, Refusal> {
    let mut change = Change::prepare(json, old, allocator)?;
    let of = change.of;
    if of.is_namespaced()
        && change.new["metadata"]["namespace"] != change.old["metadata"]["namespace"]
    {
        let text =
            "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::BadRequest(text.into()));
    }
    let errors = change.errors(policy);
    if !errors.is_empty() {
        return Err(Refusal::Invalid(errors));
    }
    let warnings = warnings::on_update(of, &change.new, &change.old);
    create::canonicalise(of.key, &mut change.new);
    create::normalise(of.key, &mut change.new);
    Ok(Stored { object: schema::encode(of, &change.new), warnings })
}

/// Gives a pod further ephemeral containers: those of `json` take the place of the stored ones, and nothing else of it
/// counts (`pkg/registry/core/pod/strategy.go`, `podEphemeralContainersStrategy`).
///
/// # Errors
/// Whatever makes the API server refuse it.
pub fn ephemeral_containers(
    json: &Value,
    old: &Value,
    allocator: &mut impl Allocator,
    policy: Policy,
) -> Result<Stored, Refusal> {
    const FIELD: &str = "ephemeralContainers";
    let mut body = old.clone();
    body["spec"][FIELD] = json["spec"][FIELD].clone();
    let mut change = Change::prepare(&body, old, allocator)?;
    let of = change.of;
    let errors = validate::ephemeral_containers(of, &change.new, &change.old, policy);
    if !errors.is_empty() {
        return Err(Refusal::Invalid(errors));
    }
    let warnings = warnings::on_update(of, &change.new, &change.old);
    create::normalise(of.key, &mut change.new);
    Ok(Stored { object: schema::encode(of, &change.new), warnings })
}

/// Resizes a pod: the resources of its containers are those of `json`, and nothing else of it counts
/// (`pkg/registry/core/pod/strategy.go`, `podResizeStrategy`).
///
/// # Errors
/// Whatever makes the API server refuse it.
pub fn resize(
    json: &Value,
    old: &Value,
    allocator: &mut impl Allocator,
    policy: Policy,
) -> Result<Stored, Refusal> {
    let mut body = old.clone();
    for list in ["containers", "initContainers"] {
        take_resources(&mut body["spec"], &json["spec"], list);
    }
    match &json["spec"]["resources"] {
        Value::Null => {
            body["spec"].as_object_mut().and_then(|spec| spec.shift_remove("resources"));
        }
        given => body["spec"]["resources"] = given.clone(),
    }
    let mut change = Change::prepare(&body, old, allocator)?;
    let of = change.of;
    let errors = validate::resize(of, &change.new, &change.old, policy);
    if !errors.is_empty() {
        return Err(Refusal::Invalid(errors));
    }
    create::normalise(of.key, &mut change.new);
    Ok(Stored { object: schema::encode(of, &change.new), warnings: Vec::new() })
}

/// Puts what a resize may bring into a list of containers (`dropNonResizeUpdatesForContainers`); a list of
/// other containers is taken as it is, for validation to refuse.
fn take_resources(spec: &mut Value, from: &Value, list: &str) {
    let none = Vec::new();
    let new = from[list].as_array().unwrap_or(&none);
    let old = spec[list].as_array().unwrap_or(&none);
    let alike = new.len() == old.len() && new.iter().zip(old).all(|(a, b)| a["name"] == b["name"]);
    if !alike {
        spec[list] = from[list].clone();
        return;
    }
    for (container, new) in spec[list].as_array_mut().into_iter().flatten().zip(new) {
        for field in ["resources", "resizePolicy"] {
            match &new[field] {
                Value::Null => {
                    container.as_object_mut().and_then(|c| c.shift_remove(field));
                }
                given => container[field] = given.clone(),
            }
        }
    }
}

/// A change on its way: both objects defaulted, prepared, and as the internal types hold them.
pub(super) struct Change {
    of: &'static Struct,
    new: Value,
    old: Value,
}

impl Change {
    pub(super) fn prepare(
        json: &Value,
        old: &Value,
        allocator: &mut impl Allocator,
    ) -> Result<Self, Refusal> {
        let of = struct_of(json).ok_or(Refusal::UnknownKind)?;
        let (mut new, mut old) = (decode(of, json)?, decode(of, old)?);
        let version = new["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if version.is_empty() && !is_replaced_unseen(of) {
            let mut errors = Errors::default();
            let at = Path::new("metadata.resourceVersion");
            errors.invalid(&at, 0, "must be specified for an update");
            return Err(Refusal::Invalid(errors));
        }
        meet(of, &mut new, &old);
        if of.key == "core/v1.Service"
            && let (Some(new), Some(old)) = (new.as_object_mut(), old.as_object_mut())
        {
            service_update::begin(new, old, allocator)?;
        }
        update::prepare(of, &mut new, &old);
        Ok(Self { of, new, old })
    }

    pub(super) fn errors(&self, policy: Policy) -> Errors {
        validate::update(self.of, &self.new, &self.old, policy)
    }
}

/// Whether an object may be replaced by who does not say which version they saw
/// (`AllowUnconditionalUpdate`).
fn is_replaced_unseen(of: &Struct) -> bool {
    !matches!(
        of.key,
        "policy/v1.PodDisruptionBudget"
            | "coordination/v1.Lease"
            | "node/v1.RuntimeClass"
            | "storage/v1.CSIDriver"
            | "storage/v1.CSINode"
            | "storage/v1.VolumeAttachment"
    ) && !of.key.starts_with("admissionregistration/")
}

/// What a request's address and the stored version complete: the namespace, and for kinds that may be
/// replaced whatever their version, the version.
fn meet(of: &Struct, new: &mut Value, old: &Value) {
    let Some(new) = new.as_object_mut() else { return };
    let metadata = fields::fields_or_new(new, "metadata");
    let unconditional = is_replaced_unseen(of);
    for (name, taken) in [("namespace", of.is_namespaced()), ("resourceVersion", unconditional)] {
        if !of.is_namespaced() && name == "namespace" {
            metadata.remove(name);
        } else if taken && fields::text(metadata, name).is_empty() {
            metadata.insert(name.into(), old["metadata"][name].clone());
        }
    }
}

/// A document in decoded form, defaulted and as the internal types hold it.
fn decode(of: &'static Struct, json: &Value) -> Result<Value, Refusal> {
    let mut object = schema::decode(of, json).map_err(Refusal::Decode)?.value;
    defaults::apply(of, &mut object);
    create::normalise(of.key, &mut object);
    Ok(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::defaults::service::FreeRanges;

    const SYSTEM: System<'_> =
        System { namespace: "default", uid: "u", now: "2026-01-01T00:00:00Z", suffix: "abcde" };

    fn created(json: &Value) -> Stored {
        create(json, SYSTEM, &mut FreeRanges::default(), Policy::default()).unwrap()
    }

    fn updated(json: &Value, old: &Value) -> Result<Stored, Refusal> {
        update(json, old, &mut FreeRanges::default(), Policy::default())
    }

    #[test]
    fn a_selector_stays_and_a_changed_spec_counts_up_the_generation() {
        let old = created(&json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "c", "image": "nginx:1"}]},
                },
            },
        }));
        let mut new = old.object.clone();
        new["metadata"]["resourceVersion"] = "1".into();
        new["spec"]["replicas"] = 3.into();
        assert_eq!(updated(&new, &old.object).unwrap().object["metadata"]["generation"], 2);
        new["spec"]["selector"]["matchLabels"]["app"] = "other".into();
        let Err(Refusal::Invalid(errors)) = updated(&new, &old.object) else {
            panic!("a selector was changed")
        };
        assert!(
            errors.0.iter().any(|e| e.field == "spec.selector" && e.detail.contains("immutable"))
        );
    }

    #[test]
    fn what_is_taken_with_a_warning_is_stored() {
        let service = created(&json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"ports": [{"port": 80}], "externalName": "example.com"},
        }));
        let warning = "spec.externalName is ignored when spec.type is not \"ExternalName\"";
        assert_eq!(service.warnings, [warning]);
        assert_eq!(service.object["spec"]["externalName"], "example.com");
    }

    #[test]
    fn a_service_that_is_replaced_keeps_its_addresses_and_node_ports() {
        let old = created(&json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"type": "NodePort", "ports": [{"name": "http", "port": 80}]},
        }))
        .object;
        let new = updated(
            &json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "web", "resourceVersion": "1"},
                "spec": {"type": "NodePort", "ports": [{"name": "http", "port": 8080}]},
            }),
            &old,
        );
        let new = new.unwrap().object;
        assert_eq!(new["spec"]["clusterIP"], old["spec"]["clusterIP"]);
        assert_eq!(new["spec"]["ports"][0]["nodePort"], old["spec"]["ports"][0]["nodePort"]);
    }
}

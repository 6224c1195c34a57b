//! The way of a write through the API server's own code: decode, default, prepare, validate, settle.
//!
//! After `staging/src/k8s.io/apiserver/pkg/registry/{generic/registry/store.go,rest/create.go}` and
//! the strategies of `pkg/registry`. Admission plugins, storage and conflicts are not here.

use serde_json::Value;

use super::defaults;
use super::defaults::create::{self, System};
use super::defaults::service::{self, Allocator};
use super::schema::{self, DecodeError, Struct};
use super::validate::{self, Errors};

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

/// Makes of a manifest the object that is stored.
///
/// # Errors
/// Whatever makes the API server refuse it.
pub fn create(
    json: &Value,
    system: System<'_>,
    allocator: &mut impl Allocator,
) -> Result<Value, Refusal> {
    let of = struct_of(json).ok_or(Refusal::UnknownKind)?;
    let mut object = decode(of, json)?;
    let namespace = if of.is_namespaced() { system.namespace } else { "" };
    create::system_metadata(&mut object, System { namespace, ..system });
    if of.key == "core/v1.Service"
        && let Some(fields) = object.as_object_mut()
    {
        service::begin_create(fields, allocator)?;
    }
    create::prepare(of.key, &mut object, system.now);
    let errors = validate::create(of, &object);
    if !errors.is_empty() {
        return Err(Refusal::Invalid(errors));
    }
    create::canonicalise(of.key, &mut object);
    create::normalise(of.key, &mut object);
    Ok(schema::encode(of, &object))
}

/// Checks an object that admission has changed, as one that is to be created.
///
/// # Errors
/// The field errors.
pub fn check(json: &Value) -> Result<(), Refusal> {
    let of = struct_of(json).ok_or(Refusal::UnknownKind)?;
    let errors = validate::create(of, &decode(of, json)?);
    if errors.is_empty() { Ok(()) } else { Err(Refusal::Invalid(errors)) }
}

/// A document in decoded form, defaulted and as the internal types hold it.
fn decode(of: &'static Struct, json: &Value) -> Result<Value, Refusal> {
    let mut object = schema::decode(of, json).map_err(Refusal::Decode)?.value;
    defaults::apply(of, &mut object);
    create::normalise(of.key, &mut object);
    Ok(object)
}

//! Requests with documents: decoded, defaulted, validated, and then carried out like any other.

use serde_json::Value;

use super::update::keep_server_fields;
use super::{ApiServer, Handling, bare_name, parts};
use crate::api::convert;
use crate::api::defaults::{self, create::System};
use crate::api::patch::{self as patches, PatchError};
use crate::api::registry::{self, Refusal};
use crate::api::schema::{self, DecodeError};
use crate::api::typed::Typed;
use crate::api::validate::{Errors, Policy};
use crate::api::warnings;
use crate::model::{Object, Ref};
use crate::store::{ApiError, ErrorReason, PatchType, Reply, WireVerb};
use crate::trace::FactKind;

impl ApiServer {
    /// Carries out a request with a document.
    pub(super) fn wire(
        &mut self,
        verb: WireVerb,
        target: &Ref,
        body: &Value,
        subresource: Option<&'static str>,
        h: &mut Handling<'_>,
    ) -> Reply {
        match verb {
            WireVerb::Create => {
                let body = self.defaulted_new(target, body, h)?;
                self.create(decode(target, body)?, h)
            }
            WireVerb::Update => self.replace(target, body, subresource, h),
            WireVerb::Patch(kind) => {
                let old = convert::to_wire(&self.stored(target)?).to_value();
                let patched = patch(kind, &old, body)?;
                self.replace(target, &patched, subresource, h)
            }
        }
    }

    /// The document of a new object as it is stored: defaulted, prepared, with what the server gives it.
    fn defaulted_new(
        &mut self,
        target: &Ref,
        body: &Value,
        h: &mut Handling<'_>,
    ) -> Result<Value, Box<ApiError>> {
        if registry::struct_of(body).is_none() {
            return Ok(body.clone());
        }
        let generate = body["metadata"]["generateName"].as_str().unwrap_or_default();
        let suffix = self.name_suffix(target.kind, &target.key.namespace, generate, h.now);
        let mut key = target.key.clone();
        if body["metadata"]["name"].as_str().is_none_or(str::is_empty) {
            key.name = format!("{generate}{suffix}").into();
        }
        let uid = self.new_uid(target.kind, &key, h.now).to_string();
        let system = System {
            namespace: if key.namespace.is_empty() { "default" } else { &key.namespace },
            uid: &uid,
            now: &h.now.to_rfc3339(),
            suffix: &suffix,
        };
        let mut addresses = self.addresses(&key);
        let stored = registry::create(body, system, &mut addresses, Policy::default())
            .map_err(|r| refused(target, r))?;
        warn(body, &stored.warnings, h);
        Ok(stored.object)
    }

    /// Puts a document in the place of an object, or of its status.
    fn replace(
        &mut self,
        target: &Ref,
        body: &Value,
        subresource: Option<&'static str>,
        h: &mut Handling<'_>,
    ) -> Reply {
        let old = self.stored(target)?;
        let seen = |field: &str| body["metadata"][field].as_str().filter(|text| !text.is_empty());
        if seen("resourceVersion").is_some_and(|v| v != old.meta().resource_version.to_string()) {
            return Err(ApiError::conflict(target.kind, bare_name(&target.key.name)));
        }
        if subresource == Some("resize") {
            return self.resize(target, body, &old, h);
        }
        let whole = subresource != Some("status") && registry::struct_of(body).is_some();
        let document = if whole {
            let stored = convert::to_wire(&old).to_value();
            let mut addresses = self.addresses(&target.key);
            let change = match subresource {
                Some("ephemeralcontainers") => registry::ephemeral_containers,
                _ => registry::update,
            };
            let stored = change(body, &stored, &mut addresses, Policy::default())
                .map_err(|r| refused(target, r))?;
            warn(body, &stored.warnings, h);
            stored.object
        } else {
            defaulted(target, body)?
        };
        let mut new = decode(target, document)?;
        keep_server_fields(new.meta_mut(), old.meta());
        keep_shared(&mut new, &old);
        parts::keep_finalizers_of_spec(&mut new, &old);
        if subresource == Some("status") {
            return self.update_status(&new, h);
        }
        parts::take_status(&mut new, &old);
        if parts::same_spec(&new, &old) && new.meta() == old.meta() {
            return Ok(Some(old));
        }
        self.update(new, h)
    }
}

/// Records what the server warns of: that the kind is deprecated, then what stands in the object.
fn warn(body: &Value, warnings: &[String], h: &mut Handling<'_>) {
    let text = |field: &str| body[field].as_str().unwrap_or_default();
    let of_kind = warnings::of_kind(text("apiVersion"), text("kind"));
    for warning in of_kind.into_iter().chain(warnings.iter().map(String::as_str)) {
        h.facts.push(h.now, h.cause, FactKind::Warned(warning.into()));
    }
}

/// The typed object of a document as it is to be stored.
fn decode(target: &Ref, body: Value) -> Result<Object, Box<ApiError>> {
    let typed = Typed::from_normal(body).map_err(|e| wrong_type(target, &e))?;
    convert::from_wire(typed).map_err(|e| ApiError::new(ErrorReason::BadRequest, e.to_string()))
}

/// The document as it is stored on an update: defaults filled in again.
fn defaulted(target: &Ref, body: &Value) -> Result<Value, Box<ApiError>> {
    let Some(of) = registry::struct_of(body) else { return Ok(body.clone()) };
    let mut object = schema::decode(of, body).map_err(|e| wrong_type(target, &e))?.value;
    defaults::apply(of, &mut object);
    defaults::create::normalise(of.key, &mut object);
    Ok(schema::encode(of, &object))
}

fn wrong_type(target: &Ref, error: &DecodeError) -> Box<ApiError> {
    let kind = target.kind;
    let text = format!(
        "{kind} in version {:?} cannot be handled as a {kind}: {}",
        kind.version(),
        error.message
    );
    ApiError::new(ErrorReason::BadRequest, text)
}

pub(super) fn refused(target: &Ref, refusal: Refusal) -> Box<ApiError> {
    match refusal {
        Refusal::UnknownKind => {
            ApiError::new(ErrorReason::NotFound, "the server could not find the requested resource")
        }
        Refusal::Decode(error) => wrong_type(target, &error),
        Refusal::Invalid(errors) => invalid(target, &errors),
        Refusal::BadRequest(message) => ApiError::new(ErrorReason::BadRequest, message),
        Refusal::Internal(message) => {
            ApiError::new(ErrorReason::InternalError, format!("Internal error occurred: {message}"))
        }
    }
}

pub(super) fn invalid(target: &Ref, errors: &Errors) -> Box<ApiError> {
    let kind = target.kind;
    let qualified = match kind.group() {
        "" => kind.to_string(),
        group => format!("{kind}.{group}"),
    };
    let all = errors.aggregate();
    let name = bare_name(&target.key.name);
    let message = format!("{qualified} {name:?} is invalid: {all}");
    let mut error = ApiError::new(ErrorReason::Invalid, message);
    error.object = Some((kind.as_str().into(), name.into()));
    error.causes = errors.0.iter().map(|e| (e.field.clone(), e.body())).collect();
    error
}

/// A document goes through the wire form and loses what pods share; where it asks for the very spec
/// that is stored, the stored form stays.
fn keep_shared(new: &mut Object, old: &Object) {
    if let (Object::Pod(new), Object::Pod(old)) = (new, old) {
        let spec = |o: &Object| convert::to_wire(o).to_value()["spec"].take();
        if spec(&Object::Pod(new.clone())) == spec(&Object::Pod(old.clone())) {
            let new = std::sync::Arc::make_mut(new);
            new.spec = old.spec.clone();
            new.node = old.node.clone();
            new.identity = old.identity.clone();
            new.made_for = old.made_for.clone();
        }
    }
}

/// The document with the patch applied.
fn patch(kind: PatchType, old: &Value, body: &Value) -> Result<Value, Box<ApiError>> {
    let kind = match kind {
        PatchType::Json => patches::PatchType::Json,
        PatchType::Merge => patches::PatchType::Merge,
        PatchType::Strategic => patches::PatchType::Strategic,
    };
    patches::apply(kind, registry::struct_of(old), old, body).map_err(|error| {
        let (reason, text) = match &error {
            PatchError::Malformed(text) => (ErrorReason::BadRequest, text.clone()),
            PatchError::Unprocessable(_) => (
                ErrorReason::Invalid,
                "the server rejected our request due to an error in our request".to_owned(),
            ),
            PatchError::NotStrategic => (ErrorReason::BadRequest, error.to_string()),
        };
        ApiError::new(reason, text)
    })
}

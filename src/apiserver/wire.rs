//! Requests with documents: decoded, defaulted, validated, and then carried out like any other.

use serde_json::Value;

use super::update::keep_server_fields;
use super::{ApiServer, Handling, bare_name, parts};
use crate::api::convert;
use crate::api::typed::Typed;
use crate::model::{Kind, Object, Ref};
use crate::store::{ApiError, ErrorReason, PatchType, Reply, WireVerb};

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
                let object = decode(target, body)?;
                self.create(object, h)
            }
            WireVerb::Update => self.replace(target, body, subresource, h),
            WireVerb::Patch(kind) => {
                let old = convert::to_wire(&self.stored(target)?).to_value();
                let patched = patch(kind, target.kind, old, body)?;
                self.replace(target, &patched, subresource, h)
            }
        }
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
        let mut new = decode(target, body)?;
        let wanted = new.meta().resource_version;
        if wanted != 0 && wanted != old.meta().resource_version {
            return Err(ApiError::conflict(target.kind, bare_name(&target.key.name)));
        }
        keep_server_fields(new.meta_mut(), old.meta());
        keep_shared(&mut new, &old);
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

/// An object from its document.
fn decode(target: &Ref, body: &Value) -> Result<Object, Box<ApiError>> {
    let typed = Typed::decode(body).map_err(|e| {
        let text = format!(
            "{} in version {:?} cannot be handled as a {}: {}: {}",
            target.kind,
            target.kind.version(),
            target.kind,
            e.path,
            e.message
        );
        ApiError::new(ErrorReason::BadRequest, text)
    })?;
    convert::from_wire(typed).map_err(|e| ApiError::new(ErrorReason::BadRequest, e.to_string()))
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
fn patch(kind: PatchType, of: Kind, old: Value, body: &Value) -> Result<Value, Box<ApiError>> {
    let _ = of;
    match kind {
        PatchType::Merge | PatchType::Strategic => Ok(merge(old, body)),
        PatchType::Json => Err(ApiError::new(ErrorReason::BadRequest, "json patch")),
    }
}

fn merge(old: Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut fields = match old {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    for (key, change) in changes {
        if change.is_null() {
            fields.shift_remove(key);
        } else {
            let before = fields.get_mut(key).map(Value::take).unwrap_or_default();
            fields.insert(key.clone(), merge(before, change));
        }
    }
    Value::Object(fields)
}

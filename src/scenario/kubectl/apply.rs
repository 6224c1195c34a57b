//! `kubectl apply`.

use serde_json::{Value, json};

use super::resource::{target, title};
use super::{Invocation, Look, Task};
use crate::api::convert;
use crate::store::{PatchType, Reply, Request, WireVerb};

/// Where apply remembers what was applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Invocation {
    /// The request that applies a document; nothing where the object is as wanted already.
    pub(super) fn begin_apply(
        &mut self,
        document: Box<Value>,
        source: String,
        look: &Look<'_>,
    ) -> Option<Box<Request>> {
        let object = target(&document);
        let mut wanted = (*document).clone();
        let applied = format!("{document}\n");
        wanted["metadata"]["annotations"][LAST_APPLIED] = applied.clone().into();
        let Some(live) = look.store.find(&object) else {
            self.current = Some(Task::Apply { document, source, new: true });
            let verb = WireVerb::Create;
            let body = Box::new(wanted);
            return Some(Box::new(Request::Wire { verb, target: object, body, subresource: None }));
        };
        let before = live.meta().annotations.get(LAST_APPLIED);
        let before: Value = before.and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default();
        let live = convert::to_wire(live).to_value();
        let patch = three_way(&before, &live, &wanted);
        let changes = patch.as_object().is_some_and(|p| {
            let only_annotation = json!({"metadata": {"annotations": {LAST_APPLIED: applied}}});
            !p.is_empty() && (patch != only_annotation || before != *document)
        });
        if !changes {
            let line = format!("{} unchanged\n", title(&document));
            self.stdout.push_str(&line);
            return None;
        }
        self.current = Some(Task::Apply { document, source, new: false });
        let verb = WireVerb::Patch(PatchType::Merge);
        let body = Box::new(patch);
        Some(Box::new(Request::Wire { verb, target: object, body, subresource: None }))
    }

    /// Prints what became of it.
    pub(super) fn end_apply(&mut self, document: &Value, source: &str, new: bool, reply: Reply) {
        match reply {
            Ok(_) => {
                let done = if new { "created" } else { "configured" };
                let line = format!("{} {done}\n", title(document));
                self.stdout.push_str(&line);
            }
            Err(error) => {
                let doing = if new { "creating" } else { "applying patch to" };
                self.refuse(&error, &format!("error when {doing} {source:?}: "));
            }
        }
    }
}

/// A merge patch from what is to what is wanted: fields that were applied before and are wanted no
/// more are removed, others that are not mentioned stay.
fn three_way(before: &Value, live: &Value, wanted: &Value) -> Value {
    let (Some(live_fields), Some(wanted_fields)) = (live.as_object(), wanted.as_object()) else {
        return wanted.clone();
    };
    let mut patch = serde_json::Map::new();
    for (key, value) in wanted_fields {
        match live_fields.get(key) {
            Some(current) if current == value => {}
            Some(current) if current.is_object() && value.is_object() => {
                let inner = three_way(&before[key.as_str()], current, value);
                if inner.as_object().is_some_and(|i| !i.is_empty()) {
                    patch.insert(key.clone(), inner);
                }
            }
            _ => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    for key in before.as_object().into_iter().flat_map(|b| b.keys()) {
        if !wanted_fields.contains_key(key) && live_fields.contains_key(key) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    Value::Object(patch)
}

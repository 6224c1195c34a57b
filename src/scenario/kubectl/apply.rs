//! `kubectl apply`.

use serde_json::{Value, json};

use super::resource::{target, title};
use super::{Invocation, Look, Task};
use crate::api::patch::{diff, merge};
use crate::api::{convert, registry};
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
        let (kind, patch) = three_way(&before, &live, &wanted);
        // Where nothing else changes, what was applied is not written anew.
        let only_note = patch.as_object().is_some_and(|p| {
            p.len() == 1
                && p.get("metadata")
                    .and_then(Value::as_object)
                    .is_some_and(|m| m.len() == 1 && m.get("annotations").is_some_and(is_note))
        });
        let changes = patch.as_object().is_some_and(|p| !p.is_empty()) && !only_note;
        if !changes {
            let line = format!("{} unchanged\n", title(&document));
            self.stdout.push_str(&line);
            return None;
        }
        self.current = Some(Task::Apply { document, source, new: false });
        let verb = WireVerb::Patch(kind);
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

/// The patch that kubectl makes from what was applied, what is, and what is wanted: strategic for kinds
/// whose types it knows, a merge patch for others.
fn three_way(before: &Value, live: &Value, wanted: &Value) -> (PatchType, Value) {
    let empty = json!({});
    let before = if before.is_object() { before } else { &empty };
    if let Some(of) = registry::struct_of(live)
        && let Ok(patch) = diff::three_way(of, before, wanted, live)
    {
        return (PatchType::Strategic, patch);
    }
    (PatchType::Merge, merge::three_way(before, wanted, live))
}

/// Whether annotations hold nothing but the note of what was applied.
fn is_note(annotations: &Value) -> bool {
    annotations.as_object().is_some_and(|a| a.len() == 1 && a.contains_key(LAST_APPLIED))
}

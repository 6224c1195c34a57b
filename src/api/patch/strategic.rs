//! Strategic merge patches: merging with the knowledge of the types.
//!
//! Follows k8s.io/apimachinery/pkg/util/strategicpatch/patch.go (`mergeMap`, `mergeSlice`,
//! `mergePatchIntoOriginal`). One function merges patches into objects and patches into patches; what
//! differs is in [`Options`].

use serde_json::{Map, Value};

use super::meta::{Strategy, Type};
use super::{PatchError, go_value};
use crate::api::schema::Struct;

pub(super) const DIRECTIVE: &str = "$patch";
pub(super) const DELETE: &str = "delete";
const REPLACE: &str = "replace";
pub(super) const RETAIN_KEYS: &str = "$retainKeys";
pub(super) const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList";
pub(super) const SET_ORDER: &str = "$setElementOrder";

/// Applies a strategic merge patch to an object of the type `of`.
///
/// # Errors
/// What the server says of a patch that is malformed or does not fit.
pub fn apply(of: &'static Struct, object: &Value, patch: &Value) -> Result<Value, PatchError> {
    let (Value::Object(object), Value::Object(patch)) = (object, patch) else {
        return Err(PatchError::Malformed("invalid JSON document".to_owned()));
    };
    let options = Options { into_object: true };
    merge_map(object.clone(), patch.clone(), Type::Struct(of), options)
        .map(Value::Object)
        .map_err(PatchError::Unprocessable)
}

/// Into what a patch is merged.
#[derive(Clone, Copy)]
pub(super) struct Options {
    /// Into an object: directives act. Otherwise into another patch: directives are kept, and so are
    /// nulls.
    pub(super) into_object: bool,
}

/// Merges `patch` into `original`. Documents are bounded in depth, so this may recurse.
pub(super) fn merge_map(
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    of: Type,
    options: Options,
) -> Result<Map<String, Value>, String> {
    if let Some(directive) = patch.shift_remove(DIRECTIVE) {
        return match directive.as_str() {
            Some(REPLACE) => Ok(patch),
            Some(DELETE) => Ok(Map::new()),
            _ => {
                let shown = go_value(&directive);
                patch.insert(DIRECTIVE.to_owned(), directive);
                Err(unknown_patch(&shown, &patch))
            }
        };
    }
    retain_keys(&mut original, &mut patch, options)?;
    set_orders(&mut original, &mut patch, of, options)?;
    for (key, value) in patch {
        merge_entry(&mut original, key, value, of, options)?;
    }
    Ok(original)
}

fn merge_entry(
    original: &mut Map<String, Value>,
    key: String,
    value: Value,
    of: Type,
    options: Options,
) -> Result<(), String> {
    let (key, deletes) = if key.starts_with(DELETE_FROM_LIST) {
        if !options.into_object {
            original.insert(key, value);
            return Ok(());
        }
        let name =
            list_name(&key, DELETE_FROM_LIST).ok_or("invalid patch format of primitive list")?;
        (name.to_owned(), true)
    } else {
        (key, false)
    };
    if value.is_null() {
        original.shift_remove(&key);
        if options.into_object {
            return Ok(());
        }
    }
    let existing = original.get_mut(&key).map(Value::take);
    let merged = match (existing, value) {
        (Some(Value::Object(existing)), Value::Object(value)) => {
            let (below, strategy) = of.field(&key)?;
            Some(Value::Object(match strategy.replace {
                true => value,
                false => merge_map(existing, value, below, options)?,
            }))
        }
        (Some(Value::Array(existing)), Value::Array(value)) => {
            let (below, strategy) = of.field(&key)?;
            Some(Value::Array(match strategy.merge || deletes {
                true => merge_list(existing, value, below, strategy, deletes, options)?,
                false => value,
            }))
        }
        (existing, _) if deletes => existing,
        (_, mut value) => {
            if options.into_object {
                discard_nulls(&mut value);
            }
            without_directives(value)
        }
    };
    match merged {
        Some(value) => original.insert(key, value),
        None => original.shift_remove(&key),
    };
    Ok(())
}

/// The name of the list that a directive such as `$setElementOrder/containers` is about.
fn list_name<'k>(key: &'k str, prefix: &str) -> Option<&'k str> {
    key.strip_prefix(prefix)?.strip_prefix('/')
}

fn unknown_patch(directive: &str, patch: &Map<String, Value>) -> String {
    format!("unknown patch type: {directive} in map: {}", go_value(&Value::Object(patch.clone())))
}

/// Removes what is not among the keys that stay.
fn retain_keys(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    options: Options,
) -> Result<(), String> {
    let Some(retained) = patch.shift_remove(RETAIN_KEYS) else { return Ok(()) };
    if !options.into_object {
        match original.get(RETAIN_KEYS) {
            Some(known) if *known != retained => {
                let (known, retained) = (go_value(known), go_value(&retained));
                return Err(format!(
                    "{known} and {retained} are not deep equal: this may happen when calculating the 3-way diff patch"
                ));
            }
            Some(_) => {}
            None => {
                original.insert(RETAIN_KEYS.to_owned(), retained);
            }
        }
        return Ok(());
    }
    let malformed = || "invalid patch format of retainKeys".to_owned();
    let retained = retained.as_array().ok_or_else(malformed)?;
    let stays = |key: &String| retained.iter().any(|name| name.as_str() == Some(key));
    let steers = |key: &str| key.starts_with(DELETE_FROM_LIST) || key.starts_with(SET_ORDER);
    if patch.iter().any(|(key, value)| !value.is_null() && !steers(key) && !stays(key)) {
        return Err(malformed());
    }
    original.retain(|key, _| stays(key));
    Ok(())
}

/// Merges the lists whose order the patch sets, and orders them.
fn set_orders(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    of: Type,
    options: Options,
) -> Result<(), String> {
    let keys: Vec<String> =
        patch.keys().filter(|key| key.starts_with(SET_ORDER)).cloned().collect();
    for key in keys {
        let Some(order) = patch.shift_remove(&key) else { continue };
        let malformed = || "invalid patch format of setElementOrder list".to_owned();
        if !options.into_object {
            if original.get(&key).is_some_and(|known| *known != order) {
                return Err(malformed());
            }
            original.insert(key.clone(), order.clone());
        }
        let Value::Array(order) = order else { return Err(bad_type("[]interface {}", &order)) };
        let name = list_name(&key, SET_ORDER).ok_or_else(malformed)?;
        let before = take_list(original, name)?;
        let changes = take_list(patch, name)?;
        let (below, strategy) = of.field(name)?;
        check_order(changes.as_deref().unwrap_or_default(), &order, strategy.key)?;
        let server = before.clone().unwrap_or_default();
        let merged = match (before, changes) {
            (Some(before), None) => before,
            (None, Some(changes)) => match without_directives(Value::Array(changes)) {
                Some(Value::Array(changes)) => changes,
                _ => continue,
            },
            (Some(before), Some(changes)) if strategy.merge => {
                merge_list(before, changes, below, strategy, false, options)?
            }
            (Some(_), Some(changes)) => changes,
            (None, None) => continue,
        };
        let (patched, others) = partition(merged, &order, strategy.key)?;
        let list = ordered(patched, others, &order, &server, strategy.key)?;
        original.insert(name.to_owned(), Value::Array(list));
    }
    Ok(())
}

fn take_list(map: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<Value>>, String> {
    match map.get(name) {
        None => Ok(None),
        Some(Value::Array(list)) => {
            let list = list.clone();
            map.shift_remove(name);
            Ok(Some(list))
        }
        Some(other) => Err(bad_type("[]interface {}", other)),
    }
}

pub(super) fn bad_type(expected: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    format!("expected a {expected}, but received a {found}")
}

/// The elements of a patch must come in the order that it sets.
fn check_order(changes: &[Value], order: &[Value], key: &str) -> Result<(), String> {
    let mut left = order.iter();
    for change in changes.iter().filter(|change| change.get(DIRECTIVE).is_none()) {
        if order.is_empty() {
            break;
        }
        let mut found = false;
        for element in left.by_ref() {
            if same(change, element, key)? {
                found = true;
                break;
            }
        }
        if !found {
            let (changes, order) = (
                go_value(&Value::Array(changes.to_vec())),
                go_value(&Value::Array(order.to_vec())),
            );
            return Err(format!(
                "The order in patch list:\n{changes}\n doesn't match {SET_ORDER} list:\n{order}\n"
            ));
        }
    }
    Ok(())
}

/// The value by which an element of a list is known: its merge key, or itself.
pub(super) fn identity<'v>(element: &'v Value, key: &str) -> Result<&'v Value, String> {
    if key.is_empty() {
        return Ok(element);
    }
    let Value::Object(entries) = element else {
        return Err(bad_type("map[string]interface {}", element));
    };
    entries.get(key).ok_or_else(|| no_merge_key(element, key))
}

fn no_merge_key(element: &Value, key: &str) -> String {
    format!("map: {} does not contain declared merge key: {key}", go_value(element))
}

fn same(a: &Value, b: &Value, key: &str) -> Result<bool, String> {
    Ok(identity(a, key)? == identity(b, key)?)
}

fn find(list: &[Value], key: &str, wanted: &Value) -> Result<Option<usize>, String> {
    for (index, element) in list.iter().enumerate() {
        if !key.is_empty() && !element.is_object() {
            return Err(format!("value for key {index} is not a map"));
        }
        let known = if key.is_empty() { Some(element) } else { element.get(key) };
        if known == Some(wanted) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn merge_list(
    original: Vec<Value>,
    patch: Vec<Value>,
    of: Type,
    strategy: Strategy,
    deletes: bool,
    options: Options,
) -> Result<Vec<Value>, String> {
    let Some(maps) = of_maps(&[&original, &patch])? else { return Ok(original) };
    if !maps && options.into_object && deletes {
        return Ok(original.into_iter().filter(|element| !patch.contains(element)).collect());
    }
    let server = original.clone();
    let (merged, order) = if maps {
        if strategy.key.is_empty() {
            return Err(format!("cannot merge lists without merge key for {}", of.name()));
        }
        let (original, patch) = special_elements(original, patch, strategy.key)?;
        let order = patch.clone();
        (merge_elements(original, patch, of, strategy.key, options)?, order)
    } else {
        let mut merged: Vec<Value> = Vec::new();
        for element in original.into_iter().chain(patch.iter().cloned()) {
            if !merged.contains(&element) {
                merged.push(element);
            }
        }
        (merged, patch)
    };
    let key = if maps { strategy.key } else { "" };
    let (patched, others) = partition(merged, &order, key)?;
    ordered(patched, others, &order, &server, key)
}

/// Whether the lists hold mappings; `None` if there is nothing in them.
pub(super) fn of_maps(lists: &[&[Value]]) -> Result<Option<bool>, String> {
    let mut kind = None;
    for element in lists.iter().flat_map(|list| list.iter()) {
        if element.is_array() {
            return Err("lists of lists are not supported".to_owned());
        }
        let discriminant = std::mem::discriminant(element);
        if *kind.get_or_insert(discriminant) != discriminant {
            let shown: Vec<Value> = lists.iter().map(|list| Value::Array(list.to_vec())).collect();
            let shown = go_value(&Value::Array(shown));
            return Err(format!("list element types are not identical: {shown}"));
        }
    }
    let object = std::mem::discriminant(&Value::Object(Map::new()));
    Ok(kind.map(|kind| kind == object))
}

/// Acts on the elements of a patch that are directives; the rest is left.
fn special_elements(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), String> {
    let mut rest = Vec::new();
    let mut replace = false;
    for element in patch {
        let Some(directive) = element.get(DIRECTIVE) else {
            rest.push(element);
            continue;
        };
        match directive.as_str() {
            Some(DELETE) => {
                let wanted = identity(&element, key)?;
                while let Some(index) = find(&original, key, wanted)? {
                    original.remove(index);
                }
            }
            Some(REPLACE) => replace = true,
            Some("merge") => {
                return Err("merging lists cannot yet be specified in the patch".to_owned());
            }
            _ => {
                let map = element.as_object().cloned().unwrap_or_default();
                return Err(unknown_patch(&go_value(directive), &map));
            }
        }
    }
    Ok(if replace { (rest, Vec::new()) } else { (original, rest) })
}

fn merge_elements(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    of: Type,
    key: &str,
    options: Options,
) -> Result<Vec<Value>, String> {
    for element in patch {
        let wanted = identity(&element, key)?.clone();
        let Some(index) = find(&original, key, &wanted)? else {
            original.push(element);
            continue;
        };
        if let (Value::Object(before), Value::Object(change)) = (original[index].take(), element) {
            original[index] = Value::Object(merge_map(before, change, of, options)?);
        }
    }
    Ok(original)
}

/// Parts a list into the elements that `by` names and the others.
fn partition(
    list: Vec<Value>,
    by: &[Value],
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), String> {
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for element in list {
        let known = find(by, key, identity(&element, key)?)?.is_some();
        if known { named.push(element) } else { others.push(element) }
    }
    Ok((named, others))
}

/// Puts the elements of a patch and those that only the server has into one order: the patch's own, and
/// the server's where it knows both.
fn ordered(
    patched: Vec<Value>,
    others: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    key: &str,
) -> Result<Vec<Value>, String> {
    let patched = sort_by_order(patched, patch_order, key)?;
    let others = sort_by_order(others, server_order, key)?;
    let place = |element: &Value| identity(element, key).and_then(|it| find(server_order, key, it));
    let mut merged = Vec::with_capacity(patched.len() + others.len());
    let (mut left, mut right) = (others.into_iter().peekable(), patched.into_iter().peekable());
    while let (Some(other), Some(patched)) = (left.peek(), right.peek()) {
        let other_first = match (place(other)?, place(patched)?) {
            (Some(a), Some(b)) => a < b,
            _ => false,
        };
        merged.extend(if other_first { left.next() } else { right.next() });
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}

/// Sorts a list as another is; deletions come last.
pub(super) fn sort_by_order(
    list: Vec<Value>,
    order: &[Value],
    key: &str,
) -> Result<Vec<Value>, String> {
    let mut keyed = Vec::with_capacity(list.len());
    for element in list {
        let deletes = element.get(DIRECTIVE).is_some_and(|directive| directive == DELETE);
        let place = find(order, key, identity(&element, key)?)?.unwrap_or(usize::MAX);
        keyed.push((deletes, place, element));
    }
    keyed.sort_by_key(|(deletes, place, _)| (*deletes, *place));
    Ok(keyed.into_iter().map(|(.., element)| element).collect())
}

/// Removes what a new value holds of directives; `None` if the value is one.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(entries) => {
            if entries.contains_key(DIRECTIVE) {
                return None;
            }
            let kept = entries
                .into_iter()
                .filter_map(|(key, value)| Some((key, without_directives(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => {
            Some(Value::Array(items.into_iter().filter_map(without_directives).collect()))
        }
        value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => Some(value),
    }
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.retain(|_, value| !value.is_null());
            entries.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::schema::kind;

    #[expect(clippy::needless_pass_by_value, reason = "a table of literals")]
    fn check(spec: Value, patch: Value, wanted: Value) {
        let of = kind("v1", "Pod").unwrap();
        let patched = apply(of, &json!({"spec": spec}), &json!({"spec": patch}));
        assert_eq!(patched, Ok(json!({"spec": wanted})), "{patch}");
    }

    #[test]
    fn lists_merge_by_their_key_and_others_are_replaced() {
        check(
            json!({"containers": [{"name": "a", "image": "x"}, {"name": "b", "command": ["p"]}]}),
            json!({"containers": [{"name": "b", "command": ["q"], "image": "y"}, {"name": "c"}]}),
            json!({"containers": [
                {"name": "a", "image": "x"},
                {"name": "b", "command": ["q"], "image": "y"},
                {"name": "c"}]}),
        );
        check(
            json!({"tolerations": [{"key": "a"}], "nodeSelector": {"x": "1", "y": "2"}}),
            json!({"tolerations": [{"key": "b"}], "nodeSelector": {"x": null, "z": "3"}}),
            json!({"tolerations": [{"key": "b"}], "nodeSelector": {"y": "2", "z": "3"}}),
        );
    }

    #[test]
    fn directives_delete_replace_retain_and_order() {
        let containers = json!([{"name": "a"}, {"name": "b"}, {"name": "s"}]);
        check(
            json!({"containers": containers}),
            json!({"containers": [{"name": "a", "$patch": "delete"}]}),
            json!({"containers": [{"name": "b"}, {"name": "s"}]}),
        );
        check(
            json!({"containers": containers}),
            json!({"containers": [{"$patch": "replace"}, {"name": "n"}]}),
            json!({"containers": [{"name": "n"}]}),
        );
        check(
            json!({"containers": containers}),
            json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
            json!({"containers": [{"name": "b"}, {"name": "a"}, {"name": "s"}]}),
        );
        check(
            json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
            json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/"}}]}),
            json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
        );
        check(
            json!({"securityContext": {"runAsUser": 1}}),
            json!({"securityContext": {"$patch": "replace", "fsGroup": 2}}),
            json!({"securityContext": {"fsGroup": 2}}),
        );
    }

    #[test]
    fn sets_of_scalars_gain_and_lose_members() {
        let of = kind("v1", "Pod").unwrap();
        let pod = json!({"metadata": {"finalizers": ["a", "b"]}});
        let patched = |patch: Value| apply(of, &pod, &json!({"metadata": patch})).unwrap();
        // What the server did not have comes first.
        assert_eq!(
            patched(json!({"finalizers": ["c"]}))["metadata"]["finalizers"],
            json!(["c", "a", "b"])
        );
        let removal = json!({"$deleteFromPrimitiveList/finalizers": ["a"]});
        assert_eq!(patched(removal)["metadata"]["finalizers"], json!(["b"]));
    }

    #[test]
    fn what_does_not_fit_is_told_in_the_words_of_the_server() {
        let of = kind("v1", "Pod").unwrap();
        let pod = json!({"spec": {"containers": [{"name": "a"}], "x": {}}});
        let check = |patch: Value, wanted: &str| {
            let error = apply(of, &pod, &json!({"spec": patch})).unwrap_err();
            assert_eq!(error.to_string(), wanted);
        };
        check(
            json!({"containers": [{"image": "x"}]}),
            "map: map[image:x] does not contain declared merge key: name",
        );
        check(json!({"$patch": "frob"}), "unknown patch type: frob in map: map[$patch:frob]");
        check(
            json!({"x": {}}),
            "unable to find api field in struct PodSpec for the json field \"x\"",
        );
        check(
            json!({"containers": [{"name": "b"}, {"name": "a"}], "$setElementOrder/containers": [{"name": "a"}, {"name": "b"}]}),
            "The order in patch list:\n[map[name:b] map[name:a]]\n doesn't match $setElementOrder list:\n[map[name:a] map[name:b]]\n",
        );
    }
}

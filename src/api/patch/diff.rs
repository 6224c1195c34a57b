//! The strategic merge patches that kubectl makes from documents.
//!
//! Follows k8s.io/apimachinery/pkg/util/strategicpatch/patch.go (`diffMaps`, `diffLists`,
//! `CreateThreeWayMergePatch`). `kubectl apply` compares three: what was applied last (the annotation
//! `kubectl.kubernetes.io/last-applied-configuration`), what is to be applied, and what is there.
//!
//! Left out: finding conflicts (`kubectl apply --overwrite=false`).

use serde_json::{Map, Value, json};

use super::PatchError;
use super::meta::{Strategy, Type};
use super::strategic::{
    DELETE, DELETE_FROM_LIST, DIRECTIVE, Options, RETAIN_KEYS, SET_ORDER, identity, merge_map,
    of_maps, sort_by_order,
};
use crate::api::schema::Struct;

/// The patch from `original` to `modified`; an empty object when they are the same.
///
/// # Errors
/// Lists that cannot be compared, fields that the type does not have.
pub fn two_way(
    of: &'static Struct,
    original: &Value,
    modified: &Value,
) -> Result<Value, PatchError> {
    let (original, modified) = (object(original)?, object(modified)?);
    diff_maps(original, modified, Type::Struct(of), Aspect::BOTH, false)
        .map(Value::Object)
        .map_err(PatchError::Unprocessable)
}

/// The patch of `kubectl apply`: what `modified` changes and adds against `current`, and what of
/// `original` is no longer in it. An empty object when there is nothing to do.
///
/// # Errors
/// As [`two_way`].
pub fn three_way(
    of: &'static Struct,
    original: &Value,
    modified: &Value,
    current: &Value,
) -> Result<Value, PatchError> {
    let (original, modified, current) = (object(original)?, object(modified)?, object(current)?);
    let of = Type::Struct(of);
    let patch = || {
        let changes = diff_maps(current, modified, of, Aspect::CHANGES, false)?;
        let removals = diff_maps(original, modified, of, Aspect::REMOVALS, false)?;
        merge_map(removals, changes, of, Options { into_object: false })
    };
    patch().map(Value::Object).map_err(PatchError::Unprocessable)
}

fn object(value: &Value) -> Result<&Map<String, Value>, PatchError> {
    value.as_object().ok_or_else(|| PatchError::Malformed("invalid JSON document".to_owned()))
}

/// What of a difference is wanted.
#[derive(Clone, Copy)]
struct Aspect {
    changes: bool,
    removals: bool,
}

impl Aspect {
    const BOTH: Self = Self { changes: true, removals: true };
    const CHANGES: Self = Self { changes: true, removals: false };
    const REMOVALS: Self = Self { changes: false, removals: true };
}

type Patch = Map<String, Value>;

/// The patch between two objects. `retain`: it lists the keys that stay.
fn diff_maps(
    original: &Patch,
    modified: &Patch,
    of: Type,
    aspect: Aspect,
    retain: bool,
) -> Result<Patch, String> {
    let mut patch = Patch::new();
    for (key, new) in modified {
        let Some(old) = original.get(key) else {
            if aspect.changes {
                patch.insert(key.clone(), new.clone());
            }
            continue;
        };
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                diff_objects(key, old, new, &mut patch, of, aspect)?;
            }
            (Value::Array(old), Value::Array(new)) => {
                diff_lists(key, old, new, &mut patch, of, aspect)?;
            }
            (old, new) => {
                if aspect.changes && old != new {
                    patch.insert(key.clone(), new.clone());
                }
            }
        }
    }
    let gone = || original.iter().filter(|(key, _)| !modified.contains_key(*key));
    if aspect.removals {
        patch.extend(gone().map(|(key, _)| (key.clone(), Value::Null)));
    }
    let shrank = gone().any(|(_, value)| !value.is_null());
    if retain && (!patch.is_empty() || shrank) {
        let mut keys: Vec<&String> =
            modified.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key).collect();
        keys.sort();
        if !keys.is_empty() {
            patch.insert(RETAIN_KEYS.to_owned(), json!(keys));
        }
    }
    Ok(patch)
}

fn diff_objects(
    key: &str,
    old: &Patch,
    new: &Patch,
    patch: &mut Patch,
    of: Type,
    aspect: Aspect,
) -> Result<(), String> {
    let (below, strategy) = match of.field(key) {
        Ok(found) => found,
        Err(_) if old == new => return Ok(()),
        Err(problem) => return Err(problem),
    };
    if strategy.replace {
        if aspect.changes {
            patch.insert(key.to_owned(), Value::Object(new.clone()));
        }
        return Ok(());
    }
    let inner = diff_maps(old, new, below, aspect, strategy.retain_keys)?;
    if !inner.is_empty() {
        patch.insert(key.to_owned(), Value::Object(inner));
    }
    Ok(())
}

fn diff_lists(
    key: &str,
    old: &[Value],
    new: &[Value],
    patch: &mut Patch,
    of: Type,
    aspect: Aspect,
) -> Result<(), String> {
    let (below, strategy) = match of.field(key) {
        Ok(found) => found,
        Err(_) if old == new => return Ok(()),
        Err(problem) => return Err(problem),
    };
    if !strategy.merge {
        if aspect.changes && old != new {
            patch.insert(key.to_owned(), Value::Array(new.to_vec()));
        }
        return Ok(());
    }
    if old.is_empty() {
        if !new.is_empty() && aspect.changes {
            patch.insert(key.to_owned(), Value::Array(new.to_vec()));
        }
        return Ok(());
    }
    let lists = match of_maps(&[old, new])? {
        Some(true) => diff_maps_of_list(old, new, below, strategy, aspect)?,
        Some(false) | None => diff_scalars(old, new, aspect),
    };
    for (name, list) in [
        (key.to_owned(), lists.changes),
        (format!("{DELETE_FROM_LIST}/{key}"), lists.removals),
        (format!("{SET_ORDER}/{key}"), lists.order),
    ] {
        if !list.is_empty() {
            patch.insert(name, Value::Array(list));
        }
    }
    Ok(())
}

/// What a patch holds about one merged list.
#[derive(Default)]
struct ListPatch {
    changes: Vec<Value>,
    removals: Vec<Value>,
    order: Vec<Value>,
}

fn diff_maps_of_list(
    old: &[Value],
    new: &[Value],
    of: Type,
    strategy: Strategy,
    aspect: Aspect,
) -> Result<ListPatch, String> {
    let key = strategy.key;
    let mut changes = Vec::new();
    let mut removals = Vec::new();
    for element in new {
        let id = identity(element, key)?;
        let before = old.iter().find(|before| before.get(key) == Some(id));
        match (before, element) {
            (Some(Value::Object(before)), Value::Object(after)) => {
                let mut inner = diff_maps(before, after, of, aspect, strategy.retain_keys)?;
                if !inner.is_empty() {
                    inner.insert(key.to_owned(), id.clone());
                    changes.push(Value::Object(inner));
                }
            }
            _ if aspect.changes => changes.push(element.clone()),
            _ => {}
        }
    }
    for element in old {
        let id = identity(element, key)?;
        if aspect.removals && !new.iter().any(|after| after.get(key) == Some(id)) {
            removals.push(json!({key: id, DIRECTIVE: DELETE}));
        }
    }
    removals.sort_by_key(|removal| super::go_value(&removal[key]));
    let mut changes = sort_by_order(changes, new, key)?;
    changes.extend(removals);
    let same_order = old.len() == new.len()
        && old.iter().zip(new).all(|(before, after)| before.get(key) == after.get(key));
    let order = if (aspect.changes && (!changes.is_empty() || !same_order))
        || (aspect.removals && !changes.is_empty())
    {
        new.iter().map(|element| json!({key: element[key]})).collect()
    } else {
        Vec::new()
    };
    Ok(ListPatch { changes, removals: Vec::new(), order })
}

fn diff_scalars(old: &[Value], new: &[Value], aspect: Aspect) -> ListPatch {
    let lacks = |list: &[Value], other: &[Value]| -> Vec<Value> {
        list.iter().filter(|element| !other.contains(element)).cloned().collect()
    };
    let changes = if aspect.changes { lacks(new, old) } else { Vec::new() };
    let mut removals = if aspect.removals { lacks(old, new) } else { Vec::new() };
    removals.sort_by_key(super::go_value);
    removals.dedup();
    let order = if (aspect.removals && !removals.is_empty()) || (aspect.changes && old != new) {
        new.to_vec()
    } else {
        Vec::new()
    };
    ListPatch { changes, removals, order }
}

#[cfg(test)]
mod tests {
    use super::super::strategic;
    use super::*;
    use crate::api::schema::kind;

    fn deployment(spec: &Value) -> Value {
        json!({"metadata": {"name": "web"}, "spec": {"template": {"spec": spec}}})
    }

    fn pod_spec(object: &Value) -> &Value {
        &object["spec"]["template"]["spec"]
    }

    #[test]
    fn the_patch_between_two_objects_leads_from_one_to_the_other() {
        let of = kind("apps/v1", "Deployment").unwrap();
        let check = |old: Value, new: Value, wanted: Value| {
            let (old, new) = (deployment(&old), deployment(&new));
            let patch = two_way(of, &old, &new).unwrap();
            assert_eq!(*pod_spec(&patch), wanted);
            assert_eq!(strategic::apply(of, &old, &patch), Ok(new));
        };
        check(
            json!({"containers": [{"name": "a", "image": "x"}, {"name": "b"}]}),
            json!({"containers": [{"name": "c"}, {"name": "a", "image": "y"}]}),
            json!({
                "containers": [{"name": "c"}, {"name": "a", "image": "y"}, {"name": "b", "$patch": "delete"}],
                "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
            }),
        );
        check(
            json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
            json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
            json!({
                "volumes": [{"name": "v", "hostPath": {"path": "/"}, "emptyDir": null, "$retainKeys": ["hostPath", "name"]}],
                "$setElementOrder/volumes": [{"name": "v"}],
            }),
        );
        check(
            json!({"hostNetwork": true}),
            json!({"hostPID": true}),
            json!({"hostPID": true, "hostNetwork": null}),
        );
        check(
            json!({"tolerations": [{"key": "a"}]}),
            json!({"tolerations": [{"key": "b"}]}),
            json!({"tolerations": [{"key": "b"}]}),
        );
    }

    #[test]
    fn applying_keeps_what_others_have_set() {
        let of = kind("apps/v1", "Deployment").unwrap();
        let original = deployment(
            &json!({"containers": [{"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}]}]}),
        );
        let modified = deployment(&json!({"containers": [{"name": "a", "image": "y"}]}));
        let mut current = deployment(&json!({
            "containers": [
                {"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}, {"name": "F", "value": "2"}], "imagePullPolicy": "Always"},
                {"name": "sidecar", "image": "s"}],
            "dnsPolicy": "ClusterFirst"}));
        current["spec"]["replicas"] = json!(5);
        let patch = three_way(of, &original, &modified, &current).unwrap();
        let applied = strategic::apply(of, &current, &patch).unwrap();
        assert_eq!(applied["spec"]["replicas"], 5);
        assert_eq!(
            *pod_spec(&applied),
            json!({
                "containers": [
                    {"name": "a", "image": "y", "imagePullPolicy": "Always"},
                    {"name": "sidecar", "image": "s"}],
                "dnsPolicy": "ClusterFirst"})
        );
        // The sidecar makes the order differ for ever, so there is always a patch, which changes nothing.
        let again = three_way(of, &modified, &modified, &applied).unwrap();
        assert_eq!(*pod_spec(&again), json!({"$setElementOrder/containers": [{"name": "a"}]}));
        assert_eq!(strategic::apply(of, &applied, &again), Ok(applied));
        assert_eq!(three_way(of, &modified, &modified, &modified), Ok(json!({})));
    }
}

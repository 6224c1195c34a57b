//! Corpus `deployment-rollout`: a rollout's arithmetic and single steps of it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};

use super::numbers::{self, Set, size};
use super::rollout;
use super::sync::{Rollout, superfluous};
use super::{annotations, status};
use crate::api::convert;
use crate::api::corpus::same;
use crate::api::typed::Typed;
use crate::base::time::SimTime;
use crate::controllers::script::{Aside, Halt, Script, play};
use crate::model::{Deployment, Object};
use crate::store::Request;

/// Checks one case.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check(case: &Value) -> Result<(), String> {
    let (given, recorded) = (&case["in"], &case["out"]);
    let d = deployment(given)?;
    let given_sets = given["replicaSets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut sets = given_sets.iter().map(set).collect::<Result<Vec<Set>, String>>()?;
    let new_name = given["newReplicaSet"].as_str().unwrap_or_default();
    let new = sets.iter().find(|s| s.meta.name == new_name).cloned();
    sets.retain(|s| s.meta.name != new_name);
    let (old, new) = (sets, new.ok_or("there is no new ReplicaSet")?);

    numbers_agree(&d, &new, &old, recorded)?;
    steps_agree(&d, &new, &old, recorded)?;
    let gone = superfluous(&d, &old);
    let kept = old.iter().filter(|s| gone.iter().all(|g| g.meta.name != s.meta.name));
    let kept: Vec<&str> = kept.map(|s| s.meta.name.as_str()).collect();
    let kept = if kept.is_empty() { Value::Null } else { json!(kept) };
    same("cleanupKeeps", &kept, &recorded["cleanupKeeps"])?;
    status_agrees(&d, &new, &old, &recorded["status"])
}

fn numbers_agree(d: &Deployment, new: &Set, old: &[Set], recorded: &Value) -> Result<(), String> {
    let all = old.iter().chain([new]);
    let new_size = numbers::new_size(d, all, size(new)).map_err(|e| e.to_string())?;
    for (field, ours) in [
        ("maxSurge", numbers::max_surge(d)),
        ("maxUnavailable", numbers::max_unavailable(d)),
        ("minAvailable", numbers::min_available(d)),
        ("newRSNewReplicas", new_size),
    ] {
        same(field, &json!(ours), &recorded[field])?;
    }
    if recorded.get("resolvedSurge").is_some() {
        let strategy = d.spec.wire.strategy.as_ref().and_then(|s| s.rolling_update.as_ref());
        let (surge, unavailable) = numbers::fenceposts(
            strategy.and_then(|s| s.max_surge.as_ref()),
            strategy.and_then(|s| s.max_unavailable.as_ref()),
            numbers::wanted(d),
        )
        .map_err(|e| e.to_string())?;
        same("resolvedSurge", &json!(surge), &recorded["resolvedSurge"])?;
        same("resolvedUnavailable", &json!(unavailable), &recorded["resolvedUnavailable"])?;
    }
    let complete = status::is_complete(d, &status::calculate(d, Some(new), old, SimTime::ZERO));
    same("complete", &json!(complete), &recorded["complete"])?;
    same("saturated", &json!(numbers::is_saturated(d, new)), &recorded["saturated"])
}

/// One step of a rollout.
type Step = fn(&mut Rollout<'_, '_>, &Set, &[Set]) -> Result<bool, Halt>;

fn steps_agree(d: &Deployment, new: &Set, old: &[Set], recorded: &Value) -> Result<(), String> {
    let scale: Step = |at, new, old| {
        let mut newest_first = old.to_vec();
        newest_first.sort_by_key(numbers::creation_key);
        newest_first.reverse();
        rollout::scale(at, Some(new), &newest_first).map(|()| false)
    };
    let steps: [(&str, Step); 3] = [
        ("scale", scale),
        ("rollingNew", rollout::reconcile_new),
        ("rollingOld", rollout::reconcile_old),
    ];
    for (name, step) in steps {
        if let Some(recorded) = recorded.get(name) {
            let ours = play_step(d, new, old, step)?;
            same(name, &ours, recorded)?;
        }
    }
    Ok(())
}

/// Plays one step against an API server that accepts everything.
fn play_step(d: &Deployment, new: &Set, old: &[Set], step: Step) -> Result<Value, String> {
    let mut sizes: BTreeMap<String, Value> =
        old.iter().chain([new]).map(|s| (s.meta.name.to_string(), shown(s))).collect();
    let script = |d: &Deployment, script: &mut Script<'_>| {
        let object = Object::from(d.clone());
        step(&mut Rollout { d: d.clone(), object, hash: &OnceLock::new(), script }, new, old)
    };
    let (did, asides) = play(d.clone(), SimTime::ZERO, script, |request| {
        let Request::Update(object) = request else { return Ok(None) };
        if let Object::ReplicaSet(set) = object {
            sizes.insert(set.meta.name.to_string(), shown(set));
        }
        Ok(Some(object.clone()))
    });
    let events: Vec<String> = asides
        .into_iter()
        .filter_map(|aside| {
            let Aside::Event { event_type, reason, message, .. } = aside else { return None };
            Some(format!("{} {reason} {message}", event_type.as_str()))
        })
        .collect();
    let sets: Map<String, Value> = sizes.into_iter().collect();
    let did = did.map_err(|e| e.to_string())?;
    Ok(json!({"did": did, "error": null, "events": events, "replicaSets": sets}))
}

fn shown(set: &Set) -> Value {
    let annotation = |key| set.meta.annotations.get(key).map(|v| v.as_str()).unwrap_or_default();
    json!({
        "desired": annotation(annotations::DESIRED_REPLICAS),
        "max": annotation(annotations::MAX_REPLICAS),
        "replicas": size(set),
    })
}

fn status_agrees(d: &Deployment, new: &Set, old: &[Set], recorded: &Value) -> Result<(), String> {
    let ours = status::calculate(d, Some(new), old, SimTime::ZERO);
    let available = status::get(&ours, status::conditions::AVAILABLE);
    let ours = json!({
        "available": available.map(|c| c.status.as_str()),
        "reason": available.and_then(|c| c.reason.as_deref()),
        "message": available.and_then(|c| c.message.as_deref()),
        "availableReplicas": ours.available_replicas,
        "observedGeneration": ours.observed_generation,
        "readyReplicas": ours.ready_replicas,
        "replicas": ours.replicas,
        "unavailableReplicas": ours.unavailable_replicas,
        "updatedReplicas": ours.updated_replicas,
    });
    same("status", &ours, recorded)
}

fn deployment(given: &Value) -> Result<Deployment, String> {
    let rolling = (given["strategy"] == "RollingUpdate")
        .then(|| json!({"maxSurge": given["maxSurge"], "maxUnavailable": given["maxUnavailable"]}));
    let manifest = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default", "generation": given["generation"]},
        "spec": {
            "replicas": given["replicas"],
            "revisionHistoryLimit": given["revisionHistoryLimit"],
            "strategy": {"type": given["strategy"], "rollingUpdate": rolling},
            "selector": {"matchLabels": {"app": "d"}},
            "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": []}},
        },
        "status": {"replicas": given["statusReplicas"]},
    });
    let Object::Deployment(d) = object(&manifest)? else { return Err("no Deployment".into()) };
    Ok(Arc::unwrap_or_clone(d))
}

fn set(given: &Value) -> Result<Set, String> {
    let manifest = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": given["name"], "namespace": "default", "annotations": given["annotations"],
            "creationTimestamp": given["creationTimestamp"],
        },
        "spec": {"replicas": given["specReplicas"], "selector": {"matchLabels": {"app": "d"}}},
        "status": {
            "replicas": given["statusReplicas"], "readyReplicas": given["readyReplicas"],
            "availableReplicas": given["availableReplicas"],
        },
    });
    let Object::ReplicaSet(set) = object(&manifest)? else { return Err("no ReplicaSet".into()) };
    Ok(set)
}

fn object(manifest: &Value) -> Result<Object, String> {
    let typed = Typed::decode(manifest).map_err(|e| format!("{}: {}", e.path, e.message))?;
    convert::from_wire(typed).map_err(|e| e.to_string())
}

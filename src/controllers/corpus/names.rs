//! Corpus `names`: what the pods of StatefulSets and Indexed Jobs, and revisions, are called.

use serde_json::{Map, Value, json};

use super::text;
use crate::api::convert;
use crate::api::corpus::same;
use crate::api::schema;
use crate::api::typed::Typed;
use crate::controllers::job::names::{generate_name, hostname};
use crate::controllers::statefulset::identity;
use crate::controllers::{history, pod_control};
use crate::model::{Object, Pod, StatefulSet};

/// Checks one case.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check(case: &Value) -> Result<(), String> {
    let (given, recorded) = (&case["in"], &case["out"]);
    match text(&given["what"]) {
        "parentAndOrdinal" => {
            let (parent, ordinal) = identity::parent_and_ordinal(text(&given["pod"]));
            same("out", &json!({"parent": parent, "ordinal": ordinal}), recorded)
        }
        "controllerRevisionName" => {
            let name = history::name(text(&given["prefix"]), text(&given["hash"]));
            same("out", &json!({"name": name.as_str()}), recorded)
        }
        "indexedJobPod" => indexed_job_pod(given, recorded),
        "statefulSetPod" => stateful_set_pod(given, recorded),
        other => Err(format!("unknown case {other:?}")),
    }
}

fn indexed_job_pod(given: &Value, recorded: &Value) -> Result<(), String> {
    let (job, index) = (text(&given["job"]), given["index"].as_i64().unwrap_or_default());
    same("generateName", &json!(generate_name(job, index).as_str()), &recorded["generateName"])?;
    same("hostname", &json!(hostname(job, index).as_str()), &recorded["hostname"])
}

fn stateful_set_pod(given: &Value, recorded: &Value) -> Result<(), String> {
    let typed =
        Typed::decode(&given["object"]).map_err(|e| format!("{}: {}", e.path, e.message))?;
    let object = convert::from_wire(typed).map_err(|e| e.to_string())?;
    let Object::StatefulSet(set) = &object else { return Err("not a StatefulSet".into()) };
    let ordinal = given["ordinal"].as_i64().unwrap_or(0);
    let revision = smol_str::format_smolstr!("{}-rev", set.meta.name);
    let pod = identity::new_pod(set, &set.spec.template, ordinal, &revision);
    let map = |labels: &crate::model::Labels| -> Value {
        labels.iter().map(|(k, v)| (k.to_string(), v.as_str().into())).collect::<Map<_, _>>().into()
    };
    let ours = json!({
        "name": pod.meta.name.as_str(),
        "generateName": pod_control::prefix(&set.meta.name).as_str(),
        "hostname": pod.hostname().as_str(),
        "subdomain": pod.subdomain(),
        "labels": map(&pod.meta.labels),
        "annotations": map(&pod.meta.annotations),
        "inOrdinalRange": identity::in_range(set, ordinal),
    });
    for field in ours.as_object().into_iter().flat_map(Map::keys) {
        same(field, &ours[field], &recorded[field])?;
    }
    same("claims", &claims(set, ordinal), &recorded["claims"])?;
    same("volumes", &volumes(&pod), &recorded["volumes"])
}

fn claims(set: &StatefulSet, ordinal: i64) -> Value {
    let templates = identity::claim_templates(set);
    let claims = identity::claims(set, ordinal);
    let shown = templates.iter().zip(claims).map(|(template, claim)| {
        let name = template.metadata.name.clone().unwrap_or_default();
        let labels = claim.meta.labels.iter().map(|(k, v)| (k.to_string(), v.as_str().into()));
        let labels: Map<String, Value> = labels.collect();
        (name, json!({"name": claim.meta.name.as_str(), "labels": labels}))
    });
    shown.collect::<Map<_, _>>().into()
}

fn volumes(pod: &Pod) -> Value {
    let Typed::Pod(wire) = convert::to_wire(&Object::from(pod.clone())) else { return Value::Null };
    let of = schema::named("core/v1.PodSpec").map(|of| schema::encode(of, &json!(wire.spec)));
    of.and_then(|spec| spec.get("volumes").cloned()).unwrap_or_default()
}

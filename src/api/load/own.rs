//! The kinds of our own group, `wavetank.dev`: what their fields may be.

use super::Manifest;
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::suggest;

/// Declares how the pods of a custom kind run (see `controllers::custom`).
pub(super) const CUSTOM_WORKLOAD: &str = "CustomWorkload";
/// Describes the nodes of a run; read with `--cluster`.
const CLUSTER: &str = "Cluster";
/// Says what is simulated and expected; read by `run` and `test`.
const SIMULATION: &str = "Simulation";
/// The only version so far.
const API_VERSION: &str = "wavetank.dev/v1alpha1";
/// What a custom kind may run as.
const RUNS_AS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "Pod"];
/// The fields of a CustomWorkload's spec.
const FIELDS: [&str; 5] = ["group", "kind", "runsAs", "podTemplate", "replicas"];

/// Tells what is wrong with a manifest of our own group.
pub(super) fn check(manifest: &Manifest, problems: &mut Vec<Diagnostic>) {
    if manifest.api_version != API_VERSION {
        let text = format!("there is no version {} of {}", manifest.api_version, manifest.kind);
        let problem = manifest.diagnostic(Code::UnknownVersion, "apiVersion", text);
        problems.push(problem.hint(format!("write apiVersion: {API_VERSION}")));
    }
    match manifest.kind.as_str() {
        CUSTOM_WORKLOAD => custom_workload(manifest, problems),
        CLUSTER => {}
        SIMULATION => {
            let text = "a Simulation is no manifest: it is run, and names manifests itself";
            let problem = manifest.diagnostic(Code::UnknownKind, "kind", text);
            problems.push(
                problem.hint("run it alone with `wavetank run FILE` or `wavetank test FILE`"),
            );
        }
        kind => {
            let known = [CUSTOM_WORKLOAD, CLUSTER, SIMULATION];
            let nearest = suggest::nearest(kind, known).map(|n| format!("did you mean {n:?}?"));
            let text = format!("no matches for kind \"{kind}\" in version \"{API_VERSION}\"");
            let problem = manifest.diagnostic(Code::UnknownKind, "kind", text);
            problems.push(problem.maybe_hint(nearest));
        }
    }
}

fn custom_workload(manifest: &Manifest, problems: &mut Vec<Diagnostic>) {
    let mut wrong = |path: &str, text: String, hint: Option<String>| {
        problems.push(manifest.diagnostic(Code::Invalid, path, text).maybe_hint(hint));
    };
    if manifest.name().is_empty() {
        wrong("metadata.name", "a CustomWorkload needs a name".into(), None);
    }
    let spec = &manifest.value["spec"];
    for key in spec.as_object().into_iter().flat_map(serde_json::Map::keys) {
        if !FIELDS.contains(&key.as_str()) {
            let hint = suggest::nearest(key, FIELDS).map(|n| format!("did you mean {n:?}?"));
            wrong(&format!("spec.{key}"), format!("unknown field \"spec.{key}\""), hint);
        }
    }
    for field in ["group", "kind", "podTemplate"] {
        if spec[field].as_str().is_none_or(str::is_empty) {
            let hint = match field {
                "podTemplate" => "the path of the pod template in the resource, as spec.template",
                "group" => "the group of the custom kind, as example.com",
                _ => "the custom kind, as Database",
            };
            wrong(&format!("spec.{field}"), format!("spec.{field} is needed"), Some(hint.into()));
        }
    }
    let runs_as = &spec["runsAs"];
    if !runs_as.is_null() && !runs_as.as_str().is_some_and(|kind| RUNS_AS.contains(&kind)) {
        let near = runs_as.as_str().and_then(|kind| suggest::nearest(kind, RUNS_AS));
        let text = format!("runsAs is one of {}", RUNS_AS.join(", "));
        wrong("spec.runsAs", text, near.map(|n| format!("did you mean {n:?}?")));
    }
}

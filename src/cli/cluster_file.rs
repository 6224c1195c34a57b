//! The cluster of a run: `--nodes N` or `--cluster FILE`.
//!
//! A cluster file holds Node manifests, or the short form:
//!
//! ```yaml
//! apiVersion: wavetank.dev/v1alpha1
//! kind: Cluster
//! storage: provisioner        # or none
//! nodes:
//! - count: 3
//!   name: worker              # worker-1, worker-2, worker-3
//!   capacity: {cpu: "8", memory: 32Gi, pods: "110"}
//!   labels: {disktype: ssd}
//!   taints: ["dedicated=db:NoSchedule"]
//! ```

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::limits::Limits;
use crate::api::load::{self, Manifest};
use crate::base::quantity::Quantity;
use crate::base::time::SimTime;
use crate::scenario::cluster::{NodeSpec, Storage};

/// No cluster has more nodes than this.
const MAX_NODES: usize = 100_000;

/// A cluster to be built.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    /// The nodes, as documents.
    pub(super) nodes: Vec<Value>,
    /// Where volumes come from.
    pub(super) storage: Storage,
}

impl Cluster {
    /// So many like workers: node-1, node-2 …
    pub(super) fn workers(count: u32, start: SimTime) -> Self {
        let node = |i: u32| NodeSpec::worker(format!("node-{}", i + 1)).object(i, start);
        Self { nodes: (0..count).map(node).collect(), storage: Storage::Provisioner }
    }

    /// These nodes.
    pub(super) fn of(nodes: &[NodeSpec], start: SimTime) -> Self {
        let nodes = (0..).zip(nodes).map(|(i, node)| node.object(i, start)).collect();
        Self { nodes, storage: Storage::Provisioner }
    }
}

/// Reads a cluster file.
pub(super) fn read(file: &Path, start: SimTime) -> Result<Cluster, Vec<Diagnostic>> {
    let loaded = load::load(&[PathBuf::from(file)], None, &Limits::default())?;
    let mut cluster = Cluster { nodes: Vec::new(), storage: Storage::Provisioner };
    let mut problems = Vec::new();
    for manifest in &loaded.manifests {
        match manifest.kind.as_str() {
            "Node" => {
                let index = u32::try_from(cluster.nodes.len()).unwrap_or(u32::MAX);
                cluster.nodes.push(from_manifest(&manifest.value, index, start));
            }
            "Cluster" if manifest.api_version.starts_with("wavetank.dev/") => {
                short_form(manifest, start, &mut cluster, &mut problems);
            }
            _ => problems.push(
                manifest
                    .diagnostic(
                        Code::UnknownKind,
                        "kind",
                        "a cluster file holds Nodes, or one Cluster",
                    )
                    .hint("give other manifests as PATHS"),
            ),
        }
    }
    if cluster.nodes.len() > MAX_NODES {
        let text = format!("a cluster has at most {MAX_NODES} nodes, not {}", cluster.nodes.len());
        problems.push(Diagnostic::new(Code::Limit, text));
    }
    if problems.is_empty() { Ok(cluster) } else { Err(problems) }
}

/// A Node manifest with what a running node has and the manifest does not say.
fn from_manifest(manifest: &Value, index: u32, start: SimTime) -> Value {
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
    let mut node = NodeSpec::worker(name).object(index, start);
    let given = |path: &str| manifest.pointer(path).filter(|v| !v.is_null());
    if let Some(labels) = given("/metadata/labels").and_then(Value::as_object) {
        for (key, value) in labels {
            node["metadata"]["labels"][key.as_str()] = value.clone();
        }
    }
    if let Some(annotations) = given("/metadata/annotations") {
        node["metadata"]["annotations"] = annotations.clone();
    }
    for (key, value) in given("/spec").and_then(Value::as_object).into_iter().flatten() {
        node["spec"][key.as_str()] = value.clone();
    }
    if let Some(capacity) = given("/status/capacity").or(given("/status/allocatable")) {
        node["status"]["capacity"] = capacity.clone();
        node["status"]["allocatable"] = given("/status/allocatable").unwrap_or(capacity).clone();
    }
    for field in ["addresses", "images", "conditions"] {
        if let Some(value) = given(&format!("/status/{field}")) {
            node["status"][field] = value.clone();
        }
    }
    node
}

fn short_form(
    manifest: &Manifest,
    start: SimTime,
    cluster: &mut Cluster,
    problems: &mut Vec<Diagnostic>,
) {
    let mut wrong = |path: &str, text: &str| {
        problems.push(manifest.diagnostic(Code::Invalid, path, text));
    };
    match manifest.value["storage"].as_str() {
        None | Some("provisioner") => {}
        Some("none") => cluster.storage = Storage::None,
        Some(_) => wrong("storage", "storage is `provisioner` or `none`"),
    }
    let Some(groups) = manifest.value["nodes"].as_array() else {
        return wrong("nodes", "a Cluster needs a list of nodes");
    };
    for (i, group) in groups.iter().enumerate() {
        for (key, _) in group.as_object().into_iter().flatten() {
            if !["count", "name", "capacity", "allocatable", "labels", "taints"]
                .contains(&key.as_str())
            {
                wrong(
                    &format!("nodes[{i}].{key}"),
                    "unknown field: known are count, name, capacity, allocatable, labels, taints",
                );
            }
        }
        let count = group["count"].as_u64().or(group["count"].is_null().then_some(1));
        let Some(count) = count.and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= MAX_NODES)
        else {
            wrong(&format!("nodes[{i}].count"), "count is a whole number up to 100000");
            continue;
        };
        let prefix = group["name"].as_str().unwrap_or("node");
        let alone = count == 1 && group["name"].is_string();
        for n in 1..=count {
            let index = u32::try_from(cluster.nodes.len()).unwrap_or(u32::MAX);
            let number = if groups.len() > 1 && !group["name"].is_string() {
                cluster.nodes.len() + 1
            } else {
                n
            };
            let name = if alone { prefix.to_owned() } else { format!("{prefix}-{number}") };
            let mut spec = NodeSpec::worker(name);
            amounts(
                &group["capacity"],
                &format!("nodes[{i}].capacity"),
                &mut spec.capacity,
                &mut wrong,
            );
            amounts(
                &group["allocatable"],
                &format!("nodes[{i}].allocatable"),
                &mut spec.allocatable,
                &mut wrong,
            );
            for (key, value) in group["labels"].as_object().into_iter().flatten() {
                spec.labels.insert(key.clone(), scalar(value));
            }
            for (j, taint) in group["taints"].as_array().into_iter().flatten().enumerate() {
                match parse_taint(taint) {
                    Some(taint) => spec.taints.push(taint),
                    None => wrong(
                        &format!("nodes[{i}].taints[{j}]"),
                        "a taint is written key=value:Effect or as key, value, effect",
                    ),
                }
            }
            cluster.nodes.push(spec.object(index, start));
        }
    }
}

fn amounts(
    given: &Value,
    path: &str,
    into: &mut std::collections::BTreeMap<String, String>,
    wrong: &mut impl FnMut(&str, &str),
) {
    for (key, value) in given.as_object().into_iter().flatten() {
        let text = scalar(value);
        if text.parse::<Quantity>().is_err() {
            wrong(&format!("{path}.{key}"), "not a quantity such as 4, 500m, 8Gi");
        }
        into.insert(key.clone(), text);
    }
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn parse_taint(taint: &Value) -> Option<Value> {
    let Some(text) = taint.as_str() else {
        return taint["effect"].is_string().then(|| taint.clone());
    };
    let (pair, effect) = text.rsplit_once(':')?;
    crate::model::TaintEffect::parse(effect)?;
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    Some(json!({"key": key, "value": value, "effect": effect}))
}

//! A cluster as it was found: the objects of a `kubectl get … -o yaml` dump as the starting state.
//!
//! Objects keep their uids, times, statuses and owners; pods that ran go on where they are
//! (see the node agents' `adopt`). A dump is seldom whole, so what it refers to and does not hold is made
//! up or let go, and each such choice is told: nodes that only pods name, namespaces that only objects
//! name, owners that are missing.
//!
//! Left out of a dump: Events, Leases and the endpoints controller's Endpoints, which the cluster makes
//! anew.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::cluster::{self, NodeSpec};
use crate::api::convert;
use crate::api::diagnostic::{Code, Diagnostic, Severity};
use crate::api::load::Manifest;
use crate::api::typed::Typed;
use crate::base::time::SimTime;
use crate::model::{ConditionStatus, Kind, Object, Uid};
use crate::sim::Sim;
use crate::store::ApiError;
use crate::trace::Fact;

/// Kinds that the cluster makes anew.
const NOT_KEPT: [&str; 2] = ["Event", "Lease"];

/// Fields that hold the time of something that has happened.
const TIMES: [&str; 13] = [
    "creationTimestamp",
    "lastTransitionTime",
    "lastUpdateTime",
    "lastHeartbeatTime",
    "lastProbeTime",
    "lastScheduleTime",
    "lastSuccessfulTime",
    "startTime",
    "completionTime",
    "startedAt",
    "finishedAt",
    "time",
    "timeAdded",
];

/// A cluster to begin with.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    objects: Vec<Object>,
    /// Nodes that only pods name.
    absent_nodes: Vec<String>,
    /// Whether the dump says where volumes come from.
    has_classes: bool,
    /// The latest time that the dump tells of, to the second: when it was taken, as far as can be told.
    pub taken: Option<SimTime>,
    /// What had to be assumed, and what was left out.
    pub notes: Vec<Diagnostic>,
}

/// Whether a document of a dump is not one that the cluster makes anew.
fn is_kept(manifest: &Manifest) -> bool {
    let mine = &manifest.value["metadata"]["labels"]["endpoints.kubernetes.io/managed-by"];
    let remade = manifest.kind == "Endpoints" && mine.as_str() == Some("endpoint-controller");
    !remade && !NOT_KEPT.contains(&manifest.kind.as_str())
}

/// Makes a snapshot of the documents of a dump.
///
/// # Errors
/// What cannot be read as an object of its kind.
pub fn read(manifests: &[Manifest]) -> Result<Snapshot, Vec<Diagnostic>> {
    let mut snapshot = Snapshot::default();
    let mut problems = Vec::new();
    let mut taken = None;
    for manifest in manifests.iter().filter(|m| is_kept(m)) {
        latest(&manifest.value, &mut taken);
        match object(manifest) {
            Ok(object) => snapshot.objects.push(object),
            Err(problem) => problems.push(*problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    snapshot.taken = taken.and_then(SimTime::from_utc);
    snapshot.drop_absent_owners();
    snapshot.name_nodes();
    snapshot.has_classes = snapshot.objects.iter().any(|o| o.kind() == Kind::StorageClass);
    Ok(snapshot)
}

fn object(manifest: &Manifest) -> Result<Object, Box<Diagnostic>> {
    let refuse = |path: &str, why: String| Box::new(manifest.diagnostic(Code::Invalid, path, why));
    let mut value = manifest.value.clone();
    let namespaced = manifest.info.is_none_or(|info| info.namespaced);
    if namespaced && manifest.namespace().is_empty() {
        value["metadata"]["namespace"] = super::runner::NAMESPACE.into();
    }
    if manifest.name().is_empty() {
        let why = "an object of a dump has a name".to_owned();
        return Err(refuse("metadata.name", why));
    }
    let typed = Typed::decode(&value).map_err(|e| refuse(&e.path, e.message.clone()))?;
    let mut object = convert::from_wire(typed).map_err(|e| refuse("", e.to_string()))?;
    if object.meta().uid == Uid::default() {
        // A manifest among the dump: its name is its identity.
        let text = format!("{}/{}", object.kind(), object.key());
        object.meta_mut().uid = convert::uid(&text);
    }
    Ok(object)
}

/// The latest time of something that has happened. Documents are bounded in depth, so this may recurse.
fn latest(value: &Value, found: &mut Option<chrono::DateTime<chrono::Utc>>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let time = value.as_str().filter(|_| TIMES.contains(&key.as_str()));
                if let Some(Ok(at)) = time.map(chrono::DateTime::parse_from_rfc3339) {
                    *found = (*found).max(Some(at.to_utc()));
                }
                latest(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| latest(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl Snapshot {
    /// How many objects it holds.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// How many nodes it comes to.
    pub fn nodes(&self) -> usize {
        self.objects.iter().filter(|o| o.kind() == Kind::Node).count() + self.absent_nodes.len()
    }

    fn note(&mut self, text: String) {
        let mut note = Diagnostic::new(Code::SnapshotAssumed, text);
        note.severity = Severity::Note;
        self.notes.push(note);
    }

    /// An owner that the dump does not hold would have its dependents collected as garbage: they are kept
    /// without it.
    fn drop_absent_owners(&mut self) {
        let known: BTreeSet<Uid> = self.objects.iter().map(|o| o.meta().uid).collect();
        let mut absent: BTreeMap<String, usize> = BTreeMap::new();
        for object in &mut self.objects {
            let meta = object.meta_mut();
            for owner in meta.owners.iter().filter(|o| !known.contains(&o.uid)) {
                *absent.entry(format!("{} {}", owner.kind, owner.name)).or_default() += 1;
            }
            if meta.owners.iter().any(|o| !known.contains(&o.uid)) {
                meta.owners =
                    meta.owners.iter().filter(|o| known.contains(&o.uid)).cloned().collect();
            }
        }
        for (owner, number) in absent {
            self.note(format!(
                "{owner} is not in the dump: what it owns ({number}) is kept as if nothing owned it"
            ));
        }
    }

    fn name_nodes(&mut self) {
        let nodes = self.objects.iter().filter(|o| o.kind() == Kind::Node);
        let known: BTreeSet<String> = nodes.map(|o| o.meta().name.to_string()).collect();
        let named: BTreeSet<String> = self
            .objects
            .iter()
            .filter_map(|o| match o {
                Object::Pod(pod) if !pod.is_terminal() => pod.node.as_ref().map(|n| n.to_string()),
                _ => None,
            })
            .filter(|name| !known.contains(name))
            .collect();
        for name in &named {
            self.note(format!(
                "Node {name} is not in the dump: taken for a worker with 4 CPUs and 8Gi of memory"
            ));
        }
        self.absent_nodes = named.into_iter().collect();
    }

    /// Puts it, and what every cluster has besides, into a simulation's store. `nodes` are made only when
    /// the snapshot comes to none.
    ///
    /// # Errors
    /// Two Services with one address.
    pub fn restore(
        self,
        sim: &mut Sim,
        nodes: &[Value],
        storage: cluster::Storage,
        f: &mut dyn FnMut(&Fact),
    ) -> Result<(), Box<ApiError>> {
        let storage = if self.has_classes { cluster::Storage::None } else { storage };
        let without = self.nodes() == 0;
        let namespaces: BTreeSet<String> = self
            .objects
            .iter()
            .filter(|o| o.kind() != Kind::Namespace)
            .map(|o| o.meta().namespace.to_string())
            .filter(|n| !n.is_empty())
            .collect();
        let mut down = Vec::new();
        // Nodes first: a pod's agent must be there when the pod is heard of.
        let (nodes_found, others): (Vec<Object>, Vec<Object>) =
            self.objects.into_iter().partition(|o| o.kind() == Kind::Node);
        for object in nodes_found {
            if let Object::Node(node) = &object
                && node.condition("Ready").is_some_and(|c| c.status != ConditionStatus::True)
            {
                down.push(node.meta.name.clone());
            }
            sim.restore(object, f)?;
        }
        for object in others {
            sim.restore(object, f)?;
        }
        cluster::build(sim, &[], storage, f)?;
        for name in namespaces {
            let namespace =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            cluster::put_missing(sim, &namespace, f)?;
        }
        for (index, name) in (0..).zip(&self.absent_nodes) {
            let node = NodeSpec::worker(name.as_str()).object(index, sim.now());
            cluster::put_missing(sim, &node, f)?;
        }
        for node in nodes.iter().filter(|_| without) {
            cluster::put_missing(sim, node, f)?;
        }
        for node in down {
            sim.stop_node(&node, f);
        }
        Ok(())
    }
}

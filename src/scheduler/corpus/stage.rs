//! The world of a case: objects as JSON, and the scheduler that hears of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::convert::from_wire;
use crate::api::typed::Typed;
use crate::base::digest::Digest;
use crate::base::time::SimTime;
use crate::model::{Inert, Meta, Object, Uid, wire};
use crate::scheduler::Config;
use crate::scheduler::cycle::Scratch;
use crate::scheduler::feed::Feed;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::requests::{Reported, usage_of};
use crate::trace::FactId;

/// The time of every step: the clock of the recordings stands still.
pub(super) const NOW: SimTime = SimTime::from_secs(1_767_312_000);

/// A world and its scheduler.
pub(super) struct Stage {
    /// The scheduler's knowledge and queue.
    pub(super) feed: Feed,
    /// What cycles reuse.
    pub(super) scratch: Scratch,
    /// The pods that exist, by `namespace/name`.
    pods: BTreeMap<String, Value>,
    /// How many pods have been created: uids of pods without one.
    made: u64,
}

impl Stage {
    pub(super) fn new(config: Config) -> Self {
        Self {
            feed: Feed::new(config),
            scratch: Scratch::default(),
            pods: BTreeMap::new(),
            made: 0,
        }
    }

    /// Creates the objects of a world.
    pub(super) fn set_up(&mut self, world: &Value) -> Result<(), String> {
        for list in world.as_object().into_iter().flat_map(|w| w.values()) {
            for object in list.as_array().into_iter().flatten() {
                self.put(object)?;
            }
        }
        Ok(())
    }

    /// Carries out operations, in order.
    pub(super) fn apply(&mut self, operations: &Value) -> Result<(), String> {
        for op in operations.as_array().into_iter().flatten() {
            self.operate(op)?;
        }
        Ok(())
    }

    /// The uid of a pod that exists.
    pub(super) fn uid(&self, pod: &str) -> Option<Uid> {
        Uid::parse(self.pods.get(pod)?["metadata"]["uid"].as_str()?)
    }

    /// The pod with that uid, as `namespace/name`.
    pub(super) fn key(info: &PodInfo) -> String {
        format!("{}/{}", info.namespace(), info.name())
    }

    /// Creates or replaces an object.
    pub(super) fn put(&mut self, object: &Value) -> Result<(), String> {
        let mut object = object.clone();
        name_uids(&mut object);
        if object["kind"] == "Pod" {
            return self.put_pod(object);
        }
        let object = decode(&object)?;
        self.feed.set_object(&object, false, NOW);
        Ok(())
    }

    fn put_pod(&mut self, mut pod: Value) -> Result<(), String> {
        let key = key_of(&pod);
        if pod["metadata"]["uid"].as_str().is_none() {
            self.made += 1;
            let known = self.pods.get(&key).map(|p| p["metadata"]["uid"].clone());
            pod["metadata"]["uid"] =
                known.unwrap_or_else(|| uid_of(&format!("{key}#{}", self.made)));
        }
        self.pods.insert(key.clone(), pod);
        self.tell(&key)
    }

    /// Tells the scheduler of a pod as it is now.
    fn tell(&mut self, key: &str) -> Result<(), String> {
        let Some(json) = self.pods.get(key) else { return Ok(()) };
        let Object::Pod(pod) = decode(json)? else { return Err(format!("{key} is no pod")) };
        let wire: wire::core::Pod =
            serde_json::from_value(json.clone()).map_err(|e| format!("{key}: {e}"))?;
        if pod.is_terminal() {
            self.feed.remove_pod(pod.meta.uid, NOW);
            return Ok(());
        }
        let info = self.feed.info(&pod);
        let resized = resized(&wire).map(Arc::new);
        let info = Arc::new(PodInfo { resized, ..(*info).clone() });
        self.feed.set_pod(info, FactId::NONE, NOW);
        Ok(())
    }

    fn operate(&mut self, op: &Value) -> Result<(), String> {
        let text = |field: &str| op[field].as_str().unwrap_or_default();
        match text("op") {
            "put" => return self.put(&op["object"]),
            "delete" if text("kind") == "Pod" => {
                if let Some(uid) = self.uid(text("name")) {
                    self.pods.remove(text("name"));
                    self.feed.remove_pod(uid, NOW);
                }
                return Ok(());
            }
            "delete" => return self.delete(text("kind"), text("name")),
            _ => {}
        }
        let Some(pod) = self.pods.get_mut(text("pod")) else { return Ok(()) };
        match text("op") {
            "bind" => {
                pod["spec"]["nodeName"] = op["node"].clone();
                pod["status"]["startTime"] = op["startTime"].clone();
                pod["status"]["nominatedNodeName"] = Value::Null;
            }
            "nominate" => pod["status"]["nominatedNodeName"] = op["node"].clone(),
            "terminate" => terminate(pod, op),
            "label" => pod["metadata"]["labels"] = op["labels"].clone(),
            "ungate" => pod["spec"]["schedulingGates"] = Value::Null,
            other => return Err(format!("there is no operation {other:?}")),
        }
        self.tell(text("pod"))
    }

    fn delete(&mut self, kind: &str, name: &str) -> Result<(), String> {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let manifest = json!({"apiVersion": api_version(kind), "kind": kind,
            "metadata": {"name": name, "namespace": namespace}});
        let object = decode(&manifest)?;
        self.feed.set_object(&object, true, NOW);
        Ok(())
    }
}

fn api_version(kind: &str) -> &'static str {
    match kind {
        "StorageClass" | "CSINode" | "CSIDriver" | "CSIStorageCapacity" | "VolumeAttachment" => {
            "storage.k8s.io/v1"
        }
        "ReplicaSet" | "StatefulSet" => "apps/v1",
        "PodDisruptionBudget" => "policy/v1",
        _ => "v1",
    }
}

fn terminate(pod: &mut Value, op: &Value) {
    pod["metadata"]["deletionTimestamp"] = op["deletionTimestamp"].clone();
    if op["byPreemption"] != true {
        return;
    }
    let condition = json!({"type": "DisruptionTarget", "status": "True",
        "reason": "PreemptionByScheduler"});
    match pod["status"]["conditions"].as_array_mut() {
        Some(all) => all.push(condition),
        None => pod["status"]["conditions"] = json!([condition]),
    }
}

fn key_of(pod: &Value) -> String {
    let of = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
    format!("{}/{}", of("namespace"), of("name"))
}

fn decode(manifest: &Value) -> Result<Object, String> {
    let at = |e: &dyn std::fmt::Display| format!("{}: {e}", manifest["metadata"]["name"]);
    // Owners in the recordings lack their template.
    if manifest["kind"] == "ReplicationController"
        || manifest["kind"] == "ReplicaSet"
        || manifest["kind"] == "StatefulSet"
    {
        let mut whole = manifest.clone();
        whole["spec"]["template"] = json!({"spec": {"containers": []}});
        let typed = Typed::decode(&whole).map_err(|e| at(&e.message))?;
        return from_wire(typed).map_err(|e| at(&e));
    }
    if ["CSINode", "CSIDriver", "CSIStorageCapacity", "VolumeAttachment"]
        .iter()
        .any(|kind| manifest["kind"] == *kind)
    {
        return inert(manifest);
    }
    let typed = Typed::decode(manifest).map_err(|e| at(&format!("{}: {}", e.path, e.message)))?;
    from_wire(typed).map_err(|e| at(&e))
}

fn inert(manifest: &Value) -> Result<Object, String> {
    let mut body = manifest.as_object().cloned().ok_or("no object")?;
    let mut text = |field: &str| {
        body.remove(field).and_then(|v| v.as_str().map(Into::into)).unwrap_or_default()
    };
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let wire: wire::meta::ObjectMeta =
        serde_json::from_value(body.remove("metadata").unwrap_or_default())
            .map_err(|e| e.to_string())?;
    let meta: Meta = crate::api::convert::meta_from_wire(wire);
    Ok(Object::Inert(Arc::new(Inert { meta, api_version, kind, body: Arc::new(body) })))
}

/// Recorded uids are names; ours are numbers.
fn name_uids(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, v) in map.iter_mut() {
                match v.as_str() {
                    Some(name) if key == "uid" => *v = uid_of(name),
                    _ => name_uids(v),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(name_uids),
        _ => {}
    }
}

fn uid_of(name: &str) -> Value {
    let half = |seed| {
        let mut d = Digest::new(seed);
        d.bytes(name.as_bytes());
        u128::from(d.value())
    };
    json!(Uid::from_random(half(1) << 64 | half(2)).to_string())
}

/// What a pod takes from its node while it is being resized in place; `None` where its status says
/// nothing of that.
fn resized(pod: &wire::core::Pod) -> Option<crate::scheduler::requests::Usage> {
    let (spec, status) = (pod.spec.as_ref()?, pod.status.as_ref()?);
    let mut reported = Reported::default();
    let all = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    for c in all {
        if let Some(resources) = &c.resources {
            let lists = (resources.requests.as_ref(), c.allocated_resources.as_ref());
            reported.containers.insert(&c.name, lists);
        }
    }
    if let Some(resources) = &status.resources {
        reported.pod = Some((resources.requests.as_ref(), status.allocated_resources.as_ref()));
    }
    let pending = status.conditions.iter().flatten().find(|c| c.type_ == "PodResizePending");
    reported.infeasible = pending.is_some_and(|c| c.reason.as_deref() == Some("Infeasible"));
    let any = !reported.containers.is_empty() || reported.pod.is_some() || reported.infeasible;
    any.then(|| usage_of(spec, &reported))
}

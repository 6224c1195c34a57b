//! The cluster a simulation begins with: its nodes, and what every cluster has.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::time::SimTime;
use crate::controllers::namespaces::{ROOT_CA, ROOT_CA_DESCRIPTION};
use crate::model::{Kind, Ref};
use crate::sim::Sim;
use crate::store::{ApiError, Request, WireVerb};
use crate::trace::Fact;

/// A node to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name.
    pub name: String,
    /// Its labels, besides those every node has.
    pub labels: BTreeMap<String, String>,
    /// Its resources, as quantities.
    pub capacity: BTreeMap<String, String>,
    /// What of them pods may use; empty for all.
    pub allocatable: BTreeMap<String, String>,
    /// Taints, as `{key, value, effect}`.
    pub taints: Vec<Value>,
    /// The addresses of its pods; empty for the next free /24 of 10.244.0.0/16.
    pub pod_cidr: String,
    /// Its address; empty for the next of 10.0.0.0/16.
    pub internal_ip: String,
}

/// What a v1.36 node agent declares with its default feature gates
/// (`k8s.io/component-helpers/nodedeclaredfeatures/features`).
const DECLARED_FEATURES: [&str; 4] = [
    "ExtendWebSocketsToKubelet",
    "InPlacePodLevelResourcesVerticalScaling",
    "InPlacePodVerticalScalingInitContainers",
    "RestartAllContainersOnContainerExits",
];

impl NodeSpec {
    /// A worker with 4 CPUs, 8 GiB and room for 110 pods.
    pub fn worker(name: impl Into<String>) -> Self {
        let amounts =
            [("cpu", "4"), ("memory", "8Gi"), ("pods", "110"), ("ephemeral-storage", "100Gi")];
        Self {
            name: name.into(),
            labels: BTreeMap::new(),
            capacity: amounts.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            allocatable: BTreeMap::new(),
            taints: Vec::new(),
            pod_cidr: String::new(),
            internal_ip: String::new(),
        }
    }

    /// The node as it stands once it is ready; `index` numbers its addresses.
    pub fn object(&self, index: u32, ready_since: SimTime) -> Value {
        let name = &self.name;
        let mut labels: BTreeMap<String, String> = [
            ("beta.kubernetes.io/arch", "amd64"),
            ("beta.kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            ("kubernetes.io/hostname", name.as_str()),
            ("kubernetes.io/os", "linux"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        labels.extend(self.labels.clone());
        let pod_cidr = match self.pod_cidr.as_str() {
            "" => format!("10.{}.{}.0/24", 244 + index / 256 % 12, index % 256),
            cidr => cidr.to_owned(),
        };
        let address = match self.internal_ip.as_str() {
            "" => {
                format!("10.{}.{}.{}", index / 65_000, (index + 11) / 256 % 256, (index + 11) % 256)
            }
            ip => ip.to_owned(),
        };
        let since = ready_since.to_rfc3339();
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({"type": kind, "status": status, "reason": reason, "message": message,
                   "lastTransitionTime": since, "lastHeartbeatTime": since})
        };
        let allocatable =
            if self.allocatable.is_empty() { &self.capacity } else { &self.allocatable };
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels, "annotations": {
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true"}},
            "spec": {"podCIDR": pod_cidr, "podCIDRs": [pod_cidr], "taints": self.taints},
            "status": {
                "capacity": self.capacity,
                "allocatable": allocatable,
                "declaredFeatures": DECLARED_FEATURES,
                "addresses": [{"type": "InternalIP", "address": address},
                              {"type": "Hostname", "address": name}],
                "conditions": [
                    condition("MemoryPressure", "False", "KubeletHasSufficientMemory",
                              "kubelet has sufficient memory available"),
                    condition("DiskPressure", "False", "KubeletHasNoDiskPressure",
                              "kubelet has no disk pressure"),
                    condition("PIDPressure", "False", "KubeletHasSufficientPID",
                              "kubelet has sufficient PID available"),
                    condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
                ],
                "nodeInfo": {"architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.1.4",
                    "kernelVersion": "6.12.0", "kubeProxyVersion": "", "kubeletVersion": "v1.36.2",
                    "machineID": "", "operatingSystem": "linux", "osImage": "wavetank", "systemUUID": ""},
            },
        })
    }
}

/// What a cluster has besides nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// A default StorageClass `standard` whose volumes are made on demand.
    Provisioner,
    /// None: claims bind only to volumes that are given.
    None,
}

/// Puts nodes and the objects that every cluster has into a simulation's store, beside what it holds
/// already, which stays as it is.
///
/// # Errors
/// A node that the API server refuses.
pub fn build(
    sim: &mut Sim,
    nodes: &[Value],
    storage: Storage,
    f: &mut dyn FnMut(&Fact),
) -> Result<(), Box<ApiError>> {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        put_missing(sim, &namespace, f)?;
        let metadata = json!({"name": "default", "namespace": name});
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
        put_missing(sim, &account, f)?;
        let (note, text) = ROOT_CA_DESCRIPTION;
        let metadata =
            json!({"name": "kube-root-ca.crt", "namespace": name, "annotations": {note: text}});
        let data = json!({"ca.crt": ROOT_CA});
        let authority =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
        put_missing(sim, &authority, f)?;
    }
    for (name, value) in
        [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)]
    {
        let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value, "preemptionPolicy": "PreemptLowerPriority"});
        put_missing(sim, &class, f)?;
    }
    if storage == Storage::Provisioner {
        let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": "standard", "annotations": {
                "storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "wavetank.dev/provisioner", "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true});
        put_missing(sim, &class, f)?;
    }
    let api = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default",
                     "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]}});
    put_missing(sim, &api, f)?;
    for node in nodes {
        put_missing(sim, node, f)?;
    }
    Ok(())
}

/// A node as it registers: its agent has not reported it ready yet.
pub fn registering(mut node: Value) -> Value {
    for condition in node["status"]["conditions"].as_array_mut().into_iter().flatten() {
        if condition["type"] == "Ready" {
            condition["status"] = "False".into();
            condition["reason"] = "KubeletNotReady".into();
            condition["message"] = "CSINode is not yet initialized".into();
        }
    }
    let taint = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
    if let Some(taints) = node["spec"]["taints"].as_array_mut() {
        taints.push(taint);
    }
    node
}

/// Adds a node while the cluster runs.
///
/// # Errors
/// A node that the API server refuses.
pub fn join(sim: &mut Sim, node: &Value, f: &mut dyn FnMut(&Fact)) -> Result<(), Box<ApiError>> {
    put(sim, node, f)
}

/// Puts an object into the store unless there is one of its name.
pub(super) fn put_missing(
    sim: &mut Sim,
    document: &Value,
    f: &mut dyn FnMut(&Fact),
) -> Result<(), Box<ApiError>> {
    if sim.store().find(&target(document)).is_some() {
        return Ok(());
    }
    put(sim, document, f)
}

/// Puts a new object into the store.
pub(super) fn put(
    sim: &mut Sim,
    document: &Value,
    f: &mut dyn FnMut(&Fact),
) -> Result<(), Box<ApiError>> {
    let target = target(document);
    let body = Box::new(document.clone());
    let verb = WireVerb::Create;
    sim.seed(Request::Wire { verb, target, body, subresource: None }, f)?;
    Ok(())
}

/// What a document is about.
fn target(document: &Value) -> Ref {
    let kind = document["kind"].as_str().and_then(Kind::from_name).unwrap_or(Kind::Inert);
    let metadata = |field: &str| document["metadata"][field].as_str().unwrap_or_default();
    let namespace = if kind.namespaced() { metadata("namespace") } else { "" };
    Ref::new(kind, namespace, metadata("name"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::Token;
    use crate::model::{Object, Pod};
    use crate::sim::{Options, Outcome};
    use crate::store::DeleteOptions;
    use crate::trace::FactId;

    fn node(name: &str, index: u32) -> Value {
        NodeSpec::worker(name).object(index, SimTime::from_secs(1_767_225_600))
    }

    fn cluster() -> Sim {
        let mut sim = Sim::new(Options::default());
        let nodes = [node("node-1", 0), node("node-2", 1)];
        build(&mut sim, &nodes, Storage::Provisioner, &mut |_| {}).unwrap();
        sim
    }

    fn run(sim: &mut Sim, seconds: u64) {
        let until = sim.now() + Duration::from_secs(seconds);
        while sim.run_until(until, &mut |_| {}) == Outcome::Replied {
            sim.take_replies();
        }
        sim.advance_to(until);
    }

    fn delete_node(sim: &mut Sim, name: &str) {
        let target = Ref::new(Kind::Node, "", name);
        let request = Request::Delete { target, options: DeleteOptions::default() };
        sim.send(sim.now(), Token(0), FactId::NONE, request);
    }

    fn pod(sim: &Sim, name: &str) -> Pod {
        match sim.store().find(&Ref::new(Kind::Pod, "default", name)) {
            Some(Object::Pod(pod)) => Pod::clone(pod),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_machine_without_a_node_is_not_the_one_that_joined_after_it() {
        let mut sim = cluster();
        run(&mut sim, 5);
        delete_node(&mut sim, "node-2");
        run(&mut sim, 5);
        join(&mut sim, &registering(node("node-3", 2)), &mut |_| {}).unwrap();
        run(&mut sim, 5);
        sim.stop_node("node-2", &mut |_| {});
        run(&mut sim, 120);
        let Some(Object::Node(node)) = sim.store().find(&Ref::new(Kind::Node, "", "node-3")) else {
            panic!("a node")
        };
        assert!(node.is_ready(), "{:?}", node.conditions);
    }

    #[test]
    fn a_machine_that_registers_anew_takes_up_the_pods_that_are_still_bound_to_it() {
        let mut sim = cluster();
        run(&mut sim, 5);
        let document = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"nodeName": "node-2", "containers": [{"name": "web", "image": "nginx:1.27"}]}});
        put(&mut sim, &document, &mut |_| {}).unwrap();
        run(&mut sim, 5);
        let before = pod(&sim, "web");
        assert!(before.is_ready(), "{:?}", before.status);
        delete_node(&mut sim, "node-2");
        run(&mut sim, 10);
        join(&mut sim, &registering(node("node-2", 1)), &mut |_| {}).unwrap();
        run(&mut sim, 10);
        let after = pod(&sim, "web");
        assert!(after.is_ready(), "{:?}", after.status);
        assert_eq!(after.status.start_time, before.status.start_time);
        assert_eq!(after.status.containers[0].restart_count, 1);
    }

    #[test]
    fn a_claim_grows_only_where_its_class_allows_it() {
        let mut sim = cluster();
        for (name, expands) in [("fixed", false), ("growing", true)] {
            let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": {"name": name}, "provisioner": "wavetank.dev/provisioner",
                "volumeBindingMode": "Immediate", "allowVolumeExpansion": expands});
            put(&mut sim, &class, &mut |_| {}).unwrap();
            let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"storageClassName": name, "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}}}});
            put(&mut sim, &claim, &mut |_| {}).unwrap();
        }
        run(&mut sim, 10);
        let mut grow = |name: &str| {
            let target = Ref::new(Kind::PersistentVolumeClaim, "default", name);
            let body = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
            let verb = WireVerb::Patch(crate::store::PatchType::Merge);
            let body = Box::new(body);
            let request = Request::Wire { verb, target, body, subresource: None };
            sim.seed(request, &mut |_| {}).err().map(|e| e.message.clone())
        };
        assert_eq!(grow("growing"), None);
        assert_eq!(
            grow("fixed").as_deref(),
            Some(
                "persistentvolumeclaims \"fixed\" is forbidden: only dynamically provisioned pvc can \
                 be resized and the storageclass that provisions the pvc must support resize"
            )
        );
    }
}

//! Why no node takes a pod.
//!
//! The scheduler's decision is made again with everything written down (`scheduler::explain`): which plugin
//! refused which node says where the root lies, and what the plugin looks at says what would help.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::fix::{Change, Edit, step};
use super::look::{Look, Source};
use super::refusals::between;
use super::{Code, Fix, Reason};
use crate::api::suggest;
use crate::model::{Kind, Node, Object, Pod, PreemptionPolicy, Ref, Resources};
use crate::report::timeline::name;
use crate::sim::scheduling::{Explanation, NodeState, Verdict};

impl Look<'_> {
    /// Why a pod has no node.
    pub(super) fn placing(&self, pod: &Arc<Pod>) -> Vec<Reason> {
        let source = self.source(pod);
        let explained = self.sim.explain(pod);
        let message = match &explained.verdict {
            Verdict::Placed(_) => return Vec::new(),
            Verdict::Untried(why) => {
                let fixes = vec![source.fix(
                    "drop spec.schedulerName",
                    vec![Change::remove(source.path("/schedulerName"))],
                )];
                return vec![Self::root(Code::MissingNode, source.object, why.as_str(), fixes)];
            }
            Verdict::Failed(text) => {
                return vec![Self::root(Code::Refused, source.object, text.as_str(), Vec::new())];
            }
            Verdict::Unfit { message, .. } => message.clone(),
        };
        if let Some(waits) = self.claims_first(pod, &message) {
            return waits;
        }
        if self.store.list(Kind::Node).next().is_none() {
            return vec![Self::root(
                Code::MissingNode,
                source.object,
                "the cluster has no nodes",
                Vec::new(),
            )];
        }
        let refused = by_plugin(&explained, pod);
        let Some((plugin, _)) = refused.first() else {
            return vec![Self::root(Code::Refused, source.object, message, Vec::new())];
        };
        let (code, text) = self.cause(pod, plugin, &explained);
        let mut fixes = Vec::new();
        if let Some(reason) = self.never_preempts(pod, &explained) {
            return vec![reason];
        }
        for (plugin, nodes) in &refused {
            fixes.extend(self.against(pod, &source, plugin, nodes));
        }
        if let Some(change) = explained.changes.first().filter(|_| fixes.is_empty()) {
            fixes.push(Fix::advice(change.text.clone()));
        }
        if pod.made_for.is_none()
            && let Some(like) = self.roomiest(pod)
        {
            let text = format!("add a node like {like}");
            fixes.push(Fix::new(text, vec![Edit::NodeLike(like)]));
        }
        vec![Self::root(code, source.object, text, fixes)]
    }

    /// Claims of a pod that do not exist or are not bound.
    fn claims_first(&self, pod: &Pod, message: &str) -> Option<Vec<Reason>> {
        if let Some(claim) = between(message, "persistentvolumeclaim \"", "\" not found") {
            let object = Ref::new(Kind::PersistentVolumeClaim, pod.meta.namespace.clone(), claim);
            return Some(vec![Reason::WaitsFor { object, why: "to be there".to_owned() }]);
        }
        if !message.contains("unbound immediate PersistentVolumeClaims")
            && !message.contains("didn't find available persistent volumes")
        {
            return None;
        }
        let spec = self.pod_spec(pod);
        let named = spec["volumes"]
            .as_array()?
            .iter()
            .filter_map(|v| v["persistentVolumeClaim"]["claimName"].as_str().map(str::to_owned));
        let own =
            pod.identity.iter().flat_map(|i| i.claims.iter().map(|(_, claim)| claim.to_string()));
        let claims: Vec<Ref> = named
            .chain(own)
            .map(|c| Ref::new(Kind::PersistentVolumeClaim, pod.meta.namespace.clone(), c))
            .collect();
        let unbound = claims.iter().filter(|c| {
            self.store.find(c).is_none_or(|o| self.wire(o)["status"]["phase"] != "Bound")
        });
        if message.contains("didn't find available persistent volumes") {
            return Some(unbound.filter_map(|c| self.elsewhere(pod, c)).collect::<Vec<_>>())
                .filter(|r| !r.is_empty());
        }
        let waits: Vec<Reason> = unbound
            .map(|object| Reason::WaitsFor {
                object: object.clone(),
                why: "to be bound".to_owned(),
            })
            .collect();
        Some(waits).filter(|w| !w.is_empty())
    }

    /// A volume that would fit a claim, but is not where the pod may go.
    fn elsewhere(&self, pod: &Pod, claim: &Ref) -> Option<Reason> {
        let wire = self.wire(self.store.find(claim)?);
        let class = wire["spec"]["storageClassName"].clone();
        let volumes = self.store.list(Kind::PersistentVolume).filter(|o| {
            let volume = self.wire(o);
            volume["spec"]["storageClassName"] == class && volume["spec"]["claimRef"].is_null()
        });
        let mut volumes: Vec<&Object> = volumes.collect();
        volumes.sort_by(|a, b| a.meta().name.cmp(&b.meta().name));
        let Some(volume) = volumes.first() else {
            return Some(Reason::WaitsFor { object: claim.clone(), why: "to be bound".to_owned() });
        };
        Some(self.other_zone(pod, volume))
    }

    fn other_zone(&self, pod: &Pod, volume: &Object) -> Reason {
        let source = self.source(pod);
        let wire = self.wire(volume);
        let term = wire
            .pointer("/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions/0")
            .cloned()
            .unwrap_or_default();
        let key = term["key"].as_str().unwrap_or("topology.kubernetes.io/zone").to_owned();
        let values: Vec<&str> =
            term["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let spec = self.pod_spec(pod);
        let asked = spec["nodeSelector"][&key].as_str().map(str::to_owned);
        let of = name(&volume.reference());
        let wants =
            asked.as_deref().map_or(String::new(), |a| format!(", and the pod asks for {key}={a}"));
        let text =
            format!("{of} can be used on nodes with {key} in {} alone{wants}", values.join(", "));
        let mut fixes = Vec::new();
        if asked.is_some() {
            for value in values.iter().take(2) {
                let path = source.path(&format!("/nodeSelector/{}", step(&key)));
                fixes.push(source.fix(
                    &format!("say {key}: {value} in the nodeSelector"),
                    vec![Change::set(path, *value)],
                ));
            }
            let path = source.path(&format!("/nodeSelector/{}", step(&key)));
            fixes.push(
                source.fix(
                    &format!("take {key} out of the nodeSelector"),
                    vec![Change::remove(path)],
                ),
            );
        }
        Self::root(Code::VolumeZone, source.object, text, fixes)
    }

    /// A pod that could push others aside and must not.
    fn never_preempts(&self, pod: &Pod, explained: &Explanation) -> Option<Reason> {
        let said = match &explained.verdict {
            Verdict::Unfit { message, .. } => {
                message.contains("preemptionPolicy=Never")
                    || message.contains("not eligible due to preemptionPolicy")
            }
            _ => false,
        };
        let lower = || {
            self.pods().any(|p| {
                p.spec.priority < pod.spec.priority
                    && p.node.is_some()
                    && p.meta.namespace != "kube-system"
            })
        };
        if pod.spec.preemption_policy != PreemptionPolicy::Never || !(said || lower()) || !lower() {
            return None;
        }
        let source = self.source(pod);
        let spec = self.pod_spec(pod);
        let text = "no node has room, and the pod may not push less important ones aside (preemptionPolicy: Never)";
        let mut fixes = Vec::new();
        match spec["priorityClassName"].as_str() {
            Some(class) => {
                let of = Ref::new(Kind::PriorityClass, "", class);
                let changes = vec![Change::set("/preemptionPolicy", "PreemptLowerPriority")];
                let edits = vec![Edit::Manifest { object: of.clone(), changes }];
                fixes.push(Fix::new(
                    format!("set preemptionPolicy to PreemptLowerPriority in {}", name(&of)),
                    edits,
                ));
            }
            None => fixes.push(source.fix(
                "drop preemptionPolicy",
                vec![Change::remove(source.path("/preemptionPolicy"))],
            )),
        }
        Some(Self::root(Code::Preemption, source.object, text, fixes))
    }

    /// What a plugin's refusal comes to, in a sentence.
    fn cause(&self, pod: &Pod, plugin: &str, explained: &Explanation) -> (Code, String) {
        let spec = self.pod_spec(pod);
        let nodes: Vec<&str> = explained
            .nodes
            .iter()
            .filter(|row| matches!(&row.state, NodeState::Refused { plugin: p, .. } if p == plugin))
            .map(|row| row.name.as_str())
            .collect();
        let (code, text) = match plugin {
            "NodeResourcesFit" => (Code::Resources, self.too_little(pod)),
            "NodeAffinity" => (
                Code::NodeLabels,
                match spec["nodeSelector"].as_object() {
                    Some(labels) => {
                        let all: Vec<String> = labels
                            .iter()
                            .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
                            .collect();
                        format!(
                            "no node that could take it has the labels of its nodeSelector, {}",
                            all.join(", ")
                        )
                    }
                    None => "no node fulfils its required node affinity".to_owned(),
                },
            ),
            "TaintToleration" => {
                let taints: Vec<String> =
                    self.untolerated(pod).iter().map(|(t, _)| t.clone()).collect();
                (
                    Code::Taint,
                    format!("it does not tolerate the taints of the nodes: {}", taints.join(", ")),
                )
            }
            "NodeUnschedulable" => {
                (Code::Cordoned, format!("nodes are cordoned: {}", short(&nodes)))
            }
            "NodePorts" => {
                let ports: Vec<String> =
                    host_ports(&spec).iter().map(|(_, port)| port.to_string()).collect();
                (
                    Code::HostPort,
                    format!(
                        "host port {} is taken on every node that it could go to",
                        ports.join(", ")
                    ),
                )
            }
            "InterPodAffinity" | "PodTopologySpread" => among_pods(&spec, plugin, nodes.len()),
            "VolumeBinding" | "VolumeZone" => (
                Code::VolumeZone,
                "its volumes cannot be used on the nodes that it could go to".to_owned(),
            ),
            "NodeName" => (Code::MissingNode, "it names a node that does not exist".to_owned()),
            _ => (Code::Refused, format!("{plugin} refuses every node")),
        };
        (code, text)
    }

    /// `asks for 12 CPUs, and no node has more than 4`.
    fn too_little(&self, pod: &Pod) -> String {
        let wants = &pod.spec.requests;
        let mut told = Vec::new();
        let nodes = self.candidates(pod);
        let most = |f: &dyn Fn(&Resources) -> i64| {
            nodes.iter().map(|(_, free)| f(free)).max().unwrap_or(0)
        };
        let whole = |f: &dyn Fn(&Resources) -> i64| {
            nodes.iter().map(|(n, _)| f(&n.allocatable)).max().unwrap_or(0)
        };
        let (cpu, memory) = (most(&|r| r.cpu_milli), most(&|r| r.memory));
        if wants.cpu_milli > cpu {
            let of = whole(&|r| r.cpu_milli);
            told.push(format!(
                "{}, and no node that it could go to has more than {} free (of {})",
                cpus(wants.cpu_milli),
                cores(cpu),
                cores(of)
            ));
        }
        if wants.memory > memory {
            let of = whole(&|r| r.memory);
            told.push(format!(
                "{}Mi of memory, and no node has more than {}Mi free (of {}Mi)",
                wants.memory >> 20,
                memory.max(0) >> 20,
                of >> 20
            ));
        }
        for (key, amount) in &wants.extended {
            let there = most(&|r| r.extended.get(key).copied().unwrap_or(0));
            if *amount > there {
                told.push(format!("{amount} of {key}, and no node has more than {there} free"));
            }
        }
        if told.is_empty() && nodes.iter().all(|(_, free)| free.pods < 1) {
            return "the nodes have as many pods as they may".to_owned();
        }
        let place = match &pod.made_for {
            Some(node) => format!(" (it is made for {node})"),
            None => String::new(),
        };
        if told.is_empty() {
            return format!("no single node has enough of all that it asks for{place}");
        }
        format!("it asks for {}{place}", told.join("; and for "))
    }

    /// The nodes that a pod could go to, with what is free there.
    fn candidates(&self, pod: &Pod) -> Vec<(&Arc<Node>, Resources)> {
        let mut used: BTreeMap<&str, Resources> = BTreeMap::new();
        for other in self.pods().filter(|p| !p.status.phase.is_terminal()) {
            let Some(node) = other.node.as_deref() else { continue };
            let of = used.entry(node).or_default();
            of.add(&other.spec.requests);
            of.pods += 1;
        }
        let spec = self.pod_spec(pod);
        let selector = spec["nodeSelector"].as_object().cloned().unwrap_or_default();
        let fits = |n: &Arc<Node>| {
            let labelled = selector
                .iter()
                .all(|(k, v)| n.meta.labels.get(k).is_some_and(|l| Some(l.as_str()) == v.as_str()));
            labelled
                && pod.made_for.as_ref().is_none_or(|name| *name == n.meta.name)
                && !n.unschedulable
        };
        let mut nodes: Vec<(&Arc<Node>, Resources)> = self
            .store
            .list(Kind::Node)
            .filter_map(|o| match o {
                Object::Node(n) if fits(n) => Some(n),
                _ => None,
            })
            .map(|n| {
                let mut free = n.allocatable.clone();
                if let Some(used) = used.get(n.meta.name.as_str()) {
                    free.sub(used);
                }
                (n, free)
            })
            .collect();
        nodes.sort_by(|a, b| a.0.meta.name.cmp(&b.0.meta.name));
        nodes
    }

    /// The node with the most of what the pod asks for.
    fn roomiest(&self, pod: &Pod) -> Option<String> {
        let nodes = self.candidates(pod);
        let most = nodes.iter().max_by_key(|(n, _)| {
            (n.allocatable.cpu_milli, n.allocatable.memory, std::cmp::Reverse(n.meta.name.clone()))
        });
        most.map(|(n, _)| n.meta.name.to_string())
    }

    /// The taints that a pod does not tolerate, with the nodes that have them, the rarest last.
    fn untolerated(&self, pod: &Pod) -> Vec<(String, crate::model::Taint)> {
        let mut found: BTreeMap<String, (usize, crate::model::Taint)> = BTreeMap::new();
        for object in self.store.list(Kind::Node) {
            let Object::Node(node) = object else { continue };
            for taint in node.taints.iter() {
                let tolerated = pod.spec.tolerations.iter().any(|t| t.tolerates(taint));
                if tolerated
                    || taint.effect == crate::model::TaintEffect::PreferNoSchedule
                    || taint.key.starts_with("node.kubernetes.io/")
                {
                    continue;
                }
                let value = if taint.value.is_empty() {
                    String::new()
                } else {
                    format!("={}", taint.value)
                };
                let text = format!("{}{value}:{}", taint.key, taint.effect.as_str());
                found.entry(text).or_insert((0, taint.clone())).0 += 1;
            }
        }
        let mut all: Vec<(usize, String, crate::model::Taint)> =
            found.into_iter().map(|(text, (n, t))| (n, text, t)).collect();
        all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        all.into_iter().map(|(_, text, taint)| (text, taint)).collect()
    }

    /// What helps against the refusals of a plugin.
    fn against(&self, pod: &Pod, source: &Source, plugin: &str, nodes: &[String]) -> Vec<Fix> {
        let spec = self.pod_spec(pod);
        match plugin {
            "NodeResourcesFit" => self.ask_less(pod, source),
            "NodeAffinity" => self.labels(source, &spec),
            "TaintToleration" => self.untolerated(pod).iter().map(|(text, taint)| {
                let mut toleration = json!({"key": taint.key.as_str(), "operator": "Exists", "effect": taint.effect.as_str()});
                if !taint.value.is_empty() {
                    toleration["operator"] = json!("Equal");
                    toleration["value"] = json!(taint.value.as_str());
                }
                source.fix(&format!("tolerate {text}"), vec![Change::set(source.path("/tolerations/-"), toleration)])
            }).collect(),
            "NodeUnschedulable" => nodes.iter().take(2).map(|node| {
                let line = format!("uncordon {node}");
                Fix::new(format!("kubectl {line}"), vec![Edit::Kubectl(line)])
            }).collect(),
            "NodePorts" => {
                let ports = host_ports(&spec);
                let take = ports.iter().map(|(path, _)| Change::remove(source.path(&format!("{path}/hostPort"))));
                let named: Vec<String> = ports.iter().map(|(_, p)| p.to_string()).collect();
                vec![source.fix(&format!("take host port {} away", named.join(", ")), take.collect())]
            }
            "InterPodAffinity" => ["podAntiAffinity", "podAffinity"].iter().filter_map(|which| {
                let path = format!("/affinity/{which}/requiredDuringSchedulingIgnoredDuringExecution");
                let terms = spec.pointer(&path)?.as_array()?;
                let preferred: Vec<Value> = terms.iter().map(|t| json!({"weight": 100, "podAffinityTerm": t})).collect();
                let soft = source.path(&format!("/affinity/{which}/preferredDuringSchedulingIgnoredDuringExecution"));
                Some(source.fix(
                    &format!("make its required {which} preferred"),
                    vec![Change::remove(source.path(&path)), Change::set(soft, json!(preferred))],
                ))
            }).collect(),
            "PodTopologySpread" => {
                let all = spec["topologySpreadConstraints"].as_array().cloned().unwrap_or_default();
                let hard = all.iter().enumerate().filter(|(_, c)| c["whenUnsatisfiable"] == "DoNotSchedule");
                hard.map(|(i, c)| {
                    let path = source.path(&format!("/topologySpreadConstraints/{i}/whenUnsatisfiable"));
                    let key = c["topologyKey"].as_str().unwrap_or_default();
                    source.fix(&format!("make the spread over {key} soft (whenUnsatisfiable: ScheduleAnyway)"), vec![Change::set(path, "ScheduleAnyway")])
                }).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Has the container that asks for most ask for what is free on the node with the most.
    fn ask_less(&self, pod: &Pod, source: &Source) -> Vec<Fix> {
        let wants = &pod.spec.requests;
        let Some((i, c)) =
            pod.spec.containers.iter().enumerate().max_by_key(|(i, c)| {
                (c.requests.cpu_milli, c.requests.memory, std::cmp::Reverse(*i))
            })
        else {
            return Vec::new();
        };
        let mut fixes: Vec<(i64, Fix)> = Vec::new();
        for (node, free) in self.candidates(pod) {
            let (cpu, memory) =
                ((wants.cpu_milli - free.cpu_milli).max(0), (wants.memory - free.memory).max(0));
            let (less_cpu, less_memory) = (c.requests.cpu_milli - cpu, c.requests.memory - memory);
            let nothing = cpu > 0 && less_cpu <= 0 || memory > 0 && less_memory <= 0;
            if cpu == 0 && memory == 0 || nothing || free.pods < 1 {
                continue;
            }
            let (mut changes, mut texts) = (Vec::new(), Vec::new());
            let mut set = |resource: &str, amount: String| {
                let path = source.path(&format!("/containers/{i}/resources/requests/{resource}"));
                texts.push(format!("{resource} to {amount}"));
                changes.push(Change::set(path, amount));
            };
            if cpu > 0 {
                set("cpu", cores(less_cpu));
            }
            if memory > 0 {
                set("memory", format!("{}Mi", less_memory >> 20));
            }
            let text = format!(
                "lower the requests of container {}: {} ({} has that free)",
                c.name,
                texts.join(", "),
                node.meta.name
            );
            // A core weighs as much as 4 GiB.
            fixes.push((cpu + (memory >> 22), source.fix(&text, changes)));
        }
        fixes.sort_by_key(|(size, _)| *size);
        fixes.into_iter().take(1).map(|(_, fix)| fix).collect()
    }

    /// Has the pod ask for labels that nodes have, or nodes have those that it asks for.
    fn labels(&self, source: &Source, spec: &Value) -> Vec<Fix> {
        let mut nodes: Vec<&Object> = self.store.list(Kind::Node).collect();
        nodes.sort_by(|a, b| a.meta().name.cmp(&b.meta().name));
        let mut fixes = Vec::new();
        for (key, value) in spec["nodeSelector"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            if nodes.iter().any(|n| n.meta().labels.get(key).is_some_and(|v| v == value)) {
                continue;
            }
            let path = source.path(&format!("/nodeSelector/{}", step(key)));
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for value in nodes.iter().filter_map(|n| n.meta().labels.get(key)) {
                *counts.entry(value).or_default() += 1;
            }
            let mut values: Vec<&str> = counts.keys().copied().collect();
            // Of equally near ones the one that most nodes have.
            values.sort_by_key(|v| std::cmp::Reverse(counts[v]));
            let near = suggest::nearest(value, values.iter().copied());
            if let Some(near) = near.or(values.first().copied().filter(|_| values.len() == 1)) {
                fixes.push(source.fix(
                    &format!("say {key}: {near} instead of {value} in the nodeSelector"),
                    vec![Change::set(path.clone(), near)],
                ));
            }
            let mut keys: Vec<&str> = nodes
                .iter()
                .flat_map(|n| n.meta().labels.iter().map(|(k, _)| k.as_str()))
                .collect();
            keys.sort_unstable();
            keys.dedup();
            if let Some(near) = suggest::nearest(key, keys).filter(|_| values.is_empty()) {
                let new = source.path(&format!("/nodeSelector/{}", step(near)));
                fixes.push(source.fix(
                    &format!("say {near} instead of {key} in the nodeSelector"),
                    vec![Change::remove(path.clone()), Change::set(new, value)],
                ));
            }
            if let Some(node) = nodes.first() {
                let node = node.meta().name.to_string();
                let text = format!("give {node} the label {key}={value}");
                let changes = vec![Change::set(format!("/metadata/labels/{}", step(key)), value)];
                fixes.push(Fix::new(text, vec![Edit::Node { name: node, changes }]));
            }
            fixes.push(
                source.fix(
                    &format!("take {key} out of the nodeSelector"),
                    vec![Change::remove(path)],
                ),
            );
        }
        if spec
            .pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution")
            .is_some()
        {
            let path = source
                .path("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution");
            fixes.push(source.fix("drop its required node affinity", vec![Change::remove(path)]));
        }
        fixes
    }
}

/// Plugins with the nodes that they refused, the one of most nodes first.
fn by_plugin(explained: &Explanation, pod: &Pod) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    // A DaemonSet's pod is refused by all nodes but its own, which is no trouble.
    let own = |name: &str| pod.made_for.as_deref().is_none_or(|node| node == name);
    for row in explained.nodes.iter().filter(|row| own(&row.name)) {
        let NodeState::Refused { plugin, .. } = &row.state else { continue };
        match all.iter_mut().find(|(p, _)| *p == plugin.as_str()) {
            Some((_, nodes)) => nodes.push(row.name.to_string()),
            None => all.push((plugin.to_string(), vec![row.name.to_string()])),
        }
    }
    all.sort_by_key(|(_, nodes)| std::cmp::Reverse(nodes.len()));
    all
}

/// What the refusal of a plugin comes to that looks at other pods.
fn among_pods(spec: &Value, plugin: &str, nodes: usize) -> (Code, String) {
    if plugin == "PodTopologySpread" {
        let all = spec["topologySpreadConstraints"].as_array().into_iter().flatten();
        let keys: Vec<&str> = all.filter_map(|c| c["topologyKey"].as_str()).collect();
        let text = format!(
            "another pod would be spread too unevenly over {} (whenUnsatisfiable: DoNotSchedule)",
            keys.join(", ")
        );
        return (Code::TopologySpread, text);
    }
    let path = "/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let how = if spec.pointer(path).is_some() { "anti-affinity" } else { "affinity" };
    let text = format!(
        "its required pod {how} leaves no node: {nodes} of the nodes cannot take it for that"
    );
    (Code::PodAffinity, text)
}

/// Host ports with the place of each, in a pod's spec.
fn host_ports(spec: &Value) -> Vec<(String, u64)> {
    let containers = spec["containers"].as_array().into_iter().flatten().enumerate();
    let ports = containers.flat_map(|(i, c)| {
        let all = c["ports"].as_array().cloned().unwrap_or_default().into_iter().enumerate();
        all.filter_map(move |(j, p)| {
            Some((format!("/containers/{i}/ports/{j}"), p["hostPort"].as_u64().filter(|p| *p > 0)?))
        })
    });
    ports.collect()
}

fn cpus(milli: i64) -> String {
    match cores(milli).as_str() {
        "1" => "1 CPU".to_owned(),
        amount => format!("{amount} CPUs"),
    }
}

/// Thousandths of a core as quantities are written: `2`, `1500m`.
fn cores(milli: i64) -> String {
    let milli = milli.max(0);
    if milli % 1000 == 0 { (milli / 1000).to_string() } else { format!("{milli}m") }
}

/// Some names, and how many more.
fn short(names: &[&str]) -> String {
    match names {
        [a, b, c, rest @ ..] if !rest.is_empty() => {
            format!("{a}, {b}, {c} and {} more", rest.len())
        }
        all => all.join(", "),
    }
}

//! The changes that come into question for one refused node: what each plugin would have to find.

use smol_str::format_smolstr;

use super::changes::{Act, Kind, Trial, count};
use super::volumes;
use crate::base::Str;
use crate::model::{Labels, Taint, TaintEffect};
use crate::scheduler::cycle::Cluster;
use crate::scheduler::node::NodeInfo;
use crate::scheduler::plugins::PluginId;
use crate::scheduler::plugins::node_ports::clash;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::terms::{NodeOp, NodeRequirement};

/// The changes to be tried for a node that `plugin` has refused.
pub(super) fn changes(
    cluster: &Cluster,
    pod: &PodInfo,
    node: &NodeInfo,
    plugin: PluginId,
) -> Vec<Trial> {
    match plugin {
        PluginId::NodeUnschedulable => vec![Trial {
            kind: Kind::Uncordon,
            text: format!("remove the cordon of {}", node.name),
            size: 1,
            act: Act::Uncordon(node.slot),
        }],
        PluginId::TaintToleration => taints(pod, node),
        PluginId::NodeAffinity => labels(pod, node),
        PluginId::NodeResourcesFit => room(pod, node),
        PluginId::NodePorts => ports(pod, node),
        PluginId::PodTopologySpread => keys(pod, node),
        PluginId::InterPodAffinity => neighbours(cluster, pod, node),
        _ => volumes::of_node(cluster, pod, node, plugin),
    }
}

fn taints(pod: &PodInfo, node: &NodeInfo) -> Vec<Trial> {
    let tolerated = |t: &Taint| pod.template.tolerations.iter().any(|o| o.tolerates(t));
    let hard = |t: &&Taint| t.effect != TaintEffect::PreferNoSchedule && !tolerated(t);
    let all: Vec<&Taint> = node.taints().iter().filter(hard).collect();
    let [taint] = all[..] else { return Vec::new() };
    let written = match taint.value.as_str() {
        "" => format!("{}:{}", taint.key, taint.effect.as_str()),
        value => format!("{}={value}:{}", taint.key, taint.effect.as_str()),
    };
    vec![
        Trial {
            kind: Kind::Tolerate,
            text: format!("tolerate {written}"),
            size: 1,
            act: Act::Tolerate(taint.clone()),
        },
        Trial {
            kind: Kind::Untaint,
            text: format!("take the taint {written} from {}", node.name),
            size: 2,
            act: Act::Untaint(node.slot, taint.clone()),
        },
    ]
}

/// The one label that would make the node wanted.
fn labels(pod: &PodInfo, node: &NodeInfo) -> Vec<Trial> {
    let wanted = &pod.template.nodes;
    let has = node.labels();
    let selector = wanted.selector.iter().flatten();
    let lacking: Vec<&(Str, Str)> = selector.filter(|(k, v)| has.get(k) != Some(v)).collect();
    let mut out = Vec::new();
    if let [(key, value)] = lacking[..] {
        out.push(label(node, key, Some(value.clone())));
    }
    if lacking.is_empty() {
        for term in wanted.terms.iter().flatten().filter(|t| t.errors.is_empty()) {
            let unmet: Vec<&NodeRequirement> =
                term.labels.iter().filter(|r| !r.matches(has)).collect();
            let named = term.names.iter().all(|(equal, name)| (*name == node.name) == *equal);
            if let ([one], true) = (&unmet[..], named)
                && let Some(value) = would_meet(one)
            {
                out.push(label(node, &one.key, value));
            }
        }
    }
    out
}

/// The value that a label would have to have; `None` within for a label that would have to go.
pub(super) fn would_meet(requirement: &NodeRequirement) -> Option<Option<Str>> {
    Some(match &requirement.op {
        NodeOp::In(values) => Some(values.first()?.clone()),
        NodeOp::Exists => Some(Str::new_static("true")),
        NodeOp::NotIn(_) | NodeOp::DoesNotExist => None,
        NodeOp::Gt(n) => Some(format_smolstr!("{}", n.checked_add(1)?)),
        NodeOp::Lt(n) => Some(format_smolstr!("{}", n.checked_sub(1)?)),
    })
}

pub(super) fn label(node: &NodeInfo, key: &Str, value: Option<Str>) -> Trial {
    let text = match &value {
        Some(value) => format!("label {} {key}={value}", node.name),
        None => format!("take the label {key} from {}", node.name),
    };
    Trial { kind: Kind::Label, text, size: 1, act: Act::Label(node.slot, key.clone(), value) }
}

/// What is short on the node.
fn room(pod: &PodInfo, node: &NodeInfo) -> Vec<Trial> {
    let asked = &pod.template.requests.usage.requested;
    let l = &node.load;
    let short = |want: i64, have: i64, taken: i64| {
        if want > 0 { (want - (have - taken)).max(0) } else { 0 }
    };
    let pods = (l.pods + 1 - l.max_pods).max(0);
    let cpu = short(asked.cpu_milli, l.cpu, l.cpu_requested);
    let memory = short(asked.memory, l.memory, l.memory_requested);
    let storage = short(asked.ephemeral_storage, l.storage, l.storage_requested);
    let mut extended = Vec::new();
    for (name, want) in &asked.extended {
        let of = |map: &std::collections::BTreeMap<Str, i64>| map.get(name).copied().unwrap_or(0);
        let n = short(*want, of(&node.extended), of(&node.extended_requested));
        if n > 0 {
            extended.push((name.clone(), n));
        }
    }
    let beyond = asked.cpu_milli > l.cpu
        || asked.memory > l.memory
        || asked.ephemeral_storage > l.storage
        || extended.iter().any(|(name, _)| {
            asked.extended.get(name) > Some(&node.extended.get(name).copied().unwrap_or(0))
        });
    let mut parts = Vec::new();
    if cpu > 0 {
        parts.push(format!("{cpu}m cpu"));
    }
    if memory > 0 {
        parts.push(format!("{} memory", bytes(memory)));
    }
    if storage > 0 {
        parts.push(format!("{} ephemeral-storage", bytes(storage)));
    }
    parts.extend(extended.iter().map(|(name, n)| format!("{n} {name}")));
    if pods > 0 {
        parts.push(format!("the place of {}", count(pods, "pod")));
    }
    let parts = parts.join(" and ");
    let size = 10 + (cpu / 10).max(memory / (10 << 20)).max(storage / (10 << 20)) + pods;
    let need = Act::Room { slot: node.slot, cpu, memory, storage, pods, extended };
    let (kind, text) = if beyond {
        (Kind::Bigger, format!("give {} {parts} more", node.name))
    } else {
        (Kind::Free, format!("free {parts} on {}", node.name))
    };
    let mut out = vec![Trial { kind, text, size, act: need }];
    if pods == 0
        && (cpu > 0 || memory > 0)
        && asked.cpu_milli > cpu.max(0)
        && asked.memory >= memory
    {
        let mut less = Vec::new();
        if cpu > 0 {
            less.push(format!("cpu to {}m", asked.cpu_milli - cpu));
        }
        if memory > 0 {
            less.push(format!("memory to {}", bytes(asked.memory - memory)));
        }
        out.push(Trial {
            kind: Kind::AskLess,
            text: format!("lower the pod's request of {}", less.join(" and ")),
            size,
            act: Act::AskLess { cpu, memory },
        });
    }
    out
}

/// Bytes as a quantity, rounded up to what reads well.
fn bytes(n: i64) -> String {
    for (unit, size) in [("Gi", 1_i64 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)] {
        if n >= size && n % size == 0 {
            return format!("{}{unit}", n / size);
        }
    }
    if n >= 1 << 20 { format!("{}Mi", n / (1 << 20) + 1) } else { n.to_string() }
}

fn ports(pod: &PodInfo, node: &NodeInfo) -> Vec<Trial> {
    let wanted = &pod.template.ports;
    let holds = |p: &PodInfo| p.template.ports.iter().any(|t| wanted.iter().any(|w| clash(w, t)));
    let holders: Vec<&PodInfo> = node.pods.iter().map(|p| &*p.info).filter(|p| holds(p)).collect();
    let [one] = holders[..] else { return Vec::new() };
    vec![remove(one, node, "which has the host port")]
}

pub(super) fn remove(pod: &PodInfo, node: &NodeInfo, why: &str) -> Trial {
    Trial {
        kind: Kind::Remove,
        text: format!("remove pod/{} from {}, {why}", pod.name(), node.name),
        size: 5,
        act: Act::Remove(pod.uid()),
    }
}

/// Topology keys that the node lacks.
fn keys(pod: &PodInfo, node: &NodeInfo) -> Vec<Trial> {
    let hard = pod.template.spread.iter().flatten().filter(|c| c.hard);
    let lacking: Vec<&Str> =
        hard.map(|c| &c.topology_key).filter(|k| node.labels().get(k).is_none()).collect();
    let [key] = lacking[..] else { return Vec::new() };
    vec![label(node, key, Some(format_smolstr!("{}", node.name)))]
}

/// Pods that keep this one away, and labels that would bring it near others.
fn neighbours(cluster: &Cluster, pod: &PodInfo, node: &NodeInfo) -> Vec<Trial> {
    let own = &pod.template.pods;
    let none = Labels::default();
    let matches = |t: &crate::scheduler::terms::PodTerm, owner: &PodInfo, other: &PodInfo| {
        t.matches(owner.namespace(), other.namespace(), &none, other.labels())
    };
    let same_place = |key: &Str, other: &NodeInfo| {
        let value = node.labels().get(key);
        value.is_some() && value == other.labels().get(key)
    };
    let mut away = Vec::new();
    for other in cluster.snapshot.nodes() {
        for placed in &other.pods {
            let there = &placed.info;
            let from_us = own
                .required_anti
                .iter()
                .any(|t| same_place(&t.topology_key, other) && matches(t, pod, there));
            let from_them = there
                .template
                .pods
                .required_anti
                .iter()
                .any(|t| same_place(&t.topology_key, other) && matches(t, there, pod));
            if (from_us || from_them) && away.len() < 2 {
                away.push((there.clone(), other.name.clone()));
            }
        }
    }
    let mut out = Vec::new();
    if let [(one, on)] = &away[..] {
        let text = format!("remove pod/{} from {on}, which it must not be near", one.name());
        let act = Act::Remove(one.uid());
        out.push(Trial { kind: Kind::Remove, text, size: 5, act });
    }
    let lacking: Vec<&Str> = own
        .required
        .iter()
        .map(|t| &t.topology_key)
        .filter(|k| node.labels().get(k).is_none())
        .collect();
    if let [key] = lacking[..] {
        let term = own.required.iter().find(|t| t.topology_key == *key);
        let near = cluster.snapshot.nodes().iter().find_map(|n| {
            let there = n.pods.iter().any(|p| term.is_some_and(|t| matches(t, pod, &p.info)));
            n.labels().get(key).filter(|_| there).cloned()
        });
        if let Some(value) = near {
            out.push(label(node, key, Some(value)));
        }
    }
    out
}

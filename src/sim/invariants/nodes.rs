//! Pods on nodes: where they are placed, and whether they fit.

use std::collections::BTreeMap;

use super::{Found, LAG, Seen};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Node, Object, Pod, Resources, Uid};
use crate::trace::Change;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    nodes: BTreeMap<Str, OnNode>,
    gone: BTreeMap<Str, SimTime>,
}

#[derive(Debug, Default)]
struct OnNode {
    allocatable: Resources,
    pods: BTreeMap<Uid, Resources>,
    used: Resources,
}

impl Nodes {
    pub(super) fn see(&mut self, seen: Seen<'_>, found: &mut Found) {
        match seen.new {
            Object::Node(node) => self.node(seen, node),
            Object::Pod(pod) => self.pod(seen, pod, found),
            _ => {}
        }
    }

    fn node(&mut self, seen: Seen<'_>, node: &Node) {
        let name = &node.meta.name;
        if seen.change == Change::Deleted {
            self.gone.insert(name.clone(), seen.at);
            self.nodes.remove(name);
            return;
        }
        self.nodes.entry(name.clone()).or_default().allocatable = node.allocatable.clone();
    }

    fn pod(&mut self, seen: Seen<'_>, pod: &Pod, found: &mut Found) {
        let Some(name) = &pod.node else { return };
        let holds = seen.change != Change::Deleted && !pod.is_terminal();
        let Some(node) = self.nodes.get_mut(name) else {
            let was_bound = matches!(seen.old, Some(Object::Pod(old)) if old.node.is_some());
            let just_gone = self.gone.get(name).is_some_and(|at| seen.at < *at + LAG);
            if !was_bound && seen.old.is_some() && !just_gone {
                let text = name.to_string();
                found.say(seen.at, seen.new, "a pod is placed on a node that is there", text);
            }
            return;
        };
        if !holds {
            if let Some(asked) = node.pods.remove(&pod.meta.uid) {
                node.used.sub(&asked);
            }
            return;
        }
        if node.pods.contains_key(&pod.meta.uid) {
            return;
        }
        let mut asked = pod.spec.requests.clone();
        asked.pods = 1;
        node.used.add(&asked);
        node.pods.insert(pod.meta.uid, asked);
        // A pod that names its node itself is judged by the node agent.
        let by_scheduler = matches!(seen.old, Some(Object::Pod(old)) if old.node.is_none());
        if by_scheduler && !fits(&node.used, &node.allocatable) {
            let text = format!("{name}: {:?} of {:?}", node.used, node.allocatable);
            found.say(seen.at, seen.new, "what pods of a node request is there", text);
        }
    }
}

fn fits(used: &Resources, there: &Resources) -> bool {
    let extended =
        |(name, amount): (&Str, &i64)| *amount <= there.extended.get(name).copied().unwrap_or(0);
    used.cpu_milli <= there.cpu_milli
        && used.memory <= there.memory
        && used.ephemeral_storage <= there.ephemeral_storage
        && used.pods <= there.pods
        && used.extended.iter().all(extended)
}

//! Small changes that would let a pod be scheduled, each tried on a copy of the world.
//!
//! For every refused node the plugin that refused it says what it would have had to find; beside them
//! stand changes of the pod alone. What is told was tried: with that one change and nothing else the
//! pod finds a node.

use std::sync::Arc;

use super::volumes::Stored;
use super::{Kept, nearby, volumes};
use crate::base::Str;
use crate::base::digest::mix;
use crate::model::{Taint, Toleration, TolerationOperator, Uid};
use crate::scheduler::compile::Template;
use crate::scheduler::config::Profile;
use crate::scheduler::cycle::{self, Cluster, Outcome, Scratch};
use crate::scheduler::diagnosis::Diagnosis;
use crate::scheduler::plugins::PluginId;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::preemption::{self, Nomination};

/// A change that helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What kind of change it is.
    pub kind: Kind,
    /// The change, in words.
    pub text: String,
    /// Where the pod would go then.
    pub node: Str,
    /// The pods that would be preempted there; empty where none would.
    pub victims: Vec<String>,
}

/// Kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Let a node take pods again.
    Uncordon,
    /// Give the pod a toleration.
    Tolerate,
    /// Set or remove a label of a node.
    Label,
    /// Provide a claim, a volume or a class, or loosen one.
    Storage,
    /// Free something on a node.
    Free,
    /// Let the pod ask for less.
    AskLess,
    /// Loosen a rule of the pod.
    Loosen,
    /// Take a taint from a node.
    Untaint,
    /// Take a pod away.
    Remove,
    /// Give a node more than it has.
    Bigger,
    /// Give the pod a higher priority.
    Priority,
    /// Add a node.
    AddNode,
}

impl Kind {
    /// Its name for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uncordon => "uncordon",
            Self::Tolerate => "tolerate",
            Self::Label => "label",
            Self::Storage => "storage",
            Self::Free => "free",
            Self::AskLess => "askLess",
            Self::Loosen => "loosen",
            Self::Untaint => "untaint",
            Self::Remove => "removePod",
            Self::Bigger => "biggerNode",
            Self::Priority => "priority",
            Self::AddNode => "addNode",
        }
    }
}

/// A change to be tried.
pub(super) struct Trial {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// How large it is; the least comes first among those of its kind.
    pub(super) size: i64,
    pub(super) act: Act,
}

/// What is done to the copy of the world or the pod.
pub(super) enum Act {
    Uncordon(u32),
    Tolerate(Taint),
    Untaint(u32, Taint),
    Label(u32, Str, Option<Str>),
    Room {
        slot: u32,
        cpu: i64,
        memory: i64,
        storage: i64,
        pods: i64,
        extended: Vec<(Str, i64)>,
    },
    AskLess {
        cpu: i64,
        memory: i64,
    },
    Remove(Uid),
    Pod(Box<Template>),
    /// The spread constraint's place, and the skew.
    Skew(usize, i32),
    Priority(i32),
    LikeNode(u32),
    /// These objects stand in the place of those that are there.
    Store(Vec<Stored>),
}

/// At most so many changes are tried: each is a copy of the world and a cycle.
const TRIALS_MAX: usize = 60;
/// So many of one kind are told.
const TOLD_OF_A_KIND: usize = 3;
/// The largest skew that is tried.
const SKEW_MAX: i32 = 100;

/// `2 pods`, `1 pod`.
pub(super) fn count(n: i64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Changes that help, and how many more of the same kinds were not tried.
pub(super) fn find(kept: &Kept, profile: &Profile, diagnosis: &Diagnosis) -> (Vec<Change>, usize) {
    let mut trials = Vec::new();
    let snapshot = &kept.cluster.snapshot;
    for (slot, status) in diagnosis.statuses.iter() {
        if let Some(plugin) = status.plugin {
            let node = snapshot.node(slot);
            trials.extend(nearby::changes(&kept.cluster, &kept.pod, node, plugin));
        }
    }
    trials.extend(of_the_pod(kept, diagnosis));
    if diagnosis.pre_filter.is_some() {
        trials.extend(volumes::of_claims(&kept.cluster, &kept.pod));
    }
    trials.sort_by(|a, b| (a.kind, a.size, &a.text).cmp(&(b.kind, b.size, &b.text)));
    trials.dedup_by(|a, b| a.text == b.text);
    let (mut told, mut more, mut tried): (Vec<Change>, usize, usize) = (Vec::new(), 0, 0);
    let mut raised = Vec::new();
    for trial in trials {
        // Of several degrees of one change the least that helps is told.
        let degree = match &trial.act {
            Act::Skew(i, _) => Some(*i),
            _ => None,
        };
        if degree.is_some_and(|i| raised.contains(&i)) {
            continue;
        }
        let same = told.iter().filter(|c| c.kind == trial.kind).count();
        if same >= TOLD_OF_A_KIND {
            more += 1;
            continue;
        }
        if tried == TRIALS_MAX {
            break;
        }
        tried += 1;
        if let Some((node, victims)) = helps(kept, profile, &trial.act) {
            told.push(Change { kind: trial.kind, text: trial.text, node, victims });
            raised.extend(degree);
        }
    }
    (told, more)
}

/// Changes of the pod itself, and a new node.
fn of_the_pod(kept: &Kept, diagnosis: &Diagnosis) -> Vec<Trial> {
    let template = &*kept.pod.template;
    let mut out = Vec::new();
    let refused_by = |p: PluginId| diagnosis.plugins.contains(p);
    let mut loosen = |text: String, size: i64, change: &dyn Fn(&mut Template)| {
        let mut loose = template.clone();
        change(&mut loose);
        let act = Act::Pod(Box::new(loose));
        out.push(Trial { kind: Kind::Loosen, text, size, act });
    };
    if refused_by(PluginId::NodeAffinity) {
        if template.nodes.selector.is_some() {
            loosen("drop the pod's nodeSelector".to_owned(), 3, &|t| t.nodes.selector = None);
        }
        if template.nodes.terms.is_some() {
            let text = "drop the pod's required node affinity".to_owned();
            loosen(text, 3, &|t| t.nodes.terms = None);
        }
    }
    if refused_by(PluginId::PodTopologySpread) {
        for (i, c) in template.spread.iter().flatten().enumerate().filter(|(_, c)| c.hard) {
            let key = &c.topology_key;
            let text =
                format!("make the spread over {key} soft (whenUnsatisfiable: ScheduleAnyway)");
            loosen(text, 200, &|t| set_spread(t, i, |c| c.hard = false));
        }
    }
    if refused_by(PluginId::InterPodAffinity) {
        if !template.pods.required.is_empty() {
            let text = "make the pod's required pod affinity preferred".to_owned();
            loosen(text, 4, &|t| t.pods.required.clear());
        }
        if !template.pods.required_anti.is_empty() {
            let text = "make the pod's required pod anti-affinity preferred".to_owned();
            loosen(text, 4, &|t| t.pods.required_anti.clear());
        }
    }
    if refused_by(PluginId::PodTopologySpread) {
        for (i, c) in template.spread.iter().flatten().enumerate().filter(|(_, c)| c.hard) {
            out.extend((c.max_skew + 1..SKEW_MAX).take(8).map(|skew| Trial {
                kind: Kind::Loosen,
                text: format!("raise maxSkew of {} to {skew}", c.topology_key),
                size: skew.into(),
                act: Act::Skew(i, skew),
            }));
        }
    }
    out.extend(higher_priority(kept));
    if let Some(node) = kept.cluster.snapshot.nodes().iter().find(|n| n.node.is_some()) {
        let text = format!("add a node like {}", node.name);
        out.push(Trial { kind: Kind::AddNode, text, size: 9, act: Act::LikeNode(node.slot) });
    }
    out
}

fn set_spread(
    template: &mut Template,
    i: usize,
    change: impl Fn(&mut crate::scheduler::compile::Spread),
) {
    if let Some(c) = template.spread.as_mut().and_then(|all| all.get_mut(i)) {
        change(c);
    }
}

/// Priorities just above those of pods that are there.
fn higher_priority(kept: &Kept) -> Vec<Trial> {
    let own = kept.pod.priority();
    let nodes = kept.cluster.snapshot.nodes().iter();
    let there = nodes.flat_map(|n| n.pods.iter().map(|p| p.info.priority()));
    let mut above: Vec<i32> = there.filter(|p| *p >= own).collect();
    above.sort_unstable();
    above.dedup();
    above
        .into_iter()
        .take(4)
        .filter_map(|p| p.checked_add(1))
        .map(|p| Trial {
            kind: Kind::Priority,
            text: format!("give the pod a priority of {p} or more"),
            size: p.into(),
            act: Act::Priority(p),
        })
        .collect()
}

/// Where the pod goes with that change, if it goes anywhere, and whom it preempts there.
fn helps(kept: &Kept, profile: &Profile, act: &Act) -> Option<(Str, Vec<String>)> {
    let mut cluster = kept.cluster.clone();
    let pod = apply(&mut cluster, &kept.pod, act)?;
    let mut scratch = Scratch::default();
    let decision = cycle::schedule(&mut cluster, &kept.config, profile, &pod, &mut scratch, None);
    match decision.outcome {
        Outcome::Node(slot) => Some((cluster.snapshot.node(slot).name.clone(), Vec::new())),
        Outcome::Unfit(diagnosis) if matches!(act, Act::Priority(_)) => {
            let state = &mut scratch.state;
            let post =
                preemption::post_filter(&cluster, profile, &pod, state, &diagnosis, |_| 0, None);
            let Nomination::Node(slot, victims) = post.nomination else { return None };
            let key = |p: &Arc<PodInfo>| format!("{}/{}", p.namespace(), p.name());
            Some((cluster.snapshot.node(slot).name.clone(), victims.iter().map(key).collect()))
        }
        Outcome::Unfit(_) | Outcome::Error(_) => None,
    }
}

/// Changes the copy of the world, and answers with the pod as it is then.
fn apply(cluster: &mut Cluster, pod: &Arc<PodInfo>, act: &Act) -> Option<Arc<PodInfo>> {
    let change_node = |cluster: &mut Cluster, slot: u32, f: &dyn Fn(&mut crate::model::Node)| {
        let mut node = crate::model::Node::clone(cluster.snapshot.node(slot).node.as_ref()?);
        f(&mut node);
        cluster.snapshot.set_node(Arc::new(node));
        Some(())
    };
    let mut template: Template = (*pod.template).clone();
    match act {
        Act::Uncordon(slot) => change_node(cluster, *slot, &|n| {
            n.unschedulable = false;
            let own = crate::scheduler::plugins::node_unschedulable::TAINT;
            n.taints = n.taints.iter().filter(|t| t.key != own).cloned().collect();
        })?,
        Act::Untaint(slot, taint) => change_node(cluster, *slot, &|n| {
            n.taints = n.taints.iter().filter(|t| *t != taint).cloned().collect();
        })?,
        Act::Label(slot, key, value) => change_node(cluster, *slot, &|n| {
            n.meta.labels = match value {
                Some(value) => n.meta.labels.with(key.clone(), value.clone()),
                None => n.meta.labels.without(key),
            };
        })?,
        Act::Room { slot, cpu, memory, storage, pods, extended } => {
            change_node(cluster, *slot, &|n| {
                n.allocatable.cpu_milli += cpu;
                n.allocatable.memory += memory;
                n.allocatable.ephemeral_storage += storage;
                n.allocatable.pods += pods;
                for (name, more) in extended {
                    *n.allocatable.extended.entry(name.clone()).or_insert(0) += more;
                }
            })?;
        }
        Act::LikeNode(slot) => like(cluster, *slot)?,
        Act::Store(objects) => objects.iter().for_each(|o| o.put(&mut cluster.world.storage)),
        Act::Remove(uid) => {
            cluster.snapshot.remove_pod(*uid, &mut cluster.index)?;
        }
        Act::Tolerate(taint) => template.tolerations.push(Toleration {
            key: taint.key.clone(),
            operator: TolerationOperator::Equal,
            value: taint.value.clone(),
            effect: Some(taint.effect),
            seconds: None,
        }),
        Act::AskLess { cpu, memory } => {
            template.requests.usage.requested.cpu_milli -= cpu;
            template.requests.usage.requested.memory -= memory;
        }
        Act::Skew(i, skew) => set_spread(&mut template, *i, |c| c.max_skew = *skew),
        Act::Pod(loose) => template = (**loose).clone(),
        Act::Priority(priority) => template.priority = *priority,
    }
    template.digest = mix(template.digest ^ 1);
    Some(Arc::new(PodInfo {
        pod: pod.pod.clone(),
        template: Arc::new(template),
        resized: pod.resized.clone(),
    }))
}

/// Adds an empty node of the same make: labels of its own name, no taints that stand for trouble.
fn like(cluster: &mut Cluster, slot: u32) -> Option<()> {
    let model = cluster.snapshot.node(slot).node.clone()?;
    let mut node = crate::model::Node::clone(&model);
    node.meta.name = smol_str::format_smolstr!("{}-new", model.meta.name);
    node.meta.labels = node.meta.labels.with("kubernetes.io/hostname", node.meta.name.clone());
    node.unschedulable = false;
    node.taints =
        node.taints.iter().filter(|t| !t.key.starts_with("node.kubernetes.io/")).cloned().collect();
    cluster.snapshot.set_node(Arc::new(node));
    Some(())
}

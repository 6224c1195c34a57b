//! Node selectors and node affinity.
//!
//! Follows `pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go`.

use std::collections::BTreeSet;

use super::{Plugin, PluginId, PreFilter, Prep, View, normalise_by_max};
use crate::base::Str;
use crate::model::{Labels, Node};
use crate::scheduler::news::{Action, Hints, Interest, News, Resource};
use crate::scheduler::node::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::state::{CycleState, Refusal};
use crate::scheduler::terms::{NodeTerm, PreferredNodeTerm};

/// The plugin.
pub struct NodeAffinity;

const REASON: &str = "node(s) didn't match Pod's node affinity/selector";
const CONFLICT: &str = "pod affinity terms conflict";
const ENFORCED: &str = "node(s) didn't match scheduler-enforced node affinity";

impl Plugin for NodeAffinity {
    fn id(&self) -> PluginId {
        PluginId::NodeAffinity
    }

    fn is_local(&self) -> bool {
        true
    }

    fn pre_filter(&self, prep: &mut Prep<'_>, _: &mut CycleState) -> Result<PreFilter, Refusal> {
        let wanted = &prep.pod.template.nodes;
        let pin = prep.pod.pod.made_for.as_ref();
        if wanted.is_any() && pin.is_none() && prep.args.added_affinity.required.is_none() {
            return Ok(PreFilter::Skip);
        }
        if let Some(pin) = pin {
            return Ok(PreFilter::Nodes(vec![pin.clone()]));
        }
        let Some(names) = wanted.terms.as_deref().and_then(names) else {
            return Ok(PreFilter::Go);
        };
        if names.is_empty() {
            return Err(Refusal::unresolvable(Str::new_static(CONFLICT)));
        }
        Ok(PreFilter::Nodes(names.into_iter().collect()))
    }

    fn filter(&self, view: &View<'_>, _: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        let labels = node.labels();
        if let Some(added) = &view.args.added_affinity.required
            && !added.iter().any(|t| t.matches(&node.name, labels))
        {
            return Err(Refusal::unresolvable(Str::new_static(ENFORCED)));
        }
        if wants(view.pod, &node.name, labels) {
            return Ok(());
        }
        Err(Refusal::unresolvable(Str::new_static(REASON)))
    }

    fn pre_score(&self, prep: &mut Prep<'_>, _: &mut CycleState, _: &[u32]) -> Result<bool, Str> {
        match &prep.pod.template.preferred_nodes {
            Some(Err(text)) => Err(text.into()),
            Some(Ok(_)) => Ok(true),
            None => Ok(!prep.args.added_affinity.preferred.is_empty()),
        }
    }

    fn score(&self, view: &View<'_>, _: &CycleState, feasible: &[u32], scores: &mut [i64]) {
        let own = view.pod.template.preferred_nodes.as_ref().and_then(|p| p.as_ref().ok());
        let added = &view.args.added_affinity.preferred;
        let worth = |terms: &[PreferredNodeTerm], node: &NodeInfo| -> i64 {
            let met = |t: &&PreferredNodeTerm| t.term.matches(&node.name, node.labels());
            terms.iter().filter(met).map(|t| t.weight).sum()
        };
        for (slot, score) in feasible.iter().zip(scores) {
            let node = view.snapshot.node(*slot);
            *score = worth(added, node) + own.map_or(0, |own| worth(own, node));
        }
    }

    fn interests(&self) -> &'static [Interest] {
        const NODE: Action = Action::ADD.or(Action::NODE_LABEL);
        &[(Resource::Node, NODE)]
    }

    fn hint(&self, hints: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        let Some((old, Some(new))) = news.nodes() else { return true };
        let wanted = |n: &Node| wants(pod, &n.meta.name, &n.meta.labels);
        let added = hints.args(pod).and_then(|args| args.added_affinity.required.as_ref());
        if let Some(added) = added
            && !added.iter().any(|t| t.matches(&new.meta.name, &new.meta.labels))
        {
            return false;
        }
        wanted(new) && !old.is_some_and(|old| wanted(old))
    }

    fn normalise(&self, _: &CycleState, _: &[u32], scores: &mut [i64]) {
        normalise_by_max(scores, false);
    }
}

/// Whether a pod's node selector and required node affinity want such a node.
pub fn wants(pod: &PodInfo, name: &str, labels: &Labels) -> bool {
    pod.template.nodes.matches(pod.pod.made_for.as_ref(), name, labels)
}

/// The nodes that terms name, if every term names some.
fn names(terms: &[NodeTerm]) -> Option<BTreeSet<Str>> {
    if terms.is_empty() {
        return None;
    }
    let mut union = BTreeSet::new();
    for term in terms {
        let mut lists = term.listed.iter();
        let mut of_term: BTreeSet<Str> = lists.next()?.iter().cloned().collect();
        for list in lists {
            of_term.retain(|name| list.contains(name));
        }
        union.extend(of_term);
    }
    Some(union)
}

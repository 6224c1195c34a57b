//! What is kept of a DaemonSet between syncs: what changes more rarely than its pods.

use std::sync::Arc;

use super::DaemonSetController;
use super::nodes;
use super::plan::{Candidate, Failures};
use super::revisions;
use super::sync::Inputs;
use crate::api::convert;
use crate::controllers::view::View;
use crate::model::{DaemonSet, Key, Kind, Node, Object, Pod, PodTemplate, Uid, Workload, wire};

/// What is kept of a set between syncs.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    set: Uid,
    /// The spec that `template` and `nodes` were computed from.
    pub(super) of: Arc<Workload<wire::apps::DaemonSetSpec>>,
    pub(super) template: PodTemplate,
    /// The revision of the nodes' informer that `nodes` was computed at.
    at: u64,
    nodes: Arc<[Candidate]>,
    /// Failures by node, of this observed generation.
    pub(super) failures: Failures,
    observed_generation: i64,
}

impl DaemonSetController {
    /// What a sync begins with; what does not change from sync to sync is computed once.
    pub(super) fn gather(
        &mut self,
        key: &Key,
        set: &Arc<DaemonSet>,
        satisfied: bool,
        view: &View,
    ) -> Inputs {
        let observed_generation = set.status.observed_generation.unwrap_or(0);
        let kept = self.keep(key, set, view);
        if kept.observed_generation != observed_generation {
            // The back-off is one of the observed generation.
            kept.failures = Failures::default();
            kept.observed_generation = observed_generation;
        }
        let (namespace, uid) = (&set.meta.namespace, set.meta.uid);
        let as_pod = |o: &Object| <&Arc<Pod>>::try_from(o).ok().cloned();
        let orphans = view.orphans(namespace, Kind::Pod).filter_map(as_pod);
        let as_revision = |o: &Object| <&revisions::Stored>::try_from(o).ok().cloned();
        let own = |o: &&Object| o.meta().controller().is_some_and(|c| c.uid == uid);
        let revisions = view
            .owned_by(uid, Kind::ControllerRevision)
            .filter(own)
            .chain(view.orphans(namespace, Kind::ControllerRevision))
            .filter_map(as_revision);
        Inputs {
            set: set.clone(),
            template: kept.template.clone(),
            nodes: kept.nodes.clone(),
            pods: view.pods_of(uid).cloned().chain(orphans).collect(),
            revisions: revisions.collect(),
            failures: kept.failures.clone(),
            satisfied,
        }
    }

    /// The set's template and nodes, computed anew where they have changed.
    fn keep(&mut self, key: &Key, set: &Arc<DaemonSet>, view: &View) -> &mut Kept {
        let at = view.kind(Kind::Node).revision();
        let old = self.kept.remove(key).filter(|k| k.set == set.meta.uid);
        let same_spec = old.as_ref().is_some_and(|k| Arc::ptr_eq(&k.of, &set.spec));
        let (template, failures, observed_generation) = match &old {
            Some(k) if same_spec => (k.template.clone(), k.failures.clone(), k.observed_generation),
            Some(k) => (template_of(set), k.failures.clone(), k.observed_generation),
            None => (template_of(set), Failures::default(), 0),
        };
        let nodes = match old {
            Some(k) if same_spec && k.at == at => k.nodes,
            Some(k) if same_spec => candidates(&template, view, &k.nodes),
            _ => candidates(&template, view, &[]),
        };
        self.kept.entry(key.clone()).or_insert(Kept {
            set: set.meta.uid,
            of: set.spec.clone(),
            template,
            at,
            nodes,
            failures,
            observed_generation,
        })
    }
}

/// The set's template with the daemon tolerations.
pub(super) fn template_of(set: &DaemonSet) -> PodTemplate {
    let mut template = set.spec.wire.template.clone();
    nodes::tolerate(template.spec.get_or_insert_default());
    convert::template_from_wire(template)
}

/// Whether pods of this template should run on a node.
pub(super) fn fit(template: &PodTemplate, node: &Node) -> nodes::Fit {
    nodes::fit(node, template.node.as_ref(), &template.spec.wire, &template.spec.tolerations)
}

/// Every node, and whether pods of this template should run there: as in `old` where nothing about the
/// node has changed that it depends on.
fn candidates(template: &PodTemplate, view: &View, old: &[Candidate]) -> Arc<[Candidate]> {
    let nodes = view.kind(Kind::Node).iter().filter_map(|(_, o)| <&Arc<Node>>::try_from(o).ok());
    let mut next = 0;
    let judge = |node: &Arc<Node>| {
        // Nodes stand in the order of their slots; few come or go between two looks.
        let near = old.get(next..).unwrap_or_default().iter().take(2);
        let found = near.enumerate().find(|(_, (o, _))| o.meta.name == node.meta.name);
        let Some((skipped, (known, fit_before))) = found else {
            return (node.clone(), fit(template, node));
        };
        next += skipped + 1;
        let alike = Arc::ptr_eq(known, node)
            || known.meta.labels == node.meta.labels && known.taints == node.taints;
        (node.clone(), if alike { *fit_before } else { fit(template, node) })
    };
    nodes.map(judge).collect()
}

//! `createNodes`: nodes that are ready at once.
//!
//! Follows test/integration/scheduler_perf/node_util.go and the strategies of test/utils
//! (`LabelNodePrepareStrategy`, `UniqueNodeLabelStrategy`, `NodeAllocatableStrategy`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Ear, Runner};
use crate::scenario::cluster::{self, NodeSpec};
use crate::scenario::scheduler_perf::{Allocatable, NodeLabel, Template, quantities};

/// Names the volume plugins of old whose work drivers do (`k8s.io/api/core/v1`, `MigratedPluginsAnnotationKey`).
const MIGRATED_PLUGINS: &str = "storage.alpha.kubernetes.io/migrated-plugins";

/// What nodes of an op are like.
pub(super) struct Nodes<'a> {
    /// What they are called unless the template says: this and a number.
    pub(super) prefix: &'a str,
    /// What is written of them.
    pub(super) template: Option<&'a Template>,
    /// A label that they get.
    pub(super) label: Option<&'a NodeLabel>,
    /// What they can take besides.
    pub(super) allocatable: Option<&'a Allocatable>,
    /// How many features they declare besides.
    pub(super) features: usize,
}

impl Runner {
    /// Nodes that are ready at once.
    pub(super) fn make_nodes(
        &mut self,
        count: usize,
        nodes: &Nodes<'_>,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        for i in 0..count {
            let written = nodes.template.map(|t| t.object(i, count)).transpose()?;
            let written = written.unwrap_or_default();
            let number = self.perf.nodes;
            self.perf.nodes += 1;
            let spec = nodes.spec(&written, number);
            let mut node = spec.object(number, self.sim.now());
            nodes.complete(&mut node, &written);
            for object in [Some(node), nodes.drivers_of(&spec.name)].into_iter().flatten() {
                cluster::put(&mut self.sim, &object, &mut |fact| ear.hear(fact))
                    .map_err(|e| e.message.clone())?;
            }
        }
        Ok(())
    }
}

impl Nodes<'_> {
    /// What a node is like of which this is written.
    fn spec(&self, written: &Value, number: u32) -> NodeSpec {
        let metadata = &written["metadata"];
        let own = metadata["name"].as_str().map(str::to_owned);
        let prefix = metadata["generateName"].as_str().unwrap_or(self.prefix);
        let mut spec = NodeSpec::worker(own.unwrap_or_else(|| format!("{prefix}{number}")));
        spec.capacity.insert("memory".into(), "32Gi".into());
        spec.capacity.extend(texts(&written["status"]["capacity"]));
        spec.allocatable = texts(&written["status"]["allocatable"]);
        if let Some(more) = self.allocatable {
            if spec.allocatable.is_empty() {
                spec.allocatable = spec.capacity.clone();
            }
            spec.allocatable.extend(more.amounts.clone());
        }
        spec.labels.extend(texts(&metadata["labels"]));
        spec.taints = written["spec"]["taints"].as_array().cloned().unwrap_or_default();
        if let Some(label) = self.label {
            let value = match label.values.len() {
                0 => spec.name.clone(),
                n => label.values[number as usize % n].clone(),
            };
            spec.labels.insert(label.key.clone(), value);
        }
        spec
    }

    /// What a specification of nodes has no place for.
    fn complete(&self, node: &mut Value, written: &Value) {
        if written["spec"]["unschedulable"] == true {
            node["spec"]["unschedulable"] = true.into();
        }
        if let Some(features) = node["status"]["declaredFeatures"].as_array_mut() {
            // They are sorted, behind those that nodes have.
            features.extend((0..self.features).map(|n| format!("SchedulerPerf{n:03}").into()));
        }
    }

    /// What the drivers of volumes say of a node.
    fn drivers_of(&self, node: &str) -> Option<Value> {
        let Allocatable { drivers, migrated, .. } = self.allocatable?;
        let driver = |(name, count): (&String, &Option<u32>)| {
            let mut driver = json!({"name": name, "nodeID": node});
            if let Some(count) = count {
                driver["allocatable"] = json!({"count": count});
            }
            driver
        };
        let drivers: Vec<Value> = drivers.iter().map(driver).collect();
        Some(json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode",
            "metadata": {"name": node, "annotations": {MIGRATED_PLUGINS: migrated.join(",")}},
            "spec": {"drivers": drivers}}))
    }
}

/// The amounts, or labels, under a field; none where there is none.
fn texts(written: &Value) -> BTreeMap<String, String> {
    written.as_object().map(quantities).unwrap_or_default()
}

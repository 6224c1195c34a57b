//! What limits and protects workloads: quotas and disruption budgets.

use serde_json::json;

use super::{Act, Drawing};
use crate::model::{Kind, Ref};

impl Drawing {
    /// Draws what holds for the whole world.
    pub(super) fn policies(&mut self) {
        for target in self.targets.clone() {
            let budgeted = matches!(
                target.kind,
                Kind::Deployment
                    | Kind::ReplicaSet
                    | Kind::StatefulSet
                    | Kind::ReplicationController
            );
            if budgeted && self.chance(350) {
                self.budget(&target);
            }
        }
        if self.chance(150) {
            self.quota();
        }
    }

    fn budget(&mut self, target: &Ref) {
        let name = target.key.name.as_str();
        let mut spec = self.pick(&[
            json!({"minAvailable": 1}),
            json!({"minAvailable": "50%"}),
            json!({"maxUnavailable": 1}),
            json!({"maxUnavailable": "30%"}),
        ]);
        spec["selector"] = json!({"matchLabels": {"app": name}});
        if self.chance(300) {
            spec["unhealthyPodEvictionPolicy"] = "AlwaysAllow".into();
        }
        let at = self.at(0, 20);
        let document = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": name, "namespace": "default"}, "spec": spec});
        self.act(at, Act::Apply(document));
    }

    /// A quota, which goes when the world heals, since what it refuses cannot settle.
    fn quota(&mut self) {
        let pods = 2 + self.below(8);
        let hard = self.pick(&[
            json!({"pods": pods.to_string()}),
            json!({"requests.cpu": format!("{}m", pods * 50)}),
            json!({"count/jobs.batch": "1", "count/pods": (pods + 4).to_string()}),
        ]);
        let at = self.at(0, 40);
        let document = json!({"apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {"name": "quota", "namespace": "default"}, "spec": {"hard": hard}});
        self.act(at, Act::Apply(document));
        let target = Ref::new(Kind::ResourceQuota, "default", "quota");
        self.planned.healing.push(Act::Delete(target, None));
    }
}

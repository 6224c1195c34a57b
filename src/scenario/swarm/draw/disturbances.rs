//! What a seed does to the cluster and its workloads, and what fails meanwhile.

use std::time::Duration;

use serde_json::json;

use super::{Act, Drawing, Fault};
use crate::engine::ComponentId;
use crate::model::{Kind, Ref};
use crate::scenario::cluster::{self, NodeSpec};
use crate::sim::{Callers, Concerns, Verdict};
use crate::store::{ErrorReason, Propagation};

impl Drawing {
    pub(super) fn disturbances(&mut self) {
        let count = self.below(14);
        for number in 0..count {
            let at = self.at(5, 150);
            match self.below(14) {
                0..=2 => {
                    let at_once = self.chance(200);
                    self.act(at, Act::Kill { number, at_once });
                }
                3 | 4 => self.crash(at),
                5 => self.cordon(at),
                6 => self.taint(at),
                7 => self.drain(at),
                8 if self.chance(400) => self.delete_node(at),
                9 if self.chance(300) => self.add_node(at, number),
                _ => self.change(at),
            }
        }
    }

    /// As `kubectl drain`, which tries again every 5 s.
    fn drain(&mut self, at: Duration) {
        let names = self.node_names.clone();
        let name = self.pick(&names);
        let node = Ref::new(Kind::Node, "", name.clone());
        self.act(at, Act::Patch(node.clone(), json!({"spec": {"unschedulable": true}})));
        for round in 0..8 {
            let again = at + Duration::from_millis(10 + 5000 * round);
            self.act(again, Act::EvictAll(name.clone()));
        }
        self.planned.healing.push(Act::Patch(node, json!({"spec": {"unschedulable": null}})));
    }

    fn delete_node(&mut self, at: Duration) {
        let names = self.node_names.clone();
        let name = self.pick(&names);
        self.act(at, Act::Delete(Ref::new(Kind::Node, "", name.clone()), None));
        self.planned.healing.push(Act::StartNode(name));
    }

    fn add_node(&mut self, at: Duration, number: u64) {
        let node = NodeSpec::worker(format!("late-{number}"));
        let index = u32::try_from(100 + number).unwrap_or(u32::MAX);
        let document = node.object(index, self.start);
        self.act(at, Act::AddNode(cluster::registering(document)));
    }

    fn crash(&mut self, at: Duration) {
        let names = self.node_names.clone();
        let node = self.pick(&names);
        self.act(at, Act::StopNode(node.clone()));
        if self.chance(700) {
            let back = at + Duration::from_secs(1 + self.below(120));
            self.act(back, Act::StartNode(node.clone()));
        }
        self.planned.healing.push(Act::StartNode(node));
    }

    fn cordon(&mut self, at: Duration) {
        let names = self.node_names.clone();
        let node = Ref::new(Kind::Node, "", self.pick(&names));
        self.act(at, Act::Patch(node.clone(), json!({"spec": {"unschedulable": true}})));
        self.planned.healing.push(Act::Patch(node, json!({"spec": {"unschedulable": null}})));
    }

    fn taint(&mut self, at: Duration) {
        let names = self.node_names.clone();
        let node = Ref::new(Kind::Node, "", self.pick(&names));
        let effect = self.pick(&["NoExecute", "NoSchedule"]);
        let taints = json!([{"key": "swarm", "effect": effect}]);
        self.act(at, Act::Patch(node.clone(), json!({"spec": {"taints": taints}})));
        self.planned.healing.push(Act::Patch(node, json!({"spec": {"taints": null}})));
    }

    /// Changes what is wanted of a workload.
    fn change(&mut self, at: Duration) {
        let targets = self.targets.clone();
        let target = self.pick(&targets);
        if self.chance(80) {
            let propagation = self.pick(&[
                Some(Propagation::Background),
                Some(Propagation::Foreground),
                Some(Propagation::Background),
                Some(Propagation::Orphan),
            ]);
            return self.act(at, Act::Delete(target, propagation));
        }
        let restart = json!({"spec": {"template": {"metadata": {"annotations":
            {"swarm": format!("{}", at.as_millis())}}}}});
        let scale = json!({"spec": {"replicas": self.below(6)}});
        let patch = match target.kind {
            Kind::Deployment if self.chance(150) => return self.pause(at, target),
            Kind::Deployment if self.chance(150) => return self.break_and_mend(at, target),
            Kind::Deployment | Kind::StatefulSet if self.chance(500) => restart,
            Kind::Deployment
            | Kind::StatefulSet
            | Kind::ReplicaSet
            | Kind::ReplicationController => scale,
            Kind::DaemonSet => restart,
            Kind::Job if self.chance(400) => json!({"spec": {"parallelism": 1 + self.below(4)}}),
            Kind::Job if self.chance(200) => {
                // Refused unless it is indexed and both are equal.
                let size = 1 + self.below(5);
                json!({"spec": {"parallelism": size, "completions": size}})
            }
            Kind::Job | Kind::CronJob => {
                let resume = Act::Patch(target.clone(), json!({"spec": {"suspend": false}}));
                let back = at + Duration::from_secs(self.below(60));
                self.act(back, resume.clone());
                self.planned.healing.push(resume);
                json!({"spec": {"suspend": true}})
            }
            _ => return,
        };
        self.act(at, Act::Patch(target, patch));
    }

    fn pause(&mut self, at: Duration, target: Ref) {
        let set = |paused: bool| json!({"spec": {"paused": paused}});
        let back = at + Duration::from_secs(1 + self.below(60));
        self.act(at, Act::Patch(target.clone(), set(true)));
        self.act(back, Act::Patch(target.clone(), set(false)));
        self.planned.healing.push(Act::Patch(target, set(false)));
    }

    /// Rolls out an image that nobody has, and later another.
    fn break_and_mend(&mut self, at: Duration, target: Ref) {
        let with = |image: &str| {
            json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image,
                "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}}}]}}}})
        };
        let back = at + Duration::from_secs(1 + self.below(90));
        self.act(at, Act::Patch(target.clone(), with("registry.invalid/app:2")));
        self.act(back, Act::Patch(target.clone(), with("redis:7")));
        self.planned.healing.push(Act::Patch(target, with("redis:7")));
    }

    pub(super) fn faults(&mut self) {
        let count = self.below(4);
        for _ in 0..count {
            let begin = self.at(0, 120);
            let end = begin + Duration::from_secs(5 + self.below(60));
            let (of, verdict) = self.pick(&[
                (Concerns::Updates, Verdict::Fail(ErrorReason::Conflict)),
                (Concerns::Updates, Verdict::Fail(ErrorReason::InternalError)),
                (Concerns::Creates, Verdict::Fail(ErrorReason::InternalError)),
                (Concerns::Deletes, Verdict::Fail(ErrorReason::TooManyRequests)),
                (Concerns::All, Verdict::Delay(Duration::from_millis(300))),
                (Concerns::Kind(Kind::Pod), Verdict::Delay(Duration::from_secs(1))),
            ]);
            let from = self.pick(&[
                Callers::Components,
                Callers::One(ComponentId::Controllers),
                Callers::One(ComponentId::Controllers),
                Callers::One(ComponentId::Scheduler),
            ]);
            let permille = u32::try_from(50 + self.below(400)).unwrap_or(50);
            self.planned.faults.push(Fault { begin, end, from, of, permille, verdict });
        }
    }
}

//! What a seed draws: nodes, workloads, what is done to them, and what fails meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::rng::{Rng, Stream};
use crate::base::time::SimTime;
use crate::engine::{ComponentId, Latency};
use crate::model::{Kind, Ref};
use crate::scenario::cluster::NodeSpec;
use crate::sim::{Concerns, FaultRule, Verdict};
use crate::store::{ErrorReason, Propagation};

/// What is done to the cluster.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// An object is created.
    Apply(Value),
    /// An object is patched.
    Patch(Ref, Value),
    /// An object is deleted.
    Delete(Ref, Option<Propagation>),
    /// One of the pods that there are is deleted, with its grace or without.
    Kill { number: u64, at_once: bool },
    /// A node crashes.
    StopNode(String),
    /// A node boots.
    StartNode(String),
}

/// A rule of faults, its times counted from the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) begin: Duration,
    pub(super) end: Duration,
    from: Option<ComponentId>,
    of: Concerns,
    permille: u32,
    verdict: Verdict,
}

impl Fault {
    pub(super) const fn at(&self, begin: SimTime, end: SimTime) -> FaultRule {
        let Self { from, of, permille, verdict, .. } = *self;
        FaultRule { from, of, begin, end, permille, verdict }
    }
}

/// The world of a seed.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) latency: Latency,
    pub(super) nodes: Vec<Value>,
    pub(super) faults: Vec<Fault>,
    /// What is done, in the order of time since the start.
    pub(super) acts: Vec<(Duration, Act)>,
    /// When the first phase ends.
    pub(super) length: Duration,
    /// What heals.
    pub(super) healing: Vec<Act>,
    /// Workloads that cannot settle.
    pub(super) stuck: BTreeSet<Ref>,
}

/// Draws the world of a seed.
pub(super) fn plan(seed: u64) -> Planned {
    let rng = Rng::new(seed);
    let mut d = Drawing {
        draw: rng.stream("swarm", "plan"),
        planned: Planned {
            latency: Latency::default(),
            nodes: Vec::new(),
            faults: Vec::new(),
            acts: Vec::new(),
            length: Duration::from_secs(60),
            healing: Vec::new(),
            stuck: BTreeSet::new(),
        },
        targets: Vec::new(),
        node_names: Vec::new(),
    };
    d.cluster();
    let count = 1 + d.below(4);
    for i in 0..count {
        d.workload(i);
    }
    d.disturbances();
    d.faults();
    d.planned.acts.sort_by_key(|(at, _)| *at);
    let last = d.planned.acts.last().map_or(Duration::ZERO, |(at, _)| *at);
    d.planned.length = last + Duration::from_secs(d.below(60));
    d.planned
}

struct Drawing {
    draw: Stream,
    planned: Planned,
    targets: Vec<Ref>,
    node_names: Vec<String>,
}

impl Drawing {
    fn below(&mut self, n: u64) -> u64 {
        self.draw.below(n)
    }

    fn chance(&mut self, permille: u64) -> bool {
        self.draw.below(1000) < permille
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        let count = u64::try_from(of.len()).unwrap_or(1);
        let i = self.draw.below(count);
        of[usize::try_from(i).unwrap_or(0)].clone()
    }

    fn at(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from * 1000 + self.below((to - from) * 1000))
    }

    fn act(&mut self, at: Duration, act: Act) {
        self.planned.acts.push((at, act));
    }

    fn cluster(&mut self) {
        let count = 1 + self.below(4);
        for i in 0..count {
            let mut node = NodeSpec::worker(format!("node-{}", i + 1));
            let zone = self.pick(&["zone-a", "zone-b", ""]);
            if !zone.is_empty() {
                node.labels.insert("topology.kubernetes.io/zone".to_owned(), zone.to_owned());
            }
            let index = u32::try_from(i).unwrap_or(0);
            self.planned.nodes.push(node.object(index, SimTime::from_secs(1_767_225_600)));
            self.node_names.push(node.name);
        }
        if self.chance(300) {
            self.planned.latency.image_pull = Duration::from_secs(self.below(20));
        }
        if self.chance(200) {
            self.planned.latency.watch = Duration::from_millis(self.below(200));
        }
    }

    /// A pod's spec; `ends` after how long its command ends, and how.
    fn pod_spec(&mut self, ends: Option<(u64, u64)>) -> Value {
        let mut container = json!({"name": "main", "image": "nginx:1.27",
            "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}}});
        if let Some((seconds, code)) = ends {
            container["image"] = "busybox:1.36".into();
            let script = format!("sleep {seconds}; exit {code}");
            container["command"] = json!(["sh", "-c", script]);
        } else {
            container["image"] = self.pick(&["nginx:1.27", "nginx", "redis:7"]).into();
            if container["image"] != "redis:7" && self.chance(500) {
                let period = 1 + self.below(5);
                container["readinessProbe"] =
                    json!({"httpGet": {"path": "/", "port": 80}, "periodSeconds": period});
            }
            if self.chance(100) {
                container["lifecycle"] = json!({"preStop": {"exec": {"command": ["sleep", "3"]}}});
            }
        }
        let grace = self.pick(&[30, 5, 1]);
        let mut spec = json!({"containers": [container], "terminationGracePeriodSeconds": grace});
        if self.chance(150) {
            spec["initContainers"] = json!([{"name": "first", "image": "busybox:1.36",
                "command": ["sh", "-c", "sleep 2"]}]);
        }
        if self.chance(200) {
            let seconds = self.below(40);
            let taint = |key: &str| {
                json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists",
                    "effect": "NoExecute", "tolerationSeconds": seconds})
            };
            spec["tolerations"] = json!([taint("not-ready"), taint("unreachable")]);
        }
        spec
    }

    fn workload(&mut self, i: u64) {
        match self.below(8) {
            0 | 1 => self.deployment(i),
            2 => self.stateful_set(i),
            3 => self.daemon_set(i),
            4 | 5 => self.job(i),
            6 => self.cron_job(i),
            _ => self.replica_set(i),
        }
    }

    fn new(&mut self, kind: Kind, name: &str, spec: &Value) -> Ref {
        let at = self.at(0, 10);
        let document = json!({"apiVersion": kind.api_version(), "kind": kind.as_str(),
            "metadata": {"name": name, "namespace": "default"}, "spec": spec});
        self.act(at, Act::Apply(document));
        let target = Ref::new(kind, "default", name);
        self.targets.push(target.clone());
        target
    }

    fn service(&mut self, name: &str, headless: bool) {
        let mut spec = json!({"selector": {"app": name}, "ports": [{"port": 80}]});
        if headless {
            spec["clusterIP"] = "None".into();
        }
        let at = self.at(0, 20);
        let document = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "default"}, "spec": spec});
        self.act(at, Act::Apply(document));
    }

    fn of(name: &str, template: &Value, more: &Value) -> Value {
        let mut spec = json!({"selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": template}});
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        spec
    }

    fn deployment(&mut self, i: u64) {
        let name = format!("deploy-{i}");
        let mut template = self.pod_spec(None);
        let stuck = self.chance(80);
        if stuck {
            template["containers"][0]["image"] = "registry.invalid/app:1".into();
        }
        let (surge, unavailable) =
            self.pick(&[("25%", "25%"), ("1", "0"), ("0", "1"), ("100%", "50%")]);
        let amount = |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), |n| json!(n));
        let strategy = if self.chance(150) {
            json!({"type": "Recreate"})
        } else {
            json!({"type": "RollingUpdate", "rollingUpdate":
                {"maxSurge": amount(surge), "maxUnavailable": amount(unavailable)}})
        };
        let more = json!({"replicas": self.below(5), "strategy": strategy,
            "minReadySeconds": self.pick(&[0, 0, 5])});
        let target = self.new(Kind::Deployment, &name, &Self::of(&name, &template, &more));
        if stuck {
            self.planned.stuck.insert(target);
        } else if self.chance(500) {
            self.service(&name, false);
        }
    }

    fn replica_set(&mut self, i: u64) {
        let name = format!("set-{i}");
        let template = self.pod_spec(None);
        let more = json!({"replicas": self.below(5)});
        self.new(Kind::ReplicaSet, &name, &Self::of(&name, &template, &more));
    }

    fn stateful_set(&mut self, i: u64) {
        let name = format!("stateful-{i}");
        let template = self.pod_spec(None);
        let mut more = json!({"replicas": self.below(4), "serviceName": name,
            "podManagementPolicy": self.pick(&["OrderedReady", "OrderedReady", "Parallel"])});
        if self.chance(300) {
            more["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
        }
        self.service(&name, true);
        self.new(Kind::StatefulSet, &name, &Self::of(&name, &template, &more));
    }

    fn daemon_set(&mut self, i: u64) {
        let name = format!("daemon-{i}");
        let template = self.pod_spec(None);
        let rolling =
            self.pick(&[json!({"maxUnavailable": 1}), json!({"maxSurge": 1, "maxUnavailable": 0})]);
        let more = json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}});
        self.new(Kind::DaemonSet, &name, &Self::of(&name, &template, &more));
    }

    fn job_spec(&mut self) -> Value {
        let code = u64::from(self.chance(200));
        let seconds = 1 + self.below(30);
        let mut template = self.pod_spec(Some((seconds, code)));
        let policy = self.pick(&["Never", "OnFailure"]);
        template["restartPolicy"] = policy.into();
        let completions = 1 + self.below(5);
        let mut spec = json!({"template": {"spec": template}, "completions": completions,
            "parallelism": 1 + self.below(3), "backoffLimit": self.below(4)});
        if self.chance(400) {
            spec["completionMode"] = "Indexed".into();
            if policy == "Never" && self.chance(300) {
                spec["backoffLimitPerIndex"] = 1.into();
            }
        }
        if policy == "Never" && self.chance(200) {
            spec["podReplacementPolicy"] = "Failed".into();
        }
        spec
    }

    fn job(&mut self, i: u64) {
        let spec = self.job_spec();
        self.new(Kind::Job, &format!("job-{i}"), &spec);
    }

    fn cron_job(&mut self, i: u64) {
        let mut job = self.job_spec();
        job["completions"] = 1.into();
        job["parallelism"] = 1.into();
        let spec = json!({"schedule": "* * * * *", "jobTemplate": {"spec": job},
            "concurrencyPolicy": self.pick(&["Allow", "Forbid", "Replace"])});
        self.new(Kind::CronJob, &format!("cron-{i}"), &spec);
    }

    fn disturbances(&mut self) {
        let count = self.below(14);
        for number in 0..count {
            let at = self.at(5, 150);
            match self.below(10) {
                0..=2 => {
                    let at_once = self.chance(200);
                    self.act(at, Act::Kill { number, at_once });
                }
                3 | 4 => self.crash(at),
                5 => self.cordon(at),
                6 => self.taint(at),
                _ => self.change(at),
            }
        }
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
            Kind::Deployment | Kind::StatefulSet if self.chance(500) => restart,
            Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet => scale,
            Kind::DaemonSet => restart,
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

    fn faults(&mut self) {
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
                None,
                Some(ComponentId::Controllers),
                Some(ComponentId::Controllers),
                Some(ComponentId::Scheduler),
            ]);
            let permille = u32::try_from(50 + self.below(400)).unwrap_or(50);
            self.planned.faults.push(Fault { begin, end, from, of, permille, verdict });
        }
    }
}

impl Planned {
    /// What was drawn, line by line.
    pub(super) fn described(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{} nodes, pulls of {:?}, watch {:?}",
            self.nodes.len(),
            self.latency.image_pull,
            self.latency.watch
        )];
        for fault in &self.faults {
            lines.push(format!(
                "{:?}..{:?}: {:?} of {:?} of {:?}, {} in 1000",
                fault.begin, fault.end, fault.verdict, fault.of, fault.from, fault.permille
            ));
        }
        lines.extend(self.acts.iter().map(|(at, act)| format!("{at:?} {}", act.described())));
        lines.extend(self.healing.iter().map(|act| format!("heal {}", act.described())));
        lines
    }
}

impl Act {
    fn described(&self) -> String {
        match self {
            Self::Apply(document) => format!("apply {document}"),
            Self::Patch(target, patch) => format!("patch {target} {patch}"),
            Self::Delete(target, how) => format!("delete {target} {how:?}"),
            Self::Kill { number, at_once } => format!("kill a pod ({number}, {at_once})"),
            Self::StopNode(node) => format!("stop {node}"),
            Self::StartNode(node) => format!("start {node}"),
        }
    }
}

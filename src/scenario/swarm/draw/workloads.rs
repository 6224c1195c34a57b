//! What workloads a seed draws.

use serde_json::{Value, json};

use super::{Act, Drawing};
use crate::model::{Kind, Ref};

impl Drawing {
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

    pub(super) fn workload(&mut self, i: u64) {
        match self.below(17) {
            0..=4 => self.deployment(i),
            5..=7 => self.stateful_set(i),
            8 | 9 if !self.crowded => self.daemon_set(i),
            10..=13 => self.job(i),
            14 => self.cron_job(i),
            15 => self.replication_controller(i),
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
        let mut spec = Self::of(&name, &template, &more);
        if self.chance(200) {
            spec["progressDeadlineSeconds"] = 20.into();
        }
        if self.chance(200) {
            spec["revisionHistoryLimit"] = self.below(2).into();
        }
        let load =
            self.pick(&["", "", "5m", "40m", "total 140m", "total 0s=20m 60s=300m 150s=20m"]);
        if !load.is_empty() {
            spec["template"]["metadata"]["annotations"] = json!({"wavetank.dev/load.cpu": load});
        }
        let target = self.new(Kind::Deployment, &name, &spec);
        if !load.is_empty() && !stuck {
            self.autoscaler(&target);
        }
        if !stuck && self.chance(500) {
            self.service(&name, false);
        }
    }

    fn autoscaler(&mut self, target: &Ref) {
        let at = self.at(0, 60);
        let least = 1 + self.below(2);
        let mut spec = json!({"minReplicas": least, "maxReplicas": least + 1 + self.below(4),
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": target.kind.as_str(),
                "name": target.key.name.as_str()},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 50}}}]});
        if self.chance(500) {
            let seconds = self.below(90);
            spec["behavior"] = json!({"scaleDown": {"stabilizationWindowSeconds": seconds}});
        }
        let document = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": target.key.name.as_str(), "namespace": "default"}, "spec": spec});
        self.act(at, Act::Apply(document));
    }

    fn replication_controller(&mut self, i: u64) {
        let name = format!("controller-{i}");
        let template = self.pod_spec(None);
        let spec = json!({"replicas": self.below(5), "selector": {"app": name},
            "template": {"metadata": {"labels": {"app": name}}, "spec": template}});
        self.new(Kind::ReplicationController, &name, &spec);
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
        if self.chance(200) {
            more["ordinals"] = json!({"start": 1 + self.below(3)});
        }
        if self.chance(200) {
            more["minReadySeconds"] = 4.into();
        }
        if self.chance(300) {
            more["persistentVolumeClaimRetentionPolicy"] =
                json!({"whenScaled": "Delete", "whenDeleted": self.pick(&["Delete", "Retain"])});
        }
        more["updateStrategy"] = match self.below(6) {
            0 => json!({"type": "OnDelete"}),
            1 => json!({"type": "RollingUpdate", "rollingUpdate": {"partition": self.below(3)}}),
            _ => json!({"type": "RollingUpdate"}),
        };
        self.service(&name, true);
        self.new(Kind::StatefulSet, &name, &Self::of(&name, &template, &more));
    }

    fn daemon_set(&mut self, i: u64) {
        let name = format!("daemon-{i}");
        let template = self.pod_spec(None);
        let rolling = self.pick(&[
            json!({"maxUnavailable": 1}),
            json!({"maxUnavailable": "50%"}),
            json!({"maxSurge": 1, "maxUnavailable": 0}),
            json!({"maxSurge": "60%", "maxUnavailable": 0}),
        ]);
        let strategy = if self.chance(150) {
            json!({"type": "OnDelete"})
        } else {
            json!({"type": "RollingUpdate", "rollingUpdate": rolling})
        };
        let more = json!({"updateStrategy": strategy, "minReadySeconds": self.pick(&[0, 0, 3])});
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
        self.job_rules(&mut spec);
        spec
    }

    /// The rarer rules of a Job.
    fn job_rules(&mut self, spec: &mut Value) {
        let indexed = spec["completionMode"] == "Indexed";
        let never = spec["template"]["spec"]["restartPolicy"] == "Never";
        if !spec["backoffLimitPerIndex"].is_null() && self.chance(300) {
            spec["maxFailedIndexes"] = self.below(3).into();
        }
        if indexed && self.chance(200) {
            spec["successPolicy"] = json!({"rules": [{"succeededCount": 1}]});
        }
        if !indexed && self.chance(200) {
            // A work queue: any success ends it.
            spec["completions"] = Value::Null;
        }
        if never && self.chance(250) {
            let action = self.pick(&["FailJob", "Count"]);
            let mut rules = vec![json!({"action": action,
                "onExitCodes": {"operator": "In", "values": [1]}})];
            if self.chance(500) {
                rules.insert(
                    0,
                    json!({"action": "Ignore", "onPodConditions":
                    [{"type": "DisruptionTarget", "status": "True"}]}),
                );
            }
            spec["podFailurePolicy"] = json!({"rules": rules});
            spec["podReplacementPolicy"] = "Failed".into();
        }
        if self.chance(100) {
            spec["activeDeadlineSeconds"] = (20 + self.below(60)).into();
        }
        if self.chance(150) {
            spec["ttlSecondsAfterFinished"] = self.below(40).into();
        }
    }

    fn job(&mut self, i: u64) {
        let mut spec = self.job_spec();
        let suspended = self.chance(100);
        if suspended {
            spec["suspend"] = true.into();
        }
        let target = self.new(Kind::Job, &format!("job-{i}"), &spec);
        if suspended {
            let at = self.at(10, 60);
            self.act(at, Act::Patch(target.clone(), json!({"spec": {"suspend": false}})));
            self.planned.healing.push(Act::Patch(target, json!({"spec": {"suspend": false}})));
        }
    }

    fn cron_job(&mut self, i: u64) {
        let mut job = self.job_spec();
        job["completions"] = 1.into();
        job["parallelism"] = 1.into();
        let mut spec = json!({"schedule": "* * * * *", "jobTemplate": {"spec": job},
            "concurrencyPolicy": self.pick(&["Allow", "Forbid", "Replace"])});
        if self.chance(200) {
            spec["startingDeadlineSeconds"] = (5 + self.below(100)).into();
        }
        if self.chance(200) {
            spec["successfulJobsHistoryLimit"] = self.below(3).into();
            spec["failedJobsHistoryLimit"] = self.below(2).into();
        }
        self.new(Kind::CronJob, &format!("cron-{i}"), &spec);
    }
}

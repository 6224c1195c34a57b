//! Why a workload does not have what it wants: itself, its pods, or a refusal.

use serde_json::{Value, json};

use super::fix::{Change, Edit};
use super::look::Look;
use super::{Code, Fix, Reason};
use crate::model::{Kind, Meta, Object, Phase, Pod, Ref};
use crate::report::timeline::name;

/// So many pods of one workload are followed.
const PODS: usize = 20;

impl Look<'_> {
    /// Why a workload does not get on.
    pub(super) fn workload(&self, object: &Object) -> Vec<Reason> {
        let of = object.reference();
        let wire = self.wire(object);
        let spec = &wire["spec"];
        if spec["paused"] == true {
            return vec![self.switched(
                Code::Paused,
                &of,
                "is paused: nothing of a new version is rolled out",
                "/spec/paused",
            )];
        }
        if spec["suspend"] == true {
            let text = "is suspended (spec.suspend)";
            return vec![self.switched(Code::Suspended, &of, text, "/spec/suspend")];
        }
        let mut reasons = self.refused_pods(object.meta());
        reasons.extend(match object {
            Object::Deployment(_) => self.below(object.meta(), Kind::ReplicaSet),
            Object::CronJob(_) => self.below(object.meta(), Kind::Job),
            Object::Job(_) => self.job(object, &wire),
            _ => self.waits_for_pods(object.meta()),
        });
        if let Object::StatefulSet(_) = object {
            let broken =
                self.pods_of(object.meta()).into_iter().find_map(|p| self.broken(p, &wire));
            // It is held up by that pod alone, whatever else holds for it.
            if let Some(reason) = broken {
                return vec![reason];
            }
        }
        reasons
    }

    /// Something that is switched off in a manifest.
    fn switched(&self, code: Code, of: &Ref, is: &str, path: &str) -> Reason {
        let text = format!("{} {is}", name(of));
        let off = path.rsplit('/').next().unwrap_or_default();
        let edits =
            vec![Edit::Manifest { object: of.clone(), changes: vec![Change::set(path, false)] }];
        let line = match code {
            Code::Paused => {
                format!("rollout resume deployment/{} -n {}", of.key.name, of.key.namespace)
            }
            _ => format!(
                "patch {} {} -n {} -p '{{\"spec\":{{\"suspend\":false}}}}'",
                of.kind.as_str().to_ascii_lowercase(),
                of.key.name,
                of.key.namespace
            ),
        };
        let written = Fix::new(format!("set spec.{off} to false in {}", name(of)), edits);
        let later = Fix::new(format!("kubectl {line}"), vec![Edit::Kubectl(line)]);
        Self::root(code, of.clone(), text, vec![written, later])
    }

    /// What a workload waits for of the workloads that it manages.
    fn below(&self, owner: &Meta, kind: Kind) -> Vec<Reason> {
        let mut below: Vec<&Object> = self
            .store
            .list(kind)
            .filter(|o| o.meta().controller().is_some_and(|c| c.uid == owner.uid))
            .filter(|o| self.is_behind(o))
            .collect();
        // The newest first: an older one that is on its way out waits for it.
        below.sort_by_key(|o| (std::cmp::Reverse(o.meta().created), o.meta().name.clone()));
        let waits = below.into_iter().map(|o| Reason::WaitsFor {
            object: o.reference(),
            why: "to have its pods ready".to_owned(),
        });
        waits.collect()
    }

    /// Whether a managed workload does not have what it wants.
    fn is_behind(&self, object: &Object) -> bool {
        match object {
            Object::ReplicaSet(r) => {
                r.spec.wire.replicas.unwrap_or(1) > r.status.available_replicas.unwrap_or(0)
            }
            Object::Job(job) => !job.status.is_true("Complete"),
            _ => false,
        }
    }

    /// What a workload waits for of its pods.
    fn waits_for_pods(&self, owner: &Meta) -> Vec<Reason> {
        let waiting = |p: &&&std::sync::Arc<Pod>| !p.is_ready() || p.meta.is_terminating();
        let pods = self.pods_of(owner);
        let waits = pods.iter().filter(waiting).take(PODS).map(|p| Reason::WaitsFor {
            object: Ref { kind: Kind::Pod, key: p.meta.key() },
            why: "to be ready".to_owned(),
        });
        waits.collect()
    }

    fn job(&self, object: &Object, wire: &Value) -> Vec<Reason> {
        let pods = self.pods_of(object.meta());
        let of = object.reference();
        let conditions = wire["status"]["conditions"].as_array();
        let failed = conditions
            .into_iter()
            .flatten()
            .find(|c| c["type"] == "Failed" && c["status"] == "True");
        if failed.is_some_and(|c| c["reason"] == "DeadlineExceeded") {
            let seconds = wire["spec"]["activeDeadlineSeconds"].as_u64().unwrap_or(0);
            let text =
                format!("{} was not done after {seconds}s (spec.activeDeadlineSeconds)", name(&of));
            let path = match self.top(object.meta(), Kind::Job) {
                Ref { kind: Kind::CronJob, .. } => "/spec/jobTemplate/spec/activeDeadlineSeconds",
                _ => "/spec/activeDeadlineSeconds",
            };
            let at = self.top(object.meta(), Kind::Job);
            let longer = |times: u64| {
                let changes = vec![Change::set(path, json!(seconds.saturating_mul(times)))];
                let edits = vec![Edit::Manifest { object: at.clone(), changes }];
                Fix::new(format!("allow {}s", seconds.saturating_mul(times)), edits)
            };
            return vec![Self::root(Code::Deadline, at.clone(), text, vec![longer(2), longer(10)])];
        }
        let ended = pods.iter().rfind(|p| p.status.phase == Phase::Failed);
        if let Some(pod) = ended.filter(|_| failed.is_some()) {
            return self.failed_pod(pod);
        }
        let waiting = pods.iter().filter(|p| !p.status.phase.is_terminal()).take(PODS);
        let waits: Vec<Reason> = waiting
            .map(|p| Reason::WaitsFor {
                object: Ref { kind: Kind::Pod, key: p.meta.key() },
                why: "to end".to_owned(),
            })
            .collect();
        if waits.is_empty() {
            // Pods are gone with the Job's failure; the last one that failed tells why.
            return pods
                .iter()
                .rev()
                .find(|p| p.status.phase == Phase::Failed)
                .map_or_else(Vec::new, |p| self.failed_pod(p));
        }
        waits
    }

    /// A pod of a StatefulSet that broke in an earlier revision: the controller waits for it for ever.
    fn broken(&self, pod: &Pod, set: &Value) -> Option<Reason> {
        let own = pod.meta.labels.get("controller-revision-hash")?;
        let wanted = set["status"]["updateRevision"].as_str()?;
        let rolls = set["spec"]["updateStrategy"]["type"] != "OnDelete";
        if pod.is_ready() || own == wanted || !rolls || pod.meta.is_terminating() {
            return None;
        }
        let of = Ref { kind: Kind::Pod, key: pod.meta.key() };
        let text = format!(
            "{} is broken and of an earlier revision, {own}: it is not replaced before it is ready, which it never is",
            name(&of)
        );
        let line = format!("delete pod {} -n {}", pod.meta.name, pod.meta.namespace);
        let fix = Fix::new(format!("kubectl {line}"), vec![Edit::Kubectl(line)]);
        Some(Self::root(Code::BrokenRevision, of, text, vec![fix]))
    }
}

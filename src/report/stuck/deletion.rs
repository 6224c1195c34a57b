//! Objects that are being deleted and do not go.

use serde_json::json;

use super::fix::Edit;
use super::look::Look;
use super::{Code, Fix, Reason};
use crate::model::{Kind, Meta, Object, Pod, Ref, finalizers};
use crate::report::timeline::name;

impl Look<'_> {
    /// Why an object that is being deleted is still there.
    pub(super) fn going(&self, object: &Object) -> Vec<Reason> {
        let of = object.reference();
        if of.kind == Kind::Namespace {
            let inside = self.held_in(&of.key.name);
            if !inside.is_empty() {
                return inside;
            }
        }
        if object.meta().finalizers.iter().any(|f| f == finalizers::PVC_PROTECTION) {
            let uses = |p: &&std::sync::Arc<Pod>| {
                let spec = self.pod_spec(p);
                let volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
                p.meta.namespace == of.key.namespace
                    && volumes
                        .iter()
                        .any(|v| v["persistentVolumeClaim"]["claimName"] == of.key.name.as_str())
            };
            if let Some(pod) = self.pods().find(uses) {
                let user = self.source(pod).object;
                let text = format!("{} is to be deleted, and {} uses it", name(&of), name(&user));
                let line = format!(
                    "delete {} {} -n {} --wait=false",
                    user.kind.as_str().to_ascii_lowercase(),
                    user.key.name,
                    user.key.namespace
                );
                let fix = Fix::new(format!("kubectl {line}"), vec![Edit::Kubectl(line)]);
                return vec![Self::root(Code::Finalizer, of, text, vec![fix])];
            }
        }
        if object.meta().finalizers.iter().any(|f| f == finalizers::FOREGROUND) {
            let below = self.dependents(object.meta());
            if !below.is_empty() {
                return below;
            }
        }
        vec![self.held(&of, object.meta())]
    }

    /// Why a pod that is being deleted is still there.
    pub(super) fn going_pod(&self, pod: &Pod) -> Vec<Reason> {
        if let Some(node) = self.node_of(pod).filter(|n| n.lease_stopped.is_some()) {
            return vec![self.node_down(node)];
        }
        let of = Ref { kind: Kind::Pod, key: pod.meta.key() };
        if pod.meta.finalizers.is_empty() {
            return Vec::new();
        }
        vec![self.held(&of, &pod.meta)]
    }

    /// What in a namespace that is being deleted does not go.
    fn held_in(&self, namespace: &str) -> Vec<Reason> {
        let all = Kind::ALL.iter().flat_map(|k| self.here(*k, namespace));
        let stays = all.filter(|o| o.meta().is_terminating());
        let waits =
            stays.map(|o| Reason::WaitsFor { object: o.reference(), why: "to be gone".to_owned() });
        waits.take(5).collect()
    }

    /// What an object that is deleted in the foreground waits for.
    fn dependents(&self, owner: &Meta) -> Vec<Reason> {
        let owned = |o: &&Object| {
            o.meta().owners.iter().any(|r| r.uid == owner.uid && r.block_owner_deletion)
        };
        let all = Kind::ALL.iter().flat_map(|k| self.store.list(*k)).filter(owned);
        let mut all: Vec<Ref> = all.map(Object::reference).collect();
        all.sort();
        all.into_iter()
            .take(5)
            .map(|object| Reason::WaitsFor { object, why: "to be gone".to_owned() })
            .collect()
    }

    fn held(&self, of: &Ref, meta: &Meta) -> Reason {
        let held: Vec<&str> = meta.finalizers.iter().map(smol_str::SmolStr::as_str).collect();
        let text = match held.is_empty() {
            true => format!(
                "{} is being deleted{}",
                name(of),
                self.told
                    .waits_for(meta.uid)
                    .map_or(String::new(), |on| format!(" and waits for {on}"))
            ),
            false => format!(
                "{} is to be deleted, and nobody removes its finalizer {}",
                name(of),
                held.join(", ")
            ),
        };
        let mut fixes = Vec::new();
        if !held.is_empty() {
            let patch = json!({"metadata": {"finalizers": null}});
            let of_namespace = if of.kind.namespaced() {
                format!(" -n {}", of.key.namespace)
            } else {
                String::new()
            };
            let line = format!(
                "patch {} {}{of_namespace} --type=merge -p '{patch}'",
                of.kind.as_str().to_ascii_lowercase(),
                of.key.name
            );
            fixes.push(Fix::new(format!("kubectl {line}"), vec![Edit::Kubectl(line)]));
        }
        Self::root(Code::Finalizer, of.clone(), text, fixes)
    }
}

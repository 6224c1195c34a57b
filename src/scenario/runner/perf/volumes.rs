//! Volumes of `createPods`: each pod has one of its own, which is bound before the pod is created.
//!
//! Follows test/integration/scheduler_perf/executor.go (`getCustomVolumeFactory`) and test/utils
//! (`CreatePodWithPersistentVolume`), where clients create claim, volume and pod one after the other and a
//! stand-in for the controller binds them; here claims and volumes stand, bound, when the op begins.

use serde_json::{Value, json};

use super::super::{Ear, Runner};
use crate::model::{Kind, Ref};
use crate::scenario::cluster;
use crate::scenario::scheduler_perf::Template;
use crate::store::{Request, WireVerb};

/// Tells that a claim and its volume know each other (`AnnBindCompleted`).
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";

impl Runner {
    /// The claims and volumes of so many pods.
    pub(super) fn make_volumes(
        &mut self,
        namespace: &str,
        count: usize,
        volume: &Template,
        claim: &Template,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        for i in 0..count {
            let name = format!("{namespace}-vol-{i}");
            let mut claim = claim.object(i, count)?;
            claim["metadata"]["name"] = claim_of(i).into();
            claim["metadata"]["namespace"] = namespace.into();
            claim["metadata"]["annotations"][BIND_COMPLETED] = "yes".into();
            claim["spec"]["volumeName"] = name.as_str().into();
            self.seed(&claim, ear)?;
            let target = Ref::new(Kind::PersistentVolumeClaim, namespace, claim_of(i).as_str());
            let uid = self.sim.store().find(&target).map(|o| o.meta().uid.to_string());
            let mut volume = volume.object(i, count)?;
            volume["metadata"]["name"] = name.as_str().into();
            volume["spec"]["claimRef"] = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": namespace, "name": claim_of(i), "uid": uid});
            let handle = format!("vol-{i}");
            if volume["spec"]["csi"].is_object() {
                volume["spec"]["csi"]["volumeHandle"] = handle.into();
            } else if volume["spec"]["awsElasticBlockStore"].is_object() {
                volume["spec"]["awsElasticBlockStore"]["volumeID"] = handle.into();
            }
            self.seed(&volume, ear)?;
            claim["status"] = json!({"phase": "Bound", "accessModes": claim["spec"]["accessModes"],
                "capacity": volume["spec"]["capacity"]});
            volume["status"] = json!({"phase": "Bound"});
            self.seed_status(target, claim, ear)?;
            self.seed_status(Ref::new(Kind::PersistentVolume, "", name.as_str()), volume, ear)?;
        }
        Ok(())
    }

    fn seed_status(&mut self, target: Ref, body: Value, ear: &mut Ear<'_>) -> Result<(), String> {
        let (verb, body) = (WireVerb::Update, Box::new(body));
        let request = Request::Wire { verb, target, body, subresource: Some("status") };
        let put = self.sim.seed(request, &mut |fact| ear.hear(fact));
        put.map(drop).map_err(|e| e.message.clone())
    }

    fn seed(&mut self, object: &Value, ear: &mut Ear<'_>) -> Result<(), String> {
        cluster::put(&mut self.sim, object, &mut |fact| ear.hear(fact))
            .map_err(|e| e.message.clone())
    }
}

fn claim_of(i: usize) -> String {
    format!("pvc-{i}")
}

/// Gives the pod number `i` its volume.
pub(super) fn mount(pod: &mut Value, i: usize) {
    let volume = json!({"name": "vol", "persistentVolumeClaim": {"claimName": claim_of(i)}});
    match pod["spec"]["volumes"].as_array_mut() {
        Some(volumes) => volumes.push(volume),
        None => pod["spec"]["volumes"] = json!([volume]),
    }
}

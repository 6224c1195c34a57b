//! Pods are resized in place by a part of their own, `pods/resize`.
//!
//! After `pkg/registry/core/pod/strategy.go` (`podResizeStrategy`) and the admission plugins that look at
//! it: LimitRanger's bounds, PodResizeValidator (`plugin/pkg/admission/podresize/admission.go`) and
//! ResourceQuota. What containers have stays what it was until the node agent says otherwise. Left out:
//! defaults of a LimitRange that is younger than the pod.

use std::sync::Arc;

use serde_json::Value;

use super::admission::check_pod_limits;
use super::wire::refused;
use super::{ApiServer, Handling, bare_name};
use crate::api::convert;
use crate::api::registry;
use crate::api::typed::Typed;
use crate::api::validate::Policy;
use crate::model::{ContainerStatus, Key, Kind, Object, Pod, PodSpec, Ref, wire};
use crate::store::{ApiError, ErrorReason, Reply};

impl ApiServer {
    /// Gives the containers of a pod the resources that a document has for them.
    pub(super) fn resize(
        &mut self,
        target: &Ref,
        body: &Value,
        old: &Object,
        h: &mut Handling<'_>,
    ) -> Reply {
        let Object::Pod(pod) = old else {
            let text = "the server could not find the requested resource";
            return Err(ApiError::new(ErrorReason::NotFound, text));
        };
        let stored = convert::to_wire(old).to_value();
        let mut addresses = self.addresses(&target.key);
        let made = registry::resize(body, &stored, &mut addresses, Policy::default())
            .map_err(|r| refused(target, r))?;
        let spec = PodSpec::compile(resized(&pod.spec.wire, &made.object));
        if spec.digest == pod.spec.digest {
            return Ok(Some(old.clone()));
        }
        let mut new = Pod::clone(pod);
        new.spec = Arc::new(spec);
        new.meta.generation += 1;
        keep_given(&mut new, &pod.spec);
        check_pod_limits(&self.limit_ranges(&new.meta.namespace), &new.spec.wire)
            .map_err(|why| ApiError::forbidden(Kind::Pod, bare_name(&target.key.name), &why))?;
        self.fits_its_node(&new)?;
        let new = Object::from(new);
        let charges = self.quota_charges(&new, Some(old), h.now)?;
        self.charge(charges, h);
        Ok(Some(self.commit(new, h)))
    }

    /// Refuses what the node can never have (`validatePodResize`).
    fn fits_its_node(&self, pod: &Pod) -> Result<(), Box<ApiError>> {
        let Some(name) = &pod.node else { return Ok(()) };
        let refuse = |why: &str| Err(ApiError::forbidden(Kind::Pod, &pod.meta.name, why));
        let Some(Object::Node(node)) = self.store.get(Kind::Node, &Key::new("", name.clone()))
        else {
            return refuse(&format!("node {name:?} not found"));
        };
        let os = node.meta.labels.get("kubernetes.io/os");
        if let Some(os) = os.filter(|os| *os != "linux") {
            return refuse(&format!(
                "pod resize is only supported on linux nodes, node {name:?} is {os:?}"
            ));
        }
        let (asked, has) = (&pod.spec.requests, &node.allocatable);
        let amounts =
            [("cpu", asked.cpu_milli, has.cpu_milli), ("memory", asked.memory, has.memory)];
        let lacking = amounts.into_iter().filter(|(_, asked, has)| asked > has);
        let lacking: Vec<String> = lacking
            .map(|(name, asked, has)| format!("{name}, requested: {asked}, allocatable: {has}"))
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let why = lacking.join("; ");
        refuse(&format!("node didn't have enough allocatable resources: {why}"))
    }
}

/// The shared spec with the resources of the containers of a document.
fn resized(spec: &wire::core::PodSpec, document: &Value) -> wire::core::PodSpec {
    let mut spec = spec.clone();
    let Ok(Typed::Pod(made)) = Typed::decode(document) else { return spec };
    let Some(made) = made.spec else { return spec };
    let of = |all: Vec<wire::core::Container>| all.into_iter().map(|c| c.resources);
    for (container, resources) in spec.containers.iter_mut().zip(of(made.containers)) {
        container.resources = resources;
    }
    let init = made.init_containers.unwrap_or_default();
    for (container, resources) in spec.init_containers.iter_mut().flatten().zip(of(init)) {
        container.resources = resources;
    }
    spec
}

/// What containers have does not change with what they are to have.
fn keep_given(pod: &mut Pod, before: &PodSpec) {
    let (init, main) = (before.wire.init_containers.as_deref(), &*before.wire.containers);
    let of = |status: &ContainerStatus, list: &[wire::core::Container]| {
        let container = list.iter().find(|c| status.name == c.name);
        status.given_as(container.and_then(|c| c.resources.as_ref()))
    };
    let status = &mut pod.status;
    status.containers = status.containers.iter().map(|s| of(s, main)).collect();
    let init = init.unwrap_or_default();
    status.init_containers = status.init_containers.iter().map(|s| of(s, init)).collect();
}

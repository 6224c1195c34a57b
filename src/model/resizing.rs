//! Pods whose containers are being resized in place: what they have beside what they are to have.
//!
//! Three amounts belong to a container: what its spec asks for, what the node agent has set aside for it
//! (allocated), and what the runtime has set (actual). Mostly they are the same, and then nothing is kept
//! but the spec. While they are not, whoever counts what pods take from a node counts the largest
//! (`k8s.io/component-helpers/resource/helpers.go`, `determineContainerReqs`, `determineContainerLimits`);
//! what was found infeasible counts for nothing.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{ContainerStatus, Pod, PodSpec, PodStatus, wire};
use crate::base::quantity::Quantity as Amount;

/// Condition types and reasons (`pkg/apis/core`, `PodResizePending` and its like).
pub mod conditions {
    /// The node has not yet set aside what the pod is to have.
    pub const PENDING: &str = "PodResizePending";
    /// It has, and the containers do not have it yet.
    pub const IN_PROGRESS: &str = "PodResizeInProgress";
    /// There is no room now.
    pub const DEFERRED: &str = "Deferred";
    /// There never will be.
    pub const INFEASIBLE: &str = "Infeasible";
    /// The runtime has refused it.
    pub const ERROR: &str = "Error";
}

/// A list of amounts by name, as written.
pub type Amounts = BTreeMap<String, Quantity>;

/// What a container has, where that is not what its spec asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// What the runtime has set (`resources` of its status).
    pub actual: wire::core::ResourceRequirements,
    /// What the node agent has set aside (`allocatedResources`).
    pub allocated: Option<Amounts>,
}

impl PodStatus {
    /// Whether what a container has may differ from what the spec asks for.
    pub fn is_resizing(&self) -> bool {
        self.containers.iter().chain(self.init_containers.iter()).any(|c| c.given.is_some())
    }

    /// Whether the node agent has found that it can never have what it is to have.
    pub fn is_resize_infeasible(&self) -> bool {
        self.condition(conditions::PENDING).is_some_and(|c| c.reason == conditions::INFEASIBLE)
    }
}

impl Pod {
    /// The spec with, for each container, the largest of what it asks for and has; `None` where nothing is
    /// being resized and the spec says it all.
    pub fn counted_spec(&self) -> Option<wire::core::PodSpec> {
        if !self.status.is_resizing() {
            return None;
        }
        let infeasible = self.status.is_resize_infeasible();
        let mut spec = wire::core::PodSpec::clone(&self.spec.wire);
        let sidecars = spec.init_containers.iter_mut().flatten();
        // Init containers that end are counted by their spec.
        let sidecars = sidecars.filter(|c| c.restart_policy.as_deref() == Some("Always"));
        for container in spec.containers.iter_mut().chain(sidecars) {
            if let Some(given) =
                self.status.container(&container.name).and_then(|c| c.given.as_deref())
            {
                count(container, given, infeasible);
            }
        }
        Some(spec)
    }
}

fn count(container: &mut wire::core::Container, given: &Given, infeasible: bool) {
    let asked = container.resources.get_or_insert_default();
    if infeasible {
        (asked.requests, asked.limits) = (None, None);
    }
    raise(&mut asked.requests, given.actual.requests.as_ref());
    raise(&mut asked.requests, given.allocated.as_ref());
    raise(&mut asked.limits, given.actual.limits.as_ref());
}

fn raise(list: &mut Option<Amounts>, other: Option<&Amounts>) {
    for (name, amount) in other.into_iter().flatten() {
        let list = list.get_or_insert_default();
        if list.get(name).is_none_or(|have| worth(have) < worth(amount)) {
            list.insert(name.clone(), amount.clone());
        }
    }
}

fn worth(quantity: &Quantity) -> Amount {
    quantity.0.parse().unwrap_or_default()
}

/// CPU and memory, requests and limits: what can be resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Resizable {
    /// Requested CPU in milli-cores.
    pub cpu_request: i64,
    /// The limit of CPU in milli-cores; 0 for none.
    pub cpu_limit: i64,
    /// Requested memory in bytes.
    pub memory_request: i64,
    /// The limit of memory in bytes; 0 for none.
    pub memory_limit: i64,
}

impl Resizable {
    /// Of a container's resources.
    pub fn of(resources: Option<&wire::core::ResourceRequirements>) -> Self {
        let amount = |list: Option<&Amounts>, name: &str| {
            list.and_then(|l| l.get(name)).map(worth).unwrap_or_default()
        };
        let Some(r) = resources else { return Self::default() };
        let (requests, limits) = (r.requests.as_ref(), r.limits.as_ref());
        Self {
            cpu_request: amount(requests, "cpu").milli_value(),
            cpu_limit: amount(limits, "cpu").milli_value(),
            memory_request: amount(requests, "memory").value(),
            memory_limit: amount(limits, "memory").value(),
        }
    }
}

impl PodSpec {
    /// Whether containers of the two specs are to have different amounts of CPU or memory.
    pub fn resizes_to(&self, other: &Self) -> bool {
        let of = |spec: &Self| -> Vec<Resizable> {
            let init = spec.wire.init_containers.iter().flatten();
            let all = spec.wire.containers.iter().chain(init);
            all.map(|c| Resizable::of(c.resources.as_ref())).collect()
        };
        self.digest != other.digest && of(self) != of(other)
    }
}

impl ContainerStatus {
    /// The same status for a container whose spec asks for something else from now on: what it has stays
    /// what it had. `before` is what its spec asked for until now.
    #[must_use]
    pub fn given_as(&self, before: Option<&wire::core::ResourceRequirements>) -> Self {
        let mut kept = self.clone();
        if kept.given.is_none() && kept.container_id != 0 {
            let actual = before.cloned().unwrap_or_default();
            let allocated = actual.requests.clone();
            kept.given = Some(std::sync::Arc::new(Given { actual, allocated }));
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Meta;

    /// The CPU that counts for a container that asks for the first, has the second and is to be given
    /// the third.
    #[track_caller]
    fn check(asked: &str, actual: &str, allocated: &str, infeasible: bool, expect: &str) {
        let list = |cpu: &str| serde_json::from_value(json!({"cpu": cpu})).unwrap();
        let spec =
            json!({"containers": [{"name": "a", "resources": {"requests": {"cpu": asked}}}]});
        let given = Given {
            actual: wire::core::ResourceRequirements {
                requests: Some(list(actual)),
                ..Default::default()
            },
            allocated: Some(list(allocated)),
        };
        let condition = crate::model::PodCondition {
            kind: conditions::PENDING.into(),
            status: true.into(),
            reason: conditions::INFEASIBLE.into(),
            message: "".into(),
            since: crate::base::time::SimTime::ZERO,
            observed_generation: 2,
        };
        let pod = Pod {
            meta: Meta::named("default", "p"),
            spec: PodSpec::compile(serde_json::from_value(spec).unwrap()).into(),
            node: None,
            identity: None,
            made_for: None,
            status: PodStatus {
                containers: [ContainerStatus {
                    name: "a".into(),
                    state: crate::model::ContainerState::Running {
                        started_at: crate::base::time::SimTime::ZERO,
                    },
                    last: None,
                    ready: true,
                    started: Some(true),
                    restart_count: 0,
                    image: "".into(),
                    image_id: "".into(),
                    container_id: 1,
                    given: Some(given.into()),
                }]
                .into(),
                conditions: if infeasible { [condition].into() } else { [].into() },
                ..PodStatus::default()
            },
        };
        let counted = pod.counted_spec().unwrap();
        assert_eq!(counted.containers[0].resources.as_ref().unwrap().requests, Some(list(expect)));
    }

    #[test]
    fn the_largest_of_what_is_asked_for_set_aside_and_set_counts() {
        check("2", "1", "1", false, "2");
        check("1", "2", "1", false, "2");
        check("1", "1", "1500m", false, "1500m");
        check("9", "1", "2", true, "2");
    }
}

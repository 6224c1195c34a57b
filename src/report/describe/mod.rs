//! What `kubectl describe` prints: an object, what belongs to it, its events.
//!
//! Follows `k8s.io/kubectl/pkg/describe/describe.go`, one file per family of kinds. A description is made
//! from documents as the API server would answer them ([`Cluster::list`]); every age in it is one of
//! virtual time ([`Cluster::now`]). Lines are written with tabs, which are aligned at the end
//! ([`super::tabs`]). CertificateSigningRequests are described as any other kind: their requests are not
//! read.

mod access;
mod autoscaler;
mod containers;
pub mod corpus;
mod events;
mod generic;
mod jobs;
mod network;
mod nodes;
mod page;
mod pods;
mod policies;
mod storage;
mod volumes;
mod workloads;

use serde_json::Value;

use super::printers::Now;
use page::Page;

/// What a describer can look at.
#[derive(Clone, Copy)]
pub struct Cluster<'a> {
    /// Now.
    pub now: Now,
    /// The objects of a kind (`Pod`, `Event` …) in a namespace, or in all where it is empty, in the order
    /// in which the server lists them.
    pub list: &'a dyn Fn(&str, &str) -> Vec<Value>,
    /// Whether events are shown (`--show-events`).
    pub events: bool,
}

/// Writes the description of one kind.
type Describer = fn(&mut Page, &Value, &Cluster<'_>);

/// The describers, by group and kind (`describerMap`).
static DESCRIBERS: &[(&str, &str, Describer)] = &[
    ("", "ConfigMap", access::config_map),
    ("", "Endpoints", network::legacy_endpoints),
    ("", "LimitRange", policies::limit_range),
    ("", "Namespace", policies::namespace),
    ("", "Node", nodes::node),
    ("", "PersistentVolume", storage::volume),
    ("", "PersistentVolumeClaim", storage::claim),
    ("", "Pod", pods::pod),
    ("", "ReplicationController", workloads::replication_controller),
    ("", "ResourceQuota", policies::quota),
    ("", "Secret", access::secret),
    ("", "Service", network::service),
    ("", "ServiceAccount", access::service_account),
    ("apps", "DaemonSet", workloads::daemon_set),
    ("apps", "Deployment", workloads::deployment),
    ("apps", "ReplicaSet", workloads::replica_set),
    ("apps", "StatefulSet", workloads::stateful_set),
    ("autoscaling", "HorizontalPodAutoscaler", autoscaler::autoscaler),
    ("batch", "CronJob", jobs::cron_job),
    ("batch", "Job", jobs::job),
    ("discovery.k8s.io", "EndpointSlice", network::slice),
    ("networking.k8s.io", "IPAddress", network::ip_address),
    ("networking.k8s.io", "Ingress", network::ingress),
    ("networking.k8s.io", "IngressClass", network::ingress_class),
    ("networking.k8s.io", "NetworkPolicy", network::policy),
    ("networking.k8s.io", "ServiceCIDR", network::service_cidr),
    ("policy", "PodDisruptionBudget", policies::budget),
    ("rbac.authorization.k8s.io", "ClusterRole", access::role),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", access::binding),
    ("rbac.authorization.k8s.io", "Role", access::role),
    ("rbac.authorization.k8s.io", "RoleBinding", access::binding),
    ("scheduling.k8s.io", "PriorityClass", policies::priority_class),
    ("storage.k8s.io", "CSINode", storage::csi_node),
    ("storage.k8s.io", "StorageClass", storage::class),
    ("storage.k8s.io", "VolumeAttributesClass", storage::attributes_class),
];

/// The description of an object as the server answers it, with its `apiVersion` and `kind`.
pub fn describe(object: &Value, cluster: &Cluster<'_>) -> String {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
    let kind = text("kind");
    let found = DESCRIBERS.iter().find(|(g, k, _)| *g == group && *k == kind);
    let describer = found.map_or(generic::object as Describer, |(.., describer)| *describer);
    let mut page = Page::default();
    describer(&mut page, object, cluster);
    page.finish()
}

//! The rows that `kubectl get` prints: for each kind its columns, and the cells of one object.
//!
//! Follows `pkg/printers/internalversion/printers.go`: the server makes the cells, kubectl lays them out.
//! Cells are made from the document that the API server would answer, by the time at which it is asked.

pub(super) mod cells;
mod cluster;
pub mod corpus;
pub mod duration;
mod network;
mod pod;
mod storage;
mod workloads;

pub use pod::{PodFacts, facts as pod_facts};

use chrono::{DateTime, Utc};
use serde_json::Value;

/// A moment of calendar time.
pub type Now = DateTime<Utc>;

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the server has it; kubectl prints it in capitals.
    pub name: &'static str,
    /// Whether it is shown with `-o wide` alone.
    pub wide: bool,
}

/// A kind's columns and the function that makes its cells, all of them.
struct Printer {
    kind: &'static str,
    columns: &'static [Column],
    row: fn(&Value, Now) -> Vec<Value>,
}

const fn narrow(name: &'static str) -> Column {
    Column { name, wide: false }
}

const fn wide(name: &'static str) -> Column {
    Column { name, wide: true }
}

macro_rules! printers {
    ($($kind:literal [$($column:literal)*] [$($more:literal)*] $row:path;)*) => {
        &[$(Printer {
            kind: $kind,
            columns: &[$(narrow($column),)* $(wide($more),)*],
            row: $row,
        },)*]
    };
}

/// The kinds whose columns are all narrow ones before all wide ones; Events alone mix them.
static PRINTERS: &[Printer] = printers! {
    "ClusterRoleBinding" ["Name" "Role" "Age"] ["Users" "Groups" "ServiceAccounts"] network::binding;
    "ConfigMap" ["Name" "Data" "Age"] [] cluster::config_map;
    "ControllerRevision" ["Name" "Controller" "Revision" "Age"] [] workloads::controller_revision;
    "CSINode" ["Name" "Drivers" "Age"] [] network::csi_node;
    "CronJob" ["Name" "Schedule" "Timezone" "Suspend" "Active" "Last Schedule" "Age"]
        ["Containers" "Images" "Selector"] workloads::cron_job;
    "DaemonSet" ["Name" "Desired" "Current" "Ready" "Up-to-date" "Available" "Node Selector" "Age"]
        ["Containers" "Images" "Selector"] workloads::daemon_set;
    "Deployment" ["Name" "Ready" "Up-to-date" "Available" "Age"]
        ["Containers" "Images" "Selector"] workloads::deployment;
    "EndpointSlice" ["Name" "AddressType" "Ports" "Endpoints" "Age"] [] network::endpoint_slice;
    "Endpoints" ["Name" "Endpoints" "Age"] [] cluster::endpoints;
    "HorizontalPodAutoscaler"
        ["Name" "Reference" "Targets" "MinPods" "MaxPods" "Replicas" "Age"] [] workloads::autoscaler;
    "Ingress" ["Name" "Class" "Hosts" "Address" "Ports" "Age"] [] network::ingress;
    "IngressClass" ["Name" "Controller" "Parameters" "Age"] [] network::ingress_class;
    "Job" ["Name" "Status" "Completions" "Duration" "Age"]
        ["Containers" "Images" "Selector"] workloads::job;
    "Lease" ["Name" "Holder" "Age"] [] cluster::lease;
    "MutatingWebhookConfiguration" ["Name" "Webhooks" "Age"] [] network::webhooks;
    "Namespace" ["Name" "Status" "Age"] [] cluster::namespace;
    "NetworkPolicy" ["Name" "Pod-Selector" "Age"] [] network::policy;
    "Node" ["Name" "Status" "Roles" "Age" "Version"]
        ["Internal-IP" "External-IP" "OS-Image" "Kernel-Version" "Container-Runtime"] cluster::node;
    "PersistentVolume"
        ["Name" "Capacity" "Access Modes" "Reclaim Policy" "Status" "Claim" "StorageClass"
         "VolumeAttributesClass" "Reason" "Age"] ["VolumeMode"] storage::volume;
    "PersistentVolumeClaim"
        ["Name" "Status" "Volume" "Capacity" "Access Modes" "StorageClass" "VolumeAttributesClass"
         "Age"] ["VolumeMode"] storage::claim;
    "Pod" ["Name" "Ready" "Status" "Restarts" "Age"]
        ["IP" "Node" "Nominated Node" "Readiness Gates"] pod::row;
    "PodDisruptionBudget"
        ["Name" "Min Available" "Max Unavailable" "Allowed Disruptions" "Age"] [] workloads::budget;
    "PodTemplate" ["Name" "Containers" "Images" "Pod Labels"] [] workloads::pod_template;
    "PriorityClass"
        ["Name" "Value" "Global-Default" "Age" "PreemptionPolicy"] [] cluster::priority_class;
    "ReplicaSet" ["Name" "Desired" "Current" "Ready" "Age"]
        ["Containers" "Images" "Selector"] workloads::replica_set;
    "ReplicationController" ["Name" "Desired" "Current" "Ready" "Age"]
        ["Containers" "Images" "Selector"] workloads::replication_controller;
    "ResourceQuota" ["Name" "Request" "Limit" "Age"] [] cluster::resource_quota;
    "RoleBinding" ["Name" "Role" "Age"] ["Users" "Groups" "ServiceAccounts"] network::binding;
    "RuntimeClass" ["Name" "Handler" "Age"] [] network::runtime_class;
    "Secret" ["Name" "Type" "Data" "Age"] [] cluster::secret;
    "Service" ["Name" "Type" "Cluster-IP" "External-IP" "Port(s)" "Age"] ["Selector"] cluster::service;
    "ServiceCIDR" ["Name" "CIDRs" "Age"] [] network::service_cidr;
    "ServiceAccount" ["Name" "Age"] [] cluster::service_account;
    "StatefulSet" ["Name" "Ready" "Age"] ["Containers" "Images"] workloads::stateful_set;
    "StorageClass"
        ["Name" "Provisioner" "ReclaimPolicy" "VolumeBindingMode" "AllowVolumeExpansion" "Age"] []
        storage::class;
    "ValidatingWebhookConfiguration" ["Name" "Webhooks" "Age"] [] network::webhooks;
    "VolumeAttributesClass" ["Name" "DriverName" "Age"] [] network::attributes_class;
};

static EVENT: Printer = Printer {
    kind: "Event",
    columns: &[
        narrow("Last Seen"),
        narrow("Type"),
        narrow("Reason"),
        narrow("Object"),
        wide("Subobject"),
        wide("Source"),
        narrow("Message"),
        wide("First Seen"),
        wide("Count"),
        wide("Name"),
    ],
    row: cluster::event,
};

/// What is printed of kinds without a printer of their own (`TableConvertor` of
/// `k8s.io/apiserver/pkg/registry/rest`).
static OTHER: Printer =
    Printer { kind: "", columns: &[narrow("Name"), narrow("Created At")], row: cluster::other };

fn printer(kind: &str) -> &'static Printer {
    PRINTERS.iter().chain([&EVENT]).find(|p| p.kind == kind).unwrap_or(&OTHER)
}

/// The columns of a kind, in order.
pub fn columns(kind: &str) -> &'static [Column] {
    printer(kind).columns
}

/// The cells of an object, one for each column of its kind, as the server answers them at `now`.
pub fn row(kind: &str, object: &Value, now: Now) -> Vec<Value> {
    (printer(kind).row)(object, now)
}

/// How long ago a time was, as ages are shown; `<invalid>` where the text is no time.
pub fn ago(time: &str, now: Now) -> String {
    match DateTime::parse_from_rfc3339(time) {
        Ok(time) => cells::since(Some(time.to_utc()), now),
        Err(_) => "<invalid>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_row_has_a_cell_for_each_column() {
        let now = DateTime::UNIX_EPOCH;
        for printer in PRINTERS.iter().chain([&EVENT, &OTHER]) {
            let cells = (printer.row)(&json!({}), now);
            assert_eq!(cells.len(), printer.columns.len(), "{}", printer.kind);
        }
    }
}

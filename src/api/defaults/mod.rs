//! What the API server fills in: defaults, and what creation sets and drops.
//!
//! Defaulting follows `pkg/apis/*/v1/defaults.go` and the generated `zz_generated.defaults.go`: a
//! type's defaults are filled in wherever the type stands, the outer type before the inner ones. So
//! [`apply`] walks an object by its Go shape ([`super::schema`]) and asks, at each struct, the one
//! table below. [`create`] holds what follows on a create request (`rest.BeforeCreate` and the
//! strategies of `pkg/registry/*`), with every feature gate at its default of v1.36.
//!
//! Both work on the decoded form. Afterwards every struct that is not behind a pointer is there, if
//! only as an empty one, so that whoever comes next need not ask.

mod autoscaling;
mod cluster;
pub mod create;
mod pod;
pub mod service;
pub(super) mod service_update;
pub mod update;
mod volumes;
mod workloads;

use serde_json::Value;

use super::fields::Fields;
use super::schema::{self, DecodeError, Shape, Struct};
use crate::base::quantity::Quantity;

/// Fills in the defaults of an object, or of any struct, in decoded form.
pub fn apply(of: &'static Struct, value: &mut Value) {
    if !value.is_object() {
        *value = Value::Object(Fields::new());
    }
    let Some(fields) = value.as_object_mut() else { return };
    of_struct(of, fields);
    for (name, _, shape) in of.json_fields() {
        match fields.get_mut(name) {
            Some(inner) => walk(shape, inner),
            None if matches!(shape, Shape::Struct(_)) => {
                let mut inner = Value::Null;
                walk(shape, &mut inner);
                fields.insert(name.into(), inner);
            }
            None => {}
        }
    }
}

/// Fills in the defaults of a pod template (`PodTemplateSpec`) as JSON, as they stand inside a
/// workload, and answers with the template as the API server would write it.
///
/// # Errors
/// A value of a wrong type.
pub fn pod_template(json: &Value) -> Result<Value, DecodeError> {
    let of = schema::named("core/v1.PodTemplateSpec").expect("it is in the table");
    let mut value = schema::decode(of, json)?.value;
    apply(of, &mut value);
    create::normalise_template(&mut value);
    Ok(schema::encode(of, &value))
}

fn walk(shape: &Shape, value: &mut Value) {
    match shape {
        Shape::Struct(id) => apply(id.get(), value),
        Shape::Pointer(to) => walk(to, value),
        Shape::List(of) => {
            value.as_array_mut().into_iter().flatten().for_each(|item| walk(of, item));
        }
        Shape::Map(to) => {
            let entries = value.as_object_mut().into_iter().flatten();
            entries.for_each(|(_, entry)| walk(to, entry));
        }
        Shape::Named("core/v1.ResourceList", _) => resource_list(value),
        Shape::Named(_, below) => walk(below, value),
        Shape::String
        | Shape::Bool
        | Shape::Int32
        | Shape::Int64
        | Shape::Bytes
        | Shape::Time
        | Shape::MicroTime
        | Shape::Quantity
        | Shape::IntOrString
        | Shape::Raw => {}
    }
}

/// Amounts are rounded up to thousandths (`SetDefaults_ResourceList`).
fn resource_list(value: &mut Value) {
    for (_, amount) in value.as_object_mut().into_iter().flatten() {
        let quantity = amount.as_str().and_then(|text| text.parse::<Quantity>().ok());
        if let Some(mut quantity) = quantity
            && !quantity.round_up(-3)
        {
            *amount = quantity.to_string().into();
        }
    }
}

/// The defaults of one struct, its inner structs left alone.
fn of_struct(of: &Struct, fields: &mut Fields) {
    match of.key {
        "core/v1.Pod" => pod::pod(fields),
        "core/v1.PodSpec" => pod::pod_spec(fields),
        "core/v1.Container" | "core/v1.EphemeralContainer" => pod::container(fields),
        "core/v1.ContainerPort" => pod::container_port(fields),
        "core/v1.Probe" => pod::probe(fields),
        "core/v1.HTTPGetAction" => pod::http_get(fields),
        "core/v1.GRPCAction" => pod::grpc(fields),
        "core/v1.ObjectFieldSelector" => pod::field_selector(fields),
        "core/v1.FileKeySelector" => pod::file_key(fields),
        "core/v1.Volume" => volumes::volume(fields),
        "core/v1.HostPathVolumeSource" => volumes::host_path(fields),
        "core/v1.SecretVolumeSource"
        | "core/v1.ConfigMapVolumeSource"
        | "core/v1.DownwardAPIVolumeSource"
        | "core/v1.ProjectedVolumeSource" => volumes::default_mode(fields),
        "core/v1.ServiceAccountTokenProjection" => volumes::token(fields),
        "core/v1.ISCSIVolumeSource" | "core/v1.ISCSIPersistentVolumeSource" => {
            volumes::iscsi(fields);
        }
        "core/v1.RBDVolumeSource" | "core/v1.RBDPersistentVolumeSource" => volumes::rbd(fields),
        "core/v1.AzureDiskVolumeSource" => volumes::azure_disk(fields),
        "core/v1.ScaleIOVolumeSource" | "core/v1.ScaleIOPersistentVolumeSource" => {
            volumes::scale_io(fields);
        }
        "core/v1.PersistentVolume" => volumes::persistent_volume(fields),
        "core/v1.PersistentVolumeClaim" => volumes::claim(fields),
        "core/v1.PersistentVolumeClaimSpec" => volumes::claim_spec(fields),
        "core/v1.ReplicationController" => workloads::replication_controller(fields),
        "apps/v1.Deployment" => workloads::deployment(fields),
        "apps/v1.ReplicaSet" => workloads::replica_set(fields),
        "apps/v1.DaemonSet" => workloads::daemon_set(fields),
        "apps/v1.StatefulSet" => workloads::stateful_set(fields),
        "batch/v1.Job" => workloads::job(fields),
        "batch/v1.CronJob" => workloads::cron_job(fields),
        "batch/v1.PodFailurePolicyOnPodConditionsPattern" => {
            workloads::pod_condition_pattern(fields);
        }
        "core/v1.Service" => service::service(fields),
        "core/v1.EndpointPort" => service::endpoint_port(fields),
        "discovery/v1.EndpointPort" => service::slice_port(fields),
        "core/v1.Secret" => cluster::secret(fields),
        "core/v1.ConfigMap" => cluster::config_map(fields),
        "core/v1.Namespace" => cluster::namespace(fields),
        "core/v1.NamespaceStatus" => cluster::namespace_status(fields),
        "core/v1.NodeStatus" => cluster::node_status(fields),
        "core/v1.LimitRangeItem" => cluster::limit_range_item(fields),
        "storage/v1.StorageClass" => cluster::storage_class(fields),
        "storage/v1.CSIDriverSpec" => cluster::csi_driver(fields),
        "scheduling/v1.PriorityClass" => cluster::priority_class(fields),
        "networking/v1.NetworkPolicySpec" => cluster::network_policy(fields),
        "networking/v1.NetworkPolicyPort" => cluster::network_policy_port(fields),
        "networking/v1.IngressClassParametersReference" => cluster::ingress_parameters(fields),
        "rbac/v1.RoleBinding" | "rbac/v1.ClusterRoleBinding" => cluster::role_binding(fields),
        "rbac/v1.Subject" => cluster::subject(fields),
        "autoscaling/v1.HorizontalPodAutoscaler" => autoscaling::v1(fields),
        "autoscaling/v2.HorizontalPodAutoscaler" => autoscaling::v2(fields),
        _ => {}
    }
}

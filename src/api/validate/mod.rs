//! What the API server refuses, and the words it does it in.
//!
//! Follows `pkg/apis/*/validation` of Kubernetes v1.36 with every feature gate at its default: the
//! same checks in the same order, since the order of errors is part of the answer.

mod amounts;
mod at;
mod autoscaling;
mod batch;
mod claims;
mod cluster;
mod containers;
mod diff;
mod env;
mod error;
mod indexes;
mod internal;
mod leniency;
mod meta;
mod networking;
mod paths;
mod persistent_volume;
mod pod;
mod pod_resize;
mod pod_update;
mod probes;
mod quotas;
mod rbac;
mod resources;
mod scheduling;
mod security;
mod service;
mod slices;
mod sources;
mod volumes;
mod workloads;

pub use at::{At, Policy};
pub use error::{ErrorType, Errors, FieldError, Path, Shown, go_json, quote};
pub use service::cluster_ips as service_cluster_ips;

use serde_json::Value;

use super::schema::Struct;

/// The errors of an object that is to be created, prepared as the strategy prepares it
/// (`rest.BeforeCreate`): the kind's own checks, and only when there are none the general ones.
pub fn create(of: &'static Struct, object: &Value, policy: Policy) -> Errors {
    let mut errors = Errors::default();
    let place = At::new(of, object).with_policy(policy);
    check(of, &place, None, &mut errors);
    if errors.is_empty() {
        let check: meta::NameCheck = super::names::path_segment;
        meta::accessor(&place.get("metadata"), of.is_namespaced(), check, &mut errors);
    }
    errors
}

/// The errors of an object that is to take the place of another, prepared as the strategy prepares it
/// (`rest.BeforeUpdate`): the general checks, then the kind's own.
pub fn update(of: &'static Struct, object: &Value, old: &Value, policy: Policy) -> Errors {
    let mut errors = Errors::default();
    let [new, old] = [object, old].map(|object| At::new(of, object).with_policy(policy));
    let (metadata, before) = (new.get("metadata"), old.get("metadata"));
    let path_segment: meta::NameCheck = super::names::path_segment;
    meta::accessor(&metadata, of.is_namespaced(), path_segment, &mut errors);
    meta::accessor_update(&metadata, &before, &mut errors);
    check(of, &new, Some(&old), &mut errors);
    errors
}

/// The errors of a pod whose ephemeral containers are to be replaced by those of `object`
/// (`ValidatePodEphemeralContainersUpdate`).
pub fn ephemeral_containers(
    of: &'static Struct,
    object: &Value,
    old: &Value,
    policy: Policy,
) -> Errors {
    let mut errors = Errors::default();
    let [new, old] = [object, old].map(|object| At::new(of, object).with_policy(policy));
    pod_update::ephemeral_containers(&new, &old, &mut errors);
    errors
}

/// The errors of a pod that is to be resized (`ValidatePodResize`).
pub fn resize(of: &'static Struct, object: &Value, old: &Value, policy: Policy) -> Errors {
    let [new, old] = [object, old].map(|object| At::new(of, object).with_policy(policy));
    pod_resize::check(&new, &old)
}

/// What a kind's strategy checks, of a new object or of a changed one.
fn check(of: &'static Struct, new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    match of.key {
        "core/v1.Pod" => match old {
            Some(old) => pod_update::update(new, old, errors),
            None => pod::create(new, errors),
        },
        "core/v1.PodTemplate" => workloads::pod_template(new, old, errors),
        "core/v1.ReplicationController" => workloads::replication_controller(new, old, errors),
        "core/v1.PersistentVolume" => persistent_volume::volume(new, old, errors),
        "storage/v1.StorageClass" => persistent_volume::storage_class(new, old, errors),
        "core/v1.Namespace" => cluster::namespace(new, old, errors),
        "core/v1.Node" => cluster::node(new, old, errors),
        "core/v1.ServiceAccount" => cluster::service_account(new, old, errors),
        "core/v1.ConfigMap" => cluster::config_map(new, old, errors),
        "core/v1.Secret" => cluster::secret(new, old, errors),
        "core/v1.Endpoints" => cluster::endpoints(new, old, errors),
        "core/v1.Event" => cluster::event(new, errors),
        "core/v1.LimitRange" => quotas::limit_range(new, errors),
        "core/v1.ResourceQuota" => quotas::resource_quota(new, old, errors),
        "policy/v1.PodDisruptionBudget" => cluster::disruption_budget(new, old, errors),
        "scheduling/v1.PriorityClass" => cluster::priority_class(new, old, errors),
        "coordination/v1.Lease" => cluster::lease(new, old, errors),
        "autoscaling/v1.HorizontalPodAutoscaler" => autoscaling::autoscaler_v1(new, old, errors),
        "autoscaling/v2.HorizontalPodAutoscaler" => autoscaling::autoscaler(new, old, errors),
        "core/v1.Service" => service::service(new, old, errors),
        "apps/v1.Deployment" => workloads::deployment(new, old, errors),
        "apps/v1.ReplicaSet" => workloads::replica_set(new, old, errors),
        "apps/v1.DaemonSet" => workloads::daemon_set(new, old, errors),
        "apps/v1.StatefulSet" => workloads::stateful_set(new, old, errors),
        "apps/v1.ControllerRevision" => workloads::controller_revision(new, old, errors),
        "batch/v1.Job" => batch::job(new, old, errors),
        "batch/v1.CronJob" => batch::cron_job(new, old, errors),
        "core/v1.PersistentVolumeClaim" => claims::claim(new, old, errors),
        "discovery/v1.EndpointSlice" => slices::slice(new, old, errors),
        "networking/v1.Ingress" => networking::ingress(new, old, errors),
        "networking/v1.IngressClass" => networking::ingress_class(new, old, errors),
        "networking/v1.NetworkPolicy" => networking::network_policy(new, old, errors),
        "rbac/v1.Role" => rbac::role(new, old, errors),
        "rbac/v1.ClusterRole" => rbac::cluster_role(new, old, errors),
        "rbac/v1.RoleBinding" => rbac::role_binding(new, old, errors),
        "rbac/v1.ClusterRoleBinding" => rbac::cluster_role_binding(new, old, errors),
        "node/v1.RuntimeClass" => cluster::runtime_class(new, old, errors),
        _ => {}
    }
}

/// The containers of all three kinds, in upstream's order of visiting.
fn all_containers<'a>(spec: &At<'a>) -> impl Iterator<Item = At<'a>> + use<'a> {
    let (init, regular) = (spec.items("initContainers"), spec.items("containers"));
    init.chain(regular).chain(spec.items("ephemeralContainers"))
}

#[cfg(test)]
pub(in crate::api::validate) mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::api::schema;

    /// An object of `key` with a name, and with a namespace where its kind has one.
    fn object(of: &'static Struct, fields: &Value) -> Value {
        let mut object = fields.as_object().cloned().unwrap_or_else(Map::new);
        let mut metadata = json!({"name": "x", "uid": "u", "resourceVersion": "1"});
        if of.is_namespaced() {
            metadata["namespace"] = json!("default");
        }
        object.entry("metadata").or_insert(metadata);
        Value::Object(object)
    }

    fn texts(errors: Errors) -> Vec<String> {
        errors.into_iter().map(|error| error.to_string()).collect()
    }

    /// What is said of a new object with these fields.
    #[track_caller]
    pub(in crate::api::validate) fn of_new(key: &str, fields: &Value) -> Vec<String> {
        let of = schema::named(key).expect("the type is in the table");
        texts(create(of, &object(of, fields), Policy::default()))
    }

    /// What is said of a change.
    #[track_caller]
    pub(in crate::api::validate) fn of_change(key: &str, old: &Value, new: &Value) -> Vec<String> {
        let of = schema::named(key).expect("the type is in the table");
        texts(update(of, &object(of, new), &object(of, old), Policy::default()))
    }

    #[test]
    fn a_kind_outside_namespaces_may_not_have_one() {
        let metadata = json!({"name": "gvisor", "namespace": "default"});
        assert_eq!(
            of_new("node/v1.RuntimeClass", &json!({"metadata": metadata, "handler": "runsc"})),
            ["metadata.namespace: Forbidden: not allowed on this type"]
        );
    }
}

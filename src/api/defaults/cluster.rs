//! Defaults of the smaller kinds: configuration, namespaces, nodes, limits, classes, network, roles.
//! After `pkg/apis/{core,storage,scheduling,networking,rbac}/v1/defaults.go`.

use crate::api::fields::{Fields, fields, fields_or_new, fill, fill_absent, has_any, text};

/// `SetDefaults_Secret`.
pub(super) fn secret(secret: &mut Fields) {
    fill(secret, "type", "Opaque");
}

/// `SetDefaults_ConfigMap`.
pub(super) fn config_map(map: &mut Fields) {
    fill_absent(map, "data", Fields::new());
}

/// `SetDefaults_Namespace`: the label that holds the name, once there is a name.
pub(super) fn namespace(namespace: &mut Fields) {
    let metadata = fields_or_new(namespace, "metadata");
    let name = text(metadata, "name").to_owned();
    if !name.is_empty() {
        let labels = fields_or_new(metadata, "labels");
        labels.insert("kubernetes.io/metadata.name".into(), name.into());
    }
}

/// `SetDefaults_NamespaceStatus`.
pub(super) fn namespace_status(status: &mut Fields) {
    fill(status, "phase", "Active");
}

/// `SetDefaults_NodeStatus`: all of the capacity is allocatable unless something else is said.
pub(super) fn node_status(status: &mut Fields) {
    if let Some(capacity) = fields(status, "capacity").cloned() {
        fill_absent(status, "allocatable", capacity);
    }
}

/// `SetDefaults_LimitRangeItem`: of a container's limits each default follows from the next.
pub(super) fn limit_range_item(item: &mut Fields) {
    if text(item, "type") != "Container" {
        return;
    }
    fields_or_new(item, "default");
    fields_or_new(item, "defaultRequest");
    for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")]
    {
        let amounts = fields(item, from).cloned().unwrap_or_default();
        let target = fields_or_new(item, to);
        for (name, amount) in amounts {
            target.entry(name).or_insert(amount);
        }
    }
}

/// `SetDefaults_StorageClass`.
pub(super) fn storage_class(class: &mut Fields) {
    fill_absent(class, "reclaimPolicy", "Delete");
    fill_absent(class, "volumeBindingMode", "Immediate");
}

/// `SetDefaults_CSIDriver`.
pub(super) fn csi_driver(spec: &mut Fields) {
    fill_absent(spec, "attachRequired", true);
    fill_absent(spec, "podInfoOnMount", false);
    fill_absent(spec, "storageCapacity", false);
    fill_absent(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    if !has_any(spec, "volumeLifecycleModes") {
        spec.insert("volumeLifecycleModes".into(), vec!["Persistent"].into());
    }
    fill_absent(spec, "requiresRepublish", false);
    fill_absent(spec, "seLinuxMount", false);
}

/// `SetDefaults_PriorityClass`.
pub(super) fn priority_class(class: &mut Fields) {
    fill_absent(class, "preemptionPolicy", "PreemptLowerPriority");
}

/// `SetDefaults_NetworkPolicy`.
pub(super) fn network_policy(spec: &mut Fields) {
    if !has_any(spec, "policyTypes") {
        let egress = has_any(spec, "egress").then_some("Egress");
        let types: Vec<&str> = std::iter::once("Ingress").chain(egress).collect();
        spec.insert("policyTypes".into(), types.into());
    }
}

/// `SetDefaults_NetworkPolicyPort`.
pub(super) fn network_policy_port(port: &mut Fields) {
    fill_absent(port, "protocol", "TCP");
}

/// `SetDefaults_IngressClass`.
pub(super) fn ingress_parameters(parameters: &mut Fields) {
    fill_absent(parameters, "scope", "Cluster");
}

/// `SetDefaults_RoleBinding`, `SetDefaults_ClusterRoleBinding`.
pub(super) fn role_binding(binding: &mut Fields) {
    fill(fields_or_new(binding, "roleRef"), "apiGroup", "rbac.authorization.k8s.io");
}

/// `SetDefaults_Subject`.
pub(super) fn subject(subject: &mut Fields) {
    if matches!(text(subject, "kind"), "User" | "Group") {
        fill(subject, "apiGroup", "rbac.authorization.k8s.io");
    }
}

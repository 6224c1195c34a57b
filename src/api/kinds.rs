//! The table of kinds: what v1.36 serves, how each is called, and what the simulation does with it.
//!
//! Names are found as kubectl finds them (k8s.io/cli-runtime `resource.Builder`, the REST mappers of
//! k8s.io/client-go): plural, singular, short name or kind, in any case, alone or with a group
//! (`statefulsets.apps`) or a version and a group (`deployments.v1.apps`). Of several groups that have
//! a name, the first of the table wins, which is the order of discovery.
//!
//! Kinds of other groups are custom resources: kept, listed and deleted, without behaviour.

use super::suggest;
use crate::model;

/// One kind of object.
#[derive(Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The versions in which v1.36 serves the kind, the preferred one first.
    pub versions: &'static [&'static str],
    /// The name in manifests: `Deployment`.
    pub kind: &'static str,
    /// The name in URLs: `deployments`.
    pub plural: &'static str,
    /// The name of one: `deployment`.
    pub singular: &'static str,
    /// `deploy`, and the like.
    pub short: &'static [&'static str],
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// What is done with it.
    pub treatment: Treatment,
}

/// What the simulation does with the objects of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Treatment {
    /// They have an effect on what happens.
    Simulated,
    /// They are accepted, kept and listed; nothing reads them.
    Inert,
    /// They are reviews: a question to a server, which is not kept.
    Review,
}

impl KindInfo {
    /// `apps/v1`, in the preferred version.
    pub fn api_version(&self) -> String {
        join(self.group, self.versions[0])
    }

    /// `deployments.apps`, `pods`: the name with its group, as error texts have it.
    pub fn resource(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// The kind in the model, which knows those with behaviour by name.
    pub fn model(&self) -> model::Kind {
        model::Kind::from_name(self.kind)
            .filter(|kind| kind.group() == self.group)
            .unwrap_or(model::Kind::Inert)
    }
}

/// `group/version`, or the version alone for the core group.
pub fn join(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// `apps/v1` as group and version; the core group is empty.
pub fn split(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Every kind that v1.36 serves in a stable version, and the `v1` of autoscaling.
pub fn all() -> &'static [KindInfo] {
    KINDS
}

/// The kind of a manifest, if v1.36 serves it in that group and version.
pub fn served(api_version: &str, kind: &str) -> Option<&'static KindInfo> {
    let (group, version) = split(api_version);
    KINDS
        .iter()
        .find(|info| info.group == group && info.kind == kind && info.versions.contains(&version))
}

/// The kind of that name in a group, whatever the version.
pub fn in_group(group: &str, kind: &str) -> Option<&'static KindInfo> {
    KINDS.iter().find(|info| info.group == group && info.kind == kind)
}

/// The first kind of that name in any group.
pub fn anywhere(kind: &str) -> Option<&'static KindInfo> {
    KINDS.iter().find(|info| info.kind == kind)
}

/// Whether the group is one of Kubernetes' own, as against a custom resource's.
pub fn is_builtin_group(group: &str) -> bool {
    KINDS.iter().any(|info| info.group == group)
        || super::legacy::is_old_group(group)
        || OTHER_GROUPS.contains(&group)
}

/// Groups of v1.36 that have no kind in the table.
const OTHER_GROUPS: &[&str] = &["internal.apiserver.k8s.io", "storagemigration.k8s.io"];

/// The kind that a command's argument names: `po`, `Pods`, `statefulsets.apps`, `deployments.v1.apps`.
///
/// # Errors
/// The text of kubectl, with what was perhaps meant.
pub fn resolve(argument: &str) -> Result<&'static KindInfo, UnknownResource> {
    let lower = argument.to_ascii_lowercase();
    let (name, rest) = match lower.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (lower.as_str(), None),
    };
    let found = KINDS.iter().find(|info| {
        let named = info.plural == name
            || info.singular == name
            || info.short.contains(&name)
            || info.kind.eq_ignore_ascii_case(name);
        named && rest.is_none_or(|rest| group_matches(info, rest))
    });
    found.ok_or_else(|| UnknownResource {
        argument: argument.to_owned(),
        nearest: nearest_resource(name),
    })
}

/// The resource whose name is `name` (in another group than asked for) or nearest to it.
fn nearest_resource(name: &str) -> Option<String> {
    let names = |info: &'static KindInfo| {
        [info.plural, info.singular].into_iter().chain(info.short.iter().copied())
    };
    match KINDS.iter().find(|info| names(info).any(|known| known == name)) {
        Some(info) => Some(info.resource()),
        None => suggest::nearest(name, KINDS.iter().flat_map(names)).map(str::to_owned),
    }
}

/// Whether `rest` is the group, or a version and the group, of a kind.
fn group_matches(info: &KindInfo, rest: &str) -> bool {
    let with_version = |version: &&str| {
        rest.strip_prefix(*version).is_some_and(|after| match after.strip_prefix('.') {
            Some(group) => group == info.group,
            None => after.is_empty() && info.group.is_empty(),
        })
    };
    rest == info.group || info.versions.iter().any(with_version)
}

/// A name that no kind has.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the server doesn't have a resource type \"{argument}\"")]
pub struct UnknownResource {
    /// The name as it was given.
    pub argument: String,
    /// The nearest name there is.
    pub nearest: Option<String>,
}

/// The kinds that `all` stands for in `get all`, in kubectl's order.
pub const CATEGORY_ALL: &[&str] = &[
    "Pod",
    "ReplicationController",
    "Service",
    "DaemonSet",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "CronJob",
    "Job",
];

/// One row of the table: group, versions, names, scope, treatment.
macro_rules! row {
    ($group:literal, [$($version:literal),+], $kind:literal, $plural:literal, $singular:literal,
     [$($short:literal),*], $scope:ident, $treatment:ident) => {
        KindInfo {
            group: $group,
            versions: &[$($version),+],
            kind: $kind,
            plural: $plural,
            singular: $singular,
            short: &[$($short),*],
            namespaced: $scope,
            treatment: Treatment::$treatment,
        }
    };
}

const NAMESPACED: bool = true;
const CLUSTER: bool = false;

#[rustfmt::skip]
static KINDS: &[KindInfo] = &[
    row!("", ["v1"], "Binding", "bindings", "binding", [], NAMESPACED, Review),
    row!("", ["v1"], "ComponentStatus", "componentstatuses", "componentstatus", ["cs"], CLUSTER, Inert),
    row!("", ["v1"], "ConfigMap", "configmaps", "configmap", ["cm"], NAMESPACED, Simulated),
    row!("", ["v1"], "Endpoints", "endpoints", "endpoints", ["ep"], NAMESPACED, Simulated),
    row!("", ["v1"], "Event", "events", "event", ["ev"], NAMESPACED, Simulated),
    row!("", ["v1"], "LimitRange", "limitranges", "limitrange", ["limits"], NAMESPACED, Simulated),
    row!("", ["v1"], "Namespace", "namespaces", "namespace", ["ns"], CLUSTER, Simulated),
    row!("", ["v1"], "Node", "nodes", "node", ["no"], CLUSTER, Simulated),
    row!("", ["v1"], "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", ["pvc"], NAMESPACED, Simulated),
    row!("", ["v1"], "PersistentVolume", "persistentvolumes", "persistentvolume", ["pv"], CLUSTER, Simulated),
    row!("", ["v1"], "Pod", "pods", "pod", ["po"], NAMESPACED, Simulated),
    row!("", ["v1"], "PodTemplate", "podtemplates", "podtemplate", [], NAMESPACED, Inert),
    row!("", ["v1"], "ReplicationController", "replicationcontrollers", "replicationcontroller", ["rc"], NAMESPACED, Simulated),
    row!("", ["v1"], "ResourceQuota", "resourcequotas", "resourcequota", ["quota"], NAMESPACED, Simulated),
    row!("", ["v1"], "Secret", "secrets", "secret", [], NAMESPACED, Simulated),
    row!("", ["v1"], "ServiceAccount", "serviceaccounts", "serviceaccount", ["sa"], NAMESPACED, Simulated),
    row!("", ["v1"], "Service", "services", "service", ["svc"], NAMESPACED, Simulated),
    row!("admissionregistration.k8s.io", ["v1"], "MutatingAdmissionPolicy", "mutatingadmissionpolicies", "mutatingadmissionpolicy", [], CLUSTER, Inert),
    row!("admissionregistration.k8s.io", ["v1"], "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", "mutatingadmissionpolicybinding", [], CLUSTER, Inert),
    row!("admissionregistration.k8s.io", ["v1"], "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "mutatingwebhookconfiguration", [], CLUSTER, Inert),
    row!("admissionregistration.k8s.io", ["v1"], "ValidatingAdmissionPolicy", "validatingadmissionpolicies", "validatingadmissionpolicy", [], CLUSTER, Inert),
    row!("admissionregistration.k8s.io", ["v1"], "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", "validatingadmissionpolicybinding", [], CLUSTER, Inert),
    row!("admissionregistration.k8s.io", ["v1"], "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "validatingwebhookconfiguration", [], CLUSTER, Inert),
    row!("apiextensions.k8s.io", ["v1"], "CustomResourceDefinition", "customresourcedefinitions", "customresourcedefinition", ["crd", "crds"], CLUSTER, Inert),
    row!("apiregistration.k8s.io", ["v1"], "APIService", "apiservices", "apiservice", [], CLUSTER, Inert),
    row!("apps", ["v1"], "ControllerRevision", "controllerrevisions", "controllerrevision", [], NAMESPACED, Simulated),
    row!("apps", ["v1"], "DaemonSet", "daemonsets", "daemonset", ["ds"], NAMESPACED, Simulated),
    row!("apps", ["v1"], "Deployment", "deployments", "deployment", ["deploy"], NAMESPACED, Simulated),
    row!("apps", ["v1"], "ReplicaSet", "replicasets", "replicaset", ["rs"], NAMESPACED, Simulated),
    row!("apps", ["v1"], "StatefulSet", "statefulsets", "statefulset", ["sts"], NAMESPACED, Simulated),
    row!("authentication.k8s.io", ["v1"], "SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview", [], CLUSTER, Review),
    row!("authentication.k8s.io", ["v1"], "TokenReview", "tokenreviews", "tokenreview", [], CLUSTER, Review),
    row!("authorization.k8s.io", ["v1"], "LocalSubjectAccessReview", "localsubjectaccessreviews", "localsubjectaccessreview", [], NAMESPACED, Review),
    row!("authorization.k8s.io", ["v1"], "SelfSubjectAccessReview", "selfsubjectaccessreviews", "selfsubjectaccessreview", [], CLUSTER, Review),
    row!("authorization.k8s.io", ["v1"], "SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview", [], CLUSTER, Review),
    row!("authorization.k8s.io", ["v1"], "SubjectAccessReview", "subjectaccessreviews", "subjectaccessreview", [], CLUSTER, Review),
    row!("autoscaling", ["v2", "v1"], "HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler", ["hpa"], NAMESPACED, Simulated),
    row!("batch", ["v1"], "CronJob", "cronjobs", "cronjob", ["cj"], NAMESPACED, Simulated),
    row!("batch", ["v1"], "Job", "jobs", "job", [], NAMESPACED, Simulated),
    row!("certificates.k8s.io", ["v1"], "CertificateSigningRequest", "certificatesigningrequests", "certificatesigningrequest", ["csr"], CLUSTER, Inert),
    row!("coordination.k8s.io", ["v1"], "Lease", "leases", "lease", [], NAMESPACED, Simulated),
    row!("discovery.k8s.io", ["v1"], "EndpointSlice", "endpointslices", "endpointslice", [], NAMESPACED, Simulated),
    row!("events.k8s.io", ["v1"], "Event", "events", "event", ["ev"], NAMESPACED, Inert),
    row!("flowcontrol.apiserver.k8s.io", ["v1"], "FlowSchema", "flowschemas", "flowschema", [], CLUSTER, Inert),
    row!("flowcontrol.apiserver.k8s.io", ["v1"], "PriorityLevelConfiguration", "prioritylevelconfigurations", "prioritylevelconfiguration", [], CLUSTER, Inert),
    row!("networking.k8s.io", ["v1"], "IngressClass", "ingressclasses", "ingressclass", [], CLUSTER, Inert),
    row!("networking.k8s.io", ["v1"], "Ingress", "ingresses", "ingress", ["ing"], NAMESPACED, Inert),
    row!("networking.k8s.io", ["v1"], "IPAddress", "ipaddresses", "ipaddress", ["ip"], CLUSTER, Inert),
    row!("networking.k8s.io", ["v1"], "NetworkPolicy", "networkpolicies", "networkpolicy", ["netpol"], NAMESPACED, Inert),
    row!("networking.k8s.io", ["v1"], "ServiceCIDR", "servicecidrs", "servicecidr", [], CLUSTER, Inert),
    row!("node.k8s.io", ["v1"], "RuntimeClass", "runtimeclasses", "runtimeclass", [], CLUSTER, Inert),
    row!("policy", ["v1"], "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget", ["pdb"], NAMESPACED, Simulated),
    row!("policy", ["v1"], "Eviction", "evictions", "eviction", [], NAMESPACED, Review),
    row!("rbac.authorization.k8s.io", ["v1"], "ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding", [], CLUSTER, Inert),
    row!("rbac.authorization.k8s.io", ["v1"], "ClusterRole", "clusterroles", "clusterrole", [], CLUSTER, Inert),
    row!("rbac.authorization.k8s.io", ["v1"], "RoleBinding", "rolebindings", "rolebinding", [], NAMESPACED, Inert),
    row!("rbac.authorization.k8s.io", ["v1"], "Role", "roles", "role", [], NAMESPACED, Inert),
    row!("resource.k8s.io", ["v1"], "DeviceClass", "deviceclasses", "deviceclass", [], CLUSTER, Inert),
    row!("resource.k8s.io", ["v1"], "ResourceClaim", "resourceclaims", "resourceclaim", [], NAMESPACED, Inert),
    row!("resource.k8s.io", ["v1"], "ResourceClaimTemplate", "resourceclaimtemplates", "resourceclaimtemplate", [], NAMESPACED, Inert),
    row!("resource.k8s.io", ["v1"], "ResourceSlice", "resourceslices", "resourceslice", [], CLUSTER, Inert),
    row!("scheduling.k8s.io", ["v1"], "PriorityClass", "priorityclasses", "priorityclass", ["pc"], CLUSTER, Simulated),
    row!("storage.k8s.io", ["v1"], "CSIDriver", "csidrivers", "csidriver", [], CLUSTER, Inert),
    row!("storage.k8s.io", ["v1"], "CSINode", "csinodes", "csinode", [], CLUSTER, Inert),
    row!("storage.k8s.io", ["v1"], "CSIStorageCapacity", "csistoragecapacities", "csistoragecapacity", [], NAMESPACED, Inert),
    row!("storage.k8s.io", ["v1"], "StorageClass", "storageclasses", "storageclass", ["sc"], CLUSTER, Simulated),
    row!("storage.k8s.io", ["v1"], "VolumeAttachment", "volumeattachments", "volumeattachment", [], CLUSTER, Inert),
    row!("storage.k8s.io", ["v1"], "VolumeAttributesClass", "volumeattributesclasses", "volumeattributesclass", ["vac"], CLUSTER, Inert),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_kubectl_finds_them() {
        let check = |argument: &str, wanted: &str| {
            assert_eq!(
                resolve(argument).map(KindInfo::resource).as_deref(),
                Ok(wanted),
                "{argument}"
            );
        };
        check("po", "pods");
        check("Pods", "pods");
        check("deploy", "deployments.apps");
        check("deployment", "deployments.apps");
        check("statefulsets.apps", "statefulsets.apps");
        check("sts.apps", "statefulsets.apps");
        check("deployments.v1.apps", "deployments.apps");
        check("pods.v1.", "pods");
        check("pods.v1", "pods");
        check("ev", "events");
        check("events.events.k8s.io", "events.events.k8s.io");
        check("hpa.v1.autoscaling", "horizontalpodautoscalers.autoscaling");
        check("PersistentVolumeClaim", "persistentvolumeclaims");
        let unknown = |argument: &str, nearest: Option<&str>| {
            let error = resolve(argument).unwrap_err();
            assert_eq!(error.nearest.as_deref(), nearest, "{argument}");
            let text = format!("the server doesn't have a resource type \"{argument}\"");
            assert_eq!(error.to_string(), text);
        };
        unknown("deploymnt", Some("deployment"));
        unknown("deployments.v2.apps", Some("deployments.apps"));
        unknown("frobs", None);
    }

    #[test]
    fn what_the_model_knows_is_in_the_table_under_the_same_names() {
        for kind in model::Kind::ALL.iter().filter(|kind| **kind != model::Kind::Inert) {
            let info = served(&kind.api_version(), kind.as_str()).unwrap();
            assert_eq!(
                (info.plural, info.namespaced),
                (kind.plural(), kind.namespaced()),
                "{kind}"
            );
            assert_eq!(info.treatment, Treatment::Simulated, "{kind}");
            assert_eq!(info.model(), *kind);
        }
        let event = served("events.k8s.io/v1", "Event").unwrap();
        assert_eq!(event.model(), model::Kind::Inert);
    }
}

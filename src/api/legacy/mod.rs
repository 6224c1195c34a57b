//! Manifests of API versions that the cluster no longer serves, brought to the current form.
//!
//! v1.36 answers a request for `extensions/v1beta1` with 404, yet such manifests stand in many
//! repositories. They are read here as the last server that knew them would have: with the defaults of
//! their own version where those differ from today's, then converted (pkg/apis/*/v1beta1 `defaults.go`
//! and `conversion.go`, of v1.20 where v1.36 has dropped them). What was filled in is told, since it is
//! what a reader of the manifest does not see.
//!
//! Also here: autoscaling/v1, which is still served but acts as the v2 object it converts to.
//!
//! Left out: versions older than 1.9 had alone (`extensions/v1beta1` Job and HorizontalPodAutoscaler),
//! which are refused with a hint.

mod autoscaling;
mod networking;
mod workloads;

use serde_json::{Map, Value, json};

use super::kinds;

/// A version that is read although it is not the current one.
#[derive(Debug)]
pub struct OldVersion {
    /// The old `apiVersion`.
    pub api_version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The `apiVersion` it is brought to; empty when there is no successor.
    pub current: &'static str,
    /// The release that declared it deprecated; `None` where none did.
    pub deprecated: Option<&'static str>,
    /// The release that stopped serving it; `None` for what is still served.
    pub removed: Option<&'static str>,
    convert: fn(&mut Map<String, Value>, &mut Filled),
}

/// What was done to a manifest of an old version.
#[derive(Debug)]
pub struct Conversion {
    /// The version it was in.
    pub old: &'static OldVersion,
    /// Fields that were filled in as the old version did and the current one would not.
    pub filled: Filled,
}

/// Fields that were filled in, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled(Vec<String>);

impl Filled {
    /// One sentence part each: `spec.selector from the labels of the template (app=web)`.
    pub fn notes(&self) -> &[String] {
        &self.0
    }

    fn note(&mut self, text: impl Into<String>) {
        self.0.push(text.into());
    }
}

impl Conversion {
    /// What happened, in one sentence: the last server's own words
    /// (`staging/src/k8s.io/apiserver/pkg/endpoints/deprecation/deprecation.go`, `WarningMessage`) where
    /// it had some, and what was made of the manifest.
    pub fn message(&self) -> String {
        let OldVersion { api_version, kind, current, deprecated, removed, .. } = self.old;
        match (deprecated, removed) {
            (Some(deprecated), Some(removed)) => format!(
                "{api_version} {kind} is deprecated in v{deprecated}+, unavailable in v{removed}+; use {current} {kind} (it is read as that here)"
            ),
            (None, Some(removed)) => format!(
                "{api_version} {kind} is unavailable in v{removed}+; use {current} {kind} (it is read as that here)"
            ),
            (_, None) => format!("{api_version} {kind} was read as {current}"),
        }
    }
}

/// Whether a group existed for old versions only.
pub fn is_old_group(group: &str) -> bool {
    group == "extensions"
}

/// The entry for an old version.
pub fn old_version(api_version: &str, kind: &str) -> Option<&'static OldVersion> {
    OLD.iter().find(|old| old.api_version == api_version && old.kind == kind)
}

/// Brings `manifest` to the current form if it is in an old one. Nothing is done to a version that was
/// removed without a successor, nor to one that was never heard of.
pub fn convert(manifest: &mut Value) -> Option<Conversion> {
    let object = manifest.as_object_mut()?;
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let old = old_version(text("apiVersion"), text("kind"))?;
    if old.current.is_empty() {
        return None;
    }
    let mut filled = Filled::default();
    (old.convert)(object, &mut filled);
    object.insert("apiVersion".into(), old.current.into());
    Some(Conversion { old, filled })
}

/// Where the kinds of old versions are today, for those that are not converted: a hint.
pub fn successor(api_version: &str, kind: &str) -> Option<String> {
    match (api_version, kind) {
        (_, "PodSecurityPolicy") => {
            Some("PodSecurityPolicy was removed in Kubernetes 1.25; label namespaces for Pod Security Admission instead".into())
        }
        (_, "ScheduledJob") => Some("ScheduledJob became CronJob in batch/v1".into()),
        (_, "ThirdPartyResource") => {
            Some("ThirdPartyResource became CustomResourceDefinition in apiextensions.k8s.io/v1".into())
        }
        _ => kinds::anywhere(kind).map(|info| format!("{kind} is in {}", info.api_version())),
    }
}

macro_rules! old {
    ($($api_version:literal [$($kind:literal)+] => $current:literal from $deprecated:expr, until $removed:expr, $convert:expr;)*) => {
        &[$($(OldVersion {
            api_version: $api_version,
            kind: $kind,
            current: $current,
            deprecated: $deprecated,
            removed: $removed,
            convert: $convert,
        },)+)*]
    };
}

#[rustfmt::skip]
static OLD: &[OldVersion] = old! {
    "extensions/v1beta1" ["Deployment"] => "apps/v1" from Some("1.8"), until Some("1.16"), workloads::extensions_deployment;
    "extensions/v1beta1" ["DaemonSet"] => "apps/v1" from Some("1.8"), until Some("1.16"), workloads::extensions_daemon_set;
    "extensions/v1beta1" ["ReplicaSet"] => "apps/v1" from Some("1.8"), until Some("1.16"), workloads::labels_from_template;
    "extensions/v1beta1" ["NetworkPolicy"] => "networking.k8s.io/v1" from Some("1.9"), until Some("1.16"), nothing;
    "extensions/v1beta1" ["Ingress"] => "networking.k8s.io/v1" from Some("1.14"), until Some("1.22"), networking::ingress;
    "extensions/v1beta1" ["PodSecurityPolicy"] => "" from None, until Some("1.16"), nothing;
    "apps/v1beta1" ["Deployment"] => "apps/v1" from Some("1.8"), until Some("1.16"), workloads::apps_v1beta1_deployment;
    "apps/v1beta1" ["StatefulSet"] => "apps/v1" from Some("1.8"), until Some("1.16"), workloads::apps_v1beta1_stateful_set;
    "apps/v1beta1" ["ControllerRevision"] => "apps/v1" from Some("1.8"), until Some("1.16"), nothing;
    "apps/v1beta2" ["Deployment" "DaemonSet" "ReplicaSet" "StatefulSet" "ControllerRevision"] => "apps/v1" from Some("1.9"), until Some("1.16"), nothing;
    "batch/v2alpha1" ["CronJob"] => "batch/v1" from None, until Some("1.21"), nothing;
    "batch/v1beta1" ["CronJob"] => "batch/v1" from Some("1.21"), until Some("1.25"), nothing;
    "policy/v1beta1" ["PodDisruptionBudget"] => "policy/v1" from Some("1.21"), until Some("1.25"), pod_disruption_budget;
    "policy/v1beta1" ["Eviction"] => "policy/v1" from Some("1.22"), until Some("1.25"), nothing;
    "policy/v1beta1" ["PodSecurityPolicy"] => "" from None, until Some("1.25"), nothing;
    "autoscaling/v1" ["HorizontalPodAutoscaler"] => "autoscaling/v2" from None, until None, autoscaling::from_v1;
    "autoscaling/v2beta1" ["HorizontalPodAutoscaler"] => "autoscaling/v2" from Some("1.22"), until Some("1.25"), autoscaling::from_v2beta1;
    "autoscaling/v2beta2" ["HorizontalPodAutoscaler"] => "autoscaling/v2" from Some("1.23"), until Some("1.26"), nothing;
    "scheduling.k8s.io/v1alpha1" ["PriorityClass"] => "scheduling.k8s.io/v1" from None, until Some("1.22"), nothing;
    "scheduling.k8s.io/v1beta1" ["PriorityClass"] => "scheduling.k8s.io/v1" from Some("1.14"), until Some("1.22"), nothing;
    "coordination.k8s.io/v1beta1" ["Lease"] => "coordination.k8s.io/v1" from Some("1.19"), until Some("1.22"), nothing;
    "networking.k8s.io/v1beta1" ["Ingress"] => "networking.k8s.io/v1" from Some("1.19"), until Some("1.22"), networking::ingress;
    "networking.k8s.io/v1beta1" ["IngressClass"] => "networking.k8s.io/v1" from Some("1.19"), until Some("1.22"), nothing;
    "rbac.authorization.k8s.io/v1alpha1" ["Role" "RoleBinding" "ClusterRole" "ClusterRoleBinding"] => "rbac.authorization.k8s.io/v1" from None, until Some("1.22"), nothing;
    "rbac.authorization.k8s.io/v1beta1" ["Role" "RoleBinding" "ClusterRole" "ClusterRoleBinding"] => "rbac.authorization.k8s.io/v1" from Some("1.17"), until Some("1.22"), nothing;
    "storage.k8s.io/v1beta1" ["StorageClass" "VolumeAttachment" "CSIDriver"] => "storage.k8s.io/v1" from Some("1.19"), until Some("1.22"), nothing;
    "storage.k8s.io/v1beta1" ["CSINode"] => "storage.k8s.io/v1" from Some("1.17"), until Some("1.22"), nothing;
    "storage.k8s.io/v1beta1" ["CSIStorageCapacity"] => "storage.k8s.io/v1" from Some("1.24"), until Some("1.27"), nothing;
    "admissionregistration.k8s.io/v1beta1" ["MutatingWebhookConfiguration" "ValidatingWebhookConfiguration"] => "admissionregistration.k8s.io/v1" from Some("1.16"), until Some("1.22"), nothing;
    "apiextensions.k8s.io/v1beta1" ["CustomResourceDefinition"] => "apiextensions.k8s.io/v1" from Some("1.16"), until Some("1.22"), custom_resource_definition;
    "apiregistration.k8s.io/v1beta1" ["APIService"] => "apiregistration.k8s.io/v1" from Some("1.19"), until Some("1.22"), nothing;
    "discovery.k8s.io/v1beta1" ["EndpointSlice"] => "discovery.k8s.io/v1" from Some("1.21"), until Some("1.25"), networking::endpoint_slice;
    "events.k8s.io/v1beta1" ["Event"] => "events.k8s.io/v1" from Some("1.22"), until Some("1.25"), nothing;
    "node.k8s.io/v1beta1" ["RuntimeClass"] => "node.k8s.io/v1" from Some("1.22"), until Some("1.25"), nothing;
    "flowcontrol.apiserver.k8s.io/v1beta1" ["FlowSchema" "PriorityLevelConfiguration"] => "flowcontrol.apiserver.k8s.io/v1" from Some("1.23"), until Some("1.26"), concurrency_shares;
    "flowcontrol.apiserver.k8s.io/v1beta2" ["FlowSchema" "PriorityLevelConfiguration"] => "flowcontrol.apiserver.k8s.io/v1" from Some("1.26"), until Some("1.29"), concurrency_shares;
    "flowcontrol.apiserver.k8s.io/v1beta3" ["FlowSchema" "PriorityLevelConfiguration"] => "flowcontrol.apiserver.k8s.io/v1" from Some("1.29"), until Some("1.32"), nothing;
    "certificates.k8s.io/v1beta1" ["CertificateSigningRequest"] => "certificates.k8s.io/v1" from Some("1.19"), until Some("1.22"), nothing;
};

/// The current version has the same fields, and the same defaults where they matter.
fn nothing(_: &mut Map<String, Value>, _: &mut Filled) {}

/// The label of a selector that matches no pod, as the API server writes it.
const EMPTY_SELECTOR_LABEL: &str = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match";

/// An empty selector selected nothing; in policy/v1 it selects everything.
fn pod_disruption_budget(object: &mut Map<String, Value>, filled: &mut Filled) {
    let Some(selector) = field(object, &["spec", "selector"]) else { return };
    let expressions =
        |selector: &Value| selector["matchExpressions"].as_array().map_or(0, Vec::len);
    let labels = selector["matchLabels"].as_object().map_or(0, Map::len);
    if !selector.is_object() {
        return;
    }
    if labels == 0 && expressions(selector) == 0 {
        *selector =
            json!({"matchExpressions": [{"key": EMPTY_SELECTOR_LABEL, "operator": "Exists"}]});
        filled
            .note("spec.selector so that it goes on selecting no pod: empty ones select all today");
    } else if let Some(list) = selector.get_mut("matchExpressions").and_then(Value::as_array_mut) {
        list.retain(|expression| expression["key"] != EMPTY_SELECTOR_LABEL);
    }
}

/// `spec.limited.assuredConcurrencyShares` got another name.
fn concurrency_shares(object: &mut Map<String, Value>, _: &mut Filled) {
    if let Some(limited) = field(object, &["spec", "limited"]) {
        rename(limited, "assuredConcurrencyShares", "nominalConcurrencyShares");
    }
}

/// What stood once for all versions stands in each of them.
fn custom_resource_definition(object: &mut Map<String, Value>, _: &mut Filled) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if !spec.get("versions").is_some_and(Value::is_array) {
        let Some(name) = spec.remove("version") else { return };
        spec.insert("versions".into(), json!([{"name": name, "served": true, "storage": true}]));
    }
    spec.remove("version");
    spec.remove("preserveUnknownFields");
    let schema =
        spec.remove("validation").and_then(|mut it| Some(it.get_mut("openAPIV3Schema")?.take()));
    let schema = schema
        .unwrap_or_else(|| json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}));
    let mut shared = vec![("schema", json!({"openAPIV3Schema": schema}))];
    for name in ["subresources", "additionalPrinterColumns"] {
        shared.extend(spec.remove(name).map(|value| (name, value)));
    }
    for version in spec.get_mut("versions").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(version) = version.as_object_mut() else { continue };
        for (name, value) in &shared {
            version.entry(*name).or_insert_with(|| value.clone());
        }
        for column in version
            .get_mut("additionalPrinterColumns")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            rename(column, "JSONPath", "jsonPath");
        }
    }
}

/// The value at a path of fields, if it is there and not null.
fn field<'v>(object: &'v mut Map<String, Value>, path: &[&str]) -> Option<&'v mut Value> {
    let (first, rest) = path.split_first()?;
    let mut value = object.get_mut(*first)?;
    for key in rest {
        value = value.get_mut(*key)?;
    }
    (!value.is_null()).then_some(value)
}

/// Sets the field at `path` if it is missing or null, and its parents with it. Gives up, quietly, where
/// a parent has another type: strict decoding tells about that.
fn fill(object: &mut Map<String, Value>, path: &[&str], value: Value) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let mut at = object;
    for key in parents {
        let next = at.entry(*key).or_insert(Value::Null);
        if next.is_null() {
            *next = json!({});
        }
        let Some(next) = next.as_object_mut() else { return false };
        at = next;
    }
    let slot = at.entry(*last).or_insert(Value::Null);
    let empty = slot.is_null();
    if empty {
        *slot = value;
    }
    empty
}

/// Moves the value of one key of a mapping to another, which must not be there.
fn rename(value: &mut Value, from: &str, to: &str) {
    let Some(object) = value.as_object_mut() else { return };
    if object.contains_key(to) {
        return;
    }
    if let Some(moved) = object.shift_remove(from) {
        object.insert(to.to_owned(), moved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert_to(old: &Value, current: &Value, notes: &[&str]) {
        let mut manifest = old.clone();
        let conversion = convert(&mut manifest).expect("an old version");
        assert_eq!(&manifest, current, "{old}");
        assert_eq!(conversion.filled.notes(), notes, "{old}");
    }

    #[test]
    fn every_old_version_has_a_successor_that_is_served() {
        for old in OLD.iter().filter(|old| !old.current.is_empty()) {
            assert!(kinds::served(old.current, old.kind).is_some(), "{old:?}");
            let still = kinds::served(old.api_version, old.kind).is_some();
            assert_eq!(still, old.removed.is_none(), "{old:?}");
        }
    }

    #[test]
    fn a_budget_with_an_empty_selector_goes_on_selecting_nothing() {
        convert_to(
            &json!({"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "spec": {"selector": {}}}),
            &json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "spec": {"selector":
                {"matchExpressions": [{"key": EMPTY_SELECTOR_LABEL, "operator": "Exists"}]}}}),
            &["spec.selector so that it goes on selecting no pod: empty ones select all today"],
        );
        convert_to(
            &json!({"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "spec": {"minAvailable": 1}}),
            &json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "spec": {"minAvailable": 1}}),
            &[],
        );
    }

    #[test]
    fn an_old_definition_of_custom_resources_lists_its_versions() {
        convert_to(
            &json!({"apiVersion": "apiextensions.k8s.io/v1beta1", "kind": "CustomResourceDefinition",
                "spec": {"group": "x.example", "version": "v1", "names": {"kind": "X"},
                    "validation": {"openAPIV3Schema": {"type": "object"}},
                    "additionalPrinterColumns": [{"name": "A", "JSONPath": ".a"}]}}),
            &json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "spec": {"group": "x.example", "names": {"kind": "X"}, "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                    "additionalPrinterColumns": [{"name": "A", "jsonPath": ".a"}]}]}}),
            &[],
        );
    }

    #[test]
    fn odd_shapes_are_left_as_they_are() {
        for old in OLD {
            for odd in [json!(null), json!(1), json!([]), json!("x"), json!({})] {
                let bare = json!({"apiVersion": old.api_version, "kind": old.kind, "metadata": odd, "spec": odd});
                let mut manifest = bare.clone();
                drop(convert(&mut manifest));
                manifest = bare;
                manifest["spec"] = json!({"template": odd, "selector": odd, "metrics": [odd], "rules": odd,
                    "strategy": odd, "updateStrategy": odd, "versions": [odd], "version": "v1"});
                manifest["endpoints"] = json!([odd]);
                drop(convert(&mut manifest));
            }
        }
    }
}

//! What a create request sets and drops: system metadata, status, fields whose feature is off.
//!
//! After `staging/src/k8s.io/apiserver/pkg/registry/rest/create.go`, the strategies of
//! `pkg/registry/*/*/strategy.go` (`PrepareForCreate`, `Canonicalize`), the drops of
//! `pkg/api/*/util.go`, and what the conversions to the internal types and back change
//! (`pkg/apis/*/v1/conversion.go`).

use serde_json::{Value, json};

use super::autoscaling;
use crate::api::fields::{
    Fields, fields, fields_mut, fields_or_new, flag, has_any, int, items, items_mut, text, texts,
};
use crate::api::resources;

/// What the server gives to a new object.
#[derive(Clone, Copy, Debug)]
pub struct System<'a> {
    /// The namespace of the request; empty for a kind without namespaces.
    pub namespace: &'a str,
    /// The object's uid.
    pub uid: &'a str,
    /// The time, in RFC 3339.
    pub now: &'a str,
    /// What completes a generated name: five letters and digits.
    pub suffix: &'a str,
}

/// The longest base of a generated name; five characters are added.
const GENERATED_BASE_MAX: usize = 58;

/// Sets the metadata that is the server's own, before anything is looked at.
pub fn system_metadata(object: &mut Value, system: System<'_>) {
    let Some(object) = object.as_object_mut() else { return };
    let metadata = fields_or_new(object, "metadata");
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"] {
        metadata.remove(field);
    }
    metadata.insert("uid".into(), system.uid.into());
    metadata.insert("creationTimestamp".into(), system.now.into());
    if text(metadata, "name").is_empty() && !text(metadata, "generateName").is_empty() {
        let base: String =
            text(metadata, "generateName").chars().take(GENERATED_BASE_MAX).collect();
        metadata.insert("name".into(), format!("{base}{}", system.suffix).into());
    }
    if system.namespace.is_empty() {
        metadata.remove("namespace");
    } else if text(metadata, "namespace").is_empty() {
        metadata.insert("namespace".into(), system.namespace.into());
    }
}

/// What the conversion to the internal types and back changes.
pub fn normalise(key: &str, object: &mut Value) {
    for template in templates(key, object) {
        normalise_template(template);
    }
    let Some(object) = object.as_object_mut() else { return };
    match key {
        "core/v1.Pod" => normalise_pod(object),
        "core/v1.Secret" => merge_string_data(object),
        "core/v1.Node" => plural(fields_or_new(object, "spec"), "podCIDR", "podCIDRs"),
        "apps/v1.StatefulSet" => {
            let spec = fields_or_new(object, "spec");
            for claim in items_mut(spec, "volumeClaimTemplates") {
                claim.insert("apiVersion".into(), "v1".into());
                claim.insert("kind".into(), "PersistentVolumeClaim".into());
            }
            whole_numbers(spec, "updateStrategy", &["partition"]);
        }
        "apps/v1.DaemonSet" => {
            let spec = fields_or_new(object, "spec");
            whole_numbers(spec, "updateStrategy", &["maxUnavailable", "maxSurge"]);
            let annotations = fields_or_new(fields_or_new(object, "metadata"), "annotations");
            let generation = text(annotations, TEMPLATE_GENERATION).parse::<i64>().unwrap_or(0);
            annotations.insert(TEMPLATE_GENERATION.into(), generation.to_string().into());
        }
        "apps/v1.Deployment" => {
            let spec = fields_or_new(object, "spec");
            whole_numbers(spec, "strategy", &["maxUnavailable", "maxSurge"]);
            let annotations = fields_or_new(fields_or_new(object, "metadata"), "annotations");
            match text(annotations, ROLLBACK_TO).parse::<i64>() {
                Ok(revision) => {
                    annotations.insert(ROLLBACK_TO.into(), revision.to_string().into());
                }
                Err(_) => {
                    annotations.remove(ROLLBACK_TO);
                }
            }
        }
        "policy/v1.PodDisruptionBudget" => strip_budget_label(object),
        "autoscaling/v1.HorizontalPodAutoscaler" => autoscaling::normalise_v1(object),
        "autoscaling/v2.HorizontalPodAutoscaler" => autoscaling::normalise_v2(object),
        _ => {}
    }
}

pub(super) const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
const ROLLBACK_TO: &str = "deprecated.deployment.rollback.to";

/// A strategy's `PrepareForCreate`.
pub fn prepare(key: &str, object: &mut Value, now: &str) {
    for template in templates(key, object) {
        if let Some(spec) = template.as_object_mut().map(|t| fields_or_new(t, "spec")) {
            drop_disabled(spec);
        }
    }
    let Some(object) = object.as_object_mut() else { return };
    match key {
        "core/v1.Pod" => prepare_pod(object, now),
        "core/v1.ReplicationController" | "apps/v1.ReplicaSet" | "apps/v1.Deployment" => {
            reset_status(object, true);
        }
        "batch/v1.CronJob" | "policy/v1.PodDisruptionBudget" => reset_status(object, true),
        "batch/v1.Job" => {
            let labelled = template_labels(object).is_some();
            generate_selector(object);
            if labelled {
                share_template_labels(object);
            }
            reset_status(object, true);
        }
        "apps/v1.DaemonSet" => {
            reset_status(object, true);
            let annotations = fields_or_new(fields_or_new(object, "metadata"), "annotations");
            if text(annotations, TEMPLATE_GENERATION).parse::<i64>().unwrap_or(0) < 1 {
                annotations.insert(TEMPLATE_GENERATION.into(), "1".into());
            }
        }
        "apps/v1.StatefulSet" => {
            reset_status(object, true);
            drop_max_unavailable(object);
        }
        "core/v1.PodTemplate" | "scheduling/v1.PriorityClass" | "discovery/v1.EndpointSlice" => {
            set_generation(object);
        }
        "networking/v1.Ingress" => reset_status(object, true),
        "networking/v1.NetworkPolicy" | "networking/v1.IngressClass" => set_generation(object),
        "core/v1.Service"
        | "core/v1.ResourceQuota"
        | "autoscaling/v1.HorizontalPodAutoscaler"
        | "autoscaling/v2.HorizontalPodAutoscaler" => reset_status(object, false),
        "core/v1.Namespace" => prepare_namespace(object),
        "core/v1.Node" => prepare_node(object),
        "core/v1.PersistentVolume" => {
            let status = json!({"phase": "Pending", "lastPhaseTransitionTime": now});
            object.insert("status".into(), status);
        }
        "core/v1.PersistentVolumeClaim" => {
            reset_status(object, false);
            data_sources(fields_or_new(object, "spec"), None);
        }
        "core/v1.ServiceAccount" => clean_secret_references(object),
        "core/v1.LimitRange" => name_if_none(object),
        "coordination/v1.Lease" => drop_election(object),
        _ => {}
    }
}

/// Whether objects of a kind have a status that only its own subresource writes.
pub(super) fn has_status(key: &str) -> bool {
    matches!(
        key,
        "core/v1.Pod"
            | "core/v1.ReplicationController"
            | "core/v1.Service"
            | "core/v1.PersistentVolume"
            | "core/v1.PersistentVolumeClaim"
            | "core/v1.Namespace"
            | "core/v1.Node"
            | "core/v1.ResourceQuota"
            | "apps/v1.Deployment"
            | "apps/v1.ReplicaSet"
            | "apps/v1.StatefulSet"
            | "apps/v1.DaemonSet"
            | "batch/v1.Job"
            | "batch/v1.CronJob"
            | "autoscaling/v1.HorizontalPodAutoscaler"
            | "autoscaling/v2.HorizontalPodAutoscaler"
            | "networking/v1.Ingress"
            | "policy/v1.PodDisruptionBudget"
    )
}

/// Sets a field to what another object has in it, be it nothing.
pub(super) fn set_whole(of: &mut Fields, name: &str, value: Option<&Value>) {
    match value {
        Some(value) => of.insert(name.to_owned(), value.clone()),
        None => of.remove(name),
    };
}

/// `MaxUnavailableStatefulSet` is off.
pub(super) fn drop_max_unavailable(set: &mut Fields) {
    let strategy = fields_or_new(fields_or_new(set, "spec"), "updateStrategy");
    if let Some(rolling) = fields_mut(strategy, "rollingUpdate") {
        rolling.remove("maxUnavailable");
    }
}

/// `cleanSecretReferences`: of a reference, the name alone is kept.
pub(super) fn clean_secret_references(account: &mut Fields) {
    for secret in items_mut(account, "secrets") {
        secret.retain(|name, _| name == "name");
    }
}

/// `CoordinatedLeaderElection` is off.
pub(super) fn drop_election(lease: &mut Fields) {
    let spec = fields_or_new(lease, "spec");
    spec.remove("strategy");
    spec.remove("preferredHolder");
}

/// A strategy's `Canonicalize`, after validation.
pub fn canonicalise(key: &str, object: &mut Value) {
    if key == "core/v1.Namespace"
        && let Some(object) = object.as_object_mut()
    {
        super::cluster::namespace(object);
    }
}

/// What the conversions change of a pod template.
pub(super) fn normalise_template(template: &mut Value) {
    let Some(template) = template.as_object_mut() else { return };
    drop_init_annotations(fields_or_new(template, "metadata"));
    normalise_pod_spec(fields_or_new(template, "spec"));
}

/// The internal types have plain numbers where the API has pointers: unset becomes zero.
fn whole_numbers(spec: &mut Fields, strategy: &str, names: &[&str]) {
    let rolling = fields_mut(spec, strategy).and_then(|s| fields_mut(s, "rollingUpdate"));
    if let Some(rolling) = rolling {
        for name in names {
            rolling.entry(*name).or_insert_with(|| 0.into());
        }
    }
}

/// The pod templates of an object of a kind.
pub(super) fn templates<'a>(key: &str, object: &'a mut Value) -> Vec<&'a mut Value> {
    let path: &[&str] = match key {
        "core/v1.ReplicationController"
        | "apps/v1.ReplicaSet"
        | "apps/v1.Deployment"
        | "apps/v1.StatefulSet"
        | "apps/v1.DaemonSet"
        | "batch/v1.Job" => &["spec", "template"],
        "batch/v1.CronJob" => &["spec", "jobTemplate", "spec", "template"],
        "core/v1.PodTemplate" => &["template"],
        _ => return Vec::new(),
    };
    let found = path.iter().try_fold(object, |value, name| value.get_mut(*name));
    found.into_iter().filter(|t| t.is_object()).collect()
}

fn normalise_pod(pod: &mut Fields) {
    drop_init_annotations(fields_or_new(pod, "metadata"));
    let spec = fields_or_new(pod, "spec");
    normalise_pod_spec(spec);
    if int(spec, "terminationGracePeriodSeconds") < 0 {
        spec.insert("terminationGracePeriodSeconds".into(), 1.into());
    }
    let status = fields_or_new(pod, "status");
    let (ip, first) =
        (text(status, "podIP"), items(status, "podIPs").next().map(|i| text(i, "ip")));
    if !ip.is_empty() && first != Some(ip) {
        let ips = json!([{ "ip": ip }]);
        status.insert("podIPs".into(), ips);
    } else if let Some(first) = first.map(str::to_owned) {
        status.insert("podIP".into(), first.into());
    }
}

/// `serviceAccount` is an alias, and the security context is always there.
fn normalise_pod_spec(spec: &mut Fields) {
    let name = match text(spec, "serviceAccountName") {
        "" => text(spec, "serviceAccount"),
        name => name,
    };
    let name = name.to_owned();
    for alias in ["serviceAccountName", "serviceAccount"] {
        spec.insert(alias.into(), name.clone().into());
    }
    fields_or_new(spec, "securityContext");
}

fn drop_init_annotations(metadata: &mut Fields) {
    if let Some(annotations) = fields_mut(metadata, "annotations") {
        annotations.retain(|key, _| {
            !matches!(
                key.as_str(),
                "pod.beta.kubernetes.io/init-containers"
                    | "pod.alpha.kubernetes.io/init-containers"
                    | "pod.beta.kubernetes.io/init-container-statuses"
                    | "pod.alpha.kubernetes.io/init-container-statuses"
            )
        });
    }
}

/// `stringData` overwrites `data` and is not kept.
fn merge_string_data(secret: &mut Fields) {
    let Some(Value::Object(texts)) = secret.remove("stringData") else { return };
    if texts.is_empty() {
        return;
    }
    let data = fields_or_new(secret, "data");
    for (key, text) in texts {
        let encoded = serde_json::to_value(k8s_openapi::ByteString(
            text.as_str().unwrap_or_default().as_bytes().to_vec(),
        ));
        data.insert(key, encoded.unwrap_or_default());
    }
}

/// A singular field and the first of its plural are one.
fn plural(spec: &mut Fields, one: &str, many: &str) {
    let (single, first) = (text(spec, one), texts(spec, many).next());
    if !single.is_empty() && first != Some(single) {
        let list = json!([single]);
        spec.insert(many.into(), list);
    } else if let Some(first) = first.map(str::to_owned) {
        spec.insert(one.into(), first.into());
    }
}

/// `StripPDBV1beta1Label`: the marker of old match-nothing selectors stands alone or not at all.
fn strip_budget_label(budget: &mut Fields) {
    const MARKER: &str = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match";
    let Some(selector) = fields_mut(fields_or_new(budget, "spec"), "selector") else { return };
    let marker = json!({"key": MARKER, "operator": "Exists"});
    let nothing = json!({"key": MARKER, "operator": "DoesNotExist"});
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    let alone = expressions.is_some_and(|e| e.len() == 1 && (e[0] == marker || e[0] == nothing))
        && !has_any(selector, "matchLabels");
    if alone {
        return;
    }
    if let Some(labels) = fields_mut(selector, "matchLabels") {
        labels.remove(MARKER);
    }
    if let Some(Value::Array(expressions)) = selector.get_mut("matchExpressions") {
        expressions.retain(|e| e["key"] != MARKER);
    }
}

fn set_generation(object: &mut Fields) {
    fields_or_new(object, "metadata").insert("generation".into(), 1.into());
}

fn reset_status(object: &mut Fields, generation: bool) {
    object.insert("status".into(), Fields::new().into());
    if generation {
        set_generation(object);
    }
}

/// Drops pod fields whose feature is off: cluster trust bundles, pod certificates, scheduling
/// groups, stop signals (`dropDisabledFields` of `pkg/api/pod/util.go`).
pub(super) fn drop_disabled(spec: &mut Fields) {
    spec.remove("schedulingGroup");
    for volume in items_mut(spec, "volumes") {
        let Some(projected) = fields_mut(volume, "projected") else { continue };
        for source in items_mut(projected, "sources") {
            source.remove("clusterTrustBundle");
            source.remove("podCertificate");
        }
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in items_mut(spec, list) {
            let Some(lifecycle) = fields_mut(container, "lifecycle") else { continue };
            if lifecycle.remove("stopSignal").is_some() && lifecycle.is_empty() {
                container.remove("lifecycle");
            }
        }
    }
}

/// `podStrategy.PrepareForCreate`.
fn prepare_pod(pod: &mut Fields, now: &str) {
    set_generation(pod);
    let class = resources::qos_class(pod);
    pod.insert("status".into(), json!({"phase": "Pending", "qosClass": class}));
    let labels = fields(pod, "metadata").and_then(|m| fields(m, "labels")).cloned();
    let spec = fields_or_new(pod, "spec");
    drop_disabled(spec);
    if let Some(labels) = &labels {
        affinity_label_keys(spec, labels);
        for constraint in items_mut(spec, "topologySpreadConstraints") {
            apply_label_keys(constraint, "matchLabelKeys", "In", labels);
        }
    }
    let gated = has_any(spec, "schedulingGates");
    app_armor_fields(pod);
    if gated {
        let condition = json!([{
            "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
            "lastTransitionTime": now,
        }]);
        fields_or_new(pod, "status").insert("conditions".into(), condition);
    }
}

/// `mutatePodAffinity`: label keys become requirements with the pod's own values.
fn affinity_label_keys(spec: &mut Fields, labels: &Fields) {
    let Some(affinity) = fields_mut(spec, "affinity") else { return };
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(rules) = fields_mut(affinity, kind) else { continue };
        let mut both = |term: &mut Fields| {
            apply_label_keys(term, "matchLabelKeys", "In", labels);
            apply_label_keys(term, "mismatchLabelKeys", "NotIn", labels);
        };
        items_mut(rules, "requiredDuringSchedulingIgnoredDuringExecution").for_each(&mut both);
        for weighted in items_mut(rules, "preferredDuringSchedulingIgnoredDuringExecution") {
            fields_mut(weighted, "podAffinityTerm").into_iter().for_each(&mut both);
        }
    }
}

fn apply_label_keys(term: &mut Fields, keys: &str, operator: &str, labels: &Fields) {
    let added: Vec<Value> = texts(term, keys)
        .filter_map(|key| Some((key, labels.get(key)?)))
        .map(|(key, value)| json!({"key": key, "operator": operator, "values": [value]}))
        .collect();
    let Some(selector) = fields_mut(term, "labelSelector").filter(|_| !added.is_empty()) else {
        return;
    };
    let expressions = selector.entry("matchExpressions").or_insert_with(|| json!([]));
    if let Some(expressions) = expressions.as_array_mut() {
        expressions.extend(added);
    }
}

/// `applyAppArmorVersionSkew`: deprecated annotations become fields.
fn app_armor_fields(pod: &mut Fields) {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    let annotations = fields(pod, "metadata").and_then(|m| fields(m, "annotations")).cloned();
    let Some(annotations) = annotations else { return };
    let spec = fields_or_new(pod, "spec");
    if fields(spec, "os").is_some_and(|os| text(os, "name") == "windows") {
        return;
    }
    let of_pod = fields(spec, "securityContext").and_then(|c| c.get("appArmorProfile")).cloned();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in items_mut(spec, list) {
            let key = format!("{PREFIX}{}", text(container, "name"));
            let own = fields(container, "securityContext").and_then(|c| c.get("appArmorProfile"));
            let Some(profile) = own.is_none().then(|| text(&annotations, &key)) else { continue };
            if let Some(profile) = app_armor_profile(profile)
                && of_pod.as_ref() != Some(&profile)
            {
                fields_or_new(container, "securityContext")
                    .insert("appArmorProfile".into(), profile);
            }
        }
    }
}

/// `ApparmorFieldForAnnotation`, for a name that the field may hold.
fn app_armor_profile(annotation: &str) -> Option<Value> {
    match annotation {
        "runtime/default" => Some(json!({"type": "RuntimeDefault"})),
        "unconfined" => Some(json!({"type": "Unconfined"})),
        _ => {
            let name = annotation.strip_prefix("localhost/")?;
            let valid = !name.is_empty() && name.len() <= 4095 && name.trim() == name;
            valid.then(|| json!({"type": "Localhost", "localhostProfile": name}))
        }
    }
}

/// `generateSelector`: the labels and the selector that only the job's own pods have.
fn generate_selector(job: &mut Fields) {
    let metadata = fields_or_new(job, "metadata");
    let (name, uid) = (text(metadata, "name").to_owned(), text(metadata, "uid").to_owned());
    let spec = fields_or_new(job, "spec");
    if flag(spec, "manualSelector") {
        return;
    }
    let template = fields_or_new(spec, "template");
    let labels = fields_or_new(fields_or_new(template, "metadata"), "labels");
    for key in ["job-name", "batch.kubernetes.io/job-name"] {
        labels.entry(key).or_insert_with(|| name.as_str().into());
    }
    for key in ["controller-uid", "batch.kubernetes.io/controller-uid"] {
        labels.entry(key).or_insert_with(|| uid.as_str().into());
    }
    let matched = fields_or_new(fields_or_new(spec, "selector"), "matchLabels");
    matched.entry("batch.kubernetes.io/controller-uid").or_insert_with(|| uid.as_str().into());
}

/// A job without labels has its template's. Upstream sets them while defaulting and shares the map,
/// so that the generated labels show on the job too: hence after they are generated.
fn share_template_labels(job: &mut Fields) {
    let Some(labels) = template_labels(job).cloned() else { return };
    let metadata = fields_or_new(job, "metadata");
    if !has_any(metadata, "labels") {
        metadata.insert("labels".into(), labels.into());
    }
}

fn template_labels(job: &Fields) -> Option<&Fields> {
    let template = fields(job, "spec").and_then(|s| fields(s, "template"));
    template.and_then(|t| fields(t, "metadata")).and_then(|m| fields(m, "labels"))
}

fn prepare_namespace(namespace: &mut Fields) {
    namespace.insert("status".into(), json!({"phase": "Active"}));
    let spec = fields_or_new(namespace, "spec");
    if !texts(spec, "finalizers").any(|f| f == "kubernetes") {
        let finalizers = spec.entry("finalizers").or_insert_with(|| json!([]));
        if let Some(finalizers) = finalizers.as_array_mut() {
            finalizers.push("kubernetes".into());
        }
    }
}

pub(super) fn prepare_node(node: &mut Fields) {
    fields_or_new(node, "spec").remove("configSource");
    fields_or_new(node, "status").remove("config");
}

/// The two fields for a claim's source are kept alike; sources that only the newer one may name are
/// dropped from the older (`DropDisabledFields`, `EnforceDataSourceBackwardsCompatibility`,
/// `NormalizeDataSources` of `pkg/api/persistentvolumeclaim/util.go`).
pub(super) fn data_sources(spec: &mut Fields, old: Option<&Fields>) {
    let had = |field: &str| old.is_some_and(|old| old.contains_key(field));
    let namespace = |reference: &Fields| text(reference, "namespace").to_owned();
    if !had("dataSourceRef")
        && fields(spec, "dataSourceRef").is_some_and(|r| !namespace(r).is_empty())
    {
        spec.remove("dataSourceRef");
    }
    if !had("dataSource")
        && !had("dataSourceRef")
        && !spec.contains_key("dataSourceRef")
        && let Some(source) = fields(spec, "dataSource")
    {
        let known = matches!(
            (text(source, "kind"), text(source, "apiGroup")),
            ("PersistentVolumeClaim", "") | ("VolumeSnapshot", "snapshot.storage.k8s.io")
        );
        if !known {
            spec.remove("dataSource");
        }
    }
    match (spec.get("dataSource").cloned(), spec.get("dataSourceRef").cloned()) {
        (Some(source), None) => {
            spec.insert("dataSourceRef".into(), source);
        }
        (None, Some(mut reference)) => {
            if let Some(reference) = reference.as_object_mut() {
                reference.remove("namespace");
            }
            spec.insert("dataSource".into(), reference);
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
}

/// A LimitRange without a name gets its uid as one, where upstream draws another.
fn name_if_none(object: &mut Fields) {
    let metadata = fields_or_new(object, "metadata");
    if text(metadata, "name").is_empty() {
        let uid = text(metadata, "uid").to_owned();
        metadata.insert("name".into(), uid.into());
    }
}

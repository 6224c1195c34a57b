//! What the API server takes and warns of: fields that are deprecated, ignored, or mean what their
//! writer can hardly have meant.
//!
//! The warnings of each kind's strategy (`WarningsOnCreate`, `WarningsOnUpdate` of
//! `pkg/registry/*/*/strategy.go`, the texts of `pkg/api/*`), told once an object is known to be
//! valid, as the server sends them in `Warning` headers and kubectl prints them. Absent: whether the
//! key of a `kubernetes.io/tls` Secret belongs to its certificate.

mod addresses;
mod overlaps;
mod pod;

use serde_json::Value;

use super::names;
use super::schema::Struct;
use super::validate::At;
use crate::base::quantity::Quantity;

/// Labels of nodes that have another name today, or none (`pkg/api/node/util.go`).
const DEPRECATED_NODE_LABELS: [(&str, &str); 8] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];

/// The warnings about a request to create that are told before the object is prepared, which hides
/// their cause (`applyAppArmorVersionSkew`).
pub fn on_request(of: &'static Struct, object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    if of.key == "core/v1.Pod" {
        pod::request(&At::new(of, object), &mut out);
    }
    out
}

/// The warnings about a new object that is valid, prepared as the strategy prepares it.
pub fn on_create(of: &'static Struct, object: &Value) -> Vec<String> {
    let place = At::new(of, object);
    let mut out = Vec::new();
    let name = place.get("metadata").text("name");
    match of.key {
        "core/v1.Pod" => host_name(name, "the Pod's hostname", &mut out),
        "core/v1.ReplicationController"
        | "apps/v1.Deployment"
        | "apps/v1.ReplicaSet"
        | "batch/v1.Job"
        | "batch/v1.CronJob" => host_name(name, "Pod names and hostnames", &mut out),
        "core/v1.ResourceQuota" => quota(&place.get("spec"), &mut out),
        "networking/v1.Ingress" => {
            const CLASS: &str = "kubernetes.io/ingress.class";
            let noted = place.get("metadata").raw("annotations").get(CLASS).is_some();
            if noted && !place.get("spec").has("ingressClassName") {
                out.push(format!(
                    "annotation {CLASS:?} is deprecated, please use 'spec.ingressClassName' instead"
                ));
            }
        }
        "discovery/v1.EndpointSlice" if place.text("addressType") == "FQDN" => {
            out.push("spec.addressType: FQDN endpoints are deprecated".into());
        }
        _ => {}
    }
    if of.key == "core/v1.Pod" {
        pod::pod(&place, &mut out);
    } else if let Some(template) = template(of.key, &place) {
        job_size(of.key, &place, &mut out);
        pod::template(&template, &mut out);
    }
    always(of.key, &place, None, &mut out);
    out
}

/// The warnings about a valid object that takes the place of `old`.
pub fn on_update(of: &'static Struct, object: &Value, old: &Value) -> Vec<String> {
    let [place, before] = [object, old].map(|object| At::new(of, object));
    let mut out = Vec::new();
    let generation = |of: &At<'_>| of.get("metadata").int("generation");
    let changed = match of.key {
        "core/v1.Pod" => return out,
        "apps/v1.DaemonSet" => template_generation(&place) != template_generation(&before),
        _ => generation(&place) != generation(&before),
    };
    if changed {
        job_size(of.key, &place, &mut out);
        // Of a ReplicationController upstream looks at the old template.
        let looked_at = if of.key == "core/v1.ReplicationController" { &before } else { &place };
        if let Some(template) = template(of.key, looked_at) {
            pod::template(&template, &mut out);
        }
    }
    if of.key == "batch/v1.CronJob" && place.get("spec").text("schedule").contains("TZ") {
        out.push("cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details".into());
    }
    always(of.key, &place, Some(&before), &mut out);
    out
}

/// The warning that every answer about a deprecated kind carries
/// (`staging/src/k8s.io/apiserver/pkg/endpoints/deprecation/deprecation.go`).
pub fn of_kind(api_version: &str, kind: &str) -> Option<&'static str> {
    match (api_version, kind) {
        ("v1", "Endpoints") => {
            Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
        }
        ("v1", "ComponentStatus") => Some("v1 ComponentStatus is deprecated in v1.19+"),
        _ => None,
    }
}

/// What is told of a kind whether its object is new or changed.
fn always(key: &str, place: &At<'_>, old: Option<&At<'_>>, out: &mut Vec<String>) {
    match key {
        "core/v1.Service" => service(place, out),
        "core/v1.Node" => node(&place.get("spec"), out),
        "core/v1.PersistentVolume" => volume(place, out),
        "core/v1.PersistentVolumeClaim" => claim(place, out),
        "apps/v1.StatefulSet" => stateful_set(&place.get("spec"), old.is_some(), out),
        "storage/v1.StorageClass" => storage_class(place, out),
        "core/v1.ServiceAccount" => service_account(place, old, out),
        "core/v1.Endpoints" => addresses::endpoints(place, out),
        "discovery/v1.EndpointSlice" => addresses::slice(place, out),
        "networking/v1.NetworkPolicy" => addresses::network_policy(place, out),
        "node/v1.RuntimeClass" => {
            for (label, _) in place.get("scheduling").entries("nodeSelector") {
                if let Some(why) = deprecated_label(label) {
                    out.push(format!("scheduling.nodeSelector: {why}"));
                }
            }
        }
        "storage/v1.CSIStorageCapacity" => addresses::topology(&place.get("nodeTopology"), out),
        _ => {}
    }
}

/// The pod template of a kind that has one.
fn template<'a>(key: &str, place: &At<'a>) -> Option<At<'a>> {
    Some(match key {
        "core/v1.ReplicationController"
        | "apps/v1.ReplicaSet"
        | "apps/v1.Deployment"
        | "apps/v1.StatefulSet"
        | "apps/v1.DaemonSet"
        | "batch/v1.Job" => place.get("spec").get("template"),
        "batch/v1.CronJob" => place.get("spec").get("jobTemplate").get("spec").get("template"),
        "core/v1.PodTemplate" => place.get("template"),
        _ => return None,
    })
}

fn template_generation<'a>(set: &At<'a>) -> Option<&'a Value> {
    set.get("metadata").raw("annotations").get("deprecated.daemonset.template.generation")
}

fn host_name(name: &str, used: &str, out: &mut Vec<String>) {
    let messages = names::dns1123_label(name);
    if !messages.is_empty() {
        out.push(format!(
            "metadata.name: this is used in {used}, which can result in surprising behavior; a DNS label is recommended: [{}]",
            messages.join(" ")
        ));
    }
}

/// What a label of nodes is called today.
fn deprecated_label(label: &str) -> Option<&'static str> {
    DEPRECATED_NODE_LABELS.iter().find(|(old, _)| *old == label).map(|(_, why)| *why)
}

/// `GetWarningsForNodeSelectorTerm`; values are looked at where validation does not.
fn node_selector_term(term: &At<'_>, with_values: bool, out: &mut Vec<String>) {
    for rule in term.items("matchExpressions") {
        let key = rule.text("key");
        if let Some(why) = deprecated_label(key) {
            out.push(format!("{}: {key} is {why}", rule.at("key")));
        }
        for (i, value) in rule.texts("values").enumerate().filter(|_| with_values) {
            for why in names::label_value(value) {
                out.push(format!("{}: {value} is invalid, {why}", rule.at("values").index(i)));
            }
        }
    }
}

/// Bytes do not come in parts.
fn fraction(of: &At<'_>, resource: &str, out: &mut Vec<String>) {
    let amount = of.value().get(resource).and_then(Value::as_str);
    let Some(amount) = amount.and_then(|text| text.parse::<Quantity>().ok()) else { return };
    if amount.milli_value() % 1000 != 0 {
        out.push(format!(
            "{}: fractional byte value \"{amount}\" is invalid, must be an integer",
            of.path().key(resource)
        ));
    }
}

/// `GetWarningsForPersistentVolumeClaimSpec`.
fn claim_spec(spec: &At<'_>, out: &mut Vec<String>) {
    for part in ["requests", "limits"] {
        fraction(&spec.get("resources").get(part), "storage", out);
    }
}

fn claim(claim: &At<'_>, out: &mut Vec<String>) {
    const CLASS: &str = "volume.beta.kubernetes.io/storage-class";
    if claim.get("metadata").raw("annotations").get(CLASS).is_some() {
        out.push(format!(
            "metadata.annotations[{CLASS}]: deprecated since v1.8; use \"storageClassName\" attribute instead"
        ));
    }
    claim_spec(&claim.get("spec"), out);
}

/// `GetWarningsForPersistentVolume`.
fn volume(volume: &At<'_>, out: &mut Vec<String>) {
    let (spec, notes) = (volume.get("spec"), volume.get("metadata"));
    for (key, why) in [
        (
            "volume.beta.kubernetes.io/storage-class",
            "deprecated since v1.8; use \"storageClassName\" attribute instead",
        ),
        (
            "volume.beta.kubernetes.io/mount-options",
            "deprecated since v1.31; use \"mountOptions\" attribute instead",
        ),
    ] {
        if notes.raw("annotations").get(key).is_some() {
            out.push(format!("metadata.annotations[{key}]: {why}"));
        }
    }
    if spec.text("persistentVolumeReclaimPolicy") == "Recycle" {
        out.push("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.".into());
    }
    for term in spec.get("nodeAffinity").get("required").items("nodeSelectorTerms") {
        node_selector_term(&term, false, out);
    }
    for (source, since) in [
        ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
        ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
        ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
        ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
        ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
        ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ] {
        if spec.has(source) {
            let said = if source == "storageos" { "storageOS" } else { source };
            out.push(format!("spec.{said}: {since}"));
        }
    }
}

fn stateful_set(spec: &At<'_>, changed: bool, out: &mut Vec<String>) {
    for claim in spec.items("volumeClaimTemplates") {
        let at = claim.path().clone();
        let at = if changed { at.child("Spec") } else { at };
        claim_spec(&claim.get("spec").with_path(at), out);
    }
    if spec.int("revisionHistoryLimit") < 0 {
        out.push("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended".into());
    }
}

/// A Job of a size that its status may not be able to tell (`WarningsForJobSpec`).
fn job_size(key: &str, place: &At<'_>, out: &mut Vec<String>) {
    let spec = match key {
        "batch/v1.Job" => place.get("spec"),
        "batch/v1.CronJob" => place.get("spec").get("jobTemplate").get("spec"),
        _ => return,
    };
    let large = spec.int("completions") > 100_000 && spec.int("parallelism") > 10_000;
    if spec.text("completionMode") == "Indexed" && large {
        out.push(format!("{}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail", spec.path()));
    }
}

/// `GetWarningsForService`.
fn service(service: &At<'_>, out: &mut Vec<String>) {
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    let spec = service.get("spec");
    if service.get("metadata").raw("annotations").get(HINTS).is_some() {
        out.push(format!(
            "annotation {HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead"
        ));
    }
    let kind = spec.text("type");
    let headless = kind == "ClusterIP" && spec.text("clusterIP") == "None";
    if !matches!(spec.text("clusterIP"), "" | "None") {
        addresses::of_list(&spec, "clusterIPs", out);
    }
    if headless {
        let ignored = [
            ("loadBalancerIP", !spec.text("loadBalancerIP").is_empty()),
            ("externalIPs", !spec.is_empty("externalIPs")),
            ("SessionAffinity", spec.text("sessionAffinity") != "None"),
        ];
        for (field, _) in ignored.iter().filter(|(_, given)| *given) {
            out.push(format!("spec.{field} is ignored for headless services"));
        }
    }
    addresses::of_list(&spec, "externalIPs", out);
    if !spec.is_empty("externalIPs") && !headless && kind != "ExternalName" {
        out.push(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
                .into(),
        );
    }
    if !spec.text("loadBalancerIP").is_empty() {
        addresses::address(&spec.at("loadBalancerIP"), spec.text("loadBalancerIP"), out);
    }
    for (i, range) in spec.texts("loadBalancerSourceRanges").enumerate() {
        addresses::network(&spec.at("loadBalancerSourceRanges").index(i), range, out);
    }
    if kind == "ExternalName" && !spec.is_empty("externalIPs") {
        out.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".into());
    }
    if kind != "ExternalName" && !spec.text("externalName").is_empty() {
        out.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".into());
    }
    if spec.text("trafficDistribution") == "PreferClose" {
        out.push(
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\""
                .into(),
        );
    }
}

fn node(spec: &At<'_>, out: &mut Vec<String>) {
    if spec.has("configSource") {
        out.push("spec.configSource: the feature is removed".into());
    }
    if !spec.text("externalID").is_empty() {
        out.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".into());
    }
    for (i, network) in spec.texts("podCIDRs").enumerate() {
        addresses::network(&spec.at("podCIDRs").index(i), network, out);
    }
}

fn storage_class(class: &At<'_>, out: &mut Vec<String>) {
    for topology in class.items("allowedTopologies") {
        for rule in topology.items("matchLabelExpressions") {
            if let Some(why) = deprecated_label(rule.text("key")) {
                out.push(format!("{}: {why}", rule.at("key")));
            }
        }
    }
}

fn service_account(account: &At<'_>, old: Option<&At<'_>>, out: &mut Vec<String>) {
    const NOTE: &str = "kubernetes.io/enforce-mountable-secrets";
    let noted = |of: &At<'_>| of.get("metadata").raw("annotations").get(NOTE).is_some();
    if noted(account) && !old.is_some_and(noted) {
        out.push(format!("metadata.annotations[{NOTE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"));
    }
}

/// A limit below what is asked for can never be used up.
fn quota(spec: &At<'_>, out: &mut Vec<String>) {
    let hard = spec.get("hard");
    let amount = |name: &str| {
        let text = hard.value().get(name).and_then(Value::as_str);
        text.and_then(|text| text.parse::<Quantity>().ok())
    };
    for resource in ["cpu", "memory", "storage", "ephemeral-storage"] {
        let mut name = format!("requests.{resource}");
        let mut request = amount(&name);
        if request.is_none() && matches!(resource, "cpu" | "memory") {
            name = resource.to_owned();
            request = amount(&name);
        }
        let limit = format!("limits.{resource}");
        if let (Some(asked), Some(most)) = (request, amount(&limit))
            && asked > most
        {
            out.push(format!(
                "ResourceQuota {name} ({asked}) should be less than {limit} ({most})"
            ));
        }
    }
}

//! Validation of the workload kinds. After `pkg/apis/apps/validation/validation.go`, and
//! `pkg/apis/core/validation/validation.go` for ReplicationControllers and PodTemplates.

use serde_json::{Map, Value, json};

use super::amounts::Amount;
use super::pod::Leniency;
use super::{At, Errors, Path, claims, internal, meta, pod};
use crate::api::fields::Fields;
use crate::api::selectors::LabelSelector;

/// `ValidateDeployment`, `ValidateDeploymentUpdate`.
pub(super) fn deployment(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::check(new, old, meta::subdomain, errors);
    let spec = new.get("spec");
    let leniency = leniency(old);
    errors.non_negative(&spec, "replicas");
    selector_and_template(&spec, &leniency, errors);
    deployment_strategy(&spec.get("strategy"), errors);
    errors.non_negative(&spec, "minReadySeconds");
    errors.non_negative(&spec, "revisionHistoryLimit");
    if let Some(deadline) = spec.opt_int("progressDeadlineSeconds") {
        errors.non_negative(&spec, "progressDeadlineSeconds");
        if deadline <= spec.int("minReadySeconds") {
            let at = spec.at("progressDeadlineSeconds");
            errors.invalid(&at, deadline, "must be greater than minReadySeconds");
        }
    }
    immutable_selector(&spec, old, errors);
}

/// `ValidateReplicaSet`, `ValidateReplicaSetUpdate`.
pub(super) fn replica_set(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::check(new, old, meta::subdomain, errors);
    let spec = new.get("spec");
    errors.non_negative(&spec, "replicas");
    errors.non_negative(&spec, "minReadySeconds");
    selector_and_template(&spec, &leniency(old), errors);
    immutable_selector(&spec, old, errors);
}

/// `ValidateReplicationController`, `ValidateReplicationControllerUpdate`.
pub(super) fn replication_controller(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    match old {
        None => meta::create_long_name(&new.get("metadata"), true, errors),
        Some(old) => meta::update(&new.get("metadata"), &old.get("metadata"), errors),
    }
    let spec = new.get("spec");
    errors.non_negative(&spec, "minReadySeconds");
    if spec.is_empty("selector") {
        errors.required(&spec.at("selector"), "");
    }
    if spec.has("replicas") {
        errors.non_negative(&spec, "replicas");
    } else {
        errors.required(&spec.at("replicas"), "");
    }
    let template = spec.get("template");
    if !template.is_set() {
        errors.required(template.path(), "");
        return;
    }
    let wanted = spec.entries("selector");
    let labels = template.get("metadata").get("labels");
    if wanted.iter().any(|(key, value)| labels.value().get(*key) != Some(*value)) {
        labels_do_not_match(&template, errors);
    }
    pod::template(&template, &leniency(old), errors);
    always_running(&template, "ReplicationController", errors);
}

/// `ValidateDaemonSet`, `ValidateDaemonSetUpdate`.
pub(super) fn daemon_set(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::check(new, old, meta::subdomain, errors);
    let spec = new.get("spec");
    let mut leniency = leniency(old);
    if let Some(old) = old {
        let old = old.get("spec");
        leniency.any_label_value |= meta::has_bad_selector_value(&old.get("selector"));
        meta::immutable(&spec.get("selector"), &old.get("selector"), errors);
    }
    let (selector, template) = (spec.get("selector"), spec.get("template"));
    meta::label_selector(&selector, leniency.any_label_value, errors);
    if let Ok(parsed) = LabelSelector::from_meta(selector.value())
        && !parsed.matches_json(template_labels(&template))
    {
        labels_do_not_match(&template, errors);
    }
    not_empty(&selector, "empty selector is invalid for daemonset", errors);
    pod::template(&template, &leniency, errors);
    always_running(&template, "DaemonSet", errors);
    errors.non_negative(&spec, "minReadySeconds");
    daemon_strategy(&spec.get("updateStrategy"), errors);
    errors.non_negative(&spec, "revisionHistoryLimit");
}

/// `ValidateStatefulSet`, `ValidateStatefulSetUpdate`.
pub(super) fn stateful_set(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::check(new, old, meta::label, errors);
    let leniency = leniency(old);
    let spec = new.get("spec");
    let Some(old) = old else {
        let whole = Parts { service_name: true, claims: true, template: true };
        stateful_spec(&spec, whole, &leniency, errors);
        return;
    };
    let mut parts = Parts { service_name: false, claims: false, template: true };
    let old = old.get("spec");
    let mut before = Errors::default();
    stateful_spec(&old, parts, &leniency, &mut before);
    parts.template = before.is_empty();
    stateful_spec(&spec, parts, &leniency, errors);
    let fixed = spec.field_names().into_iter().filter(|(json, _)| {
        !matches!(
            *json,
            "replicas"
                | "template"
                | "updateStrategy"
                | "minReadySeconds"
                | "ordinals"
                | "revisionHistoryLimit"
                | "persistentVolumeClaimRetentionPolicy"
        )
    });
    for (json, _) in fixed {
        if !spec.get(json).same(&old.get(json)) {
            errors.forbidden(spec.path(), "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
            break;
        }
    }
}

/// Which parts of a StatefulSet are looked at.
#[derive(Clone, Copy)]
struct Parts {
    service_name: bool,
    claims: bool,
    template: bool,
}

/// `ValidateStatefulSetSpec`.
fn stateful_spec(spec: &At<'_>, parts: Parts, leniency: &Leniency, errors: &mut Errors) {
    match spec.text("podManagementPolicy") {
        "" => errors.required(&spec.at("podManagementPolicy"), ""),
        "OrderedReady" | "Parallel" => {}
        other => {
            let detail = "must be 'OrderedReady' or 'Parallel'";
            errors.invalid(&spec.at("podManagementPolicy"), other, detail);
        }
    }
    stateful_strategy(&spec.get("updateStrategy"), errors);
    let retention = spec.get("persistentVolumeClaimRetentionPolicy");
    if retention.is_set() {
        errors.one_of(&retention, "whenDeleted", &["Retain", "Delete"]);
        errors.one_of(&retention, "whenScaled", &["Retain", "Delete"]);
    }
    if parts.claims {
        for claim in spec.items("volumeClaimTemplates") {
            claims::spec(&claim.get("spec"), claims::Leniency::default(), errors);
        }
    }
    errors.non_negative(spec, "replicas");
    errors.non_negative(spec, "minReadySeconds");
    errors.non_negative(&spec.get("ordinals"), "start");
    let service = spec.text("serviceName");
    if parts.service_name && !service.is_empty() {
        errors.invalid_for(&spec.at("serviceName"), service, meta::label(service, false));
    }
    let selector = spec.get("selector");
    if selector.is_set() {
        meta::label_selector(&selector, false, errors);
        not_empty(&selector, "empty selector is invalid for statefulset", errors);
    } else {
        errors.required(selector.path(), "");
    }
    let template = spec.get("template");
    match LabelSelector::from_meta(selector.value()) {
        Err(_) => errors.invalid(selector.path(), &selector.encoded(), ""),
        Ok(parsed) => {
            let as_made = template_with_claims(spec);
            let template = as_made.as_ref().map_or(template.clone(), |v| template.with_value(v));
            stateful_template(&template, &parsed, parts, leniency, errors);
        }
    }
    let pod = template.get("spec");
    if pod.text("restartPolicy") != "Always" {
        errors.one_of(&pod, "restartPolicy", &["Always"]);
    }
    if pod.has("activeDeadlineSeconds") {
        let detail = "activeDeadlineSeconds in StatefulSet is not Supported";
        errors.forbidden(&pod.at("activeDeadlineSeconds"), detail);
    }
}

/// `ValidatePodTemplateSpecForStatefulSet`.
fn stateful_template(
    template: &At<'_>,
    selector: &LabelSelector,
    parts: Parts,
    leniency: &Leniency,
    errors: &mut Errors,
) {
    if !selector.is_empty() && !selector.matches_json(template_labels(template)) {
        labels_do_not_match(template, errors);
    }
    if parts.template {
        pod::template(template, leniency, errors);
    }
    let metadata = template.get("metadata").with_path(template.path().clone());
    meta::labels(&metadata.get("labels"), errors);
    meta::annotations(&metadata.get("annotations"), errors);
    let below = metadata.with_path(template.path().clone());
    pod::annotations(&below, &template.get("spec"), leniency, errors);
}

/// The template as its pods get it: with a volume for each claim, which also takes the place of a
/// volume of the same name, and without names that pods get from the set.
fn template_with_claims(spec: &At<'_>) -> Option<Value> {
    let template = spec.get("template");
    let pod = template.get("spec");
    let claims: Vec<At<'_>> = spec.items("volumeClaimTemplates").collect();
    if claims.is_empty() && pod.text("subdomain").is_empty() && pod.text("hostname").is_empty() {
        return None;
    }
    let mut made = template.value().clone();
    let fields = made.get_mut("spec")?.as_object_mut()?;
    fields.shift_remove("subdomain");
    fields.shift_remove("hostname");
    if claims.is_empty() {
        return Some(made);
    }
    let mut volumes: Map<String, Value> = Map::new();
    for claim in &claims {
        let name = claim.get("metadata").text("name");
        let volume = json!({"name": name, "persistentVolumeClaim": {"claimName": name}});
        volumes.insert(name.to_owned(), volume);
    }
    let others: Vec<Value> = pod
        .items("volumes")
        .filter(|v| !volumes.contains_key(v.text("name")))
        .map(|v| v.value().clone())
        .collect();
    let all: Vec<Value> = volumes.into_iter().map(|(_, volume)| volume).chain(others).collect();
    fields.insert("volumes".into(), all.into());
    Some(made)
}

fn stateful_strategy(strategy: &At<'_>, errors: &mut Errors) {
    let rolling = strategy.get("rollingUpdate");
    match strategy.text("type") {
        "" => errors.required(strategy.path(), ""),
        "OnDelete" if rolling.is_set() => {
            let shown = internal::text(&rolling);
            let detail = "only allowed for updateStrategy 'RollingUpdate'";
            errors.invalid_shown(rolling.path(), shown, detail);
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            errors.non_negative(&rolling, "partition");
            if rolling.has("maxUnavailable") {
                let unavailable = Amount::of(&rolling, "maxUnavailable");
                unavailable.check(errors);
                if unavailable.number() == 0 {
                    errors.invalid(unavailable.path(), unavailable.shown(), "cannot be 0");
                }
                unavailable.check_not_more_than_all(errors);
            }
        }
        _ => {
            let detail = "must be 'RollingUpdate' or 'OnDelete'";
            errors.invalid_shown(strategy.path(), internal::text(strategy), detail);
        }
    }
}

fn daemon_strategy(strategy: &At<'_>, errors: &mut Errors) {
    let rolling = strategy.get("rollingUpdate");
    match strategy.text("type") {
        "OnDelete" => return,
        "RollingUpdate" if rolling.is_set() => {}
        "RollingUpdate" => return errors.required(rolling.path(), ""),
        _ => {
            let shown = internal::text(strategy);
            let supported = ["RollingUpdate", "OnDelete"];
            return errors.not_supported(strategy.path(), super::Shown(shown), &supported);
        }
    }
    let unavailable = Amount::of(&rolling, "maxUnavailable");
    let surge = Amount::of(&rolling, "maxSurge");
    unavailable.check(errors);
    surge.check(errors);
    unavailable.check_not_more_than_all(errors);
    surge.check_not_more_than_all(errors);
    match (unavailable.number() != 0, surge.number() != 0) {
        (true, true) => {
            let detail = "may not be set when maxUnavailable is non-zero";
            errors.invalid(surge.path(), surge.shown(), detail);
        }
        (false, false) => {
            errors.required(unavailable.path(), "cannot be 0 when maxSurge is 0");
        }
        _ => {}
    }
}

fn deployment_strategy(strategy: &At<'_>, errors: &mut Errors) {
    let rolling = strategy.get("rollingUpdate");
    match strategy.text("type") {
        "Recreate" if rolling.is_set() => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            errors.forbidden(rolling.path(), detail);
        }
        "Recreate" => {}
        "RollingUpdate" if rolling.is_set() => {
            let unavailable = Amount::of(&rolling, "maxUnavailable");
            let surge = Amount::of(&rolling, "maxSurge");
            unavailable.check(errors);
            surge.check(errors);
            if unavailable.number() == 0 && surge.number() == 0 {
                let detail = "may not be 0 when `maxSurge` is 0";
                errors.invalid(unavailable.path(), unavailable.shown(), detail);
            }
            unavailable.check_not_more_than_all(errors);
        }
        "RollingUpdate" => {
            errors.required(rolling.path(), "this should be defaulted and never be nil");
        }
        _ => {
            let shown = internal::text(strategy);
            let supported = ["Recreate", "RollingUpdate"];
            errors.not_supported(strategy.path(), super::Shown(shown), &supported);
        }
    }
}

/// The selector, and the template it must select, of Deployments and ReplicaSets.
fn selector_and_template(spec: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    let (selector, template) = (spec.get("selector"), spec.get("template"));
    if selector.is_set() {
        meta::label_selector(&selector, false, errors);
        not_empty(&selector, "empty selector is invalid for deployment", errors);
    } else {
        errors.required(selector.path(), "");
    }
    match LabelSelector::from_meta(selector.value()) {
        Err(_) => errors.invalid(selector.path(), &selector.encoded(), "invalid label selector"),
        Ok(parsed) => {
            if !parsed.is_empty() && !parsed.matches_json(template_labels(&template)) {
                labels_do_not_match(&template, errors);
            }
            pod::template(&template, leniency, errors);
            always_running(&template, "ReplicaSet", errors);
        }
    }
}

fn always_running(template: &At<'_>, kind: &str, errors: &mut Errors) {
    let spec = template.get("spec");
    errors.one_of(&spec, "restartPolicy", &["Always"]);
    if spec.has("activeDeadlineSeconds") {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden(&spec.at("activeDeadlineSeconds"), detail);
    }
}

/// `ValidateControllerRevisionCreate`, `ValidateControllerRevisionUpdate`.
pub(super) fn controller_revision(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    if let Some(old) = old {
        meta::update(&new.get("metadata"), &old.get("metadata"), errors);
    }
    meta::check(new, None, meta::subdomain, errors);
    errors.non_negative(new, "revision");
    let data = new.get("data");
    match (old, data.value()) {
        (Some(old), _) => meta::immutable(&data, &old.get("data"), errors),
        (None, Value::Object(_)) => {}
        (None, Value::Null) => errors.required(data.path(), "data is mandatory"),
        (None, _) => errors.required(data.path(), "data must be a valid JSON object"),
    }
}

/// `ValidatePodTemplate`, `ValidatePodTemplateUpdate`.
pub(super) fn pod_template(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::check(new, old, meta::subdomain, errors);
    let leniency = Leniency::of_pod(old.map(|o| o.get("template")).as_ref());
    pod::template(&new.get("template"), &leniency, errors);
}

/// What the old object's template allows.
fn leniency(old: Option<&At<'_>>) -> Leniency {
    Leniency::of_pod(old.map(|o| o.get("spec").get("template")).as_ref())
}

fn immutable_selector(spec: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    if let Some(old) = old {
        meta::immutable(&spec.get("selector"), &old.get("spec").get("selector"), errors);
    }
}

fn not_empty(selector: &At<'_>, detail: &str, errors: &mut Errors) {
    let nothing = selector.is_empty("matchLabels") && selector.is_empty("matchExpressions");
    if selector.is_set() && nothing {
        errors.invalid(selector.path(), &selector.encoded(), detail);
    }
}

/// The labels of a template.
pub(super) fn template_labels<'a>(template: &At<'a>) -> Option<&'a Fields> {
    template.get("metadata").raw("labels").as_object()
}

/// The error of a selector that does not select its own template.
pub(super) fn labels_do_not_match(template: &At<'_>, errors: &mut Errors) {
    let labels = template.get("metadata").get("labels");
    let at: &Path = labels.path();
    errors.invalid(at, &labels.encoded(), "`selector` does not match template `labels`");
}

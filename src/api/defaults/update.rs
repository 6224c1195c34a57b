//! What an update request keeps, sets and drops before it is validated.
//!
//! After `staging/src/k8s.io/apiserver/pkg/registry/rest/update.go` (`BeforeUpdate`) and the
//! strategies' `PrepareForUpdate` (`pkg/registry/*/*/strategy.go`): the server's own metadata and the
//! status stay as they are, a changed spec counts up the generation. What creation drops because its
//! feature is off is dropped here too, as no stored object can hold it.

use serde_json::Value;

use super::create::{
    self, TEMPLATE_GENERATION, data_sources, drop_disabled, prepare_node, set_whole, templates,
};
use crate::api::fields::{Fields, fields, fields_or_new, int, text};
use crate::api::schema::{self, Struct};

/// Makes of a document that is to take the place of `old` what is validated. Both are defaulted and
/// as the internal types hold them.
pub fn prepare(of: &'static Struct, new: &mut Value, old: &Value) {
    let Some(before) = old.as_object() else { return };
    keep(new, before, "metadata", &["generation"]);
    for template in templates(of.key, new) {
        if let Some(spec) = template.as_object_mut().map(|t| fields_or_new(t, "spec")) {
            drop_disabled(spec);
        }
    }
    if let Some(new) = new.as_object_mut() {
        own_rules(of.key, new, before);
    }
    if counts_up(of, new, old)
        && let Some(new) = new.as_object_mut()
    {
        let metadata = fields_or_new(new, "metadata");
        let generation = int(metadata, "generation") + 1;
        metadata.insert("generation".into(), generation.into());
    }
    keep_metadata(new, before);
}

/// What one kind's strategy does.
fn own_rules(key: &str, new: &mut Fields, old: &Fields) {
    if create::has_status(key) {
        set_whole(new, "status", old.get("status"));
    }
    match key {
        "core/v1.Pod" => drop_disabled(fields_or_new(new, "spec")),
        "apps/v1.StatefulSet" => create::drop_max_unavailable(new),
        "apps/v1.DaemonSet" => template_generation(new, old),
        "core/v1.Service" => super::service_update::drop_dependent(new, old),
        "core/v1.Namespace" => {
            let finalizers = fields(old, "spec").and_then(|spec| spec.get("finalizers"));
            set_whole(fields_or_new(new, "spec"), "finalizers", finalizers);
        }
        "core/v1.Node" => prepare_node(new),
        "core/v1.PersistentVolumeClaim" => {
            data_sources(fields_or_new(new, "spec"), fields(old, "spec"))
        }
        "core/v1.Secret" if text(new, "type").is_empty() => {
            set_whole(new, "type", old.get("type"));
        }
        "core/v1.ServiceAccount" => create::clean_secret_references(new),
        "coordination/v1.Lease" => create::drop_election(new),
        _ => {}
    }
}

/// A changed template counts up its own generation, which is kept as an annotation.
fn template_generation(new: &mut Fields, old: &Fields) {
    let before = fields(old, "metadata").and_then(|m| fields(m, "annotations"));
    let before = before.map_or("", |a| text(a, TEMPLATE_GENERATION)).parse::<i64>().unwrap_or(0);
    let template = |of: &Fields| fields(of, "spec").and_then(|s| s.get("template")).cloned();
    let of = schema::named("core/v1.PodTemplateSpec").expect("it is in the table");
    let (a, b) = (template(new).unwrap_or_default(), template(old).unwrap_or_default());
    let generation = before + i64::from(!schema::same_struct(of, &a, &b));
    let annotations = fields_or_new(fields_or_new(new, "metadata"), "annotations");
    annotations.insert(TEMPLATE_GENERATION.into(), generation.to_string().into());
}

/// Whether the change is one that the kind counts.
fn counts_up(of: &'static Struct, new: &Value, old: &Value) -> bool {
    let differs = |name: &str| match of.field(name) {
        Some(shape) => !schema::same(shape, &new[name], &old[name]),
        None => false,
    };
    match of.key {
        "core/v1.Pod"
        | "core/v1.ReplicationController"
        | "apps/v1.ReplicaSet"
        | "apps/v1.StatefulSet"
        | "apps/v1.DaemonSet"
        | "batch/v1.Job"
        | "batch/v1.CronJob"
        | "networking/v1.Ingress"
        | "networking/v1.IngressClass"
        | "networking/v1.NetworkPolicy"
        | "policy/v1.PodDisruptionBudget" => differs("spec"),
        "apps/v1.Deployment" => differs("spec") || !same_map(new, old, "annotations"),
        "core/v1.PodTemplate" => differs("template"),
        "discovery/v1.EndpointSlice" => {
            ["addressType", "endpoints", "ports"].into_iter().any(differs)
                || !same_map(new, old, "labels")
        }
        _ => false,
    }
}

/// Whether two objects have the same labels or annotations; none and an empty map are the same.
fn same_map(new: &Value, old: &Value, name: &str) -> bool {
    let of =
        |object: &Value| object["metadata"][name].as_object().filter(|m| !m.is_empty()).cloned();
    of(new) == of(old)
}

/// The metadata that is the server's own.
fn keep_metadata(new: &mut Value, old: &Fields) {
    let empty = |field: &str| new["metadata"][field].as_str().is_none_or(str::is_empty);
    let mut kept = Vec::new();
    if empty("uid") {
        kept.push("uid");
    }
    let before = fields(old, "metadata");
    let had = |field: &str| before.is_some_and(|m| m.contains_key(field));
    kept.extend(["creationTimestamp", "deletionTimestamp"].into_iter().filter(|f| had(f)));
    let grace = "deletionGracePeriodSeconds";
    if had(grace) && new["metadata"][grace].is_null() {
        kept.push(grace);
    }
    keep(new, old, "metadata", &kept);
}

fn keep(new: &mut Value, old: &Fields, part: &str, names: &[&str]) {
    let Some(new) = new.as_object_mut() else { return };
    let (part, old) = (fields_or_new(new, part), fields(old, part));
    for name in names {
        set_whole(part, name, old.and_then(|old| old.get(*name)));
    }
}

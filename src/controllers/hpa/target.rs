//! The targets of autoscalers: what has a scale.
//!
//! Follows the `scale` subresources in `pkg/registry/apps/*/storage`, and what the controller's REST
//! mapper says of kinds that have none.

use super::metrics::Replicas;
use super::plan::Scale;
use crate::api::selectors::LabelSelector;
use crate::controllers::view::View;
use crate::model::wire::autoscaling::CrossVersionObjectReference;
use crate::model::{Key, Kind, Object, Ref, Selector, wire};
use crate::store::ApiError;

/// The object that an autoscaler names; `None` where its kind has no scale.
pub(super) fn reference(namespace: &str, to: &CrossVersionObjectReference) -> Result<Ref, String> {
    let version = to.api_version.as_deref().unwrap_or_default();
    if version.matches('/').count() > 1 {
        return Err(format!("unexpected GroupVersion string: {version}"));
    }
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let kind = Kind::from_name(&to.kind).filter(|k| k.group() == group);
    match kind {
        None => Err(format!("no matches for kind {:?} in group {group:?}", to.kind)),
        Some(
            Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::ReplicationController,
        ) => Ok(Ref::new(kind.unwrap_or(Kind::Deployment), namespace, &to.name)),
        Some(_) => Err("the server could not find the requested resource".to_owned()),
    }
}

/// The scale of an object, and which pods it selects.
pub(super) fn scale(view: &View, target: &Ref) -> Result<(Scale, Selector), String> {
    let missing = || ApiError::not_found(target.kind, &target.key.name).message;
    let object = view.get(target.kind, &target.key).ok_or_else(missing)?;
    let (spec, status, selector, text) = match object {
        Object::Deployment(d) => (
            d.spec.wire.replicas,
            d.status.replicas.unwrap_or(0),
            &d.spec.selector,
            of_meta(&d.spec.wire.selector),
        ),
        Object::ReplicaSet(r) => (
            r.spec.wire.replicas,
            r.status.replicas,
            &r.spec.selector,
            of_meta(&r.spec.wire.selector),
        ),
        Object::StatefulSet(s) => (
            s.spec.wire.replicas,
            s.status.replicas,
            &s.spec.selector,
            of_meta(&s.spec.wire.selector),
        ),
        Object::ReplicationController(r) => (
            r.spec.wire.replicas,
            r.status.replicas,
            &r.spec.selector,
            of_labels(r.spec.wire.selector.iter().flatten()),
        ),
        other => return Err(format!("a {} has no scale", other.kind())),
    };
    let replicas = Replicas { spec: spec.unwrap_or(1), status };
    Ok((Scale { target: target.clone(), replicas, selector: text }, selector.clone()))
}

/// The key of what an autoscaler names, whether or not it is there.
pub(super) fn names(target: &Ref, kind: Kind, key: &Key) -> bool {
    target.kind == kind && target.key == *key
}

fn of_meta(selector: &wire::meta::LabelSelector) -> String {
    let value = serde_json::to_value(selector).unwrap_or_default();
    LabelSelector::from_meta(&value).map(|s| s.to_string()).unwrap_or_default()
}

fn of_labels<'a>(labels: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    labels.map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
}

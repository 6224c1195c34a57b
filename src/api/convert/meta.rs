//! Metadata.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::Str;
use crate::model::{Deletion, Labels, Meta, OwnerRef, Uid, sim_time, wire, wire_time};

/// Metadata in the simulation's form. A uid that is no UUID becomes the digest of its text.
pub fn meta_from_wire(m: wire::meta::ObjectMeta) -> Meta {
    Meta {
        name: text(m.name),
        namespace: text(m.namespace),
        generate_name: text(m.generate_name),
        uid: m.uid.as_deref().map(uid).unwrap_or_default(),
        resource_version: m.resource_version.and_then(|v| v.parse().ok()).unwrap_or(0),
        generation: m.generation.and_then(|g| u64::try_from(g).ok()).unwrap_or(0),
        created: m.creation_timestamp.as_ref().map(sim_time).unwrap_or_default(),
        deletion: m.deletion_timestamp.as_ref().map(|at| Deletion {
            at: sim_time(at),
            grace: Duration::from_secs(
                m.deletion_grace_period_seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(0),
            ),
        }),
        labels: labels(m.labels),
        annotations: labels(m.annotations),
        owners: m.owner_references.into_iter().flatten().map(owner).collect(),
        finalizers: m.finalizers.into_iter().flatten().map(Str::from).collect(),
    }
}

/// Metadata in the API's form.
pub fn meta_to_wire(m: &Meta) -> wire::meta::ObjectMeta {
    let stored = m.resource_version > 0;
    wire::meta::ObjectMeta {
        name: some(&m.name),
        namespace: some(&m.namespace),
        generate_name: some(&m.generate_name),
        uid: stored.then(|| m.uid.to_string()),
        resource_version: stored.then(|| m.resource_version.to_string()),
        generation: (m.generation > 0).then(|| i64::try_from(m.generation).unwrap_or(i64::MAX)),
        creation_timestamp: stored.then(|| wire_time(m.created)),
        deletion_timestamp: m.deletion.map(|d| wire_time(d.at)),
        deletion_grace_period_seconds: m
            .deletion
            .map(|d| i64::try_from(d.grace.as_secs()).unwrap_or(i64::MAX)),
        labels: map(&m.labels),
        annotations: map(&m.annotations),
        owner_references: list(m.owners.iter().map(owner_to_wire)),
        finalizers: list(m.finalizers.iter().map(Str::to_string)),
        managed_fields: None,
        self_link: None,
    }
}

/// A map of labels or annotations in the simulation's form.
pub(super) fn labels(map: Option<BTreeMap<String, String>>) -> Labels {
    map.into_iter().flatten().map(|(k, v)| (Str::from(k), Str::from(v))).collect()
}

/// The same in the API's form; `None` when empty.
pub(super) fn map(labels: &Labels) -> Option<BTreeMap<String, String>> {
    if labels.is_empty() {
        return None;
    }
    Some(labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
}

/// A text that may be absent: absent and empty are the same here.
pub(super) fn text(t: Option<String>) -> Str {
    t.map(Str::from).unwrap_or_default()
}

/// A text, absent when empty.
pub(super) fn some(t: &str) -> Option<String> {
    (!t.is_empty()).then(|| t.to_owned())
}

/// A list, absent when empty.
pub(super) fn list<T>(items: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let all: Vec<T> = items.collect();
    (!all.is_empty()).then_some(all)
}

fn owner(o: wire::meta::OwnerReference) -> OwnerRef {
    OwnerRef {
        api_version: o.api_version.into(),
        kind: o.kind.into(),
        name: o.name.into(),
        uid: uid(&o.uid),
        controller: o.controller.unwrap_or(false),
        block_owner_deletion: o.block_owner_deletion.unwrap_or(false),
    }
}

fn owner_to_wire(o: &OwnerRef) -> wire::meta::OwnerReference {
    wire::meta::OwnerReference {
        api_version: o.api_version.to_string(),
        kind: o.kind.to_string(),
        name: o.name.to_string(),
        uid: o.uid.to_string(),
        controller: o.controller.then_some(true),
        block_owner_deletion: o.block_owner_deletion.then_some(true),
    }
}

/// Uids in dumps are UUIDs; whatever else stands there keeps its identity by its digest.
pub fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap_or_else(|| {
        let d = |seed| u128::from(crate::base::digest::digest_of(seed, text.as_bytes()));
        Uid::from_random(d(1) << 64 | d(2))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::SimTime;
    use crate::model::Kind;

    #[test]
    fn metadata_comes_back_as_it_went() {
        let mut meta = Meta::named("default", "web-0");
        meta.uid = Uid::from_random(5);
        meta.resource_version = 7;
        meta.generation = 2;
        meta.created = SimTime::from_secs(100);
        meta.labels = Labels::from([("app", "web")]);
        meta.owners =
            [OwnerRef::controller_of(Kind::StatefulSet, &meta.clone())].into_iter().collect();
        meta.finalizers.push("example.com/wait".into());
        meta.deletion =
            Some(Deletion { at: SimTime::from_secs(130), grace: Duration::from_secs(30) });
        assert_eq!(meta_from_wire(meta_to_wire(&meta)), meta);
    }
}

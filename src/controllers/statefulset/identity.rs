//! What makes a pod of a StatefulSet the one it is: its ordinal, names, labels and claims.
//!
//! Follows `pkg/controller/statefulset/stateful_set_utils.go`.

use std::sync::Arc;

use crate::api::convert;
use crate::base::Str;
use crate::controllers::pod_control;
use crate::model::{
    Kind, Labels, Meta, OwnerRef, Pod, PodIdentity, PodTemplate, StatefulSet, Whole, wire,
};

/// The label with the pod's name (`apps.StatefulSetPodNameLabel`).
pub const POD_NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
/// The label with the pod's ordinal (`apps.PodIndexLabel`).
pub const POD_INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";
/// The label with the name of the pod's revision (`apps.ControllerRevisionHashLabelKey`).
pub const REVISION_LABEL: &str = "controller-revision-hash";

/// A volume claim.
pub type Claim = Whole<wire::core::PersistentVolumeClaim>;

/// The name of the set and the ordinal that a pod's name holds: `("", -1)` where it has not that form,
/// ordinal -1 where the number is too large (`getParentNameAndOrdinal`).
pub fn parent_and_ordinal(pod_name: &str) -> (&str, i64) {
    let Some((parent, digits)) = pod_name.rsplit_once('-') else { return ("", -1) };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return ("", -1);
    }
    (parent, digits.parse::<i32>().map_or(-1, i64::from))
}

/// The ordinal in a pod's name, or -1.
pub fn ordinal(pod: &Pod) -> i64 {
    parent_and_ordinal(&pod.meta.name).1
}

/// The first ordinal of a set (`getStartOrdinal`).
pub fn start_ordinal(set: &StatefulSet) -> i64 {
    set.spec.wire.ordinals.as_ref().and_then(|o| o.start).map_or(0, i64::from)
}

/// How many pods a set wants.
pub fn wanted(set: &StatefulSet) -> i64 {
    i64::from(set.spec.wire.replicas.unwrap_or(1)).max(0)
}

/// Whether the ordinal is one of those that a set wants (`podInOrdinalRange`).
pub fn in_range(set: &StatefulSet, ordinal: i64) -> bool {
    let start = start_ordinal(set);
    ordinal >= start && ordinal < start + wanted(set)
}

/// The name of a set's pod.
pub fn pod_name(set: &StatefulSet, ordinal: i64) -> Str {
    smol_str::format_smolstr!("{}-{ordinal}", set.meta.name)
}

/// The set's claim templates.
pub fn claim_templates(set: &StatefulSet) -> &[wire::core::PersistentVolumeClaim] {
    set.spec.wire.volume_claim_templates.as_deref().unwrap_or_default()
}

/// The name of a template's claim for an ordinal (`getPersistentVolumeClaimName`).
pub fn claim_name(
    set: &StatefulSet,
    template: &wire::core::PersistentVolumeClaim,
    ordinal: i64,
) -> Str {
    let template = template.metadata.name.as_deref().unwrap_or_default();
    smol_str::format_smolstr!("{template}-{}-{ordinal}", set.meta.name)
}

/// The claims of the pod with that ordinal, as they are to be created (`getPersistentVolumeClaims`).
pub fn claims(set: &StatefulSet, ordinal: i64) -> Vec<Claim> {
    let selector = set.spec.wire.selector.match_labels.iter().flatten();
    claim_templates(set)
        .iter()
        .map(|template| {
            let mut body = template.clone();
            let mut meta = convert::meta_from_wire(std::mem::take(&mut body.metadata));
            let selector = selector.clone().map(|(k, v)| (k.into(), v.into()));
            meta.labels = meta.labels.iter().cloned().chain(selector).collect::<Labels>();
            meta.name = claim_name(set, template, ordinal);
            meta.namespace = set.meta.namespace.clone();
            Whole { meta, body: Arc::new(body) }
        })
        .collect()
}

/// A new pod of `template` with that ordinal and revision (`newStatefulSetPod`, `setPodRevision`).
pub fn new_pod(set: &StatefulSet, template: &PodTemplate, ordinal: i64, revision: &Str) -> Pod {
    let owner = OwnerRef::controller_of(Kind::StatefulSet, &set.meta);
    let mut pod = pod_control::from_template(template, &set.meta.namespace, owner);
    pod.meta.name = pod_name(set, ordinal);
    pod.meta.labels = identity_labels(&pod.meta, ordinal).with(REVISION_LABEL, revision.clone());
    pod.identity = Some(Arc::new(PodIdentity {
        hostname: pod.meta.name.clone(),
        subdomain: set.spec.wire.service_name.as_deref().unwrap_or_default().into(),
        claims: claim_volumes(set, ordinal),
    }));
    pod
}

/// A pod with the labels and volumes that its ordinal asks for (`updateIdentity`, `updateStorage`).
pub fn corrected(set: &StatefulSet, pod: &Pod) -> Pod {
    let mut pod = pod.clone();
    let ordinal = ordinal(&pod);
    pod.meta.labels = identity_labels(&pod.meta, ordinal);
    if !storage_matches(set, &pod, ordinal) {
        let old = pod.identity.as_deref().cloned().unwrap_or_default();
        pod.identity = Some(Arc::new(PodIdentity { claims: claim_volumes(set, ordinal), ..old }));
    }
    pod
}

fn identity_labels(meta: &Meta, ordinal: i64) -> Labels {
    let labels = meta.labels.with(POD_NAME_LABEL, meta.name.clone());
    labels.with(POD_INDEX_LABEL, smol_str::format_smolstr!("{ordinal}"))
}

fn claim_volumes(set: &StatefulSet, ordinal: i64) -> Vec<(Str, Str)> {
    let volume = |t: &wire::core::PersistentVolumeClaim| {
        (t.metadata.name.as_deref().unwrap_or_default().into(), claim_name(set, t, ordinal))
    };
    claim_templates(set).iter().map(volume).collect()
}

/// Whether a pod's names and labels are those of a member (`identityMatches`). What its name holds is
/// given, see [`parent_and_ordinal`].
pub fn identity_matches(set: &StatefulSet, pod: &Pod, (parent, ordinal): (&str, i64)) -> bool {
    ordinal >= 0
        && set.meta.name == parent
        && is_canonical(&pod.meta.name[parent.len() + 1..])
        && pod.meta.namespace == set.meta.namespace
        && pod.meta.labels.get(POD_NAME_LABEL) == Some(&pod.meta.name)
}

/// Whether digits are those that a number is written with: then they name a member ([`pod_name`]).
fn is_canonical(digits: &str) -> bool {
    digits == "0" || !digits.starts_with('0')
}

/// Whether the volumes of a pod with that ordinal are the set's claims (`storageMatches`).
pub fn storage_matches(set: &StatefulSet, pod: &Pod, ordinal: i64) -> bool {
    if claim_templates(set).is_empty() {
        return ordinal >= 0;
    }
    let own = pod.identity.as_ref().map(|i| i.claims.as_slice()).unwrap_or_default();
    let of_spec = |volume: &str| {
        let volumes = pod.spec.wire.volumes.iter().flatten();
        let claim = volumes.rev().find(|v| v.name == volume)?.persistent_volume_claim.as_ref()?;
        Some(claim.claim_name.as_str())
    };
    ordinal >= 0
        && claim_volumes(set, ordinal).iter().all(|(volume, claim)| {
            match own.iter().find(|(v, _)| v == volume) {
                Some((_, c)) => c == claim,
                None => of_spec(volume) == Some(claim.as_str()),
            }
        })
}

/// The revision that a pod was made at; empty where it does not say.
pub fn revision_of(pod: &Pod) -> &str {
    pod.meta.labels.get(REVISION_LABEL).map(Str::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ordinal_is_the_number_after_the_last_dash() {
        for (name, then) in [
            ("web-0", ("web", 0)),
            ("my-web-12", ("my-web", 12)),
            ("web-", ("", -1)),
            ("web", ("", -1)),
            ("web-1a", ("", -1)),
            ("-3", ("", 3)),
            ("web-99999999999", ("web", -1)),
            ("web-007", ("web", 7)),
        ] {
            assert_eq!(parent_and_ordinal(name), then, "{name}");
        }
    }
}

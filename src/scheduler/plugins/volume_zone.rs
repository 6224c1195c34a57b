//! Bound volumes that can only be reached from their zone.
//!
//! Follows `pkg/scheduler/framework/plugins/volumezone/volume_zone.go`.

use std::collections::BTreeSet;

use super::volume_restrictions::not_found;
use super::{Plugin, PluginId, PreFilter, Prep, View};
use crate::base::Str;
use crate::model::Labels;
use crate::scheduler::news::{Action, Hints, Interest, News, Resource, Subject};
use crate::scheduler::node::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::state::{CycleState, Refusal};
use crate::scheduler::storage::{StorageChange, claim_class, class_waits, volume_name};

/// The plugin.
pub struct VolumeZone;

const REASON: &str = "node(s) had no available volume zone";
/// Labels of zones and regions, the old keys with the new ones that stand for them.
const LABELS: [(&str, &str); 4] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("topology.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("topology.kubernetes.io/region", "topology.kubernetes.io/region"),
];

/// A label of a volume that nodes must meet: key, the key in its stead, values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(&'static str, &'static str, BTreeSet<Str>);

impl Place {
    fn holds(&self, node: &Labels) -> bool {
        node.get(self.0).or_else(|| node.get(self.1)).is_some_and(|v| self.2.contains(v))
    }
}

/// The labels of a volume that name another place than a node's labels do.
pub fn unmet(volume: &Labels, node: &Labels) -> Vec<Str> {
    let places = places(volume).into_iter();
    places.filter(|p| !p.holds(node)).map(|p| Str::new_static(p.0)).collect()
}

impl Plugin for VolumeZone {
    fn id(&self) -> PluginId {
        PluginId::VolumeZone
    }

    fn pre_filter(
        &self,
        prep: &mut Prep<'_>,
        state: &mut CycleState,
    ) -> Result<PreFilter, Refusal> {
        state.places.clear();
        if !prep.pod.has_volumes() {
            return Ok(PreFilter::Skip);
        }
        let storage = &prep.world.storage;
        for name in prep.pod.named_claims() {
            let Some(claim) = storage.claim(prep.pod.namespace(), &name) else {
                return Err(not_found(&name));
            };
            let refuse = |text: String| Err(Refusal::unresolvable(text));
            let volume = volume_name(claim);
            if volume.is_empty() {
                let class = claim_class(claim);
                if class.is_empty() {
                    return refuse(
                        "PersistentVolumeClaim had no pv name and storageClass name".into(),
                    );
                }
                match storage.classes.get(&class) {
                    Some(class) if class_waits(class) => continue,
                    Some(_) => return refuse("PersistentVolume had no name".into()),
                    None => {
                        return refuse(format!(
                            "storageclass.storage.k8s.io {:?} not found",
                            class.as_str()
                        ));
                    }
                }
            }
            match storage.volumes.get(volume) {
                Some(volume) => state.places.extend(places(&volume.meta.labels)),
                None => return refuse(format!("persistentvolume {volume:?} not found")),
            }
        }
        Ok(if state.places.is_empty() { PreFilter::Skip } else { PreFilter::Go })
    }

    fn filter(&self, _: &View<'_>, state: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        let labels = node.labels();
        if !LABELS.iter().any(|(key, _)| labels.get(key).is_some()) {
            return Ok(());
        }
        if state.places.iter().all(|place| place.holds(labels)) {
            return Ok(());
        }
        Err(Refusal::unresolvable(Str::new_static(REASON)))
    }

    fn interests(&self) -> &'static [Interest] {
        const NODE: Action = Action::ADD.or(Action::NODE_LABEL);
        const ANY: Action = Action::ADD.or(Action::UPDATE);
        &[
            (Resource::StorageClass, Action::ADD),
            (Resource::Node, NODE),
            (Resource::PersistentVolumeClaim, ANY),
            (Resource::PersistentVolume, ANY),
        ]
    }

    fn hint(&self, _: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        let Subject::Storage(_, change) = &news.subject else { return true };
        match change {
            StorageChange::Class(_, class) => class_waits(class),
            StorageChange::Claim(_, claim) => {
                claim.meta.namespace == *pod.namespace()
                    && pod.named_claims().any(|c| c == claim.meta.name)
            }
            StorageChange::Volume(Some(old), new) => {
                places(&old.meta.labels) != places(&new.meta.labels)
            }
            StorageChange::Volume(None, _)
            | StorageChange::CsiNode(..)
            | StorageChange::DriverStoppedTracking(_)
            | StorageChange::Capacity(..)
            | StorageChange::Gone => true,
        }
    }
}

/// The places that a volume's labels name. A value may hold several, joined by `__`; one that holds an
/// empty name does not count.
fn places(labels: &Labels) -> Vec<Place> {
    let place = |(key, instead): &(&'static str, &'static str)| {
        let values: BTreeSet<Str> = labels.get(key)?.split("__").map(|v| v.trim().into()).collect();
        (!values.contains("")).then(|| Place(key, instead, values))
    };
    LABELS.iter().filter_map(place).collect()
}

//! How many volumes of a CSI driver a node can hold.
//!
//! Follows `pkg/scheduler/framework/plugins/nodevolumelimits/csi.go`. Left out: in-tree volumes that
//! are migrated to CSI do not count against limits.

use std::collections::BTreeSet;

use super::{Plugin, PluginId, PreFilter, Prep, View};
use crate::base::Str;
use crate::scheduler::news::{Action, Hints, Interest, News, Resource, Subject};
use crate::scheduler::node::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::state::{CycleState, Refusal};
use crate::scheduler::storage::{Claim, CsiNode, Storage, StorageChange, claim_class, volume_name};
use crate::scheduler::volumes::Source;

/// The plugin.
pub struct NodeVolumeLimits;

const REASON: &str = "node(s) exceed max volume count";

/// Volumes by driver and handle.
type Volumes = BTreeSet<(Str, Str)>;

impl Plugin for NodeVolumeLimits {
    fn id(&self) -> PluginId {
        PluginId::NodeVolumeLimits
    }

    fn pre_filter(&self, prep: &mut Prep<'_>, _: &mut CycleState) -> Result<PreFilter, Refusal> {
        Ok(if may_count(prep.pod) { PreFilter::Go } else { PreFilter::Skip })
    }

    fn filter(&self, view: &View<'_>, _: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        if exceeded(&view.world.storage, view.pod, node).is_empty() {
            return Ok(());
        }
        Err(Refusal::unschedulable(REASON))
    }

    fn interests(&self) -> &'static [Interest] {
        &[
            (Resource::CsiNode, Action::ADD),
            (Resource::CsiNode, Action::UPDATE),
            (Resource::Pod, Action::DELETE),
            (Resource::PersistentVolumeClaim, Action::ADD),
            (Resource::VolumeAttachment, Action::DELETE),
        ]
    }

    fn hint(&self, _: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        if let Some((Some(gone), _)) = news.pods() {
            return may_count(gone);
        }
        let Subject::Storage(resource, change) = &news.subject else { return true };
        match change {
            StorageChange::CsiNode(Some(old), new) => raises(old, new),
            StorageChange::Claim(_, claim) => {
                claim.meta.namespace == *pod.namespace()
                    && pod.claims().any(|c| c.claim == claim.meta.name)
            }
            StorageChange::Gone if *resource == Resource::VolumeAttachment => {
                pod.named_claims().next().is_some()
            }
            StorageChange::CsiNode(None, _)
            | StorageChange::Volume(..)
            | StorageChange::Class(..)
            | StorageChange::DriverStoppedTracking(_)
            | StorageChange::Capacity(..)
            | StorageChange::Gone => true,
        }
    }
}

/// The drivers that could not attach all volumes on a node with a pod, and how many those would be.
pub fn exceeded(storage: &Storage, pod: &PodInfo, node: &NodeInfo) -> Vec<(Str, i64)> {
    let limits = storage.csi_nodes.get(&node.name).map(|n| &n.limits).filter(|l| !l.is_empty());
    let Some(limits) = limits else { return Vec::new() };
    let mut new = Volumes::new();
    add_volumes(storage, pod, &mut new);
    if new.is_empty() {
        return Vec::new();
    }
    let mut there = Volumes::new();
    for placed in node.pods.iter().filter(|p| p.info.has_volumes()) {
        add_volumes(storage, &placed.info, &mut there);
    }
    new.retain(|volume| !there.contains(volume));
    there.extend(attached(storage, &node.name));
    let of = |volumes: &Volumes, driver: &Str| {
        let count = volumes.iter().filter(|(d, _)| d == driver).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    };
    let beyond = |(driver, limit): (&Str, &i64)| {
        let (more, all) = (of(&new, driver), of(&there, driver));
        (more > 0 && all + more > *limit).then(|| (driver.clone(), all + more))
    };
    limits.iter().filter_map(beyond).collect()
}

/// Whether a pod has volumes of a kind that limits may count.
fn may_count(pod: &PodInfo) -> bool {
    let migratable = |s: &Source| {
        matches!(
            s,
            Source::GcePersistentDisk(..) | Source::AwsElasticBlockStore(_) | Source::Migrated
        )
    };
    pod.claims().next().is_some() || pod.template.volumes.iter().any(|v| migratable(&v.source))
}

/// Whether any limit is higher than before.
fn raises(old: &CsiNode, new: &CsiNode) -> bool {
    new.limits.iter().any(|(driver, limit)| *limit > old.limits.get(driver).copied().unwrap_or(0))
}

/// The volumes of a pod (`filterAttachableVolumes`).
fn add_volumes(storage: &Storage, pod: &PodInfo, to: &mut Volumes) {
    for used in pod.claims() {
        if let Some(claim) = storage.claim(pod.namespace(), &used.claim)
            && let Some(volume) = driver_and_handle(storage, claim)
        {
            to.insert(volume);
        }
    }
}

/// The driver of a claim's volume, and the volume's handle; a handle is made up where there is no
/// volume yet.
fn driver_and_handle(storage: &Storage, claim: &Claim) -> Option<(Str, Str)> {
    let Some(volume) = storage.volumes.get(volume_name(claim)) else {
        let class = storage.classes.get(&claim_class(claim))?;
        let (namespace, name) = (&claim.meta.namespace, &claim.meta.name);
        let handle = smol_str::format_smolstr!("claim {namespace}/{name}");
        return Some(((&class.body.provisioner).into(), handle));
    };
    let csi = volume.body.spec.as_ref()?.csi.as_ref()?;
    let known = !csi.driver.is_empty() && !csi.volume_handle.is_empty();
    known.then(|| ((&csi.driver).into(), (&csi.volume_handle).into()))
}

/// The CSI volumes attached to a node (`getNodeVolumeAttachmentInfo`).
fn attached<'a>(storage: &'a Storage, node: &'a Str) -> impl Iterator<Item = (Str, Str)> + 'a {
    storage.attachments.values().filter(move |a| a.node == *node).filter_map(|a| {
        let volume = storage.volumes.get(&a.volume).filter(|_| !a.attacher.is_empty())?;
        let csi = volume.body.spec.as_ref()?.csi.as_ref()?;
        Some((a.attacher.clone(), (&csi.volume_handle).into()))
    })
}

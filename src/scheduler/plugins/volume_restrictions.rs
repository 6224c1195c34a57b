//! Disks and claims that only one pod may use.
//!
//! Follows `pkg/scheduler/framework/plugins/volumerestrictions/volume_restrictions.go`.

use super::{Plugin, PluginId, PreFilter, Prep, View};
use crate::base::Str;
use crate::scheduler::news::{Action, Hints, Interest, News, Resource, Subject};
use crate::scheduler::node::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::state::{CycleState, Refusal};
use crate::scheduler::storage::{StorageChange, has_access_mode};
use crate::scheduler::volumes::Source;

/// The plugin.
pub struct VolumeRestrictions;

const DISK: &str = "node(s) had no available disk";
const ONE_POD: &str = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access \
    mode already in-use by another pod";

/// Claims of the cycle's pod that only one pod may use.
#[derive(Clone, Debug, Default)]
pub struct Filtering {
    claims: Vec<Str>,
    /// How many of them other pods use.
    used: i32,
}

impl Plugin for VolumeRestrictions {
    fn id(&self) -> PluginId {
        PluginId::VolumeRestrictions
    }

    fn pre_filter(
        &self,
        prep: &mut Prep<'_>,
        state: &mut CycleState,
    ) -> Result<PreFilter, Refusal> {
        if !prep.pod.has_volumes() {
            return Ok(PreFilter::Skip);
        }
        let s = &mut state.restrictions;
        *s = Filtering::default();
        let namespace = prep.pod.namespace();
        for name in prep.pod.named_claims() {
            let Some(claim) = prep.world.storage.claim(namespace, &name) else {
                return Err(not_found(&name));
            };
            if has_access_mode(claim, "ReadWriteOncePod") && !s.claims.contains(&name) {
                s.used += i32::from(prep.index.is_claim_used(namespace, &name));
                s.claims.push(name);
            }
        }
        let disks = prep.pod.template.volumes.iter().any(|v| is_disk(&v.source));
        Ok(if s.used == 0 && !disks { PreFilter::Skip } else { PreFilter::Go })
    }

    fn filter(&self, view: &View<'_>, state: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        let disks = || view.pod.template.volumes.iter().filter(|v| is_disk(&v.source));
        let taken = |d: &Source| node.pods.iter().any(|p| uses(&p.info, d));
        if disks().any(|v| taken(&v.source)) {
            return Err(Refusal::unschedulable(DISK));
        }
        if state.restrictions.used > 0 {
            return Err(Refusal::unschedulable(ONE_POD));
        }
        Ok(())
    }

    fn adjust(&self, _: &View<'_>, state: &mut CycleState, pod: &PodInfo, _: &NodeInfo, sign: i32) {
        let s = &mut state.restrictions;
        // Upstream compares the claims' names alone, whatever the namespace.
        let count = pod.named_claims().filter(|c| s.claims.contains(c)).count();
        s.used += sign * i32::try_from(count).unwrap_or(i32::MAX);
    }

    fn interests(&self) -> &'static [Interest] {
        &[
            (Resource::Pod, Action::DELETE),
            (Resource::Node, Action::ADD),
            (Resource::PersistentVolumeClaim, Action::ADD),
        ]
    }

    fn hint(&self, _: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        if let Some((Some(gone), _)) = news.pods() {
            return gone.namespace() == pod.namespace() && shares(pod, gone);
        }
        if let Subject::Storage(_, StorageChange::Claim(_, claim)) = &news.subject {
            return claim.meta.namespace == *pod.namespace()
                && pod.named_claims().any(|c| c == claim.meta.name);
        }
        true
    }
}

/// The refusal for a claim that does not exist.
pub fn not_found(claim: &Str) -> Refusal {
    Refusal::unresolvable(format!("persistentvolumeclaim {:?} not found", claim.as_str()))
}

/// Whether two pods use one claim, or disks that clash (`isSchedulableAfterPodDeleted`).
pub fn shares(pod: &PodInfo, other: &PodInfo) -> bool {
    let disks = pod.template.volumes.iter().filter(|v| is_disk(&v.source));
    pod.named_claims().any(|c| other.named_claims().any(|o| o == c))
        || disks.into_iter().any(|v| uses(other, &v.source))
}

fn is_disk(source: &Source) -> bool {
    matches!(
        source,
        Source::GcePersistentDisk(..)
            | Source::AwsElasticBlockStore(_)
            | Source::Iscsi(..)
            | Source::Rbd(_)
    )
}

/// Whether a pod uses a disk so that another may not (`isVolumeConflict`).
fn uses(pod: &PodInfo, disk: &Source) -> bool {
    pod.template.volumes.iter().any(|v| clash(disk, &v.source))
}

fn clash(a: &Source, b: &Source) -> bool {
    match (a, b) {
        (Source::GcePersistentDisk(a, a_reads), Source::GcePersistentDisk(b, b_reads))
        | (Source::Iscsi(a, a_reads), Source::Iscsi(b, b_reads)) => {
            a == b && !(*a_reads && *b_reads)
        }
        (Source::AwsElasticBlockStore(a), Source::AwsElasticBlockStore(b)) => a == b,
        (Source::Rbd(a), Source::Rbd(b)) => {
            a.monitors.iter().any(|m| b.monitors.contains(m))
                && a.pool == b.pool
                && a.image == b.image
                && !(a.read_only && b.read_only)
        }
        _ => false,
    }
}

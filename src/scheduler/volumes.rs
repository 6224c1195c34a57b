//! The volumes of a pod that matter to scheduling.

use crate::base::Str;
use crate::model::{Pod, wire};

/// A volume of a pod's template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name in the spec.
    pub name: Str,
    /// What it is.
    pub source: Source,
}

/// Where a volume's data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A claim by its name.
    Claim(Str),
    /// A claim that is made for the pod: `<pod>-<volume>`.
    Ephemeral,
    /// A disk of Google's cloud: its name, and whether it is only read.
    GcePersistentDisk(Str, bool),
    /// A disk of Amazon's cloud: its id.
    AwsElasticBlockStore(Str),
    /// An iSCSI target: its qualified name, and whether it is only read.
    Iscsi(Str, bool),
    /// A Ceph image.
    Rbd(Rbd),
    /// Another kind of disk that is served by a CSI driver today (Azure, Cinder, Portworx, vSphere).
    Migrated,
    /// A volume of a CSI driver, made with the pod: the driver.
    Csi(Str),
    /// An image mounted as a volume: its reference.
    Image(Str),
}

/// A Ceph image (`v1.RBDVolumeSource`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rbd {
    /// Its monitors.
    pub monitors: Vec<Str>,
    /// Its pool.
    pub pool: Str,
    /// The image.
    pub image: Str,
    /// Whether it is only read.
    pub read_only: bool,
}

impl Volume {
    /// The volumes of a spec that matter, in order.
    pub fn compile_all(spec: &wire::core::PodSpec) -> Vec<Self> {
        let compile = |v: &wire::core::Volume| {
            Some(Self { name: (&v.name).into(), source: Source::compile(v)? })
        };
        spec.volumes.iter().flatten().filter_map(compile).collect()
    }
}

impl Source {
    fn compile(v: &wire::core::Volume) -> Option<Self> {
        let only = |flag: Option<bool>| flag.unwrap_or(false);
        if let Some(claim) = &v.persistent_volume_claim {
            return Some(Self::Claim((&claim.claim_name).into()));
        }
        if v.ephemeral.is_some() {
            return Some(Self::Ephemeral);
        }
        if let Some(disk) = &v.gce_persistent_disk {
            return Some(Self::GcePersistentDisk((&disk.pd_name).into(), only(disk.read_only)));
        }
        if let Some(disk) = &v.aws_elastic_block_store {
            return Some(Self::AwsElasticBlockStore((&disk.volume_id).into()));
        }
        if let Some(target) = &v.iscsi {
            return Some(Self::Iscsi((&target.iqn).into(), only(target.read_only)));
        }
        if let Some(rbd) = &v.rbd {
            return Some(Self::Rbd(Rbd {
                monitors: rbd.monitors.iter().map(Str::from).collect(),
                pool: rbd.pool.as_deref().unwrap_or("rbd").into(),
                image: (&rbd.image).into(),
                read_only: only(rbd.read_only),
            }));
        }
        if let Some(csi) = &v.csi {
            return Some(Self::Csi((&csi.driver).into()));
        }
        if let Some(image) = &v.image {
            return image.reference.as_ref().map(|r| Self::Image(r.into()));
        }
        let migrated = v.azure_disk.is_some()
            || v.azure_file.is_some()
            || v.cinder.is_some()
            || v.portworx_volume.is_some()
            || v.vsphere_volume.is_some();
        migrated.then_some(Self::Migrated)
    }
}

/// A claim that a pod uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRef {
    /// The volume's name in the pod.
    pub volume: Str,
    /// The claim's name in the pod's namespace.
    pub claim: Str,
    /// Whether the claim is made for the pod.
    pub ephemeral: bool,
}

/// The claims of a pod: its own (of a StatefulSet) first, then those of its template that its own do
/// not replace (`pkg/controller/statefulset`, `updateStorage`).
pub fn claims_of<'a>(pod: &'a Pod, template: &'a [Volume]) -> impl Iterator<Item = ClaimRef> + 'a {
    let own = pod.identity.as_ref().map(|i| i.claims.as_slice()).unwrap_or_default();
    let mine = own.iter().map(|(volume, claim)| ClaimRef {
        volume: volume.clone(),
        claim: claim.clone(),
        ephemeral: false,
    });
    let replaced = |v: &Volume| own.iter().any(|(name, _)| *name == v.name);
    let shared = template.iter().filter(move |v| !replaced(v)).filter_map(|v| {
        let (claim, ephemeral) = match &v.source {
            Source::Claim(claim) => (claim.clone(), false),
            Source::Ephemeral => (smol_str::format_smolstr!("{}-{}", pod.meta.name, v.name), true),
            Source::GcePersistentDisk(..)
            | Source::AwsElasticBlockStore(_)
            | Source::Iscsi(..)
            | Source::Rbd(_)
            | Source::Migrated
            | Source::Csi(_)
            | Source::Image(_) => return None,
        };
        Some(ClaimRef { volume: v.name.clone(), claim, ephemeral })
    });
    mine.chain(shared)
}

//! Defaults of volumes, claims and volume sources. After `pkg/apis/core/v1/defaults.go` and the
//! `+default` markers of the types.

use super::pod::pull_policy;
use crate::api::fields::{Fields, fields_mut, fields_or_new, fill, fill_absent, text};

/// `SetDefaults_Volume`: a volume without any source is an empty directory.
pub(super) fn volume(volume: &mut Fields) {
    if volume.keys().all(|name| name == "name") {
        volume.insert("emptyDir".into(), Fields::new().into());
    }
    if let Some(image) = fields_mut(volume, "image") {
        let policy = pull_policy(text(image, "reference"));
        fill(image, "pullPolicy", policy);
    }
}

/// `SetDefaults_HostPathVolumeSource`.
pub(super) fn host_path(source: &mut Fields) {
    fill_absent(source, "type", "");
}

/// Files are readable by all and writable by their owner: 0644.
pub(super) fn default_mode(source: &mut Fields) {
    fill_absent(source, "defaultMode", 0o644);
}

/// `SetDefaults_ServiceAccountTokenProjection`.
pub(super) fn token(source: &mut Fields) {
    fill_absent(source, "expirationSeconds", 3600);
}

pub(super) fn iscsi(source: &mut Fields) {
    fill(source, "iscsiInterface", "default");
}

pub(super) fn rbd(source: &mut Fields) {
    fill(source, "pool", "rbd");
    fill(source, "user", "admin");
    fill(source, "keyring", "/etc/ceph/keyring");
}

pub(super) fn azure_disk(source: &mut Fields) {
    fill_absent(source, "cachingMode", "ReadWrite");
    fill_absent(source, "fsType", "ext4");
    fill_absent(source, "readOnly", false);
    fill_absent(source, "kind", "Shared");
}

pub(super) fn scale_io(source: &mut Fields) {
    fill(source, "storageMode", "ThinProvisioned");
    fill(source, "fsType", "xfs");
}

/// `SetDefaults_PersistentVolume`.
pub(super) fn persistent_volume(volume: &mut Fields) {
    fill(fields_or_new(volume, "status"), "phase", "Pending");
    let spec = fields_or_new(volume, "spec");
    fill(spec, "persistentVolumeReclaimPolicy", "Retain");
    fill_absent(spec, "volumeMode", "Filesystem");
}

/// `SetDefaults_PersistentVolumeClaim`.
pub(super) fn claim(claim: &mut Fields) {
    fill(fields_or_new(claim, "status"), "phase", "Pending");
}

/// `SetDefaults_PersistentVolumeClaimSpec`.
pub(super) fn claim_spec(spec: &mut Fields) {
    fill_absent(spec, "volumeMode", "Filesystem");
}

//! Whole syncs of claims and volumes, on the controllers' bench.

use serde_json::{Value, json};

use super::*;
use crate::controllers::fixture::Bench;
use crate::model::Phase;

type Volumes = Bench<PersistentVolumeController>;

fn volume(bench: &mut Volumes, name: &str, size: &str, more: &Value) {
    let mut spec = json!({"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/data"}});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    bench.put_manifest(&json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name}, "spec": spec}));
    bench.run();
}

fn claim(bench: &mut Volumes, name: &str, more: &Value) {
    let mut spec = json!({"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    bench.put_manifest(&json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec,
        "status": {"phase": "Pending"}}));
}

fn class(bench: &mut Volumes, name: &str, more: &Value) {
    let mut manifest = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": name, "annotations": {
            "storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "example.com/disk"});
    for (field, value) in more.as_object().into_iter().flatten() {
        manifest[field] = value.clone();
    }
    bench.put_manifest(&manifest);
}

/// The volume that a claim has, and the claim's phase.
fn bound(bench: &Volumes, name: &str) -> (String, String) {
    let Object::PersistentVolumeClaim(claim) = bench.get(Kind::PersistentVolumeClaim, name) else {
        return Default::default();
    };
    let phase = claim.body.status.as_ref().and_then(|s| s.phase.clone());
    (volume_name(&claim).unwrap_or_default().to_string(), phase.unwrap_or_default())
}

fn phase(bench: &Volumes, name: &str) -> String {
    let Object::PersistentVolume(volume) = bench.get(Kind::PersistentVolume, name) else {
        return String::new();
    };
    binding::phase_of(&volume).to_owned()
}

#[test]
fn the_smallest_volume_of_the_fewest_modes_is_taken() {
    let mut bench = Volumes::new();
    let shared = json!({"accessModes": ["ReadWriteOnce", "ReadOnlyMany"]});
    volume(&mut bench, "shared", "1Gi", &shared);
    volume(&mut bench, "large", "5Gi", &json!({}));
    volume(&mut bench, "fits", "2Gi", &json!({}));
    volume(&mut bench, "small", "500Mi", &json!({}));
    volume(&mut bench, "block", "1Gi", &json!({"volumeMode": "Block"}));
    claim(&mut bench, "data", &json!({}));
    bench.run();
    assert_eq!(bound(&bench, "data"), ("fits".to_owned(), "Bound".to_owned()));
    assert_eq!(
        (phase(&bench, "fits"), phase(&bench, "large")),
        ("Bound".into(), "Available".into())
    );
}

#[test]
fn a_volume_that_is_kept_for_a_claim_goes_to_it() {
    let mut bench = Volumes::new();
    volume(&mut bench, "small", "1Gi", &json!({}));
    let kept = json!({"claimRef": {"namespace": "default", "name": "data"}});
    volume(&mut bench, "kept", "9Gi", &kept);
    claim(&mut bench, "other", &json!({}));
    claim(&mut bench, "data", &json!({}));
    bench.run();
    assert_eq!(bound(&bench, "data").0, "kept");
    assert_eq!(bound(&bench, "other").0, "small");
}

#[test]
fn a_claim_that_names_a_volume_that_does_not_suit_says_why() {
    for (more, why) in [
        (json!({"resources": {"requests": {"storage": "9Gi"}}}), "requested PV is too small"),
        (json!({"storageClassName": "fast"}), "storageClassName does not match"),
        (json!({"volumeMode": "Block"}), "incompatible volumeMode"),
        (json!({"accessModes": ["ReadWriteOncePod"]}), "incompatible accessMode"),
    ] {
        let mut bench = Volumes::new();
        volume(&mut bench, "disk", "2Gi", &json!({}));
        let mut spec = more.clone();
        spec["volumeName"] = "disk".into();
        claim(&mut bench, "data", &spec);
        let said = format!("VolumeMismatch Cannot bind to requested volume \"disk\": {why}");
        assert_eq!(bench.run()[0], said);
        assert_eq!(bound(&bench, "data").1, "Pending");
    }
}

#[test]
fn a_default_class_that_comes_later_is_given_to_claims_without_one() {
    let mut bench = Volumes::new();
    claim(&mut bench, "data", &json!({"storageClassName": null}));
    assert_eq!(
        bench.run()[0],
        "FailedBinding no persistent volumes available for this claim and no storage class is set"
    );
    class(&mut bench, "standard", &json!({}));
    bench.run();
    for _ in 0..10 {
        bench.wait(1);
        bench.run();
    }
    let (name, phase) = bound(&bench, "data");
    assert!(name.starts_with("pvc-"), "{name}");
    assert_eq!(phase, "Bound");
}

#[test]
fn a_volume_nobody_can_delete_fails_when_its_claim_goes() {
    let mut bench = Volumes::new();
    volume(&mut bench, "disk", "2Gi", &json!({"persistentVolumeReclaimPolicy": "Delete"}));
    claim(&mut bench, "data", &json!({}));
    bench.run();
    bench.remove(Kind::PersistentVolumeClaim, "data");
    let lines = bench.run();
    let why =
        "VolumeFailedDelete host_path deleter only supports /tmp/.+ but received provided /data";
    assert!(lines.iter().any(|l| l == why), "{lines:?}");
    assert_eq!(phase(&bench, "disk"), "Failed");
}

#[test]
fn a_kept_volume_is_released_and_not_given_away() {
    let mut bench = Volumes::new();
    volume(&mut bench, "disk", "2Gi", &json!({"persistentVolumeReclaimPolicy": "Retain"}));
    claim(&mut bench, "data", &json!({}));
    bench.run();
    bench.remove(Kind::PersistentVolumeClaim, "data");
    bench.run();
    claim(&mut bench, "next", &json!({}));
    bench.run();
    assert_eq!(phase(&bench, "disk"), "Released");
    assert_eq!(bound(&bench, "next").1, "Pending");
}

#[test]
fn a_claim_without_its_volume_is_lost() {
    let mut bench = Volumes::new();
    volume(&mut bench, "disk", "2Gi", &json!({}));
    claim(&mut bench, "data", &json!({}));
    bench.run();
    bench.remove(Kind::PersistentVolume, "disk");
    assert_eq!(
        bench.run()[0],
        "ClaimLost Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    );
    assert_eq!(bound(&bench, "data").1, "Lost");
}

#[test]
fn a_claim_grows_with_the_next_pod_that_runs() {
    let mut bench = Volumes::new();
    class(&mut bench, "standard", &json!({"allowVolumeExpansion": true}));
    claim(&mut bench, "data", &json!({"storageClassName": "standard"}));
    bench.run();
    for _ in 0..5 {
        bench.wait(1);
        bench.run();
    }
    bench.change::<Claim>(Kind::PersistentVolumeClaim, "data", |claim| {
        let spec = Arc::make_mut(&mut claim.body).spec.get_or_insert_default();
        let requests = spec.resources.get_or_insert_default().requests.get_or_insert_default();
        requests.insert(
            "storage".to_owned(),
            k8s_openapi::apimachinery::pkg::api::resource::Quantity("3Gi".to_owned()),
        );
    });
    assert_eq!(
        bench.run()[0],
        "ExternalExpanding waiting for an external controller to expand this PVC"
    );
    bench.wait(1);
    let lines = bench.run();
    assert!(lines.iter().any(|l| l.starts_with("FileSystemResizeRequired")), "{lines:?}");
    bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}],
            "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}}));
    assert_eq!(bench.run(), Vec::<String>::new());
    bench.change::<Pod>(Kind::Pod, "p", |pod| {
        pod.node = Some("n".into());
        pod.status.phase = Phase::Running;
    });
    let lines = bench.run();
    assert!(lines[0].starts_with("FileSystemResizeSuccessful"), "{lines:?}");
    let Object::PersistentVolumeClaim(claim) = bench.get(Kind::PersistentVolumeClaim, "data")
    else {
        return;
    };
    assert_eq!(expand::stage(&claim), Stage::None);
}

//! Runs that begin with a dump of a live cluster.

#![expect(
    clippy::tests_outside_test_module,
    clippy::unwrap_used,
    reason = "an integration test is a test module, its helpers included"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn wavetank(args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Command::new(env!("CARGO_BIN_EXE_wavetank")).args(args).current_dir(root).output().unwrap()
}

/// The document that a run prints.
fn result(args: &[&str]) -> Value {
    let out = wavetank(&[args, &["-o", "json"]].concat());
    let told = String::from_utf8_lossy(&out.stderr);
    serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {told}"))
}

fn file(name: &str, text: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("from_dump");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
    folder.join(name)
}

fn of_kind<'v>(result: &'v Value, kind: &str) -> Vec<&'v Value> {
    result["objects"].as_array().unwrap().iter().filter(|o| o["kind"] == kind).collect()
}

const SHOP: &str = "fixtures/dumps/shop.yaml";

#[test]
fn what_ran_goes_on_where_it_is_with_its_age_and_its_past() {
    let after = result(&["run", "--from", SHOP, "--for", "10m"]);
    assert_eq!(after["start"], "2026-02-22T08:00:00Z");
    assert_eq!(after["end"], "2026-02-22T08:10:00Z");
    let pods = of_kind(&after, "Pod");
    assert_eq!(pods.len(), 3);
    let pod = pods.iter().find(|p| p["metadata"]["name"] == "shop-7d5f6b8c9-k2x7q").unwrap();
    assert_eq!(pod["metadata"]["uid"], "11111111-aaaa-4aaa-8aaa-000000000003");
    assert_eq!(pod["metadata"]["creationTimestamp"], "2026-02-01T09:00:00Z");
    assert_eq!(pod["spec"]["nodeName"], "worker-a");
    assert_eq!(pod["status"]["podIP"], "10.20.3.5");
    let container = &pod["status"]["containerStatuses"][0];
    assert_eq!(container["restartCount"], 1);
    assert_eq!(container["ready"], true);
    assert_eq!(container["state"]["running"]["startedAt"], "2026-02-10T04:00:01Z");
    assert_eq!(container["lastState"]["terminated"]["reason"], "OOMKilled");
}

#[test]
fn what_the_dump_does_not_hold_is_told_and_kept_alive() {
    let out = wavetank(&["run", "--from", SHOP, "--for", "1m"]);
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(told.contains("DaemonSet agent is not in the dump"), "{told}");
    assert!(told.contains("Node worker-b is not in the dump"), "{told}");
    let shown = String::from_utf8_lossy(&out.stdout);
    assert!(shown.contains("pod/agent-5rv2c  ready on worker-b"), "{shown}");
}

#[test]
fn a_change_rolls_out_over_the_pods_that_ran() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop, namespace: store}\nspec:\n  replicas: 2\n  \
                selector: {matchLabels: {app: shop}}\n  template:\n    metadata: {labels: {app: shop}}\n    spec:\n      \
                containers:\n      - {name: web, image: 'nginx:1.29'}\n";
    let new = file("new.yaml", text).display().to_string();
    let after = result(&["run", "--from", SHOP, &new, "--for", "2m"]);
    let images: Vec<&Value> = of_kind(&after, "Pod")
        .into_iter()
        .filter(|p| p["metadata"]["labels"]["app"] == "shop")
        .map(|p| &p["spec"]["containers"][0]["image"])
        .collect();
    assert_eq!(images, ["nginx:1.29", "nginx:1.29"]);
    let revision = &of_kind(&after, "Deployment")[0]["metadata"]["annotations"];
    assert_eq!(revision["deployment.kubernetes.io/revision"], "2");
}

#[test]
fn a_run_goes_on_from_the_dump_of_another() {
    let first = result(&["run", "fixtures/seed", "--for", "20m"]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": first["objects"]});
    let dump = file("seed.json", &list.to_string()).display().to_string();
    let after = result(&["run", "--from", &dump, "--start", "2026-01-01T00:20:00Z", "--for", "1h"]);
    let names = |result: &Value| -> Vec<String> {
        let pods = of_kind(result, "Pod").into_iter();
        pods.map(|p| p["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    for pod in names(&first) {
        assert!(names(&after).contains(&pod), "{pod} is gone");
    }
    let fired = &of_kind(&after, "CronJob")[0]["status"]["lastScheduleTime"];
    assert_eq!(*fired, "2026-01-01T01:00:00Z");
    assert_eq!(of_kind(&after, "StatefulSet")[0]["status"]["readyReplicas"], 2);
}

#[test]
fn a_dump_that_is_none_is_refused_with_how_to_make_one() {
    let empty = file("empty.yaml", "apiVersion: v1\nkind: List\nitems: []\n").display().to_string();
    let out = wavetank(&["run", "--from", &empty]);
    assert_eq!(out.status.code(), Some(3));
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(told.contains("kubectl get"), "{told}");
    let nameless =
        "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec: {containers: [{name: a, image: b}]}\n";
    let path = file("nameless.yaml", nameless).display().to_string();
    let out = wavetank(&["run", "--from", &path]);
    assert_eq!(out.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&out.stderr).contains("nameless.yaml:3:"));
}

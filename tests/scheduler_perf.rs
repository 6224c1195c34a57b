//! Op lists of kube-scheduler's performance suite, run by the command line.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const FILE: &str = "fixtures/scheduler-perf/performance-config.yaml";

fn wavetank(file: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "--fixes", "none", "--scheduler-perf", file])
        .args(args)
        .output()
        .unwrap()
}

fn case(name: &str) -> Value {
    let out = wavetank(FILE, &["--case", name, "-q", "-o", "json"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn a_workload_is_carried_out_the_same_each_time() {
    let run = case("Basic/50Nodes");
    assert_eq!(case("Basic/5Nodes"), case("Basic/5Nodes"));
    let items = run["schedulerPerf"]["dataItems"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["unit"], "pods/s");
    assert_eq!(items[0]["labels"]["Name"], "Basic/50Nodes/namespace-2");
    let pods = run["objects"].as_array().unwrap().iter().filter(|o| o["kind"] == "Pod");
    let placed = pods.filter(|p| p["spec"]["nodeName"].as_str().is_some());
    assert_eq!(placed.count(), 250);
}

#[test]
fn pods_wait_behind_a_barrier_until_others_are_deleted_at_their_rate() {
    let out = wavetank(FILE, &["--case", "RoomIsMade", "-v"]);
    let told = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{told}{}", String::from_utf8_lossy(&out.stderr));
    assert!(told.contains("freed: 4 pods scheduled in"), "{told}");
    let mut ready = std::collections::BTreeSet::new();
    for line in told.lines() {
        let pod = line.split_whitespace().nth(1).unwrap_or_default();
        if line.ends_with("ready") {
            ready.insert(pod);
        }
        assert!(!line.contains("waits:") || !ready.contains(pod), "it waits no longer: {line}");
    }
    let run = case("RoomIsMade/2Nodes");
    // One pod a second goes, and another takes its place.
    let data = &run["schedulerPerf"]["dataItems"][0]["data"];
    assert_eq!(
        (&data["Average"], &data["Perc99"]),
        (&Value::from(1.0), &Value::from(1.0)),
        "{data}"
    );
    let nodes: Vec<&Value> =
        run["objects"].as_array().unwrap().iter().filter(|o| o["kind"] == "Node").collect();
    assert_eq!(nodes.len(), 2);
    assert_eq!(nodes[1]["metadata"]["labels"]["topology.kubernetes.io/zone"], "zone-1");
    assert_eq!(nodes[1]["metadata"]["labels"]["disk"], "hdd");
    assert_eq!(nodes[1]["status"]["capacity"]["pods"], "102");
}

#[test]
fn an_op_that_never_gets_what_it_waits_for_fails_the_run() {
    let out = wavetank(FILE, &["--case", "TooLarge", "-q"]);
    assert_eq!(out.status.code(), Some(1));
    let told = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(told.contains("2 of 3 pods of namespace-1 have a node after 10 minutes"), "{told}");
}

#[test]
fn what_is_wrong_or_not_modelled_is_told_with_its_place() {
    let refused = |name: &str, ops: &str, words: &[&str]| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scheduler-perf");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.yaml"));
        let text = format!(
            "- name: Case\n  workloadTemplate:\n{ops}  workloads:\n  - name: one\n    params: {{size: 1}}\n"
        );
        std::fs::write(&file, text).unwrap();
        let out = wavetank(&file.display().to_string(), &[]);
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(3), "{told}");
        for word in words {
            assert!(told.contains(word), "no {word:?} in:\n{told}");
        }
    };
    refused(
        "op",
        "  - opcode: makeNodes\n",
        &["there is no op makeNodes", "createNodes", "op.yaml"],
    );
    refused(
        "field",
        "  - opcode: createNodes\n    counts: 3\n",
        &["unknown field `counts`", "`countParam`"],
    );
    refused(
        "dra",
        "  - opcode: createResourceDriver\n",
        &["not modelled", "dynamic resource allocation"],
    );
    refused("param", "  - opcode: createNodes\n    countParam: $m\n", &["no parameter m"]);
    refused(
        "unused",
        "  - opcode: createNodes\n    count: 1\n",
        &["parameter size", "used by no op"],
    );
    refused("none", "  - opcode: createNodes\n", &["neither count nor countParam"]);
    refused(
        "template",
        "  - opcode: createNodes\n    countParam: $size\n    nodeTemplatePath: absent.yaml\n",
        &["absent.yaml cannot be read"],
    );
    let unnamed = wavetank(FILE, &[]);
    let told = String::from_utf8_lossy(&unnamed.stderr).into_owned();
    assert!(told.contains("name one with --case") && told.contains("Basic/50Nodes"), "{told}");
    let wrong = wavetank(FILE, &["--case", "Nothing"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("no workload Nothing"));
}

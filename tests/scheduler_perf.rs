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

/// The objects of a kind, in the order of the store.
fn of_kind<'a>(run: &'a Value, kind: &'a str) -> Vec<&'a Value> {
    run["objects"].as_array().unwrap().iter().filter(|o| o["kind"] == kind).collect()
}

#[test]
fn nodes_take_as_many_volumes_as_their_drivers_say() {
    let run = case("Volumes");
    let claims = of_kind(&run, "PersistentVolumeClaim");
    assert_eq!(claims.len(), 3);
    assert!(claims.iter().all(|c| c["status"]["phase"] == "Bound"), "{claims:?}");
    let pods = of_kind(&run, "Pod");
    let with_disk: Vec<_> = pods.iter().filter(|p| p["metadata"]["namespace"] == "disks").collect();
    let (placed, waiting): (Vec<&&&Value>, Vec<&&&Value>) =
        with_disk.iter().partition(|p| p["spec"]["nodeName"].is_string());
    assert_eq!((placed.len(), waiting.len()), (2, 1));
    assert_ne!(placed[0]["spec"]["nodeName"], placed[1]["spec"]["nodeName"]);
    assert!(placed.iter().all(|p| p["status"]["phase"] == "Running"), "{placed:?}");
    let text = waiting[0]["status"]["conditions"][0]["message"].to_string();
    assert!(text.contains("exceed max volume count"), "{text}");
    let nodes = of_kind(&run, "Node");
    let disks = &nodes[0]["status"]["allocatable"]["attachable-volumes-csi-disk.example.com"];
    assert_eq!(disks, "1");
    let features = nodes[0]["status"]["declaredFeatures"].as_array().unwrap();
    assert!(features.ends_with(&["SchedulerPerf002".into()]), "{features:?}");
    let drivers = of_kind(&run, "CSINode");
    assert_eq!(drivers[0]["spec"]["drivers"][0]["allocatable"]["count"], 1);
}

#[test]
fn pods_are_placed_once_they_and_a_node_are_updated() {
    let run = case("Updates");
    let pods = of_kind(&run, "Pod");
    assert_eq!(pods.len(), 3);
    for pod in pods {
        assert_eq!(pod["spec"]["nodeName"], "node-0");
        assert_eq!(pod["metadata"]["labels"]["opened"], "true");
        assert!(pod["spec"]["schedulingGates"].is_null());
        assert_eq!(pod["spec"]["serviceAccountName"], "default", "what admission gave it stays");
    }
    let nodes = of_kind(&run, "Node");
    assert_eq!(nodes[0]["status"]["allocatable"]["cpu"], "8");
    assert_eq!(nodes[1]["status"]["allocatable"]["cpu"], "1");
    let out = wavetank(FILE, &["--case", "Updates"]);
    let told = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(told.contains("1.514s  node/node-0"), "two pods a second, then the node: {told}");
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
        "strategies",
        "  - opcode: createNodes\n    countParam: $size\n    uniqueNodeLabelStrategy: {labelKey: a}\n    \
         nodeAllocatableStrategy: {}\n",
        &["one strategy for its nodes at most"],
    );
    refused(
        "claims",
        "  - opcode: createPods\n    countParam: $size\n    persistentVolumeTemplatePath: op.yaml\n",
        &["go together"],
    );
    refused(
        "subresources",
        "  - opcode: updateAny\n    countParam: $size\n    templatePath: absent.yaml\n    subresources: [scale]\n",
        &["subresources are scale", "status or resize"],
    );
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

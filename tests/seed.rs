//! The five documents the project began with, as written: what their README says happens.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Runs the program on fixtures/seed files and answers with the result document.
fn run(args: &[&str]) -> Value {
    let out = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .arg("run")
        .args(args)
        .args(["-o", "json"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/seed"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// The texts of the timeline's lines about objects with that prefix and of that tone.
fn lines<'a>(result: &'a Value, object: &str, tone: &str) -> Vec<&'a str> {
    result["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|l| l["object"].as_str().unwrap().starts_with(object) && l["tone"] == tone)
        .map(|l| l["text"].as_str().unwrap())
        .collect()
}

fn objects<'a>(result: &'a Value, kind: &str) -> Vec<&'a Value> {
    result["objects"].as_array().unwrap().iter().filter(|o| o["kind"] == kind).collect()
}

#[test]
fn the_counter_job_prints_1_2_3_and_completes() {
    let result = run(&["counter-job.yaml"]);
    assert_eq!(lines(&result, "pod/counter-", "output"), ["1", "2", "3"]);
    assert_eq!(result["summary"]["completed"][0]["object"], "job/counter");
    assert!(result["summary"]["stuck"].as_array().unwrap().is_empty());
}

#[test]
fn the_cron_job_fires_on_the_hour() {
    let result = run(&["hourly-date-cronjob.yaml", "--for", "3h5m"]);
    let fired = lines(&result, "cronjob/hourly-date", "progress");
    let fired: Vec<&&str> = fired.iter().filter(|t| t.starts_with("fired")).collect();
    assert_eq!(
        fired,
        [
            &"fired for 2026-01-01 01:00:00",
            &"fired for 2026-01-01 02:00:00",
            &"fired for 2026-01-01 03:00:00"
        ]
    );
    let printed = lines(&result, "pod/hourly-date-", "output");
    assert_eq!(printed.len(), 3);
    assert!(printed[0].starts_with("Thu Jan  1 01:00:0"), "{}", printed[0]);
}

#[test]
fn there_is_one_fluentd_pod_per_node() {
    for nodes in [1, 3, 50] {
        let result = run(&["fluentd-daemonset.yaml", "--nodes", &nodes.to_string()]);
        let mut per_node: BTreeMap<&str, u32> = BTreeMap::new();
        for pod in objects(&result, "Pod") {
            *per_node.entry(pod["spec"]["nodeName"].as_str().unwrap()).or_default() += 1;
        }
        assert_eq!(per_node.len(), nodes);
        assert!(per_node.values().all(|n| *n == 1));
        let running = &result["summary"]["running"][0];
        assert_eq!(running["state"], format!("{nodes} of {nodes} ready"));
    }
}

#[test]
fn web_0_is_ready_before_web_1_is_made() {
    let result = run(&["web-statefulset.yaml"]);
    let all = result["timeline"].as_array().unwrap();
    let at = |object: &str, text: &str| {
        all.iter()
            .position(|l| l["object"] == object && l["text"].as_str().unwrap().starts_with(text))
            .unwrap_or_else(|| panic!("no line {object} {text}"))
    };
    assert!(at("pod/web-0", "ready") < at("pod/web-1", "created"));
}

/// How often a pod became ready.
fn times_ready(result: &Value, pod: &str) -> usize {
    lines(result, pod, "good").iter().filter(|text| **text == "ready").count()
}

#[test]
fn names_and_claims_outlive_pods_and_scaling() {
    let result = run(&[
        "web-statefulset.yaml",
        "--step",
        "30s delete pod web-0 --wait=false",
        "--step",
        "60s scale statefulset/web --replicas=1",
        "--step",
        "90s scale statefulset/web --replicas=2",
        "--for",
        "3m",
    ]);
    let pods: Vec<&str> =
        objects(&result, "Pod").iter().map(|p| p["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(pods, ["web-0", "web-1"]);
    let claims = objects(&result, "PersistentVolumeClaim");
    let names: Vec<&str> = claims.iter().map(|c| c["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["www-web-0", "www-web-1"]);
    for claim in claims {
        assert_eq!(claim["status"]["phase"], "Bound");
        assert!(claim["metadata"]["creationTimestamp"].as_str().unwrap() < "2026-01-01T00:00:10Z");
    }
    assert_eq!(times_ready(&result, "pod/web-0"), 2);
    assert_eq!(times_ready(&result, "pod/web-1"), 2);
}

#[test]
fn nginx_waits_for_the_backend_service_and_then_starts() {
    let waits = run(&["nginx-init-container.yaml", "--for", "30s"]);
    let printed = lines(&waits, "pod/nginx-", "output");
    assert!(printed.contains(&"Waiting for backend to come up"), "{printed:?}");
    let stuck = &waits["summary"]["stuck"][0];
    assert_eq!(stuck["object"], "deployment/nginx");
    assert!(stuck["causes"][0].as_str().unwrap().contains("checkbackend"), "{stuck}");

    let goes_on = run(&[
        "nginx-init-container.yaml",
        "--step",
        "14s kubectl create deployment backend --image=mhausenblas/simpleservice:0.5.0",
        "--step",
        "16s kubectl expose deployment backend --port=80 --target-port=9876",
        "--for",
        "30s",
    ]);
    let printed = lines(&goes_on, "pod/nginx-", "output");
    assert!(printed.contains(&"Backend is up, ready to launch web server"), "{printed:?}");
    assert!(lines(&goes_on, "pod/nginx-", "good").contains(&"ready"));
    assert!(goes_on["summary"]["stuck"].as_array().unwrap().is_empty());
}

//! What a run writes for other programs: facts by their published schema, a trace that holds together, metrics and
//! lives of pods that say what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use wavetank::report::machine;
use wavetank::report::table::Grid;

/// The files of a run of these arguments.
fn written(name: &str, args: &[&str]) -> BTreeMap<&'static str, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let kinds = [
        ("facts", "facts.jsonl"),
        ("perfetto", "trace.json"),
        ("metrics", "metrics.txt"),
        ("pods", "pods.csv"),
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "-q", "--fixes", "none"])
        .args(args);
    for (flag, file) in kinds {
        command.arg(format!("--{flag}")).arg(folder.join(file));
    }
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    kinds.map(|(flag, file)| (flag, fs::read_to_string(folder.join(file)).unwrap())).into()
}

/// What is wrong with a value by a schema, as far as the schema of facts goes.
fn wrong(schema: &Value, value: &Value, root: &Value) -> Option<String> {
    if let Some(target) = schema["$ref"].as_str() {
        return wrong(root.pointer(target.strip_prefix('#').unwrap()).unwrap(), value, root);
    }
    if let Some(all) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let found: Vec<Option<String>> = all.iter().map(|one| wrong(one, value, root)).collect();
        let fit = found.iter().filter(|f| f.is_none()).count();
        return (fit != 1).then(|| format!("{fit} alternatives fit {value}"));
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        return Some(format!("{value} is not {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        return Some(format!("{value} is none of {}", schema["enum"]));
    }
    let is = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("array") => value.is_array(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !is {
        return Some(format!("{value} is no {}", schema["type"]));
    }
    let Value::Object(fields) = value else { return None };
    let required = schema["required"].as_array().into_iter().flatten();
    if let Some(missing) = required.filter_map(Value::as_str).find(|key| !fields.contains_key(*key))
    {
        return Some(format!("{missing} is missing"));
    }
    fields.iter().find_map(|(key, inner)| match schema["properties"].get(key) {
        Some(of) => wrong(of, inner, root),
        None if schema["additionalProperties"] == false => Some(format!("{key} is not known")),
        None => None,
    })
}

#[test]
fn the_published_schema_of_facts_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/facts.json");
    let wanted = format!("{:#}\n", machine::schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "UPDATE_SCHEMA=1 cargo nextest run --test machine writes schemas/facts.json"
    );
}

#[test]
fn every_line_of_facts_is_as_the_schema_says_and_follows_an_earlier_one() {
    let schema = machine::schema();
    let mut kinds = BTreeSet::new();
    for args in [&["fixtures/seed"][..], &["simulations/6-stuck/36-blocked-drain.yaml"]] {
        let mut last = 0;
        for line in written("facts", args)["facts"].lines() {
            let fact: Value = serde_json::from_str(line).unwrap();
            assert_eq!(wrong(&schema, &fact, &schema), None, "{line}");
            let (id, cause) = (fact["id"].as_u64().unwrap(), fact["cause"].as_u64().unwrap_or(0));
            assert!(id > last && cause < id, "{line}");
            last = id;
            kinds.insert(fact["fact"].as_str().unwrap().to_owned());
        }
    }
    assert!(kinds.len() >= 7, "{kinds:?}");
    let broken: Value =
        serde_json::json!({"fact": "warned", "id": 1, "at": 0, "time": "x", "texts": ""});
    assert!(wrong(&schema, &broken, &schema).is_some(), "the check itself finds what is wrong");
}

#[test]
fn every_arrow_of_the_trace_has_both_ends_and_pods_are_threads_of_their_nodes() {
    let files = written("trace", &["fixtures/seed"]);
    let trace: Value = serde_json::from_str(&files["perfetto"]).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let ends = |phase: &str| -> BTreeSet<u64> {
        events.iter().filter(|e| e["ph"] == phase).map(|e| e["id"].as_u64().unwrap()).collect()
    };
    assert!(ends("s").len() > 20);
    assert_eq!(ends("s"), ends("f"));
    let named = |what: &str, name: &str| {
        events
            .iter()
            .find(|e| e["name"] == what && e["args"]["name"] == name)
            .map(|e| e["pid"].clone())
    };
    let node = named("process_name", "node node-1").unwrap();
    let threads: Vec<&str> = events
        .iter()
        .filter(|e| e["name"] == "thread_name" && e["pid"] == node)
        .filter_map(|e| e["args"]["name"].as_str())
        .collect();
    assert!(threads.iter().any(|t| t.starts_with("pod/counter-")), "{threads:?}");
    let ready = events.iter().filter(|e| e["ph"] == "X" && e["name"] == "Ready");
    assert!(ready.clone().count() >= 5 && ready.clone().all(|e| e["dur"].is_u64()));
}

#[test]
fn metrics_have_the_names_and_labels_of_kube_state_metrics() {
    let files = written("metrics", &["fixtures/seed"]);
    let text = &files["metrics"];
    for line in [
        "kube_deployment_status_replicas_available{namespace=\"default\",deployment=\"nginx\"} 0",
        "kube_deployment_spec_replicas{namespace=\"default\",deployment=\"nginx\"} 1",
        "kube_statefulset_status_replicas_ready{namespace=\"default\",statefulset=\"web\"} 2",
        "kube_daemonset_status_number_ready{namespace=\"default\",daemonset=\"fluentd\"} 3",
        "kube_job_status_succeeded{namespace=\"default\",job_name=\"counter\"} 1",
        "kube_cronjob_spec_suspend{namespace=\"default\",cronjob=\"hourly-date\"} 0",
        "kube_node_status_condition{node=\"node-1\",condition=\"Ready\",status=\"true\"} 1",
        "kube_node_status_allocatable{node=\"node-1\",resource=\"cpu\",unit=\"core\"} 4",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    let phase = "kube_pod_status_phase{namespace=\"default\",pod=\"web-0\",uid=\"";
    let running =
        text.lines().filter(|l| l.starts_with(phase) && l.ends_with("phase=\"Running\"} 1"));
    assert_eq!(running.count(), 1);
    let mut family = "";
    for line in text.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(typed) => family = typed.split(' ').next().unwrap(),
            None if line.starts_with('#') => {}
            None => {
                assert!(line.starts_with(&format!("{family}{{")), "{line} stands below {family}")
            }
        }
    }
}

#[test]
fn the_lives_of_pods_are_told_in_order() {
    let files = written("pods", &["fixtures/seed"]);
    let rows: Vec<Vec<&str>> = files["pods"].lines().map(|l| l.split(',').collect()).collect();
    let column = |name: &str| rows[0].iter().position(|c| *c == name).unwrap();
    let of = |pod: &str| rows.iter().find(|r| r[column("pod")].starts_with(pod)).unwrap();
    let seconds = |row: &[&str], name: &str| row[column(name)].parse::<f64>().unwrap();
    let web = of("web-0");
    let times = ["created", "scheduled", "started", "ready"].map(|c| seconds(web, c));
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!((web[column("phase")], web[column("owner")]), ("Running", "statefulset/web"));
    let counter = of("counter-");
    assert_eq!((counter[column("phase")], counter[column("exit_code")]), ("Succeeded", "0"));
    assert!(seconds(counter, "finished") > seconds(counter, "started"));
    assert_eq!(of("nginx-")[column("ready")], "");
}

#[test]
fn a_table_as_parquet_holds_what_that_as_csv_does() {
    let files = written("parquet", &["fixtures/seed"]);
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("parquet/pods.parquet");
    let out = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "-q", "--fixes", "none", "fixtures/seed", "--pods"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let parquet = Grid::read(&fs::read(file).unwrap(), 1000).unwrap();
    assert_eq!(parquet, Grid::read(files["pods"].as_bytes(), 1000).unwrap());
    assert!(parquet.rows.len() > 5);
}

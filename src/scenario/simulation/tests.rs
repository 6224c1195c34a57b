//! Files as users write them, right and wrong.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::schema::schema;
use super::*;
use crate::api::diagnostic::Severity;
use crate::scenario::trial::{Settings, run};

const HEAD: &str = "apiVersion: wavetank.dev/v1alpha1\nkind: Simulation\n";

/// A file with this content behind the head, in a folder of the test's own.
fn file(name: &str, content: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp/simulation");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.yaml"));
    fs::write(&path, format!("{HEAD}{content}")).unwrap();
    path
}

/// What is wrong with a file: line, message, hint.
fn wrong(name: &str, content: &str) -> Vec<(u32, String)> {
    let problems = read(&file(name, content)).unwrap_err();
    assert!(problems.iter().any(|p| p.severity == Severity::Error));
    problems
        .iter()
        .map(|p| {
            let line = p.location.as_ref().map_or(0, |l| l.place().line);
            (line, format!("{} | {}", p.message, p.hint.clone().unwrap_or_default()))
        })
        .collect()
}

#[track_caller]
fn refused(name: &str, content: &str, line: u32, words: &[&str]) {
    let found = wrong(name, content);
    let hit = |(at, text): &(u32, String)| *at == line && words.iter().all(|w| text.contains(w));
    assert!(found.iter().any(hit), "no {words:?} in line {line}: {found:?}");
}

#[test]
fn what_is_misspelt_is_told_with_its_place_and_what_was_perhaps_meant() {
    refused("field", "sed: 3\n", 3, &["unknown field \"sed\"", "\"seed\""]);
    refused("deep", "cluster: {nodes: [{cuont: 2}]}\n", 3, &["nodes[0].cuont", "\"count\""]);
    refused("constant", "cluster: {storage: nonee}\n", 3, &["\"nonee\"", "\"none\""]);
    refused("kind", "expect:\n- object: {kind: Podd}\n", 4, &["no kind \"Podd\"", "\"Pod\""]);
    let part = "expect:\n- object:\n    kind: Pod\n    status: {phse: Running}\n";
    refused("part", part, 6, &["status.phse", "phase"]);
    let step =
        "steps:\n- name: go\n  kubectl: get pods\nexpect:\n- after: gp\n  cel: pods.size() == 0\n";
    refused("step", step, 7, &["no step \"gp\"", "\"go\""]);
    refused("node", "steps:\n- stopNode: node-4\n", 4, &["no node \"node-4\"", "\"node-1\""]);
    refused("cel", "expect:\n- cel: podds.size() == 0\n", 4, &["podds", "\"pods\""]);
}

#[test]
fn values_that_do_not_fit_are_told_with_what_was_expected() {
    refused("type", "seed: many\n", 3, &["seed is a text"]);
    refused("length", "for: soon\n", 3, &["\"soon\" is no length of time"]);
    refused("taint", "cluster: {nodes: [{taints: [x]}]}\n", 3, &["\"x\" is no taint"]);
    refused(
        "amount",
        "cluster: {nodes: [{capacity: {cpu: many}}]}\n",
        3,
        &["\"many\" is no quantity"],
    );
    refused("start", "startTime: today\n", 3, &["\"today\" is no time"]);
    refused("behavior", "behaviors: [{image: a, duration: soon}]\n", 3, &["soon"]);
    refused("regex", "expect:\n- log: {line: '('}\n", 4, &["no regular expression"]);
    refused("path", "manifests: nowhere.yaml\n", 3, &["\"nowhere.yaml\" does not exist"]);
    refused("load", "load: [{autoscaler: web, cpu: '1'}]\n", 3, &["no HorizontalPodAutoscaler"]);
    let late = "for: 10s\nsteps:\n- {at: 20s, kubectl: get pods}\n";
    refused("late", late, 3, &["ends before the last of its steps"]);
}

#[test]
fn equal_nodes_are_a_number_and_others_are_groups() {
    let nodes =
        |text: &str| read(&file("nodes", &format!("cluster: {{nodes: {text}}}\n"))).unwrap().nodes;
    assert_eq!((nodes("10"), nodes("[{count: 2}, {name: db}]"), nodes("0")), (10, 3, 0));
    refused("many-nodes", "cluster: {nodes: 100001}\n", 3, &["out of bounds"]);
    refused("nodes", "cluster: {nodes: ten}\n", 3, &["cluster.nodes is a text"]);
}

#[test]
fn steps_and_expectations_have_one_of_each() {
    refused("none", "steps:\n- at: 1s\n", 4, &["a step has one action"]);
    refused(
        "two",
        "steps:\n- {kubectl: get pods, stopNode: node-1}\n",
        4,
        &["not 2", "a step of each"],
    );
    refused(
        "when",
        "steps:\n- {at: 1s, when: {cel: pods.size() > 0}, dnsOutage: true}\n",
        4,
        &["not both"],
    );
    refused(
        "lasts",
        "steps:\n- {kubectl: get pods, for: 3s}\n",
        4,
        &["nothing of this step lasts"],
    );
    refused("empty", "expect:\n- within: 3s\n", 4, &["there is no condition"]);
    refused(
        "many",
        "expect:\n- {cel: pods.size() == 0, log: {line: x}}\n",
        4,
        &["more than one condition"],
    );
    refused(
        "claims",
        "expect:\n- {at: 1s, always: true, cel: pods.size() == 0}\n",
        4,
        &["more than one claim"],
    );
    refused(
        "until",
        "expect:\n- {within: 1s, until: 3s, cel: pods.size() == 0}\n",
        4,
        &["`until` goes with"],
    );
    refused(
        "count",
        "expect:\n- {count: 2, cel: pods.size() == 0}\n",
        4,
        &["`count` goes with `object`"],
    );
}

#[test]
fn manifests_inside_a_file_are_held_against_the_api_where_they_stand() {
    let inner = "manifests:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n  spec: {container: []}\n";
    refused("inner", inner, 7, &["spec.container", "\"containers\""]);
    let behind = "for: 1s\n---\napiVersion: v1\nkind: Podd\nmetadata: {name: a}\n";
    refused("behind", behind, 6, &["no matches for kind \"Podd\""]);
}

#[test]
fn a_file_holds_one_simulation() {
    let two = format!("for: 1s\n---\n{HEAD}for: 2s\n");
    assert!(wrong("twice", &two)[0].1.contains("holds one Simulation"));
    let path = file("none-at-all", "");
    fs::write(&path, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n").unwrap();
    let problems = read(&path).unwrap_err();
    assert!(problems[0].message.contains("holds no Simulation"), "{problems:?}");
}

#[test]
fn every_field_of_the_schema_is_decoded() {
    // What the schema knows and the types do not would be refused, or lost, by decoding.
    let written: written::Written = serde_json::from_value(sample(schema(), &[])).unwrap();
    assert!(written.cluster.is_some() && written.steps.is_some() && written.expect.is_some());
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/simulation.json");
    let published = fs::read_to_string(&path).unwrap_or_default();
    let now = format!("{:#}\n", schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &now).unwrap();
    }
    assert!(
        published == now,
        "schemas/simulation.json is not up to date: UPDATE_SCHEMA=1 cargo nextest run schema writes it"
    );
}

/// A value with every field that a schema has, but none inside itself. Only the first of alternatives is
/// taken.
fn sample(of: &Value, inside: &[&str]) -> Value {
    if let Some(reference) = of["$ref"].as_str() {
        if inside.contains(&reference) {
            return Value::Null;
        }
        let to = schema().pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return sample(to, &[inside, &[reference]].concat());
    }
    if let Some(constant) = of.get("const").or_else(|| of["enum"].get(0)) {
        return constant.clone();
    }
    if let Some(first) = of["anyOf"].get(0).or(of["oneOf"].get(0)) {
        return sample(first, inside);
    }
    let kind = of["type"].as_str().or(of["type"][0].as_str()).unwrap_or("string");
    match kind {
        "object" => {
            let properties = of["properties"].as_object().into_iter().flatten();
            let each = properties.map(|(k, v)| (k.clone(), sample(v, inside)));
            Value::Object(each.filter(|(_, v)| !v.is_null()).collect())
        }
        "array" => match sample(&of["items"], inside) {
            Value::Null => Value::Array(Vec::new()),
            item => Value::Array(vec![item]),
        },
        "integer" | "number" => 1.into(),
        "boolean" => true.into(),
        _ => "1s".into(),
    }
}

#[test]
fn a_recorded_scenario_is_a_simulation_too() {
    let folder = file("recorded", "").parent().unwrap().join("recorded");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("scenario.yaml");
    let text = "name: x\nduration: 10s\nsteps:\n- {at: 0s, kubectl: create namespace a}\n\
                - {at: 1s, kubectl: create namespace a, expect-error: true}\n";
    fs::write(&path, text).unwrap();
    assert!(is_simulation(&path));
    let trial = run(&read(&path).unwrap(), &Settings::default()).unwrap();
    assert_eq!(trial.violations, []);
}

#[test]
fn a_step_that_is_refused_without_being_meant_to_is_a_violation() {
    let simulation = |name: &str, refused: &str| {
        let text = format!("for: 5s\nsteps:\n- kubectl: delete pod web\n{refused}");
        let trial = run(&read(&file(name, &text)).unwrap(), &Settings::default()).unwrap();
        trial.violations.len()
    };
    assert_eq!(simulation("refused-1", ""), 1);
    assert_eq!(simulation("refused-2", "  refused: true\n"), 0);
    assert_eq!(simulation("refused-3", "  refused: NotFound\n"), 0);
    assert_eq!(simulation("refused-4", "  refused: forbidden\n"), 1);
}

#[test]
fn a_step_comes_when_its_condition_holds_and_a_fault_ends_by_itself() {
    let text = "for: 3m\nmanifests:\n- {apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: a, image: nginx:1}]}}\n\
        steps:\n- when: {object: {kind: Pod, metadata: {name: web}, status: {phase: Running}}, for: 10s}\n  name: cut\n  partitionNode: node-1\n  for: 60s\n\
        expect:\n- after: cut\n  within: 55s\n  object: {kind: Node, metadata: {name: node-1}, status: {conditions: [{type: Ready, status: Unknown}]}}\n\
        - after: cut\n  at: 80s\n  object: {kind: Node, metadata: {name: node-1}, status: {conditions: [{type: Ready, status: 'True'}]}}\n\
        - after: cut\n  within: 1s\n  cel: pods.size() == 1\n";
    let simulation = read(&file("when-it-runs", text)).unwrap();
    let settings = Settings { timeline: true, ..Settings::default() };
    let trial = run(&simulation, &settings).unwrap();
    assert_eq!(trial.violations, [], "{}", trial.timeline);
    assert!(trial.timeline.contains("10.4"), "{}", trial.timeline);
    let again = run(&simulation, &settings).unwrap();
    assert_eq!(trial, again);
}

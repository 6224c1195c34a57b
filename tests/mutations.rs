//! Deliberate faults in manifests, each of which is caught: by the rules of the API, by an expectation, or by
//! a verdict. What catches nothing is worth nothing.

use std::fs;
use std::path::{Path, PathBuf};

use wavetank::scenario::compare::{Regression, compare};
use wavetank::scenario::runner::{Plan, StepAction};
use wavetank::scenario::simulation::{Simulation, read};
use wavetank::scenario::trial::{Settings, run};
use wavetank::scenario::verify::{Trying, verify};

fn shop() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mutations/shop.yaml");
    fs::read_to_string(path).unwrap()
}

/// The shop with some of its text replaced.
fn mutated(name: &str, from: &str, to: &str) -> PathBuf {
    let text = shop();
    assert!(text.contains(from), "{name}: the shop has no {from:?}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutations");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.yaml"));
    fs::write(&path, text.replace(from, to)).unwrap();
    path
}

/// What catches a fault: the names of the expectations that are violated, or the API's words.
fn caught(name: &str, from: &str, to: &str) -> Vec<String> {
    match read(&mutated(name, from, to)) {
        Err(problems) => problems.iter().map(|p| p.message.clone()).collect(),
        Ok(simulation) => {
            let trial = run(&simulation, &Settings::default()).unwrap();
            let name = |i: usize| simulation.expectations[i].name.clone();
            trial
                .violations
                .iter()
                .map(|v| format!("{} {}", name(v.expectation), v.expected))
                .collect()
        }
    }
}

#[test]
fn the_shop_holds_as_it_is() {
    assert_eq!(caught("none", "cpu: 100m", "cpu: 100m"), [] as [String; 0]);
}

/// Name, what is replaced by what, and what catches it.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    ("probe-port", "path: /, port: 80", "path: /, port: 81", "up within half a minute"),
    (
        "probe-delay",
        "port: 80}, periodSeconds: 2",
        "port: 80}, periodSeconds: 2, initialDelaySeconds: 60",
        "up within",
    ),
    (
        "liveness-port",
        "livenessProbe: {tcpSocket: {port: 80}",
        "livenessProbe: {tcpSocket: {port: 8080}",
        "restartCount",
    ),
    (
        "service-label",
        "selector: {app: web}, ports",
        "selector: {app: wbe}, ports",
        "customers reach it",
    ),
    ("service-port", "targetPort: 80}", "targetPort: 8080}", "customers reach it"),
    (
        "selector-label",
        "metadata: {labels: {app: web, ",
        "metadata: {labels: {app: shop, ",
        "`selector` does not match",
    ),
    ("quota", "pods: \"14\"", "pods: \"5\"", "quota"),
    ("image", "image: nginx:1.27", "image: nginx:1.27-nonexistent", "up within"),
    ("requests", "cpu: 100m", "cpu: \"5\"", "up within"),
    ("memory-limit", "memory: 128Mi", "memory: 96Mi", "restartCount"),
    ("config-name", "configMapRef: {name: settings}", "configMapRef: {name: setings}", "up within"),
    (
        "node-selector",
        "nodeSelector: {dedicated: db}",
        "nodeSelector: {dedicated: database}",
        "database",
    ),
    (
        "toleration",
        "value: db, effect: NoSchedule}]\n",
        "value: web, effect: NoSchedule}]\n",
        "database",
    ),
    ("init-name", "nslookup db.default", "nslookup database.default", "up within"),
    ("recreate", "type: RollingUpdate", "type: Recreate", "serves at every moment"),
    ("budget", "minAvailable: 2", "minAvailable: 3", "drain"),
    ("one-replica", "replicas: 3", "replicas: 1", "up within"),
    ("suspended", "suspend: false", "suspend: true", "report is made"),
    ("schedule", "\"0 3 * * *\"", "\"0 3 31 2 *\"", "report is made"),
    ("back-off", "backoffLimit: 3", "backoffLimit: 0", "migration is done"),
    ("storage-class", "storageClassName: standard", "storageClassName: fast", "database"),
    (
        "pre-stop",
        "        lifecycle: {preStop: {exec: {command: [sleep, \"3\"]}}}\n",
        "        lifecycle: {preStop: {exec: {command: [sleeep, \"3\"]}}}\n        command: [sh, -c, exit 1]\n",
        "up within",
    ),
];

/// Asserts that each fault of a part of them is caught.
fn all_are_caught(of: &[(&str, &str, &str, &str)]) {
    let mut missed = Vec::new();
    for (name, from, to, by) in of {
        let caught = caught(name, from, to);
        if !caught.iter().any(|c| c.contains(by)) {
            missed.push(format!("{name} is not caught by {by:?}: {caught:#?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_deliberate_fault_is_caught_of_the_first_half() {
    assert!(FAULTS.len() >= 20);
    all_are_caught(&FAULTS[..FAULTS.len() / 2]);
}

#[test]
fn every_deliberate_fault_is_caught_of_the_second_half() {
    all_are_caught(&FAULTS[FAULTS.len() / 2..]);
}

/// A cluster with a Deployment, told in a Simulation, to be tried.
fn plan(name: &str, spec: &str, more: &str) -> Plan {
    let text = format!(
        "apiVersion: wavetank.dev/v1alpha1\nkind: Simulation\ncluster: {{nodes: [{{count: 3, zone: a}}]}}\nfor: 2m\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  selector: {{matchLabels: {{app: web}}}}\n\
         {spec}  template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n{more}      containers:\n      - {{name: web, image: nginx:1.27, \
         resources: {{requests: {{cpu: \"1\"}}}}}}\n---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: web}}\n\
         spec: {{minAvailable: 1, selector: {{matchLabels: {{app: web}}}}}}\n"
    );
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutations");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("plan-{name}.yaml"));
    fs::write(&path, text).unwrap();
    let Simulation { plan, .. } = read(&path).unwrap();
    plan
}

const SPREAD: &str = "      affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: \
                      kubernetes.io/hostname, labelSelector: {matchLabels: {app: web}}}]}}\n";

#[test]
fn a_drain_that_a_budget_blocks_can_never_finish() {
    let tried = verify(&plan("drain", "  replicas: 1\n", ""), Trying::Drain).unwrap();
    let blocked: Vec<_> = tried.iter().filter(|t| !t.recovers).collect();
    assert_eq!((tried.len(), blocked.len()), (3, 1), "{tried:#?}");
    assert!(blocked[0].verdict.contains("can never finish"), "{blocked:#?}");
    assert!(blocked[0].because.iter().any(|l| l.contains("pdb/web")), "{blocked:#?}");
    let free = verify(&plan("drain-free", "  replicas: 2\n", ""), Trying::Drain).unwrap();
    assert!(free.iter().all(|t| t.recovers), "{free:#?}");
}

#[test]
fn a_rollout_without_room_can_never_finish() {
    let spec = "  replicas: 3\n  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}\n";
    let tried = verify(&plan("rollout", spec, SPREAD), Trying::Rollout).unwrap();
    assert_eq!(tried.len(), 1);
    assert!(!tried[0].recovers && tried[0].verdict.contains("can never finish"), "{tried:#?}");
    assert!(tried[0].because.iter().any(|l| l.contains("anti-affinity")), "{tried:#?}");
    let with_room = spec.replace("maxUnavailable: 0", "maxUnavailable: 1");
    let tried = verify(&plan("rollout-room", &with_room, SPREAD), Trying::Rollout).unwrap();
    assert!(tried[0].recovers, "{tried:#?}");
}

#[test]
fn the_loss_of_a_node_is_recovered_from_where_there_is_room() {
    let tried = verify(&plan("loss", "  replicas: 3\n", SPREAD), Trying::NodeLoss).unwrap();
    assert!(tried.iter().all(|t| t.verdict.contains("never recovers")), "{tried:#?}");
    let tried = verify(&plan("loss-room", "  replicas: 2\n", ""), Trying::NodeLoss).unwrap();
    assert!(tried.iter().all(|t| t.recovers), "{tried:#?}");
    let zone = verify(&plan("zone", "  replicas: 2\n", ""), Trying::ZoneLoss).unwrap();
    assert!(zone.len() == 1 && !zone[0].recovers, "{zone:#?}");
}

#[test]
fn two_versions_differ_by_what_their_users_notice() {
    let version = |name: &str, spec: &str| {
        let plan = plan(name, spec, "");
        let documents = plan.steps.iter().find_map(|s| match &s.action {
            StepAction::Apply { documents, .. } => Some(documents.clone()),
            _ => None,
        });
        (plan, (name.to_owned(), documents.unwrap()))
    };
    let (cluster, old) = version("old", "  replicas: 3\n");
    let (_, recreate) = version("new", "  replicas: 4\n  strategy: {type: Recreate}\n");
    let found = |new: &(String, Vec<serde_json::Value>)| {
        let mut sorts: Vec<Regression> =
            compare(&cluster, &old, new).unwrap().worse.iter().map(|f| f.regression).collect();
        sorts.sort_unstable();
        sorts.dedup();
        sorts
    };
    assert_eq!(found(&old), []);
    let mut image = recreate.clone();
    image.1[0]["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:1.28".into();
    assert_eq!(found(&image), [Regression::Downtime]);
    let mut large = old.clone();
    large.1[0]["spec"]["replicas"] = 20.into();
    assert_eq!(found(&large), [Regression::Pending, Regression::NotReady]);
}

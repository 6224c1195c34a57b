//! The command line as a user meets it: wrong input, exit codes, standard input.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const OK: i32 = 0;
const FAILED: i32 = 1;
const USAGE: i32 = 2;
const BAD_INPUT: i32 = 3;

fn wavetank(args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Command::new(env!("CARGO_BIN_EXE_wavetank")).args(args).current_dir(root).output().unwrap()
}

/// A file with this content, in a folder of the test's own.
fn file(name: &str, content: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}

/// Runs the program on a file and checks that it refuses it with these words and nothing on standard
/// output.
#[track_caller]
fn refused(path: &Path, words: &[&str]) {
    let out = wavetank(&["run", &path.display().to_string()]);
    let told = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(BAD_INPUT), "{told}");
    assert!(out.stdout.is_empty(), "{}", String::from_utf8_lossy(&out.stdout));
    for word in words {
        assert!(told.contains(word), "no {word:?} in:\n{told}");
    }
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn broken_yaml_is_refused_with_its_place() {
    refused(&file("broken.yaml", b"a: [1, 2\nb: }"), &["broken.yaml:2:", "yaml-syntax"]);
}

#[test]
fn an_unknown_kind_is_refused_with_what_was_perhaps_meant() {
    let text = b"apiVersion: v1\nkind: Podd\nmetadata: {name: x}\n";
    refused(
        &file("kind.yaml", text),
        &["kind.yaml:2:7", "no matches for kind", "did you mean \"Pod\"?"],
    );
}

#[test]
fn an_unknown_field_is_refused_with_what_was_perhaps_meant() {
    let text = b"apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  container: []\n";
    refused(&file("field.yaml", text), &["field.yaml:5:3", "spec.container", "\"containers\"?"]);
}

#[test]
fn input_without_manifests_is_refused() {
    refused(&file("empty.yaml", b""), &["empty.yaml", "hint"]);
    refused(&file("comment.yaml", b"# nothing here\n---\n"), &["comment.yaml"]);
}

#[test]
fn nesting_aliases_and_sizes_are_bounded_and_the_bound_is_named() {
    let deep = format!("apiVersion: v1\nspec: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    refused(&file("deep.yaml", deep.as_bytes()), &["deep.yaml:2:", "200 levels"]);
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..10 {
        let inner = vec![format!("*a{}", i - 1); 10].join(",");
        bomb.push_str(&format!("a{i}: &a{i} [{inner}]\n"));
    }
    refused(&file("bomb.yaml", bomb.as_bytes()), &["excessive aliasing"]);
    let path = file("large.yaml", b"");
    fs::File::options().write(true).open(&path).unwrap().set_len(100 << 20).unwrap();
    refused(&path, &["too large", "67108864 bytes"]);
}

#[test]
fn binary_files_missing_paths_and_urls_are_refused() {
    refused(&file("binary.yaml", &[0u8, 159, 146, 150].repeat(100)), &["not text"]);
    refused(Path::new("no-such-file.yaml"), &["no-such-file.yaml", "does not exist"]);
    refused(Path::new("https://example.com/x.yaml"), &["URL", "hint"]);
}

#[test]
fn a_wrong_command_line_is_told_apart_from_wrong_input() {
    assert_eq!(wavetank(&["run"]).status.code(), Some(USAGE));
    assert_eq!(wavetank(&["run", "fixtures/seed", "--for", "soon"]).status.code(), Some(USAGE));
    assert_eq!(wavetank(&["float"]).status.code(), Some(USAGE));
    assert_eq!(wavetank(&["--help"]).status.code(), Some(OK));
}

#[test]
fn manifests_come_in_by_standard_input_too() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(["run", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/seed/counter-job.yaml"));
    child.stdin.take().unwrap().write_all(&text.unwrap()).unwrap();
    let out = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(told.contains("complete, 1 succeeded"), "{told}");
}

#[test]
fn what_is_stuck_shows_in_the_exit_code_when_asked_for() {
    let args = ["run", "fixtures/seed/nginx-init-container.yaml", "--for", "20s"];
    assert_eq!(wavetank(&args).status.code(), Some(OK));
    let asked = [&args[..], &["--exit-code"]].concat();
    assert_eq!(wavetank(&asked).status.code(), Some(FAILED));
}

#[test]
fn old_versions_are_read_with_a_warning_that_names_them() {
    let out = wavetank(&["run", "fixtures/seed/fluentd-daemonset.yaml"]);
    let told = String::from_utf8_lossy(&out.stderr);
    for word in ["extensions/v1beta1", "1.16", "apps/v1", "app=fluentd"] {
        assert!(told.contains(word), "no {word:?} in:\n{told}");
    }
}

#[test]
fn a_cluster_file_says_what_nodes_there_are() {
    let text = b"apiVersion: wavetank.dev/v1alpha1\nkind: Cluster\nnodes:\n- {count: 2, name: big, capacity: {cpu: 16}}\n- {name: db, taints: ['dedicated=db:NoSchedule']}\n";
    let path = file("cluster.yaml", text).display().to_string();
    let out = wavetank(&["run", "fixtures/seed/fluentd-daemonset.yaml", "--cluster", &path]);
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(told.contains("placed on big-1") && told.contains("placed on big-2"), "{told}");
    assert!(!told.contains("placed on db"), "the taint keeps the daemon away:\n{told}");
    let wrong = file(
        "wrong.yaml",
        b"apiVersion: wavetank.dev/v1alpha1\nkind: Cluster\nnodes:\n- {cuont: 2}\n",
    );
    let out = wavetank(&["run", "fixtures/seed", "--cluster", &wrong.display().to_string()]);
    assert_eq!(out.status.code(), Some(BAD_INPUT));
    assert!(String::from_utf8_lossy(&out.stderr).contains("wrong.yaml:4:"));
}

const OLD_DEPLOYMENT: &str = "# the shop
apiVersion: apps/v1beta1 # old
kind: Deployment
metadata:
  name: web # its name
spec:
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - {name: web, image: nginx}
";

#[test]
fn a_check_tells_all_that_is_wrong_at_once_and_runs_nothing() {
    let text = b"apiVersion: v1\nkind: Pod\nmetadata: {name: Web}\nspec:\n  restartPolicy: Allways\n  containers:\n  \
                 - {name: a, image: b}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {prots: []}\n";
    let path = file("check.yaml", text).display().to_string();
    let out = wavetank(&["check", &path]);
    let told = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(BAD_INPUT), "{told}");
    let places = ["check.yaml:3:18:", "check.yaml:5:18:", "check.yaml:12:8:"];
    for word in
        [&places[..], &["did you mean \"Always\"?", "\"web\" would do", "\"ports\""]].concat()
    {
        assert!(told.contains(word), "no {word:?} in:\n{told}");
    }
    // Those of one run are the same: nothing half-loads.
    refused(Path::new(&path), &places);
}

#[test]
fn a_check_is_printed_for_editors_and_for_code_scanning_too() {
    let path = file("warn.yaml", OLD_DEPLOYMENT.as_bytes()).display().to_string();
    let json = |form: &str| -> serde_json::Value {
        let out = wavetank(&["check", &path, "-o", form]);
        assert_eq!(out.status.code(), Some(OK));
        serde_json::from_slice(&out.stdout).unwrap()
    };
    let first = &json("json")["diagnostics"][0];
    assert_eq!((&first["line"], &first["column"]), (&2.into(), &13.into()));
    assert_eq!(first["code"], "legacy-version");
    let result = &json("sarif")["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "legacy-version");
    let denied = wavetank(&["check", &path, "--deny-warnings", "-q"]);
    assert_eq!(denied.status.code(), Some(FAILED));
    assert!(denied.stderr.is_empty() && denied.stdout.is_empty());
}

#[test]
fn a_conversion_keeps_comments_and_is_then_in_the_current_form() {
    let path = file("old.yaml", OLD_DEPLOYMENT.as_bytes()).display().to_string();
    let out = wavetank(&["convert", &path]);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(text.starts_with("# the shop\napiVersion: apps/v1 # old\n"), "{text}");
    assert!(text.contains("name: web # its name") && text.contains("matchLabels"), "{text}");
    assert_eq!(wavetank(&["convert", "--write", "-q", &path]).status.code(), Some(OK));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let out = wavetank(&["check", &path]);
    assert_eq!(String::from_utf8_lossy(&out.stdout), "1 manifest: all is well\n");
}

/// Runs `wavetank logs` with these words; answers with the exit code, what was printed and what was said.
fn logs(args: &[&str]) -> (Option<i32>, String, String) {
    let out = wavetank(&[&["logs"], args].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn logs_of_a_workload_are_those_of_its_pod() {
    let (code, out, err) = logs(&["job/counter", "fixtures/seed/counter-job.yaml", "--tail", "2"]);
    assert_eq!((code, err.as_str()), (Some(OK), ""));
    assert_eq!(out.lines().count(), 2, "{out}");
    let (_, stamped, _) = logs(&[
        "job/counter",
        "fixtures/seed/counter-job.yaml",
        "--tail",
        "1",
        "--timestamps",
        "--prefix",
    ]);
    assert!(
        stamped.starts_with("[pod/counter-") && stamped.contains("/counter] 2026-01-01T00:00:0"),
        "{stamped}"
    );
    let (_, again, _) = logs(&[
        "job/counter",
        "fixtures/seed/counter-job.yaml",
        "--tail",
        "1",
        "--timestamps",
        "--prefix",
    ]);
    assert_eq!(stamped, again);
}

#[test]
fn logs_of_an_unknown_pod_list_the_pods_there_were() {
    let (code, out, err) = logs(&["counter", "fixtures/seed/counter-job.yaml"]);
    assert_eq!((code, out.as_str()), (Some(FAILED), ""));
    for word in ["pods \"counter\" not found", "the pods there were: counter-", "job/counter"] {
        assert!(err.contains(word), "no {word:?} in:\n{err}");
    }
}

#[test]
fn logs_choose_containers_and_runs_as_kubectl_does() {
    let text = b"apiVersion: v1\nkind: Pod\nmetadata: {name: two}\nspec:\n  initContainers:\n  - {name: setup, image: busybox, command: [echo, ready]}\n  containers:\n  - {name: main, image: busybox, command: [sh, -c, 'echo main; exit 3']}\n  - {name: side, image: busybox, command: [sh, -c, 'echo side; sleep 1000']}\n";
    let path = file("two.yaml", text).display().to_string();
    let run = |args: &[&str]| logs(&[args, &[&path, "--for", "20s"]].concat());
    let (_, out, err) = run(&["two"]);
    assert_eq!(out, "main\n");
    assert_eq!(err, "Defaulted container \"main\" out of: main, side, setup (init)\n");
    assert_eq!(run(&["two/side"]).1, "side\n");
    assert_eq!(run(&["two", "-c", "setup"]).1, "ready\n");
    assert_eq!(
        run(&["pod/two", "--all-containers", "--prefix"]).1,
        "[pod/two/setup] ready\n[pod/two/main] main\n[pod/two/side] side\n"
    );
    assert_eq!(run(&["two", "-c", "main", "--previous"]).1, "main\n");
    let (code, _, err) = run(&["two", "-c", "side", "--previous"]);
    assert_eq!(code, Some(FAILED));
    assert!(
        err.contains("previous terminated container \"side\" in pod \"two\" not found"),
        "{err}"
    );
    let (_, _, err) = run(&["two", "-c", "nope"]);
    assert!(
        err.contains("container nope is not valid for pod two out of: main, side, setup (init)"),
        "{err}"
    );
}

const DATABASE: &str = "apiVersion: wavetank.dev/v1alpha1
kind: CustomWorkload
metadata: {name: databases}
spec: {group: example.com, kind: Database, runsAs: StatefulSet, podTemplate: spec.template, replicas: spec.size}
---
apiVersion: example.com/v1
kind: Database
metadata: {name: main}
spec:
  size: 2
  template:
    spec:
      containers: [{name: db, image: busybox, command: [sh, -c, 'echo up; sleep 9999']}]
";

#[test]
fn the_pods_of_a_declared_custom_kind_run() {
    let path = file("custom.yaml", DATABASE.as_bytes()).display().to_string();
    let out = wavetank(&["run", &path, "--for", "30s"]);
    let told = String::from_utf8_lossy(&out.stdout);
    for word in [
        "statefulset/main                     · created by database.example.com/main, 2 wanted",
        "statefulset/main                     ✓ 2 of 2 ready",
        "objects of this kind run as a StatefulSet of their pod template, as declared",
    ] {
        assert!(told.contains(word), "no {word:?} in:\n{told}");
    }
    assert!(!told.contains("kept without behaviour"), "{told}");
}

#[test]
fn a_wrong_declaration_is_refused_with_what_was_perhaps_meant() {
    let wrong =
        DATABASE.replace("runsAs: StatefulSet", "runAs: Statefulset").replace("podTemplate", "x");
    refused(
        &file("declaration.yaml", wrong.as_bytes()),
        &["unknown field \"spec.runAs\"", "did you mean \"runsAs\"?", "spec.podTemplate is needed"],
    );
}

const SMALL_CLUSTER: &str = "apiVersion: wavetank.dev/v1alpha1
kind: Cluster
nodes:
- {name: small, capacity: {cpu: '1', memory: 2Gi, pods: '10'}}
- {name: tainted, capacity: {cpu: '8', memory: 16Gi, pods: '10'}, taints: ['dedicated=db:NoSchedule']}
";

fn pod_asking_for(name: &str, cpu: &str, more: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  {more}
  containers: [{{name: c, image: nginx, resources: {{requests: {{cpu: {cpu}}}}}}}]
---
"
    )
}

/// Explains a pod of a small cluster.
fn explain(
    test: &str,
    target: &str,
    manifests: &str,
    more: &[&str],
) -> (Option<i32>, String, String) {
    let pods = file(&format!("explain-{test}.yaml"), manifests.as_bytes());
    let cluster = file(&format!("explain-{test}-cluster.yaml"), SMALL_CLUSTER.as_bytes());
    let (pods, cluster) = (pods.display().to_string(), cluster.display().to_string());
    let mut args = vec!["explain", target, &pods, "--cluster", &cluster];
    args.extend(more);
    let out = wavetank(&args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn an_explanation_of_a_placed_pod_is_that_of_its_time() {
    let manifests = pod_asking_for("first", "600m", "") + &pod_asking_for("second", "600m", "");
    let (code, said, _) = explain("placed", "pod/first", &manifests, &[]);
    assert_eq!(code, Some(OK));
    for word in ["placed on small: the only node that can take it", "had untolerated taint(s)"] {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
    assert!(!said.contains("Insufficient"), "{said}");
}

#[test]
fn an_explanation_of_a_waiting_pod_tells_what_would_help() {
    let manifests = pod_asking_for("first", "600m", "") + &pod_asking_for("second", "600m", "");
    let (code, said, _) = explain("waiting", "second", &manifests, &["--at", "30s"]);
    assert_eq!(code, Some(OK));
    for word in [
        "no node can take it: 0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s).",
        "free 200m cpu on small",
        "tolerate dedicated=db:NoSchedule",
        "lower the pod's request of cpu to 400m",
        "in the place of first",
    ] {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
    let (_, said, _) = explain("waiting", "second", &manifests, &["-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["outcome"], "unschedulable");
    let kinds: Vec<&str> =
        json["changes"].as_array().unwrap().iter().map(|c| c["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["tolerate", "free", "askLess", "untaint", "priority", "addNode"]);
}

#[test]
fn an_explanation_of_an_unknown_pod_lists_the_pods_there_were() {
    let (code, said, told) =
        explain("unknown", "pod/frist", &pod_asking_for("first", "600m", ""), &[]);
    assert_eq!((code, said.as_str()), (Some(FAILED), ""));
    for word in ["there was no pod \"frist\"", "did you mean first?", "pod/first"] {
        assert!(told.contains(word), "no {word:?} in:\n{told}");
    }
}

#[test]
fn profiles_come_from_a_file_and_a_pod_without_one_waits_for_ever() {
    let settings = "apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: careless
  plugins: {filter: {disabled: [{name: TaintToleration}]}}
";
    let settings = file("scheduler-settings.yaml", settings.as_bytes()).display().to_string();
    let manifests = pod_asking_for("bold", "6", "schedulerName: careless")
        + &pod_asking_for("lost", "1", "schedulerName: nobody");
    let with = ["--scheduler-config", &settings];
    let (_, said, _) = explain("profiles", "pod/bold", &manifests, &with);
    assert!(said.contains("careless") && said.contains("placed on tainted"), "{said}");
    let (_, said, _) = explain("profiles", "pod/lost", &manifests, &with);
    let why = "no scheduler is called nobody; there is default-scheduler, careless";
    assert!(said.contains(why), "{said}");
    let pods = file("explain-profiles.yaml", manifests.as_bytes()).display().to_string();
    let out = wavetank(&["run", &pods, "-q", "--scheduler-config", &settings]);
    assert!(String::from_utf8_lossy(&out.stdout).contains(why));
    let wrong = file("scheduler-wrong.yaml", b"kind: KubeSchedulerConfiguration\napiVersion: kubescheduler.config.k8s.io/v1\nprofils: []\n");
    let out = wavetank(&["run", &pods, "--scheduler-config", &wrong.display().to_string()]);
    assert_eq!(out.status.code(), Some(BAD_INPUT));
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(
        told.contains("scheduler-wrong.yaml:3:1") && told.contains("did you mean \"profiles\"?"),
        "{told}"
    );
}

#[test]
fn a_deployment_that_lost_its_pods_waits_without_an_event() {
    let text = b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  progressDeadlineSeconds: 60\n  selector: {matchLabels: {app: web}}\n  \
                 template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: nginx}]}\n";
    let path = file("lost.yaml", text).display().to_string();
    let steps = ["--step", "20s cordon node-1", "--step", "21s delete pods --all"];
    let out = wavetank(&[&["run", &path, "--nodes", "1", "--for", "2h"], &steps[..]].concat());
    let told = String::from_utf8_lossy(&out.stdout);
    let events = told.rsplit_once(", ").and_then(|(_, rest)| rest.strip_suffix(" events\n"));
    let events: u32 = events.unwrap().parse().unwrap();
    assert!(events < 2_000, "{events} events in:\n{told}");
}

/// Asks about a run of the manifests that the project began with.
fn look(words: &[&str]) -> (Option<i32>, String, String) {
    let out = wavetank(words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn a_run_is_looked_at_with_kubectls_eyes() {
    let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/seed");
    let (code, said, _) = look(&["get", "sts,ds", seed, "--at", "30s"]);
    assert_eq!(code, Some(OK));
    assert!(
        said.starts_with(
            "NAME                   READY   AGE\nstatefulset.apps/web   2/2     30s\n\n"
        ),
        "{said}"
    );
    let (_, said, _) =
        look(&["get", "pod/web-0", seed, "--at", "30s", "-o", "jsonpath={.status.phase}"]);
    assert_eq!(said, "Running");
    let (code, said, told) = look(&["get", "pod/web-9", seed, "--at", "30s"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert_eq!(told, "Error from server (NotFound): pods \"web-9\" not found\n");
    let (code, _, told) = look(&["get", "ingress", seed, "--at", "1s"]);
    assert_eq!((code, told.as_str()), (Some(OK), "No resources found in default namespace.\n"));
    let (_, said, _) = look(&["describe", "job/counter", seed, "--at", "30s"]);
    assert!(
        said.contains("Pods Statuses:    0 Active (0 Ready) / 1 Succeeded / 0 Failed\n"),
        "{said}"
    );
    assert!(said.contains("job-controller  Job completed\n"), "{said}");
    let (_, said, _) =
        look(&["events", seed, "--at", "30s", "--about", "job/counter", "--no-headers"]);
    assert_eq!(said.lines().count(), 2, "{said}");
    let (code, _, told) = look(&["top", "pods", seed, "--at", "30s"]);
    assert_eq!(code, Some(1));
    assert!(told.starts_with("error: Metrics API not available\n"), "{told}");
}

#[test]
fn a_name_where_a_path_belongs_is_told_how_objects_are_named() {
    let (code, _, told) = look(&["get", "pods", "web-0", "--at", "1s"]);
    assert_eq!(code, Some(BAD_INPUT));
    assert!(
        told.ends_with("  hint: an object is named with its type, as in pods/web-0\n"),
        "{told}"
    );
}

/// The data of a page that `run --html` wrote.
fn page_data(page: &str) -> serde_json::Value {
    let from = page.split_once(r#"<script id="data" type="application/json">"#).unwrap().1;
    serde_json::from_str(from.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_page_to_look_at_holds_the_run_and_asks_no_network() {
    let manifest = file(
        "page.yaml",
        br#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: nginx, resources: {requests: {cpu: 250m, memory: 64Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: crasher}
spec:
  restartPolicy: OnFailure
  containers:
  - {name: main, image: busybox, command: [sh, -c, "echo '</script><b>'; exit 3"]}
"#,
    );
    let page = manifest.with_extension("html");
    let (manifest, to) = (manifest.display().to_string(), page.display().to_string());
    let out = wavetank(&["run", &manifest, "--for", "2m", "-q", "--html", &to]);
    assert_eq!(out.status.code(), Some(OK), "{}", String::from_utf8_lossy(&out.stderr));
    let text = fs::read_to_string(page).unwrap();
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!text.contains(outside), "{outside}");
    }
    let data = page_data(&text);
    let pods = data["pods"].as_array().unwrap();
    let of = |owner: &str| pods.iter().filter(|pod| pod["owner"] == owner).count();
    assert_eq!((pods.len(), of("Deployment/web"), of("")), (3, 2, 1));
    let words = |pod: &serde_json::Value| {
        let states = pod["states"].as_array().unwrap();
        states.iter().map(|state| state[2].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let web = pods.iter().find(|pod| pod["owner"] == "Deployment/web").unwrap();
    assert_eq!(words(web), ["Pending", "ContainerCreating", "Ready"]);
    assert_eq!((&web["cpu"], &web["memory"]), (&250.into(), &(64 << 20).into()));
    let crasher = pods.iter().find(|pod| pod["name"] == "crasher").unwrap();
    assert!(words(crasher).contains(&"CrashLoopBackOff".to_owned()));
    let restart = &crasher["restarts"][0];
    assert_eq!(
        (&restart[1], &restart[2], &restart[3]),
        (&"main".into(), &"Error".into(), &3.into())
    );
    assert_eq!(data["lines"][0][3], "</script><b>");
    assert_eq!(data["nodes"].as_array().unwrap().len(), 3);
}

#[test]
fn why_is_answered_back_to_a_script_or_a_step() {
    let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/seed");
    let (code, said, _) = look(&["why", "deploy/nginx", seed, "--at", "60s"]);
    assert_eq!(code, Some(OK));
    for word in [
        "deployment/nginx is not as it should be",
        "init container checkbackend has run for 1m",
        "because its script is blocked at `sleep 3`, line 1\n",
    ] {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
    let (code, _, told) = look(&["why", "pod/web-9", seed, "--at", "60s"]);
    assert_eq!(code, Some(1));
    assert!(
        told.starts_with(
            "error: there was no pod \"web-9\" in namespace \"default\"\n  hint: did you mean web-"
        ),
        "{told}"
    );
    let (code, _, told) = look(&["why", "gadget/x", seed]);
    assert_eq!(code, Some(2), "{told}");
}

const BOUND: i32 = 5;

#[test]
fn a_run_ends_at_its_bound_of_events_and_tells_what_is_known() {
    let run = |events: &str| wavetank(&["run", "fixtures/seed", "--max-events", events]);
    let (first, second) = (run("500"), run("500"));
    assert_eq!(first.status.code(), Some(BOUND));
    let (told, why) =
        (String::from_utf8_lossy(&first.stdout), String::from_utf8_lossy(&first.stderr));
    assert!(told.contains(", 500 events"), "{told}");
    assert!(why.contains("--max-events is 500"), "{why}");
    assert_eq!(first.stdout, second.stdout, "the bound is part of the input");
    assert_eq!(run("100000000").status.code(), Some(OK));
}

#[test]
fn a_run_ends_at_its_bound_of_memory_and_tells_what_is_known() {
    let out = wavetank(&["run", "fixtures/seed", "--for", "20d", "--max-memory", "1Mi"]);
    assert_eq!(out.status.code(), Some(BOUND));
    assert!(String::from_utf8_lossy(&out.stderr).contains("--max-memory is 1 MiB"));
    assert!(String::from_utf8_lossy(&out.stdout).contains("digest "));
    let wrong = wavetank(&["run", "fixtures/seed", "--max-memory", "much"]);
    assert_eq!(wrong.status.code(), Some(USAGE));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("512Mi"));
}

#[test]
fn a_trace_in_the_openb_form_runs() {
    let nodes = file("nodes.csv", b"sn,cpu_milli,memory_mib,gpu,model\nn-0,8000,16384,1,T4\n");
    let pods = file(
        "pods.csv",
        b"name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n\
          p-0,1000,1024,1,600,T4,LS,Succeeded,0,90,0\np-1,1000,1024,1,600,T4,LS,Succeeded,10,100,10\n\
          p-2,1000,1024,1,100,P100,LS,Running,20,,\n",
    );
    let (nodes, pods) = (nodes.display().to_string(), pods.display().to_string());
    let out = wavetank(&["run", "--openb", &nodes, &pods]);
    let told = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(OK), "{}", String::from_utf8_lossy(&out.stderr));
    // The second waits until the first leaves the device, the third for a model that nobody has.
    assert!(told.contains("Insufficient alibabacloud.com/gpu-milli"), "{told}");
    assert!(told.contains("didn't match Pod's node affinity"), "{told}");
    let late = told.lines().find(|l| l.contains("p-1") && l.contains("succeeded"));
    assert!(late.is_some(), "{told}");
    let broken = wavetank(&["run", "--openb", &pods, &nodes]);
    assert_eq!(broken.status.code(), Some(BAD_INPUT));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("pods.csv:2: `sn` is missing"));
}

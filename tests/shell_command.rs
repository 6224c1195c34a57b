//! `wavetank shell` as scripts drive it, and what it saves.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder of the test's own, with a Deployment in it.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shell-command").join(name);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    let web = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx:1.27}]}
";
    fs::write(folder.join("web.yaml"), web).unwrap();
    folder
}

fn wavetank(folder: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn told(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

const SCRIPT: &str = "until deploy/web Available
# three more
scale deployment/web --replicas=5
until deploy/web status.readyReplicas=5
stopNode node-1
run 1m
get nodes
";

#[test]
fn lines_come_from_standard_input_and_from_a_script() {
    let folder = folder("lines");
    let out = wavetank(&folder, &["shell", "web.yaml"], SCRIPT);
    let text = told(&out);
    assert_eq!(out.status.code(), Some(0), "{text}");
    for words in [
        "0.000s> until deploy/web Available",
        "deployment.apps/web scaled",
        "s> stopNode node-1",
        "node-1   NotReady",
    ] {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }
    fs::write(folder.join("script.txt"), SCRIPT).unwrap();
    let again = wavetank(&folder, &["shell", "web.yaml", "--script", "script.txt"], "");
    assert_eq!(told(&again), text, "it is the same each time");
}

#[test]
fn the_first_line_that_goes_wrong_ends_a_script_and_is_named() {
    let folder = folder("wrong");
    let input = "run 10s\nexpect pod/nothing Ready\nrun 10s\n";
    let out = wavetank(&folder, &["shell", "web.yaml"], input);
    assert_eq!(out.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(errors.contains("there is no pod/nothing"), "{errors}");
    assert!(errors.contains("in line 2 of standard input"), "{errors}");
    assert!(!told(&out).contains("10.000s> run 10s"), "{}", told(&out));
    let missing = wavetank(&folder, &["shell", "--script", "nowhere"], "");
    assert_eq!(missing.status.code(), Some(3));
}

#[test]
fn a_session_is_saved_as_a_simulation_in_which_the_same_happens() {
    let folder = folder("save");
    let input = format!("{SCRIPT}save session.yaml\nget pods -o yaml\n");
    let out = wavetank(&folder, &["shell", "web.yaml"], &input);
    let text = told(&out);
    assert_eq!(out.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&out.stderr));
    let saved = fs::read_to_string(folder.join("session.yaml")).unwrap();
    for words in
        ["kind: Simulation", "web.yaml", "scale deployment/web --replicas=5", "stopNode: node-1"]
    {
        assert!(saved.contains(words), "no {words:?} in:\n{saved}");
    }
    let test = wavetank(&folder, &["test", "session.yaml"], "");
    assert_eq!(test.status.code(), Some(0), "{}", told(&test));
    let pods = text.rsplit_once("get pods -o yaml\n").unwrap().1;
    let length = saved.lines().find_map(|l| l.strip_prefix("for: ")).unwrap().trim_matches('"');
    let at = wavetank(&folder, &["get", "pods", "session.yaml", "--at", length, "-o", "yaml"], "");
    assert_eq!(told(&at), pods, "the same pods as in the session");
    let twice = wavetank(&folder, &["shell", "web.yaml"], "save session.yaml\n");
    assert!(String::from_utf8_lossy(&twice.stderr).contains("--force"));
    let grown = wavetank(
        &folder,
        &["shell", "session.yaml"],
        "run 3m\ndelete deployment web\nsave more.yaml\n",
    );
    assert_eq!(grown.status.code(), Some(0), "{}", String::from_utf8_lossy(&grown.stderr));
    let more = fs::read_to_string(folder.join("more.yaml")).unwrap();
    assert!(more.contains("stopNode: node-1") && more.contains("delete deployment web"), "{more}");
}

#[test]
fn a_session_may_begin_with_nothing() {
    let folder = folder("nothing");
    let input = "create deployment shop --image=nginx:1.27\nuntil deploy/shop Available\napply web.yaml\nrun 10s\nget deployments\n";
    let out = wavetank(&folder, &["shell", "--nodes", "1"], input);
    let text = told(&out);
    assert_eq!(out.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("shop   1/1") && text.contains("web    2/2"), "{text}");
}

#[test]
fn the_terminal_player_needs_a_terminal() {
    let folder = folder("tui");
    let out = wavetank(&folder, &["run", "web.yaml", "--tui"], "");
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("--html FILE"));
}

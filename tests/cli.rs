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

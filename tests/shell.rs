//! Manifests that run shell commands, in the manner of public documentation and charts: each prints
//! what its head says, and nothing in it is unknown.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/shell")
}

/// Words behind `# KEY: ` at the head of a manifest.
fn heads<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let start = format!("# {key}: ");
    text.lines().filter_map(|l| l.strip_prefix(&start)).collect()
}

/// What is wrong with the run of one manifest.
fn complaints(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let options = heads(&text, "run");
    let out = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .arg("run")
        .arg(path)
        .args(["-o", "json"])
        .args(options.iter().flat_map(|o| o.split_whitespace()))
        .output()
        .unwrap();
    if !out.status.success() {
        return vec![String::from_utf8_lossy(&out.stderr).into_owned()];
    }
    let result: Value = serde_json::from_slice(&out.stdout).unwrap();
    let printed: Vec<&str> = result["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|l| l["tone"] == "output")
        .map(|l| l["text"].as_str().unwrap())
        .collect();
    let wanted = heads(&text, "prints");
    assert!(!wanted.is_empty(), "{} says nothing of what it prints", path.display());
    let mut wrong: Vec<String> = wanted
        .iter()
        .filter(|want| !printed.contains(want))
        .map(|want| format!("does not print {want:?} but {printed:?}"))
        .collect();
    for key in ["assumed", "unmodelled"] {
        let said = result["summary"][key].to_string();
        for word in ["command", "busy loop", "steps_per_instant", "is not modelled"] {
            if said.contains(word) {
                wrong.push(format!("{key}: {said}"));
            }
        }
    }
    wrong
}

#[test]
fn manifests_with_shell_commands_print_what_they_say() {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "yaml"));
    paths.sort();
    assert!(paths.len() >= 100, "{} manifests", paths.len());
    let wrong: Vec<String> = paths
        .iter()
        .flat_map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            complaints(path).into_iter().map(move |c| format!("{name}: {c}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_command_that_is_not_modelled_is_told_of() {
    let out = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(["run", "-", "-o", "json", "--for", "30s"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            use std::io::Write as _;
            let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  restartPolicy: Never\n  containers:\n  - name: c\n    image: busybox:1.36\n    command: [sh, -c, 'bzip2 /etc/hostname; nosuch; echo done']\n";
            child.stdin.take().unwrap().write_all(pod.as_bytes())?;
            child.wait_with_output()
        })
        .unwrap();
    let result: Value = serde_json::from_slice(&out.stdout).unwrap();
    let said = result["summary"].to_string();
    assert!(said.contains("command bzip2 is not known"), "{said}");
    assert!(!said.contains("command nosuch"), "{said}");
}

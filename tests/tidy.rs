//! The house rules that a compiler does not check: who may use whom, that every module says what it is,
//! that files stay readable, that no note is left without an owner.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules and what each may use, besides itself. `docs/architecture.md` has the same table in
/// words; a new edge here needs a reason there.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("model", &["base"]),
    ("trace", &["base", "model"]),
    ("store", &["base", "model", "trace"]),
    ("api", &["base", "model"]),
    ("engine", &["base", "model", "store", "trace"]),
    ("apiserver", &["base", "model", "api", "store", "trace", "engine"]),
    ("controllers", &["base", "model", "api", "store", "trace", "engine"]),
    ("scheduler", &["base", "model", "api", "store", "trace", "engine"]),
    ("container", &["base", "model", "trace", "engine"]),
    ("kubelet", &["base", "model", "api", "store", "trace", "engine", "container"]),
    (
        "sim",
        &[
            "base",
            "model",
            "api",
            "store",
            "trace",
            "engine",
            "apiserver",
            "controllers",
            "scheduler",
            "kubelet",
        ],
    ),
    ("report", &["base", "model", "api", "store", "trace", "sim"]),
    (
        "scenario",
        &[
            "base",
            "model",
            "api",
            "store",
            "trace",
            "engine",
            "sim",
            "report",
            // the checks of computed data stand beside the code they check
            "container",
            "controllers",
            "scheduler",
            "kubelet",
        ],
    ),
    ("cli", &["base", "model", "api", "store", "trace", "sim", "scenario", "report"]),
];

/// No file may be longer than this, tests and tables included.
const MAX_LINES: usize = 900;

/// The text with its tests cut off: what follows `#[cfg(test)]`.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]").map_or(text, |i| &text[..i])
}

fn sources() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
                found.insert(path.strip_prefix(root).unwrap().to_owned(), text);
            }
        }
    }
    found
}

fn module_of(path: &Path) -> String {
    path.components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .trim_end_matches(".rs")
        .to_owned()
}

#[test]
fn modules_use_only_what_stands_below_them() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            if !matches!(module.as_str(), "lib" | "main") {
                wrong.push(format!("{}: module {module} is not in the table", path.display()));
            }
            continue;
        };
        for (number, line) in without_tests(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for used in code.match_indices("crate::").map(|(i, _)| &code[i + 7..]) {
                let used: String =
                    used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = LAYERS.iter().any(|(name, _)| *name == used);
                if known && used != module && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{}:{}: {module} uses {used}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "against the table of layers:\n{}", wrong.join("\n"));
}

/// Where the program meets the machine: the command line, scenario files, manifests that are read.
const EDGES: &[&str] = &["main.rs", "cli/", "scenario/", "api/load/", "api/corpus/"];

/// What a simulated script could reach the machine through.
const MACHINE: &[&str] = &[
    "fs",
    "process",
    "env",
    "thread",
    "os",
    "io",
    "net::Tcp",
    "net::Udp",
    "net::ToSocketAddrs",
    "arch",
    "ffi",
];

#[test]
fn only_the_edges_touch_the_machine() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = path.to_string_lossy().into_owned();
        // Tests may look at the machine, to see that nothing has come of a script.
        if EDGES.iter().any(|edge| name.starts_with(edge)) || name.ends_with("tests.rs") {
            continue;
        }
        for (number, line) in without_tests(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let grouped = code.contains("std::{") || code.contains("std::net::{");
            let reaches = |part: &&str| {
                let named = format!("std::{part}");
                code.match_indices(&named).any(|(at, _)| {
                    let next = code[at + named.len()..].chars().next();
                    part.contains("::") || !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
                }) || grouped
                    && part.split("::").last().is_some_and(|last| {
                        code.split(|c: char| !c.is_alphanumeric()).any(|word| {
                            word.starts_with(last) && (word == last || part.contains("::"))
                        })
                    })
            };
            if let Some(part) = MACHINE.iter().find(|part| reaches(part)) {
                wrong.push(format!("{name}:{}: std::{part}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "the machine is reached from within:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_with_what_it_is() {
    let bare: Vec<String> = sources()
        .iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(bare.is_empty(), "files without an opening `//!`: {}", bare.join(", "));
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|(path, _)| !path.to_string_lossy().contains("table"))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| format!("{} ({lines})", path.display()))
        .collect();
    assert!(long.is_empty(), "files longer than {MAX_LINES} lines: {}", long.join(", "));
}

#[test]
fn nothing_is_left_half_done() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            for (word, instead) in [
                ("TODO", "a row in docs/fidelity.md"),
                ("HACK", "the reason why it is so"),
                ("unimplemented!", "an error that names what is missing"),
            ] {
                if line.contains(word) {
                    found.push(format!(
                        "{}:{}: {word}; write {instead}",
                        path.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

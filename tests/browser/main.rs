//! The pages and pictures that wavetank writes, in a headless Chromium: what Lighthouse looks at (contrast of
//! all text as it is drawn, names of all controls and pictures, landmarks, headings, language, width of a
//! phone), the keyboard, and that a page asks nothing of any network and that its script never fails.
//!
//! Not among the tests that run by themselves, since it needs a browser: `cargo test --test browser`, which
//! `.ci/run` does. Pictures of what was looked at stand in `target/page` afterwards.

#![expect(clippy::unwrap_used, reason = "what helps a test fails as the test does")]
#![expect(clippy::tests_outside_test_module, reason = "the whole crate is tests")]

mod devtools;
mod large;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use devtools::Browser;
use serde_json::json;

const DESKTOP: (u32, u32) = (1280, 1400);
const PHONE: (u32, u32) = (390, 1600);
/// The least width that a page has to do with (WCAG 2.2, 1.4.10).
const NARROW: (u32, u32) = (320, 900);

/// A folder of its own for what a test writes.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/page").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs wavetank; what it prints to standard output is of no interest here.
fn wavetank(arguments: &[&str]) {
    let ran = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    // 1: something is stuck or violated, as it should be here.
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(matches!(ran.status.code(), Some(0 | 1)), "{arguments:?}: {told}");
}

/// What the page complained of, and what it asked for besides itself.
fn complaints(browser: &mut Browser) -> Vec<String> {
    let mut wrong = Vec::new();
    for told in browser.told() {
        let params = &told["params"];
        match told["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => wrong.push(format!("{}", params["exceptionDetails"])),
            "Runtime.consoleAPICalled" => {
                wrong.push(format!("the console says {}", params["args"]))
            }
            "Log.entryAdded" => wrong.push(format!("the log says {}", params["entry"]["text"])),
            "Network.requestWillBeSent" if params["type"] != "Document" => {
                wrong.push(format!("it asks for {}", params["request"]["url"]));
            }
            _ => {}
        }
    }
    wrong
}

/// What is wrong according to functions of `probe.js`.
fn probe(browser: &mut Browser, functions: &[&str]) -> Vec<String> {
    browser.evaluate(include_str!("probe.js"));
    let mut wrong = Vec::new();
    for function in functions {
        let said = browser.evaluate(&format!("probe.{function}()"));
        wrong.extend(said.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()));
    }
    wrong
}

/// Roles that say nothing to a reader who hears the page, unless they have a name.
const NAMED: [&str; 17] = [
    "button",
    "link",
    "checkbox",
    "combobox",
    "searchbox",
    "textbox",
    "slider",
    "listbox",
    "option",
    "image",
    "img",
    "region",
    "heading",
    "radio",
    "menuitem",
    "progressbar",
    "DisclosureTriangle",
];

/// What is wrong with the page as software for the blind is told it.
fn unnamed(browser: &mut Browser) -> Vec<String> {
    let tree = browser.ask("Accessibility.getFullAXTree", &json!({}));
    let mut wrong = Vec::new();
    let mut roles: BTreeMap<String, usize> = BTreeMap::new();
    for node in tree["nodes"].as_array().unwrap() {
        if node["ignored"] == true {
            continue;
        }
        let role = node["role"]["value"].as_str().unwrap_or_default();
        let name = node["name"]["value"].as_str().unwrap_or_default().trim();
        *roles.entry(role.to_owned()).or_default() += 1;
        if NAMED.contains(&role) && name.is_empty() {
            wrong.push(format!("a {role} has no name: {}", node["properties"]));
        }
        let is_focusable =
            node["properties"].as_array().into_iter().flatten().any(|property| {
                property["name"] == "focusable" && property["value"]["value"] == true
            });
        if is_focusable && matches!(role, "generic" | "none" | "") {
            wrong.push(format!("{name:?} can have the focus and has no role"));
        }
    }
    for landmark in ["banner", "main", "contentinfo"] {
        let found = roles.get(landmark).copied().unwrap_or(0);
        if found != 1 {
            wrong.push(format!("{found} landmarks {landmark}"));
        }
    }
    wrong
}

/// Looks at a page in every size and both schemes, and takes pictures of it.
fn look(browser: &mut Browser, page: &Path, into: &Path) -> Vec<String> {
    let mut wrong = BTreeSet::new();
    for (size, name) in [(DESKTOP, "desktop"), (PHONE, "phone"), (NARROW, "narrow")] {
        for scheme in ["light", "dark"] {
            browser.look(size, scheme);
            browser.open(page);
            let all = ["contrasts", "overflow", "structure", "targets"];
            let mut found = probe(browser, &all);
            found.extend(unnamed(browser));
            found.extend(complaints(browser));
            wrong.extend(found.into_iter().map(|said| format!("{name}, {scheme}: {said}")));
            browser.picture(&into.join(format!("{name}-{scheme}.png")));
        }
    }
    wrong.into_iter().collect()
}

/// What is wrong with going through the page by Tab alone.
fn tabs(browser: &mut Browser) -> Vec<String> {
    browser.evaluate(include_str!("probe.js"));
    let controls = browser.evaluate("probe.controls()");
    let mut left: BTreeMap<String, String> = (controls.as_array().unwrap().iter())
        .map(|c| (c[0].as_str().unwrap().to_owned(), c[1].as_str().unwrap().to_owned()))
        .collect();
    let mut wrong = Vec::new();
    for _ in 0..=left.len() + 1 {
        browser.press("Tab");
        browser.settle();
        let focus = browser.evaluate("probe.focus()");
        if focus.is_null() {
            break;
        }
        left.remove(focus["mark"].as_str().unwrap());
        let said = focus["wrong"].as_array().unwrap();
        wrong.extend(said.iter().map(|s| s.as_str().unwrap().to_owned()));
    }
    wrong.extend(left.values().map(|control| format!("Tab does not reach {control}")));
    wrong
}

fn check(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs that look different, each with its manifests and the options it takes.
const RUNS: [(&str, &[&str]); 3] = [
    ("seed", &["fixtures/seed"]),
    ("node-loss", &["simulations/5-outages/23-node-crash.yaml"]),
    ("deadlock", &["fixtures/stuck/12-two-that-wait-for-each-other.yaml"]),
];

/// The page of one of them, in a folder of the test's own.
fn report(name: &str, test: &str) -> (PathBuf, PathBuf) {
    let folder = folder(&format!("{test}/{name}"));
    let page = folder.join("page.html");
    let (_, run) = RUNS.iter().find(|(n, _)| *n == name).unwrap();
    wavetank(&[&["run", "-q", "--html", page.to_str().unwrap()], *run].concat());
    (folder, page)
}

#[test]
fn reports_of_runs_are_for_everybody_in_both_schemes_and_at_every_width() {
    let mut browser = Browser::start(&folder("browser-looks"));
    for (name, _) in RUNS {
        let (folder, page) = report(name, "looks");
        check(&look(&mut browser, &page, &folder));
    }
}

/// What the page shows: a text of it.
fn text(browser: &mut Browser, id: &str) -> String {
    browser.settle();
    let said = browser.evaluate(&format!("document.getElementById({id:?}).textContent"));
    said.as_str().unwrap().to_owned()
}

fn focus(browser: &mut Browser, id: &str) {
    browser.evaluate(&format!("document.getElementById({id:?}).focus()"));
}

#[test]
fn the_keyboard_alone_goes_through_time_pods_and_every_control_of_a_report() {
    let mut browser = Browser::start(&folder("browser-keys"));
    let (_, page) = report("seed", "keys");
    browser.look(DESKTOP, "light");
    browser.open(&page);
    check(&tabs(&mut browser));

    focus(&mut browser, "time");
    let end = text(&mut browser, "now");
    for key in ["Home", "ArrowRight", "ArrowRight"] {
        browser.press(key);
    }
    let (now, counts) = (text(&mut browser, "now"), text(&mut browser, "counts"));
    assert_ne!(now, end);
    browser.press("ArrowLeft");
    assert_ne!(text(&mut browser, "now"), now, "arrows move through time");
    browser.press("End");
    assert_eq!(text(&mut browser, "now"), end);
    assert_ne!(text(&mut browser, "counts"), counts, "what is told of pods is told of that time");

    focus(&mut browser, "gantt");
    browser.press("ArrowDown");
    let first = text(&mut browser, "detail-title");
    browser.press("ArrowDown");
    let second = text(&mut browser, "detail-title");
    assert!(
        first.starts_with("hourly-date-") && second.starts_with("fluentd-"),
        "{first} {second}"
    );
    let active = browser.evaluate(
        "document.getElementById(document.getElementById('gantt').getAttribute('aria-activedescendant')).ariaSelected",
    );
    assert_eq!(active, "true");
    browser.press(",");
    assert_ne!(text(&mut browser, "now"), end, "a comma goes to the change before");
    browser.press(" ");
    browser.settle();
    let named = |browser: &mut Browser| {
        browser.evaluate("document.getElementById('play').getAttribute('aria-label')")
    };
    assert_eq!(named(&mut browser), "Pause", "space plays");
    browser.press(" ");
    assert_eq!(named(&mut browser), "Play");
    browser.press("Escape");
    assert_eq!(text(&mut browser, "detail-title"), "No pod chosen");

    focus(&mut browser, "theme");
    browser.press("Enter");
    let theme = browser.evaluate("document.documentElement.dataset.theme");
    assert_eq!(theme, "dark");
    check(&probe(&mut browser, &["contrasts"]));
    check(&complaints(&mut browser));
}

#[test]
fn a_chosen_pod_is_told_in_full_and_stays_readable() {
    let mut browser = Browser::start(&folder("browser-pod"));
    for (name, _) in RUNS {
        let (folder, page) = report(name, "pods");
        for (size, at) in [(DESKTOP, "desktop"), (PHONE, "phone")] {
            browser.look(size, "dark");
            browser.open(&page);
            focus(&mut browser, "gantt");
            browser.press("ArrowDown");
            browser.evaluate(
                "document.querySelectorAll('details').forEach((d) => { d.open = true; })",
            );
            let all = ["contrasts", "overflow", "structure", "targets"];
            let mut wrong = probe(&mut browser, &all);
            wrong.extend(unnamed(&mut browser));
            check(&wrong);
            let told = text(&mut browser, "detail-body");
            let troubled: &[&str] = match name {
                "seed" => &[],
                _ => &["Why it is as it is", "because"],
            };
            for part in ["States", "Events", "Why this node"].iter().chain(troubled) {
                assert!(told.contains(part), "{name}: {part}: {told}");
            }
            browser.evaluate("document.getElementById('detail').scrollIntoView()");
            browser.picture(&folder.join(format!("{at}-pod.png")));
        }
    }
}

#[test]
fn the_report_of_tests_is_for_everybody_too() {
    let mut browser = Browser::start(&folder("browser-tests"));
    let folder = folder("tests");
    let page = folder.join("page.html");
    let broken = folder.join("broken.yaml");
    let simulation =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/5-outages/23-node-crash.yaml");
    let simulation = std::fs::read_to_string(simulation).unwrap();
    std::fs::write(&broken, simulation.replace("within: 60s", "within: 1s")).unwrap();
    let (broken, page_name) = (broken.to_str().unwrap(), page.to_str().unwrap());
    wavetank(&["test", "simulations/1-first-documents", broken, "--report", "html", page_name]);
    check(&look(&mut browser, &page, &folder));
    browser.open(&page);
    check(&tabs(&mut browser));
}

#[test]
fn no_text_of_a_picture_runs_over_its_box_or_its_edge() {
    let mut browser = Browser::start(&folder("browser-pictures"));
    let folder = folder("pictures");
    let mut wrong = Vec::new();
    let stuck = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stuck");
    let mut inputs: Vec<PathBuf> =
        std::fs::read_dir(stuck).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    inputs.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/seed"));
    inputs.sort();
    browser.look(DESKTOP, "light");
    for input in &inputs {
        for what in ["waits", "ownership"] {
            let name = format!("{}-{what}", input.file_stem().unwrap().to_str().unwrap());
            let file = folder.join(format!("{name}.svg"));
            wavetank(&[
                "graph",
                what,
                input.to_str().unwrap(),
                "-o",
                "svg",
                "--to",
                file.to_str().unwrap(),
            ]);
            browser.open(&file);
            wrong.extend(
                probe(&mut browser, &["pictures"]).into_iter().map(|s| format!("{name}: {s}")),
            );
            wrong.extend(complaints(&mut browser));
            browser.picture(&folder.join(format!("{name}.png")));
        }
    }
    check(&wrong);
}

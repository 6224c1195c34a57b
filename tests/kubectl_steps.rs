//! What kubectl printed at every step of the recorded scenarios, held against what ours prints: exit
//! code, standard output and standard error, apart from what a cluster draws at random.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use regex::Regex;
use serde_json::Value;
use wavetank::scenario::conform::views::compare;
use wavetank::scenario::recorded::find_scenarios;
use wavetank::scenario::replay::replay;

/// Names end in random letters, and pods that are told of in one breath come in any order.
fn comparable(text: &str) -> Vec<String> {
    let random = Regex::new(r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b").unwrap();
    let hash = Regex::new(r"-[bcdfghjklmnpqrstvwxz2456789]{8,10}\b").unwrap();
    // The dump of a Go structure stands between the value and what is wrong with it.
    let dump = Regex::new(r"(?s)Invalid value: [A-Za-z]+\.[A-Za-z]+\{.*\}: ").unwrap();
    let text = dump.replace_all(text, "Invalid value: OBJECT: ");
    // The recorded cluster gave pods one more source of a volume, which moves the lines of a dump.
    let hunk = Regex::new(r"@@ -\d+,(\d+) \+\d+,(\d+) @@").unwrap();
    let text = hunk.replace_all(&text, "@@ $1 $2 @@");
    let named = |line: &str| hash.replace_all(&random.replace_all(line, "-X"), "-X").into_owned();
    let mut lines: Vec<String> = text.lines().map(named).collect();
    if text.contains("evicting pod") || text.contains("when evicting") {
        lines.sort();
    }
    lines.dedup();
    lines
}

fn steps(lines: impl Iterator<Item = String>) -> Vec<Value> {
    lines
        .filter(|l| l.contains("\"STEP\""))
        .filter_map(|l| serde_json::from_str::<Value>(&l).ok())
        .filter(|v| v["type"] == "STEP")
        .collect()
}

fn read(trace: &Path) -> String {
    let file = fs::File::open(trace).unwrap();
    let mut text = String::new();
    if trace.extension().is_some_and(|e| e == "zst") {
        ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_string(&mut text).unwrap();
    } else {
        std::io::BufReader::new(file).read_to_string(&mut text).unwrap();
    }
    text
}

fn differences(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for scenario in find_scenarios([folder]).unwrap() {
        let recorded = steps(read(&scenario.trace).lines().map(str::to_owned));
        let ours = steps(replay(&scenario, 1).unwrap().lines.into_iter());
        assert_eq!(recorded.len(), ours.len(), "{}", scenario.name);
        for (theirs, ours) in recorded.iter().zip(&ours) {
            let text = |v: &Value, f: &str| v[f].as_str().unwrap_or_default().to_owned();
            let mut differ = |what: &str, theirs: String, ours: String| {
                if theirs != ours {
                    let arg = text(&recorded[0], "scenario");
                    found.push(format!(
                        "{}{arg}: {what}\n  theirs {theirs}\n  ours   {ours}",
                        scenario.name
                    ));
                }
            };
            let arg = text(theirs, "arg");
            differ(&format!("{arg}: exit code"), theirs["rc"].to_string(), ours["rc"].to_string());
            for stream in ["stdout", "stderr"] {
                let (a, b) = (comparable(&text(theirs, stream)), comparable(&text(ours, stream)));
                differ(&format!("{arg}: {stream}"), format!("{a:#?}"), format!("{b:#?}"));
            }
        }
    }
    found
}

#[test]
fn every_step_prints_what_the_recorded_kubectl_printed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/golden");
    // Other recordings of the same kind can be held against ours too.
    let folder = std::env::var_os("WAVETANK_RECORDINGS").map_or(folder, Into::into);
    let found = differences(&folder);
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_page_about_kubectl_is_made_from_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kubectl.md");
    let made = wavetank::scenario::kubectl::page();
    if std::env::var_os("WAVETANK_WRITE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let stands = fs::read_to_string(&path).unwrap_or_default();
    assert!(stands == made, "docs/kubectl.md is stale: write it anew with WAVETANK_WRITE_DOCS=1");
}

#[test]
fn what_kubectl_shows_at_the_end_of_recordings_is_what_ours_shows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/golden");
    let (mut files, mut differing) = (0, Vec::new());
    for scenario in find_scenarios(&[folder]).unwrap() {
        for view in compare(&scenario, 1).unwrap() {
            files += 1;
            if !view.differences.is_empty() {
                let shown = view.differences.join("\n  ");
                differing.push(format!("{} {}:\n  {shown}", scenario.name, view.file));
            }
        }
    }
    assert!(files >= 30, "{files} texts are kept with the tests");
    // Which state a container that fails again and again is in at one instant is chance.
    assert!(differing.len() * 20 <= files, "{}", differing.join("\n"));
}

//! What kubectl printed at the end of a recording, held against what ours prints at the end of the
//! simulated run.
//!
//! A recording has the texts of `kubectl describe` of some objects and of `kubectl get all -o wide`. Names
//! with random parts, times, ages, addresses, identifiers and nodes are chance and written as words; how
//! often an event was repeated is chance too, so that equal events count once, in any order. What is left
//! must be equal, line by line. Of several objects that cannot be told apart (the pods of one ReplicaSet)
//! the most alike is taken.

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use super::super::kubectl::{Files, History, Invocation, Look, Session};
use super::super::recorded::ScenarioDir;
use super::super::replay::{self, ReplayError};
use super::super::runner::NAMESPACE;
use super::Recording;
use super::text::{Names, compiled};
use crate::api::kinds;
use crate::model::Kind;

/// One text of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The name of its file.
    pub file: String,
    /// Lines that differ: `-` ours lacks, `+` ours has beside. None where the texts are equal.
    pub differences: Vec<String>,
}

/// Runs a recorded scenario and compares the texts at its end.
///
/// # Errors
/// When the scenario cannot be run, or its recording cannot be read.
pub fn compare(dir: &ScenarioDir, seed: u64) -> Result<Vec<View>, ReplayError> {
    let mut history = History::new(true);
    let (replayed, runner) = replay::run(dir, seed, &mut |fact| history.observe(fact))?;
    let look = Look { store: runner.sim().store(), now: runner.sim().now(), history: &history };
    let read = |error: super::ConformError| ReplayError::Recording {
        path: dir.trace.clone(),
        problem: error.to_string(),
    };
    let recorded = Recording::read(&dir.trace).map_err(read)?;
    let simulated = Recording::from_lines(&replayed.lines, None);
    let names = (&recorded.reduced.identities.names, &simulated.reduced.identities.names);
    let failed = |error: std::io::Error| ReplayError::Recording {
        path: dir.dir.clone(),
        problem: error.to_string(),
    };
    let mut files: Vec<String> = Vec::new();
    for entry in fs::read_dir(&dir.dir).map_err(failed)? {
        files.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    files.sort();
    let mut views = Vec::new();
    for file in files {
        let Some(stem) = file.strip_suffix(".txt") else { continue };
        let text = fs::read_to_string(dir.dir.join(&file)).map_err(failed)?;
        let length = dir.scenario()?.duration;
        let wanted = lines(&text, names.0, length);
        let ours: Vec<Vec<String>> = match stem.strip_prefix("describe-") {
            Some(object) => {
                // Where several objects were described at once, their events were not shown.
                let events = text.contains("\nEvents:");
                let found = described(object, events, names, &look);
                found.iter().map(|t| lines(t, names.1, length)).collect()
            }
            None if stem == "final-get" => {
                // Recordings show one namespace as `default`, but it was another: without this Service.
                let other = "--selector=component!=apiserver";
                let text = asked(&["get", "all", "-o", "wide", other], &look);
                vec![lines(&text, names.1, length)]
            }
            None => continue,
        };
        let best = ours.iter().map(|ours| differences(&wanted, ours)).min_by_key(Vec::len);
        let differences = best.unwrap_or_else(|| vec!["- there is no such object".to_owned()]);
        views.push(View { file, differences });
    }
    Ok(views)
}

fn asked(words: &[&str], look: &Look<'_>) -> String {
    let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    let files = Files::default();
    let session = Session { namespace: NAMESPACE, namespace_given: false, files: &files };
    let (stdout, stderr, _) = Invocation::look(&words, look, &session);
    format!("{stdout}{stderr}")
}

/// The descriptions of the objects that a file `describe-KIND-NAME.txt` may mean.
fn described(object: &str, events: bool, names: (&Names, &Names), look: &Look<'_>) -> Vec<String> {
    let Some((kind, name)) = object.split_once('-') else { return Vec::new() };
    let Ok(info) = kinds::resolve(kind) else { return Vec::new() };
    let node = info.model() == Kind::Node;
    let wanted = names.0.text(name);
    let mut found: Vec<&str> = look
        .store
        .list(info.model())
        .map(crate::model::Object::meta)
        .filter(|m| node || m.namespace == NAMESPACE)
        .map(|m| m.name.as_str())
        .filter(|n| names.1.text(n) == wanted)
        .collect();
    found.sort_unstable();
    let events = format!("--show-events={events}");
    found.iter().map(|n| asked(&["describe", kind, n, &events], look)).collect()
}

/// What is chance in a line, beside what [`Names`] knows.
static CHANCE: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let rules = [
        (r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000", "TIME"),
        (r"\b(?:proccri|containerd)://\S+", "CID"),
        (r"^(Image ID:) \S+", "$1 ID"),
        (r" \(x\d+ over \w+\)", ""),
        (r"(topology\.kubernetes\.io/zone=)\S+", "${1}ZONE"),
        (r"\b(\d+) \(\w+ ago\)", "$1"),
    ];
    rules.into_iter().map(|(pattern, to)| (compiled(pattern), to)).collect()
});

static EVENT: LazyLock<Regex> = LazyLock::new(|| compiled(r"^(?:Normal|Warning) \S+ AGE "));

static AGE: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"^(?:(?:\d+[ydhms]){1,2}|<unknown>|<invalid>)$"));

/// What a recorded machine says of itself, which is no behaviour of Kubernetes.
const MACHINE: [&str; 7] = [
    "Machine ID:",
    "System UUID:",
    "Boot ID:",
    "Kernel Version:",
    "OS Image:",
    "hugepages-",
    "ephemeral-storage",
];

/// Events are shown this much later than a scenario's end.
const LATE: Duration = Duration::from_secs(60);

/// A text without chance, its events and the rows of each of its tables in order. Events from before the
/// run, which was `length` long, are left out.
fn lines(text: &str, names: &Names, length: Duration) -> Vec<String> {
    let (mut all, mut block) = (Vec::new(), Vec::new());
    let mut flush = |block: &mut Vec<String>| {
        block.sort();
        all.append(block);
    };
    let mut events = false;
    for line in text.lines() {
        if MACHINE.iter().any(|m| line.trim_start().starts_with(m)) {
            continue;
        }
        if events && age(line).is_some_and(|age| age > length + LATE) {
            continue;
        }
        let line = without_chance(line, names);
        events |= line == "Events:";
        if line.is_empty() {
            flush(&mut block);
        } else if !(events && block.contains(&line)) {
            block.push(line);
        }
    }
    flush(&mut block);
    if events && all.iter().any(|l| l == "Events:") && !all.iter().any(|l| EVENT.is_match(l)) {
        all.retain(|l| {
            !matches!(
                l.as_str(),
                "Events:" | "Type Reason Age From Message" | "---- ------ ---- ---- -------"
            )
        });
        all.push("Events: <none>".to_owned());
    }
    all
}

/// How long ago the event of a line first was.
fn age(line: &str) -> Option<Duration> {
    static OVER: LazyLock<Regex> =
        LazyLock::new(|| compiled(r"^  \S+ +\S+ +(\w+)(?: \(x\d+ over (\w+)\))? "));
    let found = OVER.captures(line)?;
    let text = found.get(2).or_else(|| found.get(1))?.as_str();
    let (mut total, mut number) = (0_u64, 0_u64);
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = number.saturating_mul(10).saturating_add(digit.into());
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        total = total.saturating_add(number.saturating_mul(unit));
        number = 0;
    }
    Some(Duration::from_secs(total))
}

fn without_chance(line: &str, names: &Names) -> String {
    let mut line = line.trim().to_owned();
    for (rule, to) in CHANCE.iter() {
        line = rule.replace_all(&line, *to).into_owned();
    }
    let line = names.text_without_nodes(&line);
    let mut words: Vec<&str> = line.split(' ').collect();
    for i in 0..words.len() {
        // A toleration's time is no age.
        if AGE.is_match(words[i]) && (i == 0 || words[i - 1] != "for") {
            words[i] = "AGE";
        }
    }
    words.join(" ")
}

/// Lines that one side has more often than the other.
fn differences(wanted: &[String], ours: &[String]) -> Vec<String> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for line in wanted {
        *counts.entry(line).or_default() += 1;
    }
    for line in ours {
        *counts.entry(line).or_default() -= 1;
    }
    let mut found = Vec::new();
    for (line, count) in counts {
        let sign = if count > 0 { '-' } else { '+' };
        let times = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        found.extend(std::iter::repeat_n(format!("{sign} {line}"), times));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chance_in_a_view_is_left_out() {
        let check = |line: &str, expect: &str| {
            assert_eq!(without_chance(line, &Names::default()), expect, "{line}");
        };
        check("Start Time:       Mon, 23 Nov 2026 11:18:53 +0000", "Start Time: TIME");
        check(
            "  Normal  Pulling  62s (x7 over 6m40s)  kubelet  Pulling",
            "Normal Pulling AGE kubelet Pulling",
        );
        check("    Container ID:  proccri://cid-1", "Container ID: CID");
        check("pod/a  0/1  Error  6 (3m48s ago)  6m40s", "pod/a 0/1 Error 6 AGE");
        check(
            "node.kubernetes.io/not-ready:NoExecute op=Exists for 300s",
            "node.kubernetes.io/not-ready:NoExecute op=Exists for 300s",
        );
        check("Liveness: exec [x] delay=2s timeout=1s", "Liveness: exec [x] delay=2s timeout=1s");
    }

    #[test]
    fn equal_events_count_once_in_any_order() {
        let one = "Events:\n  Normal  A  1s  k  a\n  Normal  B  2s  k  b\n";
        let length = Duration::from_secs(100);
        let other =
            "Events:\n  Normal  B  3s  k  b\n  Normal  A  1s  k  a\n  Normal  A  9s  k  a\n";
        let names = Names::default();
        assert!(differences(&lines(one, &names, length), &lines(other, &names, length)).is_empty());
    }
}

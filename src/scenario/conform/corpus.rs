//! Corpora: what single functions of the real code answered, held against ours.
//!
//! A corpus file has one case per line as JSON, is named for its corpus (`quantity-a.jsonl.zst` is
//! of the corpus `quantity`; `-a` and `-b` are its two halves), and may be compressed. [`CORPORA`]
//! says which function checks the cases of which corpus. A case that cannot be read and a check
//! that panics are disagreements like any other: one bad case must not hide the rest. A check is a
//! plain function over a borrowed value, so that a panic leaves nothing half-changed behind.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ConformError;
use super::value::shown;
use crate::api::corpus as api;
use crate::container::corpus as container;
use crate::controllers::corpus as controllers;
use crate::report::describe::corpus as describe;
use crate::report::printers::corpus as printers;
use crate::scheduler::corpus as scheduler;

/// No line of a corpus may be longer than this: 64 MiB.
pub const MAX_LINE_BYTES: u64 = 64 << 20;

/// One corpus and the function that checks it.
pub struct Corpus {
    /// The base name of its files.
    pub name: &'static str,
    /// What it holds against the real code, in a few words.
    pub what: &'static str,
    /// Checks one case; says how ours differs.
    pub check: fn(&Value) -> Result<(), String>,
}

/// The corpora that can be checked, by name.
pub static CORPORA: &[Corpus] = &[
    corpus("cron-decision", "whole syncs of CronJobs", controllers::cron_decision::check),
    corpus("cron-fire", "schedules in zones, and when they fire", controllers::cron_fire::check),
    corpus("daemonset-node", "on which nodes daemon pods run", controllers::daemonset_node::check),
    corpus("defaulting", "manifests as the API server stores them", api::defaulting::check),
    corpus(
        "deployment-rollout",
        "a rollout's arithmetic and steps",
        controllers::deployment_rollout::check,
    ),
    corpus("describe", "what kubectl describe prints", describe::check),
    corpus(
        "field-selector",
        "field selectors: reading, matching, printing",
        api::selectors::check_field,
    ),
    corpus(
        "hpa-behavior",
        "how fast and how soon an autoscaler scales",
        controllers::hpa::check_behavior,
    ),
    corpus("hpa-replicas", "how many replicas metrics ask for", controllers::hpa::check_replicas),
    corpus("human-duration", "ages and durations as people read them", printers::check_duration),
    corpus(
        "intorpercent",
        "numbers and percentages, as each controller rounds them",
        controllers::intorpercent::check,
    ),
    corpus("job-backoff", "how long a Job waits after failures", controllers::job_backoff::check),
    corpus(
        "job-indexes",
        "sets of completion indexes, success policies",
        controllers::job_indexes::check,
    ),
    corpus(
        "job-podfailurepolicy",
        "what a rule makes of a failed pod",
        controllers::job_pod_failure_policy::check,
    ),
    corpus(
        "kubectl-error",
        "what kubectl says about a refusal, and its exit code",
        crate::scenario::kubectl::errors::check_case,
    ),
    corpus(
        "label-selector",
        "label selectors: reading, matching, printing",
        api::selectors::check_label,
    ),
    corpus(
        "legacy-defaulting",
        "manifests of old versions, defaulted and converted",
        api::legacy_defaulting::check,
    ),
    corpus(
        "meta-labelselector",
        "label selectors of objects: matching, printing",
        api::selectors::check_meta,
    ),
    corpus("name-validation", "the messages of each name check", api::names::check),
    corpus("names", "what pods, claims and revisions are called", controllers::names::check),
    corpus(
        "pod-deletion-order",
        "which pods go first when there are too many",
        controllers::pod_deletion_order::check,
    ),
    corpus(
        "pod-resources",
        "a pod's effective requests and limits, its class and priority",
        api::pod_resources::check,
    ),
    corpus("printers-columns", "the columns of kubectl get", printers::check_columns),
    corpus("printers-other", "rows of kubectl get, of all kinds but pods", printers::check_row),
    corpus("printers-pod", "rows of kubectl get pods", printers::check_row),
    corpus("quantity", "quantities: reading, arithmetic, canonical form", api::quantity::check),
    corpus(
        "revision-hash",
        "template hashes, the names made of them, revision data",
        controllers::revision_hash::check,
    ),
    corpus("scheduler", "whole worlds, scheduled step by step", scheduler::check),
    corpus(
        "scheduler-sampling",
        "which nodes of large clusters are looked at",
        scheduler::sampling::check,
    ),
    corpus("scheduler-teach", "the scheduler's rules, one lesson each", scheduler::check),
    corpus("shell", "container commands, in virtual time", container::check),
    corpus(
        "strict-decoding",
        "request bodies, decoded strictly and leniently",
        api::strict_decoding::check,
    ),
    corpus(
        "taint-eviction",
        "how long tolerations let a pod stay",
        controllers::taint_eviction::check,
    ),
    corpus(
        "validation-create",
        "what the API server refuses on creation, and its words",
        api::validation::check_create,
    ),
    corpus(
        "validation-update",
        "what the API server refuses on an update, and its words",
        api::validation::check_update,
    ),
    corpus(
        "yaml-decode",
        "YAML and JSON as kubectl's reader splits and converts it",
        api::yaml_decode::check,
    ),
];

const fn corpus(
    name: &'static str,
    what: &'static str,
    check: fn(&Value) -> Result<(), String>,
) -> Corpus {
    Corpus { name, what, check }
}

/// How a corpus file went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreement {
    /// The name of its corpus.
    pub corpus: String,
    /// The file.
    pub path: PathBuf,
    /// How many cases it has.
    pub cases: usize,
    /// In how many of them we agree.
    pub agreed: usize,
    /// Of a corpus whose cases have a level: how many agreed and how many there are of each.
    pub levels: BTreeMap<String, (usize, usize)>,
    /// How many checks panicked; they count as disagreements.
    pub panicked: usize,
    /// The first disagreements.
    pub examples: Vec<Disagreement>,
}

/// A case in which we differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disagreement {
    /// Its line in the file, from 1; its place in a file that is one document.
    pub line: usize,
    /// Its id; `None` when the line cannot be read.
    pub id: Option<String>,
    /// How ours differs.
    pub difference: String,
}

/// Corpora that are one document, with a case under each of its keys.
const WHOLE: [&str; 1] = ["printers-columns"];

/// The name of the corpus that a file belongs to, whether or not it can be checked; `None` when it
/// is no corpus file.
pub fn corpus_name(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    if let Some(whole) = name.strip_suffix(".json") {
        return Some(whole).filter(|base| WHOLE.contains(base));
    }
    let base = name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".jsonl")?;
    let half = base.strip_suffix("-a").or_else(|| base.strip_suffix("-b"));
    Some(half.unwrap_or(base)).filter(|name| !name.is_empty())
}

/// The corpus of a file, if it can be checked.
pub fn corpus_of(path: &Path) -> Option<&'static Corpus> {
    let name = corpus_name(path)?;
    CORPORA.iter().find(|c| c.name == name)
}

/// Checks every case of a corpus file, keeping at most `examples` disagreements.
///
/// # Errors
/// When the file cannot be read or has a line longer than [`MAX_LINE_BYTES`].
pub fn check_file(
    corpus: &Corpus,
    path: &Path,
    examples: usize,
) -> Result<Agreement, ConformError> {
    let failed = |source: io::Error| ConformError::Read { path: path.to_owned(), source };
    let file = BufReader::new(File::open(path).map_err(failed)?);
    let mut agreement = Agreement {
        corpus: corpus.name.to_owned(),
        path: path.to_owned(),
        cases: 0,
        agreed: 0,
        levels: BTreeMap::new(),
        panicked: 0,
        examples: Vec::new(),
    };
    let read = if WHOLE.contains(&corpus.name) {
        agreement.check_whole(corpus, file, examples)
    } else if path.extension().is_some_and(|e| e == "zst") {
        ruzstd::decoding::StreamingDecoder::new(file)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))
            .and_then(|plain| agreement.check_lines(corpus, BufReader::new(plain), examples))
    } else {
        agreement.check_lines(corpus, file, examples)
    };
    read.map_err(failed).map(|()| agreement)
}

impl Agreement {
    fn check_lines(
        &mut self,
        corpus: &Corpus,
        mut lines: impl BufRead,
        examples: usize,
    ) -> io::Result<()> {
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let size = (&mut lines).take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut line)?;
            if size == 0 {
                break;
            }
            if u64::try_from(size).is_ok_and(|n| n > MAX_LINE_BYTES) {
                let why = format!("line {number} is longer than {MAX_LINE_BYTES} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            self.count(corpus, number, &line, examples);
        }
        Ok(())
    }

    /// The cases of one document: each has its key as its id.
    fn check_whole(
        &mut self,
        corpus: &Corpus,
        file: impl BufRead,
        examples: usize,
    ) -> io::Result<()> {
        let cases: serde_json::Map<String, Value> =
            serde_json::from_reader(file.take(MAX_LINE_BYTES))?;
        for (number, (key, out)) in (1..).zip(cases) {
            let case = serde_json::json!({"id": key, "out": out}).to_string();
            self.count(corpus, number, case.as_bytes(), examples);
        }
        Ok(())
    }

    fn count(&mut self, corpus: &Corpus, number: usize, case: &[u8], examples: usize) {
        self.cases += 1;
        let Err((id, difference)) = self.check_case(corpus, case) else {
            self.agreed += 1;
            return;
        };
        if self.examples.len() < examples {
            self.examples.push(Disagreement { line: number, id, difference });
        }
    }

    fn check_case(&mut self, corpus: &Corpus, line: &[u8]) -> Result<(), (Option<String>, String)> {
        let case: Value = serde_json::from_slice(line).map_err(|e| (None, e.to_string()))?;
        let id = || Some(shown(case.get("id")));
        let checked = catch_unwind(AssertUnwindSafe(|| (corpus.check)(&case)));
        if let Some(level) = case["level"].as_str() {
            let (agreed, cases) = self.levels.entry(level.to_owned()).or_default();
            *agreed += usize::from(matches!(checked, Ok(Ok(()))));
            *cases += 1;
        }
        checked
            .unwrap_or_else(|panic| {
                self.panicked += 1;
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Err(format!("the check panicked: {}", text.unwrap_or("without a text")))
            })
            .map_err(|difference| (id(), difference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_corpus_it_is_named_for() {
        let check = |path: &str, expect: Option<&str>| {
            assert_eq!(corpus_name(Path::new(path)), expect, "{path}");
        };
        check("corpus/functions/quantity-a.jsonl.zst", Some("quantity"));
        check("job-backoff-b.jsonl", Some("job-backoff"));
        check("scheduler-sampling.jsonl.zst", Some("scheduler-sampling"));
        check("printers-columns.json", Some("printers-columns"));
        check("other.json", None);
        check("README.md", None);
        assert!(corpus_of(Path::new("quantity-b.jsonl")).is_some());
        assert!(corpus_of(Path::new("unheard-of-a.jsonl")).is_none());
    }

    #[test]
    fn corpora_are_listed_by_name() {
        assert!(CORPORA.is_sorted_by(|a, b| a.name < b.name));
    }

    fn odd(case: &Value) -> Result<(), String> {
        let n = case["in"].as_u64().expect("a number");
        if n % 2 == 1 { Ok(()) } else { Err(format!("{n} is even")) }
    }

    #[test]
    fn every_case_is_counted_whatever_happens_to_one() {
        let corpus = Corpus { name: "odd", what: "odd numbers", check: odd };
        let lines = b"{\"id\":\"a\",\"in\":1}\n\n{\"id\":\"b\",\"in\":2}\nno\n{\"id\":\"c\"}\n{\"id\":\"d\",\"in\":3}";
        let mut agreement = Agreement {
            corpus: String::new(),
            path: PathBuf::new(),
            cases: 0,
            agreed: 0,
            levels: BTreeMap::new(),
            panicked: 0,
            examples: Vec::new(),
        };
        agreement.check_lines(&corpus, &lines[..], 2).unwrap();
        assert_eq!((agreement.cases, agreement.agreed, agreement.panicked), (5, 2, 1));
        let examples: Vec<_> =
            agreement.examples.iter().map(|e| (e.line, e.id.as_deref())).collect();
        assert_eq!(examples, [(3, Some("b")), (4, None)]);
        assert_eq!(agreement.examples[0].difference, "2 is even");
    }
}

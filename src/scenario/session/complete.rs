//! What a word under the cursor can become.

use std::collections::BTreeMap;

use super::{Session, help, kubectl};
use crate::api::kinds;
use crate::model::Kind;

/// So many words are offered.
const MOST: usize = 500;

/// The names that words can become, as they are between two lines.
#[derive(Clone, Debug)]
struct Words {
    names: BTreeMap<Kind, Vec<String>>,
    branches: Vec<String>,
}

impl Session {
    /// Where the word under the cursor begins, and what it can become.
    pub fn complete(&self, line: &str, at: usize) -> (usize, Vec<String>) {
        self.words().complete(line, at)
    }

    /// The same as of now, for whoever cannot hold the session meanwhile.
    pub fn completer(&self) -> Box<dyn Fn(&str, usize) -> (usize, Vec<String>)> {
        let words = self.words();
        Box::new(move |line, at| words.complete(line, at))
    }

    fn words(&self) -> Words {
        let store = self.tank.runner.sim().store();
        let of = |kind: &Kind| {
            let names = store.list(*kind).map(|o| o.meta().name.to_string());
            (*kind, names.take(MOST).collect())
        };
        let names = Kind::ALL.iter().map(of).collect();
        Words { names, branches: self.others.keys().cloned().collect() }
    }
}

impl Words {
    fn complete(&self, line: &str, at: usize) -> (usize, Vec<String>) {
        let before = line.get(..at).unwrap_or(line);
        let begin = before.rfind(char::is_whitespace).map_or(0, |i| i + 1);
        let word = &before[begin..];
        let mut words: Vec<&str> = before[..begin].split_whitespace().collect();
        if matches!(words.first(), Some(&("kubectl" | "k"))) {
            words.remove(0);
        }
        let mut found = match words.as_slice() {
            [] => first(),
            [.., "-n" | "--namespace"] => self.names(Kind::Namespace),
            ["switch" | "diff", ..] => self.branches.clone(),
            ["help", ..] => first(),
            ["branch" | "run" | "back" | "step" | "save", ..] => Vec::new(),
            [
                "stopNode" | "startNode" | "deleteNode" | "partitionNode" | "cordon" | "uncordon"
                | "drain",
                ..,
            ] => self.names(Kind::Node),
            ["killPod" | "logs" | "exec", ..] if !word.contains('/') => self.names(Kind::Pod),
            ["until" | "expect", target] => Self::conditions(target),
            [.., last] if !word.contains('/') && kinds::resolve(last).is_ok() => {
                let kind = kinds::resolve(last).map(kinds::KindInfo::model);
                kind.map_or_else(|_| Vec::new(), |kind| self.names(kind))
            }
            _ => self.objects(word),
        };
        found.retain(|candidate| candidate.starts_with(word));
        found.sort();
        found.dedup();
        found.truncate(MOST);
        (begin, found)
    }

    fn names(&self, kind: Kind) -> Vec<String> {
        self.names.get(&kind).cloned().unwrap_or_default()
    }

    /// Kinds, or `kind/name` behind a kind.
    fn objects(&self, word: &str) -> Vec<String> {
        match word.split_once('/') {
            None => kinds::all().iter().map(kinds::KindInfo::resource).collect(),
            Some((of, _)) => {
                let kind = kinds::resolve(of).map(kinds::KindInfo::model);
                let names = kind.map_or_else(|_| Vec::new(), |kind| self.names(kind));
                names.into_iter().map(|name| format!("{of}/{name}")).collect()
            }
        }
    }

    /// What can be waited for of an object.
    fn conditions(target: &str) -> Vec<String> {
        let of = target.split_once('/').map_or("", |(of, _)| of);
        let known: &[&str] = match kinds::resolve(of).map(kinds::KindInfo::model) {
            Ok(Kind::Pod) => {
                &["Ready", "PodScheduled", "Initialized", "Running", "Succeeded", "Failed"]
            }
            Ok(Kind::Deployment) => &["Available", "Progressing", "status.readyReplicas="],
            Ok(Kind::Job) => &["Complete", "Failed"],
            Ok(Kind::Node) => &["Ready", "MemoryPressure"],
            _ => &["status.readyReplicas="],
        };
        known.iter().chain(&["exists", "gone"]).map(|w| (*w).to_owned()).collect()
    }
}

fn first() -> Vec<String> {
    let all = help::own().chain(help::STEPS.iter().copied()).chain(kubectl::verbs());
    all.map(str::to_owned).collect()
}

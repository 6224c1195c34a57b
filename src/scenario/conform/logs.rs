//! The logs of containers, and when two of them say the same.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::ConformError;
use super::compare::{Comparison, Late, Why};
use super::marks::Mark;
use super::reduce::Reduced;
use super::sequence::{Likeness, Popular};
use super::text::short;
use super::trace_file::MAX_TRACE_BYTES;

/// The lines of every attempt of every container.
#[derive(Clone, Default)]
pub struct Logs {
    by_run: BTreeMap<Run, Vec<String>>,
}

/// The uid of a pod, a container and its attempt.
type Run = (String, String, String);

impl Logs {
    /// No logs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the lines (without time and stream) of one attempt of a container of the pod `uid`.
    pub fn insert(&mut self, uid: &str, container: &str, attempt: u32, lines: Vec<String>) {
        self.by_run.insert((uid.to_owned(), container.to_owned(), attempt.to_string()), lines);
    }

    /// Takes the texts of log files by name, as they would stand in a folder that [`Logs::read`] reads.
    pub fn from_files<N: AsRef<str>, T: AsRef<str>>(
        files: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        let mut logs = Self::default();
        for (name, text) in files {
            logs.add_file(name.as_ref(), text.as_ref());
        }
        logs
    }

    /// Reads a folder of `<pod>.<uid>.<container>.<attempt>.log` files, whose lines are
    /// `<seconds> <stream> <text>`; `None` when there is no such folder.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, ConformError> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let failed = |source: io::Error| ConformError::Read { path: folder.to_owned(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        let mut logs = Self::default();
        for name in names {
            let path = folder.join(&name);
            let failed = |source: io::Error| ConformError::Read { path: path.clone(), source };
            if fs::metadata(&path).map_err(failed)?.len() > MAX_TRACE_BYTES {
                return Err(ConformError::TooLarge { path });
            }
            let bytes = fs::read(&path).map_err(failed)?;
            logs.add_file(&name, &String::from_utf8_lossy(&bytes));
        }
        Ok(Some(logs))
    }

    /// A file that is named otherwise is no log.
    fn add_file(&mut self, name: &str, text: &str) {
        let parts: Vec<&str> = name.strip_suffix(".log").unwrap_or(name).split('.').collect();
        if let [_, .., uid, container, attempt] = parts.as_slice() {
            let run = ((*uid).to_owned(), (*container).to_owned(), (*attempt).to_owned());
            self.by_run.insert(run, lines(text));
        }
    }
}

/// The texts of the lines, without time and stream. A carriage return ends a line as well.
fn lines(log: &str) -> Vec<String> {
    let log = log.replace("\r\n", "\n").replace('\r', "\n");
    let text = |line: &str| line.splitn(3, ' ').nth(2).unwrap_or_default().to_owned();
    log.strip_suffix('\n')
        .unwrap_or(&log)
        .split('\n')
        .filter(|_| !log.is_empty())
        .map(text)
        .collect()
}

/// Holds the logs of the pods that were paired (`uids`: real to simulated) against each other.
pub(super) fn compare<'a>(
    (real, a): (&'a Reduced, &Logs),
    (simulated, b): (&'a Reduced, &Logs),
    uids: &BTreeMap<&str, &str>,
    out: &mut Comparison<'a>,
) {
    let units: BTreeMap<&str, &str> =
        real.units.iter().filter_map(|u| Some((u.uid.as_deref()?, u.key.as_str()))).collect();
    let back: BTreeMap<&str, &str> = uids.iter().map(|(x, y)| (*y, *x)).collect();
    let mark = |uid: &str, (_, container, attempt): &Run, lines: &[String]| {
        let said = short(&lines.join(" / "), 90);
        let unit = units.get(uid).copied().unwrap_or_default();
        Cow::Owned(Mark::new(unit, format!("log of {container} run {attempt}: {said}")))
    };
    let without_random = |trace: &Reduced, lines: &[String]| -> Vec<String> {
        lines.iter().map(|l| trace.identities.names.text_without_nodes(l)).collect()
    };
    for (run, lines) in &a.by_run {
        let (uid, container, attempt) = run;
        let Some(&other) = uids.get(uid.as_str()).filter(|_| units.contains_key(uid.as_str()))
        else {
            continue;
        };
        let theirs = b.by_run.get(&(other.to_owned(), container.clone(), attempt.clone()));
        let x = without_random(real, lines);
        let y = without_random(simulated, theirs.map_or(&[], Vec::as_slice));
        let (m, n) = (mark(uid, run, &x), mark(uid, run, &y));
        if same(&x, &y) {
            out.matched.push((m, n));
        } else if y.is_empty() {
            out.missing.push(m);
        } else {
            out.late.push(Late { real: m, simulated: n, why: Why::Text });
        }
    }
    for (run, lines) in b.by_run.iter().filter(|(_, lines)| !lines.is_empty()) {
        let (uid, container, attempt) = run;
        let Some(&uid) = back.get(uid.as_str()) else { continue };
        if !a.by_run.contains_key(&(uid.to_owned(), container.clone(), attempt.clone())) {
            out.extra.push(mark(uid, run, lines));
        }
    }
}

/// Whether two logs are equal, allowing for how often a repeating line was printed before the end,
/// for the order in which several processes happened to write, and in longer ones for a few lines.
fn same(x: &[String], y: &[String]) -> bool {
    if x == y {
        return true;
    }
    if x.is_empty() || y.is_empty() {
        return false;
    }
    let (p, q) = (folded(x), folded(y));
    if p.len() == q.len() && p.iter().zip(&q).all(|((a, _), (b, _))| a == b) {
        let near = |(m, n): (usize, usize)| 4 * m.abs_diff(n) <= m.max(n).max(8);
        return p.iter().zip(&q).all(|((_, m), (_, n))| near((*m, *n)));
    }
    let sorted = |lines: &[String]| {
        let mut lines: Vec<String> = lines.to_vec();
        lines.sort();
        lines
    };
    sorted(x) == sorted(y)
        || x.len().max(y.len()) >= 8 && Likeness::of(x, y, Popular::Kept).is_at_least(85)
}

/// Equal lines that follow each other, as one line and its number.
fn folded(lines: &[String]) -> Vec<(&str, usize)> {
    lines.chunk_by(|a, b| a == b).map(|same| (same[0].as_str(), same.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(x: &str, y: &str, expect: bool) {
        let lines = |s: &str| s.split_terminator('|').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(same(&lines(x), &lines(y)), expect, "{x} {y}");
    }

    #[test]
    fn a_repeating_line_may_repeat_a_little_more_or_less() {
        check("a|a|a|b", "a|b", true);
        check("a|a|a|a|b", "a|b", false);
        check(&"tick|".repeat(20), &"tick|".repeat(15), true);
        check(&"tick|".repeat(20), &"tick|".repeat(14), false);
    }

    #[test]
    fn processes_may_interleave_and_long_logs_differ_in_a_few_lines() {
        check("a|b", "b|a", true);
        check("a|b", "a|c", false);
        check("", "a", false);
        check("1|2|3|4|5|6|7|8", "1|2|3|4|5|6|7|x", true);
        check("1|2|3|4|5|6|7|8", "1|2|3|4|5|6|y|x", false);
    }

    #[test]
    fn a_log_file_is_known_by_its_name() {
        let logs = Logs::from_files([
            ("web.example.uid-7.main.2.log", "0.1 stdout hello\n"),
            ("README", "no log"),
        ]);
        let runs: Vec<_> = logs.by_run.into_iter().collect();
        let run = ("uid-7".to_owned(), "main".to_owned(), "2".to_owned());
        assert_eq!(runs, [(run, vec!["hello".to_owned()])]);
    }

    #[test]
    fn a_log_line_is_what_follows_time_and_stream() {
        assert_eq!(lines("0.7 stdout a b\n0.8 stdout \n0.9\n"), ["a b", "", ""]);
        assert_eq!(lines("0.7 stdout a\rb c d"), ["a", "d"]);
        assert!(lines("").is_empty());
    }
}

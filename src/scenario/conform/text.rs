//! Messages without anything random in them: names with random suffixes become the names of what
//! made them, and times, uids, addresses and lengths of time become words.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::base::{Map, Set};

/// A length of time as Go prints it.
const DURATION: &str = r"(?:\d+(?:\.\d+)?(?:h|ms|m|us|µs|ns|s))+";

/// What is replaced in every text, in this order.
static RULES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let in_duration = format!(r"\bin {DURATION}(?: \({DURATION} including waiting\))?");
    let rules: [(&str, &'static str); 12] = [
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d| UTC)?", "TIME"),
        (r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,? +\w+ +\d+ +\d\d:\d\d:\d\d +\w+ +\d{4}", "TIME"),
        (r"\b\d\d:\d\d:\d\d(?:\.\d+)?\b", "TIME"),
        (r"\b1[67]\d{8}(?:\.\d+)?\b", "TIME"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r"\b(?:containerd://)?(?:cid-\d+|[0-9a-f]{64})\b", "CID"),
        (r"\buid-\d+\b", "UID"),
        (r"kube-api-access-\w{5}", "kube-api-access"),
        (r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(:\d{5}\b)?", "IP"),
        (&in_duration, "in DUR"),
        (r"Image size: \d+ bytes", "Image size: N bytes"),
        (r"\(combined from similar events\): ", ""),
    ];
    rules.into_iter().map(|(pattern, to)| (compiled(pattern), to)).collect()
});

static NODE: LazyLock<Regex> = LazyLock::new(|| compiled(r"\bnode-\d+\b"));

/// A pattern written in this program.
pub(super) fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants and tested")
}

/// The names of one trace that are random, and what stands for them.
#[derive(Default)]
pub(super) struct Names {
    /// Whole names by length in bytes, the longest first.
    whole: BTreeMap<Reverse<usize>, Map<String, String>>,
    /// Prefixes (`web-`) of names that end in five random characters, the longest first.
    generated: BTreeMap<Reverse<usize>, Set<String>>,
}

impl Names {
    /// From now on `name` is written as `to`.
    pub(super) fn replace(&mut self, name: &str, to: impl Into<String>) {
        if !name.is_empty() {
            self.whole.entry(Reverse(name.len())).or_default().insert(name.to_owned(), to.into());
        }
    }

    /// From now on `name` is written as `to`, unless it already has a replacement.
    pub(super) fn replace_if_new(&mut self, name: &str, to: &str) {
        if self.replacement(name).is_none() {
            self.replace(name, to);
        }
    }

    /// From now on `prefix` and five random characters are a pod's name.
    pub(super) fn generated_from(&mut self, prefix: &str) {
        if !prefix.is_empty() {
            self.generated.entry(Reverse(prefix.len())).or_default().insert(prefix.to_owned());
        }
    }

    /// A text without anything random in it.
    pub(super) fn text(&self, s: &str) -> String {
        let s = self.without_generated(s);
        let s = self.without_names(&s);
        squeezed(&apply_rules(s))
    }

    /// A text without anything random and without the numbers of nodes.
    pub(super) fn text_without_nodes(&self, s: &str) -> String {
        let s = self.without_generated(s);
        let s = apply_rules(self.without_names(&s));
        squeezed(&NODE.replace_all(&s, "NODE"))
    }

    fn replacement(&self, name: &str) -> Option<&str> {
        self.whole.get(&Reverse(name.len()))?.get(name).map(String::as_str)
    }

    /// Writes `web-x7x2k` as `web-POD`, also for pods that no line of the trace describes.
    fn without_generated<'a>(&self, s: &'a str) -> Cow<'a, str> {
        let joins = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        scan(s, joins, |at| {
            self.generated.iter().find_map(|(Reverse(len), prefixes)| {
                let prefix = s.get(at..at + len).filter(|p| prefixes.contains(*p))?;
                let end = random_suffix(s.as_bytes(), at + len)
                    .filter(|&end| s.as_bytes().get(end).is_none_or(|b| !joins(*b)))?;
                let stem = prefix.get(..len - 1).unwrap_or(prefix);
                Some((end, format!("{}-POD", self.replacement(stem).unwrap_or(stem))))
            })
        })
    }

    fn without_names<'a>(&self, s: &'a str) -> Cow<'a, str> {
        let joins = |b: u8| b.is_ascii_alphanumeric();
        scan(s, joins, |at| {
            self.whole.iter().find_map(|(Reverse(len), names)| {
                let to = s.get(at..at + len).and_then(|n| names.get(n))?;
                let end = at + len;
                s.as_bytes().get(end).is_none_or(|b| !joins(*b)).then(|| (end, to.clone()))
            })
        })
    }
}

/// Replaces left to right whatever `find` recognises at a place that no character which `joins`
/// stands before.
fn scan<'a>(
    s: &'a str,
    joins: impl Fn(u8) -> bool,
    find: impl Fn(usize) -> Option<(usize, String)>,
) -> Cow<'a, str> {
    let bytes = s.as_bytes();
    let mut out = String::new();
    let (mut at, mut kept) = (0, 0);
    while at < bytes.len() {
        let begins = s.is_char_boundary(at) && (at == 0 || !joins(bytes[at - 1]));
        match begins.then(|| find(at)).flatten() {
            Some((end, to)) => {
                out.push_str(&s[kept..at]);
                out.push_str(&to);
                (at, kept) = (end, end);
            }
            None => at += 1,
        }
    }
    if kept == 0 && out.is_empty() {
        return Cow::Borrowed(s);
    }
    out.push_str(&s[kept..]);
    Cow::Owned(out)
}

/// The end of five random characters at `at`, behind a number and a dash if there is one (an
/// Indexed Job's pods are named `job-3-x7x2k`).
fn random_suffix(s: &[u8], at: usize) -> Option<usize> {
    let five = |at: usize| {
        let end = at + 5;
        s.get(at..end)?.iter().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(b)).then_some(end)
    };
    let joins = |end: usize| s.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-');
    let digits = s[at.min(s.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
    let behind = (digits > 0 && s.get(at + digits) == Some(&b'-')).then_some(at + digits + 1);
    behind.and_then(five).filter(|end| !joins(*end)).or_else(|| five(at))
}

fn apply_rules(s: Cow<'_, str>) -> String {
    let mut s = s.into_owned();
    for (rule, to) in RULES.iter() {
        if let Cow::Owned(changed) = rule.replace_all(&s, *to) {
            s = changed;
        }
    }
    s
}

/// Runs of white space as one space, none at the ends.
fn squeezed(s: &str) -> String {
    let white = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
    let words: Vec<&str> = s.split(white).filter(|w| !w.is_empty()).collect();
    words.join(" ")
}

/// At most `limit` characters of a text, the last one an ellipsis where it was cut.
pub(super) fn short(s: &str, limit: usize) -> String {
    match s.char_indices().nth(limit) {
        None => s.to_owned(),
        Some(_) => s.chars().take(limit - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        names.replace("web-5cdb9bb459", "web/rs1");
        names.replace("web-5cdb9bb459-kjsvx", "web/rs1-POD");
        names.replace("db", "D");
        names.generated_from("web-5cdb9bb459-");
        names.generated_from("job-");
        names
    }

    #[test]
    fn random_parts_of_a_message_are_replaced() {
        let check = |said: &str, means: &str| assert_eq!(names().text(said), means);
        check("Created pod: web-5cdb9bb459-kjsvx", "Created pod: web/rs1-POD");
        check("Created pod: web-5cdb9bb459-zzzzz.", "Created pod: web/rs1-POD.");
        check("pod job-12-x7x2k and job-x7x2k", "pod job-POD and job-POD");
        check("job-x7x2ka xjob-x7x2k job-abcde", "job-x7x2ka xjob-x7x2k job-abcde");
        check("db dbs my-db db-5cdb9bb459x", "D dbs my-D D-5cdb9bb459x");
        check("  two\n\twords ", "two words");
        check(
            "pulled in 1.5s (2m3s including waiting). Image size: 4000000 bytes.",
            "pulled in DUR. Image size: N bytes.",
        );
        check("at 2026-11-23T09:50:36Z from 10.244.1.7:8080", "at TIME from IP:8080");
        check("Mon Nov 23 09:50:36 UTC 2026, uid-12, cid-3", "TIME, UID, CID");
        check("volume kube-api-access-x7x2k", "volume kube-api-access");
    }

    #[test]
    fn node_numbers_stay_unless_asked_for() {
        assert_eq!(names().text("assigned to node-2"), "assigned to node-2");
        assert_eq!(names().text_without_nodes("assigned to node-2"), "assigned to NODE");
    }

    #[test]
    fn a_text_is_cut_by_characters() {
        assert_eq!(short("äöü", 3), "äöü");
        assert_eq!(short("äöüß", 3), "äö…");
    }
}

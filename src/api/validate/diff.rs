//! The unified difference of two values, line by line of their indented JSON.
//!
//! After `staging/src/k8s.io/apimachinery/pkg/util/diff/diff.go`, which uses go-difflib: the matcher
//! is Python's, with its rule that lines which are frequent in a long text do not begin a match.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use serde::Serialize as _;
use serde_json::Value;

/// Unchanged lines around each change.
const CONTEXT: usize = 3;

/// From this many lines on, frequent ones are set aside.
const LONG: usize = 200;

/// The difference, empty when there is none.
pub(super) fn diff(old: &Value, new: &Value) -> String {
    let (old, new) = (pretty(old), pretty(new));
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut out = String::new();
    for group in groups(&changes(&a, &b)) {
        let (from, to) = (&group[0], &group[group.len() - 1]);
        let old = span(from.old.start, to.old.end);
        let new = span(from.new.start, to.new.end);
        writeln!(out, "@@ -{old} +{new} @@").expect("a String takes any text");
        for step in &group {
            let mut put = |mark: &str, lines: &[&str]| {
                for line in lines {
                    out.extend([mark, line, "\n"]);
                }
            };
            if step.same {
                put(" ", &a[step.old.clone()]);
            } else {
                put("-", &a[step.old.clone()]);
                put("+", &b[step.new.clone()]);
            }
        }
    }
    out
}

/// JSON with one space of indentation; empty lists and objects are on one line, as Go has them.
fn pretty(value: &Value) -> String {
    let mut out = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, format);
    value.serialize(&mut serializer).expect("a value in memory is written without errors");
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    super::error::escape_for_go(text)
}

/// Lines that stay, or lines that take the place of others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    same: bool,
    old: Range<usize>,
    new: Range<usize>,
}

/// A block of equal lines: where it begins in both, and its length.
type Block = (usize, usize, usize);

/// `GetOpCodes`.
fn changes(a: &[&str], b: &[&str]) -> Vec<Step> {
    let mut blocks = Vec::new();
    matching(a, b, &places(b), (0..a.len(), 0..b.len()), &mut blocks);
    blocks.push((a.len(), b.len(), 0));
    let mut steps: Vec<Step> = Vec::new();
    let (mut i, mut j) = (0, 0);
    for (x, y, size) in blocks {
        if i < x || j < y {
            steps.push(Step { same: false, old: i..x, new: j..y });
        }
        (i, j) = (x + size, y + size);
        match steps.last_mut() {
            Some(last) if last.same && last.old.end == x && last.new.end == y => {
                last.old.end = i;
                last.new.end = j;
            }
            _ if size > 0 => steps.push(Step { same: true, old: x..i, new: y..j }),
            _ => {}
        }
    }
    steps
}

/// Where each line stands that may begin a match.
fn places<'a>(b: &[&'a str]) -> BTreeMap<&'a str, Vec<usize>> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (j, line) in b.iter().enumerate() {
        places.entry(line).or_default().push(j);
    }
    if b.len() >= LONG {
        let most = b.len() / 100 + 1;
        places.retain(|_, at| at.len() <= most);
    }
    places
}

/// `GetMatchingBlocks`: the longest block, and those before and after it.
fn matching(
    a: &[&str],
    b: &[&str],
    places: &BTreeMap<&str, Vec<usize>>,
    (old, new): (Range<usize>, Range<usize>),
    blocks: &mut Vec<Block>,
) {
    let (i, j, size) = longest(a, b, places, &old, &new);
    if size == 0 {
        return;
    }
    if old.start < i && new.start < j {
        matching(a, b, places, (old.start..i, new.start..j), blocks);
    }
    blocks.push((i, j, size));
    if i + size < old.end && j + size < new.end {
        matching(a, b, places, (i + size..old.end, j + size..new.end), blocks);
    }
}

/// `findLongestMatch`.
fn longest(
    a: &[&str],
    b: &[&str],
    places: &BTreeMap<&str, Vec<usize>>,
    old: &Range<usize>,
    new: &Range<usize>,
) -> Block {
    let (mut i, mut j, mut size) = (old.start, new.start, 0);
    let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
    for x in old.clone() {
        let mut next = BTreeMap::new();
        for y in places.get(a[x]).into_iter().flatten().copied().filter(|y| new.contains(y)) {
            let before = y.checked_sub(1).and_then(|y| lengths.get(&y));
            let length = before.copied().unwrap_or(0) + 1;
            next.insert(y, length);
            if length > size {
                (i, j, size) = (x + 1 - length, y + 1 - length, length);
            }
        }
        lengths = next;
    }
    while i > old.start && j > new.start && a[i - 1] == b[j - 1] {
        (i, j, size) = (i - 1, j - 1, size + 1);
    }
    while i + size < old.end && j + size < new.end && a[i + size] == b[j + size] {
        size += 1;
    }
    (i, j, size)
}

/// `GetGroupedOpCodes`: changes that are close together, with their surroundings.
fn groups(steps: &[Step]) -> Vec<Vec<Step>> {
    let mut groups: Vec<Vec<Step>> = Vec::new();
    let mut group: Vec<Step> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        if !step.same {
            group.push(step.clone());
            continue;
        }
        let (first, last) = (at == 0, at + 1 == steps.len());
        let after = |n: usize| Step {
            same: true,
            old: step.old.end.saturating_sub(n).max(step.old.start)..step.old.end,
            new: step.new.end.saturating_sub(n).max(step.new.start)..step.new.end,
        };
        let before = |n: usize| Step {
            same: true,
            old: step.old.start..step.old.end.min(step.old.start + n),
            new: step.new.start..step.new.end.min(step.new.start + n),
        };
        if first {
            group.push(after(CONTEXT));
        } else if last {
            group.push(before(CONTEXT));
        } else if step.old.len() > 2 * CONTEXT {
            group.push(before(CONTEXT));
            groups.push(std::mem::take(&mut group));
            group.push(after(CONTEXT));
        } else {
            group.push(step.clone());
        }
    }
    groups.push(group);
    groups.retain(|group| group.iter().any(|step| !step.same));
    groups
}

/// `formatRangeUnified`.
fn span(start: usize, end: usize) -> String {
    match end - start {
        1 => (start + 1).to_string(),
        0 => format!("{start},0"),
        length => format!("{},{length}", start + 1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_stands_between_three_lines_on_each_side() {
        let of =
            |x: i32| json!({"a": 1, "b": 2, "c": 3, "d": 4, "x": x, "e": [], "f": {}, "g": "<"});
        let expected = concat!(
            "@@ -3,7 +3,7 @@\n  \"b\": 2,\n  \"c\": 3,\n  \"d\": 4,\n- \"x\": 5,\n+ \"x\": 6,\n",
            "  \"e\": [],\n  \"f\": {},\n  \"g\": \"\\u003c\"\n"
        );
        assert_eq!(diff(&of(5), &of(6)), expected);
        assert_eq!(diff(&of(5), &of(5)), "");
    }
}

//! `cmp` and `diff`.

use super::lines::{Gather, Gathered, split_lines};
use super::options::{Options, Syntax};
use super::{AnyFilter, Begun, Call};
use crate::base::Str;
use crate::container::fs::Errno;
use crate::container::os::Sys;
use crate::container::text::{encode, push};

const CMP: Syntax = Syntax {
    short: "lsn:",
    long: &[("bytes", 'n'), ("quiet", 's'), ("silent", 's'), ("verbose", 'l')],
    usage: "[-ls] [-n NUM] FILE1 [FILE2 [SKIP1 [SKIP2]]]",
    status: 2,
};

/// `cmp`
pub(super) fn cmp(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(CMP) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mut files: Vec<Str> = options.operands.iter().take(2).cloned().collect();
    if files.is_empty() {
        return call.usage(CMP.usage, 2);
    }
    if files.len() == 1 {
        files.push("-".into());
    }
    let gather = Gather::new(call.name, options, compare).complaining(quiet_error);
    Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
}

fn quiet_error(name: &str, e: Errno) -> String {
    format!("{name}: {e}")
}

fn compare(tool: &mut Gathered, sys: &mut Sys<'_, '_>) -> u8 {
    let [a, b] = &tool.inputs[..] else { return 2 };
    let operand = |i: usize| tool.options.operands.get(i).and_then(|s| s.parse().ok()).unwrap_or(0);
    let most = tool.options.value('n').and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let cut = |bytes: &'_ [u8], skip: usize| -> Vec<u8> {
        bytes.iter().skip(skip).take(most).copied().collect()
    };
    let (x, y) = (cut(&a.bytes, operand(2)), cut(&b.bytes, operand(3)));
    let (silent, verbose) = (tool.options.has('s'), tool.options.has('l'));
    let mut status = 0;
    let mut line = 1;
    for (i, (p, q)) in x.iter().zip(&y).enumerate() {
        if p != q {
            status = 1;
            if verbose && !silent {
                sys.out(format!("{} {p:3o} {q:3o}\n", i + 1).as_bytes());
                continue;
            }
            if !silent {
                let text = format!("{} {} differ: char {}, line {line}\n", a.name, b.name, i + 1);
                sys.out(&encode(&text));
            }
            return 1;
        }
        line += usize::from(*p == b'\n');
    }
    if x.len() != y.len() {
        if !silent {
            let shorter = if x.len() < y.len() { &a.name } else { &b.name };
            let text = format!("EOF on {shorter}");
            sys.flush();
            tool.err(sys, &text);
        }
        status = 1;
    }
    status
}

const DIFF: Syntax = Syntax {
    short: "abBdiL:NqrsS:tTU:wu",
    long: &[
        ("brief", 'q'),
        ("ignore-all-space", 'w'),
        ("ignore-blank-lines", 'B'),
        ("ignore-case", 'i'),
        ("ignore-space-change", 'b'),
        ("label", 'L'),
        ("new-file", 'N'),
        ("recursive", 'r'),
        ("report-identical-files", 's'),
        ("text", 'a'),
        ("unified", 'u'),
    ],
    usage: "[-abBdiNqrTstw] [-L LABEL] [-S FILE] [-U LINES] FILE1 FILE2",
    status: 2,
};

/// `diff`
pub(super) fn diff(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(DIFF) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let [a, b] = &options.operands[..] else { return call.usage(DIFF.usage, 2) };
    let (mut a, mut b) = (a.clone(), b.clone());
    let mut kinds = Vec::new();
    for file in [&a, &b] {
        if file == "-" {
            kinds.push('-');
            continue;
        }
        match call.sys.stat(file, true) {
            Ok(stat) => kinds.push(stat.kind),
            Err(Errno::NoEnt) if options.has('N') => kinds.push('n'),
            Err(e) => {
                call.err(&format!("can't stat '{file}': {e}"));
                return Begun::Exit(2);
            }
        }
    }
    let base = |path: &Str| path.trim_end_matches('/').rsplit('/').next().unwrap_or("").to_owned();
    match kinds[..] {
        ['d', 'd'] => {
            let mut walk = Walk { options: &options, out: Vec::new(), differ: false, depth: 0 };
            walk.dirs(call, &a, &b);
            let (out, differ) = (walk.out, walk.differ);
            call.sys.out(&out);
            return Begun::Exit(u8::from(differ));
        }
        ['d', _] => a = format!("{}/{}", a.trim_end_matches('/'), base(&b)).into(),
        [_, 'd'] => b = format!("{}/{}", b.trim_end_matches('/'), base(&a)).into(),
        _ => {}
    }
    let missing = |kind: char, file: Str| if kind == 'n' { Str::from("/dev/null") } else { file };
    let files = vec![missing(kinds[0], a), missing(kinds[1], b)];
    let gather = Gather::new(call.name, options, |tool, sys| {
        let [a, b] = &tool.inputs[..] else { return 2 };
        let (out, differ) = difference(&tool.options, (&a.name, &a.bytes), (&b.name, &b.bytes));
        sys.work((a.bytes.len() + b.bytes.len()) / 4);
        sys.out(&out);
        u8::from(differ)
    });
    Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
}

/// Directories that are compared.
struct Walk<'o> {
    options: &'o Options,
    out: Vec<u8>,
    differ: bool,
    depth: usize,
}

impl Walk<'_> {
    fn say(&mut self, text: &str) {
        self.out.extend(encode(text));
    }

    fn dirs(&mut self, call: &mut Call<'_, '_, '_>, a: &str, b: &str) {
        self.depth += 1;
        if self.depth > 100 {
            call.sys.complain("diff: directories are nested more than 100 deep".to_owned());
            return;
        }
        let mut names = call.sys.list(a).unwrap_or_default();
        names.extend(call.sys.list(b).unwrap_or_default());
        names.sort();
        names.dedup();
        for name in names {
            let (x, y) = (format!("{a}/{name}"), format!("{b}/{name}"));
            let kind = |call: &mut Call<'_, '_, '_>, path: &str| {
                call.sys.stat(path, true).map(|s| s.kind).ok()
            };
            match (kind(call, &x), kind(call, &y)) {
                (Some('d'), Some('d')) if self.options.has('r') => self.dirs(call, &x, &y),
                (Some('d'), Some('d')) => {
                    self.say(&format!("Common subdirectories: {x} and {y}\n"));
                }
                (None, Some(_)) if !self.options.has('N') => {
                    self.differ = true;
                    self.say(&format!("Only in {b}: {name}\n"));
                }
                (Some(_), None) if !self.options.has('N') => {
                    self.differ = true;
                    self.say(&format!("Only in {a}: {name}\n"));
                }
                _ => {
                    let (p, q) = (
                        call.sys.content(&x).unwrap_or_default(),
                        call.sys.content(&y).unwrap_or_default(),
                    );
                    let (out, differ) = difference(self.options, (&x, &p), (&y, &q));
                    self.out.extend(out);
                    self.differ |= differ;
                }
            }
        }
        self.depth -= 1;
    }
}

/// What two files differ in, as text.
fn difference(options: &Options, (a, x): (&str, &[u8]), (b, y): (&str, &[u8])) -> (Vec<u8>, bool) {
    let binary = |bytes: &[u8]| bytes.iter().take(1024).any(|b| *b == 0);
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        split_lines(bytes).iter().map(|l| key(options, l)).collect()
    };
    let edits = edits(&lines(x), &lines(y));
    let open = |bytes: &[u8]| !bytes.is_empty() && !bytes.ends_with(b"\n");
    let ends_differ = open(x) != open(y) && !options.has('b') && !options.has('w');
    let mut changed = edits.iter().any(|e| e.kind != ' ') || ends_differ;
    if options.has('B') {
        let blank = |e: &&Edit| {
            let line = if e.kind == '-' { split_lines(x)[e.a] } else { split_lines(y)[e.b] };
            line.iter().all(u8::is_ascii_whitespace)
        };
        changed = !edits.iter().filter(|e| e.kind != ' ').all(|e| blank(&e));
    }
    if !changed {
        let text = if options.has('s') {
            format!("Files {a} and {b} are identical\n")
        } else {
            String::new()
        };
        return (encode(&text), false);
    }
    if options.has('q') {
        return (encode(&format!("Files {a} and {b} differ\n")), true);
    }
    if !options.has('a') && (binary(x) || binary(y)) {
        return (encode(&format!("Binary files {a} and {b} differ\n")), true);
    }
    let mut labels = options.values('L').map(Str::as_str);
    let (a, b) = (labels.next().unwrap_or(a), labels.next().unwrap_or(b));
    let context = options.value('U').and_then(|n| n.parse().ok()).unwrap_or(3);
    (unified((a, x), (b, y), &edits, context), true)
}

/// What of a line counts.
fn key(options: &Options, line: &[u8]) -> Vec<u8> {
    let mut out = if options.has('w') {
        line.iter().filter(|b| !b.is_ascii_whitespace()).copied().collect()
    } else if options.has('b') {
        let words: Vec<&[u8]> =
            line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()).collect();
        let mut text =
            if line.first().is_some_and(u8::is_ascii_whitespace) { vec![b' '] } else { Vec::new() };
        text.extend(words.join(&b' '));
        text
    } else {
        line.to_vec()
    };
    if options.has('i') {
        out.make_ascii_lowercase();
    }
    out
}

/// One line of an edit: kept, taken away or added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edit {
    kind: char,
    a: usize,
    b: usize,
}

/// Pairs of lines that are compared in full; larger files are replaced as a whole between their
/// common beginning and end.
const MAX_PAIRS: usize = 4_000_000;

fn edits(a: &[Vec<u8>], b: &[Vec<u8>]) -> Vec<Edit> {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let tail =
        a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (x, y) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let mut out: Vec<Edit> = (0..head).map(|i| Edit { kind: ' ', a: i, b: i }).collect();
    let (mut i, mut j) = (0, 0);
    if x.len().saturating_mul(y.len()) <= MAX_PAIRS {
        // The length of the longest common rest, from the end.
        let width = y.len() + 1;
        let mut common = vec![0u32; (x.len() + 1) * width];
        for p in (0..x.len()).rev() {
            for q in (0..y.len()).rev() {
                common[p * width + q] = if x[p] == y[q] {
                    common[(p + 1) * width + q + 1] + 1
                } else {
                    common[(p + 1) * width + q].max(common[p * width + q + 1])
                };
            }
        }
        while i < x.len() && j < y.len() {
            let kind = if x[i] == y[j] {
                ' '
            } else if common[(i + 1) * width + j] >= common[i * width + j + 1] {
                '-'
            } else {
                '+'
            };
            out.push(Edit { kind, a: head + i, b: head + j });
            i += usize::from(kind != '+');
            j += usize::from(kind != '-');
        }
    }
    out.extend((i..x.len()).map(|p| Edit { kind: '-', a: head + p, b: head + j }));
    out.extend((j..y.len()).map(|q| Edit { kind: '+', a: head + x.len(), b: head + q }));
    out.extend((0..tail).map(|t| Edit { kind: ' ', a: a.len() - tail + t, b: b.len() - tail + t }));
    out
}

fn unified(
    (a, x): (&str, &[u8]),
    (b, y): (&str, &[u8]),
    edits: &[Edit],
    context: usize,
) -> Vec<u8> {
    let mut out = encode(&format!("--- {a}\n+++ {b}\n"));
    let (old, new) = (split_lines(x), split_lines(y));
    let open = |bytes: &[u8]| !bytes.is_empty() && !bytes.ends_with(b"\n");
    // A last line that differs in its end only is replaced.
    let mut edits = edits.to_vec();
    if open(x) != open(y)
        && let Some(last) = edits.last().copied().filter(|e| e.kind == ' ')
    {
        edits.pop();
        edits.push(Edit { kind: '-', ..last });
        edits.push(Edit { kind: '+', ..last });
    }
    let changes: Vec<usize> =
        edits.iter().enumerate().filter(|(_, e)| e.kind != ' ').map(|(i, _)| i).collect();
    let mut at = 0;
    while at < changes.len() {
        let first = changes[at].saturating_sub(context);
        let mut last = changes[at];
        while at < changes.len() && changes[at] <= last.saturating_add(2 * context + 1) {
            last = changes[at];
            at += 1;
        }
        let hunk = &edits[first..(last + context + 1).min(edits.len())];
        let count = |kind: char| hunk.iter().filter(|e| e.kind != kind).count();
        let (removed, added) = (count('+'), count('-'));
        let start = |n: usize, line: usize| {
            let line = if n == 0 { line } else { line + 1 };
            if n == 1 { line.to_string() } else { format!("{line},{n}") }
        };
        let mut head = String::new();
        push(
            &mut head,
            format_args!("@@ -{} +{} @@\n", start(removed, hunk[0].a), start(added, hunk[0].b)),
        );
        out.extend(encode(&head));
        for edit in hunk {
            let (line, ends) = if edit.kind == '+' {
                (new[edit.b], edit.b + 1 == new.len() && open(y))
            } else {
                (old[edit.a], edit.a + 1 == old.len() && open(x))
            };
            out.extend(edit.kind.to_string().bytes());
            out.extend_from_slice(line);
            out.push(b'\n');
            if ends {
                out.extend_from_slice(b"\\ No newline at end of file\n");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: &str, b: &str, want: &str) {
        let options = Options::default();
        let (out, _) = difference(&options, ("a", a.as_bytes()), ("b", b.as_bytes()));
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn differences_are_shown_with_what_stands_around() {
        check("1\n2\n", "1\n2\n", "");
        check("1\n2\n3\n", "1\nx\n3\n", "--- a\n+++ b\n@@ -1,3 +1,3 @@\n 1\n-2\n+x\n 3\n");
        check("", "1\n", "--- a\n+++ b\n@@ -0,0 +1 @@\n+1\n");
        check("1\n", "1", "--- a\n+++ b\n@@ -1 +1 @@\n-1\n+1\n\\ No newline at end of file\n");
        let ten: String = (1..=10).map(|n| format!("{n}\n")).collect();
        let other = ten.replace("10\n", "x\n");
        check(&ten, &other, "--- a\n+++ b\n@@ -7,4 +7,4 @@\n 7\n 8\n 9\n-10\n+x\n");
    }
}

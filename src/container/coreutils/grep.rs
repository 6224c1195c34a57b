//! `grep`, `egrep`, `fgrep`.
//!
//! Patterns are POSIX expressions matched in the C locale. The options of other greps that only change
//! colours and buffering are accepted; `-P` is not, as in busybox.

use super::lines::{ByLine, LineTool, bytewise};
use super::options::{Options, Syntax};
use super::{AnyFilter, Begun, Call, Next};
use crate::base::Str;
use crate::container::fs::Errno;
use crate::container::os::Sys;
use crate::container::regex::Regex;
use crate::container::text::encode;

const SYNTAX: Syntax = Syntax {
    short: "lnqvscFiHhe:f:LorRm:wxA:B:C:EzaIybG0123456789",
    long: &[
        ("after-context", 'A'),
        ("basic-regexp", 'G'),
        ("before-context", 'B'),
        ("byte-offset", 'b'),
        ("color", '0'),
        ("colour", '0'),
        ("context", 'C'),
        ("count", 'c'),
        ("extended-regexp", 'E'),
        ("file", 'f'),
        ("files-with-matches", 'l'),
        ("files-without-match", 'L'),
        ("fixed-strings", 'F'),
        ("ignore-case", 'i'),
        ("invert-match", 'v'),
        ("line-buffered", '0'),
        ("line-number", 'n'),
        ("line-regexp", 'x'),
        ("max-count", 'm'),
        ("no-filename", 'h'),
        ("no-messages", 's'),
        ("null-data", 'z'),
        ("only-matching", 'o'),
        ("quiet", 'q'),
        ("recursive", 'r'),
        ("regexp", 'e'),
        ("silent", 'q'),
        ("text", 'a'),
        ("with-filename", 'H'),
        ("word-regexp", 'w'),
    ],
    usage: "[-HhnlLoqvsrRiwFEz] [-m N] [-A|B|C N] { PATTERN | -e PATTERN... | -f FILE... } [FILE]...",
    status: 2,
};

/// What is printed of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    Lines,
    Parts,
    Count,
    NamesWith,
    NamesWithout,
    Nothing,
}

/// `grep` under way.
#[derive(Clone, Debug)]
pub(crate) struct Grep {
    patterns: Vec<Regex>,
    inverted: bool,
    whole_line: bool,
    words: bool,
    report: Report,
    number: bool,
    offset: bool,
    named: bool,
    silent: bool,
    most: Option<u64>,
    before: usize,
    after: usize,
    end: u8,
    // Of the input under way:
    name: Str,
    line: u64,
    at: usize,
    matches: u64,
    waiting: Vec<(u64, usize, Vec<u8>)>,
    to_print: usize,
    printed: u64,
    // Of all:
    ever_printed: bool,
    found: bool,
    /// `-L` named a file.
    listed: bool,
}

/// `grep`, `egrep`, `fgrep`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    // `--color=auto` has an argument that nothing here needs.
    let args: Vec<Str> = call
        .args
        .iter()
        .map(|a| match a.split_once('=') {
            Some((name @ ("--color" | "--colour"), _)) => name.into(),
            _ => a.clone(),
        })
        .collect();
    let mut options = match call.options_of(&args, SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let sources = match sources(call, &mut options) {
        Ok(sources) => sources,
        Err(begun) => return begun,
    };
    let mut grep = match configured(call, &options) {
        Ok(grep) => grep,
        Err(begun) => return begun,
    };
    let fold = options.has('i') || options.has('y');
    for source in sources {
        match compiled(call.name, &options, &source, fold) {
            Ok(regex) => grep.patterns.push(regex),
            Err(()) => {
                call.err(&format!("bad regex '{source}'"));
                return Begun::Exit(2);
            }
        }
    }
    let recursive = options.has('r') || options.has('R');
    let mut files = options.operands.clone();
    let mut named = files.len() > 1;
    if recursive {
        let roots = if files.is_empty() { vec![Str::from(".")] } else { files };
        files = Vec::new();
        for root in &roots {
            walk(call, root, options.has('R'), &mut files, 0);
        }
        named = true;
        if files.is_empty() {
            return Begun::Exit(1);
        }
    }
    grep.named = options.has('H') || named && !options.has('h');
    let end = grep.end;
    Begun::filter(AnyFilter::Grep(Box::new(ByLine::ending_with(grep, end))), files)
}

/// The texts of all patterns: of `-e` and `-f`, or the first operand.
fn sources(call: &mut Call<'_, '_, '_>, options: &mut Options) -> Result<Vec<String>, Begun> {
    let mut texts: Vec<String> = options.values('e').map(Str::to_string).collect();
    let files: Vec<Str> = options.values('f').cloned().collect();
    let mut sources = Vec::new();
    for file in &files {
        let path = if file == "-" { "/dev/stdin" } else { file.as_str() };
        match call.sys.content(path) {
            Ok(bytes) => {
                sources.extend(super::lines::split_lines(&bytes).iter().map(|l| bytewise(l)))
            }
            Err(e) => {
                call.err(&format!("{file}: {e}"));
                return Err(Begun::Exit(2));
            }
        }
    }
    if texts.is_empty() && files.is_empty() {
        if options.operands.is_empty() {
            return Err(call.usage(SYNTAX.usage, 2));
        }
        texts.push(options.operands.remove(0).to_string());
    }
    for text in texts {
        sources.extend(text.split('\n').map(|l| bytewise(&encode(l))));
    }
    Ok(sources)
}

fn configured(call: &mut Call<'_, '_, '_>, options: &Options) -> Result<Grep, Begun> {
    let mut number = |letter: char| match options.value(letter) {
        None => Ok(None),
        Some(text) => match text.parse::<u64>() {
            Ok(n) => Ok(Some(n)),
            Err(_) => Err(call.bad_number(text, 2)),
        },
    };
    let digits: String =
        options.given.iter().map(|(c, _)| *c).filter(char::is_ascii_digit).collect();
    let both = match number('C')? {
        None if options.operands.iter().all(|o| o != "0")
            && digits.trim_start_matches('0') != "" =>
        {
            digits.parse().ok()
        }
        given => given,
    };
    let lines = |n: Option<u64>| usize::try_from(n.or(both).unwrap_or(0)).unwrap_or(usize::MAX);
    let (before, after) = (lines(number('B')?), lines(number('A')?));
    let most = number('m')?;
    let report = if options.has('q') {
        Report::Nothing
    } else if options.has('l') {
        Report::NamesWith
    } else if options.has('L') {
        Report::NamesWithout
    } else if options.has('c') {
        Report::Count
    } else if options.has('o') {
        Report::Parts
    } else {
        Report::Lines
    };
    let context = report == Report::Lines;
    Ok(Grep {
        patterns: Vec::new(),
        inverted: options.has('v'),
        whole_line: options.has('x'),
        words: options.has('w'),
        report,
        number: options.has('n'),
        offset: options.has('b'),
        named: false,
        silent: options.has('s'),
        most,
        before: if context { before } else { 0 },
        after: if context { after } else { 0 },
        end: if options.has('z') { 0 } else { b'\n' },
        name: Str::default(),
        line: 0,
        at: 0,
        matches: 0,
        waiting: Vec::new(),
        to_print: 0,
        printed: 0,
        ever_printed: false,
        found: false,
        listed: false,
    })
}

fn compiled(tool: &str, options: &Options, source: &str, fold: bool) -> Result<Regex, ()> {
    let fixed = options.has('F') || tool == "fgrep";
    let extended = options.has('E') || tool == "egrep";
    let regex = if fixed {
        Ok(Regex::literal(source, fold))
    } else if extended {
        Regex::extended(source, fold)
    } else {
        Regex::basic(source, fold)
    };
    regex.map_err(drop)
}

/// Directories below one that are gone into.
const MAX_DEPTH: usize = 100;

/// The files below a path. Links on the command line are followed, others only with `-R`.
fn walk(call: &mut Call<'_, '_, '_>, path: &str, follow: bool, files: &mut Vec<Str>, depth: usize) {
    call.sys.work(1);
    let stat = call.sys.stat(path, follow || depth == 0);
    match stat {
        Ok(stat) if stat.kind == 'd' && depth < MAX_DEPTH => {
            for name in call.sys.list(path).unwrap_or_default() {
                walk(
                    call,
                    &format!("{}/{name}", path.trim_end_matches('/')),
                    follow,
                    files,
                    depth + 1,
                );
            }
        }
        Ok(stat) if stat.kind == 'l' => {}
        // What cannot be opened is complained of when it is opened.
        Ok(_) | Err(_) => files.push(path.into()),
    }
}

impl Grep {
    /// Where the first match at or after `from` is, with what `-w` and `-x` ask for.
    fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let mut best: Option<(usize, usize)> = None;
        for regex in &self.patterns {
            let mut at = from;
            while let Some((a, b)) = regex.find_at(text, at).and_then(|s| s[0]) {
                let whole = a == 0 && b == text.len();
                if self.whole_line && !whole {
                    break;
                }
                if self.words && !is_word(text, a, b) {
                    match text[a..].chars().next() {
                        Some(c) => at = a + c.len_utf8(),
                        None => break,
                    }
                    continue;
                }
                let better = best.is_none_or(|(x, y)| a < x || a == x && b > y);
                if better {
                    best = Some((a, b));
                }
                break;
            }
        }
        best
    }

    fn prefix(&self, sep: char, line: u64, at: usize, out: &mut Vec<u8>) {
        if self.named {
            out.extend(encode(&format!("{}{sep}", self.shown())));
        }
        if self.number {
            out.extend(format!("{line}{sep}").bytes());
        }
        if self.offset {
            out.extend(format!("{at}{sep}").bytes());
        }
    }

    fn shown(&self) -> &str {
        if self.name == "-" { "(standard input)" } else { &self.name }
    }

    fn put(&mut self, sys: &mut Sys<'_, '_>, sep: char, line: u64, at: usize, text: &[u8]) {
        let mut out = Vec::with_capacity(text.len() + 16);
        if (self.before > 0 || self.after > 0)
            && self.ever_printed
            && (self.printed == 0 || line > self.printed + 1)
        {
            out.extend_from_slice(b"--\n");
        }
        self.prefix(sep, line, at, &mut out);
        out.extend_from_slice(text);
        out.push(self.end);
        sys.out(&out);
        self.printed = line;
        self.ever_printed = true;
    }

    fn parts(&self, sys: &mut Sys<'_, '_>, text: &str) {
        let mut at = 0;
        while let Some((a, b)) = self.find(text, at) {
            if a == b {
                match text[a..].chars().next() {
                    Some(c) => at = a + c.len_utf8(),
                    None => break,
                }
                continue;
            }
            let mut out = Vec::new();
            self.prefix(':', self.line, self.at + encode(&text[..a]).len(), &mut out);
            out.extend(encode(&text[a..b]));
            out.push(self.end);
            sys.out(&out);
            at = b;
        }
    }
}

fn is_word(text: &str, a: usize, b: usize) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text[..a].chars().next_back().is_some_and(word) && !text[b..].chars().next().is_some_and(word)
}

impl LineTool for Grep {
    fn begin(&mut self, sys: &mut Sys<'_, '_>, name: &str) -> Next {
        self.name = name.into();
        (self.line, self.at, self.matches, self.to_print, self.printed) = (0, 0, 0, 0, 0);
        self.waiting.clear();
        let is_dir = name != "-" && sys.stat(name, true).is_ok_and(|s| s.kind == 'd');
        // busybox reads nothing from a directory, and says nothing.
        if is_dir {
            self.end(sys);
            return Next::NextInput;
        }
        if self.most == Some(0) { Next::NextInput } else { Next::More }
    }

    fn line(&mut self, sys: &mut Sys<'_, '_>, line: &[u8], _: bool) -> Next {
        self.line += 1;
        sys.work(line.len() / 8);
        let text = bytewise(line);
        let full = self.most.is_some_and(|m| self.matches >= m);
        let hit = self.find(&text, 0).is_some() != self.inverted;
        if full && hit {
            return Next::NextInput;
        }
        let at = self.at;
        self.at += line.len() + 1;
        if !hit {
            if self.to_print > 0 {
                self.to_print -= 1;
                self.put(sys, '-', self.line, at, line);
                if full && self.to_print == 0 {
                    return Next::NextInput;
                }
            } else if self.before > 0 {
                if self.waiting.len() >= self.before {
                    self.waiting.remove(0);
                }
                self.waiting.push((self.line, at, line.to_vec()));
            }
            return Next::More;
        }
        self.found = true;
        self.matches += 1;
        match self.report {
            Report::Nothing => return Next::Stop,
            Report::NamesWith => {
                let name = self.shown().to_owned();
                sys.out(&encode(&format!("{name}\n")));
                return Next::NextInput;
            }
            Report::NamesWithout => return Next::NextInput,
            Report::Count => {}
            Report::Parts => {
                if !self.inverted {
                    self.at = at;
                    self.parts(sys, &text);
                    self.at += line.len() + 1;
                }
            }
            Report::Lines => {
                for (number, at, text) in std::mem::take(&mut self.waiting) {
                    self.put(sys, '-', number, at, &text);
                }
                self.put(sys, ':', self.line, at, line);
                self.to_print = self.after;
            }
        }
        if self.to_print == 0 && self.most.is_some_and(|m| self.matches >= m) {
            self.end(sys);
            return Next::NextInput;
        }
        Next::More
    }

    fn end(&mut self, sys: &mut Sys<'_, '_>) -> Next {
        match self.report {
            Report::Count => {
                let mut out = Vec::new();
                if self.named {
                    out.extend(encode(&format!("{}:", self.shown())));
                }
                out.extend(format!("{}\n", self.matches).bytes());
                sys.out(&out);
            }
            Report::NamesWithout if self.matches == 0 => {
                self.listed = true;
                let name = self.shown().to_owned();
                sys.out(&encode(&format!("{name}\n")));
            }
            Report::NamesWithout
            | Report::Lines
            | Report::Parts
            | Report::NamesWith
            | Report::Nothing => {}
        }
        Next::More
    }

    fn finish(&mut self, _: &mut Sys<'_, '_>, failed: bool) -> u8 {
        if self.report == Report::Nothing && self.found {
            return 0;
        }
        let found = if self.report == Report::NamesWithout { self.listed } else { self.found };
        if failed { 2 } else { u8::from(!found) }
    }

    fn open_error(&self, name: &str, e: Errno) -> String {
        if self.silent { String::new() } else { format!("{name}: {e}") }
    }
}

//! `xargs`
//!
//! Reads its input to the end of an item, runs commands as they fill, up to `-P` at a time, and ends
//! with the statuses of busybox: 123 after a command that failed, 124 after one that asked to stop
//! (255), 126 and 127 for one that could not be run.

use std::collections::VecDeque;

use super::lines::fits;
use super::options::Syntax;
use super::{Begun, Call, Waiting, processes};
use crate::base::Str;
use crate::container::environment::Environment;
use crate::container::fs::Errno;
use crate::container::os::{OpenMode, Read, Sys};
use crate::container::process::{Ended, Fd, Step, Wait};
use crate::container::text::decode;

const SYNTAX: Syntax = Syntax {
    short: "+tn:s:xE:e::I:i::rpP:0a:d:L:l::",
    long: &[
        ("arg-file", 'a'),
        ("delimiter", 'd'),
        ("exit", 'x'),
        ("max-args", 'n'),
        ("max-chars", 's'),
        ("max-lines", 'L'),
        ("max-procs", 'P'),
        ("no-run-if-empty", 'r'),
        ("null", '0'),
        ("replace", 'i'),
        ("verbose", 't'),
    ],
    usage: "[OPTIONS] [PROG ARGS]",
    status: 1,
};

/// Bytes of one command line.
const MAX_CHARS: usize = 32 * 1024 - 2048;

/// How the input falls into items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Items {
    Words,
    Lines,
    /// Ended by this byte, without quoting.
    Ended(u8),
}

/// `xargs` under way.
#[derive(Clone, Debug)]
pub(crate) struct Xargs {
    command: Vec<Str>,
    environment: Environment,
    items: Items,
    replace: Option<Str>,
    most: usize,
    per_line: bool,
    chars: usize,
    at_once: usize,
    if_empty: bool,
    trace: bool,
    stop_at: Option<Str>,
    fd: Fd,
    buffer: Vec<u8>,
    ended: bool,
    /// Items that were read and not used; true for the last of a line.
    queue: VecDeque<(Str, bool)>,
    ran: bool,
    running: usize,
    status: u8,
    stop: bool,
}

/// `xargs`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mut number = |letter: char, none: usize| match options.value(letter) {
        None => Ok(none),
        Some(text) => match text.parse::<usize>() {
            Ok(n) => Ok(n),
            Err(_) => Err(call.bad_number(text, 1)),
        },
    };
    let numbers = number('n', usize::MAX).and_then(|n| {
        let lines = number('L', usize::MAX)?;
        Ok((n.min(lines), number('s', MAX_CHARS)?, number('P', 1)?))
    });
    let (most, chars, at_once) = match numbers {
        Ok(numbers) => numbers,
        Err(begun) => return begun,
    };
    let replace = options
        .given
        .iter()
        .rev()
        .find(|(c, _)| *c == 'I' || *c == 'i')
        .map(|(_, v)| if v.is_empty() { Str::from("{}") } else { v.clone() });
    let items = match options.value('d') {
        _ if options.has('0') => Items::Ended(0),
        Some(d) => Items::Ended(match d.as_str() {
            "\\n" => b'\n',
            "\\t" => b'\t',
            "\\0" => 0,
            other => other.bytes().next().unwrap_or(0),
        }),
        None if replace.is_some() => Items::Lines,
        None => Items::Words,
    };
    let fd = match options.value('a').filter(|f| *f != "-") {
        None => 0,
        Some(file) => match call.sys.open(file, OpenMode::READ, 3) {
            Ok(fd) => fd,
            Err(e) => {
                call.err(&format!("can't open '{file}': {e}"));
                return Begun::Exit(1);
            }
        },
    };
    let stop_at = options.given.iter().rev().find(|(c, _)| *c == 'E' || *c == 'e');
    let command =
        if options.operands.is_empty() { vec!["echo".into()] } else { options.operands.clone() };
    let xargs = Xargs {
        command,
        environment: call.environment.clone(),
        items,
        most: if replace.is_some() { 1 } else { most.max(1) },
        per_line: options.has('L') || options.has('l'),
        replace,
        chars,
        at_once: if at_once == 0 { 100 } else { at_once },
        if_empty: !options.has('r'),
        trace: options.has('t') || options.has('p'),
        stop_at: stop_at.map(|(_, v)| v.clone()).filter(|v| !v.is_empty()),
        fd,
        buffer: Vec::new(),
        ended: false,
        queue: VecDeque::new(),
        ran: false,
        running: 0,
        status: 0,
        stop: false,
    };
    Begun::Wait(Waiting::Xargs(Box::new(xargs)))
}

impl Xargs {
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        loop {
            if sys.must_stop() || !sys.tick() {
                return Step::Yield;
            }
            while let Some((_, ended)) = if self.running > 0 { sys.reap(None) } else { None } {
                self.running -= 1;
                self.note(sys, ended);
            }
            if self.stop || self.ended && self.queue.is_empty() && (self.ran || !self.if_empty) {
                if self.running > 0 {
                    return Step::Block(Wait::Child(None));
                }
                return Step::Exit(self.status);
            }
            if self.running >= self.at_once {
                return Step::Block(Wait::Child(None));
            }
            if let Some(items) = self.batch() {
                self.run(sys, &items);
                continue;
            }
            match sys.read(self.fd, 1 << 15) {
                Ok(Read::Data(bytes)) => {
                    self.buffer.extend_from_slice(&bytes);
                    if !fits(sys, self.buffer.len()) {
                        return Step::Exit(1);
                    }
                    self.split(sys);
                }
                Ok(Read::Later(at)) => return Step::Block(Wait::Readable(self.fd, at)),
                Ok(Read::End) | Err(_) => {
                    self.ended = true;
                    self.split(sys);
                }
            }
        }
    }

    /// The items of the next command, when there are enough or the input has ended.
    fn batch(&mut self) -> Option<Vec<Str>> {
        let fixed: usize = self.command.iter().map(|w| w.len() + 1).sum();
        let (mut len, mut n, mut full) = (fixed, 0, false);
        for (item, last) in &self.queue {
            let longer = len + item.len() + 1;
            if n > 0 && longer > self.chars {
                full = true;
                break;
            }
            (len, n) = (longer, n + 1);
            if n >= self.most && !self.per_line || self.per_line && *last {
                full = true;
                break;
            }
        }
        if !full && !(self.ended && (n > 0 || !self.ran && self.if_empty && self.replace.is_none()))
        {
            if self.ended && n == 0 {
                self.ran = true;
            }
            return None;
        }
        Some(self.queue.drain(..n).map(|(item, _)| item).collect())
    }

    fn run(&mut self, sys: &mut Sys<'_, '_>, items: &[Str]) {
        self.ran = true;
        let argv: Vec<Str> = match &self.replace {
            Some(mark) => {
                let item = items.first().cloned().unwrap_or_default();
                self.command.iter().map(|w| w.replace(mark.as_str(), &item).into()).collect()
            }
            None => self.command.iter().chain(items).cloned().collect(),
        };
        if self.trace {
            sys.err(&format!("{}\n", argv.join(" ")));
        }
        match processes::spawn(sys, &argv, &self.environment) {
            Ok(_) => self.running += 1,
            Err(e) => {
                sys.err(&format!("xargs: {}: {e}\n", argv[0]));
                self.status = if e == Errno::NoEnt { 127 } else { 126 };
                self.stop = true;
            }
        }
    }

    fn note(&mut self, sys: &mut Sys<'_, '_>, ended: Ended) {
        let command = &self.command[0];
        match ended {
            Ended::Exit(0) => {}
            Ended::Exit(255) => {
                sys.err(&format!("xargs: {command}: exited with status 255; aborting\n"));
                self.status = 124;
                self.stop = true;
            }
            Ended::Exit(_) => self.status = 123,
            Ended::Killed(signal) => {
                sys.err(&format!("xargs: {command}: terminated by signal {}\n", signal.number()));
                self.status = 125;
                self.stop = true;
            }
        }
    }

    /// Makes items of what was read, as far as they are complete.
    fn split(&mut self, sys: &mut Sys<'_, '_>) {
        let mut used = 0;
        loop {
            let rest = &self.buffer[used..];
            let found = match self.items {
                Items::Words | Items::Lines => word(rest, self.items, self.ended),
                Items::Ended(end) => match rest.iter().position(|b| *b == end) {
                    Some(at) => Word::Item(rest[..at].to_vec(), true, at + 1),
                    None if self.ended && !rest.is_empty() => {
                        Word::Item(rest.to_vec(), true, rest.len())
                    }
                    None => Word::Incomplete,
                },
            };
            match found {
                Word::Item(bytes, last, len) => {
                    used += len;
                    let item = Str::from(decode(&bytes));
                    if self.stop_at.as_ref() == Some(&item) {
                        self.ended = true;
                        self.buffer.clear();
                        return;
                    }
                    self.queue.push_back((item, last));
                }
                Word::Skip(len) => {
                    used += len;
                    if let Some((_, last)) = self.queue.back_mut() {
                        *last = true;
                    }
                }
                Word::Unmatched(quote) => {
                    let what = if quote == b'"' { "double" } else { "single" };
                    sys.err(&format!("xargs: unmatched {what} quote\n"));
                    self.status = 1;
                    self.stop = true;
                    return;
                }
                Word::Incomplete => break,
            }
        }
        self.buffer.drain(..used);
    }
}

/// What stands at the beginning of the input.
enum Word {
    /// An item, whether a line ends behind it, and its length with what ends it.
    Item(Vec<u8>, bool, usize),
    /// Blanks.
    Skip(usize),
    Unmatched(u8),
    Incomplete,
}

/// Reads a word with quotes and backslashes, or a line with them.
fn word(input: &[u8], items: Items, ended: bool) -> Word {
    let blanks = input.iter().take_while(|b| matches!(b, b' ' | b'\t') || **b == b'\n').count();
    let mut at = blanks;
    if at == input.len() {
        return if blanks > 0 { Word::Skip(blanks) } else { Word::Incomplete };
    }
    let mut out = Vec::new();
    let mut quote = None;
    while let Some(&b) = input.get(at) {
        at += 1;
        match (b, quote) {
            (b'\n', Some(q)) => return Word::Unmatched(q),
            (b, Some(q)) if b == q => quote = None,
            (b, Some(_)) => out.push(b),
            (b'"' | b'\'', None) => quote = Some(b),
            (b'\\', None) => match input.get(at) {
                Some(&next) => {
                    out.push(next);
                    at += 1;
                }
                None if ended => {}
                None => return Word::Incomplete,
            },
            (b'\n', None) => return Word::Item(out, true, at),
            (b' ' | b'\t', None) if items == Items::Words => return Word::Item(out, false, at),
            (b, None) => out.push(b),
        }
    }
    match quote {
        Some(q) if ended => Word::Unmatched(q),
        None if ended => Word::Item(out, true, at),
        _ => Word::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_quotes() {
        let read = |text: &str, items| match word(text.as_bytes(), items, true) {
            Word::Item(bytes, last, len) => (String::from_utf8(bytes).unwrap(), last, len),
            _ => panic!("{text}"),
        };
        assert_eq!(read("a b", Items::Words), ("a".into(), false, 2));
        assert_eq!(read("'a b'c\n", Items::Words), ("a bc".into(), true, 7));
        assert_eq!(read("a\\ b", Items::Words), ("a b".into(), true, 4));
        assert_eq!(read("  a b\n", Items::Lines), ("a b".into(), true, 6));
        assert!(matches!(word(b"'a", Items::Words, true), Word::Unmatched(b'\'')));
        assert!(matches!(word(b"a", Items::Words, false), Word::Incomplete));
    }
}

//! `uniq`

use super::lines::{ByLine, LineTool};
use super::options::Syntax;
use super::{AnyFilter, Begun, Call, Next};
use crate::container::fs::Errno;
use crate::container::os::{OpenMode, Sys};

const SYNTAX: Syntax = Syntax {
    short: "cduf:s:w:iz",
    long: &[
        ("check-chars", 'w'),
        ("count", 'c'),
        ("ignore-case", 'i'),
        ("repeated", 'd'),
        ("skip-chars", 's'),
        ("skip-fields", 'f'),
        ("unique", 'u'),
        ("zero-terminated", 'z'),
    ],
    usage: "[-cduiz] [-f,s,w N] [FILE [OUTFILE]]",
    status: 1,
};

/// `uniq` under way.
#[derive(Clone, Debug)]
pub(crate) struct Uniq {
    count: bool,
    /// Print lines that come once.
    single: bool,
    /// Print lines that come several times.
    repeated: bool,
    fold: bool,
    fields: usize,
    chars: usize,
    width: usize,
    end: u8,
    held: Option<(Vec<u8>, u64)>,
}

/// `uniq`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    if options.operands.len() > 2 {
        return call.usage(SYNTAX.usage, 1);
    }
    let mut number = |letter: char, none: usize| match options.value(letter) {
        None => Ok(none),
        Some(text) => text.parse().map_err(|_| call.bad_number(text, 1)),
    };
    let numbers = number('f', 0).and_then(|f| Ok((f, number('s', 0)?, number('w', usize::MAX)?)));
    let (fields, chars, width) = match numbers {
        Ok(numbers) => numbers,
        Err(begun) => return begun,
    };
    let end = if options.has('z') { 0 } else { b'\n' };
    let uniq = Uniq {
        count: options.has('c'),
        single: !options.has('d'),
        repeated: !options.has('u'),
        fold: options.has('i'),
        fields,
        chars,
        width,
        end,
        held: None,
    };
    let mut inputs = options.operands;
    if let Some(file) = inputs.get(1).filter(|f| *f != "-") {
        let opened = call.sys.open(file, OpenMode::WRITE, 3).and_then(|fd| {
            let moved = call.sys.dup2(fd, 1);
            call.sys.close(fd);
            moved
        });
        if let Err(e) = opened {
            call.err(&format!("can't open '{file}': {e}"));
            return Begun::Exit(1);
        }
    }
    inputs.truncate(1);
    Begun::filter(AnyFilter::Uniq(ByLine::ending_with(uniq, end)), inputs)
}

impl Uniq {
    /// The part of a line that is compared.
    fn key<'l>(&self, line: &'l [u8]) -> &'l [u8] {
        let mut rest = line;
        for _ in 0..self.fields {
            let blanks = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
            rest = &rest[blanks..];
            let word = rest.iter().take_while(|b| !b.is_ascii_whitespace()).count();
            rest = &rest[word..];
        }
        let rest = &rest[self.chars.min(rest.len())..];
        &rest[..self.width.min(rest.len())]
    }

    fn same(&self, a: &[u8], b: &[u8]) -> bool {
        let (a, b) = (self.key(a), self.key(b));
        if self.fold { a.eq_ignore_ascii_case(b) } else { a == b }
    }

    fn print(&self, sys: &mut Sys<'_, '_>, line: &[u8], times: u64) {
        if !(if times == 1 { self.single } else { self.repeated }) {
            return;
        }
        let mut out = Vec::with_capacity(line.len() + 9);
        if self.count {
            out.extend(format!("{times:7} ").bytes());
        }
        out.extend_from_slice(line);
        out.push(self.end);
        sys.out(&out);
    }
}

impl LineTool for Uniq {
    fn line(&mut self, sys: &mut Sys<'_, '_>, line: &[u8], _: bool) -> Next {
        match self.held.take() {
            Some((first, times)) if self.same(&first, line) => {
                self.held = Some((first, times + 1));
                return Next::More;
            }
            Some((first, times)) => self.print(sys, &first, times),
            None => {}
        }
        self.held = Some((line.to_vec(), 1));
        Next::More
    }

    fn finish(&mut self, sys: &mut Sys<'_, '_>, failed: bool) -> u8 {
        if let Some((line, times)) = self.held.take() {
            self.print(sys, &line, times);
        }
        u8::from(failed)
    }

    fn open_error(&self, name: &str, e: Errno) -> String {
        format!("can't open '{name}': {e}")
    }
}

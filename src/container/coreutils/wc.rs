//! `wc`

use super::options::Syntax;
use super::{AnyFilter, Begun, Call, Filter, Next};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::text::{encode, push};

const SYNTAX: Syntax = Syntax {
    short: "lwcmL",
    long: &[
        ("bytes", 'c'),
        ("chars", 'm'),
        ("lines", 'l'),
        ("max-line-length", 'L'),
        ("words", 'w'),
    ],
    usage: "[-cmlwL] [FILE]...",
    status: 1,
};

/// What `wc` counts, in the order in which it prints it.
const KINDS: [char; 5] = ['l', 'w', 'm', 'c', 'L'];

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    lines: u64,
    words: u64,
    bytes: u64,
    /// Characters: in busybox each that begins one in UTF-8, in the C locale of others each byte.
    chars: u64,
    longest: u64,
}

/// `wc` under way.
#[derive(Clone, Debug)]
pub(crate) struct Wc {
    shown: [bool; 5],
    several: bool,
    unnamed: bool,
    name: Str,
    now: Counts,
    column: u64,
    in_word: bool,
    total: Counts,
    unicode: bool,
}

/// `wc`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let shown = if options.given.is_empty() {
        [true, true, false, true, false]
    } else {
        KINDS.map(|k| options.has(k))
    };
    let wc = Wc {
        shown,
        several: options.operands.len() > 1,
        unnamed: options.operands.is_empty(),
        name: Str::default(),
        now: Counts::default(),
        column: 0,
        in_word: false,
        total: Counts::default(),
        unicode: !call.is_gnu(),
    };
    Begun::filter(AnyFilter::Wc(wc), options.operands)
}

impl Wc {
    fn print(&self, sys: &mut Sys<'_, '_>, counts: Counts, name: &str) {
        let numbers = [counts.lines, counts.words, counts.chars, counts.bytes, counts.longest];
        let shown: Vec<u64> =
            numbers.iter().zip(self.shown).filter(|(_, s)| *s).map(|(n, _)| *n).collect();
        let mut out = String::new();
        for (i, number) in shown.iter().enumerate() {
            let gap = if i > 0 { " " } else { "" };
            if shown.len() == 1 && !self.several {
                push(&mut out, number);
            } else {
                push(&mut out, format_args!("{gap}{number:9}"));
            }
        }
        if !self.unnamed {
            push(&mut out, format_args!(" {name}"));
        }
        out.push('\n');
        sys.out(&encode(&out));
    }
}

impl Filter for Wc {
    fn open(&mut self, _: &mut Sys<'_, '_>, name: &str) -> Next {
        self.name = name.into();
        self.now = Counts::default();
        self.column = 0;
        self.in_word = false;
        Next::More
    }

    fn data(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) -> Next {
        sys.work(bytes.len() / 32);
        let now = &mut self.now;
        now.bytes += bytes.len() as u64;
        for &b in bytes {
            now.chars += u64::from(!self.unicode || b & 0xc0 != 0x80);
            match b {
                b'\n' => now.lines += 1,
                b'\t' => self.column = (self.column | 7) + 1,
                b'\r' | b'\x0c' => {}
                0x20..=0x7e => self.column += 1,
                _ => {}
            }
            if matches!(b, b'\n' | b'\r' | b'\x0c') {
                now.longest = now.longest.max(self.column);
                self.column = 0;
            }
            // Only what can be seen makes a word.
            if b.is_ascii_graphic() {
                if !self.in_word {
                    now.words += 1;
                }
                self.in_word = true;
            } else if matches!(b, b' ' | 9..=13) {
                self.in_word = false;
            }
        }
        Next::More
    }

    fn close(&mut self, sys: &mut Sys<'_, '_>) -> Next {
        self.now.longest = self.now.longest.max(self.column);
        self.print(sys, self.now, &self.name);
        self.total.lines += self.now.lines;
        self.total.words += self.now.words;
        self.total.bytes += self.now.bytes;
        self.total.chars += self.now.chars;
        self.total.longest = self.total.longest.max(self.now.longest);
        Next::More
    }

    fn finish(&mut self, sys: &mut Sys<'_, '_>, failed: bool) -> u8 {
        if self.several {
            self.print(sys, self.total, "total");
        }
        u8::from(failed)
    }
}

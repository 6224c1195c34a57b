//! `head`

use std::collections::VecDeque;

use super::lines::fits;
use super::options::Syntax;
use super::{AnyFilter, Begun, Call, Filter, Next, numbers};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::text::encode;

const SYNTAX: Syntax = Syntax {
    short: "n:c:qv",
    long: &[("bytes", 'c'), ("lines", 'n'), ("quiet", 'q'), ("silent", 'q'), ("verbose", 'v')],
    usage: "[-n [-]N[bkm]] [-c [-]N[bkm]] [-qv] [FILE]...",
    status: 1,
};

/// `head` under way.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    count: usize,
    bytes: bool,
    /// All but the last so many.
    except: bool,
    headers: bool,
    first: bool,
    left: usize,
    /// Lines or bytes that may be among the last.
    held: VecDeque<Vec<u8>>,
    unread: usize,
}

/// `head`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let (legacy, rest) = match call.args.first().and_then(|a| a.strip_prefix('-')) {
        Some(n) if n.starts_with(|c: char| c.is_ascii_digit()) => (Some(n), &call.args[1..]),
        _ => (None, call.args),
    };
    let options = match call.options_of(rest, SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let last = options.given.iter().rev().find(|(c, _)| *c == 'n' || *c == 'c');
    let (bytes, text) = match (last, legacy) {
        (Some((c, text)), _) => (*c == 'c', text.as_str()),
        (None, Some(n)) => (false, n),
        (None, None) => (false, "10"),
    };
    let (except, digits) = text.strip_prefix('-').map_or((false, text), |d| (true, d));
    let Some(count) = numbers::size(digits) else { return call.bad_number(digits, 1) };
    let files = options.operands.clone();
    let head = Head {
        count: usize::try_from(count).unwrap_or(usize::MAX),
        bytes,
        except,
        headers: options.has('v') || files.len() > 1 && !options.has('q'),
        first: true,
        left: 0,
        held: VecDeque::new(),
        unread: 0,
    };
    Begun::filter(AnyFilter::Head(head), files)
}

/// `==> NAME <==`, after an empty line unless it is the first.
pub(super) fn header(name: &Str, first: bool) -> Vec<u8> {
    let gap = if first { "" } else { "\n" };
    let name = if name == "-" { "standard input" } else { name };
    encode(&format!("{gap}==> {name} <==\n"))
}

impl Head {
    /// Takes from `bytes` what still counts; the number of them.
    fn take(&mut self, bytes: &[u8]) -> usize {
        if self.bytes {
            let n = self.left.min(bytes.len());
            self.left -= n;
            return n;
        }
        for (i, &b) in bytes.iter().enumerate() {
            if b == b'\n' {
                self.left -= 1;
                if self.left == 0 {
                    return i + 1;
                }
            }
        }
        bytes.len()
    }

    /// Keeps the last ones back and prints what is pushed out.
    fn hold(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) {
        if self.bytes {
            let mut all = self.held.pop_back().unwrap_or_default();
            all.extend_from_slice(bytes);
            let sure = all.len().saturating_sub(self.count);
            sys.out(&all[..sure]);
            self.held.push_back(all.split_off(sure));
            return;
        }
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            match self.held.back_mut() {
                Some(last) if last.last() != Some(&b'\n') => last.extend_from_slice(piece),
                _ => self.held.push_back(piece.to_vec()),
            }
            if self.held.len() > self.count
                && let Some(line) = self.held.pop_front()
            {
                sys.out(&line);
            }
        }
    }
}

impl Filter for Head {
    fn open(&mut self, sys: &mut Sys<'_, '_>, name: &str) -> Next {
        if self.headers {
            sys.out(&header(&name.into(), self.first));
        }
        self.first = false;
        self.left = self.count;
        self.held.clear();
        if self.count == 0 && !self.except { Next::NextInput } else { Next::More }
    }

    fn data(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) -> Next {
        if self.except {
            let held: usize = self.held.iter().map(Vec::len).sum();
            if !fits(sys, held) {
                return Next::Stop;
            }
            self.hold(sys, bytes);
            return Next::More;
        }
        let n = self.take(bytes);
        sys.out(&bytes[..n]);
        self.unread = bytes.len() - n;
        if self.left == 0 { Next::NextInput } else { Next::More }
    }

    fn unread(&self) -> usize {
        self.unread
    }

    fn finish(&mut self, _: &mut Sys<'_, '_>, failed: bool) -> u8 {
        u8::from(failed)
    }
}

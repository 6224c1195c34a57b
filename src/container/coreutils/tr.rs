//! `tr`

use super::options::Syntax;
use super::{AnyFilter, Begun, Call, Filter, Next};
use crate::container::os::Sys;
use crate::container::text::encode;

const SYNTAX: Syntax = Syntax {
    short: "+cCds",
    long: &[("complement", 'c'), ("delete", 'd'), ("squeeze-repeats", 's')],
    usage: "[-cds] STRING1 [STRING2]",
    status: 1,
};

/// `tr` under way.
#[derive(Clone, Debug)]
pub(crate) struct Tr {
    map: Box<[u8; 256]>,
    deleted: Box<[bool; 256]>,
    squeezed: Box<[bool; 256]>,
    last: Option<u8>,
}

/// `tr`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let (delete, squeeze) = (options.has('d'), options.has('s'));
    let (first, second) = match &options.operands[..] {
        [first, second] => (set(&encode(first)), Some(set(&encode(second)))),
        [first] => (set(&encode(first)), None),
        _ => return call.usage(SYNTAX.usage, 1),
    };
    let first = if options.has('c') || options.has('C') {
        (0..=255).filter(|b| !first.contains(b)).collect()
    } else {
        first
    };
    let mut tr = Tr {
        map: Box::new(std::array::from_fn(|i| u8::try_from(i).unwrap_or(0))),
        deleted: Box::new([false; 256]),
        squeezed: Box::new([false; 256]),
        last: None,
    };
    if delete {
        first.iter().for_each(|&b| tr.deleted[usize::from(b)] = true);
    } else if let Some(second) = &second {
        let Some(&last) = second.last() else {
            call.err("STRING2 cannot be empty");
            return Begun::Exit(1);
        };
        for (i, &b) in first.iter().enumerate() {
            tr.map[usize::from(b)] = second.get(i).copied().unwrap_or(last);
        }
    }
    if squeeze {
        let of = second.as_ref().unwrap_or(&first);
        of.iter().for_each(|&b| tr.squeezed[usize::from(b)] = true);
    }
    Begun::filter(AnyFilter::Tr(tr), Vec::new())
}

/// The bytes that a string stands for: escapes, ranges, classes.
fn set(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'[' {
            if let Some((class, len)) = class(&text[at..]) {
                out.extend(class);
                at += len;
                continue;
            }
            if let Some([b'=', c, b'=', b']']) = text.get(at + 1..at + 5) {
                out.push(*c);
                at += 5;
                continue;
            }
        }
        let (low, len) = escaped(&text[at..]);
        at += len;
        if text.get(at) == Some(&b'-') && at + 1 < text.len() {
            let (high, len) = escaped(&text[at + 1..]);
            at += 1 + len;
            out.extend(low..=high);
        } else {
            out.push(low);
        }
    }
    out
}

/// A byte, perhaps written as an escape, and the length of it.
fn escaped(text: &[u8]) -> (u8, usize) {
    if text[0] != b'\\' || text.len() < 2 {
        return (text[0], 1);
    }
    let simple = match text[1] {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'0'..=b'7' => {
            let digits = text[1..].iter().take(3).take_while(|b| (b'0'..=b'7').contains(b));
            let (value, len) = digits
                .fold((0u8, 1), |(v, n), d| (v.wrapping_mul(8).wrapping_add(d - b'0'), n + 1));
            return (value, len);
        }
        other => other,
    };
    (simple, 2)
}

/// `[:alpha:]` and the length of it.
fn class(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let inner = text.strip_prefix(b"[:")?;
    let len = inner.windows(2).position(|w| w == b":]")?;
    let member: fn(&u8) -> bool = match &inner[..len] {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |b| *b == b' ' || *b == b'\t',
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |b| b.is_ascii_graphic() || *b == b' ',
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |b| matches!(b, b' ' | 9..=13),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    };
    Some(((0..=255).filter(member).collect(), len + 4))
}

impl Filter for Tr {
    fn data(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) -> Next {
        let mut out = Vec::with_capacity(bytes.len());
        for &b in bytes {
            if self.deleted[usize::from(b)] {
                continue;
            }
            let b = self.map[usize::from(b)];
            if self.squeezed[usize::from(b)] && self.last == Some(b) {
                continue;
            }
            self.last = Some(b);
            out.push(b);
        }
        sys.out(&out);
        Next::More
    }

    fn finish(&mut self, _: &mut Sys<'_, '_>, failed: bool) -> u8 {
        u8::from(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_name_sets_of_bytes() {
        let text = |s: &str| String::from_utf8(set(s.as_bytes())).unwrap();
        assert_eq!(text("a-e"), "abcde");
        assert_eq!(text("a-"), "a-");
        assert_eq!(text("[:digit:]x"), "0123456789x");
        assert_eq!(text("[a-c]"), "[abc]");
        assert_eq!(text("\\n\\101\\\\"), "\nA\\");
        assert_eq!(text("[=x=]"), "x");
    }
}

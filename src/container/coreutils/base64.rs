//! `base64` and `base32`

use super::lines::{Gather, Gathered};
use super::options::Syntax;
use super::{AnyFilter, Begun, Call};
use crate::container::os::Sys;

const SYNTAX: Syntax = Syntax {
    short: "dw:i",
    long: &[("decode", 'd'), ("ignore-garbage", 'i'), ("wrap", 'w')],
    usage: "[-d] [-w COL] [FILE]",
    status: 1,
};

const SIXTY_FOUR: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const THIRTY_TWO: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// `base64` and `base32`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    if options.operands.len() > 1 {
        return call.usage(SYNTAX.usage, 1);
    }
    if let Some(text) = options.value('w').filter(|w| w.parse::<usize>().is_err()) {
        return call.bad_number(text, 1);
    }
    let files = options.operands.clone();
    let gather = Gather::new(call.name, options, work);
    Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
}

fn work(tool: &mut Gathered, sys: &mut Sys<'_, '_>) -> u8 {
    if tool.failed {
        return 1;
    }
    let bytes = tool.joined();
    let (alphabet, bits): (&[u8], u32) =
        if tool.name == "base32" { (THIRTY_TWO, 5) } else { (SIXTY_FOUR, 6) };
    if tool.options.has('d') {
        let (out, whole) = decoded(&bytes, alphabet, bits);
        sys.out(&out);
        if !whole {
            sys.flush();
            tool.err(sys, "truncated input");
        }
        return u8::from(!whole);
    }
    let wrap = tool.options.value('w').and_then(|w| w.parse().ok()).unwrap_or(76);
    let text = encoded(&bytes, alphabet, bits);
    let mut out = Vec::with_capacity(text.len() + text.len() / 76 + 1);
    if wrap == 0 {
        out = text;
    } else {
        for line in text.chunks(wrap) {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    }
    sys.out(&out);
    0
}

fn encoded(bytes: &[u8], alphabet: &[u8], bits: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    let (mut held, mut have) = (0u32, 0);
    for &b in bytes {
        held = held << 8 | u32::from(b);
        have += 8;
        while have >= bits {
            have -= bits;
            out.push(digit(alphabet, held >> have, bits));
        }
    }
    if have > 0 {
        out.push(digit(alphabet, held << (bits - have), bits));
    }
    let group = if bits == 6 { 4 } else { 8 };
    while !out.len().is_multiple_of(group) {
        out.push(b'=');
    }
    out
}

fn digit(alphabet: &[u8], value: u32, bits: u32) -> u8 {
    alphabet[usize::try_from(value & ((1 << bits) - 1)).unwrap_or(0)]
}

/// The bytes of all whole groups, and whether nothing was left over. What is not of the alphabet is
/// passed over.
fn decoded(text: &[u8], alphabet: &[u8], bits: u32) -> (Vec<u8>, bool) {
    let group = if bits == 6 { 4 } else { 8 };
    let digits: Vec<Option<u32>> = text
        .iter()
        .filter(|b| **b == b'=' || alphabet.contains(b))
        .map(|b| alphabet.iter().position(|a| a == b).and_then(|v| u32::try_from(v).ok()))
        .collect();
    let mut out = Vec::new();
    let groups = digits.chunks_exact(group);
    let whole = groups.remainder().is_empty();
    for group in groups {
        let (mut held, mut have) = (0u32, 0);
        for value in group.iter().flatten() {
            held = (held << bits | value) & 0xffff;
            have += bits;
            if have >= 8 {
                have -= 8;
                out.push(u8::try_from(held >> have & 0xff).unwrap_or(0));
            }
        }
    }
    (out, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back() {
        assert_eq!(encoded(b"hello", SIXTY_FOUR, 6), b"aGVsbG8=");
        assert_eq!(encoded(b"hello", THIRTY_TWO, 5), b"NBSWY3DP");
        assert_eq!(decoded(b"aGVs\nbG8=", SIXTY_FOUR, 6), (b"hello".to_vec(), true));
        assert_eq!(decoded(b"aGVsb", SIXTY_FOUR, 6), (b"hel".to_vec(), false));
        assert_eq!(decoded(b"NBSWY3DP", THIRTY_TWO, 5), (b"hello".to_vec(), true));
    }
}

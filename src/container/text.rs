//! Bytes as text and back without loss.
//!
//! Programs exchange bytes; the shell and the tools are easier to read and write over `str`. Bytes
//! that are not UTF-8 become private-use characters, one each, and become the same bytes again on
//! their way out.

use std::fmt::Write as _;

/// The character that stands for byte 0x80; the others follow in order (plane 16, private use).
const ESCAPE: u32 = 0x10_FF00;

/// Text for any bytes; [`encode`] gives the same bytes again.
pub(crate) fn decode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|&b| byte_char(b)));
    }
    out
}

/// The character for one byte: itself in ASCII, a private-use one above.
pub(crate) fn byte_char(b: u8) -> char {
    if b < 0x80 {
        char::from(b)
    } else {
        char::from_u32(ESCAPE + u32::from(b) - 0x80).expect("a private-use character")
    }
}

/// The byte that a character of [`byte_char`] stands for above ASCII.
pub(crate) fn escaped_byte(c: char) -> Option<u8> {
    let offset = u32::from(c).checked_sub(ESCAPE)?;
    u8::try_from(offset + 0x80).ok()
}

/// The bytes of a text.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut start = 0;
    for (i, c) in text.char_indices() {
        if let Some(b) = escaped_byte(c) {
            out.extend_from_slice(&text.as_bytes()[start..i]);
            out.push(b);
            start = i + c.len_utf8();
        }
    }
    out.extend_from_slice(&text.as_bytes()[start..]);
    out
}

/// Joins single escaped bytes that together are UTF-8 again (`$'\xc3\xa9'`).
pub(crate) fn rejoin(text: &str) -> String {
    if text.chars().any(|c| escaped_byte(c).is_some()) {
        decode(&encode(text))
    } else {
        text.to_owned()
    }
}

/// The number of bytes that a text stands for: what the C locale calls its length.
pub(crate) fn byte_len(text: &str) -> usize {
    text.chars().map(|c| if escaped_byte(c).is_some() { 1 } else { c.len_utf8() }).sum()
}

/// Appends a number or anything else that prints.
pub(crate) fn push(out: &mut String, what: impl std::fmt::Display) {
    write!(out, "{what}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(encode(&decode(&all)), all);
        assert_eq!(encode(&decode("é\u{10FF00}".as_bytes())).len(), 3);
        assert_eq!(decode("é".as_bytes()), "é");
        let bytes: String = [0xc3, 0xa9].into_iter().map(byte_char).collect();
        assert_eq!(rejoin(&bytes), "é");
        assert_eq!(byte_len("é"), 2);
    }
}

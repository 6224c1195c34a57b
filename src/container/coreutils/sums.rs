//! Sums over bytes: `md5sum`, `sha1sum`, `sha256sum`, `sha512sum`, `cksum`, `sum`, `crc32`.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::lines::{Gather, Gathered, split_lines};
use super::options::Syntax;
use super::{AnyFilter, Begun, Call};
use crate::base::Str;
use crate::container::fs::Errno;
use crate::container::os::Sys;
use crate::container::text::{encode, push};

const SYNTAX: Syntax = Syntax {
    short: "cbtsw",
    long: &[
        ("binary", 'b'),
        ("check", 'c'),
        ("quiet", 'q'),
        ("status", 's'),
        ("text", 't'),
        ("warn", 'w'),
    ],
    usage: "[-c[sw]] [FILE]...",
    status: 1,
};

/// `md5sum` and its kin
pub(super) fn digest(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mut files = options.operands.clone();
    if files.is_empty() {
        files.push("-".into());
    }
    let work = if options.has('c') { check } else { print };
    let gather = Gather::new(call.name, options, work)
        .complaining(|name, e: Errno| format!("can't open '{name}': {e}"));
    Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
}

/// The sum of some bytes as hexadecimal digits.
fn hex(tool: &str, bytes: &[u8]) -> String {
    let sum: Vec<u8> = match tool {
        "md5sum" => Md5::digest(bytes).to_vec(),
        "sha1sum" => Sha1::digest(bytes).to_vec(),
        "sha512sum" => Sha512::digest(bytes).to_vec(),
        _ => Sha256::digest(bytes).to_vec(),
    };
    let mut out = String::with_capacity(sum.len() * 2);
    for byte in sum {
        push(&mut out, format_args!("{byte:02x}"));
    }
    out
}

fn print(tool: &mut Gathered, sys: &mut Sys<'_, '_>) -> u8 {
    let mut out = String::new();
    for input in &tool.inputs {
        push(&mut out, format_args!("{}  {}\n", hex(&tool.name, &input.bytes), input.name));
    }
    sys.out(&encode(&out));
    u8::from(tool.failed)
}

/// `-c`: the inputs are lists of sums.
fn check(tool: &mut Gathered, sys: &mut Sys<'_, '_>) -> u8 {
    let quiet = tool.options.has('s');
    let (mut wrong, mut total, mut status) = (0, 0, u8::from(tool.failed));
    for input in std::mem::take(&mut tool.inputs) {
        for line in split_lines(&input.bytes) {
            let text = crate::container::text::decode(line);
            let Some((sum, name)) = text.split_once("  ").or_else(|| text.split_once(" *")) else {
                if tool.options.has('w') {
                    tool.err(sys, "invalid format");
                }
                continue;
            };
            total += 1;
            let found = sys.content(name);
            let holds = found.as_ref().is_ok_and(|bytes| hex(&tool.name, bytes) == sum);
            if let Err(e) = found {
                tool.err(sys, &format!("can't open '{name}': {e}"));
            }
            if !holds {
                wrong += 1;
                status = 1;
            }
            if !quiet && !(holds && tool.options.has('q')) {
                let result = if holds { "OK" } else { "FAILED" };
                sys.out(&encode(&format!("{name}: {result}\n")));
            }
        }
    }
    if wrong > 0 && !quiet {
        tool.err(sys, &format!("WARNING: {wrong} of {total} computed checksums did NOT match"));
    }
    status
}

/// `cksum`, `crc32`
pub(super) fn cksum(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax { short: "", long: &[], usage: "[FILE]...", status: 1 };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let files = options.operands.clone();
    let gather = Gather::new(call.name, options, |tool, sys| {
        let mut out = String::new();
        for input in &tool.inputs {
            let name = named(&input.name, tool.options.operands.is_empty());
            if tool.name == "crc32" {
                push(&mut out, format_args!("{:08x}{name}\n", crc(&input.bytes, false)));
            } else {
                let sum = crc(&input.bytes, true);
                push(&mut out, format_args!("{sum} {}{name}\n", input.bytes.len()));
            }
        }
        sys.out(&encode(&out));
        u8::from(tool.failed)
    });
    Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
}

fn named(name: &Str, unnamed: bool) -> String {
    if unnamed { String::new() } else { format!(" {name}") }
}

/// The CRC of zip and gzip.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    crc(bytes, false)
}

/// The CRC of POSIX (most significant bit first, with the length), or that of zip.
fn crc(bytes: &[u8], posix: bool) -> u32 {
    if !posix {
        return !bytes.iter().fold(!0u32, |crc, &b| {
            (0..8)
                .fold(crc ^ u32::from(b), |c, _| c >> 1 ^ if c & 1 == 1 { 0xedb8_8320 } else { 0 })
        });
    }
    let step = |crc: u32, b: u8| {
        (0..8).fold(crc ^ u32::from(b) << 24, |c, _| {
            c << 1 ^ if c >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    };
    let mut sum = bytes.iter().fold(0, |crc, &b| step(crc, b));
    let mut len = bytes.len();
    while len > 0 {
        sum = step(sum, u8::try_from(len & 0xff).unwrap_or(0));
        len >>= 8;
    }
    !sum
}

/// `sum`: the rotating sum of BSD, or that of System V with `-s`.
pub(super) fn sum(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax { short: "rs", long: &[], usage: "[-rs] [FILE]...", status: 1 };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let files = options.operands.clone();
    let gather = Gather::new(call.name, options, |tool, sys| {
        let mut out = String::new();
        for input in &tool.inputs {
            let name = named(&input.name, tool.options.operands.len() < 2);
            if tool.options.has('s') {
                let total = input.bytes.iter().fold(0u32, |s, &b| s.wrapping_add(u32::from(b)));
                let folded = (total & 0xffff) + (total >> 16);
                let sum = (folded & 0xffff) + (folded >> 16);
                push(&mut out, format_args!("{sum} {}{name}\n", input.bytes.len().div_ceil(512)));
            } else {
                let sum = input
                    .bytes
                    .iter()
                    .fold(0u32, |s, &b| ((s >> 1) + ((s & 1) << 15) + u32::from(b)) & 0xffff);
                let blocks = input.bytes.len().div_ceil(1024);
                push(&mut out, format_args!("{sum:05} {blocks:5}{name}\n"));
            }
        }
        sys.out(&encode(&out));
        u8::from(tool.failed)
    });
    Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_the_known_ones() {
        assert_eq!(hex("md5sum", b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex("sha1sum", b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(hex("sha256sum", b"abc").starts_with("ba7816bf8f01cfea"));
        assert!(hex("sha512sum", b"abc").starts_with("ddaf35a193617aba"));
        assert_eq!(crc(b"123456789", true), 930_766_865);
        assert_eq!(crc(b"123456789", false), 0xcbf4_3926);
    }
}

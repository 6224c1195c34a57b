//! `gzip`, `gunzip`, `zcat`: RFC 1952 around deflate.
//!
//! The compression is `miniz_oxide`'s, whose functions work on bytes in memory and take a bound for what comes out, so
//! that a small file that unpacks to gigabytes ends with an error. Compressed bytes are right, though not those that
//! busybox would choose.

use super::lines::{Gather, Gathered};
use super::options::{Options, Syntax};
use super::sums::crc32;
use super::{AnyFilter, Begun, Call};
use crate::base::Str;
use crate::container::fs::Errno;
use crate::container::os::{Change, Sys};

/// The first two bytes.
const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Flags of the header: what fields follow it.
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const HEADER_CRC: u8 = 2;

/// Bytes as a gzip file.
pub(super) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![MAGIC[0], MAGIC[1], 8, 0, 0, 0, 0, 0, 0, 3];
    out.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
    out.extend(crc32(bytes).to_le_bytes());
    let length = u32::try_from(bytes.len() & 0xffff_ffff).unwrap_or(0);
    out.extend(length.to_le_bytes());
    out
}

/// What a gzip file holds, all its members one after the other; at most `bound` bytes.
pub(super) fn unpacked(bytes: &[u8], bound: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = bytes;
    loop {
        let body = header(rest)?;
        let room = bound.saturating_sub(out.len());
        let content =
            miniz_oxide::inflate::decompress_to_vec_with_limit(body, room).map_err(|e| {
                if e.status == miniz_oxide::inflate::TINFLStatus::HasMoreOutput {
                    format!("more than {bound} bytes (memory_bytes)")
                } else {
                    "corrupted data".to_owned()
                }
            })?;
        let used = length_of(body).ok_or("corrupted data")?;
        let trailer = body.get(used..used + 8).ok_or("unexpected end of file")?;
        let sum = u32::from_le_bytes(trailer[..4].try_into().unwrap_or_default());
        if sum != crc32(&content) {
            return Err("crc error".to_owned());
        }
        out.extend(content);
        rest = &body[used + 8..];
        if !rest.starts_with(&MAGIC) {
            return Ok(out);
        }
    }
}

/// How many bytes a deflate stream has.
fn length_of(body: &[u8]) -> Option<usize> {
    use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
    let mut state = Box::new(DecompressorOxide::new());
    let mut window = vec![0; 1 << 16];
    let (mut read, mut at) = (0, 0);
    loop {
        let (status, used, written) = decompress(
            &mut state,
            &body[read..],
            &mut window,
            at,
            inflate_flags::TINFL_FLAG_IGNORE_ADLER32,
        );
        read += used;
        at = (at + written) & (window.len() - 1);
        match status {
            miniz_oxide::inflate::TINFLStatus::Done => return Some(read),
            miniz_oxide::inflate::TINFLStatus::HasMoreOutput => {}
            _ => return None,
        }
    }
}

/// The bytes after the header.
fn header(bytes: &[u8]) -> Result<&[u8], String> {
    if !bytes.starts_with(&MAGIC) {
        return Err("invalid magic".to_owned());
    }
    let short = || "unexpected end of file".to_owned();
    let flags = *bytes.get(3).ok_or_else(short)?;
    let mut rest = bytes.get(10..).ok_or_else(short)?;
    if flags & EXTRA != 0 {
        let [low, high, ..] = *rest else { return Err(short()) };
        rest = rest.get(2 + usize::from(u16::from_le_bytes([low, high]))..).ok_or_else(short)?;
    }
    for field in [NAME, COMMENT] {
        if flags & field != 0 {
            let end = rest.iter().position(|&b| b == 0).ok_or_else(short)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & HEADER_CRC != 0 {
        rest = rest.get(2..).ok_or_else(short)?;
    }
    Ok(rest)
}

const SYNTAX: Syntax = Syntax {
    short: "cfkdtvqn123456789",
    long: &[
        ("stdout", 'c'),
        ("to-stdout", 'c'),
        ("force", 'f'),
        ("keep", 'k'),
        ("decompress", 'd'),
        ("uncompress", 'd'),
        ("test", 't'),
        ("verbose", 'v'),
        ("quiet", 'q'),
        ("no-name", 'n'),
        ("fast", '1'),
        ("best", '9'),
    ],
    usage: "[-cfkdt123456789] [FILE]...",
    status: 1,
};

/// `gzip`, `gunzip`, `zcat`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let implied = match call.name {
        "gunzip" => "d",
        "zcat" => "dc",
        _ => "",
    };
    options.given.extend(implied.chars().map(|c| (c, Str::default())));
    let files = options.operands.clone();
    if files.is_empty() || files.iter().any(|f| f == "-") || options.has('c') {
        let gather = Gather::new(call.name, options, stream);
        return Begun::filter(AnyFilter::Gather(Box::new(gather)), files);
    }
    let mut status = 0;
    for file in &files {
        if let Err(why) = in_place(call.sys, file, &options) {
            call.err(&why);
            status = 1;
        }
    }
    Begun::Exit(status)
}

fn stream(tool: &mut Gathered, sys: &mut Sys<'_, '_>) -> u8 {
    let mut status = u8::from(tool.failed);
    for input in std::mem::take(&mut tool.inputs) {
        sys.heavy_work(input.bytes.len() / 256);
        match changed(sys, &input.bytes, &tool.options) {
            Ok(bytes) if tool.options.has('t') => drop(bytes),
            Ok(bytes) => {
                sys.heavy_work(bytes.len() / 256);
                sys.out(&bytes);
            }
            Err(why) => {
                sys.flush();
                tool.err(sys, &why);
                status = 1;
            }
        }
    }
    status
}

fn changed(sys: &Sys<'_, '_>, bytes: &[u8], options: &Options) -> Result<Vec<u8>, String> {
    if options.has('d') || options.has('t') {
        unpacked(bytes, sys.os.limits.memory_bytes)
    } else {
        Ok(packed(bytes))
    }
}

/// Puts another file in the place of one.
fn in_place(sys: &mut Sys<'_, '_>, file: &str, options: &Options) -> Result<(), String> {
    let stat = sys.stat(file, true).map_err(|e| format!("{file}: {e}"))?;
    if stat.kind == 'd' {
        return Err(format!("{file}: {}", Errno::IsDir));
    }
    let content = sys.content(file).map_err(|e| format!("{file}: {e}"))?;
    sys.heavy_work(content.len() / 256);
    if options.has('t') {
        return changed(sys, &content, options).map(drop);
    }
    let target = if options.has('d') {
        let name = file.strip_suffix(".gz").map(str::to_owned);
        let name = name.or_else(|| file.strip_suffix(".tgz").map(|stem| format!("{stem}.tar")));
        name.ok_or_else(|| format!("{file}: unknown suffix - ignored"))?
    } else {
        format!("{file}.gz")
    };
    if sys.stat(&target, false).is_ok() && !options.has('f') {
        return Err(format!("can't open '{target}': {}", Errno::Exists));
    }
    let bytes = changed(sys, &content, options)?;
    sys.put(&target, &bytes).map_err(|e| format!("{target}: {e}"))?;
    // The file was just written.
    let _mode = sys.change(&target, true, Change::Mode(stat.mode));
    if !options.has('k') {
        sys.unlink(file, false).map_err(|e| format!("{file}: {e}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_unpacks_to_the_same() {
        let text = b"hello hello hello\n".repeat(1000);
        let small = packed(&text);
        assert!(small.len() < text.len() / 10);
        assert_eq!(unpacked(&small, 1 << 20), Ok(text.clone()));
        let twice = [packed(b"a"), packed(b"b")].concat();
        assert_eq!(unpacked(&twice, 100), Ok(b"ab".to_vec()));
    }

    #[test]
    fn a_bomb_and_broken_bytes_are_errors() {
        let bomb = packed(&vec![0; 1 << 20]);
        assert_eq!(unpacked(&bomb, 1000), Err("more than 1000 bytes (memory_bytes)".to_owned()));
        assert_eq!(unpacked(b"x", 10), Err("invalid magic".to_owned()));
        let mut broken = packed(b"hello");
        for at in 2..broken.len() {
            broken[at] ^= 0xff;
            drop(unpacked(&broken, 100));
            drop(unpacked(&broken[..at], 100));
        }
    }
}

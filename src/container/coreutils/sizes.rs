//! What is known of files and file systems: `stat`, `du`, `df`.

use super::ls::{human, mode_text, name_of};
use super::options::Syntax;
use super::{Begun, Call};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::fs::Stat;
use crate::container::text::push;

const STAT: Syntax = Syntax {
    short: "ftLc:",
    long: &[("dereference", 'L'), ("file-system", 'f'), ("format", 'c'), ("terse", 't')],
    usage: "[-ltf] [-c FMT] FILE...",
    status: 1,
};

/// The blocks of 512 bytes that a file takes.
const fn blocks(stat: &Stat) -> u64 {
    stat.size.div_ceil(4096) * 8
}

/// `stat`
pub(super) fn stat(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(STAT) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    if options.operands.is_empty() {
        return call.usage(STAT.usage, 1);
    }
    let mut status = 0;
    for file in &options.operands {
        let found = call.sys.stat(file, options.has('L'));
        let stat = match found {
            Ok(stat) => stat,
            Err(e) => {
                let what =
                    if options.has('f') { "read file system information for" } else { "stat" };
                call.err(&format!("can't {what} '{file}': {e}"));
                status = 1;
                continue;
            }
        };
        let text = match (options.value('c'), options.has('f'), options.has('t')) {
            (Some(format), true, _) => format!("{}\n", of_system(format, file)),
            (Some(format), false, _) => format!("{}\n", formatted(call, format, file, &stat)),
            (None, true, _) => of_system(
                "  File: \"%n\"\n    ID: %i Namelen: %l     Type: %T\nBlock size: %s      \nBlocks: Total: %b   Free: %f   Available: %a\nInodes: Total: %c   Free: %d\n",
                file,
            ),
            (None, false, true) => {
                formatted(call, "%n %s %b %f %u %g %D %i %h %t %T %X %Y %Z %o\n", file, &stat)
            }
            (None, false, false) => long(call, file, &stat),
        };
        call.out(&text);
    }
    Begun::Exit(status)
}

fn long(call: &mut Call<'_, '_, '_>, file: &Str, stat: &Stat) -> String {
    let name = if stat.kind == 'l' { "%N" } else { "%n" };
    let format = format!(
        "  File: {name}\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\nDevice: %Dh/%dd\tInode: %-10i  Links: %h\nAccess: (%04a/%A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\nAccess: %x\nModify: %y\nChange: %z\n"
    );
    formatted(call, &format, file, stat)
}

/// Whole seconds since the epoch.
fn seconds(at: SimTime) -> u64 {
    at.since(SimTime::ZERO).as_secs()
}

fn moment(at: SimTime) -> String {
    let nanos = at.since(SimTime::ZERO).subsec_nanos();
    format!("{}.{nanos:09} +0000", super::date::at("%Y-%m-%d %H:%M:%S", at))
}

fn kind(stat: &Stat) -> &'static str {
    match stat.kind {
        'd' => "directory",
        'l' => "symbolic link",
        'p' => "fifo",
        'c' => "character special file",
        's' => "socket",
        _ if stat.size == 0 => "regular empty file",
        _ => "regular file",
    }
}

fn formatted(call: &mut Call<'_, '_, '_>, format: &str, file: &Str, stat: &Stat) -> String {
    let bits = match stat.kind {
        'd' => 0o040_000,
        'l' => 0o120_000,
        'p' => 0o010_000,
        'c' => 0o020_000,
        's' => 0o140_000,
        _ => 0o100_000,
    };
    each(format, |letter| {
        Some(match letter {
            'a' => format!("{:o}", stat.mode & 0o7777),
            'A' => mode_text(stat),
            'b' => blocks(stat).to_string(),
            'B' => "512".to_owned(),
            'd' => "64".to_owned(),
            'D' => "40".to_owned(),
            'f' => format!("{:x}", bits | u32::from(stat.mode)),
            'F' => kind(stat).to_owned(),
            'g' => stat.gid.to_string(),
            'G' => owner(call, stat.gid, false),
            'h' => stat.links.to_string(),
            'i' => stat.id.ino.0.to_string(),
            'm' => "/".to_owned(),
            'n' => file.to_string(),
            'N' => match call.sys.read_link(file) {
                Ok(to) if stat.kind == 'l' => format!("'{file}' -> '{to}'"),
                _ => file.to_string(),
            },
            'o' => "4096".to_owned(),
            's' => stat.size.to_string(),
            't' | 'T' => "0".to_owned(),
            'u' => stat.uid.to_string(),
            'U' => owner(call, stat.uid, true),
            'x' | 'y' => moment(stat.mtime),
            'z' => moment(stat.ctime),
            'X' | 'Y' => seconds(stat.mtime).to_string(),
            'Z' => seconds(stat.ctime).to_string(),
            'w' => "-".to_owned(),
            'W' => "0".to_owned(),
            _ => return None,
        })
    })
}

/// The name of an owner, or `UNKNOWN`.
fn owner(call: &mut Call<'_, '_, '_>, id: u32, user: bool) -> String {
    let name = name_of(call, id, false, user);
    if name == id.to_string() { "UNKNOWN".to_owned() } else { name }
}

fn of_system(format: &str, file: &Str) -> String {
    each(format, |letter| {
        Some(match letter {
            'n' => file.to_string(),
            'i' => "0".to_owned(),
            'l' => "255".to_owned(),
            't' => "794c7630".to_owned(),
            'T' => "overlayfs".to_owned(),
            'b' => (DISK_KIB / 4).to_string(),
            'f' | 'a' => (DISK_KIB / 8).to_string(),
            's' | 'S' => "4096".to_owned(),
            'c' => "6553600".to_owned(),
            'd' => "6000000".to_owned(),
            _ => return None,
        })
    })
}

/// Goes over a format with its widths; a letter that is not known stands as it is.
fn each(format: &str, mut value: impl FnMut(char) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let spec = &rest[at + 1..];
        let len = spec.bytes().take_while(|b| matches!(b, b'-' | b'0'..=b'9')).count();
        let Some(letter) = spec[len..].chars().next() else {
            out.push_str(&rest[at..]);
            return out;
        };
        rest = &spec[len + letter.len_utf8()..];
        let flags = &spec[..len];
        let width: usize = flags.trim_start_matches('-').parse().unwrap_or(0).min(1000);
        match value(letter) {
            _ if letter == '%' => out.push('%'),
            Some(text) if flags.starts_with('-') => push(&mut out, format_args!("{text:<width$}")),
            Some(text) if flags.starts_with('0') => push(&mut out, format_args!("{text:0>width$}")),
            Some(text) => push(&mut out, format_args!("{text:>width$}")),
            None => out.push(letter),
        }
    }
    out.push_str(rest);
    out
}

const DU: Syntax = Syntax {
    short: "aHLd:clsxhmkb",
    long: &[
        ("all", 'a'),
        ("apparent-size", 'A'),
        ("bytes", 'b'),
        ("human-readable", 'h'),
        ("max-depth", 'd'),
        ("summarize", 's'),
        ("total", 'c'),
    ],
    usage: "[-aHLdclsxhmk] [FILE]...",
    status: 1,
};

/// `du`
pub(super) fn du(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(DU) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mut roots = options.operands.clone();
    if roots.is_empty() {
        roots.push(".".into());
    }
    let limit =
        if options.has('s') { Some(0) } else { options.value('d').and_then(|d| d.parse().ok()) };
    let unit = options.given.iter().rev().map(|(c, _)| *c).find(|c| "hmkb".contains(*c));
    let mut sum = Sum {
        all: options.has('a'),
        limit: limit.unwrap_or(usize::MAX),
        unit: unit.unwrap_or('k'),
        follow: options.has('L'),
        seen: Vec::new(),
        out: String::new(),
        status: 0,
    };
    let mut total = 0;
    for root in &roots {
        total += sum.tree(call, root, 0);
    }
    if options.has('c') {
        sum.line(total, "total");
    }
    call.out(&sum.out);
    Begun::Exit(sum.status)
}

struct Sum {
    all: bool,
    limit: usize,
    unit: char,
    follow: bool,
    seen: Vec<crate::container::fs::NodeId>,
    out: String,
    status: u8,
}

impl Sum {
    fn line(&mut self, bytes: u64, name: &str) {
        let size = match self.unit {
            'h' => human(bytes),
            'm' => bytes.div_ceil(1 << 20).to_string(),
            'b' => bytes.to_string(),
            _ => bytes.div_ceil(1024).to_string(),
        };
        push(&mut self.out, format_args!("{size}\t{name}\n"));
    }

    fn tree(&mut self, call: &mut Call<'_, '_, '_>, path: &str, depth: usize) -> u64 {
        call.sys.work(1);
        let stat = match call.sys.stat(path, self.follow || depth == 0) {
            Ok(stat) => stat,
            Err(e) => {
                call.err(&format!("{path}: {e}"));
                self.status = 1;
                return 0;
            }
        };
        if stat.links > 1 && stat.kind != 'd' {
            if self.seen.contains(&stat.id) {
                return 0;
            }
            self.seen.push(stat.id);
        }
        let own = if self.unit == 'b' { stat.size } else { blocks(&stat) * 512 };
        let mut bytes = if stat.kind == 'd' && self.unit != 'b' { 4096 } else { own };
        if stat.kind == 'd' && depth < 100 {
            for name in call.sys.list(path).unwrap_or_default() {
                let below = format!("{}/{name}", path.trim_end_matches('/'));
                bytes += self.tree(call, &below, depth + 1);
            }
        }
        if depth <= self.limit && (stat.kind == 'd' || self.all || depth == 0) {
            self.line(bytes, path);
        }
        bytes
    }
}

const DF: Syntax = Syntax {
    short: "PkmhTaiB:t:",
    long: &[("human-readable", 'h'), ("inodes", 'i'), ("portability", 'P'), ("print-type", 'T')],
    usage: "[-PkmhTai] [-B SIZE] [-t TYPE] [FILESYSTEM]...",
    status: 1,
};

/// The disk of a node, in KiB; half of it is taken to be used.
const DISK_KIB: u64 = 100 << 20;

/// `df`
pub(super) fn df(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(DF) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mut status = 0;
    let mut shown = options.operands.is_empty();
    for file in &options.operands {
        match call.sys.stat(file, true) {
            Ok(_) => shown = true,
            Err(e) => {
                call.err(&format!("{file}: can't find mount point: {e}"));
                status = 1;
            }
        }
    }
    if !shown {
        return Begun::Exit(status);
    }
    let size = |kib: u64| {
        if options.has('h') {
            human(kib * 1024)
        } else if options.has('m') {
            (kib >> 10).to_string()
        } else {
            kib.to_string()
        }
    };
    let head = match (options.has('i'), options.has('h'), options.has('m'), options.has('P')) {
        (true, ..) => "   Inodes      Used Available Use%",
        (_, true, ..) => "     Size      Used Available Use%",
        (_, _, true, _) => "1M-blocks      Used Available Use%",
        (_, _, _, true) => "1024-blocks    Used Available Capacity",
        _ => "1K-blocks      Used Available Use%",
    };
    let (kind_head, kind) =
        if options.has('T') { ("Type       ", "overlay    ") } else { ("", "") };
    let mut out = format!("Filesystem           {kind_head}{head} Mounted on\n");
    let (total, used) = if options.has('i') {
        ("6553600".to_owned(), "553600".to_owned())
    } else {
        (size(DISK_KIB), size(DISK_KIB / 2))
    };
    let (free, percent) =
        if options.has('i') { ("6000000".to_owned(), 8) } else { (size(DISK_KIB / 2), 50) };
    push(
        &mut out,
        format_args!("{:<20} {kind}{total:>9} {used:>9} {free:>9} {percent:3}% /\n", "overlay"),
    );
    call.out(&out);
    Begun::Exit(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_widths() {
        let text = |format: &str| each(format, |c| (c == 's').then(|| "5".to_owned()));
        assert_eq!(text("%s|%-4s|%4s|%04s|%%|%q"), "5|5   |   5|0005|%|q");
    }
}

//! `ls`, with busybox' options that scripts use.

use super::{Begun, Call};
use crate::base::Str;
use crate::container::fs::Stat;
use crate::container::text::push;

const USAGE: &str = "[-1AaCxdLHRFplinshrSXvctu] [-w WIDTH] [FILE]...";

#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct Options {
    all: bool,
    almost: bool,
    long: bool,
    inode: bool,
    numeric: bool,
    directory: bool,
    recursive: bool,
    reverse: bool,
    classify: bool,
    slash: bool,
    human: bool,
    blocks: bool,
    follow: bool,
    full_time: bool,
    sort: Order,
    columns: Columns,
}

/// How names stand beside each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Columns {
    #[default]
    One,
    Down,
    Across,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Name,
    Time,
    Size,
    Extension,
    None,
}

struct Entry {
    shown: String,
    path: String,
    stat: Stat,
}

/// `ls`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut options = Options::default();
    let mut files: Vec<Str> = Vec::new();
    let mut only_files = false;
    for arg in call.args {
        if only_files || arg == "-" || !arg.starts_with('-') {
            files.push(arg.clone());
            continue;
        }
        match arg.as_str() {
            "--" => only_files = true,
            "--full-time" => (options.long, options.full_time) = (true, true),
            a if a.starts_with("--color") || a.starts_with("--group") => {}
            _ => {
                for letter in arg[1..].chars() {
                    if !set(&mut options, letter) {
                        return call.bad_option(letter, USAGE, 1);
                    }
                }
            }
        }
    }
    if files.is_empty() {
        files.push(".".into());
    }
    let mut status = 0;
    let (mut plain, mut dirs) = (Vec::new(), Vec::new());
    for file in &files {
        let follow = !options.long || options.follow;
        let stat = call.sys.stat(file, follow).or_else(|_| call.sys.stat(file, false));
        match stat {
            Ok(stat) => {
                let entry = Entry { shown: file.to_string(), path: file.to_string(), stat };
                if entry.stat.kind == 'd' && !options.directory {
                    dirs.push(entry)
                } else {
                    plain.push(entry)
                }
            }
            Err(e) => {
                call.err(&format!("{file}: {e}"));
                status = 1;
            }
        }
    }
    sort(&mut plain, options);
    sort(&mut dirs, options);
    print(call, &plain, options, false);
    let heads = files.len() > 1 || options.recursive;
    let mut first = plain.is_empty();
    for dir in dirs {
        list(call, &dir, options, heads, &mut first, &mut status, 0);
    }
    Begun::Exit(status)
}

fn set(options: &mut Options, letter: char) -> bool {
    match letter {
        'a' => options.all = true,
        'A' => options.almost = true,
        'l' => options.long = true,
        'n' => (options.long, options.numeric) = (true, true),
        'g' | 'o' => options.long = true,
        'i' => options.inode = true,
        'd' => options.directory = true,
        'R' => options.recursive = true,
        'r' => options.reverse = true,
        'F' => options.classify = true,
        'p' => options.slash = true,
        'h' => options.human = true,
        's' => options.blocks = true,
        'L' | 'H' => options.follow = true,
        't' => options.sort = Order::Time,
        'S' => options.sort = Order::Size,
        'X' => options.sort = Order::Extension,
        'U' | 'f' => options.sort = Order::None,
        'C' => options.columns = Columns::Down,
        'x' => options.columns = Columns::Across,
        '1' => options.columns = Columns::One,
        'e' | 'c' | 'u' | 'k' | 'q' | 'v' => {}
        _ => return false,
    }
    true
}

fn sort(entries: &mut [Entry], options: Options) {
    let extension =
        |e: &Entry| e.shown.rsplit_once('.').map_or(String::new(), |(_, x)| x.to_owned());
    match options.sort {
        Order::None => return,
        Order::Name => entries.sort_by(|a, b| a.shown.cmp(&b.shown)),
        Order::Time => entries
            .sort_by(|a, b| b.stat.mtime.cmp(&a.stat.mtime).then_with(|| a.shown.cmp(&b.shown))),
        Order::Size => entries
            .sort_by(|a, b| b.stat.size.cmp(&a.stat.size).then_with(|| a.shown.cmp(&b.shown))),
        Order::Extension => entries
            .sort_by(|a, b| extension(a).cmp(&extension(b)).then_with(|| a.shown.cmp(&b.shown))),
    }
    if options.reverse {
        entries.reverse();
    }
}

/// Directories below one that `-R` goes into.
const MAX_DEPTH: usize = 100;

fn list(
    call: &mut Call<'_, '_, '_>,
    dir: &Entry,
    options: Options,
    heads: bool,
    first: &mut bool,
    status: &mut u8,
    depth: usize,
) {
    let names = match call.sys.list(&dir.path) {
        Ok(names) => names,
        Err(e) => {
            call.err(&format!("can't open '{}': {e}", dir.path));
            *status = 1;
            return;
        }
    };
    if heads {
        let gap = if *first { "" } else { "\n" };
        call.out(&format!("{gap}{}:\n", dir.path));
    }
    *first = false;
    let mut entries = Vec::new();
    let dots = if options.all { vec![Str::from("."), Str::from("..")] } else { Vec::new() };
    for name in dots.into_iter().chain(names) {
        if name.starts_with('.') && !options.all && !options.almost {
            continue;
        }
        let path = if dir.path.ends_with('/') {
            format!("{}{name}", dir.path)
        } else {
            format!("{}/{name}", dir.path)
        };
        let Ok(stat) =
            call.sys.stat(&path, options.follow).or_else(|_| call.sys.stat(&path, false))
        else {
            continue;
        };
        entries.push(Entry { shown: name.to_string(), path, stat });
    }
    sort(&mut entries, options);
    call.sys.work(entries.len());
    print(call, &entries, options, true);
    if options.recursive && depth < MAX_DEPTH {
        for entry in
            entries.iter().filter(|e| e.stat.kind == 'd' && e.shown != "." && e.shown != "..")
        {
            list(call, entry, options, heads, first, status, depth + 1);
        }
    }
}

fn blocks(stat: &Stat) -> u64 {
    stat.size.div_ceil(4096) * 4
}

fn print(call: &mut Call<'_, '_, '_>, entries: &[Entry], options: Options, total: bool) {
    let mut out = String::new();
    if total && (options.long || options.blocks) {
        push(
            &mut out,
            format_args!("total {}\n", entries.iter().map(|e| blocks(&e.stat)).sum::<u64>()),
        );
    }
    for entry in entries {
        if options.inode {
            push(&mut out, format_args!("{:7} ", entry.stat.id.ino.0));
        }
        if options.blocks {
            push(&mut out, format_args!("{:6} ", blocks(&entry.stat)));
        }
        if options.long {
            long(call, entry, options, &mut out);
        }
        out.push_str(&entry.shown);
        let mark = match entry.stat.kind {
            'd' if options.classify || options.slash => "/",
            'l' if options.classify => "@",
            'p' if options.classify => "|",
            '-' if options.classify && entry.stat.mode & 0o111 != 0 => "*",
            _ => "",
        };
        out.push_str(mark);
        if options.long
            && entry.stat.kind == 'l'
            && let Ok(to) = call.sys.read_link(&entry.path)
        {
            push(&mut out, format_args!(" -> {to}"));
        }
        out.push('\n');
    }
    if !options.long && options.columns != Columns::One {
        out = in_columns(&out, options.columns);
    }
    call.out(&out);
}

/// Lines beside each other in columns of one width, as on a terminal of 80, whose last column stays free.
fn in_columns(lines: &str, columns: Columns) -> String {
    let all: Vec<&str> = lines.lines().collect();
    let width = all.iter().map(|l| l.chars().count()).max().unwrap_or(0) + 2;
    let across = (79 / width).max(1);
    let rows = all.len().div_ceil(across);
    let mut out = String::new();
    for row in 0..rows {
        let line: Vec<&str> = match columns {
            Columns::Across => all.iter().skip(row * across).take(across).copied().collect(),
            Columns::Down | Columns::One => all.iter().skip(row).step_by(rows).copied().collect(),
        };
        for (i, name) in line.iter().enumerate() {
            if i + 1 == line.len() {
                out.push_str(name);
            } else {
                push(&mut out, format_args!("{name:<width$}"));
            }
        }
        out.push('\n');
    }
    out
}

fn long(call: &mut Call<'_, '_, '_>, entry: &Entry, options: Options, out: &mut String) {
    let stat = &entry.stat;
    let user = name_of(call, stat.uid, options.numeric, true);
    let group = name_of(call, stat.gid, options.numeric, false);
    let size = if options.human { human(stat.size) } else { stat.size.to_string() };
    let width = if options.human { 7 } else { 9 };
    let now = call.sys.now();
    let time = if options.full_time {
        super::date::at("%Y-%m-%d %H:%M:%S %z", stat.mtime)
    } else {
        let age = now.since(stat.mtime).as_secs();
        let recent = age < 3600 * 24 * 365 / 2
            && stat.mtime <= now.saturating_add(std::time::Duration::from_secs(900));
        super::date::at(if recent { "%b %e %H:%M" } else { "%b %e  %Y" }, stat.mtime)
    };
    let links = stat.links;
    push(
        out,
        format_args!(
            "{:<10} {links:4} {user:<8} {group:<8} {size:>width$} {time} ",
            mode_text(stat)
        ),
    );
}

/// The name of a user or group, or its number.
pub(crate) fn name_of(call: &mut Call<'_, '_, '_>, id: u32, numeric: bool, user: bool) -> String {
    if numeric {
        return id.to_string();
    }
    let fits = |f: &[String]| f.get(2).and_then(|n| n.parse().ok()) == Some(id);
    let found = if user { call.sys.passwd(fits) } else { call.sys.group(fits) };
    found.and_then(|f| f.first().cloned()).unwrap_or_else(|| id.to_string())
}

/// A size with a unit, as `-h` shows it.
pub(crate) fn human(size: u64) -> String {
    if size < 1024 {
        return size.to_string();
    }
    let mut tenths = size * 10;
    let mut unit = 0;
    while tenths >= 10_240 && unit < 6 {
        tenths = (tenths + 512) / 1024;
        unit += 1;
    }
    let letter = ["", "K", "M", "G", "T", "P", "E"][unit];
    format!("{}.{}{letter}", tenths / 10, tenths % 10)
}

/// `drwxr-xr-x`
pub(crate) fn mode_text(stat: &Stat) -> String {
    let mut out = String::from(stat.kind);
    for (shift, special, letter) in [(6u16, 0o4000u16, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = stat.mode >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (bits & 1 != 0, stat.mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(human(100), "100");
        assert_eq!(human(1536), "1.5K");
        assert_eq!(human(1_048_576), "1.0M");
    }
}

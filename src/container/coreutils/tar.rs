//! `tar`: archives of the ustar form, with GNU's long names when they are read; `-z` through `gzip`.
//!
//! Headers are read and written here, as the crates for it work on files of the host. Paths never lead out of where an
//! archive is unpacked: a leading `/` and all up to the last `..` are taken off, as busybox does. Left out: sparse
//! files, devices, bzip2 and xz, appending, extended attributes.

use super::gzip;
use super::lines::{Gather, Gathered};
use super::options::{Options, Syntax};
use super::{AnyFilter, Begun, Call};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::fs::{Errno, Kind};
use crate::container::os::{Change, Sys};
use crate::container::shell::pattern::Pattern;
use crate::container::text::{decode, encode, push};

const BLOCK: usize = 512;
/// Members of one archive.
const MAX_MEMBERS: usize = 100_000;
/// Directories in directories.
const MAX_DEPTH: usize = 100;

const SYNTAX: Syntax = Syntax {
    short: "cxtzjJavhmokpOf:C:T:X:Z",
    long: &[
        ("create", 'c'),
        ("extract", 'x'),
        ("get", 'x'),
        ("list", 't'),
        ("file", 'f'),
        ("directory", 'C'),
        ("gzip", 'z'),
        ("bzip2", 'j'),
        ("xz", 'J'),
        ("auto-compress", 'a'),
        ("verbose", 'v'),
        ("dereference", 'h'),
        ("to-stdout", 'O'),
        ("keep-old-files", 'k'),
        ("touch", 'm'),
        ("no-same-owner", 'o'),
        ("same-permissions", 'p'),
        ("preserve-permissions", 'p'),
        ("no-same-permissions", 'n'),
        ("overwrite", 'W'),
        ("numeric-owner", 'N'),
        ("exclude", 'E'),
        ("exclude-from", 'X'),
        ("files-from", 'T'),
        ("strip-components", 'S'),
    ],
    usage: "c|x|t [-ZzJjahmvokO] [-f TARFILE] [-C DIR] [-T FILE] [-X FILE] [LONGOPT]... [FILE]...",
    status: 1,
};

/// A member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    path: String,
    kind: u8,
    mode: u16,
    uid: u32,
    gid: u32,
    mtime: u64,
    link: String,
    content: Vec<u8>,
}

/// `tar`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    // The old way: letters without a dash, their arguments after them.
    let old = call.args.first().is_some_and(|a| !a.starts_with('-'));
    let args: Vec<Str> = if old { dashed(call.args) } else { call.args.to_vec() };
    let syntax = Syntax { short: "cxtzjJavhmokpOf:C:T:X:ZnWNE:S:", ..SYNTAX };
    let options = match super::options::read(&args, syntax) {
        Ok(options) => options,
        Err(text) => {
            call.err(&text);
            return call.usage(SYNTAX.usage, 1);
        }
    };
    let actions = "cxt".chars().filter(|c| options.has(*c)).count();
    if actions != 1 {
        return call.usage(SYNTAX.usage, 1);
    }
    if options.has('j') || options.has('J') || options.has('Z') {
        call.err("only gzip compression is modelled");
        return Begun::Exit(1);
    }
    let archive = options.value('f').cloned().unwrap_or_else(|| "-".into());
    if options.has('c') {
        return Begun::Exit(create(call.sys, &options, &archive));
    }
    let gather = Gather::new(call.name, options, |tool: &mut Gathered, sys| {
        if tool.failed {
            return 1;
        }
        let bytes = tool.joined();
        match read_archive(sys, bytes, &tool.options) {
            Ok(status) => status,
            Err(why) => {
                sys.flush();
                tool.err(sys, &why);
                1
            }
        }
    });
    let gather = gather.complaining(|name, e| format!("can't open '{name}': {e}"));
    Begun::filter(AnyFilter::Gather(Box::new(gather)), vec![archive])
}

/// `xzf FILE -C DIR` as `-x -z -f FILE -C DIR`.
fn dashed(args: &[Str]) -> Vec<Str> {
    let Some((letters, rest)) = args.split_first() else { return Vec::new() };
    let mut rest = rest.iter();
    let mut out = Vec::new();
    for letter in letters.chars() {
        out.push(format!("-{letter}").into());
        if matches!(letter, 'f' | 'C' | 'T' | 'X') {
            out.extend(rest.next().cloned());
        }
    }
    out.extend(rest.cloned());
    out
}

/// A path that stays below where it is unpacked: without a leading `/` and all up to the last `..`.
fn safe(path: &str) -> &str {
    let mut rest = path;
    let mut start = 0;
    for part in path.split('/') {
        start += part.len() + 1;
        if part == ".." {
            rest = path.get(start..).unwrap_or("");
        }
    }
    rest.trim_start_matches('/')
}

fn listed(sys: &mut Sys<'_, '_>, options: &Options, letter: char) -> Vec<String> {
    let files: Vec<Str> = options.values(letter).cloned().collect();
    let mut out = Vec::new();
    for file in files {
        let text = decode(&sys.content(&file).unwrap_or_default());
        out.extend(text.lines().filter(|l| !l.is_empty()).map(str::to_owned));
    }
    out
}

/// Whether patterns take a path out: it whole, a directory of it, or its last name.
fn excluded(patterns: &[String], path: &str) -> bool {
    let path = path.trim_end_matches('/');
    patterns.iter().any(|pattern| {
        let pattern = Pattern::new(pattern.trim_end_matches('/'), false);
        let tails = path.match_indices('/').map(|(at, _)| &path[at + 1..]);
        std::iter::once(path).chain(tails).any(|tail| pattern.matches(tail))
    })
}

fn patterns(sys: &mut Sys<'_, '_>, options: &Options) -> Vec<String> {
    let mut all: Vec<String> = options.values('E').map(ToString::to_string).collect();
    all.extend(listed(sys, options, 'X'));
    all
}

// Reading.

fn read_archive(sys: &mut Sys<'_, '_>, bytes: Vec<u8>, options: &Options) -> Result<u8, String> {
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
        gzip::unpacked(&bytes, sys.os.limits.memory_bytes)?
    } else if options.has('z') {
        return Err("invalid magic".to_owned());
    } else {
        bytes
    };
    sys.heavy_work(bytes.len() / 256);
    let members = members(&bytes)?;
    let excludes = patterns(sys, options);
    let mut wanted: Vec<String> = options.operands.iter().map(ToString::to_string).collect();
    wanted.extend(listed(sys, options, 'T'));
    let mut found = vec![false; wanted.len()];
    let strip: usize = options.value('S').and_then(|n| n.parse().ok()).unwrap_or(0);
    let dir = options.value('C').cloned();
    if let Some(dir) = &dir {
        sys.chdir(dir).map_err(|e| format!("can't change directory to '{dir}': {e}"))?;
    }
    for member in &members {
        let name = member.path.trim_end_matches('/');
        let mut fits = wanted.is_empty();
        for (want, found) in wanted.iter().zip(&mut found) {
            let want = want.trim_end_matches('/');
            if name == want || name.starts_with(&format!("{want}/")) {
                (fits, *found) = (true, true);
            }
        }
        if !fits || excluded(&excludes, name) {
            continue;
        }
        if options.has('t') {
            let line = shown(member, options.has('v'));
            sys.out(&encode(&line));
            continue;
        }
        let path = stripped(&member.path, strip);
        if path.is_empty() {
            continue;
        }
        if options.has('v') {
            sys.out(&encode(&format!("{path}\n")));
        }
        extract(sys, member, path, options).map_err(|e| format!("can't open '{path}': {e}"))?;
    }
    let missing: Vec<&String> =
        wanted.iter().zip(&found).filter(|(_, f)| !**f).map(|(w, _)| w).collect();
    match missing.first() {
        Some(name) => Err(format!("{name}: not found in archive")),
        None => Ok(0),
    }
}

/// A path without its first components.
fn stripped(path: &str, count: usize) -> &str {
    let mut rest = safe(path);
    for _ in 0..count {
        if rest.is_empty() {
            break;
        }
        rest = rest.split_once('/').map_or("", |(_, rest)| rest);
    }
    rest
}

fn shown(member: &Member, long: bool) -> String {
    let link = if member.kind == b'2' { format!(" -> {}", member.link) } else { String::new() };
    if !long {
        return format!("{}\n", member.path);
    }
    let letter = match member.kind {
        b'5' => 'd',
        b'2' => 'l',
        _ => '-',
    };
    let mut mode = String::from(letter);
    for shift in [6, 3, 0] {
        for (bit, c) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            mode.push(if member.mode >> shift & bit != 0 { c } else { '-' });
        }
    }
    let owner = |id: u32| if id == 0 { "root".to_owned() } else { id.to_string() };
    let time = super::date::at("%Y-%m-%d %H:%M:%S", SimTime::from_secs(member.mtime));
    format!(
        "{mode} {}/{} {:9} {time} {}{link}\n",
        owner(member.uid),
        owner(member.gid),
        member.content.len(),
        member.path
    )
}

fn extract(
    sys: &mut Sys<'_, '_>,
    member: &Member,
    path: &str,
    options: &Options,
) -> Result<(), Errno> {
    if options.has('O') {
        sys.out(&member.content);
        return Ok(());
    }
    let path = path.trim_end_matches('/');
    if let Some((dir, _)) = path.rsplit_once('/') {
        make_parents(sys, dir)?;
    }
    let there = sys.stat(path, false).ok().map(|s| s.kind);
    match member.kind {
        b'5' => {
            if there.is_none() {
                sys.make(path, Kind::Dir(Default::default()), 0o777)?;
            }
        }
        _ if there == Some('d') => return Err(Errno::IsDir),
        kind => {
            if there.is_some() {
                if options.has('k') {
                    return Err(Errno::Exists);
                }
                sys.unlink(path, false)?;
            }
            match kind {
                b'2' => return sys.make(path, Kind::Link(member.link.as_str().into()), 0o777),
                b'1' => return sys.link(safe(&member.link), path),
                _ => sys.put(path, &member.content)?,
            }
        }
    }
    sys.change(path, true, Change::Mode(member.mode))?;
    if !options.has('m') && member.kind != b'5' {
        sys.change(path, true, Change::Modified(SimTime::from_secs(member.mtime)))?;
    }
    if !options.has('o') && sys.me().uid == 0 {
        sys.change(path, true, Change::Owner(Some(member.uid), Some(member.gid)))?;
    }
    Ok(())
}

fn make_parents(sys: &mut Sys<'_, '_>, dir: &str) -> Result<(), Errno> {
    let mut path = String::new();
    for part in dir.split('/').filter(|p| !p.is_empty() && *p != ".") {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(part);
        match sys.stat(&path, true) {
            Ok(stat) if stat.kind == 'd' => {}
            Ok(_) => return Err(Errno::NotDir),
            Err(_) => sys.make(&path, Kind::Dir(Default::default()), 0o777)?,
        }
    }
    Ok(())
}

fn text(field: &[u8]) -> String {
    decode(field.split(|&b| b == 0).next().unwrap_or_default())
}

fn octal(field: &[u8]) -> u64 {
    text(field)
        .trim()
        .chars()
        .map_while(|c| c.to_digit(8))
        .fold(0u64, |n, d| n.saturating_mul(8).saturating_add(u64::from(d)))
}

/// The members of an archive.
fn members(bytes: &[u8]) -> Result<Vec<Member>, String> {
    let mut out = Vec::new();
    let mut rest = bytes;
    let (mut long_name, mut long_link) = (None, None);
    if bytes.is_empty() {
        return Err("short read".to_owned());
    }
    while let Some(header) = rest.get(..BLOCK) {
        if header.iter().all(|&b| b == 0) {
            return Ok(out);
        }
        let sum: u64 = (0..BLOCK)
            .map(
                |at| if (148..156).contains(&at) { u64::from(b' ') } else { u64::from(header[at]) },
            )
            .sum();
        if sum != octal(&header[148..156]) {
            return Err("invalid tar header checksum".to_owned());
        }
        let size = usize::try_from(octal(&header[124..136])).unwrap_or(usize::MAX);
        let end = size.checked_add(BLOCK).ok_or("short read")?;
        let content = rest.get(BLOCK..end).ok_or("short read")?.to_vec();
        let whole = end.next_multiple_of(BLOCK).min(rest.len());
        rest = &rest[whole..];
        let kind = header[156];
        if kind == b'L' || kind == b'K' {
            let name = text(&content);
            if kind == b'L' {
                long_name = Some(name)
            } else {
                long_link = Some(name)
            }
            continue;
        }
        if matches!(kind, b'x' | b'g') {
            continue;
        }
        let prefix = text(&header[345..500]);
        let name = text(&header[..100]);
        let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let number = |from: usize, to: usize| u32::try_from(octal(&header[from..to])).unwrap_or(0);
        out.push(Member {
            path: long_name.take().unwrap_or(name),
            kind,
            mode: u16::try_from(octal(&header[100..108]) & 0o7777).unwrap_or(0o644),
            uid: number(108, 116),
            gid: number(116, 124),
            mtime: octal(&header[136..148]),
            link: long_link.take().unwrap_or_else(|| text(&header[157..257])),
            content,
        });
        if out.len() > MAX_MEMBERS {
            return Err(format!("more than {MAX_MEMBERS} members"));
        }
    }
    if rest.is_empty() { Ok(out) } else { Err("short read".to_owned()) }
}

// Writing.

struct Writer {
    out: Vec<u8>,
    names: String,
    told: bool,
    status: u8,
    excludes: Vec<String>,
    follow: bool,
    count: usize,
}

fn create(sys: &mut Sys<'_, '_>, options: &Options, archive: &str) -> u8 {
    let here = sys.me().cwd.clone();
    let target = if archive == "-" { None } else { Some(sys.absolute(archive).into_owned()) };
    let mut writer = Writer {
        out: Vec::new(),
        names: String::new(),
        told: false,
        status: 0,
        excludes: patterns(sys, options),
        follow: options.has('h'),
        count: 0,
    };
    let mut files: Vec<String> = options.operands.iter().map(ToString::to_string).collect();
    files.extend(listed(sys, options, 'T'));
    if files.is_empty() {
        sys.err("tar: empty archive\n");
        return 1;
    }
    if let Some(dir) = options.value('C')
        && let Err(e) = sys.chdir(dir)
    {
        sys.err(&format!("tar: can't change directory to '{dir}': {e}\n"));
        return 1;
    }
    for file in files {
        writer.add(sys, &file, target.as_deref(), 0);
    }
    // Changing the directory was for the members alone.
    let _back = sys.chdir(&here);
    writer.out.resize(writer.out.len() + 2 * BLOCK, 0);
    let bytes = if options.has('z') || options.has('a') && (archive.ends_with("gz")) {
        gzip::packed(&writer.out)
    } else {
        writer.out
    };
    sys.heavy_work(bytes.len() / 256);
    if options.has('v') {
        match target {
            Some(_) => sys.out(&encode(&writer.names)),
            None => sys.err(&writer.names),
        }
    }
    match target {
        None => sys.out(&bytes),
        Some(path) => {
            if let Err(e) = sys.put(&path, &bytes) {
                sys.flush();
                sys.err(&format!("tar: can't open '{archive}': {e}\n"));
                return 1;
            }
        }
    }
    writer.status
}

impl Writer {
    fn add(&mut self, sys: &mut Sys<'_, '_>, path: &str, target: Option<&str>, depth: usize) {
        if excluded(&self.excludes, path) || target.is_some_and(|t| sys.absolute(path) == t) {
            return;
        }
        self.count += 1;
        let too_large = self.out.len() > sys.os.limits.memory_bytes;
        if depth > MAX_DEPTH || self.count > MAX_MEMBERS || too_large {
            if self.status == 0 {
                sys.err("tar: too many or too large files for one archive (memory_bytes)\n");
            }
            self.status = 1;
            return;
        }
        let stat = match sys.stat(path, self.follow) {
            Ok(stat) => stat,
            Err(e) => {
                sys.err(&format!("tar: {path}: {e}\n"));
                self.status = 1;
                return;
            }
        };
        let name = safe(path);
        if name.len() < path.len() && !self.told {
            self.told = true;
            let taken = &path[..path.len() - name.len()];
            sys.err(&format!("tar: removing leading '{taken}' from member names\n"));
        }
        let mut member = Member {
            path: name.trim_end_matches('/').to_owned(),
            kind: b'0',
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
            mtime: stat.mtime.as_secs(),
            link: String::new(),
            content: Vec::new(),
        };
        match stat.kind {
            'd' => {
                member.kind = b'5';
                member.path.push('/');
            }
            'l' => {
                member.kind = b'2';
                member.link = sys.read_link(path).map(|l| l.to_string()).unwrap_or_default();
            }
            '-' => match sys.content(path) {
                Ok(content) => member.content = content,
                Err(e) => {
                    sys.err(&format!("tar: can't open '{path}': {e}\n"));
                    self.status = 1;
                    return;
                }
            },
            _ => {
                sys.err(&format!("tar: {path}: only files, directories and links are modelled\n"));
                return;
            }
        }
        if member.path != "/" {
            push(&mut self.names, format_args!("{}\n", member.path));
            self.write(&member);
        }
        if stat.kind == 'd' {
            for name in sys.list(path).unwrap_or_default() {
                let inner = format!("{}/{name}", path.trim_end_matches('/'));
                self.add(sys, &inner, target, depth + 1);
            }
        }
    }

    fn write(&mut self, member: &Member) {
        if member.path.len() > 100 {
            self.block("././@LongLink", b'L', member, &encode(&format!("{}\0", member.path)));
        }
        if member.link.len() > 100 {
            self.block("././@LongLink", b'K', member, &encode(&format!("{}\0", member.link)));
        }
        self.block(&member.path, member.kind, member, &member.content);
    }

    fn block(&mut self, name: &str, kind: u8, member: &Member, content: &[u8]) {
        let mut header = [0u8; BLOCK];
        let mut field = |at: usize, width: usize, text: &str| {
            for (to, from) in header[at..at + width].iter_mut().zip(encode(text)) {
                *to = from;
            }
        };
        field(0, 100, name);
        field(100, 8, &format!("{:07o}", member.mode));
        field(108, 8, &format!("{:07o}", member.uid));
        field(116, 8, &format!("{:07o}", member.gid));
        field(124, 12, &format!("{:011o}", content.len()));
        field(136, 12, &format!("{:011o}", member.mtime));
        field(148, 8, "        ");
        field(156, 1, std::str::from_utf8(&[kind]).unwrap_or("0"));
        field(157, 100, &member.link);
        field(257, 8, "ustar  ");
        if member.uid == 0 {
            field(265, 32, "root");
        }
        if member.gid == 0 {
            field(297, 32, "root");
        }
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        for (to, from) in header[148..155].iter_mut().zip(format!("{sum:06o}\0").bytes()) {
            *to = from;
        }
        self.out.extend_from_slice(&header);
        self.out.extend_from_slice(content);
        self.out.resize(self.out.len().next_multiple_of(BLOCK), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_directory() {
        assert_eq!(safe("/etc/passwd"), "etc/passwd");
        assert_eq!(safe("../../x"), "x");
        assert_eq!(safe("a/../../b"), "b");
        assert_eq!(safe("a/.."), "");
        assert_eq!(safe("a../../../etc/x"), "etc/x");
        assert_eq!(stripped("a/b", usize::MAX), "");
        assert_eq!(safe("..a/b..c"), "..a/b..c");
        assert_eq!(stripped("a/b/c", 1), "b/c");
        assert_eq!(stripped("a", 1), "");
    }

    #[test]
    fn what_is_no_archive_is_an_error() {
        assert_eq!(members(b""), Err("short read".to_owned()));
        assert_eq!(members(&[b'x'; 600]), Err("invalid tar header checksum".to_owned()));
        assert_eq!(members(&[0; 1024]), Ok(Vec::new()));
    }

    #[test]
    fn letters_without_a_dash_take_their_arguments_in_turn() {
        let args: Vec<Str> = ["xzf", "a.tgz", "b"].map(Str::from).to_vec();
        assert_eq!(dashed(&args), ["-x", "-z", "-f", "a.tgz", "b"]);
    }
}

//! Tools that copy or cut files in bulk: `dd`, `split`, `strings`, `install`, `shuf`, `envsubst`.

use super::lines::{Gather, Gathered, split_lines};
use super::options::Syntax;
use super::{AnyFilter, Begun, Call, modes, numbers};
use crate::base::Str;
use crate::container::fs::{Errno, Kind};
use crate::container::os::{Change, OpenMode, Sys};
use crate::container::text::{encode, push};

/// What `dd` was told.
#[derive(Clone, Debug)]
struct Copy {
    input: Option<Str>,
    output: Option<Str>,
    ibs: usize,
    obs: usize,
    count: Option<usize>,
    skip: usize,
    seek: usize,
    truncate: bool,
    append: bool,
    sync: bool,
    swab: bool,
    skip_bytes: bool,
    count_bytes: bool,
    seek_bytes: bool,
    /// 0 for all of it, 1 without the rate, 2 for nothing.
    quiet: u8,
}

/// `dd`
pub(super) fn dd(call: &mut Call<'_, '_, '_>) -> Begun {
    let usage = "[if=FILE] [of=FILE] [ibs=N obs=N/bs=N] [count=N] [skip=N] [seek=N]";
    let mut copy = Copy {
        input: None,
        output: None,
        ibs: 512,
        obs: 512,
        count: None,
        skip: 0,
        seek: 0,
        truncate: true,
        append: false,
        sync: false,
        swab: false,
        skip_bytes: false,
        count_bytes: false,
        seek_bytes: false,
        quiet: 0,
    };
    for arg in call.args {
        let Some((name, value)) = arg.split_once('=') else { return call.usage(usage, 1) };
        match name {
            "if" => copy.input = Some(value.into()),
            "of" => copy.output = Some(value.into()),
            "conv" => {
                for word in value.split(',') {
                    match word {
                        "notrunc" => copy.truncate = false,
                        "sync" => copy.sync = true,
                        "swab" => copy.swab = true,
                        "noerror" | "fsync" | "fdatasync" => {}
                        other => {
                            call.err(&format!("invalid argument '{other}' to 'conv'"));
                            return Begun::Exit(1);
                        }
                    }
                }
            }
            "iflag" | "oflag" => {
                let has = |flag: &str| value.split(',').any(|w| w == flag);
                copy.skip_bytes |= has("skip_bytes");
                copy.count_bytes |= has("count_bytes");
                copy.seek_bytes |= has("seek_bytes");
                copy.append |= has("append");
            }
            "status" => {
                copy.quiet = match value {
                    "none" => 2,
                    "noxfer" => 1,
                    _ => 0,
                }
            }
            "bs" | "ibs" | "obs" | "count" | "skip" | "seek" => {
                let Some(n) = product(value) else { return call.bad_number(value, 1) };
                match name {
                    "bs" => (copy.ibs, copy.obs) = (n, n),
                    "ibs" => copy.ibs = n,
                    "obs" => copy.obs = n,
                    "count" => copy.count = Some(n),
                    "skip" => copy.skip = n,
                    _ => copy.seek = n,
                }
            }
            _ => return call.usage(usage, 1),
        }
    }
    if copy.ibs == 0 || copy.obs == 0 {
        return call.bad_number("0", 1);
    }
    begin_copy(call, &copy)
}

/// `2x512`, `1M`
fn product(text: &str) -> Option<usize> {
    text.split('x')
        .try_fold(1usize, |all, n| all.checked_mul(usize::try_from(numbers::size(n)?).ok()?))
}

fn begin_copy(call: &mut Call<'_, '_, '_>, copy: &Copy) -> Begun {
    if let Some(file) = &copy.output {
        let mode = OpenMode { truncate: false, ..OpenMode::WRITE };
        let opened = call.sys.open(file, if copy.append { OpenMode::APPEND } else { mode }, 3);
        let fd = match opened {
            Ok(fd) => fd,
            Err(e) => {
                call.err(&format!("can't open '{file}': {e}"));
                return Begun::Exit(1);
            }
        };
        let at = if copy.seek_bytes { copy.seek } else { copy.seek.saturating_mul(copy.obs) };
        if copy.truncate && !copy.append {
            // The part before the seek stays.
            let mut kept = call.sys.content(file).unwrap_or_default();
            kept.resize(at.min(1 << 26), 0);
            let device = call.sys.stat(file, true).is_ok_and(|s| s.kind != '-');
            if !device {
                let _kept = call.sys.put(file, &kept);
            }
        }
        if at > 0 && call.sys.seek(fd, at, false).is_err() {
            call.err(&format!("can't seek in '{file}'"));
            return Begun::Exit(1);
        }
        let moved = call.sys.dup2(fd, 1);
        call.sys.close(fd);
        if let Err(e) = moved {
            call.err(&format!("{e}"));
            return Begun::Exit(1);
        }
    }
    let skip = if copy.skip_bytes { copy.skip } else { copy.skip.saturating_mul(copy.ibs) };
    let most = match copy.count {
        Some(n) if copy.count_bytes => n,
        Some(n) => n.saturating_mul(copy.ibs),
        None => usize::MAX,
    };
    let mut options = super::options::Options::default();
    let mut note = |letter: char, n: usize| options.given.push((letter, n.to_string().into()));
    note('s', skip);
    note('i', copy.ibs);
    note('o', copy.obs);
    note('q', usize::from(copy.quiet));
    note('y', usize::from(copy.sync));
    note('w', usize::from(copy.swab));
    let input = copy.input.clone().unwrap_or_else(|| "-".into());
    if most == 0 {
        let mut nothing = Gathered {
            name: call.name.into(),
            options,
            inputs: Vec::new(),
            failed: false,
            open_error,
        };
        return Begun::Exit(copied(&mut nothing, call.sys));
    }
    let gather = Gather::new(call.name, options, copied)
        .up_to(skip.saturating_add(most))
        .complaining(open_error);
    Begun::filter(AnyFilter::Gather(Box::new(gather)), vec![input])
}

fn open_error(name: &str, e: Errno) -> String {
    format!("can't open '{name}': {e}")
}

fn copied(tool: &mut Gathered, sys: &mut Sys<'_, '_>) -> u8 {
    if tool.failed {
        return 1;
    }
    let size = |tool: &Gathered, letter: char| {
        tool.options.value(letter).and_then(|n| n.parse().ok()).unwrap_or(0usize)
    };
    let (skip, ibs, obs) = (size(tool, 's'), size(tool, 'i').max(1), size(tool, 'o').max(1));
    let mut bytes = tool.joined();
    bytes.drain(..skip.min(bytes.len()));
    let (whole, part) = (bytes.len() / ibs, usize::from(!bytes.len().is_multiple_of(ibs)));
    if size(tool, 'y') > 0 {
        bytes.resize((whole + part) * ibs, 0);
    }
    if size(tool, 'w') > 0 {
        bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
    }
    let written = sys.write(1, &bytes);
    let quiet = size(tool, 'q');
    if let Err(e) = written {
        tool.err(sys, &format!("error writing: {e}"));
        return 1;
    }
    if quiet < 2 {
        let (out, rest) = (bytes.len() / obs, usize::from(!bytes.len().is_multiple_of(obs)));
        let mut text = format!("{whole}+{part} records in\n{out}+{rest} records out\n");
        if quiet == 0 {
            let n = bytes.len();
            let human = super::ls::human(n as u64);
            let unit = if n < 1024 { "B" } else { "" };
            push(
                &mut text,
                format_args!("{n} bytes ({human}{unit}) copied, 0.000000 seconds, 0B/s\n"),
            );
        }
        sys.err(&text);
    }
    0
}

/// `split`
pub(super) fn split(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax {
        short: "l:b:a:d",
        long: &[("bytes", 'b'), ("lines", 'l'), ("suffix-length", 'a')],
        usage: "[OPTIONS] [INPUT [PREFIX]]",
        status: 1,
    };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    for letter in ['l', 'b', 'a'] {
        if let Some(text) =
            options.value(letter).filter(|t| !numbers::size(t).is_some_and(|n| n > 0))
        {
            return call.bad_number(text, 1);
        }
    }
    let files: Vec<Str> = options.operands.iter().take(1).cloned().collect();
    let gather = Gather::new(call.name, options, pieces).complaining(open_error);
    Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
}

fn pieces(tool: &mut Gathered, sys: &mut Sys<'_, '_>) -> u8 {
    if tool.failed {
        return 1;
    }
    let size = |letter: char| tool.options.value(letter).and_then(|n| numbers::size(n));
    let amount = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let (lines, bytes) = (amount(size('l').unwrap_or(1000)), size('b').map(amount));
    let letters = amount(size('a').unwrap_or(2)).min(20);
    let prefix = tool.options.operands.get(1).cloned().unwrap_or_else(|| "x".into());
    let all = tool.joined();
    let chunks: Vec<Vec<u8>> = match bytes {
        Some(n) => all.chunks(n).map(<[u8]>::to_vec).collect(),
        None => {
            let all: Vec<&[u8]> = all.split_inclusive(|b| *b == b'\n').collect();
            all.chunks(lines).map(<[&[u8]]>::concat).collect()
        }
    };
    let mut suffix = vec![b'a'; letters];
    for chunk in chunks {
        let name = format!("{prefix}{}", String::from_utf8_lossy(&suffix));
        if let Err(e) = sys.put(&name, &chunk) {
            tool.err(sys, &format!("can't create '{name}': {e}"));
            return 1;
        }
        let Some(i) = suffix.iter().rposition(|b| *b < b'z') else {
            tool.err(sys, "suffixes exhausted");
            return 1;
        };
        suffix[i] += 1;
        suffix[i + 1..].fill(b'a');
    }
    0
}

/// `strings`
pub(super) fn strings(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax {
        short: "an:fot:",
        long: &[],
        usage: "[-fo] [-t o|d|x] [-n LEN] [FILE]...",
        status: 1,
    };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    if let Some(text) = options.value('n').filter(|n| !n.parse::<usize>().is_ok_and(|n| n > 0)) {
        return call.bad_number(text, 1);
    }
    let files = options.operands.clone();
    let gather = Gather::new(call.name, options, |tool, sys| {
        let least = tool.options.value('n').and_then(|n| n.parse().ok()).unwrap_or(4);
        let radix = match tool.options.value('t').map(Str::as_str) {
            Some(radix) => radix.chars().next(),
            None => tool.options.has('o').then_some('o'),
        };
        let mut out = Vec::new();
        for input in &tool.inputs {
            let mut at = 0;
            let visible = |b: &u8| matches!(b, 0x20..=0x7e | b'\t');
            for run in input.bytes.split(|b| !visible(b)) {
                if run.len() >= least {
                    if tool.options.has('f') {
                        out.extend(encode(&format!("{}: ", input.name)));
                    }
                    let offset = match radix {
                        Some('d') => format!("{at:7} "),
                        Some('x') => format!("{at:7x} "),
                        Some(_) => format!("{at:7o} "),
                        None => String::new(),
                    };
                    out.extend(offset.bytes());
                    out.extend_from_slice(run);
                    out.push(b'\n');
                }
                at += run.len() + 1;
            }
        }
        sys.out(&out);
        u8::from(tool.failed)
    });
    Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
}

/// `install`
pub(super) fn install(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax {
        short: "cdDpsg:m:o:t:v",
        long: &[
            ("directory", 'd'),
            ("group", 'g'),
            ("mode", 'm'),
            ("owner", 'o'),
            ("target-directory", 't'),
        ],
        usage: "[-cdDsp] [-o USER] [-g GRP] [-m MODE] [-t DIR] [SOURCE]... DEST",
        status: 1,
    };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mode = match options.value('m').map(|m| modes::apply(m, 0o755, false, 0).ok_or(m)) {
        None => 0o755,
        Some(Ok(mode)) => mode,
        Some(Err(text)) => {
            call.err(&format!("invalid mode '{text}'"));
            return Begun::Exit(1);
        }
    };
    let mut words = options.operands.clone();
    if words.is_empty() {
        return call.usage(syntax.usage, 1);
    }
    let mut status = 0;
    let mut fail = |call: &mut Call<'_, '_, '_>, path: &str, e: Errno| {
        call.err(&format!("can't create '{path}': {e}"));
        status = 1;
    };
    if options.has('d') {
        for dir in &words {
            let made =
                parents(call, dir).and_then(|()| call.sys.change(dir, true, Change::Mode(mode)));
            if let Err(e) = made {
                fail(call, dir, e);
            }
        }
        return Begun::Exit(status);
    }
    let dest = match options.value('t') {
        Some(dir) => dir.clone(),
        None if words.len() > 1 => words.pop().unwrap_or_default(),
        None => return call.usage(syntax.usage, 1),
    };
    let into = options.has('t') || call.sys.stat(&dest, true).is_ok_and(|s| s.kind == 'd');
    for source in &words {
        let name = source.rsplit('/').next().unwrap_or("");
        let to = if into { format!("{dest}/{name}") } else { dest.to_string() };
        if options.has('D')
            && let Some((dir, _)) = to.rsplit_once('/')
            && let Err(e) = parents(call, dir)
        {
            fail(call, dir, e);
            continue;
        }
        let bytes = match call.sys.content(source) {
            Ok(bytes) => bytes,
            Err(e) => {
                call.err(&format!("can't stat '{source}': {e}"));
                return Begun::Exit(1);
            }
        };
        let put = call.sys.put(&to, &bytes);
        if let Err(e) = put.and_then(|()| call.sys.change(&to, true, Change::Mode(mode))) {
            fail(call, &to, e);
        }
    }
    Begun::Exit(status)
}

fn parents(call: &mut Call<'_, '_, '_>, dir: &str) -> Result<(), Errno> {
    let mut path = if dir.starts_with('/') { String::from("/") } else { String::new() };
    for part in dir.split('/').filter(|p| !p.is_empty()) {
        path.push_str(part);
        if call.sys.stat(&path, true).is_err() {
            call.sys.make(&path, Kind::Dir(Default::default()), 0o777)?;
        }
        path.push('/');
    }
    Ok(())
}

/// `shuf`, drawing from the container's random numbers
pub(super) fn shuf(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax {
        short: "ei:n:o:z",
        long: &[("echo", 'e'), ("head-count", 'n'), ("input-range", 'i'), ("output", 'o')],
        usage: "[-n NUM] [-o FILE] [-z] [FILE | -e [ARG...] | -i L-H]",
        status: 1,
    };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let range = options.value('i').map(|text| {
        let (low, high) = text.split_once('-')?;
        Some((low.parse::<u64>().ok()?, high.parse::<u64>().ok()?))
    });
    let lines: Vec<Vec<u8>> = match range {
        Some(Some((low, high))) if high >= low && high - low < 1 << 20 => {
            (low..=high).map(|n| n.to_string().into_bytes()).collect()
        }
        Some(_) => return call.bad_number(options.value('i').map_or("", Str::as_str), 1),
        None if options.has('e') => options.operands.iter().map(|o| encode(o)).collect(),
        None => {
            let files = options.operands.clone();
            let gather = Gather::new(call.name, options, |tool, sys| {
                let all = tool.joined();
                let lines = split_lines(&all).iter().map(|l| l.to_vec()).collect();
                let most = tool.options.value('n').and_then(|n| n.parse().ok());
                shuffled(sys, lines, most);
                u8::from(tool.failed)
            });
            return Begun::filter(AnyFilter::Gather(Box::new(gather)), files);
        }
    };
    let most = options.value('n').and_then(|n| n.parse().ok());
    shuffled(call.sys, lines, most);
    Begun::Exit(0)
}

fn shuffled(sys: &mut Sys<'_, '_>, mut lines: Vec<Vec<u8>>, most: Option<usize>) {
    for i in (1..lines.len()).rev() {
        let draw = sys.os.random.stream().word() % (i as u64 + 1);
        lines.swap(i, usize::try_from(draw).unwrap_or(0));
    }
    lines.truncate(most.unwrap_or(usize::MAX));
    for line in lines {
        sys.out(&line);
        sys.out(b"\n");
    }
}

/// `envsubst`, of gettext
pub(super) fn envsubst(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax {
        short: "v",
        long: &[("variables", 'v')],
        usage: "[OPTION] [SHELL-FORMAT]",
        status: 1,
    };
    let mut options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let only = options.operands.first().map(|format| names(format));
    if options.has('v') {
        for name in only.unwrap_or_default() {
            call.out(&format!("{name}\n"));
        }
        return Begun::Exit(0);
    }
    for (name, value) in call.environment.iter() {
        if only.as_ref().is_none_or(|o| o.iter().any(|n| n == name.as_str())) {
            options.given.push(('=', format!("{name}={value}").into()));
        }
    }
    for name in only.unwrap_or_default() {
        if call.variable(&name).is_none() {
            options.given.push(('=', format!("{name}=").into()));
        }
    }
    // Without a list every variable is meant, also one that is not set.
    let all = options.operands.is_empty();
    options.given.push(('*', if all { "1".into() } else { Str::default() }));
    let gather = Gather::new(call.name, options, |tool, sys| {
        let bytes = tool.joined();
        let text = crate::container::text::decode(&bytes);
        let all = tool.options.value('*').is_some_and(|v| !v.is_empty());
        let known: Vec<(&str, &str)> =
            tool.options.values('=').filter_map(|v| v.split_once('=')).collect();
        sys.out(&encode(&replaced(&text, &known, all)));
        0
    });
    Begun::filter(AnyFilter::Gather(Box::new(gather)), Vec::new())
}

/// The variable that a `$` begins, and the length of its reference.
fn reference(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix('$')?;
    let (body, braces) = rest.strip_prefix('{').map_or((rest, 0), |b| (b, 1));
    let len = body.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let name = &body[..len];
    let closed = braces == 0 || body[len..].starts_with('}');
    let named = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    (closed && named).then_some((name, 1 + len + 2 * braces))
}

fn names(format: &str) -> Vec<String> {
    format
        .match_indices('$')
        .filter_map(|(i, _)| reference(&format[i..]))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn replaced(text: &str, known: &[(&str, &str)], all: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = reference(rest)
            .map(|(name, len)| (known.iter().find(|(n, _)| *n == name).map(|(_, v)| *v), len));
        match found {
            Some((Some(value), len)) => {
                out.push_str(value);
                rest = &rest[len..];
            }
            Some((None, len)) if all => rest = &rest[len..],
            _ => {
                out.push('$');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_may_be_products() {
        assert_eq!(product("2x512"), Some(1024));
        assert_eq!(product("1M"), Some(1 << 20));
        assert_eq!(product("x"), None);
    }

    #[test]
    fn references_to_variables_are_replaced() {
        let known = [("A", "1"), ("B", "2")];
        assert_eq!(replaced("$A ${B} $C ${C} $ $1 ${A", &known, true), "1 2   $ $1 ${A");
        assert_eq!(replaced("$A $C", &known, false), "1 $C");
        assert_eq!(names("$A ${B}-$"), ["A", "B"]);
    }
}

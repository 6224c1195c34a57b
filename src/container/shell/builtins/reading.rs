//! `read`, `mapfile`, `getopts`.

use super::pause::{Pause, read_line};
use super::{Args, Done};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::coreutils::durations;
use crate::container::os::{Read, Sys};
use crate::container::process::{Fd, Wait};
use crate::container::shell::Shell;
use crate::container::shell::machine::{Flow, Frame, FrameKind};
use crate::container::shell::vars::{Value, is_name};
use crate::container::text::decode;

/// A `read` under way.
#[derive(Clone, Debug)]
pub(in crate::container::shell) struct ReadRun {
    fd: Fd,
    names: Vec<Str>,
    array: Option<Str>,
    raw: bool,
    delimiter: u8,
    /// `-n`, `-N`: that many characters at most; `-N` does not stop at the delimiter.
    count: Option<usize>,
    exact: bool,
    until: Option<SimTime>,
    /// `-t 0`: only whether there is input.
    peek: bool,
    bytes: Vec<u8>,
    /// The last byte is a backslash that quotes the next.
    escaped: bool,
    /// Positions of quoted characters.
    quoted: Vec<usize>,
    ended: bool,
}

/// `read`
pub(super) fn read(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let mut run = ReadRun {
        fd: 0,
        names: Vec::new(),
        array: None,
        raw: false,
        delimiter: b'\n',
        count: None,
        exact: false,
        until: None,
        peek: false,
        bytes: Vec::new(),
        escaped: false,
        quoted: Vec::new(),
        ended: false,
    };
    let rest = match options(shell, sys, args, &mut run) {
        Ok(rest) => rest,
        Err(done) => return done,
    };
    for name in rest {
        if !is_name(name.split('[').next().unwrap_or("")) {
            if shell.dialect.is_bash() {
                shell.builtin_error(sys, "read", &format!("`{name}': not a valid identifier"));
                return Done::Status(1);
            }
            shell.builtin_error(sys, "read", &format!("'{name}': bad variable name"));
            return Done::Status(1);
        }
    }
    run.names = rest.to_vec();
    if !sys.is_open(run.fd) {
        if shell.dialect.is_bash() {
            shell.builtin_error(
                sys,
                "read",
                &format!("{}: invalid file descriptor: Bad file descriptor", run.fd),
            );
        }
        return Done::Status(1);
    }
    if run.peek {
        return Done::Status(u8::from(!sys.has_input(run.fd)));
    }
    Done::Pause(Pause::Read(Box::new(run)))
}

fn options<'a>(
    shell: &mut Shell,
    sys: &mut Sys<'_, '_>,
    args: &'a Args<'_>,
    run: &mut ReadRun,
) -> Result<&'a [Str], Done> {
    let mut rest = args.rest();
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        rest = &rest[1..];
        if option == "--" {
            break;
        }
        let mut letters = option[1..].char_indices();
        while let Some((i, letter)) = letters.next() {
            if matches!(letter, 'r' | 's' | 'e') {
                run.raw |= letter == 'r';
                continue;
            }
            if !"adinNptu".contains(letter) {
                let text = if shell.dialect.is_bash() {
                    format!("-{letter}: invalid option")
                } else {
                    format!("Illegal option -{letter}")
                };
                shell.builtin_error(sys, "read", &text);
                return Err(Done::Fatal(2));
            }
            let attached = &option[1 + i + 1..];
            let value: Str = if attached.is_empty() {
                let Some(value) = rest.first().cloned() else {
                    let text = if shell.dialect.is_bash() {
                        format!("-{letter}: option requires an argument")
                    } else {
                        format!("No arg for -{letter} option")
                    };
                    shell.builtin_error(sys, "read", &text);
                    return Err(Done::Fatal(2));
                };
                rest = &rest[1..];
                value
            } else {
                attached.into()
            };
            option_value(shell, sys, run, letter, &value)?;
            break;
        }
    }
    Ok(rest)
}

fn option_value(
    shell: &Shell,
    sys: &mut Sys<'_, '_>,
    run: &mut ReadRun,
    letter: char,
    value: &str,
) -> Result<(), Done> {
    match letter {
        'a' => run.array = Some(value.into()),
        'd' => run.delimiter = value.bytes().next().unwrap_or(0),
        'n' | 'N' => {
            run.count = value.parse().ok().filter(|&n| n > 0);
            run.exact = letter == 'N';
        }
        // The prompt is for terminals.
        'p' | 'i' => {}
        't' => match durations::one(value) {
            Some(length) => {
                run.peek = length.is_zero();
                run.until = Some(sys.now().saturating_add(length));
            }
            None => {
                let text = if shell.dialect.is_bash() {
                    format!("{value}: invalid timeout specification")
                } else {
                    "invalid timeout".to_owned()
                };
                shell.builtin_error(sys, "read", &text);
                return Err(Done::Status(if shell.dialect.is_bash() { 1 } else { 2 }));
            }
        },
        _ => match value.parse() {
            Ok(fd) => run.fd = fd,
            Err(_) => {
                let text = if shell.dialect.is_bash() {
                    format!("{value}: invalid file descriptor specification")
                } else {
                    "invalid file descriptor".to_owned()
                };
                shell.builtin_error(sys, "read", &text);
                return Err(Done::Status(1));
            }
        },
    }
    Ok(())
}

impl Shell {
    pub(in crate::container::shell) fn step_read(
        &mut self,
        sys: &mut Sys<'_, '_>,
        mut run: Box<ReadRun>,
    ) -> Flow {
        loop {
            if run.count.is_some_and(|n| run.bytes.len() >= n) {
                return self.finish_read(sys, *run, 0);
            }
            match sys.read(run.fd, 1) {
                Ok(Read::Data(bytes)) => {
                    let b = bytes[0];
                    if take_byte(&mut run, b) {
                        return self.finish_read(sys, *run, 0);
                    }
                }
                Ok(Read::End) => {
                    run.ended = true;
                    return self.finish_read(sys, *run, 1);
                }
                Ok(Read::Later(at)) => {
                    let bash = self.dialect.is_bash();
                    if run.until.is_some_and(|until| sys.now() >= until) {
                        return self.finish_read(sys, *run, if bash { 142 } else { 1 });
                    }
                    if self.traps.has_pending() {
                        let status = self.traps.first_pending().map_or(1, |s| 128 + s.number());
                        return self.finish_read(sys, *run, status);
                    }
                    let until = [run.until, at].into_iter().flatten().min();
                    let wait = Wait::Readable(run.fd, until);
                    self.frames.push(Frame::new(FrameKind::Pause(Box::new(Pause::Read(run)))));
                    return Flow::Wait(wait);
                }
                Err(e) => {
                    if self.dialect.is_bash() {
                        let text = format!("read error: {}: {e}", run.fd);
                        self.builtin_error(sys, "read", &text);
                    }
                    return self.finish_read(sys, *run, 1);
                }
            }
        }
    }

    fn finish_read(&mut self, sys: &mut Sys<'_, '_>, run: ReadRun, status: u8) -> Flow {
        self.status = status;
        if status == 142 && run.bytes.is_empty() || status > 128 && status != 142 {
            // Nothing came: bash leaves the variables empty all the same.
        }
        let text = decode(&run.bytes);
        let ifs = self.vars.text("IFS").map_or_else(|| " \t\n".to_owned(), ToString::to_string);
        if let Some(array) = &run.array {
            let fields = split(&text, &run, &ifs, usize::MAX);
            let var = self.vars.edit(array);
            var.value = Value::Array((0i64..).zip(fields.into_iter().map(Str::from)).collect());
            return Flow::Go;
        }
        if run.names.is_empty() {
            self.set_or_stop(sys, "REPLY", &text);
            return Flow::Go;
        }
        if run.exact {
            self.set_or_stop(sys, &run.names[0], &text);
            return Flow::Go;
        }
        let fields = split(&text, &run, &ifs, run.names.len());
        for (i, name) in run.names.iter().enumerate() {
            let value = fields.get(i).map_or("", String::as_str);
            self.set_or_stop(sys, name, value);
        }
        Flow::Go
    }

    fn set_or_stop(&mut self, sys: &mut Sys<'_, '_>, name: &str, text: &str) {
        if name.contains('[') {
            // A read-only array keeps its value.
            let _set = super::output::assign_target(self, sys, name, text);
            return;
        }
        if let Err(e) = self.vars.set(name, text) {
            self.read_only_error(sys, &e.0);
        }
    }
}

/// Takes a byte; true when the line is complete.
fn take_byte(run: &mut ReadRun, b: u8) -> bool {
    if run.escaped {
        run.escaped = false;
        // A quoted newline joins lines.
        if b != b'\n' {
            run.quoted.push(run.bytes.len());
            run.bytes.push(b);
        }
        return false;
    }
    if b == run.delimiter && !run.exact {
        return true;
    }
    if b == b'\\' && !run.raw {
        run.escaped = true;
        return false;
    }
    if b != 0 {
        run.bytes.push(b);
    }
    false
}

/// The fields of a line: at most `max`, the last with the rest.
fn split(text: &str, run: &ReadRun, ifs: &str, max: usize) -> Vec<String> {
    let blank = |c: char| ifs.contains(c) && matches!(c, ' ' | '\t' | '\n');
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let is_sep = |i: usize| ifs.contains(chars[i].1) && !run.quoted.contains(&chars[i].0);
    let is_blank = |i: usize| is_sep(i) && blank(chars[i].1);
    let mut out = Vec::new();
    let mut i = 0;
    while i < chars.len() && is_blank(i) {
        i += 1;
    }
    while i < chars.len() {
        if out.len() + 1 == max {
            out.push(rest_of_line(&chars[i..], &|k| is_sep(i + k), &|k| is_blank(i + k)));
            return out;
        }
        let start = i;
        while i < chars.len() && !is_sep(i) {
            i += 1;
        }
        out.push(chars[start..i].iter().map(|c| c.1).collect());
        let mut delimiter = false;
        while i < chars.len() && is_sep(i) {
            if !is_blank(i) {
                if delimiter {
                    break;
                }
                delimiter = true;
            }
            i += 1;
        }
    }
    out
}

/// The last variable gets the rest of the line without blanks at its end; a single delimiter at the
/// very end goes too when nothing else of its kind is in the rest.
fn rest_of_line(
    chars: &[(usize, char)],
    is_sep: &impl Fn(usize) -> bool,
    is_blank: &impl Fn(usize) -> bool,
) -> String {
    let mut end = chars.len();
    while end > 0 && is_blank(end - 1) {
        end -= 1;
    }
    if end > 0 && is_sep(end - 1) && !is_blank(end - 1) {
        let others = (0..end - 1).any(is_sep);
        if !others {
            end -= 1;
            while end > 0 && is_blank(end - 1) {
                end -= 1;
            }
        }
    }
    chars[..end].iter().map(|c| c.1).collect()
}

/// `mapfile`, `readarray`
pub(super) fn mapfile(_: &mut Shell, _: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let mut rest = args.rest();
    let mut strip = false;
    let (mut fd, mut max, mut skip, mut origin) = (0, usize::MAX, 0usize, 0i64);
    let mut delimiter = b'\n';
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        rest = &rest[1..];
        if option == "-t" {
            strip = true;
            continue;
        }
        let mut letters = option[1..].chars();
        let letter = letters.next().unwrap_or_default();
        let value: Str = if !letters.as_str().is_empty() {
            letters.as_str().into()
        } else {
            let value = rest.first().cloned().unwrap_or_default();
            rest = rest.get(1..).unwrap_or_default();
            value
        };
        match letter {
            'u' => fd = value.parse().unwrap_or(0),
            'n' => max = value.parse().ok().filter(|&n| n > 0).unwrap_or(usize::MAX),
            's' => skip = value.parse().unwrap_or(0),
            'O' => origin = value.parse().unwrap_or(0),
            'd' => delimiter = value.bytes().next().unwrap_or(0),
            _ => {}
        }
    }
    let name = rest.first().cloned().unwrap_or_else(|| "MAPFILE".into());
    let run = MapRun { fd, max, skip, origin, delimiter, strip, name, all: Vec::new(), lines: 0 };
    Done::Pause(Pause::Map(Box::new(run)))
}

/// A `mapfile` under way.
#[derive(Clone, Debug)]
pub(in crate::container::shell) struct MapRun {
    fd: Fd,
    max: usize,
    skip: usize,
    origin: i64,
    delimiter: u8,
    strip: bool,
    name: Str,
    all: Vec<u8>,
    /// Line ends read so far.
    lines: usize,
}

impl Shell {
    pub(in crate::container::shell) fn step_mapfile(
        &mut self,
        sys: &mut Sys<'_, '_>,
        mut run: Box<MapRun>,
    ) -> Flow {
        // With another delimiter lines are counted at the end only.
        let enough = run.skip.saturating_add(run.max);
        while run.delimiter != b'\n' || run.lines < enough {
            let before = run.all.len();
            match read_line(sys, run.fd, &mut run.all) {
                Ok(Some(wait)) => {
                    self.frames.push(Frame::new(FrameKind::Pause(Box::new(Pause::Map(run)))));
                    return Flow::Wait(wait);
                }
                Ok(None) if run.all.len() > before && run.all.ends_with(b"\n") => run.lines += 1,
                Ok(None) | Err(_) => break,
            }
            if run.all.len() > sys.os.limits.memory_bytes {
                let text = format!(
                    "mapfile read more than {} bytes (memory_bytes)",
                    sys.os.limits.memory_bytes
                );
                sys.complain(text);
                break;
            }
        }
        let MapRun { delimiter, strip, origin, .. } = *run;
        let lines = run.all.split_inclusive(|&b| b == delimiter).skip(run.skip).take(run.max);
        let shown = |line: &[u8]| {
            let line = if strip { line.strip_suffix(&[delimiter]).unwrap_or(line) } else { line };
            Str::from(decode(line))
        };
        let array = (origin..).zip(lines.map(shown)).collect();
        self.vars.edit(&run.name).value = Value::Array(array);
        self.status = 0;
        Flow::Go
    }
}

/// `getopts`
pub(super) fn getopts(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bash = shell.dialect.is_bash();
    let [spec, name, words @ ..] = args.rest() else {
        let text = if bash {
            "usage: getopts optstring name [arg ...]"
        } else {
            "Usage: getopts optstring var [arg]"
        };
        sys.err(&format!(
            "{}{text}\n",
            if bash { "getopts: ".to_owned() } else { shell.builtin_prefix("getopts") }
        ));
        return Done::Fatal(2);
    };
    let words: Vec<Str> = if words.is_empty() { shell.params.to_vec() } else { words.to_vec() };
    let mut index: usize =
        shell.vars.text("OPTIND").and_then(|t| t.parse().ok()).unwrap_or(1).max(1);
    let silent = spec.starts_with(':');
    let word = words.get(index - 1).cloned();
    let cluster =
        word.as_ref().filter(|w| w.starts_with('-') && w.len() > 1 && *w != "--").cloned();
    let Some(cluster) = cluster else {
        if word.is_some_and(|w| w == "--") {
            index += 1;
        }
        shell.getopts_at = 0;
        set(shell, "OPTIND", &index.to_string());
        set(shell, name, "?");
        // OPTARG has no value then.
        let _unset = shell.vars.unset("OPTARG");
        return Done::Status(1);
    };
    // The words may be others than at the last call.
    let at = Some(shell.getopts_at)
        .filter(|&at| at > 0 && at < cluster.len() && cluster.is_char_boundary(at));
    let at = at.unwrap_or(1);
    let letter = cluster[at..].chars().next().unwrap_or('?');
    let next = at + letter.len_utf8();
    let takes = spec
        .find(letter)
        .filter(|_| letter != ':')
        .map(|i| spec[i + letter.len_utf8()..].starts_with(':'));
    let finish = |shell: &mut Shell, at: usize, index: usize| {
        shell.getopts_at = at;
        set(shell, "OPTIND", &index.to_string());
        shell.getopts_at = at;
    };
    let more = next < cluster.len();
    match takes {
        None => {
            finish(shell, if more { next } else { 0 }, index + usize::from(!more));
            set(shell, name, "?");
            if silent {
                set(shell, "OPTARG", &letter.to_string());
            } else {
                let _unset = shell.vars.unset("OPTARG");
                sys.err(&if bash {
                    format!("{}: illegal option -- {letter}\n", shell.name)
                } else {
                    format!("Illegal option -{letter}\n")
                });
            }
        }
        Some(false) => {
            finish(shell, if more { next } else { 0 }, index + usize::from(!more));
            set(shell, name, &letter.to_string());
            let _unset = shell.vars.unset("OPTARG");
        }
        Some(true) => {
            let value = if more {
                Some((Str::from(&cluster[next..]), index + 1))
            } else {
                words.get(index).map(|w| (w.clone(), index + 2))
            };
            match value {
                Some((value, after)) => {
                    finish(shell, 0, after);
                    set(shell, name, &letter.to_string());
                    set(shell, "OPTARG", &value);
                }
                None => {
                    finish(shell, 0, index + 1);
                    if silent {
                        set(shell, name, ":");
                        set(shell, "OPTARG", &letter.to_string());
                    } else {
                        set(shell, name, "?");
                        let _unset = shell.vars.unset("OPTARG");
                        sys.err(&if bash {
                            format!("{}: option requires an argument -- {letter}\n", shell.name)
                        } else {
                            format!("No arg for -{letter} option\n")
                        });
                    }
                }
            }
        }
    }
    Done::Status(0)
}

fn set(shell: &mut Shell, name: &str, text: &str) {
    // A read-only name keeps its value.
    let _set = shell.vars.set(name, text);
}

//! Edits lines by a `sed` script.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::lines::{LineBuffer, bytewise, fits};
use super::super::{Filter, Next};
use super::parse::{Address, Command, End, Piece, Script, Substitute, Test, Verb};
use crate::base::Str;
use crate::container::fs::Errno;
use crate::container::os::{Change, OpenMode, Sys};
use crate::container::process::Fd;
use crate::container::regex::Regex;
use crate::container::text::{encode, push};

/// A line of input: its text, and whether an end followed it.
type Line = (String, bool);

/// Whether a range of a command is being gone through.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    inside: bool,
    /// A range that began at a line number does not begin again.
    spent: bool,
    /// The line at which it ends, once that is known.
    end: Option<u64>,
}

/// Where the program stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before a line.
    Cycle,
    /// At a command.
    Command(usize),
    /// `n` or `N` of a command wants a line.
    Fetch(usize, bool),
    Quit,
}

/// `sed` under way.
#[derive(Clone, Debug)]
pub(crate) struct Sed {
    script: Arc<Script>,
    quiet: bool,
    in_place: Option<Str>,
    separate: bool,
    end: u8,
    lines: LineBuffer,
    queue: VecDeque<Line>,
    /// There are no more lines behind the queue.
    at_end: bool,
    at: At,
    space: String,
    ended: bool,
    hold: String,
    number: u64,
    substituted: bool,
    appended: Vec<Vec<u8>>,
    ranges: Vec<Range>,
    last_regex: Option<Arc<Regex>>,
    /// Files of `w`.
    files: Vec<(Str, Fd)>,
    /// The file that is edited, and what it will hold.
    edited: Option<(Str, Vec<u8>)>,
    name: Str,
    /// The last thing printed had no end of line.
    open_line: bool,
    /// Commands that this line took.
    steps: u64,
    status: u8,
}

impl Sed {
    pub(super) fn new(
        script: Arc<Script>,
        quiet: bool,
        in_place: Option<Str>,
        separate: bool,
    ) -> Self {
        Self {
            quiet: quiet || script.quiet,
            ranges: vec![Range::default(); script.commands.len()],
            separate: separate || in_place.is_some(),
            in_place,
            end: b'\n',
            lines: LineBuffer::default(),
            queue: VecDeque::new(),
            at_end: false,
            at: At::Cycle,
            space: String::new(),
            ended: true,
            hold: String::new(),
            number: 0,
            substituted: false,
            appended: Vec::new(),
            last_regex: None,
            files: Vec::new(),
            edited: None,
            name: Str::default(),
            open_line: false,
            steps: 0,
            status: 0,
            script,
        }
    }

    /// Lines end with this byte instead.
    pub(super) fn ending_with(&mut self, end: u8) {
        self.end = end;
        self.lines = LineBuffer::ending_with(end);
    }

    /// Opens the files that the script writes to.
    pub(super) fn open_files(&mut self, sys: &mut Sys<'_, '_>) -> Result<(), (Str, Errno)> {
        for command in &self.script.commands {
            let file = match &command.verb {
                Verb::Write(file) => Some(file),
                Verb::Substitute(s) => s.file.as_ref(),
                _ => None,
            };
            let Some(file) = file else { continue };
            if self.files.iter().any(|(name, _)| name == file) {
                continue;
            }
            let fd = match file.as_str() {
                "/dev/stdout" => Ok(1),
                "/dev/stderr" => Ok(2),
                path => sys.open(path, OpenMode::WRITE, 3),
            };
            self.files.push((file.clone(), fd.map_err(|e| (file.clone(), e))?));
        }
        Ok(())
    }

    /// The next line, once it is known whether it is the last; `Err` when more input is needed.
    fn next_line(&mut self) -> Result<Option<Line>, ()> {
        if self.queue.len() < 2 && !self.at_end {
            return Err(());
        }
        let line = self.queue.pop_front();
        if line.is_some() {
            self.number += 1;
        }
        Ok(line)
    }

    fn is_last(&self) -> bool {
        self.queue.is_empty() && self.at_end
    }

    /// Works until it needs more input. False when it has quit.
    fn run(&mut self, sys: &mut Sys<'_, '_>) -> bool {
        loop {
            match self.at {
                At::Quit => return false,
                At::Cycle => match self.next_line() {
                    Err(()) | Ok(None) => return true,
                    Ok(Some((text, ended))) => {
                        (self.space, self.ended) = (text, ended);
                        self.substituted = false;
                        self.steps = 0;
                        self.at = At::Command(0);
                    }
                },
                At::Fetch(command, append) => match self.next_line() {
                    Err(()) => return true,
                    Ok(None) => {
                        if append {
                            self.print_space(sys);
                        }
                        self.finish_cycle(sys);
                    }
                    Ok(Some((text, ended))) => {
                        if append {
                            self.space.push('\n');
                            self.space.push_str(&text);
                        } else {
                            self.space = text;
                            self.substituted = false;
                        }
                        self.ended = ended;
                        self.at = At::Command(command + 1);
                    }
                },
                At::Command(i) => {
                    sys.work(1);
                    self.steps += 1;
                    if self.steps > sys.os.limits.steps_per_instant {
                        self.give_up(sys);
                        return false;
                    }
                    self.step(sys, i);
                }
            }
        }
    }

    /// Stops a script that works on one line for ever; a real one would stay busy.
    fn give_up(&mut self, sys: &mut Sys<'_, '_>) {
        sys.complain(format!(
            "a sed script took {} steps for one line (steps_per_instant); it was ended with status 1",
            sys.os.limits.steps_per_instant
        ));
        self.at = At::Quit;
        self.status = 1;
    }

    fn step(&mut self, sys: &mut Sys<'_, '_>, i: usize) {
        let script = Arc::clone(&self.script);
        let Some(command) = script.commands.get(i) else {
            self.print_space(sys);
            self.finish_cycle(sys);
            return;
        };
        let matched = self.matches(i, command) != command.inverted;
        self.at = At::Command(i + 1);
        if !matched {
            if let Verb::Block(end) = command.verb {
                self.at = At::Command(end);
            }
            return;
        }
        if let Some(Address::Match(Some(regex))) = &command.from {
            self.last_regex = Some(Arc::clone(regex));
        }
        match &command.verb {
            Verb::Block(_) | Verb::EndBlock | Verb::Label => {}
            Verb::Append(text) => self.appended.push(encode(text)),
            Verb::Insert(text) => self.print(sys, text, true),
            Verb::Change(text) => {
                if !self.ranges[i].inside {
                    self.print(sys, text, true);
                }
                self.finish_cycle(sys);
            }
            Verb::Read(file) => {
                if let Ok(bytes) = sys.content(if file == "-" { "/dev/stdin" } else { file }) {
                    let lines = super::super::lines::split_lines(&bytes);
                    self.appended.extend(lines.into_iter().map(<[u8]>::to_vec));
                }
            }
            Verb::Write(file) => self.write_file(sys, file),
            Verb::Branch(test, target) => {
                let taken = match test {
                    Test::Always => true,
                    Test::Done => std::mem::take(&mut self.substituted),
                    Test::NotDone => !std::mem::take(&mut self.substituted),
                };
                if taken {
                    self.at = At::Command(target.unwrap_or(usize::MAX));
                }
            }
            Verb::Substitute(s) => self.substitute(sys, s),
            Verb::Translate(pairs) => {
                let map = |c: char| pairs.iter().find(|(a, _)| *a == c).map_or(c, |(_, b)| *b);
                self.space = self.space.chars().map(map).collect();
            }
            Verb::Quit(status, prints) => {
                self.status = *status;
                if *prints {
                    self.print_space(sys);
                    self.finish_cycle(sys);
                }
                self.at = At::Quit;
            }
            Verb::Plain(letter) => self.plain(sys, *letter, i),
        }
    }

    fn plain(&mut self, sys: &mut Sys<'_, '_>, letter: char, i: usize) {
        match letter {
            '=' => {
                let text = self.number.to_string();
                self.print(sys, &text, true);
            }
            'd' => self.finish_cycle(sys),
            'D' => match self.space.split_once('\n') {
                Some((_, rest)) => {
                    self.space = rest.to_owned();
                    self.at = At::Command(0);
                }
                None => self.finish_cycle(sys),
            },
            'g' => self.space = self.hold.clone(),
            'G' => {
                self.space.push('\n');
                self.space.push_str(&self.hold);
                self.ended = true;
            }
            'h' => self.hold = self.space.clone(),
            'H' => {
                self.hold.push('\n');
                self.hold.push_str(&self.space);
                if !fits(sys, self.hold.len()) {
                    self.hold.clear();
                }
            }
            'x' => {
                std::mem::swap(&mut self.space, &mut self.hold);
                self.ended = true;
            }
            'n' => {
                if self.is_last() {
                    if !self.quiet {
                        self.print_text(sys);
                    }
                    self.finish_cycle(sys);
                } else {
                    if !self.quiet {
                        self.print_text(sys);
                    }
                    self.flush_appended(sys);
                    self.at = At::Fetch(i, false);
                }
            }
            'N' => {
                self.flush_appended(sys);
                self.at = At::Fetch(i, true);
            }
            'p' => {
                let text = self.space.clone();
                self.print(sys, &text, true);
            }
            'P' => {
                let text = self.space.split('\n').next().unwrap_or("").to_owned();
                self.print(sys, &text, true);
            }
            'z' => self.space.clear(),
            'F' => {
                let name = self.name.to_string();
                self.print(sys, &name, true);
            }
            // busybox takes `l` and does nothing.
            _ => {}
        }
    }

    fn print_text(&mut self, sys: &mut Sys<'_, '_>) {
        let (text, ended) = (std::mem::take(&mut self.space), self.ended);
        self.print(sys, &text, ended);
        self.space = text;
    }

    fn print_space(&mut self, sys: &mut Sys<'_, '_>) {
        if !self.quiet {
            self.print_text(sys);
        }
    }

    fn finish_cycle(&mut self, sys: &mut Sys<'_, '_>) {
        self.flush_appended(sys);
        self.at = At::Cycle;
    }

    fn flush_appended(&mut self, sys: &mut Sys<'_, '_>) {
        for text in std::mem::take(&mut self.appended) {
            self.put(sys, &text, true);
        }
    }

    fn print(&mut self, sys: &mut Sys<'_, '_>, text: &str, ended: bool) {
        self.put(sys, &encode(text), ended);
    }

    fn put(&mut self, sys: &mut Sys<'_, '_>, text: &[u8], ended: bool) {
        let mut out = Vec::with_capacity(text.len() + 2);
        if std::mem::take(&mut self.open_line) {
            out.push(b'\n');
        }
        out.extend_from_slice(text);
        if ended {
            out.push(self.end);
        } else {
            self.open_line = !text.is_empty();
        }
        match &mut self.edited {
            Some((_, content)) => {
                if fits(sys, content.len() + out.len()) {
                    content.extend(out);
                }
            }
            None => sys.out(&out),
        }
    }

    fn write_file(&self, sys: &mut Sys<'_, '_>, file: &Str) {
        let Some((_, fd)) = self.files.iter().find(|(name, _)| name == file) else { return };
        let mut out = encode(&self.space);
        if self.ended {
            out.push(self.end);
        }
        if *fd == 1 {
            return sys.out(&out);
        }
        // A disk that is full is told of by the kernel of the container.
        let _written = sys.write(*fd, &out);
    }

    fn matches(&mut self, i: usize, command: &Command) -> bool {
        let Some(from) = &command.from else { return true };
        let Some(to) = &command.to else { return self.at_address(from) };
        let range = self.ranges[i];
        let zero = matches!(from, Address::Line(0));
        let started = zero && !range.spent;
        let inside = range.inside
            || started
            || match from {
                Address::Line(n) => !range.spent && *n <= self.number && *n > 0,
                other => self.at_address(other),
            };
        if !inside {
            return false;
        }
        let fresh = !range.inside && !started;
        let mut next = Range { inside: true, spent: range.spent, end: range.end };
        if matches!(from, Address::Line(_)) {
            next.spent = true;
        }
        let over = match to {
            End::More(n) => {
                let end = if fresh { self.number + n } else { range.end.unwrap_or(0) };
                next.end = Some(end);
                end <= self.number
            }
            End::At(Address::Line(n)) => *n <= self.number,
            End::At(Address::Last) => self.is_last(),
            End::At(Address::Step(first, step)) => {
                // `addr,~N` ends at a multiple of N; the parser reads it as a step from there.
                *step > 0 && self.number >= *first && (self.number - first).is_multiple_of(*step)
            }
            End::At(address @ Address::Match(_)) => !fresh && self.at_address(address),
        };
        if over {
            next.inside = false;
        }
        self.ranges[i] = next;
        true
    }

    fn at_address(&self, address: &Address) -> bool {
        match address {
            Address::Line(n) => *n == self.number,
            Address::Last => self.is_last(),
            Address::Step(first, 0) => self.number == *first,
            Address::Step(first, step) => {
                self.number >= *first && (self.number - first).is_multiple_of(*step)
            }
            Address::Match(regex) => {
                let regex = regex.as_ref().or(self.last_regex.as_ref());
                regex.is_some_and(|r| r.is_match(&self.space))
            }
        }
    }

    fn substitute(&mut self, sys: &mut Sys<'_, '_>, s: &Substitute) {
        let Some(regex) = s.regex.clone().or_else(|| self.last_regex.clone()) else {
            sys.err("sed: no previous regexp\n");
            self.status = 1;
            self.at = At::Quit;
            return;
        };
        sys.work(self.space.len() / 8);
        self.last_regex = Some(Arc::clone(&regex));
        let Some(text) = replaced(&self.space, &regex, s) else { return };
        if !fits(sys, text.len()) {
            self.at = At::Quit;
            self.status = 4;
            return;
        }
        self.space = text;
        self.substituted = true;
        if s.print {
            self.print_text(sys);
        }
        if let Some(file) = &s.file {
            self.write_file(sys, file);
        }
    }

    /// Puts what was edited in the file's place.
    fn store(&mut self, sys: &mut Sys<'_, '_>) {
        let Some((name, content)) = self.edited.take() else { return };
        self.open_line = false;
        let suffix = self.in_place.clone().unwrap_or_default();
        let stat = sys.stat(&name, true);
        let mut stored = Ok(());
        if !suffix.is_empty() {
            stored = sys.rename(&name, &format!("{name}{suffix}"));
        } else if sys.stat(&name, false).is_ok_and(|s| s.kind == '-') {
            // As a real one, it is a new file under the old name.
            stored = sys.unlink(&name, false);
        }
        let stored = stored.and_then(|()| sys.put(&name, &content)).and_then(|()| match stat {
            Ok(stat) => {
                sys.change(&name, true, Change::Mode(stat.mode))?;
                if sys.me().uid == 0 {
                    sys.change(&name, true, Change::Owner(Some(stat.uid), Some(stat.gid)))?;
                }
                Ok(())
            }
            Err(_) => Ok(()),
        });
        if let Err(e) = stored {
            sys.err(&format!("sed: can't create '{name}': {e}\n"));
            self.status = 1;
        }
    }
}

/// The text with its matches replaced; `None` when nothing matched.
fn replaced(text: &str, regex: &Regex, s: &Substitute) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let (mut at, mut from, mut count, mut any) = (0, 0, 0, false);
    let mut last_end = None;
    while let Some(spans) = regex.find_at(text, from) {
        let (a, b) = spans[0].unwrap_or((from, from));
        // An empty match right behind the one before does not count.
        let follows = a == b && last_end == Some(a);
        if !follows {
            count += 1;
            if s.which == 0 || s.which == count {
                out.push_str(&text[at..a]);
                insert(&mut out, text, &spans, &s.replacement);
                at = b;
                any = true;
                if s.which != 0 {
                    break;
                }
            }
        }
        last_end = Some(b);
        from = if b > a {
            b
        } else {
            match text[b..].chars().next() {
                Some(c) => b + c.len_utf8(),
                None => break,
            }
        };
    }
    out.push_str(&text[at..]);
    any.then_some(out)
}

fn insert(out: &mut String, text: &str, spans: &[Option<(usize, usize)>], pieces: &[Piece]) {
    let mut case: Option<char> = None;
    let mut next: Option<char> = None;
    for piece in pieces {
        let part = match piece {
            Piece::Text(t) => t.as_str(),
            Piece::Group(n) => spans.get(*n).copied().flatten().map_or("", |(a, b)| &text[a..b]),
            Piece::Case(c @ ('u' | 'l')) => {
                next = Some(*c);
                continue;
            }
            Piece::Case('E') => {
                case = None;
                continue;
            }
            Piece::Case(c) => {
                case = Some(*c);
                continue;
            }
        };
        for c in part.chars() {
            push(
                out,
                match next.take().or(case) {
                    Some('U' | 'u') => c.to_ascii_uppercase(),
                    Some(_) => c.to_ascii_lowercase(),
                    None => c,
                },
            );
        }
    }
}

impl Filter for Sed {
    fn open(&mut self, sys: &mut Sys<'_, '_>, name: &str) -> Next {
        self.name = name.into();
        if name != "-" && sys.stat(name, true).is_ok_and(|s| s.kind == 'd') {
            let what = if self.in_place.is_some() { "couldn't edit" } else { "read error on" };
            sys.err(&format!("sed: {what} {name}: {}\n", Errno::IsDir));
            self.status = 1;
            return Next::NextInput;
        }
        if self.in_place.is_some() {
            self.edited = Some((name.into(), Vec::new()));
        }
        Next::More
    }

    fn data(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) -> Next {
        for line in self.lines.feed(sys, bytes) {
            self.queue.push_back((bytewise(&line), true));
        }
        if self.run(sys) { Next::More } else { Next::Stop }
    }

    fn close(&mut self, sys: &mut Sys<'_, '_>) -> Next {
        if let Some(rest) = self.lines.rest() {
            self.queue.push_back((bytewise(&rest), false));
        }
        if self.separate {
            self.at_end = true;
            let goes_on = self.run(sys);
            self.store(sys);
            self.at_end = false;
            self.number = 0;
            self.ranges.fill(Range::default());
            if !goes_on {
                return Next::Stop;
            }
        }
        Next::More
    }

    fn unread(&self) -> usize {
        self.queue.iter().skip(1).map(|(text, _)| encode(text).len() + 1).sum()
    }

    fn finish(&mut self, sys: &mut Sys<'_, '_>, failed: bool) -> u8 {
        if self.at != At::Quit {
            self.at_end = true;
            self.run(sys);
        } else if self.edited.is_some() {
            // What follows a `q` stays in the file.
            while let Some((text, ended)) = self.queue.pop_front() {
                self.print(sys, &text, ended);
            }
        }
        self.store(sys);
        if self.status != 0 { self.status } else { u8::from(failed) }
    }
}

//! `tail`, with `-f` and `-F` in virtual time.
//!
//! busybox looks at a followed file every second (`-s`). So does this one while anybody could write
//! to it: another process of the container, or another container by a volume. Otherwise it waits for
//! news from outside without a timer.

use std::time::Duration;

use super::head::header;
use super::lines::fits;
use super::options::Syntax;
use super::{Begun, Call, Waiting, durations, numbers};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::fs::{Device, NodeId, Stat};
use crate::container::os::{OpenMode, Read, Sys, Target};
use crate::container::process::{Fd, Step, Wait};

const SYNTAX: Syntax = Syntax {
    short: "fc:n:qs:vF",
    long: &[
        ("bytes", 'c'),
        ("follow", 'f'),
        ("lines", 'n'),
        ("quiet", 'q'),
        ("retry", 'F'),
        ("silent", 'q'),
        ("sleep-interval", 's'),
        ("verbose", 'v'),
    ],
    usage: "[-fF] [-s SECONDS] [-n [+]N[bkm]] [-c [+]N[bkm]] [-qv] [FILE]...",
    status: 1,
};

/// A file that is read.
#[derive(Clone, Debug)]
struct Followed {
    name: Str,
    fd: Option<Fd>,
    read: u64,
}

/// `tail` under way.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    files: Vec<Followed>,
    count: usize,
    bytes: bool,
    from_top: bool,
    follow: bool,
    retry: bool,
    period: Duration,
    headers: bool,
    printed_header: bool,
    status: u8,
    // The first reading:
    current: usize,
    opened: bool,
    /// Lines or bytes of the current file that were passed over, from 1.
    seen: usize,
    buffer: Vec<u8>,
    // Following:
    next: Option<SimTime>,
    /// No timer runs, as nobody in sight can write.
    idle: bool,
    last: usize,
}

/// `tail`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let legacy = call
        .args
        .first()
        .filter(|a| a.starts_with(['-', '+']) && a[1..].starts_with(|c: char| c.is_ascii_digit()));
    let rest = if legacy.is_some() { &call.args[1..] } else { call.args };
    let options = match call.options_of(rest, SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let last = options.given.iter().rev().find(|(c, _)| *c == 'n' || *c == 'c');
    let (bytes, text) = match (last, legacy) {
        (Some((c, text)), _) => (*c == 'c', text.clone()),
        (None, Some(text)) => (false, text.clone()),
        (None, None) => (false, "10".into()),
    };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let Some(count) = numbers::size(digits) else { return call.bad_number(digits, 1) };
    let period = match options.value('s').map(|s| durations::one(s).ok_or(s)) {
        None => Duration::from_secs(1),
        Some(Ok(period)) => period,
        Some(Err(text)) => return call.bad_number(text, 1),
    };
    let mut tail = Tail {
        files: Vec::new(),
        count: usize::try_from(count).unwrap_or(usize::MAX),
        bytes,
        from_top: text.starts_with('+'),
        follow: options.has('f') || options.has('F'),
        retry: options.has('F'),
        period,
        headers: false,
        printed_header: false,
        status: 0,
        current: 0,
        opened: false,
        seen: 1,
        buffer: Vec::new(),
        next: None,
        idle: false,
        last: 0,
    };
    if options.operands.is_empty() {
        tail.files.push(Followed { name: "-".into(), fd: Some(0), read: 0 });
        if call.sys.stat_fd(0).is_ok_and(|s| s.kind == 'p') {
            tail.follow = false;
        }
    }
    for name in &options.operands {
        let fd = if name == "-" { Ok(0) } else { call.sys.open(name, OpenMode::READ, 3) };
        if let Err(e) = fd {
            call.err(&format!("can't open '{name}': {e}"));
            if !tail.retry {
                tail.status = 1;
                continue;
            }
        }
        tail.files.push(Followed { name: name.clone(), fd: fd.ok(), read: 0 });
    }
    if tail.files.is_empty() {
        call.err("no files");
        return Begun::Exit(1);
    }
    tail.headers = options.has('v') || tail.files.len() > 1 && !options.has('q');
    Begun::Wait(Waiting::Tail(Box::new(tail)))
}

impl Tail {
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        while self.current < self.files.len() {
            if sys.must_stop() || !sys.tick() {
                return Step::Yield;
            }
            if let Some(step) = self.first_reading(sys) {
                return step;
            }
        }
        if !self.follow {
            return Step::Exit(self.status);
        }
        self.followed(sys)
    }

    fn write(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) {
        // A reader that went away raises its signal.
        let _written = sys.write(1, bytes);
    }

    /// Reads on in the current file; a step when it must wait.
    fn first_reading(&mut self, sys: &mut Sys<'_, '_>) -> Option<Step> {
        let i = self.current;
        let Some(fd) = self.files[i].fd else {
            self.current += 1;
            return None;
        };
        if !self.opened {
            self.opened = true;
            self.seen = 1;
            self.buffer.clear();
            if self.headers {
                let text = header(&self.files[i].name, !self.printed_header);
                self.write(sys, &text);
                self.printed_header = true;
            }
        }
        match sys.read(fd, 1 << 15) {
            Ok(Read::Data(bytes)) => {
                self.files[i].read += bytes.len() as u64;
                if self.from_top {
                    let skip = self.skipped(&bytes);
                    self.write(sys, &bytes[skip..]);
                } else {
                    self.buffer.extend_from_slice(&bytes);
                    if self.buffer.len() > 1 << 20 {
                        let cut = self.buffer.len() - tail_of(&self.buffer, self.count, self.bytes);
                        self.buffer.drain(..cut);
                    }
                    if !fits(sys, self.buffer.len()) {
                        return Some(Step::Exit(1));
                    }
                }
                return None;
            }
            Ok(Read::Later(at)) => return Some(Step::Block(Wait::Readable(fd, at))),
            Ok(Read::End) => {}
            Err(e) => {
                sys.err(&format!("tail: read error: {e}\n"));
                self.status = 1;
            }
        }
        let keep = tail_of(&self.buffer, self.count, self.bytes);
        let text = self.buffer.split_off(self.buffer.len() - keep);
        self.write(sys, &text);
        self.buffer.clear();
        self.last = i;
        self.current += 1;
        self.opened = false;
        None
    }

    /// How many of these bytes stand before the point where `+N` begins.
    fn skipped(&mut self, bytes: &[u8]) -> usize {
        let count = self.count.max(1);
        if self.bytes {
            let skip = (count - self.seen.min(count)).min(bytes.len());
            self.seen += skip;
            return skip;
        }
        if self.seen >= count {
            return 0;
        }
        for (i, &b) in bytes.iter().enumerate() {
            if b == b'\n' {
                self.seen += 1;
                if self.seen == count {
                    return i + 1;
                }
            }
        }
        bytes.len()
    }

    /// Looks at every followed file when its time has come.
    fn followed(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        let now = sys.now();
        // News came while nobody was in sight who could write: the look is still at a whole number of periods.
        if std::mem::take(&mut self.idle)
            && let Some(next) = self.next
            && now > next
            && now.since(next).as_nanos() % self.period.max(Duration::from_millis(1)).as_nanos()
                != 0
        {
            self.align(now);
            return Step::Block(Wait::Until(self.next.unwrap_or(now)));
        }
        match self.next {
            Some(next) if now >= next => {
                for i in 0..self.files.len() {
                    self.look_at(sys, i);
                }
                if sys.must_stop() {
                    self.next = Some(now.saturating_add(self.period));
                    return Step::Yield;
                }
                self.next = Some(now.saturating_add(self.period));
            }
            None => self.next = Some(now.saturating_add(self.period)),
            Some(_) => {}
        }
        if self.is_idle(sys) {
            // News from outside: the next look is at a whole number of periods from the last.
            return if self.has_news(sys) {
                self.align(now);
                Step::Block(Wait::Until(self.next.unwrap_or(now)))
            } else if self.files.iter().all(|f| is_dead(sys, f)) {
                Step::Block(Wait::Forever)
            } else {
                self.align(now);
                self.idle = true;
                Step::Block(Wait::Network(None))
            };
        }
        self.align(now);
        Step::Block(Wait::Until(self.next.unwrap_or(now)))
    }

    /// Moves the time of the next look into the future, by whole periods.
    fn align(&mut self, now: SimTime) {
        let Some(next) = self.next else { return };
        if next > now {
            return;
        }
        let period = self.period.max(Duration::from_millis(1));
        let late = now.since(next).as_nanos() / period.as_nanos() + 1;
        let ahead =
            u64::try_from(period.as_nanos() * late).map_or(Duration::MAX, Duration::from_nanos);
        self.next = Some(next.saturating_add(ahead));
    }

    /// Whether nobody in sight can write to the files.
    fn is_idle(&self, sys: &Sys<'_, '_>) -> bool {
        let alone = sys.is_alone();
        self.files.iter().all(|f| {
            is_dead(sys, f)
                || alone
                    && f.fd.is_some_and(|fd| {
                        matches!(sys.target(fd), Some(Target::Node(NodeId { volume: None, .. })))
                    })
        })
    }

    fn has_news(&self, sys: &Sys<'_, '_>) -> bool {
        self.files.iter().any(|f| {
            let Some(fd) = f.fd else { return sys.stat(&f.name, true).is_ok() };
            let open = sys.stat_fd(fd);
            let grown = open.as_ref().is_ok_and(|s| s.kind == '-' && s.size != f.read);
            grown || self.retry && !is_same(open.ok(), sys.stat(&f.name, true).ok())
        })
    }

    fn look_at(&mut self, sys: &mut Sys<'_, '_>, i: usize) {
        let name = self.files[i].name.clone();
        let mut newer = None;
        if self.retry && name != "-" {
            let open = self.files[i].fd.and_then(|fd| sys.stat_fd(fd).ok());
            if !is_same(open, sys.stat(&name, true).ok()) {
                newer = self.reopened(sys, i, &name);
            }
        }
        let Some(fd) = self.files[i].fd else { return };
        loop {
            if sys
                .stat_fd(fd)
                .is_ok_and(|s| s.kind == '-' && s.size > 0 && s.size < self.files[i].read)
                && sys.seek(fd, 0, false).is_ok()
            {
                self.files[i].read = 0;
            }
            match sys.read(fd, 1 << 15) {
                Ok(Read::Data(bytes)) => {
                    self.files[i].read += bytes.len() as u64;
                    if self.headers && self.last != i {
                        let text = header(&name, false);
                        self.write(sys, &text);
                        self.last = i;
                    }
                    self.write(sys, &bytes);
                }
                Ok(Read::End | Read::Later(_)) | Err(_) => {
                    let Some(new) = newer.take() else { return };
                    // The old file is read to its end; now the new one takes its place.
                    let _moved = sys.dup2(new, fd);
                    sys.close(new);
                    self.files[i].read = 0;
                }
            }
            if sys.must_stop() || !sys.tick() {
                return;
            }
        }
    }

    /// The file by this name is another one than before: says so; the new one, if it is to be
    /// read after the old.
    fn reopened(&mut self, sys: &mut Sys<'_, '_>, i: usize, name: &Str) -> Option<Fd> {
        let old = self.files[i].fd;
        match sys.open(name, OpenMode::READ, 3) {
            Ok(new) => {
                let how = if old.is_some() { "been replaced" } else { "appeared" };
                sys.err(&format!("tail: {name} has {how}; following end of new file\n"));
                if old.is_some() {
                    return Some(new);
                }
                self.files[i].fd = Some(new);
                self.files[i].read = 0;
            }
            Err(e) if old.is_some() => {
                sys.err(&format!("tail: {name} has been renamed or deleted: {e}\n"));
            }
            Err(_) => {}
        }
        None
    }
}

/// Whether nothing will ever come from a file: a device that is always empty.
fn is_dead(sys: &Sys<'_, '_>, file: &Followed) -> bool {
    file.fd.is_some_and(|fd| match sys.target(fd) {
        Some(Target::Bytes(_)) => true,
        Some(Target::Node(node)) => sys.device(*node) == Some(Device::Null),
        _ => false,
    })
}

fn is_same(a: Option<Stat>, b: Option<Stat>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if a.id == b.id)
}

/// The length of the last `count` lines or bytes.
fn tail_of(buffer: &[u8], count: usize, bytes: bool) -> usize {
    if bytes || count == 0 {
        return count.min(buffer.len());
    }
    let mut lines = 0;
    let body = buffer.strip_suffix(b"\n").unwrap_or(buffer);
    for (i, &b) in body.iter().enumerate().rev() {
        if b == b'\n' {
            lines += 1;
            if lines == count {
                return buffer.len() - i - 1;
            }
        }
    }
    buffer.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_counted_from_the_end() {
        assert_eq!(tail_of(b"a\nb\nc\n", 1, false), 2);
        assert_eq!(tail_of(b"a\nb\nc", 2, false), 3);
        assert_eq!(tail_of(b"a\n", 5, false), 2);
        assert_eq!(tail_of(b"abc", 2, true), 2);
        assert_eq!(tail_of(b"abc", 0, false), 0);
    }
}

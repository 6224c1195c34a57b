//! Records from files and commands, and output to them.

use crate::base::Str;
use crate::container::coreutils::lines::bytewise;
use crate::container::coreutils::processes;
use crate::container::environment::Environment;
use crate::container::os::{OpenMode, Read, Sys};
use crate::container::process::{Fd, Pid, Wait};
use crate::container::regex::Regex;
use crate::container::text::encode;

/// How records end.
#[derive(Clone, Debug)]
pub(super) enum RecordEnd {
    Byte(u8),
    /// At empty lines; lines are fields too.
    Paragraph,
    Regex(Box<Regex>),
}

/// Something that is read record by record.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    fd: Fd,
    buffer: Vec<u8>,
    /// What of the buffer was used.
    start: usize,
    ended: bool,
    /// The process that writes it.
    pub(super) child: Option<Pid>,
}

/// What reading a record came to.
#[derive(Debug)]
pub(super) enum Got {
    Record(String),
    End,
    Failed,
    Wait(Wait),
}

impl Reader {
    pub(super) fn new(fd: Fd) -> Self {
        Self { fd, ..Self::default() }
    }

    pub(super) const fn fd(&self) -> Fd {
        self.fd
    }

    /// The next record, without its end.
    pub(super) fn record(&mut self, sys: &mut Sys<'_, '_>, end: &RecordEnd) -> Got {
        loop {
            if let Some(record) = self.buffered(end) {
                return Got::Record(bytewise(&record));
            }
            if self.ended {
                return Got::End;
            }
            match sys.read(self.fd, 1 << 15) {
                Ok(Read::Data(bytes)) => {
                    if self.start > 0 {
                        self.buffer.drain(..self.start);
                        self.start = 0;
                    }
                    self.buffer.extend_from_slice(&bytes);
                    if !crate::container::coreutils::lines::fits(sys, self.buffer.len()) {
                        return Got::Failed;
                    }
                }
                Ok(Read::End) => self.ended = true,
                Ok(Read::Later(at)) => return Got::Wait(Wait::Readable(self.fd, at)),
                Err(_) => return Got::Failed,
            }
        }
    }

    fn buffered(&mut self, end: &RecordEnd) -> Option<Vec<u8>> {
        if matches!(end, RecordEnd::Paragraph) {
            while self.buffer.get(self.start) == Some(&b'\n') {
                self.start += 1;
            }
        }
        let rest = &self.buffer[self.start..];
        let found = match end {
            RecordEnd::Byte(b) => rest.iter().position(|x| x == b).map(|i| (i, i + 1)),
            RecordEnd::Paragraph => rest.windows(2).position(|w| w == b"\n\n").map(|i| {
                let more = rest[i..].iter().take_while(|b| **b == b'\n').count();
                (i, i + more)
            }),
            RecordEnd::Regex(regex) => {
                let text = bytewise(rest);
                let span = regex.find_at(&text, 0).and_then(|s| s[0]).filter(|(a, b)| b > a);
                // A match at the end of what is there may become longer.
                span.filter(|(_, b)| self.ended || *b < text.len())
                    .map(|(a, b)| (encode(&text[..a]).len(), encode(&text[..b]).len()))
            }
        };
        if let Some((record, next)) = found {
            let record = rest[..record].to_vec();
            self.start += next;
            return Some(record);
        }
        if !self.ended || rest.is_empty() {
            return None;
        }
        let mut record = rest.to_vec();
        self.start = self.buffer.len();
        if !matches!(end, RecordEnd::Byte(_)) && record.last() == Some(&b'\n') {
            record.pop();
        }
        Some(record)
    }
}

/// Something that is written.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub(super) name: Str,
    pub(super) fd: Fd,
    pub(super) child: Option<Pid>,
    pending: Vec<u8>,
}

impl Writer {
    /// Opens a file.
    pub(super) fn file(sys: &mut Sys<'_, '_>, name: &Str, append: bool) -> Option<Self> {
        let mode = if append { OpenMode::APPEND } else { OpenMode::WRITE };
        let fd = match name.as_str() {
            "/dev/stdout" | "-" => 1,
            "/dev/stderr" => 2,
            path => sys.open(path, mode, 3).ok()?,
        };
        Some(Self { name: name.clone(), fd, child: None, pending: Vec::new() })
    }

    /// Starts a command that reads what is written.
    pub(super) fn command(
        sys: &mut Sys<'_, '_>,
        name: &Str,
        environment: &Environment,
        others: &[Fd],
    ) -> Option<Self> {
        let (out, into) = sys.pipe();
        let mut close = vec![out, into];
        close.extend_from_slice(others);
        let child = processes::shell(sys, name, environment, &[(out, 0)], &close);
        sys.close(out);
        match child {
            Ok(child) => {
                Some(Self { name: name.clone(), fd: into, child: Some(child), pending: Vec::new() })
            }
            Err(_) => {
                sys.close(into);
                None
            }
        }
    }

    pub(super) fn put(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) {
        if self.fd == 1 && self.child.is_none() {
            return sys.out(bytes);
        }
        self.pending.extend_from_slice(bytes);
        if self.fd == 2 || self.pending.len() >= 4096 {
            self.flush(sys);
        }
    }

    pub(super) fn flush(&mut self, sys: &mut Sys<'_, '_>) {
        let bytes = std::mem::take(&mut self.pending);
        // A reader that is gone raises its signal.
        let _written = sys.write(self.fd, &bytes);
    }

    /// Writes the rest and closes.
    pub(super) fn close(&mut self, sys: &mut Sys<'_, '_>) {
        self.flush(sys);
        if self.fd > 2 {
            sys.close(self.fd);
        }
    }
}

/// Starts a command whose output is read.
pub(super) fn command_reader(
    sys: &mut Sys<'_, '_>,
    command: &str,
    environment: &Environment,
    others: &[Fd],
) -> Option<Reader> {
    let (out, into) = sys.pipe();
    let mut close = vec![out, into];
    close.extend_from_slice(others);
    let child = processes::shell(sys, command, environment, &[(into, 1)], &close);
    sys.close(into);
    match child {
        Ok(child) => Some(Reader { child: Some(child), ..Reader::new(out) }),
        Err(_) => {
            sys.close(out);
            None
        }
    }
}

/// Opens a file that is read.
pub(super) fn file_reader(sys: &mut Sys<'_, '_>, name: &str) -> Option<Reader> {
    let fd = match name {
        "-" | "/dev/stdin" => 0,
        path => sys.open(path, OpenMode::READ, 3).ok()?,
    };
    let readable = sys.stat_fd(fd).is_ok_and(|s| s.kind != 'd');
    readable.then(|| Reader::new(fd))
}

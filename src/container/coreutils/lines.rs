//! Input as lines, and input as a whole: what most filters are made of.

use super::options::Options;
use super::{Filter, Next};
use crate::base::Str;
use crate::container::fs::Errno;
use crate::container::os::Sys;
use crate::container::text::byte_char;

/// Text in which every byte is one character, as the C locale has it;
/// [`encode`](crate::container::text::encode) gives the same bytes again.
pub(crate) fn bytewise(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => text.to_owned(),
        _ => bytes.iter().map(|&b| byte_char(b)).collect(),
    }
}

/// Bytes on their way to being lines.
#[derive(Clone, Debug)]
pub(crate) struct LineBuffer {
    partial: Vec<u8>,
    end: u8,
}

impl Default for LineBuffer {
    fn default() -> Self {
        Self::ending_with(b'\n')
    }
}

impl LineBuffer {
    /// Lines that end with this byte.
    pub(crate) const fn ending_with(end: u8) -> Self {
        Self { partial: Vec::new(), end }
    }

    /// The lines that `bytes` complete, without their ends. A line longer than memory is cut.
    pub(crate) fn feed(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let mut pieces = bytes.split(|&b| b == self.end).peekable();
        while let Some(piece) = pieces.next() {
            self.partial.extend_from_slice(piece);
            if pieces.peek().is_some() || !fits(sys, self.partial.len()) {
                lines.push(std::mem::take(&mut self.partial));
            }
        }
        sys.work(lines.len());
        lines
    }

    /// What stands after the last end of a line, if anything.
    pub(crate) fn rest(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.partial)).filter(|r| !r.is_empty())
    }
}

/// Whether a buffer of this length is within bounds; the first time that it is not, that is said.
pub(crate) fn fits(sys: &mut Sys<'_, '_>, len: usize) -> bool {
    let bound = sys.os.limits.memory_bytes;
    if len <= bound {
        return true;
    }
    let text = format!("a tool of the container buffers more than {bound} bytes (memory_bytes)");
    if sys.os.rare.complaints.last() != Some(&text) {
        sys.complain(text);
    }
    false
}

/// A filter that works line by line.
pub(crate) trait LineTool {
    /// A line without its end; `ended` is false for a last one that has none.
    fn line(&mut self, sys: &mut Sys<'_, '_>, line: &[u8], ended: bool) -> Next;

    /// An input begins.
    fn begin(&mut self, _sys: &mut Sys<'_, '_>, _name: &str) -> Next {
        Next::More
    }

    /// An input has ended.
    fn end(&mut self, _sys: &mut Sys<'_, '_>) -> Next {
        Next::More
    }

    /// The status.
    fn finish(&mut self, _sys: &mut Sys<'_, '_>, failed: bool) -> u8 {
        u8::from(failed)
    }

    /// The message for an input that cannot be opened.
    fn open_error(&self, name: &str, e: Errno) -> String {
        format!("{name}: {e}")
    }
}

/// The filter that a [`LineTool`] makes.
#[derive(Clone, Debug)]
pub(crate) struct ByLine<T> {
    tool: T,
    lines: LineBuffer,
    unread: usize,
}

impl<T: LineTool> ByLine<T> {
    pub(crate) const fn new(tool: T) -> Self {
        Self { tool, lines: LineBuffer::ending_with(b'\n'), unread: 0 }
    }

    pub(crate) const fn ending_with(tool: T, end: u8) -> Self {
        Self { tool, lines: LineBuffer::ending_with(end), unread: 0 }
    }
}

impl<T: LineTool> Filter for ByLine<T> {
    fn open(&mut self, sys: &mut Sys<'_, '_>, name: &str) -> Next {
        self.tool.begin(sys, name)
    }

    fn data(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) -> Next {
        let lines = self.lines.feed(sys, bytes);
        for (i, line) in lines.iter().enumerate() {
            let next = self.tool.line(sys, line, true);
            if next != Next::More {
                let after: usize = lines[i + 1..].iter().map(|l| l.len() + 1).sum();
                self.unread = after + self.lines.partial.len();
                self.lines.partial.clear();
                return next;
            }
        }
        Next::More
    }

    fn unread(&self) -> usize {
        self.unread
    }

    fn close(&mut self, sys: &mut Sys<'_, '_>) -> Next {
        if let Some(line) = self.lines.rest()
            && self.tool.line(sys, &line, false) == Next::Stop
        {
            return Next::Stop;
        }
        self.tool.end(sys)
    }

    fn finish(&mut self, sys: &mut Sys<'_, '_>, failed: bool) -> u8 {
        self.tool.finish(sys, failed)
    }

    fn open_error(&self, name: &str, e: Errno) -> String {
        self.tool.open_error(name, e)
    }
}

/// An input that was read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// Its name as given.
    pub(crate) name: Str,
    /// What it holds.
    pub(crate) bytes: Vec<u8>,
}

/// A filter that looks at its inputs only when it has all of them.
#[derive(Clone, Debug)]
pub(crate) struct Gather {
    tool: Gathered,
    work: fn(&mut Gathered, &mut Sys<'_, '_>) -> u8,
    /// Bytes of all inputs together after which it reads no more.
    enough: usize,
    total: usize,
}

/// What a [`Gather`] has.
#[derive(Clone, Debug)]
pub(crate) struct Gathered {
    /// The tool's name.
    pub(crate) name: Str,
    /// Its options.
    pub(crate) options: Options,
    /// The inputs that could be read.
    pub(crate) inputs: Vec<Input>,
    /// Whether another could not.
    pub(crate) failed: bool,
    /// How a file that cannot be opened is complained of.
    pub(crate) open_error: fn(&str, Errno) -> String,
}

impl Gathered {
    /// All inputs as one.
    pub(crate) fn joined(&mut self) -> Vec<u8> {
        let mut inputs = std::mem::take(&mut self.inputs).into_iter();
        let mut all = inputs.next().map(|i| i.bytes).unwrap_or_default();
        for input in inputs {
            all.extend_from_slice(&input.bytes);
        }
        all
    }

    /// A line on standard error.
    pub(crate) fn err(&self, sys: &mut Sys<'_, '_>, text: &str) {
        sys.err(&format!("{}: {text}\n", self.name));
    }
}

impl Gather {
    pub(crate) fn new(
        name: &str,
        options: Options,
        work: fn(&mut Gathered, &mut Sys<'_, '_>) -> u8,
    ) -> Self {
        let tool = Gathered {
            name: name.into(),
            options,
            inputs: Vec::new(),
            failed: false,
            open_error: |name, e| format!("{name}: {e}"),
        };
        Self { tool, work, enough: usize::MAX, total: 0 }
    }

    /// Reads no more than this.
    pub(crate) const fn up_to(mut self, bytes: usize) -> Self {
        self.enough = bytes;
        self
    }

    /// Words the complaint of a file that cannot be opened.
    pub(crate) const fn complaining(mut self, open_error: fn(&str, Errno) -> String) -> Self {
        self.tool.open_error = open_error;
        self
    }
}

impl Filter for Gather {
    fn open(&mut self, _: &mut Sys<'_, '_>, name: &str) -> Next {
        self.tool.inputs.push(Input { name: name.into(), bytes: Vec::new() });
        if self.total >= self.enough { Next::Stop } else { Next::More }
    }

    fn data(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) -> Next {
        let room = self.enough - self.total;
        let bytes = &bytes[..bytes.len().min(room)];
        self.total += bytes.len();
        if let Some(input) = self.tool.inputs.last_mut() {
            input.bytes.extend_from_slice(bytes);
        }
        if self.total >= self.enough || !fits(sys, self.total) { Next::Stop } else { Next::More }
    }

    fn finish(&mut self, sys: &mut Sys<'_, '_>, failed: bool) -> u8 {
        self.tool.failed = failed;
        sys.work(self.total / 16);
        (self.work)(&mut self.tool, sys)
    }

    fn open_error(&self, name: &str, e: Errno) -> String {
        (self.tool.open_error)(name, e)
    }
}

/// The lines of a text without their ends.
pub(crate) fn split_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
    if lines.last().is_some_and(|l| l.is_empty()) {
        lines.pop();
    }
    lines
}

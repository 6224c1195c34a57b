//! Where text came from: a source keeps its name and its text, a span is a range of its bytes.
//!
//! Everything read keeps only byte ranges (eight bytes each); lines and columns are worked out when
//! somebody is told about them, which is rare.

use std::fmt;
use std::sync::Arc;

/// One input: a file, the standard input, or text handed in by a caller.
pub struct Source {
    name: String,
    text: String,
}

impl Source {
    /// A source called `name` (a path as the user wrote it, or `<stdin>`) holding `text`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// The name as the user knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text, as UTF-8 and without a byte order mark.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of `span`; empty when the span lies outside of the text.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// The line and column of a byte offset, both counted from 1; columns count characters.
    ///
    /// An offset past the end is the place just after the last character.
    pub fn place(&self, offset: u32) -> Place {
        let mut at = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Place { line: clamp(line), column: clamp(column) }
    }
}

/// The name alone: texts are long.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.name)
    }
}

/// A range of bytes in a [`Source`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last one; equal to `start` for a value that was not written at all.
    pub end: u32,
}

impl Span {
    /// The range from `start` to `end`; sources are bounded far below 4 GiB, larger is cut.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: clamp(start), end: clamp(end.max(start)) }
    }

    /// The range as indexes into the text.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Its length in bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether nothing is written there.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The same range `by` bytes further on.
    #[must_use]
    pub fn shifted(self, by: u32) -> Self {
        Self { start: self.start.saturating_add(by), end: self.end.saturating_add(by) }
    }
}

/// A line and a column, both counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

fn clamp(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let source = Source::new("a.yaml", "a: é\nbé: c\r\n");
        let check = |offset, line, column| {
            assert_eq!(source.place(offset), Place { line, column }, "offset {offset}");
        };
        check(0, 1, 1);
        check(3, 1, 4);
        check(4, 1, 4); // inside the two bytes of é
        check(5, 1, 5);
        check(6, 2, 1);
        check(9, 2, 3);
        check(14, 3, 1);
        check(9_999, 3, 1);
    }

    #[test]
    fn a_span_outside_of_the_text_is_empty_text() {
        let source = Source::new("a.yaml", "abc");
        assert_eq!(source.slice(Span::new(1, 3)), "bc");
        assert_eq!(source.slice(Span::new(2, 9)), "");
    }
}

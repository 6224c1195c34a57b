//! Characters to tokens: YAML 1.1 as kubectl's reader scans it.
//!
//! Follows vendor/go.yaml.in/yaml/v2/scannerc.go (`yaml_parser_fetch_next_token` and below), the
//! libyaml design: a look-ahead queue in which a token that turns out to be a key gets its `Key` (and
//! the start of its block mapping) put before it. A candidate key stays open for one line and 1024
//! characters, so the queue is short. The words of the errors are the ones kubectl prints.
//!
//! Left out: character encodings (the text is UTF-8 by now) and the bound on nesting, which the
//! composer keeps.

use std::collections::VecDeque;

use super::{Stage, YamlError};
use crate::api::source::Span;
use crate::base::Str;

/// A position in the text. Columns and indexes count characters, from 0; so do lines.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Mark {
    /// Bytes from the start of the text.
    pub(super) offset: usize,
    /// Characters from the start of the text.
    pub(super) index: usize,
    /// Line breaks passed.
    pub(super) line: usize,
    /// Characters since the last line break.
    pub(super) column: usize,
}

/// One token with its extent.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: Mark,
    pub(super) end: Mark,
}

/// What a token is.
#[derive(Debug, PartialEq)]
pub(super) enum TokenKind {
    StreamEnd,
    VersionDirective { major: u8, minor: u8 },
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequence,
    BlockMapping,
    BlockEnd,
    FlowSequence,
    FlowSequenceEnd,
    FlowMapping,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(Str),
    Anchor(Str),
    Tag { handle: String, suffix: String },
    Scalar { text: Str, plain: bool },
}

/// A token that becomes a key if a `:` follows on its line.
#[derive(Clone, Copy, Debug)]
struct SimpleKey {
    possible: bool,
    required: bool,
    token: usize,
    mark: Mark,
}

/// Turns text into tokens, one at a time.
pub(super) struct Scanner<'t> {
    pub(super) text: &'t str,
    pub(super) at: Mark,
    pub(super) flow: usize,
    /// The column of the innermost block collection; -1 outside of any.
    pub(super) indent: isize,
    indents: Vec<isize>,
    pub(super) key_allowed: bool,
    /// One candidate per open flow collection, and one for the block context.
    keys: Vec<SimpleKey>,
    tokens: VecDeque<Token>,
    taken: usize,
    ended: bool,
}

/// The longest key that may be written without `?`, in characters.
const KEY_REACH: usize = 1024;

impl<'t> Scanner<'t> {
    /// A scanner at the start of `text`.
    pub(super) fn new(text: &'t str) -> Self {
        let none = SimpleKey { possible: false, required: false, token: 0, mark: Mark::default() };
        let mut scanner = Self {
            text,
            at: Mark::default(),
            flow: 0,
            indent: -1,
            indents: Vec::new(),
            key_allowed: true,
            keys: vec![none],
            tokens: VecDeque::new(),
            taken: 0,
            ended: false,
        };
        if text.starts_with('\u{feff}') {
            scanner.at.offset = '\u{feff}'.len_utf8();
        }
        scanner
    }

    /// The next token, left in place.
    pub(super) fn peek(&mut self) -> Result<&Token, YamlError> {
        while self.head_is_open()? && !self.ended {
            self.fetch()?;
        }
        Ok(self.tokens.front().expect("the end of the stream is never taken"))
    }

    /// The next token. The end of the stream stays and is handed out again and again.
    pub(super) fn next(&mut self) -> Result<Token, YamlError> {
        let (start, end) = {
            let token = self.peek()?;
            (token.start, token.end)
        };
        if self.tokens.len() == 1 && self.ended {
            return Ok(Token { kind: TokenKind::StreamEnd, start, end });
        }
        self.taken += 1;
        Ok(self.tokens.pop_front().expect("peek left one"))
    }

    /// Whether the first token of the queue is missing or may still become a key.
    fn head_is_open(&mut self) -> Result<bool, YamlError> {
        if self.tokens.is_empty() {
            return Ok(true);
        }
        let taken = self.taken;
        match self.keys.iter().position(|key| key.possible && key.token == taken) {
            Some(level) => self.key_is_valid(level),
            None => Ok(false),
        }
    }

    /// Whether the candidate of `level` can still be a key where the scanner is now.
    fn key_is_valid(&mut self, level: usize) -> Result<bool, YamlError> {
        let key = self.keys[level];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.at.line || key.mark.index + KEY_REACH < self.at.index {
            if key.required {
                return Err(self.error(key.mark, "could not find expected ':'"));
            }
            self.keys[level].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_key(&mut self) -> Result<(), YamlError> {
        if self.key_allowed {
            let required = self.flow == 0 && self.indent == signed(self.at.column);
            self.remove_key()?;
            let token = self.taken + self.tokens.len();
            let key = SimpleKey { possible: true, required, token, mark: self.at };
            *self.keys.last_mut().expect("the block context has one") = key;
        }
        Ok(())
    }

    fn remove_key(&mut self) -> Result<(), YamlError> {
        let last = self.keys.len() - 1;
        let key = self.keys[last];
        if key.possible && key.required {
            return Err(self.error(key.mark, "could not find expected ':'"));
        }
        self.keys[last].possible = false;
        Ok(())
    }

    /// Opens a block collection at `column` if none is open there, its token put at `position`.
    fn roll_indent(&mut self, column: usize, position: usize, kind: TokenKind, mark: Mark) {
        if self.flow == 0 && self.indent < signed(column) {
            self.indents.push(self.indent);
            self.indent = signed(column);
            self.tokens.insert(position, Token { kind, start: mark, end: mark });
        }
    }

    /// Closes the block collections that are further in than `column`.
    fn unroll_indent(&mut self, column: isize) {
        while self.flow == 0 && self.indent > column {
            let mark = self.at;
            self.tokens.push_back(Token { kind: TokenKind::BlockEnd, start: mark, end: mark });
            self.indent = self.indents.pop().expect("every indent was pushed");
        }
    }

    fn fetch(&mut self) -> Result<(), YamlError> {
        self.skip_to_token();
        self.unroll_indent(signed(self.at.column));
        let byte = self.byte(0);
        if self.at.offset >= self.text.len() {
            return self.fetch_end();
        }
        if self.at.column == 0 {
            if byte == b'%' {
                return self.fetch_directive();
            }
            if self.at_document_indicator() {
                return self.fetch_document_indicator();
            }
        }
        match byte {
            b'[' => self.fetch_flow_start(TokenKind::FlowSequence),
            b'{' => self.fetch_flow_start(TokenKind::FlowMapping),
            b']' => self.fetch_flow_end(TokenKind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(TokenKind::FlowMappingEnd),
            b',' => self.fetch_entry(TokenKind::FlowEntry),
            b'-' if self.blankz(1) => self.fetch_block_entry(),
            b'?' if self.flow > 0 || self.blankz(1) => self.fetch_key(),
            b':' if self.flow > 0 || self.blankz(1) => self.fetch_value(),
            b'*' | b'&' => self.fetch_anchor(byte == b'*'),
            b'!' => self.fetch_tag(),
            b'|' | b'>' if self.flow == 0 => self.fetch_block_scalar(byte == b'|'),
            b'\'' | b'"' => self.fetch_quoted(byte == b'\''),
            b'-' => self.fetch_plain(),
            b'?' | b':' if self.flow == 0 => self.fetch_plain(),
            b'?' | b':' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => {
                Err(self.error(self.at, "found character that cannot start any token"))
            }
            _ => self.fetch_plain(),
        }
    }

    /// Passes blanks, comments and line breaks. Tabs count as blanks only where no key may start.
    fn skip_to_token(&mut self) {
        loop {
            while self.byte(0) == b' '
                || (self.byte(0) == b'\t' && (self.flow > 0 || !self.key_allowed))
            {
                self.skip();
            }
            if self.byte(0) == b'#' {
                self.skip_comment();
            }
            if self.break_len(0) == 0 {
                return;
            }
            self.skip_line();
            if self.flow == 0 {
                self.key_allowed = true;
            }
        }
    }

    /// Passes the rest of the line, not its break.
    pub(super) fn skip_comment(&mut self) {
        while !self.breakz(0) {
            self.skip();
        }
    }

    fn fetch_end(&mut self) -> Result<(), YamlError> {
        if self.at.column != 0 {
            self.at.column = 0;
            self.at.line += 1;
        }
        self.unroll_indent(-1);
        self.remove_key()?;
        self.key_allowed = false;
        self.ended = true;
        self.push(TokenKind::StreamEnd, self.at);
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<(), YamlError> {
        self.unroll_indent(-1);
        self.remove_key()?;
        self.key_allowed = false;
        let start = self.at;
        let kind = self.scan_directive()?;
        self.push(kind, start);
        Ok(())
    }

    fn fetch_document_indicator(&mut self) -> Result<(), YamlError> {
        self.unroll_indent(-1);
        self.remove_key()?;
        self.key_allowed = false;
        let start = self.at;
        let kind = match self.byte(0) {
            b'-' => TokenKind::DocumentStart,
            _ => TokenKind::DocumentEnd,
        };
        for _ in 0..3 {
            self.skip();
        }
        self.push(kind, start);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: TokenKind) -> Result<(), YamlError> {
        self.save_key()?;
        let token = self.taken + self.tokens.len();
        self.keys.push(SimpleKey { possible: false, required: false, token, mark: self.at });
        self.flow += 1;
        self.key_allowed = true;
        self.push_char(kind);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: TokenKind) -> Result<(), YamlError> {
        self.remove_key()?;
        if self.flow > 0 {
            self.flow -= 1;
            self.keys.pop();
        }
        self.key_allowed = false;
        self.push_char(kind);
        Ok(())
    }

    fn fetch_entry(&mut self, kind: TokenKind) -> Result<(), YamlError> {
        self.remove_key()?;
        self.key_allowed = true;
        self.push_char(kind);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), YamlError> {
        if self.flow == 0 {
            if !self.key_allowed {
                let problem = "block sequence entries are not allowed in this context";
                return Err(self.error(self.at, problem));
            }
            let end = self.tokens.len();
            self.roll_indent(self.at.column, end, TokenKind::BlockSequence, self.at);
        }
        self.fetch_entry(TokenKind::BlockEntry)
    }

    fn fetch_key(&mut self) -> Result<(), YamlError> {
        if self.flow == 0 {
            if !self.key_allowed {
                let problem = "mapping keys are not allowed in this context";
                return Err(self.error(self.at, problem));
            }
            let end = self.tokens.len();
            self.roll_indent(self.at.column, end, TokenKind::BlockMapping, self.at);
        }
        self.remove_key()?;
        self.key_allowed = self.flow == 0;
        self.push_char(TokenKind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), YamlError> {
        let level = self.keys.len() - 1;
        if self.key_is_valid(level)? {
            let key = self.keys[level];
            let position = key.token - self.taken;
            let token = Token { kind: TokenKind::Key, start: key.mark, end: key.mark };
            self.tokens.insert(position, token);
            self.roll_indent(key.mark.column, position, TokenKind::BlockMapping, key.mark);
            self.keys[level].possible = false;
            self.key_allowed = false;
        } else {
            if self.flow == 0 {
                if !self.key_allowed {
                    let problem = "mapping values are not allowed in this context";
                    return Err(self.error(self.at, problem));
                }
                let end = self.tokens.len();
                self.roll_indent(self.at.column, end, TokenKind::BlockMapping, self.at);
            }
            self.key_allowed = self.flow == 0;
        }
        self.push_char(TokenKind::Value);
        Ok(())
    }

    fn fetch_anchor(&mut self, alias: bool) -> Result<(), YamlError> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.at;
        let name = self.scan_anchor()?;
        self.push(if alias { TokenKind::Alias(name) } else { TokenKind::Anchor(name) }, start);
        Ok(())
    }

    fn fetch_tag(&mut self) -> Result<(), YamlError> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.at;
        let kind = self.scan_tag()?;
        self.push(kind, start);
        Ok(())
    }

    fn fetch_block_scalar(&mut self, literal: bool) -> Result<(), YamlError> {
        self.remove_key()?;
        self.key_allowed = true;
        let token = self.scan_block_scalar(literal)?;
        self.tokens.push_back(token);
        Ok(())
    }

    fn fetch_quoted(&mut self, single: bool) -> Result<(), YamlError> {
        self.save_key()?;
        self.key_allowed = false;
        let token = self.scan_quoted(single)?;
        self.tokens.push_back(token);
        Ok(())
    }

    fn fetch_plain(&mut self) -> Result<(), YamlError> {
        self.save_key()?;
        self.key_allowed = false;
        let token = self.scan_plain()?;
        self.tokens.push_back(token);
        Ok(())
    }

    /// Ends a token that began at `start` here.
    fn push(&mut self, kind: TokenKind, start: Mark) {
        self.tokens.push_back(Token { kind, start, end: self.at });
    }

    /// A token of one character.
    fn push_char(&mut self, kind: TokenKind) {
        let start = self.at;
        self.skip();
        self.push(kind, start);
    }

    /// An error here, about something that began at `context`. The line is the one kubectl would
    /// name: none on the first line.
    pub(super) fn error(&self, context: Mark, problem: &'static str) -> YamlError {
        let line = (self.at.line != 0).then_some(self.at.line + 1);
        let span = Span::new(self.at.offset, self.at.offset + self.width());
        let context = Span::new(context.offset, self.at.offset.max(context.offset + 1));
        YamlError {
            problem: problem.into(),
            line,
            span,
            context: Some(context),
            stage: Stage::Yaml,
        }
    }
}

/// Looking at and passing characters.
impl Scanner<'_> {
    /// The byte `ahead` of here; 0 past the end (the text holds no other 0).
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at.offset + ahead).copied().unwrap_or(0)
    }

    /// How many bytes the character here has; 0 at the end.
    pub(super) fn width(&self) -> usize {
        match self.byte(0) {
            0 => 0,
            1..0x80 => 1,
            0x80..0xE0 => 2,
            0xE0..0xF0 => 3,
            _ => 4,
        }
    }

    /// How many bytes the line break `ahead` of here has; 0 if there is none.
    pub(super) fn break_len(&self, ahead: usize) -> usize {
        match self.byte(ahead) {
            b'\n' => 1,
            b'\r' if self.byte(ahead + 1) == b'\n' => 2,
            b'\r' => 1,
            0xC2 if self.byte(ahead + 1) == 0x85 => 2,
            0xE2 if self.byte(ahead + 1) == 0x80 && matches!(self.byte(ahead + 2), 0xA8 | 0xA9) => {
                3
            }
            _ => 0,
        }
    }

    pub(super) fn breakz(&self, ahead: usize) -> bool {
        self.byte(ahead) == 0 || self.break_len(ahead) > 0
    }

    pub(super) fn blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    pub(super) fn blankz(&self, ahead: usize) -> bool {
        self.blank(ahead) || self.breakz(ahead)
    }

    /// Whether `---` or `...` stands alone at the start of this line.
    pub(super) fn at_document_indicator(&self) -> bool {
        let rest = &self.text.as_bytes()[self.at.offset..];
        self.at.column == 0
            && (rest.starts_with(b"---") || rest.starts_with(b"..."))
            && self.blankz(3)
    }

    /// Passes one character.
    pub(super) fn skip(&mut self) {
        self.at.offset += self.width();
        self.at.index += 1;
        self.at.column += 1;
    }

    /// Passes one line break and tells what it stands for in a value; nothing if there is none.
    pub(super) fn skip_line(&mut self) -> &'static str {
        let length = self.break_len(0);
        if length == 0 {
            return "";
        }
        let value = match &self.text.as_bytes()[self.at.offset..self.at.offset + length] {
            [0xE2, 0x80, 0xA8] => "\u{2028}",
            [0xE2, 0x80, 0xA9] => "\u{2029}",
            _ => "\n",
        };
        self.at.index += if self.byte(0) == b'\r' { length } else { 1 };
        self.at.offset += length;
        self.at.line += 1;
        self.at.column = 0;
        value
    }
}

/// A column as an indent.
pub(super) fn signed(column: usize) -> isize {
    isize::try_from(column).expect("a text is shorter than half the address space")
}

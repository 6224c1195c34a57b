//! From characters to tokens: operators, words, comments, here-documents, aliases.
//!
//! The words themselves are read in `words`. Why not a ready-made parser: `brush-parser` cuts `$(case a
//! in a) ...)` at the first parenthesis, loses blanks inside `"${x:-a   b}"`, knows neither ash's grammar
//! nor what a shell expected where it failed, and all three are on trial here.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::ast::{HereTag, Part, Word};
use super::dialect::Dialect;
use crate::base::Str;

/// A text that commands are read from, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) text: Arc<str>,
    pub(crate) pos: usize,
    /// The line at `pos`.
    pub(crate) line: u32,
    /// The number of the first line.
    pub(crate) first_line: u32,
}

impl Source {
    /// The beginning of a text whose first line has this number.
    pub(crate) fn at_line(text: &str, line: u32) -> Self {
        Self { text: text.into(), pos: 0, line, first_line: line }
    }

    /// The beginning of a text.
    pub(crate) fn new(text: &str) -> Self {
        Self::at_line(text, 1)
    }

    /// Whether nothing but blanks and comments is left.
    pub(crate) fn at_end(&self) -> bool {
        self.text[self.pos..].lines().all(|l| {
            let l = l.trim();
            l.is_empty() || l.starts_with('#')
        })
    }
}

/// What the grammar depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grammar<'g> {
    pub(crate) dialect: Dialect,
    /// Extended patterns such as `@(a|b)`.
    pub(crate) extglob: bool,
    pub(crate) aliases: Option<&'g BTreeMap<Str, Str>>,
    pub(crate) max_depth: usize,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) kind: SyntaxKind,
    /// What ash would have accepted.
    pub(crate) expecting: Option<&'static str>,
    pub(crate) line: u32,
    /// The text of that line.
    pub(crate) source_line: String,
}

/// The kinds of syntax errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SyntaxKind {
    /// A token that does not fit, as either shell names it.
    Unexpected { ash: String, bash: String },
    /// The end of the text inside a command.
    End,
    /// The end of the text before this closing character.
    Unclosed(char),
    /// Anything else, in words.
    Other(String),
}

impl SyntaxError {
    /// Whether more text might make it right.
    pub(crate) const fn is_incomplete(&self) -> bool {
        matches!(self.kind, SyntaxKind::End | SyntaxKind::Unclosed(_))
    }
}

/// A token.
#[derive(Clone, Debug)]
pub(crate) enum Tok {
    Word(Word),
    /// A number right before a redirection.
    IoNumber(i32),
    /// `{name}` right before a redirection.
    IoVar(Str),
    Op(&'static str),
    Newline,
    End,
}

/// Operators, longest first.
const OPERATORS: [&str; 22] = [
    "<<-", "<<<", "&>>", ";;&", "&&", "||", ";;", ";&", "|&", "&>", "<<", "<&", "<>", ">>", ">&",
    ">|", "&", "|", ";", "(", ")", "<",
];
const BASH_ONLY: [&str; 5] = ["<<<", "&>>", ";;&", ";&", "|&"];

/// A here-document whose body has not been reached.
#[derive(Debug)]
pub(super) struct PendingHere {
    slot: Arc<OnceLock<Word>>,
    tag: HereTag,
}

/// The reader of one text.
#[derive(Debug)]
pub(crate) struct Lexer<'g> {
    pub(super) text: Arc<str>,
    pub(super) pos: usize,
    pub(super) line: u32,
    first_line: u32,
    pub(super) grammar: Grammar<'g>,
    pub(super) depth: usize,
    pending: Vec<PendingHere>,
    peeked: Option<(Tok, u32)>,
    /// Where the peeked token starts.
    pub(super) token_start: usize,
    /// Aliases being expanded, with the end of their text.
    active: Vec<(Str, usize)>,
    /// The end of an alias text that ends with a blank: the next word is looked up too.
    alias_next: Option<usize>,
    /// The last and-or list was followed by `;` or `&`.
    pub(super) ended_by_separator: bool,
    /// Reserved words mean something where an error is being reported.
    pub(super) keyword_position: bool,
    /// Up to here blanks and operators end no word: the subscript of an assignment.
    pub(super) keep_until: usize,
    /// The words of an array's list are being read.
    pub(super) in_array: bool,
}

impl<'g> Lexer<'g> {
    pub(crate) fn new(source: &Source, grammar: Grammar<'g>) -> Self {
        Self {
            text: Arc::clone(&source.text),
            pos: source.pos,
            line: source.line,
            first_line: source.first_line,
            grammar,
            depth: 0,
            pending: Vec::new(),
            peeked: None,
            token_start: source.pos,
            active: Vec::new(),
            alias_next: None,
            ended_by_separator: false,
            keyword_position: false,
            keep_until: 0,
            in_array: false,
        }
    }

    /// Sets the look-ahead aside before a nested command is read.
    pub(super) fn enter(&mut self) -> (Vec<PendingHere>, bool) {
        self.peeked = None;
        (std::mem::take(&mut self.pending), self.ended_by_separator)
    }

    /// Undoes [`Lexer::enter`]. Here-documents that the nested command still awaits come first.
    pub(super) fn leave(&mut self, outer: (Vec<PendingHere>, bool)) {
        self.pending.extend(outer.0);
        self.ended_by_separator = outer.1;
    }

    pub(super) fn is_bash(&self) -> bool {
        self.grammar.dialect.is_bash()
    }

    /// The byte at an offset from here; 0 at the end.
    pub(super) fn at(&self, offset: usize) -> u8 {
        self.text.as_bytes().get(self.pos + offset).copied().unwrap_or(0)
    }

    pub(super) fn rest(&self) -> &str {
        &self.text[self.pos..]
    }

    pub(super) fn ended(&self) -> bool {
        self.pos >= self.text.len()
    }

    /// Takes the character here.
    pub(super) fn take_char(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.pos += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    /// Takes `n` bytes that are known to be characters without newlines.
    pub(super) const fn skip(&mut self, n: usize) {
        self.pos += n;
    }

    /// Skips a backslash-newline, if one is here.
    pub(super) fn continuation(&mut self) -> bool {
        let here = self.at(0) == b'\\' && self.at(1) == b'\n';
        if here {
            self.pos += 2;
            self.line += 1;
        }
        here
    }

    /// An error here.
    pub(super) fn fail<T>(&self, kind: SyntaxKind) -> Result<T, SyntaxError> {
        self.fail_at(kind, self.line, None)
    }

    pub(super) fn fail_at<T>(
        &self,
        kind: SyntaxKind,
        line: u32,
        expecting: Option<&'static str>,
    ) -> Result<T, SyntaxError> {
        let line = match kind {
            // Both shells count the line after the last.
            SyntaxKind::End | SyntaxKind::Unclosed(')')
                if self.is_bash() || self.text.ends_with('\n') =>
            {
                line + u32::from(!self.text.ends_with('\n'))
            }
            _ => line,
        };
        let index = usize::try_from(line.saturating_sub(self.first_line)).unwrap_or(usize::MAX);
        let source_line = self.text.lines().nth(index).unwrap_or("").to_owned();
        Err(SyntaxError { kind, expecting, line, source_line })
    }

    /// One level deeper; fails at the bound.
    pub(super) fn deeper(&mut self) -> Result<(), SyntaxError> {
        self.depth += 1;
        if self.depth > self.grammar.max_depth {
            let text = format!("commands nested more than {} deep (depth)", self.grammar.max_depth);
            return self.fail(SyntaxKind::Other(text));
        }
        Ok(())
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.at(0) {
                b' ' | b'\t' => self.pos += 1,
                b'\\' if self.at(1) == b'\n' => {
                    self.continuation();
                }
                b'#' => {
                    let len = self.rest().find('\n').unwrap_or(self.rest().len());
                    self.pos += len;
                }
                _ => return,
            }
        }
    }

    /// Looks at the next token.
    pub(super) fn peek(&mut self) -> Result<&Tok, SyntaxError> {
        if self.peeked.is_none() {
            let token = self.read_token()?;
            self.peeked = Some((token, self.line));
        }
        Ok(&self.peeked.as_ref().expect("it was just filled").0)
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Result<Tok, SyntaxError> {
        self.peek()?;
        let (token, _) = self.peeked.take().expect("peek fills it");
        if matches!(token, Tok::Newline) {
            self.read_here_documents()?;
        }
        Ok(token)
    }

    /// The next token where a command may begin: aliases are replaced.
    pub(super) fn peek_command(&mut self) -> Result<&Tok, SyntaxError> {
        loop {
            self.peek()?;
            let Some((Tok::Word(word), _)) = &self.peeked else { break };
            let Some(name) = word.as_literal() else { break };
            let Some(value) = self.grammar.aliases.and_then(|a| a.get(name)) else { break };
            let (start, end) = (self.token_start, self.pos);
            self.active.retain(|(_, until)| *until > start);
            if self.active.iter().any(|(n, _)| n == name) || self.active.len() > 20 {
                break;
            }
            let name: Str = name.into();
            let text = format!("{}{value}{}", &self.text[..start], &self.text[end..]);
            for (_, until) in &mut self.active {
                *until = *until + value.len() - (end - start).min(*until + value.len());
            }
            self.active.push((name, start + value.len()));
            self.alias_next = value.ends_with([' ', '\t']).then_some(start + value.len());
            self.text = text.into();
            self.pos = start;
            self.peeked = None;
        }
        self.peek()
    }

    /// Whether the next word follows an alias text that ends with a blank, so that it is looked up too.
    pub(super) fn after_alias_blank(&mut self) -> bool {
        self.alias_next.is_some_and(|at| self.token_start >= at) && {
            self.alias_next = None;
            true
        }
    }

    fn read_token(&mut self) -> Result<Tok, SyntaxError> {
        self.skip_blanks();
        self.token_start = self.pos;
        if self.ended() {
            return Ok(Tok::End);
        }
        if self.at(0) == b'\n' {
            self.pos += 1;
            self.line += 1;
            return Ok(Tok::Newline);
        }
        if !(matches!(self.at(0), b'<' | b'>') && self.at(1) == b'(')
            && let Some(op) = self.read_operator()
        {
            return Ok(Tok::Op(op));
        }
        if let Some(number) = self.read_io_number() {
            return Ok(number);
        }
        let start = self.pos;
        let word = self.word()?;
        // Nested commands have moved it.
        self.token_start = start;
        Ok(Tok::Word(word))
    }

    fn read_operator(&mut self) -> Option<&'static str> {
        let bash = self.is_bash();
        let rest = self.rest();
        let op = OPERATORS
            .iter()
            .find(|op| rest.starts_with(**op) && (bash || !BASH_ONLY.contains(op)))
            .copied()
            .or_else(|| rest.starts_with('>').then_some(">"))?;
        self.pos += op.len();
        Some(op)
    }

    fn read_io_number(&mut self) -> Option<Tok> {
        let rest = self.rest();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && matches!(rest.as_bytes().get(digits), Some(b'<' | b'>')) {
            let number = rest[..digits].parse().ok()?;
            // busybox ash takes one digit only; more are a word.
            if digits == 1 || self.is_bash() {
                self.pos += digits;
                return Some(Tok::IoNumber(number));
            }
        }
        if self.is_bash() && rest.starts_with('{') {
            let end = rest.find('}')?;
            let name = &rest[1..end];
            let plain =
                name.strip_suffix(']').and_then(|n| n.split_once('[')).map_or(name, |n| n.0);
            if super::vars::is_name(plain)
                && matches!(rest.as_bytes().get(end + 1), Some(b'<' | b'>'))
            {
                let name = name.into();
                self.pos += end + 1;
                return Some(Tok::IoVar(name));
            }
        }
        None
    }

    /// Remembers a here-document; its body is read at the end of the line.
    pub(super) fn await_here(&mut self, slot: Arc<OnceLock<Word>>, tag: HereTag) {
        self.pending.push(PendingHere { slot, tag });
    }

    pub(super) fn read_here_documents(&mut self) -> Result<(), SyntaxError> {
        for here in std::mem::take(&mut self.pending) {
            let word = self.read_here(&here.tag)?;
            // A slot is filled once: it was made for this here-document.
            let _filled = here.slot.set(word);
        }
        Ok(())
    }

    fn read_here(&mut self, tag: &HereTag) -> Result<Word, SyntaxError> {
        let mut body = String::new();
        let first_line = self.line;
        loop {
            if self.ended() {
                break;
            }
            let rest = self.rest();
            let len = rest.find('\n').map_or(rest.len(), |i| i + 1);
            let mut line = rest[..len].to_owned();
            self.pos += len;
            self.line += 1;
            // A backslash joins lines before the delimiter is looked for.
            while !tag.quoted && ends_with_odd_backslashes(&line) && !self.ended() {
                let rest = self.rest();
                let len = rest.find('\n').map_or(rest.len(), |i| i + 1);
                line.push_str(&rest[..len]);
                self.pos += len;
                self.line += 1;
            }
            let text = if tag.strip_tabs { line.trim_start_matches('\t') } else { line.as_str() };
            if text.strip_suffix('\n').unwrap_or(text) == tag.word {
                break;
            }
            body.push_str(text);
        }
        if tag.quoted {
            return Ok(Word { parts: vec![Part::Quoted(body.as_str().into())], raw: body.into() });
        }
        let source = Source::at_line(&body, first_line);
        let mut lexer = Lexer { depth: self.depth, ..Lexer::new(&source, self.grammar) };
        let parts = lexer.here_parts()?;
        Ok(Word { parts: vec![Part::Double(parts)], raw: body.into() })
    }

    /// Reads the bodies that are still awaited at the end of the text: they are empty.
    pub(super) fn finish(&mut self) -> Result<(), SyntaxError> {
        if self.pending.is_empty() { Ok(()) } else { self.read_here_documents() }
    }

    /// Where the text after the tokens that were taken begins, and its line.
    pub(super) fn position(&self) -> (usize, u32) {
        match &self.peeked {
            Some((Tok::Newline, line)) => (self.token_start, line - 1),
            Some((_, line)) => (self.token_start, *line),
            None => (self.pos, self.line),
        }
    }
}

fn ends_with_odd_backslashes(line: &str) -> bool {
    let Some(line) = line.strip_suffix('\n') else { return false };
    line.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 1
}

//! Tokens to events: the grammar, as a machine with its own stack.
//!
//! Follows vendor/go.yaml.in/yaml/v2/parserc.go (`yaml_parser_state_machine`). Nothing recurses: what
//! comes after a node is a state on a stack.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a grammar names the tokens it expects; any other is not among them"
)]

use super::scan::{Mark, Scanner, Token, TokenKind};
use super::{Stage, YamlError};
use crate::api::source::Span;
use crate::base::Str;

/// One step through a document.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) span: Span,
}

/// What an event is. Tags are resolved (`!!str` is `tag:yaml.org,2002:str`), empty if none was written.
#[derive(Debug)]
pub(super) enum EventKind {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(Str),
    /// `plain`: its text may mean something other than text.
    Scalar {
        anchor: Option<Str>,
        tag: Str,
        text: Str,
        plain: bool,
    },
    SequenceStart {
        anchor: Option<Str>,
    },
    MappingStart {
        anchor: Option<Str>,
    },
    /// The end of a sequence or a mapping.
    End,
}

/// What is expected next.
#[derive(Clone, Copy, Debug)]
enum State {
    ImplicitDocumentStart,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceFirst,
    BlockSequenceEntry,
    IndentlessSequenceEntry,
    BlockMappingFirst,
    BlockMappingKey,
    BlockMappingValue,
    FlowSequenceFirst,
    FlowSequenceEntry,
    PairKey,
    PairValue,
    PairEnd,
    FlowMappingFirst,
    FlowMappingKey,
    FlowMappingValue,
    FlowMappingEmptyValue,
    End,
}

/// Turns a text into events, one at a time.
pub(super) struct Parser<'t> {
    scanner: Scanner<'t>,
    state: State,
    states: Vec<State>,
    /// Where the open collections began.
    marks: Vec<Mark>,
    /// Tag handles and what they stand for.
    tags: Vec<(String, String)>,
}

type Parsed = Result<Event, YamlError>;

impl<'t> Parser<'t> {
    /// A parser at the start of `text`.
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            scanner: Scanner::new(text),
            state: State::ImplicitDocumentStart,
            states: Vec::new(),
            marks: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// The next event; after the end of the stream, the end of the stream.
    pub(super) fn next(&mut self) -> Parsed {
        match self.state {
            State::ImplicitDocumentStart => self.document_start(true),
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::BlockSequenceFirst => {
                self.open()?;
                self.block_sequence_entry()
            }
            State::BlockSequenceEntry => self.block_sequence_entry(),
            State::IndentlessSequenceEntry => self.indentless_sequence_entry(),
            State::BlockMappingFirst => {
                self.open()?;
                self.block_mapping_key()
            }
            State::BlockMappingKey => self.block_mapping_key(),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceFirst => {
                self.open()?;
                self.flow_sequence_entry(true)
            }
            State::FlowSequenceEntry => self.flow_sequence_entry(false),
            State::PairKey => self.pair_key(),
            State::PairValue => self.pair_value(),
            State::PairEnd => {
                self.state = State::FlowSequenceEntry;
                let start = self.scanner.peek()?.start;
                Ok(event(EventKind::End, start, start))
            }
            State::FlowMappingFirst => {
                self.open()?;
                self.flow_mapping_key(true)
            }
            State::FlowMappingKey => self.flow_mapping_key(false),
            State::FlowMappingValue => self.flow_mapping_value(),
            State::FlowMappingEmptyValue => {
                let start = self.scanner.peek()?.start;
                Ok(self.empty(State::FlowMappingKey, start))
            }
            State::End => {
                let start = self.scanner.peek()?.start;
                Ok(event(EventKind::StreamEnd, start, start))
            }
        }
    }

    fn document_start(&mut self, implicit: bool) -> Parsed {
        while !implicit && self.scanner.peek()?.kind == TokenKind::DocumentEnd {
            self.scanner.next()?;
        }
        let token = self.scanner.peek()?;
        let (start, end) = (token.start, token.end);
        let bare = !matches!(
            token.kind,
            TokenKind::VersionDirective { .. }
                | TokenKind::TagDirective { .. }
                | TokenKind::DocumentStart
                | TokenKind::StreamEnd
        );
        if implicit && bare {
            self.directives()?;
            self.states.push(State::DocumentEnd);
            self.state = State::BlockNode;
            return Ok(event(EventKind::DocumentStart, start, end));
        }
        if token.kind == TokenKind::StreamEnd {
            self.state = State::End;
            return Ok(event(EventKind::StreamEnd, start, end));
        }
        self.directives()?;
        let token = self.scanner.peek()?;
        if token.kind != TokenKind::DocumentStart {
            return Err(error("did not find expected <document start>", token.start, None));
        }
        let end = token.end;
        self.scanner.next()?;
        self.states.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        Ok(event(EventKind::DocumentStart, start, end))
    }

    /// Reads the directives before a document and sets the tag handles.
    fn directives(&mut self) -> Result<(), YamlError> {
        let mut versions = 0;
        loop {
            let token = self.scanner.peek()?;
            let start = token.start;
            match &token.kind {
                TokenKind::VersionDirective { major, minor } => {
                    let supported = (*major, *minor) == (1, 1);
                    versions += 1;
                    if versions > 1 {
                        return Err(error("found duplicate %YAML directive", start, None));
                    }
                    if !supported {
                        return Err(error("found incompatible YAML document", start, None));
                    }
                }
                TokenKind::TagDirective { handle, prefix } => {
                    let tag = (handle.clone(), prefix.clone());
                    if self.tags.iter().any(|(known, _)| *known == tag.0) {
                        return Err(error("found duplicate %TAG directive", start, None));
                    }
                    self.tags.push(tag);
                }
                _ => break,
            }
            self.scanner.next()?;
        }
        for (handle, prefix) in [("!", "!"), ("!!", super::resolve::TAG_PREFIX)] {
            if !self.tags.iter().any(|(known, _)| known == handle) {
                self.tags.push((handle.to_owned(), prefix.to_owned()));
            }
        }
        Ok(())
    }

    fn document_content(&mut self) -> Parsed {
        let token = self.scanner.peek()?;
        let start = token.start;
        match token.kind {
            TokenKind::VersionDirective { .. }
            | TokenKind::TagDirective { .. }
            | TokenKind::DocumentStart
            | TokenKind::DocumentEnd
            | TokenKind::StreamEnd => {
                let state = self.pop();
                Ok(self.empty(state, start))
            }
            _ => self.node(true, false),
        }
    }

    fn document_end(&mut self) -> Parsed {
        let start = self.scanner.peek()?.start;
        if self.scanner.peek()?.kind == TokenKind::DocumentEnd {
            self.scanner.next()?;
        }
        self.tags.clear();
        self.state = State::DocumentStart;
        Ok(event(EventKind::DocumentEnd, start, start))
    }

    /// A node with its properties. `indentless`: a sequence may stand here without being indented.
    fn node(&mut self, block: bool, indentless: bool) -> Parsed {
        let token = self.scanner.peek()?;
        if let TokenKind::Alias(name) = &token.kind {
            let event = event(EventKind::Alias(name.clone()), token.start, token.end);
            self.scanner.next()?;
            self.state = self.pop();
            return Ok(event);
        }
        let start = token.start;
        let (anchor, tag, after) = self.properties()?;
        let written = anchor.is_some() || !tag.is_empty();
        let token = self.scanner.peek()?;
        let (from, end) = (token.start, token.end);
        let (state, kind) = match &token.kind {
            TokenKind::Scalar { text, plain } => {
                let plain = tag == "!" || (tag.is_empty() && *plain);
                let kind = EventKind::Scalar { anchor, tag, text: text.clone(), plain };
                self.scanner.next()?;
                self.state = self.pop();
                return Ok(event(kind, start, end));
            }
            TokenKind::BlockEntry if indentless => {
                (State::IndentlessSequenceEntry, EventKind::SequenceStart { anchor })
            }
            TokenKind::FlowSequence => {
                (State::FlowSequenceFirst, EventKind::SequenceStart { anchor })
            }
            TokenKind::FlowMapping => (State::FlowMappingFirst, EventKind::MappingStart { anchor }),
            TokenKind::BlockSequence if block => {
                (State::BlockSequenceFirst, EventKind::SequenceStart { anchor })
            }
            TokenKind::BlockMapping if block => {
                (State::BlockMappingFirst, EventKind::MappingStart { anchor })
            }
            _ if written => {
                let plain = tag.is_empty();
                let kind = EventKind::Scalar { anchor, tag, text: Str::default(), plain };
                self.state = self.pop();
                return Ok(event(kind, start, after));
            }
            _ => return Err(error("did not find expected node content", from, Some(start))),
        };
        self.state = state;
        Ok(event(kind, start, end))
    }

    /// The anchor and the tag before a node, in either order, and where they end.
    fn properties(&mut self) -> Result<(Option<Str>, Str, Mark), YamlError> {
        let mut anchor = None;
        let mut tag = None;
        let mut end = self.scanner.peek()?.start;
        loop {
            let token = self.scanner.peek()?;
            let (start, after) = (token.start, token.end);
            match &token.kind {
                TokenKind::Anchor(name) if anchor.is_none() => anchor = Some(name.clone()),
                TokenKind::Tag { handle, suffix } if tag.is_none() => {
                    let full = match handle.as_str() {
                        "" => suffix.clone(),
                        handle => match self.tags.iter().find(|(known, _)| known == handle) {
                            Some((_, prefix)) => format!("{prefix}{suffix}"),
                            None => return Err(error("found undefined tag handle", start, None)),
                        },
                    };
                    tag = Some(Str::from(full));
                }
                _ => return Ok((anchor, tag.unwrap_or_default(), end)),
            }
            end = after;
            self.scanner.next()?;
        }
    }

    fn block_sequence_entry(&mut self) -> Parsed {
        let token = self.scanner.peek()?;
        let (start, end) = (token.start, token.end);
        match token.kind {
            TokenKind::BlockEntry => {
                self.scanner.next()?;
                match self.scanner.peek()?.kind {
                    TokenKind::BlockEntry | TokenKind::BlockEnd => {
                        Ok(self.empty(State::BlockSequenceEntry, end))
                    }
                    _ => {
                        self.states.push(State::BlockSequenceEntry);
                        self.node(true, false)
                    }
                }
            }
            TokenKind::BlockEnd => self.close(),
            _ => Err(error("did not find expected '-' indicator", start, self.marks.pop())),
        }
    }

    fn indentless_sequence_entry(&mut self) -> Parsed {
        let token = self.scanner.peek()?;
        let (start, end) = (token.start, token.end);
        if token.kind != TokenKind::BlockEntry {
            self.state = self.pop();
            return Ok(event(EventKind::End, start, start));
        }
        self.scanner.next()?;
        match self.scanner.peek()?.kind {
            TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                Ok(self.empty(State::IndentlessSequenceEntry, end))
            }
            _ => {
                self.states.push(State::IndentlessSequenceEntry);
                self.node(true, false)
            }
        }
    }

    fn block_mapping_key(&mut self) -> Parsed {
        let token = self.scanner.peek()?;
        let (start, end) = (token.start, token.end);
        match token.kind {
            TokenKind::Key => {
                self.scanner.next()?;
                match self.scanner.peek()?.kind {
                    TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                        Ok(self.empty(State::BlockMappingValue, end))
                    }
                    _ => {
                        self.states.push(State::BlockMappingValue);
                        self.node(true, true)
                    }
                }
            }
            TokenKind::BlockEnd => self.close(),
            _ => Err(error("did not find expected key", start, self.marks.pop())),
        }
    }

    fn block_mapping_value(&mut self) -> Parsed {
        let token = self.scanner.peek()?;
        let (start, end) = (token.start, token.end);
        if token.kind != TokenKind::Value {
            return Ok(self.empty(State::BlockMappingKey, start));
        }
        self.scanner.next()?;
        match self.scanner.peek()?.kind {
            TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                Ok(self.empty(State::BlockMappingKey, end))
            }
            _ => {
                self.states.push(State::BlockMappingKey);
                self.node(true, true)
            }
        }
    }

    fn flow_sequence_entry(&mut self, first: bool) -> Parsed {
        if !first && !self.flow_entry(&TokenKind::FlowSequenceEnd)? {
            let start = self.scanner.peek()?.start;
            return Err(error("did not find expected ',' or ']'", start, self.marks.pop()));
        }
        let token = self.scanner.peek()?;
        let (start, end) = (token.start, token.end);
        match token.kind {
            TokenKind::FlowSequenceEnd => self.close(),
            TokenKind::Key => {
                self.scanner.next()?;
                self.state = State::PairKey;
                Ok(event(EventKind::MappingStart { anchor: None }, start, end))
            }
            _ => {
                self.states.push(State::FlowSequenceEntry);
                self.node(false, false)
            }
        }
    }

    /// Passes the comma between two entries; false when something else than it or `end` is there.
    fn flow_entry(&mut self, end: &TokenKind) -> Result<bool, YamlError> {
        let token = self.scanner.peek()?;
        if token.kind == *end {
            return Ok(true);
        }
        let comma = token.kind == TokenKind::FlowEntry;
        if comma {
            self.scanner.next()?;
        }
        Ok(comma)
    }

    /// The key of a single pair inside of a flow sequence: `[a: 1]`.
    fn pair_key(&mut self) -> Parsed {
        let token = self.scanner.peek()?;
        let end = token.end;
        match token.kind {
            TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSequenceEnd => {
                self.scanner.next()?;
                Ok(self.empty(State::PairValue, end))
            }
            _ => {
                self.states.push(State::PairValue);
                self.node(false, false)
            }
        }
    }

    fn pair_value(&mut self) -> Parsed {
        let token = self.scanner.peek()?;
        let start = token.start;
        if token.kind == TokenKind::Value {
            self.scanner.next()?;
            if !matches!(
                self.scanner.peek()?.kind,
                TokenKind::FlowEntry | TokenKind::FlowSequenceEnd
            ) {
                self.states.push(State::PairEnd);
                return self.node(false, false);
            }
        }
        Ok(self.empty(State::PairEnd, start))
    }

    fn flow_mapping_key(&mut self, first: bool) -> Parsed {
        if !first && !self.flow_entry(&TokenKind::FlowMappingEnd)? {
            let start = self.scanner.peek()?.start;
            return Err(error("did not find expected ',' or '}'", start, self.marks.pop()));
        }
        match self.scanner.peek()?.kind {
            TokenKind::FlowMappingEnd => self.close(),
            TokenKind::Key => {
                self.scanner.next()?;
                let token = self.scanner.peek()?;
                let start = token.start;
                match token.kind {
                    TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowMappingEnd => {
                        Ok(self.empty(State::FlowMappingValue, start))
                    }
                    _ => {
                        self.states.push(State::FlowMappingValue);
                        self.node(false, false)
                    }
                }
            }
            _ => {
                self.states.push(State::FlowMappingEmptyValue);
                self.node(false, false)
            }
        }
    }

    fn flow_mapping_value(&mut self) -> Parsed {
        if self.scanner.peek()?.kind == TokenKind::Value {
            self.scanner.next()?;
            if !matches!(
                self.scanner.peek()?.kind,
                TokenKind::FlowEntry | TokenKind::FlowMappingEnd
            ) {
                self.states.push(State::FlowMappingKey);
                return self.node(false, false);
            }
        }
        let start = self.scanner.peek()?.start;
        Ok(self.empty(State::FlowMappingKey, start))
    }

    /// Passes the token that opened a collection.
    fn open(&mut self) -> Result<(), YamlError> {
        let Token { start, .. } = self.scanner.next()?;
        self.marks.push(start);
        Ok(())
    }

    /// Passes the token that closes a collection.
    fn close(&mut self) -> Parsed {
        let token = self.scanner.next()?;
        self.state = self.pop();
        self.marks.pop();
        Ok(event(EventKind::End, token.start, token.end))
    }

    fn pop(&mut self) -> State {
        self.states.pop().expect("every node has a state to go on with")
    }

    /// A value that was not written.
    fn empty(&mut self, next: State, at: Mark) -> Event {
        self.state = next;
        let text = Str::default();
        event(EventKind::Scalar { anchor: None, tag: text.clone(), text, plain: true }, at, at)
    }
}

fn event(kind: EventKind, start: Mark, end: Mark) -> Event {
    Event { kind, span: Span::new(start.offset, end.offset) }
}

/// A grammar error at `at`, in something that began at `context`; kubectl counts its lines from 0.
fn error(problem: &'static str, at: Mark, context: Option<Mark>) -> YamlError {
    let line = match context {
        Some(context) if at.line == 0 => context.line,
        _ => at.line,
    };
    YamlError {
        problem: problem.into(),
        line: (line != 0).then_some(line),
        span: Span::new(at.offset, at.offset + 1),
        context: context.map(|mark| Span::new(mark.offset, mark.offset + 1)),
        stage: Stage::Yaml,
    }
}

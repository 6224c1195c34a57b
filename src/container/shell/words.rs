//! Reading words: quotes, expansions, substitutions.

use std::sync::Arc;

use super::ast::{Anchor, CommandSub, Index, Param, ParamOp, Part, Word};
use super::lexer::{Lexer, Source, SyntaxError, SyntaxKind};
use super::vars::{is_name, name_len};
use crate::base::Str;

/// What surrounds the characters being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    /// Nothing: blanks and operators end the word.
    Plain,
    /// Double quotes.
    Double,
    /// A here-document.
    Here,
    /// The word of `${x-word}` outside quotes: `}` ends it.
    Brace,
    /// The same inside double quotes.
    DoubleBrace,
    /// An arithmetic expression: like double quotes, ended by parentheses.
    Arith,
    /// The regular expression after `=~`: blanks outside parentheses end it.
    Regex,
}

impl Around {
    const fn quoted(self) -> bool {
        matches!(self, Self::Double | Self::Here | Self::DoubleBrace | Self::Arith)
    }
}

/// Parts under construction.
#[derive(Default)]
struct Parts {
    done: Vec<Part>,
    text: String,
}

impl Parts {
    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.done.push(Part::Lit(std::mem::take(&mut self.text).into()));
        }
    }

    fn push(&mut self, part: Part) {
        self.flush();
        self.done.push(part);
    }

    fn finish(mut self) -> Vec<Part> {
        self.flush();
        self.done
    }
}

/// Bytes of a subscript with blanks in it.
const MAX_SUBSCRIPT: usize = 1_000;

impl Lexer<'_> {
    /// The word here; it has at least one character.
    pub(super) fn word(&mut self) -> Result<Word, SyntaxError> {
        let start = self.pos;
        let text = Arc::clone(&self.text);
        let end = self.subscript_end();
        let kept = std::mem::replace(&mut self.keep_until, end);
        let parts = self.parts(Around::Plain, &[]);
        self.keep_until = kept;
        Ok(Word { parts: parts?, raw: text[start..self.pos].into() })
    }

    /// The end of the subscript that begins an assignment to an element (`m[a b]=`, in a list `[a b]=`), in which
    /// blanks and operators stand for themselves; 0 where there is none.
    fn subscript_end(&self) -> usize {
        let rest = self.rest();
        let name = name_len(rest);
        if !self.is_bash()
            || name == 0 && !self.in_array
            || rest.as_bytes().get(name) != Some(&b'[')
        {
            return 0;
        }
        // It stands on one line and is short, so that looking for it costs little.
        let line = rest.bytes().take(name + MAX_SUBSCRIPT).position(|b| b == b'\n');
        let mut end = line.unwrap_or_else(|| rest.len().min(name + MAX_SUBSCRIPT));
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let Some(close) = rest.get(name..end).and_then(super::parser::closing_bracket) else {
            return 0;
        };
        let after = &rest[name + close + 1..];
        if after.starts_with('=') || after.starts_with("+=") { self.pos + name + close } else { 0 }
    }

    /// The word after `=~`.
    pub(super) fn regex_parts(&mut self) -> Result<Word, SyntaxError> {
        self.sub_word(Around::Regex, &[])
    }

    /// The parts of a here-document's body.
    pub(super) fn here_parts(&mut self) -> Result<Vec<Part>, SyntaxError> {
        self.parts(Around::Here, &[])
    }

    /// The parts up to an unquoted byte of `stops` (or what ends such a text anyway).
    fn parts(&mut self, around: Around, stops: &[u8]) -> Result<Vec<Part>, SyntaxError> {
        let mut out = Parts::default();
        let mut parens = 0usize;
        while !self.ended() {
            let c = self.at(0);
            if parens == 0 && stops.contains(&c) {
                break;
            }
            match c {
                b' ' | b'\t' | b'|' | b'&' | b';' | b'(' | b')' | b'<' | b'>'
                    if around == Around::Plain && self.pos < self.keep_until =>
                {
                    if let Some(c) = self.take_char() {
                        out.text.push(c);
                    }
                }
                b'\\' => self.backslash(around, &mut out),
                b'\'' if !around.quoted() => {
                    let text = self.single_quoted()?;
                    out.push(Part::Quoted(text));
                }
                b'"' if around == Around::Double => break,
                b'"' if around != Around::Here => {
                    let line = self.line;
                    self.skip(1);
                    let inner = self.parts(Around::Double, &[])?;
                    if self.at(0) != b'"' {
                        return self.fail_at(SyntaxKind::Unclosed('"'), line, None);
                    }
                    self.skip(1);
                    out.push(Part::Double(inner));
                }
                b'$' => self.dollar(around, &mut out)?,
                b'`' => {
                    let sub = self.backquoted(around)?;
                    out.push(Part::Command(Arc::new(sub)));
                }
                b' ' | b'\t' | b'\n' | b'|' | b'&' | b';' | b')' if around == Around::Plain => {
                    break;
                }
                b' ' | b'\t' | b'\n' if around == Around::Regex && parens == 0 => break,
                b'&' | b';' | b')' if around == Around::Regex && parens == 0 => break,
                b'<' | b'>' if around == Around::Plain => {
                    if self.at(1) != b'(' {
                        break;
                    }
                    let write = c == b'>';
                    self.skip(1);
                    let sub = self.command_in_parens()?;
                    out.push(Part::Process(Arc::new(sub), write));
                }
                b'(' if around == Around::Plain => {
                    if !self.extended_pattern(&mut out)? {
                        break;
                    }
                }
                _ => {
                    if matches!(around, Around::Arith | Around::Regex) {
                        parens = match c {
                            b'(' => parens + 1,
                            b')' => parens.saturating_sub(1),
                            _ => parens,
                        };
                    }
                    if let Some(c) = self.take_char() {
                        out.text.push(c);
                    }
                }
            }
        }
        Ok(out.finish())
    }

    fn backslash(&mut self, around: Around, out: &mut Parts) {
        if self.continuation() {
            return;
        }
        self.skip(1);
        let special: &[u8] = match around {
            Around::Plain | Around::Brace | Around::Regex => {
                match self.take_char() {
                    Some(c) => out.push(Part::Quoted(c.encode_utf8(&mut [0; 4]).into())),
                    None => out.push(Part::Quoted("\\".into())),
                }
                return;
            }
            Around::Double | Around::Arith => b"$`\"\\",
            Around::DoubleBrace => b"$`\"\\}",
            Around::Here => b"$`\\",
        };
        if special.contains(&self.at(0)) && !self.ended() {
            let c = self.take_char().map_or(Str::default(), |c| c.encode_utf8(&mut [0; 4]).into());
            out.push(Part::Quoted(c));
        } else {
            // The backslash stays, and is no quoting of what follows.
            out.push(Part::Quoted("\\".into()));
        }
    }

    fn single_quoted(&mut self) -> Result<Str, SyntaxError> {
        let line = self.line;
        self.skip(1);
        let rest = self.rest();
        let Some(len) = rest.find('\'') else {
            return self.fail_at(SyntaxKind::Unclosed('\''), line, None);
        };
        let text: Str = rest[..len].into();
        self.line += u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX);
        self.pos += len + 1;
        Ok(text)
    }

    /// `@(a|b)` and the like, where bash has them switched on. False when the parenthesis is none of it.
    fn extended_pattern(&mut self, out: &mut Parts) -> Result<bool, SyntaxError> {
        if !self.grammar.extglob || !out.text.ends_with(['@', '?', '*', '+', '!']) {
            return Ok(false);
        }
        let mut depth = 0usize;
        let line = self.line;
        while !self.ended() {
            match self.at(0) {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'\'' => {
                    let text = self.single_quoted()?;
                    out.push(Part::Quoted(text));
                    continue;
                }
                b'"' => {
                    self.skip(1);
                    let inner = self.parts(Around::Double, &[])?;
                    self.skip(1);
                    out.push(Part::Double(inner));
                    continue;
                }
                b'$' => {
                    self.dollar(Around::Plain, out)?;
                    continue;
                }
                b'\\' => {
                    self.backslash(Around::Plain, out);
                    continue;
                }
                _ => {}
            }
            if let Some(c) = self.take_char() {
                out.text.push(c);
            }
            if depth == 0 {
                return Ok(true);
            }
        }
        self.fail_at(SyntaxKind::Unclosed(')'), line, None)
    }

    fn dollar(&mut self, around: Around, out: &mut Parts) -> Result<(), SyntaxError> {
        let next = self.at(1);
        match next {
            b'(' if self.at(2) == b'(' => {
                if let Some(arith) = self.arithmetic()? {
                    out.push(Part::Arith(Arc::new(arith)));
                } else {
                    self.skip(1);
                    let sub = self.command_in_parens()?;
                    out.push(Part::Command(Arc::new(sub)));
                }
            }
            b'(' => {
                self.skip(1);
                let sub = self.command_in_parens()?;
                out.push(Part::Command(Arc::new(sub)));
            }
            b'{' => {
                let param = self.braced(around)?;
                out.push(Part::Param(Arc::new(param)));
            }
            b'[' if self.is_bash() => {
                self.skip(2);
                let start = self.pos;
                let parts = self.parts(Around::Arith, b"]")?;
                let raw = self.text[start..self.pos].into();
                if self.ended() {
                    return self.fail(SyntaxKind::Unclosed(']'));
                }
                self.skip(1);
                out.push(Part::Arith(Arc::new(Word { parts, raw })));
            }
            b'\'' if !around.quoted() || around == Around::DoubleBrace && self.is_bash() => {
                let text = self.ansi_quoted()?;
                out.push(Part::Quoted(text.into()));
            }
            b'"' if !around.quoted() && self.is_bash() => self.skip(1),
            b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!' | b'0'..=b'9' => {
                let name: Str = char::from(next).encode_utf8(&mut [0; 4]).into();
                self.skip(2);
                out.push(simple_param(&name));
            }
            _ => {
                self.skip(1);
                let len = name_len(self.rest());
                if len == 0 {
                    out.text.push('$');
                } else {
                    let name: Str = self.rest()[..len].into();
                    self.skip(len);
                    out.push(simple_param(&name));
                }
            }
        }
        Ok(())
    }

    /// `$((...))`, or nothing when it turns out to be a command in parentheses.
    fn arithmetic(&mut self) -> Result<Option<Word>, SyntaxError> {
        let (pos, line) = (self.pos, self.line);
        self.skip(3);
        let start = self.pos;
        let parts = self.parts(Around::Arith, b")")?;
        if self.at(0) == b')' && self.at(1) == b')' {
            let raw = self.text[start..self.pos].into();
            self.skip(2);
            return Ok(Some(Word { parts, raw }));
        }
        if self.ended() {
            return self.fail_at(SyntaxKind::Unclosed('('), line, None);
        }
        self.pos = pos;
        self.line = line;
        Ok(None)
    }

    /// A command up to its closing parenthesis; the opening one is here.
    pub(super) fn command_in_parens(&mut self) -> Result<CommandSub, SyntaxError> {
        self.skip(1);
        let start = self.pos;
        self.deeper()?;
        let body = self.commands_until_paren()?;
        self.depth -= 1;
        let text = self.text.get(start..self.pos.saturating_sub(1)).unwrap_or("").into();
        Ok(CommandSub { body, text })
    }

    fn backquoted(&mut self, around: Around) -> Result<CommandSub, SyntaxError> {
        let line = self.line;
        self.skip(1);
        let mut text = String::new();
        loop {
            match self.take_char() {
                None => return self.fail_at(SyntaxKind::Unclosed('`'), line, None),
                Some('`') => break,
                Some('\\') => match self.at(0) {
                    b'\n' => {
                        self.continuation_after_backslash();
                    }
                    c @ (b'\\' | b'`' | b'$') => {
                        self.skip(1);
                        text.push(char::from(c));
                    }
                    b'"' if matches!(around, Around::Double | Around::DoubleBrace) => {
                        self.skip(1);
                        text.push('"');
                    }
                    _ => text.push('\\'),
                },
                Some(c) => text.push(c),
            }
        }
        self.deeper()?;
        let source = Source::at_line(&text, line);
        let mut inner = Lexer::new(&source, self.grammar);
        inner.depth = self.depth;
        let body = inner.commands_until_end()?;
        self.depth -= 1;
        Ok(CommandSub { body, text: text.into() })
    }

    const fn continuation_after_backslash(&mut self) {
        self.pos += 1;
        self.line += 1;
    }

    /// The text of `$'...'` with its escapes resolved.
    fn ansi_quoted(&mut self) -> Result<String, SyntaxError> {
        let line = self.line;
        self.skip(2);
        let start = self.pos;
        loop {
            match self.take_char() {
                None => return self.fail_at(SyntaxKind::Unclosed('\''), line, None),
                Some('\'') => break,
                Some('\\') => {
                    self.take_char();
                }
                Some(_) => {}
            }
        }
        let raw = &self.text[start..self.pos - 1];
        Ok(super::escapes::ansi(raw, self.is_bash()))
    }

    /// `${...}`.
    fn braced(&mut self, around: Around) -> Result<Param, SyntaxError> {
        let start = self.pos;
        let line = self.line;
        self.skip(2);
        self.deeper()?;
        let param = self.braced_inner(around.quoted(), start)?;
        self.depth -= 1;
        if self.ended() {
            return self.fail_at(SyntaxKind::Unclosed('}'), line, None);
        }
        self.skip(1);
        Ok(Param { raw: self.text[start..self.pos].into(), ..param })
    }

    fn braced_inner(&mut self, quoted: bool, start: usize) -> Result<Param, SyntaxError> {
        let bash = self.is_bash();
        let mut indirect = false;
        if self.at(0) == b'#'
            && !matches!(self.at(1), b'}' | b':' | b'%' | b'=' | b'+')
            && !(matches!(self.at(1), b'-' | b'?' | b'#') && self.at(2) != b'}')
        {
            self.skip(1);
            let Some((name, index)) = self.param_name()? else { return self.bad(start) };
            return if self.at(0) == b'}' {
                Ok(param(name, index, false, ParamOp::Length))
            } else {
                self.bad(start)
            };
        }
        if bash
            && self.at(0) == b'!'
            && self.at(1) != b'}'
            && !matches!(self.at(1), b':' | b'-' | b'+' | b'=' | b'?' | b'%' | b'/')
        {
            self.skip(1);
            indirect = true;
        }
        let Some((name, index)) = self.param_name()? else { return self.bad(start) };
        if indirect && self.at(0) == b'}' && matches!(index, Some(Index::At | Index::Star)) {
            return Ok(param(name, index, false, ParamOp::Keys));
        }
        if indirect && matches!(self.at(0), b'*' | b'@') && self.at(1) == b'}' {
            let at = self.at(0) == b'@';
            self.skip(1);
            return Ok(param(name, None, false, ParamOp::Names { at }));
        }
        match self.param_op(quoted)? {
            Some(op) => Ok(param(name, index, indirect, op)),
            None => self.bad(start),
        }
    }

    /// Not an expansion: everything up to the brace is kept for the message.
    fn bad(&mut self, start: usize) -> Result<Param, SyntaxError> {
        self.pos = start + 2;
        // Reading it finds the brace that closes it.
        self.parts(Around::Brace, b"}")?;
        Ok(param(Str::default(), None, false, ParamOp::Bad))
    }

    fn param_name(&mut self) -> Result<Option<(Str, Option<Index>)>, SyntaxError> {
        let c = self.at(0);
        let len = match c {
            b'0'..=b'9' => self.rest().bytes().take_while(u8::is_ascii_digit).count(),
            b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!' => 1,
            _ => name_len(self.rest()),
        };
        if len == 0 {
            return Ok(None);
        }
        let name: Str = self.rest()[..len].into();
        self.skip(len);
        if !self.is_bash() || self.at(0) != b'[' || !is_name(&name) {
            return Ok(Some((name, None)));
        }
        self.skip(1);
        let index = match (self.at(0), self.at(1)) {
            (b'@', b']') => Index::At,
            (b'*', b']') => Index::Star,
            _ => {
                let start = self.pos;
                let parts = self.parts(Around::Brace, b"]")?;
                let raw = self.text[start..self.pos].into();
                if self.at(0) != b']' {
                    return Ok(None);
                }
                self.skip(1);
                return Ok(Some((name, Some(Index::Word(Word { parts, raw })))));
            }
        };
        self.skip(2);
        Ok(Some((name, Some(index))))
    }

    fn param_op(&mut self, quoted: bool) -> Result<Option<ParamOp>, SyntaxError> {
        let bash = self.is_bash();
        let c = self.at(0);
        let next = self.at(1);
        let op = match c {
            b'}' => ParamOp::Value,
            b':' if matches!(next, b'-' | b'=' | b'?' | b'+') => {
                self.skip(2);
                self.conditional(next, true, quoted)?
            }
            b'-' | b'=' | b'?' | b'+' => {
                self.skip(1);
                self.conditional(c, false, quoted)?
            }
            b':' => {
                self.skip(1);
                let offset = self.sub_word(Around::Arith, b":}")?;
                let length = if self.at(0) == b':' {
                    self.skip(1);
                    Some(self.sub_word(Around::Arith, b"}")?)
                } else {
                    None
                };
                ParamOp::Slice { offset, length }
            }
            b'#' | b'%' => {
                let longest = next == c;
                self.skip(1 + usize::from(longest));
                let pattern = self.sub_word(Around::Brace, b"}")?;
                if c == b'#' {
                    ParamOp::Prefix { longest, pattern }
                } else {
                    ParamOp::Suffix { longest, pattern }
                }
            }
            b'/' => self.replacement()?,
            b'^' | b',' | b'~' if bash => {
                let all = next == c;
                self.skip(1 + usize::from(all));
                let pattern = self.sub_word(Around::Brace, b"}")?;
                ParamOp::Case { to: super::ast::Case::of(c), all, pattern }
            }
            b'@' if bash && self.at(2) == b'}' && next.is_ascii_alphabetic() => {
                self.skip(2);
                ParamOp::Transform(char::from(next))
            }
            _ => return Ok(None),
        };
        Ok(Some(op))
    }

    fn conditional(&mut self, c: u8, colon: bool, quoted: bool) -> Result<ParamOp, SyntaxError> {
        let around = if quoted { Around::DoubleBrace } else { Around::Brace };
        let word = self.sub_word(around, b"}")?;
        Ok(match c {
            b'-' => ParamOp::Default { colon, word },
            b'=' => ParamOp::Assign { colon, word },
            b'?' => ParamOp::Error { colon, word },
            _ => ParamOp::Alternative { colon, word },
        })
    }

    fn replacement(&mut self) -> Result<ParamOp, SyntaxError> {
        self.skip(1);
        let anchor = match self.at(0) {
            b'/' => Anchor::All,
            b'#' if self.is_bash() => Anchor::Start,
            b'%' if self.is_bash() => Anchor::End,
            _ => Anchor::First,
        };
        if anchor != Anchor::First {
            self.skip(1);
        }
        let pattern = self.sub_word(Around::Brace, b"/}")?;
        let with = if self.at(0) == b'/' {
            self.skip(1);
            // Quotes mean the same here inside double quotes and outside.
            self.sub_word(Around::Brace, b"}")?
        } else {
            Word::default()
        };
        Ok(ParamOp::Replace { anchor, pattern, with })
    }

    fn sub_word(&mut self, around: Around, stops: &[u8]) -> Result<Word, SyntaxError> {
        let start = self.pos;
        let text = Arc::clone(&self.text);
        let parts = self.parts(around, stops)?;
        Ok(Word { parts, raw: text[start..self.pos].into() })
    }

    /// Text as an arithmetic expression of its own (`(( ))`, a subscript).
    pub(super) fn arith_word(&mut self, stops: &[u8]) -> Result<Word, SyntaxError> {
        self.sub_word(Around::Arith, stops)
    }
}

fn param(name: Str, index: Option<Index>, indirect: bool, op: ParamOp) -> Param {
    Param { name, index, indirect, op, raw: Str::default() }
}

fn simple_param(name: &Str) -> Part {
    let raw = format!("${name}").into();
    Part::Param(Arc::new(Param { raw, ..param(name.clone(), None, false, ParamOp::Value) }))
}

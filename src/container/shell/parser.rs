//! The grammar of commands, for ash and bash, by recursive descent.
//!
//! Shells read and run their input command by command, so [`next_command`] reads one command up to the
//! end of its line and no further: what stands before a syntax error has run. Errors name the token
//! that does not fit and, as ash does, the one that was expected.

use std::sync::{Arc, OnceLock};

use super::ast::{
    Assign, AssignValue, CaseEnd, CaseItem, HereTag, Node, NodeKind, NodeRef, Redirect,
    RedirectKind, Simple, Word,
};
pub(crate) use super::lexer::{Grammar, Source, SyntaxError, SyntaxKind};
use super::lexer::{Lexer, Tok};
use super::vars::{is_name, name_len};
use crate::base::Str;

type Result<T> = std::result::Result<T, SyntaxError>;

/// Words that end a list of commands.
const LIST_ENDS: [&str; 8] = ["do", "done", "elif", "else", "esac", "fi", "then", "}"];
/// Words that cannot begin a simple command.
const RESERVED: [&str; 10] = ["do", "done", "elif", "else", "esac", "fi", "then", "}", "in", "]]"];

/// Reads the next command of a text, up to the end of its line. `None` at the end of the text.
pub(crate) fn next_command(source: &mut Source, grammar: Grammar<'_>) -> Result<Option<NodeRef>> {
    let mut lexer = Lexer::new(source, grammar);
    let result = lexer.complete_command();
    if result.is_ok() {
        (source.pos, source.line) = lexer.position();
        source.text = Arc::clone(&lexer.text);
    }
    result
}

/// Reads a text as one word, as it would stand in a command (`a[i]=...`, here-strings from outside).
pub(crate) fn parse_word(text: &str, grammar: Grammar<'_>) -> Result<Word> {
    let source = Source::new(text);
    let mut lexer = Lexer::new(&source, grammar);
    if text.is_empty() { Ok(Word::default()) } else { lexer.word() }
}

/// Reads a text as an arithmetic expression.
pub(crate) fn parse_arith(text: &str, grammar: Grammar<'_>) -> Result<Word> {
    let source = Source::new(text);
    Lexer::new(&source, grammar).arith_word(&[])
}

impl Lexer<'_> {
    fn complete_command(&mut self) -> Result<Option<NodeRef>> {
        loop {
            match self.peek_command()? {
                Tok::Newline => {
                    self.next()?;
                }
                Tok::End => return Ok(None),
                _ => break,
            }
        }
        let line = self.line;
        let mut items = Vec::new();
        loop {
            items.push(self.and_or_in_list()?);
            let separated = self.ended_by_separator;
            match self.peek_command()? {
                Tok::Newline => {
                    self.next()?;
                    break;
                }
                Tok::End => {
                    self.finish()?;
                    break;
                }
                _ if separated => {}
                _ => return self.unexpected(None),
            }
        }
        Ok(Some(list(line, items)))
    }

    /// An and-or list with the separator after it; `&` makes it a background job.
    fn and_or_in_list(&mut self) -> Result<NodeRef> {
        let line = self.line;
        let node = self.and_or()?;
        self.ended_by_separator = false;
        let background = match self.peek()? {
            Tok::Op(";") => false,
            Tok::Op("&") => true,
            _ => return Ok(node),
        };
        self.next()?;
        self.ended_by_separator = true;
        Ok(if background { Node::new(line, NodeKind::Background(node)) } else { node })
    }

    /// Commands up to a word or operator that ends a list. At least one, unless `empty` is allowed.
    fn commands(&mut self, empty: bool) -> Result<NodeRef> {
        self.deeper()?;
        self.newlines()?;
        let line = self.line;
        let mut items = Vec::new();
        // ash says at the end of the text what should have come after the missing commands.
        let over = !self.is_bash() && matches!(self.peek_command()?, Tok::End);
        if !over && !(empty && self.list_ends()?) {
            loop {
                items.push(self.and_or_in_list()?);
                let separated = self.ended_by_separator;
                let newline = matches!(self.peek_command()?, Tok::Newline);
                self.newlines()?;
                if self.list_ends()? || !(separated || newline) {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(list(line, items))
    }

    fn newlines(&mut self) -> Result<()> {
        while matches!(self.peek_command()?, Tok::Newline) {
            self.next()?;
        }
        Ok(())
    }

    fn list_ends(&mut self) -> Result<bool> {
        Ok(match self.peek_command()? {
            Tok::End | Tok::Op(")" | ";;" | ";&" | ";;&") => true,
            Tok::Word(w) => w.as_literal().is_some_and(|t| LIST_ENDS.contains(&t)),
            Tok::IoNumber(_) | Tok::IoVar(_) | Tok::Op(_) | Tok::Newline => false,
        })
    }

    /// The commands of `$(...)`, with the closing parenthesis.
    pub(super) fn commands_until_paren(&mut self) -> Result<Option<NodeRef>> {
        let outer = self.enter();
        let body = self.commands(true)?;
        let bash = self.is_bash();
        match self.peek()? {
            Tok::Op(")") => {
                self.next()?;
            }
            Tok::End if bash => return self.fail(SyntaxKind::Unclosed(')')),
            _ => return self.unexpected(Some("\")\"")),
        }
        self.leave(outer);
        Ok((!is_empty(&body)).then_some(body))
    }

    /// The commands of a whole text (backquotes).
    pub(super) fn commands_until_end(&mut self) -> Result<Option<NodeRef>> {
        let body = self.commands(true)?;
        match self.peek()? {
            Tok::End => {
                self.finish()?;
                Ok((!is_empty(&body)).then_some(body))
            }
            _ => self.unexpected(None),
        }
    }

    /// The error for the next token.
    fn unexpected<T>(&mut self, expecting: Option<&'static str>) -> Result<T> {
        let quote = |t: &str| (format!("\"{t}\""), t.to_owned());
        self.peek()?;
        let (_, line) = self.position();
        let keywords = self.keyword_position;
        let (ash, bash) = match self.peek()? {
            Tok::End => return self.fail_at(SyntaxKind::End, line, expecting),
            Tok::Newline => ("newline".to_owned(), "newline".to_owned()),
            Tok::Op(op) if op.starts_with(['<', '>']) || *op == "&>" || *op == "&>>" => {
                ("redirection".to_owned(), (*op).to_owned())
            }
            Tok::IoNumber(n) => ("redirection".to_owned(), n.to_string()),
            Tok::IoVar(v) => ("redirection".to_owned(), v.to_string()),
            Tok::Op(op) => quote(op),
            Tok::Word(w) => match w.as_literal() {
                Some(t) if keywords && is_keyword(t) => quote(t),
                _ => ("word".to_owned(), w.raw.to_string()),
            },
        };
        self.fail_at(SyntaxKind::Unexpected { ash, bash }, line, expecting)
    }

    fn and_or(&mut self) -> Result<NodeRef> {
        let mut node = self.pipeline()?;
        loop {
            let line = self.line;
            let and = match self.peek()? {
                Tok::Op("&&") => true,
                Tok::Op("||") => false,
                _ => return Ok(node),
            };
            self.next()?;
            self.newlines()?;
            let right = self.pipeline()?;
            let kind = if and { NodeKind::And(node, right) } else { NodeKind::Or(node, right) };
            node = Node::new(line, kind);
        }
    }

    /// Whether the next token is this unquoted word.
    fn next_is(&mut self, word: &str) -> Result<bool> {
        Ok(matches!(self.peek_command()?, Tok::Word(w) if w.as_literal() == Some(word)))
    }

    fn pipeline(&mut self) -> Result<NodeRef> {
        let line = self.line;
        if self.is_bash() && self.next_is("time")? {
            self.next()?;
            let posix = self.next_is("-p")?;
            if posix {
                self.next()?;
            }
            let nothing = matches!(self.peek()?, Tok::Newline | Tok::End | Tok::Op(";"));
            let node = if nothing { list(line, Vec::new()) } else { self.pipeline()? };
            return Ok(Node::new(line, NodeKind::Time(node, posix)));
        }
        if self.next_is("!")? {
            self.next()?;
            let node = if self.is_bash() { self.pipeline()? } else { self.pipe_sequence()? };
            return Ok(Node::new(line, NodeKind::Not(node)));
        }
        self.pipe_sequence()
    }

    fn pipe_sequence(&mut self) -> Result<NodeRef> {
        let line = self.line;
        let mut nodes = vec![self.command()?];
        loop {
            let both = match self.peek()? {
                Tok::Op("|") => false,
                Tok::Op("|&") => true,
                _ => break,
            };
            self.next()?;
            if both {
                let last = nodes.pop().expect("a pipeline has a command before its operator");
                let redirect = Redirect {
                    fd: Some(2),
                    var: None,
                    kind: RedirectKind::DupOut(Word::literal("1")),
                };
                nodes.push(add_redirect(last, redirect));
            }
            self.newlines()?;
            nodes.push(self.command()?);
        }
        if nodes.len() == 1 {
            return Ok(nodes.pop().expect("one command"));
        }
        Ok(Node::new(line, NodeKind::Pipeline(nodes)))
    }

    fn command(&mut self) -> Result<NodeRef> {
        self.deeper()?;
        let node = self.command_inner()?;
        self.depth -= 1;
        Ok(node)
    }

    fn command_inner(&mut self) -> Result<NodeRef> {
        let bash = self.is_bash();
        let line = self.line;
        let token = self.peek_command()?.clone();
        let kind = match &token {
            Tok::Op("(") => self.parenthesis()?,
            Tok::Word(w) => match w.as_literal().unwrap_or("") {
                "{" => {
                    self.next()?;
                    let body = self.commands(false)?;
                    self.expect("}", "\"}\"")?;
                    NodeKind::Group(body)
                }
                "if" => self.if_clause()?,
                "while" | "until" => self.while_clause()?,
                "for" => self.for_clause(false)?,
                "select" if bash => self.for_clause(true)?,
                "case" => self.case_clause()?,
                "function" => return self.function_keyword(),
                "[[" if bash => {
                    self.next()?;
                    NodeKind::Cond(self.cond_or()?)
                }
                "coproc" if bash => return self.coprocess(),
                t if RESERVED.contains(&t) && t != "in" && t != "]]" => {
                    return self.unexpected_keyword(None);
                }
                _ => return self.simple(),
            },
            Tok::Op(op) if op.starts_with(['<', '>']) || *op == "&>" || *op == "&>>" => {
                return self.simple();
            }
            Tok::IoNumber(_) | Tok::IoVar(_) => return self.simple(),
            Tok::Op(_) | Tok::Newline | Tok::End => return self.unexpected_keyword(None),
        };
        self.with_redirects(Node::new(line, kind))
    }

    fn unexpected_keyword<T>(&mut self, expecting: Option<&'static str>) -> Result<T> {
        self.keyword_position = true;
        self.unexpected(expecting)
    }

    fn with_redirects(&mut self, node: NodeRef) -> Result<NodeRef> {
        let mut redirects = Vec::new();
        while let Some(redirect) = self.redirect()? {
            redirects.push(redirect);
        }
        if redirects.is_empty() {
            return Ok(node);
        }
        Ok(Node::new(node.line, NodeKind::Redirected(node, redirects)))
    }

    /// Takes a reserved word that must come here.
    fn expect(&mut self, word: &str, named: &'static str) -> Result<()> {
        if self.next_is(word)? {
            self.next()?;
            return Ok(());
        }
        self.unexpected_keyword(Some(named))
    }

    fn parenthesis(&mut self) -> Result<NodeKind> {
        if self.is_bash() && self.at(0) == b'(' {
            let (pos, line, start) = (self.pos, self.line, self.token_start);
            self.next()?;
            self.skip(1);
            let word = self.arith_word(b")")?;
            if self.at(0) == b')' && self.at(1) == b')' {
                self.skip(2);
                return Ok(NodeKind::Arith(word));
            }
            // Two subshells after all.
            self.pos = pos;
            self.line = line;
            self.token_start = start;
        } else {
            self.next()?;
        }
        let body = self.commands(false)?;
        match self.peek()? {
            Tok::Op(")") => {
                self.next()?;
                Ok(NodeKind::Subshell(body))
            }
            _ => self.unexpected_keyword(Some("\")\"")),
        }
    }

    fn if_clause(&mut self) -> Result<NodeKind> {
        self.next()?;
        let cond = self.commands(false)?;
        self.expect("then", "\"then\"")?;
        let then = self.commands(false)?;
        let line = self.line;
        let other = if self.next_is("elif")? {
            return Ok(NodeKind::If(cond, then, Some(Node::new(line, self.if_clause()?))));
        } else if self.next_is("else")? {
            self.next()?;
            Some(self.commands(false)?)
        } else {
            None
        };
        self.expect("fi", "\"fi\"")?;
        Ok(NodeKind::If(cond, then, other))
    }

    fn while_clause(&mut self) -> Result<NodeKind> {
        let until = self.next_is("until")?;
        self.next()?;
        let cond = self.commands(false)?;
        let body = self.do_group()?;
        Ok(NodeKind::While { cond, body, until })
    }

    fn do_group(&mut self) -> Result<NodeRef> {
        self.expect("do", "\"do\"")?;
        let body = self.commands(false)?;
        self.expect("done", "\"done\"")?;
        Ok(body)
    }

    fn for_clause(&mut self, select: bool) -> Result<NodeKind> {
        self.next()?;
        if self.is_bash() && !select && matches!(self.peek()?, Tok::Op("(")) && self.at(0) == b'(' {
            return self.arith_for();
        }
        let bash = self.is_bash();
        let name = match self.peek()? {
            Tok::Word(w) if w.as_literal().is_some_and(is_name) => w.raw.clone(),
            Tok::Word(w) if bash => {
                let text = format!("`{}': not a valid identifier", w.raw);
                return self.fail(SyntaxKind::Other(text));
            }
            _ if bash => return self.unexpected(None),
            _ => return self.fail(SyntaxKind::Other("bad for loop variable".to_owned())),
        };
        self.next()?;
        self.newlines()?;
        let words = if self.next_is("in")? {
            self.next()?;
            let mut words = Vec::new();
            while let Tok::Word(_) = self.peek()? {
                let Tok::Word(word) = self.next()? else { break };
                words.push(word);
            }
            match self.peek()? {
                Tok::Op(";") | Tok::Newline => {
                    self.next()?;
                }
                _ => return self.unexpected(None),
            }
            Some(words)
        } else {
            if matches!(self.peek()?, Tok::Op(";")) {
                self.next()?;
            }
            None
        };
        self.newlines()?;
        let body = if self.is_bash() && self.next_is("{")? {
            self.brace_body()?
        } else {
            self.do_group()?
        };
        Ok(if select {
            NodeKind::Select { name, words, body }
        } else {
            NodeKind::For { name, words, body }
        })
    }

    fn brace_body(&mut self) -> Result<NodeRef> {
        self.next()?;
        let body = self.commands(false)?;
        self.expect("}", "\"}\"")?;
        Ok(body)
    }

    fn arith_for(&mut self) -> Result<NodeKind> {
        self.next()?;
        self.skip(1);
        let init = self.arith_word(b";)")?;
        let mut rest = [Word::default(), Word::default()];
        for word in &mut rest {
            if self.at(0) != b';' {
                return self.fail(SyntaxKind::Other("arithmetic expression required".to_owned()));
            }
            self.skip(1);
            *word = self.arith_word(b";)")?;
        }
        if !self.rest().starts_with("))") {
            return self.fail(SyntaxKind::Other("arithmetic expression required".to_owned()));
        }
        self.skip(2);
        let [cond, step] = rest;
        if matches!(self.peek()?, Tok::Op(";")) {
            self.next()?;
        }
        self.newlines()?;
        let body = if self.next_is("{")? { self.brace_body()? } else { self.do_group()? };
        Ok(NodeKind::ArithFor { init, cond, step, body })
    }

    fn case_clause(&mut self) -> Result<NodeKind> {
        self.next()?;
        let Tok::Word(_) = self.peek()? else { return self.unexpected(Some("word")) };
        let Tok::Word(word) = self.next()? else { return self.unexpected(Some("word")) };
        self.newlines()?;
        self.expect("in", "\"in\"")?;
        let mut items = Vec::new();
        loop {
            self.newlines()?;
            if self.next_is("esac")? {
                break;
            }
            let mut patterns = Vec::new();
            if matches!(self.peek()?, Tok::Op("(")) {
                self.next()?;
            }
            loop {
                match self.peek()? {
                    Tok::Word(_) => {
                        let Tok::Word(word) = self.next()? else { break };
                        patterns.push(word);
                    }
                    _ => return self.unexpected(Some("\")\"")),
                }
                if !matches!(self.peek()?, Tok::Op("|")) {
                    break;
                }
                self.next()?;
            }
            match self.peek()? {
                Tok::Op(")") => {
                    self.next()?;
                }
                _ => return self.unexpected(Some("\")\"")),
            }
            let body = self.commands(true)?;
            let body = (!is_empty(&body)).then_some(body);
            let end = match self.peek()? {
                Tok::Op(";;") => CaseEnd::Leave,
                Tok::Op(";&") => CaseEnd::FallThrough,
                Tok::Op(";;&") => CaseEnd::TestNext,
                _ => {
                    if !self.next_is("esac")? {
                        return self.unexpected_keyword(Some("\";;\""));
                    }
                    items.push(CaseItem { patterns, body, end: CaseEnd::Leave });
                    break;
                }
            };
            self.next()?;
            items.push(CaseItem { patterns, body, end });
        }
        self.next()?;
        Ok(NodeKind::Case { word, items })
    }

    fn function_keyword(&mut self) -> Result<NodeRef> {
        let line = self.line;
        self.next()?;
        let Tok::Word(_) = self.peek()? else { return self.unexpected(None) };
        let Tok::Word(name) = self.next()? else { return self.unexpected(None) };
        if matches!(self.peek()?, Tok::Op("(")) {
            self.next()?;
            match self.peek()? {
                Tok::Op(")") => {
                    self.next()?;
                }
                _ => return self.unexpected(Some("\")\"")),
            }
        }
        self.function_body(line, name.raw)
    }

    fn function_body(&mut self, line: u32, name: Str) -> Result<NodeRef> {
        self.newlines()?;
        let body = self.command()?;
        if self.is_bash() && matches!(body.kind, NodeKind::Simple(_)) {
            return self.unexpected(None);
        }
        Ok(Node::new(line, NodeKind::Function { name, body }))
    }

    fn coprocess(&mut self) -> Result<NodeRef> {
        let line = self.line;
        self.next()?;
        let mut name: Str = "COPROC".into();
        // `coproc NAME { ... }`: a name only before a compound command.
        let candidate = match self.peek_command()? {
            Tok::Word(w) if w.as_literal().is_some_and(is_name) && !is_keyword(&w.raw) => {
                Some(w.raw.clone())
            }
            _ => None,
        };
        if let Some(candidate) = candidate {
            let after = self.rest().trim_start_matches([' ', '\t']);
            if after.starts_with(['{', '(']) {
                name = candidate;
                self.next()?;
            }
        }
        let body = self.command()?;
        Ok(Node::new(line, NodeKind::Coproc(name, body)))
    }

    fn simple(&mut self) -> Result<NodeRef> {
        let mut simple = Simple::default();
        let mut line = None;
        // ash: `&&` and `||` between `[[` and `]]` are operators of the test.
        let mut testing = false;
        loop {
            let first = simple.words.is_empty();
            if let Some(redirect) = self.redirect()? {
                line.get_or_insert(self.line);
                simple.redirects.push(redirect);
                continue;
            }
            if first || self.after_alias_blank() {
                self.peek_command()?;
            }
            let token_line = self.line;
            match self.peek()? {
                Tok::Word(_) => {
                    line.get_or_insert(token_line);
                    let Tok::Word(word) = self.next()? else { break };
                    if !self.is_bash() {
                        match word.as_literal() {
                            Some("[[") if first => testing = true,
                            Some("]]") => testing = false,
                            Some(_) | None => {}
                        }
                    }
                    if (first || self.is_bash())
                        && let Some(assign) = self.assignment(&word)?
                    {
                        if first {
                            simple.assigns.push(assign);
                        } else if matches!(assign.value, AssignValue::Array(_)) {
                            // An array after `declare` and the like; kept beside its word.
                            simple.assigns.push(assign);
                            simple.words.push(word);
                        } else {
                            simple.words.push(word);
                        }
                    } else {
                        simple.words.push(word);
                    }
                }
                Tok::Op(op @ ("&&" | "||")) if testing => {
                    let word = Word::literal(if *op == "&&" { "-a" } else { "-o" });
                    self.next()?;
                    simple.words.push(word);
                }
                Tok::Op("(")
                    if simple.words.len() == 1
                        && simple.assigns.is_empty()
                        && simple.redirects.is_empty() =>
                {
                    let name = simple.words[0].raw.clone();
                    return self.function(line.unwrap_or(self.line), name);
                }
                Tok::IoNumber(_) | Tok::IoVar(_) | Tok::Op(_) | Tok::Newline | Tok::End => break,
            }
        }
        Ok(Node::new(line.unwrap_or(self.line), NodeKind::Simple(simple)))
    }

    fn function(&mut self, line: u32, name: Str) -> Result<NodeRef> {
        self.next()?;
        match self.peek()? {
            Tok::Op(")") => {
                self.next()?;
            }
            _ => return self.unexpected(Some("\")\"")),
        }
        if !self.is_bash() && !is_name(&name) {
            return self.fail(SyntaxKind::Other("bad function name".to_owned()));
        }
        self.function_body(line, name)
    }

    /// The assignment that a word is, with the array after it.
    fn assignment(&mut self, word: &Word) -> Result<Option<Assign>> {
        let raw = &word.raw;
        let len = name_len(raw);
        if len == 0 {
            return Ok(None);
        }
        let bash = self.is_bash();
        let mut rest = &raw[len..];
        let mut index = None;
        if bash && rest.starts_with('[') {
            let Some(end) = closing_bracket(rest) else { return Ok(None) };
            index = Some(parse_arith(&rest[1..end], self.grammar)?);
            rest = &rest[end + 1..];
        }
        let append = bash && rest.starts_with("+=");
        let Some(value) = rest[usize::from(append)..].strip_prefix('=') else { return Ok(None) };
        let name: Str = raw[..len].into();
        if bash && value.is_empty() && self.at(0) == b'(' && index.is_none() {
            let items = self.array()?;
            return Ok(Some(Assign { name, index, append, value: AssignValue::Array(items) }));
        }
        let value = AssignValue::Word(parse_word(value, self.grammar)?);
        Ok(Some(Assign { name, index, append, value }))
    }

    fn array(&mut self) -> Result<Vec<(Option<Word>, Word)>> {
        self.skip(1);
        let mut items = Vec::new();
        loop {
            self.in_array = true;
            let next = self.next();
            self.in_array = false;
            match next? {
                Tok::Newline => {}
                Tok::Op(")") => return Ok(items),
                Tok::Word(word) => {
                    let key =
                        word.raw.starts_with('[').then(|| closing_bracket(&word.raw)).flatten();
                    match key {
                        Some(end) if word.raw[end + 1..].starts_with('=') => {
                            let key = parse_arith(&word.raw[1..end], self.grammar)?;
                            let value = parse_word(&word.raw[end + 2..], self.grammar)?;
                            items.push((Some(key), value));
                        }
                        _ => items.push((None, word)),
                    }
                }
                Tok::End => return self.fail(SyntaxKind::Unclosed(')')),
                Tok::Op(op) => {
                    let kind =
                        SyntaxKind::Unexpected { ash: format!("\"{op}\""), bash: op.to_owned() };
                    return self.fail(kind);
                }
                Tok::IoNumber(n) => items.push((None, Word::literal(&n.to_string()))),
                Tok::IoVar(v) => items.push((None, Word::literal(&v))),
            }
        }
    }

    fn redirect(&mut self) -> Result<Option<Redirect>> {
        let mut fd = None;
        let mut var = None;
        match self.peek()?.clone() {
            Tok::IoNumber(n) => {
                self.next()?;
                fd = Some(n);
            }
            Tok::IoVar(name) => {
                self.next()?;
                var = Some(name);
            }
            Tok::Word(_) | Tok::Op(_) | Tok::Newline | Tok::End => {}
        }
        let Tok::Op(op) = *self.peek()? else { return Ok(None) };
        let make: fn(Word) -> RedirectKind = match op {
            "<" => RedirectKind::Read,
            ">" => RedirectKind::Write,
            ">|" => RedirectKind::Clobber,
            ">>" => RedirectKind::Append,
            "<>" => RedirectKind::Update,
            "<&" => RedirectKind::DupIn,
            ">&" => RedirectKind::DupOut,
            "&>" => |w| RedirectKind::Both(w, false),
            "&>>" => |w| RedirectKind::Both(w, true),
            "<<<" => RedirectKind::HereString,
            "<<" | "<<-" => return self.here_redirect(fd, op == "<<-").map(Some),
            _ => return Ok(None),
        };
        self.next()?;
        match self.peek()? {
            Tok::Word(_) => {}
            // `>&-1` and digits: a number before another redirection is a word here.
            Tok::IoNumber(n) => {
                let kind = make(Word::literal(&n.to_string()));
                self.next()?;
                return Ok(Some(Redirect { fd, var, kind }));
            }
            Tok::IoVar(_) | Tok::Op(_) | Tok::Newline | Tok::End => return self.unexpected(None),
        }
        let Tok::Word(word) = self.next()? else { return self.unexpected(None) };
        Ok(Some(Redirect { fd, var, kind: make(word) }))
    }

    fn here_redirect(&mut self, fd: Option<i32>, strip_tabs: bool) -> Result<Redirect> {
        self.next()?;
        let Tok::Word(_) = self.peek()? else { return self.unexpected(None) };
        let Tok::Word(word) = self.next()? else { return self.unexpected(None) };
        let quoted = word.has_quotes();
        let tag = HereTag { word: super::quoting::unquote(&word).into(), strip_tabs, quoted };
        let slot = Arc::new(OnceLock::new());
        self.await_here(Arc::clone(&slot), tag.clone());
        Ok(Redirect { fd, var: None, kind: RedirectKind::Here(slot, tag) })
    }
}

/// The bracket that closes the one at the start.
pub(super) fn closing_bracket(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (i, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a word is reserved in either shell.
pub(crate) fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "!" | "case"
            | "do"
            | "done"
            | "elif"
            | "else"
            | "esac"
            | "fi"
            | "for"
            | "function"
            | "if"
            | "in"
            | "then"
            | "until"
            | "while"
            | "{"
            | "}"
    )
}

fn list(line: u32, mut items: Vec<NodeRef>) -> NodeRef {
    if items.len() == 1 {
        return items.pop().expect("one item");
    }
    Node::new(line, NodeKind::List(items))
}

fn is_empty(node: &NodeRef) -> bool {
    matches!(&node.kind, NodeKind::List(items) if items.is_empty())
}

fn add_redirect(node: NodeRef, redirect: Redirect) -> NodeRef {
    match &node.kind {
        NodeKind::Simple(simple) => {
            let mut simple = simple.clone();
            simple.redirects.push(redirect);
            Node::new(node.line, NodeKind::Simple(simple))
        }
        _ => Node::new(node.line, NodeKind::Redirected(node, vec![redirect])),
    }
}

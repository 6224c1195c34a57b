//! Expansion of words, restartable.
//!
//! An expansion cannot wait. When it needs the output of a command it stops with
//! [`Stop::Command`]; the machine runs the command, remembers its output and expands the word again
//! with the outputs so far. Variables that an expansion assigns (`${x:=v}`, `$((i++))`) change a copy,
//! which the machine takes over only when the word is done.

use std::sync::Arc;

use super::Shell;
use super::arith::{ArithError, Names};
use super::ast::{CommandSub, Part, Word};
use super::vars::{Key, ReadOnly, Vars};
use crate::base::Str;
use crate::container::os::Sys;

/// Why an expansion stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// It needs the output of a command.
    Command(Arc<CommandSub>),
    /// It needs the path of a process substitution; the flag is set for `>(...)`.
    Process(Arc<CommandSub>, bool),
    /// It failed.
    Fail(Failure),
}

/// How an expansion fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// `${x y}`
    BadSubstitution(Str),
    /// `${x?word}`
    Unset { name: Str, message: Option<String>, colon: bool },
    /// A variable without a value under `set -u`.
    Unbound(Str),
    /// An assignment to a read-only variable.
    ReadOnly(Str),
    /// An expression that has no value.
    Arith { text: String, error: ArithError },
    /// `${!x}` of something that is not a name.
    BadIndirect(Str),
    /// A slice with a negative length.
    NegativeLength(String),
    /// More text than the bound allows.
    TooLong(usize),
    /// Nothing matched under `failglob`.
    NoMatch(String),
}

impl From<ReadOnly> for Stop {
    fn from(e: ReadOnly) -> Self {
        Self::Fail(Failure::ReadOnly(e.0))
    }
}

pub(super) type Result<T> = std::result::Result<T, Stop>;

/// What became of substitutions of this word so far.
#[derive(Clone, Debug)]
pub(super) enum Memo {
    /// The output of a command, without its last newlines.
    Output(Str),
    /// The path of a process substitution.
    Path(Str),
}

/// A piece of expanded text.
#[derive(Clone, Debug)]
pub(super) enum Seg {
    /// Quoted text.
    Quoted(String),
    /// Unquoted text of the word itself: a pattern, but not split.
    Literal(String),
    /// The unquoted result of an expansion: split, and a pattern.
    Split(String),
    /// A boundary between fields (`"$@"`).
    Break,
}

/// A field before pathname expansion.
#[derive(Clone, Debug, Default)]
pub(super) struct Field {
    pub(super) text: String,
    /// The same with quoted characters escaped, when it has unquoted pattern characters.
    pub(super) pattern: String,
    pub(super) is_pattern: bool,
}

/// One expansion under way.
#[derive(Debug)]
pub(super) struct Expander<'e, 's, 'w> {
    pub(super) shell: &'e Shell,
    pub(super) sys: &'e mut Sys<'s, 'w>,
    /// The variables with what this expansion assigned.
    pub(super) vars: Vars,
    memo: &'e [Memo],
    used: usize,
}

/// What surrounds a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ctx {
    /// Inside double quotes.
    pub(super) quoted: bool,
    /// The value of an assignment: tildes after colons, no splitting.
    pub(super) assign: bool,
}

impl Ctx {
    pub(super) const PLAIN: Self = Self { quoted: false, assign: false };
    pub(super) const QUOTED: Self = Self { quoted: true, assign: false };
    pub(super) const ASSIGN: Self = Self { quoted: false, assign: true };
}

impl<'e, 's, 'w> Expander<'e, 's, 'w> {
    pub(super) fn new(shell: &'e Shell, sys: &'e mut Sys<'s, 'w>, memo: &'e [Memo]) -> Self {
        let vars = shell.vars.clone();
        Self { shell, sys, vars, memo, used: 0 }
    }

    /// The fields of a word of a command.
    pub(super) fn fields(&mut self, word: &Word) -> Result<Vec<Str>> {
        if self.shell.dialect.is_bash() && self.shell.options.braces {
            let mut out = Vec::new();
            for word in super::braces::expand(word) {
                self.fields_of(&word, &mut out)?;
            }
            return Ok(out);
        }
        let mut out = Vec::new();
        self.fields_of(word, &mut out)?;
        Ok(out)
    }

    fn fields_of(&mut self, word: &Word, out: &mut Vec<Str>) -> Result<()> {
        if let Some(text) = word.as_literal()
            && !text.contains(['*', '?', '[', '~', '('])
        {
            out.push(text.into());
            return Ok(());
        }
        let segs = self.segs(&word.parts, Ctx::PLAIN)?;
        for field in self.split(segs) {
            self.sys.work(1);
            let is_pattern = field.is_pattern && super::pattern::is_pattern(&field.pattern);
            if is_pattern && !self.shell.options.noglob {
                match super::glob::expand(self.shell, self.sys, &field.pattern) {
                    Some(names) => out.extend(names),
                    None if self.shell.options.nullglob => {}
                    None if self.shell.options.failglob => {
                        return Err(Stop::Fail(Failure::NoMatch(field.text)));
                    }
                    None => out.push(field.text.into()),
                }
            } else {
                out.push(field.text.into());
            }
        }
        Ok(())
    }

    /// The text of a word that is not split (an assignment, a redirection, a `case` word).
    pub(super) fn text(&mut self, word: &Word, ctx: Ctx) -> Result<String> {
        let segs = self.segs(&word.parts, ctx)?;
        Ok(self.joined(&segs))
    }

    /// The text of segments as one string.
    pub(super) fn joined(&self, segs: &[Seg]) -> String {
        let mut out = String::new();
        // ash joins `"$@"` as it joins `"$*"`.
        let gap = if self.shell.dialect.is_bash() {
            " ".to_owned()
        } else {
            super::params::separator(&self.vars)
        };
        for seg in segs {
            match seg {
                Seg::Quoted(t) | Seg::Literal(t) | Seg::Split(t) => out.push_str(t),
                Seg::Break => out.push_str(&gap),
            }
        }
        out
    }

    /// The text of a word as a pattern: what is quoted in it matches only itself.
    pub(super) fn pattern(&mut self, word: &Word) -> Result<String> {
        let segs = self.segs(&word.parts, Ctx::PLAIN)?;
        let mut out = String::new();
        for seg in &segs {
            match seg {
                Seg::Quoted(t) => super::pattern::escape(t, &mut out),
                Seg::Literal(t) | Seg::Split(t) => out.push_str(t),
                Seg::Break => out.push(' '),
            }
        }
        Ok(out)
    }

    /// The text of a word as a regular expression: what is quoted in it matches only itself.
    pub(super) fn regex(&mut self, word: &Word) -> Result<String> {
        let segs = self.segs(&word.parts, Ctx::PLAIN)?;
        let mut out = String::new();
        for seg in &segs {
            match seg {
                Seg::Quoted(t) => {
                    for c in t.chars() {
                        if c.is_ascii_punctuation() {
                            out.push('\\');
                        }
                        out.push(c);
                    }
                }
                Seg::Literal(t) | Seg::Split(t) => out.push_str(t),
                Seg::Break => out.push(' '),
            }
        }
        Ok(out)
    }

    /// The value of an arithmetic word.
    pub(super) fn arith(&mut self, word: &Word) -> Result<i64> {
        let text = self.text(word, Ctx::QUOTED)?;
        self.arith_text(&text)
    }

    /// The value of an expression without expansions.
    pub(super) fn arith_text(&mut self, text: &str) -> Result<i64> {
        let bash = self.shell.dialect.is_bash();
        let mut names = Scratch { shell: self.shell, sys: self.sys, vars: &mut self.vars };
        super::arith::evaluate(text, &mut names, bash)
            .map_err(|error| Stop::Fail(Failure::Arith { text: text.to_owned(), error }))
    }

    /// Expands parts.
    pub(super) fn segs(&mut self, parts: &[Part], ctx: Ctx) -> Result<Vec<Seg>> {
        let mut out = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            match part {
                Part::Lit(t) if ctx.quoted => out.push(Seg::Quoted(t.to_string())),
                Part::Lit(t) => self.literal(t, i == 0, parts.get(i + 1).is_none(), ctx, &mut out),
                Part::Quoted(t) => out.push(Seg::Quoted(t.to_string())),
                Part::Double(inner) => {
                    let segs = self.segs(inner, Ctx { quoted: true, ..ctx })?;
                    // "" is an empty field; "$@" without parameters is none.
                    if segs.is_empty() && !is_all_params(inner) {
                        out.push(Seg::Quoted(String::new()));
                    }
                    out.extend(segs);
                }
                Part::Param(param) => self.param(param, ctx, &mut out)?,
                Part::Command(sub) => {
                    let text = self.output_of(sub)?;
                    out.push(if ctx.quoted {
                        Seg::Quoted(text.to_string())
                    } else {
                        Seg::Split(text.to_string())
                    });
                }
                Part::Arith(word) => {
                    let value = self.arith(word)?.to_string();
                    out.push(if ctx.quoted { Seg::Quoted(value) } else { Seg::Split(value) });
                }
                Part::Process(sub, write) => {
                    let path = self.path_of(sub, *write)?;
                    out.push(Seg::Quoted(path.to_string()));
                }
            }
        }
        let len: usize = out.iter().map(Seg::len).sum();
        let limit = self.sys.os.limits.memory_bytes;
        if len > limit { Err(Stop::Fail(Failure::TooLong(limit))) } else { Ok(out) }
    }

    fn output_of(&mut self, sub: &Arc<CommandSub>) -> Result<Str> {
        self.used += 1;
        match self.memo.get(self.used - 1) {
            Some(Memo::Output(t) | Memo::Path(t)) => Ok(t.clone()),
            None => Err(Stop::Command(Arc::clone(sub))),
        }
    }

    fn path_of(&mut self, sub: &Arc<CommandSub>, write: bool) -> Result<Str> {
        self.used += 1;
        match self.memo.get(self.used - 1) {
            Some(Memo::Output(t) | Memo::Path(t)) => Ok(t.clone()),
            None => Err(Stop::Process(Arc::clone(sub), write)),
        }
    }

    fn literal(&mut self, text: &str, first: bool, last: bool, ctx: Ctx, out: &mut Vec<Seg>) {
        let mut rest = text;
        if first && let Some((home, after)) = self.tilde(rest, last, ctx.assign) {
            out.push(Seg::Quoted(home));
            rest = after;
        }
        // In an assignment a tilde also counts after each colon.
        while let Some(i) = rest.find(":~").filter(|_| ctx.assign) {
            out.push(Seg::Literal(rest[..=i].to_owned()));
            rest = &rest[i + 1..];
            match self.tilde(rest, last, true) {
                Some((home, after)) => {
                    out.push(Seg::Quoted(home));
                    rest = after;
                }
                None => {
                    out.push(Seg::Literal("~".to_owned()));
                    rest = &rest[1..];
                }
            }
        }
        if !rest.is_empty() {
            out.push(Seg::Literal(rest.to_owned()));
        }
    }

    fn tilde<'t>(&mut self, text: &'t str, last: bool, assign: bool) -> Option<(String, &'t str)> {
        let rest = text.strip_prefix('~')?;
        let end = rest.find(['/', ':']).filter(|&i| assign || rest.as_bytes()[i] == b'/');
        if end.is_none() && !last {
            return None;
        }
        let (user, after) = rest.split_at(end.unwrap_or(rest.len()));
        let home = match user {
            "" => match self.vars.text("HOME") {
                Some(home) => home.to_string(),
                None if self.shell.dialect.is_bash() => {
                    let uid = self.sys.me().uid;
                    self.sys.home_of(uid)?
                }
                None => return None,
            },
            "+" if self.shell.dialect.is_bash() => self.vars.text("PWD")?.to_string(),
            "-" if self.shell.dialect.is_bash() => self.vars.text("OLDPWD")?.to_string(),
            name => self.sys.home_of_user(name)?,
        };
        Some((home, after))
    }

    /// Splits segments into fields.
    pub(super) fn split(&self, segs: Vec<Seg>) -> Vec<Field> {
        let ifs = self.vars.text("IFS").map_or(" \t\n", |s| s.as_str());
        let mut splitter = Splitter {
            ifs,
            out: Vec::new(),
            now: Field::default(),
            open: false,
            after_blank: false,
        };
        for seg in segs {
            match seg {
                Seg::Quoted(t) => splitter.quoted(&t),
                Seg::Literal(t) => splitter.literal(&t),
                Seg::Split(t) => splitter.splittable(&t),
                Seg::Break => splitter.boundary(),
            }
        }
        if splitter.open {
            splitter.end();
        }
        splitter.out
    }
}

/// Whether parts are only `$@`-like parameters, which may be no field at all.
fn is_all_params(parts: &[Part]) -> bool {
    !parts.is_empty()
        && parts.iter().all(|p| match p {
            Part::Param(p) => p.name == "@" || matches!(p.index, Some(super::ast::Index::At)),
            Part::Lit(_)
            | Part::Quoted(_)
            | Part::Double(_)
            | Part::Command(_)
            | Part::Arith(_)
            | Part::Process(..) => false,
        })
}

impl Seg {
    fn len(&self) -> usize {
        match self {
            Self::Quoted(t) | Self::Literal(t) | Self::Split(t) => t.len(),
            Self::Break => 0,
        }
    }
}

struct Splitter<'i> {
    ifs: &'i str,
    out: Vec<Field>,
    now: Field,
    /// There is a field under way, perhaps empty.
    open: bool,
    /// The last field ended at a blank; a delimiter after it ends the same field.
    after_blank: bool,
}

impl Splitter<'_> {
    fn quoted(&mut self, text: &str) {
        self.open = true;
        self.now.text.push_str(text);
        super::pattern::escape(text, &mut self.now.pattern);
    }

    fn add(&mut self, c: char) {
        self.open = true;
        self.after_blank = false;
        self.now.text.push(c);
        self.now.pattern.push(c);
        if matches!(c, '*' | '?' | '[' | '(') {
            self.now.is_pattern = true;
        }
    }

    fn literal(&mut self, text: &str) {
        for c in text.chars() {
            self.add(c);
        }
    }

    fn splittable(&mut self, text: &str) {
        for c in text.chars() {
            if !self.ifs.contains(c) {
                self.add(c);
            } else if matches!(c, ' ' | '\t' | '\n') {
                if self.open {
                    self.end();
                    self.after_blank = true;
                }
            } else if self.after_blank {
                self.after_blank = false;
            } else {
                self.end();
            }
        }
    }

    /// An empty field before it counts only if something quoted opened it.
    fn boundary(&mut self) {
        if self.open {
            self.end();
        }
        self.after_blank = false;
    }

    fn end(&mut self) {
        self.out.push(std::mem::take(&mut self.now));
        self.open = false;
        self.after_blank = false;
    }
}

/// A random number, if the name is RANDOM and nothing has been assigned to it.
pub(super) fn draw(vars: &Vars, sys: &mut Sys<'_, '_>, name: &str) -> Option<Str> {
    (name == "RANDOM" && vars.get_itself(name).is_none())
        .then(|| sys.os.random.stream().below(32_768).to_string().into())
}

/// The variables of an expansion, for arithmetic.
struct Scratch<'n, 's, 'w> {
    shell: &'n Shell,
    sys: &'n mut Sys<'s, 'w>,
    vars: &'n mut Vars,
}

impl Names for Scratch<'_, '_, '_> {
    fn look(&mut self, name: &str, key: Option<&Key>) -> Option<Str> {
        if let Some(text) = draw(self.vars, self.sys, name) {
            return Some(text);
        }
        self.shell.element(self.vars, self.sys, name, key)
    }

    fn assign(
        &mut self,
        name: &str,
        key: Option<Key>,
        value: i64,
    ) -> std::result::Result<(), ArithError> {
        let text = Str::from(value.to_string());
        let done = match key {
            None => self.vars.set(name, text),
            Some(key) => self.vars.set_element(name, key, text),
        };
        done.map_err(|e| ArithError::ReadOnly(e.0))
    }

    fn is_assoc(&self, name: &str) -> bool {
        self.vars.get(name).is_some_and(|v| matches!(v.value, super::vars::Value::Assoc(_)))
    }

    fn strict(&self) -> bool {
        self.shell.options.nounset && self.shell.dialect.is_bash()
    }
}

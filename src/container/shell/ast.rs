//! The syntax tree of shell commands.
//!
//! Nodes are shared by `Arc` and never change, so that a frame of the machine, a function and a
//! forked shell can all point into one tree.

use std::sync::{Arc, OnceLock};

use crate::base::Str;

/// A command somewhere in a script.
pub(crate) type NodeRef = Arc<Node>;

/// A command with the line on which it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: u32,
    pub(crate) kind: NodeKind,
}

/// The kinds of commands.
#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    /// Assignments, words and redirections.
    Simple(Simple),
    /// `a | b | c`.
    Pipeline(Vec<NodeRef>),
    /// `! a`.
    Not(NodeRef),
    /// `time a`; with `-p` in the POSIX form.
    Time(NodeRef, bool),
    /// `a && b`.
    And(NodeRef, NodeRef),
    /// `a || b`.
    Or(NodeRef, NodeRef),
    /// `a; b; c`.
    List(Vec<NodeRef>),
    /// `a &`.
    Background(NodeRef),
    /// `( a )`.
    Subshell(NodeRef),
    /// `{ a; }`.
    Group(NodeRef),
    /// `if a; then b; else c; fi`; `elif` is an `If` in the last place.
    If(NodeRef, NodeRef, Option<NodeRef>),
    /// `while a; do b; done`; `until` when the flag is set.
    While { cond: NodeRef, body: NodeRef, until: bool },
    /// `for x in words; do b; done`; without words over the positional parameters.
    For { name: Str, words: Option<Vec<Word>>, body: NodeRef },
    /// `for ((a; b; c)); do d; done`.
    ArithFor { init: Word, cond: Word, step: Word, body: NodeRef },
    /// `select x in words; do b; done`.
    Select { name: Str, words: Option<Vec<Word>>, body: NodeRef },
    /// `case word in pattern) b;; esac`.
    Case { word: Word, items: Vec<CaseItem> },
    /// `name() body`.
    Function { name: Str, body: NodeRef },
    /// A compound command with redirections.
    Redirected(NodeRef, Vec<Redirect>),
    /// `(( a ))`.
    Arith(Word),
    /// `[[ a ]]`.
    Cond(Cond),
    /// `coproc name a`.
    Coproc(Str, NodeRef),
}

/// A simple command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Simple {
    pub(crate) assigns: Vec<Assign>,
    pub(crate) words: Vec<Word>,
    pub(crate) redirects: Vec<Redirect>,
}

/// One assignment.
#[derive(Clone, Debug)]
pub(crate) struct Assign {
    pub(crate) name: Str,
    pub(crate) index: Option<Word>,
    /// `+=`.
    pub(crate) append: bool,
    pub(crate) value: AssignValue,
}

/// What is assigned.
#[derive(Clone, Debug)]
pub(crate) enum AssignValue {
    Word(Word),
    Array(Vec<(Option<Word>, Word)>),
}

/// One branch of a `case`.
#[derive(Clone, Debug)]
pub(crate) struct CaseItem {
    pub(crate) patterns: Vec<Word>,
    pub(crate) body: Option<NodeRef>,
    pub(crate) end: CaseEnd,
}

/// How a branch of a `case` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CaseEnd {
    /// `;;`
    Leave,
    /// `;&`
    FallThrough,
    /// `;;&`
    TestNext,
}

/// One redirection.
#[derive(Clone, Debug)]
pub(crate) struct Redirect {
    /// The descriptor before the operator.
    pub(crate) fd: Option<i32>,
    /// `{name}>`: a variable that gets the descriptor.
    pub(crate) var: Option<Str>,
    pub(crate) kind: RedirectKind,
}

/// The kinds of redirections.
#[derive(Clone, Debug)]
pub(crate) enum RedirectKind {
    /// `<`
    Read(Word),
    /// `>`
    Write(Word),
    /// `>|`
    Clobber(Word),
    /// `>>`
    Append(Word),
    /// `<>`
    Update(Word),
    /// `<&`
    DupIn(Word),
    /// `>&`
    DupOut(Word),
    /// `&>` and, when the flag is set, `&>>`.
    Both(Word, bool),
    /// `<<`: the body comes later in the text, so it is entered after the command was read.
    Here(Arc<OnceLock<Word>>, HereTag),
    /// `<<<`
    HereString(Word),
}

/// The delimiter of a here-document.
#[derive(Clone, Debug)]
pub(crate) struct HereTag {
    pub(crate) word: Str,
    pub(crate) strip_tabs: bool,
    pub(crate) quoted: bool,
}

/// A word before its expansion.
#[derive(Clone, Debug, Default)]
pub(crate) struct Word {
    pub(crate) parts: Vec<Part>,
    /// As written.
    pub(crate) raw: Str,
}

/// A part of a word.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// Unquoted text: patterns, tildes and braces in it mean something.
    Lit(Str),
    /// Quoted text.
    Quoted(Str),
    /// `"..."`: parts in it are not split; `Lit` in it is quoted text.
    Double(Vec<Part>),
    /// `$x`, `${x...}`.
    Param(Arc<Param>),
    /// `$(...)`, `` `...` ``.
    Command(Arc<CommandSub>),
    /// `$((...))`.
    Arith(Arc<Word>),
    /// `<(...)`, and `>(...)` when the flag is set.
    Process(Arc<CommandSub>, bool),
}

/// The command of a substitution.
#[derive(Clone, Debug)]
pub(crate) struct CommandSub {
    pub(crate) body: Option<NodeRef>,
    pub(crate) text: Str,
}

/// A parameter expansion.
#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub(crate) name: Str,
    pub(crate) index: Option<Index>,
    /// `${!x}`
    pub(crate) indirect: bool,
    pub(crate) op: ParamOp,
    /// As written, for messages.
    pub(crate) raw: Str,
}

/// The subscript of an array.
#[derive(Clone, Debug)]
pub(crate) enum Index {
    /// `[@]`
    At,
    /// `[*]`
    Star,
    /// Any other.
    Word(Word),
}

/// What is done with a parameter.
#[derive(Clone, Debug)]
pub(crate) enum ParamOp {
    /// Its value.
    Value,
    /// `#x`
    Length,
    /// `-`, `:-`
    Default { colon: bool, word: Word },
    /// `=`, `:=`
    Assign { colon: bool, word: Word },
    /// `?`, `:?`
    Error { colon: bool, word: Word },
    /// `+`, `:+`
    Alternative { colon: bool, word: Word },
    /// `#`, `##`
    Prefix { longest: bool, pattern: Word },
    /// `%`, `%%`
    Suffix { longest: bool, pattern: Word },
    /// `:a`, `:a:b`
    Slice { offset: Word, length: Option<Word> },
    /// `/`, `//`, `/#`, `/%`
    Replace { anchor: Anchor, pattern: Word, with: Word },
    /// `^`, `^^`, `,`, `,,`, `~`, `~~`
    Case { to: Case, all: bool, pattern: Word },
    /// `@Q` and the like.
    Transform(char),
    /// `${!x*}`, and `${!x@}` when the flag is set.
    Names { at: bool },
    /// `${!a[@]}`
    Keys,
    /// Not an expansion at all.
    Bad,
}

/// What becomes of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// A capital.
    Upper,
    /// A small one.
    Lower,
    /// The other of the two.
    Other,
}

impl Case {
    /// What an operator asks for.
    pub(crate) const fn of(operator: u8) -> Self {
        match operator {
            b'^' => Self::Upper,
            b',' => Self::Lower,
            _ => Self::Other,
        }
    }
}

/// Where a replacement takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    First,
    All,
    Start,
    End,
}

/// A conditional expression of `[[ ]]`.
#[derive(Clone, Debug)]
pub(crate) enum Cond {
    And(Box<Cond>, Box<Cond>),
    Or(Box<Cond>, Box<Cond>),
    Not(Box<Cond>),
    Unary(Str, Word),
    Binary(Word, Str, Word),
    /// A word that is not empty.
    Word(Word),
}

impl Node {
    /// A node.
    pub(crate) fn new(line: u32, kind: NodeKind) -> NodeRef {
        Arc::new(Self { line, kind })
    }
}

impl Word {
    /// A word of literal text.
    pub(crate) fn literal(text: &str) -> Self {
        Self { parts: vec![Part::Lit(text.into())], raw: text.into() }
    }

    /// The text of a word that is one unquoted literal.
    pub(crate) fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Lit(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether any part of it is quoted.
    pub(crate) fn has_quotes(&self) -> bool {
        self.parts.iter().any(|p| matches!(p, Part::Quoted(_) | Part::Double(_)))
    }
}

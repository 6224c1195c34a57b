//! What an awk program consists of.

use crate::base::Str;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Number(f64),
    Text(Str),
    /// An expression in slashes; as a value it is matched against the record.
    Regex(Str),
    Var(Str),
    Field(Box<Self>),
    Elem(Str, Vec<Self>),
    Assign(Box<Self>, Option<char>, Box<Self>),
    /// `++` and `--`: by how much, and whether the old value is the result.
    Step(Box<Self>, f64, bool),
    Cond(Box<Self>, Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Negate(Box<Self>),
    Plus(Box<Self>),
    Binary(char, Box<Self>, Box<Self>),
    Compare(Compare, Box<Self>, Box<Self>),
    /// Whether it is negated.
    Match(bool, Box<Self>, Box<Self>),
    Concat(Box<Self>, Box<Self>),
    In(Vec<Self>, Str),
    Call(Str, Vec<Self>),
    Builtin(&'static str, Vec<Self>),
    Getline(Source, Option<Box<Self>>),
    /// Parentheses around one expression, or several for `print` and `in`.
    Group(Vec<Self>),
}

/// Where `getline` reads.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    Main,
    File(Box<Expr>),
    Command(Box<Expr>),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Lt,
    Le,
    Eq,
    Ne,
    Gt,
    Ge,
}

/// Where `print` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    None,
    File,
    Append,
    Command,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stmt {
    Expr(Expr),
    Print(Vec<Expr>, Redirect, Option<Expr>),
    Printf(Vec<Expr>, Redirect, Option<Expr>),
    If(Expr, Box<Self>, Option<Box<Self>>),
    While(Expr, Box<Self>),
    Do(Box<Self>, Expr),
    For(Option<Box<Self>>, Option<Expr>, Option<Box<Self>>, Box<Self>),
    ForIn(Expr, Str, Box<Self>),
    Block(Vec<Self>),
    Break,
    Continue,
    Next,
    NextFile,
    Exit(Option<Expr>),
    Return(Option<Expr>),
    Delete(Str, Option<Vec<Expr>>),
}

/// What a rule waits for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    Always,
    When(Expr),
    Range(Expr, Expr),
}

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Function {
    pub(super) name: Str,
    pub(super) params: Vec<Str>,
    pub(super) body: Vec<Stmt>,
}

/// A whole program.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Program {
    pub(super) begin: Vec<Stmt>,
    pub(super) rules: Vec<(Pattern, Option<Vec<Stmt>>)>,
    pub(super) end: Vec<Stmt>,
    /// Whether there is any `END`.
    pub(super) has_end: bool,
    pub(super) functions: Vec<Function>,
}

//! From words to what they mean.

use super::MAX_DEPTH;
use super::functions;
use super::lex::{Piece, Token, Wrong, pieces};

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Print(Pipe),
    If(Pipe, Vec<Self>, Vec<Self>),
    With(Pipe, Vec<Self>, Vec<Self>),
    Range(Pipe, Vec<Self>, Vec<Self>),
    Break,
    Continue,
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pipe {
    /// Variables that take the value, and whether they are new.
    pub(super) variables: Vec<String>,
    pub(super) declares: bool,
    pub(super) commands: Vec<Vec<Operand>>,
}

/// A value in a command, and the fields of it that are meant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub(super) base: Base,
    pub(super) fields: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Base {
    Dot,
    Variable(String),
    Function(String),
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Nil,
    Pipe(Box<Pipe>),
}

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Wrong> {
    let pieces = pieces(text)?;
    let mut parser =
        Parser { pieces: pieces.into_iter(), line: 1, variables: Vec::new(), ranges: 0 };
    match parser.list(0)? {
        (nodes, None) => Ok(nodes),
        (_, Some(end)) => Err(parser.wrong(format!("unexpected {{{{{}}}}}", end.name()))),
    }
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    line: usize,
    variables: Vec<String>,
    /// How many ranges are open.
    ranges: usize,
}

/// What ends a list of nodes.
enum End {
    End,
    /// `else`, and what stands behind it: `if`, `with`.
    Else(Vec<Token>),
}

impl End {
    fn name(&self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Else(_) => "else",
        }
    }
}

type List = (Vec<Node>, Option<End>);

impl Parser {
    fn wrong(&self, what: impl Into<String>) -> Wrong {
        (self.line, what.into())
    }

    fn list(&mut self, depth: usize) -> Result<List, Wrong> {
        if depth > MAX_DEPTH {
            return Err(self.wrong(format!("actions nest deeper than {MAX_DEPTH}")));
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let tokens = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(line, tokens) => {
                    self.line = line;
                    trimmed(tokens)
                }
            };
            match self.action(tokens, depth)? {
                Ok(node) => nodes.push(node),
                Err(end) => return Ok((nodes, Some(end))),
            }
        }
        Ok((nodes, None))
    }

    fn action(&mut self, tokens: Vec<Token>, depth: usize) -> Result<Result<Node, End>, Wrong> {
        let word = match tokens.first() {
            Some(Token::Word(word)) => word.clone(),
            _ => String::new(),
        };
        let rest = || trimmed(tokens[1..].to_vec());
        Ok(Ok(match word.as_str() {
            "end" => return Ok(Err(End::End)),
            "else" => return Ok(Err(End::Else(rest()))),
            "if" | "with" | "range" => self.control(&word, rest(), depth)?,
            "break" | "continue" if self.ranges == 0 => {
                return Err(self.wrong(format!("{{{{{word}}}}} outside {{{{range}}}}")));
            }
            "break" => Node::Break,
            "continue" => Node::Continue,
            "define" | "template" | "block" => {
                return Err(self.wrong(format!("{{{{{word}}}}} is not modelled")));
            }
            _ => Node::Print(self.pipe(tokens, false, depth)?),
        }))
    }

    fn control(&mut self, word: &str, tokens: Vec<Token>, depth: usize) -> Result<Node, Wrong> {
        let known = self.variables.len();
        let pipe = self.pipe(tokens, word == "range", depth)?;
        self.ranges += usize::from(word == "range");
        let (body, end) = self.list(depth + 1)?;
        self.ranges -= usize::from(word == "range");
        let otherwise = match end {
            None => return Err(self.wrong("unexpected EOF")),
            Some(End::End) => Vec::new(),
            Some(End::Else(again)) => self.otherwise(word, again, depth)?,
        };
        self.variables.truncate(known);
        Ok(match word {
            "if" => Node::If(pipe, body, otherwise),
            "with" => Node::With(pipe, body, otherwise),
            _ => Node::Range(pipe, body, otherwise),
        })
    }

    /// What follows `else`: a list, or another `if` or `with` that shares the `end`.
    fn otherwise(
        &mut self,
        word: &str,
        again: Vec<Token>,
        depth: usize,
    ) -> Result<Vec<Node>, Wrong> {
        match again.first() {
            None => match self.list(depth + 1)? {
                (nodes, Some(End::End)) => Ok(nodes),
                (_, Some(End::Else(_))) => Err(self.wrong("expected end; found {{else}}")),
                (_, None) => Err(self.wrong("unexpected EOF")),
            },
            Some(Token::Word(next)) if next == word && word != "range" => {
                let rest = trimmed(again[1..].to_vec());
                if depth + 1 > MAX_DEPTH {
                    return Err(self.wrong(format!("actions nest deeper than {MAX_DEPTH}")));
                }
                Ok(vec![self.control(word, rest, depth + 1)?])
            }
            Some(_) => Err(self.wrong("unexpected words after else")),
        }
    }

    fn pipe(&mut self, tokens: Vec<Token>, range: bool, depth: usize) -> Result<Pipe, Wrong> {
        if depth > MAX_DEPTH {
            return Err(self.wrong(format!("parentheses nest deeper than {MAX_DEPTH}")));
        }
        let mut pipe = Pipe { variables: Vec::new(), declares: false, commands: Vec::new() };
        let split = tokens.iter().position(|t| matches!(t, Token::Declare | Token::Assign));
        let mut tokens = tokens;
        if let Some(at) = split {
            pipe.declares = tokens[at] == Token::Declare;
            let right = tokens.split_off(at + 1);
            for token in &tokens[..at] {
                match token {
                    Token::Variable(name) => pipe.variables.push(name.clone()),
                    Token::Space => {}
                    Token::Comma if range => {}
                    _ => return Err(self.wrong("unexpected words before an assignment")),
                }
            }
            if pipe.variables.is_empty() || pipe.variables.len() > 1 + usize::from(range) {
                return Err(self.wrong("too many declarations in command"));
            }
            tokens = right;
        }
        let mut tokens = tokens.into_iter().peekable();
        pipe.commands = self.commands(&mut tokens, depth)?;
        if let Some(more) = tokens.next() {
            return Err(self.wrong(format!("unexpected {more:?} in command")));
        }
        if pipe.declares {
            self.variables.extend(pipe.variables.iter().cloned());
        } else if let Some(unknown) = pipe.variables.iter().find(|v| !self.variables.contains(v)) {
            return Err(self.wrong(format!("undefined variable \"${unknown}\"")));
        }
        Ok(pipe)
    }

    fn commands(&mut self, tokens: &mut Tokens, depth: usize) -> Result<Vec<Vec<Operand>>, Wrong> {
        let mut commands = vec![Vec::new()];
        loop {
            match tokens.peek() {
                None | Some(Token::Close) => break,
                Some(Token::Space) => drop(tokens.next()),
                Some(Token::Pipe) => {
                    tokens.next();
                    commands.push(Vec::new());
                }
                Some(_) => {
                    let operand = self.operand(tokens, depth)?;
                    if let Some(command) = commands.last_mut() {
                        command.push(operand);
                    }
                }
            }
        }
        if commands.iter().any(Vec::is_empty) {
            return Err(self.wrong("missing value for command"));
        }
        Ok(commands)
    }

    fn operand(&mut self, tokens: &mut Tokens, depth: usize) -> Result<Operand, Wrong> {
        let mut fields = Vec::new();
        let base = match tokens.next() {
            Some(Token::Dot) => Base::Dot,
            Some(Token::Field(name)) => {
                fields.push(name);
                Base::Dot
            }
            Some(Token::Variable(name)) => {
                if !name.is_empty() && !self.variables.contains(&name) {
                    return Err(self.wrong(format!("undefined variable \"${name}\"")));
                }
                Base::Variable(name)
            }
            Some(Token::Text(text)) => Base::Text(text),
            Some(Token::Int(number)) => Base::Int(number),
            Some(Token::Float(number)) => Base::Float(number),
            Some(Token::Word(word)) => match word.as_str() {
                "true" | "false" => Base::Bool(word == "true"),
                "nil" => Base::Nil,
                name if functions::known(name) => Base::Function(word),
                name => return Err(self.wrong(format!("function {name:?} not defined"))),
            },
            Some(Token::Open) => {
                if depth > MAX_DEPTH {
                    return Err(self.wrong(format!("parentheses nest deeper than {MAX_DEPTH}")));
                }
                let commands = self.commands(tokens, depth + 1)?;
                if tokens.next() != Some(Token::Close) {
                    return Err(self.wrong("unclosed left paren"));
                }
                Base::Pipe(Box::new(Pipe { variables: Vec::new(), declares: false, commands }))
            }
            other => return Err(self.wrong(format!("unexpected {other:?} in operand"))),
        };
        while let Some(Token::Field(_)) = tokens.peek() {
            if let Some(Token::Field(name)) = tokens.next() {
                fields.push(name);
            }
        }
        Ok(Operand { base, fields })
    }
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<Token>>;

fn trimmed(mut tokens: Vec<Token>) -> Vec<Token> {
    while tokens.last() == Some(&Token::Space) {
        tokens.pop();
    }
    let first = tokens.iter().position(|t| *t != Token::Space).unwrap_or(tokens.len());
    tokens.split_off(first)
}

//! Tokens into a tree, by precedence.

use serde_json::Value;

use super::MAX_DEPTH;
use super::lexer::Token;

/// A part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// `@`
    Current,
    /// `$`
    Root,
    /// `$name`
    Variable(String),
    /// A value as it is written.
    Literal(Value),
    /// `name`
    Field(String),
    /// `[1]`
    Index(i64),
    /// `[1:2:3]`
    Slice([Option<i64>; 3]),
    /// `a.b`, `a | b`
    Then(Box<Self>, Box<Self>),
    /// `a[*].b`: of each item what follows comes to; what comes to nothing is left out.
    Each(Box<Self>, Box<Self>),
    /// `a.*.b`: likewise of the values of an object.
    EachValue(Box<Self>, Box<Self>),
    /// `a[].b`: likewise, after lists in the list have been joined.
    Flat(Box<Self>, Box<Self>),
    /// `a[?b].c`
    Filter(Box<Self>, Box<Self>, Box<Self>),
    /// `[a, b]`
    List(Vec<Self>),
    /// `{a: b}`
    Object(Vec<(String, Self)>),
    /// `name(a, b)`
    Call(String, Vec<Self>),
    /// `&a`
    Reference(Box<Self>),
    /// `!a`
    Not(Box<Self>),
    /// `-a`, `+a`
    Sign(bool, Box<Self>),
    /// `a && b`
    And(Box<Self>, Box<Self>),
    /// `a || b`
    Or(Box<Self>, Box<Self>),
    /// `a == b`, `a < b`
    Compare(&'static str, Box<Self>, Box<Self>),
    /// `a + b`
    Arithmetic(&'static str, Box<Self>, Box<Self>),
}

impl Node {
    /// Hands out this part and all below it. Expressions are bounded in depth.
    pub(super) fn each<'n>(&'n self, see: &mut dyn FnMut(&'n Self)) {
        see(self);
        match self {
            Self::Then(a, b)
            | Self::Each(a, b)
            | Self::EachValue(a, b)
            | Self::Flat(a, b)
            | Self::And(a, b)
            | Self::Or(a, b)
            | Self::Compare(_, a, b)
            | Self::Arithmetic(_, a, b) => {
                a.each(see);
                b.each(see);
            }
            Self::Filter(a, b, c) => [a, b, c].into_iter().for_each(|n| n.each(see)),
            Self::List(all) | Self::Call(_, all) => all.iter().for_each(|n| n.each(see)),
            Self::Object(all) => all.iter().for_each(|(_, n)| n.each(see)),
            Self::Reference(a) | Self::Not(a) | Self::Sign(_, a) => a.each(see),
            Self::Current
            | Self::Root
            | Self::Variable(_)
            | Self::Literal(_)
            | Self::Field(_)
            | Self::Index(_)
            | Self::Slice(_) => {}
        }
    }
}

/// The tree of an expression.
pub(super) fn parse(tokens: &[Token]) -> Result<Node, String> {
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let node = parser.expression(0)?;
    match parser.peek() {
        None => Ok(node),
        Some(token) => Err(format!("{} is out of place", told(Some(token)))),
    }
}

/// How strongly signs bind what stands before them.
fn binding(sign: &str) -> u8 {
    match sign {
        "|" => 1,
        "||" => 2,
        "&&" => 3,
        "==" | "!=" | "<" | "<=" | ">" | ">=" => 5,
        "+" | "-" | "−" => 6,
        "*" | "/" | "//" | "%" | "÷" => 7,
        "[]" => 9,
        "[?" => 21,
        "." => 40,
        "[" => 55,
        _ => 0,
    }
}

/// What a projection goes on with binds at least so strongly.
const PROJECTED: u8 = 10;

fn told(token: Option<&Token>) -> String {
    match token {
        None => "the end".to_owned(),
        Some(Token::Name(name)) => format!("{name:?}"),
        Some(Token::Variable(name)) => format!("${name}"),
        Some(Token::Root) => "$".to_owned(),
        Some(Token::Number(n)) => n.to_string(),
        Some(Token::Literal(value)) => value.to_string(),
        Some(Token::Sign(sign)) => format!("'{sign}'"),
    }
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
}

fn boxed(node: Node) -> Box<Node> {
    Box::new(node)
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn sees(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(s)) if *s == sign)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is = self.sees(sign);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(format!("'{sign}' is missing before {}", told(self.peek())))
    }

    fn expression(&mut self, least: u8) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("it nests more than {MAX_DEPTH} levels"));
        }
        let mut node = self.first()?;
        while let Some(Token::Sign(sign)) = self.peek() {
            let sign = *sign;
            if binding(sign) <= least {
                break;
            }
            self.at += 1;
            node = self.after(node, sign)?;
        }
        self.depth -= 1;
        Ok(node)
    }

    /// What can begin an expression.
    fn first(&mut self) -> Result<Node, String> {
        let token = self.next();
        Ok(match &token {
            Some(Token::Literal(value)) => Node::Literal(value.clone()),
            Some(Token::Number(n)) => Node::Literal((*n).into()),
            Some(Token::Variable(name)) => Node::Variable(name.clone()),
            Some(Token::Root) => Node::Root,
            Some(Token::Name(name)) => {
                if self.takes("(") {
                    self.call(name.clone())?
                } else {
                    Node::Field(name.clone())
                }
            }
            Some(Token::Sign(sign)) => match *sign {
                "@" => Node::Current,
                "*" => Node::EachValue(boxed(Node::Current), boxed(self.projected()?)),
                "!" => Node::Not(boxed(self.expression(45)?)),
                "&" => Node::Reference(boxed(self.expression(0)?)),
                "-" | "−" => Node::Sign(false, boxed(self.expression(8)?)),
                "+" => Node::Sign(true, boxed(self.expression(8)?)),
                "(" => {
                    let inner = self.expression(0)?;
                    self.expect(")")?;
                    inner
                }
                "{" => self.object()?,
                "[]" => Node::Flat(boxed(Node::Current), boxed(self.projected()?)),
                "[?" => self.filter(Node::Current)?,
                "[" => self.bracket(Node::Current, true)?,
                _ => return Err(format!("{} is out of place", told(token.as_ref()))),
            },
            None => return Err("it ends too early".to_owned()),
        })
    }

    /// What can go on after a part.
    fn after(&mut self, left: Node, sign: &'static str) -> Result<Node, String> {
        let power = binding(sign);
        Ok(match sign {
            "." if self.takes("*") => Node::EachValue(boxed(left), boxed(self.projected()?)),
            "." => Node::Then(boxed(left), boxed(self.member()?)),
            "|" => Node::Then(boxed(left), boxed(self.expression(power)?)),
            "||" => Node::Or(boxed(left), boxed(self.expression(power)?)),
            "&&" => Node::And(boxed(left), boxed(self.expression(power)?)),
            "==" | "!=" | "<" | "<=" | ">" | ">=" => {
                Node::Compare(sign, boxed(left), boxed(self.expression(power)?))
            }
            "+" | "-" | "−" | "*" | "/" | "÷" | "//" | "%" => {
                let sign = match sign {
                    "−" => "-",
                    "÷" => "/",
                    sign => sign,
                };
                Node::Arithmetic(sign, boxed(left), boxed(self.expression(power)?))
            }
            "[]" => Node::Flat(boxed(left), boxed(self.projected()?)),
            "[?" => self.filter(left)?,
            "[" => self.bracket(left, false)?,
            other => return Err(format!("'{other}' is out of place")),
        })
    }

    /// What may stand behind a point.
    fn member(&mut self) -> Result<Node, String> {
        match self.next() {
            Some(Token::Name(name)) if self.takes("(") => self.call(name),
            Some(Token::Name(name)) => Ok(Node::Field(name)),
            Some(Token::Sign("{")) => self.object(),
            Some(Token::Sign("[")) => self.list(),
            other => Err(format!("{} cannot stand behind a point", told(other.as_ref()))),
        }
    }

    /// What follows a projection and is meant of each of its items.
    fn projected(&mut self) -> Result<Node, String> {
        let mut node = Node::Current;
        while let Some(Token::Sign(sign)) = self.peek() {
            let sign = *sign;
            if binding(sign) < PROJECTED {
                break;
            }
            self.at += 1;
            node = self.after(node, sign)?;
        }
        Ok(node)
    }

    fn filter(&mut self, left: Node) -> Result<Node, String> {
        let condition = self.expression(0)?;
        self.expect("]")?;
        Ok(Node::Filter(boxed(left), boxed(condition), boxed(self.projected()?)))
    }

    /// What stands in brackets, after the first of them.
    fn bracket(&mut self, left: Node, begins: bool) -> Result<Node, String> {
        if let [Some(Token::Sign("*")), Some(Token::Sign("]"))] =
            [self.peek(), self.tokens.get(self.at + 1)]
        {
            self.at += 2;
            return Ok(Node::Each(boxed(left), boxed(self.projected()?)));
        }
        let is_index = matches!(self.peek(), Some(Token::Number(_) | Token::Sign(":")));
        if !is_index && begins {
            return self.list();
        }
        if !is_index {
            return Err(format!("{} is no index", told(self.peek())));
        }
        let mut parts = [None; 3];
        let mut n = 0;
        loop {
            if let Some(Token::Number(number)) = self.peek() {
                parts[n] = Some(*number);
                self.at += 1;
            }
            if self.takes("]") {
                break;
            }
            self.expect(":")?;
            n += 1;
            if n > 2 {
                return Err("a slice has at most three parts".to_owned());
            }
        }
        if n == 0 {
            let index = Node::Index(parts[0].unwrap_or(0));
            return Ok(Node::Then(boxed(left), boxed(index)));
        }
        if parts[2] == Some(0) {
            return Err("a slice steps by at least 1".to_owned());
        }
        let sliced = Node::Then(boxed(left), boxed(Node::Slice(parts)));
        Ok(Node::Each(boxed(sliced), boxed(self.projected()?)))
    }

    fn list(&mut self) -> Result<Node, String> {
        let mut items = Vec::new();
        loop {
            items.push(self.expression(0)?);
            if self.takes("]") {
                return Ok(Node::List(items));
            }
            self.expect(",")?;
        }
    }

    fn object(&mut self) -> Result<Node, String> {
        let mut fields = Vec::new();
        loop {
            let key = match self.next() {
                Some(Token::Name(name)) => name,
                other => return Err(format!("{} is no key", told(other.as_ref()))),
            };
            self.expect(":")?;
            fields.push((key, self.expression(0)?));
            if self.takes("}") {
                return Ok(Node::Object(fields));
            }
            self.expect(",")?;
        }
    }

    fn call(&mut self, name: String) -> Result<Node, String> {
        let mut arguments = Vec::new();
        while !self.takes(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(self.expression(0)?);
        }
        Ok(Node::Call(name, arguments))
    }
}

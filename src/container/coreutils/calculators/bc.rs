//! `bc`: expressions, assignments, conditions and loops over numbers of any length.
//!
//! A program is read statement by statement into a small tree, which is then evaluated. Left out: functions of one's
//! own, arrays, and the functions of `-l` but for `sqrt`, `length` and `scale`.

use std::collections::BTreeMap;

use super::number::{Fault, MAX_SCALE, Number};

/// Steps of one program.
const MAX_STEPS: usize = 1_000_000;
/// Nesting of expressions and statements.
const MAX_DEPTH: usize = 100;
/// Characters of a line of output; longer numbers go on after a backslash.
const LINE: usize = 69;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(String),
    Name(String),
    Text(String),
    Sign(&'static str),
    End,
}

/// Signs, longest first.
const SIGNS: [&str; 34] = [
    "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "==", "!=", "<=", ">=", "&&", "||", "+", "-",
    "*", "/", "%", "^", "=", "<", ">", "!", "(", ")", "{", "}", "[", "]", ",", ";", "\n", ".",
];

#[derive(Clone, Debug)]
enum Expr {
    Number(String),
    Name(String),
    Call(String, Box<Expr>),
    Assign(String, &'static str, Box<Expr>),
    /// `++` and `--`: by how much, and whether the value is that from before.
    Step(String, i64, bool),
    Negated(Box<Expr>),
    Not(Box<Expr>),
    Two(&'static str, Box<Expr>, Box<Expr>),
}

#[derive(Clone, Debug)]
enum Statement {
    Value(Expr),
    Text(String),
    Print(Vec<Result<Expr, String>>),
    If(Expr, Box<Statement>, Option<Box<Statement>>),
    For(Option<Expr>, Option<Expr>, Option<Expr>, Box<Statement>),
    Block(Vec<Statement>),
    Break,
    Continue,
    Quit,
}

/// A calculator.
#[derive(Debug)]
pub(super) struct Bc {
    names: BTreeMap<String, Number>,
    scale: usize,
    input: u32,
    output: u32,
    last: Number,
    steps: usize,
    /// What it printed.
    pub(super) out: String,
}

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
    Quit,
}

/// Why a program stopped, in words.
type Outcome<T> = Result<T, String>;

impl Bc {
    pub(super) fn new(library: bool) -> Self {
        Self {
            names: BTreeMap::new(),
            scale: if library { 20 } else { 0 },
            input: 10,
            output: 10,
            last: Number::whole(0),
            steps: 0,
            out: String::new(),
        }
    }

    /// Runs a text; true when it said `quit`.
    pub(super) fn run(&mut self, text: &str) -> Outcome<bool> {
        let mut reader = Reader { tokens: tokens(text)?, at: 0, depth: 0 };
        while *reader.peek() != Token::End {
            if reader.take("\n") || reader.take(";") {
                continue;
            }
            let statement = reader.statement()?;
            match self.perform(&statement)? {
                Flow::Quit => return Ok(true),
                Flow::On | Flow::Break | Flow::Continue => {}
            }
        }
        Ok(false)
    }

    fn step(&mut self) -> Outcome<()> {
        self.work(1)
    }

    /// Counts work; long numbers are more of it.
    fn work(&mut self, steps: usize) -> Outcome<()> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS { Err("more than 1000000 steps".to_owned()) } else { Ok(()) }
    }

    fn perform(&mut self, statement: &Statement) -> Outcome<Flow> {
        self.step()?;
        match statement {
            Statement::Value(expr) => {
                let value = self.value(expr)?;
                if !matches!(expr, Expr::Assign(..)) {
                    let text = self.shown(&value)?;
                    self.out.push_str(&text);
                    self.out.push('\n');
                    self.last = value;
                }
            }
            Statement::Text(text) => self.out.push_str(text),
            Statement::Print(items) => {
                for item in items {
                    match item {
                        Ok(expr) => {
                            let value = self.value(expr)?;
                            let text = self.shown(&value)?;
                            self.out.push_str(&text);
                            self.last = value;
                        }
                        Err(text) => self.out.push_str(&escaped(text)),
                    }
                }
            }
            Statement::If(condition, then, other) => {
                if !self.value(condition)?.is_zero() {
                    return self.perform(then);
                }
                if let Some(other) = other {
                    return self.perform(other);
                }
            }
            Statement::For(first, condition, next, body) => {
                if let Some(first) = first {
                    self.value(first)?;
                }
                loop {
                    self.step()?;
                    if let Some(condition) = condition
                        && self.value(condition)?.is_zero()
                    {
                        break;
                    }
                    match self.perform(body)? {
                        Flow::On | Flow::Continue => {}
                        Flow::Break => break,
                        Flow::Quit => return Ok(Flow::Quit),
                    }
                    if let Some(next) = next {
                        self.value(next)?;
                    }
                }
            }
            Statement::Block(all) => {
                for one in all {
                    match self.perform(one)? {
                        Flow::On => {}
                        other => return Ok(other),
                    }
                }
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Quit => return Ok(Flow::Quit),
        }
        Ok(Flow::On)
    }

    fn look(&self, name: &str) -> Number {
        let small = |n: usize| Number::whole(i64::try_from(n).unwrap_or(0));
        match name {
            "scale" => small(self.scale),
            "ibase" => Number::whole(i64::from(self.input)),
            "obase" => Number::whole(i64::from(self.output)),
            "last" => self.last.clone(),
            _ => self.names.get(name).cloned().unwrap_or_else(|| Number::whole(0)),
        }
    }

    fn assign(&mut self, name: &str, value: &Number) -> Outcome<()> {
        let within = |least: i64, most: i64| {
            value
                .small()
                .filter(|n| (least..=most).contains(n))
                .ok_or_else(|| format!("bad {name}; must be [{least}, {most}]"))
        };
        match name {
            "scale" => {
                let scale = within(0, i64::try_from(MAX_SCALE).unwrap_or(0))?;
                self.scale = usize::try_from(scale).unwrap_or(0);
            }
            "ibase" => self.input = u32::try_from(within(2, 16)?).unwrap_or(10),
            "obase" => self.output = u32::try_from(within(2, 256)?).unwrap_or(10),
            _ => drop(self.names.insert(name.to_owned(), value.clone())),
        }
        Ok(())
    }

    /// A number as it is printed.
    fn shown(&mut self, value: &Number) -> Outcome<String> {
        let words = value.words();
        self.work(words.saturating_mul(words) / 64)?;
        Ok(folded(&value.shown(self.output)))
    }

    fn value(&mut self, expr: &Expr) -> Outcome<Number> {
        self.step()?;
        match expr {
            Expr::Number(text) => Number::read(text, self.input).map_err(str::to_owned),
            Expr::Name(name) => Ok(self.look(name)),
            Expr::Negated(inner) => Ok(self.value(inner)?.negated()),
            Expr::Not(inner) => Ok(Number::whole(i64::from(self.value(inner)?.is_zero()))),
            Expr::Step(name, by, before) => {
                let old = self.look(name);
                let new = old.plus(&Number::whole(*by)).map_err(str::to_owned)?;
                self.assign(name, &new)?;
                Ok(if *before { old } else { new })
            }
            Expr::Assign(name, sign, right) => {
                let right = self.value(right)?;
                let value = match sign.strip_suffix('=').filter(|s| !s.is_empty()) {
                    Some(op) => {
                        let old = self.look(name);
                        self.combine(op, &old, &right)?
                    }
                    None => right,
                };
                self.assign(name, &value)?;
                Ok(value)
            }
            Expr::Two(sign, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.combine(sign, &left, &right)
            }
            Expr::Call(name, argument) => {
                let argument = self.value(argument)?;
                let small = |n: usize| Ok(Number::whole(i64::try_from(n).unwrap_or(0)));
                match name.as_str() {
                    "sqrt" => {
                        let words = argument.words() + self.scale / 8;
                        self.work(words.saturating_mul(words) / 16)?;
                        argument.root(self.scale).map_err(str::to_owned)
                    }
                    "scale" => small(argument.scale),
                    "length" => {
                        let digits = argument.digits.magnitude().to_string().len();
                        small(digits.max(argument.scale))
                    }
                    _ => Err(format!("undefined function: {name}()")),
                }
            }
        }
    }

    fn combine(&mut self, sign: &str, a: &Number, b: &Number) -> Outcome<Number> {
        let words = a.words() + b.words() + self.scale / 16;
        self.work(words.saturating_mul(words) / 64)?;
        let truth = |is: bool| Ok::<_, Fault>(Number::whole(i64::from(is)));
        let order = a.compare(b);
        match sign {
            "+" => a.plus(b),
            "-" => a.minus(b),
            "*" => a.times(b, self.scale),
            "/" => a.over(b, self.scale),
            "%" => a.modulo(b, self.scale),
            "^" => a.power(b, self.scale),
            "<" => truth(order.is_lt()),
            "<=" => truth(order.is_le()),
            ">" => truth(order.is_gt()),
            ">=" => truth(order.is_ge()),
            "==" => truth(order.is_eq()),
            "!=" => truth(order.is_ne()),
            "&&" => truth(!a.is_zero() && !b.is_zero()),
            _ => truth(!a.is_zero() || !b.is_zero()),
        }
        .map_err(str::to_owned)
    }
}

/// A number broken into lines as `bc` prints it.
fn folded(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for c in text.chars() {
        if column == LINE - 1 && text.len() > LINE {
            out.push_str("\\\n");
            column = 0;
        }
        out.push(c);
        column += 1;
    }
    out
}

/// What `print` makes of a text.
fn escaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t").replace("\\q", "\"").replace("\\\\", "\\")
}

fn tokens(text: &str) -> Outcome<Vec<Token>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if matches!(c, ' ' | '\t' | '\r') {
            rest = &rest[1..];
        } else if let Some(after) = rest.strip_prefix("\\\n") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("/*") {
            rest = after.find("*/").map_or("", |end| &after[end + 2..]);
        } else if c == '#' {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if let Some(after) = rest.strip_prefix('"') {
            let end = after.find('"').ok_or("string end could not be found")?;
            out.push(Token::Text(after[..end].to_owned()));
            rest = &after[end + 1..];
        } else if c.is_ascii_digit()
            || ('A'..='F').contains(&c)
            || c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())
        {
            let len = rest
                .find(|c: char| !(c.is_ascii_digit() || ('A'..='F').contains(&c) || c == '.'))
                .unwrap_or(rest.len());
            out.push(Token::Number(rest[..len].to_owned()));
            rest = &rest[len..];
        } else if c.is_ascii_lowercase() {
            let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let len = rest.find(|c: char| !name(c)).unwrap_or(rest.len());
            out.push(Token::Name(rest[..len].to_owned()));
            rest = &rest[len..];
        } else if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            out.push(if *sign == "." { Token::Name("last".to_owned()) } else { Token::Sign(sign) });
            rest = &rest[sign.len()..];
        } else {
            return Err(format!("bad character '{c}'"));
        }
    }
    out.push(Token::End);
    Ok(out)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// Binary signs by rising precedence.
const LEVELS: [&[&str]; 5] =
    [&["||"], &["&&"], &["==", "!=", "<=", ">=", "<", ">"], &["+", "-"], &["*", "/", "%"]];

impl Reader {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn take(&mut self, sign: &str) -> bool {
        let here = matches!(self.peek(), Token::Sign(s) if *s == sign);
        self.at += usize::from(here);
        here
    }

    fn expect(&mut self, sign: &str) -> Outcome<()> {
        if self.take(sign) { Ok(()) } else { Err("bad expression".to_owned()) }
    }

    fn word(&mut self, word: &str) -> bool {
        let here = matches!(self.peek(), Token::Name(n) if n == word);
        self.at += usize::from(here);
        here
    }

    fn lines(&mut self) {
        while self.take("\n") {}
    }

    fn deeper(&mut self) -> Outcome<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err("nested more than 100 deep".to_owned()) } else { Ok(()) }
    }

    fn statement(&mut self) -> Outcome<Statement> {
        self.deeper()?;
        let statement = self.statement_inner();
        self.depth -= 1;
        statement
    }

    fn statement_inner(&mut self) -> Outcome<Statement> {
        if self.take("{") {
            let mut all = Vec::new();
            while !self.take("}") {
                if *self.peek() == Token::End {
                    return Err("block end could not be found".to_owned());
                }
                if !self.take("\n") && !self.take(";") {
                    all.push(self.statement()?);
                }
            }
            return Ok(Statement::Block(all));
        }
        if let Token::Text(text) = self.peek() {
            let text = text.clone();
            self.at += 1;
            return Ok(Statement::Text(text));
        }
        for (word, statement) in [
            ("quit", Statement::Quit),
            ("halt", Statement::Quit),
            ("break", Statement::Break),
            ("continue", Statement::Continue),
        ] {
            if self.word(word) {
                return Ok(statement);
            }
        }
        if self.word("define") {
            return Err("functions of one's own are not modelled".to_owned());
        }
        if self.word("print") {
            return self.print();
        }
        if self.word("if") {
            let condition = self.in_parens()?;
            self.lines();
            let then = Box::new(self.statement()?);
            let before = self.at;
            while self.take("\n") || self.take(";") {}
            if !self.word("else") {
                self.at = before;
                return Ok(Statement::If(condition, then, None));
            }
            self.lines();
            return Ok(Statement::If(condition, then, Some(Box::new(self.statement()?))));
        }
        if self.word("while") {
            let condition = self.in_parens()?;
            self.lines();
            return Ok(Statement::For(None, Some(condition), None, Box::new(self.statement()?)));
        }
        if self.word("for") {
            self.expect("(")?;
            let first = self.until(";")?;
            let condition = self.until(";")?;
            let next = self.until(")")?;
            self.lines();
            return Ok(Statement::For(first, condition, next, Box::new(self.statement()?)));
        }
        Ok(Statement::Value(self.expression()?))
    }

    fn print(&mut self) -> Outcome<Statement> {
        let mut items = Vec::new();
        loop {
            items.push(match self.peek().clone() {
                Token::Text(text) => {
                    self.at += 1;
                    Err(text)
                }
                _ => Ok(self.expression()?),
            });
            if !self.take(",") {
                return Ok(Statement::Print(items));
            }
        }
    }

    fn in_parens(&mut self) -> Outcome<Expr> {
        self.expect("(")?;
        let inner = self.expression()?;
        self.expect(")")?;
        Ok(inner)
    }

    fn until(&mut self, sign: &str) -> Outcome<Option<Expr>> {
        if self.take(sign) {
            return Ok(None);
        }
        let expr = self.expression()?;
        self.expect(sign)?;
        Ok(Some(expr))
    }

    fn expression(&mut self) -> Outcome<Expr> {
        if let (Token::Name(name), Some(Token::Sign(sign))) =
            (self.peek().clone(), self.tokens.get(self.at + 1))
            && matches!(*sign, "=" | "+=" | "-=" | "*=" | "/=" | "%=" | "^=")
        {
            let sign = *sign;
            self.at += 2;
            self.deeper()?;
            let right = self.expression();
            self.depth -= 1;
            return Ok(Expr::Assign(name, sign, Box::new(right?)));
        }
        self.binary(0)
    }

    fn binary(&mut self, level: usize) -> Outcome<Expr> {
        let Some(signs) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Token::Sign(sign) = *self.peek() {
            if !signs.contains(&sign) {
                break;
            }
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = Expr::Two(sign, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Outcome<Expr> {
        self.deeper()?;
        let expr = if self.take("!") {
            self.unary().map(|e| Expr::Not(Box::new(e)))
        } else {
            self.power()
        };
        self.depth -= 1;
        expr
    }

    fn power(&mut self) -> Outcome<Expr> {
        let base = self.signed()?;
        if self.take("^") {
            let exponent = self.unary()?;
            return Ok(Expr::Two("^", Box::new(base), Box::new(exponent)));
        }
        Ok(base)
    }

    /// A minus binds tighter than a power here.
    fn signed(&mut self) -> Outcome<Expr> {
        if !self.take("-") {
            return self.primary();
        }
        self.deeper()?;
        let inner = self.signed();
        self.depth -= 1;
        Ok(Expr::Negated(Box::new(inner?)))
    }

    fn primary(&mut self) -> Outcome<Expr> {
        match self.next() {
            Token::Number(text) => Ok(Expr::Number(text)),
            Token::Sign("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign(sign @ ("++" | "--")) => match self.next() {
                Token::Name(name) => Ok(Expr::Step(name, if sign == "++" { 1 } else { -1 }, false)),
                _ => Err("bad expression".to_owned()),
            },
            Token::Name(name) => {
                if self.take("(") {
                    let argument = self.expression()?;
                    self.expect(")")?;
                    return Ok(Expr::Call(name, Box::new(argument)));
                }
                if self.take("++") {
                    return Ok(Expr::Step(name, 1, true));
                }
                if self.take("--") {
                    return Ok(Expr::Step(name, -1, true));
                }
                Ok(Expr::Name(name))
            }
            Token::Text(_) | Token::Sign(_) | Token::End => Err("bad expression".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_print_the_values_of_their_statements() {
        let run = |text: &str| {
            let mut bc = Bc::new(false);
            let end = bc.run(text);
            (bc.out, end)
        };
        assert_eq!(run("scale=2; 10/3\n").0, "3.33\n");
        assert_eq!(run("1+2*3; (1+2)*3; -2^2; 2^3^2").0, "7\n9\n4\n512\n");
        assert_eq!(run("obase=16;255").0, "FF\n");
        assert_eq!(run("ibase=2\n101").0, "5\n");
        assert_eq!(run("x=5; x*2; x+=1; x; x++; x").0, "10\n6\n6\n7\n");
        assert_eq!(run("3>2; 1==2; !0; 1&&0").0, "1\n0\n1\n0\n");
        assert_eq!(run("for(i=0;i<3;i++) { print i, \" \" }\n").0, "0 1 2 ");
        assert_eq!(run("if (1) 5 else 6\nif (0) 5\nelse 6").0, "5\n6\n");
        assert_eq!(run("1.5*2; scale=3; sqrt(2); length(123.45); 7%4").0, "3.0\n1.414\n5\n0\n");
        assert_eq!(run("1/0").1, Err("divide by zero".to_owned()));
        assert_eq!(run("1+").1, Err("bad expression".to_owned()));
        assert!(run("while(1) x++").1.unwrap_err().contains("steps"));
        assert!(run(&"(".repeat(1000)).1.unwrap_err().contains("deep"));
        assert_eq!(run("quit\n1").1, Ok(true));
    }
}

//! Reads an awk program.

use super::ast::{Compare, Expr, Function, Pattern, Program, Redirect, Source, Stmt};
use super::lexer::{Placed, Token, words};

/// Nesting of expressions and statements.
const MAX_DEPTH: u32 = 120;

/// Reads a program; `Err` is the complaint.
pub(super) fn program(source: &str) -> Result<Program, String> {
    let tokens = words(source)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, no_in: false, no_gt: false };
    let mut program = Program::default();
    loop {
        parser.newlines_and_semicolons();
        if parser.peek() == &Token::End {
            return Ok(program);
        }
        parser.item(&mut program).map_err(|e| format!("cmd. line:{}: {e}", parser.line()))?;
    }
}

struct Parser<'t> {
    tokens: &'t [Placed],
    at: usize,
    depth: u32,
    /// `in` is not an operator here (the head of a `for`).
    no_in: bool,
    /// `>` writes to a file here (the arguments of `print`).
    no_gt: bool,
}

type Parsed<T> = Result<T, String>;

fn unexpected(token: &Token) -> String {
    match token {
        Token::End | Token::Newline => "Unexpected end of string".to_owned(),
        _ => "Unexpected token".to_owned(),
    }
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn peek_at(&self, n: usize) -> &Token {
        self.tokens.get(self.at + n).map_or(&Token::End, |t| &t.0)
    }

    fn line(&self) -> u32 {
        self.tokens[self.at].1
    }

    fn advance(&mut self) -> Token {
        let token = self.tokens[self.at].0.clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    fn is(&self, mark: &str) -> bool {
        matches!(self.peek(), Token::Mark(m) if *m == mark)
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = self.is(mark);
        if found {
            self.advance();
        }
        found
    }

    fn want(&mut self, mark: &str) -> Parsed<()> {
        if self.take(mark) { Ok(()) } else { Err(unexpected(self.peek())) }
    }

    fn keyword(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Keyword(k) if *k == word);
        if found {
            self.advance();
        }
        found
    }

    fn newlines(&mut self) {
        while self.peek() == &Token::Newline {
            self.advance();
        }
    }

    fn newlines_and_semicolons(&mut self) {
        while self.peek() == &Token::Newline || self.is(";") {
            self.advance();
        }
    }

    fn item(&mut self, program: &mut Program) -> Parsed<()> {
        if self.keyword("BEGIN") {
            program.begin.extend(self.block()?);
        } else if self.keyword("END") {
            program.end.extend(self.block()?);
            program.has_end = true;
        } else if self.keyword("function") || self.keyword("func") {
            let function = self.function()?;
            program.functions.push(function);
        } else {
            let pattern = if self.is("{") {
                Pattern::Always
            } else {
                let first = self.expr()?;
                if self.take(",") {
                    self.newlines();
                    Pattern::Range(first, self.expr()?)
                } else {
                    Pattern::When(first)
                }
            };
            let action = if self.is("{") { Some(self.block()?) } else { None };
            program.rules.push((pattern, action));
        }
        Ok(())
    }

    fn function(&mut self) -> Parsed<Function> {
        let (Token::Call(name) | Token::Name(name)) = self.advance() else {
            return Err("Unexpected token".to_owned());
        };
        self.want("(")?;
        let mut params = Vec::new();
        self.newlines();
        while !self.take(")") {
            let Token::Name(param) = self.advance() else {
                return Err("Unexpected token".to_owned());
            };
            params.push(param);
            self.newlines();
            if !self.take(",") && !self.is(")") {
                return Err(unexpected(self.peek()));
            }
            self.newlines();
        }
        self.newlines();
        Ok(Function { name, params, body: self.block()? })
    }

    fn block(&mut self) -> Parsed<Vec<Stmt>> {
        self.newlines();
        self.want("{")?;
        let mut out = Vec::new();
        loop {
            self.newlines_and_semicolons();
            if self.take("}") {
                return Ok(out);
            }
            out.push(self.statement()?);
        }
    }

    fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("the program is nested more than {MAX_DEPTH} deep"));
        }
        let done = work(self);
        self.depth -= 1;
        done
    }

    fn statement(&mut self) -> Parsed<Stmt> {
        self.deeper(Self::any_statement)
    }

    /// The body of a loop or condition.
    fn body(&mut self) -> Parsed<Box<Stmt>> {
        self.newlines();
        if self.take(";") {
            return Ok(Box::new(Stmt::Block(Vec::new())));
        }
        self.statement().map(Box::new)
    }

    fn any_statement(&mut self) -> Parsed<Stmt> {
        if self.is("{") {
            return self.block().map(Stmt::Block);
        }
        if self.keyword("if") {
            self.want("(")?;
            let cond = self.expr()?;
            self.want(")")?;
            let then = self.body()?;
            let mark = self.at;
            self.newlines_and_semicolons();
            let other = if self.keyword("else") {
                Some(self.body()?)
            } else {
                self.at = mark;
                None
            };
            return Ok(Stmt::If(cond, then, other));
        }
        if self.keyword("while") {
            self.want("(")?;
            let cond = self.expr()?;
            self.want(")")?;
            return Ok(Stmt::While(cond, self.body()?));
        }
        if self.keyword("do") {
            let body = self.body()?;
            self.newlines_and_semicolons();
            if !self.keyword("while") {
                return Err(unexpected(self.peek()));
            }
            self.want("(")?;
            let cond = self.expr()?;
            self.want(")")?;
            return Ok(Stmt::Do(body, cond));
        }
        if self.keyword("for") {
            return self.for_statement();
        }
        let statement = self.simple()?;
        match self.peek() {
            Token::Newline | Token::End => {}
            Token::Mark(";") => {
                self.advance();
            }
            Token::Mark("}") => {}
            other => return Err(unexpected(other)),
        }
        Ok(statement)
    }

    fn for_statement(&mut self) -> Parsed<Stmt> {
        self.want("(")?;
        if let (Token::Name(var), Token::Keyword("in"), Token::Name(array), Token::Mark(")")) =
            (self.peek(), self.peek_at(1), self.peek_at(2), self.peek_at(3))
        {
            let (var, array) = (Expr::Var(var.clone()), array.clone());
            self.at += 4;
            return Ok(Stmt::ForIn(var, array, self.body()?));
        }
        let first = if self.is(";") { None } else { Some(Box::new(self.simple()?)) };
        self.want(";")?;
        self.newlines();
        let cond = if self.is(";") { None } else { Some(self.expr()?) };
        self.want(";")?;
        self.newlines();
        let step = if self.is(")") { None } else { Some(Box::new(self.simple()?)) };
        self.want(")")?;
        Ok(Stmt::For(first, cond, step, self.body()?))
    }

    fn ends(&self) -> bool {
        matches!(self.peek(), Token::Newline | Token::End | Token::Mark(";" | "}"))
    }

    fn simple(&mut self) -> Parsed<Stmt> {
        if self.keyword("print") {
            let (args, redirect, to) = self.output()?;
            return Ok(Stmt::Print(args, redirect, to));
        }
        if self.keyword("printf") {
            let (args, redirect, to) = self.output()?;
            if args.is_empty() {
                return Err("Unexpected token".to_owned());
            }
            return Ok(Stmt::Printf(args, redirect, to));
        }
        if self.keyword("break") {
            return Ok(Stmt::Break);
        }
        if self.keyword("continue") {
            return Ok(Stmt::Continue);
        }
        if self.keyword("next") {
            return Ok(Stmt::Next);
        }
        if self.keyword("nextfile") {
            return Ok(Stmt::NextFile);
        }
        if self.keyword("exit") {
            return Ok(Stmt::Exit(if self.ends() { None } else { Some(self.expr()?) }));
        }
        if self.keyword("return") {
            return Ok(Stmt::Return(if self.ends() { None } else { Some(self.expr()?) }));
        }
        if self.keyword("delete") {
            let Token::Name(name) = self.advance() else {
                return Err("Unexpected token".to_owned());
            };
            if !self.take("[") {
                return Ok(Stmt::Delete(name, None));
            }
            let keys = self.list("]")?;
            return Ok(Stmt::Delete(name, Some(keys)));
        }
        self.expr().map(Stmt::Expr)
    }

    /// What `print` and `printf` have behind them.
    fn output(&mut self) -> Parsed<(Vec<Expr>, Redirect, Option<Expr>)> {
        let outer = std::mem::replace(&mut self.no_gt, true);
        let mut args = Vec::new();
        if !self.ends() && !self.is(">") && !self.is(">>") && !self.is("|") {
            args.push(self.expr()?);
            while self.take(",") {
                self.newlines();
                args.push(self.expr()?);
            }
        }
        if let [Expr::Group(all)] = &args[..] {
            args = all.clone();
        }
        let redirect = match self.peek() {
            Token::Mark(">") => Redirect::File,
            Token::Mark(">>") => Redirect::Append,
            Token::Mark("|") => Redirect::Command,
            _ => Redirect::None,
        };
        let to = if redirect == Redirect::None {
            None
        } else {
            self.advance();
            Some(self.concat()?)
        };
        self.no_gt = outer;
        Ok((args, redirect, to))
    }

    /// Expressions between commas up to a closing mark.
    fn list(&mut self, close: &str) -> Parsed<Vec<Expr>> {
        let (no_in, no_gt) = (self.no_in, self.no_gt);
        (self.no_in, self.no_gt) = (false, false);
        let mut out = Vec::new();
        self.newlines();
        while !self.take(close) {
            out.push(self.expr()?);
            self.newlines();
            if !self.take(",") && !self.is(close) {
                return Err(unexpected(self.peek()));
            }
            self.newlines();
        }
        (self.no_in, self.no_gt) = (no_in, no_gt);
        Ok(out)
    }

    fn expr(&mut self) -> Parsed<Expr> {
        self.deeper(Self::assignment)
    }

    fn assignment(&mut self) -> Parsed<Expr> {
        let left = self.ternary()?;
        let operator = match self.peek() {
            Token::Mark("=") => None,
            Token::Mark(m @ ("+=" | "-=" | "*=" | "/=" | "%=" | "^=")) => m.chars().next(),
            _ => return Ok(left),
        };
        if !is_target(&left) {
            return Err("Unexpected token".to_owned());
        }
        self.advance();
        self.newlines();
        let right = self.expr()?;
        Ok(Expr::Assign(Box::new(left), operator, Box::new(right)))
    }

    fn ternary(&mut self) -> Parsed<Expr> {
        let cond = self.or()?;
        if !self.take("?") {
            return Ok(cond);
        }
        self.newlines();
        let then = self.expr()?;
        self.newlines();
        self.want(":")?;
        self.newlines();
        let other = self.expr()?;
        Ok(Expr::Cond(Box::new(cond), Box::new(then), Box::new(other)))
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        while self.take("||") {
            self.newlines();
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.membership()?;
        while self.take("&&") {
            self.newlines();
            left = Expr::And(Box::new(left), Box::new(self.membership()?));
        }
        Ok(left)
    }

    fn membership(&mut self) -> Parsed<Expr> {
        let mut left = self.matching()?;
        while !self.no_in && self.keyword("in") {
            let Token::Name(array) = self.advance() else {
                return Err("Unexpected token".to_owned());
            };
            let keys = match left {
                Expr::Group(keys) => keys,
                other => vec![other],
            };
            left = Expr::In(keys, array);
        }
        Ok(left)
    }

    fn matching(&mut self) -> Parsed<Expr> {
        let mut left = self.comparison()?;
        loop {
            let negated = match self.peek() {
                Token::Mark("~") => false,
                Token::Mark("!~") => true,
                _ => return Ok(left),
            };
            self.advance();
            left = Expr::Match(negated, Box::new(left), Box::new(self.comparison()?));
        }
    }

    fn comparison(&mut self) -> Parsed<Expr> {
        let mut left = self.concat()?;
        loop {
            let operator = match self.peek() {
                Token::Mark("<") => Compare::Lt,
                Token::Mark("<=") => Compare::Le,
                Token::Mark("==") => Compare::Eq,
                Token::Mark("!=") => Compare::Ne,
                Token::Mark(">") if !self.no_gt => Compare::Gt,
                Token::Mark(">=") => Compare::Ge,
                Token::Mark("|") if matches!(self.peek_at(1), Token::Keyword("getline")) => {
                    self.at += 2;
                    let target = self.getline_target()?;
                    left = Expr::Getline(Source::Command(Box::new(left)), target);
                    continue;
                }
                _ => return Ok(left),
            };
            self.advance();
            let right = self.concat()?;
            left = Expr::Compare(operator, Box::new(left), Box::new(right));
        }
    }

    fn concat(&mut self) -> Parsed<Expr> {
        let mut left = self.sum()?;
        while self.begins_operand() {
            let right = self.sum()?;
            left = Expr::Concat(Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn begins_operand(&self) -> bool {
        match self.peek() {
            Token::Number(_)
            | Token::Text(_)
            | Token::Regex(_)
            | Token::Name(_)
            | Token::Call(_)
            | Token::Builtin(_) => true,
            Token::Mark(m) => matches!(*m, "(" | "$" | "!" | "-" | "+" | "++" | "--"),
            Token::Keyword(_) | Token::Newline | Token::End => false,
        }
    }

    fn sum(&mut self) -> Parsed<Expr> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Token::Mark("+") => '+',
                Token::Mark("-") => '-',
                _ => return Ok(left),
            };
            self.advance();
            left = Expr::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Parsed<Expr> {
        let mut left = self.unary()?;
        loop {
            let operator = match self.peek() {
                Token::Mark("*") => '*',
                Token::Mark("/") => '/',
                Token::Mark("%") => '%',
                _ => return Ok(left),
            };
            self.advance();
            left = Expr::Binary(operator, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let make: fn(Box<Expr>) -> Expr = match self.peek() {
            Token::Mark("!") => Expr::Not,
            Token::Mark("-") => Expr::Negate,
            Token::Mark("+") => Expr::Plus,
            _ => return self.power(),
        };
        self.advance();
        self.deeper(Self::unary).map(|e| make(Box::new(e)))
    }

    fn power(&mut self) -> Parsed<Expr> {
        let base = self.postfix()?;
        if !self.take("^") {
            return Ok(base);
        }
        // Right to left, and a sign may stand in front of the exponent.
        let exponent = if self.is("-") || self.is("+") || self.is("!") {
            self.deeper(Self::unary)?
        } else {
            self.deeper(Self::power)?
        };
        Ok(Expr::Binary('^', Box::new(base), Box::new(exponent)))
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let operand = self.operand()?;
        if is_target(&operand) {
            if self.take("++") {
                return Ok(Expr::Step(Box::new(operand), 1.0, true));
            }
            if self.take("--") {
                return Ok(Expr::Step(Box::new(operand), -1.0, true));
            }
        }
        Ok(operand)
    }

    fn operand(&mut self) -> Parsed<Expr> {
        match self.advance() {
            Token::Number(n) => Ok(Expr::Number(n)),
            Token::Text(t) => Ok(Expr::Text(t.into())),
            Token::Regex(r) => Ok(Expr::Regex(r.into())),
            Token::Name(name) if self.take("[") => Ok(Expr::Elem(name, self.list("]")?)),
            Token::Name(name) => Ok(Expr::Var(name)),
            Token::Call(name) => {
                self.want("(")?;
                Ok(Expr::Call(name, self.list(")")?))
            }
            Token::Builtin(name) => self.builtin(name),
            Token::Keyword("getline") => {
                let target = self.getline_target()?;
                let source = if self.take("<") {
                    Source::File(Box::new(self.deeper(Self::postfix)?))
                } else {
                    Source::Main
                };
                Ok(Expr::Getline(source, target))
            }
            Token::Mark("$") => {
                let index = if self.is("++") || self.is("--") || self.is("-") {
                    self.deeper(Self::unary)?
                } else {
                    self.deeper(Self::operand)?
                };
                Ok(Expr::Field(Box::new(index)))
            }
            Token::Mark(m @ ("++" | "--")) => {
                let target = self.deeper(Self::operand)?;
                if !is_target(&target) {
                    return Err("Unexpected token".to_owned());
                }
                Ok(Expr::Step(Box::new(target), if m == "++" { 1.0 } else { -1.0 }, false))
            }
            Token::Mark("(") => {
                let all = self.list(")")?;
                if all.is_empty() {
                    Err("Unexpected token".to_owned())
                } else {
                    Ok(Expr::Group(all))
                }
            }
            Token::Mark(m @ ("-" | "+" | "!")) => {
                let make: fn(Box<Expr>) -> Expr = match m {
                    "-" => Expr::Negate,
                    "+" => Expr::Plus,
                    _ => Expr::Not,
                };
                self.deeper(Self::unary).map(|e| make(Box::new(e)))
            }
            other => Err(unexpected(&other)),
        }
    }

    fn builtin(&mut self, name: &'static str) -> Parsed<Expr> {
        if self.take("(") {
            return Ok(Expr::Builtin(name, self.list(")")?));
        }
        if name == "length" {
            return Ok(Expr::Builtin(name, Vec::new()));
        }
        Err("Unexpected token".to_owned())
    }

    fn getline_target(&mut self) -> Parsed<Option<Box<Expr>>> {
        let begins = matches!(self.peek(), Token::Name(_)) || self.is("$");
        if !begins {
            return Ok(None);
        }
        let target = self.deeper(Self::operand)?;
        Ok(Some(Box::new(target)))
    }
}

const fn is_target(expr: &Expr) -> bool {
    matches!(expr, Expr::Var(_) | Expr::Field(_) | Expr::Elem(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_cannot_be_read_are_errors() {
        for wrong in ["{", "{ print ", "BEGIN { x = }", "{ for (;;) }", "BEGIN { 1 = 2 }", "}"] {
            assert!(program(wrong).is_err(), "{wrong}");
        }
        for right in [
            "{ print $1, $2 > \"f\" }",
            "BEGIN { while ((\"date\" | getline d) > 0) print d }",
            "/a/,/b/",
            "function f(a, b) { return a + b }\n{ print f(1, 2) }",
            "{ if (x) print; else print y }",
            "END { for (k in a) delete a[k] }",
            "{ print (1, 2) in a; print (1)(2) }",
            "NR==1; !x; { do x++; while (x < 3) }",
            "{ print a b, -1 \" \" -1; print 1 - -1; $NF--; x = y ~ /a/ }",
        ] {
            assert_eq!(program(right).err(), None, "{right}");
        }
        let deep = format!("BEGIN {{ x = {}1{} }}", "(".repeat(500), ")".repeat(500));
        assert!(program(&deep).unwrap_err().contains("nested"));
    }
}

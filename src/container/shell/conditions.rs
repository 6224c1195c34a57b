//! The grammar of bash's `[[ ]]`.

use super::ast::{Cond, Word};
use super::lexer::{Lexer, SyntaxError, SyntaxKind, Tok};
use crate::base::Str;

type Result<T> = std::result::Result<T, SyntaxError>;

const BINARY: [&str; 14] =
    ["=", "==", "!=", "=~", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef", "\0"];

impl Lexer<'_> {
    fn cond_newlines(&mut self) -> Result<()> {
        while matches!(self.peek()?, Tok::Newline) {
            self.next()?;
        }
        Ok(())
    }

    /// An expression with its closing `]]`.
    pub(super) fn cond_or(&mut self) -> Result<Cond> {
        let cond = self.cond_alternatives()?;
        self.cond_newlines()?;
        match self.next()? {
            Tok::Word(w) if w.as_literal() == Some("]]") => Ok(cond),
            token => self.cond_error(&token),
        }
    }

    fn cond_alternatives(&mut self) -> Result<Cond> {
        let mut left = self.cond_and()?;
        self.cond_newlines()?;
        while matches!(self.peek()?, Tok::Op("||")) {
            self.next()?;
            left = Cond::Or(Box::new(left), Box::new(self.cond_and()?));
            self.cond_newlines()?;
        }
        Ok(left)
    }

    fn cond_and(&mut self) -> Result<Cond> {
        let mut left = self.cond_term()?;
        self.cond_newlines()?;
        while matches!(self.peek()?, Tok::Op("&&")) {
            self.next()?;
            left = Cond::And(Box::new(left), Box::new(self.cond_term()?));
            self.cond_newlines()?;
        }
        Ok(left)
    }

    fn cond_term(&mut self) -> Result<Cond> {
        self.deeper()?;
        self.cond_newlines()?;
        let cond = match self.next()? {
            Tok::Op("(") => {
                let inner = self.cond_alternatives()?;
                match self.next()? {
                    Tok::Op(")") => inner,
                    token => return self.cond_error(&token),
                }
            }
            Tok::Word(w) if w.as_literal() == Some("!") => Cond::Not(Box::new(self.cond_term()?)),
            Tok::Word(w) if w.as_literal() == Some("]]") => return self.cond_error(&Tok::Word(w)),
            Tok::Word(w) => self.cond_word(w)?,
            token => return self.cond_error(&token),
        };
        self.depth -= 1;
        Ok(cond)
    }

    fn cond_word(&mut self, first: Word) -> Result<Cond> {
        if let Some(op) = first.as_literal()
            && op.len() == 2
            && op.starts_with('-')
            && op.as_bytes()[1].is_ascii_alphabetic()
            && let Tok::Word(w) = self.peek()?
            && w.as_literal() != Some("]]")
        {
            let op: Str = op.into();
            let Tok::Word(operand) = self.next()? else { return self.fail(SyntaxKind::End) };
            return Ok(Cond::Unary(op, operand));
        }
        let op: Str = match self.peek()? {
            Tok::Op(op @ ("<" | ">")) => (*op).into(),
            Tok::Word(w) => match w.as_literal() {
                Some(op) if BINARY.contains(&op) => op.into(),
                _ => return Ok(Cond::Word(first)),
            },
            Tok::Op(_) | Tok::IoNumber(_) | Tok::IoVar(_) | Tok::Newline | Tok::End => {
                return Ok(Cond::Word(first));
            }
        };
        self.next()?;
        let right = match op.as_str() {
            "=~" => self.regex_word()?,
            "=" | "==" | "!=" => self.pattern_word()?,
            _ => match self.next()? {
                Tok::Word(w) => w,
                Tok::IoNumber(n) => Word::literal(&n.to_string()),
                token => return self.cond_error(&token),
            },
        };
        Ok(Cond::Binary(first, op, right))
    }

    /// The pattern after `==`: extended patterns are always on here.
    fn pattern_word(&mut self) -> Result<Word> {
        let before = self.grammar.extglob;
        self.grammar.extglob = true;
        let token = self.next();
        self.grammar.extglob = before;
        match token? {
            Tok::Word(w) => Ok(w),
            Tok::IoNumber(n) => Ok(Word::literal(&n.to_string())),
            token => self.cond_error(&token),
        }
    }

    /// The expression after `=~`: parentheses and bars belong to it up to a blank outside them.
    fn regex_word(&mut self) -> Result<Word> {
        while matches!(self.at(0), b' ' | b'\t') {
            self.skip(1);
        }
        self.regex_parts()
    }

    fn cond_error<T>(&self, token: &Tok) -> Result<T> {
        let text = match token {
            Tok::End => return self.fail(SyntaxKind::End),
            Tok::Newline => "newline".to_owned(),
            Tok::Op(op) => (*op).to_owned(),
            Tok::Word(w) => w.raw.to_string(),
            Tok::IoNumber(n) => n.to_string(),
            Tok::IoVar(v) => v.to_string(),
        };
        self.fail(SyntaxKind::Unexpected { ash: format!("\"{text}\""), bash: text })
    }
}

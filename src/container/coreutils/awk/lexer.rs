//! Words of an awk program.

use crate::base::Str;

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Text(String),
    Regex(String),
    Name(Str),
    /// A name with a parenthesis right behind it: a function that is called.
    Call(Str),
    Keyword(&'static str),
    Builtin(&'static str),
    /// Punctuation.
    Mark(&'static str),
    Newline,
    End,
}

const KEYWORDS: [&str; 20] = [
    "BEGIN", "END", "break", "continue", "delete", "do", "else", "exit", "for", "func", "function",
    "getline", "if", "in", "next", "nextfile", "print", "printf", "return", "while",
];

const BUILTINS: [&str; 32] = [
    "and", "atan2", "close", "compl", "cos", "exp", "fflush", "gensub", "gsub", "index", "int",
    "length", "log", "lshift", "match", "mktime", "or", "rand", "rshift", "sin", "split",
    "sprintf", "sqrt", "srand", "strftime", "sub", "substr", "system", "systime", "tolower",
    "toupper", "xor",
];

const MARKS: [&str; 41] = [
    "**=", "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**", "==", "<=", ">=",
    "!=", "!~", ">>", "{", "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!",
    ">", "<", "|", "?", ":", "~", "$", "=",
];

/// A word with the line that it stands in.
pub(super) type Placed = (Token, u32);

/// Falls a program into words; `Err` is the complaint.
pub(super) fn words(source: &str) -> Result<Vec<Placed>, String> {
    let chars: Vec<char> = source.chars().collect();
    let mut lexer = Lexer { chars: &chars, at: 0, line: 1 };
    let mut out: Vec<Placed> = Vec::new();
    loop {
        let token = lexer.next(out.last().map(|t| &t.0))?;
        let done = token == Token::End;
        out.push((token, lexer.line));
        if done {
            return Ok(out);
        }
    }
}

struct Lexer<'c> {
    chars: &'c [char],
    at: usize,
    line: u32,
}

impl Lexer<'_> {
    fn peek(&self, n: usize) -> Option<char> {
        self.chars.get(self.at + n).copied()
    }

    fn blanks(&mut self) {
        loop {
            match self.peek(0) {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('\\') if self.peek(1) == Some('\n') => {
                    self.line += 1;
                    self.at += 2;
                }
                Some('\\') if self.peek(1) == Some('\r') && self.peek(2) == Some('\n') => {
                    self.line += 1;
                    self.at += 3;
                }
                Some('#') => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn next(&mut self, before: Option<&Token>) -> Result<Token, String> {
        self.blanks();
        let Some(c) = self.peek(0) else { return Ok(Token::End) };
        if c == '\n' {
            self.at += 1;
            self.line += 1;
            return Ok(Token::Newline);
        }
        if c.is_ascii_digit() || c == '.' && self.peek(1).is_some_and(|d| d.is_ascii_digit()) {
            return Ok(self.number());
        }
        if c == '"' {
            return self.text();
        }
        if c.is_ascii_alphabetic() || c == '_' {
            return Ok(self.name());
        }
        if c == '/' && regex_may_follow(before) {
            return self.regex();
        }
        for mark in MARKS {
            if mark.chars().enumerate().all(|(i, m)| self.peek(i) == Some(m)) {
                self.at += mark.len();
                return Ok(Token::Mark(match mark {
                    "**" => "^",
                    "**=" => "^=",
                    other => other,
                }));
            }
        }
        Err(format!("unexpected character '{c}'"))
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        if self.peek(0) == Some('0') && matches!(self.peek(1), Some('x' | 'X')) {
            let digits = |l: &Self| {
                l.chars[start + 2..]
                    .iter()
                    .take_while(|c| c.is_ascii_hexdigit())
                    .collect::<String>()
            };
            let digits = digits(self);
            if !digits.is_empty() {
                self.at += 2 + digits.len();
                let value = digits
                    .chars()
                    .fold(0.0, |v, d| v * 16.0 + f64::from(d.to_digit(16).unwrap_or(0)));
                return Token::Number(value);
            }
        }
        let text: String =
            self.chars[start..].iter().take(400).take_while(|c| c.is_ascii()).collect();
        let (value, len) =
            super::super::numbers::leading_float(text.as_bytes()).unwrap_or((0.0, 1));
        self.at += len.max(1);
        Token::Number(value)
    }

    fn name(&mut self) -> Token {
        let start = self.at;
        while self.peek(0).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            self.at += 1;
        }
        let name: String = self.chars[start..self.at].iter().collect();
        if let Some(word) = KEYWORDS.iter().find(|k| **k == name) {
            return Token::Keyword(word);
        }
        if let Some(word) = BUILTINS.iter().find(|k| **k == name) {
            return Token::Builtin(word);
        }
        if self.peek(0) == Some('(') { Token::Call(name.into()) } else { Token::Name(name.into()) }
    }

    fn text(&mut self) -> Result<Token, String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.peek(0) else { return Err("unterminated string".to_owned()) };
            self.at += 1;
            match c {
                '"' => return Ok(Token::Text(out)),
                '\n' => return Err("unterminated string".to_owned()),
                '\\' => self.escape(&mut out),
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self, out: &mut String) {
        let Some(c) = self.peek(0) else { return };
        self.at += 1;
        match c {
            '\n' => self.line += 1,
            '0'..='7' => {
                let mut value = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(d) = self.peek(0).and_then(|c| c.to_digit(8)) else { break };
                    value = value * 8 + d;
                    self.at += 1;
                }
                out.push(crate::container::text::byte_char(u8::try_from(value).unwrap_or(0xff)));
            }
            c => match simple_escape(c) {
                Some(c) => out.push(c),
                None => out.extend(['\\', c]),
            },
        }
    }

    fn regex(&mut self) -> Result<Token, String> {
        self.at += 1;
        let mut out = String::new();
        let mut bracket: Option<usize> = None;
        loop {
            let Some(c) = self.peek(0).filter(|c| *c != '\n') else {
                return Err("unterminated regex".to_owned());
            };
            self.at += 1;
            match c {
                '/' if bracket.is_none() => return Ok(Token::Regex(out)),
                '[' if bracket.is_none() => bracket = Some(self.at),
                ']' if bracket.is_some_and(|b| self.at > b + 1) => bracket = None,
                '\\' => {
                    let Some(next) = self.peek(0) else { continue };
                    self.at += 1;
                    // Known escapes become what they mean here, so that they count between brackets too.
                    match simple_escape(next) {
                        Some(plain) if !matches!(next, '\\' | '"') => out.push(plain),
                        _ => out.extend(['\\', next]),
                    }
                    continue;
                }
                _ => {}
            }
            out.push(c);
        }
    }
}

/// The character of an escape that is the same everywhere in awk.
pub(super) const fn simple_escape(c: char) -> Option<char> {
    Some(match c {
        '"' => '"',
        '\\' => '\\',
        '/' => '/',
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        _ => return None,
    })
}

/// Whether a slash begins an expression here rather than dividing.
fn regex_may_follow(before: Option<&Token>) -> bool {
    match before {
        None | Some(Token::Newline | Token::Keyword(_) | Token::Call(_)) => true,
        Some(Token::Mark(m)) => !matches!(*m, ")" | "]" | "$" | "++" | "--"),
        Some(
            Token::Number(_)
            | Token::Text(_)
            | Token::Regex(_)
            | Token::Name(_)
            | Token::Builtin(_),
        )
        | Some(Token::End) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_divides_or_begins_an_expression() {
        let tokens: Vec<Token> =
            words("a / b ~ /x[/]\\//").unwrap().into_iter().map(|t| t.0).collect();
        assert_eq!(
            tokens,
            [
                Token::Name("a".into()),
                Token::Mark("/"),
                Token::Name("b".into()),
                Token::Mark("~"),
                Token::Regex("x[/]/".into()),
                Token::End
            ]
        );
    }

    #[test]
    fn strings_have_escapes() {
        let first = |s: &str| words(s).unwrap().remove(0).0;
        assert_eq!(first("\"a\\tb\\\"\\101\\.\""), Token::Text("a\tb\"A\\.".into()));
        assert!(words("\"open").is_err());
        assert_eq!(first("0x1f"), Token::Number(31.0));
        assert_eq!(first("1e3"), Token::Number(1000.0));
    }
}

//! Texts into tokens.

use serde_json::Value;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name, quoted or not.
    Name(String),
    /// `$name`.
    Variable(String),
    /// `$` by itself.
    Root,
    /// A whole number.
    Number(i64),
    /// A value in backticks, or a text in single quotes.
    Literal(Value),
    /// A sign: `.`, `[?`, `&&`, `==` and so on.
    Sign(&'static str),
}

/// The signs, longer ones first.
const SIGNS: [&str; 31] = [
    "[?", "[]", "&&", "||", "==", "!=", "<=", ">=", "//", "<", ">", "!", "@", ".", "*", "[", "]",
    "{", "}", "(", ")", ",", ":", "|", "&", "+", "-", "/", "%", "−", "÷",
];

/// The tokens of a text.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, n) = match first {
            '"' => {
                let (raw, n) = until(rest, '"')?;
                let name = serde_json::from_str(&format!("\"{raw}\""));
                (Token::Name(name.map_err(|e| format!("\"{raw}\": {e}"))?), n)
            }
            '\'' => {
                let (raw, n) = until(rest, '\'')?;
                (Token::Literal(Value::String(raw.replace("\\'", "'"))), n)
            }
            '`' => {
                let (raw, n) = until(rest, '`')?;
                (Token::Literal(literal(&raw.replace("\\`", "`"))), n)
            }
            '$' => match word(&rest[1..]) {
                "" => (Token::Root, 1),
                name => (Token::Variable(name.to_owned()), 1 + name.len()),
            },
            c if c.is_ascii_digit() => number(rest)?,
            '-' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) && !is_operand(&found) => {
                number(rest)?
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let name = word(rest);
                (Token::Name(name.to_owned()), name.len())
            }
            c => {
                let sign = SIGNS.iter().find(|s| rest.starts_with(**s));
                let sign = sign.ok_or_else(|| format!("{c:?} has no meaning"))?;
                (Token::Sign(sign), sign.len())
            }
        };
        found.push(token);
        rest = rest[n..].trim_start();
    }
    Ok(found)
}

/// Whether what stands before is a value, so that a minus takes something away from it.
fn is_operand(before: &[Token]) -> bool {
    match before.last() {
        Some(Token::Sign(sign)) => matches!(*sign, ")" | "]" | "}" | "@" | "*" | "[]"),
        Some(_) => true,
        None => false,
    }
}

/// A value in backticks: JSON, or a bare text.
fn literal(raw: &str) -> Value {
    let raw = raw.trim();
    serde_json::from_str(raw).unwrap_or_else(|_| Value::String(raw.to_owned()))
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

fn number(text: &str) -> Result<(Token, usize), String> {
    let sign = usize::from(text.starts_with('-'));
    let digits = text[sign..].find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len() - sign);
    let written = &text[..sign + digits];
    let read = written.parse().map_err(|_| format!("{written} is too large a number"))?;
    Ok((Token::Number(read), written.len()))
}

/// What stands between two marks, and how long it is with them.
fn until(text: &str, mark: char) -> Result<(&str, usize), String> {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return Ok((&text[1..i], i + 1)),
            _ => {}
        }
    }
    Err(format!("{mark} is not closed"))
}

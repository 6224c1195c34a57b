//! JSON with the place of every value, and Go's words for what is wrong with it.
//!
//! Follows Go's `encoding/json` (scanner.go, `Decoder.readValue`), which kubectl and the API server
//! use: a stream may hold several values, repeated keys are kept for the strict decoder to find,
//! half surrogates become U+FFFD. An explicit stack instead of recursion; the depth is bounded.

use std::borrow::Cow;

use super::limits::Limits;
use super::source::Span;
use super::tree::{Data, NodeId, Tree};
use super::yaml::resolve::number;
use crate::base::Str;

/// Why a text is not JSON.
#[derive(Clone, PartialEq, Debug)]
pub struct JsonError {
    /// What is wrong, in the words of Go's scanner.
    pub problem: Cow<'static, str>,
    /// The byte that does not fit; the length of the text when it ends too early.
    pub at: usize,
    /// Whether this is the end of the text, or a bound, rather than a wrong character.
    pub kind: JsonErrorKind,
}

/// The kinds of [`JsonError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JsonErrorKind {
    /// A character that cannot stand where it stands.
    Syntax,
    /// The text ends inside of a value.
    End,
    /// A bound of [`Limits`] was reached.
    Limit,
}

/// Reads one value that starts at or after `start`, and tells where it ends.
///
/// # Errors
/// The first thing that is wrong.
pub fn read_value(text: &str, start: usize, limits: &Limits) -> Result<(Tree, usize), JsonError> {
    let mut reader = Reader { text, at: start, tree: Tree::default(), open: Vec::new(), limits };
    reader.read()?;
    Ok((reader.tree, reader.at))
}

/// Reads a text that is one value and nothing else, as Go's `json.Unmarshal` checks it.
///
/// # Errors
/// The first thing that is wrong, in the words of Go.
pub fn read_whole(text: &str, limits: &Limits) -> Result<Tree, JsonError> {
    let (tree, end) = read_value(text, 0, limits)?;
    let reader = Reader { text, at: end, tree, open: Vec::new(), limits };
    match text[end..].find(|c| !is_space(c)) {
        Some(after) => {
            Err(Reader { at: end + after, ..reader }.unexpected("after top-level value"))
        }
        None => Ok(reader.tree),
    }
}

/// What may come next.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    AfterValue,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    tree: Tree,
    /// The open lists and objects.
    open: Vec<NodeId>,
    limits: &'t Limits,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), JsonError> {
        let mut expect = Expect::Value;
        let mut key = (Str::default(), Span::default());
        loop {
            self.skip_space();
            let Some(byte) = self.byte() else { return Err(self.end()) };
            expect = match expect {
                Expect::ValueOrEnd if byte == b']' => self.close(),
                Expect::KeyOrEnd if byte == b'}' => self.close(),
                Expect::Value | Expect::ValueOrEnd => self.value(byte, std::mem::take(&mut key))?,
                Expect::Key | Expect::KeyOrEnd => {
                    key = self.key(byte)?;
                    Expect::Value
                }
                Expect::AfterValue => self.after_value(byte)?,
            };
            if expect == Expect::AfterValue && self.open.is_empty() {
                return Ok(());
            }
        }
    }

    /// Begins or reads a value and tells what may follow.
    fn value(&mut self, byte: u8, (key, key_span): (Str, Span)) -> Result<Expect, JsonError> {
        if self.tree.len() >= self.limits.nodes {
            return Err(
                self.limit(format!("more than {} values in one document", self.limits.nodes))
            );
        }
        let start = self.at;
        let data = match byte {
            b'{' | b'[' => {
                if self.open.len() >= self.limits.depth {
                    return Err(
                        self.limit(format!("nested deeper than {} levels", self.limits.depth))
                    );
                }
                self.at += 1;
                let (data, expect) = match byte {
                    b'{' => (Data::Mapping, Expect::KeyOrEnd),
                    _ => (Data::Sequence, Expect::ValueOrEnd),
                };
                let node = self.tree.push(key, key_span, Span::new(start, self.at), data);
                self.open.push(node);
                return Ok(expect);
            }
            b'"' => Data::String(self.string()?),
            b'-' | b'0'..=b'9' => {
                self.digits()?;
                number(&self.text[start..self.at])
            }
            b't' => self.literal("true", Data::Bool(true))?,
            b'f' => self.literal("false", Data::Bool(false))?,
            b'n' => self.literal("null", Data::Null)?,
            _ => return Err(self.unexpected("looking for beginning of value")),
        };
        self.tree.push(key, key_span, Span::new(start, self.at), data);
        Ok(Expect::AfterValue)
    }

    fn key(&mut self, byte: u8) -> Result<(Str, Span), JsonError> {
        if byte != b'"' {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        let start = self.at;
        let key = self.string()?;
        let span = Span::new(start, self.at);
        self.skip_space();
        match self.byte() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.unexpected("after object key")),
            None => return Err(self.end()),
        }
        Ok((key, span))
    }

    fn after_value(&mut self, byte: u8) -> Result<Expect, JsonError> {
        let open = *self.open.last().expect("the value is inside of another");
        let object = matches!(self.tree.node(open).data, Data::Mapping);
        match (byte, object) {
            (b'}', true) | (b']', false) => Ok(self.close()),
            (b',', _) => {
                self.at += 1;
                Ok(if object { Expect::Key } else { Expect::Value })
            }
            (_, true) => Err(self.unexpected("after object key:value pair")),
            (_, false) => Err(self.unexpected("after array element")),
        }
    }

    fn close(&mut self) -> Expect {
        self.at += 1;
        let open = self.open.pop().expect("only called inside of a list or an object");
        self.tree.close(open, u32::try_from(self.at).unwrap_or(u32::MAX));
        Expect::AfterValue
    }

    fn literal(&mut self, word: &'static str, data: Data) -> Result<Data, JsonError> {
        for expected in word.chars() {
            match self.byte() {
                Some(byte) if char::from(byte) == expected => self.at += 1,
                Some(_) => {
                    let context = format!("in literal {word} (expecting '{expected}')");
                    return Err(self.unexpected(&context));
                }
                None => return Err(self.end()),
            }
        }
        Ok(data)
    }

    /// Passes a number.
    fn digits(&mut self) -> Result<(), JsonError> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.some_digits("in numeric literal")?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn some_digits(&mut self, context: &str) -> Result<(), JsonError> {
        match self.byte() {
            Some(b'0'..=b'9') => {}
            Some(_) => return Err(self.unexpected(context)),
            None => return Err(self.end()),
        }
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    /// Reads a quoted string, whose opening quote is here.
    fn string(&mut self) -> Result<Str, JsonError> {
        self.at += 1;
        let mut text = String::new();
        let mut run = self.at;
        loop {
            match self.byte() {
                None => return Err(self.end()),
                Some(b'"') => break,
                Some(0..0x20) => return Err(self.unexpected("in string literal")),
                Some(b'\\') => {
                    text.push_str(&self.text[run..self.at]);
                    text.push(self.escape()?);
                    run = self.at;
                }
                Some(_) => self.at += 1,
            }
        }
        let tail = &self.text[run..self.at];
        self.at += 1;
        if text.is_empty() {
            return Ok(tail.into());
        }
        text.push_str(tail);
        Ok(text.into())
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let value = match self.byte() {
            None => return Err(self.end()),
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0C',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            Some(_) => return Err(self.unexpected("in string escape code")),
        };
        self.at += 1;
        Ok(value)
    }

    /// Reads `uXXXX`, and the second half of a surrogate pair if it follows.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let high = self.hex()?;
        if !(0xD800..0xDC00).contains(&high) || !self.text[self.at..].starts_with("\\u") {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        self.at += 1;
        let low = self.hex()?;
        if (0xDC00..0xE000).contains(&low) {
            let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.at = before;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    /// Reads the four digits after the `u` that is here.
    fn hex(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        self.at += 1;
        for _ in 0..4 {
            let Some(byte) = self.byte() else { return Err(self.end()) };
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(self.unexpected("in \\u hexadecimal character escape"));
            };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.byte().is_some_and(|byte| is_space(char::from(byte))) {
            self.at += 1;
        }
    }

    fn end(&self) -> JsonError {
        let problem = "unexpected end of JSON input".into();
        JsonError { problem, at: self.text.len(), kind: JsonErrorKind::End }
    }

    fn limit(&self, problem: String) -> JsonError {
        JsonError { problem: problem.into(), at: self.at, kind: JsonErrorKind::Limit }
    }

    fn unexpected(&self, context: &str) -> JsonError {
        let byte = self.byte().unwrap_or(0);
        let shown = match byte {
            b'\'' => "'\\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            b'\\' => "'\\\\'".to_owned(),
            b'\n' => "'\\n'".to_owned(),
            b'\r' => "'\\r'".to_owned(),
            b'\t' => "'\\t'".to_owned(),
            0x07 => "'\\a'".to_owned(),
            0x08 => "'\\b'".to_owned(),
            0x0B => "'\\v'".to_owned(),
            0x0C => "'\\f'".to_owned(),
            0..0x20 | 0x7F => format!("'\\x{byte:02x}'"),
            0x80..0xA0 | 0xAD => format!("'\\u{byte:04x}'"),
            byte => format!("'{}'", char::from(byte)),
        };
        let problem = format!("invalid character {shown} {context}").into();
        JsonError { problem, at: self.at, kind: JsonErrorKind::Syntax }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        read_whole(text, &Limits::default())
            .map(|tree| tree.value(Tree::ROOT).to_string())
            .map_err(|error| error.problem.into_owned())
    }

    #[test]
    fn what_is_wrong_is_told_in_the_words_of_go() {
        let check = |text: &str, wanted: &str| {
            assert_eq!(read(text), Err(wanted.to_owned()), "{text}");
        };
        check("", "unexpected end of JSON input");
        check("{\"a\":", "unexpected end of JSON input");
        check("{\"a\":}", "invalid character '}' looking for beginning of value");
        check("{\"a\":1,}", "invalid character '}' looking for beginning of object key string");
        check("{\"a\" 1}", "invalid character '1' after object key");
        check("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair");
        check("[1 2]", "invalid character '2' after array element");
        check("[1,]", "invalid character ']' looking for beginning of value");
        check("[trux]", "invalid character 'x' in literal true (expecting 'e')");
        check("[-]", "invalid character ']' in numeric literal");
        check("[1.x]", "invalid character 'x' after decimal point in numeric literal");
        check("[1e+]", "invalid character ']' in exponent of numeric literal");
        check("[\"\\q\"]", "invalid character 'q' in string escape code");
        check("[\"\\u12g4\"]", "invalid character 'g' in \\u hexadecimal character escape");
        check("[\"a\nb\"]", "invalid character '\\n' in string literal");
        check("{} x", "invalid character 'x' after top-level value");
        check("[01]", "invalid character '1' after array element");
        check("['a']", "invalid character '\\'' looking for beginning of value");
    }

    #[test]
    fn values_read_as_go_reads_them() {
        let check =
            |text: &str, wanted: &str| assert_eq!(read(text).as_deref(), Ok(wanted), "{text}");
        check(" [1, -2.5, 1e3, true, null] ", "[1,-2.5,1000.0,true,null]");
        check("{\"a\":1,\"a\":2}", "{\"a\":2}");
        check("\"\\ud83d\\ude00 \\ud83d \\u0041\\/\"", "\"😀 \u{fffd} A/\"");
        check("{}", "{}");
        check("[[],{}]", "[[],{}]");
    }

    #[test]
    fn nesting_and_size_are_bounded() {
        let limits = Limits { depth: 3, nodes: 5, ..Limits::default() };
        let check = |text: &str, wanted: &str| {
            let error = read_whole(text, &limits).unwrap_err();
            assert_eq!((error.problem.as_ref(), error.kind), (wanted, JsonErrorKind::Limit));
        };
        check("[[[[1]]]]", "nested deeper than 3 levels");
        check("[1,2,3,4,5]", "more than 5 values in one document");
        check(&"[".repeat(100_000), "nested deeper than 3 levels");
    }
}

//! The tokens with inner text: plain, quoted and block scalars, anchors, tags, directives.
//!
//! Follows vendor/go.yaml.in/yaml/v2/scannerc.go, `yaml_parser_scan_plain_scalar` and its siblings.

use super::YamlError;
use super::scan::{Mark, Scanner, Token, TokenKind, signed};
use crate::base::Str;

/// White space met inside of a scalar, until it is known what it stands for.
#[derive(Default)]
struct Gap {
    blanks: String,
    first_break: &'static str,
    more_breaks: String,
    broken: bool,
}

impl Gap {
    /// Appends what the gap stands for: the blanks of one line; or one space for a line break; or the
    /// breaks after the first.
    fn close(&mut self, text: &mut String) {
        if !self.broken {
            text.push_str(&self.blanks);
        } else if self.first_break != "\n" {
            text.push_str(self.first_break);
            text.push_str(&self.more_breaks);
        } else if self.more_breaks.is_empty() {
            text.push(' ');
        } else {
            text.push_str(&self.more_breaks);
        }
        *self = Self::default();
    }

    /// Passes one blank or one line break of `scanner`.
    fn take(&mut self, scanner: &mut Scanner<'_>) {
        if scanner.blank(0) {
            if !self.broken {
                self.blanks.push(char::from(scanner.byte(0)));
            }
            scanner.skip();
        } else if self.broken {
            self.more_breaks.push_str(scanner.skip_line());
        } else {
            self.blanks.clear();
            self.first_break = scanner.skip_line();
            self.broken = true;
        }
    }
}

/// What happens to the line breaks at the end of a block scalar.
#[derive(Clone, Copy, PartialEq)]
enum Chomping {
    Clip,
    Strip,
    Keep,
}

impl Scanner<'_> {
    pub(super) fn scan_plain(&mut self) -> Result<Token, YamlError> {
        let start = self.at;
        let mut end = start;
        let mut text = String::new();
        let mut gap = Gap::default();
        let indent = self.indent + 1;
        while !self.at_document_indicator() && self.byte(0) != b'#' {
            let run = self.at.offset;
            while !self.blankz(0) && !self.ends_plain() {
                self.skip();
            }
            if self.at.offset > run {
                gap.close(&mut text);
                text.push_str(&self.text[run..self.at.offset]);
                end = self.at;
            }
            if !self.blank(0) && self.break_len(0) == 0 {
                break;
            }
            while self.blank(0) || self.break_len(0) > 0 {
                if gap.broken && signed(self.at.column) < indent && self.byte(0) == b'\t' {
                    let problem = "found a tab character that violates indentation";
                    return Err(self.error(start, problem));
                }
                gap.take(self);
            }
            if self.flow == 0 && signed(self.at.column) < indent {
                break;
            }
        }
        if gap.broken {
            self.key_allowed = true;
        }
        Ok(Token { kind: TokenKind::Scalar { text: text.into(), plain: true }, start, end })
    }

    /// Whether the character here ends a plain scalar, in the block or flow context it stands in.
    fn ends_plain(&self) -> bool {
        match self.byte(0) {
            b':' => self.blankz(1),
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => self.flow > 0,
            _ => false,
        }
    }

    pub(super) fn scan_quoted(&mut self, single: bool) -> Result<Token, YamlError> {
        let start = self.at;
        let quote = self.byte(0);
        self.skip();
        let mut text = String::new();
        loop {
            if self.at_document_indicator() {
                return Err(self.error(start, "found unexpected document indicator"));
            }
            if self.byte(0) == 0 {
                return Err(self.error(start, "found unexpected end of stream"));
            }
            let mut gap = Gap::default();
            while !self.blankz(0) {
                if single && self.byte(0) == b'\'' && self.byte(1) == b'\'' {
                    text.push('\'');
                    self.skip();
                    self.skip();
                } else if self.byte(0) == quote {
                    break;
                } else if !single && self.byte(0) == b'\\' && self.break_len(1) > 0 {
                    self.skip();
                    self.skip_line();
                    gap.broken = true;
                    break;
                } else if !single && self.byte(0) == b'\\' {
                    text.push(self.scan_escape(start)?);
                } else {
                    let from = self.at.offset;
                    self.skip();
                    text.push_str(&self.text[from..self.at.offset]);
                }
            }
            if self.byte(0) == quote {
                break;
            }
            while self.blank(0) || self.break_len(0) > 0 {
                gap.take(self);
            }
            gap.close(&mut text);
        }
        self.skip();
        let kind = TokenKind::Scalar { text: text.into(), plain: false };
        Ok(Token { kind, start, end: self.at })
    }

    /// Reads a `\` and what it escapes.
    fn scan_escape(&mut self, start: Mark) -> Result<char, YamlError> {
        let (value, digits) = match self.byte(1) {
            b'0' => ('\0', 0),
            b'a' => ('\x07', 0),
            b'b' => ('\x08', 0),
            b't' | b'\t' => ('\t', 0),
            b'n' => ('\n', 0),
            b'v' => ('\x0B', 0),
            b'f' => ('\x0C', 0),
            b'r' => ('\r', 0),
            b'e' => ('\x1B', 0),
            byte @ (b' ' | b'"' | b'\'' | b'\\') => (char::from(byte), 0),
            b'N' => ('\u{85}', 0),
            b'_' => ('\u{a0}', 0),
            b'L' => ('\u{2028}', 0),
            b'P' => ('\u{2029}', 0),
            b'x' => ('\0', 2),
            b'u' => ('\0', 4),
            b'U' => ('\0', 8),
            _ => return Err(self.error(start, "found unknown escape character")),
        };
        self.skip();
        self.skip();
        if digits == 0 {
            return Ok(value);
        }
        let mut code = 0_u32;
        for ahead in 0..digits {
            let Some(digit) = char::from(self.byte(ahead)).to_digit(16) else {
                return Err(self.error(start, "did not find expected hexdecimal number"));
            };
            code = code << 4 | digit;
        }
        let Some(value) = char::from_u32(code) else {
            return Err(self.error(start, "found invalid Unicode character escape code"));
        };
        for _ in 0..digits {
            self.skip();
        }
        Ok(value)
    }

    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Result<Token, YamlError> {
        let start = self.at;
        self.skip();
        let (chomping, increment) = self.scan_block_header(start)?;
        let mut end = self.at;
        let mut indent = match increment {
            0 => 0,
            _ => usize::try_from(self.indent).unwrap_or(0) + increment,
        };
        let mut text = String::new();
        let mut leading_break = "";
        let mut breaks = String::new();
        let mut after_blank = false;
        self.scan_block_breaks(&mut indent, &mut breaks, start, &mut end)?;
        while self.at.column == indent && self.byte(0) != 0 {
            let blank = self.blank(0);
            if !literal && leading_break == "\n" && !after_blank && !blank {
                if breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(leading_break);
            }
            text.push_str(&breaks);
            breaks.clear();
            after_blank = blank;
            let run = self.at.offset;
            self.skip_comment();
            text.push_str(&self.text[run..self.at.offset]);
            leading_break = self.skip_line();
            self.scan_block_breaks(&mut indent, &mut breaks, start, &mut end)?;
        }
        if chomping != Chomping::Strip {
            text.push_str(leading_break);
        }
        if chomping == Chomping::Keep {
            text.push_str(&breaks);
        }
        Ok(Token { kind: TokenKind::Scalar { text: text.into(), plain: false }, start, end })
    }

    /// The rest of the first line of a block scalar: chomping, explicit indent (0: none), comment.
    fn scan_block_header(&mut self, start: Mark) -> Result<(Chomping, usize), YamlError> {
        let mut chomping = None;
        let mut increment = None;
        for _ in 0..2 {
            match self.byte(0) {
                sign @ (b'+' | b'-') if chomping.is_none() => {
                    chomping = Some(if sign == b'+' { Chomping::Keep } else { Chomping::Strip });
                }
                b'0' if increment.is_none() => {
                    let problem = "found an indentation indicator equal to 0";
                    return Err(self.error(start, problem));
                }
                digit @ b'1'..=b'9' if increment.is_none() => {
                    increment = Some(usize::from(digit - b'0'));
                }
                _ => break,
            }
            self.skip();
        }
        while self.blank(0) {
            self.skip();
        }
        if self.byte(0) == b'#' {
            self.skip_comment();
        }
        if !self.breakz(0) {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        self.skip_line();
        Ok((chomping.unwrap_or(Chomping::Clip), increment.unwrap_or(0)))
    }

    /// Passes indentation and empty lines inside of a block scalar; settles the indent if it is open.
    fn scan_block_breaks(
        &mut self,
        indent: &mut usize,
        breaks: &mut String,
        start: Mark,
        end: &mut Mark,
    ) -> Result<(), YamlError> {
        *end = self.at;
        let mut widest = 0;
        loop {
            while (*indent == 0 || self.at.column < *indent) && self.byte(0) == b' ' {
                self.skip();
            }
            widest = widest.max(self.at.column);
            if (*indent == 0 || self.at.column < *indent) && self.byte(0) == b'\t' {
                let problem = "found a tab character where an indentation space is expected";
                return Err(self.error(start, problem));
            }
            if self.break_len(0) == 0 {
                break;
            }
            breaks.push_str(self.skip_line());
            *end = self.at;
        }
        if *indent == 0 {
            *indent = widest.max(usize::try_from(self.indent + 1).unwrap_or(0)).max(1);
        }
        Ok(())
    }

    /// The name after a `&` or `*`.
    pub(super) fn scan_anchor(&mut self) -> Result<Str, YamlError> {
        let start = self.at;
        self.skip();
        let from = self.at.offset;
        while is_word(self.byte(0)) {
            self.skip();
        }
        let name = &self.text[from..self.at.offset];
        let ends = matches!(self.byte(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !(ends || self.blankz(0)) {
            let problem = "did not find expected alphabetic or numeric character";
            return Err(self.error(start, problem));
        }
        Ok(name.into())
    }

    pub(super) fn scan_tag(&mut self) -> Result<TokenKind, YamlError> {
        let start = self.at;
        let (handle, suffix) = if self.byte(1) == b'<' {
            self.skip();
            self.skip();
            let suffix = self.scan_tag_uri("", start)?;
            if self.byte(0) != b'>' {
                return Err(self.error(start, "did not find the expected '>'"));
            }
            self.skip();
            (String::new(), suffix)
        } else {
            let handle = self.scan_tag_handle(false, start)?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.scan_tag_uri("", start)?;
                (handle, suffix)
            } else {
                match self.scan_tag_uri(&handle, start)? {
                    suffix if suffix.is_empty() => (suffix, "!".to_owned()),
                    suffix => ("!".to_owned(), suffix),
                }
            }
        };
        if !self.blankz(0) {
            return Err(self.error(start, "did not find expected whitespace or line break"));
        }
        Ok(TokenKind::Tag { handle, suffix })
    }

    fn scan_tag_handle(&mut self, directive: bool, start: Mark) -> Result<String, YamlError> {
        if self.byte(0) != b'!' {
            return Err(self.error(start, "did not find expected '!'"));
        }
        let from = self.at.offset;
        self.skip();
        while is_word(self.byte(0)) {
            self.skip();
        }
        if self.byte(0) == b'!' {
            self.skip();
        } else if directive && self.at.offset > from + 1 {
            return Err(self.error(start, "did not find expected '!'"));
        }
        Ok(self.text[from..self.at.offset].to_owned())
    }

    /// The characters of a tag; `head` is a handle that turned out to be the start of it.
    fn scan_tag_uri(&mut self, head: &str, start: Mark) -> Result<String, YamlError> {
        let mut uri: Vec<u8> = head.bytes().skip(1).collect();
        let mut found = !head.is_empty();
        while is_word(self.byte(0)) || b";/?:@&=+$,.!~*'()[]%".contains(&self.byte(0)) {
            if self.byte(0) == b'%' {
                let digit = |ahead| char::from(self.byte(ahead)).to_digit(16);
                let octet = digit(1).zip(digit(2)).and_then(|(h, l)| u8::try_from(h << 4 | l).ok());
                let Some(octet) = octet else {
                    return Err(self.error(start, "did not find URI escaped octet"));
                };
                uri.push(octet);
                self.skip();
                self.skip();
            } else {
                uri.push(self.byte(0));
            }
            self.skip();
            found = true;
        }
        if !found {
            return Err(self.error(start, "did not find expected tag URI"));
        }
        String::from_utf8(uri)
            .map_err(|_| self.error(start, "found an incorrect leading UTF-8 octet"))
    }

    pub(super) fn scan_directive(&mut self) -> Result<TokenKind, YamlError> {
        let start = self.at;
        self.skip();
        let from = self.at.offset;
        while is_word(self.byte(0)) {
            self.skip();
        }
        if self.at.offset == from {
            return Err(self.error(start, "could not find expected directive name"));
        }
        if !self.blankz(0) {
            return Err(self.error(start, "found unexpected non-alphabetical character"));
        }
        let kind = match &self.text[from..self.at.offset] {
            "YAML" => self.scan_version(start)?,
            "TAG" => self.scan_tag_directive(start)?,
            _ => return Err(self.error(start, "found unknown directive name")),
        };
        self.skip_blanks();
        if self.byte(0) == b'#' {
            self.skip_comment();
        }
        if !self.breakz(0) {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        self.skip_line();
        Ok(kind)
    }

    fn skip_blanks(&mut self) {
        while self.blank(0) {
            self.skip();
        }
    }

    fn scan_version(&mut self, start: Mark) -> Result<TokenKind, YamlError> {
        self.skip_blanks();
        let major = self.scan_version_number(start)?;
        if self.byte(0) != b'.' {
            return Err(self.error(start, "did not find expected digit or '.' character"));
        }
        self.skip();
        let minor = self.scan_version_number(start)?;
        Ok(TokenKind::VersionDirective { major, minor })
    }

    fn scan_version_number(&mut self, start: Mark) -> Result<u8, YamlError> {
        let mut number = None;
        for length in 1.. {
            let digit @ b'0'..=b'9' = self.byte(0) else { break };
            if length > 2 {
                return Err(self.error(start, "found extremely long version number"));
            }
            number = Some(number.unwrap_or(0) * 10 + (digit - b'0'));
            self.skip();
        }
        number.ok_or_else(|| self.error(start, "did not find expected version number"))
    }

    fn scan_tag_directive(&mut self, start: Mark) -> Result<TokenKind, YamlError> {
        self.skip_blanks();
        let handle = self.scan_tag_handle(true, start)?;
        if !self.blank(0) {
            return Err(self.error(start, "did not find expected whitespace"));
        }
        self.skip_blanks();
        let prefix = self.scan_tag_uri("", start)?;
        if !self.blankz(0) {
            return Err(self.error(start, "did not find expected whitespace or line break"));
        }
        Ok(TokenKind::TagDirective { handle, prefix })
    }
}

/// The characters of names: letters, digits, `_` and `-`.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

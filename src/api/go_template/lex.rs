//! Words of a template: text, and what stands between `{{` and `}}`.

/// One word inside an action.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `.name`
    Field(String),
    /// `.`
    Dot,
    /// `$name`; `$` alone has no name.
    Variable(String),
    /// `name`
    Word(String),
    Text(String),
    Int(i64),
    Float(f64),
    Pipe,
    Comma,
    Open,
    Close,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    Space,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    /// An action and the line it begins in.
    Action(usize, Vec<Token>),
}

/// A line and what is wrong there.
pub(super) type Wrong = (usize, String);

/// Cuts a template into text and actions; comments are left out.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Wrong> {
    let mut pieces = Vec::new();
    let (mut rest, mut line, mut trim) = (text, 1, false);
    while let Some(open) = rest.find("{{") {
        let (before, inside) = (&rest[..open], &rest[open + 2..]);
        let trims_before =
            inside.strip_prefix('-').is_some_and(|r| r.starts_with([' ', '\t', '\n', '\r']));
        push_text(&mut pieces, before, trim, trims_before);
        line += before.matches('\n').count();
        let inside = if trims_before { &inside[1..] } else { inside };
        let (end, comment) = close(inside).ok_or_else(|| (line, "unclosed action".to_owned()))?;
        let action = &inside[..end];
        let trimmed = action.strip_suffix('-').filter(|a| a.ends_with([' ', '\t', '\n', '\r']));
        trim = trimmed.is_some() || (comment && action.ends_with('-'));
        if !comment {
            let action = trimmed.unwrap_or(action);
            pieces.push(Piece::Action(line, tokens(action).map_err(|what| (line, what))?));
        }
        line += action.matches('\n').count();
        rest = &inside[end + 2..];
    }
    push_text(&mut pieces, rest, trim, false);
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str, start: bool, end: bool) {
    let text = if start { text.trim_start() } else { text };
    let text = if end { text.trim_end() } else { text };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Where an action is closed, and whether it is a comment.
fn close(inside: &str) -> Option<(usize, bool)> {
    if let Some(comment) = inside.trim_start().strip_prefix("/*") {
        let begins = inside.len() - comment.len();
        let ends = begins + comment.find("*/")? + 2;
        return Some((ends + inside[ends..].find("}}")?, true));
    }
    let (mut quote, mut escaped) = (None, false);
    for (i, c) in inside.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"' | '\''), '\\') => escaped = true,
            (Some(q), c) if q == c => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '}') if inside[i..].starts_with("}}") => return Some((i, false)),
            _ => {}
        }
    }
    None
}

fn tokens(action: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = action;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let (token, left) = match c {
            c if c.is_whitespace() => (Token::Space, after.trim_start()),
            '|' => (Token::Pipe, after),
            ',' => (Token::Comma, after),
            '(' => (Token::Open, after),
            ')' => (Token::Close, after),
            '=' => (Token::Assign, after),
            ':' if after.starts_with('=') => (Token::Declare, &after[1..]),
            '.' if after.starts_with(|c: char| c.is_ascii_digit()) => number(rest)?,
            '.' => match word(after) {
                ("", left) => (Token::Dot, left),
                (name, left) => (Token::Field(name.to_owned()), left),
            },
            '$' => {
                let (name, left) = word(after);
                (Token::Variable(name.to_owned()), left)
            }
            '"' | '`' | '\'' => quoted(rest)?,
            c if c.is_ascii_digit() || matches!(c, '+' | '-') => number(rest)?,
            c if c.is_alphabetic() || c == '_' => {
                let (name, left) = word(rest);
                (Token::Word(name.to_owned()), left)
            }
            c => return Err(format!("unexpected {c:?} in command")),
        };
        tokens.push(token);
        rest = left;
    }
    Ok(tokens)
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

fn number(text: &str) -> Result<(Token, &str), String> {
    let end = text
        .char_indices()
        .find(|(i, c)| {
            let sign = matches!(c, '+' | '-') && (*i == 0 || text[..*i].ends_with(['e', 'E']));
            !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || sign)
        })
        .map_or(text.len(), |(i, _)| i);
    let (written, left) = text.split_at(end);
    let bare = written.replace('_', "");
    let hex = bare.strip_prefix("0x").and_then(|h| i64::from_str_radix(h, 16).ok());
    if let Some(number) = hex.or_else(|| bare.parse().ok()) {
        return Ok((Token::Int(number), left));
    }
    match bare.parse() {
        Ok(number) => Ok((Token::Float(number), left)),
        Err(_) => Err(format!("bad number syntax: {written:?}")),
    }
}

fn quoted(text: &str) -> Result<(Token, &str), String> {
    let quote = text.chars().next().unwrap_or('"');
    let (mut out, mut chars) = (String::new(), text[1..].char_indices());
    while let Some((i, c)) = chars.next() {
        match c {
            c if c == quote => {
                let left = &text[i + 2..];
                if quote == '\'' {
                    // A character is its number.
                    let mut only = out.chars();
                    return match (only.next(), only.next()) {
                        (Some(c), None) => Ok((Token::Int(i64::from(u32::from(c))), left)),
                        _ => Err("malformed character constant".to_owned()),
                    };
                }
                return Ok((Token::Text(out), left));
            }
            '\\' if quote != '`' => {
                let escaped = chars.next().map(|(_, c)| c);
                out.push(match escaped {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(c @ ('\\' | '"' | '\'')) => c,
                    Some('u') => {
                        let code: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        u32::from_str_radix(&code, 16)
                            .ok()
                            .and_then(char::from_u32)
                            .ok_or("invalid syntax in a quoted text")?
                    }
                    _ => return Err("invalid syntax in a quoted text".to_owned()),
                });
            }
            c => out.push(c),
        }
    }
    Err("unterminated quoted string".to_owned())
}

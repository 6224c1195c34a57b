//! Quoting text so that a shell reads it back: `set -x`, `export -p`, `printf %q`.

use super::ast::{Part, Word};

/// The text of a word without its quotes, expansions as written (a here-document's delimiter).
pub(crate) fn unquote(word: &Word) -> String {
    fn add(parts: &[Part], out: &mut String) {
        for part in parts {
            match part {
                Part::Lit(t) | Part::Quoted(t) => out.push_str(t),
                Part::Double(inner) => add(inner, out),
                Part::Param(p) => out.push_str(&p.raw),
                Part::Command(c) => {
                    crate::container::text::push(out, format_args!("$({})", c.text))
                }
                Part::Arith(w) => crate::container::text::push(out, format_args!("$(({}))", w.raw)),
                Part::Process(c, write) => {
                    let sign = if *write { '>' } else { '<' };
                    crate::container::text::push(out, format_args!("{sign}({})", c.text));
                }
            }
        }
    }
    let mut out = String::new();
    add(&word.parts, &mut out);
    out
}

/// In single quotes, always.
pub(crate) fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// As ash's `trap`, `export -p` and `alias` print: quoted pieces with bare single quotes between
/// (`'it'"'"'s'`).
pub(crate) fn ash_single(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    loop {
        let len = rest.find('\'').unwrap_or(rest.len());
        if len > 0 || rest.is_empty() && out.is_empty() {
            crate::container::text::push(&mut out, format_args!("'{}'", &rest[..len]));
        }
        rest = &rest[len..];
        let quotes = rest.len() - rest.trim_start_matches('\'').len();
        if quotes == 0 {
            return out;
        }
        crate::container::text::push(&mut out, format_args!("\"{}\"", &rest[..quotes]));
        rest = &rest[quotes..];
        if rest.is_empty() {
            return out;
        }
    }
}

/// As ash's `set -x` shows a word: quoted only where needed, an empty word as nothing.
pub(crate) fn ash_trace(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@+,^]".contains(c) || !c.is_ascii();
    if text.chars().all(plain) && !text.is_empty() {
        return text.to_owned();
    }
    if text.is_empty() {
        return String::new();
    }
    ash_single(text)
}

/// As bash's `set -x` shows a word.
pub(crate) fn bash_trace(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    if needs_ansi(text) {
        return ansi(text);
    }
    if text.chars().any(is_bash_special) || text.starts_with(['~', '#']) {
        single(text)
    } else {
        text.to_owned()
    }
}

/// Whether bash quotes this character in a trace.
fn is_bash_special(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t'
            | '\n'
            | '\''
            | '"'
            | '\\'
            | '|'
            | '&'
            | ';'
            | '('
            | ')'
            | '<'
            | '>'
            | '!'
            | '{'
            | '}'
            | '*'
            | '['
            | '?'
            | ']'
            | '^'
            | '$'
            | '`'
    )
}

fn needs_ansi(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_control() || crate::container::text::escaped_byte(c).is_some())
}

/// `$'...'`.
fn ansi(text: &str) -> String {
    let mut out = String::from("$'");
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\x1b' => out.push_str("\\E"),
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            c if c.is_ascii_control() => {
                crate::container::text::push(&mut out, format_args!("\\{:03o}", u32::from(c)))
            }
            c => match crate::container::text::escaped_byte(c) {
                Some(b) => crate::container::text::push(&mut out, format_args!("\\{b:03o}")),
                None => out.push(c),
            },
        }
    }
    out.push('\'');
    out
}

/// As `printf %q` of bash: a backslash before each special character.
pub(crate) fn backslashes(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    if needs_ansi(text) {
        return ansi(text);
    }
    let mut out = String::new();
    for (i, c) in text.char_indices() {
        if is_bash_special(c) || c == ',' || (i == 0 && matches!(c, '~' | '#')) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// As `${x@Q}` and `declare -p` of functions' kin: single quotes, or `$'...'` for control characters.
pub(crate) fn at_q(text: &str) -> String {
    if needs_ansi(text) { ansi(text) } else { single(text) }
}

/// As `declare -p` shows a value: in double quotes.
pub(crate) fn double(text: &str) -> String {
    if needs_ansi(text) {
        return ansi(text);
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_quotes_in_its_way() {
        assert_eq!(ash_single("it's"), r#"'it'"'"'s'"#);
        assert_eq!(ash_single("echo \"a b\""), "'echo \"a b\"'");
        assert_eq!(ash_trace("a*"), "'a*'");
        assert_eq!(bash_trace("in 1"), "'in 1'");
        assert_eq!(backslashes("a b"), r"a\ b");
        assert_eq!(double("a\"$x"), r#""a\"\$x""#);
        assert_eq!(single("a'b"), r"'a'\''b'");
    }
}

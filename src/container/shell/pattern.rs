//! Shell patterns: `*`, `?`, `[...]`, backslash quoting, and bash's extended `@(a|b)`.
//!
//! A pattern is text in which a backslash quotes the next character; expansions make such text from
//! words with quoted parts.

/// Whether an expanded pattern has anything to match with.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '*' | '?' => return true,
            '[' if chars.as_str().contains(']') => return true,
            '@' | '+' | '!' if chars.as_str().starts_with('(') => return true,
            _ => {}
        }
    }
    false
}

/// The text of a pattern without its quoting.
pub(crate) fn unescape(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next().unwrap_or('\\')),
            c => out.push(c),
        }
    }
    out
}

/// A text as a pattern that matches only itself.
pub(crate) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '(' | ')' | '|' | '@' | '+' | '!' | '-' | '^')
        {
            out.push('\\');
        }
        out.push(c);
    }
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    items: Vec<Item>,
}

#[derive(Clone, Debug)]
enum Item {
    Char(char),
    Any,
    Star,
    Set {
        negated: bool,
        ranges: Vec<Range>,
    },
    /// `?(..)`, `*(..)`, `+(..)`, `@(..)`, `!(..)`.
    Group(char, Vec<Vec<Item>>),
}

#[derive(Clone, Copy, Debug)]
enum Range {
    Span(char, char),
    Class(fn(char) -> bool),
}

impl Pattern {
    /// Reads a pattern; groups only where `extended`.
    pub(crate) fn new(text: &str, extended: bool) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        Self { items: items(&chars, &mut at, extended, false) }
    }

    /// Whether the whole of `text` matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        run(&self.items, &chars, &mut STEPS.clone())
    }

    /// The byte length of the shortest or longest beginning of `text` that matches.
    pub(crate) fn prefix(&self, text: &str, longest: bool) -> Option<usize> {
        let (chars, ends) = (characters(text), boundaries(text));
        let mut left = SEARCH_STEPS;
        let mut fits = |&end: &usize| self.fits(&chars[..end], &mut left);
        let mut places = 0..ends.len();
        let found = if longest { places.rev().find(fits) } else { places.find(&mut fits) };
        found.map(|end| ends[end])
    }

    /// The byte position of the shortest or longest end of `text` that matches.
    pub(crate) fn suffix(&self, text: &str, longest: bool) -> Option<usize> {
        let (chars, starts) = (characters(text), boundaries(text));
        let mut left = SEARCH_STEPS;
        let mut fits = |&start: &usize| self.fits(&chars[start..], &mut left);
        let mut places = 0..starts.len();
        let found = if longest { places.find(&mut fits) } else { places.rev().find(fits) };
        found.map(|start| starts[start])
    }

    /// The first longest match at or after a byte position.
    pub(crate) fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let (chars, places) = (characters(&text[from..]), boundaries(&text[from..]));
        let mut left = SEARCH_STEPS;
        (0..places.len()).find_map(|start| {
            let end = (start..places.len())
                .rev()
                .find(|&end| self.fits(&chars[start..end], &mut left))?;
            Some((from + places[start], from + places[end]))
        })
    }

    /// Whether the whole of some characters matches, at the cost of steps that are `left`.
    fn fits(&self, chars: &[char], left: &mut usize) -> bool {
        let given = STEPS.min(*left);
        let mut steps = given;
        let fits = given > 0 && run(&self.items, chars, &mut steps);
        *left = left.saturating_sub(given - steps + 1);
        fits
    }
}

fn characters(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn boundaries(text: &str) -> Vec<usize> {
    text.char_indices().map(|(i, _)| i).chain([text.len()]).collect()
}

/// Steps of one match before it counts as failed: patterns with many stars can take forever.
const STEPS: usize = 1_000_000;
/// Steps of all the matches of one search, which tries every beginning or end of a text.
const SEARCH_STEPS: usize = 20_000_000;

fn items(chars: &[char], at: &mut usize, extended: bool, in_group: bool) -> Vec<Item> {
    let mut out = Vec::new();
    while let Some(&c) = chars.get(*at) {
        if in_group && matches!(c, '|' | ')') {
            break;
        }
        *at += 1;
        if extended
            && matches!(c, '?' | '*' | '+' | '@' | '!')
            && chars.get(*at) == Some(&'(')
            && closes(chars, *at)
        {
            *at += 1;
            let mut alternatives = vec![items(chars, at, extended, true)];
            while chars.get(*at) == Some(&'|') {
                *at += 1;
                alternatives.push(items(chars, at, extended, true));
            }
            *at += 1;
            out.push(Item::Group(c, alternatives));
            continue;
        }
        out.push(match c {
            '\\' => {
                let quoted = chars.get(*at).copied();
                *at += usize::from(quoted.is_some());
                Item::Char(quoted.unwrap_or('\\'))
            }
            '?' => Item::Any,
            '*' => Item::Star,
            '[' => set(chars, at).unwrap_or(Item::Char('[')),
            c => Item::Char(c),
        });
    }
    out
}

fn closes(chars: &[char], open: usize) -> bool {
    let mut depth = 0usize;
    let mut at = open;
    while let Some(&c) = chars.get(at) {
        match c {
            '\\' => at += 1,
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return true;
                }
            }
            _ => {}
        }
        at += 1;
    }
    false
}

fn class(name: &str) -> Option<fn(char) -> bool> {
    Some(match name {
        "alnum" => |c| c.is_ascii_alphanumeric(),
        "alpha" => |c| c.is_ascii_alphabetic(),
        "blank" => |c| c == ' ' || c == '\t',
        "cntrl" => |c| c.is_ascii_control(),
        "digit" => |c| c.is_ascii_digit(),
        "graph" => |c| c.is_ascii_graphic(),
        "lower" => |c| c.is_ascii_lowercase(),
        "print" => |c| c.is_ascii_graphic() || c == ' ',
        "punct" => |c| c.is_ascii_punctuation(),
        "space" => |c| c.is_ascii_whitespace() || c == '\x0b',
        "upper" => |c| c.is_ascii_uppercase(),
        "xdigit" => |c| c.is_ascii_hexdigit(),
        _ => return None,
    })
}

fn set(chars: &[char], at: &mut usize) -> Option<Item> {
    let mut i = *at;
    let negated = matches!(chars.get(i), Some('!' | '^'));
    i += usize::from(negated);
    let mut ranges = Vec::new();
    let start = i;
    loop {
        let c = *chars.get(i)?;
        if c == ']' && i > start {
            break;
        }
        if c == '['
            && chars.get(i + 1) == Some(&':')
            && let Some(len) = chars[i + 2..].windows(2).position(|w| w == [':', ']'])
        {
            let name: String = chars[i + 2..i + 2 + len].iter().collect();
            if let Some(class) = class(&name) {
                ranges.push(Range::Class(class));
                i += len + 4;
                continue;
            }
        }
        let (low, next) = set_char(chars, i)?;
        if chars.get(next) == Some(&'-') && chars.get(next + 1).is_some_and(|&c| c != ']') {
            let (high, after) = set_char(chars, next + 1)?;
            ranges.push(Range::Span(low, high));
            i = after;
        } else {
            ranges.push(Range::Span(low, low));
            i = next;
        }
    }
    *at = i + 1;
    Some(Item::Set { negated, ranges })
}

fn set_char(chars: &[char], i: usize) -> Option<(char, usize)> {
    match chars.get(i)? {
        '\\' => Some((*chars.get(i + 1)?, i + 2)),
        c => Some((*c, i + 1)),
    }
}

fn run(items: &[Item], text: &[char], steps: &mut usize) -> bool {
    if *steps == 0 {
        return false;
    }
    *steps -= 1;
    let Some((first, rest)) = items.split_first() else { return text.is_empty() };
    match first {
        Item::Char(c) => text.first() == Some(c) && run(rest, &text[1..], steps),
        Item::Any => !text.is_empty() && run(rest, &text[1..], steps),
        Item::Set { negated, ranges } => {
            let Some(&c) = text.first() else { return false };
            let hit = ranges.iter().any(|r| match *r {
                Range::Span(a, b) => (a..=b).contains(&c),
                Range::Class(f) => f(c),
            });
            hit != *negated && run(rest, &text[1..], steps)
        }
        Item::Star => (0..=text.len()).any(|n| run(rest, &text[n..], steps)),
        Item::Group(kind, alternatives) => group(*kind, alternatives, rest, text, steps),
    }
}

fn group(
    kind: char,
    alternatives: &[Vec<Item>],
    rest: &[Item],
    text: &[char],
    steps: &mut usize,
) -> bool {
    let one =
        |len: usize, steps: &mut usize| alternatives.iter().any(|a| run(a, &text[..len], steps));
    match kind {
        '!' => (0..=text.len()).any(|n| !one(n, steps) && run(rest, &text[n..], steps)),
        '@' => (0..=text.len()).any(|n| one(n, steps) && run(rest, &text[n..], steps)),
        '?' => {
            run(rest, text, steps)
                || (1..=text.len()).any(|n| one(n, steps) && run(rest, &text[n..], steps))
        }
        _ => {
            if kind == '*' && run(rest, text, steps) {
                return true;
            }
            (1..=text.len()).any(|n| {
                one(n, steps)
                    && (run(rest, &text[n..], steps)
                        || group('+', alternatives, rest, &text[n..], steps))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let p = Pattern::new(pattern, true);
        for text in yes {
            assert!(p.matches(text), "{pattern} should match {text}");
        }
        for text in no {
            assert!(!p.matches(text), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        check("*.txt", &["a.txt", ".txt"], &["a.txts"]);
        check("a[!b]", &["ac"], &["ab"]);
        check("[]x]", &["]", "x"], &["y"]);
        check(r"[\]]", &["]"], &["\\"]);
        check(r"\*", &["*"], &["a"]);
        check("[[:digit:]a-c]", &["5", "b"], &["d"]);
        check("@(a|bc)", &["a", "bc"], &["abc"]);
        check("+(ab)", &["ab", "abab"], &["", "aba"]);
        check("!(a)", &["b", ""], &["a"]);
        check("[a", &["[a"], &["a"]);
    }

    #[test]
    fn prefixes_and_suffixes_are_shortest_or_longest() {
        let p = Pattern::new("*X", false);
        assert_eq!((p.prefix("aXbXc", false), p.prefix("aXbXc", true)), (Some(2), Some(4)));
        let p = Pattern::new("X*", false);
        assert_eq!((p.suffix("aXbXc", false), p.suffix("aXbXc", true)), (Some(3), Some(1)));
    }
}

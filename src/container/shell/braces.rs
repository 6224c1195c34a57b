//! Brace expansion of bash: `{a,b}`, `{1..3}`.

use super::ast::{Part, Word};

/// A character of a word, or a part that braces do not look into.
#[derive(Clone, Debug)]
enum Atom {
    Char(char),
    Part(Part),
}

/// Words that one brace expression may become.
const MAX_WORDS: usize = 100_000;

/// The words that a word becomes.
pub(crate) fn expand(word: &Word) -> Vec<Word> {
    let braces = word.parts.iter().any(|p| matches!(p, Part::Lit(t) if t.contains('{')));
    if !braces {
        return vec![word.clone()];
    }
    let atoms: Vec<Atom> = word
        .parts
        .iter()
        .flat_map(|p| match p {
            Part::Lit(t) => t.chars().map(Atom::Char).collect::<Vec<_>>(),
            other => vec![Atom::Part(other.clone())],
        })
        .collect();
    expand_atoms(&atoms, 0).into_iter().map(rebuild).collect()
}

fn rebuild(atoms: Vec<Atom>) -> Word {
    let mut parts = Vec::new();
    let mut text = String::new();
    for atom in atoms {
        match atom {
            Atom::Char(c) => text.push(c),
            Atom::Part(p) => {
                if !text.is_empty() {
                    parts.push(Part::Lit(std::mem::take(&mut text).into()));
                }
                parts.push(p);
            }
        }
    }
    if !text.is_empty() {
        parts.push(Part::Lit(text.into()));
    }
    Word { parts, raw: crate::base::Str::default() }
}

const fn is_char(atom: Option<&Atom>, want: char) -> bool {
    matches!(atom, Some(Atom::Char(c)) if *c == want)
}

fn expand_atoms(atoms: &[Atom], depth: usize) -> Vec<Vec<Atom>> {
    if depth < 32 {
        for open in 0..atoms.len() {
            if is_char(atoms.get(open), '{')
                && let Some((alternatives, close)) = alternatives(atoms, open)
            {
                let tails = expand_atoms(&atoms[close + 1..], depth + 1);
                let mut out = Vec::new();
                for alternative in alternatives {
                    for middle in expand_atoms(&alternative, depth + 1) {
                        for tail in &tails {
                            let mut word = atoms[..open].to_vec();
                            word.extend(middle.iter().cloned());
                            word.extend(tail.iter().cloned());
                            out.push(word);
                            if out.len() >= MAX_WORDS {
                                return out;
                            }
                        }
                    }
                }
                return out;
            }
        }
    }
    vec![atoms.to_vec()]
}

/// The alternatives of the brace at `open`, and where it closes.
fn alternatives(atoms: &[Atom], open: usize) -> Option<(Vec<Vec<Atom>>, usize)> {
    let mut depth = 0usize;
    let mut commas = Vec::new();
    let mut close = None;
    for (i, atom) in atoms.iter().enumerate().skip(open) {
        match atom {
            Atom::Char('{') => depth += 1,
            Atom::Char(',') if depth == 1 => commas.push(i),
            Atom::Char('}') => {
                depth -= 1;
                if depth == 0 {
                    close = Some(i);
                    break;
                }
            }
            Atom::Char(_) | Atom::Part(_) => {}
        }
    }
    let close = close?;
    if !commas.is_empty() {
        let mut out = Vec::new();
        let mut start = open + 1;
        for end in commas.into_iter().chain([close]) {
            out.push(atoms[start..end].to_vec());
            start = end + 1;
        }
        return Some((out, close));
    }
    let inner: Option<String> = atoms[open + 1..close]
        .iter()
        .map(|a| match a {
            Atom::Char(c) => Some(*c),
            Atom::Part(_) => None,
        })
        .collect();
    let words = sequence(&inner?)?;
    Some((words.iter().map(|w| w.chars().map(Atom::Char).collect()).collect(), close))
}

fn sequence(text: &str) -> Option<Vec<String>> {
    let mut ends = text.split("..");
    let (first, last, step) = (ends.next()?, ends.next()?, ends.next());
    if ends.next().is_some() {
        return None;
    }
    let step: i64 = match step {
        Some(s) => s.parse().ok()?,
        None => 1,
    };
    let step = usize::try_from(step.unsigned_abs().max(1)).ok()?;
    if let (Ok(a), Ok(b)) = (first.parse::<i64>(), last.parse::<i64>()) {
        let padded = |t: &str| {
            t.trim_start_matches(['-', '+']).starts_with('0')
                && t.trim_start_matches(['-', '+']).len() > 1
        };
        let width = if padded(first) || padded(last) { first.len().max(last.len()) } else { 0 };
        let show = |n: i64| {
            if n < 0 {
                format!("-{:0w$}", n.unsigned_abs(), w = width.saturating_sub(1))
            } else {
                format!("{n:0width$}")
            }
        };
        let out = if a <= b {
            (a..=b).step_by(step).take(MAX_WORDS).map(show).collect()
        } else {
            (b..=a).rev().step_by(step).take(MAX_WORDS).map(show).collect()
        };
        return Some(out);
    }
    let letter =
        |t: &str| Some(t.chars().next()?).filter(|c| t.len() == 1 && c.is_ascii_alphabetic());
    let (a, b) = (letter(first)?, letter(last)?);
    let out = if a <= b {
        (a..=b).step_by(step).map(String::from).collect()
    } else {
        (b..=a).rev().step_by(step).map(String::from).collect()
    };
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let words = expand(&Word::literal(text));
        let texts: Vec<&str> = words.iter().map(|w| w.as_literal().unwrap_or("")).collect();
        assert_eq!(texts.join(" "), want, "{text}");
    }

    #[test]
    fn braces_expand_left_to_right() {
        check("a{x,y}b", "axb ayb");
        check("{a,b}{1,2}", "a1 a2 b1 b2");
        check("{01..03}", "01 02 03");
        check("{10..1..3}", "10 7 4 1");
        check("{e..a}", "e d c b a");
        check("{single}", "{single}");
        check("{a,{b,c}}", "a b c");
        check("x{,y}", "x xy");
    }
}

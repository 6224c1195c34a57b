//! Options of a command line, read as the C library's `getopt_long` reads them.
//!
//! Short options may stand together and have their argument attached or behind them; long ones may be
//! shortened as long as they are clear, and have theirs after `=` or behind them. Options and operands
//! may be mixed unless the tool stops at the first operand (`xargs`). `--` ends the options.

use super::{Begun, Call};
use crate::base::Str;

/// What a tool understands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syntax {
    /// Letters; `:` after one that has an argument, `::` after one that may have one attached, `+` in
    /// front when options end at the first operand.
    pub(crate) short: &'static str,
    /// Long names with the letter that each stands for.
    pub(crate) long: &'static [(&'static str, char)],
    /// The usage line.
    pub(crate) usage: &'static str,
    /// The status for a command line that cannot be read.
    pub(crate) status: u8,
}

/// A command line that was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Options in order with their arguments.
    pub(crate) given: Vec<(char, Str)>,
    /// What is not an option.
    pub(crate) operands: Vec<Str>,
}

impl Options {
    /// Whether an option was given.
    pub(crate) fn has(&self, letter: char) -> bool {
        self.given.iter().any(|(c, _)| *c == letter)
    }

    /// The argument of an option; the last one counts.
    pub(crate) fn value(&self, letter: char) -> Option<&Str> {
        self.given.iter().rev().find(|(c, _)| *c == letter).map(|(_, v)| v)
    }

    /// All arguments of an option, in order.
    pub(crate) fn values(&self, letter: char) -> impl Iterator<Item = &Str> {
        self.given.iter().filter(move |(c, _)| *c == letter).map(|(_, v)| v)
    }
}

/// Whether a letter has an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Something,
    Attached,
}

fn takes(short: &str, letter: char) -> Option<Takes> {
    if letter == ':' || letter == '+' {
        return None;
    }
    let rest = &short[short.find(letter)? + letter.len_utf8()..];
    Some(if rest.starts_with("::") {
        Takes::Attached
    } else if rest.starts_with(':') {
        Takes::Something
    } else {
        Takes::Nothing
    })
}

/// Reads a command line; `Err` is the complaint.
pub(crate) fn read(args: &[Str], syntax: Syntax) -> Result<Options, String> {
    let mut options = Options::default();
    let mut iter = args.iter();
    while let Some(arg) = iter.next() {
        if arg == "--" {
            options.operands.extend(iter.cloned());
            break;
        }
        if let Some(long) = arg.strip_prefix("--") {
            let next = &mut || iter.next().cloned();
            options.given.push(read_long(long, syntax, next)?);
            continue;
        }
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            options.operands.push(arg.clone());
            if syntax.short.starts_with('+') {
                options.operands.extend(iter.cloned());
                break;
            }
            continue;
        };
        let mut at = 0;
        while let Some(letter) = letters[at..].chars().next() {
            at += letter.len_utf8();
            let attached = &letters[at..];
            let value = match takes(syntax.short, letter) {
                None => return Err(format!("invalid option -- '{letter}'")),
                Some(Takes::Nothing) => {
                    options.given.push((letter, Str::default()));
                    continue;
                }
                Some(Takes::Attached) => attached.into(),
                Some(Takes::Something) if !attached.is_empty() => attached.into(),
                Some(Takes::Something) => match iter.next() {
                    Some(value) => value.clone(),
                    None => return Err(format!("option requires an argument -- '{letter}'")),
                },
            };
            options.given.push((letter, value));
            break;
        }
    }
    Ok(options)
}

fn read_long(
    long: &str,
    syntax: Syntax,
    next: &mut dyn FnMut() -> Option<Str>,
) -> Result<(char, Str), String> {
    let (name, value) = match long.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (long, None),
    };
    let unknown = || format!("unrecognized option '--{name}'");
    let exact = syntax.long.iter().find(|(n, _)| *n == name);
    let mut close = syntax.long.iter().filter(|(n, _)| n.starts_with(name));
    let &(_, letter) = match (exact, close.next(), close.next()) {
        (Some(found), _, _) | (None, Some(found), None) => found,
        (None, Some(_), Some(_)) => return Err(format!("option '--{name}' is ambiguous")),
        (None, None, _) => return Err(unknown()),
    };
    match (takes(syntax.short, letter).unwrap_or(Takes::Nothing), value) {
        (Takes::Nothing, Some(_)) => Err(format!("option '--{name}' doesn't allow an argument")),
        (Takes::Something, None) => match next() {
            Some(value) => Ok((letter, value)),
            None => Err(format!("option '--{name}' requires an argument")),
        },
        (_, value) => Ok((letter, value.unwrap_or_default().into())),
    }
}

impl Call<'_, '_, '_> {
    /// Reads the command line; a bad one is answered with a complaint and the usage text.
    pub(crate) fn options(&mut self, syntax: Syntax) -> Result<Options, Begun> {
        self.options_of(self.args, syntax)
    }

    /// The same for other words than the tool's own.
    pub(crate) fn options_of(&mut self, args: &[Str], syntax: Syntax) -> Result<Options, Begun> {
        if args.first().is_some_and(|a| a == "--help") {
            return Err(self.usage(syntax.usage, 0));
        }
        read(args, syntax).map_err(|complaint| {
            self.err(&complaint);
            self.usage(syntax.usage, syntax.status)
        })
    }

    /// Says that an argument of an option is no number, and ends with this status.
    pub(crate) fn bad_number(&mut self, text: &str, status: u8) -> Begun {
        self.err(&format!("invalid number '{text}'"));
        Begun::Exit(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNTAX: Syntax = Syntax {
        short: "ab:c::",
        long: &[("all", 'a'), ("bytes", 'b'), ("bits", 'c')],
        usage: "",
        status: 1,
    };

    #[track_caller]
    fn check(args: &str, given: &str, operands: &str) {
        let args: Vec<Str> = args.split(' ').map(Str::from).collect();
        let options = read(&args, SYNTAX).unwrap();
        let words: Vec<String> = options.given.iter().map(|(c, v)| format!("{c}{v}")).collect();
        assert_eq!(words.join(" "), given);
        assert_eq!(options.operands.join(" "), operands);
    }

    #[test]
    fn options_are_read_as_getopt_reads_them() {
        check("-ab1 x -c2 -c -- -a", "a b1 c2 c", "x -a");
        check("-b 1 - -a", "b1 a", "-");
        check("--all --bytes=3 --by 4 --bits", "a b3 b4 c", "");
    }

    #[test]
    fn what_is_wrong_with_options_is_said() {
        let error = |arg: &str| read(&[arg.into()], SYNTAX).unwrap_err();
        assert_eq!(error("-x"), "invalid option -- 'x'");
        assert_eq!(error("-b"), "option requires an argument -- 'b'");
        assert_eq!(error("--nope"), "unrecognized option '--nope'");
        assert_eq!(error("--b"), "option '--b' is ambiguous");
        assert_eq!(error("--all=1"), "option '--all' doesn't allow an argument");
    }
}

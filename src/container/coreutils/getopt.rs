//! `getopt` of util-linux, as busybox has it: a command line put in order for a shell's loop.

use super::options::Syntax;
use super::{Begun, Call};
use crate::base::Str;

const SYNTAX: Syntax = Syntax {
    short: "+o:n:qQs:Tual:",
    long: &[
        ("alternative", 'a'),
        ("longoptions", 'l'),
        ("name", 'n'),
        ("options", 'o'),
        ("quiet", 'q'),
        ("quiet-output", 'Q'),
        ("shell", 's'),
        ("test", 'T'),
        ("unquoted", 'u'),
    ],
    usage: "[OPTIONS] [--] OPTSTRING PARAMS",
    status: 2,
};

/// Whether an option has an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument {
    No,
    Needed,
    Optional,
}

/// What is understood.
struct Grammar {
    short: Vec<(char, Argument)>,
    long: Vec<(String, Argument)>,
    /// Options end at the first word that is none (`+` or POSIXLY_CORRECT).
    strict: bool,
    quoted: bool,
}

/// What comes out: options in order, and the rest.
#[derive(Default)]
struct Sorted {
    out: String,
    rest: Vec<Str>,
    complaints: Vec<String>,
}

/// `getopt`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let old_form = call.args.first().is_some_and(|a| !a.starts_with('-'));
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    if options.has('T') {
        return Begun::Exit(4);
    }
    let mut words = options.operands.clone();
    let letters = match options.value('o') {
        Some(letters) => letters.clone(),
        None if words.is_empty() => {
            call.err("missing optstring argument");
            return Begun::Exit(2);
        }
        None => words.remove(0),
    };
    let grammar = Grammar {
        short: short_options(&letters),
        long: options.values('l').flat_map(|list| long_options(list)).collect(),
        strict: letters.starts_with('+') || call.variable("POSIXLY_CORRECT").is_some(),
        quoted: !old_form && !options.has('u'),
    };
    let sorted = sort(&grammar, &words);
    let name = options.value('n').cloned().unwrap_or_else(|| "getopt".into());
    if !options.has('q') {
        for complaint in &sorted.complaints {
            call.sys.err(&format!("{name}: {complaint}\n"));
        }
    }
    if !options.has('Q') {
        let rest: String = sorted.rest.iter().map(|w| format!(" {}", grammar.quote(w))).collect();
        call.out(&format!("{} --{rest}\n", sorted.out));
    }
    Begun::Exit(u8::from(!sorted.complaints.is_empty()))
}

fn short_options(letters: &str) -> Vec<(char, Argument)> {
    let letters = letters.trim_start_matches(['+', '-', ':']);
    let mut out: Vec<(char, Argument)> = Vec::new();
    for c in letters.chars() {
        match (c, out.last_mut()) {
            (':', Some((_, argument))) => {
                *argument =
                    if *argument == Argument::No { Argument::Needed } else { Argument::Optional };
            }
            _ => out.push((c, Argument::No)),
        }
    }
    out
}

fn long_options(list: &str) -> Vec<(String, Argument)> {
    let words = list.split([',', ' ', '\t', '\n']).filter(|w| !w.is_empty());
    words
        .map(|word| {
            let name = word.trim_end_matches(':');
            let argument = match word.len() - name.len() {
                0 => Argument::No,
                1 => Argument::Needed,
                _ => Argument::Optional,
            };
            (name.to_owned(), argument)
        })
        .collect()
}

impl Grammar {
    fn quote(&self, text: &str) -> String {
        if self.quoted { format!("'{}'", text.replace('\'', "'\\''")) } else { text.to_owned() }
    }

    /// The long option that a name, perhaps shortened, means.
    fn long(&self, name: &str) -> Result<&(String, Argument), String> {
        if let Some(exact) = self.long.iter().find(|(n, _)| n == name) {
            return Ok(exact);
        }
        let mut like = self.long.iter().filter(|(n, _)| n.starts_with(name));
        match (like.next(), like.next()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err(format!("option '--{name}' is ambiguous")),
            (None, _) => Err(format!("unrecognized option '--{name}'")),
        }
    }
}

fn sort(grammar: &Grammar, words: &[Str]) -> Sorted {
    let mut sorted = Sorted::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            sorted.rest.extend(words.cloned());
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            sorted.long(grammar, long, &mut words);
        } else if word.len() > 1 && word.starts_with('-') {
            sorted.short(grammar, &word[1..], &mut words);
        } else {
            sorted.rest.push(word.clone());
            if grammar.strict {
                sorted.rest.extend(words.cloned());
                break;
            }
        }
    }
    sorted
}

impl Sorted {
    fn put(&mut self, grammar: &Grammar, option: &str, value: Option<&str>) {
        self.out.push(' ');
        self.out.push_str(option);
        if let Some(value) = value {
            self.out.push(' ');
            self.out.push_str(&grammar.quote(value));
        }
    }

    fn long<'w>(
        &mut self,
        grammar: &Grammar,
        text: &str,
        words: &mut impl Iterator<Item = &'w Str>,
    ) {
        let (name, inline) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v)));
        let (name, argument) = match grammar.long(name) {
            Ok(found) => found,
            Err(complaint) => return self.complaints.push(complaint),
        };
        let option = format!("--{name}");
        match (argument, inline) {
            (Argument::No, None) => self.put(grammar, &option, None),
            (Argument::No, Some(_)) => {
                self.complaints.push(format!("option '{option}' doesn't allow an argument"))
            }
            (Argument::Needed | Argument::Optional, Some(value)) => {
                self.put(grammar, &option, Some(value))
            }
            (Argument::Optional, None) => self.put(grammar, &option, Some("")),
            (Argument::Needed, None) => match words.next() {
                Some(value) => self.put(grammar, &option, Some(value)),
                None => self.complaints.push(format!("option '{option}' requires an argument")),
            },
        }
    }

    fn short<'w>(
        &mut self,
        grammar: &Grammar,
        letters: &str,
        words: &mut impl Iterator<Item = &'w Str>,
    ) {
        for (at, letter) in letters.char_indices() {
            let attached = &letters[at + letter.len_utf8()..];
            let option = format!("-{letter}");
            match grammar.short.iter().find(|(c, _)| *c == letter).map(|(_, argument)| *argument) {
                None => self.complaints.push(format!("invalid option -- '{letter}'")),
                Some(Argument::No) => self.put(grammar, &option, None),
                Some(Argument::Optional) => return self.put(grammar, &option, Some(attached)),
                Some(Argument::Needed) if !attached.is_empty() => {
                    return self.put(grammar, &option, Some(attached));
                }
                Some(Argument::Needed) => {
                    return match words.next() {
                        Some(value) => self.put(grammar, &option, Some(value)),
                        None => self
                            .complaints
                            .push(format!("option requires an argument -- '{letter}'")),
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_put_in_order() {
        let grammar = Grammar {
            short: short_options("ab:c::"),
            long: long_options("all,to:,maybe::"),
            strict: false,
            quoted: true,
        };
        let check = |line: &str, want: &str, rest: &str| {
            let words: Vec<Str> = line.split(' ').map(Str::from).collect();
            let sorted = sort(&grammar, &words);
            assert_eq!(
                (sorted.out.as_str(), sorted.rest.join(" ").as_str()),
                (want, rest),
                "{line}"
            );
        };
        check("x -ab 1 y --to=3 -- -z", " -a -b '1' --to '3'", "x y -z");
        check("-b5 -c -c6 --al --maybe", " -b '5' -c '' -c '6' --all --maybe ''", "");
        assert_eq!(sort(&grammar, &["-q".into()]).complaints, ["invalid option -- 'q'"]);
        assert_eq!(
            sort(&grammar, &["--to".into()]).complaints,
            ["option '--to' requires an argument"]
        );
    }
}

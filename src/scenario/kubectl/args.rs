//! Command lines: words, and flags among them.
//!
//! As github.com/spf13/pflag reads them: `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`,
//! letters together (`-it`), `--` before words that are no flags.

use std::collections::BTreeMap;

use super::Failure;
use super::go;
use super::table::{Effect, Flag, Takes, Verb};

/// A command line after its verb.
#[derive(Clone, Debug, Default)]
pub(super) struct Args {
    /// Words that are no flags.
    pub(super) words: Vec<String>,
    /// How many words stand before `--`, where there is one.
    pub(super) dash: Option<usize>,
    /// The verb's words.
    pub(super) verb: &'static str,
    /// What flags were given, by their long names; of a repeated flag all values.
    given: BTreeMap<&'static str, Vec<String>>,
    /// The values of flags that were not given.
    defaults: BTreeMap<&'static str, &'static str>,
}

impl Args {
    /// Reads words and flags.
    ///
    /// # Errors
    /// A flag that the verb does not have, without its value, or with a wrong one.
    pub(super) fn parse(verb: &'static Verb, words: &[String]) -> Result<Self, Failure> {
        let defaults = verb.all_flags().map(|f| (f.name, f.default)).collect();
        let mut args = Self { verb: verb.path, defaults, ..Self::default() };
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                args.dash = Some(args.words.len());
                args.words.extend(rest.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                args.long(verb, long, &mut rest)?;
            } else if word.len() > 1 && word.starts_with('-') {
                args.short(verb, &word[1..], &mut rest)?;
            } else {
                args.words.push(word.clone());
            }
        }
        Ok(args)
    }

    fn long<'a>(
        &mut self,
        verb: &'static Verb,
        word: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), Failure> {
        let (name, value) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
        if name.is_empty() || name.starts_with('-') {
            return Err(usage(verb, &format!("bad flag syntax: --{word}")));
        }
        let Some(flag) = verb.flag(name) else {
            let unknown = format!("unknown flag: --{name}");
            return Err(if name == "help" { help(verb) } else { usage(verb, &unknown) });
        };
        let value = match (value, alone(flag)) {
            (Some(value), _) => value.to_owned(),
            (None, Some(value)) => value.to_owned(),
            (None, None) => rest
                .next()
                .ok_or_else(|| usage(verb, &format!("flag needs an argument: --{name}")))?
                .clone(),
        };
        self.set(verb, flag, value)
    }

    fn short<'a>(
        &mut self,
        verb: &'static Verb,
        letters: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), Failure> {
        let mut left = letters;
        while let Some(letter) = left.chars().next() {
            let after = &left[letter.len_utf8()..];
            let Some(flag) = verb.all_flags().find(|f| f.letter == Some(letter)) else {
                let text = format!("unknown shorthand flag: '{letter}' in -{left}");
                return Err(if letter == 'h' { help(verb) } else { usage(verb, &text) });
            };
            let value = if let Some(value) = after.strip_prefix('=').filter(|_| left.len() > 2) {
                left = "";
                value.to_owned()
            } else if let Some(value) = alone(flag) {
                left = after;
                value.to_owned()
            } else if !after.is_empty() {
                left = "";
                after.to_owned()
            } else {
                let text = format!("flag needs an argument: '{letter}' in -{left}");
                left = "";
                rest.next().ok_or_else(|| usage(verb, &text))?.clone()
            };
            self.set(verb, flag, value)?;
        }
        Ok(())
    }

    fn set(&mut self, verb: &Verb, flag: &'static Flag, value: String) -> Result<(), Failure> {
        let wrong = |why: String| {
            let name = match flag.letter {
                Some(letter) => format!("-{letter}, --{}", flag.name),
                None => format!("--{}", flag.name),
            };
            usage(verb, &format!("invalid argument {value:?} for {name:?} flag: {why}"))
        };
        let bad = |function: &str, why: &str| {
            wrong(format!("strconv.{function}: parsing {value:?}: {why}"))
        };
        match flag.takes {
            Takes::Switch if go::parse_bool(&value).is_none() => {
                return Err(bad("ParseBool", "invalid syntax"));
            }
            Takes::Number if value.parse::<i64>().is_err() => {
                return Err(bad("ParseInt", "invalid syntax"));
            }
            Takes::Time => {
                go::parse_duration(&value).map_err(wrong)?;
            }
            _ => {}
        }
        if let Effect::Refused(why) = flag.effect {
            return Err(format!("--{} is refused: {why}", flag.name).into());
        }
        let values = self.given.entry(flag.name).or_default();
        match flag.takes {
            Takes::List => values.extend(value.split(',').map(str::to_owned)),
            Takes::Texts => values.push(value),
            _ => *values = vec![value],
        }
        Ok(())
    }

    /// The same line with other words.
    pub(super) fn with_words(&self, words: Vec<String>) -> Self {
        Self { words, ..self.clone() }
    }

    /// Sets the value of a flag that was given.
    pub(super) fn put(&mut self, name: &'static str, value: String) {
        self.given.insert(name, vec![value]);
    }

    /// The same line without a flag.
    pub(super) fn clear(&mut self, name: &str) {
        self.given.remove(name);
    }

    /// Whether a flag was given.
    pub(super) fn given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The value of a flag, or what stands for it.
    pub(super) fn text(&self, name: &str) -> &str {
        let given = self.given.get(name).and_then(|v| v.last()).map(String::as_str);
        given.unwrap_or_else(|| self.defaults.get(name).copied().unwrap_or_default())
    }

    /// All values of a flag.
    pub(super) fn list(&self, name: &str) -> &[String] {
        self.given.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a switch is on.
    pub(super) fn on(&self, name: &str) -> bool {
        go::parse_bool(self.text(name)) == Some(true)
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// A length of time in nanoseconds, which may be negative.
    pub(super) fn nanos(&self, name: &str) -> i64 {
        go::parse_duration(self.text(name)).unwrap_or(0)
    }
}

/// What a flag means without a value; `None` where it takes the next word.
fn alone(flag: &Flag) -> Option<&'static str> {
    match flag.takes {
        Takes::Switch => Some("true"),
        Takes::TextOr(value) => Some(value),
        Takes::Text | Takes::Texts | Takes::List | Takes::Number | Takes::Time => None,
    }
}

/// A flag error (`templates.FlagErrorFunc`).
fn usage(verb: &Verb, text: &str) -> Failure {
    Failure::Plain(format!("{text}\nSee 'kubectl {} --help' for usage.", verb.path))
}

/// The help text: it goes to standard output, and nothing is done.
fn help(verb: &Verb) -> Failure {
    Failure::Exit(HELP, verb.help())
}

/// The exit code that stands for "print this on standard output and exit with 0".
pub(super) const HELP: i32 = i32::MIN;

/// The exit code that stands for "print this on standard output and exit with 1".
pub(super) const GROUP_HELP: i32 = i32::MIN + 1;

/// Splits a command line into words as a shell does: quotes and backslashes, no expansions.
///
/// # Errors
/// A quote that is not closed.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('"'), '\\') => {
                // Between double quotes a backslash is kept before anything that it cannot hide.
                let hidden = chars.next_if(|c| matches!(c, '"' | '\\' | '$' | '`' | '\n'));
                word.get_or_insert_default().push(hidden.unwrap_or('\\'));
            }
            (None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(q) = quote {
        return Err(format!("the quote {q} is not closed in: {line}"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::super::table::{Named, find};
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let check = |line: &str, words: &[&str]| assert_eq!(split(line).unwrap(), words, "{line}");
        check("scale  deployment/web --replicas=3", &["scale", "deployment/web", "--replicas=3"]);
        check(r#"patch x -p '{"a": "b c"}'"#, &["patch", "x", "-p", r#"{"a": "b c"}"#]);
        check(r#"a "b \" c" d\ e ''"#, &["a", "b \" c", "d e", ""]);
        check(r#"get -o jsonpath="{.a\.b}""#, &["get", "-o", r"jsonpath={.a\.b}"]);
        assert!(split("a 'b").is_err());
    }

    fn parse(line: &str) -> Result<Args, Failure> {
        let words = split(line).unwrap();
        let texts: Vec<&str> = words.iter().map(String::as_str).collect();
        let Named::Verb(verb, n) = find(&texts) else { panic!("no verb in {line}") };
        Args::parse(verb, &words[n..])
    }

    #[test]
    fn flags_are_found_in_any_of_their_forms() {
        let args =
            parse("delete pod web -n other --grace-period=2 --wait=false --force -lapp=web -A")
                .unwrap();
        assert_eq!((args.words.len(), args.text("namespace")), (2, "other"));
        assert_eq!(args.number("grace-period"), 2);
        assert_eq!(args.text("selector"), "app=web");
        assert!(args.on("force") && !args.on("wait") && args.on("all-namespaces"));
        let args = parse("exec -it web -c main -- sh -c 'echo -n x'").unwrap();
        assert_eq!((args.words.len(), args.dash), (4, Some(1)));
        assert!(args.on("stdin") && args.on("tty"));
    }

    #[test]
    fn wrong_flags_are_refused_in_the_words_of_kubectl() {
        let check = |line: &str, says: &str| {
            assert_eq!(parse(line).unwrap_err().text(), says, "{line}");
        };
        let see = "\nSee 'kubectl scale --help' for usage.";
        check("scale deploy/web --replica=3", &format!("unknown flag: --replica{see}"));
        check("scale deploy/web -z", &format!("unknown shorthand flag: 'z' in -z{see}"));
        check("scale deploy/web --replicas", &format!("flag needs an argument: --replicas{see}"));
        check(
            "scale deploy/web --replicas=x",
            &format!(
                "invalid argument \"x\" for \"--replicas\" flag: strconv.ParseInt: parsing \"x\": invalid syntax{see}"
            ),
        );
        check(
            "scale deploy/web --replicas=1 --timeout=5",
            &format!(
                "invalid argument \"5\" for \"--timeout\" flag: time: missing unit in duration \"5\"{see}"
            ),
        );
    }
}

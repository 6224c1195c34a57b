//! Command lines: words, and flags among them.

use std::collections::BTreeMap;

/// A command line after its verb.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Args {
    /// Words that are no flags.
    pub(super) words: Vec<String>,
    /// Flags by their long name; of a repeated flag all values.
    flags: BTreeMap<String, Vec<String>>,
    /// The namespace that is meant.
    pub(super) namespace: String,
}

/// Flags that take no value unless one follows `=`.
const SWITCHES: [&str; 12] = [
    "all",
    "force",
    "wait",
    "overwrite",
    "ignore-daemonsets",
    "all-namespaces",
    "now",
    "recursive",
    "local",
    "delete-emptydir-data",
    "disable-eviction",
    "ignore-not-found",
];
/// Short names.
const SHORT: [(&str, &str); 6] = [
    ("l", "selector"),
    ("n", "namespace"),
    ("f", "filename"),
    ("p", "patch"),
    ("A", "all-namespaces"),
    ("o", "output"),
];

impl Args {
    /// Reads words and flags.
    pub(super) fn parse(words: &[String], namespace: &str) -> Result<Self, String> {
        let mut args = Self { namespace: namespace.to_owned(), ..Self::default() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix('-').filter(|f| !f.is_empty()) else {
                args.words.push(word.clone());
                continue;
            };
            let (name, value) = match flag.strip_prefix('-').unwrap_or(flag).split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag.strip_prefix('-').unwrap_or(flag), None),
            };
            let name = SHORT.iter().find(|(s, _)| *s == name).map_or(name, |(_, long)| long);
            let value = match value {
                Some(value) => value,
                None if SWITCHES.contains(&name) => "true".to_owned(),
                None => match words.next() {
                    Some(value) => value.clone(),
                    None => return Err(format!("error: flag needs an argument: --{name}")),
                },
            };
            args.flags.entry(name.to_owned()).or_default().push(value);
        }
        if let Some(own) = args.flag("namespace") {
            args.namespace = own.to_owned();
        }
        Ok(args)
    }

    /// The last value of a flag.
    pub(super) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.get(name).and_then(|v| v.last()).map(String::as_str)
    }

    /// Whether a switch is on; `default` where it is not given.
    pub(super) fn is_set(&self, name: &str, default: bool) -> bool {
        self.flag(name).map_or(default, |v| v != "false")
    }

    /// A whole number of at least zero.
    pub(super) fn number(&self, name: &str) -> Result<Option<i32>, String> {
        let Some(text) = self.flag(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            format!("error: invalid argument {text:?} for \"--{name}\" flag: not a whole number")
        })
    }
}

/// Splits a command line into words as a shell does: quotes and backslashes, no expansions.
///
/// # Errors
/// A quote that is not closed.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('"') | None, '\\') => {
                word.get_or_insert_default().extend(chars.next());
            }
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
        return Err(format!("error: the quote {q} is not closed in: {line}"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let check = |line: &str, words: &[&str]| assert_eq!(split(line).unwrap(), words, "{line}");
        check("scale  deployment/web --replicas=3", &["scale", "deployment/web", "--replicas=3"]);
        check(r#"patch x -p '{"a": "b c"}'"#, &["patch", "x", "-p", r#"{"a": "b c"}"#]);
        check(r#"a "b \" c" d\ e ''"#, &["a", "b \" c", "d e", ""]);
        assert!(split("a 'b").is_err());
    }

    #[test]
    fn flags_are_found_in_any_of_their_forms() {
        let words =
            split("pod web -n other --grace-period=2 --wait=false --force -l app=web").unwrap();
        let args = Args::parse(&words, "default").unwrap();
        assert_eq!((args.words.len(), args.namespace.as_str()), (2, "other"));
        assert_eq!(args.number("grace-period"), Ok(Some(2)));
        assert_eq!(args.flag("selector"), Some("app=web"));
        assert!(args.is_set("force", false) && !args.is_set("wait", true));
    }
}

//! The table of verbs: each verb with its flags, as data.
//!
//! Parsing ([`super::args`]), help texts, the page `docs/kubectl.md` and the errors about wrong flags
//! come from it. A flag that has no effect in a simulation stands in it all the same, with the reason.

use super::args::Args;
use super::{Cx, Failure, Tasks};

/// One verb, or one verb with its sub-command.
pub(super) struct Verb {
    /// Its words: `scale`, `rollout undo`, `create secret tls`.
    pub(super) path: &'static str,
    /// Other names of its last word.
    pub(super) aliases: &'static [&'static str],
    /// What follows `kubectl` in its usage line.
    pub(super) usage: &'static str,
    /// What it does, in a sentence.
    pub(super) about: &'static str,
    /// Its flags, in groups.
    pub(super) flags: &'static [&'static [Flag]],
    /// How far it goes.
    pub(super) treatment: Treatment,
    /// Makes tasks of a command line.
    pub(super) plan: fn(&Args, &Cx<'_>) -> Result<Tasks, Failure>,
}

/// How far a verb goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It does what kubectl does.
    Modelled,
    /// It does the main part; the text says what is missing.
    Simplified(&'static str),
    /// It is refused; the text says why, and what to do instead.
    Refused(&'static str),
}

/// One flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flag {
    /// Its long name.
    pub(super) name: &'static str,
    /// Its letter.
    pub(super) letter: Option<char>,
    /// What values it takes.
    pub(super) takes: Takes,
    /// Its value where it is not given.
    pub(super) default: &'static str,
    /// What it does in a simulation.
    pub(super) effect: Effect,
}

/// What values a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// `true` or `false`; alone it means true.
    Switch,
    /// A text.
    Text,
    /// A text; without `=` it means this one.
    TextOr(&'static str),
    /// A text; may be repeated.
    Texts,
    /// Texts, divided by commas; may be repeated.
    List,
    /// A whole number.
    Number,
    /// A length of time such as 5s, 2m, 3h.
    Time,
}

/// What a flag does in a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// What it does in kubectl.
    Same,
    /// Nothing; the text says why.
    None(&'static str),
    /// It is refused with this text.
    Refused(&'static str),
}

impl Flag {
    /// The flag with a letter.
    pub(super) const fn letter(mut self, letter: char) -> Self {
        self.letter = Some(letter);
        self
    }

    /// The flag with a value where it is not given.
    pub(super) const fn or(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// The flag, which has no effect.
    pub(super) const fn ignored(mut self, why: &'static str) -> Self {
        self.effect = Effect::None(why);
        self
    }

    /// The flag, which is refused.
    pub(super) const fn refused(mut self, why: &'static str) -> Self {
        self.effect = Effect::Refused(why);
        self
    }
}

const fn flag(name: &'static str, takes: Takes, default: &'static str) -> Flag {
    Flag { name, letter: None, takes, default, effect: Effect::Same }
}

/// A switch that is off.
pub(super) const fn switch(name: &'static str) -> Flag {
    flag(name, Takes::Switch, "false")
}

/// A text.
pub(super) const fn text(name: &'static str) -> Flag {
    flag(name, Takes::Text, "")
}

/// Texts, one for each time the flag is given.
pub(super) const fn texts(name: &'static str) -> Flag {
    flag(name, Takes::Texts, "")
}

/// Texts, divided by commas.
pub(super) const fn list(name: &'static str) -> Flag {
    flag(name, Takes::List, "")
}

/// A whole number.
pub(super) const fn number(name: &'static str, default: &'static str) -> Flag {
    flag(name, Takes::Number, default)
}

/// A length of time.
pub(super) const fn time(name: &'static str, default: &'static str) -> Flag {
    flag(name, Takes::Time, default)
}

/// How the result is printed.
pub(super) const PRINT: &[Flag] = &[
    text("output").letter('o'),
    text("template"),
    switch("show-managed-fields").ignored("managed fields are not kept"),
    switch("allow-missing-template-keys").or("true"),
];

/// Where manifests come from.
pub(super) const FILES: &[Flag] = &[
    list("filename").letter('f'),
    text("kustomize")
        .letter('k')
        .refused("kustomize is not part of wavetank: write its output to a file (kubectl kustomize DIR > all.yaml) and use -f"),
    switch("recursive").letter('R'),
];

/// Only trying.
pub(super) const DRY_RUN: &[Flag] = &[flag("dry-run", Takes::TextOr("unchanged"), "none")];

/// Which objects, by their labels.
pub(super) const SELECTOR: &[Flag] = &[text("selector").letter('l')];

/// Who writes.
pub(super) const MANAGER: &[Flag] = &[text("field-manager").ignored("managed fields are not kept")];

/// How strictly fields are checked.
pub(super) const VALIDATE: &[Flag] = &[flag("validate", Takes::TextOr("strict"), "strict")];

/// Keeping what was applied.
pub(super) const SAVE: &[Flag] = &[switch("save-config")];

/// Noting the command in an annotation.
pub(super) const RECORD: &[Flag] = &[switch("record")];

/// Flags that every verb has.
pub(super) const GLOBAL: &[Flag] = &[
    text("namespace").letter('n'),
    number("v", "0").letter('v').ignored("there is no client log"),
    text("vmodule").ignored("there is no client log"),
    switch("warnings-as-errors"),
    text("context").ignored(NO_CONFIG),
    text("cluster").ignored(NO_CONFIG),
    text("user").ignored(NO_CONFIG),
    text("kubeconfig").ignored(NO_CONFIG),
    text("kuberc").ignored(NO_CONFIG),
    text("server").letter('s').ignored(NO_CONFIG),
    text("token").ignored(NO_CONFIG),
    text("tls-server-name").ignored(NO_CONFIG),
    text("certificate-authority").ignored(NO_CONFIG),
    text("client-certificate").ignored(NO_CONFIG),
    text("client-key").ignored(NO_CONFIG),
    switch("insecure-skip-tls-verify").ignored(NO_CONFIG),
    switch("match-server-version").ignored(NO_CONFIG),
    switch("disable-compression").ignored(NO_CONFIG),
    text("cache-dir").ignored(NO_CONFIG),
    text("request-timeout").or("0").ignored("requests take milliseconds"),
    text("as").ignored("there is no authorisation"),
    texts("as-group").ignored("there is no authorisation"),
    text("as-uid").ignored("there is no authorisation"),
    texts("as-user-extra").ignored("there is no authorisation"),
    text("password").ignored(NO_CONFIG),
    text("username").ignored(NO_CONFIG),
    text("profile").or("none").ignored("kubectl itself is not run"),
    text("profile-output").ignored("kubectl itself is not run"),
    text("log-flush-frequency").or("5s").ignored("there is no client log"),
];

const NO_CONFIG: &str = "there is one cluster, and no connection to it";

/// Every verb, by name.
pub(super) fn all() -> impl Iterator<Item = &'static Verb> {
    super::VERBS.iter().copied().flatten()
}

/// What a command line names.
pub(super) enum Named {
    /// A verb, and how many words name it.
    Verb(&'static Verb, usize),
    /// The beginning of several verbs (`rollout`), and how many words that is.
    Group(String, usize),
    /// Nothing.
    Unknown,
}

/// The verb that the words begin with.
pub(super) fn find(words: &[&str]) -> Named {
    let mut words = words.to_vec();
    if let ["create", of, ..] = words.as_mut_slice()
        && *of == "svc"
    {
        *of = "service";
    }
    let mut best = Named::Unknown;
    for verb in all() {
        let path: Vec<&str> = verb.path.split(' ').collect();
        let same = |i: usize, word: &str| {
            path[i] == word || (i + 1 == path.len() && verb.aliases.contains(&word))
        };
        let common = words.iter().take(path.len()).enumerate();
        let matched = common.take_while(|(i, w)| same(*i, w)).count();
        let longest = match &best {
            Named::Verb(_, n) | Named::Group(_, n) => *n,
            Named::Unknown => 0,
        };
        if matched == path.len()
            && (matched > longest || !matches!(best, Named::Verb(..)))
            && matched >= longest
        {
            best = Named::Verb(verb, matched);
        } else if matched > longest {
            best = Named::Group(path[..matched].join(" "), matched);
        }
    }
    best
}

impl Verb {
    /// Its flags, those of every verb last.
    pub(super) fn all_flags(&self) -> impl Iterator<Item = &'static Flag> {
        let own = || self.flags.iter().copied().flatten();
        // A verb's own flag hides the global one of its name.
        own().chain(GLOBAL.iter().filter(move |g| !own().any(|f| f.name == g.name)))
    }

    /// The flag of that name.
    pub(super) fn flag(&self, name: &str) -> Option<&'static Flag> {
        self.all_flags().find(|f| f.name == name)
    }

    /// The help text.
    pub(super) fn help(&self) -> String {
        let mut text = format!("{}\n\nOptions:\n", self.about);
        let mut flags: Vec<&Flag> = self.flags.iter().copied().flatten().collect();
        flags.sort_by_key(|f| f.name);
        for f in flags {
            text.push_str(&f.help());
            text.push('\n');
        }
        text.push_str(&format!("\nUsage:\n  kubectl {}\n\nUse \"kubectl options\" for a list of global command-line options (applies to all commands).\n", self.usage));
        text
    }
}

impl Flag {
    /// Its line of the help text.
    pub(super) fn help(&self) -> String {
        let letter = self.letter.map_or("    ".to_owned(), |c| format!("-{c}, "));
        let default = match self.takes {
            Takes::Switch | Takes::Number | Takes::Time => self.default.to_owned(),
            Takes::List | Takes::Texts => "[]".to_owned(),
            Takes::Text | Takes::TextOr(_) => format!("'{}'", self.default),
        };
        let note = match self.effect {
            Effect::Same => String::new(),
            Effect::None(why) => format!("\n\twithout effect: {why}"),
            Effect::Refused(why) => format!("\n\trefused: {why}"),
        };
        format!("    {letter}--{}={default}{note}", self.name)
    }
}

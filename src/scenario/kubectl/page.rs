//! The page `docs/kubectl.md`, and the help of groups of verbs: both are made from the table.

use super::table::{self, Effect, GLOBAL, Takes, Treatment, Verb};

/// The help of `kubectl GROUP`, such as `kubectl rollout`.
pub(super) fn group_help(group: &str) -> String {
    let mut text = String::from("Available Commands:\n");
    for verb in
        table::all().filter(|v| v.path.strip_prefix(group).is_some_and(|r| r.starts_with(' ')))
    {
        let name = &verb.path[group.len() + 1..];
        text.push_str(&format!("  {name:<15} {}\n", verb.about));
    }
    text.push_str(&format!("\nUsage:\n  kubectl {group} [flags] [options]\n\nUse \"kubectl {group} <command> --help\" for more information about a given command.\n"));
    text
}

/// The page that lists verbs and flags.
pub fn page() -> String {
    let mut verbs: Vec<&Verb> = table::all().collect();
    verbs.sort_by_key(|v| v.path);
    let mut text = String::from(INTRODUCTION);
    text.push_str("\n| verb | state |\n|---|---|\n");
    for verb in &verbs {
        text.push_str(&format!("| `{}` | {} |\n", verb.path, state(verb)));
    }
    text.push_str("\n## Flags\n\nFlags in parentheses are read and have no effect, flags struck out are refused; the reason is told by `--help` or by the refusal.\n\n");
    for verb in verbs.iter().filter(|v| !matches!(v.treatment, Treatment::Refused(_))) {
        text.push_str(&format!("- **{}**{}\n", verb.path, flags(verb)));
    }
    text.push_str("\nEvery verb takes ");
    let names: Vec<String> = GLOBAL.iter().map(flag).collect();
    text.push_str(&names.join(", "));
    text.push_str(".\n");
    text
}

fn flags(verb: &Verb) -> String {
    let mut flags: Vec<_> = verb.flags.iter().copied().flatten().collect();
    flags.sort_by_key(|f| f.name);
    let names: Vec<String> = flags.into_iter().map(flag).collect();
    if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) }
}

fn flag(flag: &table::Flag) -> String {
    let letter = flag.letter.map(|c| format!("-{c}, ")).unwrap_or_default();
    let value = match flag.takes {
        Takes::Switch => "",
        Takes::Number => "=N",
        Takes::Time => "=TIME",
        Takes::Text | Takes::Texts => "=TEXT",
        Takes::TextOr(_) => "[=TEXT]",
        Takes::List => "=TEXT,…",
    };
    let name = format!("`{letter}--{}{value}`", flag.name);
    match flag.effect {
        Effect::Same => name,
        Effect::None(_) => format!("({name})"),
        Effect::Refused(_) => format!("~~{name}~~"),
    }
}

fn state(verb: &Verb) -> String {
    match verb.treatment {
        Treatment::Modelled => "modelled".to_owned(),
        Treatment::Simplified(what) => format!("simplified: {what}"),
        Treatment::Refused(why) => format!("refused: {}", why.replace('\n', "; ")),
    }
}

const INTRODUCTION: &str = "# kubectl in a simulation

Steps are kubectl command lines, without the word `kubectl`:

```console
$ wavetank run fixtures/seed --step '20s scale statefulset/web --replicas=3' --step '40s rollout status statefulset/web'
```

They print what kubectl v1.36 prints, refuse what it refuses, and end with its exit codes.
Names of types are found as kubectl finds them (`deploy`, `Deployments`, `statefulsets.apps`), objects by `TYPE NAME`, `TYPE/NAME`, lists of types, `-l`, `--field-selector`, `--all` or `-f`.
Files are read from the folder of the scenario, or, for `--step`, from the current folder; nothing is fetched from the network, nothing is run on your machine.

This page is made from the table of verbs in `src/scenario/kubectl`; a test holds it to the table.

## Verbs
";

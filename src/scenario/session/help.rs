//! What can be typed in a session.

use super::Answer;
use crate::api::suggest;

/// The lines of a session's own: how they look, and what they do.
pub(super) const OWN: &[(&str, &str)] = &[
    ("step [N]", "to the next thing that happens, or the next N"),
    ("run [30s]", "time passes; without a time until nothing changes any more"),
    (
        "until CONDITION [within 5m]",
        "time passes until it holds: pod/web Ready, deploy/web status.readyReplicas=3, pod/web gone",
    ),
    ("expect CONDITION", "it must hold now"),
    ("back [30s]", "back in time; without a time to before the last line that moved it"),
    ("branch NAME", "another course of events, from here on"),
    ("branches", "which there are"),
    ("switch NAME", "to another one, where it stood"),
    ("diff NAME", "how this cluster differs from that of another branch"),
    ("apply FILE", "as kubectl apply -f FILE"),
    ("why KIND/NAME", "the causes that led to what it is, or what it waits for"),
    ("explain pod/NAME", "why it went to its node, or goes nowhere"),
    (
        "do STEP",
        "a step as Simulation files have them: do killPod: {labels: {app: web}, all: true}",
    ),
    ("save FILE [--force]", "a Simulation file in which the same happens"),
    ("now", "what time it is"),
    ("help [WORD]", "this, or what one of them does; of kubectl's verbs as kubectl does"),
    ("quit", "the end"),
];

/// Steps of Simulation files that can be typed by themselves.
pub(super) const STEPS: &[&str] = &[
    "stopNode",
    "startNode",
    "addNode",
    "deleteNode",
    "partitionNode",
    "stopZone",
    "startZone",
    "killPod",
    "killProcess",
    "apiFault",
    "registryFault",
    "dnsOutage",
    "clockSkew",
    "memoryPressure",
];

/// Whether a word begins a step of Simulation files.
pub(super) fn is_step(word: &str) -> bool {
    STEPS.contains(&word)
}

/// The first word of each line of a session's own.
pub(super) fn own() -> impl Iterator<Item = &'static str> {
    OWN.iter().filter_map(|(form, _)| form.split_whitespace().next())
}

/// Whether a word is a verb of kubectl's that is not a session's own.
pub(super) fn is_verb(word: &str) -> bool {
    !own().any(|own| own == word) && super::kubectl::verbs().any(|verb| verb == word)
}

/// What can be typed, or what one word does.
pub fn help(word: &str) -> Answer {
    if word.is_empty() {
        let mut text = String::new();
        for (form, about) in OWN {
            text.push_str(&format!("  {form:<28} {about}\n"));
        }
        text.push_str(&format!("\nSteps of Simulation files: {}\n", STEPS.join(", ")));
        text.push_str("as in `stopNode node-1`, `killProcess {pod: web-*, signal: KILL}`.\n");
        text.push_str("\nEverything else is kubectl's: get, describe, logs, events, top, scale, delete, set, …\n");
        return Answer::of(text);
    }
    let found = OWN.iter().find(|(form, _)| form.split_whitespace().next() == Some(word));
    if let Some((form, about)) = found {
        return Answer::of(format!("{form}\n  {about}\n"));
    }
    if is_step(word) {
        return Answer::of(format!(
            "{word}: a step of Simulation files, see docs/simulations.md\n"
        ));
    }
    Answer::wrong(format!("there is no {word:?}{}", near(word)))
}

fn near(word: &str) -> String {
    let all = own().chain(STEPS.iter().copied()).chain(super::kubectl::verbs());
    suggest::nearest(word, all).map_or_else(String::new, |n| format!("\n  hint: did you mean {n}?"))
}

/// A hint for a line that kubectl does not know.
pub(super) fn hint(line: &str, complaint: &str) -> String {
    let word = line.split_whitespace().next().unwrap_or_default();
    match complaint.contains("unknown command") && !complaint.contains("Did you mean") {
        true => match near(word) {
            hint if hint.is_empty() => "\n  hint: `help` tells what can be typed".to_owned(),
            hint => hint,
        },
        false => String::new(),
    }
}

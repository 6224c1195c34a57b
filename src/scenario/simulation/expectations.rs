//! Expectations as they are written, made ready.

use std::time::Duration;

use regex::Regex;

use super::conditions::{self, Steps, join};
use super::file::File;
use super::schema;
use super::written::{self, After};
use crate::api::diagnostic::Location;
use crate::base::length;
use crate::scenario::monitor::{Claim, Condition, Expectation, Start, StepPattern};

/// Makes an expectation ready; what is wrong with it is noted.
pub(super) fn compile(
    file: &mut File,
    path: &str,
    e: &written::Expectation,
    steps: &Steps,
) -> Option<Expectation> {
    let after = match &e.after {
        None => Some(Start::Beginning),
        Some(After::Text(text)) => match length::parse(text) {
            Ok(at) => Some(Start::At(at)),
            Err(_) => conditions::step_named(file, &join(path, "after"), text, steps)
                .map(|index| Start::Step(index, text.clone())),
        },
        Some(After::Condition(condition)) => {
            conditions::compile(file, &join(path, "after"), condition, steps)
                .map(|c| Start::When(Box::new(c)))
        }
    };
    let claim = claim(file, path, e, steps);
    let condition = conditions::compile(file, path, &e.condition, steps);
    let span = schema::place(&file.source, &file.tree, file.node(path));
    Some(Expectation {
        name: e.name.clone().unwrap_or_default(),
        after: after?,
        claim: claim?,
        condition: condition?,
        place: Some(Location { source: file.source.clone(), span }),
    })
}

fn claim(file: &mut File, path: &str, e: &written::Expectation, steps: &Steps) -> Option<Claim> {
    let times = e.exactly.is_some() || e.at_least.is_some() || e.at_most.is_some();
    let all = [
        ("at", e.at.is_some()),
        ("within", e.within.is_some() && e.stays.is_none()),
        ("stays", e.stays.is_some()),
        ("always", e.always.is_some()),
        ("never", e.never.is_some()),
        (if e.exactly.is_some() { "exactly" } else { "atLeast or atMost" }, times),
        ("before", e.before.is_some()),
    ];
    let named: Vec<&str> = all.into_iter().filter_map(|(n, is)| is.then_some(n)).collect();
    if named.len() > 1 {
        file.wrong_with(
            path,
            format!("there is more than one claim: {}", named.join(", ")),
            Some("make an expectation of each".to_owned()),
        );
        return None;
    }
    if e.exactly.is_some() && (e.at_least.is_some() || e.at_most.is_some()) {
        file.wrong(path, "`exactly` stands without `atLeast` and `atMost`");
        return None;
    }
    let until = e.until.map(|u| u.0);
    let takes_until = named.is_empty() || e.always.is_some() || e.never.is_some() || times;
    if until.is_some() && !takes_until {
        let text = "`until` goes with `always`, `never` and numbers of times";
        file.wrong(&join(path, "until"), text);
        return None;
    }
    let length = |l: Option<written::Length>| l.map_or(Duration::ZERO, |l| l.0);
    Some(match named.first().copied() {
        None if until.is_some() => Claim::Always(until),
        None => Claim::Finally,
        Some("at") => Claim::At(length(e.at)),
        Some("within") => Claim::Within(length(e.within)),
        Some("stays") => Claim::Stays { within: e.within.map(|w| w.0), length: length(e.stays) },
        Some("always") => Claim::Always(until),
        Some("never") => Claim::Never(until),
        Some("before") => {
            let other = e.before.as_deref()?;
            let other = conditions::compile(file, &join(path, "before"), other, steps)?;
            Claim::Before(Box::new(other))
        }
        Some(_) => {
            let least = e.exactly.or(e.at_least).unwrap_or(0);
            let most = e.exactly.or(e.at_most).unwrap_or(u64::MAX);
            if least > most {
                file.wrong(path, format!("at least {least} is more than at most {most}"));
                return None;
            }
            Claim::Times { least, most, until }
        }
    })
}

/// What is expected of a step without being written: that it is carried out, or refused if it is meant to be.
pub(super) fn of_step(
    index: u32,
    name: String,
    refused: Option<&str>,
    waits: bool,
    place: Option<Location>,
) -> Vec<Expectation> {
    let condition = |refused: Option<bool>, output: Option<Regex>| {
        let name = name.clone();
        Condition::Step(StepPattern { index, name, refused, exit_code: None, output })
    };
    let make = |claim: Claim, condition: Condition| Expectation {
        name: String::new(),
        after: Start::Beginning,
        claim,
        condition,
        place: place.clone(),
    };
    let some = |least| Claim::Times { least, most: u64::MAX, until: None };
    match refused {
        Some(text) => {
            let output = (!text.is_empty()).then(|| Regex::new(&regex::escape(text)).ok());
            vec![make(some(1), condition(Some(true), output.flatten()))]
        }
        None => {
            let mut all = vec![make(Claim::Never(None), condition(Some(true), None))];
            if waits {
                all.push(make(some(1), condition(None, None)));
            }
            all
        }
    }
}

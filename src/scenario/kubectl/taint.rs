//! `kubectl taint`.
//!
//! After `pkg/cmd/taint/taint.go` and `utils.go`.

use serde_json::{Value, json};

use super::args::Args;
use super::output::{DryRun, Printer};
use super::resource::{self, Info, Ways};
use super::table::{DRY_RUN, MANAGER, PRINT, SELECTOR, Treatment, VALIDATE, Verb, switch};
use super::{Cx, Failure, Task, Tasks};
use crate::api::{kinds, names};
use crate::model::Kind;

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "taint",
    aliases: &[],
    usage: "taint NODE NAME KEY_1=VAL_1:TAINT_EFFECT_1 ... KEY_N=VAL_N:TAINT_EFFECT_N [options]",
    about: "Update the taints on one or more nodes.",
    flags: &[PRINT, DRY_RUN, VALIDATE, SELECTOR, MANAGER, &[switch("overwrite"), switch("all")]],
    treatment: Treatment::Modelled,
    plan,
}];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Taint {
    key: String,
    value: String,
    effect: String,
}

impl Taint {
    fn matches(&self, other: &Self) -> bool {
        self.key == other.key && self.effect == other.effect
    }

    fn to_value(&self) -> Value {
        let mut taint = json!({"key": self.key, "effect": self.effect});
        if !self.value.is_empty() {
            taint["value"] = self.value.as_str().into();
        }
        taint
    }

    /// As `Taint.ToString`.
    fn text(&self) -> String {
        match (self.effect.as_str(), self.value.as_str()) {
            ("", "") => self.key.clone(),
            ("", value) => format!("{}={value}:", self.key),
            (effect, "") => format!("{}:{effect}", self.key),
            (effect, value) => format!("{}={value}:{effect}", self.key),
        }
    }
}

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let (objects, add, remove) = words(args)?;
    let printer = Printer::of(args, "")?;
    check_type(&objects)?;
    check_conflicts(&add, &remove)?;
    let (all, selected) = (args.on("all"), args.given("selector"));
    if all && selected {
        return Err("setting 'all' parameter with a non empty selector is prohibited".into());
    }
    if !all && !selected && objects.len() < 2 {
        return Err(
            "at least one resource name must be specified since 'all' parameter is not set".into(),
        );
    }
    let named = if all || selected { Vec::new() } else { objects[1..].to_vec() };
    let ways = Ways { only: Some(Kind::Node), ..Ways::default() };
    let found = resource::find(&args.with_words(named), cx, ways)?;
    let each = found.infos.into_iter().map(|info| {
        info.and_then(|info| one(&info, args, &add, &remove, &printer)).unwrap_or_else(Task::Fail)
    });
    Ok(each.collect())
}

fn check_type(objects: &[String]) -> Result<(), Failure> {
    let of = objects[0].to_ascii_lowercase();
    match kinds::resolve(&of) {
        Ok(info) if info.kind == "Node" => Ok(()),
        Ok(_) => Err(format!("invalid resource type {of}, only node types are supported").into()),
        Err(_) => Err(format!("the server doesn't have a resource type {of:?}").into()),
    }
}

fn check_conflicts(add: &[Taint], remove: &[Taint]) -> Result<(), Failure> {
    let mut both = Vec::new();
    for a in add {
        for r in remove.iter().filter(|r| r.key == a.key) {
            if r.effect.is_empty() || r.effect == a.effect {
                both.push(format!("{}={}", r.key, r.effect));
            }
        }
    }
    if both.is_empty() {
        return Ok(());
    }
    Err(format!(
        "can not both modify and remove the following taint(s) in the same command: {}",
        both.join(", ")
    )
    .into())
}

fn words(args: &Args) -> Result<(Vec<String>, Vec<Taint>, Vec<Taint>), Failure> {
    let is_taint = |w: &String| w.contains('=') || w.contains(':') || w.ends_with('-');
    let first = args.words.iter().position(is_taint).unwrap_or(args.words.len());
    let (objects, changes) = args.words.split_at(first);
    if let Some(word) = changes.iter().find(|w| !is_taint(w)) {
        return Err(format!("all resources must be specified before taint changes: {word}").into());
    }
    if objects.is_empty() {
        return Err("one or more resources must be specified as <resource> <name>".into());
    }
    if changes.is_empty() {
        return Err("at least one taint update is required".into());
    }
    let (mut add, mut remove): (Vec<Taint>, Vec<Taint>) = (Vec::new(), Vec::new());
    for word in changes {
        let read = |text: &str| parse(text).map_err(|why| Failure::usage("taint", &why));
        if let Some(text) = word.strip_suffix('-') {
            let taint = read(text)?;
            remove.push(Taint { value: String::new(), ..taint });
            continue;
        }
        let taint = read(word)?;
        if taint.effect.is_empty() {
            return Err(Failure::usage("taint", &format!("invalid taint spec: {word}")));
        }
        if add.iter().any(|t| t.matches(&taint)) {
            let Taint { key, value, effect } = &taint;
            return Err(Failure::usage(
                "taint",
                &format!(
                    "duplicated taints with the same key and effect: {{{key} {value} {effect} <nil>}}"
                ),
            ));
        }
        add.push(taint);
    }
    Ok((objects.to_vec(), add, remove))
}

fn parse(text: &str) -> Result<Taint, String> {
    let invalid = || format!("invalid taint spec: {text}");
    let parts: Vec<&str> = text.split(':').collect();
    let (pair, effect) = match parts.as_slice() {
        [key] => (vec![*key], ""),
        [pair, effect] => {
            if !matches!(*effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
                return Err(format!("invalid taint effect: {effect}, unsupported taint effect"));
            }
            (pair.split('=').collect(), *effect)
        }
        _ => return Err(invalid()),
    };
    let (key, value) = match pair.as_slice() {
        [key] => (*key, ""),
        [key, value] => (*key, *value),
        _ => return Err(invalid()),
    };
    for wrong in [names::label_value(value), names::qualified_name(key)] {
        if !wrong.is_empty() {
            return Err(format!("{}, {}", invalid(), wrong.join("; ")));
        }
    }
    Ok(Taint { key: key.into(), value: value.into(), effect: effect.into() })
}

fn one(
    info: &Info,
    args: &Args,
    add: &[Taint],
    remove: &[Taint],
    printer: &Printer,
) -> Result<Task, Failure> {
    let mut whole = info.wire();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let old: Vec<(Taint, Value)> = whole["spec"]["taints"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|t| {
            let taint = Taint {
                key: text(&t["key"]),
                value: text(&t["value"]),
                effect: text(&t["effect"]),
            };
            (taint, t.clone())
        })
        .collect();
    let overwrite = args.on("overwrite");
    if !overwrite {
        let there = |t: &&Taint| old.iter().any(|(o, _)| o.matches(t));
        let keys: Vec<&str> = add.iter().filter(there).map(|t| t.key.as_str()).collect();
        if !keys.is_empty() {
            return Err(format!(
                "node {} already has {} taint(s) with same effect(s) and --overwrite is false",
                info.name,
                keys.join(",")
            )
            .into());
        }
    }
    let mut new: Vec<(Taint, Value)> = add.iter().map(|t| (t.clone(), t.to_value())).collect();
    for (taint, value) in &old {
        if !new.iter().any(|(n, _)| n.matches(taint)) {
            new.push((taint.clone(), value.clone()));
        }
    }
    let added = new.len() != old.len();
    let (removed, missing) = take_out(&mut new, remove);
    if !missing.is_empty() {
        let text = missing.join(", ");
        return Err(if missing.len() == 1 { text.into() } else { format!("[{text}]").into() });
    }
    let done = match (overwrite, added, removed) {
        (true, ..) | (_, true, true) => "modified",
        (false, true, false) => "tainted",
        (false, false, _) => "untainted",
    };
    let before = whole.clone();
    whole["spec"]["taints"] = new.into_iter().map(|(_, v)| v).collect();
    let suffix = match DryRun::of(args)? {
        DryRun::No => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    let printer = printer.saying(&format!("{done}{suffix}"));
    super::patch::change(info, &before, &whole, args, &printer, super::OnError::Say)
}

/// Removes taints; whether the last was there, and what is said about those that were not.
fn take_out(taints: &mut Vec<(Taint, Value)>, remove: &[Taint]) -> (bool, Vec<String>) {
    let (mut removed, mut missing) = (false, Vec::new());
    for gone in remove {
        let before = taints.len();
        taints.retain(|(t, _)| {
            t.key != gone.key || (!gone.effect.is_empty() && t.effect != gone.effect)
        });
        removed = taints.len() != before;
        if !removed {
            missing.push(format!("taint {:?} not found", gone.text()));
        }
    }
    (removed, missing)
}

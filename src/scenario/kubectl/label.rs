//! `kubectl label`, `kubectl annotate`.
//!
//! After `pkg/cmd/label/label.go` and `pkg/cmd/annotate/annotate.go`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::args::Args;
use super::output::{DryRun, Printer};
use super::resource::{self, Info, Ways};
use super::table::{
    DRY_RUN, FILES, Flag, MANAGER, PRINT, RECORD, SELECTOR, Treatment, Verb, switch, text,
};
use super::{Cx, Done, Failure, OnError, Send, Task, Tasks, kept};
use crate::api::names;
use crate::store::{PatchType, Request, WireVerb};

const FLAGS: &[Flag] = &[
    switch("overwrite"),
    switch("list"),
    switch("all"),
    switch("all-namespaces").letter('A'),
    text("field-selector"),
    text("resource-version"),
    switch("local").refused("change the file"),
];

pub(super) const VERBS: &[Verb] = &[
    Verb {
        path: "label",
        aliases: &[],
        usage: "label [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N [--resource-version=version] [options]",
        about: "Update the labels on a resource.",
        flags: &[FLAGS, FILES, PRINT, DRY_RUN, SELECTOR, MANAGER, RECORD],
        treatment: Treatment::Modelled,
        plan: |args, cx| plan(args, cx, &LABELS),
    },
    Verb {
        path: "annotate",
        aliases: &[],
        usage: "annotate [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N [--resource-version=version] [options]",
        about: "Update the annotations on a resource.",
        flags: &[FLAGS, FILES, PRINT, DRY_RUN, SELECTOR, MANAGER, RECORD],
        treatment: Treatment::Modelled,
        plan: |args, cx| plan(args, cx, &ANNOTATIONS),
    },
];

/// What tells labels and annotations apart.
struct Sort {
    field: &'static str,
    one: &'static str,
    /// How a change that is not understood is refused.
    checked: bool,
}

const LABELS: Sort = Sort { field: "labels", one: "label", checked: true };
const ANNOTATIONS: Sort = Sort { field: "annotations", one: "annotation", checked: false };

/// What is to be set and what removed.
struct Changes {
    set: BTreeMap<String, String>,
    remove: Vec<String>,
}

/// Words that name objects, and words that are changes (`GetResourcesAndPairs`).
pub(super) fn pairs(words: &[String], what: &str) -> Result<(Vec<String>, Vec<String>), Failure> {
    let is_change =
        |w: &String| (w.contains('=') && !w.starts_with('=')) || (w.ends_with('-') && w != "-");
    let first = words.iter().position(is_change).unwrap_or(words.len());
    let (objects, changes) = words.split_at(first);
    match changes.iter().find(|w| !is_change(w)) {
        Some(w) => {
            Err(format!("all resources must be specified before {what} changes: {w}").into())
        }
        None => Ok((objects.to_vec(), changes.to_vec())),
    }
}

fn plan(args: &Args, cx: &Cx<'_>, sort: &Sort) -> Result<Tasks, Failure> {
    let (objects, changes) = pairs(&args.words, sort.one)?;
    let changes = read(&changes, sort)?;
    check(args, &objects, &changes, sort)?;
    let found = resource::find(
        &args.with_words(objects),
        cx,
        Ways { bare_type: args.on("all"), ..Ways::default() },
    )?;
    let single = found.single;
    if !single && args.given("resource-version") {
        return Err("--resource-version may only be used with a single resource".into());
    }
    let mut tasks = Tasks::new();
    for info in found.infos {
        match info.and_then(|info| one(&info, &changes, args, sort, single)) {
            Ok(more) => tasks.extend(more),
            Err(failure) => tasks.push(Task::Fail(failure)),
        }
    }
    Ok(tasks)
}

fn check(args: &Args, objects: &[String], changes: &Changes, sort: &Sort) -> Result<(), Failure> {
    if args.on("list") && args.given("output") {
        return Err("--list and --output may not be specified together".into());
    }
    if args.on("all") && args.given("selector") {
        return Err("cannot set --all and --selector at the same time".into());
    }
    if args.on("all") && args.given("field-selector") {
        return Err("cannot set --all and --field-selector at the same time".into());
    }
    if objects.is_empty() && args.list("filename").is_empty() {
        return Err(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>"
                .into(),
        );
    }
    if changes.set.is_empty() && changes.remove.is_empty() && !args.on("list") {
        return Err(format!("at least one {} update is required", sort.one).into());
    }
    Ok(())
}

fn read(words: &[String], sort: &Sort) -> Result<Changes, Failure> {
    let mut changes = Changes { set: BTreeMap::new(), remove: Vec::new() };
    for word in words {
        match word.split_once('=') {
            Some((key, value)) => {
                if sort.checked {
                    if value.contains('=') {
                        return Err(format!("invalid label spec: {word}").into());
                    }
                    let wrong = names::label_value(value);
                    if !wrong.is_empty() {
                        return Err(
                            format!("invalid label value: {word:?}: {}", wrong.join(";")).into()
                        );
                    }
                }
                changes.set.insert(key.to_owned(), value.to_owned());
            }
            None => changes.remove.push(word.trim_end_matches('-').to_owned()),
        }
    }
    let both = changes.remove.iter().find(|k| changes.set.contains_key(*k));
    match both {
        Some(_) if sort.checked => {
            Err("can not both modify and remove a label in the same command".into())
        }
        Some(key) => Err(format!(
            "can not both modify and remove the following annotation(s) in the same command: {key}"
        )
        .into()),
        None => Ok(changes),
    }
}

fn one(
    info: &Info,
    changes: &Changes,
    args: &Args,
    sort: &Sort,
    single: bool,
) -> Result<Tasks, Failure> {
    let whole = info.wire();
    let current = whole["metadata"][sort.field].as_object().cloned().unwrap_or_default();
    let mut tasks = Tasks::new();
    if !args.on("overwrite") {
        refuse_overwrites(&current, changes, sort)?;
    }
    if sort.checked && DryRun::of(args)? != DryRun::Client && !args.on("list") {
        for key in changes.remove.iter().filter(|k| !current.contains_key(*k)) {
            tasks.push(Task::Say(format!("label {key:?} not found.\n")));
        }
    }
    let mut wanted = serde_json::Map::new();
    for (key, value) in &changes.set {
        if current.get(key).and_then(Value::as_str) != Some(value) {
            wanted.insert(key.clone(), value.clone().into());
        }
    }
    let added = !wanted.is_empty();
    let gone = changes.remove.iter().filter(|k| current.contains_key(*k));
    wanted.extend(gone.map(|k| (k.clone(), Value::Null)));
    let removed = wanted.values().any(Value::is_null);
    if args.on("list") {
        tasks.push(Task::Say(listed(info, &current, &wanted, sort, single)));
        return Ok(tasks);
    }
    let done = match (sort.checked, added, removed) {
        (false, ..) => "annotated",
        (true, true, true) => "modified",
        (true, true, false) => "labeled",
        (true, false, true) => "unlabeled",
        (true, false, false) => "not labeled",
    };
    let printer = Printer::of(args, done)?;
    let patch = json!({"metadata": {sort.field: wanted}});
    tasks.push(send(info, patch, args, &printer, !sort.checked || added || removed)?);
    Ok(tasks)
}

fn refuse_overwrites(
    current: &serde_json::Map<String, Value>,
    changes: &Changes,
    sort: &Sort,
) -> Result<(), Failure> {
    let old = |key: &str| current.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let changed = |(k, v): &(&String, &String)| current.contains_key(*k) && old(k) != **v;
    let taken: Vec<&String> = changes.set.iter().filter(changed).map(|(k, _)| k).collect();
    if taken.is_empty() {
        return Ok(());
    }
    let text = |k: &&String| match sort.checked {
        true => format!("'{k}' already has a value ({}), and --overwrite is false", old(k)),
        false => format!(
            "--overwrite is false but found the following declared annotation(s): '{k}' already has a value ({})",
            old(k)
        ),
    };
    match taken.as_slice() {
        [one] => Err(text(one).into()),
        several if sort.checked => {
            Err(format!("[{}]", several.iter().map(text).collect::<Vec<_>>().join(", ")).into())
        }
        several => {
            let each = several.iter().map(|k| format!("'{k}' already has a value ({})", old(k)));
            let all = each.collect::<Vec<_>>().join("; ");
            Err(format!(
                "--overwrite is false but found the following declared annotation(s): {all}"
            )
            .into())
        }
    }
}

/// The labels as `--list` shows them.
fn listed(
    info: &Info,
    current: &serde_json::Map<String, Value>,
    wanted: &serde_json::Map<String, Value>,
    sort: &Sort,
    single: bool,
) -> String {
    let mut all: BTreeMap<String, Value> = current.clone().into_iter().collect();
    all.extend(wanted.clone());
    let mut text = String::new();
    let indent = if single { "" } else { " " };
    if !single {
        let r = &info.resource;
        text.push_str(&format!(
            "Listing {} for {}.{}/{}:\n",
            sort.field, r.kind, r.group, info.name
        ));
    }
    for (key, value) in all.iter().filter(|(_, v)| !v.is_null()) {
        text.push_str(&format!("{indent}{key}={}\n", value.as_str().unwrap_or_default()));
    }
    text
}

fn send(
    info: &Info,
    mut patch: Value,
    args: &Args,
    printer: &Printer,
    changed: bool,
) -> Result<Task, Failure> {
    let dry_run = DryRun::of(args)?;
    let whole = info.wire();
    let after = super::patch::locally(PatchType::Merge, &whole, &patch)?;
    if dry_run == DryRun::Client || !changed {
        return Ok(Task::print(printer, &after));
    }
    if args.given("resource-version") {
        patch["metadata"]["resourceVersion"] = args.text("resource-version").into();
    }
    let request = Request::Wire {
        verb: WireVerb::Patch(PatchType::Merge),
        target: info.reference(),
        body: Box::new(patch),
        subresource: None,
    };
    Ok(Send::task(kept(request, dry_run), Done::Print(printer.clone()), OnError::Say))
}

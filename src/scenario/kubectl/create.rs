//! `kubectl create -f`, and what all its generators share.
//!
//! After `pkg/cmd/create/create.go`.

use serde_json::Value;

use super::apply::with_note;
use super::args::Args;
use super::output::{DryRun, Printer};
use super::resource::{self, Info, Resource};
use super::table::{
    DRY_RUN, FILES, MANAGER, PRINT, RECORD, SAVE, SELECTOR, Treatment, VALIDATE, Verb, switch, text,
};
use super::{Cx, Done, Failure, OnError, Send, Task, Tasks, files, kept};
use crate::api::selectors::LabelSelector;
use crate::store::{Request, WireVerb};

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "create",
    aliases: &[],
    usage: "create -f FILENAME [options]",
    about: "Create a resource from a file, or from what a sub-command is told.",
    flags: &[
        FILES,
        PRINT,
        DRY_RUN,
        SELECTOR,
        MANAGER,
        VALIDATE,
        SAVE,
        RECORD,
        &[
            switch("edit").refused("a step has no editor: change the file"),
            switch("windows-line-endings").ignored("there is no editor"),
            text("raw").refused("name a file"),
        ],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    if args.list("filename").is_empty() {
        // kubectl prints its help after this.
        return Err(Failure::Exit(1, "Error: must specify one of -f and -k\n\n".to_owned()));
    }
    if !args.words.is_empty() {
        let text = format!("Unexpected args: [{}]", args.words.join(" "));
        return Err(Failure::usage("create", &text));
    }
    let printer = Printer::of(args, "created")?;
    let selector =
        LabelSelector::parse(args.text("selector")).map_err(|e| Failure::Plain(e.to_string()))?;
    let mut tasks = Tasks::new();
    for (document, source) in files::documents(args, cx)? {
        if !selector.matches_json(document["metadata"]["labels"].as_object()) {
            continue;
        }
        tasks.push(match resource::of_file(document, &source, cx) {
            Err(failure) => Task::Fail(failure),
            Ok(info) => {
                let document = info.document.clone().unwrap_or_default();
                store(&info, document, args, &printer, OnError::Source("creating", source))?
            }
        });
    }
    if tasks.is_empty() {
        return Err("no objects passed to create".into());
    }
    Ok(tasks)
}

/// The task that stores a new object.
pub(super) fn store(
    info: &Info,
    document: Value,
    args: &Args,
    printer: &Printer,
    on_error: OnError,
) -> Result<Task, Failure> {
    let document = if args.on("save-config") { with_note(&document) } else { document };
    let dry_run = DryRun::of(args)?;
    if dry_run == DryRun::Client {
        return Ok(Task::print(printer, &document));
    }
    let request = Request::Wire {
        verb: WireVerb::Create,
        target: info.reference(),
        body: Box::new(document),
        subresource: None,
    };
    Ok(Send::task(kept(request, dry_run), Done::Print(printer.clone()), on_error))
}

/// The task that stores the object of a generator; `what` names it in a refusal.
pub(super) fn generated(
    mut document: Value,
    what: &str,
    args: &Args,
    cx: &Cx<'_>,
) -> Result<Task, Failure> {
    let Some(resource) = Resource::of_document(&document, cx.look.store) else {
        return Err(format!("no matches for kind {}", document["kind"]).into());
    };
    let namespace = if resource.namespaced { cx.namespace.clone() } else { String::new() };
    let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    // What is only tried is printed with a namespace where one was given.
    let printed = DryRun::of(args)? == DryRun::Client && !cx.namespace_given;
    if resource.namespaced && !printed {
        document["metadata"]["namespace"] = namespace.clone().into();
    }
    let info =
        Info { resource, namespace, name, object: None, document: None, source: String::new() };
    let printer = Printer::of(args, "created")?;
    let on_error = match what {
        "" => OnError::Say,
        what => OnError::Prefix(format!("failed to create {what} ")),
    };
    store(&info, document, args, &printer, on_error)
}

/// The name that a generator takes (`NameFromCommandArgs`).
pub(super) fn name(args: &Args) -> Result<String, Failure> {
    let count = args.dash.unwrap_or(args.words.len());
    match args.words.first() {
        Some(name) if count == 1 => Ok(name.clone()),
        _ => Err(Failure::usage(args.verb, &format!("exactly one NAME is required, got {count}"))),
    }
}

/// The command after a generator's name.
pub(super) fn command(args: &Args) -> Vec<String> {
    args.words.get(1..).unwrap_or_default().to_vec()
}

/// Refuses where a flag is missing that must be given (cobra's `MarkFlagRequired`).
pub(super) fn require(args: &Args, flags: &[&str]) -> Result<(), Failure> {
    let missing: Vec<String> =
        flags.iter().filter(|f| !args.given(f)).map(|f| format!("{f:?}")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("required flag(s) {} not set", missing.join(", ")).into())
}

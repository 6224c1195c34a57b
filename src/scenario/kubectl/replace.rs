//! `kubectl replace`.
//!
//! After `pkg/cmd/replace/replace.go`.

use std::time::Duration;

use serde_json::Value;

use super::apply::with_note;
use super::args::Args;
use super::create::store;
use super::delete::{Gone, cascade};
use super::output::{DryRun, Printer};
use super::resource::{self, Info};
use super::table::{
    DRY_RUN, FILES, MANAGER, PRINT, SAVE, Treatment, VALIDATE, Verb, number, switch, text, time,
};
use super::{Cx, Done, Failure, OnError, Send, Task, Tasks, files, kept, no_such_endpoint};
use crate::store::{DeleteOptions, Request, WireVerb};

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "replace",
    aliases: &[],
    usage: "replace -f FILENAME [options]",
    about: "Replace a resource by file name.",
    flags: &[
        FILES,
        PRINT,
        DRY_RUN,
        MANAGER,
        VALIDATE,
        SAVE,
        &[
            switch("force"),
            number("grace-period", "-1"),
            time("timeout", "0s"),
            text("cascade").or("background"),
            switch("wait").ignored("--force always waits"),
            text("subresource"),
            text("raw").refused("name the objects"),
        ],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

/// With `--force` kubectl waits so long for the old object to go.
const PATIENCE: Duration = Duration::from_secs(300);

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let force = args.on("force");
    if args.number("grace-period") >= 0 && !force {
        return Err("--grace-period must have --force specified".into());
    }
    if args.nanos("timeout") != 0 && !force {
        return Err("--timeout must have --force specified".into());
    }
    let dry_run = DryRun::of(args)?;
    if force && dry_run != DryRun::No {
        return Err("--dry-run can not be used when --force is set".into());
    }
    if args.list("filename").is_empty() {
        return Err("must specify --filename to replace".into());
    }
    let printer = Printer::of(args, "replaced")?;
    let (mut infos, mut tasks) = (Vec::new(), Tasks::new());
    for (document, source) in files::documents(args, cx)? {
        match resource::of_file(document, &source, cx) {
            Ok(info) => infos.push(info),
            Err(failure) => tasks.push(Task::Fail(failure)),
        }
    }
    if force {
        tasks.extend(anew(infos, args, cx, &printer)?);
        return Ok(tasks);
    }
    for info in infos {
        tasks.push(one(&info, args, &printer)?);
    }
    Ok(tasks)
}

fn wanted(info: &Info, args: &Args) -> Value {
    let document = info.document.clone().unwrap_or_default();
    if args.on("save-config") { with_note(&document) } else { document }
}

fn one(info: &Info, args: &Args, printer: &Printer) -> Result<Task, Failure> {
    let dry_run = DryRun::of(args)?;
    let body = wanted(info, args);
    if dry_run == DryRun::Client {
        return Ok(Task::print(printer, &body));
    }
    let subresource = match args.text("subresource") {
        "" => None,
        "status" => Some("status"),
        "scale" => Some("scale"),
        "resize" if info.resource.model == crate::model::Kind::Pod => Some("resize"),
        _ => return Err(no_such_endpoint()),
    };
    let request = Request::Wire {
        verb: WireVerb::Update,
        target: info.reference(),
        body: Box::new(body),
        subresource,
    };
    let on_error = OnError::Source("replacing", info.source.clone());
    Ok(Send::task(kept(request, dry_run), Done::Print(printer.clone()), on_error))
}

/// Deletes the objects, waits until they are gone, and makes them anew.
fn anew(infos: Vec<Info>, args: &Args, cx: &Cx<'_>, printer: &Printer) -> Result<Tasks, Failure> {
    let mut tasks = Tasks::new();
    let grace = args.number("grace-period");
    let grace = u64::try_from(grace).unwrap_or(0);
    if grace > 0 {
        return Err("--force and --grace-period greater than 0 cannot be specified together".into());
    }
    tasks.push(Task::Warn("Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.\n".to_owned()));
    let options = DeleteOptions {
        grace: Some(Duration::from_secs(grace)),
        propagation: Some(cascade(args)?),
        ..DeleteOptions::default()
    };
    let mut old = Vec::new();
    for info in &infos {
        if let Ok(found) = info.clone().fetch(&cx.look) {
            let place = match info.namespace.as_str() {
                "" => String::new(),
                namespace => format!(" from {namespace} namespace"),
            };
            let line =
                format!("{} \"{}\" force deleted{place}\n", info.resource.singular(), info.name);
            let request = Request::Delete { target: info.reference(), options: options.clone() };
            let on_error = OnError::IgnoreNotFound(info.source.clone());
            tasks.push(Send::task(request, Done::Say(line), on_error));
            old.push(found);
        }
    }
    if old.is_empty() {
        tasks.push(Task::Say("No resources found\n".to_owned()));
    }
    let timeout = u64::try_from(args.nanos("timeout")).unwrap_or(0);
    let timeout = if timeout == 0 { PATIENCE } else { Duration::from_nanos(timeout) };
    tasks.extend([Task::StopIfFailed, Gone::task(&old, timeout), Task::StopIfFailed]);
    for info in infos {
        let document = wanted(&info, args);
        tasks.push(store(&info, document, args, printer, OnError::Say)?);
    }
    Ok(tasks)
}

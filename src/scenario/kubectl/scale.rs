//! `kubectl scale`.
//!
//! After `pkg/cmd/scale/scale.go` and `pkg/scale/scale.go`.

use serde_json::json;

use super::args::Args;
use super::output::{DryRun, Printer};
use super::resource::{self, Info, Ways};
use super::table::{
    DRY_RUN, FILES, PRINT, RECORD, SELECTOR, Treatment, Verb, number, switch, text, time,
};
use super::wait::Wait;
use super::{Cx, Done, Failure, OnError, Send, Task, Tasks, kept, no_such_endpoint};
use crate::model::Kind;
use crate::store::{PatchType, Request, WireVerb};

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "scale",
    aliases: &[],
    usage: "scale [--resource-version=version] [--current-replicas=count] --replicas=COUNT (-f FILENAME | TYPE NAME) [options]",
    about: "Set a new size for a deployment, replica set, replication controller, or stateful set.",
    flags: &[
        FILES,
        PRINT,
        DRY_RUN,
        SELECTOR,
        RECORD,
        &[
            number("replicas", "-1"),
            number("current-replicas", "-1"),
            text("resource-version"),
            time("timeout", "0s"),
            switch("all"),
        ],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let replicas = args.number("replicas");
    if replicas < 0 {
        return Err(
            "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0"
                .into(),
        );
    }
    if args.number("current-replicas") < -1 {
        return Err("The --current-replicas must specify an integer of -1 or greater".into());
    }
    let printer = Printer::of(args, "scaled")?;
    let ways = Ways { bare_type: args.on("all"), ..Ways::default() };
    let (infos, failures) = resource::find(args, cx, ways)?.split();
    if args.given("resource-version") && infos.len() > 1 {
        return Err("cannot use --resource-version with multiple resources".into());
    }
    if infos.is_empty() && failures.is_empty() {
        return Err("no objects passed to scale".into());
    }
    let mut tasks = Tasks::new();
    for info in &infos {
        match one(info, replicas, args, &printer) {
            Ok(task) => tasks.push(task),
            Err(failure) => {
                // The first that cannot be scaled ends the command.
                tasks.push(Task::Fail(failure));
                return Ok(tasks);
            }
        }
        tasks.push(Task::StopIfFailed);
        let timeout = args.nanos("timeout");
        if timeout > 0 && DryRun::of(args)? == DryRun::No {
            tasks.push(Wait::scaled(info, replicas, timeout));
        }
    }
    tasks.extend(failures.into_iter().map(Task::Fail));
    Ok(tasks)
}

fn one(info: &Info, replicas: i64, args: &Args, printer: &Printer) -> Result<Task, Failure> {
    let scalable = matches!(
        info.resource.model,
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::ReplicationController
    );
    let mut whole = info.wire();
    let dry_run = DryRun::of(args)?;
    if dry_run == DryRun::Client {
        if scalable {
            whole["spec"]["replicas"] = replicas.into();
        }
        return Ok(Task::print(printer, &whole));
    }
    if !scalable {
        return Err(no_such_endpoint());
    }
    let (expected, now) =
        (args.number("current-replicas"), whole["spec"]["replicas"].as_i64().unwrap_or(1));
    if expected != -1 && expected != now {
        return Err(format!("Expected replicas to be {expected}, was {now}").into());
    }
    let (expected, now) = (
        args.text("resource-version"),
        whole["metadata"]["resourceVersion"].as_str().unwrap_or_default(),
    );
    if !expected.is_empty() && expected != now {
        return Err(format!("Expected resource version to be {expected}, was {now}").into());
    }
    let request = Request::Wire {
        verb: WireVerb::Patch(PatchType::Merge),
        target: info.reference(),
        body: Box::new(json!({"spec": {"replicas": replicas}})),
        subresource: Some("scale"),
    };
    Ok(Send::task(kept(request, dry_run), Done::Print(printer.clone()), OnError::Say))
}

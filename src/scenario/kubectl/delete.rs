//! `kubectl delete`.
//!
//! After `pkg/cmd/delete/delete.go`. Waiting is a look every half second at whether the objects that were
//! asked to go are still there, as its watch would tell.

use std::time::Duration;

use super::args::Args;
use super::output::DryRun;
use super::resource::{self, Info, Ways};
use super::table::{DRY_RUN, FILES, SELECTOR, Treatment, Verb, number, switch, text, time};
use super::{Cx, Done, Failure, Look, OnError, Output, Poll, Send, Task, Tasks, kept};
use crate::base::time::SimTime;
use crate::model::{Ref, Uid};
use crate::store::{DeleteOptions, Propagation, Request};

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "delete",
    aliases: &[],
    usage: "delete ([-f FILENAME] | [-k DIRECTORY] | TYPE [(NAME | -l label | --all)]) [options]",
    about: "Delete resources by file names, resources and names, or by resources and label selector.",
    flags: &[
        FILES,
        DRY_RUN,
        SELECTOR,
        &[
            text("cascade").or("background"),
            number("grace-period", "-1"),
            switch("force"),
            switch("now"),
            switch("wait").or("true"),
            time("timeout", "0s"),
            switch("all"),
            switch("all-namespaces").letter('A'),
            switch("ignore-not-found"),
            text("field-selector"),
            text("output").letter('o'),
            switch("interactive").letter('i').refused("a step has nobody to ask"),
            text("raw").refused("name the objects"),
        ],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

/// Without `--timeout` kubectl waits for a week.
const FOR_EVER: Duration = Duration::from_secs(168 * 3600);

/// Objects whose end is waited for.
#[derive(Debug)]
pub(super) struct Gone {
    /// The objects, and what they are called in an error.
    objects: Vec<(Ref, Uid, String)>,
    timeout: Duration,
    until: Option<SimTime>,
}

impl Gone {
    /// Waits until the objects are gone, for `timeout` at most.
    pub(super) fn task(infos: &[Info], timeout: Duration) -> Task {
        let known = infos.iter().filter_map(|info| {
            let uid = info.object.as_ref()?.meta().uid;
            Some((info.reference(), uid, format!("{}/{}", info.resource.plural, info.name)))
        });
        Task::Gone(Box::new(Self { objects: known.collect(), timeout, until: None }))
    }

    /// Looks whether they are.
    pub(super) fn poll(&mut self, look: &Look<'_>, out: &mut Output) -> Poll {
        let until = *self.until.get_or_insert(look.now.saturating_add(self.timeout));
        self.objects.retain(|(r, uid, _)| look.store.find(r).is_some_and(|o| o.meta().uid == *uid));
        if self.objects.is_empty() {
            return Poll::Done;
        }
        if look.now >= until {
            for (_, _, title) in &self.objects {
                out.failures.push(format!("timed out waiting for the condition on {title}").into());
            }
            return Poll::Done;
        }
        Poll::At(look.now.saturating_add(Duration::from_millis(500)).min(until))
    }
}

/// What `--cascade` asks for (`GetCascadingStrategy`).
pub(super) fn cascade(args: &Args) -> Result<Propagation, Failure> {
    match args.text("cascade") {
        "background" | "true" => Ok(Propagation::Background),
        "foreground" => Ok(Propagation::Foreground),
        "orphan" | "false" => Ok(Propagation::Orphan),
        other => Err(format!(
            "invalid cascade value ({other}). Must be \"background\", \"foreground\", or \"orphan\""
        )
        .into()),
    }
}

/// Seconds of grace; negative for each object's own.
fn grace(args: &Args) -> Result<i64, Failure> {
    let (force, mut grace) = (args.on("force"), args.number("grace-period"));
    if args.on("now") {
        if grace != -1 {
            return Err("--now and --grace-period cannot be specified together".into());
        }
        grace = 1;
    }
    if grace == 0 && !force {
        // So that the node agent is asked; only --force takes the object away at once.
        grace = 1;
    }
    if force && grace < 0 {
        grace = 0;
    }
    Ok(grace)
}

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let propagation = cascade(args)?;
    let grace = grace(args)?;
    let dry_run = DryRun::of(args)?;
    let ways = Ways { absent: true, ..Ways::default() };
    let found = resource::find(args, cx, ways)?;
    match args.text("output") {
        "" | "name" => {}
        other => {
            return Err(
                format!("unexpected -o output mode: {other}. We only support '-o name'").into()
            );
        }
    }
    if args.on("all") && args.given("selector") {
        return Err("cannot set --all and --selector at the same time".into());
    }
    if args.on("all") && args.given("field-selector") {
        return Err("cannot set --all and --field-selector at the same time".into());
    }
    let mut tasks = Tasks::new();
    if args.on("force") && grace == 0 {
        tasks.push(Task::Warn("Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.\n".to_owned()));
    } else if args.on("force") {
        return Err("--force and --grace-period greater than 0 cannot be specified together".into());
    }
    let options = DeleteOptions {
        grace: u64::try_from(grace).ok().map(Duration::from_secs),
        propagation: Some(propagation),
        ..DeleteOptions::default()
    };
    let by_selector = args.on("all") || args.given("selector") || args.given("field-selector");
    let ignore =
        if args.given("ignore-not-found") { args.on("ignore-not-found") } else { by_selector };
    let (infos, failures) = found.split();
    if infos.is_empty() && failures.is_empty() {
        return Ok(vec![Task::Say("No resources found\n".to_owned())]);
    }
    let mut warn = cx.namespace_given && !args.on("all-namespaces");
    let mut gone = Vec::new();
    for info in infos {
        let stored = info.clone().fetch(&cx.look).ok();
        if warn && !info.resource.namespaced {
            tasks.push(Task::Warn("Warning: deleting cluster-scoped resources, not scoped to the provided namespace\n".to_owned()));
            warn = false;
        }
        tasks.push(one(&info, &options, args, dry_run, ignore));
        gone.extend(stored);
    }
    tasks.extend(failures.into_iter().filter(|f| !(ignore && f.is_not_found())).map(Task::Fail));
    tasks.push(Task::StopIfFailed);
    if args.on("wait") && dry_run == DryRun::No {
        let timeout = u64::try_from(args.nanos("timeout")).unwrap_or(0);
        let timeout = if timeout == 0 { FOR_EVER } else { Duration::from_nanos(timeout) };
        tasks.push(Gone::task(&gone, timeout));
    }
    Ok(tasks)
}

fn one(info: &Info, options: &DeleteOptions, args: &Args, dry_run: DryRun, ignore: bool) -> Task {
    let line = match args.text("output") {
        "name" => format!("{}\n", info.title()),
        _ => {
            let forced = options.grace == Some(Duration::ZERO);
            let done = if forced { "force deleted" } else { "deleted" };
            let place = match info.namespace.as_str() {
                "" => String::new(),
                namespace => format!(" from {namespace} namespace"),
            };
            let tried = match dry_run {
                DryRun::No => "",
                DryRun::Client => " (dry run)",
                DryRun::Server => " (server dry run)",
            };
            format!("{} \"{}\" {done}{place}{tried}\n", info.resource.singular(), info.name)
        }
    };
    if dry_run == DryRun::Client {
        return Task::Say(line);
    }
    let request = Request::Delete { target: info.reference(), options: options.clone() };
    let on_error = match (ignore, info.source.as_str()) {
        (true, source) => OnError::IgnoreNotFound(source.to_owned()),
        (false, "") => OnError::Say,
        (false, source) => OnError::Source("deleting", source.to_owned()),
    };
    Send::task(kept(request, dry_run), Done::Say(line), on_error)
}

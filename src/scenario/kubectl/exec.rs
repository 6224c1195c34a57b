//! `kubectl exec`: a command in a container, really interpreted.
//!
//! After `pkg/cmd/exec/exec.go`. The node's agent runs it; its exit code is kubectl's.

use super::args::Args;
use super::resource::{self, Ways, to_value};
use super::table::{Treatment, Verb, list, switch, text, time};
use super::{Command, Cx, Ended, Failure, Output, Poll, Task, Tasks, logs};
use crate::model::{Kind, Object};

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "exec",
    aliases: &[],
    usage: "exec (POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...] [options]",
    about: "Execute a command in a container.",
    flags: &[&[
        text("container").letter('c'),
        list("filename").letter('f'),
        switch("stdin").letter('i'),
        switch("tty").letter('t'),
        switch("quiet").letter('q'),
        time("pod-running-timeout", "1m0s").ignored("only pods that run are looked for"),
    ]],
    treatment: Treatment::Simplified(
        "standard input is empty; a command that the container's shell does not know is refused",
    ),
    plan,
}];

/// A command under way.
#[derive(Debug)]
pub(super) struct Exec {
    command: Option<Command>,
}

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let command: Vec<String> = match args.dash {
        Some(at) => args.words[at..].to_vec(),
        None if args.words.len() > 1 => {
            return Err(Failure::usage(
                "exec",
                "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead",
            ));
        }
        None => Vec::new(),
    };
    let named = args.words.first().filter(|_| args.dash != Some(0));
    if named.is_none() && args.list("filename").is_empty() {
        return Err("pod, type/name or --filename must be specified".into());
    }
    if command.is_empty() {
        return Err("you must specify at least one command for the container".into());
    }
    let mut tasks = Tasks::new();
    let line = args.with_words(named.into_iter().cloned().collect());
    let ways = Ways { only: Some(Kind::Pod), ..Ways::default() };
    let info = resource::find(&line, cx, ways)?.infos.into_iter().next();
    let Some(info) = info else { return Err("expected a resource".into()) };
    let object = info?.object.ok_or("expected a resource")?;
    let pod = logs::pod_of(&object, cx)?;
    let Object::Pod(p) = &pod else { return Err("expected a pod".into()) };
    if p.status.phase.is_terminal() {
        return Err(format!(
            "cannot exec into a container in a completed pod; current phase is {}",
            p.status.phase.as_str()
        )
        .into());
    }
    let whole = to_value(&pod);
    let quiet = args.on("quiet");
    let (container, note) = logs::container_of(&whole, args.text("container"))?;
    tasks.extend(note.filter(|_| !quiet).map(Task::Warn));
    if args.on("stdin") && args.on("tty") && !quiet {
        tasks.push(Task::Warn(
            "Unable to use a TTY - input is not a terminal or the right kind of file\n".to_owned(),
        ));
    }
    let command = Command {
        pod: pod.reference(),
        uid: p.meta.uid,
        container: container.into(),
        words: command.into_iter().map(Into::into).collect(),
    };
    tasks.push(Task::Exec(Box::new(Exec { command: Some(command) })));
    Ok(tasks)
}

impl Exec {
    /// Runs the command.
    pub(super) fn poll(&mut self) -> Poll {
        self.command.take().map_or(Poll::Done, Poll::Run)
    }

    /// Prints what it wrote, and keeps its exit code.
    pub(super) fn ended(&mut self, ended: Result<Ended, String>, out: &mut Output) {
        let ended = match ended {
            Ok(ended) => ended,
            Err(why) => {
                out.failures.push(Failure::Plain(format!("Internal error occurred: {why}")));
                return;
            }
        };
        out.stdout.push_str(&ended.stdout);
        out.stderr.push_str(&ended.stderr);
        if ended.code != 0 {
            let text = format!("command terminated with exit code {}", ended.code);
            out.failures.push(Failure::Exit(ended.code, text));
        }
    }
}

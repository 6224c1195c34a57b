//! kubectl: the user's hand in the simulation.
//!
//! An [`Invocation`] is one command line, carried out as kubectl would: it looks at the store, sends
//! requests one after the other, reads the replies, and prints what kubectl prints. It is a state
//! machine driven by the runner ([`Invocation::next`], [`Invocation::reply`]): nothing in it waits.

mod apply;
mod args;
mod create;
mod delete;
mod edit;
mod meta;
mod resource;
mod rollout;

use std::collections::VecDeque;

use serde_json::Value;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::store::{ApiError, Reply, Request, Store};

pub use args::split;

/// What kubectl can look at.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The cluster.
    pub store: &'a Store,
    /// Now.
    pub now: SimTime,
}

/// One run of kubectl.
#[derive(Debug, Default)]
pub struct Invocation {
    tasks: VecDeque<Task>,
    current: Option<Task>,
    /// What it has printed.
    pub stdout: String,
    /// What it has complained about.
    pub stderr: String,
    exit_code: i32,
}

/// What kubectl does next.
#[derive(Debug)]
pub enum Next {
    /// It sends a request and waits for the reply.
    Send(Box<Request>),
    /// It looks again at that time.
    At(SimTime),
    /// It has ended with that exit code.
    Exit(i32),
}

/// One thing to be done.
#[derive(Debug)]
enum Task {
    /// Apply a document; `source` is the file it came from.
    Apply { document: Box<Value>, source: String, new: bool },
    /// Store a document and print `<object> <done>`.
    Create { document: Box<Value>, done: &'static str },
    /// Send a request for an object and print `<object> <done>`.
    Change { request: Box<Request>, object: String, done: &'static str },
    /// Wait until objects are gone, or until that time.
    WaitGone { objects: Vec<(crate::model::Ref, crate::model::Uid)>, until: SimTime },
}

impl Invocation {
    /// `kubectl apply -f` of documents that came from `source`. Namespaced ones that name no namespace go
    /// into `namespace`.
    pub fn apply(documents: Vec<Value>, source: &str, namespace: &str) -> Self {
        let task = |document| Task::Apply {
            document: Box::new(resource::in_namespace(document, namespace)),
            source: source.to_owned(),
            new: false,
        };
        Self { tasks: documents.into_iter().map(task).collect(), ..Self::default() }
    }

    /// The command line `line`, without `kubectl`. What it names is looked up at once. A line that kubectl
    /// would refuse ends with its error.
    pub fn parse(line: &str, namespace: &str, look: &Look<'_>) -> Self {
        let mut invocation = Self::default();
        let planned = split(line).and_then(|words| plan(&words, namespace, look));
        match planned {
            Ok(tasks) => invocation.tasks = tasks,
            Err(error) => invocation.fail(&error),
        }
        invocation
    }

    /// What it does next. After [`Next::Send`] the reply is to be passed to [`Invocation::reply`].
    pub fn next(&mut self, look: &Look<'_>) -> Next {
        while let Some(task) = self.tasks.pop_front() {
            match task {
                Task::Apply { document, source, .. } => {
                    if let Some(request) = self.begin_apply(document, source, look) {
                        return Next::Send(request);
                    }
                }
                Task::Create { document, done } => {
                    let request = create::request(&document);
                    self.current = Some(Task::Create { document, done });
                    return Next::Send(request);
                }
                Task::Change { request, object, done } => {
                    let send = request.clone();
                    self.current = Some(Task::Change { request, object, done });
                    return Next::Send(send);
                }
                Task::WaitGone { objects, until } => {
                    let left: Vec<_> = objects
                        .into_iter()
                        .filter(|(r, uid)| look.store.find(r).is_some_and(|o| o.meta().uid == *uid))
                        .collect();
                    if left.is_empty() {
                        continue;
                    }
                    if look.now >= until {
                        for (object, _) in left {
                            let name = &object.key.name;
                            self.fail(&format!(
                                "error: timed out waiting for the condition on {}/{name}",
                                object.kind.plural()
                            ));
                        }
                        continue;
                    }
                    let again = (look.now + std::time::Duration::from_millis(500)).min(until);
                    self.tasks.push_front(Task::WaitGone { objects: left, until });
                    return Next::At(again);
                }
            }
        }
        Next::Exit(self.exit_code)
    }

    /// What the server warned of in the reply that comes next: printed first, each text once
    /// (`pkg/cmd/cmd.go`: the warning writer of `rest` with `Deduplicate`).
    pub fn warn(&mut self, warnings: &[Str]) {
        for text in warnings {
            let line = format!("Warning: {text}\n");
            if !self.stderr.contains(&line) {
                self.stderr.push_str(&line);
            }
        }
    }

    /// The reply to the request sent last.
    pub fn reply(&mut self, reply: Reply) {
        let Some(task) = self.current.take() else { return };
        match (task, reply) {
            (Task::Apply { document, source, new }, reply) => {
                self.end_apply(&document, &source, new, reply);
            }
            (Task::Create { document, done }, Ok(_)) => {
                let line = format!("{} {done}\n", resource::title(&document));
                self.stdout.push_str(&line);
            }
            (Task::Create { .. }, Err(error)) => self.refuse(&error, ""),
            (Task::Change { object, done, .. }, Ok(_)) => {
                let line = format!("{object} {done}\n");
                self.stdout.push_str(&line);
            }
            (Task::Change { .. }, Err(error)) => self.refuse(&error, ""),
            (Task::WaitGone { .. }, _) => {}
        }
    }

    /// Prints a server's refusal.
    fn refuse(&mut self, error: &ApiError, context: &str) {
        let text = match error.reason {
            crate::store::ErrorReason::Invalid if context.is_empty() => {
                format!("The {}", error.message)
            }
            reason => {
                format!("Error from server ({}): {context}{}", reason.as_str(), error.message)
            }
        };
        self.fail(&text);
    }

    fn fail(&mut self, text: &str) {
        self.stderr.push_str(text);
        self.stderr.push('\n');
        self.exit_code = 1;
    }
}

/// The tasks of a command line, or kubectl's complaint.
fn plan(words: &[String], namespace: &str, look: &Look<'_>) -> Result<VecDeque<Task>, String> {
    let Some((verb, rest)) = words.split_first() else {
        return Err("error: a kubectl command needs a verb, such as \"scale\"".to_owned());
    };
    let args = args::Args::parse(rest, namespace)?;
    match verb.as_str() {
        "create" => create::create(&args),
        "expose" => create::expose(&args, look),
        "scale" => edit::scale(&args, look),
        "set" => edit::set(&args, look),
        "patch" => edit::patch(&args, look),
        "delete" => delete::delete(&args, look),
        "label" => meta::label(&args, look),
        "annotate" => meta::annotate(&args, look),
        "taint" => meta::taint(&args, look),
        "cordon" => meta::cordon(&args, look, true),
        "uncordon" => meta::cordon(&args, look, false),
        "rollout" => rollout::rollout(&args, look),
        other => Err(format!(
            "error: unknown command {other:?} for \"kubectl\"\nwavetank knows: annotate, cordon, create, delete, expose, label, patch, rollout, scale, set, taint, uncordon"
        )),
    }
}

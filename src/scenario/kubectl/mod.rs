//! kubectl: the user's hand in the simulation.
//!
//! An [`Invocation`] is one command line, carried out as kubectl would: it looks at the store, sends
//! requests one after the other, reads the replies, and prints what kubectl prints. It is a state
//! machine driven by the runner ([`Invocation::next`], [`Invocation::reply`]): nothing in it waits.
//!
//! A verb is an entry of a table ([`table`]): its flags, its help, and a function that makes [`Task`]s of
//! a parsed line. One file per verb, or per family of verbs. What objects a line means is found in one
//! place ([`resource`]), what is said about a refusal in another ([`errors`]).
//!
//! Follows `k8s.io/kubectl/pkg/cmd` and `k8s.io/cli-runtime` of v1.36. `docs/kubectl.md` lists verbs and
//! flags, and what is simplified or refused.

mod apply;
mod args;
mod autoscale;
mod create;
mod debug;
mod debug_copy;
mod delete;
mod describe;
mod drain;
pub(super) mod errors;
mod events;
mod exec;
mod expose;
mod files;
mod generators;
mod get;
mod go;
mod history;
mod info;
mod label;
mod logs;
mod output;
mod page;
mod patch;
mod refused;
mod replace;
mod resource;
mod rollout;
mod rollout_status;
mod run;
mod scale;
mod set;
mod sort;
mod table;
mod taint;
#[cfg(test)]
mod tests;
mod top;
mod wait;
mod watch;

use std::collections::VecDeque;

use serde_json::Value;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Ref, Uid};
use crate::store::{ErrorReason, Reply, Request, Store};

pub use args::split;
pub use files::Files;
pub use history::History;
pub use page::page;
pub use watch::{Printed, Watch, Way};

use errors::Failure;
use output::Printer;
use table::{Named, Verb};

/// The verbs, family by family.
static VERBS: &[&[Verb]] = &[
    apply::VERBS,
    autoscale::VERBS,
    create::VERBS,
    generators::VERBS,
    debug::VERBS,
    delete::VERBS,
    describe::VERBS,
    drain::VERBS,
    events::VERBS,
    exec::VERBS,
    expose::VERBS,
    get::VERBS,
    info::VERBS,
    label::VERBS,
    logs::VERBS,
    patch::VERBS,
    refused::VERBS,
    replace::VERBS,
    rollout::VERBS,
    rollout_status::VERBS,
    run::VERBS,
    scale::VERBS,
    set::VERBS,
    taint::VERBS,
    top::VERBS,
    wait::VERBS,
];

/// What kubectl can look at.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The cluster.
    pub store: &'a Store,
    /// Now.
    pub now: SimTime,
    /// Logs and events so far.
    pub history: &'a History,
}

/// Where a command line is typed.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// The namespace of everything that names none.
    pub namespace: &'a str,
    /// Whether it counts as given with `--namespace` on every line.
    pub namespace_given: bool,
    /// The files that lines may name.
    pub files: &'a Files,
}

/// What a verb makes its tasks from.
struct Cx<'a> {
    look: Look<'a>,
    namespace: String,
    namespace_given: bool,
    files: &'a Files,
}

/// What is to be done, in order.
type Tasks = Vec<Task>;

/// What has been printed so far, and what went wrong.
#[derive(Debug, Default)]
struct Output {
    stdout: String,
    stderr: String,
    failures: Vec<Failure>,
}

impl Output {
    /// Prints an object, and notes what went wrong.
    fn print(&mut self, printer: &Printer, object: &Value) {
        let (text, failure) = printer.print(object);
        self.stdout.push_str(&text);
        self.failures.extend(failure);
    }
}

/// One run of kubectl.
#[derive(Debug, Default)]
pub struct Invocation {
    tasks: VecDeque<Task>,
    out: Output,
}

/// What kubectl does next.
#[derive(Debug)]
pub enum Next {
    /// It sends a request and waits for the reply.
    Send(Box<Request>),
    /// It looks again at that time.
    At(SimTime),
    /// It runs a command in a container and waits for its end.
    Run(Command),
    /// It has ended with that exit code.
    Exit(i32),
}

/// A command to be run in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The pod.
    pub pod: Ref,
    /// Its uid.
    pub uid: Uid,
    /// The container.
    pub container: Str,
    /// The command.
    pub words: Vec<Str>,
}

/// How a command in a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// One thing to be done.
#[derive(Debug)]
enum Task {
    /// Print on standard output.
    Say(String),
    /// Print on standard error.
    Warn(String),
    /// Note a failure, and go on.
    Fail(Failure),
    /// Print what could be printed, and note why no more.
    Broken(String, Failure),
    /// Do no more if something has failed.
    StopIfFailed,
    /// Send a request and print what came of it.
    Send(Box<Send>),
    /// Apply a document.
    Apply(Box<apply::Apply>),
    /// Wait until objects are gone.
    Gone(Box<delete::Gone>),
    /// Empty nodes.
    Drain(Box<drain::Drain>),
    /// Wait for a rollout.
    Rollout(Box<rollout_status::Watch>),
    /// Wait for a condition.
    Wait(Box<wait::Wait>),
    /// Run a command in a container.
    Exec(Box<exec::Exec>),
}

/// What a task does next.
enum Poll {
    Done,
    Send(Box<Request>),
    At(SimTime),
    Run(Command),
}

/// A request and what is printed when it is answered.
#[derive(Debug)]
struct Send {
    request: Option<Box<Request>>,
    done: Done,
    on_error: OnError,
}

/// What is printed when a request was carried out.
#[derive(Debug)]
enum Done {
    /// This line.
    Say(String),
    /// The object that is answered.
    Print(Printer),
    /// The object that is answered: one way if it differs from that version, another if not.
    Changed { printer: Printer, same: Printer, version: u64 },
}

/// What is said when a request is refused.
#[derive(Debug)]
enum OnError {
    /// The server's refusal.
    Say,
    /// The refusal, with what was done and the file.
    Source(&'static str, String),
    /// A text before the refusal's.
    Prefix(String),
    /// Nothing, when the object does not exist.
    IgnoreNotFound(String),
}

impl Send {
    /// The task that sends `request`.
    fn task(request: Request, done: Done, on_error: OnError) -> Task {
        Task::Send(Box::new(Self { request: Some(Box::new(request)), done, on_error }))
    }

    fn reply(&self, reply: Reply, out: &mut Output) {
        match (reply, &self.done) {
            (Ok(_), Done::Say(line)) => out.stdout.push_str(line),
            (Ok(object), Done::Print(printer)) => {
                let object = object.as_ref().map_or(Value::Null, resource::to_value);
                out.print(printer, &object);
            }
            (Ok(object), Done::Changed { printer, same, version }) => {
                let now = object.as_ref().map_or(0, |o| o.meta().resource_version);
                let printer = if now == *version { same } else { printer };
                let object = object.as_ref().map_or(Value::Null, resource::to_value);
                out.print(printer, &object);
            }
            (Err(error), _) => {
                let failure = Failure::from(error);
                out.failures.push(match &self.on_error {
                    OnError::Say => failure,
                    OnError::Source(verb, source) => failure.with_source(verb, source),
                    OnError::Prefix(text) => format!("{text}{}", failure.text()).into(),
                    OnError::IgnoreNotFound(_) if failure.is_not_found() => return,
                    OnError::IgnoreNotFound(source) => failure.with_source("deleting", source),
                });
            }
        }
    }
}

impl Task {
    /// The task that prints an object at once.
    fn print(printer: &Printer, object: &Value) -> Self {
        match printer.print(object) {
            (text, None) => Self::Say(text),
            (text, Some(failure)) => Self::Broken(text, failure),
        }
    }

    fn poll(&mut self, look: &Look<'_>, out: &mut Output) -> Poll {
        match self {
            Self::Say(text) => out.stdout.push_str(text),
            Self::Warn(text) => out.stderr.push_str(text),
            Self::Fail(failure) => out.failures.push(failure.clone()),
            Self::Broken(text, failure) => {
                out.stdout.push_str(text);
                out.failures.push(failure.clone());
            }
            Self::StopIfFailed => {}
            Self::Send(send) => {
                if let Some(request) = send.request.take() {
                    return Poll::Send(request);
                }
            }
            Self::Apply(apply) => return apply.poll(look, out),
            Self::Gone(gone) => return gone.poll(look, out),
            Self::Drain(drain) => return drain.poll(look, out),
            Self::Rollout(watch) => return watch.poll(look, out),
            Self::Wait(wait) => return wait.poll(look, out),
            Self::Exec(exec) => return exec.poll(),
        }
        Poll::Done
    }

    fn reply(&mut self, reply: Reply, out: &mut Output) {
        match self {
            Self::Send(send) => send.reply(reply, out),
            Self::Apply(apply) => apply.reply(reply, out),
            Self::Drain(drain) => drain.reply(reply, out),
            Self::Say(_)
            | Self::Warn(_)
            | Self::Fail(_)
            | Self::Broken(..)
            | Self::StopIfFailed
            | Self::Gone(_)
            | Self::Rollout(_)
            | Self::Wait(_)
            | Self::Exec(_) => {}
        }
    }
}

impl Invocation {
    /// `kubectl apply -f` of documents that came from `source`.
    pub fn apply(
        documents: Vec<Value>,
        source: &str,
        look: &Look<'_>,
        session: &Session<'_>,
    ) -> Self {
        let cx = Cx::new(look, session);
        let mut invocation = Self::default();
        invocation.begin(apply::documents(documents, source, &cx));
        invocation
    }

    /// The command line `line`, without `kubectl`. What it names is looked up at once. A line that kubectl
    /// would refuse ends with its error.
    pub fn parse(line: &str, look: &Look<'_>, session: &Session<'_>) -> Self {
        let mut invocation = Self::default();
        invocation.begin(split(line).map_err(Failure::Plain).and_then(|w| plan(&w, look, session)));
        invocation
    }

    /// The command line of these words, without `kubectl`.
    pub fn of_words(words: &[String], look: &Look<'_>, session: &Session<'_>) -> Self {
        let mut invocation = Self::default();
        invocation.begin(plan(words, look, session));
        invocation
    }

    /// What a line that only looks prints, and its exit code; `None` for one that does more.
    pub fn glance(
        words: &[String],
        look: &Look<'_>,
        session: &Session<'_>,
    ) -> Option<(String, String, i32)> {
        let mut invocation = Self::of_words(words, look, session);
        match invocation.next(look) {
            Next::Exit(code) => {
                let (stdout, stderr) = invocation.printed();
                Some((stdout, stderr, code))
            }
            Next::Send(_) | Next::At(_) | Next::Run(_) => None,
        }
    }

    /// What kubectl prints of the words of a command line that only looks (`get`, `describe`, `events`,
    /// `top`): standard output, standard error, and the exit code. A line that would do more says so.
    pub fn look(words: &[String], look: &Look<'_>, session: &Session<'_>) -> (String, String, i32) {
        let mut invocation = Self::default();
        invocation.begin(plan(words, look, session));
        let code = match invocation.next(look) {
            Next::Exit(code) => code,
            Next::Send(_) | Next::At(_) | Next::Run(_) => {
                invocation
                    .out
                    .stderr
                    .push_str("error: this changes the cluster: make it a --step\n");
                1
            }
        };
        let (stdout, stderr) = invocation.printed();
        (stdout, stderr, code)
    }

    fn begin(&mut self, planned: Result<Tasks, Failure>) {
        match planned {
            Ok(tasks) => self.tasks = tasks.into(),
            Err(Failure::Exit(args::HELP, text)) => self.out.stdout = text,
            Err(Failure::Exit(args::GROUP_HELP, text)) => {
                self.out.stdout = text;
                self.out.failures.push(Failure::Silent);
            }
            Err(failure) => self.out.failures.push(failure),
        }
    }

    /// What it does next. After [`Next::Send`] the reply is to be passed to [`Invocation::reply`], after
    /// [`Next::Run`] the end of the command to [`Invocation::ended`].
    pub fn next(&mut self, look: &Look<'_>) -> Next {
        while let Some(task) = self.tasks.front_mut() {
            if matches!(task, Task::StopIfFailed) && !self.out.failures.is_empty() {
                self.tasks.clear();
                break;
            }
            match task.poll(look, &mut self.out) {
                Poll::Done => {
                    self.tasks.pop_front();
                }
                Poll::Send(request) => return Next::Send(request),
                Poll::At(at) => return Next::At(at),
                Poll::Run(command) => return Next::Run(command),
            }
        }
        let (text, code) = errors::check(&std::mem::take(&mut self.out.failures));
        self.out.stderr.push_str(&text);
        if !text.is_empty() && !text.ends_with('\n') {
            self.out.stderr.push('\n');
        }
        Next::Exit(code)
    }

    /// What the server warned of in the reply that comes next: printed first, each text once
    /// (`pkg/cmd/cmd.go`: the warning writer of `rest` with `Deduplicate`).
    pub fn warn(&mut self, warnings: &[Str]) {
        for text in warnings {
            let line = format!("Warning: {text}\n");
            if !self.out.stderr.contains(&line) {
                self.out.stderr.push_str(&line);
            }
        }
    }

    /// The reply to the request sent last.
    pub fn reply(&mut self, reply: Reply) {
        if let Some(task) = self.tasks.front_mut() {
            task.reply(reply, &mut self.out);
        }
    }

    /// How the command in a container ended, or why it could not be run.
    pub fn ended(&mut self, ended: Result<Ended, String>) {
        if let Some(Task::Exec(exec)) = self.tasks.front_mut() {
            exec.ended(ended, &mut self.out);
        }
    }

    /// What it has printed on standard output and standard error.
    pub fn printed(self) -> (String, String) {
        (self.out.stdout, self.out.stderr)
    }
}

/// A document with its namespace, and the object that it means.
///
/// # Errors
/// A kind that there is not.
pub fn addressed(
    document: Value,
    namespace: &str,
    look: &Look<'_>,
) -> Result<(Ref, Value), String> {
    let files = Files::default();
    let session = Session { namespace, namespace_given: false, files: &files };
    let info = resource::of_file(document, "the suite", &Cx::new(look, &session))
        .map_err(|failure| failure.text().to_owned())?;
    let target = info.reference();
    Ok((target, info.document.unwrap_or_default()))
}

/// Why a command line cannot be carried out, whatever the cluster is.
pub fn unsupported(words: &[String]) -> Option<String> {
    match verb_of(words) {
        Ok((verb, _)) => match verb.treatment {
            table::Treatment::Refused(why) => {
                Some(format!("kubectl {} is refused: {why}", verb.path))
            }
            table::Treatment::Modelled | table::Treatment::Simplified(_) => None,
        },
        // A verb that there is not is kubectl's to complain of.
        Err(_) => None,
    }
}

/// The verbs that there are.
pub fn verbs() -> impl Iterator<Item = &'static str> {
    table::all().filter_map(|verb| verb.path.split(' ').next())
}

/// Whether a command line asks for logs or events, so that they have to be kept.
pub fn asks_history(line: &str) -> bool {
    let Ok(words) = split(line) else { return false };
    let names = ["events", "event", "ev", "describe", "logs", "log"];
    words.iter().any(|w| names.iter().any(|n| w == n || w.split([',', '/']).any(|part| part == *n)))
}

impl<'a> Cx<'a> {
    fn new(look: &Look<'a>, session: &Session<'a>) -> Self {
        Self {
            look: *look,
            namespace: session.namespace.to_owned(),
            namespace_given: session.namespace_given,
            files: session.files,
        }
    }
}

/// The tasks of a command line, or kubectl's complaint.
fn plan(words: &[String], look: &Look<'_>, session: &Session<'_>) -> Result<Tasks, Failure> {
    let (verb, rest) = verb_of(words)?;
    if let table::Treatment::Refused(why) = verb.treatment {
        return Err(format!("kubectl {} is refused: {why}", verb.path).into());
    }
    let args = args::Args::parse(verb, &rest)?;
    let mut cx = Cx::new(look, session);
    if args.given("namespace") {
        args.text("namespace").clone_into(&mut cx.namespace);
        cx.namespace_given = true;
    }
    let args = output::inlined(args, &cx)?;
    (verb.plan)(&args, &cx)
}

/// The verb of a command line, and the line without its words. Flags may stand before it.
fn verb_of(words: &[String]) -> Result<(&'static Verb, Vec<String>), Failure> {
    let mut bare: Vec<(usize, &str)> = Vec::new();
    let mut i = 0;
    while i < words.len() {
        let word = words[i].as_str();
        if word == "--" {
            break;
        }
        let takes_next = |f: &&table::Flag| {
            let named = word.strip_prefix("--") == Some(f.name)
                || f.letter
                    .is_some_and(|c| word.strip_prefix('-').is_some_and(|w| w.chars().eq([c])));
            named && f.takes != table::Takes::Switch
        };
        if !word.starts_with('-') {
            bare.push((i, word));
        } else if table::GLOBAL.iter().any(|f| takes_next(&f)) {
            i += 1;
        }
        i += 1;
    }
    let names: Vec<&str> = bare.iter().map(|(_, w)| *w).collect();
    match table::find(&names) {
        Named::Verb(verb, n) => {
            let used: Vec<usize> = bare.iter().take(n).map(|(i, _)| *i).collect();
            let rest = words.iter().enumerate().filter(|(i, _)| !used.contains(i));
            Ok((verb, rest.map(|(_, w)| w.clone()).collect()))
        }
        Named::Group(path, n) => match names.get(n..) {
            None | Some([]) => Err(Failure::Exit(args::GROUP_HELP, page::group_help(&path))),
            Some(more) => {
                let text = format!("unknown command {:?}", more.join(" "));
                Err(Failure::usage(&path, &text))
            }
        },
        Named::Unknown => Err(unknown(&names)),
    }
}

/// The complaint about a verb that there is not.
fn unknown(names: &[&str]) -> Failure {
    let Some(name) = names.first() else {
        return "a kubectl command needs a verb, such as \"scale\"".into();
    };
    let mut text = format!("unknown command {name:?} for \"kubectl\"");
    let mut heads: Vec<&str> =
        table::all().map(|v| v.path.split(' ').next().unwrap_or_default()).collect();
    heads.sort_unstable();
    heads.dedup();
    let near = crate::api::suggest::nearest(name, heads.into_iter());
    if let Some(near) = near {
        text.push_str(&format!("\n\nDid you mean this?\n\t{near}\n"));
    }
    text.into()
}

/// A request with a document, kept only where it is no try.
fn kept(request: Request, dry_run: output::DryRun) -> Request {
    match dry_run {
        output::DryRun::Server => Request::DryRun(Box::new(request)),
        output::DryRun::No | output::DryRun::Client => request,
    }
}

/// The refusal of a request that the server does not know for the type.
fn no_such_endpoint() -> Failure {
    Failure::server(ErrorReason::NotFound, "the server could not find the requested resource")
}

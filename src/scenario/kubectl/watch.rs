//! `kubectl get --watch` and `kubectl events --watch`: rows and documents as objects change.
//!
//! A watch is no [`super::Invocation`]: it hears every fact of a run and answers with what is printed of it,
//! so that nothing is gathered. Follows `pkg/cmd/get/get.go` (`watch`), `pkg/cmd/events/events.go`
//! (`runWatch`) and, for objects that begin and cease to fit a selector,
//! `staging/src/k8s.io/apiserver/pkg/storage/cacher/cache_watcher.go` (`convertToWatchEvent`). A watch that is
//! begun early, before anything was done to the cluster, waits for the object or the type that it names.
//! Events that the server forgets after their hour are not told.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::Args;
use super::get::{self, Columns, Table};
use super::output::{self, Printer};
use super::resource::{self, Info, Resource, Selection, Ways, to_value};
use super::{Cx, Failure, History, Look, Session, errors, events, verb_of};
use crate::base::time::SimTime;
use crate::model::Object;
use crate::report::tabs::Aligner;
use crate::trace::{Change, EventRecord, Fact, FactKind};

/// How it is watched.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// What there is, is printed first (`--watch`, not `--watch-only`).
    pub list: bool,
    /// Each change is printed with its type (`--output-watch-events`).
    pub types: bool,
    /// What is named need not exist yet.
    pub early: bool,
}

/// What is printed on standard output and standard error.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A watch that has begun.
pub struct Watch {
    target: Target,
    paper: Paper,
    /// Why there is nothing to watch, until there is.
    missing: Option<Failure>,
    /// Why no more is printed.
    broken: Option<Failure>,
}

/// What is watched.
enum Target {
    /// Objects of a type.
    Objects { of: Resource, name: Option<String>, namespace: Option<String>, selection: Selection },
    /// Events of `kubectl events`.
    Events(events::Wanted),
    /// A type that the server does not have yet.
    Unknown { argument: String, name: Option<String>, namespace: Option<String>, args: Box<Args> },
}

impl Watch {
    /// Begins a watch for the words of `get` or `events`, without the flags that [`Way`] stands for. Answers
    /// with what is printed at once.
    ///
    /// # Errors
    /// What kubectl complains of on standard error, and its exit code.
    pub fn begin(
        words: &[String],
        way: Way,
        look: &Look<'_>,
        session: &Session<'_>,
    ) -> Result<(Self, Printed), (String, i32)> {
        let begun = || {
            let (verb, rest) = verb_of(words)?;
            let args = Args::parse(verb, &rest)?;
            let cx = Cx::new(look, session);
            let args = output::inlined(args, &cx)?;
            match verb.path {
                "get" => objects(&args, &cx, way),
                "events" => events_of(&args, &cx, way),
                other => Err(format!("kubectl {other} cannot watch").into()),
            }
        };
        let (mut watch, items) = begun().map_err(|failure| errors::check(&[failure]))?;
        let items = if way.list { &items[..] } else { &[] };
        let stdout = watch.say(items, look.now);
        let sorted = words.iter().any(|w| w.starts_with("--sort-by"));
        let stderr = match (sorted, way.list) {
            (false, _) => "",
            (true, true) => {
                "warning: --watch requested, --sort-by will be ignored for watch events received\n"
            }
            (true, false) => "warning: --watch-only requested, --sort-by will be ignored\n",
        };
        Ok((watch, Printed { stdout, stderr: stderr.to_owned() }))
    }

    /// What is printed of a fact; `history` has heard it already.
    pub fn hear(&mut self, fact: &Fact, history: &History) -> String {
        if self.broken.is_some() {
            return String::new();
        }
        if let Target::Unknown { .. } = self.target {
            self.learn(fact);
        }
        match self.change(fact, history) {
            Some(item) => {
                self.missing = None;
                self.say(&[item], fact.at)
            }
            None => String::new(),
        }
    }

    /// Whether nothing will be printed any more.
    pub fn is_over(&self) -> bool {
        self.broken.is_some()
    }

    /// What is complained of at the end on standard error, and the exit code.
    pub fn finish(self) -> (String, i32) {
        errors::check(&self.broken.or(self.missing).into_iter().collect::<Vec<_>>())
    }

    fn say(&mut self, items: &[(Change, Value)], now: SimTime) -> String {
        let (text, failure) = self.paper.print(items, now);
        self.broken = failure;
        text
    }

    /// Looks whether an object that is new makes the type that is waited for.
    fn learn(&mut self, fact: &Fact) {
        let (Target::Unknown { argument, name, namespace, args }, FactKind::Object { object, .. }) =
            (&self.target, &fact.kind)
        else {
            return;
        };
        let Some(of) = resource::made_by(object).filter(|of| of.is_named(argument)) else { return };
        let target = selection(&of, args).and_then(|selection| {
            let columns = Columns::defined(&of, resource::definition(object, &of))?;
            self.paper.form = Form::of(args, &of, columns)?;
            self.missing = name.as_ref().map(|name| of.not_found(name));
            let (name, namespace) = (name.clone(), namespace.clone());
            Ok(Target::Objects { of, name, namespace, selection })
        });
        match target {
            Ok(target) => self.target = target,
            Err(failure) => self.broken = Some(failure),
        }
    }

    /// The change that a fact means to whoever watches.
    fn change(&self, fact: &Fact, history: &History) -> Option<(Change, Value)> {
        match (&self.target, &fact.kind) {
            (
                Target::Objects { of, name, namespace, selection },
                FactKind::Object { change, object, old },
            ) => {
                let meta = object.meta();
                let meant = object.kind() == of.model
                    && of.has(object)
                    && name.as_ref().is_none_or(|name| meta.name == *name)
                    && within(namespace.as_ref(), &meta.namespace);
                meant.then(|| seen(of, selection, *change, object, old.as_ref()))?
            }
            (
                Target::Objects { of, name, namespace, selection },
                FactKind::Event { record, .. },
            ) if of.is_event() => {
                let (change, event) = event(record, history)?;
                let of_name = name.as_ref().is_none_or(|n| event["metadata"]["name"] == n.as_str());
                let here = within(namespace.as_ref(), events::namespace(&record.regarding.object));
                (of_name && here && selection.has_event(of, &event)).then_some((change, event))
            }
            (Target::Events(wanted), FactKind::Event { record, .. }) => {
                event(record, history).filter(|(_, event)| wanted.has(event))
            }
            (Target::Objects { .. } | Target::Events(_) | Target::Unknown { .. }, _) => None,
        }
    }
}

fn within(namespace: Option<&String>, of: &str) -> bool {
    namespace.is_none_or(|namespace| namespace == of)
}

/// The event as the server has it now.
fn event(record: &std::sync::Arc<EventRecord>, history: &History) -> Option<(Change, Value)> {
    let seen = history.seen(record)?;
    let change = if seen.first == seen.last { Change::Added } else { Change::Modified };
    Some((change, events::document(record, seen)))
}

/// A change as a watch with a selector tells it: what ceases to fit is gone, as it was.
fn seen(
    of: &Resource,
    selection: &Selection,
    change: Change,
    object: &Object,
    old: Option<&Object>,
) -> Option<(Change, Value)> {
    let fits = selection.has(of, object);
    if change != Change::Modified {
        return fits.then(|| (change, to_value(object)));
    }
    match (old.filter(|old| selection.has(of, old)), fits) {
        (Some(_), true) => Some((Change::Modified, to_value(object))),
        (None, true) => Some((Change::Added, to_value(object))),
        (Some(old), false) => {
            let mut gone = to_value(old);
            gone["metadata"]["resourceVersion"] = object.meta().resource_version.to_string().into();
            Some((Change::Deleted, gone))
        }
        (None, false) => None,
    }
}

/// What a line selects of a type.
fn selection(of: &Resource, args: &Args) -> Result<Selection, Failure> {
    let selection = resource::select(args)?.unwrap_or_else(Selection::all);
    resource::check_fields(of, &selection, args)?;
    Ok(selection)
}

/// What is watched, and what there is of it.
type Begun = (Watch, Vec<(Change, Value)>);

fn objects(args: &Args, cx: &Cx<'_>, way: Way) -> Result<Begun, Failure> {
    let first = args.words.first().map_or("", String::as_str);
    let (argument, name) = match first.split_once('/') {
        Some((of, name)) => (of, Some(name.to_owned())),
        None => (first, args.words.get(1).cloned()),
    };
    let everywhere = args.on("all-namespaces").then_some(());
    let namespace = everywhere.map_or_else(|| Some(cx.namespace.clone()), |()| None);
    let of = match resource::resource(argument, cx.look.store) {
        Err(failure) if way.early && !argument.contains(',') => {
            let argument = argument.to_owned();
            let target =
                Target::Unknown { argument, name, namespace, args: Box::new(args.clone()) };
            // Until the type is known nothing is printed, so any form will do; what is wrong is said now.
            let form = Form::Objects(Printer::of(&plain(args), "")?);
            let paper = Paper::new(form, args, way);
            return Ok((Watch { target, paper, missing: Some(failure), broken: None }, Vec::new()));
        }
        found => found,
    };
    let absent = Ways { bare_type: true, single_type: true, absent: true, ..Ways::default() };
    let found = resource::find(args, cx, absent)?;
    let of = of?;
    let selection = selection(&of, args)?;
    let (mut infos, mut missing) = (Vec::new(), None);
    match (&name, found.split()) {
        (Some(name), (named, _)) => {
            if named.len() > 1 {
                let text = "you may only watch a single resource or type of resource at a time";
                return Err(text.into());
            }
            match named.into_iter().map(|info| info.fetch(&cx.look)).collect() {
                Ok(one) => infos = one,
                Err(_) if way.early => missing = Some(of.not_found(name)),
                Err(failure) => return Err(failure),
            }
        }
        (None, (_, mut failures)) if !failures.is_empty() => return Err(failures.remove(0)),
        (None, (listed, _)) => infos = listed,
    }
    missing = missing.filter(|_| !args.on("ignore-not-found"));
    get::sorted(&mut infos, args, matches!(args.text("output"), "" | "wide"))?;
    let form = Form::of(args, &of, Columns::of(&of, &cx.look)?)?;
    let items = infos.iter().map(|info| (Change::Added, Info::wire(info))).collect();
    let namespace = namespace.filter(|_| of.namespaced);
    let target = Target::Objects { of, name, namespace, selection };
    Ok((Watch { target, paper: Paper::new(form, args, way), missing, broken: None }, items))
}

fn events_of(args: &Args, cx: &Cx<'_>, way: Way) -> Result<Begun, Failure> {
    let wanted = events::Wanted::of(args, cx)?;
    let form = match args.text("output") {
        "" => Form::Events { everywhere: args.on("all-namespaces") },
        _ => Form::Objects(Printer::of(args, "")?),
    };
    let mut items = events::documents(&cx.look);
    items.retain(|event| wanted.has(event));
    let items = items.into_iter().map(|event| (Change::Added, event)).collect();
    let (target, paper) = (Target::Events(wanted), Paper::new(form, args, way));
    Ok((Watch { target, paper, missing: None, broken: None }, items))
}

/// The line without the forms that are tables.
fn plain(args: &Args) -> Args {
    let mut line = args.clone();
    if matches!(args.text("output"), "" | "wide") {
        line.clear("output");
    }
    line
}

/// What changes are printed as.
enum Form {
    Table(Box<Table>),
    Events { everywhere: bool },
    Objects(Printer),
}

impl Form {
    fn of(args: &Args, of: &Resource, columns: Columns) -> Result<Self, Failure> {
        match args.text("output") {
            "" | "wide" => Ok(Self::Table(Box::new(Table::of(of, args, columns)))),
            _ => Printer::of(args, "").map(Self::Objects),
        }
    }
}

/// Where it is printed: titles come once, and columns stay as wide as they were.
struct Paper {
    form: Form,
    types: bool,
    headers: bool,
    aligner: Aligner,
    blank: bool,
}

impl Paper {
    fn new(form: Form, args: &Args, way: Way) -> Self {
        let headers = !args.on("no-headers");
        Self { form, types: way.types, headers, aligner: output::aligner(), blank: true }
    }

    /// What is printed of changes that are told together, and what went wrong.
    fn print(&mut self, items: &[(Change, Value)], now: SimTime) -> (String, Option<Failure>) {
        let mut text = String::new();
        for (change, whole) in items {
            let titled = self.headers && self.blank;
            match &self.form {
                Form::Table(table) => {
                    if titled {
                        text.push_str(if self.types { "EVENT\t" } else { "" });
                        text.push_str(&table.head());
                    }
                    if self.types {
                        // Writing to a string cannot fail.
                        let _ = write!(text, "{:<8}\t", change.as_str());
                    }
                    text.push_str(&table.row(whole, now));
                }
                Form::Events { everywhere } => {
                    if titled {
                        text.push_str(&events::head(*everywhere));
                    }
                    text.push_str(&events::row(whole, *everywhere, now));
                }
                Form::Objects(printer) => {
                    let (more, failure) =
                        document(printer, self.types.then_some(*change), whole, self.blank);
                    text.push_str(&more);
                    if failure.is_some() {
                        return (text, failure);
                    }
                }
            }
            self.blank = false;
        }
        let aligned = match &self.form {
            Form::Objects(printer) if !printer.is_table() => return (text, None),
            _ => self.aligner.align(&output::escaped(&text)),
        };
        (aligned, None)
    }
}

/// What is printed of one document, `first` or after others.
fn document(
    printer: &Printer,
    change: Option<Change>,
    whole: &Value,
    first: bool,
) -> (String, Option<Failure>) {
    let event = change.map(|change| json!({"type": change.as_str(), "object": whole}));
    let shown = event.as_ref().unwrap_or(whole);
    if let Some(cells) = printer.cells(shown, first) {
        return (cells, None);
    }
    let between = if first { "" } else { printer.between() };
    let (text, failure) = match change {
        Some(change) => printer.print_change(change.as_str(), whole),
        None => printer.print(whole),
    };
    (format!("{between}{text}"), failure)
}

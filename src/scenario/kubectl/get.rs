//! `kubectl get`, `kubectl events`, `kubectl describe`.
//!
//! After `pkg/cmd/get` and `pkg/cmd/events`. The cells of tables are the server's ([`printers`]).

use std::time::Duration;

use serde_json::{Value, json};

use super::args::Args;
use super::history::Seen;
use super::output::Printer;
use super::resource::{self, Info, Ways};
use super::table::{FILES, Flag, PRINT, SELECTOR, Treatment, Verb, list, number, switch, text};
use super::{Cx, Failure, Task, Tasks};
use crate::base::time::SimTime;
use crate::report::printers;
use crate::trace::EventRecord;

const GET: &[Flag] = &[
    switch("all-namespaces").letter('A'),
    text("field-selector"),
    switch("ignore-not-found"),
    switch("no-headers"),
    switch("show-labels"),
    switch("show-kind"),
    list("label-columns").letter('L'),
    text("sort-by").refused("objects are listed by namespace and name"),
    switch("watch")
        .letter('w')
        .refused("a step ends at once: use kubectl wait or kubectl rollout status"),
    switch("watch-only").refused("a step ends at once: use kubectl wait"),
    switch("output-watch-events").refused("nothing is watched"),
    text("raw").refused("name the objects"),
    text("subresource").refused("ask for the object with -o yaml"),
    number("chunk-size", "500").ignored("lists come whole"),
    switch("server-print").or("true").ignored("there is one kind of table"),
];

pub(super) const VERBS: &[Verb] = &[
    Verb {
        path: "get",
        aliases: &[],
        usage: "get [(-o|--output=)json|yaml|name|jsonpath|jsonpath-as-json|wide] (TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...) [flags] [options]",
        about: "Display one or many resources.",
        flags: &[GET, FILES, PRINT, SELECTOR],
        treatment: Treatment::Simplified(
            "the table shows name and age; go-template and custom-columns are not there",
        ),
        plan,
    },
    Verb {
        path: "events",
        aliases: &[],
        usage: "events [(-o|--output=)json|yaml] [--for TYPE/NAME] [--watch] [--types=Normal,Warning] [options]",
        about: "Display events.",
        flags: &[
            PRINT,
            &[
                switch("all-namespaces").letter('A'),
                text("for"),
                list("types"),
                switch("no-headers"),
                switch("watch").letter('w').refused("a step ends at once"),
                number("chunk-size", "500").ignored("lists come whole"),
            ],
        ],
        treatment: Treatment::Simplified(
            "events are told by the run, and are not objects: -o prints what is known of them",
        ),
        plan: |args, cx| events(args, cx, args.text("for"), true),
    },
];

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    if args.words.is_empty() && args.list("filename").is_empty() {
        let text = "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported resources.\n\nerror: Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource (e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples";
        return Err(Failure::Exit(1, text.to_owned()));
    }
    if args.words.first().is_some_and(|w| matches!(w.as_str(), "events" | "event" | "ev")) {
        return events(args, cx, "", false);
    }
    let table = matches!(args.text("output"), "" | "wide");
    let mut line = args.clone();
    if table {
        line.clear("output");
    }
    let printer = Printer::of(&line, "")?;
    let found = resource::find(args, cx, Ways { bare_type: true, ..Ways::default() })?;
    let single = found.single;
    let (infos, failures) = found.split();
    let ignore = args.on("ignore-not-found");
    let failures: Vec<Failure> =
        failures.into_iter().filter(|f| !(ignore && f.is_not_found())).collect();
    let mut tasks = Tasks::new();
    if table {
        if infos.is_empty() && failures.is_empty() && !ignore {
            let place = match args.on("all-namespaces") {
                true => "No resources found\n".to_owned(),
                false => format!("No resources found in {} namespace.\n", cx.namespace),
            };
            tasks.push(Task::Warn(place));
        } else {
            tasks.push(Task::Say(rows(&infos, args, cx.look.now)));
        }
    } else if printer.tells() {
        tasks.extend(infos.iter().map(|i| Task::print(&printer, &i.wire())));
    } else if single {
        tasks.extend(infos.iter().map(|i| Task::print(&printer, &i.wire())));
    } else if failures.is_empty() || !infos.is_empty() {
        let items: Vec<Value> = infos.iter().map(Info::wire).collect();
        let all = json!({"apiVersion": "v1", "kind": "List", "items": items,
            "metadata": {"resourceVersion": ""}});
        tasks.push(Task::print(&printer, &all));
    }
    tasks.extend(failures.into_iter().map(Task::Fail));
    Ok(tasks)
}

/// The table, one part for each type: the cells are the server's.
fn rows(infos: &[Info], args: &Args, now: SimTime) -> String {
    let mut types: Vec<&resource::Resource> = Vec::new();
    for info in infos {
        if !types.contains(&&info.resource) {
            types.push(&info.resource);
        }
    }
    let titled = types.len() > 1 || args.on("show-kind");
    let parts: Vec<String> =
        types.iter().map(|of| aligned(&part(infos, of, titled, args, now))).collect();
    parts.join("\n")
}

fn part(
    infos: &[Info],
    of: &resource::Resource,
    titled: bool,
    args: &Args,
    now: SimTime,
) -> Vec<Vec<String>> {
    let wide = args.text("output") == "wide";
    let spaces = args.on("all-namespaces") && of.namespaced;
    let columns = printers::columns(&of.kind);
    let shown = |i: usize| columns.get(i).is_some_and(|c| wide || !c.wide);
    let mut table: Vec<Vec<String>> = Vec::new();
    if !args.on("no-headers") {
        let mut head: Vec<String> = Vec::new();
        head.extend(spaces.then(|| "NAMESPACE".to_owned()));
        head.extend(columns.iter().filter(|c| wide || !c.wide).map(|c| c.name.to_uppercase()));
        let bare = |label: &String| label.rsplit('/').next().unwrap_or(label).to_uppercase();
        head.extend(args.list("label-columns").iter().map(bare));
        head.extend(args.on("show-labels").then(|| "LABELS".to_owned()));
        table.push(head);
    }
    for info in infos.iter().filter(|i| i.resource == *of) {
        let Some(object) = &info.object else { continue };
        let labels = &object.meta().labels;
        let mut row: Vec<String> = Vec::new();
        row.extend(spaces.then(|| info.namespace.clone()));
        let cells = printers::row(&of.kind, &info.wire(), now.to_utc());
        let texts = cells.iter().enumerate().filter(|(i, _)| shown(*i)).map(|(_, c)| cell(c));
        row.extend(texts);
        if let Some(name) = row.get_mut(usize::from(spaces)).filter(|_| titled) {
            *name = info.title();
        }
        let label = |key: &String| labels.get(key).map_or(String::new(), ToString::to_string);
        row.extend(args.list("label-columns").iter().map(label));
        if args.on("show-labels") {
            let all: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            row.push(if all.is_empty() { "<none>".to_owned() } else { all.join(",") });
        }
        table.push(row);
    }
    table
}

/// A cell as it is printed: the first line of a text.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => match text.split_once('\n') {
            Some((first, _)) => format!("{first}..."),
            None => text.clone(),
        },
        other => other.to_string(),
    }
}

/// Columns three spaces apart, as kubectl's writer aligns them.
pub(super) fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let width = |i: usize| table.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|i| width(i).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if i + 1 < row.len() {
                line.extend(std::iter::repeat_n(' ', widths[i] - cell.chars().count() + 3));
            }
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// An age as kubectl shows it.
fn age(length: Duration) -> String {
    printers::duration::human(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX))
}

/// The events that concern an object (`TYPE/NAME`), or all of the namespace.
fn events(args: &Args, cx: &Cx<'_>, about: &str, own_verb: bool) -> Result<Tasks, Failure> {
    let about = match about.split_once('/') {
        Some((of, name)) => {
            Some(resource::resource(of, cx.look.store)?.reference(&cx.namespace, name))
        }
        None if about.is_empty() => None,
        None => return Err("--for must be in resource/name form".into()),
    };
    if let Some(wrong) = args
        .list("types")
        .iter()
        .find(|t| !matches!(t.to_lowercase().as_str(), "normal" | "warning"))
    {
        return Err(format!("valid --types are Normal or Warning; {wrong:?} is neither").into());
    }
    let types: Vec<String> = args.list("types").iter().map(|t| t.to_lowercase()).collect();
    let everywhere = args.on("all-namespaces");
    let wanted = |r: &EventRecord| {
        let object = &r.regarding.object;
        let here = everywhere
            || object.key.namespace == cx.namespace
            || (object.key.namespace.is_empty() && cx.namespace == "default");
        here && about.as_ref().is_none_or(|a| a == object)
            && (types.is_empty() || types.contains(&r.event_type.as_str().to_lowercase()))
    };
    let found: Vec<(&EventRecord, Seen)> =
        cx.look.history.events(cx.look.now).into_iter().filter(|(r, _)| wanted(r)).collect();
    if !matches!(args.text("output"), "" | "wide") {
        let printer = Printer::of(args, "")?;
        let items: Vec<Value> = found.iter().map(|(r, s)| document(r, *s)).collect();
        let all = json!({"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}});
        return Ok(vec![Task::print(&printer, &all)]);
    }
    if found.is_empty() {
        let text = match (everywhere, own_verb) {
            (true, true) => "No events found.\n".to_owned(),
            (false, true) => format!("No events found in {} namespace.\n", cx.namespace),
            (true, false) => "No resources found\n".to_owned(),
            (false, false) => format!("No resources found in {} namespace.\n", cx.namespace),
        };
        return Ok(vec![Task::Warn(text)]);
    }
    let mut table = Vec::new();
    if !args.on("no-headers") {
        let mut head: Vec<String> = Vec::new();
        head.extend(everywhere.then(|| "NAMESPACE".to_owned()));
        head.extend(["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"].map(str::to_owned));
        table.push(head);
    }
    for (record, seen) in found {
        let object = &record.regarding.object;
        let mut row: Vec<String> = Vec::new();
        row.extend(everywhere.then(|| object.key.namespace.to_string()));
        let last = age(cx.look.now.since(seen.last));
        row.push(match (own_verb, seen.count) {
            (true, count) if count > 1 => {
                format!("{last} (x{count} over {})", age(cx.look.now.since(seen.first)))
            }
            _ => last,
        });
        row.push(record.event_type.as_str().to_owned());
        row.push(record.reason.to_string());
        let kind = object.kind.as_str();
        let kind = if own_verb { kind.to_owned() } else { kind.to_lowercase() };
        row.push(format!("{kind}/{}", object.key.name));
        row.push(record.message.trim_end().to_owned());
        table.push(row);
    }
    Ok(vec![Task::Say(aligned(&table))])
}

/// An event as far as it is known.
fn document(record: &EventRecord, seen: Seen) -> Value {
    let object = &record.regarding.object;
    json!({"apiVersion": "v1", "kind": "Event",
        "metadata": {"namespace": object.key.namespace.as_str(), "name": object.key.name.as_str()},
        "involvedObject": {"apiVersion": object.kind.api_version(), "kind": object.kind.as_str(),
            "name": object.key.name.as_str(), "namespace": object.key.namespace.as_str(),
            "uid": record.regarding.uid.to_string(), "fieldPath": record.regarding.field_path.as_str()},
        "type": record.event_type.as_str(), "reason": record.reason.as_str(),
        "message": record.message.as_str(), "count": seen.count,
        "firstTimestamp": seen.first.trunc_secs().to_rfc3339(),
        "lastTimestamp": seen.last.trunc_secs().to_rfc3339(),
        "source": {"component": record.component.as_str()}})
}

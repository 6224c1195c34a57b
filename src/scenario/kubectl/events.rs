//! API events as objects, and `kubectl events`.
//!
//! Events are no objects of the store: they are made of what the run has told ([`History`]). Their form
//! follows `k8s.io/client-go/tools/record/event.go` and, for the scheduler's, `tools/events`; the verb
//! follows `pkg/cmd/events`.

use serde_json::{Value, json};

use super::args::Args;
use super::history::Seen;
use super::output::{self, Printer};
use super::resource::{self, Resource};
use super::table::{PRINT, Treatment, Verb, list, number, switch, text};
use super::{Cx, Failure, Look, Task, Tasks};
use crate::api::kinds;
use crate::base::time::SimTime;
use crate::model::{Kind, Ref, Uid};
use crate::report::printers::duration::human;
use crate::trace::EventRecord;

pub(super) const VERBS: &[Verb] = &[Verb {
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
            switch("watch").letter('w').refused("a step ends at once: use wavetank events --watch"),
            number("chunk-size", "500").ignored("lists come whole"),
        ],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

/// The events that the server has, as it lists them: by namespace and name.
pub(super) fn documents(look: &Look<'_>) -> Vec<Value> {
    let mut documents: Vec<Value> =
        look.history.events(look.now).map(|(record, seen)| document(record, seen)).collect();
    let key = |o: &Value, field: &str| o["metadata"][field].as_str().unwrap_or_default().to_owned();
    documents.sort_by_cached_key(|o| (key(o, "namespace"), key(o, "name")));
    documents
}

/// Whether an event is recorded by the newer API, which knows series instead of counts: the scheduler's.
fn by_newer_api(record: &EventRecord) -> bool {
    record.host.is_empty()
        && matches!(record.reason.as_str(), "Scheduled" | "FailedScheduling" | "Preempted")
}

/// The API version, kind and name of an object. Of kinds without behaviour the name holds all three.
pub(super) fn named(about: &Ref) -> (String, &str, &str) {
    let name = about.key.name.as_str();
    match name.split_once('/').filter(|_| about.kind == Kind::Inert) {
        Some((of, name)) => {
            let (kind, group) = of.split_once('.').unwrap_or((of, ""));
            let known = kinds::in_group(group, kind).map(kinds::KindInfo::api_version);
            (known.unwrap_or_else(|| kinds::join(group, "v1")), kind, name)
        }
        None => (about.kind.api_version().to_owned(), about.kind.as_str(), name),
    }
}

/// Where events about an object are kept: those of cluster-wide ones in `default`.
pub(super) fn namespace(about: &Ref) -> &str {
    match about.key.namespace.as_str() {
        "" => "default",
        namespace => namespace,
    }
}

/// The event as the server has it.
pub(super) fn document(record: &EventRecord, seen: Seen) -> Value {
    let about = &record.regarding.object;
    let (api_version, kind, of) = named(about);
    let namespace = namespace(about);
    let nanos = seen.named.as_nanos();
    let at = |t: SimTime| Value::from(t.to_rfc3339());
    let micro =
        |t: SimTime| Value::from(t.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Micros, true));
    let uid = Uid::from_random(record.regarding.uid.bits() ^ u128::from(nanos).rotate_left(64));
    let mut involved = json!({"apiVersion": api_version, "kind": kind, "name": of});
    if !about.key.namespace.is_empty() {
        involved["namespace"] = about.key.namespace.as_str().into();
    }
    involved["uid"] = record.regarding.uid.to_string().into();
    if !record.regarding.field_path.is_empty() {
        involved["fieldPath"] = record.regarding.field_path.as_str().into();
    }
    let mut event = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": format!("{of}.{nanos:x}"), "namespace": namespace,
            "uid": uid.to_string(), "creationTimestamp": at(seen.first)},
        "involvedObject": involved,
        "reason": record.reason.as_str(),
        "message": record.message.as_str(),
        "type": record.event_type.as_str(),
        "reportingComponent": record.component.as_str(),
        "reportingInstance": record.host.as_str(),
    });
    if by_newer_api(record) {
        event["eventTime"] = micro(seen.first);
        event["firstTimestamp"] = Value::Null;
        event["lastTimestamp"] = Value::Null;
        event["source"] = json!({});
        event["action"] =
            if record.reason == "Preempted" { "Preempting" } else { "Binding" }.into();
        if seen.count > 1 {
            event["series"] = json!({"count": seen.count, "lastObservedTime": micro(seen.last)});
        }
        return event;
    }
    event["count"] = seen.count.into();
    event["eventTime"] = Value::Null;
    event["firstTimestamp"] = at(seen.first);
    event["lastTimestamp"] = at(seen.last);
    event["source"] = json!({"component": record.component.as_str()});
    if !record.host.is_empty() {
        event["source"]["host"] = record.host.as_str().into();
    }
    event
}

/// Which events are meant.
pub(super) struct Wanted {
    about: Option<(Resource, String)>,
    /// In lower case; none means all.
    types: Vec<String>,
    /// `None` is every namespace.
    namespace: Option<String>,
}

impl Wanted {
    /// Those that a line asks for.
    ///
    /// # Errors
    /// `--for` or `--types` that make no sense.
    pub(super) fn of(args: &Args, cx: &Cx<'_>) -> Result<Self, Failure> {
        let about = match args.text("for") {
            "" => None,
            named => {
                let (of, name) =
                    named.split_once('/').ok_or("--for must be in resource/name form")?;
                if name.contains('/') {
                    return Err(
                        "arguments in resource/name form may not have more than one slash".into()
                    );
                }
                Some((resource::resource(of, cx.look.store)?, name.to_owned()))
            }
        };
        let types: Vec<String> = args.list("types").iter().map(|t| t.to_lowercase()).collect();
        if types.iter().any(|t| !matches!(t.as_str(), "normal" | "warning")) {
            return Err("valid --types are Normal or Warning".into());
        }
        let namespace = (!args.on("all-namespaces")).then(|| cx.namespace.clone());
        Ok(Self { about, types, namespace })
    }

    /// Whether an event is among them.
    pub(super) fn has(&self, event: &Value) -> bool {
        let of = &event["involvedObject"];
        let wanted = self.about.as_ref().is_none_or(|(resource, name)| {
            of["kind"] == resource.kind.as_str()
                && of["apiVersion"] == resource.api_version().as_str()
                && of["name"] == *name
        });
        let kind = event["type"].as_str().unwrap_or_default().to_lowercase();
        wanted
            && self.namespace.as_ref().is_none_or(|n| event["metadata"]["namespace"] == n.as_str())
            && (self.types.is_empty() || self.types.contains(&kind))
    }
}

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let wanted = Wanted::of(args, cx)?;
    let everywhere = args.on("all-namespaces");
    let mut events = documents(&cx.look);
    events.retain(|event| wanted.has(event));
    if events.is_empty() {
        return Ok(vec![Task::Warn(match everywhere {
            true => "No events found.\n".to_owned(),
            false => format!("No events found in {} namespace.\n", cx.namespace),
        })]);
    }
    events.sort_by_cached_key(|e| {
        let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime"];
        times.iter().find_map(|p| instant(e, p))
    });
    if !args.text("output").is_empty() {
        let printer = Printer::of(args, "")?;
        let all = json!({"apiVersion": "v1", "kind": "EventList", "items": events, "metadata": {}});
        return Ok(vec![Task::print(&printer, &all)]);
    }
    let mut table = if args.on("no-headers") { String::new() } else { head(everywhere) };
    for event in &events {
        table.push_str(&row(event, everywhere, cx.look.now));
    }
    Ok(vec![Task::Say(output::columns(&table))])
}

/// The titles, divided by tabs.
pub(super) fn head(everywhere: bool) -> String {
    let space = if everywhere { "NAMESPACE\t" } else { "" };
    format!("{space}LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n")
}

/// An event's cells, divided by tabs.
pub(super) fn row(event: &Value, everywhere: bool, now: SimTime) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let ago = |pointer: &str| match instant(event, pointer) {
        Some(at) => human((now.to_utc() - at).num_nanoseconds().unwrap_or(i64::MAX)),
        None => "<unknown>".to_owned(),
    };
    let first =
        if event["eventTime"].is_null() { ago("/firstTimestamp") } else { ago("/eventTime") };
    let interval = match (event["series"]["count"].as_u64(), event["count"].as_u64()) {
        (Some(count), _) => format!("{} (x{count} over {first})", ago("/series/lastObservedTime")),
        (None, Some(count @ 2..)) => format!("{} (x{count} over {first})", ago("/lastTimestamp")),
        _ => first,
    };
    let of = &event["involvedObject"];
    let message = text(&event["message"]).trim().to_owned();
    let space = if everywhere {
        format!("{}\t", text(&event["metadata"]["namespace"]))
    } else {
        String::new()
    };
    format!(
        "{space}{interval}\t{}\t{}\t{}/{}\t{message}\n",
        text(&event["type"]),
        text(&event["reason"]),
        text(&of["kind"]),
        text(&of["name"])
    )
}

fn instant(event: &Value, pointer: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    let text = event.pointer(pointer)?.as_str()?;
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|t| t.to_utc())
}

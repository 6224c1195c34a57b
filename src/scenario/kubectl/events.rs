//! API events as objects, and `kubectl events`.
//!
//! Events are no objects of the store: they are made of what the run has told ([`History`]). Their form
//! follows `k8s.io/client-go/tools/record/event.go` and, for the scheduler's, `tools/events`; the verb
//! follows `pkg/cmd/events`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::args::Args;
use super::history::Seen;
use super::output::{self, Printer};
use super::resource;
use super::table::{PRINT, Treatment, Verb, list, number, switch, text};
use super::{Cx, Failure, Look, Task, Tasks};
use crate::api::kinds;
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
            switch("watch").letter('w').refused("a step ends at once"),
            number("chunk-size", "500").ignored("lists come whole"),
        ],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

/// The events that the server has, as it lists them: by namespace and name.
pub(super) fn documents(look: &Look<'_>) -> Vec<Value> {
    let mut events: Vec<(&EventRecord, Seen)> = look.history.events(look.now).collect();
    events.sort_by_key(|(record, seen)| (seen.first, *record));
    let mut taken: BTreeSet<(String, String)> = BTreeSet::new();
    let mut documents: Vec<Value> =
        events.iter().map(|(record, seen)| document(record, *seen, &mut taken)).collect();
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
fn named(about: &Ref) -> (String, &str, &str) {
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

fn document(record: &EventRecord, seen: Seen, taken: &mut BTreeSet<(String, String)>) -> Value {
    let about = &record.regarding.object;
    let (api_version, kind, of) = named(about);
    let namespace = match about.key.namespace.as_str() {
        "" => "default",
        namespace => namespace,
    };
    // An event is named for its object and the nanosecond; two of one nanosecond are told apart.
    let mut nanos = seen.first.as_nanos();
    while !taken.insert((namespace.to_owned(), format!("{of}.{nanos:x}"))) {
        nanos += 1;
    }
    let at = |t: crate::base::time::SimTime| Value::from(t.to_rfc3339());
    let micro = |t: crate::base::time::SimTime| {
        Value::from(t.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
    };
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

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let about = match args.text("for") {
        "" => None,
        named => {
            let (of, name) = named.split_once('/').ok_or("--for must be in resource/name form")?;
            if name.contains('/') {
                return Err(
                    "arguments in resource/name form may not have more than one slash".into()
                );
            }
            Some((resource::resource(of, cx.look.store)?, name))
        }
    };
    let types: Vec<String> = args.list("types").iter().map(|t| t.to_lowercase()).collect();
    if types.iter().any(|t| !matches!(t.as_str(), "normal" | "warning")) {
        return Err("valid --types are Normal or Warning".into());
    }
    let everywhere = args.on("all-namespaces");
    let mut events = documents(&cx.look);
    events.retain(|e| {
        let of = &e["involvedObject"];
        let wanted = about.as_ref().is_none_or(|(resource, name)| {
            of["kind"] == resource.kind.as_str()
                && of["apiVersion"] == resource.api_version().as_str()
                && of["name"] == *name
        });
        let kind = e["type"].as_str().unwrap_or_default().to_lowercase();
        wanted
            && (everywhere || e["metadata"]["namespace"] == cx.namespace.as_str())
            && (types.is_empty() || types.contains(&kind))
    });
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
    let mut table = String::new();
    if !args.on("no-headers") {
        table.push_str(if everywhere { "NAMESPACE\t" } else { "" });
        table.push_str("LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n");
    }
    for event in &events {
        table.push_str(&row(event, everywhere, cx));
    }
    Ok(vec![Task::Say(output::columns(&table))])
}

fn row(event: &Value, everywhere: bool, cx: &Cx<'_>) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let ago = |pointer: &str| match instant(event, pointer) {
        Some(at) => human((cx.look.now.to_utc() - at).num_nanoseconds().unwrap_or(i64::MAX)),
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

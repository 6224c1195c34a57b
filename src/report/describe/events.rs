//! The events of an object, below its description. Follows `searchEvents` and `DescribeEvents`.

use serde_json::Value;

use super::super::printers::cells::{int, since, text, time};
use super::Cluster;
use super::page::{Page, put};

/// The events that concern an object.
pub(super) fn of(object: &Value, cluster: &Cluster<'_>) -> Vec<Value> {
    let kind = text(object, "/kind");
    let uid = text(object, "/metadata/uid");
    match kind {
        // Of a pod every event of its name and uid counts, under whatever kind.
        "Pod" => search(object, cluster, None, uid),
        // Node agents write the name of their node where others write its uid.
        "Node" => {
            let mut found = search(object, cluster, Some(kind), uid);
            found.extend(search(object, cluster, Some(kind), text(object, "/metadata/name")));
            found
        }
        _ => search(object, cluster, Some(kind), uid),
    }
}

fn search(object: &Value, cluster: &Cluster<'_>, kind: Option<&str>, uid: &str) -> Vec<Value> {
    let (name, namespace) = (text(object, "/metadata/name"), text(object, "/metadata/namespace"));
    let concerns = |event: &Value| {
        let about = |field: &str| text(event, &format!("/involvedObject/{field}")).to_owned();
        about("name") == name
            && about("namespace") == namespace
            && kind.is_none_or(|kind| about("kind") == kind)
            && (uid.is_empty() || about("uid") == uid)
    };
    let mut found = (cluster.list)("Event", namespace);
    found.retain(concerns);
    found
}

/// Writes the events, those seen last at the end.
pub(super) fn describe(page: &mut Page, object: &Value, cluster: &Cluster<'_>) {
    if !cluster.events {
        return;
    }
    let mut events = of(object, cluster);
    if events.is_empty() {
        put!(page, 0, "Events:\t<none>\n");
        return;
    }
    events.sort_by_key(|event| time(event, "/lastTimestamp"));
    put!(page, 0, "Events:\n  Type\tReason\tAge\tFrom\tMessage\n");
    put!(page, 1, "----\t------\t----\t----\t-------\n");
    for event in &events {
        let from = match text(event, "/source/component") {
            "" => text(event, "/reportingComponent"),
            component => component,
        };
        let mut message = text(event, "/message").trim().to_owned();
        let part = text(event, "/involvedObject/fieldPath");
        if !part.is_empty() {
            message = format!("{part}: {message}");
        }
        put!(
            page,
            1,
            "{}\t{}\t{}\t{from}\t{message}\n",
            text(event, "/type"),
            text(event, "/reason"),
            interval(event, cluster),
        );
    }
}

/// How long ago an event was, and how often it has been.
fn interval(event: &Value, cluster: &Cluster<'_>) -> String {
    let ago = |pointer: &str| since(time(event, pointer), cluster.now);
    let first = match text(event, "/eventTime") {
        "" => ago("/firstTimestamp"),
        _ => ago("/eventTime"),
    };
    if event["series"].is_object() {
        let count = int(event, "/series/count");
        return format!("{} (x{count} over {first})", ago("/series/lastObservedTime"));
    }
    match int(event, "/count") {
        count if count > 1 => format!("{} (x{count} over {first})", ago("/lastTimestamp")),
        _ => first,
    }
}

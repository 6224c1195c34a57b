//! The cells of workloads and what scales and guards them.

use serde_json::Value;

use super::Now;
use super::cells::{
    age, containers, has, int, items, labels, name, quantity, selector, since, text, time,
};
use super::duration::human;

const CONTAINERS: &str = "/spec/template/spec/containers";

/// The cells, with those of the containers and the selector behind them.
fn with_containers(mut cells: Vec<Value>, object: &Value, at: &str, selector: Value) -> Vec<Value> {
    cells.extend(containers(object, at));
    cells.push(selector);
    cells
}

pub(super) fn deployment(o: &Value, now: Now) -> Vec<Value> {
    let ready = format!("{}/{}", int(o, "/status/readyReplicas"), int(o, "/spec/replicas"));
    let cells = vec![
        name(o),
        ready.into(),
        int(o, "/status/updatedReplicas").into(),
        int(o, "/status/availableReplicas").into(),
        age(o, now),
    ];
    // Other than the rest it prints nothing for a selector that selects everything or nothing.
    let selector = match selector(o, "/spec/selector") {
        Value::String(s) if s == "<none>" => {
            if has(o, "/spec/selector") {
                "".into()
            } else {
                Value::from("")
            }
        }
        Value::String(s) if s == "<error>" => "<invalid>".into(),
        other => other,
    };
    with_containers(cells, o, CONTAINERS, selector)
}

pub(super) fn replica_set(o: &Value, now: Now) -> Vec<Value> {
    let cells = counted(o, now);
    with_containers(cells, o, CONTAINERS, selector(o, "/spec/selector"))
}

pub(super) fn replication_controller(o: &Value, now: Now) -> Vec<Value> {
    let cells = counted(o, now);
    with_containers(cells, o, CONTAINERS, labels(o, "/spec/selector"))
}

fn counted(o: &Value, now: Now) -> Vec<Value> {
    vec![
        name(o),
        int(o, "/spec/replicas").into(),
        int(o, "/status/replicas").into(),
        int(o, "/status/readyReplicas").into(),
        age(o, now),
    ]
}

pub(super) fn stateful_set(o: &Value, now: Now) -> Vec<Value> {
    let ready = format!("{}/{}", int(o, "/status/readyReplicas"), int(o, "/spec/replicas"));
    let mut cells = vec![name(o), ready.into(), age(o, now)];
    cells.extend(containers(o, CONTAINERS));
    cells
}

pub(super) fn daemon_set(o: &Value, now: Now) -> Vec<Value> {
    let mut cells = vec![name(o)];
    let counts = [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    ];
    cells.extend(counts.map(|field| Value::from(int(o, &format!("/status/{field}")))));
    cells.push(labels(o, "/spec/template/spec/nodeSelector"));
    cells.push(age(o, now));
    with_containers(cells, o, CONTAINERS, selector(o, "/spec/selector"))
}

pub(super) fn job(o: &Value, now: Now) -> Vec<Value> {
    let succeeded = int(o, "/status/succeeded");
    let completions = match int(o, "/spec/parallelism") {
        _ if has(o, "/spec/completions") => format!("{succeeded}/{}", int(o, "/spec/completions")),
        many @ 2.. => format!("{succeeded}/1 of {many}"),
        _ => format!("{succeeded}/1"),
    };
    let lasted = time(o, "/status/startTime").map(|start| {
        let end = time(o, "/status/completionTime").unwrap_or(now);
        human((end - start).num_nanoseconds().unwrap_or(i64::MAX))
    });
    let cells = vec![
        name(o),
        job_status(o).into(),
        completions.into(),
        lasted.unwrap_or_default().into(),
        age(o, now),
    ];
    with_containers(cells, o, CONTAINERS, selector(o, "/spec/selector"))
}

fn job_status(o: &Value) -> &'static str {
    let is = |kind: &str| {
        let all = items(o, "/status/conditions");
        all.iter().any(|c| text(c, "/type") == kind && text(c, "/status") == "True")
    };
    match () {
        () if is("Complete") => "Complete",
        () if is("Failed") => "Failed",
        () if has(o, "/metadata/deletionTimestamp") => "Terminating",
        () if is("Suspended") => "Suspended",
        () if is("FailureTarget") => "FailureTarget",
        () if is("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

pub(super) fn cron_job(o: &Value, now: Now) -> Vec<Value> {
    let last = match time(o, "/status/lastScheduleTime") {
        None => "<none>".to_owned(),
        some => since(some, now),
    };
    let zone = match has(o, "/spec/timeZone") {
        true => text(o, "/spec/timeZone"),
        false => "<none>",
    };
    let suspended = match o.pointer("/spec/suspend").and_then(Value::as_bool) {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let cells = vec![
        name(o),
        text(o, "/spec/schedule").into(),
        zone.into(),
        suspended.into(),
        items(o, "/status/active").len().into(),
        last.into(),
        age(o, now),
    ];
    let containers = "/spec/jobTemplate/spec/template/spec/containers";
    with_containers(cells, o, containers, selector(o, "/spec/jobTemplate/spec/selector"))
}

pub(super) fn controller_revision(o: &Value, now: Now) -> Vec<Value> {
    let owner = items(o, "/metadata/ownerReferences").iter().find(|r| r["controller"] == true);
    let owner = owner.map(|r| {
        let group = text(r, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
        let dot = if group.is_empty() { "" } else { "." };
        let kind = format!("{}{dot}{group}", text(r, "/kind")).to_lowercase();
        match kind.as_str() {
            "" => text(r, "/name").to_owned(),
            kind => format!("{kind}/{}", text(r, "/name")),
        }
    });
    let owner = owner.unwrap_or_else(|| "<none>".to_owned());
    vec![name(o), owner.into(), int(o, "/revision").into(), age(o, now)]
}

pub(super) fn pod_template(o: &Value, _: Now) -> Vec<Value> {
    let [names, images] = containers(o, "/template/spec/containers");
    vec![name(o), names, images, labels(o, "/template/metadata/labels")]
}

pub(super) fn budget(o: &Value, now: Now) -> Vec<Value> {
    let amount = |pointer: &str| match o.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "N/A".to_owned(),
    };
    vec![
        name(o),
        amount("/spec/minAvailable").into(),
        amount("/spec/maxUnavailable").into(),
        int(o, "/status/disruptionsAllowed").into(),
        age(o, now),
    ]
}

pub(super) fn autoscaler(o: &Value, now: Now) -> Vec<Value> {
    let target = format!(
        "{}/{}",
        text(o, "/spec/scaleTargetRef/kind"),
        text(o, "/spec/scaleTargetRef/name")
    );
    let least = match o.pointer("/spec/minReplicas").and_then(Value::as_i64) {
        Some(least) => least.to_string(),
        None => "<unset>".to_owned(),
    };
    vec![
        name(o),
        target.into(),
        metrics(o).into(),
        least.into(),
        int(o, "/spec/maxReplicas").into(),
        int(o, "/status/currentReplicas").into(),
        age(o, now),
    ]
}

/// At most two metrics, and how many there are beside (`formatHPAMetrics`).
fn metrics(o: &Value) -> String {
    const SHOWN: usize = 2;
    let (specs, statuses) = (items(o, "/spec/metrics"), items(o, "/status/currentMetrics"));
    if specs.is_empty() {
        return "<none>".to_owned();
    }
    let all: Vec<String> =
        specs.iter().enumerate().map(|(i, spec)| metric(spec, statuses.get(i))).collect();
    match all.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} + {more} more...", all[..SHOWN].join(", ")),
        _ => all.join(", "),
    }
}

fn metric(spec: &Value, status: Option<&Value>) -> String {
    let source = match text(spec, "/type") {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let spec = &spec[source];
    let current = status.map(|s| &s[source]).filter(|s| !s.is_null()).map(|s| &s["current"]);
    let unknown = || "<unknown>".to_owned();
    let by_average = has(spec, "/target/averageValue");
    match source {
        "resource" | "containerResource" => {
            let resource = text(spec, "/name");
            if by_average {
                let now = current.map_or_else(unknown, |c| quantity(c, "/averageValue"));
                return format!("{resource}: {now}/{}", quantity(spec, "/target/averageValue"));
            }
            let percent = |v: &Value| v.as_i64().map(|n| format!("{n}%"));
            let now = current.and_then(|c| percent(&c["averageUtilization"]));
            let target = percent(&spec["target"]["averageUtilization"]);
            let target = target.unwrap_or_else(|| "<auto>".to_owned());
            format!("{resource}: {}/{target}", now.unwrap_or_else(unknown))
        }
        "pods" => {
            let now = current.map_or_else(unknown, |c| quantity(c, "/averageValue"));
            format!("{now}/{}", quantity(spec, "/target/averageValue"))
        }
        _ if by_average => {
            let now = current.filter(|c| has(c, "/averageValue"));
            let now = now.map_or_else(unknown, |c| quantity(c, "/averageValue"));
            format!("{now}/{} (avg)", quantity(spec, "/target/averageValue"))
        }
        _ => {
            let now = current.map_or_else(unknown, |c| quantity(c, "/value"));
            format!("{now}/{}", quantity(spec, "/target/value"))
        }
    }
}

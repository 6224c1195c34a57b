//! HorizontalPodAutoscalers. Follows `describeHorizontalPodAutoscalerV2`.

use serde_json::Value;

use super::super::printers::cells::{has, int, items, quantity, text};
use super::page::{Page, plain, put};
use super::{Cluster, events};

/// A HorizontalPodAutoscaler.
pub(super) fn autoscaler(page: &mut Page, hpa: &Value, cluster: &Cluster<'_>) {
    page.head(hpa);
    page.meta(hpa);
    page.created(hpa);
    let (kind, name) =
        (text(hpa, "/spec/scaleTargetRef/kind"), text(hpa, "/spec/scaleTargetRef/name"));
    put!(page, 0, "Reference:\t{kind}/{name}\n");
    put!(page, 0, "Metrics:\t( current / target )\n");
    for (i, metric) in items(hpa, "/spec/metrics").iter().enumerate() {
        let current = items(hpa, "/status/currentMetrics").get(i).unwrap_or(&Value::Null);
        self::metric(page, metric, current);
    }
    put!(page, 0, "Min replicas:\t{}\n", plain(hpa, "/spec/minReplicas", "<unset>"));
    put!(page, 0, "Max replicas:\t{}\n", int(hpa, "/spec/maxReplicas"));
    if has(hpa, "/spec/behavior") {
        put!(page, 0, "Behavior:\n");
        behavior(page, "Scale Up", &hpa["spec"]["behavior"]["scaleUp"]);
        behavior(page, "Scale Down", &hpa["spec"]["behavior"]["scaleDown"]);
    }
    let (now, wanted) = (int(hpa, "/status/currentReplicas"), int(hpa, "/status/desiredReplicas"));
    put!(page, 0, "{kind} pods:\t{now} current / {wanted} desired\n");
    let conditions = items(hpa, "/status/conditions");
    if !conditions.is_empty() {
        put!(page, 0, "Conditions:\n");
        put!(page, 1, "Type\tStatus\tReason\tMessage\n");
        put!(page, 1, "----\t------\t------\t-------\n");
        for c in conditions {
            let [of, status, reason, message] =
                ["/type", "/status", "/reason", "/message"].map(|p| text(c, p));
            put!(page, 1, "{of}\t{status}\t{reason}\t{message}\n");
        }
    }
    events::describe(page, hpa, cluster);
}

fn metric(page: &mut Page, metric: &Value, current: &Value) {
    match text(metric, "/type") {
        "External" => {
            let (source, now) = (&metric["external"], &current["external"]);
            let name = text(source, "/metric/name");
            let (title, value) = value_of(source, now);
            put!(page, 1, "{name:?} (target {title}):\t{value}\n");
        }
        "Pods" => {
            let (source, now) = (&metric["pods"], &current["pods"]);
            let value = pair(source, now, "averageValue");
            put!(page, 1, "{:?} on pods:\t{value}\n", text(source, "/metric/name"));
        }
        "Object" => {
            let (source, now) = (&metric["object"], &current["object"]);
            let [name, kind, of] =
                ["/metric/name", "/describedObject/kind", "/describedObject/name"]
                    .map(|p| text(source, p));
            let average = text(source, "/target/type") == "AverageValue";
            let (title, field) =
                if average { ("average value", "averageValue") } else { ("value", "value") };
            let value = pair(source, now, field);
            put!(page, 1, "\"{name}\" on {kind}/{of} (target {title}):\t{value}\n");
        }
        "Resource" => {
            let (source, now) = (&metric["resource"], &current["resource"]);
            put!(page, 1, "resource {} on pods", text(source, "/name"));
            of_resource(page, source, now);
        }
        "ContainerResource" => {
            let (source, now) = (&metric["containerResource"], &current["containerResource"]);
            let (name, container) = (text(source, "/name"), text(source, "/container"));
            put!(page, 1, "resource {name} of container \"{container}\" on pods");
            of_resource(page, source, now);
        }
        other => put!(page, 1, "<unknown metric type {other:?}>\n"),
    }
}

/// What is measured, and both values, of an external metric.
fn value_of(source: &Value, now: &Value) -> (&'static str, String) {
    match has(source, "/target/averageValue") {
        true if has(now, "/current/averageValue") => {
            ("average value", pair(source, now, "averageValue"))
        }
        true => ("average value", pair(source, &Value::Null, "averageValue")),
        false => ("value", pair(source, now, "value")),
    }
}

/// `current / target` of amounts.
fn pair(source: &Value, now: &Value, field: &str) -> String {
    let current = match now.is_object() {
        true => quantity(now, &format!("/current/{field}")),
        false => "<unknown>".to_owned(),
    };
    format!("{current} / {}", quantity(source, &format!("/target/{field}")))
}

fn of_resource(page: &mut Page, source: &Value, now: &Value) {
    if has(source, "/target/averageValue") {
        put!(page, 0, ":\t{}\n", pair(source, now, "averageValue"));
        return;
    }
    let current = match has(now, "/current/averageUtilization") {
        true => {
            let (percent, amount) =
                (int(now, "/current/averageUtilization"), quantity(now, "/current/averageValue"));
            format!("{percent}% ({amount})")
        }
        false => "<unknown>".to_owned(),
    };
    let target = match has(source, "/target/averageUtilization") {
        true => format!("{}%", int(source, "/target/averageUtilization")),
        false => "<auto>".to_owned(),
    };
    put!(page, 1, "(as a percentage of request):\t{current} / {target}\n");
}

fn behavior(page: &mut Page, title: &str, rules: &Value) {
    if !rules.is_object() {
        return;
    }
    put!(page, 1, "{title}:\n");
    if has(rules, "/stabilizationWindowSeconds") {
        let seconds = int(rules, "/stabilizationWindowSeconds");
        put!(page, 2, "Stabilization Window: {seconds} seconds\n");
    }
    let policies = items(rules, "/policies");
    if policies.is_empty() {
        return;
    }
    put!(page, 2, "Select Policy: {}\n", plain(rules, "/selectPolicy", "Max"));
    put!(page, 2, "Policies:\n");
    for policy in policies {
        let (of, value, period) =
            (text(policy, "/type"), int(policy, "/value"), int(policy, "/periodSeconds"));
        put!(page, 3, "- Type: {of}\tValue: {value}\tPeriod: {period} seconds\n");
    }
}

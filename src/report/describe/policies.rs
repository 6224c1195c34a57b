//! What bounds a namespace and its pods. Follows `describeNamespace`, `DescribeResourceQuotas`,
//! `DescribeLimitRanges`, `describePodDisruptionBudgetV1`, `describePriorityClass`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::printers::cells::{has, int, items, selector, text};
use super::page::{Page, on, plain, put, texts};
use super::{Cluster, containers, events, storage};
use crate::base::quantity::Quantity;

/// A Namespace with its quotas and limits.
pub(super) fn namespace(page: &mut Page, namespace: &Value, cluster: &Cluster<'_>) {
    let name = text(namespace, "/metadata/name");
    put!(page, 0, "Name:\t{name}\n");
    page.meta(namespace);
    put!(page, 0, "Status:\t{}\n", text(namespace, "/status/phase"));
    if !items(namespace, "/status/conditions").is_empty() {
        page.conditions_with_time(namespace);
    }
    put!(page, 0, "\n");
    quotas(page, (cluster.list)("ResourceQuota", name));
    put!(page, 0, "\n");
    let ranges = (cluster.list)("LimitRange", name);
    if ranges.is_empty() {
        put!(page, 0, "No LimitRange resource.\n");
        return;
    }
    put!(
        page,
        0,
        "Resource Limits\n Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio\n"
    );
    put!(
        page,
        0,
        " ----\t--------\t---\t---\t---------------\t-------------\t-----------------------\n"
    );
    for range in &ranges {
        limits(page, range, " ");
    }
}

fn quotas(page: &mut Page, mut quotas: Vec<Value>) {
    if quotas.is_empty() {
        put!(page, 0, "No resource quota.\n");
        return;
    }
    quotas.sort_by_key(|q| text(q, "/metadata/name").to_owned());
    put!(page, 0, "Resource Quotas\n");
    for quota in &quotas {
        put!(page, 1, "Name:\t{}\n", text(quota, "/metadata/name"));
        scopes(page, quota, 1, "* ");
        put!(page, 1, "Resource\tUsed\tHard\n");
        put!(page, 1, "--------\t---\t---\n");
        for (name, used, hard) in amounts(quota) {
            put!(page, 1, "{name}\t{}\t{}\n", used.canonical(), hard.canonical());
        }
    }
}

/// What each resource of a quota is used for, and how much of it there may be, by name.
fn amounts(quota: &Value) -> Vec<(&str, Quantity, Quantity)> {
    let parsed = |v: &Value| v.as_str().and_then(|t| t.parse().ok()).unwrap_or_default();
    let hard = quota["status"]["hard"].as_object().into_iter().flatten();
    let mut all: Vec<(&str, Quantity, Quantity)> = hard
        .map(|(name, hard)| (name.as_str(), parsed(&quota["status"]["used"][name]), parsed(hard)))
        .collect();
    all.sort_by_key(|(name, ..)| *name);
    all
}

fn scopes(page: &mut Page, quota: &Value, level: usize, mark: &str) {
    let mut scopes = texts(quota, "/spec/scopes");
    if scopes.is_empty() {
        return;
    }
    scopes.sort_unstable();
    put!(page, level, "Scopes:\t{}\n", scopes.join(", "));
    for help in scopes.into_iter().filter_map(help) {
        put!(page, level, "{mark}{help}\n");
    }
}

/// What a scope is, as kubectl says it.
fn help(scope: &str) -> Option<&'static str> {
    Some(match scope {
        "Terminating" => {
            "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being actively terminated by the system."
        }
        "NotTerminating" => {
            "Matches all pods that do not have an active deadline. These pods usually include long running pods whose container command is not expected to terminate."
        }
        "BestEffort" => {
            "Matches all pods that do not have resource requirements set. These pods have a best effort quality of service."
        }
        "NotBestEffort" => {
            "Matches all pods that have at least one resource requirement set. These pods have a burstable or guaranteed quality of service."
        }
        _ => return None,
    })
}

/// A ResourceQuota.
pub(super) fn quota(page: &mut Page, quota: &Value, _: &Cluster<'_>) {
    page.head(quota);
    scopes(page, quota, 0, " * ");
    put!(page, 0, "Resource\tUsed\tHard\n");
    put!(page, 0, "--------\t----\t----\n");
    for (name, mut used, hard) in amounts(quota) {
        if used.format() != hard.format() {
            used = Quantity::from_i64(used.value(), hard.format());
        }
        put!(page, 0, "{name}\t{}\t{}\n", used.canonical(), hard.canonical());
    }
}

/// A LimitRange.
pub(super) fn limit_range(page: &mut Page, range: &Value, _: &Cluster<'_>) {
    page.head(range);
    put!(
        page,
        0,
        "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio\n"
    );
    put!(
        page,
        0,
        "----\t--------\t---\t---\t---------------\t-------------\t-----------------------\n"
    );
    limits(page, range, "");
}

/// The limits of a range. Resources are told by name, where upstream has a map's order.
fn limits(page: &mut Page, range: &Value, prefix: &str) {
    const COLUMNS: [&str; 5] = ["min", "max", "defaultRequest", "default", "maxLimitRequestRatio"];
    for limit in items(range, "/spec/limits") {
        let names: BTreeSet<&String> = COLUMNS
            .iter()
            .filter_map(|c| limit[*c].as_object())
            .flat_map(serde_json::Map::keys)
            .collect();
        for name in names {
            let cell = |column: &&str| match limit[*column].get(name) {
                Some(amount) => containers::amount(amount),
                None => "-".to_owned(),
            };
            let cells: Vec<String> = COLUMNS.iter().map(cell).collect();
            put!(page, 0, "{prefix}{}\t{name}\t{}\n", text(limit, "/type"), cells.join("\t"));
        }
    }
}

/// A PodDisruptionBudget.
pub(super) fn budget(page: &mut Page, budget: &Value, cluster: &Cluster<'_>) {
    page.head(budget);
    for (title, field) in
        [("Min available", "/spec/minAvailable"), ("Max unavailable", "/spec/maxUnavailable")]
    {
        if has(budget, field) {
            put!(page, 0, "{title}:\t{}\n", plain(budget, field, ""));
            break;
        }
    }
    let selects = match has(budget, "/spec/selector") {
        true => selector(budget, "/spec/selector"),
        false => "<unset>".into(),
    };
    put!(page, 0, "Selector:\t{}\n", selects.as_str().unwrap_or_default());
    put!(page, 0, "Status:\n");
    for (title, field) in [
        ("Allowed disruptions", "/status/disruptionsAllowed"),
        ("Current", "/status/currentHealthy"),
        ("Desired", "/status/desiredHealthy"),
        ("Total", "/status/expectedPods"),
    ] {
        put!(page, 2, "{title}:\t{}\n", int(budget, field));
    }
    events::describe(page, budget, cluster);
}

/// A PriorityClass.
pub(super) fn priority_class(page: &mut Page, class: &Value, cluster: &Cluster<'_>) {
    put!(page, 0, "Name:\t{}\n", text(class, "/metadata/name"));
    put!(page, 0, "Value:\t{}\n", int(class, "/value"));
    put!(page, 0, "GlobalDefault:\t{}\n", on(class, "/globalDefault"));
    put!(page, 0, "PreemptionPolicy:\t{}\n", text(class, "/preemptionPolicy"));
    put!(page, 0, "Description:\t{}\n", text(class, "/description"));
    storage::flat_map(page, "Annotations", class, "/metadata/annotations");
    events::describe(page, class, cluster);
}

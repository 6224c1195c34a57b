//! The milestones of budgets, quotas, volumes, nodes, endpoints and controller revisions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::life::{Life, State};
use super::marks::{Gauge, Level, SOLID, Showing, Unit};
use super::reduce::{Context, Reading, Units, reading, status};
use super::value::{count, field, is_set, list, shown, text};

/// Adds the milestones of a PodDisruptionBudget.
pub(super) fn disruption_budget(cx: &Context<'_>, budget: &Life, unit: &mut Unit) {
    cx.life(budget, unit);
    cx.gauges(
        budget,
        unit,
        &Level::Count(0),
        vec![
            status("disruptionsAllowed", "disruptionsAllowed"),
            status("currentHealthy", "currentHealthy"),
            status("desiredHealthy", "desiredHealthy"),
            status("expectedPods", "expectedPods"),
        ],
    );
    cx.conditions(budget, unit, SOLID);
}

/// Adds the milestones of a ResourceQuota.
pub(super) fn quota(cx: &Context<'_>, quota: &Life, unit: &mut Unit) {
    cx.life(quota, unit);
    let hard = quota.states.iter().filter_map(|s| s.status.get("hard")?.as_object());
    let resources: BTreeSet<&String> = hard.flat_map(serde_json::Map::keys).collect();
    let mut readings: Vec<Reading<'_>> = Vec::new();
    for which in ["used", "hard"] {
        for &resource in &resources {
            let read = move |s: &State| reading(field(s.status.get(which)?, resource));
            readings.push((format!("{which} {resource}"), Box::new(read)));
        }
    }
    cx.gauges(quota, unit, &Level::text("0"), readings);
}

/// Adds the milestones of a PersistentVolumeClaim.
pub(super) fn volume_claim(cx: &Context<'_>, claim: &Life, unit: &mut Unit) {
    cx.life(claim, unit);
    let owners = |s: &State| {
        let name = |o: &Value| text(o, "name").map_or_else(|| shown(o.get("name")), |n| cx.text(n));
        let owners = list(&s.meta, "ownerReferences").iter();
        let owners: Vec<String> =
            owners.map(|o| format!("{} {}", shown(o.get("kind")), name(o))).collect();
        (!owners.is_empty()).then(|| Level::Text(owners.join(",")))
    };
    let readings: Vec<Reading<'_>> =
        vec![status("phase", "phase"), ("owners".to_owned(), Box::new(owners))];
    cx.gauges(claim, unit, &Level::text("none"), readings);
    loosen_binding(unit);
}

/// Adds the milestones of a PersistentVolume.
pub(super) fn volume(cx: &Context<'_>, volume: &Life, unit: &mut Unit) {
    cx.life(volume, unit);
    let claim = |s: &State| reading(field(field(&s.spec, "claimRef")?, "name"));
    let readings: Vec<Reading<'_>> =
        vec![status("phase", "phase"), ("claim".to_owned(), Box::new(claim))];
    cx.gauges(volume, unit, &Level::text("none"), readings);
    loosen_binding(unit);
}

/// The volume controller binds at its 15 s resync, or before.
fn loosen_binding(unit: &mut Unit) {
    for mark in unit.marks.iter_mut().filter(|m| m.t.is_some()) {
        if mark.what.starts_with("phase Bound") || mark.what.starts_with("claim ") {
            mark.loosen(12.0);
        }
    }
}

/// Adds the milestones of a Node: readiness, taints and cordoning, where anything happened to it.
pub(super) fn node(cx: &Context<'_>, node: &Life, unit: &mut Unit) {
    if node.added && node.born > 0.5 {
        unit.at(node.born, "created").loosen(4.0);
    }
    if let Some(gone) = node.gone {
        unit.at(gone, "gone");
    }
    let (mut ready, mut taints, mut cordoned) =
        (Gauge::default(), Gauge::default(), Gauge::default());
    if !node.added {
        // A node that was there before is healthy until a line says otherwise.
        ready.put(-1.0, Level::text("True KubeletReady"));
        taints.put(-1.0, Level::text("none"));
        cordoned.put(-1.0, Level::text("no"));
    }
    for state in &node.states {
        for condition in list(&state.status, "conditions") {
            if text(condition, "type") == Some("Ready") {
                let (status, reason) = (condition.get("status"), condition.get("reason"));
                ready.put(state.t, Level::Text(format!("{} {}", shown(status), shown(reason))));
            }
        }
        taints.put(state.t, Level::Text(shown_taints(&state.spec)));
        let unschedulable = is_set(&state.spec, "unschedulable");
        cordoned.put(state.t, Level::choice(unschedulable, "yes", "no"));
    }
    let lost = ready.points().iter().any(|(_, level)| level.to_string().contains("Unknown"));
    let end = node.gone.unwrap_or(cx.end);
    for (gauge, name) in [(ready, "Ready"), (taints, "taints"), (cordoned, "unschedulable")] {
        if gauge.points().len() > 1 {
            gauge.show(unit, name, Showing::until(end, true).skip_first(true));
        }
    }
    for mark in unit.marks.iter_mut().filter(|m| m.t.is_some()) {
        let what = mark.what.as_str();
        if !(what.starts_with("Ready ") || what.starts_with("taints ")) {
            continue;
        }
        if ["Unknown", "unreachable", "not-ready"].iter().any(|w| what.contains(w)) {
            mark.loosen(11.0);
        } else if lost || node.added {
            mark.loosen(6.0);
        }
    }
}

/// `key=value:effect`, ordered, or `none`.
fn shown_taints(spec: &Value) -> String {
    let shown_taint = |taint: &Value| {
        let value = text(taint, "value").map_or_else(String::new, |v| format!("={v}"));
        format!("{}{value}:{}", shown(taint.get("key")), shown(taint.get("effect")))
    };
    let mut taints: Vec<String> = list(spec, "taints").iter().map(shown_taint).collect();
    taints.sort();
    if taints.is_empty() { "none".to_owned() } else { taints.join(" ") }
}

/// The lives of a kind by their key: what is pooled in one unit.
fn pooled<'a>(cx: &Context<'a>, kind: &str) -> BTreeMap<&'a str, Vec<&'a Life>> {
    let mut pools: BTreeMap<&str, Vec<&Life>> = BTreeMap::new();
    for (i, life) in cx.file.lives.iter().enumerate().filter(|(_, l)| l.kind == kind) {
        pools.entry(&cx.ids.get(i).key).or_default().push(life);
    }
    pools
}

/// Adds the ready, serving and terminating addresses of each Service over all of its slices.
pub(super) fn endpoints(cx: &Context<'_>, units: &mut Units) {
    const NAMES: [&str; 4] = ["ready", "not ready", "terminating", "serving while terminating"];
    for (key, slices) in pooled(cx, "EndpointSlice") {
        let mut changes: Vec<(f64, usize, &[Value])> = Vec::new();
        for (i, slice) in slices.iter().enumerate() {
            for state in &slice.states {
                let there = slice.gone.is_none_or(|gone| state.t < gone);
                let endpoints = if there { list(&state.rest, "endpoints") } else { &[] };
                changes.push((state.t, i, endpoints));
            }
        }
        changes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut now: Vec<&[Value]> = vec![&[]; slices.len()];
        let mut gauges: [Gauge; 4] = Default::default();
        for (t, i, endpoints) in changes {
            now[i] = endpoints;
            for (gauge, n) in gauges.iter_mut().zip(addresses(now.iter().copied().flatten())) {
                gauge.put(t, Level::Count(n));
            }
        }
        let alive = slices.iter().any(|s| s.gone.is_none());
        let last_gone = slices.iter().filter_map(|s| s.gone).max_by(f64::total_cmp);
        let end = if alive { cx.end } else { last_gone.unwrap_or(cx.end) };
        let unit = units.unit(key, key);
        for (gauge, name) in gauges.iter().zip(NAMES) {
            let how = Showing::until(end, alive).skip_first(gauge.begins_blank());
            gauge.show(unit, &format!("addresses {name}"), how);
        }
        let states = slices.iter().flat_map(|s| &s.states);
        let ports: BTreeSet<String> =
            states.flat_map(|s| list(&s.rest, "ports")).map(shown_port).collect();
        let ports: Vec<String> = ports.into_iter().collect();
        unit.fact(format!("ports {}", ports.join(",")));
    }
}

/// How many addresses are ready, not ready, terminating, and serving while terminating.
fn addresses<'a>(endpoints: impl Iterator<Item = &'a Value>) -> [i64; 4] {
    let mut n = [0; 4];
    for endpoint in endpoints {
        let conditions = endpoint.get("conditions").unwrap_or(&Value::Null);
        let several = list(endpoint, "addresses").len().max(1);
        let several = i64::try_from(several).unwrap_or(i64::MAX);
        let ready = conditions.get("ready").is_none() || is_set(conditions, "ready");
        let terminating = is_set(conditions, "terminating");
        let serving = is_set(conditions, "serving");
        let counts = [ready, !ready && !terminating, terminating, terminating && serving];
        for (n, _) in n.iter_mut().zip(counts).filter(|(_, counts)| *counts) {
            *n += several;
        }
    }
    n
}

fn shown_port(port: &Value) -> String {
    let protocol = port.get("protocol").map_or_else(|| "TCP".to_owned(), |p| shown(Some(p)));
    format!("{}:{}/{protocol}", text(port, "name").unwrap_or_default(), shown(port.get("port")))
}

/// Adds the revisions that each owner is left with at the end.
pub(super) fn revisions(cx: &Context<'_>, units: &mut Units) {
    for (key, revisions) in pooled(cx, "ControllerRevision") {
        let left = revisions.iter().filter(|r| r.gone.is_none());
        let mut left: Vec<i64> =
            left.map(|r| count(&r.last().rest, "revision").unwrap_or(0)).collect();
        left.sort_unstable();
        let left: Vec<String> = left.iter().map(i64::to_string).collect();
        units.unit(key, key).fact(format!("finally the revisions {}", left.join(",")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_are_counted_by_condition() {
        let endpoint = |ready: Option<bool>, serving: bool, terminating: bool| {
            json!({"addresses": ["10.0.0.1"], "conditions":
                {"ready": ready, "serving": serving, "terminating": terminating}})
        };
        let all = [
            json!({"addresses": ["10.0.0.1", "10.0.0.2"]}),
            endpoint(Some(true), true, false),
            endpoint(Some(false), false, false),
            endpoint(Some(false), true, true),
            endpoint(None, false, true),
        ];
        assert_eq!(addresses(all.iter()), [3, 1, 2, 1]);
    }

    #[test]
    fn taints_are_shown_in_order() {
        let spec = json!({"taints": [
            {"key": "b", "effect": "NoSchedule"},
            {"key": "a", "value": "x", "effect": "NoExecute"}]});
        assert_eq!(shown_taints(&spec), "a=x:NoExecute b:NoSchedule");
        assert_eq!(shown_taints(&json!({})), "none");
    }
}

//! An explained decision of the scheduler, for people and for machines.
//!
//! The table for people shows the plugins that told nodes apart; what was the same everywhere stands in
//! one line below it. Nodes refused for the same reason stand together. The JSON has everything.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::tabs::indented;
use super::timeline::{count, duration};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::sim::scheduling::{Change, Explanation, NodeRow, NodeState, Preempting, Score, Verdict};

/// So many nodes with scores are shown; the rest are counted.
const ROWS: usize = 20;
/// So many names of nodes stand in a line.
const NAMES: usize = 5;

/// The explanation as text; times since `start`.
pub fn text(e: &Explanation, start: SimTime) -> String {
    let mut out = String::new();
    let name = e.pod.strip_prefix("default/").unwrap_or(&e.pod);
    let at = duration(e.at.since(start));
    let attempt = match e.attempt {
        0 => "never tried".to_owned(),
        n => format!("attempt {n} at {at}"),
    };
    let _ = writeln!(out, "pod/{name} · {attempt} · {}\n", e.scheduler);
    match &e.verdict {
        Verdict::Placed(node) => placed(e, node, &mut out),
        Verdict::Unfit { message, pre_filter } => {
            let _ = writeln!(out, "no node can take it: {message}");
            if let Some(why) = pre_filter {
                let _ = writeln!(out, "\nno node was asked: {why}");
            }
        }
        Verdict::Failed(text) => {
            let _ = writeln!(out, "the attempt failed: {text}");
        }
        Verdict::Untried(why) => {
            let _ = writeln!(out, "{why}");
            return out;
        }
    }
    table(e, &mut out);
    refusals(e, &mut out);
    if let Some(p) = &e.preemption {
        preemption(p, &mut out);
    }
    if matches!(e.verdict, Verdict::Unfit { .. }) {
        changes(e, &mut out);
    }
    out
}

fn placed(e: &Explanation, node: &Str, out: &mut String) {
    let feasible = |r: &&NodeRow| matches!(r.state, NodeState::Feasible { .. });
    let ties = e.nodes.iter().filter(|r| matches!(r.state, NodeState::Feasible { best: true, .. }));
    let n = e.nodes.iter().filter(feasible).count();
    let how = match (n, ties.count()) {
        (1, _) => "the only node that can take it".to_owned(),
        (n, 1) => format!("the highest total of {}", count(n, "node")),
        (n, ties) => format!(
            "one of {ties} with the highest total of {}; the order in which they were looked at decides",
            count(n, "node")
        ),
    };
    let _ = writeln!(out, "placed on {node}: {how}");
}

/// The scores of the nodes that could have taken the pod.
fn table(e: &Explanation, out: &mut String) {
    let mut rows: Vec<(&Str, &[Score], i64, bool, bool)> = e
        .nodes
        .iter()
        .filter_map(|r| match &r.state {
            NodeState::Feasible { scores, total, best, chosen } if !scores.is_empty() => {
                Some((&r.name, &scores[..], *total, *best, *chosen))
            }
            NodeState::Feasible { .. } | NodeState::Refused { .. } | NodeState::NotExamined => None,
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    rows.sort_by_key(|r| (!r.4, std::cmp::Reverse(r.2)));
    let differs = |i: &usize| rows.iter().any(|r| r.1[*i].weighted != rows[0].1[*i].weighted);
    let (told, same): (Vec<usize>, Vec<usize>) = (0..e.scorers.len()).partition(differs);
    let mut lines = vec![vec!["NODE".to_owned(), "TOTAL".to_owned()]];
    lines[0].extend(told.iter().map(|i| format!("{} ×{}", e.scorers[*i].0, e.scorers[*i].1)));
    for (name, scores, total, best, chosen) in rows.iter().take(ROWS) {
        let mark = match (chosen, best) {
            (true, _) => " *",
            (false, true) => " =",
            (false, false) => "",
        };
        let mut line = vec![format!("{name}{mark}"), total.to_string()];
        line.extend(told.iter().map(|i| score(scores[*i], e.scorers[*i].1)));
        lines.push(line);
    }
    out.push('\n');
    out.push_str(&indented(&lines));
    if rows.len() > ROWS {
        let _ = writeln!(out, "and {} more", count(rows.len() - ROWS, "node"));
    }
    out.push_str("\n* taken");
    if rows.iter().any(|r| r.3 && !r.4) {
        out.push_str("   = as good");
    }
    if !told.is_empty() {
        out.push_str("   raw → normalised → weighted, where they differ");
    }
    out.push('\n');
    if !same.is_empty() {
        let all: Vec<String> = same
            .iter()
            .map(|i| format!("{} {}", e.scorers[*i].0, rows[0].1[*i].weighted))
            .collect();
        let _ = writeln!(out, "the same on every node: {}", all.join(", "));
    }
}

fn score(s: Score, weight: i64) -> String {
    let mut parts = vec![s.raw.to_string()];
    if s.normalised != s.raw {
        parts.push(s.normalised.to_string());
    }
    if weight != 1 {
        parts.push(s.weighted.to_string());
    }
    parts.join(" → ")
}

/// The nodes that could not take it, those with the same reasons together.
fn refusals(e: &Explanation, out: &mut String) {
    let mut groups: Vec<((&Str, &[Str], bool), Vec<&Str>)> = Vec::new();
    let mut unseen = 0;
    for row in &e.nodes {
        match &row.state {
            NodeState::Refused { plugin, reasons, resolvable } => {
                let key = (plugin, &reasons[..], *resolvable);
                match groups.iter_mut().find(|(k, _)| *k == key) {
                    Some((_, names)) => names.push(&row.name),
                    None => groups.push((key, vec![&row.name])),
                }
            }
            NodeState::NotExamined => unseen += 1,
            NodeState::Feasible { .. } => {}
        }
    }
    if !groups.is_empty() {
        out.push_str("\nrefused\n");
        let line = |((plugin, reasons, resolvable), names): &((&Str, &[Str], bool), Vec<&Str>)| {
            let what = if *resolvable { "" } else { "  (taking pods away would not help)" };
            vec![some(names), plugin.to_string(), format!("{}{what}", reasons.join(", "))]
        };
        out.push_str(&indented(&groups.iter().map(line).collect::<Vec<_>>()));
    }
    let unfit = matches!(&e.verdict, Verdict::Unfit { pre_filter: Some(_), .. });
    if unseen > 0 && !unfit {
        let verb = if unseen == 1 { "was" } else { "were" };
        let _ = writeln!(out, "\n{} {verb} not looked at", count(unseen, "node"));
    }
}

/// Names, not too many.
fn some(names: &[&Str]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES).map(|n| n.as_str()).collect();
    let more = names.len().saturating_sub(NAMES);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

fn preemption(p: &Preempting, out: &mut String) {
    out.push_str("\npreemption\n");
    match &p.node {
        Some(node) => {
            let _ = writeln!(out, "  makes room on {node}");
        }
        None if p.candidates.is_empty() => {
            let own = p.message.rsplit_once("preemption: ").map_or(p.message.as_str(), |(_, m)| m);
            let _ = writeln!(out, "  {own}");
        }
        None => {}
    }
    let mut lines = Vec::new();
    let mut others: BTreeMap<&str, Vec<&Str>> = BTreeMap::new();
    for (node, found) in &p.candidates {
        match found {
            Ok((victims, violations)) => {
                let budget = match violations {
                    0 => String::new(),
                    n => format!(", {n} against a disruption budget"),
                };
                let mark = if p.node.as_ref() == Some(node) { " *" } else { "" };
                let names: Vec<&str> =
                    victims.iter().map(|v| v.strip_prefix("default/").unwrap_or(v)).collect();
                lines.push(vec![
                    format!("{node}{mark}"),
                    format!("would take away {}{budget}", names.join(", ")),
                ]);
            }
            Err(why) => others.entry(why).or_default().push(node),
        }
    }
    lines.truncate(ROWS);
    lines.extend(others.iter().map(|(why, nodes)| vec![some(nodes), (*why).to_owned()]));
    if !lines.is_empty() {
        out.push_str(&indented(&lines));
    }
}

fn changes(e: &Explanation, out: &mut String) {
    if e.changes.is_empty() {
        out.push_str("\nno single small change of a node or of the pod would help\n");
        return;
    }
    out.push_str("\nany one of these would let it be scheduled (each was tried)\n");
    let line = |c: &Change| {
        let victims: Vec<&str> =
            c.victims.iter().map(|v| v.strip_prefix("default/").unwrap_or(v)).collect();
        let then = match &victims[..] {
            [] => format!("→ {}", c.node),
            victims => format!("→ {}, in the place of {}", c.node, victims.join(", ")),
        };
        vec![c.text.clone(), then]
    };
    out.push_str(&indented(&e.changes.iter().map(line).collect::<Vec<_>>()));
    if e.more_changes > 0 {
        let _ = writeln!(out, "  more of the same kinds were not tried");
    }
}

/// The explanation as one document.
pub fn json(e: &Explanation) -> Value {
    let (outcome, detail) = match &e.verdict {
        Verdict::Placed(node) => ("placed", json!({"node": node.as_str()})),
        Verdict::Unfit { message, pre_filter } => (
            "unschedulable",
            json!({"message": message, "preFilter": pre_filter.as_ref().map(Str::as_str)}),
        ),
        Verdict::Failed(text) => ("error", json!({"message": text.as_str()})),
        Verdict::Untried(why) => ("untried", json!({"message": why.as_str()})),
    };
    let mut out = json!({"pod": e.pod, "at": e.at.to_rfc3339(), "attempt": e.attempt,
        "schedulerName": e.scheduler.as_str(), "outcome": outcome});
    for (key, value) in detail.as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()) {
        out[key.as_str()] = value.clone();
    }
    out["nodes"] = e.nodes.iter().map(|row| node(e, row)).collect();
    out["preemption"] = e.preemption.as_ref().map_or(Value::Null, preemption_json);
    let change = |c: &Change| {
        json!({"kind": c.kind.as_str(), "change": c.text, "node": c.node.as_str(),
            "victims": c.victims})
    };
    out["changes"] = e.changes.iter().map(change).collect();
    out
}

fn node(e: &Explanation, row: &NodeRow) -> Value {
    let name = row.name.as_str();
    match &row.state {
        NodeState::NotExamined => json!({"name": name, "state": "notExamined"}),
        NodeState::Refused { plugin, reasons, resolvable } => {
            let reasons: Vec<&str> = reasons.iter().map(Str::as_str).collect();
            json!({"name": name, "state": "refused", "plugin": plugin.as_str(), "reasons": reasons,
                "preemptionMayHelp": resolvable})
        }
        NodeState::Feasible { scores, total, best, chosen } => {
            let of: serde_json::Map<String, Value> = e
                .scorers
                .iter()
                .zip(scores)
                .map(|((plugin, weight), s)| {
                    let s = json!({"raw": s.raw, "normalised": s.normalised, "weight": weight,
                        "weighted": s.weighted});
                    (plugin.to_string(), s)
                })
                .collect();
            json!({"name": name, "state": "feasible", "scores": of, "total": total, "best": best,
                "chosen": chosen})
        }
    }
}

fn preemption_json(p: &Preempting) -> Value {
    let candidate = |(node, found): &(Str, Result<(Vec<String>, usize), String>)| match found {
        Ok((victims, violations)) => {
            json!({"node": node.as_str(), "victims": victims, "budgetViolations": violations})
        }
        Err(why) => json!({"node": node.as_str(), "why": why}),
    };
    json!({"node": p.node.as_ref().map(Str::as_str), "message": p.message.as_str(),
        "candidates": p.candidates.iter().map(candidate).collect::<Vec<_>>()})
}

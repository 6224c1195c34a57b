//! `kubectl top`: what pods and nodes use.
//!
//! After `pkg/cmd/top` and `pkg/metricsutil`. Usage is not measured: it is what load profiles of pods state
//! ([`crate::controllers::hpa::load`]), read as metrics-server would have scraped it. Without any profile
//! the metrics API is not there, as in a cluster without metrics-server. A node uses what its pods use.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::args::Args;
use super::table::{Flag, SELECTOR, Treatment, Verb, switch, text};
use super::{Cx, Failure, Task, Tasks, output};
use crate::api::selectors::{FieldSelector, LabelSelector};
use crate::base::length;
use crate::controllers::hpa::{self, Used};
use crate::model::{Kind, Object, Pod, Uid};
use crate::store::ErrorReason;

/// A pod older than this should have been measured (`metricsCreationDelay`).
const DELAY: std::time::Duration = std::time::Duration::from_secs(120);

const MEASURED: &str = "usage is not measured: it is what load profiles (wavetank.dev/load.cpu, .memory) of pods state";

const COMMON: &[Flag] = &[
    switch("no-headers"),
    text("sort-by"),
    switch("show-swap").refused("swap is not modelled"),
    switch("use-protocol-buffers").or("true").ignored("there is no connection"),
];

pub(super) const VERBS: &[Verb] = &[
    Verb {
        path: "top pod",
        aliases: &["pods", "po"],
        usage: "top pod [NAME | -l label] [options]",
        about: "Display resource (CPU/memory) usage of pods.",
        flags: &[
            COMMON,
            SELECTOR,
            &[
                switch("all-namespaces").letter('A'),
                switch("containers"),
                switch("sum"),
                text("field-selector"),
            ],
        ],
        treatment: Treatment::Simplified(MEASURED),
        plan: pods,
    },
    Verb {
        path: "top node",
        aliases: &["nodes", "no"],
        usage: "top node [NAME | -l label] [options]",
        about: "Display resource (CPU/memory) usage of nodes.",
        flags: &[COMMON, SELECTOR, &[switch("show-capacity")]],
        treatment: Treatment::Simplified(MEASURED),
        plan: nodes,
    },
];

/// A pod with what it uses.
struct Line {
    pod: Arc<Pod>,
    used: Vec<Used>,
}

impl Line {
    fn sum(&self) -> Used {
        Used {
            container: crate::base::Str::default(),
            cpu: self.used.iter().map(|u| u.cpu).sum(),
            memory: self.used.iter().map(|u| u.memory).sum(),
        }
    }
}

/// The pods that have been measured, by namespace and name.
fn measured(cx: &Cx<'_>) -> Result<Vec<Line>, Failure> {
    let all: Vec<Arc<Pod>> = cx
        .look
        .store
        .list(Kind::Pod)
        .filter_map(|o| if let Object::Pod(pod) = o { Some(Arc::clone(pod)) } else { None })
        .collect();
    if !all.iter().any(|pod| hpa::states_load(&pod.meta)) {
        return Err("Metrics API not available\nwavetank hint: annotate pods with what they use, such as wavetank.dev/load.cpu: 250m".into());
    }
    // What is stated for all pods of a workload is shared by them.
    let mut peers: BTreeMap<Uid, Vec<Arc<Pod>>> = BTreeMap::new();
    for pod in &all {
        let of = pod.meta.controller().map_or(pod.meta.uid, |o| o.uid);
        peers.entry(of).or_default().push(Arc::clone(pod));
    }
    let mut lines = Vec::new();
    for pod in all {
        let of = pod.meta.controller().map_or(pod.meta.uid, |o| o.uid);
        let peers = peers.get(&of).map_or(&[][..], Vec::as_slice);
        if let Some(used) = hpa::used(&pod, peers, cx.look.now).map_err(Failure::Plain)? {
            lines.push(Line { pod, used });
        }
    }
    lines.sort_by_key(|line| line.pod.meta.key());
    Ok(lines)
}

/// The labels and fields that are asked for.
fn check(args: &Args) -> Result<(LabelSelector, FieldSelector), Failure> {
    if !matches!(args.text("sort-by"), "" | "cpu" | "memory") {
        return Err("--sort-by accepts only cpu or memory".into());
    }
    let (labels, fields) = (args.text("selector"), args.text("field-selector"));
    if !args.words.is_empty() && !(labels.is_empty() && fields.is_empty()) {
        let selector = if args.verb == "top node" { "--selector" } else { "selector" };
        return Err(format!("only one of NAME or {selector} can be provided").into());
    }
    if args.words.len() > 1 {
        return Err(Failure::usage(args.verb, args.verb));
    }
    let plain = |why: &dyn std::fmt::Display| Failure::Plain(why.to_string());
    let labels = LabelSelector::parse(labels).map_err(|e| plain(&e))?;
    let fields = FieldSelector::parse(fields).map_err(|e| plain(&e))?;
    Ok((labels, fields))
}

fn pods(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let (labels, fields) = check(args)?;
    let everywhere = args.on("all-namespaces");
    let mut lines = measured(cx)?;
    // Metrics are objects of their own, which have the names and labels of pods and no other fields.
    let fields = fields
        .for_kind("metrics.k8s.io/v1beta1.PodMetrics")
        .map_err(|e| Failure::server(ErrorReason::BadRequest, e.to_string()))?;
    let wanted = |pod: &Pod| {
        (everywhere || pod.meta.namespace == cx.namespace)
            && labels.matches(|key| pod.meta.labels.get(key).map(smol_str::SmolStr::as_str))
            && fields.matches(|field| match field {
                "metadata.namespace" => &pod.meta.namespace,
                _ => &pod.meta.name,
            })
            && args.words.first().is_none_or(|name| pod.meta.name == name.as_str())
    };
    lines.retain(|line| wanted(&line.pod));
    if let (Some(name), true) = (args.words.first(), lines.is_empty()) {
        let text = format!("podmetrics.metrics.k8s.io \"{}/{name}\" not found", cx.namespace);
        return Err(Failure::server(ErrorReason::NotFound, text));
    }
    if lines.is_empty() {
        return unmeasured(&wanted, everywhere, cx);
    }
    match args.text("sort-by") {
        "cpu" => lines.sort_by_key(|l| Reverse(l.sum().cpu)),
        "memory" => lines.sort_by_key(|l| Reverse(l.sum().memory)),
        _ => {}
    }
    let containers = args.on("containers");
    let mut columns = 3;
    let mut table = String::new();
    if !args.on("no-headers") {
        for (shown, title) in [(everywhere, "NAMESPACE\t"), (containers, "POD\t")] {
            table.push_str(if shown { title } else { "" });
            columns += usize::from(shown);
        }
        table.push_str("NAME\tCPU(cores)\tMEMORY(bytes)\t\n");
    }
    for line in &mut lines {
        let space =
            if everywhere { format!("{}\t", line.pod.meta.namespace) } else { String::new() };
        if !containers {
            let _ = write!(table, "{space}{}", row(&line.pod.meta.name, &line.sum()));
            continue;
        }
        match args.text("sort-by") {
            "cpu" => line.used.sort_by_key(|u| Reverse(u.cpu)),
            "memory" => line.used.sort_by_key(|u| Reverse(u.memory)),
            _ => line.used.sort_by(|a, b| a.container.cmp(&b.container)),
        }
        for used in &line.used {
            let _ = write!(table, "{space}{}\t{}", line.pod.meta.name, row(&used.container, used));
        }
    }
    if args.on("sum") {
        let sums: Vec<Used> = lines.iter().map(Line::sum).collect();
        let all = Line { pod: Arc::clone(&lines[0].pod), used: sums }.sum();
        let (gap, less) = ("\t".repeat(columns - 2), "\t".repeat(columns - 3));
        let _ = write!(table, "{gap}________\t________\t\n{less}{}", row("", &all));
    }
    Ok(vec![Task::Say(output::columns(&table))])
}

/// What is said where pods are that have no sample yet, or none at all.
fn unmeasured(
    wanted: &impl Fn(&Pod) -> bool,
    everywhere: bool,
    cx: &Cx<'_>,
) -> Result<Tasks, Failure> {
    let mut any = false;
    for object in cx.look.store.list(Kind::Pod) {
        let Object::Pod(pod) = object else { continue };
        if !wanted(pod) {
            continue;
        }
        any = true;
        let age = cx.look.now.since(pod.meta.created);
        if age > DELAY {
            let nanos = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
            let (key, age) = (pod.meta.key(), length::go(nanos));
            return Err(format!("Metrics not available for pod {key}, age: {age}").into());
        }
    }
    if any {
        return Err("metrics not available yet".into());
    }
    Ok(vec![Task::Warn(match everywhere {
        true => "No resources found\n".to_owned(),
        false => format!("No resources found in {} namespace.\n", cx.namespace),
    })])
}

/// CPU in thousandths, memory in Mi, each cell followed by a tab.
fn row(name: &str, used: &Used) -> String {
    format!("{name}\t{}m\t{}Mi\t\n", used.cpu, used.memory >> 20)
}

fn nodes(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let (selector, _) = check(args)?;
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for line in measured(cx)? {
        let (Some(node), used) = (&line.pod.node, line.sum()) else { continue };
        let sum = sums.entry(node.to_string()).or_default();
        *sum = (sum.0 + used.cpu, sum.1 + used.memory);
    }
    let mut found = Vec::new();
    for object in cx.look.store.list(Kind::Node) {
        let meta = object.meta();
        let labelled = selector.matches(|key| meta.labels.get(key).map(smol_str::SmolStr::as_str));
        if labelled && args.words.first().is_none_or(|name| meta.name == name.as_str()) {
            let (cpu, memory) = sums.get(meta.name.as_str()).copied().unwrap_or_default();
            found.push((meta.name.to_string(), cpu, memory, super::resource::to_value(object)));
        }
    }
    if let (Some(name), true) = (args.words.first(), found.is_empty()) {
        let text = format!("nodemetrics.metrics.k8s.io {name:?} not found");
        return Err(Failure::server(ErrorReason::NotFound, text));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    match args.text("sort-by") {
        "cpu" => found.sort_by_key(|n| Reverse(n.1)),
        "memory" => found.sort_by_key(|n| Reverse(n.2)),
        _ => {}
    }
    if found.is_empty() {
        return Ok(vec![Task::Warn("No resources found\n".to_owned())]);
    }
    let of = if args.on("show-capacity") { "capacity" } else { "allocatable" };
    let mut table = String::new();
    if !args.on("no-headers") {
        table.push_str("NAME\tCPU(cores)\tCPU(%)\tMEMORY(bytes)\tMEMORY(%)\t\n");
    }
    for (name, cpu, memory, node) in &found {
        let there = |resource: &str| -> crate::base::quantity::Quantity {
            let text = node["status"][of][resource].as_str().unwrap_or_default();
            text.parse().unwrap_or_default()
        };
        let percent =
            |part: i64, all: i64| if all == 0 { 0 } else { part.saturating_mul(100) / all };
        let (cores, bytes) =
            (percent(*cpu, there("cpu").milli_value()), percent(*memory, there("memory").value()));
        let _ = writeln!(table, "{name}\t{cpu}m\t{cores}%\t{}Mi\t{bytes}%\t", memory >> 20);
    }
    Ok(vec![Task::Say(output::columns(&table))])
}

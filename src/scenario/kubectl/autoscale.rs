//! `kubectl autoscale`.
//!
//! After `pkg/cmd/autoscale/autoscale.go`.

use serde_json::{Value, json};

use super::args::Args;
use super::create::store;
use super::output::Printer;
use super::resource::{self, Info, Resource, Ways};
use super::table::{DRY_RUN, FILES, MANAGER, PRINT, RECORD, SAVE, Treatment, Verb, number, text};
use super::{Cx, Failure, OnError, Task, Tasks};
use crate::base::quantity::Quantity;
use crate::model::Kind;

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "autoscale",
    aliases: &[],
    usage: "autoscale (-f FILENAME | TYPE NAME | TYPE/NAME) [--min=MINPODS] --max=MAXPODS [--cpu=CPU] [--memory=MEMORY] [options]",
    about: "Create an autoscaler that automatically chooses and sets the number of pods that run in a Kubernetes cluster.",
    flags: &[
        FILES,
        PRINT,
        DRY_RUN,
        MANAGER,
        RECORD,
        SAVE,
        &[
            number("min", "-1"),
            number("max", "-1"),
            number("cpu-percent", "-1"),
            text("cpu"),
            text("memory"),
            text("name"),
        ],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    super::create::require(args, &["max"])?;
    let (least, most) = (args.number("min"), args.number("max"));
    if most < 1 {
        return Err(format!("--max=MAXPODS is required and must be at least 1, max: {most}").into());
    }
    if most < least {
        return Err(format!(
            "--max=MAXPODS must be larger or equal to --min=MINPODS, max: {most}, min: {least}"
        )
        .into());
    }
    let metrics = metrics(args)?;
    let printer = Printer::of(args, "autoscaled")?;
    let found = resource::find(args, cx, Ways::default())?;
    if found.infos.is_empty() {
        return Err("no objects passed to autoscale".into());
    }
    let each = found.infos.into_iter().map(|info| {
        info.and_then(|info| one(&info, &metrics, args, cx, &printer)).unwrap_or_else(Task::Fail)
    });
    let mut tasks: Tasks = each.collect();
    if args.given("cpu-percent") {
        tasks.insert(0, Task::Warn("Flag --cpu-percent has been deprecated, Use --cpu with percentage or resource quantity format (e.g., '70%' for utilization or '500m' for milliCPU).\n".to_owned()));
    }
    Ok(tasks)
}

fn one(
    info: &Info,
    metrics: &[Value],
    args: &Args,
    cx: &Cx<'_>,
    printer: &Printer,
) -> Result<Task, Failure> {
    let r = &info.resource;
    let scalable = matches!(
        r.model,
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::ReplicationController
    );
    if !scalable {
        let of = format!("{}/{}, Resource={}", r.group, r.version, r.plural);
        return Err(format!("cannot autoscale a {}: could not find scale subresource for {of} in discovery information", r.kind).into());
    }
    let name = match args.text("name") {
        "" => info.name.clone(),
        name => name.to_owned(),
    };
    let mut spec = json!({"maxReplicas": args.number("max"), "scaleTargetRef": {
        "apiVersion": r.api_version(), "kind": r.kind, "name": info.name}});
    if args.number("min") > 0 {
        spec["minReplicas"] = args.number("min").into();
    }
    if !metrics.is_empty() {
        spec["metrics"] = metrics.into();
    }
    let mut document = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name}, "spec": spec});
    if cx.namespace_given || super::output::DryRun::of(args)? != super::output::DryRun::Client {
        document["metadata"]["namespace"] = cx.namespace.clone().into();
    }
    let scaler = Info {
        resource: Resource::of(Kind::HorizontalPodAutoscaler),
        namespace: cx.namespace.clone(),
        name,
        object: None,
        document: None,
        source: String::new(),
    };
    store(&scaler, document, args, printer, OnError::Say)
}

fn metrics(args: &Args) -> Result<Vec<Value>, Failure> {
    let percent = args.number("cpu-percent");
    if percent > 0 && !args.text("cpu").is_empty() {
        return Err("--cpu-percent and --cpu are mutually exclusive".into());
    }
    let metric = |name: &str, target: Value| json!({"type": "Resource", "resource": {"name": name, "target": target}});
    let mut all = Vec::new();
    if percent > 0 {
        all.push(metric("cpu", json!({"type": "Utilization", "averageUtilization": percent})));
    }
    for (name, unit) in [("cpu", "m"), ("memory", "Mi")] {
        if !args.text(name).is_empty() {
            all.push(metric(name, target(args.text(name).trim(), name, unit)?));
        }
    }
    Ok(all)
}

/// `70%`, `500m`, or a bare number in the resource's unit (`parseResourceInput`).
fn target(text: &str, name: &str, unit: &str) -> Result<Value, Failure> {
    if text.is_empty() {
        return Err("empty input".into());
    }
    if let Some(percent) = text.strip_suffix('%') {
        return match percent.parse::<i32>() {
            Ok(n) if n >= 0 => Ok(json!({"type": "Utilization", "averageUtilization": n})),
            _ => Err(format!("invalid percentage value: {percent}").into()),
        };
    }
    let bare = text.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-');
    let amount = if bare { format!("{text}{unit}") } else { text.to_owned() };
    let quantity: Quantity = amount
        .parse()
        .map_err(|_| Failure::Plain(format!("invalid resource {name} value: {text}")))?;
    Ok(json!({"type": "AverageValue", "averageValue": quantity.canonical()}))
}

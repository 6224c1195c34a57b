//! `kubectl logs`.
//!
//! After `pkg/cmd/logs/logs.go`, `pkg/polymorphichelpers/logsforobject.go`, and what the node agent
//! answers (`pkg/kubelet/kubelet_pods.go`, `validateContainerLogStatus`).

use std::time::Duration;

use serde_json::Value;

use super::args::Args;
use super::resource::{self, Ways, to_value};
use super::table::{SELECTOR, Treatment, Verb, number, switch, text, time};
use super::{Cx, Failure, Task, Tasks};
use crate::api::selectors::LabelSelector;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Kind, Object};
use crate::store::ErrorReason;

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "logs",
    aliases: &["log"],
    usage: "logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER] [options]",
    about: "Print the logs for a container in a pod or specified resource.",
    flags: &[
        SELECTOR,
        &[
            text("container").letter('c'),
            switch("previous").letter('p'),
            number("tail", "-1"),
            time("since", "0s"),
            text("since-time"),
            switch("timestamps"),
            switch("all-containers"),
            switch("all-pods"),
            switch("prefix"),
            number("limit-bytes", "0"),
            switch("ignore-errors"),
            switch("follow")
                .letter('f')
                .refused("a step ends at once: wait with kubectl wait, then ask for the logs"),
            number("max-log-requests", "5").ignored("nothing is followed"),
            time("pod-running-timeout", "20s").ignored("only pods that are there are looked for"),
            switch("insecure-skip-tls-verify-backend").ignored("there is no connection"),
        ],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

const USAGE: &str = "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command";

/// With a selector so many lines of each container are shown, unless `--tail` says otherwise.
const SELECTED_TAIL: usize = 10;

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let selected = args.given("selector");
    match args.words.len() {
        0 if !selected => return Err(Failure::usage("logs", USAGE)),
        1 if selected => {
            return Err(Failure::usage("logs", "only a selector (-l) or a POD name is allowed"));
        }
        0..=2 => {}
        _ => return Err(Failure::usage("logs", USAGE)),
    }
    let inline = args.words.get(1).cloned();
    let mut container = args.text("container").to_owned();
    check(args, inline.is_some())?;
    if let Some(inline) = inline {
        container = inline;
    }
    let mut tasks = Tasks::new();
    let pods = pods(args, cx, &mut tasks)?;
    let view = View::of(args, cx)?;
    for pod in pods {
        let whole = to_value(&pod);
        let containers = if args.on("all-containers") {
            names(&whole).into_iter().map(|(name, _)| name).collect()
        } else {
            let (name, note) = container_of(&whole, &container)?;
            tasks.extend(note.filter(|_| !args.on("all-pods")).map(Task::Warn));
            vec![name]
        };
        for name in containers {
            match view.of_container(&pod, &whole, &name, cx) {
                Ok(text) => tasks.push(Task::Say(text)),
                Err(failure) if args.on("ignore-errors") => {
                    tasks.push(Task::Say(format!("error: {}\n", failure.text())));
                }
                Err(failure) => {
                    tasks.push(Task::Fail(failure));
                    return Ok(tasks);
                }
            }
        }
    }
    Ok(tasks)
}

fn check(args: &Args, inline: bool) -> Result<(), Failure> {
    if args.given("since-time") && args.nanos("since") != 0 {
        return Err("at most one of `sinceTime` or `sinceSeconds` may be specified".into());
    }
    let container = args.text("container");
    if args.on("all-containers") && !container.is_empty() {
        return Err(format!(
            "--all-containers=true should not be specified with container name {container}"
        )
        .into());
    }
    if inline && args.given("container") {
        return Err("only one of -c or an inline [CONTAINER] arg is allowed".into());
    }
    if args.number("limit-bytes") < 0 {
        return Err("--limit-bytes must be greater than 0".into());
    }
    if args.nanos("since") < 0 {
        return Err("--since must be greater than 0".into());
    }
    if args.number("tail") < -1 {
        return Err("--tail must be greater than or equal to -1".into());
    }
    Ok(())
}

fn pods(args: &Args, cx: &Cx<'_>, tasks: &mut Tasks) -> Result<Vec<Object>, Failure> {
    if args.given("selector") {
        let ways = Ways { only: Some(Kind::Pod), no_files: true, ..Ways::default() };
        let (infos, _) = resource::find(&args.with_words(Vec::new()), cx, ways)?.split();
        if infos.is_empty() {
            tasks.push(Task::Warn(format!("No resources found in {} namespace.\n", cx.namespace)));
        }
        return Ok(infos.into_iter().filter_map(|i| i.object).collect());
    }
    let line = args.with_words(args.words.iter().take(1).cloned().collect());
    let ways = Ways { only: Some(Kind::Pod), no_files: true, single_type: true, ..Ways::default() };
    let info = resource::find(&line, cx, ways)?.infos.into_iter().next();
    let Some(info) = info else { return Err("expected a resource".into()) };
    let object = info.map_err(|failure| {
        if failure.is_not_found() {
            return Failure::Plain(format!(
                "error: error from server (NotFound): {} in namespace {:?}",
                failure.text(),
                cx.namespace
            ));
        }
        failure
    })?;
    let Some(object) = object.object else { return Err("expected a resource".into()) };
    if object.kind() == Kind::Pod {
        return Ok(vec![object]);
    }
    let mut found = pods_behind(&object, cx, true).ok_or_else(|| {
        Failure::Plain(format!(
            "cannot get the logs from *v1.{0}: selector for *v1.{0} not implemented",
            object.kind()
        ))
    })?;
    let Some(first) = found.first().map(|p| p.meta().name.clone()) else {
        return Err("timed out waiting for the condition".into());
    };
    if found.len() > 1 && !args.on("all-pods") {
        tasks.push(Task::Warn(format!("Found {} pods, using pod/{first}\n", found.len())));
        found.truncate(1);
    }
    Ok(found)
}

/// The pods that an object selects, the one that is asked first at the front; nothing where it selects
/// none by its kind.
fn pods_behind(object: &Object, cx: &Cx<'_>, logging: bool) -> Option<Vec<Object>> {
    let whole = to_value(object);
    let spec = &whole["spec"]["selector"];
    let selector = match object.kind() {
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet | Kind::Job => {
            LabelSelector::from_meta(spec).ok()?
        }
        Kind::Service | Kind::ReplicationController => {
            LabelSelector::from_meta(&serde_json::json!({"matchLabels": spec})).ok()?
        }
        _ => return None,
    };
    let namespace = &object.meta().namespace;
    let mut found: Vec<Object> = cx
        .look
        .store
        .list(Kind::Pod)
        .filter(|p| p.meta().namespace == *namespace)
        .filter(|p| selector.matches(|k| p.meta().labels.get(k).map(smol_str::SmolStr::as_str)))
        .cloned()
        .collect();
    found.sort_by_key(|p| standing(p, logging));
    Some(found)
}

/// How a pod stands in the row of those that are asked (`podutils.ByLogging`, `ActivePods`).
fn standing(pod: &Object, logging: bool) -> (bool, u8, bool, String, i64, String, Str) {
    let whole = to_value(pod);
    let status = &whole["status"];
    let assigned = whole["spec"]["nodeName"].as_str().is_some_and(|n| !n.is_empty());
    let phase = match status["phase"].as_str() {
        Some("Running") => 0,
        Some("Unknown") => 1,
        Some("Pending") => 2,
        _ => 0,
    };
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let ready = conditions.into_iter().find(|c| c["type"] == "Ready" && c["status"] == "True");
    let since = ready.and_then(|c| c["lastTransitionTime"].as_str()).unwrap_or("~").to_owned();
    let restarts: i64 = status["containerStatuses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|c| c["restartCount"].as_i64())
        .max()
        .unwrap_or(0);
    let restarts = if logging { -restarts } else { restarts };
    let created = whole["metadata"]["creationTimestamp"].as_str().unwrap_or("~").to_owned();
    (!assigned, phase, ready.is_none(), since, restarts, created, pod.meta().name.clone())
}

/// The pod that is meant by an object that a command is run in.
pub(super) fn pod_of(object: &Object, cx: &Cx<'_>) -> Result<Object, Failure> {
    if object.kind() == Kind::Pod {
        return Ok(object.clone());
    }
    let found = pods_behind(object, cx, false).ok_or_else(|| {
        Failure::Plain(format!(
            "cannot attach to *v1.{0}: selector for *v1.{0} not implemented",
            object.kind()
        ))
    })?;
    found.into_iter().next().ok_or_else(|| "timed out waiting for the condition".into())
}

/// A pod's containers and how they are listed, init containers last.
fn names(pod: &Value) -> Vec<(String, String)> {
    let of = |list: &str, suffix: &str| -> Vec<(String, String)> {
        let all = pod["spec"][list].as_array().into_iter().flatten();
        all.filter_map(|c| c["name"].as_str())
            .map(|n| (n.to_owned(), format!("{n}{suffix}")))
            .collect()
    };
    let mut all = of("initContainers", " (init)");
    all.extend(of("containers", ""));
    all.extend(of("ephemeralContainers", " (ephem)"));
    all
}

/// The container that is meant, and what is said where none was named (`FindOrDefaultContainerByName`).
pub(super) fn container_of(pod: &Value, name: &str) -> Result<(String, Option<String>), Failure> {
    let all = names(pod);
    let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let listed = || {
        let (init, plain): (Vec<_>, Vec<_>) = all.iter().partition(|(_, l)| l.ends_with(" (init)"));
        plain.iter().chain(&init).map(|(_, l)| l.clone()).collect::<Vec<_>>().join(", ")
    };
    if !name.is_empty() {
        if all.iter().any(|(n, _)| n == name) {
            return Ok((name.to_owned(), None));
        }
        return Err(format!(
            "container {name} is not valid for pod {pod_name} out of: {}",
            listed()
        )
        .into());
    }
    let mut note = None;
    let preset = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    if let Some(preset) = preset {
        if all.iter().any(|(n, _)| n == preset) {
            return Ok((preset.to_owned(), None));
        }
        note = Some(format!("Default container name {preset:?} not found in pod {pod_name}\n"));
    }
    let first = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default().to_owned();
    if all.len() > 1 {
        let text = format!("Defaulted container {first:?} out of: {}\n", listed());
        note = Some(note.unwrap_or_default() + &text);
    }
    Ok((first, note))
}

/// What of the lines is shown, and how.
struct View {
    previous: bool,
    tail: Option<usize>,
    since: SimTime,
    timestamps: bool,
    prefix: bool,
    bytes: Option<usize>,
}

impl View {
    fn of(args: &Args, cx: &Cx<'_>) -> Result<Self, Failure> {
        let since = match (args.text("since-time"), args.nanos("since")) {
            ("", 0) => SimTime::ZERO,
            ("", nanos) => {
                // Whole seconds, rounded.
                let seconds = (nanos + 500_000_000) / 1_000_000_000;
                cx.look.now.saturating_sub(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
            }
            (text, _) => chrono::DateTime::parse_from_rfc3339(text)
                .ok()
                .and_then(|t| SimTime::from_utc(t.to_utc()))
                .ok_or_else(|| {
                    Failure::Plain(format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""))
                })?,
        };
        let tail = match (args.number("tail"), args.given("selector") && !args.given("tail")) {
            (-1, true) => Some(SELECTED_TAIL),
            (n, _) => usize::try_from(n).ok(),
        };
        Ok(Self {
            previous: args.on("previous"),
            tail,
            since,
            timestamps: args.on("timestamps"),
            prefix: args.on("prefix") || args.on("all-pods"),
            bytes: usize::try_from(args.number("limit-bytes")).ok().filter(|n| *n > 0),
        })
    }

    fn of_container(
        &self,
        pod: &Object,
        whole: &Value,
        name: &str,
        cx: &Cx<'_>,
    ) -> Result<String, Failure> {
        if whole["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
            return Ok(String::new());
        }
        let attempt = self.attempt(whole, name)?;
        let lines = cx.look.history.lines(pod.meta().uid, name, attempt);
        let mut lines: Vec<_> = lines.filter(|(at, _)| *at >= self.since).collect();
        if let Some(tail) = self.tail {
            lines.drain(..lines.len().saturating_sub(tail));
        }
        let mut text = String::new();
        for (at, line) in lines {
            if self.prefix {
                text.push_str(&format!("[pod/{}/{name}] ", pod.meta().name));
            }
            if self.timestamps {
                text.push_str(&at.to_utc().format("%Y-%m-%dT%H:%M:%S%.9fZ ").to_string());
            }
            text.push_str(&line.text);
            text.push('\n');
        }
        if let Some(bytes) = self.bytes.filter(|b| *b < text.len()) {
            let end = (0..=bytes).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
            text.truncate(end);
        }
        Ok(text)
    }

    /// The run of the container whose lines are meant.
    fn attempt(&self, pod: &Value, name: &str) -> Result<u32, Failure> {
        let bad = |text: String| Err(Failure::server(ErrorReason::BadRequest, text));
        let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let status = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
            .iter()
            .flat_map(|list| pod["status"][*list].as_array().into_iter().flatten())
            .find(|c| c["name"] == name);
        let Some(status) = status else {
            return bad(format!("container {name:?} in pod {pod_name:?} is not available"));
        };
        let restarts =
            status["restartCount"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let (state, last) = (&status["state"], &status["lastState"]["terminated"]);
        if self.previous {
            if !last.is_object() {
                return bad(format!(
                    "previous terminated container {name:?} in pod {pod_name:?} not found"
                ));
            }
            let waits = state["waiting"].is_object();
            return Ok(if waits { restarts } else { restarts.saturating_sub(1) });
        }
        if state["running"].is_object() || state["terminated"].is_object() || last.is_object() {
            return Ok(restarts);
        }
        let why = match state["waiting"]["reason"].as_str().unwrap_or_default() {
            "ErrImagePull" => "image can't be pulled",
            "ImagePullBackOff" => "trying and failing to pull image",
            other => other,
        };
        bad(format!("container {name:?} in pod {pod_name:?} is waiting to start: {why}"))
    }
}

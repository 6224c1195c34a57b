//! `kubectl drain`, `kubectl cordon`, `kubectl uncordon`.
//!
//! After `pkg/cmd/drain/drain.go` and `pkg/drain`. Each pod of a node has its own goroutine there: it
//! evicts, tries again after 5 s where a disruption budget refuses, and then looks every second whether
//! the pod is gone. Here each pod is a small state machine with the time of its next step; those due at
//! one instant go in the order of the pods.

use std::time::Duration;

use serde_json::json;

use super::args::Args;
use super::go;
use super::output::{DryRun, Printer};
use super::resource::{self, Found, Ways};
use super::table::{DRY_RUN, SELECTOR, Treatment, Verb, number, switch, text, time};
use super::{Cx, Done, Failure, Look, OnError, Output, Poll, Send, Task, Tasks, kept};
use crate::api::selectors::LabelSelector;
use crate::base::time::SimTime;
use crate::model::{Kind, Object, Pod, Ref, Uid};
use crate::store::{
    ApiError, DeleteOptions, ErrorReason, PatchType, Reply, Request, Store, WireVerb,
};

pub(super) const VERBS: &[Verb] = &[
    Verb {
        path: "drain",
        aliases: &[],
        usage: "drain NODE [options]",
        about: "Drain node in preparation for maintenance.",
        flags: &[
            DRY_RUN,
            SELECTOR,
            &[
                switch("force"),
                switch("ignore-daemonsets"),
                switch("delete-emptydir-data"),
                number("grace-period", "-1"),
                time("timeout", "0s"),
                text("pod-selector"),
                switch("disable-eviction"),
                number("skip-wait-for-delete-timeout", "0"),
                number("chunk-size", "500").ignored("lists come whole"),
            ],
        ],
        treatment: Treatment::Modelled,
        plan: drain,
    },
    Verb {
        path: "cordon",
        aliases: &[],
        usage: "cordon NODE [options]",
        about: "Mark node as unschedulable.",
        flags: &[DRY_RUN, SELECTOR],
        treatment: Treatment::Modelled,
        plan: |args, cx| cordon(args, cx, true),
    },
    Verb {
        path: "uncordon",
        aliases: &[],
        usage: "uncordon NODE [options]",
        about: "Mark node as schedulable.",
        flags: &[DRY_RUN, SELECTOR],
        treatment: Treatment::Modelled,
        plan: |args, cx| cordon(args, cx, false),
    },
];

/// A refused eviction is tried again after this (`EvictErrorRetryDelay`).
const RETRY: Duration = Duration::from_secs(5);
/// So often a pod that is being deleted is looked at.
const LOOK: Duration = Duration::from_secs(1);

fn nodes(args: &Args, cx: &Cx<'_>) -> Result<Found, Failure> {
    let name = args.verb;
    if args.words.is_empty() && !args.given("selector") {
        return Err(Failure::usage(name, &format!("USAGE: {name} NODE [flags]")));
    }
    if !args.words.is_empty() && args.given("selector") {
        return Err(Failure::usage(
            name,
            "error: cannot specify both a node name and a --selector option",
        ));
    }
    let pods = args.text("pod-selector");
    if !pods.is_empty() && LabelSelector::parse(pods).is_err() {
        return Err("--pod-selector=<pod_selector> must be a valid label selector".into());
    }
    let found = resource::find(
        args,
        cx,
        Ways { only: Some(Kind::Node), single_type: true, ..Ways::default() },
    )?;
    // The first that is not there ends the command.
    if let Some(Err(failure)) = found.infos.iter().find(|i| i.is_err()) {
        return Err(failure.clone());
    }
    for info in found.infos.iter().flatten() {
        if info.resource.model != Kind::Node {
            let r = &info.resource;
            return Err(format!(
                "error: expected resource of type node, got \"{}/{}, Resource={}\"",
                r.group, r.version, r.plural
            )
            .into());
        }
    }
    Ok(found)
}

fn cordon(args: &Args, cx: &Cx<'_>, on: bool) -> Result<Tasks, Failure> {
    let dry_run = DryRun::of(args)?;
    let [done, already] = match on {
        true => ["cordoned", "already cordoned"],
        false => ["uncordoned", "already uncordoned"],
    };
    let mut tasks = Tasks::new();
    for info in nodes(args, cx)?.infos.into_iter().flatten() {
        let whole = info.wire();
        if (whole["spec"]["unschedulable"] == true) == on {
            tasks.push(Task::print(&Printer::of(args, already)?, &whole));
            continue;
        }
        let printer = Printer::of(args, done)?;
        if dry_run == DryRun::Client {
            tasks.push(Task::print(&printer, &whole));
            continue;
        }
        let wanted = if on { json!(true) } else { json!(null) };
        let request = Request::Wire {
            verb: WireVerb::Patch(PatchType::Strategic),
            target: info.reference(),
            body: Box::new(json!({"spec": {"unschedulable": wanted}})),
            subresource: None,
        };
        tasks.push(Send::task(kept(request, dry_run), Done::Print(printer), OnError::Say));
    }
    Ok(tasks)
}

fn drain(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let mut tasks = cordon(args, cx, true)?;
    let nodes = nodes(args, cx)?.infos.into_iter().flatten().map(|n| n.name).collect();
    let timeout = u64::try_from(args.nanos("timeout")).unwrap_or(0);
    let selector = LabelSelector::parse(args.text("pod-selector"))
        .unwrap_or_else(|_| LabelSelector::everything());
    tasks.push(Task::Drain(Box::new(Drain {
        nodes,
        rules: Rules {
            force: args.on("force"),
            ignore_daemonsets: args.on("ignore-daemonsets"),
            delete_emptydir_data: args.on("delete-emptydir-data"),
            skip_after: args.number("skip-wait-for-delete-timeout"),
            selector,
        },
        grace: u64::try_from(args.number("grace-period")).ok().map(Duration::from_secs),
        timeout: (timeout > 0).then(|| Duration::from_nanos(timeout)),
        evict: !args.on("disable-eviction"),
        dry_run: DryRun::of(args)?,
        at: 0,
        begun: None,
        pods: Vec::new(),
        asked: None,
        fatal: Vec::new(),
        left: Vec::new(),
    })));
    Ok(tasks)
}

/// Which pods may go.
#[derive(Debug)]
struct Rules {
    force: bool,
    ignore_daemonsets: bool,
    delete_emptydir_data: bool,
    skip_after: i64,
    selector: LabelSelector,
}

/// Nodes being emptied, one after the other.
#[derive(Debug)]
pub(super) struct Drain {
    nodes: Vec<String>,
    rules: Rules,
    grace: Option<Duration>,
    timeout: Option<Duration>,
    evict: bool,
    dry_run: DryRun,
    /// The node at hand.
    at: usize,
    /// When its pods began to be asked.
    begun: Option<SimTime>,
    pods: Vec<Going>,
    /// The pod whose request is under way, and its reply.
    asked: Option<(usize, Option<Reply>)>,
    fatal: Vec<Failure>,
    left: Vec<String>,
}

/// A pod on its way.
#[derive(Debug)]
struct Going {
    pod: Ref,
    uid: Uid,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Asks for eviction or deletion at that time.
    Ask(SimTime),
    /// Looks at that time whether the pod is gone.
    Look(SimTime),
    /// Is done, perhaps with an error.
    Done(Option<String>),
}

/// What becomes of a pod.
enum Fate {
    Goes(Option<String>),
    Stays(Option<String>),
    Error(String),
}

impl Drain {
    /// Goes on.
    pub(super) fn poll(&mut self, look: &Look<'_>, out: &mut Output) -> Poll {
        loop {
            if let Some((i, Some(reply))) = self.asked.take() {
                self.answered(i, reply, look, out);
            }
            let Some(node) = self.nodes.get(self.at).cloned() else {
                self.finish(out);
                return Poll::Done;
            };
            if self.begun.is_none() && !self.begin(&node, look, out) {
                self.at += 1;
                continue;
            }
            match self.next_pod(look, out) {
                Some(poll) => return poll,
                None => self.end_node(&node, look, out),
            }
        }
    }

    /// The reply to the request under way.
    pub(super) fn reply(&mut self, reply: Reply, _: &mut Output) {
        if let Some((i, None)) = self.asked {
            self.asked = Some((i, Some(reply)));
        }
    }

    /// Finds the pods of a node; whether it can be emptied.
    fn begin(&mut self, node: &str, look: &Look<'_>, out: &mut Output) -> bool {
        let (pods, warnings, errors) = self.rules.sort(node, look);
        if !errors.is_empty() {
            self.give_up(node, &errors, out);
            return false;
        }
        if !warnings.is_empty() {
            out.stderr.push_str(&format!("Warning: {}\n", warnings.join("; ")));
        }
        if self.dry_run == DryRun::Client {
            for (pod, _) in &pods {
                let key = &pod.key;
                out.stdout
                    .push_str(&format!("evicting pod {}/{} (dry run)\n", key.namespace, key.name));
            }
            out.stdout.push_str(&format!("node/{node} drained (dry run)\n"));
            return false;
        }
        self.begun = Some(look.now);
        self.pods = pods
            .into_iter()
            .map(|(pod, uid)| Going { pod, uid, step: Step::Ask(look.now) })
            .collect();
        true
    }

    fn give_up(&mut self, node: &str, errors: &[String], out: &mut Output) {
        let text = aggregate(errors);
        out.stderr.push_str(&format!(
            "error: unable to drain node {node:?} due to error: {text}, continuing command...\n"
        ));
        self.fatal.extend(match errors {
            // One error in a list of errors is printed without a prefix.
            [one] => vec![Failure::Exit(1, one.clone())],
            several => several.iter().map(|e| Failure::Plain(e.clone())).collect(),
        });
        self.left.push(node.to_owned());
    }

    /// The next step of the pod that is due first; nothing when all are done.
    fn next_pod(&mut self, look: &Look<'_>, out: &mut Output) -> Option<Poll> {
        loop {
            let due = self.pods.iter().enumerate().filter_map(|(i, p)| match p.step {
                Step::Ask(at) | Step::Look(at) => Some((at, i)),
                Step::Done(_) => None,
            });
            let (at, i) = due.min()?;
            if at > look.now {
                return Some(Poll::At(at));
            }
            match self.pods[i].step {
                Step::Ask(_) => {
                    if let Some(request) = self.ask(i, look, out) {
                        self.asked = Some((i, None));
                        return Some(Poll::Send(request));
                    }
                }
                Step::Look(_) => self.look(i, look, out),
                Step::Done(_) => {}
            }
        }
    }

    fn deadline(&self) -> SimTime {
        match (self.begun, self.timeout) {
            (Some(begun), Some(timeout)) => begun.saturating_add(timeout),
            _ => SimTime::MAX,
        }
    }

    fn ask(&mut self, i: usize, look: &Look<'_>, out: &mut Output) -> Option<Box<Request>> {
        let key = self.pods[i].pod.key.clone();
        if self.evict {
            let tried = if self.dry_run == DryRun::Server { " (server dry run)" } else { "" };
            out.stdout.push_str(&format!("evicting pod {}/{}{tried}\n", key.namespace, key.name));
            if look.now >= self.deadline() {
                let timeout =
                    self.timeout.map_or(0, |t| i64::try_from(t.as_nanos()).unwrap_or(i64::MAX));
                self.pods[i].step = Step::Done(Some(format!(
                    "error when evicting pods/{:?} -n {:?}: global timeout reached: {}",
                    key.name.as_str(),
                    key.namespace.as_str(),
                    go::duration(timeout)
                )));
                return None;
            }
        }
        let options = DeleteOptions { grace: self.grace, ..DeleteOptions::default() };
        let request = if self.evict {
            Request::Evict { pod: key, options }
        } else {
            Request::Delete { target: self.pods[i].pod.clone(), options }
        };
        Some(Box::new(kept(request, self.dry_run)))
    }

    fn answered(&mut self, i: usize, reply: Reply, look: &Look<'_>, out: &mut Output) {
        let pod = &mut self.pods[i];
        let key = &pod.pod.key;
        let (name, namespace) = (key.name.as_str(), key.namespace.as_str());
        let again = |error: &ApiError| {
            error.reason == ErrorReason::TooManyRequests || error.is_namespace_terminating()
        };
        pod.step = match reply {
            Ok(_) if self.dry_run == DryRun::Server => Step::Done(None),
            Ok(_) => Step::Look(look.now),
            Err(error) if error.is_not_found() => Step::Done(None),
            Err(error) if self.evict && again(&error) => {
                let what = match error.reason {
                    ErrorReason::TooManyRequests => format!("pods/{name:?} -n {namespace:?}"),
                    _ => format!("pod {name:?} from terminating namespace {namespace:?}"),
                };
                out.stderr.push_str(&format!(
                    "error when evicting {what} (will retry after 5s): {error}\n"
                ));
                Step::Ask(look.now.saturating_add(RETRY))
            }
            Err(error) if self.evict => Step::Done(Some(format!(
                "error when evicting pods/{name:?} -n {namespace:?}: {error}"
            ))),
            Err(error) => Step::Done(Some(error.to_string())),
        };
    }

    fn look(&mut self, i: usize, look: &Look<'_>, out: &mut Output) {
        let deadline = self.deadline();
        let pod = &mut self.pods[i];
        let name = pod.pod.key.name.clone();
        pod.step = match look.store.find(&pod.pod) {
            Some(Object::Pod(p)) if p.meta.uid == pod.uid => {
                let skipped = self.rules.skips(p, look.now);
                if skipped {
                    out.stdout.push_str(&format!(
                        "pod {name:?} has DeletionTimestamp older than {} seconds, skipping\n",
                        self.rules.skip_after
                    ));
                    Step::Done(None)
                } else if look.now >= deadline {
                    let namespace = pod.pod.key.namespace.as_str();
                    Step::Done(Some(match self.evict {
                        true => format!(
                            "error when waiting for pod {name:?} in namespace {namespace:?} to terminate: global timeout reached: {}",
                            go::duration(
                                self.timeout
                                    .map_or(0, |t| i64::try_from(t.as_nanos()).unwrap_or(i64::MAX))
                            )
                        ),
                        false => "context deadline exceeded".to_owned(),
                    }))
                } else {
                    Step::Look(look.now.saturating_add(LOOK).min(deadline))
                }
            }
            _ => {
                let done = if self.evict { "evicted" } else { "deleted" };
                out.stdout.push_str(&format!("pod/{name} {done}\n"));
                Step::Done(None)
            }
        };
    }

    fn end_node(&mut self, node: &str, look: &Look<'_>, out: &mut Output) {
        let errors: Vec<String> = self
            .pods
            .drain(..)
            .filter_map(|p| if let Step::Done(error) = p.step { error } else { None })
            .collect();
        if errors.is_empty() {
            let tried = if self.dry_run == DryRun::Server { " (server dry run)" } else { "" };
            out.stdout.push_str(&format!("node/{node} drained{tried}\n"));
        } else {
            let (pending, _, _) = self.rules.sort(node, look);
            if !pending.is_empty() {
                out.stderr.push_str(&format!(
                    "There are pending pods in node {node:?} when an error occurred: {}\n",
                    aggregate(&errors)
                ));
                for (pod, _) in pending {
                    out.stderr.push_str(&format!("pod/{}\n", pod.key.name));
                }
            }
            self.give_up(node, &errors, out);
        }
        self.begun = None;
        self.at += 1;
    }

    fn finish(&mut self, out: &mut Output) {
        if !self.left.is_empty() {
            out.stderr.push_str("There are pending nodes to be drained:\n");
            for node in &self.left {
                out.stderr.push_str(&format!(" {node}\n"));
            }
        }
        out.failures.append(&mut self.fatal);
    }
}

/// Errors in one line, as Go prints an aggregate.
fn aggregate(errors: &[String]) -> String {
    match errors {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

/// The pods that go, in order, what is warned of, and what stands in the way.
type Sorted = (Vec<(Ref, Uid)>, Vec<String>, Vec<String>);

impl Rules {
    /// Sorts the pods of a node (`GetPodsForDeletion`).
    fn sort(&self, node: &str, look: &Look<'_>) -> Sorted {
        let mut pods: Vec<&Pod> = look
            .store
            .list(Kind::Pod)
            .filter_map(|o| if let Object::Pod(p) = o { Some(&**p) } else { None })
            .filter(|p| p.node.as_deref() == Some(node))
            .filter(|p| {
                self.selector.matches(|k| p.meta.labels.get(k).map(smol_str::SmolStr::as_str))
            })
            .collect();
        pods.sort_by(|a, b| {
            (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name))
        });
        let (mut going, mut warnings, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for pod in pods {
            let title = format!("{}/{}", pod.meta.namespace, pod.meta.name);
            let (goes, warning) = match self.fate(pod, look) {
                Fate::Goes(warning) => (true, warning),
                Fate::Stays(warning) => (false, warning),
                Fate::Error(why) => {
                    note(&mut errors, why, title);
                    continue;
                }
            };
            if let Some(warning) = warning {
                note(&mut warnings, warning, title);
            }
            if goes {
                going.push((Ref { kind: Kind::Pod, key: pod.meta.key() }, pod.meta.uid));
            }
        }
        let told = |list: Vec<(String, Vec<String>)>, lead: &str| {
            list.into_iter()
                .map(|(why, pods)| format!("{lead}{why}: {}", pods.join(", ")))
                .collect()
        };
        (going, told(warnings, ""), told(errors, "cannot delete "))
    }

    /// The filters in their order; the last word counts.
    fn fate(&self, pod: &Pod, look: &Look<'_>) -> Fate {
        if self.skips(pod, look.now) {
            return Fate::Stays(None);
        }
        let over = pod.status.phase.is_terminal();
        let owner = pod.meta.controller();
        if let Some(owner) = owner.filter(|o| o.is_kind(Kind::DaemonSet) && !over) {
            match missing(look.store, pod, &owner.name) {
                Some(_) if self.force => {}
                Some(why) => return Fate::Error(why),
                None if self.ignore_daemonsets => {
                    return Fate::Stays(Some("ignoring DaemonSet-managed Pods".to_owned()));
                }
                None => {
                    return Fate::Error(
                        "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)".to_owned(),
                    );
                }
            }
        }
        if pod.meta.annotations.get("kubernetes.io/config.mirror").is_some() {
            return Fate::Stays(None);
        }
        if over {
            return Fate::Goes(None);
        }
        let local = pod.spec.wire.volumes.iter().flatten().any(|v| v.empty_dir.is_some());
        if local && !self.delete_emptydir_data {
            return Fate::Error(
                "Pods with local storage (use --delete-emptydir-data to override)".to_owned(),
            );
        }
        if owner.is_some() {
            // As upstream: a later filter that has nothing to say takes an earlier warning back.
            return Fate::Goes(None);
        }
        if self.force {
            return Fate::Goes(Some("deleting Pods that declare no controller".to_owned()));
        }
        Fate::Error("Pods that declare no controller (use --force to override)".to_owned())
    }

    fn skips(&self, pod: &Pod, now: SimTime) -> bool {
        self.skip_after > 0
            && pod.meta.deletion.is_some_and(|d| {
                i64::try_from(now.since(d.at).as_secs()).unwrap_or(i64::MAX) > self.skip_after
            })
    }
}

/// Adds a pod to those of which the same is said.
fn note(list: &mut Vec<(String, Vec<String>)>, why: String, pod: String) {
    match list.iter_mut().find(|(known, _)| *known == why) {
        Some((_, pods)) => pods.push(pod),
        None => list.push((why, vec![pod])),
    }
}

/// What is said where the DaemonSet of a pod is gone.
fn missing(store: &Store, pod: &Pod, name: &str) -> Option<String> {
    let set = Ref::new(Kind::DaemonSet, pod.meta.namespace.clone(), name);
    match store.find(&set) {
        Some(_) => None,
        None => Some(ApiError::not_found(Kind::DaemonSet, name).message),
    }
}

//! `wavetank logs`: floats manifests quietly and prints what a container wrote.
//!
//! What is printed, and what is said where nothing can be printed, follows `kubectl logs`
//! (`kubectl/pkg/polymorphichelpers/logsforobject.go`) and the node agent's answer to it
//! (`pkg/kubelet/kubelet_pods.go`, `validateContainerLogStatus`). Unlike a cluster, a run still has the
//! logs of pods that are gone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::floats::{self, Floats};
use super::{exit_code, ui};
use crate::api::{kinds, suggest};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{ContainerState, Kind, Labels, Meta, Object, Pod, Uid};
use crate::scenario::runner::NAMESPACE;
use crate::trace::{Change, Fact, FactKind, Output};

/// Print what a container wrote in a run, as kubectl logs does
///
/// TARGET is a pod (`web-0`), a pod and its container (`web-0/nginx`), or a workload whose pods are meant
/// (`job/counter`, `deployment/nginx`, `service/web`). PATHS and the options of the run are those of
/// `wavetank run`. Pods that are gone at the end of the run still have their logs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A pod, POD/CONTAINER, or KIND/NAME of a workload
    target: String,
    #[command(flatten)]
    floats: Floats,
    /// The container; by default the one that the pod's annotation names, else the first
    #[arg(short, long, value_name = "NAME", conflicts_with = "all_containers")]
    container: Option<String>,
    /// All containers of the pod, init containers first
    #[arg(long)]
    all_containers: bool,
    /// All pods of a workload; each line begins with its pod and container
    #[arg(long)]
    all_pods: bool,
    /// The run of the container before its latest
    #[arg(short, long)]
    previous: bool,
    /// Begin each line with its time
    #[arg(long)]
    timestamps: bool,
    /// Only the last lines of each container
    #[arg(long, value_name = "N")]
    tail: Option<usize>,
    /// Begin each line with its pod and container
    #[arg(long)]
    prefix: bool,
    /// The namespace of the target
    #[arg(short, long, value_name = "NAME", default_value = NAMESPACE)]
    namespace: String,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    let plan = match floats::prepare(&args.floats, true) {
        Ok(prepared) => prepared.plan,
        Err(refused) => return refused.tell(),
    };
    let mut runner = match floats::build(plan, &mut |_| {}) {
        Ok(runner) => runner,
        Err(code) => return code,
    };
    let mut heard = Heard::default();
    runner.run(&mut |fact| heard.hear(fact));
    let mut text = String::new();
    let told = heard.print(args, &mut text);
    ui::out(&text);
    match told {
        Ok(()) => exit_code::OK,
        Err(error) => {
            ui::err(&format!("error: {error}"));
            exit_code::FAILED
        }
    }
}

/// What one run of a container wrote, with its times.
type Lines = Vec<(SimTime, Arc<Output>)>;

/// What of a run is kept for its logs.
#[derive(Debug, Default)]
struct Heard {
    /// Pods as they were last, by namespace and name in the order of their creation.
    pods: BTreeMap<Uid, (Arc<Pod>, bool)>,
    /// Every other object that may stand between a pod and its workload: kind, metadata, selector.
    owners: BTreeMap<Uid, (Kind, Meta, Option<Labels>)>,
    /// Lines of each run of a container.
    lines: BTreeMap<(Uid, Str, u64), Lines>,
}

impl Heard {
    fn hear(&mut self, fact: &Fact) {
        match &fact.kind {
            FactKind::Output(line) => {
                let key = (line.uid, line.container.clone(), line.run);
                self.lines.entry(key).or_default().push((fact.at, Arc::clone(line)));
            }
            FactKind::Object { object: Object::Pod(pod), change, .. } => {
                let gone = *change == Change::Deleted;
                self.pods.insert(pod.meta.uid, (Arc::clone(pod), gone));
            }
            FactKind::Object { object, old: None, .. } => {
                let selector = match object {
                    Object::Service(s) => s.body.spec.as_ref().and_then(|s| s.selector.as_ref()),
                    _ => None,
                };
                let selector = selector.map(|s| {
                    s.iter().map(|(k, v)| (Str::from(k), Str::from(v))).collect::<Labels>()
                });
                let entry = (object.kind(), object.meta().clone(), selector);
                self.owners.insert(object.meta().uid, entry);
            }
            FactKind::Object { .. }
            | FactKind::Event { .. }
            | FactKind::Warned(_)
            | FactKind::StepBegun { .. }
            | FactKind::Step(_)
            | FactKind::Waiting(_)
            | FactKind::Assumed(_)
            | FactKind::Unmodelled(_) => {}
        }
    }

    /// Writes the lines that are asked for into `text`.
    fn print(&self, args: &Args, text: &mut String) -> Result<(), String> {
        let target = self.target(args)?;
        let mut named = target.container;
        if let Some(flag) = &args.container {
            if named.is_some() {
                return Err("only one of -c or an inline [CONTAINER] arg is allowed".to_owned());
            }
            named = Some(flag.clone());
        }
        let count = if args.all_pods { target.pods.len() } else { 1 };
        for pod in &target.pods[..count] {
            let many = args.all_containers || count > 1;
            let containers = match args.all_containers {
                true => names(pod),
                false => vec![chosen(pod, named.as_deref(), many)?],
            };
            for container in containers {
                let run = run_of(pod, &container, args.previous)?;
                self.write(pod, &container, run, args, text);
            }
        }
        Ok(())
    }

    fn write(&self, pod: &Pod, container: &Str, run: u64, args: &Args, text: &mut String) {
        let key = (pod.meta.uid, container.clone(), run);
        let lines = self.lines.get(&key).map(Vec::as_slice).unwrap_or_default();
        let first = args.tail.map_or(0, |n| lines.len().saturating_sub(n));
        for (at, line) in &lines[first..] {
            // Writing to a string cannot fail.
            if args.prefix || args.all_pods {
                let _ = write!(text, "[pod/{}/{container}] ", pod.meta.name);
            }
            if args.timestamps {
                let stamp = at.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
                let _ = write!(text, "{stamp} ");
            }
            let _ = writeln!(text, "{}", line.text);
        }
    }

    fn target(&self, args: &Args) -> Result<Target, String> {
        let words: Vec<&str> = args.target.split('/').collect();
        let (kind, name, container) = match words[..] {
            [pod] => (Kind::Pod, pod, None),
            [a, b] => match kinds::resolve(a) {
                Ok(info) if info.model() != Kind::Inert => (info.model(), b, None),
                Ok(_) | Err(_) => (Kind::Pod, a, Some(b.to_owned())),
            },
            [a, b, c] => match kinds::resolve(a) {
                Ok(info) => (info.model(), b, Some(c.to_owned())),
                Err(_) => return Err(format!("there is no resource type {a:?}")),
            },
            _ => return Err(format!("{:?} is no POD, POD/CONTAINER or KIND/NAME", args.target)),
        };
        let pods = match kind {
            Kind::Pod => self.pods_named(name, args)?,
            workload => self.pods_of(workload, name, args)?,
        };
        Ok(Target { pods, container })
    }

    /// The latest pod of that name, one that still is before one that is gone.
    fn pods_named(&self, name: &str, args: &Args) -> Result<Vec<Arc<Pod>>, String> {
        let of_name =
            |p: &&(Arc<Pod>, bool)| p.0.meta.name == name && p.0.meta.namespace == args.namespace;
        let latest = |p: &&(Arc<Pod>, bool)| (!p.1, p.0.meta.created, p.0.meta.resource_version);
        match self.pods.values().filter(of_name).max_by_key(latest) {
            Some((pod, _)) => Ok(vec![Arc::clone(pod)]),
            None => Err(self.unknown(&format!("pods {name:?} not found"), name, args)),
        }
    }

    /// The pods of a workload, those first whose logs say the most.
    fn pods_of(&self, kind: Kind, name: &str, args: &Args) -> Result<Vec<Arc<Pod>>, String> {
        let is_it = |(k, meta, _): &&(Kind, Meta, Option<Labels>)| {
            *k == kind && meta.name == name && meta.namespace == args.namespace
        };
        let Some((_, owner, selector)) = self.owners.values().rfind(is_it) else {
            return Err(self.unknown(&format!("{} {name:?} not found", kind.plural()), name, args));
        };
        let selects = |pod: &Pod| {
            selector.as_ref().is_some_and(|labels| {
                pod.meta.namespace == owner.namespace
                    && labels.iter().all(|(k, v)| pod.meta.labels.get(k) == Some(v))
            })
        };
        let mut pods: Vec<&(Arc<Pod>, bool)> = self
            .pods
            .values()
            .filter(|(pod, _)| selects(pod) || self.belongs(&pod.meta, owner.uid))
            .collect();
        if pods.is_empty() {
            return Err(format!("{} {name:?} never had a pod", kind.singular()));
        }
        pods.sort_by(|a, b| by_logging(a, b));
        if pods.len() > 1 && !args.all_pods {
            ui::err(&format!("Found {} pods, using pod/{}", pods.len(), pods[0].0.meta.name));
        }
        Ok(pods.into_iter().map(|(pod, _)| Arc::clone(pod)).collect())
    }

    /// Whether a chain of controllers leads from an object to that owner.
    fn belongs(&self, meta: &Meta, to: Uid) -> bool {
        let mut next = meta.controller().map(|o| o.uid);
        // A chain of owners is never longer than the kinds that own pods.
        for _ in 0..8 {
            match next {
                None => return false,
                Some(uid) if uid == to => return true,
                Some(uid) => {
                    next =
                        self.owners.get(&uid).and_then(|(_, m, _)| m.controller().map(|o| o.uid));
                }
            }
        }
        false
    }

    /// What is said of a name that there never was, with the pods there were.
    fn unknown(&self, what: &str, name: &str, args: &Args) -> String {
        let mut here: Vec<&str> = Vec::new();
        let mut elsewhere: Vec<String> = Vec::new();
        for (pod, _) in self.pods.values() {
            if pod.meta.namespace == args.namespace {
                here.push(&pod.meta.name);
            } else if pod.meta.name == name {
                elsewhere.push(format!("-n {}", pod.meta.namespace));
            }
        }
        here.sort_unstable();
        here.dedup();
        let mut text = what.to_owned();
        if let Some(near) = suggest::nearest(name, here.iter().copied()) {
            let _ = write!(text, ": did you mean {near:?}?");
        }
        let listed = match here.len() {
            0 => format!("in namespace {} there never was a pod", args.namespace),
            n => {
                let more =
                    if n > LISTED { format!(" and {} more", n - LISTED) } else { String::new() };
                format!("the pods there were: {}{more}", here[..n.min(LISTED)].join(", "))
            }
        };
        let _ = write!(text, "\n  hint: {listed}");
        let mut workloads: Vec<String> = self
            .owners
            .values()
            .filter(|(_, m, _)| m.name == name && m.namespace == args.namespace)
            .filter(|(_, m, _)| self.pods.values().any(|(p, _)| self.belongs(&p.meta, m.uid)))
            .map(|(kind, ..)| format!("{}/{name}", kind.as_str().to_ascii_lowercase()))
            .collect();
        workloads.sort_unstable();
        workloads.dedup();
        if !workloads.is_empty() {
            let _ = write!(text, "\n  hint: the pods of a workload are {}", workloads.join(" or "));
        }
        if !elsewhere.is_empty() {
            let _ = write!(text, "\n  hint: one is found with {}", elsewhere.join(" or "));
        }
        text
    }
}

/// So many pods are listed where one was not found.
const LISTED: usize = 20;

/// Whose logs are meant.
struct Target {
    /// At least one.
    pods: Vec<Arc<Pod>>,
    container: Option<String>,
}

/// The order in which the pods of a workload are looked at (`podutils.ByLogging`); those that are gone
/// come last.
fn by_logging(a: &(Arc<Pod>, bool), b: &(Arc<Pod>, bool)) -> std::cmp::Ordering {
    use crate::model::Phase;
    let rank = |(pod, gone): &(Arc<Pod>, bool)| {
        let phase = match pod.status.phase {
            Phase::Running | Phase::Succeeded | Phase::Failed => 0,
            Phase::Unknown => 1,
            Phase::Pending => 2,
        };
        let restarts = pod.status.containers.iter().map(|c| c.restart_count).max();
        (
            *gone,
            pod.node.is_none(),
            phase,
            !pod.is_ready(),
            pod.ready_since(),
            std::cmp::Reverse(restarts),
            pod.meta.created,
            pod.meta.name.clone(),
        )
    };
    rank(a).cmp(&rank(b))
}

/// The names of a pod's containers, init containers first.
fn names(pod: &Pod) -> Vec<Str> {
    let spec = &pod.spec;
    let added = spec.ephemeral_containers.iter().map(|e| &e.container);
    spec.init_containers
        .iter()
        .chain(&spec.containers)
        .chain(added)
        .map(|c| c.name.clone())
        .collect()
}

/// Containers as `kubectl` lists them: main ones first, the others marked.
fn listed(pod: &Pod) -> String {
    let main = pod.spec.containers.iter().map(|c| c.name.to_string());
    let init = pod.spec.init_containers.iter().map(|c| format!("{} (init)", c.name));
    let added =
        pod.spec.ephemeral_containers.iter().map(|e| format!("{} (ephem)", e.container.name));
    main.chain(added).chain(init).collect::<Vec<_>>().join(", ")
}

/// The container that is meant; where it is a default, that is said.
fn chosen(pod: &Pod, named: Option<&str>, quiet: bool) -> Result<Str, String> {
    if let Some(name) = named {
        return match pod.spec.container(name) {
            Some(c) => Ok(c.name.clone()),
            None => Err(format!(
                "container {name} is not valid for pod {} out of: {}",
                pod.meta.name,
                listed(pod)
            )),
        };
    }
    if let Some(name) = pod.meta.annotations.get("kubectl.kubernetes.io/default-container") {
        if let Some(c) = pod.spec.container(name) {
            return Ok(c.name.clone());
        }
        ui::err(&format!("Default container name {name:?} not found in pod {}", pod.meta.name));
    }
    let Some(first) = pod.spec.containers.first() else {
        return Err(format!("pod {} has no containers", pod.meta.name));
    };
    if names(pod).len() > 1 && !quiet {
        ui::err(&format!("Defaulted container {:?} out of: {}", first.name, listed(pod)));
    }
    Ok(first.name.clone())
}

/// The run of a container whose log is meant (`validateContainerLogStatus`).
fn run_of(pod: &Pod, container: &str, previous: bool) -> Result<u64, String> {
    let name = &pod.meta.name;
    let waits =
        |why: &str| format!("container {container:?} in pod {name:?} is waiting to start: {why}");
    let Some(status) = pod.status.container(container) else {
        return Err(match pod.node {
            None => format!("pod {name:?} was not placed on a node"),
            Some(_) => format!("container {container:?} in pod {name:?} is not available"),
        });
    };
    let last = status.last.as_ref().map(|l| l.container_id).filter(|id| *id != 0);
    if previous {
        let none =
            || format!("previous terminated container {container:?} in pod {name:?} not found");
        return last.ok_or_else(none);
    }
    match &status.state {
        ContainerState::Running { .. } => Ok(status.container_id),
        ContainerState::Terminated(how) => {
            let ended = || format!("container {container:?} in pod {name:?} is terminated");
            Some(how.container_id).filter(|id| *id != 0).or(last).ok_or_else(ended)
        }
        ContainerState::Waiting { reason, .. } => last.ok_or_else(|| match reason.as_str() {
            "ErrImagePull" => waits("image can't be pulled"),
            "ImagePullBackOff" => waits("trying and failing to pull image"),
            why => waits(why),
        }),
    }
}

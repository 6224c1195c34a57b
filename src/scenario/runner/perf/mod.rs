//! Ops of kube-scheduler's performance suite, carried out: see [`crate::scenario::scheduler_perf`].

mod nodes;
mod update;
mod volumes;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use self::nodes::Nodes;
use self::update::Update;
use super::{Ear, Runner};
use crate::api::kinds;
use crate::base::time::SimTime;
use crate::engine::Token;
use crate::model::{Kind, Object, Pod, Ref, conditions};
use crate::scenario::cluster;
use crate::scenario::scheduler_perf::{Op, Template, has};
use crate::sim::Outcome;
use crate::store::{DeleteOptions, Request, WireVerb};
use crate::trace::{FactId, StepDone};

/// So many clients create pods beside each other.
const CLIENTS: usize = 30;
/// How often is looked whether pods have their nodes.
const LOOK: Duration = Duration::from_secs(1);
/// How long it may take until they have.
const PATIENCE: Duration = Duration::from_secs(600);

/// Replies to what an op waits for.
const OWN: Token = Token(1);
/// Replies to what goes on behind the ops.
const BEHIND: Token = Token(2);

/// What ops leave to those that follow.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Namespaces there are, and how many pods a barrier has to wait for in each.
    namespaces: BTreeMap<String, usize>,
    /// How many nodes were made.
    nodes: u32,
    /// How many objects were named.
    named: usize,
    behind: Vec<Behind>,
}

/// What goes on behind the ops.
#[derive(Clone, Debug)]
struct Behind {
    next: SimTime,
    every: Duration,
    work: Work,
}

#[derive(Clone, Debug)]
enum Work {
    Delete(VecDeque<Ref>),
    Churn {
        namespace: String,
        templates: Vec<Template>,
        /// How often it has come round, and how often it may.
        round: usize,
        most: Option<usize>,
        /// What was created and is deleted in turn.
        there: Vec<Vec<Option<Ref>>>,
    },
}

impl Runner {
    /// Carries out an op.
    pub(super) fn perf(
        &mut self,
        op: &Op,
        done: &mut StepDone,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        match op {
            Op::CreateNodes { count, prefix, template, label, allocatable, features } => {
                let nodes = Nodes {
                    prefix,
                    template: template.as_ref(),
                    label: label.as_ref(),
                    allocatable: allocatable.as_deref(),
                    features: *features,
                };
                self.make_nodes(*count, &nodes, ear)
            }
            Op::CreateNamespaces { prefix, count, template } => (0..*count).try_for_each(|i| {
                self.make_namespace(&format!("{prefix}-{i}"), template.as_ref(), ear)
            }),
            Op::CreatePods { namespace, count, template, wait, volume, .. } => {
                self.make_namespace(namespace, None, ear)?;
                if let Some(volume) = volume {
                    let (volume, claim) = &**volume;
                    self.make_volumes(namespace, *count, volume, claim, ear)?;
                }
                let pod = |i| {
                    let mut pod = template.object(i, *count)?;
                    if volume.is_some() {
                        volumes::mount(&mut pod, i);
                    }
                    Ok(pod)
                };
                self.make_all((0..*count).map(pod), namespace, ear)?;
                if *wait {
                    return self.wait_for_pods(namespace, &BTreeMap::new(), *count, false, ear);
                }
                *self.perf.namespaces.entry(namespace.clone()).or_default() += count;
                Ok(())
            }
            Op::DeletePods { namespace, labels, wait, every } => {
                self.delete_pods(namespace, labels, *wait, *every, done, ear)
            }
            Op::Churn { recreate, most, every, namespace, templates } => {
                self.make_namespace(namespace, None, ear)?;
                let there = vec![vec![None; recreate.unwrap_or(0)]; templates.len()];
                let work = Work::Churn {
                    namespace: namespace.clone(),
                    templates: templates.clone(),
                    round: 0,
                    most: *most,
                    there,
                };
                let next = self.sim.now() + *every;
                self.perf.behind.push(Behind { next, every: *every, work });
                Ok(())
            }
            Op::Barrier { namespaces, labels, attempted } => {
                self.barrier(namespaces, labels, *attempted, ear)
            }
            Op::Sleep(length) => {
                self.pass_behind(self.sim.now() + *length, ear);
                Ok(())
            }
            Op::CreateAny { namespace, template, count } => {
                if let Some(namespace) = namespace {
                    self.make_namespace(namespace, None, ear)?;
                }
                let object = |i| template.object(i, *count);
                self.make_all(
                    (0..*count).map(object),
                    namespace.as_deref().unwrap_or_default(),
                    ear,
                )
            }
            Op::UpdateAny { namespace, template, count, every, subresource } => {
                let update = Update {
                    namespace: namespace.as_deref().unwrap_or_default(),
                    template,
                    count: *count,
                    subresource: *subresource,
                };
                self.update_all(&update, *every, ear)
            }
            Op::Start(_) | Op::Stop => Ok(()),
        }
    }

    /// A namespace with its service account, unless it is there.
    fn make_namespace(
        &mut self,
        name: &str,
        template: Option<&Template>,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        if self.perf.namespaces.contains_key(name) {
            return Ok(());
        }
        let mut namespace =
            template.map(|t| t.object(0, 1)).transpose()?.unwrap_or_else(|| json!({}));
        (namespace["apiVersion"], namespace["kind"]) = ("v1".into(), "Namespace".into());
        namespace["metadata"]["name"] = name.into();
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": name}});
        for object in [namespace, account] {
            cluster::put_missing(&mut self.sim, &object, &mut |fact| ear.hear(fact))
                .map_err(|e| e.message.clone())?;
        }
        self.perf.namespaces.insert(name.to_owned(), 0);
        Ok(())
    }

    /// Creates objects, so many beside each other as there are clients.
    fn make_all(
        &mut self,
        objects: impl Iterator<Item = Result<Value, String>>,
        namespace: &str,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        let (mut objects, mut open) = (objects, 0);
        loop {
            while open < CLIENTS
                && let Some(object) = objects.next()
            {
                let request = self.creation(object?, namespace, ear)?;
                // No two clients ask at the very same instant, which names are drawn from.
                let turn = u64::try_from(open).unwrap_or(u64::MAX);
                let at = self.sim.now() + Duration::from_micros(turn);
                self.sim.send(at, OWN, FactId::NONE, request);
                open += 1;
            }
            if open == 0 {
                return Ok(());
            }
            open -= self.replied(ear)?;
        }
    }

    /// Waits until replies to what was asked have come; how many.
    fn replied(&mut self, ear: &mut Ear<'_>) -> Result<usize, String> {
        let until = self.next_behind().min(self.limit);
        ear.going.set(true);
        match self.run_sim(until, ear.going, ear) {
            Outcome::Replied => {
                let mut own = 0;
                for answer in self.sim.take_replies() {
                    if answer.token == OWN {
                        own += 1;
                        answer.reply.map_err(|e| e.message.clone())?;
                    }
                }
                Ok(own)
            }
            Outcome::Limit if until < self.limit => {
                self.work_behind(ear);
                Ok(0)
            }
            Outcome::Halted if !ear.is_stopped() => Ok(0),
            Outcome::Halted | Outcome::Spent | Outcome::Quiet | Outcome::Limit => {
                Err("the run ended before all objects were written".to_owned())
            }
        }
    }

    /// The request that creates an object.
    fn creation(
        &mut self,
        mut object: Value,
        namespace: &str,
        ear: &mut Ear<'_>,
    ) -> Result<Request, String> {
        let model = placed(&mut object, namespace)?;
        if model == Kind::Pod {
            self.classify(&mut object, ear)?;
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let target = Ref::new(model, namespace, name);
        let body = Box::new(object);
        Ok(Request::Wire { verb: WireVerb::Create, target, body, subresource: None })
    }

    /// A priority that names no class gets one.
    fn classify(&mut self, pod: &mut Value, ear: &mut Ear<'_>) -> Result<(), String> {
        let spec = &mut pod["spec"];
        let Some(priority) =
            spec["priority"].as_i64().filter(|_| spec["priorityClassName"].is_null())
        else {
            return Ok(());
        };
        let sign = if priority < 0 { "minus-" } else { "" };
        let name = format!("scheduler-perf-{sign}{}", priority.unsigned_abs());
        let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": priority});
        cluster::put_missing(&mut self.sim, &class, &mut |fact| ear.hear(fact))
            .map_err(|e| e.message.clone())?;
        spec["priorityClassName"] = name.into();
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("priority");
        }
        Ok(())
    }

    fn delete_pods(
        &mut self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        wait: bool,
        every: Option<Duration>,
        done: &mut StepDone,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        let fits = |o: &&Object| matches!(o, Object::Pod(p) if p.meta.namespace == namespace && has(p, labels));
        let mut pods: Vec<Ref> =
            self.sim.store().list(Kind::Pod).filter(fits).map(Object::reference).collect();
        pods.sort();
        done.stdout = format!("{} pods\n", pods.len());
        let Some(every) = every else {
            pods.into_iter().for_each(|pod| self.send_deletion(pod));
            return Ok(());
        };
        let last =
            self.sim.now() + every.saturating_mul(u32::try_from(pods.len()).unwrap_or(u32::MAX));
        let next = self.sim.now() + every;
        self.perf.behind.push(Behind { next, every, work: Work::Delete(pods.into()) });
        if wait {
            self.pass_behind(last, ear);
        }
        Ok(())
    }

    fn send_deletion(&mut self, target: Ref) {
        let request = Request::Delete { target, options: DeleteOptions::default() };
        self.sim.send(self.sim.now(), BEHIND, FactId::NONE, request);
    }

    fn barrier(
        &mut self,
        namespaces: &[String],
        labels: &BTreeMap<String, String>,
        attempted: bool,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        let known = &self.perf.namespaces;
        if let Some(unknown) = namespaces.iter().find(|n| !known.contains_key(*n)) {
            return Err(format!("unknown namespace {unknown}"));
        }
        let all: Vec<String> = if namespaces.is_empty() {
            known.keys().cloned().collect()
        } else {
            namespaces.to_vec()
        };
        for namespace in &all {
            let wanted = self.perf.namespaces.get(namespace).copied().unwrap_or(0);
            self.wait_for_pods(namespace, labels, wanted, attempted, ear)?;
        }
        if !attempted {
            // Nothing is left to be waited for in them.
            for namespace in &all {
                self.perf.namespaces.insert(namespace.clone(), 0);
            }
        }
        Ok(())
    }

    /// Runs until so many pods of a namespace have a node, or were tried.
    fn wait_for_pods(
        &mut self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        wanted: usize,
        attempted: bool,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        let until = self.sim.now() + PATIENCE;
        loop {
            let (mut there, mut pending) = (0, None);
            for object in self.sim.store().list(Kind::Pod) {
                let Object::Pod(pod) = object else { continue };
                if pod.meta.namespace != namespace || !has(pod, labels) {
                    continue;
                }
                if pod.node.is_some() || attempted && was_tried(pod) {
                    there += 1;
                } else {
                    pending = Some(pod.meta.name.clone());
                }
            }
            if there >= wanted {
                return Ok(());
            }
            let ended = ear.is_stopped() || ear.spent || self.sim.now() >= self.limit;
            if ended || self.sim.now() >= until {
                let stage = if attempted { "were tried" } else { "have a node" };
                let which = pending
                    .map_or_else(String::new, |name| format!(", pod/{name} is none of them"));
                let when = if ended { "when the run ended" } else { "after 10 minutes" };
                return Err(format!(
                    "{there} of {wanted} pods of {namespace} {stage} {when}{which}"
                ));
            }
            self.pass_behind(self.sim.now() + LOOK, ear);
        }
    }

    fn next_behind(&self) -> SimTime {
        self.perf.behind.iter().map(|b| b.next).min().unwrap_or(SimTime::MAX)
    }

    /// Lets time pass, with what goes on behind.
    fn pass_behind(&mut self, until: SimTime, ear: &mut Ear<'_>) {
        let until = until.min(self.limit);
        while self.next_behind() <= until {
            self.pass_to(self.next_behind(), ear);
            if ear.is_stopped() || ear.spent {
                return;
            }
            self.work_behind(ear);
        }
        self.pass_to(until, ear);
    }

    /// Does what is due behind the ops.
    fn work_behind(&mut self, ear: &mut Ear<'_>) {
        let now = self.sim.now();
        let mut all = std::mem::take(&mut self.perf.behind);
        for behind in &mut all {
            while behind.next <= now {
                behind.next += behind.every;
                self.turn(&mut behind.work, ear);
            }
        }
        all.retain(|behind| !behind.work.is_over());
        self.perf.behind = all;
    }

    fn turn(&mut self, work: &mut Work, ear: &mut Ear<'_>) {
        match work {
            Work::Delete(pods) => {
                if let Some(pod) = pods.pop_front() {
                    self.send_deletion(pod);
                }
            }
            Work::Churn { namespace, templates, round, there, .. } => {
                for (template, places) in templates.iter().zip(there) {
                    let place = match places.len() {
                        0 => None,
                        n => Some(&mut places[*round % n]),
                    };
                    if let Some(Some(old)) = place.as_ref().map(|p| p.as_ref()) {
                        self.send_deletion(old.clone());
                        place.into_iter().for_each(|p| *p = None);
                        continue;
                    }
                    let made = self.churned(template, namespace, *round, ear);
                    place.into_iter().for_each(|p| p.clone_from(&made));
                }
                *round += 1;
            }
        }
    }

    /// Creates one object of a template. One that cannot be created is passed over, as upstream does.
    fn churned(
        &mut self,
        template: &Template,
        namespace: &str,
        round: usize,
        ear: &mut Ear<'_>,
    ) -> Option<Ref> {
        let mut object = template.object(round, round + 1).ok()?;
        if let Some(prefix) = object["metadata"]["generateName"].as_str() {
            object["metadata"]["name"] = format!("{prefix}churn-{}", self.perf.named).into();
            self.perf.named += 1;
        }
        let kind = kinds::served(object["apiVersion"].as_str()?, object["kind"].as_str()?)?.model();
        let name = object["metadata"]["name"].as_str()?.to_owned();
        if kind == Kind::Node {
            let one = Template::fixed(&template.file, object);
            let node = Nodes {
                prefix: "node-",
                template: Some(&one),
                label: None,
                allocatable: None,
                features: 0,
            };
            self.make_nodes(1, &node, ear).ok()?;
            return Some(Ref::new(kind, "", name.as_str()));
        }
        let namespace = if kind.namespaced() { namespace } else { "" };
        let request = self.creation(object, namespace, ear).ok()?;
        self.sim.send(self.sim.now(), BEHIND, FactId::NONE, request);
        Some(Ref::new(kind, namespace, name.as_str()))
    }
}

impl Work {
    fn is_over(&self) -> bool {
        match self {
            Self::Delete(pods) => pods.is_empty(),
            Self::Churn { round, most, .. } => most.is_some_and(|most| *round >= most),
        }
    }
}

/// Whether the scheduler has said of the pod that it has no node, be it that it is gated
/// (test/integration/scheduler_perf/util.go, `isAttempted`).
fn was_tried(pod: &Pod) -> bool {
    pod.status.condition(conditions::POD_SCHEDULED).is_some()
}

/// The kind of an object, which gets its namespace.
fn placed(object: &mut Value, namespace: &str) -> Result<Kind, String> {
    let version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let info = kinds::served(&version, &kind).ok_or_else(|| {
        format!("there is no kind {kind} in {version}, or it has no behaviour here")
    })?;
    let model = info.model();
    match (model.namespaced(), namespace) {
        (true, "") => return Err(format!("namespace not set for a {kind}")),
        (true, namespace) => object["metadata"]["namespace"] = namespace.into(),
        (false, "") => {}
        (false, namespace) => {
            return Err(format!("namespace {namespace} set for a {kind}, which has none"));
        }
    }
    Ok(model)
}

//! What reasons are looked for in, and who is asked for which kind.

use std::sync::Arc;

use serde_json::Value;

use super::fix::{Change, Edit};
use super::{Code, Fix, Reason, Root, Told, WaitGraph};
use crate::api::convert;
use crate::base::time::SimTime;
use crate::model::{Kind, Meta, Object, Pod, Ref};
use crate::report::timeline::name;
use crate::sim::Sim;
use crate::store::Store;

/// What is looked at.
pub(super) struct Look<'a> {
    pub(super) sim: &'a Sim,
    pub(super) store: &'a Store,
    pub(super) told: &'a Told,
    pub(super) now: SimTime,
}

/// The object that the user wrote, and where in it the spec of its pods stands.
pub(super) struct Source {
    pub(super) object: Ref,
    /// A JSON pointer to the pod's spec.
    pub(super) spec: &'static str,
}

impl Source {
    /// A pointer into the pod's spec.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.spec)
    }

    /// An edit that changes the manifest.
    pub(super) fn edit(&self, changes: Vec<Change>) -> Edit {
        Edit::Manifest { object: self.object.clone(), changes }
    }

    /// A fix that changes the manifest; the text names it.
    pub(super) fn fix(&self, text: &str, changes: Vec<Change>) -> Fix {
        Fix::new(format!("{text} in {}", name(&self.object)), vec![self.edit(changes)])
    }
}

impl<'a> Look<'a> {
    pub(super) fn new(sim: &'a Sim, told: &'a Told) -> Self {
        Self { sim, store: sim.store(), told, now: sim.now() }
    }

    /// Why an object does not get on; nothing where it does.
    pub(super) fn reasons(&self, of: &Ref) -> Vec<Reason> {
        let Some(object) = self.store.find(of) else {
            return vec![self.missing(of)];
        };
        if object.meta().is_terminating() && of.kind != Kind::Pod {
            return self.going(object);
        }
        match object {
            Object::Pod(pod) => self.pod(pod),
            Object::Node(node) => self.node(node),
            Object::Service(_) => self.service(object),
            Object::PersistentVolumeClaim(_) => self.claim(object),
            Object::Deployment(_)
            | Object::ReplicaSet(_)
            | Object::ReplicationController(_)
            | Object::StatefulSet(_)
            | Object::DaemonSet(_)
            | Object::Job(_)
            | Object::CronJob(_) => self.workload(object),
            _ => Vec::new(),
        }
    }

    /// The pods that an object manages, directly, by name.
    pub(super) fn pods_of(&self, owner: &Meta) -> Vec<&'a Arc<Pod>> {
        let managed = |p: &&Arc<Pod>| p.meta.controller().is_some_and(|o| o.uid == owner.uid);
        let mut pods: Vec<_> = self.pods().filter(managed).collect();
        pods.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        pods
    }

    /// All pods.
    pub(super) fn pods(&self) -> impl Iterator<Item = &'a Arc<Pod>> {
        self.store.list(Kind::Pod).filter_map(|o| match o {
            Object::Pod(pod) => Some(pod),
            _ => None,
        })
    }

    /// The topmost object that manages another, or the object itself.
    pub(super) fn top(&self, object: &Meta, kind: Kind) -> Ref {
        let mut top = Ref { kind, key: object.key() };
        let mut owner = object.controller();
        while let Some(found) = owner.and_then(|o| self.store.by_uid(o.uid)) {
            top = found.reference();
            owner = found.meta().controller();
        }
        top
    }

    /// Where the spec of a pod was written.
    pub(super) fn source(&self, pod: &Pod) -> Source {
        let object = self.top(&pod.meta, Kind::Pod);
        let spec = match object.kind {
            Kind::Pod => "/spec",
            Kind::CronJob => "/spec/jobTemplate/spec/template/spec",
            _ => "/spec/template/spec",
        };
        Source { object, spec }
    }

    /// An object as the API writes it.
    pub(super) fn wire(&self, object: &Object) -> Value {
        convert::to_wire(object).to_value()
    }

    /// A pod's spec as the API writes it.
    pub(super) fn pod_spec(&self, pod: &Pod) -> Value {
        serde_json::to_value(&*pod.spec.wire).expect("API objects are JSON")
    }

    /// Objects of a kind in a namespace, in the order of their names.
    pub(super) fn here(&self, kind: Kind, namespace: &str) -> Vec<&'a Object> {
        let mut all: Vec<&Object> =
            self.store.list(kind).filter(|o| o.meta().namespace == namespace).collect();
        all.sort_by(|a, b| a.meta().name.cmp(&b.meta().name));
        all
    }

    /// A root at the object that the user wrote.
    pub(super) fn root(code: Code, at: Ref, text: impl Into<String>, fixes: Vec<Fix>) -> Reason {
        Reason::Root(Root { code, at, text: text.into(), fixes })
    }

    /// Objects that wait for each other.
    pub(super) fn deadlock(&self, of: &Ref, circle: &[Ref], graph: &WaitGraph) -> Root {
        let waits = circle.iter().zip(circle.iter().cycle().skip(1));
        let told = waits.map(|(from, to)| format!("{} waits for {}", name(from), name(to)));
        let text = format!("a circle: {}", told.collect::<Vec<_>>().join(", "));
        let fixes = circle.iter().filter_map(|at| self.out_of_circle(at, circle, graph)).collect();
        let at = match self.store.find(of) {
            Some(object) => self.top(object.meta(), of.kind),
            None => of.clone(),
        };
        Root { code: Code::Deadlock, at, text, fixes }
    }

    /// Has a pod of a circle no longer wait.
    fn out_of_circle(&self, at: &Ref, circle: &[Ref], graph: &WaitGraph) -> Option<Fix> {
        let Some(Object::Pod(pod)) = self.store.find(at) else { return None };
        let waits = graph.waits_for(at);
        waits.iter().find(|(to, _)| to.kind == Kind::Service && circle.contains(to))?;
        let n = pod
            .spec
            .init_containers
            .iter()
            .position(|c| !self.asked_in_vain(pod, &c.name).is_empty())?;
        let source = self.source(pod);
        let text = format!("take the init container {} out", pod.spec.init_containers[n].name);
        let path = source.path(&format!("/initContainers/{n}"));
        Some(Fix {
            text: format!("{text} of {}", name(&source.object)),
            edits: vec![source.edit(vec![Change::remove(path)])],
        })
    }
}

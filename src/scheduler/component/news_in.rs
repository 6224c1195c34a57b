//! What the informers bring: objects become what the scheduler knows, changes become news.
//!
//! Follows `pkg/scheduler/eventhandlers.go`.

use std::sync::Arc;

use super::{Known, Scheduler, serves};
use crate::base::time::SimTime;
use crate::engine::Cx;
use crate::model::{Kind, Labels, Node, Object, Pod, Selector};
use crate::scheduler::news::{Action, Hints, News, Subject, node_changes, pod_changes};
use crate::scheduler::plugins::scheduling_gates;
use crate::scheduler::pod::PodInfo;
use crate::store::Entry;
use crate::trace::{Change, FactId};

impl Scheduler {
    /// Takes all news that has been heard by now.
    pub(super) fn listen(&mut self, cx: &mut Cx<'_>) {
        let (logs, until) = (cx.logs, cx.heard_until());
        for i in 0..self.informers.len() {
            let (kind, informer) = &self.informers[i];
            for entry in logs.kind(*kind).read(informer.position(), until) {
                let old = self.informers[i].1.pass(entry);
                self.take(old.as_ref(), entry, cx);
            }
        }
    }

    fn take(&mut self, old: Option<&Object>, entry: &Entry, cx: &mut Cx<'_>) {
        let gone = entry.change == Change::Deleted;
        let key = || entry.object.key();
        let world = &mut self.cluster.world;
        match &entry.object {
            Object::Pod(pod) => {
                let old = old.and_then(|o| <&Arc<Pod>>::try_from(o).ok());
                self.take_pod(old, (!gone).then_some(pod), entry.fact, cx);
            }
            Object::Node(node) => {
                let old = old.and_then(|o| <&Arc<Node>>::try_from(o).ok());
                self.take_node(old, (!gone).then_some(node), cx.now);
            }
            Object::Namespace(ns) if gone => {
                world.namespaces.remove(&ns.meta.name);
            }
            Object::Namespace(ns) => {
                world.namespaces.insert(ns.meta.name.clone(), ns.meta.labels.clone());
            }
            Object::Service(service) => {
                let selector = service.body.spec.as_ref().and_then(|s| s.selector.as_ref());
                let labels = |s: &std::collections::BTreeMap<String, String>| -> Labels {
                    s.iter().map(|(k, v)| (k.into(), v.into())).collect()
                };
                world.set_service(&key(), selector.filter(|_| !gone).map(labels));
            }
            Object::ReplicationController(rc) => {
                let selector = rc.spec.wire.selector.iter().flatten();
                let selector = (!gone).then(|| Selector::from_labels(selector));
                world.set_owner(Kind::ReplicationController, key(), selector);
            }
            Object::ReplicaSet(rs) => {
                let selector = (!gone).then(|| rs.spec.selector.clone());
                world.set_owner(Kind::ReplicaSet, key(), selector);
            }
            Object::StatefulSet(ss) => {
                let selector = (!gone).then(|| ss.spec.selector.clone());
                world.set_owner(Kind::StatefulSet, key(), selector);
            }
            _ => {}
        }
    }

    fn take_node(&mut self, old: Option<&Arc<Node>>, new: Option<&Arc<Node>>, now: SimTime) {
        match (old, new) {
            (None, Some(new)) => {
                self.cluster.snapshot.set_node(new.clone());
                self.hear(&News::node_added(new.clone()), now);
            }
            (Some(old), Some(new)) => {
                self.cluster.snapshot.set_node(new.clone());
                for action in node_changes(old, new) {
                    let subject = Subject::Node(Some(old.clone()), Some(new.clone()));
                    self.hear(&News { action, subject }, now);
                }
            }
            (Some(old), None) => {
                self.hear(&News::node_gone(old.clone()), now);
                self.cluster.snapshot.remove_node(&old.meta.name);
            }
            (None, None) => {}
        }
    }

    /// A pod has changed. Pods that have ended do not count: their end is as good as their deletion.
    fn take_pod(
        &mut self,
        old: Option<&Arc<Pod>>,
        new: Option<&Arc<Pod>>,
        fact: FactId,
        cx: &mut Cx<'_>,
    ) {
        let counts = |p: &&Arc<Pod>| !p.is_terminal();
        let (old, new) = (old.filter(counts), new.filter(counts));
        match (old, new) {
            (None, Some(new)) => {
                let info = self.info(new);
                if new.node.is_some() {
                    self.placed(info, cx.now);
                } else if serves(&self.config, &info).is_some() {
                    self.came(info, fact, cx);
                }
            }
            (Some(old), Some(new)) => self.changed(old, new, fact, cx),
            (Some(old), None) if old.node.is_some() => {
                self.assumed.remove(&old.meta.uid);
                let (snapshot, index) = (&mut self.cluster.snapshot, &mut self.cluster.index);
                if let Some(pod) = snapshot.remove_pod(old.meta.uid, index) {
                    self.hear(&News::pod_gone(pod), cx.now);
                }
            }
            (Some(old), None) => self.gave_up(old, cx.now),
            (None, None) => {}
        }
    }

    fn info(&mut self, pod: &Arc<Pod>) -> Arc<PodInfo> {
        Arc::new(PodInfo::new(pod.clone(), self.templates.get(&pod.spec)))
    }

    /// A pod without a node has come.
    fn came(&mut self, info: Arc<PodInfo>, fact: FactId, cx: &mut Cx<'_>) {
        let uid = info.uid();
        let known = Known { info: info.clone(), waits_for: crate::base::Str::default() };
        self.waiting.insert(uid, known);
        self.cluster.index.know_topologies(&info.template);
        let gated = !info.template.gates.is_empty();
        let gates = scheduling_gates::reason(&info);
        self.queue.add(info, cx.now, fact, &mut self.cluster.nominator);
        if gated {
            self.say_waiting(uid, gates.into(), fact, cx);
        }
    }

    /// A pod is on a node, whoever put it there.
    fn placed(&mut self, info: Arc<PodInfo>, now: SimTime) {
        let Some(node) = info.pod.node.clone() else { return };
        self.assumed.remove(&info.uid());
        self.cluster.snapshot.set_pod(&node, info.clone(), &mut self.cluster.index);
        self.hear(&News::pod_placed(info), now);
    }

    fn changed(&mut self, old: &Arc<Pod>, new: &Arc<Pod>, fact: FactId, cx: &mut Cx<'_>) {
        let uid = new.meta.uid;
        if old.node.is_some() {
            let Some(before) = self.cluster.snapshot.pod(uid).cloned() else { return };
            let info = if Arc::ptr_eq(&old.spec, &new.spec) {
                Arc::new(PodInfo::new(new.clone(), before.template.clone()))
            } else {
                self.info(new)
            };
            let Some(node) = info.pod.node.clone() else { return };
            self.cluster.snapshot.set_pod(&node, info.clone(), &mut self.cluster.index);
            for action in pod_changes(&before, &info) {
                if action != Action::UPDATE {
                    let subject = Subject::AssignedPod(Some(before.clone()), Some(info.clone()));
                    self.hear(&News { action, subject }, cx.now);
                }
            }
            return;
        }
        let info = self.info(new);
        if new.node.is_some() {
            self.placed(info, cx.now);
            self.waiting.remove(&uid);
            self.queue.delete(uid, &mut self.cluster.nominator);
            return;
        }
        if serves(&self.config, &info).is_some() {
            self.waiting_changed(info, fact, cx);
        }
    }

    /// A pod without a node has changed (`updatePodInSchedulingQueue`).
    fn waiting_changed(&mut self, info: Arc<PodInfo>, fact: FactId, cx: &mut Cx<'_>) {
        let uid = info.uid();
        let Some(known) = self.waiting.get_mut(&uid) else { return };
        let old = std::mem::replace(&mut known.info, info.clone());
        if self.assumed.contains_key(&uid) {
            if info.is_terminating() && !old.is_terminating() {
                self.forget(uid, cx.now);
            }
            return;
        }
        let Some(profile) = self.config.profiles.first() else { return };
        let hints = Hints { world: &self.cluster.world, args: &profile.args };
        let nominator = &mut self.cluster.nominator;
        self.queue.update(&old, info.clone(), cx.now, fact, &hints, nominator);
        if !old.nominated().is_empty() && old.nominated() != info.nominated() {
            self.hear_below(&old, cx.now);
        }
    }

    /// A pod without a node is gone (`deletePodFromSchedulingQueue`).
    fn gave_up(&mut self, old: &Arc<Pod>, now: SimTime) {
        let uid = old.meta.uid;
        let Some(known) = self.waiting.remove(&uid) else { return };
        self.queue.delete(uid, &mut self.cluster.nominator);
        if self.assumed.contains_key(&uid) {
            self.forget(uid, now);
        } else if !known.info.nominated().is_empty() {
            self.hear_below(&known.info, now);
        }
    }

    /// Room that was set aside for a pod is free: good for pods of at most its priority.
    fn hear_below(&mut self, pod: &Arc<PodInfo>, now: SimTime) {
        let Some(profile) = self.config.profiles.first() else { return };
        let hints = Hints { world: &self.cluster.world, args: &profile.args };
        let priority = pod.priority();
        let news = News::pod_gone(pod.clone());
        self.queue.hear(&news, now, &hints, |p| p.priority() <= priority);
    }
}

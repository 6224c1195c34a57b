//! What the informers bring, handed to the feed.

use std::sync::Arc;

use super::Scheduler;
use crate::engine::Cx;
use crate::model::{Object, Pod};
use crate::scheduler::plugins::scheduling_gates;
use crate::scheduler::pod::PodInfo;
use crate::store::Entry;
use crate::trace::{Change, FactId};

impl Scheduler {
    /// Takes all news that has been heard by now.
    pub(super) fn listen(&mut self, cx: &mut Cx<'_>) {
        let (logs, until) = (cx.logs, cx.heard_until());
        for i in 0..self.cursors.len() {
            let (kind, position) = self.cursors[i];
            for entry in logs.kind(kind).read(position, until) {
                self.cursors[i].1 += 1;
                self.take(entry, cx);
            }
        }
    }

    fn take(&mut self, entry: &Entry, cx: &mut Cx<'_>) {
        let gone = entry.change == Change::Deleted;
        match &entry.object {
            Object::Pod(pod) => {
                self.take_pod(pod, gone || pod.is_terminal(), entry.fact, cx);
                return;
            }
            Object::PersistentVolumeClaim(_) | Object::PersistentVolume(_) => {
                self.storage_news(cx.now);
            }
            _ => {}
        }
        self.feed.set_object(&entry.object, gone, cx.now);
    }

    /// A pod that asks for a scheduler that is not there stays as it is; nobody in the cluster says so.
    fn say_unserved(&mut self, pod: &PodInfo, fact: FactId, cx: &mut Cx<'_>) {
        let names: Vec<&str> =
            self.feed.config.profiles.iter().map(|p| p.scheduler_name.as_str()).collect();
        let asked = &pod.template.scheduler_name;
        let on = format!("no scheduler is called {asked}; there is {}", names.join(", "));
        self.tell_waiting(pod, on.into(), fact, cx);
    }

    fn take_pod(&mut self, pod: &Arc<Pod>, gone: bool, fact: FactId, cx: &mut Cx<'_>) {
        let uid = pod.meta.uid;
        if gone || pod.meta.is_terminating() {
            self.victim_goes(uid);
        }
        if gone {
            self.feed.remove_pod(uid, cx.now);
            self.said.remove(&uid);
            return;
        }
        let known = self.feed.waiting(uid).or_else(|| self.feed.cluster.snapshot.pod(uid));
        let info = match known {
            Some(old) if Arc::ptr_eq(&old.pod.spec, &pod.spec) => {
                Arc::new(PodInfo::new(pod.clone(), old.template.clone()))
            }
            _ => self.feed.info(pod),
        };
        let gates = !info.template.gates.is_empty();
        let waits = self.feed.set_pod(info.clone(), fact, cx.now);
        if info.pod.node.is_none() && self.feed.profile(&info).is_none() {
            self.say_unserved(&info, fact, cx);
        } else if !waits {
            self.said.remove(&uid);
        } else if gates {
            self.say_waiting(&info, scheduling_gates::reason(&info).into(), fact, cx);
        }
    }
}

//! What rollouts take away: a Deployment's and a DaemonSet's own doing leaves as many pods available as
//! they promise. What nodes, taints and people take is not theirs.

use std::collections::BTreeMap;

use super::recent::Recent;
use super::{Found, LAG, Seen};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::scaled::scaled;
use crate::model::{DaemonSet, Deployment, Kind, Node, Object, Pod, ReplicaSet, Uid, conditions};
use crate::trace::Change;

/// Notes on a ReplicaSet how many replicas its Deployment wanted when it was last scaled.
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rolling {
    deployments: BTreeMap<Uid, Promise>,
    sets: BTreeMap<Uid, Share>,
    daemons: BTreeMap<Uid, Daemon>,
    nodes: BTreeMap<Str, Site>,
}

/// What a Deployment promises.
#[derive(Debug, Default)]
struct Promise {
    replicas: i32,
    /// When one of its ReplicaSets was last scaled with it.
    scaled: SimTime,
    /// How many pods are to stay available; `None` where all are replaced at once.
    available: Option<Recent>,
}

/// A ReplicaSet of a Deployment.
#[derive(Debug, Default)]
struct Share {
    owner: Uid,
    wanted: Recent,
    available: Recent,
}

/// A DaemonSet: what it promises, and its pods with the time since which they are not ready.
#[derive(Debug, Default)]
struct Daemon {
    rolls: bool,
    surges: bool,
    unavailable: i32,
    pods: BTreeMap<Uid, (Str, Option<SimTime>)>,
}

/// A node: since when it is as it is, and whether every daemon pod runs there.
#[derive(Debug)]
struct Site {
    since: SimTime,
    open: bool,
}

impl Rolling {
    pub(super) fn see(&mut self, seen: Seen<'_>, found: &mut Found) {
        let gone = seen.change == Change::Deleted || seen.new.meta().is_terminating();
        match seen.new {
            Object::Deployment(d) if gone => drop(self.deployments.remove(&d.meta.uid)),
            Object::Deployment(d) => self.deployment(seen, d),
            Object::ReplicaSet(r) if seen.change == Change::Deleted => {
                self.sets.remove(&r.meta.uid);
            }
            Object::ReplicaSet(r) => self.replica_set(seen, r, found),
            Object::DaemonSet(d) if gone => drop(self.daemons.remove(&d.meta.uid)),
            Object::DaemonSet(d) => self.daemon_set(d),
            Object::Node(n) if seen.change == Change::Deleted => {
                self.nodes.remove(&n.meta.name);
            }
            Object::Node(n) => self.node(seen, n),
            Object::Pod(pod) => self.pod(seen, pod, found),
            _ => {}
        }
    }

    fn deployment(&mut self, seen: Seen<'_>, deployment: &Deployment) {
        let known = self.deployments.entry(deployment.meta.uid).or_default();
        known.replicas = deployment.spec.wire.replicas.unwrap_or(1);
        match least(deployment) {
            None => known.available = None,
            Some(least) => known.available.get_or_insert_default().set(least, seen.at),
        }
    }

    /// A ReplicaSet that its Deployment makes smaller.
    fn replica_set(&mut self, seen: Seen<'_>, set: &ReplicaSet, found: &mut Found) {
        let owner = set.meta.controller_of_kind(Kind::Deployment).map(|o| o.uid);
        let share = self.sets.entry(set.meta.uid).or_default();
        let before = share.wanted.most(SimTime::MAX);
        let now = set.spec.wire.replicas.unwrap_or(1);
        share.owner = owner.unwrap_or_default();
        share.wanted.set(now, seen.at);
        share.available.set(set.status.available_replicas.unwrap_or(0), seen.at);
        // What it surely has available and loses.
        let here = share.available.least(seen.at);
        let lost = here.min(before) - here.min(now);
        let Some(promise) = owner.and_then(|o| self.deployments.get_mut(&o)) else { return };
        let Some(least) = promise.available.map(|a| a.least(seen.at)) else { return };
        // While it is scaled, every ReplicaSet shrinks in proportion, ready or not (`scale`).
        let scaled_for = |o: &Object| o.meta().annotations.get(DESIRED).map(|n| n.to_string());
        let scales = seen.old.and_then(scaled_for) != Some(promise.replicas.to_string());
        let settled = promise.scaled + LAG < seen.at;
        if seen.old.is_some() && seen.old.and_then(scaled_for) != scaled_for(seen.new) {
            promise.scaled = seen.at;
        }
        if lost <= 0 || scales || !settled || seen.by_step {
            return;
        }
        // What the others have available it may have heard of late.
        let (at, uid) = (seen.at, set.meta.uid);
        let others = self.sets.iter().filter(|(o, s)| Some(s.owner) == owner && **o != uid);
        let others = others.map(|(_, s)| s.available.most(at).min(s.wanted.most(at)));
        let left = others.sum::<i32>() + self.sets[&uid].available.most(at).min(now);
        if left < least {
            let invariant = "a rollout leaves as many pods available as its Deployment promises";
            found.say(seen.at, seen.new, invariant, format!("{left} of {least}"));
        }
    }

    fn daemon_set(&mut self, set: &DaemonSet) {
        let known = self.daemons.entry(set.meta.uid).or_default();
        let strategy = set.spec.wire.update_strategy.as_ref();
        known.rolls = strategy.and_then(|s| s.type_.as_deref()) != Some("OnDelete");
        let rolling = strategy.and_then(|s| s.rolling_update.as_ref());
        let nodes = i32::try_from(self.nodes.len()).unwrap_or(i32::MAX);
        let amount = |v: Option<&crate::model::wire::IntOrString>| {
            v.and_then(|v| scaled(v, nodes, true).ok()).unwrap_or(0)
        };
        known.surges = amount(rolling.and_then(|r| r.max_surge.as_ref())) > 0;
        known.unavailable = amount(rolling.and_then(|r| r.max_unavailable.as_ref()));
    }

    fn node(&mut self, seen: Seen<'_>, node: &Node) {
        let cordon = "node.kubernetes.io/unschedulable";
        let open = node.is_ready() && node.taints.iter().all(|t| t.key == cordon);
        let site = self.nodes.entry(node.meta.name.clone());
        let site = site.or_insert(Site { since: seen.at, open: !open });
        if site.open != open {
            *site = Site { since: seen.at, open };
        }
    }

    /// A pod of a DaemonSet that its controller takes away.
    fn pod(&mut self, seen: Seen<'_>, pod: &Pod, found: &mut Found) {
        let Some(owner) = pod.meta.controller_of_kind(Kind::DaemonSet) else { return };
        let Some(daemon) = self.daemons.get_mut(&owner.uid) else { return };
        let Some(node) = pod.node.as_ref().filter(|n| self.nodes.contains_key(*n)) else { return };
        let was = daemon.pods.get(&pod.meta.uid).cloned();
        let serves = pod.is_ready() && pod.is_active() && seen.change != Change::Deleted;
        if serves {
            daemon.pods.insert(pod.meta.uid, (node.clone(), None));
        } else if let Some((_, lost)) = daemon.pods.get_mut(&pod.meta.uid) {
            lost.get_or_insert(seen.at);
        }
        let dropped = matches!(was, Some((_, None))) && pod.meta.is_terminating();
        let disturbed = pod.status.is_true(conditions::DISRUPTION_TARGET);
        let settled = self.nodes.values().all(|s| s.open && s.since + LAG < seen.at);
        if !dropped || seen.by_step || disturbed || !settled || !daemon.rolls {
            return;
        }
        let serving = |at: &Str| {
            let mut pods =
                daemon.pods.iter().filter(|(uid, (n, _))| n == at && **uid != pod.meta.uid);
            pods.any(|(_, (_, lost))| lost.is_none_or(|lost| seen.at < lost + LAG))
        };
        if daemon.surges {
            if !serving(node) {
                let invariant =
                    "a DaemonSet that surges first has a new pod and then lets the old one go";
                found.say(seen.at, seen.new, invariant, node.to_string());
            }
            return;
        }
        let without = self.nodes.keys().filter(|n| !serving(n)).count();
        if i32::try_from(without).is_ok_and(|n| n > daemon.unavailable) {
            let invariant = "a rollout leaves as many pods available as its DaemonSet promises";
            let text = format!("{without} of {} nodes are without", self.nodes.len());
            found.say(seen.at, seen.new, invariant, text);
        }
    }
}

/// How many pods a Deployment's rollout leaves available; `None` where it does not roll.
fn least(deployment: &Deployment) -> Option<i32> {
    let wire = &deployment.spec.wire;
    let wanted = wire.replicas.unwrap_or(1);
    let rolling = wire.strategy.as_ref().and_then(|s| s.rolling_update.as_ref())?;
    let amount = |value: Option<&crate::model::wire::IntOrString>, up| {
        value.and_then(|v| scaled(v, wanted, up).ok()).unwrap_or(0)
    };
    let unavailable = amount(rolling.max_unavailable.as_ref(), false);
    let surge = amount(rolling.max_surge.as_ref(), true);
    // Where both come to nothing one pod may be missing (`ResolveFenceposts`).
    let unavailable = if unavailable == 0 && surge == 0 { 1 } else { unavailable };
    Some(wanted - unavailable.min(wanted))
}

//! The pods that wait: ready, backing off, or unschedulable until something changes.
//!
//! Follows `pkg/scheduler/backend/queue` with the feature gates of v1.36: SchedulerQueueingHints and
//! SchedulerPopFromBackoffQ on. Knows the time only as it is told. One pod at a time is in flight: taken
//! out for a cycle, not yet back. News that comes meanwhile is kept for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::news::{Action, Hints, Interest, News, Resource, Subject};
use super::nominator::Nominator;
use super::plugins::{PluginId, PluginSet};
use super::pod::PodInfo;
use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::base::{Map, Set, Str};
use crate::model::Uid;
use crate::trace::FactId;

/// How long a pod stays unschedulable before it is tried again without news
/// (`DefaultPodMaxInUnschedulablePodsDuration`).
pub const UNSCHEDULABLE_MAX: Duration = Duration::from_secs(5 * 60);
/// How often it is looked for such pods.
pub const FLUSH_PERIOD: Duration = Duration::from_secs(30);

/// A pod that waits.
#[derive(Clone, Debug)]
pub struct Queued {
    /// The pod.
    pub info: Arc<PodInfo>,
    /// Since when, renewed after each failed try.
    pub since: SimTime,
    /// How often it was tried.
    pub attempts: u32,
    /// How often it did not fit.
    pub unschedulable_count: u32,
    /// How often in a row a try failed for other reasons.
    pub error_count: u32,
    /// Plugins that refused it.
    pub rejected_by: PluginSet,
    /// The plugin that keeps it from being tried.
    pub gated_by: Option<PluginId>,
    /// The fact that brought it here.
    pub cause: FactId,
    place: Place,
    seq: u64,
    backoff_until: Option<SimTime>,
}

/// Where a pod waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// It is tried as soon as its turn comes.
    Active,
    /// It is tried when its back-off is over, or when no other is active.
    Backoff,
    /// It is tried when something changes.
    Unschedulable,
    /// A cycle works on it.
    InFlight,
}

/// The queue.
#[derive(Clone, Debug)]
pub struct Queue {
    pods: Map<Uid, Queued>,
    active: BTreeSet<(Reverse<i32>, SimTime, u64, Uid)>,
    backoff: BTreeSet<(SimTime, Reverse<i32>, SimTime, u64, Uid)>,
    error_backoff: BTreeSet<(SimTime, u64, Uid)>,
    /// The unschedulable pods by what refused and what holds them: news concerns whole groups.
    groups: BTreeMap<Group, BTreeSet<Uid>>,
    /// Pods held back come last.
    unschedulable: BTreeSet<(bool, SimTime, u64, Uid)>,
    in_flight: Option<(Uid, Vec<News>)>,
    preempting: Set<Uid>,
    delays: Backoff,
    gates: Vec<(Str, Vec<PluginId>)>,
    interests: Vec<Interest>,
    next_seq: u64,
}

impl Queue {
    /// An empty queue. `gates` are the plugins of PreEnqueue by scheduler name, `plugins` all that may
    /// refuse a pod.
    pub fn new(
        delays: Backoff,
        gates: Vec<(Str, Vec<PluginId>)>,
        plugins: impl Iterator<Item = PluginId>,
    ) -> Self {
        Self {
            pods: Map::default(),
            active: BTreeSet::new(),
            backoff: BTreeSet::new(),
            error_backoff: BTreeSet::new(),
            groups: BTreeMap::new(),
            unschedulable: BTreeSet::new(),
            in_flight: None,
            preempting: Set::default(),
            delays,
            gates,
            interests: plugins.flat_map(|p| p.plugin().interests()).copied().collect(),
            next_seq: 0,
        }
    }

    /// A new pod. Answers whether it may be tried.
    pub fn add(
        &mut self,
        info: Arc<PodInfo>,
        now: SimTime,
        cause: FactId,
        nominator: &mut Nominator,
    ) -> bool {
        self.next_seq += 1;
        let queued = Queued {
            info: info.clone(),
            since: now,
            attempts: 0,
            unschedulable_count: 0,
            error_count: 0,
            rejected_by: PluginSet::default(),
            gated_by: None,
            cause,
            place: Place::Unschedulable,
            seq: self.next_seq,
            backoff_until: None,
        };
        let added = self.to_active(queued, false);
        if added {
            nominator.nominate(&info, None);
        }
        added
    }

    /// A waiting pod has changed. A pod that is not known is added.
    pub fn update(
        &mut self,
        old: &Arc<PodInfo>,
        new: Arc<PodInfo>,
        now: SimTime,
        cause: FactId,
        hints: &Hints<'_>,
        nominator: &mut Nominator,
    ) {
        let changes = super::news::pod_changes(old, &new);
        let news = changes.into_iter().map(|action| News {
            action,
            subject: Subject::WaitingPod(Some(old.clone()), Some(new.clone())),
        });
        let Some(queued) = self.pods.get_mut(&new.uid()) else {
            self.add(new, now, cause, nominator);
            return;
        };
        match queued.place {
            Place::InFlight => {
                if let Some((_, seen)) = &mut self.in_flight {
                    seen.extend(news);
                }
            }
            Place::Active | Place::Backoff => {
                let mut queued = self.take(new.uid()).expect("it was found above");
                queued.info = new.clone();
                nominator.update(old, &new);
                let place = queued.place;
                self.put(queued, place);
            }
            Place::Unschedulable => {
                queued.info = new.clone();
                nominator.update(old, &new);
                for n in news {
                    let queued = self.pods.get(&new.uid()).expect("nothing removes it here");
                    let worth = is_worth(queued, &n, hints);
                    self.requeue_waiting(new.uid(), worth, now);
                    if self.place(new.uid()) != Some(Place::Unschedulable) {
                        return;
                    }
                }
            }
        }
    }

    /// A pod is gone, or is bound.
    pub fn delete(&mut self, uid: Uid, nominator: &mut Nominator) {
        nominator.withdraw(uid);
        if self.place(uid) != Some(Place::InFlight) {
            self.take(uid);
        }
    }

    /// Takes the next pod for a cycle. When none is active, one that backs off is taken.
    pub fn pop(&mut self) -> Option<Queued> {
        let uid = match self.active.first() {
            Some((.., uid)) => *uid,
            None => self.backoff.first()?.4,
        };
        self.take_for_cycle(uid)
    }

    /// Takes a certain pod for a cycle, wherever it waits (`PopSpecificPod`). A pod that is held back
    /// is not taken.
    pub fn pop_this(&mut self, uid: Uid) -> Option<Queued> {
        match self.place(uid)? {
            Place::Active | Place::Backoff => self.take_for_cycle(uid),
            Place::Unschedulable => {
                let queued = self.take(uid)?;
                if self.to_active(queued, false) { self.take_for_cycle(uid) } else { None }
            }
            Place::InFlight => None,
        }
    }

    /// The pod of the cycle does not come back.
    pub fn done(&mut self, uid: Uid) {
        if self.in_flight.as_ref().is_some_and(|(u, _)| *u == uid) {
            self.in_flight = None;
            self.pods.remove(&uid);
        }
    }

    /// The pod of the cycle comes back: it did not fit (`AddUnschedulableIfNotPresent`). Without
    /// plugins to blame, something failed.
    pub fn put_back(&mut self, mut queued: Queued, now: SimTime, hints: &Hints<'_>) {
        let uid = queued.info.uid();
        let seen = match self.in_flight.take_if(|(u, _)| *u == uid) {
            Some((_, seen)) => seen,
            None => Vec::new(),
        };
        self.pods.remove(&uid);
        if queued.rejected_by.is_empty() {
            queued.error_count += 1;
        } else {
            queued.unschedulable_count += 1;
            queued.error_count = 0;
        }
        queued.since = now;
        queued.backoff_until = None;
        let retry =
            queued.rejected_by.is_empty() || seen.iter().any(|n| is_worth(&queued, n, hints));
        self.requeue(queued, retry, now);
    }

    /// Something has changed: pods that it may help are moved. `only` leaves out others.
    pub fn hear(
        &mut self,
        news: &News,
        now: SimTime,
        hints: &Hints<'_>,
        only: impl Fn(&PodInfo) -> bool,
    ) {
        let anything = matches!(news.subject, Subject::Anything(_));
        if !anything && !self.interests.iter().any(|i| news.concerns(*i)) {
            return;
        }
        let concerned = |(group, pods)| concerns_group(group, news).then_some(pods);
        let waiting: Vec<Uid> =
            self.groups.iter().filter_map(concerned).flatten().copied().collect();
        for uid in waiting {
            let Some(queued) = self.pods.get(&uid) else { continue };
            if only(&queued.info) && !is_held(queued, news) && is_worth(queued, news, hints) {
                self.requeue_waiting(uid, true, now);
            }
        }
        if let Some((_, seen)) = &mut self.in_flight {
            seen.push(news.clone());
        }
    }

    /// A pod's preemption is under way: it is held back until [`Queue::preempted`].
    pub fn preempting(&mut self, uid: Uid) {
        self.preempting.insert(uid);
    }

    /// Whether a pod's preemption is under way.
    pub fn is_preempting(&self, uid: Uid) -> bool {
        self.preempting.contains(&uid)
    }

    /// A pod's preemption is done.
    pub fn preempted(&mut self, uid: Uid) {
        self.preempting.remove(&uid);
    }

    /// Moves a pod that waits to the active ones, whatever refused it (`Activate`).
    pub fn activate(&mut self, uid: Uid) {
        match self.place(uid) {
            Some(place @ (Place::Unschedulable | Place::Backoff)) => {
                if let Some(queued) = self.take(uid) {
                    self.to_active(queued, place == Place::Backoff);
                }
            }
            Some(Place::InFlight) => {
                if let Some((_, seen)) = &mut self.in_flight {
                    let subject = Subject::Anything(Some(uid));
                    seen.push(News { action: Action(u32::MAX), subject });
                }
            }
            Some(Place::Active) | None => {}
        }
    }

    /// Makes pods active whose back-off is over, and looks for such that have waited too long.
    /// `started` is when the scheduler did, which sets the beat of the latter.
    pub fn flush(&mut self, now: SimTime, hints: &Hints<'_>) {
        let window = now.trunc_secs();
        while let Some((until, .., uid)) = self.backoff.first().copied()
            && until < window
        {
            self.finish_backoff(uid);
        }
        while let Some((until, _, uid)) = self.error_backoff.first().copied()
            && until < window
        {
            self.finish_backoff(uid);
        }
        let stale: Vec<Uid> = self
            .unschedulable
            .iter()
            .take_while(|(held, since, ..)| !held && now.since(*since) > UNSCHEDULABLE_MAX)
            .map(|k| k.3)
            .collect();
        let news = News::timeout();
        for uid in stale {
            let Some(queued) = self.pods.get(&uid) else { continue };
            if !is_held(queued, &news) && is_worth(queued, &news, hints) {
                self.requeue_waiting(uid, true, now);
            }
        }
    }

    /// When [`Queue::flush`] could next change something; `started` is when the scheduler did.
    pub fn next_flush(&self, started: SimTime) -> Option<SimTime> {
        let second = Duration::from_secs(1);
        let errors = self.error_backoff.first().map(|(until, ..)| *until + second);
        // Pods that back off are taken at once when none is active, but while others are, they join
        // them when their time has come.
        let backoff = self.backoff.first().map(|(until, ..)| *until + second);
        let oldest = self.unschedulable.first().filter(|(held, ..)| !held);
        let stale = oldest.map(|k| next_beat(started, k.1 + UNSCHEDULABLE_MAX));
        [errors, backoff, stale].into_iter().flatten().min()
    }

    /// Where a pod waits.
    pub fn place(&self, uid: Uid) -> Option<Place> {
        self.pods.get(&uid).map(|q| q.place)
    }

    /// A pod that waits.
    pub fn get(&self, uid: Uid) -> Option<&Queued> {
        self.pods.get(&uid)
    }

    /// Whether [`Queue::pop`] would give a pod.
    pub fn has_ready(&self) -> bool {
        !self.active.is_empty() || !self.backoff.is_empty()
    }

    /// The pods of one place, in its order.
    pub fn list(&self, place: Place) -> Vec<&Queued> {
        let of = |uid: &Uid| self.pods.get(uid);
        match place {
            Place::Active => self.active.iter().filter_map(|k| of(&k.3)).collect(),
            Place::Backoff => {
                let errors = self.error_backoff.iter().filter_map(|k| of(&k.2));
                self.backoff.iter().filter_map(|k| of(&k.4)).chain(errors).collect()
            }
            Place::Unschedulable => self.unschedulable.iter().filter_map(|k| of(&k.3)).collect(),
            Place::InFlight => self.in_flight.iter().filter_map(|(uid, _)| of(uid)).collect(),
        }
    }

    fn take_for_cycle(&mut self, uid: Uid) -> Option<Queued> {
        let mut queued = self.take(uid)?;
        queued.attempts += 1;
        queued.backoff_until = None;
        self.in_flight = Some((uid, Vec::new()));
        self.pods.insert(uid, Queued { place: Place::InFlight, ..queued.clone() });
        Some(queued)
    }

    /// Takes a pod out of wherever it waits.
    fn take(&mut self, uid: Uid) -> Option<Queued> {
        let queued = self.pods.remove(&uid)?;
        let priority = Reverse(queued.info.priority());
        match queued.place {
            Place::Active => {
                self.active.remove(&(priority, queued.since, queued.seq, uid));
            }
            Place::Backoff => {
                let until = queued.backoff_until.unwrap_or_default();
                self.backoff.remove(&(until, priority, queued.since, queued.seq, uid));
                self.error_backoff.remove(&(until, queued.seq, uid));
            }
            Place::Unschedulable => {
                let held = queued.gated_by.is_some();
                self.unschedulable.remove(&(held, queued.since, queued.seq, uid));
                let group = group_of(&queued);
                if let Some(pods) = self.groups.get_mut(&group) {
                    pods.remove(&uid);
                    if pods.is_empty() {
                        self.groups.remove(&group);
                    }
                }
            }
            Place::InFlight => {}
        }
        Some(queued)
    }

    fn put(&mut self, mut queued: Queued, place: Place) {
        let uid = queued.info.uid();
        let priority = Reverse(queued.info.priority());
        queued.place = place;
        match place {
            Place::Active => {
                self.active.insert((priority, queued.since, queued.seq, uid));
            }
            Place::Backoff => {
                let until = self.backoff_end(&mut queued).unwrap_or_default();
                queued.backoff_until = Some(until);
                if queued.rejected_by.is_empty() {
                    self.error_backoff.insert((until, queued.seq, uid));
                } else {
                    self.backoff.insert((until, priority, queued.since, queued.seq, uid));
                }
            }
            Place::Unschedulable => {
                let held = queued.gated_by.is_some();
                self.unschedulable.insert((held, queued.since, queued.seq, uid));
                self.groups.entry(group_of(&queued)).or_default().insert(uid);
            }
            Place::InFlight => {}
        }
        self.pods.insert(uid, queued);
    }

    /// Runs PreEnqueue. A pod that is held back joins the unschedulable ones; answers whether it is not.
    fn passes_gates(&self, queued: &mut Queued) -> bool {
        let holds = |plugin: PluginId| match plugin {
            PluginId::SchedulingGates => !queued.info.template.gates.is_empty(),
            PluginId::DefaultPreemption => self.preempting.contains(&queued.info.uid()),
            _ => false,
        };
        let serves =
            |(name, _): &&(Str, Vec<PluginId>)| *name == queued.info.template.scheduler_name;
        let gates = self.gates.iter().find(serves).map(|(_, gates)| &gates[..]).unwrap_or_default();
        queued.gated_by = gates.iter().copied().find(|p| holds(*p));
        if let Some(plugin) = queued.gated_by {
            queued.rejected_by.insert(plugin);
        }
        queued.gated_by.is_none()
    }

    fn to_active(&mut self, mut queued: Queued, from_backoff: bool) -> bool {
        let passes = from_backoff || self.passes_gates(&mut queued);
        self.put(queued, if passes { Place::Active } else { Place::Unschedulable });
        passes
    }

    fn requeue(&mut self, mut queued: Queued, retry: bool, now: SimTime) {
        if !retry {
            self.put(queued, Place::Unschedulable);
        } else if self.is_backing_off(&mut queued, now) {
            let passes = self.passes_gates(&mut queued);
            self.put(queued, if passes { Place::Backoff } else { Place::Unschedulable });
        } else {
            self.to_active(queued, false);
        }
    }

    fn requeue_waiting(&mut self, uid: Uid, retry: bool, now: SimTime) {
        if let Some(queued) = self.take(uid) {
            self.requeue(queued, retry, now);
        }
    }

    fn finish_backoff(&mut self, uid: Uid) {
        if let Some(queued) = self.take(uid) {
            self.to_active(queued, true);
        }
    }

    fn is_backing_off(&self, queued: &mut Queued, now: SimTime) -> bool {
        self.backoff_end(queued).is_some_and(|until| until >= now.trunc_secs())
    }

    /// When a pod's back-off ends, cut to a whole second; `None` before its first try.
    fn backoff_end(&self, queued: &mut Queued) -> Option<SimTime> {
        let errors = queued.error_count;
        let count = if errors > 0 { errors } else { queued.unschedulable_count };
        if count == 0 || self.delays.limit.is_zero() {
            return None;
        }
        let end = (queued.since + self.delays.delay(count)).trunc_secs();
        Some(*queued.backoff_until.get_or_insert(end))
    }
}

/// The first beat after `at`.
fn next_beat(started: SimTime, at: SimTime) -> SimTime {
    let passed = at.since(started).as_nanos() / FLUSH_PERIOD.as_nanos();
    let beats = u32::try_from(passed + 1).unwrap_or(u32::MAX);
    started + FLUSH_PERIOD * beats
}

/// What refused a pod, and what holds it back.
type Group = (PluginSet, Option<PluginId>);

fn group_of(queued: &Queued) -> Group {
    (queued.rejected_by, queued.gated_by)
}

/// Whether news may move any pod of a group. What it says no to, [`is_held`] and [`is_worth`] do too.
fn concerns_group((refused_by, gate): &Group, news: &News) -> bool {
    let hears = |p: PluginId| p.plugin().interests().iter().any(|i| news.concerns(*i));
    let taints = |p: PluginId| hears_of_taints(p.plugin().interests(), news);
    gate.is_none_or(hears)
        && (refused_by.is_empty()
            || matches!(news.subject, Subject::Anything(_))
            || refused_by.iter().any(|p| hears(p) || taints(p)))
}

/// Whether a pod is held back by a plugin that does not care for such news.
fn is_held(queued: &Queued, news: &News) -> bool {
    let Some(plugin) = queued.gated_by else { return false };
    !plugin.plugin().interests().iter().any(|i| news.concerns(*i))
}

/// Whether news is worth another try of a pod (`isPodWorthRequeuing`).
fn is_worth(queued: &Queued, news: &News, hints: &Hints<'_>) -> bool {
    if queued.rejected_by.is_empty() {
        return true;
    }
    if let Subject::Anything(target) = &news.subject {
        return target.is_none_or(|uid| uid == queued.info.uid());
    }
    queued.rejected_by.iter().any(|p| {
        let interests = p.plugin().interests();
        hears_of_taints(interests, news)
            || interests.iter().any(|i| news.concerns(*i))
                && p.plugin().hint(hints, &queued.info, news)
    })
}

/// A plugin that registers for new nodes and not for their taints is taken to be helped by any change
/// of taints: a node may be cordoned when it comes (`pkg/scheduler/scheduler.go`,
/// `buildQueueingHintMap`).
fn hears_of_taints(interests: &[Interest], news: &News) -> bool {
    let registers =
        |action: Action| interests.iter().any(|(r, a)| *r == Resource::Node && a.0 & action.0 != 0);
    news.action == Action::NODE_TAINT
        && news.concerns((Resource::Node, Action::NODE_TAINT))
        && registers(Action::ADD)
        && !registers(Action::NODE_TAINT)
}

//! The recorder of API events: what is the same is counted, not repeated.
//!
//! Follows `k8s.io/client-go/tools/record/events_cache.go` for all components (identical events raise a
//! count; more than ten of one kind within ten minutes are combined; a source may write 25 events about
//! an object at once and one more every five minutes), and
//! `k8s.io/client-go/tools/events/event_recorder.go` for the scheduler, whose repeated events become a
//! series that is written once at its second event.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use crate::base::digest::Digest;
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::model::Uid;
use crate::trace::{EventRecord, FactId, FactKind, Facts};

/// Similar events before they are combined (`defaultAggregateMaxEvents`).
const AGGREGATE_MAX: usize = 10;
/// Within this time (`defaultAggregateIntervalInSeconds`).
const AGGREGATE_INTERVAL: Duration = Duration::from_secs(600);
/// Events about one object at once (`defaultSpamBurst`).
const SPAM_BURST: u32 = 25;
/// One more after this time (`defaultSpamQPS` is 1/300).
const SPAM_INTERVAL: Duration = Duration::from_secs(300);
/// A series of the scheduler's ends after this time (`finishTime`).
const SERIES_END: Duration = Duration::from_secs(360);
/// Entries kept of each cache (`maxLruCacheEntries`).
const CACHE: NonZero<usize> = NonZero::new(4096).expect("it is not zero");

/// The event recorders of all components.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder {
    /// Who signs events by the newer API: the scheduler's profiles.
    schedulers: Vec<Str>,
    /// The places of sources in `correlators`, by component and host.
    sources: Map<Str, Map<Str, usize>>,
    /// What each source knows of its events; shared with forks until one writes.
    correlators: Vec<Arc<Correlator>>,
    series: Series,
}

/// What a source knows of the events that it recorded (`EventCorrelator`). What is known of an event lies
/// under a digest of what tells it from others: thousands of node agents have such caches, and texts would
/// be most of their memory.
#[derive(Clone, Debug)]
struct Correlator {
    counts: Cache<u64, (u32, SimTime)>,
    similar: Cache<u64, Similar>,
    spam: Cache<u64, Bucket>,
}

/// How many events may still be written about an object at once.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u32,
    filled: SimTime,
}

/// A cache that forgets what was used least recently.
type Cache<K, V> = LruCache<K, V, FxBuildHasher>;

/// The scheduler's series that have not ended: how often, since when, when last.
#[derive(Clone, Debug)]
struct Series(Cache<(Uid, Str), (u32, SimTime, SimTime)>);

/// Similar events: all but the message and the part of the object is the same.
#[derive(Clone, Debug, Default)]
struct Similar {
    /// Digests of the messages.
    messages: SmallVec<[u64; 2]>,
    last: SimTime,
}

impl Default for Series {
    fn default() -> Self {
        Self(Cache::unbounded_with_hasher(FxBuildHasher))
    }
}

impl Series {
    /// Counts an event in; how often it was there since when.
    fn count(&mut self, now: SimTime, key: (Uid, Str)) -> (u32, SimTime) {
        self.forget(now);
        let (count, first, last) = self.0.get_or_insert_mut(key, || (0, now, now));
        *count += 1;
        *last = now;
        (*count, *first)
    }

    /// Forgets the series that have ended.
    fn forget(&mut self, now: SimTime) {
        let over = |last: SimTime| now.since(last) > SERIES_END;
        while self.0.peek_lru().is_some_and(|(_, (.., last))| over(*last)) {
            self.0.pop_lru();
        }
    }
}

impl Default for Correlator {
    fn default() -> Self {
        Self { counts: cache(), similar: cache(), spam: cache() }
    }
}

fn cache<V>() -> Cache<u64, V> {
    let mut cache = Cache::unbounded_with_hasher(FxBuildHasher);
    // A cache with a bound from the start would take room for all of it.
    cache.resize(CACHE);
    cache
}

/// The digest of the object and the type of an event, to which what else tells it apart may be added.
fn digest(record: &EventRecord) -> Digest {
    let of = &record.regarding;
    let bits = of.uid.bits();
    let mut digest = Digest::new(record.event_type as u64);
    digest.word((bits >> 64) as u64);
    digest.word(bits as u64);
    digest.word(of.object.kind as u64);
    digest.bytes(of.object.key.namespace.as_bytes());
    digest.bytes(of.object.key.name.as_bytes());
    digest
}

/// The digest with texts added.
fn with(mut digest: Digest, texts: &[&str]) -> u64 {
    texts.iter().for_each(|text| digest.bytes(text.as_bytes()));
    digest.value()
}

impl Recorder {
    /// Recorders that have recorded nothing yet.
    pub(super) fn new(scheduler: &crate::scheduler::Config) -> Self {
        let schedulers = scheduler.profiles.iter().map(|p| p.scheduler_name.clone()).collect();
        Self { schedulers, ..Self::default() }
    }

    /// Records an event as its component's recorder would write it, if it would.
    pub(super) fn record(
        &mut self,
        now: SimTime,
        cause: FactId,
        record: Arc<EventRecord>,
        facts: &mut Facts,
    ) {
        if self.schedulers.contains(&record.component) {
            let (count, first) =
                self.series.count(now, (record.regarding.uid, record.reason.clone()));
            if count <= 2 {
                facts.push(now, cause, FactKind::Event { record, count, first });
            }
            return;
        }
        let correlator = Arc::make_mut(self.source(&record));
        let about = digest(&record);
        let record = correlator.aggregate(now, about, record);
        // What the spam filter holds back is counted (`EventCorrelate`).
        let (count, first) = correlator.count(now, about, &record);
        if correlator.admit(now, about) {
            facts.push(now, cause, FactKind::Event { record, count, first });
        }
    }

    /// Forgets what makes no difference any more: most of what sources have recorded once.
    pub(super) fn forget(&mut self, now: SimTime) {
        self.series.forget(now);
        for correlator in self.correlators.iter_mut().filter(|c| c.is_stale(now)) {
            Arc::make_mut(correlator).forget(now);
        }
    }

    fn source(&mut self, record: &EventRecord) -> &mut Arc<Correlator> {
        let EventRecord { component, host, .. } = record;
        let known = self.sources.get(component).and_then(|of| of.get(host)).copied();
        let place = known.unwrap_or_else(|| {
            self.correlators.push(Arc::default());
            let place = self.correlators.len() - 1;
            self.sources.entry(component.clone()).or_default().insert(host.clone(), place);
            place
        });
        &mut self.correlators[place]
    }
}

impl Similar {
    /// Whether it is as if it had never been.
    fn is_over(&self, now: SimTime) -> bool {
        now.since(self.last) > AGGREGATE_INTERVAL
    }
}

impl Bucket {
    /// Fills in what has come since.
    fn fill(&mut self, now: SimTime) {
        let refills = now.since(self.filled).as_secs() / SPAM_INTERVAL.as_secs();
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        if refills >= SPAM_BURST - self.tokens {
            *self = Self { tokens: SPAM_BURST, filled: now };
        } else {
            self.tokens += refills;
            self.filled += SPAM_INTERVAL * refills;
        }
    }

    /// Whether it is as if it had never been used.
    fn is_full(mut self, now: SimTime) -> bool {
        self.fill(now);
        self.tokens == SPAM_BURST
    }
}

impl Correlator {
    /// Whether there is something to forget.
    fn is_stale(&self, now: SimTime) -> bool {
        self.similar.peek_lru().is_some_and(|(_, s)| s.is_over(now))
            || self.spam.peek_lru().is_some_and(|(_, b)| b.is_full(now))
    }

    /// Forgets what makes no difference any more.
    fn forget(&mut self, now: SimTime) {
        while self.similar.peek_lru().is_some_and(|(_, s)| s.is_over(now)) {
            self.similar.pop_lru();
        }
        while self.spam.peek_lru().is_some_and(|(_, b)| b.is_full(now)) {
            self.spam.pop_lru();
        }
    }

    /// How often the event was recorded, this time included, and when first.
    fn count(&mut self, now: SimTime, about: Digest, record: &Arc<EventRecord>) -> (u32, SimTime) {
        let is = record.identity();
        let key = with(about, &[&is.reason, &is.message, &is.regarding.field_path]);
        let (count, first) = self.counts.get_or_insert_mut(key, || (0, now));
        *count += 1;
        (*count, *first)
    }

    /// Combines the eleventh and later similar event of ten minutes.
    fn aggregate(
        &mut self,
        now: SimTime,
        about: Digest,
        record: Arc<EventRecord>,
    ) -> Arc<EventRecord> {
        let key = with(about, &[&record.reason]);
        let similar = self.similar.get_or_insert_mut(key, Similar::default);
        if similar.is_over(now) {
            similar.messages.clear();
        }
        similar.last = now;
        let message = crate::base::digest::digest_of(0, record.message.as_bytes());
        if !similar.messages.contains(&message) {
            similar.messages.push(message);
        }
        if similar.messages.len() < AGGREGATE_MAX {
            return record;
        }
        similar.messages.remove(0);
        let message = format!("{}{}", EventRecord::COMBINED, record.message).into();
        Arc::new(EventRecord { message, ..EventRecord::clone(&record) })
    }

    /// The spam filter: a token bucket per object and type.
    fn admit(&mut self, now: SimTime, about: Digest) -> bool {
        let full = || Bucket { tokens: SPAM_BURST, filled: now };
        let bucket = self.spam.get_or_insert_mut(about.value(), full);
        bucket.fill(now);
        if bucket.tokens == 0 {
            return false;
        }
        bucket.tokens -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, Ref};
    use crate::trace::{EventType, Fact, Regarding};

    fn event(component: &str, message: &str) -> Arc<EventRecord> {
        Arc::new(EventRecord {
            regarding: Regarding {
                object: Ref::new(Kind::Pod, "default", "web"),
                uid: Uid::from_random(1),
                field_path: Str::default(),
            },
            event_type: EventType::Warning,
            reason: "BackOff".into(),
            message: message.into(),
            component: component.into(),
            host: Str::default(),
        })
    }

    fn recorded(component: &str, times: u64) -> Vec<u32> {
        let (mut recorder, mut facts) =
            (Recorder::new(&crate::scheduler::Config::default()), Facts::default());
        for i in 0..times {
            let now = SimTime::from_secs(1000 + i);
            recorder.record(now, FactId::NONE, event(component, "again"), &mut facts);
        }
        facts
            .take()
            .filter_map(
                |f| if let FactKind::Event { count, .. } = f.kind { Some(count) } else { None },
            )
            .collect()
    }

    #[test]
    fn the_same_event_raises_a_count_until_the_spam_filter_stops_it() {
        assert_eq!(recorded("kubelet", 3), [1, 2, 3]);
        assert_eq!(recorded("kubelet", 100).len(), 25);
        let (mut recorder, mut facts) =
            (Recorder::new(&crate::scheduler::Config::default()), Facts::default());
        for second in (1000..1100).chain([1400]) {
            let record = event("kubelet", "the same");
            recorder.record(SimTime::from_secs(second), FactId::NONE, record, &mut facts);
        }
        let last = facts.take().next_back();
        let is_counted =
            |f: &crate::trace::Fact| matches!(f.kind, FactKind::Event { count: 101, .. });
        assert!(last.as_ref().is_some_and(is_counted), "{last:?}");
    }

    #[test]
    fn what_was_recorded_least_recently_is_forgotten_by_its_source_alone() {
        let (mut recorder, mut facts) =
            (Recorder::new(&crate::scheduler::Config::default()), Facts::default());
        let mut count = |n: u64, host: &str| {
            let mut record = EventRecord::clone(&event("kubelet", "again"));
            record.regarding.uid = Uid::from_random(u128::from(n) << 80);
            record.host = host.into();
            recorder.record(SimTime::from_secs(1000), FactId::NONE, record.into(), &mut facts);
            let Some(Fact { kind: FactKind::Event { count, .. }, .. }) = facts.take().next_back()
            else {
                panic!("it is recorded")
            };
            count
        };
        assert_eq!((0..4096).map(|n| count(n, "a")).max(), Some(1));
        assert_eq!((count(0, "b"), count(0, "a")), (1, 2), "each source has a cache of its own");
        assert_eq!(count(4096, "a"), 1);
        assert_eq!((count(0, "a"), count(1, "a")), (3, 1), "the second was used least recently");
    }

    #[test]
    fn the_schedulers_series_is_written_twice() {
        assert_eq!(recorded("default-scheduler", 9), [1, 2]);
    }

    #[test]
    fn many_similar_events_are_combined() {
        let (mut recorder, mut facts) =
            (Recorder::new(&crate::scheduler::Config::default()), Facts::default());
        for i in 0..12 {
            let record = event("kubelet", &format!("attempt {i}"));
            recorder.record(SimTime::from_secs(1000), FactId::NONE, record, &mut facts);
        }
        let combined: Vec<u32> = facts
            .take()
            .filter_map(|f| match &f.kind {
                FactKind::Event { record, count, .. } => {
                    record.message.starts_with(EventRecord::COMBINED).then_some(*count)
                }
                _ => None,
            })
            .collect();
        assert_eq!(combined, [1, 2, 3], "they are one event");
    }
}

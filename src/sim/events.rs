//! The recorder of API events: what is the same is counted, not repeated.
//!
//! Follows `k8s.io/client-go/tools/record/events_cache.go` for all components (identical events raise a
//! count; more than ten of one kind within ten minutes are combined; a source may write 25 events about
//! an object at once and one more every five minutes), and
//! `k8s.io/client-go/tools/events/event_recorder.go` for the scheduler, whose repeated events become a
//! series that is written once at its second event.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::Uid;
use crate::trace::{EventRecord, EventType, FactId, FactKind, Facts};

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
const CACHE: usize = 4096;
/// The event recorders of all components.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder {
    /// Who signs events by the newer API: the scheduler's profiles.
    schedulers: Vec<Str>,
    counts: BTreeMap<Arc<EventRecord>, (u32, SimTime)>,
    similar: BTreeMap<SimilarKey, Similar>,
    spam: BTreeMap<(Str, Str, Uid, EventType), (u32, SimTime)>,
    series: BTreeMap<(Uid, Str), (u32, SimTime, SimTime)>,
}

/// What similar events share: everything but the message and the part of the object.
type SimilarKey = (Uid, EventType, Str, Str, Str);

#[derive(Clone, Debug, Default)]
struct Similar {
    messages: Vec<Str>,
    last: SimTime,
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
        self.bound();
        if self.schedulers.contains(&record.component) {
            return self.record_series(now, cause, record, facts);
        }
        let record = self.aggregate(now, record);
        // What the spam filter holds back is counted (`EventCorrelate`).
        let (count, first) = self.counts.entry(record.identity()).or_insert((0, now));
        *count += 1;
        let (count, first) = (*count, *first);
        if self.admit(now, &record) {
            facts.push(now, cause, FactKind::Event { record, count, first });
        }
    }

    fn record_series(
        &mut self,
        now: SimTime,
        cause: FactId,
        record: Arc<EventRecord>,
        facts: &mut Facts,
    ) {
        let key = (record.regarding.uid, record.reason.clone());
        let fresh = |last: SimTime| now.since(last) <= SERIES_END;
        let (count, first) = match self.series.get_mut(&key) {
            Some((count, first, last)) if fresh(*last) => {
                *count += 1;
                *last = now;
                (*count, *first)
            }
            _ => {
                self.series.insert(key, (1, now, now));
                (1, now)
            }
        };
        if count <= 2 {
            facts.push(now, cause, FactKind::Event { record, count, first });
        }
    }

    /// Combines the eleventh and later similar event of ten minutes.
    fn aggregate(&mut self, now: SimTime, record: Arc<EventRecord>) -> Arc<EventRecord> {
        let r = &record.regarding;
        let key = (
            r.uid,
            record.event_type,
            record.reason.clone(),
            record.component.clone(),
            record.host.clone(),
        );
        let similar = self.similar.entry(key).or_default();
        if now.since(similar.last) > AGGREGATE_INTERVAL {
            similar.messages.clear();
        }
        similar.last = now;
        if !similar.messages.contains(&record.message) {
            similar.messages.push(record.message.clone());
        }
        if similar.messages.len() < AGGREGATE_MAX {
            return record;
        }
        similar.messages.remove(0);
        let message = format!("{}{}", EventRecord::COMBINED, record.message).into();
        Arc::new(EventRecord { message, ..EventRecord::clone(&record) })
    }

    /// The spam filter: a token bucket per source, object and type.
    fn admit(&mut self, now: SimTime, record: &EventRecord) -> bool {
        let source = (record.component.clone(), record.host.clone());
        let key = (source.0, source.1, record.regarding.uid, record.event_type);
        let (tokens, filled) = self.spam.entry(key).or_insert((SPAM_BURST, now));
        let refills = now.since(*filled).as_secs() / SPAM_INTERVAL.as_secs();
        if refills > 0 {
            let refills = u32::try_from(refills).unwrap_or(u32::MAX);
            *tokens = tokens.saturating_add(refills).min(SPAM_BURST);
            *filled += SPAM_INTERVAL * refills.min(1_000_000);
        }
        if *tokens == 0 {
            return false;
        }
        *tokens -= 1;
        true
    }

    /// The real caches hold a bounded number of entries; what is forgotten here is the least by key,
    /// there the least recently used. It shows only in counts, and only past 4,096 live series.
    fn bound(&mut self) {
        while self.counts.len() > CACHE {
            self.counts.pop_first();
        }
        while self.similar.len() > CACHE {
            self.similar.pop_first();
        }
        while self.spam.len() > CACHE {
            self.spam.pop_first();
        }
        while self.series.len() > CACHE {
            self.series.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, Ref};
    use crate::trace::Regarding;

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

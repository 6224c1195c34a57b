//! The shape of a controller.

use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use super::View;
use crate::base::Str;
use crate::base::backoff::Backoff;
use crate::base::rng::Rng;
use crate::base::time::SimTime;
use crate::engine::{Cx, WorkQueue};
use crate::model::{Kind, Object};
use crate::store::{Delta, Reply, Request};
use crate::trace::{Assumption, EventRecord, EventType, FactId, FactKind, Regarding, Waiting};

/// One controller of kube-controller-manager.
pub trait Controller {
    /// What a sync is about: mostly the key of an object.
    type Key: Clone + Ord + Hash + Debug;
    /// A sync that waits for replies.
    type Work: Debug;

    /// The kinds that its event handlers hear of: other changes are not passed to it.
    const HEARS: Kinds = Kinds::ALL;
    /// Its name, as it signs events: `job-controller`.
    const NAME: &'static str;
    /// How many keys it syncs at once (its `--concurrent-…-syncs` flag).
    const WORKERS: usize;
    /// How long a key that failed waits
    /// (`workqueue.DefaultTypedControllerRateLimiter`, but for controllers with one of their own).
    const BACKOFF: Backoff =
        Backoff { first: Duration::from_millis(5), limit: Duration::from_secs(1000) };

    /// The event handlers: notes which keys a change concerns. `view` holds the change already.
    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Self::Key>,
    );

    /// Begins a sync.
    fn sync(&mut self, key: &Self::Key, cx: &mut SyncCx<'_, '_>) -> Step<Self::Work>;

    /// Goes on with a sync: the replies come in the order of the requests.
    fn resume(
        &mut self,
        key: &Self::Key,
        work: Self::Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Self::Work>;
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u64);

impl Kinds {
    /// All kinds.
    pub const ALL: Self = Self(u64::MAX);

    /// The kinds listed.
    pub const fn of(kinds: &[Kind]) -> Self {
        const { assert!(Kind::COUNT <= 64, "a kind is a bit") };
        let (mut bits, mut i) = (0, 0);
        while i < kinds.len() {
            bits |= 1 << kinds[i].index();
            i += 1;
        }
        Self(bits)
    }

    /// Whether a kind is among them.
    pub const fn holds(self, kind: Kind) -> bool {
        self.0 >> kind.index() & 1 == 1
    }
}

/// What a sync does next.
#[derive(Debug)]
#[must_use = "a step that is dropped leaves its key locked"]
pub enum Step<W> {
    /// It has ended.
    Done(Done),
    /// It asks and waits for all replies.
    Ask {
        /// The requests, sent at once.
        requests: Vec<Request>,
        /// How to go on.
        then: W,
    },
}

/// How a sync ended.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Whether and when the key is synced again without news.
    pub retry: Retry,
    /// What the object waits for, where it does not move on.
    pub waiting: Option<Waiting>,
}

/// Whether and when a key is synced again without news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// Only on news; the key's failures are forgotten.
    #[default]
    OnNews,
    /// At that time; the key's failures are forgotten.
    At(SimTime),
    /// At that time; the key's failures are kept.
    AtKeepingFailures(SimTime),
    /// After the key's back-off: it failed.
    BackOff,
    /// After the key's back-off, for it failed, but at that time at the latest.
    BackOffAtMost(SimTime),
}

impl<W> Step<W> {
    /// Ended; again only on news.
    pub fn done() -> Self {
        Self::Done(Done::default())
    }

    /// Ended; again at `at`.
    pub fn again_at(at: SimTime) -> Self {
        Self::Done(Done { retry: Retry::At(at), waiting: None })
    }

    /// Failed; again after the key's back-off.
    pub fn failed() -> Self {
        Self::Done(Done { retry: Retry::BackOff, waiting: None })
    }

    /// Asks one thing.
    pub fn ask(request: Request, then: W) -> Self {
        Self::Ask { requests: vec![request], then }
    }
}

/// What a sync may touch.
#[derive(Debug)]
pub struct SyncCx<'a, 'b> {
    /// What the informers have heard.
    pub view: &'a View,
    /// Now.
    pub now: SimTime,
    /// The fact that asked for this sync.
    pub cause: FactId,
    /// Failures of this key since it was last forgotten.
    pub failures: u32,
    pub(super) cx: &'a mut Cx<'b>,
    pub(super) name: &'static str,
}

impl SyncCx<'_, '_> {
    /// Randomness.
    pub fn rng(&self) -> Rng {
        self.cx.rng
    }

    /// Records an API event on an object.
    pub fn event(
        &mut self,
        on: &Object,
        event_type: EventType,
        reason: &str,
        message: impl Into<Str>,
    ) {
        self.event_on(Regarding::object(on), event_type, reason, message);
    }

    /// Records an API event.
    pub fn event_on(
        &mut self,
        regarding: Regarding,
        event_type: EventType,
        reason: &str,
        message: impl Into<Str>,
    ) {
        let record = EventRecord {
            regarding,
            event_type,
            reason: reason.into(),
            message: message.into(),
            component: Str::new_static(self.name),
            host: Str::default(),
        };
        self.cx.event(self.cause, record);
    }

    /// Says that something was assumed.
    pub fn assume(&mut self, subject: impl Into<Str>, text: impl Into<Str>) {
        let assumption = Assumption { subject: subject.into(), text: text.into() };
        self.cx.fact(self.cause, FactKind::Assumed(assumption.into()));
    }
}

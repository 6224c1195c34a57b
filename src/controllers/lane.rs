//! A controller's lane: its work queue, its workers, its client and what it waits for.

use std::time::Duration;

use super::controller::{Controller, Done, Retry, Step, SyncCx};
use super::view::View;
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::engine::{Answer, Cx, Token, WorkQueue};
use crate::model::Kind;
use crate::store::{Delta, Reply};
use crate::trace::{FactId, FactKind, Waiting};

/// One controller with everything around it.
#[derive(Clone, Debug)]
pub struct Lane<C: Controller> {
    controller: C,
    queue: WorkQueue<C::Key>,
    limit: RateLimit,
    /// Syncs that wait for replies. One that has had them leaves its place to another.
    in_flight: Vec<Option<InFlight<C::Key, C::Work>>>,
    free: Vec<usize>,
    /// Requests sent: for the sync in which place, and which of its batch.
    tokens: Map<Token, (usize, usize)>,
    /// What each key said last of what it waits for.
    waiting: Map<C::Key, Waiting>,
}

/// The tokens of a lane's requests: they tell whose they are, so that a reply finds its lane.
#[derive(Debug)]
pub struct Tokens<'a> {
    /// The lane's number.
    pub lane: u8,
    /// How many requests all lanes have sent.
    pub sent: &'a mut u64,
}

impl Tokens<'_> {
    /// Where in a token the lane's number stands.
    const LANE_AT: u32 = 56;

    /// The lane whose request has the token.
    pub const fn lane(token: Token) -> u8 {
        token.0.to_be_bytes()[0]
    }

    fn next(&mut self) -> Token {
        *self.sent += 1;
        Token(*self.sent | u64::from(self.lane) << Self::LANE_AT)
    }
}

#[derive(Clone, Debug)]
struct InFlight<K, W> {
    turn: Turn<K>,
    then: W,
    /// The replies; those that are missing are still without an object.
    replies: Vec<Reply>,
    missing: usize,
}

/// A key that is synced.
#[derive(Clone, Debug)]
struct Turn<K> {
    key: K,
    /// The fact that asked for it.
    cause: FactId,
    /// How often the key has failed since it was last forgotten.
    failures: u32,
}

impl<C: Controller + Default> Default for Lane<C> {
    fn default() -> Self {
        Self::new(C::default())
    }
}

impl<C: Controller> Lane<C> {
    /// A lane for `controller` with kube-controller-manager's default client.
    pub fn new(controller: C) -> Self {
        Self {
            controller,
            queue: WorkQueue::with_backoff(C::BACKOFF),
            limit: RateLimit::default(),
            in_flight: Vec::new(),
            free: Vec::new(),
            tokens: Map::default(),
            waiting: Map::default(),
        }
    }

    /// Passes a change to the event handlers.
    pub fn observe(&mut self, kind: Kind, delta: &Delta<'_>, view: &View, now: SimTime) {
        self.controller.observe(kind, delta, view, now, &mut self.queue);
    }

    /// Syncs what is due, as far as there are workers.
    pub fn run(&mut self, view: &View, cx: &mut Cx<'_>, tokens: &mut Tokens<'_>) {
        self.queue.promote(cx.now);
        while self.queue.working() < C::WORKERS
            && let Some((key, cause, failures)) = self.queue.take()
        {
            let turn = Turn { key, cause, failures };
            let step = self.controller.sync(&turn.key, &mut Self::context(&turn, view, cx));
            self.take_step(turn, step, view, cx, tokens);
        }
    }

    /// What the sync of a key may touch.
    fn context<'a, 'b>(turn: &Turn<C::Key>, view: &'a View, cx: &'a mut Cx<'b>) -> SyncCx<'a, 'b> {
        let Turn { cause, failures, .. } = *turn;
        SyncCx { view, now: cx.now, cause, failures, cx, name: C::NAME }
    }

    /// Passes a reply to the sync that waits for it.
    pub fn reply(&mut self, answer: Answer, view: &View, cx: &mut Cx<'_>, tokens: &mut Tokens<'_>) {
        let Answer { token, reply } = answer;
        let Some((place, index)) = self.tokens.remove(&token) else { return };
        let Some(waiting) = &mut self.in_flight[place] else { return };
        waiting.replies[index] = reply;
        waiting.missing -= 1;
        if waiting.missing == 0
            && let Some(InFlight { turn, then, replies, .. }) = self.in_flight[place].take()
        {
            self.free.push(place);
            let mut sync = Self::context(&turn, view, cx);
            let step = self.controller.resume(&turn.key, then, replies, &mut sync);
            self.take_step(turn, step, view, cx, tokens);
        }
    }

    /// From when on [`Lane::run`] finds something to do: [`SimTime::ZERO`] for at once, [`SimTime::MAX`]
    /// for nothing that is known yet.
    pub fn due(&self) -> SimTime {
        if self.queue.has_ready() && self.queue.working() < C::WORKERS {
            return SimTime::ZERO;
        }
        self.queue.next_delayed().unwrap_or(SimTime::MAX)
    }

    /// The controller, for reports.
    pub fn controller(&self) -> &C {
        &self.controller
    }

    fn take_step(
        &mut self,
        turn: Turn<C::Key>,
        mut step: Step<C::Work>,
        view: &View,
        cx: &mut Cx<'_>,
        tokens: &mut Tokens<'_>,
    ) {
        loop {
            match step {
                Step::Done(done) => return self.end(&turn.key, turn.cause, done, cx),
                Step::Ask { requests, then } if requests.is_empty() => {
                    let mut sync = Self::context(&turn, view, cx);
                    step = self.controller.resume(&turn.key, then, Vec::new(), &mut sync);
                }
                Step::Ask { requests, then } => {
                    let missing = requests.len();
                    let place = self.free.pop().unwrap_or_else(|| {
                        self.in_flight.push(None);
                        self.in_flight.len() - 1
                    });
                    for (index, request) in requests.into_iter().enumerate() {
                        let token = tokens.next();
                        self.tokens.insert(token, (place, index));
                        let wait = self.limit.wait(cx.now);
                        cx.send_after(wait, token, turn.cause, request);
                    }
                    let replies = vec![Ok(None); missing];
                    self.in_flight[place] = Some(InFlight { turn, then, replies, missing });
                    return;
                }
            }
        }
    }

    fn end(&mut self, key: &C::Key, cause: FactId, done: Done, cx: &mut Cx<'_>) {
        match done.retry {
            Retry::OnNews => self.queue.done_well(key),
            Retry::At(at) => {
                self.queue.add_at(at, key.clone(), cause);
                self.queue.done_well(key);
            }
            Retry::AtKeepingFailures(at) => {
                self.queue.add_at(at, key.clone(), cause);
                self.queue.done(key);
            }
            Retry::BackOff => {
                self.queue.add_rate_limited(cx.now, key.clone(), cause);
                self.queue.done(key);
            }
            Retry::BackOffAtMost(at) => {
                self.queue.add_rate_limited(cx.now, key.clone(), cause);
                self.queue.add_at(at, key.clone(), cause);
                self.queue.done(key);
            }
        }
        match done.waiting {
            None if self.waiting.is_empty() => {}
            None => {
                if let Some(waiting) = self.waiting.remove(key) {
                    let over = Waiting { on: Str::default(), ..waiting };
                    cx.fact(cause, FactKind::Waiting(over.into()));
                }
            }
            Some(waiting) => {
                if self.waiting.get(key) != Some(&waiting) {
                    cx.fact(cause, FactKind::Waiting(waiting.clone().into()));
                    self.waiting.insert(key.clone(), waiting);
                }
            }
        }
    }
}

/// A client-side rate limit: a token bucket (`k8s.io/client-go/util/flowcontrol`).
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// Time for one request at the sustained rate.
    interval: Duration,
    /// Requests that may go at once.
    burst: u32,
    /// When the bucket would have been full, were it not drained: requests push it on.
    full_at: SimTime,
}

impl RateLimit {
    /// A limit of `qps` requests per second with bursts of `burst`.
    pub fn new(qps: u32, burst: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / qps.max(1),
            burst: burst.max(1),
            full_at: SimTime::ZERO,
        }
    }

    /// Takes one token and tells how long the request has to wait for it.
    pub fn wait(&mut self, now: SimTime) -> Duration {
        self.full_at = self.full_at.max(now) + self.interval;
        // The bucket holds `burst` tokens: the request goes once the debt is no larger.
        self.full_at.since(now).saturating_sub(self.interval * self.burst)
    }
}

impl Default for RateLimit {
    /// kube-controller-manager's `--kube-api-qps=20 --kube-api-burst=30`, for each controller's client.
    fn default() -> Self {
        Self::new(20, 30)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_sustained_rate() {
        let mut limit = RateLimit::new(20, 3);
        let now = SimTime::from_secs(1);
        let waits: Vec<u128> = (0..5).map(|_| limit.wait(now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 50, 100]);
        assert_eq!(limit.wait(now + Duration::from_secs(10)), Duration::ZERO);
    }
}

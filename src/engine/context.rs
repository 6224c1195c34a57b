//! What a component may touch while it handles an event.

use std::sync::Arc;
use std::time::Duration;

use super::{ComponentId, Latency, Token};
use crate::base::rng::Rng;
use crate::base::time::SimTime;
use crate::store::{Logs, Request};
use crate::trace::{EventRecord, FactId, FactKind, Facts};

/// The context of one event.
#[derive(Debug)]
pub struct Cx<'a> {
    /// Now.
    pub now: SimTime,
    /// The component that handles the event.
    pub me: ComponentId,
    /// The logs of the store.
    pub logs: &'a Logs,
    /// Randomness.
    pub rng: Rng,
    /// How long things take.
    pub latency: &'a Latency,
    /// What the component leaves.
    pub out: &'a mut Out,
}

/// A request on its way to the API server.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks.
    pub from: ComponentId,
    /// The asker's number for it.
    pub token: Token,
    /// What it follows from.
    pub cause: FactId,
    /// The request.
    pub request: Request,
}

/// What components leave for the engine. Reused from event to event.
#[derive(Clone, Debug, Default)]
pub struct Out {
    /// Requests, each with when it is sent.
    pub calls: Vec<(SimTime, Call)>,
    /// Events for the recorder, each with its cause.
    pub events: Vec<(FactId, Arc<EventRecord>)>,
    /// Facts.
    pub facts: Facts,
}

impl Cx<'_> {
    /// Sends a request now.
    pub fn send(&mut self, token: Token, cause: FactId, request: Request) {
        self.send_after(Duration::ZERO, token, cause, request);
    }

    /// Sends a request after some time of the component's own work.
    pub fn send_after(&mut self, wait: Duration, token: Token, cause: FactId, request: Request) {
        let call = Call { from: self.me, token, cause, request };
        self.out.calls.push((self.now + wait, call));
    }

    /// Records an API event.
    pub fn event(&mut self, cause: FactId, record: EventRecord) {
        self.out.events.push((cause, Arc::new(record)));
    }

    /// Records a fact.
    pub fn fact(&mut self, cause: FactId, kind: FactKind) -> FactId {
        self.out.facts.push(self.now, cause, kind)
    }

    /// Until when the component hears of what was committed: now, less the watch's latency.
    pub fn heard_until(&self) -> SimTime {
        self.now - self.latency.watch
    }
}

//! What must hold whatever happens: checked on every change of an object.
//!
//! One file per family and one list (`Invariants::see`). A family sees each change as its fact tells it,
//! with the object before and after, and keeps what it needs to judge the next one; nothing scans the
//! store but an [`Invariants::audit`]. A check that would also fail in a real cluster, since a
//! component acted on what it had heard and not on what was true, allows for [`LAG`].
//!
//! These are statements about the simulated Kubernetes, not about a user's manifests: each violation
//! is a defect of wavetank.

mod autoscalers;
mod budgets;
mod endpoints;
mod jobs;
mod nodes;
mod ownership;
mod pods;
mod quotas;
mod recent;
mod replicas;
mod rolling;
mod stateful;
mod versions;

use std::fmt;
use std::time::Duration;

use crate::base::time::SimTime;
use crate::model::{Object, Ref};
use crate::store::Store;
use crate::trace::{Change, Fact, FactId, FactKind};

/// For so long a component may act on what has just ceased to be true: the watch, a sync, and a request
/// that a fault holds up.
pub const LAG: Duration = Duration::from_secs(4);

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When it was seen.
    pub at: SimTime,
    /// What must hold.
    pub invariant: &'static str,
    /// Of which object it does not.
    pub object: Ref,
    /// How.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {} ({})", self.at, self.object, self.invariant, self.text)
    }
}

/// One change of an object.
#[derive(Clone, Copy, Debug)]
struct Seen<'a> {
    at: SimTime,
    /// A step of the scenario did it, and no component.
    by_step: bool,
    change: Change,
    /// Before; `None` when added.
    old: Option<&'a Object>,
    /// After; as it was last, when removed.
    new: &'a Object,
}

/// Where families leave what they find.
#[derive(Debug, Default)]
struct Found(Vec<Violation>);

impl Found {
    fn say(&mut self, at: SimTime, object: &Object, invariant: &'static str, text: String) {
        self.0.push(Violation { at, invariant, object: object.reference(), text });
    }
}

/// All invariants, and what they remember of the run.
#[derive(Debug, Default)]
pub struct Invariants {
    found: Found,
    versions: versions::Versions,
    nodes: nodes::Nodes,
    replicas: replicas::Replicas,
    stateful: stateful::Stateful,
    jobs: jobs::Jobs,
    endpoints: endpoints::Endpoints,
    ownership: ownership::Ownership,
    rolling: rolling::Rolling,
    budgets: budgets::Budgets,
    quotas: quotas::Quotas,
    autoscalers: autoscalers::Autoscalers,
}

impl Invariants {
    /// Takes in a fact.
    pub fn check(&mut self, fact: &Fact) {
        if let FactKind::Object { change, object, old } = &fact.kind {
            let by_step = fact.cause == FactId::NONE;
            self.see(Seen {
                at: fact.at,
                by_step,
                change: *change,
                old: old.as_ref(),
                new: object,
            });
        }
    }

    /// The list of families.
    fn see(&mut self, seen: Seen<'_>) {
        let found = &mut self.found;
        pods::see(seen, found);
        self.versions.see(seen, found);
        self.nodes.see(seen, found);
        self.replicas.see(seen, found);
        self.stateful.see(seen, found);
        self.jobs.see(seen, found);
        self.endpoints.see(seen, found);
        self.ownership.see(seen);
        self.rolling.see(seen, found);
        self.budgets.see(seen, found);
        self.quotas.see(seen, found);
        self.autoscalers.see(seen, found);
    }

    /// Looks at the whole store, at rest or not: what one change alone cannot show.
    pub fn audit(&mut self, store: &Store, now: SimTime) {
        self.jobs.audit(store, now, &mut self.found);
        self.ownership.audit(store, now, &mut self.found);
    }

    /// What was found so far.
    pub fn violations(&self) -> &[Violation] {
        &self.found.0
    }
}

#[cfg(test)]
mod tests;

//! Faults of the API: rules that vote on every request as it arrives.
//!
//! A rule says whom and what it concerns, when, how often, and what becomes of the request: it passes,
//! comes later, or is refused without being carried out. Rules are asked in order; the first that does
//! not let the request pass decides. A run without rules draws nothing and is as if this were not here.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::base::rng::Rng;
use crate::base::time::SimTime;
use crate::engine::{Call, ComponentId};
use crate::model::Kind;
use crate::store::{ApiError, ErrorReason, Request, WireVerb};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is carried out.
    Pass,
    /// It arrives so much later, and is judged anew then.
    Delay(Duration),
    /// It is refused for that reason, and not carried out.
    Fail(ErrorReason),
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRule {
    /// Whose requests.
    pub from: Callers,
    /// Which requests.
    pub of: Concerns,
    /// From when on.
    pub begin: SimTime,
    /// Until when.
    pub end: SimTime,
    /// In how many of a thousand cases.
    pub permille: u32,
    /// What becomes of the request then.
    pub verdict: Verdict,
}

/// Whose requests a rule concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Those of every component; the world's own are not touched.
    Components,
    /// Those of every component, and the world's.
    Everybody,
    /// Those of one component.
    One(ComponentId),
    /// Those of all node agents.
    Kubelets,
}

impl Callers {
    fn has(self, from: ComponentId) -> bool {
        match self {
            Self::Components => from != ComponentId::World,
            Self::Everybody => true,
            Self::One(one) => from == one,
            Self::Kubelets => matches!(from, ComponentId::Kubelet(_)),
        }
    }
}

/// Which requests a rule concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concerns {
    /// Every one.
    All,
    /// Creations.
    Creates,
    /// Updates of objects, statuses and metadata.
    Updates,
    /// Deletions and evictions.
    Deletes,
    /// Every one about objects of a kind.
    Kind(Kind),
}

/// Draws are numbered by request and rule; more rules than this share them.
const RULES: u64 = 64;

/// The rules of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    rules: Vec<FaultRule>,
    judged: u64,
    /// Who can reach the API server no more.
    cut_off: BTreeSet<ComponentId>,
}

impl Faults {
    /// Adds a rule behind the others.
    pub(super) fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    /// Lets no request of a component through, or every one again.
    pub(super) fn cut_off(&mut self, id: ComponentId, cut: bool) {
        if cut {
            self.cut_off.insert(id);
        } else {
            self.cut_off.remove(&id);
        }
    }

    /// Takes all rules away.
    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// What becomes of a request.
    pub(super) fn judge(&mut self, call: &Call, now: SimTime, rng: Rng) -> Verdict {
        // That the lease is renewed no more is no request: it stands for those that do not arrive.
        if self.cut_off.contains(&call.from) && !matches!(call.request, Request::Lease { .. }) {
            return Verdict::Fail(ErrorReason::InternalError);
        }
        if self.rules.is_empty() {
            return Verdict::Pass;
        }
        self.judged += 1;
        for (i, rule) in self.rules.iter().enumerate() {
            if !rule.concerns(call, now) || rule.verdict == Verdict::Pass {
                continue;
            }
            let number = self.judged.wrapping_mul(RULES).wrapping_add(i as u64);
            let mut draw = rng.numbered_stream("fault", "", number);
            if draw.below(1000) < u64::from(rule.permille) {
                return rule.verdict;
            }
        }
        Verdict::Pass
    }
}

impl FaultRule {
    fn concerns(&self, call: &Call, now: SimTime) -> bool {
        let in_time = self.begin <= now && now < self.end;
        in_time && self.from.has(call.from) && self.of.matches(&call.request)
    }
}

impl Concerns {
    fn matches(self, request: &Request) -> bool {
        match self {
            Self::All => true,
            Self::Creates => {
                matches!(request, Request::Create(_) | Request::Wire { verb: WireVerb::Create, .. })
            }
            Self::Updates => matches!(
                request,
                Request::Update(_)
                    | Request::UpdateStatus(_)
                    | Request::PodStatus { .. }
                    | Request::PodConditions { .. }
                    | Request::PatchMeta { .. }
                    | Request::Wire { verb: WireVerb::Update | WireVerb::Patch(_), .. }
            ),
            Self::Deletes => matches!(
                request,
                Request::Delete { .. } | Request::DeleteCollection { .. } | Request::Evict { .. }
            ),
            Self::Kind(kind) => kind_of(request) == Some(kind),
        }
    }
}

/// The kind of object that a request is about.
fn kind_of(request: &Request) -> Option<Kind> {
    match request {
        Request::Get(target)
        | Request::PatchMeta { target, .. }
        | Request::Delete { target, .. }
        | Request::Wire { target, .. } => Some(target.kind),
        Request::Create(object) | Request::Update(object) | Request::UpdateStatus(object) => {
            Some(object.kind())
        }
        Request::PodStatus { .. }
        | Request::PodConditions { .. }
        | Request::Bind { .. }
        | Request::Evict { .. } => Some(Kind::Pod),
        Request::DeleteCollection { kind, .. } => Some(*kind),
        Request::Lease { .. } => Some(Kind::Node),
        Request::DryRun(request) => kind_of(request),
    }
}

/// The refusal of a request that a rule fails.
pub(super) fn refusal(request: &Request, reason: ErrorReason) -> Box<ApiError> {
    let kind = kind_of(request).unwrap_or(Kind::Inert);
    match reason {
        ErrorReason::Conflict => ApiError::conflict(kind, ""),
        ErrorReason::TooManyRequests => ApiError::new(
            reason,
            "the server has received too many requests and has asked us to try again later",
        ),
        _ => ApiError::new(reason, "Internal error occurred: a fault was injected"),
    }
}

//! What a pod's worker may touch while it works: the event's context, its node, and what all agents
//! share.

use super::node::NodeState;
use super::shared::Shared;
use crate::base::Str;
use crate::engine::Cx;
use crate::trace::{Assumption, EventRecord, EventType, FactId, FactKind, Regarding};

/// See the module.
pub(super) struct Desk<'a, 'c> {
    /// The context of the event.
    pub(super) cx: &'a mut Cx<'c>,
    /// The worker's node.
    pub(super) node: &'a mut NodeState,
    /// What all agents share.
    pub(super) shared: &'a mut Shared,
}

impl Desk<'_, '_> {
    /// Records an event of this node's agent.
    pub(super) fn event(
        &mut self,
        cause: FactId,
        regarding: Regarding,
        event_type: EventType,
        reason: &str,
        message: &str,
    ) {
        let record = EventRecord {
            regarding,
            event_type,
            reason: reason.into(),
            message: message.into(),
            component: Str::new_static("kubelet"),
            host: self.node.name.clone(),
        };
        self.cx.event(cause, record);
    }

    /// Says once what is assumed that no input says.
    pub(super) fn assume(&mut self, cause: FactId, subject: &str, text: &str) {
        let assumption = Assumption { subject: subject.into(), text: text.into() };
        if self.shared.assumed.insert(assumption.clone()) {
            self.cx.fact(cause, FactKind::Assumed(assumption.into()));
        }
    }

    /// Says once what is not modelled.
    pub(super) fn unmodelled(&mut self, cause: FactId, subject: &str, text: &str) {
        let assumption = Assumption { subject: subject.into(), text: text.into() };
        if self.shared.assumed.insert(assumption.clone()) {
            self.cx.fact(cause, FactKind::Unmodelled(assumption.into()));
        }
    }
}

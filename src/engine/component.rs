//! The seam between the engine and the parts of the cluster.

use super::{Answer, Cx};
use crate::base::time::SimTime;

/// Why a component wants to be woken, in a word or two: it is what a run with `--stats` counts.
pub type WakeReason = &'static str;

/// A part of the cluster: plain state, driven by events, without any I/O.
pub trait Component {
    /// News has come: advance the informers, note what is to be done.
    fn sync(&mut self, cx: &mut Cx<'_>);

    /// The time asked for has come: do what is due.
    fn wake(&mut self, cx: &mut Cx<'_>);

    /// A reply to a request of one's own.
    fn reply(&mut self, answer: Answer, cx: &mut Cx<'_>);

    /// When to be woken next, and why; `None` when only news matters. Asked after every event.
    fn next_wake(&self) -> Option<(SimTime, WakeReason)>;
}

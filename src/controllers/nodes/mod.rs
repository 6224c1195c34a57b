//! The controllers that watch over nodes.
//!
//! [`lifecycle`] follows `pkg/controller/nodelifecycle`: a node whose lease is not renewed for 50 s is
//! not ready, and conditions and cordons become taints; [`zones`] holds back how fast. [`eviction`] follows `pkg/controller/tainteviction`:
//! pods that do not tolerate a `NoExecute` taint go, at once or when their toleration ends. [`pod_gc`]
//! follows `pkg/controller/podgc`: pods that nobody will finish go.

pub mod corpus;
mod eviction;
mod lifecycle;
mod pod_gc;
mod taints;
#[cfg(test)]
mod tests;
mod zones;

pub use eviction::TaintEvictionController;
pub use lifecycle::NodeLifecycleController;
pub use pod_gc::PodGcController;

use std::time::Duration;

use crate::base::time::SimTime;

/// The next multiple of `period` at `at` or after it, counted from the epoch: when something that looks
/// round at that period would see it.
fn next_round(at: SimTime, period: Duration) -> SimTime {
    let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
    SimTime::from_nanos(at.as_nanos().div_ceil(period).saturating_mul(period))
}

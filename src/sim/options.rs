//! What a simulation is built from.

use crate::base::time::SimTime;
use crate::engine::Latency;

/// The settings of a run. All of them, with the input, determine every byte of the output.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed of all randomness.
    pub seed: u64,
    /// The clock at the start.
    pub start: Start,
    /// How long things take.
    pub latency: Latency,
    /// The scheduler's profiles.
    pub scheduler: crate::scheduler::Config,
    /// The pod whose scheduling is to be explained.
    pub explained: Option<crate::model::Key>,
    /// Of so many pods the last scheduling decision is kept, to be explained; of the first that are tried.
    pub explained_first: usize,
    /// Draws the order of simultaneous events from that seed instead of taking them in turn.
    pub shuffle_ties: Option<u64>,
    /// Whether the cluster stands in a cloud that gives addresses to Services of type LoadBalancer, and
    /// has a controller for Ingresses.
    pub cloud: bool,
    /// What is assumed of images and registries.
    pub images: crate::kubelet::ImageModel,
    /// What is told of the programs of images.
    pub behaviors: Vec<crate::kubelet::ImageBehavior>,
}

/// When a simulation starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start(
    /// The virtual time of its first instant.
    pub SimTime,
);

impl Default for Start {
    /// 2026-01-01T00:00:00Z, a Thursday: a fixed day, so that a run without `--start` is reproducible.
    fn default() -> Self {
        Self(SimTime::from_secs(1_767_225_600))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            start: Start::default(),
            latency: Latency::default(),
            scheduler: crate::scheduler::Config::default(),
            explained: None,
            explained_first: 0,
            shuffle_ties: None,
            cloud: true,
            images: crate::kubelet::ImageModel::default(),
            behaviors: Vec::new(),
        }
    }
}

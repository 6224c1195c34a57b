//! How long things take that are not modelled in detail.
//!
//! The defaults were read off recordings of a real v1.36 cluster. All are plain constants: jitter that
//! Kubernetes itself adds (back-offs, resyncs) is drawn where it adds it.

use std::time::Duration;

/// The latency model of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    /// From sending a request until the API server has carried it out.
    pub api_write: Duration,
    /// From there until the reply is back.
    pub api_reply: Duration,
    /// From a change in the store until a watching process has heard of it.
    pub watch: Duration,
    /// kubectl's start, discovery and client-side work before its first request.
    pub kubectl_start: Duration,
    /// One scheduling cycle.
    pub scheduling: Duration,
    /// From a bound pod's arrival at the node agent until it first looks for its volumes; they are
    /// looked for again after [`Latency::volume_poll`].
    pub pod_admit: Duration,
    /// The node agent's wait between looks at a pod's volumes (`podAttachAndMountRetryInterval`).
    pub volume_poll: Duration,
    /// Setting up a sandbox.
    pub sandbox_start: Duration,
    /// Creating a container.
    pub container_create: Duration,
    /// Starting a created container.
    pub container_start: Duration,
    /// The least time an image pull takes.
    pub image_pull: Duration,
    /// Bytes per second of image pulls; 0 for no limit.
    pub image_bandwidth: u64,
    /// The period in which the node agent looks for ended containers (PLEG relist).
    pub pleg_relist: Duration,
    /// From a process's end until the runtime reports the container as ended.
    pub container_stop: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            api_write: ms(4),
            api_reply: ms(1),
            watch: ms(2),
            kubectl_start: ms(80),
            scheduling: ms(1),
            pod_admit: ms(10),
            volume_poll: ms(300),
            sandbox_start: ms(5),
            container_create: ms(8),
            container_start: ms(10),
            image_pull: ms(300),
            image_bandwidth: 0,
            pleg_relist: ms(1000),
            container_stop: ms(5),
        }
    }
}

impl Latency {
    /// Nothing takes time that Kubernetes does not make wait for: for teaching.
    pub fn instant() -> Self {
        Self {
            api_write: Duration::ZERO,
            api_reply: Duration::ZERO,
            watch: Duration::ZERO,
            kubectl_start: Duration::ZERO,
            scheduling: Duration::ZERO,
            pod_admit: Duration::ZERO,
            volume_poll: Duration::ZERO,
            sandbox_start: Duration::ZERO,
            container_create: Duration::ZERO,
            container_start: Duration::ZERO,
            image_pull: Duration::ZERO,
            image_bandwidth: 0,
            pleg_relist: Duration::from_secs(1),
            container_stop: Duration::ZERO,
        }
    }
}

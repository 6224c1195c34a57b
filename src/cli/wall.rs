//! The machine's clock: how long a run took. The one place that looks at it.

use std::time::{Duration, Instant};

/// A moment on the machine's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wall(Instant);

impl Wall {
    /// Now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the named edge: real time spent is told to the user"
    )]
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }

    /// The real time since then.
    pub(super) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

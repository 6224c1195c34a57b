//! Exponential back-off: a first delay that doubles up to a limit.

use std::time::Duration;

/// The shape of a back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The delay after the first failure.
    pub first: Duration,
    /// No delay is longer.
    pub limit: Duration,
}

impl Backoff {
    /// The delay after `failures` failures in a row: none after none, then `first`, doubling up to
    /// `limit` (as `k8s.io/client-go/util/workqueue`, `ItemExponentialFailureRateLimiter`).
    pub fn delay(self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.checked_mul(factor).map_or(self.limit, |d| d.min(self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_doubles_until_the_limit() {
        let b = Backoff { first: Duration::from_secs(10), limit: Duration::from_secs(300) };
        let secs: Vec<u64> = (0..8).map(|n| b.delay(n).as_secs()).collect();
        assert_eq!(secs, [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(b.delay(u32::MAX).as_secs(), 300);
    }
}

//! Seeded randomness in named streams.
//!
//! Every draw belongs to a purpose and an object: `rng.stream("pod-suffix", "default/web")`. A stream
//! depends on the seed, the purpose and the key alone, so that a draw added in one place moves nothing
//! anywhere else. There is no other source of randomness in the program.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::digest::Digest;

/// The root of all streams: the run's seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rng {
    seed: u64,
}

/// The alphabet of Kubernetes' random suffixes
/// (`k8s.io/apimachinery/pkg/util/rand`, `alphanums`): no vowels, no look-alikes.
pub const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

impl Rng {
    /// All the streams of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed, to be printed with every result.
    pub const fn seed(self) -> u64 {
        self.seed
    }

    /// The stream for `purpose` and `key`. Asking twice gives the same draws twice.
    pub fn stream(self, purpose: &str, key: &str) -> Stream {
        self.numbered_stream(purpose, key, 0)
    }

    /// The `n`-th stream for `purpose` and `key`, for what happens to one object again and again.
    pub fn numbered_stream(self, purpose: &str, key: &str, n: u64) -> Stream {
        let mut d = Digest::new(self.seed);
        d.bytes(purpose.as_bytes());
        d.bytes(key.as_bytes());
        d.word(n);
        Stream(ChaCha8Rng::seed_from_u64(d.value()))
    }
}

/// One named stream of draws.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// Any 64-bit number.
    pub fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..n`, uniform to within one part in 2^64.
    ///
    /// # Panics
    /// When `n` is zero.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "a draw needs at least one outcome");
        let wide = u128::from(self.word()) * u128::from(n);
        u64::try_from(wide >> 64).expect("the high half of a 64 by 64 bit product")
    }

    /// A length of time in `0..length`.
    pub fn up_to(&mut self, length: Duration) -> Duration {
        match u64::try_from(length.as_nanos()).unwrap_or(u64::MAX) {
            0 => Duration::ZERO,
            n => Duration::from_nanos(self.below(n)),
        }
    }

    /// `length` stretched by a factor in `1..1 + percent/100`, as `wait.Jitter` stretches.
    pub fn jitter(&mut self, length: Duration, percent: u32) -> Duration {
        length + self.up_to(length * percent / 100)
    }

    /// A 128-bit number, for uids.
    pub fn wide(&mut self) -> u128 {
        u128::from(self.word()) << 64 | u128::from(self.word())
    }

    /// A suffix of `len` characters as the API server appends to `generateName`
    /// (`k8s.io/apimachinery/pkg/util/rand`, `String`).
    pub fn suffix(&mut self, len: usize) -> String {
        (0..len)
            .map(|_| {
                let i = usize::try_from(self.below(27)).expect("below 27");
                char::from(SUFFIX_ALPHABET[i])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_purpose_and_key_alone() {
        let draw = |seed, purpose, key| Rng::new(seed).stream(purpose, key).word();
        assert_eq!(draw(1, "suffix", "web"), draw(1, "suffix", "web"));
        assert_ne!(draw(1, "suffix", "web"), draw(2, "suffix", "web"));
        assert_ne!(draw(1, "suffix", "web"), draw(1, "jitter", "web"));
        assert_ne!(draw(1, "suffix", "web"), draw(1, "suffix", "api"));
        assert_ne!(draw(1, "suffix", "ab"), draw(1, "suffixa", "b"));
    }

    #[test]
    fn draws_stay_in_range() {
        let mut s = Rng::new(7).stream("test", "range");
        for n in [1, 2, 27, 1000] {
            assert!((0..1000).all(|_| s.below(n) < n));
        }
        let ten = Duration::from_secs(10);
        for _ in 0..1000 {
            let j = s.jitter(ten, 50);
            assert!(j >= ten && j < Duration::from_secs(15));
        }
        assert!(s.suffix(5).bytes().all(|b| SUFFIX_ALPHABET.contains(&b)));
    }
}

//! A running 64-bit digest of everything that happened: two runs, one number.
//!
//! Not cryptographic. It folds words with a multiply-and-mix step whose only duty is that any
//! difference in value or order shows.

/// A digest under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

const PRIME_A: u64 = 0x9e37_79b9_7f4a_7c15;
const PRIME_B: u64 = 0xbf58_476d_1ce4_e5b9;
const PRIME_C: u64 = 0x94d0_49bb_1331_11eb;

/// Spreads every bit of `x` over the word (the finaliser of splitmix64).
pub const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(PRIME_B);
    let x = (x ^ (x >> 27)).wrapping_mul(PRIME_C);
    x ^ (x >> 31)
}

impl Digest {
    /// An empty digest, apart from the number it starts from.
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed ^ PRIME_A))
    }

    /// Folds in one word.
    #[inline]
    pub const fn word(&mut self, w: u64) {
        self.0 = mix(self.0.rotate_left(5).wrapping_add(PRIME_A) ^ w);
    }

    /// Folds in bytes and their number, so that `ab`+`c` and `a`+`bc` differ.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for c in &mut chunks {
            self.word(u64::from_le_bytes(c.try_into().expect("chunks of eight")));
        }
        let rest = chunks.remainder();
        let mut last = [0u8; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last));
        self.word(bytes.len() as u64);
    }

    /// The number so far.
    pub const fn value(self) -> u64 {
        mix(self.0)
    }
}

/// The digest of one text under a seed.
pub fn digest_of(seed: u64, bytes: &[u8]) -> u64 {
    let mut d = Digest::new(seed);
    d.bytes(bytes);
    d.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_boundaries_show() {
        let of = |parts: &[&str]| {
            let mut d = Digest::new(1);
            for p in parts {
                d.bytes(p.as_bytes());
            }
            d.value()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["a", "b"]), of(&["b", "a"]));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
    }
}

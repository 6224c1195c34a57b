//! Batteries that know nothing of Kubernetes: virtual time, seeded randomness, names, digests, tables.
//!
//! Everything above this module may use it; it uses nothing of the crate. What belongs here is small,
//! pure and total: no clocks, no environment, no I/O.

pub mod backoff;
pub mod cron;
pub mod decimal;
pub mod digest;
pub mod length;
pub mod quantity;
pub mod rng;
pub mod time;
pub mod wildcard;

/// A name or any other short text that is shared a lot: cloning is O(1), up to 23 bytes live inline.
pub type Str = smol_str::SmolStr;

/// A hash map with a fixed hasher, for look-ups only: iterating it is an error of ours (clippy's
/// `iter_over_hash_type`), since its order means nothing.
#[expect(clippy::disallowed_types, reason = "the one place that fixes the hasher")]
pub type Map<K, V> = std::collections::HashMap<K, V, rustc_hash::FxBuildHasher>;

/// A hash set with a fixed hasher, for look-ups only; see [`Map`].
#[expect(clippy::disallowed_types, reason = "the one place that fixes the hasher")]
pub type Set<T> = std::collections::HashSet<T, rustc_hash::FxBuildHasher>;

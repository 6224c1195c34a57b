//! The recorded answers of the real controllers' functions, held against ours: one check per corpus.
//!
//! Each file here has a `check` that takes one case; see `api::corpus` for the form.

pub mod revision_hash;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::corpus::tests::check;

    #[test]
    fn hashes_and_revisions_are_as_recorded() {
        check("revision-hash-a.jsonl.zst", revision_hash::check, 1000);
    }
}

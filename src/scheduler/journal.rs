//! What has changed of late, for readers that remember how far they have read.
//!
//! Upstream copies into its snapshot what has a newer generation (`pkg/scheduler/backend/cache`,
//! `Cache.UpdateSnapshot`); here many readers follow the same changes, each at its own pace. A reader
//! that was away for too long is told so, and looks at everything.

use std::collections::VecDeque;

/// The latest changes, oldest first.
#[derive(Clone, Debug)]
pub struct Journal<T> {
    forgotten: u64,
    recent: VecDeque<T>,
}

/// So many changes are kept.
const KEPT: usize = 8192;

impl<T> Journal<T> {
    /// Notes a change.
    pub fn note(&mut self, what: T) {
        if self.recent.len() == KEPT {
            self.recent.pop_front();
            self.forgotten += 1;
        }
        self.recent.push_back(what);
    }

    /// How many changes there have been: where a reader stands that has read them all.
    pub fn end(&self) -> u64 {
        self.forgotten + self.recent.len() as u64
    }

    /// The changes after the first `seen`; `None` where some of them are no longer known.
    pub fn since(&self, seen: u64) -> Option<impl ExactSizeIterator<Item = &T>> {
        let skipped = usize::try_from(seen.checked_sub(self.forgotten)?).ok()?;
        Some(self.recent.range(skipped.min(self.recent.len())..))
    }
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self { forgotten: 0, recent: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_what_came_after_it_looked_last() {
        let mut journal = Journal::default();
        journal.note(1);
        let seen = journal.end();
        journal.note(2);
        journal.note(3);
        let after = |seen| journal.since(seen).map(|new| new.copied().collect::<Vec<_>>());
        assert_eq!(after(seen), Some(vec![2, 3]));
        assert_eq!(after(journal.end()), Some(vec![]));
    }

    #[test]
    fn a_reader_that_was_away_for_too_long_is_told_so() {
        let mut journal = Journal::default();
        (0..=KEPT).for_each(|i| journal.note(i));
        assert!(journal.since(0).is_none());
        assert_eq!(journal.since(1).map(|new| new.len()), Some(KEPT));
    }
}

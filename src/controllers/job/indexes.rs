//! Sets of completion indexes, as a Job's status writes them: `1,3-5`.
//!
//! Follows `pkg/controller/job/indexed_job_utils.go`, `orderedIntervals`. The sets are small even
//! where the Job is large, since indexes mostly complete in runs. The numbers are signed and wide as
//! upstream's are: a text by hand (`5-3`) is read as it is there.

use std::fmt;

/// A set of indexes as intervals in ascending order that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexes(Vec<Interval>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    first: i64,
    last: i64,
}

impl Interval {
    fn len(self) -> i64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

impl Indexes {
    /// The set that a text names, as far as it lies below `completions`; what is no number is skipped
    /// (`parseIndexesFromString`).
    pub fn parse(text: &str, completions: i64) -> Self {
        let mut all: Vec<Interval> = Vec::new();
        if text.is_empty() {
            return Self(all);
        }
        for part in text.split(',') {
            let mut limits = part.split('-');
            let Some(Ok(first)) = limits.next().map(str::parse::<i64>) else { continue };
            if first >= completions {
                break;
            }
            let last = match limits.next().map(str::parse::<i64>) {
                None => first,
                Some(Ok(last)) => last.min(completions - 1),
                Some(Err(_)) => continue,
            };
            match all.last_mut() {
                Some(before) if before.last == first - 1 => before.last = last,
                _ => all.push(Interval { first, last }),
            }
        }
        Self(all)
    }

    /// The set with these indexes, which must be in ascending order, added (`withOrderedIndexes`).
    #[must_use]
    pub fn with(&self, ascending: impl IntoIterator<Item = i64>) -> Self {
        self.merge(&Self(ascending.into_iter().map(|i| Interval { first: i, last: i }).collect()))
    }

    /// Both sets together (`merge`).
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        let mut all: Vec<Interval> = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            let next = match (ours.peek(), theirs.peek()) {
                (Some(a), Some(b)) if a.first < b.first => ours.next(),
                (Some(_), None) => ours.next(),
                (_, Some(_)) => theirs.next(),
                (None, None) => break,
            };
            let Some(next) = next else { break };
            match all.last_mut() {
                Some(before) if next.first <= before.last.saturating_add(1) => {
                    before.last = before.last.max(next.last);
                }
                _ => all.push(*next),
            }
        }
        Self(all)
    }

    /// How many indexes there are.
    pub fn total(&self) -> i64 {
        self.0.iter().fold(0, |sum, i| sum.saturating_add(i.len()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the set holds `index`.
    pub fn has(&self, index: i64) -> bool {
        let i = self.0.partition_point(|i| i.last < index);
        self.0.get(i).is_some_and(|i| i.first <= index)
    }

    /// The first `count` indexes below `completions` that are not in the set
    /// (`firstPendingIndexes`, once the set holds all that is not pending).
    pub fn first_missing(&self, count: usize, completions: i64) -> Vec<i64> {
        let mut missing = Vec::with_capacity(count.min(512));
        let mut candidate = 0;
        for interval in &self.0 {
            let until = interval.first.min(completions);
            while candidate < until && missing.len() < count {
                missing.push(candidate);
                candidate += 1;
            }
            candidate = candidate.max(interval.last.saturating_add(1));
        }
        while candidate < completions && missing.len() < count {
            missing.push(candidate);
            candidate += 1;
        }
        missing
    }

    /// How many indexes are in both sets (`matchSucceededIndexesRule`).
    pub fn overlap(&self, other: &Self) -> i64 {
        let (mut i, mut j, mut both) = (0, 0, 0i64);
        while let (Some(a), Some(b)) = (self.0.get(i), other.0.get(j)) {
            let common = Interval { first: a.first.max(b.first), last: a.last.min(b.last) }.len();
            both = both.saturating_add(common.max(0));
            i += usize::from(a.last <= b.last);
            j += usize::from(b.last <= a.last);
        }
        both
    }
}

impl fmt::Display for Indexes {
    /// `1`, `1,2`, `1-3`: runs of three or more are written with a dash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Interval { first, last }) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{first}")?;
            if last > first {
                let joint = if *last == first + 1 { ',' } else { '-' };
                write!(f, "{joint}{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Indexes {
        Indexes::parse(text, 100)
    }

    #[test]
    fn pairs_are_written_with_a_comma_and_longer_runs_with_a_dash() {
        assert_eq!(Indexes::default().with([1, 3, 4, 6, 7, 8]).to_string(), "1,3,4,6-8");
        assert_eq!(set("1,2,3,9-11").to_string(), "1-3,9-11");
    }

    #[test]
    fn what_lies_beyond_the_completions_or_is_no_number_is_left_out() {
        assert_eq!(Indexes::parse("0-9", 5).to_string(), "0-4");
        assert_eq!(Indexes::parse("1,x,3", 5).to_string(), "1,3");
        assert_eq!(Indexes::parse("-1", 5).total(), 0);
    }

    #[test]
    fn a_set_knows_what_it_holds_and_what_it_lacks() {
        let s = set("0,2-4,9");
        let held: Vec<i64> = (0..11).filter(|i| s.has(*i)).collect();
        assert_eq!(held, [0, 2, 3, 4, 9]);
        assert_eq!(s.first_missing(3, 11), [1, 5, 6]);
        assert_eq!(s.first_missing(9, 11), [1, 5, 6, 7, 8, 10]);
        assert_eq!(s.overlap(&set("0-2,9-20")), 3);
    }
}

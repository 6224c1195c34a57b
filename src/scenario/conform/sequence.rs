//! How alike two sequences are: the longest matching block, then the same on both sides of it
//! (Ratcliff and Obershelp), as Python's `difflib.SequenceMatcher` does, so that the numbers are
//! the ones the recordings were tuned with.

use std::collections::BTreeMap;

/// From this length on, elements that make up more than a hundredth of the second sequence are not
/// looked for, where [`Popular::Skipped`].
const POPULAR_FROM: usize = 200;

/// What becomes of elements that stand in very many places.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Popular {
    /// They begin no match in a long sequence.
    Skipped,
    /// They count as any other.
    Kept,
}

/// A likeness between 0 and 1 as a ratio of whole numbers.
#[derive(Clone, Copy)]
pub(super) struct Likeness {
    twice_matched: usize,
    length: usize,
}

impl Likeness {
    /// Of two sequences.
    pub(super) fn of<T: Ord>(a: &[T], b: &[T], popular: Popular) -> Self {
        match a.len() + b.len() {
            0 => Self { twice_matched: 1, length: 1 },
            length => Self { twice_matched: 2 * matched(a, b, popular), length },
        }
    }

    /// Of two texts, by character.
    pub(super) fn of_texts(a: &str, b: &str) -> Self {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        Self::of(&a, &b, Popular::Skipped)
    }

    /// Whether it is at least so many hundredths.
    pub(super) fn is_at_least(self, hundredths: usize) -> bool {
        self.twice_matched * 100 >= hundredths * self.length
    }

    /// Whether it is greater than another one.
    pub(super) fn exceeds(self, other: Self) -> bool {
        self.twice_matched * other.length > other.twice_matched * self.length
    }
}

/// The length of all matching blocks.
fn matched<T: Ord>(a: &[T], b: &[T], popular: Popular) -> usize {
    let places = places(b, popular);
    let mut total = 0;
    let mut open = vec![(0, a.len(), 0, b.len())];
    while let Some((a_from, a_to, b_from, b_to)) = open.pop() {
        let (i, j, size) = longest(a, b, &places, (a_from, a_to), (b_from, b_to));
        if size > 0 {
            total += size;
            open.push((a_from, i, b_from, j));
            open.push((i + size, a_to, j + size, b_to));
        }
    }
    total
}

/// Where each element stands in a sequence.
fn places<T: Ord>(b: &[T], popular: Popular) -> BTreeMap<&T, Vec<usize>> {
    let mut places: BTreeMap<&T, Vec<usize>> = BTreeMap::new();
    for (j, element) in b.iter().enumerate() {
        places.entry(element).or_default().push(j);
    }
    if popular == Popular::Skipped && b.len() >= POPULAR_FROM {
        let most = b.len() / 100 + 1;
        places.retain(|_, at| at.len() <= most);
    }
    places
}

/// The longest block that both ranges have, the earliest of equal ones: where it begins in each,
/// and its length.
fn longest<T: Ord>(
    a: &[T],
    b: &[T],
    places: &BTreeMap<&T, Vec<usize>>,
    (a_from, a_to): (usize, usize),
    (b_from, b_to): (usize, usize),
) -> (usize, usize, usize) {
    let (mut best_i, mut best_j, mut size) = (a_from, b_from, 0);
    // How long the match is that ends before this place of the range of b.
    let mut before = vec![0_usize; b_to - b_from + 1];
    let mut ended: Vec<usize> = Vec::new();
    for (i, element) in a.iter().enumerate().take(a_to).skip(a_from) {
        let mut now: Vec<(usize, usize)> = Vec::new();
        for &j in places.get(element).map_or(&[][..], Vec::as_slice) {
            if j < b_from || j >= b_to {
                continue;
            }
            let length = before[j - b_from] + 1;
            now.push((j - b_from + 1, length));
            if length > size {
                (best_i, best_j, size) = (i + 1 - length, j + 1 - length, length);
            }
        }
        for at in ended.drain(..) {
            before[at] = 0;
        }
        for (at, length) in now {
            before[at] = length;
            ended.push(at);
        }
    }
    // Popular elements begin no match, but they lengthen one.
    while best_i > a_from && best_j > b_from && a[best_i - 1] == b[best_j - 1] {
        (best_i, best_j, size) = (best_i - 1, best_j - 1, size + 1);
    }
    while best_i + size < a_to && best_j + size < b_to && a[best_i + size] == b[best_j + size] {
        size += 1;
    }
    (best_i, best_j, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected numbers are those of Python's difflib.
    fn check(a: &str, b: &str, twice_matched: usize, length: usize) {
        let got = Likeness::of_texts(a, b);
        assert_eq!((got.twice_matched, got.length), (twice_matched, length), "{a} {b}");
    }

    #[test]
    fn texts_are_as_alike_as_difflib_says() {
        check("abxcd", "abcd", 8, 9);
        check("qabxcd", "abycdf", 8, 12);
        check("", "", 1, 1);
        check("abc", "", 0, 3);
        check("private Thread currentThread;", "private volatile Thread currentThread;", 58, 67);
    }

    #[test]
    fn what_is_popular_in_a_long_text_begins_no_match() {
        let long = "ab".repeat(100);
        check(&long, &long, 400, 400);
        let (a, b) = (format!("{long}#"), format!("#{long}"));
        check(&a, &b, 2, 402);
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        assert_eq!(Likeness::of(&a, &b, Popular::Kept).twice_matched, 400);
    }

    #[test]
    fn likeness_is_compared_exactly() {
        let ratio = |twice_matched, length| Likeness { twice_matched, length };
        assert!(ratio(17, 20).is_at_least(85) && !ratio(84, 100).is_at_least(85));
        assert!(ratio(2, 3).exceeds(ratio(3, 5)) && !ratio(2, 4).exceeds(ratio(1, 2)));
    }
}

//! Did you mean …: the known word that is nearest to a mistyped one.

/// The nearest of `known` words, if one is near enough to be a slip: at most a third of the letters
/// differ, and at most three. Case counts as nothing; of equally near ones the first wins.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = word.to_lowercase();
    if lower.chars().count() > LONGEST {
        return None;
    }
    let allowed = (lower.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *candidate != word)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Longer words are no slips of the finger.
const LONGEST: usize = 64;

/// How many letters must be put in, left out, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before_last[j - 2] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["replicas", "selector", "template", "containers", "image"];
        let check =
            |word: &str, wanted: Option<&str>| assert_eq!(nearest(word, known), wanted, "{word}");
        check("replica", Some("replicas"));
        check("Replicas", Some("replicas"));
        check("contaners", Some("containers"));
        check("imaeg", Some("image"));
        check("tmpl", None);
        check("foo", None);
        check("image", None);
        check("", None);
    }
}

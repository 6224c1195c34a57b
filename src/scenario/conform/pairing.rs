//! Who is who on the other side: units of one group are paired by best assignment, the marks of
//! one label by best alignment.

use std::collections::BTreeMap;

use super::ConformError;
use super::marks::{Mark, Unit};

/// The largest group of exchangeable objects that is paired: two sides of at most this many.
pub const MAX_GROUP: usize = 2_000;

/// The largest alignment: marks of one label on one side times those on the other.
pub const MAX_ALIGNMENT: usize = 16_000_000;

/// What is paired: each side has one, or one side alone.
pub(super) type Pair<T> = (Option<T>, Option<T>);

/// The marks of a unit by label, each list in order of time.
pub(super) type Labels<'a> = BTreeMap<&'a str, Vec<&'a Mark>>;

/// The marks of a unit by label.
pub(super) fn labels(unit: &Unit) -> Labels<'_> {
    let mut labels: Labels<'_> = BTreeMap::new();
    for mark in &unit.marks {
        labels.entry(&mark.what).or_default().push(mark);
    }
    labels
}

/// The labels of either side with the marks of both.
pub(super) fn by_label<'a, 'b>(
    a: &'b Labels<'a>,
    b: &'b Labels<'a>,
) -> impl Iterator<Item = (&'b [&'a Mark], &'b [&'a Mark])> {
    let both = a.iter().map(|(what, x)| (x.as_slice(), b.get(what).map_or(&[][..], Vec::as_slice)));
    let only_b = b.iter().filter(|(what, _)| !a.contains_key(*what));
    both.chain(only_b.map(|(_, y)| (&[][..], y.as_slice())))
}

/// Pairs the units of two traces, group by group.
///
/// # Errors
/// When a group is larger than [`MAX_GROUP`].
pub(super) fn pair_units<'a>(
    real: &'a [Unit],
    simulated: &'a [Unit],
) -> Result<Vec<Pair<&'a Unit>>, ConformError> {
    let mut groups: BTreeMap<&str, (Vec<&Unit>, Vec<&Unit>)> = BTreeMap::new();
    for unit in real {
        groups.entry(&unit.group).or_default().0.push(unit);
    }
    for unit in simulated {
        groups.entry(&unit.group).or_default().1.push(unit);
    }
    let mut pairs = Vec::new();
    for (group, (a, b)) in groups {
        if a.len().min(b.len()) > 0 && a.len().max(b.len()) > MAX_GROUP {
            return Err(ConformError::Crowded { group: group.to_owned(), limit: MAX_GROUP });
        }
        pair_group(&a, &b, &mut pairs);
    }
    Ok(pairs)
}

fn pair_group<'a>(a: &[&'a Unit], b: &[&'a Unit], pairs: &mut Vec<Pair<&'a Unit>>) {
    if let ([a], [b]) = (a, b) {
        pairs.push((Some(*a), Some(*b)));
        return;
    }
    let flipped = a.len() > b.len();
    let (rows, columns) = if flipped { (b, a) } else { (a, b) };
    let order = |row, column| if flipped { (column, row) } else { (row, column) };
    let row_labels: Vec<Labels<'_>> = rows.iter().map(|u| labels(u)).collect();
    let column_labels: Vec<Labels<'_>> = columns.iter().map(|u| labels(u)).collect();
    let cost = |i: usize, j: usize| {
        let elsewhere = if rows[i].node == columns[j].node { 0.0 } else { 0.05 };
        unlikeness(&row_labels[i], &column_labels[j]) + elsewhere
    };
    let cost: Vec<Vec<f64>> =
        (0..rows.len()).map(|i| (0..columns.len()).map(|j| cost(i, j)).collect()).collect();
    let assigned = assign(&cost, columns.len());
    let mut left = vec![true; columns.len()];
    for (row, &column) in rows.iter().zip(&assigned) {
        left[column] = false;
        pairs.push(order(Some(*row), Some(columns[column])));
    }
    for (column, _) in columns.iter().zip(left).filter(|(_, left)| *left) {
        pairs.push(order(None, Some(*column)));
    }
}

/// How badly two units would pair.
fn unlikeness(a: &Labels<'_>, b: &Labels<'_>) -> f64 {
    let mut cost = 0.0;
    for (x, y) in by_label(a, b) {
        for (p, q) in x.iter().zip(y) {
            if let (Some(p), Some(q)) = (p.t, q.t) {
                cost += ((p - q).abs() / 8.0).min(0.9);
            }
        }
        let both = x.len().min(y.len());
        let alone = x[both..].iter().chain(&y[both..]).filter(|m| m.solid).count();
        cost += u32::try_from(alone).map_or(f64::MAX, f64::from);
    }
    cost
}

/// The cheapest assignment of rows to columns (rows <= columns): the column of each row.
///
/// The Hungarian method with potentials; row and column 0 are sentinels.
fn assign(cost: &[Vec<f64>], columns: usize) -> Vec<usize> {
    let rows = cost.len();
    let (mut u, mut v) = (vec![0.0; rows + 1], vec![0.0; columns + 1]);
    let (mut row_of, mut way) = (vec![0_usize; columns + 1], vec![0_usize; columns + 1]);
    for i in 1..=rows {
        row_of[0] = i;
        let mut column = 0;
        let mut least = vec![f64::INFINITY; columns + 1];
        let mut used = vec![false; columns + 1];
        while row_of[column] != 0 {
            used[column] = true;
            let row = row_of[column];
            let (mut delta, mut next) = (f64::INFINITY, 0);
            for j in (1..=columns).filter(|&j| !used[j]) {
                let reduced = cost[row - 1][j - 1] - u[row] - v[j];
                if reduced < least[j] {
                    (least[j], way[j]) = (reduced, column);
                }
                if least[j] < delta {
                    (delta, next) = (least[j], j);
                }
            }
            for j in 0..=columns {
                if used[j] {
                    u[row_of[j]] += delta;
                    v[j] -= delta;
                } else {
                    least[j] -= delta;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[way[column]];
            column = way[column];
        }
    }
    let mut assigned = vec![0; rows];
    for (j, &row) in row_of.iter().enumerate().skip(1).filter(|(_, row)| **row > 0) {
        assigned[row - 1] = j - 1;
    }
    assigned
}

/// Two lists of marks of one label, aligned: pairs in order, and what stays alone on each side.
#[derive(Default)]
pub(super) struct Alignment<'a> {
    pub(super) pairs: Vec<(&'a Mark, &'a Mark)>,
    pub(super) only_real: Vec<&'a Mark>,
    pub(super) only_simulated: Vec<&'a Mark>,
}

/// What one step of an alignment takes, in the order in which equal costs are preferred.
#[derive(Clone, Copy)]
enum Take {
    Both,
    Real,
    Simulated,
}

/// Pairs two time-ordered lists of marks of one label, in order and at the least cost.
///
/// # Errors
/// When the lists are longer than [`MAX_ALIGNMENT`] allows.
pub(super) fn align<'a>(a: &[&'a Mark], b: &[&'a Mark]) -> Result<Alignment<'a>, ConformError> {
    let mut out = Alignment::default();
    if let ([a], [b]) = (a, b) {
        out.pairs.push((a, b));
        return Ok(out);
    }
    if a.len().saturating_mul(b.len()) > MAX_ALIGNMENT {
        let group = a.first().map_or_else(String::new, |m| format!("{}: {}", m.unit, m.what));
        return Err(ConformError::Crowded { group, limit: MAX_ALIGNMENT });
    }
    let take = cheapest(a, b);
    let width = b.len() + 1;
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        match take[i * width + j] {
            Take::Both => {
                out.pairs.push((a[i], b[j]));
                (i, j) = (i + 1, j + 1);
            }
            Take::Real => {
                out.only_real.push(a[i]);
                i += 1;
            }
            Take::Simulated => {
                out.only_simulated.push(b[j]);
                j += 1;
            }
        }
    }
    Ok(out)
}

/// The best next step at each place of both lists, from the end backwards.
fn cheapest(a: &[&Mark], b: &[&Mark]) -> Vec<Take> {
    let (n, m) = (a.len(), b.len());
    let width = m + 1;
    let skip = |mark: &Mark| if mark.solid { 1.0 } else { 0.02 };
    let mut cost = vec![0.0_f64; (n + 1) * width];
    let mut take = vec![Take::Both; (n + 1) * width];
    for i in (0..=n).rev() {
        for j in (0..=m).rev() {
            let at = i * width + j;
            let mut best = f64::INFINITY;
            if i < n && j < m {
                let apart = a[i].t.zip(b[j].t).map_or(0.0, |(p, q)| (p - q).abs());
                best = cost[at + width + 1] + (apart / 60.0).min(0.9);
            }
            if i < n && cost[at + width] + skip(a[i]) < best {
                best = cost[at + width] + skip(a[i]);
                take[at] = Take::Real;
            }
            if j < m && cost[at + 1] + skip(b[j]) < best {
                best = cost[at + 1] + skip(b[j]);
                take[at] = Take::Simulated;
            }
            if i < n || j < m {
                cost[at] = best;
            }
        }
    }
    take
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(group: &str, marks: &[(f64, &str)]) -> Unit {
        let mut unit = Unit::new(group, group);
        for (t, what) in marks {
            unit.at(*t, *what);
        }
        unit
    }

    #[test]
    fn the_cheapest_assignment_is_found() {
        let cost = vec![vec![4.0, 1.0, 3.0], vec![2.0, 0.0, 5.0]];
        assert_eq!(assign(&cost, 3), [1, 0]);
        assert_eq!(assign(&[], 3), [0; 0]);
    }

    #[test]
    fn pods_of_one_group_are_paired_by_likeness() {
        let real = [unit("g", &[(0.0, "created")]), unit("g", &[(30.0, "created")])];
        let simulated = [
            unit("g", &[(31.0, "created")]),
            unit("g", &[(60.0, "other")]),
            unit("g", &[(1.0, "created")]),
        ];
        let pairs = pair_units(&real, &simulated).unwrap();
        let times = |u: Option<&Unit>| u.and_then(|u| u.marks[0].t);
        let got: Vec<_> = pairs.into_iter().map(|(a, b)| (times(a), times(b))).collect();
        assert_eq!(got, [(Some(0.0), Some(1.0)), (Some(30.0), Some(31.0)), (None, Some(60.0))]);
    }

    #[test]
    fn an_alignment_leaves_out_what_has_no_counterpart() {
        let real = unit("g", &[(0.0, "x"), (50.0, "x")]);
        let simulated = unit("g", &[(51.0, "x")]);
        let (a, b): (Vec<&Mark>, Vec<&Mark>) =
            (real.marks.iter().collect(), simulated.marks.iter().collect());
        let got = align(&a, &b).unwrap();
        assert_eq!(got.pairs.len(), 1);
        assert!(got.only_real[0].t.is_some_and(|t| t < 1.0) && got.only_simulated.is_empty());
    }
}

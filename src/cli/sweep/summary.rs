//! A line for each point of a sweep.

use std::time::Duration;

use super::rows::Rows;
use crate::report::tabs::align;
use crate::report::timeline::duration;
use crate::scenario::sweep::{Row, Verdict};

/// The rows of each point, in order: rows of one point have the same values.
pub(super) fn points(rows: &Rows) -> Vec<(&[String], Vec<&Row>)> {
    let mut points: Vec<(&[String], Vec<&Row>)> = Vec::new();
    for row in &rows.rows {
        match points.last_mut() {
            Some((values, of)) if *values == row.values => of.push(row),
            _ => points.push((&row.values, vec![row])),
        }
    }
    points
}

/// The value below which `percent` of all lie, the nearest that occurs.
pub(super) fn quantile(mut values: Vec<Duration>, percent: usize) -> Option<Duration> {
    values.sort_unstable();
    let place = (values.len() * percent).div_ceil(100).max(1) - 1;
    values.get(place).copied()
}

/// The table.
pub(super) fn render(rows: &Rows) -> String {
    let mut table: Vec<Vec<String>> = Vec::new();
    let fixed = ["runs", "passed", "ready p50", "ready max", "downtime max", "restarts", "pending"];
    let names = rows.parameters.iter().map(String::as_str).chain(fixed);
    table.push(names.map(str::to_ascii_uppercase).collect());
    for (values, of) in points(rows) {
        let passed = of.iter().filter(|r| r.verdict == Verdict::Passed).count();
        let ready: Vec<Duration> = of.iter().filter_map(|r| r.ready_after).collect();
        let never = of.len() - ready.len();
        let most = match (never, ready.iter().max()) {
            (0, Some(most)) => duration(*most),
            (0, None) => "-".to_owned(),
            (never, _) => format!("never ({never})"),
        };
        let median = quantile(ready, 50).map_or_else(|| "-".to_owned(), duration);
        let downtime = of.iter().map(|r| r.downtime).max().unwrap_or_default();
        let range = |value: fn(&Row) -> u64| {
            let (least, most) =
                (of.iter().map(|r| value(r)).min(), of.iter().map(|r| value(r)).max());
            match (least.unwrap_or(0), most.unwrap_or(0)) {
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least}-{most}"),
            }
        };
        let mut line: Vec<String> = values.to_vec();
        line.extend([
            of.len().to_string(),
            format!("{passed} ({}%)", passed * 100 / of.len()),
            median,
            most,
            duration(downtime),
            range(|r| r.restarts),
            range(|r| r.pending as u64),
        ]);
        table.push(line);
    }
    let lines: Vec<String> = table.iter().map(|line| line.join("\t")).collect();
    align(&lines.join("\n"), 0, 3) + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::sample;
    use super::*;

    #[test]
    fn a_point_is_a_line() {
        let table = render(&sample(0..6));
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert!(lines[0].starts_with("CLUSTER.NODES   X "), "{table}");
        let words: Vec<&str> =
            lines[1].split("   ").map(str::trim).filter(|w| !w.is_empty()).collect();
        assert_eq!(
            words,
            ["3", "a, \"b\"", "2", "1 (50%)", "1.5s", "1.5s", "1ms", "0-1", "1"],
            "{table}"
        );
        assert!(lines[3].contains("never (1)"), "{table}");
    }

    #[test]
    fn quantiles_are_values_that_occur() {
        let seconds = |all: &[u64]| all.iter().map(|s| Duration::from_secs(*s)).collect::<Vec<_>>();
        assert_eq!(quantile(seconds(&[4, 1, 3, 2]), 50), Some(Duration::from_secs(2)));
        assert_eq!(quantile(seconds(&[4, 1, 3, 2]), 100), Some(Duration::from_secs(4)));
        assert_eq!(quantile(Vec::new(), 50), None);
    }
}

//! The rows of a sweep as files have them, and put together from several.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::report::table::{Cells, Column, Grid, Table};
use crate::scenario::sweep::{MOST_RUNS, Row, Verdict};

/// The columns in front of the parameters, and those behind.
const BEFORE: [&str; 1] = ["run"];
const AFTER: [&str; 13] = [
    "seed",
    "verdict",
    "violations",
    "first_violation",
    "ready_after_ms",
    "downtime_ms",
    "pods",
    "restarts",
    "failed_pods",
    "pending",
    "length_ms",
    "events",
    "digest",
];

/// Rows with the parameters that they have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    /// The paths of the parameters.
    pub(super) parameters: Vec<String>,
    /// In the order of their numbers.
    pub(super) rows: Vec<Row>,
}

impl Rows {
    fn header(&self) -> Vec<String> {
        let own = self.parameters.iter().cloned();
        let fixed = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        fixed(&BEFORE).into_iter().chain(own).chain(fixed(&AFTER)).collect()
    }

    /// The cells behind the parameters, column by column.
    fn after(&self) -> [Cells; AFTER.len()] {
        let counts = |value: fn(&Row) -> u64| {
            Cells::Counts(self.rows.iter().map(|row| Some(value(row))).collect())
        };
        let texts = |value: fn(&Row) -> String| Cells::Text(self.rows.iter().map(value).collect());
        let ready = self.rows.iter().map(|row| row.ready_after.map(millis));
        [
            counts(|r| r.seed),
            texts(|r| r.verdict.to_string()),
            counts(|r| r.violations as u64),
            texts(|r| r.first_violation.clone()),
            Cells::Counts(ready.collect()),
            counts(|r| millis(r.downtime)),
            counts(|r| r.pods),
            counts(|r| r.restarts),
            counts(|r| r.failed_pods),
            counts(|r| r.pending as u64),
            counts(|r| millis(r.length)),
            counts(|r| r.events),
            texts(|r| format!("{:016x}", r.digest)),
        ]
    }

    /// As a table.
    pub(super) fn table(&self) -> Table {
        let values = |i: usize| self.rows.iter().map(|row| row.values[i].clone()).collect();
        let mut cells = vec![Cells::Counts(self.rows.iter().map(|row| Some(row.run)).collect())];
        cells.extend((0..self.parameters.len()).map(|i| Cells::guessed(values(i))));
        cells.extend(self.after());
        let columns = self.header().into_iter().zip(cells);
        Table::new(columns.map(|(name, cells)| Column { name, cells }).collect())
    }

    /// As comma-separated values, with a header.
    pub(super) fn to_csv(&self) -> String {
        self.table().csv()
    }

    /// As JSON: a list of objects.
    pub(super) fn to_json(&self) -> Value {
        self.table().json()
    }

    /// The rows of several files.
    ///
    /// # Errors
    /// A file that cannot be read or holds no rows of a sweep, files of different sweeps, a run that two files
    /// tell of differently.
    pub(super) fn merged(paths: &[PathBuf]) -> Result<Self, String> {
        let mut all: Option<Self> = None;
        for path in paths {
            let name = path.display();
            let bytes = std::fs::read(path).map_err(|e| format!("{name} cannot be read: {e}"))?;
            let rows = Self::parse(&bytes).map_err(|why| format!("{name}: {why}"))?;
            match &mut all {
                None => all = Some(rows),
                Some(all) if all.parameters != rows.parameters => {
                    let (a, b) = (all.parameters.join(", "), rows.parameters.join(", "));
                    return Err(format!(
                        "{name} is of another sweep: it has the parameters {b}, not {a}"
                    ));
                }
                Some(all) => all.rows.extend(rows.rows),
            }
        }
        let mut all = all.ok_or("there is nothing to merge")?;
        all.rows.sort_by_key(|row| row.run);
        all.rows.dedup();
        if let Some(pair) = all.rows.windows(2).find(|pair| pair[0].run == pair[1].run) {
            return Err(format!(
                "run {} is told of twice, and differently: these are different sweeps",
                pair[0].run
            ));
        }
        Ok(all)
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let most = usize::try_from(MOST_RUNS).unwrap_or(usize::MAX);
        let Grid { header, rows } = Grid::read(bytes, most)?;
        let fixed = BEFORE.len() + AFTER.len();
        let width = header.len().checked_sub(fixed).ok_or("these are no rows of a sweep")?;
        let parameters = header.iter().skip(BEFORE.len()).take(width).cloned().collect();
        let mut whole = Self { parameters, rows: Vec::new() };
        if header != whole.header() {
            return Err("these are no rows of a sweep".to_owned());
        }
        for (number, cells) in (1..).zip(&rows) {
            let row = row(cells, width);
            whole.rows.push(row.ok_or_else(|| format!("row {number} is no row of a sweep"))?);
        }
        Ok(whole)
    }

    /// Runs that no row tells of, in sentences.
    pub(super) fn gaps(&self) -> Option<String> {
        let there: BTreeSet<u64> = self.rows.iter().map(|r| r.run).collect();
        let last = there.last().copied()?;
        let missing = last + 1 - there.len() as u64;
        let first = (0..=last).find(|run| !there.contains(run))?;
        Some(format!(
            "{missing} runs below {last} are missing, the first of them {first}: is a shard missing?"
        ))
    }
}

/// Whole milliseconds.
fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

fn row(record: &[String], width: usize) -> Option<Row> {
    let at = |i: usize| record.get(1 + width + i).map(String::as_str);
    let number = |text: Option<&str>| text?.parse::<u64>().ok();
    let length = |i| Some(Duration::from_millis(number(at(i))?));
    Some(Row {
        run: number(record.first().map(String::as_str))?,
        values: record.iter().skip(1).take(width).cloned().collect(),
        seed: number(at(0))?,
        verdict: match at(1)? {
            "passed" => Verdict::Passed,
            "failed" => Verdict::Failed,
            _ => return None,
        },
        violations: usize::try_from(number(at(2))?).ok()?,
        first_violation: at(3)?.to_owned(),
        ready_after: if at(4)?.is_empty() { None } else { Some(length(4)?) },
        downtime: length(5)?,
        pods: number(at(6))?,
        restarts: number(at(7))?,
        failed_pods: number(at(8))?,
        pending: usize::try_from(number(at(9))?).ok()?,
        length: length(10)?,
        events: number(at(11))?,
        digest: u64::from_str_radix(at(12)?, 16).ok()?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::table::Format;

    pub(in crate::cli::sweep) fn sample(runs: impl Iterator<Item = u64>) -> Rows {
        let row = |run: u64| Row {
            run,
            values: vec![(3 + run / 2).to_string(), "a, \"b\"".into()],
            seed: 1 + run % 2,
            verdict: if run.is_multiple_of(3) { Verdict::Failed } else { Verdict::Passed },
            violations: usize::from(run.is_multiple_of(3)),
            first_violation: if run.is_multiple_of(3) {
                "it holds, always".into()
            } else {
                String::new()
            },
            ready_after: (run != 4).then(|| Duration::from_millis(1500 + run)),
            downtime: Duration::from_millis(run),
            pods: 7,
            restarts: run,
            failed_pods: 0,
            pending: 1,
            length: Duration::from_secs(600),
            events: 1000 + run,
            digest: 0xff00 + run,
        };
        Rows { parameters: vec!["cluster.nodes".into(), "x".into()], rows: runs.map(row).collect() }
    }

    fn files(name: &str, all: &[&Rows]) -> Vec<PathBuf> {
        let folder =
            std::env::temp_dir().join(format!("wavetank-sweep-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = |i: usize| folder.join(format!("{i}.csv"));
        all.iter()
            .enumerate()
            .for_each(|(i, rows)| std::fs::write(path(i), rows.to_csv()).unwrap());
        (0..all.len()).map(path).collect()
    }

    #[test]
    fn shards_put_together_are_the_whole() {
        let (whole, even, odd) =
            (sample(0..7), sample((0..7).step_by(2)), sample((1..7).step_by(2)));
        assert_eq!(Rows::merged(&files("whole", &[&odd, &even])), Ok(whole.clone()));
        assert_eq!(whole.gaps(), None);
        let gap = Rows::merged(&files("gap", &[&odd])).unwrap().gaps().unwrap();
        assert!(gap.starts_with("3 runs below 5 are missing, the first of them 0"), "{gap}");
    }

    #[test]
    fn parquet_and_csv_are_put_together_alike() {
        let (even, odd) = (sample((0..7).step_by(2)), sample((1..7).step_by(2)));
        let paths = files("formats", &[&even, &odd]);
        std::fs::write(&paths[1], odd.table().bytes(Format::Parquet)).unwrap();
        assert_eq!(Rows::merged(&paths), Ok(sample(0..7)));
    }

    #[test]
    fn what_is_of_another_sweep_is_refused() {
        let mut other = sample(0..3);
        other.parameters[0] = "seed".into();
        let refused = Rows::merged(&files("other", &[&sample(0..3), &other])).unwrap_err();
        assert!(refused.contains("another sweep"), "{refused}");
        let mut differs = sample(0..3);
        differs.rows[1].digest += 1;
        let refused = Rows::merged(&files("differs", &[&sample(0..3), &differs])).unwrap_err();
        assert!(refused.starts_with("run 1 is told of twice"), "{refused}");
        assert!(Rows::parse(b"a,b\n1,2\n").unwrap_err().contains("no rows of a sweep"));
    }
}

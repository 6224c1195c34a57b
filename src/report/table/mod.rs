//! Tables for other programs, written as comma-separated values or as Parquet by the ending of the file's name.
//!
//! Both hold the same: the same columns in the same order, the same values. A cell that holds nothing is empty
//! in the one and null in the other. Parquet knows what a column is (text, whole numbers, seconds), so that
//! nothing has to be guessed by who reads it. The same table gives the same bytes.

mod parquet;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// Named columns, all of them as long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub cells: Cells,
}

/// The cells of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cells {
    /// Text; the empty one is nothing.
    Text(Vec<String>),
    /// How many.
    Counts(Vec<Option<u64>>),
    /// Whole numbers that may be below zero.
    Numbers(Vec<Option<i64>>),
    /// Lengths of time, in seconds to the millisecond.
    Seconds(Vec<Option<Duration>>),
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180), with a header.
    Csv,
    /// Apache Parquet, without compression.
    Parquet,
}

impl Format {
    /// By the ending of a file's name: `.parquet`, and anything else is CSV.
    pub fn of(path: &Path) -> Self {
        match path.extension() {
            Some(ending) if ending.eq_ignore_ascii_case("parquet") => Self::Parquet,
            _ => Self::Csv,
        }
    }
}

impl Cells {
    fn len(&self) -> usize {
        match self {
            Self::Text(cells) => cells.len(),
            Self::Counts(cells) => cells.len(),
            Self::Numbers(cells) => cells.len(),
            Self::Seconds(cells) => cells.len(),
        }
    }

    /// Whole numbers where all of them are, written as numbers are; text otherwise.
    pub fn guessed(texts: Vec<String>) -> Self {
        let number = |text: &String| text.parse::<i64>().ok().filter(|n| n.to_string() == *text);
        match texts.iter().map(number).collect::<Option<Vec<i64>>>() {
            Some(numbers) => Self::Numbers(numbers.into_iter().map(Some).collect()),
            None => Self::Text(texts),
        }
    }

    fn text(&self, row: usize) -> String {
        match self {
            Self::Text(cells) => cells[row].clone(),
            Self::Counts(cells) => cells[row].map_or_else(String::new, |n| n.to_string()),
            Self::Numbers(cells) => cells[row].map_or_else(String::new, |n| n.to_string()),
            Self::Seconds(cells) => cells[row].map_or_else(String::new, seconds),
        }
    }

    fn json(&self, row: usize) -> Value {
        match self {
            Self::Text(cells) => or_null(Some(cells[row].as_str()).filter(|text| !text.is_empty())),
            Self::Counts(cells) => or_null(cells[row]),
            Self::Numbers(cells) => or_null(cells[row]),
            Self::Seconds(cells) => or_null(cells[row].map(|length| length.as_secs_f64())),
        }
    }
}

/// What nothing is in JSON.
fn or_null<T: Into<Value>>(value: Option<T>) -> Value {
    value.map_or(Value::Null, Into::into)
}

/// Seconds to the millisecond.
fn seconds(length: Duration) -> String {
    format!("{:.3}", length.as_secs_f64())
}

impl Table {
    /// A table of these columns.
    ///
    /// # Panics
    /// When they are not all as long: a defect of who made them.
    pub fn new(columns: Vec<Column>) -> Self {
        let lengths = columns.iter().map(|c| c.cells.len());
        assert!(lengths.clone().min() == lengths.max(), "the columns of a table are as long");
        Self { columns }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |c| c.cells.len())
    }

    /// As the file is written.
    pub fn bytes(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Csv => self.csv().into_bytes(),
            Format::Parquet => parquet::write(self),
        }
    }

    /// As JSON: a list of objects, numbers as numbers.
    pub fn json(&self) -> Value {
        let row = |row| {
            let cells = self.columns.iter().map(|c| (c.name.clone(), c.cells.json(row)));
            Value::Object(cells.collect())
        };
        (0..self.rows()).map(row).collect()
    }

    /// As comma-separated values, with a header.
    pub fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let takes = "memory takes everything, and all lines are as long";
        writer.write_record(self.columns.iter().map(|c| &c.name)).expect(takes);
        for row in 0..self.rows() {
            writer.write_record(self.columns.iter().map(|c| c.cells.text(row))).expect(takes);
        }
        let bytes = writer.into_inner().expect("memory takes everything");
        String::from_utf8(bytes).expect("the cells are text")
    }
}

/// A table as a file has it: all cells are text, as [`Table::csv`] writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// The names of the columns.
    pub header: Vec<String>,
    /// The rows; each has as many cells as there are columns.
    pub rows: Vec<Vec<String>>,
}

impl Grid {
    /// Reads what [`Table::bytes`] wrote, of either format; the bytes tell which.
    ///
    /// # Errors
    /// What is no such file, or holds more than `most` rows.
    pub fn read(bytes: &[u8], most: usize) -> Result<Self, String> {
        if bytes.starts_with(parquet::MAGIC) {
            parquet::read(bytes, most)
        } else {
            csv(bytes, most)
        }
    }
}

fn csv(bytes: &[u8], most: usize) -> Result<Grid, String> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|e| e.to_string())?;
    let header = header.iter().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        if rows.len() == most {
            return Err(too_many(most));
        }
        rows.push(record.iter().map(str::to_owned).collect());
    }
    Ok(Grid { header, rows })
}

fn too_many(most: usize) -> String {
    format!("it has more than {most} rows, the most that are read")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn sample() -> Table {
        let column = |name: &str, cells| Column { name: name.to_owned(), cells };
        Table::new(vec![
            column("pod", Cells::Text(vec!["web-0".into(), String::new(), "a, \"b\"\nµ".into()])),
            column("restarts", Cells::Counts(vec![Some(0), None, Some(u64::MAX)])),
            column("exit.code", Cells::Numbers(vec![None, Some(-1), Some(137)])),
            column(
                "ready",
                Cells::Seconds(vec![Some(Duration::from_millis(1500)), None, Some(Duration::ZERO)]),
            ),
        ])
    }

    #[test]
    fn both_formats_hold_the_same() {
        let table = sample();
        let csv = Grid::read(&table.bytes(Format::Csv), 3).unwrap();
        assert_eq!(csv.rows[2], ["a, \"b\"\nµ", "18446744073709551615", "137", "0.000"]);
        assert_eq!(csv.rows[1], ["", "", "-1", ""]);
        assert_eq!(Grid::read(&table.bytes(Format::Parquet), 3), Ok(csv));
    }

    #[test]
    fn no_more_rows_are_read_than_may_be() {
        for format in [Format::Csv, Format::Parquet] {
            let refused = Grid::read(&sample().bytes(format), 2).unwrap_err();
            assert!(refused.contains("more than 2 rows"), "{refused}");
        }
    }

    #[test]
    fn a_table_without_rows_keeps_its_columns() {
        let table = Table::new(vec![Column { name: "run".into(), cells: Cells::Counts(vec![]) }]);
        for format in [Format::Csv, Format::Parquet] {
            let grid = Grid::read(&table.bytes(format), 9).unwrap();
            assert_eq!(grid, Grid { header: vec!["run".into()], rows: vec![] });
        }
    }

    #[test]
    fn what_is_written_as_a_number_is_one_only_where_all_are() {
        let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let numbers = Cells::guessed(texts(&["3", "-4"]));
        assert_eq!(numbers, Cells::Numbers(vec![Some(3), Some(-4)]));
        for kept in [&["3", "100m"], &["03", "4"], &["+3", ""]] {
            assert_eq!(Cells::guessed(texts(kept)), Cells::Text(texts(kept)));
        }
    }

    #[test]
    fn the_ending_says_which_format_it_is() {
        assert_eq!(Format::of(Path::new("a/pods.Parquet")), Format::Parquet);
        assert_eq!(Format::of(Path::new("parquet")), Format::Csv);
    }
}

//! Tables as Apache Parquet: one row group, no compression, and nothing in it that is not the table's: no
//! time of writing.
//!
//! The name of who wrote it ends with a digest of the whole file, in which those digits count as zeros. A file
//! is read only when the digest is right: a Parquet file is full of offsets and lengths, and what a flipped bit
//! in one of them leads to is not for the reader of a format to find out.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::Field;
use parquet::schema::types::{Type, TypePtr};

use super::{Cells, Column, Grid, Table, seconds, too_many};
use crate::base::digest::digest_of;

/// Who wrote the file, up to the digits of its digest.
const WRITER: &str = "wavetank, digest ";
/// How many digits those are.
const DIGITS: usize = 16;

/// What the file begins with.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// The file.
pub(super) fn write(table: &Table) -> Vec<u8> {
    let mut bytes = Vec::new();
    fill(table, &mut bytes)
        .expect("memory takes everything, and the columns are as the schema says");
    let place = digits(&bytes).expect("who wrote it stands in it");
    let digest = format!("{:016x}", digest_of(0, &bytes));
    bytes[place].copy_from_slice(digest.as_bytes());
    bytes
}

/// Where the digits of the digest stand: in the footer, behind everything that a cell could say.
fn digits(bytes: &[u8]) -> Option<Range<usize>> {
    let at = bytes.windows(WRITER.len()).rposition(|part| part == WRITER.as_bytes())?;
    let first = at + WRITER.len();
    Some(first..first + DIGITS).filter(|place| place.end <= bytes.len())
}

/// Whether the file is as it was written; `None` where nothing was written here.
fn is_whole(bytes: &[u8]) -> Option<bool> {
    let place = digits(bytes)?;
    let mut blank = bytes.to_vec();
    blank[place.clone()].fill(b'0');
    Some(format!("{:016x}", digest_of(0, &blank)).as_bytes() == &bytes[place])
}

fn fill(table: &Table, bytes: &mut Vec<u8>) -> Result<(), ParquetError> {
    let fields = table.columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    let schema = Type::group_type_builder("table").with_fields(fields).build()?;
    let properties =
        WriterProperties::builder().set_created_by(format!("{WRITER}{:016x}", 0)).build();
    let mut file = SerializedFileWriter::new(bytes, Arc::new(schema), Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    for column in &table.columns {
        cells(&mut group, &column.cells)?;
    }
    group.close()?;
    file.close().map(drop)
}

/// A column may hold nothing in a cell, and says what it is.
fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    let whole = |is_signed| Some(LogicalType::integer(64, is_signed));
    let (physical, logical) = match &column.cells {
        Cells::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Cells::Counts(_) => (Physical::INT64, whole(false)),
        Cells::Numbers(_) => (Physical::INT64, whole(true)),
        Cells::Seconds(_) => (Physical::DOUBLE, None),
    };
    Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
        .map(Arc::new)
}

fn cells(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    cells: &Cells,
) -> Result<(), ParquetError> {
    match cells {
        Cells::Text(texts) => {
            let bytes = |text: &String| {
                (!text.is_empty()).then(|| ByteArray::from(text.as_bytes().to_vec()))
            };
            column::<ByteArrayType>(group, texts.iter().map(bytes))
        }
        // An unsigned number is kept by its bits.
        Cells::Counts(counts) => {
            column::<Int64Type>(group, counts.iter().map(|c| c.map(u64::cast_signed)))
        }
        Cells::Numbers(numbers) => column::<Int64Type>(group, numbers.iter().copied()),
        Cells::Seconds(lengths) => {
            // What the text says, so that both formats hold the same.
            let number = |text: String| text.parse::<f64>().expect("it was written as a number");
            column::<DoubleType>(group, lengths.iter().map(|l| l.map(seconds).map(number)))
        }
    }
}

fn column<D: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    cells: impl Iterator<Item = Option<D::T>>,
) -> Result<(), ParquetError> {
    let (mut values, mut there) = (Vec::new(), Vec::new());
    for cell in cells {
        there.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    column.typed::<D>().write_batch(&values, Some(&there), None)?;
    column.close()
}

/// Reads a file.
///
/// # Errors
/// What is no Parquet file that was written here, or is not as it was written; more than `most` rows.
pub(super) fn read(bytes: &[u8], most: usize) -> Result<Grid, String> {
    match is_whole(bytes) {
        Some(true) => {}
        Some(false) => return Err("it is damaged: its digest is another".to_owned()),
        None => {
            return Err(
                "it is Parquet of another program, or cut off; what other programs wrote is read \
                        as CSV alone"
                    .to_owned(),
            );
        }
    }
    let wrong = |error: ParquetError| format!("it cannot be read as Parquet: {error}");
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(bytes)).map_err(wrong)?;
    let metadata = reader.metadata().file_metadata();
    if usize::try_from(metadata.num_rows()).is_ok_and(|rows| rows > most) {
        return Err(too_many(most));
    }
    let columns = metadata.schema().get_fields();
    let header: Vec<String> = columns.iter().map(|c| c.name().to_owned()).collect();
    let mut rows = Vec::new();
    for row in reader.get_row_iter(None).map_err(wrong)? {
        if rows.len() == most {
            return Err(too_many(most));
        }
        let cells = row.map_err(wrong)?.into_columns();
        rows.push(cells.iter().map(|(name, cell)| text(name, cell)).collect::<Result<_, _>>()?);
    }
    Ok(Grid { header, rows })
}

fn text(name: &str, cell: &Field) -> Result<String, String> {
    Ok(match cell {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::ULong(count) => count.to_string(),
        Field::Long(number) => number.to_string(),
        Field::Double(seconds) => format!("{seconds:.3}"),
        _ => return Err(format!("its column `{name}` is of a type that no table here has")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn the_same_table_gives_the_same_bytes_which_name_no_time() {
        let bytes = write(&sample());
        assert_eq!(bytes, write(&sample()));
        let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
        let metadata = reader.metadata().file_metadata();
        assert!(metadata.created_by().unwrap().starts_with("wavetank, digest "));
        assert_eq!(metadata.key_value_metadata(), None);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let bytes = write(&sample());
        for cut in 4..bytes.len() {
            assert!(read(&bytes[..cut], 9).is_err(), "cut off after {cut} bytes");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            assert!(read(&damaged, 9).is_err(), "byte {at} is another");
        }
        let refused = read(b"PAR1 of somebody else PAR1", 9).unwrap_err();
        assert!(refused.contains("another program"), "{refused}");
    }
}

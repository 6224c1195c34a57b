//! Columns of text aligned as Go's `text/tabwriter` aligns them.
//!
//! A cell is a text that ends with a tab. Cells of one column in lines that follow each other without a
//! gap are made as wide as the widest of them; what follows a line's last tab belongs to no column. Widths
//! are counted in characters.

/// The text with its tabs replaced by spaces: each column at least `least` wide, `padding` more than its
/// widest cell.
pub fn align(text: &str, least: usize, padding: usize) -> String {
    aligned(text, &mut |_, cell| cell.saturating_add(padding).max(least))
}

/// Rows as lines that begin with two spaces, their columns two spaces apart.
///
/// The last cell of a row belongs to no column; rows may be shorter than others.
pub fn indented(rows: &[Vec<String>]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| row.join("\t")).collect();
    let text = align(&lines.join("\n"), 0, 2);
    text.lines().fold(String::new(), |all, line| all + "  " + line.trim_end() + "\n")
}

/// Aligns one text after the other, no column narrower than it was before: kubectl's way with rows that come
/// one by one (github.com/liggitt/tabwriter, `RememberWidths`).
#[derive(Clone, Debug)]
pub struct Aligner {
    least: usize,
    padding: usize,
    widest: Vec<usize>,
}

impl Aligner {
    /// An aligner whose columns are at least `least` wide, and `padding` more than their widest cells.
    pub fn new(least: usize, padding: usize) -> Self {
        Self { least, padding, widest: Vec::new() }
    }

    /// The text with its tabs replaced by spaces.
    pub fn align(&mut self, text: &str) -> String {
        let Self { least, padding, widest } = self;
        aligned(text, &mut |column, cell| {
            if widest.len() <= column {
                widest.resize(column + 1, *least);
            }
            widest[column] = widest[column].max(cell.saturating_add(*padding));
            widest[column]
        })
    }
}

/// The text with its tabs replaced by spaces; `fit` makes a column's width of its number and its widest cell.
fn aligned(text: &str, fit: &mut dyn FnMut(usize, usize) -> usize) -> String {
    let rows: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = rows.iter().map(|row| vec![0; row.len() - 1]).collect();
    // Lines of which a column is to be measured: first all of them, then those that have one more.
    let mut blocks = vec![(0, rows.len(), 0)];
    while let Some((mut start, end, column)) = blocks.pop() {
        while start < end {
            let reaches = |row: &&Vec<&str>| row.len() - 1 > column;
            let lines = rows[start..end].iter().take_while(reaches).count();
            if lines == 0 {
                start += 1;
                continue;
            }
            let cells = rows[start..start + lines].iter().map(|row| row[column].chars().count());
            let width = fit(column, cells.max().unwrap_or(0));
            for row in &mut widths[start..start + lines] {
                row[column] = width;
            }
            blocks.push((start, start + lines, column + 1));
            start += lines;
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (i, (row, widths)) in rows.iter().zip(&widths).enumerate() {
        if i > 0 {
            out.push('\n');
        }
        for (column, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths.get(column) {
                out.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell_until_a_line_lacks_it() {
        let text = "a\tb\tc\naaaa\tb\n\tx\nplain\nlonger name\ty\n";
        let aligned = "a     b  c\naaaa  b\n      x\nplain\nlonger name  y\n";
        assert_eq!(align(text, 0, 2), aligned);
    }

    #[test]
    fn a_column_may_have_a_least_width() {
        assert_eq!(align("a\tb\n", 6, 3), "a     b\n");
        assert_eq!(align("ä\t\tb", 0, 2), "ä    b");
    }

    #[test]
    fn rows_that_come_one_by_one_are_no_narrower_than_those_before() {
        let mut aligner = Aligner::new(6, 3);
        let texts = ["NAME\tAGE\nlonger\t1s\n", "a\t2s\n", "the longest\t3s\n", "b\t4s\n"];
        let aligned = texts.map(|text| aligner.align(text)).concat();
        assert_eq!(
            aligned,
            "NAME     AGE\nlonger   1s\na        2s\nthe longest   3s\nb             4s\n"
        );
    }

    #[test]
    fn rows_of_a_report_begin_with_two_spaces_and_end_without_any() {
        let row = |cells: &[&str]| cells.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["NODE", "TOTAL", "×2"]), row(&["node-1 *", "7", ""]), row(&["n", "30"])];
        assert_eq!(indented(&rows), "  NODE      TOTAL  ×2\n  node-1 *  7\n  n         30\n");
    }
}

//! Columns of text aligned as Go's `text/tabwriter` aligns them.
//!
//! A cell is a text that ends with a tab. Cells of one column in lines that follow each other without a
//! gap are made as wide as the widest of them; what follows a line's last tab belongs to no column. Widths
//! are counted in characters.

/// The text with its tabs replaced by spaces: each column at least `least` wide, `padding` more than its
/// widest cell.
pub fn align(text: &str, least: usize, padding: usize) -> String {
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
            let width = cells.max().unwrap_or(0).saturating_add(padding).max(least);
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
}

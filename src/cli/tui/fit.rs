//! Making texts fit: which columns there is room for, names without their middle, lines in several.

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Its title.
    pub(super) title: &'static str,
    /// It is not narrower than this.
    pub(super) least: usize,
    /// Columns of the highest rank go first where there is no room; those of rank 0 stay.
    pub(super) rank: u8,
}

/// How wide each column is, for one space between columns; 0 for those that there is no room for. What room
/// is left over belongs to nobody; what lacks is taken from the first column.
pub(super) fn fitting(columns: &[Column], rows: &[Vec<String>], width: usize) -> Vec<usize> {
    let cell = |row: &Vec<String>, i: usize| row.get(i).map_or(0, |cell| cell.chars().count());
    let widest = |(i, column): (usize, &Column)| {
        let cells = rows.iter().map(|row| cell(row, i));
        cells.chain([column.title.chars().count(), column.least]).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = columns.iter().enumerate().map(widest).collect();
    let total = |widths: &[usize]| {
        let there = widths.iter().filter(|w| **w > 0);
        there.map(|w| w + 1).sum::<usize>().saturating_sub(1)
    };
    loop {
        let lacks = total(&widths).saturating_sub(width);
        let least = columns.first().map_or(0, |column| column.least);
        let Some(first) = widths.first_mut() else { break };
        // A name may lose its middle, but no more than half of it, before another column goes.
        let spare = first.saturating_sub(least.max(*first / 2));
        if lacks <= spare {
            *first -= lacks;
            break;
        }
        let going = (1..columns.len()).filter(|i| widths[*i] > 0 && columns[*i].rank > 0);
        match going.max_by_key(|i| columns[*i].rank) {
            Some(i) => widths[i] = 0,
            None => {
                widths[0] = widths[0].saturating_sub(lacks).max(least);
                break;
            }
        }
    }
    widths
}

/// A text of at most that many characters: the middle gives way, since names differ at their ends.
pub(super) fn elided(text: &str, width: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let (head, tail) = (kept / 2, kept - kept / 2);
    let end = &chars[chars.len() - tail..];
    chars[..head].iter().chain(&['…']).take(head + usize::from(width > 0)).chain(end).collect()
}

/// Cells of one width side by side in at most `most` rows; what there is no room for is counted.
pub(super) fn flow(cells: &[String], width: usize, most: usize) -> Vec<String> {
    const GAP: usize = 3;
    let widest = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let per_row = ((width + GAP) / (widest + GAP)).max(1);
    let room = per_row.saturating_mul(most);
    let mut shown: Vec<String> = cells.iter().take(room).cloned().collect();
    if cells.len() > room
        && let Some(last) = shown.last_mut()
    {
        *last = format!("and {} more", cells.len() - room + 1);
    }
    let row = |row: &[String]| {
        let cells: Vec<String> = row.iter().map(|cell| format!("{cell:<widest$}")).collect();
        cells.join("   ").trim_end().to_owned()
    };
    shown.chunks(per_row).map(row).collect()
}

/// The last lines of the timeline that fit, each with the line that it is (a part) of.
///
/// A line that is too long loses the gap after its object first, then goes on in a line of its own.
pub(super) fn story(lines: &[String], width: usize, room: usize) -> Vec<(String, &String)> {
    let mut shown: Vec<(String, &String)> = Vec::new();
    for line in lines.iter().rev().take(room) {
        let parts = wrapped(line, width);
        shown.extend(parts.into_iter().rev().map(|part| (part, line)));
    }
    shown.truncate(room);
    shown.reverse();
    shown
}

/// The lines that a line of the timeline takes.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    if line.chars().count() <= width {
        return vec![line.to_owned()];
    }
    // What follows the first part goes below the text, behind the times.
    const INDENT: usize = 13;
    let told = line.trim_start();
    let (time, rest) = told.split_once("  ").unwrap_or(("", told));
    let (object, text) = rest.trim_start().split_once("  ").unwrap_or((rest.trim_start(), ""));
    let head = format!("{time:>11}  {object}");
    let whole = if text.is_empty() { head } else { format!("{head}  {}", text.trim_start()) };
    let mut parts = Vec::new();
    let mut rest: Vec<char> = whole.chars().collect();
    while rest.len() > width && width > INDENT + 1 {
        // At a space if there is one in the second half.
        let at = (width / 2..=width).rev().find(|i| rest[*i] == ' ').unwrap_or(width);
        let tail = rest.split_off(at);
        parts.push(rest.iter().collect::<String>().trim_end().to_owned());
        rest = std::iter::repeat_n(' ', INDENT)
            .chain(tail.into_iter().skip_while(|c| *c == ' '))
            .collect();
    }
    parts.push(rest.into_iter().take(width).collect());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { title: "NAME", least: 6, rank: 0 },
        Column { title: "STATUS", least: 6, rank: 0 },
        Column { title: "AGE", least: 3, rank: 1 },
    ];

    #[test]
    fn names_give_way_before_columns_do_and_columns_by_their_rank() {
        let rows = [vec!["web-6f6b499d5c-4fgvd".to_owned(), "Running".to_owned(), "2m".to_owned()]];
        assert_eq!(fitting(&COLUMNS, &rows, 80), [20, 7, 3]);
        assert_eq!(fitting(&COLUMNS, &rows, 26), [14, 7, 3]);
        assert_eq!(fitting(&COLUMNS, &rows, 20), [12, 7, 0]);
        assert_eq!(fitting(&COLUMNS, &rows, 4), [6, 7, 0]);
        assert_eq!(fitting(&COLUMNS, &[], 80), [6, 6, 3]);
    }

    #[test]
    fn a_name_keeps_its_ends() {
        assert_eq!(elided("web-6f6b499d5c-4fgvd", 13), "web-6f…-4fgvd");
        assert_eq!(elided("web", 3), "web");
        assert_eq!((elided("web", 1), elided("web", 0)), ("…".to_owned(), String::new()));
    }

    #[test]
    fn cells_stand_side_by_side_and_what_is_too_many_is_counted() {
        let cells: Vec<String> = (1..=9).map(|n| format!("node-{n}")).collect();
        assert_eq!(flow(&cells[..3], 80, 3), ["node-1   node-2   node-3"]);
        let some = flow(&cells, 16, 3);
        assert_eq!(some, ["node-1   node-2", "node-3   node-4", "node-5   and 4 more"]);
        assert!(flow(&[], 80, 3).is_empty());
    }

    #[test]
    fn a_line_loses_its_gap_before_it_goes_on_below() {
        let line = format!("    30.084s  {:<36} · has a new template: rolls out", "deployment/web");
        let lines = vec!["     0.000s  before".to_owned(), line];
        let told = |width, room| {
            let shown = story(&lines, width, room);
            shown.into_iter().map(|(text, _)| text).collect::<Vec<_>>()
        };
        assert_eq!(told(90, 5), lines);
        let squeezed = "    30.084s  deployment/web  · has a new template: rolls out";
        assert_eq!(told(60, 1), [squeezed]);
        let parts =
            ["    30.084s  deployment/web  · has a new", "             template: rolls out"];
        assert_eq!(told(42, 2), parts);
        assert_eq!(told(42, 1), parts[1..]);
    }
}

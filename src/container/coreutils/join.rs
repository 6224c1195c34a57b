//! `join` of GNU coreutils: lines of two sorted files that have a field in common.
//!
//! Options `-1`, `-2`, `-j`, `-t`, `-a`, `-v`, `-o`, `-e`, `-i` and `--header`. Inputs are taken to be sorted: that one
//! is not is not complained of.

use std::cmp::Ordering;

use super::lines::{Gather, Gathered, Input, split_lines};
use super::options::{Options, Syntax};
use super::{AnyFilter, Begun, Call};
use crate::container::os::Sys;
use crate::container::text::encode;

const SYNTAX: Syntax = Syntax {
    short: "1:2:j:t:a:v:o:e:i",
    long: &[("ignore-case", 'i'), ("header", 'H'), ("check-order", 'c'), ("nocheck-order", 'c')],
    usage: "[OPTION]... FILE1 FILE2",
    status: 1,
};

/// `join`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let [_, _] = &options.operands[..] else {
        let text = match options.operands.last() {
            None => "missing operand".to_owned(),
            Some(last) if options.operands.len() == 1 => format!("missing operand after '{last}'"),
            Some(_) => format!("extra operand '{}'", options.operands[2]),
        };
        call.err(&text);
        call.sys.err("Try 'join --help' for more information.\n");
        return Begun::Exit(1);
    };
    if let Err(text) = Plan::of(&options) {
        call.err(&text);
        return Begun::Exit(1);
    }
    let files = options.operands.clone();
    let gather = Gather::new("join", options, joined);
    Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
}

/// A column of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    /// The field that is common.
    Key,
    /// A field of a file, both counted from 0.
    Field(usize, usize),
}

/// What the options ask for.
#[derive(Debug)]
struct Plan {
    /// The common field of each file, counted from 0.
    key: [usize; 2],
    separator: Option<u8>,
    /// Whether lines without a partner are printed, by file.
    alone: [bool; 2],
    /// Whether pairs are.
    pairs: bool,
    columns: Option<Vec<Column>>,
    empty: Vec<u8>,
    fold: bool,
    header: bool,
}

impl Plan {
    fn of(options: &Options) -> Result<Self, String> {
        let mut plan = Self {
            key: [0, 0],
            separator: None,
            alone: [false, false],
            pairs: true,
            columns: None,
            empty: Vec::new(),
            fold: false,
            header: false,
        };
        for (letter, value) in &options.given {
            match letter {
                '1' => plan.key[0] = field_number(value)?,
                '2' => plan.key[1] = field_number(value)?,
                'j' => plan.key = [field_number(value)?; 2],
                't' => plan.separator = Some(tab(value)?),
                'a' => plan.alone[file_number(value)?] = true,
                'v' => {
                    plan.alone[file_number(value)?] = true;
                    plan.pairs = false;
                }
                'o' => plan.columns.get_or_insert_default().extend(columns(value)?),
                'e' => plan.empty = encode(value),
                'i' => plan.fold = true,
                'H' => plan.header = true,
                _ => {}
            }
        }
        if options.value('o').is_some_and(|o| o == "auto") {
            plan.columns = None;
        }
        Ok(plan)
    }

    fn fields<'l>(&self, line: &'l [u8]) -> Vec<&'l [u8]> {
        match self.separator {
            Some(separator) => line.split(|&b| b == separator).collect(),
            None => line.split(|b| matches!(b, b' ' | b'\t')).filter(|f| !f.is_empty()).collect(),
        }
    }

    fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        if self.fold { a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase()) } else { a.cmp(b) }
    }

    /// Prints a pair, or a line that has no partner.
    fn put(&self, lines: [Option<&[Vec<u8>]>; 2], out: &mut Vec<u8>) {
        let key = (0..2).find_map(|f| lines[f]?.get(self.key[f]));
        let field = |column: Column| -> &[u8] {
            let found = match column {
                Column::Key => key,
                Column::Field(file, n) => lines[file].and_then(|l| l.get(n)),
            };
            found.map(Vec::as_slice).filter(|f| !f.is_empty()).unwrap_or(&self.empty)
        };
        let columns = match &self.columns {
            Some(columns) => columns.clone(),
            None => {
                let rest = |file: usize| {
                    let count = lines[file].map_or(0, <[Vec<u8>]>::len);
                    let key = self.key[file];
                    (0..count).filter(move |n| *n != key).map(move |n| Column::Field(file, n))
                };
                std::iter::once(Column::Key).chain(rest(0)).chain(rest(1)).collect()
            }
        };
        for (i, column) in columns.into_iter().enumerate() {
            if i > 0 {
                out.push(self.separator.unwrap_or(b' '));
            }
            out.extend_from_slice(field(column));
        }
        out.push(b'\n');
    }
}

fn field_number(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
    number.ok_or_else(|| format!("invalid field number: '{text}'"))
}

fn file_number(text: &str) -> Result<usize, String> {
    match text {
        "1" => Ok(0),
        "2" => Ok(1),
        _ => Err(format!("invalid file number: '{text}'")),
    }
}

fn tab(text: &str) -> Result<u8, String> {
    match encode(text)[..] {
        [byte] => Ok(byte),
        // No separator at all: the whole line is one field.
        [] => Ok(b'\n'),
        [b'\\', b'0'] => Ok(0),
        _ => Err(format!("multi-character tab '{text}'")),
    }
}

fn columns(list: &str) -> Result<Vec<Column>, String> {
    if list == "auto" {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    for word in list.split([',', ' ', '\t']).filter(|w| !w.is_empty()) {
        if word == "0" {
            out.push(Column::Key);
            continue;
        }
        let (file, field) =
            word.split_once('.').ok_or_else(|| format!("invalid field specifier: '{word}'"))?;
        let file = file_number(file)
            .map_err(|_| format!("invalid file number in field spec: '{word}'"))?;
        out.push(Column::Field(file, field_number(field)?));
    }
    Ok(out)
}

fn joined(tool: &mut Gathered, sys: &mut Sys<'_, '_>) -> u8 {
    let (Ok(plan), [a, b]) = (Plan::of(&tool.options), &tool.inputs[..]) else { return 1 };
    if tool.failed {
        return 1;
    }
    let table = |input: &'_ Input| -> Vec<Vec<Vec<u8>>> {
        let fields = |line: &&[u8]| plan.fields(line).into_iter().map(<[u8]>::to_vec).collect();
        split_lines(&input.bytes).iter().map(fields).collect()
    };
    let (a, b) = (table(a), table(b));
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    if plan.header && !(a.is_empty() && b.is_empty()) {
        plan.put([a.first().map(Vec::as_slice), b.first().map(Vec::as_slice)], &mut out);
        (i, j) = (1, 1);
    }
    let key = |line: &[Vec<u8>], file: usize| -> Vec<u8> {
        line.get(plan.key[file]).cloned().unwrap_or_default()
    };
    let limit = sys.os.limits.memory_bytes;
    while i < a.len() || j < b.len() {
        sys.work(1);
        if out.len() > limit {
            sys.complain(format!("join writes more than {limit} bytes (memory_bytes)"));
            return 1;
        }
        let order = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => plan.compare(&key(x, 0), &key(y, 1)),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => {
                if plan.alone[0] {
                    plan.put([Some(&a[i]), None], &mut out);
                }
                i += 1;
            }
            Ordering::Greater => {
                if plan.alone[1] {
                    plan.put([None, Some(&b[j])], &mut out);
                }
                j += 1;
            }
            Ordering::Equal => {
                let wanted = key(&a[i], 0);
                let same = |lines: &[Vec<Vec<u8>>], from: usize, file: usize| {
                    let equal = |l: &&Vec<Vec<u8>>| plan.compare(&key(l, file), &wanted).is_eq();
                    lines[from..].iter().take_while(equal).count()
                };
                let (n, m) = (same(&a, i, 0), same(&b, j, 1));
                for x in &a[i..i + n] {
                    for y in b[j..j + m].iter().filter(|_| plan.pairs) {
                        sys.work(1);
                        if out.len() <= limit {
                            plan.put([Some(x), Some(y)], &mut out);
                        }
                    }
                }
                (i, j) = (i + n, j + m);
            }
        }
    }
    sys.out(&out);
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_from_one_and_name_their_file() {
        let wanted = vec![Column::Key, Column::Field(0, 1), Column::Field(1, 2)];
        assert_eq!(columns("0,1.2 2.3"), Ok(wanted));
        assert_eq!(columns("3.1"), Err("invalid file number in field spec: '3.1'".to_owned()));
        assert_eq!(field_number("0"), Err("invalid field number: '0'".to_owned()));
    }
}

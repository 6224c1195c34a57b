//! The record, its fields, and where the next one comes from.

use std::sync::Arc;

use super::super::code::Var;
use super::super::functions::{Separator, integer, number_of, split};
use super::super::io::{Got, Reader, RecordEnd, file_reader};
use super::super::values::Value;
use super::{
    ARGC, ARGV, Awk, Cell, FILENAME, FNR, FS, IGNORECASE, MAX_FIELDS, MAX_REGEXES, NF, NR, OFS, RS,
    is_name,
};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::process::Wait;
use crate::container::regex::Regex;
use crate::container::text::encode;

impl Awk {
    pub(in super::super) fn set_record(&mut self, record: Str) {
        self.record = record;
        self.record_stale = false;
        self.fields_stale = true;
    }

    pub(super) fn split_fields(&mut self) {
        if !std::mem::take(&mut self.fields_stale) {
            return;
        }
        let separator = self.separator(&self.global_text(FS));
        let record = self.record.clone();
        let paragraphs = self.global_text(RS).is_empty();
        let mut parts = if paragraphs && !matches!(separator, Separator::Blanks) {
            record.split('\n').flat_map(|line| split(line, &separator)).collect::<Vec<_>>()
        } else {
            split(&record, &separator)
        };
        parts.truncate(MAX_FIELDS);
        self.fields = parts.into_iter().map(Value::Input).collect();
        self.globals[NF] = Cell::Value(Value::Number(number_of(self.fields.len())));
    }

    pub(in super::super) fn separator(&mut self, text: &str) -> Separator {
        let regex = self.regex(text).ok();
        Separator::new(text, |_| regex.map(|r| (*r).clone()))
    }

    pub(super) fn joined_record(&mut self) -> Str {
        if std::mem::take(&mut self.record_stale) {
            let between = self.global_text(OFS);
            let parts: Vec<Str> = self.fields.iter().map(|f| self.text_of(f)).collect();
            self.record = parts.join(&between).into();
        }
        self.record.clone()
    }

    pub(in super::super) fn field(&mut self, index: f64) -> Result<Value, String> {
        let Ok(i) = usize::try_from(integer(index)) else {
            return Err("Access to negative field".to_owned());
        };
        if i == 0 {
            return Ok(Value::Input(self.joined_record()));
        }
        self.split_fields();
        Ok(self.fields.get(i - 1).cloned().unwrap_or(Value::Unset))
    }

    pub(super) fn set_field(&mut self, index: f64, value: Value) -> Result<(), String> {
        let Ok(i) = usize::try_from(integer(index)) else {
            return Err("Access to negative field".to_owned());
        };
        if i == 0 {
            let text = self.text_of(&value);
            self.set_record(text);
            return Ok(());
        }
        if i > MAX_FIELDS {
            return Err(format!("a record has more than {MAX_FIELDS} fields"));
        }
        self.split_fields();
        if self.fields.len() < i {
            self.fields.resize(i, Value::Unset);
            self.globals[NF] = Cell::Value(Value::Number(number_of(i)));
        }
        self.fields[i - 1] = match value {
            Value::Number(_) => Value::Input(self.text_of(&value)),
            other => other,
        };
        self.record_stale = true;
        Ok(())
    }

    pub(in super::super) fn regex(&mut self, source: &str) -> Result<Arc<Regex>, String> {
        let fold = match &self.globals[IGNORECASE] {
            Cell::Value(value) => value.is_true(),
            Cell::Array(_) | Cell::Untyped(_) => false,
        };
        if let Some(regex) = self.regexes.get(&(source.into(), fold)) {
            return Ok(Arc::clone(regex));
        }
        let regex =
            Regex::extended(source, fold).map_err(|e| format!("bad regex '{source}': {}", e.0))?;
        if self.regexes.len() >= MAX_REGEXES {
            self.regexes.clear();
        }
        let regex = Arc::new(regex);
        self.regexes.insert((source.into(), fold), Arc::clone(&regex));
        Ok(regex)
    }

    pub(super) fn record_end(&mut self) -> RecordEnd {
        let text = self.global_text(RS);
        let bytes = encode(&text);
        match &bytes[..] {
            [] => RecordEnd::Paragraph,
            [byte] => RecordEnd::Byte(*byte),
            _ => match self.regex(&text) {
                Ok(regex) => RecordEnd::Regex(Box::new((*regex).clone())),
                Err(_) => RecordEnd::Byte(bytes[0]),
            },
        }
    }

    pub(super) fn count(&mut self, var: usize) {
        let n = match &self.globals[var] {
            Cell::Value(value) => value.number(),
            Cell::Array(_) | Cell::Untyped(_) => 0.0,
        };
        self.globals[var] = Cell::Value(Value::Number(n + 1.0));
    }

    /// The next record of the main input; `None` at the end of it all.
    pub(super) fn main_record(&mut self, sys: &mut Sys<'_, '_>) -> Result<Option<Str>, Wait> {
        let end = self.record_end();
        loop {
            if self.main.is_none() && !self.open_next(sys) {
                return Ok(None);
            }
            let Some(reader) = &mut self.main else { return Ok(None) };
            match reader.record(sys, &end) {
                Got::Record(record) => {
                    self.count(NR);
                    self.count(FNR);
                    return Ok(Some(record.into()));
                }
                Got::Wait(wait) => return Err(wait),
                Got::End | Got::Failed => self.leave_main(sys),
            }
        }
    }

    pub(super) fn leave_main(&mut self, sys: &mut Sys<'_, '_>) {
        if let Some(reader) = self.main.take()
            && reader.fd() != 0
        {
            sys.close(reader.fd());
        }
    }

    /// Opens the next file of the arguments, or standard input without any.
    pub(super) fn open_next(&mut self, sys: &mut Sys<'_, '_>) -> bool {
        loop {
            let count = match &self.globals[ARGC] {
                Cell::Value(value) => integer(value.number()),
                Cell::Array(_) | Cell::Untyped(_) => 0,
            };
            if i64::try_from(self.next_arg).is_ok_and(|n| n >= count) {
                if std::mem::replace(&mut self.any_file, true) {
                    return false;
                }
                self.main = Some(Reader::new(0));
                return true;
            }
            let argv = self.array(Var::Global(ARGV));
            let key = self.next_arg.to_string();
            self.next_arg += 1;
            let Some(argument) = self.arrays[argv].get(&key).map(|v| v.text("%.6g")) else {
                continue;
            };
            if argument.is_empty() {
                continue;
            }
            if let Some((name, value)) = argument.split_once('=').filter(|(n, _)| is_name(n)) {
                let (name, value) = (name.to_owned(), value.to_owned());
                self.assign(&name, &value);
                continue;
            }
            self.any_file = true;
            let Some(reader) = file_reader(sys, &argument) else {
                let e =
                    sys.stat(&argument, true).err().map_or_else(String::new, |e| format!(": {e}"));
                sys.flush();
                sys.err(&format!("awk: {argument}{e}\n"));
                self.failed = true;
                return false;
            };
            self.main = Some(reader);
            self.globals[FNR] = Cell::Value(Value::Number(0.0));
            self.globals[FILENAME] = Cell::Value(Value::Input(argument));
            return true;
        }
    }
}

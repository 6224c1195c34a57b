//! A trace file, read line by line into its header, steps, events and the lives of its objects.
//!
//! A line that cannot be read does not end the reading: it is remembered as broken, and a
//! simulated trace with a broken line fails its scenario. The format is JSON Lines: a `HEADER`,
//! then `STEP`, `ADDED`/`MODIFIED`/`DELETED` and `EVENT` lines in order of time; unknown types and
//! fields are passed over.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map as JsonMap, Value};

use super::ConformError;
use super::life::{Change, Life, lacking};
use super::value::{field, is_set, list, number, shown, text};
use crate::base::{Map, Str};

/// No trace may be larger than this, uncompressed: 1 GiB.
pub const MAX_TRACE_BYTES: u64 = 1 << 30;

/// Everything a trace file says.
#[derive(Default)]
pub(super) struct TraceFile {
    pub(super) header: Header,
    pub(super) steps: Vec<StepLine>,
    pub(super) events: Vec<EventLine>,
    /// The objects in order of their first line.
    pub(super) lives: Vec<Life>,
    /// What is wrong with the lines that could not be read.
    pub(super) broken: Vec<String>,
    /// The time of the latest line, in seconds since step 0.
    pub(super) last: f64,
}

/// The first line.
#[derive(Default)]
pub(super) struct Header {
    pub(super) scenario: Option<String>,
    /// The end of the run, in seconds since step 0.
    pub(super) duration: Option<f64>,
    pub(super) nodes: Vec<HeaderNode>,
}

/// A node that stood when the scenario began.
pub(super) struct HeaderNode {
    pub(super) name: String,
    pub(super) labels: Value,
}

/// One step of the scenario and how it ended.
pub(super) struct StepLine {
    pub(super) t: f64,
    pub(super) step: String,
    pub(super) at: String,
    pub(super) action: String,
    pub(super) arg: String,
    pub(super) rc: String,
    pub(super) failed: bool,
    pub(super) stderr: String,
}

/// One event, or the growth of its count.
pub(super) struct EventLine {
    pub(super) t: f64,
    /// The line continues a count (`MODIFIED`) instead of beginning one.
    pub(super) continues: bool,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) field_path: String,
    pub(super) event_type: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) count: u64,
}

impl TraceFile {
    /// Reads a trace from its lines.
    pub(super) fn from_lines<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> Self {
        let mut file = Self::default();
        let mut live = Map::default();
        for (n, line) in lines.into_iter().enumerate() {
            let line = line.as_ref();
            if line.trim().is_empty() {
                continue;
            }
            if let Err(why) = file.take(line, &mut live) {
                file.broken.push(format!("line {}: {why}", n + 1));
            }
        }
        file
    }

    /// The end of the run: the header's duration, or else the latest line.
    pub(super) fn end(&self) -> f64 {
        self.header.duration.filter(|d| d.abs() > 0.0).unwrap_or(self.last)
    }

    fn take(&mut self, line: &str, live: &mut Map<(Str, Str), usize>) -> Result<(), String> {
        let row: JsonMap<String, Value> = serde_json::from_str(line).map_err(|e| e.to_string())?;
        let row = Value::Object(row);
        let what = row.get("type").and_then(Value::as_str).ok_or("no type")?;
        if what == "HEADER" {
            self.header = Header::read(&row);
            return Ok(());
        }
        let t = number(&row, "t").ok_or("no time t")?;
        self.last = self.last.max(t);
        let change = match what {
            "ADDED" => Change::Added,
            "MODIFIED" => Change::Modified,
            "DELETED" => Change::Deleted,
            "STEP" => {
                self.steps.push(StepLine::read(t, &row));
                return Ok(());
            }
            "EVENT" => {
                self.events.push(EventLine::read(t, &row)?);
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.object(t, change, row, live)
    }

    fn object(
        &mut self,
        t: f64,
        change: Change,
        row: Value,
        live: &mut Map<(Str, Str), usize>,
    ) -> Result<(), String> {
        for body in ["metadata", "spec", "status"] {
            if field(&row, body).is_some_and(|v| !v.is_object()) {
                return Err(format!("{body} is not an object"));
            }
        }
        if let Some(lacking) = lacking(change, &row) {
            return Err(lacking.to_owned());
        }
        let kind = Str::from(row.get("kind").and_then(Value::as_str).ok_or("no kind")?);
        let name = Str::from(row.get("name").and_then(Value::as_str).ok_or("no name")?);
        let uid = row.get("metadata").and_then(|m| text(m, "uid")).map(Str::from);
        let key = (kind.clone(), name.clone());
        let known = live.get(&key).copied().filter(|&i| {
            let life = &self.lives[i];
            let anew = life.gone.is_some() && change == Change::Added;
            let another = uid.is_some() && life.uid.is_some() && uid != life.uid;
            !anew && !another
        });
        let at = known.unwrap_or_else(|| {
            self.lives.push(Life::new(&kind, &name, uid, t, change));
            live.insert(key, self.lives.len() - 1);
            self.lives.len() - 1
        });
        self.lives[at].feed(t, change, row);
        Ok(())
    }
}

impl Header {
    fn read(row: &Value) -> Self {
        let node = |n: &Value| {
            let name = text(n, "name")?.to_owned();
            Some(HeaderNode { name, labels: field(n, "labels").cloned().unwrap_or(Value::Null) })
        };
        Self {
            scenario: text(row, "scenario").map(str::to_owned),
            duration: number(row, "duration"),
            nodes: list(row, "nodes").iter().filter_map(node).collect(),
        }
    }
}

impl StepLine {
    fn read(t: f64, row: &Value) -> Self {
        Self {
            t,
            step: shown(row.get("step")),
            at: shown(row.get("at")),
            action: shown(row.get("action")),
            arg: shown(row.get("arg")),
            rc: shown(row.get("rc")),
            failed: is_set(row, "rc"),
            stderr: text(row, "stderr").unwrap_or_default().to_owned(),
        }
    }
}

impl EventLine {
    fn read(t: f64, row: &Value) -> Result<Self, String> {
        let object = row.get("object").unwrap_or(&Value::Null);
        if !object.is_object() && !object.is_null() {
            return Err("object is not an object".to_owned());
        }
        let positive = |v: &Value| v.get("count").and_then(Value::as_u64).filter(|n| *n > 0);
        let series = row.get("series").unwrap_or(&Value::Null);
        Ok(Self {
            t,
            continues: text(row, "verb") == Some("MODIFIED"),
            kind: shown(object.get("kind")),
            name: text(object, "name").unwrap_or_default().to_owned(),
            field_path: text(object, "fieldPath").unwrap_or_default().to_owned(),
            event_type: text(row, "eventType").unwrap_or("Normal").to_owned(),
            reason: shown(row.get("reason")),
            message: text(row, "message").unwrap_or_default().to_owned(),
            count: positive(row).or_else(|| positive(series)).unwrap_or(1),
        })
    }
}

/// The text of a file, decompressed when its name ends in `.zst`.
///
/// # Errors
/// When it cannot be read, is not UTF-8, or is larger than [`MAX_TRACE_BYTES`].
pub(in crate::scenario) fn read_text(path: &Path) -> Result<String, ConformError> {
    let failed = |source: io::Error| ConformError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut text = String::new();
    let read = if path.extension().is_some_and(|e| e == "zst") {
        let plain = ruzstd::decoding::StreamingDecoder::new(file)
            .map_err(|e| failed(io::Error::new(io::ErrorKind::InvalidData, e.to_string())))?;
        plain.take(MAX_TRACE_BYTES + 1).read_to_string(&mut text)
    } else {
        file.take(MAX_TRACE_BYTES + 1).read_to_string(&mut text)
    };
    let size = read.map_err(failed)?;
    if u64::try_from(size).is_ok_and(|n| n > MAX_TRACE_BYTES) {
        return Err(ConformError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lives(lines: &[&str]) -> Vec<(String, usize, Option<f64>)> {
        let file = TraceFile::from_lines(lines);
        file.lives.iter().map(|l| (l.name.to_string(), l.states.len(), l.gone)).collect()
    }

    #[test]
    fn an_object_made_anew_under_its_name_is_another_life() {
        let got = lives(&[
            r#"{"t":0,"type":"ADDED","kind":"Pod","name":"web-0","metadata":{"uid":"uid-1"}}"#,
            r#"{"t":1,"type":"DELETED","kind":"Pod","name":"web-0","metadata":{"uid":"uid-1"}}"#,
            r#"{"t":2,"type":"ADDED","kind":"Pod","name":"web-0","metadata":{"uid":"uid-2"}}"#,
            r#"{"t":3,"type":"MODIFIED","kind":"Pod","name":"web-0","metadata":{"uid":"uid-3"}}"#,
        ]);
        let name = || "web-0".to_owned();
        assert_eq!(got, [(name(), 2, Some(1.0)), (name(), 1, None), (name(), 1, None)]);
    }

    #[test]
    fn a_broken_line_is_remembered_and_the_rest_is_read() {
        let file = TraceFile::from_lines([
            "{\"t\":0",
            "",
            r#"{"type":"ADDED"}"#,
            r#"{"t":1,"type":"ADDED","kind":"Pod"}"#,
            r#"{"t":2,"type":"ADDED","kind":"Pod","name":"p","status":7}"#,
            r#"{"t":2,"type":"ADDED","kind":"Pod","name":"p","spec":{"containers":[{}]}}"#,
            r#"{"t":3,"type":"STEP","step":0,"rc":1,"stderr":"no"}"#,
            r#"{"t":4,"type":"SOMETHING"}"#,
        ]);
        let lines: Vec<&str> = file.broken.iter().map(|b| b.split(':').next().unwrap()).collect();
        assert_eq!(lines, ["line 1", "line 3", "line 4", "line 5", "line 6"]);
        assert!(file.steps[0].failed && file.steps[0].at == "None");
        assert!(file.end() > 3.9);
    }
}

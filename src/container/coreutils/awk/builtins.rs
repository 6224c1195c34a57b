//! Functions of awk that look at the program's state or at the world.

use super::code::Var;
use super::functions::{integer, number_of, replaced, split, substr};
use super::values::Value;
use super::vm::{Awk, Flow, RLENGTH, RSTART};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::coreutils::{date, processes};
use crate::container::os::Sys;

impl Awk {
    pub(super) fn builtin(
        &mut self,
        sys: &mut Sys<'_, '_>,
        name: &str,
        n: usize,
    ) -> Result<Flow, String> {
        if matches!(name, "system" | "close") {
            return Ok(self.processes(sys, name));
        }
        let mut args: Vec<Value> = (0..n).map(|_| self.pop()).collect();
        args.reverse();
        let number = |i: usize| args.get(i).map_or(0.0, Value::number);
        let text = |i: usize| args.get(i).map_or_else(Str::default, |v| self.text_of(v));
        let bits = |i: usize| integer(number(i)).cast_unsigned();
        let value = match name {
            "length" => Value::Number(number_of(match args.first() {
                Some(value) => self.text_of(value).chars().count(),
                None => {
                    let record = self.field(0.0)?;
                    self.text_of(&record).chars().count()
                }
            })),
            "index" => {
                let (text, part) = (text(0), text(1));
                let at = text.find(part.as_str()).map_or(0, |i| text[..i].chars().count() + 1);
                Value::Number(number_of(at))
            }
            "substr" => {
                let len = args.get(2).map(Value::number);
                Value::Text(substr(&text(0), number(1), len).into())
            }
            "tolower" => Value::Text(text(0).to_ascii_lowercase().into()),
            "toupper" => Value::Text(text(0).to_ascii_uppercase().into()),
            "sprintf" => Value::Text(super::functions::format(&text(0), &args[1..], "%.6g").into()),
            "match" => {
                let (text, source) = (text(0), text(1));
                self.matched(&text, &source)?;
                self.global_value(RSTART)
            }
            "gensub" => {
                let (source, by, how) = (text(0), text(1), text(2));
                let target = match args.get(3) {
                    Some(value) => self.text_of(value),
                    None => {
                        let record = self.field(0.0)?;
                        self.text_of(&record)
                    }
                };
                let which = if how.starts_with(['g', 'G']) {
                    0
                } else {
                    usize::try_from(integer(number(2))).unwrap_or(1).max(1)
                };
                let regex = self.regex(&source)?;
                Value::Text(replaced(&target, &regex, &by, which, true).0.into())
            }
            "int" => Value::Number(number(0).trunc()),
            "sqrt" => Value::Number(number(0).sqrt()),
            "exp" => Value::Number(number(0).exp()),
            "log" => Value::Number(number(0).ln()),
            "sin" => Value::Number(number(0).sin()),
            "cos" => Value::Number(number(0).cos()),
            "atan2" => Value::Number(number(0).atan2(number(1))),
            "and" => Value::Number(bits_number(bits(0) & bits(1))),
            "or" => Value::Number(bits_number(bits(0) | bits(1))),
            "xor" => Value::Number(bits_number(bits(0) ^ bits(1))),
            "lshift" => Value::Number(bits_number(shift(bits(0), bits(1), u64::checked_shl))),
            "rshift" => Value::Number(bits_number(shift(bits(0), bits(1), u64::checked_shr))),
            "compl" => Value::Number(bits_number(!bits(0))),
            "rand" => Value::Number(
                f64::from(u32::try_from(sys.os.random.stream().word() >> 33).unwrap_or(0))
                    / 2_147_483_648.0,
            ),
            "srand" => {
                let old = self.seed;
                self.seed = args.first().map_or_else(|| seconds(sys.now()), Value::number);
                Value::Number(old)
            }
            "systime" => Value::Number(seconds(sys.now())),
            "strftime" => {
                let format =
                    if args.is_empty() { Str::from("%a %b %e %H:%M:%S %Z %Y") } else { text(0) };
                let at = args.get(1).map_or_else(
                    || sys.now(),
                    |n| {
                        SimTime::from_secs(
                            u64::try_from(integer(n.number())).unwrap_or(0).min(9_000_000_000),
                        )
                    },
                );
                Value::Text(date::at(&format, at).into())
            }
            "mktime" => Value::Number(mktime(&text(0)).unwrap_or(-1.0)),
            "fflush" => {
                sys.flush();
                for writer in &mut self.writers {
                    writer.flush(sys);
                }
                Value::Number(0.0)
            }
            other => return Err(format!("function {other} is not modelled")),
        };
        self.push(value);
        Ok(Flow::Go)
    }

    /// Sets RSTART and RLENGTH.
    fn matched(&mut self, text: &str, source: &str) -> Result<Option<Vec<Str>>, String> {
        let regex = self.regex(source)?;
        let spans = regex.find_at(text, 0);
        let found = spans.as_ref().and_then(|s| s[0]);
        let (start, len) = match found {
            Some((a, b)) => {
                (number_of(text[..a].chars().count() + 1), number_of(text[a..b].chars().count()))
            }
            None => (0.0, -1.0),
        };
        self.set_global(RSTART, Value::Number(start));
        self.set_global(RLENGTH, Value::Number(len));
        Ok(spans.map(|s| {
            s.iter().map(|g| g.map_or_else(Str::default, |(a, b)| text[a..b].into())).collect()
        }))
    }

    pub(super) fn array_builtin(&mut self, name: &str, var: Var, n: usize) -> Result<(), String> {
        match name {
            "length" => {
                let value = match self.array_or_value(var) {
                    Ok(array) => number_of(self.arrays[array].len()),
                    Err(value) => number_of(self.text_of(&value).chars().count()),
                };
                self.push_number(value);
            }
            "match" => {
                let (source, text) = (self.pop_text(), self.pop_text());
                let groups = self.matched(&text, &source)?.unwrap_or_default();
                let id = self.array(var);
                self.arrays[id].clear();
                for (i, group) in groups.into_iter().enumerate() {
                    self.arrays[id].set(i.to_string().into(), Value::Input(group));
                }
                let start = self.global_value(RSTART);
                self.push(start);
            }
            _ => {
                let separator = if n > 0 { self.pop_text() } else { self.separator_text() };
                let text = self.pop_text();
                let separator = self.separator(&separator);
                let parts = split(&text, &separator);
                let id = self.array(var);
                self.arrays[id].clear();
                let count = parts.len();
                for (i, part) in parts.into_iter().enumerate() {
                    self.arrays[id].set((i + 1).to_string().into(), Value::Input(part));
                }
                self.push_number(number_of(count));
            }
        }
        Ok(())
    }

    /// `system` and `close`, which wait for a process.
    fn processes(&mut self, sys: &mut Sys<'_, '_>, name: &str) -> Flow {
        match self.await_child(sys) {
            Err(wait) => return Flow::Wait(wait),
            Ok(Some(status)) => {
                self.stack.pop();
                self.push_number(f64::from(status));
                return Flow::Go;
            }
            Ok(None) => {}
        }
        let text = self.pop_text();
        let mut result = -1.0;
        if name == "system" {
            sys.flush();
            for writer in &mut self.writers {
                writer.flush(sys);
            }
            let others = self.fds();
            let environment = self.environment.clone();
            if let Ok(child) = processes::shell(sys, &text, &environment, &[], &others) {
                self.awaited = Some(child);
            }
        } else {
            if let Some(i) = self.writers.iter().position(|w| w.name == text) {
                let mut writer = self.writers.remove(i);
                writer.close(sys);
                self.awaited = writer.child;
                result = 0.0;
            }
            if let Some(i) = self.readers.iter().position(|(n, _)| *n == text) {
                let (_, reader) = self.readers.remove(i);
                if reader.fd() != 0 {
                    sys.close(reader.fd());
                }
                self.awaited = reader.child;
                result = 0.0;
            }
        }
        if self.awaited.is_some() {
            self.push(Value::Text(text));
            return match self.await_child(sys) {
                Err(wait) => Flow::Wait(wait),
                Ok(status) => {
                    self.stack.pop();
                    self.push_number(status.map_or(result, f64::from));
                    Flow::Go
                }
            };
        }
        self.push_number(result);
        Flow::Go
    }
}

/// Seconds since the epoch.
fn seconds(at: SimTime) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds are below 2^52")]
    let seconds = at.since(SimTime::ZERO).as_secs() as f64;
    seconds
}

#[expect(clippy::cast_precision_loss, reason = "awk's numbers are doubles")]
const fn bits_number(n: u64) -> f64 {
    n as f64
}

fn shift(n: u64, by: u64, how: fn(u64, u32) -> Option<u64>) -> u64 {
    u32::try_from(by).ok().and_then(|by| how(n, by)).unwrap_or(0)
}

/// `YYYY MM DD HH MM SS` as seconds.
fn mktime(text: &str) -> Option<f64> {
    let mut fields = [0i64; 6];
    let mut parts = text.split_whitespace();
    for field in &mut fields {
        *field = parts.next()?.parse().ok()?;
    }
    let [year, month, day, hour, minute, second] = fields;
    let small = |n: i64| u32::try_from(n).ok();
    let day =
        chrono::NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, small(month)?, small(day)?)?;
    let midnight = day.and_hms_opt(0, 0, 0)?.and_utc().timestamp();
    let total = midnight + hour * 3600 + minute * 60 + second;
    #[expect(clippy::cast_precision_loss, reason = "seconds are below 2^52")]
    Some(total as f64)
}

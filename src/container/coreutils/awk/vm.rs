//! Runs the steps of an awk program.

mod records;
mod streams;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::Compare;
use super::code::{Code, Op, Var};
use super::functions::number_of;
use super::io::{Reader, Writer};
use super::values::{Array, MAX_ELEMENTS, Value};
use crate::base::Str;
use crate::container::coreutils::lines::{bytewise, fits};
use crate::container::environment::Environment;
use crate::container::os::Sys;
use crate::container::process::{Pid, Step, Wait};
use crate::container::regex::Regex;
use crate::container::text::encode;

/// Variables that awk itself knows, by their place among the globals.
pub(super) const SPECIAL: &[&str] = &[
    "NF",
    "NR",
    "FNR",
    "FS",
    "OFS",
    "ORS",
    "RS",
    "SUBSEP",
    "FILENAME",
    "RSTART",
    "RLENGTH",
    "CONVFMT",
    "OFMT",
    "ENVIRON",
    "ARGC",
    "ARGV",
    "IGNORECASE",
];
pub(super) const NF: usize = 0;
pub(super) const NR: usize = 1;
pub(super) const FNR: usize = 2;
const FS: usize = 3;
const OFS: usize = 4;
const ORS: usize = 5;
const RS: usize = 6;
const SUBSEP: usize = 7;
const FILENAME: usize = 8;
pub(super) const RSTART: usize = 9;
pub(super) const RLENGTH: usize = 10;
const CONVFMT: usize = 11;
const OFMT: usize = 12;
const ENVIRON: usize = 13;
const ARGC: usize = 14;
const ARGV: usize = 15;
const IGNORECASE: usize = 16;

/// Calls within calls.
const MAX_FRAMES: usize = 1000;
/// Fields of one record.
const MAX_FIELDS: usize = 1 << 16;
/// Expressions kept compiled.
const MAX_REGEXES: usize = 256;

/// A place for a value or an array.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Value(Value),
    Array(usize),
    /// An argument that was not set when it was passed, and where it came from.
    Untyped(Option<Origin>),
}

/// Where an argument came from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    Global(usize),
    Stack(usize),
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    back: usize,
    base: usize,
    args: usize,
    params: usize,
    iterators: usize,
}

/// How a step went.
pub(super) enum Flow {
    Go,
    /// The step is tried again after this.
    Wait(Wait),
    /// The program ends with this status.
    Exit(u8),
    /// It ends with a complaint.
    Fail(String),
}

/// `awk` under way.
#[derive(Clone, Debug)]
pub(crate) struct Awk {
    code: Arc<Code>,
    pub(super) environment: Environment,
    at: usize,
    pub(super) stack: Vec<Cell>,
    globals: Vec<Cell>,
    pub(super) arrays: Vec<Array>,
    free: Vec<usize>,
    frames: Vec<Frame>,
    iterators: Vec<std::vec::IntoIter<Str>>,
    ranges: Vec<bool>,
    regexes: BTreeMap<(Str, bool), Arc<Regex>>,
    record: Str,
    record_stale: bool,
    fields: Vec<Value>,
    fields_stale: bool,
    pub(super) line: Value,
    main: Option<Reader>,
    next_arg: usize,
    any_file: bool,
    pub(super) readers: Vec<(Str, Reader)>,
    pub(super) writers: Vec<Writer>,
    /// A process that `close`, `system` or the end waits for.
    pub(super) awaited: Option<Pid>,
    in_end: bool,
    /// A file could not be opened, which ends the program.
    failed: bool,
    status: u8,
    pub(super) seed: f64,
}

impl Awk {
    pub(super) fn new(code: Arc<Code>, arguments: &[Str], environment: &Environment) -> Self {
        let mut globals = vec![Cell::Untyped(None); code.globals.len()];
        let number = |n: f64| Cell::Value(Value::Number(n));
        let text = |t: &str| Cell::Value(Value::Text(t.into()));
        for (var, cell) in [
            (NF, number(0.0)),
            (NR, number(0.0)),
            (FNR, number(0.0)),
            (FS, text(" ")),
            (OFS, text(" ")),
            (ORS, text("\n")),
            (RS, text("\n")),
            (SUBSEP, text("\x1c")),
            (CONVFMT, text("%.6g")),
            (OFMT, text("%.6g")),
            (RLENGTH, number(-1.0)),
            (RSTART, number(0.0)),
            (ARGC, number(number_of(arguments.len()))),
            (ENVIRON, Cell::Array(0)),
            (ARGV, Cell::Array(1)),
        ] {
            globals[var] = cell;
        }
        let (mut environ, mut argv) = (Array::default(), Array::default());
        let input = |t: &str| Value::Input(bytewise(&encode(t)).into());
        for (name, value) in environment.iter() {
            environ.set(bytewise(&encode(name)).into(), input(value));
        }
        for (i, argument) in arguments.iter().enumerate() {
            argv.set(i.to_string().into(), input(argument));
        }
        Self {
            ranges: vec![false; code.ranges],
            code,
            environment: environment.clone(),
            at: 0,
            stack: Vec::new(),
            globals,
            arrays: vec![environ, argv],
            free: Vec::new(),
            frames: Vec::new(),
            iterators: Vec::new(),
            regexes: BTreeMap::new(),
            record: Str::default(),
            record_stale: false,
            fields: Vec::new(),
            fields_stale: false,
            line: Value::Unset,
            main: None,
            next_arg: 1,
            any_file: false,
            readers: Vec::new(),
            writers: Vec::new(),
            awaited: None,
            in_end: false,
            failed: false,
            status: 0,
            seed: 0.0,
        }
    }

    /// `-v NAME=VALUE`
    pub(super) fn assign(&mut self, name: &str, value: &str) {
        let Some(&index) = self.code.globals.get(name) else { return };
        let value = Value::Input(unescaped(value).into());
        self.set_global(index, value);
    }

    pub(in crate::container::coreutils) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        loop {
            if sys.must_stop() || !sys.tick() {
                return Step::Yield;
            }
            let code = Arc::clone(&self.code);
            let Some(op) = code.ops.get(self.at) else { return Step::Exit(self.status) };
            let before = self.at;
            self.at += 1;
            match self.step(sys, op) {
                Flow::Go if self.failed => return Step::Exit(1),
                Flow::Go => {}
                Flow::Wait(wait) => {
                    self.at = before;
                    return Step::Block(wait);
                }
                Flow::Exit(status) => return Step::Exit(status),
                Flow::Fail(complaint) => {
                    sys.flush();
                    sys.err(&format!("awk: cmd. line:1: {complaint}\n"));
                    return Step::Exit(1);
                }
            }
        }
    }

    // The stack.

    pub(super) fn pop(&mut self) -> Value {
        match self.stack.pop() {
            Some(Cell::Value(value)) => value,
            Some(Cell::Array(_) | Cell::Untyped(_)) | None => Value::Unset,
        }
    }

    pub(super) fn push(&mut self, value: Value) {
        self.stack.push(Cell::Value(value));
    }

    pub(super) fn push_number(&mut self, n: f64) {
        self.push(Value::Number(n));
    }

    pub(super) fn pop_text(&mut self) -> Str {
        let value = self.pop();
        self.text_of(&value)
    }

    pub(super) fn text_of(&self, value: &Value) -> Str {
        match value {
            Value::Number(_) => value.text(&self.format_of(CONVFMT)),
            other => other.text(""),
        }
    }

    fn format_of(&self, var: usize) -> Str {
        match &self.globals[var] {
            Cell::Value(value) => value.text("%.6g"),
            Cell::Array(_) | Cell::Untyped(_) => "%.6g".into(),
        }
    }

    fn peek_text(&self) -> Str {
        match self.stack.last() {
            Some(Cell::Value(value)) => self.text_of(value),
            _ => Str::default(),
        }
    }

    // Variables.

    fn cell(&self, var: Var) -> &Cell {
        match var {
            Var::Global(i) => &self.globals[i],
            Var::Local(i) => &self.stack[self.base() + i],
        }
    }

    fn base(&self) -> usize {
        self.frames.last().map_or(0, |f| f.base)
    }

    fn get(&mut self, var: Var) -> Value {
        if var == Var::Global(NF) {
            self.split_fields();
        }
        match self.cell(var) {
            Cell::Value(value) => value.clone(),
            Cell::Array(_) | Cell::Untyped(_) => Value::Unset,
        }
    }

    pub(super) fn set(&mut self, var: Var, value: Value) {
        match var {
            Var::Global(i) => self.set_global(i, value),
            Var::Local(i) => {
                let at = self.base() + i;
                self.stack[at] = Cell::Value(value);
            }
        }
    }

    pub(super) fn set_global(&mut self, index: usize, value: Value) {
        if index == NF {
            self.split_fields();
            let n = super::functions::integer(value.number()).max(0);
            let n = usize::try_from(n).unwrap_or(0).min(MAX_FIELDS);
            self.fields.resize(n, Value::Unset);
            self.record_stale = true;
            self.globals[NF] = Cell::Value(Value::Number(number_of(n)));
            return;
        }
        // Fields are split by the separator that was set when the record came.
        if index == FS {
            self.split_fields();
        }
        self.globals[index] = Cell::Value(value);
    }

    pub(super) fn global_value(&self, index: usize) -> Value {
        match &self.globals[index] {
            Cell::Value(value) => value.clone(),
            Cell::Array(_) | Cell::Untyped(_) => Value::Unset,
        }
    }

    pub(super) fn separator_text(&self) -> Str {
        self.global_text(FS)
    }

    /// The array in a variable, or the value that it has instead.
    pub(super) fn array_or_value(&mut self, var: Var) -> Result<usize, Value> {
        match self.cell(var) {
            Cell::Array(id) => Ok(*id),
            Cell::Value(_) => Err(self.get(var)),
            Cell::Untyped(_) => Err(Value::Unset),
        }
    }

    fn global_text(&self, index: usize) -> Str {
        match &self.globals[index] {
            Cell::Value(value) => self.text_of(value),
            Cell::Array(_) | Cell::Untyped(_) => Str::default(),
        }
    }

    /// The array in a variable, made if there is nothing yet.
    pub(super) fn array(&mut self, var: Var) -> usize {
        let origin = match var {
            Var::Global(i) => Origin::Global(i),
            Var::Local(i) => Origin::Stack(self.base() + i),
        };
        self.array_at(origin)
    }

    fn array_at(&mut self, origin: Origin) -> usize {
        let cell = match origin {
            Origin::Global(i) => self.globals.get(i),
            Origin::Stack(i) => self.stack.get(i),
        };
        let id = match cell {
            Some(Cell::Array(id)) => return *id,
            Some(Cell::Untyped(Some(from))) => {
                let from = *from;
                self.array_at(from)
            }
            _ => match self.free.pop() {
                Some(id) => id,
                None => {
                    self.arrays.push(Array::default());
                    self.arrays.len() - 1
                }
            },
        };
        let cell = match origin {
            Origin::Global(i) => self.globals.get_mut(i),
            Origin::Stack(i) => self.stack.get_mut(i),
        };
        if let Some(cell) = cell {
            *cell = Cell::Array(id);
        }
        id
    }

    fn elem(&mut self, var: Var, key: Str) -> Value {
        let id = self.array(var);
        match self.arrays[id].get(&key) {
            Some(value) => value.clone(),
            None => {
                self.arrays[id].set(key, Value::Unset);
                Value::Unset
            }
        }
    }

    fn unwind(&mut self) {
        self.frames.clear();
        self.stack.clear();
        self.iterators.clear();
    }

    // Steps.

    fn step(&mut self, sys: &mut Sys<'_, '_>, op: &Op) -> Flow {
        match self.work(sys, op) {
            Ok(flow) => flow,
            Err(complaint) => Flow::Fail(complaint),
        }
    }

    fn work(&mut self, sys: &mut Sys<'_, '_>, op: &Op) -> Result<Flow, String> {
        match op {
            Op::Number(n) => self.push_number(*n),
            Op::Text(t) => self.push(Value::Text(t.clone())),
            Op::MatchRecord(source) => {
                let regex = self.regex(source)?;
                let record = self.joined_record();
                sys.work(record.len() / 8);
                self.push_number(f64::from(u8::from(regex.is_match(&record))));
            }
            Op::Pop => {
                self.stack.pop();
            }
            Op::Dup => {
                let top = self.stack.last().cloned().unwrap_or(Cell::Untyped(None));
                self.stack.push(top);
            }
            Op::Line => {
                let line = self.line.clone();
                self.push(line);
            }
            Op::Binary(_)
            | Op::Compare(_)
            | Op::Concat
            | Op::Match(_)
            | Op::Not
            | Op::Negate
            | Op::ToNumber
            | Op::ToBool => self.compute(sys, op)?,
            Op::Get(..)
            | Op::Set(..)
            | Op::GetField
            | Op::SetField
            | Op::GetElem(..)
            | Op::SetElem(..)
            | Op::Join(..)
            | Op::StepVar(..)
            | Op::StepField(..)
            | Op::StepElem(..)
            | Op::InArray(..)
            | Op::Delete(..)
            | Op::DeleteAll(..) => self.access(sys, op)?,
            Op::Jump(..)
            | Op::JumpFalse(..)
            | Op::JumpTrue(..)
            | Op::JumpNotPositive(..)
            | Op::Iterate(..)
            | Op::NextKey(..)
            | Op::EndIterate
            | Op::RangeOpen(..)
            | Op::SetRange(..) => self.jump(op),
            Op::Pass(..) | Op::Call(..) | Op::Return => self.calls(op)?,
            Op::Builtin(name, n) => return self.builtin(sys, name, *n),
            Op::ArrayBuiltin(name, var, n) => self.array_builtin(name, *var, *n)?,
            Op::Substitute(all) => self.substitute(sys, *all)?,
            Op::Print(n, redirect) | Op::Printf(n, redirect) => {
                return self.print(sys, *n, *redirect, matches!(op, Op::Print(..)));
            }
            Op::Getline(from, keep) => return Ok(self.getline(sys, *from, *keep)),
            Op::Record(end) => match self.main_record(sys) {
                Ok(Some(record)) => self.set_record(record),
                Ok(None) => {
                    self.at = *end;
                    self.in_end = true;
                }
                Err(wait) => return Ok(Flow::Wait(wait)),
            },
            Op::Next | Op::NextFile => {
                if *op == Op::NextFile {
                    self.leave_main(sys);
                }
                self.unwind();
                self.at = self.code.main;
            }
            Op::Exit(with) => {
                if *with {
                    let n = super::functions::integer(self.pop().number());
                    self.status = u8::try_from(n & 0xff).unwrap_or(0);
                }
                self.unwind();
                let again = std::mem::replace(&mut self.in_end, true);
                self.at = if again { self.finish_at() } else { self.code.end };
            }
            Op::Finish => return Ok(self.finish(sys)),
        }
        Ok(Flow::Go)
    }

    /// The step that ends the program.
    fn finish_at(&self) -> usize {
        let from = self.code.end;
        self.code.ops[from..].iter().position(|o| *o == Op::Finish).map_or(from, |i| from + i)
    }

    /// Waits for the commands that read what was written, one after the other.
    fn finish(&mut self, sys: &mut Sys<'_, '_>) -> Flow {
        loop {
            if let Some(wait) = self.await_child(sys).err() {
                return Flow::Wait(wait);
            }
            let Some(mut writer) = self.writers.pop() else { break };
            writer.close(sys);
            self.awaited = writer.child;
        }
        for (_, reader) in std::mem::take(&mut self.readers) {
            if reader.fd() != 0 {
                sys.close(reader.fd());
            }
        }
        Flow::Exit(self.status)
    }

    /// The status of the awaited process, or the wait for it.
    pub(super) fn await_child(&mut self, sys: &mut Sys<'_, '_>) -> Result<Option<u8>, Wait> {
        let Some(pid) = self.awaited else { return Ok(None) };
        match sys.reap(Some(pid)) {
            Some((_, ended)) => {
                self.awaited = None;
                Ok(Some(ended.code()))
            }
            None => Err(Wait::Child(None)),
        }
    }

    fn compute(&mut self, sys: &mut Sys<'_, '_>, op: &Op) -> Result<(), String> {
        match op {
            Op::Binary(operator) => {
                let (b, a) = (self.pop().number(), self.pop().number());
                let n = match operator {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    '/' if b == 0.0 => return Err("Division by zero".to_owned()),
                    '/' => a / b,
                    '%' if b == 0.0 => return Err("Division by zero".to_owned()),
                    '%' => a % b,
                    _ => a.powf(b),
                };
                self.push_number(n);
            }
            Op::Compare(operator) => {
                let (b, a) = (self.pop(), self.pop());
                let order = match (a.numeric(), b.numeric()) {
                    (Some(x), Some(y)) => x.partial_cmp(&y),
                    _ => Some(encode(&self.text_of(&a)).cmp(&encode(&self.text_of(&b)))),
                };
                let holds = order.is_some_and(|o| match operator {
                    Compare::Lt => o.is_lt(),
                    Compare::Le => o.is_le(),
                    Compare::Eq => o.is_eq(),
                    Compare::Ne => o.is_ne(),
                    Compare::Gt => o.is_gt(),
                    Compare::Ge => o.is_ge(),
                });
                self.push_number(f64::from(u8::from(holds)));
            }
            Op::Concat => {
                let (b, a) = (self.pop_text(), self.pop_text());
                sys.work((a.len() + b.len()) / 64);
                if !fits(sys, a.len() + b.len()) {
                    return Err("a text is longer than memory_bytes".to_owned());
                }
                self.push(Value::Text(format!("{a}{b}").into()));
            }
            Op::Match(negated) => {
                let (source, text) = (self.pop_text(), self.pop_text());
                let regex = self.regex(&source)?;
                sys.work(text.len() / 8);
                self.push_number(f64::from(u8::from(regex.is_match(&text) != *negated)));
            }
            Op::Not => {
                let value = self.pop().is_true();
                self.push_number(f64::from(u8::from(!value)));
            }
            Op::Negate => {
                let n = self.pop().number();
                self.push_number(-n);
            }
            Op::ToNumber => {
                let n = self.pop().number();
                self.push_number(n);
            }
            _ => {
                let value = self.pop().is_true();
                self.push_number(f64::from(u8::from(value)));
            }
        }
        Ok(())
    }

    fn access(&mut self, sys: &mut Sys<'_, '_>, op: &Op) -> Result<(), String> {
        match op {
            Op::Get(var) => {
                let value = self.get(*var);
                self.push(value);
            }
            Op::Set(var) => {
                let value = self.pop();
                self.set(*var, value.clone());
                self.push(value);
            }
            Op::GetField => {
                let index = self.pop().number();
                let value = self.field(index)?;
                self.push(value);
            }
            Op::SetField => {
                let (value, index) = (self.pop(), self.pop().number());
                self.set_field(index, value.clone())?;
                self.push(value);
            }
            Op::GetElem(var) => {
                let key = self.pop_text();
                let value = self.elem(*var, key);
                self.push(value);
            }
            Op::SetElem(var) => {
                let (value, key) = (self.pop(), self.pop_text());
                let id = self.array(*var);
                self.arrays[id].set(key, value.clone());
                if self.arrays[id].len() > MAX_ELEMENTS {
                    sys.complain(format!("an array of awk has more than {MAX_ELEMENTS} elements"));
                    return Err("out of memory".to_owned());
                }
                self.push(value);
            }
            Op::Join(n) => {
                let mut keys: Vec<Str> = (0..*n).map(|_| self.pop_text()).collect();
                keys.reverse();
                let between = self.global_text(SUBSEP);
                self.push(Value::Text(keys.join(&between).into()));
            }
            Op::StepVar(var, by, post) => {
                let old = self.get(*var).number();
                self.set(*var, Value::Number(old + by));
                self.push_number(if *post { old } else { old + by });
            }
            Op::StepField(by, post) => {
                let index = self.pop().number();
                let old = self.field(index)?.number();
                self.set_field(index, Value::Number(old + by))?;
                self.push_number(if *post { old } else { old + by });
            }
            Op::StepElem(var, by, post) => {
                let key = self.pop_text();
                let old = self.elem(*var, key.clone()).number();
                let id = self.array(*var);
                self.arrays[id].set(key, Value::Number(old + by));
                self.push_number(if *post { old } else { old + by });
            }
            Op::InArray(var) => {
                let key = self.pop_text();
                let id = self.array(*var);
                let found = self.arrays[id].get(&key).is_some();
                self.push_number(f64::from(u8::from(found)));
            }
            Op::Delete(var) => {
                let key = self.pop_text();
                let id = self.array(*var);
                self.arrays[id].remove(&key);
            }
            Op::DeleteAll(var) => {
                let id = self.array(*var);
                self.arrays[id].clear();
            }
            _ => {}
        }
        Ok(())
    }

    fn jump(&mut self, op: &Op) {
        match op {
            Op::Jump(to) => self.at = *to,
            Op::JumpFalse(to) => {
                if !self.pop().is_true() {
                    self.at = *to;
                }
            }
            Op::JumpTrue(to) => {
                if self.pop().is_true() {
                    self.at = *to;
                }
            }
            Op::JumpNotPositive(to) => {
                let positive =
                    matches!(self.stack.last(), Some(Cell::Value(v)) if v.number() > 0.0);
                if !positive {
                    self.at = *to;
                }
            }
            Op::Iterate(var) => {
                let id = self.array(*var);
                self.iterators.push(self.arrays[id].keys().into_iter());
            }
            Op::NextKey(var, out) => match self.iterators.last_mut().and_then(Iterator::next) {
                Some(key) => self.set(*var, Value::Input(key)),
                None => self.at = *out,
            },
            Op::EndIterate => {
                self.iterators.pop();
            }
            Op::RangeOpen(range) => {
                let open = self.ranges[*range];
                self.push_number(f64::from(u8::from(open)));
            }
            Op::SetRange(range, open) => self.ranges[*range] = *open,
            _ => {}
        }
    }

    fn calls(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Pass(var) => {
                let cell = match self.cell(*var) {
                    Cell::Untyped(_) => Cell::Untyped(Some(match var {
                        Var::Global(i) => Origin::Global(*i),
                        Var::Local(i) => Origin::Stack(self.base() + i),
                    })),
                    Cell::Value(_) => Cell::Value(self.get(*var)),
                    Cell::Array(id) => Cell::Array(*id),
                };
                self.stack.push(cell);
            }
            Op::Call(index, args) => {
                if self.frames.len() >= MAX_FRAMES {
                    return Err(format!("calls are nested more than {MAX_FRAMES} deep"));
                }
                let routine = self.code.routines[*index].clone();
                let kept = (*args).min(routine.params);
                self.stack.truncate(self.stack.len() - (args - kept));
                let base = self.stack.len() - kept;
                self.stack.resize(base + routine.params, Cell::Untyped(None));
                self.frames.push(Frame {
                    back: self.at,
                    base,
                    args: kept,
                    params: routine.params,
                    iterators: self.iterators.len(),
                });
                self.at = routine.at;
            }
            _ => {
                let value = self.pop();
                let Some(frame) = self.frames.pop() else { return Ok(()) };
                for cell in &self.stack[frame.base + frame.args..frame.base + frame.params] {
                    if let Cell::Array(id) = cell {
                        self.arrays[*id].clear();
                        self.free.push(*id);
                    }
                }
                self.stack.truncate(frame.base);
                self.iterators.truncate(frame.iterators);
                self.at = frame.back;
                self.push(value);
            }
        }
        Ok(())
    }

    fn substitute(&mut self, sys: &mut Sys<'_, '_>, all: bool) -> Result<(), String> {
        let (target, by, source) = (self.pop_text(), self.pop_text(), self.pop_text());
        let regex = self.regex(&source)?;
        sys.work(target.len() / 4);
        let (text, count) = super::functions::substituted(&target, &regex, &by, all);
        self.line = Value::Text(text.into());
        self.push_number(number_of(count));
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The text of an assignment on the command line, whose escapes count.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(c) => match super::lexer::simple_escape(c) {
                Some(c) => out.push(c),
                None => out.extend(['\\', c]),
            },
            None => out.push('\\'),
        }
    }
    out
}

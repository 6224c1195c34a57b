//! An awk program as steps of a stack machine.
//!
//! The machine must be able to stop in the middle of an expression (`cmd | getline` waits for a
//! process), so programs are not walked as trees but turned into steps: each either happens or is
//! tried again later.

use std::collections::BTreeMap;

use super::ast::{Compare, Expr, Function, Pattern, Program, Redirect, Source, Stmt};
use crate::base::Str;

/// A variable: of the whole program, or of the function that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Var {
    Global(usize),
    Local(usize),
}

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Op {
    Number(f64),
    Text(Str),
    /// The record is matched against an expression.
    MatchRecord(Str),
    Get(Var),
    Set(Var),
    /// Field numbers and keys lie on the stack, below the value to be set.
    GetField,
    SetField,
    GetElem(Var),
    SetElem(Var),
    /// Several keys become one.
    Join(usize),
    StepVar(Var, f64, bool),
    StepField(f64, bool),
    StepElem(Var, f64, bool),
    InArray(Var),
    Delete(Var),
    DeleteAll(Var),
    Binary(char),
    Compare(Compare),
    Concat,
    Match(bool),
    Not,
    Negate,
    ToNumber,
    ToBool,
    Pop,
    Dup,
    Jump(usize),
    JumpFalse(usize),
    JumpTrue(usize),
    /// A variable as the argument of a function, which may turn out to be an array.
    Pass(Var),
    Call(usize, usize),
    Return,
    /// A function of awk's own with so many arguments.
    Builtin(&'static str, usize),
    /// `split`, `length`, `match` with an array.
    ArrayBuiltin(&'static str, Var, usize),
    /// `sub` and `gsub`: leave the new text and the count.
    Substitute(bool),
    Print(usize, Redirect),
    Printf(usize, Redirect),
    /// Leaves the result; the line is kept when it is wanted.
    Getline(From, bool),
    /// The line that was read.
    Line,
    /// Goes on if the result on the stack is not positive.
    JumpNotPositive(usize),
    Iterate(Var),
    NextKey(Var, usize),
    EndIterate,
    /// The next record of the main input, or where to go without one.
    Record(usize),
    Next,
    NextFile,
    /// `exit`: whether a status is on the stack.
    Exit(bool),
    RangeOpen(usize),
    SetRange(usize, bool),
    Finish,
}

/// Where `getline` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Main,
    File,
    Command,
}

/// A function as steps.
#[derive(Clone, Debug)]
pub(super) struct Routine {
    pub(super) at: usize,
    pub(super) params: usize,
}

/// A whole program as steps.
#[derive(Clone, Debug, Default)]
pub(super) struct Code {
    pub(super) ops: Vec<Op>,
    pub(super) globals: BTreeMap<Str, usize>,
    pub(super) routines: Vec<Routine>,
    pub(super) ranges: usize,
    /// Where the main loop begins.
    pub(super) main: usize,
    /// Where `END` begins.
    pub(super) end: usize,
}

/// Steps of one program.
const MAX_OPS: usize = 1 << 20;

/// Turns a program into steps; `Err` is the complaint.
pub(super) fn compile(program: &Program) -> Result<Code, String> {
    let mut compiler = Compiler {
        code: Code::default(),
        names: program.functions.iter().map(|f| f.name.clone()).collect(),
        params: Vec::new(),
        loops: Vec::new(),
        in_function: false,
    };
    for name in super::vm::SPECIAL {
        compiler.global(&Str::from(*name));
    }
    compiler.statements(&program.begin)?;
    let reads = !program.rules.is_empty() || program.has_end;
    let main = compiler.code.ops.len();
    compiler.code.main = main;
    if reads {
        compiler.emit(Op::Record(usize::MAX));
        for (pattern, action) in &program.rules {
            compiler.rule(pattern, action.as_deref())?;
        }
        compiler.emit(Op::Jump(main));
    }
    compiler.code.end = compiler.code.ops.len();
    if let Some(Op::Record(end)) = compiler.code.ops.get_mut(main) {
        *end = compiler.code.end;
    }
    compiler.statements(&program.end)?;
    compiler.emit(Op::Finish);
    for function in &program.functions {
        compiler.function(function)?;
    }
    if compiler.code.ops.len() > MAX_OPS {
        return Err(format!("the program has more than {MAX_OPS} steps"));
    }
    Ok(compiler.code)
}

/// The jumps out of a loop.
#[derive(Debug, Default)]
struct Loop {
    breaks: Vec<usize>,
    continues: Vec<usize>,
    /// It goes over the keys of an array.
    iterates: bool,
}

struct Compiler {
    code: Code,
    names: Vec<Str>,
    params: Vec<Str>,
    loops: Vec<Loop>,
    in_function: bool,
}

type Done = Result<(), String>;

impl Compiler {
    fn emit(&mut self, op: Op) -> usize {
        self.code.ops.push(op);
        self.code.ops.len() - 1
    }

    fn here(&self) -> usize {
        self.code.ops.len()
    }

    /// Lets a jump lead here.
    fn land(&mut self, jump: usize) {
        let here = self.here();
        self.aim(jump, here);
    }

    fn aim(&mut self, jump: usize, to: usize) {
        match &mut self.code.ops[jump] {
            Op::Jump(t)
            | Op::JumpFalse(t)
            | Op::JumpTrue(t)
            | Op::JumpNotPositive(t)
            | Op::NextKey(_, t) => *t = to,
            _ => {}
        }
    }

    fn global(&mut self, name: &Str) -> usize {
        let next = self.code.globals.len();
        *self.code.globals.entry(name.clone()).or_insert(next)
    }

    fn var(&mut self, name: &Str) -> Var {
        match self.params.iter().position(|p| p == name) {
            Some(i) => Var::Local(i),
            None => Var::Global(self.global(name)),
        }
    }

    fn function(&mut self, function: &Function) -> Done {
        self.params.clone_from(&function.params);
        self.in_function = true;
        let routine = Routine { at: self.here(), params: function.params.len() };
        let index = self.names.iter().position(|n| *n == function.name).unwrap_or(0);
        if self.code.routines.len() <= index {
            self.code.routines.resize(self.names.len(), Routine { at: 0, params: 0 });
        }
        self.code.routines[index] = routine;
        self.statements(&function.body)?;
        self.emit(Op::Text(Str::default()));
        self.emit(Op::Return);
        self.params.clear();
        self.in_function = false;
        Ok(())
    }

    fn rule(&mut self, pattern: &Pattern, action: Option<&[Stmt]>) -> Done {
        let mut skip = None;
        match pattern {
            Pattern::Always => {}
            Pattern::When(expr) => {
                self.expr(expr)?;
                skip = Some(self.emit(Op::JumpFalse(0)));
            }
            Pattern::Range(from, to) => {
                let range = self.code.ranges;
                self.code.ranges += 1;
                self.emit(Op::RangeOpen(range));
                let open = self.emit(Op::JumpTrue(0));
                self.expr(from)?;
                skip = Some(self.emit(Op::JumpFalse(0)));
                self.emit(Op::SetRange(range, true));
                self.land(open);
                self.expr(to)?;
                let goes_on = self.emit(Op::JumpFalse(0));
                self.emit(Op::SetRange(range, false));
                self.land(goes_on);
            }
        }
        match action {
            Some(statements) => self.statements(statements)?,
            None => {
                self.emit(Op::Print(0, Redirect::None));
            }
        }
        if let Some(skip) = skip {
            self.land(skip);
        }
        Ok(())
    }

    fn statements(&mut self, statements: &[Stmt]) -> Done {
        statements.iter().try_for_each(|s| self.statement(s))
    }

    fn statement(&mut self, statement: &Stmt) -> Done {
        match statement {
            Stmt::Expr(expr) => {
                self.expr(expr)?;
                self.emit(Op::Pop);
            }
            Stmt::Print(args, redirect, to) | Stmt::Printf(args, redirect, to) => {
                for arg in args {
                    self.expr(arg)?;
                }
                if let Some(to) = to {
                    self.expr(to)?;
                }
                self.emit(if matches!(statement, Stmt::Print(..)) {
                    Op::Print(args.len(), *redirect)
                } else {
                    Op::Printf(args.len(), *redirect)
                });
            }
            Stmt::If(cond, then, other) => {
                self.expr(cond)?;
                let skip = self.emit(Op::JumpFalse(0));
                self.statement(then)?;
                if let Some(other) = other {
                    let end = self.emit(Op::Jump(0));
                    self.land(skip);
                    self.statement(other)?;
                    self.land(end);
                } else {
                    self.land(skip);
                }
            }
            Stmt::Block(all) => self.statements(all)?,
            Stmt::While(..) | Stmt::Do(..) | Stmt::For(..) | Stmt::ForIn(..) => {
                self.looping(statement)?;
            }
            Stmt::Break | Stmt::Continue => {
                let jump = self.emit(Op::Jump(0));
                match self.loops.last_mut() {
                    Some(l) if *statement == Stmt::Break => l.breaks.push(jump),
                    Some(l) => l.continues.push(jump),
                    None => return Err("'break' or 'continue' not in a loop".to_owned()),
                }
            }
            Stmt::Next => {
                self.emit(Op::Next);
            }
            Stmt::NextFile => {
                self.emit(Op::NextFile);
            }
            Stmt::Exit(status) => {
                if let Some(status) = status {
                    self.expr(status)?;
                }
                self.emit(Op::Exit(status.is_some()));
            }
            Stmt::Return(value) => {
                if !self.in_function {
                    return Err("'return' not in function".to_owned());
                }
                match value {
                    Some(value) => self.expr(value)?,
                    None => {
                        self.emit(Op::Text(Str::default()));
                    }
                }
                self.emit(Op::Return);
            }
            Stmt::Delete(name, keys) => {
                let var = self.var(name);
                match keys {
                    Some(keys) => {
                        self.keys(keys)?;
                        self.emit(Op::Delete(var));
                    }
                    None => {
                        self.emit(Op::DeleteAll(var));
                    }
                }
            }
        }
        Ok(())
    }

    fn looping(&mut self, statement: &Stmt) -> Done {
        self.loops.push(Loop { iterates: matches!(statement, Stmt::ForIn(..)), ..Loop::default() });
        let again = match statement {
            Stmt::While(cond, body) => {
                let top = self.here();
                self.expr(cond)?;
                let out = self.emit(Op::JumpFalse(0));
                self.statement(body)?;
                self.emit(Op::Jump(top));
                self.land(out);
                top
            }
            Stmt::Do(body, cond) => {
                let top = self.here();
                self.statement(body)?;
                let again = self.here();
                self.expr(cond)?;
                self.emit(Op::JumpTrue(top));
                again
            }
            Stmt::For(first, cond, step, body) => {
                if let Some(first) = first {
                    self.statement(first)?;
                }
                let top = self.here();
                let out = match cond {
                    Some(cond) => {
                        self.expr(cond)?;
                        Some(self.emit(Op::JumpFalse(0)))
                    }
                    None => None,
                };
                self.statement(body)?;
                let again = self.here();
                if let Some(step) = step {
                    self.statement(step)?;
                }
                self.emit(Op::Jump(top));
                if let Some(out) = out {
                    self.land(out);
                }
                again
            }
            Stmt::ForIn(var, array, body) => {
                let array = self.var(array);
                self.emit(Op::Iterate(array));
                let top = self.here();
                let Expr::Var(name) = var else { return Ok(()) };
                let var = self.var(name);
                let out = self.emit(Op::NextKey(var, 0));
                self.statement(body)?;
                self.emit(Op::Jump(top));
                self.land(out);
                top
            }
            _ => return Ok(()),
        };
        let this = self.loops.pop().unwrap_or_default();
        for jump in this.continues {
            self.aim(jump, again);
        }
        for jump in this.breaks {
            self.land(jump);
        }
        if this.iterates {
            self.emit(Op::EndIterate);
        }
        Ok(())
    }

    fn keys(&mut self, keys: &[Expr]) -> Done {
        for key in keys {
            self.expr(key)?;
        }
        self.emit(Op::Join(keys.len()));
        Ok(())
    }

    fn expr(&mut self, expr: &Expr) -> Done {
        match expr {
            Expr::Number(n) => {
                self.emit(Op::Number(*n));
            }
            Expr::Text(t) => {
                self.emit(Op::Text(t.clone()));
            }
            Expr::Regex(r) => {
                self.emit(Op::MatchRecord(r.clone()));
            }
            Expr::Var(name) => {
                let var = self.var(name);
                self.emit(Op::Get(var));
            }
            Expr::Field(index) => {
                self.expr(index)?;
                self.emit(Op::GetField);
            }
            Expr::Elem(name, keys) => {
                self.keys(keys)?;
                let var = self.var(name);
                self.emit(Op::GetElem(var));
            }
            Expr::Assign(target, operator, value) => self.assign(target, *operator, value)?,
            Expr::Step(target, by, post) => self.step(target, *by, *post)?,
            Expr::Cond(cond, then, other) => {
                self.expr(cond)?;
                let skip = self.emit(Op::JumpFalse(0));
                self.expr(then)?;
                let end = self.emit(Op::Jump(0));
                self.land(skip);
                self.expr(other)?;
                self.land(end);
            }
            Expr::And(left, right) => self.logic(left, right, true)?,
            Expr::Or(left, right) => self.logic(left, right, false)?,
            Expr::Not(e) => {
                self.expr(e)?;
                self.emit(Op::Not);
            }
            Expr::Negate(e) => {
                self.expr(e)?;
                self.emit(Op::Negate);
            }
            Expr::Plus(e) => {
                self.expr(e)?;
                self.emit(Op::ToNumber);
            }
            Expr::Binary(operator, left, right) => {
                self.expr(left)?;
                self.expr(right)?;
                self.emit(Op::Binary(*operator));
            }
            Expr::Compare(operator, left, right) => {
                self.expr(left)?;
                self.expr(right)?;
                self.emit(Op::Compare(*operator));
            }
            Expr::Match(negated, text, regex) => {
                self.expr(text)?;
                self.pattern(regex)?;
                self.emit(Op::Match(*negated));
            }
            Expr::Concat(left, right) => {
                self.expr(left)?;
                self.expr(right)?;
                self.emit(Op::Concat);
            }
            Expr::In(keys, array) => {
                self.keys(keys)?;
                let var = self.var(array);
                self.emit(Op::InArray(var));
            }
            Expr::Call(name, args) => self.call(name, args)?,
            Expr::Builtin(name, args) => self.builtin(name, args)?,
            Expr::Getline(source, target) => self.getline(source, target.as_deref())?,
            Expr::Group(all) => match &all[..] {
                [one] => self.expr(one)?,
                _ => return Err("Unexpected token".to_owned()),
            },
        }
        Ok(())
    }

    /// An expression that stands for a regular expression: in slashes it is not matched by itself.
    fn pattern(&mut self, expr: &Expr) -> Done {
        match expr {
            Expr::Regex(r) => {
                self.emit(Op::Text(r.clone()));
                Ok(())
            }
            other => self.expr(other),
        }
    }

    fn logic(&mut self, left: &Expr, right: &Expr, and: bool) -> Done {
        self.expr(left)?;
        let short = self.emit(if and { Op::JumpFalse(0) } else { Op::JumpTrue(0) });
        self.expr(right)?;
        self.emit(Op::ToBool);
        let end = self.emit(Op::Jump(0));
        self.land(short);
        self.emit(Op::Number(if and { 0.0 } else { 1.0 }));
        self.land(end);
        Ok(())
    }

    fn assign(&mut self, target: &Expr, operator: Option<char>, value: &Expr) -> Done {
        match target {
            Expr::Var(name) => {
                let var = self.var(name);
                if operator.is_some() {
                    self.emit(Op::Get(var));
                }
                self.expr(value)?;
                self.emit_operator(operator);
                self.emit(Op::Set(var));
            }
            Expr::Field(index) => {
                self.expr(index)?;
                if operator.is_some() {
                    self.emit(Op::Dup);
                    self.emit(Op::GetField);
                }
                self.expr(value)?;
                self.emit_operator(operator);
                self.emit(Op::SetField);
            }
            Expr::Elem(name, keys) => {
                self.keys(keys)?;
                let var = self.var(name);
                if operator.is_some() {
                    self.emit(Op::Dup);
                    self.emit(Op::GetElem(var));
                }
                self.expr(value)?;
                self.emit_operator(operator);
                self.emit(Op::SetElem(var));
            }
            _ => return Err("Unexpected token".to_owned()),
        }
        Ok(())
    }

    fn emit_operator(&mut self, operator: Option<char>) {
        if let Some(operator) = operator {
            self.emit(Op::Binary(operator));
        }
    }

    fn step(&mut self, target: &Expr, by: f64, post: bool) -> Done {
        match target {
            Expr::Var(name) => {
                let var = self.var(name);
                self.emit(Op::StepVar(var, by, post));
            }
            Expr::Field(index) => {
                self.expr(index)?;
                self.emit(Op::StepField(by, post));
            }
            Expr::Elem(name, keys) => {
                self.keys(keys)?;
                let var = self.var(name);
                self.emit(Op::StepElem(var, by, post));
            }
            _ => return Err("Unexpected token".to_owned()),
        }
        Ok(())
    }

    fn call(&mut self, name: &Str, args: &[Expr]) -> Done {
        let Some(index) = self.names.iter().position(|n| n == name) else {
            return Err(format!("Call to undefined function '{name}'"));
        };
        for arg in args {
            match arg {
                Expr::Var(name) => {
                    let var = self.var(name);
                    self.emit(Op::Pass(var));
                }
                other => self.expr(other)?,
            }
        }
        self.emit(Op::Call(index, args.len()));
        Ok(())
    }

    fn builtin(&mut self, name: &'static str, args: &[Expr]) -> Done {
        match (name, args) {
            ("sub" | "gsub", [regex, replacement, rest @ ..]) => {
                self.pattern(regex)?;
                self.expr(replacement)?;
                let record = Expr::Field(Box::new(Expr::Number(0.0)));
                let target = match rest.first() {
                    Some(Expr::Group(all)) if all.len() == 1 => &all[0],
                    Some(target) => target,
                    None => &record,
                };
                self.expr(target)?;
                self.emit(Op::Substitute(name == "gsub"));
                self.store_substituted(target)
            }
            ("split", [text, Expr::Var(array), rest @ ..]) => {
                self.expr(text)?;
                for arg in rest {
                    self.pattern(arg)?;
                }
                let var = self.var(array);
                self.emit(Op::ArrayBuiltin("split", var, rest.len()));
                Ok(())
            }
            ("match", [text, regex, Expr::Var(array)]) => {
                self.expr(text)?;
                self.pattern(regex)?;
                let var = self.var(array);
                self.emit(Op::ArrayBuiltin("match", var, 0));
                Ok(())
            }
            ("length", [Expr::Var(name)]) => {
                let var = self.var(name);
                self.emit(Op::ArrayBuiltin("length", var, 0));
                Ok(())
            }
            _ => {
                let regex_at = match name {
                    "match" => 1,
                    "gensub" => 0,
                    _ => usize::MAX,
                };
                for (i, arg) in args.iter().enumerate() {
                    if i == regex_at {
                        self.pattern(arg)?;
                    } else {
                        self.expr(arg)?;
                    }
                }
                if !super::functions::takes(name, args.len()) {
                    return Err("Too few arguments".to_owned());
                }
                self.emit(Op::Builtin(name, args.len()));
                Ok(())
            }
        }
    }

    /// The count lies on the stack, and what was made of the target is the line.
    fn store_substituted(&mut self, target: &Expr) -> Done {
        let skip = self.emit(Op::JumpNotPositive(0));
        self.store_line(target)?;
        self.land(skip);
        Ok(())
    }

    /// Sets a target to the line; what is not a target is left alone.
    fn store_line(&mut self, target: &Expr) -> Done {
        match target {
            Expr::Var(name) => {
                self.emit(Op::Line);
                let var = self.var(name);
                self.emit(Op::Set(var));
            }
            Expr::Field(index) => {
                self.expr(index)?;
                self.emit(Op::Line);
                self.emit(Op::SetField);
            }
            Expr::Elem(name, keys) => {
                self.keys(keys)?;
                self.emit(Op::Line);
                let var = self.var(name);
                self.emit(Op::SetElem(var));
            }
            _ => return Ok(()),
        }
        self.emit(Op::Pop);
        Ok(())
    }

    fn getline(&mut self, source: &Source, target: Option<&Expr>) -> Done {
        let from = match source {
            Source::Main => From::Main,
            Source::File(file) => {
                self.expr(file)?;
                From::File
            }
            Source::Command(command) => {
                self.expr(command)?;
                From::Command
            }
        };
        self.emit(Op::Getline(from, target.is_some()));
        if let Some(target) = target {
            self.store_substituted(target)?;
        }
        Ok(())
    }
}

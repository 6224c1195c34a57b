//! Simple commands: words, assignments, redirections, then a built-in, a function or a program.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Shell;
use super::ast::{Assign, AssignValue, NodeKind, NodeRef, Simple, Word};
use super::builtins::{self, Done};
use super::expand::{Ctx, Expander, Memo, Result as Expanded, Stop};
use super::jobs::What;
use super::machine::{Flow, Frame, FrameKind, Leave};
use super::redirect::{Made, RedirectRun};
use super::vars::{Key, Value, Var, name_len};
use crate::base::Str;
use crate::container::coreutils::Tool;
use crate::container::environment::Environment;
use crate::container::fs::Errno;
use crate::container::os::{FORK, Program, Sys};
use crate::container::process::{ExecError, Wait};
use crate::container::seldom::{Empty, Seldom};
use crate::container::text::push;

/// Where a simple command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Words,
    Assigns,
    Redirects,
    /// Ready to run.
    Run,
}

/// An array that a declaration assigns.
#[derive(Clone, Debug)]
pub(super) struct ArrayValue {
    pub(super) name: Str,
    pub(super) append: bool,
    pub(super) items: Vec<(Option<String>, Str)>,
}

/// A simple command under way.
#[derive(Clone, Debug)]
pub(super) struct SimpleRun {
    node: NodeRef,
    stage: Stage,
    word: usize,
    pub(super) fields: Vec<Str>,
    assign: usize,
    memo: Vec<Memo>,
    redirects: Seldom<RedirectRun>,
    assigns: Seldom<Assigning>,
}

/// The assignments of a simple command.
#[derive(Clone, Debug, Default)]
pub(super) struct Assigning {
    /// `name=value` as assigned, for traces.
    assigned: Vec<(String, String)>,
    /// Variables that the command's own assignments hide while it runs.
    hidden: Vec<(Str, Option<Var>)>,
    arrays: Vec<ArrayValue>,
}

impl Empty for Assigning {
    fn empty() -> &'static Self {
        static EMPTY: Assigning =
            Assigning { assigned: Vec::new(), hidden: Vec::new(), arrays: Vec::new() };
        &EMPTY
    }
}

/// What a simple command changed for itself: its redirections, and variables that it hides.
#[derive(Clone, Debug)]
pub(super) struct Changed {
    redirects: Seldom<RedirectRun>,
    assigns: Seldom<Assigning>,
}

impl SimpleRun {
    /// What is to be put back after it.
    pub(super) fn changed(self) -> Changed {
        Changed { redirects: self.redirects, assigns: self.assigns }
    }

    pub(super) fn new(node: &NodeRef) -> Self {
        Self {
            node: Arc::clone(node),
            stage: Stage::Words,
            word: 0,
            fields: Vec::new(),
            assign: 0,
            memo: Vec::new(),
            redirects: Seldom::default(),
            assigns: Seldom::default(),
        }
    }
}

impl Shell {
    pub(super) fn step_simple(
        &mut self,
        sys: &mut Sys<'_, '_>,
        mut run: Box<SimpleRun>,
        tested: bool,
        last: bool,
    ) -> Flow {
        let node = Arc::clone(&run.node);
        let NodeKind::Simple(simple) = &node.kind else { return Flow::Go };
        if let Some(memo) = self.captured.take() {
            if run.stage == Stage::Redirects {
                run.redirects.remember(memo)
            } else {
                run.memo.push(memo)
            }
        }
        if run.stage == Stage::Words {
            if run.word == 0 && run.memo.is_empty() {
                self.capture_status = None;
            }
            if let Err(stop) = self.expand_words(sys, &mut run, simple) {
                return self.suspend(sys, run, stop, tested, last);
            }
            run.stage = Stage::Assigns;
        }
        if run.stage == Stage::Assigns {
            if let Err(stop) = self.assign_all(sys, &mut run, simple) {
                return self.suspend(sys, run, stop, tested, last);
            }
            self.trace_simple(sys, &run);
            run.stage = Stage::Redirects;
        }
        if run.stage == Stage::Redirects && simple.redirects.is_empty() {
            run.stage = Stage::Run;
        }
        if run.stage == Stage::Redirects {
            match self.make_redirects(sys, &simple.redirects, &mut run.redirects) {
                Made::Done => run.stage = Stage::Run,
                Made::Failed => return self.redirect_failed(sys, *run, tested),
                Made::Stop(stop) => return self.suspend(sys, run, stop, tested, last),
                Made::Fifo => {
                    self.frames.push(Frame { kind: FrameKind::Simple(run), tested, last });
                    return Flow::Wait(Wait::Fifo);
                }
            }
        }
        self.run_simple(sys, *run, tested, last)
    }

    fn suspend(
        &mut self,
        sys: &mut Sys<'_, '_>,
        run: Box<SimpleRun>,
        stop: Stop,
        tested: bool,
        last: bool,
    ) -> Flow {
        self.frames.push(Frame { kind: FrameKind::Simple(run), tested, last });
        self.serve(sys, stop)
    }

    fn redirect_failed(&mut self, sys: &mut Sys<'_, '_>, run: SimpleRun, tested: bool) -> Flow {
        let special = run.fields.first().is_some_and(|f| builtins::is_special(f));
        self.put_back(sys, run.changed());
        self.status = 1;
        if special && !self.dialect.is_bash() {
            self.start_exit(sys, 1);
        } else {
            self.check_failure(sys, tested);
        }
        Flow::Go
    }

    /// Undoes what the command changed for itself.
    pub(super) fn put_back(&mut self, sys: &mut Sys<'_, '_>, changed: Changed) {
        changed.redirects.into_inner().undo(sys);
        self.close_process_fds(sys);
        for (name, var) in changed.assigns.into_inner().hidden.into_iter().rev() {
            self.vars.restore(&name, var);
        }
    }

    fn expand_words(
        &mut self,
        sys: &mut Sys<'_, '_>,
        run: &mut SimpleRun,
        simple: &Simple,
    ) -> Expanded<()> {
        while let Some(word) = simple.words.get(run.word) {
            let declares = run
                .fields
                .first()
                .is_some_and(|f| builtins::is_declaration(f, self.dialect.is_bash()));
            let mut expander = Expander::new(self, sys, &run.memo);
            if declares && is_assignment(word) {
                let text = expander.text(word, Ctx::ASSIGN)?;
                self.vars = expander.vars;
                run.fields.push(text.into());
            } else {
                let fields = expander.fields(word)?;
                self.vars = expander.vars;
                run.fields.extend(fields);
            }
            run.word += 1;
            run.memo.clear();
        }
        Ok(())
    }

    fn assign_all(
        &mut self,
        sys: &mut Sys<'_, '_>,
        run: &mut SimpleRun,
        simple: &Simple,
    ) -> Expanded<()> {
        let command = run.fields.first().cloned();
        while let Some(assign) = simple.assigns.get(run.assign) {
            let declares = command
                .as_ref()
                .is_some_and(|f| builtins::is_declaration(f, self.dialect.is_bash()));
            if let (true, AssignValue::Array(items)) = (declares, &assign.value) {
                let items = self.array_items(sys, &run.memo, items)?;
                run.assigns.arrays.push(ArrayValue {
                    name: assign.name.clone(),
                    append: assign.append,
                    items,
                });
            } else {
                let keeps = match &command {
                    None => true,
                    Some(c) => {
                        !self.dialect.is_bash()
                            && builtins::is_special(c)
                            && !self.functions.contains_key(c)
                    }
                };
                let old = self.vars.get_itself(&assign.name).cloned();
                self.assign_one(sys, &run.memo, assign, &mut run.assigns.assigned)?;
                if !keeps {
                    run.assigns.hidden.push((assign.name.clone(), old));
                    self.vars.edit(&assign.name).exported = true;
                } else if self.options.allexport {
                    self.vars.edit(&assign.name).exported = true;
                }
            }
            run.assign += 1;
            run.memo.clear();
        }
        Ok(())
    }

    /// Makes one assignment.
    fn assign_one(
        &mut self,
        sys: &mut Sys<'_, '_>,
        memo: &[Memo],
        assign: &Assign,
        assigned: &mut Vec<(String, String)>,
    ) -> Expanded<()> {
        let word = match &assign.value {
            AssignValue::Word(word) => word,
            AssignValue::Array(items) => {
                let items = self.array_items(sys, memo, items)?;
                let value = ArrayValue { name: assign.name.clone(), append: assign.append, items };
                return self.assign_array(sys, value);
            }
        };
        let mut expander = Expander::new(self, sys, memo);
        let text = expander.text(word, Ctx::ASSIGN)?;
        let key = match &assign.index {
            Some(index) => Some(expander.key(&assign.name, index)?),
            None => None,
        };
        self.vars = expander.vars;
        let text = self.appended(sys, &assign.name, key.as_ref(), assign.append, text)?;
        let sign = if assign.append { "+=" } else { "=" };
        assigned.push((format!("{}{sign}", assign.name), text.clone()));
        match key {
            None => self.vars.set(&assign.name, text)?,
            Some(key) => self.vars.set_element(&assign.name, key, text.into())?,
        }
        if assign.name == "OPTIND" {
            self.getopts_at = 0;
        }
        Ok(())
    }

    /// The text to assign, after `+=` and the integer attribute.
    pub(super) fn appended(
        &mut self,
        sys: &mut Sys<'_, '_>,
        name: &str,
        key: Option<&Key>,
        append: bool,
        text: String,
    ) -> Expanded<String> {
        let integer = self.vars.get(name).is_some_and(|v| v.integer);
        if !append && !integer {
            return Ok(text);
        }
        let old = self.element(&self.vars, sys, name, key).unwrap_or_default();
        if !integer {
            return Ok(format!("{old}{text}"));
        }
        let mut expander = Expander::new(self, sys, &[]);
        let mut value = expander.arith_text(&text)?;
        if append {
            value = value.wrapping_add(expander.arith_text(&old)?);
        }
        self.vars = expander.vars;
        Ok(value.to_string())
    }

    fn array_items(
        &mut self,
        sys: &mut Sys<'_, '_>,
        memo: &[Memo],
        items: &[(Option<Word>, Word)],
    ) -> Expanded<Vec<(Option<String>, Str)>> {
        let mut expander = Expander::new(self, sys, memo);
        let mut out = Vec::new();
        for (key, word) in items {
            match key {
                Some(key) => {
                    let key = expander.text(key, Ctx::PLAIN)?;
                    let text = expander.text(word, Ctx::ASSIGN)?;
                    out.push((Some(key), text.into()));
                }
                None => out.extend(expander.fields(word)?.into_iter().map(|f| (None, f))),
            }
        }
        self.vars = expander.vars;
        Ok(out)
    }

    /// Assigns a whole array.
    pub(super) fn assign_array(
        &mut self,
        sys: &mut Sys<'_, '_>,
        array: ArrayValue,
    ) -> Expanded<()> {
        let var = self.vars.edit(&array.name);
        if var.readonly {
            return Err(super::vars::ReadOnly(array.name).into());
        }
        let assoc = matches!(var.value, Value::Assoc(_));
        if !array.append {
            var.value = if assoc {
                Value::Assoc(Default::default())
            } else {
                Value::Array(Default::default())
            };
        } else if let Value::Text(t) = &var.value {
            var.value = Value::Array([(0, t.clone())].into_iter().collect());
        } else if var.value == Value::Unset {
            var.value = Value::Array(Default::default());
        }
        let mut next = match &var.value {
            Value::Array(a) => a.keys().next_back().map_or(0, |k| k + 1),
            Value::Assoc(_) | Value::Text(_) | Value::Unset => 0,
        };
        let mut pending_key: Option<Str> = None;
        for (key, text) in array.items {
            let key = match (key, assoc) {
                (Some(key), true) => Key::Text(key.into()),
                (None, true) => {
                    // Without keys, words are keys and values in turn.
                    match pending_key.take() {
                        None => {
                            pending_key = Some(text);
                            continue;
                        }
                        Some(key) => Key::Text(key),
                    }
                }
                (Some(key), false) => {
                    let mut expander = Expander::new(self, sys, &[]);
                    next = expander.arith_text(&key)?;
                    self.vars = expander.vars;
                    Key::Number(next)
                }
                (None, false) => Key::Number(next),
            };
            next += 1;
            let text = self.appended(sys, &array.name, Some(&key), false, text.to_string())?;
            self.vars.set_element(&array.name, key, text.into())?;
        }
        Ok(())
    }

    fn trace_simple(&self, sys: &mut Sys<'_, '_>, run: &SimpleRun) {
        if !self.options.xtrace || run.fields.is_empty() && run.assigns.assigned.is_empty() {
            return;
        }
        let bash = self.dialect.is_bash();
        let quote = if bash { super::quoting::bash_trace } else { super::quoting::ash_trace };
        let mut line = String::new();
        for (name, value) in &run.assigns.assigned {
            let value = if bash && value.is_empty() { String::new() } else { quote(value) };
            if bash {
                self.trace(sys, &format!("{name}{value}"));
            } else {
                let gap = if line.is_empty() { "" } else { " " };
                push(&mut line, format_args!("{gap}{name}{value}"));
            }
        }
        let words: Vec<String> = run.fields.iter().map(|f| quote(f)).collect();
        if !words.is_empty() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&words.join(" "));
        }
        if !line.is_empty() {
            self.trace(sys, &line);
        }
    }

    fn run_simple(
        &mut self,
        sys: &mut Sys<'_, '_>,
        mut run: SimpleRun,
        tested: bool,
        last: bool,
    ) -> Flow {
        if run.fields.is_empty() {
            if self.dialect.is_bash() {
                self.last_argument = Some(Str::default());
            }
            self.status = self.capture_status.unwrap_or(0);
            self.pipe_status = SmallVec::from_slice(&[self.status]);
            self.frames.push(Frame { kind: FrameKind::Ran(run.changed()), tested, last });
            return Flow::Go;
        }
        let fields = std::mem::take(&mut run.fields);
        // Of a function's call it is known when the function has returned.
        if self.dialect.is_bash() && !self.functions.contains_key(&fields[0]) {
            self.last_argument = fields.last().cloned();
        }
        let arrays = run.assigns.there().map(|a| std::mem::take(&mut a.arrays)).unwrap_or_default();
        if fields[0] == "exec" && !self.functions.contains_key("exec") {
            return self.run_exec(sys, run, &fields[1..], tested, last);
        }
        self.frames.push(Frame { kind: FrameKind::Ran(run.changed()), tested, last });
        if !matches!(self.functions.get(&fields[0]), Some(_)) {
            self.pipe_status = SmallVec::from_slice(&[0]);
        }
        self.dispatch(sys, fields, arrays, true, tested, last)
    }

    /// Runs a command by its name: a function, a built-in, a program.
    pub(super) fn dispatch(
        &mut self,
        sys: &mut Sys<'_, '_>,
        fields: Vec<Str>,
        arrays: Vec<ArrayValue>,
        functions: bool,
        tested: bool,
        last: bool,
    ) -> Flow {
        let Some(name) = fields.first().cloned() else {
            self.status = 0;
            return Flow::Go;
        };
        if functions && self.functions.contains_key(&name) {
            return self.call(sys, &name, fields[1..].to_vec(), tested);
        }
        if let Some(builtin) = self.builtin(&name) {
            let done =
                (builtin.run)(self, sys, &builtins::Args { words: &fields, arrays, tested, last });
            return self.builtin_done(sys, done, builtin.special, tested);
        }
        self.run_program(sys, &fields, last)
    }

    /// Does what a built-in asks for.
    pub(super) fn builtin_done(
        &mut self,
        sys: &mut Sys<'_, '_>,
        done: Done,
        special: bool,
        tested: bool,
    ) -> Flow {
        match done {
            Done::Status(status) => {
                self.status = status;
                self.pipe_status = SmallVec::from_slice(&[status]);
                Flow::Go
            }
            Done::Fatal(status) => {
                self.status = status;
                // An error of a special built-in ends ash.
                if special && !self.dialect.is_bash() {
                    self.start_exit(sys, status);
                }
                Flow::Go
            }
            Done::Stop(failure) => {
                self.expansion_failed(sys, &failure);
                Flow::Go
            }
            Done::Exit(status) => {
                self.start_exit(sys, status);
                Flow::Go
            }
            Done::Leave(leave) => {
                self.leave(sys, leave);
                Flow::Go
            }
            Done::Return(status) => {
                self.status = status;
                self.leave(sys, Leave::Return);
                Flow::Go
            }
            Done::Pause(pause) => {
                self.frames.push(Frame {
                    kind: FrameKind::Pause(Box::new(pause)),
                    tested,
                    last: false,
                });
                Flow::Go
            }
            Done::Flow(flow) => flow,
        }
    }

    /// Runs a program of the file system.
    fn run_program(&mut self, sys: &mut Sys<'_, '_>, fields: &[Str], last: bool) -> Flow {
        let env = Environment::of_shell(&self.vars, &self.functions, self.dialect);
        let program = match self.find_and_load(sys, fields, &env) {
            Ok(program) => program,
            Err(status) => {
                self.status = status;
                self.pipe_status = SmallVec::from_slice(&[status]);
                return Flow::Go;
            }
        };
        if last
            && self.traps.are_empty()
            && !self.jobs.any_running()
            && self.rare.process_fds.is_empty()
        {
            self.reset_for_exec(sys);
            sys.prepare_exec(fields);
            return Flow::Become(Box::new(program));
        }
        match sys.fork(program, Some(fields)) {
            Ok(pid) => {
                let job = self.jobs.add(&[pid], What::Words(sys.arguments_of(pid)), false);
                self.frames.push(Frame {
                    kind: FrameKind::WaitJob(job),
                    tested: true,
                    last: false,
                });
            }
            Err(e) => self.fork_failed(sys, e),
        }
        Flow::Go
    }

    /// Finds the program of a command, or says why not and returns the status.
    fn find_and_load(
        &mut self,
        sys: &mut Sys<'_, '_>,
        fields: &[Str],
        env: &Environment,
    ) -> Result<Program, u8> {
        let name = &fields[0];
        let path = self.vars.text("PATH").cloned().unwrap_or_default();
        let bash_empty_path = self.dialect.is_bash() && path.is_empty() && !name.contains('/');
        let file = match sys.find_program(name, &path) {
            Ok(file) => file,
            Err(error) => {
                if let Some(program) = self.assume(sys, fields, env, &error) {
                    return Ok(program);
                }
                return Err(self.not_found(sys, name, &error, bash_empty_path));
            }
        };
        match sys.load(&file, fields, env) {
            Ok(program) => Ok(program),
            Err(ExecError::File(Errno::NoExec)) => {
                let mut arguments: Vec<Str> = vec![self.name.clone(), file.as_str().into()];
                arguments.extend(fields.iter().skip(1).cloned());
                let shared = &mut sys.world.volumes.shared;
                Ok(Program::Shell(Box::new(Self::new(self.dialect, &arguments, env, shared))))
            }
            Err(error) => {
                if name.contains('/')
                    && let Some(program) = self.assume(sys, fields, env, &error)
                {
                    return Ok(program);
                }
                Err(self.not_found(sys, name, &error, false))
            }
        }
    }

    /// In an image that is not known, a command that is not there is taken for one of its own.
    fn assume(
        &self,
        sys: &mut Sys<'_, '_>,
        fields: &[Str],
        env: &Environment,
        error: &ExecError,
    ) -> Option<Program> {
        if sys.os.image.complete || !matches!(error, ExecError::File(Errno::NoEnt)) {
            return None;
        }
        if let Some(argv) = crate::container::catalogue::http_server(fields) {
            return Some(Program::Tool(Box::new(Tool::new("httpd", argv, env))));
        }
        Some(Program::Tool(Box::new(Tool::assumed(sys, &fields[0]))))
    }

    fn not_found(
        &mut self,
        sys: &mut Sys<'_, '_>,
        name: &str,
        error: &ExecError,
        empty_path: bool,
    ) -> u8 {
        // Looking through all of PATH in vain is no less work than a start.
        sys.work(FORK);
        let bash = self.dialect.is_bash();
        let (text, status) = match error {
            ExecError::File(Errno::NoEnt | Errno::NotDir) if !bash => {
                (format!("{name}: not found"), 127)
            }
            ExecError::File(Errno::NoEnt) if name.contains('/') || empty_path => {
                (format!("{name}: {}", Errno::NoEnt), 127)
            }
            ExecError::File(Errno::NoEnt) => (format!("{name}: command not found"), 127),
            ExecError::File(Errno::Access)
                if bash && sys.stat(name, true).is_ok_and(|s| s.kind == 'd') =>
            {
                (format!("{name}: Is a directory"), 126)
            }
            ExecError::File(e) => (format!("{name}: {e}"), 126),
            ExecError::Interpreter(_) if bash => {
                (format!("{name}: cannot execute: required file not found"), 127)
            }
            ExecError::Interpreter(_) => (format!("{name}: not found"), 127),
        };
        self.complain(sys, &text);
        status
    }

    /// Signals that the shell catches for itself go back to normal before exec.
    fn reset_for_exec(&self, sys: &mut Sys<'_, '_>) {
        for number in 1..32 {
            if let Some(signal) = crate::container::process::Signal::new(number)
                && !sys.ignores(signal)
            {
                sys.disposition(signal, false, false);
            }
        }
    }

    /// `exec`: with a command, becomes it; without, the redirections stay.
    fn run_exec(
        &mut self,
        sys: &mut Sys<'_, '_>,
        mut run: SimpleRun,
        rest: &[Str],
        tested: bool,
        last: bool,
    ) -> Flow {
        let mut rest = rest;
        let mut name = None;
        let mut clean = false;
        while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
            match option.as_str() {
                "--" => {
                    rest = &rest[1..];
                    break;
                }
                "-a" => {
                    name = rest.get(1).cloned();
                    rest = rest.get(2..).unwrap_or_default();
                }
                "-c" => {
                    clean = true;
                    rest = &rest[1..];
                }
                _ => rest = &rest[1..],
            }
        }
        if rest.is_empty() {
            let redirects = std::mem::take(&mut run.redirects).into_inner();
            redirects.saved.discard(sys);
            self.status = 0;
            self.frames.push(Frame { kind: FrameKind::Ran(run.changed()), tested, last });
            return Flow::Go;
        }
        let env = if clean {
            Environment::default()
        } else {
            Environment::of_shell(&self.vars, &self.functions, self.dialect)
        };
        let path = self.vars.text("PATH").cloned().unwrap_or_default();
        let loaded =
            sys.find_program(&rest[0], &path).and_then(|file| match sys.load(&file, rest, &env) {
                Err(ExecError::File(Errno::NoExec)) => {
                    let shell = self.become_script(sys, &file, rest, &env);
                    Ok(Program::Shell(Box::new(shell)))
                }
                loaded => loaded,
            });
        let loaded = match loaded {
            Err(error) => self.assume(sys, rest, &env, &error).ok_or(error),
            ok => ok,
        };
        match loaded {
            Ok(program) => {
                self.reset_for_exec(sys);
                let mut argv = rest.to_vec();
                if let Some(name) = name {
                    argv[0] = name;
                }
                sys.prepare_exec(&argv);
                Flow::Become(Box::new(program))
            }
            Err(error) => {
                let status =
                    if matches!(error, ExecError::File(Errno::Access)) { 126 } else { 127 };
                let text = match &error {
                    ExecError::File(Errno::NoEnt) => "not found".to_owned(),
                    ExecError::File(e) => e.to_string(),
                    ExecError::Interpreter(_) => "not found".to_owned(),
                };
                sys.err(&format!("{}{}: {text}\n", self.builtin_prefix("exec"), rest[0]));
                self.put_back(sys, run.changed());
                self.start_exit(sys, status);
                Flow::Go
            }
        }
    }
}

/// Whether a word looks like an assignment by its unquoted beginning.
fn is_assignment(word: &Word) -> bool {
    let len = name_len(&word.raw);
    if len == 0 {
        return false;
    }
    let rest = &word.raw[len..];
    rest.starts_with('=') || rest.starts_with("+=") || rest.starts_with('[') && rest.contains("]=")
}

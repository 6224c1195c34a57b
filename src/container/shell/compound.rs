//! Compound commands: `if`, loops, `case`, `(( ))`, `[[ ]]`, functions.

use std::sync::Arc;

use super::ast::{CaseEnd, Cond, NodeKind, NodeRef};
use super::expand::{Ctx, Expander, Memo, Result as Expanded, Stop};
use super::machine::{Flow, Frame, FrameKind};
use super::pattern::Pattern;
use super::vars::{Value, Var};
use super::{CallInfo, Function, Shell};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::os::Sys;

/// A `for` whose words are being expanded.
#[derive(Clone, Debug)]
pub(super) struct ForWords {
    node: NodeRef,
    word: usize,
    fields: Vec<Str>,
    memo: Vec<Memo>,
}

/// A `case` under way.
#[derive(Clone, Debug)]
pub(super) struct CaseRun {
    node: NodeRef,
    memo: Vec<Memo>,
    subject: Option<String>,
    item: usize,
    pattern: usize,
    /// The next body runs without a test (`;&`).
    fall_through: bool,
}

impl CaseRun {
    pub(super) fn new(node: &NodeRef) -> Self {
        Self {
            node: Arc::clone(node),
            memo: Vec::new(),
            subject: None,
            item: 0,
            pattern: 0,
            fall_through: false,
        }
    }
}

/// Which part of a `while` is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopPhase {
    /// None yet.
    Start,
    /// The condition.
    Test,
    /// The body.
    Body,
}

/// What a function call changed and puts back.
#[derive(Clone, Debug)]
pub(super) struct Call {
    params: Arc<[Str]>,
    /// Where `getopts` of the caller is.
    getopts: Option<(Str, usize)>,
    /// Variables that `local` hid.
    locals: Vec<(Str, Option<Var>)>,
    line: u32,
}

impl Shell {
    pub(super) fn step_if(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: &NodeRef,
        tested: bool,
        last: bool,
    ) -> Flow {
        let NodeKind::If(_, then, other) = &node.kind else { return Flow::Go };
        if self.status == 0 {
            return self.eval(sys, then, tested, last);
        }
        match other {
            // The branch sees the status of the condition.
            Some(other) => self.eval(sys, other, tested, last),
            None => {
                self.status = 0;
                Flow::Go
            }
        }
    }

    pub(super) fn step_while(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: NodeRef,
        phase: LoopPhase,
        result: u8,
        tested: bool,
    ) -> Flow {
        let NodeKind::While { cond, body, until } = &node.kind else { return Flow::Go };
        let (cond, body, until) = (Arc::clone(cond), Arc::clone(body), *until);
        let push = |shell: &mut Self, phase, result| {
            shell.frames.push(Frame {
                kind: FrameKind::While(node, phase, result),
                tested,
                last: false,
            });
        };
        match phase {
            LoopPhase::Start | LoopPhase::Body => {
                let result = if phase == LoopPhase::Body { self.status } else { 0 };
                push(self, LoopPhase::Test, result);
                self.eval(sys, &cond, true, false)
            }
            LoopPhase::Test if (self.status == 0) == until => {
                self.status = result;
                Flow::Go
            }
            LoopPhase::Test => {
                push(self, LoopPhase::Body, result);
                self.eval(sys, &body, tested, false)
            }
        }
    }

    pub(super) fn begin_for(&mut self, node: &NodeRef, words: bool, tested: bool) {
        if words {
            let run =
                ForWords { node: Arc::clone(node), word: 0, fields: Vec::new(), memo: Vec::new() };
            self.frames.push(Frame {
                kind: FrameKind::ForWords(Box::new(run)),
                tested,
                last: false,
            });
        } else {
            let items = Arc::clone(&self.params);
            self.push_for(node, items, tested);
        }
    }

    fn push_for(&mut self, node: &NodeRef, items: Arc<[Str]>, tested: bool) {
        let kind = if matches!(node.kind, NodeKind::Select { .. }) {
            FrameKind::Select(Arc::clone(node), items)
        } else {
            FrameKind::For(Arc::clone(node), items, 0)
        };
        self.frames.push(Frame { kind, tested, last: false });
    }

    pub(super) fn step_for_words(
        &mut self,
        sys: &mut Sys<'_, '_>,
        mut run: Box<ForWords>,
        tested: bool,
    ) -> Flow {
        let node = Arc::clone(&run.node);
        let (NodeKind::For { words: Some(words), .. }
        | NodeKind::Select { words: Some(words), .. }) = &node.kind
        else {
            return Flow::Go;
        };
        if let Some(memo) = self.captured.take() {
            run.memo.push(memo);
        }
        while let Some(word) = words.get(run.word) {
            let mut expander = Expander::new(self, sys, &run.memo);
            match expander.fields(word) {
                Ok(fields) => {
                    self.vars = expander.vars;
                    run.fields.extend(fields);
                    run.word += 1;
                    run.memo.clear();
                }
                Err(stop) => {
                    self.frames.push(Frame { kind: FrameKind::ForWords(run), tested, last: false });
                    return self.serve(sys, stop);
                }
            }
        }
        let items = sys.world.volumes.shared.words(&run.fields);
        self.push_for(&node, items, tested);
        self.status = 0;
        Flow::Go
    }

    pub(super) fn step_for(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: NodeRef,
        items: Arc<[Str]>,
        next: u32,
        tested: bool,
    ) -> Flow {
        let NodeKind::For { name, words, body } = &node.kind else { return Flow::Go };
        let Some(item) = items.get(next as usize) else { return Flow::Go };
        if self.options.xtrace && self.dialect.is_bash() {
            let list: Vec<String> = match words {
                Some(words) => words.iter().map(|w| w.raw.to_string()).collect(),
                None => vec!["\"$@\"".to_owned()],
            };
            self.trace(sys, &format!("for {name} in {}", list.join(" ")));
        }
        if let Err(e) = self.vars.set(name, item.clone()) {
            self.read_only_error(sys, &e.0);
            return Flow::Go;
        }
        let body = Arc::clone(body);
        self.frames.push(Frame {
            kind: FrameKind::For(node, items, next + 1),
            tested,
            last: false,
        });
        self.eval(sys, &body, tested, false)
    }

    pub(super) fn step_arith_for(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: NodeRef,
        phase: u8,
        mut memo: Vec<Memo>,
        tested: bool,
    ) -> Flow {
        let NodeKind::ArithFor { init, cond, step, body } = &node.kind else { return Flow::Go };
        if let Some(new) = self.captured.take() {
            memo.push(new);
        }
        let word = match phase {
            0 => init,
            1 => cond,
            _ => step,
        };
        let mut expander = Expander::new(self, sys, &memo);
        let value =
            if phase == 1 && word.raw.trim().is_empty() { Ok(1) } else { expander.arith(word) };
        let value = match value {
            Ok(value) => {
                self.vars = expander.vars;
                value
            }
            Err(stop) => {
                self.frames.push(Frame {
                    kind: FrameKind::ArithFor(Arc::clone(&node), phase, memo.into()),
                    tested,
                    last: false,
                });
                return self.serve(sys, stop);
            }
        };
        if phase == 1 {
            if value == 0 {
                return Flow::Go;
            }
            let body = Arc::clone(body);
            self.frames.push(Frame {
                kind: FrameKind::ArithFor(node, 2, Box::default()),
                tested,
                last: false,
            });
            return self.eval(sys, &body, tested, false);
        }
        if phase == 0 {
            self.status = 0;
        }
        self.frames.push(Frame {
            kind: FrameKind::ArithFor(node, 1, Box::default()),
            tested,
            last: false,
        });
        Flow::Go
    }

    pub(super) fn step_select(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: NodeRef,
        items: Arc<[Str]>,
        tested: bool,
    ) -> Flow {
        let NodeKind::Select { name, body, .. } = &node.kind else { return Flow::Go };
        let mut menu = String::new();
        for (i, item) in items.iter().enumerate() {
            crate::container::text::push(&mut menu, format_args!("{}) {item}\n", i + 1));
        }
        sys.err(&menu);
        sys.err("#? ");
        let mut line = Vec::new();
        match super::builtins::pause::read_line(sys, 0, &mut line) {
            Ok(None) if line.is_empty() => {
                self.status = 1;
                return Flow::Go;
            }
            Ok(None) => {}
            Ok(Some(wait)) => {
                self.frames.push(Frame {
                    kind: FrameKind::Select(node, items),
                    tested,
                    last: false,
                });
                return Flow::Wait(wait);
            }
            Err(_) => return Flow::Go,
        }
        let text = crate::container::text::decode(&line);
        let text = text.trim();
        let choice = text
            .parse::<usize>()
            .ok()
            .and_then(|n| items.get(n.wrapping_sub(1)).cloned())
            .unwrap_or_default();
        // A read-only loop variable keeps its value.
        let _set = self.vars.set("REPLY", text);
        let _set = self.vars.set(name, choice);
        let body = Arc::clone(body);
        self.frames.push(Frame { kind: FrameKind::Select(node, items), tested, last: false });
        self.eval(sys, &body, tested, false)
    }

    pub(super) fn step_case(
        &mut self,
        sys: &mut Sys<'_, '_>,
        mut run: Box<CaseRun>,
        tested: bool,
        last: bool,
    ) -> Flow {
        let node = Arc::clone(&run.node);
        let NodeKind::Case { word, items } = &node.kind else { return Flow::Go };
        if let Some(memo) = self.captured.take() {
            run.memo.push(memo);
        }
        if run.subject.is_none() {
            let mut expander = Expander::new(self, sys, &run.memo);
            match expander.text(word, Ctx::PLAIN) {
                Ok(text) => {
                    self.vars = expander.vars;
                    run.subject = Some(text);
                    run.memo.clear();
                }
                Err(stop) => {
                    self.frames.push(Frame { kind: FrameKind::Case(run), tested, last });
                    return self.serve(sys, stop);
                }
            }
        }
        while let Some(item) = items.get(run.item) {
            match self.case_matches(sys, &mut run, &item.patterns) {
                Ok(true) => {
                    if item.end != CaseEnd::Leave {
                        let fall_through = item.end == CaseEnd::FallThrough;
                        let next = CaseRun { item: run.item + 1, pattern: 0, fall_through, ..*run };
                        self.frames.push(Frame {
                            kind: FrameKind::Case(Box::new(next)),
                            tested,
                            last,
                        });
                    }
                    // In bash the first command still sees the status of a substitution in the word.
                    if !self.dialect.is_bash() || item.body.is_none() {
                        self.status = 0;
                    }
                    return match &item.body {
                        Some(body) => {
                            self.eval(sys, body, tested, last && item.end == CaseEnd::Leave)
                        }
                        None => Flow::Go,
                    };
                }
                Ok(false) => {
                    run.item += 1;
                    run.pattern = 0;
                }
                Err(stop) => {
                    self.frames.push(Frame { kind: FrameKind::Case(run), tested, last });
                    return self.serve(sys, stop);
                }
            }
        }
        self.status = 0;
        Flow::Go
    }

    fn case_matches(
        &mut self,
        sys: &mut Sys<'_, '_>,
        run: &mut CaseRun,
        patterns: &[super::ast::Word],
    ) -> Expanded<bool> {
        if std::mem::take(&mut run.fall_through) {
            return Ok(true);
        }
        let subject = run.subject.clone().unwrap_or_default();
        while let Some(word) = patterns.get(run.pattern) {
            let mut expander = Expander::new(self, sys, &run.memo);
            let text = expander.pattern(word)?;
            self.vars = expander.vars;
            run.memo.clear();
            run.pattern += 1;
            let fold =
                |t: &str| if self.options.nocasematch { t.to_lowercase() } else { t.to_owned() };
            if Pattern::new(&fold(&text), self.options.extglob).matches(&fold(&subject)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn step_arith(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: NodeRef,
        mut memo: Vec<Memo>,
        tested: bool,
    ) -> Flow {
        let NodeKind::Arith(word) = &node.kind else { return Flow::Go };
        if let Some(new) = self.captured.take() {
            memo.push(new);
        }
        if self.options.xtrace && memo.is_empty() {
            self.trace(sys, &format!("(( {} ))", word.raw.trim()));
        }
        let mut expander = Expander::new(self, sys, &memo);
        match expander.arith(word) {
            Ok(value) => {
                self.vars = expander.vars;
                self.status = u8::from(value == 0);
                self.check_failure(sys, tested);
                Flow::Go
            }
            Err(Stop::Fail(failure)) => {
                // The command fails, the script goes on.
                self.report_failure(sys, &failure, Some("(("));
                self.status = 1;
                self.check_failure(sys, tested);
                Flow::Go
            }
            Err(stop) => {
                self.frames.push(Frame {
                    kind: FrameKind::Arith(Arc::clone(&node), memo.into()),
                    tested,
                    last: false,
                });
                self.serve(sys, stop)
            }
        }
    }

    pub(super) fn step_cond(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: NodeRef,
        mut memo: Vec<Memo>,
        tested: bool,
    ) -> Flow {
        let NodeKind::Cond(cond) = &node.kind else { return Flow::Go };
        if let Some(new) = self.captured.take() {
            memo.push(new);
        }
        match self.evaluate_condition(sys, cond, &memo) {
            Ok(status) => {
                self.status = status;
                self.check_failure(sys, tested);
                Flow::Go
            }
            Err(stop) => {
                self.frames.push(Frame {
                    kind: FrameKind::Cond(Arc::clone(&node), memo.into()),
                    tested,
                    last: false,
                });
                self.serve(sys, stop)
            }
        }
    }

    /// The status of `[[ ]]`, with its traces.
    fn evaluate_condition(
        &mut self,
        sys: &mut Sys<'_, '_>,
        cond: &Cond,
        memo: &[Memo],
    ) -> Expanded<u8> {
        let mut expander = Expander::new(self, sys, memo);
        let mut traces = Vec::new();
        let mut groups = None;
        let result =
            super::builtins::conditional::evaluate(&mut expander, cond, &mut traces, &mut groups);
        let vars = expander.vars;
        let status = match result {
            Ok(true) => 0,
            Ok(false) => 1,
            Err(super::builtins::conditional::Trouble::Stop(stop)) => return Err(stop),
            Err(super::builtins::conditional::Trouble::Message(text)) => {
                self.complain(sys, &text);
                2
            }
        };
        self.vars = vars;
        if let Some(groups) = groups {
            self.vars.edit_itself("BASH_REMATCH").value =
                Value::Array((0i64..).zip(groups).collect());
        }
        if self.options.xtrace {
            for line in traces {
                self.trace(sys, &line);
            }
        }
        Ok(status)
    }

    pub(super) fn step_timed(
        &mut self,
        sys: &mut Sys<'_, '_>,
        start: SimTime,
        posix: bool,
    ) -> Flow {
        let took = sys.now().since(start);
        let format = self.vars.text("TIMEFORMAT").filter(|_| !posix && self.dialect.is_bash());
        let text = if let Some(format) = format {
            timed(format, took)
        } else if posix {
            format!(
                "real {}.{:02}\nuser 0.00\nsys 0.00\n",
                took.as_secs(),
                took.subsec_millis() / 10
            )
        } else {
            let minutes = took.as_secs() / 60;
            format!(
                "\nreal\t{minutes}m{}.{:03}s\nuser\t0m0.000s\nsys\t0m0.000s\n",
                took.as_secs() % 60,
                took.subsec_millis()
            )
        };
        sys.err(&text);
        Flow::Go
    }

    /// Defines a function.
    pub(super) fn define(&mut self, name: &Str, body: &NodeRef) {
        let source = self.rare.calls.last().map_or_else(
            || {
                if self.origin == super::Origin::File {
                    self.name.clone()
                } else {
                    "environment".into()
                }
            },
            |c| c.source.clone(),
        );
        let function = Function { body: Arc::clone(body), source };
        Arc::make_mut(&mut self.functions).insert(name.clone(), function);
        self.status = 0;
    }

    /// Begins a function with these arguments.
    pub(super) fn call(
        &mut self,
        sys: &mut Sys<'_, '_>,
        name: &Str,
        arguments: Vec<Str>,
        tested: bool,
    ) -> Flow {
        let Some(function) = self.functions.get(name).cloned() else { return Flow::Go };
        let params = std::mem::replace(&mut self.params, arguments.into());
        self.rare.calls.push(CallInfo {
            function: Some(name.clone()),
            source: function.source,
            line: self.line,
        });
        // In ash a function's `getopts` begins anew, and the caller's goes on after it.
        let getopts = (!self.dialect.is_bash()).then(|| self.reset_getopts());
        let call = Call { params, locals: Vec::new(), line: self.line, getopts };
        self.frames.push(Frame { kind: FrameKind::Call(Box::new(call)), tested, last: false });
        self.eval(sys, &function.body, tested, false)
    }

    /// `getopts` begins with the first word; where it was before.
    pub(super) fn reset_getopts(&mut self) -> (Str, usize) {
        let index = self.vars.text("OPTIND").cloned().unwrap_or_else(|| "1".into());
        if index != "1" {
            // A read-only name keeps its value.
            let _set = self.vars.set("OPTIND", "1");
        }
        (index, std::mem::take(&mut self.getopts_at))
    }

    /// Puts back what a function call changed.
    pub(super) fn leave_call(&mut self, call: Call) {
        if let Some(last) = self.params.last().filter(|_| self.dialect.is_bash()) {
            self.last_argument = Some(last.clone());
        }
        self.params = call.params;
        for (name, var) in call.locals.into_iter().rev() {
            self.vars.restore(&name, var);
        }
        self.rare.calls.pop();
        self.line = call.line;
        if let Some((index, at)) = call.getopts {
            // The name was not read-only when the function began.
            let _set = self.vars.set("OPTIND", index);
            self.getopts_at = at;
        }
    }

    /// Puts back what sourcing a file changed.
    pub(super) fn leave_source(&mut self, params: Option<Arc<[Str]>>) {
        if let Some(params) = params {
            self.params = params;
        }
        if let Some(info) = self.rare.calls.pop() {
            self.line = info.line;
        }
    }

    /// Makes a variable local to the function under way. `None` outside of one, false when it is
    /// local already.
    pub(super) fn make_local(&mut self, name: &str) -> Option<bool> {
        let call = self.frames.iter_mut().rev().find_map(|f| match &mut f.kind {
            FrameKind::Call(call) => Some(call),
            _ => None,
        })?;
        if call.locals.iter().any(|(n, _)| n == name) {
            return Some(false);
        }
        let old = self.vars.get_itself(name).cloned();
        call.locals.push((name.into(), old.clone()));
        if self.dialect.is_bash() {
            let mut new = Var::unset();
            new.exported = old.is_some_and(|v| v.exported);
            self.vars.restore(name, Some(new));
        }
        // ash keeps the outer value until another is assigned.
        Some(true)
    }
}

/// What `time` says by `TIMEFORMAT`: real time, and no processor time at all.
fn timed(format: &str, took: std::time::Duration) -> String {
    if format.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let digits =
            chars.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10)).unwrap_or(3).min(3);
        let long = chars.next_if_eq(&'l').is_some();
        let spent = match chars.next() {
            Some('R') => took,
            Some('U' | 'S') => std::time::Duration::ZERO,
            Some('P') => {
                out.push_str("0.00");
                continue;
            }
            Some('%') => {
                out.push('%');
                continue;
            }
            _ => continue,
        };
        let (minutes, seconds) = (spent.as_secs() / 60, spent.as_secs() % 60);
        let whole = if long { format!("{minutes}m{seconds}") } else { spent.as_secs().to_string() };
        let part = spent.subsec_millis() / 10_u32.pow(3 - digits);
        out.push_str(&whole);
        if digits > 0 {
            out.push_str(&format!(".{part:0width$}", width = digits as usize));
        }
        if long {
            out.push('s');
        }
    }
    out.push('\n');
    out
}

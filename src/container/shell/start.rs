//! How a shell starts: its arguments, its first variables, its script.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use smallvec::SmallVec;

use super::ast::NodeRef;
use super::dialect::{Dialect, Origin};
use super::jobs::Jobs;
use super::lexer::Source;
use super::machine::{Frame, FrameKind, Reader, ReaderKind};
use super::options::{Options, SET_OPTIONS};
use super::traps::Traps;
use super::vars::{Value, Vars};
use super::{Function, Shell};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::environment::Environment;
use crate::container::os::Sys;
use crate::container::process::Signal;
use crate::container::seldom::Seldom;
use crate::container::shared::Shared;

static NO_FUNCTIONS: LazyLock<Arc<BTreeMap<Str, Function>>> = LazyLock::new(Arc::default);
static NO_ALIASES: LazyLock<Arc<BTreeMap<Str, Str>>> = LazyLock::new(Arc::default);

/// What the first variables of a container's shell follow from.
#[derive(Clone, Debug)]
pub(crate) struct FirstVariables {
    pub(crate) dialect: Dialect,
    pub(crate) environment: Vars,
    pub(crate) cwd: Str,
    pub(crate) uid: u32,
    hostname: Str,
}

impl PartialEq for FirstVariables {
    fn eq(&self, other: &Self) -> bool {
        self.environment.is(&other.environment)
            && (self.dialect, &self.cwd, self.uid, &self.hostname)
                == (other.dialect, &other.cwd, other.uid, &other.hostname)
    }
}

impl Shell {
    /// A shell that was started with these arguments and this environment. What they mean is found
    /// out when it first runs.
    pub(crate) fn new(
        dialect: Dialect,
        argv: &[Str],
        env: &Environment,
        shared: &mut Shared,
    ) -> Self {
        let mut functions = BTreeMap::new();
        let exported = if dialect.is_bash() { &**env } else { &[] };
        for (name, value) in exported {
            if let Some(function) =
                name.strip_prefix("BASH_FUNC_").and_then(|n| n.strip_suffix("%%"))
                && let Some(body) = imported_function(function, value)
            {
                functions.insert(function.into(), Function { body, source: "environment".into() });
            }
        }
        let mut options = Options { expand_aliases: !dialect.is_bash(), ..Options::default() };
        if dialect.is_bash() {
            options.braces = true;
            options.hashall = true;
        }
        Self {
            dialect,
            name: argv.first().cloned().unwrap_or_default(),
            origin: Origin::Stdin,
            vars: shared.environment(env),
            params: argv.get(1..).unwrap_or_default().into(),
            functions: if functions.is_empty() {
                Arc::clone(&NO_FUNCTIONS)
            } else {
                Arc::new(functions)
            },
            aliases: Arc::clone(&NO_ALIASES),
            options,
            status: 0,
            last_background: None,
            root_pid: 0,
            parent_pid: 0,
            started: SimTime::ZERO,
            jobs: Jobs::default(),
            traps: Traps::default(),
            frames: vec![Frame::new(FrameKind::Boot)],
            line: if dialect.is_bash() { 1 } else { 0 },
            current: None,
            subshells: 0,
            pipe_status: SmallVec::from_slice(&[0]),
            getopts_at: 0,
            captured: None,
            capture_status: None,
            last_argument: None,
            rare: Seldom::default(),
        }
    }

    /// Sets up the process, reads the arguments and leaves the reader of the script.
    pub(super) fn boot(&mut self, sys: &mut Sys<'_, '_>) {
        self.root_pid = sys.pid;
        self.parent_pid = sys.me().parent;
        self.started = sys.now();
        self.first_variables(sys);
        sys.disposition(Signal::CHLD, true, false);
        for number in 1..32 {
            if let Some(signal) = Signal::new(number)
                && sys.ignores(signal)
            {
                self.traps.inherit_ignored(signal);
            }
        }
        if !self.dialect.is_bash() && !sys.ignores(Signal::INT) {
            sys.disposition(Signal::INT, true, false);
        }
        match self.arguments(sys) {
            Ok(()) => {}
            Err((status, text)) => {
                sys.err(&text);
                self.start_exit(sys, status);
            }
        }
    }

    /// The variables that a script finds; those of equal shells of other containers are taken over.
    fn first_variables(&mut self, sys: &mut Sys<'_, '_>) {
        if self.parent_pid != 0 || self.vars.text("PWD").is_some() {
            return self.set_first_variables(sys);
        }
        let facts = FirstVariables {
            dialect: self.dialect,
            environment: self.vars.clone(),
            cwd: sys.me().cwd.clone(),
            uid: sys.me().uid,
            hostname: sys.os.hostname.clone(),
        };
        // Making them looks at the container, not at what is shared.
        let mut shared = std::mem::take(&mut sys.world.volumes.shared);
        self.vars = shared.first_variables(facts, || {
            self.set_first_variables(sys);
            std::mem::take(&mut self.vars)
        });
        sys.world.volumes.shared = shared;
    }

    fn set_first_variables(&mut self, sys: &Sys<'_, '_>) {
        let cwd = sys.me().cwd.clone();
        let bash = self.dialect.is_bash();
        let keep = self.vars.text("PWD").is_some_and(|p| {
            p.starts_with('/')
                && sys.stat(p, true).is_ok_and(|s| sys.stat(&cwd, true).is_ok_and(|c| c.id == s.id))
        });
        if !keep {
            self.set_plain("PWD", &cwd);
        }
        if bash {
            let level: i64 = self.vars.text("SHLVL").and_then(|t| t.parse().ok()).unwrap_or(0);
            self.set_plain("SHLVL", &(level + 1).to_string());
            for name in ["SHLVL", "PWD", "OLDPWD"] {
                self.vars.edit(name).exported = true;
            }
            for (name, value) in [
                ("UID", sys.me().uid.to_string()),
                ("EUID", sys.me().uid.to_string()),
                ("PPID", sys.me().parent.min(self.parent_pid).to_string()),
            ] {
                self.set_plain(name, &value);
                self.vars.edit(name).readonly = true;
            }
            self.set_plain("_", "/bin/bash");
            self.set_plain("BASH", "/bin/bash");
            self.set_plain("BASH_VERSION", "5.2.15(1)-release");
            let info = ["5", "2", "15", "1", "release", "x86_64-pc-linux-gnu"];
            self.vars.edit("BASH_VERSINFO").value =
                Value::Array((0i64..).zip(info.iter().map(|&t| t.into())).collect());
            self.set_plain("HOSTTYPE", "x86_64");
            self.set_plain("OSTYPE", "linux-gnu");
            self.set_plain("MACHTYPE", "x86_64-pc-linux-gnu");
            if self.vars.text("HOSTNAME").is_none() {
                let host = sys.os.hostname.clone();
                self.set_plain("HOSTNAME", &host);
            }
            self.set_plain("PS4", "+ ");
            self.set_plain("OPTERR", "1");
        } else {
            self.set_plain("PS1", "\\w \\$ ");
            self.set_plain("PS2", "> ");
            self.set_plain("PS4", "+ ");
            if self.vars.text("OLDPWD").is_none() {
                self.set_plain("OLDPWD", "");
            }
        }
        if self.vars.text("PATH").is_none() {
            let path = if bash {
                "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin:."
            } else {
                "/sbin:/usr/sbin:/bin:/usr/bin"
            };
            self.set_plain("PATH", path);
        }
        self.set_plain("IFS", " \t\n");
        self.vars.edit("IFS").exported = false;
        self.set_plain("OPTIND", "1");
    }

    fn set_plain(&mut self, name: &str, text: &str) {
        // These names are not read-only before a script runs.
        let _set = self.vars.set(name, text);
    }

    /// Reads the options and the script of the command line.
    fn arguments(&mut self, sys: &mut Sys<'_, '_>) -> Result<(), (u8, String)> {
        let args = Arc::clone(&self.params);
        let mut rest = args.iter();
        let mut command = false;
        let mut positional: Vec<Str> = Vec::new();
        while let Some(arg) = rest.next() {
            if arg == "--" || arg == "-" {
                break;
            }
            if let Some(long) = arg.strip_prefix("--").filter(|_| self.dialect.is_bash()) {
                if matches!(long, "rcfile" | "init-file") {
                    rest.next();
                }
                continue;
            }
            let on = arg.starts_with('-');
            let Some(letters) = arg.strip_prefix(['-', '+']).filter(|l| !l.is_empty()) else {
                positional.push(arg.clone());
                break;
            };
            for letter in letters.chars() {
                match letter {
                    'c' => command = true,
                    's' => self.options.stdin = true,
                    'l' | 'i' | 'r' | 'D' => {}
                    'o' | 'O' => {
                        if let Some(name) = rest.next() {
                            self.set_by_name(name, on);
                        }
                    }
                    _ => self
                        .set_by_letter(letter, on)
                        .map_err(|()| (2, self.bad_option(arg, letter)))?,
                }
            }
        }
        positional.extend(rest.cloned());
        self.begin(sys, command, positional)
    }

    fn bad_option(&self, arg: &str, letter: char) -> String {
        if self.dialect.is_bash() {
            format!("{}: {arg}: invalid option\n", self.name)
        } else {
            format!("{}: illegal option -{letter}\n", self.name)
        }
    }

    fn begin(
        &mut self,
        sys: &mut Sys<'_, '_>,
        command: bool,
        positional: Vec<Str>,
    ) -> Result<(), (u8, String)> {
        let first_line = u32::from(self.dialect.is_bash());
        let mut rest = positional.into_iter();
        if command {
            let Some(script) = rest.next() else {
                return Err((
                    2,
                    if self.dialect.is_bash() {
                        format!("{}: -c: option requires an argument\n", self.name)
                    } else {
                        format!("{}: -c requires an argument\n", self.name)
                    },
                ));
            };
            self.origin = Origin::CommandString;
            self.options.command_string = true;
            if let Some(name) = rest.next() {
                self.name = name;
            }
            self.params = if rest.len() == 0 { Arc::default() } else { rest.collect() };
            if script.len() > sys.os.limits.script_bytes {
                return Err((
                    2,
                    format!(
                        "{}: script longer than {} bytes (script_bytes)\n",
                        self.name, sys.os.limits.script_bytes
                    ),
                ));
            }
            let script = sys.world.volumes.shared.script(self.dialect, first_line, &script);
            self.frames = vec![Frame {
                last: true,
                ..Frame::new(FrameKind::Read(Box::new(Reader::of(script))))
            }];
            self.read_environment_file(sys);
            return Ok(());
        }
        let file = if self.options.stdin { None } else { rest.next() };
        let Some(file) = file else {
            self.options.stdin = true;
            self.params = rest.collect();
            self.origin = Origin::Stdin;
            self.frames = vec![Frame::new(FrameKind::Read(Box::new(Reader::new(
                Source::new(""),
                ReaderKind::Stdin,
            ))))];
            return Ok(());
        };
        self.params = rest.collect();
        self.script_file(sys, &file)
    }

    fn script_file(&mut self, sys: &mut Sys<'_, '_>, file: &Str) -> Result<(), (u8, String)> {
        let bash = self.dialect.is_bash();
        let fail = |status, text: String| Err((status, text));
        // Without a slash both shells look into PATH when it is not in the working directory.
        let mut path = file.to_string();
        if !file.contains('/')
            && sys.stat(file, true).is_err()
            && let Ok(found) =
                sys.find_program(file, self.vars.text("PATH").map_or("", Str::as_str))
        {
            path = found;
        }
        let kind = sys.stat(&path, true).map(|s| s.kind);
        if bash && kind == Ok('d') {
            return fail(126, format!("{0}: {file}: Is a directory\n", self.name));
        }
        let content = match sys.content(&path) {
            Ok(bytes) => bytes,
            Err(e) if bash => {
                let status = if e == crate::container::fs::Errno::NoEnt { 127 } else { 126 };
                return fail(status, format!("{}: {file}: {e}\n", self.name));
            }
            Err(e) => return fail(2, format!("{}: can't open '{file}': {e}\n", self.name)),
        };
        if content.len() > sys.os.limits.script_bytes {
            return fail(
                2,
                format!(
                    "{file}: script longer than {} bytes (script_bytes)\n",
                    sys.os.limits.script_bytes
                ),
            );
        }
        self.name = file.clone();
        self.origin = Origin::File;
        self.line = 1;
        let text = crate::container::text::decode(&content).into();
        let script = sys.world.volumes.shared.script(self.dialect, 1, &text);
        self.frames = vec![Frame::new(FrameKind::Read(Box::new(Reader::of(script))))];
        self.read_environment_file(sys);
        Ok(())
    }

    /// bash reads `$BASH_ENV` before a script.
    fn read_environment_file(&mut self, sys: &mut Sys<'_, '_>) {
        if !self.dialect.is_bash() {
            return;
        }
        let Some(file) = self.vars.text("BASH_ENV").cloned() else { return };
        if let Ok(content) = sys.content(&file) {
            let source = Source::new(&crate::container::text::decode(&content));
            self.frames
                .push(Frame::new(FrameKind::Read(Box::new(Reader::new(source, ReaderKind::Eval)))));
        }
    }

    /// Runs a file without `#!` as a script in a shell forked from this one.
    pub(super) fn become_script(
        &mut self,
        sys: &mut Sys<'_, '_>,
        file: &str,
        argv: &[Str],
        env: &Environment,
    ) -> Self {
        let mut arguments: Vec<Str> = vec![self.name.clone(), file.into()];
        arguments.extend(argv.iter().skip(1).cloned());
        let shell = Self::new(self.dialect, &arguments, env, &mut sys.world.volumes.shared);
        sys.prepare_exec(&arguments);
        shell
    }

    /// Switches an option of `set` by its letter.
    pub(super) fn set_by_letter(&mut self, letter: char, on: bool) -> Result<(), ()> {
        let bash = self.dialect.is_bash();
        let entry =
            SET_OPTIONS.iter().find(|o| o.letter == Some(letter) && (bash || o.ash)).ok_or(())?;
        (entry.set)(&mut self.options, on);
        Ok(())
    }

    /// Switches an option of `set -o` by its name; false when there is none.
    pub(super) fn set_by_name(&mut self, name: &str, on: bool) -> bool {
        let bash = self.dialect.is_bash();
        match SET_OPTIONS.iter().find(|o| o.name == name && (bash || o.ash)) {
            Some(entry) => {
                (entry.set)(&mut self.options, on);
                true
            }
            None => false,
        }
    }

    /// A copy that runs `node` as a subshell: traps and jobs are not inherited.
    pub(super) fn subshell(&mut self, node: Option<NodeRef>) -> Self {
        let frames = std::mem::take(&mut self.frames);
        let jobs = std::mem::take(&mut self.jobs);
        let mut child = self.clone();
        self.frames = frames;
        self.jobs = jobs;
        child.subshells += 1;
        child.traps.enter_subshell();
        child.captured = None;
        child.capture_status = None;
        if let Some(rare) = child.rare.there() {
            rare.process_fds.clear();
        }
        if let Some(node) = node {
            child.frames.push(Frame { last: true, ..Frame::new(FrameKind::Start(node)) });
        }
        child
    }
}

fn imported_function(name: &str, text: &str) -> Option<NodeRef> {
    let mut source = Source::new(&format!("{name} {text}"));
    let grammar = super::parser::Grammar {
        dialect: Dialect::Bash,
        extglob: false,
        aliases: None,
        max_depth: 100,
    };
    let node = super::parser::next_command(&mut source, grammar).ok()??;
    match &node.kind {
        super::ast::NodeKind::Function { body, .. } => Some(Arc::clone(body)),
        _ => None,
    }
}

//! `wavetank shell`: a session on a simulated cluster, line by line.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};

use super::floats::{self, Floats, Refused};
use super::interrupt::on_interrupt;
use super::{exit_code, ui};
use crate::api::load;
use crate::scenario::session::{Answer, Base, Session};
use crate::scenario::simulation;

/// No script may be larger than this.
const MAX_SCRIPT: u64 = 1 << 20;

/// Play with a simulated cluster, line by line
///
/// kubectl's lines, steps as Simulation files have them, and a few of its own: `run 30s`, `step`, `until
/// pod/web Ready`, `back`, `branch`, `diff`, `why`, `save`; `help` tells them all. Without a terminal lines are
/// read from standard input.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    floats: Floats,
    /// Read lines from a file; the first that goes wrong ends it with exit code 1
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    let mut session = match begin(args) {
        Ok(session) => session,
        Err(code) => return code,
    };
    if let Some(file) = &args.script {
        let bound = format!("a script may have {MAX_SCRIPT} bytes");
        return match load::text_of(file, MAX_SCRIPT, &bound) {
            Ok(text) => script(&mut session, &file.display().to_string(), &text),
            Err(problem) => Refused::Input(vec![*problem]).tell(),
        };
    }
    if io::stdin().is_terminal() {
        return interactive(&mut session);
    }
    let mut text = String::new();
    if let Err(error) = io::stdin().lock().take(MAX_SCRIPT + 1).read_to_string(&mut text) {
        ui::err(&format!("error: standard input cannot be read: {error}"));
        return exit_code::BAD_INPUT;
    }
    if text.len() as u64 > MAX_SCRIPT {
        ui::err(&format!("error: the script is too large: {MAX_SCRIPT} bytes are the most"));
        return exit_code::BAD_INPUT;
    }
    script(&mut session, "standard input", &text)
}

fn begin(args: &Args) -> Result<Session, u8> {
    let named = args.floats.input.named();
    let plan = if named.is_empty() && args.floats.scenario.is_none() && args.floats.from.is_empty()
    {
        floats::empty(&args.floats)
    } else {
        floats::prepare(&args.floats, false).map_err(|refused| refused.tell())?.plan
    };
    let file = named.iter().find(|p| p.is_file() && simulation::is_simulation(p));
    let base = match file {
        Some(file) => Base::Simulation(file.clone()),
        None if args.floats.cluster.is_some() => Base::Other("a session with --cluster"),
        None if !args.floats.from.is_empty() => Base::Other("a session with --from"),
        None if args.floats.scenario.is_some() => Base::Other("a session with --scenario"),
        None if named.iter().any(|p| p.as_os_str() == "-") => {
            Base::Other("a session with manifests of standard input")
        }
        None => Base::Manifests { paths: named, nodes: args.floats.nodes, seed: plan.options.seed },
    };
    Session::new(plan, base, PathBuf::from(".")).map_err(|error| {
        ui::err(&format!("error: the cluster cannot be built: {error}"));
        exit_code::BAD_INPUT
    })
}

/// Carries out the lines of a text, up to the first that goes wrong.
fn script(session: &mut Session, name: &str, text: &str) -> u8 {
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        ui::out(&format!("{}{}\n", session.prompt(), line.trim()));
        let answer = session.line(line);
        ui::out(&answer.text);
        if let Some(error) = &answer.error {
            ui::err(&format!("{}\n  in line {number} of {name}", complaint(error)));
            return exit_code::FAILED;
        }
        if answer.over {
            break;
        }
    }
    exit_code::OK
}

/// What went wrong, with `error:` before it unless kubectl has said so.
fn complaint(error: &str) -> Cow<'_, str> {
    match error.to_lowercase().starts_with("error") {
        true => error.into(),
        false => format!("error: {error}").into(),
    }
}

/// What the editor of lines knows of the session.
struct Known {
    /// Where the word under the cursor begins, and what it can become.
    complete: Box<dyn Fn(&str, usize) -> (usize, Vec<String>)>,
}

impl Completer for Known {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok((self.complete)(line, at))
    }
}

impl Hinter for Known {
    type Hint = String;
}

impl Highlighter for Known {}
impl Validator for Known {}
impl Helper for Known {}

fn interactive(session: &mut Session) -> u8 {
    let config = Config::builder().completion_type(rustyline::CompletionType::List).build();
    let editor = Editor::<Known, MemHistory>::with_history(config, MemHistory::new());
    let mut editor = match editor {
        Ok(editor) => editor,
        Err(error) => {
            ui::err(&format!("error: the terminal cannot be used: {error}"));
            return exit_code::IO;
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    on_interrupt(&stop);
    session.stop_with(Arc::clone(&stop));
    ui::out("a simulated cluster; `help` tells what can be typed, `run 30s` lets time pass\n");
    loop {
        editor.set_helper(Some(Known { complete: session.completer() }));
        let line = match editor.readline(&session.prompt()) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return exit_code::OK,
            Err(error) => {
                ui::err(&format!("error: {error}"));
                return exit_code::IO;
            }
        };
        if !line.trim().is_empty() {
            drop(editor.add_history_entry(line.trim()));
        }
        stop.store(false, Ordering::Relaxed);
        let Answer { text, error, over } = session.line(&line);
        ui::out(&text);
        if let Some(error) = error {
            ui::err(&complaint(&error));
        }
        if over {
            return exit_code::OK;
        }
    }
}

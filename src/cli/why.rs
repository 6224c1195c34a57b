//! `wavetank why`: floats manifests quietly and tells the chain of causes that led to an object's state.

use std::fmt::Write as _;
use std::time::Duration;

use super::floats::{self, Floats};
use super::{exit_code, ui};
use crate::api::{kinds, suggest};
use crate::model::{Key, Kind, Object, Pod};
use crate::report::summary::Gathered;
use crate::report::why::{self, Past};
use crate::scenario::runner::{End, NAMESPACE};
use crate::scenario::{recorded, remedy};

/// Tell why an object is as it is: the chain of causes, back to a step, a script, a timer or a fault
///
/// TARGET is an object: `pod/web-0`, `job/backup`, `deploy/web`; a name alone is a pod's. PATHS and the
/// options of the run are those of `wavetank run`. Each restart, wait, failure and deletion is answered on
/// its own; objects that are gone are answered too. What does not happen is followed to its root cause, with
/// the smallest change that helps, which is tried in a run of its own.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// TYPE/NAME, or the name of a pod
    target: String,
    #[command(flatten)]
    floats: Floats,
    /// Look at the cluster at this time of the run, such as 90s; by default at its end
    #[arg(long, value_name = "TIME", value_parser = recorded::duration, conflicts_with = "length")]
    at: Option<Duration>,
    /// The namespace of the object
    #[arg(short, long, value_name = "NAME", default_value = NAMESPACE)]
    namespace: String,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    let (kind, name) = match named(&args.target) {
        Ok(named) => named,
        Err(error) => {
            ui::err(&format!("error: {error}"));
            return exit_code::USAGE;
        }
    };
    let mut plan = match floats::prepare(&args.floats, true) {
        Ok(prepared) => prepared.plan,
        Err(refused) => return refused.tell(),
    };
    if let Some(at) = args.at {
        plan.end = End::After(at);
    }
    let (mut past, mut gathered) = (Past::default(), Gathered::default());
    let again = plan.clone();
    let mut runner = match floats::build(plan, &mut |fact| past.observe(fact)) {
        Ok(runner) => runner,
        Err(code) => return code,
    };
    runner.run(&mut |fact| {
        past.observe(fact);
        gathered.observe(fact);
    });
    let namespace = if kind.namespaced() { args.namespace.as_str() } else { "" };
    let key = Key::new(namespace, name);
    let Some(object) = past.find(kind, &key) else {
        ui::err(&unknown(kind, &key, &past));
        return exit_code::FAILED;
    };
    let sim = runner.sim();
    let blocked = |pod: &Pod, container: &str| sim.kubelets().blocked_on(pod, container);
    let answers = why::why(&past, object, sim.now(), &blocked);
    let found = remedy::of(Some(&again), &runner, &gathered, object);
    let of = object.reference();
    ui::out(&match args.output {
        Output::Text => why::text(&of, &answers, found.as_ref(), runner.start()),
        Output::Json => {
            format!("{:#}\n", why::to_json(&of, &answers, found.as_ref(), runner.start()))
        }
    });
    exit_code::OK
}

/// The kind and the name that a target means.
fn named(target: &str) -> Result<(Kind, &str), String> {
    let Some((of, name)) = target.split_once('/') else { return Ok((Kind::Pod, target)) };
    let info = kinds::resolve(of).map_err(|e| e.to_string())?;
    match info.model() {
        Kind::Inert => Err(format!("{of:?} has no behaviour: nothing happens to it")),
        kind => Ok((kind, name)),
    }
}

/// Says that there was no such object, and which there were.
fn unknown(kind: Kind, key: &Key, past: &Past) -> String {
    const SHOWN: usize = 20;
    let here = |o: &&Object| o.meta().namespace == key.namespace;
    let mut names: Vec<String> =
        past.all(kind).filter(here).map(|o| o.meta().name.to_string()).collect();
    names.sort();
    names.dedup();
    let of = kind.as_str().to_ascii_lowercase();
    let place = if key.namespace.is_empty() {
        String::new()
    } else {
        format!(" in namespace {:?}", key.namespace)
    };
    let mut text = format!("error: there was no {of} {:?}{place}", key.name);
    if let Some(near) = suggest::nearest(&key.name, names.iter().map(String::as_str)) {
        let _ = write!(text, "\n  hint: did you mean {near}?");
    }
    for name in names.iter().take(SHOWN) {
        let _ = write!(text, "\n    {of}/{name}");
    }
    if names.len() > SHOWN {
        let _ = write!(text, "\n    and {} more", names.len() - SHOWN);
    }
    text
}

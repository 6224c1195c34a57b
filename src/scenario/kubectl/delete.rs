//! `kubectl delete`.

use std::collections::VecDeque;
use std::time::Duration;

use super::args::Args;
use super::resource::{name, objects};
use super::{Look, Task};
use crate::base::time::SimTime;
use crate::store::{DeleteOptions, Propagation, Request};

/// `kubectl delete KIND NAME… [--cascade=…] [--grace-period=N] [--force] [--wait=false] [--timeout=D]`.
pub(super) fn delete(args: &Args, look: &Look<'_>) -> Result<VecDeque<Task>, String> {
    let propagation = match args.flag("cascade").unwrap_or("background") {
        "background" | "true" => Propagation::Background,
        "foreground" => Propagation::Foreground,
        "orphan" | "false" => Propagation::Orphan,
        other => {
            return Err(format!(
                "error: invalid cascade value ({other}). Must be \"background\", \"foreground\", or \"orphan\""
            ));
        }
    };
    let force = args.is_set("force", false);
    let grace = match args.number("grace-period")? {
        Some(n) if n < 0 => None,
        Some(n) => Some(Duration::from_secs(u64::try_from(n).unwrap_or(0))),
        None if force => Some(Duration::ZERO),
        None if args.is_set("now", false) => Some(Duration::from_secs(1)),
        None => None,
    };
    // Without --force a grace of 0 becomes 1, so that the node agent is asked.
    let grace = if force { grace } else { grace.map(|g| g.max(Duration::from_secs(1))) };
    let options =
        DeleteOptions { grace, propagation: Some(propagation), ..DeleteOptions::default() };
    let found = objects(args, look)?;
    let mut tasks: VecDeque<Task> = found
        .iter()
        .map(|object| {
            let request = Request::Delete { target: object.reference(), options: options.clone() };
            let short = name(object);
            let (kind, bare) = short.split_once('/').unwrap_or((&short, ""));
            let object = format!("{kind} {bare:?}");
            let done = if force { "force deleted" } else { "deleted" };
            Task::Change { request: Box::new(request), object, done }
        })
        .collect();
    if args.is_set("wait", true) && !force {
        let objects = found.iter().map(|o| (o.reference(), o.meta().uid)).collect();
        tasks.push_back(Task::WaitGone { objects, until: SimTime::MAX });
    }
    Ok(tasks)
}

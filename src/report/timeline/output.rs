//! What containers write, with repetitions folded.
//!
//! A loop that prints the same lines for hours is shown three times and then counted; how often it went
//! on is said when something else is written, when the container ends, and at the end of the run.

use std::collections::BTreeMap;

use super::words::{count, duration};
use super::{Line, Tone, name};
use crate::base::Str;
use crate::base::digest::digest_of;
use crate::base::time::SimTime;
use crate::model::{Ref, Uid};
use crate::trace::{Output, OutputStream};

/// At how many instants one line of a container is shown.
const SHOWN: u32 = 3;
/// How many different lines of a container are remembered.
const REMEMBERED: usize = 1000;

/// The outputs of all containers.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs {
    containers: BTreeMap<(Uid, Str, u32), Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    pod: Ref,
    /// At how many instants each line was written and when last, by its digest.
    lines: BTreeMap<u64, (u32, SimTime)>,
    folded: usize,
    folded_since: SimTime,
}

impl Outputs {
    /// Takes in a line; shows it unless it repeats what was shown.
    pub(super) fn observe(&mut self, at: SimTime, output: &Output, lines: &mut Vec<Line>) {
        let key = (output.uid, output.container.clone(), output.attempt);
        let seen = self.containers.entry(key).or_insert_with(|| Seen {
            pod: output.pod.clone(),
            lines: BTreeMap::new(),
            folded: 0,
            folded_since: at,
        });
        let digest = digest_of(0, output.text.as_bytes());
        let known = seen.lines.len() < REMEMBERED || seen.lines.contains_key(&digest);
        let times = if known {
            // What a command prints at once is one time, however often it repeats a line.
            let (times, last) = seen.lines.entry(digest).or_insert((0, SimTime::ZERO));
            *times += u32::from(*last != at);
            *last = at;
            *times
        } else {
            1
        };
        if times > SHOWN {
            if seen.folded == 0 {
                seen.folded_since = at;
            }
            seen.folded += 1;
            return;
        }
        seen.unfold(&output.container, at, lines);
        lines.push(Line {
            at,
            object: name(&output.pod),
            container: output.container.to_string(),
            tone: match output.stream {
                OutputStream::Stdout => Tone::Output,
                OutputStream::Stderr => Tone::ErrorOutput,
            },
            text: output.text.clone(),
        });
    }

    /// A pod is gone: what was folded of it is said.
    pub(super) fn forget(&mut self, at: SimTime, uid: Uid, lines: &mut Vec<Line>) {
        let from = (uid, Str::default(), 0);
        let keys: Vec<_> = self
            .containers
            .range(from..)
            .take_while(|((u, ..), _)| *u == uid)
            .map(|(k, _)| k.clone())
            .collect();
        for key in keys {
            if let Some(mut seen) = self.containers.remove(&key) {
                seen.unfold(&key.1, at, lines);
            }
        }
    }

    /// The run is over: what was folded is said.
    pub(super) fn finish(&mut self, at: SimTime, lines: &mut Vec<Line>) {
        for ((_, container, _), seen) in &mut self.containers {
            seen.unfold(container, at, lines);
        }
    }
}

impl Seen {
    fn unfold(&mut self, container: &str, at: SimTime, lines: &mut Vec<Line>) {
        if self.folded == 0 {
            return;
        }
        let more = count(self.folded, "more line");
        let text = match at.since(self.folded_since) {
            none if none.is_zero() => format!("… {more} like those above"),
            length => format!("… {more} like those above, over {}", duration(length)),
        };
        self.folded = 0;
        let object = name(&self.pod);
        lines.push(Line { at, object, container: container.to_owned(), tone: Tone::Quiet, text });
    }
}

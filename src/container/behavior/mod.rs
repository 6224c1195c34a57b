//! What a container's program does, told by the user where the simulator cannot know it.
//!
//! A [`Behavior`] is a set of keys with short texts as values, the same whether they come from
//! annotations of a pod (`wavetank.dev/duration: 30s`) or from another file. Keys about the program
//! ([`Behavior::tells_program`]) put a planned program in the place of the container's own; the keys
//! `memory` and `disk` only say what it uses. What varies from run to run ([`Varying`]) is drawn from the
//! container's own seeded stream, without floating-point numbers. `docs/behaviours.md` is the user's page.

mod growth;
mod varying;

pub use growth::Growth;
pub use varying::{Codes, Varying};

use std::time::Duration;

use super::catalogue::{Protocol, Service};
use super::planned::ASSUMED_TASK;
use crate::base::rng::Stream;

/// The keys, each with what its value looks like.
pub const KEYS: &[(&str, &str)] = &[
    (
        "duration",
        "how long a run lasts: 30s, 10s..60s, exponential 30s, normal 30s 5s, forever; one for each run with commas between",
    ),
    (
        "exitCode",
        "how a run ends: 1; one for each run with commas between: 1, 1, 0; or by weight: 0 90%, 1 10%",
    ),
    ("ports", "what it listens on: 8080, 5432/postgres, 6379/redis, 9000/tcp"),
    ("readyAfter", "from its start until it listens: 2s, or as a duration varies"),
    (
        "unready",
        "from when to when after its start it answers 503 and fails commands: 30s-50s, 2m-3m",
    ),
    ("stopAfter", "from SIGTERM to its end: 2s; never where it ignores the signal"),
    ("stopCode", "its exit code after SIGTERM: 143"),
    (
        "memory",
        "what it uses: 100Mi, or growing: 50Mi +1Mi/s, at most so much: 50Mi +1Mi/s max 500Mi",
    ),
    ("disk", "what it writes into its own files, as memory"),
];

/// No list of a value is longer.
const MOST: usize = 100;

/// What is told of a container's program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behavior {
    duration: Option<Varying>,
    exit_code: Option<Codes>,
    ports: Option<Vec<(u16, Protocol)>>,
    ready_after: Option<Varying>,
    unready: Vec<(Duration, Duration)>,
    stop_after: Option<Option<Duration>>,
    stop_code: Option<u8>,
    /// Memory in use.
    pub memory: Option<Growth>,
    /// Bytes written beside what scripts write.
    pub disk: Option<Growth>,
}

/// A program with everything drawn: what one run does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What it listens on.
    pub(crate) ports: Vec<(u16, Protocol)>,
    /// From its start until it listens.
    pub(crate) ready_after: Duration,
    /// When it ends by itself, and how.
    pub(crate) ends: Option<(Duration, u8)>,
    /// When it answers that it is not ready.
    pub(crate) unready: Vec<(Duration, Duration)>,
    /// From SIGTERM to its end; `None`: it ignores the signal.
    pub(crate) stop_after: Option<Duration>,
    /// The exit code then.
    pub(crate) stop_code: u8,
}

impl Behavior {
    /// Takes one key in.
    ///
    /// # Errors
    /// When there is no such key, or its value cannot be read; what was expected is in the text.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let value = value.trim();
        match key {
            "duration" => self.duration = Some(Varying::parse(value)?),
            "exitCode" => self.exit_code = Some(Codes::parse(value)?),
            "ports" => {
                self.ports = Some(list(value)?.iter().map(|p| port(p)).collect::<Result<_, _>>()?);
            }
            "readyAfter" => self.ready_after = Some(Varying::parse(value)?),
            "unready" => {
                self.unready = list(value)?.iter().map(|w| window(w)).collect::<Result<_, _>>()?;
            }
            "stopAfter" if value == "never" => self.stop_after = Some(None),
            "stopAfter" => self.stop_after = Some(Some(length(value)?)),
            "stopCode" => self.stop_code = Some(code(value)?),
            "memory" => self.memory = Some(Growth::parse(value)?),
            "disk" => self.disk = Some(Growth::parse(value)?),
            _ => {
                let known: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
                return Err(format!(
                    "there is no behaviour {key:?}; known are {}",
                    known.join(", ")
                ));
            }
        }
        Ok(())
    }

    /// Whether it says what the program does, and not only what it uses.
    pub fn tells_program(&self) -> bool {
        let Self {
            duration, exit_code, ports, ready_after, unready, stop_after, stop_code, ..
        } = self;
        duration.is_some()
            || exit_code.is_some()
            || ports.is_some()
            || ready_after.is_some()
            || !unready.is_empty()
            || stop_after.is_some()
            || stop_code.is_some()
    }

    /// Whether nothing that was told says how long the program runs, though it ends.
    pub(crate) fn assumes_length(&self, program: &Program) -> bool {
        self.duration.is_none() && program.ends.is_some()
    }

    /// What the run after `attempt` others does. What is not told is as the catalogue has it for `known`;
    /// else a `service` runs until it is stopped and a task ends by itself.
    pub(crate) fn program(
        &self,
        known: Option<&Service>,
        service: bool,
        attempt: u32,
        stream: &mut Stream,
    ) -> Program {
        let code = self.exit_code.as_ref().map(|c| c.draw(attempt, stream));
        let drawn = self.duration.as_ref().map(|d| d.draw(attempt, stream));
        let lasts = match drawn {
            Some(length) => length,
            // A program of which an exit code is told ends, and so does a task.
            None if code.is_some() || (!service && known.is_none()) => Some(ASSUMED_TASK),
            None => None,
        };
        let ready_after = match &self.ready_after {
            Some(after) => after.draw(attempt, stream).unwrap_or(Duration::MAX),
            None => known.map_or(Duration::ZERO, |s| s.ready_after),
        };
        Program {
            ports: self
                .ports
                .clone()
                .unwrap_or_else(|| known.map_or(Vec::new(), |s| s.ports.to_vec())),
            ready_after,
            ends: lasts.map(|length| (length, code.unwrap_or(0))),
            unready: self.unready.clone(),
            stop_after: self
                .stop_after
                .unwrap_or(Some(known.map_or(Duration::ZERO, |s| s.stop_after))),
            stop_code: self.stop_code.unwrap_or(known.map_or(0, |s| s.stop_code)),
        }
    }
}

/// The parts of a value between commas.
fn list(value: &str) -> Result<Vec<&str>, String> {
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    if parts.len() > MOST {
        return Err(format!("a list has at most {MOST} entries, not {}", parts.len()));
    }
    Ok(parts)
}

fn length(text: &str) -> Result<Duration, String> {
    crate::base::length::parse(text)
}

fn code(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| format!("{text:?} is no exit code from 0 to 255"))
}

fn port(text: &str) -> Result<(u16, Protocol), String> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "http"));
    let protocol = match protocol {
        "http" => Protocol::Http,
        "tcp" | "grpc" => Protocol::Tcp,
        "redis" => Protocol::Redis,
        "postgres" => Protocol::Postgres,
        other => {
            return Err(format!(
                "{other:?} is no protocol: known are http, tcp, grpc, redis, postgres"
            ));
        }
    };
    match number.parse() {
        Ok(number) if number > 0 => Ok((number, protocol)),
        Ok(_) | Err(_) => Err(format!("{text:?} is no port such as 8080 or 5432/postgres")),
    }
}

fn window(text: &str) -> Result<(Duration, Duration), String> {
    let wrong = || format!("{text:?} is no time from start to end such as 30s-50s");
    let (from, to) = text.split_once('-').ok_or_else(wrong)?;
    let (from, to) = (length(from.trim())?, length(to.trim())?);
    if from < to { Ok((from, to)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn told(keys: &[(&str, &str)]) -> Behavior {
        let mut behavior = Behavior::default();
        for (key, value) in keys {
            behavior.set(key, value).unwrap();
        }
        behavior
    }

    fn program(keys: &[(&str, &str)], service: bool, attempt: u32) -> Program {
        told(keys).program(None, service, attempt, &mut Rng::new(1).stream("behavior", "a"))
    }

    #[test]
    fn a_service_runs_until_it_is_stopped_unless_it_is_told_to_end() {
        let secs = Duration::from_secs;
        assert_eq!(program(&[("ports", "80")], true, 0).ends, None);
        assert_eq!(program(&[("ports", "80")], false, 0).ends, Some((ASSUMED_TASK, 0)));
        assert_eq!(program(&[("exitCode", "3")], true, 0).ends, Some((ASSUMED_TASK, 3)));
        assert_eq!(program(&[("duration", "9s")], true, 0).ends, Some((secs(9), 0)));
        assert_eq!(program(&[("duration", "forever"), ("exitCode", "1")], false, 0).ends, None);
        let assumes = |keys: &[(&str, &str)]| told(keys).assumes_length(&program(keys, false, 0));
        assert!(assumes(&[("exitCode", "1")]) && !assumes(&[("duration", "1s")]));
    }

    #[test]
    fn lists_give_each_run_its_own_and_the_last_repeats() {
        let codes: Vec<u8> = (0..4)
            .map(|n| {
                program(&[("duration", "1s"), ("exitCode", "1, 2, 0")], false, n).ends.unwrap().1
            })
            .collect();
        assert_eq!(codes, [1, 2, 0, 0]);
    }

    #[test]
    fn what_is_told_of_a_known_service_stands_beside_what_is_known() {
        let nginx = crate::container::catalogue::by_image("nginx");
        let told = told(&[("readyAfter", "30s")]);
        let p = told.program(nginx, true, 0, &mut Rng::new(1).stream("behavior", "a"));
        assert_eq!((p.ready_after, p.ports), (Duration::from_secs(30), vec![(80, Protocol::Http)]));
    }

    #[test]
    fn what_cannot_be_read_is_said_with_what_was_expected() {
        let check = |key: &str, value: &str, part: &str| {
            let error = Behavior::default().set(key, value).unwrap_err();
            assert!(error.contains(part), "{key}={value}: {error}");
        };
        check("durations", "1s", "known are duration, exitCode");
        check("duration", "soon", "\"soon\"");
        check("exitCode", "256", "0 to 255");
        check("ports", "http", "no port");
        check("ports", "80/ftp", "no protocol");
        check("unready", "50s-30s", "from start to end");
        check("memory", "lots", "\"lots\"");
        check("stopAfter", "", "no length of time");
        check("exitCode", &vec!["1"; 101].join(","), "at most 100");
    }

    #[test]
    fn only_what_is_about_the_program_takes_its_place() {
        assert!(!told(&[("memory", "1Mi"), ("disk", "1Mi")]).tells_program());
        assert!(told(&[("stopCode", "1")]).tells_program());
    }
}

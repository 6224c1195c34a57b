//! Containers whose program is not interpreted: a catalogued service, or a stated assumption.
//!
//! Such a container is a few words of state and a timer. It owns no files and no processes until
//! something is run in it.

use std::time::Duration;

use super::Variables;
use super::behavior::Program;
use super::catalogue::{Protocol, Service};
use super::net::{HttpReply, HttpRule, Listener, TcpServer};
use super::process::{Ended, Signal};
use crate::base::Str;
use crate::base::time::SimTime;

/// How long a program that is not known is taken to run in a Job or another pod that is to end.
pub const ASSUMED_TASK: Duration = Duration::from_secs(5);
/// How long a command that is not known is taken to run inside a script.
pub const ASSUMED_COMMAND: Duration = Duration::from_secs(1);

/// Something that the simulator does not know and had to assume. Every run lists those it used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assumption {
    /// An image's program runs until it is stopped and ends with status 0 on SIGTERM.
    Service {
        /// The image.
        image: Str,
    },
    /// An image's program in a pod that is to end runs for [`ASSUMED_TASK`] and succeeds.
    Task {
        /// The image.
        image: Str,
    },
    /// A program of which the user tells something, but not how long it runs, runs for [`ASSUMED_TASK`].
    Length {
        /// The image.
        image: Str,
    },
    /// A command in a script runs for [`ASSUMED_COMMAND`], prints nothing and succeeds.
    Command {
        /// Its name.
        name: Str,
    },
}

impl std::fmt::Display for Assumption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service { image } => {
                write!(
                    f,
                    "image {image} is not known: its program is assumed to run until it is stopped and to exit with 0 on SIGTERM"
                )
            }
            Self::Task { image } => {
                write!(
                    f,
                    "image {image} is not known: its program is assumed to run for {} s and to exit with 0",
                    ASSUMED_TASK.as_secs()
                )
            }
            Self::Length { image } => {
                write!(
                    f,
                    "what the program of image {image} does is told, but not how long: it is assumed to run for {} s",
                    ASSUMED_TASK.as_secs()
                )
            }
            Self::Command { name } => {
                write!(
                    f,
                    "command {name} is not known: it is assumed to run for {} s, to print nothing and to exit with 0",
                    ASSUMED_COMMAND.as_secs()
                )
            }
        }
    }
}

/// What a planned program does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Plan {
    /// What the user tells.
    Told(Box<Program>),
    /// A service of the catalogue.
    Service(&'static Service),
    /// A service that is not known.
    AssumedService,
    /// A task that is not known.
    AssumedTask,
}

/// A planned program that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    plan: Plan,
    started: SimTime,
    ends: Option<(SimTime, Ended)>,
}

impl Planned {
    /// A service of the catalogue, which ends at once when it lacks a variable that it needs.
    pub(crate) fn service(service: &'static Service, env: &dyn Variables, now: SimTime) -> Self {
        let has = |name: &&str| env.get(name).is_some_and(|value| !value.is_empty());
        let lacks = !service.needs_one_of.is_empty() && !service.needs_one_of.iter().any(has);
        let ends = lacks.then_some((now, Ended::Exit(1)));
        Self { plan: Plan::Service(service), started: now, ends }
    }

    /// A program that is not known.
    pub(crate) fn assumed(service: bool, now: SimTime) -> Self {
        if service {
            return Self { plan: Plan::AssumedService, started: now, ends: None };
        }
        Self {
            plan: Plan::AssumedTask,
            started: now,
            ends: Some((now.saturating_add(ASSUMED_TASK), Ended::Exit(0))),
        }
    }

    /// A program of which the user tells what it does.
    pub(crate) fn told(program: Program, now: SimTime) -> Self {
        let ends = program.ends.map(|(after, code)| (now.saturating_add(after), Ended::Exit(code)));
        Self { plan: Plan::Told(Box::new(program)), started: now, ends }
    }

    /// What it says when it begins, on standard error.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        match &self.plan {
            Plan::Service(s) if self.ends.is_some() => Some(s.complaint).filter(|c| !c.is_empty()),
            Plan::Service(_) | Plan::Told(_) | Plan::AssumedService | Plan::AssumedTask => None,
        }
    }

    /// Whether it is told to answer now that it is not ready.
    pub(crate) fn is_unready(&self, now: SimTime) -> bool {
        let age = now.since(self.started);
        match &self.plan {
            Plan::Told(p) => p.unready.iter().any(|(from, to)| (*from..*to).contains(&age)),
            Plan::Service(_) | Plan::AssumedService | Plan::AssumedTask => false,
        }
    }

    /// Whether what it answers will differ some day by itself.
    pub(crate) fn will_change(&self, now: SimTime) -> bool {
        let age = now.since(self.started);
        match &self.plan {
            Plan::Told(p) => p.unready.iter().any(|(_, to)| age < *to),
            Plan::Service(_) | Plan::AssumedService | Plan::AssumedTask => false,
        }
    }

    /// How it has ended by now.
    pub(crate) fn ended(&self, now: SimTime) -> Option<Ended> {
        self.ends.filter(|(at, _)| *at <= now).map(|(_, how)| how)
    }

    /// When something changes by itself after now: it starts to listen, or it ends.
    pub(crate) fn next(&self, now: SimTime) -> Option<SimTime> {
        let later = |after: Duration| {
            Some(self.started.saturating_add(after)).filter(|at| *at > now && *at < SimTime::MAX)
        };
        let change = match &self.plan {
            Plan::Service(s) if !s.ports.is_empty() => later(s.ready_after),
            Plan::Told(p) => {
                let ends = p.unready.iter().flat_map(|(from, to)| [*from, *to]);
                ends.chain([p.ready_after]).filter_map(later).min()
            }
            Plan::Service(_) | Plan::AssumedService | Plan::AssumedTask => None,
        };
        [change, self.ends.map(|(at, _)| at)].into_iter().flatten().min()
    }

    /// The ports that it listens on now.
    pub(crate) fn listening(&self, now: SimTime) -> Vec<(u16, Listener)> {
        let (ports, ready_after) = match &self.plan {
            Plan::Service(s) => (s.ports, s.ready_after),
            Plan::Told(p) => (p.ports.as_slice(), p.ready_after),
            Plan::AssumedService | Plan::AssumedTask => return Vec::new(),
        };
        if now.since(self.started) < ready_after || self.ended(now).is_some() {
            return Vec::new();
        }
        let unready = self.is_unready(now);
        ports.iter().map(|&(port, protocol)| (port, listener(protocol, unready))).collect()
    }

    /// A signal reaches it.
    pub(crate) fn signal(&mut self, signal: Signal, now: SimTime) {
        if signal == Signal::KILL {
            self.ends = Some((now, Ended::Killed(signal)));
            return;
        }
        let (stops, code, after) = match &self.plan {
            Plan::Told(p) => {
                let asked =
                    signal == Signal::TERM || signal == Signal::INT || signal == Signal::QUIT;
                let Some(after) = p.stop_after.filter(|_| asked) else { return };
                (true, p.stop_code, after)
            }
            Plan::Service(s) => (
                signal == s.stop_signal || signal == Signal::TERM || signal == Signal::INT,
                s.stop_code,
                s.stop_after,
            ),
            Plan::AssumedService | Plan::AssumedTask => {
                (signal == Signal::TERM || signal == Signal::INT, 0, Duration::ZERO)
            }
        };
        let end = (now.saturating_add(after), Ended::Exit(code));
        if stops && self.ends.is_none_or(|(at, _)| at > end.0) {
            self.ends = Some(end);
        }
    }

    /// What it does, for people.
    pub(crate) fn describe(&self) -> String {
        match &self.plan {
            Plan::Told(p) => match p.ends {
                None => "its program is told to run until it is stopped".to_owned(),
                Some((after, code)) => {
                    let seconds = after.as_secs();
                    format!("its program is told to run for {seconds} s and to exit with {code}")
                }
            },
            Plan::Service(s) => format!("{} runs", s.images[0]),
            Plan::AssumedService => "its program is assumed to run until it is stopped".to_owned(),
            Plan::AssumedTask => {
                format!("its program is assumed to run for {} s", ASSUMED_TASK.as_secs())
            }
        }
    }
}

/// The behaviour behind a port.
fn listener(protocol: Protocol, unready: bool) -> Listener {
    let refusal = || HttpRule {
        reply: HttpReply { status: 503, ..HttpReply::default() },
        ..HttpRule::default()
    };
    match protocol {
        Protocol::Http if unready => Listener::Http(std::sync::Arc::from([refusal()])),
        Protocol::Http => Listener::Http(std::sync::Arc::from([])),
        Protocol::Postgres => Listener::Postgres { accepting: true },
        Protocol::Redis => Listener::Redis,
        Protocol::Tcp => Listener::Tcp(std::sync::Arc::new(TcpServer::default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::catalogue::by_image;

    #[test]
    fn a_service_listens_after_a_while_and_stops_when_asked() {
        let redis = by_image("redis:7").unwrap();
        let mut planned = Planned::service(redis, &[], SimTime::ZERO);
        assert!(planned.listening(SimTime::ZERO).is_empty());
        let ready = planned.next(SimTime::ZERO).unwrap();
        assert_eq!(planned.listening(ready), [(6379, Listener::Redis)]);
        assert_eq!(planned.next(ready), None);
        planned.signal(Signal::TERM, ready);
        assert_eq!(planned.ended(ready), Some(Ended::Exit(0)));
    }

    #[test]
    fn a_database_without_a_password_does_not_start() {
        let planned = Planned::service(by_image("postgres").unwrap(), &[], SimTime::ZERO);
        assert_eq!(planned.ended(SimTime::ZERO), Some(Ended::Exit(1)));
        assert!(planned.complaint().is_some());
    }

    #[test]
    fn a_told_program_listens_refuses_and_ends_as_told() {
        let secs = SimTime::from_secs;
        let program = Program {
            ports: vec![(80, Protocol::Http)],
            ready_after: Duration::from_secs(2),
            ends: Some((Duration::from_secs(60), 3)),
            unready: vec![(Duration::from_secs(10), Duration::from_secs(20))],
            stop_after: Some(Duration::from_secs(4)),
            stop_code: 143,
        };
        let mut planned = Planned::told(program.clone(), secs(0));
        assert_eq!(planned.next(secs(0)), Some(secs(2)));
        assert!(planned.listening(secs(1)).is_empty());
        let answer = |planned: &Planned, now| match planned.listening(secs(now)).as_slice() {
            [(80, Listener::Http(rules))] => rules.first().map_or(200, |r| r.reply.status),
            other => panic!("{other:?}"),
        };
        let answers = [2, 10, 19, 20].map(|now| answer(&planned, now));
        assert_eq!(answers, [200, 503, 503, 200]);
        assert_eq!(
            [2, 10, 20].map(|now| planned.next(secs(now))),
            [10, 20, 60].map(|n| Some(secs(n)))
        );
        assert!(planned.will_change(secs(19)) && !planned.will_change(secs(20)));
        assert_eq!(planned.ended(secs(60)), Some(Ended::Exit(3)));
        planned.signal(Signal::TERM, secs(30));
        assert_eq!(
            (planned.ended(secs(33)), planned.ended(secs(34))),
            (None, Some(Ended::Exit(143)))
        );
        let mut stubborn = Planned::told(Program { stop_after: None, ..program }, secs(0));
        stubborn.signal(Signal::TERM, secs(30));
        assert_eq!(stubborn.ended(secs(59)), None);
        stubborn.signal(Signal::KILL, secs(32));
        assert_eq!(stubborn.ended(secs(32)), Some(Ended::Killed(Signal::KILL)));
    }

    #[test]
    fn an_unknown_task_runs_five_seconds() {
        let planned = Planned::assumed(false, SimTime::ZERO);
        assert_eq!(planned.next(SimTime::ZERO), Some(SimTime::from_secs(5)));
        assert_eq!(planned.ended(SimTime::from_secs(5)), Some(Ended::Exit(0)));
    }
}

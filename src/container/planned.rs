//! Containers whose program is not interpreted: a catalogued service, or a stated assumption.
//!
//! Such a container is a few words of state and a timer. It owns no files and no processes until
//! something is run in it.

use std::time::Duration;

use super::catalogue::{Protocol, Service};
use super::net::{Listener, TcpServer};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// A service of the catalogue.
    Service(&'static Service),
    /// A service that is not known.
    AssumedService,
    /// A task that is not known.
    AssumedTask,
}

/// A planned program that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    plan: Plan,
    started: SimTime,
    ends: Option<(SimTime, Ended)>,
}

impl Planned {
    /// A service of the catalogue, which ends at once when it lacks a variable that it needs.
    pub(crate) fn service(service: &'static Service, env: &[(Str, Str)], now: SimTime) -> Self {
        let lacks = !service.needs_one_of.is_empty()
            && !env
                .iter()
                .any(|(k, v)| service.needs_one_of.contains(&k.as_str()) && !v.is_empty());
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

    /// What it says when it begins, on standard error.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        match self.plan {
            Plan::Service(s) if self.ends.is_some() => Some(s.complaint).filter(|c| !c.is_empty()),
            Plan::Service(_) | Plan::AssumedService | Plan::AssumedTask => None,
        }
    }

    /// How it has ended by now.
    pub(crate) fn ended(&self, now: SimTime) -> Option<Ended> {
        self.ends.filter(|(at, _)| *at <= now).map(|(_, how)| how)
    }

    /// When something changes by itself after now: it starts to listen, or it ends.
    pub(crate) fn next(&self, now: SimTime) -> Option<SimTime> {
        let ready = match self.plan {
            Plan::Service(s) if !s.ports.is_empty() => {
                Some(self.started.saturating_add(s.ready_after)).filter(|at| *at > now)
            }
            Plan::Service(_) | Plan::AssumedService | Plan::AssumedTask => None,
        };
        [ready, self.ends.map(|(at, _)| at)].into_iter().flatten().min()
    }

    /// The ports that it listens on now.
    pub(crate) fn listening(&self, now: SimTime) -> Vec<(u16, Listener)> {
        let Plan::Service(service) = self.plan else { return Vec::new() };
        if now < self.started.saturating_add(service.ready_after) || self.ended(now).is_some() {
            return Vec::new();
        }
        service.ports.iter().map(|&(port, protocol)| (port, listener(protocol))).collect()
    }

    /// A signal reaches it.
    pub(crate) fn signal(&mut self, signal: Signal, now: SimTime) {
        if signal == Signal::KILL {
            self.ends = Some((now, Ended::Killed(signal)));
            return;
        }
        let (stops, code, after) = match self.plan {
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
        match self.plan {
            Plan::Service(s) => format!("{} runs", s.images[0]),
            Plan::AssumedService => "its program is assumed to run until it is stopped".to_owned(),
            Plan::AssumedTask => {
                format!("its program is assumed to run for {} s", ASSUMED_TASK.as_secs())
            }
        }
    }
}

/// The behaviour behind a port.
fn listener(protocol: Protocol) -> Listener {
    match protocol {
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
    fn an_unknown_task_runs_five_seconds() {
        let planned = Planned::assumed(false, SimTime::ZERO);
        assert_eq!(planned.next(SimTime::ZERO), Some(SimTime::from_secs(5)));
        assert_eq!(planned.ended(SimTime::from_secs(5)), Some(Ended::Exit(0)));
    }
}

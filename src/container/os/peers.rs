//! Processes of other containers that a container sees: those of a pod that shares its processes, of the
//! container that an added one looks at, and a program that is planned and has no process of its own here.
//!
//! The owner of the containers says what is in sight before a container runs, and takes the signals that
//! were sent there afterwards. Nothing else crosses: `/proc/PID/root` and open files of others are not seen.

use std::sync::Arc;

use super::{Os, Phase, Sys};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::fs::Errno;
use crate::container::process::{Pid, Signal};

/// A process that others see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its number.
    pub pid: Pid,
    /// Its parent's; 0 for none.
    pub parent: Pid,
    /// Its user.
    pub uid: u32,
    /// When it began.
    pub started: SimTime,
    /// Its arguments.
    pub argv: Arc<[Str]>,
}

impl Os {
    /// Its own processes but zombies, as others see them.
    pub(crate) fn shown(&self) -> impl Iterator<Item = Peer> + '_ {
        let alive = self.procs.iter().filter(|(_, p)| !matches!(p.phase, Phase::Zombie(_)));
        alive.map(|(&pid, p)| Peer {
            pid,
            parent: p.parent,
            uid: p.uid,
            started: p.started,
            argv: Arc::clone(&p.argv),
        })
    }

    /// What of others is in sight from now on.
    pub(crate) fn see(&mut self, others: Vec<Peer>) {
        if !others.is_empty() || !self.rare.peers.is_empty() {
            self.rare.peers = others;
        }
    }

    /// Takes the signals that were sent to others.
    pub(crate) fn take_sent(&mut self) -> Vec<(Pid, Signal)> {
        self.rare.there().map(|rare| std::mem::take(&mut rare.sent)).unwrap_or_default()
    }

    /// Whether a process of its own has that number and lives.
    pub(crate) fn has(&self, pid: Pid) -> bool {
        self.procs.get(&pid).is_some_and(|p| !matches!(p.phase, Phase::Zombie(_)))
    }

    /// The number of the next process.
    pub(crate) const fn next_pid(&self) -> Pid {
        self.next_pid
    }

    /// Numbers below this one are taken.
    pub(crate) fn number_from(&mut self, pid: Pid) {
        self.next_pid = self.next_pid.max(pid);
    }
}

impl Sys<'_, '_> {
    /// A process of others.
    pub(super) fn peer(&self, pid: Pid) -> Option<&Peer> {
        self.os.rare.peers.iter().find(|p| p.pid == pid)
    }

    /// Sends a signal to a process of others.
    pub(super) fn kill_peer(&mut self, pid: Pid, signal: Option<Signal>) -> Result<(), Errno> {
        let uid = self.peer(pid).ok_or(Errno::NoProcess)?.uid;
        let me = self.me().uid;
        if me != 0 && me != uid {
            return Err(Errno::Perm);
        }
        if let Some(signal) = signal {
            self.os.rare.sent.push((pid, signal));
            if signal == Signal::KILL {
                self.os.rare.peers.retain(|p| p.pid != pid || pid == 1);
            }
        }
        Ok(())
    }

    /// Whether no process of the container but this one is there.
    pub(crate) fn is_alone(&self) -> bool {
        self.os.shown().count() == 1
    }
}

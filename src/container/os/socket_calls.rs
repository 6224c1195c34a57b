//! The system calls on connections.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::{Access, Listening, PipeId, Sys, Target};
use crate::container::fs::Errno;
use crate::container::net::sockets::{Remote, Socket};
use crate::container::net::{Asked, Listener, Met, Question, Reached, asked, dns};
use crate::container::process::Fd;

/// What an attempt to connect gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connected {
    /// A descriptor of the connection.
    Open(Fd),
    /// Nobody listens.
    Refused,
    /// Nothing answers; only a timeout ends the attempt.
    Nothing,
}

const BOTH: Access = Access { read: true, write: true, append: false };

impl Sys<'_, '_> {
    /// Connects to an address. Answers of listeners come at once; black holes never answer.
    pub(crate) fn connect(&mut self, to: SocketAddr, least: Fd) -> Connected {
        self.work(10);
        if self.is_own(to.ip()) && self.os.rare.listeners.contains_key(&to.port()) {
            return Connected::Open(self.connect_local(to.port(), least));
        }
        // What listens in another container of the pod, or is planned, stands in the network.
        let place = match self.os.pod_ip {
            Some(own) if to.ip().is_loopback() || to.ip().is_unspecified() => {
                SocketAddr::new(own.into(), to.port())
            }
            Some(_) | None => to,
        };
        let network = self.world.network;
        let draw = if network.has_choice(place) { self.os.random.stream().word() } else { 0 };
        let reached = network.reach(place, draw);
        let met = match &reached {
            Reached::Refused => Met::Refused,
            Reached::Nothing => Met::Silence,
            Reached::Open(_) => Met::Answer,
        };
        self.note_asked(Question::Connection(to), met);
        match reached {
            Reached::Refused => Connected::Refused,
            Reached::Nothing => Connected::Nothing,
            Reached::Open(listener) => {
                let id = self.os.next_id();
                let remote = Remote::new(to, listener, self.world.now);
                self.os.rare.sockets.insert(id, Socket::Remote(remote));
                Connected::Open(self.install(Target::Socket(id), BOTH, least))
            }
        }
    }

    /// Keeps what was asked of the network, and what came of it.
    pub(crate) fn note_asked(&mut self, of: Question, met: Met) {
        let asked = Asked { at: self.world.now, of, met };
        asked::keep(&mut self.os.rare.asked, asked);
    }

    fn is_own(&self, ip: IpAddr) -> bool {
        ip.is_loopback()
            || ip.is_unspecified()
            || self.os.pod_ip.is_some_and(|own| ip == IpAddr::V4(own))
    }

    /// Whether a host answers a ping: this one, one outside, or one on which something listens. A Service's
    /// address does not.
    pub(crate) fn answers(&self, ip: IpAddr) -> bool {
        self.is_own(ip) || self.world.network.is_alive(ip)
    }

    fn connect_local(&mut self, port: u16, least: Fd) -> Fd {
        let (there, back) = (self.os.new_pipe(), self.os.new_pipe());
        self.os.hold_socket(back, there);
        let id = self.os.next_id();
        self.os.rare.sockets.insert(id, Socket::Local { from: back, to: there });
        let fd = self.install(Target::Socket(id), BOTH, least);
        if let Some(listening) = self.os.rare.listeners.get_mut(&port) {
            listening.queue.push_back((there, back));
        }
        self.os.wake_listeners();
        fd
    }

    /// Connects to a host and port by name, as far as that goes without waiting.
    pub(crate) fn connect_now(&mut self, host: &str, port: &str, least: Fd) -> Result<Fd, Errno> {
        let ip = dns::resolve(self, host).ok_or(Errno::NoEnt)?;
        let port = port.parse().map_err(|_| Errno::NoEnt)?;
        match self.connect(SocketAddr::new(ip, port), least) {
            Connected::Open(fd) => Ok(fd),
            Connected::Refused => Err(Errno::Refused),
            Connected::Nothing => Err(Errno::TimedOut),
        }
    }

    /// Listens on a port of this container; `shown` is how it looks from outside.
    pub(crate) fn listen(&mut self, port: u16, shown: Listener) -> Result<Fd, Errno> {
        if self.os.rare.listeners.contains_key(&port) {
            return Err(Errno::AddrInUse);
        }
        self.os.rare.listeners.insert(port, Listening { queue: VecDeque::new(), shown });
        let id = self.os.next_id();
        self.os.rare.sockets.insert(id, Socket::Listening { port });
        Ok(self.install(Target::Socket(id), BOTH, 3))
    }

    /// Takes a connection that came to a listening descriptor.
    pub(crate) fn accept(&mut self, fd: Fd) -> Option<Fd> {
        let Some(&Target::Socket(id)) = self.target(fd) else { return None };
        let rare = self.os.rare.there()?;
        let Some(Socket::Listening { port }) = rare.sockets.get(&id) else { return None };
        let (from, to) = rare.listeners.get_mut(port)?.queue.pop_front()?;
        self.os.hold_socket(from, to);
        let id = self.os.next_id();
        self.os.rare.sockets.insert(id, Socket::Local { from, to });
        Some(self.install(Target::Socket(id), BOTH, 3))
    }

    /// Says that no more will be sent over a connection.
    pub(crate) fn shut_down(&mut self, fd: Fd) {
        let Some(&Target::Socket(id)) = self.target(fd) else { return };
        let now = self.world.now;
        match self.os.rare.sockets.get_mut(&id) {
            Some(Socket::Remote(remote)) => remote.shut(now),
            Some(Socket::Local { to, .. }) => {
                let to = *to;
                self.os.shut_pipe(to);
            }
            Some(Socket::Listening { .. }) | None => {}
        }
    }
}

impl super::Os {
    /// Counts the two ends that a local socket holds.
    fn hold_socket(&mut self, from: PipeId, to: PipeId) {
        if let Some(pipe) = self.rare.pipes.get_mut(&from) {
            pipe.add_reader();
        }
        if let Some(pipe) = self.rare.pipes.get_mut(&to) {
            pipe.add_writer();
        }
    }
}

//! Connections: the client's end with the server's behaviour behind it.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::http::{answer, parse_request, render};
use super::{Listener, Request};
use crate::base::time::SimTime;
use crate::container::os::PipeId;

/// A socket of a container.
#[derive(Clone, Debug)]
pub(crate) enum Socket {
    /// A connection between two processes of the container.
    Local {
        /// Bytes come out of here.
        from: PipeId,
        /// Bytes go in here.
        to: PipeId,
    },
    /// A connection to a simulated server.
    Remote(Remote),
    /// A listening socket of a process.
    Listening {
        /// Its port.
        port: u16,
    },
}

/// What a read of a remote connection gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SocketRead {
    Data(Vec<u8>),
    End,
    /// Nothing yet; more comes at this time, if the server will say anything by itself.
    Later(Option<SimTime>),
}

/// A connection to a simulated server.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    to: SocketAddr,
    listener: Listener,
    /// What the server got and has not answered.
    inbox: Vec<u8>,
    /// What it sends, with the time of arrival.
    outbox: VecDeque<(SimTime, Vec<u8>)>,
    /// When it closes.
    closes: Option<SimTime>,
}

impl Remote {
    /// A connection that has just been accepted.
    pub(crate) fn new(to: SocketAddr, listener: Listener, now: SimTime) -> Self {
        let mut remote =
            Self { to, listener, inbox: Vec::new(), outbox: VecDeque::new(), closes: None };
        if let Listener::Tcp(server) = &remote.listener {
            if !server.banner.is_empty() {
                remote.outbox.push_back((now, server.banner.clone()));
            }
            if server.close {
                remote.closes = Some(now);
            }
        }
        remote
    }

    /// The client sends.
    pub(crate) fn send(&mut self, bytes: &[u8], now: SimTime, requests: &mut Vec<Request>) {
        if self.closes.is_some() {
            return;
        }
        match &self.listener {
            Listener::Tcp(server) => {
                if server.echo {
                    self.outbox.push_back((now, bytes.to_vec()));
                }
            }
            Listener::Http(_) => {
                self.inbox.extend_from_slice(bytes);
                self.answer_http(now, requests);
            }
            Listener::Redis => {
                self.inbox.extend_from_slice(bytes);
                self.answer_redis(now, requests);
            }
            // The first byte of its answer tells a client what it wants to know: authentication, or an error.
            Listener::Postgres { accepting } => {
                let reply = if *accepting { b"R" } else { b"E" };
                self.outbox.push_back((now, reply.to_vec()));
                self.closes = Some(now);
            }
            Listener::Forward(_) | Listener::BlackHole => {}
        }
    }

    fn answer_http(&mut self, now: SimTime, requests: &mut Vec<Request>) {
        let Listener::Http(rules) = &self.listener else { return };
        let Some((request, _)) = parse_request(&self.inbox) else { return };
        let reply = answer(rules, &request);
        let at = now.saturating_add(reply.delay);
        let body = (!request.body.is_empty()).then(|| request.body.clone());
        requests.push(Request {
            at: now,
            to: self.to,
            line: format!("{} {}", request.method, request.path),
            body,
        });
        self.outbox.push_back((at, render(&reply, request.method == "HEAD")));
        self.closes = Some(at);
        self.inbox.clear();
    }

    fn answer_redis(&mut self, now: SimTime, requests: &mut Vec<Request>) {
        while let Some(end) = self.inbox.windows(2).position(|w| w == b"\r\n") {
            let line = String::from_utf8_lossy(&self.inbox[..end]).into_owned();
            self.inbox.drain(..end + 2);
            let word = line.trim().to_ascii_uppercase();
            if word.is_empty() || word.starts_with(['*', '$']) {
                continue;
            }
            let reply: &[u8] = match word.as_str() {
                "PING" => b"+PONG\r\n",
                "QUIT" => b"+OK\r\n",
                _ => b"-ERR unknown command\r\n",
            };
            requests.push(Request { at: now, to: self.to, line: word, body: None });
            self.outbox.push_back((now, reply.to_vec()));
        }
    }

    /// The client says that it sends no more.
    pub(crate) fn shut(&mut self, now: SimTime) {
        if self.closes.is_none() {
            self.closes = Some(now);
        }
    }

    /// The client reads.
    pub(crate) fn receive(&mut self, max: usize, now: SimTime) -> SocketRead {
        if let Some((at, bytes)) = self.outbox.front_mut() {
            if *at > now {
                return SocketRead::Later(Some(*at));
            }
            let n = max.min(bytes.len());
            let data: Vec<u8> = bytes.drain(..n).collect();
            if bytes.is_empty() {
                self.outbox.pop_front();
            }
            return SocketRead::Data(data);
        }
        match self.closes {
            Some(at) if at <= now => SocketRead::End,
            Some(at) => SocketRead::Later(Some(at)),
            None => SocketRead::Later(None),
        }
    }
}

//! Connecting to a host as the clients among the tools do it: the name, the address, an attempt that may have
//! to wait.
//!
//! A refused or open port answers at once. Where nothing answers at all, the attempt lasts until the client's
//! own limit or the kernel's, whichever is first, and is made again whenever the network changes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::time::SimTime;
use crate::container::net::dns;
use crate::container::os::{Connected, Sys};
use crate::container::process::{Fd, Step, Wait};

/// For how long Linux sends its first packet again (`tcp_syn_retries` = 6).
const KERNEL: Duration = Duration::from_secs(127);

/// An attempt to connect.
#[derive(Clone, Debug)]
pub(crate) struct Dialling {
    pub(super) to: SocketAddr,
    began: SimTime,
    /// The client's own limit.
    limit: Option<SimTime>,
}

/// How it stands.
#[derive(Debug)]
pub(super) enum Met {
    /// A connection.
    Open(Fd),
    /// Nobody listens.
    Refused,
    /// The client's own limit was reached.
    Late,
    /// The kernel gave up.
    Lost,
    /// It must wait.
    Wait(Step),
}

impl Dialling {
    /// An attempt from now on, with a limit of the client's own if it has one.
    pub(super) fn new(sys: &Sys<'_, '_>, to: SocketAddr, limit: Option<SimTime>) -> Self {
        Self { to, began: sys.now(), limit }
    }

    /// Tries (again).
    pub(super) fn poll(&self, sys: &mut Sys<'_, '_>) -> Met {
        match sys.connect(self.to, 3) {
            Connected::Open(fd) => Met::Open(fd),
            Connected::Refused => Met::Refused,
            Connected::Nothing => {
                let kernel = self.began.saturating_add(KERNEL);
                let until = self.limit.map_or(kernel, |own| own.min(kernel));
                if sys.now() < until {
                    Met::Wait(Step::Block(Wait::Network(Some(until))))
                } else if self.limit.is_some_and(|own| sys.now() >= own) {
                    Met::Late
                } else {
                    Met::Lost
                }
            }
        }
    }
}

/// A host's address.
pub(super) fn address(sys: &mut Sys<'_, '_>, host: &str) -> Option<IpAddr> {
    dns::resolve(sys, host)
}

/// A URL of the web.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) tls: bool,
    pub(super) user: Option<String>,
    pub(super) host: String,
    /// As written.
    pub(super) port: Option<u16>,
    /// With the query, and with the slash that begins it.
    pub(super) path: String,
}

impl Url {
    /// Reads a URL; without a scheme it is `http`. `Err` is a scheme that is not known, or empty for a bad port
    /// or a missing host.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => ("http".to_owned(), text),
        };
        let tls = match scheme.as_str() {
            "http" => false,
            "https" => true,
            other => return Err(other.to_owned()),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|p| p.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => match place.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = match port.filter(|p| !p.is_empty()) {
            Some(port) => Some(port.parse().map_err(|_| String::new())?),
            None => None,
        };
        if host.is_empty() {
            return Err(String::new());
        }
        Ok(Self { tls, user, host: host.to_owned(), port, path })
    }

    /// The port to connect to.
    pub(super) fn number(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 443 } else { 80 })
    }

    /// Host and port as written.
    pub(super) fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// Where a `Location` leads from here.
    pub(super) fn join(&self, location: &str) -> Result<Self, String> {
        if location.contains("://") {
            return Self::parse(location);
        }
        let path = if location.starts_with('/') {
            location.to_owned()
        } else {
            let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{location}")
        };
        Ok(Self { path, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_a_port_and_a_path() {
        let url = Url::parse("http://u:p@web:81/a?b#c").unwrap();
        assert_eq!((url.host.as_str(), url.number(), url.path.as_str()), ("web", 81, "/a?b"));
        assert_eq!(url.user.as_deref(), Some("u:p"));
        assert_eq!(Url::parse("web").unwrap().path, "/");
        assert_eq!(Url::parse("https://web").unwrap().number(), 443);
        assert_eq!(Url::parse("ftp://web"), Err("ftp".to_owned()));
        assert_eq!(Url::parse("http://web:x/"), Err(String::new()));
        assert_eq!(url.join("/new").unwrap().path, "/new");
        assert_eq!(url.join("http://other/").unwrap().host, "other");
    }
}

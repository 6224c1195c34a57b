//! Clients that ask whether a database is there: `pg_isready`, `redis-cli`, `mysqladmin`.

use std::net::SocketAddr;
use std::time::Duration;

use super::dialling::{Dialling, Met, address};
use super::{Begun, Call, Waiting, durations};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::os::{Read, Sys};
use crate::container::process::{Fd, Step, Wait};

/// How long `pg_isready` waits without `-t`.
const PG_PATIENCE: Duration = Duration::from_secs(3);

/// Which of the clients it is.
#[derive(Clone, Debug)]
enum Client {
    Postgres { quiet: bool },
    Redis { command: Vec<Str> },
    Mysql { host: String },
}

/// One of them under way.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    client: Client,
    /// `host:port` as the messages have it.
    place: String,
    until: Option<SimTime>,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Dial(Dialling),
    Hear(Fd, Vec<u8>),
}

/// Options with values, given together or apart; the other words.
struct Given {
    values: Vec<(char, Str)>,
    flags: String,
    words: Vec<Str>,
}

impl Given {
    fn read(args: &[Str], valued: &str, long: &[(&str, char)], stop_at_words: bool) -> Self {
        let mut given = Self { values: Vec::new(), flags: String::new(), words: Vec::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if stop_at_words && !given.words.is_empty() || !arg.starts_with('-') || arg.len() < 2 {
                given.words.push(arg.clone());
                continue;
            }
            if let Some(name) = arg.strip_prefix("--") {
                let (name, value) = match name.split_once('=') {
                    Some((name, value)) => (name, Some(Str::from(value))),
                    None => (name, None),
                };
                let Some(&(_, letter)) = long.iter().find(|(n, _)| *n == name) else { continue };
                if valued.contains(letter) {
                    let value = value.or_else(|| args.next().cloned()).unwrap_or_default();
                    given.values.push((letter, value));
                } else {
                    given.flags.push(letter);
                }
                continue;
            }
            for (at, letter) in arg.char_indices().skip(1) {
                if valued.contains(letter) {
                    let value = match &arg[at + letter.len_utf8()..] {
                        "" => args.next().cloned().unwrap_or_default(),
                        rest => rest.into(),
                    };
                    given.values.push((letter, value));
                    break;
                }
                given.flags.push(letter);
            }
        }
        given
    }

    fn value(&self, letter: char) -> Option<&str> {
        self.values.iter().rev().find(|(l, _)| *l == letter).map(|(_, v)| v.as_str())
    }
}

/// `pg_isready`
pub(super) fn pg_isready(call: &mut Call<'_, '_, '_>) -> Begun {
    let long = [
        ("host", 'h'),
        ("port", 'p'),
        ("username", 'U'),
        ("dbname", 'd'),
        ("timeout", 't'),
        ("quiet", 'q'),
    ];
    let given = Given::read(call.args, "hpUdt", &long, false);
    let variable = |name: &str| call.variable(name).map(ToString::to_string);
    let host = given.value('h').map(str::to_owned).or_else(|| variable("PGHOST"));
    let port = given.value('p').map(str::to_owned).or_else(|| variable("PGPORT"));
    let port = port.unwrap_or_else(|| "5432".to_owned());
    let patience = match given.value('t').map(durations::one) {
        Some(Some(length)) if length > Duration::ZERO => Some(length),
        Some(_) => None,
        None => Some(PG_PATIENCE),
    };
    let quiet = given.flags.contains('q');
    // Without a host it is the socket in the file system, behind which a server of this pod listens.
    let (shown, host) = match host.filter(|h| !h.is_empty() && !h.starts_with('/')) {
        Some(host) => (host.clone(), host),
        None => ("/var/run/postgresql".to_owned(), "127.0.0.1".to_owned()),
    };
    let place = format!("{shown}:{port}");
    let to = address(call.sys, &host).zip(port.parse::<u16>().ok());
    let Some((ip, number)) = to else {
        if !quiet {
            call.out(&format!("{place} - no response\n"));
        }
        return Begun::Exit(2);
    };
    begin(call, Client::Postgres { quiet }, place, SocketAddr::new(ip, number), patience)
}

/// `redis-cli`
pub(super) fn redis_cli(call: &mut Call<'_, '_, '_>) -> Begun {
    let long = [("pass", 'a'), ("user", 'U'), ("raw", 'R'), ("no-auth-warning", 'W'), ("tls", 'T')];
    let given = Given::read(call.args, "hpaUnrist", &long, true);
    let host = given.value('h').unwrap_or("127.0.0.1").to_owned();
    let port = given.value('p').unwrap_or("6379").to_owned();
    let place = format!("{host}:{port}");
    let to = address(call.sys, &host).zip(port.parse::<u16>().ok());
    let Some((ip, number)) = to else {
        call.sys
            .err(&format!("Could not connect to Redis at {place}: Name or service not known\n"));
        return Begun::Exit(1);
    };
    let patience = given.value('t').and_then(durations::one);
    let command = given.words;
    begin(call, Client::Redis { command }, place, SocketAddr::new(ip, number), patience)
}

/// `mysqladmin`, `mariadb-admin`: `ping` and `status`.
pub(super) fn mysqladmin(call: &mut Call<'_, '_, '_>) -> Begun {
    let long = [
        ("host", 'h'),
        ("port", 'P'),
        ("user", 'u'),
        ("connect-timeout", 'C'),
        ("connect_timeout", 'C'),
        ("silent", 's'),
    ];
    // The password follows its letter at once, or is asked for: `-psecret`.
    let args: Vec<Str> = call
        .args
        .iter()
        .filter(|a| !(a.starts_with("-p") && !a.starts_with("--")))
        .cloned()
        .collect();
    let given = Given::read(&args, "hPuC", &long, false);
    let host = given.value('h').unwrap_or("localhost").to_owned();
    let port = given.value('P').unwrap_or("3306").to_owned();
    let patience = given.value('C').and_then(durations::one);
    let to = address(call.sys, &host).zip(port.parse::<u16>().ok());
    let Some((ip, number)) = to else {
        call.err(&format!(
            "connect to server at '{host}' failed\nerror: 'Unknown MySQL server host '{host}' (-2)'\nCheck that mysqld is running on {host} and that the port is {port}.\nYou can check this by doing 'telnet {host} {port}'"
        ));
        return Begun::Exit(1);
    };
    let place = format!("{host}:{port}");
    begin(call, Client::Mysql { host }, place, SocketAddr::new(ip, number), patience)
}

fn begin(
    call: &mut Call<'_, '_, '_>,
    client: Client,
    place: String,
    to: SocketAddr,
    patience: Option<Duration>,
) -> Begun {
    let until = patience.map(|p| call.sys.now().saturating_add(p));
    let dialling = Dialling::new(call.sys, to, until);
    let asking = Asking { client, place, until, stage: Stage::Dial(dialling) };
    Begun::Wait(Waiting::Asking(Box::new(asking)))
}

impl Asking {
    /// Lets it run until it must wait or is done.
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        if let Stage::Dial(dialling) = &self.stage {
            match dialling.poll(sys) {
                Met::Wait(step) => return step,
                Met::Open(fd) => {
                    if let Some(step) = self.connected(sys, fd) {
                        return step;
                    }
                    self.stage = Stage::Hear(fd, Vec::new());
                }
                Met::Refused => return self.failed(sys, "Connection refused", 111),
                Met::Late | Met::Lost => return self.failed(sys, "Connection timed out", 110),
            }
        }
        let Stage::Hear(fd, heard) = &mut self.stage else { return Step::Exit(1) };
        let fd = *fd;
        loop {
            match sys.read(fd, 1 << 14) {
                Ok(Read::Data(bytes)) => heard.extend_from_slice(&bytes),
                Ok(Read::Later(at)) if heard.is_empty() => {
                    if self.until.is_some_and(|until| sys.now() >= until) {
                        return self.failed(sys, "Connection timed out", 110);
                    }
                    let until = match (at, self.until) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                    return Step::Block(Wait::Readable(fd, until));
                }
                Ok(Read::Later(_) | Read::End) | Err(_) => break,
            }
        }
        let heard = std::mem::take(heard);
        self.heard(sys, &heard)
    }

    /// Says what it has to say on a new connection; a server that is merely there is enough for some.
    fn connected(&self, sys: &mut Sys<'_, '_>, fd: Fd) -> Option<Step> {
        let words: Vec<u8> = match &self.client {
            Client::Mysql { .. } => {
                sys.out(b"mysqld is alive\n");
                return Some(Step::Exit(0));
            }
            // The startup packet: its length, protocol 3.0, no parameters.
            Client::Postgres { .. } => vec![0, 0, 0, 9, 0, 3, 0, 0, 0],
            Client::Redis { command } if command.is_empty() => return Some(Step::Exit(0)),
            Client::Redis { command } => {
                crate::container::text::encode(&format!("{}\r\n", command.join(" ")))
            }
        };
        // A server that is gone by now is noticed when nothing comes back.
        let _sent = sys.write(fd, &words);
        None
    }

    fn heard(&self, sys: &mut Sys<'_, '_>, heard: &[u8]) -> Step {
        match &self.client {
            Client::Postgres { quiet } => {
                let (text, status) = match heard.first() {
                    Some(b'R') => ("accepting connections", 0),
                    Some(b'E') => ("rejecting connections", 1),
                    _ => ("no response", 2),
                };
                if !quiet {
                    sys.out(format!("{} - {text}\n", self.place).as_bytes());
                }
                Step::Exit(status)
            }
            Client::Redis { .. } if heard.is_empty() => {
                sys.err("Error: Server closed the connection\n");
                Step::Exit(1)
            }
            Client::Redis { .. } => {
                let text = String::from_utf8_lossy(heard);
                let line = text.trim_end().trim_start_matches(['+', '-', ':']);
                sys.out(format!("{line}\n").as_bytes());
                Step::Exit(u8::from(heard.first() == Some(&b'-')))
            }
            Client::Mysql { .. } => Step::Exit(0),
        }
    }

    fn failed(&self, sys: &mut Sys<'_, '_>, why: &str, number: u8) -> Step {
        match &self.client {
            Client::Postgres { quiet } => {
                if !quiet {
                    sys.out(format!("{} - no response\n", self.place).as_bytes());
                }
                Step::Exit(2)
            }
            Client::Redis { .. } => {
                sys.err(&format!("Could not connect to Redis at {}: {why}\n", self.place));
                Step::Exit(1)
            }
            Client::Mysql { host } => {
                let (_, port) = self.place.rsplit_once(':').unwrap_or(("", "3306"));
                sys.err(&format!(
                    "mysqladmin: connect to server at '{host}' failed\nerror: 'Can't connect to MySQL server on '{}' ({number})'\nCheck that mysqld is running on {host} and that the port is {port}.\nYou can check this by doing 'telnet {host} {port}'\n",
                    self.place
                ));
                Step::Exit(1)
            }
        }
    }
}

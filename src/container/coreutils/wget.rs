//! `wget` of busybox: one file after the other over HTTP, with its messages.
//!
//! TLS is not modelled: `https` is spoken in the clear to whoever listens at the port.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::dialling::{Dialling, Met, Url, address};
use super::durations;
use super::exchange::{Exchange, Got, Head};
use super::{Begun, Call, Waiting};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::os::{OpenMode, Sys};
use crate::container::process::{Fd, Step, Wait};
use crate::container::text::push;

const USAGE: &str = "[-cqS] [--spider] [-O FILE] [-o LOGFILE] [--header STR]\n\t[--post-data STR | --post-file FILE] [-Y on/off]\n\t[--no-check-certificate] [-P DIR] [-U AGENT] [-T SEC] URL...";
/// Without `-T`.
const PATIENCE: Duration = Duration::from_secs(900);
const MAX_HOPS: u32 = 5;

#[derive(Clone, Debug)]
struct Options {
    quiet: bool,
    spider: bool,
    show: bool,
    resume: bool,
    output: Option<Str>,
    folder: Option<Str>,
    agent: Str,
    headers: Vec<Str>,
    post: Option<Vec<u8>>,
    patience: Duration,
}

/// `wget` under way.
#[derive(Clone, Debug)]
pub(crate) struct Wget {
    options: Options,
    todo: VecDeque<Str>,
    /// The file of this URL where no name is given.
    file: String,
    hops: u32,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Next,
    Dial(Url, Dialling),
    Talk { url: Url, fd: Fd, exchange: Exchange, until: SimTime },
    Body { fd: Fd, exchange: Exchange, until: SimTime, out: Fd, size: usize },
}

/// `wget`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut options = Options {
        quiet: false,
        spider: false,
        show: false,
        resume: false,
        output: None,
        folder: None,
        agent: "Wget".into(),
        headers: Vec::new(),
        post: None,
        patience: PATIENCE,
    };
    let mut urls = VecDeque::new();
    let mut args = call.args.iter();
    let mut only_urls = false;
    while let Some(arg) = args.next() {
        if only_urls || !arg.starts_with('-') || arg.len() < 2 {
            urls.push_back(arg.clone());
        } else if arg == "--" {
            only_urls = true;
        } else if let Some(long) = arg.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(Str::from(value))),
                None => (long, None),
            };
            if let Err(begun) = long_option(call, &mut options, name, value, &mut args) {
                return *begun;
            }
        } else if let Err(begun) = short_options(call, &mut options, &arg[1..], &mut args) {
            return *begun;
        }
    }
    if urls.is_empty() {
        return call.usage(USAGE, 1);
    }
    let wget = Wget { options, todo: urls, file: String::new(), hops: 0, stage: Stage::Next };
    Begun::Wait(Waiting::Wget(Box::new(wget)))
}

type More<'a> = std::slice::Iter<'a, Str>;

fn short_options(
    call: &mut Call<'_, '_, '_>,
    options: &mut Options,
    letters: &str,
    more: &mut More<'_>,
) -> Result<(), Box<Begun>> {
    for (at, letter) in letters.char_indices() {
        match letter {
            'q' => options.quiet = true,
            'S' => options.show = true,
            'c' => options.resume = true,
            's' => options.spider = true,
            'O' | 'o' | 'P' | 'U' | 'T' | 't' | 'Y' => {
                let rest = &letters[at + 1..];
                let value = match rest {
                    "" => more.next().cloned(),
                    rest => Some(rest.into()),
                };
                let Some(value) = value else {
                    call.err(&format!("option requires an argument -- '{letter}'"));
                    return Err(Box::new(call.usage(USAGE, 1)));
                };
                match letter {
                    'O' => options.output = Some(value),
                    'P' => options.folder = Some(value),
                    'U' => options.agent = value,
                    'T' => patience(call, options, &value)?,
                    _ => {}
                }
                return Ok(());
            }
            other => return Err(Box::new(call.bad_option(other, USAGE, 1))),
        }
    }
    Ok(())
}

fn patience(
    call: &mut Call<'_, '_, '_>,
    options: &mut Options,
    value: &str,
) -> Result<(), Box<Begun>> {
    match durations::one(value).filter(|_| value.bytes().all(|b| b.is_ascii_digit())) {
        Some(length) => options.patience = length,
        None => {
            call.err(&format!("invalid number '{value}'"));
            return Err(Box::new(Begun::Exit(1)));
        }
    }
    Ok(())
}

fn long_option(
    call: &mut Call<'_, '_, '_>,
    options: &mut Options,
    name: &str,
    value: Option<Str>,
    more: &mut More<'_>,
) -> Result<(), Box<Begun>> {
    match name {
        "quiet" => options.quiet = true,
        "spider" => options.spider = true,
        "server-response" => options.show = true,
        "continue" => options.resume = true,
        "no-check-certificate" | "no-clobber" | "passive-ftp" => {}
        "header" | "post-data" | "post-file" | "output-document" | "directory-prefix"
        | "user-agent" | "timeout" | "tries" | "proxy" | "output-file" => {
            let Some(value) = value.or_else(|| more.next().cloned()) else {
                call.err(&format!("option '--{name}' requires an argument"));
                return Err(Box::new(call.usage(USAGE, 1)));
            };
            match name {
                "header" => options.headers.push(value),
                "post-data" => options.post = Some(value.as_bytes().to_vec()),
                "post-file" => match call.sys.content(&value) {
                    Ok(body) => options.post = Some(body),
                    Err(e) => {
                        call.err(&format!("can't open '{value}': {e}"));
                        return Err(Box::new(Begun::Exit(1)));
                    }
                },
                "output-document" => options.output = Some(value),
                "directory-prefix" => options.folder = Some(value),
                "user-agent" => options.agent = value,
                "timeout" => patience(call, options, &value)?,
                _ => {}
            }
        }
        _ => {
            call.err(&format!("unrecognized option '--{name}'"));
            return Err(Box::new(call.usage(USAGE, 1)));
        }
    }
    Ok(())
}

impl Wget {
    /// Lets it run until it must wait or is done.
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        loop {
            if sys.must_stop() || !sys.tick() {
                return Step::Yield;
            }
            let done = match std::mem::replace(&mut self.stage, Stage::Next) {
                Stage::Next => match self.todo.pop_front() {
                    Some(url) => self.begin(sys, &url),
                    None => return Step::Exit(0),
                },
                Stage::Dial(url, dialling) => self.dial(sys, url, dialling),
                Stage::Talk { url, fd, exchange, until } => {
                    self.talk(sys, url, fd, exchange, until)
                }
                Stage::Body { fd, exchange, until, out, size } => {
                    self.body(sys, fd, exchange, until, (out, size))
                }
            };
            match done {
                Ok(None) => {}
                Ok(Some(step)) => return step,
                Err(text) => {
                    sys.err(&format!("wget: {text}\n"));
                    return Step::Exit(1);
                }
            }
        }
    }

    fn begin(&mut self, sys: &mut Sys<'_, '_>, url: &str) -> Result<Option<Step>, String> {
        let parsed = Url::parse(url).map_err(|_| format!("not an http or ftp url: {url}"))?;
        self.hops = 0;
        let last = parsed.path.split('?').next().unwrap_or_default();
        let last = last.rsplit('/').next().unwrap_or_default();
        let last = if last.is_empty() { "index.html" } else { last };
        self.file = match &self.options.folder {
            Some(folder) => format!("{}/{last}", folder.trim_end_matches('/')),
            None => last.to_owned(),
        };
        self.go(sys, parsed)
    }

    /// Goes to a URL: the first one, or where it was sent on to.
    fn go(&mut self, sys: &mut Sys<'_, '_>, url: Url) -> Result<Option<Step>, String> {
        let Some(ip) = address(sys, &url.host) else {
            return Err(format!("bad address '{}'", url.authority()));
        };
        let to = SocketAddr::new(ip, url.number());
        if !self.options.quiet {
            sys.err(&format!("Connecting to {} ({to})\n", url.authority()));
        }
        let until = sys.now().saturating_add(self.options.patience);
        self.stage = Stage::Dial(url, Dialling::new(sys, to, Some(until)));
        Ok(None)
    }

    fn dial(
        &mut self,
        sys: &mut Sys<'_, '_>,
        url: Url,
        dialling: Dialling,
    ) -> Result<Option<Step>, String> {
        let fd = match dialling.poll(sys) {
            Met::Open(fd) => fd,
            Met::Refused => {
                let ip = dialling.to.ip();
                return Err(format!("can't connect to remote host ({ip}): Connection refused"));
            }
            Met::Lost => {
                let ip = dialling.to.ip();
                return Err(format!("can't connect to remote host ({ip}): Connection timed out"));
            }
            Met::Late => return Err("download timed out".to_owned()),
            Met::Wait(step) => {
                self.stage = Stage::Dial(url, dialling);
                return Ok(Some(step));
            }
        };
        if url.tls && !self.options.quiet {
            sys.err("wget: note: TLS certificate validation not implemented\n");
        }
        // A server that is gone by now is noticed when nothing comes back.
        let _sent = sys.write(fd, &self.request(&url));
        let until = sys.now().saturating_add(self.options.patience);
        self.stage = Stage::Talk { url, fd, exchange: Exchange::new(false), until };
        Ok(None)
    }

    fn request(&self, url: &Url) -> Vec<u8> {
        let own = |name: &str| {
            self.options.headers.iter().any(|h| {
                h.split_once(':').is_some_and(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            })
        };
        let method = if self.options.post.is_some() { "POST" } else { "GET" };
        let mut out = format!("{method} {} HTTP/1.1\r\n", url.path);
        if !own("host") {
            push(&mut out, format_args!("Host: {}\r\n", url.authority()));
        }
        if !own("user-agent") {
            push(&mut out, format_args!("User-Agent: {}\r\n", self.options.agent));
        }
        out.push_str("Connection: close\r\n");
        if let Some(user) = &url.user {
            let code = super::exchange::base64(user.as_bytes());
            push(&mut out, format_args!("Authorization: Basic {code}\r\n"));
        }
        for header in &self.options.headers {
            push(&mut out, format_args!("{header}\r\n"));
        }
        if let Some(body) = &self.options.post {
            if !own("content-type") {
                out.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
            }
            push(&mut out, format_args!("Content-Length: {}\r\n", body.len()));
        }
        out.push_str("\r\n");
        let mut out = crate::container::text::encode(&out);
        out.extend_from_slice(self.options.post.as_deref().unwrap_or_default());
        out
    }

    fn talk(
        &mut self,
        sys: &mut Sys<'_, '_>,
        url: Url,
        fd: Fd,
        mut exchange: Exchange,
        until: SimTime,
    ) -> Result<Option<Step>, String> {
        match exchange.poll(sys, fd) {
            Got::Later(_) if sys.now() >= until => Err("download timed out".to_owned()),
            Got::Later(at) => {
                self.stage = Stage::Talk { url, fd, exchange, until };
                Ok(Some(Step::Block(Wait::Readable(fd, Some(at.map_or(until, |a| a.min(until)))))))
            }
            Got::Head(head) => self.head(sys, &url, fd, exchange, &head),
            Got::Body(_) | Got::End | Got::Broken => Err("error getting response".to_owned()),
        }
    }

    fn head(
        &mut self,
        sys: &mut Sys<'_, '_>,
        url: &Url,
        fd: Fd,
        exchange: Exchange,
        head: &Head,
    ) -> Result<Option<Step>, String> {
        if self.options.show {
            let mut text = format!("  {}\n", head.line);
            for (name, value) in &head.headers {
                push(&mut text, format_args!("  {name}: {value}\n"));
            }
            sys.err(&text);
        }
        if let Some(location) = head.location() {
            sys.close(fd);
            self.hops += 1;
            if self.hops > MAX_HOPS {
                return Err("too many redirections".to_owned());
            }
            let next =
                url.join(location).map_err(|_| format!("not an http or ftp url: {location}"))?;
            return self.go(sys, next);
        }
        if !(200..300).contains(&head.status) {
            return Err(format!("server returned error: {}", head.line));
        }
        if self.options.spider {
            if !self.options.quiet {
                sys.err("remote file exists\n");
            }
            sys.close(fd);
            return Ok(None);
        }
        let out = self.open(sys)?;
        let until = sys.now().saturating_add(self.options.patience);
        self.stage = Stage::Body { fd, exchange, until, out, size: 0 };
        Ok(None)
    }

    fn open(&self, sys: &mut Sys<'_, '_>) -> Result<Fd, String> {
        let quiet = self.options.quiet;
        let (name, mode) = match &self.options.output {
            Some(name) if name == "-" => {
                if !quiet {
                    sys.err("writing to stdout\n");
                }
                return Ok(1);
            }
            Some(name) => (name.as_str(), OpenMode::WRITE),
            None if self.options.resume => (self.file.as_str(), OpenMode::APPEND),
            None => (self.file.as_str(), OpenMode { exclusive: true, ..OpenMode::WRITE }),
        };
        let out = sys.open(name, mode, 3).map_err(|e| format!("can't open '{name}': {e}"))?;
        if !quiet {
            sys.err(&format!("saving to '{name}'\n"));
        }
        Ok(out)
    }

    fn body(
        &mut self,
        sys: &mut Sys<'_, '_>,
        fd: Fd,
        mut exchange: Exchange,
        until: SimTime,
        (out, size): (Fd, usize),
    ) -> Result<Option<Step>, String> {
        match exchange.poll(sys, fd) {
            Got::Later(_) if sys.now() >= until => Err("download timed out".to_owned()),
            Got::Later(at) => {
                self.stage = Stage::Body { fd, exchange, until, out, size };
                Ok(Some(Step::Block(Wait::Readable(fd, Some(at.map_or(until, |a| a.min(until)))))))
            }
            Got::Body(bytes) => {
                sys.write(out, &bytes).map_err(|e| format!("write error: {e}"))?;
                let until = sys.now().saturating_add(self.options.patience);
                let size = size + bytes.len();
                self.stage = Stage::Body { fd, exchange, until, out, size };
                Ok(None)
            }
            Got::Head(_) | Got::End | Got::Broken => {
                sys.close(fd);
                self.saved(sys, out, size);
                Ok(None)
            }
        }
    }

    fn saved(&self, sys: &mut Sys<'_, '_>, out: Fd, size: usize) {
        let name = self.options.output.as_deref().unwrap_or(&self.file);
        if out != 1 {
            sys.close(out);
        }
        if self.options.quiet {
            return;
        }
        let short = name.rsplit('/').next().unwrap_or(name);
        let stars = "*".repeat(31);
        let end = if out == 1 { "written to stdout".to_owned() } else { format!("'{name}' saved") };
        sys.err(&format!("{short:<20.20} 100% |{stars}| {size:>6}  0:00:00 ETA\n{end}\n"));
    }
}

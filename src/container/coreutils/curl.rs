//! `curl` over HTTP: what scripts and probes use of it.
//!
//! TLS is not modelled: `https` is spoken in the clear to whoever listens at the port. Left out: other
//! protocols, forms (`-F`), cookies, proxies, parallel transfers; their options are answered as unknown.

mod options;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use self::options::Options;
use super::dialling::{Dialling, Met, Url, address};
use super::exchange::{Exchange, Got, Head, base64};
use super::{Begun, Call, Waiting};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::os::{OpenMode, Sys};
use crate::container::process::{Fd, Step, Wait};
use crate::container::text::{encode, push};

/// The version that it says it is.
const AGENT: &str = "curl/7.88.1";
const MAX_HOPS: u32 = 50;

/// `curl` under way.
#[derive(Clone, Debug)]
pub(crate) struct Curl {
    options: Options,
    todo: VecDeque<Str>,
    outputs: VecDeque<Str>,
    /// What was asked for on the command line, and where it goes.
    now: Option<Transfer>,
    status: u8,
}

/// One URL of the command line.
#[derive(Clone, Debug)]
struct Transfer {
    text: Str,
    output: Option<Str>,
    began: SimTime,
    retries: u32,
    stage: Stage,
    seen: Seen,
}

/// What `-w` can tell.
#[derive(Clone, Debug, Default)]
struct Seen {
    url: String,
    status: u16,
    hops: u32,
    size: usize,
    content_type: String,
    redirect: String,
    ip: Option<IpAddr>,
    port: u16,
}

#[derive(Clone, Debug)]
enum Stage {
    Start,
    /// Until the next try.
    Rest(SimTime),
    Dial(Url, Dialling),
    Talk(Url, Fd, Exchange),
    Body(Fd, Exchange, Option<Fd>),
}

/// Why a transfer failed: the exit status and the message.
#[derive(Clone, Debug)]
struct Failure(u8, String);

/// `curl`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match options::read(call) {
        Ok(options) => options,
        Err(begun) => return *begun,
    };
    if options.urls.is_empty() {
        call.sys.err("curl: try 'curl --help' or 'curl --manual' for more information\n");
        return Begun::Exit(2);
    }
    let curl = Curl {
        todo: options.urls.iter().cloned().collect(),
        outputs: options.outputs.iter().cloned().collect(),
        options,
        now: None,
        status: 0,
    };
    Begun::Wait(Waiting::Curl(Box::new(curl)))
}

impl Curl {
    /// Lets it run until it must wait or is done.
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        loop {
            if sys.must_stop() || !sys.tick() {
                return Step::Yield;
            }
            let Some(mut transfer) = self.now.take() else {
                let Some(text) = self.todo.pop_front() else { return Step::Exit(self.status) };
                self.now = Some(self.begin(sys, text));
                continue;
            };
            match transfer.advance(&self.options, sys) {
                Ok(Some(Go::On)) => self.now = Some(transfer),
                Ok(Some(Go::Wait(step))) => {
                    self.now = Some(transfer);
                    return step;
                }
                Ok(None) => {
                    if self.fail_late(&transfer) {
                        self.finish(sys, &transfer, Some(&refused_by_status(&transfer.seen)));
                    } else {
                        self.finish(sys, &transfer, None);
                    }
                }
                Err(failure) => {
                    if transfer.retry(&self.options, sys, &failure) {
                        self.now = Some(transfer);
                    } else {
                        self.finish(sys, &transfer, Some(&failure));
                    }
                }
            }
        }
    }

    fn fail_late(&self, transfer: &Transfer) -> bool {
        self.options.fail_with_body && transfer.seen.status >= 400
    }

    fn begin(&mut self, sys: &Sys<'_, '_>, text: Str) -> Transfer {
        let output = if self.options.remote_name {
            let path = text.split(['?', '#']).next().unwrap_or_default();
            Some(path.rsplit('/').next().unwrap_or_default().into())
        } else {
            self.outputs.pop_front()
        };
        Transfer {
            text,
            output: output.filter(|o| o != "-"),
            began: sys.now(),
            retries: 0,
            stage: Stage::Start,
            seen: Seen::default(),
        }
    }

    fn finish(&mut self, sys: &mut Sys<'_, '_>, transfer: &Transfer, failure: Option<&Failure>) {
        let status = failure.map_or(0, |f| f.0);
        if let Some(Failure(code, text)) = failure
            && (!self.options.silent || self.options.show_error)
        {
            sys.err(&format!("curl: ({code}) {text}\n"));
        }
        if let Some(format) = &self.options.write_out {
            let text = transfer.write_out(format, sys, failure);
            // A closed pipe has raised its signal.
            let _written = sys.write(1, &encode(&text));
        }
        self.status = status;
    }
}

fn refused_by_status(seen: &Seen) -> Failure {
    Failure(22, format!("The requested URL returned error: {}", seen.status))
}

/// How a transfer goes on.
enum Go {
    On,
    Wait(Step),
}

impl Transfer {
    fn limit(&self, options: &Options) -> Option<SimTime> {
        options.max_time.map(|m| self.began.saturating_add(m))
    }

    fn advance(&mut self, options: &Options, sys: &mut Sys<'_, '_>) -> Result<Option<Go>, Failure> {
        match std::mem::replace(&mut self.stage, Stage::Start) {
            Stage::Start => {
                let url = Url::parse(&self.text).map_err(|scheme| {
                    if scheme.is_empty() {
                        Failure(3, "URL using bad/illegal format or missing URL".to_owned())
                    } else {
                        Failure(
                            1,
                            format!("Protocol \"{scheme}\" not supported or disabled in libcurl"),
                        )
                    }
                })?;
                self.go(options, sys, url)
            }
            Stage::Rest(until) => {
                if sys.now() < until {
                    self.stage = Stage::Rest(until);
                    return Ok(Some(Go::Wait(Step::Block(Wait::Until(until)))));
                }
                Ok(Some(Go::On))
            }
            Stage::Dial(url, dialling) => self.dial(options, sys, url, dialling),
            Stage::Talk(url, fd, exchange) => self.talk(options, sys, url, fd, exchange),
            Stage::Body(fd, exchange, out) => self.body(options, sys, fd, exchange, out),
        }
    }

    fn go(
        &mut self,
        options: &Options,
        sys: &mut Sys<'_, '_>,
        url: Url,
    ) -> Result<Option<Go>, Failure> {
        self.seen.url =
            format!("{}://{}{}", if url.tls { "https" } else { "http" }, url.authority(), url.path);
        let resolved = options.resolve.iter().find_map(|rule| {
            let mut parts = rule.splitn(3, ':');
            let fits = parts.next() == Some(url.host.as_str())
                && parts.next().and_then(|p| p.parse().ok()) == Some(url.number());
            parts.next().filter(|_| fits).and_then(|ip| ip.parse().ok())
        });
        let Some(ip) = resolved.or_else(|| address(sys, &url.host)) else {
            return Err(Failure(6, format!("Could not resolve host: {}", url.host)));
        };
        let to = SocketAddr::new(ip, url.number());
        if options.verbose {
            sys.err(&format!("*   Trying {to}...\n"));
        }
        let connect = options.connect_timeout.map(|c| sys.now().saturating_add(c));
        let limit = match (connect, self.limit(options)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.stage = Stage::Dial(url, Dialling::new(sys, to, limit));
        Ok(Some(Go::On))
    }

    fn dial(
        &mut self,
        options: &Options,
        sys: &mut Sys<'_, '_>,
        url: Url,
        dialling: Dialling,
    ) -> Result<Option<Go>, Failure> {
        let spent = sys.now().since(self.began).as_millis();
        let fd = match dialling.poll(sys) {
            Met::Open(fd) => fd,
            Met::Refused | Met::Lost => {
                let text = format!(
                    "Failed to connect to {} port {} after {spent} ms: Couldn't connect to server",
                    url.host,
                    url.number()
                );
                return Err(Failure(7, text));
            }
            Met::Late => return Err(Failure(28, format!("Connection timeout after {spent} ms"))),
            Met::Wait(step) => {
                self.stage = Stage::Dial(url, dialling);
                return Ok(Some(Go::Wait(step)));
            }
        };
        self.seen.ip = Some(dialling.to.ip());
        self.seen.port = dialling.to.port();
        let request = request(options, &url);
        if options.verbose {
            let ip = dialling.to.ip();
            let port = dialling.to.port();
            let mut text = format!("* Connected to {} ({ip}) port {port} (#0)\n", url.host);
            for line in String::from_utf8_lossy(&request).split("\r\n") {
                push(&mut text, format_args!("> {line}\n"));
                if line.is_empty() {
                    break;
                }
            }
            sys.err(&text);
        }
        // A server that is gone by now is noticed when nothing comes back.
        let _sent = sys.write(fd, &request);
        self.stage = Stage::Talk(url, fd, Exchange::new(options.head));
        Ok(Some(Go::On))
    }

    /// The wait for a connection, or the failure when the whole may last no longer.
    fn patience(
        &self,
        options: &Options,
        sys: &Sys<'_, '_>,
        fd: Fd,
        at: Option<SimTime>,
    ) -> Result<Option<Go>, Failure> {
        let limit = self.limit(options);
        if limit.is_some_and(|l| sys.now() >= l) {
            let spent = sys.now().since(self.began).as_millis();
            let got = self.seen.size;
            return Err(Failure(
                28,
                format!("Operation timed out after {spent} milliseconds with {got} bytes received"),
            ));
        }
        let until = match (at, limit) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Ok(Some(Go::Wait(Step::Block(Wait::Readable(fd, until)))))
    }

    fn talk(
        &mut self,
        options: &Options,
        sys: &mut Sys<'_, '_>,
        url: Url,
        fd: Fd,
        mut exchange: Exchange,
    ) -> Result<Option<Go>, Failure> {
        match exchange.poll(sys, fd) {
            Got::Later(at) => {
                let go = self.patience(options, sys, fd, at)?;
                self.stage = Stage::Talk(url, fd, exchange);
                Ok(go)
            }
            Got::Head(head) => self.head(options, sys, &url, fd, exchange, &head),
            Got::Body(_) | Got::End | Got::Broken => {
                sys.close(fd);
                Err(Failure(52, "Empty reply from server".to_owned()))
            }
        }
    }

    fn head(
        &mut self,
        options: &Options,
        sys: &mut Sys<'_, '_>,
        url: &Url,
        fd: Fd,
        exchange: Exchange,
        head: &Head,
    ) -> Result<Option<Go>, Failure> {
        self.seen.status = head.status;
        self.seen.content_type = head.get("content-type").unwrap_or_default().to_owned();
        if options.verbose {
            let text = String::from_utf8_lossy(&head.raw).into_owned();
            let lines: String = text.lines().map(|l| format!("< {l}\n")).collect();
            sys.err(&lines);
        }
        self.seen.redirect = match head.location().map(|to| url.join(to)) {
            Some(Ok(next)) => {
                format!(
                    "{}://{}{}",
                    if next.tls { "https" } else { "http" },
                    next.authority(),
                    next.path
                )
            }
            Some(Err(_)) | None => String::new(),
        };
        let follow = head.location().filter(|_| options.follow);
        if let Some(location) = follow {
            self.seen.hops += 1;
            if self.seen.hops > options.max_redirs.unwrap_or(MAX_HOPS) {
                sys.close(fd);
                let max = options.max_redirs.unwrap_or(MAX_HOPS);
                return Err(Failure(47, format!("Maximum ({max}) redirects followed")));
            }
            if options.include || options.head {
                self.put(sys, None, &head.raw)?;
            }
            sys.close(fd);
            let next = url.join(location).map_err(|_| {
                Failure(3, "URL using bad/illegal format or missing URL".to_owned())
            })?;
            return self.go(options, sys, next);
        }
        if let Some(file) = &options.dump_header {
            let out = self.open(sys, Some(file))?;
            self.put(sys, out, &head.raw)?;
        }
        if head.status >= 400
            && (options.fail || options.retries > self.retries && is_passing(head.status))
        {
            sys.close(fd);
            if !options.fail {
                // A failure that another try may mend; its body is shown if it is the last.
                return Err(Failure(0, String::new()));
            }
            return Err(refused_by_status(&self.seen));
        }
        let out = self.open(sys, self.output.as_ref())?;
        if options.include || options.head {
            self.put(sys, out, &head.raw)?;
        }
        self.stage = Stage::Body(fd, exchange, out);
        Ok(Some(Go::On))
    }

    /// Opens a file to write to; `None` is standard output.
    fn open(&self, sys: &mut Sys<'_, '_>, file: Option<&Str>) -> Result<Option<Fd>, Failure> {
        let Some(file) = file.filter(|f| *f != "-") else { return Ok(None) };
        match sys.open(file, OpenMode::WRITE, 3) {
            Ok(fd) => Ok(Some(fd)),
            Err(_) => Err(Failure(23, "Failure writing output to destination".to_owned())),
        }
    }

    fn put(&self, sys: &mut Sys<'_, '_>, out: Option<Fd>, bytes: &[u8]) -> Result<(), Failure> {
        sys.write(out.unwrap_or(1), bytes)
            .map_err(|_| Failure(23, "Failure writing output to destination".to_owned()))
    }

    fn body(
        &mut self,
        options: &Options,
        sys: &mut Sys<'_, '_>,
        fd: Fd,
        mut exchange: Exchange,
        out: Option<Fd>,
    ) -> Result<Option<Go>, Failure> {
        match exchange.poll(sys, fd) {
            Got::Later(at) => {
                let go = self.patience(options, sys, fd, at)?;
                self.stage = Stage::Body(fd, exchange, out);
                Ok(go)
            }
            Got::Body(bytes) => {
                self.seen.size += bytes.len();
                self.put(sys, out, &bytes)?;
                self.stage = Stage::Body(fd, exchange, out);
                Ok(Some(Go::On))
            }
            Got::Head(_) | Got::End | Got::Broken => {
                sys.close(fd);
                if let Some(out) = out {
                    sys.close(out);
                }
                Ok(None)
            }
        }
    }

    /// Whether it is tried again, and after which time.
    fn retry(&mut self, options: &Options, sys: &mut Sys<'_, '_>, failure: &Failure) -> bool {
        let passing = failure.0 == 28
            || matches!(failure.0, 0 | 22) && is_passing(self.seen.status)
            || failure.0 == 7 && options.retry_refused
            || options.retry_all;
        if !passing || self.retries >= options.retries {
            return false;
        }
        let doubled = Duration::from_secs(1u64 << self.retries.min(9));
        let delay = options.retry_delay.unwrap_or_else(|| doubled.min(Duration::from_secs(600)));
        let left = options.retries - self.retries;
        if !options.silent {
            let why = match failure.0 {
                28 => "timeout",
                7 => "connection refused",
                _ => "HTTP error",
            };
            let seconds = delay.as_secs();
            let tries = if left == 1 { "retry" } else { "retries" };
            sys.err(&format!(
                "Warning: Problem : {why}. Will retry in {seconds} seconds. {left} {tries} left.\n"
            ));
        }
        self.retries += 1;
        self.seen = Seen::default();
        self.began = sys.now().saturating_add(delay);
        self.stage = Stage::Rest(self.began);
        true
    }

    fn write_out(&self, format: &str, sys: &Sys<'_, '_>, failure: Option<&Failure>) -> String {
        let mut out = String::new();
        let mut rest = format;
        while let Some(at) = rest.find(['%', '\\']) {
            out.push_str(&rest[..at]);
            let escape = &rest[at..];
            let (text, used) = if let Some(name) = escape.strip_prefix("%{") {
                match name.split_once('}') {
                    Some((name, _)) => (self.variable(name, sys, failure), name.len() + 3),
                    None => ("%{".to_owned(), 2),
                }
            } else {
                match escape.get(..2) {
                    Some("%%") => ("%".to_owned(), 2),
                    Some("\\n") => ("\n".to_owned(), 2),
                    Some("\\r") => ("\r".to_owned(), 2),
                    Some("\\t") => ("\t".to_owned(), 2),
                    _ => (escape[..1].to_owned(), 1),
                }
            };
            out.push_str(&text);
            rest = &escape[used..];
        }
        out.push_str(rest);
        out
    }

    fn variable(&self, name: &str, sys: &Sys<'_, '_>, failure: Option<&Failure>) -> String {
        let seen = &self.seen;
        let elapsed = || {
            let spent = sys.now().since(self.began.min(sys.now()));
            format!("{}.{:06}", spent.as_secs(), spent.subsec_micros())
        };
        match name {
            "http_code" | "response_code" => format!("{:03}", seen.status),
            "exitcode" => failure.map_or(0, |f| f.0).to_string(),
            "errormsg" => failure.map_or_else(String::new, |f| f.1.clone()),
            "size_download" => seen.size.to_string(),
            "num_redirects" => seen.hops.to_string(),
            "redirect_url" => seen.redirect.clone(),
            "url_effective" => seen.url.clone(),
            "url" => self.text.to_string(),
            "content_type" => seen.content_type.clone(),
            "remote_ip" => seen.ip.map_or_else(String::new, |ip| ip.to_string()),
            "remote_port" => seen.port.to_string(),
            "scheme" => if seen.url.starts_with("https") { "HTTPS" } else { "HTTP" }.to_owned(),
            "http_version" => if seen.status == 0 { "0" } else { "1.1" }.to_owned(),
            "num_connects" => u8::from(seen.ip.is_some()).to_string(),
            "time_total" | "time_starttransfer" | "time_pretransfer" => elapsed(),
            "time_connect" | "time_namelookup" | "time_appconnect" | "time_redirect" => {
                "0.000000".to_owned()
            }
            _ => String::new(),
        }
    }
}

/// Statuses after which `--retry` tries again.
const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

fn request(options: &Options, url: &Url) -> Vec<u8> {
    let own = |name: &str| {
        options.headers.iter().any(|h| {
            h.split_once([':', ';']).is_some_and(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        })
    };
    let method = match &options.method {
        Some(method) => method.as_str(),
        None if options.head => "HEAD",
        None if options.body.is_some() && !options.get => {
            if options.upload {
                "PUT"
            } else {
                "POST"
            }
        }
        None => "GET",
    };
    let mut path = url.path.clone();
    if options.get
        && let Some(data) = &options.body
    {
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(&String::from_utf8_lossy(data));
    }
    let mut out = format!("{method} {path} HTTP/1.1\r\n");
    if !own("host") {
        push(&mut out, format_args!("Host: {}\r\n", url.authority()));
    }
    if let Some(user) = options.user.as_deref().or(url.user.as_deref()) {
        push(&mut out, format_args!("Authorization: Basic {}\r\n", base64(user.as_bytes())));
    }
    if !own("user-agent") {
        let agent = options.agent.as_deref().unwrap_or(AGENT);
        push(&mut out, format_args!("User-Agent: {agent}\r\n"));
    }
    if !own("accept") {
        out.push_str("Accept: */*\r\n");
    }
    for header in &options.headers {
        // `Name:` without a value takes a header away, `Name;` sends an empty one.
        match header.split_once(':') {
            Some((_, "")) => {}
            Some(_) => push(&mut out, format_args!("{header}\r\n")),
            None => push(&mut out, format_args!("{}:\r\n", header.trim_end_matches(';'))),
        }
    }
    let body = options.body.as_deref().filter(|_| !options.get);
    if let Some(body) = body {
        push(&mut out, format_args!("Content-Length: {}\r\n", body.len()));
        if !own("content-type") && !options.upload {
            out.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
        }
    }
    out.push_str("\r\n");
    let mut out = encode(&out);
    out.extend_from_slice(body.unwrap_or_default());
    out
}

//! HTTP servers by rules, and what they answer.

use std::time::Duration;

use crate::base::Str;

/// One rule of an HTTP server. The last rule that matches a request answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRule {
    /// The exact path with its query; `None` for every path.
    pub path: Option<Str>,
    /// The method; `None` for every method.
    pub method: Option<Str>,
    /// A part of the request's head; `None` for every head.
    pub header: Option<Str>,
    /// What it answers.
    pub reply: HttpReply,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// Headers beside Content-Type, Content-Length and Connection.
    pub headers: Vec<(Str, Str)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the body is that of the request.
    pub echo_body: bool,
    /// How long the server takes.
    pub delay: Duration,
}

impl Default for HttpReply {
    fn default() -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
            echo_body: false,
            delay: Duration::ZERO,
        }
    }
}

/// The standard reason of a status code.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Request Entity Too Large",
        418 => "I'm a Teapot",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

/// A request as it came over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// The first whole request in `bytes`, with the bytes it takes.
pub(crate) fn parse_request(bytes: &[u8]) -> Option<(Received, usize)> {
    let split =
        |sep: &[u8]| bytes.windows(sep.len()).position(|w| w == sep).map(|i| (i, i + sep.len()));
    let (head_end, body_start) = match (split(b"\r\n\r\n"), split(b"\n\n")) {
        (Some(a), Some(b)) => {
            if a.0 < b.0 {
                a
            } else {
                b
            }
        }
        (a, b) => a.or(b)?,
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let length: usize = head
        .lines()
        .filter_map(|l| l.split_once(':'))
        .find(|(k, _)| k.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, v)| v.trim().parse().ok())
        .unwrap_or(0);
    let end = body_start.checked_add(length)?;
    let body = bytes.get(body_start..end)?.to_vec();
    let mut words = head.lines().next().unwrap_or("").split_whitespace();
    let method = words.next().unwrap_or("").to_owned();
    let path = words.next().unwrap_or("/").to_owned();
    Some((Received { method, path, head, body }, end))
}

/// What a server with these rules answers. Without rules it is always well; with rules of which none
/// matches it is 404.
pub(crate) fn answer(rules: &[HttpRule], request: &Received) -> HttpReply {
    if rules.is_empty() {
        return HttpReply { body: b"ok\n".to_vec(), ..HttpReply::default() };
    }
    let matches = |rule: &&HttpRule| {
        rule.path
            .as_ref()
            .is_none_or(|p| *p == request.path || request.path.split('?').next() == Some(p))
            && rule.method.as_ref().is_none_or(|m| *m == request.method)
            && rule.header.as_ref().is_none_or(|h| request.head.contains(h.as_str()))
    };
    match rules.iter().rev().find(matches) {
        Some(rule) if rule.reply.echo_body => {
            HttpReply { body: request.body.clone(), ..rule.reply.clone() }
        }
        Some(rule) => rule.reply.clone(),
        None => HttpReply { status: 404, body: b"not found\n".to_vec(), ..HttpReply::default() },
    }
}

/// The status of an answer in HTTP, if these bytes are the beginning of one.
pub(crate) fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|b| *b == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok()
}

/// The bytes of an answer; without the body for HEAD.
pub(crate) fn render(reply: &HttpReply, head_only: bool) -> Vec<u8> {
    let mut out = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n",
        reply.status,
        reason(reply.status),
        reply.body.len()
    );
    for (name, value) in &reply.headers {
        crate::container::text::push(&mut out, format_args!("{name}: {value}\r\n"));
    }
    out.push_str("\r\n");
    let mut out = out.into_bytes();
    if !head_only {
        out.extend_from_slice(&reply.body);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_matches_wins() {
        let rules = [
            HttpRule {
                reply: HttpReply { status: 503, ..HttpReply::default() },
                ..HttpRule::default()
            },
            HttpRule { path: Some("/ok".into()), ..HttpRule::default() },
        ];
        let get = |path: &str| {
            let text = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
            answer(&rules, &parse_request(text.as_bytes()).unwrap().0).status
        };
        assert_eq!(get("/ok"), 200);
        assert_eq!(get("/other"), 503);
        assert!(parse_request(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab").is_none());
    }
}

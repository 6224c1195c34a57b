//! The client's side of one HTTP exchange: reads the head, then the body as it comes.

use crate::base::time::SimTime;
use crate::container::fs::Errno;
use crate::container::os::{Read, Sys};
use crate::container::process::Fd;

/// The head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// `HTTP/1.1 200 OK`.
    pub(super) line: String,
    pub(super) status: u16,
    /// In order, names as written.
    pub(super) headers: Vec<(String, String)>,
    /// As received, with the empty line.
    pub(super) raw: Vec<u8>,
}

impl Head {
    /// A header, whatever the case of its name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Where a redirection leads.
    pub(super) fn location(&self) -> Option<&str> {
        matches!(self.status, 301 | 302 | 303 | 307 | 308).then(|| self.get("location")).flatten()
    }

    /// Reads the head at the beginning of `bytes`; also says how long it is.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let find =
            |end: &[u8]| bytes.windows(end.len()).position(|w| w == end).map(|at| at + end.len());
        let end = match (find(b"\r\n\r\n"), find(b"\n\n")) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = text.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        let status = line.split_whitespace().nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let headers = lines
            .filter_map(|l| l.split_once(':'))
            .map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()))
            .collect();
        Some((Self { line, status, headers, raw: bytes[..end].to_vec() }, end))
    }
}

/// What is left of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// So many bytes.
    Bytes(usize),
    /// All until the server closes.
    All,
    /// Chunks, each with its length.
    Chunks,
}

/// What has come.
#[derive(Debug)]
pub(super) enum Got {
    /// The head.
    Head(Head),
    /// A part of the body.
    Body(Vec<u8>),
    /// The end of the answer.
    End,
    /// Nothing yet; something will come then, where that is known.
    Later(Option<SimTime>),
    /// The server closed before it had answered, or spoke something else.
    Broken,
}

/// An exchange whose request is sent.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    raw: Vec<u8>,
    left: Option<Left>,
    /// The answer has no body (`HEAD`).
    bare: bool,
}

impl Exchange {
    /// Before anything has come. `bare` answers have no body.
    pub(super) const fn new(bare: bool) -> Self {
        Self { raw: Vec::new(), left: None, bare }
    }

    /// The next thing that comes.
    pub(super) fn poll(&mut self, sys: &mut Sys<'_, '_>, fd: Fd) -> Got {
        loop {
            if let Some(got) = self.take() {
                return got;
            }
            match sys.read(fd, 1 << 16) {
                Ok(Read::Data(bytes)) => self.raw.extend_from_slice(&bytes),
                Ok(Read::Later(at)) => return Got::Later(at),
                Ok(Read::End) | Err(Errno::BadFd) => {
                    return if self.left.is_none() { Got::Broken } else { Got::End };
                }
                Err(_) => return Got::Broken,
            }
            if self.raw.len() > sys.os.limits.memory_bytes {
                return Got::Broken;
            }
        }
    }

    /// What can be taken from the bytes at hand.
    fn take(&mut self) -> Option<Got> {
        match self.left {
            None => {
                let (head, end) = Head::parse(&self.raw)?;
                self.raw.drain(..end);
                if head.status == 100 {
                    return None;
                }
                self.left = Some(self.body_of(&head));
                Some(Got::Head(head))
            }
            Some(Left::Bytes(0)) => Some(Got::End),
            Some(_) if self.raw.is_empty() => None,
            Some(Left::Bytes(n)) => {
                let part = n.min(self.raw.len());
                self.left = Some(Left::Bytes(n - part));
                Some(Got::Body(self.raw.drain(..part).collect()))
            }
            Some(Left::All) => Some(Got::Body(std::mem::take(&mut self.raw))),
            Some(Left::Chunks) => self.chunk(),
        }
    }

    fn body_of(&self, head: &Head) -> Left {
        if self.bare || matches!(head.status, 204 | 304) {
            return Left::Bytes(0);
        }
        if head.get("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            return Left::Chunks;
        }
        match head.get("content-length").and_then(|v| v.parse().ok()) {
            Some(n) => Left::Bytes(n),
            None => Left::All,
        }
    }

    fn chunk(&mut self) -> Option<Got> {
        let line = self.raw.iter().position(|&b| b == b'\n')?;
        let size = String::from_utf8_lossy(&self.raw[..line]);
        let size = size.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else { return Some(Got::Broken) };
        if size == 0 {
            self.left = Some(Left::Bytes(0));
            return Some(Got::End);
        }
        let end = (line + 1).checked_add(size)?;
        let part = self.raw.get(line + 1..end)?.to_vec();
        // The line end after the chunk may come later; it is then an empty line before the next length.
        let after = self.raw[end..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        if after == 0 {
            return None;
        }
        self.raw.drain(..end + after.min(2));
        Some(Got::Body(part))
    }
}

/// Base64 of the credentials in an `Authorization` header.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let n = three.iter().fold(0u32, |n, &b| n << 8 | u32::from(b)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[usize::try_from(n >> (18 - 6 * place) & 63).unwrap_or(0)];
            out.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_base64() {
        assert_eq!(base64(b"u:p"), "dTpw");
        assert_eq!(base64(b"user:p"), "dXNlcjpw");
        assert_eq!(base64(b"a"), "YQ==");
    }

    #[test]
    fn a_body_ends_with_its_length_its_last_chunk_or_the_connection() {
        let all = |text: &str| {
            let mut exchange = Exchange::new(false);
            exchange.raw = text.as_bytes().to_vec();
            let mut body = Vec::new();
            loop {
                match exchange.take() {
                    Some(Got::Body(part)) => body.extend(part),
                    Some(Got::Head(_)) => {}
                    Some(_) => return (String::from_utf8(body).unwrap(), true),
                    None => return (String::from_utf8(body).unwrap(), false),
                }
            }
        };
        let done = |text: &str| (text.to_owned(), true);
        assert_eq!(all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc"), done("ab"));
        assert_eq!(
            all("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
            done("abc")
        );
        assert_eq!(all("HTTP/1.0 200 OK\r\n\r\nrest"), ("rest".to_owned(), false));
    }
}

//! The command line of `curl`.

use std::time::Duration;

use crate::base::Str;
use crate::container::coreutils::{Begun, Call, durations};
use crate::container::os::{Read, Sys};

/// What it says of its task.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) urls: Vec<Str>,
    pub(super) outputs: Vec<Str>,
    pub(super) remote_name: bool,
    pub(super) silent: bool,
    pub(super) show_error: bool,
    pub(super) fail: bool,
    pub(super) fail_with_body: bool,
    pub(super) follow: bool,
    pub(super) max_redirs: Option<u32>,
    pub(super) include: bool,
    pub(super) head: bool,
    pub(super) get: bool,
    pub(super) upload: bool,
    pub(super) verbose: bool,
    pub(super) method: Option<Str>,
    pub(super) headers: Vec<Str>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) user: Option<Str>,
    pub(super) agent: Option<Str>,
    pub(super) write_out: Option<Str>,
    pub(super) dump_header: Option<Str>,
    pub(super) resolve: Vec<Str>,
    pub(super) max_time: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) retries: u32,
    pub(super) retry_delay: Option<Duration>,
    pub(super) retry_refused: bool,
    pub(super) retry_all: bool,
}

/// Options by their long name, their letter, and whether they take a value.
const KNOWN: &[(&str, char, bool)] = &[
    ("silent", 's', false),
    ("show-error", 'S', false),
    ("fail", 'f', false),
    ("fail-with-body", '\0', false),
    ("location", 'L', false),
    ("max-redirs", '\0', true),
    ("include", 'i', false),
    ("head", 'I', false),
    ("get", 'G', false),
    ("verbose", 'v', false),
    ("insecure", 'k', false),
    ("output", 'o', true),
    ("remote-name", 'O', false),
    ("remote-header-name", 'J', false),
    ("request", 'X', true),
    ("header", 'H', true),
    ("data", 'd', true),
    ("data-raw", '\0', true),
    ("data-ascii", '\0', true),
    ("data-binary", '\0', true),
    ("data-urlencode", '\0', true),
    ("json", '\0', true),
    ("upload-file", 'T', true),
    ("user", 'u', true),
    ("user-agent", 'A', true),
    ("referer", 'e', true),
    ("cookie", 'b', true),
    ("cookie-jar", 'c', true),
    ("cacert", '\0', true),
    ("capath", '\0', true),
    ("cert", 'E', true),
    ("key", '\0', true),
    ("proxy", 'x', true),
    ("noproxy", '\0', true),
    ("resolve", '\0', true),
    ("write-out", 'w', true),
    ("dump-header", 'D', true),
    ("max-time", 'm', true),
    ("connect-timeout", '\0', true),
    ("retry", '\0', true),
    ("retry-delay", '\0', true),
    ("retry-max-time", '\0', true),
    ("retry-connrefused", '\0', false),
    ("retry-all-errors", '\0', false),
    ("url", '\0', true),
    ("compressed", '\0', false),
    ("no-progress-meter", '\0', false),
    ("progress-bar", '#', false),
    ("no-buffer", 'N', false),
    ("globoff", 'g', false),
    ("ipv4", '4', false),
    ("ipv6", '6', false),
    ("http1.1", '\0', false),
    ("http1.0", '0', false),
    ("http2", '\0', false),
    ("keepalive-time", '\0', true),
    ("tlsv1.2", '\0', false),
    ("create-dirs", '\0', false),
    ("disable", 'q', false),
];

/// Reads the command line.
pub(super) fn read(call: &mut Call<'_, '_, '_>) -> Result<Options, Box<Begun>> {
    let mut options = Options::default();
    let args = call.args;
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        at += 1;
        let name = arg.as_str();
        if name == "-" || !name.starts_with('-') {
            options.urls.push(arg.clone());
        } else if name == "--" {
            options.urls.extend(args[at..].iter().cloned());
            break;
        } else if let Some(long) = name.strip_prefix("--") {
            let plain = long.strip_prefix("no-").filter(|l| *l != "progress-meter").unwrap_or(long);
            let Some(&(known, _, valued)) = KNOWN.iter().find(|(n, ..)| *n == plain) else {
                return Err(Box::new(unknown(call, name)));
            };
            let mut value = Str::default();
            if valued {
                let Some(next) = args.get(at) else { return Err(Box::new(lacking(call, name))) };
                value = next.clone();
                at += 1;
            }
            set(call, &mut options, known, &value)?;
        } else {
            let letters = &name[1..];
            for (place, letter) in letters.char_indices() {
                let Some(&(known, _, valued)) = KNOWN.iter().find(|(_, l, _)| *l == letter) else {
                    return Err(Box::new(unknown(call, name)));
                };
                if !valued {
                    set(call, &mut options, known, "")?;
                    continue;
                }
                let rest = &letters[place + letter.len_utf8()..];
                let value = if rest.is_empty() {
                    let Some(next) = args.get(at) else {
                        return Err(Box::new(lacking(call, name)));
                    };
                    at += 1;
                    next.clone()
                } else {
                    rest.into()
                };
                set(call, &mut options, known, &value)?;
                break;
            }
        }
    }
    Ok(options)
}

fn unknown(call: &mut Call<'_, '_, '_>, name: &str) -> Begun {
    call.sys.err(&format!(
        "curl: option {name}: is unknown\ncurl: try 'curl --help' or 'curl --manual' for more information\n"
    ));
    Begun::Exit(2)
}

fn lacking(call: &mut Call<'_, '_, '_>, name: &str) -> Begun {
    call.sys.err(&format!(
        "curl: option {name}: requires parameter\ncurl: try 'curl --help' or 'curl --manual' for more information\n"
    ));
    Begun::Exit(2)
}

fn seconds(call: &mut Call<'_, '_, '_>, name: &str, value: &str) -> Result<Duration, Box<Begun>> {
    let plain = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    durations::one(value).filter(|_| plain).ok_or_else(|| {
        call.sys.err(&format!(
            "curl: option --{name}: expected a proper numerical parameter\ncurl: try 'curl --help' or 'curl --manual' for more information\n"
        ));
        Box::new(Begun::Exit(2))
    })
}

fn set(
    call: &mut Call<'_, '_, '_>,
    options: &mut Options,
    name: &str,
    value: &str,
) -> Result<(), Box<Begun>> {
    let text = || Str::from(value);
    match name {
        "silent" | "no-progress-meter" => options.silent |= name == "silent",
        "show-error" => options.show_error = true,
        "fail" => options.fail = true,
        "fail-with-body" => options.fail_with_body = true,
        "location" => options.follow = true,
        "include" => options.include = true,
        "head" => options.head = true,
        "get" => options.get = true,
        "verbose" => options.verbose = true,
        "output" => options.outputs.push(text()),
        "remote-name" => options.remote_name = true,
        "request" => options.method = Some(text()),
        "header" => options.headers.push(text()),
        "referer" => options.headers.push(format!("Referer: {value}").into()),
        "cookie" => options.headers.push(format!("Cookie: {value}").into()),
        "user" => options.user = Some(text()),
        "user-agent" => options.agent = Some(text()),
        "write-out" => options.write_out = Some(text()),
        "dump-header" => options.dump_header = Some(text()),
        "resolve" => options.resolve.push(text()),
        "url" => options.urls.push(text()),
        "retry-connrefused" => options.retry_refused = true,
        "retry-all-errors" => options.retry_all = true,
        "max-time" => options.max_time = Some(seconds(call, name, value)?),
        "connect-timeout" => options.connect_timeout = Some(seconds(call, name, value)?),
        "retry-delay" => options.retry_delay = Some(seconds(call, name, value)?),
        "retry" | "max-redirs" => {
            let number = u32::try_from(seconds(call, name, value)?.as_secs()).unwrap_or(u32::MAX);
            if name == "retry" {
                options.retries = number;
            } else {
                options.max_redirs = Some(number);
            }
        }
        "json" => {
            options.headers.push("Content-Type: application/json".into());
            options.headers.push("Accept: application/json".into());
            data(call, options, "data-binary", value)?;
        }
        "upload-file" => {
            let body = file(call.sys, value);
            options.upload = true;
            options.body = Some(body.ok_or_else(|| Box::new(no_file(call, value, 26)))?);
        }
        _ if name.starts_with("data") => data(call, options, name, value)?,
        _ => {}
    }
    Ok(())
}

fn data(
    call: &mut Call<'_, '_, '_>,
    options: &mut Options,
    name: &str,
    value: &str,
) -> Result<(), Box<Begun>> {
    let bytes = match value.strip_prefix('@').filter(|_| name != "data-raw") {
        Some(path) => {
            let mut bytes =
                file(call.sys, path).ok_or_else(|| Box::new(no_file(call, path, 26)))?;
            if name != "data-binary" {
                bytes.retain(|b| !matches!(b, b'\r' | b'\n'));
            }
            bytes
        }
        None if name == "data-urlencode" => urlencoded(value),
        None => crate::container::text::encode(value),
    };
    match &mut options.body {
        Some(body) => {
            body.push(b'&');
            body.extend(bytes);
        }
        None => options.body = Some(bytes),
    }
    Ok(())
}

fn urlencoded(value: &str) -> Vec<u8> {
    let (name, content) = match value.split_once('=') {
        Some(("", content)) => (None, content),
        Some((name, content)) => (Some(name), content),
        None => (None, value),
    };
    let mut out = name.map(|n| format!("{n}=")).unwrap_or_default();
    for b in crate::container::text::encode(content) {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(b));
            }
            b => crate::container::text::push(&mut out, format_args!("%{b:02X}")),
        }
    }
    out.into_bytes()
}

/// A file, or standard input for `-` as far as it is there.
fn file(sys: &mut Sys<'_, '_>, path: &str) -> Option<Vec<u8>> {
    if path != "-" {
        return sys.content(path).ok();
    }
    let mut out = Vec::new();
    while let Ok(Read::Data(bytes)) = sys.read(0, 1 << 16) {
        out.extend(bytes);
    }
    Some(out)
}

fn no_file(call: &mut Call<'_, '_, '_>, path: &str, status: u8) -> Begun {
    call.sys.err(&format!("curl: ({status}) Failed to open {path}\n"));
    Begun::Exit(status)
}

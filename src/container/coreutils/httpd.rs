//! `httpd` of busybox: serves the files of a directory.
//!
//! From other containers and the node it looks like a server with one rule for each file that was there when it
//! began; a process of its own container speaks with the running server. Left out: CGI, authentication,
//! configuration files, ranges.

use super::{Begun, Call, Waiting};
use crate::base::Str;
use crate::container::fs::Errno;
use crate::container::net::http::{self, parse_request};
use crate::container::net::{HttpReply, HttpRule, Listener};
use crate::container::os::{Program, Read, Sys};
use crate::container::process::{Fd, Step, Wait};

const USAGE: &str = "[-ifv[v]] [-c CONFFILE] [-p [IP:]PORT] [-u USER[:GRP]] [-r REALM] [-h HOME]";
/// Files that it shows to the outside, and their bytes together.
const MAX_FILES: usize = 512;
const MAX_BYTES: usize = 4 << 20;

/// `httpd` under way.
#[derive(Clone, Debug)]
pub(crate) struct Httpd {
    listening: Fd,
    home: Str,
    /// Connections that are open, with what they sent.
    clients: Vec<(Fd, Vec<u8>)>,
}

/// `httpd`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let (mut port, mut home, mut foreground) = (80u16, Str::new_static("."), false);
    let mut args = call.args.iter();
    while let Some(arg) = args.next() {
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            return call.usage(USAGE, 1);
        };
        for (at, letter) in letters.char_indices() {
            match letter {
                'f' => foreground = true,
                'i' | 'v' => {}
                'p' | 'h' | 'c' | 'u' | 'r' => {
                    let value = match &letters[at + 1..] {
                        "" => args.next().cloned().unwrap_or_default(),
                        rest => rest.into(),
                    };
                    if letter == 'h' {
                        home = value;
                    } else if letter == 'p' {
                        let number = value.rsplit(':').next().unwrap_or_default();
                        let Ok(number) = number.parse() else {
                            call.err(&format!("bad port '{number}'"));
                            return Begun::Exit(1);
                        };
                        port = number;
                    }
                    break;
                }
                other => return call.bad_option(other, USAGE, 1),
            }
        }
    }
    let home = call.sys.absolute(&home).into_owned();
    if let Err(e) = call.sys.chdir(&home) {
        call.err(&format!("can't change directory to '{home}': {e}"));
        return Begun::Exit(1);
    }
    begin(call, port, &home, foreground)
}

fn begin(call: &mut Call<'_, '_, '_>, port: u16, home: &str, foreground: bool) -> Begun {
    let shown = Listener::Http(rules(call.sys, home).into());
    let listening = match call.sys.listen(port, shown) {
        Ok(fd) => fd,
        Err(e) => {
            call.err(&format!("bind: {e}"));
            return Begun::Exit(1);
        }
    };
    let httpd = Httpd { listening, home: home.into(), clients: Vec::new() };
    let waiting = Waiting::Httpd(Box::new(httpd));
    if foreground {
        return Begun::Wait(waiting);
    }
    // In the background it is a child that nobody waits for; it keeps the port.
    match call.sys.fork(Program::Tool(Box::new(super::Tool::waiting("httpd", waiting))), None) {
        Ok(pid) => {
            call.sys.set_group(pid);
            Begun::Exit(0)
        }
        Err(e) => {
            call.err(&format!("fork: {e}"));
            Begun::Exit(1)
        }
    }
}

/// What the files make of the server: a page for each, 404 for the rest.
fn rules(sys: &mut Sys<'_, '_>, home: &str) -> Vec<HttpRule> {
    let mut rules = vec![HttpRule { reply: missing(), ..HttpRule::default() }];
    let (mut todo, mut bytes) = (vec![String::new()], 0);
    while let Some(folder) = todo.pop() {
        for name in sys.list(&format!("{home}{folder}")).unwrap_or_default() {
            let path = format!("{folder}/{name}");
            let file = format!("{}{path}", home.trim_end_matches('/'));
            match sys.stat(&file, true) {
                // A link into the tree above would never end; directories behind links are passed over.
                Ok(stat) if stat.kind == 'd' => {
                    if sys.stat(&file, false).is_ok_and(|s| s.kind == 'd') {
                        todo.push(path);
                    }
                }
                Ok(stat) if stat.kind == '-' && rules.len() < MAX_FILES && bytes < MAX_BYTES => {
                    let Ok(body) = sys.content(&file) else { continue };
                    bytes += body.len();
                    if name == "index.html" {
                        rules.push(page(&format!("{folder}/"), body.clone()));
                    }
                    rules.push(page(&path, body));
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    rules
}

fn page(path: &str, body: Vec<u8>) -> HttpRule {
    HttpRule {
        path: Some(path.into()),
        reply: HttpReply { body, ..HttpReply::default() },
        ..HttpRule::default()
    }
}

fn missing() -> HttpReply {
    let body = b"<HTML><HEAD><TITLE>404 Not Found</TITLE></HEAD>\n<BODY><H1>404 Not Found</H1>\nThe requested URL was not found\n</BODY></HTML>\n";
    HttpReply { status: 404, body: body.to_vec(), ..HttpReply::default() }
}

impl Httpd {
    /// Lets it run until it must wait.
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        while let Some(fd) = sys.accept(self.listening) {
            self.clients.push((fd, Vec::new()));
        }
        let mut open = Vec::new();
        for (fd, mut heard) in std::mem::take(&mut self.clients) {
            if sys.must_stop() || !sys.tick() {
                open.push((fd, heard));
                continue;
            }
            match sys.read(fd, 1 << 14) {
                Ok(Read::Data(bytes)) => heard.extend(bytes),
                Ok(Read::Later(_)) => {}
                Ok(Read::End) | Err(_) => {
                    sys.close(fd);
                    continue;
                }
            }
            let Some((request, _)) = parse_request(&heard) else {
                open.push((fd, heard));
                continue;
            };
            let reply = self.answer(sys, &request.path);
            // A client that is gone does not want it any more.
            let _sent = sys.write(fd, &http::render(&reply, request.method == "HEAD"));
            sys.close(fd);
        }
        self.clients = open;
        match self.clients.last() {
            Some((fd, _)) => Step::Block(Wait::Either(self.listening, *fd, None)),
            None => Step::Block(Wait::Readable(self.listening, None)),
        }
    }

    fn answer(&self, sys: &mut Sys<'_, '_>, path: &str) -> HttpReply {
        let path = path.split('?').next().unwrap_or_default();
        let path = crate::container::fs::normalise(&format!("/{path}"));
        let mut file = format!("{}{path}", self.home.trim_end_matches('/'));
        if sys.stat(&file, true).is_ok_and(|s| s.kind == 'd') {
            file.push_str("/index.html");
        }
        match sys.content(&file) {
            Ok(body) => HttpReply { body, ..HttpReply::default() },
            Err(Errno::Access) => HttpReply { status: 403, ..missing() },
            Err(_) => missing(),
        }
    }
}

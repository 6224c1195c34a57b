//! Simulated core utilities: one file per tool, and how they run.
//!
//! A tool is an entry of [`COREUTILS`] and a function `start(&mut Call) -> Begun`:
//!
//! * A tool that is done at once (`mkdir`, `date`) does its work with the calls of
//!   [`Sys`](crate::container::os::Sys), writes with `call.out(..)` and `call.err(..)` and returns
//!   [`Begun::Exit`].
//! * A tool that reads input (`cat`, `grep`, `sort`) returns [`Begun::Filter`]: its state, an entry of
//!   [`AnyFilter`] that implements [`Filter`], and the names of its inputs (`-` is standard input).
//!   The driver here opens them in turn, waits for slow ones, says what cannot be opened, and hands over
//!   chunks as they come. Standard output is buffered as stdio does; [`Filter`]s that write through
//!   (`cat`, `tee`) call `sys.write(1, ..)`.
//! * A tool that waits for anything else (`sleep`, `timeout`, `nc`) returns [`Begun::Wait`] with a
//!   [`Waiting`], whose `resume` is called until it ends.
//! * A tool that becomes another program (`env`, `nice`) returns [`Begun::Become`].
//!
//! A panic is a bug; bad arguments are answered with busybox' words and status. Usage texts are one
//! line `BusyBox v1.36.1 ...` and `Usage: ...` on standard error by [`Call::usage`].

pub(crate) mod awk;
pub(crate) mod base64;
pub(crate) mod calculators;
pub(crate) mod cat;
pub(crate) mod comparing;
pub(crate) mod copies;
pub(crate) mod copying;
pub(crate) mod curl;
pub(crate) mod cut;
pub(crate) mod date;
pub(crate) mod dialling;
pub(crate) mod dumps;
pub(crate) mod durations;
pub(crate) mod echo;
pub(crate) mod env;
pub(crate) mod exchange;
pub(crate) mod expr;
pub(crate) mod find;
pub(crate) mod getopt;
pub(crate) mod grep;
pub(crate) mod gzip;
pub(crate) mod head;
pub(crate) mod httpd;
pub(crate) mod identity;
pub(crate) mod join;
pub(crate) mod lines;
pub(crate) mod lookup;
pub(crate) mod ls;
pub(crate) mod machine;
pub(crate) mod making;
pub(crate) mod modes;
pub(crate) mod nc;
pub(crate) mod nslookup;
pub(crate) mod numbers;
pub(crate) mod options;
pub(crate) mod owners;
pub(crate) mod paths;
pub(crate) mod per_line;
pub(crate) mod printf;
pub(crate) mod processes;
pub(crate) mod ready;
pub(crate) mod running;
pub(crate) mod sed;
pub(crate) mod seq;
pub(crate) mod settings;
pub(crate) mod signals;
pub(crate) mod sizes;
pub(crate) mod sleep;
pub(crate) mod sort;
pub(crate) mod sums;
pub(crate) mod tail;
pub(crate) mod tar;
pub(crate) mod tee;
pub(crate) mod test;
pub(crate) mod tr;
pub(crate) mod trivial;
pub(crate) mod uniq;
pub(crate) mod wc;
pub(crate) mod wget;
pub(crate) mod wrappers;
pub(crate) mod xargs;

use std::collections::VecDeque;
use std::sync::Arc;

use super::environment::Environment;
use super::fs::Errno;
use super::os::{OpenMode, Program, Sys};
use super::process::{Fd, Step, Wait};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::text::encode;

/// A simulated program.
pub(crate) struct Coreutil {
    /// The name of its file.
    pub(crate) name: &'static str,
    /// Whether busybox has it; others are in some images only.
    pub(crate) applet: bool,
    pub(crate) start: fn(&mut Call<'_, '_, '_>) -> Begun,
}

const fn program(name: &'static str, start: fn(&mut Call<'_, '_, '_>) -> Begun) -> Coreutil {
    Coreutil { name, applet: false, start }
}

const fn applet(name: &'static str, start: fn(&mut Call<'_, '_, '_>) -> Begun) -> Coreutil {
    Coreutil { name, applet: true, start }
}

/// All simulated programs but the shells, by name.
pub(crate) static COREUTILS: &[Coreutil] = &[
    applet("[", test::start),
    applet("[[", test::start),
    applet("arch", identity::arch),
    applet("awk", awk::start),
    applet("base32", base64::start),
    applet("base64", base64::start),
    applet("basename", paths::basename),
    applet("bc", calculators::bc),
    program("busybox", trivial::busybox),
    applet("cat", cat::start),
    applet("chgrp", owners::chown),
    applet("chmod", owners::chmod),
    applet("chown", owners::chown),
    applet("cksum", sums::cksum),
    applet("clear", machine::clear),
    applet("cmp", comparing::cmp),
    applet("comm", per_line::comm),
    applet("cp", copying::cp),
    applet("crc32", sums::cksum),
    program("curl", curl::start),
    applet("cut", cut::start),
    applet("date", date::start),
    applet("dc", calculators::dc),
    applet("dd", copies::dd),
    applet("df", sizes::df),
    applet("diff", comparing::diff),
    program("dig", lookup::dig),
    applet("dirname", paths::dirname),
    applet("dos2unix", settings::line_ends),
    applet("du", sizes::du),
    program("dumb-init", wrappers::init),
    applet("echo", echo::start),
    applet("egrep", grep::start),
    applet("env", env::start),
    program("envsubst", copies::envsubst),
    applet("expand", per_line::expand),
    applet("expr", expr::start),
    applet("factor", calculators::factor),
    applet("false", trivial::fails),
    applet("fgrep", grep::start),
    applet("find", find::start),
    applet("flock", running::flock),
    applet("fold", per_line::fold),
    applet("free", machine::free),
    applet("fsync", machine::sync),
    program("getent", lookup::getent),
    applet("getopt", getopt::start),
    program("gosu", wrappers::as_user),
    applet("grep", grep::start),
    applet("groups", identity::groups),
    applet("gunzip", gzip::start),
    applet("gzip", gzip::start),
    applet("hd", dumps::hexdump),
    applet("head", head::start),
    applet("hexdump", dumps::hexdump),
    program("host", lookup::host),
    applet("hostid", identity::hostid),
    applet("hostname", identity::hostname),
    applet("httpd", httpd::start),
    applet("id", identity::id),
    applet("install", copies::install),
    program("join", join::start),
    applet("kill", signals::kill),
    applet("killall", signals::killall),
    applet("ln", making::ln),
    applet("logname", identity::logname),
    applet("ls", ls::start),
    applet("md5sum", sums::digest),
    applet("mkdir", making::mkdir),
    applet("mkfifo", making::mkfifo),
    applet("mktemp", making::mktemp),
    applet("mountpoint", settings::mountpoint),
    applet("mv", copying::mv),
    program("mysqladmin", ready::mysqladmin),
    applet("nc", nc::start),
    applet("nice", running::nice),
    applet("nl", per_line::nl),
    applet("nohup", running::nohup),
    applet("nproc", identity::nproc),
    applet("nslookup", nslookup::start),
    applet("od", dumps::od),
    applet("paste", per_line::paste),
    program("pg_isready", ready::pg_isready),
    applet("pgrep", signals::pgrep),
    applet("pidof", signals::pidof),
    applet("ping", lookup::ping),
    applet("pkill", signals::pkill),
    applet("printenv", env::printenv),
    applet("printf", printf::start),
    applet("ps", machine::ps),
    applet("pwd", paths::pwd),
    applet("readlink", paths::readlink),
    applet("realpath", paths::realpath),
    program("redis-cli", ready::redis_cli),
    applet("rev", per_line::rev),
    applet("rm", making::rm),
    applet("rmdir", making::rmdir),
    applet("sed", sed::start),
    applet("seq", seq::seq),
    applet("setsid", running::setsid),
    applet("sha1sum", sums::digest),
    applet("sha256sum", sums::digest),
    applet("sha512sum", sums::digest),
    applet("shuf", copies::shuf),
    applet("sleep", sleep::start),
    applet("sort", sort::start),
    applet("split", copies::split),
    applet("stat", sizes::stat),
    applet("strings", copies::strings),
    applet("su", wrappers::su),
    program("su-exec", wrappers::as_user),
    applet("sum", sums::sum),
    applet("sync", machine::sync),
    applet("sysctl", settings::sysctl),
    applet("tac", per_line::tac),
    applet("tail", tail::start),
    applet("tar", tar::start),
    applet("tee", tee::start),
    applet("telnet", nc::telnet),
    applet("test", test::start),
    applet("time", running::time),
    applet("timeout", running::timeout),
    program("tini", wrappers::init),
    applet("touch", making::touch),
    applet("tr", tr::start),
    applet("true", trivial::succeeds),
    applet("truncate", making::truncate),
    applet("tty", identity::tty),
    applet("uname", identity::uname),
    applet("unexpand", per_line::expand),
    applet("uniq", uniq::start),
    applet("unix2dos", settings::line_ends),
    applet("unlink", making::unlink),
    applet("uptime", machine::uptime),
    applet("usleep", running::usleep),
    applet("watch", running::watch),
    applet("wc", wc::start),
    applet("wget", wget::start),
    applet("which", paths::which),
    applet("whoami", identity::whoami),
    applet("xargs", xargs::start),
    applet("xxd", dumps::xxd),
    applet("yes", seq::yes),
    applet("zcat", gzip::start),
];

/// Applets that busybox 1.36.1 has too and nothing here plays. Images have their files; one that is
/// run is assumed to succeed, and that is told of.
pub(crate) const UNMODELLED: &[&str] = &[
    "acpid",
    "adjtimex",
    "ar",
    "arp",
    "arping",
    "ascii",
    "beep",
    "blkid",
    "brctl",
    "bunzip2",
    "bzcat",
    "bzip2",
    "cal",
    "chpasswd",
    "chpst",
    "chroot",
    "chrt",
    "cpio",
    "crond",
    "crontab",
    "cryptpw",
    "depmod",
    "dmesg",
    "dnsd",
    "dpkg",
    "ed",
    "fallocate",
    "fdisk",
    "findfs",
    "fsck",
    "fstrim",
    "ftpget",
    "ftpput",
    "fuser",
    "halt",
    "hdparm",
    "hwclock",
    "ifconfig",
    "ifdown",
    "ifup",
    "init",
    "insmod",
    "iostat",
    "ip",
    "ipcalc",
    "ipcs",
    "klogd",
    "last",
    "less",
    "link",
    "logger",
    "login",
    "losetup",
    "lsattr",
    "lsmod",
    "lsof",
    "lspci",
    "lsusb",
    "lzcat",
    "lzma",
    "lzop",
    "makemime",
    "mdev",
    "mesg",
    "microcom",
    "mkdosfs",
    "mke2fs",
    "mkfs.ext2",
    "mknod",
    "mkpasswd",
    "mkswap",
    "modprobe",
    "more",
    "mount",
    "mpstat",
    "nameif",
    "nanddump",
    "netstat",
    "nsenter",
    "ntpd",
    "openvt",
    "passwd",
    "patch",
    "pivot_root",
    "pmap",
    "poweroff",
    "pscan",
    "pstree",
    "rdate",
    "reboot",
    "renice",
    "reset",
    "resize",
    "rmmod",
    "route",
    "rpm",
    "run-parts",
    "runsv",
    "runsvdir",
    "script",
    "sendmail",
    "setpriv",
    "sha3sum",
    "shred",
    "ssl_client",
    "stty",
    "sulogin",
    "sv",
    "svlogd",
    "swapoff",
    "swapon",
    "switch_root",
    "syslogd",
    "taskset",
    "tftp",
    "top",
    "traceroute",
    "ts",
    "tsort",
    "ttysize",
    "udhcpc",
    "umount",
    "unlzma",
    "unshare",
    "unxz",
    "unzip",
    "users",
    "uudecode",
    "uuencode",
    "vconfig",
    "vi",
    "vlock",
    "volname",
    "w",
    "wall",
    "watchdog",
    "who",
    "whois",
    "xz",
    "xzcat",
    "zcip",
];

/// Whether a name is that of a busybox applet.
pub(crate) fn is_applet(name: &str) -> bool {
    find(name).is_some_and(|c| c.applet)
}

fn find(name: &str) -> Option<&'static Coreutil> {
    COREUTILS.iter().find(|c| c.name == name)
}

/// The start of a tool: its arguments, its environment, the system.
pub(crate) struct Call<'c, 's, 'w> {
    pub(crate) name: &'c str,
    /// The arguments after the name.
    pub(crate) args: &'c [Str],
    pub(crate) environment: &'c Environment,
    pub(crate) sys: &'c mut Sys<'s, 'w>,
}

impl Call<'_, '_, '_> {
    /// Writes to buffered standard output.
    pub(crate) fn out(&mut self, text: &str) {
        self.sys.out(&encode(text));
    }

    /// Writes a line to standard error, after the name of the tool.
    pub(crate) fn err(&mut self, text: &str) {
        self.sys.err(&format!("{}: {text}\n", self.name));
    }

    /// Prints a usage text and ends with this status.
    pub(crate) fn usage(&mut self, usage: &str, status: u8) -> Begun {
        self.sys.err(&format!(
            "BusyBox v1.36.1 () multi-call binary.\n\nUsage: {} {usage}\n",
            self.name
        ));
        Begun::Exit(status)
    }

    /// Says that an option is not known, prints the usage, and ends with this status.
    pub(crate) fn bad_option(&mut self, option: char, usage: &str, status: u8) -> Begun {
        self.err(&format!("unrecognized option: {option}"));
        self.usage(usage, status)
    }

    /// Whether the tools are GNU's.
    pub(crate) fn is_gnu(&self) -> bool {
        self.sys.os.image.family == crate::container::image::Family::Gnu
    }

    /// A variable of the environment.
    pub(crate) fn variable(&self, name: &str) -> Option<&Str> {
        self.environment.value(name)
    }
}

/// How a tool goes on after its start.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is done.
    Exit(u8),
    /// It reads these inputs; `-` is standard input. None means standard input.
    Filter(Box<AnyFilter>, Vec<Str>),
    /// It waits.
    Wait(Waiting),
    /// It becomes another program.
    Become(Box<Program>),
}

impl Begun {
    /// It reads these inputs by this filter.
    pub(crate) fn filter(filter: AnyFilter, inputs: Vec<Str>) -> Self {
        Self::Filter(Box::new(filter), inputs)
    }
}

/// Whether a filter wants more input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Yes.
    More,
    /// Not of this input.
    NextInput,
    /// No: it is done.
    Stop,
}

/// A tool that reads.
pub(crate) trait Filter {
    /// An input begins; `name` is as given.
    fn open(&mut self, _sys: &mut Sys<'_, '_>, _name: &str) -> Next {
        Next::More
    }

    /// Some bytes of the input.
    fn data(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) -> Next;

    /// The input has ended.
    fn close(&mut self, _sys: &mut Sys<'_, '_>) -> Next {
        Next::More
    }

    /// How many bytes of the last chunk it left when it wanted no more; a file that others read on
    /// gets them back.
    fn unread(&self) -> usize {
        0
    }

    /// All inputs have ended, or it stopped. Returns the status; `failed` says that some input could
    /// not be read.
    fn finish(&mut self, sys: &mut Sys<'_, '_>, failed: bool) -> u8;

    /// The message for an input that cannot be opened, after the name of the tool; empty for none.
    fn open_error(&self, name: &str, e: Errno) -> String {
        format!("{name}: {e}")
    }

    /// The message for an input that cannot be read.
    fn read_error(&self, name: &str, e: Errno) -> String {
        format!("{name}: {e}")
    }
}

/// Makes the closed list of filters and hands each call on to the one that it holds. A trait object
/// would do the same, but could be neither cloned nor printed.
macro_rules! filters {
    ($($variant:ident($type:ty)),+ $(,)?) => {
        /// The filters.
        #[derive(Clone, Debug)]
        pub(crate) enum AnyFilter {
            $($variant($type)),+
        }

        impl Filter for AnyFilter {
            fn open(&mut self, sys: &mut Sys<'_, '_>, name: &str) -> Next {
                match self { $(Self::$variant(f) => f.open(sys, name)),+ }
            }

            fn data(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) -> Next {
                match self { $(Self::$variant(f) => f.data(sys, bytes)),+ }
            }

            fn close(&mut self, sys: &mut Sys<'_, '_>) -> Next {
                match self { $(Self::$variant(f) => f.close(sys)),+ }
            }

            fn unread(&self) -> usize {
                match self { $(Self::$variant(f) => f.unread()),+ }
            }

            fn finish(&mut self, sys: &mut Sys<'_, '_>, failed: bool) -> u8 {
                match self { $(Self::$variant(f) => f.finish(sys, failed)),+ }
            }

            fn open_error(&self, name: &str, e: Errno) -> String {
                match self { $(Self::$variant(f) => f.open_error(name, e)),+ }
            }

            fn read_error(&self, name: &str, e: Errno) -> String {
                match self { $(Self::$variant(f) => f.read_error(name, e)),+ }
            }
        }
    };
}

filters! {
    Cat(cat::Cat),
    Cut(Box<lines::ByLine<cut::Cut>>),
    Fold(lines::ByLine<per_line::Fold>),
    Gather(Box<lines::Gather>),
    Grep(Box<lines::ByLine<grep::Grep>>),
    Head(head::Head),
    Nl(lines::ByLine<per_line::Nl>),
    Rev(lines::ByLine<per_line::Rev>),
    Sed(Box<sed::Sed>),
    Tabs(lines::ByLine<per_line::Tabs>),
    Tee(tee::Tee),
    Tr(tr::Tr),
    Uniq(lines::ByLine<uniq::Uniq>),
    Wc(wc::Wc),
}

/// What a tool waits for, and its state.
#[derive(Clone, Debug)]
pub(crate) enum Waiting {
    /// `sleep`, and whatever else only takes time; then this status.
    Until(SimTime, u8),
    Awk(Box<awk::Awk>),
    Find(Box<find::Find>),
    Xargs(Box<xargs::Xargs>),
    Seq(Box<seq::Seq>),
    Tail(Box<tail::Tail>),
    Yes(Box<seq::Yes>),
    /// `curl`
    Curl(Box<curl::Curl>),
    /// `httpd`
    Httpd(Box<httpd::Httpd>),
    /// `nc`
    Nc(Box<nc::Nc>),
    /// `telnet`
    Telnet(Box<nc::Telnet>),
    /// `wget`
    Wget(Box<wget::Wget>),
    /// `pg_isready` and others that ask for a server
    Asking(Box<ready::Asking>),
    /// `ping`
    Pinging(Box<lookup::Pinging>),
    /// `flock`
    Locking(Box<running::Locking>),
    /// `tini`, `dumb-init`
    Init(wrappers::Init),
    /// `time`
    Timing(Box<running::Timing>),
    /// `timeout`, as the program's parent
    Limit(Box<running::Limit>),
    /// `timeout`, as the program's guard
    Watch(Box<running::Watch>),
    /// `watch`
    Watching(Box<running::Watching>),
}

impl Waiting {
    fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        match self {
            Self::Until(at, status) => {
                if sys.now() >= *at {
                    Step::Exit(*status)
                } else {
                    Step::Block(Wait::Until(*at))
                }
            }
            Self::Awk(awk) => awk.resume(sys),
            Self::Find(find) => find.resume(sys),
            Self::Xargs(xargs) => xargs.resume(sys),
            Self::Seq(seq) => seq.resume(sys),
            Self::Tail(tail) => tail.resume(sys),
            Self::Yes(yes) => yes.resume(sys),
            Self::Curl(tool) => tool.resume(sys),
            Self::Httpd(tool) => tool.resume(sys),
            Self::Nc(tool) => tool.resume(sys),
            Self::Telnet(tool) => tool.resume(sys),
            Self::Wget(tool) => tool.resume(sys),
            Self::Asking(tool) => tool.resume(sys),
            Self::Pinging(tool) => tool.resume(sys),
            Self::Locking(tool) => tool.resume(sys),
            Self::Init(tool) => tool.resume(sys),
            Self::Timing(tool) => tool.resume(sys),
            Self::Limit(tool) => tool.resume(sys),
            Self::Watch(tool) => tool.resume(sys),
            Self::Watching(tool) => tool.resume(sys),
        }
    }
}

/// Input under way.
#[derive(Clone, Debug)]
struct FilterRun {
    filter: AnyFilter,
    todo: VecDeque<Str>,
    now: Option<(Fd, Str)>,
    failed: bool,
}

impl FilterRun {
    fn new(filter: AnyFilter, inputs: Vec<Str>) -> Self {
        let todo = if inputs.is_empty() { VecDeque::from([Str::from("-")]) } else { inputs.into() };
        Self { filter, todo, now: None, failed: false }
    }

    /// Reads until it must wait or is done.
    fn resume(&mut self, name: &str, sys: &mut Sys<'_, '_>) -> Step {
        loop {
            if sys.must_stop() || !sys.tick() {
                return Step::Yield;
            }
            let Some((fd, file)) = self.now.clone() else {
                let Some(file) = self.todo.pop_front() else {
                    return Step::Exit(self.filter.finish(sys, self.failed));
                };
                if let Some(step) = self.open(name, file, sys) {
                    return step;
                }
                continue;
            };
            let next = match sys.read(fd, 1 << 15) {
                Ok(super::os::Read::Data(bytes)) => self.filter.data(sys, &bytes),
                Ok(super::os::Read::End) => {
                    self.leave(sys, fd);
                    self.filter.close(sys)
                }
                Ok(super::os::Read::Later(at)) => return Step::Block(Wait::Readable(fd, at)),
                Err(e) => {
                    let text = self.filter.read_error(&file, e);
                    sys.err(&format!("{name}: {text}\n"));
                    self.failed = true;
                    self.leave(sys, fd);
                    self.filter.close(sys)
                }
            };
            if next != Next::More && fd == 0 && self.now.is_some() {
                sys.unread(fd, self.filter.unread());
            }
            match next {
                Next::More => {}
                Next::NextInput => self.leave(sys, fd),
                Next::Stop => {
                    self.leave(sys, fd);
                    return Step::Exit(self.filter.finish(sys, self.failed));
                }
            }
        }
    }

    fn open(&mut self, name: &str, file: Str, sys: &mut Sys<'_, '_>) -> Option<Step> {
        let fd = if file == "-" { Ok(0) } else { sys.open(&file, OpenMode::READ, 3) };
        match fd {
            Ok(fd) => {
                self.now = Some((fd, file.clone()));
                match self.filter.open(sys, &file) {
                    Next::More => None,
                    Next::NextInput => {
                        self.leave(sys, fd);
                        None
                    }
                    Next::Stop => Some(Step::Exit(self.filter.finish(sys, self.failed))),
                }
            }
            Err(e) => {
                let text = self.filter.open_error(&file, e);
                if !text.is_empty() {
                    sys.err(&format!("{name}: {text}\n"));
                }
                self.failed = true;
                None
            }
        }
    }

    fn leave(&mut self, sys: &mut Sys<'_, '_>, fd: Fd) {
        if self.now.take().is_some() && fd != 0 {
            sys.close(fd);
        }
    }
}

/// A tool as a process runs it.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    name: Str,
    pub(crate) argv: Arc<[Str]>,
    environment: Environment,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Fresh,
    Filter(Box<FilterRun>),
    Wait(Waiting),
    /// Done but for output that a pipe has to take.
    Ended(u8),
}

impl Tool {
    /// A tool with its arguments, name first.
    pub(crate) fn new(name: &str, argv: impl Into<Arc<[Str]>>, environment: &Environment) -> Self {
        Self {
            name: name.into(),
            argv: argv.into(),
            environment: environment.clone(),
            state: State::Fresh,
        }
    }

    /// A program that has ended but for its output.
    pub(crate) fn ended(status: u8) -> Self {
        Self {
            name: Str::default(),
            argv: Arc::default(),
            environment: Environment::default(),
            state: State::Ended(status),
        }
    }

    /// A process that begins in the middle of a tool's work.
    pub(crate) fn waiting(name: &str, waiting: Waiting) -> Self {
        Self {
            state: State::Wait(waiting),
            ..Self::new(name, [name.into()], &Environment::default())
        }
    }

    /// A program of an image that is not known: it is taken to run a second and to succeed.
    pub(crate) fn assumed(sys: &mut Sys<'_, '_>, name: &str) -> Self {
        let until = sys.now().saturating_add(super::planned::ASSUMED_COMMAND);
        sys.os.rare.assumptions.push(super::planned::Assumption::Command { name: name.into() });
        Self {
            state: State::Wait(Waiting::Until(until, 0)),
            ..Self::new(name, [name.into()], &Environment::default())
        }
    }

    /// Whether a name is that of a tool.
    pub(crate) fn is_known(name: &str) -> bool {
        find(name).is_some() || UNMODELLED.contains(&name)
    }

    /// What it is doing, for people.
    pub(crate) fn describe(&self) -> String {
        format!("`{}`", self.argv.join(" "))
    }

    /// Lets it run until it must wait or is done.
    pub(crate) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        loop {
            let step = match &mut self.state {
                State::Fresh => {
                    let Some(tool) = find(&self.name) else {
                        if UNMODELLED.contains(&self.name.as_str()) {
                            *self = Self::assumed(sys, &self.name.clone());
                            continue;
                        }
                        sys.err(&format!("{}: applet not found\n", self.name));
                        return Step::Exit(127);
                    };
                    let args = self.argv.get(1..).unwrap_or_default();
                    let mut call =
                        Call { name: &self.name, args, environment: &self.environment, sys };
                    match (tool.start)(&mut call) {
                        Begun::Exit(status) => Step::Exit(status),
                        Begun::Filter(filter, inputs) => {
                            self.state = State::Filter(Box::new(FilterRun::new(*filter, inputs)));
                            continue;
                        }
                        Begun::Wait(waiting) => {
                            // What waits has taken what it needs of them.
                            self.environment = Environment::default();
                            self.state = State::Wait(waiting);
                            continue;
                        }
                        Begun::Become(program) => Step::Become(program),
                    }
                }
                State::Filter(run) => run.resume(&self.name, sys),
                State::Wait(waiting) => waiting.resume(sys),
                State::Ended(status) => Step::Exit(*status),
            };
            if matches!(step, Step::Exit(_) | Step::Become(_)) {
                sys.flush();
            }
            return step;
        }
    }
}

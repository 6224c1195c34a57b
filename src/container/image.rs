//! What is in an image's file system: base images by name, shared by all their containers.
//!
//! The three images of the conformance corpus are exact (`busybox`, `bash`, `tools`); other known base
//! images get the tools that they really have, from the same simulated set. Images of services have a
//! small Debian-like system, so that probes and hooks can run in them.

use std::sync::{Arc, OnceLock};

use super::coreutils;
use super::fs::{Device, Ino, Kind, Stamp, Tree};
use super::shell::Dialect;
use crate::base::time::SimTime;

/// Where commands are looked for when a container has no PATH.
pub(crate) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The class of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// busybox, alpine: ash and applets.
    Busybox,
    /// debian, ubuntu, bash: GNU tools, played by the same simulated ones.
    Gnu,
    /// Nothing at all: pause, distroless, scratch.
    Empty,
    /// An image that the simulator does not know; it is taken for a Debian-like one.
    Unknown,
}

/// An image's file system and habits.
#[derive(Debug)]
pub(crate) struct Image {
    /// Its class.
    pub(crate) family: Family,
    /// What /bin/sh is.
    pub(crate) sh: Dialect,
    /// The files.
    pub(crate) tree: Arc<Tree>,
    /// Whether all its commands are known, so that any other is really not there.
    pub(crate) complete: bool,
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
sync:x:4:100:sync:/bin:/bin/sync
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
";
const GROUP: &str = "root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
lp:x:7:
mail:x:8:
kmem:x:9:
wheel:x:10:root
cdrom:x:11:
dialout:x:18:
floppy:x:19:
video:x:28:
audio:x:29:
tape:x:32:
www-data:x:33:
operator:x:37:
utmp:x:43:
plugdev:x:46:
staff:x:50:
lock:x:54:
netdev:x:82:
users:x:100:
nobody:x:65534:
";
const DIRS: [&str; 15] = [
    "bin",
    "dev",
    "etc",
    "home",
    "lib",
    "lib64",
    "proc",
    "root",
    "run",
    "sys",
    "usr/bin",
    "usr/sbin",
    "var/log",
    "var/spool/mail",
    "var/www",
];

const BY_SYSTEM: Stamp = Stamp { at: SimTime::ZERO, uid: 0, gid: 0 };

fn add(tree: &mut Tree, path: &str, kind: Kind, mode: u16) {
    let (dir, name) = path.rsplit_once('/').expect("paths of the image table are absolute");
    let dir: Ino =
        tree.make_dirs(dir, BY_SYSTEM).expect("directories of the image table are directories");
    tree.add(dir, name, kind, mode, BY_SYSTEM).expect("names of the image table are short");
}

fn build(family: Family, extra: &[&str]) -> Tree {
    let mut tree = Tree::new(0o755, SimTime::ZERO);
    if family == Family::Empty {
        return with_devices(tree);
    }
    for dir in DIRS {
        tree.make_dirs(dir, BY_SYSTEM).expect("directories of the image table are directories");
    }
    for (dir, mode) in [("tmp", 0o1777), ("root", 0o700)] {
        let ino =
            tree.make_dirs(dir, BY_SYSTEM).expect("directories of the image table are directories");
        tree.inode_mut(ino).mode = mode;
    }
    tree.put("/etc/passwd", 0o644, PASSWD.as_bytes(), SimTime::ZERO).expect("/etc is a directory");
    tree.put("/etc/group", 0o644, GROUP.as_bytes(), SimTime::ZERO).expect("/etc is a directory");
    for tool in coreutils::COREUTILS {
        if coreutils::is_applet(tool.name) {
            add(&mut tree, &format!("/bin/{}", tool.name), Kind::Program(tool.name.into()), 0o755);
        }
    }
    for name in coreutils::UNMODELLED.iter().filter(|n| !coreutils::is_applet(n)) {
        add(&mut tree, &format!("/bin/{name}"), Kind::Program((*name).into()), 0o755);
    }
    for shell in ["sh", "ash", "busybox"] {
        add(&mut tree, &format!("/bin/{shell}"), Kind::Program(shell.into()), 0o755);
    }
    for path in extra {
        let name = path.rsplit('/').next().unwrap_or(path);
        add(&mut tree, path, Kind::Program(name.into()), 0o755);
    }
    with_devices(tree)
}

fn with_devices(mut tree: Tree) -> Tree {
    let devices = [
        ("null", Device::Null),
        ("zero", Device::Zero),
        ("full", Device::Full),
        ("random", Device::Random),
        ("urandom", Device::Random),
        ("tty", Device::Tty),
    ];
    for (name, device) in devices {
        add(&mut tree, &format!("/dev/{name}"), Kind::Device(device), 0o666);
    }
    for (name, to) in [("stdin", "0"), ("stdout", "1"), ("stderr", "2")] {
        add(
            &mut tree,
            &format!("/dev/{name}"),
            Kind::Link(format!("/proc/self/fd/{to}").into()),
            0o777,
        );
    }
    add(&mut tree, "/dev/fd", Kind::Link("/proc/self/fd".into()), 0o777);
    tree.put("/dev/termination-log", 0o666, b"", SimTime::ZERO).expect("/dev is a directory");
    for path in super::os::ETC {
        tree.put(path, 0o644, b"", SimTime::ZERO).expect("/etc is a directory");
    }
    tree
}

/// The last component of an image's name, without registry, tag or digest.
pub(crate) fn short_name(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split(['@', ':']).next().unwrap_or(last)
}

/// The image by name.
pub(crate) fn image(name: &str) -> &'static Image {
    static BUSYBOX: OnceLock<Image> = OnceLock::new();
    static BASH: OnceLock<Image> = OnceLock::new();
    static TOOLS: OnceLock<Image> = OnceLock::new();
    static CURL: OnceLock<Image> = OnceLock::new();
    static GNU: OnceLock<Image> = OnceLock::new();
    static EMPTY: OnceLock<Image> = OnceLock::new();
    static SMALL: OnceLock<Image> = OnceLock::new();
    static UNKNOWN: OnceLock<Image> = OnceLock::new();
    let make = |family, extra: &'static [&'static str], sh, complete| {
        move || Image { family, sh, tree: Arc::new(build(family, extra)), complete }
    };
    const GNU_TOOLS: &[&str] = &["/bin/bash", "/usr/bin/getent", "/usr/bin/join"];
    const TOOL_BOX: &[&str] =
        &["/bin/bash", "/usr/bin/curl", "/usr/bin/pg_isready", "/usr/bin/redis-cli"];
    const ALPINE: &[&str] = &[
        "/sbin/su-exec",
        "/sbin/tini",
        "/usr/bin/dumb-init",
        "/usr/bin/getent",
        "/usr/bin/mysqladmin",
        "/usr/bin/pg_isready",
        "/usr/bin/redis-cli",
        "/usr/local/bin/gosu",
    ];
    const ANYTHING: &[&str] = &[
        "/bin/bash",
        "/usr/bin/curl",
        "/usr/bin/dig",
        "/usr/bin/dumb-init",
        "/usr/bin/envsubst",
        "/usr/bin/getent",
        "/usr/bin/host",
        "/usr/bin/join",
        "/usr/bin/mysqladmin",
        "/usr/bin/pg_isready",
        "/usr/bin/redis-cli",
        "/usr/bin/tini",
        "/usr/local/bin/gosu",
        "/usr/local/bin/su-exec",
    ];
    match short_name(name) {
        "busybox" | "alpine" => BUSYBOX.get_or_init(make(Family::Busybox, &[], Dialect::Ash, true)),
        "bash" => BASH.get_or_init(make(Family::Busybox, &["/bin/bash"], Dialect::Ash, true)),
        "tools" => TOOLS.get_or_init(make(Family::Busybox, TOOL_BOX, Dialect::Ash, true)),
        "curl" => CURL.get_or_init(make(Family::Busybox, &["/usr/bin/curl"], Dialect::Ash, true)),
        "debian" | "ubuntu" => GNU.get_or_init(make(Family::Gnu, GNU_TOOLS, Dialect::Ash, true)),
        "pause" | "scratch" | "static" | "distroless" => {
            EMPTY.get_or_init(make(Family::Empty, &[], Dialect::Ash, true))
        }
        _ if name.contains("alpine") => {
            SMALL.get_or_init(make(Family::Busybox, ALPINE, Dialect::Ash, false))
        }
        _ => UNKNOWN.get_or_init(make(Family::Unknown, ANYTHING, Dialect::Ash, false)),
    }
}

/// What a base image runs when the pod says nothing.
pub(crate) fn default_command(name: &str) -> Option<&'static [&'static str]> {
    match short_name(name) {
        "busybox" | "alpine" => Some(&["sh"]),
        "bash" | "debian" | "ubuntu" => Some(&["bash"]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_their_last_name() {
        assert_eq!(short_name("docker.io/library/busybox:1.36@sha256:1"), "busybox");
        assert_eq!(short_name("localhost:5000/nginx"), "nginx");
        let busybox = image("busybox:1.36");
        assert!(busybox.tree.find("/bin/sleep").is_some());
        assert!(busybox.tree.find("/bin/bash").is_none());
        assert!(image("bash").tree.find("/bin/bash").is_some());
    }
}

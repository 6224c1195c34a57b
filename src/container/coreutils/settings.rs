//! What init containers and checks ask of the machine: `sysctl`, `mountpoint`; and line ends: `dos2unix`, `unix2dos`.

use super::options::Syntax;
use super::{Begun, Call};
use crate::container::fs::Errno;
use crate::container::os::OpenMode;
use crate::container::text::push;

/// Kernel settings that scripts look at, with what a common node has.
const KNOWN: [(&str, &str); 10] = [
    ("fs.file-max", "9223372036854775807"),
    ("fs.inotify.max_user_watches", "524288"),
    ("kernel.hostname", "node"),
    ("kernel.osrelease", "6.1.0"),
    ("kernel.pid_max", "4194304"),
    ("net.core.somaxconn", "4096"),
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.ip_local_port_range", "32768\t60999"),
    ("vm.max_map_count", "65530"),
    ("vm.swappiness", "60"),
];

const SYSCTL: Syntax = Syntax {
    short: "neNqaAwp",
    long: &[],
    usage: "[-enq] { -a | -p [FILE]... | [-w] [KEY[=VALUE]]... }",
    status: 1,
};

/// `sysctl`. The container is taken to be privileged; what is set is told and has no effect.
pub(super) fn sysctl(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYSCTL) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let (quiet, bare, names) = (options.has('q'), options.has('n'), options.has('N'));
    let show = |out: &mut String, key: &str, value: &str| {
        if names {
            push(out, format_args!("{key}\n"));
        } else if bare {
            push(out, format_args!("{value}\n"));
        } else {
            push(out, format_args!("{key} = {value}\n"));
        }
    };
    let mut out = String::new();
    if options.has('a') || options.has('A') {
        KNOWN.iter().for_each(|(key, value)| show(&mut out, key, value));
    }
    let mut status = 0;
    for word in &options.operands {
        let dotted = |key: &str| key.trim().replace('/', ".");
        match word.split_once('=') {
            Some((key, value)) if !quiet => show(&mut out, &dotted(key), value.trim()),
            Some(_) => {}
            None => match KNOWN.iter().find(|(key, _)| *key == dotted(word)) {
                Some((key, value)) => show(&mut out, key, value),
                None if options.has('e') => {}
                None => {
                    status = 1;
                    call.err(&format!("error: '{}' is an unknown key", dotted(word)));
                }
            },
        }
    }
    call.out(&out);
    Begun::Exit(status)
}

/// `mountpoint`
pub(super) fn mountpoint(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax =
        Syntax { short: "qdxn", long: &[], usage: "[-q] { [-dn] DIR | -x DEVICE }", status: 1 };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let [path] = &options.operands[..] else { return call.usage(syntax.usage, 1) };
    let quiet = options.has('q');
    let here = match call.sys.stat(path, true) {
        Ok(stat) if stat.kind == 'd' => stat,
        found => {
            let why = found.err().unwrap_or(Errno::NotDir);
            if !quiet {
                call.err(&format!("{path}: {why}"));
            }
            return Begun::Exit(1);
        }
    };
    let above = call.sys.stat(&format!("{path}/.."), true);
    let kernel = call
        .sys
        .real_path(path)
        .is_ok_and(|path| matches!(path.as_str(), "/" | "/proc" | "/dev" | "/sys"));
    let is = kernel || above.is_ok_and(|above| above.id.volume != here.id.volume);
    if !quiet {
        call.out(&format!("{path} is {}a mountpoint\n", if is { "" } else { "not " }));
    }
    Begun::Exit(u8::from(!is))
}

/// `dos2unix`, `unix2dos`
pub(super) fn line_ends(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax { short: "ud", long: &[], usage: "[-ud] [FILE]", status: 1 };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let to_unix = match options.given.last() {
        Some((letter, _)) => *letter == 'u',
        None => call.name == "dos2unix",
    };
    let Some(path) = options.operands.first() else {
        // What stands on standard input is left to `tr` and `sed`, which scripts use there.
        call.err("standard input is not modelled");
        return Begun::Exit(1);
    };
    let changed = call.sys.content(path).and_then(|bytes| {
        call.sys.work(bytes.len() / 16);
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes.iter().filter(|b| **b != b'\r') {
            if *byte == b'\n' && !to_unix {
                out.push(b'\r');
            }
            out.push(*byte);
        }
        let fd = call.sys.open(path, OpenMode::WRITE, 3)?;
        let written = call.sys.write(fd, &out);
        call.sys.close(fd);
        written
    });
    match changed {
        Ok(()) => Begun::Exit(0),
        Err(e) => {
            call.err(&format!("{path}: {e}"));
            Begun::Exit(1)
        }
    }
}

//! `cp` and `mv`.

use super::making::{options, remove_tree};
use super::{Begun, Call};
use crate::base::Str;
use crate::container::fs::{Errno, Kind};
use crate::container::os::Change;

/// What `cp` is to keep and do.
#[derive(Clone, Copy, Debug)]
struct How {
    recursive: bool,
    preserve: bool,
    follow: bool,
    force: bool,
    no_clobber: bool,
    update: bool,
    verbose: bool,
}

/// `cp`
pub(super) fn cp(call: &mut Call<'_, '_, '_>) -> Begun {
    let usage = "[-arPLHpfinlsTu] SOURCE DEST\nor: cp [-arPLHpfinlsu] SOURCE... { -t DIRECTORY | DIRECTORY }";
    let (options, mut files) = match options(call.args, "arRPLHpfinlsTuvdx", "t") {
        Ok(parsed) => parsed,
        Err(letter) => return call.bad_option(letter, usage, 1),
    };
    let has = |letters: &str| options.iter().any(|(c, _)| letters.contains(*c));
    let into = options.iter().find(|(c, _)| *c == 't').map(|(_, v)| v.clone());
    if files.is_empty() || files.len() < 2 && into.is_none() {
        return call.usage(usage, 1);
    }
    let how = How {
        recursive: has("arR"),
        preserve: has("ap"),
        follow: !has("adP") && (!has("rR") || has("L")),
        force: has("f"),
        no_clobber: has("n"),
        update: has("u"),
        verbose: has("v"),
    };
    let target = into.clone().unwrap_or_else(|| files.pop().unwrap_or_default());
    let is_dir = !has("T") && call.sys.stat(&target, true).is_ok_and(|s| s.kind == 'd');
    let mut status = 0;
    let many = files.len() > 1 || into.is_some();
    for source in &files {
        let to = if is_dir || many { inside(&target, source) } else { target.to_string() };
        if !copy(call, source, &to, how, 0) {
            status = 1;
        }
    }
    Begun::Exit(status)
}

/// The path that a source gets in a directory.
fn inside(dir: &str, source: &str) -> String {
    let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or(source);
    if name == "." || name == ".." {
        format!("{}/{name}", dir.trim_end_matches('/'))
    } else {
        format!("{}/{name}", dir.trim_end_matches('/'))
    }
}

/// Directories in directories that are copied.
const MAX_DEPTH: usize = 100;

fn copy(call: &mut Call<'_, '_, '_>, from: &str, to: &str, how: How, depth: usize) -> bool {
    let done = copy_one(call, from, to, how, depth);
    if done && how.verbose {
        call.out(&format!("'{from}' -> '{to}'\n"));
    }
    done
}

fn copy_one(call: &mut Call<'_, '_, '_>, from: &str, to: &str, how: How, depth: usize) -> bool {
    call.sys.work(2);
    let stat = match call.sys.stat(from, how.follow) {
        Ok(stat) => stat,
        Err(e) => {
            call.err(&format!("can't stat '{from}': {e}"));
            return false;
        }
    };
    let existing = call.sys.stat(to, true).ok();
    if let Some(existing) = &existing {
        if existing.id == stat.id && stat.kind != 'd' {
            call.err(&format!("'{from}' and '{to}' are the same file"));
            return false;
        }
        if stat.kind != 'd' && (how.no_clobber || how.update && existing.mtime >= stat.mtime) {
            return true;
        }
    }
    match stat.kind {
        'd' if !how.recursive => {
            call.err(&format!("omitting directory '{from}'"));
            false
        }
        'd' => {
            copy_directory(call, from, to, stat.mode, existing.is_some(), how, depth)
                && keep(call, &stat, to, how)
        }
        'l' => {
            let made = call.sys.read_link(from).and_then(|target| {
                // A link in the way is replaced.
                let _gone = call.sys.unlink(to, false);
                call.sys.make(to, Kind::Link(target), 0o777)
            });
            report(call, to, made)
        }
        'p' => {
            let made = call.sys.make(to, Kind::Fifo, stat.mode);
            report(call, to, made)
        }
        _ => {
            copy_file(call, from, to, stat.mode, existing.is_some(), how)
                && keep(call, &stat, to, how)
        }
    }
}

fn report(call: &mut Call<'_, '_, '_>, to: &str, made: Result<(), Errno>) -> bool {
    match made {
        Ok(()) => true,
        Err(e) => {
            call.err(&format!("can't create '{to}': {e}"));
            false
        }
    }
}

fn copy_file(
    call: &mut Call<'_, '_, '_>,
    from: &str,
    to: &str,
    mode: u16,
    existed: bool,
    how: How,
) -> bool {
    let kind = match call.sys.program_name(from) {
        Some(name) => Kind::Program(name),
        None => match call.sys.content(from) {
            Ok(content) => Kind::File(content),
            Err(e) => {
                call.err(&format!("can't open '{from}': {e}"));
                return false;
            }
        },
    };
    if existed {
        let written = match &kind {
            Kind::File(content) => call.sys.put(to, content),
            Kind::Program(_) | Kind::Dir(_) | Kind::Link(_) | Kind::Fifo | Kind::Device(_) => call
                .sys
                .unlink(to, false)
                .and_then(|()| call.sys.make(to, kind.clone(), mode & 0o777)),
        };
        let written = match written {
            Err(Errno::Access | Errno::Perm) if how.force => {
                call.sys.unlink(to, false).and_then(|()| call.sys.make(to, kind, mode & 0o777))
            }
            done => done,
        };
        return report(call, to, written);
    }
    let made = call.sys.make(to, kind, mode & 0o777);
    report(call, to, made)
}

fn copy_directory(
    call: &mut Call<'_, '_, '_>,
    from: &str,
    to: &str,
    mode: u16,
    existed: bool,
    how: How,
    depth: usize,
) -> bool {
    let below = format!("{}/", call.sys.absolute(from).trim_end_matches('/'));
    if depth > MAX_DEPTH || format!("{}/", call.sys.absolute(to)).starts_with(&below) {
        call.err(&format!("recursion detected, omitting directory '{from}'"));
        return false;
    }
    if !existed {
        let made = call.sys.make(
            to.trim_end_matches('/'),
            Kind::Dir(Default::default()),
            mode & 0o777 | 0o700,
        );
        if !report(call, to, made) {
            return false;
        }
    }
    let mut well = true;
    for name in call.sys.list(from).unwrap_or_default() {
        let (a, b) = (
            format!("{}/{name}", from.trim_end_matches('/')),
            format!("{}/{name}", to.trim_end_matches('/')),
        );
        well &= copy(call, &a, &b, How { follow: how.follow && !how.recursive, ..how }, depth + 1);
    }
    well
}

fn keep(
    call: &mut Call<'_, '_, '_>,
    stat: &crate::container::fs::Stat,
    to: &str,
    how: How,
) -> bool {
    if how.preserve {
        // A plain user cannot give files away; the rest is still kept.
        let _owner = call.sys.change(to, true, Change::Owner(Some(stat.uid), Some(stat.gid)));
        let _mode = call.sys.change(to, true, Change::Mode(stat.mode));
        let _time = call.sys.change(to, true, Change::Modified(stat.mtime));
    }
    true
}

/// `mv`
pub(super) fn mv(call: &mut Call<'_, '_, '_>) -> Begun {
    let usage = "[-finT] SOURCE DEST\nor: mv [-fin] SOURCE... { -t DIRECTORY | DIRECTORY }";
    let (options, mut files) = match options(call.args, "finTuv", "t") {
        Ok(parsed) => parsed,
        Err(letter) => return call.bad_option(letter, usage, 1),
    };
    let has = |letter: char| options.iter().any(|(c, _)| *c == letter);
    let into = options.iter().find(|(c, _)| *c == 't').map(|(_, v)| v.clone());
    if files.is_empty() || files.len() < 2 && into.is_none() {
        return call.usage(usage, 1);
    }
    let many = files.len() > 1 && into.is_none() && files.len() > 2 || into.is_some();
    let target = into.unwrap_or_else(|| files.pop().unwrap_or_default());
    let is_dir = !has('T') && call.sys.stat(&target, true).is_ok_and(|s| s.kind == 'd');
    let mut status = 0;
    for source in &files {
        let to = if is_dir || many { inside(&target, source) } else { target.to_string() };
        if has('n') && call.sys.stat(&to, false).is_ok() {
            continue;
        }
        if !move_one(call, source, &to) {
            status = 1;
        } else if has('v') {
            let verb = if call.is_gnu() { "renamed " } else { "" };
            call.out(&format!("{verb}'{source}' -> '{to}'\n"));
        }
    }
    Begun::Exit(status)
}

fn move_one(call: &mut Call<'_, '_, '_>, from: &Str, to: &str) -> bool {
    match call.sys.rename(from, to) {
        Ok(()) => true,
        Err(Errno::CrossDevice) => {
            let how = How {
                recursive: true,
                preserve: true,
                follow: false,
                force: true,
                no_clobber: false,
                update: false,
                verbose: false,
            };
            if !copy(call, from, to, how, 0) {
                return false;
            }
            if call.sys.stat(from, false).is_ok_and(|s| s.kind == 'd') {
                remove_tree(call, from, 0)
            } else {
                call.sys.unlink(from, false).is_ok()
            }
        }
        Err(e) => {
            call.err(&format!("can't rename '{from}': {e}"));
            false
        }
    }
}

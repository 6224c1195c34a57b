//! `chmod`, `chown`, `chgrp`.

use super::making::options;
use super::{Begun, Call, modes};
use crate::base::Str;
use crate::container::os::Change;

/// Directories in directories that `-R` goes into.
const MAX_DEPTH: usize = 100;

/// Does something to a path and, with `-R`, to everything below it.
fn each(
    call: &mut Call<'_, '_, '_>,
    path: &str,
    recursive: bool,
    depth: usize,
    act: &mut impl FnMut(&mut Call<'_, '_, '_>, &str) -> bool,
) -> bool {
    let mut well = act(call, path);
    if recursive && depth < MAX_DEPTH && call.sys.stat(path, false).is_ok_and(|s| s.kind == 'd') {
        for name in call.sys.list(path).unwrap_or_default() {
            call.sys.work(1);
            well &= each(
                call,
                &format!("{}/{name}", path.trim_end_matches('/')),
                recursive,
                depth + 1,
                act,
            );
        }
    }
    well
}

/// `chmod`
pub(super) fn chmod(call: &mut Call<'_, '_, '_>) -> Begun {
    let usage = "[-Rcvf] MODE[,MODE]... FILE...";
    // A mode may begin with a minus: `chmod -x f`.
    let is_option =
        |a: &Str| a.starts_with('-') && a.len() > 1 && a[1..].chars().all(|c| "Rcvf".contains(c));
    let recursive = call.args.iter().any(|a| is_option(a) && a.contains('R'));
    let rest: Vec<Str> =
        call.args.iter().filter(|a| !is_option(a) && *a != "--").cloned().collect();
    let [mode, files @ ..] = rest.as_slice() else { return call.usage(usage, 1) };
    if files.is_empty() {
        return call.usage(usage, 1);
    }
    let umask = call.sys.me().umask;
    if modes::apply(mode, 0, false, umask).is_none() {
        call.err(&format!("invalid mode '{mode}'"));
        return Begun::Exit(1);
    }
    let mut well = true;
    for file in files {
        well &= each(call, file, recursive, 0, &mut |call, path| {
            let changed = call.sys.stat(path, true).and_then(|stat| {
                let new =
                    modes::apply(mode, stat.mode, stat.kind == 'd', umask).unwrap_or(stat.mode);
                call.sys.change(path, true, Change::Mode(new))
            });
            if let Err(e) = changed {
                call.err(&format!("{path}: {e}"));
            }
            changed.is_ok()
        });
    }
    Begun::Exit(u8::from(!well))
}

/// `chown` and `chgrp`
pub(super) fn chown(call: &mut Call<'_, '_, '_>) -> Begun {
    let only_group = call.name == "chgrp";
    let usage =
        if only_group { "[-RhLHPcvf] GROUP FILE..." } else { "[-RhLHPcvf] USER[:[GRP]] FILE..." };
    let (options, rest) = match options(call.args, "RhLHPcvf", "") {
        Ok(parsed) => parsed,
        Err(letter) => return call.bad_option(letter, usage, 1),
    };
    let [owner, files @ ..] = rest.as_slice() else { return call.usage(usage, 1) };
    if files.is_empty() {
        return call.usage(usage, 1);
    }
    let recursive = options.iter().any(|(c, _)| *c == 'R');
    let (uid, gid) = match owner_of(call, owner, only_group) {
        Ok(ids) => ids,
        Err(text) => {
            call.err(&text);
            return Begun::Exit(1);
        }
    };
    let mut well = true;
    for file in files {
        well &= each(call, file, recursive, 0, &mut |call, path| {
            let changed = call.sys.change(path, true, Change::Owner(uid, gid));
            if let Err(e) = changed {
                call.err(&format!("{path}: {e}"));
            }
            changed.is_ok()
        });
    }
    Begun::Exit(u8::from(!well))
}

type Ids = (Option<u32>, Option<u32>);

fn owner_of(call: &mut Call<'_, '_, '_>, text: &str, only_group: bool) -> Result<Ids, String> {
    if only_group {
        return Ok((None, Some(group(call, text)?)));
    }
    let (user, rest) = match text.split_once([':', '.']) {
        Some((user, rest)) => (user, Some(rest)),
        None => (text, None),
    };
    let mut login_group = None;
    let uid = if user.is_empty() {
        None
    } else if let Some(fields) = call.sys.passwd(|f| f.first().is_some_and(|n| n == user)) {
        login_group = fields.get(3).and_then(|g| g.parse().ok());
        fields.get(2).and_then(|u| u.parse().ok())
    } else {
        Some(user.parse().map_err(|_| format!("unknown user {user}"))?)
    };
    let gid = match rest {
        None => None,
        Some("") => login_group,
        Some(name) => Some(group(call, name)?),
    };
    Ok((uid, gid))
}

fn group(call: &mut Call<'_, '_, '_>, name: &str) -> Result<u32, String> {
    match call.sys.group(|f| f.first().is_some_and(|n| n == name)) {
        Some(fields) => fields
            .get(2)
            .and_then(|g| g.parse().ok())
            .ok_or_else(|| format!("unknown group {name}")),
        None => name.parse().map_err(|_| format!("unknown group {name}")),
    }
}

//! Tools that make and remove: `mkdir`, `rmdir`, `rm`, `touch`, `ln`, `mkfifo`, `mktemp`, `unlink`, `truncate`.

use super::{Begun, Call, modes};
use crate::base::Str;
use crate::container::fs::{Errno, Kind};
use crate::container::os::{Change, OpenMode};

/// Options in clusters before the operands; those of `takes` have an argument. `Err` is a letter that
/// is not known.
pub(crate) fn options(
    args: &[Str],
    known: &str,
    takes: &str,
) -> Result<(Vec<(char, Str)>, Vec<Str>), char> {
    let mut found = Vec::new();
    let mut operands = Vec::new();
    let mut iter = args.iter();
    while let Some(arg) = iter.next() {
        if arg == "--" {
            operands.extend(iter.cloned());
            break;
        }
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            operands.push(arg.clone());
            continue;
        };
        let mut chars = letters.char_indices();
        while let Some((i, letter)) = chars.next() {
            if takes.contains(letter) {
                let attached = &letters[i + letter.len_utf8()..];
                let value = if attached.is_empty() {
                    iter.next().cloned().unwrap_or_default()
                } else {
                    attached.into()
                };
                found.push((letter, value));
                break;
            }
            if !known.contains(letter) {
                return Err(letter);
            }
            found.push((letter, Str::default()));
        }
    }
    Ok((found, operands))
}

/// `mkdir`
pub(super) fn mkdir(call: &mut Call<'_, '_, '_>) -> Begun {
    let usage = "[-m MODE] [-p] DIRECTORY...";
    let args: Vec<Str> =
        call.args.iter().map(|a| if a == "--parents" { "-p".into() } else { a.clone() }).collect();
    let (options, dirs) = match options(&args, "pv", "m") {
        Ok(parsed) => parsed,
        Err(letter) => return call.bad_option(letter, usage, 1),
    };
    if dirs.is_empty() {
        return call.usage(usage, 1);
    }
    let parents = options.iter().any(|(c, _)| *c == 'p');
    let umask = call.sys.me().umask;
    let mut mode = None;
    if let Some((_, text)) = options.iter().find(|(c, _)| *c == 'm') {
        match modes::apply(text, 0o777, true, umask) {
            Some(m) => mode = Some(m),
            None => {
                call.err(&format!("invalid mode '{text}'"));
                return Begun::Exit(1);
            }
        }
    }
    let mut status = 0;
    for dir in &dirs {
        let made = if parents {
            make_parents(call, dir)
        } else {
            call.sys.make(dir.trim_end_matches('/'), Kind::Dir(Default::default()), 0o777)
        };
        match made {
            Ok(()) => {
                if options.iter().any(|(c, _)| *c == 'v') {
                    let text = if call.is_gnu() {
                        format!("mkdir: created directory '{dir}'\n")
                    } else {
                        format!("created directory: '{dir}'\n")
                    };
                    call.out(&text);
                }
                if let Some(mode) = mode {
                    // The directory has just been made.
                    let _changed = call.sys.change(dir, true, Change::Mode(mode));
                }
            }
            Err(e) => {
                call.err(&format!("can't create directory '{dir}': {e}"));
                status = 1;
            }
        }
    }
    Begun::Exit(status)
}

fn make_parents(call: &mut Call<'_, '_, '_>, dir: &str) -> Result<(), Errno> {
    let mut path = String::new();
    if dir.starts_with('/') {
        path.push('/');
    }
    for part in dir.split('/').filter(|p| !p.is_empty()) {
        path.push_str(part);
        match call.sys.stat(&path, true) {
            Ok(stat) if stat.kind == 'd' => {}
            Ok(_) => return Err(Errno::Exists),
            Err(_) => call.sys.make(&path, Kind::Dir(Default::default()), 0o777)?,
        }
        path.push('/');
    }
    Ok(())
}

/// `rmdir`
pub(super) fn rmdir(call: &mut Call<'_, '_, '_>) -> Begun {
    let (options, dirs) = match options(call.args, "pv", "") {
        Ok(parsed) => parsed,
        Err('-') => (
            vec![('-', Str::default())],
            call.args.iter().filter(|a| !a.starts_with('-')).cloned().collect(),
        ),
        Err(letter) => return call.bad_option(letter, "[-p] DIRECTORY...", 1),
    };
    let parents = options.iter().any(|(c, _)| *c == 'p');
    let quiet = options.iter().any(|(c, _)| *c == '-');
    let mut status = 0;
    for dir in &dirs {
        let mut path = dir.to_string();
        loop {
            if let Err(e) = call.sys.unlink(&path, true) {
                if !(quiet && e == Errno::NotEmpty) {
                    call.err(&format!("'{path}': {e}"));
                    status = 1;
                }
                break;
            }
            match path.trim_end_matches('/').rsplit_once('/') {
                Some((up, _)) if parents && !up.is_empty() => path = up.to_owned(),
                _ => break,
            }
        }
    }
    Begun::Exit(status)
}

/// `rm`
pub(super) fn rm(call: &mut Call<'_, '_, '_>) -> Begun {
    let usage = "[-irf] FILE...";
    let (options, files) = match options(call.args, "irRfv", "") {
        Ok(parsed) => parsed,
        Err(letter) => return call.bad_option(letter, usage, 1),
    };
    let has = |letter: char| options.iter().any(|(c, _)| *c == letter);
    let (force, recursive) = (has('f'), has('r') || has('R'));
    if files.is_empty() {
        return if force { Begun::Exit(0) } else { call.usage(usage, 1) };
    }
    let mut status = 0;
    for file in &files {
        let last = file.trim_end_matches('/').rsplit('/').next().unwrap_or("");
        if matches!(last, "." | "..") {
            call.err(&format!("can't remove '{file}': invalid argument"));
            status = 1;
            continue;
        }
        match call.sys.stat(file, false) {
            Err(Errno::NoEnt) if force => {}
            Err(e) => {
                if !(force && e == Errno::NotDir) {
                    call.err(&format!("can't remove '{file}': {e}"));
                    status = 1;
                }
            }
            Ok(stat) if stat.kind == 'd' => {
                if !recursive {
                    call.err(&format!("'{file}' is a directory"));
                    status = 1;
                } else if !remove_tree(call, file, 0) {
                    status = 1;
                } else if has('v') {
                    let colon = if call.is_gnu() { "" } else { ":" };
                    call.out(&format!("removed directory{colon} '{file}'\n"));
                }
            }
            Ok(_) => match call.sys.unlink(file, false) {
                Ok(()) if has('v') => call.out(&format!("removed '{file}'\n")),
                Ok(()) => {}
                Err(e) => {
                    call.err(&format!("can't remove '{file}': {e}"));
                    status = 1;
                }
            },
        }
    }
    Begun::Exit(status)
}

/// Directories in directories that are removed.
const MAX_DEPTH: usize = 200;

/// Removes a directory with all in it; says what cannot be removed.
pub(crate) fn remove_tree(call: &mut Call<'_, '_, '_>, dir: &str, depth: usize) -> bool {
    let mut well = depth < MAX_DEPTH;
    for name in call.sys.list(dir).unwrap_or_default() {
        let path = format!("{}/{name}", dir.trim_end_matches('/'));
        let is_dir = call.sys.stat(&path, false).is_ok_and(|s| s.kind == 'd');
        call.sys.work(1);
        if is_dir && well {
            well &= remove_tree(call, &path, depth + 1);
        } else if let Err(e) = call.sys.unlink(&path, false) {
            call.err(&format!("can't remove '{path}': {e}"));
            well = false;
        }
    }
    if let Err(e) = call.sys.unlink(dir, true) {
        call.err(&format!("can't remove '{dir}': {e}"));
        well = false;
    }
    well
}

/// `touch`
pub(super) fn touch(call: &mut Call<'_, '_, '_>) -> Begun {
    let usage = "[-cham] [-d DATE] [-t DATE] [-r FILE] FILE...";
    let args: Vec<Str> = call
        .args
        .iter()
        .map(|a| if a == "--no-create" { "-c".into() } else { a.clone() })
        .collect();
    let (options, files) = match options(&args, "chamf", "dtr") {
        Ok(parsed) => parsed,
        Err(letter) => return call.bad_option(letter, usage, 1),
    };
    if files.is_empty() {
        return call.usage(usage, 1);
    }
    let mut at = call.sys.now();
    let mut create = true;
    for (letter, value) in &options {
        match letter {
            'c' => create = false,
            'd' | 't' => match super::date::parse(value, call.sys.now().to_utc())
                .and_then(crate::base::time::SimTime::from_utc)
            {
                Some(t) => at = t,
                None => {
                    call.err(&format!("invalid date '{value}'"));
                    return Begun::Exit(1);
                }
            },
            'r' => match call.sys.stat(value, true) {
                Ok(stat) => at = stat.mtime,
                Err(e) => {
                    call.err(&format!("{value}: {e}"));
                    return Begun::Exit(1);
                }
            },
            _ => {}
        }
    }
    let mut status = 0;
    for file in &files {
        let changed = match call.sys.change(file, true, Change::Modified(at)) {
            Err(Errno::NoEnt) if !create => Ok(()),
            Err(Errno::NoEnt) => call.sys.open(file, OpenMode::UPDATE, 3).and_then(|fd| {
                call.sys.close(fd);
                call.sys.change(file, true, Change::Modified(at))
            }),
            done => done,
        };
        if let Err(e) = changed {
            call.err(&format!("{file}: {e}"));
            status = 1;
        }
    }
    Begun::Exit(status)
}

/// `ln`
pub(super) fn ln(call: &mut Call<'_, '_, '_>) -> Begun {
    let usage = "[-sfnbtv] [-S SUF] TARGET... LINK|DIR";
    let (options, mut files) = match options(call.args, "sfnbvT", "St") {
        Ok(parsed) => parsed,
        Err(letter) => return call.bad_option(letter, usage, 1),
    };
    let has = |letter: char| options.iter().any(|(c, _)| *c == letter);
    if files.is_empty() {
        return call.usage(usage, 1);
    }
    let last = if files.len() == 1 { ".".into() } else { files.pop().unwrap_or_default() };
    let follow = !has('n');
    let into_dir = !has('T') && call.sys.stat(&last, follow).is_ok_and(|s| s.kind == 'd');
    let mut status = 0;
    for target in &files {
        let link = if into_dir {
            let name = target.trim_end_matches('/').rsplit('/').next().unwrap_or(target);
            format!("{}/{name}", last.trim_end_matches('/'))
        } else {
            last.to_string()
        };
        if !has('s') && call.sys.stat(target, false).is_err() {
            call.err(&format!("{target}: No such file or directory"));
            status = 1;
            continue;
        }
        if has('f') {
            // What is not there need not be removed; a directory stays and is reported below.
            let _gone = call.sys.unlink(&link, false);
        }
        let made = if has('s') {
            call.sys.make(&link, Kind::Link(target.clone()), 0o777)
        } else {
            call.sys.link(target, &link)
        };
        if let Err(e) = made {
            call.err(&format!("{link}: {e}"));
            status = 1;
        }
    }
    Begun::Exit(status)
}

/// `mkfifo`
pub(super) fn mkfifo(call: &mut Call<'_, '_, '_>) -> Begun {
    let (_, files) = match options(call.args, "", "m") {
        Ok(parsed) => parsed,
        Err(letter) => return call.bad_option(letter, "[-m MODE] NAME", 1),
    };
    let mut status = 0;
    for file in &files {
        if let Err(e) = call.sys.make(file, Kind::Fifo, 0o666) {
            call.err(&format!("{file}: {e}"));
            status = 1;
        }
    }
    Begun::Exit(status)
}

/// `mktemp`
pub(super) fn mktemp(call: &mut Call<'_, '_, '_>) -> Begun {
    let (options, files) = match options(call.args, "dqtu", "p") {
        Ok(parsed) => parsed,
        Err(letter) => return call.bad_option(letter, "[-dt] [-p DIR] [TEMPLATE]", 1),
    };
    let has = |letter: char| options.iter().any(|(c, _)| *c == letter);
    let base = options.iter().find(|(c, _)| *c == 'p').map(|(_, v)| v.clone());
    let base = base.or_else(|| call.variable("TMPDIR").cloned()).unwrap_or_else(|| "/tmp".into());
    let template = match files.first() {
        Some(t) if has('t') || has('p') => format!("{base}/{t}"),
        Some(t) => t.to_string(),
        None => format!("{base}/tmp.XXXXXX"),
    };
    let marks = template.len() - template.trim_end_matches('X').len();
    if marks < 6 {
        call.err(&format!("{template}: Invalid argument"));
        return Begun::Exit(1);
    }
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for _ in 0..64 {
        let mut path = template.trim_end_matches('X').to_owned();
        for _ in 0..marks {
            let i = usize::try_from(call.sys.os.random.stream().below(62)).expect("below 62");
            path.push(char::from(LETTERS[i]));
        }
        let made = if has('u') {
            Ok(())
        } else if has('d') {
            call.sys.make(&path, Kind::Dir(Default::default()), 0o700)
        } else {
            call.sys.make(&path, Kind::File(Vec::new()), 0o600)
        };
        match made {
            Ok(()) => {
                call.out(&format!("{path}\n"));
                return Begun::Exit(0);
            }
            Err(Errno::Exists) => {}
            Err(e) => {
                call.err(&format!("{template}: {e}"));
                return Begun::Exit(1);
            }
        }
    }
    Begun::Exit(1)
}

/// `unlink`
pub(super) fn unlink(call: &mut Call<'_, '_, '_>) -> Begun {
    let [file] = call.args else { return call.usage("FILE", 1) };
    match call.sys.unlink(file, false) {
        Ok(()) => Begun::Exit(0),
        Err(e) => {
            call.err(&format!("can't remove file '{file}': {e}"));
            Begun::Exit(1)
        }
    }
}

/// `truncate`
pub(super) fn truncate(call: &mut Call<'_, '_, '_>) -> Begun {
    let usage = "[-c] -s SIZE FILE...";
    let (options, files) = match options(call.args, "c", "s") {
        Ok(parsed) => parsed,
        Err(letter) => return call.bad_option(letter, usage, 1),
    };
    let size = options.iter().find(|(c, _)| *c == 's').map(|(_, v)| v.clone());
    let Some(size) = size.filter(|_| !files.is_empty()) else { return call.usage(usage, 1) };
    let Some(size) = super::numbers::size(&size) else {
        call.err(&format!("invalid number '{size}'"));
        return Begun::Exit(1);
    };
    let create = !options.iter().any(|(c, _)| *c == 'c');
    let mut status = 0;
    for file in &files {
        if let Err(e) = resize(call, file, size, create) {
            call.err(&format!("{file}: {e}"));
            status = 1;
        }
    }
    Begun::Exit(status)
}

fn resize(call: &mut Call<'_, '_, '_>, file: &str, size: u64, create: bool) -> Result<(), Errno> {
    if size > call.sys.os.limits.file_bytes {
        return Err(Errno::TooBig);
    }
    let mut content = match call.sys.content(file) {
        Ok(content) => content,
        Err(Errno::NoEnt) if !create => return Ok(()),
        Err(Errno::NoEnt) => Vec::new(),
        Err(e) => return Err(e),
    };
    content.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
    call.sys.put(file, &content)
}

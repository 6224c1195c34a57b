//! Tools on names of paths: `basename`, `dirname`, `realpath`, `readlink`, `which`, `pwd`.

use super::{Begun, Call};
use crate::base::Str;
use crate::container::text::push;

/// `basename`
pub(super) fn basename(call: &mut Call<'_, '_, '_>) -> Begun {
    let usage = "FILE [SUFFIX] | -a FILE... | -s SUFFIX FILE...";
    let mut suffix: Option<Str> = None;
    let mut many = false;
    let mut rest = call.args;
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        rest = &rest[1..];
        match option.as_str() {
            "-a" => many = true,
            "-s" => {
                suffix = rest.first().cloned();
                many = true;
                rest = rest.get(1..).unwrap_or_default();
            }
            "--" => break,
            other => {
                let letter = other.chars().nth(1).unwrap_or('-');
                return call.bad_option(letter, usage, 1);
            }
        }
    }
    if rest.is_empty() || !many && rest.len() > 2 {
        return call.usage(usage, 1);
    }
    let names = if many {
        rest
    } else {
        suffix = rest.get(1).cloned();
        &rest[..1]
    };
    let mut out = String::new();
    for name in names {
        let trimmed = name.trim_end_matches('/');
        let last = if trimmed.is_empty() && !name.is_empty() {
            "/"
        } else {
            trimmed.rsplit('/').next().unwrap_or("")
        };
        let short =
            suffix.as_ref().and_then(|s| last.strip_suffix(s.as_str())).filter(|s| !s.is_empty());
        push(&mut out, format_args!("{}\n", short.unwrap_or(last)));
    }
    call.out(&out);
    Begun::Exit(0)
}

/// `dirname`
pub(super) fn dirname(call: &mut Call<'_, '_, '_>) -> Begun {
    let rest =
        if call.args.first().is_some_and(|a| a == "--") { &call.args[1..] } else { call.args };
    let [path] = rest else { return call.usage("FILENAME", 1) };
    let trimmed = path.trim_end_matches('/');
    let dir = match trimmed.rsplit_once('/') {
        None if trimmed.is_empty() && path.starts_with('/') => "/",
        None => ".",
        Some((dir, _)) => {
            let dir = dir.trim_end_matches('/');
            if dir.is_empty() { "/" } else { dir }
        }
    };
    call.out(&format!("{dir}\n"));
    Begun::Exit(0)
}

/// `realpath`
pub(super) fn realpath(call: &mut Call<'_, '_, '_>) -> Begun {
    let files: Vec<&Str> = call.args.iter().filter(|a| !a.starts_with('-')).collect();
    if files.is_empty() {
        return call.usage("FILE...", 1);
    }
    let mut status = 0;
    for file in files {
        match call.sys.real_path(file) {
            Ok(path) => call.out(&format!("{path}\n")),
            Err(e) => {
                call.err(&format!("{file}: {e}"));
                status = 1;
            }
        }
    }
    Begun::Exit(status)
}

/// `readlink`
pub(super) fn readlink(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut letters = String::new();
    let mut files = Vec::new();
    for arg in call.args {
        match arg.strip_prefix('-').filter(|l| !l.is_empty()) {
            Some(l) => letters.push_str(l),
            None => files.push(arg.clone()),
        }
    }
    let Some(file) = files.first() else { return call.usage("[-fnv] FILE", 1) };
    let end = if letters.contains('n') { "" } else { "\n" };
    if letters.contains(['f', 'e', 'm']) {
        // The last name need not be there.
        let found = call.sys.real_path(file).or_else(|e| {
            let (dir, name) = file.rsplit_once('/').unwrap_or((".", file));
            let dir = call.sys.real_path(if dir.is_empty() { "/" } else { dir }).map_err(|_| e)?;
            Ok::<_, crate::container::fs::Errno>(format!("{}/{name}", dir.trim_end_matches('/')))
        });
        return match found {
            Ok(path) => {
                call.out(&format!("{path}{end}"));
                Begun::Exit(0)
            }
            Err(_) => Begun::Exit(1),
        };
    }
    match call.sys.read_link(file) {
        Ok(to) => {
            call.out(&format!("{to}{end}"));
            Begun::Exit(0)
        }
        Err(e) => {
            if letters.contains('v') {
                call.err(&format!("{file}: {e}"));
            }
            Begun::Exit(1)
        }
    }
}

/// `which`
pub(super) fn which(call: &mut Call<'_, '_, '_>) -> Begun {
    let all = call.args.iter().any(|a| a == "-a");
    let path = call
        .variable("PATH")
        .cloned()
        .unwrap_or_else(|| crate::container::image::DEFAULT_PATH.into());
    let mut status = 0;
    for name in call.args.iter().filter(|a| !a.starts_with('-')) {
        let candidates: Vec<String> = if name.contains('/') {
            vec![name.to_string()]
        } else {
            path.split(':')
                .map(|d| if d.is_empty() { format!("./{name}") } else { format!("{d}/{name}") })
                .collect()
        };
        let mut found = false;
        for file in candidates {
            let runs = call.sys.stat(&file, true).is_ok_and(|s| s.kind == '-')
                && call.sys.access(&file, 1) == Ok(true);
            if runs {
                call.out(&format!("{file}\n"));
                found = true;
                if !all {
                    break;
                }
            }
        }
        if !found {
            status = 1;
        }
    }
    Begun::Exit(status)
}

/// `pwd`
pub(super) fn pwd(call: &mut Call<'_, '_, '_>) -> Begun {
    let path = call.sys.real_path(".").unwrap_or_else(|_| call.sys.me().cwd.to_string());
    call.out(&format!("{path}\n"));
    Begun::Exit(0)
}

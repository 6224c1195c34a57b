//! Pathname expansion.

use super::Shell;
use super::pattern::{Pattern, is_pattern, unescape};
use crate::base::Str;
use crate::container::os::Sys;

/// The paths that a pattern matches, in order; `None` when there are none.
pub(super) fn expand(shell: &Shell, sys: &mut Sys<'_, '_>, pattern: &str) -> Option<Vec<Str>> {
    if !is_pattern(pattern) {
        return None;
    }
    let absolute = pattern.starts_with('/');
    let mut found: Vec<String> = vec![if absolute { "/".to_owned() } else { String::new() }];
    let parts = split_path(pattern);
    let count = parts.len();
    for (i, part) in parts.iter().enumerate() {
        let last = i + 1 == count;
        let mut next = Vec::new();
        for base in &found {
            step(shell, sys, base, part, last, &mut next);
            sys.work(next.len());
        }
        found = next;
        if found.is_empty() {
            return None;
        }
    }
    found.sort();
    found.dedup();
    Some(found.into_iter().map(Str::from).collect())
}

/// The components of a path pattern; a trailing slash is an empty last one.
fn split_path(pattern: &str) -> Vec<&str> {
    let trimmed = pattern.trim_start_matches('/');
    let mut parts: Vec<&str> = trimmed.split('/').collect();
    // Doubled slashes mean nothing, a slash at the end asks for directories.
    let last = parts.pop();
    parts.retain(|p| !p.is_empty());
    parts.extend(last);
    parts
}

fn step(
    shell: &Shell,
    sys: &Sys<'_, '_>,
    base: &str,
    part: &str,
    last: bool,
    out: &mut Vec<String>,
) {
    let at = if base.is_empty() { "." } else { base };
    if part.is_empty() {
        if sys.stat(at, true).is_ok_and(|s| s.kind == 'd') {
            out.push(base.to_owned());
        }
        return;
    }
    let end = if last { "" } else { "/" };
    if part == "**" && shell.options.globstar {
        if !last {
            out.push(base.to_owned());
        }
        deep(sys, base, last, out);
        return;
    }
    if !is_pattern(part) {
        let path = format!("{base}{}", unescape(part));
        let there = if last {
            sys.stat(&path, false).is_ok()
        } else {
            sys.stat(&path, true).is_ok_and(|s| s.kind == 'd')
        };
        if there {
            out.push(format!("{path}{end}"));
        }
        return;
    }
    let compiled = Pattern::new(part, shell.options.extglob);
    let Ok(mut names) = sys.list(at) else { return };
    if part.starts_with('.') {
        names.extend([Str::from("."), Str::from("..")]);
    }
    for name in names {
        let hidden = name.starts_with('.')
            && !part.starts_with('.')
            && !(shell.options.dotglob && name != "." && name != "..");
        if hidden || !compiled.matches(&name) {
            continue;
        }
        let path = format!("{base}{name}");
        if last || sys.stat(&path, true).is_ok_and(|s| s.kind == 'd') {
            out.push(format!("{path}{end}"));
        }
    }
}

/// Everything below a directory, for `**`.
fn deep(sys: &Sys<'_, '_>, base: &str, last: bool, out: &mut Vec<String>) {
    let at = if base.is_empty() { "." } else { base };
    let Ok(names) = sys.list(at) else { return };
    for name in names.iter().filter(|n| !n.starts_with('.')) {
        let path = format!("{base}{name}");
        let Ok(stat) = sys.stat(&path, false) else { continue };
        let dir = stat.kind == 'd';
        if last {
            out.push(path.clone());
        } else if dir {
            out.push(format!("{path}/"));
        }
        if dir {
            deep(sys, &format!("{path}/"), last, out);
        }
    }
}

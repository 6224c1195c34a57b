//! Where in a container's script something is done.
//!
//! A script is what stands behind `-c`. Its statements are told with the number of their line, as the
//! user would count.

use crate::model::Container;

/// No statement is told longer than this, in characters.
const LONGEST: usize = 100;

/// The script of a container: what its shell is given, if it is started with a shell.
pub(in crate::report) fn of(container: &Container) -> Option<&str> {
    let words: Vec<&str> =
        container.command.iter().chain(&container.args).map(smol_str::SmolStr::as_str).collect();
    let flag = words.iter().position(|w| w.starts_with('-') && w.ends_with('c') && w.len() <= 4)?;
    let shell = words.first().map(|w| w.rsplit('/').next().unwrap_or(w))?;
    let known = matches!(shell, "sh" | "ash" | "bash" | "dash" | "busybox");
    words.get(flag + 1).copied().filter(|_| known)
}

/// The command of a container as it would be typed; empty where the image's own is run.
pub(in crate::report) fn command(container: &Container) -> String {
    let words: Vec<String> = container
        .command
        .iter()
        .chain(&container.args)
        .map(|w| if w.contains([' ', '\n']) { format!("{w:?}") } else { w.to_string() })
        .collect();
    shortened(&words.join(" "))
}

/// The statement that ends the script with a code, else its last one: `line 2: "exit 1"`.
pub(in crate::report) fn exits(script: &str, code: i32) -> String {
    let wanted = format!("exit {code}");
    let explicit = statements(script).filter(|(_, s)| words_contain(s, &wanted)).last();
    // A failing command ends a script that runs with `set -e`, or that it is the last of.
    let found = explicit.or_else(|| statements(script).last());
    found.map_or_else(|| "line 1".to_owned(), told)
}

/// The statement that takes a file away, else one that names it: `line 1: "rm -f /tmp/healthy"`.
pub(in crate::report) fn about(script: &str, path: &str) -> Option<String> {
    let naming = || statements(script).filter(|(_, s)| s.contains(path));
    let taking = |s: &str| ["rm ", "mv ", "unlink "].iter().any(|w| s.contains(w));
    naming().filter(|(_, s)| taking(s)).last().or_else(|| naming().last()).map(told)
}

fn told((line, statement): (usize, &str)) -> String {
    format!("line {line}: {:?}", shortened(statement))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Statements with the numbers of their lines: what `;`, `&&`, `||` and ends of lines divide.
fn statements(script: &str) -> impl Iterator<Item = (usize, &str)> {
    script.lines().zip(1..).flat_map(|(line, number)| {
        line.split([';', '&', '|'])
            .map(str::trim)
            .filter(|s| !s.is_empty() && !s.starts_with('#'))
            .map(move |s| (number, s))
    })
}

/// Whether `words` stand in a statement as whole words.
fn words_contain(statement: &str, words: &str) -> bool {
    let of = |t: &str| -> Vec<String> {
        t.split(|c: char| !c.is_alphanumeric() && c != '$')
            .filter(|w| !w.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (all, wanted) = (of(statement), of(words));
    all.windows(wanted.len()).any(|w| w == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_told_with_its_line() {
        let script = "touch /tmp/healthy; sleep 30\nrm -f /tmp/healthy; sleep 600\nexit 3";
        assert_eq!(exits(script, 3), "line 3: \"exit 3\"");
        assert_eq!(exits("echo a; false", 1), "line 1: \"false\"");
        assert_eq!(exits("if x; then exit 1; fi; exit 12", 1), "line 1: \"then exit 1\"");
        assert_eq!(about(script, "/tmp/healthy").unwrap(), "line 2: \"rm -f /tmp/healthy\"");
        assert_eq!(about(script, "/nothing"), None);
    }
}

//! Commands and scripts of suites: those that are kubectl lines, `echo` and `sleep`, and nothing else.
//!
//! Nothing of a host is executed, so that a script may hold such lines, comments and `set -e`; what else stands
//! in it is named.

use std::time::Duration;

use crate::base::length;
use crate::scenario::kubectl;

/// The lines of a script, each as its words.
///
/// # Errors
/// The first line that is not supported, and why.
pub(super) fn of_script(script: &str) -> Result<Vec<Vec<String>>, String> {
    let joined = script.replace("\\\n", " ");
    let mut lines = Vec::new();
    for line in joined.lines().map(str::trim) {
        let idle = line.is_empty() || line.starts_with('#') || line.starts_with("set -");
        if !idle {
            lines.push(of_line(line)?);
        }
    }
    Ok(lines)
}

/// The words of a command.
///
/// # Errors
/// Why it is not supported.
pub(super) fn of_line(line: &str) -> Result<Vec<String>, String> {
    let quoted = line.contains(['\'', '"']);
    let signs = ["|", "&&", ";", ">", "<", "`", "$("];
    if let Some(sign) = signs.iter().find(|s| !quoted && line.contains(**s)) {
        return Err(format!(
            "{line:?}: {sign:?} is a shell's; lines of kubectl, echo and sleep alone are supported"
        ));
    }
    let words = kubectl::split(line).map_err(|why| format!("{line:?}: {why}"))?;
    let is_sign = |w: &&String| {
        matches!(w.as_str(), "|" | "&&" | "||" | ";" | ">" | ">>" | "<" | "&" | "2>&1")
    };
    if let Some(sign) = words.iter().find(is_sign) {
        return Err(format!(
            "{line:?}: {sign:?} is a shell's; lines of kubectl, echo and sleep alone are supported"
        ));
    }
    of_words(words)
}

/// The words of a command, if it is one that can be played. What kubectl would say of a verb that it does not
/// know it says when the line is due.
///
/// # Errors
/// Why it is not supported.
pub(super) fn of_words(words: Vec<String>) -> Result<Vec<String>, String> {
    let first = words.first().map_or("", String::as_str);
    match first {
        "echo" => Ok(words),
        "sleep" => match words.as_slice() {
            [_, length] if seconds(length).is_some() => Ok(words),
            _ => Err(format!("{:?}: sleep takes a number of seconds", words.join(" "))),
        },
        _ if first == "kubectl" || first.ends_with("/kubectl") => {
            match kubectl::unsupported(&words[1..]) {
                Some(why) => Err(why),
                None => Ok(words),
            }
        }
        first => Err(format!(
            "{first:?} is not supported: nothing of a host is executed; lines of kubectl, echo and sleep are"
        )),
    }
}

/// How long `sleep` with this argument takes.
pub(in crate::scenario) fn seconds(written: &str) -> Option<Duration> {
    match written.parse::<u32>() {
        Ok(seconds) => Some(Duration::from_secs(seconds.into())),
        Err(_) => length::parse(written).ok(),
    }
}

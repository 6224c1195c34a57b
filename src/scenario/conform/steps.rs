//! The milestones of a step: its exit code, and what a refusal says.

use std::sync::LazyLock;

use regex::Regex;

use super::reduce::{Context, Units};
use super::text::compiled;
use super::trace_file::StepLine;

/// Where the dump of a whole object begins inside an error text.
static DUMP: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r#"Invalid value: (?:core\.|\{"(?:labels|metadata|Volumes)|batch\.|apps\.)"#)
});

/// A line that continues such a dump.
static DUMP_LINE: LazyLock<Regex> =
    LazyLock::new(|| compiled(r#"^[-+ ]? *("|core\.|\.\.\.|[\]})])"#));

/// Adds the milestones of a step.
pub(super) fn reduce(cx: &Context<'_>, step: &StepLine, units: &mut Units) {
    let arg: String = step.arg.chars().take(60).collect();
    let key = format!("Step {} ({} {} {arg})", step.step, step.at, step.action);
    let unit = units.unit(&key, &key);
    unit.terminal(format!("exit code {}", step.rc));
    if step.failed {
        unit.terminal(format!("says {}", refusal(&step.stderr, |s| cx.text(s))));
    }
}

/// The significant part of an error text: without warnings, dumps of Go structures and
/// repetitions.
fn refusal(stderr: &str, text: impl Fn(&str) -> String) -> String {
    let mut lines: Vec<String> = Vec::new();
    let ends_line = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    for line in stderr.split(ends_line) {
        let mut line = text(line);
        if line.is_empty() || line.starts_with("Warning:") || line.starts_with("@@") {
            continue;
        }
        if let Some(dump) = DUMP.find(&line) {
            let tail = line.rfind("}: ").filter(|at| *at > 0).map_or("", |at| &line[at + 1..]);
            line = format!("{}Invalid value: OBJECT{tail}", &line[..dump.start()]);
        }
        if !DUMP_LINE.is_match(&line) && !lines.contains(&line) {
            lines.push(line);
        }
    }
    let evicting = |l: &String| l.starts_with("error when evicting") || l.contains("evicting pod");
    if lines.iter().any(evicting) {
        lines.sort();
    }
    lines.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stderr: &str, says: &str) {
        assert_eq!(refusal(stderr, |s| s.trim().to_owned()), says);
    }

    #[test]
    fn a_refusal_is_what_remains_without_warnings_and_dumps() {
        check("Warning: old\nThe Job \"j\" is invalid\n", "The Job \"j\" is invalid");
        check("no\nno\nyes", "no | yes");
        check(
            "spec: Invalid value: core.PodSpec{A:\"x\", B:{C:1}}: field is immutable",
            "spec: Invalid value: OBJECT: field is immutable",
        );
        check("changed:\n@@ -1 +1 @@\n- \"a\": 1\n+ ... // 3 more\n  }", "changed:");
    }

    #[test]
    fn evictions_are_told_in_any_order() {
        check("evicting pod b\nevicting pod a", "evicting pod a | evicting pod b");
    }
}

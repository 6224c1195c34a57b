//! Lines as text: columns, and colours on a terminal.

use super::words::clock;
use super::{Line, Tone};
use crate::base::time::SimTime;

/// How lines are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether colours may be used.
    pub colour: bool,
    /// When the run started: times are told since then.
    pub start: SimTime,
}

/// The width of the time column.
const CLOCK: usize = 11;
/// The width of the object column; longer names push the text on.
const OBJECT: usize = 36;

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

/// A line with its end.
pub fn render(line: &Line, style: Style) -> String {
    let clock = clock(line.at, style.start);
    let object = match line.container.as_str() {
        "" => line.object.clone(),
        container => format!("{} {container}", line.object),
    };
    let (mark, colour) = look(line.tone);
    let text = printable(&line.text);
    if line.tone == Tone::Step {
        let row = format!("{clock:>CLOCK$}  {mark} {text}");
        return paint(&row, &format!("{BOLD}{CYAN}"), style) + "\n";
    }
    if line.object.is_empty() {
        return format!("{clock:>CLOCK$}  {}\n", paint(&format!("{mark} {text}"), colour, style));
    }
    let told = format!("{mark} {text}");
    format!(
        "{}  {object:<OBJECT$} {}\n",
        paint(&format!("{clock:>CLOCK$}"), DIM, style),
        paint(told.trim_end(), colour, style),
    )
}

/// The mark and colour of a tone.
const fn look(tone: Tone) -> (&'static str, &'static str) {
    match tone {
        Tone::Step => ("$", ""),
        Tone::Progress => ("·", ""),
        Tone::Good => ("✓", GREEN),
        Tone::Waiting => ("…", YELLOW),
        Tone::Bad => ("✗", RED),
        Tone::Ended => ("-", DIM),
        Tone::Output => ("│", CYAN),
        Tone::ErrorOutput => ("│", YELLOW),
        Tone::Quiet => (" ", DIM),
    }
}

fn paint(text: &str, colour: &str, style: Style) -> String {
    if style.colour && !colour.is_empty() {
        format!("{colour}{text}{RESET}")
    } else {
        text.to_owned()
    }
}

/// The text without control characters: a container must not steer the user's terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_plain_in_a_pipe_and_coloured_on_a_terminal() {
        let line = Line {
            at: SimTime::from_secs(1001),
            object: "pod/web-0".to_owned(),
            container: "nginx".to_owned(),
            tone: Tone::Bad,
            text: "exited 1\x1b[2J".to_owned(),
        };
        let style = |colour| Style { colour, start: SimTime::from_secs(1000) };
        let plain = render(&line, style(false));
        assert_eq!(
            plain,
            "     1.000s  pod/web-0 nginx                      ✗ exited 1\u{fffd}[2J\n"
        );
        assert!(render(&line, style(true)).contains("\x1b[31m✗ exited 1"));
    }
}

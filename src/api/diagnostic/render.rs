//! Diagnostics as text: drawn with `miette` for a terminal, as plain lines for a pipe.
//!
//! The plain form begins with `file:line:column: error[code]:`, which editors and `grep` understand,
//! and underlines with ASCII. Only the lines concerned are shown, and of long lines only the part
//! around the place; characters that could steer a terminal are replaced.

use std::fmt::Write as _;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};

use super::{Diagnostic, Location, Severity};

/// How diagnostics are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Plain lines, for pipes and logs.
    Plain,
    /// Frames and arrows, for terminals.
    Fancy {
        /// Whether to use colours.
        colour: bool,
        /// The width of the terminal, in characters.
        width: usize,
    },
}

/// Draws all of `diagnostics` and a line that counts them.
pub fn render(diagnostics: &[Diagnostic], style: Style) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        match style {
            Style::Plain => plain(diagnostic, &mut text),
            Style::Fancy { colour, width } => fancy(diagnostic, colour, width, &mut text),
        }
        text.push('\n');
    }
    if diagnostics.len() > 1 {
        text.push_str(&count(diagnostics));
        text.push('\n');
    }
    text
}

/// `2 errors, 1 warning`
pub fn count(diagnostics: &[Diagnostic]) -> String {
    let mut parts = Vec::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let number = diagnostics.iter().filter(|d| d.severity == severity).count();
        if number > 0 {
            let s = if number == 1 { "" } else { "s" };
            parts.push(format!("{number} {}{s}", severity.as_str()));
        }
    }
    parts.join(", ")
}

/// Everything that is told below the message: a name and a text each.
fn details(diagnostic: &Diagnostic) -> Vec<(&'static str, &str)> {
    let parts = [
        ("object", &diagnostic.object),
        ("field", &diagnostic.path),
        ("expected", &diagnostic.expected),
        ("server", &diagnostic.server),
        ("note", &diagnostic.note),
        ("hint", &diagnostic.hint),
    ];
    parts.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?))).collect()
}

fn plain(diagnostic: &Diagnostic, text: &mut String) {
    let _ = writeln!(text, "{diagnostic}");
    let snippet = diagnostic.location.as_ref().map(Snippet::new);
    let width = snippet.as_ref().map_or(0, |snippet| snippet.line.to_string().len());
    if let Some(snippet) = &snippet {
        let before: String = snippet.text[..snippet.from]
            .chars()
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let marks = "^".repeat(snippet.text[snippet.from..snippet.to].chars().count().max(1));
        let _ = writeln!(text, "{:width$} |", "");
        let _ = writeln!(text, "{} | {}", snippet.line, snippet.text);
        let _ = writeln!(text, "{:width$} | {before}{marks}", "");
    }
    for (location, why) in &diagnostic.related {
        let _ = writeln!(text, "{:width$} = {location}: {why}", "");
    }
    for (name, detail) in details(diagnostic) {
        let indent = " ".repeat(width + name.len() + 5);
        let lines = detail.trim_end().replace('\n', &format!("\n{indent}"));
        let _ = writeln!(text, "{:width$} = {name}: {lines}", "");
    }
}

fn fancy(diagnostic: &Diagnostic, colour: bool, width: usize, text: &mut String) {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(width).with_links(false);
    let report = Report {
        diagnostic,
        snippet: diagnostic.location.as_ref().map(Snippet::new),
        help: help(diagnostic),
    };
    if handler.render_report(text, &report).is_err() {
        plain(diagnostic, text);
    }
}

fn help(diagnostic: &Diagnostic) -> String {
    let mut lines: Vec<String> =
        diagnostic.related.iter().map(|(location, why)| format!("{location}: {why}")).collect();
    lines.extend(details(diagnostic).iter().map(|(name, detail)| format!("{name}: {detail}")));
    lines.join("\n")
}

/// The line of a location, cut to what fits, and the part to underline as byte offsets.
struct Snippet {
    name: String,
    line: u32,
    column: u32,
    text: String,
    from: usize,
    to: usize,
}

impl Snippet {
    /// Characters shown before and after the place in a long line.
    const AROUND: usize = 60;

    fn new(location: &Location) -> Self {
        let text = location.source.text();
        let place = location.place();
        let at = floor(text, location.span.start as usize);
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[at..].find('\n').map_or(text.len(), |length| at + length);
        let end = floor(text, (location.span.end as usize).clamp(at, line_end));
        let before = &text[line_start..at];
        let part = &text[at..end];
        let after = text[end..line_end].trim_end_matches('\r');
        let (part, after) = match part.char_indices().nth(Self::AROUND * 2) {
            Some((cut, _)) => (&part[..cut], ""),
            None => (part.trim_end(), after),
        };
        let cut_before = before.chars().count() > Self::AROUND * 2;
        let skipped = before.char_indices().rev().nth(Self::AROUND).map_or(0, |(index, _)| index);
        let before = if cut_before { &before[skipped..] } else { before };
        let cut_after = after.char_indices().nth(Self::AROUND * 2).map(|(index, _)| index);
        let mut shown = String::new();
        if cut_before {
            shown.push('…');
        }
        shown.extend(before.chars().map(tame));
        let from = shown.len();
        shown.extend(part.chars().map(tame));
        let to = shown.len();
        shown.extend(after[..cut_after.unwrap_or(after.len())].chars().map(tame));
        if cut_after.is_some() {
            shown.push('…');
        }
        let name = location.source.name().to_owned();
        Self { name, line: place.line, column: place.column, text: shown, from, to }
    }
}

/// A character as it may be shown on a terminal.
fn tame(c: char) -> char {
    if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `miette` is shown one line under its true number and column.
impl SourceCode for Snippet {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let span = SourceSpan::new(0.into(), self.text.len());
        let name = format!("{}:{}:{}", self.name, self.line, self.column);
        let line = self.line as usize - 1;
        Ok(Box::new(MietteSpanContents::new_named(name, self.text.as_bytes(), span, line, 0, 1)))
    }
}

/// A diagnostic as `miette` wants it.
struct Report<'d> {
    diagnostic: &'d Diagnostic,
    snippet: Option<Snippet>,
    help: String,
}

impl std::fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Note => miette::Severity::Advice,
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        (!self.help.is_empty()).then(|| Box::new(&self.help) as Box<dyn std::fmt::Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.snippet.as_ref().map(|snippet| snippet as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let snippet = self.snippet.as_ref()?;
        let length = snippet.to - snippet.from;
        Some(Box::new(std::iter::once(LabeledSpan::new(None, snippet.from, length))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::diagnostic::Code;
    use crate::api::source::{Source, Span};

    fn sample() -> Diagnostic {
        let source = Source::new("web.yaml", "spec:\n  é: 1\n  replica: 3\n");
        Diagnostic::new(Code::UnknownField, "unknown field \"spec.replica\"")
            .at(&source, Span::new(16, 23))
            .object("Deployment/web")
            .path("spec.replica")
            .hint("did you mean \"replicas\"?")
    }

    #[test]
    fn the_plain_form_can_be_grepped_and_underlines() {
        let text = render(&[sample()], Style::Plain);
        assert_eq!(
            text,
            "web.yaml:3:3: error[unknown-field]: unknown field \"spec.replica\"\n  |\n\
             3 |   replica: 3\n  |   ^^^^^^^\n  = object: Deployment/web\n  \
             = field: spec.replica\n  = hint: did you mean \"replicas\"?\n\n"
        );
    }

    #[test]
    fn the_fancy_form_has_colour_only_when_told() {
        let check = |colour| {
            let text = render(&[sample()], Style::Fancy { colour, width: 80 });
            assert_eq!(text.contains('\u{1b}'), colour, "{text}");
            let bare: String = text.chars().filter(|c| *c != '\u{1b}').collect();
            assert!(bare.contains("web.yaml:3:3"), "{text}");
            assert!(bare.contains("did you mean"), "{text}");
        };
        check(false);
        check(true);
    }

    #[test]
    fn long_lines_are_cut_and_control_characters_tamed() {
        let line = format!("{}\u{1b}[31mred{}", "a".repeat(5000), "b".repeat(5000));
        let source = Source::new("x.json", line);
        let diagnostic = Diagnostic::new(Code::NotText, "odd").at(&source, Span::new(5000, 5001));
        for style in [Style::Plain, Style::Fancy { colour: false, width: 400 }] {
            let text = render(std::slice::from_ref(&diagnostic), style);
            assert!(text.len() < 1500 && !text.contains('\u{1b}'), "{text}");
            assert!(text.contains("x.json:1:5001"), "{text}");
        }
    }

    #[test]
    fn places_past_the_end_and_empty_texts_are_drawn() {
        let source = Source::new("x.yaml", "");
        let diagnostic = Diagnostic::new(Code::YamlSyntax, "odd").at(&source, Span::new(7, 9));
        for style in [Style::Plain, Style::Fancy { colour: false, width: 80 }] {
            assert!(render(std::slice::from_ref(&diagnostic), style).contains("x.yaml:1:1"));
        }
    }
}

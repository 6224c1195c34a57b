//! Pictures of a sweep: what became of the runs over the first parameter, a line for each combination of the
//! others. One SVG that stands by itself, in the colours of whoever shows it, light or dark.

use std::fmt::Write as _;
use std::time::Duration;

use super::rows::Rows;
use super::summary::{points, quantile};
use crate::report::markup::escaped;
use crate::report::timeline::duration;
use crate::scenario::sweep::{Row, Verdict};

const WIDTH: i64 = 720;
const HEIGHT: i64 = 180;
const LEFT: i64 = 84;
const RIGHT: i64 = 16;
const TOP: i64 = 34;
const BOTTOM: i64 = 34;
/// More lines than this are not told apart.
const MOST_LINES: usize = 8;
/// Told apart by those who do not see all colours as well (Okabe and Ito).
const COLOURS: [&str; MOST_LINES] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f", "#b8a800"];

/// One panel: its title, what a point has there, how a value is written.
struct Panel {
    title: &'static str,
    value: fn(&[&Row]) -> Option<i64>,
    shown: fn(i64) -> String,
}

fn milliseconds(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 2)
}

fn as_duration(value: i64) -> String {
    duration(Duration::from_millis(value.unsigned_abs()))
}

const PANELS: [Panel; 4] = [
    Panel {
        title: "Runs in which everything that is expected holds",
        value: |of| {
            let passed = of.iter().filter(|r| r.verdict == Verdict::Passed).count();
            i64::try_from(passed * 100 / of.len().max(1)).ok()
        },
        shown: |v| format!("{v}%"),
    },
    Panel {
        title: "Until every workload had all its pods, median of the seeds",
        value: |of| {
            quantile(of.iter().filter_map(|r| r.ready_after).collect(), 50).map(milliseconds)
        },
        shown: as_duration,
    },
    Panel {
        title: "Without a ready pod, the longest of the seeds",
        value: |of| of.iter().map(|r| milliseconds(r.downtime)).max(),
        shown: as_duration,
    },
    Panel {
        title: "Pods without a node at the end, the most of the seeds",
        value: |of| of.iter().map(|r| i64::try_from(r.pending).unwrap_or(i64::MAX / 2)).max(),
        shown: |v| v.to_string(),
    },
];

/// A line: what it is called, and its points as places on the axis and rows.
struct Line<'r> {
    name: String,
    points: Vec<(usize, Vec<&'r Row>)>,
}

/// The picture.
pub(super) fn svg(rows: &Rows) -> String {
    let all = points(rows);
    let mut axis: Vec<String> = Vec::new();
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (values, of) in all {
        let (first, others) = values.split_first().map_or(("", values), |(f, o)| (f.as_str(), o));
        let place = axis.iter().position(|v| v == first).unwrap_or_else(|| {
            axis.push(first.to_owned());
            axis.len() - 1
        });
        let named = rows.parameters.iter().skip(1).zip(others).map(|(p, v)| format!("{p}={v}"));
        let name = named.collect::<Vec<_>>().join(" ");
        match lines.iter_mut().find(|l| l.name == name) {
            Some(line) => line.points.push((place, of)),
            None => lines.push(Line { name, points: vec![(place, of)] }),
        }
    }
    let shown = lines.len().min(MOST_LINES);
    let legend = if lines.len() > 1 { 22 * i64::try_from(shown + 1).unwrap_or(0) } else { 0 };
    let height = HEIGHT * i64::try_from(PANELS.len()).unwrap_or(0) + legend;
    let parameter = rows.parameters.first().map_or("", String::as_str);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{} runs over {}\">\n{STYLE}",
        rows.rows.len(),
        escaped(parameter)
    );
    for (i, panel) in (0..).zip(&PANELS) {
        draw(&mut out, panel, HEIGHT * i, parameter, &axis, &lines[..shown]);
    }
    if legend > 0 {
        let base = HEIGHT * i64::try_from(PANELS.len()).unwrap_or(0);
        for ((i, line), colour) in (0_i64..).zip(&lines[..shown]).zip(COLOURS) {
            let y = base + 22 * i + 12;
            let name = escaped(&line.name);
            put(
                &mut out,
                format_args!(
                    "<path class=\"line\" stroke=\"{colour}\" d=\"M{LEFT} {y}h24\"/><text x=\"{}\" y=\"{}\">{name}</text>\n",
                    LEFT + 32,
                    y + 4
                ),
            );
        }
        if lines.len() > shown {
            put(
                &mut out,
                format_args!(
                    "<text class=\"quiet\" x=\"{LEFT}\" y=\"{}\">{} more are not drawn</text>\n",
                    base + legend - 6,
                    lines.len() - shown
                ),
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

const STYLE: &str = "<style>text{font:12px system-ui,sans-serif;fill:#1b1f24}.title{font-weight:600}.quiet{fill:#57606a}\
.axis{stroke:#8c959f;fill:none}.line{fill:none;stroke-width:2}rect.page{fill:#fff}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9da7b3}rect.page{fill:#0d1117}}</style>\n\
<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n";

fn draw(
    out: &mut String,
    panel: &Panel,
    top: i64,
    parameter: &str,
    axis: &[String],
    lines: &[Line<'_>],
) {
    let value = |of: &Vec<&Row>| (panel.value)(of);
    let most = lines
        .iter()
        .flat_map(|l| &l.points)
        .filter_map(|(_, of)| value(of))
        .max()
        .unwrap_or(0)
        .max(1);
    let (low, high) = (top + HEIGHT - BOTTOM, top + TOP);
    let x = |place: usize| {
        let (place, steps) =
            (i64::try_from(place).unwrap_or(0), i64::try_from(axis.len()).unwrap_or(1) - 1);
        LEFT + (WIDTH - LEFT - RIGHT) * place / steps.max(1)
    };
    let y = |value: i64| low - (low - high) * value / most;
    put(
        out,
        format_args!(
            "<text class=\"title\" x=\"{LEFT}\" y=\"{}\">{}</text>\n",
            top + 20,
            panel.title
        ),
    );
    put(out, format_args!("<path class=\"axis\" d=\"M{LEFT} {high}V{low}H{}\"/>\n", WIDTH - RIGHT));
    for (value, y) in [(0, low), (most, high)] {
        put(
            out,
            format_args!(
                "<text class=\"quiet\" text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text>\n",
                LEFT - 8,
                y + 4,
                (panel.shown)(value)
            ),
        );
    }
    let last = axis.len().saturating_sub(1);
    for place in [0, last / 2, last].iter().take(axis.len().min(3)) {
        let anchor = if *place == 0 {
            "start"
        } else if *place == last {
            "end"
        } else {
            "middle"
        };
        let label =
            if *place == 0 { format!("{parameter} {}", axis[0]) } else { axis[*place].clone() };
        put(
            out,
            format_args!(
                "<text class=\"quiet\" text-anchor=\"{anchor}\" x=\"{}\" y=\"{}\">{}</text>\n",
                x(*place),
                low + 18,
                escaped(label.trim())
            ),
        );
    }
    for (line, colour) in lines.iter().zip(COLOURS) {
        let mut path = String::new();
        let mut pen = 'M';
        for (place, of) in &line.points {
            let Some(value) = value(of) else {
                pen = 'M';
                continue;
            };
            let (x, y) = (x(*place), y(value));
            put(&mut path, format_args!("{pen}{x} {y}"));
            pen = 'L';
            let name = escaped(&format!("{} {} {}", axis[*place], line.name, (panel.shown)(value)));
            put(
                out,
                format_args!(
                    "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{colour}\"><title>{name}</title></circle>\n"
                ),
            );
        }
        put(out, format_args!("<path class=\"line\" stroke=\"{colour}\" d=\"{path}\"/>\n"));
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("memory takes everything");
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::sample;
    use super::*;

    #[test]
    fn a_picture_has_a_panel_for_each_measure_and_a_gap_where_nothing_is_known() {
        let picture = svg(&sample(0..6));
        assert_eq!(picture.matches("class=\"title\"").count(), PANELS.len());
        // Of three points one was never ready in one of two runs: it still has a median.
        assert_eq!(picture.matches("<circle").count(), 3 * PANELS.len());
        assert!(picture.contains("cluster.nodes 3") && !picture.contains("a, \"b\""), "{picture}");
        assert_eq!(svg(&sample(4..5)).matches("<circle").count(), PANELS.len() - 1);
    }
}

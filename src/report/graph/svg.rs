//! A graph as SVG: one file without scripts, in the colours that the reader's screen asks for.

use std::fmt::Write as _;

use super::Graph;
use super::layout::{self, LABEL, Lane, Placed, Places};
use crate::report::markup::escaped;

const STYLE: &str = "
  text { font: 13px ui-monospace, Menlo, Consolas, monospace; fill: #1c2128 }
  .title { font: 600 15px system-ui, sans-serif }
  .label { font-size: 11px; fill: #57606a }
  .on { stroke: #ffffff; stroke-width: 4; stroke-linejoin: round; paint-order: stroke }
  .back { fill: #ffffff }
  rect { stroke-width: 1.5 }
  .good { fill: #e3f4e6; stroke: #1a7f37 } .waiting { fill: #fff4d6; stroke: #8a5a00 }
  .bad { fill: #ffe3e0; stroke: #b3261e } .plain { fill: #f1f3f6; stroke: #57606a }
  .arrow { fill: none; stroke: #57606a; stroke-width: 1.5 } .circle { stroke: #b3261e; stroke-width: 2.5 }
  .head { fill: #57606a } .headc { fill: #b3261e }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .label { fill: #a9b3be } .on { stroke: #0d1117 } .back { fill: #0d1117 }
    .good { fill: #12301b; stroke: #4cc26a } .waiting { fill: #37290a; stroke: #e3b341 }
    .bad { fill: #42151a; stroke: #ff8b82 } .plain { fill: #1c2330; stroke: #a9b3be }
    .arrow { stroke: #a9b3be } .circle { stroke: #ff8b82 } .head { fill: #a9b3be } .headc { fill: #ff8b82 }
  }
";

/// The graph as a picture.
pub fn svg(graph: &Graph) -> String {
    let Places { boxes: places, lanes, width, height } = layout::places(graph);
    let title = graph.told();
    let width = width.max(u32::try_from(title.chars().count()).unwrap_or(0) * 9 + 60);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">{title}</title>\n\
         <style>{STYLE}</style>\n<defs>\n"
    );
    for (id, class) in [("head", "head"), ("headc", "headc")] {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "<marker id=\"{id}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" \
             markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0 10 5 0 10z\" class=\"{class}\"/></marker>"
        );
    }
    out.push_str("</defs>\n");
    let _ = writeln!(out, "<path class=\"back\" d=\"M0 0h{width}v{height}h-{width}z\"/>");
    let _ = writeln!(
        out,
        "<text class=\"title\" x=\"{}\" y=\"30\">{}</text>",
        layout::MARGIN,
        escaped(&title)
    );
    for (arrow, lanes) in graph.arrows.iter().zip(&lanes) {
        self::arrow((&places[arrow.from], &places[arrow.to]), lanes, arrow, &mut out);
    }
    for (b, place) in graph.boxes.iter().zip(&places) {
        let Placed { x, y, width, height } = place;
        let _ = writeln!(
            out,
            "<g><title>{}</title><rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"7\"/>",
            escaped(&b.lines.join(", ")),
            b.tone.as_str()
        );
        for (line, n) in b.lines.iter().zip(0..) {
            let class = if n == 0 { "" } else { " class=\"label\"" };
            let (x, y) = (x + 12, y + 22 + n * 18);
            let _ = writeln!(out, "<text{class} x=\"{x}\" y=\"{y}\">{}</text>", escaped(line));
        }
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn arrow((from, to): (&Placed, &Placed), lanes: &[Lane], arrow: &super::Arrow, out: &mut String) {
    let (class, head) = if arrow.in_circle { ("arrow circle", "headc") } else { ("arrow", "head") };
    let forward = to.x > from.x + from.width;
    // A little above the middle one way and below it the other: arrows both ways do not cover each other.
    let shift = |p: &Placed| i64::from(p.y + p.height / 2) + if forward { -4 } else { 6 };
    let (left, right) = (|p: &Placed| i64::from(p.x), |p: &Placed| i64::from(p.x + p.width));
    let start = (if forward { right(from) } else { left(from) }, shift(from));
    // Within a column it goes around on the left.
    let around = !forward && from.x == to.x;
    let end = (if forward || around { left(to) } else { right(to) }, shift(to));
    let mut path = format!("M{} {}", start.0, start.1);
    // Where a curve begins and ends; between curves it goes straight through a lane.
    let mut curves = vec![start];
    let crossed = |lane: &Lane| {
        let (a, b) = (i64::from(lane.x), i64::from(lane.x + lane.width));
        if forward {
            [(a, i64::from(lane.y)), (b, i64::from(lane.y))]
        } else {
            [(b, i64::from(lane.y)), (a, i64::from(lane.y))]
        }
    };
    match forward {
        true => curves.extend(lanes.iter().flat_map(crossed)),
        false => curves.extend(lanes.iter().rev().flat_map(crossed)),
    }
    curves.push(end);
    for pair in curves.chunks(2) {
        let [(x1, y1), (x2, y2)] = pair else { continue };
        let bend = (x1.abs_diff(*x2) / 2).max(if lanes.is_empty() { 40 } else { 16 });
        let bend = i64::try_from(bend).unwrap_or(0);
        let (c1, c2) = match (forward, around) {
            (true, _) => (x1 + bend, x2 - bend),
            (false, true) => (x1 - 46, x2 - 46),
            (false, false) => (x1 - bend, x2 + bend),
        };
        // Writing to a string cannot fail.
        let _ = write!(
            path,
            "{}C{c1} {y1} {c2} {y2} {x2} {y2}",
            if path.contains('C') { format!("L{x1} {y1}") } else { String::new() }
        );
    }
    let _ = writeln!(out, "<path class=\"{class}\" marker-end=\"url(#{head})\" d=\"{path}\"/>");
    if arrow.label.is_empty() {
        return;
    }
    let label: String = if arrow.label.chars().count() > LABEL {
        arrow.label.chars().take(LABEL - 1).chain(['…']).collect()
    } else {
        arrow.label.clone()
    };
    // Room is kept for it after the column on the left.
    let at = if forward { 0 } else { curves.len() - 2 };
    let ((x1, y1), (x2, y2)) = (curves[at], curves[at + 1]);
    let (x, y) = (i64::midpoint(x1, x2), i64::midpoint(y1, y2));
    let y = if forward { y - 5 } else { y + 15 };
    let _ = writeln!(
        out,
        "<text class=\"label on\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
        escaped(&label)
    );
}

//! A graph as SVG: one file without scripts, in the colours that the reader's screen asks for.

use std::fmt::Write as _;

use super::Graph;
use super::layout::{self, LABEL, Placed};
use crate::report::markup::escaped;

const STYLE: &str = "
  text { font: 13px ui-monospace, Menlo, Consolas, monospace; fill: #1c2128 }
  .title { font: 600 15px system-ui, sans-serif }
  .label { font-size: 11px; fill: #57606a }
  .back { fill: #ffffff }
  rect { stroke-width: 1.5 }
  .good { fill: #e3f4e6; stroke: #1a7f37 } .waiting { fill: #fff4d6; stroke: #8a5a00 }
  .bad { fill: #ffe3e0; stroke: #b3261e } .plain { fill: #f1f3f6; stroke: #57606a }
  .arrow { fill: none; stroke: #57606a; stroke-width: 1.5 } .circle { stroke: #b3261e; stroke-width: 2.5 }
  .head { fill: #57606a } .headc { fill: #b3261e }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .label { fill: #a9b3be } .back { fill: #0d1117 }
    .good { fill: #12301b; stroke: #4cc26a } .waiting { fill: #37290a; stroke: #e3b341 }
    .bad { fill: #42151a; stroke: #ff8b82 } .plain { fill: #1c2330; stroke: #a9b3be }
    .arrow { stroke: #a9b3be } .circle { stroke: #ff8b82 } .head { fill: #a9b3be } .headc { fill: #ff8b82 }
  }
";

/// The graph as a picture.
pub fn svg(graph: &Graph) -> String {
    let (places, width, height) = layout::places(graph);
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
    for arrow in &graph.arrows {
        self::arrow(&places[arrow.from], &places[arrow.to], arrow, &mut out);
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

fn arrow(from: &Placed, to: &Placed, arrow: &super::Arrow, out: &mut String) {
    let (class, head) = if arrow.in_circle { ("arrow circle", "headc") } else { ("arrow", "head") };
    let forward = to.x > from.x + from.width;
    // A little above the middle one way and below it the other: arrows both ways do not cover each other.
    let shift = |p: &Placed| if forward { p.y + p.height / 2 - 4 } else { p.y + p.height / 2 + 6 };
    let (x1, y1) = (if forward { from.x + from.width } else { from.x }, shift(from));
    let (x2, y2) = (if forward { to.x } else { to.x + to.width }, shift(to));
    let bend = (x1.abs_diff(x2) / 2).max(40);
    let (c1, c2) = match (forward, from.x == to.x) {
        (true, _) => (i64::from(x1 + bend), i64::from(x2) - i64::from(bend)),
        // Within a column it goes around on the left.
        (false, true) => (i64::from(x1) - 46, i64::from(to.x) - 46),
        (false, false) => (i64::from(x1) - i64::from(bend), i64::from(x2 + bend)),
    };
    let x2 = if !forward && from.x == to.x { to.x } else { x2 };
    let _ = writeln!(
        out,
        "<path class=\"{class}\" marker-end=\"url(#{head})\" d=\"M{x1} {y1}C{c1} {y1} {c2} {y2} {x2} {y2}\"/>"
    );
    if arrow.label.is_empty() {
        return;
    }
    let label: String = if arrow.label.chars().count() > LABEL {
        arrow.label.chars().take(LABEL - 1).chain(['…']).collect()
    } else {
        arrow.label.clone()
    };
    let (x, y) =
        (i64::midpoint(i64::from(x1), i64::from(x2)), i64::midpoint(i64::from(y1), i64::from(y2)));
    let y = if forward { y - 5 } else { y + 15 };
    let _ = writeln!(
        out,
        "<text class=\"label\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
        escaped(&label)
    );
}

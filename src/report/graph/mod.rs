//! Pictures of a cluster as graphs: who manages whom, and what waits for what.
//!
//! A [`Graph`] is made of the store or of a [`WaitGraph`] and written as DOT, as Mermaid, or drawn as SVG
//! ([`layout`] says where everything stands). All three show the same, in an order that names decide.

mod layout;
mod svg;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::stuck::WaitGraph;
use super::timeline::name;
use crate::model::{Kind, Object, Phase, Ref};
use crate::store::Store;

pub use svg::svg;

/// No picture has more boxes than this.
pub const MOST: usize = 2_000;

/// How a box is painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// On its way, or not as it should be.
    Waiting,
    /// Where waiting ends, or what has failed.
    Bad,
    /// What neither is said of.
    Plain,
}

impl Tone {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Waiting => "waiting",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }

    /// Fill and border, for formats without style sheets.
    const fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Good => ("#e3f4e6", "#1a7f37"),
            Self::Waiting => ("#fff4d6", "#8a5a00"),
            Self::Bad => ("#ffe3e0", "#b3261e"),
            Self::Plain => ("#f1f3f6", "#57606a"),
        }
    }
}

/// One box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its lines; the first is the object's name.
    pub lines: Vec<String>,
    /// How it is painted.
    pub tone: Tone,
}

/// An arrow between two boxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The place of the box from which it goes.
    pub from: usize,
    /// The place of the box to which it goes.
    pub to: usize,
    /// What stands beside it; may be empty.
    pub label: String,
    /// Whether it is part of a circle.
    pub in_circle: bool,
}

/// A graph to be written or drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// What it shows.
    pub title: String,
    /// The boxes.
    pub boxes: Vec<Card>,
    /// The arrows.
    pub arrows: Vec<Arrow>,
    /// How many boxes were left out.
    pub left_out: usize,
}

/// Who manages whom, of the objects of these namespaces; all but the system's where none are given.
pub fn ownership(store: &Store, namespaces: &[String]) -> Graph {
    let wanted = |o: &Object| {
        let namespace = o.meta().namespace.as_str();
        match namespaces {
            [] => !matches!(namespace, "kube-system" | "kube-public" | "kube-node-lease" | ""),
            some => some.iter().any(|n| n == namespace),
        }
    };
    let mut objects: Vec<&Object> =
        Kind::ALL.iter().flat_map(|k| store.list(*k)).filter(|o| wanted(o)).collect();
    let owned: BTreeSet<_> =
        objects.iter().flat_map(|o| o.meta().owners.iter().map(|r| r.uid)).collect();
    objects.retain(|o| {
        !o.meta().owners.is_empty() || owned.contains(&o.meta().uid) || o.kind() == Kind::Pod
    });
    objects.sort_by_key(|o| o.reference());
    let left_out = objects.len().saturating_sub(MOST);
    objects.truncate(MOST);
    let places: BTreeMap<_, usize> =
        objects.iter().zip(0..).map(|(o, i)| (o.meta().uid, i)).collect();
    let boxes = objects.iter().map(|o| Card { lines: lines(o), tone: tone(o) }).collect();
    let mut arrows = Vec::new();
    for (to, object) in objects.iter().enumerate() {
        for owner in &object.meta().owners {
            if let Some(from) = places.get(&owner.uid) {
                let label = if owner.controller { String::new() } else { "owns".to_owned() };
                arrows.push(Arrow { from: *from, to, label, in_circle: false });
            }
        }
    }
    Graph { title: "who manages whom".to_owned(), boxes, arrows, left_out }
}

/// What waits for what.
pub fn waits(graph: &WaitGraph, store: &Store) -> Graph {
    let all: Vec<&Ref> = graph.objects().collect();
    let left_out = all.len().saturating_sub(MOST);
    let shown: Vec<&Ref> = all.into_iter().take(MOST).collect();
    let places: BTreeMap<&Ref, usize> = shown.iter().copied().zip(0..).collect();
    let circles = graph.circles();
    let boxes = shown.iter().map(|of| {
        let mut lines = vec![name(of)];
        if store.find(of).is_none() {
            lines.push("does not exist".to_owned());
        }
        let roots = graph.roots_at(of);
        lines.extend(roots.iter().map(|root| root.code.as_str().to_owned()));
        let circular = circles.iter().any(|c| c.contains(of));
        let tone = if roots.is_empty() && !circular { Tone::Waiting } else { Tone::Bad };
        Card { lines, tone }
    });
    let boxes = boxes.collect();
    let mut arrows = Vec::new();
    for of in &shown {
        for (to, why) in graph.waits_for(of) {
            let Some(place) = places.get(to) else { continue };
            let in_circle = circles.iter().any(|c| c.contains(of) && c.contains(to));
            arrows.push(Arrow { from: places[of], to: *place, label: why.to_owned(), in_circle });
        }
    }
    Graph { title: "what waits for what".to_owned(), boxes, arrows, left_out }
}

fn lines(object: &Object) -> Vec<String> {
    let mut lines = vec![name(&object.reference())];
    if let Object::Pod(pod) = object {
        let node = pod.node.as_deref().unwrap_or("no node");
        lines.push(format!("{} on {node}", pod.status.phase.as_str()));
    }
    lines
}

fn tone(object: &Object) -> Tone {
    match object {
        Object::Pod(pod) => match pod.status.phase {
            Phase::Succeeded => Tone::Good,
            Phase::Failed => Tone::Bad,
            _ if pod.is_ready() => Tone::Good,
            _ => Tone::Waiting,
        },
        _ => Tone::Plain,
    }
}

impl Graph {
    /// As DOT, for Graphviz.
    pub fn dot(&self) -> String {
        let mut out = String::from("digraph wavetank {\n");
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  label={:?};", self.told());
        out.push_str("  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n");
        for (i, b) in self.boxes.iter().enumerate() {
            let (fill, border) = b.tone.colours();
            let label = b.lines.iter().map(|l| quoted(l)).collect::<Vec<_>>().join("\\n");
            let _ = writeln!(
                out,
                "  n{i} [label=\"{label}\", fillcolor=\"{fill}\", color=\"{border}\"];"
            );
        }
        for a in &self.arrows {
            let red = if a.in_circle { ", color=\"#b3261e\", penwidth=2" } else { "" };
            let _ =
                writeln!(out, "  n{} -> n{} [label=\"{}\"{red}];", a.from, a.to, quoted(&a.label));
        }
        out.push_str("}\n");
        out
    }

    /// As Mermaid, for Markdown pages.
    pub fn mermaid(&self) -> String {
        let mut out = String::from("flowchart LR\n");
        let plain =
            |text: &str| text.replace('&', "#amp;").replace('"', "#quot;").replace('<', "#lt;");
        for (i, b) in self.boxes.iter().enumerate() {
            let label = b.lines.iter().map(|l| plain(l)).collect::<Vec<_>>().join("<br/>");
            let _ = writeln!(out, "  n{i}[\"{label}\"]:::{}", b.tone.as_str());
        }
        for a in &self.arrows {
            let line = if a.in_circle { "==>" } else { "-->" };
            let label = if a.label.is_empty() {
                String::new()
            } else {
                format!("|\"{}\"|", plain(&a.label))
            };
            let _ = writeln!(out, "  n{} {line}{label} n{}", a.from, a.to);
        }
        for tone in [Tone::Good, Tone::Waiting, Tone::Bad, Tone::Plain] {
            let (fill, border) = tone.colours();
            let _ = writeln!(
                out,
                "  classDef {} fill:{fill},stroke:{border},color:#1c2128",
                tone.as_str()
            );
        }
        out
    }

    /// The title, with what was left out.
    fn told(&self) -> String {
        match self.left_out {
            0 => self.title.clone(),
            n => format!("{} ({n} more objects are left out)", self.title),
        }
    }
}

/// A text inside quotation marks of DOT.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        let boxed = |text: &str, tone| Card {
            lines: vec![text.to_owned(), "a \"b\" <c>".to_owned()],
            tone,
        };
        let arrow = |from, to, in_circle| Arrow { from, to, label: "why".to_owned(), in_circle };
        Graph {
            title: "t".to_owned(),
            boxes: vec![
                boxed("one", Tone::Good),
                boxed("two", Tone::Bad),
                boxed("three", Tone::Plain),
            ],
            arrows: vec![arrow(0, 1, true), arrow(1, 0, true), arrow(1, 2, false)],
            left_out: 0,
        }
    }

    #[test]
    fn all_three_forms_show_every_box_and_arrow_and_escape_their_texts() {
        let (dot, mermaid, svg) = (graph().dot(), graph().mermaid(), svg(&graph()));
        assert!(dot.contains(r#"n1 [label="two\na \"b\" <c>""#), "{dot}");
        assert_eq!(dot.matches(" -> ").count(), 3);
        assert!(mermaid.contains("n1[\"two<br/>a #quot;b#quot; #lt;c>\"]:::bad"), "{mermaid}");
        assert!(mermaid.contains("n0 ==>|\"why\"| n1") && mermaid.contains("n1 -->|\"why\"| n2"));
        assert_eq!(svg.matches("<rect ").count(), 3, "{svg}");
        assert_eq!(svg.matches("class=\"arrow").count(), 3);
        assert!(svg.contains("a &quot;b&quot; &lt;c&gt;"));
    }

    #[test]
    fn a_circle_and_a_large_graph_have_their_places() {
        let mut large = graph();
        large.boxes =
            (0..500).map(|i| Card { lines: vec![format!("box {i}")], tone: Tone::Plain }).collect();
        large.arrows = (1..500)
            .map(|i| Arrow { from: i / 3, to: i, label: String::new(), in_circle: false })
            .collect();
        large.arrows.push(Arrow { from: 499, to: 0, label: String::new(), in_circle: true });
        assert_eq!(svg(&large).matches("<rect ").count(), 500);
    }
}

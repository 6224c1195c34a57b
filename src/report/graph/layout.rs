//! Where the boxes of a graph stand: in columns, each to the right of those that point to it.
//!
//! The way of Sugiyama, in its plainest form: arrows that close a circle are turned for the while, each box
//! stands one column after the last of those before it, and the order within a column follows the middle of
//! a box's neighbours, over a few rounds. Where an arrow passes over columns a lane is kept free for it there.

use super::Graph;

/// A box with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A lane on which an arrow crosses a column: from where, how far, at which height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) x: u32,
    pub(super) width: u32,
    pub(super) y: u32,
}

/// Where everything stands.
#[derive(Debug)]
pub(super) struct Places {
    /// One for each box.
    pub(super) boxes: Vec<Placed>,
    /// For each arrow the lanes that it takes, from left to right.
    pub(super) lanes: Vec<Vec<Lane>>,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The width of a letter.
const LETTER: u32 = 8;
/// The height of a line.
const LINE: u32 = 18;
/// Around the text of a box.
const PADDING: u32 = 12;
/// Between columns at least, and between boxes of one column.
const GAP: (u32, u32) = (64, 22);
/// Around everything.
pub(super) const MARGIN: u32 = 24;
/// No more lanes than this are kept free; further arrows go straight.
const LANES: usize = 4_000;
/// Rounds of ordering.
const ROUNDS: usize = 6;
/// A label beside an arrow is not longer than this.
pub(super) const LABEL: usize = 44;

/// The places of all boxes and arrows, and the size of the picture.
pub(super) fn places(graph: &Graph) -> Places {
    let arrows = forward(graph);
    let boxes = graph.boxes.len();
    let links: Vec<(usize, usize)> = arrows.iter().copied().filter(|(a, b)| a != b).collect();
    let mut columns = columns(boxes, &links);
    let (through, links) = through(&arrows, &mut columns);
    let order = ordered(&columns, &links, columns.len());
    let mut spots = vec![Placed { x: 0, y: 0, width: 0, height: LINE }; columns.len()];
    for (spot, b) in spots.iter_mut().zip(&graph.boxes) {
        let letters = b.lines.iter().map(|l| l.chars().count()).max().unwrap_or(0);
        spot.width = u32::try_from(letters).unwrap_or(1000).min(400) * LETTER + 2 * PADDING;
        spot.height = u32::try_from(b.lines.len()).unwrap_or(1) * LINE + 2 * PADDING - 6;
    }
    let sizes = spots.clone();
    let height = |column: &Vec<usize>| -> u32 {
        column.iter().map(|i| sizes[*i].height + GAP.1).sum::<u32>().saturating_sub(GAP.1)
    };
    let tallest = order.iter().map(height).max().unwrap_or(0);
    let (mut x, mut right) = (MARGIN, 0);
    for (n, column) in order.iter().enumerate() {
        let mut y = MARGIN + 28 + (tallest - height(column)) / 2;
        let wide = column.iter().map(|i| sizes[*i].width).max().unwrap_or(0);
        for i in column {
            (spots[*i].x, spots[*i].y) = (x, y);
            if *i >= boxes {
                spots[*i].width = wide;
            }
            y += sizes[*i].height + GAP.1;
        }
        right = right.max(x + wide);
        x += wide + gap_after(graph, &columns, n);
    }
    let lane = |i: &usize| {
        let Placed { x, y, width, height } = spots[*i];
        Lane { x, width, y: y + height / 2 }
    };
    let lanes = through.iter().map(|of| of.iter().map(lane).collect()).collect();
    spots.truncate(boxes);
    Places { boxes: spots, lanes, width: right + MARGIN, height: tallest + 28 + 2 * MARGIN }
}

/// What stands in for an arrow in the columns that it crosses: a box without width in each, which is added
/// to `columns`. Answers those of each arrow, from left to right, and the links between neighbours.
fn through(
    arrows: &[(usize, usize)],
    columns: &mut Vec<usize>,
) -> (Vec<Vec<usize>>, Vec<(usize, usize)>) {
    let (boxes, mut links) = (columns.len(), Vec::new());
    let mut all = Vec::with_capacity(arrows.len());
    for (from, to) in arrows {
        let mut of = Vec::new();
        let mut before = *from;
        for column in columns[*from] + 1..columns[*to] {
            if columns.len() - boxes == LANES {
                break;
            }
            links.push((before, columns.len()));
            before = columns.len();
            of.push(before);
            columns.push(column);
        }
        if from != to {
            links.push((before, *to));
        }
        all.push(of);
    }
    (all, links)
}

/// The room after a column: for the longest label of the arrows that begin in it.
fn gap_after(graph: &Graph, columns: &[usize], column: usize) -> u32 {
    let here = graph.arrows.iter().filter(|a| columns[a.from].min(columns[a.to]) == column);
    let letters = here.map(|a| a.label.chars().count().min(LABEL)).max().unwrap_or(0);
    GAP.0 + u32::try_from(letters).unwrap_or(0) * 6
}

/// The arrows in their order, those that close a circle turned.
fn forward(graph: &Graph) -> Vec<(usize, usize)> {
    let n = graph.boxes.len();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (i, a) in graph.arrows.iter().enumerate() {
        after[a.from].push(i);
    }
    let mut arrows: Vec<(usize, usize)> = graph.arrows.iter().map(|a| (a.from, a.to)).collect();
    // 0: not seen, 1: on the way, 2: done.
    let mut state = vec![0_u8; n];
    let entered: Vec<bool> = {
        let mut entered = vec![false; n];
        graph.arrows.iter().for_each(|a| entered[a.to] = true);
        entered
    };
    let starts = (0..n).filter(|i| !entered[*i]).chain(0..n);
    for start in starts.collect::<Vec<_>>() {
        let mut way = vec![(start, 0)];
        while let Some((at, next)) = way.pop() {
            if next == 0 {
                if state[at] != 0 {
                    continue;
                }
                state[at] = 1;
            }
            let Some(arrow) = after[at].get(next) else {
                state[at] = 2;
                continue;
            };
            way.push((at, next + 1));
            let to = graph.arrows[*arrow].to;
            match state[to] {
                0 => way.push((to, 0)),
                1 => arrows[*arrow] = (to, at),
                _ => {}
            }
        }
    }
    arrows
}

/// The column of each box: one after the last of those that point to it.
fn columns(n: usize, arrows: &[(usize, usize)]) -> Vec<usize> {
    let mut column = vec![0; n];
    let mut before = vec![0_usize; n];
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (a, b) in arrows {
        before[*b] += 1;
        after[*a].push(*b);
    }
    let mut ready: Vec<usize> = (0..n).filter(|i| before[*i] == 0).collect();
    while let Some(at) = ready.pop() {
        for to in &after[at] {
            column[*to] = column[*to].max(column[at] + 1);
            before[*to] -= 1;
            if before[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    column
}

/// The boxes of each column from top to bottom.
fn ordered(columns: &[usize], arrows: &[(usize, usize)], n: usize) -> Vec<Vec<usize>> {
    let last = columns.iter().max().copied().unwrap_or(0);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); if n == 0 { 0 } else { last + 1 }];
    (0..n).for_each(|i| order[columns[i]].push(i));
    let mut beside: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (a, b) in arrows {
        beside[*a].push(*b);
        beside[*b].push(*a);
    }
    let mut place = vec![0_usize; n];
    for round in 0..ROUNDS {
        for column in &order {
            // Places are counted in thousandths of a column, so that columns of different heights compare.
            let step = 1_000_000 / (column.len() + 1);
            column.iter().zip(1..).for_each(|(i, k)| place[*i] = k * step);
        }
        let range: Vec<usize> = if round % 2 == 0 {
            (0..order.len()).collect()
        } else {
            (0..order.len()).rev().collect()
        };
        for c in range {
            let towards = |i: &usize| {
                let near: Vec<usize> = beside[*i]
                    .iter()
                    .filter(|j| if round % 2 == 0 { columns[**j] < c } else { columns[**j] > c })
                    .map(|j| place[*j])
                    .collect();
                if near.is_empty() { place[*i] } else { near.iter().sum::<usize>() / near.len() }
            };
            let mut sorted = order[c].clone();
            sorted.sort_by_key(|i| (towards(i), place[*i]));
            let step = 1_000_000 / (sorted.len() + 1);
            sorted.iter().zip(1..).for_each(|(i, k)| place[*i] = k * step);
            order[c] = sorted;
        }
    }
    order
}

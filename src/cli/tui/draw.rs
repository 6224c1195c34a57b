//! The picture: pods, nodes, the timeline, and where in the run it is.
//!
//! On a wide terminal the nodes stand beside the pods; on a narrow one, such as 80×24, they are a strip below,
//! and what does not fit is shortened where it tells least: names in their middle, columns one by one, lines
//! of the timeline by their gaps and then into several. Below [`LEAST`] nothing could be told.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Gauge, Paragraph, Row, Table};

use super::fit::{Column, elided, fitting, flow, story};
use super::player::Player;
use crate::base::Str;
use crate::report::film::{NodeRow, PodRow};
use crate::report::html::State;
use crate::report::timeline::{clock, count, duration};

/// The smallest terminal that the picture is drawn for: columns and rows.
const LEAST: (u16, u16) = (60, 20);
/// From so many columns on the nodes stand beside the pods.
const WIDE: u16 = 110;
/// The rows of nodes below the pods, at most.
const NODE_ROWS: usize = 3;

/// What the keys do, in a line; the first that fits is shown.
const KEYS: [&str; 3] = [
    "space pause · . , step and back · ← → move · + - speed · home end · ↑ ↓ pods · q quit",
    "space pause · . , step · ← → move · + - speed · ↑ ↓ pods · q quit",
    "space pause · . , step · ← → move · + - speed · q quit",
];

/// Draws the picture.
pub(super) fn draw(player: &Player, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        draw_refusal(frame, area);
        return;
    }
    let one = Constraint::Length(1);
    let rows = Layout::vertical([one, Constraint::Fill(1), one, one]);
    let [head, middle, time, keys] = rows.areas(area);
    frame.render_widget(Paragraph::new(heading(player, usize::from(area.width))), head);
    if area.width >= WIDE {
        let rows = Layout::vertical([Constraint::Fill(3), Constraint::Fill(2)]);
        let [above, below] = rows.areas(middle);
        let columns = Layout::horizontal([Constraint::Percentage(62), Constraint::Percentage(38)]);
        let [pods, nodes] = columns.areas(above);
        draw_pods(player, frame, pods);
        draw_nodes(player, frame, nodes);
        draw_lines(player, frame, below);
    } else {
        let cells: Vec<String> =
            player.scene().nodes.iter().map(|n| node_cell(player, n)).collect();
        let strip = flow(&cells, usize::from(area.width) - 2, NODE_ROWS);
        let height = u16::try_from(strip.len()).unwrap_or(u16::MAX).saturating_add(2);
        let rows = [Constraint::Fill(1), Constraint::Length(height), Constraint::Fill(1)];
        let [pods, nodes, below] = Layout::vertical(rows).areas(middle);
        draw_pods(player, frame, pods);
        draw_strip(player, frame, nodes, strip);
        draw_lines(player, frame, below);
    }
    draw_time(player, frame, time);
    let soft = Style::new().add_modifier(Modifier::DIM);
    let fits = |line: &&&str| line.chars().count() <= usize::from(area.width);
    let line = KEYS.iter().find(fits).unwrap_or(&KEYS[KEYS.len() - 1]);
    frame.render_widget(Paragraph::new(Line::styled(*line, soft)), keys);
}

/// Says that the terminal is too small.
fn draw_refusal(frame: &mut Frame<'_>, area: Rect) {
    let text = vec![
        Line::raw("too small"),
        Line::raw(format!("{}×{}, of {}×{}", area.width, area.height, LEAST.0, LEAST.1)),
        Line::raw("q quits"),
    ];
    let middle = Rect { y: area.height.saturating_sub(3) / 2, height: area.height.min(3), ..area };
    frame.render_widget(Paragraph::new(text).alignment(Alignment::Center), middle);
}

fn heading(player: &Player, width: usize) -> Line<'static> {
    let state = match (player.is_playing(), player.now() >= player.span().1) {
        (true, _) => "▶ playing",
        (false, true) => "■ at the end",
        (false, false) => "‖ paused",
    };
    let speed = duration(std::time::Duration::from_secs(player.speed().into()));
    let state = format!("  {state}, {speed} a second");
    let name = "wavetank ";
    // Of a path the end tells most.
    let room = width.saturating_sub(name.len() + state.chars().count());
    let title: Vec<char> = player.title().chars().collect();
    let title: String = match title.len() > room {
        true => {
            std::iter::once(&'…').chain(&title[title.len() - room.saturating_sub(1)..]).collect()
        }
        false => title.into_iter().collect(),
    };
    Line::from(vec![
        Span::styled(name, Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(title),
        Span::raw(state),
    ])
}

/// The colour of what a pod is doing.
fn colour(state: State) -> Color {
    match state {
        State::Pending => Color::DarkGray,
        State::Starting => Color::Yellow,
        State::Running => Color::Blue,
        State::Ready => Color::Green,
        State::Trouble | State::Failed => Color::Red,
        State::Terminating => Color::Magenta,
        State::Succeeded => Color::Cyan,
    }
}

/// The columns of pods; those with the highest rank go first where there is no room.
const POD_COLUMNS: [Column; 6] = [
    Column { title: "NAME", least: 12, rank: 0 },
    Column { title: "READY", least: 5, rank: 1 },
    Column { title: "STATUS", least: 8, rank: 0 },
    Column { title: "RESTARTS", least: 8, rank: 4 },
    Column { title: "AGE", least: 3, rank: 3 },
    Column { title: "NODE", least: 4, rank: 2 },
];

fn draw_pods(player: &Player, frame: &mut Frame<'_>, area: Rect) {
    let mut pods: Vec<&PodRow> = player.scene().pods.values().collect();
    pods.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    // Borders and titles leave so many rows.
    let room = usize::from(area.height.saturating_sub(3));
    let first = player.first_pod.min(pods.len().saturating_sub(room));
    let shown = &pods[first..pods.len().min(first + room)];
    let cells: Vec<Vec<String>> = shown.iter().map(|pod| pod_cells(pod, player)).collect();
    let widths = fitting(&POD_COLUMNS, &cells, usize::from(area.width.saturating_sub(2)));
    let kept = |row: &[String]| -> Vec<String> {
        let cells = row.iter().zip(&widths).filter(|(_, width)| **width > 0);
        cells.map(|(cell, width)| elided(cell, *width)).collect()
    };
    let row = |(pod, cells): (&&PodRow, &Vec<String>)| {
        Row::new(kept(cells)).style(Style::new().fg(colour(pod.state)))
    };
    let head = Row::new(kept(&POD_COLUMNS.map(|column| column.title.to_owned())));
    let all = count(pods.len(), "pod");
    let title = match shown.len() < pods.len() {
        true => format!(" {all}, {} to {} ", first + 1, first + shown.len()),
        false => format!(" {all} "),
    };
    let lengths = widths.iter().filter(|width| **width > 0);
    let lengths =
        lengths.map(|width| Constraint::Length(u16::try_from(*width).unwrap_or(u16::MAX)));
    let table = Table::new(shown.iter().zip(&cells).map(row), lengths)
        .header(head.style(Style::new().add_modifier(Modifier::BOLD)))
        .block(Block::new().borders(Borders::ALL).title(title));
    frame.render_widget(table, area);
}

fn pod_cells(pod: &PodRow, player: &Player) -> Vec<String> {
    let name = match pod.namespace.as_str() {
        "default" => pod.name.to_string(),
        namespace => format!("{namespace}/{}", pod.name),
    };
    let now = player.now();
    let age = if now > pod.since { now.since(pod.since).as_secs() } else { 0 };
    vec![
        name,
        format!("{}/{}", pod.ready.0, pod.ready.1),
        pod.word.to_string(),
        pod.restarts.to_string(),
        duration(std::time::Duration::from_secs(age)),
        pod.node.to_string(),
    ]
}

/// How many pods a node has that have not ended, and the parts of its CPU and memory that they request.
fn load(player: &Player, name: &Str, node: &NodeRow) -> (usize, String, String) {
    let ended = |s: State| matches!(s, State::Succeeded | State::Failed);
    let (mut pods, mut cpu, mut memory) = (0, 0, 0);
    for pod in player.scene().pods.values().filter(|p| p.node == *name && !ended(p.state)) {
        (pods, cpu, memory) = (pods + 1, cpu + pod.cpu_milli, memory + pod.memory);
    }
    let percent = |part: i64, whole: i64| match whole {
        1.. => format!("{}%", part.saturating_mul(100) / whole),
        _ => "-".to_owned(),
    };
    (pods, percent(cpu, node.cpu_milli), percent(memory, node.memory))
}

fn draw_nodes(player: &Player, frame: &mut Frame<'_>, area: Rect) {
    let nodes = &player.scene().nodes;
    let row = |(name, node): (&Str, &NodeRow)| {
        let (pods, cpu, memory) = load(player, name, node);
        let cells = [name.to_string(), node.word.to_owned(), pods.to_string(), cpu, memory];
        Row::new(cells).style(Style::new().fg(if node.well { Color::Reset } else { Color::Red }))
    };
    let widths = [
        Constraint::Min(10),
        Constraint::Length(10),
        Constraint::Length(5),
        Constraint::Length(5),
        Constraint::Length(7),
    ];
    let head = Row::new(["NAME", "STATUS", "PODS", "CPU", "MEMORY"]);
    let table = Table::new(nodes.iter().map(row), widths)
        .header(head.style(Style::new().add_modifier(Modifier::BOLD)))
        .block(
            Block::new().borders(Borders::ALL).title(format!(" {} ", count(nodes.len(), "node"))),
        );
    frame.render_widget(table, area);
}

/// A node in few words: what it is unless it is ready, its pods, CPU and memory.
fn node_cell(player: &Player, (name, node): (&Str, &NodeRow)) -> String {
    let (pods, cpu, memory) = load(player, name, node);
    let word = if node.well { String::new() } else { format!(" {}", node.word) };
    format!("{}{word} {pods} {cpu} {memory}", elided(name, 20))
}

/// The nodes, several in a row.
fn draw_strip(player: &Player, frame: &mut Frame<'_>, area: Rect, strip: Vec<String>) {
    let nodes = &player.scene().nodes;
    let ill = nodes.values().filter(|node| !node.well).count();
    let well = if ill > 0 { format!("· {ill} not well ") } else { String::new() };
    let title = format!(" {}: pods, CPU, memory {well}", count(nodes.len(), "node"));
    let style = Style::new().fg(if ill > 0 { Color::Red } else { Color::Reset });
    let text: Vec<Line<'_>> = strip.into_iter().map(Line::raw).collect();
    let block = Block::new().borders(Borders::ALL).title(Span::styled(title, style));
    frame.render_widget(Paragraph::new(text).block(block), area);
}

/// The last lines of the timeline that fit.
fn draw_lines(player: &Player, frame: &mut Frame<'_>, area: Rect) {
    let (width, room) = (area.width.saturating_sub(2), area.height.saturating_sub(2));
    let styled = |(line, of): (String, &String)| {
        let style = match () {
            () if of.contains('✗') => Style::new().fg(Color::Red),
            () if of.contains('✓') => Style::new().fg(Color::Green),
            () if of.contains(" $ ") => Style::new().add_modifier(Modifier::BOLD),
            () => Style::new(),
        };
        Line::styled(line, style)
    };
    let shown = story(player.lines(), width.into(), room.into());
    let text: Vec<Line<'_>> = shown.into_iter().map(styled).collect();
    let block = Block::new().borders(Borders::ALL).title(" what happens ");
    frame.render_widget(Paragraph::new(text).block(block), area);
}

fn draw_time(player: &Player, frame: &mut Frame<'_>, area: Rect) {
    let (start, end) = player.span();
    let label = format!("{} of {}", clock(player.now(), start), duration(end.since(start)));
    let gauge = Gauge::default()
        .gauge_style(Style::new().fg(Color::Blue))
        .ratio(f64::from(player.permille()) / 1000.0)
        .label(label);
    frame.render_widget(gauge, area);
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::player::Key;
    use super::*;
    use crate::report::film::Film;
    use crate::scenario::runner::Runner;
    use crate::scenario::simulation;

    /// A player of a simulation of the library.
    fn player(file: &str) -> Player {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("simulations").join(file);
        let plan = simulation::read(&file).unwrap().plan;
        let mut film = Film::new(plan.options.start.0);
        let mut runner = Runner::new(plan, &mut |fact| film.observe(fact)).unwrap();
        runner.run(&mut |fact| film.observe(fact));
        film.finish(runner.sim().now());
        Player::new(
            film,
            file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string(),
        )
    }

    fn picture(player: &Player, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(player, frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_picture_shows_pods_nodes_the_story_and_the_time() {
        let mut player = player("1-first-documents/01-counter-job.yaml");
        let first = picture(&player, 120, 30);
        for words in
            ["01-counter-job.yaml", "playing", "node", "0.000s of ", "q quit", "what happens"]
        {
            assert!(first.contains(words), "no {words:?} in\n{first}");
        }
        player.key(Key::End);
        let last = picture(&player, 120, 30);
        assert!(last.contains("at the end") && !last.contains("0 pods"), "{last}");
        for (width, height) in [(1, 1), (20, 5), (59, 20), (60, 19), (300, 100)] {
            drop(picture(&player, width, height));
        }
        assert!(picture(&player, 59, 20).contains("59×20, of 60×20"));
    }

    #[test]
    fn every_size_tells_as_much_as_it_has_room_for() {
        let mut player = player("2-workloads/06-rolling-update.yaml");
        while player.now() < player.span().0 + Duration::from_secs(32) {
            player.key(Key::Next);
        }
        for (width, height) in [(160, 40), (80, 24), (60, 20), (40, 10)] {
            let name = format!("{width}x{height}");
            insta::assert_snapshot!(name, picture(&player, width, height));
        }
    }

    #[test]
    fn it_plays_pauses_steps_and_goes_back() {
        let mut player = player("1-first-documents/01-counter-job.yaml");
        let (start, end) = player.span();
        player.tick(Duration::from_millis(100));
        assert_eq!(player.now(), start + Duration::from_millis(500), "five seconds in one");
        player.key(Key::Pause);
        player.tick(Duration::from_secs(1));
        assert_eq!(player.now(), start + Duration::from_millis(500));
        player.key(Key::Faster);
        assert_eq!(player.speed(), 10);
        player.key(Key::Begin);
        let mut seen = vec![player.lines().len()];
        for _ in 0..5 {
            player.key(Key::Next);
            seen.push(player.lines().len());
        }
        assert!(seen.is_sorted() && seen[5] > seen[0], "{seen:?}");
        let there = picture(&player, 120, 30);
        player.key(Key::Next);
        assert_ne!(picture(&player, 120, 30), there);
        player.key(Key::Previous);
        assert_eq!(picture(&player, 120, 30), there, "back is the same picture");
        player.key(Key::End);
        assert_eq!((player.now(), player.permille()), (end, 1000));
        player.key(Key::Pause);
        assert!(player.is_playing() && player.now() == start, "from the end it begins anew");
        for _ in 0..100 {
            player.key(Key::Back);
            player.key(Key::Slower);
            player.key(Key::Up);
        }
        assert_eq!((player.now(), player.speed()), (start, 1));
        player.key(Key::Quit);
        assert!(player.is_over());
    }
}

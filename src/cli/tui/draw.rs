//! The picture: pods, nodes, the timeline, and where in the run it is.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Gauge, Paragraph, Row, Table};

use super::player::Player;
use crate::report::film::PodRow;
use crate::report::html::State;
use crate::report::timeline::{clock, count, duration};

/// What the keys do, in a line.
const KEYS: &str =
    "space pause · . , step and back · ← → move · + - speed · home end · ↑ ↓ pods · q quit";

/// Draws the picture.
pub(super) fn draw(player: &Player, frame: &mut Frame<'_>) {
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(6),
        Constraint::Length(10),
        Constraint::Length(1),
        Constraint::Length(1),
    ]);
    let [head, middle, story, time, keys] = rows.areas(frame.area());
    let columns = Layout::horizontal([Constraint::Percentage(62), Constraint::Percentage(38)]);
    let [pods, nodes] = columns.areas(middle);
    frame.render_widget(Paragraph::new(heading(player)), head);
    draw_pods(player, frame, pods);
    draw_nodes(player, frame, nodes);
    draw_lines(player, frame, story);
    draw_time(player, frame, time);
    let soft = Style::new().add_modifier(Modifier::DIM);
    frame.render_widget(Paragraph::new(Line::styled(KEYS, soft)), keys);
}

fn heading(player: &Player) -> Line<'_> {
    let state = match (player.is_playing(), player.now() >= player.span().1) {
        (true, _) => "▶ playing",
        (false, true) => "■ at the end",
        (false, false) => "‖ paused",
    };
    Line::from(vec![
        Span::styled("wavetank ", Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(player.title()),
        Span::raw(format!(
            "  {state}, {} a second",
            duration(std::time::Duration::from_secs(player.speed().into()))
        )),
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

fn draw_pods(player: &Player, frame: &mut Frame<'_>, area: Rect) {
    let mut pods: Vec<&PodRow> = player.scene().pods.values().collect();
    pods.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let now = player.now();
    let row = |pod: &&PodRow| {
        let name = match pod.namespace.as_str() {
            "default" => pod.name.to_string(),
            namespace => format!("{namespace}/{}", pod.name),
        };
        let age = if now > pod.since { now.since(pod.since).as_secs() } else { 0 };
        Row::new(vec![
            name,
            format!("{}/{}", pod.ready.0, pod.ready.1),
            pod.word.to_string(),
            pod.restarts.to_string(),
            duration(std::time::Duration::from_secs(age)),
            pod.node.to_string(),
        ])
        .style(Style::new().fg(colour(pod.state)))
    };
    let rows: Vec<Row<'_>> = pods.iter().skip(player.first_pod).map(row).collect();
    let widths = [
        Constraint::Min(16),
        Constraint::Length(6),
        Constraint::Length(18),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(10),
    ];
    let head = Row::new(["NAME", "READY", "STATUS", "RESTARTS", "AGE", "NODE"]);
    let title = count(pods.len(), "pod");
    let block = Block::new().borders(Borders::ALL).title(format!(" {title} "));
    let table = Table::new(rows, widths)
        .header(head.style(Style::new().add_modifier(Modifier::BOLD)))
        .block(block);
    frame.render_widget(table, area);
}

fn draw_nodes(player: &Player, frame: &mut Frame<'_>, area: Rect) {
    let scene = player.scene();
    let row = |(name, node): (&crate::base::Str, &crate::report::film::NodeRow)| {
        let here = scene.pods.values().filter(|p| p.node == *name);
        let ended = |s: State| matches!(s, State::Succeeded | State::Failed);
        let (mut pods, mut cpu, mut memory) = (0, 0, 0);
        for pod in here.filter(|p| !ended(p.state)) {
            (pods, cpu, memory) = (pods + 1, cpu + pod.cpu_milli, memory + pod.memory);
        }
        let percent = |part: i64, whole: i64| {
            if whole > 0 {
                format!("{}%", part.saturating_mul(100) / whole)
            } else {
                "-".to_owned()
            }
        };
        let cells = vec![
            name.to_string(),
            node.word.to_owned(),
            pods.to_string(),
            percent(cpu, node.cpu_milli),
            percent(memory, node.memory),
        ];
        Row::new(cells).style(Style::new().fg(if node.well { Color::Reset } else { Color::Red }))
    };
    let rows: Vec<Row<'_>> = scene.nodes.iter().map(row).collect();
    let widths = [
        Constraint::Min(10),
        Constraint::Length(10),
        Constraint::Length(5),
        Constraint::Length(5),
        Constraint::Length(7),
    ];
    let title = format!(" {} ", count(scene.nodes.len(), "node"));
    let head = Row::new(["NAME", "STATUS", "PODS", "CPU", "MEMORY"]);
    let table = Table::new(rows, widths)
        .header(head.style(Style::new().add_modifier(Modifier::BOLD)))
        .block(Block::new().borders(Borders::ALL).title(title));
    frame.render_widget(table, area);
}

/// The last lines of the timeline that fit.
fn draw_lines(player: &Player, frame: &mut Frame<'_>, area: Rect) {
    let room = usize::from(area.height.saturating_sub(2));
    let lines = player.lines();
    let shown = &lines[lines.len().saturating_sub(room)..];
    let styled = |line: &String| {
        let style = match () {
            () if line.contains('✗') => Style::new().fg(Color::Red),
            () if line.contains('✓') => Style::new().fg(Color::Green),
            () if line.contains(" $ ") => Style::new().add_modifier(Modifier::BOLD),
            () => Style::new(),
        };
        Line::styled(line.clone(), style)
    };
    let text: Vec<Line<'_>> = shown.iter().map(styled).collect();
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
    fn player() -> Player {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("simulations/1-first-documents");
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(file).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        let file = files.into_iter().find(|f| simulation::is_simulation(f)).unwrap();
        let plan = simulation::read(&file).unwrap().plan;
        let mut film = Film::new(plan.options.start.0);
        let mut runner = Runner::new(plan, &mut |fact| film.observe(fact)).unwrap();
        runner.run(&mut |fact| film.observe(fact));
        film.finish(runner.sim().now());
        Player::new(film, "first.yaml".to_owned())
    }

    fn picture(player: &Player, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(player, frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_picture_shows_pods_nodes_the_story_and_the_time() {
        let mut player = player();
        let first = picture(&player, 120, 30);
        for words in ["first.yaml", "playing", "node", "0.000s of ", "q quit", "what happens"] {
            assert!(first.contains(words), "no {words:?} in\n{first}");
        }
        player.key(Key::End);
        let last = picture(&player, 120, 30);
        assert!(last.contains("at the end") && !last.contains("0 pods"), "{last}");
        for (width, height) in [(1, 1), (20, 5), (80, 24), (300, 100)] {
            drop(picture(&player, width, height));
        }
    }

    #[test]
    fn it_plays_pauses_steps_and_goes_back() {
        let mut player = player();
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

//! `wavetank run --tui`: a run is played on the terminal.
//!
//! The run is made first, which takes no time worth the name, and is then played as a film: forward at any
//! speed, step by step, and back.

mod draw;
mod fit;
mod player;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::floats::{self, Floats};
use super::wall::Wall;
use super::{exit_code, ui};
use crate::report::film::Film;
use player::{Key, Player};

/// The picture is drawn anew so often while it plays.
const FRAME: Duration = Duration::from_millis(50);

/// Runs the command.
pub(super) fn run(args: &Floats) -> u8 {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        ui::err(
            "error: --tui plays a run on a terminal, and there is none\n  hint: `--html FILE` makes a page to look at",
        );
        return exit_code::USAGE;
    }
    let plan = match floats::prepare(args, false) {
        Ok(prepared) => prepared.plan,
        Err(refused) => return refused.tell(),
    };
    let mut film = Film::new(plan.options.start.0);
    let mut runner = match floats::build(plan, &mut |fact| film.observe(fact)) {
        Ok(runner) => runner,
        Err(code) => return code,
    };
    runner.run(&mut |fact| film.observe(fact));
    film.finish(runner.sim().now());
    let title = args.input.named().iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
    match play(Player::new(film, title.join(" "))) {
        Ok(()) => exit_code::OK,
        Err(error) => {
            ui::err(&format!("error: the terminal cannot be used: {error}"));
            exit_code::IO
        }
    }
}

fn play(mut player: Player) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let played = played(&mut terminal, &mut player);
    ratatui::try_restore()?;
    played
}

fn played(terminal: &mut ratatui::DefaultTerminal, player: &mut Player) -> io::Result<()> {
    let mut wall = Wall::now();
    while !player.is_over() {
        terminal.draw(|frame| draw::draw(player, frame))?;
        // Nothing moves while it stands still: then it waits for a key.
        let patience = if player.is_playing() { FRAME } else { Duration::from_secs(1) };
        if event::poll(patience)?
            && let Event::Key(event) = event::read()?
            && event.kind == KeyEventKind::Press
        {
            player.key(key(event));
        }
        player.tick(wall.elapsed());
        wall = Wall::now();
    }
    Ok(())
}

fn key(event: KeyEvent) -> Key {
    match event.code {
        KeyCode::Char('c') if event.modifiers.contains(KeyModifiers::CONTROL) => Key::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Key::Quit,
        KeyCode::Char(' ') => Key::Pause,
        KeyCode::Char('.' | 'n') => Key::Next,
        KeyCode::Char(',' | 'b') => Key::Previous,
        KeyCode::Right => Key::Forward,
        KeyCode::Left => Key::Back,
        KeyCode::Char('+' | '=') => Key::Faster,
        KeyCode::Char('-') => Key::Slower,
        KeyCode::Home => Key::Begin,
        KeyCode::End => Key::End,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        _ => Key::Other,
    }
}

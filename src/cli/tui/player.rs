//! The player: where in the film it is, how fast it goes, and what keys do. It knows no terminal and no clock.

use std::time::Duration;

use crate::base::time::SimTime;
use crate::report::film::{Film, Scene};

/// How much virtual time passes in a second.
const SPEEDS: [u32; 9] = [1, 2, 5, 10, 30, 60, 300, 1800, 7200];
/// The speed at the start.
const FIRST: usize = 2;
/// An arrow moves by such a part of the run.
const ARROW: u32 = 50;

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Pause,
    Next,
    Previous,
    Forward,
    Back,
    Faster,
    Slower,
    Begin,
    End,
    Up,
    Down,
    Quit,
    Other,
}

/// A film that is played.
#[derive(Debug)]
pub(super) struct Player {
    film: Film,
    scene: Scene,
    title: String,
    at: SimTime,
    speed: usize,
    playing: bool,
    over: bool,
    /// The first pod that is shown.
    pub(super) first_pod: usize,
}

impl Player {
    /// A player at the start of a film, playing.
    pub(super) fn new(film: Film, title: String) -> Self {
        let (at, _) = film.span();
        let mut player = Self {
            film,
            scene: Scene::default(),
            title,
            at,
            speed: FIRST,
            playing: true,
            over: false,
            first_pod: 0,
        };
        player.go(at);
        player
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The lines of the timeline up to now.
    pub(super) fn lines(&self) -> &[String] {
        self.film.lines().get(..self.scene.lines).unwrap_or_default()
    }

    pub(super) fn now(&self) -> SimTime {
        self.at
    }

    pub(super) fn span(&self) -> (SimTime, SimTime) {
        self.film.span()
    }

    pub(super) fn is_playing(&self) -> bool {
        self.playing
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// How much virtual time passes in a second.
    pub(super) fn speed(&self) -> u32 {
        SPEEDS[self.speed]
    }

    /// How much of the run has passed, in thousandths.
    pub(super) fn permille(&self) -> u16 {
        let (start, end) = self.span();
        let whole = end.since(start).as_millis().max(1);
        u16::try_from((self.at.since(start).as_millis() * 1000 / whole).min(1000)).unwrap_or(1000)
    }

    /// So much real time has passed.
    pub(super) fn tick(&mut self, elapsed: Duration) {
        if !self.playing {
            return;
        }
        let to = self.at + elapsed.min(Duration::from_secs(1)) * self.speed();
        self.go(to);
        self.playing = self.at < self.span().1;
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: Key) {
        let (start, end) = self.span();
        let arrow = end.since(start) / ARROW;
        match key {
            Key::Pause if self.at >= end => {
                self.go(start);
                self.playing = true;
            }
            Key::Pause => self.playing = !self.playing,
            Key::Next => self.stand(self.film.next(self.at).unwrap_or(end)),
            Key::Previous => self.stand(self.film.previous(self.at).unwrap_or(start)),
            Key::Forward => self.go(self.at + arrow),
            Key::Back => {
                let passed = self.at.since(start);
                self.go(start + passed.saturating_sub(arrow));
            }
            Key::Faster => self.speed = (self.speed + 1).min(SPEEDS.len() - 1),
            Key::Slower => self.speed = self.speed.saturating_sub(1),
            Key::Begin => self.go(start),
            Key::End => self.stand(end),
            Key::Up => self.first_pod = self.first_pod.saturating_sub(1),
            Key::Down => {
                self.first_pod = (self.first_pod + 1).min(self.scene.pods.len().saturating_sub(1));
            }
            Key::Quit => self.over = true,
            Key::Other => {}
        }
    }

    /// Goes to a moment and stands still there.
    fn stand(&mut self, at: SimTime) {
        self.playing = false;
        self.go(at);
    }

    fn go(&mut self, at: SimTime) {
        self.at = at.min(self.span().1);
        self.film.turn(&mut self.scene, self.at);
        self.first_pod = self.first_pod.min(self.scene.pods.len().saturating_sub(1));
    }
}

//! Syncs written as straight lines.
//!
//! Upstream's syncs block: they ask the API server, look at the answer and go on, through several
//! functions. As a machine of states that reads badly, so a sync may be a pure function of what was
//! known when it began and of the answers it has had so far. It is run from its beginning after each
//! answer; a question that has an answer returns it, the first one that has none ends the run with
//! [`Halt::Ask`]. What it says besides (events, expectations) is handed out once.
//!
//! The function must ask the same things when it is told the same things: it reads nothing but its
//! inputs and the script. What it has asked and said before is not even made again where it is given as
//! a closure: see [`Script::ask_for`] and [`Script::aside_of`].

use smallvec::SmallVec;

use super::controller::{Done, Step, SyncCx};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Kind, Object, Uid};
use crate::store::{ApiError, ErrorReason, Reply, Request};
use crate::trace::{EventType, Regarding};

/// Why a run of a script does not reach its end.
#[derive(Clone, Debug)]
pub enum Halt {
    /// It waits for answers.
    Ask(Vec<Request>),
    /// It has failed: the API server refused something.
    Refused(Box<ApiError>),
}

impl From<Box<ApiError>> for Halt {
    fn from(error: Box<ApiError>) -> Self {
        Self::Refused(error)
    }
}

impl Halt {
    /// Failed for a reason of the controller's own, kept in the form of a refusal.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Refused(ApiError::new(ErrorReason::InternalError, why))
    }
}

/// What a script says besides its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aside {
    /// An API event.
    Event {
        /// On what.
        regarding: Regarding,
        /// How serious.
        event_type: EventType,
        /// Why, in one word.
        reason: Str,
        /// For people.
        message: Str,
    },
    /// So many creations are asked for next.
    ExpectCreations(u32),
    /// These deletions are asked for next.
    ExpectDeletions(Vec<Uid>),
    /// So many of the expected creations will not be heard of.
    CreationsFailed(u32),
    /// An expected deletion will not be heard of.
    DeletionFailed(Uid),
    /// An object was written, at that revision.
    Wrote(Kind, u64),
    /// A pod has failed on that node and is about to be replaced.
    FailedAgain(Str),
}

/// A sync that waits for answers: what it began with and what it has been told.
#[derive(Clone, Debug)]
pub struct Run<I> {
    /// What was known when it began.
    pub inputs: I,
    began: SimTime,
    told: Vec<Told>,
    /// What it waits for.
    asked: Asked,
    /// How many asides have been handed out.
    said: usize,
}

/// The answers to what was asked at once.
#[derive(Clone, Debug)]
struct Told {
    at: SimTime,
    replies: Vec<Reply>,
    asked: Asked,
}

/// What is kept of requests.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// Which of them leave an object that the informers will hear of.
    writes: SmallVec<[bool; 8]>,
    shares: Shares,
}

/// What scripts that run side by side ask in one round.
#[derive(Clone, Debug, Default)]
struct Shares {
    /// The how many-th round of such scripts it is.
    round: usize,
    /// Which of them ask, and how much.
    of: Vec<(usize, usize)>,
}

/// An answer to one question.
type Answer<T> = Result<T, Box<ApiError>>;

impl<I> Run<I> {
    fn new(inputs: I, began: SimTime) -> Self {
        Self { inputs, began, told: Vec::new(), asked: Asked::default(), said: 0 }
    }

    /// It asks, and waits for the answers.
    fn asks(&mut self, requests: &[Request], shares: Shares) {
        self.asked = Asked { writes: requests.iter().map(is_write).collect(), shares };
    }

    /// It is answered.
    fn tell(&mut self, at: SimTime, replies: Vec<Reply>) {
        self.told.push(Told { at, replies, asked: std::mem::take(&mut self.asked) });
    }
}

/// One run of a script.
#[derive(Debug)]
pub struct Script<'a> {
    now: SimTime,
    told: std::slice::Iter<'a, Told>,
    /// How many asides were handed out by earlier runs.
    said: usize,
    /// How many asides there were, those included.
    count: usize,
    /// The asides that are new.
    asides: Vec<Aside>,
    /// How many rounds of scripts side by side there were.
    rounds: usize,
    /// The shares in what it waits for, where scripts run side by side.
    shares: Shares,
}

impl<'a> Script<'a> {
    fn new<I>(run: &'a Run<I>) -> Self {
        Self::of(run.began, &run.told, run.said)
    }

    fn of(began: SimTime, told: &'a [Told], said: usize) -> Self {
        Self {
            now: began,
            told: told.iter(),
            said,
            count: 0,
            asides: Vec::new(),
            rounds: 0,
            shares: Shares::default(),
        }
    }

    /// Now: the time of the latest answer.
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// Asks several things at once; the answers come in the order of the requests.
    ///
    /// # Errors
    /// There are no answers yet.
    pub fn ask_all(&mut self, requests: Vec<Request>) -> Result<&'a [Reply], Halt> {
        if requests.is_empty() {
            return Ok(&[]);
        }
        let Some(told) = self.told.next() else { return Err(Halt::Ask(requests)) };
        debug_assert_eq!(told.replies.len(), requests.len(), "a script asks the same again");
        Ok(self.hear(told))
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// There is no answer yet. A refusal is an answer.
    pub fn ask(&mut self, request: Request) -> Result<Answer<Object>, Halt> {
        self.ask_for(|| request)
    }

    /// Asks one thing that is made only if there is no answer yet.
    ///
    /// # Errors
    /// There is no answer yet. A refusal is an answer.
    pub fn ask_for(&mut self, request: impl FnOnce() -> Request) -> Result<Answer<Object>, Halt> {
        Ok(match self.reply(request)? {
            Ok(Some(object)) => Ok(object.clone()),
            Ok(None) => Err(ApiError::new(ErrorReason::InternalError, "no object was returned")),
            Err(error) => Err(error.clone()),
        })
    }

    /// Asks one thing whose answer holds no object that matters.
    ///
    /// # Errors
    /// There is no answer yet. A refusal is an answer.
    pub fn ask_done(&mut self, request: Request) -> Result<Answer<()>, Halt> {
        self.ask_done_for(|| request)
    }

    /// The same of one thing that is made only if there is no answer yet.
    ///
    /// # Errors
    /// There is no answer yet. A refusal is an answer.
    pub fn ask_done_for(&mut self, request: impl FnOnce() -> Request) -> Result<Answer<()>, Halt> {
        Ok(self.reply(request)?.as_ref().map(drop).map_err(Clone::clone))
    }

    fn reply(&mut self, request: impl FnOnce() -> Request) -> Result<&'a Reply, Halt> {
        let Some(told) = self.told.next() else { return Err(Halt::Ask(vec![request()])) };
        let [reply] = self.hear(told) else {
            return Err(Halt::failed("one question has one answer"));
        };
        Ok(reply)
    }

    fn hear(&mut self, told: &'a Told) -> &'a [Reply] {
        self.now = told.at;
        for (reply, is_write) in told.replies.iter().zip(&told.asked.writes) {
            if let (true, Ok(Some(object))) = (is_write, reply) {
                self.aside_of(|| Aside::Wrote(object.kind(), object.meta().resource_version));
            }
        }
        &told.replies
    }

    /// Runs `count` scripts side by side: what they ask in one round is asked at once. Answers how
    /// each ended. Until one has its answers it is not run again only to ask the same: what it does
    /// besides asking and saying it does after its last question.
    ///
    /// # Errors
    /// One of them waits for answers.
    pub fn side_by_side<T>(
        &mut self,
        count: usize,
        mut each: impl FnMut(usize, &mut Script<'_>) -> Result<T, Halt>,
    ) -> Result<Vec<Result<T, Box<ApiError>>>, Halt> {
        let began = self.now;
        let mut told: Vec<Vec<Told>> = vec![Vec::new(); count];
        let mut ends: Vec<Option<Result<T, Box<ApiError>>>> = Vec::new();
        ends.resize_with(count, || None);
        loop {
            let (mut all, mut shares) = (Vec::new(), Vec::new());
            self.rounds += 1;
            let round = self.rounds;
            let answered = self.told.as_slice().first().map(|told| &told.asked.shares);
            let answered = answered.filter(|shares| shares.round == round);
            let mut waiting = answered.into_iter().flat_map(|shares| &shares.of).peekable();
            for i in 0..count {
                if ends[i].is_some() {
                    continue;
                }
                if let Some(share) = waiting.next_if(|(of, _)| *of == i) {
                    shares.push(*share);
                    continue;
                }
                let mut one = Script::of(began, &told[i], 0);
                let end = each(i, &mut one);
                let asides = one.asides;
                match end {
                    Err(Halt::Ask(requests)) => {
                        shares.push((i, requests.len()));
                        all.extend(requests);
                        continue;
                    }
                    Ok(value) => ends[i] = Some(Ok(value)),
                    Err(Halt::Refused(error)) => ends[i] = Some(Err(error)),
                }
                asides.into_iter().for_each(|aside| self.aside(aside));
            }
            if shares.is_empty() {
                return Ok(ends.into_iter().flatten().collect());
            }
            let Some(answers) = self.told.next() else {
                self.shares = Shares { round, of: shares };
                return Err(Halt::Ask(all));
            };
            let at = answers.at;
            debug_assert!(at >= self.now, "answers come in order");
            self.now = at;
            let mut replies = answers.replies.iter().cloned();
            let mut writes = answers.asked.writes.iter().copied();
            for (i, count) in shares {
                let replies = replies.by_ref().take(count).collect();
                let writes = writes.by_ref().take(count).collect();
                let asked = Asked { writes, shares: Shares::default() };
                told[i].push(Told { at, replies, asked });
            }
        }
    }

    /// Runs scripts in batches of 1, 2, 4 … up to `most` side by side, until one fails; answers how
    /// many succeeded and the first failure (`slowStartBatch`).
    ///
    /// # Errors
    /// One of them waits for answers.
    pub fn slow_start(
        &mut self,
        count: usize,
        most: usize,
        mut each: impl FnMut(usize, &mut Script<'_>) -> Result<(), Halt>,
    ) -> Result<(usize, Option<Box<ApiError>>), Halt> {
        let (mut begun, mut batch, mut succeeded) = (0, 1, 0);
        while begun < count {
            let size = batch.min(count - begun).min(most);
            let ends = self.side_by_side(size, |i, script| each(begun + i, script))?;
            let mut failure = None;
            for end in ends {
                match end {
                    Ok(()) => succeeded += 1,
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
            if failure.is_some() {
                return Ok((succeeded, failure));
            }
            begun += size;
            batch = size * 2;
        }
        Ok((succeeded, None))
    }

    /// Says something besides.
    pub fn aside(&mut self, aside: Aside) {
        self.aside_of(|| aside);
    }

    /// Says something besides that is made only if it was not said before.
    pub fn aside_of(&mut self, aside: impl FnOnce() -> Aside) {
        self.count += 1;
        if self.count > self.said {
            self.asides.push(aside());
        }
    }

    /// Records an API event on an object.
    pub fn event(
        &mut self,
        on: &Object,
        event_type: EventType,
        reason: &str,
        message: impl Into<Str>,
    ) {
        self.aside(Aside::Event {
            regarding: Regarding::object(on),
            event_type,
            reason: reason.into(),
            message: message.into(),
        });
    }
}

/// Whether a request leaves an object that the informers will hear of.
fn is_write(request: &Request) -> bool {
    matches!(
        request,
        Request::Create(_)
            | Request::Update(_)
            | Request::UpdateStatus(_)
            | Request::PatchMeta { .. }
    )
}

/// What came of a step of a script.
#[derive(Debug)]
pub enum Outcome<I, T> {
    /// It asks and waits.
    Ask(Vec<Request>, Run<I>),
    /// It has reached its end.
    Done(I, T),
    /// It has failed.
    Refused(Box<ApiError>),
}

/// Begins a script. Events are recorded; other asides go to `hear`.
pub fn begin<I, T>(
    inputs: I,
    cx: &mut SyncCx<'_, '_>,
    script: impl FnOnce(&I, &mut Script<'_>) -> Result<T, Halt>,
    hear: impl FnMut(Aside),
) -> Outcome<I, T> {
    run(Run::new(inputs, cx.now), cx, script, hear)
}

/// Goes on with a script that has been answered.
pub fn go_on<I, T>(
    mut at: Run<I>,
    replies: Vec<Reply>,
    cx: &mut SyncCx<'_, '_>,
    script: impl FnOnce(&I, &mut Script<'_>) -> Result<T, Halt>,
    hear: impl FnMut(Aside),
) -> Outcome<I, T> {
    at.tell(cx.now, replies);
    run(at, cx, script, hear)
}

fn run<I, T>(
    mut at: Run<I>,
    cx: &mut SyncCx<'_, '_>,
    script: impl FnOnce(&I, &mut Script<'_>) -> Result<T, Halt>,
    mut hear: impl FnMut(Aside),
) -> Outcome<I, T> {
    let mut this = Script::new(&at);
    let end = script(&at.inputs, &mut this);
    let Script { asides, count, shares, .. } = this;
    for aside in asides {
        match aside {
            Aside::Event { regarding, event_type, reason, message } => {
                cx.event_on(regarding, event_type, &reason, message);
            }
            other @ (Aside::ExpectCreations(_)
            | Aside::ExpectDeletions(_)
            | Aside::CreationsFailed(_)
            | Aside::DeletionFailed(_)
            | Aside::Wrote(..)
            | Aside::FailedAgain(_)) => hear(other),
        }
    }
    at.said = count;
    match end {
        Ok(done) => Outcome::Done(at.inputs, done),
        Err(Halt::Ask(requests)) => {
            at.asks(&requests, shares);
            Outcome::Ask(requests, at)
        }
        Err(Halt::Refused(error)) => Outcome::Refused(error),
    }
}

impl<I> Outcome<I, Done> {
    /// The step of the controller, a failure becoming what `fail` makes of it.
    pub fn step(self, fail: impl FnOnce(Box<ApiError>) -> Done) -> Step<Run<I>> {
        match self {
            Self::Ask(requests, then) => Step::Ask { requests, then },
            Self::Done(_, done) => Step::Done(done),
            Self::Refused(error) => Step::Done(fail(error)),
        }
    }
}

/// Plays a script against an API server, which `answer` is. Returns how it ended and the asides.
pub(super) fn play<I, T>(
    inputs: I,
    began: SimTime,
    script: impl Fn(&I, &mut Script<'_>) -> Result<T, Halt>,
    mut answer: impl FnMut(&Request) -> Reply,
) -> (Result<T, Box<ApiError>>, Vec<Aside>) {
    let mut at = Run::new(inputs, began);
    loop {
        let mut this = Script::new(&at);
        let end = script(&at.inputs, &mut this);
        let Script { asides, shares, .. } = this;
        match end {
            Ok(done) => return (Ok(done), asides),
            Err(Halt::Refused(error)) => return (Err(error), asides),
            Err(Halt::Ask(requests)) => {
                at.asks(&requests, shares);
                at.tell(began, requests.iter().map(&mut answer).collect());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ref, Whole, wire};

    fn read(name: &str) -> Request {
        Request::Get(Ref::new(Kind::ConfigMap, "default", name))
    }

    fn object(name: &str) -> Object {
        let meta = crate::model::Meta::named("default", name);
        let body = std::sync::Arc::new(wire::core::ConfigMap::default());
        Whole { meta, body }.into()
    }

    /// Answers reads; names that begin with `no` are refused.
    fn answer(asked: &mut Vec<String>, request: &Request) -> Reply {
        let Request::Get(target) = request else { panic!("{request:?}") };
        let name = target.key.name.as_str();
        asked.push(name.to_owned());
        if name.starts_with("no") {
            return Err(ApiError::not_found(Kind::ConfigMap, name));
        }
        Ok(Some(object(name)))
    }

    #[test]
    fn each_question_is_asked_once_and_each_aside_handed_out_once() {
        let mut asked = Vec::new();
        let script = |(): &(), script: &mut Script<'_>| {
            let first = script.ask(read("a"))??;
            script.event(&first, EventType::Normal, "Read", "a");
            let second = script.ask(read("b"))??;
            script.event(&second, EventType::Normal, "Read", "b");
            Ok(second.meta().name.clone())
        };
        let (end, asides) = play((), SimTime::ZERO, script, |r| answer(&mut asked, r));
        assert_eq!((end.unwrap().as_str(), asides.len()), ("b", 2));
        assert_eq!(asked, ["a", "b"]);
    }

    #[test]
    fn what_runs_side_by_side_asks_in_rounds() {
        let mut asked = Vec::new();
        let script = |(): &(), script: &mut Script<'_>| {
            script.side_by_side(3, |i, one| {
                one.ask(read(&format!("a{i}")))??;
                if i == 1 {
                    return Ok(i);
                }
                one.ask(read(&format!("{}b{i}", if i == 2 { "no-" } else { "" })))??;
                Ok(i)
            })
        };
        let (end, _) = play((), SimTime::ZERO, script, |r| answer(&mut asked, r));
        let ends: Vec<bool> = end.unwrap().iter().map(Result::is_ok).collect();
        assert_eq!(ends, [true, true, false]);
        assert_eq!(asked, ["a0", "a1", "a2", "b0", "no-b2"]);
    }

    #[test]
    fn growing_batches_stop_after_the_one_that_fails() {
        let mut asked = Vec::new();
        let script = |(): &(), script: &mut Script<'_>| {
            script.slow_start(20, 500, |i, one| {
                let name = if i == 4 { "no".to_owned() } else { format!("{i}") };
                one.ask(read(&name))??;
                Ok(())
            })
        };
        let (end, _) = play((), SimTime::ZERO, script, |r| answer(&mut asked, r));
        let (succeeded, failure) = end.unwrap();
        assert_eq!((succeeded, failure.is_some()), (6, true));
        assert_eq!(asked, ["0", "1", "2", "3", "no", "5", "6"]);
    }

    #[test]
    fn what_was_asked_side_by_side_is_not_made_again() {
        let (made, mut asked) = (std::cell::Cell::new(0), Vec::new());
        let script = |(): &(), script: &mut Script<'_>| {
            script.side_by_side(2, |_, _| Ok(()))?;
            script.slow_start(7, 500, |i, one| {
                one.ask_for(|| {
                    made.set(made.get() + 1);
                    read(&format!("{i}"))
                })??;
                if i == 2 {
                    one.ask(read("more"))??;
                }
                Ok(())
            })
        };
        let (end, _) = play((), SimTime::ZERO, script, |r| answer(&mut asked, r));
        let (succeeded, failure) = end.unwrap();
        assert_eq!((succeeded, failure.is_none(), made.get()), (7, true, 7));
        assert_eq!(asked, ["0", "1", "2", "more", "3", "4", "5", "6"]);
    }
}

//! The vocabulary of facts.

use std::sync::Arc;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Kind, Object, Ref, Uid};

/// A fact's number: its place in the stream, from 1 on. 0 stands for "no cause".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FactId(pub u64);

impl FactId {
    /// No fact: the cause of what nothing in the simulation caused.
    pub const NONE: Self = Self(0);
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Fact {
    /// When.
    pub at: SimTime,
    /// Its number.
    pub id: FactId,
    /// What it followed from; [`FactId::NONE`] for the steps of the scenario and the like.
    pub cause: FactId,
    /// What.
    pub kind: FactKind,
}

/// What can happen. Closed: a new kind of fact breaks every report that should know of it.
#[derive(Clone, Debug)]
pub enum FactKind {
    /// An object was stored, changed or removed.
    Object {
        /// Which of the three.
        change: Change,
        /// The object as it is now; as it was last, when removed.
        object: Object,
        /// The object as it was before; `None` when added.
        old: Option<Object>,
    },
    /// A component recorded an API event.
    Event {
        /// The event.
        record: Arc<EventRecord>,
        /// How often it has been recorded, from 1 on; more than 1 continues a series.
        count: u32,
        /// When the series began.
        first: SimTime,
    },
    /// A container wrote a line.
    Output(Arc<Output>),
    /// The API server took a request with a document and warned its sender.
    Warned(Str),
    /// A step of the scenario begins.
    StepBegun {
        /// `apply`, `kubectl`, `stop-node`, `start-node`, `add-node`.
        action: &'static str,
        /// What it is about.
        arg: Str,
    },
    /// A step of the scenario was carried out.
    Step(Arc<StepDone>),
    /// A component decided to wait, and on what. Recorded when the reason changes, not at every look.
    Waiting(Arc<Waiting>),
    /// Something was assumed that the input does not say.
    Assumed(Arc<Assumption>),
    /// A shell command or another part of the input is not modelled.
    Unmodelled(Arc<Assumption>),
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It is new.
    Added,
    /// It differs from before.
    Modified,
    /// It is gone.
    Deleted,
}

impl Change {
    /// As the watch API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// An event as a component records it (`v1.Event`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventRecord {
    /// What it is about.
    pub regarding: Regarding,
    /// Normal or Warning.
    pub event_type: EventType,
    /// Why, in one word.
    pub reason: Str,
    /// For people.
    pub message: Str,
    /// Who says so, such as `job-controller`.
    pub component: Str,
    /// The node of a node agent that says so; empty otherwise.
    pub host: Str,
}

impl EventRecord {
    /// What begins the message of an event that stands for several similar ones.
    pub const COMBINED: &str = "(combined from similar events): ";

    /// What the server keeps one object for: combined events are one, which takes the latest message
    /// (`EventAggregate`, whose key has no message).
    pub fn identity(self: &Arc<Self>) -> Arc<Self> {
        if !self.message.starts_with(Self::COMBINED) {
            return Arc::clone(self);
        }
        let mut one = Self::clone(self);
        one.message = Str::new_static(Self::COMBINED);
        one.regarding.field_path = Str::default();
        Arc::new(one)
    }
}

/// The object of an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Regarding {
    /// The object.
    pub object: Ref,
    /// Its uid.
    pub uid: Uid,
    /// A part of it, such as `spec.containers{web}`; may be empty.
    pub field_path: Str,
}

impl Regarding {
    /// The object as a whole.
    pub fn object(object: &Object) -> Self {
        Self { object: object.reference(), uid: object.meta().uid, field_path: Str::default() }
    }

    /// A container of a pod; `group` is `containers` or `initContainers`.
    pub fn container(pod: Ref, uid: Uid, group: &str, name: &str) -> Self {
        debug_assert_eq!(pod.kind, Kind::Pod);
        let field_path = ["spec.", group, "{", name, "}"].into_iter().collect();
        Self { object: pod, uid, field_path }
    }
}

/// How serious an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// As it should be.
    Normal,
    /// Someone should look.
    Warning,
}

impl EventType {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// A line that a container wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The pod.
    pub pod: Ref,
    /// Its uid.
    pub uid: Uid,
    /// The container.
    pub container: Str,
    /// The run of the container: its restart count at the time.
    pub attempt: u32,
    /// The number of the run, as `containerID` in statuses.
    pub run: u64,
    /// Where the line was written to.
    pub stream: OutputStream,
    /// The line, without its end.
    pub text: String,
}

/// Where a container writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A step of the scenario, done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepDone {
    /// Its place in the list, from 0.
    pub index: u32,
    /// When it was due, since the start, as written: `14s`.
    pub at: String,
    /// `apply`, `kubectl`, `stop-node`, `start-node`, `add-node`.
    pub action: &'static str,
    /// What it was about.
    pub arg: String,
    /// kubectl's exit code.
    pub exit_code: i32,
    /// What kubectl printed.
    pub stdout: String,
    /// What kubectl complained about.
    pub stderr: String,
    /// Whether a refusal was expected.
    pub expect_error: bool,
    /// When it began.
    pub began: SimTime,
}

/// A component waits on something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The object that does not move on.
    pub object: Ref,
    /// Its uid.
    pub uid: Uid,
    /// What it waits for, for people: "volume claim data-0 to be bound". Empty: it waits no longer.
    pub on: Str,
}

/// Something that was assumed, or that is not modelled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assumption {
    /// What it is about: an image, a field, a command.
    pub subject: Str,
    /// What was assumed, for people.
    pub text: Str,
}

/// The facts of the instant being handled, before they are handed out.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    next: u64,
    pending: Vec<Fact>,
}

impl Facts {
    /// Records a fact and tells its number.
    pub fn push(&mut self, at: SimTime, cause: FactId, kind: FactKind) -> FactId {
        self.next += 1;
        let id = FactId(self.next);
        self.pending.push(Fact { at, id, cause, kind });
        id
    }

    /// The facts since the last call, in order.
    pub fn take(&mut self) -> std::vec::Drain<'_, Fact> {
        self.pending.drain(..)
    }

    /// Whether nothing has happened since the last call of [`Facts::take`].
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

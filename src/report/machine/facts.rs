//! Facts as JSON lines, in a published form.
//!
//! One line is one fact: its number, its cause's number, its time, and what happened. The JSON Schema is
//! made of the types that are written here.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::convert;
use crate::base::time::SimTime;
use crate::model::{Object, Ref, Uid};
use crate::trace::{Change, Fact, FactId, FactKind, OutputStream};

/// Where the schema is published.
pub const SCHEMA_ID: &str = "https://wavetank.dev/schemas/v1alpha1/facts.json";

/// What happened.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "fact", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum What {
    /// An object was stored, changed or removed.
    Object {
        /// Which of the three.
        change: Changed,
        /// Which object.
        object: Of,
        /// The object as the API writes it; as it was last, where it was removed.
        document: Map<String, Value>,
    },
    /// A component recorded an API event.
    Event {
        /// What it is about.
        object: Of,
        /// A part of it, such as `spec.containers{web}`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        field_path: String,
        /// Normal or Warning.
        r#type: String,
        /// Why, in one word.
        reason: String,
        /// For people.
        message: String,
        /// Who says so.
        component: String,
        /// How often it has been recorded.
        count: u32,
    },
    /// A container wrote a line.
    Output {
        /// Whose.
        object: Of,
        /// The container.
        container: String,
        /// The container's restart count at the time.
        attempt: u32,
        /// Where it was written to.
        stream: Stream,
        /// The line, without its end.
        text: String,
    },
    /// The API server warned the sender of a request.
    Warned {
        /// What it said.
        text: String,
    },
    /// A step of the scenario begins.
    StepBegun {
        /// What is done.
        action: String,
        /// What it is about.
        arg: String,
    },
    /// A step of the scenario was carried out.
    Step {
        /// Its place in the list, from 0.
        index: u32,
        /// What was done.
        action: String,
        /// What it was about.
        arg: String,
        /// kubectl's exit code.
        exit_code: i32,
        /// What was printed.
        stdout: String,
        /// What was complained about.
        stderr: String,
    },
    /// A component waits, or no longer does.
    Waiting {
        /// What does not move on.
        object: Of,
        /// On what; left out where it waits no longer.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: Option<String>,
    },
    /// Something was assumed that the input does not say.
    Assumed {
        /// What it is about.
        subject: String,
        /// What was assumed.
        text: String,
    },
    /// Something is not modelled.
    Unmodelled {
        /// What it is about.
        subject: String,
        /// What is not done.
        text: String,
    },
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Changed {
    Added,
    Modified,
    Deleted,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Stream {
    Stdout,
    Stderr,
}

/// Which object.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Of {
    /// Its kind.
    kind: String,
    /// Its namespace; left out for cluster-wide kinds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    namespace: String,
    /// Its name.
    name: String,
    /// Its uid.
    uid: String,
}

fn of(object: &Ref, uid: Uid) -> Of {
    Of {
        kind: object.kind.as_str().to_owned(),
        namespace: object.key.namespace.to_string(),
        name: object.key.name.to_string(),
        uid: uid.to_string(),
    }
}

/// The schema of one line.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(What).to_value();
    schema["$id"] = SCHEMA_ID.into();
    schema["title"] = "A fact of a run of wavetank".into();
    let head = [
        (
            "id",
            json!({"type": "integer", "minimum": 1, "description": "The number of the fact, from 1 on."}),
        ),
        (
            "cause",
            json!({"type": "integer", "minimum": 1, "description": "The number of the fact that it followed from; left out where there is none."}),
        ),
        ("at", json!({"type": "number", "minimum": 0, "description": "Seconds since the start."})),
        (
            "time",
            json!({"type": "string", "format": "date-time", "description": "The virtual time, to the millisecond."}),
        ),
    ];
    for one in schema["oneOf"].as_array_mut().into_iter().flatten() {
        for (key, value) in &head {
            one["properties"][*key] = value.clone();
        }
        if let Some(required) = one["required"].as_array_mut() {
            required.extend(["id", "at", "time"].map(Value::from));
        }
    }
    close(&mut schema);
    schema
}

/// No object may hold what its type does not name. Schemas are shallow, so this may recurse.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let is_object = fields.get("type") == Some(&"object".into());
            if is_object && fields.contains_key("properties") {
                fields.insert("additionalProperties".to_owned(), false.into());
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A fold of facts into lines.
#[derive(Debug)]
pub struct Facts {
    start: SimTime,
    text: String,
}

impl Facts {
    /// The facts of a run that starts at `start`.
    pub fn new(start: SimTime) -> Self {
        Self { start, text: String::new() }
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        let mut line = Map::new();
        line.insert("id".to_owned(), fact.id.0.into());
        if fact.cause != FactId::NONE {
            line.insert("cause".to_owned(), fact.cause.0.into());
        }
        line.insert("at".to_owned(), fact.at.since(self.start).as_secs_f64().into());
        let time = fact.at.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        line.insert("time".to_owned(), time.into());
        if let Ok(Value::Object(what)) = serde_json::to_value(what(&fact.kind)) {
            line.extend(what);
        }
        self.text.push_str(&Value::Object(line).to_string());
        self.text.push('\n');
    }

    /// The lines.
    pub fn finish(self) -> String {
        self.text
    }
}

fn what(kind: &FactKind) -> What {
    match kind {
        FactKind::Object { change, object, .. } => What::Object {
            change: match change {
                Change::Added => Changed::Added,
                Change::Modified => Changed::Modified,
                Change::Deleted => Changed::Deleted,
            },
            object: of(&object.reference(), object.meta().uid),
            document: document(object),
        },
        FactKind::Event { record, count, .. } => What::Event {
            object: of(&record.regarding.object, record.regarding.uid),
            field_path: record.regarding.field_path.to_string(),
            r#type: record.event_type.as_str().to_owned(),
            reason: record.reason.to_string(),
            message: record.message.to_string(),
            component: record.component.to_string(),
            count: *count,
        },
        FactKind::Output(line) => What::Output {
            object: of(&line.pod, line.uid),
            container: line.container.to_string(),
            attempt: line.attempt,
            stream: match line.stream {
                OutputStream::Stdout => Stream::Stdout,
                OutputStream::Stderr => Stream::Stderr,
            },
            text: line.text.clone(),
        },
        FactKind::Warned(text) => What::Warned { text: text.to_string() },
        FactKind::StepBegun { action, arg } => {
            What::StepBegun { action: (*action).to_owned(), arg: arg.to_string() }
        }
        FactKind::Step(done) => What::Step {
            index: done.index,
            action: done.action.to_owned(),
            arg: done.arg.clone(),
            exit_code: done.exit_code,
            stdout: done.stdout.clone(),
            stderr: done.stderr.clone(),
        },
        FactKind::Waiting(w) => What::Waiting {
            object: of(&w.object, w.uid),
            on: (!w.on.is_empty()).then(|| w.on.to_string()),
        },
        FactKind::Assumed(a) => {
            What::Assumed { subject: a.subject.to_string(), text: a.text.to_string() }
        }
        FactKind::Unmodelled(a) => {
            What::Unmodelled { subject: a.subject.to_string(), text: a.text.to_string() }
        }
    }
}

fn document(object: &Object) -> Map<String, Value> {
    match convert::to_wire(object).to_value() {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

//! The recorded trace: facts as JSON lines.
//!
//! Every change of an object that a watch would deliver, every event, every step, in the form in which
//! recordings of real clusters are kept: `metadata` and `status` whole on each line, `spec` and other
//! bodies whole on an object's first line and afterwards only what changed. Times are seconds since
//! the start, in milliseconds; times inside objects are in the same unit. Uids are `uid-N` in the order
//! in which they first appear.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::api::convert;
use crate::base::time::SimTime;
use crate::model::{Kind, Object, Uid};
use crate::trace::{Change, EventRecord, Fact, FactKind, Output, OutputStream, StepDone};

/// The kinds that are recorded wherever nothing else is asked for.
const RECORDED: [Kind; 17] = [
    Kind::Pod,
    Kind::Job,
    Kind::CronJob,
    Kind::DaemonSet,
    Kind::StatefulSet,
    Kind::ControllerRevision,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::ReplicationController,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::PersistentVolumeClaim,
    Kind::PersistentVolume,
    Kind::Node,
    Kind::PodDisruptionBudget,
    Kind::ResourceQuota,
    Kind::HorizontalPodAutoscaler,
];

/// A fold of facts into trace lines and logs.
#[derive(Debug)]
pub struct Recorder {
    start: SimTime,
    namespace: String,
    uids: BTreeMap<Uid, u32>,
    /// The body of each living object as it was last written.
    bodies: BTreeMap<Uid, Map<String, Value>>,
    lines: Vec<String>,
    logs: BTreeMap<String, String>,
    /// The kinds that are recorded.
    watched: BTreeSet<Kind>,
}

impl Recorder {
    /// A recording that begins with `header`, of what happens in `namespace` and cluster-wide.
    pub fn new(start: SimTime, namespace: &str, header: &Value) -> Self {
        Self {
            start,
            namespace: namespace.to_owned(),
            uids: BTreeMap::new(),
            bodies: BTreeMap::new(),
            lines: vec![header.to_string()],
            logs: BTreeMap::new(),
            watched: RECORDED.into(),
        }
    }

    /// Records objects of these kinds too.
    pub fn watch(&mut self, kinds: impl IntoIterator<Item = Kind>) {
        self.watched.extend(kinds);
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        match &fact.kind {
            FactKind::Object { change, object, .. } => self.object(fact.at, *change, object),
            FactKind::Event { record, count, first } => {
                self.event(fact.at, record, *count, *first);
            }
            FactKind::Output(output) => self.output(fact.at, output),
            FactKind::Step(step) => self.step(step),
            FactKind::Warned(_)
            | FactKind::StepBegun { .. }
            | FactKind::Waiting(_)
            | FactKind::Assumed(_)
            | FactKind::Unmodelled(_) => {}
        }
    }

    /// The lines, and the logs by file name.
    pub fn finish(self) -> (Vec<String>, BTreeMap<String, String>) {
        (self.lines, self.logs)
    }

    fn object(&mut self, at: SimTime, change: Change, object: &Object) {
        let meta = object.meta();
        let foreign = !meta.namespace.is_empty() && meta.namespace != self.namespace;
        if foreign || !self.watched.contains(&object.kind()) {
            return;
        }
        let mut whole = convert::to_wire(object).to_value();
        self.localise(&mut whole);
        let Value::Object(mut body) = whole else { return };
        body.shift_remove("apiVersion");
        body.shift_remove("kind");
        let metadata = metadata(body.shift_remove("metadata"));
        let status = body.shift_remove("status");
        let mut line = Map::new();
        line.insert("t".into(), self.seconds(at));
        line.insert("type".into(), change.as_str().into());
        line.insert("kind".into(), object.kind().as_str().into());
        line.insert("name".into(), meta.name.as_str().into());
        line.insert("metadata".into(), metadata);
        match self.bodies.get(&meta.uid) {
            Some(before) => line.extend(difference(object.kind(), before, &body)),
            None => line.extend(body.clone()),
        }
        line.extend(status.map(|s| ("status".to_owned(), s)));
        if change == Change::Deleted {
            self.bodies.remove(&meta.uid);
        } else {
            self.bodies.insert(meta.uid, body);
        }
        self.lines.push(Value::Object(line).to_string());
    }

    fn event(&mut self, at: SimTime, record: &EventRecord, count: u32, first: SimTime) {
        let object = &record.regarding.object;
        if !object.key.namespace.is_empty() && object.key.namespace != self.namespace {
            return;
        }
        let mut about = json!({"kind": object.kind.as_str(), "name": object.key.name.as_str()});
        if !record.regarding.field_path.is_empty() {
            about["fieldPath"] = record.regarding.field_path.as_str().into();
        }
        let line = json!({
            "t": self.seconds(at),
            "type": "EVENT",
            "verb": if count > 1 { "MODIFIED" } else { "ADDED" },
            "reason": record.reason.as_str(),
            "message": record.message.as_str(),
            "eventType": record.event_type.as_str(),
            "component": record.component.as_str(),
            "host": record.host.as_str(),
            "object": about,
            "count": count,
            "first": self.whole_seconds(first),
            "last": self.whole_seconds(at),
        });
        self.lines.push(line.to_string());
    }

    fn step(&mut self, step: &StepDone) {
        let line = json!({
            "t": self.seconds(step.began),
            "type": "STEP",
            "step": step.index,
            "at": step.at,
            "action": step.action,
            "arg": step.arg,
            "rc": step.exit_code,
            "stdout": step.stdout,
            "stderr": step.stderr,
            "expectError": step.expect_error,
        });
        self.lines.push(line.to_string());
    }

    fn output(&mut self, at: SimTime, output: &Output) {
        if output.pod.key.namespace != self.namespace {
            return;
        }
        let name = format!(
            "{}.uid-{}.{}.{}.log",
            output.pod.key.name,
            self.number(output.uid),
            output.container,
            output.attempt
        );
        let stream = match output.stream {
            OutputStream::Stdout => "stdout",
            OutputStream::Stderr => "stderr",
        };
        let seconds = self.seconds(at);
        let log = self.logs.entry(name).or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(log, "{seconds} {stream} {}", output.text);
    }

    fn number(&mut self, uid: Uid) -> u32 {
        let next = u32::try_from(self.uids.len()).unwrap_or(u32::MAX - 1) + 1;
        *self.uids.entry(uid).or_insert(next)
    }

    /// Rewrites uids and times everywhere in a document.
    fn localise(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (_, v) in fields.iter_mut() {
                    self.localise(v);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|v| self.localise(v)),
            Value::String(text) => {
                if let Some(uid) = Uid::parse(text) {
                    *value = format!("uid-{}", self.number(uid)).into();
                } else if let Some(at) = time(text) {
                    *value = self.whole_or_fraction(at);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Seconds since the start with milliseconds.
    fn seconds(&self, at: SimTime) -> Value {
        milliseconds(
            i128::from(at.as_nanos()) / 1_000_000 - i128::from(self.start.as_nanos()) / 1_000_000,
        )
    }

    fn whole_seconds(&self, at: SimTime) -> Value {
        let seconds = i128::from(at.as_secs()) - i128::from(self.start.as_secs());
        i64::try_from(seconds).unwrap_or_default().into()
    }

    fn whole_or_fraction(&self, at: SimTime) -> Value {
        if at == at.trunc_secs() { self.whole_seconds(at) } else { self.seconds(at) }
    }
}

/// A number of milliseconds as a number of seconds, exactly as it is written in decimal.
fn milliseconds(ms: i128) -> Value {
    let sign = if ms < 0 { "-" } else { "" };
    let (secs, rest) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    let text = format!("{sign}{secs}.{rest:03}");
    serde_json::from_str(&text).unwrap_or_default()
}

fn time(text: &str) -> Option<SimTime> {
    let shape = text.len() >= 20 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T';
    if !shape {
        return None;
    }
    let parsed = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    SimTime::from_utc(parsed.to_utc())
}

/// Metadata as recordings keep it.
fn metadata(metadata: Option<Value>) -> Value {
    let Some(Value::Object(mut fields)) = metadata else { return json!({}) };
    for gone in ["namespace", "resourceVersion", "managedFields", "selfLink"] {
        fields.shift_remove(gone);
    }
    if let Some(Value::Object(annotations)) = fields.get_mut("annotations") {
        annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
        if annotations.is_empty() {
            fields.shift_remove("annotations");
        }
    }
    for owner in
        fields.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten()
    {
        if let Some(owner) = owner.as_object_mut() {
            owner.shift_remove("apiVersion");
        }
    }
    Value::Object(fields)
}

/// What changed of a body: top-level fields of `spec`, other top-level fields whole.
fn difference(
    kind: Kind,
    before: &Map<String, Value>,
    now: &Map<String, Value>,
) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    for (key, value) in now {
        if before.get(key) == Some(value) {
            continue;
        }
        match (key.as_str(), before.get(key), value) {
            ("spec", Some(Value::Object(a)), Value::Object(b)) if kind != Kind::Node => {
                let changed = b.iter().filter(|(k, v)| a.get(*k) != Some(v));
                let mut fields: Map<String, Value> =
                    changed.map(|(k, v)| (k.clone(), v.clone())).collect();
                for gone in a.keys().filter(|k| !b.contains_key(*k)) {
                    fields.insert(gone.clone(), Value::Null);
                }
                out.push((key.clone(), Value::Object(fields)));
            }
            _ => out.push((key.clone(), value.clone())),
        }
    }
    for gone in before.keys().filter(|k| !now.contains_key(*k)) {
        out.push((gone.clone(), Value::Null));
    }
    if kind == Kind::Node
        && !out.iter().any(|(k, _)| k == "spec")
        && let Some(spec) = now.get("spec")
    {
        out.push(("spec".to_owned(), spec.clone()));
    }
    out
}

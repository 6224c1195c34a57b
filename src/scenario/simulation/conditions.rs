//! Conditions as they are written, made ready: patterns compiled, names known, parts of objects checked.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::file::File;
use super::written;
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::kinds;
use crate::api::schema;
use crate::api::strict::{self, FindingKind, Order};
use crate::api::suggest;
use crate::api::tree::{parse_path, write_path};
use crate::base::Str;
use crate::model::Kind;
use crate::scenario::monitor::{
    Choice, Comparison, Condition, EventPattern, ExitPattern, Expression, LogPattern, Objects,
    Pattern, StepPattern, Wanted,
};
use crate::scenario::runner::NAMESPACE;
use crate::trace::EventType;

/// A compiled regular expression is no larger than this.
const REGEX_BYTES: usize = 1 << 20;
/// Conditions nest no deeper than this.
const MAX_DEPTH: usize = 16;

/// Which steps there are, by name.
pub(super) type Steps = BTreeMap<String, u32>;

/// Makes a condition ready; `None` where it has none or it is wrong, which is noted.
pub(super) fn compile(
    file: &mut File,
    path: &str,
    written: &written::Condition,
    steps: &Steps,
) -> Option<Condition> {
    compile_within(file, path, written, steps, 0)
}

fn compile_within(
    file: &mut File,
    path: &str,
    c: &written::Condition,
    steps: &Steps,
    depth: usize,
) -> Option<Condition> {
    if depth > MAX_DEPTH {
        file.wrong(path, format!("conditions nest at most {MAX_DEPTH} levels"));
        return None;
    }
    let named = names(c);
    if named.len() != 1 {
        let known = "object, every, absent, cel, event, log, exit, step, all, any and not";
        let text = match named.len() {
            0 => format!("there is no condition: it has one of {known}"),
            _ => format!("there is more than one condition: {}", named.join(", ")),
        };
        let hint = (named.len() > 1).then(|| "put them in a list under `all`".to_owned());
        file.wrong_with(path, text, hint);
        return None;
    }
    let field = |name: &str| join(path, name);
    if c.count.is_some() && c.object.is_none() {
        file.wrong(&field("count"), "`count` goes with `object`");
        return None;
    }
    if c.filter.is_some() && c.object.is_none() && c.every.is_none() && c.absent.is_none() {
        file.wrong(&field("where"), "`where` goes with `object`, `every` and `absent`");
        return None;
    }
    let mut several = |name: &str, all: &[written::Condition]| -> Option<Vec<Condition>> {
        let each = all.iter().enumerate().map(|(i, one)| {
            compile_within(file, &format!("{}[{i}]", join(path, name)), one, steps, depth + 1)
        });
        // All that is wrong is told, not the first alone.
        let each: Vec<Option<Condition>> = each.collect();
        each.into_iter().collect()
    };
    if let Some(all) = &c.all {
        return several("all", all).map(Condition::All);
    }
    if let Some(any) = &c.any {
        return several("any", any).map(Condition::Any);
    }
    if let Some(not) = &c.not {
        let inner = compile_within(file, &field("not"), not, steps, depth + 1)?;
        return Some(Condition::Not(Box::new(inner)));
    }
    if let Some(cel) = &c.cel {
        return match Expression::of_cluster(cel) {
            Ok(expression) => Some(Condition::Cel(expression)),
            Err(why) => {
                file.wrong(&field("cel"), why);
                None
            }
        };
    }
    if let Some(event) = &c.event {
        return compile_event(file, &field("event"), event);
    }
    if let Some(log) = &c.log {
        return compile_log(file, &field("log"), log);
    }
    if let Some(exit) = &c.exit {
        return compile_exit(file, &field("exit"), exit);
    }
    if let Some(step) = &c.step {
        return compile_step(file, &field("step"), step, steps);
    }
    compile_objects(file, path, c)
}

/// The conditions that are written, by name.
fn names(c: &written::Condition) -> Vec<&'static str> {
    let all = [
        ("object", c.object.is_some()),
        ("every", c.every.is_some()),
        ("absent", c.absent.is_some()),
        ("cel", c.cel.is_some()),
        ("event", c.event.is_some()),
        ("log", c.log.is_some()),
        ("exit", c.exit.is_some()),
        ("step", c.step.is_some()),
        ("all", c.all.is_some()),
        ("any", c.any.is_some()),
        ("not", c.not.is_some()),
    ];
    all.into_iter().filter_map(|(name, is)| is.then_some(name)).collect()
}

/// A field of what stands at a path.
pub(super) fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

fn compile_objects(file: &mut File, path: &str, c: &written::Condition) -> Option<Condition> {
    let (name, part) = match (&c.object, &c.every, &c.absent) {
        (Some(part), ..) => ("object", part),
        (_, Some(part), _) => ("every", part),
        (.., Some(part)) => ("absent", part),
        (None, None, None) => return None,
    };
    let at = join(path, name);
    let wanted = match (name, &c.count) {
        ("every", _) => Wanted::Every,
        ("absent", _) => Wanted::Count(Comparison::NONE),
        (_, None) => Wanted::Count(Comparison::SOME),
        (_, Some(count)) => Wanted::Count(comparison(file, &join(path, "count"), &count.0)?),
    };
    let filter = match &c.filter {
        None => None,
        Some(text) => match Expression::of_object(text) {
            Ok(expression) => Some(expression),
            Err(why) => {
                file.wrong(&join(path, "where"), why);
                return None;
            }
        },
    };
    let (choice, part) = choose(file, &at, &part.0)?;
    Some(Condition::Objects(Box::new(Objects { choice, part, filter, tree: None, wanted })))
}

/// Which objects a part of an object chooses, and what of it they are to have.
pub(super) fn choose(
    file: &mut File,
    at: &str,
    part: &Map<String, Value>,
) -> Option<(Choice, Value)> {
    let text = |field: &str| part.get(field).and_then(Value::as_str);
    let Some(kind) = text("kind") else {
        file.wrong(at, "an object is chosen by its kind at the least");
        return None;
    };
    let choice = kind_of(file, at, kind, text("apiVersion"))?;
    check_fields(file, at, kind, text("apiVersion"));
    let mut rest = part.clone();
    rest.remove("kind");
    rest.remove("apiVersion");
    let mut choice = choice;
    if let Some(Value::Object(mut metadata)) = rest.remove("metadata") {
        let taken = |v: Option<Value>| v.and_then(|v| v.as_str().map(Str::from));
        choice.name = taken(metadata.remove("name")).map(Pattern);
        if let Some(namespace) = taken(metadata.remove("namespace")) {
            choice.namespace = (namespace != "*").then_some(namespace);
        }
        if let Some(Value::Object(labels)) = metadata.remove("labels") {
            let pair = |(k, v): (&String, &Value)| Some((k.into(), v.as_str()?.into()));
            choice.labels = labels.iter().filter_map(pair).collect();
        }
        if !metadata.is_empty() {
            rest.insert("metadata".to_owned(), Value::Object(metadata));
        }
    }
    Some((choice, Value::Object(rest)))
}

/// All objects of a kind in the default namespace, or in none.
fn kind_of(file: &mut File, at: &str, kind: &str, api_version: Option<&str>) -> Option<Choice> {
    let info = match api_version {
        Some(version) => kinds::in_group(kinds::split(version).0, kind),
        None => kinds::anywhere(kind),
    };
    let of = |kind, inert, namespaced: bool| Choice {
        kind,
        inert,
        name: None,
        namespace: namespaced.then(|| NAMESPACE.into()),
        labels: Vec::new(),
    };
    match (info, api_version) {
        (Some(info), _) => {
            let model = info.model();
            let inert = (model == Kind::Inert).then(|| (kind.into(), info.group.into()));
            Some(of(model, inert, info.namespaced))
        }
        // A custom kind; those without a namespace must say so.
        (None, Some(version)) if kinds::split(version).0.contains('.') => {
            let group: Str = kinds::split(version).0.into();
            let mut choice = of(Kind::Inert, Some((kind.into(), group)), true);
            choice.namespace = None;
            Some(choice)
        }
        _ => {
            let near = suggest::nearest(kind, kinds::all().iter().map(|i| i.kind));
            let hint = near.map(|n| format!("did you mean \"{n}\"?"));
            file.wrong_with(&join(at, "kind"), format!("there is no kind {kind:?}"), hint);
            None
        }
    }
}

/// Tells of fields that the kind does not have.
fn check_fields(file: &mut File, at: &str, kind: &str, api_version: Option<&str>) {
    let version = match api_version {
        Some(version) => version.to_owned(),
        None => kinds::anywhere(kind).map(kinds::KindInfo::api_version).unwrap_or_default(),
    };
    let Some(of) = schema::kind(&version, kind) else { return };
    let base = parse_path(at);
    for finding in strict::check(of, &file.tree, file.node(at), Order::Written) {
        let path = write_path(&[base.clone(), finding.path].concat());
        let code = match finding.kind {
            FindingKind::Unknown => Code::UnknownField,
            FindingKind::Duplicate => Code::DuplicateField,
            FindingKind::Type | FindingKind::Fatal => Code::WrongType,
        };
        let mut problem = Diagnostic { code, ..file.problem(&path, finding.message) };
        if matches!(finding.kind, FindingKind::Unknown | FindingKind::Duplicate) {
            let key = file.tree.node(file.node(&path)).key_span;
            problem = problem.at(&file.source, key);
        }
        let problem = problem.maybe_hint(finding.hint);
        let expected = finding.expected;
        file.problems.push(if expected.is_empty() { problem } else { problem.expected(expected) });
    }
}

fn comparison(file: &mut File, path: &str, text: &str) -> Option<Comparison> {
    Comparison::parse(text).map_err(|why| file.wrong(path, why)).ok()
}

fn optional<T>(
    given: Option<&written::Scalar>,
    read: impl FnOnce(&str) -> Option<T>,
) -> Option<Option<T>> {
    match given {
        None => Some(None),
        Some(text) => read(&text.0).map(Some),
    }
}

fn regex(file: &mut File, path: &str, text: &str) -> Option<Regex> {
    let built = RegexBuilder::new(text).size_limit(REGEX_BYTES).build();
    built
        .map_err(|e| {
            let text = e.to_string();
            let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            file.wrong(path, format!("it is no regular expression: {last}"));
        })
        .ok()
}

fn optional_regex(file: &mut File, path: &str, text: Option<&String>) -> Option<Option<Regex>> {
    match text {
        None => Some(None),
        Some(text) => regex(file, path, text).map(Some),
    }
}

fn namespace(given: Option<&String>) -> Str {
    given.map_or(NAMESPACE.into(), Str::from)
}

fn compile_event(file: &mut File, path: &str, e: &written::Event) -> Option<Condition> {
    let message = optional_regex(file, &join(path, "message"), e.message.as_ref())?;
    let about = match &e.about {
        None => None,
        Some(text) => {
            let mut about = about(file, &join(path, "about"), text)?;
            if let Some(namespace) = about.namespace.as_mut().filter(|_| e.namespace.is_some()) {
                *namespace = self::namespace(e.namespace.as_ref());
            }
            Some(about)
        }
    };
    Some(Condition::Event(EventPattern {
        reason: e.reason.as_ref().map(Str::from),
        message,
        event_type: e.event_type.map(|t| match t {
            written::EventType::Normal => EventType::Normal,
            written::EventType::Warning => EventType::Warning,
        }),
        about,
    }))
}

/// `pod/web-*` as a choice.
fn about(file: &mut File, path: &str, text: &str) -> Option<Choice> {
    let (kind, name) = text.split_once('/').unwrap_or((text, "*"));
    match kinds::resolve(kind) {
        Ok(info) => Some(Choice {
            kind: info.model(),
            inert: None,
            name: Some(Pattern(name.into())),
            namespace: info.namespaced.then(|| NAMESPACE.into()),
            labels: Vec::new(),
        }),
        Err(_) => {
            file.wrong(path, format!("{kind:?} is no kind of object: write it as pod/NAME"));
            None
        }
    }
}

fn compile_log(file: &mut File, path: &str, log: &written::Log) -> Option<Condition> {
    Some(Condition::Log(LogPattern {
        pod: log.pod.as_ref().map(|p| Pattern(p.into())),
        namespace: namespace(log.namespace.as_ref()),
        container: log.container.as_ref().map(Str::from),
        line: regex(file, &join(path, "line"), &log.line)?,
    }))
}

fn compile_exit(file: &mut File, path: &str, exit: &written::Exit) -> Option<Condition> {
    let code = optional(exit.code.as_ref(), |t| comparison(file, &join(path, "code"), t))?;
    Some(Condition::Exit(ExitPattern {
        pod: exit.pod.as_ref().map(|p| Pattern(p.into())),
        namespace: namespace(exit.namespace.as_ref()),
        container: exit.container.as_ref().map(Str::from),
        code,
        reason: exit.reason.as_ref().map(Str::from),
    }))
}

fn compile_step(
    file: &mut File,
    path: &str,
    step: &written::StepResult,
    steps: &Steps,
) -> Option<Condition> {
    let exit_code =
        optional(step.exit_code.as_ref(), |t| comparison(file, &join(path, "exitCode"), t))?;
    let output = optional_regex(file, &join(path, "output"), step.output.as_ref())?;
    let index = step_named(file, &join(path, "name"), &step.name, steps)?;
    let name = step.name.clone();
    Some(Condition::Step(StepPattern { index, name, refused: step.refused, exit_code, output }))
}

/// The number of a step.
pub(super) fn step_named(file: &mut File, path: &str, name: &str, steps: &Steps) -> Option<u32> {
    let found = steps.get(name).copied();
    if found.is_none() {
        let near = suggest::nearest(name, steps.keys().map(String::as_str));
        let hint = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None if steps.is_empty() => "give a step a name to speak of it".to_owned(),
            None => {
                let known: Vec<&str> = steps.keys().map(String::as_str).collect();
                format!("known are {}", known.join(", "))
            }
        };
        file.wrong_with(path, format!("there is no step {name:?}"), Some(hint));
    }
    found
}

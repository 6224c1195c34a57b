//! `kubectl wait`.
//!
//! After `pkg/cmd/wait`: conditions, JSONPath, creation, deletion. One deadline holds for all objects, which
//! are waited for one after the other.

use std::time::Duration;

use serde_json::Value;

use super::args::Args;
use super::output::Printer;
use super::resource::{self, Info, Ways, to_value};
use super::table::{FILES, PRINT, SELECTOR, Treatment, Verb, switch, text, texts, time};
use super::{Cx, Failure, Files, Look, Output, Poll, Session, Task, Tasks};
use crate::api::jsonpath::{JsonPath, text_of};
use crate::base::time::SimTime;

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "wait",
    aliases: &[],
    usage: "wait ([-f FILENAME] | resource.group/resource.name | resource.group [(-l label | --all)]) [--for=create|--for=delete|--for condition=available|--for=jsonpath='{}'[=value]] [options]",
    about: "Wait for a specific condition on one or many resources.",
    flags: &[
        FILES,
        PRINT,
        SELECTOR,
        &[
            texts("for"),
            time("timeout", "30s"),
            switch("all"),
            switch("all-namespaces").letter('A'),
            text("field-selector"),
            switch("local").refused("there is nothing to wait for in a file"),
        ],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

/// A negative `--timeout` means a week.
const FOR_EVER: Duration = Duration::from_secs(168 * 3600);

/// Objects whose condition is waited for.
#[derive(Debug)]
pub(super) struct Wait {
    line: Option<Line>,
    /// The objects; `None` until they were looked for.
    infos: Option<Vec<Info>>,
    conditions: Vec<Condition>,
    printer: Option<Printer>,
    timeout: Duration,
    began: Option<SimTime>,
    /// The object at hand, the condition at hand, and the version that was judged.
    at: (usize, usize),
    seen: u64,
}

/// The command line, where objects may have to be looked for again.
#[derive(Debug)]
struct Line {
    args: Args,
    namespace: String,
    namespace_given: bool,
    files: Files,
}

#[derive(Clone, Debug)]
enum Condition {
    Create,
    Delete,
    Status { name: String, value: String },
    Path { path: Box<JsonPath>, value: Option<String> },
    Replicas(i64),
}

/// When an object that is waited for is looked at next: soon at first, so that no change is missed, and
/// less often after ten minutes.
pub(super) fn next_look(began: SimTime, now: SimTime) -> SimTime {
    let soon = now.since(began) < Duration::from_secs(600);
    now.saturating_add(Duration::from_millis(if soon { 5 } else { 100 }))
}

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let given = args.list("for");
    let conditions: Vec<Condition> =
        given.iter().map(|text| condition(text)).collect::<Result<_, _>>()?;
    if conditions.is_empty() {
        return Err("unrecognized condition: []".into());
    }
    let timeout = args.nanos("timeout");
    let printer = Printer::of(args, "condition met")?;
    Ok(vec![Task::Wait(Box::new(Wait {
        line: Some(Line {
            args: args.clone(),
            namespace: cx.namespace.clone(),
            namespace_given: cx.namespace_given,
            files: cx.files.clone(),
        }),
        infos: None,
        conditions,
        printer: Some(printer),
        timeout: u64::try_from(timeout).map_or(FOR_EVER, Duration::from_nanos),
        began: None,
        at: (0, 0),
        seen: 0,
    }))])
}

fn condition(text: &str) -> Result<Condition, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "delete" => return Ok(Condition::Delete),
        "create" => return Ok(Condition::Create),
        _ => {}
    }
    if let Some(rest) = text.strip_prefix("condition=") {
        let (name, value) = rest.split_once('=').unwrap_or((rest, "true"));
        return Ok(Condition::Status { name: name.to_owned(), value: value.to_owned() });
    }
    let Some(rest) = text.strip_prefix("jsonpath=") else {
        return Err(format!("unrecognized condition: {text:?}").into());
    };
    let parts = split_single_equals(rest);
    let (path, value) = match parts.as_slice() {
        [path] => (path, None),
        [path, value] => (path, Some(value.trim_matches(['\'', '"']).to_owned())),
        _ => {
            return Err("jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or --for=jsonpath='{.status.readyReplicas}'".into());
        }
    };
    if value.as_deref() == Some("") {
        return Err("jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3".into());
    }
    if path.is_empty() {
        return Err("jsonpath expression cannot be empty".into());
    }
    let path = JsonPath::parse_relaxed(path).map_err(|e| Failure::Plain(e.to_string()))?;
    Ok(Condition::Path { path: Box::new(path), value })
}

/// Splits at single equals signs; double ones belong to the expression.
fn split_single_equals(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '=' && chars.next_if_eq(&'=').is_none() {
            parts.push(String::new());
            continue;
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
            last.extend((c == '=').then_some('='));
        }
    }
    parts
}

impl Wait {
    /// Waits until a scaled object has as many pods as it was told (`WaitForScaleHasDesiredReplicas`).
    pub(super) fn scaled(info: &Info, replicas: i64, timeout: i64) -> Task {
        Task::Wait(Box::new(Self {
            line: None,
            infos: Some(vec![info.clone()]),
            conditions: vec![Condition::Replicas(replicas)],
            printer: None,
            timeout: Duration::from_nanos(u64::try_from(timeout).unwrap_or(0)),
            began: None,
            at: (0, 0),
            seen: 0,
        }))
    }

    fn find(&self, look: &Look<'_>) -> Result<resource::Found, Failure> {
        let Some(line) = &self.line else { return Ok(resource::Found::default()) };
        let session = Session {
            namespace: &line.namespace,
            namespace_given: line.namespace_given,
            files: &line.files,
        };
        resource::find(&line.args, &Cx::new(look, &session), Ways::default())
    }

    /// Looks whether the conditions are met.
    pub(super) fn poll(&mut self, look: &Look<'_>, out: &mut Output) -> Poll {
        let began = *self.began.get_or_insert(look.now);
        let until = began.saturating_add(self.timeout);
        if self.infos.is_none()
            && let Some(poll) = self.begin(until, look, out)
        {
            return poll;
        }
        loop {
            let infos = self.infos.as_deref().unwrap_or_default();
            let Some(info) = infos.get(self.at.0).cloned() else { return Poll::Done };
            let Some(condition) = self.conditions.get(self.at.1).cloned() else {
                self.at = (self.at.0 + 1, 0);
                continue;
            };
            match self.judge(&info, &condition, look) {
                Err(failure) => {
                    out.failures.push(failure);
                    self.at = (self.at.0 + 1, 0);
                }
                Ok(Some(object)) => {
                    if let Some(printer) = &self.printer {
                        out.print(printer, &object);
                    }
                    self.at.1 += 1;
                    self.seen = 0;
                }
                Ok(None) if look.now >= until => {
                    out.failures.push(self.late(&info).into());
                    self.at = (self.at.0 + 1, 0);
                    self.seen = 0;
                }
                Ok(None) => return Poll::At(next_look(began, look.now).min(until)),
            }
        }
    }

    fn late(&self, info: &Info) -> String {
        let title = format!("{}/{}", info.resource.plural, info.name);
        match self.line {
            None => format!("timed out waiting for {:?} to be synced", info.name),
            Some(_) if self.timeout.is_zero() => format!("condition not met for {title}"),
            Some(_) => format!("timed out waiting for the condition on {title}"),
        }
    }

    /// Looks for the objects; with `--for=create` until there are any.
    fn begin(&mut self, until: SimTime, look: &Look<'_>, out: &mut Output) -> Option<Poll> {
        let has = |c: fn(&Condition) -> bool| self.conditions.iter().any(c);
        let (create, delete) =
            (has(|c| matches!(c, Condition::Create)), has(|c| matches!(c, Condition::Delete)));
        let (infos, failures) = match self.find(look) {
            Ok(found) => found.split(),
            Err(failure) => {
                out.failures.push(failure);
                return Some(Poll::Done);
            }
        };
        let missing = infos.is_empty() && failures.iter().all(Failure::is_not_found);
        if create && missing {
            if look.now >= until {
                out.failures.push("timed out waiting for the condition".into());
                return Some(Poll::Done);
            }
            return Some(Poll::At(look.now.saturating_add(Duration::from_millis(500)).min(until)));
        }
        if infos.is_empty() && failures.is_empty() && !delete {
            out.failures.push("no matching resources found".into());
            return Some(Poll::Done);
        }
        out.failures.extend(failures.into_iter().filter(|f| !(delete && f.is_not_found())));
        self.infos = Some(infos);
        None
    }

    /// The object, if it meets the condition; nothing yet if it does not.
    fn judge(
        &mut self,
        info: &Info,
        condition: &Condition,
        look: &Look<'_>,
    ) -> Result<Option<Value>, Failure> {
        let object = look.store.find(&info.reference());
        if let Condition::Delete = condition {
            let uid = info.object.as_ref().map(|o| o.meta().uid);
            let gone = object.is_none_or(|o| Some(o.meta().uid) != uid);
            return Ok(gone.then(|| info.wire()));
        }
        let Some(object) = object else { return Ok(None) };
        if object.meta().resource_version == self.seen {
            return Ok(None);
        }
        self.seen = object.meta().resource_version;
        let whole = to_value(object);
        let met = match condition {
            Condition::Create => true,
            Condition::Delete => false,
            Condition::Status { name, value } => has_condition(&whole, name, value),
            Condition::Path { path, value } => has_value(&whole, path, value.as_deref())?,
            Condition::Replicas(wanted) => {
                let n = |v: &Value| v.as_i64().unwrap_or(0);
                let spec = n(&whole["spec"]["replicas"]);
                spec != *wanted || n(&whole["status"]["replicas"]) == *wanted
            }
        };
        Ok(met.then_some(whole))
    }
}

fn has_condition(whole: &Value, name: &str, value: &str) -> bool {
    let conditions = whole["status"]["conditions"].as_array().into_iter().flatten();
    let same = |v: &Value, text: &str| v.as_str().is_some_and(|t| t.eq_ignore_ascii_case(text));
    let Some(found) = conditions.into_iter().find(|c| same(&c["type"], name)) else { return false };
    let own = found["observedGeneration"].as_i64();
    let observed = own.or_else(|| whole["status"]["observedGeneration"].as_i64());
    let generation = whole["metadata"]["generation"].as_i64();
    if let (Some(generation), Some(observed)) = (generation, observed)
        && observed < generation
    {
        return false;
    }
    same(&found["status"], value)
}

fn has_value(whole: &Value, path: &JsonPath, value: Option<&str>) -> Result<bool, Failure> {
    let found = path.find(whole);
    match (found.as_slice(), value) {
        ([], _) => Ok(false),
        ([_], None) => Ok(true),
        ([Value::Object(_) | Value::Array(_)], Some(_)) => {
            Err("jsonpath leads to a nested object or list which is not supported".into())
        }
        ([one], Some(value)) => Ok(text_of(one).trim() == value.trim()),
        _ => Err("given jsonpath expression matches more than one value".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_split_from_its_value_at_a_single_equals_sign() {
        let check = |text: &str, parts: &[&str]| assert_eq!(split_single_equals(text), parts);
        check("{.status.phase}=Running", &["{.status.phase}", "Running"]);
        check("{.a[?(@.b==\"c\")].d}=e", &["{.a[?(@.b==\"c\")].d}", "e"]);
        check("{.a}", &["{.a}"]);
        check("{.a}=b=c", &["{.a}", "b", "c"]);
    }

    #[test]
    fn conditions_are_read_as_kubectl_reads_them() {
        assert!(matches!(condition("Delete"), Ok(Condition::Delete)));
        let Ok(Condition::Status { name, value }) = condition("condition=Ready=False") else {
            panic!("a condition");
        };
        assert_eq!((name.as_str(), value.as_str()), ("Ready", "False"));
        let wrong = condition("ready").unwrap_err();
        assert_eq!(wrong.text(), "unrecognized condition: \"ready\"");
    }
}

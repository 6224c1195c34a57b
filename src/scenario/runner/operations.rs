//! Operations of other tools' suites, carried out.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Awaited, Ear, Runner};
use crate::api::convert;
use crate::api::kinds;
use crate::api::schema;
use crate::api::strict::{self, Order};
use crate::api::tree::Tree;
use crate::base::time::SimTime;
use crate::engine::Token;
use crate::model::{Kind, Object};
use crate::report::timeline::duration;
use crate::scenario::jmespath::template::filled;
use crate::scenario::jmespath::{Scope, World};
use crate::scenario::kubectl::{self, Files, Invocation, Session};
use crate::scenario::monitor::{AssertionTree, Comparison, Condition, Objects, Wanted};
use crate::scenario::suites::commands::seconds;
use crate::scenario::suites::operation::{
    Asserted, How, Operation, Outcome, What, asserted, expanded,
};
use crate::scenario::suites::{awaited, choice, deletion};
use crate::sim::Outcome as SimOutcome;
use crate::store::{ErrorReason, PatchType, Request, Store, WireVerb};
use crate::trace::{FactId, StepDone};

/// How often is looked at what no change of an object tells of.
const LOOK: Duration = Duration::from_millis(500);

/// A cluster as expressions ask it.
struct Cluster<'c> {
    store: &'c Store,
    now: SimTime,
}

impl World for Cluster<'_> {
    fn list(&self, api_version: &str, kind: &str, namespace: Option<&str>) -> Vec<Value> {
        let Some(info) = kinds::served(api_version, kind) else {
            let all = self.store.list(Kind::Inert).map(|o| convert::to_wire(o).to_value());
            let fits = |o: &Value| {
                o["kind"] == kind
                    && o["apiVersion"] == api_version
                    && namespace.is_none_or(|n| o["metadata"]["namespace"] == n)
            };
            return all.filter(fits).collect();
        };
        let fits = |o: &&Object| namespace.is_none_or(|n| o.meta().namespace == n);
        let all = self.store.list(info.model()).filter(fits);
        let documents = all.map(|o| convert::to_wire(o).to_value());
        documents.filter(|o| o["kind"] == kind).collect()
    }

    fn serves(&self, api_version: &str, kind: &str) -> bool {
        kinds::served(api_version, kind).is_some()
    }

    fn now(&self) -> String {
        self.now.to_rfc3339()
    }
}

/// Why the server refuses a document that it decodes strictly.
fn strictly(document: &Value) -> Option<String> {
    let (version, kind) = (document["apiVersion"].as_str()?, document["kind"].as_str()?);
    let of = schema::kind(version, kind)?;
    let findings = strict::check(of, &Tree::from_value(document), Tree::ROOT, Order::Sorted);
    let text = strict::server_text(&findings)?;
    let (_, version) = kinds::split(version);
    Some(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {text}"))
}

impl Runner {
    fn cluster(&self) -> Cluster<'_> {
        Cluster { store: self.sim.store(), now: self.sim.now() }
    }

    /// Carries out an operation; what it wrote is noted.
    pub(super) fn operate(
        &mut self,
        operation: &Operation,
        files: &Files,
        done: &mut StepDone,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        let mut remembered = std::mem::take(&mut self.remembered);
        let scope = operation.scope(&mut remembered, &self.cluster());
        let came = scope.and_then(|scope| {
            let outcome = self.carry_out(operation, files, &scope, ear)?;
            done.stdout = outcome.stdout.clone().unwrap_or_default();
            operation.judge(&outcome, &scope, &mut remembered, &self.cluster())
        });
        self.remembered = remembered;
        came
    }

    fn carry_out(
        &mut self,
        operation: &Operation,
        files: &Files,
        scope: &Scope,
        ear: &mut Ear<'_>,
    ) -> Result<Outcome, String> {
        let namespace = operation.namespace.as_str();
        let failed =
            |error: Result<(), String>| Outcome { error: error.err(), ..Outcome::default() };
        match &operation.what {
            What::Store { how, document, template, subresource } => {
                let document = match template {
                    true => filled(document, scope, &self.cluster())?,
                    false => document.clone(),
                };
                self.put(*how, document, *subresource, namespace, ear)
            }
            What::Assert { parts, trees, timeout } => {
                match asserted(parts, *trees, namespace, scope, &self.cluster())? {
                    Asserted::Objects(condition) => {
                        let condition = Arc::new(condition);
                        Ok(failed(self.wait_for(&Awaited { condition, timeout: *timeout }, ear)))
                    }
                    Asserted::World(trees) => Ok(failed(self.look_for(&trees, *timeout, ear))),
                }
            }
            What::Delete { reference, timeout } => {
                let reference = filled(reference, scope, &self.cluster())?;
                self.remove(&reference, *timeout, namespace, files, ear)
            }
            What::Wait { body, timeout } => {
                let body = filled(body, scope, &self.cluster())?;
                let condition = Arc::new(awaited(&body, namespace)?);
                Ok(failed(self.wait_for(&Awaited { condition, timeout: *timeout }, ear)))
            }
            What::Kubectl { lines, env, retry, forgiving } => {
                let mut variables =
                    BTreeMap::from([("NAMESPACE".to_owned(), namespace.to_owned())]);
                for binding in env {
                    let value = filled(&binding.value, scope, &self.cluster())?;
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    variables.insert(binding.name.clone(), text);
                }
                let each = lines.iter().map(|words| expanded(words, &variables));
                let lines = each.collect::<Result<Vec<_>, _>>()?;
                let mut outcome = self.lines(&lines, *retry, files, ear);
                if *forgiving {
                    outcome.error = None;
                }
                Ok(outcome)
            }
            What::Sleep(length) => {
                self.pass_to((self.sim.now() + *length).min(self.limit), ear);
                Ok(Outcome::default())
            }
        }
    }

    /// Stores a document.
    fn put(
        &mut self,
        how: How,
        document: Value,
        subresource: Option<&'static str>,
        namespace: &str,
        ear: &mut Ear<'_>,
    ) -> Result<Outcome, String> {
        let look = self.look(ear.history);
        let (target, document) = kubectl::addressed(document, namespace, &look)?;
        let found = self.sim.store().find(&target).map(|o| o.meta().resource_version);
        let said = |error: &str| Outcome {
            object: document.clone(),
            error: Some(error.to_owned()),
            ..Outcome::default()
        };
        if let Some(refused) = strictly(&document) {
            return Ok(said(&refused));
        }
        let verb = match (how, found) {
            (How::Apply | How::Create, None) => WireVerb::Create,
            (How::Create, Some(_)) => {
                return Ok(said("the resource already exists in the cluster"));
            }
            (How::Update, Some(_)) => WireVerb::Update,
            (How::Apply | How::Patch, Some(_)) => WireVerb::Patch(PatchType::Merge),
            (How::Update | How::Patch, None) => {
                let name = document["metadata"]["name"].as_str().unwrap_or_default();
                return Ok(said(&format!("{:?} {name:?} not found", document["kind"])));
            }
        };
        let mut body = document.clone();
        if let (WireVerb::Update, Some(version)) = (verb, found) {
            body["metadata"]["resourceVersion"] = version.to_string().into();
        }
        let body = Box::new(body);
        let request = Request::Wire { verb, target, body, subresource };
        Ok(match self.ask(request, ear) {
            Ok(object) => {
                let wire = |o: Object| convert::to_wire(&o).to_value();
                let object = object.map_or_else(|| document.clone(), wire);
                Outcome { object, ..Outcome::default() }
            }
            Err(why) => said(&why),
        })
    }

    /// Sends a request and waits for the reply; requests that conflict are sent again.
    fn ask(&mut self, request: Request, ear: &mut Ear<'_>) -> Result<Option<Object>, String> {
        const TRIES: u32 = 50;
        for _ in 0..TRIES {
            self.sim.send(self.sim.now(), Token(0), FactId::NONE, request.clone());
            if self.run_sim(self.limit, &Cell::new(true), ear) != SimOutcome::Replied {
                return Err("the run ended before the reply".to_owned());
            }
            let reply = self.sim.take_replies().into_iter().next_back().map(|answer| answer.reply);
            match reply {
                None => return Err("there was no reply".to_owned()),
                Some(Ok(object)) => return Ok(object),
                Some(Err(error)) if matches!(error.reason, ErrorReason::Conflict) => {}
                Some(Err(error)) => return Err(error.message.clone()),
            }
        }
        Err("the object was changed by others each time".to_owned())
    }

    /// Deletes objects and waits until they are gone.
    fn remove(
        &mut self,
        reference: &Value,
        timeout: Duration,
        namespace: &str,
        files: &Files,
        ear: &mut Ear<'_>,
    ) -> Result<Outcome, String> {
        let mut words = vec!["kubectl".to_owned()];
        words.extend(deletion(reference, namespace)?);
        match reference["cascade"].as_str() {
            None | Some("") => {}
            Some(cascade) => words.push(format!("--cascade={cascade}")),
        }
        let outcome = self.lines(&[words], Duration::ZERO, files, ear);
        if outcome.error.is_some() {
            return Ok(outcome);
        }
        let nothing = Value::Object(serde_json::Map::new());
        let gone = Condition::Objects(Box::new(Objects {
            choice: choice(reference, namespace)?,
            part: nothing,
            filter: None,
            tree: None,
            wanted: Wanted::Count(Comparison::NONE),
        }));
        let waited = self.wait_for(&Awaited { condition: Arc::new(gone), timeout }, ear);
        let object = json!({"apiVersion": reference["apiVersion"], "kind": reference["kind"]});
        Ok(Outcome { error: waited.err(), object, ..Outcome::default() })
    }

    /// Looks at bindings and the cluster until all trees are as they should be.
    fn look_for(
        &mut self,
        trees: &[(AssertionTree, bool)],
        timeout: Duration,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        let until = (self.sim.now() + timeout).min(self.limit);
        loop {
            let cluster = self.cluster();
            let wrong = trees.iter().find_map(|(tree, holds)| {
                let found = tree.differences_in(&Value::Null, &cluster);
                match (found.is_empty(), holds) {
                    (true, true) | (false, false) => None,
                    (true, false) => Some("it holds, and should not".to_owned()),
                    (false, true) => Some(found.join("; ")),
                }
            });
            let Some(wrong) = wrong else { return Ok(()) };
            if self.sim.now() >= until || ear.is_stopped() {
                return Err(format!("it does not hold after {}: {wrong}", duration(timeout)));
            }
            self.pass_to((self.sim.now() + LOOK).min(until), ear);
        }
    }

    /// Runs kubectl lines, again and again while one fails and there is time.
    fn lines(
        &mut self,
        lines: &[Vec<String>],
        retry: Duration,
        files: &Files,
        ear: &mut Ear<'_>,
    ) -> Outcome {
        let until = (self.sim.now() + retry).min(self.limit);
        loop {
            let outcome = self.lines_once(lines, files, ear);
            if outcome.error.is_none() || self.sim.now() >= until || ear.is_stopped() {
                return outcome;
            }
            self.pass_to((self.sim.now() + Duration::from_secs(1)).min(until), ear);
        }
    }

    fn lines_once(&mut self, lines: &[Vec<String>], files: &Files, ear: &mut Ear<'_>) -> Outcome {
        let (mut stdout, mut stderr, mut error) = (String::new(), String::new(), None);
        for words in lines {
            match words.split_first() {
                Some((first, rest)) if first == "echo" => {
                    stdout.push_str(&format!("{}\n", rest.join(" ")));
                    error = None;
                    continue;
                }
                Some((first, rest)) if first == "sleep" => {
                    let length = rest.first().and_then(|l| seconds(l)).unwrap_or_default();
                    self.pass_to((self.sim.now() + length).min(self.limit), ear);
                    error = None;
                    continue;
                }
                _ => {}
            }
            let words = words.get(1..).unwrap_or_default();
            self.pass_to((self.sim.now() + self.sim.latency().kubectl_start).min(self.limit), ear);
            let session = Session { namespace: super::NAMESPACE, namespace_given: false, files };
            let look = self.look(ear.history);
            let run = Invocation::of_words(words, &look, &session);
            let mut done = StepDone {
                index: 0,
                at: String::new(),
                action: "kubectl",
                arg: words.join(" "),
                exit_code: 0,
                stdout: String::new(),
                stderr: String::new(),
                expect_error: false,
                began: self.sim.now(),
            };
            self.kubectl(run, &mut done, ear);
            stdout.push_str(&done.stdout);
            stderr.push_str(&done.stderr);
            // As a shell does, a script ends as its last line does.
            error = (done.exit_code != 0)
                .then(|| format!("exit status {}: {}", done.exit_code, done.stderr.trim_end()));
        }
        Outcome { error, stdout: Some(stdout), stderr: Some(stderr), ..Outcome::default() }
    }
}

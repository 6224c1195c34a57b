//! What one operation of a suite does, made ready when it is due: its bindings may depend on what operations
//! before it have come to.
//!
//! An [`Operation`] is data; the runner carries it out (`runner::operations`). Bindings are computed in the
//! order in which chainsaw has them: the test's, the step's, the outputs of operations before it in the step,
//! its own.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::base::Str;
use crate::scenario::jmespath::template::filled;
use crate::scenario::jmespath::{Scope, World};
use crate::scenario::monitor::{AssertionTree, Condition};

/// A name and a value, either of which may be an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The name.
    pub name: String,
    /// The value.
    pub value: Value,
}

/// What is expected of an outcome: of an object that fits, that its tree holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// A part of the objects that are meant; nothing for all.
    pub of: Value,
    /// What is asserted, with `$error`, `$stdout`, `$stderr` among the bindings.
    pub tree: Value,
}

/// A binding made of an outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// A part of the objects that are meant; nothing for all.
    pub of: Value,
    /// The binding; `@` is the outcome.
    pub binding: Binding,
}

/// How a document is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// What is there is patched, what is not is created.
    Apply,
    /// It must not be there.
    Create,
    /// It must be there, and is replaced.
    Update,
    /// It must be there, and is patched.
    Patch,
}

/// What an operation does.
#[derive(Clone, Debug)]
pub enum What {
    /// A document is stored.
    Store {
        /// How.
        how: How,
        /// The document, with expressions where it is a template.
        document: Value,
        /// Whether it is a template.
        template: bool,
        /// `status`, or none.
        subresource: Option<&'static str>,
    },
    /// Parts that objects must have, or none must have.
    Assert {
        /// Each part, and whether an object must have it.
        parts: Vec<(Value, bool)>,
        /// Whether parts are assertion trees, or stand for what is written.
        trees: bool,
        /// How long it may take until all is so at once.
        timeout: Duration,
    },
    /// Objects are deleted, and are to be gone in time.
    Delete {
        /// apiVersion, kind, and a name or labels.
        reference: Value,
        /// How long it may take.
        timeout: Duration,
    },
    /// It waits for a condition, or for objects to be there or gone.
    Wait {
        /// apiVersion, kind, and a name, labels or nothing; and what for.
        body: Value,
        /// How long it may take.
        timeout: Duration,
    },
    /// kubectl lines, one after the other.
    Kubectl {
        /// The lines, each as its words.
        lines: Vec<Vec<String>>,
        /// Variables that words may name as `$NAME`.
        env: Vec<Binding>,
        /// How long it is tried again while one fails.
        retry: Duration,
        /// Whether failures do not matter.
        forgiving: bool,
    },
    /// It waits for so long.
    Sleep(Duration),
}

/// An operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// As the timeline calls it: the verb, and what it is about.
    pub title: (&'static str, String),
    /// The step of the test that it belongs to: outputs are known within it.
    pub step: u32,
    /// The namespace of everything that names none.
    pub namespace: Str,
    /// What is bound from the start.
    pub base: Scope,
    /// The bindings of the test and the step.
    pub bindings: Vec<Binding>,
    /// Its own.
    pub own: Vec<Binding>,
    /// What it does.
    pub what: What,
    /// What is expected of the outcome; without any, that it is no failure.
    pub checks: Vec<Check>,
    /// What is remembered of the outcome.
    pub outputs: Vec<Output>,
}

/// What operations have remembered.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    step: u32,
    outputs: Vec<(String, Value)>,
}

/// What came of an operation.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The object as it was sent, or as it was answered.
    pub object: Value,
    /// What the failure says.
    pub error: Option<String>,
    /// Of commands, what they wrote.
    pub stdout: Option<String>,
    /// Likewise.
    pub stderr: Option<String>,
}

impl Operation {
    /// Whether it runs kubectl lines, which may ask for what was.
    pub fn runs_commands(&self) -> bool {
        matches!(self.what, What::Kubectl { .. })
    }

    /// The bindings that it sees.
    ///
    /// # Errors
    /// A binding that cannot be computed.
    pub fn scope(&self, remembered: &mut Remembered, world: &dyn World) -> Result<Scope, String> {
        if remembered.step != self.step {
            *remembered = Remembered { step: self.step, outputs: Vec::new() };
        }
        let mut scope = bound(self.base.clone(), &self.bindings, world)?;
        for (name, value) in &remembered.outputs {
            scope = scope.with(name, value.clone());
        }
        bound(scope, &self.own, world)
    }

    /// Judges an outcome, and remembers of it what is to be remembered.
    ///
    /// # Errors
    /// What is not as it is expected to be.
    pub fn judge(
        &self,
        outcome: &Outcome,
        scope: &Scope,
        remembered: &mut Remembered,
        world: &dyn World,
    ) -> Result<(), String> {
        let text = |t: &Option<String>| t.clone().map_or(Value::Null, Value::String);
        let scope = scope.with("error", text(&outcome.error));
        let scope = scope.with("stdout", text(&outcome.stdout));
        let scope = scope.with("stderr", text(&outcome.stderr));
        let mut checked = false;
        for check in &self.checks {
            if !fits(&check.of, &outcome.object, &scope, world)? {
                continue;
            }
            checked = true;
            let tree = AssertionTree::read(&check.tree, scope.clone())?;
            let differences = tree.differences_in(&outcome.object, world);
            if !differences.is_empty() {
                return Err(format!("it is not as expected: {}", differences.join("; ")));
            }
        }
        if let (false, Some(error)) = (checked, &outcome.error) {
            return Err(error.clone());
        }
        let mut scope = scope;
        for output in &self.outputs {
            if !fits(&output.of, &outcome.object, &scope, world)? {
                continue;
            }
            let name = name_of(&output.binding, &scope, world)?;
            let value = value_of(&output.binding.value, &outcome.object, &scope, world)?;
            scope = scope.with(&name, value.clone());
            remembered.outputs.retain(|(n, _)| *n != name);
            remembered.outputs.push((name, value));
        }
        Ok(())
    }
}

/// A value of which an expression is computed for an object.
fn value_of(
    written: &Value,
    object: &Value,
    scope: &Scope,
    world: &dyn World,
) -> Result<Value, String> {
    match written.as_str().and_then(crate::scenario::jmespath::template::expression) {
        Some(expression) => expression?.search(object, scope, world),
        None => filled(written, scope, world),
    }
}

fn fits(part: &Value, object: &Value, scope: &Scope, world: &dyn World) -> Result<bool, String> {
    if part.is_null() {
        return Ok(true);
    }
    let tree = AssertionTree::read(part, scope.clone())?;
    Ok(tree.differences_in(object, world).is_empty())
}

fn name_of(binding: &Binding, scope: &Scope, world: &dyn World) -> Result<String, String> {
    match filled(&Value::from(binding.name.as_str()), scope, world)? {
        Value::String(name) => Ok(name),
        other => Err(format!("the name {} comes to {other}, which is no text", binding.name)),
    }
}

/// A scope with bindings, each of which sees those before it.
pub(super) fn bound(
    mut scope: Scope,
    bindings: &[Binding],
    world: &dyn World,
) -> Result<Scope, String> {
    for binding in bindings {
        let name = name_of(binding, &scope, world)?;
        let value = filled(&binding.value, &scope, world)
            .map_err(|why| format!("binding {name}: {why}"))?;
        scope = scope.with(&name, value);
    }
    Ok(scope)
}

/// Parts that are asserted, made ready.
#[derive(Debug)]
pub enum Asserted {
    /// Of objects: it comes to hold when they change.
    Objects(Condition),
    /// Of the bindings and the cluster: it is looked at now and then.
    World(Vec<(AssertionTree, bool)>),
}

/// Makes what is asserted ready.
///
/// # Errors
/// What of it cannot be read or computed.
pub fn asserted(
    parts: &[(Value, bool)],
    trees: bool,
    namespace: &str,
    scope: &Scope,
    world: &dyn World,
) -> Result<Asserted, String> {
    let is_object =
        |(part, _): &(Value, bool)| part["kind"].is_string() && part["apiVersion"].is_string();
    if !parts.iter().all(is_object) {
        let each = parts
            .iter()
            .map(|(part, holds)| Ok((AssertionTree::read(part, scope.clone())?, *holds)));
        return each.collect::<Result<_, String>>().map(Asserted::World);
    }
    let mut all = Vec::new();
    for (part, holds) in parts {
        let mut part = part.clone();
        let mut tree = None;
        if trees {
            // What chooses the objects is computed, what is asserted of them is a tree.
            for path in [
                "/apiVersion",
                "/kind",
                "/metadata/name",
                "/metadata/namespace",
                "/metadata/labels",
            ] {
                let is_plain = |v: &Value| path != "/metadata/labels" || labels_are_plain(v);
                if let Some(value) = part.pointer_mut(path)
                    && is_plain(value)
                {
                    *value = filled(value, scope, world)?;
                }
            }
            tree = Some(AssertionTree::read(&super::asserted_of(&part), scope.clone())?);
        }
        let condition = super::condition(&part, namespace, tree)?;
        all.push(if *holds { condition } else { Condition::Not(Box::new(condition)) });
    }
    Ok(Asserted::Objects(match all.len() {
        1 => all.remove(0),
        _ => Condition::All(all),
    }))
}

/// Whether labels are texts, of which objects can be chosen by.
fn labels_are_plain(labels: &Value) -> bool {
    let plain = |(key, value): (&String, &Value)| !key.starts_with(['(', '~']) && value.is_string();
    labels.as_object().is_some_and(|all| all.iter().all(plain))
}

/// The words of a line with its variables in their places.
///
/// # Errors
/// A variable that there is not.
pub fn expanded(
    words: &[String],
    variables: &BTreeMap<String, String>,
) -> Result<Vec<String>, String> {
    words.iter().map(|word| expand(word, variables)).collect()
}

fn expand(word: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut made = String::new();
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        made.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let braced = rest.starts_with('{');
        let inner = rest.strip_prefix('{').unwrap_or(rest);
        let end =
            inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
        let name = &inner[..end];
        if name.is_empty() || braced && !inner[end..].starts_with('}') {
            made.push('$');
            continue;
        }
        let value = variables.get(name);
        made.push_str(value.ok_or_else(|| format!("there is no variable ${name}"))?);
        rest = &inner[end + usize::from(braced)..];
    }
    made.push_str(rest);
    Ok(made)
}

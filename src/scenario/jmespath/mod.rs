//! JMESPath, as chainsaw's assertions and templates have it.
//!
//! The language of jmespath.org with what its community edition adds and chainsaw's interpreter knows:
//! variables (`$name`), arithmetic (`+ - * / % //`), the root (`$`). Variables are looked up in a [`Scope`];
//! what functions ask of a cluster is asked of a [`World`]. Functions are those of JMESPath itself, of its
//! community edition, of kyverno-json, kyverno and chainsaw, as far as they compute from what they are given:
//! [`functions::UNSUPPORTED`] lists those that are known and not played.
//!
//! Numbers are JSON's: whole ones stay whole, others are floating point, which never reaches the simulation
//! itself. The size of an expression, its nesting and the work of one evaluation are bounded.

mod eval;
mod functions;
mod lexer;
mod parser;
pub mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use eval::same;

use parser::Node;

/// No expression may be longer than this.
const MAX_LENGTH: usize = 16 * 1024;
/// No expression may nest deeper than this.
const MAX_DEPTH: usize = 64;
/// No evaluation may look at more values than this.
const MAX_WORK: u32 = 1_000_000;

/// Variables by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope(Arc<BTreeMap<String, Value>>);

impl Scope {
    /// With one more variable, or one that hides another.
    #[must_use]
    pub fn with(&self, name: &str, value: Value) -> Self {
        let mut all = (*self.0).clone();
        all.insert(name.to_owned(), value);
        Self(Arc::new(all))
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The names there are.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// What functions may ask of a cluster.
pub trait World {
    /// The objects of a kind as documents, of one namespace or of all.
    fn list(&self, api_version: &str, kind: &str, namespace: Option<&str>) -> Vec<Value>;
    /// Whether the API has that kind.
    fn serves(&self, api_version: &str, kind: &str) -> bool;
    /// Now, as RFC 3339 has it.
    fn now(&self) -> String;
}

/// A world without a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Nowhere;

impl World for Nowhere {
    fn list(&self, _: &str, _: &str, _: Option<&str>) -> Vec<Value> {
        Vec::new()
    }

    fn serves(&self, _: &str, _: &str) -> bool {
        false
    }

    fn now(&self) -> String {
        String::new()
    }
}

/// A compiled expression.
#[derive(Clone)]
pub struct Expression {
    text: String,
    root: Node,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// Where it is no expression, and which of its functions are not known or not supported.
    pub fn compile(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("({text}) is no JMESPath expression: {why}");
        if text.len() > MAX_LENGTH {
            return Err(format!("an expression has at most {MAX_LENGTH} bytes"));
        }
        let tokens = lexer::tokens(text).map_err(wrong)?;
        let root = parser::parse(&tokens).map_err(wrong)?;
        functions::known(&root).map_err(|why| format!("({text}): {why}"))?;
        Ok(Self { text: text.to_owned(), root })
    }

    /// What it comes to for a value.
    ///
    /// # Errors
    /// Why it comes to nothing: a variable that there is not, an argument of the wrong type.
    pub fn search(&self, value: &Value, scope: &Scope, world: &dyn World) -> Result<Value, String> {
        eval::Evaluation::new(value, scope, world)
            .of(&self.root, value)
            .map_err(|why| format!("({}) cannot be computed: {why}", self.text))
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The variables that it names.
    pub fn variables(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.root.each(&mut |node| {
            if let Node::Variable(name) = node {
                found.push(name.as_str());
            }
        });
        found
    }

    /// Whether it asks something of the cluster.
    pub fn asks_world(&self) -> bool {
        let mut asks = false;
        self.root.each(&mut |node| {
            if let Node::Call(name, _) = node {
                asks |= name.starts_with("x_k8s_") || name.starts_with("time_now");
            }
        });
        asks
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.text)
    }
}

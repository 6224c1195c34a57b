//! Expressions in CEL, Kubernetes' own expression language.
//!
//! An expression that cannot be computed (a field that is not there, say) does not hold; what was wrong is
//! kept for whoever asks why. Whole numbers are CEL's `int`; a field that may be missing is asked for with
//! `has(object.status.x)`.

use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Env, Program, Value};

use crate::model::Kind;

/// No expression may be longer than so many bytes: its parser works by recursion.
pub(super) const MAX_LENGTH: usize = 4096;
/// What every expression may use.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// No expression may nest brackets deeper than this.
const MAX_DEPTH: usize = 64;

/// An expression, and what it speaks of.
pub struct Expression {
    text: String,
    program: Program,
    /// The kinds of which it asks for all objects.
    kinds: Vec<Kind>,
}

/// The text alone: programs are long.
impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

impl Expression {
    /// Reads an expression over one object, called `object`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_object(text: &str) -> Result<Self, String> {
        let (program, names) = compile(text)?;
        match names.iter().find(|name| *name != "object") {
            Some(name) => Err(format!("{name:?} is not known here: the object is called `object`")),
            None => Ok(Self { text: text.to_owned(), program, kinds: Vec::new() }),
        }
    }

    /// Reads an expression over the objects of a cluster, which are lists by the plurals of their kinds.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_cluster(text: &str) -> Result<Self, String> {
        let (program, names) = compile(text)?;
        let mut kinds = Vec::new();
        for name in names {
            let kind = Kind::ALL.iter().find(|k| k.plural() == name && **k != Kind::Inert);
            let Some(kind) = kind else {
                let near =
                    crate::api::suggest::nearest(&name, Kind::ALL.iter().map(|k| k.plural()));
                let near = near.map(|n| format!("; did you mean {n:?}?")).unwrap_or_default();
                return Err(format!(
                    "{name:?} is not known: objects are lists by the plurals of their kinds, such as \
                     `pods`{near}"
                ));
            };
            kinds.push(*kind);
        }
        if kinds.is_empty() {
            return Err(
                "it asks for no objects: use `pods`, `deployments`, `nodes` and so on".to_owned()
            );
        }
        Ok(Self { text: text.to_owned(), program, kinds })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The kinds of which it asks for all objects.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Whether it holds of an object.
    ///
    /// # Errors
    /// Why it cannot be computed.
    pub fn holds_of(&self, object: &serde_json::Value) -> Result<bool, String> {
        self.holds_with([("object", value(object))].into_iter())
    }

    /// Whether it holds with these lists of objects.
    ///
    /// # Errors
    /// Why it cannot be computed.
    pub fn holds_with<'n>(
        &self,
        variables: impl Iterator<Item = (&'n str, Value)>,
    ) -> Result<bool, String> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        for (name, value) in variables {
            context.add_variable_from_value(name, value);
        }
        match self.program.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("it is {:?} and not true or false", other.type_of())),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn compile(text: &str) -> Result<(Program, Vec<String>), String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("an expression has at most {MAX_LENGTH} bytes"));
    }
    let (mut depth, mut deepest) = (0_usize, 0);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' | '!' | '-' | '?' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = depth.max(deepest);
    }
    if deepest > MAX_DEPTH {
        return Err(format!("an expression nests at most {MAX_DEPTH} levels"));
    }
    let program = Program::compile(text).map_err(|e| {
        let text = e.to_string();
        text.lines().next().unwrap_or("it is no CEL expression").to_owned()
    })?;
    let mut names: Vec<String> =
        program.references().variables().into_iter().map(str::to_owned).collect();
    // What `all`, `exists`, `map` and `filter` bind is among them.
    names.retain(|name| !name.starts_with('@') && !is_bound(text, name));
    names.sort();
    Ok((program, names))
}

/// Whether a name is bound by a macro: it stands as the first argument of one.
fn is_bound(text: &str, name: &str) -> bool {
    let macros = [".all(", ".exists(", ".exists_one(", ".map(", ".filter("];
    macros.iter().any(|of| {
        text.match_indices(of).any(|(at, _)| {
            let rest = text[at + of.len()..].trim_start();
            let rest = rest.strip_prefix(name).map(str::trim_start);
            rest.is_some_and(|rest| rest.starts_with(','))
        })
    })
}

/// A JSON value as CEL sees it. Documents are bounded in depth, so this may recurse.
pub(super) fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(n) => match n.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(n.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(s) => Value::String(Arc::new(s.clone())),
        serde_json::Value::Array(items) => list(items.iter().map(value)),
        serde_json::Value::Object(fields) => {
            let entries = fields.iter().map(|(k, v)| (Key::from(k.clone()), value(v)));
            Value::Map(Map { map: Arc::new(entries.collect()) })
        }
    }
}

/// A list of values.
pub(super) fn list(items: impl Iterator<Item = Value>) -> Value {
    Value::List(Arc::new(items.collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expression_holds_of_an_object_or_says_why_it_cannot_be_computed() {
        let pod = json!({"spec": {"nodeName": "node-1"}, "status": {"restarts": 3}});
        let check = |text: &str| Expression::of_object(text).unwrap().holds_of(&pod);
        assert_eq!(check("object.spec.nodeName == 'node-1'"), Ok(true));
        assert_eq!(check("object.status.restarts >= 2 && object.status.restarts < 3"), Ok(false));
        assert_eq!(check("has(object.status.phase)"), Ok(false));
        assert!(check("object.status.phase == 'Running'").is_err());
        assert!(check("object.status.restarts").is_err());
    }

    #[test]
    fn what_an_expression_asks_for_is_known_beforehand() {
        let expression = Expression::of_cluster("pods.filter(p, p.x == 1).size() <= nodes.size()");
        assert_eq!(expression.unwrap().kinds(), [Kind::Node, Kind::Pod]);
        let wrong = |text: &str| Expression::of_cluster(text).unwrap_err();
        assert!(wrong("podds.size() == 1").contains("did you mean \"pods\"?"));
        assert!(wrong("1 == 1").contains("no objects"));
        assert!(wrong("pods.size( ==").len() > 3);
        assert!(wrong(&"(".repeat(100)).contains("64 levels"));
        assert!(Expression::of_object("self.x").unwrap_err().contains("`object`"));
    }
}

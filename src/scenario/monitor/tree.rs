//! Assertion trees, as chainsaw has them: parts of objects whose keys and values may be JMESPath expressions.
//!
//! Follows kyverno-json's language: a key in parentheses is an expression of which the rest of the branch is
//! asserted; `~.key` and `~(expression)` assert it of each item; a list has as many items as the assertion; a
//! value in parentheses is an expression whose result is what is expected. Bindings (`->name`, `$name`) and
//! kyverno's own functions are refused when the tree is read.

use jmespath::Expression;
use serde_json::Value;

/// Trees nest no deeper than this.
const MAX_DEPTH: usize = 64;
/// So many differences are told.
const TOLD: usize = 5;

/// An assertion tree.
#[derive(Debug)]
pub struct AssertionTree(Node);

#[derive(Debug)]
enum Node {
    /// Fields, each with what is asserted of it.
    Fields(Vec<(Key, Node)>),
    /// A list with as many items.
    Items(Vec<Node>),
    /// A value.
    Value(Value),
    /// The result of an expression over the whole object.
    Result(Jmes),
}

#[derive(Debug)]
struct Key {
    written: String,
    each: bool,
    what: What,
}

#[derive(Debug)]
enum What {
    Field(String),
    Result(Jmes),
}

/// A compiled expression.
struct Jmes(Expression<'static>);

impl std::fmt::Debug for Jmes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jmes({:?})", self.0.as_str())
    }
}

/// The functions that JMESPath itself has.
const FUNCTIONS: [&str; 26] = [
    "abs",
    "avg",
    "ceil",
    "contains",
    "ends_with",
    "floor",
    "join",
    "keys",
    "length",
    "map",
    "max",
    "max_by",
    "merge",
    "min",
    "min_by",
    "not_null",
    "reverse",
    "sort",
    "sort_by",
    "starts_with",
    "sum",
    "to_array",
    "to_number",
    "to_string",
    "type",
    "values",
];

impl AssertionTree {
    /// Reads a tree.
    ///
    /// # Errors
    /// What is not known of it.
    pub fn read(written: &Value) -> Result<Self, String> {
        node(written, 0).map(Self)
    }

    /// What an object does not have of it; nothing if it holds.
    pub fn differences(&self, object: &Value) -> Vec<String> {
        let mut found = Vec::new();
        differ(&self.0, object, object, "", &mut found);
        found.truncate(TOLD);
        found
    }
}

fn node(written: &Value, depth: usize) -> Result<Node, String> {
    if depth > MAX_DEPTH {
        return Err(format!("an assertion nests at most {MAX_DEPTH} levels"));
    }
    Ok(match written {
        Value::Object(fields) => {
            let each = fields.iter().map(|(k, v)| Ok((key(k)?, node(v, depth + 1)?)));
            Node::Fields(each.collect::<Result<_, String>>()?)
        }
        Value::Array(items) => {
            let each = items.iter().map(|item| node(item, depth + 1));
            Node::Items(each.collect::<Result<_, String>>()?)
        }
        Value::String(text) => match in_parentheses(text) {
            Some(expression) => Node::Result(compile(expression)?),
            None => Node::Value(written.clone()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => Node::Value(written.clone()),
    })
}

fn key(written: &str) -> Result<Key, String> {
    if written.contains("->") {
        return Err(format!("{written:?} binds a name, which is not supported"));
    }
    let (each, rest) = match written.strip_prefix('~') {
        Some(rest) => (true, rest.strip_prefix('.').unwrap_or(rest)),
        None => (false, written),
    };
    let what = match in_parentheses(rest) {
        Some(expression) => What::Result(compile(expression)?),
        None => What::Field(rest.strip_prefix('\\').unwrap_or(rest).to_owned()),
    };
    Ok(Key { written: written.to_owned(), each, what })
}

fn in_parentheses(text: &str) -> Option<&str> {
    text.strip_prefix('(')?.strip_suffix(')')
}

fn compile(text: &str) -> Result<Jmes, String> {
    if text.contains('$') {
        return Err(format!("({text}) uses a binding, which is not supported"));
    }
    for (at, _) in text.match_indices('(') {
        let name: String =
            text[..at].chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let name: String = name.chars().rev().collect();
        if !name.is_empty() && !FUNCTIONS.contains(&name.as_str()) {
            return Err(format!(
                "({text}): the function {name} is not of JMESPath itself, and not supported"
            ));
        }
    }
    let read = jmespath::compile(text).map_err(|e| {
        let why = e.to_string();
        format!("({text}) is no JMESPath expression: {}", why.lines().next().unwrap_or_default())
    })?;
    Ok(Jmes(read))
}

impl Jmes {
    fn of(&self, value: &Value) -> Result<Value, String> {
        let wrong = |e: &dyn std::fmt::Display| {
            let why = e.to_string();
            format!(
                "({}) cannot be computed: {}",
                self.0.as_str(),
                why.lines().next().unwrap_or_default()
            )
        };
        let result = self.0.search(value).map_err(|e| wrong(&e))?;
        if result.as_expref().is_some() {
            return Err(format!("({}) is no value", self.0.as_str()));
        }
        serde_json::to_value(&*result).map_err(|e| wrong(&e))
    }
}

fn differ(node: &Node, value: &Value, root: &Value, path: &str, found: &mut Vec<String>) {
    match node {
        Node::Fields(fields) => {
            for (key, below) in fields {
                let path = if path.is_empty() {
                    key.written.clone()
                } else {
                    format!("{path}.{}", key.written)
                };
                let at = match &key.what {
                    What::Field(name) if name.is_empty() => Ok(value.clone()),
                    What::Field(name) => Ok(value.get(name).cloned().unwrap_or(Value::Null)),
                    What::Result(expression) => expression.of(value),
                };
                match (at, key.each) {
                    (Err(why), _) => found.push(format!("{path}: {why}")),
                    (Ok(at), false) => differ(below, &at, root, &path, found),
                    (Ok(Value::Array(items)), true) => {
                        for (i, item) in items.iter().enumerate() {
                            differ(below, item, root, &format!("{path}[{i}]"), found);
                        }
                    }
                    (Ok(Value::Object(fields)), true) => {
                        for (name, item) in &fields {
                            differ(below, item, root, &format!("{path}[{name}]"), found);
                        }
                    }
                    (Ok(other), true) => found.push(format!("{path} is {other}, and no list")),
                }
            }
        }
        Node::Items(nodes) => match value {
            Value::Array(items) if items.len() == nodes.len() => {
                for (i, (node, item)) in nodes.iter().zip(items).enumerate() {
                    differ(node, item, root, &format!("{path}[{i}]"), found);
                }
            }
            Value::Array(items) => {
                found.push(format!("{path} has {} items, not {}", items.len(), nodes.len()));
            }
            other => found.push(format!("{path} is {other}, and no list")),
        },
        Node::Value(wanted) => expect(value, wanted, path, found),
        Node::Result(expression) => match expression.of(root) {
            Ok(wanted) => expect(value, &wanted, path, found),
            Err(why) => found.push(format!("{path}: {why}")),
        },
    }
}

fn expect(value: &Value, wanted: &Value, path: &str, found: &mut Vec<String>) {
    let number = |v: &Value| v.as_f64();
    let same = match (number(value), number(wanted)) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => value == wanted,
    };
    if !same {
        found.push(format!("{path} is {value}, not {wanted}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(object: &Value, tree: Value, wanted: &[&str]) {
        let read = AssertionTree::read(&tree).unwrap();
        assert_eq!(read.differences(object), wanted, "{tree}");
    }

    #[test]
    fn keys_and_values_may_be_expressions() {
        let object = json!({"spec": {"replicas": 3}, "status": {"readyReplicas": 3,
            "conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "False"}]}});
        check(&object, json!({"spec": {"replicas": 3}}), &[]);
        check(&object, json!({"spec": {"(replicas > `2`)": true}}), &[]);
        check(&object, json!({"status": {"readyReplicas": "(spec.replicas)"}}), &[]);
        check(&object, json!({"status": {"(length(conditions))": 2}}), &[]);
        check(
            &object,
            json!({"status": {"(conditions[?type == 'A'])": [{"status": "True"}]}}),
            &[],
        );
        check(&object, json!({"status": {"~.conditions": {"(type != '')": true}}}), &[]);
        check(
            &object,
            json!({"status": {"~.conditions": {"status": "True"}}}),
            &["status.~.conditions[1].status is \"False\", not \"True\""],
        );
        check(
            &object,
            json!({"status": {"conditions": []}}),
            &["status.conditions has 2 items, not 0"],
        );
        check(&object, json!({"spec": {"x": 1}}), &["spec.x is null, not 1"]);
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        let wrong = |tree: Value| AssertionTree::read(&tree).unwrap_err();
        assert!(wrong(json!({"(x)->y": 1})).contains("binds a name"));
        assert!(wrong(json!({"x": "($namespace)"})).contains("binding"));
        assert!(wrong(json!({"(truncate(x))": 1})).contains("truncate"));
        assert!(wrong(json!({"(x[)": 1})).contains("no JMESPath"));
    }
}

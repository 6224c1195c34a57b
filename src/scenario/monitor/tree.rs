//! Assertion trees, as chainsaw has them: parts of objects whose keys and values may be JMESPath expressions.
//!
//! Follows kyverno-json's language: a key in parentheses is an expression of which the rest of the branch is
//! asserted; `~.key` and `~(expression)` assert it of each item, `~name.key` with the item's number as `$name`;
//! `key->name` names what is asserted of, for the branch below; a list has as many items as the assertion; a
//! value in parentheses is an expression whose result is what is expected; what stands between backslashes is
//! meant as it is written. Bindings come from the [`Scope`] that a tree is read with.
//!
//! A tree may be read literally too: then parentheses mean nothing, as in kuttl's assertions.

use serde_json::Value;

use crate::scenario::jmespath::{self, Expression, Nowhere, Scope, World};

/// Trees nest no deeper than this.
const MAX_DEPTH: usize = 64;
/// So many differences are told.
const TOLD: usize = 5;

/// An assertion tree.
#[derive(Clone, Debug)]
pub struct AssertionTree {
    root: Node,
    scope: Scope,
}

#[derive(Clone, Debug)]
enum Node {
    /// Fields, each with what is asserted of it.
    Fields(Vec<(Key, Node)>),
    /// A list with as many items.
    Items(Vec<Node>),
    /// A value.
    Value(Value),
    /// The result of an expression over the whole object.
    Result(Expression),
}

#[derive(Clone, Debug)]
struct Key {
    written: String,
    /// It is asserted of each item; the name of the item's number, if it has one.
    each: Option<String>,
    what: What,
    /// The name of what is asserted of.
    binds: Option<String>,
}

#[derive(Clone, Debug)]
enum What {
    Field(String),
    Result(Expression),
}

impl AssertionTree {
    /// Reads a tree.
    ///
    /// # Errors
    /// What is not known of it.
    pub fn read(written: &Value, scope: Scope) -> Result<Self, String> {
        Ok(Self { root: node(written, true, 0)?, scope })
    }

    /// Reads a tree in which parentheses mean nothing.
    ///
    /// # Errors
    /// One that nests too deeply.
    pub fn literal(written: &Value) -> Result<Self, String> {
        Ok(Self { root: node(written, false, 0)?, scope: Scope::default() })
    }

    /// What an object does not have of it; nothing if it holds.
    pub fn differences(&self, object: &Value) -> Vec<String> {
        self.differences_in(object, &Nowhere)
    }

    /// The same, with a cluster that its expressions may ask.
    pub fn differences_in(&self, object: &Value, world: &dyn World) -> Vec<String> {
        let mut judge = Judge { root: object, world, found: Vec::new() };
        judge.differ(&self.root, object, &self.scope, "");
        judge.found.truncate(TOLD);
        judge.found
    }
}

fn node(written: &Value, expressions: bool, depth: usize) -> Result<Node, String> {
    if depth > MAX_DEPTH {
        return Err(format!("an assertion nests at most {MAX_DEPTH} levels"));
    }
    Ok(match written {
        Value::Object(fields) => {
            let each = fields
                .iter()
                .map(|(k, v)| Ok((key(k, expressions)?, node(v, expressions, depth + 1)?)));
            Node::Fields(each.collect::<Result<_, String>>()?)
        }
        Value::Array(items) => {
            let each = items.iter().map(|item| node(item, expressions, depth + 1));
            Node::Items(each.collect::<Result<_, String>>()?)
        }
        Value::String(text) if expressions => match jmespath::template::expression(text) {
            Some(expression) => Node::Result(expression?),
            None => Node::Value(jmespath::template::unescaped(text).into()),
        },
        other => Node::Value(other.clone()),
    })
}

fn key(written: &str, expressions: bool) -> Result<Key, String> {
    if !expressions {
        let what = What::Field(written.to_owned());
        return Ok(Key { written: written.to_owned(), each: None, what, binds: None });
    }
    let (rest, binds) = match written.rsplit_once("->") {
        Some((rest, name)) if is_name(name.trim()) => {
            (rest.trim_end(), Some(name.trim().to_owned()))
        }
        _ => (written, None),
    };
    let (each, rest) = match rest.strip_prefix('~') {
        None => (None, rest),
        Some(rest) => match rest.split_once('.') {
            Some((name, key)) if name.is_empty() || is_name(name) => (Some(name.to_owned()), key),
            _ => (Some(String::new()), rest),
        },
    };
    let what = match jmespath::template::expression(rest) {
        Some(expression) => What::Result(expression?),
        None => {
            let field = jmespath::template::unescaped(rest);
            What::Field(field.strip_prefix('\\').unwrap_or(field).to_owned())
        }
    };
    Ok(Key { written: written.to_owned(), each, what, binds })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

struct Judge<'j> {
    root: &'j Value,
    world: &'j dyn World,
    found: Vec<String>,
}

impl Judge<'_> {
    fn differ(&mut self, node: &Node, value: &Value, scope: &Scope, path: &str) {
        match node {
            Node::Fields(fields) => {
                for (key, below) in fields {
                    self.field(key, below, value, scope, path);
                }
            }
            Node::Items(nodes) => match value {
                Value::Array(items) if items.len() == nodes.len() => {
                    for (i, (node, item)) in nodes.iter().zip(items).enumerate() {
                        self.differ(node, item, scope, &format!("{path}[{i}]"));
                    }
                }
                Value::Array(items) => {
                    let (has, wanted) = (items.len(), nodes.len());
                    self.found.push(format!("{path} has {has} items, not {wanted}"));
                }
                other => self.found.push(format!("{path} is {other}, and no list")),
            },
            Node::Value(wanted) => self.expect(value, wanted, path),
            Node::Result(expression) => match expression.search(self.root, scope, self.world) {
                Ok(wanted) => self.expect(value, &wanted, path),
                Err(why) => self.found.push(format!("{path}: {why}")),
            },
        }
    }

    fn field(&mut self, key: &Key, below: &Node, value: &Value, scope: &Scope, path: &str) {
        let path = match path {
            "" => key.written.clone(),
            path => format!("{path}.{}", key.written),
        };
        let at = match &key.what {
            What::Field(name) if name.is_empty() => Ok(value.clone()),
            What::Field(name) => Ok(value.get(name).cloned().unwrap_or(Value::Null)),
            What::Result(expression) => expression.search(value, scope, self.world),
        };
        let at = match at {
            Ok(at) => at,
            Err(why) => return self.found.push(format!("{path}: {why}")),
        };
        let named;
        let scope = match &key.binds {
            Some(name) => {
                named = scope.with(name, at.clone());
                &named
            }
            None => scope,
        };
        let Some(index) = &key.each else { return self.differ(below, &at, scope, &path) };
        let items: Vec<(String, Value, Value)> = match at {
            Value::Array(items) => {
                let each = items.into_iter().enumerate();
                each.map(|(i, item)| (i.to_string(), i.into(), item)).collect()
            }
            Value::Object(fields) => {
                fields.into_iter().map(|(k, v)| (k.clone(), k.into(), v)).collect()
            }
            other => return self.found.push(format!("{path} is {other}, and no list")),
        };
        for (shown, number, item) in items {
            let path = format!("{path}[{shown}]");
            match index.as_str() {
                "" => self.differ(below, &item, scope, &path),
                name => self.differ(below, &item, &scope.with(name, number), &path),
            }
        }
    }

    fn expect(&mut self, value: &Value, wanted: &Value, path: &str) {
        if !jmespath::same(value, wanted) {
            self.found.push(format!("{path} is {value}, not {wanted}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(object: &Value, tree: Value, wanted: &[&str]) {
        let scope = Scope::default().with("namespace", json!("tank"));
        let read = AssertionTree::read(&tree, scope).unwrap();
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
    fn bindings_are_those_of_the_scope_and_those_that_keys_make() {
        let object = json!({"metadata": {"namespace": "tank"}, "spec": {"replicas": 2,
            "containers": [{"image": "a-1", "cpu": 2}, {"image": "a-2", "cpu": 2}]}});
        check(&object, json!({"metadata": {"namespace": "($namespace)"}}), &[]);
        let each = json!({"spec": {"~index.containers": {"image": "(join('-', ['a', to_string($index + `1`)]))"}}});
        check(&object, each, &[]);
        let named = json!({"(spec)->s": {"~.(containers)": {"(cpu == $s.replicas)": true}}});
        check(&object, named, &[]);
        check(
            &object,
            json!({"spec": {"~i.containers": {"cpu": "($i)"}}}),
            &["spec.~i.containers[0].cpu is 2, not 0", "spec.~i.containers[1].cpu is 2, not 1"],
        );
        check(
            &object,
            json!({"spec": {"replicas": "($name)"}}),
            &["spec.replicas: ($name) cannot be computed: there is no binding $name"],
        );
    }

    #[test]
    fn what_is_escaped_or_read_literally_is_no_expression() {
        let object = json!({"data": {"(a)": "(b)"}});
        check(&object, json!({"data": {"\\(a)\\": "\\(b)\\"}}), &[]);
        let literal = AssertionTree::literal(&json!({"data": {"(a)": "(b)"}})).unwrap();
        assert!(literal.differences(&object).is_empty());
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        let wrong = |tree: Value| AssertionTree::read(&tree, Scope::default()).unwrap_err();
        assert!(wrong(json!({"(x509_decode(x))": 1})).contains("x509_decode"));
        assert!(wrong(json!({"(x[)": 1})).contains("no JMESPath"));
        assert!(wrong(json!({"x": "(cel; a)"})).contains("CEL"));
    }
}

//! `--sort-by`: objects in the order of a field.
//!
//! After `k8s.io/kubectl/pkg/cmd/get/sorter.go`. Texts that are both amounts are compared as amounts. Up to
//! a dozen objects are sorted as Go's sort does it, which reverses those without the field; more of them
//! keep their order where they are alike.

use std::cmp::Ordering;

use serde_json::Value;

use super::Failure;
use crate::api::jsonpath::JsonPath;
use crate::base::quantity::Quantity;

/// Slices of so many elements are sorted by insertion (`sort.Sort`).
const INSERTION: usize = 12;

/// Sorts by the field that `path` names in the document of each element.
///
/// # Errors
/// The path is none, or no document has the field.
pub(super) fn by<T>(
    items: &mut Vec<T>,
    path: &str,
    document: impl Fn(&T) -> Value,
) -> Result<(), Failure> {
    let parsed = JsonPath::parse_relaxed(path).map_err(|e| Failure::Plain(e.to_string()))?;
    let field = |item: &T| parsed.find(&document(item)).first().map(|v| (*v).clone());
    let mut keyed: Vec<(Option<Value>, T)> = items.drain(..).map(|i| (field(&i), i)).collect();
    if !keyed.is_empty() && keyed.iter().all(|(key, _)| key.is_none()) {
        let bare = path.trim_start_matches('{').trim_end_matches('}').trim_start_matches('.');
        return Err(format!(
            "couldn't find any field with path \"{{.{bare}}}\" in the list of objects"
        )
        .into());
    }
    if keyed.len() <= INSERTION {
        for i in 1..keyed.len() {
            let mut at = i;
            while at > 0 && less(keyed[at].0.as_ref(), keyed[at - 1].0.as_ref()) {
                keyed.swap(at, at - 1);
                at -= 1;
            }
        }
    } else {
        keyed.sort_by(|(a, _), (b, _)| match (a, b) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => order(a, b),
        });
    }
    items.extend(keyed.into_iter().map(|(_, item)| item));
    Ok(())
}

/// An element without the field comes before any other, another one without it too.
fn less(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (None, _) => true,
        (_, None) => false,
        (Some(a), Some(b)) => order(a, b).is_lt(),
    }
}

fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => {
            match (a.parse::<Quantity>(), b.parse::<Quantity>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => a.cmp(b),
            }
        }
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        },
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let mut pairs = a.iter().zip(b).map(|(a, b)| order(a, b));
            pairs.find(|o| o.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sorted(path: &str, values: &[Value]) -> Result<Vec<Value>, Failure> {
        let mut items = values.to_vec();
        by(&mut items, path, Clone::clone).map(|()| items)
    }

    #[test]
    fn amounts_numbers_and_texts_have_their_own_orders() {
        let check = |values: &[Value], expect: &[Value]| {
            let objects: Vec<Value> = values.iter().map(|v| json!({"a": v})).collect();
            let wanted: Vec<Value> = expect.iter().map(|v| json!({"a": v})).collect();
            assert_eq!(sorted(".a", &objects).unwrap(), wanted);
        };
        check(&[json!("1Gi"), json!("500Mi")], &[json!("500Mi"), json!("1Gi")]);
        check(&[json!(10), json!(9)], &[json!(9), json!(10)]);
        check(&[json!("b"), json!("a")], &[json!("a"), json!("b")]);
    }

    #[test]
    fn objects_without_the_field_come_first_and_a_field_of_none_is_an_error() {
        let objects = [json!({"n": 1, "a": 2}), json!({"n": 2}), json!({"n": 3})];
        let names: Vec<Value> =
            sorted("{.a}", &objects).unwrap().into_iter().map(|o| o["n"].clone()).collect();
        assert_eq!(names, [3, 2, 1]);
        let error = sorted(".x.y", &objects).unwrap_err();
        assert_eq!(
            error.text(),
            "couldn't find any field with path \"{.x.y}\" in the list of objects"
        );
    }
}

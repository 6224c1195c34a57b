//! Equality as `apimachinery`'s `Semantic.DeepEqual` sees it (`pkg/api/equality/semantic.go`).

use serde_json::Value;

use super::{Shape, Struct};
use crate::base::quantity::Quantity;

/// Whether two values of a type, in decoded form, are the same: an unset list or map and an empty
/// one are, an unset pointer and a pointer to nothing are not, quantities count by what they are
/// worth.
pub fn same(shape: &Shape, a: &Value, b: &Value) -> bool {
    match shape {
        Shape::Named(_, below) => same(below, a, b),
        Shape::Pointer(to) => a.is_null() == b.is_null() && (a.is_null() || same(to, a, b)),
        Shape::Struct(id) => same_struct(id.get(), a, b),
        Shape::List(of) => {
            let items = |v: &Value| v.as_array().map_or(0, Vec::len);
            items(a) == items(b) && (0..items(a)).all(|i| same(of, &a[i], &b[i]))
        }
        Shape::Map(to) => {
            let entries = |v: &Value| v.as_object().map_or(0, serde_json::Map::len);
            entries(a) == entries(b)
                && a.as_object()
                    .into_iter()
                    .flatten()
                    .all(|(key, value)| b.get(key).is_some_and(|other| same(to, value, other)))
        }
        Shape::Quantity => a == b || quantity(a) == quantity(b),
        Shape::String | Shape::Bytes => {
            a.as_str().unwrap_or_default() == b.as_str().unwrap_or_default()
        }
        Shape::Bool => a.as_bool().unwrap_or_default() == b.as_bool().unwrap_or_default(),
        Shape::Int32 | Shape::Int64 => {
            a.as_i64().unwrap_or_default() == b.as_i64().unwrap_or_default()
        }
        Shape::IntOrString => {
            let zero = |v: &Value| if v.is_null() { Value::from(0) } else { v.clone() };
            zero(a) == zero(b)
        }
        Shape::Time | Shape::MicroTime | Shape::Raw => a == b,
    }
}

/// [`same`] for the fields of a struct.
pub fn same_struct(of: &Struct, a: &Value, b: &Value) -> bool {
    of.json_fields().all(|(name, _, shape)| match (a.get(name), b.get(name)) {
        (None, None) => true,
        (a, b) => same(shape, a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null)),
    })
}

fn quantity(value: &Value) -> Quantity {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::schema::named;

    #[test]
    fn empty_lists_are_unset_and_pointers_are_not() {
        let check = |a: Value, b: Value, alike| {
            assert_eq!(same_struct(named("core/v1.PodSpec").unwrap(), &a, &b), alike, "{a} {b}");
        };
        check(json!({"containers": []}), json!({}), true);
        check(json!({"nodeSelector": {}}), json!({}), true);
        check(json!({"affinity": {}}), json!({}), false);
        check(json!({"hostNetwork": false}), json!({}), true);
        check(json!({"overhead": {"cpu": "1"}}), json!({"overhead": {"cpu": "1000m"}}), true);
    }
}

//! Values to YAML text.

use serde::Serialize;
use serde_json::Value;

use super::go::{self, Keys};

/// Writes `value` as one YAML document, without a leading `---`, its keys in their order. Texts that YAML
/// 1.1 would read as something else (`yes`, `0x1f`, times) are quoted.
///
/// # Errors
/// Only for values that JSON cannot hold, such as maps with keys that are no text.
pub fn to_string(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let value: Value = serde_json::to_value(value)?;
    Ok(go::write(&value, Keys::Kept))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::to_string;
    use crate::api::limits::Limits;
    use crate::api::{json, yaml};

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
            prop::sample::select(vec!["", "yes", "~", "0x1f", "1e3", "a: b", "- x", "é\n", "#"])
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let fields = prop::collection::btree_map("[ -~]{1,8}", inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in value()) {
            let limits = Limits::default();
            let tree = json::read_whole(&value.to_string(), &limits).unwrap();
            prop_assert_eq!(&tree.value(0), &value);
            let text = to_string(&value).unwrap();
            let read = yaml::read_document(&text, &limits).unwrap();
            prop_assert_eq!(&read.tree.value(0), &value, "{}", text);
        }
    }
}

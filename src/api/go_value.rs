//! Values as Go's `fmt` writes them with `%v`: what columns, templates and descriptions show of a field
//! that is no text.

use serde_json::Value;

/// A value of a document: texts bare, lists `[a b]`, maps `map[a:1 b:2]`, nothing `<nil>`.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(on) => on.to_string(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => self::float(float),
            None => number.to_string(),
        },
        Value::Array(items) => {
            format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" "))
        }
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let pairs: Vec<String> =
                keys.into_iter().map(|k| format!("{k}:{}", plain(&map[k]))).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// A value as Go's source would have it (`%#v`): `map[string]interface {}{"a":1, "b":[]interface {}{"x"}}`.
pub fn source(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::Bool(_) | Value::Number(_) => plain(value),
        Value::Array(items) => {
            format!(
                "[]interface {{}}{{{}}}",
                items.iter().map(source).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let pairs: Vec<String> =
                keys.into_iter().map(|k| format!("{k:?}:{}", source(&map[k]))).collect();
            format!("map[string]interface {{}}{{{}}}", pairs.join(", "))
        }
    }
}

/// A floating-point number with as many digits as it needs; very small ones and those of a million and
/// more with an exponent (`strconv.FormatFloat` with `'g', -1`).
pub fn float(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(e) if !(-4..6).contains(&e) => {
            let sign = if e < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", e.abs())
        }
        _ => format!("{number}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_go_writes_them() {
        for (value, text) in [
            (json!(null), "<nil>"),
            (json!({"b": [1, "x"], "a": true}), "map[a:true b:[1 x]]"),
            (json!(3.0), "3"),
            (json!(1_000_000.0), "1e+06"),
            (json!(1_234_567.5), "1.2345675e+06"),
            (json!(0.000_01), "1e-05"),
            (json!(7_000_000), "7000000"),
        ] {
            assert_eq!(plain(&value), text);
        }
    }
}

//! The `quantity` corpus: parsing, arithmetic and construction of quantities.

use serde_json::{Map, Value, json};

use super::same;
use crate::base::quantity::{Format, Quantity};

/// Checks one case.
pub fn check(case: &Value) -> Result<(), String> {
    let (input, out) = (&case["in"], &case["out"]);
    let ours = match input["op"].as_str() {
        Some("parse") => parse(input["s"].as_str().unwrap_or_default()),
        Some("arith") => arith(input)?,
        Some("new") => {
            let q = Quantity::from_i64(int(&input["value"]), format(&input["format"]));
            json!({"milli": q.milli_value(), "string": q.to_string()})
        }
        Some("newMilli") => {
            let q = Quantity::from_milli(int(&input["milli"]), format(&input["format"]));
            json!({"string": q.to_string(), "value": q.value()})
        }
        other => return Err(format!("unknown operation {other:?}")),
    };
    let ours = ours.as_object().cloned().unwrap_or_default();
    let recorded = out.as_object().cloned().unwrap_or_default();
    for key in ours.keys().chain(recorded.keys()) {
        same(key, &ours.get(key).cloned().unwrap_or_default(), &out[key])?;
    }
    Ok(())
}

fn parse(text: &str) -> Value {
    let q: Quantity = match text.parse() {
        Ok(q) => q,
        Err(e) => return json!({"error": e.to_string()}),
    };
    let mut listed = q.clone();
    listed.round_up(-3);
    let text = q.to_string();
    let reread = text.parse::<Quantity>().map(|q| q.to_string()).unwrap_or_default();
    let mut out = Map::from_iter([
        ("approxFloat64".to_owned(), json!(approximate(&q))),
        ("canonical".to_owned(), json!(q.canonical())),
        ("format".to_owned(), json!(q.format().as_str())),
        ("inResourceList".to_owned(), json!(listed.to_string())),
        ("isZero".to_owned(), json!(q.is_zero())),
        ("json".to_owned(), json!(format!("\"{text}\""))),
        ("milliValue".to_owned(), json!(q.milli_value())),
        ("scaled3".to_owned(), json!(q.scaled_value(3))),
        ("sign".to_owned(), json!(q.sign())),
        ("string".to_owned(), json!(text)),
        ("stringAfterJSON".to_owned(), json!(reread)),
        ("value".to_owned(), json!(q.value())),
    ]);
    if let Some(n) = q.as_i64() {
        out.insert("asInt64".to_owned(), json!(n));
    }
    Value::Object(out)
}

fn arith(input: &Value) -> Result<Value, String> {
    let read = |key: &str| {
        let text = input[key].as_str().unwrap_or_default();
        text.parse::<Quantity>().map_err(|e| format!("{text}: {e}"))
    };
    let (a, b) = (read("a")?, read("b")?);
    let changed = |change: &dyn Fn(&mut Quantity)| {
        let mut q = a.clone();
        change(&mut q);
        q
    };
    let sum = changed(&|q| q.add(&b));
    let mut product = a.clone();
    let exact = product.mul(int(&input["k"]));
    let mut rounded = a.clone();
    let rounded_exactly = rounded.round_up(0);
    Ok(json!({
        "add": sum.to_string(), "addMilli": sum.milli_value(), "addValue": sum.value(),
        "sub": changed(&|q| q.sub(&b)).to_string(),
        "neg": changed(&Quantity::neg).to_string(),
        "mulK": product.to_string(), "mulExact": exact,
        "roundUp0": rounded.to_string(), "roundUpExact": rounded_exactly,
        "cmp": a.cmp(&b) as i8, "equal": a == b,
    }))
}

/// `AsApproximateFloat64`, printed as Go prints it. Only this check has a use for it.
fn approximate(q: &Quantity) -> String {
    let (digits, exponent) = q.parts();
    let float = |text: &str| text.parse::<f64>().unwrap_or_default();
    let number = float(&digits) * if exponent == 0 { 1.0 } else { float(&format!("1e{exponent}")) };
    let scientific = format!("{number:e}");
    let (mantissa, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = power.parse().unwrap_or_default();
    if (-4..6).contains(&power) {
        return number.to_string();
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", power.abs())
}

fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

fn format(value: &Value) -> Format {
    [Format::BinarySi, Format::DecimalExponent]
        .into_iter()
        .find(|f| value.as_str() == Some(f.as_str()))
        .unwrap_or_default()
}

//! Corpus `intorpercent`: numbers given outright or as a percentage, and what each controller makes
//! of them.

use serde_json::{Value, json};

use crate::api::corpus::same;
use crate::controllers::scaled::{ScaleError, scaled};
use crate::model::wire::IntOrString;

/// Checks one case.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check(case: &Value) -> Result<(), String> {
    let total = case["in"]["total"].as_i64().and_then(|n| i32::try_from(n).ok());
    let total = total.ok_or("a total is a number")?;
    let value: IntOrString =
        serde_json::from_value(case["in"]["value"].clone()).map_err(|e| e.to_string())?;
    let expect = |number: &str, error: &str, ours: Result<i32, ScaleError>| {
        let (n, why) = match ours {
            Ok(n) => (n, Value::Null),
            Err(why) => (0, why.to_string().into()),
        };
        same(number, &json!(n), &case["out"][number])?;
        same(error, &why, &case["out"][error])
    };
    let (up, down) = (scaled(&value, total, true), scaled(&value, total, false));
    expect("roundUp", "roundUpError", up.clone())?;
    expect("roundDown", "roundDownError", down.clone())?;
    // A DaemonSet rounds up what may be missing as well as what may be too much.
    expect("daemonSetSurge", "daemonSetSurgeError", up.clone())?;
    expect("daemonSetUnavailable", "daemonSetUnavailableError", up)?;
    // A StatefulSet may always miss one.
    expect("statefulSetMaxUnavailable", "statefulSetError", down.map(|n| n.max(1)))
}

//! Corpus `cron-fire`: schedules in zones, and the times at which they fire.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::{text, time};
use crate::api::corpus::same;
use crate::api::registry;
use crate::api::validate::{self, FieldError};
use crate::base::cron::{Schedule, load_location};
use crate::base::time::SimTime;
use crate::controllers::cronjob;

/// How many times are asked for.
const TIMES: usize = 10;

/// Checks one case.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check(case: &Value) -> Result<(), String> {
    let (given, recorded) = (&case["in"], &case["out"]);
    let (written, zone) = (text(&given["schedule"]), given["timeZone"].as_str());
    let effective = cronjob::with_zone(written, zone);
    same("effective", &json!(effective), &recorded["effective"])?;
    same("validationErrors", &json!(complaints(written, zone)), &recorded["validationErrors"])?;
    let mut schedule = match Schedule::parse(&effective) {
        Ok(schedule) => schedule,
        Err(why) => return same("error", &json!(why), &recorded["error"]),
    };
    same("error", &Value::Null, &recorded["error"])?;
    let mut at = time(&given["from"]).ok_or("no time to begin from")?;
    let mut times = Vec::new();
    let mut exhausted = false;
    while times.len() < TIMES && !exhausted {
        match schedule.next(at) {
            Some(next) => {
                at = next;
                times.push(next);
            }
            None => exhausted = true,
        }
    }
    let utc: Vec<String> = times.iter().map(|t| t.to_rfc3339()).collect();
    same("next", &json!(utc), &recorded["next"])?;
    same("exhausted", &json!(exhausted), &json!(recorded["exhausted"].as_bool().unwrap_or(false)))?;
    if let Some(local) = recorded.get("nextLocal") {
        let zone = load_location(zone.unwrap_or_default())?;
        let shown = |t: &SimTime| {
            t.to_utc().with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true)
        };
        same("nextLocal", &json!(times.iter().map(shown).collect::<Vec<_>>()), local)?;
    }
    Ok(())
}

/// What the API server says about a new CronJob's schedule and zone.
fn complaints(schedule: &str, zone: Option<&str>) -> Vec<String> {
    let mut object = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
        "spec": {"schedule": schedule},
    });
    if let Some(zone) = zone {
        object["spec"]["timeZone"] = json!(zone);
    }
    let Some(of) = registry::struct_of(&object) else { return Vec::new() };
    let about =
        |error: &FieldError| matches!(error.field.as_str(), "spec.schedule" | "spec.timeZone");
    let errors = validate::create(of, &object, validate::Policy::default()).0;
    errors.iter().filter(|e| about(e)).map(ToString::to_string).collect()
}

//! Recorded decisions of the real scheduler, held against ours: whole worlds, step by step.
//!
//! A case is a world (objects in the order of their creation) and steps: operations on the world, a pod
//! that is scheduled, and what the real scheduler answered, plugin by plugin. [`check`] goes through a
//! case on a [`crate::scheduler::feed::Feed`] of our own, follows the recorded effects whatever ours
//! decides, and compares everything that was recorded. [`sampling::check`] does the same for large
//! clusters, of which only a part is examined.

pub mod sampling;
mod stage;
mod step;

use serde_json::Value;

use self::stage::Stage;

/// Checks one case.
///
/// # Errors
/// The first step in which ours differs, and how.
pub fn check(case: &Value) -> Result<(), String> {
    let mut stage = Stage::new(crate::scheduler::Config {
        percentage_of_nodes_to_score: 100,
        ..Default::default()
    });
    stage.set_up(&case["world"])?;
    let steps = case["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    for recorded in steps {
        step::check(&mut stage, recorded).map_err(|difference| {
            format!("step {} of {}: {difference}", recorded["i"], steps.len())
        })?;
    }
    Ok(())
}

/// Compares two values field by field, and names the first field in which they differ.
fn same(path: &str, ours: &Value, recorded: &Value) -> Result<(), String> {
    if let (Value::Object(a), Value::Object(b)) = (ours, recorded) {
        for (key, theirs) in b {
            same(&format!("{path}.{key}"), a.get(key).unwrap_or(&Value::Null), theirs)?;
        }
        for (key, value) in a.iter().filter(|(key, _)| !b.contains_key(*key)) {
            same(&format!("{path}.{key}"), value, &Value::Null)?;
        }
        return Ok(());
    }
    if ours == recorded { Ok(()) } else { Err(format!("{path}: ours {ours}, recorded {recorded}")) }
}

#[cfg(test)]
mod tests {
    use crate::api::corpus::tests::{check, lines};

    #[test]
    fn worlds_are_scheduled_as_recorded() {
        check("scheduler-a.jsonl.zst", super::check, 1000);
    }

    #[test]
    fn lessons_are_scheduled_as_recorded() {
        check("scheduler-teach.jsonl.zst", super::check, 1000);
    }

    #[test]
    fn large_clusters_are_sampled_as_recorded() {
        check("scheduler-sampling.jsonl.zst", super::sampling::check, 1000);
    }

    #[test]
    fn the_page_on_the_scheduler_names_every_lesson() {
        let page = include_str!("../../../docs/scheduler.md");
        let lessons = lines("scheduler-teach.jsonl.zst");
        let ids = lessons.lines().map(|line| {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            case["id"].as_str().unwrap().to_owned()
        });
        let missing: Vec<String> = ids.filter(|id| !page.contains(&format!("[`{id}`]"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

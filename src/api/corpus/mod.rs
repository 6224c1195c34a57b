//! The recorded answers of the real API machinery, held against ours: one check per corpus.
//!
//! Each file here has a `check` that takes one case (`{"id", "in", "out"}`, the format of
//! `tests/conformance/functions/`) and answers with the difference, if there is one. The `conform`
//! command runs them over whole files; the tests below hold the rate that was reached.

pub mod defaulting;
pub mod legacy_defaulting;
pub mod names;
pub mod pod_resources;
pub mod quantity;
pub mod selectors;
pub mod strict_decoding;
pub mod validation;
pub mod yaml_decode;

use serde_json::Value;

/// How a corpus went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases without a difference.
    pub same: usize,
    /// The id and the difference of every other case.
    pub different: Vec<(String, String)>,
}

/// Checks every line of a corpus; a line that is not JSON counts as a difference.
pub fn tally(lines: &str, check: impl Fn(&Value) -> Result<(), String>) -> Tally {
    let mut tally = Tally::default();
    for line in lines.lines().filter(|l| !l.trim().is_empty()) {
        let case: Value = serde_json::from_str(line).unwrap_or(Value::Null);
        match check(&case) {
            Ok(()) => tally.same += 1,
            Err(difference) => {
                tally.different.push((case["id"].as_str().unwrap_or("?").to_owned(), difference));
            }
        }
    }
    tally
}

/// Compares one recorded field with ours.
pub(crate) fn same(field: &str, ours: &Value, recorded: &Value) -> Result<(), String> {
    if ours == recorded {
        return Ok(());
    }
    Err(format!("{field}: ours {ours}, recorded {recorded}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Read as _;

    use super::*;

    /// The cases of a stored corpus, one a line.
    pub(crate) fn lines(name: &str) -> String {
        let path = format!("{}/tests/conformance/functions/{name}", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::File::open(&path).unwrap();
        let mut text = String::new();
        ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// At least `permille` of the cases of a stored corpus are answered as recorded.
    pub(crate) fn check(name: &str, check: fn(&Value) -> Result<(), String>, permille: usize) {
        check_part(name, check, permille, (0, 1));
    }

    /// The same for every `of`-th case from the `part`-th on: long corpora are more than one test.
    fn check_part(
        name: &str,
        check: fn(&Value) -> Result<(), String>,
        permille: usize,
        (part, of): (usize, usize),
    ) {
        let text = lines(name);
        let cases: Vec<&str> = text.lines().skip(part).step_by(of).collect();
        let tally = tally(&cases.join("\n"), check);
        let all = tally.same + tally.different.len();
        let first = &tally.different[..tally.different.len().min(SHOWN)];
        assert!(all > 0, "{name} is empty");
        let enough = tally.same * 1000 >= all * permille;
        assert!(enough, "{name}: {} of {all} alike, the rest: {first:#?}", tally.same);
    }

    /// How many differences a failing test prints.
    const SHOWN: usize = 60;

    #[test]
    fn request_bodies_are_decoded_strictly_as_recorded() {
        check("strict-decoding-a.jsonl.zst", strict_decoding::check, 1000);
    }

    #[test]
    fn manifests_of_old_versions_mean_what_they_meant() {
        check("legacy-defaulting-a.jsonl.zst", legacy_defaulting::check, 1000);
    }

    #[test]
    fn texts_are_split_and_converted_as_recorded() {
        check("yaml-decode-a.jsonl.zst", yaml_decode::check, 1000);
    }

    #[test]
    fn quantities_are_read_and_written_as_recorded() {
        check("quantity-a.jsonl.zst", quantity::check, 1000);
    }

    #[test]
    fn pods_ask_for_resources_as_recorded() {
        check("pod-resources-a.jsonl.zst", pod_resources::check, 1000);
    }

    #[test]
    fn selectors_select_as_recorded() {
        check("label-selector-a.jsonl.zst", selectors::check_label, 1000);
        check("meta-labelselector-a.jsonl.zst", selectors::check_meta, 1000);
        check("field-selector-a.jsonl.zst", selectors::check_field, 1000);
    }

    fn creations(part: usize) {
        check_part("validation-create-a.jsonl.zst", validation::check_create, 999, (part, 3));
    }

    #[test]
    fn creations_are_refused_as_recorded() {
        creations(0);
    }

    #[test]
    fn other_creations_are_refused_as_recorded() {
        creations(1);
    }

    #[test]
    fn still_other_creations_are_refused_as_recorded() {
        creations(2);
    }

    fn updates(part: usize) {
        check_part("validation-update-a.jsonl.zst", validation::check_update, 1000, (part, 3));
    }

    #[test]
    fn updates_are_refused_as_recorded() {
        updates(0);
    }

    #[test]
    fn other_updates_are_refused_as_recorded() {
        updates(1);
    }

    #[test]
    fn still_other_updates_are_refused_as_recorded() {
        updates(2);
    }

    #[test]
    fn names_are_judged_as_recorded() {
        check("name-validation-a.jsonl.zst", names::check, 1000);
    }

    #[test]
    fn manifests_are_stored_as_recorded() {
        check("defaulting-a.jsonl.zst", defaulting::check, 1000);
    }
}

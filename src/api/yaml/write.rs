//! Values to YAML text: the one place that names the crate behind the dependency `serde_yaml`.

use serde::Serialize;

/// Writes `value` as one YAML document, without a leading `---`.
///
/// # Errors
/// Only for values that YAML cannot hold, such as maps with keys that are no text.
pub fn to_string(value: &impl Serialize) -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(value)
}

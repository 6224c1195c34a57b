//! The `name-validation` corpus: the messages of each name check.

use serde_json::Value;

use super::same;
use crate::api::names::{self, Messages};

type Check = fn(&str) -> Messages;

/// Checks one case.
pub fn check(case: &Value) -> Result<(), String> {
    let text = case["in"]["s"].as_str().unwrap_or_default();
    let checks: [(&str, Check); 11] = [
        ("cIdentifier", names::c_identifier),
        ("configMapKey", names::config_map_key),
        ("dns1035Label", names::dns1035_label),
        ("dns1123Label", names::dns1123_label),
        ("dns1123Subdomain", names::dns1123_subdomain),
        ("envVarName", names::env_var_name),
        ("httpHeader", names::http_header),
        ("labelValue", names::label_value),
        ("portName", names::port_name),
        ("qualifiedName", names::qualified_name),
        ("relaxedEnvVarName", names::relaxed_env_var_name),
    ];
    for (name, messages) in checks {
        let ours = messages(text);
        let recorded = &case["out"][name];
        let ours = if ours.is_empty() && recorded.is_null() { Value::Null } else { ours.into() };
        same(name, &ours, recorded)?;
    }
    Ok(())
}

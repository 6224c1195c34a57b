//! Validation of Services. After `pkg/apis/core/validation/validation.go`.

use serde_json::Value;

use super::{At, Errors};
use crate::api::net;
use crate::api::schema;

/// What must fit together of addresses and families (`ValidateServiceClusterIPsRelatedFields`).
pub fn cluster_ips(service: &Value, old: Option<&Value>) -> Errors {
    let of = schema::named("core/v1.Service").expect("it is in the table");
    let spec = At::new(of, service).get("spec");
    let mut errors = Errors::default();
    if spec.text("type") == "ExternalName" {
        return errors;
    }
    let addresses = spec.get("clusterIPs");
    let texts: Vec<&str> = spec.texts("clusterIPs").collect();
    match (spec.text("clusterIP"), texts.first()) {
        ("", Some(_)) => errors.invalid(
            addresses.path(),
            addresses.value(),
            "must be empty when `clusterIP` is not specified",
        ),
        ("", None) => {}
        (_, None) => errors.required(addresses.path(), ""),
        (single, Some(first)) if single != *first => errors.invalid(
            addresses.path(),
            addresses.value(),
            "first value must match `clusterIP`",
        ),
        (_, Some(_)) => {}
    }
    families(&spec, &mut errors);
    if stand_alone(&spec, &texts, old, &mut errors) {
        return errors;
    }
    if texts.len() > 1 && !is_dual_stack(&texts) {
        errors.invalid(
            addresses.path(),
            addresses.value(),
            "may specify no more than one IP for each IP family",
        );
    }
    if texts != ["None"] {
        for (i, (address, family)) in texts.iter().zip(spec.texts("ipFamilies")).enumerate() {
            if (family == "IPv6") != net::is_ipv6(address) && matches!(family, "IPv4" | "IPv6") {
                errors.invalid(
                    &addresses.path().index(i),
                    *address,
                    format!("expected an {family} value as indicated by `ipFamilies[{i}]`"),
                );
            }
        }
    }
    errors
}

fn families(spec: &At<'_>, errors: &mut Errors) {
    let at = spec.at("ipFamilies");
    let mut seen: Vec<&str> = Vec::new();
    for (i, family) in spec.texts("ipFamilies").enumerate() {
        if !matches!(family, "IPv4" | "IPv6") {
            errors.not_supported(&at.index(i), family, &["IPv4", "IPv6"]);
        }
        if seen.contains(&family) {
            errors.duplicate(&at.index(i), family);
        }
        seen.push(family);
    }
    if let Some(policy) = spec.opt_text("ipFamilyPolicy") {
        let supported = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        if !supported.contains(&policy) {
            errors.not_supported(&spec.at("ipFamilyPolicy"), policy, &supported);
        }
    }
}

/// Checks each address by itself; says whether any is wrong.
fn stand_alone(spec: &At<'_>, texts: &[&str], old: Option<&Value>, errors: &mut Errors) -> bool {
    let at = spec.at("clusterIPs");
    let kept = old.map_or(&Value::Null, |old| &old["spec"]["clusterIPs"]);
    let mut wrong = false;
    for (i, address) in texts.iter().enumerate() {
        if i == 0 && *address == "None" {
            if texts.len() > 1 {
                wrong = true;
                let all = spec.raw("clusterIPs");
                errors.invalid(&at, all, "'None' must be the first and only value");
            }
            continue;
        }
        if kept.as_array().is_some_and(|k| k.iter().any(|v| v == address)) {
            continue;
        }
        let messages = net::legacy_ip(address);
        wrong |= !messages.is_empty();
        errors.invalid_for(&at.index(i), *address, messages);
    }
    if texts.len() > 2 {
        errors.invalid(&at, spec.raw("clusterIPs"), "may only hold up to 2 values");
    }
    wrong
}

/// `IsDualStackIPStrings`: at least one address of each family.
fn is_dual_stack(texts: &[&str]) -> bool {
    texts.iter().any(|t| net::is_ipv6(t)) && texts.iter().any(|t| !net::is_ipv6(t))
}

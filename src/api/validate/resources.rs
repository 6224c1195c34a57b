//! Validation of resource names, amounts and requirements.
//!
//! After `pkg/apis/core/validation/validation.go` and `pkg/apis/core/helper/helpers.go`.

use serde_json::Value;

use super::{At, Errors, Path};
use crate::api::names;
use crate::api::resources::is_pod_level;
use crate::base::quantity::Quantity;

/// Which names a list of resources may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Container,
    Pod,
}

const STANDARD: [&str; 20] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];

const COUNTED: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

pub(super) fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn is_quota_huge_pages(name: &str) -> bool {
    is_huge_pages(name) || name.starts_with("requests.hugepages-")
}

pub(super) fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && names::qualified_name(&format!("requests.{name}")).is_empty()
}

/// `IsOvercommitAllowed`.
pub(super) fn may_be_overcommitted(name: &str) -> bool {
    is_native(name) && !is_huge_pages(name)
}

fn is_integer(name: &str) -> bool {
    COUNTED.contains(&name) || is_extended(name)
}

/// A quantity in decoded form; zero when it is none, which decoding has refused before.
pub(super) fn quantity(value: &Value) -> Quantity {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// `validateResourceName`; says whether it is right.
pub(super) fn name(name: &str, at: &Path, errors: &mut Errors) -> bool {
    let before = errors.len();
    errors.invalid_for(at, name, names::qualified_name(name));
    if errors.len() == before
        && !name.contains('/')
        && !STANDARD.contains(&name)
        && !is_quota_huge_pages(name)
    {
        errors.invalid(at, name, "must be a standard resource type or fully qualified");
    }
    errors.len() == before
}

/// `validateContainerResourceName`.
pub(super) fn container_name(resource: &str, at: &Path, errors: &mut Errors) {
    name(resource, at, errors);
    if !resource.contains('/') {
        let standard = matches!(resource, "cpu" | "memory" | "ephemeral-storage");
        if !standard && !is_huge_pages(resource) {
            errors.invalid(at, resource, "must be a standard resource for containers");
        }
    } else if !is_native(resource) && !is_extended(resource) {
        errors.invalid(at, resource, "doesn't follow extended resource name standard");
    }
}

/// `validatePodResourceName`.
fn pod_name(resource: &str, at: &Path, errors: &mut Errors) {
    if name(resource, at, errors) && !is_pod_level(resource) {
        errors.not_supported(at, resource, &["cpu", "hugepages-", "memory"]);
    }
}

/// `IsStandardQuotaResourceName`.
pub(super) fn is_standard_quota(resource: &str) -> bool {
    STANDARD.contains(&resource) && resource != "storage" || is_quota_huge_pages(resource)
}

/// `ValidateResourceQuotaResourceName`.
pub(super) fn quota_name(resource: &str, at: &Path, errors: &mut Errors) {
    name(resource, at, errors);
    if !resource.contains('/') && !is_standard_quota(resource) {
        errors.invalid(at, resource, "must be a standard resource for quota");
    }
}

/// `ValidateResourceQuantityValue`.
pub(super) fn amount(resource: &str, amount: &Quantity, at: &Path, errors: &mut Errors) {
    if amount.sign() < 0 {
        errors.invalid(at, amount.to_string(), "must be greater than or equal to 0");
    }
    if is_integer(resource) && amount.milli_value() % 1000 != 0 {
        errors.invalid(at, amount.to_string(), "must be an integer");
    }
}

/// `ValidatePositiveQuantityValue`; says whether it is right.
pub(super) fn positive(amount: &Quantity, at: &Path, errors: &mut Errors) -> bool {
    if amount.sign() <= 0 {
        errors.invalid(at, amount.to_string(), "must be greater than zero");
    }
    amount.sign() > 0
}

/// `validateBasicResource`.
pub(super) fn basic(amount: &Quantity, at: &Path, errors: &mut Errors) {
    if amount.value() < 0 {
        errors.invalid(at, amount.value(), "must be a valid resource quantity");
    }
}

/// `validateResourceRequirements`.
pub(super) fn requirements(
    resources: &At<'_>,
    holder: Holder,
    claims: &[&str],
    any_huge_pages: bool,
    errors: &mut Errors,
) {
    let mut seen = (false, false);
    let mut each = |resource: &str, value: &Quantity, at: &Path, errors: &mut Errors| {
        seen.0 |= matches!(resource, "cpu" | "memory");
        seen.1 |= is_huge_pages(resource);
        match holder {
            Holder::Container => container_name(resource, at, errors),
            Holder::Pod => pod_name(resource, at, errors),
        }
        amount(resource, value, at, errors);
    };
    let huge = |resource: &str, value: &Quantity, at: &Path, errors: &mut Errors| {
        if is_huge_pages(resource) && !any_huge_pages && !is_divisible(resource, value) {
            let text = value.to_string();
            let detail = format!("{text} is not positive integer multiple of {resource}");
            errors.invalid(at, text, detail);
        }
    };
    let (limits, requests) = (resources.at("limits"), resources.at("requests"));
    for (resource, value) in resources.entries("limits") {
        let (value, at) = (quantity(value), limits.key(resource));
        each(resource, &value, &at, errors);
        huge(resource, &value, &at, errors);
    }
    for (resource, value) in resources.entries("requests") {
        let (value, at) = (quantity(value), requests.key(resource));
        each(resource, &value, &at, errors);
        let limit = resources.raw("limits").get(resource).map(quantity);
        match limit {
            Some(limit) if value != limit && !may_be_overcommitted(resource) => {
                let detail = format!("must be equal to {resource} limit of {limit}");
                errors.invalid(&requests, value.to_string(), detail);
            }
            Some(limit) if value > limit => {
                let detail = format!("must be less than or equal to {resource} limit of {limit}");
                errors.invalid(&requests, value.to_string(), detail);
            }
            None if !may_be_overcommitted(resource) => {
                errors.required(&limits, "Limit must be set for non overcommitable resources");
            }
            Some(_) | None => {}
        }
        huge(resource, &value, &at, errors);
    }
    if !seen.0 && seen.1 {
        errors.forbidden(resources.path(), "HugePages require cpu or memory");
    }
    claim_names(resources, claims, errors);
}

/// `IsHugePageResourceValueDivisible`.
pub(super) fn is_divisible(resource: &str, value: &Quantity) -> bool {
    let size = resource.strip_prefix("hugepages-").and_then(|s| s.parse::<Quantity>().ok());
    size.is_some_and(|size| {
        size.sign() > 0
            && size.milli_value() % 1000 == 0
            && size.value() != 0
            && value.value() % size.value() == 0
    })
}

/// `validateResourceClaimNames`: each claim once, as a whole or by its requests.
fn claim_names(resources: &At<'_>, claims: &[&str], errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    for claim in resources.items("claims") {
        let (name, request) = (claim.text("name"), claim.text("request"));
        let at = claim.path();
        if name.is_empty() {
            errors.required(at, "");
            continue;
        }
        if seen.iter().any(|s| s == name) {
            errors.duplicate(at, name);
        } else {
            let mut key = name.to_owned();
            if !request.is_empty() {
                errors.invalid_for(&claim.at("request"), request, names::dns1123_label(request));
                key = format!("{name}/{request}");
            }
            if seen.contains(&key) {
                errors.duplicate(at, key.as_str());
            } else if request.is_empty() {
                let parts = seen.iter().filter(|s| s.split_once('/').is_some_and(|s| s.0 == name));
                parts.for_each(|_| errors.duplicate(at, name));
            }
            seen.push(key);
        }
        if !claims.contains(&name) {
            let mut sorted = claims.to_vec();
            sorted.sort_unstable();
            let listed = if sorted.is_empty() {
                " which is empty".to_owned()
            } else {
                format!(": {}", sorted.join(", "))
            };
            let detail = format!("must be one of the names in pod.spec.resourceClaims{listed}");
            errors.not_found_because(at, name, &detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_pages_come_in_whole_pages() {
        let check = |name, amount: &str, right| {
            assert_eq!(is_divisible(name, &amount.parse().unwrap()), right);
        };
        check("hugepages-2Mi", "4Mi", true);
        check("hugepages-2Mi", "3Mi", false);
        check("hugepages-x", "2Mi", false);
        check("hugepages-0", "2Mi", false);
    }
}

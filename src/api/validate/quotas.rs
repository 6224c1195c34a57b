//! Validation of LimitRanges and ResourceQuotas. After `pkg/apis/core/validation/validation.go`.

use std::collections::{BTreeMap, BTreeSet};

use super::{At, Errors, Path, internal, meta, resources};
use crate::api::names;
use crate::base::quantity::{Format, Quantity};

/// The largest amount that still fits as thousandths (`MaxMilliValue`).
const MILLI_MAX: i64 = i64::MAX / 1000;

/// `ValidateLimitRange`, of a new one or a changed one alike.
pub(super) fn limit_range(new: &At<'_>, errors: &mut Errors) {
    meta::check(new, None, meta::subdomain, errors);
    let mut seen: Vec<&str> = Vec::new();
    for limit in new.get("spec").items("limits") {
        let (kind, at) = (limit.text("type"), limit.at("type"));
        let before = errors.len();
        errors.invalid_for(&at, kind, names::qualified_name(kind));
        let standard = matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim");
        if errors.len() == before && !kind.contains('/') && !standard {
            errors.invalid(&at, kind, "must be a standard limit type or fully qualified");
        }
        if seen.contains(&kind) {
            errors.duplicate(&at, kind);
        }
        seen.push(kind);
        limits(&limit, kind, errors);
    }
}

/// The amounts of one kind of object.
struct Limits {
    max: BTreeMap<String, Quantity>,
    min: BTreeMap<String, Quantity>,
    default: BTreeMap<String, Quantity>,
    request: BTreeMap<String, Quantity>,
    ratio: BTreeMap<String, Quantity>,
}

fn limits(limit: &At<'_>, kind: &str, errors: &mut Errors) {
    let read = |field: &str, errors: &mut Errors| {
        let mut out = BTreeMap::new();
        for (resource, amount) in limit.entries(field) {
            let at = limit.at(field).key(resource);
            if matches!(kind, "Pod" | "Container") {
                resources::container_name(resource, &at, errors);
            } else {
                resources::name(resource, &at, errors);
            }
            out.insert(resource.to_owned(), resources::quantity(amount));
        }
        out
    };
    let (max, min) = (read("max", errors), read("min", errors));
    let (mut default, mut request) = (BTreeMap::new(), BTreeMap::new());
    if kind == "Pod" {
        for field in ["default", "defaultRequest"] {
            if !limit.is_empty(field) {
                let detail = "may not be specified when `type` is 'Pod'";
                errors.forbidden(&limit.at(field), detail);
            }
        }
    } else {
        default = read("default", errors);
        request = read("defaultRequest", errors);
    }
    let bounded = max.contains_key("storage") || min.contains_key("storage");
    if kind == "PersistentVolumeClaim" && !bounded {
        let detail =
            "either minimum or maximum storage value is required, but neither was provided";
        errors.required(&limit.path().child("limits"), detail);
    }
    let ratio = read("maxLimitRequestRatio", errors);
    let all = Limits { max, min, default, request, ratio };
    let lists = [&all.max, &all.min, &all.default, &all.request, &all.ratio];
    let keys: BTreeSet<&String> = lists.into_iter().flat_map(BTreeMap::keys).collect();
    for key in keys {
        order(limit, key, &all, errors);
        ratio_of(limit, key, &all, errors);
    }
}

/// How the amounts of one resource must be ordered.
fn order(limit: &At<'_>, key: &str, all: &Limits, errors: &mut Errors) {
    let (min, max) = (all.min.get(key), all.max.get(key));
    let (default, request) = (all.default.get(key), all.request.get(key));
    let mut greater = |low: Option<&Quantity>,
                       high: Option<&Quantity>,
                       names: [&str; 2],
                       field: &str,
                       shows_low: bool| {
        if let (Some(low), Some(high)) = (low, high)
            && low > high
        {
            let shown = if shows_low { low } else { high };
            let [first, second] = names;
            let detail = format!("{first} value {low} is greater than {second} value {high}");
            errors.invalid(&limit.at(field).key(key), shown.to_string(), detail);
        }
    };
    greater(min, max, ["min", "max"], "min", true);
    greater(min, request, ["min", "default request"], "defaultRequest", false);
    greater(request, max, ["default request", "max"], "defaultRequest", true);
    greater(request, default, ["default request", "default limit"], "defaultRequest", true);
    greater(min, default, ["min", "default"], "default", true);
    greater(default, max, ["default", "max"], "default", false);
}

/// How far limits may exceed requests, and that they may at all.
fn ratio_of(limit: &At<'_>, key: &str, all: &Limits, errors: &mut Errors) {
    let at = limit.at("maxLimitRequestRatio").key(key);
    if let Some(ratio) = all.ratio.get(key) {
        if *ratio < Quantity::from_i64(1, Format::DecimalSi) {
            errors.invalid(&at, ratio.to_string(), format!("ratio {ratio} is less than 1"));
        }
        if let (Some(min), Some(max)) = (all.min.get(key), all.max.get(key)) {
            let most = largest_ratio(ratio, min, max);
            if most.0 > most.1 {
                let detail =
                    format!("ratio {ratio} is greater than max/min = {}", go_float(most.1));
                errors.invalid(&at, ratio.to_string(), detail);
            }
        }
    }
    if let (Some(default), Some(request)) = (all.default.get(key), all.request.get(key))
        && default != request
        && !resources::may_be_overcommitted(key)
    {
        let detail = format!(
            "default value {default} must equal to defaultRequest value {request} in {key}"
        );
        errors.invalid(&limit.at("defaultRequest").key(key), request.to_string(), detail);
    }
}

/// The ratio and max/min, which Go computes as floats, in thousandths where those fit.
#[expect(clippy::cast_precision_loss, reason = "upstream's own arithmetic, whose text is shown")]
fn largest_ratio(ratio: &Quantity, min: &Quantity, max: &Quantity) -> (f64, f64) {
    let fits = |amount: &Quantity| amount.value() < MILLI_MAX;
    if fits(ratio) && fits(min) && fits(max) {
        let milli = |amount: &Quantity| amount.milli_value() as f64;
        (milli(ratio) / 1000.0, milli(max) / milli(min))
    } else {
        (ratio.value() as f64, max.value() as f64 / min.value() as f64)
    }
}

/// A float as Go's `%f` writes it.
fn go_float(number: f64) -> String {
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        format!("{number:.6}")
    }
}

/// `ValidateResourceQuota`, `ValidateResourceQuotaUpdate`.
pub(super) fn resource_quota(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::check(new, old, meta::subdomain, errors);
    let spec = new.get("spec");
    hard(&spec, "hard", errors);
    scopes(&spec, errors);
    scope_selector(&spec, errors);
    let Some(old) = old else { return };
    let before = old.get("spec");
    let now: BTreeSet<&str> = spec.texts("scopes").collect();
    if now != before.texts("scopes").collect::<BTreeSet<_>>() {
        let shown = &spec.get("scopes").encoded();
        errors.invalid(&spec.at("scopes"), shown, "field is immutable");
    }
}

fn hard(of: &At<'_>, field: &str, errors: &mut Errors) {
    for (resource, amount) in of.entries(field) {
        let at = of.at(field).key(resource);
        resources::quota_name(resource, &at, errors);
        resources::amount(resource, &resources::quantity(amount), &at, errors);
    }
}

const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "VolumeAttributesClass",
    "CrossNamespacePodAffinity",
];

const CONFLICTS: [[&str; 2]; 2] =
    [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]];

/// `IsResourceQuotaScopeValidForResource`.
fn fits(scope: &str, resource: &str) -> bool {
    let computed =
        ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
    match scope {
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => resource == "pods" || computed.contains(&resource),
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => {
            matches!(resource, "persistentvolumeclaims" | "requests.storage")
        }
        _ => true,
    }
}

/// Resources of the quota that a scope cannot select by.
fn unfit<'a>(spec: &At<'a>, scope: &str) -> impl Iterator<Item = &'a str> {
    let names = spec.entries("hard").into_iter().map(|(resource, _)| resource);
    names.filter(move |r| resources::is_standard_quota(r) && !fits(scope, r))
}

/// `validateResourceQuotaScopes`.
fn scopes(spec: &At<'_>, errors: &mut Errors) {
    let at = spec.at("scopes");
    let shown = &spec.get("scopes").encoded();
    let all: Vec<&str> = spec.texts("scopes").collect();
    for scope in &all {
        if !SCOPES.contains(scope) {
            errors.invalid(&at, shown, "unsupported scope");
        }
        for _ in unfit(spec, scope) {
            errors.invalid(&at, shown, "unsupported scope applied to resource");
        }
    }
    conflicts(spec, &all, &at, errors);
}

fn conflicts(spec: &At<'_>, all: &[&str], at: &Path, errors: &mut Errors) {
    for pair in CONFLICTS {
        if all.is_empty() || !pair.iter().all(|scope| all.contains(scope)) {
            continue;
        }
        errors.invalid(at, &spec.get("scopes").encoded(), "conflicting scopes");
    }
}

/// `validateScopedResourceSelectorRequirement`.
fn scope_selector(spec: &At<'_>, errors: &mut Errors) {
    let selector = spec.get("scopeSelector");
    let at = selector.at("matchExpressions");
    let mut all: Vec<&str> = Vec::new();
    for rule in selector.items("matchExpressions") {
        let rule = rule.with_path(at.clone());
        let (scope, operator) = (rule.text("scopeName"), rule.text("operator"));
        if !SCOPES.contains(&scope) {
            errors.invalid(&rule.at("scopeName"), scope, "unsupported scope");
        }
        for _ in unfit(spec, scope) {
            let shown = internal::text(&selector);
            errors.invalid_shown(&at, shown, "unsupported scope applied to resource");
        }
        let by_value = matches!(scope, "PriorityClass" | "VolumeAttributesClass");
        if SCOPES.contains(&scope) && !by_value && operator != "Exists" {
            let detail = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.invalid(&rule.at("operator"), operator, detail);
        }
        match operator {
            "In" | "NotIn" if rule.is_empty("values") => {
                let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                errors.required(&rule.at("values"), detail);
            }
            "Exists" | "DoesNotExist" if !rule.is_empty("values") => {
                let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                errors.invalid(&rule.at("values"), rule.raw("values"), detail);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => {
                let detail = "not a valid selector operator";
                errors.invalid(&rule.at("operator"), operator, detail);
            }
        }
        all.push(scope);
    }
    conflicts(spec, &all, &at, errors);
}

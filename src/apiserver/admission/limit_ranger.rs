//! The plugin LimitRanger: defaults for containers that say nothing, and bounds for all.
//!
//! Follows `plugin/pkg/admission/limitranger/admission.go`. Where upstream walks a map in any order,
//! resources are taken by name. The ratio of limit to request is a quotient of floating-point numbers
//! there and here: it is compared and shown, and never stored.

use std::sync::Arc;

use super::super::ApiServer;
use crate::api::quota::{What, of_containers, parsed};
use crate::api::resources::ResourceList;
use crate::base::Str;
use crate::base::quantity::Quantity;
use crate::model::{Kind, Object, Whole, wire};
use crate::store::ApiError;

/// Names what was set.
pub(super) const ANNOTATION: &str = "kubernetes.io/limit-ranger";
/// Beyond this many units, thousandths are not compared (`resource.MaxMilliValue`).
const MAX_MILLI: i64 = i64::MAX / 1000;

type Range = Arc<Whole<wire::core::LimitRange>>;
type Item = wire::core::LimitRangeItem;
type Claim = Whole<wire::core::PersistentVolumeClaim>;

impl ApiServer {
    /// The ranges of a namespace, in the order in which they were made.
    pub(in crate::apiserver) fn limit_ranges(&self, namespace: &Str) -> Vec<Range> {
        let ranges = self.store.list(Kind::LimitRange).filter_map(|o| match o {
            Object::LimitRange(range) if range.meta.namespace == *namespace => Some(range),
            _ => None,
        });
        ranges.cloned().collect()
    }

    /// Refuses a claim that is too small or too large.
    pub(in crate::apiserver) fn check_claim_limits(
        &self,
        claim: &Claim,
    ) -> Result<(), Box<ApiError>> {
        let resources = claim.body.spec.as_ref().and_then(|s| s.resources.as_ref());
        let requests = parsed(resources.and_then(|r| r.requests.as_ref()));
        let (kind, none) = ("PersistentVolumeClaim", ResourceList::new());
        let check = |item: &Item, errors: &mut Vec<String>| {
            if item.type_ != kind {
                return;
            }
            for (name, least) in parsed(item.min.as_ref()) {
                errors.extend(below(kind, &name, &least, &requests, &none));
            }
            for (name, most) in parsed(item.max.as_ref()) {
                errors.extend(request_above(kind, &name, &most, &requests));
            }
        };
        judge(&self.limit_ranges(&claim.meta.namespace), check)
            .map_err(|why| ApiError::forbidden(Kind::PersistentVolumeClaim, &claim.meta.name, &why))
    }
}

/// The limits of a range.
fn items(range: &Range) -> impl Iterator<Item = &Item> {
    range.body.spec.as_ref().map(|s| &s.limits).into_iter().flatten()
}

/// Holds something against the limits of ranges: the errors of the first range that has any.
fn judge(ranges: &[Range], check: impl Fn(&Item, &mut Vec<String>)) -> Result<(), String> {
    for range in ranges {
        let mut errors = Vec::new();
        items(range).for_each(|item| check(item, &mut errors));
        aggregate(errors)?;
    }
    Ok(())
}

/// Fills in what containers do not say; answers with the note for the pod, empty where nothing was set
/// (`mergePodResourceRequirements`).
pub(super) fn set_defaults(ranges: &[Range], spec: &mut wire::core::PodSpec) -> String {
    let mut note = String::new();
    for range in ranges {
        let (mut requests, mut limits) = (WireList::new(), WireList::new());
        for item in items(range).filter(|item| item.type_ == "Container") {
            requests.extend(item.default_request.clone().unwrap_or_default());
            limits.extend(item.default.clone().unwrap_or_default());
        }
        let mut said = Vec::new();
        for container in &mut spec.containers {
            fill(container, "container", &requests, &limits, &mut said);
        }
        for container in spec.init_containers.iter_mut().flatten() {
            fill(container, "init container", &requests, &limits, &mut said);
        }
        if !said.is_empty() {
            note = format!("LimitRanger plugin set: {}", said.join("; "));
        }
    }
    note
}

type WireList =
    std::collections::BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>;

/// `mergeContainerResources`.
fn fill(
    container: &mut wire::core::Container,
    what: &str,
    requests: &WireList,
    limits: &WireList,
    said: &mut Vec<String>,
) {
    if requests.is_empty() && limits.is_empty() {
        return;
    }
    let name = container.name.clone();
    let resources = container.resources.get_or_insert_default();
    let mut merge = |list: &mut Option<WireList>, defaults: &WireList, kind: &str| {
        let list = list.get_or_insert_default();
        let mut set = Vec::new();
        for (resource, amount) in defaults {
            if !list.contains_key(resource) {
                list.insert(resource.clone(), amount.clone());
                set.push(resource.as_str());
            }
        }
        if !set.is_empty() {
            said.push(format!("{} {kind} for {what} {name}", set.join(", ")));
        }
    };
    merge(&mut resources.requests, requests, "request");
    merge(&mut resources.limits, limits, "limit");
}

/// Refuses a pod that is out of bounds (`PodValidateLimitFunc`).
pub(in crate::apiserver) fn check_pod(
    ranges: &[Range],
    spec: &wire::core::PodSpec,
) -> Result<(), String> {
    judge(ranges, |item, errors| match item.type_.as_str() {
        "Container" => {
            let init = spec.init_containers.iter().flatten();
            for container in spec.containers.iter().chain(init) {
                let resources = container.resources.as_ref();
                let requests = parsed(resources.and_then(|r| r.requests.as_ref()));
                let limits = parsed(resources.and_then(|r| r.limits.as_ref()));
                check_item(item, &requests, &limits, errors);
            }
        }
        "Pod" => {
            let requests = of_containers(spec, What::Requests);
            let limits = of_containers(spec, What::Limits);
            check_item(item, &requests, &limits, errors);
        }
        _ => {}
    })
}

fn check_item(
    item: &Item,
    requests: &ResourceList,
    limits: &ResourceList,
    errors: &mut Vec<String>,
) {
    let kind = item.type_.as_str();
    for (name, least) in parsed(item.min.as_ref()) {
        errors.extend(below(kind, &name, &least, requests, limits));
    }
    for (name, most) in parsed(item.max.as_ref()) {
        errors.extend(above(kind, &name, &most, requests, limits));
    }
    for (name, most) in parsed(item.max_limit_request_ratio.as_ref()) {
        errors.extend(ratio_above(kind, &name, &most, requests, limits));
    }
}

/// `utilerrors.NewAggregate(..).Error()`: equal texts once, brackets around more than one.
fn aggregate(errors: Vec<String>) -> Result<(), String> {
    let mut texts: Vec<String> = Vec::new();
    for error in errors {
        if !texts.contains(&error) {
            texts.push(error);
        }
    }
    match texts.len() {
        0 => Ok(()),
        1 => Err(texts.concat()),
        _ => Err(format!("[{}]", texts.join(", "))),
    }
}

/// Request, limit and bound in the same unit (`requestLimitEnforcedValues`).
fn values(request: Option<&Quantity>, limit: Option<&Quantity>, bound: &Quantity) -> [i64; 3] {
    let all = [request, limit, Some(bound)];
    let whole = all.map(|q| q.map_or(0, Quantity::value));
    if whole.iter().all(|v| *v <= MAX_MILLI) {
        return all.map(|q| q.map_or(0, Quantity::milli_value));
    }
    whole
}

/// `minConstraint`.
fn below(
    kind: &str,
    name: &str,
    least: &Quantity,
    requests: &ResourceList,
    limits: &ResourceList,
) -> Option<String> {
    let (request, limit) = (requests.get(name), limits.get(name));
    let [asked, limited, bound] = values(request, limit, least);
    let said = format!("minimum {name} usage per {kind} is {least}");
    match (request, limit) {
        (None, _) => Some(format!("{said}.  No request is specified")),
        (Some(request), _) if asked < bound => Some(format!("{said}, but request is {request}")),
        (_, Some(limit)) if limited < bound => Some(format!("{said}, but limit is {limit}")),
        _ => None,
    }
}

/// `maxRequestConstraint`.
fn request_above(
    kind: &str,
    name: &str,
    most: &Quantity,
    requests: &ResourceList,
) -> Option<String> {
    let request = requests.get(name);
    let [asked, _, bound] = values(request, None, most);
    let said = format!("maximum {name} usage per {kind} is {most}");
    match request {
        None => Some(format!("{said}.  No request is specified")),
        Some(request) if asked > bound => Some(format!("{said}, but request is {request}")),
        Some(_) => None,
    }
}

/// `maxConstraint`.
fn above(
    kind: &str,
    name: &str,
    most: &Quantity,
    requests: &ResourceList,
    limits: &ResourceList,
) -> Option<String> {
    let (request, limit) = (requests.get(name), limits.get(name));
    let [asked, limited, bound] = values(request, limit, most);
    let said = format!("maximum {name} usage per {kind} is {most}");
    match (request, limit) {
        (_, None) => Some(format!("{said}.  No limit is specified")),
        (_, Some(limit)) if limited > bound => Some(format!("{said}, but limit is {limit}")),
        (Some(request), _) if asked > bound => Some(format!("{said}, but request is {request}")),
        _ => None,
    }
}

/// `limitRequestRatioConstraint`.
fn ratio_above(
    kind: &str,
    name: &str,
    most: &Quantity,
    requests: &ResourceList,
    limits: &ResourceList,
) -> Option<String> {
    let [asked, limited, _] = values(requests.get(name), limits.get(name), most);
    let said = format!("{name} max limit to request ratio per {kind} is {most}");
    if asked == 0 {
        return Some(format!("{said}, but no request is specified or request is 0"));
    }
    if limited == 0 {
        return Some(format!("{said}, but no limit is specified or limit is 0"));
    }
    let ratio = limited as f64 / asked as f64;
    let (have, bound) = if most.value() <= MAX_MILLI {
        (ratio * 1000.0, most.milli_value() as f64)
    } else {
        (ratio, most.value() as f64)
    };
    (have > bound).then(|| format!("{said}, but provided ratio is {ratio:.6}"))
}

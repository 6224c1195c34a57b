//! The plugin ResourceQuota: what a namespace uses is charged before an object is stored.
//!
//! Follows `k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go`, `CheckRequest`. What is
//! used is written into the quota's status here, at once; its controller gives back what is free again.
//! A refused request charges nothing; upstream also charges a creation that then fails because the name
//! is taken, until the controller recalculates.

use super::super::{ApiServer, Handling};
use crate::api::kinds;
use crate::api::quota::{self, Evaluator, Quota};
use crate::api::resources::{ResourceList, add};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Kind, Object};
use crate::store::{ApiError, ErrorReason};

impl ApiServer {
    /// The quotas as they are once an object is stored in the place of `old`; nothing where none
    /// changes.
    ///
    /// # Errors
    /// A quota does not allow it.
    pub(in crate::apiserver) fn quota_charges(
        &self,
        new: &Object,
        old: Option<&Object>,
        now: SimTime,
    ) -> Result<Vec<Quota>, Box<ApiError>> {
        if self.store.is_empty(Kind::ResourceQuota) {
            return Ok(Vec::new());
        }
        let Some(evaluator) = Evaluator::of(new).filter(|e| handles(e, new, old)) else {
            return Ok(Vec::new());
        };
        let quotas = self.quotas(&new.meta().namespace);
        check(&quotas, &evaluator, new, old, now).map_err(|why| forbidden(new, &why))
    }

    /// Writes what is used now.
    pub(in crate::apiserver) fn charge(&mut self, charged: Vec<Quota>, h: &mut Handling<'_>) {
        for quota in charged {
            self.commit(quota.into(), h);
        }
    }

    fn quotas(&self, namespace: &Str) -> Vec<Quota> {
        let quotas = self.store.list(Kind::ResourceQuota).filter_map(|o| match o {
            Object::ResourceQuota(quota) if quota.meta.namespace == *namespace => Some(quota),
            _ => None,
        });
        quotas.map(|quota| Quota::clone(quota)).collect()
    }
}

/// `admission.NewForbidden`, for objects of inert kinds too.
fn forbidden(object: &Object, why: &str) -> Box<ApiError> {
    let Object::Inert(inert) = object else {
        return ApiError::forbidden(object.kind(), &object.meta().name, why);
    };
    let resource = kinds::served(&inert.api_version, &inert.kind).map(kinds::KindInfo::resource);
    let (resource, name) = (resource.unwrap_or_default(), inert.meta.name.as_str());
    ApiError::new(ErrorReason::Forbidden, format!("{resource} {name:?} is forbidden: {why}"))
}

/// Whether an evaluator looks at a creation or update (`Handles`).
fn handles(evaluator: &Evaluator, new: &Object, old: Option<&Object>) -> bool {
    let Some(old) = old else { return true };
    match (evaluator, new, old) {
        (Evaluator::Pods, Object::Pod(new), Object::Pod(old)) => {
            quota::is_terminating(new) != quota::is_terminating(old)
                || old.spec.resizes_to(&new.spec)
        }
        (Evaluator::Services | Evaluator::Claims, _, _) => true,
        _ => false,
    }
}

/// The quotas that change, with what is used of them then.
fn check(
    quotas: &[Quota],
    evaluator: &Evaluator,
    new: &Object,
    old: Option<&Object>,
    now: SimTime,
) -> Result<Vec<Quota>, String> {
    let mut pertinent = Vec::new();
    for quota in quotas.iter().filter(|q| evaluator.applies(q, new)) {
        let (hard, used) = (quota::hard(quota), quota::used(quota));
        let names = || hard.keys().map(String::as_str).filter(|n| evaluator.answers_for(n));
        let name = &quota.meta.name;
        if let Object::Pod(pod) = new
            && let Some(why) = quota::must_specify(names(), &pod.spec.wire)
        {
            return Err(format!("failed quota: {name}: {why}"));
        }
        if names().any(|n| !used.contains_key(n)) {
            let names = quota::named(names());
            return Err(format!("status unknown for quota: {name}, resources: {names}"));
        }
        pertinent.push((quota, hard, used));
    }
    if pertinent.is_empty() {
        return Ok(Vec::new());
    }
    let usage = evaluator.usage(new, now);
    let negative = usage.iter().filter(|(_, q)| q.sign() < 0).map(|(name, _)| name.as_str());
    let negative = quota::named(negative);
    if !negative.is_empty() {
        return Err(format!("quota usage is negative for resource(s): {negative}"));
    }
    let mut charged = Vec::new();
    for (quota, hard, used) in pertinent {
        let delta = match old {
            Some(old) if evaluator.applies(quota, old) => {
                quota::subtracted(&usage, &evaluator.usage(old, now))
            }
            _ => usage.clone(),
        };
        let requested = quota::mask(&quota::removed_zeros(delta), |name| hard.contains_key(name));
        if requested.is_empty() {
            continue;
        }
        let mut total = used.clone();
        add(&mut total, &requested);
        let exceeded = |name: &str| {
            requested.contains_key(name) && hard.get(name).is_some_and(|h| total[name] > *h)
        };
        if requested.keys().any(|name| exceeded(name)) {
            let printed = |list: &ResourceList| quota::printed(&quota::mask(list, exceeded));
            return Err(format!(
                "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                quota.meta.name,
                printed(&requested),
                printed(&used),
                printed(&hard)
            ));
        }
        charged.push(quota::with_status(quota, &hard, &total));
    }
    Ok(charged)
}

//! Pods that the API server refuses to make: quotas, LimitRanges, accounts and classes that are missing.

use serde_json::Value;

use super::fix::{Change, Edit};
use super::look::Look;
use super::{Code, Fix, Reason};
use crate::api::suggest;
use crate::base::quantity::Quantity;
use crate::model::{Kind, Meta, Object, Ref};
use crate::report::timeline::name;

impl Look<'_> {
    /// Why a workload's pods are refused, if they are.
    pub(super) fn refused_pods(&self, owner: &Meta) -> Vec<Reason> {
        let mut warnings = self.told.warnings(owner.uid);
        let refused = |r: &&crate::trace::EventRecord| r.reason == "FailedCreate";
        let Some(record) = warnings.find(refused).filter(|_| self.lacks_pods(owner)) else {
            return Vec::new();
        };
        let kind = record.regarding.object.kind;
        let at = self.top(owner, kind);
        let said =
            record.message.strip_prefix("Error creating: ").unwrap_or(&record.message).trim();
        let namespace = owner.namespace.as_str();
        if let Some(account) = between(said, "serviceaccount \"", "\"") {
            return vec![Reason::WaitsFor {
                object: Ref::new(Kind::ServiceAccount, namespace, account),
                why: "as the account of its pods".to_owned(),
            }];
        }
        if let Some(class) = between(said, "no PriorityClass with name ", " was found") {
            return vec![Reason::WaitsFor {
                object: Ref::new(Kind::PriorityClass, "", class),
                why: "as the priority of its pods".to_owned(),
            }];
        }
        if let Some(quota) = between(said, "exceeded quota: ", ",") {
            return vec![self.quota(&Ref::new(Kind::ResourceQuota, namespace, quota), said)];
        }
        if let Some(quota) = between(said, "failed quota: ", ":") {
            return vec![self.quota_wants(
                &Ref::new(Kind::ResourceQuota, namespace, quota),
                at,
                said,
            )];
        }
        if let Some(reason) = self.limit_range(&at, namespace, said) {
            return vec![reason];
        }
        vec![Self::root(Code::Refused, at, format!("its pods are refused: {said}"), Vec::new())]
    }

    /// Whether a workload has fewer pods than it wants.
    fn lacks_pods(&self, owner: &Meta) -> bool {
        let Some(object) = self.store.by_uid(owner.uid) else { return false };
        let pods = self.pods_of(owner).iter().filter(|p| !p.status.phase.is_terminal()).count();
        let wanted = match object {
            Object::ReplicaSet(r) => r.spec.wire.replicas.unwrap_or(1),
            Object::ReplicationController(r) => r.spec.wire.replicas.unwrap_or(1),
            Object::StatefulSet(s) => s.spec.wire.replicas.unwrap_or(1),
            Object::DaemonSet(d) => d.status.desired_number_scheduled,
            Object::Job(_) => return pods == 0,
            _ => return false,
        };
        usize::try_from(wanted).is_ok_and(|wanted| pods < wanted)
    }

    /// A quota that is used up: `exceeded quota: Q, requested: pods=1, used: pods=2, limited: pods=2`.
    fn quota(&self, quota: &Ref, said: &str) -> Reason {
        let list = |name: &str| -> Vec<(String, String)> {
            let begin = format!("{name}: ");
            let rest = said.split(&begin).nth(1).unwrap_or_default();
            let rest = ["requested: ", "used: ", "limited: "]
                .iter()
                .fold(rest, |r, next| r.split(next).next().unwrap_or(r));
            let pairs =
                rest.trim_end_matches([',', ' ']).split(',').filter_map(|p| p.split_once('='));
            pairs.map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned())).collect()
        };
        let (requested, used, limited) = (list("requested"), list("used"), list("limited"));
        let amount = |of: &[(String, String)], key: &str| -> Option<Quantity> {
            of.iter().find(|(k, _)| k == key)?.1.parse().ok()
        };
        let asks = self.wanting(quota);
        let mut changes = Vec::new();
        let mut texts = Vec::new();
        for (key, hard) in &limited {
            let Some(mut sum) = amount(&used, key) else { continue };
            let Some(more) = amount(&requested, key) else { continue };
            for _ in 0..asks.max(1) {
                sum.add(&more);
            }
            let wanted = sum.canonical();
            texts.push(format!("{key} to {wanted} (it is {hard})"));
            changes.push(Change::set(format!("/spec/hard/{}", super::fix::step(key)), wanted));
        }
        let used_up: Vec<String> = limited.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let text = format!("{} allows no more: {} are used up", name(quota), used_up.join(", "));
        let fix = Fix::new(
            format!("raise {} in {}", texts.join(" and "), name(quota)),
            vec![Edit::Manifest { object: quota.clone(), changes }],
        );
        Self::root(Code::Quota, quota.clone(), text, vec![fix])
    }

    /// How many pods are wanted in a quota's namespace and not there.
    fn wanting(&self, quota: &Ref) -> usize {
        let kinds = [Kind::ReplicaSet, Kind::StatefulSet, Kind::ReplicationController, Kind::Job];
        let all = kinds.iter().flat_map(|k| self.here(*k, &quota.key.namespace));
        let lacking = all.map(|o| {
            let wire = self.wire(o);
            let field = if o.kind() == Kind::Job { "parallelism" } else { "replicas" };
            let wanted =
                wire["spec"][field].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
            let refused = self.told.warnings(o.meta().uid).any(|r| r.reason == "FailedCreate");
            if refused { wanted.saturating_sub(self.pods_of(o.meta()).len()) } else { 0 }
        });
        lacking.sum()
    }

    /// A quota under which every pod must say how much it asks for.
    fn quota_wants(&self, quota: &Ref, at: Ref, said: &str) -> Reason {
        let text = format!("{} wants every container to say what it asks for: {said}", name(quota));
        let advice =
            Fix::advice(format!("give the containers of {} requests and limits", name(&at)));
        Self::root(Code::Quota, quota.clone(), text, vec![advice])
    }

    /// A LimitRange: `maximum memory usage per Container is 256Mi, but limit is 1Gi`.
    fn limit_range(&self, at: &Ref, namespace: &str, said: &str) -> Option<Reason> {
        let short = said.split("forbidden: ").last().unwrap_or(said);
        let most = short.contains("maximum ");
        let begin = if most { "maximum " } else { "minimum " };
        let resource = between(short, begin, " usage per ")?;
        let bound = between(short, " is ", ",")?;
        let of_container = said.contains("per Container");
        let range = self.here(Kind::LimitRange, namespace).first().map(|o| o.reference())?;
        let text = format!("{} refuses the pods of {}: {short}", name(&range), name(at));
        let mut fixes = Vec::new();
        if of_container && let Some(object) = self.store.find(at) {
            let spec = match at.kind {
                Kind::CronJob => "/spec/jobTemplate/spec/template/spec",
                _ => "/spec/template/spec",
            };
            let wire = self.wire(object);
            fixes.extend(within(&wire, spec, resource, bound, most).map(|(texts, changes)| {
                let edits = vec![Edit::Manifest { object: at.clone(), changes }];
                Fix::new(format!("set {} in {}", texts.join(" and "), name(at)), edits)
            }));
        }
        let field = if most { "max" } else { "min" };
        if let Some(asked) =
            said.rsplit(" is ").next().map(|t| t.trim_end_matches(['.', ']']).to_owned())
        {
            let limits = self.store.find(&range).map(|o| self.wire(o));
            let items = limits
                .as_ref()
                .and_then(|w| w["spec"]["limits"].as_array().cloned())
                .unwrap_or_default();
            let place = items.iter().position(|i| i[field][resource].is_string());
            if let Some(i) = place {
                let path = format!("/spec/limits/{i}/{field}/{}", super::fix::step(resource));
                let edits = vec![Edit::Manifest {
                    object: range.clone(),
                    changes: vec![Change::set(path, asked.clone())],
                }];
                fixes.push(Fix::new(
                    format!("set {field}.{resource} to {asked} in {}", name(&range)),
                    edits,
                ));
            }
        }
        Some(Self::root(Code::LimitRange, range, text, fixes))
    }
}

/// Brings what containers ask for within a bound.
fn within(
    wire: &Value,
    spec: &str,
    resource: &str,
    bound: &str,
    most: bool,
) -> Option<(Vec<String>, Vec<Change>)> {
    let limit: Quantity = bound.parse().ok()?;
    let beyond = |v: &Value| {
        let asked = v.as_str().and_then(|t| t.parse::<Quantity>().ok());
        asked.is_some_and(|asked| {
            let mut rest = asked;
            rest.sub(&limit);
            if most { rest.sign() > 0 } else { rest.sign() < 0 }
        })
    };
    let (mut texts, mut changes) = (Vec::new(), Vec::new());
    for group in ["initContainers", "containers"] {
        let all = wire.pointer(&format!("{spec}/{group}")).and_then(Value::as_array);
        for (i, c) in all.into_iter().flatten().enumerate() {
            for list in ["requests", "limits"] {
                if beyond(&c["resources"][list][resource]) {
                    let path = format!(
                        "{spec}/{group}/{i}/resources/{list}/{}",
                        super::fix::step(resource)
                    );
                    texts.push(format!(
                        "{list}.{resource} of container {} to {bound}",
                        c["name"].as_str().unwrap_or_default()
                    ));
                    changes.push(Change::set(path, bound));
                }
            }
        }
    }
    (!changes.is_empty()).then_some((texts, changes))
}

/// The text between two others.
pub(super) fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(&rest[..rest.find(after)?])
}

impl Look<'_> {
    /// The name that is perhaps meant instead of one that does not exist.
    pub(super) fn near(&self, missing: &Ref) -> Option<String> {
        let all = self.here(missing.kind, &missing.key.namespace);
        let names = all.iter().map(|o| o.meta().name.as_str());
        suggest::nearest(&missing.key.name, names).map(str::to_owned)
    }
}

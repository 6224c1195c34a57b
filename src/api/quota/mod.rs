//! What objects use of a quota, and which quotas they fall under.
//!
//! Follows `pkg/quota/v1/evaluator/core` and `k8s.io/apiserver/pkg/quota/v1`: an evaluator per
//! resource says which names of a quota it answers for, what one object uses of them and which scopes
//! it is in. The API server's admission and the quota controller both ask here, as upstream's two
//! share a registry. Left out: claims of devices and the scope VolumeAttributesClass.

mod lists;
mod pods;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use lists::{equal, mask, named, printed, removed_zeros, subtracted};

use super::kinds;
use super::resources::{ResourceList, add};
use crate::base::quantity::{Format, Quantity};
use crate::base::time::SimTime;
use crate::model::{Kind, Object, Whole, wire};

pub use pods::{What, counts, is_terminating, must_specify, of_containers};

/// A stored quota.
pub type Quota = Whole<wire::core::ResourceQuota>;
/// A condition on which objects a quota counts.
pub type Scope = wire::core::ScopedResourceSelectorRequirement;

/// What comes before a class's resources: `gold.storageclass.storage.k8s.io/requests.storage`.
const BY_STORAGE_CLASS: &str = ".storageclass.storage.k8s.io/";
/// The resources of claims, each also by storage class.
const CLAIMS: [&str; 2] = ["persistentvolumeclaims", "requests.storage"];
/// The resources of Services.
const SERVICES: [&str; 4] =
    ["count/services", "services", "services.nodeports", "services.loadbalancers"];

/// Who counts the objects of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluator {
    /// Pods: their number and what they ask for.
    Pods,
    /// Services: their number, node ports and load balancers.
    Services,
    /// Claims: their number and size, by storage class too.
    Claims,
    /// Anything else: the number of objects under these names.
    Objects(Vec<String>),
}

impl Evaluator {
    /// The evaluator of an object; `None` for kinds that no quota counts.
    pub fn of(object: &Object) -> Option<Self> {
        match object {
            Object::Pod(_) => Some(Self::Pods),
            Object::Service(_) => Some(Self::Services),
            Object::PersistentVolumeClaim(_) => Some(Self::Claims),
            Object::Inert(o) => {
                let (group, _) = kinds::split(&o.api_version);
                let info = kinds::in_group(group, &o.kind).filter(|info| info.namespaced)?;
                // Events and reviews are not counted (`quota/v1/install`, `DefaultIgnoredResources`).
                (info.plural != "events").then(|| Self::objects(info.plural, group))
            }
            _ => Self::of_kind(object.kind()),
        }
    }

    /// The evaluator of a kind of the model; `None` for cluster-wide and inert kinds.
    pub fn of_kind(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Pod => Some(Self::Pods),
            Kind::Service => Some(Self::Services),
            Kind::PersistentVolumeClaim => Some(Self::Claims),
            Kind::Inert => None,
            kind if kind.namespaced() => Some(Self::objects(kind.plural(), kind.group())),
            _ => None,
        }
    }

    fn objects(plural: &str, group: &str) -> Self {
        let mut names = vec![if group.is_empty() {
            format!("count/{plural}")
        } else {
            format!("count/{plural}.{group}")
        }];
        // The older names (`legacyObjectCountAliases`).
        let aliases = ["configmaps", "resourcequotas", "replicationcontrollers", "secrets"];
        if group.is_empty() && aliases.contains(&plural) {
            names.push(plural.to_owned());
        }
        Self::Objects(names)
    }

    /// Whether it answers for a name of a quota (`MatchingResources`).
    pub fn answers_for(&self, name: &str) -> bool {
        match self {
            Self::Pods => pods::answers_for(name),
            Self::Services => SERVICES.contains(&name),
            Self::Claims => {
                let plain = name.rsplit_once(BY_STORAGE_CLASS).map_or(name, |(_, plain)| plain);
                name == "count/persistentvolumeclaims" || CLAIMS.contains(&plain)
            }
            Self::Objects(names) => names.iter().any(|n| n == name),
        }
    }

    /// What one object uses (`Usage`).
    pub fn usage(&self, object: &Object, now: SimTime) -> ResourceList {
        match (self, object) {
            (Self::Pods, Object::Pod(pod)) => {
                let mut used = ResourceList::from([("count/pods".to_owned(), number(1))]);
                if pods::counts(pod, now) {
                    add(&mut used, &pods::amounts_of(pod));
                }
                used
            }
            (Self::Services, Object::Service(service)) => service_usage(service),
            (Self::Claims, Object::PersistentVolumeClaim(claim)) => claim_usage(claim),
            (Self::Objects(names), _) => names.iter().map(|n| (n.clone(), number(1))).collect(),
            _ => ResourceList::new(),
        }
    }

    /// Whether an object is in a scope (`MatchingScopes`): only pods are in any.
    pub fn in_scope(&self, scope: &Scope, object: &Object) -> bool {
        matches!(object, Object::Pod(pod) if pods::in_scope(pod, scope))
    }

    /// Whether a quota applies to an object: it names a resource of it and has it in all its scopes
    /// (`generic.Matches`).
    pub fn applies(&self, quota: &Quota, object: &Object) -> bool {
        hard(quota).keys().any(|name| self.answers_for(name))
            && scopes(quota).iter().all(|scope| self.in_scope(scope, object))
    }
}

/// What all objects of a namespace use of a quota (`CalculateUsage`). `list` gives the objects of a kind.
pub fn calculate<'a>(
    quota: &Quota,
    list: impl Fn(Kind) -> Vec<&'a Object>,
    now: SimTime,
) -> ResourceList {
    let spec = quota.body.spec.as_ref();
    let wanted: Vec<&String> =
        spec.and_then(|s| s.hard.as_ref()).into_iter().flatten().map(|(n, _)| n).collect();
    let scopes = scopes(quota);
    let mut used = ResourceList::new();
    for kind in Kind::ALL.iter().copied().filter(|k| *k != Kind::Inert) {
        let Some(evaluator) = Evaluator::of_kind(kind) else { continue };
        let mine: Vec<&&String> = wanted.iter().filter(|n| evaluator.answers_for(n)).collect();
        if mine.is_empty() {
            continue;
        }
        for name in mine {
            used.entry((*name).clone()).or_insert(Quantity::ZERO);
        }
        let objects = list(kind);
        let within =
            objects.into_iter().filter(|o| scopes.iter().all(|s| evaluator.in_scope(s, o)));
        match &evaluator {
            Evaluator::Pods => add(&mut used, &pods::sum(within, now)),
            other => within.for_each(|o| add(&mut used, &other.usage(o, now))),
        }
    }
    for name in &wanted {
        let Some(resource) = name.strip_prefix("count/") else { continue };
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        let inert = kinds::all().iter().find(|k| k.plural == plural && k.group == group);
        let Some(info) = inert.filter(|k| k.namespaced && k.model() == Kind::Inert) else {
            continue;
        };
        let is_it = |o: &&Object| matches!(o, Object::Inert(i) if i.kind == info.kind && kinds::split(&i.api_version).0 == group);
        // No object but a pod is in a scope.
        let count =
            if scopes.is_empty() { list(Kind::Inert).into_iter().filter(is_it).count() } else { 0 };
        used.insert((*name).clone(), number(i64::try_from(count).unwrap_or(i64::MAX)));
    }
    used.retain(|name, _| wanted.contains(&name));
    used
}

/// The limits of a quota as its controller has confirmed them (`status.hard`).
pub fn hard(quota: &Quota) -> ResourceList {
    parsed(quota.body.status.as_ref().and_then(|s| s.hard.as_ref()))
}

/// What is used of a quota (`status.used`).
pub fn used(quota: &Quota) -> ResourceList {
    parsed(quota.body.status.as_ref().and_then(|s| s.used.as_ref()))
}

/// The limits that are wanted (`spec.hard`).
pub fn wanted(quota: &Quota) -> ResourceList {
    parsed(quota.body.spec.as_ref().and_then(|s| s.hard.as_ref()))
}

/// The same quota with that status.
#[must_use]
pub fn with_status(quota: &Quota, hard: &ResourceList, used: &ResourceList) -> Quota {
    let mut new = quota.clone();
    let status =
        wire::core::ResourceQuotaStatus { hard: Some(written(hard)), used: Some(written(used)) };
    Arc::make_mut(&mut new.body).status = Some(status);
    new
}

/// The scopes of a quota, the plain ones as selectors (`getScopeSelectorsFromQuota`).
pub fn scopes(quota: &Quota) -> Vec<Scope> {
    let Some(spec) = &quota.body.spec else { return Vec::new() };
    let plain = spec.scopes.iter().flatten().map(|name| Scope {
        scope_name: name.clone(),
        operator: "Exists".to_owned(),
        values: None,
    });
    let selectors = spec.scope_selector.iter().flat_map(|s| s.match_expressions.iter().flatten());
    plain.chain(selectors.cloned()).collect()
}

type WireList = BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>;

/// A resource list of the API; texts that are no quantities are left out (validation has refused them).
pub fn parsed(list: Option<&WireList>) -> ResourceList {
    let entries = list.into_iter().flatten();
    entries.filter_map(|(name, q)| Some((name.clone(), q.0.parse().ok()?))).collect()
}

fn written(list: &ResourceList) -> WireList {
    let quantity =
        |q: &Quantity| k8s_openapi::apimachinery::pkg::api::resource::Quantity(q.to_string());
    list.iter().map(|(name, q)| (name.clone(), quantity(q))).collect()
}

fn number(n: i64) -> Quantity {
    Quantity::from_i64(n, Format::DecimalSi)
}

/// Node ports are counted by what is asked for: they may not be allocated yet.
fn service_usage(service: &Whole<wire::core::Service>) -> ResourceList {
    let spec = service.body.spec.as_ref();
    let ports = spec.and_then(|s| s.ports.as_ref()).into_iter().flatten();
    let all = ports.clone().count();
    let explicit = ports.filter(|p| p.node_port.is_some_and(|n| n != 0)).count();
    let allocates = spec.and_then(|s| s.allocate_load_balancer_node_ports) != Some(false);
    let (node_ports, balancers) = match spec.and_then(|s| s.type_.as_deref()) {
        Some("NodePort") => (all, 0),
        Some("LoadBalancer") if allocates => (all, 1),
        Some("LoadBalancer") => (explicit, 1),
        _ => (0, 0),
    };
    let ports = number(i64::try_from(node_ports).unwrap_or(i64::MAX));
    let amounts = [number(1), number(1), ports, number(balancers)];
    SERVICES.iter().map(|name| (*name).to_owned()).zip(amounts).collect()
}

fn claim_usage(claim: &Whole<wire::core::PersistentVolumeClaim>) -> ResourceList {
    let spec = claim.body.spec.as_ref();
    let class = claim
        .meta
        .annotations
        .get("volume.beta.kubernetes.io/storage-class")
        .map(|class| class.as_str())
        .or_else(|| spec.and_then(|s| s.storage_class_name.as_deref()))
        .unwrap_or_default();
    let mut out = ResourceList::from([
        (CLAIMS[0].to_owned(), number(1)),
        ("count/persistentvolumeclaims".to_owned(), number(1)),
    ]);
    let requests =
        parsed(spec.and_then(|s| s.resources.as_ref()).and_then(|r| r.requests.as_ref()));
    let allocated = parsed(claim.body.status.as_ref().and_then(|s| s.allocated_resources.as_ref()));
    let asked = requests.get("storage").map(|asked| {
        // What an expansion has been given counts where it is more.
        let mut most = allocated.get("storage").filter(|a| *a > asked).unwrap_or(asked).clone();
        most.round_up(0);
        most
    });
    if let Some(asked) = &asked {
        out.insert(CLAIMS[1].to_owned(), asked.clone());
    }
    if !class.is_empty() {
        out.insert(format!("{class}{BY_STORAGE_CLASS}{}", CLAIMS[0]), number(1));
        if let Some(asked) = asked {
            out.insert(format!("{class}{BY_STORAGE_CLASS}{}", CLAIMS[1]), asked);
        }
    }
    out
}

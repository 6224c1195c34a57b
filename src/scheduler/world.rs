//! What the scheduler looks up beside pods and nodes: selectors, namespaces, storage, budgets.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pod::PodInfo;
use super::storage::Storage;
use crate::base::{Map, Str};
use crate::model::{Key, Kind, Labels, Requirement, Selector, Whole, wire};

/// A budget on disruption.
pub type Budget = Whole<wire::policy::PodDisruptionBudget>;

/// Everything that plugins look up by name.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Labels of namespaces.
    pub namespaces: BTreeMap<Str, Labels>,
    /// Claims, volumes, classes and what CSI drivers say.
    pub storage: Storage,
    /// Disruption budgets that select something, with their selectors.
    budgets: BTreeMap<Key, (Arc<Budget>, Selector)>,
    budget_changes: u64,
    services: Services,
    /// Selectors of the controllers that spread their pods.
    owners: BTreeMap<(Kind, Key), Selector>,
}

/// Selectors of Services. Services without selector are not listed.
///
/// They are found by the first label that they select, so that a pod is held against those alone that
/// may select it, however many its namespace has.
#[derive(Clone, Debug, Default)]
struct Services {
    /// The selector of each Service that is listed.
    selectors: BTreeMap<Key, Labels>,
    /// Selectors by namespace and first label.
    by_label: BTreeMap<Str, Map<(Str, Str), Vec<Labels>>>,
}

impl Services {
    fn set(&mut self, key: &Key, selector: Option<Labels>) {
        if let Some(old) = self.selectors.remove(key) {
            self.forget(&key.namespace, &old);
        }
        let Some(selector) = selector else { return };
        let Some(first) = selector.iter().next().cloned() else { return };
        let labels = self.by_label.entry(key.namespace.clone()).or_default();
        labels.entry(first).or_default().push(selector.clone());
        self.selectors.insert(key.clone(), selector);
    }

    fn forget(&mut self, namespace: &Str, selector: &Labels) {
        let Some(labels) = self.by_label.get_mut(namespace) else { return };
        let Some(first) = selector.iter().next() else { return };
        if let Some(all) = labels.get_mut(first) {
            if let Some(i) = all.iter().position(|s| s == selector) {
                all.swap_remove(i);
            }
            if all.is_empty() {
                labels.remove(first);
            }
        }
        if labels.is_empty() {
            self.by_label.remove(namespace);
        }
    }

    /// What the Services that select a pod with these labels ask for together.
    fn selecting(&self, namespace: &Str, labels: &Labels) -> BTreeMap<Str, Str> {
        let mut merged = BTreeMap::new();
        let Some(of_namespace) = self.by_label.get(namespace) else { return merged };
        for selector in labels.iter().filter_map(|l| of_namespace.get(l)).flatten() {
            if selector.iter().all(|(k, v)| labels.get(k) == Some(v)) {
                merged.extend(selector.iter().cloned());
            }
        }
        merged
    }
}

impl World {
    /// A Service has come, changed, or gone or lost its selector (`None`).
    pub fn set_service(&mut self, key: &Key, selector: Option<Labels>) {
        self.services.set(key, selector);
    }

    /// A disruption budget has come, changed or gone (`None`).
    pub fn set_budget(&mut self, key: Key, budget: Option<Arc<Budget>>) {
        self.budget_changes += 1;
        let selected = budget.and_then(|b| {
            let selector = b.body.spec.as_ref().and_then(|s| s.selector.as_ref());
            let selector = Selector::compile(selector).ok().filter(|s| !s.is_empty())?;
            Some((b, selector))
        });
        match selected {
            Some(budget) => {
                self.budgets.insert(key, budget);
            }
            None => {
                self.budgets.remove(&key);
            }
        }
    }

    /// The disruption budgets that select something, with their selectors.
    pub fn budgets(&self) -> impl Iterator<Item = &(Arc<Budget>, Selector)> {
        self.budgets.values()
    }

    /// Grows with every change of a disruption budget.
    pub fn budget_changes(&self) -> u64 {
        self.budget_changes
    }

    /// A ReplicationController, ReplicaSet or StatefulSet has come, changed or gone (`None`).
    pub fn set_owner(&mut self, kind: Kind, key: Key, selector: Option<Selector>) {
        match selector {
            Some(selector) => {
                self.owners.insert((kind, key), selector);
            }
            None => {
                self.owners.remove(&(kind, key));
            }
        }
    }

    /// Labels of a namespace; none where it is not known.
    pub fn namespace_labels(&self, name: &str) -> &Labels {
        static NONE: std::sync::LazyLock<Labels> = std::sync::LazyLock::new(Labels::default);
        self.namespaces.get(name).unwrap_or(&NONE)
    }

    /// The selector by which a pod is spread where it says nothing itself: of the Services that select
    /// it and of the controller that owns it. `None` where nothing selects it
    /// (`pkg/scheduler/framework/plugins/helper/spread.go`, `DefaultSelector`).
    pub fn default_selector(&self, pod: &PodInfo) -> Option<Selector> {
        let merged = self.services.selecting(pod.namespace(), pod.labels());
        let mut all: Vec<Requirement> =
            merged.into_iter().map(|(k, v)| Requirement::In(k, vec![v])).collect();
        if let Some(Selector::All(own)) = self.owner_selector(pod) {
            all.extend(own.iter().filter(|r| !all.contains(r)).cloned().collect::<Vec<_>>());
        }
        (!all.is_empty()).then_some(Selector::All(all))
    }

    fn owner_selector(&self, pod: &PodInfo) -> Option<&Selector> {
        let owner = pod.pod.meta.controller()?;
        let kinds = [Kind::ReplicationController, Kind::ReplicaSet, Kind::StatefulSet];
        let kind = kinds.into_iter().find(|k| owner.is_kind(*k))?;
        if owner.api_version != kind.api_version() {
            return None;
        }
        self.owners.get(&(kind, Key::new(pod.namespace().clone(), owner.name.clone())))
    }
}

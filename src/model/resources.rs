//! Amounts of compute resources as integers.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::wire;
use crate::base::Str;
use crate::base::quantity::Quantity;

/// Amounts by resource: CPU in thousandths of a core, memory and storage in bytes, others in units.
///
/// Follows `pkg/scheduler/framework/types.go`, `Resource`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Resources {
    /// CPU in milli-cores.
    pub cpu_milli: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Ephemeral storage in bytes.
    pub ephemeral_storage: i64,
    /// A number of pods (of a node's allocatable; 0 in requests).
    pub pods: i64,
    /// Extended resources, huge pages and the like, sorted by name.
    pub extended: BTreeMap<Str, i64>,
}

impl Resources {
    /// The amounts of a resource list; quantities that do not parse count as zero (validation has
    /// refused them before).
    pub fn from_list(
        list: &BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>,
    ) -> Self {
        let mut out = Self::default();
        for (name, quantity) in list {
            let Ok(quantity) = quantity.0.parse::<Quantity>() else { continue };
            match name.as_str() {
                "cpu" => out.cpu_milli = quantity.milli_value(),
                "memory" => out.memory = quantity.value(),
                "ephemeral-storage" => out.ephemeral_storage = quantity.value(),
                "pods" => out.pods = quantity.value(),
                other => {
                    out.extended.insert(other.into(), quantity.value());
                }
            }
        }
        out
    }

    /// The requests of one container.
    pub fn requests_of(resources: Option<&wire::core::ResourceRequirements>) -> Self {
        resources.and_then(|r| r.requests.as_ref()).map(Self::from_list).unwrap_or_default()
    }

    /// Adds other amounts.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, i64::saturating_add);
    }

    /// Takes other amounts away.
    pub fn sub(&mut self, other: &Self) {
        self.combine(other, i64::saturating_sub);
    }

    /// Raises each amount to at least the other's.
    pub fn max(&mut self, other: &Self) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Self, op: fn(i64, i64) -> i64) {
        self.cpu_milli = op(self.cpu_milli, other.cpu_milli);
        self.memory = op(self.memory, other.memory);
        self.ephemeral_storage = op(self.ephemeral_storage, other.ephemeral_storage);
        self.pods = op(self.pods, other.pods);
        for (name, amount) in &other.extended {
            let mine = self.extended.entry(name.clone()).or_default();
            *mine = op(*mine, *amount);
        }
    }

    /// Whether nothing is asked for.
    pub fn is_zero(&self) -> bool {
        self.cpu_milli.cmp(&0) == Ordering::Equal
            && self.memory == 0
            && self.ephemeral_storage == 0
            && self.extended.values().all(|v| *v == 0)
    }
}

//! Arithmetic of resource lists (`k8s.io/apiserver/pkg/quota/v1/resources.go`).

use super::super::resources::ResourceList;
use crate::base::quantity::Quantity;

/// Only the entries with those names (`Mask`).
pub fn mask(list: &ResourceList, keep: impl Fn(&str) -> bool) -> ResourceList {
    list.iter().filter(|(name, _)| keep(name)).map(|(n, q)| (n.clone(), q.clone())).collect()
}

/// `a - b`, nothing below zero, over the names of both (`SubtractWithNonNegativeResult`).
pub fn subtracted(a: &ResourceList, b: &ResourceList) -> ResourceList {
    let mut out: ResourceList = b.keys().map(|name| (name.clone(), Quantity::ZERO)).collect();
    for (name, amount) in a {
        let mut rest = amount.clone();
        if let Some(other) = b.get(name) {
            rest.sub(other);
        }
        out.insert(name.clone(), if rest.sign() > 0 { rest } else { Quantity::ZERO });
    }
    out
}

/// Only the entries that are not zero (`RemoveZeros`).
pub fn removed_zeros(mut list: ResourceList) -> ResourceList {
    list.retain(|_, amount| !amount.is_zero());
    list
}

/// Whether both have the same names and amounts (`Equals`).
pub fn equal(a: &ResourceList, b: &ResourceList) -> bool {
    a.len() == b.len() && a.iter().all(|(name, amount)| b.get(name) == Some(amount))
}

/// `cpu=1,pods=2` (`prettyPrint`).
pub fn printed(list: &ResourceList) -> String {
    let parts: Vec<String> = list.iter().map(|(name, q)| format!("{name}={q}")).collect();
    parts.join(",")
}

/// `cpu,pods` (`prettyPrintResourceNames`).
pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_unstable();
    names.join(",")
}

//! Why no node could take a pod.
//!
//! Follows `pkg/scheduler/framework/types.go` (`Diagnosis`, `FitError`). Thousands of nodes refuse a pod
//! for a handful of different reasons: each refusal is kept once, and for each node which of them it is.

use std::collections::BTreeMap;

use super::plugins::PluginSet;
use super::state::Status;
use crate::base::Str;

/// Why no node could take a pod (`framework.Diagnosis`).
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// How many nodes there are.
    pub nodes: usize,
    /// The refusals of nodes that were looked at.
    pub statuses: Statuses,
    /// What counts for every other node; without reasons where nothing is to be said.
    pub absent: Option<Status>,
    /// What PreFilter said, where it refused the pod.
    pub pre_filter: Option<Str>,
    /// Plugins that refused: a change of what they look at may help.
    pub plugins: PluginSet,
    /// What PostFilter said.
    pub post_filter: Str,
}

/// The refusals of nodes, by slot.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    /// Each different refusal, and how many nodes it is of.
    kinds: Vec<(Status, usize)>,
    /// By slot, the place of the refusal and one; 0 where there is none.
    of: Vec<u32>,
    len: usize,
}

impl Statuses {
    /// The refusal of a node.
    pub fn get(&self, slot: u32) -> Option<&Status> {
        self.kind(slot).map(|kind| &self.kinds[kind].0)
    }

    /// Which of [`Statuses::kinds`] the refusal of a node is.
    pub fn kind(&self, slot: u32) -> Option<usize> {
        let place = self.of.get(slot as usize).copied().unwrap_or(0);
        place.checked_sub(1).map(|kind| kind as usize)
    }

    /// Every different refusal, with how many nodes it is of, which may be none.
    pub fn kinds(&self) -> &[(Status, usize)] {
        &self.kinds
    }

    /// How many nodes have a refusal.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no node has one.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The refusals, in the order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Status)> {
        (0..).zip(&self.of).filter(|(_, place)| **place != 0).map(|(slot, place)| {
            let (status, _) = &self.kinds[*place as usize - 1];
            (slot, status)
        })
    }

    /// Sets the refusal of a node, or takes it away.
    pub fn set(&mut self, slot: u32, status: Option<Status>) {
        let i = slot as usize;
        if self.of.len() <= i {
            if status.is_none() {
                return;
            }
            self.of.resize(i + 1, 0);
        }
        if let Some(old) = self.kind(slot) {
            self.kinds[old].1 -= 1;
            self.len -= 1;
        }
        self.of[i] = 0;
        if let Some(status) = status {
            let kind = self.place(status);
            self.kinds[kind].1 += 1;
            self.len += 1;
            self.of[i] = u32::try_from(kind + 1).expect("there are no more refusals than nodes");
        }
    }

    fn place(&mut self, status: Status) -> usize {
        if let Some(known) = self.kinds.iter().position(|(s, _)| *s == status) {
            return known;
        }
        if let Some(unused) = self.kinds.iter().position(|(_, count)| *count == 0) {
            self.kinds[unused].0 = status;
            return unused;
        }
        self.kinds.push((status, 0));
        self.kinds.len() - 1
    }
}

impl Extend<(u32, Status)> for Statuses {
    fn extend<I: IntoIterator<Item = (u32, Status)>>(&mut self, all: I) {
        for (slot, status) in all {
            self.set(slot, Some(status));
        }
    }
}

impl FromIterator<(u32, Status)> for Statuses {
    fn from_iter<I: IntoIterator<Item = (u32, Status)>>(all: I) -> Self {
        let mut out = Self::default();
        out.extend(all);
        out
    }
}

impl Diagnosis {
    /// The status of a node.
    pub fn status(&self, slot: u32) -> Option<&Status> {
        self.statuses.get(slot).or(self.absent.as_ref())
    }

    /// The whole text (`FitError.Error`): counts per reason, and what the other steps said.
    pub fn message(&self) -> String {
        use std::fmt::Write as _;
        if self.nodes == 0 {
            return "no nodes available to schedule pods".to_owned();
        }
        let mut text = format!("0/{} nodes are available:", self.nodes);
        if let Some(said) = &self.pre_filter {
            let _ = write!(text, " {said}.");
        } else {
            let entries = self.entries();
            if !entries.is_empty() {
                let _ = write!(text, " {}.", entries.join(", "));
            }
        }
        if !self.post_filter.is_empty() {
            let _ = write!(text, " {}", self.post_filter);
        }
        text
    }

    /// `<count> <reason>`, sorted as strings.
    fn entries(&self) -> Vec<String> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for (status, nodes) in self.statuses.kinds().iter().filter(|(_, nodes)| *nodes > 0) {
            for reason in &status.refusal.reasons {
                *counts.entry(reason).or_insert(0) += nodes;
            }
        }
        let others = self.nodes.saturating_sub(self.statuses.len());
        if let (Some(absent), true) = (&self.absent, others > 0) {
            for reason in &absent.refusal.reasons {
                *counts.entry(reason).or_insert(0) += others;
            }
        }
        let mut entries: Vec<String> =
            counts.into_iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        entries.sort_unstable();
        entries
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::state::Refusal;

    fn status(reason: &'static str) -> Status {
        Status { plugin: None, refusal: Refusal::unschedulable(reason) }
    }

    #[test]
    fn the_message_sorts_its_entries_as_strings() {
        let mut d = Diagnosis { nodes: 11, ..Diagnosis::default() };
        d.statuses.extend((0..10).map(|i| (i, status("x"))));
        d.statuses.set(10, Some(status("a")));
        assert_eq!(d.message(), "0/11 nodes are available: 1 a, 10 x.");
    }

    #[test]
    fn a_refusal_that_is_taken_back_counts_no_more() {
        let mut all: Statuses =
            [(2, status("x")), (5, status("x")), (7, status("y"))].into_iter().collect();
        all.set(5, None);
        all.set(2, Some(status("y")));
        all.set(9, None);
        let left: Vec<(u32, &Status)> = all.iter().collect();
        assert_eq!(left, [(2, &status("y")), (7, &status("y"))]);
        assert_eq!((all.len(), all.get(5), all.get(100)), (2, None, None));
        // The place of a refusal that no node has is used again.
        all.set(5, Some(status("z")));
        assert_eq!(all.kinds(), [(status("z"), 1), (status("y"), 2)]);
    }
}

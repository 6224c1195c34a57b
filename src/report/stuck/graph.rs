//! The graph of what waits for what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

use super::Root;
use crate::model::Ref;
use crate::report::timeline::name;

/// No graph has more objects than this; what lies beyond is not followed.
const OBJECTS: usize = 5_000;

/// Why an object does not get on.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// It waits for another object.
    WaitsFor {
        /// Which; it may not exist.
        object: Ref,
        /// What for, after "waits for …".
        why: String,
    },
    /// Waiting ends here.
    Root(Root),
}

/// Objects, what each waits for, and where that ends.
#[derive(Clone, Debug, Default)]
pub struct WaitGraph {
    graph: DiGraph<Ref, String>,
    places: BTreeMap<Ref, NodeIndex>,
    roots: BTreeMap<Ref, Vec<Root>>,
}

impl WaitGraph {
    /// Follows objects along what they wait for, each once.
    pub(super) fn grow(
        &mut self,
        objects: impl Iterator<Item = Ref>,
        reasons: &dyn Fn(&Ref) -> Vec<Reason>,
    ) {
        let mut queue: VecDeque<Ref> = objects.collect();
        for object in &queue {
            self.place(object);
        }
        let mut seen = BTreeSet::new();
        while let Some(object) = queue.pop_front() {
            if seen.len() == OBJECTS || !seen.insert(object.clone()) {
                continue;
            }
            let from = self.place(&object);
            for reason in reasons(&object) {
                match reason {
                    Reason::WaitsFor { object: to, why } => {
                        let place = self.place(&to);
                        if self.graph.find_edge(from, place).is_none() {
                            self.graph.add_edge(from, place, why);
                        }
                        queue.push_back(to);
                    }
                    Reason::Root(root) => self.roots.entry(object.clone()).or_default().push(root),
                }
            }
        }
    }

    fn place(&mut self, object: &Ref) -> NodeIndex {
        if let Some(place) = self.places.get(object) {
            return *place;
        }
        let place = self.graph.add_node(object.clone());
        self.places.insert(object.clone(), place);
        place
    }

    /// Every object in it, in the order of kinds and names.
    pub fn objects(&self) -> impl Iterator<Item = &Ref> {
        self.places.keys()
    }

    /// What an object waits for, and why, in the order in which it was found.
    pub fn waits_for(&self, object: &Ref) -> Vec<(&Ref, &str)> {
        let Some(place) = self.places.get(object) else { return Vec::new() };
        let mut edges: Vec<_> = self.graph.edges(*place).collect();
        edges.sort_by_key(|e| e.id());
        edges.iter().map(|e| (&self.graph[e.target()], e.weight().as_str())).collect()
    }

    /// Where waiting ends at an object itself.
    pub fn roots_at(&self, object: &Ref) -> &[Root] {
        self.roots.get(object).map_or(&[], Vec::as_slice)
    }

    /// Where the waiting of an object ends, the nearest first, each once.
    pub fn roots_of(&self, object: &Ref) -> Vec<Root> {
        let mut found: Vec<Root> = Vec::new();
        for at in self.reached(object).keys() {
            for root in self.roots_at(at) {
                let same = |r: &Root| r.code == root.code && r.at == root.at && r.text == root.text;
                if !found.iter().any(same) {
                    found.push(root.clone());
                }
            }
        }
        found
    }

    /// What is reached from an object, the nearest first, each with what it was reached from.
    fn reached(&self, object: &Ref) -> Reached {
        let mut reached = Reached::default();
        let mut queue = VecDeque::from([(object.clone(), None)]);
        while let Some((at, from)) = queue.pop_front() {
            if !reached.add(at.clone(), from) {
                continue;
            }
            for (to, _) in self.waits_for(&at) {
                queue.push_back((to.clone(), Some(at.clone())));
            }
        }
        reached
    }

    /// The way from an object to a root, or once around its circle, in words.
    pub fn path(&self, object: &Ref, root: Option<&Root>) -> Vec<String> {
        let reached = self.reached(object);
        let holds = |at: &&Ref| root.is_some_and(|root| self.roots_at(at).contains(root));
        let mut steps = Vec::new();
        let told = |from: &Ref, to: &Ref| {
            let all = self.waits_for(from);
            let why = all.iter().find(|(o, _)| *o == to).map_or("", |(_, why)| why);
            let what = if why.is_empty() { String::new() } else { format!(" {why}") };
            format!("{} waits for {}{what}", name(from), name(to))
        };
        let Some(end) = reached.keys().find(holds) else {
            let circle = self.circle_of(object).unwrap_or_default();
            let pairs = circle.iter().zip(circle.iter().cycle().skip(1));
            return pairs.map(|(from, to)| told(from, to)).collect();
        };
        let mut at = end.clone();
        while let Some(from) = reached.from(&at) {
            steps.push(told(from, &at));
            at = from.clone();
        }
        steps.reverse();
        steps
    }

    /// The circle that an object is in or leads into, in the order of waiting, from its least member on.
    pub fn circle_of(&self, object: &Ref) -> Option<Vec<Ref>> {
        let reached = self.reached(object);
        let circles = self.circles();
        reached.keys().find_map(|at| circles.iter().find(|c| c.contains(at)).cloned())
    }

    /// Every circle, as the shortest way around it from its least member.
    pub fn circles(&self) -> Vec<Vec<Ref>> {
        let mut all: Vec<Vec<Ref>> = tarjan_scc(&self.graph)
            .into_iter()
            .filter(|c| c.len() > 1 || self.graph.find_edge(c[0], c[0]).is_some())
            .filter_map(|c| {
                let members: BTreeSet<&Ref> = c.iter().map(|i| &self.graph[*i]).collect();
                self.around(members.first()?, &members)
            })
            .collect();
        all.sort();
        all
    }

    /// The shortest way from a member of a circle back to it.
    fn around(&self, start: &Ref, members: &BTreeSet<&Ref>) -> Option<Vec<Ref>> {
        let mut queue = VecDeque::from([vec![start.clone()]]);
        let mut seen = BTreeSet::new();
        while let Some(way) = queue.pop_front() {
            for (to, _) in self.waits_for(way.last()?) {
                if to == start {
                    return Some(way);
                }
                if members.contains(to) && seen.insert(to.clone()) {
                    queue.push_back(way.iter().chain([to]).cloned().collect());
                }
            }
        }
        None
    }
}

/// Objects in the order in which they were reached.
#[derive(Default)]
struct Reached {
    order: Vec<Ref>,
    from: BTreeMap<Ref, Option<Ref>>,
}

impl Reached {
    fn add(&mut self, at: Ref, from: Option<Ref>) -> bool {
        if self.from.contains_key(&at) {
            return false;
        }
        self.order.push(at.clone());
        self.from.insert(at, from);
        true
    }

    fn keys(&self) -> impl Iterator<Item = &Ref> {
        self.order.iter()
    }

    fn from(&self, at: &Ref) -> Option<&Ref> {
        self.from.get(at)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;
    use crate::report::stuck::Code;

    fn pod(name: &str) -> Ref {
        Ref::new(Kind::Pod, "default", name)
    }

    fn grown(edges: &[(&str, &str)], root: Option<&str>) -> WaitGraph {
        let mut graph = WaitGraph::default();
        let reasons = |of: &Ref| -> Vec<Reason> {
            let waits = edges
                .iter()
                .filter(|(from, _)| *from == of.key.name)
                .map(|(_, to)| Reason::WaitsFor { object: pod(to), why: String::new() });
            let ends = root.filter(|r| *r == of.key.name).map(|_| {
                let text = "it is so".to_owned();
                Reason::Root(Root { code: Code::Refused, at: of.clone(), text, fixes: Vec::new() })
            });
            waits.chain(ends).collect()
        };
        graph.grow([pod("a")].into_iter(), &reasons);
        graph
    }

    #[test]
    fn waiting_is_followed_to_its_end() {
        let graph = grown(&[("a", "b"), ("b", "c"), ("a", "d"), ("d", "c")], Some("c"));
        let roots = graph.roots_of(&pod("a"));
        assert_eq!(roots.len(), 1);
        assert_eq!(
            graph.path(&pod("a"), roots.first()),
            ["pod/a waits for pod/b", "pod/b waits for pod/c"]
        );
        assert_eq!(graph.circle_of(&pod("a")), None);
    }

    #[test]
    fn a_circle_is_told_from_its_least_member_on() {
        let graph = grown(&[("a", "c"), ("c", "b"), ("b", "d"), ("d", "c")], None);
        assert_eq!(graph.circle_of(&pod("a")), Some(vec![pod("b"), pod("d"), pod("c")]));
        assert_eq!(
            graph.path(&pod("a"), None),
            ["pod/b waits for pod/d", "pod/d waits for pod/c", "pod/c waits for pod/b"]
        );
    }
}

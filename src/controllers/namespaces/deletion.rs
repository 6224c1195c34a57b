//! Namespaces that are being deleted.
//!
//! Follows `pkg/controller/namespace/deletion/namespaced_resources_deleter.go`: five seconds after the
//! request the pods go; once there are none, everything else; once there is nothing, the namespace
//! loses its finalizer and is gone. What is left is told in the namespace's conditions. Upstream lists
//! what remains after each deletion; here it is what the informers know to be held by a finalizer or,
//! for pods, by their grace.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Namespace;
use crate::api::kinds;
use crate::base::Str;
use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::controllers::controller::{Controller, Done, Kinds, Retry, Step, SyncCx};
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{Key, Kind, Object, wire, wire_time};
use crate::store::{DeleteOptions, Delta, Propagation, Reply, Request};
use crate::trace::{Change, Waiting};

/// How long news of a namespace waits (`namespaceDeletionGracePeriod`).
const DELAY: Duration = Duration::from_secs(5);
/// How long things that have finalizers are given (`finalizerEstimateSeconds`), in seconds.
const FINALIZER_ESTIMATE: u64 = 15;
/// The finalizer of this controller, in the namespace's spec.
const FINALIZER: &str = "kubernetes";
/// The conditions, and how each reads when nothing is wrong.
const CONDITIONS: [(&str, &str, &str); 5] = [
    (
        "NamespaceDeletionDiscoveryFailure",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        CONTENT_FAILURE,
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    (CONTENT_REMAINING, "ContentRemoved", "All content successfully removed"),
    (FINALIZERS_REMAINING, "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
];
const CONTENT_FAILURE: &str = "NamespaceDeletionContentFailure";
const CONTENT_REMAINING: &str = "NamespaceContentRemaining";
const FINALIZERS_REMAINING: &str = "NamespaceFinalizersRemaining";

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct NamespaceController;

/// A sync that waits for replies.
#[derive(Clone, Debug)]
pub enum Work {
    /// The pods are deleted.
    Pods {
        /// How long they may take, in seconds.
        estimate: u64,
    },
    /// Everything else is deleted.
    Rest,
    /// The conditions are written; then it goes on so.
    Told(Next),
    /// The finalizer is taken off.
    Last,
}

/// How a sync goes on once it has told what is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Something did not go: again after the back-off.
    Failed(String),
    /// Something takes its time: again after so many seconds.
    After(u64, String),
    /// Nothing is left.
    Finalize,
}

impl Controller for NamespaceController {
    type Key = Str;
    type Work = Work;

    const HEARS: Kinds = Kinds::of(&[Kind::Namespace]);
    const NAME: &'static str = "namespace-controller";
    const WORKERS: usize = 10;
    const BACKOFF: Backoff =
        Backoff { first: Duration::from_millis(5), limit: Duration::from_secs(60) };

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        _view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Str>,
    ) {
        let meta = delta.new.meta();
        if kind == Kind::Namespace && delta.change != Change::Deleted && meta.is_terminating() {
            queue.add_at(now + DELAY, meta.name.clone(), delta.fact);
        }
    }

    fn sync(&mut self, key: &Str, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        let Some(namespace) = terminating(key, cx) else { return Step::done() };
        let pods = cx.view.pods_in(key).filter(|p| !p.is_terminal());
        let estimate = pods.map(|p| p.spec.grace.as_secs()).max().unwrap_or(0);
        let since = namespace.meta.deletion.map_or(SimTime::ZERO, |d| d.at);
        let over = cx.now.since(since) >= Duration::from_secs(estimate);
        let estimate = if over { 0 } else { estimate };
        let any = cx.view.pods_in(key).next().is_some();
        let requests = any.then(|| delete_all(Kind::Pod, key));
        Step::Ask { requests: requests.into_iter().collect(), then: Work::Pods { estimate } }
    }

    fn resume(
        &mut self,
        key: &Str,
        work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let Some(namespace) = terminating(key, cx) else { return Step::done() };
        match work {
            Work::Pods { estimate } => {
                let left = Left::of(Kind::Pod, key, cx.view);
                if left.count == 0 {
                    let kinds = Kind::ALL.iter().filter(|k| k.namespaced() && **k != Kind::Pod);
                    let kinds = kinds.filter(|k| cx.view.in_namespace(key, **k).next().is_some());
                    let requests = kinds.map(|k| delete_all(*k, key)).collect();
                    return Step::Ask { requests, then: Work::Rest };
                }
                let outcome = judge(&[left], estimate, key);
                // Pods are not counted among what remains, but what went wrong is told.
                tell(namespace, &outcome, &[], cx.now)
            }
            Work::Rest => {
                let kinds = Kind::ALL.iter().filter(|k| k.namespaced() && **k != Kind::Pod);
                let left: Vec<Left> = kinds
                    .flat_map(|k| Left::by_resource(*k, key, cx.view))
                    .filter(|l| l.count > 0)
                    .collect();
                let outcome = judge(&left, 0, key);
                tell(namespace, &outcome, &left, cx.now)
            }
            Work::Told(next) => go_on(namespace, next, cx.now),
            Work::Last => {
                let refused = replies.iter().any(|r| r.as_ref().is_err_and(|e| e.code != 404));
                if refused { Step::failed() } else { Step::done() }
            }
        }
    }
}

/// The namespace, if there is anything to be done for it.
fn terminating<'a>(key: &Str, cx: &SyncCx<'a, '_>) -> Option<&'a Arc<Namespace>> {
    let namespace = cx.view.typed::<Namespace>(Kind::Namespace, &Key::new("", key.clone()))?;
    let finalizers = namespace.body.spec.as_ref().and_then(|s| s.finalizers.as_ref());
    let held = finalizers.is_some_and(|f| !f.is_empty());
    (namespace.meta.is_terminating() && held).then_some(namespace)
}

fn delete_all(kind: Kind, namespace: &Str) -> Request {
    let propagation = Some(Propagation::Background);
    let options = DeleteOptions { propagation, ..DeleteOptions::default() };
    Request::DeleteCollection { kind, namespace: namespace.clone(), options }
}

/// What remains of a resource (`gvrDeletionMetadata`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Left {
    /// `deployments.apps`, `pods.`: as upstream prints it, with the dot.
    resource: String,
    /// `apps/v1, Resource=deployments`.
    gvr: String,
    count: usize,
    finalizers: BTreeMap<Str, usize>,
}

impl Left {
    fn of(kind: Kind, namespace: &Str, view: &View) -> Self {
        Self::by_resource(kind, namespace, view).into_iter().next().unwrap_or_default()
    }

    /// The kinds of inert objects share a table.
    fn by_resource(kind: Kind, namespace: &Str, view: &View) -> Vec<Self> {
        let mut all: BTreeMap<(String, String, String), Self> = BTreeMap::new();
        for object in view.in_namespace(namespace, kind).filter(|o| stays(o)) {
            let (group, version, plural) = names(object);
            let left = all.entry((group.clone(), version.clone(), plural.clone())).or_default();
            left.resource = format!("{plural}.{group}");
            left.gvr = format!("{group}/{version}, Resource={plural}");
            left.count += 1;
            for finalizer in &object.meta().finalizers {
                *left.finalizers.entry(finalizer.clone()).or_default() += 1;
            }
        }
        all.into_values().collect()
    }
}

/// Whether a deletion leaves the object for now.
fn stays(object: &Object) -> bool {
    let waits = match object {
        Object::Pod(pod) => {
            let left = pod.meta.deletion.map_or(pod.spec.grace, |d| d.grace);
            pod.node.is_some() && !pod.is_terminal() && !left.is_zero()
        }
        _ => false,
    };
    waits || !object.meta().finalizers.is_empty()
}

/// Group, version and plural.
fn names(object: &Object) -> (String, String, String) {
    let Object::Inert(inert) = object else {
        let kind = object.kind();
        return (kind.group().to_owned(), kind.version().to_owned(), kind.plural().to_owned());
    };
    let (group, version) = kinds::split(&inert.api_version);
    let plural = kinds::in_group(group, &inert.kind)
        .map_or_else(|| format!("{}s", inert.kind.to_lowercase()), |info| info.plural.to_owned());
    (group.to_owned(), version.to_owned(), plural)
}

/// What comes of what is left (`deleteAllContentForGroupVersionResource`, `Delete`).
fn judge(left: &[Left], estimate: u64, namespace: &Str) -> Next {
    let unexpected = |l: &&Left| estimate == 0 && l.finalizers.is_empty();
    let errors: Vec<String> = left
        .iter()
        .filter(unexpected)
        .map(|l| {
            format!("unexpected items still remain in namespace: {namespace} for gvr: {}", l.gvr)
        })
        .collect();
    if !errors.is_empty() {
        return Next::Failed(format!(
            "Failed to delete all resource types, {} remaining: {}",
            errors.len(),
            errors.join(", ")
        ));
    }
    let Some(first) = left.first() else { return Next::Finalize };
    let seconds = if estimate > 0 { estimate } else { FINALIZER_ESTIMATE };
    let on = format!("{} {} to go", first.count, first.resource.trim_end_matches('.'));
    Next::After(seconds / 2 + 1, on)
}

/// Writes the conditions where they change (`namespaceConditionUpdater`).
fn tell(namespace: &Arc<Namespace>, outcome: &Next, left: &[Left], now: SimTime) -> Step<Work> {
    let mut wrong: BTreeMap<&str, (&str, String)> = BTreeMap::new();
    if let Next::Failed(why) = outcome {
        wrong.insert(CONTENT_FAILURE, ("ContentDeletionFailed", why.clone()));
    }
    if !left.is_empty() {
        let mut parts: Vec<String> = left
            .iter()
            .map(|l| format!("{} has {} resource instances", l.resource, l.count))
            .collect();
        parts.sort();
        let text = format!("Some resources are remaining: {}", parts.join(", "));
        wrong.insert(CONTENT_REMAINING, ("SomeResourcesRemain", text));
    }
    let mut finalizers: BTreeMap<&Str, usize> = BTreeMap::new();
    for (name, count) in left.iter().flat_map(|l| &l.finalizers) {
        *finalizers.entry(name).or_default() += count;
    }
    if !finalizers.is_empty() {
        let mut parts: Vec<String> = finalizers
            .iter()
            .map(|(name, count)| format!("{name} in {count} resource instances"))
            .collect();
        parts.sort();
        let text =
            format!("Some content in the namespace has finalizers remaining: {}", parts.join(", "));
        wrong.insert(FINALIZERS_REMAINING, ("SomeFinalizersRemain", text));
    }
    let mut new = Namespace::clone(namespace);
    let status = Arc::make_mut(&mut new.body).status.get_or_insert_default();
    let all = status.conditions.get_or_insert_default();
    let mut changed = false;
    for (kind, good, fine) in CONDITIONS {
        let (status, reason, message) = match wrong.get(kind) {
            Some((reason, message)) => ("True", *reason, message.as_str()),
            None => ("False", good, fine),
        };
        changed |= set(all, kind, status, reason, message, now);
    }
    // Conflicts are of no interest: upstream logs a status that could not be written.
    new.meta.resource_version = 0;
    let requests = changed.then(|| Request::UpdateStatus(new.into()));
    Step::Ask { requests: requests.into_iter().collect(), then: Work::Told(outcome.clone()) }
}

fn set(
    all: &mut Vec<wire::core::NamespaceCondition>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: SimTime,
) -> bool {
    let mut new = wire::core::NamespaceCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(wire_time(now)),
    };
    let Some(old) = all.iter_mut().find(|c| c.type_ == kind) else {
        all.push(new);
        return true;
    };
    if old.status == new.status {
        new.last_transition_time = old.last_transition_time.clone();
    }
    let changed = *old != new;
    *old = new;
    changed
}

fn go_on(namespace: &Arc<Namespace>, next: Next, now: SimTime) -> Step<Work> {
    let on = Object::Namespace(Arc::clone(namespace));
    let waiting = |on_what: String| {
        Some(Waiting { object: on.reference(), uid: namespace.meta.uid, on: on_what.into() })
    };
    match next {
        Next::Failed(why) => Step::Done(Done { retry: Retry::BackOff, waiting: waiting(why) }),
        Next::After(seconds, what) => {
            let at = now + Duration::from_secs(seconds);
            Step::Done(Done { retry: Retry::AtKeepingFailures(at), waiting: waiting(what) })
        }
        Next::Finalize => {
            let mut new = Namespace::clone(namespace);
            new.meta.resource_version = 0;
            let spec = Arc::make_mut(&mut new.body).spec.get_or_insert_default();
            spec.finalizers.get_or_insert_default().retain(|f| f != FINALIZER);
            Step::ask(Request::Update(new.into()), Work::Last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(resource: &str, count: usize, finalizers: &[&str]) -> Left {
        Left {
            resource: resource.to_owned(),
            gvr: format!("/v1, Resource={}", resource.trim_end_matches('.')),
            count,
            finalizers: finalizers.iter().map(|f| (Str::from(*f), count)).collect(),
        }
    }

    #[test]
    fn what_is_left_decides_when_it_is_looked_for_again() {
        let namespace = Str::new_static("shop");
        assert_eq!(judge(&[], 0, &namespace), Next::Finalize);
        // Pods within their grace: half of it and a second.
        let pods = [left("pods.", 2, &[])];
        assert_eq!(judge(&pods, 30, &namespace), Next::After(16, "2 pods to go".into()));
        // Pods beyond it: an error, as upstream has it.
        assert_eq!(
            judge(&pods, 0, &namespace),
            Next::Failed(
                "Failed to delete all resource types, 1 remaining: unexpected items still remain in \
                 namespace: shop for gvr: /v1, Resource=pods"
                    .into()
            )
        );
        let claims = [left("persistentvolumeclaims.", 1, &["kubernetes.io/pvc-protection"])];
        assert_eq!(
            judge(&claims, 0, &namespace),
            Next::After(8, "1 persistentvolumeclaims to go".into())
        );
    }

    #[test]
    fn conditions_are_written_once() {
        let mut all = Vec::new();
        let now = SimTime::from_secs(7);
        assert!(set(&mut all, CONTENT_REMAINING, "True", "SomeResourcesRemain", "x", now));
        assert!(!set(&mut all, CONTENT_REMAINING, "True", "SomeResourcesRemain", "x", now));
        assert!(set(&mut all, CONTENT_REMAINING, "False", "ContentRemoved", "y", now));
        assert_eq!(all.len(), 1);
    }
}

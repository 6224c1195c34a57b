//! Custom kinds whose pods run: a stand-in for the operator that a real cluster would have.
//!
//! No simulator can know what an operator does. What most of them do first is to make a workload of the
//! pod template in their resource; a `CustomWorkload` declares where that template sits:
//!
//! ```yaml
//! apiVersion: wavetank.dev/v1alpha1
//! kind: CustomWorkload
//! metadata: {name: databases}
//! spec:
//!   group: example.com            # of the custom kind
//!   kind: Database
//!   runsAs: StatefulSet           # or Deployment, DaemonSet, Job, Pod
//!   podTemplate: spec.template    # where the pod template, or a bare pod spec, sits
//!   replicas: spec.size           # where its number sits; without it, one
//! ```
//!
//! Each object of that kind then owns a workload of its name, which follows its changes and goes with it.
//! That it is so is an assumption and told as one. The resource's own status is left as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use smol_str::format_smolstr;

use super::controller::{Controller, Done, Retry, Step, SyncCx};
use super::view::View;
use crate::base::Str;
use crate::base::digest::digest_of;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{Inert, Key, Kind, Object, Ref};
use crate::store::{Delta, PatchType, Reply, Request, WireVerb};
use crate::trace::{Change, EventType, Waiting};

/// The group of declarations.
const GROUP: &str = "wavetank.dev/";
/// Their kind.
const DECLARATION: &str = "CustomWorkload";
/// Marks a workload with the digest of what it was made from.
const MADE_FROM: &str = "wavetank.dev/made-from";
/// Ties pods to their workload.
const INSTANCE: &str = "wavetank.dev/instance";

/// The stand-in for operators.
#[derive(Clone, Debug, Default)]
pub(super) struct CustomWorkloads {
    /// Declarations by the group and kind they are about.
    declared: BTreeMap<(Str, Str), Declaration>,
}

/// What a `CustomWorkload` says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Declaration {
    runs_as: Kind,
    template: Vec<Str>,
    replicas: Option<Vec<Str>>,
}

/// What a sync waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// The workload's creation.
    Create,
    /// Its change.
    Change,
}

impl Declaration {
    fn of(declaration: &Inert) -> Option<((Str, Str), Self)> {
        let spec = declaration.body.get("spec")?;
        let text = |field: &str| spec[field].as_str().unwrap_or_default();
        let path = |field: &str| -> Option<Vec<Str>> {
            Some(text(field).split('.').map(Str::from).collect())
                .filter(|_| !text(field).is_empty())
        };
        let runs_as = match text("runsAs") {
            "StatefulSet" => Kind::StatefulSet,
            "DaemonSet" => Kind::DaemonSet,
            "Job" => Kind::Job,
            "Pod" => Kind::Pod,
            _ => Kind::Deployment,
        };
        let of = (Str::from(text("group")), Str::from(text("kind")));
        Some((of, Self { runs_as, template: path("podTemplate")?, replicas: path("replicas") }))
    }

    /// The workload that stands in for `owner`; what is missing where there is no template.
    fn workload(&self, owner: &Inert) -> Result<Value, String> {
        let found = at(&owner.body, &self.template);
        let found = found.filter(|v| v.is_object());
        let found =
            found.ok_or_else(|| format!("a pod template at {}", self.template.join(".")))?;
        let bare = found.get("containers").is_some();
        let mut template = if bare { json!({"spec": found}) } else { found.clone() };
        let instance = owner.meta.name.as_str();
        template["metadata"]["labels"][INSTANCE] = instance.into();
        let replicas = self.replicas.as_ref().and_then(|path| at(&owner.body, path)?.as_u64());
        let replicas = replicas.unwrap_or(1);
        let selector = json!({"matchLabels": {INSTANCE: instance}});
        let spec = match self.runs_as {
            Kind::Pod => template["spec"].clone(),
            Kind::Job => {
                json!({"template": template, "completions": replicas, "parallelism": replicas})
            }
            Kind::DaemonSet => json!({"template": template, "selector": selector}),
            Kind::StatefulSet => json!({"template": template, "selector": selector,
                "replicas": replicas, "serviceName": instance}),
            _ => json!({"template": template, "selector": selector, "replicas": replicas}),
        };
        let labels = match self.runs_as {
            Kind::Pod => template["metadata"]["labels"].clone(),
            _ => json!({INSTANCE: instance}),
        };
        let made_from = format!("{:016x}", digest_of(0, spec.to_string().as_bytes()));
        Ok(json!({
            "apiVersion": self.runs_as.api_version(), "kind": self.runs_as.as_str(),
            "metadata": {
                "name": instance, "namespace": owner.meta.namespace.as_str(), "labels": labels,
                "annotations": {MADE_FROM: made_from},
                "ownerReferences": [{"apiVersion": owner.api_version.as_str(),
                    "kind": owner.kind.as_str(), "name": instance,
                    "uid": owner.meta.uid.to_string(), "controller": true,
                    "blockOwnerDeletion": true}]},
            "spec": spec,
        }))
    }
}

/// What stands in a document at a path of field names.
fn at<'v>(body: &'v serde_json::Map<String, Value>, path: &[Str]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(body.get(first.as_str())?, |value, name| value.get(name.as_str()))
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// Whether a `CustomWorkload` declares a custom kind.
pub(super) fn is_declared(view: &View, api_version: &str, kind: &str) -> bool {
    view.kind(Kind::Inert).iter().any(|(_, object)| match object {
        Object::Inert(o) if o.kind == DECLARATION && o.api_version.starts_with(GROUP) => {
            let of = Declaration::of(o).map(|(of, _)| of);
            of.is_some_and(|(g, k)| g == group_of(api_version) && k == kind)
        }
        _ => false,
    })
}

impl CustomWorkloads {
    fn declaration(&self, object: &Inert) -> Option<&Declaration> {
        let of = (Str::from(group_of(&object.api_version)), object.kind.clone());
        self.declared.get(&of)
    }
}

impl Controller for CustomWorkloads {
    type Key = Key;
    type Work = Work;

    const NAME: &'static str = "custom-workload-controller";
    const WORKERS: usize = 1;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        _: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        if kind != Kind::Inert {
            // The workload may have been deleted or changed by somebody else.
            let owner = delta.new.meta().owners.iter().find(|o| o.controller);
            if let Some(owner) = owner.filter(|_| !self.declared.is_empty())
                && let Some(of) = view.by_uid(owner.uid)
                && let Object::Inert(object) = of
                && self.declaration(object).is_some()
            {
                queue.add(of.key(), delta.fact);
            }
            return;
        }
        let Object::Inert(object) = delta.new else { return };
        if object.kind == DECLARATION && object.api_version.starts_with(GROUP) {
            if let Some((of, declaration)) = Declaration::of(object) {
                match delta.change {
                    Change::Deleted => self.declared.remove(&of),
                    Change::Added | Change::Modified => self.declared.insert(of, declaration),
                };
            }
            // Objects that were there before their declaration.
            for (_, other) in view.kind(Kind::Inert).iter() {
                if let Object::Inert(o) = other
                    && self.declaration(o).is_some()
                {
                    queue.add(other.key(), delta.fact);
                }
            }
        } else if delta.change != Change::Deleted && self.declaration(object).is_some() {
            queue.add(delta.new.key(), delta.fact);
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        let Some(owner) = cx.view.typed::<Inert>(Kind::Inert, key) else { return Step::done() };
        let owner = Arc::clone(owner);
        let Some(declaration) = self.declaration(&owner) else { return Step::done() };
        if owner.meta.is_terminating() {
            return Step::done();
        }
        let runs_as = declaration.runs_as;
        let wanted = match declaration.workload(&owner) {
            Ok(wanted) => wanted,
            Err(missing) => return waits(key, &owner, &missing),
        };
        let target = Ref { kind: runs_as, key: owner.meta.key() };
        let Some(there) = cx.view.get(runs_as, &target.key) else {
            cx.assume(
                owner.kind.clone(),
                format!(
                    "objects of this kind run as a {runs_as} of their pod template, as declared"
                ),
            );
            let body = Box::new(wanted);
            let verb = WireVerb::Create;
            return Step::ask(
                Request::Wire { verb, target, body, subresource: None },
                Work::Create,
            );
        };
        let made_from = there.meta().annotations.get(MADE_FROM).map(Str::as_str);
        if made_from == wanted["metadata"]["annotations"][MADE_FROM].as_str() {
            return Step::done();
        }
        if !there.meta().owners.iter().any(|o| o.uid == owner.meta.uid) {
            return waits(
                key,
                &owner,
                &format!("the {runs_as} of its name, which is not its own, to go"),
            );
        }
        let annotations = &wanted["metadata"]["annotations"];
        let patch = json!({"metadata": {"annotations": annotations}, "spec": wanted["spec"]});
        let verb = WireVerb::Patch(PatchType::Merge);
        let body = Box::new(patch);
        Step::ask(Request::Wire { verb, target, body, subresource: None }, Work::Change)
    }

    fn resume(
        &mut self,
        key: &Key,
        _: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let Some(Err(error)) = replies.into_iter().next() else { return Step::done() };
        let Some(owner) = cx.view.get(Kind::Inert, key).cloned() else { return Step::done() };
        cx.event(&owner, EventType::Warning, "WorkloadRefused", error.message.clone());
        let uid = owner.meta().uid;
        let on = format_smolstr!("its workload to be accepted: {}", error.message);
        let waiting = Some(Waiting { object: owner.reference(), uid, on });
        Step::Done(Done { retry: Retry::BackOff, waiting })
    }
}

fn waits(key: &Key, owner: &Inert, on: &str) -> Step<Work> {
    let object = Ref { kind: Kind::Inert, key: key.clone() };
    let waiting = Some(Waiting { object, uid: owner.meta.uid, on: on.into() });
    Step::Done(Done { retry: Retry::OnNews, waiting })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::convert;
    use crate::api::typed::Typed;

    fn inert(json: Value) -> Arc<Inert> {
        let Ok(Object::Inert(object)) = convert::from_wire(Typed::decode(&json).unwrap()) else {
            panic!("a custom resource")
        };
        object
    }

    fn declared(runs_as: &str) -> Declaration {
        let json = json!({"apiVersion": "wavetank.dev/v1alpha1", "kind": "CustomWorkload",
            "metadata": {"name": "d"}, "spec": {"group": "example.com", "kind": "Database",
            "runsAs": runs_as, "podTemplate": "spec.pods.template", "replicas": "spec.size"}});
        let (of, declaration) = Declaration::of(&inert(json)).unwrap();
        assert_eq!(of, ("example.com".into(), "Database".into()));
        declaration
    }

    fn database(spec: Value) -> Arc<Inert> {
        inert(json!({"apiVersion": "example.com/v1", "kind": "Database",
            "metadata": {"name": "main", "namespace": "shop"}, "spec": spec}))
    }

    #[test]
    fn a_workload_is_made_of_the_template_at_the_declared_place() {
        let pods = json!({"template": {"spec": {"containers": [{"name": "db", "image": "x"}]}}});
        let owner = database(json!({"size": 3, "pods": pods}));
        let made = declared("StatefulSet").workload(&owner).unwrap();
        assert_eq!(made["spec"]["replicas"], 3);
        assert_eq!(made["spec"]["template"]["spec"]["containers"][0]["name"], "db");
        assert_eq!(made["spec"]["template"]["metadata"]["labels"][INSTANCE], "main");
        assert_eq!(made["metadata"]["ownerReferences"][0]["kind"], "Database");
        let job = declared("Job").workload(&owner).unwrap();
        assert_eq!(job["spec"]["completions"], 3);
    }

    #[test]
    fn a_bare_pod_spec_will_do_and_a_missing_one_is_named() {
        let owner = database(json!({"pods": {"template": {"containers": [{"name": "db"}]}}}));
        let made = declared("Deployment").workload(&owner).unwrap();
        assert_eq!(made["spec"]["replicas"], 1);
        assert_eq!(made["spec"]["template"]["spec"]["containers"][0]["name"], "db");
        let missing = declared("Deployment").workload(&database(json!({})));
        assert_eq!(missing.unwrap_err(), "a pod template at spec.pods.template");
    }
}

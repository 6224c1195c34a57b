//! `updateAny`: a document stands in the place of an object.
//!
//! Follows test/integration/scheduler_perf/update.go: one object after the other is put as it is written, then
//! its status, at so many a second if the op says so. Upstream's API server has few admission plugins; so that
//! what is written there can be put here, a pod keeps what admission gave it, and a node its addresses.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Ear, Runner};
use super::{OWN, placed};
use crate::api::convert;
use crate::model::{Kind, Ref};
use crate::scenario::scheduler_perf::Template;
use crate::store::{Request, WireVerb};
use crate::trace::FactId;

/// What is updated.
#[derive(Clone, Copy)]
pub(super) struct Update<'a> {
    /// Where; empty for kinds without a namespace.
    pub(super) namespace: &'a str,
    /// With what.
    pub(super) template: &'a Template,
    /// How many.
    pub(super) count: usize,
    /// Which part.
    pub(super) subresource: Option<&'static str>,
}

/// What admission and the scheduler write into a pod's spec.
const ADMITTED: [&str; 6] = [
    "nodeName",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "serviceAccount",
    "serviceAccountName",
];
/// What controllers write into a node's spec.
const ADDRESSED: [&str; 3] = ["podCIDR", "podCIDRs", "providerID"];
/// How the volume is called that brings the credentials of a service account.
const CREDENTIALS: &str = "kube-api-access-";

impl Runner {
    /// Updates one object after the other.
    pub(super) fn update_all(
        &mut self,
        update: &Update<'_>,
        every: Option<Duration>,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        let mut next = self.sim.now();
        for i in 0..update.count {
            if let Some(every) = every {
                // A tick that nobody waits for is lost.
                next = (next + every).max(self.sim.now());
                self.pass_behind(next, ear);
            }
            self.update_one(update, i, ear)?;
        }
        Ok(())
    }

    fn update_one(
        &mut self,
        update: &Update<'_>,
        i: usize,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        let mut written = update.template.object(i, update.count)?;
        let kind = placed(&mut written, update.namespace)?;
        let name = written["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let target = Ref::new(kind, update.namespace, name.as_str());
        let stored = self.sim.store().find(&target);
        let stored = stored.map(|o| convert::to_wire(o).to_value()).unwrap_or_default();
        let status = status_of(&written, &stored);
        if update.subresource.is_none() {
            keep(kind, &mut written, &stored);
        }
        if let Some(metadata) = written.as_object_mut() {
            metadata.remove("status");
        }
        self.put_in_place(&target, written.clone(), update.subresource, ear)?;
        match status {
            Some(status) => {
                written["status"] = status;
                self.put_in_place(&target, written, Some("status"), ear)
            }
            None => Ok(()),
        }
    }

    fn put_in_place(
        &mut self,
        target: &Ref,
        body: Value,
        subresource: Option<&'static str>,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        let (target, body) = (target.clone(), Box::new(body));
        let request = Request::Wire { verb: WireVerb::Update, target, body, subresource };
        self.sim.send(self.sim.now(), OWN, FactId::NONE, request);
        while self.replied(ear)? == 0 {}
        Ok(())
    }
}

/// The status that is to be put, if one is written: what is not written of it stays, but what pods can have of a
/// node is all that it has, unless it is written.
fn status_of(written: &Value, stored: &Value) -> Option<Value> {
    let new = written["status"].as_object().filter(|s| !s.is_empty())?;
    let mut status = stored["status"].clone();
    for (field, value) in new.iter().filter(|(field, _)| *field != "conditions") {
        status[field] = value.clone();
    }
    if new.contains_key("capacity") && !new.contains_key("allocatable") {
        status["allocatable"] = status["capacity"].clone();
    }
    Some(status)
}

/// Keeps what others have written into the spec of an object.
fn keep(kind: Kind, written: &mut Value, stored: &Value) {
    let fields: &[&str] = match kind {
        Kind::Pod => &ADMITTED,
        Kind::Node => &ADDRESSED,
        _ => return,
    };
    for field in fields {
        if written["spec"][field].is_null() && !stored["spec"][field].is_null() {
            written["spec"][field] = stored["spec"][field].clone();
        }
    }
    if kind == Kind::Pod {
        let spec = &mut written["spec"];
        add(&mut spec["volumes"], &stored["spec"]["volumes"], |v| is_credential(&v["name"]));
        add(&mut spec["tolerations"], &stored["spec"]["tolerations"], |_| true);
        for containers in ["initContainers", "containers"] {
            let old = stored["spec"][containers].as_array().into_iter().flatten();
            let new = spec[containers].as_array_mut().into_iter().flatten();
            for (new, old) in new.zip(old) {
                add(&mut new["volumeMounts"], &old["volumeMounts"], |m| is_credential(&m["name"]));
            }
        }
    }
}

fn is_credential(name: &Value) -> bool {
    name.as_str().is_some_and(|name| name.starts_with(CREDENTIALS))
}

/// Adds what is missing of a list.
fn add(list: &mut Value, from: &Value, wanted: impl Fn(&Value) -> bool) {
    for item in from.as_array().into_iter().flatten().filter(|item| wanted(item)) {
        if list.is_null() {
            *list = json!([]);
        }
        if let Some(list) = list.as_array_mut()
            && !list.contains(item)
        {
            list.push(item.clone());
        }
    }
}

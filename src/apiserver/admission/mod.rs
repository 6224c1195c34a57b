//! Admission: what the server adds to objects before it stores them.
//!
//! The plugins that are on by default in v1.36 and bear on the simulation, each in upstream's order
//! where the order shows. What a pod's template decides alone is worked out once per template and
//! namespace, not per pod.

mod definitions;
mod limit_ranger;
mod pods;
mod quota;
mod storage;

use std::sync::Arc;

use crate::base::Str;
use crate::model::{Job, Meta, Selector, Whole, wire};

pub(super) use definitions::establish_definition;
pub(super) use limit_ranger::check_pod as check_pod_limits;
pub(super) use pods::Admitted;

/// What a plugin that runs before names are generated calls an object
/// (`k8s.io/apiserver/pkg/admission/errors.go`, `extractResourceName`).
fn early_name(meta: &Meta) -> &str {
    if meta.generate_name.is_empty() { &meta.name } else { &meta.generate_name }
}

/// Gives a Job without a manual selector its selector and its pods' labels
/// (`pkg/registry/batch/job/strategy.go`, `generateSelector`).
pub(super) fn generate_job_selector(job: &mut Arc<Job>) {
    let job = Arc::make_mut(job);
    let spec = Arc::make_mut(&mut job.spec);
    let (uid, name) = (job.meta.uid.to_string(), job.meta.name.clone());
    let meta_labels = job.meta.labels.clone();
    if spec.manual_selector != Some(true) {
        let labels = [
            ("batch.kubernetes.io/controller-uid", uid.as_str()),
            ("batch.kubernetes.io/job-name", name.as_str()),
            ("controller-uid", uid.as_str()),
            ("job-name", name.as_str()),
        ];
        let mut all = spec.template.labels.clone();
        for (key, value) in labels {
            all = all.with(key, value);
        }
        spec.template.labels = all;
        let selector = wire::meta::LabelSelector {
            match_labels: Some([(labels[0].0.to_owned(), uid.clone())].into_iter().collect()),
            match_expressions: None,
        };
        spec.selector = Selector::All(vec![crate::model::Requirement::In(
            Str::new_static(labels[0].0),
            vec![Str::from(&uid)],
        )]);
        spec.selector_wire = Some(Arc::new(selector));
    }
    // A Job without labels of its own takes its template's.
    if meta_labels.is_empty() {
        job.meta.labels = spec.template.labels.clone();
    }
}

/// A new namespace is active, and holds the finalizer of the namespace controller.
pub(super) fn activate_namespace(namespace: &mut Arc<Whole<wire::core::Namespace>>) {
    let whole = Arc::make_mut(namespace);
    whole.meta.labels =
        whole.meta.labels.with("kubernetes.io/metadata.name", whole.meta.name.clone());
    let body = Arc::make_mut(&mut whole.body);
    let finalizers = &mut body.spec.get_or_insert_default().finalizers;
    finalizers.get_or_insert_with(|| vec!["kubernetes".to_owned()]);
    body.status.get_or_insert_default().phase = Some("Active".to_owned());
}

//! What a Job reads off its pods, and what it writes onto new ones.
//!
//! Follows `pkg/controller/job/indexed_job_utils.go` and the pod parts of
//! `pkg/controller/job/job_controller.go`. A pod of an Indexed Job carries its index as annotation and
//! label, and in its host name and generated name; where failures are limited by index it also carries
//! how often the index failed before.

use std::collections::BTreeSet;
use std::sync::Arc;

use smol_str::ToSmolStr as _;

use super::names::{generate_name, hostname};
use super::policy;
use crate::base::Str;
use crate::controllers::pod_control::{from_template, is_job_tracked};
use crate::model::{Job, Kind, OwnerRef, Phase, Pod, PodIdentity, PodSpec, finalizers, wire};

/// Annotation and label: the completion index.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// Annotation: how often the index failed before, as counted.
pub(super) const INDEX_FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// Annotation: how often the index failed before without being counted.
pub(super) const INDEX_IGNORED_FAILURES: &str =
    "batch.kubernetes.io/job-index-ignored-failure-count";
/// The environment variable with the index.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// The index of a pod (`getCompletionIndex`); `None` where it has none or none that can be read.
pub(super) fn index_of(pod: &Pod) -> Option<i64> {
    pod.meta.annotations.get(INDEX)?.parse().ok().filter(|i| *i >= 0)
}

/// The index of a pod, where it is one that the Job has.
pub(super) fn valid_index(job: &Job, pod: &Pod) -> Option<i64> {
    index_of(pod).filter(|i| *i < completions(job))
}

/// The indexes of some pods (`getIndexes`).
pub(super) fn indexes_of(pods: &[Arc<Pod>]) -> BTreeSet<i64> {
    pods.iter().filter_map(|p| index_of(p)).collect()
}

/// The completions of an Indexed Job; validation makes them be there.
pub(super) fn completions(job: &Job) -> i64 {
    job.spec.completions.unwrap_or(0).into()
}

/// Whether pods are replaced only once they have failed (`onlyReplaceFailedPods`).
pub(super) fn replaces_failed_only(job: &Job) -> bool {
    job.spec.replace_failed_only || job.spec.pod_failure_policy.is_some()
}

/// Whether a pod counts as failed (`isPodFailed`): one that is being deleted does, unless pods are
/// replaced only once they have failed.
pub(super) fn is_failed(job: &Job, pod: &Pod) -> bool {
    match pod.status.phase {
        Phase::Failed => true,
        Phase::Succeeded => false,
        Phase::Pending | Phase::Running | Phase::Unknown => {
            !replaces_failed_only(job) && pod.meta.is_terminating()
        }
    }
}

/// How often the pod's index failed before it, as counted.
pub(super) fn counted_failures(pod: &Pod) -> u32 {
    number(pod, INDEX_FAILURES)
}

/// How often the pod's index failed before it, counted or not (`getIndexAbsoluteFailureCount`).
pub(super) fn absolute_failures(pod: &Pod) -> u32 {
    number(pod, INDEX_FAILURES).saturating_add(number(pod, INDEX_IGNORED_FAILURES))
}

/// Whether the pod's failure is the last that its index may have (`isIndexFailed`).
pub(super) fn fails_index(job: &Job, pod: &Pod) -> bool {
    if !is_failed(job, pod) || !is_job_tracked(pod) {
        return false;
    }
    let matched = policy::match_failure(job.spec.pod_failure_policy.as_deref(), pod);
    match matched.map(|m| m.action) {
        Some(policy::Action::FailIndex) => true,
        Some(policy::Action::Ignore) => false,
        Some(policy::Action::Count | policy::Action::FailJob) | None => {
            let limit = job.spec.backoff_limit_per_index.unwrap_or(0);
            i64::from(counted_failures(pod)) >= i64::from(limit)
        }
    }
}

/// A new pod of a Job without indexes, to be counted by its finalizer.
pub(super) fn plain_pod(job: &Job) -> Pod {
    let owner = OwnerRef::controller_of(Kind::Job, &job.meta);
    let mut pod = from_template(&job.spec.template, &job.meta.namespace, owner);
    if !is_job_tracked(&pod) {
        pod.meta.finalizers.push(Str::new_static(finalizers::JOB_TRACKING));
    }
    pod
}

/// A new pod for an index. `spec` is the template's with the index among its variables, `before` the
/// pod that it replaces where failures are limited by index.
pub(super) fn indexed_pod(job: &Job, spec: &Arc<PodSpec>, index: i64, before: Option<&Pod>) -> Pod {
    let mut pod = plain_pod(job);
    pod.spec = spec.clone();
    pod.meta.generate_name = generate_name(&job.meta.name, index);
    pod.identity = Some(Arc::new(PodIdentity {
        hostname: hostname(&job.meta.name, index),
        ..PodIdentity::default()
    }));
    let number = index.to_smolstr();
    pod.meta.labels = pod.meta.labels.with(INDEX, number.clone());
    let mut annotations = pod.meta.annotations.with(INDEX, number);
    if job.spec.backoff_limit_per_index.is_some() {
        let (counted, ignored) = failures_after(job, before);
        annotations = annotations.with(INDEX_FAILURES, counted.to_smolstr());
        if ignored > 0 {
            annotations = annotations.with(INDEX_IGNORED_FAILURES, ignored.to_smolstr());
        }
    }
    pod.meta.annotations = annotations;
    pod
}

/// The template's pod spec with the completion index among the variables of every container that does
/// not set it itself (`addCompletionIndexEnvVariables`).
pub(super) fn spec_with_index(template: &PodSpec) -> PodSpec {
    let mut spec = (*template.wire).clone();
    let variable = wire::core::EnvVar {
        name: INDEX_VARIABLE.to_owned(),
        value_from: Some(wire::core::EnvVarSource {
            field_ref: Some(wire::core::ObjectFieldSelector {
                // The API server's default for it.
                api_version: Some("v1".to_owned()),
                field_path: format!("metadata.labels['{INDEX}']"),
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        let env = container.env.get_or_insert_default();
        if env.iter().all(|v| v.name != INDEX_VARIABLE) {
            env.push(variable.clone());
        }
    }
    PodSpec::compile(spec)
}

/// The failures to be written onto the pod that follows `before` (`getNewIndexFailureCounts`).
fn failures_after(job: &Job, before: Option<&Pod>) -> (u32, u32) {
    let Some(before) = before else { return (0, 0) };
    let (counted, ignored) =
        (number(before, INDEX_FAILURES), number(before, INDEX_IGNORED_FAILURES));
    if policy::counts(job.spec.pod_failure_policy.as_deref(), before) {
        (counted.saturating_add(1), ignored)
    } else {
        (counted, ignored.saturating_add(1))
    }
}

fn number(pod: &Pod, annotation: &str) -> u32 {
    let number = pod.meta.annotations.get(annotation).and_then(|v| v.parse::<i32>().ok());
    number.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

//! Jobs and CronJobs.

use std::sync::Arc;
use std::time::Duration;

use super::ConvertError;
use super::meta::{labels, map, meta_from_wire, meta_to_wire, some, text};
use super::pod::template_from_wire;
use crate::base::Str;
use crate::model::{
    ConditionStatus, CronJob, CronJobSpec, Job, JobCondition, JobSpec, JobStatus, JobTemplate,
    Selector, Uid, sim_time, wire, wire_time,
};

pub(super) fn job_from_wire(o: wire::batch::Job) -> Result<Job, ConvertError> {
    Ok(Job {
        meta: meta_from_wire(o.metadata),
        spec: Arc::new(spec_from_wire(o.spec.unwrap_or_default())?),
        status: o.status.map(status_from_wire).unwrap_or_default(),
    })
}

pub(super) fn job_to_wire(o: &Job) -> wire::batch::Job {
    wire::batch::Job {
        metadata: meta_to_wire(&o.meta),
        spec: Some(spec_to_wire(&o.spec)),
        status: Some(status_to_wire(&o.status)),
    }
}

pub(super) fn cron_job_from_wire(o: wire::batch::CronJob) -> Result<CronJob, ConvertError> {
    let spec = o.spec;
    let template = spec.job_template.clone();
    let metadata = template.metadata.unwrap_or_default();
    let mut job_spec = spec_from_wire(template.spec.unwrap_or_default())?;
    // A Job of it is defaulted on creation (`SetDefaults_Job`); the template itself is not.
    if job_spec.parallelism.is_none() {
        job_spec.completions.get_or_insert(1);
        job_spec.parallelism = Some(1);
    }
    let job = JobTemplate {
        labels: labels(metadata.labels),
        annotations: labels(metadata.annotations),
        spec: Arc::new(job_spec),
    };
    Ok(CronJob {
        meta: meta_from_wire(o.metadata),
        spec: Arc::new(CronJobSpec { wire: spec, job }),
        status: o.status.unwrap_or_default(),
    })
}

pub(super) fn cron_job_to_wire(o: &CronJob) -> wire::batch::CronJob {
    wire::batch::CronJob {
        metadata: meta_to_wire(&o.meta),
        spec: o.spec.wire.clone(),
        status: Some(o.status.clone()),
    }
}

fn spec_from_wire(s: wire::batch::JobSpec) -> Result<JobSpec, ConvertError> {
    let seconds = |n: i64| Duration::from_secs(u64::try_from(n).unwrap_or(0));
    let selector = match &s.selector {
        None => Selector::Nothing,
        some => Selector::compile(some.as_ref())?,
    };
    Ok(JobSpec {
        parallelism: s.parallelism,
        completions: s.completions,
        active_deadline: s.active_deadline_seconds.map(seconds),
        backoff_limit: s.backoff_limit.unwrap_or(6),
        backoff_limit_per_index: s.backoff_limit_per_index,
        max_failed_indexes: s.max_failed_indexes,
        indexed: s.completion_mode.as_deref() == Some("Indexed"),
        suspend: s.suspend.unwrap_or(false),
        ttl: s.ttl_seconds_after_finished.map(|n| seconds(n.into())),
        pod_failure_policy: s.pod_failure_policy.map(Arc::new),
        success_policy: s.success_policy.map(Arc::new),
        replace_failed_only: s.pod_replacement_policy.as_deref() == Some("Failed"),
        managed_by: s.managed_by.map(Str::from),
        manual_selector: s.manual_selector,
        selector_wire: s.selector.map(Arc::new),
        selector,
        template_meta: s.template.metadata.clone().map(Arc::new),
        template: template_from_wire(s.template),
    })
}

fn spec_to_wire(s: &JobSpec) -> wire::batch::JobSpec {
    let seconds = |d: Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
    let mut metadata = s.template_meta.as_deref().cloned().unwrap_or_default();
    metadata.labels = map(&s.template.labels);
    wire::batch::JobSpec {
        parallelism: s.parallelism,
        completions: s.completions,
        active_deadline_seconds: s.active_deadline.map(seconds),
        backoff_limit: Some(s.backoff_limit),
        backoff_limit_per_index: s.backoff_limit_per_index,
        max_failed_indexes: s.max_failed_indexes,
        completion_mode: Some(if s.indexed { "Indexed" } else { "NonIndexed" }.to_owned()),
        suspend: Some(s.suspend),
        ttl_seconds_after_finished: s.ttl.map(|d| i32::try_from(d.as_secs()).unwrap_or(i32::MAX)),
        pod_failure_policy: s.pod_failure_policy.as_deref().cloned(),
        success_policy: s.success_policy.as_deref().cloned(),
        pod_replacement_policy: Some(
            if s.replace_failed_only { "Failed" } else { "TerminatingOrFailed" }.to_owned(),
        ),
        managed_by: s.managed_by.as_deref().map(str::to_owned),
        manual_selector: s.manual_selector,
        selector: s.selector_wire.as_deref().cloned(),
        template: wire::core::PodTemplateSpec {
            metadata: Some(metadata),
            spec: Some(wire::core::PodSpec {
                node_name: s.template.node.as_deref().map(str::to_owned),
                ..(*s.template.spec.wire).clone()
            }),
        },
    }
}

fn status_from_wire(s: wire::batch::JobStatus) -> JobStatus {
    let uids = |l: Option<Vec<String>>| -> Vec<Uid> {
        l.iter().flatten().filter_map(|u| Uid::parse(u)).collect()
    };
    JobStatus {
        conditions: s.conditions.into_iter().flatten().map(condition).collect(),
        start_time: s.start_time.as_ref().map(sim_time),
        completion_time: s.completion_time.as_ref().map(sim_time),
        active: s.active.unwrap_or(0),
        ready: s.ready,
        terminating: s.terminating,
        succeeded: s.succeeded.unwrap_or(0),
        failed: s.failed.unwrap_or(0),
        completed_indexes: s.completed_indexes.map(Str::from),
        failed_indexes: s.failed_indexes.map(Str::from),
        uncounted: s
            .uncounted_terminated_pods
            .map(|u| Arc::new((uids(u.succeeded), uids(u.failed)))),
    }
}

fn status_to_wire(s: &JobStatus) -> wire::batch::JobStatus {
    let count = |n: i32| (n != 0).then_some(n);
    let uids = |l: &[Uid]| (!l.is_empty()).then(|| l.iter().map(Uid::to_string).collect());
    wire::batch::JobStatus {
        conditions: (!s.conditions.is_empty())
            .then(|| s.conditions.iter().map(condition_to_wire).collect()),
        start_time: s.start_time.map(wire_time),
        completion_time: s.completion_time.map(wire_time),
        active: count(s.active),
        ready: s.ready,
        terminating: s.terminating,
        succeeded: count(s.succeeded),
        failed: count(s.failed),
        completed_indexes: s.completed_indexes.as_deref().and_then(some),
        failed_indexes: s.failed_indexes.as_deref().map(str::to_owned),
        uncounted_terminated_pods: s.uncounted.as_deref().map(|(succeeded, failed)| {
            wire::batch::UncountedTerminatedPods {
                succeeded: uids(succeeded),
                failed: uids(failed),
            }
        }),
    }
}

fn condition(c: wire::batch::JobCondition) -> JobCondition {
    JobCondition {
        kind: c.type_.into(),
        status: ConditionStatus::parse(&c.status),
        reason: text(c.reason),
        message: text(c.message),
        since: c.last_transition_time.as_ref().map(sim_time).unwrap_or_default(),
        probed: c.last_probe_time.as_ref().map(sim_time).unwrap_or_default(),
    }
}

fn condition_to_wire(c: &JobCondition) -> wire::batch::JobCondition {
    wire::batch::JobCondition {
        type_: c.kind.to_string(),
        status: c.status.as_str().to_owned(),
        reason: some(&c.reason),
        message: some(&c.message),
        last_transition_time: Some(wire_time(c.since)),
        last_probe_time: Some(wire_time(c.probed)),
    }
}

//! The workload kinds.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{ConditionStatus, Labels, Meta, PodTemplate, Selector, Uid, equal, wire};
use crate::base::Str;
use crate::base::time::SimTime;

/// A workload's spec: the typed API form next to its compiled template and selector.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload<S> {
    /// The API form, defaulted, its template included.
    pub wire: S,
    /// The template, compiled.
    pub template: PodTemplate,
    /// The selector, compiled.
    pub selector: Selector,
    /// What revisions of the template hold.
    pub revision: RevisionData,
}

/// What a stored revision of a template holds, as text and as JSON, once somebody has asked for it.
///
/// It is made of the template beside it, and so it takes no part in comparisons; a copy, which may be
/// changed, has to make its own.
#[derive(Debug, Default)]
pub struct RevisionData(OnceLock<Arc<(String, serde_json::Value)>>);

impl RevisionData {
    /// The data, made by `make` when first asked for.
    pub fn get_or_make(
        &self,
        make: impl FnOnce() -> (String, serde_json::Value),
    ) -> Arc<(String, serde_json::Value)> {
        Arc::clone(self.0.get_or_init(|| Arc::new(make())))
    }
}

impl Clone for RevisionData {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for RevisionData {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

macro_rules! workloads {
    ($($(#[$doc:meta])* $name:ident: $spec:ty, $status:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            /// Its metadata.
            pub meta: Meta,
            /// What is wanted.
            pub spec: Arc<$spec>,
            /// What is.
            pub status: $status,
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                let Self { meta, spec, status } = self;
                equal(spec, &other.spec) && *meta == other.meta && *status == other.status
            }
        }
    )*};
}

workloads! {
    /// A Deployment (`apps/v1`).
    Deployment: Workload<wire::apps::DeploymentSpec>, wire::apps::DeploymentStatus;
    /// A ReplicaSet (`apps/v1`).
    ReplicaSet: Workload<wire::apps::ReplicaSetSpec>, wire::apps::ReplicaSetStatus;
    /// A ReplicationController (`v1`).
    ReplicationController: Workload<wire::core::ReplicationControllerSpec>, wire::core::ReplicationControllerStatus;
    /// A StatefulSet (`apps/v1`).
    StatefulSet: Workload<wire::apps::StatefulSetSpec>, wire::apps::StatefulSetStatus;
    /// A DaemonSet (`apps/v1`).
    DaemonSet: Workload<wire::apps::DaemonSetSpec>, wire::apps::DaemonSetStatus;
    /// A CronJob (`batch/v1`).
    CronJob: CronJobSpec, wire::batch::CronJobStatus;
    /// A Job (`batch/v1`).
    Job: JobSpec, JobStatus;
}

/// A CronJob's spec.
#[derive(Clone, Debug, PartialEq)]
pub struct CronJobSpec {
    /// The API form, its Job template included.
    pub wire: wire::batch::CronJobSpec,
    /// The Job template, compiled.
    pub job: JobTemplate,
}

/// A template for Jobs (`batch/v1.JobTemplateSpec`).
#[derive(Clone, Debug, PartialEq)]
pub struct JobTemplate {
    /// Labels of its Jobs.
    pub labels: Labels,
    /// Annotations of its Jobs.
    pub annotations: Labels,
    /// The Jobs' spec, defaulted; selector and template labels are made with each Job.
    pub spec: Arc<JobSpec>,
}

/// A Job's spec (`batch/v1.JobSpec`): our own, since a schedule makes Jobs by the million.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    /// Pods at once; `None` only where an old object was stored without it.
    pub parallelism: Option<i32>,
    /// Successes wanted; `None` for a work queue.
    pub completions: Option<i32>,
    /// `activeDeadlineSeconds`.
    pub active_deadline: Option<Duration>,
    /// Failures that are borne.
    pub backoff_limit: i32,
    /// Failures that are borne for one index.
    pub backoff_limit_per_index: Option<i32>,
    /// Failed indexes that are borne.
    pub max_failed_indexes: Option<i32>,
    /// Whether completion is counted by index (`completionMode: Indexed`).
    pub indexed: bool,
    /// Whether it is suspended.
    pub suspend: bool,
    /// `ttlSecondsAfterFinished`.
    pub ttl: Option<Duration>,
    /// What failures mean.
    pub pod_failure_policy: Option<Arc<wire::batch::PodFailurePolicy>>,
    /// What success means.
    pub success_policy: Option<Arc<wire::batch::SuccessPolicy>>,
    /// Whether a pod is replaced only once it has failed (`podReplacementPolicy: Failed`).
    pub replace_failed_only: bool,
    /// Another controller that manages it.
    pub managed_by: Option<Str>,
    /// Whether the user wrote the selector.
    pub manual_selector: Option<bool>,
    /// The selector in its API form; the generated one selects by `batch.kubernetes.io/controller-uid`.
    pub selector_wire: Option<Arc<wire::meta::LabelSelector>>,
    /// The selector, compiled.
    pub selector: Selector,
    /// The template, compiled. Its labels hold the generated ones.
    pub template: PodTemplate,
    /// The template's metadata as written, for `-o yaml`.
    pub template_meta: Option<Arc<wire::meta::ObjectMeta>>,
}

/// A Job's status (`batch/v1.JobStatus`).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct JobStatus {
    /// Its conditions.
    pub conditions: Vec<JobCondition>,
    /// When the controller took it on; none while suspended.
    pub start_time: Option<SimTime>,
    /// When it completed.
    pub completion_time: Option<SimTime>,
    /// Pods that are pending or run.
    pub active: i32,
    /// Pods that are ready; `None` before the controller has counted.
    pub ready: Option<i32>,
    /// Pods that are being deleted; `None` before the controller has counted.
    pub terminating: Option<i32>,
    /// Counted successes.
    pub succeeded: i32,
    /// Counted failures.
    pub failed: i32,
    /// Indexes that succeeded, such as `1,3-5`; `None` for a Job without indexes.
    pub completed_indexes: Option<Str>,
    /// Indexes that failed for good.
    pub failed_indexes: Option<Str>,
    /// Successes that still hold their finalizer; `None` before the controller has counted.
    pub uncounted: Option<Arc<(Vec<Uid>, Vec<Uid>)>>,
}

/// One condition of a Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCondition {
    /// `Suspended`, `Complete`, `Failed`, `FailureTarget`, `SuccessCriteriaMet`.
    pub kind: Str,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: Str,
    /// Why, for people.
    pub message: Str,
    /// When `status` last changed.
    pub since: SimTime,
    /// When it was last checked.
    pub probed: SimTime,
}

impl JobStatus {
    /// Whether the condition of that type is true.
    pub fn is_true(&self, kind: &str) -> bool {
        self.conditions.iter().any(|c| c.kind == kind && c.status == ConditionStatus::True)
    }

    /// Whether the Job has ended, either way (`jobutil.IsJobFinished`).
    pub fn is_finished(&self) -> bool {
        self.is_true("Complete") || self.is_true("Failed")
    }
}

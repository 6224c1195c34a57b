//! Defaults of the workloads. After `pkg/apis/{apps,batch,core}/v1/defaults.go`.

use crate::api::fields::{
    Fields, fields, fields_mut, fields_or_new, fill, fill_absent, has_any, text,
};

/// `SetDefaults_Deployment`.
pub(super) fn deployment(deployment: &mut Fields) {
    let spec = fields_or_new(deployment, "spec");
    fill_absent(spec, "replicas", 1);
    let strategy = fields_or_new(spec, "strategy");
    fill(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let rolling = fields_or_new(strategy, "rollingUpdate");
        fill_absent(rolling, "maxUnavailable", "25%");
        fill_absent(rolling, "maxSurge", "25%");
    }
    fill_absent(spec, "revisionHistoryLimit", 10);
    fill_absent(spec, "progressDeadlineSeconds", 600);
}

/// `SetDefaults_ReplicaSet`.
pub(super) fn replica_set(set: &mut Fields) {
    fill_absent(fields_or_new(set, "spec"), "replicas", 1);
}

/// `SetDefaults_ReplicationController`: selector and labels come from the template.
pub(super) fn replication_controller(controller: &mut Fields) {
    let labels = fields(controller, "spec")
        .and_then(|s| fields(s, "template"))
        .and_then(|t| fields(t, "metadata"))
        .and_then(|m| fields(m, "labels"))
        .cloned();
    let spec = fields_or_new(controller, "spec");
    fill_absent(spec, "replicas", 1);
    if let Some(labels) = labels {
        if !has_any(spec, "selector") {
            spec.insert("selector".into(), labels.clone().into());
        }
        labels_if_none(controller, labels);
    }
}

/// `SetDefaults_DaemonSet`.
pub(super) fn daemon_set(set: &mut Fields) {
    let spec = fields_or_new(set, "spec");
    let strategy = fields_or_new(spec, "updateStrategy");
    fill(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let rolling = fields_or_new(strategy, "rollingUpdate");
        fill_absent(rolling, "maxUnavailable", 1);
        fill_absent(rolling, "maxSurge", 0);
    }
    fill_absent(spec, "revisionHistoryLimit", 10);
}

/// `SetDefaults_StatefulSet`. A strategy that was given without `rollingUpdate` stays without.
pub(super) fn stateful_set(set: &mut Fields) {
    let spec = fields_or_new(set, "spec");
    fill(spec, "podManagementPolicy", "OrderedReady");
    let strategy = fields_or_new(spec, "updateStrategy");
    if text(strategy, "type").is_empty() {
        strategy.insert("type".into(), "RollingUpdate".into());
        fields_or_new(strategy, "rollingUpdate");
    }
    if text(strategy, "type") == "RollingUpdate"
        && let Some(rolling) = fields_mut(strategy, "rollingUpdate")
    {
        fill_absent(rolling, "partition", 0);
    }
    let retention = fields_or_new(spec, "persistentVolumeClaimRetentionPolicy");
    fill(retention, "whenDeleted", "Retain");
    fill(retention, "whenScaled", "Retain");
    fill_absent(spec, "replicas", 1);
    fill_absent(spec, "revisionHistoryLimit", 10);
}

/// `SetDefaults_Job`, but for the labels, which come with the selector ([`super::create`]). A Job in a
/// CronJob's template gets none of this before it is made.
pub(super) fn job(job: &mut Fields) {
    let spec = fields_or_new(job, "spec");
    if !spec.contains_key("parallelism") {
        fill_absent(spec, "completions", 1);
    }
    fill_absent(spec, "parallelism", 1);
    let limit = if spec.contains_key("backoffLimitPerIndex") { i32::MAX } else { 6 };
    fill_absent(spec, "backoffLimit", limit);
    fill_absent(spec, "completionMode", "NonIndexed");
    fill_absent(spec, "suspend", false);
    let with_policy = spec.contains_key("podFailurePolicy");
    let replacement = if with_policy { "Failed" } else { "TerminatingOrFailed" };
    fill_absent(spec, "podReplacementPolicy", replacement);
    fill_absent(spec, "manualSelector", false);
}

/// `SetDefaults_CronJob`.
pub(super) fn cron_job(cron: &mut Fields) {
    let spec = fields_or_new(cron, "spec");
    fill(spec, "concurrencyPolicy", "Allow");
    fill_absent(spec, "suspend", false);
    fill_absent(spec, "successfulJobsHistoryLimit", 3);
    fill_absent(spec, "failedJobsHistoryLimit", 1);
}

/// `SetDefaults_PodFailurePolicyOnPodConditionsPattern`.
pub(super) fn pod_condition_pattern(pattern: &mut Fields) {
    fill(pattern, "status", "True");
}

fn labels_if_none(object: &mut Fields, labels: Fields) {
    let metadata = fields_or_new(object, "metadata");
    if !has_any(metadata, "labels") {
        metadata.insert("labels".into(), labels.into());
    }
}

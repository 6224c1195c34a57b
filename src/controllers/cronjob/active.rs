//! The list of a CronJob's running Jobs in its status.

use smol_str::ToSmolStr as _;

use crate::base::Str;
use crate::model::wire::core::ObjectReference;
use crate::model::{CronJob, Job, Key, Kind, Uid};

/// Whether the Job with that uid is in the list (`inActiveList`).
pub(super) fn holds(cron_job: &CronJob, uid: Uid) -> bool {
    entries(cron_job).any(|(_, known)| known == uid)
}

/// Whether a Job of that name is in the list (`inActiveListByName`).
pub(super) fn holds_name(cron_job: &CronJob, name: &str) -> bool {
    let namespace = &cron_job.meta.namespace;
    let is = |text: &Option<String>, name: &str| text.as_deref().unwrap_or_default() == name;
    entries(cron_job).any(|(r, _)| is(&r.name, name) && is(&r.namespace, namespace))
}

/// The Jobs in the list, each with its uid.
pub(super) fn entries(cron_job: &CronJob) -> impl Iterator<Item = (&ObjectReference, Uid)> {
    let uid = |r: &ObjectReference| r.uid.as_deref().and_then(Uid::parse).unwrap_or_default();
    cron_job.status.active.iter().flatten().map(move |r| (r, uid(r)))
}

/// The namespace and name of a Job in the list.
pub(super) fn key(reference: &ObjectReference) -> Key {
    let text = |t: &Option<String>| t.as_deref().map(Str::from).unwrap_or_default();
    Key { namespace: text(&reference.namespace), name: text(&reference.name) }
}

/// Whether the list is empty.
pub(super) fn is_empty(cron_job: &CronJob) -> bool {
    cron_job.status.active.as_ref().is_none_or(Vec::is_empty)
}

/// Takes the Job with that uid off the list (`deleteFromActiveList`).
pub(super) fn remove(cron_job: &mut CronJob, uid: Uid) {
    let active = &mut cron_job.status.active;
    if let Some(list) = active {
        list.retain(|r| r.uid.as_deref().and_then(Uid::parse) != Some(uid));
    }
    if active.as_ref().is_some_and(Vec::is_empty) {
        *active = None;
    }
}

/// Puts a Job on the list (`ref.GetReference`).
pub(super) fn add(cron_job: &mut CronJob, job: &Job) {
    let meta = &job.meta;
    cron_job.status.active.get_or_insert_default().push(ObjectReference {
        api_version: Some(Kind::Job.api_version().to_owned()),
        kind: Some(Kind::Job.as_str().to_owned()),
        name: Some(meta.name.to_string()),
        namespace: Some(meta.namespace.to_string()),
        resource_version: Some(meta.resource_version.to_smolstr().to_string()),
        uid: Some(meta.uid.to_string()),
        ..ObjectReference::default()
    });
}

//! The list of a CronJob's running Jobs in its status.

use smallvec::SmallVec;
use smol_str::ToSmolStr as _;

use crate::base::Str;
use crate::model::wire::core::ObjectReference;
use crate::model::{CronJob, Job, Key, Kind, Uid};

/// The uids of the Jobs in the list, read once.
#[derive(Clone, Debug)]
pub(super) struct Listed(SmallVec<[Uid; 2]>);

impl Listed {
    /// Those of a CronJob's list.
    pub(super) fn of(cron_job: &CronJob) -> Self {
        let uid = |r: &ObjectReference| r.uid.as_deref().and_then(Uid::parse).unwrap_or_default();
        Self(cron_job.status.active.iter().flatten().map(uid).collect())
    }

    /// Whether the Job with that uid is in the list (`inActiveList`).
    pub(super) fn holds(&self, uid: Uid) -> bool {
        self.0.contains(&uid)
    }

    /// Takes the Job with that uid off the list (`deleteFromActiveList`).
    pub(super) fn remove(&mut self, cron_job: &mut CronJob, uid: Uid) {
        let active = &mut cron_job.status.active;
        if let Some(list) = active {
            let mut uids = self.0.iter();
            list.retain(|_| uids.next() != Some(&uid));
            self.0.retain(|known| *known != uid);
        }
        if active.as_ref().is_some_and(Vec::is_empty) {
            *active = None;
        }
    }

    /// Puts a Job on the list.
    pub(super) fn add(&mut self, cron_job: &mut CronJob, job: &Job) {
        cron_job.status.active.get_or_insert_default().push(reference(job));
        self.0.push(job.meta.uid);
    }

    /// The Jobs in the list, each with its uid.
    pub(super) fn entries<'a>(
        &'a self,
        cron_job: &'a CronJob,
    ) -> impl Iterator<Item = (&'a ObjectReference, Uid)> {
        cron_job.status.active.iter().flatten().zip(self.0.iter().copied())
    }
}

/// Whether a Job of that name is in the list (`inActiveListByName`).
pub(super) fn holds_name(cron_job: &CronJob, name: &str) -> bool {
    let namespace = &cron_job.meta.namespace;
    let is = |text: &Option<String>, name: &str| text.as_deref().unwrap_or_default() == name;
    let mut listed = cron_job.status.active.iter().flatten();
    listed.any(|r| is(&r.name, name) && is(&r.namespace, namespace))
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

/// What is listed of a Job (`ref.GetReference`).
fn reference(job: &Job) -> ObjectReference {
    let meta = &job.meta;
    ObjectReference {
        api_version: Some(Kind::Job.api_version().to_owned()),
        kind: Some(Kind::Job.as_str().to_owned()),
        name: Some(meta.name.to_string()),
        namespace: Some(meta.namespace.to_string()),
        resource_version: Some(meta.resource_version.to_smolstr().to_string()),
        uid: Some(meta.uid.to_string()),
        ..ObjectReference::default()
    }
}

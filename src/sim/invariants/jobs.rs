//! Jobs: what they count is what happened, and they do not run more pods than they may.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, LAG, Seen};
use crate::base::time::SimTime;
use crate::controllers::job::indexes::Indexes;
use crate::model::{Job, Object, Phase, Pod, Uid, finalizers};
use crate::store::Store;
use crate::trace::Change;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    jobs: BTreeMap<Uid, Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    parallelism: usize,
    before: usize,
    until: SimTime,
    /// Its completions were lowered.
    shrunk: bool,
    active: BTreeSet<Uid>,
    succeeded: BTreeSet<Uid>,
    /// Failed, or gone before they ended.
    failed: BTreeSet<Uid>,
}

impl Jobs {
    pub(super) fn see(&mut self, seen: Seen<'_>, found: &mut Found) {
        match seen.new {
            Object::Job(job) => self.job(seen, job, found),
            Object::Pod(pod) => self.pod(seen, pod, found),
            _ => {}
        }
    }

    /// No pod keeps the tracking finalizer when its Job has long gone or ended.
    pub(super) fn audit(&self, store: &Store, now: SimTime, found: &mut Found) {
        for object in store.list(crate::model::Kind::Pod) {
            let Object::Pod(pod) = object else { continue };
            let Some(owner) = pod.meta.controller().filter(|o| o.kind == "Job") else { continue };
            let counted = match store.by_uid(owner.uid) {
                Some(Object::Job(job)) => job.status.is_finished() && !job.meta.is_terminating(),
                _ => true,
            };
            let at_rest = pod.is_terminal()
                && self.jobs.get(&owner.uid).is_some_and(|t| t.until + 30 * LAG < now);
            if counted && at_rest && pod.meta.has_finalizer(finalizers::JOB_TRACKING) {
                let text = format!("of {}", owner.name);
                found.say(now, object, "a counted pod loses its tracking finalizer", text);
            }
        }
    }

    fn job(&mut self, seen: Seen<'_>, job: &Job, found: &mut Found) {
        let tally = self.jobs.entry(job.meta.uid).or_default();
        let is_over = job.status.is_finished() || seen.change == Change::Deleted;
        let parallelism = match job.spec.parallelism.unwrap_or(1) {
            _ if job.spec.suspend || is_over => 0,
            n => usize::try_from(n).unwrap_or(0),
        };
        if parallelism != tally.parallelism {
            let held = if seen.at < tally.until { tally.before } else { 0 };
            tally.before = tally.parallelism.max(held);
            (tally.parallelism, tally.until) = (parallelism, seen.at + LAG);
        }
        let count = |set: &BTreeSet<Uid>| i32::try_from(set.len()).unwrap_or(i32::MAX);
        let status = &job.status;
        for (name, counted, happened) in [
            ("succeeded", status.succeeded, count(&tally.succeeded)),
            ("failed", status.failed, count(&tally.failed)),
        ] {
            if counted > happened {
                let text = format!("{name}: {counted} of {happened}");
                found.say(seen.at, seen.new, "a Job counts what happened", text);
            }
        }
        let counted = status.succeeded + status.failed;
        let ended = count(&tally.succeeded.union(&tally.failed).copied().collect());
        if counted > ended && !job.spec.indexed {
            let text = format!("{counted} of {ended}");
            found.say(seen.at, seen.new, "a Job counts a pod once", text);
        }
        if let Some(Object::Job(old)) = seen.old {
            // Indexes beyond the completions are forgotten (`calculateSucceededIndexes`).
            tally.shrunk |= job.spec.indexed && job.spec.completions < old.spec.completions;
            let old = &old.status;
            let forgets = status.succeeded < old.succeeded && !tally.shrunk;
            if forgets || status.failed < old.failed {
                let text = format!(
                    "{} {} was {} {}",
                    status.succeeded, status.failed, old.succeeded, old.failed
                );
                found.say(seen.at, seen.new, "a Job's counts do not go down", text);
            }
            if old.is_finished() && !status.is_finished() {
                found.say(seen.at, seen.new, "a Job that has ended stays so", String::new());
            }
        }
        if status.is_true("Complete") && status.is_true("Failed") {
            found.say(seen.at, seen.new, "a Job ends in one way", String::new());
        }
        let wanted = job.spec.completions.unwrap_or(0);
        let by_policy = job.spec.success_policy.is_some();
        let was_complete =
            matches!(seen.old, Some(Object::Job(old)) if old.status.is_true("Complete"));
        let completes = status.is_true("Complete") && !was_complete;
        if completes && status.succeeded < wanted && !by_policy {
            let text = format!("{} of {wanted}", status.succeeded);
            found.say(seen.at, seen.new, "a complete Job has its completions", text);
        }
        let indexes = status.completed_indexes.as_deref().unwrap_or_default();
        let by_index = Indexes::parse(indexes, i64::from(i32::MAX)).total();
        if job.spec.indexed && by_index != i64::from(status.succeeded) {
            let text = format!("{} for {indexes:?}", status.succeeded);
            found.say(seen.at, seen.new, "an indexed Job counts its completed indexes", text);
        }
    }

    fn pod(&mut self, seen: Seen<'_>, pod: &Pod, found: &mut Found) {
        let owner = pod.meta.controller().map(|o| o.uid);
        let Some(tally) = owner.and_then(|uid| self.jobs.get_mut(&uid)) else { return };
        let uid = pod.meta.uid;
        match pod.status.phase {
            Phase::Succeeded => {
                tally.succeeded.insert(uid);
                // A Job that ends in failure counts every pod as failed that it believes to run and
                // takes away (`trackJobStatusAndRemoveFinalizers`), also one that has just succeeded.
                if pod.meta.is_terminating() {
                    tally.failed.insert(uid);
                }
            }
            Phase::Failed => {
                tally.failed.insert(uid);
            }
            Phase::Pending | Phase::Running | Phase::Unknown => {
                // The controller counts a pod that is being deleted as failed.
                if pod.meta.is_terminating() || seen.change == Change::Deleted {
                    tally.failed.insert(uid);
                }
            }
        }
        if seen.change == Change::Deleted || !pod.is_active() {
            tally.active.remove(&uid);
            return;
        }
        if tally.active.insert(uid) && seen.change == Change::Added {
            let held = if seen.at < tally.until { tally.before } else { 0 };
            let most = tally.parallelism.max(held);
            if tally.active.len() > most {
                let text = format!("{} of {most}", tally.active.len());
                found.say(seen.at, seen.new, "a Job runs no more pods than its parallelism", text);
            }
        }
    }
}

//! The steps of one sync of a Job, as upstream orders its API calls.
//!
//! Follows the second half of `pkg/controller/job/job_controller.go`, `syncJob`, with
//! `deleteActivePods`, `deleteJobPods`, `manageJob` (the creations, in batches that double while they
//! succeed) and `flushUncountedAndRemoveFinalizers`. Each stage asks and is resumed with the replies;
//! what to ask comes from the planners beside this file.

use std::sync::Arc;
use std::time::Duration;

use super::conditions::{COMPLETE, Finish, SUSPENDED, condition, ensure};
use super::manage::{self, Action};
use super::round::{Round, count};
use super::track::{self, Counting};
use super::{JobController, pods, waiting};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::pod_control::{is_job_tracked, reference};
use crate::controllers::{Done, Retry, Step, SyncCx};
use crate::model::{ConditionStatus, Job, Key, Kind, Object, Pod, PodSpec, Ref, Uid, finalizers};
use crate::store::{DeleteOptions, ErrorReason, MetaChange, Reply, Request};
use crate::trace::{EventType, Regarding};

/// News within this time is dealt with in one sync (`SyncJobBatchPeriod`).
pub(super) const BATCH_PERIOD: Duration = Duration::from_secs(1);

/// A sync that has looked at its pods and goes through its stages.
#[derive(Clone, Debug)]
pub(super) struct Running {
    round: Round,
    stage: Stage,
    /// Whether a request about pods failed: the sync is to be repeated.
    failed: bool,
    /// Whether the Job was found to end, so that all its pods were to be deleted.
    ending: bool,
    /// Whether the number of pods was looked at in this sync.
    managed: bool,
    /// Until when failures keep it from making pods.
    back_off: Option<SimTime>,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Deleting what runs, for the Job ends.
    Ending(Vec<Arc<Pod>>),
    /// Taking the finalizer off pods that are to be deleted.
    Untracking(Vec<Arc<Pod>>),
    /// Deleting pods that are too many.
    Reducing(Vec<Arc<Pod>>),
    /// Making pods: so many in the batch that was asked for, then the rest.
    Creating { batch: usize, rest: Vec<Option<i64>>, spec: Arc<PodSpec> },
    /// Writing the status that names the pods to be counted.
    Naming { counting: Counting, completed_at: SimTime },
    /// Taking the finalizer off the pods to be counted.
    Releasing { counting: Counting, completed_at: SimTime },
    /// Writing what could be counted, others failed.
    WritingPart,
    /// Writing the counts.
    Writing { finished: bool },
}

/// What the controller's own step of a stage leads to.
type Next = Step<Box<Running>>;

impl JobController {
    /// Begins with a Job that has been looked at.
    pub(super) fn begin(&mut self, key: &Key, round: Round, cx: &mut SyncCx<'_, '_>) -> Next {
        let ending = round.finish.is_some();
        let mut run = Running {
            round,
            stage: Stage::WritingPart,
            failed: false,
            ending,
            managed: false,
            back_off: None,
        };
        if run.ending {
            let pods = run.round.active.clone();
            let requests = pods.iter().map(|p| delete(p)).collect();
            return run.ask(requests, Stage::Ending(pods));
        }
        if !run.round.memory.satisfied || run.round.job.meta.is_terminating() {
            return self.conclude(key, run, cx);
        }
        run.managed = true;
        let now = cx.now;
        match manage::plan(&run.round, now) {
            Action::Nothing => self.conclude(key, run, cx),
            Action::BackOff(until) => {
                run.back_off = Some(until.max(now + BATCH_PERIOD));
                // Upstream reports none while it waits, whatever else runs.
                run.round.active_count = 0;
                self.conclude(key, run, cx)
            }
            Action::Delete(pods) => {
                self.expected.expect_deletions(key, pods.iter().map(|p| p.meta.uid), now);
                let tracked = pods.iter().filter(|p| is_job_tracked(p));
                let requests = tracked.map(|p| untrack(p)).collect();
                run.ask(requests, Stage::Untracking(pods))
            }
            Action::Create(n) => self.create(key, run, vec![None; n], cx),
            Action::CreateIndexes(indexes) => {
                self.create(key, run, indexes.into_iter().map(Some).collect(), cx)
            }
        }
    }

    /// Goes on with the replies to a stage's requests.
    pub(super) fn go_on(
        &mut self,
        key: &Key,
        mut run: Box<Running>,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Next {
        match std::mem::replace(&mut run.stage, Stage::WritingPart) {
            Stage::Ending(pods) => {
                run.ended(&pods, &replies, cx);
                self.conclude(key, *run, cx)
            }
            Stage::Untracking(pods) => self.untracked(key, *run, pods, replies, cx),
            Stage::Reducing(pods) => {
                self.reduced(key, &mut run, &pods, &replies, cx);
                self.conclude(key, *run, cx)
            }
            Stage::Creating { batch, rest, spec } => {
                self.created(key, *run, (batch, rest, spec), replies, cx)
            }
            Stage::Naming { counting, completed_at } => {
                if !self.stored(key, &mut run, replies) {
                    return run.back_off();
                }
                self.known.entry(key.clone()).or_default().failures = run.round.memory.failures;
                self.release(key, *run, counting, completed_at, cx)
            }
            Stage::Releasing { counting, completed_at } => {
                self.released(key, *run, (counting, completed_at), replies, cx)
            }
            Stage::WritingPart => {
                self.stored(key, &mut run, replies);
                run.back_off()
            }
            Stage::Writing { finished } => {
                if !self.stored(key, &mut run, replies) {
                    return run.back_off();
                }
                if finished {
                    run.announce_end(cx);
                    self.known.entry(key.clone()).or_default().ended = Some(run.round.job.meta.uid);
                }
                run.done()
            }
        }
    }

    /// Goes on to delete pods whose finalizer was to be taken off (`deleteJobPods`).
    fn untracked(
        &mut self,
        key: &Key,
        mut run: Running,
        pods: Vec<Arc<Pod>>,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Next {
        let mut replies = replies.into_iter();
        let mut going = Vec::with_capacity(pods.len());
        let mut gone = 0;
        for pod in pods {
            let Some(reply) = is_job_tracked(&pod).then(|| replies.next()).flatten() else {
                going.push(pod);
                continue;
            };
            match self.wrote_pod(key, reply) {
                Ok(()) => going.push(pod),
                Err(reason) => {
                    self.expected.deleted(key, pod.meta.uid);
                    if reason == ErrorReason::NotFound {
                        gone += 1;
                    } else {
                        run.failed = true;
                    }
                }
            }
        }
        run.round.active_count -= count(gone);
        run.round.terminating_count += count(gone);
        if going.is_empty() {
            return self.conclude(key, run, cx);
        }
        let requests = going.iter().map(|p| delete(p)).collect();
        run.ask(requests, Stage::Reducing(going))
    }

    fn reduced(
        &mut self,
        key: &Key,
        run: &mut Running,
        pods: &[Arc<Pod>],
        replies: &[Reply],
        cx: &mut SyncCx<'_, '_>,
    ) {
        for (pod, reply) in pods.iter().zip(replies) {
            if reply.is_err() {
                self.expected.deleted(key, pod.meta.uid);
            }
            run.deleted(pod, reply, cx);
        }
    }

    /// Makes pods, one by one index or any: one first, then as many again while all succeed
    /// (`controller.SlowStartInitialBatchSize`).
    fn create(
        &mut self,
        key: &Key,
        mut run: Running,
        all: Vec<Option<i64>>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Next {
        if all.is_empty() {
            return self.conclude(key, run, cx);
        }
        self.expected.expect_creations(key, u32::try_from(all.len()).unwrap_or(u32::MAX), cx.now);
        run.round.active_count += count(all.len());
        let template = &run.round.job.spec.template.spec;
        let spec = if run.round.job.spec.indexed {
            self.spec_with_index(template)
        } else {
            template.clone()
        };
        run.create_batch(1, all, spec)
    }

    fn created(
        &mut self,
        key: &Key,
        mut run: Running,
        (batch, rest, spec): (usize, Vec<Option<i64>>, Arc<PodSpec>),
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Next {
        let mut failures = 0;
        for reply in replies {
            self.wrote.note(key, &reply);
            match reply {
                Ok(created) => {
                    if let Some(created) = created {
                        let name = &created.meta().name;
                        let text = smol_str::format_smolstr!("Created pod: {name}");
                        run.event(cx, EventType::Normal, "SuccessfulCreate", text);
                    }
                }
                // Whatever is made there goes at once: nothing to be said or repeated.
                Err(error) if error.is_namespace_terminating() => {}
                Err(error) => {
                    let text = smol_str::format_smolstr!("Error creating: {error}");
                    run.event(cx, EventType::Warning, "FailedCreate", text);
                    self.expected.created(key);
                    run.round.active_count -= 1;
                    failures += 1;
                }
            }
        }
        if failures > 0 {
            run.failed = true;
            run.round.active_count -= count(rest.len());
            for _ in &rest {
                self.expected.created(key);
            }
            return self.conclude(key, run, cx);
        }
        if rest.is_empty() {
            return self.conclude(key, run, cx);
        }
        run.create_batch(batch * 2, rest, spec)
    }

    /// Decides whether the Job is complete, and begins to count its pods.
    fn conclude(&mut self, key: &Key, mut run: Running, cx: &mut SyncCx<'_, '_>) -> Next {
        let now = cx.now;
        let suspension_changed = run.settle(cx);
        let round = &mut run.round;
        let status = &mut round.job.status;
        let changed = suspension_changed
            || status.active != round.active_count
            || status.ready != Some(round.ready_count)
            || status.terminating != Some(round.terminating_count);
        status.active = round.active_count;
        status.ready = Some(round.ready_count);
        status.terminating = Some(round.terminating_count);
        let counting = track::begin(round, changed, now);
        if counting.write_first {
            let request = Request::UpdateStatus(round.job.clone().into());
            return run.ask(vec![request], Stage::Naming { counting, completed_at: now });
        }
        self.release(key, run, counting, now, cx)
    }

    fn release(
        &mut self,
        key: &Key,
        run: Running,
        counting: Counting,
        completed_at: SimTime,
        cx: &mut SyncCx<'_, '_>,
    ) -> Next {
        if counting.release.is_empty() {
            return self.released(key, run, (counting, completed_at), Vec::new(), cx);
        }
        let uids = counting.release.iter().map(|p| p.meta.uid);
        self.known.entry(key.clone()).or_default().untracked.extend(uids);
        let requests = counting.release.iter().map(|p| untrack(p)).collect();
        run.ask(requests, Stage::Releasing { counting, completed_at })
    }

    fn released(
        &mut self,
        key: &Key,
        mut run: Running,
        (mut counting, completed_at): (Counting, SimTime),
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Next {
        let mut failed = false;
        for (pod, reply) in std::mem::take(&mut counting.release).into_iter().zip(replies) {
            let uid = pod.meta.uid;
            if let Err(reason) = self.wrote_pod(key, reply) {
                self.heard_untracked(key, uid);
                if reason != ErrorReason::NotFound {
                    failed = true;
                    continue;
                }
            }
            counting.tracked.remove(&uid);
        }
        let counted = track::count_released(&mut run.round.job.status, &counting.tracked);
        if failed {
            if !counted {
                return run.back_off();
            }
            let request = Request::UpdateStatus(run.round.job.clone().into());
            return run.ask(vec![request], Stage::WritingPart);
        }
        let finished = !counting.cut_short && track::declare(&mut run.round, completed_at, cx.now);
        if counted || finished {
            let request = Request::UpdateStatus(run.round.job.clone().into());
            return run.ask(vec![request], Stage::Writing { finished });
        }
        run.done()
    }

    /// Takes over a status as stored; `false` when it was refused.
    fn stored(&mut self, key: &Key, run: &mut Running, replies: Vec<Reply>) -> bool {
        let Some(reply) = replies.into_iter().next() else { return false };
        self.wrote.note(key, &reply);
        match reply {
            Ok(stored) => {
                if let Some(Object::Job(job)) = stored {
                    run.round.job = Arc::unwrap_or_clone(job);
                }
                true
            }
            Err(_) => false,
        }
    }

    fn wrote_pod(&mut self, key: &Key, reply: Reply) -> Result<(), ErrorReason> {
        self.wrote.note(key, &reply);
        reply.map(drop).map_err(|e| e.reason)
    }

    fn heard_untracked(&mut self, key: &Key, uid: Uid) {
        if let Some(known) = self.known.get_mut(key) {
            known.untracked.remove(&uid);
        }
    }

    fn spec_with_index(&mut self, template: &Arc<PodSpec>) -> Arc<PodSpec> {
        self.indexed_specs
            .entry(template.digest)
            .or_insert_with(|| Arc::new(pods::spec_with_index(template)))
            .clone()
    }
}

impl Running {
    fn ask(mut self, requests: Vec<Request>, stage: Stage) -> Next {
        self.stage = stage;
        Step::Ask { requests, then: Box::new(self) }
    }

    fn create_batch(self, size: usize, mut all: Vec<Option<i64>>, spec: Arc<PodSpec>) -> Next {
        let batch = size.min(all.len());
        let rest = all.split_off(batch);
        let job = &self.round.job;
        let pod = |index: &Option<i64>| match index {
            None => pods::plain_pod(job),
            Some(i) => {
                pods::indexed_pod(job, &spec, *i, self.round.held_back.get(i).map(Arc::as_ref))
            }
        };
        let requests = all.iter().map(|index| Request::Create(pod(index).into())).collect();
        self.ask(requests, Stage::Creating { batch, rest, spec })
    }

    /// The active pods of a Job that ends were to be deleted: without them all gone it cannot end yet.
    fn ended(&mut self, pods: &[Arc<Pod>], replies: &[Reply], cx: &mut SyncCx<'_, '_>) {
        for (pod, reply) in pods.iter().zip(replies) {
            self.deleted(pod, reply, cx);
        }
        if self.failed || !self.round.memory.satisfied {
            self.round.finish = None;
        }
    }

    /// A pod was to be deleted.
    fn deleted(&mut self, pod: &Pod, reply: &Reply, cx: &mut SyncCx<'_, '_>) {
        let round = &mut self.round;
        round.ready_count -= i32::from(pod.is_ready());
        let name = &pod.meta.name;
        match reply {
            Err(error) if error.reason != ErrorReason::NotFound => {
                self.failed = true;
                let text = smol_str::format_smolstr!("Error deleting: {error}");
                self.event(cx, EventType::Warning, "FailedDelete", text);
                return;
            }
            Err(_) => {}
            Ok(_) => {
                let text = smol_str::format_smolstr!("Deleted pod: {name}");
                self.event(cx, EventType::Normal, "SuccessfulDelete", text);
            }
        }
        self.round.active_count -= 1;
        self.round.terminating_count += 1;
    }

    /// Sees whether the Job is complete, else whether it is suspended or resumed; answers whether the
    /// latter changed.
    fn settle(&mut self, cx: &mut SyncCx<'_, '_>) -> bool {
        if self.ending {
            return false;
        }
        let none_left = self.round.active_count == 0;
        let complete = match self.round.job.spec.completions {
            None => self.round.succeeded > 0 && none_left,
            Some(n) => self.round.succeeded >= i64::from(n) && none_left,
        };
        if complete {
            let text = "Reached expected number of succeeded pods";
            self.round.finish = Some(Finish::success("CompletionsReached", text));
            return false;
        }
        self.managed && self.settle_suspension(cx)
    }

    fn settle_suspension(&mut self, cx: &mut SyncCx<'_, '_>) -> bool {
        let suspended = self.round.job.spec.suspend;
        let (status, reason, word, text) = if suspended {
            (ConditionStatus::True, "JobSuspended", "Suspended", "Job suspended")
        } else {
            (ConditionStatus::False, "JobResumed", "Resumed", "Job resumed")
        };
        let (reason, message) = (Str::new_static(reason), Str::new_static(text));
        let new = condition(SUSPENDED, status, &reason, &message, cx.now);
        if !ensure(&mut self.round.job.status.conditions, new) {
            return false;
        }
        self.event(cx, EventType::Normal, word, text);
        self.round.job.status.start_time = (!suspended).then(|| cx.now.trunc_secs());
        true
    }

    fn announce_end(&self, cx: &mut SyncCx<'_, '_>) {
        let Some(finish) = &self.round.finish else { return };
        if finish.kind != COMPLETE {
            self.event(cx, EventType::Warning, &finish.reason, finish.message.clone());
            return;
        }
        let job = &self.round.job;
        if job.spec.completions.is_some_and(|n| job.status.succeeded > n) {
            let text = "Too many succeeded pods running after completion count reached";
            self.event(cx, EventType::Warning, "TooManySucceededPods", text);
        }
        self.event(cx, EventType::Normal, "Completed", "Job completed");
    }

    fn event(&self, cx: &mut SyncCx<'_, '_>, of: EventType, reason: &str, text: impl Into<Str>) {
        cx.event_on(regarding(&self.round.job), of, reason, text);
    }

    /// When it is looked at again without news: at the deadline, at the end of the back-off.
    fn wake(&self) -> Option<SimTime> {
        self.round.deadline.into_iter().chain(self.back_off).min()
    }

    /// The sync failed: it is repeated after the key's back-off.
    fn back_off(&self) -> Next {
        let retry = self.wake().map_or(Retry::BackOff, Retry::BackOffAtMost);
        Step::Done(Done { retry, waiting: None })
    }

    fn done(&self) -> Next {
        if self.failed {
            return self.back_off();
        }
        let retry = self.wake().map_or(Retry::OnNews, Retry::At);
        let waiting = waiting::reason(&self.round, self.back_off);
        Step::Done(Done { retry, waiting })
    }
}

fn regarding(job: &Job) -> Regarding {
    let object = Ref { kind: Kind::Job, key: job.meta.key() };
    Regarding { object, uid: job.meta.uid, field_path: Str::default() }
}

fn delete(pod: &Pod) -> Request {
    Request::Delete { target: reference(pod), options: DeleteOptions::default() }
}

fn untrack(pod: &Pod) -> Request {
    let finalizer = Str::new_static(finalizers::JOB_TRACKING);
    Request::PatchMeta {
        target: reference(pod),
        uid: pod.meta.uid,
        changes: vec![MetaChange::RemoveFinalizer(finalizer)],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{job, pods_of};
    use super::*;
    use crate::controllers::fixture::Bench;
    use crate::model::Phase;

    fn bench(spec: &Value, all: &[&str]) -> Bench<JobController> {
        let mut bench = Bench::new();
        let Object::Job(job) = bench.put(job(spec).into()) else { panic!("a Job") };
        for pod in pods_of(&job, all) {
            bench.put(Object::Pod(pod));
        }
        bench
    }

    #[test]
    fn pods_are_named_then_released_then_counted_and_the_end_comes_last() {
        let mut bench = bench(&json!({"completions": 1}), &["Succeeded"]);
        let expected = [
            "status Job j: 0 active, 0+1 succeeded, 0+0 failed, SuccessCriteriaMet",
            "patch Pod j-1",
            "status Job j: 0 active, 1+0 succeeded, 0+0 failed, SuccessCriteriaMet, Complete",
            "Completed Job completed",
        ];
        assert_eq!(bench.run(), expected);
    }

    #[test]
    fn pods_are_made_one_then_two_then_the_rest() {
        let mut bench = bench(&json!({"completions": 5, "parallelism": 5}), &[]);
        let told = bench.run();
        let made = told.iter().filter(|line| line.starts_with("create Pod -> ")).count();
        assert_eq!(made, 5, "{told:#?}");
        assert_eq!(told.last().map(String::as_str), Some("j waits for 5 pods to start"));
        bench.wait(1);
        assert_eq!(bench.run(), [""; 0], "news of its own doing changes nothing");
    }

    #[test]
    fn a_failing_job_stops_its_pods_and_fails_when_they_have_stopped() {
        let spec = json!({"backoffLimit": 0, "parallelism": 2, "completions": 2});
        let mut bench = bench(&spec, &["Failed", "Running"]);
        let expected = [
            "delete Pod j-2",
            "SuccessfulDelete Deleted pod: j-2",
            "status Job j: 0 active, 0+0 succeeded, 0+2 failed, FailureTarget",
            "patch Pod j-1",
            "patch Pod j-2",
            "status Job j: 0 active, 0+0 succeeded, 2+0 failed, FailureTarget",
            "j waits for 1 pod to stop",
        ];
        assert_eq!(bench.run(), expected);
        bench.make("j-2", Phase::Failed);
        bench.wait(1);
        let expected = [
            "status Job j: 0 active, 0+0 succeeded, 2+0 failed, FailureTarget",
            "status Job j: 0 active, 0+0 succeeded, 2+0 failed, FailureTarget, Failed",
            "BackoffLimitExceeded Job has reached the specified backoff limit",
            "j waits no longer",
        ];
        assert_eq!(bench.run(), expected);
    }

    #[test]
    fn a_sync_whose_request_is_refused_is_repeated_after_a_second() {
        let mut bench = bench(&json!({}), &[]);
        bench.refuse = |request| {
            let refused = matches!(request, Request::Create(_));
            refused.then(|| crate::store::ApiError::forbidden(Kind::Pod, "j-", "exceeded quota"))
        };
        let told = bench.run();
        assert_eq!(told[0], "create Pod: refused");
        assert_eq!(
            told[1],
            "FailedCreate Error creating: pods \"j-\" is forbidden: exceeded quota"
        );
        assert_eq!(bench.wakes_in(), Some(1));
    }
}

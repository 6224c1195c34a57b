//! What follows a cycle that found no node (`handleSchedulingFailure`).

use super::{Failing, Scheduler};
use crate::base::Str;
use crate::engine::Cx;
use crate::model::{ConditionStatus, PodCondition, conditions};
use crate::scheduler::cycle::{Decision, Outcome};
use crate::scheduler::news::Hints;
use crate::scheduler::plugins::PluginSet;
use crate::scheduler::queue::Queued;
use crate::store::Request;
use crate::trace::EventType;

/// The longest text of an event (`NoteLengthLimit`).
const NOTE_MAX: usize = 1024;

impl Scheduler {
    /// Ends the failing cycle, if there is one.
    pub(super) fn fail(&mut self, cx: &mut Cx<'_>) {
        if let Some(Failing { queued, decision }) = self.failing.take() {
            self.failed(queued, decision, cx);
        }
    }

    /// The pod goes back to the queue; its condition and an event say why.
    pub(super) fn failed(&mut self, mut queued: Queued, decision: Decision, cx: &mut Cx<'_>) {
        let (reason, message, plugins) = match &decision.outcome {
            Outcome::Unfit(d) => ("Unschedulable", Str::from(d.message()), d.plugins),
            Outcome::Error(text) => ("SchedulerError", text.clone(), PluginSet::default()),
            Outcome::Node(_) => return,
        };
        let uid = queued.info.uid();
        queued.rejected_by = plugins;
        let cause = queued.cause;
        match self.waiting.get(&uid) {
            Some(known) => {
                queued.info = known.info.clone();
                let Some(profile) = self.config.profiles.first() else { return };
                let hints = Hints { world: &self.cluster.world, args: &profile.args };
                self.queue.put_back(queued.clone(), cx.now, &hints);
                self.cluster.nominator.nominate(&queued.info, Some(&Str::default()));
            }
            None => self.queue.done(uid),
        }
        self.record(cx, &queued, EventType::Warning, "FailedScheduling", cut(&message));
        self.say_waiting(uid, message.clone(), cause, cx);
        self.patch(&queued, reason, message, Some(Str::default()), cx);
    }

    /// Writes the condition PodScheduled and the nominated node, where they are new (`updatePod`).
    fn patch(
        &mut self,
        queued: &Queued,
        reason: &'static str,
        message: Str,
        nominated: Option<Str>,
        cx: &mut Cx<'_>,
    ) {
        let pod = &queued.info.pod;
        let same = |c: &PodCondition| {
            c.status == ConditionStatus::False && c.reason == reason && c.message == message
        };
        let known = pod.status.condition(conditions::POD_SCHEDULED).is_some_and(same);
        let nominated = nominated.filter(|n| *n != pod.status.nominated_node);
        if known && nominated.is_none() {
            return;
        }
        let condition = PodCondition {
            kind: Str::new_static(conditions::POD_SCHEDULED),
            status: ConditionStatus::False,
            reason: Str::new_static(reason),
            message,
            since: cx.now,
            observed_generation: 0,
        };
        let request = Request::PodConditions {
            pod: pod.meta.key(),
            uid: pod.meta.uid,
            conditions: if known { Vec::new() } else { vec![condition] },
            nominated_node: nominated,
        };
        let token = self.token();
        cx.send(token, queued.cause, request);
    }
}

/// A text as an event may carry it.
fn cut(message: &Str) -> Str {
    if message.len() <= NOTE_MAX {
        return message.clone();
    }
    let mut end = NOTE_MAX - 4;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{} ...", &message[..end]).into()
}

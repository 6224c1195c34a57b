//! What follows a cycle that found no node (`handleSchedulingFailure`).

use super::{Failing, Scheduler, record};
use crate::base::Str;
use crate::engine::Cx;
use crate::model::{ConditionStatus, PodCondition, conditions};
use crate::scheduler::cycle::Outcome;
use crate::scheduler::plugins::PluginSet;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::preemption::{Nomination, PostFilter};
use crate::store::Request;
use crate::trace::{EventType, FactId};

/// The longest text of an event (`NoteLengthLimit`).
const NOTE_MAX: usize = 1024;

impl Scheduler {
    /// Ends the failing cycle, if there is one.
    pub(super) fn fail(&mut self, cx: &mut Cx<'_>) {
        if let Some(failing) = self.failing.take() {
            self.failed(failing, cx);
        }
    }

    /// The pod goes back to the queue; its condition and an event say why.
    pub(super) fn failed(&mut self, failing: Failing, cx: &mut Cx<'_>) {
        let Failing { mut queued, decision, post } = failing;
        let (reason, message, plugins) = match decision.outcome {
            Outcome::Unfit(mut diagnosis) => {
                if let Some(PostFilter { message, .. }) = &post {
                    diagnosis.post_filter = message.clone();
                }
                ("Unschedulable", Str::from(diagnosis.message()), diagnosis.plugins)
            }
            Outcome::Error(text) => ("SchedulerError", text, PluginSet::default()),
            Outcome::Node(_) => return,
        };
        // Without a PostFilter step, as after any failure, the nomination is withdrawn.
        let node = match post.map(|p| p.nomination) {
            Some(Nomination::Keep) => None,
            Some(Nomination::Clear) | None => Some(Str::default()),
            Some(Nomination::Node(slot, victims)) => {
                let node = self.feed.cluster.snapshot.node(slot).name.clone();
                self.preempt(&queued, &node, &victims, cx);
                Some(node)
            }
        };
        let uid = queued.info.uid();
        queued.rejected_by = plugins;
        if let Some(latest) = self.feed.waiting(uid) {
            queued.info = latest.clone();
            self.feed.put_back(queued.clone(), node.as_ref(), cx.now);
        } else {
            self.feed.queue.done(uid);
        }
        record(cx, &queued, EventType::Warning, "FailedScheduling", cut(&message));
        self.say_waiting(&queued.info, message.clone(), queued.cause, cx);
        self.patch(&queued.info, Some((reason, message)), node, queued.cause, cx);
    }

    /// Writes the condition PodScheduled (reason and message) and the nominated node, where they are
    /// new (`updatePod`).
    pub(super) fn patch(
        &mut self,
        pod: &PodInfo,
        unscheduled: Option<(&'static str, Str)>,
        nominated: Option<Str>,
        cause: FactId,
        cx: &mut Cx<'_>,
    ) {
        let pod = &pod.pod;
        let known = pod.status.condition(conditions::POD_SCHEDULED);
        let condition = unscheduled.map(|(reason, message)| PodCondition {
            kind: Str::new_static(conditions::POD_SCHEDULED),
            status: ConditionStatus::False,
            reason: Str::new_static(reason),
            message,
            since: cx.now,
            observed_generation: known.map_or(0, |c| c.observed_generation),
        });
        let is_new = |c: &PodCondition| {
            known.is_none_or(|k| {
                k.status != c.status || k.reason != c.reason || k.message != c.message
            })
        };
        let condition = condition.filter(is_new);
        let nominated = nominated.filter(|n| *n != pod.status.nominated_node);
        if condition.is_none() && nominated.is_none() {
            return;
        }
        let request = Request::PodConditions {
            pod: pod.meta.key(),
            uid: pod.meta.uid,
            conditions: condition.into_iter().collect(),
            nominated_node: nominated,
        };
        let token = self.token();
        cx.send(token, cause, request);
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

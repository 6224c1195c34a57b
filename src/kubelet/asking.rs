//! What is asked of a container and takes time: probes and hooks under way.
//!
//! Follows `pkg/kubelet/prober/prober.go` and `pkg/kubelet/lifecycle/handlers.go`. A command runs in
//! the container; requests over the network are answered by whoever listens at the pod's address.

use std::time::Duration;

use super::body::ExecId;
use super::desk::Desk;
use super::dial;
use super::probes::{Answer, Ask};
use super::runtime::{Nth, container};
use super::text::{go_duration, go_list};
use super::worker::Worker;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::Handler;
use crate::trace::EventType;

/// A probe under way, or a hook that outlived its grace.
#[derive(Clone, Debug)]
pub(super) struct Asking(What);

#[derive(Clone, Debug)]
enum What {
    /// A probe's command runs in the container.
    Command { ask: Ask, run: u64, exec: ExecId, until: SimTime, words: String, limit: Duration },
    /// A probe's answer comes over the network at that time.
    Network { ask: Ask, at: SimTime, answer: Answer },
    /// A preStop hook that ran longer than its grace.
    LateHook { container: Nth, hook: Hook },
}

impl Asking {
    /// A preStop hook that goes on although its grace is over.
    pub(super) const fn late_hook(container: Nth, hook: Hook) -> Self {
        Self(What::LateHook { container, hook })
    }

    /// When something is due.
    pub(super) fn next(&self) -> Option<SimTime> {
        match &self.0 {
            What::Command { until, .. } => Some(*until),
            What::Network { at, .. } => Some(*at),
            What::LateHook { hook, .. } => hook.next(),
        }
    }
}

impl Worker {
    /// Runs the probes that are due and takes the answers that have come; whether anything was done.
    pub(super) fn run_probes(&mut self, d: &mut Desk<'_, '_>) -> bool {
        let mut moved = false;
        let ticked = {
            let status = self.reports.current(&self.pod);
            self.probes.tick(&self.pod.spec, status, d.cx.now)
        };
        for change in ticked.changes {
            self.probe_changed(change, d);
            moved = true;
        }
        for ask in ticked.asks {
            self.ask(ask, d);
            moved = true;
        }
        let mut i = 0;
        while i < self.asking.len() {
            let asking = self.asking.swap_remove(i);
            match self.poll_asking(asking, d) {
                Some(asking) => {
                    self.asking.push(asking);
                    let last = self.asking.len() - 1;
                    self.asking.swap(i, last);
                    i += 1;
                }
                None => moved = true,
            }
        }
        moved
    }

    /// Runs a probe.
    fn ask(&mut self, ask: Ask, d: &mut Desk<'_, '_>) {
        let spec = std::sync::Arc::clone(&self.pod.spec);
        let Some(c) = container(&spec, ask.container) else { return };
        let Some(probe) = ask.kind.of(c) else { return };
        let now = d.cx.now;
        let answer = match &probe.handler {
            Handler::Exec(words) => {
                let words = super::env::expand_words(words, &spec, ask.container);
                let run = self.actual.current(ask.container).map_or(0, |r| r.id);
                match self.exec(ask.container, &words, d) {
                    Some(Err(text)) => Answer { ok: None, text, lasting: false },
                    Some(Ok(exec)) => {
                        let what = What::Command {
                            ask,
                            run,
                            exec,
                            until: now + probe.timeout,
                            words: words.join(" "),
                            limit: probe.timeout,
                        };
                        return self.asking.push(Asking(what));
                    }
                    None if self.ended_at(ask.container) == Some(now) => {
                        // Of what happens at one instant the probe comes first: the program that ends
                        // now still answered it as before.
                        let unsaid = Answer { ok: None, text: String::new(), lasting: false };
                        self.probes.answer(ask, &spec, &unsaid);
                        return;
                    }
                    None => Answer {
                        ok: None,
                        text: "rpc error: code = Unknown desc = failed to exec in container: \
                               container is in CONTAINER_EXITED state"
                            .to_owned(),
                        lasting: false,
                    },
                }
            }
            handler => {
                let ip = self.reports.current(&self.pod).pod_ip;
                let mut reply = dial::probe(handler, c, ip, probe.timeout, d);
                // What scripts serve may change by itself.
                let body = self.bodies.get(ask.container.index()).and_then(Option::as_ref);
                reply.answer.lasting &= !body.is_some_and(|b| b.is_live() || b.will_change(now));
                if !reply.after.is_zero() {
                    let at = now + reply.after;
                    let what = What::Network { ask, at, answer: reply.answer };
                    return self.asking.push(Asking(what));
                }
                reply.answer
            }
        };
        self.answered(ask, &answer, d);
    }

    fn poll_asking(&mut self, asking: Asking, d: &mut Desk<'_, '_>) -> Option<Asking> {
        let now = d.cx.now;
        match asking.0 {
            What::Command { ask, run, exec, until, words, limit } => {
                let same = self.actual.current(ask.container).is_some_and(|r| r.id == run);
                let done = match self.exec_done(ask.container, exec).filter(|_| same) {
                    Some(done) => {
                        Answer { ok: Some(done.code == 0), text: done.output, lasting: false }
                    }
                    None if !same || self.is_over(ask.container) => {
                        Answer { ok: Some(false), text: String::new(), lasting: false }
                    }
                    None if now >= until => {
                        self.exec_cancel(ask.container, exec, d);
                        let limit = go_duration(limit);
                        let text = format!("command timed out: {words:?} timed out after {limit}");
                        Answer { ok: Some(false), text, lasting: false }
                    }
                    None => {
                        let what = What::Command { ask, run, exec, until, words, limit };
                        return Some(Asking(what));
                    }
                };
                self.answered(ask, &done, d);
                None
            }
            What::Network { ask, at, answer } => {
                if at > now {
                    return Some(Asking(What::Network { ask, at, answer }));
                }
                self.answered(ask, &answer, d);
                None
            }
            What::LateHook { container, mut hook } => match hook.poll(self, d) {
                None => Some(Asking(What::LateHook { container, hook })),
                Some(HookEnd::Succeeded) => None,
                Some(HookEnd::Failed(_)) => {
                    let text = "PreStopHook failed";
                    let warning = EventType::Warning;
                    self.container_event(container, warning, "FailedPreStopHook", text, d);
                    None
                }
            },
        }
    }

    /// A probe has answered: events, and what follows from it.
    fn answered(&mut self, ask: Ask, answer: &Answer, d: &mut Desk<'_, '_>) {
        let kind = ask.kind.as_str();
        let text = match answer.ok {
            Some(true) => None,
            Some(false) => Some(format!("{kind} probe failed: {}", answer.text)),
            None => {
                Some(format!("{kind} probe errored and resulted in unknown state: {}", answer.text))
            }
        };
        if let Some(text) = text {
            self.container_event(ask.container, EventType::Warning, "Unhealthy", &text, d);
        }
        let spec = std::sync::Arc::clone(&self.pod.spec);
        if let Some(change) = self.probes.answer(ask, &spec, answer) {
            self.probe_changed(change, d);
        }
    }

    /// When the latest run of a container ended.
    fn ended_at(&self, n: Nth) -> Option<SimTime> {
        self.actual.current(n)?.exited()?.finished_at
    }

    /// Whether the latest run of a container has ended.
    pub(super) fn is_over(&self, n: Nth) -> bool {
        self.actual.current(n).is_none_or(|r| r.exited().is_some())
    }
}

/// A hook under way.
#[derive(Clone, Debug)]
pub(super) struct Hook(Going);

#[derive(Clone, Debug)]
enum Going {
    Nothing,
    Command { container: Nth, exec: ExecId, words: Vec<Str> },
    Until(SimTime, HookEnd),
}

/// How a hook ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HookEnd {
    /// Well.
    Succeeded,
    /// Not, and what the status says of it.
    Failed(String),
}

impl Hook {
    /// A hook that is nothing.
    pub(super) const fn nothing() -> Self {
        Self(Going::Nothing)
    }

    /// Begins a hook of a container.
    pub(super) fn begin(w: &mut Worker, n: Nth, handler: &Handler, d: &mut Desk<'_, '_>) -> Self {
        let now = d.cx.now;
        let spec = std::sync::Arc::clone(&w.pod.spec);
        let Some(c) = container(&spec, n) else { return Self::nothing() };
        Self(match handler {
            Handler::Exec(words) => match w.exec(n, words, d) {
                Some(Ok(exec)) => Going::Command { container: n, exec, words: words.clone() },
                Some(Err(error)) => {
                    Going::Until(now, HookEnd::Failed(failed(w, &c.name, words, &error, "")))
                }
                None => {
                    let error = "rpc error: code = Unknown desc = failed to exec in container: container \
                                 is in CONTAINER_EXITED state";
                    Going::Until(now, HookEnd::Failed(failed(w, &c.name, words, error, "")))
                }
            },
            Handler::Sleep(length) => Going::Until(now + *length, HookEnd::Succeeded),
            Handler::HttpGet(get) => {
                let ip = w.actual.ready_sandbox().and_then(|s| s.ip);
                let reply = dial::hook(get, c, ip, d);
                let end = match reply.error {
                    None => HookEnd::Succeeded,
                    Some(error) => HookEnd::Failed(format!(
                        "HTTP lifecycle hook ({}) for Container {:?} in Pod {:?} failed - error: \
                         {error}",
                        get.path,
                        c.name,
                        w.full_name()
                    )),
                };
                Going::Until(now + reply.after, end)
            }
            Handler::TcpSocket { .. } | Handler::Grpc { .. } => {
                let text = "Cannot run handler: invalid handler".to_owned();
                Going::Until(now, HookEnd::Failed(text))
            }
        })
    }

    /// How it ended, once it has.
    pub(super) fn poll(&mut self, w: &mut Worker, d: &mut Desk<'_, '_>) -> Option<HookEnd> {
        match &self.0 {
            Going::Nothing => Some(HookEnd::Succeeded),
            Going::Until(at, end) => (*at <= d.cx.now).then(|| end.clone()),
            Going::Command { container: n, exec, words } => {
                let name = container(w.spec(), *n).map(|c| c.name.clone()).unwrap_or_default();
                match w.exec_done(*n, *exec) {
                    Some(done) if done.code == 0 => Some(HookEnd::Succeeded),
                    Some(done) => {
                        let error = exited(words, done.code, &done.errors);
                        Some(HookEnd::Failed(failed(w, &name, words, &error, &done.output)))
                    }
                    None if w.is_over(*n) => {
                        let error = exited(words, 137, "");
                        Some(HookEnd::Failed(failed(w, &name, words, &error, "")))
                    }
                    None => None,
                }
            }
        }
    }

    /// When something is due.
    pub(super) fn next(&self) -> Option<SimTime> {
        match &self.0 {
            Going::Nothing => Some(SimTime::ZERO),
            Going::Until(at, _) => Some(*at),
            Going::Command { .. } => None,
        }
    }
}

fn exited(words: &[Str], code: i32, errors: &str) -> String {
    format!("command '{}' exited with {code}: {errors}", words.join(" "))
}

fn failed(w: &Worker, name: &str, words: &[Str], error: &str, output: &str) -> String {
    format!(
        "Exec lifecycle hook ({}) for Container {name:?} in Pod {:?} failed - error: {error}, message: \
         {output:?}",
        go_list(words),
        w.full_name(),
    )
}

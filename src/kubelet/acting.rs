//! The part of a sync that changes containers, one action after the other.
//!
//! Follows `pkg/kubelet/kuberuntime` (`SyncPod` from its second step on, `startContainer`,
//! `doBackOff`): containers are stopped, the sandbox is made, init containers and then main containers
//! are started, each after its back-off, its image, its creation, its start and its hook. What failed
//! is kept for the status and for the time of the next try.

use std::collections::VecDeque;
use std::sync::Arc;

use super::actions::{Actions, KillReason, ToKill};
use super::asking::{Hook, HookEnd};
use super::body::{Body, Order};
use super::desk::Desk;
use super::env;
use super::images::{self, Image, Need, Pull};
use super::lifecycle::Kills;
use super::restarts::Series;
use super::runtime::{Nth, Run, RunState, Sandbox, View, container};
use super::security::{self, Verdict};
use super::text::go_duration;
use super::worker::Worker;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::Terminated;
use crate::trace::EventType;

/// A sync's actions, under way.
#[derive(Clone, Debug)]
pub(super) struct Acting {
    todo: VecDeque<Act>,
    doing: Doing,
    /// The containers as the sync saw them.
    seen: View,
    restart_all: bool,
    /// Something was done or tried.
    any: bool,
    removed: bool,
    /// Whether resources of containers were set, or could not be.
    resized: Option<Result<(), ()>>,
    /// Starts that were tried, with what they failed of.
    starts: Vec<(Nth, Option<Failure>)>,
}

/// Why a start failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// In one word.
    pub(super) reason: Str,
    /// For people.
    pub(super) message: Str,
    /// When the back-off ends, if it is one.
    until: Option<SimTime>,
}

/// One action.
#[derive(Clone, Debug)]
enum Act {
    KillAll,
    Kill(ToKill),
    Remove(Nth, bool),
    Sandbox(u32),
    Start(Nth),
    Resize(Vec<Nth>),
}

/// What an action is doing.
#[derive(Clone, Debug, Default)]
enum Doing {
    #[default]
    Nothing,
    KillingAll(Kills),
    Killing(Kills),
    Removing(Nth, Kills),
    Sandbox(u32, SimTime),
    Resizing(Vec<Nth>, SimTime),
    Pulling(Nth, Arc<Image>, Pull),
    Creating(Nth, Arc<Image>, SimTime),
    Starting(Nth, Box<Order>, SimTime),
    Hook(Nth, Hook),
    /// The start hook failed: the container is stopped, then the start has failed of this.
    Unhooking(Nth, Kills, Failure),
}

impl Acting {
    /// The actions of a sync that saw `seen`.
    pub(super) fn new(plan: Actions, seen: View, restart_all: bool) -> Self {
        let mut todo = VecDeque::new();
        if plan.kill_pod {
            todo.push_back(Act::KillAll);
        } else {
            todo.extend(plan.kill.into_iter().map(Act::Kill));
            todo.extend(plan.reset.into_iter().map(|(n, kill)| Act::Remove(n, kill)));
        }
        todo.extend(plan.create_sandbox.map(Act::Sandbox));
        // Where the whole pod is stopped there is nothing left to look at.
        let added = plan.start_ephemeral.into_iter().filter(|_| !plan.kill_pod);
        todo.extend(added.map(Act::Start));
        todo.extend(plan.start_init.into_iter().map(Act::Start));
        if !plan.resize.is_empty() {
            todo.push_back(Act::Resize(plan.resize));
        }
        todo.extend(plan.start.into_iter().map(Act::Start));
        let any = !todo.is_empty();
        Self {
            todo,
            doing: Doing::Nothing,
            seen,
            restart_all,
            any,
            removed: false,
            resized: None,
            starts: Vec::new(),
        }
    }

    /// Whether all is done.
    pub(super) fn is_done(&self) -> bool {
        self.todo.is_empty() && matches!(self.doing, Doing::Nothing)
    }

    /// The starts that were tried.
    pub(super) fn starts(&self) -> impl Iterator<Item = (Nth, Option<&Failure>)> {
        self.starts.iter().map(|(n, f)| (*n, f.as_ref()))
    }

    /// Whether anything failed.
    pub(super) fn failed(&self) -> bool {
        self.resized == Some(Err(())) || self.starts.iter().any(|(_, f)| f.is_some())
    }

    /// Whether resources of containers were set.
    pub(super) fn resized(&self) -> bool {
        self.resized == Some(Ok(()))
    }

    /// When the first of the back-offs ends that starts failed of (`MinBackoffExpiration`).
    pub(super) fn back_off_ends(&self) -> Option<SimTime> {
        self.starts.iter().filter_map(|(_, f)| f.as_ref()?.until).min()
    }

    /// Whether there was anything to do.
    pub(super) const fn did_something(&self) -> bool {
        self.any
    }

    /// Whether containers were taken away so that all start again.
    pub(super) const fn restarted_all(&self) -> bool {
        self.restart_all && self.removed
    }

    /// The container whose image is being pulled.
    pub(super) fn pulling(&self) -> Option<Nth> {
        match &self.doing {
            Doing::Pulling(n, ..) => Some(*n),
            Doing::Nothing
            | Doing::KillingAll(_)
            | Doing::Killing(_)
            | Doing::Removing(..)
            | Doing::Sandbox(..)
            | Doing::Resizing(..)
            | Doing::Creating(..)
            | Doing::Starting(..)
            | Doing::Hook(..)
            | Doing::Unhooking(..) => None,
        }
    }

    /// When something is due.
    pub(super) fn next_wake(&self) -> Option<SimTime> {
        match &self.doing {
            Doing::Nothing => Some(SimTime::ZERO),
            Doing::KillingAll(kills) | Doing::Killing(kills) | Doing::Removing(_, kills) => {
                kills.next_wake()
            }
            Doing::Unhooking(_, kills, _) => kills.next_wake(),
            Doing::Sandbox(_, at)
            | Doing::Resizing(_, at)
            | Doing::Creating(_, _, at)
            | Doing::Starting(_, _, at) => Some(*at),
            Doing::Pulling(_, _, pull) => Some(pull.ends),
            Doing::Hook(_, hook) => hook.next(),
        }
    }

    /// One step; whether anything was done.
    pub(super) fn step(&mut self, w: &mut Worker, d: &mut Desk<'_, '_>) -> bool {
        let now = d.cx.now;
        match std::mem::take(&mut self.doing) {
            Doing::Nothing => {
                let Some(act) = self.todo.pop_front() else { return false };
                self.begin(act, w, d);
                true
            }
            Doing::KillingAll(mut kills) => {
                let moved = kills.step(w, d);
                if kills.is_done() {
                    w.stop_sandbox(d);
                    return true;
                }
                self.doing = Doing::KillingAll(kills);
                moved
            }
            Doing::Killing(mut kills) => {
                let moved = kills.step(w, d);
                if kills.is_done() {
                    return true;
                }
                self.doing = Doing::Killing(kills);
                moved
            }
            Doing::Removing(n, mut kills) => {
                let moved = kills.step(w, d);
                if kills.is_done() {
                    self.remove(n, w, d);
                    return true;
                }
                self.doing = Doing::Removing(n, kills);
                moved
            }
            Doing::Unhooking(n, mut kills, failure) => {
                let moved = kills.step(w, d);
                if kills.is_done() {
                    self.fail(n, failure, w);
                    return true;
                }
                self.doing = Doing::Unhooking(n, kills, failure);
                moved
            }
            Doing::Hook(n, hook) => self.hook(n, hook, w, d),
            timed => self.timed(timed, now, w, d),
        }
    }

    /// The actions that only take time.
    fn timed(&mut self, doing: Doing, now: SimTime, w: &mut Worker, d: &mut Desk<'_, '_>) -> bool {
        match doing {
            Doing::Sandbox(attempt, at) if at <= now => self.sandbox_stands(attempt, w, d),
            Doing::Resizing(all, at) if at <= now => self.resize(&all, w, d),
            Doing::Pulling(n, image, pull) if pull.ends <= now => self.pulled(n, image, pull, w, d),
            Doing::Creating(n, image, at) if at <= now => self.created(n, image, w, d),
            Doing::Starting(n, order, at) if at <= now => self.started(n, *order, w, d),
            other => {
                self.doing = other;
                return false;
            }
        }
        true
    }

    fn begin(&mut self, act: Act, w: &mut Worker, d: &mut Desk<'_, '_>) {
        self.doing = match act {
            Act::KillAll => {
                let running = super::actions::running(&w.pod.spec, &self.seen);
                Doing::KillingAll(Kills::all(w, &running, None, d))
            }
            Act::Kill(k) => {
                Doing::Killing(Kills::one(w, k.container, &k.message, k.reason, None, d))
            }
            Act::Remove(n, true) => {
                let kills = Kills::one(w, n, "killing", KillReason::RestartAll, Some(0), d);
                Doing::Removing(n, kills)
            }
            Act::Remove(n, false) => {
                self.remove(n, w, d);
                Doing::Nothing
            }
            Act::Sandbox(attempt) => {
                if attempt > 0 {
                    let text = "Pod sandbox changed, it will be killed and re-created.";
                    w.pod_event(EventType::Normal, "SandboxChanged", text, d);
                    self.purge_init(w, d);
                }
                Doing::Sandbox(attempt, d.cx.now + d.cx.latency.sandbox_start)
            }
            Act::Resize(all) => {
                let long = u32::try_from(all.len()).unwrap_or(u32::MAX);
                Doing::Resizing(all, d.cx.now + super::resize::SETTING * long)
            }
            Act::Start(n) => {
                self.start(n, w, d);
                return;
            }
        };
    }

    fn remove(&mut self, n: Nth, w: &mut Worker, d: &Desk<'_, '_>) {
        w.actual.forget(n);
        self.removed = true;
        w.changed(std::time::Duration::ZERO, d);
    }

    /// A new sandbox begins with the first init container again (`purgeInitContainers`).
    fn purge_init(&mut self, w: &mut Worker, d: &Desk<'_, '_>) {
        let spec = Arc::clone(&w.pod.spec);
        for (n, _) in super::runtime::each_init(&spec) {
            w.actual.forget(n);
            self.seen.forget(n);
        }
        w.changed(std::time::Duration::ZERO, d);
    }

    fn sandbox_stands(&mut self, attempt: u32, w: &mut Worker, d: &mut Desk<'_, '_>) {
        let ip = if w.pod.spec.host_network { d.node.address } else { d.node.take_address() };
        w.actual.sandbox = Some(Sandbox { attempt, ready: true, ip });
        w.changed(std::time::Duration::ZERO, d);
        // `OnPodSandboxReady` tells of it before the images are there.
        let now = d.cx.now.trunc_secs();
        w.reports.change(|status| super::conditions::set_sandbox_ready(status, now));
    }

    /// Containers get the resources that are set aside for them.
    fn resize(&mut self, all: &[Nth], w: &mut Worker, d: &mut Desk<'_, '_>) {
        match w.set_resources(all, d) {
            Ok(()) => self.resized = Some(Ok(())),
            Err(why) => {
                w.resize_failed(&why, d);
                self.resized = Some(Err(()));
            }
        }
    }

    /// A start: back-off, then the image.
    fn start(&mut self, n: Nth, w: &mut Worker, d: &mut Desk<'_, '_>) {
        let spec = Arc::clone(&w.pod.spec);
        let Some(c) = container(&spec, n) else { return };
        if let Some(failure) = self.backs_off(n, &c.name, &c.image, w, d) {
            return self.fail(n, failure, w);
        }
        let image = match d.shared.images.named(&c.image) {
            Ok(image) => image,
            Err(why) => {
                let text = format!(
                    "Failed to apply default image tag {:?}: couldn't parse image name {:?}: {why}",
                    c.image, c.image
                );
                w.container_event(n, EventType::Warning, "InspectFailed", &text, d);
                return self.fail_told(n, "InvalidImageName", &text, w, d);
            }
        };
        match d.node.images.need(c.pull_policy, &image, &d.shared.image_model) {
            Need::Present => {
                let text = format!(
                    "Container image {:?} already present on machine and can be accessed by the pod",
                    c.image
                );
                w.container_event(n, EventType::Normal, "Pulled", &text, d);
                self.create(n, image, w, d);
            }
            Need::Absent => {
                let text = format!(
                    "Container image {:?} is not present with pull policy of Never",
                    c.image
                );
                w.container_event(n, EventType::Warning, "ErrImageNeverPull", &text, d);
                self.fail_told(n, "ErrImageNeverPull", &text, w, d);
            }
            Need::Pull => self.pull(n, image, w, d),
        }
    }

    /// Whether the start must wait (`doBackOff`).
    fn backs_off(
        &self,
        n: Nth,
        name: &Str,
        image: &Str,
        w: &mut Worker,
        d: &mut Desk<'_, '_>,
    ) -> Option<Failure> {
        let ended = [self.seen.current(n), self.seen.previous(n)];
        let ended = ended.into_iter().flatten().find_map(Run::exited)?;
        let (now, event) = (d.cx.now, ended.finished_at.unwrap_or(SimTime::ZERO));
        let i = w.restarts.iter().position(|(m, of, _)| *m == n && of == image);
        let series = i.map(|i| w.restarts[i].2);
        if let Some(series) = series.filter(|s| s.holds(event, now)) {
            let pod = w.full_name();
            let text = format!("Back-off restarting failed container {name} in pod {pod}");
            w.container_event(n, EventType::Warning, "BackOff", &text, d);
            let delay = go_duration(series.delay);
            let text = format!("back-off {delay} restarting failed container={name} pod={pod}");
            return Some(Failure {
                reason: "CrashLoopBackOff".into(),
                message: text.into(),
                until: Some(event + series.delay),
            });
        }
        let next = Series::next(series, event, now);
        match i {
            Some(i) => w.restarts[i].2 = next,
            None => w.restarts.push((n, image.clone(), next)),
        }
        None
    }

    fn pull(&mut self, n: Nth, image: Arc<Image>, w: &mut Worker, d: &mut Desk<'_, '_>) {
        let name = &image.written;
        let held = w
            .pulls
            .iter()
            .find(|(of, series, _)| of.written == *name && series.holds_since_update(d.cx.now));
        if let Some((_, _, error)) = held {
            let mut text = format!("Back-off pulling image {name:?}");
            let full = format!("{text}: {error}");
            w.container_event(n, EventType::Normal, "BackOff", &text, d);
            text = full;
            return self.fail_told(n, "ImagePullBackOff", &text, w, d);
        }
        w.container_event(n, EventType::Normal, "Pulling", &format!("Pulling image {name:?}"), d);
        let pull = d.node.images.pull(d.cx.now, &image, &d.shared.image_model, d.cx.latency);
        self.doing = Doing::Pulling(n, image, pull);
    }

    fn pulled(
        &mut self,
        n: Nth,
        image: Arc<Image>,
        pull: Pull,
        w: &mut Worker,
        d: &mut Desk<'_, '_>,
    ) {
        let name = image.written.clone();
        let before = w.pulls.iter().position(|(of, _, _)| of.written == name);
        let missing = d.shared.image_model.is_missing(&image);
        if missing || d.shared.image_model.is_out(&image) {
            let error = match missing {
                true => images::not_found(&image),
                false => images::unreachable(&image),
            };
            if missing {
                d.assume(w.cause, &name, "no registry has this image");
            }
            let text = format!("Failed to pull image {name:?}: {error}");
            w.container_event(n, EventType::Warning, "Failed", &text, d);
            let (now, series) = (d.cx.now, before.map(|i| w.pulls[i].1));
            let next = Series::next(series, now, now);
            let kept: Str = format!("ErrImagePull: {error}").into();
            match before {
                Some(i) => (w.pulls[i].1, w.pulls[i].2) = (next, kept),
                None => w.pulls.push((image, next, kept)),
            }
            return self.fail_told(n, "ErrImagePull", &error, w, d);
        }
        d.node.images.pulled(&image, &d.shared.image_model, d.cx.now);
        let millis = |from: SimTime| {
            let whole = u64::try_from(pull.ends.since(from).as_millis()).unwrap_or(u64::MAX);
            go_duration(std::time::Duration::from_millis(whole))
        };
        let text = format!(
            "Successfully pulled image {name:?} in {} ({} including waiting). Image size: {} bytes.",
            millis(pull.begins),
            millis(pull.asked),
            d.shared.image_model.size_of(&image)
        );
        w.container_event(n, EventType::Normal, "Pulled", &text, d);
        self.create(n, image, w, d);
    }

    fn create(&mut self, n: Nth, image: Arc<Image>, _w: &Worker, d: &Desk<'_, '_>) {
        self.doing = Doing::Creating(n, image, d.cx.now + d.cx.latency.container_create);
    }

    fn created(&mut self, n: Nth, image: Arc<Image>, w: &mut Worker, d: &mut Desk<'_, '_>) {
        let spec = Arc::clone(&w.pod.spec);
        if container(&spec, n).is_none() {
            return;
        }
        let ip = w.actual.ready_sandbox().and_then(|s| s.ip);
        let env = match self.configure(n, &image, ip, w, d) {
            Ok(env) => env,
            Err(text) => return self.fail_told(n, "CreateContainerConfigError", &text, w, d),
        };
        let made = w.made.get(n.index()).copied().unwrap_or(0);
        if w.made.len() <= n.index() {
            w.made.resize(n.index() + 1, 0);
        }
        w.made[n.index()] = made + 1;
        let id = d.node.new_run();
        let run = Run {
            id,
            attempt: made,
            sandbox: w.actual.sandbox.map_or(0, |s| s.attempt),
            image: Arc::clone(&image),
            state: RunState::Created,
            actuated: None,
        };
        w.actual.push(n, run);
        w.changed(std::time::Duration::ZERO, d);
        w.container_event(n, EventType::Normal, "Created", "Container created", d);
        let order = Order { spec, image, env, ip, attempt: made, run: id };
        self.doing = Doing::Starting(n, Box::new(order), d.cx.now + d.cx.latency.container_start);
    }

    /// What a container is made with (`generateContainerConfig`), or why it cannot be made.
    fn configure(
        &self,
        n: Nth,
        image: &Image,
        ip: Option<std::net::Ipv4Addr>,
        w: &Worker,
        d: &mut Desk<'_, '_>,
    ) -> Result<env::Environment, String> {
        let env = env::of_container(&w.pod, n, ip, d.node, d.shared)?;
        let mounts = env::wire_container(&w.pod.spec, n).and_then(|c| c.volume_mounts.as_ref());
        for mount in mounts.into_iter().flatten() {
            env::sub_path(mount, &env)?;
        }
        match security::may_run(&w.pod, n, image, || w.full_name())? {
            Verdict::Sure => {}
            Verdict::Assumed(text) => d.assume(w.cause, &image.written, &text),
        }
        Ok(env)
    }

    fn started(&mut self, n: Nth, order: Order, w: &mut Worker, d: &mut Desk<'_, '_>) {
        let now = d.cx.now;
        let hook = container(&order.spec, n).and_then(|c| c.post_start.clone());
        match Body::start(w, n, order, d) {
            Ok(body) => {
                if w.bodies.len() <= n.index() {
                    w.bodies.resize_with(n.index() + 1, || None);
                }
                w.bodies[n.index()] = Some(Box::new(body));
                if let Some(run) = w.actual.current_mut(n) {
                    run.state = RunState::Running(now);
                }
                w.heed(n, d);
                w.changed(std::time::Duration::ZERO, d);
                w.container_event(n, EventType::Normal, "Started", "Container started", d);
            }
            Err(error) => {
                let ending = Terminated {
                    exit_code: 128,
                    signal: 0,
                    reason: "StartError".into(),
                    message: error.as_str().into(),
                    started_at: None,
                    finished_at: Some(now),
                    container_id: 0,
                };
                w.note_end(n, ending, d);
                return self.fail_told(n, "RunContainerError", &error, w, d);
            }
        }
        match hook {
            Some(handler) => self.doing = Doing::Hook(n, Hook::begin(w, n, &handler, d)),
            None => self.starts.push((n, None)),
        }
    }

    fn hook(&mut self, n: Nth, mut hook: Hook, w: &mut Worker, d: &mut Desk<'_, '_>) -> bool {
        let message = match hook.poll(w, d) {
            None => {
                self.doing = Doing::Hook(n, hook);
                return false;
            }
            Some(HookEnd::Succeeded) => {
                self.starts.push((n, None));
                return true;
            }
            Some(HookEnd::Failed(message)) => message,
        };
        let text = "PostStartHook failed";
        w.container_event(n, EventType::Warning, "FailedPostStartHook", text, d);
        let reason = KillReason::FailedPostStart;
        let kills = Kills::one(w, n, "FailedPostStartHook", reason, None, d);
        let failure =
            Failure { reason: "PostStartHookError".into(), message: message.into(), until: None };
        self.doing = Doing::Unhooking(n, kills, failure);
        true
    }

    /// A start fails, and an event says so.
    fn fail_told(
        &mut self,
        n: Nth,
        reason: &'static str,
        message: &str,
        w: &mut Worker,
        d: &mut Desk<'_, '_>,
    ) {
        // Failures around the image are told by their kind, all others in full.
        let about_image = reason.contains("Image") && reason != "CreateContainerConfigError";
        let said = if about_image { reason } else { message };
        w.container_event(n, EventType::Warning, "Failed", &format!("Error: {said}"), d);
        let failure = Failure { reason: reason.into(), message: message.into(), until: None };
        self.fail(n, failure, w);
    }

    /// A start fails; a failed init container ends the sync, a failed sidecar does not.
    fn fail(&mut self, n: Nth, failure: Failure, w: &Worker) {
        self.starts.push((n, Some(failure)));
        let spec = w.spec();
        let init = super::runtime::is_init(spec, n);
        if init && !container(spec, n).is_some_and(|c| c.is_sidecar()) {
            self.todo.clear();
        }
    }
}

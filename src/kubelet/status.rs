//! The status of a pod, made from what the agent has seen of its containers.
//!
//! Follows `pkg/kubelet/kubelet_pods.go` (`generateAPIPodStatus`, `convertToAPIContainerStatuses`,
//! `getPhase`) and `pkg/kubelet/status/generate.go` for the conditions. The status builds on the one
//! before: a container that can no longer be found keeps how it ended, a phase that is final stays.
//! Times are cut to whole seconds, as `normalizeStatus` does.
//!
//! Left out: users.

use std::net::Ipv4Addr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::conditions;
use super::disturbances::Skew;
use super::probes::Probes;
use super::resize::{self, Resize};
use super::restarts;
use super::runtime::{Nth, Run, RunState, View, each_ephemeral, each_init, each_main};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{
    Container, ContainerState, ContainerStatus, Phase, Pod, PodSpec, PodStatus, Terminated,
};

/// Reasons of container states (`pkg/kubelet/kubelet.go`, `pkg/kubelet/container`).
pub(super) mod reasons {
    /// Its pod is being set up.
    pub(in crate::kubelet) const CONTAINER_CREATING: &str = "ContainerCreating";
    /// Init containers come first.
    pub(in crate::kubelet) const POD_INITIALIZING: &str = "PodInitializing";
    /// Nobody knows how it ended.
    pub(in crate::kubelet) const STATUS_UNKNOWN: &str = "ContainerStatusUnknown";
    /// It was taken away so that all containers start again.
    pub(in crate::kubelet) const RESTARTING_ALL: &str = "RestartingAllContainers";
}

const RESTARTING_ALL_MESSAGE: &str =
    "The container is removed because RestartAllContainers in place";

/// Why the start of a container failed, until a start succeeds (`pkg/kubelet/reason_cache.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StartFailure {
    /// Which container.
    pub(super) container: Nth,
    /// Why, in one word.
    pub(super) reason: Str,
    /// Why, for people.
    pub(super) message: Str,
}

/// What a status is made from.
pub(super) struct Scene<'a> {
    /// The pod as the API server has it, as far as heard.
    pub(super) pod: &'a Pod,
    /// The status before.
    pub(super) old: &'a PodStatus,
    /// The containers as last seen.
    pub(super) seen: &'a View,
    /// Starts that failed.
    pub(super) failures: &'a [StartFailure],
    /// Its resize under way.
    pub(super) resize: Option<&'a Resize>,
    /// Whether no container will run again.
    pub(super) terminal: bool,
    /// Why the agent itself ends the pod: reason and message.
    pub(super) evicted: Option<(&'static str, &'static str)>,
    /// The node's address.
    pub(super) host_ip: Option<Ipv4Addr>,
    /// Now.
    pub(super) now: SimTime,
    /// How far the node's clock is off: it shows in the times of conditions.
    pub(super) skew: Skew,
}

/// Makes the status of a pod. Readiness probes that are still to succeed are asked to run at once.
pub(super) fn generate(scene: &Scene<'_>, probes: &mut Probes) -> PodStatus {
    let (pod, old, spec) = (scene.pod, scene.old, &*scene.pod.spec);
    let all_restart = restarts_all(scene);
    let mut main: Statuses =
        each_main(spec).map(|(n, c)| container_status(scene, n, c, all_restart)).collect();
    let mut init: Statuses =
        each_init(spec).map(|(n, c)| container_status(scene, n, c, all_restart)).collect();
    let mut added: Statuses =
        each_ephemeral(spec).map(|(n, c)| container_status(scene, n, c, false)).collect();
    added.sort_by(|a, b| a.name.cmp(&b.name));
    let mut phase = phase_of(spec, &init, &main, scene.terminal, scene.seen.any_main_active(spec));
    if !phase.is_terminal() {
        if old.phase.is_terminal() {
            phase = old.phase;
        } else if pod.status.phase.is_terminal() {
            phase = pod.status.phase;
        }
    }
    let (mut reason, mut message) = (Str::default(), Str::default());
    if phase == old.phase {
        let keep = |a: &Str, b: &Str| if a.is_empty() { b.clone() } else { a.clone() };
        reason = keep(&old.reason, &pod.status.reason);
        message = keep(&old.message, &pod.status.message);
    }
    if let Some((why, text)) = scene.evicted {
        (phase, reason, message) = (Phase::Failed, why.into(), text.into());
    }
    if pod.status.phase.is_terminal() {
        phase = pod.status.phase;
    }
    probes.update(spec, &mut init, &mut main, scene.now);
    main.sort_by(|a, b| a.name.cmp(&b.name));
    let restarting = restarts::may_restart_all(spec).then(|| all_restart && !cleaned_up(scene));
    let conditions = conditions::generate(&conditions::Facts {
        pod,
        old,
        seen: scene.seen,
        init: &init,
        main: &main,
        phase,
        restarting,
        resize: scene.resize.filter(|_| !scene.terminal),
        now: scene.skew.show(scene.now),
    });
    PodStatus {
        phase,
        reason,
        message,
        conditions,
        containers: shared(&main, &old.containers),
        init_containers: shared(&init, &old.init_containers),
        ephemeral_containers: shared(&added, &old.ephemeral_containers),
        start_time: old.start_time.or(Some(scene.now.trunc_secs())),
        pod_ip: pod_ip(scene),
        host_ip: scene.host_ip.or(old.host_ip),
        nominated_node: old.nominated_node.clone(),
        observed_generation: pod.meta.generation.max(old.observed_generation),
    }
}

/// Statuses of containers as they are made: most pods have one container.
type Statuses = SmallVec<[ContainerStatus; 1]>;

/// The list to be kept: that of the status before, where nothing has changed.
fn shared(new: &[ContainerStatus], old: &Arc<[ContainerStatus]>) -> Arc<[ContainerStatus]> {
    if **old == *new {
        Arc::clone(old)
    } else if new.is_empty() {
        Arc::default()
    } else {
        new.into()
    }
}

fn pod_ip(scene: &Scene<'_>) -> Option<Ipv4Addr> {
    if scene.pod.spec.host_network {
        return scene.host_ip;
    }
    // A pod that is over keeps showing the address that it had.
    scene.seen.sandbox.and_then(|sandbox| sandbox.ip)
}

/// Whether all containers are to start again (`ShouldAllContainersRestart`).
fn restarts_all(scene: &Scene<'_>) -> bool {
    let (spec, old) = (&*scene.pod.spec, scene.old);
    if !restarts::may_restart_all(spec) {
        return false;
    }
    let ended = |n: Nth, c: &Container| {
        let status = old.container(&c.name)?;
        match &status.state {
            ContainerState::Terminated(t) => Some(restarts::restarts_all(spec, n, t.exit_code)),
            ContainerState::Waiting { .. } | ContainerState::Running { .. } => None,
        }
    };
    old.is_true(conditions::ALL_CONTAINERS_RESTARTING)
        || restarts::all_restart(spec, scene.seen)
        || super::runtime::each(spec).any(|(n, c)| ended(n, c) == Some(true))
}

/// Whether no run of any container is left (`AllContainersRestartCleanedUp`).
pub(super) fn cleaned_up(scene: &Scene<'_>) -> bool {
    scene.seen.runs.iter().all(|r| r.current.is_none())
}

fn container_status(
    scene: &Scene<'_>,
    n: Nth,
    c: &Container,
    all_restart: bool,
) -> ContainerStatus {
    let old = scene.old.container(&c.name);
    let deleted = scene.pod.meta.is_terminating();
    let mut status = match scene.seen.current(n) {
        None => not_found(scene, c, old, all_restart),
        Some(run) => {
            let mut status = converted(run, &c.name, old);
            status.given = resize::given(scene.pod, scene.resize, n, run);
            if run.is_running() {
                status.started = old.and_then(|o| o.started).or(status.started);
            }
            if let Some(before) = scene.seen.previous(n)
                && let ContainerState::Terminated(how) = converted(before, &c.name, old).state
            {
                status.last = Some(how);
            }
            status
        }
    };
    let spec = &scene.pod.spec;
    if super::runtime::is_init(spec, n) {
        let run = scene.seen.current(n);
        if run.and_then(Run::exited).is_some_and(|how| how.exit_code == 0) {
            return status;
        }
        let waiting = matches!(status.state, ContainerState::Waiting { .. });
        if run.is_none() && waiting && !c.is_sidecar() && scene.seen.any_main_created(spec) {
            status.state = ContainerState::Terminated(lost(
                "Completed",
                "Unable to get init container status from container runtime and pod has been \
                 initialized, treat it as exited normally",
                0,
            ));
            return status;
        }
    }
    if restarts::to_be_started(spec, deleted, scene.seen, n, c)
        && let Some(f) = scene.failures.iter().find(|f| f.container == n)
    {
        if let ContainerState::Terminated(how) = &status.state {
            status.last = Some(how.clone());
        }
        status.state =
            ContainerState::Waiting { reason: f.reason.clone(), message: f.message.clone() };
    }
    status
}

/// The status of a container of which the runtime knows nothing.
fn not_found(
    scene: &Scene<'_>,
    c: &Container,
    old: Option<&ContainerStatus>,
    all_restart: bool,
) -> ContainerStatus {
    let has_init = !scene.pod.spec.init_containers.is_empty();
    let reason = if has_init { reasons::POD_INITIALIZING } else { reasons::CONTAINER_CREATING };
    let waiting = |reason: &'static str, message: &'static str| ContainerState::Waiting {
        reason: Str::new_static(reason),
        message: Str::new_static(message),
    };
    let mut status = ContainerStatus {
        name: c.name.clone(),
        state: waiting(reason, ""),
        last: None,
        ready: false,
        started: None,
        restart_count: 0,
        image: c.image.clone(),
        image_id: Str::default(),
        container_id: 0,
        given: None,
    };
    let Some(old) = old else { return status };
    let was_terminated = matches!(old.state, ContainerState::Terminated(_));
    if was_terminated {
        status = old.clone();
    } else {
        status.restart_count = old.restart_count;
        status.last = old.last.clone();
    }
    if all_restart && !matches!(old.state, ContainerState::Waiting { .. }) {
        status.state = waiting(reasons::RESTARTING_ALL, RESTARTING_ALL_MESSAGE);
        status.last = Some(lost(reasons::RESTARTING_ALL, RESTARTING_ALL_MESSAGE, 137));
        status.restart_count = old.restart_count + 1;
        return status;
    }
    let was_running = matches!(old.state, ContainerState::Running { .. });
    if was_running && status.last.is_none() {
        status.last = Some(lost(
            reasons::STATUS_UNKNOWN,
            "The container could not be located when the pod was deleted.  The container used to \
             be Running",
            137,
        ));
        if !scene.pod.meta.is_terminating() {
            status.restart_count += 1;
        }
    }
    status
}

/// How a container ended of which nothing is known.
pub(super) fn lost(reason: &'static str, message: &'static str, code: i32) -> Arc<Terminated> {
    Arc::new(Terminated {
        exit_code: code,
        signal: 0,
        reason: Str::new_static(reason),
        message: Str::new_static(message),
        started_at: None,
        finished_at: None,
        container_id: 0,
    })
}

fn converted(run: &Run, name: &Str, old: Option<&ContainerStatus>) -> ContainerStatus {
    let mut restart_count = run.attempt;
    let mut last = None;
    if let Some(old) = old {
        restart_count = restart_count.max(old.restart_count);
        last = match &old.state {
            ContainerState::Terminated(how) if old.container_id != run.id => Some(how.clone()),
            ContainerState::Terminated(_)
            | ContainerState::Waiting { .. }
            | ContainerState::Running { .. } => old.last.clone(),
        };
    }
    let state = match &run.state {
        RunState::Created => {
            ContainerState::Waiting { reason: Str::default(), message: Str::default() }
        }
        RunState::Running(since) => {
            if let Some(old) = old
                && matches!(old.state, ContainerState::Terminated(_))
                && old.container_id != run.id
                && old.restart_count >= run.attempt
            {
                restart_count = old.restart_count + 1;
            }
            ContainerState::Running { started_at: since.trunc_secs() }
        }
        RunState::Exited(how) => ContainerState::Terminated(in_seconds(how, run.id, old)),
    };
    ContainerStatus {
        name: name.clone(),
        state,
        last,
        ready: false,
        started: None,
        restart_count,
        image: run.image.full.clone(),
        image_id: run.image.id.clone(),
        container_id: run.id,
        given: None,
    }
}

/// An end with its times cut to whole seconds; the one shown before is shared where it is the same.
fn in_seconds(how: &Arc<Terminated>, id: u64, old: Option<&ContainerStatus>) -> Arc<Terminated> {
    if let Some(old) = old {
        for shown in [Some(&old.state), None].into_iter().flatten() {
            if let ContainerState::Terminated(t) = shown
                && t.container_id == id
            {
                return t.clone();
            }
        }
        if let Some(t) = old.last.as_ref().filter(|t| t.container_id == id) {
            return t.clone();
        }
    }
    let mut cut = (**how).clone();
    cut.started_at = cut.started_at.map(SimTime::trunc_secs);
    cut.finished_at = cut.finished_at.map(SimTime::trunc_secs);
    Arc::new(cut)
}

/// How the containers of one kind stand, as `getPhase` counts them.
#[derive(Default)]
struct Tally {
    unknown: u32,
    running: u32,
    waiting: u32,
    stopped: u32,
    final_stops: u32,
    succeeded: u32,
}

/// The phase that container statuses make (`getPhase`). `terminal`: no container will run again.
/// `initialized`: main containers have been made in this sandbox.
pub(super) fn phase_of(
    spec: &PodSpec,
    init: &[ContainerStatus],
    main: &[ContainerStatus],
    terminal: bool,
    initialized: bool,
) -> Phase {
    let (mut pending_init, mut pending_sidecars, mut failed_for_good) = (0, 0, false);
    let mut tally = Tally::default();
    for ((n, c), status) in each_init(spec).zip(init) {
        if c.is_sidecar() {
            sidecar(status, &mut tally, &mut pending_sidecars);
            continue;
        }
        let ended = match &status.state {
            ContainerState::Terminated(how) => Some(how),
            ContainerState::Waiting { .. } => status.last.as_ref(),
            ContainerState::Running { .. } => None,
        };
        match ended {
            None => pending_init += 1,
            Some(how) => {
                failed_for_good |= how.exit_code != 0 && !may_run_again(spec, n, c, how);
            }
        }
    }
    for ((n, c), status) in each_main(spec).zip(main) {
        count_main(spec, n, c, status, &mut tally);
    }
    if failed_for_good {
        return Phase::Failed;
    }
    if pending_init > 0 || (pending_sidecars > 0 && !initialized) || tally.waiting > 0 {
        return Phase::Pending;
    }
    if tally.unknown > 0 {
        return Phase::Pending;
    }
    let ended = if tally.stopped == tally.succeeded { Phase::Succeeded } else { Phase::Failed };
    match (tally.running, tally.stopped) {
        (1.., _) => Phase::Running,
        (0, 0) => Phase::Pending,
        (0, stopped) if terminal || stopped == tally.final_stops => ended,
        (0, _) => Phase::Running,
    }
}

fn may_run_again(spec: &PodSpec, n: Nth, c: &Container, how: &Terminated) -> bool {
    restarts::restarts(spec, n, c, how.exit_code) || how.reason == reasons::RESTARTING_ALL
}

fn sidecar(status: &ContainerStatus, tally: &mut Tally, pending: &mut u32) {
    match &status.state {
        ContainerState::Running { .. } => {
            *pending += u32::from(status.started != Some(true));
            tally.running += 1;
        }
        ContainerState::Waiting { .. } if status.last.is_none() => {
            *pending += 1;
            tally.waiting += 1;
        }
        ContainerState::Waiting { .. } | ContainerState::Terminated(_) => {}
    }
}

fn count_main(spec: &PodSpec, n: Nth, c: &Container, status: &ContainerStatus, t: &mut Tally) {
    match &status.state {
        ContainerState::Running { .. } => t.running += 1,
        ContainerState::Terminated(how) => {
            t.stopped += 1;
            t.final_stops += u32::from(!may_run_again(spec, n, c, how));
            t.succeeded += u32::from(how.exit_code == 0);
        }
        ContainerState::Waiting { .. } => match &status.last {
            Some(how) => {
                t.stopped += 1;
                t.final_stops += u32::from(!may_run_again(spec, n, c, how));
            }
            None => t.waiting += 1,
        },
    }
}

/// The status of a pod whose worker is done: containers without a known end have failed, and the
/// phase is final (`pkg/kubelet/status`, `TerminatePod`).
pub(super) fn terminated(pod: &Pod, old: &PodStatus) -> PodStatus {
    let mut status = old.clone();
    let unlocated = || {
        ContainerState::Terminated(lost(
            reasons::STATUS_UNKNOWN,
            "The container could not be located when the pod was terminated",
            137,
        ))
    };
    let is_ended = |s: &ContainerStatus| matches!(s.state, ContainerState::Terminated(_));
    if initialized(pod) && !status.containers.iter().all(is_ended) {
        let mut all = status.containers.to_vec();
        for s in all.iter_mut().filter(|s| !is_ended(s)) {
            s.state = unlocated();
        }
        status.containers = all.into();
    }
    let tried = status
        .init_containers
        .iter()
        .rposition(|s| !matches!(s.state, ContainerState::Waiting { .. }) || s.last.is_some());
    let tried = tried.map_or(1, |i| i + 1).min(status.init_containers.len());
    if !status.init_containers[..tried].iter().all(is_ended) {
        let mut all = status.init_containers.to_vec();
        for s in all[..tried].iter_mut().filter(|s| !is_ended(s)) {
            s.state = unlocated();
        }
        status.init_containers = all.into();
    }
    if !status.phase.is_terminal() {
        status.phase = Phase::Failed;
    }
    status
}

/// Whether main containers may have run, by the status that the API server has
/// (`hasPodInitialized`).
fn initialized(pod: &Pod) -> bool {
    let status = &pod.status;
    if pod.spec.init_containers.is_empty() {
        return true;
    }
    let started = |s: &ContainerStatus| {
        s.last.is_some() || !matches!(s.state, ContainerState::Waiting { .. })
    };
    if status.containers.iter().any(started) {
        return true;
    }
    let (Some(c), Some(s)) = (pod.spec.init_containers.last(), status.init_containers.last())
    else {
        return false;
    };
    if c.is_sidecar() {
        return matches!(s.state, ContainerState::Running { .. }) && s.started == Some(true);
    }
    let ended = match &s.state {
        ContainerState::Terminated(how) => Some(how),
        ContainerState::Waiting { .. } | ContainerState::Running { .. } => s.last.as_ref(),
    };
    ended.is_some_and(|how| how.exit_code == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubelet::testing::pod_of;

    /// The phase that a pod of these containers has in these states: `a=waiting`, `a=running`,
    /// `a=started` (its startup probe passed), `a=0` for its exit code, `a=waiting/3` after an exit; `!` for
    /// one whose containers run no more, `+` for one whose main containers have been made.
    #[track_caller]
    fn check(containers: &str, states: &str, expect: &str) {
        let pod = pod_of(containers);
        let spec = &pod.spec;
        let ended = |code: &str| {
            let code = code.parse().unwrap();
            Arc::new(Terminated { exit_code: code, ..(*lost("Error", "", 0)).clone() })
        };
        let status = |c: &Container| {
            let find = |w: &str| {
                w.split_once('=').filter(|(n, _)| *n == c.name).map(|(_, s)| s.to_owned())
            };
            let state =
                states.split_whitespace().find_map(find).unwrap_or_else(|| "waiting".to_owned());
            let (state, last) =
                state.split_once('/').map_or((state.as_str(), None), |(a, b)| (a, Some(b)));
            ContainerStatus {
                name: c.name.clone(),
                state: match state {
                    "waiting" => ContainerState::Waiting { reason: "".into(), message: "".into() },
                    "running" | "started" => ContainerState::Running { started_at: SimTime::ZERO },
                    code => ContainerState::Terminated(ended(code)),
                },
                last: last.map(ended),
                ready: false,
                started: Some(state == "started"),
                restart_count: 0,
                image: c.image.clone(),
                image_id: Str::default(),
                container_id: 1,
                given: None,
            }
        };
        let init: Vec<ContainerStatus> = spec.init_containers.iter().map(status).collect();
        let main: Vec<ContainerStatus> = spec.containers.iter().map(status).collect();
        let (terminal, initialized) = (states.contains('!'), states.contains('+'));
        let phase = phase_of(spec, &init, &main, terminal, initialized);
        assert_eq!(phase.as_str(), expect, "{containers} in {states:?}");
    }

    #[test]
    fn the_phase_of_a_pod_follows_from_its_main_containers() {
        check("a b", "", "Pending");
        check("a b", "a=running", "Pending");
        check("a b", "a=running b=running", "Running");
        check("a b", "a=running b=1", "Running");
        check("a b", "a=running b=waiting/1", "Running");
        check("a", "a=0", "Running");
        check("a", "a=0 !", "Succeeded");
        check("a b", "a=0 b=7 !", "Failed");
        check("+never a b", "a=0 b=0", "Succeeded");
        check("+never a b", "a=0 b=1", "Failed");
        check("+never a b", "a=1 b=running", "Running");
        check("+onfailure a", "a=1", "Running");
        check("+onfailure a", "a=0", "Succeeded");
        check("+onfailure a b", "a=0 b=waiting/1", "Running");
        check("a", "a=waiting/1 !", "Failed");
    }

    #[test]
    fn init_containers_keep_a_pod_pending_or_end_it() {
        check("init:i a", "i=running", "Pending");
        check("init:i a", "i=1", "Pending");
        check("init:i a", "i=waiting/1", "Pending");
        check("+never init:i a", "i=1", "Failed");
        check("+never init:i a", "i=waiting/1", "Failed");
        check("init:i a", "i=0 a=running", "Running");
        check("init:i a", "i=running a=running", "Pending");
    }

    #[test]
    fn sidecars_hold_a_pod_back_until_they_have_started_and_do_not_keep_it_alive() {
        check("sidecar:s a", "s=running a=waiting", "Pending");
        check("sidecar:s a", "s=running a=running", "Pending");
        check("sidecar:s a", "s=running a=running +", "Running");
        check("sidecar:s a", "s=started a=running", "Running");
        check("sidecar:s a", "s=waiting/1 a=running", "Running");
        check("+never sidecar:s a", "s=started a=0", "Running");
        check("+never sidecar:s a", "s=137 a=0", "Succeeded");
        check("+never sidecar:s a", "s=137 a=3", "Failed");
    }
}

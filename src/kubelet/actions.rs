//! What a sync of a pod is to do to its containers: a pure decision.
//!
//! Follows `pkg/kubelet/kuberuntime` (`computePodActions`, `computeInitContainerActions`): whether the
//! sandbox must be made anew, which containers must be stopped and why, and which are to be started,
//! init containers in order and each after the one before it, sidecars kept running.
//!
//! Containers that were added to a pod are started once, before all others, and never again.

use super::probes::{Outcome, Probes};
use super::resize::{self, Change};
use super::restarts;
use super::runtime::{Nth, Run, RunState, View, each, each_ephemeral, each_init, each_main};
use crate::model::{Container, Pod, PodSpec, RestartPolicy};

/// Why a container is stopped: it decides the grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KillReason {
    /// Its pod ends, or its spec changed.
    Unknown,
    /// Its startup probe failed.
    StartupProbe,
    /// Its liveness probe failed.
    LivenessProbe,
    /// Its start hook failed.
    FailedPostStart,
    /// All containers start again.
    RestartAll,
}

/// A container to be stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ToKill {
    /// Which.
    pub(super) container: Nth,
    /// What the event says.
    pub(super) message: String,
    /// Why.
    pub(super) reason: KillReason,
}

/// What a sync is to do, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Actions {
    /// Everything that runs is to be stopped, the sandbox too.
    pub(super) kill_pod: bool,
    /// A new sandbox is to be made, with this attempt.
    pub(super) create_sandbox: Option<u32>,
    /// Containers to be stopped.
    pub(super) kill: Vec<ToKill>,
    /// Containers of which every trace is to go, and whether they must be stopped before.
    pub(super) reset: Vec<(Nth, bool)>,
    /// Added containers to be started.
    pub(super) start_ephemeral: Vec<Nth>,
    /// Init containers to be started.
    pub(super) start_init: Vec<Nth>,
    /// Running containers whose resources are to be set.
    pub(super) resize: Vec<Nth>,
    /// Main containers to be started.
    pub(super) start: Vec<Nth>,
}

/// Decides what a sync does (`computePodActions`). `restart_all`: all containers are to start again.
pub(super) fn compute(pod: &Pod, seen: &View, probes: &Probes, restart_all: bool) -> Actions {
    let spec = &*pod.spec;
    if restart_all {
        return Actions { reset: to_reset(spec, seen), ..Actions::default() };
    }
    if seen.needs_sandbox() {
        return with_new_sandbox(spec, seen);
    }
    let mut actions = Actions::default();
    let never_run = |n: &Nth| seen.current(*n).is_none();
    actions.start_ephemeral = each_ephemeral(spec).map(|(n, _)| n).filter(never_run).collect();
    let initialized = init_actions(pod, seen, probes, &mut actions);
    if actions.kill_pod || !initialized {
        return actions;
    }
    let mut kept = 0;
    for (n, c) in each_main(spec) {
        match seen.current(n).filter(|run| run.is_running()) {
            None => {
                if restarts::to_be_started(spec, pod.meta.is_terminating(), seen, n, c) {
                    actions.start.push(n);
                }
            }
            Some(run) => match verdict(c, run, probes) {
                None if resized(spec, n, c, run, &mut actions) => actions.start.push(n),
                None => kept += 1,
                Some((message, reason, must)) => {
                    let policy = c.restart_policy.unwrap_or(spec.restart_policy);
                    let mut message = message;
                    if must || policy != RestartPolicy::Never {
                        message.push_str(", will be restarted");
                        actions.start.push(n);
                    }
                    actions.kill.push(ToKill { container: n, message, reason });
                }
            },
        }
    }
    if kept == 0 && actions.start.is_empty() {
        actions.kill_pod = true;
        actions.start_init.clear();
    }
    actions
}

/// Why a running container must be stopped, if it must, and whether it restarts whatever the policy.
fn verdict(c: &Container, run: &Run, probes: &Probes) -> Option<(String, KillReason, bool)> {
    let name = &c.name;
    if run.image.written != c.image {
        let text = format!("Container {name} definition changed");
        return Some((text, KillReason::Unknown, true));
    }
    if probes.liveness(run.id) == Some(Outcome::Failure) {
        let text = format!("Container {name} failed liveness probe");
        return Some((text, KillReason::LivenessProbe, false));
    }
    if probes.startup(run.id) == Some(Outcome::Failure) {
        let text = format!("Container {name} failed startup probe");
        return Some((text, KillReason::StartupProbe, false));
    }
    None
}

/// Whether a container that would be kept is stopped and started with other resources; those that can be
/// are set while it runs.
fn resized(spec: &PodSpec, n: Nth, c: &Container, run: &Run, actions: &mut Actions) -> bool {
    match resize::change(spec, n, run) {
        Change::None => false,
        Change::InPlace => {
            actions.resize.push(n);
            false
        }
        Change::Restart => {
            let message = format!("Container {} resize requires restart", c.name);
            actions.kill.push(ToKill { container: n, message, reason: KillReason::Unknown });
            true
        }
    }
}

/// Containers whose exit asked for the restart go last (`getContainersToReset`).
fn to_reset(spec: &PodSpec, seen: &View) -> Vec<(Nth, bool)> {
    let is_source = |n: Nth| {
        seen.current(n)
            .and_then(Run::exited)
            .is_some_and(|how| restarts::restarts_all(spec, n, how.exit_code))
    };
    let present = |n: Nth| seen.current(n).map(|run| (n, run.exited().is_none()));
    let of = |source: bool| {
        let main = each_main(spec).map(|(n, _)| n);
        let init = each_init(spec).map(|(n, _)| n);
        main.chain(init).filter(move |n| is_source(*n) == source).filter_map(present)
    };
    of(false).chain(of(true)).collect()
}

fn with_new_sandbox(spec: &PodSpec, seen: &View) -> Actions {
    let attempt = seen.sandbox.map_or(0, |s| s.attempt + 1);
    let kill = Actions { kill_pod: true, ..Actions::default() };
    let any_runs = seen.runs.iter().any(|r| r.current.is_some());
    if spec.restart_policy == RestartPolicy::Never && attempt != 0 && any_runs {
        return kill;
    }
    let succeeded =
        |n: Nth| seen.current(n).and_then(Run::exited).is_some_and(|how| how.exit_code == 0);
    let start: Vec<Nth> = each_main(spec)
        .filter(|(n, c)| {
            let policy = c.restart_policy.unwrap_or(spec.restart_policy);
            !(policy == RestartPolicy::OnFailure && succeeded(*n))
        })
        .map(|(n, _)| n)
        .collect();
    if start.is_empty() && seen.any_main_created(spec) {
        return kill;
    }
    let mut actions = Actions { create_sandbox: Some(attempt), ..kill };
    if spec.init_containers.is_empty() {
        actions.start = start;
    } else {
        actions.start_init = vec![Nth(0)];
    }
    actions
}

/// Decides about init containers; answers whether the pod is initialized.
fn init_actions(pod: &Pod, seen: &View, probes: &Probes, actions: &mut Actions) -> bool {
    let spec = &*pod.spec;
    let Some((last, _)) = each_init(spec).next_back() else { return true };
    let alive = |run: &Run| run.exited().is_none();
    let mut initialized = each_main(spec).filter_map(|(n, _)| seen.current(n)).any(alive);
    let mut before_is_done = initialized;
    // From the last to the first: what a later one shows of itself tells of all before it.
    for (n, c) in each_init(spec).rev() {
        let Some(run) = seen.current(n) else {
            if before_is_done && c.is_sidecar() {
                actions.start_init.push(n);
            }
            continue;
        };
        if before_is_done && !c.is_sidecar() {
            continue;
        }
        let mut done = |actions: &mut Actions| {
            if n == last {
                initialized = true;
            } else if !before_is_done {
                actions.start_init.push(Nth(n.0 + 1));
            }
        };
        match &run.state {
            RunState::Created => actions.start_init.push(n),
            RunState::Running(_) if !c.is_sidecar() => {
                if resized(spec, n, c, run, actions) {
                    actions.start_init.push(n);
                }
            }
            RunState::Running(_) => {
                if running_sidecar(n, c, run, probes, actions) {
                    done(actions);
                    restart_sidecar(spec, n, c, run, probes, actions);
                }
            }
            RunState::Exited(_) if c.is_sidecar() => actions.start_init.push(n),
            RunState::Exited(how) if how.exit_code == 0 => done(actions),
            RunState::Exited(_) => {
                if !restarts::to_be_started(spec, pod.meta.is_terminating(), seen, n, c) {
                    actions.kill_pod = true;
                    actions.start_init.clear();
                    return false;
                }
                actions.start_init.push(n);
            }
        }
        before_is_done = true;
    }
    if !before_is_done {
        actions.start_init.push(Nth(0));
    }
    actions.start_init.reverse();
    initialized
}

/// Whether a running sidecar has started as far as its startup probe tells; one that failed the probe
/// is stopped and started again.
fn running_sidecar(
    n: Nth,
    c: &Container,
    run: &Run,
    probes: &Probes,
    actions: &mut Actions,
) -> bool {
    if c.startup.is_none() {
        return true;
    }
    match probes.startup(run.id) {
        Some(Outcome::Success) => true,
        Some(Outcome::Failure) => {
            let message = format!("Init container {} failed startup probe", c.name);
            let reason = KillReason::StartupProbe;
            actions.kill.push(ToKill { container: n, message, reason });
            actions.start_init.push(n);
            false
        }
        Some(Outcome::Unknown) | None => false,
    }
}

/// Stops and starts a running sidecar whose spec changed or whose liveness probe failed, or that is to have
/// other resources and cannot get them while it runs.
fn restart_sidecar(
    spec: &PodSpec,
    n: Nth,
    c: &Container,
    run: &Run,
    probes: &Probes,
    actions: &mut Actions,
) {
    let (message, reason) = if run.image.written != c.image {
        (format!("Init container {} definition changed", c.name), KillReason::Unknown)
    } else if c.liveness.is_some() && probes.liveness(run.id) == Some(Outcome::Failure) {
        (format!("Init container {} failed liveness probe", c.name), KillReason::LivenessProbe)
    } else {
        if resized(spec, n, c, run, actions) {
            actions.start_init.push(n);
        }
        return;
    };
    actions.kill.push(ToKill { container: n, message, reason });
    actions.start_init.push(n);
}

/// The names of a pod's containers that run, for the order in which they are stopped.
pub(super) fn running(spec: &PodSpec, view: &View) -> Vec<Nth> {
    each(spec)
        .filter(|(n, _)| view.current(*n).is_some_and(Run::is_running))
        .map(|(n, _)| n)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{pod_of, view_of};
    use super::super::text::go_list;
    use super::*;

    /// Decides for a pod of these containers (`name`, `init:name`, `sidecar:name`, with `+never` or
    /// `+onfailure` for the pod's policy) in this state (`name=running`, `name=0`, `-` for no sandbox).
    #[track_caller]
    fn check(containers: &str, state: &str, expect: &str) {
        let pod = pod_of(containers);
        let seen = view_of(&pod.spec, state);
        let actions = compute(&pod, &seen, &Probes::default(), false);
        let names = |all: &[Nth]| -> Vec<String> {
            let name = |n: &Nth| super::super::runtime::container(&pod.spec, *n).map(|c| &c.name);
            all.iter().filter_map(name).map(|n| n.to_string()).collect()
        };
        let mut said = Vec::new();
        if actions.kill_pod {
            said.push("kill pod".to_owned());
        }
        said.extend(actions.create_sandbox.map(|n| format!("sandbox {n}")));
        let killed: Vec<Nth> = actions.kill.iter().map(|k| k.container).collect();
        for (what, which) in
            [("kill", &killed), ("start init", &actions.start_init), ("start", &actions.start)]
        {
            if !which.is_empty() {
                said.push(format!("{what} {}", go_list(&names(which))));
            }
        }
        assert_eq!(said.join(", "), expect, "{containers} in {state:?}");
    }

    #[test]
    fn a_new_pod_gets_a_sandbox_and_its_first_containers() {
        check("a b", "-", "kill pod, sandbox 0, start [a b]");
        check("init:i init:j a", "-", "kill pod, sandbox 0, start init [i]");
    }

    #[test]
    fn init_containers_run_one_after_the_other_before_the_others() {
        check("init:i init:j a", "", "start init [i]");
        check("init:i init:j a", "i=running", "");
        check("init:i init:j a", "i=0", "start init [j]");
        check("init:i init:j a", "i=0 j=0", "start [a]");
        check("init:i init:j a", "i=0 j=0 a=running", "");
        check("init:i init:j a", "i=0 j=1", "start init [j]");
        check("+never init:i init:j a", "i=0 j=1", "kill pod");
    }

    #[test]
    fn sidecars_are_kept_running_beside_the_main_containers() {
        check("sidecar:s init:i a", "", "start init [s]");
        check("sidecar:s init:i a", "s=running", "start init [i]");
        check("sidecar:s init:i a", "s=running i=0", "start [a]");
        check("sidecar:s init:i a", "s=0 i=0 a=running", "start init [s]");
        check("sidecar:s sidecar:t a", "s=running", "start init [t]");
        check("+never sidecar:s a", "s=running a=0", "kill pod");
    }

    #[test]
    fn added_containers_are_started_once_and_keep_no_pod_alive() {
        let mut pod = pod_of("+never a");
        let mut wire = crate::model::wire::core::PodSpec::clone(&pod.spec.wire);
        wire.ephemeral_containers = Some(vec![crate::model::wire::core::EphemeralContainer {
            name: "e".into(),
            ..Default::default()
        }]);
        pod.spec = std::sync::Arc::new(PodSpec::compile(wire));
        let check = |state: &str, kill_pod: bool, started: &[Nth]| {
            let seen = view_of(&pod.spec, state);
            let actions = compute(&pod, &seen, &Probes::default(), false);
            assert_eq!(
                (actions.kill_pod, &*actions.start_ephemeral),
                (kill_pod, started),
                "{state}"
            );
        };
        check("a=running", false, &[Nth(1)]);
        check("a=running e=running", false, &[]);
        check("a=running e=1", false, &[]);
        check("a=0 e=running", true, &[]);
    }

    #[test]
    fn ended_containers_start_again_as_their_policy_says() {
        check("a", "a=0", "start [a]");
        check("+onfailure a b", "a=0 b=3", "start [b]");
        check("+onfailure a", "a=0", "kill pod");
        check("+never a b", "a=1 b=running", "");
        check("+never a b", "a=1 b=0", "kill pod");
    }

    #[test]
    fn after_the_loss_of_its_sandbox_a_pod_begins_anew_unless_it_is_over() {
        check("a", "-1 a=255", "kill pod, sandbox 2, start [a]");
        check("init:i a", "-0 i=0 a=255", "kill pod, sandbox 1, start init [i]");
        check("+never a", "-0 a=255", "kill pod");
        check("+onfailure a b", "-0 a=0 b=255", "kill pod, sandbox 1, start [b]");
    }
}

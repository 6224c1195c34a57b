//! The life of a pod: it goes one way.

use super::{Found, Seen};
use crate::model::{ContainerState, Object, Phase, Pod, RestartPolicy};
use crate::trace::Change;

/// Judges a change of a pod.
pub(super) fn see(seen: Seen<'_>, found: &mut Found) {
    let Object::Pod(new) = seen.new else { return };
    if seen.change != Change::Deleted {
        in_itself(seen, new, found);
    }
    if let Some(Object::Pod(old)) = seen.old {
        one_way(seen, old, new, found);
    }
}

fn in_itself(seen: Seen<'_>, pod: &Pod, found: &mut Found) {
    if pod.node.is_none() && pod.status.phase == Phase::Running {
        found.say(seen.at, seen.new, "only a placed pod runs", String::new());
    }
    for c in pod.status.containers.iter() {
        let runs = matches!(c.state, ContainerState::Running { .. });
        if c.ready && !runs && pod.spec.restart_policy == RestartPolicy::Always {
            let text = c.name.to_string();
            found.say(seen.at, seen.new, "only a running container is ready", text);
        }
        if pod.status.phase == Phase::Succeeded
            && !matches!(&c.state, ContainerState::Terminated(t) if t.exit_code == 0)
            && !pod.meta.is_terminating()
        {
            let text = format!("{}: {:?}", c.name, c.state);
            found.say(seen.at, seen.new, "a pod succeeds when its containers have", text);
        }
    }
}

fn one_way(seen: Seen<'_>, old: &Pod, new: &Pod, found: &mut Found) {
    let (before, after) = (old.status.phase, new.status.phase);
    let rank = |phase: Phase| match phase {
        Phase::Pending => 0,
        Phase::Running | Phase::Unknown => 1,
        Phase::Succeeded | Phase::Failed => 2,
    };
    // Init containers that run again, after the node came back, make a running pod pending
    // (`getPhase`).
    let starts_anew = !new.spec.init_containers.is_empty() && !before.is_terminal();
    if rank(after) < rank(before) && !starts_anew || before.is_terminal() && after != before {
        let text = format!("{} after {}", after.as_str(), before.as_str());
        found.say(seen.at, seen.new, "a pod's phase does not go back", text);
    }
    if old.node.is_some() && new.node != old.node {
        let text = format!("{:?} was {:?}", new.node, old.node);
        found.say(seen.at, seen.new, "a placed pod stays where it is", text);
    }
    if old.status.start_time.is_some() && new.status.start_time != old.status.start_time {
        found.say(seen.at, seen.new, "a pod keeps its startTime", String::new());
    }
    let all = |pod: &Pod| {
        let (main, init) = (&pod.status.containers, &pod.status.init_containers);
        main.iter().chain(init.iter()).cloned().collect::<Vec<_>>()
    };
    for c in all(old) {
        let later = new.status.container(&c.name).map(|n| n.restart_count);
        if later.is_some_and(|n| n < c.restart_count) {
            let text = format!("{}: {later:?} after {}", c.name, c.restart_count);
            found.say(seen.at, seen.new, "a container's restartCount does not go down", text);
        }
    }
}

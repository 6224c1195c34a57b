//! What became of workloads, Services and claims.

use super::{Tone, name};
use crate::model::{
    CronJob, DaemonSet, Deployment, Job, JobStatus, Key, Kind, Object, Ref, ReplicaSet,
    StatefulSet, sim_time,
};

type Said = Vec<(Tone, String)>;

/// Says that an object is new.
pub(super) fn created(object: &Object) -> (Tone, String) {
    let by = object.meta().controller().map(|owner| {
        let kind = Kind::from_name(&owner.kind).unwrap_or(Kind::Inert);
        let own = match kind {
            // As `Object::key` writes the names of inert kinds.
            Kind::Inert => {
                let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
                format!("{}.{group}/{}", owner.kind, owner.name).into()
            }
            _ => owner.name.clone(),
        };
        let key = Key::new(object.meta().namespace.clone(), own);
        format!(" by {}", name(&Ref { kind, key }))
    });
    let what = match object {
        Object::Service(s) => {
            let ip = s.body.spec.as_ref().and_then(|s| s.cluster_ip.as_deref()).unwrap_or_default();
            match ip {
                "" => String::new(),
                "None" => ", headless".to_owned(),
                ip => format!(" at {ip}"),
            }
        }
        Object::ReplicaSet(rs) => format!(", {} wanted", rs.spec.wire.replicas.unwrap_or(1)),
        Object::Deployment(d) => format!(", {} wanted", d.spec.wire.replicas.unwrap_or(1)),
        Object::StatefulSet(s) => format!(", {} wanted", s.spec.wire.replicas.unwrap_or(1)),
        Object::CronJob(c) => format!(", to run at {:?}", c.spec.wire.schedule),
        _ => String::new(),
    };
    (Tone::Progress, format!("created{}{what}", by.unwrap_or_default()))
}

/// Says what changed.
pub(super) fn changed(old: &Object, new: &Object, said: &mut Said) {
    if old.meta().deletion.is_none() && new.meta().deletion.is_some() {
        let left: Vec<&str> = new.meta().finalizers.iter().map(|f| f.as_str()).collect();
        let waits = if left.is_empty() {
            String::new()
        } else {
            format!(", waits for {}", left.join(", "))
        };
        said.push((Tone::Ended, format!("is being deleted{waits}")));
    }
    match (old, new) {
        (Object::Job(old), Object::Job(new)) => job(old, new, said),
        (Object::CronJob(old), Object::CronJob(new)) => cron_job(old, new, said),
        (Object::Deployment(old), Object::Deployment(new)) => deployment(old, new, said),
        (Object::ReplicaSet(old), Object::ReplicaSet(new)) => replica_set(old, new, said),
        (Object::StatefulSet(old), Object::StatefulSet(new)) => stateful_set(old, new, said),
        (Object::DaemonSet(old), Object::DaemonSet(new)) => daemon_set(old, new, said),
        _ => {}
    }
}

fn job(old: &Job, new: &Job, said: &mut Said) {
    let became = |kind: &str| !old.status.is_true(kind) && new.status.is_true(kind);
    let why = |kind: &str| {
        let c = new.status.conditions.iter().find(|c| c.kind == kind);
        c.map(|c| c.message.to_string()).filter(|m| !m.is_empty()).map(|m| format!(": {m}"))
    };
    if became("Suspended") {
        said.push((Tone::Waiting, "suspended".to_owned()));
    } else if old.status.is_true("Suspended") && !new.status.is_true("Suspended") {
        said.push((Tone::Progress, "resumed".to_owned()));
    }
    if became("Complete") {
        said.push((Tone::Good, format!("complete, {}", tally(&new.status))));
    } else if became("Failed") {
        let why = why("Failed").unwrap_or_default();
        said.push((Tone::Bad, format!("failed, {}{why}", tally(&new.status))));
    } else if (old.status.succeeded, old.status.failed) != (new.status.succeeded, new.status.failed)
    {
        let tone = if old.status.failed < new.status.failed { Tone::Bad } else { Tone::Progress };
        said.push((tone, tally(&new.status)));
    }
}

fn tally(status: &JobStatus) -> String {
    match (status.succeeded, status.failed) {
        (s, 0) => format!("{s} succeeded"),
        (0, f) => format!("{f} failed"),
        (s, f) => format!("{s} succeeded, {f} failed"),
    }
}

fn cron_job(old: &CronJob, new: &CronJob, said: &mut Said) {
    let last = |c: &CronJob| c.status.last_schedule_time.as_ref().map(sim_time);
    if let Some(at) = last(new)
        && last(old) != Some(at)
    {
        said.push((
            Tone::Progress,
            format!("fired for {}", at.to_utc().format("%Y-%m-%d %H:%M:%S")),
        ));
    }
    if old.spec.wire.suspend != new.spec.wire.suspend && new.spec.wire.suspend == Some(true) {
        said.push((Tone::Waiting, "suspended".to_owned()));
    }
}

fn scaled(old: Option<i32>, new: Option<i32>, said: &mut Said) {
    let (old, new) = (old.unwrap_or(1), new.unwrap_or(1));
    if old != new {
        said.push((Tone::Progress, format!("scaled from {old} to {new}")));
    }
}

/// Says how many are ready when that changed: good news once all are.
fn readiness(old: (i32, i32), new: (i32, i32), said: &mut Said) {
    if old == new {
        return;
    }
    let (ready, wanted) = new;
    let tone = if ready >= wanted { Tone::Good } else { Tone::Progress };
    said.push((tone, format!("{ready} of {wanted} ready")));
}

fn deployment(old: &Deployment, new: &Deployment, said: &mut Said) {
    scaled(old.spec.wire.replicas, new.spec.wire.replicas, said);
    if old.spec.template != new.spec.template {
        said.push((Tone::Progress, "has a new template: rolls out".to_owned()));
    }
    if old.spec.wire.paused != new.spec.wire.paused {
        let text = if new.spec.wire.paused == Some(true) { "paused" } else { "resumed" };
        said.push((Tone::Waiting, text.to_owned()));
    }
    let counts =
        |d: &Deployment| (d.status.ready_replicas.unwrap_or(0), d.spec.wire.replicas.unwrap_or(1));
    if counts(old).0 != counts(new).0 {
        readiness(counts(old), counts(new), said);
    }
    let reason = |d: &Deployment| {
        let all = d.status.conditions.iter().flatten();
        all.filter(|c| c.type_ == "Progressing").find_map(|c| c.reason.clone())
    };
    match (reason(old).as_deref(), reason(new).as_deref()) {
        (Some(a), Some(b)) if a == b => {}
        (_, Some("NewReplicaSetAvailable")) => said.push((Tone::Good, "rolled out".to_owned())),
        (_, Some("ProgressDeadlineExceeded")) => {
            said.push((Tone::Bad, "does not get on: progress deadline exceeded".to_owned()));
        }
        _ => {}
    }
}

fn replica_set(old: &ReplicaSet, new: &ReplicaSet, said: &mut Said) {
    scaled(old.spec.wire.replicas, new.spec.wire.replicas, said);
}

fn stateful_set(old: &StatefulSet, new: &StatefulSet, said: &mut Said) {
    scaled(old.spec.wire.replicas, new.spec.wire.replicas, said);
    if old.spec.template != new.spec.template {
        said.push((Tone::Progress, "has a new template: rolls out".to_owned()));
    }
    let counts =
        |s: &StatefulSet| (s.status.ready_replicas.unwrap_or(0), s.spec.wire.replicas.unwrap_or(1));
    if counts(old).0 != counts(new).0 {
        readiness(counts(old), counts(new), said);
    }
}

fn daemon_set(old: &DaemonSet, new: &DaemonSet, said: &mut Said) {
    if old.spec.template != new.spec.template {
        said.push((Tone::Progress, "has a new template: rolls out".to_owned()));
    }
    let counts = |d: &DaemonSet| (d.status.number_ready, d.status.desired_number_scheduled);
    if counts(old).1 != counts(new).1 {
        let nodes = super::count(usize::try_from(counts(new).1).unwrap_or(0), "node");
        said.push((Tone::Progress, format!("wanted on {nodes}")));
    }
    if counts(old).0 != counts(new).0 {
        readiness(counts(old), counts(new), said);
    }
}

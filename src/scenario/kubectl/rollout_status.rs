//! `kubectl rollout status`.
//!
//! After `pkg/cmd/rollout/rollout_status.go` and `pkg/polymorphichelpers/rollout_status.go`: a line for
//! every change of the object that is seen, until the rollout is done. The object is looked at every few
//! milliseconds, so that changes that follow each other are told apart as a watch tells them.

use std::time::Duration;

use serde_json::Value;

use super::args::Args;
use super::resource::{Info, to_value};
use super::table::{FILES, SELECTOR, Treatment, Verb, number, switch, time};
use super::wait::next_look;
use super::{Cx, Failure, Look, Output, Poll, Task, Tasks, rollout};
use crate::base::time::SimTime;
use crate::model::{Kind, Ref, Uid};

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "rollout status",
    aliases: &[],
    usage: "rollout status (TYPE NAME | TYPE/NAME) [flags] [options]",
    about: "Show the status of the rollout.",
    flags: &[
        FILES,
        SELECTOR,
        &[switch("watch").letter('w').or("true"), number("revision", "0"), time("timeout", "0s")],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

/// A rollout that is watched.
#[derive(Debug)]
pub(super) struct Watch {
    object: Ref,
    uid: Uid,
    kind: Kind,
    follow: bool,
    revision: i64,
    timeout: Duration,
    began: Option<SimTime>,
    seen: u64,
}

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let revision = args.number("revision");
    let (infos, failures) = rollout::targets(args, cx)?;
    if revision < 0 {
        return Err(format!("revision must be a positive integer: {revision}").into());
    }
    if infos.is_empty() && failures.is_empty() {
        return Ok(vec![Task::Warn(format!(
            "No resources found in {} namespace.\n",
            cx.namespace
        ))]);
    }
    let mut tasks: Tasks = infos.iter().map(|info| watch(info, revision, args)).collect();
    tasks.extend(failures.into_iter().map(Task::Fail));
    Ok(tasks)
}

fn watch(info: &Info, revision: i64, args: &Args) -> Task {
    let kind = info.resource.model;
    if !matches!(kind, Kind::Deployment | Kind::DaemonSet | Kind::StatefulSet) {
        let r = &info.resource;
        let name =
            if r.group.is_empty() { r.kind.clone() } else { format!("{}.{}", r.kind, r.group) };
        return Task::Fail(format!("no status viewer has been implemented for {name}").into());
    }
    Task::Rollout(Box::new(Watch {
        object: info.reference(),
        uid: info.object.as_ref().map(|o| o.meta().uid).unwrap_or_default(),
        kind,
        follow: args.on("watch"),
        revision,
        timeout: Duration::from_nanos(u64::try_from(args.nanos("timeout")).unwrap_or(0)),
        began: None,
        seen: 0,
    }))
}

impl Watch {
    /// Looks whether anything has changed, and tells.
    pub(super) fn poll(&mut self, look: &Look<'_>, out: &mut Output) -> Poll {
        let began = *self.began.get_or_insert(look.now);
        let object = look.store.find(&self.object).filter(|o| o.meta().uid == self.uid);
        let Some(object) = object else {
            out.failures.push("object has been deleted".into());
            return Poll::Done;
        };
        if object.meta().resource_version != self.seen {
            self.seen = object.meta().resource_version;
            match status(self.kind, &to_value(object), self.revision) {
                Err(why) => {
                    out.failures.push(why.into());
                    return Poll::Done;
                }
                Ok((line, done)) => {
                    out.stdout.push_str(&line);
                    if done || !self.follow {
                        return Poll::Done;
                    }
                }
            }
        }
        let until =
            if self.timeout.is_zero() { SimTime::MAX } else { began.saturating_add(self.timeout) };
        if look.now >= until {
            out.failures.push("timed out waiting for the condition".into());
            return Poll::Done;
        }
        Poll::At(next_look(began, look.now).min(until))
    }
}

/// How far a rollout is, and whether it is done.
fn status(kind: Kind, o: &Value, revision: i64) -> Result<(String, bool), String> {
    let n = |v: &Value| v.as_i64().unwrap_or(0);
    let (spec, status) = (&o["spec"], &o["status"]);
    let name = o["metadata"]["name"].as_str().unwrap_or_default();
    let observed = n(&o["metadata"]["generation"]) <= n(&status["observedGeneration"]);
    match kind {
        Kind::Deployment => deployment(o, name, observed, revision),
        Kind::DaemonSet => {
            only_rolling(spec)?;
            let (updated, available) =
                (n(&status["updatedNumberScheduled"]), n(&status["numberAvailable"]));
            let desired = n(&status["desiredNumberScheduled"]);
            let wait = format!("Waiting for daemon set {name:?} rollout to finish: ");
            Ok(match () {
                () if !observed => {
                    ("Waiting for daemon set spec update to be observed...\n".to_owned(), false)
                }
                () if updated < desired => (
                    format!("{wait}{updated} out of {desired} new pods have been updated...\n"),
                    false,
                ),
                () if available < desired => (
                    format!("{wait}{available} of {desired} updated pods are available...\n"),
                    false,
                ),
                () => (format!("daemon set {name:?} successfully rolled out\n"), true),
            })
        }
        _ => stateful_set(o),
    }
}

fn only_rolling(spec: &Value) -> Result<(), String> {
    match spec["updateStrategy"]["type"].as_str() {
        Some("RollingUpdate") => Ok(()),
        _ => Err("rollout status is only available for RollingUpdate strategy type".to_owned()),
    }
}

fn deployment(
    o: &Value,
    name: &str,
    observed: bool,
    revision: i64,
) -> Result<(String, bool), String> {
    let n = |v: &Value| v.as_i64().unwrap_or(0);
    let status = &o["status"];
    if revision > 0 {
        let running = o["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str();
        let running: i64 = running.and_then(|r| r.parse().ok()).unwrap_or(0);
        if running != revision {
            return Err(format!(
                "desired revision ({revision}) is different from the running revision ({running})"
            ));
        }
    }
    if !observed {
        return Ok(("Waiting for deployment spec update to be observed...\n".to_owned(), false));
    }
    let conditions = status["conditions"].as_array();
    let progressing = conditions.into_iter().flatten().find(|c| c["type"] == "Progressing");
    if progressing.is_some_and(|c| c["reason"] == "ProgressDeadlineExceeded") {
        return Err(format!("deployment {name:?} exceeded its progress deadline"));
    }
    let (wanted, all) = (n(&o["spec"]["replicas"]), n(&status["replicas"]));
    let (updated, available) = (n(&status["updatedReplicas"]), n(&status["availableReplicas"]));
    let wait = format!("Waiting for deployment {name:?} rollout to finish: ");
    Ok(match () {
        () if updated < wanted => {
            (format!("{wait}{updated} out of {wanted} new replicas have been updated...\n"), false)
        }
        () if all > updated => {
            (format!("{wait}{} old replicas are pending termination...\n", all - updated), false)
        }
        () if available < updated => {
            (format!("{wait}{available} of {updated} updated replicas are available...\n"), false)
        }
        () => (format!("deployment {name:?} successfully rolled out\n"), true),
    })
}

fn stateful_set(o: &Value) -> Result<(String, bool), String> {
    let n = |v: &Value| v.as_i64().unwrap_or(0);
    let (spec, status) = (&o["spec"], &o["status"]);
    only_rolling(spec)?;
    let observed = n(&status["observedGeneration"]);
    if observed == 0 || n(&o["metadata"]["generation"]) > observed {
        return Ok(("Waiting for statefulset spec update to be observed...\n".to_owned(), false));
    }
    let (wanted, ready) = (n(&spec["replicas"]), n(&status["readyReplicas"]));
    if ready < wanted {
        return Ok((format!("Waiting for {} pods to be ready...\n", wanted - ready), false));
    }
    let updated = n(&status["updatedReplicas"]);
    let rolling = &spec["updateStrategy"]["rollingUpdate"];
    if rolling.is_object() {
        if let Some(partition) = rolling["partition"].as_i64()
            && updated < wanted - partition
        {
            return Ok((
                format!(
                    "Waiting for partitioned roll out to finish: {updated} out of {} new pods have been updated...\n",
                    wanted - partition
                ),
                false,
            ));
        }
        return Ok((
            format!("partitioned roll out complete: {updated} new pods have been updated...\n"),
            true,
        ));
    }
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let (current, update) = (text(&status["currentRevision"]), text(&status["updateRevision"]));
    if update != current {
        return Ok((
            format!(
                "waiting for statefulset rolling update to complete {updated} pods at revision {update}...\n"
            ),
            false,
        ));
    }
    let pods = n(&status["currentReplicas"]);
    Ok((
        format!("statefulset rolling update complete {pods} pods at revision {current}...\n"),
        true,
    ))
}

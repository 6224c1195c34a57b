//! Programs that end and should not, or end badly.

use std::sync::Arc;

use serde_json::json;

use super::fix::Change;
use super::look::Look;
use super::{Code, Fix, Reason};
use crate::model::{Container, ContainerState, Pod, Terminated};
use crate::report::timeline::duration;
use crate::report::why::script;

impl Look<'_> {
    /// Why a container's run ended, and what would help.
    pub(super) fn ended(
        &self,
        pod: &Pod,
        c: &Container,
        end: &Terminated,
        init: bool,
    ) -> Vec<Reason> {
        let source = self.source(pod);
        let what = if init { "init container" } else { "container" };
        if end.reason == "OOMKilled" {
            return vec![self.out_of_memory(pod, c)];
        }
        if matches!(end.reason.as_str(), "StartError" | "ContainerCannotRun") {
            return vec![self.cannot_start(pod, c, &end.message)];
        }
        let part = format!("{{{}}}", c.name);
        let killed = self
            .told
            .warnings(pod.meta.uid)
            .filter(|r| r.reason == "Killing" && r.regarding.field_path.ends_with(&part))
            .find_map(|r| ["liveness", "startup"].into_iter().find(|p| r.message.contains(*p)));
        if let Some(reason) = killed.and_then(|which| self.probe(pod, c, which)) {
            return vec![reason];
        }
        if let Some(variable) = self.misses_variable(pod, c) {
            let text = format!(
                "{what} {} ends with exit code {}: its program misses the variable {variable}",
                c.name, end.exit_code
            );
            let place = Self::place(pod, c).unwrap_or_default();
            let path = source.path(&format!("{place}/env/-"));
            let set = Change::set(path, json!({"name": variable, "value": "…"}));
            let fix = source
                .fix(&format!("set the variable {variable} of container {}", c.name), vec![set]);
            return vec![Self::root(Code::MissingVariable, source.object, text, vec![fix])];
        }
        if end.exit_code != 0 {
            let waits = self.waits_over_network(pod, &c.name, init);
            if !waits.is_empty() {
                return waits;
            }
        }
        let ran = match (end.started_at, end.finished_at) {
            (Some(a), Some(b)) if b > a => format!(" after {}", duration(b.since(a))),
            _ => String::new(),
        };
        let place = script::of(c).map_or_else(
            || match script::command(c) {
                command if command.is_empty() => format!("the program of image {}", c.image),
                command => format!("its command is {command}"),
            },
            |s| script::exits(s, end.exit_code),
        );
        let last = self.told.lines(pod.meta.uid, &c.name).find(|l| !l.trim().is_empty());
        let last = last.map_or(String::new(), |l| format!("; its last line is {l:?}"));
        let text =
            format!("{what} {} ends with exit code {}{ran}, {place}{last}", c.name, end.exit_code);
        let advice = match end.exit_code {
            0 => "give the container a program that goes on, or make it a Job",
            _ => "the program itself is to be changed; what it should do instead is not known here",
        };
        vec![Self::root(Code::ProgramFails, source.object, text, vec![Fix::advice(advice)])]
    }

    /// A pod that has failed.
    pub(super) fn failed_pod(&self, pod: &Arc<Pod>) -> Vec<Reason> {
        let status = &pod.status;
        let source = self.source(pod);
        match status.reason.as_str() {
            "DeadlineExceeded" => {
                let seconds = pod.spec.active_deadline.map_or(0, |d| d.as_secs());
                let text = format!("the pod was not done after {seconds}s (activeDeadlineSeconds)");
                let more = seconds.saturating_mul(10);
                let changes = vec![Change::set(source.path("/activeDeadlineSeconds"), json!(more))];
                let fix = source.fix(&format!("set activeDeadlineSeconds to {more}"), changes);
                return vec![Self::root(Code::Deadline, source.object, text, vec![fix])];
            }
            "" => {}
            reason => {
                let text = format!("{reason}: {}", status.message.trim_end());
                return vec![Self::root(Code::Evicted, source.object, text, Vec::new())];
            }
        }
        let groups = [(&status.init_containers, true), (&status.containers, false)];
        for (all, init) in groups {
            for c in all.iter() {
                if let ContainerState::Terminated(end) = &c.state
                    && end.exit_code != 0
                    && let Some(spec) = pod.spec.container(&c.name)
                {
                    return self.ended(pod, spec, end, init);
                }
            }
        }
        Vec::new()
    }

    fn out_of_memory(&self, pod: &Pod, c: &Container) -> Reason {
        let source = self.source(pod);
        let limit = c.limits.memory;
        let mebi = |bytes: i64| format!("{}Mi", (bytes >> 20).max(1));
        let text = format!(
            "container {} uses more memory than its limit of {} allows",
            c.name,
            mebi(limit)
        );
        let place = Self::place(pod, c).unwrap_or_default();
        let raise = |times: i64| {
            let more = mebi(limit.saturating_mul(times));
            let path = source.path(&format!("{place}/resources/limits/memory"));
            source.fix(
                &format!("raise the memory limit of container {} to {more}", c.name),
                vec![Change::set(path, more)],
            )
        };
        let fixes = if limit > 0 { [2, 4, 16].map(raise).into() } else { Vec::new() };
        Self::root(Code::OutOfMemory, source.object, text, fixes)
    }

    /// The variable that a program says it misses, in its last lines.
    fn misses_variable(&self, pod: &Pod, c: &Container) -> Option<String> {
        const SAID: [&str; 8] = [
            "parameter not set",
            "unbound variable",
            "not set",
            "must be set",
            "is required",
            "is missing",
            "must be defined",
            "not defined",
        ];
        let is_name = |w: &&str| {
            w.len() > 1
                && w.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
                && w.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        };
        let named = |line: &str| {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            words
                .filter(is_name)
                .find(|w| !matches!(*w, "ERROR" | "FATAL" | "PANIC" | "WARN" | "INFO" | "ENV"))
                .map(str::to_owned)
        };
        let lower = |line: &str| line.to_ascii_lowercase();
        let mut lines = self.told.lines(pod.meta.uid, &c.name);
        let found = lines.find(|line| SAID.iter().any(|said| lower(line).contains(said)))?;
        // A script's own variable is not one that a manifest can set.
        named(found).filter(|v| {
            self.pod_spec(pod)["containers"]
                .as_array()
                .into_iter()
                .flatten()
                .all(|c| c["env"].as_array().into_iter().flatten().all(|e| e["name"] != v.as_str()))
        })
    }
}

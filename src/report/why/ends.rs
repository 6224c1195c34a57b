//! How a run of a container ended, and why.

use super::{Asking, Because, End, script};
use crate::base::time::SimTime;
use crate::model::{Container, Handler, Pod, PortRef, Terminated};
use crate::report::timeline::duration;
use crate::trace::EventRecord;

/// The exit code of a container whose node went down (`ContainerStatusUnknown` and its like).
const LOST: i32 = 255;
/// The exit codes of SIGKILL and SIGTERM.
const KILLED: [i32; 2] = [137, 143];

impl Asking<'_> {
    /// Why a run of a container ended, from its end back to a script, a fault, a time or a step.
    pub(super) fn end_of(&self, pod: &Pod, container: &str, end: &Terminated) -> Vec<Because> {
        let mut links = Vec::new();
        let at = end.finished_at.unwrap_or(self.now);
        let ran = match (end.started_at, end.finished_at) {
            (Some(a), Some(b)) if b > a => format!(" after {}", duration(b.since(a))),
            _ => String::new(),
        };
        let reason = match end.reason.as_str() {
            "" | "Error" | "Completed" => String::new(),
            reason => format!(" ({reason})"),
        };
        links.push(Because::then(
            at,
            format!("container {container} ended with exit code {}{ran}{reason}", end.exit_code),
        ));
        if let Some(killing) = self.killing(pod, container, end) {
            self.killed(pod, container, killing, &mut links);
        } else if end.exit_code == LOST && end.reason != "Error" && self.lost(pod, at, &mut links) {
            return links;
        } else if KILLED.contains(&end.exit_code) && pod.meta.deletion.is_some() {
            self.asked_to_go(pod, &mut links);
        } else {
            self.by_itself(pod, container, end, &mut links);
        }
        links
    }

    /// The event in which the node agent said that it kills a run, if it did.
    fn killing(
        &self,
        pod: &Pod,
        container: &str,
        end: &Terminated,
    ) -> Option<(SimTime, &EventRecord)> {
        let part = format!("{{{container}}}");
        let from = end.started_at.unwrap_or(SimTime::ZERO);
        // An end is told in whole seconds, an event as it was; and killing takes its time.
        let until = end.finished_at? + std::time::Duration::from_secs(1);
        let of = |(fact, record): &(&crate::trace::Fact, &EventRecord)| {
            record.reason == "Killing"
                && record.regarding.field_path.ends_with(part.as_str())
                && (from..=until).contains(&fact.at)
        };
        self.past.events(pod.meta.uid).rfind(of).map(|(fact, record)| (fact.at, record))
    }

    fn killed(
        &self,
        pod: &Pod,
        container: &str,
        (at, record): (SimTime, &EventRecord),
        links: &mut Vec<Because>,
    ) {
        links.push(Because::then(at, format!("the node agent killed it: {}", record.message)));
        let probe = ["liveness", "startup"].into_iter().find(|p| record.message.contains(*p));
        match probe {
            Some(probe) => self.failed_probe(pod, container, probe, at, links),
            None if pod.meta.deletion.is_some() => self.asked_to_go(pod, links),
            None if record.message.contains("PostStartHook") => {
                let hook = pod.spec.container(container).and_then(|c| c.post_start.as_ref());
                let text = hook.map_or_else(String::new, |h| format!(": {}", handler(h)));
                links.push(
                    Because::plain(format!("its postStart hook failed{text}")).ends(End::Script),
                );
            }
            None if pod.spec.active_deadline.is_some()
                && pod.status.reason == "DeadlineExceeded" =>
            {
                self.deadline(pod, links);
            }
            None => links.append(&mut self.made(pod.meta.uid)),
        }
    }

    /// Why a probe fails.
    pub(super) fn failed_probe(
        &self,
        pod: &Pod,
        container: &str,
        probe: &str,
        by: SimTime,
        links: &mut Vec<Because>,
    ) {
        let part = format!("{{{container}}}");
        let capital = format!("{}{} probe", probe[..1].to_uppercase(), &probe[1..]);
        let said = self.past.events(pod.meta.uid).rfind(|(fact, record)| {
            record.reason == "Unhealthy"
                && fact.at <= by
                && record.regarding.field_path.ends_with(part.as_str())
                && record.message.starts_with(capital.as_str())
        });
        if let Some((fact, record)) = said {
            links.push(Because::then(fact.at, record.message.trim_end().replace('\n', " ")));
        }
        let Some(spec) = pod.spec.container(container) else { return };
        let of = match probe {
            "liveness" => spec.liveness.as_ref(),
            "startup" => spec.startup.as_ref(),
            _ => spec.readiness.as_ref(),
        };
        let Some(of) = of else { return };
        let times = of.failure_threshold;
        let asks = handler(&of.handler);
        links.push(Because::plain(format!(
            "the {probe} probe, {asks}, is given up after {times} failures in a row"
        )));
        links.push(self.behind_probe(pod, spec, &of.handler));
    }

    /// What makes a probe fail: the statement that takes its file away, or what the program is known for.
    fn behind_probe(&self, pod: &Pod, container: &Container, of: &Handler) -> Because {
        if let Handler::Exec(words) = of {
            let paths = words
                .iter()
                .flat_map(|w| w.split([' ', ';', '"', '\'']))
                .filter(|w| w.starts_with('/') && w.len() > 1 && !w.starts_with("/bin/"));
            let all = pod.spec.init_containers.iter().chain(&pod.spec.containers);
            for path in paths {
                let found =
                    all.clone().find_map(|c| Some((c, script::about(script::of(c)?, path)?)));
                if let Some((of, place)) = found {
                    let whose = if of.name == container.name {
                        "its own script".to_owned()
                    } else {
                        format!("the script of container {}", of.name)
                    };
                    return Because::plain(format!("{path} is what {whose} makes of it, {place}"))
                        .ends(End::Script);
                }
            }
            let words: Vec<&str> = words.iter().map(smol_str::SmolStr::as_str).collect();
            return Because::plain(format!("the probe runs {:?}", words.join(" ")))
                .ends(End::Script);
        }
        self.program(pod, container, "does not answer it")
    }

    /// What is known of a container's program.
    fn program(&self, pod: &Pod, container: &Container, does: &str) -> Because {
        let stated = pod.meta.annotations.iter().find(|(k, _)| k.starts_with("wavetank.dev/"));
        if let Some((key, value)) = stated {
            let text = format!("its program {does}, as the annotation {key}: {value:?} states");
            return Because::plain(text).ends(End::Assumption);
        }
        let command = script::command(container);
        if let Some(script) = script::of(container) {
            let last = script::exits(script, 0);
            return Because::plain(format!("its script {does}; it gets to {last}"))
                .ends(End::Script);
        }
        match command.is_empty() {
            true => Because::plain(format!("the program of image {} {does}", container.image))
                .ends(End::Assumption),
            false => Because::plain(format!("its command, {command}, {does}")).ends(End::Script),
        }
    }

    /// A run that nobody ended.
    fn by_itself(&self, pod: &Pod, container: &str, end: &Terminated, links: &mut Vec<Because>) {
        let Some(spec) = pod.spec.container(container) else {
            links.append(&mut self.made(pod.meta.uid));
            return;
        };
        if end.reason == "OOMKilled" {
            links.push(Because::plain("it used more memory than its limit allows"));
            links.push(self.program(pod, spec, "uses that much"));
            return;
        }
        if matches!(end.reason.as_str(), "StartError" | "ContainerCannotRun") {
            let message = end.message.trim_end();
            links.push(Because::plain(format!("it could not be started: {message}")));
            let command = script::command(spec);
            links.push(Because::plain(format!("its command is {command}")).ends(End::Script));
            return;
        }
        let message = end.message.trim_end();
        if !message.is_empty() {
            links.push(Because::plain(format!("it left the message {message:?}")));
        }
        links.push(match script::of(spec) {
            Some(script) => {
                let place = script::exits(script, end.exit_code);
                Because::plain(format!("its script came to that, {place}")).ends(End::Script)
            }
            None => self.program(pod, spec, &format!("ends with exit code {}", end.exit_code)),
        });
    }

    /// A run that was lost with its node.
    fn lost(&self, pod: &Pod, at: SimTime, links: &mut Vec<Because>) -> bool {
        let node = pod.node.as_deref().unwrap_or_default();
        let Some((number, step)) = self
            .past
            .step_about("stop-node", node, at + std::time::Duration::from_secs(1))
            .or_else(|| self.past.step_about("stop-node", node, self.now))
        else {
            return false;
        };
        let text = format!("node/{node} stopped with all that ran on it: {}", step.words(number));
        links.push(Because::then(step.began, text).ends(End::Fault));
        true
    }

    /// Who asked for the deletion of a pod.
    fn asked_to_go(&self, pod: &Pod, links: &mut Vec<Because>) {
        let gone = self.past.versions(pod.meta.uid).find(super::past::Version::begins_deletion);
        match gone {
            Some(version) => {
                links.push(Because::then(version.at, "its pod's deletion was asked for"));
                self.deleted(&version, links);
            }
            None => links.append(&mut self.made(pod.meta.uid)),
        }
    }

    /// A deadline of a pod.
    pub(super) fn deadline(&self, pod: &Pod, links: &mut Vec<Because>) {
        let deadline = pod.spec.active_deadline.map(duration).unwrap_or_default();
        let text = format!("its activeDeadlineSeconds were over, {deadline} after its start");
        links.push(Because::plain(text).ends(End::Timer));
    }
}

/// What a probe or a hook does, in words.
pub(super) fn handler(of: &Handler) -> String {
    match of {
        Handler::Exec(words) => {
            let words: Vec<&str> = words.iter().map(smol_str::SmolStr::as_str).collect();
            format!("exec {:?}", words.join(" "))
        }
        Handler::HttpGet(get) => format!("GET {}", get.path),
        Handler::TcpSocket { port, .. } => format!("a connection to port {}", shown(port)),
        Handler::Grpc { port, .. } => format!("gRPC health on port {port}"),
        Handler::Sleep(length) => format!("sleep {}", duration(*length)),
    }
}

fn shown(port: &PortRef) -> String {
    match port {
        PortRef::Number(number) => number.to_string(),
        PortRef::Name(name) => name.to_string(),
    }
}

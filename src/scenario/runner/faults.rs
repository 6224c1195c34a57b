//! What goes wrong in a run because a step says so, and how it is undone.

use std::fmt;
use std::time::Duration;

use super::{Ear, Runner};
use crate::base::time::SimTime;
use crate::engine::Token;
use crate::model::{Kind, Object, Pod, Ref};
use crate::report::timeline::duration;
use crate::scenario::monitor::Choice;
use crate::sim::machines::{Growth, Skew};
use crate::sim::{Callers, Concerns, FaultRule, Verdict};
use crate::store::{DeleteOptions, Request};
use crate::trace::FactId;

/// The label by which nodes have a zone.
const ZONE: &str = "topology.kubernetes.io/zone";

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// All nodes of a zone crash.
    StopZone(String),
    /// All nodes of a zone boot.
    StartZone(String),
    /// A machine is switched off and its node deleted.
    DeleteNode(String),
    /// Pods are deleted.
    KillPod(KilledPod),
    /// The process of a container is killed.
    KillProcess {
        /// The pod: the first by name that is so.
        pod: Choice,
        /// The container; the first by default.
        container: Option<String>,
        /// Whether nothing survives it; else as the image asks to be stopped.
        kill: bool,
    },
    /// The API server refuses or delays requests.
    Api {
        /// Whose.
        from: Callers,
        /// Which.
        of: Concerns,
        /// In how many of a thousand cases.
        permille: u32,
        /// What becomes of them.
        verdict: Verdict,
    },
    /// Pulls of images fail, or take so much longer.
    Registry {
        /// Which images.
        images: String,
        /// How much longer.
        slow: Option<Duration>,
    },
    /// The cluster's DNS does not answer.
    Dns,
    /// A node's clock is wrong.
    Clock {
        /// The node.
        node: String,
        /// How far.
        skew: Skew,
    },
    /// Something that is no pod uses memory of a node.
    Memory {
        /// The node.
        node: String,
        /// How much.
        uses: Growth,
        /// The same as it was written.
        written: String,
    },
    /// A node cannot reach the API server.
    Partition(String),
}

/// Which pods are deleted, and how.
#[derive(Clone, Debug)]
pub struct KilledPod {
    /// Those that are so.
    pub choice: Choice,
    /// All of them, or the first by name.
    pub all: bool,
    /// Their grace; their own by default.
    pub grace: Option<Duration>,
}

impl Fault {
    /// As steps call it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::StopZone(_) => "stop-zone",
            Self::StartZone(_) => "start-zone",
            Self::DeleteNode(_) => "delete-node",
            Self::KillPod(_) => "kill-pod",
            Self::KillProcess { .. } => "kill-process",
            Self::Api { .. } => "api-fault",
            Self::Registry { .. } => "registry-fault",
            Self::Dns => "dns-outage",
            Self::Clock { .. } => "clock-skew",
            Self::Memory { .. } => "memory-pressure",
            Self::Partition(_) => "partition-node",
        }
    }

    /// Whether it is so until it is undone.
    pub const fn lasts(&self) -> bool {
        match self {
            Self::StopZone(_)
            | Self::Api { .. }
            | Self::Registry { .. }
            | Self::Dns
            | Self::Clock { .. }
            | Self::Memory { .. }
            | Self::Partition(_) => true,
            Self::StartZone(_)
            | Self::DeleteNode(_)
            | Self::KillPod(_)
            | Self::KillProcess { .. } => false,
        }
    }
}

/// What it is about, in a line.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StopZone(name)
            | Self::StartZone(name)
            | Self::DeleteNode(name)
            | Self::Partition(name) => write!(f, "{name}"),
            Self::KillPod(killed) if killed.all => write!(f, "all of {}", killed.choice),
            Self::KillPod(killed) => write!(f, "{}", killed.choice),
            Self::KillProcess { pod, container, .. } => {
                write!(f, "{pod}")?;
                container.as_ref().map_or(Ok(()), |c| write!(f, " {c}"))
            }
            Self::Api { verdict, permille, .. } => {
                match verdict {
                    Verdict::Fail(reason) => write!(f, "{}", reason.as_str())?,
                    Verdict::Delay(length) => write!(f, "{} later", duration(*length))?,
                    Verdict::Pass => {}
                }
                if *permille == 1000 { Ok(()) } else { write!(f, ", {}%", permille / 10) }
            }
            Self::Registry { images, slow: Some(slow) } => {
                write!(f, "{images}, {} longer", duration(*slow))
            }
            Self::Registry { images, slow: None } => write!(f, "{images}"),
            Self::Dns => Ok(()),
            Self::Clock { node, skew } if skew.behind.is_zero() => {
                write!(f, "{node}, {} ahead", duration(skew.ahead))
            }
            Self::Clock { node, skew } => write!(f, "{node}, {} behind", duration(skew.behind)),
            Self::Memory { node, written, .. } => write!(f, "{node}, {written}"),
        }
    }
}

impl Runner {
    /// Lets something go wrong.
    pub(super) fn befall(
        &mut self,
        fault: &Fault,
        lasts: Option<Duration>,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        match fault {
            Fault::StopZone(zone) => {
                for node in self.nodes_of(zone)? {
                    self.stop_machine(&node, ear)?;
                }
            }
            Fault::StartZone(zone) => {
                for node in self.nodes_of(zone)? {
                    self.start_machine(&node, ear)?;
                }
            }
            Fault::DeleteNode(node) => {
                self.stop_machine(node, ear)?;
                self.delete(Ref::new(Kind::Node, "", node.as_str()), DeleteOptions::default());
            }
            Fault::KillPod(killed) => self.kill_pods(killed)?,
            Fault::KillProcess { pod, container, kill } => {
                self.kill_process(pod, container.as_deref(), *kill, ear)?;
            }
            Fault::Api { from, of, permille, verdict } => {
                let begin = self.sim.now();
                // One without an end lasts for ever, and can be undone by none.
                let end = lasts.map_or(SimTime::MAX, |l| begin + l);
                let (from, of, permille, verdict) = (*from, *of, *permille, *verdict);
                self.sim.add_fault(FaultRule { from, of, begin, end, permille, verdict });
            }
            Fault::Registry { images, slow } => self.sim.add_registry_fault(images, *slow),
            Fault::Dns => self.sim.set_dns(false, &mut |fact| ear.hear(fact)),
            Fault::Clock { node, skew } => {
                self.at_work(node, ear)?;
                self.sim.set_clock(node, *skew, &mut |fact| ear.hear(fact));
            }
            Fault::Memory { node, uses, .. } => {
                self.at_work(node, ear)?;
                self.sim.press_memory(node, Some(*uses), &mut |fact| ear.hear(fact));
            }
            Fault::Partition(node) => {
                self.at_work(node, ear)?;
                self.sim.cut_off(node, true, &mut |fact| ear.hear(fact));
            }
        }
        Ok(())
    }

    /// Lets what went wrong be right again.
    pub(super) fn undo(&mut self, fault: &Fault, ear: &mut Ear<'_>) -> Result<(), String> {
        let mut hear = |fact: &crate::trace::Fact| ear.hear(fact);
        match fault {
            Fault::StopZone(zone) => {
                return self.befall(&Fault::StartZone(zone.clone()), None, ear);
            }
            Fault::Registry { images, slow } => self.sim.remove_registry_fault(images, *slow),
            Fault::Dns => self.sim.set_dns(true, &mut hear),
            Fault::Clock { node, .. } => self.sim.set_clock(node, Skew::default(), &mut hear),
            Fault::Memory { node, .. } => self.sim.press_memory(node, None, &mut hear),
            Fault::Partition(node) => self.sim.cut_off(node, false, &mut hear),
            // A rule of the API server's ends at its time.
            Fault::Api { .. }
            | Fault::StartZone(_)
            | Fault::DeleteNode(_)
            | Fault::KillPod(_)
            | Fault::KillProcess { .. } => {}
        }
        Ok(())
    }

    /// Waits until a machine's agent is at work, if that is soon.
    pub(super) fn at_work(&mut self, node: &str, ear: &mut Ear<'_>) -> Result<(), String> {
        self.known(node)?;
        if !self.sim.has_agent(node) {
            let soon = self.sim.now() + self.sim.latency().watch * 2;
            self.pass_to(soon.min(self.limit), ear);
        }
        match self.sim.has_agent(node) {
            true => Ok(()),
            false => Err(format!("the agent of {node:?} is not at work")),
        }
    }

    fn nodes_of(&self, zone: &str) -> Result<Vec<String>, String> {
        let is_in =
            |node: &serde_json::Value| node["metadata"]["labels"][ZONE].as_str() == Some(zone);
        let found: Vec<String> =
            self.machines.iter().filter(|(_, n)| is_in(n)).map(|(name, _)| name.clone()).collect();
        if found.is_empty() {
            return Err(format!("no machine has the label {ZONE}={zone}"));
        }
        Ok(found)
    }

    /// The pods that are so, by name.
    fn pods(&self, choice: &Choice) -> Vec<std::sync::Arc<Pod>> {
        let mut pods: Vec<_> = self
            .sim
            .store()
            .list(Kind::Pod)
            .filter(|o| choice.has(o) && !o.meta().is_terminating())
            .filter_map(|o| if let Object::Pod(pod) = o { Some(pod.clone()) } else { None })
            .collect();
        pods.sort_by(|a, b| a.meta.key().cmp(&b.meta.key()));
        pods
    }

    fn kill_pods(&mut self, killed: &KilledPod) -> Result<(), String> {
        let mut pods = self.pods(&killed.choice);
        if pods.is_empty() {
            return Err(format!("there is no {}", killed.choice));
        }
        if !killed.all {
            pods.truncate(1);
        }
        for pod in pods {
            let options = DeleteOptions { grace: killed.grace, ..DeleteOptions::of(pod.meta.uid) };
            self.delete(Ref { kind: Kind::Pod, key: pod.meta.key() }, options);
        }
        Ok(())
    }

    fn delete(&mut self, target: Ref, options: DeleteOptions) {
        let request = Request::Delete { target, options };
        self.sim.send(self.sim.now(), Token(0), FactId::NONE, request);
    }

    fn kill_process(
        &mut self,
        choice: &Choice,
        container: Option<&str>,
        kill: bool,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        let pods = self.pods(choice);
        let running = pods.iter().find_map(|p| Some((p, p.node.clone()?)));
        let Some((pod, node)) = running else {
            return Err(format!("no {choice} is on a node"));
        };
        let first = pod.spec.containers.first().map(|c| c.name.to_string());
        let Some(container) = container.map(str::to_owned).or(first) else {
            return Err(format!("{choice} has no container"));
        };
        let uid = pod.meta.uid;
        if self.sim.signal(&node, uid, &container, kill, &mut |fact| ear.hear(fact)) {
            return Ok(());
        }
        Err(format!("container {container} of pod {} does not run", pod.meta.name))
    }
}

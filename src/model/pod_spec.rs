//! What all pods of one template share, compiled once.
//!
//! The API form stays beside the compiled one: it is what `-o yaml` shows and what rarely read fields
//! (environment, volumes, affinity) are read from.

use std::sync::Arc;
use std::time::Duration;

use super::{Labels, Resources, equal, wire};
use crate::base::Str;
use crate::base::digest::digest_of;

/// A pod's specification as the simulation works on it (`v1.PodSpec`).
///
/// Without what differs from pod to pod of one template: the node, a stable identity, a pinned node.
#[derive(Clone, Debug, PartialEq)]
pub struct PodSpec {
    /// The API form, defaulted and admitted. `node_name` is empty here: it is [`super::Pod::node`].
    pub wire: Box<wire::core::PodSpec>,
    /// A digest of the API form: equal specs have equal digests. Caches of compiled forms key on it.
    pub digest: u64,
    /// Init containers, sidecars among them, in order.
    pub init_containers: Vec<Container>,
    /// Main containers in order.
    pub containers: Vec<Container>,
    /// Containers that were added to look at the pod, in order: they are started once and count for nothing.
    pub ephemeral_containers: Vec<EphemeralContainer>,
    /// What happens when a container ends.
    pub restart_policy: RestartPolicy,
    /// `terminationGracePeriodSeconds`.
    pub grace: Duration,
    /// `activeDeadlineSeconds`.
    pub active_deadline: Option<Duration>,
    /// What the scheduler counts: containers summed, init containers by their peak, overhead added
    /// (`k8s.io/component-helpers/resource`, `PodRequests`).
    pub requests: Resources,
    /// Its quality-of-service class.
    pub qos: Qos,
    /// `spec.priority`, resolved by admission.
    pub priority: i32,
    /// Whether it may push others aside.
    pub preemption_policy: PreemptionPolicy,
    /// `spec.schedulerName`.
    pub scheduler_name: Str,
    /// Names of scheduling gates that are still closed.
    pub scheduling_gates: Vec<Str>,
    /// Condition types that must be true besides the containers' readiness.
    pub readiness_gates: Vec<Str>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// `spec.hostname` of the template.
    pub hostname: Option<Str>,
    /// `spec.subdomain` of the template.
    pub subdomain: Option<Str>,
    /// Whether it uses its node's address.
    pub host_network: bool,
}

/// A template for pods (`v1.PodTemplateSpec`).
#[derive(Clone, Debug)]
pub struct PodTemplate {
    /// Labels of its pods.
    pub labels: Labels,
    /// Annotations of its pods.
    pub annotations: Labels,
    /// Finalizers of its pods.
    pub finalizers: Vec<Str>,
    /// The node that the template names, past the scheduler (`spec.nodeName`).
    pub node: Option<Str>,
    /// What its pods share.
    pub spec: Arc<PodSpec>,
}

impl PartialEq for PodTemplate {
    fn eq(&self, other: &Self) -> bool {
        let Self { labels, annotations, finalizers, node, spec } = self;
        equal(spec, &other.spec)
            && *labels == other.labels
            && *annotations == other.annotations
            && *finalizers == other.finalizers
            && *node == other.node
    }
}

/// One container of a spec (`v1.Container`), as the node agent uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// Its name.
    pub name: Str,
    /// Its image as written.
    pub image: Str,
    /// When the image is pulled.
    pub pull_policy: PullPolicy,
    /// `command`: replaces the image's entry point.
    pub command: Vec<Str>,
    /// `args`: replaces the image's arguments.
    pub args: Vec<Str>,
    /// The container's own restart policy; on an init container `Always` makes a sidecar.
    pub restart_policy: Option<RestartPolicy>,
    /// Ports: name (may be empty) and number.
    pub ports: Vec<(Str, u16)>,
    /// Probes.
    pub startup: Option<Probe>,
    /// See `startup`.
    pub liveness: Option<Probe>,
    /// See `startup`.
    pub readiness: Option<Probe>,
    /// Runs right after the start.
    pub post_start: Option<Handler>,
    /// Runs before the container is stopped.
    pub pre_stop: Option<Handler>,
    /// What it asks for.
    pub requests: Resources,
    /// What it may use at most.
    pub limits: Resources,
    /// Where its termination message is read from.
    pub termination_message_path: Str,
    /// Whether the log's end serves where that file is empty (`FallbackToLogsOnError`).
    pub termination_message_from_logs: bool,
}

/// A container that was added to a pod that exists (`v1.EphemeralContainer`).
#[derive(Clone, Debug, PartialEq)]
pub struct EphemeralContainer {
    /// The container: without ports, probes, hooks and resources.
    pub container: Container,
    /// Its API form, as that of any container.
    pub wire: wire::core::Container,
    /// The container whose processes it is to see; empty for none.
    pub target: Str,
}

/// A probe of a container (`v1.Probe`).
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// What it does.
    pub handler: Handler,
    /// Wait after the start.
    pub initial_delay: Duration,
    /// Between probes.
    pub period: Duration,
    /// After which a probe has failed.
    pub timeout: Duration,
    /// Successes in a row that count as success.
    pub success_threshold: u32,
    /// Failures in a row that count as failure.
    pub failure_threshold: u32,
    /// A grace of its own for what the probe stops.
    pub grace: Option<Duration>,
}

/// What a probe or hook does (`v1.ProbeHandler`, `v1.LifecycleHandler`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handler {
    /// Runs a command in the container.
    Exec(Vec<Str>),
    /// Asks over HTTP.
    HttpGet(HttpGet),
    /// Opens a connection.
    TcpSocket {
        /// The host, empty for the pod.
        host: Str,
        /// The port.
        port: PortRef,
    },
    /// Asks the gRPC health service.
    Grpc {
        /// The port.
        port: u16,
        /// The service asked for.
        service: Str,
    },
    /// Waits (hooks only).
    Sleep(Duration),
}

/// An HTTP request of a probe or hook (`v1.HTTPGetAction`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGet {
    /// The host, empty for the pod.
    pub host: Str,
    /// The port.
    pub port: PortRef,
    /// The path.
    pub path: Str,
    /// Whether it speaks TLS.
    pub https: bool,
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortRef {
    /// By number.
    Number(u16),
    /// By the name of a container port.
    Name(Str),
}

/// What happens when a container ends (`v1.RestartPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// It is started again.
    Always,
    /// It is started again after a failure.
    OnFailure,
    /// It stays ended.
    Never,
}

/// When an image is pulled (`v1.PullPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullPolicy {
    /// At every start.
    Always,
    /// When the node does not have it.
    IfNotPresent,
    /// Never.
    Never,
}

/// A quality-of-service class (`v1.PodQOSClass`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// Limits equal requests for every container.
    Guaranteed,
    /// Something is asked for.
    Burstable,
    /// Nothing is asked for.
    BestEffort,
}

impl Qos {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// Whether a pod may preempt (`v1.PreemptionPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreemptionPolicy {
    /// It may.
    PreemptLowerPriority,
    /// It waits.
    Never,
}

/// A toleration (`v1.Toleration`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toleration {
    /// The key; empty with `Exists` tolerates every key.
    pub key: Str,
    /// How the value is compared.
    pub operator: TolerationOperator,
    /// The value.
    pub value: Str,
    /// The effect; `None` tolerates all effects.
    pub effect: Option<super::TaintEffect>,
    /// How long a `NoExecute` taint is tolerated; `None` for ever, zero or less not at all.
    pub seconds: Option<i64>,
}

/// How a toleration compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TolerationOperator {
    /// The value must be equal.
    Equal,
    /// Any value will do.
    Exists,
}

impl Toleration {
    /// Whether it tolerates `taint` (`v1.Toleration.ToleratesTaint`).
    pub fn tolerates(&self, taint: &super::Taint) -> bool {
        self.effect.is_none_or(|e| e == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && match self.operator {
                TolerationOperator::Equal => self.value == taint.value,
                TolerationOperator::Exists => true,
            }
    }
}

impl PodSpec {
    /// Compiles the API form, which must have been defaulted and validated: what is missing all the
    /// same takes the API's default, what cannot be read counts as absent.
    pub fn compile(mut wire: wire::core::PodSpec) -> Self {
        wire.node_name = None;
        let text = serde_json::to_vec(&wire).expect("API types always serialise");
        let init_containers: Vec<Container> =
            wire.init_containers.iter().flatten().map(Container::compile).collect();
        let containers: Vec<Container> = wire.containers.iter().map(Container::compile).collect();
        let qos = Qos::of(&init_containers, &containers);
        let requests = requests_of(&wire, &init_containers, &containers);
        Self {
            digest: digest_of(0, &text),
            restart_policy: RestartPolicy::parse(wire.restart_policy.as_deref())
                .unwrap_or(RestartPolicy::Always),
            grace: seconds(wire.termination_grace_period_seconds.unwrap_or(30)),
            active_deadline: wire.active_deadline_seconds.map(seconds),
            requests,
            qos,
            priority: wire.priority.unwrap_or(0),
            preemption_policy: match wire.preemption_policy.as_deref() {
                Some("Never") => PreemptionPolicy::Never,
                _ => PreemptionPolicy::PreemptLowerPriority,
            },
            scheduler_name: wire.scheduler_name.as_deref().unwrap_or("default-scheduler").into(),
            scheduling_gates: wire
                .scheduling_gates
                .iter()
                .flatten()
                .map(|g| (&g.name).into())
                .collect(),
            readiness_gates: wire
                .readiness_gates
                .iter()
                .flatten()
                .map(|g| (&g.condition_type).into())
                .collect(),
            tolerations: wire.tolerations.iter().flatten().map(Toleration::compile).collect(),
            hostname: wire.hostname.as_deref().filter(|h| !h.is_empty()).map(Str::from),
            subdomain: wire.subdomain.as_deref().filter(|s| !s.is_empty()).map(Str::from),
            host_network: wire.host_network.unwrap_or(false),
            init_containers,
            containers,
            ephemeral_containers: wire
                .ephemeral_containers
                .iter()
                .flatten()
                .map(EphemeralContainer::compile)
                .collect(),
            wire: Box::new(wire),
        }
    }

    /// The container of that name, of whichever sort.
    pub fn container(&self, name: &str) -> Option<&Container> {
        let added = self.ephemeral_containers.iter().map(|e| &e.container);
        self.containers.iter().chain(&self.init_containers).chain(added).find(|c| c.name == name)
    }
}

impl Container {
    /// Whether it is a sidecar: an init container that is kept running.
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy == Some(RestartPolicy::Always)
    }

    /// The number of a port of this container.
    pub fn port(&self, port: &PortRef) -> Option<u16> {
        match port {
            PortRef::Number(n) => Some(*n),
            PortRef::Name(name) => self.ports.iter().find(|(n, _)| n == name).map(|(_, p)| *p),
        }
    }

    fn compile(c: &wire::core::Container) -> Self {
        let words = |w: &Option<Vec<String>>| w.iter().flatten().map(Str::from).collect();
        let lifecycle = c.lifecycle.as_ref();
        let hook = |h: Option<&wire::core::LifecycleHandler>| h.and_then(Handler::of_hook);
        Self {
            name: (&c.name).into(),
            image: c.image.as_deref().unwrap_or_default().into(),
            pull_policy: match c.image_pull_policy.as_deref() {
                Some("Always") => PullPolicy::Always,
                Some("Never") => PullPolicy::Never,
                _ => PullPolicy::IfNotPresent,
            },
            command: words(&c.command),
            args: words(&c.args),
            restart_policy: RestartPolicy::parse(c.restart_policy.as_deref()),
            ports: c
                .ports
                .iter()
                .flatten()
                .map(|p| {
                    (p.name.as_deref().unwrap_or_default().into(), port_number(p.container_port))
                })
                .collect(),
            startup: c.startup_probe.as_ref().and_then(Probe::compile),
            liveness: c.liveness_probe.as_ref().and_then(Probe::compile),
            readiness: c.readiness_probe.as_ref().and_then(Probe::compile),
            post_start: hook(lifecycle.and_then(|l| l.post_start.as_ref())),
            pre_stop: hook(lifecycle.and_then(|l| l.pre_stop.as_ref())),
            requests: Resources::requests_of(c.resources.as_ref()),
            limits: c
                .resources
                .as_ref()
                .and_then(|r| r.limits.as_ref())
                .map(Resources::from_list)
                .unwrap_or_default(),
            termination_message_path: c
                .termination_message_path
                .as_deref()
                .unwrap_or("/dev/termination-log")
                .into(),
            termination_message_from_logs: c.termination_message_policy.as_deref()
                == Some("FallbackToLogsOnError"),
        }
    }
}

impl EphemeralContainer {
    fn compile(e: &wire::core::EphemeralContainer) -> Self {
        let wire = wire::core::Container {
            name: e.name.clone(),
            image: e.image.clone(),
            image_pull_policy: e.image_pull_policy.clone(),
            command: e.command.clone(),
            args: e.args.clone(),
            env: e.env.clone(),
            env_from: e.env_from.clone(),
            working_dir: e.working_dir.clone(),
            volume_mounts: e.volume_mounts.clone(),
            volume_devices: e.volume_devices.clone(),
            security_context: e.security_context.clone(),
            stdin: e.stdin,
            stdin_once: e.stdin_once,
            tty: e.tty,
            termination_message_path: e.termination_message_path.clone(),
            termination_message_policy: e.termination_message_policy.clone(),
            ..Default::default()
        };
        Self {
            container: Container::compile(&wire),
            target: e.target_container_name.as_deref().unwrap_or_default().into(),
            wire,
        }
    }
}

impl Probe {
    fn compile(p: &wire::core::Probe) -> Option<Self> {
        let handler = if let Some(e) = &p.exec {
            Handler::exec(e)
        } else if let Some(h) = &p.http_get {
            Handler::http(h)
        } else if let Some(t) = &p.tcp_socket {
            Handler::tcp(t)
        } else {
            let g = p.grpc.as_ref()?;
            Handler::Grpc {
                port: port_number(g.port),
                service: g.service.as_deref().unwrap_or_default().into(),
            }
        };
        let count = |n: Option<i32>, default: u32| {
            n.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(default)
        };
        Some(Self {
            handler,
            initial_delay: seconds(p.initial_delay_seconds.unwrap_or(0).into()),
            period: Duration::from_secs(count(p.period_seconds, 10).into()),
            timeout: Duration::from_secs(count(p.timeout_seconds, 1).into()),
            success_threshold: count(p.success_threshold, 1),
            failure_threshold: count(p.failure_threshold, 3),
            grace: p.termination_grace_period_seconds.map(seconds),
        })
    }
}

impl Handler {
    fn of_hook(h: &wire::core::LifecycleHandler) -> Option<Self> {
        if let Some(e) = &h.exec {
            Some(Self::exec(e))
        } else if let Some(g) = &h.http_get {
            Some(Self::http(g))
        } else if let Some(s) = &h.sleep {
            Some(Self::Sleep(seconds(s.seconds)))
        } else {
            h.tcp_socket.as_ref().map(Self::tcp)
        }
    }

    fn exec(e: &wire::core::ExecAction) -> Self {
        Self::Exec(e.command.iter().flatten().map(Str::from).collect())
    }

    fn http(h: &wire::core::HTTPGetAction) -> Self {
        Self::HttpGet(HttpGet {
            host: h.host.as_deref().unwrap_or_default().into(),
            port: PortRef::of(&h.port),
            path: h.path.as_deref().filter(|p| !p.is_empty()).unwrap_or("/").into(),
            https: h.scheme.as_deref() == Some("HTTPS"),
        })
    }

    fn tcp(t: &wire::core::TCPSocketAction) -> Self {
        Self::TcpSocket {
            host: t.host.as_deref().unwrap_or_default().into(),
            port: PortRef::of(&t.port),
        }
    }
}

impl PortRef {
    /// The port that the API form names.
    pub fn of(port: &wire::IntOrString) -> Self {
        match port {
            wire::IntOrString::Int(n) => Self::Number(port_number(*n)),
            wire::IntOrString::String(s) => Self::Name(s.into()),
        }
    }
}

impl RestartPolicy {
    fn parse(text: Option<&str>) -> Option<Self> {
        match text {
            Some("Always") => Some(Self::Always),
            Some("OnFailure") => Some(Self::OnFailure),
            Some("Never") => Some(Self::Never),
            _ => None,
        }
    }

    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::OnFailure => "OnFailure",
            Self::Never => "Never",
        }
    }
}

impl Toleration {
    /// Compiles the API form.
    pub fn compile(t: &wire::core::Toleration) -> Self {
        Self {
            key: t.key.as_deref().unwrap_or_default().into(),
            operator: match t.operator.as_deref() {
                Some("Exists") => TolerationOperator::Exists,
                _ => TolerationOperator::Equal,
            },
            value: t.value.as_deref().unwrap_or_default().into(),
            effect: t.effect.as_deref().and_then(super::TaintEffect::parse),
            seconds: t.toleration_seconds,
        }
    }
}

impl Qos {
    /// As `pkg/apis/core/v1/helper/qos`, `ComputePodQOS`: CPU and memory alone count.
    fn of(init: &[Container], main: &[Container]) -> Self {
        let all = || init.iter().chain(main);
        let asks = |r: &Resources| r.cpu_milli > 0 || r.memory > 0;
        if !all().any(|c| asks(&c.requests) || asks(&c.limits)) {
            return Self::BestEffort;
        }
        let equal = |c: &Container| {
            let (r, l) = (&c.requests, &c.limits);
            l.cpu_milli > 0
                && l.memory > 0
                && (r.cpu_milli == l.cpu_milli || r.cpu_milli == 0)
                && (r.memory == l.memory || r.memory == 0)
        };
        if all().all(equal) { Self::Guaranteed } else { Self::Burstable }
    }
}

fn requests_of(wire: &wire::core::PodSpec, init: &[Container], main: &[Container]) -> Resources {
    let mut running = Resources::default();
    for c in main {
        running.add(&c.requests);
    }
    // Sidecars run beside everything after them; a plain init container runs beside the sidecars
    // started before it.
    let (mut sidecars, mut peak) = (Resources::default(), Resources::default());
    for c in init {
        let mut at_once = sidecars.clone();
        at_once.add(&c.requests);
        if c.is_sidecar() {
            sidecars = at_once.clone();
        }
        peak.max(&at_once);
    }
    running.add(&sidecars);
    running.max(&peak);
    if let Some(own) = wire.resources.as_ref().and_then(|r| r.requests.as_ref()) {
        let own_amounts = Resources::from_list(own);
        if own.contains_key("cpu") {
            running.cpu_milli = own_amounts.cpu_milli;
        }
        if own.contains_key("memory") {
            running.memory = own_amounts.memory;
        }
    }
    if let Some(overhead) = &wire.overhead {
        running.add(&Resources::from_list(overhead));
    }
    running
}

fn seconds(n: i64) -> Duration {
    Duration::from_secs(u64::try_from(n).unwrap_or(0))
}

fn port_number(n: i32) -> u16 {
    u16::try_from(n).unwrap_or(0)
}

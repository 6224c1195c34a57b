//! A Simulation as its file says it: the one description of its form.
//!
//! The published JSON Schema is made of these types, files are checked against that schema with the place
//! of every mistake ([`super::check`]), and then decoded into them: what editors know and what the program
//! reads cannot differ. The comments of the fields are what editors show.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::base::length;

/// A cluster, what is done to it and when, and what is expected of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Simulation")]
pub struct Written {
    /// The version of the form.
    pub api_version: ApiVersion,
    /// The kind of file.
    pub kind: FileKind,
    /// Its name and labels, by which `wavetank test` chooses.
    pub metadata: Option<Metadata>,
    /// What it shows, for people.
    pub description: Option<String>,
    /// The seed of all randomness.
    pub seed: Option<u64>,
    /// The virtual time at the start, such as `2026-03-29T00:55:00Z`. By default 2026-01-01T00:00:00Z, or
    /// when the dumps of `from` were taken.
    pub start_time: Option<String>,
    /// How much virtual time is simulated.
    #[serde(rename = "for")]
    pub length: Option<Length>,
    /// When it ends, in the place of a length: `quiet` is when nothing is left to happen or nothing has
    /// changed for a while (the default).
    pub until: Option<Until>,
    /// The cluster.
    pub cluster: Option<Cluster>,
    /// What the programs of images do that wavetank cannot know: see `docs/behaviours.md`.
    pub behaviors: Option<Vec<Behavior>>,
    /// Dumps of a live cluster to begin with, as `wavetank run --from` takes them: paths relative to this
    /// file.
    pub from: Option<OneOrMany<String>>,
    /// The scheduler's settings: the path of a `KubeSchedulerConfiguration`, relative to this file, or the
    /// configuration itself.
    pub scheduler: Option<PathOrObject>,
    /// Manifests that are applied at the start: paths of files and folders relative to this file, or
    /// manifests themselves.
    pub manifests: Option<OneOrMany<PathOrObject>>,
    /// Load profiles, for autoscalers.
    pub load: Option<Vec<Load>>,
    /// What is done, at times or when a condition holds.
    pub steps: Option<Vec<Step>>,
    /// What is expected.
    pub expect: Option<Vec<Expectation>>,
}

/// The version of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The only one so far.
    #[serde(rename = "wavetank.dev/v1alpha1")]
    V1Alpha1,
}

/// The kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum FileKind {
    /// A simulation.
    Simulation,
}

/// What a simulation is called.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Its name; by default that of its file.
    pub name: Option<String>,
    /// Labels, to choose simulations by.
    pub labels: Option<BTreeMap<String, String>>,
    /// Notes.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// When a run ends that has no length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Until {
    /// When nothing is left to happen, or nothing has changed for a while.
    Quiet,
}

/// The cluster.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Its nodes, group by group, or how many equal workers: by default three with 4 CPUs and 8Gi each.
    pub nodes: Option<CountOrNodes>,
    /// Where volumes come from: a default StorageClass whose volumes are made on demand, or `none`.
    pub storage: Option<Storage>,
    /// Whether the cluster stands in a cloud that gives addresses to Services of type LoadBalancer and to
    /// Ingresses.
    pub cloud: Option<bool>,
    /// How long things take: as in a real cluster, at once, or each by its name.
    pub latency: Option<Latency>,
    /// What is known of images.
    pub images: Option<Images>,
    /// How the nodes' agents are configured.
    pub kubelet: Option<Kubelet>,
}

/// How the nodes' agents are configured: fields of a KubeletConfiguration.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kubelet {
    /// Whether images are pulled one after the other: so by default, unless `maxParallelImagePulls` is more
    /// than 1.
    pub serialize_image_pulls: Option<bool>,
    /// How many images are pulled at a time; any number by default, where they are not pulled one by one.
    #[schemars(range(min = 1))]
    pub max_parallel_image_pulls: Option<u32>,
}

/// A group of equal nodes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nodes {
    /// How many.
    #[schemars(range(max = 100_000))]
    pub count: Option<u32>,
    /// The name of a single node, or what the names of several begin with: `worker` makes worker-1,
    /// worker-2 and so on.
    pub name: Option<String>,
    /// The label `topology.kubernetes.io/zone`.
    pub zone: Option<String>,
    /// The label `topology.kubernetes.io/region`.
    pub region: Option<String>,
    /// A size by name, in the place of a capacity.
    pub class: Option<NodeClass>,
    /// The resources of each, as quantities; what is not named is as of a worker.
    pub capacity: Option<BTreeMap<String, Amount>>,
    /// What of them pods may use; all by default.
    pub allocatable: Option<BTreeMap<String, Amount>>,
    /// Labels of each.
    pub labels: Option<BTreeMap<String, String>>,
    /// Taints of each, as `key=value:Effect`.
    pub taints: Option<Vec<String>>,
}

/// A size of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NodeClass {
    /// 2 CPUs, 4Gi.
    Small,
    /// 4 CPUs, 8Gi: a worker, the default.
    Medium,
    /// 8 CPUs, 32Gi.
    Large,
    /// 32 CPUs, 128Gi, 250 pods.
    Huge,
}

/// Where volumes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Storage {
    /// A default StorageClass `standard` makes them on demand.
    Provisioner,
    /// Claims bind to volumes that are given, alone.
    None,
}

/// How long things take.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Latency {
    /// A profile by name.
    Profile(LatencyProfile),
    /// Each by its name.
    Each(Latencies),
}

/// A profile of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LatencyProfile {
    /// As read off recordings of a real cluster.
    Real,
    /// Nothing takes time that Kubernetes does not make wait for: for teaching.
    Instant,
}

/// Latencies by name; what is not named is as in a real cluster.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Latencies {
    /// From sending a request until the API server has carried it out.
    pub api_write: Option<Length>,
    /// From there until the reply is back.
    pub api_reply: Option<Length>,
    /// From a change until a watching process has heard of it.
    pub watch: Option<Length>,
    /// One scheduling cycle.
    pub scheduling: Option<Length>,
    /// Setting up a pod's sandbox.
    pub sandbox_start: Option<Length>,
    /// Creating a container.
    pub container_create: Option<Length>,
    /// Starting a created container.
    pub container_start: Option<Length>,
    /// The least time an image pull takes.
    pub image_pull: Option<Length>,
}

/// What is known of images.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Images {
    /// Which are on every node from the start: `tagged` (the default; all but `latest`), or `nothing`.
    pub preloaded: Option<Preloaded>,
    /// Images that no registry has: texts that their names hold.
    pub missing: Option<Vec<String>>,
    /// Sizes by image, as quantities.
    pub sizes: Option<BTreeMap<String, Amount>>,
    /// Bytes per second of pulls, as a quantity; no limit by default.
    pub bandwidth: Option<Amount>,
}

/// Which images are on every node from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Preloaded {
    /// All with a tag other than `latest`, or a digest.
    Tagged,
    /// None.
    Nothing,
}

/// What the program of an image does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Behavior {
    /// The image as pods name it; `*` stands for any characters.
    pub image: String,
    /// How long a run lasts: `30s`, `10s..60s`, `exponential 30s`, `forever`.
    pub duration: Option<Scalar>,
    /// How it ends: `1`, `1, 1, 0`, `0 90%, 1 10%`.
    pub exit_code: Option<Scalar>,
    /// What it listens on: `8080, 50051/grpc`.
    pub ports: Option<Scalar>,
    /// From its start until it listens.
    pub ready_after: Option<Scalar>,
    /// From when to when after its start it is not ready: `40s-60s`.
    pub unready: Option<Scalar>,
    /// From SIGTERM to its end; `never` where it ignores the signal.
    pub stop_after: Option<Scalar>,
    /// Its exit code after SIGTERM.
    pub stop_code: Option<Scalar>,
    /// Memory in use: `100Mi`, `50Mi +1Mi/s max 500Mi`.
    pub memory: Option<Scalar>,
    /// Bytes written into its own files, as `memory`.
    pub disk: Option<Scalar>,
}

impl Behavior {
    /// What is told, by keys of annotations.
    pub fn told(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("duration", &self.duration),
            ("exitCode", &self.exit_code),
            ("ports", &self.ports),
            ("readyAfter", &self.ready_after),
            ("unready", &self.unready),
            ("stopAfter", &self.stop_after),
            ("stopCode", &self.stop_code),
            ("memory", &self.memory),
            ("disk", &self.disk),
        ];
        all.into_iter().filter_map(|(k, v)| Some((k, v.as_ref()?.0.as_str()))).collect()
    }
}

/// A load profile: what pods use, and what metrics read, as `wavetank.dev/load.…` annotations state it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Load {
    /// The HorizontalPodAutoscaler that reads it.
    pub autoscaler: String,
    /// Its namespace; `default` by default.
    pub namespace: Option<String>,
    /// CPU in use by each pod: `250m`, `0s=100m 2m=500m`, `ramp 0s=100m 10m=900m`,
    /// `sine 100m..900m every 10m`; with `total` before it, by all ready pods together.
    pub cpu: Option<String>,
    /// Memory in use, as `cpu`.
    pub memory: Option<String>,
    /// Other metrics by name, as `cpu`.
    pub metrics: Option<BTreeMap<String, String>>,
}

/// Something that is done. It has exactly one action.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// A name, by which expectations refer to it.
    pub name: Option<String>,
    /// When, since the start; without it and without `when`, after the step before.
    pub at: Option<Length>,
    /// When a condition first holds, in the place of a time.
    pub when: Option<When>,
    /// How long a fault lasts; then it is undone. For ever by default.
    #[serde(rename = "for")]
    pub lasts: Option<Length>,
    /// Whether it is meant to be refused; a text must stand in what kubectl says.
    pub refused: Option<BoolOrText>,

    /// Applies manifests: paths relative to this file, or manifests themselves.
    pub apply: Option<OneOrMany<PathOrObject>>,
    /// Deletes what manifests name: paths relative to this file, or manifests themselves.
    pub delete: Option<OneOrMany<PathOrObject>>,
    /// kubectl command lines, without `kubectl`; see `docs/kubectl.md`.
    pub kubectl: Option<OneOrMany<String>>,
    /// The steps that follow wait until this holds; it must within the `timeout`, 5 minutes by default.
    #[serde(rename = "await")]
    pub awaited: Option<Condition>,
    /// How long `await` may take.
    pub timeout: Option<Length>,
    /// The steps that follow wait for so long.
    pub sleep: Option<Length>,
    /// A node crashes with everything on it; with `for` it boots again.
    pub stop_node: Option<String>,
    /// A node boots.
    pub start_node: Option<String>,
    /// Nodes join.
    pub add_node: Option<NameOrNodes>,
    /// A node's machine is switched off and the node deleted.
    pub delete_node: Option<String>,
    /// All nodes of a zone crash; with `for` they boot again.
    pub stop_zone: Option<String>,
    /// All nodes of a zone boot.
    pub start_zone: Option<String>,
    /// A pod is deleted.
    pub kill_pod: Option<NameOrKillPod>,
    /// The process of a container is killed.
    pub kill_process: Option<KillProcess>,
    /// The API server refuses or delays requests.
    pub api_fault: Option<ApiFault>,
    /// Pulls of images fail or take longer.
    pub registry_fault: Option<RegistryFault>,
    /// The cluster's DNS does not answer.
    pub dns_outage: Option<bool>,
    /// The clock of a node is wrong.
    pub clock_skew: Option<ClockSkew>,
    /// Something that is no pod uses memory of a node.
    pub memory_pressure: Option<MemoryPressure>,
    /// A node cannot reach the API server; its containers run on.
    pub partition_node: Option<String>,
}

/// The moment at which a step is due.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct When {
    /// The condition.
    #[serde(flatten)]
    pub condition: Condition,
    /// How long it must have held.
    #[serde(rename = "for")]
    pub held: Option<Length>,
    /// Not before this time since the start.
    pub after: Option<Length>,
}

/// Which pod is deleted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KillPod {
    /// Its name; `*` stands for any characters, and the first by name is meant.
    pub name: Option<String>,
    /// Its namespace; `default` by default.
    pub namespace: Option<String>,
    /// Labels that it has.
    pub labels: Option<BTreeMap<String, String>>,
    /// The grace that it is given; its own by default, `0s` for none.
    pub grace: Option<Length>,
    /// Whether all such pods are meant and not the first alone.
    pub all: Option<bool>,
}

/// Whose process is killed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KillProcess {
    /// The pod's name; `*` stands for any characters, and the first by name is meant.
    pub pod: String,
    /// Its namespace; `default` by default.
    pub namespace: Option<String>,
    /// The container; the first by default.
    pub container: Option<String>,
    /// The signal.
    pub signal: Option<KillSignal>,
}

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum KillSignal {
    /// Nothing survives it: the default.
    #[serde(rename = "KILL")]
    Kill,
    /// The one that the image asks to be stopped with.
    #[serde(rename = "TERM")]
    Term,
}

/// What is wrong with the API server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiFault {
    /// Requests are refused with this error.
    pub error: Option<ApiErrorKind>,
    /// Requests take so much longer.
    pub delay: Option<Length>,
    /// In how many of a hundred cases; all by default.
    #[schemars(range(min = 1, max = 100))]
    pub percent: Option<u32>,
    /// Whose requests; everybody's by default, kubectl's included.
    pub from: Option<ApiCaller>,
    /// Which requests; all by default.
    pub requests: Option<ApiRequests>,
    /// Only requests about this kind.
    pub kind: Option<String>,
}

/// An error of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ApiErrorKind {
    /// 409: the object has been modified.
    Conflict,
    /// 429.
    TooManyRequests,
    /// 500.
    InternalError,
}

/// Who asks the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ApiCaller {
    /// kube-controller-manager.
    Controllers,
    /// kube-scheduler.
    Scheduler,
    /// The node agents.
    Kubelets,
}

/// Which requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ApiRequests {
    /// Creations.
    Creates,
    /// Updates and patches.
    Updates,
    /// Deletions and evictions.
    Deletes,
}

/// What is wrong with registries.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistryFault {
    /// Which images: names in which `*` stands for any characters; all by default.
    pub images: Option<String>,
    /// Pulls take so much longer, in the place of failing.
    pub slow: Option<Length>,
}

/// A clock that is wrong.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClockSkew {
    /// The node.
    pub node: String,
    /// How far it is fast.
    pub ahead: Option<Length>,
    /// How far it is slow.
    pub behind: Option<Length>,
}

/// Memory that something uses that is no pod.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemoryPressure {
    /// The node.
    pub node: String,
    /// How much: `6Gi`, `1Gi +10Mi/s max 7Gi`.
    pub uses: String,
}

/// Something that is expected: one condition, and one claim about when it holds. Without a claim it is to
/// hold at the end.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expectation {
    /// What is expected, in words.
    pub name: Option<String>,
    /// From when on it counts: a time since the start, the name of a step (its end), or a condition that
    /// first holds. Times of the claim count from there.
    pub after: Option<After>,
    /// It holds at this time.
    pub at: Option<Length>,
    /// It holds at some moment until this time.
    pub within: Option<Length>,
    /// From some moment on (until the time of `within`, if there is one) it holds for so long.
    pub stays: Option<Length>,
    /// It holds all the time (until the time of `until`, if there is one).
    pub always: Option<True>,
    /// It holds at no time (until the time of `until`, if there is one).
    pub never: Option<True>,
    /// Until when `always` and `never` are claimed, and until when times are counted; alone it means
    /// `always` until then.
    pub until: Option<Length>,
    /// It comes to hold, or happens, so many times.
    pub exactly: Option<u64>,
    /// It comes to hold, or happens, at least so many times.
    pub at_least: Option<u64>,
    /// It comes to hold, or happens, at most so many times.
    pub at_most: Option<u64>,
    /// It first holds before this first holds.
    pub before: Option<Box<Condition>>,
    /// The condition.
    #[serde(flatten)]
    pub condition: Condition,
}

/// What can hold or happen. It has exactly one of the fields, `where` and `count` aside.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// A part of an object: there is one that has it. Objects are chosen by apiVersion, kind, name,
    /// namespace and labels; in a name `*` stands for any characters. The rest is to be found in them:
    /// mappings may have more, items of lists are paired by `name` or `type` where they have one.
    pub object: Option<Partial>,
    /// The same, of every object that is so chosen.
    pub every: Option<Partial>,
    /// There is no such object.
    pub absent: Option<Partial>,
    /// A CEL expression over `object` that must hold as well, for `object`, `every` and `absent`.
    #[serde(rename = "where")]
    pub filter: Option<String>,
    /// How many such objects there are, for `object`: a number, or a comparison such as `>= 2`.
    pub count: Option<Scalar>,
    /// A CEL expression over the objects of the cluster: `pods`, `deployments`, `nodes` and so on are
    /// lists.
    pub cel: Option<String>,
    /// An event was recorded.
    pub event: Option<Event>,
    /// A container wrote a line.
    pub log: Option<Log>,
    /// A container ended.
    pub exit: Option<Exit>,
    /// A step was done.
    pub step: Option<StepResult>,
    /// All of these hold.
    pub all: Option<Vec<Self>>,
    /// One of these holds.
    pub any: Option<Vec<Self>>,
    /// This does not hold.
    pub not: Option<Box<Self>>,
}

/// An event of the API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// Its reason, such as `FailedScheduling`.
    pub reason: Option<String>,
    /// A regular expression that its message matches.
    pub message: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: Option<EventType>,
    /// What it is about, as `pod/web-*`.
    pub about: Option<String>,
    /// The namespace of that; `default` by default.
    pub namespace: Option<String>,
}

/// How serious an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum EventType {
    /// As it should be.
    Normal,
    /// Someone should look.
    Warning,
}

/// A line that a container writes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Log {
    /// The pod's name; `*` stands for any characters. Any pod by default.
    pub pod: Option<String>,
    /// Its namespace; `default` by default.
    pub namespace: Option<String>,
    /// The container; any by default.
    pub container: Option<String>,
    /// A regular expression that the line matches.
    pub line: String,
}

/// The end of a container's run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exit {
    /// The pod's name; `*` stands for any characters. Any pod by default.
    pub pod: Option<String>,
    /// Its namespace; `default` by default.
    pub namespace: Option<String>,
    /// The container; any by default.
    pub container: Option<String>,
    /// The exit code: a number, or a comparison such as `!= 0`.
    pub code: Option<Scalar>,
    /// The reason, such as `OOMKilled`.
    pub reason: Option<String>,
}

/// What came of a step.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepResult {
    /// The step's name.
    pub name: String,
    /// Whether it was refused.
    pub refused: Option<bool>,
    /// kubectl's exit code: a number, or a comparison such as `!= 0`.
    pub exit_code: Option<Scalar>,
    /// A regular expression that what kubectl printed matches.
    pub output: Option<String>,
}

/// From when on something counts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum After {
    /// A time since the start, or the name of a step.
    Text(String),
    /// When this first holds.
    Condition(Box<Condition>),
}

/// A length of time such as `14s`, `1m30s` or `500ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(pub Duration);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        length::parse(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Length {
    fn schema_name() -> Cow<'static, str> {
        "Length".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9]+(d|h|m|s|ms|us|µs|ns))+$",
            "description": "A length of time such as 14s, 1m30s or 500ms; at most 366 days."
        })
    }
}

/// `true`, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct True;

impl<'de> Deserialize<'de> for True {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match bool::deserialize(from)? {
            true => Ok(Self),
            false => Err(serde::de::Error::custom("true is expected")),
        }
    }
}

impl JsonSchema for True {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "True".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "boolean", "enum": [true]})
    }
}

/// A text, or a number that is read as one.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub struct Scalar(#[schemars(with = "TextOrNumber")] pub String);

/// A quantity such as `4`, `500m` or `8Gi`.
pub type Amount = Scalar;

/// For the schema alone.
#[derive(JsonSchema, Deserialize)]
#[serde(untagged)]
enum TextOrNumber {
    /// A text.
    Text(String),
    /// A number.
    Number(serde_json::Number),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match TextOrNumber::deserialize(from)? {
            TextOrNumber::Text(text) => Self(text),
            TextOrNumber::Number(number) => Self(number.to_string()),
        })
    }
}

/// One, or a list of several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// Several.
    Many(Vec<T>),
    /// One.
    One(T),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn all(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// A path, or the object itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PathOrObject {
    /// A path relative to the file.
    Path(String),
    /// The object.
    Object(Partial),
}

/// A mapping whose fields are not known here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Partial(pub serde_json::Map<String, Value>);

/// `true` or `false`, or a text.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BoolOrText {
    /// Whether.
    Bool(bool),
    /// Whether, and with which text in it.
    Text(String),
}

/// How many workers there are, or groups of nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CountOrNodes {
    /// So many workers: node-1, node-2 and so on.
    Count(#[schemars(range(max = 100_000))] u32),
    /// These groups.
    Groups(Vec<Nodes>),
}

/// The name of a worker, or a description of nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum NameOrNodes {
    /// A worker of this name.
    Name(String),
    /// These nodes.
    Nodes(Box<Nodes>),
}

/// The name of a pod, or how it is chosen.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum NameOrKillPod {
    /// The pod of this name; `*` stands for any characters.
    Name(String),
    /// One that is so.
    Pod(Box<KillPod>),
}

//! The cluster of a simulation: groups of nodes, latencies, images, behaviours.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::num::NonZeroU32;

use serde_json::Value;

use super::conditions::join;
use super::file::File;
use super::written;
use crate::base::Str;
use crate::base::quantity::Quantity;
use crate::base::time::SimTime;
use crate::container::behavior;
use crate::engine::Latency;
use crate::model::TaintEffect;
use crate::scenario::cluster::NodeSpec;
use crate::sim::machines::{ImageBehavior, ImageModel, Missing, Preloaded, Pulls};

/// No cluster has more nodes than this.
const MAX_NODES: usize = 100_000;

/// The nodes at the start, as documents, and their names.
pub(super) fn nodes(
    file: &mut File,
    cluster: Option<&written::Cluster>,
    start: SimTime,
) -> (Vec<Value>, BTreeSet<String>) {
    let equal = |n| vec![written::Nodes { count: Some(n), ..written::Nodes::default() }];
    let groups = match cluster.and_then(|c| c.nodes.as_ref()) {
        None => Cow::Owned(equal(3)),
        Some(written::CountOrNodes::Count(n)) => Cow::Owned(equal(*n)),
        Some(written::CountOrNodes::Groups(groups)) => Cow::Borrowed(groups),
    };
    let mut specs = Vec::new();
    for (i, group) in groups.iter().enumerate() {
        let path = format!("cluster.nodes[{i}]");
        let count = group.count.unwrap_or(1) as usize;
        if specs.len() + count > MAX_NODES {
            file.wrong(&join(&path, "count"), format!("a cluster has at most {MAX_NODES} nodes"));
            break;
        }
        // Groups without a name of their own are numbered together.
        let first = if group.name.is_none() { specs.len() } else { 0 };
        specs.extend(of_group(file, &path, group, first));
    }
    let mut names = BTreeSet::new();
    for spec in &specs {
        if !names.insert(spec.name.clone()) {
            file.wrong("cluster.nodes", format!("there are two nodes called {}", spec.name));
            break;
        }
    }
    let document = |(spec, i): (&NodeSpec, u32)| spec.object(i, start);
    (specs.iter().zip(0..).map(document).collect(), names)
}

/// The nodes of a group, numbered from `first` on.
pub(super) fn of_group(
    file: &mut File,
    path: &str,
    group: &written::Nodes,
    first: usize,
) -> Vec<NodeSpec> {
    let count = group.count.unwrap_or(1) as usize;
    let model = model(file, path, group);
    let prefix = group.name.as_deref().unwrap_or("node");
    let alone = group.count.is_none() && group.name.is_some();
    let name = |n: usize| if alone { prefix.to_owned() } else { format!("{prefix}-{n}") };
    (first + 1..=first + count).map(|n| NodeSpec { name: name(n), ..model.clone() }).collect()
}

/// What all nodes of a group are like.
fn model(file: &mut File, path: &str, group: &written::Nodes) -> NodeSpec {
    let mut spec = NodeSpec::worker("");
    if let Some(class) = group.class {
        let (cpu, memory, pods) = match class {
            written::NodeClass::Small => ("2", "4Gi", "110"),
            written::NodeClass::Medium => ("4", "8Gi", "110"),
            written::NodeClass::Large => ("8", "32Gi", "110"),
            written::NodeClass::Huge => ("32", "128Gi", "250"),
        };
        for (key, amount) in [("cpu", cpu), ("memory", memory), ("pods", pods)] {
            spec.capacity.insert(key.to_owned(), amount.to_owned());
        }
    }
    let mut amounts = |field: &str, given: &Option<_>| {
        let given: &Option<std::collections::BTreeMap<String, written::Amount>> = given;
        let mut all = Vec::new();
        for (key, written::Scalar(text)) in given.iter().flatten() {
            if text.parse::<Quantity>().is_err() {
                let at = format!("{path}.{field}.{key}");
                file.wrong(&at, format!("{text:?} is no quantity such as 4, 500m or 8Gi"));
            }
            all.push((key.clone(), text.clone()));
        }
        all
    };
    spec.capacity.extend(amounts("capacity", &group.capacity));
    spec.allocatable.extend(amounts("allocatable", &group.allocatable));
    for (key, value) in [
        ("topology.kubernetes.io/zone", &group.zone),
        ("topology.kubernetes.io/region", &group.region),
    ] {
        if let Some(value) = value {
            spec.labels.insert(key.to_owned(), value.clone());
        }
    }
    spec.labels.extend(group.labels.clone().unwrap_or_default());
    for (i, taint) in group.taints.iter().flatten().enumerate() {
        match taint_of(taint) {
            Some(taint) => spec.taints.push(taint),
            None => {
                let text = format!("{taint:?} is no taint such as dedicated=db:NoSchedule");
                file.wrong(&format!("{path}.taints[{i}]"), text);
            }
        }
    }
    spec
}

/// `key=value:Effect` as a taint.
fn taint_of(text: &str) -> Option<Value> {
    let (pair, effect) = text.rsplit_once(':')?;
    TaintEffect::parse(effect)?;
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    Some(serde_json::json!({"key": key, "value": value, "effect": effect}))
}

/// How long things take.
pub(super) fn latency(cluster: Option<&written::Cluster>) -> Latency {
    let mut latency = Latency::default();
    match cluster.and_then(|c| c.latency.as_ref()) {
        None | Some(written::Latency::Profile(written::LatencyProfile::Real)) => {}
        Some(written::Latency::Profile(written::LatencyProfile::Instant)) => {
            latency = Latency::instant();
        }
        Some(written::Latency::Each(each)) => {
            let all = [
                (&mut latency.api_write, each.api_write),
                (&mut latency.api_reply, each.api_reply),
                (&mut latency.watch, each.watch),
                (&mut latency.scheduling, each.scheduling),
                (&mut latency.sandbox_start, each.sandbox_start),
                (&mut latency.container_create, each.container_create),
                (&mut latency.container_start, each.container_start),
                (&mut latency.image_pull, each.image_pull),
            ];
            for (field, given) in all {
                *field = given.map_or(*field, |l| l.0);
            }
        }
    }
    latency
}

/// What is known of images, and the bandwidth of pulls, 0 for no limit.
pub(super) fn images(file: &mut File, cluster: Option<&written::Cluster>) -> (ImageModel, u64) {
    let pulls = cluster.and_then(|c| c.kubelet.as_ref()).map(|k| pulls(file, k));
    let pulls = pulls.unwrap_or(Pulls::OneByOne);
    let mut model = ImageModel { pulls, ..ImageModel::default() };
    let Some(images) = cluster.and_then(|c| c.images.as_ref()) else { return (model, 0) };
    if images.preloaded == Some(written::Preloaded::Nothing) {
        model.preloaded = Preloaded::Nothing;
    }
    let texts = images.missing.iter().flatten();
    model.missing.extend(texts.map(|t| Missing::Containing(Str::from(t))));
    let mut bytes = |path: String, text: &str| {
        let read = text.parse::<Quantity>().ok().and_then(|q| u64::try_from(q.value()).ok());
        if read.is_none() {
            file.wrong(&path, format!("{text:?} is no quantity of bytes such as 120Mi"));
        }
        read.unwrap_or(0)
    };
    for (image, written::Scalar(size)) in images.sizes.iter().flatten() {
        let size = bytes(format!("cluster.images.sizes.{image}"), size);
        model.sizes.insert(Str::from(image), size);
    }
    let bandwidth = images.bandwidth.as_ref();
    let bandwidth = bandwidth.map_or(0, |b| bytes("cluster.images.bandwidth".to_owned(), &b.0));
    (model, bandwidth)
}

/// How many images a node pulls at a time (`pkg/kubelet/apis/config/v1beta1/defaults.go` and
/// `validation/validation.go`).
fn pulls(file: &mut File, kubelet: &written::Kubelet) -> Pulls {
    let most = kubelet.max_parallel_image_pulls;
    let serial = kubelet.serialize_image_pulls.unwrap_or(most.is_none_or(|n| n < 2));
    if serial && most.is_some_and(|n| n > 1) {
        let why = "cannot be larger than 1 unless serializeImagePulls is false";
        file.wrong("cluster.kubelet.maxParallelImagePulls", why);
    }
    if serial { Pulls::OneByOne } else { Pulls::AtOnce(most.and_then(NonZeroU32::new)) }
}

/// What is told of the programs of images.
pub(super) fn behaviors(
    file: &mut File,
    all: Option<&Vec<written::Behavior>>,
) -> Vec<ImageBehavior> {
    let mut made = Vec::new();
    for (i, written) in all.into_iter().flatten().enumerate() {
        let mut told = Vec::new();
        for (key, value) in written.told() {
            let path = format!("behaviors[{i}].{key}");
            match behavior::Behavior::default().set(key, value) {
                Ok(()) => told.push((Str::from(key), Str::from(value))),
                Err(why) => file.wrong(&path, why),
            }
        }
        if told.is_empty() {
            file.wrong(&format!("behaviors[{i}]"), "nothing is told of this image");
        }
        made.push(ImageBehavior { image: Str::from(&written.image), told });
    }
    made
}

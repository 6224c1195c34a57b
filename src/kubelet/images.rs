//! Images: their names, which of them exist, and pulling them.
//!
//! Follows `pkg/kubelet/images/image_manager.go`: the pull policy decides whether a pull is needed,
//! pulls of one node run one after the other unless its agent is told otherwise (`serializeImagePulls`), a failed pull of one image for
//! one pod is put off from 10 s on, doubling up to 300 s.
//!
//! There is no registry behind the simulation. [`ImageModel`] says what is assumed of it: which names
//! fail, how large images are and which are on the nodes beforehand. By default the assumptions are
//! those under which the recordings of a real cluster were made.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::text::go_quoted;
use crate::base::Str;
use crate::base::digest::digest_of;
use crate::base::time::SimTime;
use crate::base::wildcard::fits;
use crate::engine::Latency;
use crate::model::PullPolicy;

/// What is assumed of images and registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageModel {
    /// Images that no registry has.
    pub missing: Vec<Missing>,
    /// Which images are on every node from the start.
    pub preloaded: Preloaded,
    /// Bytes of an image that `sizes` does not name.
    pub size: u64,
    /// Bytes by image, as written in the spec.
    pub sizes: BTreeMap<Str, u64>,
    /// How many pulls of a node run at a time.
    pub pulls: Pulls,
    /// What is wrong with registries at the moment; images that are on a node are not concerned.
    pub faults: Vec<RegistryFault>,
}

/// How many pulls of a node run at a time (`serializeImagePulls`, `maxParallelImagePulls`). Each has the whole
/// bandwidth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulls {
    /// One after the other, as by default.
    OneByOne,
    /// All at once, or at most so many.
    AtOnce(Option<NonZeroU32>),
}

/// Something that is wrong with a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryFault {
    /// Pulls of which images are concerned: their names in full (`docker.io/library/nginx:latest`) or as
    /// pods name them; `*` stands for any characters.
    pub images: Str,
    /// How much longer a pull takes; `None` where it fails.
    pub slow: Option<Duration>,
}

impl RegistryFault {
    fn concerns(&self, image: &Image) -> bool {
        fits(&self.images, &image.full) || fits(&self.images, &image.written)
    }
}

/// A rule that finds images that no registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The name holds this text.
    Containing(Str),
    /// The registry's host is this or ends with a dot and this.
    Under(Str),
}

/// Which images are on every node from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preloaded {
    /// None: the first pod of a node to use an image waits for its pull.
    Nothing,
    /// Those with a tag other than `latest`, or a digest.
    Tagged,
}

impl Default for ImageModel {
    fn default() -> Self {
        Self {
            missing: vec![
                Missing::Containing("nonexistent".into()),
                Missing::Under("invalid".into()),
            ],
            preloaded: Preloaded::Tagged,
            size: 4_000_000,
            sizes: BTreeMap::new(),
            pulls: Pulls::OneByOne,
            faults: Vec::new(),
        }
    }
}

impl ImageModel {
    /// Whether no registry has the image.
    pub fn is_missing(&self, image: &Image) -> bool {
        let host = image.full.split('/').next().unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        self.missing.iter().any(|rule| match rule {
            Missing::Containing(text) => image.full.contains(text.as_str()),
            Missing::Under(domain) => host
                .strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
        })
    }

    fn is_preloaded(&self, image: &Image) -> bool {
        match self.preloaded {
            Preloaded::Nothing => false,
            Preloaded::Tagged => !image.full.ends_with(":latest") && !self.is_missing(image),
        }
    }

    /// Whether the image's registry does not answer.
    pub fn is_out(&self, image: &Image) -> bool {
        self.faults.iter().any(|f| f.slow.is_none() && f.concerns(image))
    }

    /// How much longer its pull takes than it should.
    fn delay(&self, image: &Image) -> Duration {
        let slow = self.faults.iter().filter(|f| f.concerns(image)).filter_map(|f| f.slow);
        slow.max().unwrap_or_default()
    }

    /// The image's size in bytes.
    pub fn size_of(&self, image: &Image) -> u64 {
        self.sizes.get(&image.written).copied().unwrap_or(self.size)
    }
}

/// An image by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// As the spec has it.
    pub written: Str,
    /// With registry and tag: `docker.io/library/busybox:latest`.
    pub full: Str,
    /// As a runtime names what it has pulled: the repository and a digest, here of the name.
    pub id: Str,
}

/// All images that have been named, so that what is derived from a name is made once.
#[derive(Clone, Debug, Default)]
pub(super) struct Images {
    known: BTreeMap<Str, Result<Arc<Image>, Str>>,
}

impl Images {
    /// The image of that name, or why it is no name of an image.
    pub(super) fn named(&mut self, written: &Str) -> Result<Arc<Image>, Str> {
        if let Some(known) = self.known.get(written) {
            return known.clone();
        }
        let image = parse(written).map(Arc::new).map_err(Str::from);
        self.known.insert(written.clone(), image.clone());
        image
    }
}

/// Reads the name of an image (`github.com/distribution/reference`, `ParseNormalizedNamed`).
fn parse(written: &str) -> Result<Image, String> {
    let invalid = || "invalid reference format".to_owned();
    let (domain, rest) = match written.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || !is_lower(first) =>
        {
            let domain = if first == "index.docker.io" { "docker.io" } else { first };
            (domain, rest.to_owned())
        }
        _ => ("docker.io", written.to_owned()),
    };
    let official = domain == "docker.io" && !rest.contains('/');
    let rest = if official { format!("library/{rest}") } else { rest };
    let (name, digest) = match rest.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (rest.as_str(), None),
    };
    let (path, tag) = match name.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (name, None),
    };
    if !is_lower(path) {
        return Err(format!("{}: repository name ({path}) must be lowercase", invalid()));
    }
    let sound = is_domain(domain)
        && path.split('/').all(is_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest);
    if !sound {
        return Err(invalid());
    }
    if domain.len() + path.len() + 1 > 255 {
        return Err("repository name must not be more than 255 characters".to_owned());
    }
    let full = match (tag, digest) {
        (_, Some(d)) => format!("{domain}/{path}@{d}"),
        (Some(t), None) => format!("{domain}/{path}:{t}"),
        (None, None) => format!("{domain}/{path}:latest"),
    };
    let id = match digest {
        Some(d) => format!("{domain}/{path}@{d}"),
        None => format!("{domain}/{path}@sha256:{}", name_digest(&full)),
    };
    Ok(Image { written: written.into(), full: full.into(), id: id.into() })
}

fn name_digest(full: &str) -> String {
    let part = |seed| format!("{:016x}", digest_of(seed, full.as_bytes()));
    [part(1), part(2), part(3), part(4)].concat()
}

fn is_lower(text: &str) -> bool {
    !text.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.split_once(':') {
        Some((host, port)) => (host, port),
        None => (domain, "0"),
    };
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(label) && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
}

fn is_component(text: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    edge(text.bytes().next())
        && edge(text.bytes().last())
        && text.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
        })
        && !["..", "___", "._", "_.", ".-", "-.", "_-", "-_"].iter().any(|s| text.contains(s))
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
            && hex.len() >= 32
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// The images of one node, and the pull that is under way there.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeImages {
    /// By name, with size and time of arrival.
    pulled: BTreeMap<Str, (i64, SimTime)>,
    /// Some have come or gone since it was last looked at.
    pub(super) changed: bool,
    /// When the pulls under way are done.
    busy: Vec<SimTime>,
}

/// What is to be done about an image before a container can be made from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: it is there.
    Present,
    /// It must be pulled.
    Pull,
    /// It is not there, and the policy forbids to pull it.
    Absent,
}

/// A pull: when it begins and ends, with its turn waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pull {
    /// When it was asked for.
    pub(super) asked: SimTime,
    /// When its turn comes.
    pub(super) begins: SimTime,
    /// When it is done.
    pub(super) ends: SimTime,
}

impl NodeImages {
    /// What the policy demands (`imagePullPrecheck`).
    pub(super) fn need(&self, policy: PullPolicy, image: &Image, model: &ImageModel) -> Need {
        let present = || self.pulled.contains_key(&image.full) || model.is_preloaded(image);
        match policy {
            PullPolicy::Always => Need::Pull,
            PullPolicy::IfNotPresent | PullPolicy::Never if present() => Need::Present,
            PullPolicy::IfNotPresent => Need::Pull,
            PullPolicy::Never => Need::Absent,
        }
    }

    /// Begins a pull; as many run at a time as the agent is configured for, others wait.
    pub(super) fn pull(
        &mut self,
        now: SimTime,
        image: &Image,
        model: &ImageModel,
        latency: &Latency,
    ) -> Pull {
        let begins = self.turn(now, model.pulls);
        let mut length = latency.image_pull;
        let new = !self.pulled.contains_key(&image.full) && !model.is_preloaded(image);
        if new && latency.image_bandwidth > 0 && !model.is_missing(image) {
            let millis = model.size_of(image).saturating_mul(1000) / latency.image_bandwidth;
            length = length.max(Duration::from_millis(millis));
        }
        let ends = begins + length + model.delay(image);
        self.busy.push(ends);
        Pull { asked: now, begins, ends }
    }

    /// When a pull that is asked for now begins.
    fn turn(&mut self, now: SimTime, pulls: Pulls) -> SimTime {
        self.busy.retain(|ends| *ends > now);
        let most = match pulls {
            Pulls::OneByOne => 1,
            Pulls::AtOnce(None) => return now,
            Pulls::AtOnce(Some(most)) => usize::try_from(most.get()).unwrap_or(usize::MAX),
        };
        if self.busy.len() < most {
            return now;
        }
        self.busy.sort_unstable();
        self.busy[self.busy.len() - most]
    }

    /// Notes that an image has been pulled.
    pub(super) fn pulled(&mut self, image: &Image, model: &ImageModel, now: SimTime) {
        let bytes = i64::try_from(model.size_of(image)).unwrap_or(i64::MAX);
        self.changed |= self.pulled.insert(image.full.clone(), (bytes, now)).is_none();
    }

    /// Bytes of all that were pulled.
    pub(super) fn bytes(&self) -> i64 {
        self.pulled.values().fold(0, |sum, (bytes, _)| sum.saturating_add(*bytes))
    }

    /// Deletes images that are not among the used ones and came at least `age` ago, the oldest first, until
    /// `wanted` bytes are free (`freeSpace`). Answers with how many are.
    pub(super) fn delete_unused(
        &mut self,
        used: &BTreeSet<Str>,
        wanted: i64,
        now: SimTime,
        age: Duration,
    ) -> i64 {
        let old = |since: SimTime| since.saturating_add(age) <= now;
        let mut order: Vec<(SimTime, Str, i64)> = self
            .pulled
            .iter()
            .filter(|(name, (_, since))| !used.contains(*name) && old(*since))
            .map(|(name, (bytes, since))| (*since, name.clone(), *bytes))
            .collect();
        order.sort();
        let mut freed = 0_i64;
        for (_, name, bytes) in order {
            if freed >= wanted {
                break;
            }
            self.pulled.remove(&name);
            freed = freed.saturating_add(bytes);
        }
        freed
    }

    /// Forgets the pulls under way: the node has crashed. What was pulled stays on its disk.
    pub(super) fn crash(&mut self) {
        self.busy.clear();
    }
}

/// containerd's words for an image whose registry does not answer.
pub(super) fn unreachable(image: &Image) -> String {
    let quoted = go_quoted(&image.full);
    let (host, path) = image.full.split_once('/').unwrap_or(("docker.io", &image.full));
    let (path, tag) = path.rsplit_once(':').unwrap_or((path, "latest"));
    let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
    format!(
        "rpc error: code = Unknown desc = failed to pull and unpack image {quoted}: failed to resolve \
         reference {quoted}: failed to do request: Head \"https://{host}/v2/{path}/manifests/{tag}\": \
         dial tcp: i/o timeout"
    )
}

/// containerd's words for an image that no registry has.
pub(super) fn not_found(image: &Image) -> String {
    let name = match image.full.strip_prefix("docker.io/library/") {
        Some(_) => image.full.as_str(),
        None if image.full.ends_with(image.written.as_str()) => image.written.as_str(),
        None => image.full.as_str(),
    };
    let quoted = go_quoted(name);
    format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image {quoted}: failed to \
         resolve reference {quoted}: {name}: not found"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_run_one_after_the_other_or_as_many_at_a_time_as_is_said() {
        let (model, latency) = (ImageModel::default(), Latency::default());
        let second = latency.image_pull.as_millis();
        let waits = |pulls: Pulls| -> Vec<u128> {
            let mut node = NodeImages::default();
            let model = ImageModel { pulls, ..model.clone() };
            let now = SimTime::from_secs(100);
            (0..5)
                .map(|i| {
                    let image = parse(&format!("app{i}")).unwrap();
                    node.pull(now, &image, &model, &latency).begins.since(now).as_millis()
                })
                .collect()
        };
        assert_eq!(waits(Pulls::OneByOne), [0, second, 2 * second, 3 * second, 4 * second]);
        assert_eq!(waits(Pulls::AtOnce(None)), [0; 5]);
        let two = Pulls::AtOnce(NonZeroU32::new(2));
        assert_eq!(waits(two), [0, 0, second, second, 2 * second]);
    }

    #[test]
    fn names_are_completed_as_a_runtime_completes_them() {
        let check = |written: &str, full: &str| assert_eq!(parse(written).unwrap().full, full);
        check("busybox", "docker.io/library/busybox:latest");
        check("nginx:1.25", "docker.io/library/nginx:1.25");
        check("mhausenblas/simpleservice:0.5.0", "docker.io/mhausenblas/simpleservice:0.5.0");
        check("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10");
        check("localhost:5000/a/b", "localhost:5000/a/b:latest");
    }

    #[test]
    fn what_is_no_name_is_refused_in_the_librarys_words() {
        let check = |written: &str, text: &str| assert_eq!(parse(written).unwrap_err(), text);
        check("Bad_Name//x:1", "invalid reference format");
        check("nginx:", "invalid reference format");
        check(
            "Nginx",
            "invalid reference format: repository name (library/Nginx) must be lowercase",
        );
    }

    #[test]
    fn by_default_tagged_images_are_there_and_nonexistent_ones_are_not() {
        let (model, node) = (ImageModel::default(), NodeImages::default());
        let need = |policy, name: &str| node.need(policy, &parse(name).unwrap(), &model);
        assert_eq!(need(PullPolicy::IfNotPresent, "nginx:1.25"), Need::Present);
        assert_eq!(need(PullPolicy::IfNotPresent, "nginx"), Need::Pull);
        assert_eq!(need(PullPolicy::Always, "nginx:1.25"), Need::Pull);
        assert_eq!(need(PullPolicy::Never, "nonexistent.example.com/app:1"), Need::Absent);
        assert!(model.is_missing(&parse("registry.invalid/app").unwrap()));
        assert!(!model.is_missing(&parse("registry.example.com/app").unwrap()));
    }

    #[test]
    fn pulls_of_a_node_run_one_after_the_other() {
        let mut node = NodeImages::default();
        let (model, latency) = (ImageModel::default(), Latency::default());
        let image = parse("busybox").unwrap();
        let now = SimTime::from_secs(5);
        let first = node.pull(now, &image, &model, &latency);
        let second = node.pull(now, &image, &model, &latency);
        assert_eq!((first.begins, second.begins), (now, first.ends));
        assert_eq!(second.ends.since(now), latency.image_pull * 2);
    }

    #[test]
    fn an_image_is_named_with_stars_for_what_may_differ() {
        assert!(fits("shop/web:1", "shop/web:1") && !fits("shop/web:1", "shop/web:12"));
        assert!(fits("shop/*", "shop/web:1") && !fits("shop/*", "other/web"));
        assert!(fits("*/web:*", "shop/web:1") && !fits("*/web:*", "shop/worker:1"));
        assert!(fits("*", "anything") && !fits("", "anything"));
    }
}

//! The volumes of a pod: when they are there, and what is in them.
//!
//! Follows `pkg/kubelet/volumemanager` for the times: a sync looks at once and then every 300 ms
//! whether all volumes that containers mount are mounted; a loop of 100 ms mounts them; what fails is
//! tried again after 0.5 s, doubling up to 2 min 2 s; after 2 min 3 s the sync gives up and is tried
//! again. Every pod has at least the volume of its service account's token, unless it is asked not to.

use std::time::Duration;

use super::contents::Contents;
use super::desk::Desk;
use super::runtime::Nth;
use super::text::go_list;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::Mount;
use crate::model::{Key, Kind, Pod, PodSpec, wire};
use crate::trace::{EventType, FactId, Regarding};

/// The first wait before a failed mount is tried again, and the longest
/// (`pkg/util/goroutinemap/exponentialbackoff`).
const RETRY: Duration = Duration::from_millis(500);
const RETRY_LIMIT: Duration = Duration::from_secs(122);
/// How long a sync waits for volumes (`podAttachAndMountTimeout`).
const GIVE_UP: Duration = Duration::from_secs(123);

/// An object that volumes may be made from, and that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// A ConfigMap.
    Map(Key),
    /// A Secret.
    Secret(Key),
    /// The pod's own labels or annotations.
    Own,
}

impl Changed {
    fn is_in(&self, pod: &Pod, volume: &wire::core::Volume) -> bool {
        let sources = volume.projected.iter().flat_map(|p| p.sources.iter().flatten());
        match self {
            Self::Map(key) => {
                let named = |name: &str| *name == *key.name && pod.meta.namespace == key.namespace;
                let mut of_sources = sources.filter_map(|s| s.config_map.as_ref());
                volume.config_map.as_ref().is_some_and(|c| named(&c.name))
                    || of_sources.any(|c| named(&c.name))
            }
            Self::Secret(key) => {
                let named = |name: &str| *name == *key.name && pod.meta.namespace == key.namespace;
                let mut of_sources = sources.filter_map(|s| s.secret.as_ref());
                let own = volume.secret.as_ref().and_then(|s| s.secret_name.as_deref());
                own.is_some_and(named) || of_sources.any(|s| named(&s.name))
            }
            Self::Own => {
                volume.downward_api.is_some()
                    || sources.into_iter().any(|s| s.downward_api.is_some())
            }
        }
    }
}

/// How far the volumes of a pod are.
#[derive(Clone, Debug, Default)]
pub(super) struct Mounts {
    state: State,
    contents: Contents,
}

#[derive(Clone, Debug, Default)]
enum State {
    /// Nobody has asked for them yet.
    #[default]
    Unasked,
    /// None of them can fail: they are mounted at that time.
    Certain(SimTime),
    /// They are mounted at that time; those listed have failed so far.
    Mounting { at: SimTime, failing: Vec<Failing> },
    /// They are there.
    Mounted,
}

/// A volume that could not be mounted yet.
#[derive(Clone, Debug)]
struct Failing {
    volume: Str,
    next: SimTime,
    wait: Duration,
    why: String,
}

/// What a look at the volumes says.
#[derive(Debug)]
pub(super) enum Poll {
    /// All are there.
    Mounted,
    /// Look again later.
    Wait,
    /// The sync fails; an event may say why.
    Failed(Option<String>),
}

/// Why a volume cannot be mounted.
enum Obstacle {
    /// Mounting failed with this.
    Setup(String),
    /// The volume could not even be looked up: the sync fails of it.
    Lookup(String),
}

impl Mounts {
    /// What a container mounts of the volumes whose files have been made.
    pub(super) fn of_container(&self, spec: &PodSpec, n: Nth) -> Vec<Mount> {
        self.contents.of_container(spec, n)
    }

    /// Makes the files of the volumes that a container mounts.
    pub(super) fn fill(&mut self, pod: &Pod, n: Nth, cause: FactId, d: &mut Desk<'_, '_>) {
        self.contents.fill(pod, n, cause, d);
    }

    /// Finds where mounts of parts of volumes lead, for a container that starts.
    pub(super) fn enter_sub_paths(
        &mut self,
        pod: &Pod,
        n: Nth,
        env: &super::env::Environment,
        d: &mut Desk<'_, '_>,
    ) {
        self.contents.enter_sub_paths(pod, n, env, d);
    }

    /// Writes files anew whose objects have changed; whether any have.
    pub(super) fn refresh(&mut self, pod: &Pod, d: &mut Desk<'_, '_>) -> bool {
        self.contents.refresh(pod, d)
    }

    /// Whether files have been made from that object, or from the pod itself.
    pub(super) fn follow(&self, pod: &Pod, changed: &Changed) -> bool {
        self.contents.follows(pod, |volume| changed.is_in(pod, volume))
    }

    /// How many bytes are in a volume whose files have been made.
    pub(super) fn bytes_of(&self, volume: &str, d: &Desk<'_, '_>) -> i64 {
        let bytes = self.contents.id_of(volume).and_then(|id| d.shared.volumes.get(id));
        bytes.map_or(0, |tree| i64::try_from(tree.bytes()).unwrap_or(i64::MAX))
    }

    /// The pod is gone.
    pub(super) fn clear(&mut self, d: &mut Desk<'_, '_>) {
        self.contents.clear(d);
    }

    /// Whether the volumes are there.
    pub(super) fn poll(&mut self, pod: &Pod, since: SimTime, d: &mut Desk<'_, '_>) -> Poll {
        let now = d.cx.now;
        if matches!(self.state, State::Unasked) {
            if !has_volumes(&pod.spec) {
                self.state = State::Mounted;
                return Poll::Mounted;
            }
            // Found by the next look of the volume loop, mounted with the one after it.
            let mut at = d.node.phases.volumes_after(d.node.phases.volumes_after(now));
            if d.cx.latency.volume_poll.is_zero() {
                at = now;
            }
            self.state = State::Mounting { at, failing: Vec::new() };
            let risky = pod.spec.wire.volumes.iter().flatten().any(may_fail);
            self.state = match risky || pod.identity.as_ref().is_some_and(|i| !i.claims.is_empty())
            {
                true => State::Mounting { at, failing: Vec::new() },
                false => State::Certain(at),
            };
        }
        if let State::Certain(at) = &self.state {
            if *at > now {
                return Poll::Wait;
            }
            self.state = State::Mounted;
        }
        let State::Mounting { .. } = &self.state else { return Poll::Mounted };
        if let Some(text) = lookup_error(pod, d) {
            return Poll::Failed(Some(format!("Unable to attach or mount volumes: {text}")));
        }
        if now.since(since) >= GIVE_UP {
            return Poll::Failed(None);
        }
        Poll::Wait
    }

    /// The first volume that could not be mounted yet.
    pub(super) fn first_failing(&self) -> Option<&Str> {
        match &self.state {
            State::Mounting { failing, .. } => failing.first().map(|f| &f.volume),
            State::Unasked | State::Certain(_) | State::Mounted => None,
        }
    }

    /// Why it could not, after a colon.
    pub(super) fn why_failing(&self) -> String {
        match &self.state {
            State::Mounting { failing, .. } => {
                failing.first().map(|f| format!(": {}", f.why)).unwrap_or_default()
            }
            State::Unasked | State::Certain(_) | State::Mounted => String::new(),
        }
    }

    /// When mounting is tried next.
    pub(super) fn next_try(&self) -> Option<SimTime> {
        match &self.state {
            State::Mounting { at, failing } if failing.is_empty() => Some(*at),
            State::Mounting { failing, .. } => failing.iter().map(|f| f.next).min(),
            State::Unasked | State::Certain(_) | State::Mounted => None,
        }
    }

    /// Mounts what is due.
    pub(super) fn attempt(&mut self, pod: &Pod, d: &mut Desk<'_, '_>, cause: FactId) {
        let now = d.cx.now;
        let State::Mounting { at, failing } = &mut self.state else { return };
        let due = failing.iter().map(|f| f.next).min().unwrap_or(*at);
        if due > now {
            return;
        }
        let first = failing.is_empty();
        let mut still = Vec::new();
        for volume in pod.spec.wire.volumes.iter().flatten() {
            let before = failing.iter().find(|f| f.volume == volume.name);
            if !first && before.is_none() {
                continue;
            }
            if let Some(f) = before.filter(|f| f.next > now) {
                still.push(f.clone());
                continue;
            }
            let name: Str = volume.name.as_str().into();
            let obstacle = obstacle(pod, volume, d).or_else(|| {
                let host = volume.host_path.as_ref()?;
                super::host::check(host, d).err().map(Obstacle::Setup)
            });
            match obstacle {
                None => {}
                Some(Obstacle::Lookup(why)) => {
                    let next = d.node.phases.volumes_after(now);
                    still.push(Failing { volume: name, next, wait: RETRY, why });
                }
                Some(Obstacle::Setup(text)) => {
                    let message =
                        format!("MountVolume.SetUp failed for volume {:?} : {text}", volume.name);
                    let regarding = Regarding {
                        object: crate::model::Ref { kind: Kind::Pod, key: pod.meta.key() },
                        uid: pod.meta.uid,
                        field_path: Str::default(),
                    };
                    d.event(cause, regarding, EventType::Warning, "FailedMount", &message);
                    let wait = before.map_or(RETRY, |f| (f.wait * 2).min(RETRY_LIMIT));
                    let next = d.node.phases.volumes_after(now + wait);
                    still.push(Failing { volume: name, next, wait, why: text });
                }
            }
        }
        *failing = still;
        if failing.is_empty() {
            self.state = State::Mounted;
        }
    }
}

/// Whether mounting a volume depends on other objects.
fn may_fail(volume: &wire::core::Volume) -> bool {
    let projected = |p: &wire::core::ProjectedVolumeSource| {
        p.sources
            .iter()
            .flatten()
            .any(|s| s.secret.is_some() || s.config_map.as_ref().is_some_and(|c| c.name != ROOT_CA))
    };
    volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.persistent_volume_claim.is_some()
        || volume.ephemeral.is_some()
        || volume
            .host_path
            .as_ref()
            .is_some_and(|h| h.type_.as_ref().is_some_and(|t| !t.is_empty()))
        || volume.projected.as_ref().is_some_and(projected)
}

/// The ConfigMap that every namespace has in a cluster; here it may be missing.
pub(super) const ROOT_CA: &str = "kube-root-ca.crt";

/// Whether a sync has any volume to wait for.
fn has_volumes(spec: &PodSpec) -> bool {
    let mounts = |c: &wire::core::Container| {
        c.volume_mounts.as_ref().is_some_and(|m| !m.is_empty())
            || c.volume_devices.as_ref().is_some_and(|m| !m.is_empty())
    };
    let init = spec.wire.init_containers.iter().flatten();
    spec.wire.automount_service_account_token != Some(false)
        || init.chain(&spec.wire.containers).any(mounts)
}

/// Why the volumes of a pod cannot even be looked up, if so.
fn lookup_error(pod: &Pod, d: &Desk<'_, '_>) -> Option<String> {
    let mut names = Vec::new();
    let mut why = None;
    for volume in pod.spec.wire.volumes.iter().flatten() {
        if let Some(Obstacle::Lookup(text)) = obstacle(pod, volume, d) {
            names.push(volume.name.as_str());
            why.get_or_insert(text);
        }
    }
    let why = why?;
    names.sort_unstable();
    let names = go_list(&names);
    Some(format!(
        "unmounted volumes={names}, unattached volumes=[], failed to process volumes={names}: {why}"
    ))
}

/// Why a volume cannot be mounted, if it cannot.
fn obstacle(pod: &Pod, volume: &wire::core::Volume, d: &Desk<'_, '_>) -> Option<Obstacle> {
    let setup = |missing: Option<String>| missing.map(Obstacle::Setup);
    if let Some(source) = &volume.config_map {
        let optional = source.optional == Some(true);
        return setup(missing_map(pod, &source.name, optional, source.items.as_deref(), d));
    }
    if let Some(source) = &volume.secret {
        let name = source.secret_name.as_deref().unwrap_or_default();
        let optional = source.optional == Some(true);
        return setup(missing_secret(pod, name, optional, source.items.as_deref(), d));
    }
    if let Some(projected) = &volume.projected {
        return setup(projected.sources.iter().flatten().find_map(|source| {
            if let Some(c) = &source.config_map {
                let optional = c.optional == Some(true) || c.name == ROOT_CA;
                return missing_map(pod, &c.name, optional, c.items.as_deref(), d);
            }
            let s = source.secret.as_ref()?;
            missing_secret(pod, &s.name, s.optional == Some(true), s.items.as_deref(), d)
        }));
    }
    let claim = pod
        .identity
        .as_ref()
        .and_then(|i| i.claims.iter().find(|(v, _)| *v == volume.name))
        .map(|(_, claim)| claim.clone())
        .or_else(|| volume.persistent_volume_claim.as_ref().map(|c| c.claim_name.as_str().into()))
        .or_else(|| {
            let own = format!("{}-{}", pod.meta.name, volume.name);
            volume.ephemeral.as_ref().map(|_| own.into())
        })?;
    unbound(pod, claim, d).map(Obstacle::Lookup)
}

fn missing_map(
    pod: &Pod,
    name: &str,
    optional: bool,
    items: Option<&[wire::core::KeyToPath]>,
    d: &Desk<'_, '_>,
) -> Option<String> {
    match d.shared.config_map(&pod.meta.namespace, name) {
        None if optional => None,
        None => Some(format!("configmap {name:?} not found")),
        Some(map) => {
            let has = |key: &str| {
                map.body.data.as_ref().is_some_and(|m| m.contains_key(key))
                    || map.body.binary_data.as_ref().is_some_and(|m| m.contains_key(key))
            };
            missing_key(items, optional, has, "references non-existent config key")
        }
    }
}

fn missing_secret(
    pod: &Pod,
    name: &str,
    optional: bool,
    items: Option<&[wire::core::KeyToPath]>,
    d: &Desk<'_, '_>,
) -> Option<String> {
    match d.shared.secret(&pod.meta.namespace, name) {
        None if optional => None,
        None => Some(format!("secret {name:?} not found")),
        Some(secret) => {
            let has = |key: &str| secret.body.data.as_ref().is_some_and(|m| m.contains_key(key));
            missing_key(items, optional, has, "references non-existent secret key")
        }
    }
}

fn missing_key(
    items: Option<&[wire::core::KeyToPath]>,
    optional: bool,
    has: impl Fn(&str) -> bool,
    text: &str,
) -> Option<String> {
    let missing = items.unwrap_or_default().iter().find(|i| !has(&i.key))?;
    (!optional).then(|| format!("{text}: {}", missing.key))
}

/// Why a claim cannot be used, if so (`pkg/kubelet/volumemanager/populator`,
/// `getPVCExtractPV`).
fn unbound(pod: &Pod, claim: Str, d: &Desk<'_, '_>) -> Option<String> {
    let key = Key::new(pod.meta.namespace.clone(), claim);
    let name = format!("{}/{}", key.namespace, key.name);
    let Some(pvc) = d.shared.claim(&key) else {
        return Some(format!(
            "error processing PVC {name}: failed to fetch PVC from API server: \
             persistentvolumeclaims {:?} not found",
            key.name
        ));
    };
    let phase = pvc.body.status.as_ref().and_then(|s| s.phase.as_deref());
    let volume = pvc.body.spec.as_ref().and_then(|s| s.volume_name.as_deref());
    if phase == Some("Bound") && volume.is_some_and(|v| !v.is_empty()) {
        return None;
    }
    if pvc.meta.is_terminating() {
        return Some(format!(
            "error processing PVC {name}: can't start pod because PVC is being deleted"
        ));
    }
    Some(format!("error processing PVC {name}: PVC is not bound"))
}

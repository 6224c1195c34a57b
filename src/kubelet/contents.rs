//! What is in a pod's volumes.
//!
//! A volume's files are made when the first container that can look at them needs them; a planned
//! service never does. ConfigMaps, Secrets, projected and downward API volumes are laid out as the
//! atomic writer lays them out (`pkg/volume/util/atomic_writer.go`): a directory per version, the link
//! `..data` to the current one, and a link per file through it, so that an update swaps all at once.
//! They are brought up to date at the pod's syncs, as upstream does.
//!
//! Left out: owners by `fsGroup`, volumes from images, CSI and network file systems (which are empty
//! directories here, and said to be).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::desk::Desk;
use super::env;
use super::runtime::Nth;
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::container::{Mount, Tree, Unmade, VolumeId};
use crate::model::{Pod, PodSpec, wire};
use crate::trace::FactId;

/// The volumes of a pod whose files have been made.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    volumes: BTreeMap<Str, Filled>,
    /// Where the mounts of a container with a sub-path lead: by container and place in its list. They stay
    /// there while the container runs, whatever becomes of links on the way.
    sub_paths: BTreeMap<(Nth, usize), Str>,
}

/// One of them.
#[derive(Clone, Debug)]
struct Filled {
    id: VolumeId,
    /// Files made from other objects, as they were last written.
    payload: Option<Arc<Payload>>,
    /// How often they were written.
    version: u32,
    /// Whether they go with the pod.
    own: bool,
    /// The part of its tree that the volume is; empty for all of it.
    base: Str,
}

/// Files by path, each with its mode.
type Payload = BTreeMap<String, (u16, Vec<u8>)>;

/// The first version of a volume's files, which is only written once something looks at it.
#[derive(Debug)]
struct FirstVersion {
    payload: Arc<Payload>,
    at: SimTime,
}

impl Unmade for FirstVersion {
    fn make(&self) -> Tree {
        let mut tree = Tree::new(0o777, self.at);
        write(&mut tree, &self.payload, None, 1, self.at);
        tree
    }
}

/// Files that volumes of one spec in one namespace have alike, as long as no ConfigMap and no Secret changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Payloads {
    /// By the digest of the spec, the volume's place in it, and the namespace.
    known: Map<(u64, usize, Str), Arc<Payload>>,
    /// How far the news of ConfigMaps and Secrets had been heard.
    heard: [u64; 2],
}

/// So many of them are kept.
const PAYLOADS: usize = 1024;

impl Payloads {
    fn get(&mut self, key: &(u64, usize, Str), heard: [u64; 2]) -> Option<Arc<Payload>> {
        if self.heard != heard || self.known.len() > PAYLOADS {
            (self.heard, self.known) = (heard, Map::default());
        }
        self.known.get(key).map(Arc::clone)
    }
}

/// What a volume is made of.
enum Source {
    /// Files made from other objects.
    Payload(Arc<Payload>),
    /// An empty directory of the pod's own.
    Empty,
    /// Files that outlive the pod, by a name in the cluster.
    Kept(String),
    /// A path on the node's disk.
    Host(String),
}

impl Contents {
    /// What a container mounts, outer mounts first; volumes without files are left out.
    pub(super) fn of_container(&self, spec: &PodSpec, n: Nth) -> Vec<Mount> {
        let Some(c) = env::wire_container(spec, n) else { return Vec::new() };
        let mut mounts: Vec<Mount> = c
            .volume_mounts
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(i, m)| {
                let filled = self.volumes.get(m.name.as_str())?;
                let sub_path = self.sub_paths.get(&(n, i)).unwrap_or(&filled.base);
                Some(Mount {
                    path: m.mount_path.trim_end_matches('/').into(),
                    volume: filled.id,
                    sub_path: sub_path.clone(),
                    read_only: m.read_only == Some(true) || filled.payload.is_some(),
                })
            })
            .collect();
        mounts.sort_by_key(|m| m.path.len());
        mounts
    }

    /// Finds where the mounts of a container that starts lead which show a part of their volume; missing
    /// directories are made (`makeMounts`).
    pub(super) fn enter_sub_paths(
        &mut self,
        pod: &Pod,
        n: Nth,
        env: &env::Environment,
        d: &mut Desk<'_, '_>,
    ) {
        let Some(c) = env::wire_container(&pod.spec, n) else { return };
        for (i, mount) in c.volume_mounts.iter().flatten().enumerate() {
            let Ok(sub_path) = env::sub_path(mount, env) else { continue };
            let Some(filled) =
                self.volumes.get(mount.name.as_str()).filter(|_| !sub_path.is_empty())
            else {
                continue;
            };
            let Some(tree) = d.shared.volumes.get_mut(filled.id) else { continue };
            let path = format!("{}/{sub_path}", filled.base);
            if tree.real_path(&path).is_none() {
                tree.put_dir(&path, d.cx.now).ok();
            }
            let real = tree.real_path(&path).unwrap_or(path);
            self.sub_paths.insert((n, i), real.into());
        }
    }

    /// Makes the files of the volumes that a container mounts, where they are not made yet.
    pub(super) fn fill(&mut self, pod: &Pod, n: Nth, cause: FactId, d: &mut Desk<'_, '_>) {
        let Some(c) = env::wire_container(&pod.spec, n) else { return };
        for mount in c.volume_mounts.iter().flatten() {
            if self.volumes.contains_key(mount.name.as_str()) {
                continue;
            }
            let mut volumes = pod.spec.wire.volumes.iter().flatten().enumerate();
            let source = match volumes.find(|(_, v)| v.name == mount.name) {
                Some((i, volume)) => source_of(pod, i, volume, cause, d),
                None => match claim_of(pod, &mount.name) {
                    Some(claim) => kept_claim(pod, &claim, d),
                    None => continue,
                },
            };
            let filled = make(source, d);
            self.volumes.insert(mount.name.as_str().into(), filled);
        }
    }

    /// The files of a volume, once they have been made.
    pub(super) fn id_of(&self, volume: &str) -> Option<VolumeId> {
        self.volumes.get(volume).map(|filled| filled.id)
    }

    /// Writes files anew whose objects have changed; whether any have.
    pub(super) fn refresh(&mut self, pod: &Pod, d: &mut Desk<'_, '_>) -> bool {
        let mut any = false;
        for (i, volume) in pod.spec.wire.volumes.iter().flatten().enumerate() {
            let Some(filled) = self.volumes.get_mut(volume.name.as_str()) else { continue };
            let Some(written) = &filled.payload else { continue };
            let Some(payload) = known_payload_of(pod, i, volume, d) else { continue };
            if !Arc::ptr_eq(written, &payload) && *written != payload {
                filled.version += 1;
                if let Some(tree) = d.shared.volumes.get_mut(filled.id) {
                    write(tree, &payload, Some(written), filled.version, d.cx.now);
                }
                any = true;
            }
            filled.payload = Some(payload);
        }
        any
    }

    /// Whether files of it are made from this ConfigMap or Secret, or from the pod itself.
    pub(super) fn follows(&self, pod: &Pod, is_it: impl Fn(&wire::core::Volume) -> bool) -> bool {
        pod.spec
            .wire
            .volumes
            .iter()
            .flatten()
            .any(|v| self.volumes.contains_key(v.name.as_str()) && is_it(v))
    }

    /// The pod is gone: what was its own goes too.
    pub(super) fn clear(&mut self, d: &mut Desk<'_, '_>) {
        for filled in std::mem::take(&mut self.volumes).into_values().filter(|f| f.own) {
            d.shared.volumes.remove(filled.id);
        }
    }
}

fn make(source: Source, d: &mut Desk<'_, '_>) -> Filled {
    let now = d.cx.now;
    match source {
        Source::Empty => {
            let id = d.shared.new_volume();
            d.shared.volumes.insert(id, Tree::new(0o777, now));
            Filled { id, payload: None, version: 0, own: true, base: Str::default() }
        }
        Source::Host(path) => {
            let id = super::host::disk(d);
            if let Some(tree) = d.shared.volumes.get_mut(id) {
                // As the runtime does for a path without a type that is not there.
                tree.put_dir(&path, now).ok();
            }
            Filled { id, payload: None, version: 0, own: false, base: path.into() }
        }
        Source::Kept(name) => {
            let id = match d.shared.kept_volumes.get(&name) {
                Some(id) => *id,
                None => {
                    let id = d.shared.new_volume();
                    d.shared.volumes.insert(id, Tree::new(0o777, now));
                    d.shared.kept_volumes.insert(name, id);
                    id
                }
            };
            Filled { id, payload: None, version: 0, own: false, base: Str::default() }
        }
        Source::Payload(payload) => {
            let id = d.shared.new_volume();
            let first = FirstVersion { payload: Arc::clone(&payload), at: now };
            d.shared.volumes.insert_unmade(id, Arc::new(first));
            Filled { id, payload: Some(payload), version: 1, own: true, base: Str::default() }
        }
    }
}

/// Writes one version of the files and makes it the current one. What cannot be written (a path through
/// a file) is left out, as two sources that claim one path are refused before.
fn write(tree: &mut Tree, new: &Payload, old: Option<&Payload>, version: u32, now: SimTime) {
    let stamp = now.to_utc().format("%Y_%m_%d_%H_%M_%S");
    let dir = format!("..{stamp}.{:09}", u64::from(version) * 104_729 % 1_000_000_000);
    for (path, (mode, content)) in new {
        tree.put(&format!("/{dir}/{path}"), *mode, content, now).ok();
    }
    tree.put_link("/..data", &dir, now).ok();
    let tops = |p: &Payload| -> Vec<String> {
        let top = |path: &String| path.split('/').next().unwrap_or_default().to_owned();
        let mut all: Vec<String> = p.keys().map(top).collect();
        all.dedup();
        all
    };
    let new_tops = tops(new);
    for gone in old.map(tops).unwrap_or_default() {
        if !new_tops.contains(&gone) {
            tree.take_away(&format!("/{gone}"), now);
        }
    }
    for top in new_tops {
        tree.put_link(&format!("/{top}"), &format!("..data/{top}"), now).ok();
    }
}

fn claim_of(pod: &Pod, volume: &str) -> Option<Str> {
    let identity = pod.identity.as_ref()?;
    identity.claims.iter().find(|(v, _)| v == volume).map(|(_, claim)| claim.clone())
}

fn kept_claim(pod: &Pod, claim: &str, d: &Desk<'_, '_>) -> Source {
    let key = crate::model::Key::new(pod.meta.namespace.clone(), claim);
    let volume = d
        .shared
        .claim(&key)
        .and_then(|c| c.body.spec.as_ref()?.volume_name.clone())
        .filter(|v| !v.is_empty());
    match volume {
        Some(volume) => Source::Kept(format!("pv/{volume}")),
        None => Source::Kept(format!("pvc/{key}")),
    }
}

fn source_of(
    pod: &Pod,
    i: usize,
    volume: &wire::core::Volume,
    cause: FactId,
    d: &mut Desk<'_, '_>,
) -> Source {
    if let Some(payload) = known_payload_of(pod, i, volume, d) {
        return Source::Payload(payload);
    }
    if let Some(claim) = claim_of(pod, &volume.name) {
        return kept_claim(pod, &claim, d);
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        return kept_claim(pod, &claim.claim_name, d);
    }
    if volume.ephemeral.is_some() {
        return kept_claim(pod, &format!("{}-{}", pod.meta.name, volume.name), d);
    }
    if let Some(host) = &volume.host_path {
        return Source::Host(host.path.trim_end_matches('/').to_owned());
    }
    if volume.empty_dir.is_none() {
        let subject = format!("volume {}", volume.name);
        d.unmodelled(cause, &subject, "a volume of this type is an empty directory");
    }
    Source::Empty
}

/// The files of a volume that is made from other objects: the one at place `i` of its pod's spec.
fn known_payload_of(
    pod: &Pod,
    i: usize,
    volume: &wire::core::Volume,
    d: &mut Desk<'_, '_>,
) -> Option<Arc<Payload>> {
    if !is_alike(volume) {
        return payload_of(pod, volume, d).map(Arc::new);
    }
    let heard = d.shared.sources_heard();
    let key = (pod.spec.digest, i, pod.meta.namespace.clone());
    if let Some(known) = d.shared.payloads.get(&key, heard) {
        return Some(known);
    }
    let payload = Arc::new(payload_of(pod, volume, d)?);
    d.shared.payloads.known.insert(key, Arc::clone(&payload));
    Some(payload)
}

/// Whether the files of a volume follow from its pod's spec and namespace, ConfigMaps and Secrets alone.
fn is_alike(volume: &wire::core::Volume) -> bool {
    let sources = || volume.projected.iter().flat_map(|p| p.sources.iter().flatten());
    let own = volume.downward_api.iter().flat_map(|d| d.items.iter().flatten());
    let projected = sources().filter_map(|s| s.downward_api.as_ref()?.items.as_ref()).flatten();
    own.chain(projected).all(|item| {
        let field = item.field_ref.as_ref().map(|field| field.field_path.as_str());
        matches!(field, Some("metadata.namespace" | "spec.serviceAccountName"))
    })
}

/// The same, made anew.
fn payload_of(pod: &Pod, volume: &wire::core::Volume, d: &Desk<'_, '_>) -> Option<Payload> {
    let mut files = Payload::new();
    if let Some(source) = &volume.config_map {
        let mode = file_mode(source.default_mode);
        add_map(pod, &source.name, source.items.as_deref(), mode, d, &mut files);
    } else if let Some(source) = &volume.secret {
        let mode = file_mode(source.default_mode);
        let name = source.secret_name.as_deref().unwrap_or_default();
        add_secret(pod, name, source.items.as_deref(), mode, d, &mut files);
    } else if let Some(source) = &volume.downward_api {
        let items = source.items.as_deref().unwrap_or_default();
        add_downward(pod, items, file_mode(source.default_mode), d, &mut files);
    } else {
        let source = volume.projected.as_ref()?;
        let mode = file_mode(source.default_mode);
        for part in source.sources.iter().flatten() {
            if let Some(map) = &part.config_map {
                add_map(pod, &map.name, map.items.as_deref(), mode, d, &mut files);
            }
            if let Some(secret) = &part.secret {
                add_secret(pod, &secret.name, secret.items.as_deref(), mode, d, &mut files);
            }
            if let Some(downward) = &part.downward_api {
                let items = downward.items.as_deref().unwrap_or_default();
                add_downward(pod, items, mode, d, &mut files);
            }
            if let Some(token) = &part.service_account_token {
                let account = pod.spec.wire.service_account_name.as_deref().unwrap_or("default");
                let text = format!("wavetank.{}.{account}", pod.meta.namespace);
                files.insert(token.path.clone(), (mode, text.into_bytes()));
            }
        }
    }
    Some(files)
}

/// What stands for the certificate of the cluster's authority.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----\nsimulated\n-----END CERTIFICATE-----\n";

fn file_mode(mode: Option<i32>) -> u16 {
    mode.and_then(|m| u16::try_from(m & 0o777).ok()).unwrap_or(0o644)
}

/// Enters keys as files: all of them, or those listed, under their paths.
fn add_keys(
    keys: BTreeMap<&String, &[u8]>,
    items: Option<&[wire::core::KeyToPath]>,
    mode: u16,
    files: &mut Payload,
) {
    match items {
        None => {
            for (key, content) in keys {
                files.insert(key.clone(), (mode, content.to_vec()));
            }
        }
        Some(items) => {
            for item in items {
                if let Some(content) = keys.get(&item.key) {
                    let mode = item.mode.map_or(mode, |m| file_mode(Some(m)));
                    files.insert(item.path.clone(), (mode, content.to_vec()));
                }
            }
        }
    }
}

fn add_map(
    pod: &Pod,
    name: &str,
    items: Option<&[wire::core::KeyToPath]>,
    mode: u16,
    d: &Desk<'_, '_>,
    files: &mut Payload,
) {
    let Some(map) = d.shared.config_map(&pod.meta.namespace, name) else {
        if name == super::volumes::ROOT_CA {
            files.insert("ca.crt".to_owned(), (mode, CERTIFICATE.to_vec()));
        }
        return;
    };
    let text = map.body.data.iter().flatten().map(|(k, v)| (k, v.as_bytes()));
    let binary = map.body.binary_data.iter().flatten().map(|(k, v)| (k, v.0.as_slice()));
    add_keys(text.chain(binary).collect(), items, mode, files);
}

fn add_secret(
    pod: &Pod,
    name: &str,
    items: Option<&[wire::core::KeyToPath]>,
    mode: u16,
    d: &Desk<'_, '_>,
    files: &mut Payload,
) {
    let Some(secret) = d.shared.secret(&pod.meta.namespace, name) else { return };
    let keys = secret.body.data.iter().flatten().map(|(k, v)| (k, v.0.as_slice()));
    add_keys(keys.collect(), items, mode, files);
}

fn add_downward(
    pod: &Pod,
    items: &[wire::core::DownwardAPIVolumeFile],
    mode: u16,
    d: &Desk<'_, '_>,
    files: &mut Payload,
) {
    for item in items {
        let value = if let Some(field) = &item.field_ref {
            env::field_value(pod, &field.field_path, pod.status.pod_ip, d.node).ok()
        } else {
            item.resource_field_ref.as_ref().and_then(|field| {
                let name = field.container_name.as_deref().unwrap_or_default();
                let c = pod.spec.container(name)?;
                let allocatable = d.shared.allocatable(d.node.slot);
                let divisor = field.divisor.as_ref().map(|q| q.0.as_str());
                env::resource_value(c, &field.resource, divisor, allocatable).ok()
            })
        };
        let mode = item.mode.map_or(mode, |m| file_mode(Some(m)));
        files.insert(item.path.clone(), (mode, value.unwrap_or_default().into_bytes()));
    }
}

//! The disk of a node, as far as volumes of type hostPath show it.
//!
//! Follows `pkg/volume/hostpath/host_path.go` (`checkType`). Every node has one tree, so that pods which
//! mount different parts of it see each other's files. It begins with the directories that a node has
//! whose agent and runtime are containerd's and kubeadm's; sockets and devices are known by name alone.

use super::desk::Desk;
use crate::base::time::SimTime;
use crate::container::{Tree, VolumeId};
use crate::model::wire::core::HostPathVolumeSource;

/// Directories of a node's disk.
const DIRECTORIES: &[&str] = &[
    "bin",
    "boot",
    "dev",
    "etc/cni/net.d",
    "etc/kubernetes/manifests",
    "etc/kubernetes/pki",
    "etc/ssl/certs",
    "home",
    "lib/modules",
    "media",
    "mnt",
    "opt/cni/bin",
    "proc",
    "root",
    "run/containerd",
    "sbin",
    "srv",
    "sys/fs/cgroup",
    "tmp",
    "usr/bin",
    "usr/local",
    "usr/share/ca-certificates",
    "usr/src",
    "var/lib/containerd",
    "var/lib/kubelet/pods",
    "var/lib/kubelet/plugins",
    "var/log/containers",
    "var/log/pods",
    "var/run",
];
/// Files of a node's disk.
const FILES: &[&str] = &[
    "etc/hostname",
    "etc/hosts",
    "etc/localtime",
    "etc/machine-id",
    "etc/os-release",
    "etc/resolv.conf",
];
/// Sockets of a node.
const SOCKETS: &[&str] =
    &["/run/containerd/containerd.sock", "/var/run/containerd/containerd.sock"];
/// Character devices of a node.
const CHARACTER_DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/kmsg",
    "/dev/fuse",
];

/// The tree of the agent's node.
pub(super) fn disk(d: &mut Desk<'_, '_>) -> VolumeId {
    let name = format!("node/{}", d.node.name);
    if let Some(id) = d.shared.kept_volumes.get(&name) {
        return *id;
    }
    let id = d.shared.new_volume();
    d.shared.volumes.insert(id, fresh(d.cx.now));
    d.shared.kept_volumes.insert(name, id);
    id
}

fn fresh(now: SimTime) -> Tree {
    let mut tree = Tree::new(0o755, now);
    for path in DIRECTORIES {
        tree.put_dir(path, now).expect("the table's directories are no files");
    }
    for path in FILES {
        tree.put(path, 0o644, b"", now).expect("the table's files lie in directories");
    }
    tree
}

/// Whether the path is what its type says; makes it where the type allows that.
///
/// # Errors
/// In the words of the check.
pub(super) fn check(source: &HostPathVolumeSource, d: &mut Desk<'_, '_>) -> Result<(), String> {
    let kind = source.type_.as_deref().unwrap_or_default();
    let path = source.path.as_str();
    let is = |known: &[&str]| known.contains(&path.trim_end_matches('/'));
    let fails = |what: &str| Err(format!("hostPath type check failed: {path} is not a {what}"));
    match kind {
        "" => return Ok(()),
        "Socket" => return if is(SOCKETS) { Ok(()) } else { fails("socket file") },
        "CharDevice" => {
            return if is(CHARACTER_DEVICES) { Ok(()) } else { fails("character device") };
        }
        "BlockDevice" => return fails("block device"),
        _ => {}
    }
    let (id, now) = (disk(d), d.cx.now);
    let Some(tree) = d.shared.volumes.get_mut(id) else { return Ok(()) };
    let there =
        if is(SOCKETS) || is(CHARACTER_DEVICES) { Some(false) } else { tree.is_directory(path) };
    let is_file = there == Some(false) && tree.content(path).is_some();
    match (kind, there) {
        ("DirectoryOrCreate", None) => tree.put_dir(path, now).map_err(|e| e.to_string()),
        ("FileOrCreate", None) => {
            let (dir, _) = path.trim_end_matches('/').rsplit_once('/').unwrap_or_default();
            match tree.is_directory(dir) {
                Some(true) => tree.put(path, 0o644, b"", now).map_err(|e| e.to_string()),
                _ => Err(format!("open {path}: no such file or directory")),
            }
        }
        ("DirectoryOrCreate" | "Directory", Some(true)) => Ok(()),
        ("FileOrCreate" | "File", Some(false)) if is_file => Ok(()),
        ("DirectoryOrCreate" | "Directory", _) => fails("directory"),
        ("FileOrCreate" | "File", _) => fails("file"),
        _ => Err(format!("{kind} is an invalid volume type")),
    }
}

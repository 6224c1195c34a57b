//! The files in /etc that the kubelet and the runtime make: `hosts`, `hostname`, `resolv.conf`.
//!
//! An image has empty ones in their places. They are filled when something first opens a file of /etc: most
//! containers never do, and share the image's directory.

use super::{Os, World};
use crate::container::fs::Stat;

/// Their paths.
pub(crate) const PATHS: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

impl Os {
    /// Fills the files, once.
    pub(crate) fn make_etc(&mut self, world: &World<'_>) {
        if std::mem::replace(&mut self.etc_made, true) {
            return;
        }
        for path in PATHS {
            let text = self.etc_text(path, world);
            // An image without a directory /etc has no use for them.
            let _put = self.files.own.put(path, 0o644, text.as_bytes(), world.now);
        }
    }

    /// Makes an empty stand-in look like the file that it stands for.
    pub(super) fn patch_etc(&self, mut stat: Stat, world: &World<'_>) -> Stat {
        if !self.etc_made && stat.id.volume.is_none() {
            let stands = |path: &&str| self.image.tree.find(path) == Some(stat.id.ino);
            if let Some(path) = PATHS.iter().find(|p| stands(p)) {
                stat.size = self.etc_text(path, world).len() as u64;
            }
        }
        stat
    }

    fn etc_text(&self, path: &str, world: &World<'_>) -> String {
        let hostname = &self.hostname;
        match path {
            "/etc/hostname" => format!("{hostname}\n"),
            "/etc/hosts" if !self.rare.hosts.is_empty() => self.rare.hosts.to_string(),
            "/etc/hosts" => {
                let ip = self.pod_ip.map(|ip| ip.to_string()).unwrap_or_default();
                crate::container::hosts_file(&ip, hostname, "", &[])
            }
            _ if !self.rare.resolv.is_empty() => self.rare.resolv.to_string(),
            _ => {
                let (namespace, domain) = (&self.namespace, &world.network.cluster_domain);
                let server = world.network.dns_server;
                format!(
                    "search {namespace}.svc.{domain} svc.{domain} {domain}\nnameserver {server}\noptions ndots:5\n"
                )
            }
        }
    }
}

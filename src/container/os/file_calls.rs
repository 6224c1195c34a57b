//! The system calls on paths.

use std::borrow::Cow;

use super::{Access, OpenMode, Sys, Target};
use crate::base::Str;
use crate::container::fs::{
    Device, Errno, Files, Kind, NodeId, Stat, Who, is_normal, join, normalise,
};
use crate::container::process::Fd;

impl super::Os {
    /// Makes a directory and those above it, as the runtime does for the working directory.
    pub(crate) fn make_directory(
        &mut self,
        path: &str,
        world: &mut super::World<'_>,
    ) -> Result<(), Errno> {
        let who = Who { at: world.now, uid: 0, gid: 0, umask: 0o022 };
        let mut made = String::new();
        for name in path.split('/').filter(|n| !n.is_empty()) {
            made.push('/');
            made.push_str(name);
            let place = self.files.place(world.volumes, "/", &made, true, who)?;
            match place.node {
                Some(node) if self.files.inode(world.volumes, node)?.is_dir() => {}
                Some(_) => return Err(Errno::NotDir),
                None => {
                    let kind = Kind::Dir(std::collections::BTreeMap::new());
                    self.files.make(world.volumes, &place, kind, 0o777, who)?;
                }
            }
        }
        Ok(())
    }
}

impl Sys<'_, '_> {
    fn cwd(&self) -> Str {
        self.me().cwd.clone()
    }

    /// Opens a path at the lowest free descriptor not below `least`.
    pub(crate) fn open(&mut self, path: &str, mode: OpenMode, least: Fd) -> Result<Fd, Errno> {
        if let Some(fd) = self.open_special(path, mode, least)? {
            return Ok(fd);
        }
        let who = self.who();
        let cwd = self.cwd();
        let mut place = self.os.files.place(self.world.volumes, &cwd, path, true, who)?;
        if !self.os.etc_made && place.path.starts_with("/etc/") {
            self.os.make_etc(self.world);
            place = self.os.files.place(self.world.volumes, &cwd, path, true, who)?;
        }
        let access = mode.access;
        let Some(node) = place.node else {
            if !mode.create || path.ends_with('/') {
                return Err(if mode.create { Errno::IsDir } else { Errno::NoEnt });
            }
            let node = self.os.files.make(
                self.world.volumes,
                &place,
                Kind::File(Vec::new()),
                mode.mode,
                who,
            )?;
            return Ok(self.install(Target::Node(node), access, least));
        };
        let inode = self.os.files.inode(self.world.volumes, node)?;
        let (is_dir, is_fifo, is_file) = (
            inode.is_dir(),
            matches!(inode.kind, Kind::Fifo),
            matches!(inode.kind, Kind::File(_) | Kind::Program(_)),
        );
        if mode.exclusive && is_file {
            return Err(Errno::Exists);
        }
        if access.write {
            if is_dir {
                return Err(Errno::IsDir);
            }
            self.os.files.writable(self.world.volumes, &place, node, who)?;
        }
        if access.read && !self.os.files.may(self.world.volumes, node, who, 0o4)? {
            return Err(Errno::Access);
        }
        if is_fifo {
            return Ok(self.open_fifo(node, access, least));
        }
        if mode.truncate && access.write && is_file {
            self.os.files.tree_mut(self.world.volumes, node)?.set_content(
                node.ino,
                Vec::new(),
                who.at,
            )?;
        }
        Ok(self.install(Target::Node(node), access, least))
    }

    /// Paths that name descriptors or live in /proc.
    fn open_special(&mut self, path: &str, mode: OpenMode, least: Fd) -> Result<Option<Fd>, Errno> {
        let path = self.absolute(path);
        let own = match path.as_ref() {
            "/dev/stdin" => Some(0),
            "/dev/stdout" => Some(1),
            "/dev/stderr" => Some(2),
            p => p
                .strip_prefix("/dev/fd/")
                .or_else(|| p.strip_prefix("/proc/self/fd/"))
                .and_then(|n| n.parse().ok()),
        };
        let (pid, fd) = match own {
            Some(fd) => (self.pid, fd),
            None => match path.strip_prefix("/proc/").and_then(|p| p.split_once("/fd/")) {
                Some((pid, fd)) => {
                    let numbers = pid.parse().ok().zip(fd.parse().ok());
                    numbers.ok_or(Errno::NoEnt)?
                }
                None if path.starts_with("/proc/") || path == "/proc" => {
                    return self.open_proc(&path, mode, least).map(Some);
                }
                None => return Ok(None),
            },
        };
        let file = self.os.procs.get(&pid).and_then(|p| p.fds.get(&fd)).ok_or(Errno::NoEnt)?.file;
        let open = self.os.open.get(&file).ok_or(Errno::NoEnt)?;
        let (target, old) = (open.target.clone(), open.access);
        let new = match target {
            // A file is opened anew, with an offset of its own.
            Target::Node(node) => {
                if mode.truncate {
                    let now = self.world.now;
                    // Devices have nothing to cut.
                    let _cut = self.os.files.tree_mut(self.world.volumes, node)?.set_content(
                        node.ino,
                        Vec::new(),
                        now,
                    );
                }
                self.install(Target::Node(node), mode.access, least)
            }
            Target::Bytes(_)
            | Target::PipeIn(_)
            | Target::PipeOut(_)
            | Target::Sink(..)
            | Target::Socket(_) => {
                if pid == self.pid {
                    self.dup_above(fd, least, false)?
                } else {
                    self.install(target, old, least)
                }
            }
        };
        Ok(Some(new))
    }

    fn open_proc(&mut self, path: &str, mode: OpenMode, least: Fd) -> Result<Fd, Errno> {
        if mode.access.write {
            return Err(if self.proc_file(path).is_some() { Errno::Access } else { Errno::NoEnt });
        }
        if let Some(bytes) = self.proc_file(path) {
            return Ok(self.install(
                Target::Bytes(bytes),
                Access { read: true, ..Access::default() },
                least,
            ));
        }
        Err(if self.proc_dir(path).is_some() { Errno::IsDir } else { Errno::NoEnt })
    }

    /// A path seen from the working directory, without dots.
    pub(crate) fn absolute<'p>(&self, path: &'p str) -> Cow<'p, str> {
        if is_normal(path) {
            return Cow::Borrowed(path);
        }
        Cow::Owned(normalise(&join(&self.me().cwd, path)))
    }

    /// What is known of the node at a path.
    pub(crate) fn stat(&self, path: &str, follow: bool) -> Result<Stat, Errno> {
        let absolute = self.absolute(path);
        if absolute.starts_with("/proc/") {
            return self.proc_stat(&absolute).ok_or(Errno::NoEnt);
        }
        if let Some(fd) = self.descriptor_of(&absolute).filter(|_| follow) {
            return self.stat_fd(fd);
        }
        let node = self.node(path, follow)?;
        let stat = self.os.files.stat(self.world.volumes, node)?;
        Ok(if absolute.starts_with("/etc") { self.os.patch_etc(stat, self.world) } else { stat })
    }

    fn descriptor_of(&self, absolute: &str) -> Option<Fd> {
        match absolute {
            "/dev/stdin" => Some(0),
            "/dev/stdout" => Some(1),
            "/dev/stderr" => Some(2),
            p => p.strip_prefix("/dev/fd/").and_then(|n| n.parse().ok()),
        }
    }

    /// What is known of an open file.
    pub(crate) fn stat_fd(&self, fd: Fd) -> Result<Stat, Errno> {
        match self.target(fd).ok_or(Errno::NoEnt)? {
            Target::Node(node) => self.os.files.stat(self.world.volumes, *node),
            Target::Bytes(b) => Ok(self.made_up_stat('-', b.len() as u64)),
            Target::PipeIn(_) | Target::PipeOut(_) | Target::Sink(..) => {
                Ok(self.made_up_stat('p', 0))
            }
            Target::Socket(_) => Ok(self.made_up_stat('s', 0)),
        }
    }

    pub(super) fn made_up_stat(&self, kind: char, size: u64) -> Stat {
        let id = NodeId { volume: None, ino: crate::container::fs::Ino(0) };
        let mode = if kind == 'd' { 0o555 } else { 0o644 };
        Stat {
            id,
            mode,
            uid: 0,
            gid: 0,
            size,
            mtime: self.world.now,
            ctime: self.world.now,
            links: 1,
            kind,
        }
    }

    /// The device that a node is.
    pub(crate) fn device(&self, node: NodeId) -> Option<Device> {
        match self.os.files.inode(self.world.volumes, node).ok()?.kind {
            Kind::Device(device) => Some(device),
            Kind::File(_) | Kind::Program(_) | Kind::Dir(_) | Kind::Link(_) | Kind::Fifo => None,
        }
    }

    /// The node at a path.
    pub(crate) fn node(&self, path: &str, follow: bool) -> Result<NodeId, Errno> {
        self.os.files.resolve(self.world.volumes, &self.me().cwd, path, follow, self.who())
    }

    /// Whether the process may read (4), write (2) or execute (1) what is at a path.
    pub(crate) fn access(&self, path: &str, want: u16) -> Result<bool, Errno> {
        if self.absolute(path).starts_with("/proc/") {
            return self.stat(path, true).map(|s| s.mode >> 6 & want == want);
        }
        let place =
            self.os.files.place(self.world.volumes, &self.me().cwd, path, true, self.who())?;
        let node = place.node.ok_or(Errno::NoEnt)?;
        if want & 0o2 != 0 && Files::read_only(&place) {
            return Ok(false);
        }
        self.os.files.may(self.world.volumes, node, self.who(), want)
    }

    /// The whole content of a regular file.
    pub(crate) fn content(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        let fd = self.open(path, OpenMode::READ, 3)?;
        let mut out = Vec::new();
        let read = loop {
            match self.read(fd, 1 << 16) {
                Ok(super::Read::Data(d)) => out.extend_from_slice(&d),
                Ok(super::Read::End | super::Read::Later(_)) => break Ok(out),
                Err(e) => break Err(e),
            }
            if out.len() > self.os.limits.memory_bytes {
                break Err(Errno::TooBig);
            }
        };
        self.close(fd);
        read
    }

    /// The name of the simulated program that a file is.
    pub(crate) fn program_name(&self, path: &str) -> Option<Str> {
        let node = self.node(path, true).ok()?;
        match &self.os.files.inode(self.world.volumes, node).ok()?.kind {
            Kind::Program(name) => Some(name.clone()),
            Kind::File(_) | Kind::Dir(_) | Kind::Link(_) | Kind::Fifo | Kind::Device(_) => None,
        }
    }

    /// Writes a whole file anew.
    pub(crate) fn put(&mut self, path: &str, content: &[u8]) -> Result<(), Errno> {
        let fd = self.open(path, OpenMode::WRITE, 3)?;
        let written = self.write(fd, content);
        self.close(fd);
        written
    }

    /// The names in a directory, in order, without `.` and `..`.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Str>, Errno> {
        let absolute = self.absolute(path);
        if let Some(names) = self.proc_dir(&absolute) {
            return Ok(names);
        }
        let place =
            self.os.files.place(self.world.volumes, &self.me().cwd, path, true, self.who())?;
        let node = place.node.ok_or(Errno::NoEnt)?;
        if !self.os.files.may(self.world.volumes, node, self.who(), 0o4)? {
            return Err(Errno::Access);
        }
        let real = if place.path.is_empty() { "/" } else { place.path.as_str() };
        self.os.files.list(self.world.volumes, node, real)
    }

    /// The absolute path of what is at `path`, without links.
    pub(crate) fn real_path(&self, path: &str) -> Result<String, Errno> {
        let place =
            self.os.files.place(self.world.volumes, &self.me().cwd, path, true, self.who())?;
        place.node.ok_or(Errno::NoEnt)?;
        Ok(if place.path.is_empty() { "/".to_owned() } else { place.path })
    }

    /// Makes something new at a path (mkdir, mkfifo, symlink).
    pub(crate) fn make(&mut self, path: &str, kind: Kind, mode: u16) -> Result<(), Errno> {
        let who = self.who();
        let cwd = self.cwd();
        let place = self.os.files.place(self.world.volumes, &cwd, path, false, who)?;
        self.os.files.make(self.world.volumes, &place, kind, mode, who).map(drop)
    }

    /// Where a symbolic link leads.
    pub(crate) fn read_link(&self, path: &str) -> Result<Str, Errno> {
        let node = self.node(path, false)?;
        match &self.os.files.inode(self.world.volumes, node)?.kind {
            Kind::Link(to) => Ok(to.clone()),
            Kind::File(_) | Kind::Program(_) | Kind::Dir(_) | Kind::Fifo | Kind::Device(_) => {
                Err(Errno::Inval)
            }
        }
    }

    /// Takes a name away: of an empty directory when `dir`, of anything else otherwise.
    pub(crate) fn unlink(&mut self, path: &str, dir: bool) -> Result<(), Errno> {
        let who = self.who();
        let cwd = self.cwd();
        let place = self.os.files.place(
            self.world.volumes,
            &cwd,
            path.trim_end_matches('/'),
            false,
            who,
        )?;
        let (node, last) = self.os.files.unlink(self.world.volumes, &place, dir, who)?;
        if last {
            self.forget(node);
        }
        Ok(())
    }

    fn forget(&mut self, node: NodeId) {
        let open = self.os.open.values().any(|o| matches!(o.target, Target::Node(n) if n == node));
        if !open && let Ok(tree) = self.os.files.tree_mut(self.world.volumes, node) {
            tree.forget(node.ino);
        }
    }

    /// A hard link.
    pub(crate) fn link(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        self.os.make_etc(self.world);
        let who = self.who();
        let cwd = self.cwd();
        let node = self.node(from, false)?;
        let place = self.os.files.place(self.world.volumes, &cwd, to, false, who)?;
        self.os.files.link(self.world.volumes, node, &place, who)
    }

    /// Moves a name.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        self.os.make_etc(self.world);
        let who = self.who();
        let cwd = self.cwd();
        let from = self.os.files.place(
            self.world.volumes,
            &cwd,
            from.trim_end_matches('/'),
            false,
            who,
        )?;
        let to =
            self.os.files.place(self.world.volumes, &cwd, to.trim_end_matches('/'), false, who)?;
        if let Some(lost) = self.os.files.rename(self.world.volumes, &from, &to, who)? {
            self.forget(lost);
        }
        Ok(())
    }

    /// Changes mode, owner or times of a node.
    pub(crate) fn change(&mut self, path: &str, follow: bool, change: Change) -> Result<(), Errno> {
        let who = self.who();
        let cwd = self.cwd();
        let place = self.os.files.place(self.world.volumes, &cwd, path, follow, who)?;
        let node = place.node.ok_or(Errno::NoEnt)?;
        if Files::read_only(&place) {
            return Err(Errno::ReadOnly);
        }
        let owner = self.os.files.inode(self.world.volumes, node)?.uid;
        let allowed = match change {
            Change::Mode(_) | Change::Modified(_) => who.uid == 0 || who.uid == owner,
            Change::Owner(..) => who.uid == 0,
        };
        if !allowed {
            return Err(Errno::Perm);
        }
        let inode = self.os.files.tree_mut(self.world.volumes, node)?.inode_mut(node.ino);
        inode.ctime = who.at;
        match change {
            Change::Mode(mode) => inode.mode = mode,
            Change::Modified(at) => inode.mtime = at,
            Change::Owner(uid, gid) => {
                inode.uid = uid.unwrap_or(inode.uid);
                inode.gid = gid.unwrap_or(inode.gid);
            }
        }
        Ok(())
    }

    /// Changes the working directory to a path that is there.
    pub(crate) fn chdir(&mut self, path: &str) -> Result<(), Errno> {
        let stat = self.stat(path, true)?;
        if stat.kind != 'd' {
            return Err(Errno::NotDir);
        }
        if !self.access(path, 0o1)? {
            return Err(Errno::Access);
        }
        let absolute = self.absolute(path);
        self.me_mut().cwd = absolute.as_ref().into();
        Ok(())
    }
}

/// What [`Sys::change`] changes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// Permission bits.
    Mode(u16),
    /// Owner and group.
    Owner(Option<u32>, Option<u32>),
    /// Time of the last modification.
    Modified(crate::base::time::SimTime),
}

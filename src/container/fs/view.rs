//! The file system as one container sees it: its own tree with volumes mounted in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::tree::ROOT;
use super::{Errno, Ino, Inode, Kind, Stamp, Tree};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::shared::Shared;

/// Names a volume of a pod or of the cluster; the owner of the containers gives them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeId(pub u32);

/// Files that are made when something looks at them for the first time, if anything ever does.
pub trait Unmade: fmt::Debug + Send + Sync {
    /// Makes them; always the same.
    fn make(&self) -> Tree;
}

/// The trees behind the volumes. Containers hold ids only, so that several may mount one.
#[derive(Clone, Debug, Default)]
pub struct Volumes {
    volumes: BTreeMap<VolumeId, Volume>,
    /// What containers hold in common besides.
    pub(crate) shared: Shared,
}

#[derive(Clone, Debug)]
enum Volume {
    Made(Tree),
    /// Most programs look at no volume, least of all at the token that every pod has.
    Later {
        unmade: Arc<dyn Unmade>,
        made: OnceLock<Box<Tree>>,
    },
}

impl Volumes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a volume in place, or another content in place of an earlier one.
    pub fn insert(&mut self, id: VolumeId, tree: Tree) {
        self.volumes.insert(id, Volume::Made(tree));
    }

    /// The same for files that are made when they are looked at.
    pub fn insert_unmade(&mut self, id: VolumeId, unmade: Arc<dyn Unmade>) {
        self.volumes.insert(id, Volume::Later { unmade, made: OnceLock::new() });
    }

    /// Takes a volume away. No container that mounts it may run again.
    pub fn remove(&mut self, id: VolumeId) {
        self.volumes.remove(&id);
    }

    /// A volume's files.
    pub fn get(&self, id: VolumeId) -> Option<&Tree> {
        self.volumes.get(&id).map(|volume| match volume {
            Volume::Made(tree) => tree,
            Volume::Later { unmade, made } => made.get_or_init(|| Box::new(unmade.make())),
        })
    }

    /// A volume's files, to be changed from outside the containers.
    pub fn get_mut(&mut self, id: VolumeId) -> Option<&mut Tree> {
        let volume = self.volumes.get_mut(&id)?;
        if let Volume::Later { unmade, made } = volume {
            let tree = made.take().map_or_else(|| unmade.make(), |tree| *tree);
            *volume = Volume::Made(tree);
        }
        match volume {
            Volume::Made(tree) => Some(tree),
            Volume::Later { .. } => None,
        }
    }
}

/// A volume in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The absolute path in the container.
    pub path: Str,
    /// What is there.
    pub volume: VolumeId,
    /// The part of the volume that is there; empty for all of it.
    pub sub_path: Str,
    /// Whether writing fails.
    pub read_only: bool,
}

/// One inode of one of the container's file systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId {
    /// The mounted volume, or the container's own tree.
    pub(crate) volume: Option<VolumeId>,
    pub(crate) ino: Ino,
}

/// What `stat` tells.
#[derive(Clone, Debug)]
pub(crate) struct Stat {
    pub(crate) id: NodeId,
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) mtime: SimTime,
    pub(crate) ctime: SimTime,
    pub(crate) links: u32,
    /// `d`, `-`, `l`, `p` or `c`, as `ls -l` begins.
    pub(crate) kind: char,
}

/// Who does something, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    pub(crate) at: SimTime,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) umask: u16,
}

impl Who {
    /// As the maker of a new inode.
    pub(crate) const fn stamp(self) -> Stamp {
        Stamp { at: self.at, uid: self.uid, gid: self.gid }
    }
}

/// Links followed in one path before it counts as a loop.
const MAX_LINKS: u32 = 40;

/// Where a path leads.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The directory that holds the last name.
    pub(crate) dir: NodeId,
    /// The last name; empty for the root directory.
    pub(crate) name: Str,
    /// What is there, if anything.
    pub(crate) node: Option<NodeId>,
    /// The absolute path without links.
    pub(crate) path: String,
    read_only: bool,
}

/// A container's files.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) own: Tree,
    mounts: Vec<Mount>,
}

/// `path` seen from `cwd`, still with its dots.
pub(crate) fn join(cwd: &str, path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else if cwd.ends_with('/') {
        format!("{cwd}{path}")
    } else {
        format!("{cwd}/{path}")
    }
}

/// Whether a path is absolute and has neither dots nor empty names in it, as [`normalise`] makes it.
pub(crate) fn is_normal(path: &str) -> bool {
    path == "/"
        || path
            .strip_prefix('/')
            .is_some_and(|names| names.split('/').all(|name| !matches!(name, "" | "." | "..")))
}

/// A path without `.`, `..` and double slashes, by text alone (as `cd -L` does).
pub(crate) fn normalise(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

impl Files {
    /// The files of an image with volumes in them, from that time on. Mount points that are missing are made.
    pub(crate) fn new(
        image: &Arc<Tree>,
        mounts: &[Mount],
        volumes: &mut Volumes,
        at: SimTime,
    ) -> Self {
        let normal = |path: &Str| {
            if is_normal(path) { path.clone() } else { normalise(path).into() }
        };
        let mounts: Vec<Mount> =
            mounts.iter().map(|m| Mount { path: normal(&m.path), ..m.clone() }).collect();
        if mounts.is_empty() {
            return Self { own: Tree::over(image, at), mounts };
        }
        let is_dir = |mount: &Mount| {
            let whole = mount.sub_path.is_empty();
            whole || {
                let tree = volumes.get(mount.volume);
                let shown = tree.and_then(|t| t.find(&mount.sub_path).map(|ino| t.inode(ino)));
                shown.is_none_or(Inode::is_dir)
            }
        };
        let points: Vec<(Str, bool)> = mounts.iter().map(|m| (m.path.clone(), is_dir(m))).collect();
        let base = volumes.shared.mount_points(image, points);
        Self { own: Tree::over(&base, at), mounts }
    }

    fn tree<'a>(&'a self, volumes: &'a Volumes, id: NodeId) -> Option<&'a Tree> {
        id.volume.map_or(Some(&self.own), |v| volumes.get(v))
    }

    pub(crate) fn tree_mut<'a>(
        &'a mut self,
        volumes: &'a mut Volumes,
        id: NodeId,
    ) -> Result<&'a mut Tree, Errno> {
        match id.volume {
            None => Ok(&mut self.own),
            Some(v) => volumes.get_mut(v).ok_or(Errno::NoEnt),
        }
    }

    /// The inode behind an id.
    pub(crate) fn inode<'a>(
        &'a self,
        volumes: &'a Volumes,
        id: NodeId,
    ) -> Result<&'a Inode, Errno> {
        Ok(self.tree(volumes, id).ok_or(Errno::NoEnt)?.inode(id.ino))
    }

    fn mounted(&self, path: &str) -> Option<&Mount> {
        self.mounts.iter().rev().find(|m| m.path == path)
    }

    /// Follows a path. The last name need not exist; everything before it must.
    pub(crate) fn place(
        &self,
        volumes: &Volumes,
        cwd: &str,
        path: &str,
        follow: bool,
        who: Who,
    ) -> Result<Place, Errno> {
        if path.is_empty() {
            return Err(Errno::NoEnt);
        }
        if let Some(place) = self.plain_place(volumes, cwd, path, who) {
            return Ok(place);
        }
        let root = NodeId { volume: None, ino: ROOT };
        let start = Place {
            dir: root,
            name: Str::default(),
            node: Some(root),
            path: String::new(),
            read_only: false,
        };
        let mut links = 0;
        let mut place = start.clone();
        let joined = join(cwd, path);
        let slash = joined.ends_with('/');
        let mut todo: Vec<Str> =
            joined.split('/').rev().filter(|p| !p.is_empty() && *p != ".").map(Str::from).collect();
        while let Some(name) = todo.pop() {
            let dir = place.node.ok_or(Errno::NoEnt)?;
            let inode = self.inode(volumes, dir)?;
            if !inode.is_dir() {
                return Err(Errno::NotDir);
            }
            if !may(inode, who, 0o1) {
                return Err(Errno::Access);
            }
            if name == ".." {
                let up = normalise(&format!("{}/..", place.path));
                place = if up == "/" {
                    start.clone()
                } else {
                    self.place(volumes, "/", &up, false, Who { uid: 0, ..who })?
                };
                continue;
            }
            let next = self.step(volumes, &place, dir, &name)?;
            let last = todo.is_empty();
            if let Some(node) = next.node
                && let Kind::Link(to) = &self.inode(volumes, node)?.kind
                && (!last || follow || slash)
            {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::Loop);
                }
                todo.extend(
                    to.split('/').rev().filter(|p| !p.is_empty() && *p != ".").map(Str::from),
                );
                if to.starts_with('/') {
                    place = start.clone();
                }
                continue;
            }
            place = next;
        }
        if slash
            && let Some(node) = place.node
            && !self.inode(volumes, node)?.is_dir()
        {
            return Err(Errno::NotDir);
        }
        Ok(place)
    }

    /// The same for a path without `..`, links and errors, as most are: nothing is put together on the way.
    fn plain_place(&self, volumes: &Volumes, cwd: &str, path: &str, who: Who) -> Option<Place> {
        if path.ends_with('/') {
            return None;
        }
        let cwd = if path.starts_with('/') { "" } else { cwd };
        let mut names =
            cwd.split('/').chain(path.split('/')).filter(|n| !n.is_empty() && *n != ".").peekable();
        let mut at = NodeId { volume: None, ino: ROOT };
        let mut walked = String::with_capacity(cwd.len() + path.len() + 2);
        let mut read_only = false;
        while let Some(name) = names.next() {
            let inode = self.inode(volumes, at).ok()?;
            if name == ".." || !inode.is_dir() || !may(inode, who, 0o1) {
                return None;
            }
            walked.push('/');
            walked.push_str(name);
            let dir = at;
            let mount = self.mounted(&walked).and_then(|m| Some((m, volumes.get(m.volume)?)));
            let node = if let Some((mount, tree)) = mount {
                read_only = mount.read_only;
                let node = tree.find(&mount.sub_path);
                node.map(|ino| NodeId { volume: Some(mount.volume), ino })
            } else {
                let node = self.tree(volumes, dir)?.child(dir.ino, name).ok()?;
                node.map(|ino| NodeId { volume: dir.volume, ino })
            };
            let last = names.peek().is_none();
            match node {
                Some(node) if matches!(self.inode(volumes, node).ok()?.kind, Kind::Link(_)) => {
                    return None;
                }
                Some(node) if !last => at = node,
                None if !last => return None,
                node => {
                    return Some(Place { dir, name: name.into(), node, path: walked, read_only });
                }
            }
        }
        None
    }

    fn step(
        &self,
        volumes: &Volumes,
        place: &Place,
        dir: NodeId,
        name: &Str,
    ) -> Result<Place, Errno> {
        let path = format!("{}/{name}", place.path);
        if let Some(mount) = self.mounted(&path)
            && let Some(tree) = volumes.get(mount.volume)
        {
            let node =
                tree.find(&mount.sub_path).map(|ino| NodeId { volume: Some(mount.volume), ino });
            return Ok(Place { dir, name: name.clone(), node, path, read_only: mount.read_only });
        }
        let tree = self.tree(volumes, dir).ok_or(Errno::NoEnt)?;
        let node = tree.child(dir.ino, name)?.map(|ino| NodeId { volume: dir.volume, ino });
        Ok(Place { dir, name: name.clone(), node, path, read_only: place.read_only })
    }

    /// The node at a path, which must exist.
    pub(crate) fn resolve(
        &self,
        volumes: &Volumes,
        cwd: &str,
        path: &str,
        follow: bool,
        who: Who,
    ) -> Result<NodeId, Errno> {
        if let Some(node) = self.plain_node(volumes, path, follow, who) {
            return node.ok_or(Errno::NoEnt);
        }
        self.place(volumes, cwd, path, follow, who)?.node.ok_or(Errno::NoEnt)
    }

    /// The node at an absolute path without dots and links, `Some(None)` where there is none; `None` where it takes
    /// more to tell. A search along PATH asks this of each of its directories, mostly in vain.
    fn plain_node(
        &self,
        volumes: &Volumes,
        path: &str,
        follow: bool,
        who: Who,
    ) -> Option<Option<NodeId>> {
        let mut at = NodeId { volume: None, ino: ROOT };
        let mut inode = self.inode(volumes, at).ok()?;
        let mut end = 0;
        for name in path.strip_prefix('/')?.split('/') {
            end += 1 + name.len();
            if matches!(name, "" | "." | "..") || !inode.is_dir() || !may(inode, who, 0o1) {
                return None;
            }
            let mount = self.mounted(&path[..end]);
            let node = match mount.and_then(|m| Some((m, volumes.get(m.volume)?))) {
                Some((mount, tree)) => {
                    let ino = tree.find(&mount.sub_path);
                    ino.map(|ino| NodeId { volume: Some(mount.volume), ino })
                }
                None => {
                    let ino = self.tree(volumes, at)?.child(at.ino, name).ok()?;
                    ino.map(|ino| NodeId { volume: at.volume, ino })
                }
            };
            let Some(node) = node else { return Some(None) };
            (at, inode) = (node, self.inode(volumes, node).ok()?);
            if matches!(inode.kind, Kind::Link(_)) && (follow || end < path.len()) {
                return None;
            }
        }
        Some(Some(at))
    }

    /// What is known of a node.
    pub(crate) fn stat(&self, volumes: &Volumes, id: NodeId) -> Result<Stat, Errno> {
        let tree = self.tree(volumes, id).ok_or(Errno::NoEnt)?;
        let inode = tree.inode(id.ino);
        let kind = match inode.kind {
            Kind::File(_) | Kind::Program(_) => '-',
            Kind::Dir(_) => 'd',
            Kind::Link(_) => 'l',
            Kind::Fifo => 'p',
            Kind::Device(_) => 'c',
        };
        Ok(Stat {
            id,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            size: inode.size(),
            mtime: tree.time(inode.mtime),
            ctime: tree.time(inode.ctime),
            links: if kind == 'd' { 2 } else { inode.links },
            kind,
        })
    }

    /// Whether `who` may do `want` (4 read, 2 write, 1 execute or search) with the node.
    pub(crate) fn may(
        &self,
        volumes: &Volumes,
        id: NodeId,
        who: Who,
        want: u16,
    ) -> Result<bool, Errno> {
        Ok(may(self.inode(volumes, id)?, who, want))
    }

    /// Fails unless entries of the directory of `place` may be changed.
    pub(crate) fn writable_dir(
        &self,
        volumes: &Volumes,
        place: &Place,
        who: Who,
    ) -> Result<(), Errno> {
        if place.read_only {
            return Err(Errno::ReadOnly);
        }
        if may(self.inode(volumes, place.dir)?, who, 0o3) { Ok(()) } else { Err(Errno::Access) }
    }

    /// Fails unless the node at `place` may be written to.
    pub(crate) fn writable(
        &self,
        volumes: &Volumes,
        place: &Place,
        id: NodeId,
        who: Who,
    ) -> Result<(), Errno> {
        if place.read_only {
            return Err(Errno::ReadOnly);
        }
        if may(self.inode(volumes, id)?, who, 0o2) { Ok(()) } else { Err(Errno::Access) }
    }

    /// Makes something new at a place where nothing is.
    pub(crate) fn make(
        &mut self,
        volumes: &mut Volumes,
        place: &Place,
        kind: Kind,
        mode: u16,
        who: Who,
    ) -> Result<NodeId, Errno> {
        if place.node.is_some() || place.name.is_empty() {
            return Err(Errno::Exists);
        }
        self.writable_dir(volumes, place, who)?;
        let mode = if matches!(kind, Kind::Link(_)) { 0o777 } else { mode & !who.umask };
        let ino = self.tree_mut(volumes, place.dir)?.add(
            place.dir.ino,
            &place.name,
            kind,
            mode,
            who.stamp(),
        )?;
        Ok(NodeId { volume: place.dir.volume, ino })
    }

    /// Takes the name at `place` away (unlink, rmdir). Returns the node and whether it has no name left.
    pub(crate) fn unlink(
        &mut self,
        volumes: &mut Volumes,
        place: &Place,
        dir: bool,
        who: Who,
    ) -> Result<(NodeId, bool), Errno> {
        let node = place.node.ok_or(Errno::NoEnt)?;
        if place.name.is_empty() || self.mounted(&place.path).is_some() {
            return Err(Errno::Busy);
        }
        match (&self.inode(volumes, node)?.kind, dir) {
            (Kind::Dir(_), false) => return Err(Errno::IsDir),
            (Kind::Dir(names), true) if !names.is_empty() => return Err(Errno::NotEmpty),
            (Kind::Dir(_), true) => {}
            (_, true) => return Err(Errno::NotDir),
            (_, false) => {}
        }
        self.writable_dir(volumes, place, who)?;
        let tree = self.tree_mut(volumes, place.dir)?;
        tree.remove(place.dir.ino, &place.name, who.at)?;
        let inode = tree.inode_mut(node.ino);
        inode.links = inode.links.saturating_sub(1);
        Ok((node, inode.links == 0))
    }

    /// Another name for a file.
    pub(crate) fn link(
        &mut self,
        volumes: &mut Volumes,
        from: NodeId,
        to: &Place,
        who: Who,
    ) -> Result<(), Errno> {
        if to.node.is_some() {
            return Err(Errno::Exists);
        }
        if from.volume != to.dir.volume {
            return Err(Errno::CrossDevice);
        }
        self.writable_dir(volumes, to, who)?;
        let tree = self.tree_mut(volumes, from)?;
        if tree.inode(from.ino).is_dir() {
            return Err(Errno::Perm);
        }
        tree.inode_mut(from.ino).links += 1;
        tree.enter(to.dir.ino, &to.name, from.ino, who.at)
    }

    /// Moves a name within one file system, over what is at the target. Returns the node that lost
    /// its last name by that.
    pub(crate) fn rename(
        &mut self,
        volumes: &mut Volumes,
        from: &Place,
        to: &Place,
        who: Who,
    ) -> Result<Option<NodeId>, Errno> {
        let node = from.node.ok_or(Errno::NoEnt)?;
        if node.volume != to.dir.volume || from.dir.volume != to.dir.volume {
            return Err(Errno::CrossDevice);
        }
        if to.node == Some(node) {
            return Ok(None);
        }
        if to.path.starts_with(&format!("{}/", from.path)) {
            return Err(Errno::Inval);
        }
        self.writable_dir(volumes, from, who)?;
        self.writable_dir(volumes, to, who)?;
        let is_dir = self.inode(volumes, node)?.is_dir();
        let mut lost = None;
        if let Some(old) = to.node {
            let old_dir = self.inode(volumes, old)?.is_dir();
            if old_dir && !is_dir {
                return Err(Errno::IsDir);
            }
            if !old_dir && is_dir {
                return Err(Errno::NotDir);
            }
            let (gone, last) = self.unlink(volumes, to, old_dir, who)?;
            lost = last.then_some(gone);
        }
        let tree = self.tree_mut(volumes, from.dir)?;
        tree.remove(from.dir.ino, &from.name, who.at)?;
        tree.enter(to.dir.ino, &to.name, node.ino, who.at)?;
        Ok(lost)
    }

    /// The names in a directory, in order.
    pub(crate) fn list(
        &self,
        volumes: &Volumes,
        id: NodeId,
        path: &str,
    ) -> Result<Vec<Str>, Errno> {
        let Kind::Dir(names) = &self.inode(volumes, id)?.kind else { return Err(Errno::NotDir) };
        let mut out: Vec<Str> = names.keys().cloned().collect();
        // Volumes in volumes: the mount point need not be an entry of the outer one.
        for mount in &self.mounts {
            if let Some((dir, name)) = mount.path.rsplit_once('/')
                && (if dir.is_empty() { "/" } else { dir }) == path
                && !out.iter().any(|n| n == name)
            {
                out.push(name.into());
            }
        }
        out.sort();
        Ok(out)
    }

    /// Whether anything may be written at this place.
    pub(crate) const fn read_only(place: &Place) -> bool {
        place.read_only
    }
}

fn may(inode: &Inode, who: Who, want: u16) -> bool {
    if who.uid == 0 {
        // Root may execute only what somebody may.
        return want & 0o1 == 0 || inode.is_dir() || inode.mode & 0o111 != 0;
    }
    let shift = if who.uid == inode.uid {
        6
    } else if who.gid == inode.gid {
        3
    } else {
        0
    };
    (inode.mode >> shift) & want == want
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT_USER: Who = Who { at: SimTime::ZERO, uid: 0, gid: 0, umask: 0o022 };

    #[test]
    fn a_path_goes_through_links_and_mounts() {
        let mut volumes = Volumes::new();
        let mut config = Tree::new(0o755, SimTime::ZERO);
        config.put("/..data/key", 0o644, b"v", SimTime::ZERO).unwrap();
        volumes.insert(VolumeId(1), config);
        let mount = Mount {
            path: "/etc/config".into(),
            volume: VolumeId(1),
            sub_path: Str::default(),
            read_only: true,
        };
        let image = Arc::new(Tree::new(0o755, SimTime::ZERO));
        let mut files = Files::new(&image, &[mount], &mut volumes, SimTime::from_secs(7));
        let at = |files: &Files, volumes: &Volumes, path: &str| {
            files.place(volumes, "/", path, true, ROOT_USER)
        };
        let link = at(&files, &volumes, "/l").unwrap();
        files
            .make(&mut volumes, &link, Kind::Link("/etc/config/..data".into()), 0o777, ROOT_USER)
            .unwrap();
        assert!(at(&files, &volumes, "/l/key").unwrap().node.is_some());
        assert_eq!(at(&files, &volumes, "/l/../../x").unwrap().path, "/etc/x");
        let new = at(&files, &volumes, "/etc/config/new").unwrap();
        assert_eq!(
            files.make(&mut volumes, &new, Kind::Fifo, 0o644, ROOT_USER),
            Err(Errno::ReadOnly)
        );
        assert!(matches!(at(&files, &volumes, "/etc/config/..data/key/x"), Err(Errno::NotDir)));
        assert_eq!(normalise("/a/./b/../c//"), "/a/c");
        let time = |files: &Files, path: &str| {
            let node = at(files, &volumes, path).unwrap().node.unwrap();
            files.stat(&volumes, node).unwrap().mtime
        };
        // The directories of a mount point are as old as the container, also once they are its own.
        assert_eq!(time(&files, "/etc"), SimTime::from_secs(7));
        let etc = files.own.find("/etc").unwrap();
        assert_eq!(files.own.inode_mut(etc).ctime, SimTime::from_secs(7));
    }
}

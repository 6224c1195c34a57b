//! One file system: inodes by number, perhaps over a shared base.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Errno;
use crate::base::Str;
use crate::base::time::SimTime;

/// The number of an inode inside its [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ino(pub u32);

/// The root directory of every tree.
pub(crate) const ROOT: Ino = Ino(1);

/// Links followed in one path before it counts as a circle.
const MAX_LINKS: u32 = 40;

/// A character device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// Swallows all, gives nothing.
    Null,
    /// Gives zero bytes.
    Zero,
    /// As zero, but full when written to.
    Full,
    /// Gives random bytes of the container's stream.
    Random,
    /// There is no terminal.
    Tty,
}

/// What an inode is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A regular file.
    File(Vec<u8>),
    /// A program of the image that the simulator knows by name.
    Program(Str),
    /// A directory.
    Dir(BTreeMap<Str, Ino>),
    /// A symbolic link.
    Link(Str),
    /// A named pipe.
    Fifo,
    /// A device.
    Device(Device),
}

/// What is at a path, seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A regular file with its content.
    File(Vec<u8>),
    /// A symbolic link with its target.
    Link(String),
    /// A directory.
    Dir {
        /// Whether nothing is in it.
        empty: bool,
    },
    /// A program, a device, a named pipe.
    Other,
}

/// Who makes an inode, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    /// The time that the file gets.
    pub(crate) at: SimTime,
    /// Its owner.
    pub(crate) uid: u32,
    /// Its group.
    pub(crate) gid: u32,
}

/// One file, directory or other thing.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    pub(crate) kind: Kind,
    /// Permission bits, with set-id and sticky bits.
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Last change of the content.
    pub(crate) mtime: SimTime,
    /// Last change of the inode.
    pub(crate) ctime: SimTime,
    /// Names that lead here.
    pub(crate) links: u32,
}

impl Inode {
    fn new(kind: Kind, mode: u16, by: Stamp) -> Self {
        Self { kind, mode, uid: by.uid, gid: by.gid, mtime: by.at, ctime: by.at, links: 1 }
    }

    /// Its size in bytes, as `stat` reports it.
    pub(crate) fn size(&self) -> u64 {
        match &self.kind {
            Kind::File(bytes) => bytes.len() as u64,
            Kind::Program(_) => 1_131_168,
            Kind::Dir(_) => 4096,
            Kind::Link(to) => to.len() as u64,
            Kind::Fifo | Kind::Device(_) => 0,
        }
    }

    /// Whether it is a directory.
    pub(crate) const fn is_dir(&self) -> bool {
        matches!(self.kind, Kind::Dir(_))
    }
}

/// A file system in memory.
#[derive(Clone, Debug)]
pub struct Tree {
    base: Option<Arc<Tree>>,
    /// What is not in the base or differs from it.
    own: BTreeMap<Ino, Inode>,
    next: u32,
    /// When it began: the time of what is [`WITH_TREE`] in its base.
    born: SimTime,
    /// Bytes of regular files in `own`.
    bytes: u64,
}

/// The time of inodes in a base that are as old as the tree which stands over it: mount points, which containers of
/// a template have alike but for when they were made.
pub(crate) const WITH_TREE: SimTime = SimTime::MAX;

/// A path that cannot be put into a [`Tree`] from outside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write {path}: {cause}")]
pub struct TreeError {
    /// The path within the tree.
    pub path: String,
    /// What is wrong with it.
    pub cause: Errno,
}

impl Tree {
    /// An empty file system: a root directory with this mode.
    pub fn new(mode: u16, at: SimTime) -> Self {
        let root = Inode::new(Kind::Dir(BTreeMap::new()), mode, Stamp { at, uid: 0, gid: 0 });
        Self { base: None, own: BTreeMap::from([(ROOT, root)]), next: 2, born: at, bytes: 0 }
    }

    /// A file system that starts as `base` at that time and shares all that does not change.
    pub(crate) fn over(base: &Arc<Self>, born: SimTime) -> Self {
        let base = Arc::clone(base);
        Self { next: base.next, base: Some(base), own: BTreeMap::new(), born, bytes: 0 }
    }

    /// The time that one of its inodes has.
    pub(crate) fn time(&self, of_inode: SimTime) -> SimTime {
        if of_inode == WITH_TREE { self.born } else { of_inode }
    }

    /// Bytes of regular files that this tree holds beyond its base.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes a file from outside (a ConfigMap key, another container): missing directories are
    /// made, an existing file is replaced in place.
    ///
    /// # Errors
    /// When a part of the path is not a directory, or the path names one.
    pub fn put(
        &mut self,
        path: &str,
        mode: u16,
        content: &[u8],
        at: SimTime,
    ) -> Result<(), TreeError> {
        let by = Stamp { at, uid: 0, gid: 0 };
        self.put_as(path, mode, content, by)
            .map_err(|cause| TreeError { path: path.to_owned(), cause })
    }

    /// As [`Tree::put`], for an owner.
    pub(crate) fn put_as(
        &mut self,
        path: &str,
        mode: u16,
        content: &[u8],
        by: Stamp,
    ) -> Result<(), Errno> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.make_dirs(dir, by)?;
        match self.child(dir, name)? {
            Some(ino) => self.set_content(ino, content.to_vec(), by.at),
            None => self.add(dir, name, Kind::File(content.to_vec()), mode, by).map(drop),
        }
    }

    /// Appends to a file from outside.
    ///
    /// # Errors
    /// As [`Tree::put`].
    pub fn append(&mut self, path: &str, content: &[u8], at: SimTime) -> Result<(), TreeError> {
        let mut all = self.content(path).unwrap_or_default().to_vec();
        all.extend_from_slice(content);
        self.put(path, 0o644, &all, at)
    }

    /// Puts a symbolic link in place from outside, over a file or link of that name.
    ///
    /// # Errors
    /// As [`Tree::put`].
    pub fn put_link(&mut self, path: &str, target: &str, at: SimTime) -> Result<(), TreeError> {
        self.take_away(path, at);
        let by = Stamp { at, uid: 0, gid: 0 };
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let made = self.make_dirs(dir, by);
        let made = made.and_then(|dir| self.add(dir, name, Kind::Link(target.into()), 0o777, by));
        made.map(|_| ()).map_err(|cause| TreeError { path: path.to_owned(), cause })
    }

    /// Removes a file or link from outside; nothing happens when it is not there.
    pub fn take_away(&mut self, path: &str, at: SimTime) {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(dir) = self.find(dir) else { return };
        if matches!(self.child(dir, name), Ok(Some(ino)) if !self.inode(ino).is_dir()) {
            // The name was just seen, so this cannot fail.
            let _gone = self.remove(dir, name, at);
        }
    }

    /// The content of the regular file at a path without links, if there is one.
    pub fn content(&self, path: &str) -> Option<&[u8]> {
        match &self.inode(self.find(path)?).kind {
            Kind::File(bytes) => Some(bytes),
            Kind::Program(_) | Kind::Dir(_) | Kind::Link(_) | Kind::Fifo | Kind::Device(_) => None,
        }
    }

    /// Makes the directories of a path that are missing.
    ///
    /// # Errors
    /// When a part of the path is no directory.
    pub fn put_dir(&mut self, path: &str, at: SimTime) -> Result<(), TreeError> {
        let by = Stamp { at, uid: 0, gid: 0 };
        self.make_dirs(path, by)
            .map(drop)
            .map_err(|cause| TreeError { path: path.to_owned(), cause })
    }

    /// Whether a directory is at a path without links, or something else; `None` where nothing is.
    pub fn is_directory(&self, path: &str) -> Option<bool> {
        self.find(path).map(|ino| self.inode(ino).is_dir())
    }

    /// The path without links that a path leads to; `None` where nothing is there, or where a link leads
    /// out of the tree or round in a circle.
    pub fn real_path(&self, path: &str) -> Option<String> {
        let split = |path: &str| -> Vec<String> {
            let names = path.split('/').filter(|n| !n.is_empty() && *n != ".");
            names.rev().map(str::to_owned).collect()
        };
        let mut todo = split(path);
        let mut real: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == ".." {
                real.pop()?;
                continue;
            }
            let inode = self.inode(self.find(&format!("{}/{name}", real.join("/")))?);
            let Kind::Link(to) = &inode.kind else {
                real.push(name);
                continue;
            };
            links += 1;
            if links > MAX_LINKS || to.starts_with('/') {
                return None;
            }
            todo.extend(split(to));
        }
        Some(real.join("/"))
    }

    /// Everything in it by path, in order.
    pub fn everything(&self) -> Vec<(String, Thing)> {
        let mut out = Vec::new();
        self.walk(ROOT, &mut String::new(), &mut |path, inode| {
            let thing = match &inode.kind {
                Kind::File(bytes) => Thing::File(bytes.clone()),
                Kind::Link(to) => Thing::Link(to.to_string()),
                Kind::Dir(names) => Thing::Dir { empty: names.is_empty() },
                Kind::Program(_) | Kind::Fifo | Kind::Device(_) => Thing::Other,
            };
            out.push((path.to_owned(), thing));
        });
        out
    }

    /// Calls `see` for every inode under `dir`, depth first in the order of names.
    pub(crate) fn walk<'a>(
        &'a self,
        dir: Ino,
        path: &mut String,
        see: &mut impl FnMut(&str, &'a Inode),
    ) {
        let Kind::Dir(names) = &self.inode(dir).kind else { return };
        for (name, &ino) in names {
            let len = path.len();
            path.push('/');
            path.push_str(name);
            see(path, self.inode(ino));
            self.walk(ino, path, see);
            path.truncate(len);
        }
    }

    /// The inode at a path without links.
    pub(crate) fn find(&self, path: &str) -> Option<Ino> {
        let mut at = ROOT;
        for name in path.split('/').filter(|n| !n.is_empty()) {
            at = self.child(at, name).ok()??;
        }
        Some(at)
    }

    /// Makes the directories of a path that are missing and returns the last.
    pub(crate) fn make_dirs(&mut self, path: &str, by: Stamp) -> Result<Ino, Errno> {
        let mut at = ROOT;
        for name in path.split('/').filter(|n| !n.is_empty()) {
            at = match self.child(at, name)? {
                Some(next) => next,
                None => self.add(at, name, Kind::Dir(BTreeMap::new()), 0o755, by)?,
            };
        }
        Ok(at)
    }

    /// The inode with this number, which some directory or open file names.
    pub(crate) fn inode(&self, ino: Ino) -> &Inode {
        self.own
            .get(&ino)
            .or_else(|| self.base.as_ref().map(|b| b.inode(ino)))
            .expect("inode numbers come from directories of this tree")
    }

    /// The same, to be changed: copied up from the base first.
    pub(crate) fn inode_mut(&mut self, ino: Ino) -> &mut Inode {
        if !self.own.contains_key(&ino) {
            let mut copy = self.inode(ino).clone();
            (copy.mtime, copy.ctime) = (self.time(copy.mtime), self.time(copy.ctime));
            self.own.insert(ino, copy);
        }
        self.own.get_mut(&ino).expect("it was just put there")
    }

    /// The entry of a directory.
    pub(crate) fn child(&self, dir: Ino, name: &str) -> Result<Option<Ino>, Errno> {
        match &self.inode(dir).kind {
            Kind::Dir(names) => Ok(names.get(name).copied()),
            Kind::File(_) | Kind::Program(_) | Kind::Link(_) | Kind::Fifo | Kind::Device(_) => {
                Err(Errno::NotDir)
            }
        }
    }

    /// Makes a new inode and enters it into a directory under a name that is free.
    pub(crate) fn add(
        &mut self,
        dir: Ino,
        name: &str,
        kind: Kind,
        mode: u16,
        by: Stamp,
    ) -> Result<Ino, Errno> {
        if name.len() > 255 {
            return Err(Errno::NameTooLong);
        }
        let ino = Ino(self.next);
        self.next += 1;
        if let Kind::File(bytes) = &kind {
            self.bytes += bytes.len() as u64;
        }
        self.own.insert(ino, Inode::new(kind, mode, by));
        self.enter(dir, name, ino, by.at)?;
        Ok(ino)
    }

    /// Enters an existing inode under another name (a hard link, the second half of a rename).
    pub(crate) fn enter(
        &mut self,
        dir: Ino,
        name: &str,
        ino: Ino,
        at: SimTime,
    ) -> Result<(), Errno> {
        let inode = self.inode_mut(dir);
        let Kind::Dir(names) = &mut inode.kind else { return Err(Errno::NotDir) };
        names.insert(name.into(), ino);
        inode.mtime = at;
        inode.ctime = at;
        Ok(())
    }

    /// Takes a name out of a directory and returns what it led to. The inode stays: its owner may
    /// have it open, and it is small or counted.
    pub(crate) fn remove(&mut self, dir: Ino, name: &str, at: SimTime) -> Result<Ino, Errno> {
        let inode = self.inode_mut(dir);
        let Kind::Dir(names) = &mut inode.kind else { return Err(Errno::NotDir) };
        let ino = names.remove(name).ok_or(Errno::NoEnt)?;
        inode.mtime = at;
        inode.ctime = at;
        Ok(ino)
    }

    /// Drops an inode that neither a name nor an open file leads to.
    pub(crate) fn forget(&mut self, ino: Ino) {
        if let Some(Inode { kind: Kind::File(bytes), .. }) = self.own.remove(&ino) {
            self.bytes = self.bytes.saturating_sub(bytes.len() as u64);
        }
    }

    /// Replaces the content of a regular file.
    pub(crate) fn set_content(
        &mut self,
        ino: Ino,
        content: Vec<u8>,
        at: SimTime,
    ) -> Result<(), Errno> {
        self.edit(ino, at, |bytes| *bytes = content)
    }

    /// Changes the content of a regular file and keeps the books.
    pub(crate) fn edit<T>(
        &mut self,
        ino: Ino,
        at: SimTime,
        change: impl FnOnce(&mut Vec<u8>) -> T,
    ) -> Result<T, Errno> {
        let inode = self.inode_mut(ino);
        if let Kind::Program(_) = inode.kind {
            inode.kind = Kind::File(Vec::new());
        }
        let Kind::File(bytes) = &mut inode.kind else { return Err(Errno::IsDir) };
        let before = bytes.len() as u64;
        let out = change(bytes);
        let after = bytes.len() as u64;
        inode.mtime = at;
        inode.ctime = at;
        self.bytes = (self.bytes + after).saturating_sub(before);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_through_links_that_stay_inside() {
        let mut tree = Tree::new(0o755, SimTime::ZERO);
        tree.put("/v1/a/b", 0o644, b"x", SimTime::ZERO).unwrap();
        for (path, to) in [("/now", "v1"), ("/a", "now/a"), ("/loop", "loop"), ("/out", "/etc")] {
            tree.put_link(path, to, SimTime::ZERO).unwrap();
        }
        let check = |path: &str, real: Option<&str>| {
            assert_eq!(tree.real_path(path).as_deref(), real, "{path}");
        };
        check("a/b", Some("v1/a/b"));
        check("/a/../a", Some("v1/a"));
        check("", Some(""));
        check("c", None);
        check("loop", None);
        check("out", None);
        check("../x", None);
    }

    #[test]
    fn a_tree_over_a_base_owns_only_what_changed() {
        let mut image = Tree::new(0o755, SimTime::ZERO);
        image.put("/etc/passwd", 0o644, b"root", SimTime::ZERO).unwrap();
        let image = Arc::new(image);
        let mut tree = Tree::over(&image, SimTime::ZERO);
        assert_eq!(tree.content("/etc/passwd"), Some(&b"root"[..]));
        assert!(tree.own.is_empty());
        tree.put("/etc/passwd", 0o644, b"me", SimTime::ZERO).unwrap();
        assert_eq!(tree.content("/etc/passwd"), Some(&b"me"[..]));
        assert_eq!(image.content("/etc/passwd"), Some(&b"root"[..]));
        tree.take_away("/etc/passwd", SimTime::ZERO);
        assert_eq!(tree.content("/etc/passwd"), None);
        assert!(tree.put("/etc", 0o644, b"", SimTime::ZERO).is_err());
    }
}

//! Advisory locks on whole files (`flock`): they belong to an open file, and go when it is closed.

use super::descriptors::FileId;
use super::{Os, Phase, Sys, Target};
use crate::container::fs::{Errno, NodeId};
use crate::container::process::{Fd, Pid, Wait};

impl Os {
    /// Gives up the lock of an open file, if it holds one, and wakes those who wait for a lock.
    pub(super) fn unlock(&mut self, file: FileId) {
        let mut freed = false;
        self.rare.locks.retain(|_, holders| {
            let before = holders.len();
            holders.retain(|(holder, _)| *holder != file);
            freed |= holders.len() < before;
            !holders.is_empty()
        });
        if !freed {
            return;
        }
        let waits = |phase| matches!(phase, Phase::Blocked(Wait::Lock(_)));
        let waiting: Vec<Pid> =
            self.procs.iter().filter(|(_, p)| waits(p.phase)).map(|(&pid, _)| pid).collect();
        for pid in waiting {
            self.wake(pid);
        }
    }
}

impl Sys<'_, '_> {
    /// Locks the file behind a descriptor; false when another open file's lock stands against it.
    pub(crate) fn lock(&mut self, fd: Fd, exclusive: bool) -> Result<bool, Errno> {
        let (file, node) = self.lockable(fd)?;
        let holders = self.os.rare.locks.entry(node).or_default();
        let free = holders.iter().all(|&(holder, alone)| holder == file || !(alone || exclusive));
        if free {
            holders.retain(|(holder, _)| *holder != file);
            holders.push((file, exclusive));
        }
        Ok(free)
    }

    /// Gives up the lock of a descriptor's open file.
    pub(crate) fn unlock(&mut self, fd: Fd) {
        if let Some(handle) = self.me().fds.get(&fd) {
            let file = handle.file;
            self.os.unlock(file);
        }
    }

    fn lockable(&self, fd: Fd) -> Result<(FileId, NodeId), Errno> {
        let file = self.me().fds.get(&fd).ok_or(Errno::BadFd)?.file;
        match self.os.open.get(&file).map(|o| &o.target) {
            Some(Target::Node(node)) => Ok((file, *node)),
            Some(_) => Err(Errno::Inval),
            None => Err(Errno::BadFd),
        }
    }
}

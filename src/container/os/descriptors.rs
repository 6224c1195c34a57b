//! Open files, pipes and the reading and writing of them.

use std::collections::VecDeque;

use super::{Handle, Os, Output, OutputStream, Phase, Proc, SinkId, Sys, World};
use crate::base::time::SimTime;
use crate::container::fs::{Device, Errno, Kind, NodeId};
use crate::container::net::sockets::{Socket, SocketRead};
use crate::container::process::{Fd, Pid, Signal, Wait};

/// Names an open file of the container; descriptors share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId(u32);

/// Names a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PipeId(u32);

/// What is behind an open file.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A node of a file system.
    Node(NodeId),
    /// Fixed bytes: a here-document, a file of /proc, standard input from outside.
    Bytes(Vec<u8>),
    /// The end of a pipe to read from.
    PipeOut(PipeId),
    /// The end of a pipe to write to.
    PipeIn(PipeId),
    /// The container's output.
    Sink(SinkId, OutputStream),
    /// A connection.
    Socket(u32),
}

/// How a file was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
}

/// How to open a file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpenMode {
    pub(crate) access: Access,
    pub(crate) create: bool,
    pub(crate) truncate: bool,
    /// Fail when the file is there (`set -C`).
    pub(crate) exclusive: bool,
    pub(crate) mode: u16,
}

impl OpenMode {
    /// To read.
    pub(crate) const READ: Self = Self {
        access: Access { read: true, write: false, append: false },
        create: false,
        truncate: false,
        exclusive: false,
        mode: 0o666,
    };
    /// To write anew.
    pub(crate) const WRITE: Self = Self {
        access: Access { read: false, write: true, append: false },
        create: true,
        truncate: true,
        exclusive: false,
        mode: 0o666,
    };
    /// To write at the end.
    pub(crate) const APPEND: Self = Self {
        access: Access { read: false, write: true, append: true },
        create: true,
        truncate: false,
        exclusive: false,
        mode: 0o666,
    };
    /// To read and write in place.
    pub(crate) const UPDATE: Self = Self {
        access: Access { read: true, write: true, append: false },
        create: true,
        truncate: false,
        exclusive: false,
        mode: 0o666,
    };
}

#[derive(Clone, Debug)]
pub(super) struct OpenFile {
    pub(super) target: Target,
    pub(super) access: Access,
    pub(super) offset: usize,
    pub(super) uses: u32,
}

/// Bytes on their way from writers to readers.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipe {
    bytes: VecDeque<u8>,
    readers: u32,
    writers: u32,
    /// A named pipe had a reader or writer yet; before that its ends wait instead of failing.
    had_reader: bool,
    had_writer: bool,
}

impl Pipe {
    pub(super) const fn add_reader(&mut self) {
        self.readers += 1;
        self.had_reader = true;
    }

    pub(super) const fn add_writer(&mut self) {
        self.writers += 1;
        self.had_writer = true;
    }
}

/// What a pipe holds.
const PIPE_BYTES: usize = 65_536;

/// The result of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Some bytes.
    Data(Vec<u8>),
    /// The end.
    End,
    /// Nothing yet; at this time at the latest, where it is known, look again.
    Later(Option<SimTime>),
}

impl Os {
    /// Enters an open file into the table; it has one use.
    pub(super) fn open_target(&mut self, target: Target, access: Access) -> FileId {
        let id = FileId(self.next_id());
        match target {
            Target::PipeOut(p) => {
                if let Some(pipe) = self.rare.pipes.get_mut(&p) {
                    pipe.readers += 1;
                    pipe.had_reader = true;
                }
                self.wake_pipe(p);
            }
            Target::PipeIn(p) => {
                if let Some(pipe) = self.rare.pipes.get_mut(&p) {
                    pipe.writers += 1;
                    pipe.had_writer = true;
                }
                self.wake_pipe(p);
            }
            Target::Node(_) | Target::Bytes(_) | Target::Sink(..) | Target::Socket(_) => {}
        }
        self.open.insert(id, OpenFile { target, access, offset: 0, uses: 1 });
        id
    }

    /// A new pipe without ends.
    pub(super) fn new_pipe(&mut self) -> PipeId {
        let id = PipeId(self.next_id());
        self.rare.pipes.insert(id, Pipe::default());
        id
    }

    pub(super) fn retain(&mut self, file: FileId) {
        if let Some(open) = self.open.get_mut(&file) {
            open.uses += 1;
        }
    }

    /// One use of an open file less; the last one closes it.
    pub(super) fn release(&mut self, file: FileId) {
        let Some(open) = self.open.get_mut(&file) else { return };
        open.uses -= 1;
        if open.uses > 0 {
            return;
        }
        let open = self.open.remove(&file).expect("it was just found");
        if !self.rare.locks.is_empty() {
            self.unlock(file);
        }
        match open.target {
            Target::PipeOut(p) => {
                if let Some(pipe) = self.rare.pipes.get_mut(&p) {
                    pipe.readers -= 1;
                }
                self.pipe_end_closed(p);
            }
            Target::PipeIn(p) => {
                if let Some(pipe) = self.rare.pipes.get_mut(&p) {
                    pipe.writers -= 1;
                }
                self.pipe_end_closed(p);
            }
            Target::Socket(s) => match self.rare.sockets.remove(&s) {
                Some(Socket::Local { from, to }) => {
                    self.release_socket_end(from, true);
                    self.release_socket_end(to, false);
                }
                Some(Socket::Listening { port }) => self.stop_listening(port),
                Some(Socket::Remote(_)) | None => {}
            },
            Target::Node(_) | Target::Bytes(_) | Target::Sink(..) => {}
        }
    }

    /// Connections that nobody accepted end.
    fn stop_listening(&mut self, port: u16) {
        let waiting = self.rare.listeners.remove(&port).map(|l| l.queue).unwrap_or_default();
        for (from, to) in waiting {
            for p in [from, to] {
                if let Some(pipe) = self.rare.pipes.get_mut(&p) {
                    pipe.had_reader = true;
                    pipe.had_writer = true;
                }
                self.wake_pipe(p);
            }
        }
    }

    /// The writing end of a local connection says that it is done.
    pub(super) fn shut_pipe(&mut self, p: PipeId) {
        if let Some(pipe) = self.rare.pipes.get_mut(&p) {
            pipe.writers = 0;
            pipe.had_writer = true;
        }
        self.wake_pipe(p);
    }

    /// Wakes those who wait for connections.
    pub(super) fn wake_listeners(&mut self) {
        let waiting: Vec<Pid> = self
            .procs
            .iter()
            .filter(|(_, p)| {
                matches!(p.phase, Phase::Blocked(Wait::Readable(..) | Wait::Either(..)))
            })
            .map(|(&pid, _)| pid)
            .collect();
        for pid in waiting {
            self.wake(pid);
        }
    }

    fn release_socket_end(&mut self, p: PipeId, reader: bool) {
        if let Some(pipe) = self.rare.pipes.get_mut(&p) {
            if reader {
                pipe.readers -= 1;
            } else {
                pipe.writers = pipe.writers.saturating_sub(1);
            }
        }
        self.pipe_end_closed(p);
    }

    fn pipe_end_closed(&mut self, p: PipeId) {
        self.wake_pipe(p);
        if let Some(pipe) = self.rare.pipes.get(&p)
            && pipe.readers == 0
            && pipe.writers == 0
            && !self.rare.listeners.values().any(|l| l.queue.iter().any(|c| c.0 == p || c.1 == p))
        {
            self.rare.pipes.remove(&p);
            self.rare.fifos.retain(|_, id| *id != p);
        }
    }

    /// Wakes those who wait at a pipe.
    fn wake_pipe(&mut self, p: PipeId) {
        let mut woken: Vec<Pid> = Vec::new();
        for (&pid, proc) in self.procs.iter() {
            let waits = match proc.phase {
                Phase::Blocked(Wait::Readable(fd, _) | Wait::Writable(fd)) => {
                    self.waits_at(proc, fd, p)
                }
                Phase::Blocked(Wait::Either(a, b, _)) => {
                    self.waits_at(proc, a, p) || self.waits_at(proc, b, p)
                }
                Phase::Blocked(Wait::Fifo) => true,
                Phase::Blocked(
                    Wait::Until(_)
                    | Wait::Child(_)
                    | Wait::Network(_)
                    | Wait::Lock(_)
                    | Wait::Forever
                    | Wait::Spinning,
                )
                | Phase::Ready
                | Phase::Zombie(_) => false,
            };
            if waits {
                woken.push(pid);
            }
        }
        for pid in woken {
            self.wake(pid);
        }
    }

    fn waits_at(&self, proc: &Proc, fd: Fd, p: PipeId) -> bool {
        proc.fds.get(&fd).is_none_or(|h| self.file_uses_pipe(h.file, p))
            || proc.unsent.backlog.front().is_some_and(|(f, _)| self.file_uses_pipe(*f, p))
    }

    fn file_uses_pipe(&self, file: FileId, p: PipeId) -> bool {
        match self.open.get(&file).map(|o| &o.target) {
            Some(Target::PipeIn(q) | Target::PipeOut(q)) => *q == p,
            Some(Target::Socket(s)) => match self.rare.sockets.get(s) {
                Some(Socket::Local { from, to }) => *from == p || *to == p,
                Some(Socket::Remote(_) | Socket::Listening { .. }) | None => true,
            },
            Some(Target::Node(_) | Target::Bytes(_) | Target::Sink(..)) | None => false,
        }
    }

    /// Writes as much as goes; returns how much, or why not.
    fn write_file(
        &mut self,
        file: FileId,
        bytes: &[u8],
        world: &mut World<'_>,
    ) -> Result<usize, Errno> {
        let open = self.open.get_mut(&file).ok_or(Errno::BadFd)?;
        if !open.access.write {
            return Err(Errno::BadFd);
        }
        match &mut open.target {
            Target::Bytes(_) | Target::PipeOut(_) => Err(Errno::BadFd),
            Target::Sink(sink, stream) => {
                let (sink, stream) = (*sink, *stream);
                self.put_output(sink, stream, bytes, world.now)
            }
            Target::PipeIn(p) => {
                let p = *p;
                self.write_pipe(p, bytes)
            }
            Target::Socket(s) => {
                let s = *s;
                self.write_socket(s, bytes, world)
            }
            Target::Node(node) => {
                let (node, offset, append) = (*node, open.offset, open.access.append);
                let end = self.write_node(node, offset, append, bytes, world)?;
                if let Some(open) = self.open.get_mut(&file) {
                    open.offset = end;
                }
                Ok(bytes.len())
            }
        }
    }

    fn put_output(
        &mut self,
        sink: SinkId,
        stream: OutputStream,
        bytes: &[u8],
        at: SimTime,
    ) -> Result<usize, Errno> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.output_len + bytes.len() > self.limits.output_bytes {
            if self.output_len < self.limits.output_bytes {
                self.rare.complaints.push(format!(
                    "the container wrote more than {} bytes of output at once (output_bytes); the rest is not kept",
                    self.limits.output_bytes
                ));
                self.output_len = self.limits.output_bytes;
            }
            return Ok(bytes.len());
        }
        self.output_len += bytes.len();
        let out = self.outputs.get_or_insert_with(sink, Vec::new);
        match out.last_mut() {
            Some(last) if last.at == at && last.stream == stream => {
                last.bytes.extend_from_slice(bytes)
            }
            _ => out.push(Output { at, stream, bytes: bytes.to_vec() }),
        }
        Ok(bytes.len())
    }

    fn write_pipe(&mut self, p: PipeId, bytes: &[u8]) -> Result<usize, Errno> {
        let pipe = self.rare.pipes.get_mut(&p).ok_or(Errno::Pipe)?;
        if pipe.readers == 0 && pipe.had_reader {
            return Err(Errno::Pipe);
        }
        let room = PIPE_BYTES.saturating_sub(pipe.bytes.len());
        let n = room.min(bytes.len());
        pipe.bytes.extend(&bytes[..n]);
        if n > 0 {
            self.wake_pipe(p);
        }
        Ok(n)
    }

    fn write_socket(
        &mut self,
        s: u32,
        bytes: &[u8],
        world: &mut World<'_>,
    ) -> Result<usize, Errno> {
        let rare = &mut *self.rare;
        match rare.sockets.get_mut(&s) {
            Some(Socket::Local { to, .. }) => {
                let to = *to;
                self.write_pipe(to, bytes)
            }
            Some(Socket::Remote(remote)) => {
                remote.send(bytes, world.now, &mut rare.requests);
                Ok(bytes.len())
            }
            Some(Socket::Listening { .. }) | None => Err(Errno::Pipe),
        }
    }

    fn write_node(
        &mut self,
        node: NodeId,
        offset: usize,
        append: bool,
        bytes: &[u8],
        world: &mut World<'_>,
    ) -> Result<usize, Errno> {
        match self.files.inode(world.volumes, node)?.kind {
            Kind::Device(Device::Full) if !bytes.is_empty() => return Err(Errno::NoSpace),
            Kind::Device(Device::Tty) => return Err(Errno::NoDevice),
            Kind::Device(_) => return Ok(offset),
            Kind::File(_) => {}
            Kind::Program(_) | Kind::Dir(_) | Kind::Link(_) | Kind::Fifo => {
                return Err(Errno::Inval);
            }
        }
        let limit = self.limits.file_bytes;
        let tree = self.files.tree_mut(world.volumes, node)?;
        if tree.bytes() + bytes.len() as u64 > limit {
            let text = format!(
                "files of the container hold {limit} bytes (file_bytes); the write failed as on a full disk"
            );
            if self.rare.complaints.last() != Some(&text) {
                self.rare.complaints.push(text);
            }
            return Err(Errno::NoSpace);
        }
        tree.edit(node.ino, world.now, |content| {
            let at = if append { content.len() } else { offset };
            if content.len() < at {
                content.resize(at, 0);
            }
            let end = at + bytes.len();
            let over = content.len().min(end) - at;
            content[at..at + over].copy_from_slice(&bytes[..over]);
            content.extend_from_slice(&bytes[over..]);
            end
        })
    }

    /// Gives a process' waiting output to its pipes; false when some is left or it died of it.
    pub(super) fn drain_backlog(&mut self, pid: Pid, world: &mut World<'_>) -> bool {
        loop {
            let Some(proc) = self.procs.get_mut(&pid) else { return false };
            let waiting = proc.unsent.there().and_then(|unsent| unsent.backlog.pop_front());
            let Some((file, bytes)) = waiting else { return true };
            match self.write_file(file, &bytes, world) {
                Ok(n) if n == bytes.len() => self.release(file),
                Ok(n) => {
                    let Some(proc) = self.procs.get_mut(&pid) else { return false };
                    proc.unsent.backlog.push_front((file, bytes[n..].to_vec()));
                    let fd = proc.fds.iter().find(|(_, h)| h.file == file).map_or(1, |(&fd, _)| fd);
                    proc.phase = Phase::Ready;
                    self.block(pid, Wait::Writable(fd));
                    return false;
                }
                Err(Errno::Pipe) => {
                    self.release(file);
                    self.signal(pid, Signal::PIPE, false, world);
                    if !self.procs.get(&pid).is_some_and(|p| matches!(p.phase, Phase::Ready)) {
                        return false;
                    }
                }
                Err(_) => self.release(file),
            }
        }
    }

    fn read_file(
        &mut self,
        file: FileId,
        max: usize,
        world: &mut World<'_>,
    ) -> Result<Read, Errno> {
        let open = self.open.get_mut(&file).ok_or(Errno::BadFd)?;
        if !open.access.read {
            return Err(Errno::BadFd);
        }
        match &open.target {
            Target::Sink(..) => Ok(Read::End),
            Target::PipeIn(_) => Err(Errno::BadFd),
            Target::Bytes(bytes) => {
                let from = open.offset.min(bytes.len());
                let data = bytes[from..bytes.len().min(from + max)].to_vec();
                open.offset = from + data.len();
                Ok(if data.is_empty() { Read::End } else { Read::Data(data) })
            }
            Target::PipeOut(p) => {
                let p = *p;
                Ok(self.read_pipe(p, max))
            }
            Target::Socket(s) => {
                let s = *s;
                Ok(self.read_socket(s, max, world.now))
            }
            Target::Node(node) => {
                let (node, offset) = (*node, open.offset);
                let data = self.read_node(node, offset, max, world)?;
                if let Some(open) = self.open.get_mut(&file) {
                    open.offset += data.len();
                }
                Ok(if data.is_empty() { Read::End } else { Read::Data(data) })
            }
        }
    }

    fn read_pipe(&mut self, p: PipeId, max: usize) -> Read {
        let Some(pipe) = self.rare.pipes.get_mut(&p) else { return Read::End };
        if pipe.bytes.is_empty() {
            return if pipe.writers == 0 && pipe.had_writer {
                Read::End
            } else {
                Read::Later(None)
            };
        }
        let n = max.min(pipe.bytes.len());
        let data: Vec<u8> = pipe.bytes.drain(..n).collect();
        self.wake_pipe(p);
        Read::Data(data)
    }

    fn read_socket(&mut self, s: u32, max: usize, now: SimTime) -> Read {
        match self.rare.sockets.get_mut(&s) {
            Some(Socket::Local { from, .. }) => {
                let from = *from;
                self.read_pipe(from, max)
            }
            Some(Socket::Remote(remote)) => match remote.receive(max, now) {
                SocketRead::Data(bytes) => Read::Data(bytes),
                SocketRead::End => Read::End,
                SocketRead::Later(at) => Read::Later(at),
            },
            Some(Socket::Listening { .. }) => Read::Later(None),
            None => Read::End,
        }
    }

    fn read_node(
        &mut self,
        node: NodeId,
        offset: usize,
        max: usize,
        world: &mut World<'_>,
    ) -> Result<Vec<u8>, Errno> {
        match &self.files.inode(world.volumes, node)?.kind {
            Kind::File(bytes) => {
                let from = offset.min(bytes.len());
                Ok(bytes[from..bytes.len().min(from.saturating_add(max))].to_vec())
            }
            Kind::Program(name) => {
                // Not the real machine code, but a stable stand-in of the right beginning.
                let text = format!("\x7fELF {name}");
                let from = offset.min(text.len());
                Ok(text.as_bytes()[from..].to_vec())
            }
            Kind::Dir(_) => Err(Errno::IsDir),
            Kind::Device(Device::Zero | Device::Full) => Ok(vec![0; max.min(PIPE_BYTES)]),
            Kind::Device(Device::Random) => {
                let n = max.min(PIPE_BYTES);
                let mut out = Vec::with_capacity(n + 8);
                while out.len() < n {
                    out.extend_from_slice(&self.random.stream().word().to_le_bytes());
                }
                out.truncate(n);
                Ok(out)
            }
            Kind::Device(Device::Tty) => Err(Errno::NoDevice),
            Kind::Device(Device::Null) | Kind::Link(_) | Kind::Fifo => Ok(Vec::new()),
        }
    }
}

impl Sys<'_, '_> {
    /// Writes all of `bytes`. What a full pipe does not take is kept as backlog; the process must
    /// then return [`Step::Block`](crate::container::process::Step) soon and goes on when it is gone.
    pub(crate) fn write(&mut self, fd: Fd, bytes: &[u8]) -> Result<(), Errno> {
        let file = self.me().fds.get(&fd).ok_or(Errno::BadFd)?.file;
        // A process that is to die says nothing more.
        if bytes.is_empty() || self.me().doomed.is_some() {
            return Ok(());
        }
        self.work(bytes.len() / 64);
        if !self.me().unsent.backlog.is_empty() {
            self.os.retain(file);
            self.me_mut().unsent.backlog.push_back((file, bytes.to_vec()));
            return Ok(());
        }
        match self.os.write_file(file, bytes, self.world) {
            Ok(n) if n < bytes.len() => {
                self.os.retain(file);
                self.me_mut().unsent.backlog.push_back((file, bytes[n..].to_vec()));
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(Errno::Pipe) => {
                self.os.signal(self.pid, Signal::PIPE, false, self.world);
                Err(Errno::Pipe)
            }
            Err(e) => Err(e),
        }
    }

    /// Reads up to `max` bytes.
    pub(crate) fn read(&mut self, fd: Fd, max: usize) -> Result<Read, Errno> {
        let file = self.me().fds.get(&fd).ok_or(Errno::BadFd)?.file;
        self.work(1);
        let read = self.os.read_file(file, max, self.world)?;
        if let Read::Data(d) = &read {
            self.work(d.len() / 64);
        }
        Ok(read)
    }

    /// Whether a read of a descriptor would not wait: something is there, or the end is.
    pub(crate) fn has_input(&self, fd: Fd) -> bool {
        match self.target(fd) {
            Some(Target::PipeOut(p)) => {
                self.os.rare.pipes.get(p).is_none_or(|p| !p.bytes.is_empty() || p.writers == 0)
            }
            Some(Target::Node(_) | Target::Bytes(_)) => true,
            Some(Target::PipeIn(_) | Target::Sink(..) | Target::Socket(_)) | None => false,
        }
    }

    /// What standard input or another descriptor will give as far as it is decided: fixed bytes, or a pipe that
    /// nobody writes to any more. Nothing is taken.
    pub(crate) fn peek(&self, fd: Fd) -> Vec<u8> {
        let file = self.me().fds.get(&fd).and_then(|h| self.os.open.get(&h.file));
        match file.map(|open| (&open.target, open.offset)) {
            Some((Target::Bytes(bytes), at)) => bytes.get(at..).unwrap_or_default().to_vec(),
            Some((Target::PipeOut(p), _)) => match self.os.rare.pipes.get(p) {
                Some(pipe) => pipe.bytes.iter().copied().collect(),
                None => Vec::new(),
            },
            Some((Target::Node(node), at)) => {
                match self.os.files.inode(self.world.volumes, *node).map(|i| &i.kind) {
                    Ok(Kind::File(bytes)) => bytes.get(at..).unwrap_or_default().to_vec(),
                    Ok(_) | Err(_) => Vec::new(),
                }
            }
            Some((Target::PipeIn(_) | Target::Sink(..) | Target::Socket(_), _)) | None => {
                Vec::new()
            }
        }
    }

    /// Sets the offset of a seekable file; from its end when `from_end`.
    pub(crate) fn seek(&mut self, fd: Fd, offset: usize, from_end: bool) -> Result<usize, Errno> {
        let file = self.me().fds.get(&fd).ok_or(Errno::BadFd)?.file;
        let len = match &self.os.open.get(&file).ok_or(Errno::BadFd)?.target {
            Target::Node(node) => {
                usize::try_from(self.os.files.inode(self.world.volumes, *node)?.size())
                    .unwrap_or(usize::MAX)
            }
            Target::Bytes(b) => b.len(),
            Target::PipeOut(_) | Target::PipeIn(_) | Target::Sink(..) | Target::Socket(_) => {
                return Err(Errno::IllegalSeek);
            }
        };
        let at = if from_end { len.saturating_sub(offset) } else { offset };
        if let Some(open) = self.os.open.get_mut(&file) {
            open.offset = at;
        }
        Ok(at)
    }

    /// Gives the last `n` bytes that were read back to a seekable file, for others who read it on; a
    /// pipe has lost them.
    pub(crate) fn unread(&mut self, fd: Fd, n: usize) {
        let Some(file) = self.me().fds.get(&fd).map(|h| h.file) else { return };
        if let Some(open) = self.os.open.get_mut(&file)
            && matches!(open.target, Target::Node(_) | Target::Bytes(_))
        {
            open.offset = open.offset.saturating_sub(n);
        }
    }

    /// What a descriptor is connected to.
    pub(crate) fn target(&self, fd: Fd) -> Option<&Target> {
        let file = self.me().fds.get(&fd)?.file;
        self.os.open.get(&file).map(|o| &o.target)
    }

    /// Whether a descriptor is open.
    pub(crate) fn is_open(&self, fd: Fd) -> bool {
        self.me().fds.contains_key(&fd)
    }

    /// Enters a target under the lowest free descriptor not below `least`.
    pub(crate) fn install(&mut self, target: Target, access: Access, least: Fd) -> Fd {
        let file = self.os.open_target(target, access);
        let fd = self.free_fd(least);
        self.me_mut().fds.insert(fd, Handle { file, close_on_exec: false });
        fd
    }

    fn free_fd(&self, least: Fd) -> Fd {
        let fds = &self.me().fds;
        (least..).find(|fd| !fds.contains_key(fd)).expect("descriptors are fewer than numbers")
    }

    /// A pipe: the descriptor to read from and the one to write to.
    pub(crate) fn pipe(&mut self) -> (Fd, Fd) {
        let p = self.os.new_pipe();
        let out = self.install(Target::PipeOut(p), Access { read: true, ..Access::default() }, 3);
        let into = self.install(Target::PipeIn(p), Access { write: true, ..Access::default() }, 3);
        (out, into)
    }

    /// Makes `to` the same open file as `from`.
    pub(crate) fn dup2(&mut self, from: Fd, to: Fd) -> Result<(), Errno> {
        let handle = *self.me().fds.get(&from).ok_or(Errno::BadFd)?;
        if from == to {
            return Ok(());
        }
        self.os.retain(handle.file);
        let old = self.me_mut().fds.insert(to, Handle { file: handle.file, close_on_exec: false });
        if let Some(old) = old {
            self.os.release(old.file);
        }
        Ok(())
    }

    /// Duplicates a descriptor to a free one not below `least`, which exec closes if asked.
    pub(crate) fn dup_above(
        &mut self,
        from: Fd,
        least: Fd,
        close_on_exec: bool,
    ) -> Result<Fd, Errno> {
        let handle = *self.me().fds.get(&from).ok_or(Errno::BadFd)?;
        self.os.retain(handle.file);
        let fd = self.free_fd(least);
        self.me_mut().fds.insert(fd, Handle { file: handle.file, close_on_exec });
        Ok(fd)
    }

    /// Closes a descriptor; nothing happens when it is not open.
    pub(crate) fn close(&mut self, fd: Fd) {
        if let Some(handle) = self.me_mut().fds.remove(&fd) {
            self.os.release(handle.file);
        }
    }

    /// Whether the other end of a named pipe is there; true for everything else.
    pub(crate) fn fifo_connected(&self, fd: Fd) -> bool {
        match self.target(fd) {
            Some(Target::PipeIn(p)) => self.os.rare.pipes.get(p).is_some_and(|p| p.had_reader),
            Some(Target::PipeOut(p)) => self.os.rare.pipes.get(p).is_some_and(|p| p.had_writer),
            Some(Target::Node(_) | Target::Bytes(_) | Target::Sink(..) | Target::Socket(_))
            | None => true,
        }
    }

    /// The end of the named pipe at `node`.
    pub(super) fn open_fifo(&mut self, node: NodeId, access: Access, least: Fd) -> Fd {
        let p = match self.os.rare.fifos.get(&node) {
            Some(&p) => p,
            None => {
                let p = self.os.new_pipe();
                self.os.rare.fifos.insert(node, p);
                p
            }
        };
        let target =
            if access.write && !access.read { Target::PipeIn(p) } else { Target::PipeOut(p) };
        if access.write
            && access.read
            && let Some(pipe) = self.os.rare.pipes.get_mut(&p)
        {
            pipe.had_writer = true;
            pipe.writers += 1;
        }
        self.install(target, access, least)
    }

    /// Buffers standard output as stdio does: it is written at 4 KiB and at [`Sys::flush`].
    pub(crate) fn out(&mut self, bytes: &[u8]) {
        self.work(bytes.len() / 64);
        let me = self.me_mut();
        me.unsent.stdio.extend_from_slice(bytes);
        if me.unsent.stdio.len() >= 4096 {
            self.flush();
        }
    }

    /// Writes buffered standard output.
    pub(crate) fn flush(&mut self) {
        let Some(unsent) = self.me_mut().unsent.there() else { return };
        let bytes = std::mem::take(&mut unsent.stdio);
        // A closed pipe raises its signal; other failures of output are the tool's own business.
        let _written = self.write(1, &bytes);
    }

    /// Writes a line to standard error at once.
    pub(crate) fn err(&mut self, text: &str) {
        // Nobody hears of a failure to complain.
        let _written = self.write(2, &crate::container::text::encode(text));
    }
}

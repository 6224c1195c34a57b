//! The files of a container: an in-memory tree per file system, and a view that mounts several.
//!
//! * A [`Tree`] is one file system: inodes by number over an optional shared base (the image), copied
//!   up on the first change. An untouched container therefore owns no inode at all.
//! * [`Volumes`] are trees that belong to the pod or the cluster; containers know them by
//!   [`VolumeId`] and see them where they are mounted, whole or from a sub-path, perhaps read-only.
//! * [`Files`] (in `view`) resolves paths across mounts and symbolic links and does what the system
//!   calls do, with the errors that Linux gives.
//!
//! Modelled: directories, regular files, symbolic and hard links, named pipes, devices, modes, owners,
//! times of the virtual clock, permission checks for plain users. Left out: access times, sparse files,
//! extended attributes, quotas beyond the one bound of [`super::Limits`].

mod tree;
mod view;

use std::fmt;

pub(crate) use tree::{Device, Inode, Kind, Stamp, WITH_TREE};
pub use tree::{Ino, Thing, Tree, TreeError};
pub(crate) use view::{Files, NodeId, Stat, Who, is_normal, join, normalise};
pub use view::{Mount, Unmade, VolumeId, Volumes};

/// What a system call on files or descriptors can fail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// No such file or directory.
    NoEnt,
    /// Not a directory.
    NotDir,
    /// Is a directory.
    IsDir,
    /// File exists.
    Exists,
    /// Permission denied.
    Access,
    /// Operation not permitted.
    Perm,
    /// Read-only file system.
    ReadOnly,
    /// Directory not empty.
    NotEmpty,
    /// Too many levels of symbolic links.
    Loop,
    /// Invalid argument.
    Inval,
    /// Bad file descriptor.
    BadFd,
    /// Broken pipe.
    Pipe,
    /// No space left on device.
    NoSpace,
    /// Invalid cross-device link.
    CrossDevice,
    /// No such process.
    NoProcess,
    /// Device or resource busy.
    Busy,
    /// No such device or address.
    NoDevice,
    /// Exec format error.
    NoExec,
    /// Resource temporarily unavailable.
    Again,
    /// Connection refused.
    Refused,
    /// Connection timed out.
    TimedOut,
    /// File name too long.
    NameTooLong,
    /// Illegal seek.
    IllegalSeek,
    /// Address already in use.
    AddrInUse,
    /// File too large: more than this container may write.
    TooBig,
}

impl Errno {
    /// The C library's text for it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoEnt => "No such file or directory",
            Self::NotDir => "Not a directory",
            Self::IsDir => "Is a directory",
            Self::Exists => "File exists",
            Self::Access => "Permission denied",
            Self::Perm => "Operation not permitted",
            Self::ReadOnly => "Read-only file system",
            Self::NotEmpty => "Directory not empty",
            Self::Loop => "Too many levels of symbolic links",
            Self::Inval => "Invalid argument",
            Self::BadFd => "Bad file descriptor",
            Self::Pipe => "Broken pipe",
            Self::NoSpace => "No space left on device",
            Self::CrossDevice => "Invalid cross-device link",
            Self::NoProcess => "No such process",
            Self::Busy => "Device or resource busy",
            Self::NoDevice => "No such device or address",
            Self::NoExec => "Exec format error",
            Self::Again => "Resource temporarily unavailable",
            Self::Refused => "Connection refused",
            Self::TimedOut => "Connection timed out",
            Self::NameTooLong => "File name too long",
            Self::IllegalSeek => "Illegal seek",
            Self::AddrInUse => "Address already in use",
            Self::TooBig => "File too large",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

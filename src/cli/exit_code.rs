//! The exit codes. They are an interface: scripts rely on them.

/// All is well.
pub const OK: u8 = 0;
/// The run ended, but not as it should: something is stuck or failed, or a check does not agree.
pub const FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// The input cannot be loaded: a file, its syntax, or what it asks for.
pub const BAD_INPUT: u8 = 3;
/// A file could not be written, or another failure of the machine.
pub const IO: u8 = 4;
/// The run was ended by a bound that was set: --max-events or --max-memory.
pub const BOUND: u8 = 5;
/// A checkpoint cannot be gone on from: the same run comes to another state in this program.
pub const CHANGED: u8 = 6;
/// Somebody pressed Ctrl-C: 128 + SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;

//! How much input is accepted, so that no file can exhaust the memory or the stack.
//!
//! Every bound is far above what a real repository holds, is checked before the cost is paid, and is
//! named by the error that reports it.

/// The bounds of one load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of one file (or of the standard input).
    pub file_bytes: u64,
    /// Bytes of all files together.
    pub total_bytes: u64,
    /// Files of one load, and entries looked at while folders are searched, times ten.
    pub files: usize,
    /// Documents of one load, items of lists included.
    pub documents: usize,
    /// How deep mappings and lists may nest. Must stay below 1000: values are walked by recursion.
    pub depth: usize,
    /// Values in one document after its aliases are expanded.
    pub nodes: usize,
    /// Problems reported of one load; further ones are counted.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            total_bytes: 256 << 20,
            files: 10_000,
            documents: 200_000,
            depth: 200,
            nodes: 4_000_000,
            problems: 200,
        }
    }
}

//! Every bound of a container, in one place, and what happens at it.

/// The bounds of one container. Reaching one is an error of the script that names the bound; nothing
/// is silently cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one script that the shell parses.
    pub script_bytes: usize,
    /// Nesting of commands, functions, substitutions and expressions.
    pub depth: usize,
    /// Processes at once.
    pub processes: usize,
    /// Steps that the processes of a container take together without virtual time passing. A real
    /// processor would stay busy for as long as the loop lasts; here the process is set aside as
    /// `spinning` (only a signal or the end of the container moves it), and the reason is reported.
    pub steps_per_instant: u64,
    /// Bytes that a container writes to its output and error between two collections by its owner.
    pub output_bytes: usize,
    /// Bytes in files of the container beyond its image.
    pub file_bytes: u64,
    /// Bytes of one string or buffer of a program (a variable, a pipe's backlog, a sort).
    pub memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            script_bytes: 1 << 20,
            depth: 250,
            processes: 512,
            steps_per_instant: 2_000_000,
            output_bytes: 16 << 20,
            file_bytes: 64 << 20,
            memory_bytes: 64 << 20,
        }
    }
}

//! What ends a run before its time, from outside: Ctrl-C, and a bound on the memory of the process.
//!
//! Whatever ended it, what is known by then is told as after any other run. Neither is part of the run
//! itself: where they end it depends on the machine. `--max-events` is the bound that repeats.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::interrupt::on_interrupt;
use crate::base::quantity::Quantity;

/// Every so many facts the memory is looked at: a look takes about as long as ten facts.
const LOOK: u32 = 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Stop {
    flag: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
    max_memory: Option<u64>,
    /// What the process had when it was found to have too much.
    had: Option<u64>,
    heard: u32,
}

impl Stop {
    /// Listens from now on.
    pub(super) fn new(max_memory: Option<u64>) -> Self {
        let (flag, interrupted) = (Arc::default(), Arc::default());
        let stop = Self { flag, interrupted, max_memory, had: None, heard: 0 };
        on_interrupt(&stop.interrupted);
        on_interrupt(&stop.flag);
        stop
    }

    /// What is set when the run is to stop.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// To be called with every fact.
    pub(super) fn hear(&mut self) {
        self.heard = self.heard.wrapping_add(1);
        let Some(most) = self.max_memory.filter(|_| self.heard.is_multiple_of(LOOK)) else {
            return;
        };
        let now = memory_stats::memory_stats().map_or(0, |m| m.physical_mem as u64);
        if now > most && self.had.is_none() {
            self.had = Some(now);
            self.flag.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody pressed Ctrl-C.
    pub(super) fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Why the run was stopped, if it was.
    pub(super) fn why(&self) -> Option<String> {
        if self.interrupted() {
            return Some("Ctrl-C was pressed".to_owned());
        }
        let (had, most) = (self.had?, self.max_memory?);
        let mebibytes = |bytes: u64| bytes >> 20;
        Some(format!(
            "it took {} MiB of memory, and --max-memory is {} MiB",
            mebibytes(had),
            mebibytes(most)
        ))
    }
}

/// An amount of memory, such as `512Mi` or `2Gi`, in bytes.
///
/// # Errors
/// What is no quantity, or none above nothing.
pub(super) fn memory(text: &str) -> Result<u64, String> {
    let hint = || format!("`{text}` is no amount of memory, such as 512Mi or 2Gi");
    let bytes = text.parse::<Quantity>().map_err(|_| hint())?.value();
    u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).ok_or_else(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_quantities_above_nothing() {
        assert_eq!(memory("512Mi"), Ok(512 << 20));
        assert_eq!(memory("2G"), Ok(2_000_000_000));
        for wrong in ["", "0", "-1Gi", "much"] {
            assert!(memory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_process_with_too_much_memory_is_stopped_and_told_why() {
        let mut stop = Stop {
            flag: Arc::default(),
            interrupted: Arc::default(),
            max_memory: Some(1),
            had: None,
            heard: 0,
        };
        for _ in 0..LOOK - 1 {
            stop.hear();
        }
        assert!(!stop.flag().load(Ordering::Relaxed), "not looked at yet");
        stop.hear();
        assert!(stop.flag().load(Ordering::Relaxed));
        assert!(stop.why().is_some_and(|why| why.contains("--max-memory is 0 MiB")));
    }
}

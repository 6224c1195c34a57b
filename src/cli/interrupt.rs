//! Ctrl-C: one listener for the whole process, which sets the flags of whoever wants to know.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// The flags of those who want to know and are still there.
static FLAGS: OnceLock<Mutex<Vec<Weak<AtomicBool>>>> = OnceLock::new();

/// Has `flag` set whenever somebody presses Ctrl-C, for as long as somebody else holds it too.
pub(super) fn on_interrupt(flag: &Arc<AtomicBool>) {
    let flags = FLAGS.get_or_init(|| {
        // Where there is no listening, Ctrl-C ends the program as it ends any.
        drop(std::thread::Builder::new().name("interrupt".into()).spawn(listen));
        Mutex::default()
    });
    let mut flags = flags.lock().unwrap_or_else(PoisonError::into_inner);
    flags.retain(|flag| flag.strong_count() > 0);
    flags.push(Arc::downgrade(flag));
}

fn listen() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        while tokio::signal::ctrl_c().await.is_ok() {
            pressed();
        }
    });
}

/// Somebody pressed it.
fn pressed() {
    let Some(flags) = FLAGS.get() else { return };
    let flags = flags.lock().unwrap_or_else(PoisonError::into_inner);
    for flag in flags.iter().filter_map(Weak::upgrade) {
        flag.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_is_still_there_hears_of_every_press() {
        let (one, other) = (Arc::default(), Arc::default());
        on_interrupt(&one);
        on_interrupt(&other);
        pressed();
        assert!(one.load(Ordering::Relaxed) && other.load(Ordering::Relaxed));
        one.store(false, Ordering::Relaxed);
        drop(other);
        pressed();
        assert!(one.load(Ordering::Relaxed));
    }
}

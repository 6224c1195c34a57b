//! `sleep`: any number of durations, added up.

use super::{Begun, Call, Waiting, durations};

/// `sleep`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    match durations::total(call.args) {
        Ok(Some(length)) => Begun::Wait(Waiting::Until(call.sys.now().saturating_add(length), 0)),
        Ok(None) => call.usage("[N]...", 1),
        Err(text) => {
            call.err(&format!("invalid number '{text}'"));
            Begun::Exit(1)
        }
    }
}

//! `test`, `[` and `[[` as programs.

use super::{Begun, Call};
use crate::container::shell::{TestWorld, evaluate_test};

/// `test`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let closing = match call.name {
        "[" => Some("]"),
        "[[" => Some("]]"),
        _ => None,
    };
    let mut words = call.args.to_vec();
    if let Some(closing) = closing
        && words.pop().is_none_or(|w| w != closing)
    {
        call.err(&format!("missing {closing}"));
        return Begun::Exit(2);
    }
    let world = TestWorld { sys: call.sys, bash: false, extended: call.name == "[[", vars: None };
    match evaluate_test(&words, world) {
        Ok(holds) => Begun::Exit(u8::from(!holds)),
        Err(text) => {
            call.err(&text);
            Begun::Exit(2)
        }
    }
}

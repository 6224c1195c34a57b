//! `true` and `false`.

use super::{Begun, Call};

/// `true`
pub(super) fn succeeds(_: &mut Call<'_, '_, '_>) -> Begun {
    Begun::Exit(0)
}

/// `false`
pub(super) fn fails(_: &mut Call<'_, '_, '_>) -> Begun {
    Begun::Exit(1)
}

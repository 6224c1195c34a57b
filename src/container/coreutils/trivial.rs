//! `true` and `false`, and `busybox` itself.

use super::{Begun, Call};

/// `true`
pub(super) fn succeeds(_: &mut Call<'_, '_, '_>) -> Begun {
    Begun::Exit(0)
}

/// `false`
pub(super) fn fails(_: &mut Call<'_, '_, '_>) -> Begun {
    Begun::Exit(1)
}

/// `busybox` without an applet that it knows.
pub(super) fn busybox(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut applets: Vec<&str> = super::COREUTILS
        .iter()
        .filter(|tool| tool.applet)
        .map(|tool| tool.name)
        .chain(super::UNMODELLED.iter().copied())
        .chain(["ash", "busybox", "sh"])
        .collect();
    applets.sort_unstable();
    match call.args.first().map(crate::base::Str::as_str) {
        None | Some("--help") => {
            let text = format!(
                "BusyBox v1.36.1 () multi-call binary.\nBusyBox is copyrighted by many authors between 1998-2015.\nLicensed under GPLv2. See source distribution for detailed\ncopyright notices.\n\nUsage: busybox [function [arguments]...]\n   or: busybox --list[-full]\n\nCurrently defined functions:\n\t{}\n\n",
                applets.join(", ")
            );
            call.out(&text);
            Begun::Exit(0)
        }
        Some("--list") => {
            call.out(&format!("{}\n", applets.join("\n")));
            Begun::Exit(0)
        }
        Some("--list-full") => {
            call.out(&format!("bin/{}\n", applets.join("\nbin/")));
            Begun::Exit(0)
        }
        Some(other) => {
            let text = format!("{other}: applet not found\n");
            call.sys.err(&text);
            Begun::Exit(127)
        }
    }
}

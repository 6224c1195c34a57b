//! The options of `set` and `shopt`.

use super::Shell;
use super::dialect::Origin;

/// All options; the first block is `set -o`, the second `shopt`.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent switch of the shell")]
pub(super) struct Options {
    pub(super) allexport: bool,
    pub(super) braces: bool,
    pub(super) errexit: bool,
    pub(super) errtrace: bool,
    pub(super) functrace: bool,
    pub(super) monitor: bool,
    pub(super) noclobber: bool,
    pub(super) noexec: bool,
    pub(super) noglob: bool,
    pub(super) nounset: bool,
    pub(super) pipefail: bool,
    pub(super) posix: bool,
    pub(super) privileged: bool,
    pub(super) verbose: bool,
    pub(super) xtrace: bool,
    pub(super) stdin: bool,
    pub(super) command_string: bool,
    pub(super) interactive: bool,
    pub(super) hashall: bool,

    pub(super) dotglob: bool,
    pub(super) expand_aliases: bool,
    pub(super) extglob: bool,
    pub(super) failglob: bool,
    pub(super) globstar: bool,
    pub(super) inherit_errexit: bool,
    pub(super) lastpipe: bool,
    pub(super) nocasematch: bool,
    pub(super) nullglob: bool,
}

/// An option: its letter if it has one, its long name, and whether ash has it too.
pub(super) struct OptionEntry {
    pub(super) letter: Option<char>,
    pub(super) name: &'static str,
    pub(super) ash: bool,
    pub(super) get: fn(&Options) -> bool,
    pub(super) set: fn(&mut Options, bool),
}

macro_rules! option {
    ($letter:expr, $name:literal, $ash:literal, $field:ident) => {
        OptionEntry {
            letter: $letter,
            name: $name,
            ash: $ash,
            get: |o| o.$field,
            set: |o, on| o.$field = on,
        }
    };
}

/// The options of `set`, in the order of `set -o`.
pub(super) const SET_OPTIONS: &[OptionEntry] = &[
    option!(Some('a'), "allexport", true, allexport),
    option!(Some('B'), "braceexpand", false, braces),
    option!(Some('e'), "errexit", true, errexit),
    option!(Some('E'), "errtrace", false, errtrace),
    option!(Some('T'), "functrace", false, functrace),
    option!(Some('h'), "hashall", false, hashall),
    option!(Some('i'), "interactive", true, interactive),
    option!(Some('m'), "monitor", true, monitor),
    option!(Some('C'), "noclobber", true, noclobber),
    option!(Some('n'), "noexec", true, noexec),
    option!(Some('f'), "noglob", true, noglob),
    option!(Some('u'), "nounset", true, nounset),
    option!(None, "pipefail", true, pipefail),
    option!(None, "posix", false, posix),
    option!(Some('p'), "privileged", false, privileged),
    option!(Some('s'), "stdin", true, stdin),
    option!(Some('v'), "verbose", true, verbose),
    option!(Some('x'), "xtrace", true, xtrace),
];

/// The options of `shopt` that mean something here.
pub(super) const SHOPTS: &[OptionEntry] = &[
    option!(None, "dotglob", false, dotglob),
    option!(None, "expand_aliases", false, expand_aliases),
    option!(None, "extglob", false, extglob),
    option!(None, "failglob", false, failglob),
    option!(None, "globstar", false, globstar),
    option!(None, "inherit_errexit", false, inherit_errexit),
    option!(None, "lastpipe", false, lastpipe),
    option!(None, "nocasematch", false, nocasematch),
    option!(None, "nullglob", false, nullglob),
];

impl Options {
    /// `$-`.
    pub(super) fn letters(&self, shell: &Shell) -> String {
        let bash = shell.dialect.is_bash();
        // bash lists letters in the order of the alphabet, small ones first; ash in that of its table.
        let order = if bash { "abefhikmnptuvxBCEHPT" } else { "efimnsxvCabu" };
        let mut out: String = order
            .chars()
            .filter(|c| {
                SET_OPTIONS
                    .iter()
                    .any(|o| o.letter == Some(*c) && (bash || o.ash) && *c != 's' && (o.get)(self))
            })
            .collect();
        if self.command_string || shell.origin == Origin::CommandString {
            out.push('c');
        }
        if self.stdin {
            out.push('s');
        }
        out
    }
}

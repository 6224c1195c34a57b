//! `sed`
//!
//! [`parse`] reads a script as busybox does (one command may follow another without a separator, and
//! texts run to the end of their line); `run` edits line by line, one line ahead of what it prints, so
//! that it knows the last one. Images with GNU tools also have what busybox lacks: `0,/re/`,
//! `first~step`, `I` behind an address, `Q`, `z`, exit codes, `\U` and its kin, `-s` and `-z`.

mod parse;
mod run;

use std::sync::Arc;

use super::options::Syntax;
use super::{AnyFilter, Begun, Call};
use crate::base::Str;
use crate::container::image::Family;
use crate::container::text::encode;

use super::lines::{bytewise, split_lines};
pub(crate) use run::Sed;

const SYNTAX: Syntax = Syntax {
    short: "i::rEne:f:suz",
    long: &[
        ("expression", 'e'),
        ("file", 'f'),
        ("in-place", 'i'),
        ("null-data", 'z'),
        ("quiet", 'n'),
        ("regexp-extended", 'r'),
        ("separate", 's'),
        ("silent", 'n'),
        ("unbuffered", 'u'),
    ],
    usage: "[-i[SFX]] [-nrE] [-f FILE]... [-e CMD]... [FILE]...\nor: sed [-i[SFX]] [-nrE] CMD [FILE]...",
    status: 1,
};

/// `sed`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let gnu = call.sys.os.image.family != Family::Busybox;
    if call.args.first().is_some_and(|a| a == "--version") {
        call.out("This is not GNU sed version 4.0\n");
        return Begun::Exit(0);
    }
    let mut options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    if let Some((letter, _)) = options.given.iter().find(|(c, _)| !gnu && "suz".contains(*c)) {
        return call.bad_option(*letter, SYNTAX.usage, 1);
    }
    let mut pieces: Vec<Str> = options.values('e').cloned().collect();
    for file in options.values('f') {
        match call.sys.content(if file == "-" { "/dev/stdin" } else { file }) {
            Ok(bytes) => {
                pieces.extend(split_lines(&bytes).iter().map(|l| Str::from(bytewise(l))));
            }
            Err(e) => {
                call.err(&format!("can't open '{file}': {e}"));
                return Begun::Exit(1);
            }
        }
    }
    if !options.has('e') && !options.has('f') {
        if options.operands.is_empty() {
            return call.usage(SYNTAX.usage, 1);
        }
        pieces.push(options.operands.remove(0));
    }
    let pieces: Vec<String> = pieces.iter().map(|p| bytewise(&encode(p))).collect();
    let extended = options.has('r') || options.has('E');
    let script = match parse::script(&pieces, extended, gnu) {
        Ok(script) => script,
        Err(complaint) => {
            call.err(&complaint);
            return Begun::Exit(1);
        }
    };
    let in_place = options.value('i').cloned();
    if in_place.is_some() && options.operands.is_empty() {
        call.err("-i requires an argument");
        return Begun::Exit(1);
    }
    let mut sed = Sed::new(Arc::new(script), options.has('n'), in_place, options.has('s'));
    if options.has('z') {
        sed.ending_with(0);
    }
    match sed.open_files(call.sys) {
        Ok(()) => Begun::filter(AnyFilter::Sed(Box::new(sed)), options.operands),
        Err((file, e)) => {
            call.err(&format!("can't open '{file}': {e}"));
            Begun::Exit(1)
        }
    }
}

//! `tee`

use super::options::Syntax;
use super::{AnyFilter, Begun, Call, Filter, Next};
use crate::container::os::{OpenMode, Sys};
use crate::container::process::{Fd, Signal};

const SYNTAX: Syntax = Syntax {
    short: "ai",
    long: &[("append", 'a'), ("ignore-interrupts", 'i')],
    usage: "[-ai] [FILE]...",
    status: 1,
};

/// `tee` under way.
#[derive(Clone, Debug)]
pub(crate) struct Tee {
    to: Vec<Fd>,
    failed: bool,
}

/// `tee`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    if options.has('i') {
        call.sys.disposition(Signal::INT, false, true);
    }
    let mode = if options.has('a') { OpenMode::APPEND } else { OpenMode::WRITE };
    let mut tee = Tee { to: vec![1], failed: false };
    for file in &options.operands {
        if file == "-" {
            tee.to.push(1);
            continue;
        }
        match call.sys.open(file, mode, 3) {
            Ok(fd) => tee.to.push(fd),
            Err(e) => {
                call.err(&format!("{file}: {e}"));
                tee.failed = true;
            }
        }
    }
    Begun::filter(AnyFilter::Tee(tee), Vec::new())
}

impl Filter for Tee {
    fn data(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) -> Next {
        for &fd in &self.to {
            if let Err(e) = sys.write(fd, bytes) {
                sys.err(&format!("tee: write error: {e}\n"));
                self.failed = true;
            }
        }
        Next::More
    }

    fn finish(&mut self, _: &mut Sys<'_, '_>, failed: bool) -> u8 {
        u8::from(failed || self.failed)
    }
}

//! `cat`

use super::{AnyFilter, Begun, Call, Filter, Next};
use crate::base::Str;
use crate::container::fs::Errno;
use crate::container::os::Sys;

/// `cat` under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cat {
    number: bool,
    /// Number lines that are not empty only.
    number_full: bool,
    ends: bool,
    tabs: bool,
    control: bool,
    squeeze: bool,
    line: u64,
    in_line: bool,
    blanks: u32,
}

/// `cat`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut cat = Cat::default();
    let mut files: Vec<Str> = Vec::new();
    let mut options = true;
    for arg in call.args {
        if !options || arg == "-" || !arg.starts_with('-') {
            files.push(arg.clone());
            continue;
        }
        if arg == "--" {
            options = false;
            continue;
        }
        for letter in arg[1..].chars() {
            match letter {
                'n' => cat.number = true,
                'b' => cat.number_full = true,
                'e' => (cat.ends, cat.control) = (true, true),
                't' => (cat.tabs, cat.control) = (true, true),
                'A' => (cat.ends, cat.tabs, cat.control) = (true, true, true),
                'E' => cat.ends = true,
                'T' => cat.tabs = true,
                'v' => cat.control = true,
                's' => cat.squeeze = true,
                'u' => {}
                other => return call.bad_option(other, "[-nbvteA] [FILE]...", 1),
            }
        }
    }
    Begun::filter(AnyFilter::Cat(cat), files)
}

impl Cat {
    const fn is_plain(&self) -> bool {
        !(self.number || self.number_full || self.ends || self.tabs || self.control || self.squeeze)
    }

    fn byte(&mut self, b: u8, out: &mut Vec<u8>) {
        if !self.in_line {
            self.blanks = if b == b'\n' { self.blanks + 1 } else { 0 };
            if self.squeeze && self.blanks > 1 {
                return;
            }
            if self.number && !self.number_full || self.number_full && b != b'\n' {
                self.line += 1;
                out.extend_from_slice(format!("{:6}\t", self.line).as_bytes());
            }
        }
        self.in_line = b != b'\n';
        match b {
            b'\n' => {
                if self.ends {
                    out.push(b'$');
                }
                out.push(b);
            }
            b'\t' if !self.tabs => out.push(b),
            _ if !self.control && b != b'\t' => out.push(b),
            b => {
                let low = b & 0x7f;
                if b >= 0x80 {
                    out.extend_from_slice(b"M-");
                }
                match low {
                    0..0x20 => out.extend_from_slice(&[b'^', low + 0x40]),
                    0x7f => out.extend_from_slice(b"^?"),
                    _ => out.push(low),
                }
            }
        }
    }
}

impl Filter for Cat {
    fn data(&mut self, sys: &mut Sys<'_, '_>, bytes: &[u8]) -> Next {
        let written = if self.is_plain() {
            sys.write(1, bytes)
        } else {
            let mut out = Vec::with_capacity(bytes.len());
            for &b in bytes {
                self.byte(b, &mut out);
            }
            sys.write(1, &out)
        };
        match written {
            Ok(()) => Next::More,
            Err(e) => {
                sys.err(&format!("cat: write error: {e}\n"));
                Next::Stop
            }
        }
    }

    fn finish(&mut self, _: &mut Sys<'_, '_>, failed: bool) -> u8 {
        u8::from(failed)
    }

    fn open_error(&self, name: &str, e: Errno) -> String {
        format!("can't open '{name}': {e}")
    }

    fn read_error(&self, _: &str, e: Errno) -> String {
        format!("read error: {e}")
    }
}

//! `awk`
//!
//! [`lexer`] and [`parser`] read a program into [`ast`], [`code`] turns it into steps of a stack
//! machine, and [`vm`] runs them: a program can therefore wait anywhere (for input, for the process
//! behind `cmd | getline`) and go on later. Numbers are double precision, as awk has them; arrays are
//! gone through in busybox' order.
//!
//! Left out: `PROCINFO`, co-processes, `@include`, arrays of arrays.

mod ast;
mod builtins;
mod code;
mod functions;
mod io;
mod lexer;
mod parser;
mod values;
mod vm;

use std::sync::Arc;

use super::lines::bytewise;
use super::options::Syntax;
use super::{Begun, Call, Waiting};
use crate::base::Str;
use crate::container::text::encode;
pub(crate) use vm::Awk;

const SYNTAX: Syntax = Syntax {
    short: "+F:v:f:e:W:",
    long: &[("assign", 'v'), ("field-separator", 'F'), ("file", 'f'), ("source", 'e')],
    usage: "[OPTIONS] [AWK_PROGRAM] [FILE]...",
    status: 1,
};

/// `awk`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mut source = String::new();
    for (letter, value) in &options.given {
        match letter {
            'f' => match call.sys.content(if value == "-" { "/dev/stdin" } else { value }) {
                Ok(bytes) => {
                    source.push_str(&bytewise(&bytes));
                    source.push('\n');
                }
                Err(e) => {
                    call.err(&format!("can't open '{value}': {e}"));
                    return Begun::Exit(1);
                }
            },
            'e' => {
                source.push_str(&bytewise(&encode(value)));
                source.push('\n');
            }
            _ => {}
        }
    }
    if !options.has('f') && !options.has('e') {
        if options.operands.is_empty() {
            return call.usage(SYNTAX.usage, 1);
        }
        source = bytewise(&encode(&options.operands.remove(0)));
    }
    let code = parser::program(&source).and_then(|program| code::compile(&program));
    let code = match code {
        Ok(code) => code,
        Err(complaint) => {
            call.err(&complaint);
            return Begun::Exit(1);
        }
    };
    let mut arguments = vec![Str::from("awk")];
    arguments.extend(options.operands.iter().cloned());
    let mut awk = Awk::new(Arc::new(code), &arguments, call.environment);
    if let Some(separator) = options.value('F') {
        awk.assign("FS", &bytewise(&encode(separator)));
    }
    for text in options.values('v') {
        match text.split_once('=') {
            Some((name, value)) => awk.assign(name, &bytewise(&encode(value))),
            None => {
                call.err(&format!("bad option -- '{text}'"));
                return call.usage(SYNTAX.usage, 1);
            }
        }
    }
    Begun::Wait(Waiting::Awk(Box::new(awk)))
}

//! `env` and `printenv`.

use super::{Begun, Call, Tool};
use crate::base::Str;
use crate::container::environment::Environment;
use crate::container::fs::Errno;
use crate::container::os::{Program, Sys};
use crate::container::process::ExecError;
use crate::container::text::push;

/// `env`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut environment = call.environment.to_vec();
    let mut end = "\n";
    let mut rest = call.args;
    while let Some(arg) = rest.first() {
        match arg.as_str() {
            "-" | "-i" | "--ignore-environment" => environment.clear(),
            "-0" | "--null" => end = "\0",
            "-u" | "--unset" => {
                let name = rest.get(1).cloned().unwrap_or_default();
                environment.retain(|(k, _)| *k != name);
                rest = rest.get(1..).unwrap_or_default();
            }
            "--" => {
                rest = &rest[1..];
                break;
            }
            other if other.starts_with("-u") && other.len() > 2 => {
                environment.retain(|(k, _)| *k != other[2..])
            }
            other if other.starts_with('-') => {
                let option = other.chars().nth(1).unwrap_or('-');
                return call.bad_option(
                    option,
                    "[-i0] [-u NAME]... [-] [NAME=VALUE]... [PROG ARGS]",
                    125,
                );
            }
            _ => break,
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    while let Some((name, value)) = rest.first().and_then(|a| a.split_once('=')) {
        environment.retain(|(k, _)| k != name);
        environment.push((name.into(), value.into()));
        rest = &rest[1..];
    }
    let Some(command) = rest.first() else {
        let mut out = String::new();
        for (name, value) in &environment {
            push(&mut out, format_args!("{name}={value}{end}"));
        }
        call.out(&out);
        return Begun::Exit(0);
    };
    become_command(call, command, rest, &environment.into())
}

/// Becomes another command, or says why not.
pub(super) fn become_command(
    call: &mut Call<'_, '_, '_>,
    command: &str,
    argv: &[Str],
    environment: &Environment,
) -> Begun {
    match load(call.sys, command, argv, environment) {
        Ok(program) => {
            call.sys.flush();
            call.sys.prepare_exec(argv);
            Begun::Become(Box::new(program))
        }
        Err((e, status)) => {
            call.err(&format!("can't execute '{command}': {e}"));
            Begun::Exit(status)
        }
    }
}

/// The program that a command means along the environment's PATH, or why not and the status for it. In an image that
/// is not known, a command that is not there is taken for one of its own.
pub(super) fn load(
    sys: &mut Sys<'_, '_>,
    command: &str,
    argv: &[Str],
    environment: &Environment,
) -> Result<Program, (Errno, u8)> {
    let path = environment.value("PATH");
    let path = path.map_or(crate::container::image::DEFAULT_PATH, Str::as_str);
    let file = sys.find_program(command, path);
    if !sys.os.image.complete && matches!(file, Err(ExecError::File(Errno::NoEnt))) {
        return Ok(Program::Tool(Box::new(Tool::assumed(sys, command))));
    }
    file.and_then(|file| sys.load_script(&file, argv, environment)).map_err(|error| match error {
        ExecError::File(Errno::NoEnt) | ExecError::Interpreter(_) => (Errno::NoEnt, 127),
        ExecError::File(e) => (e, 126),
    })
}

/// `printenv`
pub(super) fn printenv(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut out = String::new();
    let mut status = 0;
    if call.args.is_empty() {
        for (name, value) in call.environment.iter() {
            push(&mut out, format_args!("{name}={value}\n"));
        }
    }
    for name in call.args {
        match call.variable(name) {
            Some(value) => push(&mut out, format_args!("{value}\n")),
            None => status = 1,
        }
    }
    call.out(&out);
    Begun::Exit(status)
}

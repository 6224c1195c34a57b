//! How tools start other programs (`xargs`, `find -exec`, awk's `system`).

use crate::base::Str;
use crate::container::environment::Environment;
use crate::container::fs::Errno;
use crate::container::image::DEFAULT_PATH;
use crate::container::os::{FdPlan, Program, Sys};
use crate::container::process::{ExecError, Fd, Pid, SignalSet};

/// The program that a command means, ready to run. In an image that is not known, one that is not
/// there is assumed.
pub(crate) fn load(
    sys: &mut Sys<'_, '_>,
    argv: &[Str],
    environment: &Environment,
) -> Result<Program, ExecError> {
    let name = argv.first().map_or("", Str::as_str).to_owned();
    let path = environment.value("PATH").map_or(DEFAULT_PATH, Str::as_str);
    let loaded =
        sys.find_program(&name, path).and_then(|file| sys.load_script(&file, argv, environment));
    match loaded {
        Err(ExecError::File(Errno::NoEnt)) if !sys.os.image.complete => {
            Ok(Program::Tool(Box::new(super::Tool::assumed(sys, &name))))
        }
        other => other,
    }
}

/// Starts a command beside this process.
pub(crate) fn spawn(
    sys: &mut Sys<'_, '_>,
    argv: &[Str],
    environment: &Environment,
) -> Result<Pid, Errno> {
    let program = load(sys, argv, environment).map_err(|e| match e {
        ExecError::File(e) => e,
        ExecError::Interpreter(_) => Errno::NoEnt,
    })?;
    sys.flush();
    sys.fork(program, Some(argv))
}

/// Starts `sh -c COMMAND` with descriptors moved and closed.
pub(crate) fn shell(
    sys: &mut Sys<'_, '_>,
    command: &str,
    environment: &Environment,
    moves: &[(Fd, Fd)],
    close: &[Fd],
) -> Result<Pid, Errno> {
    let argv: [Str; 3] = ["sh".into(), "-c".into(), command.into()];
    let program = load(sys, &argv, environment).map_err(|_| Errno::NoEnt)?;
    let plan = FdPlan { moves: moves.to_vec(), close: close.to_vec() };
    sys.fork_with(program, &plan, SignalSet::default())
}

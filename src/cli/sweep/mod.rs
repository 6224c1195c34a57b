//! `wavetank sweep`: one Simulation at every point of a grid of parameters, with many seeds.

mod plot;
mod rows;
mod summary;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::stop::Stop;
use super::{exit_code, ui};
use crate::api::diagnostic::render;
use crate::report::table::Format;
use crate::scenario::parallel::on_all_cores;
use crate::scenario::sweep::{MOST_RUNS, Parameter, Refused, Row, Shard, Sweep, Verdict};

use rows::Rows;

/// Run a Simulation at every point of a grid of parameters, with many seeds
///
/// Every run is a row: its parameters, its seed, whether what is expected held, when everything was ready, how
/// long nothing served, restarts, pods without a node. The runs are numbered, so that a sweep can be divided:
/// each of N machines runs its shard, and --merge puts the rows together again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A Simulation file
    #[arg(required_unless_present = "merge")]
    file: Option<PathBuf>,
    /// A field of the file and what it takes: cluster.nodes=3..50, seed=1,2,3, cluster.nodes=0..100..10; with
    /// several of them every combination is run
    #[arg(long, value_name = "PATH=VALUES", value_parser = Parameter::parse)]
    set: Vec<Parameter>,
    /// Run each point with so many seeds, from the file's own on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=MOST_RUNS))]
    seeds: u64,
    /// Run the K-th of N shards alone, counted from 1
    #[arg(long, value_name = "K/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Run one of N shards: that of the environment's JOB_COMPLETION_INDEX, as an Indexed Job sets it
    #[arg(long, value_name = "N", conflicts_with = "shard", value_parser = clap::value_parser!(u64).range(1..=MOST_RUNS))]
    shards: Option<u64>,
    /// Write the rows to a file: Parquet where its name ends with .parquet, CSV otherwise
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Draw the rows over the first parameter
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// What to print
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Put the rows of several files, CSV or Parquet, together instead of running anything
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["file", "set", "seeds", "shard", "shards"])]
    merge: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A line for each point
    Table,
    /// A row for each run
    Csv,
    /// The same as JSON
    Json,
}

fn shard(text: &str) -> Result<Shard, String> {
    let hint = || format!("`{text}` is no shard, such as 1/4: the first of four");
    let (index, of) = text.split_once('/').ok_or_else(hint)?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| hint());
    let (index, of) = (number(index)?, number(of)?);
    if index == 0 || index > of {
        return Err(hint());
    }
    Ok(Shard { index: index - 1, of })
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    let (rows, code) = match made(args) {
        Ok(made) => made,
        Err(code) => return code,
    };
    match write(args, &rows) {
        Ok(()) => code,
        Err((path, error)) => {
            ui::err(&format!("error: cannot write {}: {error}", path.display()));
            exit_code::IO
        }
    }
}

/// The rows, and the exit code where they can be written.
fn made(args: &Args) -> Result<(Rows, u8), u8> {
    let refuse = |code, text: &str| {
        ui::err(&format!("error: {text}"));
        code
    };
    if !args.merge.is_empty() {
        let rows = Rows::merged(&args.merge).map_err(|text| refuse(exit_code::BAD_INPUT, &text))?;
        if let Some(gap) = rows.gaps() {
            ui::err(&format!("warning: {gap}"));
        }
        return Ok((rows, exit_code::OK));
    }
    let shard = of_environment(args).map_err(|text| refuse(exit_code::USAGE, &text))?;
    let file = args.file.as_deref().unwrap_or_else(|| Path::new(""));
    let sweep =
        Sweep::read(file, args.set.clone(), args.seeds).map_err(|refused| match refused {
            Refused::TooMany => refuse(
                exit_code::USAGE,
                &format!("these are more than {MOST_RUNS} runs, the most of one sweep"),
            ),
            Refused::Point { sets, problems } => {
                ui::err(render::render(&problems, ui::diagnostic_style()).trim_end());
                let at = if sets.is_empty() { String::new() } else { format!(" with {sets}") };
                refuse(exit_code::BAD_INPUT, &format!("{} cannot be run{at}", file.display()))
            }
        })?;
    let stop = Stop::new(None);
    let flag = stop.flag();
    let runs = sweep.numbers(shard);
    let made =
        on_all_cores(runs, |run| (!flag.load(Ordering::Relaxed)).then(|| sweep.run(run, &flag)));
    let mut rows: Vec<Row> = Vec::new();
    for row in made.into_iter().flatten() {
        rows.push(row.map_err(|e| refuse(exit_code::BAD_INPUT, &e.to_string()))?);
    }
    rows.retain(|row| row.verdict != Verdict::Stopped);
    let mut code = exit_code::OK;
    if stop.interrupted() {
        let all = sweep.numbers(shard).count();
        let text = format!(
            "the sweep was ended before its time: Ctrl-C was pressed; {} of {all} runs are told",
            rows.len()
        );
        code = refuse(exit_code::INTERRUPTED, &text);
    }
    let parameters = sweep.parameters.iter().map(|p| p.path.clone()).collect();
    Ok((Rows { parameters, rows }, code))
}

/// Which shard it is.
#[expect(
    clippy::disallowed_methods,
    reason = "the named edge: an Indexed Job tells its pods their number so"
)]
fn of_environment(args: &Args) -> Result<Shard, String> {
    let Some(of) = args.shards else { return Ok(args.shard.unwrap_or(Shard::WHOLE)) };
    let index = std::env::var("JOB_COMPLETION_INDEX").map_err(|_| {
        "--shards needs JOB_COMPLETION_INDEX, which an Indexed Job sets; elsewhere there is --shard K/N".to_owned()
    })?;
    match index.parse::<u64>() {
        Ok(index) if index < of => Ok(Shard { index, of }),
        _ => {
            Err(format!("JOB_COMPLETION_INDEX is `{index}`, and --shards {of} has 0 to {}", of - 1))
        }
    }
}

fn write<'a>(args: &'a Args, rows: &Rows) -> Result<(), (&'a Path, std::io::Error)> {
    match args.output {
        Output::Table => ui::out(&summary::render(rows)),
        Output::Csv => ui::out(&rows.to_csv()),
        Output::Json => ui::out(&format!("{:#}\n", rows.to_json())),
    }
    if let Some(path) = &args.out {
        let bytes = rows.table().bytes(Format::of(path));
        fs::write(path, bytes).map_err(|e| (path.as_path(), e))?;
    }
    if let Some(path) = &args.plot {
        fs::write(path, plot::svg(rows)).map_err(|e| (path.as_path(), e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_from_one() {
        assert_eq!(shard("1/4"), Ok(Shard { index: 0, of: 4 }));
        assert_eq!(shard("4/4"), Ok(Shard { index: 3, of: 4 }));
        for wrong in ["0/4", "5/4", "1", "a/b", "1/0"] {
            assert!(shard(wrong).is_err(), "{wrong}");
        }
    }
}

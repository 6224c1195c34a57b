//! `wavetank diff`: two versions of manifests, simulated and compared.

use std::path::PathBuf;
use std::time::Duration;

use super::cluster_file::{self, Cluster};
use super::floats::Refused;
use super::{exit_code, ui};
use crate::api::diagnostic::render;
use crate::api::load::{self, Options as LoadOptions};
use crate::report::timeline::duration;
use crate::scenario::compare::{self, Comparison, Regression, Version};
use crate::scenario::recorded;
use crate::scenario::runner::{End, Plan};
use crate::scenario::snapshot::Snapshot;
use crate::sim::{Options, Start};

/// Simulate two versions of manifests and tell what differs in behaviour
///
/// OLD and NEW are files or folders. Each is simulated alone, and NEW is applied to a cluster in which OLD has
/// settled, all with the same seed. Told are when workloads are ready, how few of their pods serve during the
/// upgrade, restarts, failures, and pods that fit nowhere.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The version that runs now
    old: PathBuf,
    /// The version that is to run
    new: PathBuf,
    /// How many nodes the cluster has
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    nodes: u32,
    /// A file that describes the cluster
    #[arg(long, value_name = "FILE", conflicts_with = "nodes")]
    cluster: Option<PathBuf>,
    /// How much virtual time each version is given; by default until nothing changes any more
    #[arg(long = "for", value_name = "TIME", value_parser = recorded::duration)]
    length: Option<Duration>,
    /// The seed of all randomness
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How to print it; markdown suits a pull request
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Exit with 1 when one of these is worse, with commas between them
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_enum)]
    fail_on: Vec<Sort>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Markdown,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Sort {
    /// A workload has moments without a ready pod in the upgrade
    Downtime,
    /// Pods fit nowhere that did
    Pending,
    /// A workload does not get all its pods ready, though it did
    NotReady,
    /// More restarts of containers
    Restarts,
    /// More failed pods or Jobs
    Failed,
    /// A workload is ready later, by more than a fifth
    Slower,
    /// Any of these
    Any,
}

impl Sort {
    fn has(self, regression: Regression) -> bool {
        match self {
            Self::Any => true,
            Self::Downtime => regression == Regression::Downtime,
            Self::Pending => regression == Regression::Pending,
            Self::NotReady => regression == Regression::NotReady,
            Self::Restarts => regression == Regression::Restarts,
            Self::Failed => regression == Regression::Failed,
            Self::Slower => regression == Regression::Slower,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    match prepare(args) {
        Ok((plan, old, new)) => match compare::compare(&plan, &old, &new) {
            Ok(comparison) => tell(args, &comparison),
            Err(error) => {
                ui::err(&format!("error: the cluster cannot be built: {error}"));
                exit_code::BAD_INPUT
            }
        },
        Err(refused) => refused.tell(),
    }
}

fn prepare(args: &Args) -> Result<(Plan, Version, Version), Refused> {
    let start = Start::default();
    let cluster = match &args.cluster {
        Some(file) => cluster_file::read(file, start.0).map_err(Refused::Input)?,
        None => Cluster::workers(args.nodes, start.0),
    };
    let (old, new) = (version(&args.old)?, version(&args.new)?);
    let plan = Plan {
        options: Options { seed: args.seed, start, ..Options::default() },
        snapshot: Snapshot::default(),
        nodes: cluster.nodes,
        storage: cluster.storage,
        steps: Vec::new(),
        end: args.length.map_or(End::Quiet, End::After),
    };
    Ok((plan, old, new))
}

fn version(path: &std::path::Path) -> Result<Version, Refused> {
    let loaded = load::load_with(&[path.to_owned()], None, LoadOptions::default());
    let loaded = loaded.map_err(Refused::Input)?;
    if !loaded.warnings.is_empty() {
        ui::err(render::render(&loaded.warnings, ui::diagnostic_style()).trim_end());
    }
    let documents = loaded.manifests.into_iter().map(|m| m.value).collect();
    Ok((path.display().to_string(), documents))
}

fn tell(args: &Args, comparison: &Comparison) -> u8 {
    let (old, new) = (args.old.display(), args.new.display());
    match args.output {
        Output::Text => {
            let worse = match comparison.worse.len() {
                0 => "nothing is worse\n".to_owned(),
                _ => format!("worse\n{}", comparison.findings()),
            };
            let took = duration(comparison.upgrade.length);
            ui::out(&format!(
                "{old} → {new}, upgraded after the old one has settled, watched for {took}\n\n{}\n{worse}",
                comparison.table(false)
            ));
        }
        Output::Markdown => {
            let worse = comparison.worse.iter();
            let worse: String =
                worse.map(|f| format!("- **{}**: {}\n", f.regression.as_str(), f.text)).collect();
            let worse = if worse.is_empty() { "Nothing is worse.\n".to_owned() } else { worse };
            ui::out(&format!(
                "### wavetank: `{old}` → `{new}`\n\n{worse}\n{}",
                comparison.table(true)
            ));
        }
        Output::Json => ui::out(&format!("{:#}\n", comparison.to_json())),
    }
    let fails = |r: Regression| args.fail_on.iter().any(|sort| sort.has(r));
    match comparison.worse.iter().any(|f| fails(f.regression)) {
        true => exit_code::FAILED,
        false => exit_code::OK,
    }
}

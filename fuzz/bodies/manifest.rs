//! Bytes as manifests: they are read, brought to the current form, defaulted and checked; what is accepted is
//! applied in a cluster of two nodes, and half a minute of it is simulated.

use std::time::Duration;

use wavetank::api::diagnostic::exchange::to_json;
use wavetank::api::limits::Limits;
use wavetank::api::load::{Options, load_sources};
use wavetank::api::source::Source;
use wavetank::scenario::cluster::{NodeSpec, Storage};
use wavetank::scenario::kubectl::Files;
use wavetank::scenario::runner::{End, Plan, Runner, StepAction, TimedStep};
use wavetank::scenario::snapshot::Snapshot;

/// Small enough that each input takes milliseconds.
fn limits() -> Limits {
    Limits {
        file_bytes: 1 << 15,
        total_bytes: 1 << 15,
        files: 1,
        documents: 24,
        depth: 100,
        nodes: 20_000,
        problems: 50,
    }
}

/// Takes in one input.
pub fn take(data: &[u8]) {
    let source = Source::new("fuzz.yaml", String::from_utf8_lossy(data).into_owned());
    let options = Options { limits: limits(), ..Options::default() };
    let loaded = match load_sources(&[source], options) {
        Ok(loaded) => loaded,
        Err(problems) => {
            // Everything that is wrong can be told.
            let _document = to_json(&problems);
            return;
        }
    };
    if loaded.manifests.is_empty() {
        return;
    }
    let documents = loaded.manifests.into_iter().map(|m| m.value).collect();
    let apply = TimedStep {
        action: StepAction::Apply { source: "fuzz.yaml".to_owned(), documents },
        files: Files { root: "fuzz".into(), confined: true },
        ..TimedStep::default()
    };
    let options = wavetank::sim::Options::default();
    let nodes = (0..2).map(|i| NodeSpec::worker(format!("node-{i}")).object(i, options.start.0));
    let plan = Plan {
        nodes: nodes.collect(),
        options,
        snapshot: Snapshot::default(),
        storage: Storage::Provisioner,
        steps: vec![apply],
        end: End::After(Duration::from_secs(30)),
    };
    let Ok(mut runner) = Runner::new(plan, &mut |_| {}) else { return };
    let _ended = runner.run(&mut |_| {});
}

//! `wavetank explain`: floats manifests quietly and tells why a pod went where it went.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::floats::{self, Floats};
use super::{exit_code, ui};
use crate::api::suggest;
use crate::model::{Key, Object, Pod, Uid};
use crate::report::explain;
use crate::scenario::recorded;
use crate::scenario::runner::{End, NAMESPACE};
use crate::trace::{Fact, FactKind};

/// Tell why a pod went to its node, or why it goes nowhere and what would help
///
/// TARGET is a pod: `pod/web-0` or `web-0`. PATHS and the options of the run are those of `wavetank run`.
/// Of a pod on a node, the decision is told as it was made; of one that waits, the last attempt. Every
/// node stands with the plugin that refused it, or with its scores. Where no node was found, changes are
/// listed of which each alone was tried and lets the pod be scheduled.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pod
    target: String,
    #[command(flatten)]
    floats: Floats,
    /// Look at the cluster at this time of the run, such as 90s; by default at its end
    #[arg(long, value_name = "TIME", value_parser = recorded::duration, conflicts_with = "length")]
    at: Option<Duration>,
    /// The namespace of the pod
    #[arg(short, long, value_name = "NAME", default_value = NAMESPACE)]
    namespace: String,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    let name = match args.target.split_once('/') {
        None => args.target.as_str(),
        Some(("pod" | "pods" | "po", name)) => name,
        Some((kind, _)) => {
            ui::err(&format!(
                "error: {kind:?} is not scheduled, pods are\n  hint: explain one of its pods, as in \
                 \"wavetank explain pod/NAME …\""
            ));
            return exit_code::USAGE;
        }
    };
    let mut plan = match floats::prepare(&args.floats, true) {
        Ok(prepared) => prepared.plan,
        Err(refused) => return refused.tell(),
    };
    if let Some(at) = args.at {
        plan.end = End::After(at);
    }
    let key = Key::new(args.namespace.as_str(), name);
    plan.options.explained = Some(key.clone());
    let mut pods = BTreeMap::new();
    let mut runner = match floats::build(plan, &mut |fact| hear(&mut pods, fact)) {
        Ok(runner) => runner,
        Err(code) => return code,
    };
    runner.run(&mut |fact| hear(&mut pods, fact));
    let mut of_that_name: Vec<&Arc<Pod>> = pods.values().filter(|p| p.meta.key() == key).collect();
    of_that_name.sort_by_key(|p| p.meta.created);
    let Some(pod) = of_that_name.last() else {
        ui::err(&unknown(&key, pods.values()));
        return exit_code::FAILED;
    };
    let explanation = runner.sim().explain(pod);
    match args.output {
        Output::Text => ui::out(&explain::text(&explanation, runner.start())),
        Output::Json => ui::out(&format!("{:#}\n", explain::json(&explanation))),
    }
    exit_code::OK
}

fn hear(pods: &mut BTreeMap<Uid, Arc<Pod>>, fact: &Fact) {
    if let FactKind::Object { object: Object::Pod(pod), .. } = &fact.kind {
        pods.insert(pod.meta.uid, pod.clone());
    }
}

/// Says that there was no such pod, and which there were.
fn unknown<'a>(key: &Key, pods: impl Iterator<Item = &'a Arc<Pod>>) -> String {
    const SHOWN: usize = 20;
    let system = |p: &&Arc<Pod>| p.meta.namespace != "kube-system";
    let mut names: Vec<String> = pods
        .filter(system)
        .map(|p| match p.meta.namespace == key.namespace {
            true => p.meta.name.to_string(),
            false => format!("{} -n {}", p.meta.name, p.meta.namespace),
        })
        .collect();
    names.sort();
    names.dedup();
    let mut text =
        format!("error: there was no pod {:?} in namespace {:?}", key.name, key.namespace);
    if let Some(near) = suggest::nearest(&key.name, names.iter().map(String::as_str)) {
        text.push_str(&format!("\n  hint: did you mean {near}?"));
    }
    if names.is_empty() {
        text.push_str("\n  there were no pods at all");
        return text;
    }
    text.push_str("\n  there were:");
    for name in names.iter().take(SHOWN) {
        text.push_str(&format!("\n    pod/{name}"));
    }
    if names.len() > SHOWN {
        text.push_str(&format!("\n    and {} more", names.len() - SHOWN));
    }
    text
}

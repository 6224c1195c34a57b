//! Two versions of manifests, simulated under one seed: what differs in behaviour.
//!
//! Three runs: the old version alone, the new one alone, and the old one upgraded to the new one once it has
//! settled. What the user of a change wants to know is in the difference of the first two (slower to be
//! ready, more restarts, pods that fit nowhere) and in the third alone (downtime of the rollout).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::measure::{Measures, Workload};
use super::runner::{End, Plan, Runner, StepAction, TimedStep};
use crate::report::timeline::duration;
use crate::store::ApiError;

/// What may count as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Regression {
    /// A workload has moments without a ready pod in the upgrade.
    Downtime,
    /// Pods are Pending in the end that were not.
    Pending,
    /// A workload does not get all that it wants, though it did.
    NotReady,
    /// More restarts of containers.
    Restarts,
    /// More failed or evicted pods.
    Failed,
    /// A workload takes longer to be ready, by more than a fifth and a second.
    Slower,
}

impl Regression {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Downtime, Self::Pending, Self::NotReady, Self::Restarts, Self::Failed, Self::Slower];

    /// As it is written on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Downtime => "downtime",
            Self::Pending => "pending",
            Self::NotReady => "not-ready",
            Self::Restarts => "restarts",
            Self::Failed => "failed",
            Self::Slower => "slower",
        }
    }
}

/// One thing that is worse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Of which sort.
    pub regression: Regression,
    /// In words.
    pub text: String,
}

/// Two versions compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The old version alone.
    pub old: Measures,
    /// The new version alone.
    pub new: Measures,
    /// From the new version's coming on, after the old one has settled.
    pub upgrade: Measures,
    /// What is worse.
    pub worse: Vec<Finding>,
}

/// The documents of a version, and what kubectl is said to be given.
pub type Version = (String, Vec<Value>);

/// Simulates two versions in the cluster of a plan, whose steps are not looked at.
///
/// # Errors
/// A cluster that the API server refuses.
pub fn compare(plan: &Plan, old: &Version, new: &Version) -> Result<Comparison, Box<ApiError>> {
    let step = |version: &Version, at: Duration| TimedStep {
        at,
        written: duration(at),
        action: StepAction::Apply { source: version.0.clone(), documents: version.1.clone() },
        ..TimedStep::default()
    };
    let with = |steps: Vec<TimedStep>, end: End| Plan { steps, end, ..plan.clone() };
    let (old_alone, settled) = measured(with(vec![step(old, Duration::ZERO)], plan.end), None)?;
    let (new_alone, _) = measured(with(vec![step(new, Duration::ZERO)], plan.end), None)?;
    let end = match plan.end {
        End::After(length) => End::After(settled + length),
        End::Quiet | End::WithSteps(_) => End::Quiet,
    };
    let steps = vec![step(old, Duration::ZERO), step(new, settled)];
    let (upgrade, _) = measured(with(steps, end), Some(settled))?;
    let worse = worse(&old_alone, &new_alone, &upgrade);
    Ok(Comparison { old: old_alone, new: new_alone, upgrade, worse })
}

/// Runs a plan and measures it, from `from` on if that is given; and how long it was.
fn measured(plan: Plan, from: Option<Duration>) -> Result<(Measures, Duration), Box<ApiError>> {
    let start = plan.options.start.0;
    let mut measures = Measures::new(start);
    let mut runner = Runner::new(plan, &mut |fact| measures.observe(fact))?;
    let mut from = from.map(|f| start + f);
    runner.run(&mut |fact| {
        if let Some(at) = from.filter(|at| fact.at >= *at) {
            measures.count_from(at);
            from = None;
        }
        measures.observe(fact);
    });
    let end = runner.sim().now();
    measures.finish(end);
    Ok((measures, end.since(start)))
}

fn worse(old: &Measures, new: &Measures, upgrade: &Measures) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |regression, text| found.push(Finding { regression, text });
    for (name, w) in upgrade.workloads.iter().filter(|(_, w)| !w.downtime.is_zero()) {
        let text = format!("{name} has no ready pod for {} of the upgrade", duration(w.downtime));
        add(Regression::Downtime, text);
    }
    for (run, in_run) in [(new, ""), (upgrade, " after the upgrade")] {
        let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (pod, why) in run.pending.iter().filter(|_| run.pending.len() > old.pending.len()) {
            by_reason.entry(why).or_default().push(pod);
        }
        for (why, pods) in by_reason {
            let are = match pods[..] {
                [one] => format!("{one} is"),
                [one, ..] => format!("{one} and {} more are", pods.len() - 1),
                [] => continue,
            };
            add(Regression::Pending, format!("{are} Pending{in_run}: {why}"));
        }
        for (name, w) in run.workloads.iter().filter(|(_, w)| w.ready < w.wanted) {
            let before = old.workloads.get(name);
            if before.is_none_or(|b| b.ready >= b.wanted) {
                let text = format!("{name} has {} of {} ready{in_run}", w.ready, w.wanted);
                add(Regression::NotReady, text);
            }
        }
    }
    for (name, _) in new.workloads.iter().filter(|(_, w)| w.ended == Some("failed")) {
        if old.workloads.get(name).is_none_or(|b| b.ended != Some("failed")) {
            add(Regression::Failed, format!("{name} fails"));
        }
    }
    if new.restarts > old.restarts {
        add(Regression::Restarts, format!("{} restarts, not {}", new.restarts, old.restarts));
    }
    if new.failed > old.failed {
        add(Regression::Failed, format!("{} pods fail, not {}", new.failed, old.failed));
    }
    for (name, w) in &new.workloads {
        let before = old.workloads.get(name).and_then(|b| b.ready_after);
        let (Some(before), Some(now)) = (before, w.ready_after) else { continue };
        let allowed = before + (before / 5).max(Duration::from_secs(1));
        if now > allowed {
            let (now, before) = (duration(now), duration(before));
            add(Regression::Slower, format!("{name} is ready after {now}, not {before}"));
        }
    }
    found
}

impl Comparison {
    /// As a table with a row for each workload, in Markdown or aligned for a terminal.
    pub fn table(&self, markdown: bool) -> String {
        let mut rows = vec![["workload", "old", "new", "upgrade"].map(str::to_owned)];
        let all = [&self.old, &self.new, &self.upgrade];
        let mut names: Vec<&String> = all.iter().flat_map(|m| m.workloads.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let of =
                |m: &Measures| m.workloads.get(name).map_or("-".to_owned(), Workload::in_words);
            let upgrade = self.upgrade.workloads.get(name).map_or("-".to_owned(), in_upgrade);
            rows.push([name.clone(), of(&self.old), of(&self.new), upgrade]);
        }
        let counts: [(&str, fn(&Measures) -> String); 5] = [
            ("pods made", |m| m.pods_created.to_string()),
            ("restarts", |m| m.restarts.to_string()),
            ("failed pods", |m| m.failed.to_string()),
            ("pending pods", |m| m.pending.len().to_string()),
            ("pods by node", placed),
        ];
        for (title, count) in counts {
            rows.push([title.to_owned(), count(&self.old), count(&self.new), count(&self.upgrade)]);
        }
        if markdown { as_markdown(&rows) } else { as_columns(&rows) }
    }

    /// What is worse, in lines.
    pub fn findings(&self) -> String {
        let mut text = String::new();
        for finding in &self.worse {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:>9}  {}", finding.regression.as_str(), finding.text);
        }
        text
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let worse = self.worse.iter();
        let worse: Vec<Value> =
            worse.map(|f| json!({"kind": f.regression.as_str(), "text": f.text})).collect();
        json!({"old": self.old.to_json(), "new": self.new.to_json(),
            "upgrade": self.upgrade.to_json(), "worse": worse})
    }
}

fn in_upgrade(w: &Workload) -> String {
    match (w.ended, w.fewest) {
        (Some(ended), _) => ended.to_owned(),
        (None, None) => w.in_words(),
        (None, Some(fewest)) if w.downtime.is_zero() => {
            format!("{} of {}, never less than {fewest}", w.ready, w.wanted)
        }
        (None, Some(_)) => {
            format!("{} of {}, none for {}", w.ready, w.wanted, duration(w.downtime))
        }
    }
}

fn placed(m: &Measures) -> String {
    let each = m.placements.values().map(usize::to_string);
    each.collect::<Vec<_>>().join("/")
}

fn as_markdown(rows: &[[String; 4]]) -> String {
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|c| c.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if i == 0 {
            text.push_str("|---|---|---|---|\n");
        }
    }
    text
}

fn as_columns(rows: &[[String; 4]]) -> String {
    let width = |i: usize| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

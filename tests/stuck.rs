//! Situations in which something is stuck, each with its known root cause, against what a run says of them.

use std::fs;
use std::path::{Path, PathBuf};

use wavetank::report::stuck::WaitGraph;
use wavetank::report::summary::{Gathered, Remedy, Summary};
use wavetank::report::timeline::name;
use wavetank::scenario::remedy::{self, Effort};
use wavetank::scenario::runner::Runner;
use wavetank::scenario::simulation;

/// What a file says of itself.
struct Known {
    file: String,
    stuck: String,
    cause: String,
    at: String,
    says: String,
    fixable: bool,
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stuck");
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

fn known(file: &Path) -> Known {
    let text = fs::read_to_string(file).unwrap();
    let field = |key: &str| {
        let begin = format!("# {key}: ");
        let line = text.lines().find_map(|l| l.strip_prefix(begin.as_str()));
        line.unwrap_or_else(|| panic!("{} does not say {key}", file.display())).to_owned()
    };
    let (cause, at) =
        field("Root cause").split_once(" at ").map(|(a, b)| (a.into(), b.into())).unwrap();
    Known {
        file: file.file_name().unwrap().to_string_lossy().into_owned(),
        stuck: field("Stuck"),
        cause,
        at,
        says: field("Says"),
        fixable: field("Fix") == "works",
    }
}

/// Runs a file to its end, and finds out why what is stuck is so.
fn ran(file: &Path) -> (Summary, WaitGraph) {
    let plan = simulation::read(file).unwrap_or_else(|p| panic!("{}: {p:?}", file.display())).plan;
    let mut gathered = Gathered::default();
    let mut runner = Runner::new(plan.clone(), &mut |_| {}).unwrap();
    runner.run(&mut |fact| gathered.observe(fact));
    let sim = runner.sim();
    let blocked = |pod: &wavetank::model::Pod, c: &str| sim.kubelets().blocked_on(pod, c);
    let mut summary = Summary::of(sim.store(), sim.now(), &gathered, Vec::new(), &blocked);
    let graph = remedy::find(&plan, &runner, &gathered, &mut summary, Effort::Try);
    (summary, graph)
}

#[test]
fn the_root_cause_of_every_stuck_situation_is_named_and_its_fix_works() {
    let (mut wrong, mut fixed, mut fixable) = (Vec::new(), 0, 0);
    let files = files();
    for file in &files {
        let known = known(file);
        let (summary, _) = ran(file);
        let said = summary.render();
        let found = summary.found.iter().find(|(of, _)| name(of) == known.stuck);
        let Some((_, found)) = found else {
            wrong.push(format!("{}: {} is not stuck:\n{said}", known.file, known.stuck));
            continue;
        };
        let root = found.stuck.roots.first();
        let right = root.is_some_and(|root| {
            let texts = format!("{} {:?}", root.text, root.fixes);
            root.code.as_str() == known.cause
                && name(&root.at) == known.at
                && texts.contains(&known.says)
        });
        if !right {
            let root = root.map(|r| (r.code.as_str(), name(&r.at), r.text.as_str()));
            wrong.push(format!("{}: {root:?}\n{said}", known.file));
        }
        let works = matches!(found.remedy, Remedy::Works(_));
        fixed += usize::from(works);
        fixable += usize::from(known.fixable);
        if works != known.fixable {
            wrong.push(format!("{}: {:?}\n{said}", known.file, found.remedy));
        }
    }
    assert!(wrong.is_empty(), "{} wrong, {fixed} fixed:\n{}", wrong.len(), wrong.join("\n"));
    assert!(files.len() >= 25 && fixed == fixable, "{fixed} of {fixable} of {} fixed", files.len());
}

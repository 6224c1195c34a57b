//! The simulations of the repository: each holds, is the same each time, and has the timeline that is kept
//! beside it.

use std::fs;
use std::path::{Path, PathBuf};

use wavetank::scenario::simulation::{Simulation, read};
use wavetank::scenario::trial::{Settings, Trial, run};

/// There are at least so many.
const LEAST: usize = 30;

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations");
    let mut found = Vec::new();
    for group in fs::read_dir(root).unwrap() {
        let group = group.unwrap().path();
        if group.is_dir() {
            found.extend(fs::read_dir(group).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    found.sort();
    found
}

fn simulation(path: &Path) -> Simulation {
    read(path).unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display()))
}

fn ran(simulation: &Simulation) -> Trial {
    run(simulation, &Settings { timeline: true, ..Settings::default() }).unwrap()
}

#[test]
fn each_holds_and_is_the_same_run_each_time() {
    let files = files();
    assert!(files.len() >= LEAST, "there are {}", files.len());
    for path in files {
        let simulation = simulation(&path);
        let (first, second) = (ran(&simulation), ran(&simulation));
        assert!(first.passed(), "{}: {:#?}", path.display(), first.violations);
        assert_eq!(first.digest, second.digest, "{}", path.display());
        assert!(first == second, "{} differs from run to run", path.display());
    }
}

#[test]
fn each_has_the_timeline_that_is_kept_beside_it() {
    for path in files() {
        let kept = fs::read_to_string(path.with_extension("timeline.txt")).unwrap_or_default();
        let now = ran(&simulation(&path)).golden();
        assert!(
            kept == now,
            "{}: the timeline is not as it was; `wavetank test simulations` tells how, `--update` keeps it",
            path.display()
        );
    }
}

#[test]
fn each_teaches_in_a_comment_and_expects_something() {
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# "), "{} begins with what it shows", path.display());
        let simulation = simulation(&path);
        assert!(!simulation.description.is_empty(), "{}", path.display());
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert_eq!(simulation.name, stem);
        assert!(simulation.expectations.iter().any(|e| e.place.is_some() && !e.name.is_empty()));
    }
}

#[test]
fn numbers_begin_at_one_and_leave_nothing_out() {
    let numbers: Vec<usize> = files()
        .iter()
        .map(|p| p.file_stem().unwrap().to_string_lossy()[..2].parse().unwrap())
        .collect();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
}

/// The Simulations that a page shows.
fn shown(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|b| b.split("```").next());
    blocks.filter(|b| b.contains("kind: Simulation")).map(str::to_owned).collect()
}

#[test]
fn the_simulations_that_the_pages_show_hold() {
    let deployment = |image: &str, probe: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: 3\n  selector: \
             {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    spec: {{containers: \
             [{{name: web, image: '{image}'{probe}}}]}}\n"
        )
    };
    let shop = "registry.example.com/shop/web:1";
    let probe = ", readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 2}";
    for (page, deploy) in
        [("simulations.md", deployment(shop, "")), ("ci.md", deployment(shop, probe))]
    {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages").join(page);
        fs::create_dir_all(folder.join("deploy")).unwrap();
        fs::create_dir_all(folder.join("simulations")).unwrap();
        fs::write(folder.join("deploy/web.yaml"), deploy).unwrap();
        let all = shown(page);
        assert!(!all.is_empty(), "{page} shows one");
        for text in all {
            let path = folder.join("simulations/shown.yaml");
            fs::write(&path, text).unwrap();
            let trial = ran(&simulation(&path));
            assert!(trial.passed(), "{page}: {:#?}\n{}", trial.violations, trial.timeline);
        }
    }
}

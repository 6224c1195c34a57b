//! wavetank beside simcore (the engine of the DSLab simulators), in one run on one machine.
//!
//! `cargo run --release` in this folder. Two workloads:
//!
//! - *timers*: so many timers are pending; the one that is due is handled and set again, a million times. Both
//!   engines draw the next delay from a stream of their own. wavetank folds every event into the run's digest;
//!   simcore carries a boxed payload and looks its handler up by number.
//! - *pods*: so many pods of one container that runs for forty seconds, on a tenth as many nodes, from their
//!   creation to their end. wavetank has the API server, the scheduler with the default plugins, and node agents
//!   with every status and event.
//!
//! kuber_sim is no crate of the registry. With its example `load_type_constant` built from source,
//! `KUBER_SIM=PATH cargo run --release` runs that beside, as a process of its own, on the same pods and nodes:
//! it places pods by their requests, follows their load and ends them; what else it says is printed too.

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;
use simcore::{Event as Told, EventHandler, Simulation, SimulationContext};
use wavetank::base::digest::Digest;
use wavetank::base::time::SimTime;
use wavetank::engine::{ComponentId, Event, Queue};
use wavetank::model::Slot;
use wavetank::scenario::cluster::{NodeSpec, Storage};
use wavetank::scenario::runner::{End, Plan, Runner, StepAction, TimedStep};
use wavetank::sim::Options;

/// As the program itself allocates.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: u64 = 1_000_000;
const ROUNDS: usize = 5;
/// How long a pod runs.
const SECONDS: u32 = 40;

#[derive(Clone, Serialize)]
struct Tick;

/// A timer that sets itself again.
struct Timer(SimulationContext);

impl EventHandler for Timer {
    fn on(&mut self, _: Told) {
        let later = self.0.rand();
        self.0.emit_self(Tick, later);
    }
}

/// Events a second of simcore.
fn simcore_timers(pending: u32) -> f64 {
    let mut sim = Simulation::new(1);
    let root = sim.create_context("root");
    for i in 0..pending {
        let name = format!("timer-{i}");
        let timer = Timer(sim.create_context(&name));
        let id = sim.add_handler(&name, Rc::new(RefCell::new(timer)));
        root.emit(Tick, id, f64::from(i * 7919 % 1_000_000) / 1e6);
    }
    let since = Instant::now();
    sim.steps(EVENTS);
    EVENTS as f64 / since.elapsed().as_secs_f64()
}

/// Events a second of wavetank's engine.
fn wavetank_timers(pending: u32) -> f64 {
    let mut queue = Queue::new(None, &[]);
    let start = SimTime::from_secs(1_000_000);
    for i in 0..pending {
        let at = start + Duration::from_micros(u64::from(i) * 7919 % 1_000_000);
        queue.push(at, Event::Wake(ComponentId::Kubelet(Slot(i))));
    }
    let mut digest = Digest::new(1);
    let since = Instant::now();
    for _ in 0..EVENTS {
        let Some((at, Event::Wake(id))) = queue.pop_until(SimTime::MAX) else { break };
        digest.word(at.as_nanos());
        digest.word(id.code());
        let later = Duration::from_micros(1 + digest.value() % 1_000_000);
        queue.push(at + later, Event::Wake(id));
    }
    EVENTS as f64 / since.elapsed().as_secs_f64()
}

/// Real seconds in which so many pods live and end, and how many events that is.
fn wavetank_pods(pods: u32) -> (f64, u64) {
    let pod = |i: u32| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("pod-{i}"), "namespace": "default"},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox:1.36",
                "command": ["sleep", SECONDS.to_string()],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}})
    };
    let start = Options::default().start.0;
    let node = |i: u32| NodeSpec::worker(format!("node-{i}")).object(i, start);
    let action = StepAction::Apply { source: "pods.yaml".into(), documents: (0..pods).map(pod).collect() };
    let plan = Plan {
        options: Options::default(),
        snapshot: Default::default(),
        nodes: (0..pods / 10).map(node).collect(),
        storage: Storage::None,
        steps: vec![TimedStep { action, ..TimedStep::default() }],
        end: End::Quiet,
    };
    let since = Instant::now();
    let mut runner = Runner::new(plan, &mut |_| {}).expect("the cluster is right");
    runner.run(&mut |_| {});
    (since.elapsed().as_secs_f64(), runner.sim().stats().events)
}

/// Real seconds in which kuber_sim's example runs on the same pods and nodes, and what it says.
fn kuber_sim_pods(example: &Path, pods: u32) -> (f64, String) {
    let load = json!({"cpu": 100, "memory": 64, "duration": SECONDS});
    let spec = json!({"request_cpu": 100, "request_memory": 64, "limit_cpu": 100, "limit_memory": 64});
    let nodes = pods / 10;
    // Its input is YAML with tags, which JSON within YAML may have too.
    let spec = spec.to_string().replace('}', &format!(", \"load\": !Constant {load}}}"));
    let input = format!(
        "monitoring: {{self_update_period: 10000}}\n\
         scheduler: {{self_update_period: 1, unschedulable_queue_backoff_delay: 5}}\n\
         nodes:\n- node_group:\n  amount: {nodes}\n  node: {{spec: {{installed_cpu: 4000, installed_memory: 8000}}}}\n\
         trace:\n- submit_time: 1\n  event: !AddPodGroup\n    pod_count: {pods}\n    pod: {{spec: {spec}}}\n"
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kuber_sim");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    std::fs::write(folder.join("in_load_type_constant.yaml"), input).expect("the input can be written");
    let since = Instant::now();
    let out = Command::new(example).current_dir(&folder).output().expect("the example can be started");
    let seconds = since.elapsed().as_secs_f64();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    (seconds, String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// The median of some rounds.
fn median(mut one: impl FnMut() -> f64) -> f64 {
    let mut all: Vec<f64> = (0..ROUNDS).map(|_| one()).collect();
    all.sort_by(f64::total_cmp);
    all[ROUNDS / 2]
}

fn main() {
    for pending in [5_000, 150_000] {
        let (ours, theirs) = (median(|| wavetank_timers(pending)), median(|| simcore_timers(pending)));
        println!(
            "timers, {pending} pending: wavetank {:.1} M events/s, simcore {:.1} M events/s",
            ours / 1e6,
            theirs / 1e6
        );
    }
    for pods in [1_000, 10_000] {
        let mut events = 0;
        let seconds = median(|| {
            let (seconds, handled) = wavetank_pods(pods);
            events = handled;
            seconds
        });
        println!(
            "pods, {pods} on {} nodes: wavetank {seconds:.2} s, {events} events, {:.0} us a pod",
            pods / 10,
            seconds * 1e6 / f64::from(pods)
        );
        if let Some(example) = std::env::var_os("KUBER_SIM") {
            let mut said = String::new();
            let seconds = median(|| {
                let (seconds, words) = kuber_sim_pods(Path::new(&example), pods);
                said = words;
                seconds
            });
            println!("pods, {pods} on {} nodes: kuber_sim {seconds:.2} s {said}", pods / 10);
        }
    }
}

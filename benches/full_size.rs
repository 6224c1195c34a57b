//! Full size: the whole control loop, from the first apply to the last drained node.
//!
//! `cargo bench --bench full_size [-- PODS…]`. So many pods (1,000, 10,000 and 50,000 if none are
//! given) on a thirtieth as many nodes (`-- PODS --dense`: on a hundredth, of room for as many): Deployments, StatefulSets, a DaemonSet, Jobs and Services are
//! applied, scheduled, started and ready; half of the Deployments are rolled once; a hundredth of the
//! nodes is drained. Everything is at full fidelity: default latencies, default plugins, every status
//! and every event. Told for each phase: the machine's time, what it costs for each pod, how many
//! events were handled, and the most memory that the process has had so far.
//!
//! `-- idle [PODS]` instead: a day of a settled cluster whose containers all have readiness and liveness probes.
//!
//! `-- what-if [NODES PODS]` instead: each of so many nodes (1,000 with 10,000 pods if none are given) is
//! drained in turn on a fork of the settled cluster, to its end.
//!
//! `-- cron` instead: one CronJob of each of some schedules over ten years, and a thousand of mixed
//! schedules over a month. `-- cron DAYS`: the first of them alone, for so many days.
//!
//! `-- year [DAYS]` instead: a thousand CronJobs of mixed schedules, 24,000 Jobs a day, over a year.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::disallowed_methods, reason = "the machine's clock is what it measures with")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wavetank::base::time::SimTime;
use wavetank::model::{Kind, Object};
use wavetank::scenario::cluster::{NodeSpec, Storage};
use wavetank::scenario::runner::{End, Plan, Runner, StepAction, TimedStep};
use wavetank::scenario::verify::{Trying, verify};
use wavetank::sim::Options;
use wavetank::trace::{Fact, FactKind};

/// As the program itself allocates.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PODS_OF_DEPLOYMENT: usize = 60;
const PODS_OF_SET: usize = 30;
const PODS_OF_JOB: usize = 20;

/// The namespace of the workloads of a number: one for about 3,000 pods.
fn namespace(pods: usize, i: usize) -> String {
    format!("team-{}", i % pods.div_ceil(3000))
}

fn workload(api_version: &str, kind: &str, name: &str, image: &str, spec: Value) -> Value {
    let labels = json!({"app": name});
    let mut out = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": name},
        "spec": {"template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "c", "image": image,
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}}},
    });
    if kind != "Job" {
        out["spec"]["selector"] = json!({"matchLabels": labels});
    }
    for (key, value) in spec.as_object().into_iter().flatten() {
        out["spec"][key] = value.clone();
    }
    out
}

fn service(name: &str, headless: bool) -> Value {
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    });
    if headless {
        service["spec"]["clusterIP"] = json!("None");
    }
    service
}

/// Manifests of about so many pods: 60 % in Deployments, 20 % in StatefulSets, 15 % in Jobs, the
/// DaemonSet's beside.
fn manifests(pods: usize) -> Vec<Value> {
    let space = |i: usize| {
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace(pods, i)}})
    };
    let mut out: Vec<Value> = (0..pods.div_ceil(3000)).map(space).collect();
    let mut put = |i: usize, mut object: Value| {
        object["metadata"]["namespace"] = json!(namespace(pods, i));
        out.push(object);
    };
    for i in 0..pods * 60 / 100 / PODS_OF_DEPLOYMENT {
        let name = format!("web-{i}");
        let spec = json!({"replicas": PODS_OF_DEPLOYMENT});
        put(i, workload("apps/v1", "Deployment", &name, "nginx:1.27", spec));
        put(i, service(&name, false));
    }
    for i in 0..pods * 20 / 100 / PODS_OF_SET {
        let name = format!("db-{i}");
        let policy = if i % 2 == 0 { "OrderedReady" } else { "Parallel" };
        let spec = json!({"replicas": PODS_OF_SET, "serviceName": name,
            "podManagementPolicy": policy});
        put(i, workload("apps/v1", "StatefulSet", &name, "redis:7", spec));
        put(i, service(&name, true));
    }
    for i in 0..pods * 15 / 100 / PODS_OF_JOB {
        let spec = json!({"completions": PODS_OF_JOB, "parallelism": PODS_OF_JOB / 2});
        let mut job = workload("batch/v1", "Job", &format!("job-{i}"), "busybox:1.36", spec);
        job["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
        job["spec"]["template"]["spec"]["containers"][0]["command"] =
            json!(["sh", "-c", "echo at work; sleep 60; echo done"]);
        put(i, job);
    }
    put(0, workload("apps/v1", "DaemonSet", "agent", "fluentd:v1.17", json!({})));
    out
}

/// What nodes a cluster has.
#[derive(Debug, Clone, Copy)]
enum Nodes {
    /// 30 pods on each: what Kubernetes is tested with at its largest.
    Common,
    /// A hundred pods on each, of room for 250.
    Dense,
}

impl Nodes {
    fn pods(self) -> usize {
        match self {
            Self::Common => 30,
            Self::Dense => 100,
        }
    }

    fn capacity(self) -> [(&'static str, &'static str); 3] {
        match self {
            Self::Common => [("cpu", "8"), ("memory", "32Gi"), ("pods", "110")],
            Self::Dense => [("cpu", "32"), ("memory", "128Gi"), ("pods", "250")],
        }
    }
}

fn step(at: Duration, action: StepAction) -> TimedStep {
    let written = String::new();
    let files = Default::default();
    TimedStep { at, written, action, files, ..TimedStep::default() }
}

/// The phases.
const PHASES: [&str; 4] = ["created, ready", "half rolled", "drained", "a day idle"];

/// When a phase begins, in virtual time: kube-controller-manager's clients send 20 requests a second,
/// so that much is to be waited for.
fn begin(pods: usize, phase: usize) -> Duration {
    Duration::from_secs(((pods / 10_000 + 1) * phase * 3600) as u64)
}

fn plan(pods: usize, on: Nodes) -> Plan {
    let nodes = (pods / on.pods()).max(1);
    let documents = (0..nodes).map(|i| {
        let mut node = NodeSpec::worker(format!("node-{i}"));
        for (resource, amount) in on.capacity() {
            node.capacity.insert(resource.into(), amount.into());
        }
        node.labels.insert("topology.kubernetes.io/zone".into(), format!("zone-{}", i % 3));
        node.object(u32::try_from(i).expect("few nodes"), Options::default().start.0)
    });
    let at = |phase| begin(pods, phase);
    let apply = StepAction::Apply { source: "all.yaml".into(), documents: manifests(pods) };
    let mut steps = vec![step(at(0), apply)];
    let deployments = pods * 60 / 100 / PODS_OF_DEPLOYMENT;
    for i in (0..deployments).step_by(2) {
        let space = namespace(pods, i);
        let line = format!("set image -n {space} deployment/web-{i} c=nginx:1.28");
        steps.push(step(at(1), StepAction::Kubectl(line)));
    }
    for i in 0..(nodes / 100).max(1) {
        let line = format!("drain node-{i} --ignore-daemonsets --force");
        steps.push(step(at(2), StepAction::Kubectl(line)));
    }
    Plan {
        options: Options::default(),
        snapshot: Default::default(),
        nodes: documents.collect(),
        storage: Storage::None,
        steps,
        end: End::After(at(3) + Duration::from_secs(24 * 3600)),
    }
}

/// The most memory that this process has had, in megabytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1000
}

/// Where the machine's time went, phase by phase.
struct Watch {
    start: SimTime,
    pods: usize,
    since: Instant,
    phase: usize,
    seconds: [f64; PHASES.len()],
    facts: [u64; PHASES.len()],
}

impl Watch {
    fn hear(&mut self, fact: &Fact) {
        while self.phase + 1 < PHASES.len()
            && fact.at >= self.start + begin(self.pods, self.phase + 1)
        {
            self.next();
        }
        self.facts[self.phase] += 1;
        if let FactKind::Step(step) = &fact.kind {
            assert_eq!(step.exit_code, 0, "{}: {}", step.arg, step.stderr);
        }
    }

    fn next(&mut self) {
        self.seconds[self.phase] = self.since.elapsed().as_secs_f64();
        (self.phase, self.since) = (self.phase + 1, Instant::now());
    }
}

fn full_size(pods: usize, on: Nodes) {
    let mut watch = Watch {
        start: Options::default().start.0,
        pods,
        since: Instant::now(),
        phase: 0,
        seconds: Default::default(),
        facts: Default::default(),
    };
    let mut runner = Runner::new(plan(pods, on), &mut |_| {}).expect("the cluster is right");
    println!("{pods} pods: built in {:.2} s", watch.since.elapsed().as_secs_f64());
    watch.since = Instant::now();
    runner.run(&mut |fact| watch.hear(fact));
    while watch.phase + 1 < PHASES.len() {
        watch.next();
    }
    watch.seconds[watch.phase] = watch.since.elapsed().as_secs_f64();
    let (mut running, mut done) = (0, 0);
    for object in runner.sim().store().list(Kind::Pod) {
        let Object::Pod(pod) = object else { continue };
        running += usize::from(pod.is_ready());
        done += usize::from(pod.is_terminal());
    }
    for (name, (seconds, facts)) in PHASES.iter().zip(watch.seconds.iter().zip(watch.facts)) {
        let each = seconds * 1e6 / pods as f64;
        println!("  {name:15} {seconds:>8.2} s {each:>8.1} µs a pod {facts:>10} facts");
    }
    let stats = runner.sim().stats();
    let whole: f64 = watch.seconds.iter().sum();
    println!(
        "  {:15} {whole:>8.2} s, {} events ({:.2} µs each), {} requests; {running} ready, {done} done; \
         at most {} MB; digest {:016x}",
        "in all",
        stats.events,
        whole * 1e6 / stats.events as f64,
        stats.requests,
        peak_memory(),
        runner.sim().digest(),
    );
}

fn cron_job(name: &str, schedule: &str) -> Value {
    let pod = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox:1.36",
        "command": ["sh", "-c", "echo at work"]}]});
    json!({"apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"schedule": schedule, "jobTemplate": {"spec": {"template": {"spec": pod}}}}})
}

fn cron(name: &str, documents: Vec<Value>, nodes: u32, days: u64) {
    let start = Options::default().start.0;
    let node = |i: u32| NodeSpec::worker(format!("node-{i}")).object(i, start);
    let plan = Plan {
        options: Options::default(),
        snapshot: Default::default(),
        nodes: (0..nodes).map(node).collect(),
        storage: Storage::None,
        steps: vec![step(
            Duration::ZERO,
            StepAction::Apply { source: "cron.yaml".into(), documents },
        )],
        end: End::After(Duration::from_secs(days * 24 * 3600)),
    };
    let since = Instant::now();
    let mut jobs = 0_u64;
    let mut runner = Runner::new(plan, &mut |_| {}).expect("the cluster is right");
    runner.run(&mut |fact| {
        if let FactKind::Object { object: Object::Job(_), old: None, .. } = &fact.kind {
            jobs += 1;
        }
    });
    let seconds = since.elapsed().as_secs_f64();
    println!(
        "{name:45} {seconds:>8.2} s, {jobs} Jobs ({:.0} µs each), {} events; at most {} MB; digest {:016x}",
        seconds * 1e6 / jobs.max(1) as f64,
        runner.sim().stats().events,
        peak_memory(),
        runner.sim().digest(),
    );
}

fn crons(days: Option<usize>) {
    let years = 3652;
    if let Some(days) = days {
        let name = format!("one CronJob, daily, {days} days");
        return cron(&name, vec![cron_job("one", "0 2 * * *")], 1, days as u64);
    }
    for (name, schedule) in [("daily", "0 2 * * *"), ("hourly", "0 * * * *")] {
        let name = format!("one CronJob, {name}, ten years");
        cron(&name, vec![cron_job("one", schedule)], 1, years);
    }
    let many = (0..1000).map(|i| {
        let schedule = match i % 4 {
            0 => format!("{} * * * *", i % 60),
            1 => format!("{} */6 * * *", i % 60),
            2 => format!("{} {} * * *", i % 60, i % 24),
            _ => format!("{} {} * * {}", i % 60, i % 24, i % 7),
        };
        cron_job(&format!("cron-{i}"), &schedule)
    });
    cron("1,000 CronJobs of mixed schedules, 30 days", many.collect(), 10, 30);
}

/// A thousand CronJobs that are due once an hour on the average.
fn year(days: u64) {
    let many = (0..1000).map(|i| {
        let (minute, half) = (i % 60, i % 30);
        let schedule = match i % 4 {
            0 => format!("{half},{} * * * *", half + 30),
            1 => format!("{minute} * * * *"),
            2 => format!("{minute} */2 * * *"),
            _ => format!("{minute} 1-23/2 * * *"),
        };
        cron_job(&format!("cron-{i}"), &schedule)
    });
    cron(&format!("1,000 CronJobs, 24,000 Jobs a day, {days} days"), many.collect(), 10, days);
}

/// A day of a settled cluster in which every container is probed.
fn idle(pods: usize) {
    let mut plan = plan(pods, Nodes::Common);
    plan.steps.truncate(1);
    if let StepAction::Apply { documents, .. } = &mut plan.steps[0].action {
        for document in
            documents.iter_mut().filter(|d| d["kind"] != "Job" && d["kind"] != "Service")
        {
            let port = if document["kind"] == "StatefulSet" { 6379 } else { 80 };
            let probe = json!({"tcpSocket": {"port": port}, "periodSeconds": 10});
            if let Some(container) = document.pointer_mut("/spec/template/spec/containers/0")
                && is_server(container)
            {
                container["readinessProbe"] = probe.clone();
                container["livenessProbe"] = probe;
            }
        }
    }
    let settled = begin(pods, 1);
    plan.steps.push(step(settled, StepAction::Kubectl("get nodes".into())));
    plan.end = End::After(settled + Duration::from_secs(24 * 3600));
    let (mut since, mut alone, mut events_of_day) = (Instant::now(), 0.0, 0_u64);
    let mut runner = Runner::new(plan, &mut |_| {}).expect("the cluster is right");
    runner.run(&mut |fact| match &fact.kind {
        FactKind::Step(step) if step.arg.starts_with("get nodes") => {
            alone = since.elapsed().as_secs_f64();
            since = Instant::now();
        }
        _ => events_of_day += u64::from(alone > 0.0),
    });
    let day = since.elapsed().as_secs_f64();
    let ready = runner.sim().store().list(Kind::Pod);
    let ready = ready.filter(|o| matches!(o, Object::Pod(pod) if pod.is_ready())).count();
    println!(
        "{pods} pods, probed: settled in {alone:.2} s with {ready} ready; a day after that: {day:.3} s, \
         {events_of_day} facts; at most {} MB",
        peak_memory()
    );
}

/// Whether something listens in the container.
fn is_server(container: &Value) -> bool {
    container["image"].as_str().is_some_and(|i| i.starts_with("nginx") || i.starts_with("redis"))
}

/// Drains each node in turn on a fork of the settled cluster.
fn what_if(nodes: usize, pods: usize) {
    let mut plan = plan(pods, Nodes::Common);
    let node = |i: usize| {
        let mut node = NodeSpec::worker(format!("node-{i}"));
        node.labels.insert("topology.kubernetes.io/zone".into(), format!("zone-{}", i % 3));
        node.object(u32::try_from(i).expect("few nodes"), Options::default().start.0)
    };
    plan.nodes = (0..nodes).map(node).collect();
    plan.steps.truncate(1);
    plan.end = End::Quiet;
    let since = Instant::now();
    Runner::new(plan.clone(), &mut |_| {}).expect("the cluster is right").run(&mut |_| {});
    let alone = since.elapsed().as_secs_f64();
    let since = Instant::now();
    let tried = verify(&plan, Trying::Drain).expect("the cluster is right");
    let drains = since.elapsed().as_secs_f64() - alone;
    let recovered = tried.iter().filter(|t| t.recovers).count();
    println!(
        "{nodes} nodes, {pods} pods: settled in {alone:.2} s; each drained from there: {drains:.2} s in all, \
         {:.2} ms a node; {recovered} as before in the end; at most {} MB",
        drains * 1e3 / nodes as f64,
        peak_memory(),
    );
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let given: Vec<usize> = words.iter().filter_map(|w| w.parse().ok()).collect();
    if words.iter().any(|w| w == "cron") {
        return crons(given.first().copied());
    }
    if words.iter().any(|w| w == "year") {
        return year(given.first().map_or(365, |days| *days as u64));
    }
    if words.iter().any(|w| w == "idle") {
        return idle(given.first().copied().unwrap_or(10_000));
    }
    if words.iter().any(|w| w == "what-if") {
        let (nodes, pods) = (given.first().copied(), given.get(1).copied());
        return what_if(nodes.unwrap_or(1000), pods.unwrap_or(10_000));
    }
    let sizes = if given.is_empty() { vec![1000, 10_000, 50_000] } else { given };
    let on = if words.iter().any(|w| w == "--dense") { Nodes::Dense } else { Nodes::Common };
    sizes.into_iter().for_each(|pods| full_size(pods, on));
}

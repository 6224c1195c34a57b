//! Checks of the container against recordings of a real busybox and a real bash.
//!
//! A case is one JSON object of the shell corpus: what is started, with which files and which world
//! around it, and what it did. [`check`] plays it and names the first difference.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::coreutils::durations;
use super::fs::Thing;
use super::net::{DnsRecord, HttpReply, HttpRule, Listener, Network, TcpServer};
use super::{
    Container, Ended, Limits, Mount, NslookupStyle, Output, OutputStream, Progress, Request,
    Signal, StartSpec, Tree, Volumes, World,
};
use crate::base::Str;
use crate::base::rng::Rng;
use crate::base::time::SimTime;

/// What a case did.
#[derive(Debug, Default)]
struct Played {
    stdout: Vec<(Duration, Vec<u8>)>,
    stderr: Vec<u8>,
    exit: Option<u8>,
    elapsed: Duration,
    files: Files,
    requests: Vec<Request>,
}

/// What files a run left behind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Files {
    changed: BTreeMap<String, Vec<u8>>,
    deleted: Vec<String>,
    dirs: Vec<String>,
    links: BTreeMap<String, String>,
}

/// Plays a case and compares it with what was recorded.
///
/// # Errors
/// The first difference, or what is wrong with the case, in words.
pub fn check(case: &Value) -> Result<(), String> {
    let played = play(case)?;
    let expect = &case["expect"];
    let first = compare(case, &played, expect);
    match (first, case["alt"].as_object()) {
        (Err(difference), Some(others)) => {
            // Another build of the same shell does this; either is right.
            if others.values().any(|other| compare(case, &played, other).is_ok()) {
                Ok(())
            } else {
                Err(difference)
            }
        }
        (result, _) => result,
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("")
}

/// A number of seconds, exactly.
fn seconds(value: &Value) -> Option<Duration> {
    durations::one(&value.as_number()?.to_string())
}

fn since(value: &Value, key: &str) -> Duration {
    seconds(&value[key]).unwrap_or_default()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn compare(case: &Value, played: &Played, expect: &Value) -> Result<(), String> {
    let stdout: Vec<u8> = played.stdout.iter().flat_map(|(_, b)| b.iter().copied()).collect();
    differ("stdout", text(expect, "stdout"), &String::from_utf8_lossy(&stdout))?;
    if let Some(stderr) = expect["stderr"].as_str() {
        differ("stderr", stderr, &String::from_utf8_lossy(&played.stderr))?;
    }
    let exit = expect["exit"].as_u64().and_then(|n| u8::try_from(n).ok());
    differ("exit", &format!("{exit:?}"), &format!("{:?}", played.exit))?;
    let elapsed = seconds(&expect["elapsed_s"]).ok_or("the case has no elapsed_s")?;
    differ("elapsed", &format!("{elapsed:?}"), &format!("{:?}", played.elapsed))?;
    let files = expected_files(expect);
    differ("files", &format!("{files:?}"), &format!("{:?}", played.files))?;
    if let Some(at) = expect["stdout_at"].as_array() {
        let want: Vec<(Duration, String)> = at
            .iter()
            .map(|e| (seconds(&e[0]).unwrap_or_default(), e[1].as_str().unwrap_or("").to_owned()))
            .collect();
        let got: Vec<(Duration, String)> = played
            .stdout
            .iter()
            .map(|(t, b)| (*t, String::from_utf8_lossy(b).into_owned()))
            .collect();
        differ("stdout_at", &format!("{want:?}"), &format!("{got:?}"))?;
    }
    if let Some(requests) = expect["requests"].as_array() {
        let want: Vec<String> = requests
            .iter()
            .map(|r| format!("{} {} {} {:?}", r[0], r[1], r[2], r[3].as_str()))
            .collect();
        let start = start_time(case);
        let got: Vec<String> =
            played.requests.iter().map(|r| request_text(case, r, start)).collect();
        differ("requests", &want.join("\n"), &got.join("\n"))?;
    }
    Ok(())
}

fn differ(what: &str, want: &str, got: &str) -> Result<(), String> {
    if want == got { Ok(()) } else { Err(format!("{what}\n  want {want:?}\n  got  {got:?}")) }
}

fn request_text(case: &Value, request: &Request, start: SimTime) -> String {
    let at = request.at.since(start);
    let name = list(&case["world"], "services")
        .iter()
        .find(|s| s["ip"].as_str() == Some(&request.to.ip().to_string()))
        .map_or("", |s| text(s, "name"));
    let time = if at.subsec_nanos() == 0 {
        at.as_secs().to_string()
    } else {
        format!("{}", at.as_secs_f64())
    };
    let body = request.body.as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
    format!("{time} {name:?} {:?} {:?}", request.line, body.as_deref())
}

fn expected_files(expect: &Value) -> Files {
    let mut files = Files::default();
    for (path, content) in expect["files"].as_object().into_iter().flatten() {
        files.changed.insert(path.clone(), content.as_str().unwrap_or("").as_bytes().to_vec());
    }
    let names = |key: &str| -> Vec<String> {
        let mut all: Vec<String> =
            list(expect, key).iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
        all.sort();
        all
    };
    files.deleted = names("deleted");
    files.dirs = names("dirs");
    for (path, target) in expect["links"].as_object().into_iter().flatten() {
        files.links.insert(path.clone(), target.as_str().unwrap_or("").to_owned());
    }
    files
}

fn start_time(case: &Value) -> SimTime {
    SimTime::from_secs(case["world"]["now"].as_u64().unwrap_or(0).min(9_000_000_000))
}

/// Puts the case's files into the container.
fn put_files(case: &Value, tree: &mut Tree, at: SimTime) -> Result<(), String> {
    for (path, file) in case["files"].as_object().into_iter().flatten() {
        if let Some(dir) = path.strip_suffix('/') {
            tree.make_dirs(dir, super::fs::Stamp { at, uid: 0, gid: 0 })
                .map_err(|e| format!("{path}: {e}"))?;
            continue;
        }
        let (mode, content) = match file {
            Value::Object(o) => {
                let mode = o
                    .get("mode")
                    .and_then(Value::as_str)
                    .and_then(|m| u16::from_str_radix(m, 8).ok());
                (mode.unwrap_or(0o644), o.get("content").and_then(Value::as_str).unwrap_or(""))
            }
            other => (0o644, other.as_str().unwrap_or("")),
        };
        tree.put(path, mode, content.as_bytes(), at).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn play(case: &Value) -> Result<Played, String> {
    let start = start_time(case);
    let budget = seconds(&case["budget_s"]).ok_or("the case has no budget_s")?;
    let argv: Vec<Str> =
        list(case, "argv").iter().filter_map(|a| a.as_str().map(Str::from)).collect();
    let env: Vec<(Str, Str)> = case["env"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.as_str().into(), v.as_str().unwrap_or("").into()))
        .collect();
    let hostname = case["env"]["HOSTNAME"].as_str().unwrap_or("pod-0");
    let mounts: [Mount; 0] = [];
    let spec = StartSpec {
        hosts: "",
        behavior: None,
        image: text(case, "image"),
        argv: Some(&argv),
        env: &env,
        cwd: case["cwd"].as_str().unwrap_or("/"),
        uid: u32::try_from(case["uid"].as_u64().unwrap_or(0)).unwrap_or(0),
        gid: 0,
        hostname,
        resolv: "",
        pod_ip: Some(Ipv4Addr::new(10, 244, 1, 7)),
        namespace: "default",
        mounts: &mounts,
        stdin: b"",
        service: false,
        limits: Limits::default(),
        random: (Rng::new(1), text(case, "id")),
        nslookup: NslookupStyle::EveryDomain,
        first_pid: 1,
    };
    let mut changes = change_times(&case["world"]);
    changes.retain(|t| *t < budget);
    let mut volumes = Volumes::new();
    let mut network = network_at(&case["world"], Duration::ZERO);
    let mut played = Played::default();
    let mut world = World { now: start, network: &network, volumes: &mut volumes };
    let mut prepared = Ok(());
    let started = Container::start_with(
        &spec,
        &mut world,
        Some(&mut |tree| {
            prepared = put_files(case, tree, start);
        }),
    );
    prepared?;
    let mut container = match started {
        Ok(container) => container,
        Err(e) => return Err(format!("it did not start: {e}")),
    };
    let mut before = snapshot(&container);
    let mut now = Duration::ZERO;
    let mut pending: Vec<Duration> = changes.into_iter().rev().collect();
    if pending.last() == Some(&Duration::ZERO) {
        pending.pop();
    }
    loop {
        let mut world =
            World { now: start.saturating_add(now), network: &network, volumes: &mut volumes };
        let progress = container.run(&mut world);
        let wake = progress.wake;
        if take(&mut played, progress, start, now) {
            break;
        }
        let wake = wake.map(|at| at.since(start));
        let Some(next) =
            [wake, pending.last().copied()].into_iter().flatten().min().filter(|t| *t < budget)
        else {
            played.elapsed = budget;
            break;
        };
        now = next;
        if pending.last() == Some(&now) {
            pending.pop();
            network = network_at(&case["world"], now);
            let mut world =
                World { now: start.saturating_add(now), network: &network, volumes: &mut volumes };
            happen(&case["world"], now, &mut container, &mut world)?;
            // What another container writes anew is no change of this one's.
            let written = |e: &&Value| since(e, "at") == now && e["write"].is_string();
            if list(&case["world"], "events").iter().any(|e| written(&e)) {
                let after = snapshot(&container);
                for event in list(&case["world"], "events").iter().filter(written) {
                    let path = text(event, "write");
                    before.extend(after.get(path).map(|thing| (path.to_owned(), thing.clone())));
                }
            }
        }
    }
    played.files = changed_files(&before, &snapshot(&container));
    Ok(played)
}

/// Adds what happened; true when the container is over.
fn take(played: &mut Played, progress: Progress, start: SimTime, now: Duration) -> bool {
    for Output { at, stream, bytes } in progress.output {
        match stream {
            OutputStream::Stderr => played.stderr.extend(bytes),
            OutputStream::Stdout => {
                let at = at.since(start);
                match played.stdout.last_mut() {
                    Some((t, all)) if *t == at => all.extend(bytes),
                    _ => played.stdout.push((at, bytes)),
                }
            }
        }
    }
    played.requests.extend(progress.requests);
    if let Some(ended) = progress.ended {
        played.exit = Some(Ended::code(ended));
        played.elapsed = now;
    }
    progress.ended.is_some()
}

/// The times at which the world changes.
fn change_times(world: &Value) -> Vec<Duration> {
    let mut times = Vec::new();
    for service in list(world, "services") {
        times.push(since(service, "from"));
        times.extend(seconds(&service["to"]));
        for pod in service["pods"].as_object().into_iter().flatten() {
            times.push(since(pod.1, "from"));
        }
        for port in list(service, "ports") {
            times.push(since(port, "up"));
            times.extend(seconds(&port["down"]));
            times.extend(seconds(&port["starting_until"]));
            times.extend(list(port, "http").iter().map(|r| since(r, "from")));
        }
    }
    times.extend(seconds(&world["dns_down_until"]));
    times.extend(list(world, "events").iter().map(|e| since(e, "at")));
    times.sort();
    times.dedup();
    times
}

/// Does what happens from outside at a time.
fn happen(
    world: &Value,
    now: Duration,
    container: &mut Container,
    around: &mut World<'_>,
) -> Result<(), String> {
    let at = around.now;
    for event in list(world, "events").iter().filter(|e| since(e, "at") == now) {
        if let Some(name) = event["signal"].as_str() {
            let signal = Signal::named(name).ok_or_else(|| format!("no signal {name}"))?;
            container.signal(signal, around);
            continue;
        }
        let content = text(event, "content").as_bytes();
        let Some(tree) = container.files_mut() else { continue };
        let done = if let Some(path) = event["write"].as_str() {
            tree.put(path, 0o644, content, at)
        } else if let Some(path) = event["append"].as_str() {
            tree.append(path, content, at)
        } else {
            tree.take_away(text(event, "remove"), at);
            Ok(())
        };
        done.map_err(|e| e.to_string())?;
    }
    container.network_changed();
    Ok(())
}

/// The network of a world at a time.
fn network_at(world: &Value, now: Duration) -> Network {
    let mut net = Network::new();
    net.dns_up = seconds(&world["dns_down_until"]).is_none_or(|t| now >= t);
    net.black_hole(Ipv4Addr::new(10, 97, 0, 0), 16);
    let own = |ip: [u8; 4]| DnsRecord::one(IpAddr::V4(Ipv4Addr::from(ip)));
    net.set_name("kubernetes.default.svc.cluster.local", own([10, 96, 0, 1]));
    net.set_name("kube-dns.kube-system.svc.cluster.local", own([10, 96, 0, 10]));
    for (name, ip) in world["hosts"].as_object().into_iter().flatten() {
        if let Some(ip) = ip.as_str().and_then(|i| i.parse().ok()) {
            net.set_name(name, DnsRecord { external: true, ..DnsRecord::one(ip) });
        }
    }
    for service in list(world, "services") {
        add_service(&mut net, service, now);
    }
    net
}

fn add_service(net: &mut Network, service: &Value, now: Duration) {
    let exists = since(service, "from") <= now && seconds(&service["to"]).is_none_or(|t| now < t);
    let domain = format!(
        "{}.{}.svc.cluster.local",
        text(service, "name"),
        service["ns"].as_str().unwrap_or("default")
    );
    let ip: Option<IpAddr> = service["ip"].as_str().and_then(|i| i.parse().ok());
    let mut pods = Vec::new();
    for (name, pod) in service["pods"].as_object().into_iter().flatten() {
        let (address, from) = match pod {
            Value::Object(_) => (text(pod, "ip"), since(pod, "from")),
            other => (other.as_str().unwrap_or(""), Duration::ZERO),
        };
        if let Ok(ip) = address.parse::<IpAddr>()
            && from <= now
        {
            pods.push((name, ip));
        }
    }
    if exists {
        for (name, ip) in &pods {
            net.set_name(&format!("{name}.{domain}"), DnsRecord::one(*ip));
        }
        let addresses = if service["headless"].as_bool() == Some(true) {
            pods.iter().map(|p| p.1).collect()
        } else {
            ip.into_iter().collect::<smallvec::SmallVec<[IpAddr; 1]>>()
        };
        if !addresses.is_empty() {
            net.set_name(&domain, DnsRecord { addresses, external: false });
        }
    }
    for port in list(service, "ports") {
        let up = since(port, "up") <= now && seconds(&port["down"]).is_none_or(|t| now < t);
        let Some(number) = port["port"].as_u64().and_then(|p| u16::try_from(p).ok()) else {
            continue;
        };
        if up {
            for ip in ip.iter().copied().chain(pods.iter().map(|p| p.1)) {
                net.listen(SocketAddr::new(ip, number), listener(port, now));
            }
        }
    }
}

fn listener(port: &Value, now: Duration) -> Listener {
    match text(port, "kind") {
        "http" => {
            let rules: Vec<HttpRule> = list(port, "http")
                .iter()
                .filter(|r| since(r, "from") <= now)
                .map(http_rule)
                .collect();
            // A server whose rules all begin later has rules all the same.
            let never = HttpRule { path: Some("\0".into()), ..HttpRule::default() };
            let rules = if rules.is_empty() && !list(port, "http").is_empty() {
                vec![never]
            } else {
                rules
            };
            Listener::Http(rules.into())
        }
        "postgres" => Listener::Postgres {
            accepting: seconds(&port["starting_until"]).is_none_or(|t| now >= t),
        },
        "redis" => Listener::Redis,
        _ => Listener::Tcp(Arc::new(TcpServer {
            banner: text(port, "banner").as_bytes().to_vec(),
            close: port["close"].as_bool() == Some(true),
            echo: port["echo"].as_bool() == Some(true),
        })),
    }
}

fn http_rule(rule: &Value) -> HttpRule {
    let optional = |key: &str| rule[key].as_str().map(Str::from);
    let headers = rule["headers"].as_object().into_iter().flatten();
    HttpRule {
        path: optional("path"),
        method: optional("method"),
        header: optional("header"),
        reply: HttpReply {
            status: rule["status"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or(200),
            headers: headers
                .map(|(k, v)| (k.as_str().into(), v.as_str().unwrap_or("").into()))
                .collect(),
            body: text(rule, "body").as_bytes().to_vec(),
            echo_body: rule["echo_body"].as_bool() == Some(true),
            delay: since(rule, "delay"),
        },
    }
}

/// Every file, directory and link of the container's own tree: content, or a target with a mark.
fn snapshot(container: &Container) -> BTreeMap<String, Thing> {
    let mut out = BTreeMap::new();
    let Some(tree) = container.files() else { return out };
    for (path, thing) in tree.everything() {
        out.insert(path, thing);
    }
    out
}

fn changed_files(before: &BTreeMap<String, Thing>, after: &BTreeMap<String, Thing>) -> Files {
    let mut files = Files::default();
    for (path, thing) in after {
        match thing {
            Thing::File(content) if before.get(path) != Some(thing) => {
                files.changed.insert(path.clone(), content.clone());
            }
            Thing::Link(target) if before.get(path) != Some(thing) => {
                files.links.insert(path.clone(), target.clone());
            }
            Thing::Dir { empty: true } if !before.contains_key(path) => {
                files.dirs.push(path.clone())
            }
            Thing::File(_) | Thing::Link(_) | Thing::Dir { .. } | Thing::Other => {}
        }
    }
    files.deleted = before
        .iter()
        .filter(|(p, t)| matches!(t, Thing::File(_) | Thing::Link(_)) && !after.contains_key(*p))
        .map(|(p, _)| p.clone())
        .collect();
    files
}

//! `kubectl debug`: a container more in a pod that runs, a copy of it, or a pod on a node.
//!
//! After `pkg/cmd/debug/debug.go`, `debugByEphemeralContainer`. Nobody is attached: what the container writes is read
//! with `kubectl logs -c`.

use serde_json::{Value, json};

use super::args::Args;
use super::debug_copy;
use super::resource::{self, Info, Ways};
use super::table::{Flag, Treatment, Verb, list, switch, text, texts};
use super::{Cx, Done, Failure, OnError, Send, Task, Tasks};
use crate::api::{image, names};
use crate::base::digest::digest_of;
use crate::base::rng::SUFFIX_ALPHABET;
use crate::model::{Key, Kind, Object, Ref};
use crate::store::{DeleteOptions, PatchType, Request, WireVerb};

const FLAGS: &[Flag] = &[
    switch("arguments-only"),
    switch("attach").ignored("nothing is attached"),
    text("container").letter('c'),
    text("copy-to"),
    switch("replace"),
    texts("env"),
    text("image"),
    text("image-pull-policy"),
    switch("keep-labels"),
    switch("keep-annotations"),
    switch("keep-liveness"),
    switch("keep-readiness"),
    switch("keep-startup"),
    switch("keep-init-containers"),
    texts("set-image"),
    switch("same-node"),
    switch("share-processes"),
    list("filename").letter('f'),
    switch("stdin").letter('i'),
    switch("quiet").letter('q'),
    text("target"),
    switch("tty").letter('t'),
    text("profile").or("general"),
    text("custom").refused("use kubectl patch --subresource=ephemeralcontainers"),
];

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "debug",
    aliases: &[],
    usage: "debug (POD | TYPE[[.VERSION].GROUP]/NAME) [ -- COMMAND [args...] ]",
    about: "Create debugging sessions for troubleshooting workloads and nodes.",
    flags: &[FLAGS],
    treatment: Treatment::Simplified(
        "a container is added to a pod or a copy of it, or a pod is made on a node; nothing is attached",
    ),
    plan,
}];

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let given = args.text("image");
    needs(args)?;
    if !given.is_empty() && image::parse(given).is_none() {
        return Err(format!("invalid image name {given:?}: invalid reference format").into());
    }
    let named = match args.dash {
        Some(at) => &args.words[..at],
        None => &args.words[..],
    };
    if named.is_empty() && args.list("filename").is_empty() {
        return Err("NAME or filename is required for debug".into());
    }
    match args.text("image-pull-policy") {
        "" | "Always" | "IfNotPresent" | "Never" => {}
        other => return Err(format!("invalid image pull policy: {other}").into()),
    }
    if args.on("tty") && !args.on("stdin") {
        return Err("-i/--stdin is required for containers with -t/--tty=true".into());
    }
    let mut tasks = Tasks::new();
    let quiet = args.on("quiet");
    if !args.text("target").is_empty() && !args.text("copy-to").is_empty() {
        return Err(
            "--target is incompatible with --copy-to. Use --share-processes instead.".into()
        );
    }
    if !args.text("target").is_empty() && !quiet {
        tasks.push(Task::Say(format!(
            "Targeting container {:?}. If you don't see processes from this container it may be because the container runtime doesn't support this feature.\n",
            args.text("target")
        )));
    }
    let line = args.with_words(named.to_vec());
    // A word without a type names a pod.
    let typed = named.iter().any(|word| word.contains('/'));
    let ways = Ways { only: (!typed).then_some(Kind::Pod), ..Ways::default() };
    for info in resource::find(&line, cx, ways)?.infos {
        let info = info?;
        let pod = match &info.object {
            Some(Object::Pod(_)) if !args.text("copy-to").is_empty() => {
                tasks.extend(copy(&info, args)?);
                continue;
            }
            Some(Object::Pod(pod)) => pod,
            Some(Object::Node(node)) => {
                tasks.extend(on_node(&info, node.meta.uid.bits(), args, cx)?);
                continue;
            }
            _ => return Err(format!("{:?} not supported by debug", info.resource.kind).into()),
        };
        tasks.extend(add(&info, pod.meta.uid.bits(), args)?);
    }
    Ok(tasks)
}

/// Adds a container to a pod.
fn add(info: &Info, uid: u128, args: &Args) -> Result<Vec<Task>, Failure> {
    let before = info.wire();
    let (name, note) = match args.text("container") {
        "" => {
            let name = free_name(&before, uid);
            let note = format!("Defaulting debug container name to {name}.\n");
            (name, Some(note))
        }
        name => (name.to_owned(), None),
    };
    let mut tasks: Vec<Task> =
        note.filter(|_| !args.on("quiet")).map(Task::Say).into_iter().collect();
    let added = container(&name, args)?;
    let request = Request::Wire {
        verb: WireVerb::Patch(PatchType::Strategic),
        target: info.reference(),
        body: Box::new(json!({"spec": {
            "$setElementOrder/ephemeralContainers": order(&before, &name),
            "ephemeralContainers": [added],
        }})),
        subresource: Some("ephemeralcontainers"),
    };
    tasks.push(Send::task(request, Done::Say(String::new()), OnError::Say));
    Ok(tasks)
}

/// What a line must say, and what goes together (`Validate`).
fn needs(args: &Args) -> Result<(), Failure> {
    let words = args.dash.is_some_and(|at| args.words.len() > at);
    let (image, sets) = (!args.text("image").is_empty(), !args.list("set-image").is_empty());
    if !args.text("copy-to").is_empty() {
        if !image && !sets && !words {
            return Err("you must specify --image, --set-image or command arguments.".into());
        }
        if words && args.text("container").is_empty() && !image {
            return Err(
                "you must specify an existing container or a new image when specifying args."
                    .into(),
            );
        }
        return Ok(());
    }
    for flag in ["replace", "same-node"] {
        if args.on(flag) {
            return Err(format!("--{flag} may only be used with --copy-to.").into());
        }
    }
    if sets {
        return Err("--set-image may only be used with --copy-to.".into());
    }
    if !image {
        return Err("you must specify --image when not using --copy-to.".into());
    }
    Ok(())
}

/// Makes a copy of a pod, and with `--replace` removes the pod.
fn copy(info: &Info, args: &Args) -> Result<Vec<Task>, Failure> {
    let uid = info.object.as_ref().map_or(0, |o| o.meta().uid.bits());
    let mut note = None;
    let named = |pod: &Value| {
        let name = free_name(pod, uid);
        note = Some(format!("Defaulting debug container name to {name}.\n"));
        name
    };
    let (pod, _) = debug_copy::copy(&info.wire(), named, args)?;
    let mut tasks: Vec<Task> =
        note.filter(|_| !args.on("quiet")).map(Task::Say).into_iter().collect();
    let target = info.resource.reference(&info.namespace, args.text("copy-to"));
    tasks.push(make(target, pod));
    if args.on("replace") {
        tasks.push(Task::StopIfFailed);
        let options =
            DeleteOptions { grace: Some(std::time::Duration::ZERO), ..DeleteOptions::default() };
        let request = Request::Delete { target: info.reference(), options };
        tasks.push(Send::task(request, Done::Say(String::new()), OnError::Say));
    }
    Ok(tasks)
}

/// Makes a pod on a node.
fn on_node(info: &Info, uid: u128, args: &Args, cx: &Cx<'_>) -> Result<Vec<Task>, Failure> {
    let taken =
        |name: &str| cx.look.store.get(Kind::Pod, &Key::new(cx.namespace.as_str(), name)).is_some();
    let names = (0..).map(|seed| format!("node-debugger-{}-{}", info.name, letters(seed, uid)));
    let name = names.into_iter().find(|name| !taken(name)).unwrap_or_default();
    let pod = debug_copy::on_node(info, &name, args, cx)?;
    let container = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default();
    let text = format!(
        "Creating debugging pod {name} with container {container} on node {}.\n",
        info.name
    );
    let mut tasks = Vec::new();
    if !args.on("quiet") {
        tasks.push(Task::Say(text));
    }
    tasks.push(make(Ref::new(Kind::Pod, cx.namespace.as_str(), name), pod));
    Ok(tasks)
}

fn make(target: Ref, pod: Value) -> Task {
    let request =
        Request::Wire { verb: WireVerb::Create, target, body: Box::new(pod), subresource: None };
    Send::task(request, Done::Say(String::new()), OnError::Say)
}

/// Five characters that belong to an object.
fn letters(seed: u64, uid: u128) -> String {
    let mut bits = digest_of(seed, &uid.to_le_bytes());
    let letters = (0..5).map(|_| {
        let at = usize::try_from(bits % 27).expect("below 27");
        bits /= 27;
        char::from(SUFFIX_ALPHABET[at])
    });
    letters.collect()
}

/// The new container goes last, as the patch that kubectl makes says.
fn order(pod: &Value, name: &str) -> Vec<Value> {
    let held = pod["spec"]["ephemeralContainers"].as_array().into_iter().flatten();
    let held: Vec<&str> = held.filter_map(|c| c["name"].as_str()).filter(|n| *n != name).collect();
    held.into_iter().chain([name]).map(|name| json!({"name": name})).collect()
}

/// `debugger-` and five characters that belong to this pod and its next container.
fn free_name(pod: &Value, uid: u128) -> String {
    let taken = |name: &str| {
        ["containers", "initContainers", "ephemeralContainers"].iter().any(|list| {
            pod["spec"][*list].as_array().into_iter().flatten().any(|c| c["name"] == name)
        })
    };
    let candidate = |seed: u64| format!("debugger-{}", letters(seed, uid));
    (0..).map(candidate).find(|name| !taken(name)).unwrap_or_default()
}

/// The new container (`generateDebugContainer`), with what the profile adds (`profiles.go`).
fn container(name: &str, args: &Args) -> Result<Value, Failure> {
    let mut added = json!({
        "name": name,
        "image": args.text("image"),
        "resources": {},
        "terminationMessagePolicy": "File",
    });
    let env = env(args)?;
    if !env.is_empty() {
        added["env"] = env.into();
    }
    let words = args.dash.map_or(&[][..], |at| &args.words[at..]);
    if !words.is_empty() {
        added[if args.on("arguments-only") { "args" } else { "command" }] = words.into();
    }
    for (flag, field) in
        [("image-pull-policy", "imagePullPolicy"), ("target", "targetContainerName")]
    {
        if !args.text(flag).is_empty() {
            added[field] = args.text(flag).into();
        }
    }
    for flag in ["stdin", "tty"] {
        if args.on(flag) {
            added[flag] = true.into();
        }
    }
    if let Some(context) = context(args)? {
        added["securityContext"] = context;
    }
    Ok(added)
}

/// The variables of a container.
pub(super) fn env(args: &Args) -> Result<Vec<Value>, Failure> {
    let mut env = Vec::new();
    for pair in args.list("env") {
        match pair.split_once('=') {
            Some((key, value)) if names::env_var_name(key).is_empty() => {
                env.push(json!({"name": key, "value": value}));
            }
            _ => return Err(format!("invalid argument {pair:?} for \"--env\" flag").into()),
        }
    }
    Ok(env)
}

/// The security context that the profile gives a container.
pub(super) fn context(args: &Args) -> Result<Option<Value>, Failure> {
    Ok(match args.text("profile") {
        "legacy" | "baseline" => None,
        "general" => Some(json!({"capabilities": {"add": ["SYS_PTRACE"]}})),
        "netadmin" => Some(json!({"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}})),
        "sysadmin" => Some(json!({"privileged": true})),
        "restricted" => Some(json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        })),
        other => return Err(format!("unknown profile: {other}").into()),
    })
}

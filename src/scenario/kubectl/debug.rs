//! `kubectl debug`: a container more in a pod that runs.
//!
//! After `pkg/cmd/debug/debug.go`, `debugByEphemeralContainer`. Nobody is attached: what the container writes is read
//! with `kubectl logs -c`. Copies of pods and pods on nodes are refused.

use serde_json::{Value, json};

use super::args::Args;
use super::resource::{self, Ways};
use super::table::{Flag, Treatment, Verb, list, switch, text, texts};
use super::{Cx, Done, Failure, OnError, Send, Task, Tasks};
use crate::api::{image, names};
use crate::base::digest::digest_of;
use crate::base::rng::SUFFIX_ALPHABET;
use crate::model::{Kind, Object};
use crate::store::{PatchType, Request, WireVerb};

const COPY: &str = "copies of pods are not made: write the manifest of a second pod";

const FLAGS: &[Flag] = &[
    switch("arguments-only"),
    switch("attach").ignored("nothing is attached"),
    text("container").letter('c'),
    text("copy-to").refused(COPY),
    switch("replace").refused(COPY),
    texts("env"),
    text("image"),
    text("image-pull-policy"),
    switch("keep-labels").refused(COPY),
    switch("keep-annotations").refused(COPY),
    switch("keep-liveness").refused(COPY),
    switch("keep-readiness").refused(COPY),
    switch("keep-startup").refused(COPY),
    switch("keep-init-containers").refused(COPY),
    texts("set-image").refused(COPY),
    switch("same-node").refused(COPY),
    switch("share-processes").refused(COPY),
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
        "a container is added to a pod; nothing is attached, and nothing copied",
    ),
    plan,
}];

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let given = args.text("image");
    if given.is_empty() {
        return Err("you must specify --image when not using --copy-to.".into());
    }
    if image::parse(given).is_none() {
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
    if !args.text("target").is_empty() && !quiet {
        tasks.push(Task::Say(format!(
            "Targeting container {:?}. If you don't see processes from this container it may be because the container runtime doesn't support this feature.\n",
            args.text("target")
        )));
    }
    let line = args.with_words(named.to_vec());
    let ways = Ways { only: Some(Kind::Pod), ..Ways::default() };
    for info in resource::find(&line, cx, ways)?.infos {
        let info = info?;
        let Some(Object::Pod(pod)) = &info.object else {
            return Err(format!("{:?} not supported by debug", info.resource.kind).into());
        };
        let before = info.wire();
        let (name, note) = match args.text("container") {
            "" => {
                let name = free_name(&before, pod.meta.uid.bits());
                let note = format!("Defaulting debug container name to {name}.\n");
                (name, Some(note))
            }
            name => (name.to_owned(), None),
        };
        tasks.extend(note.filter(|_| !quiet).map(Task::Say));
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
    }
    Ok(tasks)
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
    let candidate = |seed: u64| {
        let mut bits = digest_of(seed, &uid.to_le_bytes());
        let letters = (0..5).map(|_| {
            let at = usize::try_from(bits % 27).expect("below 27");
            bits /= 27;
            char::from(SUFFIX_ALPHABET[at])
        });
        format!("debugger-{}", letters.collect::<String>())
    };
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
    let mut env = Vec::new();
    for pair in args.list("env") {
        match pair.split_once('=') {
            Some((key, value)) if names::env_var_name(key).is_empty() => {
                env.push(json!({"name": key, "value": value}));
            }
            _ => return Err(format!("invalid argument {pair:?} for \"--env\" flag").into()),
        }
    }
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
    let context = match args.text("profile") {
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
    };
    if let Some(context) = context {
        added["securityContext"] = context;
    }
    Ok(added)
}

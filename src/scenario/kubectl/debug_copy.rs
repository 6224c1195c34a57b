//! `kubectl debug` with a pod of its own: a copy of a pod (`--copy-to`), or a pod on a node.
//!
//! After `pkg/cmd/debug/debug.go` (`generatePodCopyWithDebugContainer`, `generateNodeDebugPod`) and
//! `profiles.go`.

use serde_json::{Map, Value, json};

use super::args::Args;
use super::resource::Info;
use super::{Cx, Failure};
use crate::api::convert::SERVICE_ACCOUNT_VOLUME;

/// The copy of a pod, and the name of its container that is looked with; none where images alone are
/// changed.
///
/// # Errors
/// What the line leaves open.
pub(super) fn copy(
    pod: &Value,
    free_name: impl FnOnce(&Value) -> String,
    args: &Args,
) -> Result<(Value, Option<String>), Failure> {
    let mut spec = pod["spec"].clone();
    for field in ["ephemeralContainers", "priority"] {
        remove(&mut spec, field);
    }
    without_token(&mut spec);
    if args.given("share-processes") {
        spec["shareProcessNamespace"] = args.on("share-processes").into();
    }
    if !args.on("same-node") {
        remove(&mut spec, "nodeName");
    }
    let images = images(args)?;
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        let name = container["name"].as_str().unwrap_or_default().to_owned();
        let image = images.get(&name).or_else(|| images.get("*"));
        if let Some(image) = image {
            container["image"] = image.clone();
        }
    }
    let mut copied = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
        "name": args.text("copy-to"),
        "namespace": pod["metadata"]["namespace"],
        "labels": pod["metadata"]["labels"],
        "annotations": pod["metadata"]["annotations"],
    }, "spec": spec});
    let given = args.text("container");
    let known = position(&copied, given).is_some();
    if !known && args.text("image").is_empty() {
        if args.list("set-image").is_empty() {
            return Err("you must specify image when creating new container".into());
        }
        return Ok((copied, None));
    }
    let name = if given.is_empty() { free_name(&copied) } else { given.to_owned() };
    if !known && let Some(list) = copied["spec"]["containers"].as_array_mut() {
        list.push(json!({"name": name, "terminationMessagePolicy": "File"}));
    }
    let at = position(&copied, &name).unwrap_or_default();
    fill(&mut copied["spec"]["containers"][at], args)?;
    profile_of_copy(&mut copied, at, args)?;
    Ok((copied, Some(name)))
}

/// A pod on a node, by that name.
///
/// # Errors
/// A profile or variable that cannot be.
pub(super) fn on_node(node: &Info, name: &str, args: &Args, cx: &Cx<'_>) -> Result<Value, Failure> {
    let container = match args.text("container") {
        "" => "debugger",
        given => given,
    };
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
        "name": name,
        "namespace": cx.namespace,
        "labels": {"app.kubernetes.io/managed-by": "kubectl-debug"},
    }, "spec": {
        "containers": [{"name": container, "terminationMessagePolicy": "File"}],
        "nodeName": node.name,
        "restartPolicy": "Never",
        "tolerations": [{"operator": "Exists"}],
    }});
    fill(&mut pod["spec"]["containers"][0], args)?;
    let (root, host) = match args.text("profile") {
        "legacy" | "general" | "sysadmin" => (true, true),
        "netadmin" => (false, true),
        _ => (false, false),
    };
    if root {
        pod["spec"]["volumes"] = json!([{"name": "host-root", "hostPath": {"path": "/"}}]);
        pod["spec"]["containers"][0]["volumeMounts"] =
            json!([{"name": "host-root", "mountPath": "/host"}]);
    }
    if host {
        for field in ["hostNetwork", "hostPID", "hostIPC"] {
            pod["spec"][field] = true.into();
        }
    }
    let context = match args.text("profile") {
        "general" | "legacy" => None,
        _ => super::debug::context(args)?,
    };
    if let Some(context) = context {
        pod["spec"]["containers"][0]["securityContext"] = context;
    }
    Ok(pod)
}

fn remove(of: &mut Value, field: &str) {
    of.as_object_mut().and_then(|o| o.shift_remove(field));
}

/// The volume with the account's token is one that each pod gets anew.
fn without_token(spec: &mut Value) {
    let ours = |v: &Value, field: &str| {
        v[field].as_str().is_some_and(|n| n.starts_with(SERVICE_ACCOUNT_VOLUME))
    };
    if let Some(volumes) = spec["volumes"].as_array_mut() {
        volumes.retain(|v| !ours(v, "name"));
    }
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            if let Some(mounts) = container["volumeMounts"].as_array_mut() {
                mounts.retain(|m| !ours(m, "name"));
            }
        }
    }
}

fn position(pod: &Value, name: &str) -> Option<usize> {
    pod["spec"]["containers"].as_array()?.iter().position(|c| c["name"] == name)
}

fn images(args: &Args) -> Result<Map<String, Value>, Failure> {
    let read = |pair: &String| match pair.split_once('=') {
        Some((name, image)) if crate::api::image::parse(image).is_some() => {
            Ok((name.to_owned(), image.into()))
        }
        Some((name, image)) => Err(format!(
            "invalid image name {image:?} for container {name:?}: invalid reference format"
        )
        .into()),
        None => Err(format!("invalid argument {pair:?} for \"--set-image\" flag").into()),
    };
    args.list("set-image").iter().map(read).collect()
}

/// What the line says of the container that is looked with.
fn fill(container: &mut Value, args: &Args) -> Result<(), Failure> {
    let words = args.dash.map_or(&[][..], |at| &args.words[at..]);
    if !words.is_empty() {
        if args.on("arguments-only") {
            container["args"] = words.into();
        } else {
            container["command"] = words.into();
            remove(container, "args");
        }
    }
    let env = super::debug::env(args)?;
    if !env.is_empty() {
        container["env"] = env.into();
    }
    for (flag, field) in [("image", "image"), ("image-pull-policy", "imagePullPolicy")] {
        if !args.text(flag).is_empty() {
            container[field] = args.text(flag).into();
        }
    }
    for flag in ["stdin", "tty"] {
        container[flag] = args.on(flag).into();
    }
    Ok(())
}

/// What the profile leaves out of a copy, and adds to its container.
fn profile_of_copy(pod: &mut Value, at: usize, args: &Args) -> Result<(), Failure> {
    if args.text("profile") == "legacy" {
        remove(&mut pod["metadata"], "labels");
        return Ok(());
    }
    for (flag, field) in [("keep-labels", "labels"), ("keep-annotations", "annotations")] {
        if !args.on(flag) {
            remove(&mut pod["metadata"], field);
        }
    }
    let probes = [
        ("keep-liveness", "livenessProbe"),
        ("keep-readiness", "readinessProbe"),
        ("keep-startup", "startupProbe"),
    ];
    for container in pod["spec"]["containers"].as_array_mut().into_iter().flatten() {
        for (_, field) in probes.iter().filter(|(flag, _)| !args.on(flag)) {
            remove(container, field);
        }
    }
    if args.given("keep-init-containers") && !args.on("keep-init-containers") {
        remove(&mut pod["spec"], "initContainers");
    }
    if pod["spec"]["shareProcessNamespace"].is_null() {
        pod["spec"]["shareProcessNamespace"] = true.into();
    }
    let container = &mut pod["spec"]["containers"][at];
    match super::debug::context(args)? {
        Some(context) => container["securityContext"] = context,
        None => remove(container, "securityContext"),
    }
    Ok(())
}

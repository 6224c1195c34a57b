//! `kubectl create`, `kubectl expose`.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::args::Args;
use super::resource::{objects, target};
use super::{Look, Task};
use crate::api::convert;
use crate::store::{Request, WireVerb};

/// `kubectl create deployment NAME --image=IMAGE [--replicas=N] [-- COMMAND …]`, `namespace NAME`.
pub(super) fn create(args: &Args) -> Result<VecDeque<Task>, String> {
    let [kind, name, ..] = args.words.as_slice() else {
        return Err("error: must specify a kind and a name".to_owned());
    };
    let document = match kind.as_str() {
        "deployment" | "deploy" => {
            let Some(image) = args.flag("image") else {
                return Err("error: required flag(s) \"image\" not set".to_owned());
            };
            let last = image.rsplit('/').next().unwrap_or(image);
            let container = last.split([':', '@']).next().unwrap_or(last).replace('.', "-");
            let labels = json!({"app": name});
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": name, "namespace": args.namespace, "labels": labels},
                "spec": {"replicas": args.number("replicas")?.unwrap_or(1),
                    "selector": {"matchLabels": labels}, "strategy": {},
                    "template": {"metadata": {"labels": labels},
                        "spec": {"containers": [{"name": container, "image": image, "resources": {}}]}}}})
        }
        "namespace" | "ns" => {
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        }
        other => {
            return Err(format!(
                "error: \"kubectl create {other}\" is not modelled; write the manifest and apply it"
            ));
        }
    };
    Ok([Task::Create { document: Box::new(document), done: "created" }].into())
}

/// `kubectl expose KIND NAME --port=N [--target-port=N] [--name=NAME] [--type=TYPE]`.
pub(super) fn expose(args: &Args, look: &Look<'_>) -> Result<VecDeque<Task>, String> {
    let mut tasks = VecDeque::new();
    for object in objects(args, look)? {
        let whole = convert::to_wire(&object).to_value();
        let spec = &whole["spec"];
        let selector =
            [&spec["selector"]["matchLabels"], &spec["selector"], &whole["metadata"]["labels"]]
                .into_iter()
                .find(|s| s.is_object())
                .cloned()
                .unwrap_or_default();
        let Some(port) = args.number("port")? else {
            return Err("error: couldn't find port via --port flag or introspection".to_owned());
        };
        let target_port = match args.flag("target-port") {
            Some(text) => text.parse::<i32>().map_or_else(|_| json!(text), |n| json!(n)),
            None => json!(port),
        };
        let name = args.flag("name").map_or_else(|| object.meta().name.to_string(), str::to_owned);
        let mut ports = json!({"port": port, "targetPort": target_port,
            "protocol": args.flag("protocol").unwrap_or("TCP")});
        if let Some(port_name) = args.flag("port-name") {
            ports["name"] = port_name.into();
        }
        let mut document = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": args.namespace, "labels": whole["metadata"]["labels"]},
            "spec": {"ports": [ports], "selector": selector}});
        for (flag, field) in [("type", "type"), ("cluster-ip", "clusterIP")] {
            if let Some(value) = args.flag(flag) {
                document["spec"][field] = value.into();
            }
        }
        tasks.push_back(Task::Create { document: Box::new(document), done: "exposed" });
    }
    Ok(tasks)
}

/// The request that stores a document.
pub(super) fn request(document: &Value) -> Box<Request> {
    let body = Box::new(document.clone());
    let target = target(document);
    Box::new(Request::Wire { verb: WireVerb::Create, target, body, subresource: None })
}

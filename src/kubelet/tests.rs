//! One agent, driven by news and time: what it says and tells, and when.

use std::time::Duration;

use serde_json::json;

use super::testing::Cluster;
use crate::engine::ComponentId;
use crate::model::Slot;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn a_bound_pod_is_brought_up_and_then_costs_nothing() {
    let mut c = Cluster::new();
    c.pod("web", json!({"containers": [{"name": "web", "image": "nginx:1.25"}]}));
    c.run(secs(5));
    insta::assert_snapshot!(c.take_story());
    assert!(c.is_quiet(), "a settled pod wants no wake");
    let events = c.events;
    c.run(secs(3600));
    assert_eq!(c.events, events);
}

#[test]
fn a_deleted_pod_is_stopped_told_of_and_removed() {
    let mut c = Cluster::new();
    c.pod("web", json!({"containers": [{"name": "web", "image": "nginx:1.25"}]}));
    c.run(secs(5));
    c.take_story();
    c.delete("web", 30);
    c.run(secs(5));
    insta::assert_snapshot!(c.take_story());
    assert!(c.get("web").is_none() && c.is_quiet());
}

#[test]
fn a_missing_image_is_tried_again_with_growing_pauses() {
    let mut c = Cluster::new();
    let image = "nonexistent.example.com/app:1";
    c.pod("web", json!({"containers": [{"name": "web", "image": image}]}));
    c.run(secs(120));
    let pulls: Vec<String> =
        c.story.iter().filter(|l| l.contains("Pulling")).map(|l| l[..5].to_owned()).collect();
    insta::assert_snapshot!(pulls.join(" "));
    assert!(c.story.iter().any(|l| l.contains("waiting ImagePullBackOff")));
}

#[test]
fn a_pod_waits_for_its_missing_config_map() {
    let mut c = Cluster::new();
    let volume = json!({"name": "cfg", "configMap": {"name": "later"}});
    let mount = json!({"name": "cfg", "mountPath": "/etc/app"});
    c.pod(
        "vol",
        json!({
            "volumes": [volume],
            "containers": [{"name": "main", "image": "nginx:1.25", "volumeMounts": [mount]}],
        }),
    );
    c.run(secs(15));
    let tries = |c: &Cluster| c.story.iter().filter(|l| l.contains("FailedMount")).count();
    assert_eq!(tries(&c), 5, "{:#?}", c.story);
    c.config_map("later", &[("greeting", "hello")]);
    c.run(secs(5));
    assert_eq!(tries(&c), 5);
    assert!(c.get("vol").unwrap().is_ready(), "{:#?}", c.story);
}

#[test]
fn a_pod_that_does_not_fit_is_refused() {
    let mut c = Cluster::new();
    let requests = json!({"requests": {"memory": "100Gi"}});
    c.pod(
        "big",
        json!({"containers": [{"name": "main", "image": "nginx:1.25", "resources": requests}]}),
    );
    c.run(secs(2));
    insta::assert_snapshot!(c.take_story());
}

#[test]
fn containers_of_a_crashed_node_have_ended_with_255_after_its_boot() {
    let mut c = Cluster::new();
    c.pod("web", json!({"containers": [{"name": "web", "image": "nginx:1.25"}]}));
    c.run(secs(10));
    c.take_story();
    let id = ComponentId::Kubelet(Slot(0));
    c.drive(id, |k, id, cx| k.stop_node(id, cx));
    c.run(secs(15));
    assert_eq!(c.take_story(), "");
    c.drive(id, |k, id, cx| k.start_node(id, cx));
    c.run(secs(5));
    insta::assert_snapshot!(c.take_story());
}

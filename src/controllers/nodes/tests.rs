//! Whole syncs of the controllers that watch over nodes, on the controllers' bench.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::controllers::fixture::Bench;
use crate::model::{ConditionStatus, Kind, Node, NodeCondition, Object, Pod};
use crate::store::{ApiError, ErrorReason, Request};

fn node(name: &str, zone: &str) -> Value {
    let conditions: Vec<Value> = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"]
        .iter()
        .map(|kind| {
            let status = if *kind == "Ready" { "True" } else { "False" };
            json!({"type": kind, "status": status, "reason": "R", "message": "m"})
        })
        .collect();
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
        "status": {"conditions": conditions}})
}

fn set(
    bench: &mut Bench<NodeLifecycleController>,
    node: &str,
    kind: &str,
    status: ConditionStatus,
) {
    bench.change_node(node, |node| {
        let conditions = node.conditions.iter().cloned();
        node.conditions = conditions
            .map(|c| if c.kind == kind { NodeCondition { status, ..c } } else { c })
            .collect();
    });
}

fn taints(object: &Object) -> Vec<String> {
    let Object::Node(node) = object else { return Vec::new() };
    let name = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
    node.taints.iter().map(|t| format!("{}:{}", name(&t.key), t.effect.as_str())).collect()
}

/// Lets the controller do what is due within some seconds.
fn pass<C: crate::controllers::Controller + Default>(
    bench: &mut Bench<C>,
    seconds: u64,
) -> Vec<String> {
    let until = bench.now + Duration::from_secs(seconds);
    let mut lines = bench.run();
    while let Some(at) = bench.next_wake().filter(|at| *at <= until) {
        bench.now = bench.now.max(at);
        lines.extend(bench.run());
    }
    bench.now = until;
    lines
}

fn stop(bench: &mut Bench<NodeLifecycleController>, node: &str) {
    let now = bench.now;
    bench.change_node(node, |node| node.lease_stopped = Some(now));
}

fn cluster(nodes: &[(&str, &str)]) -> Bench<NodeLifecycleController> {
    let mut bench = Bench::new();
    for (name, zone) in nodes {
        bench.put_manifest(&node(name, zone));
    }
    pass(&mut bench, 20);
    bench
}

#[test]
fn pressure_becomes_a_taint_and_goes_with_it() {
    let mut bench = cluster(&[("n1", "a")]);
    set(&mut bench, "n1", "MemoryPressure", ConditionStatus::True);
    pass(&mut bench, 1);
    assert_eq!(taints(&bench.get(Kind::Node, "n1")), ["memory-pressure:NoSchedule"]);
    bench.change_node("n1", |node| node.unschedulable = true);
    pass(&mut bench, 1);
    set(&mut bench, "n1", "MemoryPressure", ConditionStatus::False);
    pass(&mut bench, 1);
    assert_eq!(taints(&bench.get(Kind::Node, "n1")), ["unschedulable:NoSchedule"]);
}

#[test]
fn a_node_that_is_not_heard_of_is_unknown_after_fifty_seconds() {
    let mut bench = cluster(&[("n1", "a"), ("n2", "b")]);
    stop(&mut bench, "n1");
    assert_eq!(pass(&mut bench, 49), Vec::<String>::new());
    assert_eq!(
        pass(&mut bench, 7)[..2],
        ["NodeNotReady Node n1 status is now: NodeNotReady", "status Node n1"]
    );
    assert_eq!(
        taints(&bench.get(Kind::Node, "n1")),
        ["unreachable:NoSchedule", "unreachable:NoExecute"]
    );
}

#[test]
fn pods_that_could_not_be_told_that_they_are_not_ready_are_told_in_the_next_round() {
    let mut bench = cluster(&[("node-1", "a"), ("node-2", "b")]);
    bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]}}));
    bench.make_ready("p");
    stop(&mut bench, "node-1");
    bench.refuse = refuse_statuses;
    let told = |lines: Vec<String>, line: &str| lines.iter().any(|l| l == line);
    assert!(told(pass(&mut bench, 52), "conditions p: Ready: refused"));
    bench.refuse = |_| None;
    assert!(told(pass(&mut bench, 10), "conditions p: Ready"));
    assert!(!told(pass(&mut bench, 60), "conditions p: Ready"));
}

#[test]
fn nodes_of_one_zone_are_emptied_one_after_the_other() {
    let mut bench = cluster(&[("n1", "a"), ("n2", "a"), ("n3", "a"), ("n4", "b")]);
    for node in ["n1", "n2"] {
        stop(&mut bench, node);
    }
    let emptied = |bench: &Bench<NodeLifecycleController>| {
        let on =
            |n: &&&str| taints(&bench.get(Kind::Node, n)).iter().any(|t| t.ends_with("NoExecute"));
        ["n1", "n2"].iter().filter(on).count()
    };
    pass(&mut bench, 56);
    assert_eq!(emptied(&bench), 1);
    pass(&mut bench, 10);
    assert_eq!(emptied(&bench), 2);
}

#[test]
fn no_node_is_emptied_while_none_of_the_cluster_is_ready() {
    let mut bench = cluster(&[("n1", "a"), ("n2", "b")]);
    for node in ["n1", "n2"] {
        stop(&mut bench, node);
    }
    pass(&mut bench, 600);
    for node in ["n1", "n2"] {
        assert_eq!(taints(&bench.get(Kind::Node, node)), ["unreachable:NoSchedule"]);
    }
    bench.change_node("n2", |node| node.lease_stopped = None);
    set(&mut bench, "n2", "Ready", ConditionStatus::True);
    pass(&mut bench, 20);
    assert_eq!(
        taints(&bench.get(Kind::Node, "n1")),
        ["unreachable:NoSchedule", "unreachable:NoExecute"]
    );
    assert_eq!(taints(&bench.get(Kind::Node, "n2")), Vec::<String>::new());
}

#[test]
fn nodes_that_come_and_go_are_told() {
    let mut bench = cluster(&[("n1", "a")]);
    bench.put_manifest(&node("n2", "a"));
    assert_eq!(
        pass(&mut bench, 10),
        ["RegisteredNode Node n2 event: Registered Node n2 in Controller"]
    );
    bench.remove(Kind::Node, "n2");
    assert_eq!(
        pass(&mut bench, 10),
        ["RemovingNode Node n2 event: Removing Node n2 from Controller"]
    );
}

fn pod(bench: &mut Bench<PodGcController>, name: &str) {
    bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}}));
}

#[test]
fn pods_of_a_node_that_is_gone_go_after_the_quarantine() {
    let mut bench = Bench::<PodGcController>::new();
    bench.nodes(&["node-1"]);
    pod(&mut bench, "p");
    bench.make_ready("p");
    bench.remove(Kind::Node, "node-1");
    assert_eq!(pass(&mut bench, 39), Vec::<String>::new());
    assert_eq!(pass(&mut bench, 30), ["pod status p: Failed", "delete Pod p"]);
}

#[test]
fn a_terminating_pod_that_was_never_placed_goes() {
    let mut bench = Bench::<PodGcController>::new();
    pod(&mut bench, "p");
    let now = bench.now;
    bench.change::<Pod>(Kind::Pod, "p", |p| {
        p.meta.deletion = Some(crate::model::Deletion { at: now, grace: Duration::ZERO });
    });
    assert_eq!(pass(&mut bench, 30), ["pod status p: Failed", "delete Pod p"]);
}

#[test]
fn terminating_pods_of_a_node_out_of_service_go_at_once() {
    let mut bench = Bench::<PodGcController>::new();
    bench.nodes(&["node-1"]);
    pod(&mut bench, "p");
    bench.make_ready("p");
    let now = bench.now;
    bench.change::<Pod>(Kind::Pod, "p", |p| {
        p.meta.deletion = Some(crate::model::Deletion { at: now, grace: Duration::from_secs(30) });
    });
    assert_eq!(pass(&mut bench, 60), Vec::<String>::new());
    bench.change::<Node>(Kind::Node, "node-1", |node| {
        node.taints = Arc::new([crate::model::Taint {
            key: taints::OUT_OF_SERVICE.into(),
            value: "nodeshutdown".into(),
            effect: crate::model::TaintEffect::NoExecute,
            added: None,
        }]);
    });
    assert_eq!(pass(&mut bench, 30), ["pod status p: Failed", "delete Pod p"]);
}

#[test]
fn of_a_node_that_is_back_in_time_no_pod_goes() {
    let mut bench = Bench::<PodGcController>::new();
    bench.nodes(&["node-1"]);
    pod(&mut bench, "p");
    bench.make_ready("p");
    bench.remove(Kind::Node, "node-1");
    pass(&mut bench, 30);
    bench.nodes(&["node-1"]);
    assert_eq!(pass(&mut bench, 100), Vec::<String>::new());
}

fn terminating_pod() -> Bench<PodGcController> {
    let mut bench = Bench::<PodGcController>::new();
    pod(&mut bench, "p");
    let now = bench.now;
    bench.change::<Pod>(Kind::Pod, "p", |p| {
        p.meta.deletion = Some(crate::model::Deletion { at: now, grace: Duration::ZERO });
    });
    bench
}

/// The server has no room for writes of statuses.
fn refuse_statuses(request: &Request) -> Option<Box<ApiError>> {
    let told = matches!(request, Request::PodStatus { .. } | Request::PodConditions { .. });
    told.then(|| ApiError::new(ErrorReason::InternalError, "full"))
}

#[test]
fn a_pod_that_cannot_be_told_that_it_failed_is_not_deleted_but_tried_again() {
    let mut bench = terminating_pod();
    bench.refuse = refuse_statuses;
    assert_eq!(pass(&mut bench, 10), ["pod status p: Failed: refused"]);
    bench.refuse = |_| None;
    assert_eq!(pass(&mut bench, 20), ["pod status p: Failed", "delete Pod p"]);
}

#[test]
fn an_orphan_that_cannot_be_told_waits_for_another_quarantine() {
    let mut bench = Bench::<PodGcController>::new();
    bench.nodes(&["node-1"]);
    pod(&mut bench, "p");
    bench.make_ready("p");
    bench.remove(Kind::Node, "node-1");
    bench.refuse = refuse_statuses;
    assert_eq!(pass(&mut bench, 60), ["pod status p: Failed: refused"]);
    bench.refuse = |_| None;
    assert_eq!(pass(&mut bench, 39), Vec::<String>::new());
    assert_eq!(pass(&mut bench, 30), ["pod status p: Failed", "delete Pod p"]);
}

fn on_a_tainted_node() -> Bench<TaintEvictionController> {
    let mut bench = Bench::<TaintEvictionController>::new();
    bench.nodes(&["node-1"]);
    bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]}}));
    pass(&mut bench, 1);
    bench.change::<Node>(Kind::Node, "node-1", |node| {
        node.taints = Arc::new([crate::model::Taint {
            key: "broken".into(),
            value: "".into(),
            effect: crate::model::TaintEffect::NoExecute,
            added: None,
        }]);
    });
    bench
}

#[test]
fn a_pod_that_cannot_be_told_why_it_goes_is_tried_five_times_and_stays() {
    let mut bench = on_a_tainted_node();
    bench.refuse = refuse_statuses;
    let lines = pass(&mut bench, 60);
    assert_eq!(lines[0], "TaintManagerEviction Marking for deletion Pod default/p");
    assert_eq!(lines[1..], vec!["conditions p: DisruptionTarget: refused"; 5]);
    bench.refuse = |_| None;
    assert_eq!(pass(&mut bench, 60), Vec::<String>::new());
    let mut bench = on_a_tainted_node();
    assert_eq!(pass(&mut bench, 1)[1..], ["conditions p: DisruptionTarget", "delete Pod p"]);
}

//! Small worlds, and what is said of a pod in them.

use serde_json::{Value, json};

use super::*;
use crate::api::convert::from_wire;
use crate::api::typed::Typed;
use crate::model::{Object, Uid};
use crate::scheduler::feed::Feed;
use crate::trace::FactId;

const NOW: SimTime = SimTime::from_secs(1_767_225_600);

fn object(manifest: &Value) -> Object {
    from_wire(Typed::decode(manifest).unwrap()).unwrap()
}

fn node(name: &str, more: Value) -> Value {
    let mut node = json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "10"}}});
    for (key, value) in more.as_object().into_iter().flatten() {
        if key == "labels" {
            for (k, v) in value.as_object().unwrap() {
                node["metadata"]["labels"][k] = v.clone();
            }
        } else {
            node["spec"][key] = value.clone();
        }
    }
    node
}

fn pod(name: &str, cpu: &str, spec: Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "x",
            "resources": {"requests": {"cpu": cpu}}}]}});
    for (key, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][key] = value.clone();
    }
    pod
}

/// Explains the last pod; those before it are placed as they say.
fn of(nodes: &[Value], pods: &[Value]) -> Explanation {
    with(&[], nodes, pods)
}

/// The same with other objects beside.
fn with(others: &[Value], nodes: &[Value], pods: &[Value]) -> Explanation {
    let mut feed = Feed::new(Config::default());
    for other in others.iter().chain(nodes) {
        feed.set_object(&object(other), false, NOW);
    }
    let mut last = None;
    for (i, pod) in (1..).zip(pods) {
        let Object::Pod(pod) = object(pod) else { panic!() };
        let mut pod = (*pod).clone();
        pod.meta.uid = Uid::from_random(i);
        let info = feed.info(&Arc::new(pod));
        feed.set_pod(info.clone(), FactId::NONE, NOW);
        last = Some(info);
    }
    let (config, cluster) = (feed.config.clone(), feed.cluster.clone());
    explain(&Kept { at: NOW, pod: last.unwrap(), attempt: 1, cluster, config, offset: 0 })
}

fn texts(e: &Explanation) -> Vec<&str> {
    e.changes.iter().map(|c| c.text.as_str()).collect()
}

#[track_caller]
fn helps(e: &Explanation, text: &str) {
    assert!(texts(e).contains(&text), "no {text:?} among {:#?}", texts(e));
}

#[test]
fn a_placed_pod_shows_the_scores_and_the_tie() {
    let e = of(&[node("a", json!({})), node("b", json!({}))], &[pod("p", "100m", json!({}))]);
    assert_eq!(e.verdict, Verdict::Placed("a".into()));
    let NodeState::Feasible { scores, total, best, chosen } = &e.nodes[1].state else { panic!() };
    assert_eq!((*best, *chosen), (true, false));
    assert_eq!(scores.iter().map(|s| s.weighted).sum::<i64>(), *total);
    assert_eq!(e.scorers.len(), scores.len());
}

#[test]
fn each_refusal_has_its_remedy() {
    let cordoned = of(&[node("a", json!({"unschedulable": true}))], &[pod("p", "1", json!({}))]);
    assert_eq!(texts(&cordoned)[0], "remove the cordon of a");
    let taint = json!({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]});
    let tainted = of(&[node("a", taint)], &[pod("p", "1", json!({}))]);
    helps(&tainted, "tolerate k=v:NoSchedule");
    helps(&tainted, "take the taint k=v:NoSchedule from a");
    let picky = json!({"nodeSelector": {"disktype": "ssd"}});
    let unlabelled = of(&[node("a", json!({}))], &[pod("p", "1", picky)]);
    helps(&unlabelled, "label a disktype=ssd");
    helps(&unlabelled, "drop the pod's nodeSelector");
}

#[test]
fn what_is_short_is_told_to_the_unit() {
    let there = pod("q", "800m", json!({"nodeName": "a"}));
    let e = of(&[node("a", json!({}))], &[there, pod("p", "400m", json!({}))]);
    helps(&e, "free 200m cpu on a");
    helps(&e, "lower the pod's request of cpu to 200m");
    helps(&e, "add a node like a");
    let priority = e.changes.iter().find(|c| c.kind == Kind::Priority).unwrap();
    assert_eq!(priority.text, "give the pod a priority of 1 or more");
    assert_eq!(priority.victims, ["default/q"]);
    let large = of(&[node("a", json!({}))], &[pod("p", "3", json!({}))]);
    helps(&large, "give a 2000m cpu more");
    assert!(!texts(&large).contains(&"add a node like a"));
}

#[test]
fn a_change_that_another_plugin_would_undo_is_not_told() {
    let both = json!({"unschedulable": true, "taints": [{"key": "k", "effect": "NoSchedule"}]});
    let e = of(&[node("a", both)], &[pod("p", "1", json!({}))]);
    assert!(!texts(&e).contains(&"remove the cordon of a"), "{:?}", texts(&e));
}

#[test]
fn rules_about_other_pods_can_be_loosened() {
    let app = |name: &str| json!({"matchLabels": {"app": name}});
    let far = json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        [{"labelSelector": app("q"), "topologyKey": "kubernetes.io/hostname"}]}}});
    let there = pod("q", "100m", json!({"nodeName": "a"}));
    let e = of(&[node("a", json!({}))], &[there, pod("p", "100m", far)]);
    helps(&e, "make the pod's required pod anti-affinity preferred");
    helps(&e, "remove pod/q from a, which it must not be near");
    let zone = |z: &str| json!({"labels": {"zone": z}});
    let even = json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": app("p")}]});
    let mut placed = pod("p", "100m", json!({"nodeName": "a"}));
    placed["metadata"]["name"] = json!("p-0");
    let full = pod("full", "1", json!({"nodeName": "b"}));
    let nodes = [node("a", zone("x")), node("b", zone("y"))];
    let e = of(&nodes, &[placed, full, pod("p", "100m", even)]);
    helps(&e, "raise maxSkew of zone to 2");
    helps(&e, "make the spread over zone soft (whenUnsatisfiable: ScheduleAnyway)");
}

#[test]
fn pods_that_are_not_tried_say_why() {
    let gated = json!({"schedulingGates": [{"name": "wait"}]});
    let e = of(&[node("a", json!({}))], &[pod("p", "1", gated)]);
    assert_eq!(e.verdict, Verdict::Untried("waiting for scheduling gates: [wait]".into()));
    let elsewhere = json!({"schedulerName": "nobody"});
    let e = of(&[node("a", json!({}))], &[pod("p", "1", elsewhere)]);
    let Verdict::Untried(why) = e.verdict else { panic!() };
    assert!(why.contains("nobody") && why.contains("default-scheduler"));
}

fn using(claim: &str) -> Value {
    json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]})
}

fn claim(name: &str, class: &str, volume: &str) -> Value {
    let mut claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class,
            "resources": {"requests": {"storage": "2Gi"}}}});
    if !volume.is_empty() {
        claim["spec"]["volumeName"] = json!(volume);
        claim["metadata"]["annotations"] = json!({"pv.kubernetes.io/bind-completed": "yes"});
    }
    claim
}

fn volume(name: &str, more: Value) -> Value {
    let mut volume = json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {"capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "d", "volumeHandle": name}}});
    for (key, value) in more.as_object().into_iter().flatten() {
        volume["spec"][key] = value.clone();
    }
    volume
}

fn class(name: &str, provisioner: &str, default: bool) -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": name, "annotations":
            {"storageclass.kubernetes.io/is-default-class": default.to_string()}},
        "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"})
}

#[test]
fn a_claim_that_is_missing_or_that_nobody_binds_has_its_remedy() {
    let (nodes, pods) = ([node("a", json!({}))], [pod("p", "1", using("data"))]);
    helps(&of(&nodes, &pods), "create persistentvolumeclaim data and a persistentvolume for it");
    let standard = class("standard", "x.example", true);
    helps(
        &with(std::slice::from_ref(&standard), &nodes, &pods),
        "create persistentvolumeclaim data (storageclass standard provisions its volume)",
    );
    let e = with(&[standard, claim("data", "slow", "")], &nodes, &pods);
    helps(
        &e,
        "create a persistentvolume of 2Gi (storageClassName slow, ReadWriteOnce) for \
         persistentvolumeclaim data",
    );
    helps(
        &e,
        "create storageclass slow with a provisioner (volumeBindingMode: WaitForFirstConsumer)",
    );
    helps(&e, "recreate persistentvolumeclaim data with storageClassName: standard");
    let e = with(&[claim("data", "", "gone")], &nodes, &pods);
    helps(&e, "create persistentvolume gone, to which persistentvolumeclaim data is bound");
}

#[test]
fn one_of_two_missing_claims_is_not_enough() {
    let both = json!({"volumes": [
        {"name": "v", "persistentVolumeClaim": {"claimName": "one"}},
        {"name": "w", "persistentVolumeClaim": {"claimName": "two"}}]});
    let e = of(&[node("a", json!({}))], &[pod("p", "1", both)]);
    assert!(!texts(&e).iter().any(|t| t.contains("persistentvolumeclaim")), "{:?}", texts(&e));
}

#[test]
fn a_volume_that_is_elsewhere_has_its_remedy() {
    let at = json!({"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions":
        [{"key": "zone", "operator": "In", "values": ["x"]}]}]}}});
    let others = [volume("pv", at), claim("data", "", "pv")];
    let nodes = [node("a", json!({"labels": {"zone": "x"}})), node("b", json!({}))];
    let full = pod("full", "1", json!({"nodeName": "a"}));
    let e = with(&others, &nodes, &[full, pod("p", "1", using("data"))]);
    helps(&e, "let every node reach persistentvolume pv (drop its nodeAffinity)");
    helps(&e, "label b zone=x");
    helps(&e, "free 1000m cpu on a");
}

#[test]
fn a_claim_that_waits_for_a_volume_near_its_pod_has_its_remedy() {
    let pods = [pod("p", "1", using("data"))];
    let local = class("local", "kubernetes.io/no-provisioner", false);
    let e = with(&[local, claim("data", "local", "")], &[node("a", json!({}))], &pods);
    helps(
        &e,
        "create a persistentvolume of 2Gi (storageClassName local, ReadWriteOnce) for \
         persistentvolumeclaim data",
    );
    let mut zonal = class("zonal", "x.example", false);
    zonal["allowedTopologies"] =
        json!([{"matchLabelExpressions": [{"key": "zone", "values": ["x"]}]}]);
    let e = with(&[zonal, claim("data", "zonal", "")], &[node("a", json!({}))], &pods);
    helps(&e, "drop the allowedTopologies of storageclass zonal");
}

#[test]
fn a_driver_that_can_attach_no_more_has_its_remedy() {
    let said = json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode",
        "metadata": {"name": "a"}, "spec": {"drivers":
            [{"name": "d", "nodeID": "a", "allocatable": {"count": 1}}]}});
    let others = [
        said,
        volume("one", json!({})),
        volume("two", json!({})),
        claim("first", "", "one"),
        claim("second", "", "two"),
    ];
    let mut there = pod("q", "100m", using("first"));
    there["spec"]["nodeName"] = json!("a");
    let e = with(&others, &[node("a", json!({}))], &[there, pod("p", "100m", using("second"))]);
    helps(&e, "raise the limit of d on a to 2 volumes");
    helps(&e, "remove pod/q from a, which has a volume of d");
}

#[test]
fn a_claim_of_another_pod_alone_has_its_remedy() {
    let mut own = claim("data", "", "pv");
    own["spec"]["accessModes"] = json!(["ReadWriteOncePod"]);
    let mut there = pod("q", "100m", using("data"));
    there["spec"]["nodeName"] = json!("a");
    let e = with(
        &[volume("pv", json!({})), own],
        &[node("a", json!({})), node("b", json!({}))],
        &[there, pod("p", "100m", using("data"))],
    );
    helps(&e, "remove pod/q from a, which uses the same volume");
    helps(&e, "recreate persistentvolumeclaim data with accessModes: [ReadWriteOnce]");
}

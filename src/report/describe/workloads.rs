//! What runs pods and keeps them running. Follows `describeDeployment`, `describeReplicaSet`,
//! `describeReplicationController`, `describeStatefulSet`, `describeDaemonSet`.

use serde_json::{Map, Value};

use super::super::printers::cells::{has, int, items, labels, selector, text, time};
use super::page::{Page, bracketed, controller, on, put};
use super::{Cluster, containers, events, pods, storage};
use crate::api::schema;
use crate::api::selectors::LabelSelector;

/// The label that divides the pods of a Deployment's ReplicaSets.
const HASH: &str = "pod-template-hash";

/// A selector as `labels.Selector` prints itself: nothing where it selects everything.
pub(super) fn selector_text(of: &Value) -> String {
    LabelSelector::from_meta(of).map(|s| s.to_string()).unwrap_or_default()
}

/// A Deployment.
pub(super) fn deployment(page: &mut Page, d: &Value, cluster: &Cluster<'_>) {
    page.head(d);
    page.created(d);
    page.meta(d);
    put!(page, 0, "Selector:\t{}\n", selector_text(&d["spec"]["selector"]));
    put!(
        page,
        0,
        "Replicas:\t{} desired | {} updated | {} total | {} available | {} unavailable\n",
        int(d, "/spec/replicas"),
        int(d, "/status/updatedReplicas"),
        int(d, "/status/replicas"),
        int(d, "/status/availableReplicas"),
        int(d, "/status/unavailableReplicas")
    );
    put!(page, 0, "StrategyType:\t{}\n", text(d, "/spec/strategy/type"));
    put!(page, 0, "MinReadySeconds:\t{}\n", int(d, "/spec/minReadySeconds"));
    if has(d, "/spec/strategy/rollingUpdate") {
        let amount = |field: &str| {
            super::page::plain(d, &format!("/spec/strategy/rollingUpdate/{field}"), "<nil>")
        };
        let (unavailable, surge) = (amount("maxUnavailable"), amount("maxSurge"));
        put!(page, 0, "RollingUpdateStrategy:\t{unavailable} max unavailable, {surge} max surge\n");
    }
    pods::template(page, &d["spec"]["template"]);
    page.conditions_with_reason(d);
    let (old, new) = replica_sets(d, cluster);
    if !old.is_empty() || new.is_some() {
        put!(page, 0, "OldReplicaSets:\t{}\n", sizes(&old));
        put!(page, 0, "NewReplicaSet:\t{}\n", sizes(new.as_slice()));
    }
    events::describe(page, d, cluster);
}

fn sizes(sets: &[Value]) -> String {
    let size = |s: &Value| {
        let (now, wanted) = (int(s, "/status/replicas"), int(s, "/spec/replicas"));
        format!("{} ({now}/{wanted} replicas created)", text(s, "/metadata/name"))
    };
    let all: Vec<String> = sets.iter().map(size).collect();
    if all.is_empty() { "<none>".to_owned() } else { all.join(", ") }
}

/// The ReplicaSets of a Deployment, oldest first; the one of its template apart.
fn replica_sets(deployment: &Value, cluster: &Cluster<'_>) -> (Vec<Value>, Option<Value>) {
    let mut sets = (cluster.list)("ReplicaSet", text(deployment, "/metadata/namespace"));
    let Ok(selector) = LabelSelector::from_meta(&deployment["spec"]["selector"]) else {
        return (Vec::new(), None);
    };
    let uid = text(deployment, "/metadata/uid");
    sets.retain(|s| owned(s, uid) && selector.matches_json(s["metadata"]["labels"].as_object()));
    sets.sort_by_key(|s| {
        (time(s, "/metadata/creationTimestamp"), text(s, "/metadata/name").to_owned())
    });
    let template = |o: &Value| {
        let mut template = o["spec"]["template"].clone();
        if let Some(labels) =
            template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut)
        {
            labels.shift_remove(HASH);
        }
        template
    };
    let wanted = template(deployment);
    let equal = |s: &Value| {
        let has = template(s);
        match schema::named("core/v1.PodTemplateSpec") {
            Some(of) => schema::same_struct(of, &has, &wanted),
            None => has == wanted,
        }
    };
    let new = sets.iter().position(equal).map(|i| sets.remove(i));
    (sets, new)
}

fn owned(object: &Value, uid: &str) -> bool {
    let owners = items(object, "/metadata/ownerReferences");
    owners.iter().any(|o| on(o, "/controller") && text(o, "/uid") == uid)
}

/// `2 Running / 0 Waiting / …`: the pods that a workload selects and owns.
fn pods_status(
    of: &Value,
    selects: impl Fn(Option<&Map<String, Value>>) -> bool,
    cluster: &Cluster<'_>,
) -> String {
    let uid = text(of, "/metadata/uid");
    let mut counts = [0; 4];
    for pod in (cluster.list)("Pod", text(of, "/metadata/namespace")) {
        if !owned(&pod, uid) || !selects(pod["metadata"]["labels"].as_object()) {
            continue;
        }
        let phases = ["Running", "Pending", "Succeeded", "Failed"];
        if let Some(i) = phases.iter().position(|p| *p == text(&pod, "/status/phase")) {
            counts[i] += 1;
        }
    }
    let [running, waiting, succeeded, failed] = counts;
    format!("{running} Running / {waiting} Waiting / {succeeded} Succeeded / {failed} Failed")
}

fn by_selector(of: &Value, cluster: &Cluster<'_>) -> String {
    let selector = LabelSelector::from_meta(&of["spec"]["selector"]);
    pods_status(of, |labels| selector.as_ref().is_ok_and(|s| s.matches_json(labels)), cluster)
}

/// A ReplicaSet.
pub(super) fn replica_set(page: &mut Page, rs: &Value, cluster: &Cluster<'_>) {
    page.head(rs);
    let selects = selector(rs, "/spec/selector");
    put!(page, 0, "Selector:\t{}\n", selects.as_str().unwrap_or_default());
    page.meta(rs);
    if let Some(by) = controller(rs) {
        put!(page, 0, "Controlled By:\t{by}\n");
    }
    replicas(page, rs);
    put!(page, 0, "Pods Status:\t{}\n", by_selector(rs, cluster));
    pods::template(page, &rs["spec"]["template"]);
    page.conditions_with_reason(rs);
    events::describe(page, rs, cluster);
}

fn replicas(page: &mut Page, of: &Value) {
    let (now, wanted) = (int(of, "/status/replicas"), int(of, "/spec/replicas"));
    put!(page, 0, "Replicas:\t{now} current / {wanted} desired\n");
}

/// A ReplicationController.
pub(super) fn replication_controller(page: &mut Page, rc: &Value, cluster: &Cluster<'_>) {
    page.head(rc);
    put!(page, 0, "Selector:\t{}\n", labels(rc, "/spec/selector").as_str().unwrap_or_default());
    page.meta(rc);
    replicas(page, rc);
    let wanted = super::page::pairs(rc.pointer("/spec/selector"));
    let selects = |labels: Option<&Map<String, Value>>| {
        wanted.iter().all(|(k, v)| labels.and_then(|l| l.get(*k)).is_some_and(|has| has == v))
    };
    put!(page, 0, "Pods Status:\t{}\n", pods_status(rc, selects, cluster));
    pods::template(page, &rc["spec"]["template"]);
    page.conditions_with_reason(rc);
    events::describe(page, rc, cluster);
}

/// A StatefulSet.
pub(super) fn stateful_set(page: &mut Page, set: &Value, cluster: &Cluster<'_>) {
    page.head(set);
    page.created(set);
    put!(page, 0, "Selector:\t{}\n", selector_text(&set["spec"]["selector"]));
    page.meta(set);
    let (wanted, now) = (int(set, "/spec/replicas"), int(set, "/status/replicas"));
    put!(page, 0, "Replicas:\t{wanted} desired | {now} total\n");
    put!(page, 0, "Update Strategy:\t{}\n", text(set, "/spec/updateStrategy/type"));
    let rolling = &set["spec"]["updateStrategy"]["rollingUpdate"];
    if has(rolling, "/partition") {
        put!(page, 1, "Partition:\t{}\n", int(rolling, "/partition"));
        if has(rolling, "/maxUnavailable") {
            let most = super::page::plain(rolling, "/maxUnavailable", "");
            put!(page, 1, "MaxUnavailable:\t{most}\n");
        }
    }
    put!(page, 0, "Pods Status:\t{}\n", by_selector(set, cluster));
    pods::template(page, &set["spec"]["template"]);
    claim_templates(page, items(set, "/spec/volumeClaimTemplates"));
    events::describe(page, set, cluster);
}

fn claim_templates(page: &mut Page, templates: &[Value]) {
    if templates.is_empty() {
        put!(page, 0, "Volume Claims:\t<none>\n");
        return;
    }
    put!(page, 0, "Volume Claims:\n");
    for claim in templates {
        put!(page, 1, "Name:\t{}\n", text(claim, "/metadata/name"));
        put!(page, 1, "StorageClass:\t{}\n", storage::class_of(claim));
        page.indented_labels("Labels", claim.pointer("/metadata/labels"));
        page.indented_labels("Annotations", claim.pointer("/metadata/annotations"));
        let capacity = match claim.pointer("/spec/resources/requests/storage") {
            Some(amount) => containers::amount(amount),
            None => "<default>".to_owned(),
        };
        put!(page, 1, "Capacity:\t{capacity}\n");
        put!(page, 1, "Access Modes:\t{}\n", bracketed(claim, "/spec/accessModes"));
    }
}

/// A DaemonSet.
pub(super) fn daemon_set(page: &mut Page, set: &Value, cluster: &Cluster<'_>) {
    page.head(set);
    put!(page, 0, "Selector:\t{}\n", selector_text(&set["spec"]["selector"]));
    let nodes = labels(set, "/spec/template/spec/nodeSelector");
    put!(page, 0, "Node-Selector:\t{}\n", nodes.as_str().unwrap_or_default());
    page.meta(set);
    for (title, field) in [
        ("Desired Number of Nodes Scheduled", "/status/desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "/status/currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "/status/updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "/status/numberAvailable"),
        ("Number of Nodes Misscheduled", "/status/numberMisscheduled"),
    ] {
        put!(page, 0, "{title}: {}\n", int(set, field));
    }
    put!(page, 0, "Pods Status:\t{}\n", by_selector(set, cluster));
    pods::template(page, &set["spec"]["template"]);
    events::describe(page, set, cluster);
}

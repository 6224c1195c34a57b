//! Volumes, claims and classes. Follows `describePersistentVolume`, `describePersistentVolumeClaim`,
//! `describeStorageClass`, `describeVolumeAttributesClass`, `describeCSINode`.

use serde_json::Value;

use super::super::printers::cells::{has, items, labels, quantity, since, text, time};
use super::page::{Page, bracketed, date, plain, put, texts, truth_if_set};
use super::{Cluster, events, volumes};

/// The annotation that names a class before the field does.
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// The storage class of a volume or a claim.
pub(super) fn class_of(of: &Value) -> &str {
    let annotated = of["metadata"]["annotations"][BETA_CLASS].as_str();
    annotated.unwrap_or_else(|| text(of, "/spec/storageClassName"))
}

/// Access modes, each once, in upstream's order.
fn modes(of: &Value, pointer: &str) -> String {
    let has = texts(of, pointer);
    let all = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let shown: Vec<&str> =
        all.into_iter().filter(|(mode, _)| has.contains(mode)).map(|(_, s)| s).collect();
    shown.join(",")
}

fn status(page: &mut Page, of: &Value, cluster: &Cluster<'_>) {
    if has(of, "/metadata/deletionTimestamp") {
        let lasts = since(time(of, "/metadata/deletionTimestamp"), cluster.now);
        put!(page, 0, "Status:\tTerminating (lasts {lasts})\n");
    } else {
        put!(page, 0, "Status:\t{}\n", text(of, "/status/phase"));
    }
}

/// A PersistentVolume.
pub(super) fn volume(page: &mut Page, pv: &Value, cluster: &Cluster<'_>) {
    put!(page, 0, "Name:\t{}\n", text(pv, "/metadata/name"));
    page.meta(pv);
    put!(page, 0, "Finalizers:\t{}\n", bracketed(pv, "/metadata/finalizers"));
    put!(page, 0, "StorageClass:\t{}\n", class_of(pv));
    status(page, pv, cluster);
    let claim = match has(pv, "/spec/claimRef") {
        true => {
            format!("{}/{}", text(pv, "/spec/claimRef/namespace"), text(pv, "/spec/claimRef/name"))
        }
        false => String::new(),
    };
    put!(page, 0, "Claim:\t{claim}\n");
    put!(page, 0, "Reclaim Policy:\t{}\n", text(pv, "/spec/persistentVolumeReclaimPolicy"));
    put!(page, 0, "Access Modes:\t{}\n", modes(pv, "/spec/accessModes"));
    if has(pv, "/spec/volumeMode") {
        put!(page, 0, "VolumeMode:\t{}\n", text(pv, "/spec/volumeMode"));
    }
    put!(page, 0, "Capacity:\t{}\n", quantity(pv, "/spec/capacity/storage"));
    affinity(page, pv);
    put!(page, 0, "Message:\t{}\n", text(pv, "/status/message"));
    put!(page, 0, "Source:\n");
    volumes::source(page, &pv["spec"]);
    events::describe(page, pv, cluster);
}

fn affinity(page: &mut Page, pv: &Value) {
    if !has(pv, "/spec/nodeAffinity/required") {
        put!(page, 0, "Node Affinity:\t<none>\n");
        return;
    }
    put!(page, 0, "Node Affinity:\t\n");
    let terms = items(pv, "/spec/nodeAffinity/required/nodeSelectorTerms");
    let none = if terms.is_empty() { "<none>" } else { "" };
    put!(page, 1, "Required Terms:\t{none}\n");
    for (i, term) in terms.iter().enumerate() {
        requirements(page, 2, i, items(term, "/matchExpressions"), |r| {
            text(r, "/operator").to_lowercase()
        });
    }
}

/// The requirements of a term, one a line.
fn requirements(
    page: &mut Page,
    level: usize,
    number: usize,
    requirements: &[Value],
    operator: impl Fn(&Value) -> String,
) {
    put!(page, level, "Term {number}:\t");
    if requirements.is_empty() {
        put!(page, 0, "<none>\n");
    }
    for (i, requirement) in requirements.iter().enumerate() {
        if i > 0 {
            put!(page, level, "\t");
        }
        let values = texts(requirement, "/values");
        let values =
            if values.is_empty() { String::new() } else { format!(" [{}]", values.join(", ")) };
        put!(page, 0, "{} {}{values}\n", text(requirement, "/key"), operator(requirement));
    }
}

/// A PersistentVolumeClaim.
pub(super) fn claim(page: &mut Page, pvc: &Value, cluster: &Cluster<'_>) {
    page.head(pvc);
    put!(page, 0, "StorageClass:\t{}\n", class_of(pvc));
    status(page, pvc, cluster);
    put!(page, 0, "Volume:\t{}\n", text(pvc, "/spec/volumeName"));
    page.meta(pvc);
    put!(page, 0, "Finalizers:\t{}\n", bracketed(pvc, "/metadata/finalizers"));
    claim_rest(page, pvc);
    page.lines("Used By", &users(pvc, cluster));
    let conditions = items(pvc, "/status/conditions");
    if !conditions.is_empty() {
        put!(page, 0, "Conditions:\n");
        put!(page, 1, "Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage\n");
        put!(page, 1, "----\t------\t-----------------\t------------------\t------\t-------\n");
        for c in conditions {
            let [of, status, reason, message] =
                ["/type", "/status", "/reason", "/message"].map(|p| text(c, p));
            let (probed, changed) = (date(c, "/lastProbeTime"), date(c, "/lastTransitionTime"));
            put!(page, 1, "{of} \t{status} \t{probed} \t{changed} \t{reason} \t{message}\n");
        }
    }
    events::describe(page, pvc, cluster);
}

/// The claim that a pod brings with it: a template, without a status.
pub(super) fn claim_of_pod(page: &mut Page, template: &Value) {
    page.nested(2, |page| {
        put!(page, 0, "StorageClass:\t{}\n", class_of(template));
        put!(page, 0, "Volume:\t{}\n", text(template, "/spec/volumeName"));
        page.meta(template);
        claim_rest(page, template);
    });
}

fn claim_rest(page: &mut Page, pvc: &Value) {
    let (mut capacity, mut modes_text) = (String::new(), String::new());
    if !text(pvc, "/spec/volumeName").is_empty() {
        modes_text = modes(pvc, "/status/accessModes");
        capacity = quantity(pvc, "/status/capacity/storage");
    }
    put!(page, 0, "Capacity:\t{capacity}\n");
    put!(page, 0, "Access Modes:\t{modes_text}\n");
    if has(pvc, "/spec/volumeMode") {
        put!(page, 0, "VolumeMode:\t{}\n", text(pvc, "/spec/volumeMode"));
    }
    let source = &pvc["spec"]["dataSource"];
    if source.is_object() {
        put!(page, 0, "DataSource:\n");
        if has(source, "/apiGroup") {
            put!(page, 1, "APIGroup:\t{}\n", text(source, "/apiGroup"));
        }
        put!(page, 1, "Kind:\t{}\n", text(source, "/kind"));
        put!(page, 1, "Name:\t{}\n", text(source, "/name"));
    }
}

/// The pods that use a claim, by name.
fn users(pvc: &Value, cluster: &Cluster<'_>) -> Vec<String> {
    let name = text(pvc, "/metadata/name");
    let owners: Vec<&str> = items(pvc, "/metadata/ownerReferences")
        .iter()
        .filter(|o| text(o, "/kind") == "Pod")
        .map(|o| text(o, "/uid"))
        .collect();
    let mut found = Vec::new();
    for pod in (cluster.list)("Pod", text(pvc, "/metadata/namespace")) {
        let mounts = items(&pod, "/spec/volumes")
            .iter()
            .filter(|v| has(v, "/persistentVolumeClaim"))
            .filter(|v| text(v, "/persistentVolumeClaim/claimName") == name)
            .count();
        let owner = owners.contains(&text(&pod, "/metadata/uid"));
        // A pod that mounts the claim twice is told twice, as upstream tells it.
        let times = if mounts == 0 { usize::from(owner) } else { mounts };
        found.extend(std::iter::repeat_n(text(&pod, "/metadata/name").to_owned(), times));
    }
    found.sort();
    found
}

/// A StorageClass.
pub(super) fn class(page: &mut Page, class: &Value, cluster: &Cluster<'_>) {
    put!(page, 0, "Name:\t{}\n", text(class, "/metadata/name"));
    let annotations = &class["metadata"]["annotations"];
    let default = [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    ]
    .iter()
    .any(|a| annotations[*a] == "true");
    put!(page, 0, "IsDefaultClass:\t{}\n", if default { "Yes" } else { "No" });
    flat_map(page, "Annotations", class, "/metadata/annotations");
    put!(page, 0, "Provisioner:\t{}\n", text(class, "/provisioner"));
    flat_map(page, "Parameters", class, "/parameters");
    put!(page, 0, "AllowVolumeExpansion:\t{}\n", truth_if_set(class, "/allowVolumeExpansion"));
    let options = texts(class, "/mountOptions");
    if options.is_empty() {
        put!(page, 0, "MountOptions:\t<none>\n");
    } else {
        put!(page, 0, "MountOptions:\n");
        for option in options {
            put!(page, 1, "{option}\n");
        }
    }
    for (title, field) in
        [("ReclaimPolicy", "/reclaimPolicy"), ("VolumeBindingMode", "/volumeBindingMode")]
    {
        if has(class, field) {
            put!(page, 0, "{title}:\t{}\n", text(class, field));
        }
    }
    if has(class, "/allowedTopologies") {
        let terms = items(class, "/allowedTopologies");
        let none = if terms.is_empty() { "<none>" } else { "" };
        put!(page, 0, "AllowedTopologies:\t{none}\n");
        for (i, term) in terms.iter().enumerate() {
            requirements(page, 1, i, items(term, "/matchLabelExpressions"), |_| "in".to_owned());
        }
    }
    events::describe(page, class, cluster);
}

/// A mapping in one line.
pub(super) fn flat_map(page: &mut Page, title: &str, of: &Value, pointer: &str) {
    put!(page, 0, "{title}:\t{}\n", labels(of, pointer).as_str().unwrap_or_default());
}

/// A VolumeAttributesClass.
pub(super) fn attributes_class(page: &mut Page, class: &Value, cluster: &Cluster<'_>) {
    put!(page, 0, "Name:\t{}\n", text(class, "/metadata/name"));
    flat_map(page, "Annotations", class, "/metadata/annotations");
    put!(page, 0, "DriverName:\t{}\n", text(class, "/driverName"));
    flat_map(page, "Parameters", class, "/parameters");
    events::describe(page, class, cluster);
}

/// A CSINode.
pub(super) fn csi_node(page: &mut Page, node: &Value, cluster: &Cluster<'_>) {
    put!(page, 0, "Name:\t{}\n", text(node, "/metadata/name"));
    page.meta(node);
    page.created(node);
    put!(page, 0, "Spec:\n");
    if has(node, "/spec/drivers") {
        put!(page, 1, "Drivers:\n");
        for driver in items(node, "/spec/drivers") {
            put!(page, 2, "{}:\n", text(driver, "/name"));
            put!(page, 3, "Node ID:\t{}\n", text(driver, "/nodeID"));
            if has(driver, "/allocatable/count") {
                put!(page, 3, "Allocatables:\n");
                put!(page, 4, "Count:\t{}\n", plain(driver, "/allocatable/count", "0"));
            }
            if has(driver, "/topologyKeys") {
                put!(page, 3, "Topology Keys:\t{}\n", bracketed(driver, "/topologyKeys"));
            }
        }
    }
    events::describe(page, node, cluster);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn access_modes_stand_in_one_order_each_once() {
        let of = json!({"m": ["ReadWriteMany", "ReadWriteOnce", "ReadWriteMany"]});
        assert_eq!(modes(&of, "/m"), "RWO,RWX");
    }
}

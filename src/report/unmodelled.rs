//! Fields that a manifest sets and the simulation does not act on.
//!
//! One table, read for each object that a user made: a field that is set to something other than its
//! default and is in the table is named once in the summary. A behaviour that becomes modelled loses
//! its line here and its row in `docs/fidelity.md` changes.

use serde_json::Value;

use crate::api::convert;
use crate::base::Str;
use crate::model::{Kind, Object};
use crate::trace::Assumption;

/// Fields of a pod's spec: name, values that mean nothing, what is not done.
const POD: &[(&str, &[&str], &str)] = &[
    ("securityContext.fsGroup", &[], "volumes keep their own groups"),
    ("securityContext.supplementalGroups", &["[]"], "processes have one group"),
    ("securityContext.sysctls", &["[]"], "the kernel has no settings"),
    ("securityContext.seccompProfile", &[], "profiles are not enforced"),
    ("securityContext.appArmorProfile", &[], "profiles are not enforced"),
    ("securityContext.seLinuxOptions", &["{}"], "labels are not enforced"),
    ("hostPID", &["false"], "processes of the node are not seen"),
    ("hostIPC", &["false"], "the node's IPC is not shared"),
    ("hostUsers", &["true"], "users inside are those of the node"),
    ("runtimeClassName", &[], "every pod has the same runtime"),
    ("imagePullSecrets", &["[]"], "registries ask for no credentials"),
    ("resourceClaims", &["[]"], "devices are not allocated"),
];

/// Fields of a container.
const CONTAINER: &[(&str, &[&str], &str)] = &[
    ("securityContext.capabilities", &["{}"], "capabilities are not enforced"),
    ("securityContext.privileged", &["false"], "a privileged container has no further rights"),
    (
        "securityContext.readOnlyRootFilesystem",
        &["false"],
        "the container's own files can be written",
    ),
    ("securityContext.seccompProfile", &[], "profiles are not enforced"),
    ("securityContext.appArmorProfile", &[], "profiles are not enforced"),
    ("securityContext.seLinuxOptions", &["{}"], "labels are not enforced"),
    ("volumeDevices", &["[]"], "block devices are not attached"),
    ("tty", &["false"], "no terminal is attached"),
];

/// Fields of other specs, by kind.
const SPECS: &[(Kind, &str, &[&str], &str)] = &[
    (Kind::Service, "sessionAffinity", &["\"None\""], "requests are not kept to one endpoint"),
    (Kind::Service, "externalTrafficPolicy", &["\"Cluster\""], "outside traffic is not simulated"),
    (Kind::PersistentVolumeClaim, "dataSource", &["null"], "volumes are made empty"),
];

/// What of an object is not acted on.
pub(super) fn of(object: &Object) -> Vec<Assumption> {
    let kind = object.kind();
    let mut found: Vec<Assumption> = Vec::new();
    let pod_spec = match kind {
        Kind::Pod => Some("/spec"),
        Kind::Job
        | Kind::DaemonSet
        | Kind::StatefulSet
        | Kind::Deployment
        | Kind::ReplicaSet
        | Kind::ReplicationController => Some("/spec/template/spec"),
        Kind::CronJob => Some("/spec/jobTemplate/spec/template/spec"),
        _ => None,
    };
    let specs = SPECS.iter().any(|(k, ..)| *k == kind);
    if pod_spec.is_none() && !specs {
        return found;
    }
    let document = convert::to_wire(object).to_value();
    for (_, field, nothing, why) in SPECS.iter().filter(|(k, ..)| *k == kind) {
        if means_something(&document["spec"][*field], nothing) {
            found.push(said(format!("{kind} spec.{field}"), why));
        }
    }
    let Some((path, spec)) = pod_spec.and_then(|p| Some((p, document.pointer(p)?))) else {
        return found;
    };
    let path = path.trim_start_matches('/').replace('/', ".");
    for (field, nothing, why) in POD {
        if means_something(at(spec, field), nothing) {
            found.push(said(format!("{kind} {path}.{field}"), why));
        }
    }
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array().into_iter().flatten() {
            for (field, nothing, why) in CONTAINER {
                if means_something(at(container, field), nothing) {
                    found.push(said(format!("{kind} {path}.{list}[].{field}"), why));
                }
            }
        }
    }
    found
}

/// The field of an object, by names with dots between.
fn at<'a>(object: &'a Value, field: &str) -> &'a Value {
    field.split('.').fold(object, |value, name| &value[name])
}

fn said(subject: String, why: &str) -> Assumption {
    Assumption { subject: subject.into(), text: Str::from(why) }
}

fn means_something(value: &Value, nothing: &[&str]) -> bool {
    !value.is_null() && !nothing.contains(&value.to_string().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::typed::Typed;

    #[test]
    fn only_what_is_set_to_something_is_named() {
        let names = |spec: Value| -> Vec<String> {
            let pod =
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec});
            let object = convert::from_wire(Typed::decode(&pod).unwrap()).unwrap();
            of(&object).into_iter().map(|a| a.subject.to_string()).collect()
        };
        let plain = json!({"dnsPolicy": "ClusterFirst", "securityContext": {},
            "containers": [{"name": "c", "image": "nginx", "resources": {}}]});
        assert!(names(plain).is_empty());
        let asks = json!({"hostPID": true,
            "containers": [{"name": "c", "image": "nginx", "securityContext": {"privileged": true}}]});
        assert_eq!(
            names(asks),
            ["Pod spec.hostPID", "Pod spec.containers[].securityContext.privileged"]
        );
    }
}

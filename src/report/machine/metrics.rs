//! The state of a cluster as Prometheus reads it, under the names and labels of kube-state-metrics.
//!
//! Of its metrics those that the simulation can know; each family with its help and type, lines in the
//! order of names.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::api::convert;
use crate::base::quantity::Quantity;
use crate::model::{Kind, Object};
use crate::store::Store;

/// The metrics of a store.
pub fn metrics(store: &Store) -> String {
    let mut all = Families::default();
    for kind in Kind::ALL {
        let mut objects: Vec<&Object> = store.list(*kind).collect();
        objects.sort_by(|a, b| a.key().cmp(&b.key()));
        for object in objects {
            all.object(*kind, &convert::to_wire(object).to_value());
        }
    }
    all.text()
}

/// Lines by family.
#[derive(Default)]
struct Families(BTreeMap<&'static str, Vec<String>>);

/// Labels with their values.
type Labels<'a> = &'a [(&'a str, &'a str)];

/// The number that a field of an object holds.
fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

impl Families {
    fn add(&mut self, family: &'static str, labels: Labels<'_>, value: f64) {
        let pairs: Vec<String> =
            labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escaped(v))).collect();
        self.0.entry(family).or_default().push(format!("{family}{{{}}} {value}", pairs.join(",")));
    }

    fn given(&mut self, family: &'static str, labels: Labels<'_>, value: &Value) {
        if let Some(value) = number(value) {
            self.add(family, labels, value);
        }
    }

    fn or_zero(&mut self, family: &'static str, labels: Labels<'_>, value: &Value) {
        self.add(family, labels, number(value).unwrap_or(0.0));
    }

    fn time(&mut self, family: &'static str, labels: Labels<'_>, value: &Value) {
        if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text(value)) {
            // Whole seconds of this era are exact in a float.
            self.add(family, labels, at.timestamp() as f64);
        }
    }

    fn object(&mut self, kind: Kind, o: &Value) {
        let (namespace, name) = (text(&o["metadata"]["namespace"]), text(&o["metadata"]["name"]));
        match kind {
            Kind::Pod => self.pod(namespace, name, o),
            Kind::Node => self.node(name, o),
            Kind::Deployment => self.deployment(namespace, name, o),
            Kind::ReplicaSet => self.replica_set(namespace, name, o),
            Kind::StatefulSet => self.stateful_set(namespace, name, o),
            Kind::DaemonSet => self.daemon_set(namespace, name, o),
            Kind::Job => self.job(namespace, name, o),
            Kind::CronJob => self.cron_job(namespace, name, o),
            _ => self.cluster(kind, namespace, name, o),
        }
    }

    fn cluster(&mut self, kind: Kind, namespace: &str, name: &str, o: &Value) {
        match kind {
            Kind::Service => {
                let uid = text(&o["metadata"]["uid"]);
                let ip = text(&o["spec"]["clusterIP"]);
                let labels =
                    [("namespace", namespace), ("service", name), ("uid", uid), ("cluster_ip", ip)];
                self.add("kube_service_info", &labels, 1.0);
            }
            Kind::Namespace => {
                let phase = text(&o["status"]["phase"]);
                for one in ["Active", "Terminating"] {
                    let labels = [("namespace", name), ("phase", one)];
                    self.add("kube_namespace_status_phase", &labels, flag(phase == one));
                }
            }
            Kind::PersistentVolumeClaim => {
                let phase = text(&o["status"]["phase"]);
                for one in ["Lost", "Bound", "Pending"] {
                    let labels =
                        [("namespace", namespace), ("persistentvolumeclaim", name), ("phase", one)];
                    self.add(
                        "kube_persistentvolumeclaim_status_phase",
                        &labels,
                        flag(phase == one),
                    );
                }
            }
            Kind::PersistentVolume => {
                let phase = text(&o["status"]["phase"]);
                for one in ["Pending", "Available", "Bound", "Released", "Failed"] {
                    let labels = [("persistentvolume", name), ("phase", one)];
                    self.add("kube_persistentvolume_status_phase", &labels, flag(phase == one));
                }
            }
            _ => self.policy(kind, namespace, name, o),
        }
    }

    fn policy(&mut self, kind: Kind, namespace: &str, name: &str, o: &Value) {
        match kind {
            Kind::ResourceQuota => {
                for (kind, list) in [("hard", "hard"), ("used", "used")] {
                    for (resource, amount) in o["status"][list].as_object().into_iter().flatten() {
                        let labels = [
                            ("namespace", namespace),
                            ("resourcequota", name),
                            ("resource", resource),
                            ("type", kind),
                        ];
                        self.add("kube_resourcequota", &labels, quantity(amount));
                    }
                }
            }
            Kind::PodDisruptionBudget => {
                let labels = [("namespace", namespace), ("poddisruptionbudget", name)];
                let s = &o["status"];
                self.or_zero(
                    "kube_poddisruptionbudget_status_current_healthy",
                    &labels,
                    &s["currentHealthy"],
                );
                self.or_zero(
                    "kube_poddisruptionbudget_status_desired_healthy",
                    &labels,
                    &s["desiredHealthy"],
                );
                self.or_zero(
                    "kube_poddisruptionbudget_status_expected_pods",
                    &labels,
                    &s["expectedPods"],
                );
                self.or_zero(
                    "kube_poddisruptionbudget_status_pod_disruptions_allowed",
                    &labels,
                    &s["disruptionsAllowed"],
                );
            }
            Kind::HorizontalPodAutoscaler => {
                let labels = [("namespace", namespace), ("horizontalpodautoscaler", name)];
                self.given(
                    "kube_horizontalpodautoscaler_spec_max_replicas",
                    &labels,
                    &o["spec"]["maxReplicas"],
                );
                self.given(
                    "kube_horizontalpodautoscaler_spec_min_replicas",
                    &labels,
                    &o["spec"]["minReplicas"],
                );
                self.or_zero(
                    "kube_horizontalpodautoscaler_status_current_replicas",
                    &labels,
                    &o["status"]["currentReplicas"],
                );
                self.or_zero(
                    "kube_horizontalpodautoscaler_status_desired_replicas",
                    &labels,
                    &o["status"]["desiredReplicas"],
                );
            }
            _ => {}
        }
    }

    fn pod(&mut self, namespace: &str, name: &str, o: &Value) {
        let uid = text(&o["metadata"]["uid"]);
        let base = [("namespace", namespace), ("pod", name), ("uid", uid)];
        let with = |more: &[(&'static str, &str)]| -> Vec<(String, String)> {
            base.iter()
                .copied()
                .chain(more.iter().copied())
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect()
        };
        let owner = items(&o["metadata"]["ownerReferences"]).find(|r| r["controller"] == true);
        let (kind, of) = owner.map_or(("", ""), |r| (text(&r["kind"]), text(&r["name"])));
        let s = &o["status"];
        let node = text(&o["spec"]["nodeName"]);
        let info = with(&[
            ("host_ip", text(&s["hostIP"])),
            ("pod_ip", text(&s["podIP"])),
            ("node", node),
            ("created_by_kind", kind),
            ("created_by_name", of),
            ("priority_class", text(&o["spec"]["priorityClassName"])),
        ]);
        self.owned("kube_pod_info", &info, 1.0);
        self.owned(
            "kube_pod_owner",
            &with(&[
                ("owner_kind", kind),
                ("owner_name", of),
                ("owner_is_controller", if owner.is_some() { "true" } else { "" }),
            ]),
            1.0,
        );
        self.time("kube_pod_created", &base, &o["metadata"]["creationTimestamp"]);
        self.time("kube_pod_start_time", &base, &s["startTime"]);
        for phase in ["Pending", "Succeeded", "Failed", "Unknown", "Running"] {
            self.owned(
                "kube_pod_status_phase",
                &with(&[("phase", phase)]),
                flag(s["phase"] == phase),
            );
        }
        for (family, condition) in
            [("kube_pod_status_ready", "Ready"), ("kube_pod_status_scheduled", "PodScheduled")]
        {
            let status = items(&s["conditions"])
                .find(|c| c["type"] == condition)
                .map(|c| text(&c["status"]).to_lowercase());
            for one in ["true", "false", "unknown"] {
                self.owned(
                    family,
                    &with(&[("condition", one)]),
                    flag(status.as_deref() == Some(one)),
                );
            }
        }
        if !s["reason"].is_null() {
            self.owned("kube_pod_status_reason", &with(&[("reason", text(&s["reason"]))]), 1.0);
        }
        for c in items(&s["containerStatuses"]) {
            self.container(&base, c);
        }
        self.asked_of_node(&base, o);
    }

    /// What the containers of a pod request, and what they may use.
    fn asked_of_node(&mut self, base: &[(&'static str, &str); 3], o: &Value) {
        let node = text(&o["spec"]["nodeName"]);
        let with = |more: &[(&'static str, &str)]| -> Vec<(String, String)> {
            let all = base.iter().copied().chain(more.iter().copied());
            all.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
        };
        for c in items(&o["spec"]["containers"]) {
            for (family, list) in [
                ("kube_pod_container_resource_requests", "requests"),
                ("kube_pod_container_resource_limits", "limits"),
            ] {
                for (resource, amount) in c["resources"][list].as_object().into_iter().flatten() {
                    let unit = match resource.as_str() {
                        "cpu" => "core",
                        "memory" | "ephemeral-storage" => "byte",
                        _ => "integer",
                    };
                    let resource = resource.replace(['-', '.', '/'], "_");
                    let labels = with(&[
                        ("container", text(&c["name"])),
                        ("node", node),
                        ("resource", &resource),
                        ("unit", unit),
                    ]);
                    self.owned(family, &labels, quantity(amount));
                }
            }
        }
    }

    fn owned(&mut self, family: &'static str, labels: &[(String, String)], value: f64) {
        let labels: Vec<(&str, &str)> =
            labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        self.add(family, &labels, value);
    }

    fn container(&mut self, base: &[(&str, &str); 3], c: &Value) {
        let labels: Vec<(&str, &str)> =
            base.iter().copied().chain([("container", text(&c["name"]))]).collect();
        self.or_zero("kube_pod_container_status_restarts_total", &labels, &c["restartCount"]);
        self.add("kube_pod_container_status_ready", &labels, flag(c["ready"] == true));
        let state = |which: &str| flag(!c["state"][which].is_null());
        self.add("kube_pod_container_status_running", &labels, state("running"));
        self.add("kube_pod_container_status_waiting", &labels, state("waiting"));
        self.add("kube_pod_container_status_terminated", &labels, state("terminated"));
        for (family, reason) in [
            ("kube_pod_container_status_waiting_reason", &c["state"]["waiting"]["reason"]),
            ("kube_pod_container_status_terminated_reason", &c["state"]["terminated"]["reason"]),
            (
                "kube_pod_container_status_last_terminated_reason",
                &c["lastState"]["terminated"]["reason"],
            ),
        ] {
            if let Some(reason) = reason.as_str() {
                let labels: Vec<(&str, &str)> =
                    labels.iter().copied().chain([("reason", reason)]).collect();
                self.add(family, &labels, 1.0);
            }
        }
    }

    fn node(&mut self, name: &str, o: &Value) {
        let base = [("node", name)];
        let ip = items(&o["status"]["addresses"])
            .find(|a| a["type"] == "InternalIP")
            .map_or("", |a| text(&a["address"]));
        let info = &o["status"]["nodeInfo"];
        let labels = [
            ("node", name),
            ("kubelet_version", text(&info["kubeletVersion"])),
            ("internal_ip", ip),
            ("pod_cidr", text(&o["spec"]["podCIDR"])),
        ];
        self.add("kube_node_info", &labels, 1.0);
        self.add("kube_node_spec_unschedulable", &base, flag(o["spec"]["unschedulable"] == true));
        self.time("kube_node_created", &base, &o["metadata"]["creationTimestamp"]);
        for t in items(&o["spec"]["taints"]) {
            let labels = [
                ("node", name),
                ("key", text(&t["key"])),
                ("value", text(&t["value"])),
                ("effect", text(&t["effect"])),
            ];
            self.add("kube_node_spec_taint", &labels, 1.0);
        }
        for c in items(&o["status"]["conditions"]) {
            let status = text(&c["status"]).to_lowercase();
            for one in ["true", "false", "unknown"] {
                let labels = [("node", name), ("condition", text(&c["type"])), ("status", one)];
                self.add("kube_node_status_condition", &labels, flag(status == one));
            }
        }
        for (family, list) in [
            ("kube_node_status_capacity", "capacity"),
            ("kube_node_status_allocatable", "allocatable"),
        ] {
            for (resource, amount) in o["status"][list].as_object().into_iter().flatten() {
                let unit = match resource.as_str() {
                    "cpu" => "core",
                    "memory" | "ephemeral-storage" => "byte",
                    _ => "integer",
                };
                let resource = resource.replace(['-', '.', '/'], "_");
                let labels = [("node", name), ("resource", resource.as_str()), ("unit", unit)];
                self.add(family, &labels, quantity(amount));
            }
        }
    }

    fn deployment(&mut self, namespace: &str, name: &str, o: &Value) {
        let labels = [("namespace", namespace), ("deployment", name)];
        let s = &o["status"];
        self.time("kube_deployment_created", &labels, &o["metadata"]["creationTimestamp"]);
        self.or_zero("kube_deployment_status_replicas", &labels, &s["replicas"]);
        self.or_zero("kube_deployment_status_replicas_ready", &labels, &s["readyReplicas"]);
        self.or_zero("kube_deployment_status_replicas_available", &labels, &s["availableReplicas"]);
        self.or_zero(
            "kube_deployment_status_replicas_unavailable",
            &labels,
            &s["unavailableReplicas"],
        );
        self.or_zero("kube_deployment_status_replicas_updated", &labels, &s["updatedReplicas"]);
        self.or_zero(
            "kube_deployment_status_observed_generation",
            &labels,
            &s["observedGeneration"],
        );
        self.or_zero("kube_deployment_metadata_generation", &labels, &o["metadata"]["generation"]);
        self.given("kube_deployment_spec_replicas", &labels, &o["spec"]["replicas"]);
        self.add("kube_deployment_spec_paused", &labels, flag(o["spec"]["paused"] == true));
        for c in items(&s["conditions"]) {
            let status = text(&c["status"]).to_lowercase();
            for one in ["true", "false", "unknown"] {
                let labels = [
                    ("namespace", namespace),
                    ("deployment", name),
                    ("reason", text(&c["reason"])),
                    ("condition", text(&c["type"])),
                    ("status", one),
                ];
                self.add("kube_deployment_status_condition", &labels, flag(status == one));
            }
        }
    }

    fn replica_set(&mut self, namespace: &str, name: &str, o: &Value) {
        let labels = [("namespace", namespace), ("replicaset", name)];
        self.or_zero("kube_replicaset_status_replicas", &labels, &o["status"]["replicas"]);
        self.or_zero(
            "kube_replicaset_status_ready_replicas",
            &labels,
            &o["status"]["readyReplicas"],
        );
        self.given("kube_replicaset_spec_replicas", &labels, &o["spec"]["replicas"]);
        for r in items(&o["metadata"]["ownerReferences"]) {
            let labels = [
                ("namespace", namespace),
                ("replicaset", name),
                ("owner_kind", text(&r["kind"])),
                ("owner_name", text(&r["name"])),
                ("owner_is_controller", if r["controller"] == true { "true" } else { "false" }),
            ];
            self.add("kube_replicaset_owner", &labels, 1.0);
        }
    }

    fn stateful_set(&mut self, namespace: &str, name: &str, o: &Value) {
        let labels = [("namespace", namespace), ("statefulset", name)];
        let s = &o["status"];
        self.or_zero("kube_statefulset_status_replicas", &labels, &s["replicas"]);
        self.or_zero("kube_statefulset_status_replicas_ready", &labels, &s["readyReplicas"]);
        self.or_zero(
            "kube_statefulset_status_replicas_available",
            &labels,
            &s["availableReplicas"],
        );
        self.or_zero("kube_statefulset_status_replicas_current", &labels, &s["currentReplicas"]);
        self.or_zero("kube_statefulset_status_replicas_updated", &labels, &s["updatedReplicas"]);
        self.given("kube_statefulset_replicas", &labels, &o["spec"]["replicas"]);
    }

    fn daemon_set(&mut self, namespace: &str, name: &str, o: &Value) {
        let labels = [("namespace", namespace), ("daemonset", name)];
        let s = &o["status"];
        self.or_zero(
            "kube_daemonset_status_desired_number_scheduled",
            &labels,
            &s["desiredNumberScheduled"],
        );
        self.or_zero(
            "kube_daemonset_status_current_number_scheduled",
            &labels,
            &s["currentNumberScheduled"],
        );
        self.or_zero("kube_daemonset_status_number_available", &labels, &s["numberAvailable"]);
        self.or_zero(
            "kube_daemonset_status_number_misscheduled",
            &labels,
            &s["numberMisscheduled"],
        );
        self.or_zero("kube_daemonset_status_number_ready", &labels, &s["numberReady"]);
        self.or_zero("kube_daemonset_status_number_unavailable", &labels, &s["numberUnavailable"]);
        self.or_zero(
            "kube_daemonset_status_updated_number_scheduled",
            &labels,
            &s["updatedNumberScheduled"],
        );
    }

    fn job(&mut self, namespace: &str, name: &str, o: &Value) {
        let labels = [("namespace", namespace), ("job_name", name)];
        let s = &o["status"];
        self.or_zero("kube_job_status_active", &labels, &s["active"]);
        self.or_zero("kube_job_status_succeeded", &labels, &s["succeeded"]);
        self.or_zero("kube_job_status_failed", &labels, &s["failed"]);
        self.given("kube_job_spec_completions", &labels, &o["spec"]["completions"]);
        self.given("kube_job_spec_parallelism", &labels, &o["spec"]["parallelism"]);
        self.given(
            "kube_job_spec_active_deadline_seconds",
            &labels,
            &o["spec"]["activeDeadlineSeconds"],
        );
        self.time("kube_job_status_start_time", &labels, &s["startTime"]);
        self.time("kube_job_status_completion_time", &labels, &s["completionTime"]);
        for (family, kind) in [("kube_job_complete", "Complete"), ("kube_job_failed", "Failed")] {
            let Some(c) = items(&s["conditions"]).find(|c| c["type"] == kind) else { continue };
            let status = text(&c["status"]).to_lowercase();
            for one in ["true", "false", "unknown"] {
                let labels = [("namespace", namespace), ("job_name", name), ("condition", one)];
                self.add(family, &labels, flag(status == one));
            }
        }
    }

    fn cron_job(&mut self, namespace: &str, name: &str, o: &Value) {
        let labels = [("namespace", namespace), ("cronjob", name)];
        let info = [
            ("namespace", namespace),
            ("cronjob", name),
            ("schedule", text(&o["spec"]["schedule"])),
            ("concurrency_policy", text(&o["spec"]["concurrencyPolicy"])),
        ];
        self.add("kube_cronjob_info", &info, 1.0);
        self.add("kube_cronjob_spec_suspend", &labels, flag(o["spec"]["suspend"] == true));
        self.add(
            "kube_cronjob_status_active",
            &labels,
            items(&o["status"]["active"]).count() as f64,
        );
        self.time(
            "kube_cronjob_status_last_schedule_time",
            &labels,
            &o["status"]["lastScheduleTime"],
        );
        self.time(
            "kube_cronjob_status_last_successful_time",
            &labels,
            &o["status"]["lastSuccessfulTime"],
        );
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for (family, lines) in &self.0 {
            let kind = if family.ends_with("_total") { "counter" } else { "gauge" };
            let about = family.trim_start_matches("kube_").replace('_', " ");
            // Writing to a string cannot fail.
            let _ = writeln!(out, "# HELP {family} {about}\n# TYPE {family} {kind}");
            for line in lines {
                let _ = writeln!(out, "{line}");
            }
        }
        out
    }
}

fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

/// A quantity as a number: cores, bytes, units.
fn quantity(value: &Value) -> f64 {
    let parsed = match value {
        Value::String(text) => text.parse::<Quantity>().ok(),
        other => other.to_string().parse().ok(),
    };
    // Thousandths as an integer first: what a float makes of them is the nearest there is.
    parsed.map_or(0.0, |q| q.milli_value() as f64 / 1000.0)
}

/// A label's value in the text format.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

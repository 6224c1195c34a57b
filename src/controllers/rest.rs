//! A workload that has what it wants is left alone: whatever was asked for, a further look at the
//! result asks for nothing.
//!
//! Each case lets one controller work on the bench, with a world that makes every pod ready (or end,
//! for Jobs) and lets deleted ones go, until nothing more is asked. Then the object is looked at again.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::controller::Controller;
use super::fixture::Bench;
use crate::model::wire::core::Service;
use crate::model::wire::policy::PodDisruptionBudget;
use crate::model::{
    CronJob, DaemonSet, Deployment, Job, Kind, Object, Phase, Pod, ReplicaSet,
    ReplicationController, StatefulSet, Whole,
};

/// More rounds than this no case takes.
const ROUNDS: usize = 80;

/// A spec whose pods carry the label `app: web`.
fn spec(more: &Value) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]}}});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    spec
}

/// Every pod is ready, or has ended; deleted ones go. Answers whether anything changed.
fn live<C: Controller + Default>(bench: &mut Bench<C>, ends: bool) -> bool {
    let mut changed = false;
    for name in bench.names(Kind::Pod) {
        let Object::Pod(pod) = bench.get(Kind::Pod, &name) else { continue };
        if pod.meta.is_terminating() {
            if pod.meta.finalizers.is_empty() {
                bench.remove(Kind::Pod, &name);
                changed = true;
            }
        } else if ends && !pod.is_terminal() {
            bench.make(&name, Phase::Succeeded);
            changed = true;
        } else if !ends && !pod.is_ready() {
            bench.make_ready(&name);
            changed = true;
        }
    }
    changed
}

/// Works until nothing more is asked.
fn settle<C: Controller + Default>(
    bench: &mut Bench<C>,
    mut world: impl FnMut(&mut Bench<C>) -> bool,
) {
    for _ in 0..ROUNDS {
        let asked = !bench.run().is_empty();
        let changed = world(bench);
        if !asked && !changed {
            return;
        }
        bench.wait(1);
    }
    panic!("it does not come to rest");
}

/// What a further look asks for; what it says it waits for does not count.
fn look_again<C: Controller + Default, T: Clone>(
    bench: &mut Bench<C>,
    kind: Kind,
    touch: impl FnOnce(&mut T),
) -> Vec<String>
where
    for<'a> &'a Arc<T>: TryFrom<&'a Object>,
    Object: From<T>,
{
    bench.change::<T>(kind, "web", touch);
    bench.run().into_iter().filter(|line| !line.contains(" waits ")).collect()
}

/// The ReplicaSets of a Deployment have the pods that they want.
fn replica_sets(bench: &mut Bench<super::deployment::DeploymentController>) -> bool {
    let mut changed = false;
    for name in bench.names(Kind::ReplicaSet) {
        let Object::ReplicaSet(set) = bench.get(Kind::ReplicaSet, &name) else { continue };
        let wanted = set.spec.wire.replicas.unwrap_or(1);
        let has = (set.status.replicas, set.status.available_replicas.unwrap_or(0));
        let generation = i64::try_from(set.meta.generation).ok();
        if has != (wanted, wanted) || set.status.observed_generation != generation {
            changed = true;
            bench.change::<ReplicaSet>(Kind::ReplicaSet, &name, |set| {
                let status = &mut set.status;
                status.replicas = wanted;
                status.ready_replicas = Some(wanted);
                status.available_replicas = Some(wanted);
                status.fully_labeled_replicas = Some(wanted);
                status.observed_generation = generation;
            });
        }
    }
    changed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_replica_set_at_rest_is_left_alone(replicas in 0..6_i32, later in 0..6_i32) {
        let mut bench = Bench::<super::replicaset::ReplicaSetController>::new();
        bench.apply(Kind::ReplicaSet, "web", &spec(&json!({"replicas": replicas})));
        settle(&mut bench, |b| live(b, false));
        bench.change::<ReplicaSet>(Kind::ReplicaSet, "web", |set| {
            Arc::make_mut(&mut set.spec).wire.replicas = Some(later);
            set.meta.generation += 1;
        });
        settle(&mut bench, |b| live(b, false));
        let asked = look_again::<_, ReplicaSet>(&mut bench, Kind::ReplicaSet, |set| {
            set.meta.labels = set.meta.labels.with("touched", "yes");
        });
        prop_assert_eq!(asked, Vec::<String>::new());
    }

    #[test]
    fn a_deployment_at_rest_is_left_alone(
        replicas in 0..6_i32,
        later in 0..6_i32,
        surge in 0..3_i32,
        recreate: bool,
    ) {
        let rolling = json!({"type": "RollingUpdate", "rollingUpdate":
            {"maxSurge": surge, "maxUnavailable": 1}});
        let strategy = if recreate { json!({"type": "Recreate"}) } else { rolling };
        let mut bench = Bench::<super::deployment::DeploymentController>::new();
        let more = json!({"replicas": replicas, "strategy": strategy,
            "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10});
        bench.apply(Kind::Deployment, "web", &spec(&more));
        settle(&mut bench, replica_sets);
        bench.change::<Deployment>(Kind::Deployment, "web", |d| {
            Arc::make_mut(&mut d.spec).wire.replicas = Some(later);
            d.meta.generation += 1;
        });
        settle(&mut bench, replica_sets);
        let asked = look_again::<_, Deployment>(&mut bench, Kind::Deployment, |d| {
            d.meta.labels = d.meta.labels.with("touched", "yes");
        });
        prop_assert_eq!(asked, Vec::<String>::new());
    }

    #[test]
    fn a_stateful_set_at_rest_is_left_alone(
        replicas in 0..5_i32,
        later in 0..5_i32,
        parallel: bool,
    ) {
        let policy = if parallel { "Parallel" } else { "OrderedReady" };
        let more = json!({"replicas": replicas, "serviceName": "web",
            "podManagementPolicy": policy, "revisionHistoryLimit": 10,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}});
        let mut bench = Bench::<super::statefulset::StatefulSetController>::new();
        bench.apply(Kind::StatefulSet, "web", &spec(&more));
        settle(&mut bench, |b| live(b, false));
        bench.change::<StatefulSet>(Kind::StatefulSet, "web", |set| {
            Arc::make_mut(&mut set.spec).wire.replicas = Some(later);
            set.meta.generation += 1;
        });
        settle(&mut bench, |b| live(b, false));
        let asked = look_again::<_, StatefulSet>(&mut bench, Kind::StatefulSet, |set| {
            set.meta.labels = set.meta.labels.with("touched", "yes");
        });
        prop_assert_eq!(asked, Vec::<String>::new());
    }

    #[test]
    fn a_daemon_set_at_rest_is_left_alone(nodes in 0..5_usize, surge: bool) {
        let rolling = if surge {
            json!({"maxSurge": 1, "maxUnavailable": 0})
        } else {
            json!({"maxSurge": 0, "maxUnavailable": 1})
        };
        let more = json!({"revisionHistoryLimit": 10,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}});
        let mut bench = Bench::<super::daemonset::DaemonSetController>::new();
        bench.nodes(&["n1", "n2", "n3", "n4"][..nodes.min(4)]);
        bench.apply(Kind::DaemonSet, "web", &spec(&more));
        settle(&mut bench, |b| live(b, false));
        let asked = look_again::<_, DaemonSet>(&mut bench, Kind::DaemonSet, |set| {
            set.meta.labels = set.meta.labels.with("touched", "yes");
        });
        prop_assert_eq!(asked, Vec::<String>::new());
    }

    #[test]
    fn a_job_that_has_ended_is_left_alone(
        completions in 1..5_i32,
        parallelism in 1..4_i32,
        indexed: bool,
    ) {
        let mode = if indexed { "Indexed" } else { "NonIndexed" };
        let template = json!({"metadata": {"labels": {"app": "web"}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
        let more = json!({"completions": completions, "parallelism": parallelism,
            "completionMode": mode, "backoffLimit": 6, "suspend": false, "template": template});
        let mut bench = Bench::<super::job::JobController>::new();
        bench.apply(Kind::Job, "web", &spec(&more));
        settle(&mut bench, |b| live(b, true));
        let Object::Job(job) = bench.get(Kind::Job, "web") else { panic!("a Job") };
        prop_assert!(job.status.is_true("Complete"));
        let asked = look_again::<_, Job>(&mut bench, Kind::Job, |job| {
            job.meta.labels = job.meta.labels.with("touched", "yes");
        });
        prop_assert_eq!(asked, Vec::<String>::new());
    }

    #[test]
    fn a_schedule_between_its_runs_is_left_alone(minute in 0..60_u32) {
        let job = json!({"spec": {"template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": "i"}]}}}});
        let more = json!({"schedule": format!("{minute} * * * *"), "concurrencyPolicy": "Allow",
            "suspend": false, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
            "jobTemplate": job});
        let mut bench = Bench::<super::cronjob::CronJobController>::new();
        bench.apply(Kind::CronJob, "web", &more);
        settle(&mut bench, |_| false);
        let asked = look_again::<_, CronJob>(&mut bench, Kind::CronJob, |cron| {
            cron.meta.labels = cron.meta.labels.with("touched", "yes");
        });
        prop_assert_eq!(asked, Vec::<String>::new());
    }

    #[test]
    fn a_replication_controller_at_rest_is_left_alone(replicas in 0..6_i32, later in 0..6_i32) {
        let template = json!({"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]}});
        let mut bench = Bench::<super::replicaset::ReplicationControllerController>::new();
        bench.apply(Kind::ReplicationController, "web", &json!({"replicas": replicas,
            "selector": {"app": "web"}, "template": template}));
        settle(&mut bench, |b| live(b, false));
        bench.change::<ReplicationController>(Kind::ReplicationController, "web", |set| {
            Arc::make_mut(&mut set.spec).wire.replicas = Some(later);
            set.meta.generation += 1;
        });
        settle(&mut bench, |b| live(b, false));
        let kind = Kind::ReplicationController;
        let asked = look_again::<_, ReplicationController>(&mut bench, kind, |set| {
            set.meta.labels = set.meta.labels.with("touched", "yes");
        });
        prop_assert_eq!(asked, Vec::<String>::new());
    }

    #[test]
    fn a_budget_that_has_counted_is_left_alone(
        pods in 0..6_u32,
        ready in 0..6_u32,
        percent in 0..101_i32,
    ) {
        let mut bench = Bench::<super::disruption::DisruptionController>::new();
        let more = json!({"replicas": pods});
        bench.apply(Kind::ReplicaSet, "web", &spec(&more));
        let uid = bench.get(Kind::ReplicaSet, "web").meta().uid.to_string();
        for n in 0..pods {
            let name = format!("web-{n}");
            bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"},
                    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet",
                        "name": "web", "uid": uid, "controller": true}]},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]}}));
            if n < ready {
                bench.make_ready(&name);
            }
        }
        bench.apply(Kind::PodDisruptionBudget, "web", &json!({
            "minAvailable": format!("{percent}%"), "selector": {"matchLabels": {"app": "web"}}}));
        settle(&mut bench, |_| false);
        let kind = Kind::PodDisruptionBudget;
        let mut asked = look_again::<_, Whole<PodDisruptionBudget>>(&mut bench, kind, |budget| {
            budget.meta.labels = budget.meta.labels.with("touched", "yes");
        });
        // It says so with every look.
        asked.retain(|line| line != "NoPods No matching pods found");
        prop_assert_eq!(asked, Vec::<String>::new());
    }

    #[test]
    fn slices_that_hold_their_service_are_left_alone(
        pods in 0..9_u8,
        ready in 0..9_u8,
        headless: bool,
    ) {
        let mut bench = Bench::<super::endpoints::EndpointSliceController>::new();
        for n in 0..pods {
            let name = format!("web-{n}");
            bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
                "spec": {"nodeName": "n1", "containers": [{"name": "web", "image": "web:1"}]}}));
            if n < ready {
                bench.make_ready(&name);
            }
            bench.change::<Pod>(Kind::Pod, &name, |pod| {
                pod.status.pod_ip = Some(std::net::Ipv4Addr::new(10, 244, 0, 2 + n));
            });
        }
        let address = if headless { "None" } else { "10.96.0.9" };
        bench.apply(Kind::Service, "web", &json!({"selector": {"app": "web"},
            "clusterIP": address, "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]}));
        settle(&mut bench, |_| false);
        let asked = look_again::<_, Whole<Service>>(&mut bench, Kind::Service, |service| {
            service.meta.annotations = service.meta.annotations.with("touched", "yes");
        });
        prop_assert_eq!(asked, Vec::<String>::new());
    }

    #[test]
    fn an_autoscaler_whose_load_is_met_scales_nothing(pods in 1..6_i32, load in 45..56_i32) {
        let labels = json!({"app": "web"});
        let template = json!({"metadata": {"labels": labels,
                "annotations": {"wavetank.dev/load.cpu": format!("{load}m")}},
            "spec": {"containers": [{"name": "web", "image": "web:1",
                "resources": {"requests": {"cpu": "100m"}}}]}});
        let mut bench = Bench::<super::hpa::HorizontalController>::new();
        let more = json!({"replicas": pods, "template": template});
        bench.apply(Kind::Deployment, "web", &spec(&more));
        bench.apply(Kind::HorizontalPodAutoscaler, "web", &json!({"minReplicas": 1,
            "maxReplicas": 9,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 50}}}]}));
        for _ in 0..8 {
            let asked = bench.run();
            let scales = asked.iter().any(|line| line.contains("Deployment"));
            prop_assert!(!scales, "{asked:?}");
            bench.wait(15);
        }
    }
}

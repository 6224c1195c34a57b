//! Whole looks at autoscalers, on the controllers' bench.

use serde_json::{Value, json};

use super::*;
use crate::controllers::fixture::Bench;
use crate::model::{ContainerState, ContainerStatus, Deployment};

type HpaBench = Bench<HorizontalController>;

/// An autoscaler of Deployment `web` with that spec and load, and so many pods that run and are ready.
fn bench(pods: usize, load: Option<&str>, spec: &Value) -> HpaBench {
    let mut bench = HpaBench::new();
    let labels = json!({"app": "web"});
    let replicas = pods;
    let container = json!({"name": "web", "image": "nginx",
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
    bench.apply(
        Kind::Deployment,
        "web",
        &json!({"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}),
    );
    for i in 0..pods {
        bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("web-{i}"), "namespace": "default", "labels": labels},
            "spec": {"containers": [container]}}));
        start(&mut bench, &format!("web-{i}"));
    }
    let mut whole = json!({"minReplicas": 1, "maxReplicas": 10,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "metrics": [{"type": "Resource", "resource": {"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": 50}}}]});
    for (field, value) in spec.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    let annotations = load.map_or(json!({}), |l| json!({"wavetank.dev/load.cpu": l}));
    bench.wait(1000);
    bench.put_manifest(&json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default", "annotations": annotations},
        "spec": whole}));
    bench
}

fn start(bench: &mut HpaBench, pod: &str) {
    bench.make_ready(pod);
    let now = bench.now;
    bench.change::<Pod>(Kind::Pod, pod, |pod| {
        pod.status.start_time = Some(now);
        pod.status.containers = Arc::new([ContainerStatus {
            name: "web".into(),
            state: ContainerState::Running { started_at: now },
            last: None,
            ready: true,
            started: Some(true),
            restart_count: 0,
            image: "nginx".into(),
            image_id: "id".into(),
            container_id: 1,
            given: None,
        }]);
    });
}

fn look(bench: &mut HpaBench) -> Vec<String> {
    let wait = bench.wakes_in().expect("it wants to look");
    bench.wait(wait);
    bench.run()
}

fn replicas(bench: &HpaBench) -> i32 {
    let Object::Deployment(d) = bench.get(Kind::Deployment, "web") else { return -1 };
    Deployment::clone(&d).spec.wire.replicas.unwrap_or(-1)
}

fn conditions(bench: &HpaBench) -> Vec<String> {
    let Object::HorizontalPodAutoscaler(hpa) = bench.get(Kind::HorizontalPodAutoscaler, "web")
    else {
        return Vec::new();
    };
    let status = hpa.body.status.clone().unwrap_or_default();
    let shown = status.conditions.unwrap_or_default().into_iter();
    shown.map(|c| format!("{} {} {}", c.type_, c.status, c.reason.unwrap_or_default())).collect()
}

#[test]
fn a_target_under_load_is_scaled_up_and_then_left_alone() {
    let mut bench = bench(2, Some("100m"), &json!({}));
    assert_eq!(
        look(&mut bench),
        [
            "patch Deployment web: {\"spec\":{\"replicas\":4}}",
            "SuccessfulRescale New size: 4; reason: cpu resource utilization (percentage of request) above target",
            "status HorizontalPodAutoscaler web",
        ]
    );
    assert_eq!(replicas(&bench), 4);
    assert_eq!(
        conditions(&bench),
        [
            "AbleToScale True SucceededRescale",
            "ScalingActive True ValidMetricFound",
            "ScalingLimited False DesiredWithinRange"
        ]
    );
}

#[test]
fn an_autoscaler_at_rest_is_not_looked_at() {
    let mut bench = bench(2, Some("50m"), &json!({}));
    assert_eq!(look(&mut bench), ["status HorizontalPodAutoscaler web"]);
    // The looks after that change nothing, and what is remembered of the pods ages out.
    for _ in 0..10 {
        if bench.wakes_in().is_none() {
            break;
        }
        assert_eq!(look(&mut bench), Vec::<String>::new());
    }
    assert_eq!(bench.wakes_in(), None);
}

#[test]
fn news_are_looked_at_in_the_rhythm_of_fifteen_seconds() {
    let mut bench = bench(2, Some("50m"), &json!({}));
    while bench.wakes_in().is_some() {
        look(&mut bench);
    }
    bench.wait(7);
    let idle = bench.now;
    bench.change::<Pod>(Kind::Pod, "web-0", |pod| pod.status.conditions = Arc::default());
    let wait = bench.wakes_in().expect("there is news");
    assert!((1..=15).contains(&wait), "{wait}");
    let since = idle + Duration::from_secs(wait);
    assert_eq!(
        since.since(super::super::fixture::BEGIN + Duration::from_secs(1000)).as_secs() % 15,
        0
    );
}

#[test]
fn a_step_of_the_load_is_seen_when_it_comes() {
    let mut bench = bench(2, Some("0s=50m 10m=100m"), &json!({}));
    let mut waited = 0;
    while replicas(&bench) == 2 {
        waited += bench.wakes_in().expect("the step is still to come");
        look(&mut bench);
    }
    assert_eq!(replicas(&bench), 4);
    assert!((600..=630).contains(&waited), "{waited}");
}

#[test]
fn scaling_down_waits_for_five_minutes() {
    let mut bench = bench(4, Some("0s=50m 5m=10m"), &json!({}));
    let mut waited = 0;
    while replicas(&bench) == 4 {
        waited += bench.wakes_in().expect("the load sinks");
        look(&mut bench);
    }
    assert_eq!(replicas(&bench), 1);
    assert!((600..=630).contains(&waited), "{waited}");
}

#[test]
fn policies_limit_how_fast_a_target_grows() {
    let behavior = json!({
        "scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                    "selectPolicy": "Max", "stabilizationWindowSeconds": 0},
        "scaleDown": {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
                      "selectPolicy": "Max"},
    });
    let mut bench = bench(2, Some("500m"), &json!({"behavior": behavior}));
    look(&mut bench);
    assert_eq!(replicas(&bench), 3);
    assert_eq!(conditions(&bench)[2], "ScalingLimited True ScaleUpLimit");
    let mut waited = 0;
    while replicas(&bench) == 3 {
        waited += bench.wakes_in().expect("more is wanted");
        look(&mut bench);
    }
    assert_eq!((replicas(&bench), waited), (4, 75));
}

#[test]
fn without_a_load_profile_it_is_as_without_metrics_server() {
    let mut bench = bench(2, None, &json!({}));
    let lines = look(&mut bench);
    assert!(lines[0].starts_with("FailedGetResourceMetric failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API"), "{lines:?}");
    assert_eq!(conditions(&bench)[1], "ScalingActive False FailedGetResourceMetric");
    assert_eq!(bench.wakes_in(), Some(15));
}

#[test]
fn a_target_that_is_not_there_or_has_no_scale_is_said() {
    for (target, error) in [
        (
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}),
            "deployments.apps \"api\" not found",
        ),
        (
            json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "api"}),
            "the server could not find the requested resource",
        ),
        (
            json!({"apiVersion": "x.io/v1", "kind": "Thing", "name": "api"}),
            "no matches for kind \"Thing\" in group \"x.io\"",
        ),
    ] {
        let mut bench = bench(1, Some("1"), &json!({"scaleTargetRef": target}));
        assert_eq!(look(&mut bench)[0], format!("FailedGetScale {error}"));
        assert_eq!(conditions(&bench), ["AbleToScale False FailedGetScale"]);
    }
}

#[test]
fn a_target_scaled_to_zero_by_hand_is_left_alone() {
    let mut bench = bench(0, Some("1"), &json!({}));
    look(&mut bench);
    assert_eq!(conditions(&bench)[1], "ScalingActive False ScalingDisabled");
}

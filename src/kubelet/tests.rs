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
fn a_status_that_was_refused_is_told_again_with_the_next_round() {
    let mut c = Cluster::new();
    c.refusals = u32::MAX;
    c.pod("web", json!({"containers": [{"name": "web", "image": "nginx:1.25"}]}));
    c.run(secs(30));
    assert!(c.get("web").unwrap().status.conditions.is_empty(), "{:#?}", c.story);
    c.refusals = 0;
    c.run(secs(11));
    assert!(c.get("web").unwrap().is_ready(), "{:#?}", c.story);
}

#[test]
fn a_removal_that_was_refused_is_asked_for_again_with_the_next_round() {
    let mut c = Cluster::new();
    c.pod("web", json!({"containers": [{"name": "web", "image": "nginx:1.25"}]}));
    c.run(secs(10));
    c.delete("web", 1);
    c.refusals = 3;
    c.run(secs(3));
    assert!(c.get("web").is_some(), "{:#?}", c.story);
    c.run(secs(40));
    assert_eq!(c.refusals, 0);
    assert!(c.get("web").is_none(), "{:#?}", c.story);
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

/// What a pod of one busybox container with this script and these further fields writes.
fn output(script: &str, pod: serde_json::Value, container: serde_json::Value) -> String {
    let mut c = Cluster::new();
    c.config_map("cfg", &[("color", "blue"), ("nested.conf", "hello")]);
    let mut main =
        json!({"name": "main", "image": "busybox:1.36", "command": ["sh", "-c", script]});
    main.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    let mut spec = json!({"restartPolicy": "Never", "containers": [main]});
    spec.as_object_mut().unwrap().extend(pod.as_object().unwrap().clone());
    c.pod("p", spec);
    c.run(secs(5));
    let line = |l: &String| l.split_once(" > ").map(|(_, text)| text.to_owned());
    let lines: Vec<String> = c.story.iter().filter_map(line).collect();
    if lines.is_empty() { c.story.join("\n") } else { lines.join("|") }
}

#[test]
fn a_mount_shows_a_file_of_a_config_map_or_a_directory_of_its_own() {
    let volumes = json!({"volumes": [
        {"name": "cfg", "configMap": {"name": "cfg"}},
        {"name": "scratch", "emptyDir": {}},
    ]});
    let mounts = json!({
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "volumeMounts": [
            {"name": "cfg", "mountPath": "/etc/color", "subPath": "color"},
            {"name": "scratch", "mountPath": "/logs", "subPathExpr": "logs/$(POD)"},
            {"name": "scratch", "mountPath": "/all"},
        ],
    });
    let script = "cat /etc/color; echo; echo x > /logs/a; cat /all/logs/p/a";
    assert_eq!(output(script, volumes, mounts), "blue|x");
}

#[test]
fn a_mount_whose_variable_has_no_value_is_refused() {
    let volumes = json!({"volumes": [{"name": "scratch", "emptyDir": {}}]});
    let mounts = json!({"volumeMounts":
        [{"name": "scratch", "mountPath": "/logs", "subPathExpr": "$(NOPE)"}]});
    let told = output("echo never", volumes, mounts);
    assert!(told.contains("Failed: Error: missing value for NOPE"), "{told}");
    assert!(told.contains("waiting CreateContainerConfigError"), "{told}");
}

#[test]
fn pods_of_a_node_share_its_disk_and_paths_are_of_their_type() {
    let host = |path: &str, kind: &str| json!({"volumes": [{"name": "h", "hostPath": {"path": path, "type": kind}}]});
    let mounts = || json!({"volumeMounts": [{"name": "h", "mountPath": "/h"}]});
    assert_eq!(output("ls /h", host("/var/log", ""), mounts()), "containers|pods");
    assert_eq!(output("ls /h; echo made", host("/srv/new", "DirectoryOrCreate"), mounts()), "made");
    let check = |path: &str, kind: &str, what: &str| {
        let told = output("echo never", host(path, kind), mounts());
        let text = format!(
            "FailedMount: MountVolume.SetUp failed for volume \"h\" : hostPath type check failed: {path} is not a {what}"
        );
        assert!(told.contains(&text), "{told}");
    };
    check("/srv/nothing", "Directory", "directory");
    check("/var/log", "File", "file");
    check("/var/log", "FileOrCreate", "file");
    check("/etc/hosts", "DirectoryOrCreate", "directory");
    check("/var/run/docker.sock", "Socket", "socket file");
    check("/dev/sda", "BlockDevice", "block device");
}

#[test]
fn a_container_whose_start_hook_fails_is_stopped_before_the_start_has_failed() {
    let mut c = Cluster::new();
    let hook = json!({"postStart": {"exec": {"command": ["sh", "-c", "echo bad; echo worse >&2; exit 3"]}}});
    c.pod(
        "p",
        json!({"terminationGracePeriodSeconds": 1, "containers": [{
            "name": "main", "image": "busybox:1.36", "command": ["sleep", "100"], "lifecycle": hook,
        }]}),
    );
    c.run(secs(30));
    assert!(!c.story.iter().any(|l| l.contains("(running")), "{:#?}", c.story);
    let pod = c.get("p").unwrap();
    let crate::model::ContainerState::Waiting { reason, message } = &pod.status.containers[0].state
    else {
        panic!("{:?}", pod.status.containers[0])
    };
    assert_eq!(reason, "PostStartHookError");
    let said = "exited with 3: worse\n, message: \"bad\\nworse\\n\"";
    assert!(message.ends_with(said), "{message}");
    let told = c.story.iter().any(|l| l.contains("Killing: FailedPostStartHook"));
    assert!(told, "{:#?}", c.story);
}

fn app() -> serde_json::Value {
    json!({"name": "app", "image": "example.com/app:1"})
}

/// How the main container of a pod ended last: reason and exit code.
fn ending(c: &Cluster, name: &str) -> Option<(String, i32)> {
    use crate::model::ContainerState::Terminated;
    let status = c.get(name)?.status.containers[0].clone();
    let how = if let Terminated(how) = status.state { Some(how) } else { status.last };
    how.map(|how| (how.reason.to_string(), how.exit_code))
}

#[test]
fn a_program_does_what_its_annotations_tell() {
    let mut c = Cluster::new();
    let told = [("duration", "7s"), ("exitCode", "3")];
    c.told("p", &told, json!({"restartPolicy": "Never", "containers": [app()]}));
    c.run(secs(6));
    assert_eq!(ending(&c, "p"), None);
    c.run(secs(4));
    assert_eq!(ending(&c, "p"), Some(("Error".to_owned(), 3)));
}

#[test]
fn an_annotation_that_cannot_be_read_changes_nothing() {
    let mut c = Cluster::new();
    c.told("p", &[("duration", "soon")], json!({"containers": [app()]}));
    c.run(secs(20));
    assert!(c.get("p").unwrap().is_ready());
}

#[test]
fn a_readiness_probe_follows_what_is_told_of_readiness() {
    let mut c = Cluster::new();
    let mut main = app();
    main["readinessProbe"] = json!({"httpGet": {"port": 80}, "periodSeconds": 1});
    let told = [("ports", "80"), ("readyAfter", "5s"), ("unready", "20s-30s")];
    c.told("p", &told, json!({"containers": [main]}));
    let ready = |c: &Cluster| c.get("p").unwrap().is_ready();
    c.run(secs(4));
    assert!(!ready(&c));
    c.run(secs(6));
    assert!(ready(&c));
    c.run(secs(15));
    assert!(!ready(&c), "{:#?}", c.story);
    let refused = "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503";
    assert!(c.story.iter().any(|l| l.contains(refused)), "{:#?}", c.story);
    c.run(secs(10));
    assert!(ready(&c));
}

#[test]
fn a_program_that_ignores_the_stop_signal_is_killed_after_its_grace() {
    let mut c = Cluster::new();
    c.told("p", &[("stopAfter", "never")], json!({"containers": [app()]}));
    c.run(secs(5));
    c.delete("p", 6);
    c.run(secs(5));
    assert!(c.get("p").is_some_and(|p| !p.is_terminal()));
    c.run(secs(5));
    assert!(c.get("p").is_none());
    assert!(c.story.iter().any(|l| l.contains("Error 137")), "{:#?}", c.story);
}

#[test]
fn a_container_that_uses_more_memory_than_its_limit_is_killed_and_starts_again() {
    let mut c = Cluster::new();
    let mut main = app();
    main["resources"] = json!({"limits": {"memory": "64Mi"}});
    c.told("p", &[("memory", "44Mi +1Mi/s")], json!({"containers": [main]}));
    c.run(secs(19));
    assert_eq!(ending(&c, "p"), None);
    c.run(secs(4));
    assert_eq!(ending(&c, "p"), Some(("OOMKilled".to_owned(), 137)));
    assert!(c.get("p").unwrap().is_ready(), "the first restart is immediate");
    c.run(secs(40));
    let backs_off = c.story.iter().any(|l| l.contains("waiting CrashLoopBackOff"));
    assert!(backs_off, "{:#?}", c.story);
}

#[test]
fn a_node_short_of_memory_evicts_the_pod_that_exceeds_its_request_and_refuses_best_effort_pods() {
    let mut c = Cluster::new();
    let asks = |memory: &str| {
        let mut main = app();
        main["resources"] = json!({"requests": {"memory": memory}});
        json!({"containers": [main]})
    };
    c.told("modest", &[("memory", "4Gi")], asks("5Gi"));
    c.told("greedy", &[("memory", "3Gi +9Mi/s"), ("stopCode", "1")], asks("100Mi"));
    // Slowly enough that the eviction loop, which looks every 10 s, is faster than the kernel.
    c.run(secs(125));
    assert!(c.get("modest").unwrap().is_ready());
    let greedy = c.get("greedy").unwrap();
    assert_eq!(
        (greedy.status.phase.as_str(), greedy.status.reason.as_str()),
        ("Failed", "Evicted")
    );
    let starts = "The node was low on resource: memory. Threshold quantity: 100Mi, available: ";
    assert!(greedy.status.message.starts_with(starts), "{}", greedy.status.message);
    let target = greedy.status.condition("DisruptionTarget").unwrap();
    assert_eq!(target.reason, "TerminationByKubelet");
    let pressed = |c: &Cluster| {
        let node = crate::model::Key::new("", "node-1");
        let Some(crate::model::Object::Node(n)) = c.store.get(crate::model::Kind::Node, &node)
        else {
            panic!("no node")
        };
        n.condition("MemoryPressure").unwrap().reason.to_string()
    };
    assert_eq!(pressed(&c), "KubeletHasInsufficientMemory");
    c.pod("late", json!({"containers": [app()]}));
    c.run(secs(5));
    assert_eq!(c.get("late").unwrap().status.reason, "Evicted");
    c.run(secs(330));
    assert_eq!(pressed(&c), "KubeletHasSufficientMemory");
    c.pod("later", json!({"containers": [app()]}));
    c.run(secs(5));
    assert!(c.get("later").unwrap().is_ready());
}

#[test]
fn the_kernel_kills_where_a_node_has_no_memory_left_at_all() {
    let mut c = Cluster::new();
    c.told("p", &[("memory", "1Gi +3Gi/s")], json!({"containers": [app()]}));
    c.run(secs(6));
    let oom = c
        .story
        .iter()
        .any(|l| l.contains("SystemOOM: System OOM encountered, victim process: app"));
    assert!(oom || c.story.iter().any(|l| l.contains("Evicted")), "{:#?}", c.story);
}

#[test]
fn a_pod_that_writes_more_than_its_volume_may_hold_is_evicted() {
    let mut c = Cluster::new();
    let script = "i=0; while [ $i -lt 300 ]; do echo 0123456789abcdef >> /data/x; i=$((i+1)); done; sleep 1000";
    let main = json!({"name": "main", "image": "busybox:1.36", "command": ["sh", "-c", script],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}]});
    let volume = json!({"name": "data", "emptyDir": {"sizeLimit": "4Ki"}});
    c.pod("p", json!({"containers": [main], "volumes": [volume]}));
    c.run(secs(30));
    let pod = c.get("p").unwrap();
    assert_eq!((pod.status.phase.as_str(), pod.status.reason.as_str()), ("Failed", "Evicted"));
    let text = "Usage of EmptyDir volume \"data\" exceeds the limit \"4Ki\". ";
    assert_eq!(pod.status.message, text);
    assert!(pod.status.condition("DisruptionTarget").is_none());
}

#[test]
fn a_container_that_writes_more_than_its_limit_is_evicted() {
    let mut c = Cluster::new();
    let mut main = app();
    main["resources"] = json!({"limits": {"ephemeral-storage": "1Gi"}});
    let told = [("disk", "0 +100Mi/s"), ("stopAfter", "never")];
    c.told("p", &told, json!({"containers": [main]}));
    c.run(secs(10));
    assert!(c.get("p").unwrap().is_ready());
    c.run(secs(20));
    let pod = c.get("p").unwrap();
    assert_eq!(pod.status.reason, "Evicted");
    let text = "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ";
    assert_eq!(pod.status.message, text);
}

#[test]
fn files_are_not_brought_up_to_date_for_a_pod_that_ends() {
    let mut c = Cluster::new();
    c.config_map("cfg", &[("color", "blue")]);
    c.pod(
        "web",
        json!({
            "volumes": [{"name": "cfg", "configMap": {"name": "cfg"}}],
            "containers": [{"name": "web", "image": "nginx:1.25",
                "volumeMounts": [{"name": "cfg", "mountPath": "/etc/app"}],
                "lifecycle": {"preStop": {"exec": {"command": ["sleep", "100"]}}}}],
        }),
    );
    c.run(secs(5));
    c.config_map("cfg", &[("color", "red")]);
    c.run(secs(1));
    c.delete("web", 200);
    // A worker that had something due and did not do it would never come to rest.
    c.run(secs(150));
    assert!(c.get("web").is_none() && c.is_quiet());
}

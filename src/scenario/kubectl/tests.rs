//! Sessions: command lines in a running cluster, and what they print, refuse and end with.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::cluster::{NodeSpec, Storage};
use super::super::runner::{End, Plan, Runner, StepAction, TimedStep};
use super::super::snapshot::Snapshot;
use super::Files;
use crate::base::time::SimTime;
use crate::sim::{Options, Start};
use crate::trace::{FactKind, StepDone};

fn step(at: u64, action: StepAction) -> TimedStep {
    TimedStep {
        at: Duration::from_secs(at),
        written: format!("{at}s"),
        action,
        files: Files {
            root: concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures").into(),
            confined: true,
        },
        ..TimedStep::default()
    }
}

fn world() -> Vec<Value> {
    let labels = json!({"app": "web"});
    let shell = |name: &str, script: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": [{"name": "main", "image": "busybox", "command": ["sh", "-c", script]}]}})
    };
    vec![
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": labels},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]}}}}),
        shell("talker", "echo one; echo two >&2; sleep 100000"),
        shell("crasher", "echo bye; exit 1"),
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
            "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "c", "image": "busybox", "command": ["sh", "-c", "echo done"]}]}}}}}}),
    ]
}

/// Runs lines, ten seconds apart, in a cluster of two nodes with what [`world`] has.
fn session(lines: &[&str]) -> Vec<StepDone> {
    session_in(world(), lines)
}

/// The same with other objects.
fn session_in(documents: Vec<Value>, lines: &[&str]) -> Vec<StepDone> {
    let start = SimTime::from_secs(1_767_225_600);
    let mut steps = vec![step(0, StepAction::Apply { source: "world.yaml".into(), documents })];
    for (line, at) in lines.iter().zip((1..).map(|i| i * 10)) {
        steps.push(step(at, StepAction::Kubectl((*line).to_owned())));
    }
    let node = |(name, i): (&str, u32)| NodeSpec::worker(name).object(i, start);
    let plan = Plan {
        options: Options { seed: 1, start: Start(start), ..Options::default() },
        snapshot: Snapshot::default(),
        nodes: [("node-1", 0), ("node-2", 1)].map(node).into(),
        storage: Storage::None,
        steps,
        end: End::After(Duration::from_secs(400)),
    };
    let mut done = Vec::new();
    let mut hear = |fact: &crate::trace::Fact| {
        if let FactKind::Step(step) = &fact.kind {
            done.push(StepDone::clone(step));
        }
    };
    let mut runner = Runner::new(plan, &mut |_| {}).unwrap();
    runner.run(&mut hear);
    done.remove(0);
    done
}

/// Checks what lines say, one after the other: exit code, and standard output or else standard error.
#[track_caller]
fn check(cases: &[(&str, i32, &str)]) {
    let lines: Vec<&str> = cases.iter().map(|(line, ..)| *line).collect();
    for (done, (line, code, says)) in session(&lines).iter().zip(cases) {
        let said = if *code == 0 { &done.stdout } else { &done.stderr };
        assert_eq!((said.as_str(), done.exit_code), (*says, *code), "{line}: {}", done.stderr);
    }
}

#[test]
fn workloads_are_scaled_changed_and_rolled_back() {
    check(&[
        (
            "scale deploy/web --replicas=3 --current-replicas=9",
            1,
            "error: Expected replicas to be 9, was 2\n",
        ),
        ("scale deploy/web --replicas=3 --timeout=5s", 0, "deployment.apps/web scaled\n"),
        (
            "scale pod talker --replicas=2",
            1,
            "Error from server (NotFound): the server could not find the requested resource\n",
        ),
        ("set image deploy/web web=nginx:2", 0, "deployment.apps/web image updated\n"),
        ("set image deploy/web db=x", 1, "error: unable to find container named \"db\"\n"),
        ("set env deploy/web A=1", 0, "deployment.apps/web env updated\n"),
        ("rollout status deploy web", 0, "deployment \"web\" successfully rolled out\n"),
        (
            "rollout history deploy/web",
            0,
            "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n3         <none>\n\n",
        ),
        (
            "rollout undo deploy/web --to-revision=9",
            1,
            "Warning: resource deployments/web was previously managed with 'kubectl apply'. Rolling back will not update the kubectl.kubernetes.io/last-applied-configuration annotation, which may cause unexpected behavior on future 'kubectl apply' operations. Consider using 'kubectl apply' with your previous configuration file instead.\nerror: unable to find specified revision 9 in history\n",
        ),
        ("rollout undo deploy/web", 0, "deployment.apps/web rolled back\n"),
        ("rollout pause deploy/web", 0, "deployment.apps/web paused\n"),
        ("rollout pause deploy/web", 1, "error: deployments.apps \"web\" is already paused\n"),
        (
            "rollout restart deploy/web",
            1,
            "error: deployments.apps \"web\" can't restart paused deployment (run rollout resume first)\n",
        ),
        ("rollout resume deploy/web", 0, "deployment.apps/web resumed\n"),
        (
            "patch deploy web -p '{\"spec\":{\"replicas\":3}}'",
            0,
            "deployment.apps/web patched (no change)\n",
        ),
        (
            "autoscale deploy web --max=5 --cpu=80%",
            0,
            "horizontalpodautoscaler.autoscaling/web autoscaled\n",
        ),
        (
            "rollout sideways",
            1,
            "error: unknown command \"sideways\"\nSee 'kubectl rollout -h' for help and examples\n",
        ),
    ]);
}

#[test]
fn a_rollout_is_told_line_by_line_until_it_is_done() {
    let done = session(&["set image deploy/web web=nginx:2", "rollout status deploy/web"]);
    assert!(done[1].stdout.ends_with("deployment \"web\" successfully rolled out\n"));
    let both = session(&["rollout restart deploy/web", "get pods -o name"]);
    assert_eq!(both[0].exit_code, 0);
    let stuck = session(&[
        "set image deploy/web web=nonexistent.example.com/x",
        "rollout status deploy/web --timeout=5s",
    ]);
    assert_eq!(stuck[1].stderr, "error: timed out waiting for the condition\n");
    assert!(stuck[1].stdout.starts_with("Waiting for deployment \"web\" rollout to finish: "));
}

#[test]
fn commands_run_in_containers_and_pass_their_exit_code_on() {
    check(&[
        ("exec talker -- echo hi there", 0, "hi there\n"),
        (
            "exec talker -- sh -c 'echo bad >&2; exit 3'",
            3,
            "bad\ncommand terminated with exit code 3\n",
        ),
        ("exec deploy/web -- sh -c 'echo $((6*7))'", 0, "42\n"),
        (
            "exec talker echo",
            1,
            "error: exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\nSee 'kubectl exec -h' for help and examples\n",
        ),
        (
            "exec talker -c side -- ls",
            1,
            "error: container side is not valid for pod talker out of: main\n",
        ),
    ]);
    let done = session(&["exec talker -- nosuch"]);
    let says = &done[0].stderr;
    assert_eq!(done[0].exit_code, 1);
    assert!(says.starts_with("error: Internal error occurred: error executing command in container: failed to exec in container: "), "{says}");
    assert!(says.ends_with("exec: \"nosuch\": executable file not found in $PATH\n"), "{says}");
}

#[test]
fn tables_have_the_columns_of_the_server() {
    check(&[
        (
            "get deploy",
            0,
            "NAME   READY   UP-TO-DATE   AVAILABLE   AGE\nweb    2/2     2            2           10s\n",
        ),
        (
            "get cj nightly --no-headers",
            0,
            "nightly   0 3 * * *   <none>   False   0     <none>   20s\n",
        ),
        (
            "get cm -n kube-public",
            0,
            "NAME               DATA   AGE\nkube-root-ca.crt   1      30s\n",
        ),
        ("get deploy,cj -o name", 0, "deployment.apps/web\ncronjob.batch/nightly\n"),
        ("get sts", 0, ""),
    ]);
}

#[test]
fn logs_are_those_of_the_run_that_is_asked_for() {
    check(&[
        ("logs talker", 0, "one\ntwo\n"),
        ("logs talker --tail=1 --prefix", 0, "[pod/talker/main] two\n"),
        ("logs talker --since=1s", 0, ""),
        (
            "logs talker -p",
            1,
            "Error from server (BadRequest): previous terminated container \"main\" in pod \"talker\" not found\n",
        ),
        ("logs crasher --previous", 0, "bye\n"),
        (
            "logs nobody",
            1,
            "error: error from server (NotFound): pods \"nobody\" not found in namespace \"default\"\n",
        ),
        ("create job now --from=cj/nightly", 0, "job.batch/now created\n"),
        ("wait --for=condition=complete job/now", 0, "job.batch/now condition met\n"),
        ("logs job/now", 0, "done\n"),
    ]);
}

#[test]
fn waiting_ends_with_the_condition_or_with_the_time() {
    check(&[
        ("wait --for=condition=Available deploy/web", 0, "deployment.apps/web condition met\n"),
        (
            "wait --for=jsonpath='{.status.phase}'=Running pod/talker",
            0,
            "pod/talker condition met\n",
        ),
        (
            "wait --for=condition=Ready pod/crasher --timeout=2s",
            1,
            "error: timed out waiting for the condition on pods/crasher\n",
        ),
        (
            "wait --for=condition=Foo pod/talker --timeout=0",
            1,
            "error: condition not met for pods/talker\n",
        ),
        ("wait --for=delete pod/nobody", 0, ""),
        (
            "wait --for=create pod/nobody --timeout=1s",
            1,
            "error: timed out waiting for the condition\n",
        ),
        ("wait --for=ready pod/talker", 1, "error: unrecognized condition: \"ready\"\n"),
        ("wait --for=condition=Ready pod -l app=none", 1, "error: no matching resources found\n"),
    ]);
}

#[test]
fn objects_are_made_of_what_the_line_tells() {
    check(&[
        (
            "create deployment two --image=a.b/c_d:1 --replicas=0 -- sleep 1",
            0,
            "deployment.apps/two created\n",
        ),
        (
            "get deploy two -o jsonpath='{.spec.template.spec.containers[0].name} {.spec.template.spec.containers[0].command}'",
            0,
            "c-d [\"sleep\",\"1\"]",
        ),
        ("create cm conf --from-literal=a=1 --from-literal=b=x=y", 0, "configmap/conf created\n"),
        ("get cm conf -o jsonpath={.data}", 0, "{\"a\":\"1\",\"b\":\"x=y\"}"),
        (
            "create cm conf --from-literal=a=1",
            1,
            "error: failed to create configmap: configmaps \"conf\" already exists\n",
        ),
        (
            "create cm out --from-file=../Cargo.toml",
            1,
            "error: ../Cargo.toml is not read: a step reads files of its scenario's folder alone\n",
        ),
        ("create secret generic s --from-literal=p=x", 0, "secret/s created\n"),
        ("get secret s -o jsonpath={.data.p}", 0, "eA=="),
        (
            "create quota q --hard=pods=50 --dry-run=client",
            0,
            "resourcequota/q created (dry run)\n",
        ),
        ("get quota q", 1, "Error from server (NotFound): resourcequotas \"q\" not found\n"),
        (
            "create pdb p --selector=app=web --min-available=50%",
            0,
            "poddisruptionbudget.policy/p created\n",
        ),
        (
            "create svc clusterip",
            1,
            "error: exactly one NAME is required, got 0\nSee 'kubectl create service clusterip -h' for help and examples\n",
        ),
        ("create service nodeport np --tcp=80:web", 0, "service/np created\n"),
        (
            "create role r --verb=get --resource=po,deploy.apps",
            0,
            "role.rbac.authorization.k8s.io/r created\n",
        ),
        ("get role r -o jsonpath={.rules[*].resources}", 0, "[\"pods\"] [\"deployments\"]"),
        (
            "create ingress i --rule=foo.com/bar*=np:80,tls=s",
            0,
            "ingress.networking.k8s.io/i created\n",
        ),
        ("create job j", 1, "error: either --image or --from must be specified\n"),
        ("run once --image=busybox --restart=Never -- echo ran", 0, "pod/once created\n"),
        (
            "run once -it --image=busybox",
            1,
            "error: --stdin is refused: a step has nobody to attach; run the pod without it and read its output with kubectl logs\n",
        ),
        ("expose deploy web", 0, "service/web exposed\n"),
        ("get svc web -o jsonpath={.spec.ports[0].targetPort}", 0, "80"),
    ]);
}

#[test]
fn what_makes_no_sense_is_refused_in_the_words_of_kubectl() {
    check(&[
        ("get nonsense", 1, "error: the server doesn't have a resource type \"nonsense\"\n"),
        (
            "get pods,deploy a b -o name",
            1,
            "Error from server (NotFound): pods \"a\" not found\nError from server (NotFound): pods \"b\" not found\nError from server (NotFound): deployments.apps \"a\" not found\nError from server (NotFound): deployments.apps \"b\" not found\n",
        ),
        ("delete pods", 1, "error: resource(s) were provided, but no name was specified\n"),
        (
            "delete pod/talker web",
            1,
            "error: there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'\n",
        ),
        (
            "delete pod a --cascade=no",
            1,
            "error: invalid cascade value (no). Must be \"background\", \"foreground\", or \"orphan\"\n",
        ),
        ("label pod talker", 1, "error: at least one label update is required\n"),
        (
            "taint nodes node-1 a=b:Never",
            1,
            "error: invalid taint effect: Never, unsupported taint effect\nSee 'kubectl taint -h' for help and examples\n",
        ),
        ("apply -f nothing.yaml", 1, "error: the path \"nothing.yaml\" does not exist\n"),
        (
            "get pods -o wider",
            1,
            "error: unable to match a printer suitable for the output format \"wider\", allowed formats are: custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,wide,yaml\n",
        ),
        (
            "edit deploy web",
            1,
            "error: kubectl edit is refused: a step has no editor\nwavetank hint: use kubectl patch, kubectl set or kubectl apply\n",
        ),
        ("frob", 1, "error: unknown command \"frob\" for \"kubectl\"\n"),
        (
            "patch deploy web -p '{'",
            1,
            "error: unable to parse \"{\": error converting YAML to JSON: yaml: line 1: did not find expected node content\n",
        ),
    ]);
}

#[test]
fn nodes_are_tainted_emptied_and_taken_back() {
    check(&[
        ("taint nodes node-1 k=v:NoSchedule", 0, "node/node-1 tainted\n"),
        (
            "taint nodes node-1 k=w:NoSchedule",
            1,
            "error: node node-1 already has k taint(s) with same effect(s) and --overwrite is false\n",
        ),
        ("taint nodes node-1 k-", 0, "node/node-1 untainted\n"),
        ("cordon node-1", 0, "node/node-1 cordoned\n"),
        ("cordon node-1 node-3", 1, "Error from server (NotFound): nodes \"node-3\" not found\n"),
        ("uncordon node-1", 0, "node/node-1 uncordoned\n"),
        (
            "drain --ignore-daemonsets",
            1,
            "error: USAGE: drain NODE [flags]\nSee 'kubectl drain -h' for help and examples\n",
        ),
    ]);
    let done = session(&[
        "drain node-1 node-2",
        "drain node-1 node-2 --force --grace-period=1",
        "get pods -o name -l app!=web",
    ]);
    assert_eq!(done[0].exit_code, 1);
    assert!(done[0].stderr.contains(
        "cannot delete Pods that declare no controller (use --force to override): default/"
    ));
    assert_eq!(done[1].exit_code, 0, "{}", done[1].stderr);
    assert!(done[1].stdout.ends_with("node/node-2 drained\n"));
    assert!(!done[2].stdout.contains("pod/"), "{}", done[2].stdout);
}

#[test]
fn a_try_changes_nothing() {
    check(&[
        (
            "delete deploy web --dry-run=server",
            0,
            "deployment.apps \"web\" deleted from default namespace (server dry run)\n",
        ),
        (
            "scale deploy web --replicas=7 --dry-run=server",
            0,
            "deployment.apps/web scaled (server dry run)\n",
        ),
        ("get deploy web -o jsonpath={.spec.replicas}", 0, "2"),
        (
            "patch deploy web --type=merge -p '{\"spec\":{\"replicas\":-1}}' --dry-run=server",
            1,
            "The Deployment \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0\n",
        ),
    ]);
}

#[test]
fn a_try_warns_as_the_real_thing_would() {
    let patch = r#"patch deploy web --type=json -p '[{"op":"add","path":"/spec/template/metadata/annotations","value":{"kubernetes.io/config.seen":"x"}},{"op":"add","path":"/spec/template/spec/nodeSelector","value":{"beta.kubernetes.io/os":"linux"}}]' --dry-run=server"#;
    let done = session(&[patch]);
    assert_eq!(done[0].exit_code, 0, "{}", done[0].stderr);
    assert_eq!(
        done[0].stderr,
        "Warning: spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead\n"
    );
}

#[test]
fn objects_are_listed_in_columns_templates_and_orders_of_the_users_own() {
    check(&[
        (
            "get deploy,cj -o custom-columns=NAME:.metadata.name,N:spec.replicas",
            0,
            "NAME      N\nweb       2\nnightly   <none>\n",
        ),
        ("get deploy web --no-headers -o custom-columns=N:.spec.replicas", 0, "2\n"),
        (
            "get deploy -o custom-columns=NAME",
            1,
            "error: unexpected custom-columns spec: NAME, expected <header>:<json-path-expr>\n",
        ),
        (
            "get deploy -o go-template='{{range .items}}{{.metadata.name}}: {{.spec.replicas}}{{end}}'",
            0,
            "web: 2",
        ),
        ("get deploy web -o go-template --template={{.kind}}", 0, "Deployment"),
        (
            "get deploy -o go-template='{{.a'",
            1,
            "error: error parsing template {{.a, template: output:1: unclosed action\n",
        ),
        (
            "get pods crasher talker --sort-by=.metadata.name -o name",
            0,
            "pod/crasher\npod/talker\n",
        ),
        ("get nodes --sort-by={.metadata.name} -o name", 0, "node/node-1\nnode/node-2\n"),
        (
            "get nodes --sort-by=.spec.nothing",
            1,
            "error: couldn't find any field with path \"{.spec.nothing}\" in the list of objects\n",
        ),
        ("get sts", 0, ""),
        ("get pvc -o name", 0, ""),
    ]);
}

#[test]
fn objects_are_described_with_their_events() {
    let done = session(&[
        "describe pod talker",
        "describe deploy,cj",
        "describe pod craw",
        "describe pod cra",
        "describe node/node-1",
        "describe pod talker --show-events=false",
        "get events --field-selector involvedObject.name=talker,reason=Started -o name",
    ]);
    let shown: Vec<(&str, i32)> = done.iter().map(|d| (d.stdout.as_str(), d.exit_code)).collect();
    assert!(shown[0].0.starts_with("Name:             talker\nNamespace:        default\n"));
    assert!(shown[0].0.contains("kubelet            spec.containers{main}: Container started\n"));
    assert!(
        shown[1].0.contains("\n\n\nName:                          nightly\n"),
        "{}",
        shown[1].0
    );
    assert!(!shown[1].0.contains("Events:"), "several objects are described without events");
    assert_eq!(done[2].stderr, "Error from server (NotFound): pods \"craw\" not found\n");
    assert!(shown[3].0.starts_with("Name:             crasher\n"), "a name may be the beginning");
    assert!(shown[4].0.contains("Allocated resources:\n"));
    assert!(!shown[5].0.contains("Events:"));
    assert!(shown[6].0.starts_with("event/talker."), "{}", shown[6].0);
}

#[test]
fn what_pods_use_is_what_they_state() {
    let busy = "run busy --image=nginx --annotations=wavetank.dev/load.cpu=250m --annotations=wavetank.dev/load.memory=64Mi";
    let done = session(&[
        "top pod",
        busy,
        "top pod",
        "version",
        "version",
        "top pods",
        "top pod busy --containers --sum",
        "top node --sort-by=cpu --no-headers",
        "top pod nobody",
        "top pod --field-selector metadata.name=busy,metadata.namespace!=other --no-headers",
        "top pod --field-selector status.phase=Running",
        "top pod busy --field-selector metadata.name=busy",
        "top node node-1 -l a=b",
    ]);
    assert!(done[0].stderr.starts_with("error: Metrics API not available\n"));
    assert_eq!(done[2].stderr, "error: metrics not available yet\n");
    assert_eq!(
        done[5].stdout,
        "NAME   CPU(cores)   MEMORY(bytes)   \nbusy   250m         64Mi            \n"
    );
    let sum = "POD    NAME   CPU(cores)   MEMORY(bytes)   \nbusy   busy   250m         64Mi            \n              ________     ________        \n              250m         64Mi            \n";
    assert_eq!(done[6].stdout, sum);
    assert!(done[7].stdout.contains("250m   6%    64Mi   0%"), "{}", done[7].stdout);
    assert_eq!(
        done[8].stderr,
        "Error from server (NotFound): podmetrics.metrics.k8s.io \"default/nobody\" not found\n"
    );
    assert_eq!(done[9].stdout, "busy   250m   64Mi   \n");
    assert_eq!(
        done[10].stderr,
        "Error from server (BadRequest): \"status.phase\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"\n"
    );
    assert_eq!(done[11].stderr, "error: only one of NAME or selector can be provided\n");
    assert_eq!(done[12].stderr, "error: only one of NAME or --selector can be provided\n");
}

#[test]
fn a_custom_resource_is_shown_in_the_columns_of_its_definition() {
    let column =
        |name: &str, path: &str, of: &str| json!({"name": name, "type": of, "jsonPath": path});
    let documents = [
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "tanks.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
                "names": {"plural": "tanks", "singular": "tank", "kind": "Tank", "listKind": "TankList"},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                    "additionalPrinterColumns": [column("Depth", ".spec.depth", "integer"),
                        column("Age", ".metadata.creationTimestamp", "date")]}]}}),
        json!({"apiVersion": "example.com/v1", "kind": "Tank", "metadata": {"name": "blue"},
            "spec": {"depth": 4}}),
    ];
    let start = SimTime::from_secs(1_767_225_600);
    let kubectl = |at, line: &str| step(at, StepAction::Kubectl(line.to_owned()));
    let apply = |document: &Value, at| {
        step(at, StepAction::Apply { source: "x.yaml".into(), documents: vec![document.clone()] })
    };
    let plan = Plan {
        options: Options { seed: 1, start: Start(start), ..Options::default() },
        snapshot: Snapshot::default(),
        nodes: vec![NodeSpec::worker("node-1").object(0, start)],
        storage: Storage::None,
        steps: vec![
            apply(&documents[0], 0),
            apply(&documents[1], 1),
            kubectl(11, "get tanks"),
            kubectl(12, "describe tank blue --show-events=false"),
        ],
        end: End::After(Duration::from_secs(20)),
    };
    let mut said = Vec::new();
    let mut runner = Runner::new(plan, &mut |_| {}).unwrap();
    runner.run(&mut |fact| {
        if let FactKind::Step(step) = &fact.kind {
            said.push(step.stdout.clone());
        }
    });
    assert_eq!(said[2], "NAME   DEPTH   AGE\nblue   4       10s\n");
    assert!(said[3].contains("API Version:  example.com/v1\nKind:         Tank\n"), "{}", said[3]);
    assert!(said[3].ends_with("Spec:\n  Depth:  4\n"), "{}", said[3]);
}

#[test]
fn a_container_is_added_to_a_pod_that_runs_and_started_once() {
    let status = "{.status.ephemeralContainerStatuses[0]";
    let shown = format!(
        "get pod talker -o jsonpath='{status}.state.terminated.exitCode}}/{status}.restartCount}}/{status}.ready}}/{{.status.phase}}'"
    );
    check(&[
        ("debug talker --image=busybox -c dbg -- sh -c 'echo looking; hostname; exit 3'", 0, ""),
        ("logs talker -c dbg", 0, "looking\ntalker\n"),
        (&shown, 0, "3/0/false/Running"),
        (
            "get pod talker --no-headers -o custom-columns=R:.status.containerStatuses[0].ready",
            0,
            "true\n",
        ),
        (
            "debug talker --image=busybox -c more --target=main -- sleep 1000",
            0,
            "Targeting container \"main\". If you don't see processes from this container it may be because the container runtime doesn't support this feature.\n",
        ),
        ("exec talker -c more -- hostname", 0, "talker\n"),
        ("get pod talker -o jsonpath='{.metadata.generation}'", 0, "3"),
        ("debug talker", 1, "error: you must specify --image when not using --copy-to.\n"),
    ]);
}

#[test]
fn containers_that_were_added_stay_as_they_are() {
    let done = session(&[
        "debug talker --image=busybox -c dbg -- sleep 5",
        "debug talker --image=busybox -c dbg -- sleep 6",
        "debug talker --image=busybox -c x --target=nosuch -q",
        "debug talker --image=busybox",
        "describe pod talker",
        "delete pod talker",
    ]);
    let says = |i: usize| done[i].stderr.as_str();
    let refusal = "The Pod \"talker\" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers \"dbg\" may not be changed";
    assert!(says(1).starts_with(refusal), "{}", says(1));
    assert!(says(2).contains("targetContainerName: Not found: \"nosuch\""), "{}", says(2));
    assert!(done[3].stdout.starts_with("Defaulting debug container name to debugger-"));
    let described = done[4].stdout.as_str();
    assert!(described.contains("Ephemeral Containers:\n  dbg:\n"), "{described}");
    assert!(described.contains("spec.ephemeralContainers{dbg}: Container started"), "{described}");
    assert_eq!(done[5].stdout, "pod \"talker\" deleted from default namespace\n");
}

#[test]
fn a_pod_is_resized_by_a_part_of_its_own_and_by_no_other_way() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "sized"}, "spec": {"containers": [{
        "name": "main", "image": "busybox", "command": ["sleep", "9999"],
        "resources": {"requests": {"cpu": "100m"}}}]}});
    let to = |resources: Value, subresource: &str| {
        let body = json!({"spec": {"containers": [{"name": "main", "resources": resources}]}});
        format!("patch pod sized {subresource} -p '{body}'")
    };
    let resize = |resources: Value| to(resources, "--subresource=resize");
    let status = ".status.containerStatuses[0]";
    let shown = format!(
        "get pod sized -o jsonpath='{{{status}.resources.requests.cpu}} {{{status}.allocatedResources.cpu}} \
         {{.metadata.generation}} {{.status.observedGeneration}} {{{status}.restartCount}}'"
    );
    let lines = [
        shown.clone(),
        resize(json!({"requests": {"cpu": "200m"}})),
        shown,
        resize(json!({"requests": {"cpu": "64"}})),
        resize(json!({"requests": {"nvidia.com/gpu": "1"}})),
        resize(json!({"requests": {"cpu": null}})),
        to(json!({"requests": {"cpu": "300m"}}), ""),
        "patch deploy web --subresource=resize -p '{}'".to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let done = session_in(vec![pod], &lines);
    assert_eq!(done[0].stdout, "100m 100m 1 1 0");
    assert_eq!((done[1].stdout.as_str(), done[1].exit_code), ("pod/sized patched\n", 0));
    assert_eq!(done[2].stdout, "200m 200m 2 2 0");
    let refused = |i: usize, text: &str| {
        assert!(done[i].exit_code == 1 && done[i].stderr.contains(text), "{}", done[i].stderr);
    };
    refused(
        3,
        "Error from server (Forbidden): pods \"sized\" is forbidden: node didn't have enough allocatable \
         resources: cpu, requested: 64000, allocatable: ",
    );
    refused(4, "spec: Forbidden: only cpu and memory resources are mutable");
    refused(
        5,
        "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing",
    );
    refused(
        5,
        "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
    );
    refused(6, "pod updates may not change fields other than");
    refused(7, "deployments.apps \"web\" not found");
}

#[test]
fn a_copy_of_a_pod_is_made_to_look_at_it_and_a_pod_on_a_node() {
    let done = session(&[
        "debug talker --copy-to=copy --image=busybox -c dbg -- sh -c 'ps -o args; sleep 999'",
        "logs copy -c dbg",
        "get pod copy -o jsonpath='{.spec.shareProcessNamespace} {.spec.containers[*].name} {.status.phase}'",
        "debug talker --copy-to=other --set-image=*=busybox:1.35 --replace",
        "get pods talker other -o jsonpath='{.items[*].spec.containers[0].image}'",
        "debug node/node-2 --image=busybox -q -- sh -c 'ls -d /host/etc; echo here'",
        "get pods -l app.kubernetes.io/managed-by=kubectl-debug -o jsonpath='{.items[0].spec.nodeName} {.items[0].status.phase}'",
        "debug copy --image=busybox --same-node",
        "debug copy --copy-to=third",
        "debug deploy/web --image=busybox",
    ]);
    assert_eq!((done[0].exit_code, done[0].stderr.as_str()), (0, ""));
    assert!(done[1].stdout.starts_with("COMMAND\n/pause\n"), "{}", done[1].stdout);
    assert!(done[1].stdout.contains("sleep 100000"), "{}", done[1].stdout);
    assert_eq!(done[2].stdout, "true main dbg Running");
    assert_eq!(done[3].exit_code, 0, "{}", done[3].stderr);
    assert!(
        done[4].stdout.contains("busybox:1.35") && done[4].stderr.contains("\"talker\" not found")
    );
    assert_eq!(done[5].exit_code, 0, "{}", done[5].stderr);
    assert_eq!(done[6].stdout, "node-2 Succeeded");
    assert_eq!(done[7].stderr, "error: --same-node may only be used with --copy-to.\n");
    assert_eq!(
        done[8].stderr,
        "error: you must specify --image, --set-image or command arguments.\n"
    );
    assert!(done[9].stderr.contains("not supported by debug"), "{}", done[9].stderr);
}

//! `wavetank get --watch` and `wavetank events --watch`, as a user types them.

use std::process::Command;

const SEED: &str = "fixtures/seed/web-statefulset.yaml";

/// Runs the program; answers with its exit code, standard output and standard error.
fn wavetank(args: &[&str]) -> (Option<i32>, String, String) {
    let root = env!("CARGO_MANIFEST_DIR");
    let program = env!("CARGO_BIN_EXE_wavetank");
    let out = Command::new(program).args(args).current_dir(root).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

/// What is printed of a watch over the seed's StatefulSet, which must succeed and complain of nothing.
#[track_caller]
fn watched(args: &[&str]) -> String {
    let (code, said, told) = wavetank(&[&args[..1], &args[1..], &["-w"]].concat());
    assert_eq!((code, told.as_str()), (Some(0), ""), "{said}");
    said
}

#[test]
fn a_watch_prints_what_there_is_and_then_a_row_for_each_change() {
    let step = ["--step", "2m delete pod web-1 --grace-period=0 --force"];
    let said = watched(&[&["get", "pods", SEED, "--at", "1m"], &step[..]].concat());
    let rows: Vec<&str> = said.lines().collect();
    assert_eq!(rows[0], "NAME    READY   STATUS    RESTARTS   AGE");
    assert_eq!(
        rows[1..3],
        ["web-0   1/1     Running   0          60s", "web-1   1/1     Running   0          58s"]
    );
    assert!(rows[3..].iter().all(|row| row.starts_with("web-1 ")), "{said}");
    let last = rows.last().unwrap();
    assert!(last.starts_with("web-1   1/1     Running "), "{said}");
    assert_eq!(said.matches("NAME").count(), 1, "titles come once:\n{said}");
}

#[test]
fn from_its_start_a_watch_waits_for_the_object_that_it_names() {
    let said = watched(&["get", "pod/web-1", SEED, "-o", "jsonpath={.status.phase} "]);
    assert!(said.starts_with("Pending Pending "), "{said}");
    assert!(said.ends_with("Running "), "{said}");
    let (code, said, told) = wavetank(&["get", "pod/web-9", SEED, "-w"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert_eq!(told, "Error from server (NotFound): pods \"web-9\" not found\n");
    let (code, said, told) = wavetank(&["get", "pod/web-0", SEED, "-w", "--at", "0s"]);
    assert_eq!((code, said.as_str()), (Some(1), ""), "{told}");
}

#[test]
fn what_ceases_to_fit_a_selector_is_told_as_deleted_and_as_it_was() {
    let args = ["get", "pods", SEED, "--field-selector", "status.phase=Running"];
    let step = ["--output-watch-events", "--step", "1m label pod web-0 apps.kubernetes.io/x=y"];
    let unlabel = ["--step", "2m label pod web-0 app-", "-l", "app"];
    let said = watched(&[&args[..], &step[..], &unlabel[..]].concat());
    let types: Vec<&str> = said
        .lines()
        .filter(|row| row.contains("web-0"))
        .filter_map(|r| r.split(' ').next())
        .collect();
    assert_eq!(types, ["ADDED", "MODIFIED", "DELETED"], "{said}");
    assert!(said.starts_with("EVENT      NAME "), "{said}");
}

#[test]
fn documents_come_one_after_the_other() {
    let step = ["--at", "1m", "--step", "2m label sts web a=b"];
    let of = |form| watched(&[&["get", "sts/web", SEED, "-o", form], &step[..]].concat());
    let documents = of("json");
    let all: Vec<serde_json::Value> = serde_json::Deserializer::from_str(&documents)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(all.len(), 2, "{documents}");
    assert_eq!(
        (&all[0]["kind"], &all[1]["metadata"]["labels"]["a"]),
        (&"StatefulSet".into(), &"b".into())
    );
    assert_eq!(of("yaml").matches("\n---\n").count(), 1);
    assert_eq!(of("name"), "statefulset.apps/web\n".repeat(2));
    assert_eq!(
        of("custom-columns=NAME:.metadata.name,A:.metadata.labels.a"),
        "NAME   A\nweb    <none>\nweb    b\n"
    );
    let said = watched(
        &[&["get", "sts/web", SEED, "-o", "json", "--output-watch-events"], &step[..]].concat(),
    );
    assert!(
        said.starts_with("{\n    \"type\": \"ADDED\",\n    \"object\": {\n        \"apiVersion\""),
        "{said}"
    );
}

#[test]
fn watched_alone_nothing_is_printed_of_what_there_was() {
    let step = ["--watch-only", "--at", "1m", "--step", "2m scale sts web --replicas=1"];
    let (code, said, _) = wavetank(&[&["get", "sts", SEED], &step[..]].concat());
    assert_eq!(code, Some(0));
    assert!(said.starts_with("NAME   READY   AGE\nweb    2/1     2m\n"), "{said}");
}

#[test]
fn events_are_printed_as_they_are_recorded() {
    let said = watched(&["events", SEED, "--about", "pod/web-0"]);
    let reasons: Vec<&str> =
        said.lines().skip(1).filter_map(|row| row.split_whitespace().nth(2)).collect();
    assert!(reasons == ["Scheduled", "Pulled", "Created", "Started"], "{said}");
    assert!(said.starts_with("LAST SEEN   TYPE "), "{said}");
    // Whoever looks at the end sees the same events.
    let (_, names, _) = wavetank(&[
        "events",
        SEED,
        "--about",
        "pod/web-0",
        "-o",
        "jsonpath={.items[*].metadata.name}",
    ]);
    let mut listed: Vec<&str> = names.split(' ').collect();
    let said =
        watched(&["events", SEED, "--about", "pod/web-0", "-o", "jsonpath={.metadata.name} "]);
    let mut heard: Vec<&str> = said.split_whitespace().collect();
    listed.sort_unstable();
    heard.sort_unstable();
    heard.dedup();
    assert_eq!(listed, heard);
}

#[test]
fn a_type_that_a_manifest_defines_can_be_watched_from_the_start() {
    let text = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.example.com}\n\
                spec:\n  group: example.com\n  scope: Namespaced\n  names: {kind: Widget, plural: widgets, singular: widget}\n  \
                versions:\n  - name: v1\n    served: true\n    storage: true\n    schema: {openAPIV3Schema: {type: object}}\n    \
                additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]\n---\n\
                apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: 3}\n";
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("watched-widgets.yaml");
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    let step = "5s patch widget/a --type=merge -p '{\"spec\":{\"size\":4}}'";
    assert_eq!(
        watched(&["get", "widgets", &path, "--step", step]),
        "NAME   SIZE\na      3\na      4\n"
    );
    let (code, _, told) = wavetank(&["get", "gadgets", &path, "-w"]);
    assert_eq!(
        (code, told.as_str()),
        (Some(1), "error: the server doesn't have a resource type \"gadgets\"\n")
    );
}

#[test]
fn what_cannot_be_watched_is_refused_in_kubectls_words() {
    let cases: [(&[&str], &str); 5] = [
        (&["get", "pods,sts", SEED, "-w"], "error: you may only specify a single resource type\n"),
        (
            &["get", "pod/a,pod/b", SEED, "-w"],
            "error: you may only watch a single resource or type of resource at a time\n",
        ),
        (&["events", SEED, "-w", "--about", "job"], "error: --for must be in resource/name form\n"),
        (
            &["get", "pods", SEED, "-w", "--field-selector", "status.fase=Running"],
            "Error from server (BadRequest): Unable to find \"/v1, Resource=pods\" that match label selector \"\", field selector \"status.fase=Running\": field label not supported: status.fase\n",
        ),
        (
            &["get", "pods", SEED, "--output-watch-events"],
            "error: --output-watch-events option can only be used with --watch or --watch-only\n",
        ),
    ];
    for (args, expected) in cases {
        let (code, said, told) = wavetank(args);
        assert!(matches!(code, Some(1 | 2)), "{args:?}: {code:?}");
        assert_eq!((said.as_str(), told.as_str()), ("", expected), "{args:?}");
    }
}

#[test]
fn a_step_that_fails_is_told_to_whoever_looks() {
    let (code, _, told) =
        wavetank(&["get", "pods", SEED, "--at", "10s", "--step", "5s scale sts/db --replicas=1"]);
    assert_eq!(code, Some(0));
    assert!(
        told.starts_with("warning: the step 5s kubectl scale sts/db --replicas=1 failed: "),
        "{told}"
    );
}

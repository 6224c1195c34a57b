//! Loading manifests from files: what is read, what is refused, and in what bounds.

#![expect(
    clippy::tests_outside_test_module,
    clippy::unwrap_used,
    reason = "an integration test is a test module, its helpers included"
)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use wavetank::api::diagnostic::{Code, Diagnostic};
use wavetank::api::limits::Limits;
use wavetank::api::load::{FieldValidation, Loaded, Options, Rules, load_with};

/// A fresh folder holding `files`.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("load").join(name);
    drop(fs::remove_dir_all(&root));
    fs::create_dir_all(&root).unwrap();
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn pod(name: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n")
}

fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.manifests.iter().map(|manifest| manifest.name()).collect()
}

/// Reads as far as these tests are about: what is read and how, not the rules of the API.
fn load(
    paths: &[PathBuf],
    stdin: Option<&mut dyn Read>,
    limits: &Limits,
) -> Result<Loaded, Vec<Diagnostic>> {
    load_with(paths, stdin, Options { limits: *limits, rules: Rules::Left, ..Options::default() })
}

fn load_one(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    load(&[path.to_owned()], None, &Limits::default())
}

fn codes(problems: &[Diagnostic]) -> Vec<Code> {
    problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn the_seed_documents_load_in_the_current_form() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/seed");
    let loaded = load_one(&root).unwrap();
    let found: Vec<String> = loaded
        .manifests
        .iter()
        .map(|manifest| format!("{} {}", manifest.api_version, manifest.title()))
        .collect();
    assert!(found.contains(&"apps/v1 DaemonSet/fluentd".to_owned()), "{found:?}");
    assert!(found.contains(&"apps/v1 Deployment/nginx".to_owned()), "{found:?}");
    assert!(found.contains(&"batch/v1 CronJob/hourly-date".to_owned()), "{found:?}");
    assert!(found.contains(&"batch/v1 Job/counter".to_owned()), "{found:?}");
    let daemon_set = &loaded.manifests.iter().find(|it| it.name() == "fluentd").unwrap().value;
    assert_eq!(daemon_set["spec"]["selector"]["matchLabels"]["app"], "fluentd");
    assert_eq!(daemon_set["spec"]["updateStrategy"]["type"], "OnDelete");
    let warnings = codes(&loaded.warnings);
    assert_eq!(warnings, [Code::LegacyVersion; 3]);
}

#[test]
fn folders_are_searched_in_the_order_of_names() {
    let root = folder(
        "order",
        &[
            ("b.yaml", &pod("b")),
            ("a/z.yml", &pod("az")),
            (
                "a/b/c.json",
                "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"abc\"}}",
            ),
            (".github/workflows/ci.yaml", "on: push\n"),
            ("notes.txt", "not: a manifest"),
            ("c.yaml", "# nothing\n---\n"),
        ],
    );
    assert_eq!(names(&load_one(&root).unwrap()), ["abc", "az", "b"]);
    assert_eq!(names(&load_one(&root.join("a/*")).unwrap()), ["abc", "az"]);
    assert_eq!(names(&load_one(&root.join("**")).unwrap()), ["abc", "az", "b"]);
    assert_eq!(names(&load_one(&root.join("**/?.y*ml")).unwrap()), ["az", "b"]);
    let twice = [root.join("b.yaml"), root.join("b.yaml"), root.clone()];
    assert_eq!(names(&load(&twice, None, &Limits::default()).unwrap()), ["b", "abc", "az"]);
}

#[test]
fn lists_are_taken_apart() {
    let root = folder(
        "lists",
        &[(
            "all.yaml",
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n\
             - apiVersion: v1\n  kind: PodList\n  items:\n  - metadata: {name: b}\n  - metadata: {name: c}\n\
             ---\napiVersion: v1\nkind: ConfigMapList\nitems: null\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: d}\n",
        )],
    );
    let loaded = load_one(&root).unwrap();
    assert_eq!(names(&loaded), ["a", "b", "c", "d"]);
    let b = &loaded.manifests[1];
    assert_eq!((b.kind.as_str(), b.origin.document), ("Pod", 1));
    let place = b.origin.source.place(b.origin.span("metadata.name").start);
    assert_eq!((place.line, place.column), (10, 22));
}

#[test]
fn the_standard_input_is_read_where_it_is_named() {
    let root = folder("stdin", &[("a.yaml", &pod("a"))]);
    let text = pod("from-stdin");
    let mut stdin = text.as_bytes();
    let paths = [PathBuf::from("-"), root.join("a.yaml")];
    let loaded = load(&paths, Some(&mut stdin), &Limits::default()).unwrap();
    assert_eq!(names(&loaded), ["from-stdin", "a"]);
    assert_eq!(loaded.manifests[0].origin.source.name(), "<stdin>");
}

#[test]
fn what_cannot_be_read_is_said_at_once() {
    let root = folder("missing", &[("web.yaml", &pod("web")), ("empty/readme.md", "")]);
    let paths = [
        root.join("wbe.yaml"),
        root.join("empty"),
        root.join("*.json"),
        PathBuf::from("https://example.com/web.yaml"),
        root.join("web.yaml"),
    ];
    let problems = load(&paths, None, &Limits::default()).unwrap_err();
    let wanted = [Code::NotFound, Code::NothingToLoad, Code::NothingToLoad, Code::UrlRefused];
    assert_eq!(codes(&problems), wanted);
    assert!(problems[0].hint.as_ref().unwrap().contains("web.yaml"), "{:?}", problems[0].hint);
}

#[cfg(unix)]
#[test]
fn links_out_of_a_folder_are_refused() {
    use std::os::unix::fs::symlink;
    let outside = folder("outside", &[("secret.yaml", &pod("secret"))]);
    let root = folder("links", &[("real/a.yaml", &pod("a"))]);
    symlink(root.join("real/a.yaml"), root.join("b.yaml")).unwrap();
    symlink(&root, root.join("real/loop")).unwrap();
    assert_eq!(names(&load_one(&root).unwrap()), ["a", "a"]);
    symlink(outside.join("secret.yaml"), root.join("c.yaml")).unwrap();
    symlink(&outside, root.join("d")).unwrap();
    let problems = load_one(&root).unwrap_err();
    let errors: Vec<Code> =
        problems.iter().filter(|problem| problem.is_error()).map(|problem| problem.code).collect();
    assert_eq!(errors, [Code::OutsideFolder; 2]);
    // A link that is named itself is what the user wants.
    assert_eq!(names(&load_one(&root.join("c.yaml")).unwrap()), ["secret"]);
}

#[test]
fn hostile_files_end_in_an_error_that_names_the_bound() {
    let root = folder("hostile", &[]);
    let check = |name: &str, bytes: &[u8], code: Code, text: &str| {
        let path = root.join(name);
        fs::write(&path, bytes).unwrap();
        let problems = load_one(&path).unwrap_err();
        assert_eq!(problems[0].code, code, "{name}: {:?}", problems[0]);
        assert!(problems[0].message.contains(text), "{name}: {}", problems[0].message);
    };
    check("flow.yaml", "[".repeat(10_000).as_bytes(), Code::Limit, "deeper than 200 levels");
    check("block.yaml", "- ".repeat(10_000).as_bytes(), Code::Limit, "deeper than 200 levels");
    let keys: String = (0..10_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    check("keys.yaml", keys.as_bytes(), Code::Limit, "deeper than 200 levels");
    check("deep.json", "{\"a\":".repeat(10_000).as_bytes(), Code::Limit, "deeper than 200 levels");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.extend([format!("a{level}: &a{level} [{aliases}]\n")]);
    }
    check("bomb.yaml", bomb.as_bytes(), Code::YamlSyntax, "excessive aliasing");
    check("binary.yaml", b"\x7fELF\x02\x01\x01\0\0\0", Code::NotText, "not text");
    check("bell.yaml", b"a: \x07", Code::YamlSyntax, "control characters");
    check("self.yaml", b"a: &a [*a]\n", Code::YamlSyntax, "contains itself");
}

#[test]
fn sizes_are_checked_before_anything_is_read() {
    let root = folder("sizes", &[("a.yaml", &pod("a")), ("b.yaml", &pod("b"))]);
    let sparse = root.join("sparse.yaml");
    fs::File::create(&sparse).unwrap().set_len(100 << 20).unwrap();
    let problems = load_one(&sparse).unwrap_err();
    assert!(
        problems[0].message.ends_with("a file may have 67108864 bytes"),
        "{}",
        problems[0].message
    );
    fs::remove_file(&sparse).unwrap();
    let check = |limits: Limits, text: &str| {
        let problems = load(std::slice::from_ref(&root), None, &limits).unwrap_err();
        assert!(problems[0].message.contains(text), "{}", problems[0].message);
    };
    let size = pod("a").len() as u64;
    check(Limits { total_bytes: size + 1, ..Limits::default() }, "all files together may have");
    check(Limits { files: 1, ..Limits::default() }, "more than 1 files");
    check(Limits { documents: 1, ..Limits::default() }, "more than 1 documents");
    let mut endless = std::io::repeat(b'#');
    let limits = Limits { file_bytes: 1000, ..Limits::default() };
    let problems = load(&[PathBuf::from("-")], Some(&mut endless), &limits).unwrap_err();
    assert_eq!(problems[0].message, "<stdin> is too large: a file may have 1000 bytes");
}

#[test]
fn an_empty_file_is_no_error() {
    let root = folder("empty", &[("a.yaml", ""), ("b.yaml", "---\n"), ("c.json", "")]);
    assert!(load_one(&root).unwrap().manifests.is_empty());
}

#[test]
fn kinds_are_recognised_or_explained() {
    let root = folder("kinds", &[]);
    let check = |api_version: &str, kind: &str, wanted: Result<&str, (Code, &str)>| {
        let path = root.join("one.yaml");
        fs::write(
            &path,
            format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n"),
        )
        .unwrap();
        let found = load_one(&path);
        match (&found, wanted) {
            (Ok(loaded), Ok(version)) => assert_eq!(loaded.manifests[0].api_version, version),
            (Err(problems), Err((code, hint))) => {
                assert_eq!(problems[0].code, code, "{problems:?}");
                assert!(
                    problems[0].hint.as_ref().is_some_and(|it| it.contains(hint)),
                    "{problems:?}"
                );
            }
            _ => panic!("{api_version} {kind}: {found:?}"),
        }
    };
    check("apps/v1", "Deployment", Ok("apps/v1"));
    check("autoscaling/v1", "HorizontalPodAutoscaler", Ok("autoscaling/v2"));
    check("resource.k8s.io/v1beta1", "ResourceClaim", Ok("resource.k8s.io/v1beta1"));
    check("gateway.networking.k8s.io/v1", "Gateway", Ok("gateway.networking.k8s.io/v1"));
    check("cert-manager.io/v1", "Certificate", Ok("cert-manager.io/v1"));
    check("wavetank.dev/v1", "Simulation", Ok("wavetank.dev/v1"));
    check("v1", "Deployment", Err((Code::UnknownVersion, "apps/v1")));
    check("apps/v2", "Deployment", Err((Code::UnknownVersion, "apps/v1")));
    check("app/v1", "Deployment", Err((Code::UnknownVersion, "apps/v1")));
    check("networkng.k8s.io/v1", "Ingress", Err((Code::UnknownVersion, "networking.k8s.io/v1")));
    check("v1", "Pods", Err((Code::UnknownKind, "did you mean \"Pod\"?")));
    check("apps/v1", "Deploymnet", Err((Code::UnknownKind, "\"Deployment\"")));
    check(
        "policy/v1beta1",
        "PodSecurityPolicy",
        Err((Code::RemovedKind, "Pod Security Admission")),
    );
    check("batch/v1beta1", "CronJob", Ok("batch/v1"));
}

#[test]
fn custom_resources_of_a_bare_group_need_their_definition() {
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n\
                      spec: {group: bare, names: {kind: Thing, plural: things}}\n";
    let thing = "apiVersion: bare/v1\nkind: Thing\nmetadata: {name: t}\n";
    let root = folder("custom", &[("a.yaml", thing)]);
    assert_eq!(codes(&load_one(&root).unwrap_err()), [Code::UnknownKind]);
    fs::write(root.join("b.yaml"), definition).unwrap();
    let loaded = load_one(&root).unwrap();
    assert_eq!(names(&loaded), ["t", "x"]);
    let inert = [("CustomResourceDefinition".to_owned(), 1), ("Thing".to_owned(), 1)];
    assert_eq!(loaded.inert_kinds(), inert);
}

#[test]
fn documents_that_are_no_manifests_are_explained() {
    let root = folder("untyped", &[]);
    let check = |name: &str, text: &str, code: Code, hint: Option<&str>| {
        let path = root.join(name);
        fs::write(&path, text).unwrap();
        let problems = load_one(&path).unwrap_err();
        assert_eq!(problems[0].code, code, "{problems:?}");
        assert_eq!(problems[0].hint.is_some(), hint.is_some(), "{problems:?}");
        assert!(problems[0].hint.as_deref().unwrap_or_default().contains(hint.unwrap_or_default()));
    };
    check("a.yaml", "just text\n", Code::NotAnObject, None);
    check("a.yaml", "- a\n", Code::NotAnObject, None);
    check("a.yaml", "kind: Deployment\n", Code::MissingApiVersion, Some("apps/v1"));
    check("a.yaml", "apiVersion: v1\n", Code::MissingKind, None);
    check("a.yaml", "apiVersion: 1\nkind: Pod\n", Code::MissingApiVersion, Some("v1"));
    check("kustomization.yaml", "resources: [a.yaml]\n", Code::MissingKind, Some("kustomize"));
    check("values.yaml", "replicas: 3\n", Code::MissingKind, Some("helm template"));
    check("a.yaml", "a: {{ .Values.x }}\n", Code::YamlSyntax, Some("template"));
    check("a.yaml", "a:\n\tb: c\n", Code::YamlSyntax, Some("tabs"));
    check("a.yaml", "a: \"b\nc: d\n", Code::YamlSyntax, Some("quote"));
}

#[test]
fn repeated_keys_and_objects_are_warned_about() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  name: b\n---\n";
    let root = folder("repeated", &[("a.yaml", &format!("{text}{}", pod("b")))]);
    let loaded = load_one(&root).unwrap();
    assert_eq!(names(&loaded), ["b", "b"]);
    assert_eq!(codes(&loaded.warnings), [Code::DuplicateKey, Code::SameObjectTwice]);
    let repeated = &loaded.warnings[0];
    assert_eq!(repeated.path.as_deref(), Some("metadata.name"));
    assert_eq!(repeated.location.as_ref().unwrap().place().line, 5);
    assert_eq!(repeated.related[0].0.place().line, 4);
}

#[test]
fn misspelt_and_mistyped_fields_are_told_with_place_and_hint() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels:\n    on: \"1\"\nspec:\n  replica: 3\n  image: nginx\n  template:\n    spec:\n      contaners: []\n      containers:\n      - name: web\n        image: nginx\n        env:\n        - name: PORT\n          value: 8080\n        ports: {containerPort: 80}\n";
    let root = folder("fields", &[("web.yaml", text)]);
    let problems = load_one(&root).unwrap_err();
    let told: Vec<String> = problems
        .iter()
        .map(|it| {
            let place = it.location.as_ref().unwrap().place();
            format!("{place} {} {} {:?}", it.code, it.path.as_deref().unwrap(), it.hint.as_deref())
        })
        .collect();
    assert_eq!(
        told,
        [
            "8:3 unknown-field spec.replica Some(\"did you mean \\\"replicas\\\"?\")",
            "9:3 unknown-field spec.image Some(\"\\\"image\\\" is a field of spec.template.spec.containers[]\")",
            "12:7 unknown-field spec.template.spec.contaners Some(\"did you mean \\\"containers\\\"?\")",
            "18:18 wrong-type spec.template.spec.containers[0].env[0].value Some(\"quote it: \\\"8080\\\"\")",
            "19:16 wrong-type spec.template.spec.containers[0].ports Some(\"begin each item with \\\"- \\\"\")",
        ]
    );
    assert!(
        problems[0]
            .server
            .as_ref()
            .unwrap()
            .starts_with("Deployment in version \"v1\" cannot be handled")
    );
    assert_eq!(problems[3].message, "spec.template.spec.containers[0].env[0].value is a number");
    assert_eq!(problems[3].expected.as_deref(), Some("a text"));
}

#[test]
fn validation_can_warn_or_pass_over() {
    let root =
        folder("validation", &[("a.yaml", &format!("{}spec: {{contaners: []}}\n", pod("a")))]);
    let with = |validation| {
        load_with(
            std::slice::from_ref(&root),
            None,
            Options { validation, rules: Rules::Left, ..Options::default() },
        )
        .map(|loaded| codes(&loaded.warnings))
        .map_err(|problems| codes(&problems))
    };
    assert_eq!(with(FieldValidation::Strict), Err(vec![Code::UnknownField]));
    assert_eq!(with(FieldValidation::Warn), Ok(vec![Code::UnknownField]));
    assert_eq!(with(FieldValidation::Ignore), Ok(vec![]));
}

#[test]
fn old_versions_and_foreign_kinds_are_checked_where_they_are_known() {
    let root = folder(
        "old-fields",
        &[
            (
                "a.yaml",
                "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  rollbackTo: {revision: 1}\n  replica: 3\n",
            ),
            (
                "b.yaml",
                "apiVersion: x.example/v1\nkind: X\nmetadata:\n  nmae: b\nspec: {anything: 1}\n",
            ),
            (
                "c.json",
                "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"c\",\n \"name\":\"d\"}}",
            ),
        ],
    );
    let problems = load_one(&root).unwrap_err();
    let told: Vec<String> = problems
        .iter()
        .filter(|it| it.is_error())
        .map(|it| format!("{} {}", it.location.as_ref().unwrap().place(), it.message))
        .collect();
    assert_eq!(
        told,
        [
            "6:3 unknown field \"spec.replica\"",
            "4:3 unknown field \"metadata.nmae\"",
            "2:2 duplicate field \"metadata.name\"",
        ]
    );
}

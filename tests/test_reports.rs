//! `wavetank test`: the reports that it writes, what it does on Ctrl-C, and `--watch`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

const HEAD: &str = "apiVersion: wavetank.dev/v1alpha1\nkind: Simulation\n";

/// A pod that runs.
const POD: &str = "for: 30s
manifests:
- {apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: web, image: nginx:1.27}]}}
expect:
- name: it runs
  within: 10s
  object: {kind: Pod, metadata: {name: web}, status: {phase: Running}}
";

/// A pod that writes a line a second for a year.
const ENDLESS: &str = "for: 360d
manifests:
- {apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{name: x, image: busybox,
    command: [sh, -c, 'while true; do echo x; sleep 1; done']}]}}
expect:
- name: it writes
  log: {pod: x, line: x}
";

/// A folder of the test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("test-reports").join(name);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn write(folder: &Path, name: &str, content: &str) {
    fs::write(folder.join(name), format!("{HEAD}{content}")).unwrap();
}

fn wavetank(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command.arg("test").args(args).current_dir(folder).env_remove("GITHUB_ACTIONS");
    command
}

/// A folder with a simulation that holds, one that does not, and one whose names are awkward.
fn mixed(name: &str) -> PathBuf {
    let folder = folder(name);
    write(&folder, "a.yaml", POD);
    write(&folder, "b.yaml", &POD.replace("phase: Running", "phase: Succeeded"));
    let awkward = POD.replace("it runs", "\"it <runs> & \\\"serves\\\" \\x1b[31m\"");
    write(&folder, "c.yaml", &format!("metadata: {{name: 'a <b> & \"c\"'}}\n{awkward}"));
    folder
}

/// What the schemas of JUnit reports say of an element: attributes that must be there, others that may, and
/// children in their order; `*` stands for any number of the one before it.
struct Rule {
    element: &'static str,
    required: &'static [&'static str],
    allowed: &'static [&'static str],
    children: &'static [&'static str],
}

/// The rules of Ant's schema and of Jenkins' `junit-10.xsd` together: what both take.
const RULES: &[Rule] = &[
    Rule { element: "testsuites", required: &[], allowed: &[], children: &["testsuite", "*"] },
    Rule {
        element: "testsuite",
        required: &[
            "name",
            "package",
            "id",
            "hostname",
            "timestamp",
            "tests",
            "failures",
            "errors",
            "time",
        ],
        allowed: &["skipped"],
        children: &["properties", "testcase", "*", "system-out", "system-err"],
    },
    Rule { element: "properties", required: &[], allowed: &[], children: &["property", "*"] },
    Rule { element: "property", required: &["name", "value"], allowed: &[], children: &[] },
    Rule {
        element: "testcase",
        required: &["name", "classname", "time"],
        allowed: &[],
        children: &["skipped?", "error?", "failure?"],
    },
    Rule { element: "skipped", required: &[], allowed: &[], children: &[] },
    Rule { element: "error", required: &["type"], allowed: &["message"], children: &[] },
    Rule { element: "failure", required: &["type"], allowed: &["message"], children: &[] },
    Rule { element: "system-out", required: &[], allowed: &[], children: &[] },
    Rule { element: "system-err", required: &[], allowed: &[], children: &[] },
];

/// An element with its attributes, the names of its children, and how many of each kind of end it has.
struct Open {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<String>,
}

fn open(start: &BytesStart<'_>) -> Open {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let each = start.attributes().map(|a| {
        let a = a.unwrap();
        let value = quick_xml::escape::unescape(std::str::from_utf8(&a.value).unwrap()).unwrap();
        (text(a.key.as_ref()), value.into_owned())
    });
    Open { name: text(start.name().as_ref()), attributes: each.collect(), children: Vec::new() }
}

/// Holds an element against its rule.
fn held(element: &Open) {
    let rule = RULES.iter().find(|r| r.element == element.name);
    let rule = rule.unwrap_or_else(|| panic!("no element {}", element.name));
    let value = |name: &str| element.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v);
    for name in rule.required {
        assert!(value(name).is_some(), "{} has no {name}", element.name);
    }
    for (name, _) in &element.attributes {
        let known = rule.required.contains(&name.as_str()) || rule.allowed.contains(&name.as_str());
        assert!(known, "{} has {name}", element.name);
    }
    for number in ["id", "tests", "failures", "errors", "skipped"] {
        assert!(value(number).is_none_or(|v| v.parse::<i32>().is_ok()), "{number}");
    }
    let decimal = |v: &String| {
        v.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
            && v.matches('.').count() <= 1
    };
    assert!(value("time").is_none_or(decimal), "{:?}", value("time"));
    let date = |v: &String| {
        let form = |(c, f): (char, char)| if f == '0' { c.is_ascii_digit() } else { c == f };
        v.len() == 19 && v.chars().zip("0000-00-00T00:00:00".chars()).all(form)
    };
    assert!(value("timestamp").is_none_or(date), "{:?}", value("timestamp"));
    let mut left = element.children.as_slice();
    for (i, child) in rule.children.iter().enumerate() {
        let any = rule.children.get(i + 1) == Some(&"*");
        let name = child.trim_end_matches('?');
        while *child != "*" && left.first().is_some_and(|c| c == name) {
            left = &left[1..];
            if !any {
                break;
            }
        }
        let needed = *child != "*" && !any && !child.ends_with('?');
        let had = element.children.iter().any(|c| c == name);
        assert!(!needed || had, "{} has no {child}", element.name);
    }
    assert!(left.is_empty(), "{} has {left:?} out of place", element.name);
    let total = |kind: &str| element.children.iter().filter(|c| *c == kind).count();
    if element.name == "testcase" {
        assert!(element.children.len() <= 1, "one verdict for each case");
    }
    if element.name == "testsuite" {
        assert_eq!(value("tests").unwrap().parse::<usize>().unwrap(), total("testcase"));
    }
}

/// Holds a report against the rules. Answers how many of each element there are.
fn valid(xml: &str) -> Vec<(String, usize)> {
    let mut reader = Reader::from_str(xml);
    let mut path: Vec<Open> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let mut enter = |element: &Open, path: &mut Vec<Open>| {
        seen.push(element.name.clone());
        if let Some(parent) = path.last_mut() {
            parent.children.push(element.name.clone());
        }
    };
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                let element = open(&start);
                enter(&element, &mut path);
                path.push(element);
            }
            Event::Empty(start) => {
                let element = open(&start);
                enter(&element, &mut path);
                held(&element);
            }
            Event::End(_) => held(&path.pop().unwrap()),
            Event::Eof => break,
            _ => {}
        }
    }
    seen.sort();
    let mut counted: Vec<(String, usize)> = Vec::new();
    for name in seen {
        match counted.last_mut() {
            Some((last, n)) if *last == name => *n += 1,
            _ => counted.push((name, 1)),
        }
    }
    counted
}

#[test]
fn the_junit_report_keeps_the_rules_of_the_usual_schemas() {
    let folder = mixed("junit");
    let out = wavetank(&folder, &[".", "--junit", "r.xml"]).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let counted = valid(&fs::read_to_string(folder.join("r.xml")).unwrap());
    let of = |name: &str| counted.iter().find(|(n, _)| n == name).map_or(0, |(_, n)| *n);
    assert_eq!((of("testsuites"), of("testsuite"), of("testcase")), (1, 3, 6), "{counted:?}");
    assert_eq!((of("failure"), of("error"), of("skipped")), (1, 0, 0), "{counted:?}");
    // A run that takes too long is an error, and its cases were not judged.
    write(&folder, "c.yaml", ENDLESS);
    let args = [".", "-k", "c", "--timeout", "200ms", "--junit", "r.xml"];
    assert_eq!(wavetank(&folder, &args).output().unwrap().status.code(), Some(1));
    let counted = valid(&fs::read_to_string(folder.join("r.xml")).unwrap());
    assert!(counted.contains(&("error".to_owned(), 1)), "{counted:?}");
    assert!(counted.contains(&("skipped".to_owned(), 2)), "{counted:?}");
}

#[test]
fn the_page_tells_of_each_violation_and_links_it_to_the_timeline() {
    let folder = mixed("html");
    let out = wavetank(&folder, &[".", "--report", "html", "r.html"]).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let page = fs::read_to_string(folder.join("r.html")).unwrap();
    for words in [
        "2 passed, 1 failed of 3 simulations",
        "<a href=\"#s1\">b</a>",
        "<article id=\"s1v0\">",
        "status.phase is &quot;Running&quot;, not &quot;Succeeded&quot;",
        "pod/web as it was then",
        "a &lt;b&gt; &amp; &quot;c&quot;",
    ] {
        assert!(page.contains(words), "no {words:?}");
    }
    for foreign in ["<script", "http://", "https://", "<b>", "BODY", "HEAD"] {
        assert!(!page.contains(foreign), "{foreign:?}");
    }
    let links = page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    let mut led = 0;
    for target in links {
        assert!(page.contains(&format!("id=\"{target}\"")), "#{target} leads nowhere");
        led += usize::from(target.starts_with("s1l"));
    }
    assert!(led >= 2, "the moment and what led there are links");
    let wrong = wavetank(&folder, &[".", "--report", "pdf", "r.pdf"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--report html FILE"));
}

#[test]
fn the_page_of_many_seeds_shows_the_timeline_of_the_first_failure() {
    let folder = mixed("html-seeds");
    let args = ["b.yaml", "--seeds", "3", "--report", "html", "r.html"];
    assert_eq!(wavetank(&folder, &args).output().unwrap().status.code(), Some(1));
    let page = fs::read_to_string(folder.join("r.html")).unwrap();
    assert!(page.contains("fails in 3 of 3: seeds 1, 2, 3"), "{page}");
    assert!(page.contains("<summary>timeline, "), "{page}");
}

/// A running `wavetank test` whose lines are read as they come.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let mut command = wavetank(folder, args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Reads up to a line that has these words.
    fn until(&mut self, words: &str) -> String {
        let mut read = String::new();
        loop {
            let before = read.len();
            let n = self.lines.read_line(&mut read).unwrap();
            assert!(n > 0, "no {words:?} in:\n{read}");
            if read[before..].contains(words) {
                return read;
            }
        }
    }

    /// Ctrl-C. Answers the exit code and what was printed after it.
    fn interrupt(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_the_runs_and_tells_what_there_is() {
    let folder = folder("interrupt");
    write(&folder, "a.yaml", POD);
    write(&folder, "b.yaml", ENDLESS);
    write(&folder, "c.yaml", POD);
    let mut running = Running::start(&folder, &[".", "-j", "1", "--junit", "r.xml"]);
    running.until("pass  a ");
    let (code, rest) = running.interrupt();
    assert_eq!(code, Some(130));
    assert!(rest.contains("interrupted: 1 passed, 2 not run of 3 simulations"), "{rest}");
    let counted = valid(&fs::read_to_string(folder.join("r.xml")).unwrap());
    assert!(counted.contains(&("skipped".to_owned(), 4)), "{counted:?}");
}

#[test]
#[cfg(unix)]
fn watching_runs_again_what_a_changed_file_belongs_to() {
    let folder = folder("watch");
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: nginx:1.27}]}\n";
    fs::create_dir_all(folder.join("deploy")).unwrap();
    fs::write(folder.join("deploy/web.yaml"), manifest).unwrap();
    let inner = POD.lines().filter(|l| !l.starts_with("- {apiVersion"));
    let outer: Vec<&str> =
        inner.map(|l| if l == "manifests:" { "manifests: deploy" } else { l }).collect();
    write(&folder, "a.yaml", POD);
    write(&folder, "b.yaml", &outer.join("\n"));
    let mut running = Running::start(&folder, &["a.yaml", "b.yaml", "--watch"]);
    running.until("2 passed of 2 simulations");
    // What b is made of is changed: b alone is run again.
    let broken = manifest.replace("spec: {", "spec: {nodeName: node-9, ");
    fs::write(folder.join("deploy/web.yaml"), broken + "\n").unwrap();
    let told = running.until(" of 1 simulation");
    assert!(told.contains("FAIL  b ") && !told.contains("  a "), "{told}");
    // A file that cannot be read is told, and run once it can.
    write(&folder, "a.yaml", &POD.replace("within", "wihtin"));
    running.until("1 problem in files that cannot be read");
    write(&folder, "a.yaml", &POD.replace("for: 30s", "for: 20s"));
    let told = running.until("1 passed of 1 simulation");
    assert!(told.contains("pass  a "), "{told}");
    assert_eq!(running.interrupt().0, Some(130));
}

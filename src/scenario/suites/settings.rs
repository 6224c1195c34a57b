//! What chainsaw is told besides its tests: its configuration file and values.
//!
//! A configuration (`kind: Configuration`, v1alpha1 or v1alpha2) gives the timeouts, the namespace, templating
//! and the deletion policy of tests that say nothing of them; tests, steps and operations stand over it. How
//! chainsaw itself runs, reports and cleans up has no effect on a verdict and is passed over; which tests there
//! are is `wavetank test`'s to say, which is noted. Values are mappings, merged in the order of their files
//! (`pkg/values/load.go`, `mergeMaps`), and bound as `$values`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{documents, manifests};
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::load::Manifest;
use crate::api::suggest;
use crate::base::length;

/// The configuration that chainsaw reads where none is named, in the folder in which it is run.
pub const DEFAULT_FILE: &str = ".chainsaw.yaml";

/// What chainsaw's suites are read with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What is bound as `$values`.
    pub(super) values: Value,
    /// `spec.timeouts`.
    pub(super) timeouts: Value,
    /// The namespace of every test.
    pub(super) namespace: Option<String>,
    /// What the namespaces of tests are made of.
    pub(super) namespace_template: Value,
    /// Whether documents are templates; null where nothing is said.
    pub(super) template: Value,
    /// The deletion propagation policy; null where nothing is said.
    pub(super) propagation: Value,
    /// What the configuration says without effect here.
    pub notes: Vec<String>,
    /// The files that it was read from.
    pub(super) files: Vec<PathBuf>,
}

/// What becomes of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is read.
    Read,
    /// It has no effect on a verdict.
    Passed,
    /// It would choose tests: it is noted that here it does not.
    Noted,
    /// It is refused.
    Refused,
}

use Fate::{Noted, Passed, Read, Refused};

/// The fields of `spec` of v1alpha1 (`pkg/apis/v1alpha1/configuration.go`).
const FLAT: &[(&str, Fate)] = &[
    ("catch", Passed),
    ("clusters", Refused),
    ("delayBeforeCleanup", Passed),
    ("deletionPropagationPolicy", Read),
    ("excludeTestRegex", Noted),
    ("failFast", Passed),
    ("forceTerminationGracePeriod", Passed),
    ("fullName", Passed),
    ("includeTestRegex", Noted),
    ("namespace", Read),
    ("namespaceTemplate", Read),
    ("parallel", Passed),
    ("repeatCount", Passed),
    ("reportFormat", Passed),
    ("reportName", Passed),
    ("reportPath", Passed),
    ("skipDelete", Passed),
    ("template", Read),
    ("testDirs", Noted),
    ("testFile", Noted),
    ("timeouts", Read),
];

/// Those of v1alpha2 (`pkg/apis/v1alpha2/configuration_spec.go`), with those of their mappings.
const NESTED: &[(&str, Fate)] = &[
    ("cleanup", Passed),
    ("clusters", Refused),
    ("deletion", Read),
    ("deletion.propagation", Read),
    ("discovery", Read),
    ("discovery.excludeTestRegex", Noted),
    ("discovery.fullName", Passed),
    ("discovery.includeTestRegex", Noted),
    ("discovery.testFile", Noted),
    ("error", Passed),
    ("execution", Passed),
    ("namespace", Read),
    ("namespace.compiler", Read),
    ("namespace.name", Read),
    ("namespace.template", Read),
    ("report", Passed),
    ("templating", Read),
    ("templating.compiler", Read),
    ("templating.enabled", Read),
    ("timeouts", Read),
];

/// The timeouts of both.
const TIMEOUTS: [&str; 6] = ["apply", "assert", "cleanup", "delete", "error", "exec"];

impl Settings {
    /// Those of a configuration file and files of values; either may be missing.
    ///
    /// # Errors
    /// Files that cannot be read, are of another form, or say what is not supported.
    pub fn read(configuration: Option<&Path>, values: &[PathBuf]) -> Result<Self, Vec<Diagnostic>> {
        let mut settings = match configuration {
            Some(file) => configured(file)?,
            None => Self::default(),
        };
        let mut all = Map::new();
        for file in values {
            let read = documents(file).map_err(|problem| vec![*problem])?;
            match read.as_slice() {
                [] => {}
                [Value::Object(fields)] => merge(&mut all, fields),
                _ => {
                    let text = format!("{}: values are one mapping", file.display());
                    return Err(vec![Diagnostic::new(Code::Invalid, text)]);
                }
            }
        }
        settings.values = all.into();
        settings.files = configuration.map(Path::to_owned).into_iter().collect();
        settings.files.extend_from_slice(values);
        Ok(settings)
    }
}

/// Takes in what is written later: mappings are merged, anything else is replaced.
fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(there)), Value::Object(here)) => merge(there, here),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

fn configured(file: &Path) -> Result<Settings, Vec<Diagnostic>> {
    let all = manifests(file)?;
    let is_one = |m: &&Manifest| {
        m.kind == "Configuration" && m.api_version.starts_with("chainsaw.kyverno.io/")
    };
    let found: Vec<&Manifest> = all.iter().filter(is_one).collect();
    let [one] = found.as_slice() else {
        let text = format!("{} holds no Configuration of chainsaw's, or several", file.display());
        return Err(vec![Diagnostic::new(Code::Invalid, text)]);
    };
    let (fields, flat) = match one.api_version.as_str() {
        "chainsaw.kyverno.io/v1alpha1" => (FLAT, true),
        "chainsaw.kyverno.io/v1alpha2" => (NESTED, false),
        other => {
            let text = format!("{other} is not supported: v1alpha1 and v1alpha2 are");
            return Err(vec![one.diagnostic(Code::Invalid, "apiVersion", text)]);
        }
    };
    let (mut problems, mut notes) = (Vec::new(), Vec::new());
    let spec = &one.value["spec"];
    known(one, ("spec", spec), fields, "", &mut problems, &mut notes);
    timeouts(one, &spec["timeouts"], &mut problems);
    for compiler in ["templating", "namespace"] {
        if spec[compiler]["compiler"].as_str().is_some_and(|c| c != "jp") {
            let text = format!(
                "compiler {} is not supported: JMESPath (jp) is",
                spec[compiler]["compiler"]
            );
            problems.push(one.diagnostic(
                Code::Invalid,
                &format!("spec.{compiler}.compiler"),
                text,
            ));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let (namespace, namespace_template, template, propagation) = match flat {
        true => (
            &spec["namespace"],
            &spec["namespaceTemplate"],
            &spec["template"],
            &spec["deletionPropagationPolicy"],
        ),
        false => (
            &spec["namespace"]["name"],
            &spec["namespace"]["template"],
            &spec["templating"]["enabled"],
            &spec["deletion"]["propagation"],
        ),
    };
    Ok(Settings {
        values: Value::Null,
        timeouts: spec["timeouts"].clone(),
        namespace: namespace.as_str().filter(|n| !n.is_empty()).map(str::to_owned),
        namespace_template: namespace_template.clone(),
        template: template.clone(),
        propagation: propagation.clone(),
        notes,
        files: Vec::new(),
    })
}

/// Looks at the fields of a mapping: which are unknown, refused, or without effect.
fn known(
    file: &Manifest,
    (at, mapping): (&str, &Value),
    fields: &[(&str, Fate)],
    under: &str,
    problems: &mut Vec<Diagnostic>,
    notes: &mut Vec<String>,
) {
    let names = || fields.iter().filter_map(|(name, _)| name.strip_prefix(under));
    let names = || names().filter(|name| !name.contains('.'));
    for (name, value) in mapping.as_object().into_iter().flatten() {
        let whole = format!("{under}{name}");
        let at = format!("{at}.{name}");
        match fields.iter().find(|(known, _)| *known == whole).map(|(_, fate)| *fate) {
            Some(Read) => {
                let under = format!("{whole}.");
                if value.is_object() && fields.iter().any(|(n, _)| n.starts_with(&under)) {
                    known(file, (&at, value), fields, &under, problems, notes);
                }
            }
            Some(Passed) => {}
            Some(Noted) => notes.push(format!("{at} chooses no tests here: name their paths")),
            Some(Refused) => {
                let text = format!("{name} is not supported: there is one cluster");
                problems.push(file.diagnostic(Code::Invalid, &at, text));
            }
            None => {
                let hint = suggest::nearest(name, names())
                    .map(|near| format!(", did you mean {near:?}?"))
                    .unwrap_or_default();
                let text = format!("unknown field {name:?}{hint}");
                problems.push(file.diagnostic(Code::UnknownField, &at, text));
            }
        }
    }
}

fn timeouts(file: &Manifest, written: &Value, problems: &mut Vec<Diagnostic>) {
    for (name, value) in written.as_object().into_iter().flatten() {
        let at = format!("spec.timeouts.{name}");
        if !TIMEOUTS.contains(&name.as_str()) {
            let text = format!("unknown timeout {name:?}: there are {}", TIMEOUTS.join(", "));
            problems.push(file.diagnostic(Code::UnknownField, &at, text));
        } else if value.as_str().is_none_or(|t| length::parse(t).is_err()) {
            let text = format!("{value} is no length of time, such as 45s");
            problems.push(file.diagnostic(Code::Invalid, &at, text));
        }
    }
}

//! From documents to objects: lists taken apart, kinds recognised, old versions converted.
//!
//! Kinds of foreign groups are custom resources; they are kept. A group without a dot that is not
//! Kubernetes' own needs its CustomResourceDefinition among the input.

use std::collections::BTreeMap;

use super::{Draft, Implied, Manifest, Options, Origin, Rules};
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::kinds::{self, KindInfo, Treatment};
use crate::api::legacy;
use crate::api::suggest;
use crate::api::tree::{Data, NodeId, Tree};
use crate::base::{Set, Str};

/// The group of our own files.
const OWN_GROUP: &str = "wavetank.dev";

/// Whether an `apiVersion` is of our own files.
pub(super) fn is_own(api_version: &str) -> bool {
    kinds::split(api_version).0 == OWN_GROUP
}

/// How deep lists of lists are taken apart.
const LIST_DEPTH: usize = 8;

/// Puts a document, or the items of a list, among the drafts.
pub(super) fn flatten(draft: Draft, drafts: &mut Vec<Draft>, problems: &mut Vec<Diagnostic>) {
    let mut open = vec![(draft, 0)];
    while let Some((draft, depth)) = open.pop() {
        let Origin { source, tree, root, .. } = &draft.origin;
        let node = tree.node(*root);
        match &node.data {
            Data::Null => continue,
            Data::Mapping => {}
            other @ (Data::Bool(_) | Data::Number(..) | Data::String(_) | Data::Sequence) => {
                let found = other.json_name();
                let message = format!(
                    "a manifest is a mapping with apiVersion and kind, not {} {found}",
                    article(found)
                );
                let span = super::first_line(source, node.span);
                problems.push(Diagnostic::new(Code::NotAnObject, message).at(source, span));
                continue;
            }
        }
        match list_items(tree, *root).filter(|_| depth < LIST_DEPTH) {
            Some((items, implied)) => {
                // The stack hands them back in order.
                for item in items.into_iter().rev() {
                    let origin = Origin { root: item, ..draft.origin.clone() };
                    open.push((Draft { origin, implied: implied.clone(), ..draft }, depth + 1));
                }
            }
            None => drafts.push(draft),
        }
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'o']) { "an" } else { "a" }
}

/// The items of a list, and the `apiVersion` and `kind` that a typed list (`PodList`) implies for them.
fn list_items(tree: &Tree, root: NodeId) -> Option<(Vec<NodeId>, Implied)> {
    let kind = tree.text(root, "kind")?;
    let api_version = tree.text(root, "apiVersion")?;
    let items = tree.child(root, "items")?;
    let of = kind.strip_suffix("List")?;
    if !matches!(tree.node(items).data, Data::Sequence | Data::Null) {
        return None;
    }
    let implied = (!of.is_empty()).then(|| (api_version.to_string(), of.to_owned()));
    Some((tree.children(items).collect(), implied))
}

/// Recognises the kinds of all drafts and brings old versions to the current form.
pub(super) fn classify(
    drafts: Vec<Draft>,
    options: &Options,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Manifest> {
    let defined = defined_groups(&drafts);
    let mut manifests = Vec::new();
    for draft in drafts {
        if let Some(manifest) = recognise(draft, &defined, options, problems) {
            manifests.push(manifest);
        }
    }
    same_object_twice(&manifests, problems);
    manifests
}

/// The groups and kinds that CustomResourceDefinitions among the input define.
fn defined_groups(drafts: &[Draft]) -> Set<(Str, Str)> {
    let mut defined = Set::default();
    for Draft { origin, .. } in drafts {
        let tree = &origin.tree;
        if tree.text(origin.root, "kind").is_none_or(|kind| kind != "CustomResourceDefinition") {
            continue;
        }
        let names = tree.child(origin.root, "spec").and_then(|spec| {
            let kind = tree.text(tree.child(spec, "names")?, "kind")?;
            Some((tree.text(spec, "group")?.clone(), kind.clone()))
        });
        defined.extend(names);
    }
    defined
}

fn recognise(
    draft: Draft,
    defined: &Set<(Str, Str)>,
    options: &Options,
    problems: &mut Vec<Diagnostic>,
) -> Option<Manifest> {
    let Draft { origin, implied, json } = draft;
    let mut value = origin.tree.value(origin.root);
    if let (Some(object), Some((api_version, kind))) = (value.as_object_mut(), implied) {
        object.entry("apiVersion").or_insert_with(|| api_version.into());
        object.entry("kind").or_insert_with(|| kind.into());
    }
    let text = |key: &str| value[key].as_str().filter(|text| !text.is_empty()).map(Str::from);
    let (api_version, kind) = match (text("apiVersion"), text("kind")) {
        (Some(api_version), Some(kind)) => (api_version, kind),
        (api_version, kind) => {
            problems.push(untyped(&origin, api_version.as_ref(), kind.as_ref()));
            return None;
        }
    };
    let mut manifest = Manifest { origin, api_version, kind, info: None, value };
    let written_as = manifest.api_version.clone();
    if let Some(conversion) = legacy::convert(&mut manifest.value) {
        if conversion.old.removed.is_some() {
            problems.push(converted(&manifest, &conversion));
        }
        manifest.api_version = conversion.old.current.into();
    }
    match lookup(&manifest, defined) {
        Ok(info) => manifest.info = info,
        Err(problem) => {
            problems.push(*problem);
            return None;
        }
    }
    let before = problems.len();
    super::fields::check(&manifest, &written_as, json, options.validation, problems);
    if options.rules == Rules::Checked && !problems[before..].iter().any(Diagnostic::is_error) {
        super::rules::check(&manifest, problems);
    }
    Some(manifest)
}

/// A document without apiVersion or kind.
fn untyped(origin: &Origin, api_version: Option<&Str>, kind: Option<&Str>) -> Diagnostic {
    let field = if kind.is_none() { "kind" } else { "apiVersion" };
    let code = if kind.is_none() { Code::MissingKind } else { Code::MissingApiVersion };
    let server = match field {
        "kind" => "Object 'Kind' is missing",
        _ => "Object 'apiVersion' is missing",
    };
    let written = origin.tree.child(origin.root, field).is_some();
    let message = match (written, kind.is_none() && api_version.is_none()) {
        (true, _) => format!("{field} must be a text that is not empty"),
        (false, true) => "apiVersion and kind are missing".to_owned(),
        (false, false) => format!("{field} is missing"),
    };
    let name = origin.source.name().rsplit(['/', '\\']).next().unwrap_or_default();
    let hint = match (name, kind) {
        ("kustomization.yaml" | "kustomization.yml", _) => Some(
            "kustomizations are not rendered: pipe the output of \"kubectl kustomize\" in"
                .to_owned(),
        ),
        ("Chart.yaml" | "values.yaml" | "values.yml", _) => {
            Some("charts are not rendered: pipe the output of \"helm template\" in".to_owned())
        }
        (_, Some(kind)) => kinds::anywhere(kind)
            .map(|info| format!("{kind} is in apiVersion: {}", info.api_version())),
        _ => None,
    };
    let span = match written {
        true => origin.span(field),
        false => super::first_line(&origin.source, origin.tree.node(origin.root).span),
    };
    Diagnostic::new(code, message).at(&origin.source, span).server(server).maybe_hint(hint)
}

fn converted(manifest: &Manifest, conversion: &legacy::Conversion) -> Diagnostic {
    let old = conversion.old;
    let mut diagnostic = manifest
        .diagnostic(Code::LegacyVersion, "apiVersion", conversion.message())
        .server(no_matches(old.kind, old.api_version));
    let notes = conversion.filled.notes();
    if !notes.is_empty() {
        diagnostic =
            diagnostic.note(format!("filled in as {} did: {}", old.api_version, notes.join("; ")));
    }
    diagnostic.hint(format!("write apiVersion: {}", old.current))
}

fn no_matches(kind: &str, api_version: &str) -> String {
    format!(
        "no matches for kind \"{kind}\" in version \"{api_version}\"\nensure CRDs are installed first"
    )
}

/// The kind of a manifest: of the table, none for a foreign one, or what is wrong with it.
fn lookup(
    manifest: &Manifest,
    defined: &Set<(Str, Str)>,
) -> Result<Option<&'static KindInfo>, Box<Diagnostic>> {
    let (api_version, kind) = (&manifest.api_version, &manifest.kind);
    if let Some(info) = kinds::served(api_version, kind) {
        return match info.treatment {
            Treatment::Review => Err(Box::new(review(manifest))),
            Treatment::Simulated | Treatment::Inert => Ok(Some(info)),
        };
    }
    let (group, version) = kinds::split(api_version);
    let foreign = group.contains('.') && !kinds::is_builtin_group(group);
    if defined.contains(&(group.into(), kind.clone()))
        || (foreign && near_group(group, kind).is_none())
    {
        return Ok(None);
    }
    if let Some(info) = kinds::in_group(group, kind) {
        // What nothing reads may be in any version that looks like one.
        if info.treatment == Treatment::Inert && is_preview(version) {
            return Ok(Some(info));
        }
    }
    Err(Box::new(unknown(manifest, group)))
}

/// A group of Kubernetes that has the kind and is a slip away.
fn near_group(group: &str, kind: &str) -> Option<&'static KindInfo> {
    kinds::all().iter().find(|info| {
        info.kind == kind
            && !info.group.is_empty()
            && suggest::nearest(group, [info.group]).is_some()
    })
}

/// `v1alpha1`, `v2beta3`.
fn is_preview(version: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = version.strip_prefix('v') else { return false };
    ["alpha", "beta"]
        .iter()
        .filter_map(|stage| rest.split_once(stage))
        .any(|(major, minor)| digits(major) && digits(minor))
}

fn review(manifest: &Manifest) -> Diagnostic {
    let message = format!("{} is a request to a server, not an object that is kept", manifest.kind);
    manifest.diagnostic(Code::UnknownKind, "kind", message)
}

fn unknown(manifest: &Manifest, group: &str) -> Diagnostic {
    let (api_version, kind) = (&manifest.api_version, &manifest.kind);
    let server = no_matches(kind, api_version);
    let message = format!("no matches for kind \"{kind}\" in version \"{api_version}\"");
    if legacy::old_version(api_version, kind).is_some() {
        let problem = manifest.diagnostic(Code::RemovedKind, "kind", message).server(server);
        return problem.maybe_hint(legacy::successor(api_version, kind));
    }
    let elsewhere = kinds::in_group(group, kind).or_else(|| kinds::anywhere(kind));
    if let Some(info) = elsewhere {
        return manifest
            .diagnostic(Code::UnknownVersion, "apiVersion", message)
            .server(server)
            .hint(format!("{kind} is in apiVersion: {}", info.api_version()));
    }
    let nearest = suggest::nearest(kind, kinds::all().iter().map(|info| info.kind));
    let hint = match nearest {
        Some(nearest) => Some(format!("did you mean \"{nearest}\"?")),
        None => legacy::successor(api_version, kind),
    };
    manifest.diagnostic(Code::UnknownKind, "kind", message).server(server).maybe_hint(hint)
}

/// Warns where one object is given twice: applying both leaves the second.
fn same_object_twice(manifests: &[Manifest], problems: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<(&str, &str, &str, &str), &Manifest> = BTreeMap::new();
    for manifest in manifests.iter().filter(|manifest| !manifest.name().is_empty()) {
        let (group, _) = kinds::split(&manifest.api_version);
        let key = (group, manifest.kind.as_str(), manifest.namespace(), manifest.name());
        let Some(first) = seen.insert(key, manifest) else { continue };
        let message = format!(
            "{} is given twice; the second one is applied over the first",
            manifest.title()
        );
        let diagnostic = manifest.diagnostic(Code::SameObjectTwice, "metadata.name", message);
        let first = &first.origin;
        problems.push(diagnostic.related(
            &first.source,
            first.span("metadata.name"),
            "it is given here first",
        ));
    }
}

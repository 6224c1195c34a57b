//! Which objects a command line means.
//!
//! After `k8s.io/cli-runtime/pkg/resource/builder.go`: types by any of their names, `TYPE NAME…`,
//! `TYPE/NAME…`, `TYPE,TYPE NAME`, selectors, `--all`, files.

use serde_json::Value;

use super::args::Args;
use super::files;
use super::{Cx, Failure, Look, events};
use crate::api::selectors::{FieldSelector, LabelSelector};
use crate::api::{convert, kinds, registry};
use crate::model::{Kind, Object, Ref};
use crate::store::{ErrorReason, Store};

/// A type of objects as the server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// The API group; empty for the core group.
    pub(super) group: String,
    /// The version.
    pub(super) version: String,
    /// `Deployment`.
    pub(super) kind: String,
    /// `deployments`.
    pub(super) plural: String,
    /// Whether its objects live in a namespace.
    pub(super) namespaced: bool,
    /// The kind in the model.
    pub(super) model: Kind,
}

impl From<&kinds::KindInfo> for Resource {
    fn from(info: &kinds::KindInfo) -> Self {
        Self {
            group: info.group.to_owned(),
            version: info.versions[0].to_owned(),
            kind: info.kind.to_owned(),
            plural: info.plural.to_owned(),
            namespaced: info.namespaced,
            model: info.model(),
        }
    }
}

impl Resource {
    /// The type of a kind with behaviour.
    pub(super) fn of(kind: Kind) -> Self {
        Self {
            group: kind.group().to_owned(),
            version: kind.version().to_owned(),
            kind: kind.as_str().to_owned(),
            plural: kind.plural().to_owned(),
            namespaced: kind.namespaced(),
            model: kind,
        }
    }

    /// The type of a document's object; `None` where no kind is so called and no CustomResourceDefinition
    /// makes it.
    pub(super) fn of_document(document: &Value, store: &Store) -> Option<Self> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let (api, kind) = (text(&document["apiVersion"]), text(&document["kind"]));
        if let Some(info) = kinds::served(&api, &kind) {
            let version = kinds::split(&api).1.to_owned();
            return Some(Self { version, ..info.into() });
        }
        let (group, version) = kinds::split(&api);
        if kinds::is_builtin_group(group) {
            return None;
        }
        let defined = custom(store).find(|r| r.kind == kind && r.group == group);
        // Without its definition a custom resource is taken to be called as most are.
        Some(defined.unwrap_or_else(|| Self {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: format!("{}s", kind.to_ascii_lowercase()),
            kind,
            namespaced: true,
            model: Kind::Inert,
        }))
    }

    /// `apps/v1`.
    pub(super) fn api_version(&self) -> String {
        kinds::join(&self.group, &self.version)
    }

    /// Whether an argument names this type, which is none of Kubernetes' own.
    pub(super) fn is_named(&self, argument: &str) -> bool {
        let lower = argument.to_ascii_lowercase();
        let (name, group) = lower.split_once('.').map_or((lower.as_str(), ""), |(n, g)| (n, g));
        (self.plural == name || self.kind.to_ascii_lowercase() == name)
            && (group.is_empty()
                || self.group == group
                || format!("{}.{}", self.version, self.group) == group)
    }

    /// `deployment.apps`, `pod`: as kubectl prefixes names.
    pub(super) fn singular(&self) -> String {
        dotted(&self.kind.to_ascii_lowercase(), &self.group)
    }

    /// `deployments.apps`, `pods`: as error texts have it.
    pub(super) fn qualified(&self) -> String {
        dotted(&self.plural, &self.group)
    }

    /// The reference of an object of this type.
    pub(super) fn reference(&self, namespace: &str, name: &str) -> Ref {
        let namespace = if self.namespaced { namespace } else { "" };
        match self.model {
            Kind::Inert => {
                Ref::new(Kind::Inert, namespace, format!("{}.{}/{name}", self.kind, self.group))
            }
            kind => Ref::new(kind, namespace, name),
        }
    }

    /// The refusal of an object that does not exist.
    pub(super) fn not_found(&self, name: &str) -> Failure {
        Failure::server(ErrorReason::NotFound, format!("{} {name:?} not found", self.qualified()))
    }

    /// Whether its objects are API events, which are told by the run and stand in no store.
    pub(super) fn is_event(&self) -> bool {
        self.kind == "Event" && matches!(self.group.as_str(), "" | "events.k8s.io")
    }

    /// Whether an object of the type's kind in the model is of this type.
    pub(super) fn has(&self, object: &Object) -> bool {
        match object {
            Object::Inert(i) => i.kind == self.kind && kinds::split(&i.api_version).0 == self.group,
            _ => true,
        }
    }

    /// All objects of this type, by namespace and name.
    pub(super) fn list<'a>(&'a self, store: &'a Store) -> Vec<&'a Object> {
        let mut found: Vec<&Object> = store.list(self.model).filter(|o| self.has(o)).collect();
        found.sort_by(|a, b| {
            let key = |o: &Object| (o.meta().namespace.clone(), o.meta().name.clone());
            key(a).cmp(&key(b))
        });
        found
    }
}

fn dotted(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// The types that CustomResourceDefinitions make.
fn custom(store: &Store) -> impl Iterator<Item = Resource> {
    store.list(Kind::Inert).filter_map(made_by)
}

/// The type that an object makes, if it is a CustomResourceDefinition.
pub(super) fn made_by(object: &Object) -> Option<Resource> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let spec = specification(object)?;
    let versions = spec["versions"].as_array()?;
    let version = versions.iter().find(|v| v["storage"] == true).or(versions.first())?;
    Some(Resource {
        group: text(&spec["group"]),
        version: text(&version["name"]),
        kind: text(&spec["names"]["kind"]),
        plural: text(&spec["names"]["plural"]),
        namespaced: spec["scope"] != "Cluster",
        model: Kind::Inert,
    })
}

/// The specification of a type, if that is what the object has.
pub(super) fn definition<'a>(object: &'a Object, of: &Resource) -> Option<&'a Value> {
    specification(object)
        .filter(|s| s["group"] == of.group.as_str() && s["names"]["kind"] == of.kind.as_str())
}

fn specification(object: &Object) -> Option<&Value> {
    match object {
        Object::Inert(o) if o.kind == "CustomResourceDefinition" => o.body.get("spec"),
        _ => None,
    }
}

/// The type that an argument names: `deploy`, `deployments`, `Deployment`, `statefulsets.apps`,
/// `deployments.v1.apps`.
///
/// # Errors
/// The server has no such type.
pub(super) fn resource(argument: &str, store: &Store) -> Result<Resource, Failure> {
    let error = match kinds::resolve(argument) {
        Ok(info) => return Ok(info.into()),
        Err(error) => error,
    };
    let named = |r: &Resource| r.is_named(argument);
    if let Some(found) = custom(store).find(named) {
        return Ok(found);
    }
    // Objects of custom resources may stand in the store without a definition.
    let stored = store.list(Kind::Inert).find_map(|o| match o {
        Object::Inert(o) if kinds::served(&o.api_version, &o.kind).is_none() => {
            let document =
                serde_json::json!({"apiVersion": o.api_version.as_str(), "kind": o.kind.as_str()});
            Resource::of_document(&document, store).filter(named)
        }
        _ => None,
    });
    stored.ok_or_else(|| {
        // The text names the resource without its group (`mappingFor`).
        let bare = error.argument.split('.').next().unwrap_or_default();
        let mut text = format!("the server doesn't have a resource type {bare:?}");
        if let Some(nearest) = error.nearest.filter(|n| n != bare) {
            text.push_str(&format!("\nwavetank hint: there is {nearest:?}"));
        }
        Failure::Plain(text)
    })
}

/// One object that is meant.
#[derive(Clone, Debug)]
pub(super) struct Info {
    /// Its type.
    pub(super) resource: Resource,
    /// Its namespace; empty for cluster-wide types.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// The object as it is; `None` where it was not looked up or does not exist.
    pub(super) object: Option<Object>,
    /// The document that names it, where it comes from a file; of an event, which is no object of the
    /// store, the event.
    pub(super) document: Option<Value>,
    /// The file it comes from; empty otherwise.
    pub(super) source: String,
}

impl Info {
    /// Its reference.
    pub(super) fn reference(&self) -> Ref {
        self.resource.reference(&self.namespace, &self.name)
    }

    /// `deployment.apps/web`.
    pub(super) fn title(&self) -> String {
        format!("{}/{}", self.resource.singular(), self.name)
    }

    /// The object as the server answers it; null where there is none.
    pub(super) fn wire(&self) -> Value {
        let event = || self.document.clone().filter(|_| self.resource.is_event());
        self.object.as_ref().map(to_value).or_else(event).unwrap_or_default()
    }

    /// Looks the object up.
    pub(super) fn fetch(mut self, look: &Look<'_>) -> Result<Self, Failure> {
        if self.resource.is_event() {
            let named = |e: &Value| {
                let of = &e["metadata"];
                of["name"] == self.name.as_str() && of["namespace"] == self.namespace.as_str()
            };
            let found = events::documents(look).into_iter().find(named);
            self.document = Some(found.ok_or_else(|| self.resource.not_found(&self.name))?);
            return Ok(self);
        }
        let found = look.store.find(&self.reference());
        self.object = Some(found.ok_or_else(|| self.resource.not_found(&self.name))?.clone());
        Ok(self)
    }
}

/// An object as the server answers it.
pub(super) fn to_value(object: &Object) -> Value {
    convert::to_wire(object).to_value()
}

/// How objects are looked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ways {
    /// A type alone means all its objects (`ResourceTypeOrNameArgs(true)`).
    pub(super) bare_type: bool,
    /// All types are this one, and words are names (`ResourceNames`).
    pub(super) only: Option<Kind>,
    /// Objects need not exist, and are not looked up (`RequireObject(false)`).
    pub(super) absent: bool,
    /// Files are not looked into.
    pub(super) no_files: bool,
    /// Only one type may be asked for.
    pub(super) single_type: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The objects, and why others are not among them.
    pub(super) infos: Vec<Result<Info, Failure>>,
    /// Whether the line names one object.
    pub(super) single: bool,
    /// Whether objects of several types were asked for, found or not.
    pub(super) several: bool,
}

impl Found {
    /// The objects and the failures, apart.
    pub(super) fn split(self) -> (Vec<Info>, Vec<Failure>) {
        let (mut infos, mut failures) = (Vec::new(), Vec::new());
        for info in self.infos {
            match info {
                Ok(info) => infos.push(info),
                Err(failure) => failures.push(failure),
            }
        }
        (infos, failures)
    }
}

/// What the words name, one by one.
enum Words {
    Pairs(Vec<(String, String)>),
    Types(Vec<String>, Vec<String>),
}

/// The objects that a command line means.
///
/// # Errors
/// A line that makes no sense, or a type that the server does not have.
pub(super) fn find(args: &Args, cx: &Cx<'_>, ways: Ways) -> Result<Found, Failure> {
    let selector = select(args)?;
    let paths = if ways.no_files { &[][..] } else { args.list("filename") };
    let words = match ways.only {
        Some(kind) => only(kind, args, selector.is_some())?,
        None => sort_words(&args.words)?,
    };
    if !paths.is_empty() {
        if !args.words.is_empty() {
            return Err("when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well".into());
        }
        return by_file(args, cx, ways, selector.as_ref());
    }
    let all = Selection::all();
    match words {
        Words::Pairs(_) if selector.is_some() => {
            Err("selectors and the all flag cannot be used when passing resource/name arguments"
                .into())
        }
        Words::Pairs(pairs) => by_pair(&pairs, cx, ways),
        Words::Types(types, names) => match selector {
            Some(_) if !names.is_empty() => {
                Err("name cannot be provided when a selector is specified".into())
            }
            Some(selection) => by_selection(&types, &selection, args, cx, ways),
            None if names.is_empty() && ways.bare_type && !types.is_empty() => {
                by_selection(&types, &all, args, cx, ways)
            }
            None => by_name(&types, &names, args, cx, ways),
        },
    }
}

/// The words, where all of them are names of one kind.
fn only(kind: Kind, args: &Args, selected: bool) -> Result<Words, Failure> {
    let kind = kind.plural().to_owned();
    if selected {
        return Ok(Words::Types(vec![kind], args.words.clone()));
    }
    let pair = |word: &String| match word.split_once('/') {
        Some((of, name)) if !of.is_empty() && !name.is_empty() => (of.to_owned(), name.to_owned()),
        _ => (kind.clone(), word.clone()),
    };
    Ok(Words::Pairs(args.words.iter().map(pair).collect()))
}

fn sort_words(words: &[String]) -> Result<Words, Failure> {
    let types = |text: &str| -> Vec<String> { text.split(',').map(str::to_owned).collect() };
    let mut words = words.to_vec();
    if let Some((first, names)) = words.split_first()
        && !names.is_empty()
        && first.contains(',')
    {
        let of = types(first);
        words = of.iter().flat_map(|t| names.iter().map(move |n| format!("{t}/{n}"))).collect();
    }
    let slashes = words.iter().filter(|w| w.contains('/')).count();
    if slashes > 0 && slashes < words.len() {
        return Err("there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'".into());
    }
    if slashes > 0 {
        return words.iter().map(|w| pair(w)).collect::<Result<_, _>>().map(Words::Pairs);
    }
    match words.split_first() {
        None => Ok(Words::Types(Vec::new(), Vec::new())),
        Some((first, names)) => Ok(Words::Types(types(&categories(first)), names.to_vec())),
    }
}

fn pair(word: &str) -> Result<(String, String), Failure> {
    let parts: Vec<&str> = word.split('/').collect();
    let [of, name] = parts.as_slice() else {
        return Err("arguments in resource/name form may not have more than one slash".into());
    };
    if of.is_empty() || name.is_empty() || of.contains(',') {
        return Err("arguments in resource/name form must have a single resource and name".into());
    }
    Ok(((*of).to_owned(), (*name).to_owned()))
}

/// The types with `all` spelt out.
fn categories(types: &str) -> String {
    let spelt = |word: &str| match word {
        "all" => {
            let infos = kinds::CATEGORY_ALL.iter().filter_map(|k| kinds::anywhere(k));
            infos.map(kinds::KindInfo::resource).collect::<Vec<_>>().join(",")
        }
        word => word.to_owned(),
    };
    types.split(',').map(spelt).collect::<Vec<_>>().join(",")
}

/// Labels and fields that are asked for.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    /// One that everything fits.
    pub(super) fn all() -> Self {
        Self { labels: LabelSelector::everything(), fields: FieldSelector::default() }
    }

    /// Whether an object of that type fits.
    pub(super) fn has(&self, of: &Resource, object: &Object) -> bool {
        let labels = &object.meta().labels;
        self.labels.matches(|key| labels.get(key).map(smol_str::SmolStr::as_str))
            && (self.fields.is_empty() || fields_match(of, &to_value(object), self))
    }

    /// Whether an event fits: events have no labels.
    pub(super) fn has_event(&self, of: &Resource, event: &Value) -> bool {
        self.labels.matches(|_| None) && fields_match(of, event, self)
    }
}

/// What `--selector`, `--field-selector` and `--all` ask for; `None` where they are not given.
///
/// # Errors
/// A selector that is none.
pub(super) fn select(args: &Args) -> Result<Option<Selection>, Failure> {
    let (labels, fields) = (args.text("selector"), args.text("field-selector"));
    if labels.is_empty() && fields.is_empty() && !args.on("all") {
        return Ok(None);
    }
    // What the server would refuse is refused in its words.
    let bad = |why: String| {
        let text = format!(
            "Unable to find {:?} that match label selector {labels:?}, field selector {fields:?}: {why}",
            resource_text(args)
        );
        Failure::server(ErrorReason::BadRequest, text)
    };
    let parsed = LabelSelector::parse(labels).map_err(|e| bad(e.to_string()));
    Ok(Some(Selection {
        labels: parsed?,
        fields: FieldSelector::parse(fields).map_err(|e| bad(e.to_string()))?,
    }))
}

fn resource_text(args: &Args) -> String {
    let first = args.words.first().map_or("", String::as_str);
    match kinds::resolve(first) {
        Ok(info) => gvr(&info.into()),
        Err(_) => first.to_owned(),
    }
}

/// `/v1, Resource=pods`, as Go prints it.
fn gvr(resource: &Resource) -> String {
    format!("{}/{}, Resource={}", resource.group, resource.version, resource.plural)
}

fn by_pair(pairs: &[(String, String)], cx: &Cx<'_>, ways: Ways) -> Result<Found, Failure> {
    let mut types = Vec::new();
    for (of, _) in pairs {
        let found = resource(of, cx.look.store)?;
        types.push(found);
    }
    if ways.single_type && types.iter().any(|t| Some(t) != types.first()) {
        return Err("you may only specify a single resource type".into());
    }
    let named = pairs.iter().zip(types).map(|((_, name), of)| one(of, name, cx, ways));
    Ok(Found { infos: named.collect(), single: pairs.len() == 1, several: false })
}

fn by_name(
    types: &[String],
    names: &[String],
    args: &Args,
    cx: &Cx<'_>,
    ways: Ways,
) -> Result<Found, Failure> {
    let Some(first) = types.first() else { return Err(missing_resource()) };
    if names.is_empty() {
        for of in types {
            resource(of, cx.look.store)?;
        }
        return Err("resource(s) were provided, but no name was specified".into());
    }
    let of = resource(first, cx.look.store)?;
    if of.namespaced && args.on("all-namespaces") {
        return Err("a resource cannot be retrieved by name across all namespaces".into());
    }
    let infos = names.iter().map(|name| one(of.clone(), name, cx, ways)).collect();
    Ok(Found { infos, single: names.len() == 1, several: false })
}

fn missing_resource() -> Failure {
    Failure::Plain(
        "You must provide one or more resources by argument or filename.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'"
            .to_owned(),
    )
}

fn one(of: Resource, name: &str, cx: &Cx<'_>, ways: Ways) -> Result<Info, Failure> {
    let namespace = if of.namespaced { cx.namespace.clone() } else { String::new() };
    let info = Info {
        resource: of,
        namespace,
        name: name.to_owned(),
        object: None,
        document: None,
        source: String::new(),
    };
    if ways.absent { Ok(info) } else { info.fetch(&cx.look) }
}

fn by_selection(
    types: &[String],
    selection: &Selection,
    args: &Args,
    cx: &Cx<'_>,
    ways: Ways,
) -> Result<Found, Failure> {
    if types.is_empty() {
        return Err("at least one resource must be specified to use a selector".into());
    }
    let mut resources: Vec<Resource> = Vec::new();
    for of in types {
        let found = resource(of, cx.look.store)?;
        if !resources.contains(&found) {
            resources.push(found);
        }
    }
    if ways.single_type && resources.len() > 1 {
        return Err("you may only specify a single resource type".into());
    }
    let mut infos = Vec::new();
    for of in &resources {
        if let Err(failure) = check_fields(of, selection, args) {
            infos.push(Err(failure));
            continue;
        }
        let here = |namespace: &str| {
            !of.namespaced || args.on("all-namespaces") || namespace == cx.namespace
        };
        if of.is_event() {
            let found = events::documents(&cx.look).into_iter().map(|e| info_of_event(of, e));
            let fits = |info: &Info| {
                let event = info.document.as_ref();
                here(&info.namespace) && event.is_some_and(|e| selection.has_event(of, e))
            };
            infos.extend(found.filter(fits).map(Ok));
            continue;
        }
        for object in of.list(cx.look.store) {
            if here(&object.meta().namespace) && selection.has(of, object) {
                infos.push(Ok(info_of(of.clone(), object)));
            }
        }
    }
    Ok(Found { infos, single: false, several: resources.len() > 1 })
}

/// An object that stands in the store.
pub(super) fn info_of(resource: Resource, object: &Object) -> Info {
    let meta = object.meta();
    Info {
        resource,
        namespace: meta.namespace.to_string(),
        name: meta.name.to_string(),
        object: Some(object.clone()),
        document: None,
        source: String::new(),
    }
}

/// An event.
fn info_of_event(resource: &Resource, event: Value) -> Info {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    Info {
        resource: resource.clone(),
        namespace: text(&event["metadata"]["namespace"]),
        name: text(&event["metadata"]["name"]),
        object: None,
        document: Some(event),
        source: String::new(),
    }
}

/// Whether the server knows the fields that are asked for.
pub(super) fn check_fields(
    of: &Resource,
    selection: &Selection,
    args: &Args,
) -> Result<(), Failure> {
    let document = serde_json::json!({"apiVersion": of.api_version(), "kind": of.kind});
    let key = registry::struct_of(&document).map_or("", |s| s.key);
    selection.fields.clone().for_kind(key).map(|_| ()).map_err(|error| {
        let text = format!(
            "Unable to find {:?} that match label selector {:?}, field selector {:?}: {error}",
            gvr(of),
            args.text("selector"),
            args.text("field-selector"),
        );
        Failure::server(ErrorReason::BadRequest, text)
    })
}

fn fields_match(of: &Resource, whole: &Value, selection: &Selection) -> bool {
    let texts: Vec<(String, String)> = selection
        .fields
        .terms
        .iter()
        .map(|t| (t.field.clone(), field(of, whole, &t.field)))
        .collect();
    selection
        .fields
        .matches(|name| texts.iter().find(|(f, _)| f == name).map_or("", |(_, v)| v.as_str()))
}

/// A field of an object as field selectors see it.
fn field(of: &Resource, whole: &Value, name: &str) -> String {
    let path = match (of.kind.as_str(), name) {
        ("Job", "status.successful") => "status.succeeded",
        ("Pod", "spec.host") => "spec.nodeName",
        ("Event", "source") => "source.component",
        ("Event", "reportingComponent") => "reportingComponent",
        (_, name) => name,
    };
    let mut at = whole;
    for step in path.split('.') {
        at = &at[step];
    }
    match at {
        Value::String(text) => text.clone(),
        Value::Null if name == "spec.unschedulable" || name == "spec.hostNetwork" => "false".into(),
        Value::Null if name.ends_with("replicas") || name == "status.successful" => "0".into(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn by_file(
    args: &Args,
    cx: &Cx<'_>,
    ways: Ways,
    selection: Option<&Selection>,
) -> Result<Found, Failure> {
    let documents = files::documents(args, cx)?;
    let single = documents.len() == 1;
    let mut infos = Vec::new();
    for (document, source) in documents {
        let wanted = selection
            .is_none_or(|s| s.labels.matches_json(document["metadata"]["labels"].as_object()));
        if wanted {
            infos.push(
                of_file(document, &source, cx)
                    .and_then(|info| if ways.absent { Ok(info) } else { info.fetch(&cx.look) }),
            );
        }
    }
    Ok(Found { infos, single, several: false })
}

/// The object that a document of a file is about.
///
/// # Errors
/// A kind that the server does not have; a namespace other than the one that was given.
pub(super) fn of_file(mut document: Value, source: &str, cx: &Cx<'_>) -> Result<Info, Failure> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let name = text(&document["metadata"]["name"]);
    let own = text(&document["metadata"]["namespace"]);
    let Some(resource) = Resource::of_document(&document, cx.look.store) else {
        let (api, kind) = (text(&document["apiVersion"]), text(&document["kind"]));
        return Err(format!(
            "resource mapping not found for name: {name:?} namespace: {own:?} from {source:?}: no matches for kind {kind:?} in version {api:?}\nensure CRDs are installed first"
        )
        .into());
    };
    let mut namespace = String::new();
    if resource.namespaced {
        namespace = if own.is_empty() { cx.namespace.clone() } else { own };
        if cx.namespace_given && namespace != cx.namespace {
            return Err(format!(
                "the namespace from the provided object {namespace:?} does not match the namespace {:?}. You must pass '--namespace={namespace}' to perform this operation.",
                cx.namespace
            )
            .into());
        }
        if document["metadata"].is_object() {
            document["metadata"]["namespace"] = namespace.clone().into();
        }
    } else if let Some(meta) = document["metadata"].as_object_mut() {
        meta.shift_remove("namespace");
    }
    let document = Some(document);
    Ok(Info { resource, namespace, name, object: None, document, source: source.to_owned() })
}

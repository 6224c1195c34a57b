//! `kubectl get`.
//!
//! After `pkg/cmd/get`. The cells of tables are the server's ([`printers`]); those of custom resources are
//! what their CustomResourceDefinition names (`additionalPrinterColumns`).

use serde_json::{Value, json};

use super::args::Args;
use super::output::{self, Printer, escaped};
use super::resource::{self, Info, Resource, Ways};
use super::sort;
use super::table::{FILES, Flag, PRINT, SELECTOR, Treatment, Verb, list, number, switch, text};
use super::{Cx, Failure, Look, Task, Tasks};
use crate::api::jsonpath::JsonPath;
use crate::base::time::SimTime;
use crate::model::Kind;
use crate::report::printers;

const WATCH: &str =
    "a step ends at once: use kubectl wait, kubectl rollout status or wavetank get --watch";

const GET: &[Flag] = &[
    switch("all-namespaces").letter('A'),
    text("field-selector"),
    switch("ignore-not-found"),
    switch("no-headers"),
    switch("show-labels"),
    switch("show-kind"),
    list("label-columns").letter('L'),
    text("sort-by"),
    switch("watch").letter('w').refused(WATCH),
    switch("watch-only").refused(WATCH),
    switch("output-watch-events").refused(WATCH),
    text("raw").refused("name the objects"),
    text("subresource").refused("ask for the object with -o yaml"),
    number("chunk-size", "500").ignored("lists come whole"),
    switch("server-print").or("true").ignored("there is one kind of table"),
];

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "get",
    aliases: &[],
    usage: "get [(-o|--output=)json|yaml|name|go-template|jsonpath|jsonpath-as-json|custom-columns|wide] (TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...) [flags] [options]",
    about: "Display one or many resources.",
    flags: &[GET, FILES, PRINT, SELECTOR],
    treatment: Treatment::Modelled,
    plan,
}];

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    if args.words.is_empty() && args.list("filename").is_empty() {
        let text = "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported resources.\n\nerror: Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource (e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples";
        return Err(Failure::Exit(1, text.to_owned()));
    }
    let table = matches!(args.text("output"), "" | "wide");
    let mut line = args.clone();
    if table {
        line.clear("output");
    }
    let printer = Printer::of(&line, "")?;
    let found = resource::find(args, cx, Ways { bare_type: true, ..Ways::default() })?;
    let (single, several) = (found.single, found.several);
    let (mut infos, failures) = found.split();
    sorted(&mut infos, args, table)?;
    let ignore = args.on("ignore-not-found");
    let failures: Vec<Failure> =
        failures.into_iter().filter(|f| !(ignore && f.is_not_found())).collect();
    let mut tasks = Tasks::new();
    if table {
        if infos.is_empty() {
            if failures.is_empty() && !ignore {
                tasks.push(Task::Warn(nothing(args, cx)));
            }
        } else {
            tasks.push(Task::Say(rows(&infos, several, args, &cx.look)?));
        }
    } else if printer.tells() {
        tasks.extend(infos.iter().map(|i| Task::print(&printer, &i.wire())));
    } else if single {
        tasks.extend(infos.iter().map(|i| Task::print(&printer, &i.wire())));
    } else if failures.is_empty() || !infos.is_empty() {
        let items: Vec<Value> = infos.iter().map(Info::wire).collect();
        let all = json!({"apiVersion": "v1", "kind": "List", "items": items,
            "metadata": {"resourceVersion": ""}});
        tasks.push(Task::print(&printer, &all));
    }
    tasks.extend(failures.into_iter().map(Task::Fail));
    Ok(tasks)
}

/// What is said where there is nothing to show.
pub(super) fn nothing(args: &Args, cx: &Cx<'_>) -> String {
    let types = args.words.first().map(|w| w.split(','));
    let wide = types
        .into_iter()
        .flatten()
        .any(|of| resource::resource(of, cx.look.store).is_ok_and(|r| !r.namespaced));
    match args.on("all-namespaces") || wide {
        true => "No resources found\n".to_owned(),
        false => format!("No resources found in {} namespace.\n", cx.namespace),
    }
}

/// Sorts what was found by `--sort-by`: a table type by type, anything else as a whole.
pub(super) fn sorted(infos: &mut Vec<Info>, args: &Args, table: bool) -> Result<(), Failure> {
    let path = args.text("sort-by");
    // Objects that were named come one by one, each a table of its own.
    let named = args.words.len() > 1 || args.words.first().is_some_and(|w| w.contains('/'));
    if path.is_empty() || infos.is_empty() || (table && named) {
        return Ok(());
    }
    if !table {
        return sort::by(infos, path, Info::wire);
    }
    let all = std::mem::take(infos);
    for of in types(&all) {
        let mut part: Vec<Info> = all.iter().filter(|i| i.resource == of).cloned().collect();
        sort::by(&mut part, path, Info::wire)?;
        infos.extend(part);
    }
    Ok(())
}

/// The types of what was found, in its order.
fn types(infos: &[Info]) -> Vec<Resource> {
    let mut types: Vec<Resource> = Vec::new();
    for info in infos {
        if !types.contains(&info.resource) {
            types.push(info.resource.clone());
        }
    }
    types
}

/// The table, one part for each type: the cells are the server's.
fn rows(infos: &[Info], several: bool, args: &Args, look: &Look<'_>) -> Result<String, Failure> {
    let types = types(infos);
    let titled = several || types.len() > 1 || args.on("show-kind");
    let mut parts = Vec::new();
    for of in &types {
        parts.push(output::columns(&part(infos, of, titled, args, look)?));
    }
    Ok(parts.join(if args.on("no-headers") { "" } else { "\n" }))
}

/// The rows of one type, cells divided by tabs.
fn part(
    infos: &[Info],
    of: &Resource,
    titled: bool,
    args: &Args,
    look: &Look<'_>,
) -> Result<String, Failure> {
    let spaces = args.on("all-namespaces") && of.namespaced;
    let table = Table { spaces, titled, ..Table::of(of, args, Columns::of(of, look)?) };
    let mut text = if table.headers { table.head() } else { String::new() };
    for info in infos.iter().filter(|i| i.resource == *of) {
        text.push_str(&table.row(&info.wire(), look.now));
    }
    Ok(text)
}

/// A table of objects of one type.
pub(super) struct Table {
    resource: Resource,
    columns: Columns,
    /// The columns that are shown, with their names.
    shown: Vec<(usize, String)>,
    labels: Vec<String>,
    all_labels: bool,
    /// Whether names stand with their types.
    titled: bool,
    /// Whether namespaces are shown.
    spaces: bool,
    /// Whether there are titles.
    pub(super) headers: bool,
}

impl Table {
    /// The table that a line asks for.
    pub(super) fn of(resource: &Resource, args: &Args, columns: Columns) -> Self {
        Self {
            resource: resource.clone(),
            shown: columns.shown(args.text("output") == "wide"),
            columns,
            labels: args.list("label-columns").to_vec(),
            all_labels: args.on("show-labels"),
            titled: args.on("show-kind"),
            spaces: args.on("all-namespaces"),
            headers: !args.on("no-headers"),
        }
    }

    /// The titles, divided by tabs.
    pub(super) fn head(&self) -> String {
        let mut head: Vec<String> = Vec::new();
        head.extend(self.spaces.then(|| "NAMESPACE".to_owned()));
        head.extend(self.shown.iter().map(|(_, name)| name.to_uppercase()));
        let bare = |label: &String| label.rsplit('/').next().unwrap_or(label).to_uppercase();
        head.extend(self.labels.iter().map(bare));
        head.extend(self.all_labels.then(|| "LABELS".to_owned()));
        head.join("\t") + "\n"
    }

    /// The cells of an object, divided by tabs.
    pub(super) fn row(&self, whole: &Value, now: SimTime) -> String {
        let meta = &whole["metadata"];
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let mut row: Vec<String> = Vec::new();
        row.extend(self.spaces.then(|| text(&meta["namespace"])));
        let cells = self.columns.row(whole, now);
        row.extend(self.shown.iter().map(|(i, _)| cells.get(*i).map_or(String::new(), cell)));
        if let Some(name) = row.get_mut(usize::from(self.spaces)).filter(|_| self.titled) {
            *name = format!("{}/{}", self.resource.singular(), text(&meta["name"]));
        }
        let label = |key: &String| match &meta["labels"][key] {
            Value::String(value) => value.clone(),
            _ => "<none>".to_owned(),
        };
        row.extend(self.labels.iter().map(label));
        if self.all_labels {
            let labels = meta["labels"].as_object().into_iter().flatten();
            let mut all: Vec<String> = labels.map(|(k, v)| format!("{k}={}", text(v))).collect();
            all.sort();
            row.push(if all.is_empty() { "<none>".to_owned() } else { all.join(",") });
        }
        row.join("\t") + "\n"
    }
}

/// The columns of a type.
pub(super) enum Columns {
    /// Those of a kind that the server knows.
    Kind(String),
    /// Those of a custom resource: name, path, whether it is a time, whether it is wide.
    Custom(Vec<(String, JsonPath, bool, bool)>),
}

impl Columns {
    /// Those that a table of that type has.
    ///
    /// # Errors
    /// A path of the type's CustomResourceDefinition that is none.
    pub(super) fn of(of: &Resource, look: &Look<'_>) -> Result<Self, Failure> {
        if of.model != Kind::Inert || crate::api::kinds::is_builtin_group(&of.group) {
            return Ok(Self::Kind(of.kind.clone()));
        }
        let mut definitions = look.store.list(Kind::Inert);
        Self::defined(of, definitions.find_map(|o| resource::definition(o, of)))
    }

    /// Those of a custom resource, with its version in its CustomResourceDefinition.
    pub(super) fn defined(of: &Resource, spec: Option<&Value>) -> Result<Self, Failure> {
        let mut versions = spec.and_then(|s| s["versions"].as_array()).into_iter().flatten();
        let version = versions.find(|v| v["name"] == of.version.as_str());
        let given = version.and_then(|v| v["additionalPrinterColumns"].as_array());
        let mut columns = Vec::new();
        for column in given.into_iter().flatten() {
            let text = |field: &str| column[field].as_str().unwrap_or_default().to_owned();
            let path = JsonPath::parse_relaxed(&text("jsonPath"))
                .map_err(|e| Failure::Plain(e.to_string()))?;
            let wide = column["priority"].as_i64().unwrap_or(0) > 0;
            columns.push((text("name"), path, text("type") == "date", wide));
        }
        if given.is_none_or(Vec::is_empty) {
            let path = JsonPath::parse_relaxed(".metadata.creationTimestamp")
                .map_err(|e| Failure::Plain(e.to_string()))?;
            columns.push(("Age".to_owned(), path, true, false));
        }
        Ok(Self::Custom(columns))
    }

    /// The places and names of the columns that are shown.
    fn shown(&self, wide: bool) -> Vec<(usize, String)> {
        match self {
            Self::Kind(kind) => {
                let all = printers::columns(kind).iter().enumerate();
                all.filter(|(_, c)| wide || !c.wide).map(|(i, c)| (i, c.name.to_owned())).collect()
            }
            Self::Custom(columns) => {
                let named = |(i, (name, ..)): (usize, &(String, JsonPath, bool, bool))| {
                    (i + 1, name.clone())
                };
                let all = columns.iter().enumerate().filter(|(_, c)| wide || !c.3).map(named);
                std::iter::once((0, "Name".to_owned())).chain(all).collect()
            }
        }
    }

    fn row(&self, object: &Value, now: SimTime) -> Vec<Value> {
        let now = now.to_utc();
        match self {
            Self::Kind(kind) => printers::row(kind, object, now),
            Self::Custom(columns) => {
                let cell = |(_, path, date, _): &(String, JsonPath, bool, bool)| {
                    let found = path.find(object).first().map(|v| (*v).clone());
                    match found {
                        Some(Value::String(text)) if *date => printers::ago(&text, now).into(),
                        Some(Value::String(text)) => text.into(),
                        Some(other @ (Value::Array(_) | Value::Object(_))) => {
                            other.to_string().into()
                        }
                        Some(other) => other,
                        None => "".into(),
                    }
                };
                let name = object["metadata"]["name"].clone();
                std::iter::once(name).chain(columns.iter().map(cell)).collect()
            }
        }
    }
}

/// A cell as it is printed: the first line of a text.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => match text.find(['\x0c', '\n', '\r']) {
            Some(end) => format!("{}...", escaped(&text[..end])),
            None => escaped(text),
        },
        other => other.to_string(),
    }
}

/// Columns three spaces apart, as kubectl's writer aligns them.
pub(super) fn aligned(table: &[Vec<String>]) -> String {
    let lines: Vec<String> = table.iter().map(|row| row.join("\t") + "\n").collect();
    output::columns(&lines.concat())
}

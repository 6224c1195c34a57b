//! How kubectl prints what it has done: the object's name and what was done to it, or the object itself.
//!
//! After `k8s.io/cli-runtime/pkg/genericclioptions/print_flags.go` and `printers`, and
//! `k8s.io/kubectl/pkg/cmd/get/customcolumn.go`.

use serde_json::Value;
use std::fmt::Write as _;

use super::args::Args;
use super::{Cx, Failure};
use crate::api::go_template::Template;
use crate::api::go_value;
use crate::api::jsonpath::{JsonPath, JsonPathError, sorted};
use crate::api::yaml::{go, kyaml};
use crate::report::tabs;

/// Whether anything is really done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DryRun {
    /// It is.
    No,
    /// No: what would be sent is printed.
    Client,
    /// No: the server answers what it would store.
    Server,
}

impl DryRun {
    /// What `--dry-run` asks for (`GetDryRunStrategy`).
    pub(super) fn of(args: &Args) -> Result<Self, Failure> {
        match args.text("dry-run") {
            "none" | "false" | "" => Ok(Self::No),
            "client" | "unchanged" | "true" => Ok(Self::Client),
            "server" => Ok(Self::Server),
            other => Err(format!(
                "Invalid dry-run value ({other}). Must be \"none\", \"server\", or \"client\"."
            )
            .into()),
        }
    }
}

/// A way to print an object.
#[derive(Clone, Debug)]
pub(super) struct Printer {
    form: Form,
    done: String,
}

#[derive(Clone, Debug)]
enum Form {
    Done,
    Name,
    Json,
    Yaml,
    Kyaml,
    Path { path: Box<JsonPath>, template: String, missing: bool },
    PathAsJson(Box<JsonPath>),
    Template { template: Box<Template>, missing: bool },
    Columns { columns: Vec<(String, JsonPath)>, headers: bool },
}

/// Lines whose cells are divided by tabs, as kubectl aligns tables.
pub(super) fn columns(text: &str) -> String {
    tabs::align(&escaped(text), 6, 3)
}

/// What aligns tables whose rows come one by one.
pub(super) fn aligner() -> tabs::Aligner {
    tabs::Aligner::new(6, 3)
}

/// What could command a terminal is shown (`EscapeTerminal`).
pub(super) fn escaped(text: &str) -> String {
    text.replace('\x1b', "^[").replace('\r', "\\r")
}

/// The line with the file that `-o …-file=FILE` names read in.
///
/// # Errors
/// The file cannot be read.
pub(super) fn inlined(args: Args, cx: &Cx<'_>) -> Result<Args, Failure> {
    let output = args.text("output").to_owned();
    let (form, inline) = output.split_once('=').unwrap_or((&output, ""));
    let form = match form {
        "jsonpath-file" => "jsonpath",
        "go-template-file" | "templatefile" => "go-template",
        "custom-columns-file" => "custom-columns-lines",
        _ => return Ok(args),
    };
    let path = if inline.is_empty() { args.text("template") } else { inline };
    if path.is_empty() {
        return Err("template format specified but no template given".into());
    }
    let bytes = cx.files.data(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut args = args;
    args.put("output", format!("{form}={text}"));
    Ok(args)
}

/// The forms of `-o`, as the error about a wrong one lists them.
const FORMS: &str = "go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,yaml";

/// The forms of `kubectl get`.
const GET_FORMS: &str = "custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,wide,yaml";

impl Printer {
    /// What `-o` asks for; `done` is what was done to the object: `scaled`.
    pub(super) fn of(args: &Args, done: &str) -> Result<Self, Failure> {
        let suffix = match DryRun::of(args)? {
            DryRun::No => "",
            DryRun::Client => " (dry run)",
            DryRun::Server => " (server dry run)",
        };
        Ok(Self { form: Form::of(args)?, done: format!("{done}{suffix}") })
    }

    /// Whether it prints what was done, and not the object.
    pub(super) fn tells(&self) -> bool {
        matches!(self.form, Form::Done | Form::Name)
    }

    /// The same for something else that was done.
    pub(super) fn saying(&self, done: &str) -> Self {
        Self { form: self.form.clone(), done: done.to_owned() }
    }

    /// Whether it prints a table.
    pub(super) fn is_table(&self) -> bool {
        matches!(self.form, Form::Columns { .. })
    }

    /// The cells of an object, divided by tabs, where it prints a table; after the titles, where it has them
    /// and this object comes `first`.
    pub(super) fn cells(&self, object: &Value, first: bool) -> Option<String> {
        match &self.form {
            Form::Columns { columns, headers } => Some(table(columns, *headers && first, object)),
            _ => None,
        }
    }

    /// What stands between documents that are printed one after the other.
    pub(super) fn between(&self) -> &'static str {
        if matches!(self.form, Form::Yaml) { "---\n" } else { "" }
    }

    /// A watch's event of that type as it is printed, and what went wrong.
    pub(super) fn print_change(&self, of: &str, object: &Value) -> (String, Option<Failure>) {
        match &self.form {
            Form::Done | Form::Name => self.print(object),
            // Of an event the JSON form alone has its fields in their own order.
            Form::Json => {
                let inner = json(object).trim_end().replace('\n', "\n    ");
                let text = format!("{{\n    \"type\": \"{of}\",\n    \"object\": {inner}\n}}\n");
                (text, None)
            }
            _ => self.print(&serde_json::json!({"type": of, "object": object})),
        }
    }

    /// The object as it is printed, and what went wrong.
    pub(super) fn print(&self, object: &Value) -> (String, Option<Failure>) {
        let text = match &self.form {
            Form::Template { template, missing } => {
                return match template.render(object, *missing) {
                    Ok(text) => (text, None),
                    Err((text, why)) => template_failed(template, object, &text, &why.to_string()),
                };
            }
            Form::Done => format!("{} {}\n", title(object), self.done),
            Form::Name => format!("{}\n", title(object)),
            Form::Json => json(object),
            Form::Yaml => to_yaml(object),
            Form::Kyaml => kyaml::write(object, go::Keys::Sorted),
            Form::Path { path, template, missing } => {
                return match path.fill(object, *missing) {
                    Ok(text) => (text, None),
                    Err(why) => (String::new(), Some(path_failed(template, object, &why))),
                };
            }
            Form::PathAsJson(path) => {
                json(&path.find(object).into_iter().cloned().collect::<Vec<_>>().into())
            }
            Form::Columns { columns, headers } => self::columns(&table(columns, *headers, object)),
        };
        (text, None)
    }
}

/// What is printed of a template that fails: kubectl shows on standard output what it was working on.
fn template_failed(
    template: &Template,
    object: &Value,
    text: &str,
    why: &str,
) -> (String, Option<Failure>) {
    let shown = format!(
        "{text}Error executing template: {why}. Printing more information for debugging the template:\n\ttemplate was:\n\t\t{}\n\traw data was:\n\t\t{}\n\tobject given to template engine was:\n\t\t{}\n\n",
        template.text(),
        sorted(object),
        go_value::plain(object)
    );
    let failure = format!("error executing template {:?}: {why}", template.text());
    (shown, Some(failure.into()))
}

/// What is said of a path that does not fit: all of the object, as Go writes it for programmers.
fn path_failed(template: &str, object: &Value, why: &JsonPathError) -> Failure {
    format!(
        "error executing jsonpath {template:?}: Error executing template: {why}. Printing more information for debugging the template:\n\ttemplate was:\n\t\t{template}\n\tobject given to jsonpath engine was:\n\t\t{}\n\n\n",
        go_value::source(object)
    )
    .into()
}

/// Cells of one object, or of each object of a list, divided by tabs.
fn table(columns: &[(String, JsonPath)], headers: bool, object: &Value) -> String {
    let mut text = String::new();
    if headers {
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let _ = writeln!(text, "{}", names.join("\t"));
    }
    let items = object["items"].as_array().filter(|_| object["kind"] == "List");
    let rows = items.map_or(std::slice::from_ref(object), Vec::as_slice);
    for row in rows {
        let cell = |path: &JsonPath| match path.find(row).as_slice() {
            [] => "<none>".to_owned(),
            found => found.iter().map(|v| go_value::plain(v)).collect::<Vec<_>>().join(","),
        };
        let cells: Vec<String> = columns.iter().map(|(_, path)| cell(path)).collect();
        let _ = writeln!(text, "{}", cells.join("\t"));
    }
    text
}

/// Columns as `-o custom-columns` names them: `NAME:.metadata.name,…`
/// (`NewCustomColumnsPrinterFromSpec`), or in two lines of a file.
fn column_specs(text: &str, lines: bool) -> Result<Vec<(String, JsonPath)>, Failure> {
    if text.is_empty() {
        return Err("custom-columns format specified but no custom columns given".into());
    }
    let relaxed = |header: &str, path: &str| {
        let path = JsonPath::parse_relaxed(path).map_err(|e| Failure::Plain(e.to_string()))?;
        Ok((header.to_owned(), path))
    };
    if !lines {
        let column = |part: &str| {
            let (header, path) = part.split_once(':').ok_or_else(|| {
                format!(
                    "unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"
                )
            })?;
            relaxed(header, path)
        };
        return text.split(',').map(column).collect();
    }
    let mut lines = text.lines();
    let mut words = |which: &str| match lines.next() {
        Some(line) => Ok(line.split_whitespace().collect::<Vec<_>>()),
        None => Err(format!(
            "invalid template, missing {which} line. Expected format is one line of space separated headers, one line of space separated column specs."
        )),
    };
    let (headers, paths) = (words("header")?, words("spec")?);
    if headers.len() != paths.len() {
        let (a, b) = (headers.len(), paths.len());
        return Err(
            format!("number of headers ({a}) and field specifications ({b}) don't match").into()
        );
    }
    headers.into_iter().zip(paths).map(|(header, path)| relaxed(header, path)).collect()
}

impl Form {
    fn of(args: &Args) -> Result<Self, Failure> {
        let output = args.text("output");
        let (name, inline) = output.split_once('=').map_or((output, ""), |(n, t)| (n, t));
        let template = if inline.is_empty() { args.text("template") } else { inline };
        let path = || {
            if template.is_empty() {
                return Err("template format specified but no template given".into());
            }
            JsonPath::parse(template)
                .map(Box::new)
                .map_err(|e| Failure::Plain(format!("error parsing jsonpath {template}, {e}")))
        };
        match name {
            "" => Ok(Self::Done),
            "name" => Ok(Self::Name),
            "json" => Ok(Self::Json),
            "yaml" => Ok(Self::Yaml),
            "kyaml" => Ok(Self::Kyaml),
            "jsonpath" => {
                let missing = args.on("allow-missing-template-keys");
                path().map(|path| Self::Path { path, template: template.to_owned(), missing })
            }
            "jsonpath-as-json" => path().map(Self::PathAsJson),
            "go-template" | "template" => {
                if template.is_empty() {
                    return Err("template format specified but no template given".into());
                }
                let parsed = Template::parse(template)
                    .map_err(|e| Failure::Plain(format!("error parsing template {template}, {e}")))?;
                let missing = args.on("allow-missing-template-keys");
                Ok(Self::Template { template: Box::new(parsed), missing })
            }
            "custom-columns" | "custom-columns-lines" if args.verb == "get" => {
                let columns = column_specs(template, name == "custom-columns-lines")?;
                let headers = name == "custom-columns-lines" || !args.on("no-headers");
                Ok(Self::Columns { columns, headers })
            }
            other => Err(format!(
                "unable to match a printer suitable for the output format {other:?}, allowed formats are: {}",
                if args.verb == "get" { GET_FORMS } else { FORMS }
            )
            .into()),
        }
    }
}

/// `deployment.apps/web`.
pub(super) fn title(object: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let (api, kind) = (text(&object["apiVersion"]), text(&object["kind"]).to_ascii_lowercase());
    let group = api.split_once('/').map(|(g, _)| format!(".{g}")).unwrap_or_default();
    format!("{kind}{group}/{}", text(&object["metadata"]["name"]))
}

/// An object as JSON: keys in order, indented by four.
pub(super) fn json(object: &Value) -> String {
    let mut bytes = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, form);
    // A value of the tree always has a JSON form.
    if serde::Serialize::serialize(&sorted(object), &mut writer).is_err() {
        return String::new();
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    // Go's encoder hides what could end a script in a page.
    for (c, hidden) in [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026")] {
        text = text.replace(c, hidden);
    }
    text.push('\n');
    text
}

/// An object as YAML, keys in order.
pub(super) fn to_yaml(object: &Value) -> String {
    go::write(object, go::Keys::Sorted)
}

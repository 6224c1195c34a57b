//! How kubectl prints what it has done: the object's name and what was done to it, or the object itself.
//!
//! After `k8s.io/cli-runtime/pkg/genericclioptions/print_flags.go` and `printers`.

use serde_json::Value;

use super::Failure;
use super::args::Args;
use crate::api::jsonpath::{JsonPath, sorted};
use crate::api::yaml::go;

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
    Path(Box<JsonPath>),
    PathAsJson(Box<JsonPath>),
}

/// The forms of `-o`, as the error about a wrong one lists them.
const FORMS: &str = "go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,yaml";

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

    /// The object as it is printed.
    pub(super) fn print(&self, object: &Value) -> String {
        match &self.form {
            Form::Done => format!("{} {}\n", title(object), self.done),
            Form::Name => format!("{}\n", title(object)),
            Form::Json => json(object),
            Form::Yaml => to_yaml(object),
            Form::Path(path) => path.render(object),
            Form::PathAsJson(path) => {
                json(&path.find(object).into_iter().cloned().collect::<Vec<_>>().into())
            }
        }
    }
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
            "jsonpath" => path().map(Self::Path),
            "jsonpath-as-json" => path().map(Self::PathAsJson),
            "go-template" | "template" | "go-template-file" | "templatefile" | "jsonpath-file" | "kyaml" => {
                Err(format!("-o {name} is not modelled\nwavetank hint: -o jsonpath, -o json or -o yaml").into())
            }
            other => Err(format!(
                "unable to match a printer suitable for the output format {other:?}, allowed formats are: {FORMS}"
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

//! `kubectl apply`: create what is not there, bring the rest to what is wanted.
//!
//! After `pkg/cmd/apply/apply.go` and `patcher.go`: what was applied last is remembered in an annotation,
//! and the patch is made of what was applied, what is wanted and what is. With `--server-side` the
//! document is merged into the object: fields that it no longer names stay, and nobody owns them.

use serde_json::{Value, json};

use super::args::Args;
use super::output::{DryRun, Printer};
use super::resource::{self, Info};
use super::table::{
    DRY_RUN, FILES, MANAGER, PRINT, RECORD, SELECTOR, Treatment, VALIDATE, Verb, number, switch,
    text, texts, time,
};
use super::{Cx, Failure, Look, Output, Poll, Task, Tasks, files, kept};
use crate::api::jsonpath::sorted;
use crate::api::patch::{diff, merge};
use crate::api::registry;
use crate::store::{PatchType, Reply, Request, WireVerb};

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "apply",
    aliases: &[],
    usage: "apply (-f FILENAME | -k DIRECTORY) [options]",
    about: "Apply a configuration to a resource by file name.",
    flags: &[
        FILES,
        PRINT,
        DRY_RUN,
        SELECTOR,
        MANAGER,
        VALIDATE,
        RECORD,
        &[
            switch("server-side"),
            switch("force-conflicts").ignored("no field has an owner"),
            switch("overwrite").or("true"),
            switch("openapi-patch").or("true"),
            switch("prune").refused("delete what a change no longer names in a step of its own"),
            texts("prune-allowlist").refused("there is no --prune"),
            switch("all").refused("there is no --prune"),
            switch("force").refused("use kubectl replace --force"),
            text("cascade").or("background").ignored("there is no --force and no --prune"),
            number("grace-period", "-1").ignored("there is no --force and no --prune"),
            time("timeout", "0s").ignored("there is no --force and no --prune"),
            switch("wait").ignored("there is no --force and no --prune"),
            text("subresource").refused("use kubectl patch --subresource"),
        ],
    ],
    treatment: Treatment::Simplified(
        "with --server-side the document is merged into the object, and fields have no owners",
    ),
    plan,
}];

/// Where apply remembers what was applied.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A document being applied.
#[derive(Debug)]
pub(super) struct Apply {
    info: Info,
    printer: Printer,
    dry_run: DryRun,
    server_side: bool,
    sent: Option<Sent>,
}

/// The request that was sent.
#[derive(Debug)]
enum Sent {
    Create,
    Patch(Value),
}

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    if args.list("filename").is_empty() {
        return Err("must specify one of -f and -k".into());
    }
    if !args.words.is_empty() {
        let text = format!("Unexpected args: [{}]", args.words.join(" "));
        return Err(Failure::usage(args.verb, &text));
    }
    let server_side = args.on("server-side");
    let dry_run = DryRun::of(args)?;
    if dry_run == DryRun::Client && server_side {
        return Err("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)".into());
    }
    if args.on("force-conflicts") && !server_side {
        return Err("--force-conflicts only works with --server-side".into());
    }
    let done = if server_side { "serverside-applied" } else { "" };
    let printer = Printer::of(args, done)?;
    let selector = crate::api::selectors::LabelSelector::parse(args.text("selector"))
        .map_err(|e| Failure::Plain(e.to_string()))?;
    let mut tasks = Tasks::new();
    for (document, source) in files::documents(args, cx)? {
        if selector.matches_json(document["metadata"]["labels"].as_object()) {
            tasks.push(one(document, &source, cx, &printer, dry_run, server_side));
        }
    }
    if tasks.is_empty() {
        return Err("no objects passed to apply".into());
    }
    Ok(tasks)
}

/// The tasks that apply documents of a file.
pub(super) fn documents(
    documents: Vec<Value>,
    source: &str,
    cx: &Cx<'_>,
) -> Result<Tasks, Failure> {
    let printer = Printer::of(&Args::default(), "")?;
    let each = documents.into_iter();
    Ok(each.map(|document| one(document, source, cx, &printer, DryRun::No, false)).collect())
}

fn one(
    document: Value,
    source: &str,
    cx: &Cx<'_>,
    printer: &Printer,
    dry_run: DryRun,
    server_side: bool,
) -> Task {
    match resource::of_file(document, source, cx) {
        Ok(info) => {
            let printer = printer.clone();
            Task::Apply(Box::new(Apply { info, printer, dry_run, server_side, sent: None }))
        }
        Err(failure) => Task::Fail(failure),
    }
}

/// The document with the note of what was applied (`CreateOrUpdateAnnotation`).
pub(super) fn with_note(document: &Value) -> Value {
    let mut wanted = document.clone();
    let annotations = &mut wanted["metadata"]["annotations"];
    if !annotations.is_object() {
        *annotations = json!({});
    }
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.shift_remove(LAST_APPLIED);
    }
    let applied = format!("{}\n", sorted(&wanted));
    wanted["metadata"]["annotations"][LAST_APPLIED] = applied.into();
    wanted
}

impl Apply {
    /// Compares and sends what is to be changed.
    pub(super) fn poll(&mut self, look: &Look<'_>, out: &mut Output) -> Poll {
        if self.sent.is_some() {
            return Poll::Done;
        }
        let document = self.info.document.clone().unwrap_or_default();
        let live = look.store.find(&self.info.reference()).map(resource::to_value);
        let wanted = if self.server_side { document } else { with_note(&document) };
        let Some(live) = live else { return self.create(wanted, out) };
        let (kind, patch) = if self.server_side {
            let known = registry::struct_of(&live).is_some();
            (if known { PatchType::Strategic } else { PatchType::Merge }, wanted)
        } else {
            self.warn_of_note(&live, out);
            let before = live["metadata"]["annotations"][LAST_APPLIED].as_str();
            let before: Value =
                before.and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default();
            three_way(&before, &live, &wanted)
        };
        if patch.as_object().is_some_and(serde_json::Map::is_empty) {
            self.say("unchanged", &live, out);
            return Poll::Done;
        }
        if self.dry_run == DryRun::Client {
            let patched =
                super::patch::locally(kind, &live, &patch).unwrap_or_else(|_| live.clone());
            self.say("configured", &patched, out);
            return Poll::Done;
        }
        if live["metadata"]["deletionTimestamp"].is_string() {
            let title = format!("{}/{}", self.info.resource.plural, self.info.name);
            out.stderr.push_str(&format!(
                "Warning: Detected changes to resource {title} which is currently being deleted.\n"
            ));
        }
        self.sent = Some(Sent::Patch(patch.clone()));
        self.send(WireVerb::Patch(kind), patch)
    }

    fn create(&mut self, wanted: Value, out: &mut Output) -> Poll {
        if self.dry_run == DryRun::Client {
            self.say("created", &wanted, out);
            return Poll::Done;
        }
        self.sent = Some(Sent::Create);
        self.send(WireVerb::Create, wanted)
    }

    fn send(&self, verb: WireVerb, body: Value) -> Poll {
        let target = self.info.reference();
        let request = Request::Wire { verb, target, body: Box::new(body), subresource: None };
        Poll::Send(Box::new(kept(request, self.dry_run)))
    }

    fn warn_of_note(&self, live: &Value, out: &mut Output) {
        if live["metadata"]["annotations"][LAST_APPLIED].is_null() {
            let title = format!("{}/{}", self.info.resource.plural, self.info.name);
            out.stderr.push_str(&format!("Warning: resource {title} is missing the {LAST_APPLIED} annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.\n"));
        }
    }

    fn say(&self, done: &str, object: &Value, out: &mut Output) {
        let suffix = match self.dry_run {
            DryRun::No => "",
            DryRun::Client => " (dry run)",
            DryRun::Server => " (server dry run)",
        };
        let done = if self.server_side { "serverside-applied" } else { done };
        let printer = self.printer.saying(&format!("{done}{suffix}"));
        out.print(&printer, object);
    }

    /// Prints what became of it.
    pub(super) fn reply(&mut self, reply: Reply, out: &mut Output) {
        let sent = self.sent.as_ref().unwrap_or(&Sent::Create);
        match reply {
            Ok(object) => {
                let object = object.as_ref().map(resource::to_value).unwrap_or_default();
                self.say(
                    if matches!(sent, Sent::Create) { "created" } else { "configured" },
                    &object,
                    out,
                );
            }
            Err(error) => {
                let doing = match sent {
                    Sent::Create => "creating".to_owned(),
                    Sent::Patch(patch) => {
                        format!(
                            "applying patch:\n{}\nto:\n{}\nfor:",
                            sorted(patch),
                            self.described()
                        )
                    }
                };
                out.failures.push(Failure::from(error).with_source(&doing, &self.info.source));
            }
        }
    }

    /// The object as `%v` prints what kubectl knows of it.
    fn described(&self) -> String {
        let r = &self.info.resource;
        let version = format!("{}/{}", r.group, r.version);
        let (name, namespace) = (&self.info.name, &self.info.namespace);
        format!(
            "Resource: \"{version}, Resource={}\", GroupVersionKind: \"{version}, Kind={}\"\nName: {name:?}, Namespace: {namespace:?}",
            r.plural, r.kind
        )
    }
}

/// The patch that kubectl makes from what was applied, what is, and what is wanted: strategic for kinds
/// whose types it knows, a merge patch for others.
fn three_way(before: &Value, live: &Value, wanted: &Value) -> (PatchType, Value) {
    let empty = json!({});
    let before = if before.is_object() { before } else { &empty };
    if let Some(of) = registry::struct_of(live)
        && let Ok(patch) = diff::three_way(of, before, wanted, live)
    {
        return (PatchType::Strategic, patch);
    }
    (PatchType::Merge, merge::three_way(before, wanted, live))
}

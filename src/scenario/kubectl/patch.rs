//! `kubectl patch`, and the patches of other verbs.
//!
//! After `pkg/cmd/patch/patch.go`.

use serde_json::Value;

use super::args::Args;
use super::output::{DryRun, Printer};
use super::resource::{self, Info, Ways};
use super::table::{DRY_RUN, FILES, MANAGER, PRINT, RECORD, Treatment, Verb, switch, text};
use super::{Cx, Done, Failure, OnError, Send, Task, Tasks, kept, no_such_endpoint};
use crate::api::limits::Limits;
use crate::api::patch::{self as patches, diff, merge};
use crate::api::{registry, yaml};
use crate::model::Kind;
use crate::store::{PatchType, Request, WireVerb};

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "patch",
    aliases: &[],
    usage: "patch (-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE] [options]",
    about: "Update fields of a resource using strategic merge patch, a JSON merge patch, or a JSON patch.",
    flags: &[
        FILES,
        PRINT,
        DRY_RUN,
        MANAGER,
        RECORD,
        &[
            text("patch").letter('p'),
            text("patch-file"),
            text("type").or("strategic"),
            text("subresource"),
            switch("local").refused("change the file"),
        ],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let (inline, file) = (args.text("patch"), args.text("patch-file"));
    let text = match (inline.is_empty(), file.is_empty()) {
        (false, false) => return Err("cannot specify --patch and --patch-file together".into()),
        (true, true) => {
            return Err(
                "must specify --patch or --patch-file containing the contents of the patch".into(),
            );
        }
        (false, true) => inline.to_owned(),
        (true, false) => {
            let bytes = cx
                .files
                .data(file)
                .map_err(|e| Failure::Plain(format!("unable to read patch file: {}", e.text())))?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    let kind = match args.text("type").to_ascii_lowercase().as_str() {
        "json" => PatchType::Json,
        "merge" => PatchType::Merge,
        "strategic" => PatchType::Strategic,
        _ => {
            return Err(format!(
                "--type must be one of [json merge strategic], not {:?}",
                args.text("type")
            )
            .into());
        }
    };
    let document = yaml::read_document(&text, &Limits::default())
        .map_err(|e| Failure::Plain(format!("unable to parse {inline:?}: {e}")))?;
    let body = document.tree.value(crate::api::tree::Tree::ROOT);
    let subresource = subresource(args)?;
    let printer = Printer::of(args, "patched")?;
    let found = resource::find(args, cx, Ways::default())?;
    if found.infos.is_empty() {
        return Err("no objects passed to patch".into());
    }
    let each = found.infos.into_iter().map(|info| {
        info.and_then(|info| one(&info, kind, &body, subresource, args, &printer))
            .unwrap_or_else(Task::Fail)
    });
    Ok(each.collect())
}

fn subresource(args: &Args) -> Result<Option<&'static str>, Failure> {
    match args.text("subresource") {
        "" => Ok(None),
        "status" => Ok(Some("status")),
        "scale" => Ok(Some("scale")),
        "ephemeralcontainers" => Ok(Some("ephemeralcontainers")),
        "resize" => Ok(Some("resize")),
        // The server has no such part of the object.
        _ => Err(no_such_endpoint()),
    }
}

fn one(
    info: &Info,
    kind: PatchType,
    body: &Value,
    subresource: Option<&'static str>,
    args: &Args,
    printer: &Printer,
) -> Result<Task, Failure> {
    let scalable =
        [Kind::Deployment, Kind::ReplicaSet, Kind::StatefulSet, Kind::ReplicationController];
    if subresource == Some("scale") && !scalable.contains(&info.resource.model) {
        return Err(no_such_endpoint());
    }
    let of_pods = matches!(subresource, Some("ephemeralcontainers" | "resize"));
    if of_pods && info.resource.model != Kind::Pod {
        return Err(no_such_endpoint());
    }
    let dry_run = DryRun::of(args)?;
    let before = info.wire();
    if dry_run == DryRun::Client {
        let after = locally(kind, &before, body)?;
        let printer = if after == before { &unchanged(args)? } else { printer };
        return Ok(Task::print(printer, &after));
    }
    let known = registry::struct_of(&before).is_some();
    if kind == PatchType::Strategic && !known {
        let r = &info.resource;
        return Err(format!(
            "application/strategic-merge-patch+json is not supported by {}/{}, Kind={}: {}",
            r.group,
            r.version,
            r.kind,
            patches::PatchError::NotStrategic
        )
        .into());
    }
    let request = Request::Wire {
        verb: WireVerb::Patch(kind),
        target: info.reference(),
        body: Box::new(body.clone()),
        subresource,
    };
    let done = Done::Changed {
        printer: printer.clone(),
        same: unchanged(args)?,
        version: info.object.as_ref().map_or(0, |o| o.meta().resource_version),
    };
    Ok(Send::task(kept(request, dry_run), done, OnError::Say))
}

fn unchanged(args: &Args) -> Result<Printer, Failure> {
    Printer::of(args, "patched (no change)")
}

/// The object with the patch applied, without a server.
///
/// # Errors
/// A patch that does not fit the object.
pub(super) fn locally(kind: PatchType, object: &Value, body: &Value) -> Result<Value, Failure> {
    let kind = match kind {
        PatchType::Json => patches::PatchType::Json,
        PatchType::Merge => patches::PatchType::Merge,
        PatchType::Strategic => patches::PatchType::Strategic,
    };
    patches::apply(kind, registry::struct_of(object), object, body)
        .map_err(|e| Failure::Plain(e.to_string()))
}

/// The task that changes an object from what it is to what is wanted, as `kubectl set` and others do: by a
/// strategic merge patch of the difference.
///
/// # Errors
/// A wrong `--dry-run`.
pub(super) fn change(
    info: &Info,
    before: &Value,
    after: &Value,
    args: &Args,
    printer: &Printer,
    on_error: OnError,
) -> Result<Task, Failure> {
    let dry_run = DryRun::of(args)?;
    if dry_run == DryRun::Client {
        return Ok(Task::print(printer, after));
    }
    let (kind, body) = between(before, after);
    let request = Request::Wire {
        verb: WireVerb::Patch(kind),
        target: info.reference(),
        body: Box::new(body),
        subresource: None,
    };
    Ok(Send::task(kept(request, dry_run), Done::Print(printer.clone()), on_error))
}

/// The patch from one form of an object to another.
fn between(before: &Value, after: &Value) -> (PatchType, Value) {
    if let Some(of) = registry::struct_of(before)
        && let Ok(patch) = diff::two_way(of, before, after)
    {
        return (PatchType::Strategic, patch);
    }
    (PatchType::Merge, merge::between(before, after))
}

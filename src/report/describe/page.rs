//! A description in the making: lines at levels, and the blocks that many kinds share.
//!
//! Follows `PrefixWriter`, `printLabelsMultiline` and their like in `k8s.io/kubectl/pkg/describe/describe.go`.

use std::fmt::{Arguments, Write as _};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::super::printers::cells::{has, int, items, text, time};
use super::super::tabs;

/// Annotations longer than this stand on a line of their own, cut off.
pub(super) const MAX_ANNOTATION: usize = 140;

/// What `kubectl apply` notes is not shown.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Adds a line, or a part of one, at a level: two spaces for each.
macro_rules! put {
    ($page:expr, $level:expr, $($text:tt)*) => {
        $page.put($level, ::std::format_args!($($text)*))
    };
}
pub(super) use put;

/// The text so far; cells of a line are divided by tabs.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
    /// Added to every level (`nestedPrefixWriter`): each part of a line is indented by it, not each line.
    base: usize,
}

impl Page {
    pub(super) fn put(&mut self, level: usize, text: Arguments<'_>) {
        self.text.extend(std::iter::repeat_n("  ", self.base + level));
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(text);
    }

    /// Writes a part whose levels are deeper by `levels`.
    pub(super) fn nested(&mut self, levels: usize, write: impl FnOnce(&mut Self)) {
        self.base += levels;
        write(self);
        self.base -= levels;
    }

    /// The text with its columns aligned, and without what could command a terminal (`WriteEscaped`).
    pub(super) fn finish(self) -> String {
        tabs::align(&self.text.replace('\x1b', "^[").replace('\r', "\\r"), 0, 2)
    }

    /// Name and namespace.
    pub(super) fn head(&mut self, object: &Value) {
        put!(self, 0, "Name:\t{}\n", text(object, "/metadata/name"));
        put!(self, 0, "Namespace:\t{}\n", text(object, "/metadata/namespace"));
    }

    /// Labels and annotations.
    pub(super) fn meta(&mut self, object: &Value) {
        self.labels("Labels", object.pointer("/metadata/labels"));
        self.annotations("Annotations", object.pointer("/metadata/annotations"));
    }

    /// When the object was made.
    pub(super) fn created(&mut self, object: &Value) {
        put!(self, 0, "CreationTimestamp:\t{}\n", date(object, "/metadata/creationTimestamp"));
    }

    /// `title:` and lines, the first beside it.
    pub(super) fn lines(&mut self, title: &str, lines: &[String]) {
        put!(self, 0, "{title}:\t");
        if lines.is_empty() {
            put!(self, 0, "<none>\n");
        }
        for (i, line) in lines.iter().enumerate() {
            if i > 0 {
                put!(self, 0, "");
                put!(self, 0, "\t");
            }
            put!(self, 0, "{line}\n");
        }
    }

    /// `key=value`, one a line.
    pub(super) fn labels(&mut self, title: &str, labels: Option<&Value>) {
        let lines: Vec<String> =
            pairs(labels).into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        self.lines(title, &lines);
    }

    /// The same within a list, each line of it indented.
    pub(super) fn indented_labels(&mut self, title: &str, labels: Option<&Value>) {
        put!(self, 1, "{title}:\t");
        let pairs = pairs(labels);
        if pairs.is_empty() {
            put!(self, 0, "<none>\n");
        }
        for (i, (key, value)) in pairs.into_iter().enumerate() {
            let indent = if i == 0 { "" } else { "  \t" };
            put!(self, 0, "{indent}{key}={value}\n");
        }
    }

    /// Annotations: long ones and those of several lines below their key.
    pub(super) fn annotations(&mut self, title: &str, annotations: Option<&Value>) {
        put!(self, 0, "{title}:\t");
        let mut pairs = pairs(annotations);
        pairs.retain(|(key, _)| *key != LAST_APPLIED);
        if pairs.is_empty() {
            put!(self, 0, "<none>\n");
        }
        for (i, (key, value)) in pairs.into_iter().enumerate() {
            if i > 0 {
                put!(self, 0, "\t");
            }
            let value = value.strip_suffix('\n').unwrap_or(value);
            if value.len() + key.len() + 2 > MAX_ANNOTATION || value.contains('\n') {
                put!(self, 0, "{key}:\n");
                for line in value.split('\n') {
                    put!(self, 0, "\t  {}\n", shortened(line, MAX_ANNOTATION - 2));
                }
            } else {
                put!(self, 0, "{key}: {value}\n");
            }
        }
    }

    /// Tolerations, by key.
    pub(super) fn tolerations(&mut self, title: &str, tolerations: &[Value]) {
        let mut sorted: Vec<&Value> = tolerations.iter().collect();
        sorted.sort_by_key(|t| text(t, "/key"));
        let lines: Vec<String> = sorted.into_iter().map(toleration).collect();
        self.lines(title, &lines);
    }

    /// Type, status and reason of each condition (workloads).
    pub(super) fn conditions_with_reason(&mut self, object: &Value) {
        let conditions = items(object, "/status/conditions");
        if conditions.is_empty() {
            return;
        }
        put!(self, 0, "Conditions:\n  Type\tStatus\tReason\n");
        put!(self, 1, "----\t------\t------\n");
        for c in conditions {
            let (of, status) = (text(c, "/type"), text(c, "/status"));
            put!(self, 1, "{of} \t{status}\t{}\n", text(c, "/reason"));
        }
    }

    /// Type, status, time, reason and message of each condition.
    pub(super) fn conditions_with_time(&mut self, object: &Value) {
        put!(self, 0, "Conditions:\n");
        put!(self, 1, "Type\tStatus\tLastTransitionTime\tReason\tMessage\n");
        put!(self, 1, "----\t------\t------------------\t------\t-------\n");
        for c in items(object, "/status/conditions") {
            put!(
                self,
                1,
                "{}\t{}\t{}\t{}\t{}\n",
                text(c, "/type"),
                text(c, "/status"),
                date(c, "/lastTransitionTime"),
                text(c, "/reason"),
                text(c, "/message")
            );
        }
    }
}

fn toleration(toleration: &Value) -> String {
    let [key, value, effect, operator] =
        ["/key", "/value", "/effect", "/operator"].map(|p| text(toleration, p));
    let mut line = key.to_owned();
    if !value.is_empty() {
        let _ = write!(line, "={value}");
    }
    if !effect.is_empty() {
        let _ = write!(line, ":{effect}");
    }
    if operator == "Exists" && value.is_empty() {
        line.push_str(if key.is_empty() && effect.is_empty() { "op=Exists" } else { " op=Exists" });
    }
    if has(toleration, "/tolerationSeconds") {
        let _ = write!(line, " for {}s", int(toleration, "/tolerationSeconds"));
    }
    line
}

/// The texts of a mapping, by key.
pub(super) fn pairs(map: Option<&Value>) -> Vec<(&str, &str)> {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    let mut pairs: Vec<(&str, &str)> =
        entries.map(|(k, v)| (k.as_str(), v.as_str().unwrap_or_default())).collect();
    pairs.sort_unstable();
    pairs
}

/// The first `most` bytes, and that there were more.
pub(super) fn shortened(line: &str, most: usize) -> String {
    if line.len() > most {
        let cut = (0..=most).rev().find(|i| line.is_char_boundary(*i)).unwrap_or(0);
        format!("{}...", &line[..cut])
    } else {
        line.to_owned()
    }
}

/// A time as RFC 1123 writes it; the beginning of the calendar where there is none.
pub(super) fn date(object: &Value, pointer: &str) -> String {
    match time(object, pointer) {
        Some(at) => rfc1123(at),
        None => "Mon, 01 Jan 0001 00:00:00 +0000".to_owned(),
    }
}

fn rfc1123(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S %z").to_string()
}

/// `<none>` for an empty text.
pub(super) fn or_none(text: &str) -> &str {
    if text.is_empty() { "<none>" } else { text }
}

/// A switch: False where it is not set.
pub(super) fn truth(object: &Value, pointer: &str) -> &'static str {
    if on(object, pointer) { "True" } else { "False" }
}

/// A switch that may be unset.
pub(super) fn truth_if_set(object: &Value, pointer: &str) -> &'static str {
    if has(object, pointer) { truth(object, pointer) } else { "<unset>" }
}

/// Whether a switch is on.
pub(super) fn on(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer) == Some(&Value::Bool(true))
}

/// A number or text as it stands, or `otherwise`.
pub(super) fn plain(object: &Value, pointer: &str, otherwise: &str) -> String {
    match object.pointer(pointer) {
        None | Some(Value::Null) => otherwise.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The texts of a list.
pub(super) fn texts<'v>(object: &'v Value, pointer: &str) -> Vec<&'v str> {
    items(object, pointer).iter().filter_map(Value::as_str).collect()
}

/// A list of texts as Go prints it: `[a b]`.
pub(super) fn bracketed(object: &Value, pointer: &str) -> String {
    format!("[{}]", texts(object, pointer).join(" "))
}

/// `Kind/name` of the object's controller.
pub(super) fn controller(object: &Value) -> Option<String> {
    let owners = items(object, "/metadata/ownerReferences");
    let owner = owners.iter().find(|o| on(o, "/controller"))?;
    Some(format!("{}/{}", text(owner, "/kind"), text(owner, "/name")))
}

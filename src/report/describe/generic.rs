//! Kinds without a describer of their own: every field, under a title made of its name.
//!
//! Follows `genericDescriber`, `printUnstructuredContent` and `smartLabelFor`.

use serde_json::Value;

use super::page::{Page, put};
use super::{Cluster, events};
use crate::api::go_value::plain;

/// Fields that stand at the head, or that nobody wants to see.
const SKIPPED: [&str; 5] = [
    ".metadata.managedFields",
    ".metadata.name",
    ".metadata.namespace",
    ".metadata.labels",
    ".metadata.annotations",
];

/// Documents are no deeper than this (`api::limits` bounds what is read).
const MAX_DEPTH: usize = 200;

/// Any object.
pub(super) fn object(page: &mut Page, object: &Value, cluster: &Cluster<'_>) {
    page.head(object);
    page.meta(object);
    fields(page, 0, object, "");
    events::describe(page, object, cluster);
}

fn fields(page: &mut Page, level: usize, content: &Value, path: &str) {
    let Some(map) = content.as_object() else { return };
    if level > MAX_DEPTH {
        put!(page, level, "…\n");
        return;
    }
    let mut names: Vec<&String> = map.keys().collect();
    names.sort();
    for name in names {
        let path = format!("{path}.{name}");
        if SKIPPED.contains(&path.as_str()) {
            continue;
        }
        let title = title(name);
        match &map[name] {
            value @ Value::Object(_) => {
                put!(page, level, "{title}:\n");
                fields(page, level + 1, value, &path);
            }
            Value::Array(items) => {
                put!(page, level, "{title}:\n");
                for item in items {
                    match item {
                        Value::Object(_) => fields(page, level + 1, item, &path),
                        other => put!(page, level + 1, "{}\n", plain(other)),
                    }
                }
            }
            other => put!(page, level, "{title}:\t{}\n", plain(other)),
        }
    }
}

/// `API Version` for `apiVersion`: the words of a name in camel case.
fn title(name: &str) -> String {
    if !name.chars().all(|c| c.is_alphabetic() || c == '-') {
        return name.to_owned();
    }
    let mut merged: Vec<String> = Vec::new();
    let mut words = words(name).into_iter().peekable();
    while let Some(mut word) = words.next() {
        let shouted = word.chars().count() >= 2
            && word.chars().all(|c| !c.is_alphabetic() || c.is_uppercase());
        if shouted
            && let Some(next) =
                words.next_if(|w| w.chars().next().is_some_and(|c| c.is_ascii_uppercase()))
        {
            word.push_str(&next);
        }
        merged.push(word);
    }
    let spoken = merged.into_iter().map(|word| {
        let upper = word.to_uppercase();
        if ["API", "URL", "UID", "GUID"].contains(&upper.as_str()) {
            return upper;
        }
        let mut chars = word.chars();
        match chars.next() {
            Some(first) if word.to_lowercase() == word => {
                first.to_uppercase().chain(chars).collect()
            }
            _ => word,
        }
    });
    spoken.collect::<Vec<_>>().join(" ")
}

/// The words of a name: runs of one case; a capital belongs to the small letters behind it
/// (`camelcase.Split`).
fn words(name: &str) -> Vec<String> {
    #[derive(PartialEq, Clone, Copy)]
    enum Class {
        Lower,
        Upper,
        Other,
    }
    let class = |c: char| match c {
        c if c.is_lowercase() => Class::Lower,
        c if c.is_uppercase() => Class::Upper,
        _ => Class::Other,
    };
    let mut runs: Vec<(Class, String)> = Vec::new();
    for c in name.chars() {
        match runs.last_mut() {
            Some((of, run)) if *of == class(c) => run.push(c),
            _ => runs.push((class(c), c.to_string())),
        }
    }
    for i in 1..runs.len() {
        if runs[i - 1].0 == Class::Upper
            && runs[i].0 == Class::Lower
            && let Some(capital) = runs[i - 1].1.pop()
        {
            runs[i].1.insert(0, capital);
        }
    }
    runs.into_iter().map(|(_, run)| run).filter(|run| !run.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_camel_case_become_titles() {
        for (name, expect) in [
            ("apiVersion", "API Version"),
            ("kind", "Kind"),
            ("creationTimestamp", "Creation Timestamp"),
            ("uid", "UID"),
            ("podCIDRs", "Pod CIDRs"),
            ("clusterIPs", "Cluster I Ps"),
            ("my.field", "my.field"),
            ("someURL", "Some URL"),
        ] {
            assert_eq!(title(name), expect, "{name}");
        }
    }
}

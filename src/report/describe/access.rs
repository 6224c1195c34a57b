//! Configuration and who may do what. Follows `describeSecret`, `ConfigMapDescriber`,
//! `describeServiceAccount`, `RoleDescriber`, `RoleBindingDescriber` and their like, and
//! `k8s.io/kubectl/pkg/util/rbac`.

use serde_json::Value;

use super::super::printers::cells::{items, text};
use super::page::{Page, pairs, put, texts};
use super::{Cluster, events};

/// How many bytes a base64 text stands for.
fn decoded_size(base64: &str) -> usize {
    let digits = base64.bytes().filter(|b| b.is_ascii_alphanumeric() || b"+/".contains(b)).count();
    digits * 6 / 8
}

/// A Secret: its values are not shown.
pub(super) fn secret(page: &mut Page, secret: &Value, _: &Cluster<'_>) {
    page.head(secret);
    page.meta(secret);
    put!(page, 0, "\nType:\t{}\n", text(secret, "/type"));
    put!(page, 0, "\nData\n====\n");
    for (key, value) in pairs(secret.pointer("/data")) {
        put!(page, 0, "{key}:\t{} bytes\n", decoded_size(value));
    }
}

/// A ConfigMap.
pub(super) fn config_map(page: &mut Page, map: &Value, cluster: &Cluster<'_>) {
    page.head(map);
    page.meta(map);
    put!(page, 0, "\nData\n====\n");
    for (key, value) in pairs(map.pointer("/data")) {
        put!(page, 0, "{key}:\n----\n{value}\n\n");
    }
    put!(page, 0, "\nBinaryData\n====\n");
    for (key, value) in pairs(map.pointer("/binaryData")) {
        put!(page, 0, "{key}: {} bytes\n", decoded_size(value));
    }
    put!(page, 0, "\n");
    events::describe(page, map, cluster);
}

/// A ServiceAccount.
pub(super) fn service_account(page: &mut Page, account: &Value, cluster: &Cluster<'_>) {
    page.head(account);
    page.meta(account);
    let secrets = items(account, "/imagePullSecrets");
    let mut title = "Image pull secrets:";
    if secrets.is_empty() {
        put!(page, 0, "{title}\t<none>\n");
    }
    for secret in secrets {
        put!(page, 0, "{title}\t{}\n", text(secret, "/name"));
        title = "                   ";
    }
    events::describe(page, account, cluster);
}

/// One resource, or one URL, and what may be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    group: Option<String>,
    resource: Option<String>,
    name: Option<String>,
    url: Option<String>,
    verbs: Vec<String>,
}

impl Rule {
    /// What the rule is about: rules alike in it differ by their verbs alone.
    fn subject(&self) -> (&Option<String>, &Option<String>, &Option<String>, &Option<String>) {
        (&self.group, &self.resource, &self.name, &self.url)
    }

    /// The text that upstream sorts rules by (`PolicyRule.String`).
    fn sort_key(&self) -> String {
        let list = |v: &Option<String>| format!("[{}]", v.as_deref().unwrap_or_default());
        format!(
            "&PolicyRule{{Verbs:[{}],APIGroups:{},Resources:{},ResourceNames:{},NonResourceURLs:{},}}",
            self.verbs.join(" "),
            list(&self.group),
            list(&self.resource),
            list(&self.name),
            list(&self.url)
        )
    }

    /// `deployments.apps/scale`.
    fn title(&self) -> String {
        let Some(resource) = &self.resource else { return String::new() };
        let (name, sub) =
            resource.split_once('/').map_or((resource.as_str(), None), |(n, s)| (n, Some(s)));
        let group = match self.group.as_deref().unwrap_or_default() {
            "" => String::new(),
            group => format!(".{group}"),
        };
        let sub = sub.map(|s| format!("/{s}")).unwrap_or_default();
        format!("{name}{group}{sub}")
    }
}

/// Rules taken apart and put together again by what they are about (`BreakdownRule`, `CompactRules`).
/// Rules about URLs stay apart, one for each verb.
fn compact(rules: &[Value]) -> Vec<Rule> {
    let mut compacted: Vec<Rule> = Vec::new();
    for rule in rules {
        for part in broken_down(rule) {
            let same =
                compacted.iter_mut().find(|r| r.url.is_none() && r.subject() == part.subject());
            match same {
                Some(rule) => rule.verbs.extend(
                    part.verbs.into_iter().filter(|v| !rule.verbs.contains(v)).collect::<Vec<_>>(),
                ),
                None => compacted.push(part),
            }
        }
    }
    compacted.sort_by_cached_key(Rule::sort_key);
    compacted
}

fn broken_down(rule: &Value) -> Vec<Rule> {
    let all = |field: &str| -> Vec<String> {
        texts(rule, field).into_iter().map(str::to_owned).collect()
    };
    let names: Vec<Option<String>> = match all("/resourceNames") {
        none if none.is_empty() => vec![None],
        names => names.into_iter().map(Some).collect(),
    };
    let mut parts = Vec::new();
    for group in all("/apiGroups") {
        for resource in all("/resources") {
            for verb in all("/verbs") {
                parts.extend(names.iter().map(|name| Rule {
                    group: Some(group.clone()),
                    resource: Some(resource.clone()),
                    name: name.clone(),
                    url: None,
                    verbs: vec![verb.clone()],
                }));
            }
        }
    }
    for url in all("/nonResourceURLs") {
        parts.extend(all("/verbs").into_iter().map(|verb| Rule {
            group: None,
            resource: None,
            name: None,
            url: Some(url.clone()),
            verbs: vec![verb],
        }));
    }
    parts
}

/// A Role or ClusterRole.
pub(super) fn role(page: &mut Page, role: &Value, _: &Cluster<'_>) {
    put!(page, 0, "Name:\t{}\n", text(role, "/metadata/name"));
    page.meta(role);
    put!(page, 0, "PolicyRule:\n");
    put!(page, 1, "Resources\tNon-Resource URLs\tResource Names\tVerbs\n");
    put!(page, 1, "---------\t-----------------\t--------------\t-----\n");
    for rule in compact(items(role, "/rules")) {
        let list = |v: &Option<String>| format!("[{}]", v.as_deref().unwrap_or_default());
        let (urls, names) = (list(&rule.url), list(&rule.name));
        put!(page, 1, "{}\t{urls}\t{names}\t[{}]\n", rule.title(), rule.verbs.join(" "));
    }
}

/// A RoleBinding or ClusterRoleBinding.
pub(super) fn binding(page: &mut Page, binding: &Value, _: &Cluster<'_>) {
    put!(page, 0, "Name:\t{}\n", text(binding, "/metadata/name"));
    page.meta(binding);
    put!(page, 0, "Role:\n");
    put!(page, 1, "Kind:\t{}\n", text(binding, "/roleRef/kind"));
    put!(page, 1, "Name:\t{}\n", text(binding, "/roleRef/name"));
    put!(page, 0, "Subjects:\n");
    put!(page, 1, "Kind\tName\tNamespace\n");
    put!(page, 1, "----\t----\t---------\n");
    for subject in items(binding, "/subjects") {
        let [kind, name, namespace] = ["/kind", "/name", "/namespace"].map(|p| text(subject, p));
        put!(page, 1, "{kind}\t{name}\t{namespace}\n");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_about_one_resource_are_told_together() {
        let rules = json!([
            {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
            {"nonResourceURLs": ["/healthz"], "verbs": ["get"]},
        ]);
        let told: Vec<String> = compact(rules.as_array().unwrap())
            .iter()
            .map(|r| format!("{} {}", r.title(), r.verbs.join(",")))
            .collect();
        assert_eq!(told, ["pods get,list,watch", "pods/log get,list", " get"]);
    }

    #[test]
    fn sizes_are_those_of_the_decoded_bytes() {
        for (text, size) in [("", 0), ("eA==", 1), ("eHk=", 2), ("eHl6", 3)] {
            assert_eq!(decoded_size(text), size, "{text}");
        }
    }
}

//! Validation of roles and their bindings. After `pkg/apis/rbac/validation/validation.go`.

use super::{At, Errors, meta};
use crate::api::names;

const GROUP: &str = "rbac.authorization.k8s.io";

/// `ValidateRole`, `ValidateRoleUpdate`.
pub(super) fn role(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::create(&new.get("metadata"), true, names::path_segment, errors);
    new.items("rules").for_each(|one| rule(&one, true, errors));
    if let Some(old) = old {
        meta::update(&new.get("metadata"), &old.get("metadata"), errors);
    }
}

/// `ValidateClusterRole`, `ValidateClusterRoleUpdate`.
pub(super) fn cluster_role(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::create(&new.get("metadata"), false, names::path_segment, errors);
    new.items("rules").for_each(|one| rule(&one, false, errors));
    let sum = new.get("aggregationRule");
    if sum.is_set() && sum.is_empty("clusterRoleSelectors") {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        errors.required(&sum.at("clusterRoleSelectors"), detail);
    }
    let any_value = old.is_some_and(|old| {
        let mut selectors = old.get("aggregationRule").items("clusterRoleSelectors");
        selectors.any(|selector| meta::has_bad_selector_value(&selector))
    });
    for selector in sum.items("clusterRoleSelectors") {
        meta::label_selector(&selector, any_value, errors);
    }
    if let Some(old) = old {
        meta::update(&new.get("metadata"), &old.get("metadata"), errors);
    }
}

/// `ValidatePolicyRule`.
fn rule(rule: &At<'_>, namespaced: bool, errors: &mut Errors) {
    if rule.is_empty("verbs") {
        errors.required(&rule.at("verbs"), "verbs must contain at least one value");
    }
    let urls = rule.get("nonResourceURLs");
    if !rule.is_empty("nonResourceURLs") {
        if namespaced {
            let detail = "namespaced rules cannot apply to non-resource URLs";
            errors.invalid(urls.path(), urls.value(), detail);
        }
        if ["apiGroups", "resources", "resourceNames"].iter().any(|list| !rule.is_empty(list)) {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            errors.invalid(urls.path(), urls.value(), detail);
        }
        return;
    }
    if rule.is_empty("apiGroups") {
        let detail = "resource rules must supply at least one api group";
        errors.required(&rule.at("apiGroups"), detail);
    }
    if rule.is_empty("resources") {
        let detail = "resource rules must supply at least one resource";
        errors.required(&rule.at("resources"), detail);
    }
}

/// `ValidateRoleBinding`, `ValidateRoleBindingUpdate`.
pub(super) fn role_binding(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    binding(new, old, true, &["Role", "ClusterRole"], errors);
}

/// `ValidateClusterRoleBinding`, `ValidateClusterRoleBindingUpdate`.
pub(super) fn cluster_role_binding(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    binding(new, old, false, &["ClusterRole"], errors);
}

fn binding(
    new: &At<'_>,
    old: Option<&At<'_>>,
    namespaced: bool,
    roles: &[&str],
    errors: &mut Errors,
) {
    meta::create(&new.get("metadata"), namespaced, names::path_segment, errors);
    let to = new.get("roleRef");
    errors.one_of(&to, "apiGroup", &[GROUP]);
    errors.one_of(&to, "kind", roles);
    match to.text("name") {
        "" => errors.required(&to.at("name"), ""),
        name => errors.invalid_for(&to.at("name"), name, names::path_segment(name, false)),
    }
    new.items("subjects").for_each(|one| subject(&one, namespaced, errors));
    let Some(old) = old else { return };
    meta::update(&new.get("metadata"), &old.get("metadata"), errors);
    if !old.get("roleRef").same(&to) {
        errors.invalid(to.path(), &to.encoded(), "cannot change roleRef");
    }
}

/// `ValidateRoleBindingSubject`.
fn subject(subject: &At<'_>, namespaced: bool, errors: &mut Errors) {
    let name = subject.text("name");
    errors.require_text(subject, "name");
    match subject.text("kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.invalid_for(&subject.at("name"), name, meta::subdomain(name, false));
            }
            errors.one_of(subject, "apiGroup", &[""]);
            if !namespaced {
                errors.require_text(subject, "namespace");
            }
        }
        "User" | "Group" => errors.one_of(subject, "apiGroup", &[GROUP]),
        kind => {
            let known = ["ServiceAccount", "User", "Group"];
            errors.not_supported(&subject.at("kind"), kind, &known);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::api::validate::tests::{of_change, of_new};

    #[test]
    fn a_rule_says_what_may_be_done_to_what() {
        assert_eq!(
            of_new("rbac/v1.Role", &json!({"rules": [{"resources": ["pods"]}]})),
            [
                "rules[0].verbs: Required value: verbs must contain at least one value",
                "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
            ]
        );
        let urls = json!({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]});
        assert!(of_new("rbac/v1.ClusterRole", &urls).is_empty());
        assert_eq!(
            of_new("rbac/v1.Role", &urls),
            [
                "rules[0].nonResourceURLs: Invalid value: [\"/healthz\"]: namespaced rules cannot apply to non-resource URLs"
            ]
        );
    }

    #[test]
    fn role_names_may_hold_colons() {
        let named =
            |name: &str| json!({"metadata": {"name": name, "namespace": "default"}, "rules": []});
        assert!(of_new("rbac/v1.Role", &named("system:leader")).is_empty());
        assert_eq!(
            of_new("rbac/v1.Role", &named("a/b")),
            ["metadata.name: Invalid value: \"a/b\": may not contain '/'"]
        );
    }

    fn binding(role: &str, subject: &Value) -> Value {
        let to = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": "r"});
        json!({"roleRef": to, "subjects": [subject]})
    }

    #[test]
    fn a_binding_names_a_role_and_subjects_of_known_kinds() {
        let account = json!({"kind": "ServiceAccount", "name": "default"});
        assert!(of_new("rbac/v1.RoleBinding", &binding("Role", &account)).is_empty());
        assert_eq!(
            of_new("rbac/v1.ClusterRoleBinding", &binding("Role", &account)),
            [
                "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"",
                "subjects[0].namespace: Required value",
            ]
        );
        let user = json!({"kind": "User", "name": "ann"});
        assert_eq!(
            of_new("rbac/v1.RoleBinding", &binding("Role", &user)),
            [
                "subjects[0].apiGroup: Unsupported value: \"\": supported values: \"rbac.authorization.k8s.io\""
            ]
        );
    }

    #[test]
    fn a_binding_stays_with_its_role() {
        let account = json!({"kind": "ServiceAccount", "name": "default"});
        let [old, new] = ["Role", "ClusterRole"].map(|kind| binding(kind, &account));
        assert_eq!(
            of_change("rbac/v1.RoleBinding", &old, &new),
            [
                "roleRef: Invalid value: {\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"r\"}: cannot change roleRef"
            ]
        );
    }
}

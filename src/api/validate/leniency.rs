//! What an update may keep because the old object already has it.
//! After `pkg/api/pod/util.go` (`GetValidationOptionsFromPodSpecAndMeta`).

use super::pod::{Leniency, is_deletion_cost};
use super::{At, Errors, all_containers, meta, paths, resources, scheduling, security};

impl Leniency {
    /// What the old pod allows; for a new one, nothing.
    pub(super) fn of_pod(old: Option<&At<'_>>) -> Self {
        let Some(old) = old else { return Self::default() };
        let spec = old.get("spec");
        let cost =
            old.get("metadata").raw("annotations")["controller.kubernetes.io/pod-deletion-cost"]
                .as_str()
                .is_some_and(|cost| !is_deletion_cost(cost));
        Self {
            is_pod: false,
            any_deletion_cost: cost,
            any_huge_pages: has_indivisible_huge_pages(&spec),
            any_label_value: has_bad_affinity_selector(&spec),
            any_node_label_value: has_bad_node_affinity_value(&spec),
            any_spread_selector: has_bad_spread_selector(&spec),
            any_spread_label_keys: scheduling::has_bad_spread_keys(&spec),
            any_token_path: has_bad_token_path(&spec),
            any_sysctl: has_host_sysctl(&spec),
            any_selinux_policy: spec.get("securityContext").has("seLinuxChangePolicy"),
            any_init_resize: spec.items("initContainers").any(|c| {
                c.text("restartPolicy") != "Always"
                    && c.items("resizePolicy")
                        .any(|p| p.text("restartPolicy") == "RestartContainer")
            }),
            any_block_device: spec.opt_flag("hostUsers") == Some(false)
                && all_containers(&spec).any(|c| !c.is_empty("volumeDevices")),
        }
    }
}

fn has_indivisible_huge_pages(spec: &At<'_>) -> bool {
    let bad = |of: &At<'_>, name: &str| {
        of.entries(name).iter().any(|(resource, amount)| {
            resources::is_huge_pages(resource)
                && !resources::is_divisible(resource, &resources::quantity(amount))
        })
    };
    bad(spec, "overhead")
        || all_containers(spec).any(|container| {
            let needs = container.get("resources");
            bad(&needs, "limits") || bad(&needs, "requests")
        })
}

fn has_bad_affinity_selector(spec: &At<'_>) -> bool {
    let mut errors = Errors::default();
    for kind in ["podAffinity", "podAntiAffinity"] {
        let affinity = spec.get("affinity").get(kind);
        let required = affinity.items(scheduling::REQUIRED);
        let preferred = affinity.items(scheduling::PREFERRED).map(|p| p.get("podAffinityTerm"));
        for term in required.chain(preferred) {
            meta::label_selector(&term.get("labelSelector"), false, &mut errors);
            meta::label_selector(&term.get("namespaceSelector"), false, &mut errors);
        }
    }
    !errors.is_empty()
}

fn has_bad_node_affinity_value(spec: &At<'_>) -> bool {
    let required = spec.get("affinity").get("nodeAffinity").get(scheduling::REQUIRED);
    scheduling::has_bad_label_value(&required)
}

fn has_bad_spread_selector(spec: &At<'_>) -> bool {
    let mut errors = Errors::default();
    for constraint in spec.items("topologySpreadConstraints") {
        meta::label_selector(&constraint.get("labelSelector"), false, &mut errors);
    }
    !errors.is_empty()
}

fn has_bad_token_path(spec: &At<'_>) -> bool {
    let mut errors = Errors::default();
    for source in spec.items("volumes").flat_map(|v| v.get("projected").items("sources")) {
        let token = source.get("serviceAccountToken");
        if token.is_set() {
            paths::not_reserved(token.text("path"), token.path(), &mut errors);
        }
    }
    !errors.is_empty()
}

fn has_host_sysctl(spec: &At<'_>) -> bool {
    let context = spec.get("securityContext");
    context.items("sysctls").any(|s| security::host_sysctl(spec, s.text("name")).is_some())
}

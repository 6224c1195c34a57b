//! Arguments of plugins: their defaults, their rules, and what they come to.
//!
//! Follows `pkg/scheduler/apis/config/v1/defaults.go` and
//! `pkg/scheduler/apis/config/validation/validation_pluginargs.go`. As upstream, the rules of
//! NodeResourcesFit are registered under a name that no plugin has (`NodeResourcesFitArgs`), so that
//! its arguments are judged when the plugin is made, in the same words.

use serde_json::{Value, json};

use super::struct_of;
use crate::api::names;
use crate::api::schema::{self, Struct};
use crate::api::validate::{At, Errors, Path};
use crate::base::Str;
use crate::model::wire;
use crate::scheduler::compile::Spread;
use crate::scheduler::config::{
    AddedAffinity, Args, FitArgs, InterPodAffinityArgs, PreemptionArgs, ResourceWeight, ShapePoint,
    SpreadArgs, Strategy,
};
use crate::scheduler::terms::NodeTerm;

/// Plugins with arguments.
const WITH_ARGS: [&str; 8] = [
    "DefaultPreemption",
    "DynamicResources",
    "InterPodAffinity",
    "NodeAffinity",
    "NodeResourcesBalancedAllocation",
    "NodeResourcesFit",
    "PodTopologySpread",
    "VolumeBinding",
];

/// The highest score of a point of a shape (`MaxCustomPriorityScore`).
const SHAPE_MAX: i64 = 10;

/// The type of a plugin's arguments, if it has any.
pub(super) fn type_of(plugin: &str) -> Option<&'static Struct> {
    WITH_ARGS.contains(&plugin).then(|| struct_of(&format!("{plugin}Args")))
}

/// Sets what is left out, of the file as a whole and of all arguments.
pub(super) fn set_defaults(config: &mut Value) {
    let absent = |value: &Value, key: &str| value.get(key).is_none_or(Value::is_null);
    for (key, value) in [
        ("parallelism", 16),
        ("percentageOfNodesToScore", 0),
        ("podInitialBackoffSeconds", 1),
        ("podMaxBackoffSeconds", 10),
    ] {
        if absent(config, key) {
            config[key] = json!(value);
        }
    }
    if config["profiles"].as_array().is_none_or(Vec::is_empty) {
        config["profiles"] = json!([{}]);
    }
    let Some(profiles) = config["profiles"].as_array_mut() else { return };
    if let [only] = &mut profiles[..]
        && absent(only, "schedulerName")
    {
        only["schedulerName"] = json!("default-scheduler");
    }
    for profile in profiles {
        for entry in profile["pluginConfig"].as_array_mut().into_iter().flatten() {
            let name = entry["name"].as_str().unwrap_or_default().to_owned();
            let Some(of) = type_of(&name) else { continue };
            let written = if entry["args"].is_null() { json!({}) } else { entry["args"].clone() };
            let mut args = schema::decode(of, &written).map(|d| d.value).unwrap_or_default();
            defaults_of(&name, &mut args);
            entry["args"] = args;
        }
    }
}

fn defaults_of(plugin: &str, args: &mut Value) {
    let mut set = |key: &str, value: Value| {
        if args.get(key).is_none_or(Value::is_null) {
            args[key] = value;
        }
    };
    let both = || json!([{"name": "cpu", "weight": 1}, {"name": "memory", "weight": 1}]);
    match plugin {
        "DefaultPreemption" => {
            set("minCandidateNodesPercentage", json!(10));
            set("minCandidateNodesAbsolute", json!(100));
        }
        "InterPodAffinity" => set("hardPodAffinityWeight", json!(1)),
        "PodTopologySpread" => set("defaultingType", json!("System")),
        "VolumeBinding" => set("bindTimeoutSeconds", json!(600)),
        "NodeResourcesBalancedAllocation" => weigh(args, "resources", both()),
        "NodeResourcesFit" => {
            set("scoringStrategy", json!({"type": "LeastAllocated"}));
            weigh(&mut args["scoringStrategy"], "resources", both());
        }
        _ => {}
    }
}

fn weigh(of: &mut Value, key: &str, default: Value) {
    if of[key].as_array().is_none_or(Vec::is_empty) {
        of[key] = default;
    }
    for resource in of[key].as_array_mut().into_iter().flatten() {
        if resource["weight"].as_i64().unwrap_or(0) == 0 {
            resource["weight"] = json!(1);
        }
    }
}

/// Every entry of `pluginConfig` whose plugin has arguments, with them.
fn each<'a>(profile: &At<'a>) -> impl Iterator<Item = (&'a str, At<'a>)> + use<'a> {
    profile.items("pluginConfig").filter_map(|entry| {
        let name = entry.text("name");
        let path = entry.at("args");
        Some((name, At::new(type_of(name)?, entry.raw("args")).with_path(path)))
    })
}

/// Judges the arguments of a profile.
pub(super) fn validate(profile: &At<'_>, errors: &mut Errors) {
    for (name, args) in each(profile) {
        match name {
            "DefaultPreemption" => preemption(&args, errors),
            "InterPodAffinity" => {
                let weight = args.int("hardPodAffinityWeight");
                if !(0..=100).contains(&weight) {
                    let at = args.at("hardPodAffinityWeight");
                    errors.invalid(&at, weight, "not in valid range [0, 100]");
                }
            }
            "NodeAffinity" => added_affinity(&args, errors),
            "NodeResourcesBalancedAllocation" => balanced(&args, errors),
            "NodeResourcesFit" => fit(&args, errors),
            "PodTopologySpread" => spread(&args, errors),
            "VolumeBinding" => {
                let timeout = args.int("bindTimeoutSeconds");
                if timeout < 0 {
                    let text = "invalid BindTimeoutSeconds, should not be a negative value";
                    errors.invalid(&args.at("bindTimeoutSeconds"), timeout, text);
                }
                if args.has("shape") {
                    let text = "unexpected field `shape`, remove it or turn on the feature gate \
                        StorageCapacityScoring";
                    errors.invalid(&args.at("shape"), args.raw("shape"), text);
                }
            }
            _ => {}
        }
    }
}

fn preemption(args: &At<'_>, errors: &mut Errors) {
    let (share, least) =
        (args.int("minCandidateNodesPercentage"), args.int("minCandidateNodesAbsolute"));
    let (share_at, least_at) =
        (args.at("minCandidateNodesPercentage"), args.at("minCandidateNodesAbsolute"));
    if !(0..=100).contains(&share) {
        errors.invalid(&share_at, share, "not in valid range [0, 100]");
    }
    if least < 0 {
        errors.invalid(&least_at, least, "not in valid range [0, inf)");
    }
    if share == 0 && least == 0 {
        let same_time = "cannot be zero at the same time as";
        errors.invalid(&share_at, share, format!("{same_time} minCandidateNodesAbsolute"));
        errors.invalid(&least_at, least, format!("{same_time} minCandidateNodesPercentage"));
    }
}

fn balanced(args: &At<'_>, errors: &mut Errors) {
    let mut seen = Vec::new();
    for resource in args.items("resources") {
        let name = resource.text("name");
        if seen.contains(&name) {
            errors.duplicate(&resource.at("name"), name);
        }
        seen.push(name);
        if resource.int("weight") != 1 {
            errors.invalid(&resource.at("weight"), resource.int("weight"), "must be 1");
        }
    }
}

fn fit(args: &At<'_>, errors: &mut Errors) {
    for (i, name) in args.texts("ignoredResources").enumerate() {
        let at = args.at("ignoredResources").index(i);
        errors.invalid_for(&at, name, names::qualified_name(name));
    }
    for (i, group) in args.texts("ignoredResourceGroups").enumerate() {
        let at = args.at("ignoredResourceGroups").index(i);
        if group.contains('/') {
            errors.invalid(&at, group, "resource group name can't contain '/'");
        }
        errors.invalid_for(&at, group, names::qualified_name(group));
    }
    let strategy = args.get("scoringStrategy");
    let kinds = ["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"];
    let kind = strategy.text("type");
    if !kinds.contains(&kind) {
        errors.not_supported(&strategy.at("type"), kind, &kinds);
    }
    for resource in strategy.items("resources") {
        let weight = resource.int("weight");
        if !(1..=100).contains(&weight) {
            let name = resource.text("name");
            let text = format!("resource weight of {name} not in valid range (0, 100]");
            errors.invalid(&resource.at("weight"), weight, text);
        }
    }
    let ratio = strategy.get("requestedToCapacityRatio");
    match (kind == "RequestedToCapacityRatio", ratio.is_set()) {
        (true, false) => {
            errors.required(ratio.path(), "must be specified when type is RequestedToCapacityRatio")
        }
        (true, true) => shape(&ratio, errors),
        (false, true) => {
            errors.forbidden(ratio.path(), "must be nil when type is not RequestedToCapacityRatio")
        }
        (false, false) => {}
    }
}

/// As `validateFunctionShape`.
fn shape(ratio: &At<'_>, errors: &mut Errors) {
    if ratio.is_empty("shape") {
        return errors.required(&ratio.at("shape"), "at least one point must be specified");
    }
    let points: Vec<At<'_>> = ratio.items("shape").collect();
    let falls = |p: &&[At<'_>]| p[0].int("utilization") >= p[1].int("utilization");
    if let Some(pair) = points.windows(2).find(falls) {
        let text = "values must be sorted in increasing order";
        errors.invalid(&pair[1].at("utilization"), pair[1].int("utilization"), text);
    }
    for point in &points {
        for (field, most) in [("utilization", 100), ("score", SHAPE_MAX)] {
            let value = point.int(field);
            if !(0..=most).contains(&value) {
                let text = format!("not in valid range [0, {most}]");
                errors.invalid(&point.at(field), value, text);
            }
        }
    }
}

fn spread(args: &At<'_>, errors: &mut Errors) {
    let kind = args.text("defaultingType");
    if !["System", "List"].contains(&kind) {
        errors.not_supported(&args.at("defaultingType"), kind, &["System", "List"]);
    } else if kind == "System" && !args.is_empty("defaultConstraints") {
        let text = "when .defaultConstraints are not empty";
        errors.invalid(&args.at("defaultingType"), kind, text);
    }
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for c in args.items("defaultConstraints") {
        let (skew, key, otherwise) =
            (c.int("maxSkew"), c.text("topologyKey"), c.text("whenUnsatisfiable"));
        if skew <= 0 {
            errors.invalid(&c.at("maxSkew"), skew, "not in valid range (0, inf)");
        }
        if key.is_empty() {
            errors.required(&c.at("topologyKey"), "can not be empty");
        } else {
            errors.invalid_for(&c.at("topologyKey"), key, names::qualified_name(key));
        }
        let kinds = ["DoNotSchedule", "ScheduleAnyway"];
        if otherwise.is_empty() {
            errors.required(&c.at("whenUnsatisfiable"), "can not be empty");
        } else if !kinds.contains(&otherwise) {
            errors.not_supported(&c.at("whenUnsatisfiable"), otherwise, &kinds);
        }
        if c.has("labelSelector") {
            let text = "constraint must not define a selector, as they deduced for each pod";
            errors.forbidden(&c.at("labelSelector"), text);
        }
        if seen.contains(&(key, otherwise)) {
            errors.duplicate(c.path(), format!("{{{key}, {otherwise}}}"));
        }
        seen.push((key, otherwise));
    }
}

fn added_affinity(args: &At<'_>, errors: &mut Errors) {
    let Some(affinity) = affinity_of(args) else { return };
    let base = args.at("addedAffinity");
    let mut judge = |term: &wire::core::NodeSelectorTerm, at: &Path| {
        for text in NodeTerm::compile(term, &at.to_string()).map(|t| t.errors).unwrap_or_default() {
            let (field, rest) = text.split_once(": Invalid value").unwrap_or((&text, ""));
            let value = rest.strip_prefix(": ").unwrap_or(rest);
            errors.invalid_shown(&Path::new(field), value.to_owned(), "");
        }
    };
    if let Some(required) = &affinity.required_during_scheduling_ignored_during_execution {
        let at = base.child("requiredDuringSchedulingIgnoredDuringExecution");
        for (i, term) in required.node_selector_terms.iter().enumerate() {
            judge(term, &at.child("nodeSelectorTerms").index(i));
        }
    }
    let preferred = affinity.preferred_during_scheduling_ignored_during_execution;
    let at = base.child("preferredDuringSchedulingIgnoredDuringExecution");
    for (i, term) in preferred.iter().flatten().enumerate() {
        judge(&term.preference, &at.index(i));
    }
}

fn affinity_of(args: &At<'_>) -> Option<wire::core::NodeAffinity> {
    serde_json::from_value(args.raw("addedAffinity").clone()).ok()
}

/// The arguments of a profile, ready to use.
pub(super) fn compile(profile: &At<'_>) -> Args {
    let mut out = Args::default();
    for (name, args) in each(profile) {
        let narrow = |key: &str| i32::try_from(args.int(key)).unwrap_or(0);
        match name {
            "DefaultPreemption" => {
                out.preemption = PreemptionArgs {
                    min_candidates_percentage: narrow("minCandidateNodesPercentage"),
                    min_candidates: narrow("minCandidateNodesAbsolute"),
                };
            }
            "InterPodAffinity" => {
                out.inter_pod_affinity = InterPodAffinityArgs {
                    hard_weight: args.int("hardPodAffinityWeight"),
                    ignore_preferred_of_existing: args.flag("ignorePreferredTermsOfExistingPods"),
                };
            }
            "NodeAffinity" => {
                if let Some(affinity) = affinity_of(&args) {
                    out.added_affinity = AddedAffinity::compile(&affinity);
                }
            }
            "NodeResourcesBalancedAllocation" => out.balanced = resources(&args),
            "NodeResourcesFit" => out.fit = compile_fit(&args),
            "PodTopologySpread" if args.text("defaultingType") == "List" => {
                let defaults = args.items("defaultConstraints").filter_map(|c| {
                    serde_json::from_value(c.value().clone()).ok().map(|c| Spread::compile(&c))
                });
                out.spread = SpreadArgs { defaults: defaults.collect(), system: false };
            }
            _ => {}
        }
    }
    out
}

fn resources(of: &At<'_>) -> Vec<ResourceWeight> {
    let one = |r: At<'_>| ResourceWeight { name: r.text("name").into(), weight: r.int("weight") };
    of.items("resources").map(one).collect()
}

fn compile_fit(args: &At<'_>) -> FitArgs {
    let strategy = args.get("scoringStrategy");
    let point = |p: At<'_>| ShapePoint {
        utilization: p.int("utilization"),
        score: p.int("score") * (crate::scheduler::plugins::MAX_SCORE / SHAPE_MAX),
    };
    let texts = |key: &str| args.texts(key).map(Str::from).collect();
    FitArgs {
        strategy: match strategy.text("type") {
            "MostAllocated" => Strategy::MostAllocated,
            "RequestedToCapacityRatio" => {
                let ratio = strategy.get("requestedToCapacityRatio");
                Strategy::RequestedToCapacityRatio(ratio.items("shape").map(point).collect())
            }
            _ => Strategy::LeastAllocated,
        },
        resources: resources(&strategy),
        ignored: texts("ignoredResources"),
        ignored_groups: texts("ignoredResourceGroups"),
    }
}

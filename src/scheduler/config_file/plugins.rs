//! Which plugins run in which step: the defaults, what a profile changes of them, and what comes of it.
//!
//! Follows `mergePlugins` in `pkg/scheduler/apis/config/v1/default_plugins.go` and, for the expansion
//! of `multiPoint`, `updatePluginList`, `expandMultiPointPlugins` and `getValidScoreWeights` in
//! `pkg/scheduler/framework/runtime/framework.go`.

use serde_json::{Value, json};

use crate::api::validate::{At, Errors, quote};
use crate::scheduler::config::Profile;
use crate::scheduler::plugins::PluginId;

/// The steps in the order in which the framework fills them: the field's name, the Go interface.
const STEPS: [(&str, &str); 14] = [
    ("preFilter", "PreFilterPlugin"),
    ("filter", "FilterPlugin"),
    ("postFilter", "PostFilterPlugin"),
    ("reserve", "ReservePlugin"),
    ("preScore", "PreScorePlugin"),
    ("score", "ScorePlugin"),
    ("preBind", "PreBindPlugin"),
    ("bind", "BindPlugin"),
    ("postBind", "PostBindPlugin"),
    ("permit", "PermitPlugin"),
    ("preEnqueue", "PreEnqueuePlugin"),
    ("queueSort", "QueueSortPlugin"),
    ("placementGenerate", "PlacementGeneratePlugin"),
    ("placementScore", "PlacementScorePlugin"),
];

/// The default plugins in order, with the weight of those that score.
const DEFAULTS: [(&str, Option<i64>); 20] = [
    ("SchedulingGates", None),
    ("PrioritySort", None),
    ("NodeUnschedulable", None),
    ("NodeName", None),
    ("TaintToleration", Some(3)),
    ("NodeAffinity", Some(2)),
    ("NodePorts", None),
    ("NodeResourcesFit", Some(1)),
    ("VolumeRestrictions", None),
    ("NodeVolumeLimits", None),
    ("VolumeBinding", None),
    ("VolumeZone", None),
    ("PodTopologySpread", Some(2)),
    ("InterPodAffinity", Some(2)),
    ("DynamicResources", Some(2)),
    ("DefaultPreemption", None),
    ("NodeResourcesBalancedAllocation", Some(1)),
    ("ImageLocality", Some(1)),
    ("DefaultBinder", None),
    ("NodeDeclaredFeatures", None),
];

/// Plugins that v1 of the file no longer has.
const REMOVED: [&str; 4] = ["AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits"];

/// Names of all plugins.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PluginId::ALL.iter().map(|p| p.as_str())
}

/// The steps that a plugin takes part in.
fn steps_of(plugin: PluginId) -> &'static [&'static str] {
    use PluginId as P;
    match plugin {
        P::SchedulingGates => &["preEnqueue"],
        P::PrioritySort => &["queueSort"],
        P::NodeUnschedulable | P::NodeName => &["filter"],
        P::TaintToleration => &["filter", "preScore", "score"],
        P::NodeAffinity | P::NodeResourcesFit | P::PodTopologySpread | P::InterPodAffinity => {
            &["preFilter", "filter", "preScore", "score"]
        }
        P::NodePorts
        | P::VolumeRestrictions
        | P::NodeVolumeLimits
        | P::VolumeZone
        | P::NodeDeclaredFeatures => &["preFilter", "filter"],
        P::VolumeBinding => &["preFilter", "filter", "reserve", "preBind", "preScore", "score"],
        P::DynamicResources => {
            &["preEnqueue", "preFilter", "filter", "postFilter", "score", "reserve", "preBind"]
        }
        P::DefaultPreemption => &["preEnqueue", "postFilter"],
        P::NodeResourcesBalancedAllocation => &["preScore", "score"],
        P::ImageLocality => &["score"],
        P::DefaultBinder => &["bind"],
    }
}

/// Merges the profile's plugins with the default ones, in every profile.
pub(super) fn set_defaults(config: &mut Value) {
    for profile in config["profiles"].as_array_mut().into_iter().flatten() {
        let defaults: Vec<Value> = DEFAULTS
            .iter()
            .map(|(name, weight)| match weight {
                Some(weight) => json!({"name": name, "weight": weight}),
                None => json!({"name": name}),
            })
            .collect();
        let merged = merge(&defaults, &profile["plugins"]["multiPoint"]);
        profile["plugins"]["multiPoint"] = merged;
    }
}

fn disabled(set: &Value) -> Vec<&str> {
    set["disabled"].as_array().into_iter().flatten().filter_map(|p| p["name"].as_str()).collect()
}

/// As `mergePluginSet`.
fn merge(defaults: &[Value], custom: &Value) -> Value {
    let off = disabled(custom);
    let own: Vec<&Value> = custom["enabled"].as_array().into_iter().flatten().collect();
    let mut replaced = vec![false; own.len()];
    let mut enabled = Vec::new();
    if !off.contains(&"*") {
        for default in defaults {
            if off.iter().any(|name| default["name"] == *name) {
                continue;
            }
            match own.iter().rposition(|p| p["name"] == default["name"]) {
                Some(i) => {
                    replaced[i] = true;
                    enabled.push(own[i].clone());
                }
                None => enabled.push(default.clone()),
            }
        }
    }
    let rest = own.iter().zip(&replaced).filter(|(_, r)| !**r).map(|(p, _)| (*p).clone());
    enabled.extend(rest);
    json!({"enabled": enabled, "disabled": custom["disabled"]})
}

/// As the parts of `validatePluginConfig` and `validateCommonQueueSort` about plugins.
pub(super) fn validate(profile: &At<'_>, errors: &mut Errors) {
    let plugins = profile.get("plugins");
    for (step, _) in STEPS.iter().filter(|(step, _)| !step.starts_with("placement")) {
        let set = plugins.get(step);
        for (i, name) in enabled(&set).into_iter().enumerate() {
            if REMOVED.contains(&name.as_str()) {
                let at = set.at("enabled").index(i);
                errors.invalid(&at, name.as_str(), removed());
            }
        }
    }
    let sorts = enabled(&plugins.get("queueSort")).len();
    if sorts > 1 {
        let at = profile.at("plugins").child("queueSort").child("Enabled");
        let sorts = i64::try_from(sorts).unwrap_or(i64::MAX);
        errors.invalid(&at, sorts, "only one queue sort plugin can be enabled");
    }
    for (i, entry) in profile.items("pluginConfig").enumerate() {
        let at = profile.at("pluginConfig").index(i);
        let name = entry.text("name");
        let before = profile.items("pluginConfig").take(i);
        if before.into_iter().any(|e| e.text("name") == name) {
            errors.duplicate(&at, name);
        }
        if REMOVED.contains(&name) {
            errors.invalid(&at, name, removed());
        }
    }
}

fn removed() -> &'static str {
    "was invalid in version \"kubescheduler.config.k8s.io/v1\" (KubeSchedulerConfiguration is version \
     \"kubescheduler.config.k8s.io/v1\")"
}

fn enabled(set: &At<'_>) -> Vec<String> {
    set.items("enabled").map(|p| p.text("name").to_owned()).collect()
}

/// A profile's plugins, ready to run.
pub(super) struct Built {
    /// The profile, without name and arguments.
    pub(super) profile: Profile,
    /// What has no effect here: where, and why.
    pub(super) warnings: Vec<(String, String)>,
}

/// Why a profile cannot be built.
pub(super) struct Wrong {
    /// The scheduler's words.
    pub(super) text: String,
    /// Where it is written.
    pub(super) path: String,
    /// The name that no plugin has.
    pub(super) unknown: Option<String>,
}

/// Fills the steps of a profile.
pub(super) fn expand(profile: &At<'_>) -> Result<Built, Wrong> {
    let plugins = profile.get("plugins");
    for (step, interface) in STEPS {
        check_list(&plugins.get(step), step, interface)?;
    }
    let multi = plugins.get("multiPoint");
    let mut steps: Vec<Vec<PluginId>> = Vec::new();
    for (step, interface) in STEPS {
        steps.push(expand_step(&plugins.get(step), &multi, step, interface)?);
    }
    let of = |step: &str| {
        let i = STEPS.iter().position(|(s, _)| *s == step).expect("it is one of the steps");
        steps[i].clone()
    };
    let name = profile.text("schedulerName");
    let at = profile.path().to_string();
    let wrong = |text: String, path: String| Wrong { text, path, unknown: None };
    if of("queueSort").len() != 1 {
        let n = of("queueSort").len();
        let text = format!(
            "only one queue sort plugin required for profile with scheduler name {}, but got {n}",
            quote(name)
        );
        return Err(wrong(text, format!("{at}.plugins")));
    }
    if of("bind").is_empty() {
        let text = format!(
            "at least one bind plugin is needed for profile with scheduler name {}",
            quote(name)
        );
        return Err(wrong(text, format!("{at}.plugins")));
    }
    let weights = weights(&plugins, &multi).ok_or_else(|| {
        let text = "score plugins: total score of Score plugins could overflow".to_owned();
        wrong(text, format!("{at}.plugins"))
    })?;
    let weight = |p: PluginId| weights.iter().find(|(q, _)| *q == p).map_or(1, |(_, w)| *w);
    let warnings = half_plugins(&plugins, &of);
    Ok(Built {
        profile: Profile {
            pre_enqueue: of("preEnqueue"),
            pre_filter: of("preFilter"),
            filter: of("filter"),
            post_filter: of("postFilter"),
            score: of("score").into_iter().map(|p| (p, weight(p))).collect(),
            ..Profile::default()
        },
        warnings,
    })
}

/// Plugins of which a part is switched off that belongs to another part: it runs all the same.
fn half_plugins(plugins: &At<'_>, of: &dyn Fn(&str) -> Vec<PluginId>) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (before, step) in [("preScore", "score"), ("preFilter", "filter")] {
        let prepared = of(before);
        for plugin in of(step) {
            if steps_of(plugin).contains(&before) && !prepared.contains(&plugin) {
                let name = plugin.as_str();
                let text = format!(
                    "{name} is enabled for {step} and not for {before}: what it would prepare there is \
                     left out, in whatever way that ends"
                );
                out.push((plugins.at(before).to_string(), text));
            }
        }
    }
    for step in ["reserve", "preBind"] {
        if !of(step).contains(&PluginId::VolumeBinding)
            && of("filter").contains(&PluginId::VolumeBinding)
        {
            let text = format!("VolumeBinding takes part in {step} all the same");
            out.push((plugins.at(step).to_string(), text));
        }
    }
    out
}

/// As `updatePluginList`.
fn check_list(set: &At<'_>, step: &str, interface: &str) -> Result<(), Wrong> {
    let mut seen = Vec::new();
    for (i, name) in enabled(set).into_iter().enumerate() {
        let path = format!("{}[{i}].name", set.at("enabled"));
        let plugin = find(&name, interface, &path)?;
        if !steps_of(plugin).contains(&step) {
            let text = format!("plugin {} does not extend {interface} plugin", quote(&name));
            return Err(Wrong { text, path, unknown: None });
        }
        if seen.contains(&plugin) {
            let text =
                format!("plugin {} already registered as {}", quote(&name), quote(interface));
            return Err(Wrong { text, path, unknown: None });
        }
        seen.push(plugin);
    }
    Ok(())
}

fn find(name: &str, interface: &str, path: &str) -> Result<PluginId, Wrong> {
    PluginId::from_name(name).ok_or_else(|| Wrong {
        text: format!("{interface} {} does not exist", quote(name)),
        path: path.to_owned(),
        unknown: Some(name.to_owned()),
    })
}

/// As `expandMultiPointPlugins`, for one step.
fn expand_step(
    set: &At<'_>,
    multi: &At<'_>,
    step: &str,
    interface: &str,
) -> Result<Vec<PluginId>, Wrong> {
    let own: Vec<PluginId> =
        enabled(set).iter().filter_map(|name| PluginId::from_name(name)).collect();
    let off: Vec<&str> = set.items("disabled").map(|p| p.text("name")).collect();
    if off.contains(&"*") || multi.is_empty("enabled") {
        return Ok(own);
    }
    let (mut from_multi, mut overrides) = (Vec::new(), Vec::new());
    for (i, name) in enabled(multi).into_iter().enumerate() {
        let path = format!("{}[{i}].name", multi.at("enabled"));
        let plugin = find(&name, interface, &path)?;
        if !steps_of(plugin).contains(&step) || off.contains(&name.as_str()) {
            continue;
        }
        if own.contains(&plugin) {
            overrides.push(plugin);
        } else if from_multi.contains(&plugin) {
            let text =
                format!("plugin {} already registered as {}", quote(&name), quote(interface));
            return Err(Wrong { text, path, unknown: None });
        } else {
            from_multi.push(plugin);
        }
    }
    let mut out: Vec<PluginId> = own.iter().copied().filter(|p| overrides.contains(p)).collect();
    out.extend(&from_multi);
    out.extend(own.iter().filter(|p| !overrides.contains(p)));
    Ok(out)
}

/// The weights of plugins that score, those of the score step first; `None` where their sum could not
/// be held.
fn weights(plugins: &At<'_>, multi: &At<'_>) -> Option<Vec<(PluginId, i64)>> {
    let mut out: Vec<(PluginId, i64)> = Vec::new();
    let mut total: i64 = 0;
    let score = plugins.get("score");
    for entry in score.items("enabled").chain(multi.items("enabled")) {
        let Some(plugin) = PluginId::from_name(entry.text("name")) else { continue };
        if !steps_of(plugin).contains(&"score") || out.iter().any(|(p, _)| *p == plugin) {
            continue;
        }
        let weight = match entry.int("weight") {
            0 => 1,
            weight => weight,
        };
        total = total.checked_add(weight.checked_mul(crate::scheduler::plugins::MAX_SCORE)?)?;
        out.push((plugin, weight));
    }
    Some(out)
}

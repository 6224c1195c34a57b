//! Validation of Jobs and CronJobs. After `pkg/apis/batch/validation/validation.go`.

use serde_json::{Map, Value};

use super::pod::Leniency;
use super::workloads::{labels_do_not_match, template_labels};
use super::{At, Errors, indexes, internal, meta, pod};
use crate::api::names;
use crate::api::selectors::LabelSelector;
use crate::base::cron;

const COMPLETIONS_SOFT: i64 = 100_000;
const PARALLELISM_MAX: i64 = 100_000;
const FAILED_INDEXES_MAX: i64 = 100_000;
const PARALLELISM_MAX_FOR_MANY: i64 = 10_000;
const FAILED_INDEXES_MAX_FOR_MANY: i64 = 10_000;
const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const SUCCEEDED_INDEXES_BYTES_MAX: usize = 64 * 1024;

const JOB_NAME: &str = "batch.kubernetes.io/job-name";
const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";

/// What the old Job allows (`validationOptionsForJob`).
#[derive(Clone, Copy, Debug, Default)]
struct JobLeniency {
    pods: Leniency,
    without_prefixed_labels: bool,
    /// A suspended Job's template may still change in part (`shouldAllowMutablePodTemplate`).
    any_directives: bool,
}

/// `ValidateJob` and, on an update, `ValidateJobUpdate` after it.
pub(super) fn job(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let leniency = old.map_or_else(JobLeniency::default, leniency);
    whole_job(new, &leniency, errors);
    let Some(old) = old else { return };
    meta::update(&new.get("metadata"), &old.get("metadata"), errors);
    let (spec, before) = (new.get("spec"), old.get("spec"));
    job_spec_and_selector(&spec, &leniency.pods, errors);
    completions(&spec, &before, errors);
    meta::immutable(&spec.get("selector"), &before.get("selector"), errors);
    template_update(&spec, &before, &leniency, errors);
    for field in
        ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    {
        meta::immutable(&spec.get(field), &before.get(field), errors);
    }
}

fn leniency(old: &At<'_>) -> JobLeniency {
    let (spec, status) = (old.get("spec"), old.get("status"));
    let template = spec.get("template");
    let mut pods = Leniency::of_pod(Some(&template));
    pods.any_label_value |= meta::has_bad_selector_value(&spec.get("selector"));
    let has = |label: &str| template_labels(&template).is_some_and(|l| l.contains_key(label));
    let suspended = status
        .items("conditions")
        .any(|c| c.text("type") == "Suspended" && c.text("status") == "True");
    JobLeniency {
        pods,
        without_prefixed_labels: !(has(JOB_NAME) && has(CONTROLLER_UID)),
        any_directives: spec.flag("suspend")
            && (!status.has("startTime") || suspended)
            && status.int("active") == 0,
    }
}

fn whole_job(job: &At<'_>, leniency: &JobLeniency, errors: &mut Errors) {
    let (metadata, spec) = (job.get("metadata"), job.get("spec"));
    meta::create(&metadata, true, meta::subdomain, errors);
    generated_selector(&metadata, &spec, leniency, errors);
    job_spec_and_selector(&spec, &leniency.pods, errors);
    let completions = spec.int("completions");
    if spec.text("completionMode") == "Indexed" && completions > 0 {
        let name = metadata.text("name");
        let hostname = format!("{name}-{}", completions - 1);
        if !names::dns1123_label(&hostname).is_empty() {
            errors.invalid(
                &metadata.at("name"),
                name,
                format!("will not able to create pod with invalid DNS label: {hostname}"),
            );
        }
    }
}

/// `validateGeneratedSelector`.
fn generated_selector(
    metadata: &At<'_>,
    spec: &At<'_>,
    leniency: &JobLeniency,
    errors: &mut Errors,
) {
    let selector = spec.get("selector");
    if spec.flag("manualSelector") || !selector.is_set() {
        return;
    }
    let (uid, name) = (metadata.text("uid"), metadata.text("name"));
    if uid.is_empty() {
        errors.required(&metadata.at("uid"), "");
    }
    let mut expected: Map<String, Value> = Map::new();
    let labels = spec.get("template").get("metadata").get("labels");
    let legacy = [("controller-uid", uid), ("job-name", name)];
    let prefixed = [(CONTROLLER_UID, uid), (JOB_NAME, name)];
    let prefixed = prefixed.into_iter().filter(|_| !leniency.without_prefixed_labels);
    for (label, wanted) in legacy.into_iter().chain(prefixed) {
        let at = labels.path().key(label);
        match labels.value().get(label).and_then(Value::as_str) {
            None => errors.required(&at, format!("must be '{wanted}'")),
            Some(value) if value != wanted => {
                errors.invalid(&at, &labels.encoded(), format!("must be '{wanted}'"));
            }
            Some(_) => {}
        }
        expected.insert(label.to_owned(), wanted.into());
    }
    if let Ok(parsed) = LabelSelector::from_meta(selector.value())
        && !parsed.matches_json(Some(&expected))
    {
        errors.invalid(selector.path(), &selector.encoded(), "`selector` not auto-generated");
    }
}

/// `ValidateJobSpec`.
fn job_spec_and_selector(spec: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    job_spec(spec, leniency, errors);
    let selector = spec.get("selector");
    if selector.is_set() {
        meta::label_selector(&selector, leniency.any_label_value, errors);
    } else {
        errors.required(selector.path(), "");
    }
    if let Ok(parsed) = LabelSelector::from_meta(selector.value())
        && !parsed.matches_json(template_labels(&spec.get("template")))
    {
        labels_do_not_match(&spec.get("template"), errors);
    }
}

/// `validateJobSpec`.
fn job_spec(spec: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    for number in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        errors.non_negative(spec, number);
    }
    let per_index = spec.has("backoffLimitPerIndex");
    if spec.has("maxFailedIndexes") && !per_index {
        errors.required(&spec.at("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if let Some(manager) = spec.opt_text("managedBy") {
        meta::domain_prefixed_path(manager, &spec.at("managedBy"), errors);
        if manager.len() > 63 {
            errors.too_long(&spec.at("managedBy"), 63);
        }
    }
    let mode = spec.opt_text("completionMode");
    errors.optional_one_of(spec, "completionMode", &["NonIndexed", "Indexed"]);
    if mode == Some("Indexed") {
        indexed(spec, errors);
    }
    if matches!(mode, None | Some("NonIndexed")) {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if let Some(number) = spec.opt_int(field) {
                errors.invalid(&spec.at(field), number, "requires indexed completion mode");
            }
        }
    }
    failure_policy(spec, errors);
    let success = spec.get("successPolicy");
    if success.is_set() && mode != Some("Indexed") {
        let shown = internal::text(&success);
        errors.invalid_shown(success.path(), shown, "requires indexed completion mode");
    } else if success.is_set() {
        success_policy(spec, errors);
    }
    let supported: &[&str] =
        if spec.has("podFailurePolicy") { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    errors.optional_one_of(spec, "podReplacementPolicy", supported);
    pod::template(&spec.get("template"), leniency, errors);
    restart_policy(spec, errors);
}

fn restart_policy(spec: &At<'_>, errors: &mut Errors) {
    let pod = spec.get("template").get("spec");
    let (policy, at) = (pod.text("restartPolicy"), pod.at("restartPolicy"));
    match policy {
        "" | "Always" => {
            errors.required(&at, "valid values: \"OnFailure\", \"Never\"");
        }
        "OnFailure" if spec.has("podFailurePolicy") => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.invalid(&at, policy, detail);
        }
        _ => errors.one_of(&pod, "restartPolicy", &["OnFailure", "Never"]),
    }
}

fn indexed(spec: &At<'_>, errors: &mut Errors) {
    let [completions, parallelism, failed] =
        ["completions", "parallelism", "maxFailedIndexes"].map(|field| spec.opt_int(field));
    let too_much = |field: &str, value: Option<i64>, most: i64, note: &str, errors: &mut Errors| {
        if let Some(value) = value.filter(|value| *value > most) {
            let detail = format!("must be less than or equal to {most}{note}");
            errors.invalid(&spec.at(field), value, detail);
        }
    };
    if completions.is_none() {
        errors.required(&spec.at("completions"), "when completion mode is Indexed");
    }
    let note = " when completion mode is Indexed";
    too_much("parallelism", parallelism, PARALLELISM_MAX, note, errors);
    if let (Some(completions), Some(failed)) = (completions, failed)
        && failed > completions
    {
        let detail = "must be less than or equal to completions";
        errors.invalid(&spec.at("maxFailedIndexes"), failed, detail);
    }
    too_much("maxFailedIndexes", failed, FAILED_INDEXES_MAX, "", errors);
    if completions.is_some_and(|n| n > COMPLETIONS_SOFT) && spec.has("backoffLimitPerIndex") {
        if failed.is_none() {
            let detail = "must be specified when completions is above 100000";
            errors.required(&spec.at("maxFailedIndexes"), detail);
        }
        let note = " when completions are above 100000 and used with backoff limit per index";
        too_much("parallelism", parallelism, PARALLELISM_MAX_FOR_MANY, note, errors);
        too_much("maxFailedIndexes", failed, FAILED_INDEXES_MAX_FOR_MANY, note, errors);
    }
}

/// `validatePodFailurePolicy`.
fn failure_policy(spec: &At<'_>, errors: &mut Errors) {
    let policy = spec.get("podFailurePolicy");
    if policy.len("rules") > RULES_MAX {
        errors.too_many(&policy.at("rules"), policy.len("rules"), RULES_MAX);
    }
    for rule in policy.items("rules") {
        failure_rule(spec, &rule, errors);
    }
}

fn failure_rule(spec: &At<'_>, rule: &At<'_>, errors: &mut Errors) {
    let actions = ["Count", "FailIndex", "FailJob", "Ignore"];
    if rule.text("action") == "FailIndex" && !spec.has("backoffLimitPerIndex") {
        let detail = "requires the backoffLimitPerIndex to be set";
        errors.invalid(&rule.at("action"), "FailIndex", detail);
    }
    required_one_of(rule, "action", &actions, errors);
    let codes = rule.get("onExitCodes");
    if codes.is_set() {
        exit_codes(spec, &codes, errors);
    }
    if rule.len("onPodConditions") > RULES_MAX {
        errors.too_many(&rule.at("onPodConditions"), rule.len("onPodConditions"), RULES_MAX);
    }
    for pattern in rule.items("onPodConditions") {
        let kind = pattern.text("type");
        errors.invalid_for(&pattern.at("type"), kind, names::qualified_name(kind));
        required_one_of(&pattern, "status", &["False", "True", "Unknown"], errors);
    }
    let detail = match (codes.is_set(), !rule.is_empty("onPodConditions")) {
        (true, true) => "specifying both OnExitCodes and OnPodConditions is not supported",
        (false, false) => "specifying one of OnExitCodes and OnPodConditions is required",
        _ => return,
    };
    errors.invalid_unshown(rule.path(), detail);
}

/// A text that is missing with a hint at what it may be.
fn required_one_of(of: &At<'_>, name: &str, supported: &[&str], errors: &mut Errors) {
    if of.text(name).is_empty() {
        let quoted: Vec<String> = supported.iter().map(|s| super::quote(s)).collect();
        errors.required(&of.at(name), format!("valid values: [{}]", quoted.join(" ")));
    } else {
        errors.one_of(of, name, supported);
    }
}

/// `validatePodFailurePolicyRuleOnExitCodes`.
fn exit_codes(spec: &At<'_>, codes: &At<'_>, errors: &mut Errors) {
    required_one_of(codes, "operator", &["In", "NotIn"], errors);
    if let Some(name) = codes.opt_text("containerName") {
        let pod = spec.get("template").get("spec");
        let mut all = pod.items("containers").chain(pod.items("initContainers"));
        if !all.any(|c| c.text("name") == name) {
            let detail = "must be one of the container or initContainer names in the pod template";
            errors.invalid(&codes.at("containerName"), name, detail);
        }
    }
    let values = codes.get("values");
    let count = codes.len("values");
    if count == 0 {
        errors.invalid(values.path(), values.value(), "at least one value is required");
    } else if count > EXIT_CODES_MAX {
        errors.too_many(values.path(), count, EXIT_CODES_MAX);
    }
    let list: &[Value] = values.value().as_array().map_or(&[], Vec::as_slice);
    let list: Vec<i64> = list.iter().map(|v| v.as_i64().unwrap_or_default()).collect();
    for (i, code) in list.iter().enumerate() {
        let at = values.path().index(i);
        if codes.text("operator") == "In" && *code == 0 {
            errors.invalid(&at, 0, "must not be 0 for the In operator");
        }
        if list[..i].contains(code) {
            errors.duplicate(&at, *code);
        }
    }
    if !list.is_sorted() {
        errors.invalid(values.path(), values.value(), "must be ordered");
    }
}

/// `validateSuccessPolicy`.
fn success_policy(spec: &At<'_>, errors: &mut Errors) {
    let policy = spec.get("successPolicy");
    if policy.is_empty("rules") {
        let detail = "at least one rules must be specified when the successPolicy is specified";
        errors.required(&policy.at("rules"), detail);
    }
    if policy.len("rules") > RULES_MAX {
        errors.too_many(&policy.at("rules"), policy.len("rules"), RULES_MAX);
    }
    for rule in policy.items("rules") {
        success_rule(&rule, spec.int("completions"), errors);
    }
}

fn success_rule(rule: &At<'_>, completions: i64, errors: &mut Errors) {
    let (indexes, count) = (rule.opt_text("succeededIndexes"), rule.opt_int("succeededCount"));
    if indexes.is_none() && count.is_none() {
        let detail = "at least one of succeededCount or succeededIndexes must be specified";
        errors.required(rule.path(), detail);
    }
    let mut total = 0;
    if let Some(indexes) = indexes {
        let at = rule.at("succeededIndexes");
        if indexes.len() > SUCCEEDED_INDEXES_BYTES_MAX {
            errors.too_long(&at, SUCCEEDED_INDEXES_BYTES_MAX);
        }
        match indexes::count(indexes, completions) {
            Ok(count) => total = count,
            Err(why) => {
                errors.invalid(&at, indexes, format!("error parsing succeededIndexes: {why}"));
            }
        }
    }
    let Some(count) = count else { return };
    let at = rule.at("succeededCount");
    errors.non_negative(rule, "succeededCount");
    if count > completions {
        errors.invalid(
            &at,
            count,
            format!(
                "must be less than or equal to {completions} (the number of specified completions)"
            ),
        );
    }
    if indexes.is_some() && count > total {
        errors.invalid(&at, count, format!("must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"));
    }
}

/// `validateCompletions`: an indexed Job changes its size and its parallelism together.
fn completions(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (new, old) = (spec.get("completions"), old.get("completions"));
    if spec.text("completionMode") != "Indexed" {
        meta::immutable(&new, &old, errors);
    } else if !new.same(&old) && new.is_set() && new.value() != spec.raw("parallelism") {
        let detail = "can only be modified in tandem with spec.parallelism";
        errors.invalid(new.path(), new.value(), detail);
    }
}

/// `validatePodTemplateUpdate`.
fn template_update(spec: &At<'_>, old: &At<'_>, leniency: &JobLeniency, errors: &mut Errors) {
    let (new, before) = (spec.get("template"), old.get("template"));
    if !leniency.any_directives {
        immutable_template(&new, &before, errors);
        return;
    }
    let allowed = with_directives(before.value(), new.value());
    let before = before.with_value(&allowed);
    let (new, old) = (new.get("spec"), before.get("spec"));
    let allowed = with_resources(&old, &new);
    if !new.same(&old.with_value(&allowed)) {
        let at = spec.path().child("template.spec");
        let shown = internal::text(&new);
        errors.invalid_shown(&at, shown, "field is immutable");
    }
}

fn immutable_template(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    if !new.same(old) {
        errors.invalid_shown(new.path(), internal::text(new), "field is immutable");
    }
}

/// The old template with the new one's labels, annotations and rules of scheduling.
fn with_directives(old: &Value, new: &Value) -> Value {
    let mut out = old.clone();
    let node = new["spec"]["affinity"]["nodeAffinity"].clone();
    if let Some(metadata) = object(&mut out, "metadata") {
        for field in ["labels", "annotations"] {
            put(metadata, field, &new["metadata"][field]);
        }
    }
    let Some(spec) = object(&mut out, "spec") else { return out };
    for field in ["nodeSelector", "tolerations", "schedulingGates"] {
        put(spec, field, &new["spec"][field]);
    }
    let asks = new["spec"]["affinity"].is_object();
    match spec.get_mut("affinity").and_then(Value::as_object_mut) {
        None if !asks => {}
        None => {
            let mut affinity = Map::new();
            put(&mut affinity, "nodeAffinity", &node);
            spec.insert("affinity".into(), affinity.into());
        }
        Some(affinity) => {
            put(affinity, "nodeAffinity", &node);
            if !asks && affinity.is_empty() {
                spec.shift_remove("affinity");
            }
        }
    }
    out
}

/// The old pod spec with the new one's resources, container by container
/// (`validatePodResourceUpdatesOnly`).
fn with_resources(old: &At<'_>, new: &At<'_>) -> Value {
    let mut out = old.value().clone();
    for list in ["containers", "initContainers"] {
        if old.len(list) != new.len(list) {
            continue;
        }
        let Some(containers) = out.get_mut(list).and_then(Value::as_array_mut) else { continue };
        for (container, new) in containers.iter_mut().zip(new.items(list)) {
            if container["name"].as_str() == Some(new.text("name"))
                && let Some(container) = container.as_object_mut()
            {
                put(container, "resources", new.raw("resources"));
            }
        }
    }
    out
}

fn object<'a>(of: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    let fields = of.as_object_mut()?;
    fields.entry(field).or_insert_with(|| Map::new().into()).as_object_mut()
}

fn put(of: &mut Map<String, Value>, field: &str, value: &Value) {
    if value.is_null() {
        of.shift_remove(field);
    } else {
        of.insert(field.to_owned(), value.clone());
    }
}

/// `ValidateCronJobCreate`, `ValidateCronJobUpdate`.
pub(super) fn cron_job(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let metadata = new.get("metadata");
    meta::check(new, old, meta::subdomain, errors);
    cron_spec(&new.get("spec"), old.map(|o| o.get("spec")).as_ref(), errors);
    let name = metadata.text("name");
    if old.is_none() && name.len() > 52 {
        errors.invalid(&metadata.at("name"), name, "must be no more than 52 characters");
    }
}

/// `validateCronJobSpec`.
fn cron_spec(spec: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    if spec.text("schedule").is_empty() {
        errors.required(&spec.at("schedule"), "");
    } else {
        schedule(spec, old, errors);
    }
    errors.non_negative(spec, "startingDeadlineSeconds");
    if old.is_none_or(|old| old.raw("timeZone") != spec.raw("timeZone")) {
        time_zone(spec, errors);
    }
    errors.require_one_of(spec, "concurrencyPolicy", &["Allow", "Forbid", "Replace"]);
    let template = spec.get("jobTemplate");
    let job = template.get("spec");
    let before = old.map(|o| o.get("jobTemplate").get("spec").get("template"));
    job_spec(&job, &Leniency::of_pod(before.as_ref()), errors);
    let selector = job.get("selector");
    if selector.is_set() {
        let detail = "`selector` will be auto-generated";
        errors.invalid(selector.path(), &selector.encoded(), detail);
    }
    if job.flag("manualSelector") {
        errors.not_supported(&job.at("manualSelector"), true, &["nil", "false"]);
    }
    errors.non_negative(spec, "successfulJobsHistoryLimit");
    errors.non_negative(spec, "failedJobsHistoryLimit");
}

/// `validateScheduleFormat`.
fn schedule(spec: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let (text, at) = (spec.text("schedule"), spec.at("schedule"));
    if let Err(why) = cron::Schedule::parse(text) {
        errors.invalid(&at, text, why);
    }
    if !text.contains("TZ") {
        return;
    }
    let had_zone = old.is_some_and(|old| old.text("schedule").contains("TZ"));
    if !had_zone {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.invalid(&at, text, detail);
    } else if spec.has("timeZone") {
        let detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
        errors.invalid(&at, text, detail);
    }
}

/// `validateTimeZone`.
fn time_zone(spec: &At<'_>, errors: &mut Errors) {
    let Some(zone) = spec.opt_text("timeZone") else { return };
    let at = spec.at("timeZone");
    if zone.is_empty() {
        errors.invalid(&at, "", "timeZone must be nil or non-empty string");
        return;
    }
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    let odd = |part: &str| {
        matches!(part, "." | "..")
            || part.starts_with('-')
            || !(1..=14).contains(&part.len())
            || !part.chars().all(known)
    };
    if zone.split('/').any(odd) {
        errors.invalid(&at, zone, format!("unknown time zone {zone}"));
        return;
    }
    if zone.eq_ignore_ascii_case("Local") {
        let detail =
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid(&at, zone, detail);
    }
    if let Err(why) = cron::load_location(zone) {
        errors.invalid(&at, zone, why);
    }
}

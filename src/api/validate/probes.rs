//! Validation of probes and lifecycle hooks. After `pkg/apis/core/validation/validation.go`.

use serde_json::Value;

use super::pod::Context;
use super::{At, Errors, Path};
use crate::api::names;

/// The three probes of a container.
pub(super) fn probes(container: &At<'_>, cx: &Context<'_>, errors: &mut Errors) {
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = container.get(name);
        if !probe.is_set() {
            continue;
        }
        common(&probe, cx, errors);
        if name == "readinessProbe" {
            if let Some(seconds) = probe.opt_int("terminationGracePeriodSeconds") {
                let at = probe.at("terminationGracePeriodSeconds");
                errors.invalid(&at, seconds, "must not be set for readinessProbes");
            }
        } else if probe.int("successThreshold") != 1 {
            let at = probe.at("successThreshold");
            errors.invalid(&at, probe.int("successThreshold"), "must be 1");
        }
    }
}

/// `validateProbe`.
fn common(probe: &At<'_>, cx: &Context<'_>, errors: &mut Errors) {
    handler(probe, &["exec", "httpGet", "tcpSocket", "grpc"], cx, errors);
    for number in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        errors.non_negative(probe, number);
    }
    if let Some(seconds) = probe.opt_int("terminationGracePeriodSeconds")
        && seconds <= 0
    {
        let at = probe.at("terminationGracePeriodSeconds");
        errors.invalid(&at, seconds, "must be greater than 0");
    }
}

/// `validateLifecycle`. Stop signals have been dropped before: their feature is off.
pub(super) fn lifecycle(container: &At<'_>, cx: &Context<'_>, errors: &mut Errors) {
    let lifecycle = container.get("lifecycle");
    for hook in ["postStart", "preStop"] {
        let hook = lifecycle.get(hook);
        if hook.is_set() {
            handler(&hook, &["exec", "httpGet", "tcpSocket", "sleep"], cx, errors);
        }
    }
}

/// `validateHandler`: one of the kinds.
fn handler(of: &At<'_>, kinds: &[&str], cx: &Context<'_>, errors: &mut Errors) {
    let mut found = false;
    for kind in kinds {
        let action = of.get(kind);
        if !action.is_set() {
            continue;
        }
        if found {
            errors.forbidden(action.path(), "may not specify more than 1 handler type");
            continue;
        }
        found = true;
        match *kind {
            "exec" => {
                if action.is_empty("command") {
                    errors.required(&action.at("command"), "");
                }
            }
            "httpGet" => http_get(&action, errors),
            "sleep" => sleep(&action, cx, errors),
            _ => port(action.raw("port"), &action.at("port"), errors),
        }
    }
    if !found {
        errors.required(of.path(), "must specify a handler type");
    }
}

fn http_get(action: &At<'_>, errors: &mut Errors) {
    errors.require_text(action, "path");
    port(action.raw("port"), &action.at("port"), errors);
    errors.one_of(action, "scheme", &["HTTP", "HTTPS"]);
    for header in action.items("httpHeaders") {
        let name = header.text("name");
        errors.invalid_for(&action.at("httpHeaders"), name, names::http_header(name));
    }
}

/// `ValidatePortNumOrName`.
pub(super) fn port(port: &Value, at: &Path, errors: &mut Errors) {
    match port.as_str() {
        Some(name) => errors.invalid_for(at, name, names::port_name(name)),
        None => {
            let number = port.as_i64().unwrap_or_default();
            errors.invalid_for(at, number, names::port_number(number));
        }
    }
}

fn sleep(action: &At<'_>, cx: &Context<'_>, errors: &mut Errors) {
    let seconds = action.int("seconds");
    if let Some(grace) = cx.grace_period
        && !(0..=grace).contains(&seconds)
    {
        let detail =
            format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.invalid(action.path(), seconds, detail);
    }
}

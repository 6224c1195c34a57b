//! Numbers that may be given as percentages. After `pkg/apis/apps/validation/validation.go`.

use serde_json::Value;

use super::{At, Errors, Path, Shown};
use crate::api::names;

/// A count, or a share of one (`intstr.IntOrString`).
#[derive(Debug)]
pub(super) struct Amount<'a> {
    value: &'a Value,
    at: Path,
}

impl<'a> Amount<'a> {
    /// The amount in a field; what is absent is the count 0.
    pub(super) fn of(of: &At<'a>, name: &str) -> Self {
        Self { value: of.raw(name), at: of.at(name) }
    }

    /// As messages show it.
    pub(super) fn shown(&self) -> Shown {
        if self.value.is_null() { Shown("0".into()) } else { self.value.into() }
    }

    /// The place.
    pub(super) fn path(&self) -> &Path {
        &self.at
    }

    /// The percentage, if it is one (`getPercentValue`).
    pub(super) fn percent(&self) -> Option<i64> {
        let text = self.value.as_str()?;
        if !names::percent(text).is_empty() {
            return None;
        }
        Some(text.trim_end_matches('%').parse().unwrap_or(i64::MAX))
    }

    /// The number, whichever it is (`getIntOrPercentValue`).
    pub(super) fn number(&self) -> i64 {
        let plain = || match self.value.as_str() {
            Some(text) => text.parse().unwrap_or(0),
            None => self.value.as_i64().unwrap_or_default(),
        };
        self.percent().unwrap_or_else(plain)
    }

    /// It is a percentage or a count that is not negative (`ValidatePositiveIntOrPercent`).
    pub(super) fn check(&self, errors: &mut Errors) {
        if let Some(text) = self.value.as_str() {
            errors.invalid_for(&self.at, text, names::percent(text));
        } else if self.value.as_i64().unwrap_or_default() < 0 {
            errors.invalid(&self.at, self.value, "must be greater than or equal to 0");
        }
    }

    /// It is not more than all (`IsNotMoreThan100Percent`).
    pub(super) fn check_not_more_than_all(&self, errors: &mut Errors) {
        if self.percent().is_some_and(|percent| percent > 100) {
            errors.invalid(&self.at, self.shown(), "must not be greater than 100%");
        }
    }
}

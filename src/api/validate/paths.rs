//! Validation of paths inside containers and volumes. After `pkg/apis/core/validation/validation.go`.

use super::{Errors, Path};

/// `validateLocalDescendingPath`: relative, and not out of its directory.
pub(super) fn descending(text: &str, at: &Path, errors: &mut Errors) {
    if text.starts_with('/') {
        errors.invalid(at, text, "must be a relative path");
    }
    no_backsteps(text, at, errors);
}

/// `validatePathNoBacksteps`.
pub(super) fn no_backsteps(text: &str, at: &Path, errors: &mut Errors) {
    if has_backsteps(text) {
        errors.invalid(at, text, "must not contain '..'");
    }
}

/// Whether a part of the path is `..`.
pub(super) fn has_backsteps(text: &str) -> bool {
    text.split('/').any(|part| part == "..")
}

/// `ValidateLocalNonReservedPath`: names that begin with two dots belong to the volume itself.
pub(super) fn not_reserved(text: &str, at: &Path, errors: &mut Errors) {
    descending(text, at, errors);
    if text.starts_with("..") && !text.starts_with("../") {
        errors.invalid(at, text, "must not start with '..'");
    }
}

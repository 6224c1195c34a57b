//! What the API server refuses, and the words it does it in.
//!
//! Follows `pkg/apis/*/validation` of Kubernetes v1.36 with every feature gate at its default: the
//! same checks in the same order, since the order of errors is part of the answer.

mod at;
mod error;
mod service;

pub use at::At;
pub use error::{ErrorType, Errors, FieldError, Path, Shown, go_json, quote};
pub use service::cluster_ips as service_cluster_ips;

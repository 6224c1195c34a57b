//! wavetank floats Kubernetes manifests in a simulated cluster, in virtual time.

pub mod api;
pub mod base;

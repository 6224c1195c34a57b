//! wavetank floats Kubernetes manifests in a simulated cluster, in virtual time.

pub mod base;

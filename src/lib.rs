//! wavetank floats Kubernetes manifests in a simulated cluster, in virtual time.

pub mod api;
pub mod apiserver;
pub mod base;
pub mod cli;
pub mod container;
pub mod controllers;
pub mod engine;
pub mod kubelet;
pub mod model;
pub mod report;
pub mod scenario;
pub mod scheduler;
pub mod sim;
pub mod store;
pub mod trace;

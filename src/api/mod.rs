//! Manifests: from what was written to what is meant, and back to what the API server answers.
//!
//! Reading (files, YAML, old versions), the Go shapes of the API types, defaulting, validation,
//! selectors and patches, as `pkg/apis`, `pkg/registry` and `k8s.io/apimachinery` of Kubernetes
//! v1.36 do them. The wire types (`k8s-openapi`) live here; nothing here keeps state.

pub mod corpus;
pub mod schema;
pub mod typed;

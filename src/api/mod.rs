//! Manifests: from what was written to what is meant, and back to what the API server answers.
//!
//! The front half goes from bytes to documents that still know the place of every field: [`yaml`] and
//! [`json`] read, [`documents`] splits, [`tree`] holds the places in a [`source`]. All of it is bounded
//! by [`limits`].
//!
//! Reading (files, YAML, old versions), the Go shapes of the API types, defaulting, validation,
//! selectors and patches, as `pkg/apis`, `pkg/registry` and `k8s.io/apimachinery` of Kubernetes
//! v1.36 do them. The wire types (`k8s-openapi`) live here; nothing here keeps state.

pub mod convert;
pub mod corpus;
pub mod defaults;
pub mod documents;
pub mod fields;
pub mod image;
pub mod json;
pub mod limits;
pub mod names;
pub mod net;
pub mod registry;
pub mod resources;
pub mod schema;
pub mod source;
pub mod tree;
pub mod typed;
pub mod validate;
pub mod yaml;

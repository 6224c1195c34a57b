//! Manifests: from what was written to what is meant, and back to what the API server answers.
//!
//! The front half goes from bytes to documents that still know the place of every field: [`yaml`] and
//! [`json`] read, [`documents`] splits, [`tree`] holds the places in a [`source`]. [`load`] does it for
//! files and folders, recognises the [`kinds`], brings [`legacy`] versions to the current form, and
//! tells all that is wrong as [`diagnostic`]s. All of it is bounded by [`limits`].
//!
//! Reading (files, YAML, old versions), the Go shapes of the API types, defaulting, validation,
//! selectors and patches, as `pkg/apis`, `pkg/registry` and `k8s.io/apimachinery` of Kubernetes
//! v1.36 do them. The wire types (`k8s-openapi`) live here; nothing here keeps state.

pub mod convert;
pub mod corpus;
pub mod defaults;
pub mod diagnostic;
pub mod documents;
pub mod fields;
pub mod go_template;
pub mod go_time;
pub mod go_value;
pub mod image;
pub mod json;
pub mod jsonpath;
pub mod kinds;
pub mod legacy;
pub mod limits;
pub mod load;
pub mod names;
pub mod net;
pub mod patch;
pub mod quota;
pub mod registry;
pub mod resources;
pub mod rewrite;
pub mod schema;
pub mod selectors;
pub mod source;
pub mod status;
pub mod strict;
pub mod suggest;
pub mod tree;
pub mod typed;
pub mod validate;
pub mod warnings;
pub mod yaml;

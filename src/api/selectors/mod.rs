//! Selectors of labels and of fields: parsing, matching, canonical text, and the errors.
//!
//! [`label`] follows `staging/src/k8s.io/apimachinery/pkg/labels/selector.go` (what `kubectl -l`
//! takes) and `pkg/apis/meta/v1/helpers.go` (what manifests hold), [`field`] follows
//! `pkg/fields/selector.go` and the field labels that each kind supports. The compiled selectors of
//! the simulation's own hot paths are in `model`.

pub mod field;
pub mod label;

pub use field::FieldSelector;
pub use label::LabelSelector;

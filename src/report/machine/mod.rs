//! What a run comes to, for other programs: facts as JSON lines, a trace for Perfetto and Chrome, metrics as
//! Prometheus reads them, lives of pods as a table.
//!
//! Facts, trace and table are folds over facts; metrics are a look at the store. Everything is written in an
//! order that the run decides, so that the same run gives the same bytes.

mod facts;
mod metrics;
mod perfetto;
mod pods;

pub use facts::{Facts, SCHEMA_ID, schema};
pub use metrics::metrics;
pub use perfetto::Trace;
pub use pods::Lives;

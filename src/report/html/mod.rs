//! The report of a run as one self-contained page: pods over time by workload and by node, restarts,
//! events, logs and the load of nodes at any moment.
//!
//! [`Chronicle`] is a fold over facts that keeps what the page shows and no more: of each pod the moments
//! at which its state changed, of each node its size and readiness, events and lines of output up to a
//! bound. [`Chronicle::page`] puts that, as JSON, into a page whose script and style stand beside it
//! (`page.html`, `page.css`, `page.js`). The page asks nothing of any network and stores nothing but the
//! reader's choice of light or dark.

mod chronicle;
mod state;
#[cfg(test)]
mod tests;

pub use chronicle::{Chronicle, Heading};
pub use state::{State, of as state_of};

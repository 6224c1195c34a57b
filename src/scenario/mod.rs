//! Scenarios: what is done to a cluster and when, and how the outcome is judged.
//!
//! [`recorded`] reads the folders in which scenarios of a real cluster are recorded, [`conform`]
//! holds a simulated trace against a recorded one.

pub mod conform;
pub mod kubectl;
pub mod recorded;

//! Scenarios: what is done to a cluster and when, and how the outcome is judged.
//!
//! [`recorded`] reads the folders in which scenarios of a real cluster are recorded, [`conform`]
//! holds a simulated trace against a recorded one, [`replay`] runs one in simulation. [`runner`] carries
//! out steps on a simulated cluster ([`cluster`] builds it), [`kubectl`] is the hand that does them.

pub mod cluster;
pub mod conform;
pub mod kubectl;
pub mod recorded;
pub mod replay;
pub mod runner;
pub mod snapshot;
pub mod swarm;

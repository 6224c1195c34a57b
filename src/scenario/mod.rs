//! Scenarios: what is done to a cluster and when, and how the outcome is judged.
//!
//! [`recorded`] reads the folders in which scenarios of a real cluster are recorded, [`conform`]
//! holds a simulated trace against a recorded one, [`replay`] runs one in simulation. [`runner`] carries
//! out steps on a simulated cluster ([`cluster`] builds it), [`kubectl`] is the hand that does them.
//!
//! [`suites`] are those of other tools, with the language of their expressions in [`jmespath`]. [`simulation`] reads files of what is done and expected, [`monitor`] watches what is expected, [`trial`] runs
//! one, [`seeds`] many, [`sweep`] one at every point of a grid of parameters; a [`session`] is one that somebody plays. [`measure`] puts a run into numbers, by which [`compare`] tells two versions of manifests
//! apart and [`verify`] what becomes of a cluster that loses something.

pub mod cluster;
pub mod compare;
pub mod conform;
pub mod jmespath;
pub mod kubectl;
pub mod measure;
pub mod monitor;
pub mod openb;
pub mod parallel;
pub mod recorded;
pub mod remedy;
pub mod replay;
pub mod runner;
pub mod scheduler_perf;
pub mod seeds;
pub mod session;
pub mod simulation;
pub mod snapshot;
pub mod suites;
pub mod swarm;
pub mod sweep;
pub mod trial;
pub mod verify;

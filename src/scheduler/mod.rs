//! kube-scheduler v1.36: which node each pod goes to, and why.
//!
//! Two layers. The pure core knows no time and no requests: [`cycle`] takes what is known of the
//! cluster and a pod and answers with a [`cycle::Decision`]; [`plugins`] hold the rules, one file each;
//! [`queue`] orders the pods that wait and decides when one is tried again. Around it
//! [`Scheduler`] is the component: it hears news through informers, runs one cycle at a time, binds in
//! the background, and writes conditions and events.
//!
//! Decisions agree with the real scheduler to the bit, for one worker (upstream's parallel search
//! examines nodes in an order that depends on timing).
//!
//! Left out: resource claims (DRA), extenders, pod groups, and volumes of in-tree kinds that were
//! migrated to CSI.

pub mod compile;
pub mod component;
pub mod config;
pub mod config_file;
pub mod corpus;
pub mod cycle;
pub mod diagnosis;
pub mod explain;
#[cfg(test)]
mod fast_paths;
pub mod feed;
pub mod index;
pub mod journal;
pub mod news;
pub mod node;
pub mod nominator;
pub mod plugins;
pub mod pod;
pub mod preemption;
pub mod queue;
pub mod requests;
pub mod search;
pub mod snapshot;
pub mod state;
pub mod storage;
pub mod terms;
pub mod tree;
pub mod verdicts;
pub mod volumes;
pub mod world;

pub use component::Scheduler;
pub use config::Config;

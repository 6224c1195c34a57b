//! Outputs: folds over facts, and views of a store.
//!
//! Nothing here reaches into a component. A report takes facts as they come and is asked for its
//! result at the end.

pub mod describe;
pub mod explain;
pub mod film;
pub mod graph;
pub mod html;
pub mod machine;
pub mod markup;
pub mod printers;
mod record;
pub mod stuck;
pub mod summary;
pub mod table;
pub mod tabs;
pub mod timeline;
mod unmodelled;
pub mod why;

pub use record::Recorder;

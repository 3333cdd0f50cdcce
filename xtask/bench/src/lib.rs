//! What the measuring has in common, whichever system does the work: the works and the clock.

pub mod measure;
pub mod work;
pub mod workload;

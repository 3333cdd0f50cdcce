//! What the measuring of conversant and of its peers has in common: the works, the clock, and a system's place in a process of its own.

pub mod measure;
pub mod remote;
pub mod work;
pub mod workload;

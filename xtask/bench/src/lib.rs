//! The common part of the benchmarks of all systems: the works, the clock, the server, conversant
//! and a hand-written client.

mod check;
mod cold;
mod conversant;
mod floor;
mod hello;
pub mod measure;
mod peak;
mod place;
mod raw_bytes;
mod report;
mod run;
mod serve;
mod tiktoken_rs;
pub mod work;
pub mod workload;

pub use self::run::run;

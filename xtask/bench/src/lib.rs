//! What the measuring has in common, whichever systems are measured: the works, the clock, the server, conversant and a client written
//! by hand.

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

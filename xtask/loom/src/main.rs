//! Models of the conversation's queue and of the write-once segments: loom runs each under all
//! interleavings of its threads. `cargo xtask loom` runs this.
//!
//! Source files of the libraries are compiled as they are. Each takes its synchronisation from
//! `crate::sync`, which is the standard library there and [loom](https://docs.rs/loom) here, so that
//! the libraries have neither a dependency nor a configuration for it.
//!
//! The argument is the most times that a thread is interrupted in one run. More interruptions take
//! more time, and find little that two do not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the program")]
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod message;
mod model;
#[path = "../../../crates/chains/src/queue.rs"]
#[allow(dead_code, unreachable_pub)]
mod queue;
mod queue_models;
#[path = "../../../crates/core/src/messages/segment.rs"]
#[allow(dead_code, unreachable_pub, missing_docs)]
mod segment;
mod segment_models;
mod sync;
#[path = "../../../crates/chains/src/timer.rs"]
mod timer;

use std::env;

fn main() {
    let preemptions = env::args().nth(1).map_or(2, |argument| argument.parse().unwrap());
    for (name, model) in queue_models::ALL.iter().chain(segment_models::ALL) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.check(model);
        println!("{name}: ok");
    }
}

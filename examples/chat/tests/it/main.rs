//! The chat's command line, as people script it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub)]

mod faults;
mod kept;
mod local;
mod message;
mod prompt;
mod real_server;
mod round_trips;
mod run;
#[cfg(unix)]
mod terminal;
mod weights;

//! The parts of the terminal chat that other programs share: the model that answers, the chain that
//! asks it, and the file that keeps conversations.
#![allow(
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::print_stderr,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    reason = "parts of programs"
)]

pub mod backend;
pub mod definition;
pub mod failure;
pub mod file;
pub mod model_arguments;
pub mod title;
mod weights;

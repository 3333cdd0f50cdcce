//! The works whose instructions `cargo xtask instructions` counts: it runs this under callgrind.
//!
//! A line is written for each count: the work, the number of messages of the conversation, and the
//! number of operations that were counted together. The profile of the same number has the count.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod by_hand;
mod call;
mod conversation;
mod counted;
mod format;
mod memory;
mod server;
mod stream;

use std::env;

use conversant_core::BoxError;
use tokio::runtime::Builder;

use self::server::Server;

fn main() -> Result<(), BoxError> {
    if env::args().nth(1).as_deref() == Some(server::ARGUMENT) {
        return Ok(server::serve()?);
    }
    // The hand-written client uses the process's provider; conversant brings one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    format::count(&runtime)?;
    memory::count(&runtime)?;
    let server = Server::start()?;
    call::count(&runtime, &server)?;
    by_hand::count(&runtime, &server)?;
    stream::count()?;
    counted::copies();
    Ok(())
}

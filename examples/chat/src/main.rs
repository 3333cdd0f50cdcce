//! A terminal chat: one turn with `--message`, or a conversation at a prompt.
//!
//! Exit codes: 0 for an answer, 1 for a failure (reported in one line on standard error), 2 for
//! wrong usage, 130 for Ctrl-C.
#![allow(clippy::print_stdout, clippy::print_stderr, unreachable_pub)]

mod arguments;
mod conversation;
mod failure;
mod repl;
mod turn;

use std::process::ExitCode;

use clap::Parser;

use crate::{arguments::Arguments, conversation::Conversation, failure::Failure};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Interrupted) => ExitCode::from(130),
        Err(failure) => {
            eprintln!("chat: {failure}");
            ExitCode::from(if matches!(failure, Failure::Usage(_)) { 2 } else { 1 })
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let conversation = Conversation::new(arguments)?;
    match &arguments.message {
        Some(message) => turn::answer(&conversation, message).await,
        None => repl::run(&conversation).await,
    }
}

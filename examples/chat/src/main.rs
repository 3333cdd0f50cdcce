//! A terminal chat: one turn with a question, or a conversation at a prompt.
//!
//! Exit codes: 0 for an answer, 1 for a failure (reported in one line on standard error), 2 for
//! wrong usage, 130 for Ctrl-C.
#![allow(clippy::print_stdout, clippy::print_stderr, unreachable_pub)]

mod arguments;
mod command;
mod conversation;
mod export;
mod lines;
mod markdown;
mod repl;
mod store;
mod terminal;
mod turn;

use std::{
    io::{IsTerminal, Read},
    process::ExitCode,
};

use chat::{backend::Backend, failure::Failure};
use clap::Parser;

use crate::{arguments::Arguments, conversation::Conversation, repl::Repl, store::Store};

/// The largest standard input, in bytes.
const MAX_INPUT: u64 = 16 << 20;

// One thread waits at the prompt, and another one lets connections end that were given up.
#[tokio::main(worker_threads = 1)]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Interrupted) => ExitCode::from(130),
        Err(failure) => {
            eprintln!("chat: {failure}");
            ExitCode::from(if matches!(failure, Failure::Usage(_)) { 2 } else { 1 })
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let is_interactive = std::io::stdin().is_terminal() && arguments.question().is_none();
    if is_interactive && arguments.script {
        let line = "cannot execute the standard input: it is a terminal; give a file, such as \
                    `chat --script < FILE`";
        return Err(Failure::Usage(line.to_owned()));
    }
    // A file that cannot be used is reported before a model is loaded, or paid.
    let store = Store::open(&arguments, is_interactive)?;
    let input = input()?;
    let question = question(&arguments, input.as_deref())?;
    if question.is_none() && input.is_none() && !is_interactive {
        // There is nothing to answer, so no model is loaded.
        return Ok(());
    }
    let backend = Backend::connect(&arguments.model, "chat").await?;
    let Some(question) = question else {
        let mut repl = Repl::new(arguments, backend, store)?;
        return match input {
            Some(script) => repl.run_script(&script).await,
            None => repl.run().await,
        };
    };
    let session = arguments.session().map_err(Failure::Usage)?;
    let conversation = Conversation::new(&arguments, &backend, &store, session)?;
    turn::answer(&conversation, &question).await.map(|_| ())
}

/// Returns the standard input, if it is not a terminal and not empty.
fn input() -> Result<Option<String>, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Ok(None);
    }
    let mut text = String::new();
    let read = stdin.lock().take(MAX_INPUT + 1).read_to_string(&mut text);
    read.map_err(|error| Failure::Other(format!("cannot read standard input: {error}")))?;
    match u64::try_from(text.len()).is_ok_and(|length| length > MAX_INPUT) {
        true => {
            Err(Failure::Other(format!("standard input is larger than {} MiB", MAX_INPUT >> 20)))
        }
        false => Ok(Some(text).filter(|text| !text.trim().is_empty())),
    }
}

/// Returns the question: the command line's, with the standard input before it, or the standard
/// input alone. `None` if that is a script, or if there is none.
fn question(arguments: &Arguments, input: Option<&str>) -> Result<Option<String>, Failure> {
    let question = match (arguments.question(), input) {
        (Some(question), Some(input)) => format!("{}\n\n{question}", input.trim_end()),
        (Some(question), None) => question.to_owned(),
        (None, Some(input)) if !arguments.script => match command::first_command(input) {
            // To ask it would be paid for, and to execute it could delete what was said.
            Some(command) => {
                return Err(Failure::Usage(format!(
                    "cannot ask the standard input: it begins with the command `{command}`; \
                     --script executes it, and with a question on the command line it is a text"
                )));
            }
            None => input.trim_end().to_owned(),
        },
        (None, _) => return Ok(None),
    };
    Ok(Some(question))
}

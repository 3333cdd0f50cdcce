//! Copies conversations between stores and files, such as LangChain's stores or ChatGPT's export to
//! ours. A repeated copy adds nothing.
#![allow(clippy::print_stdout, clippy::print_stderr, unreachable_pub)]

mod file;
mod langchain;
mod place;
mod report;
mod store;

use std::{error::Error, process::ExitCode};

use clap::Parser;
use conversant_core::Report;
use conversant_transfer::{TransferProgress, copy};

use crate::{
    file::Settings,
    langchain::LangChain,
    place::Place,
    report::Display,
    store::{copy_from, copy_to},
};

/// The exit code of wrong usage.
const USAGE: u8 = 2;

/// The exit code of a copy from which something was left out.
const LEFT_OUT: u8 = 3;

/// Copies conversations between stores and files.
///
/// A store is one of: sqlite:FILE, jsonl:FOLDER, postgres://…, redis://…, langchain-sqlite:FILE,
/// langchain-postgres://…, langchain-redis://…. A copy from a SQLite file or from a table of
/// LangChain's does not change it, except by --add-index.
///
/// A file is one of: lines:FILE (all that a store has, as JSON lines), sharegpt:FILE,
/// finetuning:FILE (OpenAI's lines), langchain-file:FILE (one conversation of LangChain's
/// FileChatMessageHistory), or, to copy from, chatgpt:FILE (the conversations.json of an export).
/// With `-` for FILE it is standard input or output. A file that exists is not overwritten, and one
/// that is written has its name once it is whole.
///
/// What cannot be copied is listed on standard error, with its place and reason. Exit codes: 0 if
/// everything was copied, 1 after an error, 2 for wrong usage, 3 if something was left out, or if
/// LangChain has no conversations there.
#[derive(Debug, Parser)]
#[command(name = "copy-conversations")]
struct Arguments {
    /// Where the conversations are.
    // A text, because an error of clap's quotes the argument, which can have a password.
    from: String,
    /// Where they go. What is there stays.
    to: String,
    /// The session of a langchain-file. By default, the file's name without its ending.
    #[arg(long)]
    session: Option<String>,
    /// Text before the ids of the sessions that are read from a file.
    #[arg(long, default_value = "")]
    session_prefix: String,
    /// The number of conversations to pass over, at which an earlier copy from the file ended.
    #[arg(long, default_value_t = 0)]
    start: u64,
    #[command(flatten)]
    langchain: LangChain,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { from, to, session, session_prefix, start, langchain } = Arguments::parse();
    let (from, to) = match Place::two(&from, &to, langchain) {
        Ok(places) => places,
        Err(fault) => {
            eprintln!("copy-conversations: {fault}");
            return ExitCode::from(USAGE);
        }
    };
    let settings = Settings { session, prefix: session_prefix, start };
    let is_import = matches!(from, Place::File(_));
    let hint = from.hint();
    let mut display = Display::new();
    let outcome = run(from, to, &settings, &mut display).await;
    display.finish();
    match outcome {
        Ok(done) => {
            eprintln!("{} turns of {} sessions", done.turns, done.sessions);
            if let Some(hint) = hint.filter(|_| done.conversations == 0) {
                eprintln!("copy-conversations: {hint}");
                return ExitCode::from(LEFT_OUT);
            }
            if done.omissions > 0 { ExitCode::from(LEFT_OUT) } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            let text = Report::new(&*error).to_string();
            eprintln!("copy-conversations: {}", text.replace('\n', " "));
            let reached = display.reached();
            if is_import && reached > 0 {
                eprintln!("{reached} conversations were copied; go on with `--start {reached}`");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(
    from: Place,
    to: Place,
    settings: &Settings,
    display: &mut Display,
) -> Result<TransferProgress, Box<dyn Error>> {
    Ok(match (from, to) {
        (Place::File(_), Place::File(_)) => {
            return Err("cannot copy a file to a file: one of the two must be a store; copy to \
                        a store such as `sqlite:FILE` first"
                .into());
        }
        (Place::File(file), Place::Store(store)) => {
            let import = file.import(settings)?;
            let reader = file.read(display)?;
            import.run(&*copy_to(store).await?, reader, |event| display.show(event)).await?
        }
        (Place::Store(store), Place::File(file)) => {
            let export = file.export(settings)?;
            let store = copy_from(store, display).await?;
            let mut output = file.write()?;
            let done = export.run(&*store, &mut output, |event| display.show(event)).await?;
            output.finish()?;
            done
        }
        (Place::Store(from), Place::Store(to)) => {
            let from = copy_from(from, display).await?;
            copy(&*from, &*copy_to(to).await?, |event| display.show(event)).await?
        }
    })
}

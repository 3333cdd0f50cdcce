//! Copies conversations from one store to another, such as LangChain's to ours. A repeated
//! copy adds nothing.
#![allow(clippy::print_stdout, clippy::print_stderr, unreachable_pub)]

mod store;

use std::{error::Error, process::ExitCode, time::Duration};

use clap::Parser;
use conversant_transfer::{Progress, TransferError, copy, export, import};
use indicatif::{ProgressBar, ProgressStyle};

use crate::store::{Lines, Store};

/// Copies conversations from one store to another.
///
/// A store is one of: sqlite:FILE, jsonl:FOLDER, postgres://…, redis://…, langchain-sqlite:FILE,
/// langchain-postgres://…, langchain-redis://…, or lines:FILE, a file of JSON lines (`lines:-` is
/// standard input or output).
#[derive(Debug, Parser)]
#[command(name = "copy-conversations")]
struct Arguments {
    /// Where the conversations are.
    from: Store,
    /// Where they go. What is there stays.
    to: Store,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(done) => {
            eprintln!("{} turns of {} sessions", done.turns, done.sessions);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let causes = std::iter::successors(Some(&*error), |&error| error.source());
            let causes: Vec<_> = causes.map(ToString::to_string).collect();
            eprintln!("copy-conversations: {}", causes.join(": ").replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

async fn run(Arguments { from, to }: Arguments) -> Result<Progress, Box<dyn Error>> {
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {elapsed} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    let show = |done: Progress| {
        bar.set_message(format!("{} turns, {} sessions", done.turns, done.sessions));
    };
    let done = transfer(from, to, show).await;
    bar.finish_and_clear();
    done
}

async fn transfer(
    from: Store,
    to: Store,
    show: impl FnMut(Progress) + Send,
) -> Result<Progress, Box<dyn Error>> {
    let done: Result<Progress, TransferError> = match (from, to) {
        (Store::Lines(_), Store::Lines(_)) => {
            return Err("one of the two is a store: lines can be copied without us".into());
        }
        (Store::Lines(lines), to) => import(&*to.open().await?, lines.read()?, show).await,
        (from, Store::Lines(Lines::Standard)) => {
            export(&*from.open().await?, std::io::stdout(), show).await
        }
        (from, Store::Lines(Lines::File(path))) => {
            export(&*from.open().await?, std::fs::File::create_new(path)?, show).await
        }
        (from, to) => copy(&*from.open().await?, &*to.open().await?, show).await,
    };
    Ok(done?)
}

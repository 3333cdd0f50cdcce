//! The two conversations of LangChain's page "Memory in LLMChain", as that page prints them.
//!
//! Without a key it answers for itself: a loopback server gives the page's answers over real HTTP.
//! With `OPENAI_API_KEY`, or with `--base-url` and `--model`, it talks to that server instead; the
//! models are the page's own unless they are named.
#![allow(clippy::print_stdout, clippy::print_stderr, unreachable_pub)]

mod arguments;
mod conversations;
mod server;

use std::{error::Error, process::ExitCode};

use clap::Parser as _;

use crate::{arguments::Arguments, server::Server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = std::iter::successors(Some(&*error), |&error| error.source());
            let causes: Vec<_> = causes.map(ToString::to_string).collect();
            eprintln!("memory-in-llmchain: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let has_key = std::env::var_os("OPENAI_API_KEY").is_some_and(|key| !key.is_empty());
    let server = if has_key || arguments.base_url.is_some() {
        Server::given(arguments)
    } else {
        eprintln!(
            "no OPENAI_API_KEY and no --base-url: a loopback server gives the page's answers"
        );
        Server::loopback()?
    };
    conversations::completion(server.completion_model()?).await?;
    conversations::chat(server.chat_model()?).await?;
    Ok(())
}

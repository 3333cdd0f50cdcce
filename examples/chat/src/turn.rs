//! One turn: ask and print.

use std::{
    io::{self, Write},
    time::Instant,
};

use conversant_core::{CallOptions, Delta, vars};

use crate::{conversation::Conversation, failure::Failure};

/// Asks, and prints the answer and a line break. Ctrl-C drops the call, which changes nothing in
/// the memory.
pub async fn answer(conversation: &Conversation, message: &str) -> Result<(), Failure> {
    tokio::select! {
        biased;
        signal = tokio::signal::ctrl_c() => {
            signal.map_err(Failure::other)?;
            Err(Failure::Interrupted)
        }
        result = ask(conversation, message) => result,
    }
}

async fn ask(conversation: &Conversation, message: &str) -> Result<(), Failure> {
    let mut options = CallOptions::new();
    // A time beyond the clock's range does not limit.
    if let Some(deadline) = Instant::now().checked_add(conversation.timeout) {
        options = options.with_deadline(deadline);
    }
    let inputs = vars! { "human_input" => message };
    if !conversation.is_streaming {
        let text =
            conversation.chain.predict_with(inputs, options).await.map_err(Failure::other)?;
        return print(&format!("{text}\n"));
    }
    let mut stream =
        conversation.chain.stream_with(inputs, options).await.map_err(Failure::other)?;
    let mut printed = false;
    while let Some(delta) = stream.next().await {
        match delta {
            Ok(Delta::Text(piece)) => {
                print(&piece)?;
                printed = true;
            }
            Ok(_) => {}
            Err(error) => {
                if printed {
                    print("\n")?;
                }
                return Err(Failure::other(error));
            }
        }
    }
    print("\n")
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::other)
}

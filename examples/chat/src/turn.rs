//! One turn: ask and print.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use chat::failure::Failure;
use conversant_chains::ChainError;
use conversant_core::{CallOptions, Delta, Message, Reply, Usage, vars};
use indicatif::ProgressBar;
use serde_json::json;

use crate::{conversation::Conversation, markdown::Markdown, terminal};

/// Asks, and prints the answer and a line break. Ctrl-C drops the call, which changes nothing in
/// the memory.
pub async fn answer(conversation: &Conversation, message: &str) -> Result<Usage, Failure> {
    interruptible(ask(conversation, message)).await
}

/// Ends some work at Ctrl-C, by dropping it.
pub async fn interruptible<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        signal = tokio::signal::ctrl_c() => {
            signal.map_err(Failure::other)?;
            Err(Failure::Interrupted)
        }
        result = work => result,
    }
}

async fn ask(conversation: &Conversation, message: &str) -> Result<Usage, Failure> {
    let mut options = CallOptions::new().with_stop(&conversation.stop);
    // A time beyond the clock's range does not limit.
    if let Some(deadline) = Instant::now().checked_add(conversation.timeout) {
        options = options.with_deadline(deadline);
    }
    let inputs = vars! { "human_input" => message };
    let thinking = Thinking::start();
    let mut shown = Shown::new(conversation);
    if !conversation.is_streaming {
        let outcome = conversation.chain.invoke_with(inputs, options).await;
        thinking.end();
        let outcome = outcome.or_else(|error| shown.unsaved(conversation, error))?;
        let reply = outcome.reply.ok_or_else(no_answer)?;
        shown.end(conversation, &reply)?;
        return Ok(reply.usage.unwrap_or_default());
    }
    let stream = conversation.chain.stream_with(inputs, options).await;
    let mut stream = stream.map_err(Failure::other)?;
    let mut reply = None;
    while let Some(delta) = stream.next().await {
        thinking.end();
        match delta {
            Ok(Delta::Text(piece)) => shown.piece(&piece)?,
            Ok(Delta::Done(done)) => reply = Some(*done),
            Ok(_) => {}
            Err(error) => {
                shown.interrupt()?;
                return Err(Failure::other(error));
            }
        }
    }
    let reply = reply.ok_or_else(no_answer)?;
    shown.end(conversation, &reply)?;
    Ok(reply.usage.unwrap_or_default())
}

fn no_answer() -> Failure {
    Failure::Other("the model's answer did not end".to_owned())
}

/// The answer on standard output: as it comes, or at its end.
struct Shown {
    is_streaming: bool,
    trims: bool,
    markdown: Option<Markdown>,
    has_begun: bool,
}

impl Shown {
    fn new(conversation: &Conversation) -> Self {
        let markdown = terminal::has_colours().then(Markdown::default);
        let Conversation { is_streaming, trims, .. } = *conversation;
        Self { is_streaming, trims, markdown, has_begun: false }
    }

    fn piece(&mut self, piece: &str) -> Result<(), Failure> {
        let piece = match self.trims && !self.has_begun {
            true => piece.trim_start(),
            false => piece,
        };
        self.has_begun |= !piece.is_empty();
        self.style(piece)
    }

    fn style(&mut self, text: &str) -> Result<(), Failure> {
        let text = terminal::shown(text);
        match &mut self.markdown {
            Some(markdown) => print(&markdown.push(&text)),
            None => print(&text),
        }
    }

    /// Ends the line of an answer that has failed.
    fn interrupt(&mut self) -> Result<(), Failure> {
        match self.has_begun {
            true => self.style("\n"),
            false => Ok(()),
        }
    }

    /// Prints an answer whose turn was not saved, since it was paid for and is nowhere else, and
    /// returns the failure.
    fn unsaved<T>(&mut self, conversation: &Conversation, error: ChainError) -> Result<T, Failure> {
        if let ChainError::NotSaved(not_saved) = &error {
            let text = || Reply::new(Message::ai(not_saved.text.as_str()));
            self.end(conversation, &not_saved.reply.clone().unwrap_or_else(text))?;
        }
        Err(Failure::other(error))
    }

    fn end(&mut self, conversation: &Conversation, reply: &Reply) -> Result<(), Failure> {
        let text = match self.trims {
            true => reply.text().trim_start().to_owned(),
            false => reply.text().into_owned(),
        };
        if conversation.is_json {
            let usage = reply.usage.unwrap_or_default();
            let line = json!({
                "answer": text,
                "finish_reason": reply.finish_reason.as_ref().map(|reason| reason.as_str()),
                "model": reply.model.as_deref().unwrap_or(&conversation.model),
                "session": conversation.session.to_string(),
                "usage": {
                    "input_tokens": usage.input_tokens,
                    "output_tokens": usage.output_tokens,
                },
            });
            return print(&format!("{line}\n"));
        }
        match self.is_streaming {
            true => self.style("\n"),
            false => self.style(&format!("{text}\n")),
        }
    }
}

/// Something that moves while the model thinks, where people see it.
struct Thinking(Option<ProgressBar>);

impl Thinking {
    fn start() -> Self {
        let is_seen = io::stderr().is_terminal() && io::stdout().is_terminal();
        Self(is_seen.then(|| {
            let spinner = ProgressBar::new_spinner();
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        }))
    }

    fn end(&self) {
        if let Some(spinner) = self.0.as_ref().filter(|spinner| !spinner.is_finished()) {
            spinner.finish_and_clear();
        }
    }
}

impl Drop for Thinking {
    fn drop(&mut self) {
        self.end();
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has seen enough, such as `head`, is not a failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Interrupted),
        written => written.map_err(Failure::other),
    }
}

//! Whether every system sends the same: what is measured would be something else otherwise.

use conversant_core::BoxError;
use serde::Deserialize;

use crate::{
    floor::completion_prompt,
    serve::{REPLY, Server},
    work::{Named, Work},
    workload::{
        COMPLETION_MODEL, MODEL, QUESTION, SYSTEM, TEMPERATURE, is_human, message, runtime,
    },
};

/// The number of messages of a checked history.
const LENGTH: usize = 20;

/// The checked fields of a body.
#[derive(Deserialize)]
struct Sent {
    model: String,
    temperature: Option<f64>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    messages: Vec<SentMessage>,
    prompt: Option<OneOrMany>,
}

#[derive(Deserialize)]
struct SentMessage {
    role: String,
    content: Content,
}

/// A content, as text or in parts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    text: String,
}

/// A prompt, alone or in a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Has each system do the works once for a server that keeps what it is sent.
///
/// # Errors
/// If one of them sends something else than was asked for.
pub(crate) fn check(systems: &[Named]) -> Result<(), BoxError> {
    let server = Server::that_keeps()?;
    let runtime = runtime()?;
    for (name, make) in systems {
        let mut system = make(&server.base_url)?;
        // A history that was there before, one that grew with the answers, a text, a stream.
        let works = [
            (Work::Call, LENGTH),
            (Work::Conversation, 2),
            (Work::Completion, LENGTH),
            (Work::Stream, 1_000),
        ];
        for (work, n) in works {
            if system.burst(work, n, 1).is_empty() || *name == "raw_bytes" {
                continue;
            }
            let sent = runtime.block_on(server.kept())?;
            let sent: Sent = serde_json::from_slice(&sent)?;
            differs(work, sent).map_or(Ok(()), |what| {
                Err(format!("`{name}` sends another {what} than it should, in a `{work}`"))
            })?;
        }
    }
    Ok(())
}

/// Returns the part of a body that differs from what it should be.
fn differs(work: Work, sent: Sent) -> Option<&'static str> {
    let model = if work == Work::Completion { COMPLETION_MODEL } else { MODEL };
    let temperature = sent.temperature.unwrap_or(1.0);
    let prompt = sent.prompt.map(|prompt| match prompt {
        OneOrMany::One(text) => text,
        OneOrMany::Many(texts) => texts.concat(),
    });
    let messages = sent.messages.into_iter().map(|message| match message.content {
        Content::Text(text) => (message.role, text),
        Content::Parts(parts) => (message.role, parts.into_iter().map(|part| part.text).collect()),
    });
    let (expected_messages, expected_prompt) = match work {
        Work::Completion => (Vec::new(), Some(completion_prompt(LENGTH))),
        _ => (expected(work), None),
    };
    match () {
        () if sent.model != model => Some("model"),
        () if sent.stream != (work == Work::Stream) => Some("kind of request"),
        // Some hold it in 32 bits.
        () if (temperature - TEMPERATURE).abs() > 1e-6 => Some("temperature"),
        () if prompt != expected_prompt => Some("prompt"),
        () if !messages.eq(expected_messages) => Some("list of messages"),
        () => None,
    }
}

/// Returns the messages that a chat request should have.
fn expected(work: Work) -> Vec<(String, String)> {
    let (history, question): (Vec<_>, _) = match work {
        Work::Call => ((0..LENGTH).map(message).collect(), QUESTION.to_owned()),
        Work::Conversation => (vec![message(0), REPLY.to_owned()], message(2)),
        _ => (Vec::new(), QUESTION.to_owned()),
    };
    let role = |index| if is_human(index) { "user" } else { "assistant" }.to_owned();
    let said = history.into_iter().chain([question]).enumerate();
    let said = said.map(|(index, text)| (role(index), text));
    [("system".to_owned(), SYSTEM.to_owned())].into_iter().chain(said).collect()
}

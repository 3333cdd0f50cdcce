//! Transcripts: conversations as text, with one `Human: …` line for each message.

use std::fmt;

use serde_json::Value as Json;

use crate::{message::Message, messages::Messages, role::Role};

/// The form of a transcript: a line for each message, which begins with its speaker and a colon.
///
/// This is LangChain 0.1.20 `langchain_core/messages/utils.py::get_buffer_string`, except that
/// other parts than text are shown as `[image]` and the like, and each tool call is a line of JSON.
/// Text is not escaped, so a message with a line break can forge a speaker in a transcript. Chat
/// prompts do not have this weakness.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, Messages, Transcript};
///
/// let messages = Messages::from_iter([Message::human("hi"), Message::ai("hello")]);
/// let transcript = Transcript::new("User", "Bot");
/// assert_eq!(transcript.render(&messages), "User: hi\nBot: hello");
/// assert_eq!(messages.to_string(), "Human: hi\nAI: hello");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transcript {
    human_prefix: String,
    ai_prefix: String,
}

impl Transcript {
    /// Creates a form from the names of the human and the AI.
    #[must_use]
    pub fn new(human_prefix: impl Into<String>, ai_prefix: impl Into<String>) -> Self {
        Self { human_prefix: human_prefix.into(), ai_prefix: ai_prefix.into() }
    }

    /// Returns the human's name.
    #[must_use]
    pub fn human_prefix(&self) -> &str {
        &self.human_prefix
    }

    /// Returns the AI's name.
    #[must_use]
    pub fn ai_prefix(&self) -> &str {
        &self.ai_prefix
    }

    /// Renders a conversation: its lines, joined by line breaks.
    #[must_use]
    pub fn render<'m>(&self, messages: impl IntoIterator<Item = &'m Message>) -> String {
        let mut text = String::new();
        for (index, message) in messages.into_iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            // Writing to a `String` does not fail.
            let _ = self.write_line(message, &mut text);
        }
        text
    }

    /// Writes the line of one message, without a line break at the end.
    ///
    /// # Errors
    /// The writer's error.
    pub fn write_line(
        &self,
        message: &Message,
        mut out: &mut (impl fmt::Write + ?Sized),
    ) -> fmt::Result {
        // Compiled once, not for each kind of writer.
        self.write_line_to(message, &mut out)
    }

    fn write_line_to(&self, message: &Message, out: &mut dyn fmt::Write) -> fmt::Result {
        let label = match message.role() {
            Role::Human => &self.human_prefix,
            Role::Ai => &self.ai_prefix,
            other => other.label(),
        };
        out.write_str(label)?;
        out.write_str(": ")?;
        write_body(message, out)
    }
}

impl Default for Transcript {
    /// Names them `Human` and `AI`.
    fn default() -> Self {
        Self::new("Human", "AI")
    }
}

/// Returns the call of an AI in the form that was before tool calls.
fn function_call(message: &Message) -> Option<&Json> {
    let kwargs = message.extra().get("additional_kwargs")?;
    kwargs.get("function_call").filter(|call| call.is_object() && *message.role() == Role::Ai)
}

/// Writes a message's text and after it a line of JSON for each tool call.
pub(crate) fn write_body(message: &Message, out: &mut dyn fmt::Write) -> fmt::Result {
    let text = message.text();
    out.write_str(&text)?;
    for (index, call) in message.tool_calls().iter().enumerate() {
        if index > 0 || !text.is_empty() {
            out.write_char('\n')?;
        }
        out.write_str(&serde_json::to_string(call).unwrap_or_default())?;
    }
    if let Some(call) = function_call(message) {
        if !text.is_empty() || !message.tool_calls().is_empty() {
            out.write_char('\n')?;
        }
        out.write_str(&call.to_string())?;
    }
    Ok(())
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Transcript::default().write_line(self, f)
    }
}

impl fmt::Display for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transcript = Transcript::default();
        for (index, message) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            transcript.write_line(message, f)?;
        }
        Ok(())
    }
}

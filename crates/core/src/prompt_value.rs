//! Formatted prompts.

use std::{borrow::Cow, fmt};

use serde::Serialize;

use crate::{message::Message, messages::Messages, role::Role, transcript::write_body};

/// A formatted prompt: text for a completion model, or messages for a chat model. Each converts
/// into the other.
///
/// `Display` is the text that is sent to a completion model; for messages, the transcript. The
/// alternate form `{:#}` shows each message as a block under its role and is meant for snapshots of
/// chats. Both forms are stable: they change only with a major version.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, Messages, PromptValue};
///
/// let value = PromptValue::from(Messages::from_iter([Message::system("Be brief."), Message::human("hi")]));
/// assert_eq!(value.to_string(), "System: Be brief.\nHuman: hi");
/// assert_eq!(format!("{value:#}"), "[system]\nBe brief.\n\n[human]\nhi");
/// assert_eq!(PromptValue::from("hi".to_owned()).to_messages().to_string(), "Human: hi");
/// ```
#[derive(Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum PromptValue {
    /// Text, as a completion model takes it.
    Text(String),
    /// Messages, as a chat model takes them.
    Messages(Messages),
}

impl PromptValue {
    /// Returns the text that `Display` writes.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Messages(messages) => Cow::Owned(messages.to_string()),
        }
    }

    /// Converts the value into the text that `Display` writes.
    #[must_use]
    pub fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Messages(messages) => messages.to_string(),
        }
    }

    /// Returns the messages; text is one human message.
    #[must_use]
    pub fn to_messages(&self) -> Messages {
        match self {
            Self::Text(text) => Message::human(text.as_str()).into(),
            Self::Messages(messages) => messages.clone(),
        }
    }

    /// Returns the messages, without copying text; text is one human message.
    #[must_use]
    pub fn into_messages(self) -> Messages {
        match self {
            Self::Text(text) => Message::human(text).into(),
            Self::Messages(messages) => messages,
        }
    }

    /// Returns the text if this is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Messages(_) => None,
        }
    }

    /// Returns the messages if these are messages.
    #[must_use]
    pub const fn as_messages(&self) -> Option<&Messages> {
        match self {
            Self::Text(_) => None,
            Self::Messages(messages) => Some(messages),
        }
    }
}

impl fmt::Display for PromptValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Messages(messages) if f.alternate() => write_blocks(messages, f),
            Self::Messages(messages) => messages.fmt(f),
        }
    }
}

fn write_blocks(messages: &Messages, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, message) in messages.iter().enumerate() {
        if index > 0 {
            f.write_str("\n\n")?;
        }
        write!(f, "[{}", message.role().type_name())?;
        if let Role::Chat(role) = message.role() {
            write!(f, " {role}")?;
        }
        for detail in [message.name(), message.tool_call_id()].into_iter().flatten() {
            write!(f, " {detail}")?;
        }
        f.write_str("]\n")?;
        write_body(message, f)?;
    }
    Ok(())
}

impl fmt::Debug for PromptValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text(<{} bytes>)", text.len()),
            Self::Messages(messages) => f.debug_tuple("Messages").field(messages).finish(),
        }
    }
}

impl From<String> for PromptValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for PromptValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Messages> for PromptValue {
    fn from(messages: Messages) -> Self {
        Self::Messages(messages)
    }
}

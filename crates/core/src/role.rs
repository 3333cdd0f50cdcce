//! Roles of messages.

use std::fmt;

use crate::tool_call::ShownName;

/// The role of a message's sender. Unknown role names are preserved as [`Role::Chat`].
///
/// # Examples
///
/// ```
/// use conversant_core::Role;
///
/// assert_eq!(Role::from_name("human"), Role::Human);
/// assert_eq!(Role::from_name("critic"), Role::Chat("critic".into()));
/// assert_eq!(Role::Ai.to_string(), "AI");
/// ```
// A new role also needs its place in these files, which match on it:
//
// - core: `message.rs`, `stored.rs`, `stored/decode.rs`, `transcript.rs`
// - models: `wire/message_out.rs`, `wire/responses/input.rs`, `openai/message_view.rs`,
//   `tokens/openai.rs`
// - models-local: `prompt.rs`
// - prompts: `chat/message_template.rs`, `save.rs`, `load/constructor.rs`
// - memory: `conversation/turn_boundaries.rs`
// - tracing: `content.rs`
// - transfer: `format/fine_tuning.rs`, `format/sharegpt.rs`
// - conformance: `short_form.rs`
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The user.
    Human,
    /// The model.
    Ai,
    /// The result of a tool call.
    Tool,
    /// The result of a function call (the older form of a tool call).
    Function,
    /// Any other role, by its name.
    Chat(String),
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Human => "Human",
            Self::Ai => "Ai",
            Self::Tool => "Tool",
            Self::Function => "Function",
            Self::Chat(name) => return f.debug_tuple("Chat").field(&ShownName(name)).finish(),
        })
    }
}

impl Role {
    /// Returns the role for a name that prompts and LangChain's stored messages use: `system`,
    /// `human` (or `user`), `ai` (or `assistant`), `tool`, `function`. Any other name is a
    /// [`Role::Chat`].
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "system" => Self::System,
            "human" | "user" => Self::Human,
            "ai" | "assistant" => Self::Ai,
            "tool" => Self::Tool,
            "function" => Self::Function,
            other => Self::Chat(other.to_owned()),
        }
    }

    /// Returns the type name that LangChain stores: `system`, `human`, `ai`, `tool`, `function` or
    /// `chat`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Human => "human",
            Self::Ai => "ai",
            Self::Tool => "tool",
            Self::Function => "function",
            Self::Chat(_) => "chat",
        }
    }

    /// Returns the name before the colon in a transcript: `System`, `Human`, `AI`, `Tool`,
    /// `Function`, or the name of a chat role (LangChain 0.1.20
    /// `langchain_core/messages/utils.py::get_buffer_string`).
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::System => "System",
            Self::Human => "Human",
            Self::Ai => "AI",
            Self::Tool => "Tool",
            Self::Function => "Function",
            Self::Chat(role) => role,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

//! How servers differ from OpenAI in what they accept: one table, by host.
//!
//! A new server is a row of `HOSTS`; a new difference is a field of [`Dialect`]. Sources of the rows are
//! the servers' documentation and the errors that they answer with.

/// The differences of a server that matter when a request is written.
///
/// It is chosen by the host of the base URL. Set another with
/// [`OpenAiBuilder::dialect`](crate::OpenAiBuilder::dialect), for a gateway in front of a server.
///
/// # Examples
///
/// ```
/// use conversant_models::{Dialect, SendBack};
///
/// let dialect = Dialect::for_host("api.deepseek.com");
/// assert_eq!(dialect.reasoning, SendBack::EmptyOnToolCalls);
/// assert_eq!(Dialect::for_host("localhost"), Dialect::default());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Dialect {
    /// How reasoning goes back.
    pub reasoning: SendBack,
    /// The content of a message with tool calls and no text, where the message does not come from this
    /// server.
    pub empty_content: EmptyContent,
    /// The form of the ids of tool calls.
    pub tool_call_ids: ToolCallIds,
}

/// How the reasoning of a model's messages goes back to the server that it came from.
///
/// Reasoning never goes to another server than its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendBack {
    /// In the fields and parts in which it came.
    #[default]
    AsReceived,
    /// As it came, and as an empty `reasoning_content` with the tool calls of other models. DeepSeek and
    /// Kimi refuse tool calls without it.
    EmptyOnToolCalls,
    /// As it came, but never as `reasoning_content`, which Groq refuses.
    NotAsReasoningContent,
    /// Not at all.
    Never,
}

/// The content of a message that has tool calls and no text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmptyContent {
    /// `null`, as OpenAI and LangChain write it.
    #[default]
    Null,
    /// An empty text.
    Text,
    /// No `content` at all.
    Absent,
}

/// The ids of tool calls that a server accepts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ToolCallIds {
    /// Any.
    #[default]
    Any,
    /// Nine letters and digits. Other ids are replaced by a hash, the same for a call and its result.
    NineAlphanumeric,
}

impl Dialect {
    const OPENAI: Self = Self {
        reasoning: SendBack::AsReceived,
        empty_content: EmptyContent::Null,
        tool_call_ids: ToolCallIds::Any,
    };
    const EMPTY_TEXT: Self = Self { empty_content: EmptyContent::Text, ..Self::OPENAI };
    const REASONING_WITH_CALLS: Self =
        Self { reasoning: SendBack::EmptyOnToolCalls, ..Self::EMPTY_TEXT };

    /// Returns the dialect of a host and its subdomains.
    #[must_use]
    pub fn for_host(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let is_at = |suffix: &str| {
            host.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let row = HOSTS.iter().find(|(suffix, _)| is_at(suffix));
        row.map_or_else(Self::default, |(_, dialect)| *dialect)
    }
}

/// The dialects of known hosts. All others speak as OpenAI does.
const HOSTS: &[(&str, Dialect)] = &[
    ("api.openai.com", Dialect::OPENAI),
    ("openai.azure.com", Dialect::OPENAI),
    ("deepseek.com", Dialect::REASONING_WITH_CALLS),
    ("moonshot.ai", Dialect::REASONING_WITH_CALLS),
    ("moonshot.cn", Dialect::REASONING_WITH_CALLS),
    ("groq.com", Dialect { reasoning: SendBack::NotAsReasoningContent, ..Dialect::EMPTY_TEXT }),
    ("mistral.ai", Dialect { tool_call_ids: ToolCallIds::NineAlphanumeric, ..Dialect::EMPTY_TEXT }),
    (
        "generativelanguage.googleapis.com",
        Dialect { empty_content: EmptyContent::Absent, ..Dialect::OPENAI },
    ),
];

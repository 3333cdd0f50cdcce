//! How servers differ from OpenAI in what they accept: one table, by host.
//!
//! A new server is a row of `HOSTS`; a new difference is a field of [`Dialect`]. Sources of the
//! rows are the servers' documentation and the errors that they answer with.

/// The differences of a server that matter when a request is written.
///
/// It is chosen by the host of the base URL; a deployment that
/// [`OpenAiBuilder::azure`](crate::OpenAiBuilder::azure) sets has that of Azure. Set another with
/// [`OpenAiBuilder::dialect`](crate::OpenAiBuilder::dialect), for a gateway in front of a server.
///
/// On the Responses interface, these fields matter: `developer_role`, `merge_system_messages`,
/// `alternating_roles`, `prompt_cache_key`, `json_schema`, and `reasoning` if it is
/// [`SendBack::Never`]. The others are of the chat endpoint.
///
/// # Examples
///
/// ```
/// use conversant_models::{Dialect, OpenAiChat, SendBack};
///
/// let mut dialect = Dialect::for_host("api.deepseek.com");
/// assert_eq!(dialect.reasoning, SendBack::EmptyOnToolCalls);
/// assert_eq!(Dialect::for_host("localhost"), Dialect::default());
///
/// // A gateway in front of it, which does not enforce schemas:
/// dialect.json_schema = false;
/// let model = OpenAiChat::builder("deepseek-chat")
///     .base_url("https://gateway.example/v1")
///     .api_key("the gateway's key")
///     .dialect(dialect)
///     .build()?;
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Dialect {
    /// How reasoning goes back.
    pub reasoning: SendBack,
    /// The content of a message with tool calls and no text, where the message does not come from
    /// this server.
    pub empty_content: EmptyContent,
    /// The form of the ids of tool calls.
    pub tool_call_ids: ToolCallIds,
    /// The name of the token limit that
    /// [`max_tokens`](crate::OpenAiBuilder::max_tokens) sets.
    pub token_limit: TokenLimit,
    /// Whether system messages are sent with the role `developer`.
    pub developer_role: bool,
    /// Whether the system messages at the start are merged into one. Templates of some local models
    /// take only one.
    pub merge_system_messages: bool,
    /// Whether neighbouring messages of the user, and of the assistant without tool calls, are
    /// merged into one. Templates of some models of Mistral's and Google's refuse them.
    pub alternating_roles: bool,
    /// Whether the server accepts the `name` of a message that is not a tool's.
    pub message_names: bool,
    /// Whether the server knows `stream_options`.
    pub stream_options: bool,
    /// Whether streams report their usage by default
    /// ([`stream_usage`](crate::OpenAiBuilder::stream_usage)): the server is known to accept
    /// `stream_options`.
    pub stream_usage: bool,
    /// Whether the server accepts `prompt_cache_key`.
    pub prompt_cache_key: bool,
    /// Whether the server enforces a `response_format` with a JSON Schema.
    pub json_schema: bool,
    /// The mark of a prefix to cache, where
    /// [`cache_breakpoints`](crate::OpenAiBuilder::cache_breakpoints) sets some.
    pub cache_breakpoint: CacheBreakpoint,
}

impl Default for Dialect {
    /// Returns the dialect of unknown hosts.
    fn default() -> Self {
        Self::COMPATIBLE
    }
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
    /// As it came, and as an empty `reasoning_content` with the tool calls of other models.
    /// DeepSeek and Kimi refuse tool calls without it.
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
    /// Nine letters and digits. Other ids are replaced by a hash, the same for a call and its
    /// result.
    NineAlphanumeric,
}

/// The name of the limit of an answer's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenLimit {
    /// `max_tokens`.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`. OpenAI's reasoning models refuse `max_tokens`; DeepSeek ignores
    /// this name.
    MaxCompletionTokens,
}

/// The mark at the end of a prefix to cache, in the last part of text before the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheBreakpoint {
    /// `"cache_control": {"type": "ephemeral"}`, Anthropic's mark, which gateways pass on.
    #[default]
    CacheControl,
    /// `"prompt_cache_breakpoint": {"mode": "explicit"}`, OpenAI's mark.
    PromptCacheBreakpoint,
}

impl Dialect {
    const COMPATIBLE: Self = Self {
        reasoning: SendBack::AsReceived,
        empty_content: EmptyContent::Null,
        tool_call_ids: ToolCallIds::Any,
        token_limit: TokenLimit::MaxTokens,
        developer_role: false,
        merge_system_messages: false,
        alternating_roles: false,
        message_names: true,
        stream_options: true,
        stream_usage: false,
        prompt_cache_key: true,
        json_schema: true,
        cache_breakpoint: CacheBreakpoint::CacheControl,
    };
    const OPENAI: Self = Self {
        token_limit: TokenLimit::MaxCompletionTokens,
        stream_usage: true,
        cache_breakpoint: CacheBreakpoint::PromptCacheBreakpoint,
        ..Self::COMPATIBLE
    };
    /// Azure knows `stream_options` from the API version 2024-09-01-preview on, and refuses it
    /// before.
    pub(crate) const AZURE: Self = Self { stream_usage: false, ..Self::OPENAI };
    const EMPTY_TEXT: Self = Self { empty_content: EmptyContent::Text, ..Self::COMPATIBLE };
    const DEEPSEEK: Self = Self {
        reasoning: SendBack::EmptyOnToolCalls,
        prompt_cache_key: false,
        json_schema: false,
        ..Self::EMPTY_TEXT
    };
    const KIMI: Self = Self { reasoning: SendBack::EmptyOnToolCalls, ..Self::EMPTY_TEXT };
    const GLM: Self = Self {
        stream_options: false,
        prompt_cache_key: false,
        json_schema: false,
        message_names: false,
        ..Self::EMPTY_TEXT
    };
    const GROQ: Self = Self {
        reasoning: SendBack::NotAsReasoningContent,
        prompt_cache_key: false,
        ..Self::EMPTY_TEXT
    };
    const MISTRAL: Self = Self {
        tool_call_ids: ToolCallIds::NineAlphanumeric,
        message_names: false,
        ..Self::EMPTY_TEXT
    };
    const GEMINI: Self =
        Self { empty_content: EmptyContent::Absent, prompt_cache_key: false, ..Self::COMPATIBLE };
    /// Anthropic's own interface for OpenAI's clients ignores `response_format`.
    const ANTHROPIC: Self = Self { stream_usage: true, json_schema: false, ..Self::COMPATIBLE };
    const MINIMAX: Self = Self { token_limit: TokenLimit::MaxCompletionTokens, ..Self::EMPTY_TEXT };

    /// Returns the dialect of a host and its subdomains.
    #[must_use]
    pub fn for_host(host: &str) -> Self {
        row_of(HOSTS, host).copied().unwrap_or_default()
    }
}

/// Returns the value of the first row whose host this is, or is a subdomain of.
fn row_of<'t, T>(table: &'t [(&str, T)], host: &str) -> Option<&'t T> {
    let host = host.to_ascii_lowercase();
    let is_at = |suffix: &str| {
        host.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    table.iter().find(|(suffix, _)| is_at(suffix)).map(|(_, value)| value)
}

/// Returns the provider of a host, by OpenTelemetry's names. Servers that are not in the table
/// speak OpenAI's interface, and count as `openai`.
pub(crate) fn provider(host: &str) -> &'static str {
    row_of(PROVIDERS, host).copied().unwrap_or("openai")
}

/// The dialects of known hosts. All others have the default.
const HOSTS: &[(&str, Dialect)] = &[
    ("api.openai.com", Dialect::OPENAI),
    ("openai.azure.com", Dialect::AZURE),
    ("openai.azure.us", Dialect::AZURE),
    ("openai.azure.cn", Dialect::AZURE),
    ("cognitiveservices.azure.com", Dialect::AZURE),
    ("services.ai.azure.com", Dialect::AZURE),
    ("deepseek.com", Dialect::DEEPSEEK),
    ("moonshot.ai", Dialect::KIMI),
    ("moonshot.cn", Dialect::KIMI),
    ("groq.com", Dialect::GROQ),
    ("mistral.ai", Dialect::MISTRAL),
    ("generativelanguage.googleapis.com", Dialect::GEMINI),
    ("z.ai", Dialect::GLM),
    ("bigmodel.cn", Dialect::GLM),
    ("minimax.io", Dialect::MINIMAX),
    ("anthropic.com", Dialect::ANTHROPIC),
];

/// The provider of Azure's deployments.
pub(crate) const AZURE: &str = "azure.ai.openai";

/// The well-known values of OpenTelemetry's `gen_ai.provider.name`.
const PROVIDERS: &[(&str, &str)] = &[
    ("openai.azure.com", AZURE),
    ("openai.azure.us", AZURE),
    ("openai.azure.cn", AZURE),
    ("cognitiveservices.azure.com", AZURE),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("amazonaws.com", "aws.bedrock"),
    ("anthropic.com", "anthropic"),
    ("cohere.com", "cohere"),
    ("cohere.ai", "cohere"),
    ("deepseek.com", "deepseek"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("groq.com", "groq"),
    ("mistral.ai", "mistral_ai"),
    ("moonshot.ai", "moonshot_ai"),
    ("moonshot.cn", "moonshot_ai"),
    ("perplexity.ai", "perplexity"),
    ("x.ai", "x_ai"),
];

//! Answers of a model.

use std::{borrow::Cow, ops::Add};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use super::{decode_error::DecodeError, finish_reason::FinishReason};
use crate::{content::Part, message::Message, messages::Messages};

/// An answer of a model: the message, the finish reason and the usage.
///
/// # Examples
///
/// ```
/// use conversant_core::{FinishReason, Message, Reply};
///
/// let reply = Reply::new(Message::ai("Hello!")).with_finish_reason(FinishReason::Stop);
/// assert_eq!(reply.text(), "Hello!");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reply {
    /// The answer.
    pub message: Message,
    /// The finish reason, if the server sent one.
    pub finish_reason: Option<FinishReason>,
    /// The usage, if the server sent it.
    pub usage: Option<Usage>,
    /// The name of the model, as the server reports it.
    pub model: Option<String>,
    /// The server's id of the request, for reports to its operator.
    pub request_id: Option<String>,
    /// Whether the stream ended with the marker that its protocol defines (`[DONE]` for OpenAI);
    /// `true` for an answer that was not streamed.
    #[serde(default = "yes")]
    pub done_marker_seen: bool,
    /// Whether a cache answered, so that nothing was paid for: then the usage is 0.
    #[serde(default, skip_serializing_if = "is_false")]
    pub from_cache: bool,
    /// The other answers, if more than one was requested.
    #[serde(default)]
    pub alternatives: Vec<Choice>,
    /// The messages before the answer that belong to the same turn, such as the tool calls of a
    /// tool loop and their results. A chain stores them with the answer.
    #[serde(default, skip_serializing_if = "Messages::is_empty")]
    pub intermediate: Messages,
    /// The results of those calls of the answer that a tool loop has run, if the caller has to run
    /// others ([`open_calls`](Self::open_calls)). They follow the answer, before the caller's.
    #[serde(default, skip_serializing_if = "Messages::is_empty")]
    pub call_results: Messages,
}

const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Reply {
    /// Creates a reply from its message alone.
    #[must_use]
    pub const fn new(message: Message) -> Self {
        Self {
            message,
            finish_reason: None,
            usage: None,
            model: None,
            request_id: None,
            done_marker_seen: true,
            from_cache: false,
            alternatives: Vec::new(),
            intermediate: Messages::new(),
            call_results: Messages::new(),
        }
    }

    /// Sets the finish reason.
    #[must_use]
    pub fn with_finish_reason(mut self, reason: impl Into<FinishReason>) -> Self {
        self.finish_reason = Some(reason.into());
        self
    }

    /// Sets the usage.
    #[must_use]
    pub const fn with_usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Sets the name of the model.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the server's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// Sets whether the stream ended with its end marker.
    #[must_use]
    pub const fn with_done_marker_seen(mut self, seen: bool) -> Self {
        self.done_marker_seen = seen;
        self
    }

    /// Sets whether a cache answered.
    #[must_use]
    pub const fn with_from_cache(mut self, from_cache: bool) -> Self {
        self.from_cache = from_cache;
        self
    }

    /// Sets the other answers.
    #[must_use]
    pub fn with_alternatives(mut self, alternatives: Vec<Choice>) -> Self {
        self.alternatives = alternatives;
        self
    }

    /// Sets the messages before the answer that belong to the same turn.
    #[must_use]
    pub fn with_intermediate(mut self, messages: impl Into<Messages>) -> Self {
        self.intermediate = messages.into();
        self
    }

    /// Sets the results of those calls of the answer that have run.
    #[must_use]
    pub fn with_call_results(mut self, results: impl Into<Messages>) -> Self {
        self.call_results = results.into();
        self
    }

    /// Returns the answer's text: of parts, the text parts, joined as a stream joins its pieces.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        let content = self.message.content();
        match content.as_text() {
            Some(text) => Cow::Borrowed(text),
            None => content.parts().iter().filter_map(Part::as_text).collect::<String>().into(),
        }
    }

    /// Returns the model's reasoning, if its server sent it as text. It is not part of the
    /// answer's text.
    #[must_use]
    pub fn reasoning(&self) -> Option<Cow<'_, str>> {
        self.message.reasoning()
    }

    /// Parses the answer's text as JSON, as a [`ResponseFormat`](crate::ResponseFormat) requests
    /// it.
    ///
    /// # Errors
    /// [`DecodeError`] if the text is not JSON or not of this type. The error holds the text and
    /// names the place of the fault without quoting it.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Reply};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Verdict {
    ///     yes: bool,
    /// }
    ///
    /// let reply = Reply::new(Message::ai(r#"{"yes": true}"#));
    /// assert!(reply.json::<Verdict>()?.yes);
    /// # Ok::<(), conversant_core::DecodeError>(())
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        let text = self.text();
        serde_json::from_str(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let what = match error.classify() {
                Category::Data => "its JSON is of another form than was asked for",
                Category::Eof => "its JSON is cut off",
                Category::Io | Category::Syntax => "it is not JSON",
            };
            DecodeError::new(format!("{what} (line {line}, column {column})"))
                .with_body(text.into_owned())
        })
    }
}

/// One of several answers to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Choice {
    /// The answer.
    pub message: Message,
    /// The finish reason, if the server sent one.
    pub finish_reason: Option<FinishReason>,
}

impl Choice {
    /// Creates an answer.
    #[must_use]
    pub const fn new(message: Message, finish_reason: Option<FinishReason>) -> Self {
        Self { message, finish_reason }
    }
}

/// The tokens that a call used.
///
/// # Examples
///
/// ```
/// use conversant_core::Usage;
///
/// let sum = Usage::new(1_000, 50).with_cached_tokens(900) + Usage::new(20, 5);
/// assert_eq!((sum.input_tokens, sum.total_tokens, sum.cached_tokens), (1_020, 1_075, Some(900)));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens of the prompt, including those read from or written to the provider's cache.
    pub input_tokens: u64,
    /// Tokens of the answer, including reasoning.
    pub output_tokens: u64,
    /// The total that the server reports, which is usually the sum of the two.
    pub total_tokens: u64,
    /// Tokens of the prompt that were read from the provider's cache, if the server reports them.
    pub cached_tokens: Option<u64>,
    /// Tokens of the prompt that were written to the provider's cache, if the server reports them.
    pub cache_write_tokens: Option<u64>,
    /// Tokens of reasoning, if the server reports them.
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Creates the usage of a call; the total is the sum.
    #[must_use]
    pub const fn new(input_tokens: u64, output_tokens: u64) -> Self {
        Self {
            input_tokens,
            output_tokens,
            total_tokens: input_tokens.saturating_add(output_tokens),
            cached_tokens: None,
            cache_write_tokens: None,
            reasoning_tokens: None,
        }
    }

    /// Sets the tokens of the prompt that were read from the provider's cache.
    #[must_use]
    pub const fn with_cached_tokens(mut self, tokens: u64) -> Self {
        self.cached_tokens = Some(tokens);
        self
    }

    /// Sets the tokens of the prompt that were written to the provider's cache.
    #[must_use]
    pub const fn with_cache_write_tokens(mut self, tokens: u64) -> Self {
        self.cache_write_tokens = Some(tokens);
        self
    }

    /// Sets the tokens of reasoning.
    #[must_use]
    pub const fn with_reasoning_tokens(mut self, tokens: u64) -> Self {
        self.reasoning_tokens = Some(tokens);
        self
    }

    /// Sets the total, where the server's is not the sum.
    #[must_use]
    pub const fn with_total_tokens(mut self, total_tokens: u64) -> Self {
        self.total_tokens = total_tokens;
        self
    }
}

impl Add for Usage {
    type Output = Self;

    /// Adds two usages. A count that only one of them has is kept.
    fn add(self, other: Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            total_tokens: self.total_tokens.saturating_add(other.total_tokens),
            cached_tokens: sum(self.cached_tokens, other.cached_tokens),
            cache_write_tokens: sum(self.cache_write_tokens, other.cache_write_tokens),
            reasoning_tokens: sum(self.reasoning_tokens, other.reasoning_tokens),
        }
    }
}

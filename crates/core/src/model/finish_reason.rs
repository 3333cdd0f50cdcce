//! The reasons why models stop, by the names of all servers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::shortened::shown_name;

/// The reason why a model stopped. Unknown reasons are preserved as [`FinishReason::Other`].
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum FinishReason {
    /// The answer is complete, or the model reached a stop sequence.
    Stop,
    /// The answer reached the token limit.
    Length,
    /// A content filter cut the answer off.
    ContentFilter,
    /// The model calls tools.
    ToolCalls,
    /// Another reason, by its name.
    Other(String),
}

impl FinishReason {
    /// Returns the reason's name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::ToolCalls => "tool_calls",
            Self::Other(reason) => reason,
        }
    }

    /// Returns whether a limit, a filter, the server itself or a fault cut the answer off, by the
    /// names that servers use, in any case.
    ///
    /// A chain marks the turn of such an answer as
    /// [incomplete](crate::Turn::is_incomplete).
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::FinishReason;
    ///
    /// assert!(FinishReason::Length.is_cut_off());
    /// assert!(FinishReason::from("MAX_TOKENS").is_cut_off());
    /// assert!(!FinishReason::from("end_turn").is_cut_off());
    /// ```
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        let reason = match self {
            Self::Stop | Self::ToolCalls => return false,
            Self::Length | Self::ContentFilter => return true,
            Self::Other(reason) => plain(reason),
        };
        // Such as `incomplete: safety`.
        let name = reason.split_once(':').map_or(reason.as_str(), |(name, _)| name);
        TOKEN_LIMITS.contains(&name) || CUT_OFF.contains(&name) || self.is_failure()
    }

    /// Returns whether a limit of tokens ended the answer, that of answers or that of the model's
    /// context, by the names that servers use, in any case. Another answer to the same prompt would
    /// be cut off as well.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::FinishReason;
    ///
    /// assert!(FinishReason::Length.is_token_limit());
    /// assert!(FinishReason::from("MAX_TOKENS").is_token_limit());
    /// assert!(!FinishReason::ContentFilter.is_token_limit());
    /// ```
    #[must_use]
    pub fn is_token_limit(&self) -> bool {
        match self {
            Self::Length => true,
            Self::Stop | Self::ContentFilter | Self::ToolCalls => false,
            Self::Other(reason) => {
                // Such as `incomplete: max_tokens`.
                let reason = plain(reason);
                let name = reason.rsplit(':').next().unwrap_or_default();
                TOKEN_LIMITS.contains(&name.trim_start())
            }
        }
    }

    /// Returns whether a fault ended the answer, by the names that servers use, in any case. The
    /// adapters of conversant return an error then.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::FinishReason;
    ///
    /// assert!(FinishReason::from("MALFORMED_FUNCTION_CALL").is_failure());
    /// assert!(!FinishReason::Length.is_failure());
    /// ```
    #[must_use]
    pub fn is_failure(&self) -> bool {
        // The known reasons are not failures.
        let Self::Other(reason) = self else { return false };
        let lower = reason.to_ascii_lowercase();
        FAILURES.iter().any(|word| lower.contains(word))
    }
}

/// Parts of the reasons of servers for an answer that a fault has ended, in lower case.
const FAILURES: &[&str] = &[
    // OpenRouter, Zhipu and others.
    "error",
    "fail",
    // vLLM, SGLang.
    "abort",
    "cancel",
    "timeout",
    // DeepSeek.
    "insufficient_system_resource",
    // Gemini: a call that it could not write, or of no tool of the request.
    "malformed_function_call",
    "unexpected_tool_call",
];

/// Returns a reason of a server in the form of the lists.
fn plain(reason: &str) -> String {
    reason.trim().to_ascii_lowercase().replace('-', "_")
}

/// The reasons of servers for an answer that a limit of tokens has cut off, in lower case.
const TOKEN_LIMITS: &[&str] = &[
    // A limit of the answer.
    "length",
    "max_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "max_output_reached",
    "max_length",
    "token_limit",
    // The context is full: Mistral; Anthropic, Zhipu, Bedrock; others.
    "model_length",
    "model_context_window_exceeded",
    "context_window",
    "context_window_exceeded",
    "context_length",
    "context_length_exceeded",
];

/// The other reasons of servers for an answer that was cut off, in lower case.
const CUT_OFF: &[&str] = &[
    "time_limit",
    // A filter: OpenAI, Azure; Bedrock; Zhipu.
    "content_filter",
    "content_filtered",
    "guardrail_intervened",
    "sensitive",
    // Gemini's filters.
    "safety",
    "recitation",
    "language",
    "blocklist",
    "prohibited_content",
    "spii",
    "image_safety",
    "image_prohibited_content",
    "image_recitation",
    // The server stopped: a repetition, a load, another turn. OpenAI's Responses interface, vLLM.
    "incomplete",
    "max_messages",
    "steered",
    "interrupted",
    "preempted",
    "load_shed",
    "repetition",
    "repetition_truncation",
    "truncated",
    // Anthropic: the turn goes on in another request.
    "pause_turn",
];

impl From<&str> for FinishReason {
    fn from(reason: &str) -> Self {
        match reason {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "content_filter" => Self::ContentFilter,
            "tool_calls" => Self::ToolCalls,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl From<String> for FinishReason {
    fn from(reason: String) -> Self {
        Self::from(reason.as_str())
    }
}

impl From<FinishReason> for String {
    fn from(reason: FinishReason) -> Self {
        reason.as_str().to_owned()
    }
}

impl fmt::Display for FinishReason {
    /// Shows a reason as errors and logs do: one that is not a word
    /// ([`shown_name`](crate::shown_name)) by its size. [`as_str`](Self::as_str) has all of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A new reason for which an answer is incomplete has that before it.
        if let Some(("incomplete", reason)) = self.as_str().split_once(": ") {
            return write!(f, "incomplete: {}", shown_name(reason));
        }
        f.write_str(&shown_name(self.as_str()))
    }
}

impl fmt::Debug for FinishReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop => f.write_str("Stop"),
            Self::Length => f.write_str("Length"),
            Self::ContentFilter => f.write_str("ContentFilter"),
            Self::ToolCalls => f.write_str("ToolCalls"),
            Self::Other(_) => f.debug_tuple("Other").field(&self.to_string()).finish(),
        }
    }
}

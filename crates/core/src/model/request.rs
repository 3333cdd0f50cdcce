//! What a model is asked.

use std::{fmt, time::Instant};

use super::tools::{ResponseFormat, ToolChoice, ToolDefinition};
use crate::{messages::Messages, turn::TurnId};

/// What holds for one call, whatever the model: stop sequences, the deadline, the turn.
///
/// # Examples
///
/// ```
/// use conversant_core::CallOptions;
///
/// let options = CallOptions::new().with_stop(["\nHuman:"]);
/// assert_eq!(options.stop, ["\nHuman:"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CallOptions {
    /// Texts before which the model stops. Empty: the model's own setting holds.
    pub stop: Vec<String>,
    /// When the call must be over, retries included. The model keeps to it.
    pub deadline: Option<Instant>,
    /// The turn that the call is for: a call that is repeated under one id is saved once. `None`: the chain makes one.
    pub turn_id: Option<TurnId>,
    /// The tools that the model may ask to be called. Empty: the model's own setting holds.
    pub tools: Vec<ToolDefinition>,
    /// Whether the model calls tools. `None`: the model's own setting holds.
    pub tool_choice: Option<ToolChoice>,
    /// Whether the model may ask for several calls at once. `None`: the model's own setting holds.
    pub parallel_tool_calls: Option<bool>,
    /// The form that the answer must have. `None`: the model's own setting holds.
    pub response_format: Option<ResponseFormat>,
}

impl CallOptions {
    /// Creates options that ask for nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stop: Vec::new(),
            deadline: None,
            turn_id: None,
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            response_format: None,
        }
    }

    /// Sets the texts before which the model stops.
    #[must_use]
    pub fn with_stop(mut self, stop: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.stop = stop.into_iter().map(Into::into).collect();
        self
    }

    /// Sets when the call must be over.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the turn that the call is for.
    #[must_use]
    pub const fn with_turn_id(mut self, id: TurnId) -> Self {
        self.turn_id = Some(id);
        self
    }

    /// Sets the tools that the model may ask to be called.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{CallOptions, ToolChoice, ToolDefinition};
    /// use serde_json::json;
    ///
    /// let clock = ToolDefinition::new("clock", json!({"type": "object", "properties": {}}));
    /// let options = CallOptions::new().with_tools([clock]).with_tool_choice(ToolChoice::Required);
    /// assert_eq!(options.tools.len(), 1);
    /// ```
    #[must_use]
    pub fn with_tools(mut self, tools: impl IntoIterator<Item = ToolDefinition>) -> Self {
        self.tools = tools.into_iter().collect();
        self
    }

    /// Sets whether the model calls tools.
    #[must_use]
    pub fn with_tool_choice(mut self, choice: ToolChoice) -> Self {
        self.tool_choice = Some(choice);
        self
    }

    /// Sets whether the model may ask for several calls at once.
    #[must_use]
    pub const fn with_parallel_tool_calls(mut self, parallel: bool) -> Self {
        self.parallel_tool_calls = Some(parallel);
        self
    }

    /// Sets the form that the answer must have.
    #[must_use]
    pub fn with_response_format(mut self, format: ResponseFormat) -> Self {
        self.response_format = Some(format);
        self
    }
}

/// What a chat model is asked: messages, and the call's options.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ChatRequest {
    /// The messages.
    pub messages: Messages,
    /// The call's options.
    pub options: CallOptions,
}

impl ChatRequest {
    /// Creates a request without options.
    #[must_use]
    pub fn new(messages: impl Into<Messages>) -> Self {
        Self { messages: messages.into(), options: CallOptions::new() }
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }
}

/// What a completion model is asked: a text to continue, and the call's options.
///
/// `Debug` withholds the text.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CompletionRequest {
    /// The text to continue.
    pub prompt: String,
    /// The call's options.
    pub options: CallOptions,
}

impl CompletionRequest {
    /// Creates a request without options.
    #[must_use]
    pub fn new(prompt: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), options: CallOptions::new() }
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }
}

impl fmt::Debug for CompletionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionRequest")
            .field("prompt", &format_args!("<{} bytes>", self.prompt.len()))
            .field("options", &self.options)
            .finish()
    }
}

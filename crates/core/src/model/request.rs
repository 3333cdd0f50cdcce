//! Requests to a model.

use std::{fmt, time::Duration};

use super::{
    error::{ModelError, TimeoutPhase},
    tools::{ResponseFormat, ToolChoice, ToolDefinition},
};
use crate::{clock::Instant, messages::Messages, observer::EventEmitter, turn::TurnId};

/// The options of one call, independent of the model: stop sequences, the deadline, the turn.
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
    /// Stop sequences. If empty, the model's own setting applies.
    pub stop: Vec<String>,
    /// The deadline of the whole call. A model adapter enforces it for the call of the model,
    /// including retries; a chain enforces it for all of its steps.
    pub deadline: Option<Instant>,
    /// Whether a chain fails at once instead of waiting for other calls of its conversation.
    pub no_wait: bool,
    /// The id of the turn. If `None`, the chain creates an id.
    ///
    /// A call that is repeated with the same id is saved once. A chain whose outputs can be made
    /// from the stored answer (`Chain::restore`) returns it without calling a model, and sets
    /// [`Reply::from_cache`](crate::Reply::from_cache). Any other chain fails with
    /// `ChainError::AlreadyAnswered`, which has the stored turn. If the stored turn has another
    /// question or an incomplete answer, the call fails before a model is called.
    ///
    /// The turn is found anywhere in a store with branches, and among the last 16 turns in one
    /// without. If it is not found, or the store cannot list turns, models are called again, and
    /// another answer than the stored one is not saved.
    pub turn_id: Option<TurnId>,
    /// The tools that the model may call. If empty, the model's own setting applies.
    pub tools: Vec<ToolDefinition>,
    /// The constraint on tool calls. If `None`, the model's own setting applies.
    pub tool_choice: Option<ToolChoice>,
    /// Whether the model may call several tools at once. If `None`, the model's own setting
    /// applies.
    pub parallel_tool_calls: Option<bool>,
    /// The format of the answer. If `None`, the model's own setting applies.
    pub response_format: Option<ResponseFormat>,
    /// The key of the provider's prompt cache. Requests with one key are routed to the same cache.
    /// If `None`, the model's own setting applies.
    pub prompt_cache_key: Option<String>,
    /// The sender of the call's events. A chain sets it for its observers; models, layers and tools
    /// report through it.
    pub events: EventEmitter,
}

impl CallOptions {
    /// Creates options that leave everything to the model's settings.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stop: Vec::new(),
            deadline: None,
            no_wait: false,
            turn_id: None,
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            response_format: None,
            prompt_cache_key: None,
            events: EventEmitter::disabled(),
        }
    }

    /// Sets the stop sequences.
    #[must_use]
    pub fn with_stop(mut self, stop: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.stop = stop.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the deadline of the whole call.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use conversant_core::CallOptions;
    ///
    /// let options = CallOptions::new().with_deadline(Instant::now() + Duration::from_secs(30));
    /// assert!(options.deadline.is_some());
    /// ```
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the deadline of the whole call to a time from now. A time beyond the clock's range is
    /// no deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use conversant_core::CallOptions;
    ///
    /// let options = CallOptions::new().with_timeout(Duration::from_secs(30));
    /// assert!(options.deadline.is_some());
    /// assert_eq!(CallOptions::new().with_timeout(Duration::MAX).deadline, None);
    /// ```
    #[must_use]
    pub fn with_timeout(mut self, time: Duration) -> Self {
        self.deadline = Instant::now().checked_add(time);
        self
    }

    /// Returns an error if the deadline has passed. A custom model calls it before it answers; a
    /// model that waits also ends its waits at [`deadline`](Self::deadline).
    ///
    /// # Errors
    /// [`ModelError::Timeout`] in the phase [`TimeoutPhase::Total`], as each model fails then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use conversant_core::CallOptions;
    ///
    /// assert!(CallOptions::new().check_deadline().is_ok());
    /// let passed = CallOptions::new().with_timeout(Duration::ZERO);
    /// assert_eq!(
    ///     passed.check_deadline().unwrap_err().to_string(),
    ///     "cannot get an answer: the call's deadline passed before it began"
    /// );
    /// ```
    pub fn check_deadline(&self) -> Result<(), ModelError> {
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() => {
                Err(ModelError::Timeout { phase: TimeoutPhase::Total, after: Duration::ZERO })
            }
            _ => Ok(()),
        }
    }

    /// Lets a chain fail at once, instead of waiting, if its conversation has another call.
    #[must_use]
    pub const fn with_no_wait(mut self) -> Self {
        self.no_wait = true;
        self
    }

    /// Sets the id of the turn.
    ///
    /// A turn is stored once for an id. If another caller saves another answer under the same id
    /// while this call runs, or a part of one, that stays stored. This call then fails with its
    /// answer in the error (`ChainError::NotSaved`), whose cause is
    /// [`HistoryError::TurnIdInUse`](crate::HistoryError::TurnIdInUse). If the other answer is the
    /// same, both calls return it.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{CallOptions, TurnId};
    ///
    /// // A client that sends its question again sends the same id, and is answered from the store.
    /// let id: TurnId = "019ab000-0000-7000-8000-000000000001".parse()?;
    /// assert_eq!(CallOptions::new().with_turn_id(id).turn_id, Some(id));
    /// # Ok::<(), conversant_core::TurnIdError>(())
    /// ```
    #[must_use]
    pub const fn with_turn_id(mut self, id: TurnId) -> Self {
        self.turn_id = Some(id);
        self
    }

    /// Sets the tools that the model may call.
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

    /// Sets the constraint on tool calls.
    #[must_use]
    pub fn with_tool_choice(mut self, choice: ToolChoice) -> Self {
        self.tool_choice = Some(choice);
        self
    }

    /// Lets the model decide whether it calls more tools, after tools have run: a choice that
    /// forces a call becomes [`ToolChoice::Auto`]. Without a choice, so does one of the model's own
    /// settings, if `model_is_forced`
    /// ([`ModelDescription::forces_tools`](crate::ModelDescription::forces_tools)). A model that
    /// must call a tool in each answer would never answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{CallOptions, ToolChoice};
    ///
    /// let mut options = CallOptions::new().with_tool_choice(ToolChoice::Required);
    /// options.lift_forced_choice(false);
    /// assert_eq!(options.tool_choice, Some(ToolChoice::Auto));
    /// ```
    pub fn lift_forced_choice(&mut self, model_is_forced: bool) {
        let choice = &mut self.tool_choice;
        if choice.as_ref().map_or(model_is_forced, ToolChoice::is_forced) {
            *choice = Some(ToolChoice::Auto);
        }
    }

    /// Sets whether the model may call several tools at once. By default the provider decides.
    #[must_use]
    pub const fn with_parallel_tool_calls(mut self, parallel: bool) -> Self {
        self.parallel_tool_calls = Some(parallel);
        self
    }

    /// Sets the key of the provider's prompt cache: one for a conversation, or for requests that
    /// share a long prefix. Adapters leave it out for servers that do not know it, and shorten what
    /// is longer than 64 characters.
    #[must_use]
    pub fn with_prompt_cache_key(mut self, key: impl Into<String>) -> Self {
        self.prompt_cache_key = Some(key.into());
        self
    }

    /// Sets the sender of the call's events.
    #[must_use]
    pub fn with_events(mut self, events: EventEmitter) -> Self {
        self.events = events;
        self
    }

    /// Sets the format of the answer.
    #[must_use]
    pub fn with_response_format(mut self, format: ResponseFormat) -> Self {
        self.response_format = Some(format);
        self
    }
}

/// A request to a chat model: messages and the call's options.
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

/// A request to a completion model: a text to continue and the call's options.
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

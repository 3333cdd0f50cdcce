//! The record of a call: usage, cost, model, times.

use std::{ops::Add, time::Duration};

use super::cost::Cost;
use crate::{
    clock::SystemTime,
    model::{FinishReason, Usage},
};

/// The record of a call. Observers receive it in
/// [`Event::CallEnded`](crate::Event::CallEnded); a chain can store it with the turn, and
/// [`Message::call_record`](crate::Message::call_record) and
/// [`Turn::call_record`](crate::Turn::call_record) read it.
///
/// # Examples
///
/// ```
/// use conversant_core::{CallRecord, Message, Turn, Usage};
///
/// let record = CallRecord::new().with_model("gpt-6-luna").with_usage(Usage::new(8, 17));
/// let answer = Message::ai("Hello!").with_call_record(&record);
/// let turn = Turn::new(vec![Message::human("Hi"), answer]);
/// assert_eq!(turn.call_record(), Some(record));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CallRecord {
    /// The model's name, as the server reported it, or else as it was requested.
    pub model: Option<String>,
    /// The finish reason of the answer.
    pub finish_reason: Option<FinishReason>,
    /// The usage of all requests of the call, if servers reported it. The requests of the memory
    /// are among them; in a stored record, those before the turn was saved. An answer from a cache
    /// counts as 0 tokens.
    pub usage: Option<Usage>,
    /// The cost of the usage, if the prices are known.
    pub cost: Option<Cost>,
    /// The time at which the call started.
    pub started_at: Option<SystemTime>,
    /// The times that the parts of the call took.
    pub timings: Timings,
    /// The number of attempts that failed and were repeated.
    pub retries: u32,
    /// The number of tool calls that a tool loop ran.
    pub tool_calls: u32,
    /// The number of requests that a cache answered.
    pub cache_hits: u32,
}

/// The times that the parts of a call took. A part that the call did not reach is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Waiting for other calls of the conversation.
    pub queue: Option<Duration>,
    /// Loading the memory, its requests to models included.
    pub load: Option<Duration>,
    /// From the start of the call to the first piece of the answer, if the answer is streamed.
    pub first_token: Option<Duration>,
    /// The requests for the answer together, retries included.
    pub model: Option<Duration>,
    /// Saving the turn, and the memory's maintenance. Not part of a stored record.
    pub save: Option<Duration>,
    /// The whole call. In a stored record, the time until the turn was saved.
    pub total: Option<Duration>,
}

impl CallRecord {
    /// Creates an empty record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the model's name.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
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

    /// Sets the cost.
    #[must_use]
    pub const fn with_cost(mut self, cost: Cost) -> Self {
        self.cost = Some(cost);
        self
    }

    /// Sets the time at which the call started.
    #[must_use]
    pub const fn with_started_at(mut self, time: SystemTime) -> Self {
        self.started_at = Some(time);
        self
    }

    /// Sets the times of the parts.
    #[must_use]
    pub const fn with_timings(mut self, timings: Timings) -> Self {
        self.timings = timings;
        self
    }

    /// Returns the record of a turn that this call and an earlier one made: the model and the
    /// finish reason of this one, the start of the earlier one, and the sums of both.
    #[must_use]
    pub fn after(mut self, earlier: &Self) -> Self {
        fn sum<T>(a: Option<T>, b: Option<T>, add: fn(T, T) -> T) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(add(a, b)),
                (a, b) => a.or(b),
            }
        }
        let time = |a, b| sum(a, b, Duration::saturating_add);
        let (times, before) = (self.timings, earlier.timings);
        self.usage = sum(self.usage, earlier.usage, Add::add);
        self.cost = sum(self.cost, earlier.cost, Add::add);
        self.started_at = earlier.started_at.or(self.started_at);
        self.retries = self.retries.saturating_add(earlier.retries);
        self.tool_calls = self.tool_calls.saturating_add(earlier.tool_calls);
        self.cache_hits = self.cache_hits.saturating_add(earlier.cache_hits);
        self.timings = Timings {
            queue: time(times.queue, before.queue),
            load: time(times.load, before.load),
            first_token: before.first_token.or(times.first_token),
            model: time(times.model, before.model),
            save: time(times.save, before.save),
            total: time(times.total, before.total),
        };
        self
    }
}

//! Sums over calls.

use super::{
    call_record::CallRecord,
    cost::Cost,
    event::{CallResult, Event},
};
use crate::{model::Usage, turn::Turn};

/// Sums over calls: of a process, a session, or stored turns.
///
/// # Examples
///
/// The totals of a stored conversation:
///
/// ```
/// use conversant_core::{CallRecord, Message, Totals, Turn, Usage};
///
/// let record = CallRecord::new().with_usage(Usage::new(8, 17));
/// let answer = Message::ai("Hello!").with_call_record(&record);
/// let turns = [Turn::new(vec![Message::human("Hi"), answer])];
/// let totals = Totals::of_turns(&turns);
/// assert_eq!((totals.calls, totals.usage.input_tokens, totals.usage.output_tokens), (1, 8, 17));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// The calls that have ended.
    pub calls: u64,
    /// The calls that failed.
    pub failures: u64,
    /// The calls whose future or stream was dropped before they ended.
    pub cancelled: u64,
    /// The attempts that failed and were repeated.
    pub retries: u64,
    /// The tool calls that tool loops ran.
    pub tool_calls: u64,
    /// The requests that a cache answered. They add nothing to the usage and the cost.
    pub cache_hits: u64,
    /// The usage, as servers reported it.
    pub usage: Usage,
    /// The cost of the calls whose prices are known.
    pub cost: Cost,
}

impl Totals {
    /// Adds a call.
    pub fn add(&mut self, record: &CallRecord) {
        self.calls = self.calls.saturating_add(1);
        self.add_sums(record);
    }

    fn add_sums(&mut self, record: &CallRecord) {
        self.retries = self.retries.saturating_add(record.retries.into());
        self.tool_calls = self.tool_calls.saturating_add(record.tool_calls.into());
        self.cache_hits = self.cache_hits.saturating_add(record.cache_hits.into());
        self.usage = self.usage + record.usage.unwrap_or_default();
        self.cost = self.cost + record.cost.unwrap_or_default();
    }

    /// Adds the call that an event ends. Of a memory's maintenance, it adds the sums and no call.
    /// Other events change nothing, so it can be called with all events of
    /// [`on_event`](crate::Observer::on_event). Do not call it with those of
    /// [`on_nested_event`](crate::Observer::on_nested_event): the sums of a call contain those of
    /// the calls inside it. [`Meter`](crate::Meter) is an observer that does so.
    pub fn add_event(&mut self, event: &Event<'_>) {
        let Event::CallEnded { result, record } = event else { return };
        if let CallResult::Maintained = result {
            return self.add_sums(record);
        }
        self.add(record);
        match result {
            CallResult::Maintained | CallResult::Answered | CallResult::ToolCalls => {}
            CallResult::Failed { .. } => self.failures = self.failures.saturating_add(1),
            CallResult::Cancelled => self.cancelled = self.cancelled.saturating_add(1),
        }
    }

    /// Sums the records that are stored with turns. Turns without a record count as calls.
    #[must_use]
    pub fn of_turns<'t>(turns: impl IntoIterator<Item = &'t Turn>) -> Self {
        let mut totals = Self::default();
        for turn in turns {
            totals.add(&turn.call_record().unwrap_or_default());
        }
        totals
    }
}

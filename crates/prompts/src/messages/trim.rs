//! Trimming a list of messages to a budget.

use std::{fmt, ops::Range};

use conversant_core::{Message, Messages, Role, TokenCounter};

/// The messages that [`trim_messages`] keeps.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, Messages, Role};
/// use conversant_prompts::{MessageTrim, trim_messages};
///
/// let messages = Messages::from_iter([
///     Message::system("Be brief."),
///     Message::human("one"),
///     Message::ai("1"),
///     Message::human("two"),
/// ]);
/// let trimmed = trim_messages(&messages, &MessageTrim::to_messages(3).start_on([Role::Human]).keep_system());
/// assert_eq!(trimmed.to_string(), "System: Be brief.\nHuman: two");
/// ```
#[derive(Clone)]
#[must_use]
pub struct MessageTrim<'c> {
    limit: usize,
    counter: Option<&'c dyn TokenCounter>,
    first: bool,
    keep_system: bool,
    start_on: Vec<Role>,
    end_on: Vec<Role>,
}

impl<'c> MessageTrim<'c> {
    /// Keeps the last messages that have at most `limit` tokens together.
    pub fn to_tokens(limit: usize, counter: &'c dyn TokenCounter) -> Self {
        Self { counter: Some(counter), ..Self::to_messages(limit) }
    }

    /// Keeps at most the last `limit` messages.
    pub fn to_messages(limit: usize) -> Self {
        Self {
            limit,
            counter: None,
            first: false,
            keep_system: false,
            start_on: Vec::new(),
            end_on: Vec::new(),
        }
    }

    /// Keeps the first messages instead of the last.
    pub fn first(mut self) -> Self {
        self.first = true;
        self
    }

    /// Keeps a system message at the front, which counts against the budget first.
    pub fn keep_system(mut self) -> Self {
        self.keep_system = true;
        self
    }

    /// Lets what is kept begin with a message of one of these roles; what comes before is dropped
    /// too.
    pub fn start_on(mut self, roles: impl IntoIterator<Item = Role>) -> Self {
        self.start_on = roles.into_iter().collect();
        self
    }

    /// Lets what is kept end with a message of one of these roles; what comes after is dropped too.
    pub fn end_on(mut self, roles: impl IntoIterator<Item = Role>) -> Self {
        self.end_on = roles.into_iter().collect();
        self
    }

    fn cost(&self, message: &Message) -> usize {
        self.counter.map_or(1, |counter| counter.count_message(message))
    }
}

impl fmt::Debug for MessageTrim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageTrim")
            .field("limit", &self.limit)
            .field("tokens", &self.counter.is_some())
            .field("first", &self.first)
            .field("keep_system", &self.keep_system)
            .field("start_on", &self.start_on)
            .field("end_on", &self.end_on)
            .finish()
    }
}

/// Trims messages to a budget. A message is kept whole or dropped, and one that calls tools never
/// without the results that follow it.
///
/// A message is counted only if it may still fit, and once. If not even the newest message fits,
/// nothing is kept but the system message. The order of the steps is LangChain's: of the last
/// messages, the end is cut first, then the budget, then the start.
#[must_use]
pub fn trim_messages(messages: &Messages, trim: &MessageTrim<'_>) -> Messages {
    let all: Vec<_> = messages.iter().collect();
    let has_system = trim.keep_system && all.first().is_some_and(|m| *m.role() == Role::System);
    let mut units = units(&all, usize::from(has_system));
    let system = all.first().filter(|_| has_system).map_or(0, |message| trim.cost(message));
    let mut kept =
        if system <= trim.limit && has_system { messages.slice(..1) } else { Messages::new() };
    let mut left = trim.limit.saturating_sub(system);

    let cost = |unit: &Range<usize>| -> usize {
        let messages = all.get(unit.clone()).unwrap_or_default().iter();
        messages.map(|message| trim.cost(message)).fold(0, usize::saturating_add)
    };
    let mut fits = |unit: &Range<usize>| match left.checked_sub(cost(unit)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let starts = |unit: &Range<usize>| {
        let role = all.get(unit.start).map(|message| message.role());
        trim.start_on.is_empty() || role.is_some_and(|role| trim.start_on.contains(role))
    };
    let ends = |unit: &Range<usize>| {
        let role = unit.end.checked_sub(1).and_then(|last| all.get(last)).map(|m| m.role());
        trim.end_on.is_empty() || role.is_some_and(|role| trim.end_on.contains(role))
    };

    if trim.first {
        units.drain(..units.iter().position(starts).unwrap_or(units.len()));
        units.truncate(units.iter().position(|unit| !fits(unit)).unwrap_or(units.len()));
        units.truncate(units.iter().rposition(ends).map_or(0, |last| last + 1));
    } else {
        units.truncate(units.iter().rposition(ends).map_or(0, |last| last + 1));
        units.drain(..units.iter().rposition(|unit| !fits(unit)).map_or(0, |last| last + 1));
        units.drain(..units.iter().position(starts).unwrap_or(units.len()));
    }
    if let (Some(first), Some(last)) = (units.first(), units.last()) {
        kept.append(&messages.slice(first.start..last.end));
    }
    kept
}

/// Splits messages into what must stay together: a message that calls tools with the results that
/// follow it, any other message alone.
fn units(messages: &[&Message], start: usize) -> Vec<Range<usize>> {
    let mut units: Vec<Range<usize>> = Vec::new();
    for (index, message) in messages.iter().enumerate().skip(start) {
        let is_result = matches!(message.role(), Role::Tool | Role::Function);
        match units.last_mut() {
            Some(unit) if is_result && calls(messages.get(unit.start).copied()) => {
                unit.end = index + 1;
            }
            _ => units.push(index..index + 1),
        }
    }
    units
}

/// Returns whether a message contains tool calls, or function calls in the older form.
fn calls(message: Option<&Message>) -> bool {
    message.is_some_and(|message| {
        let older = message.extra().get("additional_kwargs").is_some_and(|kwargs| {
            kwargs.get("function_call").is_some() || kwargs.get("tool_calls").is_some()
        });
        let invalid = !message.invalid_tool_calls().is_empty();
        *message.role() == Role::Ai && (!message.tool_calls().is_empty() || invalid || older)
    })
}

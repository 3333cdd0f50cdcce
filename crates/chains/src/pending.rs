//! Turns that wait for the results of tool calls.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

use conversant_core::{
    CallOptions, CallRecord, InvalidToolCall, Message, Messages, Reply, Role, ToolCall, TurnId,
    Variables,
};

use crate::{
    answer::Answer,
    resumed::{Completed, Resumed},
};

/// A turn whose last message has tool calls without results.
///
/// It is not stored, since providers refuse a conversation with unanswered tool calls. Run the
/// calls and continue the turn with `resume`, as often as the model calls tools; the whole exchange
/// is stored as one turn at its end. A call that fails leaves it as it was, so that it can be
/// resumed again with the same results. Dropping it gives the turn up. The loop of
/// `conversant-tools` does all of this. If it is the model, the calls of its own tools have run,
/// and their results are added with the others.
///
/// The tools, the stop sequences, the format and the cache key of its call hold for the calls that
/// continue it, unless their options have others. A choice that forces a call is lifted, also one
/// of the model's own settings.
///
/// `Debug` withholds message text.
///
/// # Examples
///
/// ```
/// use conversant_chains::LlmChain;
/// use conversant_core::{vars, Message, Reply, ToolCall};
/// use conversant_memory::BufferMemory;
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::ScriptedChat;
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let call = ToolCall::new("weather", json!({"city": "Kyoto"})).with_id("call_1");
/// let model = ScriptedChat::new([
///     Reply::new(Message::ai("").with_tool_calls([call])),
///     Reply::new(Message::ai("It is sunny.")),
/// ]);
/// let chain = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("{history}\nHuman: {question}")?)
///     .model(model)
///     .memory(BufferMemory::new())
///     .build()?;
/// let mut outcome = chain.invoke(vars! { "question" => "How is the weather?" }).await?;
/// while let Some(pending) = &outcome.pending {
///     let results = pending.tool_calls().iter().map(|call| {
///         Message::tool("sunny", call.id.clone().unwrap_or_default())
///     });
///     outcome = chain.resume(pending, results).await?;
/// }
/// assert_eq!(outcome.text(), "It is sunny.");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PendingTurn {
    pub(crate) inputs: Variables,
    pub(crate) turn_id: TurnId,
    /// The messages after the user's, the last of which has the calls.
    exchange: Messages,
    /// The results of the calls that a tool loop has run, and the calls that wait for theirs.
    results: Messages,
    open: Vec<ToolCall>,
    open_invalid: Vec<InvalidToolCall>,
    /// The steps that do not run again.
    completed: Option<Arc<Completed>>,
    /// The record of the turn's calls so far, if they are observed.
    record: Option<Box<CallRecord>>,
    /// The options that hold for the calls which continue the turn.
    options: Box<CallOptions>,
}

impl PendingTurn {
    /// Returns the pending turn of an answer whose tool calls have no results.
    pub(crate) fn of(
        answer: &Answer,
        turn_id: TurnId,
        inputs: Variables,
        record: Option<Box<CallRecord>>,
        options: &CallOptions,
    ) -> Option<Self> {
        let exchange = match (&answer.messages, &answer.reply) {
            (Some(messages), _) => messages.clone(),
            (None, Some(reply)) => {
                let mut messages = reply.intermediate.clone();
                messages.push(reply.message.clone());
                messages
            }
            (None, None) => return None,
        };
        let exchange = with_ids(exchange);
        let results = answer.reply.as_ref().map(|reply| reply.call_results.clone());
        let reply = Reply::new(exchange.last()?.clone());
        let reply = reply.with_call_results(results.unwrap_or_default());
        Some(Self {
            inputs,
            turn_id,
            open: reply.open_calls().into_iter().cloned().collect(),
            open_invalid: reply.open_invalid_calls().into_iter().cloned().collect(),
            results: reply.call_results,
            exchange,
            completed: answer.completed.clone(),
            record,
            options: Box::new(kept(options)),
        })
    }

    /// Returns whether the last message of an answer has tool calls.
    pub(crate) fn is_due(answer: &Answer) -> bool {
        let has_calls = |message: &Message| {
            !message.tool_calls().is_empty() || !message.invalid_tool_calls().is_empty()
        };
        match (&answer.messages, &answer.reply) {
            (Some(messages), _) => messages.last().is_some_and(has_calls),
            (None, Some(reply)) => has_calls(&reply.message),
            (None, None) => false,
        }
    }

    /// Returns the options of a call that continues the turn, with what the call before it asked of
    /// the model where they have nothing.
    pub(crate) fn continue_with(&self, options: CallOptions) -> CallOptions {
        let mut options = options.with_turn_id(self.turn_id);
        let kept = &*self.options;
        if options.tools.is_empty() {
            options.tools.clone_from(&kept.tools);
            options.tool_choice = options.tool_choice.or_else(|| kept.tool_choice.clone());
            options.parallel_tool_calls = options.parallel_tool_calls.or(kept.parallel_tool_calls);
        }
        if options.stop.is_empty() {
            options.stop.clone_from(&kept.stop);
        }
        if options.response_format.is_none() {
            options.response_format.clone_from(&kept.response_format);
        }
        if options.prompt_cache_key.is_none() {
            options.prompt_cache_key.clone_from(&kept.prompt_cache_key);
        }
        options
    }

    /// Returns the inputs of the call that continues the turn, and the part that is done.
    pub(crate) fn into_parts(self) -> (Variables, Resumed) {
        let Self { inputs, exchange, completed, record, .. } = self;
        (inputs, Resumed { exchange, completed, record })
    }

    /// Returns the steps that do not run again.
    pub(crate) const fn completed(&self) -> Option<&Arc<Completed>> {
        self.completed.as_ref()
    }

    /// Returns the turn's id.
    #[must_use]
    pub const fn turn_id(&self) -> TurnId {
        self.turn_id
    }

    /// Returns the tool calls that need results: those that no tool loop has run.
    #[must_use]
    pub fn tool_calls(&self) -> &[ToolCall] {
        &self.open
    }

    /// Returns the tool calls whose arguments are not valid JSON. They need results as well, such
    /// as a text that asks the model to correct the call.
    #[must_use]
    pub fn invalid_tool_calls(&self) -> &[InvalidToolCall] {
        &self.open_invalid
    }

    /// Adds the results: a tool message for each call. The error is the reason why they do not
    /// match.
    pub(crate) fn with_results(
        mut self,
        results: impl IntoIterator<Item = Message>,
    ) -> Result<Self, String> {
        let valid = self.tool_calls().iter().map(|call| &call.id);
        let invalid = self.invalid_tool_calls().iter().map(|call| &call.id);
        let ids: Vec<String> = valid.chain(invalid).flatten().cloned().collect();
        // Ids that a model gave twice need two results.
        let mut open: HashMap<&str, usize> = HashMap::new();
        for id in &ids {
            *open.entry(id).or_default() += 1;
        }
        let mut given = Messages::new();
        for result in results {
            let id = result.tool_call_id().unwrap_or_default();
            match open.get_mut(id).filter(|_| matches!(result.role(), Role::Tool)) {
                Some(count) if *count > 0 => *count -= 1,
                _ => return Err(format!("no open tool call has the id `{id}`")),
            }
            given.push(result);
        }
        match ids.iter().find(|id| open.get(id.as_str()).is_some_and(|count| *count > 0)) {
            Some(id) => Err(format!("tool call `{id}` has no result")),
            None => {
                self.exchange.append(&self.results);
                self.exchange.append(&given);
                Ok(self)
            }
        }
    }
}

/// Returns what a call asked of the model, without what belongs to that call alone.
fn kept(options: &CallOptions) -> CallOptions {
    let mut kept = CallOptions::new();
    kept.tools.clone_from(&options.tools);
    kept.stop.clone_from(&options.stop);
    kept.tool_choice.clone_from(&options.tool_choice);
    kept.lift_forced_choice(false);
    kept.parallel_tool_calls = options.parallel_tool_calls;
    kept.response_format.clone_from(&options.response_format);
    kept.prompt_cache_key.clone_from(&options.prompt_cache_key);
    kept
}

/// Gives the calls of the last message ids where they have none.
fn with_ids(exchange: Messages) -> Messages {
    let Some(Cow::Owned(last)) = exchange.last().map(Message::with_call_ids) else {
        return exchange;
    };
    let mut messages = exchange.slice(..exchange.len() - 1);
    messages.push(last);
    messages
}

impl fmt::Debug for PendingTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingTurn")
            .field("turn_id", &self.turn_id)
            .field("tool_calls", &self.tool_calls())
            .finish_non_exhaustive()
    }
}

//! The messages of one call of a loop, and what the rounds have used.

use std::{borrow::Cow, sync::Arc};

use conversant_core::{ChatRequest, Message, Messages, ModelError, Reply, Usage};

use crate::tool_set::ToolSet;

/// A call of a loop: the request with all that was exchanged so far.
pub(crate) struct Exchange {
    pub(crate) request: ChatRequest,
    /// The tool calls and their results.
    pub(crate) messages: Messages,
    pub(crate) rounds: usize,
    usage: Option<Usage>,
    /// Whether a cache answered all rounds.
    is_from_cache: bool,
}

impl Exchange {
    /// Starts a call: the request of the caller, with the loop's tools added to its own. A tool of
    /// the loop takes the place of one of the same name, since servers refuse a name that is there
    /// twice.
    pub(crate) fn new(request: &ChatRequest, tools: &ToolSet) -> Self {
        let mut request = request.clone();
        let own = &mut request.options.tools;
        own.retain(|tool| tools.get(&tool.name).is_none());
        own.extend(tools.definitions().cloned());
        Self { request, messages: Messages::new(), rounds: 0, usage: None, is_from_cache: true }
    }

    /// Takes the reply of a round: adds its usage and its own exchange, which it has if the model
    /// is a loop too, and gives its calls ids where they have none.
    pub(crate) fn receive(&mut self, reply: &mut Reply) {
        let own = std::mem::take(&mut reply.intermediate);
        if !own.is_empty() {
            self.request.messages.append(&own);
            self.messages.append(&own);
        }
        self.usage = match (self.usage, reply.usage) {
            (Some(sum), Some(usage)) => Some(sum + usage),
            (sum, usage) => sum.or(usage),
        };
        self.is_from_cache &= reply.from_cache;
        if let Cow::Owned(message) = reply.message.with_call_ids() {
            reply.message = message;
        }
    }

    /// Adds a round: the model's calls and their results, after those that a loop inside of this
    /// one has added. `is_forced` is whether the model's own settings force it to call a tool.
    pub(crate) fn add_round(&mut self, calls: Reply, results: Vec<Message>, is_forced: bool) {
        let inner = calls.call_results.iter_shared().map(Arc::clone);
        let answer = Arc::new(calls.message);
        let results = results.into_iter().map(Arc::new);
        for message in std::iter::once(answer).chain(inner).chain(results) {
            self.request.messages.push(Arc::clone(&message));
            self.messages.push(message);
        }
        self.rounds += 1;
        self.request.options.lift_forced_choice(is_forced);
    }

    /// Returns the model's answer in the last round.
    pub(crate) fn last_answer(&self) -> Option<&Message> {
        let mut answers = self.messages.iter().filter(|message| message.tool_call_id().is_none());
        answers.next_back()
    }

    /// Returns the error of a round, with the exchange of the rounds before it. If the model is a
    /// loop too, its rounds follow.
    pub(crate) fn failed(&self, error: ModelError) -> ModelError {
        error.after_tools(&self.messages)
    }

    /// Returns the last reply with the whole exchange.
    pub(crate) fn finish(self, mut reply: Reply) -> Reply {
        reply.usage = self.usage;
        reply.from_cache = self.is_from_cache;
        reply.intermediate = self.messages;
        reply
    }
}

//! The messages of one call of a loop, and what the rounds have used.

use conversant_core::{ChatRequest, Message, Messages, Reply, ToolChoice, TurnId, Usage};

use crate::tool_set::ToolSet;

/// A call of a loop: the request with all that was exchanged so far.
pub(crate) struct Exchange {
    pub(crate) request: ChatRequest,
    /// The tool calls and their results.
    pub(crate) messages: Messages,
    pub(crate) rounds: usize,
    usage: Option<Usage>,
}

impl Exchange {
    /// Starts a call: the request of the caller, with the loop's tools added to its own.
    pub(crate) fn new(request: &ChatRequest, tools: &ToolSet) -> Self {
        let mut request = request.clone();
        request.options.tools.extend(tools.definitions().cloned());
        Self { request, messages: Messages::new(), rounds: 0, usage: None }
    }

    /// Takes the reply of a round: adds its usage, and gives its calls ids where they have none.
    pub(crate) fn receive(&mut self, reply: &mut Reply) {
        self.usage = match (self.usage, reply.usage) {
            (Some(sum), Some(usage)) => Some(add(sum, usage)),
            (sum, usage) => sum.or(usage),
        };
        let mut calls = reply.message.tool_calls().to_vec();
        let mut invalid = reply.message.invalid_tool_calls().to_vec();
        let ids = calls.iter_mut().map(|call| &mut call.id);
        let ids = ids.chain(invalid.iter_mut().map(|call| &mut call.id));
        let mut is_changed = false;
        for id in ids.filter(|id| id.as_deref().is_none_or(str::is_empty)) {
            *id = Some(format!("call_{}", TurnId::random()));
            is_changed = true;
        }
        if is_changed {
            let message = reply.message.clone();
            reply.message = message.with_tool_calls(calls).with_invalid_tool_calls(invalid);
        }
    }

    /// Adds a round: the model's calls and their results.
    pub(crate) fn add_round(&mut self, calls: Message, results: Vec<Message>) {
        for message in std::iter::once(calls).chain(results) {
            self.request.messages.push(message.clone());
            self.messages.push(message);
        }
        self.rounds += 1;
        // A model that must call a tool would never answer.
        if self.request.options.tool_choice.as_ref().is_some_and(is_forced) {
            self.request.options.tool_choice = Some(ToolChoice::Auto);
        }
    }

    /// Returns the last reply with the whole exchange.
    pub(crate) fn finish(self, mut reply: Reply) -> Reply {
        reply.usage = self.usage;
        reply.intermediate = self.messages;
        reply
    }
}

fn is_forced(choice: &ToolChoice) -> bool {
    matches!(choice, ToolChoice::Required | ToolChoice::Tool(_))
}

fn add(sum: Usage, more: Usage) -> Usage {
    let both = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or_default().saturating_add(b.unwrap_or_default())),
    };
    let mut usage = Usage::new(
        sum.input_tokens.saturating_add(more.input_tokens),
        sum.output_tokens.saturating_add(more.output_tokens),
    )
    .with_total_tokens(sum.total_tokens.saturating_add(more.total_tokens));
    usage.cached_tokens = both(sum.cached_tokens, more.cached_tokens);
    usage.cache_write_tokens = both(sum.cache_write_tokens, more.cache_write_tokens);
    usage.reasoning_tokens = both(sum.reasoning_tokens, more.reasoning_tokens);
    usage
}

//! The messages of one call of a loop, and what the rounds have used.

use conversant_core::{
    ChatRequest, InvalidToolCall, Message, Messages, Reply, ToolCall, ToolChoice, TurnId, Usage,
};

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
        let lacks_id = |id: &Option<String>| id.as_deref().is_none_or(str::is_empty);
        let message = &reply.message;
        let has_all = message.tool_calls().iter().all(|call| !lacks_id(&call.id))
            && message.invalid_tool_calls().iter().all(|call| !lacks_id(&call.id));
        if !has_all {
            let with_id = |id: &mut Option<String>| {
                if lacks_id(id) {
                    *id = Some(format!("call_{}", TurnId::random()));
                }
            };
            let calls: Vec<ToolCall> = message
                .tool_calls()
                .iter()
                .cloned()
                .map(|mut call| {
                    with_id(&mut call.id);
                    call
                })
                .collect();
            let invalid: Vec<InvalidToolCall> = message
                .invalid_tool_calls()
                .iter()
                .cloned()
                .map(|mut call| {
                    with_id(&mut call.id);
                    call
                })
                .collect();
            reply.message =
                reply.message.clone().with_tool_calls(calls).with_invalid_tool_calls(invalid);
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

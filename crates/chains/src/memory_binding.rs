//! A memory bound to a chain: its queue, and the variables that make up a turn.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use conversant_core::{
    CallRecord, Memory, MemoryError, Message, Messages, Point, Role, SessionId, Turn, TurnId,
    Value, Variables, clock::Instant,
};

use crate::{
    answer::Answer,
    queue::{Enter, Queue},
    refused_answer::AnswerFault,
    wiring::TurnNames,
};

/// The time at which a memory's maintenance, such as a summary, is done.
///
/// # Examples
///
/// ```
/// use conversant_chains::{LlmChain, Maintenance};
/// use conversant_core::vars;
/// use conversant_memory::SummaryMemory;
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::ScriptedChat;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let chain = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("{history}\nHuman: {question}")?)
///     .model(ScriptedChat::new(["Hello!"]))
///     .memory(SummaryMemory::new(ScriptedChat::new(["A greeting."])))
///     .maintenance(Maintenance::Deferred)
///     .build()?;
/// let answer = chain.predict(vars! { "question" => "Hi" }).await?;
/// println!("{answer}");
/// // The user has the answer; now the summary is written.
/// chain.maintain().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Maintenance {
    /// After the turn is saved and before the call returns.
    #[default]
    Inline,
    /// When the caller calls `maintain()`, so that no answer waits for it.
    Deferred,
}

/// A memory, with the names that were fixed when the chain was built. Clones share the queue.
#[derive(Clone)]
pub(crate) struct MemoryBinding {
    memory: Arc<dyn Memory>,
    pub(crate) queue: Arc<Queue>,
    /// Empty only for a memory that saves no turns.
    names: TurnNames,
    /// Whether the model's reply is the answer of the turn. It is not if the memory's output key
    /// names another output than the first.
    stores_reply: bool,
    pub(crate) maintenance: Maintenance,
    queue_timeout: Duration,
    /// Whether the memory ends at a point, and not at the session's tip.
    is_at_point: bool,
}

impl MemoryBinding {
    pub(crate) fn new(
        memory: Arc<dyn Memory>,
        names: TurnNames,
        first_output: Option<&str>,
        maintenance: Maintenance,
        queue_timeout: Duration,
    ) -> Self {
        let stores_reply = names.output.is_none() || names.output.as_deref() == first_output;
        let queue = Arc::default();
        let is_at_point = false;
        Self { memory, queue, names, stores_reply, maintenance, queue_timeout, is_at_point }
    }

    /// Returns whether a turn contains the chain's first output.
    pub(crate) const fn stores_first_output(&self) -> bool {
        self.stores_reply
    }

    /// Returns a binding of the same conversation that ends at a point, if the memory has branches.
    /// It shares the queue.
    pub(crate) fn at(&self, point: Point) -> Option<Self> {
        Some(Self { memory: Arc::from(self.memory.at(point)?), is_at_point: true, ..self.clone() })
    }

    pub(crate) const fn is_at_point(&self) -> bool {
        self.is_at_point
    }

    pub(crate) fn shared_memory(&self) -> Arc<dyn Memory> {
        Arc::clone(&self.memory)
    }

    /// Waits for the conversation's place.
    pub(crate) fn enter(&self, no_wait: bool, deadline: Option<Instant>) -> Enter {
        self.queue.enter(no_wait, self.queue_timeout, deadline)
    }

    /// Returns the memory itself: called through the `Arc`, each of its futures would be boxed
    /// twice.
    pub(crate) fn memory(&self) -> &dyn Memory {
        &*self.memory
    }

    /// Returns the session of the conversation, if the memory is one of a session.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.memory().stored_in().map(|(_, session)| session.clone())
    }

    /// Returns the name of the variable with the user's input, if the memory saves turns.
    pub(crate) fn input_name(&self) -> Option<&str> {
        self.names.input.as_deref()
    }

    /// Returns the user's input of a call.
    pub(crate) fn input<'v>(&self, variables: &'v Variables) -> Option<&'v Value> {
        variables.get(self.input_name()?)
    }

    /// Returns the user's text of a call. Of messages, it is the text of the human ones, as it
    /// would be given without a transcript's prefixes; without those, their transcript.
    pub(crate) fn input_text<'v>(&self, variables: &'v Variables) -> Option<Cow<'v, str>> {
        let input = self.input(variables)?;
        if let Value::Messages(messages) = input {
            let human = messages.iter().filter(|message| *message.role() == Role::Human);
            let texts: Vec<_> = human.map(Message::text).collect();
            if !texts.is_empty() {
                return Some(Cow::Owned(texts.join("\n")));
            }
        }
        Some(input.to_text())
    }

    /// Returns the user's messages of a call.
    pub(crate) fn input_messages(&self, variables: &Variables) -> Messages {
        let mut messages = Messages::new();
        match self.input(variables) {
            Some(Value::Messages(given)) => messages = given.clone(),
            Some(value) => messages.push(Message::human(value.to_text().into_owned())),
            None => {}
        }
        messages
    }

    /// Checks that the user's messages can begin a turn that the memory saves: a turn without a
    /// question would begin the next prompt with an answer, and providers refuse calls without
    /// results.
    pub(crate) fn check(&self, input: &Messages) -> Result<(), MemoryError> {
        if self.input_name().is_some() {
            let refused = |reason: &str| Err(MemoryError::Custom(reason.into()));
            if input.is_empty() {
                return refused("the input has no messages");
            }
            if has_unanswered_calls(input) {
                return refused("the input has tool calls without results");
            }
        }
        self.memory.check(input)
    }

    /// Returns the fault of an answer whose messages cannot be those of a turn that the memory
    /// saves.
    pub(crate) fn answer_fault(&self, answer: &Answer) -> Option<AnswerFault> {
        self.input_name()?;
        let messages = match (&answer.messages, &answer.reply) {
            (Some(messages), _) if messages.is_empty() => return Some(AnswerFault::NoMessages),
            (Some(messages), _) => messages,
            (None, Some(reply)) if self.takes_reply_of(answer) => &reply.intermediate,
            (None, _) => return None,
        };
        has_unanswered_calls(messages).then_some(AnswerFault::UnansweredCalls)
    }

    /// Returns whether the turn of an answer without messages has the model's reply.
    fn takes_reply_of(&self, answer: &Answer) -> bool {
        self.stores_reply || answer.outputs.is_empty()
    }

    /// Returns the text of the output that a turn contains. A partial answer has a reply only.
    pub(crate) fn output(&self, answer: &Answer) -> String {
        let value = self.names.output.as_deref().and_then(|name| answer.outputs.get(name));
        match (value, &answer.reply) {
            (Some(value), _) => value.to_text().into_owned(),
            (None, Some(reply)) if answer.outputs.is_empty() => reply.text().into_owned(),
            (None, _) => String::new(),
        }
    }

    /// Creates the turn of a call from the user's messages and the answer, with the call's record
    /// if there is one.
    pub(crate) fn turn(
        &self,
        id: TurnId,
        mut messages: Messages,
        answer: &Answer,
        record: Option<&CallRecord>,
    ) -> Turn {
        match (&answer.messages, &answer.reply) {
            (Some(more), _) => messages.append(more),
            (None, Some(reply)) if self.takes_reply_of(answer) => {
                messages.append(&reply.intermediate);
                messages.push(reply.message.clone());
            }
            (None, _) => messages.push(Message::ai(self.output(answer))),
        }
        if let Some(record) = record {
            messages = with_record(messages, record);
        }
        Turn::identified(id, messages)
    }
}

/// Returns whether a message calls tools and is not followed by the results of all calls.
pub(crate) fn has_unanswered_calls(messages: &Messages) -> bool {
    messages.iter().enumerate().any(|(index, message)| {
        let count = message.tool_calls().len() + message.invalid_tool_calls().len();
        if count == 0 {
            return false;
        }
        let after = messages.slice(index.saturating_add(1)..);
        let is_result = |message: &&Message| matches!(message.role(), Role::Tool | Role::Function);
        let results: Vec<_> = after.iter().take_while(is_result).collect();
        let has = |id: &str| results.iter().any(|result| result.tool_call_id() == Some(id));
        let mut ids = message.tool_calls().iter().filter_map(|call| call.id.as_deref());
        results.len() < count || !ids.all(has)
    })
}

/// Adds a record to the last message, if it is an answer.
fn with_record(messages: Messages, record: &CallRecord) -> Messages {
    let Some(last) = messages.last().filter(|last| *last.role() == Role::Ai) else {
        return messages;
    };
    let last = last.clone().with_call_record(record);
    let mut messages = messages.slice(..messages.len() - 1);
    messages.push(last);
    messages
}

impl fmt::Debug for MemoryBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBinding")
            .field("names", &self.names)
            .field("maintenance", &self.maintenance)
            .finish_non_exhaustive()
    }
}

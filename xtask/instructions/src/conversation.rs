//! The conversation, and its memory.

use conversant_core::{
    BoxError, ChatHistory, Expect, LoadContext, Memory, Message, SessionId, Turn, Variables, vars,
};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};

/// The numbers of messages that a conversation has.
pub(crate) const LENGTHS: [usize; 5] = [2, 20, 200, 2_000, 20_000];
/// The system message.
pub(crate) const SYSTEM: &str = "You are a chatbot having a conversation with a human.";
/// The question of a call.
pub(crate) const QUESTION: &str = "And what about the third option you mentioned earlier?";
/// The variable that the prompt has the conversation in.
pub(crate) const MEMORY_KEY: &str = "chat_history";
const LINE: &str =
    "It depends on the \"context\", mostly; the usual trade-offs are cost, speed and quality.\n";

/// A question of about 120 bytes.
pub(crate) fn question(turn: usize) -> String {
    format!(
        "Question {turn:06}: could you tell me a little more about the thing we discussed, and why it matters so much to everyone?"
    )
}

/// An answer of 400 bytes, with some quotes and line breaks, as real text has.
pub(crate) fn answer(turn: usize) -> String {
    let start = format!("Answer {turn:06}: ");
    start.chars().chain(LINE.chars().cycle()).take(400).collect()
}

pub(crate) fn turn(index: usize) -> Turn {
    Turn::exchange(question(index), answer(index))
}

pub(crate) fn prompt() -> Result<ChatPromptTemplate, BoxError> {
    Ok(ChatPromptTemplate::from_messages((
        Message::system(SYSTEM),
        MessagesPlaceholder::new(MEMORY_KEY),
        MessageTemplate::human("{human_input}"),
    ))?)
}

pub(crate) fn inputs() -> Variables {
    vars! { "human_input" => QUESTION }
}

/// A history that grows turn by turn.
pub(crate) struct Conversation {
    pub(crate) history: InMemoryHistory,
    pub(crate) session: SessionId,
}

impl Conversation {
    pub(crate) fn new() -> Result<Self, BoxError> {
        Ok(Self { history: InMemoryHistory::new(), session: SessionId::new("instructions")? })
    }

    /// Returns a memory that shows all of it, as messages.
    pub(crate) fn memory(&self) -> BufferMemory {
        let memory = BufferMemory::new().with_memory_key(MEMORY_KEY).with_return_messages(true);
        memory.with_history(self.history.clone(), self.session.clone())
    }

    pub(crate) async fn add(&self, index: usize) -> Result<(), BoxError> {
        self.history.append(&self.session, &turn(index), Expect::Any).await?;
        Ok(())
    }
}

/// Returns a call's variables: its inputs, and what the memory shows.
pub(crate) async fn variables(memory: &dyn Memory) -> Result<Variables, BoxError> {
    let mut variables = inputs();
    variables.extend(memory.load(LoadContext::new(&inputs())).await?.variables);
    Ok(variables)
}

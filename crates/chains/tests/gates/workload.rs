//! The conversation that is measured, and the chains that hold it.

use conversant_chains::LlmChain;
use conversant_core::{
    ChatHistory, ChatModel, ChatRequest, CompletionModel, CompletionRequest, Expect, LanguageModel,
    LoadContext, Memory, Message, Prompt, SessionId, Turn, Variables, vars,
};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_models::{OpenAi, OpenAiChat};
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate,
};
use conversant_testkit::OpenAiServer;
use tokio::runtime::{Builder, Runtime};

/// How many messages a conversation has.
pub(crate) const LENGTHS: [usize; 4] = [2, 20, 200, 2_000];
const SYSTEM: &str = "You are a chatbot having a conversation with a human.";
const LINE: &str =
    "It depends on the context, mostly; the usual trade-offs are cost, speed and quality. ";

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A server that answers as [`answer`] does.
pub(crate) fn server() -> OpenAiServer {
    OpenAiServer::builder().reply(answer()).repeat_last().start().unwrap()
}

/// A question of about 120 bytes.
pub(crate) fn question(turn: usize) -> String {
    format!(
        "Question {turn:06}: could you tell me a little more about the thing we discussed, and why it matters so much to everyone?"
    )
}

/// An answer of 400 bytes. None is escaped in JSON: where some are, serde_json's buffer grows up to
/// the text's length.
fn answer() -> String {
    LINE.chars().cycle().take(400).collect()
}

pub(crate) fn inputs() -> Variables {
    vars! { "human_input" => question(7) }
}

pub(crate) fn chat_prompt() -> ChatPromptTemplate {
    ChatPromptTemplate::from_messages((
        Message::system(SYSTEM),
        MessagesPlaceholder::new("chat_history"),
        MessageTemplate::human("{human_input}"),
    ))
    .unwrap()
}

pub(crate) fn text_prompt() -> PromptTemplate {
    let template = format!("{SYSTEM}\n\n{{chat_history}}\nHuman: {{human_input}}\nChatbot:");
    PromptTemplate::from_template(template).unwrap()
}

/// A chain with a conversation of `n` messages, all but its last turn of which was sent before,
/// over an open connection.
pub(crate) async fn chat_chain(server: &OpenAiServer, n: usize) -> LlmChain {
    let model = OpenAiChat::builder("gpt-6-luna").base_url(server.base_url()).api_key("sk-x");
    let model = model.temperature(0.7).build().unwrap();
    let conversation = Conversation::of_messages();
    let sent = conversation.hold(0..n / 2 - 1).await;
    let prompt = chat_prompt().format(&merged(inputs(), sent)).unwrap();
    let request = ChatRequest::new(prompt.into_messages());
    // The second time what was encoded so far is shared.
    for _ in 0..2 {
        model.generate(&request).await.unwrap();
    }
    conversation.add(n / 2 - 1).await;
    chain(chat_prompt(), model, conversation.memory)
}

/// As [`chat_chain`], as text.
pub(crate) async fn completion_chain(server: &OpenAiServer, n: usize) -> LlmChain {
    let model = OpenAi::builder("smollm2-135m-instruct").base_url(server.base_url());
    let model = model.api_key("sk-x").temperature(0.7).build().unwrap();
    let conversation = Conversation::of_text();
    conversation.hold(0..n / 2 - 1).await;
    model.generate(&CompletionRequest::new("Hi")).await.unwrap();
    conversation.add(n / 2 - 1).await;
    chain(text_prompt(), model, conversation.memory)
}

fn chain(
    prompt: impl Prompt + 'static,
    model: impl Into<LanguageModel>,
    memory: BufferMemory,
) -> LlmChain {
    LlmChain::builder().prompt(prompt).model(model).memory(memory).build().unwrap()
}

pub(crate) fn merged(mut variables: Variables, more: Variables) -> Variables {
    variables.extend(more);
    variables
}

/// A conversation, turn by turn.
pub(crate) struct Conversation {
    pub(crate) memory: BufferMemory,
    history: InMemoryHistory,
    session: SessionId,
}

impl Conversation {
    pub(crate) fn of_text() -> Self {
        let (history, session) = (InMemoryHistory::new(), SessionId::new("gates").unwrap());
        let memory = BufferMemory::new()
            .with_memory_key("chat_history")
            .with_history(history.clone(), session.clone());
        Self { memory, history, session }
    }

    pub(crate) fn of_messages() -> Self {
        let this = Self::of_text();
        Self { memory: this.memory.with_return_messages(true), ..this }
    }

    /// Adds turns, as calls do: load, then save. Returns the memory's variables after the last.
    pub(crate) async fn hold(&self, turns: std::ops::Range<usize>) -> Variables {
        for turn in turns {
            self.load().await;
            self.add(turn).await;
        }
        self.load().await
    }

    pub(crate) async fn load(&self) -> Variables {
        self.memory.load(LoadContext::new(&vars! {})).await.unwrap().variables
    }

    pub(crate) async fn add(&self, turn: usize) {
        let turn = Turn::exchange(question(turn), answer());
        self.history.append(&self.session, &turn, Expect::Any).await.unwrap();
    }
}

//! conversant, as the README uses it: a chain of a prompt, a model and a buffer memory.

use conversant_chains::LlmChain;
use conversant_core::{
    BoxError, ChatHistory, ChatModel, ChatRequest, Delta, Expect, LanguageModel, LoadContext,
    Memory, Message, Prompt, SessionId, TokenCounter, Turn, Variables, vars,
};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_models::{
    OpenAi, OpenAiChat,
    tokens::{Encoding, OpenAiTokens},
};
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate,
};
use futures_util::future::join_all;
use tokio::runtime::Runtime;

use crate::{
    measure::{FirstToken, Running, Sample, Turns, repeated},
    work::{System, Work},
    workload::{
        COMPLETION_MODEL, KEY, MODEL, PACED_MODEL, QUESTION, SYSTEM, TEMPERATURE, TURNS, is_human,
        message, prose_and_code, runtime,
    },
};

/// conversant.
pub(crate) struct Conversant {
    chat: OpenAiChat,
    paced: OpenAiChat,
    completion: OpenAi,
    chat_prompt: ChatPromptTemplate,
    text_prompt: PromptTemplate,
    runtime: Runtime,
}

/// Makes the string prompt.
pub(crate) fn text_prompt() -> Result<PromptTemplate, BoxError> {
    let template = format!("{SYSTEM}\n\n{{chat_history}}\nHuman: {{human_input}}\nChatbot:");
    Ok(PromptTemplate::from_template(template)?)
}

/// Makes the chat prompt.
pub(crate) fn chat_prompt() -> Result<ChatPromptTemplate, BoxError> {
    Ok(ChatPromptTemplate::from_messages((
        Message::system(SYSTEM),
        MessagesPlaceholder::new("chat_history"),
        MessageTemplate::human("{human_input}"),
    ))?)
}

impl Conversant {
    pub(crate) fn make(base_url: &str) -> Result<Box<dyn System>, BoxError> {
        let chat = |model| {
            let chat = OpenAiChat::builder(model).base_url(base_url).api_key(KEY);
            chat.temperature(TEMPERATURE).build()
        };
        let completion = OpenAi::builder(COMPLETION_MODEL).base_url(base_url).api_key(KEY);
        Ok(Box::new(Self {
            chat: chat(MODEL)?,
            paced: chat(PACED_MODEL)?,
            completion: completion.temperature(TEMPERATURE).build()?,
            chat_prompt: chat_prompt()?,
            text_prompt: text_prompt()?,
            runtime: runtime()?,
        }))
    }

    fn chain(
        prompt: impl Prompt + 'static,
        model: impl Into<LanguageModel>,
        memory: BufferMemory,
    ) -> Result<LlmChain, BoxError> {
        Ok(LlmChain::builder().prompt(prompt).model(model).memory(memory).build()?)
    }

    /// A chain with a new conversation.
    fn chat_chain(&self, model: &OpenAiChat) -> Result<LlmChain, BoxError> {
        let memory = memory().with_return_messages(true);
        Self::chain(self.chat_prompt.clone(), model.clone(), memory)
    }

    /// Returns a chain in the middle of a conversation: the two calls before were sent, each with
    /// the messages of its time, and the last turn of the `n` messages was added after them.
    async fn chat_chain_at(&self, n: usize) -> Result<LlmChain, BoxError> {
        let conversation = Held::new(memory().with_return_messages(true))?;
        let mut held = 0;
        for sent in [n.saturating_sub(4), n.saturating_sub(2)] {
            conversation.add(held, sent).await?;
            let prompt = self.chat_prompt.format(&conversation.variables().await?)?;
            self.chat.generate(&ChatRequest::new(prompt.into_messages())).await?;
            held = sent;
        }
        conversation.add(held, n).await?;
        Self::chain(self.chat_prompt.clone(), self.chat.clone(), conversation.memory)
    }

    async fn completion_chain_at(&self, n: usize) -> Result<LlmChain, BoxError> {
        let conversation = Held::new(memory())?;
        conversation.add(0, n.saturating_sub(2)).await?;
        conversation.variables().await?;
        conversation.add(n.saturating_sub(2), n).await?;
        Self::chain(self.text_prompt.clone(), self.completion.clone(), conversation.memory)
    }

    async fn converse(&self, n: usize) -> Result<Sample, BoxError> {
        let mut turns = Turns::start();
        let chain = self.chat_chain(&self.chat)?;
        for turn in 0..n {
            let question = message(turn * 2);
            let running = Running::start();
            chain.predict(vars! { "human_input" => question.as_str() }).await?;
            turns.add(running);
        }
        Ok(turns.stop())
    }

    async fn converse_at_once(&self, n: usize) -> Result<Sample, BoxError> {
        let running = Running::start();
        let conversation = || async {
            let chain = self.chat_chain(&self.chat)?;
            for turn in 0..TURNS {
                chain.predict(vars! { "human_input" => message(turn * 2) }).await?;
            }
            Ok::<_, BoxError>(())
        };
        for conversation in join_all((0..n).map(|_| conversation())).await {
            conversation?;
        }
        Ok(running.stop(n * TURNS))
    }

    /// A call in each of some conversations, which are all there before.
    async fn calls(&self, work: Work, n: usize, times: usize) -> Result<Vec<Sample>, BoxError> {
        let (mut chains, mut samples) = (Vec::new(), Vec::new());
        for _ in 0..times {
            chains.push(match work {
                Work::Completion => self.completion_chain_at(n).await?,
                _ => self.chat_chain_at(n).await?,
            });
        }
        for chain in &chains {
            let running = Running::start();
            chain.predict(question()).await?;
            samples.push(running.stop(1));
        }
        Ok(samples)
    }

    async fn try_burst(&self, work: Work, n: usize, times: usize) -> Result<Vec<Sample>, BoxError> {
        let mut samples = Vec::new();
        for _ in 0..times {
            samples.push(match work {
                Work::Call | Work::Completion => return self.calls(work, n, times).await,
                Work::Conversation => self.converse(n).await?,
                Work::Concurrent => self.converse_at_once(n).await?,
                Work::Stream => {
                    let chain = self.chat_chain(&self.chat)?;
                    let running = Running::start();
                    let text = stream(&chain, || ()).await?;
                    let sample = running.stop(n);
                    assert!(text.ends_with(" tok999"), "the stream is cut off");
                    sample
                }
                Work::FirstToken => {
                    let chain = self.chat_chain(&self.paced)?;
                    let mut first = FirstToken::start();
                    stream(&chain, || first.is_here()).await?;
                    first.stop()
                }
                Work::FormatString => {
                    let conversation = Held::new(memory())?;
                    conversation.add(0, n).await?;
                    let variables = conversation.variables().await?;
                    repeated(|| self.text_prompt.format(&variables).expect("it is filled in"))
                }
                Work::FormatChat => {
                    let conversation = Held::new(memory().with_return_messages(true))?;
                    conversation.add(0, n).await?;
                    let variables = conversation.variables().await?;
                    repeated(|| self.chat_prompt.format(&variables).expect("it is filled in"))
                }
                Work::Tokens => count_tokens(n)?,
            });
        }
        Ok(samples)
    }
}

impl System for Conversant {
    fn burst(&mut self, work: Work, n: usize, times: usize) -> Vec<Sample> {
        let samples = self.runtime.block_on(self.try_burst(work, n, times));
        samples.expect("conversant does all works")
    }
}

async fn stream(chain: &LlmChain, mut first: impl FnMut()) -> Result<String, BoxError> {
    let mut stream = chain.stream(question()).await?;
    let mut text = String::new();
    while let Some(delta) = stream.next().await {
        if let Delta::Text(piece) = delta? {
            first();
            text.push_str(&piece);
        }
    }
    Ok(text)
}

fn count_tokens(n: usize) -> Result<Sample, BoxError> {
    let messages = prose_and_code(n)?;
    let counter = OpenAiTokens::new(Encoding::O200kBase);
    // The tables are loaded with the first count.
    counter.count_text("Hi");
    let running = Running::start();
    let count: usize = messages.iter().map(|text| counter.count_text(text)).sum();
    let sample = running.stop(1);
    let exact = tiktoken_rs::o200k_base_singleton();
    let expected: usize = messages.iter().map(|text| exact.encode_ordinary(text).len()).sum();
    assert_eq!(count, expected, "the counts differ");
    Ok(sample)
}

fn question() -> Variables {
    vars! { "human_input" => QUESTION }
}

fn memory() -> BufferMemory {
    BufferMemory::new().with_memory_key("chat_history")
}

/// A conversation that is there before a call.
struct Held {
    memory: BufferMemory,
    history: InMemoryHistory,
    session: SessionId,
}

impl Held {
    fn new(memory: BufferMemory) -> Result<Self, BoxError> {
        let (history, session) = (InMemoryHistory::new(), SessionId::new("bench")?);
        let memory = memory.with_history(history.clone(), session.clone());
        Ok(Self { memory, history, session })
    }

    /// Adds the turns of a range of messages, each loaded before the next comes, as calls do.
    async fn add(&self, from: usize, to: usize) -> Result<(), BoxError> {
        for index in (from..to).step_by(2) {
            self.variables().await?;
            let said = [index, index + 1].map(|index| match is_human(index) {
                true => Message::human(message(index)),
                false => Message::ai(message(index)),
            });
            let turn = Turn::new(Vec::from(said));
            self.history.append(&self.session, &turn, Expect::Any).await?;
        }
        Ok(())
    }

    /// Returns a call's variables.
    async fn variables(&self) -> Result<Variables, BoxError> {
        let mut variables = question();
        let loaded = self.memory.load(LoadContext::new(&question())).await?;
        variables.extend(loaded.variables);
        Ok(variables)
    }
}

//! conversant, as the README uses it: a chain of a prompt, a model and a buffer memory.

use bench::{
    measure::{Running, Sample, Turns, repeated},
    work::{System, Work},
    workload::{
        COMPLETION_MODEL, KEY, MODEL, QUESTION, SYSTEM, TURNS, is_human, message, prose_and_code,
    },
};
use conversant_chains::LlmChain;
use conversant_core::{
    BoxError, ChatHistory, ChatModel, ChatRequest, Expect, LanguageModel, LoadContext, Memory,
    Message, Prompt, SessionId, TokenCounter, Turn, Variables, vars,
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

/// conversant.
pub(crate) struct Conversant {
    chat: OpenAiChat,
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
    pub(crate) fn new(base_url: &str, runtime: Runtime) -> Result<Self, BoxError> {
        let chat = OpenAiChat::builder(MODEL).base_url(base_url).api_key(KEY).temperature(0.7);
        let completion = OpenAi::builder(COMPLETION_MODEL).base_url(base_url).api_key(KEY);
        Ok(Self {
            chat: chat.build()?,
            completion: completion.temperature(0.7).build()?,
            chat_prompt: chat_prompt()?,
            text_prompt: text_prompt()?,
            runtime,
        })
    }

    fn chain(
        prompt: impl Prompt + 'static,
        model: impl Into<LanguageModel>,
        memory: BufferMemory,
    ) -> Result<LlmChain, BoxError> {
        Ok(LlmChain::builder().prompt(prompt).model(model).memory(memory).build()?)
    }

    /// A chain with a new conversation.
    fn chat_chain(&self) -> Result<LlmChain, BoxError> {
        let memory = memory().with_return_messages(true);
        Self::chain(self.chat_prompt.clone(), self.chat.clone(), memory)
    }

    /// A chain in the middle of a conversation: all but the last turn of `n` messages was sent before.
    async fn chat_chain_at(&self, n: usize) -> Result<LlmChain, BoxError> {
        let conversation = Held::new(memory().with_return_messages(true))?;
        conversation.add(0, n.saturating_sub(2)).await?;
        let prompt = self.chat_prompt.format(&conversation.variables().await?)?;
        let request = ChatRequest::new(prompt.into_messages());
        // Blocks that are full are shared from the second time on.
        for _ in 0..2 {
            self.chat.generate(&request).await?;
        }
        conversation.add(n.saturating_sub(2), n).await?;
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
        let chain = self.chat_chain()?;
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
            let chain = self.chat_chain()?;
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

    async fn stream(&self, chunks: usize) -> Result<Sample, BoxError> {
        let chain = self.chat_chain()?;
        let running = Running::start();
        let mut stream = chain.stream(question()).await?;
        let mut text = String::new();
        while let Some(delta) = stream.next().await {
            if let conversant_core::Delta::Text(piece) = delta? {
                text.push_str(&piece);
            }
        }
        let sample = running.stop(chunks);
        assert!(text.ends_with(" tok999"), "the stream is cut off");
        Ok(sample)
    }

    fn try_sample(&self, work: Work, n: usize) -> Result<Sample, BoxError> {
        self.runtime.block_on(async {
            Ok(match work {
                Work::Call => predict(&self.chat_chain_at(n).await?).await?,
                Work::Completion => predict(&self.completion_chain_at(n).await?).await?,
                Work::Conversation => self.converse(n).await?,
                Work::Concurrent => self.converse_at_once(n).await?,
                Work::Stream => self.stream(n).await?,
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
            })
        })
    }
}

impl System for Conversant {
    fn name(&self) -> &'static str {
        "conversant"
    }

    fn sample(&mut self, work: Work, n: usize) -> Option<Sample> {
        Some(self.try_sample(work, n).expect("conversant does all works"))
    }
}

async fn predict(chain: &LlmChain) -> Result<Sample, BoxError> {
    let running = Running::start();
    chain.predict(question()).await?;
    Ok(running.stop(1))
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

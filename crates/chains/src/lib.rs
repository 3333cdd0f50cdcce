//! Chains: a prompt, a model and a memory, wired and checked when they are built.
//!
//! Depend on this crate to run a conversation. It knows prompts, models and memories by the traits of `conversant-core`
//! only; take `conversant-prompts`, `conversant-models` and `conversant-memory` for ours, or write your own. It does no I/O
//! of its own, spawns nothing and needs no particular runtime.
//!
//! # Examples
//!
//! The conversation of LangChain's page "Memory in LLMChain", with a scripted model in place of a paid one:
//!
//! ```
//! use conversant_chains::LlmChain;
//! use conversant_core::{vars, LanguageModel};
//! use conversant_memory::BufferMemory;
//! use conversant_prompts::PromptTemplate;
//! # use conversant_core::{async_trait, CompletionModel, CompletionRequest, Message, ModelError, Reply};
//! # struct Scripted;
//! # #[async_trait]
//! # impl CompletionModel for Scripted {
//! #     async fn generate(&self, _: &CompletionRequest) -> Result<Reply, ModelError> {
//! #         Ok(Reply::new(Message::ai(" Hi there! How can I help you today?")))
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let prompt = PromptTemplate::from_template(
//!     "You are a chatbot having a conversation with a human.\n\n{chat_history}\nHuman: {human_input}\nChatbot:",
//! )?;
//! let chain = LlmChain::builder()
//!     .prompt(prompt)
//!     .model(LanguageModel::completion(Scripted))
//!     .memory(BufferMemory::new().with_memory_key("chat_history"))
//!     .build()?;
//!
//! let answer = chain.predict(vars! { "human_input" => "Hi there my friend" }).await?;
//! assert_eq!(answer, " Hi there! How can I help you today?");
//! # Ok(())
//! # }
//! ```

mod apply;
mod builder;
mod call;
mod chain;
mod conversations;
mod error;
mod link;
mod llm_chain;
mod outcome;
mod parser;
mod queue;
mod steps;
mod stream;
mod verbose;
mod wiring;
mod with_memory;

pub use self::{
    builder::LlmChainBuilder,
    chain::{Answer, Chain, RunContext, Streaming},
    conversations::Conversations,
    error::{ChainError, NotSaved},
    link::Maintenance,
    llm_chain::LlmChain,
    outcome::Outcome,
    parser::{
        CommaListParser, JsonParser, MarkdownListParser, NumberedListParser, StrParser,
        parse_partial_json,
    },
    stream::ChainStream,
    verbose::{Transcripts, Verbose},
    wiring::{WiringError, WiringFault},
    with_memory::WithMemory,
};

/// The README's code, run as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

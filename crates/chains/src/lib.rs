//! Chains: a prompt, a model and a memory, wired and checked when they are built.
//!
//! This crate knows prompts, models and memories by the traits of `conversant-core` only. It does
//! no I/O, spawns no tasks and needs no particular runtime. The first call with a deadline starts a
//! timer thread of the process (the crate `futures-timer`).
//!
//! # Results
//!
//! | type | result of | contents |
//! |---|---|---|
//! | [`Answer`] | [`Chain::run`], for implementers | the outputs, and the messages for the turn |
//! | [`Streaming`] | [`Chain::stream`], for implementers | a model's answer in pieces, or a whole [`Answer`] |
//! | [`Outcome`] | `invoke`, for callers | inputs, memory variables and outputs in one map; the turn's id |
//! | [`ChainStream`] | `stream`, for callers | the answer in pieces, then the [`Outcome`] |
//!
//! # Chains made of chains
//!
//! [`SequentialChain`], [`SimpleSequentialChain`], [`RouterChain`], [`ParallelChain`] and
//! [`FallbackChain`] have other chains as steps; [`TransformChain`] is a function. Every chain is a
//! [`Chain`], so each can be a step, with a memory and observers. A deadline covers all steps.
//!
//! # Examples
//!
//! The conversation of LangChain's page "Memory in LLMChain", with a scripted model:
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

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod answer_stream;
mod answer_type;
mod answering;
mod any_runner;
mod apply;
mod builder;
mod call;
mod chain;
mod compose;
mod conversations;
mod correction;
mod error;
mod hints;
mod limits;
mod llm_chain;
mod memory_binding;
mod observation;
mod outcome;
mod parser;
mod pending;
mod prompt_model_steps;
mod queue;
mod resumed;
mod runner;
mod settings;
mod step;
mod stream;
mod sync;
#[cfg(feature = "schema")]
mod typed_call;
mod verbose;
mod wiring;
mod with_memory;

#[cfg(feature = "schema")]
pub use self::typed_call::ValueStream;
pub use self::{
    answer::Answer,
    answer_stream::AnswerStream,
    answer_type::AnswerType,
    apply::Batch,
    builder::LlmChainBuilder,
    chain::{Chain, RunContext, Streaming},
    compose::*,
    conversations::Conversations,
    correction::Correction,
    error::{CallPhase, ChainError, FailedBranches, FailedFallbacks, FailedStep, NotSaved},
    llm_chain::LlmChain,
    memory_binding::Maintenance,
    outcome::Outcome,
    parser::*,
    pending::PendingTurn,
    stream::ChainStream,
    verbose::{Transcripts, Verbose},
    wiring::{WiringError, WiringFault},
    with_memory::{WithMemory, WithMemoryBuilder},
};

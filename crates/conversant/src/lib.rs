//! Conversations with language models: prompt templates, chat memory and chains, exact to LangChain
//! 0.1. This crate has the items of all others in one place, behind features.
//!
//! | feature | adds |
//! |---|---|
//! | | messages, prompts, memories without a model, chains, a history in memory |
//! | `openai` (default) | [models on servers](OpenAiChat) that speak OpenAI's API |
//! | `gzip` (default) | answers that a gateway compressed unasked |
//! | `responses`, `embeddings` | OpenAI's [Responses](OpenAiResponses) and [embeddings](OpenAiEmbeddings) endpoints |
//! | `local` | [models that run in the process](LocalModel), and their [weights] |
//! | `summaries`, `entities`, `vectors` | memories of [summaries](SummaryBufferMemory), [entities and facts](EntityMemory), and [turns by meaning](VectorStoreMemory) |
//! | `composition` | chains made of chains: [sequences](SequentialChain), [routes](RouterChain), [branches](ParallelChain), [fallbacks](FallbackChain) |
//! | `sqlite`, `postgres`, `redis`, `jsonl` | conversations that outlive the process |
//! | `transfer` | [import, export and copying](transfer) of conversations |
//! | `encrypted` | [encryption](encrypted) of conversations at rest |
//! | `tools` | [tools](ToolLoop) that a model may call |
//! | `tracing`, `metrics` | [spans](TracingObserver) and [metrics](MetricsObserver) of chains, requests and tool calls |
//! | `layers` | a cache, limits and a fallback for any model |
//! | `schema` | answers and tools of Rust types, by their JSON Schemas |
//! | `tokens` | exact token counts of OpenAI's encodings |
//! | `few-shot`, `jinja`, `json`, `load`, `macros`, `mustache` | further kinds of prompts, and their files |
//! | `parsers`, `regex`, `xml`, `yaml` | output parsers other than text, JSON and Rust types |
//! | `vector-sqlite`, `vector-postgres`, `http2` | vector stores; HTTP/2 |
//! | `full` | all but `local`, and those that need a server or C code: `sqlite`, `postgres`, `redis` and the vector stores |
//!
//! What the smallest chat does not need is not compiled by default. The compiler names the feature
//! of an item that is missing.
//!
//! The [guide] teaches all of it in ten chapters, from a first prompt to a service, and has pages
//! for users of [LangChain](guide::from_langchain) and other libraries.
//!
//! The single crates, such as `conversant-core` for authors of models and stores, have the same
//! items.
//!
//! # Examples
//!
//! ```
//! use conversant::{BufferMemory, LanguageModel, LlmChain, PromptTemplate, vars};
//! # use conversant::{CompletionModel, CompletionRequest, Message, ModelError, Reply, async_trait};
//! # struct Model;
//! # #[async_trait]
//! # impl CompletionModel for Model {
//! #     async fn generate(&self, _: &CompletionRequest) -> Result<Reply, ModelError> {
//! #         Ok(Reply::new(Message::ai(" Hello!")))
//! #     }
//! # }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let model = LanguageModel::completion(Model); // `OpenAi`, `LocalModel`, or one of your own
//! let chain = LlmChain::builder()
//!     .prompt(PromptTemplate::from_template("{history}\nHuman: {input}\nAI:")?)
//!     .model(model)
//!     .memory(BufferMemory::new())
//!     .build()?;
//! assert_eq!(chain.predict(vars! { "input" => "Hi" }).await?, " Hello!");
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod guide;

// Also by name, so that the compiler knows the feature of an item that is missing.
#[cfg(feature = "composition")]
#[doc(inline)]
pub use conversant_chains::{
    FallbackChain, FnRouter, LlmRouter, ParallelChain, PromptInfo, Route, Router, RouterChain,
    SequentialChain, SimpleSequentialChain, TransformChain,
};
#[cfg(feature = "entities")]
#[doc(inline)]
pub use conversant_memory::{EntityMemory, Facts, KnowledgeGraphMemory};
#[cfg(feature = "vectors")]
#[doc(inline)]
pub use conversant_memory::{InMemoryVectorStore, VectorStoreMemory};
#[cfg(feature = "summaries")]
#[doc(inline)]
pub use conversant_memory::{SummaryBufferMemory, SummaryMemory, title};
#[cfg(feature = "embeddings")]
#[doc(inline)]
pub use conversant_models::OpenAiEmbeddings;
#[cfg(feature = "responses")]
#[doc(inline)]
pub use conversant_models::OpenAiResponses;
#[cfg(feature = "few-shot")]
#[doc(inline)]
pub use conversant_prompts::{FewShotChatPromptTemplate, FewShotPromptTemplate};

#[doc(inline)]
pub use conversant_chains::*;
#[doc(inline)]
pub use conversant_core::*;
/// Conversations that are encrypted at rest.
#[cfg(feature = "encrypted")]
pub use conversant_history_encrypted as encrypted;
/// Repair of conversations in JSONL files.
#[cfg(feature = "jsonl")]
pub use conversant_history_jsonl as jsonl;
#[cfg(feature = "jsonl")]
#[doc(inline)]
pub use conversant_history_jsonl::{JsonlHistory, JsonlHistoryBuilder};
#[cfg(feature = "postgres")]
#[doc(inline)]
pub use conversant_history_postgres::*;
#[cfg(feature = "redis")]
#[doc(inline)]
pub use conversant_history_redis::*;
#[cfg(feature = "sqlite")]
#[doc(inline)]
pub use conversant_history_sqlite::*;
#[cfg(feature = "layers")]
#[doc(inline)]
pub use conversant_layers::*;
#[doc(inline)]
pub use conversant_memory::*;
#[cfg(feature = "openai")]
#[doc(inline)]
pub use conversant_models::*;
#[cfg(feature = "local")]
#[doc(inline)]
pub use conversant_models_local::*;
#[doc(inline)]
pub use conversant_prompts::*;
#[cfg(feature = "tools")]
#[doc(inline)]
pub use conversant_tools::*;
#[cfg(feature = "tracing")]
#[doc(inline)]
pub use conversant_tracing::*;
/// Import, export and copying of conversations, between stores and formats.
#[cfg(feature = "transfer")]
pub use conversant_transfer as transfer;
#[cfg(feature = "vector-postgres")]
#[doc(inline)]
pub use conversant_vector_postgres::*;
#[cfg(feature = "vector-sqlite")]
#[doc(inline)]
pub use conversant_vector_sqlite::*;

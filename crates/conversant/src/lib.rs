//! Conversations with language models: prompt templates, chat memory and chains, exact to LangChain
//! 0.1. This crate has the items of all others in one place, behind features.
//!
#![doc = include_str!("front_page.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod guide;

// Also by name, so that the compiler knows the feature of an item that is missing.
#[cfg(feature = "regex")]
#[doc(inline)]
pub use conversant_chains::RegexParser;
#[cfg(feature = "schema")]
#[doc(inline)]
pub use conversant_chains::TypedParser;
#[cfg(feature = "parsers")]
#[doc(inline)]
pub use conversant_chains::{
    BooleanParser, CommaListParser, DatetimeParser, EnumParser, MarkdownListParser,
    NumberedListParser, RegexDictParser, StructuredParser,
};
#[cfg(feature = "composition")]
#[doc(inline)]
pub use conversant_chains::{
    FallbackChain, FnRouter, LlmRouter, ParallelChain, PromptInfo, Route, Router, RouterChain,
    SequentialChain, SimpleSequentialChain, TransformChain,
};
#[cfg(feature = "sqlite")]
#[doc(inline)]
pub use conversant_history_sqlite::SqliteHistory;
#[cfg(feature = "layers")]
#[doc(inline)]
pub use conversant_layers::{Cached, ConcurrencyLimit, Fallback, RateLimit};
// The derive of the same name in `conversant-prompts` names that crate.
#[cfg(feature = "macros")]
#[doc(inline)]
pub use conversant_macros::ConversantPromptInputs as PromptInputs;
#[cfg(feature = "combined")]
#[doc(inline)]
pub use conversant_memory::{CombinedMemory, CombinedMemoryError};
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
#[cfg(feature = "local")]
#[doc(inline)]
pub use conversant_models_local::LocalModel;
#[cfg(feature = "few-shot")]
#[doc(inline)]
pub use conversant_prompts::{
    ExampleSelector, FewShotChatPromptTemplate, FewShotPromptTemplate, LengthBasedSelector,
    SemanticSelector,
};
#[cfg(feature = "json")]
#[doc(inline)]
pub use conversant_prompts::{LoadError, LoadedPrompt};
#[cfg(feature = "tools")]
#[doc(inline)]
pub use conversant_tools::{FnTool, ToolLoop};
#[cfg(feature = "tracing")]
#[doc(inline)]
pub use conversant_tracing::TracingObserver;
#[cfg(feature = "metrics")]
#[doc(inline)]
pub use conversant_tracing::{DURATION_BUCKETS, MetricsObserver, TOKEN_BUCKETS};

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
/// Import, export and copying of conversations, between stores and formats.
#[cfg(feature = "transfer")]
pub use conversant_transfer as transfer;
#[cfg(feature = "vector-postgres")]
#[doc(inline)]
pub use conversant_vector_postgres::*;
#[cfg(feature = "vector-sqlite")]
#[doc(inline)]
pub use conversant_vector_sqlite::*;

//! Conversations with language models: prompt templates, chat memory and chains, exact to
//! LangChain 0.1.
//!
//! This crate re-exports conversant's other crates under one name. An application depends on it; a
//! library that implements a model, a memory or a history depends on `conversant-core` alone.
//!
//! # Features
//!
//! | feature | adds | default |
//! |---|---|---|
//! | `openai` | [`OpenAiChat`], [`OpenAiResponses`], [`OpenAi`], [`OpenAiEmbeddings`] | yes |
//! | `http2` | HTTP/2, where the server offers it | |
//! | `tokens` | exact token counts of OpenAI's encodings: [`tokens`] | |
//! | `layers` | [`Cached`], [`RateLimit`], [`ConcurrencyLimit`], [`Fallback`] | |
//! | `tools` | [`ToolLoop`], [`FnTool`] | |
//! | `jinja`, `mustache` | templates in these languages | |
//! | `load` | prompts from files: [`load_prompt`] | |
//! | `macros` | templates that the compiler checks: [`prompt!`], [`chat_prompt!`], [`PromptInputs`] | |
//! | `schema` | answers and tools described by Rust types: [`schema`] | |
//! | `regex`, `xml` | [`RegexParser`], [`XmlParser`] | |
//! | `sqlite` | conversations in a SQLite file: [`SqliteHistory`] | |
//! | `postgres` | conversations in PostgreSQL: [`PostgresHistory`] | |
//! | `redis` | conversations in Redis: [`RedisHistory`] | |
//! | `jsonl` | conversations in JSONL files: [`JsonlHistory`], and their import and export: [`jsonl`] | |
//! | `vector-sqlite` | a vector store in a SQLite file: [`SqliteVectorStore`] | |
//!
//! # Parts
//!
//! | part | start with |
//! |---|---|
//! | prompts | [`PromptTemplate`], [`ChatPromptTemplate`] |
//! | models | [`OpenAiChat`]; a custom one implements [`ChatModel`] |
//! | memories | [`BufferMemory`], [`WindowMemory`], [`SummaryBufferMemory`]; a custom one implements [`Memory`] |
//! | stored conversations | [`SqliteHistory`], [`PostgresHistory`]; a custom one implements [`ChatHistory`] |
//! | chains | [`LlmChain`], [`Conversations`] |
//! | tests | the crate `conversant-testkit`: scripted models, servers with faults, cassettes |
//!
//! # Examples
//!
//! ```
//! use conversant::{BufferMemory, LlmChain, OpenAi, PromptTemplate, vars};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = conversant_testkit::OpenAiServer::start([" Hi there! How can I help you today?"])?;
//! # let base_url = server.base_url();
//! let prompt = PromptTemplate::from_template(
//!     "You are a chatbot having a conversation with a human.\n\n\
//!      {chat_history}\nHuman: {human_input}\nChatbot:",
//! )?;
//! let model = OpenAi::builder("gpt-oss-20b").base_url(base_url).build()?;
//! let memory = BufferMemory::new().with_memory_key("chat_history");
//! let chain = LlmChain::builder().prompt(prompt).model(model).memory(memory).build()?;
//!
//! let answer = chain.predict(vars! { "human_input" => "Hi there my friend" }).await?;
//! assert_eq!(answer, " Hi there! How can I help you today?");
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(inline)]
pub use conversant_chains::*;
#[doc(inline)]
pub use conversant_core::*;
/// Import, export, copying and repair of conversations in JSONL files.
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
#[doc(inline)]
pub use conversant_prompts::*;
#[cfg(feature = "tools")]
#[doc(inline)]
pub use conversant_tools::*;
#[cfg(feature = "vector-sqlite")]
#[doc(inline)]
pub use conversant_vector_sqlite::*;

/// The README's code, as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

//! OpenAI's completion and chat endpoints, and servers that speak them.
//!
//! Depend on this crate to talk to OpenAI or to a compatible server: llama.cpp, Ollama, vLLM,
//! LM Studio, gateways. The adapters implement the traits of `conversant-core` and know nothing of
//! chains, prompts and memories. Use them alone, or pass them to `conversant-chains`.
//!
//! | endpoint | adapter | trait | feature |
//! |---|---|---|---|
//! | `/chat/completions` | [`OpenAiChat`] | [`ChatModel`](conversant_core::ChatModel) | |
//! | `/responses` | [`OpenAiResponses`] | [`ChatModel`](conversant_core::ChatModel) | `responses` |
//! | `/completions` | [`OpenAi`] | [`CompletionModel`](conversant_core::CompletionModel) | |
//! | `/embeddings` | [`OpenAiEmbeddings`] | [`Embeddings`](conversant_core::Embeddings) | `embeddings` |
//!
//! OpenAI has had no completion models since 2026-09-28. llama.cpp, vLLM and Ollama serve
//! `/completions` for local models.
//!
//! - **Answers.** What servers send is read by the rules of [`wire`]: the right answer, or an error
//!   with the server's words.
//! - **Requests.** Parameters that are not set are not sent. Differences of servers are a table by
//!   host ([`Dialect`]).
//! - **Secrets.** Keys are in no error, log or `Debug` output, and are sent to the configured
//!   server only. Redirects are not followed.
//! - **Time.** Every call ends ([`OpenAiBuilder::timeout`]). Failures are retried where that is
//!   safe ([`OpenAiBuilder::max_retries`]).
//! - **Connections.** An adapter and its clones share an HTTP client, with connections per tokio
//!   runtime. A call outside of tokio is an error, and so is one in a runtime without a timer or
//!   sockets. Proxies are those of the environment or [`OpenAiBuilder::proxy`];
//!   [`OpenAiBuilder::http_client`] takes a custom client.
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `embeddings` | on | [`OpenAiEmbeddings`] |
//! | `full` | off | each of the others |
//! | `gzip` | on | decompresses answers that a gateway compressed unasked |
//! | `http2` | off | uses HTTP/2 where the server offers it, on one connection for all calls: more than the server allows at once wait for each other; openai-python uses HTTP/1.1 too |
//! | `responses` | on | [`OpenAiResponses`] |
//! | `socks` | on | proxies that speak SOCKS 4 or 5; without it one is an error |
//! | `tokens` | off | exact token counts ([`tokens`]) |
//!
//! `conversant-layers` has a cache, limits and a fallback for any model.
//!
//! # Examples
//!
//! ```
//! use conversant_core::{ChatModel, ChatRequest, Message};
//! use conversant_models::OpenAiChat;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = conversant_testkit::OpenAiServer::start(["Hello!"])?;
//! # let base_url = server.base_url();
//! let model = OpenAiChat::builder("gpt-6-luna").base_url(base_url).reasoning_effort("none");
//! let model = model.temperature(0.0).build()?;
//! let reply = model.generate(&ChatRequest::new(Message::human("Hi there my friend"))).await?;
//! assert_eq!(reply.text(), "Hello!");
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod dialect;
mod http;
mod openai;
pub mod tokens;
pub mod wire;

#[cfg(feature = "embeddings")]
pub use self::openai::OpenAiEmbeddings;
#[cfg(feature = "responses")]
pub use self::openai::OpenAiResponses;
#[doc(hidden)]
pub use self::openai::markers;
pub use self::{
    dialect::{CacheBreakpoint, Dialect, EmptyContent, SendBack, TokenLimit, ToolCallIds},
    openai::{OpenAi, OpenAiBuilder, OpenAiChat},
    wire::ModelInfo,
};

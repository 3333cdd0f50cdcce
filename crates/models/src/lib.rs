//! OpenAI's completion and chat endpoints, and servers that speak them.
//!
//! Depend on this crate to talk to OpenAI or to a server that imitates it: llama.cpp, Ollama, vLLM, LM Studio, gateways. The adapters
//! implement `conversant-core`'s traits and know nothing of chains, prompts and memories; use them alone, or hand them to
//! `conversant-chains`.
//!
//! | endpoint | adapter | trait |
//! |---|---|---|
//! | `/chat/completions` | [`OpenAiChat`] | [`ChatModel`](conversant_core::ChatModel) |
//! | `/responses` | [`OpenAiResponses`] | [`ChatModel`](conversant_core::ChatModel) |
//! | `/completions` | [`OpenAi`] | [`CompletionModel`](conversant_core::CompletionModel) |
//! | `/embeddings` | [`OpenAiEmbeddings`] | [`Embeddings`](conversant_core::Embeddings) |
//!
//! `conversant-layers` has a cache, limits and a fallback for any model. The feature `tokens` counts
//! tokens exactly. On by default are `reqwest`, which takes a client of one's own ([`OpenAiBuilder::http_client`]), and `gzip`, which
//! reads answers that were compressed although nothing asked for it; without both, a dozen crates fewer are built.
//!
//! What you do not set is not sent. Keys appear in no error, log or `Debug`, go to the configured server only, and redirects
//! are not followed. Calls end in time ([`OpenAiBuilder::timeout`]) and are repeated where that is safe
//! ([`OpenAiBuilder::max_retries`]). All adapters share one HTTP client, which is made when the first request is sent; they run on
//! tokio.
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
//! let model = OpenAiChat::builder("gpt-4o-mini").base_url(base_url).temperature(0.0).build()?;
//! let reply = model.generate(&ChatRequest::new(Message::human("Hi there my friend"))).await?;
//! assert_eq!(reply.text(), "Hello!");
//! # Ok(())
//! # }
//! ```

mod dialect;
mod http;
mod openai;
pub mod tokens;
pub mod wire;

pub use self::{
    dialect::{Dialect, EmptyContent, SendBack, TokenLimit, ToolCallIds},
    openai::{
        OpenAi, OpenAiBuilder, OpenAiChat, OpenAiEmbeddings, OpenAiResponses, TextGeneration,
    },
    wire::ModelInfo,
};

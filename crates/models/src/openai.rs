//! The adapters: what is set once, and a call.

mod builder;
mod call;
mod chat;
mod completion;
mod embeddings;
mod list;
mod params;
mod stream;

pub use self::{
    builder::{Generates, OpenAiBuilder},
    chat::OpenAiChat,
    completion::OpenAi,
    embeddings::OpenAiEmbeddings,
};

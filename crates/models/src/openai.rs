//! The adapters: their builder, and a call.

mod adapter;
mod builder;
mod chat;
mod completion;
#[cfg(feature = "embeddings")]
mod embeddings;
mod endpoint;
mod faults;
mod hints;
mod message_view;
mod params;
mod response_form;
#[cfg(feature = "responses")]
mod responses;
mod stream;
mod tool_wiring;

#[cfg(feature = "embeddings")]
pub use self::embeddings::OpenAiEmbeddings;
#[cfg(feature = "responses")]
pub use self::responses::OpenAiResponses;
pub use self::{
    builder::{OpenAiBuilder, markers},
    chat::OpenAiChat,
    completion::OpenAi,
};

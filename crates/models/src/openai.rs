//! The adapters: their builder, and a call.

mod adapter;
mod builder;
mod chat;
mod completion;
mod embeddings;
mod endpoint;
mod hints;
mod message_view;
mod params;
mod response_form;
mod responses;
mod stream;

pub use self::{
    builder::{OpenAiBuilder, conversation::Conversation, sampling::TextGeneration},
    chat::OpenAiChat,
    completion::OpenAi,
    embeddings::OpenAiEmbeddings,
    responses::OpenAiResponses,
};

//! The adapters: what is set once, and a call.

mod builder;
mod call;
mod chat;
mod completion;
mod params;
mod stream;

pub use self::{builder::OpenAiBuilder, chat::OpenAiChat, completion::OpenAi};

//! The bytes of OpenAI's interface: what goes out and what comes in. Pure: no sockets, no clock.

mod assembler;
mod chat_response;
mod completion_response;
mod decode;
mod encoded;
mod lenient;
mod lists;
mod message;
mod options;
mod pattern;
mod python_json;
mod reply;
mod sse;
mod stream;
mod text;
mod tool_arguments;
mod usage;

pub use self::{
    chat_response::decode_chat_response,
    completion_response::decode_completion_response,
    lists::ModelInfo,
    sse::{SseDecoder, SseError, SseEvent},
    stream::StreamDecoder,
};
pub(crate) use self::{
    chat_response::read_chat,
    completion_response::read_completion,
    decode::{KEPT, kept},
    encoded::BodyWriter,
    lists::{read_embeddings, read_models},
    message::Style,
    options::{push_chat_options, push_stop},
    reply::Answer,
};

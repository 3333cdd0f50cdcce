//! The model traits, with their requests, answers and errors.

mod api_error;
mod decode_error;
mod error;
mod finish_reason;
mod language_model;
mod masking;
mod open_calls;
mod reply;
mod request;
mod stream;
mod tools;
mod traits;

pub use self::{
    api_error::{ApiError, StatusKind},
    decode_error::DecodeError,
    error::{ModelError, PartialReply, TimeoutPhase, TransportPhase},
    finish_reason::FinishReason,
    language_model::LanguageModel,
    reply::{Choice, Reply, Usage},
    request::{CallOptions, ChatRequest, CompletionRequest},
    stream::{BranchDelta, Delta, ReplyStream, ToolCallDelta, ToolResultDelta},
    tools::{ResponseFormat, ToolChoice, ToolDefinition},
    traits::{ChatModel, CompletionModel},
};

//! The shared language of conversant: messages, variables and the traits that prompts, models,
//! memories and histories implement.
//!
//! Depend on this crate alone to **write** a model, a memory, a history or a prompt, as the other
//! crates do. To **use** them, depend on `conversant-chains` and the crates of your choice. This
//! crate does no I/O, spawns no tasks, does not sleep, and knows no provider, transport or runtime.
//!
//! | to write a … | implement | and return |
//! |---|---|---|
//! | model | [`ChatModel`] or [`CompletionModel`] | a [`Reply`] or a [`ModelError`] |
//! | store of conversations | [`ChatHistory`] | a [`Slice`] of [`Messages`] |
//! | view of a conversation | [`Memory`] | [`Loaded`] variables |
//! | prompt | [`Prompt`] | a [`PromptValue`] |
//! | observer | [`Observer`] | |
//!
//! # Examples
//!
//! A model that repeats the last message:
//!
//! ```
//! use conversant_core::{async_trait, ChatModel, ChatRequest, Message, ModelError, Reply};
//!
//! struct Parrot;
//!
//! #[async_trait]
//! impl ChatModel for Parrot {
//!     async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
//!         let heard = request.messages.last().map(|m| m.text().into_owned()).unwrap_or_default();
//!         Ok(Reply::new(Message::ai(heard)))
//!     }
//! }
//! # let _model = conversant_core::LanguageModel::from(Parrot);
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod box_error;
pub mod clock;
mod content;
mod embeddings;
mod fnv1a;
mod history;
mod http_status;
#[doc(hidden)]
pub mod json_text;
mod memory;
mod message;
mod messages;
mod model;
mod nearest;
mod observer;
mod output_parser;
mod own_format;
mod panic_payload;
mod prompt;
mod prompt_value;
#[doc(hidden)]
pub mod python;
mod random;
mod reasoning;
mod report;
mod role;
#[cfg(feature = "schema")]
pub mod schema;
mod scope;
mod session;
mod shortened;
mod status_text;
mod stored;
mod stored_json;
mod sync;
mod token_counter;
mod tool;
mod tool_call;
mod transcript;
mod turn;
mod turn_keys;
mod value;
mod variables;
mod vector_store;
mod version;
mod withheld;
mod written_reasoning;
#[cfg(feature = "yaml")]
pub mod yaml;

#[doc(hidden)]
pub use self::{fnv1a::fnv1a, panic_payload::drop_payload};
pub use async_trait::async_trait;
pub use futures_core::Stream;

pub use self::{
    box_error::BoxError,
    content::{Content, Part, PartKind},
    embeddings::Embeddings,
    history::{
        Alternative, BytesLeft, ChatHistory, Expect, HistoryError, HistoryIdentity, Lease,
        LeaseHolder, Note, Point, Range, SessionCursor, SessionCursorError, SessionFilter,
        SessionInfo, SessionPage, Slice, TextFault, UsageTotals, WordFinder,
    },
    memory::{LoadContext, Loaded, MaintainContext, Memory, MemoryError, Saved, Ticket, Warning},
    message::Message,
    messages::{Chunk, Iter, Messages},
    model::{
        ApiError, BranchDelta, CallOptions, ChatModel, ChatRequest, Choice, CompletionModel,
        CompletionRequest, DecodeError, Delta, FinishReason, LanguageModel, ModelError,
        PartialReply, Reply, ReplyStream, ResponseFormat, StatusKind, TimeoutPhase, ToolCallDelta,
        ToolChoice, ToolDefinition, ToolResultDelta, TransportPhase, Usage,
    },
    nearest::{nearest, nearest_hint},
    observer::{
        CallId, CallInfo, CallRecord, CallResult, Cost, CostError, Event, EventEmitter, Meter,
        ModelDescription, ModelRequest, Observer, ObserverIdentity, PriceList, Prices, Progress,
        RequestPurpose, Timings, Totals, observe_chat, observe_chat_stream, observe_completion,
        observe_completion_stream,
    },
    output_parser::{OutputParser, ParseError},
    own_format::OwnFormat,
    prompt::{MissingVariable, Prompt, PromptError, PromptFault, Slot, SlotKind, prompt_inputs},
    prompt_value::PromptValue,
    reasoning::reasoning_in,
    report::Report,
    role::Role,
    scope::{GroupId, Scope, ScopeIdError, UserId},
    session::{SessionId, SessionIdError},
    shortened::{shortened, shown_name},
    stored::StoredMessageError,
    token_counter::TokenCounter,
    tool::{Tool, ToolError},
    tool_call::{InvalidToolCall, ToolCall},
    transcript::Transcript,
    turn::{Turn, TurnId, TurnIdError},
    turn_keys::{TurnKeyError, TurnKeys},
    value::{Value, ValueKind},
    variables::{Variables, VariablesIter},
    vector_store::{Collection, Document, Match, VectorStore, VectorStoreError, unit_vectors},
    version::Version,
    withheld::Withheld,
    written_reasoning::without_reasoning,
};

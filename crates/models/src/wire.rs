//! The bytes of OpenAI's interface: what goes out and what comes in. Pure: no sockets, no clock.
//!
//! The items here are public for tests and for programs that bring their own transport. They have
//! **no stability promise**: they may change in any release.
//!
//! # Rules
//!
//! Servers that speak OpenAI's interface differ from it and from each other. Decoding follows four
//! rules:
//!
//! - An error anywhere is an error, and keeps the server's words: in an object, a text or a list,
//!   next to an answer or in a choice, in a body with status 200 or in an event of a stream.
//! - Text that is not known to be whole is never an answer. A stream is whole if it ended with
//!   `[DONE]`, or if every choice had a finish reason with its last piece or after it, and none
//!   with the piece before. So an answer of a single piece is whole by its reason.
//! - An unused field never fails a call: it may be missing, `null` or of the wrong kind.
//! - A value that cannot be understood, but may be needed later, is kept with the message:
//!   reasoning, signatures, parts of unknown types. It goes back to the endpoint that it came from,
//!   and to no other.
//!
//! A whole answer and a stream are read by the same code, and either is read where the other was
//! asked for.
//!
//! # What they mean in practice
//!
//! | servers send | it is |
//! |---|---|
//! | a finish reason in every event | a reason only once nothing follows it; cut off after the first event, the answer is truncated |
//! | a reason such as `error`, `abort`, `cancelled` or `MALFORMED_FUNCTION_CALL` | an error: generation broke off |
//! | a reason such as `length` or `SAFETY`, and then `stop` | the first: the answer was cut off |
//! | a call without arguments | a call with none; in an answer that was cut off, an invalid call |
//! | an object with a message and a type or status that is not an error | nothing |
//! | half of a character, as an escape | joined with the half that the next string or event begins with; alone, U+FFFD |
//! | an error in `error`, `errors`, `base_resp`, a choice, a delta, a message, an event of type `error` | an error, unless its value is empty, zero or `false` |
//! | an error as a line without `data:`, or in a last event without a blank line | an error |
//! | lines of JSON without `data:` (NDJSON) | events, streamed if labelled so |
//! | lines separated by one line end, or with `data:` twice | events |
//! | `[DONE]` in blanks or quotes | the end of a stream; `[DONE]x` or `[done]` is not |
//! | messages in place of deltas | pieces, or the answer so far, or at the end a repetition, of which only what is missing counts |
//! | tool calls without indexes or ids, with new ids in each piece, or twice | calls, distinguished by name, id, place and whether their arguments are complete |
//! | usage in the last event, a choice, a delta, `x_groq`, or in two parts | one usage; zeros do not replace counts |
//! | `null`, `false` or `""` where there is no content, no calls, no reasoning | nothing |
//! | a number, `true` or an object as the content | an error: it may be part of an answer |
//!
//! `conversant-conformance` has an example of each kind in `data/wild.jsonl` and
//! `data/servers.jsonl`.

mod accumulator;
mod answer;
mod answer_decoder;
mod answer_in;
pub(crate) mod api_error;
mod body_writer;
mod choice_accumulator;
mod context_length;
mod decode;
mod delta_fast_path;
#[cfg(feature = "embeddings")]
mod embedding_list;
mod growing_arguments;
mod kept_size;
mod lists;
mod message_in;
mod message_out;
mod open_calls;
mod options;
mod origin;
mod provider_fields;
#[cfg(any(feature = "responses", feature = "tokens"))]
mod raw_calls;
#[cfg(feature = "responses")]
mod responses;
mod sse;
mod stream;
mod stream_form;
mod surrogates;
mod tolerant;
mod tool_arguments;
mod tool_call_accumulator;
mod usage;
mod whole;

#[cfg(feature = "embeddings")]
pub(crate) use self::embedding_list::read_embeddings;
#[cfg(feature = "tokens")]
pub(crate) use self::raw_calls::raw_calls;
#[cfg(feature = "responses")]
pub(crate) use self::responses::{
    ResponseAccumulator, ResponsesStyle, absent_parameter, push_responses_options, read_response,
};
#[cfg(feature = "responses")]
pub use self::responses::{ResponsesStreamDecoder, decode_responses_response};
pub(crate) use self::{
    accumulator::Accumulator,
    answer::Answer,
    answer_decoder::{AnswerDecoder, MAX_EVENT_BYTES, StreamedAnswer},
    body_writer::BodyWriter,
    decode::{MAX_KEPT, without_events},
    lists::read_models,
    message_out::Style,
    options::{push_chat_options, push_prompt_cache_key, push_stop},
    origin::Origin,
    whole::read_answer,
};
pub use self::{
    lists::ModelInfo,
    sse::{SseDecoder, SseError, SseEvent},
    stream::StreamDecoder,
    whole::{decode_chat_response, decode_completion_response},
};

//! The Responses interface (`/responses`): output items in, input items out. Pure, like all of
//! [`wire`](super).

mod call_arguments;
mod final_output;
mod input;
mod item_accumulator;
mod item_kind;
mod item_places;
mod options;
mod output;
mod part_texts;
mod stream;
mod whole;

pub(crate) use self::{
    input::ResponsesStyle,
    options::{absent_parameter, push_responses_options},
    stream::ResponseAccumulator,
    whole::read_response,
};
pub use self::{stream::ResponsesStreamDecoder, whole::decode_responses_response};

//! Rows of LangChain 0.1's message histories: one message each, and the turns that they form.
//!
//! A row that this crate encodes carries the id of its turn in `additional_kwargs`, which LangChain
//! keeps and does not send to models. Rows that Python wrote carry none: there a turn begins at a
//! human message, and its id is made from the row.

mod range;
mod row;

pub use self::{
    range::{Part, Tail, load_range, load_turns},
    row::{
        Row, TURN_ID, check_messages, check_rows, encode_turn, numbered_turn_id, turn_starts,
        turns, version_from_text, version_to_text,
    },
};

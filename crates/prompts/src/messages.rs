//! Helpers on lists of messages: trimming, filtering, merging. They share messages instead of
//! copying.

mod filter;
mod merge;
mod trim;

pub use self::{
    filter::{MessageFilter, filter_messages},
    merge::merge_message_runs,
    trim::{MessageTrim, trim_messages},
};

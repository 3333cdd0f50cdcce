//! Helpers on lists of messages: trimming, filtering, merging. They share messages instead of
//! copying.

mod filter;
mod merge;
mod trim;

pub use self::{
    filter::{Filter, filter_messages},
    merge::merge_message_runs,
    trim::{Trim, trim_messages},
};

//! Import, export and copying of conversations, between stores and formats.
//!
//! - [`copy`]: all conversations of one history to another.
//! - [`Import`]: the conversations of a file into any history. It reads ChatGPT's export, ShareGPT
//!   data sets, OpenAI's lines for fine-tuning, LangChain's `FileChatMessageHistory` and the lines
//!   of this crate.
//! - [`Export`]: the conversations of any history to a file, in the same formats except ChatGPT's.
//!
//! Files are streams of any size, and a conversation at a time is in memory. A transfer that is
//! repeated adds nothing twice. What cannot be transferred is reported, item by item
//! ([`Omission`]).

mod append;
mod conversation;
mod copy;
mod error;
mod event;
mod export;
mod format;
mod import;
mod json_values;
mod lines;
mod session_tree;

pub use self::{
    copy::copy,
    error::{FileFault, LineFault, TransferError},
    event::{Omission, OmissionReason, Progress, StoredConversation, TransferEvent},
    export::Export,
    import::Import,
};

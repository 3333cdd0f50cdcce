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
//!
//! Depend on this crate to move conversations from one store to another, out of LangChain's tables,
//! or in and out of files. It works with any [`ChatHistory`](conversant_core::ChatHistory) and any
//! async runtime.
//!
//! # Examples
//!
//! ```
//! use conversant_core::{ChatHistory, Expect, SessionId, Turn};
//! use conversant_memory::InMemoryHistory;
//! use conversant_transfer::{TransferEvent, copy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (old, new) = (InMemoryHistory::new(), InMemoryHistory::new()); // or other stores
//! let session = SessionId::new("user-7")?;
//! old.append(&session, &Turn::exchange("Hi there my friend", "Hello!"), Expect::Any).await?;
//!
//! let done = copy(&old, &new, |event| {
//!     if let TransferEvent::Omitted(omission) = event {
//!         println!("left out: {omission}");
//!     }
//! })
//! .await?;
//! assert_eq!((done.sessions, done.turns, done.omissions), (1, 1, 0));
//! # Ok(())
//! # }
//! ```

mod append;
mod branches;
mod conversation;
mod copy;
mod error;
mod event;
mod export;
mod facts;
mod format;
mod import;
mod json_values;
mod lines;
mod pause;
mod sealed_facts;
mod session_tree;

pub use self::{
    copy::copy,
    error::{FileFault, LineFault, TransferError},
    event::{Omission, OmissionReason, StoredConversation, TransferEvent, TransferProgress},
    export::Export,
    facts::copy_facts,
    import::Import,
};

//! Conversations in files of JSON lines, and the export, import and copying of any history.
//!
//! - [`JsonlHistory`]: a [`ChatHistory`](conversant_core::ChatHistory) in a folder, one file for each session, readable with any tool.
//! - [`export`] and [`import`]: all conversations of a history as lines of JSON, and back.
//! - [`copy`]: all conversations of one history to another.
//!
//! # Examples
//!
//! ```
//! use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
//! use conversant_history_jsonl::JsonlHistory;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let history = JsonlHistory::open(folder.path())?;
//! let session = SessionId::new("user-7")?;
//! history.append(&session, &Turn::exchange("Hi there my friend", "Hello!"), Expect::Any).await?;
//! let slice = history.load(&session, Range::LastTurns(10)).await?;
//! assert_eq!(slice.messages.to_string(), "Human: Hi there my friend\nAI: Hello!");
//! # Ok(())
//! # }
//! ```

mod conversation;
mod failure;
mod history;
mod index;
mod lanes;
mod place;
mod record;
mod salvage;
mod transfer;

pub use self::{
    history::{JsonlHistory, TornTail},
    salvage::Salvaged,
    transfer::{Progress, TransferError, copy, export, import},
};

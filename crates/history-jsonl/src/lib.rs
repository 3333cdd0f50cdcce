//! Conversations in files of JSON lines, and export, import and copying of any history.
//!
//! - [`JsonlHistory`]: a [`ChatHistory`](conversant_core::ChatHistory) in a folder, with one file
//!   for each session that any tool can read.
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
mod error;
mod history;
mod index;
mod lock;
mod log_record;
mod paths;
mod repair;
mod serial_executor;
mod tail;
mod transfer;

pub use self::{
    history::{JsonlHistory, JsonlHistoryBuilder, TornTail},
    repair::Repaired,
    transfer::{LineFault, Progress, TransferError, copy, export, import},
};

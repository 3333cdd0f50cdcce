//! Conversations in files of JSON lines.
//!
//! - [`JsonlHistory`]: a [`ChatHistory`](conversant_core::ChatHistory) in a folder, with one file
//!   for each session that any tool can read.
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

mod builder;
mod cache;
mod chat_history;
mod conversation;
mod deletion;
mod empty_turn;
mod error;
mod file_io;
mod header;
mod history;
mod index;
mod lines;
mod lines_back;
mod list;
mod lock;
mod log_record;
mod mutex;
mod open_file;
mod open_files;
mod page_cache;
mod paths;
mod range;
mod repair;
mod rewrite;
mod serial_executor;
mod shared_file;
mod shared_turns;
mod summaries;
mod summary;
mod tail;
mod turn_line;
mod turn_tree;

pub use self::{
    builder::JsonlHistoryBuilder, cache::TornTail, history::JsonlHistory, repair::Repaired,
};

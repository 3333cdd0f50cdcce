//! Import, export and copying of conversations, between stores and formats.
//!
//! - [`export`] and [`import`]: all conversations of a history as lines of JSON, and back.
//! - [`copy`]: all conversations of one history to another.

mod transfer;

pub use self::transfer::{LineFault, Progress, TransferError, copy, export, import};

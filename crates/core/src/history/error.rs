//! Errors of a history.

use crate::{BoxError, version::Version};

/// A store that could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The session is not as expected: somebody else has written to it, or cleared it.
    #[error("the conversation has changed: expected version {expected}, found {current}")]
    Stale {
        /// What was expected.
        expected: Version,
        /// What is there.
        current: Version,
    },
    /// Somebody else holds the session or the store.
    #[error("the conversation is busy")]
    Busy,
    /// A message is larger than the store takes.
    #[error("a message of {bytes} bytes is larger than this history takes ({limit} bytes)")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The store's limit.
        limit: u64,
    },
    /// The disk, or the store's own quota, is full. Nothing was written.
    #[error("the history is full")]
    Full {
        /// The store's own error.
        source: BoxError,
    },
    /// The store can be read and not written.
    #[error("the history is read-only")]
    ReadOnly {
        /// The store's own error.
        source: Option<BoxError>,
    },
    /// What is stored can't be read. It was not changed.
    #[error("the history is corrupt: {what}")]
    Corrupt {
        /// What is wrong, and where.
        what: String,
        /// The store's own error.
        source: Option<BoxError>,
    },
    /// A later version of this crate wrote the store.
    #[error("the history has schema version {found}, and this program knows up to {known}")]
    SchemaTooNew {
        /// The version found.
        found: u64,
        /// The latest known.
        known: u64,
    },
    /// The store does not do this.
    #[error("this history does not support {what}")]
    Unsupported {
        /// What it does not do.
        what: &'static str,
    },
    /// The store failed, or could not be reached.
    #[error("the history can't be reached")]
    Backend {
        /// The store's own error.
        source: BoxError,
    },
}

//! Notes: state that is derived from a session's messages.

use serde::{Deserialize, Serialize};

use super::error::HistoryError;
use crate::{value::Value, version::Version};

/// State derived from a session's messages, such as a summary, and the version that it covers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Note {
    /// The content, in its owner's format.
    pub body: Value,
    /// The last version that it covers: the watermark.
    pub covers: Version,
}

impl Note {
    /// The largest note that the stores on disks and servers take, in bytes of its JSON: 16 MiB,
    /// with any limit of messages. An encrypted note is larger by a third, so that an encrypted
    /// store takes notes of 12.5 million bytes.
    pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

    /// Checks the size of a note's JSON, for implementers of stores.
    ///
    /// # Errors
    /// [`HistoryError::TooLarge`] if it has more than [`MAX_BYTES`](Self::MAX_BYTES).
    pub const fn check_size(bytes: usize) -> Result<(), HistoryError> {
        let (bytes, limit) = (bytes as u64, Self::MAX_BYTES);
        if bytes > limit {
            return Err(HistoryError::TooLarge { what: "note", bytes, limit });
        }
        Ok(())
    }

    /// Creates a note.
    #[must_use]
    pub fn new(body: impl Into<Value>, covers: Version) -> Self {
        Self { body: body.into(), covers }
    }
}

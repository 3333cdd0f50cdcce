//! Notes: state that is derived from a session's messages.

use serde::{Deserialize, Serialize};

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
    /// Creates a note.
    #[must_use]
    pub fn new(body: impl Into<Value>, covers: Version) -> Self {
        Self { body: body.into(), covers }
    }
}

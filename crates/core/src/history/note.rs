//! State of a session in addition to its messages: notes and leases.

use serde::{Deserialize, Serialize};

use crate::{session::SessionId, turn::TurnId, value::Value, version::Version};

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
    /// The name of the note that has the facts of a session, a user or a group: a map from names to
    /// their descriptions. It is the one note that a person can change.
    pub const FACTS: &str = "entities";

    /// Creates a note.
    #[must_use]
    pub fn new(body: impl Into<Value>, covers: Version) -> Self {
        Self { body: body.into(), covers }
    }
}

/// Exclusive use of a session, until the lease is released or expires.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The session.
    pub session: SessionId,
    /// The holder's secret id.
    pub holder: TurnId,
}

impl Lease {
    /// Creates a lease of a session for a holder.
    #[must_use]
    pub const fn new(session: SessionId, holder: TurnId) -> Self {
        Self { session, holder }
    }
}

//! State that is kept with a session besides its messages: notes and leases.

use serde::{Deserialize, Serialize};

use crate::{session::SessionId, turn::TurnId, value::Value, version::Version};

/// Derived state beside a session's messages, such as a summary, and how far it covers them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Note {
    /// What it says, in a form of its owner's.
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

/// A session that one caller holds, until it is released or its time is up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The session.
    pub session: SessionId,
    /// The holder, known to nobody else.
    pub holder: TurnId,
}

impl Lease {
    /// Creates a lease of a session for a holder.
    #[must_use]
    pub const fn new(session: SessionId, holder: TurnId) -> Self {
        Self { session, holder }
    }
}

//! Notes: state that is derived from a session's messages.

use serde::{Deserialize, Serialize};

use crate::{session::SessionId, value::Value, version::Version};

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

    /// The name of the note whose [`covers`](Self::covers) is the version up to which the turns of
    /// a session are described in its [`FACTS`](Self::FACTS). The facts themselves cover no turns,
    /// so that they are on every branch. If `FACTS` covers turns, an earlier version has written
    /// it, and that is the version.
    pub const DESCRIBED: &str = "entities_of_session";

    /// Returns the session whose [lease](crate::ChatHistory::lease) is held during a change of the
    /// note [`FACTS`](Self::FACTS) of a session: one of a name of its own, or the session itself if
    /// it has the facts of a user or a group.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Note, SessionId};
    ///
    /// let lock = Note::facts_lock(&SessionId::new("chat-1")?);
    /// assert_eq!(lock.as_str(), "conversant:session:chat-1");
    /// let lock = Note::facts_lock(&SessionId::new("x".repeat(512))?);
    /// assert_eq!(lock.as_str(), "conversant:long-session:2e7a2c6d33cacb25");
    /// # Ok::<(), conversant_core::SessionIdError>(())
    /// ```
    #[must_use]
    pub fn facts_lock(session: &SessionId) -> SessionId {
        if session.is_reserved() {
            return session.clone();
        }
        SessionId::reserved("session", session.as_str())
    }

    /// Creates a note.
    #[must_use]
    pub fn new(body: impl Into<Value>, covers: Version) -> Self {
        Self { body: body.into(), covers }
    }
}

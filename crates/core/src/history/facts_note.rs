//! The note that has facts: its names, its form, its limits, and its lock.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::note::Note;
use crate::{session::SessionId, value::Value, version::Version};

/// The most facts of a note.
const MAX_FACTS: usize = 2000;

/// The most bytes of the names and descriptions of a note.
const MAX_BYTES: usize = 4 * 1024 * 1024;

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

    /// The time for which a change leases [`facts_lock`](Self::facts_lock). A change takes three
    /// operations of the store, once four.
    pub const FACTS_LEASE: Duration = Duration::from_secs(10);

    /// The longest wait for that lease. It is longer than the lease, so that a holder that was
    /// killed does not make a change fail.
    pub const FACTS_WAIT: Duration = Duration::from_secs(15);

    /// The most attempts of a change whose lease expires each time before it is stored.
    pub const FACTS_ATTEMPTS: usize = 8;

    /// Returns the facts of a note of the name [`FACTS`](Self::FACTS), the one that was written
    /// last at the end.
    #[must_use]
    pub fn facts(&self) -> Map<String, Json> {
        match &self.body {
            Value::Data(data) => data.as_object().cloned().unwrap_or_default(),
            _ => Map::new(),
        }
    }

    /// Returns the body of a note with facts, the one that was written last at the end. Of more
    /// than 2,000, or of more than 4 MiB of text, the ones written longest ago are left out.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Note, Version};
    /// use serde_json::{Map, json};
    ///
    /// let facts = (0..2001).map(|number| (number.to_string(), json!("known")));
    /// let note = Note::new(Note::facts_body(Map::from_iter(facts)), Version::new(0, 0));
    /// assert_eq!(note.facts().len(), 2000);
    /// assert!(!note.facts().contains_key("0"));
    /// ```
    #[must_use]
    pub fn facts_body(facts: Map<String, Json>) -> Value {
        let mut bytes = 0_usize;
        let fits = facts.iter().rev().take(MAX_FACTS).take_while(|(name, text)| {
            bytes += name.len() + text.as_str().map_or(0, str::len);
            bytes <= MAX_BYTES
        });
        let excess = facts.len() - fits.count();
        let kept: Map<_, _> = facts.into_iter().skip(excess).collect();
        Value::from(Json::Object(kept))
    }

    /// Returns the version up to which the turns of a session are described in its facts, if this
    /// is the note of its facts and an earlier version of this crate has written it. Otherwise that
    /// is what the note [`DESCRIBED`](Self::DESCRIBED) covers.
    #[must_use]
    pub const fn described_in_facts(&self) -> Option<Version> {
        if self.covers.messages > 0 { Some(self.covers) } else { None }
    }
}

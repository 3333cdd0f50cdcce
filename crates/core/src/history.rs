//! The history seam: a store of all conversations.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{BoxError, Messages, SessionId, Turn, TurnId};

/// A store of conversations: for each session an ordered, append-only log of turns.
///
/// **Who implements it**: store crates. **Who calls it**: memories, which show a prompt a part of it, and nobody deletes: a
/// policy is a view. The contract, which `conversant-testkit` has a suite for:
///
/// - `append` is whole or not at all, and idempotent by the turn's id: a turn that is there already is not added, and the version
///   is returned as if it had been.
/// - Once polled, `append` may take effect although its future is dropped. Whatever becomes of it is settled before any later
///   operation on that session is served; so the store owns the commit, not the future.
/// - Order is that of appending, never of time.
/// - Operations on one session are one total order. Different sessions do not wait for each other.
/// - `clear` starts a new epoch: an append that expects the old one is [`HistoryError::Stale`].
///
/// # Examples
///
/// A history that keeps nothing:
///
/// ```
/// use conversant_core::{
///     async_trait, ChatHistory, Expect, HistoryError, Range, SessionId, Slice, Turn, Version,
/// };
///
/// struct Forgetful;
///
/// #[async_trait]
/// impl ChatHistory for Forgetful {
///     async fn load(&self, _: &SessionId, _: Range) -> Result<Slice, HistoryError> {
///         Ok(Slice::default())
///     }
///     async fn append(&self, _: &SessionId, _: &Turn, _: Expect) -> Result<Version, HistoryError> {
///         Ok(Version::default())
///     }
///     async fn clear(&self, _: &SessionId) -> Result<(), HistoryError> {
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait ChatHistory: Send + Sync {
    /// Loads a part of a session. A session that was never written is empty: its version has no messages.
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError>;

    /// Appends a turn, if the session is as expected, and returns the version after it.
    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError>;

    /// Empties a session and starts a new epoch. Notes go too.
    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError>;

    /// Loads the turns of a part of a session, whole: for export. The default is unsupported.
    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        let _ = (session, range);
        Err(HistoryError::Unsupported { what: "turns" })
    }

    /// Lists the sessions that have been written, in the order of their bytes: those after one, at most `limit`. The default is
    /// unsupported.
    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let _ = (after, limit);
        Err(HistoryError::Unsupported { what: "listing sessions" })
    }

    /// Removes a session and all that is stored of it. An append that expects the session as it was before is
    /// [`HistoryError::Stale`], as after `clear`. The default is unsupported.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        let _ = session;
        Err(HistoryError::Unsupported { what: "deleting sessions" })
    }

    /// Returns the messages that a session begins with, at most this many, at a cost that does not grow with the session: where a
    /// conversation was cut, a view keeps the system messages that it opens with. `None` if this store can't (the default).
    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let _ = (session, count);
        Ok(None)
    }

    /// Loads a note: derived state beside the messages, such as a summary. The default is unsupported.
    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        let _ = (session, name);
        Err(HistoryError::Unsupported { what: "notes" })
    }

    /// Stores a note under a name, instead of the one before it, unless the session has a newer epoch than the note covers.
    /// The default is unsupported.
    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let _ = (session, name, note);
        Err(HistoryError::Unsupported { what: "notes" })
    }

    /// Takes the session for one caller, across processes, for a time: `None` if this store has no leases (the default),
    /// [`HistoryError::Busy`] if somebody else has it.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let _ = (session, time);
        Ok(None)
    }

    /// Gives a lease back. The default does nothing.
    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let _ = lease;
        Ok(())
    }

    /// Returns whether the history gives its messages by sharing them, so that loading all costs no more than loading what is new. Who
    /// reads a whole conversation again and again need not keep it then. The default is `false`.
    fn shares(&self) -> bool {
        false
    }
}

macro_rules! forward_history {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        impl<H: ChatHistory + ?Sized> ChatHistory for $pointer {
            async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
                (**self).load(session, range).await
            }
            async fn append(
                &self,
                session: &SessionId,
                turn: &Turn,
                expect: Expect,
            ) -> Result<Version, HistoryError> {
                (**self).append(session, turn, expect).await
            }
            async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
                (**self).clear(session).await
            }
            async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
                (**self).turns(session, range).await
            }
            async fn sessions(
                &self,
                after: Option<&SessionId>,
                limit: usize,
            ) -> Result<Vec<SessionId>, HistoryError> {
                (**self).sessions(after, limit).await
            }
            async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
                (**self).delete(session).await
            }
            async fn first(&self, session: &SessionId, count: usize) -> Result<Option<Messages>, HistoryError> {
                (**self).first(session, count).await
            }
            async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
                (**self).note(session, name).await
            }
            async fn put_note(&self, session: &SessionId, name: &str, note: &Note) -> Result<(), HistoryError> {
                (**self).put_note(session, name, note).await
            }
            async fn lease(&self, session: &SessionId, time: Duration) -> Result<Option<Lease>, HistoryError> {
                (**self).lease(session, time).await
            }
            async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
                (**self).release(lease).await
            }
            fn shares(&self) -> bool {
                (**self).shares()
            }
        }
    )*};
}
forward_history!(&H, Box<H>, std::sync::Arc<H>);

/// A position in a session: how many messages it has had since it was last cleared, and which turn
/// was its last.
///
/// The default is the version of a session that was never written. `Display` is the epoch, a dot,
/// and the number of messages.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Version {
    /// The number of times the session was cleared.
    pub epoch: u64,
    /// The number of messages since then.
    pub messages: u64,
    /// A fingerprint of the last turn's id ([`TurnId::fingerprint`]), or 0 if it is not known.
    ///
    /// Two sessions with as many messages can be different conversations: a store may have been
    /// emptied, restored from a backup or replaced while a service was running. The fingerprint
    /// tells them apart.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tip: u64,
}

impl Version {
    /// Creates a version whose last turn is not known.
    #[must_use]
    pub const fn new(epoch: u64, messages: u64) -> Self {
        Self { epoch, messages, tip: 0 }
    }

    /// Sets the fingerprint of the last turn's id.
    #[must_use]
    pub const fn with_tip(mut self, tip: u64) -> Self {
        self.tip = tip;
        self
    }

    /// Returns whether both versions are the same position of the same conversation. A tip that is
    /// not known (0) matches any other.
    #[must_use]
    pub const fn matches(self, other: Self) -> bool {
        self.epoch == other.epoch
            && self.messages == other.messages
            && (self.tip == other.tip || self.tip == 0 || other.tip == 0)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.messages)
    }
}

/// Which part of a session to load. Loading costs what it loads, whatever the session's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Range {
    /// All of it.
    All,
    /// The last turns, at most this many.
    LastTurns(usize),
    /// The last messages, at most this many.
    LastMessages(usize),
    /// The last messages whose stored JSON has at most this many bytes together, each whole.
    LastBytes(u64),
    /// What came after a version. If the epoch has changed since, all of it.
    After(Version),
}

impl Range {
    /// Cuts the range out of a whole session that is held in memory: for stores that have it there. `turns` are the indices at which its
    /// turns begin, in order.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Messages, Range, Version};
    ///
    /// let messages = Messages::from_iter(["a", "b", "c", "d"].map(Message::human));
    /// let cut = |range: Range| range.cut(0, &messages, &[0, 2]).messages.len();
    /// assert_eq!((cut(Range::All), cut(Range::LastTurns(1)), cut(Range::LastMessages(3))), (4, 2, 3));
    /// assert_eq!(cut(Range::After(Version::new(0, 3))), 1);
    /// ```
    #[must_use]
    pub fn cut(self, epoch: u64, messages: &Messages, turns: &[usize]) -> Slice {
        let count = messages.len();
        let start = match self {
            Self::LastTurns(last) => {
                turns.get(turns.len().saturating_sub(last)).copied().unwrap_or(count)
            }
            Self::LastMessages(last) => count.saturating_sub(last),
            Self::LastBytes(limit) => {
                let mut left = limit;
                let fits = |message: &&crate::Message| {
                    // What has no stored form (a tool's result without the id of its call) counts by its text.
                    let json = serde_json::to_string(message);
                    let bytes = json.map_or(message.text().len(), |json| json.len()) as u64;
                    left.checked_sub(bytes).inspect(|&rest| left = rest).is_some()
                };
                count - messages.iter().rev().take_while(fits).count()
            }
            Self::After(version) if version.epoch == epoch => {
                usize::try_from(version.messages).unwrap_or(count)
            }
            Self::All | Self::After(_) => 0,
        };
        Slice::new(messages.slice(start..), Version::new(epoch, count as u64))
    }
}

/// A part of a session: consecutive messages, the last of which is the session's last, and the version they end at.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Slice {
    /// The messages.
    pub messages: Messages,
    /// The session's version.
    pub version: Version,
}

impl Slice {
    /// Creates a slice.
    #[must_use]
    pub fn new(messages: impl Into<Messages>, version: Version) -> Self {
        Self { messages: messages.into(), version }
    }

    /// Returns the index, in the session, of the slice's first message.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.version.messages.saturating_sub(self.messages.len() as u64)
    }
}

/// What an append expects of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expect {
    /// Nothing: the turn goes after whatever is there.
    Any,
    /// That it was not cleared since this version.
    SameEpoch(Version),
    /// That it is at this version, no turn was added since.
    Exactly(Version),
}

impl Expect {
    /// Returns the version that is expected, if one is.
    #[must_use]
    pub const fn version(self) -> Option<Version> {
        match self {
            Self::Any => None,
            Self::SameEpoch(version) | Self::Exactly(version) => Some(version),
        }
    }

    /// Checks a session's version against what is expected of it: the rule for every store.
    ///
    /// # Errors
    /// [`HistoryError::Stale`].
    pub fn check(self, current: Version) -> Result<(), HistoryError> {
        let (expected, holds) = match self {
            Self::Any => return Ok(()),
            Self::SameEpoch(version) => {
                let same = version.messages != current.messages || version.matches(current);
                (version, version.epoch == current.epoch && same)
            }
            Self::Exactly(version) => (version, version.matches(current)),
        };
        if holds { Ok(()) } else { Err(HistoryError::Stale { expected, current }) }
    }
}

/// Derived state beside a session's messages, such as a summary, and how far it covers them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Note {
    /// What it says, in a form of its owner's.
    pub body: crate::Value,
    /// The last version that it covers: the watermark.
    pub covers: Version,
}

impl Note {
    /// Creates a note.
    #[must_use]
    pub fn new(body: impl Into<crate::Value>, covers: Version) -> Self {
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

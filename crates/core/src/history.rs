//! The history seam: a store of all conversations.

mod error;
mod expect;
mod note;
mod range;

use std::time::Duration;

use async_trait::async_trait;

pub use self::{
    error::HistoryError,
    expect::Expect,
    note::{Lease, Note},
    range::{Range, Slice},
};
use crate::{messages::Messages, session::SessionId, turn::Turn, version::Version};

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

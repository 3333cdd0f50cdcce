//! The history trait: a store of conversations.

mod bytes_left;
mod error;
mod expect;
mod facts_note;
mod forwarded;
mod identity;
mod lease;
mod note;
mod point;
mod range;
mod repeated_append;
mod session_filter;
mod session_info;
mod word_finder;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

pub use self::{
    bytes_left::BytesLeft,
    error::{HistoryError, TextFault},
    expect::Expect,
    identity::HistoryIdentity,
    lease::{Lease, LeaseHolder},
    note::Note,
    point::{Alternative, Point},
    range::{Range, Slice},
    session_filter::{SessionCursor, SessionCursorError, SessionFilter, SessionPage},
    session_info::{SessionInfo, UsageTotals},
    word_finder::WordFinder,
};
use crate::{
    message::Message, messages::Messages, session::SessionId, turn::Turn, version::Version,
};

/// A store of conversations: for each session an ordered, append-only log of turns.
///
/// Implemented by store crates; called by memories, which show a part of a session to a prompt and
/// never delete turns. `conversant-testkit` has a suite for the contract:
///
/// - `append` stores a turn whole or not at all, and is idempotent by the turn's id: a turn that is
///   stored already is not added again, and the version is returned as if it had been. If another
///   turn is stored under the id, `append` fails ([`Turn::check_stored`]).
/// - Once polled, `append` may take effect although its future is dropped. It is settled before any
///   later operation on that session is served, so the store owns the commit, not the future.
/// - Turns are ordered by their appends, never by time.
/// - A turn without messages is not stored. Its `append` checks what it expects, as any other, and
///   returns the version of the session: it begins no session, and is neither among the turns nor a
///   point.
/// - Operations on one session have a total order. Sessions do not wait for each other.
/// - `clear` starts a new epoch. An append that expects the old one fails with
///   [`HistoryError::Stale`].
/// - No error quotes what was said, nor a note, a title or what is looked for: errors reach logs. A
///   database's own message may quote the row that it refuses.
///
/// # Branches
/// A store may keep the turns of a session as a tree ([`Point`]). Then [`at`](Self::at) reads and
/// continues the conversation at any point, [`set_tip`](Self::set_tip) selects a branch,
/// [`alternatives`](Self::alternatives) lists the turns that follow a point, and
/// [`fork`](Self::fork) begins another session at a point. No turn is overwritten, and no cost
/// grows with the length of the session. A store without branches keeps a list, in which each turn
/// follows the one before it.
///
/// - All other operations see the path from the start to the tip.
/// - A new turn becomes the tip. If two writers append at the same point, both turns follow it, and
///   the one that was stored last is the tip.
/// - If the tip was moved while a turn was made, so that the version that its append expects
///   ([`Expect::SameEpoch`]) is no longer on the path to the tip, the turn follows that version,
///   and the tip stays.
/// - An append at a point, a move of the tip and a fork are whole or not done if they are dropped,
///   and settled as an append is. A store that has to copy the turns of a fork says that a fork
///   which is dropped may have the first of them.
///
/// # Lists of sessions
/// A store may keep what a list shows of each session ([`SessionInfo`]). It has no second place to
/// get out of step: counts and sums are stored with each turn, at a cost that does not grow.
///
/// - A session is listed if it has turns, on any branch, or a title or labels. A title of a session
///   that was never written begins it: a new chat is in the list before its first turn.
/// - [`clear`](Self::clear) removes the title with the turns that it is about, and keeps the labels
///   and the times. [`delete`](Self::delete) removes all of it. A [`fork`](Self::fork) has the
///   labels of its source, and no title.
///
/// # Errors
/// Every operation may fail with [`Backend`](HistoryError::Backend),
/// [`TimedOut`](HistoryError::TimedOut), [`Corrupt`](HistoryError::Corrupt) and
/// [`Busy`](HistoryError::Busy), and with [`Decryption`](HistoryError::Decryption) in an encrypted
/// store. One that writes may also fail with [`Full`](HistoryError::Full) and
/// [`ReadOnly`](HistoryError::ReadOnly), and one that a store does not have with
/// [`Unsupported`](HistoryError::Unsupported). On a view at a point ([`at`](Self::at)), an
/// operation fails with [`UnknownTurn`](HistoryError::UnknownTurn) if the session does not have the
/// point. The methods say which others they return.
///
/// # Examples
///
/// A history that stores nothing:
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a chat history",
    note = "implement `ChatHistory` for it, with `#[async_trait]` above the `impl`"
)]
pub trait ChatHistory: Send + Sync {
    /// Loads a part of a session. A session that was never written is empty.
    ///
    /// # Errors
    /// Those of [every operation](Self#errors). A version that does not belong to the session is
    /// not an error: all of the session is loaded ([`Range::After`]).
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError>;

    /// Appends a turn if the session is in the expected state, and returns the version after it.
    ///
    /// If a turn with this id is stored already, on any branch, nothing is changed. If it is the
    /// same turn, the version that the session had after it is returned.
    ///
    /// # Errors
    /// - [`HistoryError::TurnIdInUse`] if the stored turn has other messages, or an incomplete
    ///   answer and this one a whole one. The rule is [`Turn::check_stored`].
    /// - [`HistoryError::Stale`] if the session is not in the expected state.
    /// - [`HistoryError::TooLarge`] and [`HistoryError::Unsupported`] if the store cannot store a
    ///   message.
    /// - Those of [every operation](Self#errors).
    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError>;

    /// Checks, without storing anything, that the store would accept these messages: their size and
    /// how deeply their JSON is nested. A chain calls it with the user's message before it calls
    /// the model, so that no answer is paid for whose turn cannot be stored. It does no I/O.
    /// Accepts all messages by default.
    ///
    /// # Errors
    /// The error with which [`append`](Self::append) would refuse a turn of these messages.
    fn check(&self, session: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        let _ = (session, messages);
        Ok(())
    }

    /// Removes all turns and notes of a session and starts a new epoch, also if there are none: a
    /// call that began before is not saved after it.
    ///
    /// # Errors
    /// Those of [every operation](Self#errors). On a full disk a removal can fail too, with
    /// [`HistoryError::Full`].
    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError>;

    /// Loads whole turns of a part of a session, for export: those that begin in it. Unsupported by
    /// default.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        let _ = (session, range);
        Err(HistoryError::Unsupported { what: "turns" })
    }

    /// Lists at most `limit` sessions, in byte order, after a session if one is given: those that
    /// have turns, on any branch, a title or labels. A session that has notes alone, such as that
    /// of the facts of a user or a group, is not listed. Unsupported by default.
    ///
    /// # Errors
    /// Those of [every operation](Self#errors).
    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let _ = (after, limit);
        Err(HistoryError::Unsupported { what: "listing sessions" })
    }

    /// Removes a session and all its data. As after `clear`, an append that expects the removed
    /// session fails with [`HistoryError::Stale`]. Unsupported by default.
    ///
    /// An append that expects an empty session may be stored, since some stores (in memory,
    /// PostgreSQL and Redis) keep nothing of a removed session by which they would recognise it.
    /// So end a call before you remove the session that it begins.
    ///
    /// # Errors
    /// Those of [every operation](Self#errors). To name a session that does not exist is not an
    /// error.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        let _ = session;
        Err(HistoryError::Unsupported { what: "deleting sessions" })
    }

    /// Returns the first messages of a session, at most `count`, at a cost that does not grow with
    /// the session. A view that truncates a conversation uses it to keep the leading system
    /// messages. `None` if the store does not support it (the default).
    ///
    /// # Errors
    /// Those of [every operation](Self#errors).
    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let _ = (session, count);
        Ok(None)
    }

    /// Loads a note: state derived from the messages, such as a summary. In a session with
    /// branches, a note is loaded only if all turns that it covers are on the path to the tip.
    /// Unsupported by default.
    ///
    /// # Errors
    /// Those of [every operation](Self#errors). To ask for a note that is not stored is not an
    /// error.
    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        let _ = (session, name);
        Err(HistoryError::Unsupported { what: "notes" })
    }

    /// Stores a note under a name and replaces the previous one, if what it covers is in the
    /// session. A session that did not exist when it was loaded may begin in a later epoch, because
    /// others were deleted: a note that covers none of its turns is then one of the epoch in which
    /// it began. Unsupported by default.
    ///
    /// # Errors
    /// - [`HistoryError::Stale`] if the session has another epoch than the version that the note
    ///   covers, or does not have that version: it was cleared, deleted or moved to another branch.
    ///   Nothing is stored, and a memory reads what it needs again.
    /// - [`HistoryError::TooLarge`] if the note is larger than [`Note::MAX_BYTES`], which stores on
    ///   disks and servers take, or than three quarters of it in an encrypted store.
    /// - Those of [every operation](Self#errors).
    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let _ = (session, name, note);
        Err(HistoryError::Unsupported { what: "notes" })
    }

    /// Stores a note as [`put_note`](Self::put_note) does, if the note of that name is still the
    /// one that was read (`None`: there was none). Returns whether it was. Unsupported by default.
    /// A view at another point than the tip compares, and stores nothing ([`at`](Self::at)).
    ///
    /// The store compares and stores at once, for all its users. So a change of what was read is
    /// never stored in place of another one, however late its request arrives.
    ///
    /// # Errors
    /// As [`put_note`](Self::put_note): [`HistoryError::Stale`] says that the session does not have
    /// what the note covers, and `false` that the note is another one than was read. If both hold,
    /// a store says either.
    async fn replace_note(
        &self,
        session: &SessionId,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        let _ = (session, name, read, note);
        Err(HistoryError::Unsupported { what: "replacing notes" })
    }

    /// Acquires exclusive use of a session for a time, across processes. Returns `None` if the
    /// store has no leases (the default).
    ///
    /// # Errors
    /// - [`HistoryError::Busy`] if another caller holds the session.
    /// - Those of [every operation](Self#errors).
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let _ = (session, time);
        Ok(None)
    }

    /// Releases a lease. Does nothing if it has ended, and by default.
    ///
    /// # Errors
    /// Those of [every operation](Self#errors).
    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let _ = lease;
        Ok(())
    }

    /// Returns a view of this history whose sessions end at a point. Returns `None` if the store
    /// has no branches (the default).
    ///
    /// - It loads the path from the start to the point. A point that the session does not have is
    ///   [`HistoryError::UnknownTurn`].
    /// - It appends a turn at the point and makes it the session's tip; from then on the view ends
    ///   at that turn.
    /// - It loads a note only if all turns that the note covers are on the path, and stores one
    ///   only while the view ends at the tip. Elsewhere [`put_note`](Self::put_note) does nothing,
    ///   and neither does [`replace_note`](Self::replace_note), which returns whether the note that
    ///   the view loads is the one that was read. So a memory at an earlier point keeps the notes
    ///   of the conversation, and needs no code for it.
    ///
    /// It does no I/O. Use a view for one session and one call: to answer a question again, or to
    /// ask another one in its place.
    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        let _ = point;
        None
    }

    /// Moves the tip of a session to a point, and returns the version there. The turns that are
    /// left stay in the store as [`alternatives`](Self::alternatives). Unsupported by default.
    ///
    /// # Errors
    /// - [`HistoryError::UnknownTurn`] if the session does not have the point.
    /// - [`HistoryError::Stale`] if the session is not in the expected state.
    async fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let _ = (session, tip, expect);
        Err(HistoryError::Unsupported { what: "branches" })
    }

    /// Lists the turns that follow a point, in the order in which they were stored. Unsupported by
    /// default.
    ///
    /// # Errors
    /// [`HistoryError::UnknownTurn`] if the session does not have the point.
    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        let _ = (session, point);
        Err(HistoryError::Unsupported { what: "branches" })
    }

    /// Begins a session with the turns of another one up to a point, and returns its version. Notes
    /// are not taken along. The two sessions are independent: clearing or deleting one does not
    /// change the other. A store that copies the turns may leave some of them in the new session if
    /// it fails, and says how to go on. Unsupported by default.
    ///
    /// # Errors
    /// - [`HistoryError::UnknownTurn`] if the session does not have the point.
    /// - [`HistoryError::Stale`] if the new session is not empty.
    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        let _ = (session, point, into);
        Err(HistoryError::Unsupported { what: "branches" })
    }

    /// Returns a session as a list shows it, or `None` if it would not be listed. Unsupported by
    /// default.
    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        let _ = session;
        Err(HistoryError::Unsupported { what: "lists of sessions" })
    }

    /// Lists at most `limit` of the sessions that a filter selects, most recently used first, after
    /// the place at which a page ended if one is given. Unsupported by default.
    ///
    /// Pages of one list never show a session twice. A session that is used while the list is read
    /// is then at its start, before the pages to come: read the list from the start again, at most
    /// to the time at which the first reading began, and it is there.
    ///
    /// # Errors
    /// - [`HistoryError::Unsupported`] if the filter has a text and the store has no search.
    /// - [`HistoryError::InvalidText`] if the text has more than [`SessionFilter::MAX_WORDS`]
    ///   different words.
    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        let _ = (filter, after, limit);
        Err(HistoryError::Unsupported { what: "lists of sessions" })
    }

    /// Sets the title of a session, or removes it. Unsupported by default.
    ///
    /// # Errors
    /// [`HistoryError::InvalidText`] if the title is empty, has control characters, or is longer
    /// than [`SessionInfo::MAX_TITLE_BYTES`] or the store's lower limit.
    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        let _ = (session, title);
        Err(HistoryError::Unsupported { what: "titles" })
    }

    /// Sets the value of a session's label, or removes the label. Unsupported by default.
    ///
    /// # Errors
    /// - [`HistoryError::InvalidText`] if the name or the value is not one that
    ///   [`SessionInfo::check_label`] accepts.
    /// - [`HistoryError::TooManyLabels`] if the session has [`SessionInfo::MAX_LABELS`] others.
    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        let _ = (session, name, value);
        Err(HistoryError::Unsupported { what: "labels" })
    }

    /// Deletes at most `limit` of the sessions that a filter selects, as [`delete`](Self::delete)
    /// does, least recently used first, and returns how many it deleted. Call it until it returns
    /// 0: the limit bounds how long others wait. A session that no longer fulfils the conditions
    /// when its turn comes stays. Unsupported by default.
    ///
    /// A call that is dropped may go on: it belongs to no session, so that later operations on the
    /// sessions do not wait for it, and an operation may see a session that the next one does not.
    ///
    /// # Errors
    /// - [`HistoryError::EmptyFilter`] if the filter has no conditions.
    /// - [`HistoryError::Unsupported`] if it has a text and the store has no search.
    /// - [`HistoryError::InvalidText`] if the text has more than [`SessionFilter::MAX_WORDS`]
    ///   different words, or a word with symbols at its ends, such as `C++`, which the store does
    ///   not look up.
    /// - That of a session that is damaged, which keeps no other: it is returned once fewer others
    ///   than the limit are left.
    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        let _ = (filter, limit);
        Err(HistoryError::Unsupported { what: "lists of sessions" })
    }

    /// Returns whether loading shares the stored messages, so that loading all of them costs no
    /// more than loading the new ones. Callers that repeatedly read the whole session need not
    /// cache it then. `false` by default.
    fn shares(&self) -> bool {
        false
    }

    /// Returns whether loading a turn returns the messages exactly as they were appended. A memory
    /// that has appended a turn then does not load it again. `false` by default, for stores that
    /// change messages, such as one that redacts them. `suite::history` of `conversant-testkit`
    /// compares texts: run it on such a store without the change.
    fn is_verbatim(&self) -> bool {
        false
    }

    /// Returns the identity of the store, if it is known: that of a clone, or of an `Arc` that is
    /// shared, is equal. Memories that are combined then know that they store turns in one session.
    /// A view at a point is another one. `None` by default.
    fn identity(&self) -> Option<HistoryIdentity> {
        None
    }
}

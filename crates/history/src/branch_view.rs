//! The view of a history whose sessions end at a point.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, HistoryIdentity, Lease, Message, Messages,
    Note, Point, Range, SessionCursor, SessionFilter, SessionId, SessionInfo, SessionPage, Slice,
    Turn, Version, async_trait,
};

/// A store of branches whose operations read and write a session at a point, for [`HistoryAt`].
///
/// Implemented by stores with branches; called by [`HistoryAt`], and by the store's own
/// [`ChatHistory`], since `None` is the session's tip: the operations of `ChatHistory` are these
/// without a point. `suite::branched_history` of `conversant-testkit` checks them.
///
/// # Errors
/// An operation fails as the one of [`ChatHistory`] does, and with
/// [`UnknownTurn`](HistoryError::UnknownTurn) if the session does not have the point. A session
/// that was never written has its tip and [`Point::Start`], and is empty there.
#[async_trait]
pub trait BranchedHistory: ChatHistory + Clone + 'static {
    /// Loads a part of a session that ends at a point, whose version is that of the slice.
    ///
    /// # Errors
    /// As [`ChatHistory::load`], and [above](Self#errors). A version after which to load that is
    /// not on the path to the point is not an error: all of the path is loaded.
    async fn load_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Slice, HistoryError>;

    /// Appends a turn at a point, and makes it the tip. What is expected is compared with the
    /// version at the point.
    ///
    /// A turn that is stored already, on any branch, is not appended again, and the tip stays. Then
    /// it does not matter whether the session has the point.
    ///
    /// # Errors
    /// As [`ChatHistory::append`], and [above](Self#errors).
    async fn append_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError>;

    /// Loads whole turns of a part of a session that ends at a point.
    ///
    /// # Errors
    /// As [`ChatHistory::turns`], and [above](Self#errors).
    async fn turns_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Vec<Turn>, HistoryError>;

    /// Returns the first messages of a session that ends at a point. `None` if the store does not
    /// support it.
    ///
    /// # Errors
    /// As [`ChatHistory::first`], and [above](Self#errors).
    async fn first_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError>;

    /// Loads a note, if all turns that it covers are on the path to a point.
    ///
    /// # Errors
    /// As [`ChatHistory::note`], and [above](Self#errors).
    async fn note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
    ) -> Result<Option<Note>, HistoryError>;

    /// Stores a note, if the point is the session's tip. At another point, it does nothing.
    ///
    /// # Errors
    /// As [`ChatHistory::put_note`], and [above](Self#errors).
    async fn put_note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError>;

    /// Stores a note, if the point is the session's tip and the note that
    /// [`note_at`](Self::note_at) finds there is still the one that was read. Returns whether it
    /// is: at another point too, where nothing is stored.
    ///
    /// # Errors
    /// As [`ChatHistory::replace_note`], and [above](Self#errors).
    async fn replace_note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError>;
}

/// A view of a history whose sessions end at a point, which moves on with each append: what
/// [`ChatHistory::at`] returns.
pub struct HistoryAt<H> {
    history: H,
    point: Mutex<Point>,
}

impl<H> HistoryAt<H> {
    /// Creates the view of a history at a point.
    #[must_use]
    pub const fn new(history: H, point: Point) -> Self {
        Self { history, point: Mutex::new(point) }
    }

    fn point(&self) -> Option<Point> {
        Some(*self.point.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn move_to(&self, point: Point) {
        *self.point.lock().unwrap_or_else(PoisonError::into_inner) = point;
    }
}

impl<H> fmt::Debug for HistoryAt<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryAt").field("point", &self.point()).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<H: BranchedHistory> ChatHistory for HistoryAt<H> {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.history.load_at(session, self.point(), range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let version = self.history.append_at(session, self.point(), turn, expect).await?;
        // Without messages, it is not stored.
        if !turn.messages().is_empty() {
            self.move_to(Point::After(turn.id()));
        }
        Ok(version)
    }

    fn check(&self, session: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        self.history.check(session, messages)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.history.clear(session).await?;
        self.move_to(Point::Start);
        Ok(())
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.history.turns_at(session, self.point(), range).await
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        self.history.sessions(after, limit).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.history.delete(session).await?;
        self.move_to(Point::Start);
        Ok(())
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        self.history.first_at(session, self.point(), count).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.history.note_at(session, self.point(), name).await
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.history.put_note_at(session, self.point(), name, note).await
    }

    async fn replace_note(
        &self,
        session: &SessionId,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        self.history.replace_note_at(session, self.point(), name, read, note).await
    }

    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        self.history.lease(session, time).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        self.history.release(lease).await
    }

    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        self.history.at(point)
    }

    async fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let version = self.history.set_tip(session, tip, expect).await?;
        self.move_to(tip);
        Ok(version)
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        self.history.alternatives(session, point).await
    }

    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        self.history.fork(session, point, into).await
    }

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        self.history.session_info(session).await
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        self.history.list_sessions(filter, after, limit).await
    }

    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.history.set_title(session, title).await
    }

    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.history.set_label(session, name, value).await
    }

    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        self.history.delete_sessions(filter, limit).await
    }

    fn shares(&self) -> bool {
        self.history.shares()
    }

    fn is_verbatim(&self) -> bool {
        self.history.is_verbatim()
    }

    fn identity(&self) -> Option<HistoryIdentity> {
        None
    }
}

//! A history around another one, in which chosen calls fail.

use std::{fmt, sync::Arc, time::Duration};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, HistoryIdentity, Lease, Message, Messages,
    Note, Point, Range, SessionCursor, SessionFilter, SessionId, SessionInfo, SessionPage, Slice,
    Turn, Version, async_trait,
};

use super::{failure_mode::FailureMode, plan::Plan};

/// A history around another one, in which chosen calls fail.
///
/// Clones share the double. It needs no runtime.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatHistory, Expect, HistoryError, SessionId, Turn};
/// use conversant_testkit::{FailingHistory, HistoryCall, FailureMode, block_on};
/// # use conversant_core::{Range, Slice, Version, async_trait};
/// # struct Store;
/// # #[async_trait]
/// # impl ChatHistory for Store {
/// #     async fn load(&self, _: &SessionId, _: Range) -> Result<Slice, HistoryError> {
/// #         Ok(Slice::default())
/// #     }
/// #     async fn append(&self, _: &SessionId, _: &Turn, _: Expect) -> Result<Version, HistoryError> {
/// #         Ok(Version::default())
/// #     }
/// #     async fn clear(&self, _: &SessionId) -> Result<(), HistoryError> {
/// #         Ok(())
/// #     }
/// # }
///
/// # block_on(async {
/// let history = FailingHistory::new(Store)
///     .on(HistoryCall::Append, 2, FailureMode::fail(|| HistoryError::Busy))
///     .always(HistoryCall::Clear, FailureMode::panic());
/// let session = SessionId::new("user-7")?;
/// let turn = Turn::exchange("Hi there my friend", "Hello!");
///
/// assert!(history.append(&session, &turn, Expect::Any).await.is_ok());
/// let second = history.append(&session, &turn, Expect::Any).await;
/// assert!(matches!(second, Err(HistoryError::Busy)));
/// assert_eq!(history.calls(HistoryCall::Append), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct FailingHistory<H> {
    inner: Arc<H>,
    plan: Arc<Plan<HistoryCall, HistoryError>>,
}

/// A function of [`ChatHistory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HistoryCall {
    /// [`ChatHistory::load`].
    Load,
    /// [`ChatHistory::append`].
    Append,
    /// [`ChatHistory::clear`].
    Clear,
    /// [`ChatHistory::turns`].
    Turns,
    /// [`ChatHistory::sessions`].
    Sessions,
    /// [`ChatHistory::first`].
    First,
    /// [`ChatHistory::delete`].
    Delete,
    /// [`ChatHistory::note`].
    Note,
    /// [`ChatHistory::put_note`] and [`ChatHistory::replace_note`].
    PutNote,
    /// [`ChatHistory::lease`].
    Lease,
    /// [`ChatHistory::release`].
    Release,
    /// [`ChatHistory::set_tip`].
    SetTip,
    /// [`ChatHistory::alternatives`].
    Alternatives,
    /// [`ChatHistory::fork`].
    Fork,
    /// [`ChatHistory::session_info`].
    SessionInfo,
    /// [`ChatHistory::list_sessions`].
    ListSessions,
    /// [`ChatHistory::set_title`].
    SetTitle,
    /// [`ChatHistory::set_label`].
    SetLabel,
    /// [`ChatHistory::delete_sessions`].
    DeleteSessions,
}

impl<H: ChatHistory> FailingHistory<H> {
    /// Creates a double of `inner` in which no call fails.
    #[must_use]
    pub fn new(inner: H) -> Self {
        Self { inner: Arc::new(inner), plan: Arc::new(Plan::new()) }
    }

    /// Makes the `nth` call of a function fail, counted from 1.
    #[must_use]
    pub fn on(self, call: HistoryCall, nth: usize, failure: FailureMode<HistoryError>) -> Self {
        self.plan.add(call, Some(nth), failure);
        self
    }

    /// Makes every call of a function fail, except those that [`on`](Self::on) has set.
    #[must_use]
    pub fn always(self, call: HistoryCall, failure: FailureMode<HistoryError>) -> Self {
        self.plan.add(call, None, failure);
        self
    }

    /// Removes all failures.
    pub fn clear_failures(&self) {
        self.plan.forget();
    }

    /// Returns the number of calls of a function.
    #[must_use]
    pub fn calls(&self, call: HistoryCall) -> usize {
        self.plan.calls(call)
    }

    /// Returns the inner history, which does not fail.
    #[must_use]
    pub fn inner(&self) -> &H {
        &self.inner
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<H: ChatHistory> ChatHistory for FailingHistory<H> {
    fn shares(&self) -> bool {
        self.inner.shares()
    }

    fn is_verbatim(&self) -> bool {
        self.inner.is_verbatim()
    }

    fn identity(&self) -> Option<HistoryIdentity> {
        self.inner.identity()
    }

    fn check(&self, session: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        self.inner.check(session, messages)
    }

    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.plan.run(HistoryCall::Load, self.inner.load(session, range)).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.plan.run(HistoryCall::Append, self.inner.append(session, turn, expect)).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.plan.run(HistoryCall::Clear, self.inner.clear(session)).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.plan.run(HistoryCall::Turns, self.inner.turns(session, range)).await
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        self.plan.run(HistoryCall::Sessions, self.inner.sessions(after, limit)).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        self.plan.run(HistoryCall::First, self.inner.first(session, count)).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.plan.run(HistoryCall::Delete, self.inner.delete(session)).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.plan.run(HistoryCall::Note, self.inner.note(session, name)).await
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.plan.run(HistoryCall::PutNote, self.inner.put_note(session, name, note)).await
    }

    async fn replace_note(
        &self,
        session: &SessionId,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        let replace = self.inner.replace_note(session, name, read, note);
        self.plan.run(HistoryCall::PutNote, replace).await
    }

    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        self.plan.run(HistoryCall::Lease, self.inner.lease(session, time)).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        self.plan.run(HistoryCall::Release, self.inner.release(lease)).await
    }

    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        let inner = Arc::new(self.inner.at(point)?);
        Some(Arc::new(FailingHistory { inner, plan: Arc::clone(&self.plan) }))
    }

    async fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.plan.run(HistoryCall::SetTip, self.inner.set_tip(session, tip, expect)).await
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        self.plan.run(HistoryCall::Alternatives, self.inner.alternatives(session, point)).await
    }

    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        self.plan.run(HistoryCall::Fork, self.inner.fork(session, point, into)).await
    }

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        self.plan.run(HistoryCall::SessionInfo, self.inner.session_info(session)).await
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        self.plan
            .run(HistoryCall::ListSessions, self.inner.list_sessions(filter, after, limit))
            .await
    }

    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.plan.run(HistoryCall::SetTitle, self.inner.set_title(session, title)).await
    }

    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.plan.run(HistoryCall::SetLabel, self.inner.set_label(session, name, value)).await
    }

    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        self.plan.run(HistoryCall::DeleteSessions, self.inner.delete_sessions(filter, limit)).await
    }
}

impl<H> Clone for FailingHistory<H> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), plan: Arc::clone(&self.plan) }
    }
}

impl<H> fmt::Debug for FailingHistory<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailingHistory").finish_non_exhaustive()
    }
}

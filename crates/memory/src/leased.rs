//! The memory that leases its session during a call.

mod call_lease;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, HistoryError, LoadContext, Loaded, MaintainContext, Memory, MemoryError, Messages,
    Point, Saved, SessionId, Slot, Ticket, Turn, TurnKeys, clock::Instant,
};

use self::call_lease::{CallLease, LeftLeases};
use crate::conversation::kept_lease::KeptLease;

/// Leases the session from the load to the save, so that no other process calls a model for the
/// conversation in the meantime. Each call costs two more operations of the store, unless the lease
/// is [kept between calls](Self::kept_between_calls).
///
/// While another caller holds the lease, a load fails with [`HistoryError::Busy`] before a model is
/// called. A lease expires: choose a time that no call exceeds.
///
/// A call may end without releasing its lease: its future is dropped, or its deadline passes while
/// the memory is loading or saving. The next load, or the next [`abandon`](Memory::abandon), of the
/// same memory then releases it. Other memories wait until it expires. So does this one, if the
/// call ended while the store was granting the lease.
///
/// Of memories that are combined, only one may lease a session: the second one would find it busy
/// in each call. Lease the `CombinedMemory` of them instead, with [`new`](Self::new).
///
/// # Examples
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use conversant_core::{vars, LoadContext, Memory, SessionId};
/// use conversant_memory::{BufferMemory, InMemoryHistory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (history, session) = (InMemoryHistory::new(), SessionId::new("user-7")?);
/// let leased = || {
///     let memory = BufferMemory::new().with_history(history.clone(), session.clone());
///     memory.leased(Duration::from_secs(120))
/// };
/// let (one, another) = (leased(), leased());
/// let inputs = vars! { "human_input" => "hi" };
/// let loaded = one.load(LoadContext::new(&inputs)).await?;
/// assert!(another.load(LoadContext::new(&inputs)).await.is_err(), "cannot use the conversation: it is busy");
/// one.abandon(loaded.ticket).await;
/// another.load(LoadContext::new(&inputs)).await?;
/// # Ok(())
/// # }
/// ```
pub struct LeasedMemory<M> {
    memory: M,
    history: Arc<dyn ChatHistory>,
    session: SessionId,
    time: Duration,
    is_kept: bool,
    kept: Arc<KeptLease>,
    left: Arc<LeftLeases>,
}

/// The state of a leased load, in its ticket.
struct LeasedTicket {
    lease: CallLease,
    ticket: Ticket,
}

impl<M: Memory> LeasedMemory<M> {
    /// Wraps a memory of this session of a history. The memories of this crate have the method
    /// `leased` for it.
    pub fn new(
        memory: M,
        history: impl ChatHistory + 'static,
        session: SessionId,
        time: Duration,
    ) -> Self {
        Self::sharing(memory, Arc::new(history), session, time, Arc::default())
    }

    /// Wraps a memory that reads the state of the lease.
    pub(crate) fn sharing(
        memory: M,
        history: Arc<dyn ChatHistory>,
        session: SessionId,
        time: Duration,
        kept: Arc<KeptLease>,
    ) -> Self {
        Self { memory, history, session, time, is_kept: false, kept, left: Arc::default() }
    }

    /// Keeps the lease between calls, for a service in which each conversation has its own process.
    /// By default each call acquires and releases it. Memories [at a point](Memory::at) share it.
    ///
    /// - A call that begins in the second half of the lease's time first releases it and acquires
    ///   it again. Other processes have their chance then. Choose a time of at least twice that of
    ///   the longest call.
    /// - A process that ends keeps others from the conversation until the lease expires, unless it
    ///   calls [`end_lease`](Self::end_lease).
    /// - A memory that is dropped leaves its lease in the store until it expires, and another
    ///   memory of the session is refused as busy until then, also in the same process. A cache of
    ///   chains, such as `Conversations` of `conversant-chains`, drops the chains that were not
    ///   used lately. With such a cache, lease each call (the default), or make its capacity larger
    ///   than the number of conversations.
    /// - A store does not refuse changes by callers without a lease, and removes the lease of a
    ///   conversation that is deleted. So each call still asks the store for changes, and acquires
    ///   the lease again after a deletion. See [`as_only_writer`](Self::as_only_writer).
    #[must_use]
    pub const fn kept_between_calls(mut self) -> Self {
        self.is_kept = true;
        self
    }

    /// Omits the load of calls under a lease that is [kept between
    /// calls](Self::kept_between_calls): a call of a buffer or a window is one operation of the
    /// store, the append. Has no effect without a kept lease.
    ///
    /// **Only this memory and the memories at its points may then change the conversation.** A
    /// change by another way is not seen: a prompt may contain turns that were deleted, or the
    /// turns of another branch. Such ways are the methods of the history itself
    /// ([`delete`](ChatHistory::delete), [`delete_sessions`](ChatHistory::delete_sessions),
    /// [`clear`](ChatHistory::clear), [`set_tip`](ChatHistory::set_tip),
    /// [`append`](ChatHistory::append)), other memories, and other programs. Before such a change,
    /// call [`end_lease`](Self::end_lease): the next call then loads what is stored.
    ///
    /// It holds for memories that were made by the method `leased`, over a
    /// [verbatim](ChatHistory::is_verbatim) history. Others load as before.
    #[must_use]
    pub fn as_only_writer(self) -> Self {
        self.kept.set_only_writer();
        self
    }

    /// Releases a lease that is [kept between calls](Self::kept_between_calls). The next call
    /// acquires it again.
    ///
    /// # Errors
    /// The errors of the history. The next call then tries again to release the lease.
    pub async fn end_lease(&self) -> Result<(), HistoryError> {
        match self.kept.end() {
            Some(lease) => self.release(&CallLease::new(lease, &self.left)).await,
            None => Ok(()),
        }
    }

    /// Acquires the lease for a call, unless one is kept.
    async fn acquire(&self) -> Result<CallLease, HistoryError> {
        self.release_left().await;
        if self.is_kept {
            if self.kept.is_held() {
                return Ok(CallLease::none());
            }
            let _ = self.end_lease().await;
        }
        let requested = Instant::now();
        let lease = self.history.lease(&self.session, self.time).await?;
        let lease = lease.ok_or(HistoryError::Unsupported { what: "leases" })?;
        if !self.is_kept {
            return Ok(CallLease::new(lease, &self.left));
        }
        self.kept.begin(lease, requested, self.time);
        Ok(CallLease::none())
    }

    /// Loads the memory under the lease of a call. If that fails, the lease is released.
    async fn load_under(
        &self,
        lease: &CallLease,
        context: LoadContext<'_>,
    ) -> Result<Loaded, MemoryError> {
        let loaded = self.memory.load(context).await;
        if loaded.is_err() {
            self.finish(lease).await;
        }
        loaded
    }

    /// Releases the lease of a call. If that fails, the next call tries again.
    async fn finish(&self, lease: &CallLease) {
        let _ = self.release(lease).await;
    }

    /// Releases the leases that calls have left. If that fails, they expire.
    async fn release_left(&self) {
        for lease in self.left.take() {
            self.finish(&lease).await;
            lease.forget();
        }
    }

    async fn release(&self, lease: &CallLease) -> Result<(), HistoryError> {
        if let Some(held) = lease.get() {
            self.history.release(&held).await?;
            lease.forget();
        }
        Ok(())
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<M: Memory> Memory for LeasedMemory<M> {
    fn variables(&self) -> &[Slot] {
        self.memory.variables()
    }

    fn keys(&self) -> &TurnKeys {
        self.memory.keys()
    }

    fn saves_turns(&self) -> bool {
        self.memory.saves_turns()
    }

    fn gives_text(&self, variable: &str) -> bool {
        self.memory.gives_text(variable)
    }

    fn stored_in(&self) -> Option<(&dyn ChatHistory, &SessionId)> {
        self.memory.stored_in()
    }

    fn at(&self, point: Point) -> Option<Box<dyn Memory>> {
        Some(Box::new(LeasedMemory {
            memory: self.memory.at(point)?,
            history: Arc::clone(&self.history),
            session: self.session.clone(),
            time: self.time,
            is_kept: self.is_kept,
            kept: Arc::clone(&self.kept),
            left: Arc::clone(&self.left),
        }))
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let mut lease = self.acquire().await?;
        let mut loaded = self.load_under(&lease, context).await?;
        if !self.kept.is_current(loaded.ticket.version()) {
            let _ = self.end_lease().await;
            lease = self.acquire().await?;
            loaded = self.load_under(&lease, context).await?;
        }
        let Loaded { variables, ticket, .. } = loaded;
        let outer = ticket.version().map(Ticket::new).unwrap_or_default();
        Ok(Loaded::new(variables).with_ticket(outer.with_state(LeasedTicket { lease, ticket })))
    }

    fn check(&self, messages: &Messages) -> Result<(), MemoryError> {
        self.memory.check(messages)
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        let Some(LeasedTicket { lease, ticket }) = ticket.state() else {
            return self.memory.save(turn, ticket).await;
        };
        let saved = self.memory.save(turn, ticket.clone()).await;
        self.finish(lease).await;
        saved
    }

    async fn abandon(&self, ticket: Ticket) {
        match ticket.state() {
            Some(LeasedTicket { lease, ticket }) => {
                self.memory.abandon(ticket.clone()).await;
                self.finish(lease).await;
            }
            None => self.memory.abandon(ticket.clone()).await,
        }
        self.release_left().await;
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        self.memory.maintain().await
    }

    async fn maintain_with(&self, context: MaintainContext<'_>) -> Result<Saved, MemoryError> {
        self.memory.maintain_with(context).await
    }

    fn needs_maintenance(&self) -> bool {
        self.memory.needs_maintenance()
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.memory.clear().await
    }
}

impl<M: fmt::Debug> fmt::Debug for LeasedMemory<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasedMemory")
            .field("memory", &self.memory)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

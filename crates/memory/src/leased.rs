//! The memory that leases its session during a call.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, HistoryError, Lease, LoadContext, Loaded, MaintainContext, Memory, MemoryError,
    Messages, Point, Saved, SessionId, Slot, Ticket, Turn, TurnKeys, clock::Instant,
};

use crate::conversation::kept_lease::KeptLease;

/// Leases the session from the load to the save, so that no other process calls a model for the
/// conversation in the meantime. Each call costs two more operations of the store, unless the lease
/// is [kept between calls](Self::kept_between_calls).
///
/// While another caller holds the lease, a load fails with [`HistoryError::Busy`] before a model is
/// called. A lease expires: choose a time that no call exceeds. A call whose future is dropped
/// keeps its lease until then.
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
}

/// The state of a leased load, in its ticket.
struct LeasedTicket {
    lease: Lease,
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
    pub(crate) const fn sharing(
        memory: M,
        history: Arc<dyn ChatHistory>,
        session: SessionId,
        time: Duration,
        kept: Arc<KeptLease>,
    ) -> Self {
        Self { memory, history, session, time, is_kept: false, kept }
    }

    /// Keeps the lease between calls, for a service in which each conversation has its own process.
    /// By default each call acquires and releases it.
    ///
    /// A call then needs one operation of the store, the append: the messages that it needs are
    /// held, and no other caller adds some. It holds for memories that were made by the method
    /// `leased`, over a [verbatim](ChatHistory::is_verbatim) history.
    ///
    /// - A call that begins in the second half of the lease's time first releases it and acquires
    ///   it again. Other processes have their chance then. Choose a time of at least twice that of
    ///   the longest call.
    /// - A process that ends keeps others from the conversation until the lease expires, unless it
    ///   calls [`end_lease`](Self::end_lease).
    #[must_use]
    pub const fn kept_between_calls(mut self) -> Self {
        self.is_kept = true;
        self
    }

    /// Releases a lease that is [kept between calls](Self::kept_between_calls). The next call
    /// acquires it again.
    ///
    /// # Errors
    /// The errors of the history. The lease then expires.
    pub async fn end_lease(&self) -> Result<(), HistoryError> {
        match self.kept.end() {
            Some(lease) => self.history.release(&lease).await,
            None => Ok(()),
        }
    }

    /// Acquires the lease for a call, or returns the one that is kept.
    async fn acquire(&self) -> Result<Lease, HistoryError> {
        if self.is_kept {
            if let Some(lease) = self.kept.lease() {
                return Ok(lease);
            }
            if let Some(lease) = self.kept.end() {
                self.release(&lease).await;
            }
        }
        let requested = Instant::now();
        let lease = self.history.lease(&self.session, self.time).await?;
        let lease = lease.ok_or(HistoryError::Unsupported { what: "leases" })?;
        if self.is_kept {
            self.kept.begin(lease.clone(), requested, self.time);
        }
        Ok(lease)
    }

    /// Gives back the lease of a call.
    async fn finish(&self, lease: &Lease) {
        if !self.is_kept {
            self.release(lease).await;
        }
    }

    /// Releases a lease. If that fails, the lease expires.
    async fn release(&self, lease: &Lease) {
        let _ = self.history.release(lease).await;
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

    fn stored_in(&self) -> Option<(&dyn ChatHistory, &SessionId)> {
        self.memory.stored_in()
    }

    fn at(&self, point: Point) -> Option<Box<dyn Memory>> {
        let (history, session) = (Arc::clone(&self.history), self.session.clone());
        Some(Box::new(LeasedMemory::new(self.memory.at(point)?, history, session, self.time)))
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let lease = self.acquire().await?;
        match self.memory.load(context).await {
            Ok(Loaded { variables, ticket, .. }) => {
                let outer = ticket.version().map(Ticket::new).unwrap_or_default();
                Ok(Loaded::new(variables)
                    .with_ticket(outer.with_state(LeasedTicket { lease, ticket })))
            }
            Err(error) => {
                self.finish(&lease).await;
                Err(error)
            }
        }
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
        if let Some(LeasedTicket { lease, ticket }) = ticket.state() {
            self.memory.abandon(ticket.clone()).await;
            self.finish(lease).await;
        }
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

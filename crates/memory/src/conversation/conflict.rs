//! The treatment of a turn that was not the first to follow its prompt.

/// The treatment of a turn if another process has written to the conversation since the turn's
/// prompt was made.
///
/// The calls of one chain queue, so this concerns processes that share a store. Alternatively,
/// [`LeasedMemory`](crate::LeasedMemory) lets only one of them call the model.
///
/// # Examples
///
/// ```
/// use conversant_core::{HistoryError, LoadContext, Memory, MemoryError, SessionId, Ticket, Turn, vars};
/// use conversant_memory::{BufferMemory, Conflict, InMemoryHistory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (history, session) = (InMemoryHistory::new(), SessionId::new("ada")?);
/// let mine = BufferMemory::new()
///     .with_history(history.clone(), session.clone())
///     .with_conflict(Conflict::Fail);
/// let others = BufferMemory::new().with_history(history, session);
///
/// let ticket = mine.load(LoadContext::new(&vars! {})).await?.ticket;
/// others.save(&Turn::exchange("I was first.", "Yes."), Ticket::default()).await?;
/// let error = mine.save(&Turn::exchange("Hi", "Hello!"), ticket).await.unwrap_err();
/// assert!(matches!(error, MemoryError::History(HistoryError::Stale { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Conflict {
    /// The turn is appended after the newer ones, and the version that its prompt contained is
    /// stored with it (the default). If the tip was moved off the turns that the prompt contained,
    /// the turn follows these as an alternative, and the tip stays.
    #[default]
    Append,
    /// Saving fails with [`HistoryError::Stale`](conversant_core::HistoryError::Stale), also if the
    /// conversation was emptied, restored from a backup or replaced. The chain's error contains the
    /// answer.
    Fail,
}

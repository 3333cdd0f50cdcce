//! The treatment of a turn that was not the first to follow its prompt.

/// The treatment of a turn if another process has written to the conversation since the turn's
/// prompt was made.
///
/// The calls of one chain queue, so this concerns processes that share a store. Alternatively,
/// [`LeasedMemory`](crate::LeasedMemory) lets only one of them call the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Conflict {
    /// The turn is appended after the newer ones, and the version that its prompt contained is
    /// stored with it (the default).
    #[default]
    Append,
    /// Saving fails with [`HistoryError::Stale`](conversant_core::HistoryError::Stale), also if the
    /// conversation was emptied, restored from a backup or replaced. The chain's error contains the
    /// answer.
    Fail,
}

//! What becomes of a turn when another writer was there first.

/// What becomes of a turn if another process has written to the conversation since the turn's prompt was made.
///
/// Within one process a chain's calls queue, so this is about two processes on one store. A third way is to let only one of them call:
/// [`LeasedMemory`](crate::LeasedMemory).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Conflict {
    /// The turn is kept: it goes after the newer ones, and the version that its prompt saw is recorded with it. It costs nothing.
    #[default]
    Append,
    /// Saving fails with [`HistoryError::Stale`](conversant_core::HistoryError::Stale); the chain's error carries the answer, which was
    /// paid for.
    Fail,
}

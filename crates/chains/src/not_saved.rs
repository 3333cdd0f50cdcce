//! A turn that was not saved, with the answer that was paid for.

use conversant_core::{HistoryError, MemoryError, Reply, SessionId, Turn, Withheld};

/// The model's answer and the turn that was not saved.
///
/// Retry with `memory.save(&turn, Ticket::default())`, with the memory that the turn belongs to:
/// the chain's, or that of a step ([`ChainError::not_saved`](crate::ChainError::not_saved)). A
/// program that has the history can append the turn to [`session`](Self::session) instead. Both are
/// safe even if the first save took effect, since a turn is stored once by its id. If
/// [`is_id_in_use`](Self::is_id_in_use), give the turn a new id first, by [`Turn::with_id`].
///
/// `Debug` withholds message text.
#[derive(thiserror::Error)]
#[error("cannot save turn `{}`", turn.id())]
#[non_exhaustive]
pub struct NotSaved {
    /// The answer's text.
    pub text: Withheld,
    /// The model's reply, if the chain has one.
    pub reply: Option<Reply>,
    /// The turn to save.
    pub turn: Turn,
    /// The session that the turn belongs to, if the memory is one of a session
    /// ([`Memory::stored_in`](conversant_core::Memory::stored_in)).
    pub session: Option<SessionId>,
    /// The error of the save.
    pub source: MemoryError,
}

impl NotSaved {
    /// Returns whether another turn is stored under the turn's id, so that a repeated save fails
    /// too.
    #[must_use]
    pub const fn is_id_in_use(&self) -> bool {
        matches!(self.source, MemoryError::History(HistoryError::TurnIdInUse { .. }))
    }
}

conversant_core::debug_as_report!(NotSaved);

//! A turn whose save failed, and its second save.

use conversant_core::{Reply, Turn, Withheld};

use super::CallState;
use crate::{
    error::ChainError, limits::Limits, memory_binding::MemoryBinding, not_saved::NotSaved,
    queue::Permit,
};

/// The answer and the turn of a save that failed.
pub(crate) struct UnsavedTurn {
    text: Withheld,
    reply: Option<Reply>,
    turn: Turn,
}

impl UnsavedTurn {
    pub(crate) fn of(not_saved: &NotSaved) -> Self {
        let NotSaved { text, reply, turn, .. } = not_saved;
        Self { text: text.clone(), reply: reply.clone(), turn: turn.clone() }
    }
}

impl CallState {
    /// Enters the queue again after a failure gave the place back. The call's limits no longer
    /// hold: what follows is asked for after its end.
    pub(crate) async fn reenter(&mut self, binding: &MemoryBinding) -> Result<(), ChainError> {
        self.limits = Limits::default();
        if !self.permit.as_ref().is_some_and(Permit::keep) {
            self.permit = None;
            self.permit = Some(binding.enter(false, None).saving().await?);
        }
        Ok(())
    }

    /// Saves a turn again whose first save failed: by the ticket of the load, so that a
    /// conversation that was cleared since then stays cleared.
    pub(crate) async fn save_again(
        self,
        binding: &MemoryBinding,
        unsaved: UnsavedTurn,
    ) -> Result<(), ChainError> {
        let UnsavedTurn { text, reply, turn } = unsaved;
        match binding.memory().save(&turn, self.ticket.clone().unwrap_or_default()).await {
            Ok(saved) => {
                self.warn(&saved.warnings);
                Ok(())
            }
            Err(source) => {
                let session = binding.session();
                let not_saved = NotSaved { text, reply, turn, session, source };
                Err(ChainError::NotSaved(Box::new(not_saved)))
            }
        }
    }
}

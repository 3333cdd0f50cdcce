//! The answer of a call that is repeated with its turn id.

use std::pin::pin;

use super::CallState;
use crate::{
    call_phase::CallPhase,
    chain::Chain,
    error::ChainError,
    memory_binding::MemoryBinding,
    resumed::Resumed,
    stored_answer::{self, FoundTurn, Search, StoredAnswer},
};

impl CallState {
    /// Looks for the answer of a call with the same turn id, and loads the memory if there is none.
    pub(super) async fn find_or_load(
        &mut self,
        chain: &dyn Chain,
        binding: &MemoryBinding,
    ) -> Result<(), ChainError> {
        let mut search = self.find_stored(binding).await?;
        if self.take_found(chain, binding, search.found.take())? {
            return Ok(());
        }
        self.load(binding).await?;
        if self.ticket.as_ref().is_none_or(|ticket| search.is_current(ticket)) {
            return Ok(());
        }
        let again = self.find_stored(binding).await;
        match again.and_then(|search| self.take_found(chain, binding, search.found)) {
            Ok(false) => Ok(()),
            ended => {
                self.release(Some(binding)).await;
                ended.map(drop)
            }
        }
    }

    async fn find_stored(&mut self, binding: &MemoryBinding) -> Result<Search, ChainError> {
        let find = pin!(stored_answer::find(binding, self.turn_id, &self.input));
        let found = self.limits.run(self.permit.as_ref(), find).await;
        found.map_err(|exceeded| exceeded.during(CallPhase::Load))?
    }

    /// Takes the answer of a stored turn. Returns whether there is one.
    fn take_found(
        &mut self,
        chain: &dyn Chain,
        binding: &MemoryBinding,
        found: Option<Box<FoundTurn>>,
    ) -> Result<bool, ChainError> {
        let Some(found) = found else { return Ok(false) };
        // The stored turn has what a resumed one had before.
        let context = self.context.clone().with_resumed(Resumed::default());
        let restored = {
            let _polled = self.mark_polled();
            found.restore(chain, &context, binding.stores_first_output())
        };
        self.stored = StoredAnswer::Found(Box::new(restored?));
        Ok(true)
    }
}

//! The check of an answer before it is returned and its turn is stored.

use super::CallState;
use crate::{
    answer::Answer,
    chain::Chain,
    error::ChainError,
    memory_binding::MemoryBinding,
    pending::PendingTurn,
    refused_answer::{AnswerFault, RefusedAnswer},
    stored_answer::StoredAnswer,
};

impl CallState {
    /// Checks that an answer has the outputs that its chain declares, and that its messages can be
    /// stored as a whole turn.
    pub(crate) fn check_answer(
        &self,
        chain: &dyn Chain,
        binding: Option<&MemoryBinding>,
        answer: &Answer,
    ) -> Result<(), ChainError> {
        let fault = AnswerFault::of_outputs(answer, chain.outputs()).or_else(|| {
            let is_new = !matches!(self.stored, StoredAnswer::Taken);
            let fault = binding.filter(|_| is_new)?.answer_fault(answer)?;
            // Calls in the last message wait for their results.
            Some(fault).filter(|_| !PendingTurn::is_due(answer))
        });
        let Some(fault) = fault else { return Ok(()) };
        let refused = RefusedAnswer::new(fault, answer.clone());
        Err(ChainError::RefusedAnswer(Box::new(refused)))
    }
}

//! The work that the tools of a failed call have done.

use conversant_core::{Messages, ModelError};

use crate::error::ChainError;

/// The work that the tools of a failed call have done, as far as its error says it.
pub(super) enum ToolsRun {
    /// Calls and results, none if no tool has run. A model that has them after its prompt goes on.
    Exchange(Messages),
    /// Calls of a step or of a branch, whose prompt was not that of the call.
    Inside,
}

impl ToolsRun {
    pub(super) fn of(error: &ChainError) -> Self {
        match error {
            ChainError::Model(error) => Self::Exchange(of_model(error)),
            ChainError::Parse { answers, interrupted, .. } => {
                // The last answer has the exchanges of those before it.
                let mut exchange = answers
                    .last()
                    .map_or_else(Messages::new, |refused| refused.intermediate.clone());
                if let Some(ChainError::Model(error)) = interrupted.as_deref() {
                    exchange.append(&of_model(error));
                }
                Self::Exchange(exchange)
            }
            ChainError::NotSaved(not_saved) => {
                let reply = not_saved.reply.as_ref();
                Self::Exchange(reply.map_or_else(Messages::new, |reply| reply.intermediate.clone()))
            }
            ChainError::Step(failed) => Self::inside([&failed.source]),
            ChainError::Branches(failed) => {
                Self::inside(failed.failures.iter().map(|(_, error)| error))
            }
            // Each chain has gone on after those before it.
            ChainError::Fallbacks(failed) => {
                let mut all = Messages::new();
                for error in &failed.errors {
                    match Self::of(error) {
                        Self::Exchange(exchange) => all.append(&exchange),
                        Self::Inside => return Self::Inside,
                    }
                }
                Self::Exchange(all)
            }
            _ => Self::Exchange(Messages::new()),
        }
    }

    fn inside<'e>(errors: impl IntoIterator<Item = &'e ChainError>) -> Self {
        let has_run = |error| match Self::of(error) {
            Self::Exchange(exchange) => !exchange.is_empty(),
            Self::Inside => true,
        };
        if errors.into_iter().any(has_run) { Self::Inside } else { Self::Exchange(Messages::new()) }
    }
}

fn of_model(error: &ModelError) -> Messages {
    error.exchange().cloned().unwrap_or_default()
}

//! The work that the tools of a failed call have done.

use conversant_core::{Message, Messages, ModelError, Role, Turn};

use crate::{
    answer::Answer, error::ChainError, memory_binding::has_unanswered_calls,
    resumed::after_exchange,
};

/// The work that the tools of a failed call have done, as far as its error says it.
pub(super) enum ToolsRun {
    /// Calls and results, none if no tool has run. A model that has them after its prompt goes on.
    Exchange(Messages),
    /// Calls that another model cannot go on after, such as those of a step or of a branch, whose
    /// prompt was not that of the call.
    Inside,
}

impl ToolsRun {
    /// Returns the work of a call that had the messages `before` after its prompt.
    pub(super) fn of(error: &ChainError, before: &Messages) -> Self {
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
            ChainError::NotSaved(not_saved) => match &not_saved.reply {
                Some(reply) if !reply.intermediate.is_empty() => {
                    Self::Exchange(after_exchange(&reply.intermediate, before))
                }
                _ => Self::of_turn(&not_saved.turn),
            },
            ChainError::AlreadyAnswered { turn } => Self::of_turn(turn),
            ChainError::RefusedAnswer(refused) => Self::of_answer(&refused.answer, before),
            ChainError::StepToolCalls(answer) => Self::of_answer(answer, before),
            ChainError::Step(failed) => Self::inside([&failed.source], before),
            ChainError::Branches(failed) => {
                Self::inside(failed.failures.iter().map(|(_, error)| error), before)
            }
            // Each chain has gone on after those before it.
            ChainError::Fallbacks(failed) => {
                let (mut all, mut before) = (Messages::new(), before.clone());
                for error in &failed.errors {
                    match Self::of(error, &before) {
                        Self::Exchange(exchange) => {
                            before.append(&exchange);
                            all.append(&exchange);
                        }
                        Self::Inside => return Self::Inside,
                    }
                }
                Self::Exchange(all)
            }
            _ => Self::Exchange(Messages::new()),
        }
    }

    /// Returns the work that the tools of an answer have done.
    fn of_answer(answer: &Answer, before: &Messages) -> Self {
        let exchange = match (&answer.messages, &answer.reply) {
            (Some(messages), _) => {
                let last = messages.iter().rposition(is_result);
                last.map(|last| messages.slice(..=last)).unwrap_or_default()
            }
            (None, Some(reply)) => reply.intermediate.clone(),
            (None, None) => Messages::new(),
        };
        // No model goes on after calls without results.
        let is_open = answer.reply.as_ref().is_some_and(|reply| !reply.call_results.is_empty());
        if is_open || has_unanswered_calls(&exchange) {
            return Self::Inside;
        }
        Self::Exchange(after_exchange(&exchange, before))
    }

    /// Returns the work that the tools of a turn have done, whose first messages are the user's.
    fn of_turn(turn: &Turn) -> Self {
        let has_run = turn.messages().iter().any(is_result);
        if has_run { Self::Inside } else { Self::Exchange(Messages::new()) }
    }

    fn inside<'e>(errors: impl IntoIterator<Item = &'e ChainError>, before: &Messages) -> Self {
        let has_run = |error| match Self::of(error, before) {
            Self::Exchange(exchange) => !exchange.is_empty(),
            Self::Inside => true,
        };
        if errors.into_iter().any(has_run) { Self::Inside } else { Self::Exchange(Messages::new()) }
    }
}

fn is_result(message: &Message) -> bool {
    matches!(message.role(), Role::Tool | Role::Function)
}

fn of_model(error: &ModelError) -> Messages {
    error.exchange().cloned().unwrap_or_default()
}

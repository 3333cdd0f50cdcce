//! What ties a memory to a chain: which variables are the turn's, and whose turn it is.

use std::{error::Error, fmt, sync::Arc};

use conversant_core::{
    Event, LoadContext, Loaded, Memory, MemoryError, Message, Messages, Ticket, Turn, TurnId,
    Value, Variables, Warning,
};

use crate::{Answer, ChainError, NotSaved, RunContext, queue::Queue, wiring::TurnNames};

/// When a memory's work after an answer (a summary, say) is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Maintenance {
    /// Before the call returns.
    #[default]
    Inline,
    /// When the caller says so, off the answer's path, with `maintain()`.
    Deferred,
}

/// A memory, with the names that were fixed when the chain was built.
pub(crate) struct Link {
    pub(crate) memory: Arc<dyn Memory>,
    pub(crate) queue: Arc<Queue>,
    /// Absent only for a memory that saves no turns.
    names: TurnNames,
    maintenance: Maintenance,
}

impl Link {
    pub(crate) fn new(memory: Arc<dyn Memory>, names: TurnNames, maintenance: Maintenance) -> Self {
        Self { memory, queue: Arc::default(), names, maintenance }
    }

    /// Returns the memory itself: called through the `Arc`, each of its futures would be boxed twice.
    pub(crate) fn memory(&self) -> &dyn Memory {
        &*self.memory
    }

    /// Loads the memory for a call. The user's words are taken here, before anything is merged.
    pub(crate) async fn load(&self, inputs: &Variables) -> Result<Loaded, ChainError> {
        let words = self.input(inputs).map(Value::to_text);
        let context = LoadContext::new(inputs);
        let context = match &words {
            Some(words) => context.with_input(words),
            None => context,
        };
        self.memory().load(context).await.map_err(ChainError::Load)
    }

    fn input<'v>(&self, variables: &'v Variables) -> Option<&'v Value> {
        variables.get(self.names.input.as_deref()?)
    }

    fn output(&self, answer: &Answer) -> String {
        let value = self.names.output.as_deref().and_then(|name| answer.outputs.get(name));
        value.map(|value| value.to_text().into_owned()).unwrap_or_default()
    }

    /// Makes the turn of a call: what the user said, and what came of it.
    pub(crate) fn turn(&self, id: TurnId, variables: &Variables, answer: &Answer) -> Turn {
        let mut messages = Messages::new();
        match self.input(variables) {
            Some(Value::Messages(said)) => messages = said.clone(),
            Some(value) => messages.push(Message::human(value.to_text().into_owned())),
            None => {}
        }
        match (&answer.messages, &answer.reply) {
            (Some(more), _) => messages.append(more),
            (None, Some(reply)) => {
                messages.append(&reply.intermediate);
                messages.push(reply.message.clone());
            }
            (None, None) => messages.push(Message::ai(self.output(answer))),
        }
        Turn::identified(id, messages)
    }

    /// Saves a turn and, unless the caller does it, tidies up. Only a failing save is an error.
    pub(crate) async fn save(
        &self,
        turn: Turn,
        ticket: Ticket,
        answer: &Answer,
        context: &RunContext,
    ) -> Result<(), ChainError> {
        match self.memory().save(&turn, ticket).await {
            Ok(saved) => warn(context, &saved.warnings),
            Err(source) => {
                let text = self.output(answer).into();
                let not_saved = NotSaved { text, reply: answer.reply.clone(), turn, source };
                return Err(ChainError::NotSaved(Box::new(not_saved)));
            }
        }
        if self.maintenance == Maintenance::Inline && self.memory.needs_maintenance() {
            match self.memory().maintain().await {
                Ok(saved) => warn(context, &saved.warnings),
                Err(error) => warn(context, &[not_maintained(error)]),
            }
        }
        Ok(())
    }
}

fn not_maintained(error: MemoryError) -> Warning {
    let source: Box<dyn Error + Send + Sync> = Box::new(error);
    Warning::new(
        "the memory could not be tidied up, and will try again after the next turn",
        source,
    )
}

fn warn(context: &RunContext, warnings: &[Warning]) {
    for warning in warnings {
        context.emit(&Event::warned(warning));
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("names", &self.names)
            .field("maintenance", &self.maintenance)
            .finish_non_exhaustive()
    }
}

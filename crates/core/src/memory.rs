//! The memory trait: the part of a conversation that a prompt contains.

mod saved;

use std::{any::Any, fmt, sync::Arc};

use async_trait::async_trait;

pub use self::saved::{Saved, Warning};
use crate::{
    box_error::BoxError,
    clock::Instant,
    history::{ChatHistory, HistoryError, Point},
    messages::Messages,
    model::{CallOptions, ModelError},
    observer::{EventEmitter, RequestPurpose},
    prompt::Slot,
    session::SessionId,
    turn::Turn,
    turn_keys::{TurnKeyError, TurnKeys},
    variables::Variables,
    version::Version,
    withheld::Bytes,
};

/// A view of one conversation for a prompt.
///
/// Implemented by memory crates and custom views. For each call, a chain calls in this order:
///
/// 1. [`load`](Self::load), before the prompt is formatted;
/// 2. [`save`](Self::save), if the model answered, with the turn and the ticket of the load;
/// 3. [`maintain`](Self::maintain).
///
/// A save may be repeated, since it is idempotent by the turn's id. A history refuses another turn
/// of the id ([`HistoryError::TurnIdInUse`]), and the save fails. If the call fails before the
/// answer, only [`abandon`](Self::abandon) is called, so `load` must not change the conversation.
///
/// Calls on one conversation do not overlap within one chain. Those of several chains may: turns
/// that are saved at once are all there, and `maintain` covers only what it has read, also if
/// turns are saved or the conversation is cleared meanwhile. No error quotes what was said.
/// `suite::memory` of `conversant-testkit` checks all this.
///
/// # Examples
///
/// A memory that gives the prompt the number of turns:
///
/// ```
/// use std::{collections::HashSet, sync::Mutex};
/// use conversant_core::{
///     async_trait, vars, LoadContext, Loaded, Memory, MemoryError, Saved, Slot, Ticket, Turn,
///     TurnId,
/// };
///
/// struct Counter { slots: [Slot; 1], turns: Mutex<HashSet<TurnId>> }
///
/// #[async_trait]
/// impl Memory for Counter {
///     fn variables(&self) -> &[Slot] {
///         &self.slots
///     }
///     async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
///         Ok(Loaded::new(vars! { "turns" => self.turns.lock().unwrap().len() }))
///     }
///     async fn save(&self, turn: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
///         self.turns.lock().unwrap().insert(turn.id()); // a turn may be saved twice
///         Ok(Saved::default())
///     }
///     async fn clear(&self) -> Result<(), MemoryError> {
///         self.turns.lock().unwrap().clear();
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a memory",
    note = "implement `Memory` for it, with `#[async_trait]` above the `impl`"
)]
pub trait Memory: Send + Sync {
    /// Returns the variables that [`load`](Self::load) provides. Names and kinds never change.
    fn variables(&self) -> &[Slot];

    /// Returns the names of the input and output variables that make up a turn. By default they are
    /// inferred.
    fn keys(&self) -> &TurnKeys {
        static INFERRED: TurnKeys = TurnKeys::new();
        &INFERRED
    }

    /// Returns whether [`save`](Self::save) stores turns. A memory that stores nothing (fixed
    /// facts, a read-only view) needs no keys, and the check of a chain's wiring requires none.
    /// `true` by default.
    fn saves_turns(&self) -> bool {
        true
    }

    /// Returns whether a variable of the kind [`Text`](crate::SlotKind::Text) is a text in every
    /// load, and never a number or data. A chain then says when it is built that a field such as
    /// `{history:d}` does not take it. `false` by default.
    fn gives_text(&self, variable: &str) -> bool {
        let _ = variable;
        false
    }

    /// Returns the history and the session in which [`save`](Self::save) stores turns. `None` by
    /// default: the memory stores turns elsewhere, or not at all.
    fn stored_in(&self) -> Option<(&dyn ChatHistory, &SessionId)> {
        None
    }

    /// Returns this memory for a conversation that ends at a point: it shows the path from the
    /// start to the point, and the first turn that it saves follows the point
    /// ([`ChatHistory::at`](crate::ChatHistory::at)). `None` by default, and for histories without
    /// branches. It does no I/O: a point that the conversation does not have is an error of
    /// [`load`](Self::load).
    fn at(&self, point: Point) -> Option<Box<dyn Memory>> {
        let _ = point;
        None
    }

    /// Loads the variables for a call, and a ticket for its save.
    ///
    /// # Errors
    /// - [`MemoryError::History`] if the history fails.
    /// - [`MemoryError::Model`] if the load needs a model, and it fails. A model whose answer the
    ///   memory can do without is better a deferred work of [`maintain`](Self::maintain).
    /// - [`MemoryError::Interrupted`] if the deadline of the call passes.
    /// - [`MemoryError::Unsupported`] if the history lacks something that the memory needs.
    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError>;

    /// Checks, without storing anything, that [`save`](Self::save) would accept a turn of these
    /// messages. A chain calls it with the user's messages before it calls the model, so that no
    /// answer is paid for whose turn cannot be stored. It does no I/O. Accepts all messages by
    /// default.
    ///
    /// # Errors
    /// The error with which `save` would refuse the turn.
    fn check(&self, messages: &Messages) -> Result<(), MemoryError> {
        let _ = messages;
        Ok(())
    }

    /// Saves a turn: whole, once, or not at all.
    ///
    /// # Errors
    /// [`MemoryError`]. A save whose ticket is older than a `clear` of the conversation fails with
    /// [`HistoryError::Stale`] and stores nothing.
    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError>;

    /// Called when a call fails after `load` and before `save` has ended: `save` is not called with
    /// this ticket, or its future was dropped at the call's deadline. Release anything that `load`
    /// acquired, such as a lease. A load that did not end has no ticket: the ticket may then be
    /// empty. Not called when the call's future is dropped. Does nothing by default.
    async fn abandon(&self, ticket: Ticket) {
        let _ = ticket;
    }

    /// Does deferred work such as summarising. A failure loses nothing: the next call tries again.
    ///
    /// # Errors
    /// [`MemoryError::History`] if the history fails, so that nothing could be done. A failure of a
    /// model or a vector store is a warning of [`Saved`], as after a save. A chain turns an error
    /// into a warning too, and its call succeeds.
    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(Saved::default())
    }

    /// Does the work of [`maintain`](Self::maintain) within a call, and before its deadline:
    /// requests to a model end by it, and none starts after it. The rest is left to the next call.
    /// Ignores the context by default.
    ///
    /// # Errors
    /// As [`maintain`](Self::maintain). Work that the deadline ends is a warning.
    async fn maintain_with(&self, context: MaintainContext<'_>) -> Result<Saved, MemoryError> {
        let _ = context;
        self.maintain().await
    }

    /// Returns whether [`maintain`](Self::maintain) has work to do. A chain asks after each turn
    /// and skips the call if there is none. `true` by default.
    fn needs_maintenance(&self) -> bool {
        true
    }

    /// Removes the conversation, and what was derived from it.
    ///
    /// # Errors
    /// [`MemoryError::History`] if the history fails, and the error of another store that has what
    /// was derived. A memory that does not change the conversation does nothing.
    async fn clear(&self) -> Result<(), MemoryError>;
}

macro_rules! forward_memory {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<M: Memory + ?Sized> Memory for $pointer {
            fn variables(&self) -> &[Slot] {
                (**self).variables()
            }
            fn keys(&self) -> &TurnKeys {
                (**self).keys()
            }
            fn saves_turns(&self) -> bool {
                (**self).saves_turns()
            }
            fn gives_text(&self, variable: &str) -> bool {
                (**self).gives_text(variable)
            }
            fn stored_in(&self) -> Option<(&dyn ChatHistory, &SessionId)> {
                (**self).stored_in()
            }
            fn at(&self, point: Point) -> Option<Box<dyn Memory>> {
                (**self).at(point)
            }
            async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
                (**self).load(context).await
            }
            fn check(&self, messages: &Messages) -> Result<(), MemoryError> {
                (**self).check(messages)
            }
            async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
                (**self).save(turn, ticket).await
            }
            async fn abandon(&self, ticket: Ticket) {
                (**self).abandon(ticket).await;
            }
            async fn maintain(&self) -> Result<Saved, MemoryError> {
                (**self).maintain().await
            }
            async fn maintain_with(
                &self,
                context: MaintainContext<'_>,
            ) -> Result<Saved, MemoryError> {
                (**self).maintain_with(context).await
            }
            fn needs_maintenance(&self) -> bool {
                (**self).needs_maintenance()
            }
            async fn clear(&self) -> Result<(), MemoryError> {
                (**self).clear().await
            }
        }
    )*};
}
forward_memory!(&M, Box<M>, Arc<M>);

/// The call for which a memory loads its variables.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct LoadContext<'a> {
    /// The user's text, if the call has one. Memories that search use it as the query.
    pub input: Option<&'a str>,
    /// All of the call's inputs.
    pub inputs: &'a Variables,
    /// The deadline of the whole call. Memories that call a model pass it on.
    pub deadline: Option<Instant>,
    /// The call's events, if it is observed. Memories that call a model pass them on, see
    /// [`model_options`](Self::model_options).
    pub events: Option<&'a EventEmitter>,
}

/// Withholds the user's text.
impl fmt::Debug for LoadContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, inputs, deadline, events } = self;
        f.debug_struct("LoadContext")
            .field("input", &input.map(Bytes))
            .field("inputs", inputs)
            .field("deadline", deadline)
            .field("events", events)
            .finish()
    }
}

impl<'a> LoadContext<'a> {
    /// Creates the context of a call from its inputs.
    #[must_use]
    pub const fn new(inputs: &'a Variables) -> Self {
        Self { input: None, inputs, deadline: None, events: None }
    }

    /// Returns the options for a request to a model: the call's deadline, and its events with a
    /// purpose.
    #[must_use]
    pub fn model_options(&self, purpose: RequestPurpose) -> CallOptions {
        MaintainContext::from(*self).model_options(purpose)
    }

    /// Sets the user's text.
    #[must_use]
    pub const fn with_input(mut self, input: &'a str) -> Self {
        self.input = Some(input);
        self
    }

    /// Sets the deadline.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the call's events.
    #[must_use]
    pub const fn with_events(mut self, events: &'a EventEmitter) -> Self {
        self.events = Some(events);
        self
    }
}

/// The call within which a memory does its maintenance. The default has neither a deadline nor
/// observers.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct MaintainContext<'a> {
    /// The deadline of the whole call.
    pub deadline: Option<Instant>,
    /// The call's events, if it is observed.
    pub events: Option<&'a EventEmitter>,
}

impl<'a> MaintainContext<'a> {
    /// Creates a context without a deadline and observers.
    #[must_use]
    pub const fn new() -> Self {
        Self { deadline: None, events: None }
    }

    /// Sets the deadline.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the call's events.
    #[must_use]
    pub const fn with_events(mut self, events: &'a EventEmitter) -> Self {
        self.events = Some(events);
        self
    }

    /// Returns the options for a request to a model: the call's deadline, and its events with a
    /// purpose.
    #[must_use]
    pub fn model_options(&self, purpose: RequestPurpose) -> CallOptions {
        let mut options = CallOptions::new();
        options.deadline = self.deadline;
        if let Some(events) = self.events {
            options.events = events.with_purpose(purpose);
        }
        options
    }
}

impl<'a> From<LoadContext<'a>> for MaintainContext<'a> {
    /// Returns the deadline and the events of a load.
    fn from(context: LoadContext<'a>) -> Self {
        Self { deadline: context.deadline, events: context.events }
    }
}

/// The result of a load: the variables, and the ticket for the save.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Loaded {
    /// The variables.
    pub variables: Variables,
    /// The ticket for the save.
    pub ticket: Ticket,
}

impl Loaded {
    /// Creates the result from variables and an empty ticket.
    #[must_use]
    pub fn new(variables: Variables) -> Self {
        Self { variables, ticket: Ticket::default() }
    }

    /// Sets the ticket.
    #[must_use]
    pub fn with_ticket(mut self, ticket: Ticket) -> Self {
        self.ticket = ticket;
        self
    }
}

/// State that a save needs from the load before it: the version that the prompt contained, and
/// state of the memory.
///
/// The default is an empty ticket, for a turn that is saved without a load.
#[derive(Clone, Default)]
pub struct Ticket {
    version: Option<Version>,
    state: Option<Arc<dyn Any + Send + Sync>>,
}

impl Ticket {
    /// Creates a ticket for a version of the conversation.
    #[must_use]
    pub const fn new(version: Version) -> Self {
        Self { version: Some(version), state: None }
    }

    /// Adds state of the memory to the ticket.
    #[must_use]
    pub fn with_state<T: Any + Send + Sync>(mut self, state: T) -> Self {
        self.state = Some(Arc::new(state));
        self
    }

    /// Returns the version that was loaded, if the memory has versions.
    #[must_use]
    pub const fn version(&self) -> Option<Version> {
        self.version
    }

    /// Returns the memory's state, if it is a `T`.
    #[must_use]
    pub fn state<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.state.as_deref()?.downcast_ref()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("version", &self.version).finish_non_exhaustive()
    }
}

/// An error of a memory.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The history failed.
    #[error("cannot use the conversation's history")]
    History(#[from] HistoryError),
    /// The user's input or the answer cannot be determined.
    #[error("cannot determine the turn's input or output")]
    Key(#[from] TurnKeyError),
    /// A model that the memory calls failed.
    #[error("cannot call the memory's model")]
    Model(#[from] ModelError),
    /// The newest turn alone exceeds the memory's budget.
    #[error("cannot fit the newest turn of {size} tokens into the memory's budget of {budget}")]
    OverBudget {
        /// The size of the turn, in tokens.
        size: usize,
        /// The budget, in tokens.
        budget: usize,
    },
    /// The caller's deadline passed, or the caller gave up. An interrupted save may have taken
    /// effect; it is safe to repeat.
    #[error("cannot finish the operation of the memory: {reason}")]
    Interrupted {
        /// The reason.
        reason: &'static str,
    },
    /// The memory does not support the operation.
    #[error("cannot use {what}: the memory does not support it")]
    Unsupported {
        /// The operation.
        what: &'static str,
    },
    /// An error of a custom memory.
    #[error("cannot use the memory")]
    Custom(#[source] BoxError),
}

crate::debug_as_report!(MemoryError);

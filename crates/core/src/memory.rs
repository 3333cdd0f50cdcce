//! The memory seam: what of a conversation a prompt sees.

use std::{any::Any, fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    BoxError,
    history::HistoryError,
    model::ModelError,
    prompt::Slot,
    turn::Turn,
    turn_keys::{KeyError, TurnKeys},
    variables::Variables,
    version::Version,
};

/// One conversation, as a prompt sees it.
///
/// **Who implements it**: memory crates, and whoever has a view of their own. **Who calls it**: a chain, for each call in this
/// order: [`load`](Self::load) before the prompt is formatted; then, if the model answered, [`save`](Self::save) with the turn and the
/// ticket of that load, once or more often (a save is idempotent by the turn's id); then [`maintain`](Self::maintain). If anything fails
/// before the answer is there, only [`abandon`](Self::abandon) is called, so `load` must change nothing of the conversation. Calls on one conversation do not overlap
/// within one chain.
///
/// # Examples
///
/// A memory that tells the prompt how many turns there were:
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use conversant_core::{
///     async_trait, vars, LoadContext, Loaded, Memory, MemoryError, Saved, Slot, Ticket, Turn,
/// };
///
/// struct Counter { slots: [Slot; 1], turns: AtomicUsize }
///
/// #[async_trait]
/// impl Memory for Counter {
///     fn variables(&self) -> &[Slot] {
///         &self.slots
///     }
///     async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
///         Ok(Loaded::new(vars! { "turns" => self.turns.load(Ordering::Relaxed) }))
///     }
///     async fn save(&self, _: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
///         self.turns.fetch_add(1, Ordering::Relaxed);
///         Ok(Saved::default())
///     }
///     async fn clear(&self) -> Result<(), MemoryError> {
///         self.turns.store(0, Ordering::Relaxed);
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Memory: Send + Sync {
    /// Returns the variables that [`load`](Self::load) gives: always these, always of these kinds.
    fn variables(&self) -> &[Slot];

    /// Returns which input is the user's words and which output the answer. The default tells them from what there is.
    fn keys(&self) -> &TurnKeys {
        static TOLD: TurnKeys = TurnKeys::new();
        &TOLD
    }

    /// Returns whether [`save`](Self::save) keeps anything. A memory that keeps nothing (fixed facts, a read-only view) needs no keys, and
    /// the check of a chain's wiring asks for none. The default is that it does.
    fn saves_turns(&self) -> bool {
        true
    }

    /// Loads the variables for a call, and a ticket for its save.
    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError>;

    /// Saves a turn: whole, once, or not at all.
    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError>;

    /// Is told that the call of a load came to nothing, so that its ticket won't be saved: what the load holds, such as a lease, is
    /// given back. It is not called where a call is dropped in the middle. The default does nothing.
    async fn abandon(&self, ticket: Ticket) {
        let _ = ticket;
    }

    /// Does the work that may come after an answer, such as a summary. A failure costs nothing: the next call tries again.
    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(Saved::default())
    }

    /// Returns whether [`maintain`](Self::maintain) may find something to do now. A chain asks after each turn, and does not call it in vain.
    fn needs_maintenance(&self) -> bool {
        true
    }

    /// Forgets the conversation.
    async fn clear(&self) -> Result<(), MemoryError>;
}

macro_rules! forward_memory {
    ($($pointer:ty),*) => {$(
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
            async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
                (**self).load(context).await
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

/// What a memory may know of the call that it loads for.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LoadContext<'a> {
    /// The user's words, if the call has them: what a memory that searches searches for.
    pub input: Option<&'a str>,
    /// All of the call's inputs.
    pub inputs: &'a Variables,
}

impl<'a> LoadContext<'a> {
    /// Creates the context of a call with these inputs.
    #[must_use]
    pub const fn new(inputs: &'a Variables) -> Self {
        Self { input: None, inputs }
    }

    /// Sets the user's words.
    #[must_use]
    pub const fn with_input(mut self, input: &'a str) -> Self {
        self.input = Some(input);
        self
    }
}

/// What a memory gives a call: its variables, and the ticket for the save.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Loaded {
    /// The variables.
    pub variables: Variables,
    /// What the save must know of this load.
    pub ticket: Ticket,
}

impl Loaded {
    /// Creates it with these variables and an empty ticket.
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

/// What a save must know of the load before it: the version that the prompt saw, and whatever else the memory put in.
///
/// The default is empty, for a turn that is saved without a load.
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

    /// Puts a value of the memory's own into the ticket.
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

    /// Returns the memory's own value, if it is a `T`.
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

/// What came of a save: nothing to say, or warnings for whoever watches.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Saved {
    /// What went wrong without costing anything.
    pub warnings: Vec<Warning>,
}

impl Saved {
    /// Adds a warning.
    #[must_use]
    pub fn with_warning(mut self, warning: Warning) -> Self {
        self.warnings.push(warning);
        self
    }
}

/// Something that went wrong in a memory and cost neither the answer nor the turn: a summariser that failed, say.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
#[non_exhaustive]
pub struct Warning {
    /// What was tried.
    pub what: String,
    /// Why it failed.
    pub source: Option<BoxError>,
}

impl Warning {
    /// Creates a warning.
    #[must_use]
    pub fn new(what: impl Into<String>, source: impl Into<Option<BoxError>>) -> Self {
        Self { what: what.into(), source: source.into() }
    }
}

/// A memory that could not load, save or clear.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The history under it failed.
    #[error("the conversation's history failed")]
    History(#[from] HistoryError),
    /// Which input is the user's, or which output the answer, can't be told.
    #[error("the turn can't be picked from the call")]
    Key(#[from] KeyError),
    /// A model that the memory asks failed.
    #[error("the memory's model failed")]
    Model(#[from] ModelError),
    /// The newest turn alone exceeds the memory's budget.
    #[error("the newest turn takes {size} tokens, and the memory's budget is {budget}")]
    OverBudget {
        /// What it takes, in tokens.
        size: usize,
        /// The budget, in tokens.
        budget: usize,
    },
    /// The memory does not do this.
    #[error("this memory does not support {what}")]
    Unsupported {
        /// What it does not do.
        what: &'static str,
    },
    /// Another fault of a memory.
    #[error("the memory failed")]
    Custom(#[source] BoxError),
}

//! The program under simulation, its calls and how they end.

use conversant_core::{HistoryError, MemoryError, Point, Turn, TurnId, async_trait};

/// A program under simulation: one conversation of a chain with a memory.
///
/// Implement it for the program to test. All calls of a process are made on one instance, until a
/// restart drops it and opens a new one over the same stores.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Asks a question, and returns how the call ended.
    async fn call(&self, call: SimulatedCall) -> Ending;

    /// Saves the turn of a call again that was [not saved](Ending::NotSaved). A save that fails is
    /// repeated, unless the turn's id is in use.
    async fn save(&self, call: &SimulatedCall, turn: &Turn) -> SaveEnding;
}

/// The end of a save that was repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaveEnding {
    /// The turn is stored.
    Saved,
    /// The save failed, and may succeed later.
    Failed,
    /// Another turn is stored under the id ([`HistoryError::TurnIdInUse`]).
    IdInUse,
}

impl SaveEnding {
    /// Returns the end of a save by its result.
    #[must_use]
    pub const fn of<T>(saved: &Result<T, MemoryError>) -> Self {
        match saved {
            Ok(_) => Self::Saved,
            Err(MemoryError::History(HistoryError::TurnIdInUse { .. })) => Self::IdInUse,
            Err(_) => Self::Failed,
        }
    }
}

/// A call that a schedule makes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimulatedCall {
    /// The user's question. A call that is repeated has the same question and turn id.
    pub question: String,
    /// The id of the turn.
    pub turn_id: TurnId,
    /// Whether the answer is read piece by piece.
    pub streamed: bool,
    /// The number of pieces after which the reader of a stream stops, and saves the text so far as
    /// an incomplete answer. `None` without
    /// [`with_stopped_streams`](super::Simulation::with_stopped_streams).
    pub stop_after: Option<usize>,
    /// The point of the conversation that the turn follows, or `None` for its end. `None` without
    /// [`with_branches`](super::Simulation::with_branches).
    pub at: Option<Point>,
}

/// The end of a call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Ending {
    /// The answer was returned, so its turn must be stored.
    Answered(String),
    /// The reader of a stream stopped, so a turn with the text so far must be stored. The whole
    /// turn is stored, if the answer had arrived.
    Stopped,
    /// The reader of a stream stopped before there was text to save, so the turn must not be
    /// stored.
    GivenUp,
    /// The model answered, and the error contains the turn.
    NotSaved(Box<Turn>),
    /// The call failed, so its turn must not be stored.
    Failed {
        /// The answers of the model that the error contains, such as those of earlier steps.
        answers: Vec<String>,
    },
}

impl Ending {
    /// Creates the end of a call that failed before the model answered.
    #[must_use]
    pub const fn failed() -> Self {
        Self::Failed { answers: Vec::new() }
    }
}

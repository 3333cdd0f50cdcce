//! The program under simulation, its calls and how they end.

use conversant_core::{Turn, TurnId, async_trait};

/// A program under simulation: one conversation of a chain with a memory.
///
/// Implement it for the program to test. All calls are made on one instance, until a restart drops
/// it and opens a new one over the same store.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Asks a question, and returns how the call ended.
    async fn call(&self, call: SimulatedCall) -> Ending;

    /// Saves a turn again that was [not saved](Ending::NotSaved), and returns whether it succeeded.
    async fn save(&self, turn: &Turn) -> bool;
}

/// A call that a schedule makes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimulatedCall {
    /// The user's question. Each question is asked once.
    pub question: String,
    /// The id of the turn.
    pub turn_id: TurnId,
    /// Whether the answer is read piece by piece.
    pub streamed: bool,
}

/// The end of a call.
#[derive(Debug, Clone)]
pub enum Ending {
    /// The answer was returned, so its turn must be stored.
    Answered(String),
    /// The model answered, and the error contains the turn.
    NotSaved(Box<Turn>),
    /// The call failed before the model answered, so its turn must not be stored.
    Failed,
}

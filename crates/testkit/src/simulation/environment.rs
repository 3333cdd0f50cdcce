//! The doubles over which a program under simulation runs.

use super::{history::SimulatedHistory, model::SimulatedChat, tool::SimulatedTool};

/// The simulated stores, the model and the tool of a program.
#[derive(Debug, Clone)]
pub struct Environment {
    pub(super) histories: Vec<SimulatedHistory>,
    pub(super) model: SimulatedChat,
    pub(super) tool: SimulatedTool,
}

impl Environment {
    /// Returns the stores, in the order in which the simulation received their sessions.
    #[must_use]
    pub fn histories(&self) -> &[SimulatedHistory] {
        &self.histories
    }

    /// Returns the model.
    #[must_use]
    pub fn model(&self) -> SimulatedChat {
        self.model.clone()
    }

    /// Returns a tool that the model calls.
    #[must_use]
    pub fn tool(&self) -> SimulatedTool {
        self.tool.clone()
    }
}

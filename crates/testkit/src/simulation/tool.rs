//! A tool that stalls and fails by the schedule.

use std::{fmt, sync::Arc};

use conversant_core::{Content, Tool, ToolCall, ToolDefinition, ToolError, async_trait};
use serde_json::json;

use super::world::World;

/// The chance, in percent, that the tool fails.
const FAILURES: usize = 20;

/// A tool that returns `result of ID`, unless a fault of the schedule prevents it.
///
/// A [`SimulatedChat`](super::SimulatedChat) whose request has tools calls some of them, up to two
/// at once.
#[derive(Clone)]
pub struct SimulatedTool {
    definition: Arc<ToolDefinition>,
    world: Arc<World>,
}

impl SimulatedTool {
    pub(super) fn new(world: &Arc<World>) -> Self {
        let schema = json!({"type": "object", "properties": {}});
        let definition = ToolDefinition::new("look_up", schema).with_description("Looks it up.");
        Self { definition: Arc::new(definition), world: Arc::clone(world) }
    }
}

#[async_trait]
impl Tool for SimulatedTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    async fn call(&self, call: &ToolCall) -> Result<Content, ToolError> {
        self.world.stall().await;
        if self.world.strike(FAILURES) {
            return Err(ToolError::failed("a simulated failure", None));
        }
        Ok(format!("result of {}", call.id.as_deref().unwrap_or_default()).into())
    }
}

impl fmt::Debug for SimulatedTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedTool").finish_non_exhaustive()
    }
}

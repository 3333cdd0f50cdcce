//! The memory of fixed facts.

use async_trait::async_trait;
use conversant_core::{
    LoadContext, Loaded, Memory, MemoryError, Point, Saved, Slot, Ticket, Turn, Value, Variables,
};

/// Shows fixed variables in every call, and stores nothing.
///
/// LangChain 0.1.20 `langchain/memory/simple.py::SimpleMemory`.
///
/// # Examples
///
/// ```
/// use conversant_core::{vars, LoadContext, Memory};
/// use conversant_memory::SimpleMemory;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::MemoryError> {
/// let memory = SimpleMemory::new(vars! { "place" => "Lisbon" });
/// let loaded = memory.load(LoadContext::new(&vars! {})).await?;
/// assert_eq!(loaded.variables, vars! { "place" => "Lisbon" });
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SimpleMemory {
    variables: Variables,
    slots: Vec<Slot>,
}

impl SimpleMemory {
    /// Creates a memory from its variables.
    #[must_use]
    pub fn new(variables: Variables) -> Self {
        let slot = |(name, value): (&str, &Value)| match value {
            Value::Messages(_) => Slot::messages(name.to_owned()),
            _ => Slot::text(name.to_owned()),
        };
        let slots = variables.iter().map(slot).collect();
        Self { variables, slots }
    }
}

#[async_trait]
impl Memory for SimpleMemory {
    fn variables(&self) -> &[Slot] {
        &self.slots
    }

    fn saves_turns(&self) -> bool {
        false
    }

    fn gives_text(&self, variable: &str) -> bool {
        matches!(self.variables.get(variable), Some(Value::Text(_)))
    }

    fn at(&self, _: Point) -> Option<Box<dyn Memory>> {
        Some(Box::new(self.clone()))
    }

    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        Ok(Loaded::new(self.variables.clone()))
    }

    async fn save(&self, _: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
        Ok(Saved::default())
    }

    fn needs_maintenance(&self) -> bool {
        false
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        Ok(())
    }
}

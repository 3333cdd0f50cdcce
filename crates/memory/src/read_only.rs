//! The memory that shows another memory and does not change it.

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, LoadContext, Loaded, MaintainContext, Memory, MemoryError, Messages, Point, Saved,
    SessionId, Slot, Ticket, Turn, TurnKeys,
};

/// Shows another memory without changing it: saving, maintaining and clearing have no effect.
///
/// LangChain 0.1.20 `langchain/memory/readonly.py::ReadOnlySharedMemory`, for a chain that needs
/// the conversation of another chain.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use conversant_core::{vars, LoadContext, Memory, Ticket, Turn};
/// use conversant_memory::{BufferMemory, ReadOnlyMemory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::MemoryError> {
/// let memory = Arc::new(BufferMemory::new());
/// let view = ReadOnlyMemory::new(Arc::clone(&memory));
/// memory.save(&Turn::exchange("hi", "hello"), Ticket::default()).await?;
/// view.save(&Turn::exchange("aside", "ignored"), Ticket::default()).await?;
/// let loaded = view.load(LoadContext::new(&vars! {})).await?;
/// assert_eq!(loaded.variables, vars! { "history" => "Human: hi\nAI: hello" });
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ReadOnlyMemory<M> {
    memory: M,
}

impl<M: Memory> ReadOnlyMemory<M> {
    /// Creates a read-only view of a memory.
    #[must_use]
    pub const fn new(memory: M) -> Self {
        Self { memory }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<M: Memory> Memory for ReadOnlyMemory<M> {
    fn variables(&self) -> &[Slot] {
        self.memory.variables()
    }

    fn keys(&self) -> &TurnKeys {
        self.memory.keys()
    }

    fn saves_turns(&self) -> bool {
        false
    }

    fn gives_text(&self, variable: &str) -> bool {
        self.memory.gives_text(variable)
    }

    fn stored_in(&self) -> Option<(&dyn ChatHistory, &SessionId)> {
        None
    }

    fn at(&self, point: Point) -> Option<Box<dyn Memory>> {
        Some(Box::new(ReadOnlyMemory::new(self.memory.at(point)?)))
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        self.memory.load(context).await
    }

    fn check(&self, _: &Messages) -> Result<(), MemoryError> {
        Ok(())
    }

    async fn save(&self, _: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.memory.abandon(ticket).await;
        Ok(Saved::default())
    }

    async fn abandon(&self, ticket: Ticket) {
        self.memory.abandon(ticket).await;
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(Saved::default())
    }

    async fn maintain_with(&self, _: MaintainContext<'_>) -> Result<Saved, MemoryError> {
        Ok(Saved::default())
    }

    fn needs_maintenance(&self) -> bool {
        false
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        Ok(())
    }
}

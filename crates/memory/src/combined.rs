//! Several memories as one.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use conversant_core::{
    LoadContext, Loaded, Memory, MemoryError, Saved, Slot, Ticket, Turn, TurnKeys, Variables,
    Warning,
};

/// Several memories as one: a call is given the variables of all, and a turn is saved in each. LangChain's `CombinedMemory`.
///
/// All memories save the same turn, under one id: whoever saves again after a failure makes up for what is missing, and
/// saves nothing twice. Memories may share a conversation.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use conversant_core::{vars, LoadContext, Memory};
/// use conversant_memory::{BufferMemory, CombinedMemory, SimpleMemory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let memory = CombinedMemory::new([
///     Arc::new(BufferMemory::new()) as Arc<dyn Memory>,
///     Arc::new(SimpleMemory::new(vars! { "place" => "Lisbon" })),
/// ])?;
/// let loaded = memory.load(LoadContext::new(&vars! {})).await?;
/// assert_eq!(loaded.variables, vars! { "history" => "", "place" => "Lisbon" });
/// # Ok(())
/// # }
/// ```
pub struct CombinedMemory {
    memories: Vec<Arc<dyn Memory>>,
    slots: Vec<Slot>,
    keys: TurnKeys,
}

impl CombinedMemory {
    /// Combines memories, which are loaded and saved in this order.
    ///
    /// # Errors
    /// [`CombinedMemoryError`], if two of them give the same variable, or name different inputs or outputs as the user's words and the answer.
    pub fn new(
        memories: impl IntoIterator<Item = Arc<dyn Memory>>,
    ) -> Result<Self, CombinedMemoryError> {
        let memories: Vec<_> = memories.into_iter().collect();
        let mut slots: Vec<Slot> = Vec::new();
        for slot in memories.iter().flat_map(|memory| memory.variables()) {
            if slots.iter().any(|known| known.name() == slot.name()) {
                return Err(CombinedMemoryError::Variable { name: slot.name().to_owned() });
            }
            slots.push(slot.clone());
        }
        let saving = || memories.iter().filter(|memory| memory.saves_turns());
        let input = one_key("input", saving().filter_map(|memory| memory.keys().input_key()))?;
        let output = one_key("output", saving().filter_map(|memory| memory.keys().output_key()))?;
        let mut keys = TurnKeys::new();
        if let Some(key) = input {
            keys = keys.with_input_key(key);
        }
        if let Some(key) = output {
            keys = keys.with_output_key(key);
        }
        Ok(Self { memories, slots, keys })
    }
}

/// The tickets of the memories' loads, in their order; of the first ones, where a load failed.
struct Tickets(Vec<Ticket>);

impl CombinedMemory {
    async fn abandon_all(&self, tickets: &Tickets) {
        for (memory, ticket) in self.memories.iter().zip(&tickets.0) {
            memory.abandon(ticket.clone()).await;
        }
    }
}

/// Returns the key that all who name one agree on.
fn one_key<'k>(
    side: &'static str,
    keys: impl Iterator<Item = &'k str>,
) -> Result<Option<String>, CombinedMemoryError> {
    let mut agreed: Option<&str> = None;
    for key in keys {
        match agreed {
            Some(first) if first != key => {
                let (first, second) = (first.to_owned(), key.to_owned());
                return Err(CombinedMemoryError::Key { side, first, second });
            }
            _ => agreed = Some(key),
        }
    }
    Ok(agreed.map(str::to_owned))
}

impl fmt::Debug for CombinedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CombinedMemory")
            .field("slots", &self.slots)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Memory for CombinedMemory {
    fn variables(&self) -> &[Slot] {
        &self.slots
    }

    fn keys(&self) -> &TurnKeys {
        &self.keys
    }

    fn saves_turns(&self) -> bool {
        self.memories.iter().any(|memory| memory.saves_turns())
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let mut variables = Variables::new();
        let mut tickets = Vec::with_capacity(self.memories.len());
        for memory in &self.memories {
            match memory.load(context).await {
                Ok(loaded) => {
                    variables.extend(loaded.variables);
                    tickets.push(loaded.ticket);
                }
                Err(error) => {
                    self.abandon_all(&Tickets(tickets)).await;
                    return Err(error);
                }
            }
        }
        let ticket = Ticket::default().with_state(Tickets(tickets));
        Ok(Loaded::new(variables).with_ticket(ticket))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        let tickets = ticket.state::<Tickets>();
        let mut all = Saved::default();
        for (index, memory) in self.memories.iter().enumerate() {
            let ticket = tickets.and_then(|tickets| tickets.0.get(index)).cloned();
            let saved = memory.save(turn, ticket.unwrap_or_default()).await?;
            all.warnings.extend(saved.warnings);
        }
        Ok(all)
    }

    async fn abandon(&self, ticket: Ticket) {
        if let Some(tickets) = ticket.state() {
            self.abandon_all(tickets).await;
        }
    }

    /// Tidies each memory; one that fails keeps no other from it.
    async fn maintain(&self) -> Result<Saved, MemoryError> {
        let mut all = Saved::default();
        for memory in &self.memories {
            match memory.maintain().await {
                Ok(saved) => all.warnings.extend(saved.warnings),
                Err(error) => {
                    let what = "one of the combined memories could not be tidied";
                    all = all.with_warning(Warning::new(what, Some(error.into())));
                }
            }
        }
        Ok(all)
    }

    fn needs_maintenance(&self) -> bool {
        self.memories.iter().any(|memory| memory.needs_maintenance())
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        for memory in &self.memories {
            memory.clear().await?;
        }
        Ok(())
    }
}

/// Memories that can't be combined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CombinedMemoryError {
    /// Two of them give the same variable.
    #[error("two of the combined memories give the variable `{name}`")]
    Variable {
        /// The variable.
        name: String,
    },
    /// Two of them name different variables as the user's words or as the answer.
    #[error("the combined memories name different {side} keys: `{first}` and `{second}`")]
    Key {
        /// Which key: `input` or `output`.
        side: &'static str,
        /// One name.
        first: String,
        /// Another.
        second: String,
    },
}

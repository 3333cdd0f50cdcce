//! The memory that combines several memories.

mod announced;
mod combination;
mod intent;
mod settlement;

use std::{collections::HashSet, fmt, sync::Arc};

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, LoadContext, Loaded, MaintainContext, Memory, MemoryError, Messages, Point, Saved,
    SessionId, Slot, Ticket, Turn, TurnKeys, Variables, Version, Warning,
};

use self::{combination::Combination, settlement::Settlement};

/// Combines several memories: a call has the variables of all, and a turn is saved in each.
///
/// LangChain 0.1.20 `langchain/memory/combined.py::CombinedMemory`.
///
/// All memories save the same turn under one id, so a save that failed can be repeated. Memories
/// may share a conversation: if each has the same session, and a clone of one history or the same
/// `Arc`, the combination has the branches of that history. To lease their session, wrap the
/// combination with [`LeasedMemory::new`](crate::LeasedMemory::new): two leased memories of one
/// session in a combination keep each other out, and no call gets through.
///
/// # Several sessions
/// If the memories store turns in several sessions, a turn is never left in only some of them. The
/// first session decides: it stores a turn first, and a note in it announces the turn before. A
/// save may fail half-way, its future may be dropped, or the process may end. The next load or save
/// of any process with the same memories then saves that turn in the other sessions.
///
/// - A session that was cleared in the meantime, or that refuses the turn for good, does not
///   receive it. A [`Warning`] of the next save reports a refusal.
/// - Turns that another chain adds to the first session are not saved in the others.
/// - Two processes may save at the same time, and their turns are announced in one of 64 notes by
///   their ids. If both use the same note, and the process that wrote first ends before its save
///   does, its turn can stay in the first session only.
/// - A [`clear`](Memory::clear) that did not end is continued by the next use, unless turns were
///   added to the first session since.
/// - For each call, this costs a read of a version and a note written. If others have written to
///   the first session, or the value is new, it also costs a read of the new turns and of a note
///   for each of them.
/// - It needs a history with notes that returns [turns](ChatHistory::turns). With notes only, it
///   holds for the saves of one process. Without notes, it works within one process only.
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
    settlement: Settlement,
}

/// The tickets of the memories' loads, in their order; of the first ones, if a load failed.
struct Tickets {
    tickets: Vec<Ticket>,
    /// The version of the first session at which all sessions had all turns.
    settled: Option<Version>,
}

impl CombinedMemory {
    /// Combines memories. They are loaded and saved in this order.
    ///
    /// # Errors
    /// [`CombinedMemoryError`] if two memories provide the same variable, or name different input
    /// or output keys.
    pub fn new(
        memories: impl IntoIterator<Item = Arc<dyn Memory>>,
    ) -> Result<Self, CombinedMemoryError> {
        let memories: Vec<_> = memories.into_iter().collect();
        let mut names = HashSet::new();
        let mut slots: Vec<Slot> = Vec::new();
        for slot in memories.iter().flat_map(|memory| memory.variables()) {
            if !names.insert(slot.name()) {
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
        drop(names);
        let settlement = Settlement::new(Combination::new(&memories));
        Ok(Self { memories, slots, keys, settlement })
    }

    /// Abandons the tickets of memories.
    async fn abandon_all(&self, indices: impl IntoIterator<Item = usize>, tickets: &[Ticket]) {
        for index in indices {
            if let Some((memory, ticket)) = self.memories.get(index).zip(tickets.get(index)) {
                memory.abandon(ticket.clone()).await;
            }
        }
    }
}

/// Returns the key that the memories name, if they name the same.
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

#[deny(clippy::missing_trait_methods)]
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

    fn gives_text(&self, variable: &str) -> bool {
        let has =
            |memory: &dyn Memory| memory.variables().iter().any(|slot| slot.name() == variable);
        self.memories.iter().any(|memory| has(&**memory) && memory.gives_text(variable))
    }

    /// Returns the session of all memories, if they share one.
    fn stored_in(&self) -> Option<(&dyn ChatHistory, &SessionId)> {
        if self.settlement.has_several_sessions() {
            return None;
        }
        self.memories.iter().find_map(|memory| memory.stored_in())
    }

    /// Returns the memories at the point. Those that save no turns and have no branches stay as
    /// they are. `None` if the turns are stored in several sessions.
    fn at(&self, point: Point) -> Option<Box<dyn Memory>> {
        if self.settlement.has_several_sessions() {
            return None;
        }
        let at_point = |memory: &Arc<dyn Memory>| match memory.at(point) {
            Some(memory) => Some(Arc::from(memory)),
            None => (!memory.saves_turns()).then(|| Arc::clone(memory)),
        };
        let memories = self.memories.iter().map(at_point).collect::<Option<_>>()?;
        let (slots, keys) = (self.slots.clone(), self.keys.clone());
        let settlement = Settlement::new(Combination::of_one_session());
        Some(Box::new(Self { memories, slots, keys, settlement }))
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let settled = self.settlement.settle(&self.memories).await?;
        let mut variables = Variables::new();
        let mut tickets = Vec::with_capacity(self.memories.len());
        for memory in &self.memories {
            match memory.load(context).await {
                Ok(loaded) => {
                    variables.extend(loaded.variables);
                    tickets.push(loaded.ticket);
                }
                Err(error) => {
                    self.abandon_all(0..tickets.len(), &tickets).await;
                    return Err(error);
                }
            }
        }
        let ticket = Ticket::default().with_state(Tickets { tickets, settled });
        Ok(Loaded::new(variables).with_ticket(ticket))
    }

    fn check(&self, messages: &Messages) -> Result<(), MemoryError> {
        self.memories.iter().try_for_each(|memory| memory.check(messages))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        let loaded = ticket.state::<Tickets>();
        let settled = loaded.and_then(|loaded| loaded.settled);
        let tickets = loaded.map(|loaded| &*loaded.tickets);
        let held = tickets.unwrap_or_default();
        let announced = self.settlement.announce(&self.memories, turn, tickets, settled).await;
        let announcement = match announced {
            Ok(announcement) => announcement,
            Err(error) => {
                self.abandon_all(0..held.len(), held).await;
                return Err(error);
            }
        };
        let mut all = Saved::default();
        all.warnings = self.settlement.take_warnings();
        let mut order = announcement.order(self.memories.len()).into_iter();
        let mut is_first = true;
        while let Some(index) = order.next() {
            let Some(memory) = self.memories.get(index) else { continue };
            let ticket = held.get(index).cloned().unwrap_or_default();
            match memory.save(turn, ticket).await {
                Ok(saved) => all.warnings.extend(saved.warnings),
                Err(error) => {
                    if is_first && intent::is_not_saved(&error) {
                        self.settlement.withdraw(&self.memories, turn.id()).await;
                    }
                    self.abandon_all(order, held).await;
                    self.settlement.keep_warnings(&mut all.warnings);
                    return Err(error);
                }
            }
            is_first &= !memory.saves_turns();
        }
        self.settlement.complete(turn, &announcement, tickets);
        Ok(all)
    }

    async fn abandon(&self, ticket: Ticket) {
        if let Some(Tickets { tickets, .. }) = ticket.state() {
            return self.abandon_all(0..tickets.len(), tickets).await;
        }
        // Of a load that did not end.
        for memory in &self.memories {
            memory.abandon(Ticket::default()).await;
        }
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        self.maintain_with(MaintainContext::new()).await
    }

    /// Maintains each memory. A failure of one becomes a warning.
    async fn maintain_with(&self, context: MaintainContext<'_>) -> Result<Saved, MemoryError> {
        let mut all = Saved::default();
        for memory in &self.memories {
            match memory.maintain_with(context).await {
                Ok(saved) => all.warnings.extend(saved.warnings),
                Err(error) => {
                    let what = "cannot maintain one of the combined memories";
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
        self.settlement.clear(&self.memories).await
    }
}

/// An error of combining memories.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CombinedMemoryError {
    /// Two memories provide the same variable.
    #[error(
        "cannot combine two memories with the variable `{name}`; set another memory key on one"
    )]
    Variable {
        /// The variable.
        name: String,
    },
    /// Two memories name different input or output keys.
    #[error("cannot combine memories with the {side} keys `{first}` and `{second}`; name one")]
    Key {
        /// Which key: `input` or `output`.
        side: &'static str,
        /// The key of one memory.
        first: String,
        /// The key of another memory.
        second: String,
    },
}

conversant_core::debug_as_report!(CombinedMemoryError);

//! The memory that combines several memories.

mod intent;

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, LoadContext, Loaded, MaintainContext, Memory, MemoryError, Messages, Point, Saved,
    SessionId, Slot, Ticket, Turn, TurnId, TurnKeys, Variables, Version, Warning,
};

use self::intent::{Intent, IntentStore, Outcome};
use crate::sync::lock;

/// Combines several memories: a call has the variables of all, and a turn is saved in each.
///
/// LangChain 0.1.20 `langchain/memory/combined.py::CombinedMemory`.
///
/// All memories save the same turn under one id, so a save that failed can be repeated. Memories
/// may share a conversation.
///
/// If the memories store turns in several sessions, a turn is never left in only some of them: a
/// note in the first session contains the turn during the save. A save may fail half-way, its
/// future may be dropped, or the process may end. The next load or save of any process then saves
/// that turn in the other sessions first. A session that was cleared in the meantime, or that
/// refuses the turn for good, does not receive it. A [`Warning`] of the next save reports a
/// refusal. This costs a note read and a note written for each call. In histories without notes, it
/// works within one process only.
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
    /// Whether turns are stored in more than one session.
    has_several_sessions: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The turn that is being saved, in histories without notes.
    pending: Option<Intent>,
    /// The last turn that every memory has saved.
    settled: Option<TurnId>,
    /// Warnings for the next save.
    warnings: Vec<Warning>,
}

/// The tickets of the memories' loads, in their order; of the first ones, if a load failed.
struct Tickets(Vec<Ticket>);

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
        let has_several_sessions = intent::has_several_sessions(&memories);
        Ok(Self { memories, slots, keys, has_several_sessions, state: Mutex::default() })
    }

    /// Abandons the tickets of all memories from the one at an index on.
    async fn abandon_from(&self, index: usize, tickets: &Tickets) {
        for (memory, ticket) in self.memories.iter().zip(&tickets.0).skip(index) {
            memory.abandon(ticket.clone()).await;
        }
    }

    fn intents(&self) -> IntentStore<'_> {
        IntentStore::new(&self.memories)
    }

    /// Saves the turn of an earlier save that did not end, in the memories that lack it.
    ///
    /// # Errors
    /// The error of a store that may accept the turn later.
    async fn settle(&self) -> Result<(), MemoryError> {
        if !self.has_several_sessions {
            return Ok(());
        }
        let pending = lock(&self.state).pending.clone();
        let pending = match pending {
            Some(pending) => Some(pending),
            None => self.intents().read().await?,
        };
        let settled = lock(&self.state).settled;
        let Some(pending) = pending.filter(|pending| Some(pending.turn.id()) != settled) else {
            return Ok(());
        };
        for (index, memory) in self.memories.iter().enumerate() {
            let ticket = pending.bases.get(index).copied().flatten().map(Ticket::new);
            let saved = memory.save(&pending.turn, ticket.unwrap_or_default()).await;
            let warnings = match saved {
                Ok(saved) => saved.warnings,
                Err(error) => match Outcome::of(&error) {
                    Outcome::Retry => return Err(error),
                    Outcome::Cleared => Vec::new(),
                    Outcome::Refused => {
                        let what = "a turn is missing in one of the combined memories";
                        vec![Warning::new(what, Some(error.into()))]
                    }
                },
            };
            lock(&self.state).warnings.extend(warnings);
        }
        self.set_settled(pending.turn.id());
        Ok(())
    }

    fn set_settled(&self, turn: TurnId) {
        let mut state = lock(&self.state);
        state.settled = Some(turn);
        state.pending = None;
    }

    /// Stores the intent to save a turn, unless all memories share a session.
    async fn announce(&self, turn: &Turn, tickets: Option<&Tickets>) -> Result<(), MemoryError> {
        if !self.has_several_sessions {
            return Ok(());
        }
        let base = |index: usize| tickets.and_then(|tickets| tickets.0.get(index)?.version());
        let bases: Vec<Option<Version>> = (0..self.memories.len()).map(base).collect();
        let intent = Intent { turn: turn.clone(), bases };
        let is_stored = self.intents().write(&intent).await?;
        lock(&self.state).pending = (!is_stored).then_some(intent);
        Ok(())
    }

    async fn announce_after_settling(
        &self,
        turn: &Turn,
        tickets: Option<&Tickets>,
    ) -> Result<(), MemoryError> {
        self.settle_before(turn).await?;
        self.announce(turn, tickets).await
    }

    /// Settles an earlier turn, unless it is the one that is saved now.
    async fn settle_before(&self, turn: &Turn) -> Result<(), MemoryError> {
        // Another turn may have the same id.
        let is_pending = |pending: &Intent| pending.turn == *turn;
        let is_repeated = lock(&self.state).pending.as_ref().is_some_and(is_pending);
        if is_repeated { Ok(()) } else { self.settle().await }
    }

    /// Withdraws the intent to save a turn that no memory has saved.
    async fn withdraw(&self, turn: TurnId) {
        if self.has_several_sessions {
            self.set_settled(turn);
            // If this fails, another process may save the turn later, in all memories.
            let _ = self.intents().remove().await;
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

    /// Returns the session of all memories, if they share one.
    fn stored_in(&self) -> Option<(&dyn ChatHistory, &SessionId)> {
        if self.has_several_sessions {
            return None;
        }
        self.memories.iter().find_map(|memory| memory.stored_in())
    }

    /// Returns the memories at the point. Those that save no turns and have no branches stay as
    /// they are. `None` if the turns are stored in several sessions.
    fn at(&self, point: Point) -> Option<Box<dyn Memory>> {
        if self.has_several_sessions {
            return None;
        }
        let at_point = |memory: &Arc<dyn Memory>| match memory.at(point) {
            Some(memory) => Some(Arc::from(memory)),
            None => (!memory.saves_turns()).then(|| Arc::clone(memory)),
        };
        let memories = self.memories.iter().map(at_point).collect::<Option<_>>()?;
        let (slots, keys) = (self.slots.clone(), self.keys.clone());
        let state = Mutex::default();
        Some(Box::new(Self { memories, slots, keys, has_several_sessions: false, state }))
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        self.settle().await?;
        let mut variables = Variables::new();
        let mut tickets = Tickets(Vec::with_capacity(self.memories.len()));
        for memory in &self.memories {
            match memory.load(context).await {
                Ok(loaded) => {
                    variables.extend(loaded.variables);
                    tickets.0.push(loaded.ticket);
                }
                Err(error) => {
                    self.abandon_from(0, &tickets).await;
                    return Err(error);
                }
            }
        }
        Ok(Loaded::new(variables).with_ticket(Ticket::default().with_state(tickets)))
    }

    fn check(&self, messages: &Messages) -> Result<(), MemoryError> {
        self.memories.iter().try_for_each(|memory| memory.check(messages))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        let tickets = ticket.state::<Tickets>();
        if let Err(error) = self.announce_after_settling(turn, tickets).await {
            if let Some(tickets) = tickets {
                self.abandon_from(0, tickets).await;
            }
            return Err(error);
        }
        let mut all = Saved::default();
        all.warnings.append(&mut lock(&self.state).warnings);
        for (index, memory) in self.memories.iter().enumerate() {
            let ticket = tickets.and_then(|tickets| tickets.0.get(index)).cloned();
            match memory.save(turn, ticket.unwrap_or_default()).await {
                Ok(saved) => all.warnings.extend(saved.warnings),
                Err(error) => {
                    let is_first = !self.memories.iter().take(index).any(|m| m.saves_turns());
                    if is_first && intent::is_not_saved(&error) {
                        self.withdraw(turn.id()).await;
                    }
                    if let Some(tickets) = tickets {
                        self.abandon_from(index + 1, tickets).await;
                    }
                    lock(&self.state).warnings.append(&mut all.warnings);
                    return Err(error);
                }
            }
        }
        if self.has_several_sessions {
            self.set_settled(turn.id());
        }
        Ok(all)
    }

    async fn abandon(&self, ticket: Ticket) {
        if let Some(tickets) = ticket.state() {
            self.abandon_from(0, tickets).await;
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
        lock(&self.state).pending = None;
        for memory in &self.memories {
            memory.clear().await?;
        }
        Ok(())
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

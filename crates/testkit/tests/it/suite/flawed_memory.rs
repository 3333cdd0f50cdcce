//! A memory that is right, or has one flaw.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, LoadContext, Loaded, MaintainContext, Memory, MemoryError,
    Messages, Point, Saved, SessionId, Slot, Ticket, Turn, Value, Variables, Version, async_trait,
};

use super::{flawed_history::History, wait};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    GivesAnotherName,
    Renames,
    CountsLoads,
    SavesAgain,
    WantsATicket,
    WantsTwoMessages,
    RefusesNul,
    StoresNowhere,
    StoresPartsAsWhole,
    StoresNoCalls,
    DeniesSaving,
    IgnoresPoints,
    KeepsOneTurn,
    IgnoresLaterPoints,
    IgnoresTickets,
    DropsStaleTurns,
    ForgetsBases,
    DropsTurnsOfAKnownId,
    RefusesUnchecked,
    QuotesTurns,
    GivesNumbersForTexts,
    NeedsNoMaintenance,
    SavesOverOthers,
    MaintainsOverSaves,
    MaintainsAfterClears,
    MaintainsForEver,
    MaintainsAlone,
    LosesTurnsAtDeadlines,
    HoldsWhatFailed,
    /// Not a flaw, unless a call is dropped.
    HoldsUntilAbandoned,
    TakesWhileLoading,
    SavesInHalves,
    NotesTheIdFirst,
    MaintainsInHalves,
    ClearsInHalves,
}

pub(crate) struct Buffer {
    slots: [Slot; 2],
    renamed: [Slot; 2],
    state: Arc<Mutex<State>>,
    /// The store of the turns, which a load does not read.
    history: History,
    session: SessionId,
    /// How many turns the conversation has at the point of this memory, until it goes on there.
    turns_at_point: Mutex<Option<usize>>,
    loads: AtomicUsize,
    /// Whether a call has loaded and not saved, for a flaw that holds the conversation.
    is_held: AtomicBool,
    flaw: Option<Flaw>,
}

#[derive(Clone, Default)]
struct State {
    epoch: u64,
    turns: Vec<Turn>,
    /// How many turns were tidied: a stand-in for a summary.
    tidied: usize,
    halfway: bool,
}

impl Buffer {
    pub(crate) fn new(flaw: Option<Flaw>) -> Self {
        Self {
            slots: [Slot::messages("history"), Slot::text("tidied").optional()],
            renamed: [Slot::messages("chat_history"), Slot::text("tidied")],
            state: Arc::default(),
            history: History::new(None),
            session: SessionId::new("s").unwrap(),
            turns_at_point: Mutex::default(),
            loads: AtomicUsize::new(0),
            is_held: AtomicBool::new(false),
            flaw,
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn version(&self) -> Version {
        let state = self.state();
        let messages = state.turns.iter().map(|turn| turn.messages().len()).sum::<usize>();
        Version::new(state.epoch, messages as u64)
    }
}

#[async_trait]
impl Memory for Buffer {
    fn variables(&self) -> &[Slot] {
        if self.has(Flaw::Renames) && !self.state().turns.is_empty() {
            &self.renamed
        } else {
            &self.slots
        }
    }

    fn saves_turns(&self) -> bool {
        !self.has(Flaw::DeniesSaving)
    }

    fn stored_in(&self) -> Option<(&dyn ChatHistory, &SessionId)> {
        Some((&self.history, &self.session))
    }

    fn at(&self, point: Point) -> Option<Box<dyn Memory>> {
        let mut memory = Self::new(self.flaw);
        memory.state = Arc::clone(&self.state);
        memory.history = self.history.clone();
        let end = match point {
            _ if self.has(Flaw::IgnoresPoints) => None,
            Point::Start => Some(0),
            Point::After(_) if self.has(Flaw::IgnoresLaterPoints) => None,
            Point::After(id) => {
                self.state().turns.iter().position(|turn| turn.id() == id).map(|at| at + 1)
            }
            _ => None,
        };
        memory.turns_at_point = Mutex::new(end);
        Some(Box::new(memory))
    }

    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let holds = matches!(self.flaw, Some(Flaw::HoldsWhatFailed | Flaw::HoldsUntilAbandoned));
        if holds && self.is_held.swap(true, Ordering::SeqCst) {
            return Err(HistoryError::Busy.into());
        }
        let state = if self.has(Flaw::TakesWhileLoading) {
            let state = std::mem::take(&mut *self.state());
            wait().await;
            *self.state() = state.clone();
            state
        } else {
            wait().await;
            self.state().clone()
        };
        let mut state = state;
        state.turns.truncate(self.turns_at_point.lock().unwrap().unwrap_or(usize::MAX));
        if state.halfway {
            return Err(HistoryError::Corrupt { what: "half tidied".into(), source: None }.into());
        }
        let mut messages = Messages::new();
        state.turns.iter().for_each(|turn| messages.append(turn.messages()));
        let loads = self.loads.fetch_add(1, Ordering::Relaxed);
        let tidied = if self.has(Flaw::CountsLoads) { loads } else { state.tidied };
        let tidied = match self.flaw {
            Some(Flaw::GivesNumbersForTexts) => Value::from(7),
            _ => Value::from(tidied.to_string()),
        };
        let name = if self.has(Flaw::GivesAnotherName) { "chat_history" } else { "history" };
        let variables = Variables::from([(name, Value::from(messages)), ("tidied", tidied)]);
        Ok(Loaded::new(variables).with_ticket(Ticket::new(self.version())))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.is_held.store(false, Ordering::SeqCst);
        wait().await;
        let unsupported = |what| Err(MemoryError::Unsupported { what });
        if self.has(Flaw::WantsATicket) && ticket.version().is_none() {
            return unsupported("turns without a ticket");
        }
        if self.has(Flaw::WantsTwoMessages) && turn.messages().len() != 2 {
            return unsupported("turns of other than two messages");
        }
        let odd = turn.messages().iter().any(|message| message.text().contains('\0'));
        if self.has(Flaw::RefusesNul) && odd {
            return unsupported("NUL");
        }
        let is_large = turn.messages().iter().any(|message| message.text().len() > 100_000);
        if self.has(Flaw::RefusesUnchecked) && is_large {
            return unsupported("large messages");
        }
        if self.has(Flaw::QuotesTurns) && turn.messages().to_string().contains("Who") {
            return Err(MemoryError::Custom(turn.messages().to_string().into()));
        }
        let current = self.version();
        if let Some(expected) = ticket.version()
            && expected.epoch != current.epoch
            && !self.has(Flaw::IgnoresTickets)
        {
            if self.has(Flaw::DropsStaleTurns) {
                return Ok(Saved::default());
            }
            return Err(HistoryError::Stale { expected, current }.into());
        }
        let known = self.state().turns.iter().find(|known| known.id() == turn.id()).cloned();
        if let Some(known) = known.filter(|_| !self.has(Flaw::SavesAgain)) {
            if !self.has(Flaw::DropsTurnsOfAKnownId) {
                turn.check_stored(&known)?;
            }
            return Ok(Saved::default());
        }
        if self.has(Flaw::SavesInHalves) {
            let half = Turn::new(turn.messages().slice(..1)).with_id(turn.id());
            self.state().turns.push(half);
            wait().await;
            self.state().turns.pop();
        }
        if self.has(Flaw::NotesTheIdFirst) {
            self.state().turns.push(Turn::new(Messages::new()).with_id(turn.id()));
            wait().await;
            self.state().turns.pop();
        }
        let stored = match self.flaw {
            Some(Flaw::StoresNowhere) => None,
            Some(Flaw::ForgetsBases) => {
                let bare = Turn::identified(turn.id(), turn.messages().clone());
                Some(bare.with_incomplete(turn.is_incomplete()))
            }
            Some(Flaw::StoresPartsAsWhole) => Some(turn.clone().with_incomplete(false)),
            Some(Flaw::StoresNoCalls) => {
                let said = turn.messages().iter().filter(|message| !message.text().is_empty());
                Some(Turn::identified(turn.id(), said.cloned().collect::<Messages>()))
            }
            _ => Some(turn.clone()),
        };
        if let Some(stored) = stored {
            self.history.append(&self.session, &stored, Expect::Any).await?;
        }
        if let Some(count) = self.turns_at_point.lock().unwrap().take() {
            self.state().turns.truncate(count);
        }
        if self.has(Flaw::SavesOverOthers) {
            let mut turns = self.state().turns.clone();
            wait().await;
            turns.push(turn.clone());
            self.state().turns = turns;
            return Ok(Saved::default());
        }
        self.state().turns.push(turn.clone());
        wait().await;
        Ok(Saved::default())
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        if self.has(Flaw::MaintainsInHalves) {
            self.state().halfway = true;
            wait().await;
            self.state().halfway = false;
        }
        let seen = self.state().clone();
        wait().await;
        let mut state = self.state();
        let is_cleared = state.epoch != seen.epoch;
        if self.has(Flaw::MaintainsAfterClears) {
            state.tidied = seen.turns.len();
            return Ok(Saved::default());
        }
        if self.has(Flaw::MaintainsOverSaves) && !is_cleared {
            *state = seen;
        }
        let more = usize::from(self.has(Flaw::MaintainsForEver));
        state.tidied = if more > 0 { state.tidied + more } else { state.turns.len() };
        Ok(Saved::default())
    }

    async fn abandon(&self, _: Ticket) {
        if !self.has(Flaw::HoldsWhatFailed) {
            self.is_held.store(false, Ordering::SeqCst);
        }
    }

    async fn maintain_with(&self, context: MaintainContext<'_>) -> Result<Saved, MemoryError> {
        match self.flaw {
            Some(Flaw::MaintainsAlone) => return Ok(Saved::default()),
            Some(Flaw::LosesTurnsAtDeadlines) if context.deadline.is_some() => {
                self.state().turns.pop();
            }
            _ => {}
        }
        self.maintain().await
    }

    fn gives_text(&self, variable: &str) -> bool {
        variable == "tidied"
    }

    fn needs_maintenance(&self) -> bool {
        !self.has(Flaw::NeedsNoMaintenance)
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        if self.has(Flaw::ClearsInHalves) {
            // A half-cleared memory is taken for a cleared one.
            if self.state().halfway {
                return Ok(());
            }
            self.state().halfway = true;
            wait().await;
        }
        wait().await;
        let mut state = self.state();
        let kept: Vec<Turn> = state.turns.iter().take(1).cloned().collect();
        *state = State { epoch: state.epoch + 1, ..State::default() };
        if self.has(Flaw::KeepsOneTurn) {
            state.turns = kept;
        }
        Ok(())
    }
}

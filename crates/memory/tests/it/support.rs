//! Helpers of the tests.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, LoadContext, Loaded, Memory, Message, Messages, Note,
    Range, SessionId, Slice, TokenCounter, Turn, TurnId, Variables, Version, async_trait,
};
use conversant_memory::InMemoryHistory;

pub(crate) fn session(id: &str) -> SessionId {
    SessionId::new(id).unwrap()
}

/// A turn that is known by its number: `q1` and `a1`.
pub(crate) fn turn(number: u128) -> Turn {
    Turn::exchange(format!("q{number}"), format!("a{number}")).with_id(TurnId::from_u128(number))
}

pub(crate) async fn load(memory: &(impl Memory + ?Sized)) -> Loaded {
    memory.load(LoadContext::new(&Variables::new())).await.unwrap()
}

/// Loads a memory of one variable and shows it: text as it is, messages as their transcript.
pub(crate) async fn shown(memory: &(impl Memory + ?Sized)) -> String {
    let loaded = load(memory).await;
    let (_, value) = loaded.variables.iter().next().unwrap();
    value.to_text().into_owned()
}

/// Makes messages of lines like `human: hi`.
pub(crate) fn messages(lines: &str) -> Messages {
    lines
        .lines()
        .map(|line| {
            let (role, text) = line.trim().split_once(": ").unwrap();
            let message = Message::new(conversant_core::Role::from_name(role), text);
            if role == "tool" { message.with_tool_call_id("call") } else { message }
        })
        .collect()
}

/// Counts the pieces of a message's line between white space.
#[derive(Clone, Copy)]
pub(crate) struct Whitespace;

impl TokenCounter for Whitespace {
    fn count_text(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

/// A history that counts the loaded messages and fails on request.
#[derive(Clone, Default)]
pub(crate) struct Watched {
    pub(crate) inner: InMemoryHistory,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    loaded: usize,
    without_notes: bool,
    without_turns: bool,
    waits: bool,
    /// The operation that fails next time.
    failing: Option<&'static str>,
    /// The operation that is refused for good next time.
    refusing: Option<&'static str>,
    turns: Vec<Turn>,
    /// The operations that were called.
    called: Vec<&'static str>,
    /// The number of turns that were returned.
    returned: usize,
}

impl Watched {
    pub(crate) fn without_notes() -> Self {
        let watched = Self::default();
        watched.state.lock().unwrap().without_notes = true;
        watched
    }

    /// Returns a history that does not return turns.
    pub(crate) fn without_turns() -> Self {
        let watched = Self::default();
        watched.state.lock().unwrap().without_turns = true;
        watched
    }

    /// Returns how many messages were loaded since the last time.
    pub(crate) fn take_loaded(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().loaded)
    }

    /// Returns how often an operation was called.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.state.lock().unwrap().called.iter().filter(|called| **called == operation).count()
    }

    /// Returns how many turns were returned since the last time.
    pub(crate) fn take_returned(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().returned)
    }

    /// Returns the turns as they were appended.
    pub(crate) fn turns(&self) -> Vec<Turn> {
        self.state.lock().unwrap().turns.clone()
    }

    /// Makes the next operation of this name fail.
    pub(crate) fn fail(&self, operation: &'static str) {
        self.state.lock().unwrap().failing = Some(operation);
    }

    /// Makes each operation wait before and after it takes effect.
    pub(crate) fn with_waits(self) -> Self {
        self.state.lock().unwrap().waits = true;
        self
    }

    async fn wait(&self) {
        if self.state.lock().unwrap().waits {
            let mut waited = false;
            std::future::poll_fn(|context| {
                if std::mem::replace(&mut waited, true) {
                    return std::task::Poll::Ready(());
                }
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            })
            .await;
        }
    }

    /// Refuses the next operation of this name for good.
    pub(crate) fn refuse(&self, operation: &'static str) {
        self.state.lock().unwrap().refusing = Some(operation);
    }

    fn check(&self, operation: &'static str) -> Result<(), HistoryError> {
        let mut state = self.state.lock().unwrap();
        state.called.push(operation);
        if state.failing == Some(operation) {
            state.failing = None;
            return Err(HistoryError::Busy);
        }
        if state.refusing == Some(operation) {
            state.refusing = None;
            return Err(HistoryError::ReadOnly { source: None });
        }
        if state.without_turns && operation == "turns" {
            return Err(HistoryError::Unsupported { what: "turns" });
        }
        if state.without_notes && operation.ends_with("note") {
            return Err(HistoryError::Unsupported { what: "notes" });
        }
        Ok(())
    }
}

#[async_trait]
impl ChatHistory for Watched {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.check("load")?;
        self.wait().await;
        let slice = self.inner.load(session, range).await?;
        self.state.lock().unwrap().loaded += slice.messages.len();
        let turns = self.inner.turns(session, range).await?;
        let count: usize = turns.iter().map(|turn| turn.messages().len()).sum();
        let before = count.saturating_sub(slice.messages.len());
        let (mut end, mut starts) = (0, Vec::new());
        for turn in &turns {
            if !turn.messages().is_empty() && end >= before {
                starts.push(end - before);
            }
            end += turn.messages().len();
        }
        Ok(slice.with_turns(starts))
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.check("append")?;
        self.wait().await;
        self.state.lock().unwrap().turns.push(turn.clone());
        let version = self.inner.append(session, turn, expect).await;
        self.wait().await;
        version
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.check("clear")?;
        self.wait().await;
        self.inner.clear(session).await?;
        self.wait().await;
        Ok(())
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.check("turns")?;
        let turns = self.inner.turns(session, range).await?;
        self.state.lock().unwrap().returned += turns.len();
        Ok(turns)
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.check("note")?;
        self.wait().await;
        self.inner.note(session, name).await
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.check("put_note")?;
        self.wait().await;
        self.inner.put_note(session, name, note).await?;
        self.wait().await;
        Ok(())
    }

    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        self.inner.lease(session, time).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        self.inner.release(lease).await
    }
}

/// A history whose store can be replaced by another.
#[derive(Clone)]
pub(crate) struct Swapped(Arc<Mutex<InMemoryHistory>>);

impl Swapped {
    pub(crate) fn new(history: InMemoryHistory) -> Self {
        Self(Arc::new(Mutex::new(history)))
    }

    pub(crate) fn swap(&self, other: InMemoryHistory) {
        *self.0.lock().unwrap() = other;
    }

    pub(crate) fn current(&self) -> InMemoryHistory {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl ChatHistory for Swapped {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.current().load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.current().append(session, turn, expect).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.current().clear(session).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.current().note(session, name).await
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.current().put_note(session, name, note).await
    }
}

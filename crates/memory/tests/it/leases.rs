//! Leases that are kept between calls, and the operations of a store that a call needs.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, LoadContext, Memory, MemoryError, Range, SessionId,
    Slice, Turn, Variables, Version, vars,
};
use conversant_memory::{BufferMemory, InMemoryHistory, LeasedMemory, WindowMemory};

const TIME: Duration = Duration::from_secs(60);

/// A store that is not in memory, and writes down its operations.
#[derive(Clone, Default)]
struct Remote {
    inner: InMemoryHistory,
    is_verbatim: bool,
    operations: Arc<Mutex<Vec<String>>>,
    is_failing: Arc<Mutex<bool>>,
}

impl Remote {
    fn verbatim() -> Self {
        Self { is_verbatim: true, ..Self::default() }
    }

    fn note(&self, operation: impl Into<String>) {
        self.operations.lock().unwrap().push(operation.into());
    }

    /// Returns the operations since the last call.
    fn take(&self) -> String {
        self.operations.lock().unwrap().drain(..).collect::<Vec<_>>().join(", ")
    }
}

#[async_trait]
impl ChatHistory for Remote {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let slice = self.inner.load(session, range).await?;
        self.note(format!("load {}", slice.messages.len()));
        let starts = (0..slice.messages.len()).step_by(2).collect();
        Ok(slice.with_turns(starts))
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.note("append");
        let version = self.inner.append(session, turn, expect).await?;
        let is_failing = std::mem::take(&mut *self.is_failing.lock().unwrap());
        if is_failing { Err(HistoryError::Busy) } else { Ok(version) }
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.inner.clear(session).await
    }

    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        self.note("lease");
        self.inner.lease(session, time).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        self.note("release");
        self.inner.release(lease).await
    }

    fn is_verbatim(&self) -> bool {
        self.is_verbatim
    }
}

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

fn buffer(history: &Remote) -> BufferMemory {
    BufferMemory::new().with_history(history.clone(), session())
}

fn window(history: &Remote) -> WindowMemory {
    WindowMemory::new().with_k(2).with_history(history.clone(), session())
}

async fn load(memory: &impl Memory) -> Result<(String, conversant_core::Ticket), MemoryError> {
    let inputs: Variables = vars! { "human_input" => "hi" };
    let loaded = memory.load(LoadContext::new(&inputs)).await?;
    let text = loaded.variables.get("history").unwrap().to_text().into_owned();
    Ok((text, loaded.ticket))
}

/// Loads, and saves a turn. Returns the text that was loaded.
async fn call(memory: &impl Memory, question: &str) -> String {
    let (text, ticket) = load(memory).await.unwrap();
    memory.save(&Turn::exchange(question, "-"), ticket).await.unwrap();
    text
}

async fn calls_of(memory: impl Memory, history: &Remote) -> String {
    let mut operations = Vec::new();
    for number in 0..4 {
        call(&memory, &number.to_string()).await;
        operations.push(history.take());
    }
    operations.join("\n")
}

#[tokio::test]
async fn a_saved_turn_is_loaded_again_only_from_a_store_that_may_change_it() {
    let history = Remote::default();
    insta::assert_snapshot!(calls_of(buffer(&history), &history).await, @r"
    load 0, append
    load 2, append
    load 2, append
    load 2, append
    ");
    let history = Remote::default();
    insta::assert_snapshot!(calls_of(window(&history), &history).await, @r"
    load 0, append
    load 2, append
    load 2, append
    load 2, append
    ");
    let history = Remote::verbatim();
    insta::assert_snapshot!(calls_of(buffer(&history), &history).await, @r"
    load 0, append
    load 0, append
    load 0, append
    load 0, append
    ");
    let history = Remote::verbatim();
    insta::assert_snapshot!(calls_of(window(&history), &history).await, @r"
    load 0, append
    load 2, append
    load 0, append
    load 0, append
    ");
}

#[tokio::test]
async fn turns_of_others_are_loaded_after_the_saved_one() {
    let history = Remote::verbatim();
    let (one, another) = (window(&history), window(&history));
    call(&one, "a").await;
    call(&one, "b").await;
    call(&another, "c").await;
    assert_eq!(call(&one, "d").await, "Human: b\nAI: -\nHuman: c\nAI: -");
    assert_eq!(call(&another, "e").await, "Human: c\nAI: -\nHuman: d\nAI: -");
    history.clear(&session()).await.unwrap();
    assert_eq!(call(&one, "f").await, "");
    assert_eq!(call(&another, "g").await, "Human: f\nAI: -");
}

#[tokio::test]
async fn a_call_under_a_kept_lease_asks_for_changes() {
    let history = Remote::verbatim();
    let memory = buffer(&history).leased(TIME).kept_between_calls();
    insta::assert_snapshot!(calls_of(memory, &history).await, @r"
    lease, load 0, append
    load 0, append
    load 0, append
    load 0, append
    ");
}

/// If only the memory writes, a call under a kept lease is the append alone.
#[tokio::test]
async fn a_call_of_the_only_writer_is_one_operation() {
    let history = Remote::verbatim();
    let memory = buffer(&history).leased(TIME).kept_between_calls().as_only_writer();
    insta::assert_snapshot!(calls_of(memory, &history).await, @r"
    lease, load 0, append
    append
    append
    append
    ");
    let history = Remote::verbatim();
    let memory = window(&history).leased(TIME).kept_between_calls().as_only_writer();
    insta::assert_snapshot!(calls_of(memory, &history).await, @r"
    lease, load 0, append
    load 2, append
    append
    append
    ");
    // By default, each call acquires and releases it.
    let history = Remote::verbatim();
    insta::assert_snapshot!(calls_of(window(&history).leased(TIME), &history).await, @r"
    lease, load 0, append, release
    lease, load 2, append, release
    lease, load 0, append, release
    lease, load 0, append, release
    ");
}

async fn busy<M: Memory>(memory: &LeasedMemory<M>) -> bool {
    matches!(load(memory).await, Err(MemoryError::History(HistoryError::Busy)))
}

#[tokio::test]
async fn a_kept_lease_keeps_others_out_until_it_ends() {
    let history = Remote::verbatim();
    let kept = || window(&history).leased(TIME).kept_between_calls();
    let (one, another) = (kept(), kept());
    call(&one, "a").await;
    assert!(busy(&another).await);
    one.end_lease().await.unwrap();
    call(&another, "b").await;
    assert!(busy(&one).await);
    another.end_lease().await.unwrap();
    history.take();
    // The turns of the other one are seen.
    assert_eq!(call(&one, "c").await, "Human: a\nAI: -\nHuman: b\nAI: -");
    assert_eq!(history.take(), "lease, load 4, append");
    one.end_lease().await.unwrap();
    one.end_lease().await.unwrap();
    assert_eq!(history.take(), "release");
}

#[tokio::test]
async fn a_lease_in_its_second_half_is_acquired_again() {
    let history = Remote::verbatim();
    let memory = window(&history).leased(Duration::ZERO).kept_between_calls();
    insta::assert_snapshot!(calls_of(memory, &history).await, @r"
    lease, load 0, append
    release, lease, load 2, append
    release, lease, load 0, append
    release, lease, load 0, append
    ");
    // The longest time is a time, too.
    let memory = window(&history).leased(Duration::MAX).kept_between_calls().as_only_writer();
    call(&memory, "a").await;
    history.take();
    call(&memory, "b").await;
    assert_eq!(history.take(), "append");
}

/// The outcome of a failed save is not known, so the next load asks the store.
#[tokio::test]
async fn after_a_failed_save_the_store_is_asked() {
    let history = Remote::verbatim();
    let memory = window(&history).leased(TIME).kept_between_calls().as_only_writer();
    call(&memory, "a").await;
    call(&memory, "b").await;
    let (_, ticket) = load(&memory).await.unwrap();
    history.take();
    *history.is_failing.lock().unwrap() = true;
    memory.save(&Turn::exchange("c", "-"), ticket).await.unwrap_err();
    assert_eq!(call(&memory, "d").await, "Human: b\nAI: -\nHuman: c\nAI: -");
    assert_eq!(history.take(), "append, load 2, append");
    // A call that is abandoned changes nothing.
    let (_, ticket) = load(&memory).await.unwrap();
    memory.abandon(ticket).await;
    assert_eq!(call(&memory, "e").await, "Human: c\nAI: -\nHuman: d\nAI: -");
    assert_eq!(history.take(), "append");
}

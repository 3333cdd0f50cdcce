//! Changes of the conversation by the same process under a kept lease, and memories that share it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, LoadContext, Memory, MemoryError, Point, Range,
    SessionFilter, SessionId, Slice, Turn, Variables, Version,
};
use conversant_memory::{BufferMemory, InMemoryHistory, StringBufferMemory, WindowMemory};
use conversant_testkit::block_on;

use crate::support::{session, turn};

const TIME: Duration = Duration::from_secs(60);

/// A history that does not share its messages, as one in files or on a server.
struct Apart {
    inner: Arc<dyn ChatHistory>,
    is_verbatim: bool,
}

#[async_trait]
impl ChatHistory for Apart {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let slice = self.inner.load(session, range).await?;
        let starts = (0..slice.messages.len()).step_by(2).collect();
        Ok(slice.with_turns(starts))
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.inner.append(session, turn, expect).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.inner.clear(session).await
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

    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        let inner = self.inner.at(point)?;
        Some(Arc::new(Self { inner, is_verbatim: self.is_verbatim }))
    }

    fn is_verbatim(&self) -> bool {
        self.is_verbatim
    }
}

type Store = fn(&InMemoryHistory) -> Arc<dyn ChatHistory>;

const STORES: [(&str, Store); 3] = [
    ("in memory", |history| Arc::new(history.clone())),
    ("apart", |history| Arc::new(Apart { inner: Arc::new(history.clone()), is_verbatim: true })),
    ("changed", |history| Arc::new(Apart { inner: Arc::new(history.clone()), is_verbatim: false })),
];

type View = fn(Arc<dyn ChatHistory>) -> Box<dyn Memory>;

macro_rules! kept {
    ($memory:expr) => {
        |store| {
            let memory = $memory.with_history(store, session("s"));
            Box::new(memory.leased(TIME).kept_between_calls())
        }
    };
}

const VIEWS: [(&str, View); 3] = [
    ("buffer", kept!(BufferMemory::new())),
    ("string buffer", kept!(StringBufferMemory::new())),
    ("window", kept!(WindowMemory::new().with_k(9))),
];

/// Runs a test for each store and view.
fn for_each(test: &impl AsyncFn(&str, InMemoryHistory, &dyn Fn() -> Box<dyn Memory>)) {
    for (store_name, store) in STORES {
        for (view_name, view) in VIEWS {
            let history = InMemoryHistory::new();
            let make = || view(store(&history));
            block_on(test(&format!("{view_name}, {store_name}"), history.clone(), &make));
        }
    }
}

/// Loads, and saves a turn. Returns the questions that were loaded.
async fn call(memory: &(impl Memory + ?Sized), number: u128) -> Result<String, MemoryError> {
    let loaded = memory.load(LoadContext::new(&Variables::new())).await?;
    let text = loaded.variables.get("history").unwrap().to_text().into_owned();
    memory.save(&turn(number), loaded.ticket).await?;
    let questions = text.lines().filter_map(|line| line.strip_prefix("Human: "));
    Ok(questions.collect::<Vec<_>>().join(" "))
}

async fn stored(history: &InMemoryHistory) -> String {
    let turns = history.turns(&session("s"), Range::All).await.unwrap();
    let questions = turns.iter().map(|turn| turn.messages().iter().next().unwrap().text());
    questions.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_tip_that_was_moved_is_seen_under_a_kept_lease() {
    for_each(&async |name, history, make| {
        let memory = make();
        call(&memory, 1).await.unwrap();
        assert_eq!(call(&memory, 2).await.unwrap(), "q1", "{name}");
        history.set_tip(&session("s"), Point::After(turn(1).id()), Expect::Any).await.unwrap();
        assert_eq!(call(&memory, 3).await.unwrap(), "q1", "{name}");
        assert_eq!(call(&memory, 4).await.unwrap(), "q1 q3", "{name}");
        assert_eq!(stored(&history).await, "q1 q3 q4", "{name}");
    });
}

#[test]
fn deleted_turns_are_not_shown_under_a_kept_lease() {
    for how in ["delete", "clear", "delete_sessions"] {
        for_each(&async |name, history, make| {
            let (memory, session) = (make(), session("s"));
            call(&memory, 1).await.unwrap();
            call(&memory, 2).await.unwrap();
            match how {
                "delete" => history.delete(&session).await.unwrap(),
                "clear" => history.clear(&session).await.unwrap(),
                _ => {
                    history.set_label(&session, "a", Some("b")).await.unwrap();
                    let filter = SessionFilter::new().with_label("a", "b");
                    assert_eq!(history.delete_sessions(&filter, 9).await.unwrap(), 1);
                }
            }
            assert_eq!(call(&memory, 3).await.unwrap(), "", "{how}, {name}");
            assert_eq!(call(&memory, 4).await.unwrap(), "q3", "{how}, {name}");
            // A deletion removes the lease, and the call acquired it again.
            let other = call(&make(), 5).await;
            assert!(
                matches!(other, Err(MemoryError::History(HistoryError::Busy))),
                "{how}, {name}: {other:?}"
            );
        });
    }
}

#[test]
fn another_process_that_took_the_lease_of_a_deleted_conversation_is_not_disturbed() {
    for_each(&async |name, history, make| {
        let (memory, other) = (make(), make());
        call(&memory, 1).await.unwrap();
        history.delete(&session("s")).await.unwrap();
        assert_eq!(call(&other, 2).await.unwrap(), "", "{name}");
        let refused = call(&memory, 3).await;
        assert!(
            matches!(refused, Err(MemoryError::History(HistoryError::Busy))),
            "{name}: {refused:?}"
        );
        assert_eq!(call(&other, 4).await.unwrap(), "q2", "{name}");
    });
}

#[test]
fn a_memory_at_a_point_shares_the_kept_lease() {
    for_each(&async |name, history, make| {
        let memory = make();
        call(&memory, 1).await.unwrap();
        call(&memory, 2).await.unwrap();
        let earlier = memory.at(Point::After(turn(1).id())).unwrap();
        assert_eq!(call(&*earlier, 3).await.unwrap(), "q1", "{name}");
        assert_eq!(call(&*earlier, 4).await.unwrap(), "q1 q3", "{name}");
        assert_eq!(call(&memory, 5).await.unwrap(), "q1 q3 q4", "{name}");
        assert_eq!(stored(&history).await, "q1 q3 q4 q5", "{name}");
        // A first call at a point acquires the lease for the memory itself.
        let first = make();
        drop((memory, earlier));
        history.delete(&session("s")).await.unwrap();
        call(&*first.at(Point::Start).unwrap(), 6).await.unwrap();
        assert_eq!(call(&first, 7).await.unwrap(), "q6", "{name}");
    });
}

/// The memories that share a lease see each other's turns, also if each is the only writer.
#[test]
fn a_memory_at_a_point_is_the_same_writer() {
    block_on(async {
        let history = InMemoryHistory::new();
        let store = Apart { inner: Arc::new(history.clone()), is_verbatim: true };
        let memory = BufferMemory::new().with_history(store, session("s"));
        let memory = memory.leased(TIME).kept_between_calls().as_only_writer();
        call(&memory, 1).await.unwrap();
        assert_eq!(call(&memory, 2).await.unwrap(), "q1");
        let earlier = memory.at(Point::After(turn(1).id())).unwrap();
        assert_eq!(call(&*earlier, 3).await.unwrap(), "q1");
        assert_eq!(call(&*earlier, 4).await.unwrap(), "q1 q3");
        assert_eq!(call(&memory, 5).await.unwrap(), "q1 q3 q4");
        earlier.clear().await.unwrap();
        assert_eq!(call(&memory, 6).await.unwrap(), "");
        // A change by another way is seen after the end of the lease.
        history.delete(&session("s")).await.unwrap();
        memory.end_lease().await.unwrap();
        assert_eq!(call(&memory, 7).await.unwrap(), "");
        assert_eq!(stored(&history).await, "q7");
    });
}

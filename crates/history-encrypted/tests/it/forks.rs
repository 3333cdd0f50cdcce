//! Forks that stop before they have all turns.

use std::sync::Arc;

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, Note, OwnFormat, Point, Range, SessionId,
    SessionInfo, Slice, Turn, Version, async_trait,
};
use conversant_history_encrypted::Encrypted;
use conversant_memory::InMemoryHistory;
use conversant_testkit::{FailingHistory, FailureMode, HistoryCall, block_on, poll_then_drop};

use crate::support::{append, encrypted, exchange, keys, load, session, turns};

/// A store of which chosen appends fail.
struct Store(FailingHistory<InMemoryHistory>);

impl OwnFormat for Store {}

#[async_trait]
impl ChatHistory for Store {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.0.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.0.append(session, turn, expect).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.0.clear(session).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.0.turns(session, range).await
    }

    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        self.0.at(point)
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        self.0.alternatives(session, point).await
    }

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        self.0.session_info(session).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.0.note(session, name).await
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.0.put_note(session, name, note).await
    }

    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.0.set_title(session, title).await
    }

    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.0.set_label(session, name, value).await
    }
}

/// A whole fork is not one that has stopped, although another point has its turns and more.
pub(crate) fn a_whole_fork_is_not_extended() {
    let history = encrypted(&InMemoryHistory::new());
    for number in 0..5 {
        append(&history, "source", &exchange(number));
    }
    let source = turns(&history, "source").unwrap();
    let fork = |number: usize| {
        let point = Point::After(source[number].id());
        block_on(history.fork(&session("source"), point, &session("fork")))
    };
    fork(1).unwrap();
    for number in 0..5 {
        let again = fork(number);
        assert!(matches!(again, Err(HistoryError::Stale { .. })), "{number}: {again:?}");
    }
    assert_eq!(turns(&history, "fork").unwrap(), source[..2]);
}

/// Each append may be the one that fails, or at which the fork is dropped.
pub(crate) fn a_fork_that_stops_is_continued_by_the_same_call() {
    for number in 1..=4 {
        for failure in [FailureMode::fail(|| HistoryError::Busy), FailureMode::hang()] {
            let store = InMemoryHistory::new();
            let history = encrypted(&store);
            for number in 0..5 {
                append(&history, "source", &exchange(number));
            }
            let source = turns(&history, "source").unwrap();
            let point = Point::After(source[3].id());
            let (from, into) = (session("source"), session("fork"));
            let failing = FailingHistory::new(store).on(HistoryCall::Append, number, failure);
            let stopping = Encrypted::new(Store(failing), keys());
            let stopped = block_on(poll_then_drop(stopping.fork(&from, point, &into), 1));
            assert!(stopped.is_none_or(|outcome| outcome.is_err()));
            assert_eq!(turns(&history, "fork").unwrap(), source[..number - 1]);
            let version = block_on(stopping.fork(&from, point, &into)).unwrap();
            assert_eq!(version.messages, 8);
            assert_eq!(turns(&history, "fork").unwrap(), source[..4]);
            assert_eq!(load(&history, "fork").unwrap().version, version);
            // A whole one is not empty, nor one that was used.
            let again = block_on(history.fork(&from, point, &into));
            assert!(matches!(again, Err(HistoryError::Stale { .. })), "{again:?}");
            append(&history, "fork", &exchange(9));
            let again = block_on(history.fork(&from, Point::After(source[4].id()), &into));
            assert!(matches!(again, Err(HistoryError::Stale { .. })), "{again:?}");
            assert_eq!(turns(&history, "fork").unwrap().len(), 5);
        }
    }
}

//! Custom stores, which have no branches.

use std::{collections::HashMap, sync::Mutex};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Messages, OwnFormat, Range, SessionId, Slice, Turn, TurnId,
    Version, async_trait,
};
use conversant_history_encrypted::Encrypted;
use conversant_memory::InMemoryHistory;
use conversant_testkit::{block_on, suite};

use crate::support::{exchange, key, keys, session};

#[derive(Default)]
struct Log {
    epoch: u64,
    messages: Messages,
    starts: Vec<usize>,
    turns: HashMap<TurnId, (Turn, Version)>,
}

/// The guide's: it has the operations without a default alone, and no tips.
#[derive(Default)]
struct Shelf(Mutex<HashMap<SessionId, Log>>);

impl OwnFormat for Shelf {}

#[async_trait]
impl ChatHistory for Shelf {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let shelf = self.0.lock().unwrap();
        let cut = |log: &Log| range.cut(log.epoch, &log.messages, &log.starts);
        Ok(shelf.get(session).map_or_else(Slice::default, cut))
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let mut shelf = self.0.lock().unwrap();
        let log = shelf.entry(session.clone()).or_default();
        if let Some((stored, end)) = log.turns.get(&turn.id()) {
            turn.check_stored(stored)?;
            return Ok(*end);
        }
        let start = log.messages.len();
        expect.check(Version::new(log.epoch, start as u64))?;
        log.messages.extend(turn.messages().iter_shared().cloned());
        let end = Version::new(log.epoch, log.messages.len() as u64);
        if !turn.messages().is_empty() {
            log.starts.push(start);
            log.turns.insert(turn.id(), (turn.clone(), end));
        }
        Ok(end)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        let mut shelf = self.0.lock().unwrap();
        let log = shelf.entry(session.clone()).or_default();
        *log = Log { epoch: log.epoch + 1, ..Log::default() };
        Ok(())
    }
}

/// With turns and tips.
#[derive(Default)]
struct Turns(InMemoryHistory);

impl OwnFormat for Turns {}

#[async_trait]
impl ChatHistory for Turns {
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
}

async fn passes<H: OwnFormat + Default + 'static>() {
    let plain = || Encrypted::new(H::default(), keys());
    for report in
        [suite::history(plain).await, suite::history(|| plain().with_blinding_key(&key(9))).await]
    {
        report.unwrap_or_else(|error| panic!("{error}"));
    }
}

pub(crate) async fn a_store_without_branches_is_encrypted() {
    passes::<Shelf>().await;
    passes::<Turns>().await;
    let history = || Encrypted::new(Turns::default(), keys());
    suite::versioned_history(history).await.unwrap_or_else(|error| panic!("{error}"));
}

/// Saved again, a turn is found wherever it is, and another one of its id is refused.
pub(crate) fn a_turn_is_compared_with_the_stored_one() {
    let history = Encrypted::new(Shelf::default(), keys());
    let id = session("s");
    let append = |turn: &Turn| block_on(history.append(&id, turn, Expect::Any));
    let turns: Vec<_> = (0..3).map(exchange).collect();
    let versions: Vec<_> = turns.iter().map(|turn| append(turn).unwrap()).collect();
    for (turn, version) in turns.iter().zip(versions) {
        assert_eq!(append(turn).unwrap(), version);
        for other in [
            Turn::exchange("question", "another answer").with_id(turn.id()),
            Turn::new(turn.messages().iter().take(1).cloned().collect::<Messages>())
                .with_id(turn.id()),
        ] {
            let refused = append(&other);
            assert!(matches!(refused, Err(HistoryError::TurnIdInUse { .. })), "{refused:?}");
        }
    }
    assert_eq!(block_on(history.load(&id, Range::All)).unwrap().messages.len(), 6);
}

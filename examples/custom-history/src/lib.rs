//! A custom history on `conversant-core` alone: conversations in a map. Others use a database.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Messages, Range, SessionId, Slice, Turn, TurnId, Version,
    async_trait,
};

/// All conversations, for as long as it lives. An operation locks them once, and awaits nothing.
#[derive(Debug, Default)]
pub struct Shelf(Mutex<HashMap<SessionId, Log>>);

/// One conversation: its messages, where its turns begin, and which they are.
#[derive(Debug, Default)]
struct Log {
    epoch: u64,
    messages: Messages,
    starts: Vec<usize>,
    turns: HashMap<TurnId, (Turn, Version)>,
}

#[async_trait]
impl ChatHistory for Shelf {
    async fn load(&self, id: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cut = |log: &Log| range.cut(log.epoch, &log.messages, &log.starts);
        Ok(shelf.get(id).map_or_else(Slice::default, cut))
    }

    async fn append(
        &self,
        id: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stored, end)) = shelf.get(id).and_then(|log| log.turns.get(&turn.id())) {
            return turn.check_stored(stored).map(|()| *end); // saving it twice is saving it once
        }
        let (epoch, start) = shelf.get(id).map_or((0, 0), |log| (log.epoch, log.messages.len()));
        expect.check(Version::new(epoch, start as u64))?;
        let end = Version::new(epoch, (start + turn.messages().len()) as u64);
        if !turn.messages().is_empty() {
            let log = shelf.entry(id.clone()).or_default();
            log.messages.extend(turn.messages().iter_shared().cloned());
            log.starts.push(start); // without messages, it is not a turn of the conversation
            log.turns.insert(turn.id(), (turn.clone(), end));
        }
        Ok(end)
    }

    async fn clear(&self, id: &SessionId) -> Result<(), HistoryError> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let log = shelf.entry(id.clone()).or_default();
        *log = Log { epoch: log.epoch + 1, ..Log::default() };
        Ok(())
    }
}

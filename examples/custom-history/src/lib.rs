//! A custom history on `conversant-core` alone: conversations in a map. A real one would use a
//! database.

use std::{collections::HashMap, sync::Mutex};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Messages, Range, SessionId, Slice, Turn, TurnId, Version,
    async_trait,
};

/// All conversations, for as long as it lives.
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

impl Shelf {
    /// Does something to a conversation, whole or not at all: nothing awaits in here.
    fn with<T>(&self, id: &SessionId, act: impl FnOnce(&mut Log) -> T) -> Result<T, HistoryError> {
        let mut shelf = self.0.lock().map_err(|_| HistoryError::Busy)?;
        Ok(act(shelf.entry(id.clone()).or_default()))
    }
}

#[async_trait]
impl ChatHistory for Shelf {
    async fn load(&self, id: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.with(id, |log| range.cut(log.epoch, &log.messages, &log.starts))
    }

    async fn append(
        &self,
        id: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.with(id, |log| {
            if let Some((stored, end)) = log.turns.get(&turn.id()) {
                return turn.check_stored(stored).map(|()| *end); // saving it twice is saving it once
            }
            expect.check(Version::new(log.epoch, log.messages.len() as u64))?;
            log.starts.push(log.messages.len());
            log.messages.extend(turn.messages().iter_shared().cloned());
            let end = Version::new(log.epoch, log.messages.len() as u64);
            log.turns.insert(turn.id(), (turn.clone(), end));
            Ok(end)
        })?
    }

    async fn clear(&self, id: &SessionId) -> Result<(), HistoryError> {
        self.with(id, |log| *log = Log { epoch: log.epoch + 1, ..Log::default() })
    }
}

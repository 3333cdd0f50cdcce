//! A cache of the last turns of a conversation.

use std::{collections::VecDeque, sync::Mutex};

use conversant_core::{HistoryError, Messages, Range, Slice, Version};

use super::{delta::Delta, stored_session::StoredSession};
use crate::sync::lock;

/// The last turns that were loaded, so that the next load reads only those after them.
///
/// It needs a store that returns where turns begin ([`Slice::turns`]).
#[derive(Default)]
pub(crate) struct HeldTurns(Mutex<Option<LastTurns>>);

struct LastTurns {
    /// The number of turns that were asked for.
    count: usize,
    messages: Messages,
    version: Version,
    /// The indices, in the conversation, of the messages with which the turns begin.
    starts: VecDeque<u64>,
    /// The number of messages that `messages` no longer shows and whose memory it keeps.
    dropped: usize,
}

impl HeldTurns {
    pub(crate) fn forget(&self) {
        *lock(&self.0) = None;
    }

    /// Returns the last turns of a session, at most `count`, and whether they are known to continue
    /// those that were returned before. `None`: there were none, or they cannot be compared.
    pub(crate) async fn last(
        &self,
        session: &StoredSession,
        count: usize,
    ) -> Result<(Slice, Option<bool>), HistoryError> {
        if count == 0 || session.history.shares() {
            return Ok((session.load(Range::LastTurns(count)).await?, None));
        }
        let asked = lock(&self.0).as_ref().filter(|held| held.count == count).map(|h| h.version);
        if let Some(asked) = asked {
            let slice = session.load(Range::After(asked)).await?;
            let mut held = lock(&self.0);
            if let Some(extended) = held.take().and_then(|held| held.extend(asked, &slice)) {
                let slice = Slice::new(extended.messages.clone(), extended.version);
                *held = Some(extended);
                return Ok((slice, Some(true)));
            }
        }
        let slice = session.load(Range::LastTurns(count)).await?;
        *lock(&self.0) = LastTurns::new(&slice, count);
        Ok((slice, asked.map(|_| false)))
    }
}

impl LastTurns {
    /// Holds the turns of a slice, unless the store does not return where they begin.
    fn new(slice: &Slice, count: usize) -> Option<Self> {
        let turns = slice.turns.as_ref()?;
        if slice.messages.is_empty() || turns.first() != Some(&0) {
            return None;
        }
        let starts = turns.iter().map(|&turn| slice.start() + turn as u64).collect();
        let (messages, version) = (slice.messages.clone(), slice.version);
        Some(Self { count, messages, version, starts, dropped: 0 })
    }

    /// Adds the messages that were loaded after `asked`. Returns `None` if they do not follow.
    fn extend(mut self, asked: Version, slice: &Slice) -> Option<Self> {
        let Delta::Append(known) = Delta::between(self.version, asked, slice) else { return None };
        if known < slice.messages.len() {
            let end = self.version.messages;
            let starts = slice.turns.as_ref()?.iter().map(|&turn| slice.start() + turn as u64);
            let held = self.starts.len();
            self.starts.extend(starts.filter(|&start| start >= end));
            if self.starts.get(held) != Some(&end) {
                return None;
            }
            self.messages.extend(slice.messages.iter_shared().skip(known).cloned());
            self.version = slice.version;
            self.drop_oldest()?;
        }
        Some(self)
    }

    /// Drops the turns before the last `count`.
    fn drop_oldest(&mut self) -> Option<()> {
        let excess = self.starts.len().saturating_sub(self.count);
        self.starts.drain(..excess);
        let length = self.version.messages - self.starts.front()?;
        let excess = self.messages.len().checked_sub(usize::try_from(length).ok()?)?;
        self.messages = self.messages.slice(excess..);
        self.dropped += excess;
        if self.dropped > 2 * self.messages.len() {
            // Copies the pointers, so that the messages before them are freed.
            self.messages = self.messages.iter_shared().cloned().collect();
            self.dropped = 0;
        }
        Some(())
    }
}

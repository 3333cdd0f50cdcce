//! Facts about the files of a folder, so that nothing is read twice.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Mutex};

use conversant_core::{HistoryError, SessionId};
use lru::LruCache;

use crate::{conversation::Conversation, index::Index, mutex::lock, summaries::Summaries};

/// The number of sessions whose indexes are cached.
const MAX_INDEXES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// The number of torn tails that are listed.
const MAX_TORN: usize = 1024;

/// The indexes of the sessions that were used last, and the unfinished lines that were found.
pub(crate) struct Cache {
    indexes: Mutex<LruCache<SessionId, Index>>,
    torn: Mutex<BTreeMap<(SessionId, u64), u64>>,
    pub(crate) summaries: Summaries,
}

impl Default for Cache {
    fn default() -> Self {
        let indexes = Mutex::new(LruCache::new(MAX_INDEXES));
        Self { indexes, torn: Mutex::default(), summaries: Summaries::default() }
    }
}

/// An unfinished line at the end of a file. The process that wrote it was killed, or the power
/// failed, before the line was acknowledged. It is not part of the conversation, and the next turn
/// overwrites it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornTail {
    /// The session.
    pub session: SessionId,
    /// The number of bytes in the file before it.
    pub offset: u64,
    /// The number of its bytes.
    pub bytes: u64,
}

/// Returns whether an operation was refused before anything was written, because of what the file
/// contains: the index still fits it.
const fn is_refusal(error: &HistoryError) -> bool {
    matches!(
        error,
        HistoryError::Stale { .. }
            | HistoryError::TurnIdInUse { .. }
            | HistoryError::UnknownTurn { .. }
            | HistoryError::TooLarge { .. }
            | HistoryError::TooManyLabels { .. }
            | HistoryError::InvalidText { .. }
            | HistoryError::Unsupported { .. }
    )
}

impl Cache {
    /// Runs an operation on a conversation, with an index that is up to date.
    pub(crate) fn with<T>(
        &self,
        conversation: &mut Conversation<'_>,
        run: impl FnOnce(&mut Conversation<'_>) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let session = conversation.session;
        conversation.open(lock(&self.indexes).pop(session))?;
        self.report(conversation);
        let outcome = run(conversation);
        // After an error that is not a refusal, the next operation reads the file again.
        if outcome.as_ref().err().is_none_or(is_refusal)
            && let Some(index) = conversation.index.take()
        {
            lock(&self.indexes).put(session.clone(), index);
        }
        outcome
    }

    /// Drops the index of a session.
    pub(crate) fn forget(&self, session: &SessionId) {
        lock(&self.indexes).pop(session);
    }

    /// Drops all indexes and summaries.
    pub(crate) fn clear(&self) {
        lock(&self.indexes).clear();
        self.summaries.clear();
    }

    /// Returns the unfinished lines that were found.
    pub(crate) fn torn_tails(&self) -> Vec<TornTail> {
        let torn = lock(&self.torn);
        let tail = |((session, offset), bytes): (&(SessionId, u64), &u64)| TornTail {
            session: session.clone(),
            offset: *offset,
            bytes: *bytes,
        };
        torn.iter().map(tail).collect()
    }

    fn report(&self, conversation: &Conversation<'_>) {
        if let Some(index) = conversation.index.as_ref().filter(|index| index.torn > 0) {
            let mut torn = lock(&self.torn);
            if torn.len() < MAX_TORN {
                torn.insert((conversation.session.clone(), index.end), index.torn);
            }
        }
    }
}

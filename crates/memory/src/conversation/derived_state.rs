//! State that a memory derives from its conversation, and the messages that it does not cover yet.

use conversant_core::{HistoryError, Note, Slice, Value, Version};

use super::{
    message_cache::MessageCache,
    note::{Covered, DerivedNote},
    stored_session::StoredSession,
};

/// A derived note, with a cache of the messages after it.
pub(crate) struct DerivedState {
    note: DerivedNote,
    messages: MessageCache,
}

/// The current derived state of a conversation.
pub(crate) struct Derived {
    /// The note's content; `None` if there is no note of this conversation.
    pub(crate) body: Option<Value>,
    /// The messages that the note does not cover.
    pub(crate) uncovered: Slice,
}

impl DerivedState {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { note: DerivedNote::new(name), messages: MessageCache::default() }
    }

    /// Reads the note, and loads only the messages that are new since the last time.
    pub(crate) async fn read(&self, session: &StoredSession) -> Result<Derived, HistoryError> {
        let note = self.note.read(session).await?;
        let covers = note.as_ref().map(|note| note.covers);
        let uncovered = self.messages.after(session, covers).await?;
        let is_current = |note: &Note| {
            note.covers.epoch == uncovered.version.epoch
                && note.covers.messages == uncovered.start()
        };
        let body = note.filter(is_current).map(|note| note.body);
        Ok(Derived { body, uncovered })
    }

    /// Stores a note that covers a part of the conversation.
    pub(crate) async fn write(
        &self,
        session: &StoredSession,
        body: Value,
        covered: Covered,
    ) -> Result<(), HistoryError> {
        self.note.write(session, body, covered).await
    }

    pub(crate) fn forget(&self) {
        self.note.forget();
        self.messages.forget();
    }
}

/// Returns whether the messages that a note should cover were read again after it was written. Then
/// another process has written to the session, or the history has lost the note. Calling a model
/// again would repeat the same call.
pub(crate) fn is_lost(uncovered: &Slice, written: Option<Covered>) -> bool {
    let start = Version::new(uncovered.version.epoch, uncovered.start());
    written.is_some_and(|Covered { end, .. }| start < Version::new(end.epoch, end.messages))
}

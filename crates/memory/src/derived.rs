//! What a memory has made of a conversation, kept beside it: a summary, and how far it goes.

use std::sync::Mutex;

use conversant_core::{HistoryError, Note, Value, Version};

use crate::conversation::{Conversation, lock};

/// A note in the conversation's history, or, if the history has no notes, one that lasts as long as the memory.
pub(crate) struct Derived {
    name: &'static str,
    held: Mutex<Option<Note>>,
}

impl Derived {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, held: Mutex::new(None) }
    }

    pub(crate) async fn read(
        &self,
        conversation: &Conversation,
    ) -> Result<Option<Note>, HistoryError> {
        match conversation.history.note(&conversation.session, self.name).await {
            Err(HistoryError::Unsupported { .. }) => Ok(lock(&self.held).clone()),
            note => note,
        }
    }

    /// Stores what covers the conversation up to a version. If it was cleared in the meantime, there is nothing to store.
    pub(crate) async fn write(
        &self,
        conversation: &Conversation,
        body: Value,
        covers: Version,
    ) -> Result<(), HistoryError> {
        let note = Note::new(body, covers);
        match conversation.history.put_note(&conversation.session, self.name, &note).await {
            Err(HistoryError::Unsupported { .. }) => *lock(&self.held) = Some(note),
            Err(HistoryError::Stale { .. }) => {}
            stored => return stored,
        }
        Ok(())
    }

    pub(crate) fn forget(&self) {
        *lock(&self.held) = None;
    }
}

//! A note of a session, with state that a memory derives from it.

use std::sync::Mutex;

use conversant_core::{HistoryError, Note, Value, Version};

use super::stored_session::StoredSession;
use crate::sync::lock;

/// A note of the session or, in a history without notes, one that lives as long as the memory.
pub(crate) struct DerivedNote {
    name: &'static str,
    fallback: Mutex<Option<Note>>,
}

impl DerivedNote {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, fallback: Mutex::new(None) }
    }

    pub(crate) async fn read(&self, session: &StoredSession) -> Result<Option<Note>, HistoryError> {
        match session.note(self.name).await {
            Err(HistoryError::Unsupported { .. }) => Ok(lock(&self.fallback).clone()),
            note => note,
        }
    }

    /// Stores state that covers the conversation up to a version. If the conversation was cleared
    /// in the meantime, nothing is stored.
    pub(crate) async fn write(
        &self,
        session: &StoredSession,
        body: Value,
        covers: Version,
    ) -> Result<(), HistoryError> {
        let note = Note::new(body, covers);
        match session.put_note(self.name, &note).await {
            Err(HistoryError::Unsupported { .. }) => *lock(&self.fallback) = Some(note),
            Err(HistoryError::Stale { .. }) => {}
            stored => return stored,
        }
        Ok(())
    }

    /// Stores state as [`write`](Self::write) does, if the note is still the one that was read.
    /// Returns whether it is. A history that cannot compare notes replaces any.
    #[cfg(feature = "entities")]
    pub(crate) async fn replace(
        &self,
        session: &StoredSession,
        read: Option<&Note>,
        body: Value,
        covers: Version,
    ) -> Result<bool, HistoryError> {
        let note = Note::new(body, covers);
        match session.replace_note(self.name, read, &note).await {
            Err(HistoryError::Unsupported { .. }) => {
                self.write(session, note.body, covers).await.map(|()| true)
            }
            Err(HistoryError::Stale { .. }) => Ok(true),
            replaced => replaced,
        }
    }

    pub(crate) fn forget(&self) {
        *lock(&self.fallback) = None;
    }
}

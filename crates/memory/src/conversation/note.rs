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

    pub(crate) fn forget(&self) {
        *lock(&self.fallback) = None;
    }
}

//! A note of a session, with state that a memory derives from it.

use std::sync::Mutex;

use conversant_core::{HistoryError, Note, Value, Version};

use super::stored_session::StoredSession;
use crate::sync::lock;

/// The part of a conversation that a note covers: all up to a version.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) end: Version,
    /// The version that was read, if it has more messages. The last turn at the end is not known
    /// then, so that a store cannot find out that the end is on another branch by now.
    read: Option<Version>,
}

impl Covered {
    /// All of the conversation up to a version.
    pub(crate) const fn all(end: Version) -> Self {
        Self { end, read: None }
    }

    /// The messages before a slice, and the first of the slice.
    #[cfg(any(feature = "entities", feature = "summaries", feature = "vectors"))]
    pub(crate) fn up_to(uncovered: &conversant_core::Slice, messages: usize) -> Self {
        let read = uncovered.version;
        if messages == uncovered.messages.len() {
            return Self::all(read);
        }
        let end = Version::new(read.epoch, uncovered.start() + messages as u64);
        Self { end, read: Some(read) }
    }

    /// Returns whether the conversation still has what was read.
    async fn is_current(self, session: &StoredSession) -> Result<bool, HistoryError> {
        match self.read {
            Some(read) => session.has(read).await,
            // The store compares the end.
            None => Ok(true),
        }
    }
}

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

    /// Stores state that covers a part of the conversation. If the conversation was cleared or
    /// moved to another branch in the meantime, nothing is stored.
    pub(crate) async fn write(
        &self,
        session: &StoredSession,
        body: Value,
        covered: Covered,
    ) -> Result<(), HistoryError> {
        if !covered.is_current(session).await? {
            return Ok(());
        }
        let note = Note::new(body, covered.end);
        match session.put_note(self.name, &note).await {
            Err(HistoryError::Unsupported { .. }) => *lock(&self.fallback) = Some(note),
            Err(HistoryError::Stale { .. }) => {}
            Err(error) => return Err(error),
            // It was moved between the two.
            Ok(()) if !covered.is_current(session).await? => self.withdraw(session, &note).await?,
            Ok(()) => {}
        }
        Ok(())
    }

    /// Replaces a note that may describe another branch by one that covers nothing.
    async fn withdraw(&self, session: &StoredSession, note: &Note) -> Result<(), HistoryError> {
        let Some(stored) = session.note(self.name).await? else { return Ok(()) };
        let end = |note: &Note| (note.covers.epoch, note.covers.messages);
        if end(&stored) != end(note) || stored.body != note.body {
            return Ok(());
        }
        let nothing = Note::new(Value::from(""), Version::new(note.covers.epoch, 0));
        match session.replace_note(self.name, Some(&stored), &nothing).await {
            Err(HistoryError::Unsupported { .. }) => session.put_note(self.name, &nothing).await,
            Err(HistoryError::Stale { .. }) => Ok(()),
            replaced => replaced.map(drop),
        }
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
                self.write(session, note.body, Covered::all(covers)).await.map(|()| true)
            }
            Err(HistoryError::Stale { .. }) => Ok(true),
            replaced => replaced,
        }
    }

    pub(crate) fn forget(&self) {
        *lock(&self.fallback) = None;
    }
}
